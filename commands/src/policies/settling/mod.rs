//! Compares a provider's settlement document with our books, and books it when nothing differs.
//!
//! The document comes to an address that only the provider is told, but it carries no signature, and nobody can be asked
//! whether it is true. So it is believed only as far as our books say the same: each bill must be an operation of ours
//! that ended as the bill says, with the same amount, and the sum must follow from the bills, either less their fees (net)
//! or not (gross, when the fees are charged some other way and stay open in the clearing account). Then the fees and the
//! arrival at the bank are booked. If a single thing differs nothing is booked, and the breaks of that day's
//! reconciliation say why. The booking to the bank rests on this document alone: the bank's own statement is the third
//! side, and whoever has it compares it with our bank account.
//!
//! - A payment or a refund is settled once, whichever documents name it: its place in a settlement is claimed for ever.
//! - A payout's bill is compared, and counted apart: its money never was in the clearing of payments. A document that holds
//!   nothing else moves nothing.
//! - A fee that a reversal gives back has no booking here: it is a difference for a person.
//!
//! Before a difference is named the provider is asked about the operation, for its document may be quicker than its news.

mod compared;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kvit_domain::claim::{ProviderObject, ProviderObjectCommand, provider_object_id};
use kvit_domain::event::StreamId;
use kvit_domain::ids::{PaymentId, PayoutId, TransactionId};
use kvit_domain::journal::Journal;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::payment::{Payment, PaymentEvent, PaymentState, RefundState};
use kvit_domain::payout::PayoutState;
use kvit_domain::reconciliation::{Break, BreakClass, Matched, StatementKind};

use self::compared::{Case, Findings, Place, day_of, digest};
use super::{PaymentWorker, PayoutWorker, to_fault};
use crate::app::{App, Statement};
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::HandlerFault;
use crate::ports::operations::Operations;
use crate::ports::payment::{SettlementBill, SettlementDocument};

/// Most events of a payment that are read to find what its fee was.
const STREAM_EVENTS_MAX: usize = 1_000;

/// Compares settlement documents of one provider.
pub(super) struct Settling {
    pub(super) app: App,
    pub(super) operations: Arc<dyn Operations>,
    pub(super) payments: Option<Arc<PaymentWorker>>,
    pub(super) payouts: Option<Arc<PayoutWorker>>,
}

impl Settling {
    /// Compares a document, books what follows from it if nothing differs, and records the comparison. Whether nothing
    /// differed. The same document again finds the same and changes nothing.
    ///
    /// # Errors
    /// Transient while the log, our read models or the provider are away; it can be repeated from the start.
    pub(super) async fn settle(
        &self,
        provider: ProviderName,
        document: &SettlementDocument,
        received_at: DateTime<Utc>,
    ) -> Result<bool, HandlerFault> {
        let correlation = format!("settlement:{}", document.id);
        let key = format!("settling:{}", self.app.fresh_id());
        let actor = format!("provider:{}", provider.code());
        let case = Case {
            provider,
            document,
            context: Context::new(actor, key, correlation),
        };
        let digest = digest(document);
        let mut findings = self.compare(&case).await?;
        let whole = self.whole(&case, &findings, &digest).await?;
        if let Some(found) = whole {
            findings.breaks.push(found);
        } else if findings.breaks.is_empty()
            && let Err(fault) = self.book(&case, &findings, &digest).await
        {
            // Somebody else was quicker with the same operations, or has booked another sum under this name.
            let CommandError::Rejected(refusal) = fault else {
                return Err(to_fault(fault));
            };
            tracing::error!(
                provider = provider.code(),
                code = refusal.code,
                "a settlement cannot be booked"
            );
            findings
                .breaks
                .push(case.own_break(BreakClass::StatusDiffers, None));
        }
        let agrees = findings.breaks.is_empty();
        if agrees {
            findings.matched.push(Matched {
                item: case.own_item(),
                operation: case.own_item(),
                amount: document.sum,
                fee: None,
            });
        }
        self.record(&case, findings, digest, received_at).await?;
        Ok(agrees)
    }

