use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ms2m_app::{RamCell, io::Stream};

use crate::{CounterState, view};

/// Serves one HTTP/1.1 connection: `GET /state` is the [`StateView`](crate::StateView), `GET /healthz` says `ok` as long
/// as the process lives.
pub async fn serve_http<S: Stream>(cell: RamCell<CounterState>, stream: S) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&cell, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "HTTP connection ended");
    }
}

fn answer(cell: &RamCell<CounterState>, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if method != Method::GET {
        return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET is served\n".to_owned());
    }
    match path {
        "/state" => match serde_json::to_string(&cell.look(view)) {
            Ok(body) => respond(StatusCode::OK, "application/json", body),
            Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        "/healthz" => respond(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        _ => respond(StatusCode::NOT_FOUND, "text/plain", "here are /state and /healthz\n".to_owned()),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use ms2m_app::engine::{Ram, Role};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::StateView;

    async fn ask(method: &str, path: &str) -> (u16, String) {
        let cell = RamCell::resume(Ram::fresh(None).with_state(CounterState::started("one")));
        let (mut client, server) = tokio::io::duplex(4096);
        let request = format!("{method} {path} HTTP/1.1\r\nhost: counter\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        serve_http(cell, server).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn shows_the_state() {
        let (status, body) = ask("GET", "/state").await;
        let view: StateView = serde_json::from_str(&body).unwrap();
        assert_eq!((status, view.role, view.state.incarnation.as_str()), (200, Role::Starting, "one"));
        insta::assert_snapshot!(body);
    }

    #[tokio::test]
    async fn is_healthy_and_refuses_what_it_does_not_know() {
        assert_eq!(ask("GET", "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(ask("GET", "/").await.0, 404);
        assert_eq!(ask("POST", "/state").await.0, 405);
    }
}
