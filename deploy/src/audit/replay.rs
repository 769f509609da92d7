//! `kvit replay`: the log folded again, and every row that the live tables have differently.
//!
//! Where the live tables stand, all rows of all read models are compared. For an earlier point the live tables have moved
//! on; then the books of that point are folded from the log, printed, and compared with what the ledger's tables remember
//! of it: the transactions booked up to there and the statements' balances.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use kvit_projections::export::ExportError;
use kvit_projections::export::balances::decimal;
use kvit_projections::export::past::{self, Past};
use kvit_projections::queries::ledger::{AccountTotal, TrialBalance};
use kvit_projections::queries::{projection, status};
use kvit_projections::replay::{Difference, LISTED_MAX, compare_one};
use kvit_projections::{fold, log};
use serde::Serialize;
use sqlx::PgPool;

use super::{AuditError, Desk, Verdict, rate};
use crate::ui;

/// What to compare.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// Fold up to this position of the log
    #[arg(long, value_name = "N", conflicts_with = "until_time", value_parser = clap::value_parser!(i64).range(0..))]
    pub until_position: Option<Position>,
    /// Fold up to what the log had taken at this time, such as 2026-03-31T21:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until_time: Option<DateTime<Utc>>,
    /// Only this read model; may be given several times
    #[arg(long, value_name = "NAME")]
    pub projection: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What came out, as `--json` prints it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// Position of the last event of the log.
    pub head: Position,
    /// Up to where the log was folded, when that was asked for.
    pub until: Option<Position>,
    /// The read models that were asked about.
    pub projections: Vec<Compared>,
    /// The books at an earlier point.
    pub books: Option<Books>,
}

/// A read model.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Position where the live tables stand.
    pub position: Position,
    /// Whether its rows were compared, and the answer.
    pub verdict: Verdict,
    /// Why its rows were not compared.
    pub reason: Option<String>,
    /// Events that were folded again.
    pub events: u64,
    /// How long that and the comparison took.
    pub elapsed_ms: u64,
    /// Events folded and compared in a second.
    pub events_per_second: u64,
    /// Every row that differs, at most a hundred of a table.
    pub differences: Vec<Difference>,
}

/// The books at an earlier point.
#[derive(Debug, Serialize)]
pub struct Books {
    /// Position of the last event that counts.
    pub position: Position,
    /// Whether the ledger's tables remember the same; not compared when they have not come so far.
    pub verdict: Verdict,
    /// Events that were folded.
    pub events: u64,
    /// How long that took.
    pub elapsed_ms: u64,
    /// Events folded in a second.
    pub events_per_second: u64,
    /// Whether debits equal credits in every currency.
    pub balanced: bool,
    /// The trial balance.
    pub trial_balance: TrialBalance,
    /// Every account, wallets included.
    pub accounts: Vec<AccountTotal>,
    /// What the ledger's tables remember differently.
    pub differences: Vec<Difference>,
}

/// Compares, prints, and answers by the exit status.
///
/// # Errors
/// [`AuditError`] when nothing could be compared at all.
pub async fn run(args: &ReplayArgs) -> Result<ExitCode, AuditError> {
    let names = names(&args.projection)?;
    let desk = Desk::open("replay")?;
    let pool = desk.pool("replay")?;
    let until = match args.until_time {
        Some(time) => Some(past::position_at(&pool, time).await?),
        None => args.until_position,
    };
    let report = report(&pool, &names, until).await?;
    pool.close().await;
    if args.json {
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other)?;
        ui::data(format_args!("{text}\n"));
    } else {
        ui::data(text(&report));
    }
    Ok(report.verdict.exit())
}

fn names(asked: &[String]) -> Result<Vec<String>, AuditError> {
    let known: Vec<&str> = fold::all().iter().map(|one| one.name()).collect();
    if asked.is_empty() {
        return Ok(known.into_iter().map(str::to_owned).collect());
    }
    match asked.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(AuditError::Use(format!(
            "there is no read model `{unknown}`; there are {}",
            known.join(", ")
        ))),
        None => Ok(asked.to_vec()),
    }
}

