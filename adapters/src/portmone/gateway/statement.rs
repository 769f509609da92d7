//! The gateway's own lists, for reconciliation.
//!
//! The provider lists days, and its days are Kyiv's: a payment at 23:30 UTC is on the list of the next day, at 01:30. So for a
//! span of UTC every day that it has a part in is asked for, each by itself, and the moments are made UTC before anything is left
//! out. A transaction is thus in the span that its moment is in, whatever the list it stood on.
//!
//! The moment is that of the payment, not of the order: a page takes payments for an hour, a bank may be slow for a day, and some
//! answers tell the day alone, which reads as its midnight. [`apart`](StatementSource::apart) covers all three.
//!
//! A transaction that cannot be read is told as such. One of which only the moment is missing is dated by our number of its order,
//! if it has one, and is as good as any other; else it counts as unreadable, of the day on whose list it stood.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Europe::Kyiv;
use kvit_commands::ports::payment::PaymentFault;
use kvit_commands::ports::statement::{
    Flaw, ItemStatus, Listing, StatementItem, StatementSource, Unreadable,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::reconciliation::StatementKind;

use super::order_number::OrderNumber;
use super::outcome::{FlawedTransaction, Transaction, TransactionStatus, Window};
use super::payments::{PortmonePayments, listed};

/// What one day's list told, with the moment of each item where it has one.
#[derive(Default)]
struct Told {
    /// By the provider's id: one that was seen on two days, because it moved while they were read, is one.
    transactions: BTreeMap<String, Dated<Transaction>>,
    flawed: BTreeMap<String, Dated<FlawedTransaction>>,
}

struct Dated<T> {
    one: T,
    at: Option<DateTime<Utc>>,
    /// On whose list it stood.
    day: NaiveDate,
}

impl PortmonePayments {
    /// All of the days from one moment to another, but none after tomorrow.
    async fn days(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Told, PaymentFault> {
        let day = |at: DateTime<Utc>| at.with_timezone(&Kyiv).date_naive();
        let tomorrow = day(self.now()).checked_add_days(Days::new(1));
        let last = tomorrow.map_or(day(to), |tomorrow| tomorrow.min(day(to)));
        let mut told = Told::default();
        for day in day(from).iter_days().take_while(|day| *day <= last) {
            let window = Window { from: day, to: day };
            let (transactions, flawed) = listed(self.gateway().list(window).await)?;
            for one in transactions {
                let at = one.paid_at.and_then(moment).or_else(|| asked_at(&one));
                let dated = Dated { at, day, one };
                told.transactions.insert(dated.one.bill_id.clone(), dated);
            }
            for one in flawed {
                let at = one.paid_at.and_then(moment);
                let dated = Dated { at, day, one };
                told.flawed.insert(dated.one.name.clone(), dated);
            }
        }
        Ok(told)
    }
}

/// A moment by Kyiv's clocks. Of the hour that comes twice it is the first; one in the hour that is left out is none.
fn moment(at: NaiveDateTime) -> Option<DateTime<Utc>> {
    let at = Kyiv.from_local_datetime(&at).earliest()?;
    Some(at.with_timezone(&Utc))
}

/// When its page was asked for. Money goes back at some other time.
fn asked_at(one: &Transaction) -> Option<DateTime<Utc>> {
    let number = OrderNumber::parse(&one.order_number)?;
    (one.status != TransactionStatus::Return).then_some(number.asked_at)
}

/// A moment that is on this day both in Kyiv and by UTC.
fn noon(day: NaiveDate) -> Option<DateTime<Utc>> {
    moment(day.and_time(NaiveTime::from_hms_opt(12, 0, 0)?))
}

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
        self.listing(kind, from, to).await?.whole()
    }

    async fn listing(
        &self,
        kind: StatementKind,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Listing, PaymentFault> {
        let is_return = match kind {
            StatementKind::Payments => false,
            StatementKind::Refunds => true,
            StatementKind::Payouts | StatementKind::Settlement => return Ok(Listing::default()),
        };
        let told = self.days(from, to).await?;
        let mut listing = Listing::default();
        let mut dated = Vec::new();
        for Dated { one, at, day } in told.transactions.into_values() {
            if (one.status == TransactionStatus::Return) != is_return {
                continue;
            }
            match at {
                Some(at) => dated.push((at, one)),
                None => {
                    let status = Some(&one.status);
                    let date = Flaw::Date;
                    listing.unreadable.push(unreadable(
                        &one.bill_id,
                        &one.order_number,
                        status,
                        date,
                        noon(day),
                    ));
                }
            }
        }
        for Dated { one, at, day } in told.flawed.into_values() {
            let status = one.status.as_ref();
            if status.is_some_and(|status| *status == TransactionStatus::Return) == is_return {
                let order = one.order_number.as_deref().unwrap_or_default();
                let at = at.or_else(|| noon(day));
                listing
                    .unreadable
                    .push(unreadable(&one.name, order, status, one.flaw, at));
            }
        }
        listing.items = if is_return {
            let item = |(at, one): (DateTime<Utc>, Transaction)| {
                let name = one.bill_id.clone();
                item(&one, at, name, None)
            };
            dated.into_iter().map(item).collect()
        } else {
            payments(dated, self.slowest())
        };
        let holds = |at: DateTime<Utc>| (from..to).contains(&at);
        listing.items.retain(|item| holds(item.created_at));
        listing
            .unreadable
            .retain(|one| one.created_at.is_none_or(holds));
        listing
            .items
            .sort_by(|a, b| (a.created_at, &a.provider_id).cmp(&(b.created_at, &b.provider_id)));
        Ok(listing)
    }

    fn apart(&self) -> TimeDelta {
        self.slowest() + TimeDelta::days(1)
    }
}

/// A payment is named by its order number, as in our books. A second payment of one order is an item of its own, which our books
/// do not have: reconciliation must show it. So must it show one that came later than any page takes: an earlier one might be out
/// of sight. Tries that failed are told only where none went well.
fn payments(list: Vec<(DateTime<Utc>, Transaction)>, slowest: TimeDelta) -> Vec<StatementItem> {
    let mut orders: BTreeMap<String, Vec<(DateTime<Utc>, Transaction)>> = BTreeMap::new();
    for (at, one) in list {
        orders
            .entry(one.order_number.clone())
            .or_default()
            .push((at, one));
    }
    let mut items = Vec::new();
    for (order, mut tries) in orders {
        let number = OrderNumber::parse(&order);
        let operation = number.map(|number| number.payment_id.to_string());
        let is_late = |at: DateTime<Utc>| {
            number.is_some_and(|number| at.signed_duration_since(number.asked_at) > slowest)
        };
        let money = |one: &Transaction| {
            matches!(
                one.status,
                TransactionStatus::Payed | TransactionStatus::Preauth
            )
        };
        tries.sort_by(|a, b| (a.0, &a.1.bill_id).cmp(&(b.0, &b.1.bill_id)));
        if tries.iter().any(|(_, one)| money(one)) {
            tries.retain(|(_, one)| money(one));
        } else {
            tries.drain(..tries.len().saturating_sub(1));
        }
        for (index, (at, one)) in tries.into_iter().enumerate() {
            let (name, operation) = if index == 0 && !is_late(at) {
                (order.clone(), operation.clone())
            } else {
                (format!("{order}/{}", one.bill_id), None)
            };
            items.push(item(&one, at, name, operation));
        }
    }
    items
}

fn item_status(status: &TransactionStatus) -> ItemStatus {
    match status {
        TransactionStatus::Payed | TransactionStatus::Return => ItemStatus::Done,
        TransactionStatus::Rejected => ItemStatus::Failed,
        TransactionStatus::Created | TransactionStatus::Preauth | TransactionStatus::Other(_) => {
            ItemStatus::Open
        }
    }
}

fn item(
    one: &Transaction,
    created_at: DateTime<Utc>,
    provider_id: String,
    operation_id: Option<String>,
) -> StatementItem {
    StatementItem {
        provider_id,
        operation_id,
        of_payment: (one.status == TransactionStatus::Return).then(|| one.order_number.clone()),
        amount: Money::new(one.amount.minor(), Currency::Uah),
        fee: None,
        status: item_status(&one.status),
        created_at,
    }
}

/// Named as our books name it where the order's number is ours, else by the provider's id: the number is then a stranger's text.
fn unreadable(
    name: &str,
    order: &str,
    status: Option<&TransactionStatus>,
    flaw: Flaw,
    created_at: Option<DateTime<Utc>>,
) -> Unreadable {
    // Money that goes back is a transaction of its own, in our books too.
    let is_return = status.is_some_and(|status| *status == TransactionStatus::Return);
    let number = OrderNumber::parse(order).filter(|_| !is_return);
    Unreadable {
        provider_id: number.map_or_else(|| name.to_owned(), |number| number.to_string()),
        operation_id: number.map(|number| number.payment_id.to_string()),
        flaw,
        status: status
            // A word that nobody knows says nothing about money.
            .filter(|status| !matches!(status, TransactionStatus::Other(_)))
            .map(item_status),
        created_at,
    }
}
