//! Money between people, providers and the books: payments with refunds, transfers, adjustments, and what people watch
//! over. They share one checkpoint, so that a payment and what is said about it are of the same moment.

mod operations;
mod oversight;
mod payment;
mod rows;
mod statements;

use kvit_domain::adjustment::AdjustmentEvent;
use kvit_domain::book::PeriodEvent;
use kvit_domain::ids::{AdjustmentId, PaymentId, TransferId};
use kvit_domain::notification::NotificationEvent;
use kvit_domain::payment::PaymentEvent;
use kvit_domain::provider::ProviderEvent;
use kvit_domain::reconciliation::ReconciliationEvent;
use kvit_domain::transfer::TransferEvent;
use uuid::Uuid;

use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::tables;
pub use oversight::{
    NotificationKey, NotificationRow, PeriodKey, PeriodRow, ProviderKey, ProviderRow,
};
pub(crate) use payment::{refund_state_after, state_after};
pub use rows::{
    AdjustmentKey, AdjustmentRow, PaymentKey, PaymentRow, RefundKey, RefundRow, TransferKey,
    TransferRow,
};
pub use statements::{BreakKey, BreakRow, ImportKey, ImportRow, Sheet};

tables! {
    /// The tables of payments and what belongs to them.
    PaymentsRows {
        /// Payments.
        payments: Rows<PaymentRow>,
        /// Refunds.
        refunds: Rows<RefundRow>,
        /// Transfers.
        transfers: Rows<TransferRow>,
        /// Adjustments.
        adjustments: Rows<AdjustmentRow>,
        /// Switches of the providers.
        providers: Rows<ProviderRow>,
        /// Closed months.
        periods: Rows<PeriodRow>,
        /// Notifications.
        notifications: Rows<NotificationRow>,
        /// Statements.
        statements: Rows<ImportRow>,
        /// Breaks.
        breaks: Rows<BreakRow>,
    }
}

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a payment or one of its refunds.
    Payment(PaymentId, Box<PaymentEvent>),
    /// Of a transfer.
    Transfer(TransferId, Box<TransferEvent>),
    /// Of an adjustment.
    Adjustment(AdjustmentId, Box<AdjustmentEvent>),
    /// Of a provider's switch.
    Provider(ProviderEvent),
    /// Of the book.
    Period(PeriodEvent),
    /// Of a notification.
    Notification(Uuid, NotificationEvent),
    /// Of a reconciliation.
    Reconciliation(Sheet, Box<ReconciliationEvent>),
}

/// The projection `payments`.
#[derive(Debug)]
pub struct Payments;

impl Fold for Payments {
    const NAME: &'static str = "payments";
    const VERSION: i64 = 2;
    const NEEDS: Needs = Needs {
        aggregates: &[
            "payment",
            "transfer",
            "adjustment",
            "provider",
            "period",
            "notification",
            "reconciliation",
        ],
        actors: false,
    };
    type Rows = PaymentsRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(Some(match event.stream.aggregate_type.as_str() {
            "payment" => Change::Payment(event.id()?, Box::new(event.decode()?)),
            "transfer" => Change::Transfer(event.id()?, Box::new(event.decode()?)),
            "adjustment" => Change::Adjustment(event.id()?, Box::new(event.decode()?)),
            "provider" => Change::Provider(event.decode()?),
            "period" => Change::Period(event.decode()?),
            "notification" => Change::Notification(event.id()?, event.decode()?),
            "reconciliation" => {
                Change::Reconciliation(Sheet::of(event)?, Box::new(event.decode()?))
            }
            _ => return Ok(None),
        }))
    }

    fn want(event: &LogEvent, change: &Change, rows: &mut PaymentsRows) {
        match change {
            Change::Payment(payment_id, change) => payment::want(*payment_id, change, rows),
            Change::Transfer(transfer_id, _) => rows.transfers.want(TransferKey {
                transfer_id: *transfer_id,
            }),
            Change::Adjustment(adjustment_id, _) => rows.adjustments.want(AdjustmentKey {
                adjustment_id: *adjustment_id,
            }),
            Change::Provider(_) => rows.providers.want(ProviderKey {
                provider: event.stream.aggregate_id.clone(),
            }),
            Change::Period(_) => {}
            Change::Notification(notification_id, _) => rows.notifications.want(NotificationKey {
                notification_id: *notification_id,
            }),
            Change::Reconciliation(sheet, change) => statements::want(sheet, change, rows),
        }
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut PaymentsRows) -> Result<(), FoldError> {
        match change {
            Change::Payment(payment_id, change) => payment::fold(event, payment_id, *change, rows),
            Change::Transfer(transfer_id, change) => {
                operations::transfer(event, transfer_id, *change, rows)
            }
            Change::Adjustment(adjustment_id, change) => {
                operations::adjustment(event, adjustment_id, *change, rows)
            }
            Change::Provider(change) => {
                oversight::provider(event, change, rows);
                Ok(())
            }
            Change::Period(change) => {
                oversight::period(event, change, rows);
                Ok(())
            }
            Change::Notification(notification_id, change) => {
                oversight::notification(event, notification_id, change, rows)
            }
            Change::Reconciliation(sheet, change) => statements::fold(event, &sheet, *change, rows),
        }
    }
}
