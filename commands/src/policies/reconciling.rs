//! Compares a provider's own list of a day with our books.
//!
//! Matching is by our operation's id, which the provider carries, else by the provider's id. What agrees is recorded, what
//! differs is opened as a break for a person, and nothing is corrected. Two things follow from a list: a fee that the
//! provider tells in it and that we had not been told before is booked; and what it shows as done, and what no notification
//! has brought to us, is asked about with our own credentials.
//!
//! An item that cannot be read keeps nothing else from being compared. It is a break named `<id>:unreadable:<what>`, and
//! the operation of ours that it speaks of is not missing. A person closes it: a later statement in which the item can be
//! read agrees about the item, not about why it could not be read.
//!
//! Days are days of UTC for every provider. One that keeps another calendar, as Portmone keeps Kyiv's, has its moments
//! made UTC before they come here, so an operation near midnight lies on one day, whoever tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use kvit_domain::money::Money;
use kvit_domain::reconciliation::{Break, BreakClass, Matched, StatementKind};
use sha2::{Digest, Sha256};

use super::PaymentWorker;
use super::unnoticed::Unnoticed;
use crate::app::{App, Statement};
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::operations::{Operations, OurItem};
use crate::ports::statement::{
    Flaw, ItemStatus, Listing, STATEMENT_ITEMS_MAX, StatementItem, StatementSource, Unreadable,
};

/// What a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Items of the provider's list on this day, those that cannot be read among them.
    pub items: usize,
    /// Items that agree.
    pub matched: usize,
    /// Differences, old and new.
    pub breaks: usize,
    /// Fees that were booked or had been before.
    pub fees: usize,
}

/// Compares the lists of one provider.
pub struct Reconciling {
    app: App,
    source: Arc<dyn StatementSource>,
    operations: Arc<dyn Operations>,
    payments: Option<Arc<PaymentWorker>>,
}

/// What a comparison found, before it is recorded.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    matched: Vec<Matched>,
    breaks: Vec<Break>,
    fees: Vec<(String, Money)>,
}

impl Reconciling {
    /// The comparison for this provider's lists.
    pub fn new(
        app: App,
        source: Arc<dyn StatementSource>,
        operations: Arc<dyn Operations>,
    ) -> Self {
        Self {
            app,
            source,
            operations,
            payments: None,
        }
    }

    /// With the worker that asks about payments and refunds of which nobody has told us.
    #[must_use]
    pub fn with_payments(mut self, worker: Option<Arc<PaymentWorker>>) -> Self {
        self.payments = worker;
        self
    }

    /// The lists that the provider gives.
    #[must_use]
    pub fn kinds(&self) -> Vec<StatementKind> {
        self.source.kinds()
    }