    async fn compare(&self, case: &Case<'_>) -> Result<Findings, HandlerFault> {
        let mut findings = Findings::default();
        let mut names = BTreeMap::<String, u32>::new();
        for bill in &case.document.bills {
            let mut item = bill.bill_id.clone();
            if bill.reversed {
                item.push_str(":reversed");
            }
            let count = names.entry(item.clone()).or_default();
            *count = count.saturating_add(1);
            if *count > 1 {
                item = format!("{item}:{count}");
            }
            let sum = case.document.sum;
            let payment = match &bill.order_number {
                Some(number) => claimed_payment(&self.app, case.provider, number).await?,
                None => None,
            };
            if let Some(id) = payment {
                findings.collected.add(bill, sum);
                self.compare_payment(case, bill, item, id, &mut findings)
                    .await?;
                continue;
            }
            let payout = self
                .operations
                .payout_by_bill(case.provider, &bill.bill_id)
                .await
                .map_err(|fault| HandlerFault::transient(fault.to_string()))?;
            if let Some(id) = payout {
                findings.paid_out.add(bill, sum);
                self.compare_payout(case, bill, item, id, &mut findings)
                    .await?;
            } else {
                findings.collected.add(bill, sum);
                findings.differs(bill, item, BreakClass::TheirsOnly, None, None);
            }
        }
        Ok(findings)
    }

    async fn compare_payment(
        &self,
        case: &Case<'_>,
        bill: &SettlementBill,
        item: String,
        id: PaymentId,
        findings: &mut Findings,
    ) -> Result<(), HandlerFault> {
        let mut payment = self.app.payment(id).await.map_err(to_fault)?;
        if !payment.state.is_final()
            && let Some(worker) = &self.payments
        {
            let context = case.context.step(&format!("payment:{id}"));
            unless_poison(worker.ask_now(id, &context).await)?;
            payment = self.app.payment(id).await.map_err(to_fault)?;
        }
        if bill.reversed {
            return self
                .compare_refund(case, bill, item, id, payment, findings)
                .await;
        }
        let operation = id.to_string();
        let is_done = matches!(
            payment.state,
            PaymentState::Succeeded | PaymentState::Resolved
        );
        let class = if !is_done {
            Some(BreakClass::StatusDiffers)
        } else if payment.paid != Some(bill.amount) {
            Some(BreakClass::AmountDiffers)
        } else {
            None
        };
        if let Some(class) = class {
            findings.differs(bill, item, class, Some(operation), payment.paid);
            return Ok(());
        }
        let number = payment.provider_id.clone().unwrap_or_default();
        let place = Place {
            kind: "settled_payment",
            object_id: number.clone(),
        };
        if !self.take(case, &place, findings).await? {
            findings.settled_before(case, bill, item, operation);
            return Ok(());
        }
        let booked = self.booked_fee(case.provider, id, &number).await?;
        let told = bill.fee.filter(|fee| fee.is_positive());
        let is_absurd = told.is_some_and(|fee| {
            fee.currency != bill.amount.currency || fee.minor >= bill.amount.minor
        });
        if is_absurd || (booked.is_some() && booked != told) {
            findings.fee_differs(bill, item, operation, booked);
            return Ok(());
        }
        if let (Some(fee), None) = (told, booked) {
            findings.fees.push((number, fee));
        }
        findings.agrees(bill, item, operation);
        Ok(())
    }

    /// A reversal names only the bill that had been paid, so which refund it is can be told by the amount: the first one
    /// of this amount that no settlement has named.
    async fn compare_refund(
        &self,
        case: &Case<'_>,
        bill: &SettlementBill,
        item: String,
        id: PaymentId,
        mut payment: Payment,
        findings: &mut Findings,
    ) -> Result<(), HandlerFault> {
        let is_known = |payment: &Payment| {
            let mut refunds = payment.refunds.values();
            refunds.any(|one| one.state == RefundState::Succeeded && one.amount == bill.amount)
        };
        if !is_known(&payment)
            && let Some(worker) = &self.payments
        {
            let context = case.context.step(&format!("refunds:{id}"));
            unless_poison(worker.ask_refunds_now(id, &context).await)?;
            payment = self.app.payment(id).await.map_err(to_fault)?;
        }
        let mut last = None;
        for (refund_id, refund) in &payment.refunds {
            let (RefundState::Succeeded, Some(provider_refund_id)) =
                (refund.state, &refund.provider_refund_id)
            else {
                continue;
            };
            if refund.amount != bill.amount {
                continue;
            }
            last = Some(refund_id.to_string());
            let place = Place {
                kind: "settled_refund",
                object_id: provider_refund_id.clone(),
            };
            if !self.take(case, &place, findings).await? {
                continue;
            }
            let operation = refund_id.to_string();
            if bill.fee.is_some_and(Money::is_positive) {
                findings.fee_differs(bill, item, operation, None);
            } else {
                findings.agrees(bill, item, operation);
            }
            return Ok(());
        }
        match last {
            Some(operation) => findings.settled_before(case, bill, item, operation),
            None => {
                let (class, ours) = match payment.refunds.values().next() {
                    Some(other) => (BreakClass::AmountDiffers, Some(other.amount)),
                    None => (BreakClass::TheirsOnly, None),
                };
                findings.differs(bill, item, class, Some(id.to_string()), ours);
            }
        }
        Ok(())
    }

