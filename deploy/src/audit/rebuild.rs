//! `kvit rebuild`: a read model folded anew beside the live one, compared with it, and put in its place.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kvit_projections::fold;
use kvit_projections::rebuild::{RebuildOptions, RebuildProgress, rebuild};

use super::{AuditError, Desk, rate, replay};
use crate::shutdown;
use crate::ui;

/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// What to build anew.
#[derive(Debug, Clone, clap::Args)]
pub struct RebuildArgs {
    /// The read models, by name; `all` for every one of them
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Do not compare the new tables with the live ones before the switch
    #[arg(long)]
    pub no_compare: bool,
}

/// Rebuilds, one after the other. The queries read the old tables until the new ones have caught up.
///
/// # Errors
/// [`AuditError`]; what was not switched yet stays as it is, and a later rebuild goes on from where this one stands.
pub async fn run(args: &RebuildArgs) -> Result<ExitCode, AuditError> {
    let known: Vec<&str> = fold::all().iter().map(|one| one.name()).collect();
    let names: Vec<&str> = if args.names.iter().any(|name| name == "all") {
        known.clone()
    } else {
        args.names.iter().map(String::as_str).collect()
    };
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(AuditError::Use(format!(
            "there is no read model `{unknown}`; there are {}",
            known.join(", ")
        )));
    }
    let desk = Desk::open("rebuild")?;
    let pool = desk.pool("rebuild")?;
    let shutdown = shutdown::on_signals()?;
    for name in names {
        let options = RebuildOptions {
            compare: !args.no_compare,
            shutdown: shutdown.clone(),
            ..RebuildOptions::default()
        };
        let mut told: Option<Instant> = None;
        let progress = |at: &RebuildProgress| {
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                told = Some(Instant::now());
                ui::note(line(name, at));
            }
        };
        let done = rebuild(&pool, name, &options, progress).await?;
        let events = u64::try_from(done.position).unwrap_or_default();
        ui::note(format_args!(
            "{name}: build {} took over at position {} after {} ms ({} events/s)",
            done.build,
            done.position,
            done.elapsed.as_millis(),
            rate(events, done.elapsed)
        ));
        match done.differences {
            Some(differences) if differences.is_empty() => {
                ui::note(format_args!("{name}: the old tables were the same"));
            }
            Some(differences) => {
                ui::note(format_args!(
                    "{name}: the old tables were not what the log says; the new ones are in force"
                ));
                for difference in &differences {
                    ui::data(replay::words(difference));
                }
            }
            None => {}
        }
    }
    pool.close().await;
    Ok(ExitCode::SUCCESS)
}

fn line(name: &str, at: &RebuildProgress) -> String {
    let percent = at
        .position
        .saturating_mul(100)
        .checked_div(at.head)
        .unwrap_or(100);
    let left = at
        .eta
        .map_or_else(String::new, |eta| format!(", {} s to go", eta.as_secs()));
    format!(
        "{name}: position {} of {} ({percent} %), {} events/s{left}",
        at.position, at.head, at.events_per_second
    )
}
