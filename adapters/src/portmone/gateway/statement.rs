//! The gateway's own lists, for reconciliation.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Europe::Kyiv;
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{ItemStatus, StatementItem, StatementSource};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::reconciliation::StatementKind;

use super::order_number::OrderNumber;
use super::outcome::{Transaction, TransactionStatus, Window};
use super::payments::{PortmonePayments, known};

#[async_trait]
impl StatementSource for PortmonePayments {
    fn provider(&self) -> ProviderName {
        ProviderName::Portmone
    }

    /// Payouts cannot be listed, and settlements come as notifications.
    fn kinds(&self) -> Vec<StatementKind> {
        vec![StatementKind::Payments, StatementKind::Refunds]
    }

    async fn items(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<StatementItem>, PaymentFault> {
        let day = |at: DateTime<Utc>| at.with_timezone(&Kyiv).date_naive();
        let window = Window {
            from: day(from),
            to: day(to),
        };
        let list = known(self.gateway().list(window).await)?;
        let mut items = match kind {
            StatementKind::Payments => payments(&list)?,
            StatementKind::Refunds => list
                .iter()
                .filter(|one| one.status == TransactionStatus::Return)
                .map(|one| item(one, one.bill_id.clone(), None))
                .collect::<Result<_, _>>()?,
            StatementKind::Payouts | StatementKind::Settlement => Vec::new(),
        };
        items.retain(|item| (from..to).contains(&item.created_at));
        items.sort_by(|a, b| (a.created_at, &a.provider_id).cmp(&(b.created_at, &b.provider_id)));
        Ok(items)
    }
}

/// A payment is named by its order number, as in our books. A second payment of one order is an item of its own, which our books
/// do not have: reconciliation must show it. Tries that failed are told only where none went well.
fn payments(list: &[Transaction]) -> Result<Vec<StatementItem>, PaymentFault> {
    let mut orders: BTreeMap<&str, Vec<&Transaction>> = BTreeMap::new();
    for one in list
        .iter()
        .filter(|one| one.status != TransactionStatus::Return)
    {
        orders.entry(&one.order_number).or_default().push(one);
    }
    let mut items = Vec::new();
    for (order, mut tries) in orders {
        let operation = OrderNumber::parse(order).map(|number| number.payment_id.to_string());
        let money = |one: &Transaction| {
            matches!(
                one.status,
                TransactionStatus::Payed | TransactionStatus::Preauth
            )
        };
        if tries.iter().any(|one| money(one)) {
            tries.retain(|one| money(one));
            tries.sort_by_key(|one| (one.paid_at, one.bill_id.clone()));
        } else {
            tries.sort_by_key(|one| (one.paid_at, one.bill_id.clone()));
            tries.drain(..tries.len().saturating_sub(1));
        }
        for (index, one) in tries.into_iter().enumerate() {
            let (name, operation) = if index == 0 {
                (order.to_owned(), operation.clone())
            } else {
                (format!("{order}/{}", one.bill_id), None)
            };
            items.push(item(one, name, operation)?);
        }
    }
    Ok(items)
}

fn item(
    one: &Transaction,
    provider_id: String,
    operation_id: Option<String>,
) -> Result<StatementItem, PaymentFault> {
    let created_at = one
        .paid_at
        .and_then(|at| Kyiv.from_local_datetime(&at).earliest())
        // An item that is on no day would be missing on its own.
        .ok_or_else(|| PaymentFault::Unknown("a transaction has no date".to_owned()))?
        .with_timezone(&Utc);
    let status = match one.status {
        TransactionStatus::Payed | TransactionStatus::Return => ItemStatus::Done,
        TransactionStatus::Rejected => ItemStatus::Failed,
        TransactionStatus::Created | TransactionStatus::Preauth | TransactionStatus::Other(_) => {
            ItemStatus::Open
        }
    };
    Ok(StatementItem {
        provider_id,
        operation_id,
        amount: Money::new(one.amount.minor(), Currency::Uah),
        fee: None,
        status,
        created_at,
    })
}
