//! The command line: the map of what the binary does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::audit::export::ExportArgs;
use crate::audit::providers::{ReconcileArgs, TrafficArgs};
use crate::audit::rebuild::RebuildArgs;
use crate::audit::replay::ReplayArgs;
use crate::audit::verify::{CheckpointArgs, VerifyArgs};
use crate::audit::{self, AuditError};
use crate::backup::drill::DrillArgs;
use crate::backup::{self, BackupArgs, BackupError};
use crate::boot::{self, BootError};
use crate::config::{self, Config, Purpose, Sources, settings};
use crate::demo::{self, DemoError, DemoOptions};
use crate::ocr_tools::{self, OcrCommand, OcrError};
use crate::roles::{self, Platform, Role};
use crate::shutdown::{self, ShutdownToken};
use crate::stack::{Stack, StateDir, Supervisor};
use crate::telemetry::Telemetry;
use crate::ui;

/// Wrong settings or wrong usage, as clap ends too.
const WRONG_USE: u8 = 2;

/// Receipts in, rewards out: an event-sourced ledger with a bot, an API and a reader of photos.
#[derive(Debug, Parser)]
#[command(name = "kvit", version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole platform on this machine
    Up {
        /// Simulate Telegram and the providers
        #[arg(long)]
        sandbox: bool,
        /// Start only Postgres, NATS and the object store
        #[arg(long, conflicts_with = "sandbox")]
        services_only: bool,
        /// The state folder [default: KVIT_DIR or .kvit]
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// Send real receipts through the platform and show what happened
    Demo(DemoOptions),
    /// Run the HTTP side: webhooks, API, health, metrics
    Gateway,
    /// Run the Telegram bot
    Bot,
    /// Run the policies: rules, payouts, jobs, notices
    Worker,
    /// Run the reader of photos; or read and measure by hand
    ///
    /// Without a subcommand this is the role that reads what shoppers send.
    Ocr {
        #[command(subcommand)]
        command: Option<OcrCommand>,
    },
    /// Run the read models
    Projector,
    /// Publish the event log on the bus
    Relay,
    /// Bring the database schema up to date, then end
    Migrate,
    /// Fold the log again and compare every row of the read models with it
    ///
    /// Exit status: 0 equal, 1 different, 3 not compared.
    Replay(ReplayArgs),
    /// Check that the log is the one that was written: chain, numbering, signed checkpoints
    ///
    /// Exit status: 0 intact, 1 tampered, 3 incomplete.
    Verify(VerifyArgs),
    /// Sign the log as it is now, and print the checkpoint to be kept elsewhere
    Checkpoint(CheckpointArgs),
    /// Write the books in the form of another program
    Export(ExportArgs),
    /// Build a read model anew beside the live one, compare, and switch
    Rebuild(RebuildArgs),
    /// Compare the providers' own lists with our books, day by day
    ///
    /// Exit status: 0 nothing differs, 1 something does, 3 a day could not be compared.
    Reconcile(ReconcileArgs),
    /// Show what was said to providers of money, opened; it holds personal data
    Traffic(TrafficArgs),
    /// Dump the database with a manifest of what it holds
    Backup(BackupArgs),
    /// Restore a backup into a private cluster, prove that it is whole, and throw the cluster away
    ///
    /// Exit status: 0 as the manifest says, 1 different, 3 could not be carried out.
    RestoreDrill(DrillArgs),
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the settings in force and where each came from; secrets are masked
    Show,
    /// Print the reference of all settings as Markdown
    Reference,
}

impl Cli {
    /// Whether this process will run native reading code, whose threads must be limited before the process starts.
    pub fn reads_photos(&self) -> bool {
        matches!(self.command, Command::Ocr { .. })
    }

    /// Does what was asked.
    pub async fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Up {
                sandbox,
                services_only,
                dir,
            } => {
                let what = if services_only {
                    What::Services
                } else {
                    What::Platform { sandbox }
                };
                up(what, boot::sources(dir.as_deref())).await
            }
            Command::Demo(options) => {
                match boot::demo_allowed(&boot::sources(options.dir.as_deref())) {
                    Ok(()) => demo::run(options).await.map_err(demo_failure),
                    Err(error) => Err(boot_failure(error)),
                }
            }
            Command::Gateway => role(Role::Gateway).await,
            Command::Bot => role(Role::Bot).await,
            Command::Worker => role(Role::Worker).await,
            Command::Ocr { command: None } => role(Role::Ocr).await,
            Command::Ocr {
                command: Some(command),
            } => ocr_tools::run(&command).map_err(ocr_failure),
            Command::Projector => role(Role::Projector).await,
            Command::Relay => role(Role::Relay).await,
            Command::Migrate => role(Role::Migrate).await,
            Command::Replay(args) => audit::replay::run(&args).await.map_err(audit_failure),
            Command::Verify(args) => audit::verify::verify(&args).await.map_err(audit_failure),
            Command::Checkpoint(args) => audit::verify::checkpoint(&args)
                .await
                .map_err(audit_failure),
            Command::Export(args) => audit::export::run(&args).await.map_err(audit_failure),
            Command::Rebuild(args) => audit::rebuild::run(&args).await.map_err(audit_failure),
            Command::Reconcile(args) => audit::providers::reconcile(&args)
                .await
                .map_err(audit_failure),
            Command::Traffic(args) => audit::providers::show_traffic(&args)
                .await
                .map_err(audit_failure),
            Command::Backup(args) => backup::run(&args).await.map_err(backup_failure),
            Command::RestoreDrill(args) => backup::drill::run(&args).await.map_err(backup_failure),
            Command::Config { command } => config_command(&command),
        };
        done.unwrap_or_else(|code| code)
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Services,
    Platform { sandbox: bool },
}

