//! The books at an earlier point: folded from the log, and compared with what the live tables remember of that point.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use kvit_domain::ids::WalletId;
use kvit_domain::ledger::{Account, Side};
use kvit_domain::money::Currency;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::ExportError;
use super::balances::{Balances, Sums};
use super::bookings::each_booking;
use crate::column::{Column, Wide};
use crate::error::Fault;
use crate::log::head;
use crate::queries::{View, arguments, projection};
use crate::replay::Difference;

/// The books at a position.
#[derive(Debug, Clone)]
pub struct Past {
    /// Position of the last event that counts.
    pub position: Position,
    /// Sums of every account.
    pub balances: Balances,
    /// Events that were read.
    pub events: u64,
}

/// Folds all bookings up to a position, from the log alone.
///
/// # Errors
/// [`ExportError::Short`] when the log ends before the position.
pub async fn fold(pool: &PgPool, until: Position) -> Result<Past, ExportError> {
    let mut balances = Balances::default();
    let events = each_booking(pool, until, &mut |booking| {
        booking
            .transaction
            .legs
            .iter()
            .for_each(|leg| balances.add(leg));
        Ok(())
    })
    .await?;
    Ok(Past {
        position: until,
        balances,
        events,
    })
}

/// Position of the last event that the log had taken at a time; 0 before the first. Times only grow with the positions,
/// so this asks for some twenty rows by their key and needs no index on the time.
///
/// # Errors
/// [`Fault`].
pub async fn position_at(pool: &PgPool, at: DateTime<Utc>) -> Result<Position, Fault> {
    let (mut low, mut high) = (0, head(pool).await?);
    while low < high {
        let middle = low.saturating_add(high.saturating_sub(low).saturating_add(1) / 2);
        let recorded: DateTime<Utc> =
            sqlx::query_scalar("SELECT recorded_at FROM events WHERE position = $1")
                .bind(middle)
                .fetch_optional(pool)
                .await?
                .ok_or(Fault::Gap(middle))?;
        if recorded <= at {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    Ok(low)
}

/// How the live tables remember a point differently from the log; `None` when they have not come so far.
///
/// Four things are asked: the sums of every account by the transactions booked up to there and by its entries, its balance
/// after its last entry up to there, and each wallet's balance by its statement.
///
/// # Errors
/// [`Fault`].
pub async fn differences(pool: &PgPool, past: &Past) -> Result<Option<Vec<Difference>>, Fault> {
    let mut view = View::open(pool, &[projection::LEDGER]).await?;
    if view.as_of(()).position < past.position {
        return Ok(None);
    }
    let schema = view.schema(0).to_owned();
    // For as long as it takes: this reads every transaction.
    view.fetch("SET LOCAL statement_timeout = 0", arguments![])
        .await?;
    let mut found = Vec::new();
    let legs = format!(
        "SELECT leg->>'account', leg->'amount'->>'currency',
                coalesce(sum((leg->'amount'->>'minor')::numeric) FILTER (WHERE leg->>'side' = 'debit'), 0)::text,
                coalesce(sum((leg->'amount'->>'minor')::numeric) FILTER (WHERE leg->>'side' = 'credit'), 0)::text
           FROM {schema}.transactions t, jsonb_array_elements(t.legs::jsonb) AS leg
          WHERE t.booked_position <= $1 GROUP BY 1, 2"
    );
    let entries = format!(
        "SELECT a.account, a.currency,
                coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'debit'), 0)::text,
                coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'credit'), 0)::text
           FROM {schema}.entries e JOIN {schema}.accounts a USING (account_no)
          WHERE e.position <= $1 GROUP BY 1, 2"
    );
    for (table, sql) in [("transactions", legs), ("entries", entries)] {
        let live = sums(&mut view, &sql, past.position).await?;
        found.extend(compare_sums(table, &live, &past.balances));
    }
    let sql = format!(
        "SELECT DISTINCT ON (e.account_no) a.account, a.currency, e.balance_minor::text
           FROM {schema}.entries e JOIN {schema}.accounts a USING (account_no)
          WHERE e.position <= $1 ORDER BY e.account_no, e.entry_no DESC"
    );
    let mut live = BTreeMap::new();
    for row in view.fetch(&sql, arguments![past.position]).await? {
        let place = (read::<Account>(&row, 0)?, read::<Currency>(&row, 1)?);
        live.insert(place, read::<Wide>(&row, 2)?.0);
    }
    let log = |(account, currency): (Account, Currency)| {
        normal(account, past.balances.of(account, currency).net())
    };
    for (account, currency, _) in past.balances.iter() {
        live.entry((account, currency)).or_insert(0);
    }
    for ((account, currency), balance) in live {
        let key = json!({ "account": account, "currency": currency });
        found.extend(compare_balance(
            "entries",
            key,
            balance,
            log((account, currency)),
        ));
    }
    let sql = format!(
        "SELECT DISTINCT ON (s.wallet_id) s.wallet_id, s.balance_minor
           FROM {schema}.statement s WHERE s.position <= $1 ORDER BY s.wallet_id, s.entry_no DESC"
    );
    let mut live = BTreeMap::new();
    for row in view.fetch(&sql, arguments![past.position]).await? {
        live.insert(
            read::<WalletId>(&row, 0)?,
            i128::from(row.try_get::<i64, _>(1)?),
        );
    }
    for (account, _, _) in past.balances.iter() {
        if let Account::Wallet(wallet) = account {
            live.entry(wallet).or_insert(0);
        }
    }
    for (wallet, balance) in live {
        let key = json!({ "wallet_id": wallet });
        let log = log((Account::Wallet(wallet), wallet.currency));
        found.extend(compare_balance("statement", key, balance, log));
    }
    Ok(Some(found))
}