    async fn compare_payout(
        &self,
        case: &Case<'_>,
        bill: &SettlementBill,
        item: String,
        id: PayoutId,
        findings: &mut Findings,
    ) -> Result<(), HandlerFault> {
        let mut payout = self.app.payout(id).await.map_err(to_fault)?;
        if let Some(worker) = &self.payouts {
            match payout.state {
                PayoutState::Unknown | PayoutState::Pending | PayoutState::InReview => {
                    unless_poison(worker.ask_now(id).await)?;
                }
                PayoutState::Succeeded if bill.reversed => {
                    let context = case.context.step(&format!("payout:{id}"));
                    unless_poison(worker.ask_reversal(id, &context).await)?;
                }
                _ => {}
            }
            payout = self.app.payout(id).await.map_err(to_fault)?;
        }
        let is_right = match payout.state {
            // It was paid before it came back.
            PayoutState::Reversed => true,
            PayoutState::Succeeded => !bill.reversed,
            _ => false,
        };
        let ours = payout.terms.as_ref().map(|terms| terms.amount);
        let operation = id.to_string();
        if !is_right {
            findings.differs(bill, item, BreakClass::StatusDiffers, Some(operation), ours);
        } else if ours != Some(bill.amount) {
            findings.differs(bill, item, BreakClass::AmountDiffers, Some(operation), ours);
        } else {
            findings.agrees(bill, item, operation);
        }
        Ok(())
    }

    /// Whether the document as a whole can be booked: its sum follows from its bills, and no other document of its name
    /// has been.
    async fn whole(
        &self,
        case: &Case<'_>,
        findings: &Findings,
        digest: &str,
    ) -> Result<Option<Break>, HandlerFault> {
        let sums = if findings.collected.bills == 0 {
            findings.paid_out
        } else {
            findings.collected
        };
        let sum = case.document.sum;
        if !sums.fit(sum.minor) {
            let ours = sums.net().map(|net| Money::new(net, sum.currency));
            return Ok(Some(case.own_break(BreakClass::AmountDiffers, ours)));
        }
        let owner = self.owner(case.provider, &case.own_place()).await?;
        let is_other = owner.is_some_and(|owner| owner != digest);
        Ok(is_other.then(|| case.own_break(BreakClass::StatusDiffers, None)))
    }

    /// Claims what the document settles, then books its fees and its arrival at the bank. Every step can be repeated.
    async fn book(
        &self,
        case: &Case<'_>,
        findings: &Findings,
        digest: &str,
    ) -> Result<(), CommandError> {
        if findings.collected.bills == 0 {
            return Ok(());
        }
        self.claim(case, &case.own_place(), digest.to_owned())
            .await?;
        for place in &findings.places {
            self.claim(case, place, case.own_item()).await?;
        }
        for (number, fee) in &findings.fees {
            self.app
                .book_fee(case.provider, number, *fee, &case.context)
                .await?;
        }
        if case.document.sum.is_positive() {
            self.app
                .book_settlement(
                    case.provider,
                    &case.document.id,
                    case.document.sum,
                    &case.context,
                )
                .await?;
        }
        Ok(())
    }