/// The comparison, without printing; the restore drill uses it too.
///
/// # Errors
/// [`AuditError`] when the database does not answer or the log ends before `until`.
pub async fn report(
    pool: &PgPool,
    names: &[String],
    until: Option<Position>,
) -> Result<Report, AuditError> {
    let head = log::head(pool).await?;
    if let Some(until) = until.filter(|until| *until > head) {
        return Err(ExportError::Short { ends: head, until }.into());
    }
    let stands = status::status(pool).await?;
    let mut projections = Vec::with_capacity(names.len());
    for name in names {
        let position = stands
            .iter()
            .find(|one| one.name == *name && matches!(one.state.as_str(), "active" | "stuck"))
            .map(|one| one.position);
        projections.push(compared(pool, name, position, until).await);
    }
    let ledger = projections
        .iter()
        .find(|one| one.name == projection::LEDGER);
    let books = match until {
        // An earlier point: the ledger's rows could not be compared, so its books of then are.
        Some(until) if ledger.is_some_and(|ledger| ledger.position > until) => {
            Some(books(pool, until).await?)
        }
        _ => None,
    };
    let verdict = verdict(&projections, books.as_ref());
    Ok(Report {
        verdict,
        head,
        until,
        projections,
        books,
    })
}

/// One difference is a difference. A read model that has moved on beyond an earlier point is left out when the books of
/// that point could be compared; anything else that was not compared leaves the question open.
fn verdict(projections: &[Compared], books: Option<&Books>) -> Verdict {
    let answers = || {
        projections
            .iter()
            .map(|one| one.verdict)
            .chain(books.map(|books| books.verdict))
    };
    if answers().any(|one| one == Verdict::Different) {
        return Verdict::Different;
    }
    let open = match books {
        Some(books) => books.verdict == Verdict::NotCompared,
        None => answers().any(|one| one == Verdict::NotCompared),
    };
    if open {
        Verdict::NotCompared
    } else {
        Verdict::Equal
    }
}

async fn compared(
    pool: &PgPool,
    name: &str,
    position: Option<Position>,
    until: Option<Position>,
) -> Compared {
    let stands = position.unwrap_or(0);
    let mut answer = Compared {
        name: name.to_owned(),
        position: stands,
        verdict: Verdict::NotCompared,
        reason: None,
        events: 0,
        elapsed_ms: 0,
        events_per_second: 0,
        differences: Vec::new(),
    };
    if let (Some(until), Some(_)) = (until, position)
        && until != stands
    {
        answer.reason = Some(format!("its tables stand at {stands}, not at {until}"));
        return answer;
    }
    let Some(projection) = fold::by_name(name) else {
        answer.reason = Some("there is no such read model".to_owned());
        return answer;
    };
    let begun = Instant::now();
    match compare_one(pool, &*projection, until).await {
        Ok(differences) => {
            let took = begun.elapsed();
            answer.events = u64::try_from(stands).unwrap_or_default();
            answer.elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            answer.events_per_second = rate(answer.events, took);
            answer.verdict = if differences.is_empty() {
                Verdict::Equal
            } else {
                Verdict::Different
            };
            answer.differences = differences;
        }
        Err(fault) => answer.reason = Some(fault.to_string()),
    }
    answer
}

