//! Events of payments, transfers, corrections, periods, providers and reconciliation.

use chrono::NaiveDate;
use kvit_domain::adjustment::{Adjustment, AdjustmentEvent};
use kvit_domain::book::{Book, PeriodEvent};
use kvit_domain::claim::{ProviderObject, ProviderObjectEvent};
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{RefundId, TransactionId, WalletId};
use kvit_domain::journal::{Journal, JournalEvent};
use kvit_domain::ledger::{Account, ProviderName, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::notification::{Notification, NotificationEvent};
use kvit_domain::payment::{Payment, PaymentEvent, PaymentTerms};
use kvit_domain::provider::{Provider, ProviderEvent};
use kvit_domain::reconciliation::{
    Break, BreakClass, Reconciliation, ReconciliationEvent, StatementKind,
};
use kvit_domain::transfer::{Transfer, TransferEvent, TransferTerms};

use super::{at, check, day, hold_id, transaction, uah, user_id, wallet_id};

fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}

fn rub_wallet() -> WalletId {
    WalletId {
        user: user_id(),
        currency: Currency::Rub,
    }
}

#[test]
fn payment_events_stay_readable() {
    use PaymentEvent as E;
    let refund_id = RefundId::derived("refund", "golden");
    check::<Payment>(
        E::TYPES,
        vec![
            E::PaymentIntended {
                terms: PaymentTerms {
                    user_id: user_id(),
                    wallet_id: rub_wallet(),
                    provider: ProviderName::Yookassa,
                    amount: rub(10_000),
                    capture: true,
                    test: true,
                    return_url: "https://kvit.example/return?op=1".to_owned(),
                    expires_at: at(15),
                },
            },
            E::PaymentSent {
                generation: 1,
                at: at(14),
            },
            E::PaymentNotCreated {
                generation: 1,
                code: "invalid_request".to_owned(),
                is_final: true,
            },
            E::PaymentCreated {
                provider_id: "2f1e0d3c-000f-5000-8000-000000000001".to_owned(),
                confirmation_url: Some("https://pay.example/confirm".to_owned()),
            },
            E::PaymentAwaitingCapture {
                amount: rub(10_000),
                expires_at: Some(at(20)),
            },
            E::CaptureIntended { amount: rub(4_000) },
            E::CancelIntended {},
            E::PaymentSucceeded {
                amount: rub(10_000),
                fee: Some(rub(350)),
                late: false,
            },
            E::PaymentCanceled {
                party: "yoo_money".to_owned(),
                reason: "expired_on_confirmation".to_owned(),
            },
            E::PaymentQuarantined {
                reason: "the amount is not the one asked for".to_owned(),
                received: Some(rub(9_000)),
            },
            E::ResolutionProposed {
                credited: Some(rub(9_000)),
                by: "api:golden".to_owned(),
                reason: "the payer confirmed it".to_owned(),
            },
            E::QuarantineResolved {
                credited: Some(rub(9_000)),
                by: "api:golden".to_owned(),
                reason: "the payer confirmed it".to_owned(),
            },
            E::PaymentOverpaid {
                total: rub(15_000),
                excess: rub(6_000),
            },
            E::PaymentContradicted {
                status: "canceled".to_owned(),
            },
            E::RefundIntended {
                refund_id,
                amount: rub(2_500),
                hold_id: hold_id(),
                reason: "asked for".to_owned(),
            },
            E::RefundSent {
                refund_id,
                generation: 1,
                at: at(16),
            },
            E::RefundNotSent {
                refund_id,
                generation: 1,
            },
            E::RefundCreated {
                refund_id,
                provider_refund_id: "2f1e0d3c-0015-5000-8000-000000000002".to_owned(),
            },
            E::RefundSucceeded {
                refund_id,
                provider_refund_id: "2f1e0d3c-0015-5000-8000-000000000002".to_owned(),
                amount: rub(2_500),
                foreign: false,
            },
            E::RefundFailed {
                refund_id,
                reason: "insufficient_funds".to_owned(),
            },
        ],
    );
}

#[test]
fn journal_events_stay_readable() {
    use JournalEvent as E;
    let fee = transaction(
        TransactionKind::Fee,
        Account::Fees(ProviderName::Yookassa),
        Account::PaymentsClearing(ProviderName::Yookassa),
    );
    let reversal = fee.reversed(TransactionId::derived("golden", "fee_back"), day());
    check::<Journal>(
        E::TYPES,
        vec![
            E::TransactionReversed {
                original_id: fee.id,
                transaction: reversal,
            },
            E::TransactionPosted { transaction: fee },
        ],
    );
}