    async fn record(
        &self,
        case: &Case<'_>,
        findings: Findings,
        digest: String,
        received_at: DateTime<Utc>,
    ) -> Result<(), HandlerFault> {
        let kind = StatementKind::Settlement;
        let day = day_of(case.document, received_at);
        let known = self
            .app
            .reconciliation(case.provider, kind, day)
            .await
            .map_err(to_fault)?;
        // A day has several documents: a copy of the first must not look new because the second was read after it.
        let is_known = known.digest.is_some()
            && findings.matched.iter().all(|one| {
                known.matched.contains(&one.item) && !known.open.contains_key(&one.item)
            })
            && findings
                .breaks
                .iter()
                .all(|found| known.open.get(&found.item) == Some(found));
        if is_known {
            return Ok(());
        }
        // The document is itself an item.
        let items = case.document.bills.len().saturating_add(1);
        let statement = Statement {
            provider: case.provider,
            kind,
            day,
            items: u64::try_from(items).unwrap_or(u64::MAX),
            digest,
            matched: findings.matched,
            breaks: findings.breaks,
        };
        self.app
            .record_statement(statement, &case.context)
            .await
            .map_err(to_fault)?;
        metrics::counter!("kvit_reconciliations_total", "provider" => case.provider.code(), "kind" => kind.code())
            .increment(1);
        Ok(())
    }

    /// Takes an operation's place for this document, as far as the comparison goes. Not when another bill of it or another
    /// document has it.
    async fn take(
        &self,
        case: &Case<'_>,
        place: &Place,
        findings: &mut Findings,
    ) -> Result<bool, HandlerFault> {
        let owner = self.owner(case.provider, place).await?;
        let is_free = owner.is_none_or(|owner| owner == case.own_item());
        Ok(is_free && findings.places.insert(place.clone()))
    }

    async fn owner(
        &self,
        provider: ProviderName,
        place: &Place,
    ) -> Result<Option<String>, HandlerFault> {
        let object = provider_object_id(provider, place.kind, &place.object_id);
        let executor = self.app.executor();
        let claim = executor.load::<ProviderObject>(&object).await;
        Ok(claim.map_err(to_fault)?.operation)
    }

    async fn claim(
        &self,
        case: &Case<'_>,
        place: &Place,
        operation: String,
    ) -> Result<(), CommandError> {
        let object = provider_object_id(case.provider, place.kind, &place.object_id);
        let command = ProviderObjectCommand::Claim {
            provider: case.provider,
            object_id: place.object_id.clone(),
            operation,
        };
        let context = case.context.step(&object);
        self.app
            .executor()
            .execute::<ProviderObject>(&object, command, &context)
            .await?;
        Ok(())
    }

    /// The fee of a payment that is in our books already: told with its success, or by an earlier statement.
    async fn booked_fee(
        &self,
        provider: ProviderName,
        id: PaymentId,
        number: &str,
    ) -> Result<Option<Money>, HandlerFault> {
        // As the booking of a fee names its journal.
        let booking = TransactionId::derived("fee", &format!("{}\u{1f}{number}", provider.code()));
        let journal = format!("fee:{}:{booking}", provider.code());
        let journal = self.app.executor().load::<Journal>(&journal).await;
        if let Some(booked) = journal.map_err(to_fault)?.transaction(booking) {
            return Ok(booked.legs.first().map(|leg| leg.amount));
        }
        let stream = StreamId::new("payment", id.to_string());
        let events = self
            .app
            .stream_events(&stream, 0, STREAM_EVENTS_MAX)
            .await
            .map_err(to_fault)?;
        for event in &events {
            let decoded = event
                .decode::<PaymentEvent>()
                .map_err(|fault| HandlerFault::poison(fault.to_string()))?;
            if let PaymentEvent::PaymentSucceeded { fee, .. } = decoded {
                return Ok(fee);
            }
        }
        Ok(None)
    }
}

/// Our payment that a provider's payment belongs to, as the log has it.
pub(super) async fn claimed_payment(
    app: &App,
    provider: ProviderName,
    provider_id: &str,
) -> Result<Option<PaymentId>, HandlerFault> {
    let object = provider_object_id(provider, "payment", provider_id);
    let claim = app
        .executor()
        .load::<ProviderObject>(&object)
        .await
        .map_err(to_fault)?;
    Ok(claim
        .operation
        .as_deref()
        .and_then(|operation| operation.strip_prefix("payment:"))
        .and_then(|id| id.parse().ok()))
}

/// What can never be learnt by asking stays as we have it, and shows as a difference; what can be later is waited for.
fn unless_poison<T>(asked: Result<T, HandlerFault>) -> Result<(), HandlerFault> {
    match asked {
        Ok(_) => Ok(()),
        Err(HandlerFault::Poison { reason }) => {
            tracing::warn!(reason, "a settled operation could not be asked about");
            Ok(())
        }
        Err(away) => Err(away),
    }
}
