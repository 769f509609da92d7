//! The local stack: a private Postgres, a private NATS server and an S3 server in the process, all in one state folder.
//!
//! It makes the whole platform start with one command on a bare machine, for development, demonstrations, tests and small
//! installations. A service whose address is given is not started; the given one is waited for and used.
//!
//! * [`StateDir`] holds the folder: one owner at a time, generated secrets.
//! * [`Stack`] starts the services, restarts one that dies at the address it had, and stops them.
//! * [`Supervisor`] does the same for processes of our own binary.
//!
//! Nothing outlives the process, however it ends: see [`child`].

pub mod child;
mod cluster;
mod error;
mod external;
mod guard;
mod nats;
mod postgres;
mod proc;
mod state;
mod storage;
mod supervisor;

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use error::{Service, StackError};
pub use nats::Version as NatsVersion;
pub use state::StateDir;
pub use supervisor::{ProcessSpec, Supervisor};

use guard::Guard;
use nats::Nats;
use postgres::Postgres;
use storage::Storage;

const ENDPOINTS_FILE: &str = "endpoints.env";

/// How to reach an object store.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageSettings {
    /// Base address with scheme, without the bucket.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Region, which signatures need even where it means nothing.
    pub region: String,
}

impl fmt::Debug for StorageSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageSettings")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Where everything is that a role talks to.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The database as the restricted role of the running application. May hold a password.
    pub database_url: String,
    /// The database as the owner of the schema, for migrations. May hold a password.
    pub database_owner_url: String,
    /// The bus. May be a comma-separated list.
    pub nats_url: String,
    /// The object store.
    pub storage: StorageSettings,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("storage", &self.storage)
            .finish_non_exhaustive()
    }
}

impl Endpoints {
    /// The environment that makes a child process use these endpoints. Holds secrets: for a child's environment only.
    pub fn to_env(&self) -> Vec<(String, String)> {
        [
            ("DATABASE_URL", &self.database_url),
            ("DATABASE_OWNER_URL", &self.database_owner_url),
            ("NATS_URL", &self.nats_url),
            ("STORAGE_ENDPOINT", &self.storage.endpoint),
            ("STORAGE_BUCKET", &self.storage.bucket),
            ("STORAGE_ACCESS_KEY", &self.storage.access_key),
            ("STORAGE_SECRET_KEY", &self.storage.secret_key),
            ("STORAGE_REGION", &self.storage.region),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect()
    }
}

/// Services that are given and therefore not started.
#[derive(Clone, Default)]
pub struct External {
    /// DATABASE_URL and DATABASE_OWNER_URL (the former again, when the latter is not set).
    pub database: Option<(String, String)>,
    /// NATS_URL.
    pub nats: Option<String>,
    /// STORAGE_*.
    pub storage: Option<StorageSettings>,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External")
            .field("database", &self.database.is_some())
            .field("nats", &self.nats.is_some())
            .field("storage", &self.storage)
            .finish()
    }
}

/// What to start and how long to wait.
#[derive(Debug)]
pub struct StackOptions {
    /// The open state folder.
    pub state: StateDir,
    /// Services that are given.
    pub external: External,
    /// How long to wait for each given service.
    pub patience: Duration,
}

impl StackOptions {
    /// Everything embedded.
    pub fn embedded(state: StateDir) -> Self {
        Self {
            state,
            external: External::default(),
            patience: Duration::from_secs(60),
        }
    }
}

/// The running services.
#[derive(Debug)]
pub struct Stack {
    endpoints: Endpoints,
    postgres: Option<Guard>,
    nats: Option<Guard>,
    storage: Option<Storage>,
    nats_version: NatsVersion,
    /// Last: the folder's lock is given back only when nothing runs in it.
    state: StateDir,
}

