//! From an empty process to a checked configuration and running services. Shared by `up`, the roles and the demo.

use std::path::{Path, PathBuf};

use crate::config::settings::{APP_ENV, DATABASE_URL, ENCRYPTION_SECRET, KVIT_DIR};
use crate::config::{Config, Faults, Purpose, Sources};
use crate::stack::{Endpoints, Stack, StackError, StackOptions, StateDir};

/// Why a process could not begin its work.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The configuration is wrong; exit status 2.
    #[error(transparent)]
    Config(#[from] Faults),
    /// The simulated providers have no place here; exit status 2.
    #[error("{command} {reason}")]
    NotHere {
        /// What was asked for.
        command: &'static str,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// The services are not there; exit status 1.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// A service's address is missing although the configuration passed.
    #[error("the addresses of the services are incomplete")]
    Endpoints,
}

/// The raw settings of this process; `--dir` goes before KVIT_DIR.
pub fn sources(dir: Option<&Path>) -> Sources {
    let mut sources = Sources::of_process();
    if let Some(dir) = dir {
        let dir = dir.to_string_lossy().into_owned();
        sources.environment.insert(KVIT_DIR.name.to_owned(), dir);
    }
    sources
}

/// Refuses invented receipts and simulated payouts where real people's data is.
///
/// # Errors
/// [`BootError::NotHere`] in `prod`.
pub fn simulation_allowed(sources: &Sources, command: &'static str) -> Result<(), BootError> {
    if sources.text(&APP_ENV).as_deref() == Some("prod") {
        return Err(BootError::NotHere {
            command,
            reason: "simulates the providers, which APP_ENV=prod refuses: people would be told of payouts that never happened; run `kvit up`, or set APP_ENV=dev",
        });
    }
    Ok(())
}

/// Refuses the demo where its invented people would stay for ever: in `prod`, and in a database that is not its own.
///
/// # Errors
/// [`BootError::NotHere`].
pub fn demo_allowed(sources: &Sources) -> Result<(), BootError> {
    const COMMAND: &str = "`kvit demo`";
    simulation_allowed(sources, COMMAND)?;
    if sources.is_given(&DATABASE_URL) {
        return Err(BootError::NotHere {
            command: COMMAND,
            reason: "writes invented people and receipts into the event log, which forgets nothing; it runs only on a database of its own: unset DATABASE_URL",
        });
    }
    Ok(())
}

/// A configuration for `up` and `demo`, with the open state folder. Wrong settings are found before the disk is touched.
///
/// # Errors
/// [`BootError::Config`] or what the state folder says.
pub fn embedded(sources: Sources) -> Result<(Config, StateDir), BootError> {
    let config = Config::load(&sources, Purpose::Embedded)?;
    let state = StateDir::open(&config.dir, sources.is_given(&ENCRYPTION_SECRET))?;
    let sources = sources.with_state(state.secrets());
    let mut config = Config::load(&sources, Purpose::Embedded)?;
    config.dir = state.path().to_path_buf();
    Ok((config, state))
}

/// Starts what the configuration does not give.
///
/// # Errors
/// What the services say.
pub async fn start_stack(config: &Config, state: StateDir) -> Result<Stack, StackError> {
    Stack::start(StackOptions {
        state,
        external: config.external(),
        patience: config.wait,
    })
    .await
}

/// A configuration for one role. Outside of `prod`, what is not given is taken from a `kvit up` that runs in the same folder.
///
/// # Errors
/// [`BootError::Config`] with all faults.
pub fn role(sources: Sources) -> Result<(Config, Endpoints), BootError> {
    let config = Config::load(&with_state_files(sources), Purpose::Role)?;
    let endpoints = config.endpoints().ok_or(BootError::Endpoints)?;
    Ok((config, endpoints))
}

/// Lays below the given settings what the state folder holds: generated secrets, and the addresses of running services. Never
/// in `prod`, where everything is given.
#[must_use]
pub fn with_state_files(sources: Sources) -> Sources {
    if sources.text(&APP_ENV).as_deref() == Some("prod") {
        return sources;
    }
    let dir = PathBuf::from(sources.text(&KVIT_DIR).unwrap_or_default());
    sources
        .with_state_file(&dir.join("secrets.env"))
        .with_state_file(&dir.join("endpoints.env"))
}
