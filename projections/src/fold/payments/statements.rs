//! Rows and folds of reconciliations: each day of a provider's list, and what differs.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Currency;
use kvit_domain::reconciliation::{Break, ReconciliationEvent, StatementKind};

use super::PaymentsRows;
use super::oversight::columns;
use crate::log::{FoldError, LogEvent};
use crate::table::table;

table! {
    /// A provider's statement of a day as it was read last.
    ImportRow in "statements"
    key ImportKey {
        /// Whose.
        provider: String,
        /// `payments`, `refunds`, `payouts` or `settlement`.
        kind: String,
        /// Which day, the provider's.
        day: NaiveDate,
    }
    columns {
        /// Items of the statement.
        items: i64,
        /// Items that agree.
        matched: i64,
        /// Breaks that nobody has resolved.
        open_breaks: i64,
        /// Breaks that were resolved.
        resolved_breaks: i64,
        /// SHA-256 over its items, hex.
        digest: String,
        /// How often a new statement was read.
        imports: i64,
        /// When it was read last.
        imported_at: DateTime<Utc>,
    }
    indexes ["(day DESC)"]
}

table! {
    /// Something in which a provider's statement and our books differ.
    BreakRow in "breaks"
    key BreakKey {
        /// Whose statement.
        provider: String,
        /// Which list.
        kind: String,
        /// Which day.
        day: NaiveDate,
        /// The provider's id, or ours where they have none.
        item: String,
    }
    columns {
        /// `theirs_only`, `ours_only`, `amount_differs`, `fee_differs` or `status_differs`.
        class: String,
        /// Our operation, if there is one.
        operation: Option<String>,
        /// What the provider says, minor units.
        theirs_minor: Option<i64>,
        /// Its currency.
        theirs_currency: Option<Currency>,
        /// What we have, minor units.
        ours_minor: Option<i64>,
        /// Its currency.
        ours_currency: Option<Currency>,
        /// `open` or `resolved`.
        state: String,
        /// Who takes care of it.
        owner: Option<String>,
        /// When it was found.
        opened_at: DateTime<Utc>,
        /// When it was resolved.
        resolved_at: Option<DateTime<Utc>>,
        /// Who resolved it.
        resolved_by: Option<String>,
        /// How.
        resolution: Option<String>,
    }
    indexes [
        "(opened_at, item) WHERE state = 'open'",
        "(opened_at DESC, item DESC)",
        "(operation) WHERE operation IS NOT NULL"
    ]
}

/// What the id of a reconciliation's stream says: `<provider>:<kind>:<yyyymmdd>`.
#[derive(Debug, Clone)]
pub struct Sheet {
    provider: String,
    kind: String,
    day: NaiveDate,
}

