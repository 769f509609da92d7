//! Rows of payments, refunds, transfers and adjustments.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{
    AdjustmentId, HoldId, PaymentId, RefundId, TransactionId, TransferId, UserId, WalletId,
};
use kvit_domain::ledger::Leg;
use kvit_domain::money::Currency;

use crate::column::Json;
use crate::table::table;

table! {
    /// A payment: money that somebody pays in.
    PaymentRow in "payments"
    key PaymentKey {
        /// Its id, also our operation id at the provider.
        payment_id: PaymentId,
    }
    columns {
        /// Who pays.
        user_id: UserId,
        /// Which wallet is credited.
        wallet_id: WalletId,
        /// Through whom.
        provider: String,
        /// What was asked for, minor units.
        amount_minor: i64,
        /// Currency of that amount.
        currency: Currency,
        /// Whether the money is taken at once.
        capture: bool,
        /// Whether no real money moves.
        test: bool,
        /// A payment state in snake_case.
        state: String,
        /// Since when it is in this state.
        state_since: DateTime<Utc>,
        /// Generation of the creating call's key, from 1.
        generation: i64,
        /// The provider's id.
        provider_id: Option<String>,
        /// Where the payer pays.
        confirmation_url: Option<String>,
        /// What was paid, minor units; it can be less than asked for, and for a quarantined payment in any currency.
        paid_minor: Option<i64>,
        /// Currency of what was paid.
        paid_currency: Option<Currency>,
        /// What the provider kept of it, if it said so, in the currency of what was paid.
        fee_minor: Option<i64>,
        /// What went back by refunds that have succeeded.
        refunded_minor: i64,
        /// What is on its way back by refunds that are not finished.
        refunding_minor: i64,
        /// Whether it was paid after nobody waited for it any more.
        late: bool,
        /// Why it was cancelled, not created or quarantined: the provider's word, a code or our words, by the state.
        reason: Option<String>,
        /// Who cancelled it, the provider's word.
        canceled_by: Option<String>,
        /// What the provider says against a final state.
        contradicted: Option<String>,
        /// What of the held money shall be taken.
        capture_minor: Option<i64>,
        /// Whether the held money shall be given back.
        cancel_intended: bool,
        /// When the provider gives held money back by itself.
        capture_until: Option<DateTime<Utc>>,
        /// Who said first what shall become of a quarantined payment; a second person has to agree.
        proposed_by: Option<String>,
        /// What would be credited by that, minor units of what was received; empty when it is not the user's.
        proposed_minor: Option<i64>,
        /// How they know.
        proposal: Option<String>,
        /// Who decided about the quarantine.
        resolved_by: Option<String>,
        /// How they know.
        resolution: Option<String>,
        /// When somebody wanted to pay.
        intended_at: DateTime<Utc>,
        /// When the first creating call of the current generation left.
        sent_at: Option<DateTime<Utc>>,
        /// When we learned that the provider has it.
        created_at: Option<DateTime<Utc>>,
        /// After this nobody waits for it any more.
        expires_at: DateTime<Utc>,
        /// When it succeeded, was cancelled, quarantined or decided.
        finished_at: Option<DateTime<Utc>>,
    }
    indexes [
        "(user_id, intended_at DESC)",
        "(state, intended_at DESC)",
        "(intended_at DESC, payment_id DESC)",
        "(provider, provider_id) WHERE provider_id IS NOT NULL",
        "(provider, (coalesce(sent_at, intended_at)))",
        "(expires_at) WHERE state IN ('intended', 'sending', 'pending', 'awaiting_capture')",
        "(contradicted) WHERE contradicted IS NOT NULL"
    ]
}

