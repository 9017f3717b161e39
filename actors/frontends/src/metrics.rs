//! Metrics for Prometheus, as OpenMetrics or its older text, on an endpoint of their own.
//!
//! Owns: the HTTP endpoint and the gauges of the host's state. Deliberately apart from the request
//! path: a scrape reads counters and one cached state, and a stuck scrape disturbs nobody.

mod classic;
mod host;

pub use host::HostMetrics;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// A client that takes longer to send its few header lines is no Prometheus.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Scrapes at a time. Prometheus needs one.
const SCRAPES: usize = 8;

/// Where scrapes come in.
#[derive(Debug)]
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a Unix socket.
    Unix(UnixListener),
}

/// What is served.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Everything that was registered.
    pub registry: Arc<Registry>,
    /// The gauges that are set anew for each scrape.
    pub host: HostMetrics,
}

/// Serves `metrics` on `listener` until `stop` is ready.
pub async fn serve(listener: Listener, metrics: Metrics, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(SCRAPES));
    tokio::pin!(stop);
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        let metrics = metrics.clone();
        let accepted = async {
            match &listener {
                Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
                Listener::Unix(unix) => unix.accept().await.map(|(stream, _)| Stream::Unix(stream)),
            }
        };
        let stream = tokio::select! {
            () = &mut stop => return,
            stream = accepted => stream,
        };
        match stream {
            Ok(stream) => {
                tokio::spawn(async move {
                    match stream {
                        Stream::Tcp(stream) => answer(stream, metrics).await,
                        Stream::Unix(stream) => answer(stream, metrics).await,
                    }
                    drop(slot);
                });
            }
            Err(error) => tracing::warn!(%error, "a scrape could not be accepted"),
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, metrics: Metrics) {
    let service = service_fn(move |request| respond(request, metrics.clone()));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scrape ended early");
    }
}

/// The two forms of the same metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

async fn respond(
    request: Request<hyper::body::Incoming>,
    metrics: Metrics,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let open = accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            metrics.host.refresh().await;
            let mut text = String::new();
            match encode(&mut text, &metrics.registry) {
                Ok(()) if open => (StatusCode::OK, OPEN_METRICS, text),
                Ok(()) => (StatusCode::OK, CLASSIC, classic::from_open_metrics(&text)),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, CLASSIC, format!("{error}\n")),
            }
        }
        (&Method::GET, "/") => (StatusCode::OK, CLASSIC, "cambiumd: see /metrics\n".to_owned()),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, CLASSIC, "see /metrics\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, CLASSIC, "GET only\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
