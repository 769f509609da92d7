//! The books in forms that others read: journals for accounting programs, tables, raw events.
//!
//! Everything here comes from the log and from nowhere else, so that an export can be held against the read models. It
//! runs in one pass over pages, its memory grows with the number of accounts and not with the log, and the same log gives
//! the same bytes. Holds are not bookings and are not in it.

pub mod balances;
mod beancount;
pub mod bookings;
mod hledger;
mod journal;
pub mod names;
pub mod past;
mod raw;
pub mod snapshot;
mod table;
pub mod text;

use std::fmt;
use std::io::Write;

use chrono::NaiveDate;
use kvit_domain::event::Position;
use sqlx::PgPool;

use crate::error::Fault;
use crate::log::{FoldError, head};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A journal for hledger.
    Hledger,
    /// A journal for beancount.
    Beancount,
    /// A table with a row for each leg.
    Csv,
    /// Every event of the log, one JSON object a line.
    Jsonl,
}

impl Format {
    /// How the name of such a file usually ends.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Hledger => "journal",
            Self::Beancount => "beancount",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Days of which something is wanted, both included; by value date for bookings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first.
    pub from: Option<NaiveDate>,
    /// The last.
    pub to: Option<NaiveDate>,
}

impl Period {
    /// Whether a day is one of them.
    #[must_use]
    pub fn has(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.from {
            write!(f, ", from {from}")?;
        }
        self.to.map_or(Ok(()), |to| write!(f, ", to {to}"))
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Position of the last event that was read.
    pub position: Position,
    /// Events that were read.
    pub events: u64,
    /// Bookings that were written, or events where the form has events.
    pub written: u64,
    /// Accounts and currencies whose balance is asserted at the end.
    pub accounts: usize,
}

/// Writes the books up to a position (absent: the log's end as it is now) to `out`.
///
/// # Errors
/// [`ExportError`]; what was written until then is not whole.
pub async fn export(
    pool: &PgPool,
    format: Format,
    period: Period,
    until: Option<Position>,
    out: &mut (dyn Write + Send),
) -> Result<Exported, ExportError> {
    let until = match until {
        Some(until) => until,
        None => head(pool).await?,
    };
    match format {
        Format::Hledger => {
            journal::write(pool, until, period, &mut hledger::Hledger::default(), out).await
        }
        Format::Beancount => {
            let mut form = beancount::Beancount::default();
            journal::write(pool, until, period, &mut form, out).await
        }
        Format::Csv => journal::write(pool, until, period, &mut table::Table, out).await,
        Format::Jsonl => raw::write(pool, until, period, out).await,
    }
}

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log or the read models could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// An event could not be read as a booking.
    #[error("the event at position {position} cannot be read: {error}")]
    Event {
        /// Where it is.
        position: Position,
        /// Why.
        error: FoldError,
    },
    /// The log ends before the position that was asked for.
    #[error("the log ends at {ends}, before {until}")]
    Short {
        /// Where it ends.
        ends: Position,
        /// What was asked for.
        until: Position,
    },
    /// The file could not be written.
    #[error("the export could not be written")]
    Write(#[from] std::io::Error),
}
