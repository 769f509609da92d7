//! Keeping one service process alive: it is started again when it dies, at the same address, so that clients only see a pause.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::child::Child;
use super::error::{Service, StackError};
use super::nats::Nats;
use super::postgres::Postgres;

/// More deaths than this within [`WINDOW`] are no accident.
const DEATHS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// What can be kept alive.
#[derive(Debug)]
pub(crate) enum Kind {
    Postgres(Postgres),
    Nats(Nats),
}

impl Kind {
    fn service(&self) -> Service {
        match self {
            Self::Postgres(_) => Service::Postgres,
            Self::Nats(_) => Service::Nats,
        }
    }

    async fn start(&mut self) -> Result<Child, StackError> {
        match self {
            Self::Postgres(server) => server.start().await,
            Self::Nats(server) => server.start().await,
        }
    }

    async fn stop(&self, child: &Child) {
        match self {
            Self::Postgres(_) => Postgres::stop(child).await,
            Self::Nats(_) => Nats::stop(child).await,
        }
    }
}

#[derive(Debug, Clone)]
enum Life {
    Up(Arc<Child>),
    Down,
    GivenUp { times: u32 },
}

/// The keeper of one service.
#[derive(Debug)]
pub(crate) struct Guard {
    service: Service,
    stop: CancellationToken,
    life: watch::Receiver<Life>,
    task: Option<JoinHandle<()>>,
}

impl Guard {
    /// Starts the service and keeps it.
    pub async fn start(mut kind: Kind) -> Result<Self, StackError> {
        let child = kind.start().await?;
        Ok(Self::adopt(kind, child))
    }

    /// Keeps a service that is already up.
    pub fn adopt(kind: Kind, child: Child) -> Self {
        let service = kind.service();
        let stop = CancellationToken::new();
        let child = Arc::new(child);
        let (tell, life) = watch::channel(Life::Up(Arc::clone(&child)));
        let task = tokio::spawn(keep(kind, child, stop.clone(), tell));
        Self {
            service,
            stop,
            life,
            task: Some(task),
        }
    }

    pub fn pid(&self) -> Option<u32> {
        match &*self.life.borrow() {
            Life::Up(child) => Some(child.pid()),
            Life::Down | Life::GivenUp { .. } => None,
        }
    }

    /// SIGKILL, then wait for the successor.
    pub async fn crash(&self) -> Result<(), StackError> {
        let before = self.pid();
        if let Life::Up(child) = &*self.life.borrow() {
            child.signal(Signal::SIGKILL);
        }
        let mut life = self.life.clone();
        let seen = life
            .wait_for(|life| match life {
                Life::Up(child) => Some(child.pid()) != before,
                Life::Down => false,
                Life::GivenUp { .. } => true,
            })
            .await
            .map(|life| life.clone());
        match seen {
            Ok(Life::Up(_)) => Ok(()),
            _ => Err(self.gave_up()),
        }
    }

    /// Returns when the service is given up.
    pub async fn failed(&self) -> StackError {
        let mut life = self.life.clone();
        let seen = life
            .wait_for(|life| matches!(life, Life::GivenUp { .. }))
            .await
            .is_ok();
        if !seen {
            // The keeper ended because it was told to: that is no failure.
            std::future::pending::<()>().await;
        }
        self.gave_up()
    }

    fn gave_up(&self) -> StackError {
        let times = match &*self.life.borrow() {
            Life::GivenUp { times } => *times,
            Life::Up(_) | Life::Down => 0,
        };
        StackError::GaveUp {
            service: self.service,
            times,
        }
    }

    /// Stops the service in order.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _panicked = task.await;
        }
    }
}

impl Drop for Guard {
    /// Without an orderly stop the keeper goes with us, and dropping the child ends the process.
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn keep(
    mut kind: Kind,
    mut child: Arc<Child>,
    stop: CancellationToken,
    tell: watch::Sender<Life>,
) {
    let service = kind.service();
    let mut deaths: VecDeque<Instant> = VecDeque::new();
    loop {
        let status = tokio::select! {
            () = stop.cancelled() => {
                kind.stop(&child).await;
                return;
            }
            status = child.wait() => status,
        };
        tell.send_replace(Life::Down);
        tracing::error!(%service, %status, "a service of the local stack died; starting it again");
        loop {
            let now = Instant::now();
            deaths.push_back(now);
            while deaths
                .front()
                .is_some_and(|at| now.duration_since(*at) > WINDOW)
            {
                deaths.pop_front();
            }
            if deaths.len() > DEATHS {
                tracing::error!(%service, "a service of the local stack cannot be kept alive");
                let times = u32::try_from(deaths.len()).unwrap_or(u32::MAX);
                tell.send_replace(Life::GivenUp { times });
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            match kind.start().await {
                Ok(new) => {
                    child = Arc::new(new);
                    tell.send_replace(Life::Up(Arc::clone(&child)));
                    tracing::info!(%service, pid = child.pid(), "the service is back");
                    break;
                }
                Err(error) => tracing::error!(%service, %error, "the service did not start again"),
            }
        }
    }
}