fn read<C: Column>(row: &PgRow, index: usize) -> Result<C, Fault> {
    C::from_wire(row.try_get::<Option<C::Wire>, _>(index)?).map_err(Fault::Fatal)
}

async fn sums(view: &mut View, sql: &str, until: Position) -> Result<Balances, Fault> {
    let mut balances = Balances::default();
    for row in view.fetch(sql, arguments![until]).await? {
        let sums = Sums {
            debit_minor: read(&row, 2)?,
            credit_minor: read(&row, 3)?,
        };
        balances.put(read(&row, 0)?, read(&row, 1)?, sums);
    }
    Ok(balances)
}

/// Debits less credits as a balance on the account's own side.
fn normal(account: Account, net: i128) -> i128 {
    match account.normal_side() {
        Side::Debit => net,
        Side::Credit => net.saturating_neg(),
    }
}

fn compare_balance(
    table: &str,
    key: serde_json::Value,
    live: i128,
    log: i128,
) -> Option<Difference> {
    let side = |minor: i128| Some(json!({ "balance_minor": Wide(minor) }));
    (live != log).then(|| Difference {
        projection: projection::LEDGER.to_owned(),
        table: table.to_owned(),
        key,
        columns: vec!["balance_minor".to_owned()],
        live: side(live),
        replayed: side(log),
    })
}

fn compare_sums(table: &str, live: &Balances, log: &Balances) -> Vec<Difference> {
    let mut keys: Vec<(Account, Currency)> = live
        .iter()
        .chain(log.iter())
        .map(|(account, currency, _)| (account, currency))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found = Vec::new();
    for (account, currency) in keys {
        let (live, log) = (live.of(account, currency), log.of(account, currency));
        if live != log {
            let mut columns = Vec::new();
            if live.debit_minor != log.debit_minor {
                columns.push("debit_minor".to_owned());
            }
            if live.credit_minor != log.credit_minor {
                columns.push("credit_minor".to_owned());
            }
            found.push(Difference {
                projection: projection::LEDGER.to_owned(),
                table: table.to_owned(),
                key: json!({ "account": account, "currency": currency }),
                columns,
                live: Some(json!(live)),
                replayed: Some(json!(log)),
            });
        }
    }
    found
}