    /// Compares one day (UTC) of one list. Running it again finds the same and records nothing twice.
    ///
    /// # Errors
    /// Transient when the provider or our read models are away; nothing was recorded then.
    pub async fn run(
        &self,
        kind: StatementKind,
        day: NaiveDate,
        context: &Context,
    ) -> Result<Reconciled, CommandError> {
        let provider = self.source.provider();
        let from = day.and_time(NaiveTime::MIN).and_utc();
        let to = day
            .checked_add_days(Days::new(1))
            .ok_or_else(|| CommandError::Fatal("the day is beyond the calendar".into()))?
            .and_time(NaiveTime::MIN)
            .and_utc();
        // Both clocks name the moment of one operation; it may lie on two sides of midnight.
        let margin = self.source.apart();
        let (Some(first), Some(last)) = (
            from.checked_sub_signed(margin),
            to.checked_add_signed(margin),
        ) else {
            return Err(CommandError::Fatal("the day is beyond the calendar".into()));
        };
        let theirs = self
            .source
            .listing(kind, first, last)
            .await
            .map_err(|fault| CommandError::transient(fault.to_string()))?;
        if theirs.items.len().saturating_add(theirs.unreadable.len()) > STATEMENT_ITEMS_MAX {
            return Err(CommandError::Fatal(
                "the provider's list of one day is larger than can be compared".into(),
            ));
        }
        let ours = self
            .operations
            .list(provider, kind, first, last)
            .await
            .map_err(|fault| CommandError::transient(fault.to_string()))?;
        for one in &theirs.unreadable {
            tracing::warn!(
                provider = provider.code(),
                kind = kind.code(),
                what = one.flaw.code(),
                "an item of the provider's list cannot be read"
            );
        }
        let mut findings = compare(&theirs, &ours, from, to);
        if let Some(worker) = &self.payments {
            let unnoticed = Unnoticed {
                app: &self.app,
                worker,
                provider,
                context,
            };
            let breaks = std::mem::take(&mut findings.breaks);
            findings.breaks = unnoticed
                .follow(kind, &theirs.items, breaks, &mut findings.matched)
                .await;
        }
        let (items, digest) = of_day(&theirs, from, to);
        for (item, fee) in &findings.fees {
            match self.app.book_fee(provider, item, *fee, context).await {
                Ok(_) => {}
                // Another fee was booked for it before: a difference like every other, which must not hide the rest.
                Err(CommandError::Rejected(refusal)) => {
                    tracing::warn!(
                        provider = provider.code(),
                        code = refusal.code,
                        "a fee is not the one that was booked"
                    );
                    findings.breaks.push(Break {
                        item: item.clone(),
                        class: BreakClass::FeeDiffers,
                        operation: None,
                        theirs: Some(*fee),
                        ours: None,
                    });
                }
                Err(fault) => return Err(fault),
            }
        }
        let done = Reconciled {
            items,
            matched: findings.matched.len(),
            breaks: findings.breaks.len(),
            fees: findings.fees.len(),
        };
        let statement = Statement {
            provider,
            kind,
            day,
            items: u64::try_from(items).unwrap_or(u64::MAX),
            digest,
            matched: findings.matched,
            breaks: findings.breaks,
        };
        self.app.record_statement(statement, context).await?;
        metrics::counter!("kvit_reconciliations_total", "provider" => provider.code(), "kind" => kind.code())
            .increment(1);
        Ok(done)
    }
}

/// Compares two lists. Items near midnight are looked up on both sides of it, but each is reported on its own day only.
fn compare(theirs: &Listing, ours: &[OurItem], from: DateTime<Utc>, to: DateTime<Utc>) -> Findings {
    let by_operation: BTreeMap<&str, &OurItem> = ours
        .iter()
        .map(|item| (item.operation.as_str(), item))
        .collect();
    let by_provider_id: BTreeMap<&str, &OurItem> = ours
        .iter()
        .filter_map(|item| Some((item.provider_id.as_deref()?, item)))
        .collect();
    let is_today = |at: DateTime<Utc>| from <= at && at < to;
    let mut findings = Findings::default();
    let mut seen = BTreeSet::new();
    // One of ours that the provider has under another id is not this one, whatever operation it claims.
    let own_of = |provider_id: &str, operation_id: Option<&str>| {
        by_provider_id
            .get(provider_id)
            .or_else(|| by_operation.get(operation_id?))
            .copied()
            .filter(|own| own.provider_id.as_ref().is_none_or(|id| id == provider_id))
    };
    for item in &theirs.items {
        if let Some(own) = own_of(&item.provider_id, item.operation_id.as_deref()) {
            seen.insert(own.operation.as_str());
            if is_today(item.created_at) {
                pair(item, own, &mut findings);
            }
        } else if item.status == ItemStatus::Done && is_today(item.created_at) {
            findings
                .breaks
                .push(difference(item, None, BreakClass::TheirsOnly));
        }
    }
    for item in &theirs.unreadable {
        let own = own_of(&item.provider_id, item.operation_id.as_deref());
        seen.extend(own.map(|own| own.operation.as_str()));
        // One that has no day of its own is told on that of its operation, and without one on every day that shows it.
        let at = item.created_at.or(own.map(|own| own.created_at));
        let may_have_moved = item.status.is_none_or(|status| status == ItemStatus::Done)
            || own.is_some_and(|own| own.status == ItemStatus::Done);
        if at.is_none_or(is_today) && may_have_moved {
            findings.breaks.push(unreadable(item, own));
        }
    }
    for own in ours {
        let is_missing = own.status == ItemStatus::Done
            && is_today(own.created_at)
            && !seen.contains(own.operation.as_str());
        if is_missing {
            findings.breaks.push(Break {
                item: own
                    .provider_id
                    .clone()
                    .unwrap_or_else(|| own.operation.clone()),
                class: BreakClass::OursOnly,
                operation: Some(own.operation.clone()),
                theirs: None,
                ours: Some(own.amount),
            });
        }
    }
    findings
}

