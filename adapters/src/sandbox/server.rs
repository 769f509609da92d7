//! The socket. Written on hyper itself because a simulated failure must be able to cut the connection, which a framework's
//! server does not offer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// How long answers under way may take after a stop.
const DRAIN: Duration = Duration::from_millis(500);

/// The connection that a request came on. A request finds it among its extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Notify>);

impl Wire {
    /// Cuts the connection without another byte. Never returns: the handler goes down with its connection.
    pub(crate) async fn cut(&self) -> Infallible {
        self.0.notify_one();
        std::future::pending().await
    }
}

pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(converse(stream, router.clone(), stop.clone())); }
                // Out of descriptors, usually: wait a little instead of spinning.
                Err(error) => {
                    tracing::warn!(%error, "sandbox cannot accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let wire = Wire::default();
    let cut = Arc::clone(&wire.0);
    let _only_slower = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(wire.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => {}
        () = cut.notified() => {}
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            let _late = tokio::time::timeout(DRAIN, connection).await;
        }
    }
}
