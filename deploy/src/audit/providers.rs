//! `kvit reconcile` and `kvit traffic`: what the providers say, beside what we say.

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use kvit_adapters::traffic;
use kvit_commands::context::Context;
use kvit_commands::ports::time::{Clock, System};
use kvit_domain::ledger::ProviderName;

use super::{AuditError, Verdict};
use crate::boot;
use crate::roles::RoleError;
use crate::roles::money::Money;
use crate::roles::parts::Parts;
use crate::telemetry::Telemetry;
use crate::ui;

/// Which days and providers to compare.
#[derive(Debug, Clone, clap::Args)]
pub struct ReconcileArgs {
    /// The last day to compare, in UTC [default: yesterday]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub day: Option<NaiveDate>,
    /// How many days, counted back from that one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: u16,
    /// Only these providers
    #[arg(long, value_name = "NAME")]
    pub provider: Vec<String>,
}

/// What to look up.
#[derive(Debug, Clone, clap::Args)]
pub struct TrafficArgs {
    /// Words of the subject: a key, a path, an operation's id
    #[arg(value_name = "SUBJECT")]
    pub subject: Option<String>,
    /// From this moment on [default: a day ago]
    #[arg(long, value_name = "TIME")]
    pub from: Option<DateTime<Utc>>,
    /// Until this moment [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<DateTime<Utc>>,
    /// Most exchanges
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u32,
}

/// Compares the providers' lists with our books, day by day, and tells what differs. Exit status: 0 nothing differs, 1
/// something does, 3 a day could not be compared.
///
/// # Errors
/// [`AuditError`] for settings that are wrong.
pub async fn reconcile(args: &ReconcileArgs) -> Result<ExitCode, AuditError> {
    let wanted = providers(&args.provider)?;
    let (config, endpoints) = boot::role(boot::sources(None))?;
    let telemetry = Telemetry::install(&config, "reconcile")?;
    let parts = Arc::new(open(Parts::open(&config, &endpoints, "reconcile").await)?);
    let money = open(Money::build(&parts, &config))?;
    let last = args
        .day
        .or_else(|| System.now().date_naive().checked_sub_days(Days::new(1)))
        .unwrap_or_default();
    let mut verdict = Verdict::Equal;
    let mut compared = 0;
    for (provider, reconciling) in &money.reconciling {
        if !wanted.is_empty() && !wanted.contains(provider) {
            continue;
        }
        for back in (0..u64::from(args.days)).rev() {
            let Some(day) = last.checked_sub_days(Days::new(back)) else {
                continue;
            };
            for kind in reconciling.kinds() {
                let name = format!("reconcile:{}:{}:{day}", provider.code(), kind.code());
                let context = Context::new("admin:cli", name.clone(), name);
                compared += 1;
                match reconciling.run(kind, day, &context).await {
                    Ok(done) => {
                        ui::data(format!(
                            "{} {} {day}: {} items, {} agree, {} fees booked, {} differ\n",
                            provider.code(),
                            kind.code(),
                            done.items,
                            done.matched,
                            done.fees,
                            done.breaks
                        ));
                        if done.breaks > 0 && verdict == Verdict::Equal {
                            verdict = Verdict::Different;
                        }
                    }
                    Err(fault) => {
                        ui::note(format_args!(
                            "{} {} {day} could not be compared: {fault}",
                            provider.code(),
                            kind.code()
                        ));
                        verdict = Verdict::NotCompared;
                    }
                }
            }
        }
    }
    telemetry.flush().await;
    if compared == 0 {
        return Err(AuditError::Use(
            "none of these providers is configured with lists to compare".to_owned(),
        ));
    }
    Ok(verdict.exit())
}

/// Prints what was said to providers of money, as JSON lines. It holds personal data.
///
/// # Errors
/// [`AuditError`] for settings that are wrong or a database that is away.
pub async fn show_traffic(args: &TrafficArgs) -> Result<ExitCode, AuditError> {
    let (config, endpoints) = boot::role(boot::sources(None))?;
    let _telemetry = Telemetry::install(&config, "traffic")?;
    let parts = open(Parts::open(&config, &endpoints, "traffic").await)?;
    let now = System.now();
    let day_ago = now
        .date_naive()
        .checked_sub_days(Days::new(1))
        .unwrap_or_default()
        .and_time(NaiveTime::MIN)
        .and_utc();
    let time = (args.from.unwrap_or(day_ago), args.to.unwrap_or(now));
    let kept = traffic::list(
        &parts.pool,
        parts.vault.as_ref(),
        time,
        args.subject.as_deref(),
        args.limit,
    )
    .await
    .map_err(|why| AuditError::Use(format!("the exchanges could not be read: {why}")))?;
    for exchange in kept {
        let line =
            serde_json::to_string(&exchange).map_err(|error| AuditError::Use(error.to_string()))?;
        ui::data(format!("{line}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn providers(names: &[String]) -> Result<Vec<ProviderName>, AuditError> {
    names
        .iter()
        .map(|name| {
            ProviderName::by_code(name)
                .ok_or_else(|| AuditError::Use(format!("there is no provider `{name}`")))
        })
        .collect()
}

/// What a role needs, for a command; that it is not there is wrong use or a service that is away.
fn open<T, E: Into<RoleError>>(result: Result<T, E>) -> Result<T, AuditError> {
    result.map_err(|error| {
        let error: RoleError = error.into();
        AuditError::Use(error.to_string())
    })
}
