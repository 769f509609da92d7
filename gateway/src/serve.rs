//! Serving until told to stop, and then finishing what was begun.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

/// How long requests in work may take once the process was told to stop. The platform kills after 30 s.
const DRAIN_MAX: Duration = Duration::from_secs(20);

/// Serves until `shutdown` ends, then takes no new connections and lets the requests in work finish, at most
/// [`DRAIN_MAX`].
///
/// # Errors
/// When the listener breaks.
pub async fn serve<S>(listener: TcpListener, router: Router, shutdown: S) -> io::Result<()>
where
    S: Future<Output = ()> + Send + 'static,
{
    let (told, stopping) = tokio::sync::oneshot::channel();
    let signal = async move {
        shutdown.await;
        tracing::info!("the gateway takes no new connections");
        // Nobody listens any more only when serving has ended already.
        let _ = told.send(());
    };
    let serving = async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(signal)
            .await
    };
    let overdue = async move {
        if stopping.await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        ended = serving => ended,
        () = overdue => {
            tracing::warn!("some requests were cut off: they did not end in time");
            Ok(())
        }
    }
}
