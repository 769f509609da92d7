//! The S3 server inside the process: the real protocol with signed requests, over a folder.
//!
//! It is for one machine. Its folder backend does not sync to disk and takes any key, so keys stay short and are made by us.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::StorageSettings;
use super::error::{Service, StackError};
use super::state::{self, StateDir};

/// The one bucket.
pub(crate) const BUCKET: &str = "kvit";
const REGION: &str = "us-east-1";
/// A process that holds this many connections open is broken, not busy.
const CONNECTIONS: usize = 512;
const DRAIN: Duration = Duration::from_secs(5);

/// The running server.
#[derive(Debug)]
pub(crate) struct Storage {
    settings: StorageSettings,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Storage {
    /// Makes the bucket's folder and listens on a free port of the loopback interface.
    pub async fn start(state: &StateDir) -> Result<Self, StackError> {
        let root = state.private_folder("s3")?;
        state::make_private(&root.join(BUCKET))?;
        let access_key = state.secret("STORAGE_ACCESS_KEY").to_owned();
        let secret_key = state.secret("STORAGE_SECRET_KEY").to_owned();
        let service = service(&root, &access_key, &secret_key)?;
        let failed = |error: std::io::Error| StackError::Failed {
            service: Service::Storage,
            reason: error.to_string(),
            log: String::new(),
        };
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, service, stop.clone()));
        Ok(Self {
            settings: StorageSettings {
                endpoint: format!("http://{address}"),
                bucket: BUCKET.to_owned(),
                access_key,
                secret_key,
                region: REGION.to_owned(),
            },
            stop,
            task,
        })
    }

    /// How to reach it.
    pub fn settings(&self) -> &StorageSettings {
        &self.settings
    }

    /// Takes no new connection and lets running requests end, for some seconds.
    pub async fn stop(self) {
        self.stop.cancel();
        let _panicked = self.task.await;
    }
}

fn service(root: &Path, access_key: &str, secret_key: &str) -> Result<S3Service, StackError> {
    let files = s3s_fs::FileSystem::new(root).map_err(|error| StackError::Failed {
        service: Service::Storage,
        reason: format!("the folder cannot be served: {error:?}"),
        log: String::new(),
    })?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    Ok(builder.build())
}

async fn serve(listener: TcpListener, service: S3Service, stop: CancellationToken) {
    let server = auto::Builder::new(TokioExecutor::new());
    let mut connections: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((socket, _peer)) => {
                    let connection = server.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
                    let stop = stop.clone();
                    connections.spawn(async move {
                        tokio::pin!(connection);
                        tokio::select! {
                            // A client that breaks off is its own affair.
                            _ended = connection.as_mut() => return,
                            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                        }
                        let _ended = connection.await;
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely; a short pause lets others free some.
                    tracing::warn!(%error, "the object store could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        connections.abort_all();
    }
}