fn pair(item: &StatementItem, own: &OurItem, findings: &mut Findings) {
    match (item.status, own.status) {
        (ItemStatus::Done, ItemStatus::Done) if item.amount != own.amount => findings
            .breaks
            .push(difference(item, Some(own), BreakClass::AmountDiffers)),
        (ItemStatus::Done, ItemStatus::Done) => match (item.fee, own.fee) {
            (Some(theirs), Some(booked)) if theirs != booked => {
                let mut found = difference(item, Some(own), BreakClass::FeeDiffers);
                (found.theirs, found.ours) = (Some(theirs), Some(booked));
                findings.breaks.push(found);
            }
            (theirs, booked) => {
                if let (Some(fee), None) = (theirs.filter(|fee| fee.is_positive()), booked) {
                    findings.fees.push((item.provider_id.clone(), fee));
                }
                findings.matched.push(Matched {
                    item: item.provider_id.clone(),
                    operation: own.operation.clone(),
                    amount: item.amount,
                    fee: theirs.or(booked),
                });
            }
        },
        (ItemStatus::Done, _) | (_, ItemStatus::Done) => {
            findings
                .breaks
                .push(difference(item, Some(own), BreakClass::StatusDiffers))
        }
        // No money moved on either side.
        _ => {}
    }
}

fn difference(item: &StatementItem, own: Option<&OurItem>, class: BreakClass) -> Break {
    Break {
        item: item.provider_id.clone(),
        class,
        operation: own
            .map(|own| own.operation.clone())
            .or_else(|| item.operation_id.clone()),
        theirs: Some(item.amount),
        ours: own.map(|own| own.amount),
    }
}

fn unreadable(item: &Unreadable, own: Option<&OurItem>) -> Break {
    Break {
        item: format!("{}:unreadable:{}", item.provider_id, item.flaw.code()),
        class: match (own, item.flaw) {
            (None, _) => BreakClass::TheirsOnly,
            (Some(_), Flaw::Amount | Flaw::Currency) => BreakClass::AmountDiffers,
            (Some(_), _) => BreakClass::StatusDiffers,
        },
        operation: own
            .map(|own| own.operation.clone())
            .or_else(|| item.operation_id.clone()),
        theirs: None,
        ours: own.map(|own| own.amount),
    }
}