#[test]
fn transfer_events_stay_readable() {
    use TransferEvent as E;
    check::<Transfer>(
        E::TYPES,
        vec![
            E::TransferRequested {
                terms: TransferTerms {
                    from: rub_wallet(),
                    to: wallet_id(),
                    amount: rub(10_000),
                    credited: uah(4_500),
                    quote: Some(Quote {
                        from: Currency::Rub,
                        to: Currency::Uah,
                        numerator: 45,
                        denominator: 100,
                        source: "desk".to_owned(),
                        quoted_at: at(10),
                        expires_at: at(11),
                    }),
                    description: "exchange".to_owned(),
                },
            },
            E::FundsHeld { hold_id: hold_id() },
            E::TransferCompleted {
                debit_id: TransactionId::derived("golden", "debit"),
                credit_id: TransactionId::derived("golden", "credit"),
            },
            E::TransferFailed {
                code: "amount_too_large".to_owned(),
            },
        ],
    );
}

#[test]
fn adjustment_events_stay_readable() {
    use AdjustmentEvent as E;
    let adjustment = transaction(
        TransactionKind::Adjustment,
        Account::Adjustments,
        Account::Wallet(wallet_id()),
    );
    let (by, reason) = ("api:golden".to_owned(), "credited too little".to_owned());
    check::<Adjustment>(
        E::TYPES,
        vec![
            E::AdjustmentPosted {
                transaction_id: adjustment.id,
            },
            E::AdjustmentProposed {
                wallet_id: wallet_id(),
                transaction: adjustment,
                reason: reason.clone(),
                corrects: Some(TransactionId::derived("golden", "wrong")),
                by: by.clone(),
            },
            E::AdjustmentApproved {
                by: by.clone(),
                reason: reason.clone(),
            },
            E::AdjustmentDeclined { by, reason },
        ],
    );
}

#[test]
fn period_events_stay_readable() {
    use PeriodEvent as E;
    check::<Book>(
        E::TYPES,
        vec![E::PeriodClosed {
            month: NaiveDate::from_ymd_opt(2026, 2, 1).unwrap(),
            position: 1_234,
            totals: [("UAH".to_owned(), "98765".to_owned())].into(),
            by: "api:golden".to_owned(),
            reason: "reconciled".to_owned(),
        }],
    );
}

#[test]
fn provider_events_stay_readable() {
    use ProviderEvent as E;
    let (by, reason) = ("api:golden".to_owned(), "wrong amounts".to_owned());
    check::<Provider>(
        E::TYPES,
        vec![
            E::ProviderStopped {
                by: by.clone(),
                reason: reason.clone(),
            },
            E::ProviderResumed { by, reason },
            E::BreakerOpened {
                until: at(12),
                code: "unknown".to_owned(),
            },
            E::BreakerClosed {},
        ],
    );
}

#[test]
fn provider_object_events_stay_readable() {
    use ProviderObjectEvent as E;
    check::<ProviderObject>(
        E::TYPES,
        vec![E::ObjectClaimed {
            provider: ProviderName::Yookassa,
            object_id: "2f1e0d3c-000f-5000-8000-000000000001".to_owned(),
            operation: "payment:0f1e2d3c".to_owned(),
        }],
    );
}

#[test]
fn notification_events_stay_readable() {
    use NotificationEvent as E;
    check::<Notification>(
        E::TYPES,
        vec![
            E::NotificationReceived {
                provider: ProviderName::Yookassa,
                event: "payment.succeeded".to_owned(),
                object_id: "2f1e0d3c-000f-5000-8000-000000000001".to_owned(),
                digest: "0f".repeat(32),
            },
            E::NotificationVerified {
                status: "succeeded".to_owned(),
                operation: "payment:0f1e2d3c".to_owned(),
            },
            E::NotificationQuarantined {
                reason: "it belongs to no operation of ours".to_owned(),
            },
        ],
    );
}

#[test]
fn reconciliation_events_stay_readable() {
    use ReconciliationEvent as E;
    check::<Reconciliation>(
        E::TYPES,
        vec![
            E::StatementImported {
                provider: ProviderName::Yookassa,
                kind: StatementKind::Payments,
                day: day(),
                items: 2,
                digest: "0f".repeat(32),
            },
            E::ItemMatched {
                item: "2f1e0d3c".to_owned(),
                operation: "0f1e2d3c".to_owned(),
                amount: rub(10_000),
                fee: Some(rub(350)),
            },
            E::BreakOpened {
                found: Break {
                    item: "2f1e0d3d".to_owned(),
                    class: BreakClass::TheirsOnly,
                    operation: None,
                    theirs: Some(rub(100)),
                    ours: None,
                },
            },
            E::BreakAssigned {
                item: "2f1e0d3d".to_owned(),
                owner: "accounting".to_owned(),
            },
            E::BreakResolved {
                item: "2f1e0d3d".to_owned(),
                by: "api:golden".to_owned(),
                reason: "another shop's".to_owned(),
            },
        ],
    );
}