impl Stack {
    /// Starts what is not given, waits for what is, and returns when all of it can be used.
    ///
    /// # Errors
    /// See [`StackError`]. What was already started is stopped again.
    #[tracing::instrument(name = "stack.start", skip_all, err)]
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        let StackOptions {
            state,
            external,
            patience,
        } = options;
        let (database, bus, store) = tokio::join!(
            start_database(&state, external.database, patience),
            start_bus(&state, external.nats, patience),
            start_store(&state, external.storage, patience),
        );
        // Dropping a guard ends its process, so an error of one service takes the others along.
        let (postgres, database_url, database_owner_url) = database?;
        let (nats, nats_url, nats_version) = bus?;
        let (storage, storage_settings) = store?;
        let stack = Self {
            endpoints: Endpoints {
                database_url,
                database_owner_url,
                nats_url,
                storage: storage_settings,
            },
            postgres,
            nats,
            storage,
            nats_version,
            state,
        };
        stack.note_endpoints()?;
        Ok(stack)
    }

    /// Opens a state folder and starts everything in it. For tests and tools.
    ///
    /// # Errors
    /// As [`StateDir::open`] and [`Stack::start`].
    pub async fn start_in(dir: &Path) -> Result<Self, StackError> {
        Self::start(StackOptions::embedded(StateDir::open(dir, false)?)).await
    }

    /// Where everything is. The addresses stay the same while the stack lives, whatever is restarted.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The open state folder.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// The release of the bus, whether ours or given.
    pub fn nats_version(&self) -> NatsVersion {
        self.nats_version
    }

    /// The process that serves, if it is ours and a process of its own.
    pub fn pid(&self, service: Service) -> Option<u32> {
        self.guard(service).and_then(Guard::pid)
    }

    /// Kills one service without warning, as a crash would; it is started again at the same address. For tests of outages.
    /// Returns when the new process is ready.
    ///
    /// # Errors
    /// [`StackError::GaveUp`] when it does not come back.
    pub async fn crash(&self, service: Service) -> Result<(), StackError> {
        match self.guard(service) {
            Some(guard) => guard.crash().await,
            None => Ok(()),
        }
    }

    /// Returns when a service of ours died and could not be kept alive. Otherwise never.
    pub async fn failed(&self) -> StackError {
        let wait = async |guard: Option<&Guard>| match guard {
            Some(guard) => guard.failed().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            error = wait(self.postgres.as_ref()) => error,
            error = wait(self.nats.as_ref()) => error,
        }
    }

    /// Stops everything that was started, the database last, and gives the state folder free.
    pub async fn stop(self) {
        let _already_gone = std::fs::remove_file(self.state.path().join(ENDPOINTS_FILE));
        let nats = async {
            if let Some(guard) = self.nats {
                guard.stop().await;
            }
        };
        let storage = async {
            if let Some(storage) = self.storage {
                storage.stop().await;
            }
        };
        tokio::join!(nats, storage);
        if let Some(guard) = self.postgres {
            guard.stop().await;
        }
        drop(self.state);
    }

    fn guard(&self, service: Service) -> Option<&Guard> {
        match service {
            Service::Postgres => self.postgres.as_ref(),
            Service::Nats => self.nats.as_ref(),
            Service::Storage => None,
        }
    }

    /// Leaves the addresses for roles that are started by hand beside us (`kvit worker` in another terminal).
    fn note_endpoints(&self) -> Result<(), StackError> {
        let mut text =
            "# Where the running kvit keeps its services; gone when it stops.\n".to_owned();
        for (name, value) in self.endpoints.to_env() {
            text.push_str(&format!("{name}={value}\n"));
        }
        state::write_private(&self.state.path().join(ENDPOINTS_FILE), &text)
    }
}

async fn start_database(
    state: &StateDir,
    given: Option<(String, String)>,
    patience: Duration,
) -> Result<(Option<Guard>, String, String), StackError> {
    if let Some((url, owner_url)) = given {
        external::wait_postgres(&url, patience).await?;
        return Ok((None, url, owner_url));
    }
    let server = Postgres::prepare(state).await?;
    let (url, owner_url) = (
        server.url(postgres::APPLICATION),
        server.url(postgres::OWNER),
    );
    let guard = Guard::start(guard::Kind::Postgres(server.clone())).await?;
    server.provision().await?;
    Ok((Some(guard), url, owner_url))
}

async fn start_bus(
    state: &StateDir,
    given: Option<String>,
    patience: Duration,
) -> Result<(Option<Guard>, String, NatsVersion), StackError> {
    if let Some(url) = given {
        let version = external::wait_nats(&url, patience).await?;
        if !version.is_full() {
            tracing::warn!(%version, "the given NATS server is older than 2.10 and ignores some consumer settings");
        }
        return Ok((None, url, version));
    }
    let mut server = Nats::prepare(state).await?;
    let child = server.start().await?;
    let (url, version) = (server.url(), server.version());
    let guard = Guard::adopt(guard::Kind::Nats(server), child);
    Ok((Some(guard), url, version))
}

async fn start_store(
    state: &StateDir,
    given: Option<StorageSettings>,
    patience: Duration,
) -> Result<(Option<Storage>, StorageSettings), StackError> {
    if let Some(settings) = given {
        external::wait_storage(&settings.endpoint, patience).await?;
        return Ok((None, settings));
    }
    let storage = Storage::start(state).await?;
    let settings = storage.settings().clone();
    Ok((Some(storage), settings))
}
