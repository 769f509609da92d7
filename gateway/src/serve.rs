//! Serving until told to stop, and then finishing what was begun.
//!
//! `axum::serve` has no bound on the number of connections and none on the time that a caller may take for its headers, so
//! a few slow callers could take every socket. Here both are bounded.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::middleware::AddExtension;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::Layer;

/// Pause after the system refused a new socket, which it does when there are too many.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds of serving.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections at once; more wait in the system's queue.
    pub connections_max: usize,
    /// How long a caller may take for the headers of a request, and how long a connection may idle.
    pub headers_time_max: Duration,
    /// How long requests in work may take once the process was told to stop. Platforms kill after 30 s.
    pub drain_time_max: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            headers_time_max: Duration::from_secs(60),
            drain_time_max: Duration::from_secs(20),
        }
    }
}

/// Serves with the usual limits, see [`serve_within`].
///
/// # Errors
/// As [`serve_within`].
pub async fn serve<S>(listener: TcpListener, router: Router, shutdown: S) -> io::Result<()>
where
    S: Future<Output = ()> + Send,
{
    serve_within(listener, router, ServeLimits::default(), shutdown).await
}

/// Serves until `shutdown` ends, then takes no new connections and lets the requests in work finish, for a bounded time.
///
/// # Errors
/// None today; a caller must be ready for a listener that breaks.
pub async fn serve_within<S>(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    shutdown: S,
) -> io::Result<()>
where
    S: Future<Output = ()> + Send,
{
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = connections.watch(connect(stream, peer, router.clone(), limits));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    tracing::info!(
        connections = connections.count(),
        "the gateway takes no new connections"
    );
    tokio::select! {
        () = connections.shutdown() => {}
        () = tokio::time::sleep(limits.drain_time_max) => {
            tracing::warn!("some requests were cut off: they did not end in time");
        }
    }
    Ok(())
}

/// The router, with the address of the other end beside each request.
type WithPeer = AddExtension<Router, ConnectInfo<SocketAddr>>;

fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<WithPeer>> {
    // Answers are small: waiting for more of them to send together only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is already gone");
    }
    let service = Extension(ConnectInfo(peer)).layer(router);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_time_max)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}
