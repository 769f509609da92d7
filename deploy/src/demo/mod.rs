//! `kvit demo`: real receipts through the whole platform, and what became of them.
//!
//! The demo is a crowd of shoppers: it starts the platform as `kvit up --sandbox` does, talks to the bot only through the
//! simulated Telegram, and looks at the outcome in the log, the read models and the simulated provider's books. It ends
//! well only if every receipt came to what was expected and the books agree.

mod money;
mod outcome;
mod shopper;
mod summary;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use kvit_adapters::sandbox::client::{ControlError, SandboxClient};
use kvit_commands::error::CommandError;
use kvit_domain::rules::kyiv_local;
use kvit_ocr::samples::{DemoSample, PayoutScript, demo_set};
use tokio::sync::oneshot;

use crate::boot::{self, BootError};
use crate::config::Config;
use crate::roles::{self, PartsError, Platform, RoleError, Running, parts::Parts};
use crate::shutdown::{self, ShutdownToken};
use crate::stack::{Stack, Supervisor};
use crate::telemetry::{Telemetry, TelemetryError};
use crate::ui;

use outcome::Outcome;
use shopper::Shopper;
use watch::Progress;

/// The whole demo takes less than a minute; a machine under heavy load gets its time.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the demonstration may be told.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoOptions {
    /// The state folder [default: KVIT_DIR or .kvit]
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// Keep the platform running afterwards, to look around
    #[arg(long)]
    pub stay: bool,
}

