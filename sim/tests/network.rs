//! `Dial` and the listeners over the simulated network, with plain bytes and with HTTP.
#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::{cell::RefCell, io::ErrorKind, net::Ipv4Addr, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ms2m_app::io::{BoxStream, Dial as _, Endpoint, SocketDial};
use ms2m_sim::{
    determinism::{run, take_trace},
    network::{Delivery, Fragmented, SimDial, serve, serve_tcp, sim_builder},
    trace,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

fn endpoint(host: &str) -> Endpoint {
    Endpoint { host: host.into(), port: 80, tls: false }
}

async fn echo(mut stream: BoxStream) {
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
}

async fn hello(stream: BoxStream) {
    let answer = service_fn(async |request: Request<Incoming>| {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(format!("read {} bytes", body.len())))))
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

async fn post(dial: &impl ms2m_app::io::Dial, endpoint: &Endpoint, length: usize) -> turmoil::Result<String> {
    let stream = dial.connect(endpoint).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    let request =
        Request::post("/").header("host", "server").body(Full::new(Bytes::from(vec![7; length])))?;
    let body = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec())?)
}

/// Runs `client` against a host `server` that echoes.
fn with_echo_server<F: Future<Output = turmoil::Result> + 'static>(
    client: impl FnOnce() -> F + Send + 'static,
) {
    run(1, move || {
        let mut sim = sim_builder(1).build();
        sim.host("server", || serve(80, echo));
        sim.client("client", client());
        sim.run().unwrap();
    });
}

#[test]
fn bytes_go_there_and_back() {
    with_echo_server(|| async {
        let mut stream = SimDial.connect(&endpoint("server")).await?;
        let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut received = vec![0; sent.len()];
        stream.write_all(&sent).await?;
        stream.read_exact(&mut received).await?;
        assert_eq!(received, sent);
        Ok(())
    });
}

#[test]
fn what_cannot_be_reached_is_an_error_with_its_reason() {
    with_echo_server(|| async {
        let refused = SimDial.connect(&Endpoint { port: 81, ..endpoint("server") }).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let unknown = SimDial.connect(&endpoint("nowhere")).await.err().unwrap();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        let tls = SimDial.connect(&Endpoint { tls: true, ..endpoint("server") }).await.err().unwrap();
        assert_eq!(tls.kind(), ErrorKind::Unsupported);
        assert!(tls.to_string().contains("server:80 asks for TLS"), "{tls}");
        Ok(())
    });
}

#[test]
fn a_server_that_is_dropped_closes_its_connections() {
    run(1, || {
        let mut sim = sim_builder(1).build();
        sim.host("server", || async {
            let _ = tokio::time::timeout(Duration::from_secs(5), serve(80, echo)).await;
            std::future::pending().await
        });
        sim.client("client", async {
            let mut stream = SimDial.connect(&endpoint("server")).await?;
            assert_eq!(stream.read(&mut [0; 8]).await?, 0);
            assert!(turmoil::sim_elapsed().unwrap() >= Duration::from_secs(5));
            let again = SimDial.connect(&endpoint("server")).await.err().unwrap();
            assert_eq!(again.kind(), ErrorKind::ConnectionRefused);
            Ok(())
        });
        sim.run().unwrap();
    });
}

#[test]
fn a_server_can_be_stopped_and_listen_again() {
    run(1, || {
        let mut sim = sim_builder(1).build();
        sim.host("server", || async {
            for _ in 0..3 {
                let _ = tokio::time::timeout(Duration::from_secs(1), serve(80, echo)).await;
            }
            Ok(())
        });
        sim.client("client", async {
            for _ in 0..3 {
                let mut stream = SimDial.connect(&endpoint("server")).await?;
                stream.write_all(b"ping").await?;
                stream.read_exact(&mut [0; 4]).await?;
                assert_eq!(stream.read(&mut [0; 4]).await?, 0);
            }
            Ok(())
        });
        sim.run().unwrap();
    });
}

/// The sizes of the pieces in which one write of `length` bytes arrives.
fn arriving(seed: u64, delivery: Delivery, length: usize) -> Vec<usize> {
    run(seed, move || {
        delivery.select();
        let (sizes, complete) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Notify::new()));
        let mut sim = sim_builder(seed).build();
        let (pieces, all) = (sizes.clone(), complete.clone());
        sim.host("server", move || {
            let (pieces, all) = (pieces.clone(), all.clone());
            serve(80, move |mut stream| {
                let (pieces, all) = (pieces.clone(), all.clone());
                async move {
                    let mut buffer = vec![0; length];
                    while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                        pieces.borrow_mut().push(size);
                    }
                    all.notify_one();
                }
            })
        });
        sim.client("client", async move {
            let mut stream = SimDial.connect(&endpoint("server")).await?;
            stream.write_all(&vec![1; length]).await?;
            drop(stream);
            complete.notified().await;
            Ok(())
        });
        sim.run().unwrap();
        drop(sim);
        sizes.take()
    })
}

#[test]
fn fragmented_delivery_cuts_writes_by_the_seed() {
    assert_eq!(arriving(3, Delivery::Whole, 1000), [1000]);
    let cut = arriving(3, Delivery::Fragmented, 1000);
    assert!(cut.len() > 1, "{cut:?}");
    assert_eq!(cut.iter().sum::<usize>(), 1000);
    assert_eq!(cut, arriving(3, Delivery::Fragmented, 1000));
    assert_ne!(cut, arriving(4, Delivery::Fragmented, 1000));
}

#[test]
fn a_segment_has_a_largest_size() {
    assert_eq!(arriving(3, Delivery::Segments(536), 1_500), [536, 536, 428]);
    assert_eq!(arriving(3, Delivery::Segments(2_000), 1_500), [1_500]);
}

#[tokio::test]
async fn a_fragmented_stream_accepts_empty_writes() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut near = Fragmented::new(near);
    assert_eq!(near.write(&[]).await.unwrap(), 0);
    near.write_all(b"all of it").await.unwrap();
    near.shutdown().await.unwrap();
    let mut read = String::new();
    far.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "all of it");
}

/// Several clients with random pauses and sizes, and what they saw when.
fn http_trace(seed: u64) -> Vec<String> {
    run(seed, move || {
        Delivery::Fragmented.select();
        let mut sim = sim_builder(seed).build();
        sim.host("server", || serve(80, hello));
        for name in ["one", "two", "three"] {
            sim.client(name, async move {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(..20))).await;
                    let answer = post(&SimDial, &endpoint("server"), fastrand::usize(..10_000)).await?;
                    trace!(name, "{answer}");
                }
                Ok(())
            });
        }
        sim.run().unwrap();
        take_trace()
    })
}

#[test]
fn http_over_the_simulated_network_is_a_function_of_the_seed() {
    for seed in 0..10 {
        let first = http_trace(seed);
        assert_eq!(first.len(), 30);
        assert_eq!(first, http_trace(seed), "seed {seed}");
        assert_ne!(first, http_trace(seed + 100));
    }
}

#[tokio::test(flavor = "local")]
async fn the_same_handler_serves_real_sockets() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::task::spawn_local(serve_tcp(listener, hello));
    let dial = SocketDial::system_roots().unwrap();
    let local = Endpoint { host: "127.0.0.1".into(), port, tls: false };
    assert_eq!(post(&dial, &local, 12).await.unwrap(), "read 12 bytes");
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert!(dial.connect(&local).await.is_err(), "the port is closed with the server");
}
