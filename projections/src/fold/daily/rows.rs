//! Rows of the daily figures.

use chrono::NaiveDate;
use kvit_domain::ids::{JobId, PaymentId, PayoutId, ReceiptId, RefundId, UserId};
use kvit_domain::money::Currency;

use crate::column::Wide;
use crate::table::{table, tables};

table! {
    /// A figure of a day.
    FigureRow in "figures"
    key FigureKey {
        /// The day in Kyiv.
        day: NaiveDate,
        /// Its name, see [`super::figure`].
        figure: String,
        /// A reason, a state, an account: by the figure.
        detail: String,
        /// Currency code, or empty for figures without money.
        currency: String,
    }
    columns {
        /// How many; can be below zero where differences are kept.
        count: i64,
        /// How much, minor units; signed.
        minor: Wide,
    }
    indexes []
}

table! {
    /// Somebody did something on a day.
    ActiveRow in "active_users"
    key ActiveKey {
        /// The day in Kyiv.
        day: NaiveDate,
        /// Who.
        user_id: UserId,
    }
    columns {
        /// Whether they registered on this day.
        is_new: bool,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a receipt.
    ReceiptDayRow in "receipts"
    key ReceiptDayKey {
        /// The receipt.
        receipt_id: ReceiptId,
    }
    columns {
        /// Day on which the log took it.
        day: NaiveDate,
        /// Its state.
        state: String,
        /// Whether it was accepted.
        accepted: bool,
        /// Whether its reward was paid out.
        paid: bool,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a payout.
    PayoutDayRow in "payouts"
    key PayoutDayKey {
        /// The payout.
        payout_id: PayoutId,
    }
    columns {
        /// Through whom.
        provider: String,
        /// Currency.
        currency: Currency,
        /// Amount, minor units.
        amount_minor: i64,
        /// Whose reward it pays.
        receipt_id: Option<ReceiptId>,
        /// Its state.
        state: String,
        /// Why it waits, if it does.
        postponed: Option<String>,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a payment.
    PaymentDayRow in "payments"
    key PaymentDayKey {
        /// The payment.
        payment_id: PaymentId,
    }
    columns {
        /// Through whom.
        provider: String,
        /// Currency of the amount.
        currency: Currency,
        /// What was asked for, minor units.
        amount_minor: i64,
        /// Its state.
        state: String,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a refund.
    RefundDayRow in "refunds"
    key RefundDayKey {
        /// The refund.
        refund_id: RefundId,
        /// Of which payment.
        payment_id: PaymentId,
    }
    columns {
        /// Currency of the amount.
        currency: Currency,
        /// Amount, minor units.
        amount_minor: i64,
        /// Its state.
        state: String,
    }
    indexes []
}

table! {
    /// What the figures need to remember of a job.
    JobDayRow in "jobs"
    key JobDayKey {
        /// The job.
        job_id: JobId,
    }
    columns {
        /// Its state.
        state: String,
    }
    indexes []
}

tables! {
    /// The tables of the daily figures.
    DailyRows {
        /// Figures.
        figures: Sums<FigureRow>,
        /// Active users.
        active: Rows<ActiveRow>,
        /// Receipts.
        receipts: Rows<ReceiptDayRow>,
        /// Payouts.
        payouts: Rows<PayoutDayRow>,
        /// Payments.
        payments: Rows<PaymentDayRow>,
        /// Refunds.
        refunds: Rows<RefundDayRow>,
        /// Jobs.
        jobs: Rows<JobDayRow>,
    }
}