/// Why the demonstration ended.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The process could not begin its work.
    #[error("the platform could not be started")]
    Boot(#[from] BootError),
    /// Services did not start.
    #[error("the services could not be started")]
    Stack(#[from] crate::stack::StackError),
    /// The operating system refused something.
    #[error("the operating system refused")]
    System(#[from] std::io::Error),
    /// Logs or metrics could not be set up.
    #[error("logs and metrics could not be set up")]
    Telemetry(#[from] TelemetryError),
    /// The platform ended.
    #[error("the platform ended")]
    Platform(#[from] RoleError),
    /// The demo could not connect to the platform.
    #[error("the platform's parts could not be reached")]
    Parts(#[from] PartsError),
    /// The simulated services did not do what a person asked.
    #[error("the simulated services did not answer")]
    Sandbox(#[from] ControlError),
    /// The control side's address cannot be used.
    #[error("the simulated services cannot be reached")]
    Http(#[from] kvit_adapters::http::HttpError),
    /// A receipt could not be drawn.
    #[error("the receipts could not be drawn")]
    Samples(#[from] kvit_ocr::samples::SampleError),
    /// A state could not be read.
    #[error("the outcome could not be read")]
    Look(#[from] CommandError),
    /// A read model could not be read.
    #[error("the read models could not be read")]
    Projections(#[from] kvit_projections::Fault),
    /// A read model did not catch up.
    #[error("the read models did not catch up")]
    Behind(#[from] kvit_projections::queries::WaitError),
    /// Something that was waited for did not happen.
    #[error("waited in vain for {0}")]
    InVain(String),
    /// The platform was stopped while the demo ran.
    #[error("stopped before the end")]
    Stopped,
}

/// Runs the demonstration.
///
/// # Errors
/// See [`DemoError`].
pub async fn run(options: DemoOptions) -> Result<ExitCode, DemoError> {
    let started = Instant::now();
    let mut sources = boot::sources(options.dir.as_deref());
    // Lines of the log would tear the progress apart; who wants them asks for them.
    sources
        .environment
        .entry("LOG_LEVEL".to_owned())
        .or_insert_with(|| "error".to_owned());
    sources
        .environment
        .entry("PORT".to_owned())
        .or_insert_with(|| "0".to_owned());
    let (config, state) = boot::embedded(sources)?;
    let telemetry = Telemetry::install(&config, "demo")?;
    let shutdown = shutdown::on_signals()?;
    let stack = boot::start_stack(&config, state).await?;
    let services = started.elapsed();
    let supervisor = Supervisor::of_this_binary()?;
    let (tell, told) = oneshot::channel();
    let platform = Platform {
        config: &config,
        endpoints: stack.endpoints(),
        supervisor: &supervisor,
        telemetry: &telemetry,
        sandbox: true,
        shutdown: shutdown.clone(),
    };
    let running = roles::run_all_and_tell(platform, move |running| {
        let _nobody_waits = tell.send(running);
    });
    let crowd = async {
        let running = told.await.map_err(|_| DemoError::Stopped)?;
        let verdict = crowd(&config, &stack, &running, started, services).await;
        if let (true, Ok(_)) = (options.stay, &verdict) {
            ui::note(format_args!(
                "the platform stays: http://{}/admin (Ctrl-C stops it)",
                running.gateway
            ));
            shutdown.cancelled().await;
        }
        shutdown.cancel();
        verdict
    };
    let (ended, verdict) = tokio::join!(running, guarded(crowd, &shutdown));
    supervisor.stop().await;
    stack.stop().await;
    telemetry.flush().await;
    ended?;
    Ok(if verdict? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Ends with the demo, with a stop from outside, or with the patience.
async fn guarded(
    crowd: impl Future<Output = Result<bool, DemoError>>,
    shutdown: &ShutdownToken,
) -> Result<bool, DemoError> {
    let stop = shutdown.clone();
    tokio::select! {
        biased;
        verdict = crowd => verdict,
        () = stop.cancelled() => Err(DemoError::Stopped),
        () = tokio::time::sleep(PATIENCE) => {
            shutdown.cancel();
            Err(DemoError::InVain("the end of the demo".to_owned()))
        }
    }
}

/// Sends everything, waits for everything, tells about everything. Whether all came as expected.
async fn crowd(
    config: &Config,
    stack: &Stack,
    running: &Running,
    started: Instant,
    services: Duration,
) -> Result<bool, DemoError> {
    let sandbox = running.sandbox.as_ref().ok_or(DemoError::Stopped)?;
    let client = SandboxClient::new(sandbox.base_url.clone())?;
    let parts = Arc::new(Parts::open(&sandbox.apply_to(config), stack.endpoints(), "demo").await?);
    roles::seed::default_campaign(&parts.app).await?;
    let now = wall_clock();
    // Another run is another crowd with other receipts: everything is derived from the second in which it starts.
    let run = u64::try_from(now.timestamp()).unwrap_or_default();
    let samples = tokio::task::spawn_blocking(move || demo_set(kyiv_local(now), run))
        .await
        .map_err(|_| DemoError::Stopped)??;
    let up = started.elapsed();
    let progress = Progress::new(samples.len());
    let shoppers = samples
        .iter()
        .map(|sample| sample.shopper)
        .max()
        .map_or(0, |last| last + 1);
    let mut crowd = Vec::with_capacity(shoppers);
    for number in 0..shoppers {
        progress.say(format_args!("shopper {} meets the bot", number + 1));
        crowd.push(Arc::new(Shopper::join(&client, &parts, run, number).await?));
    }
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(samples.len());
    for (index, sample) in samples.iter().enumerate() {
        await_predecessors(&parts, &samples, &outcomes, index).await?;
        let shopper = crowd
            .get(sample.shopper)
            .cloned()
            .ok_or(DemoError::Stopped)?;
        script(&client, &shopper, sample.payout).await?;
        progress.sent(index, sample);
        let receipt_id = shopper.send(&client, &parts, sample).await?;
        outcomes.push(Outcome::of(sample, shopper, receipt_id));
    }
    for outcome in &mut outcomes {
        outcome.settle(&parts).await?;
        progress.settled(outcome);
    }
    progress.say(format_args!("money in and out"));
    // Somebody who sends no photos: people are told about their money, too, and the chats of the others are counted.
    let dealer = Shopper::join(&client, &parts, run, shoppers).await?;
    let scenes = money::play(&parts, config, sandbox, &dealer, run).await?;
    watch::nothing_under_way(&parts).await?;
    progress.finish();
    summary::tell(
        &parts,
        &client,
        running,
        (&outcomes, &scenes),
        summary::Times {
            started,
            services,
            up,
        },
    )
    .await
}

/// Waits for the uploads that this one depends on, and lets a scripted payout meet its shopper alone.
async fn await_predecessors(
    parts: &Parts,
    samples: &[DemoSample],
    outcomes: &[Outcome],
    index: usize,
) -> Result<(), DemoError> {
    let Some(sample) = samples.get(index) else {
        return Ok(());
    };
    for (earlier, outcome) in outcomes.iter().enumerate() {
        let same_number = samples
            .get(earlier)
            .is_some_and(|other| other.shopper == sample.shopper);
        if sample.payout != PayoutScript::Ordinary && same_number {
            watch::settled(parts, outcome.receipt_id).await?;
        } else if sample.after.contains(&earlier) {
            watch::decided(parts, outcome.receipt_id).await?;
        }
    }
    Ok(())
}

/// Tells the simulated provider what to do wrong with this shopper's next payout.
async fn script(
    client: &SandboxClient,
    shopper: &Shopper,
    script: PayoutScript,
) -> Result<(), DemoError> {
    use kvit_adapters::sandbox::faults::Rule;
    use kvit_adapters::sandbox::portmone::faults::PortmoneAction;
    let (method, action) = match script {
        PayoutScript::Ordinary => return Ok(()),
        // The deposit is being counted: try later.
        PayoutScript::FailsThenRecovers => {
            let busy = PortmoneAction::Fail {
                code: "s901".into(),
                description: "busy".into(),
                processed: false,
            };
            ("bills.create", busy)
        }
        // Paid, but the connection breaks before the answer.
        PayoutScript::UnknownThenResolved => ("bills.pay", PortmoneAction::DropAfter),
    };
    client
        .add_portmone_fault(Rule::on(method, action).about(shopper.phone.clone()))
        .await?;
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the demo is a person with a watch, outside of the platform"
)]
fn wall_clock() -> chrono::DateTime<Utc> {
    Utc::now()
}