table! {
    /// A refund of a payment.
    RefundRow in "refunds"
    key RefundKey {
        /// Its id; for one that was made without us, derived from the provider's.
        refund_id: RefundId,
        /// Of which payment.
        payment_id: PaymentId,
    }
    columns {
        /// Who gets the money back.
        user_id: UserId,
        /// From which wallet.
        wallet_id: WalletId,
        /// Through whom.
        provider: String,
        /// Above zero, minor units.
        amount_minor: i64,
        /// Currency of the amount.
        currency: Currency,
        /// A refund state in snake_case.
        state: String,
        /// Since when it is in this state.
        state_since: DateTime<Utc>,
        /// Generation of the call's key, from 1; 0 when we made no call.
        generation: i64,
        /// The hold on the wallet; empty for one that was made without us.
        hold_id: Option<HoldId>,
        /// The provider's id.
        provider_refund_id: Option<String>,
        /// Why it was asked for.
        reason: String,
        /// Why it failed.
        failure: Option<String>,
        /// Whether it was made without us, in the provider's cabinet.
        is_foreign: bool,
        /// When it was asked for, or when we learned of it.
        intended_at: DateTime<Utc>,
        /// When the first call of the current generation left.
        sent_at: Option<DateTime<Utc>>,
        /// When it succeeded or failed.
        finished_at: Option<DateTime<Utc>>,
    }
    indexes [
        "(payment_id, intended_at)",
        "(user_id, intended_at DESC)",
        "(state, intended_at DESC)",
        "(intended_at DESC, refund_id DESC)",
        "(provider, provider_refund_id) WHERE provider_refund_id IS NOT NULL",
        "(provider, (coalesce(sent_at, intended_at)))"
    ]
}

table! {
    /// A transfer between two wallets.
    TransferRow in "transfers"
    key TransferKey {
        /// Its id.
        transfer_id: TransferId,
    }
    columns {
        /// The giving wallet.
        from_wallet: WalletId,
        /// Its owner.
        from_user: UserId,
        /// The receiving wallet.
        to_wallet: WalletId,
        /// Its owner.
        to_user: UserId,
        /// What is given, minor units.
        amount_minor: i64,
        /// Its currency.
        currency: Currency,
        /// What is received, minor units.
        credited_minor: i64,
        /// Its currency.
        credited_currency: Currency,
        /// The rate, when the currencies differ.
        quote: Option<Json<Quote>>,
        /// Words.
        description: String,
        /// A transfer state in snake_case.
        state: String,
        /// The hold on the giving wallet.
        hold_id: Option<HoldId>,
        /// The booking on the giving wallet.
        debit_id: Option<TransactionId>,
        /// The booking on the receiving wallet.
        credit_id: Option<TransactionId>,
        /// Why it failed.
        failure: Option<String>,
        /// When it was asked for.
        requested_at: DateTime<Utc>,
        /// When it was completed or failed.
        finished_at: Option<DateTime<Utc>>,
    }
    indexes [
        "(from_user, requested_at DESC)",
        "(to_user, requested_at DESC)",
        "(state, requested_at DESC)",
        "(requested_at DESC, transfer_id DESC)"
    ]
}

table! {
    /// A correction of a wallet by people.
    AdjustmentRow in "adjustments"
    key AdjustmentKey {
        /// Its id.
        adjustment_id: AdjustmentId,
    }
    columns {
        /// Which wallet.
        wallet_id: WalletId,
        /// Its owner.
        user_id: UserId,
        /// What it does to the wallet, minor units: above zero when the wallet grows.
        effect_minor: i64,
        /// Currency of the wallet.
        currency: Currency,
        /// The booking that is or would be made.
        transaction_id: TransactionId,
        /// Its legs.
        legs: Json<Vec<Leg>>,
        /// From which day it counts.
        value_date: NaiveDate,
        /// Words for the statement.
        description: String,
        /// The booking that it corrects.
        corrects: Option<TransactionId>,
        /// `proposed`, `posted` or `declined`.
        state: String,
        /// Why it was proposed.
        reason: String,
        /// Who proposed it.
        proposed_by: String,
        /// When.
        proposed_at: DateTime<Utc>,
        /// Who agreed or disagreed.
        decided_by: Option<String>,
        /// Why.
        decision: Option<String>,
        /// When.
        decided_at: Option<DateTime<Utc>>,
    }
    indexes [
        "(wallet_id, proposed_at DESC)",
        "(state, proposed_at)",
        "(proposed_at DESC, adjustment_id DESC)"
    ]
}
