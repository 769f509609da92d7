//! A settlement document beside our books: what has been found so far, and what its bills add up to.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::reconciliation::{Break, BreakClass, Matched};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::ports::payment::{SettlementBill, SettlementDocument};

/// A document tells a day not further back than this, else its date is no date.
const DAYS_BACK_MAX: i64 = 366;
/// Nor further ahead than this.
const DAYS_AHEAD_MAX: i64 = 7;

/// What is being compared.
pub(super) struct Case<'a> {
    pub(super) provider: ProviderName,
    pub(super) document: &'a SettlementDocument,
    pub(super) context: Context,
}

/// An operation's place in a settlement: of which list it is, and the provider's id in that list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) kind: &'static str,
    pub(super) object_id: String,
}

/// What a comparison found, before anything is booked.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) matched: Vec<Matched>,
    pub(super) breaks: Vec<Break>,
    /// Fees that no booking of ours holds yet, by the payment's id at the provider.
    pub(super) fees: Vec<(String, Money)>,
    pub(super) places: BTreeSet<Place>,
    /// Bills of money that came in and went back.
    pub(super) collected: Sums,
    /// Bills of payouts.
    pub(super) paid_out: Sums,
}

/// What bills add up to, reversals taken off, in minor units of the document's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) bills: usize,
    gross: i64,
    fees: i64,
    /// Another currency, or a sum that does not fit: nothing can be told any more.
    is_unclear: bool,
}

impl Sums {
    pub(super) fn add(&mut self, bill: &SettlementBill, sum: Money) {
        self.bills = self.bills.saturating_add(1);
        let sign = |minor: i64| {
            if bill.reversed {
                minor.checked_neg()
            } else {
                Some(minor)
            }
        };
        let fee = bill.fee.unwrap_or(Money::zero(sum.currency));
        let is_same = bill.amount.currency == sum.currency && fee.currency == sum.currency;
        let gross = sign(bill.amount.minor).and_then(|minor| self.gross.checked_add(minor));
        let fees = sign(fee.minor).and_then(|minor| self.fees.checked_add(minor));
        match (is_same, gross, fees) {
            (true, Some(gross), Some(fees)) => (self.gross, self.fees) = (gross, fees),
            _ => self.is_unclear = true,
        }
    }

    /// The bills less their fees, if that can be told.
    pub(super) fn net(&self) -> Option<i64> {
        let net = self.gross.checked_sub(self.fees)?;
        (!self.is_unclear).then_some(net)
    }

    /// Whether so much follows from the bills, net or gross.
    pub(super) fn fit(&self, arrived: i64) -> bool {
        self.net()
            .is_some_and(|net| arrived == net || arrived == self.gross)
    }
}

impl Case<'_> {
    /// The document among the items of its day.
    pub(super) fn own_item(&self) -> String {
        format!("settlement:{}", self.document.id)
    }

    pub(super) fn own_place(&self) -> Place {
        Place {
            kind: "settlement",
            object_id: self.document.id.clone(),
        }
    }

    pub(super) fn own_break(&self, class: BreakClass, ours: Option<Money>) -> Break {
        Break {
            item: self.own_item(),
            class,
            operation: None,
            theirs: Some(self.document.sum),
            ours,
        }
    }
}

impl Findings {
    pub(super) fn agrees(&mut self, bill: &SettlementBill, item: String, operation: String) {
        self.matched.push(Matched {
            item,
            operation,
            amount: bill.amount,
            fee: bill.fee,
        });
    }

    pub(super) fn differs(
        &mut self,
        bill: &SettlementBill,
        item: String,
        class: BreakClass,
        operation: Option<String>,
        ours: Option<Money>,
    ) {
        self.breaks.push(Break {
            item,
            class,
            operation,
            theirs: Some(bill.amount),
            ours,
        });
    }

    pub(super) fn fee_differs(
        &mut self,
        bill: &SettlementBill,
        item: String,
        operation: String,
        booked: Option<Money>,
    ) {
        self.breaks.push(Break {
            item,
            class: BreakClass::FeeDiffers,
            operation: Some(operation),
            theirs: bill.fee,
            ours: booked,
        });
    }

    /// Our operation answers for one bill only. The item is named with its document, for the bill's own name belongs to
    /// the one that was first.
    pub(super) fn settled_before(
        &mut self,
        case: &Case<'_>,
        bill: &SettlementBill,
        item: String,
        operation: String,
    ) {
        let item = format!("{}:{item}", case.document.id);
        self.differs(bill, item, BreakClass::TheirsOnly, Some(operation), None);
    }
}

/// The document's day, or the day on which it came where it tells none that can be.
pub(super) fn day_of(document: &SettlementDocument, received_at: DateTime<Utc>) -> NaiveDate {
    let today = received_at.date_naive();
    let possible = |day: &NaiveDate| {
        let ahead = day.signed_duration_since(today);
        (TimeDelta::days(-DAYS_BACK_MAX)..=TimeDelta::days(DAYS_AHEAD_MAX)).contains(&ahead)
    };
    document.day.filter(possible).unwrap_or(today)
}

/// SHA-256 over everything that the document says.
pub(super) fn digest(document: &SettlementDocument) -> String {
    let mut digest = Sha256::new();
    let day = document.day.map(|day| day.to_string()).unwrap_or_default();
    digest.update(format!("{}\u{1f}{day}\u{1f}{}\u{1e}", document.id, document.sum).as_bytes());
    for bill in &document.bills {
        let line = format!(
            "{}\u{1f}{}\u{1f}{}\u{1f}{}\u{1f}{}\u{1e}",
            bill.bill_id,
            bill.order_number.as_deref().unwrap_or_default(),
            bill.amount,
            bill.fee.map(|fee| fee.to_string()).unwrap_or_default(),
            bill.reversed,
        );
        digest.update(line.as_bytes());
    }
    hex::encode(digest.finalize())
}
