//! Compares a record of `traffic` with the state of `counter`.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use ms2m_counter::{StateView, traffic::Record, verify::compare};

/// Says which messages are lost, duplicated or reordered; exits with 0 only when none is.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The record that `traffic` wrote.
    #[arg(long)]
    record: PathBuf,
    /// The state: http://HOST:PORT/state, or a file with what it answered.
    #[arg(long)]
    state: String,
    /// Also checks that the state has this incarnation: that it was continued, not restarted.
    #[arg(long)]
    incarnation: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let text = read(&arguments.record)?;
    let record: Record = serde_json::from_slice(&text).context("the record is not one of traffic's")?;
    let text = match arguments.state.parse::<http::Uri>() {
        Ok(uri) if uri.scheme_str() == Some("http") => get(uri).await?,
        _ => Bytes::from(read(&PathBuf::from(&arguments.state))?),
    };
    let state: StateView = serde_json::from_slice(&text).context("the state is not one of counter's")?;
    let mut comparison = compare(&record, &state);
    if let Some(expected) = arguments.incarnation
        && expected != state.state.incarnation
    {
        let found = &state.state.incarnation;
        comparison
            .contradictions
            .push(format!("the incarnation is {found}, not {expected}: it was restarted"));
    }
    if arguments.json {
        println!("{}", serde_json::to_string(&comparison)?);
    } else {
        print!("{comparison}");
    }
    Ok(if comparison.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

async fn get(uri: http::Uri) -> anyhow::Result<Bytes> {
    let authority = uri.authority().context("the URI names no host")?.clone();
    let address = (authority.host().to_owned(), authority.port_u16().unwrap_or(80));
    let stream = tokio::net::TcpStream::connect(address).await.with_context(|| uri.to_string())?;
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request =
        http::Request::get(uri.path()).header("host", authority.as_str()).body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = client.send_request(request).await?;
        ensure!(response.status().is_success(), "{uri} answered {}", response.status());
        anyhow::Ok(response.into_body().collect().await?.to_bytes())
    };
    tokio::select! {
        body = exchange => body,
        ended = connection => {
            ended?;
            anyhow::bail!("{uri} closed the connection")
        }
    }
}