impl Sheet {
    pub(super) fn of(event: &LogEvent) -> Result<Self, FoldError> {
        let mut parts = event.stream.aggregate_id.splitn(3, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (provider, kind, day) = (next(), next(), next());
        let known = ProviderName::by_code(provider).is_some()
            && StatementKind::ALL.iter().any(|known| known.code() == kind);
        let day = NaiveDate::parse_from_str(day, "%Y%m%d").map_err(|_| FoldError::Stream)?;
        if !known {
            return Err(FoldError::Stream);
        }
        Ok(Self {
            provider: provider.to_owned(),
            kind: kind.to_owned(),
            day,
        })
    }

    fn key(&self) -> ImportKey {
        ImportKey {
            provider: self.provider.clone(),
            kind: self.kind.clone(),
            day: self.day,
        }
    }

    fn break_key(&self, item: &str) -> BreakKey {
        BreakKey {
            provider: self.provider.clone(),
            kind: self.kind.clone(),
            day: self.day,
            // As the column keeps it, so that the row is found again.
            item: item.replace('\0', "\u{fffd}"),
        }
    }
}

pub(super) fn want(sheet: &Sheet, change: &ReconciliationEvent, rows: &mut PaymentsRows) {
    rows.statements.want(sheet.key());
    let item = match change {
        ReconciliationEvent::StatementImported { .. } | ReconciliationEvent::ItemMatched { .. } => {
            return;
        }
        ReconciliationEvent::BreakOpened { found } => &found.item,
        ReconciliationEvent::BreakAssigned { item, .. }
        | ReconciliationEvent::BreakResolved { item, .. } => item,
    };
    rows.breaks.want(sheet.break_key(item));
}

pub(super) fn fold(
    event: &LogEvent,
    sheet: &Sheet,
    change: ReconciliationEvent,
    rows: &mut PaymentsRows,
) -> Result<(), FoldError> {
    // Findings of a run follow its statement, but a person's word can be the first that is left to say of an old day.
    let statement = rows.statements.change_or(&sheet.key(), || ImportRow {
        provider: sheet.provider.clone(),
        kind: sheet.kind.clone(),
        day: sheet.day,
        items: 0,
        matched: 0,
        open_breaks: 0,
        resolved_breaks: 0,
        digest: String::new(),
        imports: 0,
        imported_at: event.recorded_at,
        position: event.position,
    });
    statement.position = event.position;
    match change {
        ReconciliationEvent::StatementImported { items, digest, .. } => {
            statement.items = i64::try_from(items).unwrap_or(i64::MAX);
            statement.digest = digest;
            statement.imports = statement.imports.saturating_add(1);
            statement.imported_at = event.recorded_at;
        }
        ReconciliationEvent::ItemMatched { .. } => {
            statement.matched = statement.matched.saturating_add(1);
        }
        ReconciliationEvent::BreakOpened { found } => {
            let key = sheet.break_key(&found.item);
            let known = rows.breaks.get(&key);
            match known.map(|row| row.state == "open") {
                Some(true) => {}
                Some(false) => {
                    statement.open_breaks = statement.open_breaks.saturating_add(1);
                    statement.resolved_breaks = statement.resolved_breaks.saturating_sub(1);
                }
                None => statement.open_breaks = statement.open_breaks.saturating_add(1),
            }
            let still = known.filter(|row| row.state == "open");
            let opened_at = still.map_or(event.recorded_at, |row| row.opened_at);
            let owner = known.and_then(|row| row.owner.clone());
            rows.breaks.put(opened(event, key, found, opened_at, owner));
        }
        ReconciliationEvent::BreakAssigned { item, owner } => {
            let row = rows
                .breaks
                .change(&sheet.break_key(&item))
                .ok_or(FoldError::Missing("break"))?;
            row.owner = Some(owner);
            row.position = event.position;
        }
        ReconciliationEvent::BreakResolved { item, by, reason } => {
            let row = rows
                .breaks
                .change(&sheet.break_key(&item))
                .ok_or(FoldError::Missing("break"))?;
            "resolved".clone_into(&mut row.state);
            row.resolved_at = Some(event.recorded_at);
            row.resolved_by = Some(by);
            row.resolution = Some(reason);
            row.position = event.position;
            statement.open_breaks = statement.open_breaks.saturating_sub(1);
            statement.resolved_breaks = statement.resolved_breaks.saturating_add(1);
        }
    }
    Ok(())
}

fn opened(
    event: &LogEvent,
    key: BreakKey,
    found: Break,
    opened_at: DateTime<Utc>,
    owner: Option<String>,
) -> BreakRow {
    let (theirs_minor, theirs_currency) = columns(found.theirs);
    let (ours_minor, ours_currency) = columns(found.ours);
    BreakRow {
        provider: key.provider,
        kind: key.kind,
        day: key.day,
        item: key.item,
        class: found.class.code().to_owned(),
        operation: found.operation,
        theirs_minor,
        theirs_currency,
        ours_minor,
        ours_currency,
        state: "open".to_owned(),
        owner,
        opened_at,
        resolved_at: None,
        resolved_by: None,
        resolution: None,
        position: event.position,
    }
}