/// Says what went wrong; the exit status is the answer.
fn failure(error: impl std::error::Error + 'static) -> ExitCode {
    ui::complain(&error);
    ExitCode::FAILURE
}

fn boot_failure(error: BootError) -> ExitCode {
    match error {
        BootError::Config(faults) => {
            ui::complain(&faults);
            ExitCode::from(WRONG_USE)
        }
        error @ BootError::NotHere { .. } => {
            ui::complain(&error);
            ExitCode::from(WRONG_USE)
        }
        error => failure(error),
    }
}

fn demo_failure(error: DemoError) -> ExitCode {
    match error {
        DemoError::Boot(error) => boot_failure(error),
        error => failure(error),
    }
}

fn audit_failure(error: AuditError) -> ExitCode {
    let status = error.exit();
    match error {
        AuditError::Boot(error) => boot_failure(error),
        error => {
            ui::complain(&error);
            status
        }
    }
}

fn backup_failure(error: BackupError) -> ExitCode {
    match error {
        BackupError::Audit(error) => audit_failure(error),
        error => {
            let status = error.exit();
            ui::complain(&error);
            status
        }
    }
}

fn ocr_failure(error: OcrError) -> ExitCode {
    ui::complain(&error);
    error.exit()
}

/// Says what is allowed but seldom meant.
fn warn(config: &Config, migrates: bool) {
    for warning in config.warnings(migrates) {
        tracing::warn!("{warning}");
    }
}

async fn role(role: Role) -> Result<ExitCode, ExitCode> {
    // Half of a pair of settings that is not its business must not stop a role, so it sees neither half.
    let sources = boot::sources(None).without(&settings::withheld_from(role.name()));
    let (config, endpoints) = boot::role(sources).map_err(boot_failure)?;
    let telemetry = Telemetry::install(&config, role.name()).map_err(failure)?;
    warn(&config, role == Role::Migrate);
    let shutdown = shutdown::on_signals().map_err(failure)?;
    let done = roles::run(role, &config, &endpoints, &telemetry, shutdown).await;
    telemetry.flush().await;
    done.map(|()| ExitCode::SUCCESS).map_err(failure)
}

async fn up(what: What, sources: Sources) -> Result<ExitCode, ExitCode> {
    if let What::Platform { sandbox: true } = what {
        boot::simulation_allowed(&sources, "`kvit up --sandbox`").map_err(boot_failure)?;
    }
    let (config, state) = boot::embedded(sources).map_err(boot_failure)?;
    let telemetry = Telemetry::install(&config, "up").map_err(failure)?;
    warn(&config, true);
    let shutdown = shutdown::on_signals().map_err(failure)?;
    let done = run_up(what, &config, state, &telemetry, &shutdown).await;
    telemetry.flush().await;
    done
}

async fn run_up(
    what: What,
    config: &Config,
    state: StateDir,
    telemetry: &Telemetry,
    shutdown: &ShutdownToken,
) -> Result<ExitCode, ExitCode> {
    let begun = std::time::Instant::now();
    let stack = tokio::select! {
        started = boot::start_stack(config, state) => started.map_err(failure)?,
        // What was started so far goes down with the unfinished start.
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    ui::note(format_args!(
        "Postgres, NATS {} and object storage are ready after {} ms; state in {}",
        stack.nats_version(),
        begun.elapsed().as_millis(),
        stack.state().path().display()
    ));
    let supervisor = Supervisor::of_this_binary().map_err(failure)?;
    let done = tokio::select! {
        done = work(what, config, &stack, &supervisor, telemetry, shutdown) => done,
        error = stack.failed() => Err(failure(error)),
    };
    shutdown.cancel();
    supervisor.stop().await;
    stack.stop().await;
    done
}

async fn work(
    what: What,
    config: &Config,
    stack: &Stack,
    supervisor: &Supervisor,
    telemetry: &Telemetry,
    shutdown: &ShutdownToken,
) -> Result<ExitCode, ExitCode> {
    match what {
        What::Services => {
            ui::note(format_args!(
                "roles started in this folder find the services by themselves; for other programs see {}",
                stack.state().path().join("endpoints.env").display()
            ));
            shutdown.cancelled().await;
        }
        What::Platform { sandbox } => roles::run_all(Platform {
            config,
            endpoints: stack.endpoints(),
            supervisor,
            telemetry,
            sandbox,
            shutdown: shutdown.clone(),
        })
        .await
        .map_err(failure)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn config_command(command: &ConfigCommand) -> Result<ExitCode, ExitCode> {
    match command {
        ConfigCommand::Reference => {
            ui::data(config::reference());
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Show => {
            let sources = boot::with_state_files(boot::sources(None));
            ui::data(config::show(&sources));
            Config::load(&sources, Purpose::Show)
                .map(|_config| ExitCode::SUCCESS)
                .map_err(|faults| boot_failure(faults.into()))
        }
    }
}
