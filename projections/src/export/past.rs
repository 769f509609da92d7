//! The books at an earlier point: folded from the log, and compared with what the live tables remember of that point.

use chrono::{DateTime, Utc};
use kvit_domain::event::Position;
use kvit_domain::ids::WalletId;
use kvit_domain::ledger::Account;
use kvit_domain::money::Currency;
use serde_json::json;
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
/// Two things are asked: the sums of every account by the transactions booked up to there, and each wallet's balance by
/// its statement's last entry up to there.
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
    let sql = format!(
        "SELECT leg->>'account' AS account, leg->'amount'->>'currency' AS currency,
                coalesce(sum((leg->'amount'->>'minor')::numeric) FILTER (WHERE leg->>'side' = 'debit'), 0)::text,
                coalesce(sum((leg->'amount'->>'minor')::numeric) FILTER (WHERE leg->>'side' = 'credit'), 0)::text
           FROM {schema}.transactions t, jsonb_array_elements(t.legs) AS leg
          WHERE t.booked_position <= $1 GROUP BY 1, 2"
    );
    let mut live = Balances::default();
    for row in view.fetch(&sql, arguments![past.position]).await? {
        let account = Account::from_wire(row.try_get(0)?).map_err(Fault::Fatal)?;
        let currency = Currency::from_wire(row.try_get(1)?).map_err(Fault::Fatal)?;
        let wide = |index: usize| -> Result<Wide, Fault> {
            Wide::from_wire(row.try_get(index)?).map_err(Fault::Fatal)
        };
        let sums = Sums {
            debit_minor: wide(2)?,
            credit_minor: wide(3)?,
        };
        live.put(account, currency, sums);
    }
    let mut found = compare_sums(&live, &past.balances);
    let sql = format!(
        "SELECT DISTINCT ON (s.wallet_id) s.wallet_id, s.balance_minor
           FROM {schema}.statement s WHERE s.position <= $1 ORDER BY s.wallet_id, s.entry_no DESC"
    );
    let mut statement = Vec::new();
    for row in view.fetch(&sql, arguments![past.position]).await? {
        let wallet = WalletId::from_wire(row.try_get(0)?).map_err(Fault::Fatal)?;
        statement.push((wallet, row.try_get::<i64, _>(1)?));
    }
    found.extend(compare_wallets(&statement, &past.balances));
    Ok(Some(found))
}

fn compare_sums(live: &Balances, log: &Balances) -> Vec<Difference> {
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
                table: "transactions".to_owned(),
                key: json!({ "account": account, "currency": currency }),
                columns,
                live: Some(json!(live)),
                replayed: Some(json!(log)),
            });
        }
    }
    found
}

fn compare_wallets(statement: &[(WalletId, i64)], log: &Balances) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |wallet: WalletId, live: Option<i128>, replayed: Option<i128>| {
        if live.unwrap_or(0) != replayed.unwrap_or(0) {
            let side = |minor: i128| json!({ "balance_minor": Wide(minor) });
            found.push(Difference {
                projection: projection::LEDGER.to_owned(),
                table: "statement".to_owned(),
                key: json!({ "wallet_id": wallet }),
                columns: vec!["balance_minor".to_owned()],
                live: live.map(side),
                replayed: replayed.map(side),
            });
        }
    };
    let balance = |wallet: WalletId| {
        log.of(Account::Wallet(wallet), wallet.currency)
            .net()
            .saturating_neg()
    };
    let listed: std::collections::BTreeSet<WalletId> =
        statement.iter().map(|(wallet, _)| *wallet).collect();
    for (wallet, live) in statement {
        differs(*wallet, Some(i128::from(*live)), Some(balance(*wallet)));
    }
    for (account, _, _) in log.iter() {
        if let Account::Wallet(wallet) = account
            && !listed.contains(&wallet)
        {
            differs(wallet, None, Some(balance(wallet)));
        }
    }
    found
}