async fn books(pool: &PgPool, until: Position) -> Result<Books, AuditError> {
    let begun = Instant::now();
    let past: Past = past::fold(pool, until).await?;
    let took = begun.elapsed();
    let differences = past::differences(pool, &past).await?;
    let trial_balance = past.balances.trial();
    let balanced = trial_balance.is_balanced();
    let verdict = match &differences {
        Some(differences) if differences.is_empty() && balanced => Verdict::Equal,
        Some(_) => Verdict::Different,
        None => Verdict::NotCompared,
    };
    Ok(Books {
        position: past.position,
        verdict,
        events: past.events,
        elapsed_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        events_per_second: rate(past.events, took),
        balanced,
        trial_balance,
        accounts: past.balances.lines(),
        differences: differences.unwrap_or_default(),
    })
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for one in &report.projections {
        let _never = match (&one.reason, one.verdict) {
            (Some(reason), _) => writeln!(out, "{}: not compared, {reason}", one.name),
            (None, Verdict::Equal) => writeln!(
                out,
                "{}: equal at position {}, {} ms, {} events/s",
                one.name, one.position, one.elapsed_ms, one.events_per_second
            ),
            (None, _) => writeln!(
                out,
                "{}: {} rows differ at position {}, {} ms, {} events/s",
                one.name,
                one.differences.len(),
                one.position,
                one.elapsed_ms,
                one.events_per_second
            ),
        };
        one.differences
            .iter()
            .for_each(|difference| out.push_str(&words(difference)));
        if i64::try_from(one.differences.len()).unwrap_or(i64::MAX) >= LISTED_MAX {
            let _never = writeln!(
                out,
                "  a table lists its first {LISTED_MAX} rows; there may be more"
            );
        }
    }
    if let Some(books) = &report.books {
        out.push_str(&books_text(books));
    }
    let answer = match report.verdict {
        Verdict::Equal => "equal",
        Verdict::Different => "DIFFERENT",
        Verdict::NotCompared => "NOT COMPARED",
    };
    let _never = writeln!(out, "{answer}; the log ends at position {}", report.head);
    out
}

fn books_text(books: &Books) -> String {
    let mut out = format!(
        "books at position {}, {} events in {} ms, {} events/s\n",
        books.position, books.events, books.elapsed_ms, books.events_per_second
    );
    let mut table = |title: &str, lines: &[AccountTotal]| {
        let _never = writeln!(
            out,
            "\n{title:<60} {:>18} {:>18} {:>18}",
            "debit", "credit", "balance"
        );
        for line in lines {
            let amount = |minor: i128| decimal(minor, line.currency);
            let _never = writeln!(
                out,
                "{:<56} {} {:>18} {:>18} {:>18}",
                line.account,
                line.currency,
                amount(line.debit_minor.0),
                amount(line.credit_minor.0),
                amount(line.balance_minor.0)
            );
        }
    };
    table("trial balance", &books.trial_balance.accounts);
    table("accounts", &books.accounts);
    out.push('\n');
    for total in &books.trial_balance.totals {
        let _never = writeln!(
            out,
            "{}: debits less credits {}",
            total.currency,
            decimal(total.difference_minor.0, total.currency)
        );
    }
    let _never = match books.verdict {
        Verdict::Equal => writeln!(out, "the ledger's tables remember the same"),
        Verdict::Different => writeln!(out, "the ledger's tables remember it differently:"),
        Verdict::NotCompared => writeln!(out, "the ledger's tables have not come so far"),
    };
    books
        .differences
        .iter()
        .for_each(|difference| out.push_str(&words(difference)));
    out
}

/// A difference in a line or some: table, key, and each column that differs with both values.
#[must_use]
pub fn words(difference: &Difference) -> String {
    let place = format!(
        "  {}.{} {}",
        difference.projection, difference.table, difference.key
    );
    match (&difference.live, &difference.replayed) {
        (Some(live), Some(replayed)) => {
            let of = |side: &serde_json::Value, column: &str| {
                side.get(column)
                    .map_or_else(String::new, ToString::to_string)
            };
            let columns: Vec<String> = difference
                .columns
                .iter()
                .map(|column| {
                    format!(
                        "{column}: live {} log {}",
                        of(live, column),
                        of(replayed, column)
                    )
                })
                .collect();
            format!("{place} {}\n", columns.join("; "))
        }
        (Some(_), None) => format!("{place} is live, and the log has no such row\n"),
        (None, _) => format!("{place} is missing from the live tables\n"),
    }
}