/// How many items the day has, and SHA-256 over them in order. What is only near midnight belongs to its own day.
fn of_day(theirs: &Listing, from: DateTime<Utc>, to: DateTime<Utc>) -> (usize, String) {
    let (mut count, mut digest) = (0_usize, Sha256::new());
    let is_today = |at: DateTime<Utc>| from <= at && at < to;
    for item in theirs.items.iter().filter(|item| is_today(item.created_at)) {
        count = count.saturating_add(1);
        let line = format!(
            "{}\u{1f}{}\u{1f}{}\u{1f}{}\u{1f}{:?}\u{1e}",
            item.provider_id,
            item.operation_id.as_deref().unwrap_or_default(),
            item.amount,
            item.fee.map(|fee| fee.to_string()).unwrap_or_default(),
            item.status,
        );
        digest.update(line.as_bytes());
    }
    let rest = theirs.unreadable.iter();
    for item in rest.filter(|item| item.created_at.is_none_or(is_today)) {
        count = count.saturating_add(1);
        let line = format!(
            "{}\u{1f}{}\u{1f}unreadable\u{1f}{}\u{1f}{:?}\u{1e}",
            item.provider_id,
            item.operation_id.as_deref().unwrap_or_default(),
            item.flaw.code(),
            item.status,
        );
        digest.update(line.as_bytes());
    }
    (count, hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use kvit_domain::money::Currency;

    use super::*;

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_035_200 + hour * 3_600, 0).unwrap()
    }
    fn rub(minor: i64) -> Money {
        Money::new(minor, Currency::Rub)
    }
    fn theirs(id: &str, minor: i64) -> StatementItem {
        StatementItem {
            provider_id: id.to_owned(),
            operation_id: Some(format!("op-{id}")),
            of_payment: None,
            amount: rub(minor),
            fee: None,
            status: ItemStatus::Done,
            created_at: at(12),
        }
    }
    fn ours(id: &str, minor: i64) -> OurItem {
        OurItem {
            operation: format!("op-{id}"),
            provider_id: Some(id.to_owned()),
            amount: rub(minor),
            fee: None,
            status: ItemStatus::Done,
            created_at: at(12),
        }
    }
    fn listed(items: &[StatementItem]) -> Listing {
        Listing {
            items: items.to_vec(),
            unreadable: Vec::new(),
        }
    }
    fn flawed(id: &str, flaw: Flaw) -> Unreadable {
        Unreadable {
            provider_id: id.to_owned(),
            operation_id: Some(format!("op-{id}")),
            flaw,
            status: Some(ItemStatus::Done),
            created_at: Some(at(12)),
        }
    }
    /// Names and classes of the breaks of one day, beside an item that agrees.
    fn beside_an_agreeing_item(
        one: &Unreadable,
        own: &[OurItem],
        day: i64,
    ) -> Vec<(String, BreakClass)> {
        let (from, to) = (at(day * 24), at(day * 24 + 24));
        let (mut fine, mut booked) = (theirs("fine", 100), ours("fine", 100));
        (fine.created_at, booked.created_at) = (from, from);
        let listing = Listing {
            items: vec![fine],
            unreadable: vec![one.clone()],
        };
        let own: Vec<OurItem> = own.iter().cloned().chain([booked]).collect();
        let found = compare(&listing, &own, from, to);
        assert_eq!(found.matched.len(), 1, "the rest is compared");
        found
            .breaks
            .into_iter()
            .map(|found| {
                assert_eq!(found.theirs, None);
                (found.item, found.class)
            })
            .collect()
    }
    fn classes(theirs: &[StatementItem], ours: &[OurItem]) -> Vec<BreakClass> {
        compare(&listed(theirs), ours, at(0), at(24))
            .breaks
            .into_iter()
            .map(|found| found.class)
            .collect()
    }

    #[test]
    fn f61_each_difference_has_its_class() {
        assert_eq!(classes(&[theirs("a", 100)], &[ours("a", 100)]), []);
        assert_eq!(classes(&[theirs("a", 100)], &[]), [BreakClass::TheirsOnly]);
        assert_eq!(classes(&[], &[ours("a", 100)]), [BreakClass::OursOnly]);
        assert_eq!(
            classes(&[theirs("a", 101)], &[ours("a", 100)]),
            [BreakClass::AmountDiffers]
        );
        let (mut with_fee, mut booked) = (theirs("a", 100), ours("a", 100));
        with_fee.fee = Some(rub(3));
        assert_eq!(
            compare(
                &listed(&[with_fee.clone()]),
                &[booked.clone()],
                at(0),
                at(24)
            )
            .fees,
            [("a".to_owned(), rub(3))]
        );
        booked.fee = Some(rub(4));
        assert_eq!(classes(&[with_fee], &[booked]), [BreakClass::FeeDiffers]);
        let mut failed = ours("a", 100);
        failed.status = ItemStatus::Failed;
        assert_eq!(
            classes(&[theirs("a", 100)], &[failed]),
            [BreakClass::StatusDiffers]
        );
    }

    #[test]
    fn an_operation_that_straddles_midnight_is_no_break() {
        let mut early = theirs("a", 100);
        early.created_at = at(24);
        let mut late = ours("a", 100);
        late.created_at = at(23);
        assert_eq!(classes(&[early], &[late]), []);
    }

    #[test]
    fn an_operation_of_ours_that_the_provider_has_under_another_id_is_not_matched_with_a_stranger()
    {
        let mut stranger = theirs("b", 100);
        stranger.operation_id = Some("op-a".to_owned());
        assert_eq!(
            classes(&[stranger], &[ours("a", 100)]),
            [BreakClass::TheirsOnly, BreakClass::OursOnly]
        );
    }

    #[test]
    fn f61_an_item_that_cannot_be_read_is_a_break_of_its_own_and_the_rest_is_compared() {
        let named = |what: &str| format!("a:unreadable:{what}");
        assert_eq!(
            beside_an_agreeing_item(&flawed("a", Flaw::Currency), &[], 0),
            [(named("currency"), BreakClass::TheirsOnly)]
        );
        // It speaks of an operation of ours, which therefore is not missing.
        for (flaw, class) in [
            (Flaw::Amount, BreakClass::AmountDiffers),
            (Flaw::Test, BreakClass::StatusDiffers),
        ] {
            assert_eq!(
                beside_an_agreeing_item(&flawed("a", flaw), &[ours("a", 100)], 0),
                [(named(flaw.code()), class)]
            );
        }
    }

    #[test]
    fn an_unreadable_item_of_which_no_money_moved_is_no_break_unless_our_books_say_that_it_did() {
        let mut canceled = flawed("a", Flaw::Currency);
        canceled.status = Some(ItemStatus::Failed);
        assert_eq!(beside_an_agreeing_item(&canceled, &[], 0), []);
        let booked = [ours("a", 100)];
        assert_eq!(beside_an_agreeing_item(&canceled, &booked, 0).len(), 1);
        let mut unclear = flawed("a", Flaw::Status);
        unclear.status = None;
        assert_eq!(beside_an_agreeing_item(&unclear, &[], 0).len(), 1);
    }

    #[test]
    fn an_unreadable_item_is_told_on_its_own_day_or_else_on_that_of_its_operation() {
        let dated = flawed("a", Flaw::Amount);
        assert_eq!(beside_an_agreeing_item(&dated, &[], 1), []);
        let mut undated = flawed("a", Flaw::Date);
        undated.created_at = None;
        let booked = [ours("a", 100)];
        assert_eq!(beside_an_agreeing_item(&undated, &booked, 0).len(), 1);
        assert_eq!(beside_an_agreeing_item(&undated, &booked, 1), []);
        assert_eq!(beside_an_agreeing_item(&undated, &[], 1).len(), 1);
    }

    #[test]
    fn a_day_counts_its_own_items_and_its_digest_changes_with_each_of_them() {
        let of = |listing: &Listing| of_day(listing, at(0), at(24));
        let mut yesterday = theirs("b", 100);
        yesterday.created_at = at(-1);
        let day = listed(&[theirs("a", 100)]);
        let mut with_neighbour = listed(&[yesterday, theirs("a", 100)]);
        assert_eq!(of(&day), of(&with_neighbour));
        with_neighbour.unreadable.push(flawed("c", Flaw::Test));
        let (count, digest) = of(&with_neighbour);
        assert_eq!(count, 2);
        assert_ne!(digest, of(&day).1);
    }
}
