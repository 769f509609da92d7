//! Payments, refunds, transfers, adjustments.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_domain::exchange::Quote;
use kvit_projections::fold::payments::{AdjustmentRow, PaymentRow, RefundRow, TransferRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ledger::TransactionLeg;
use crate::http::amount::Amount;

/// A payment: money that somebody pays in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Payment {
    /// Its id, also our operation id at the provider.
    pub id: Uuid,
    /// Who pays.
    pub user_id: Uuid,
    /// Which wallet is credited.
    pub wallet_id: String,
    /// Through whom.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// What was asked for.
    pub amount: Amount,
    /// `intended`, `sending`, `pending`, `awaiting_capture`, `succeeded`, `canceled`, `quarantined` or `resolved`.
    #[schema(example = "succeeded")]
    pub state: String,
    /// Since when it is in this state.
    pub state_since: DateTime<Utc>,
    /// Whether the money is taken at once.
    pub capture: bool,
    /// Whether no real money moves.
    pub test: bool,
    /// Generation of the creating call's key, from 1.
    pub generation: i64,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// Where the payer pays.
    pub confirmation_url: Option<String>,
    /// What was really paid; after a partial capture less than asked for, for a quarantined payment perhaps in another
    /// currency.
    pub paid: Option<Amount>,
    /// What the provider kept of it, if it said so.
    pub fee: Option<Amount>,
    /// What went back by refunds.
    pub refunded: Amount,
    /// What is on its way back by refunds that are not finished.
    pub refunding: Amount,
    /// Whether it was paid after nobody waited for it any more.
    pub late: bool,
    /// Why it was cancelled, not created or quarantined.
    pub reason: Option<String>,
    /// Who cancelled it, the provider's word.
    pub canceled_by: Option<String>,
    /// What the provider says against a final state; a person must look.
    pub contradicted: Option<String>,
    /// What of the held money shall be taken.
    pub capturing: Option<Amount>,
    /// Whether the held money shall be given back.
    pub cancel_intended: bool,
    /// When the provider gives held money back by itself.
    pub capture_until: Option<DateTime<Utc>>,
    /// Who decided about the quarantine.
    pub resolved_by: Option<String>,
    /// How they know.
    pub resolution: Option<String>,
    /// When somebody wanted to pay.
    pub intended_at: DateTime<Utc>,
    /// When the creating call left.
    pub sent_at: Option<DateTime<Utc>>,
    /// When we learned that the provider has it.
    pub created_at: Option<DateTime<Utc>>,
    /// After this nobody waits for it any more.
    pub expires_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<PaymentRow> for Payment {
    fn from(row: PaymentRow) -> Self {
        let paid_currency = row.paid_currency.unwrap_or(row.currency);
        let paid_in = |minor: i64| Amount::of(minor, paid_currency);
        Self {
            id: row.payment_id.0,
            user_id: row.user_id.0,
            wallet_id: row.wallet_id.to_string(),
            provider: row.provider,
            amount: Amount::of(row.amount_minor, row.currency),
            state: row.state,
            state_since: row.state_since,
            capture: row.capture,
            test: row.test,
            generation: row.generation,
            provider_id: row.provider_id,
            confirmation_url: row.confirmation_url,
            paid: row.paid_minor.map(paid_in),
            fee: row.fee_minor.map(paid_in),
            refunded: paid_in(row.refunded_minor),
            refunding: paid_in(row.refunding_minor),
            late: row.late,
            reason: row.reason,
            canceled_by: row.canceled_by,
            contradicted: row.contradicted,
            capturing: row
                .capture_minor
                .map(|minor| Amount::of(minor, row.currency)),
            cancel_intended: row.cancel_intended,
            capture_until: row.capture_until,
            resolved_by: row.resolved_by,
            resolution: row.resolution,
            intended_at: row.intended_at,
            sent_at: row.sent_at,
            created_at: row.created_at,
            expires_at: row.expires_at,
            finished_at: row.finished_at,
            position: row.position,
        }
    }
}

/// A refund of a payment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refund {
    /// Its id; for one that was made without us, derived from the provider's.
    pub id: Uuid,
    /// Of which payment.
    pub payment_id: Uuid,
    /// Who gets the money back.
    pub user_id: Uuid,
    /// From which wallet.
    pub wallet_id: String,
    /// Through whom.
    #[schema(example = "yookassa")]
    pub provider: String,
    /// How much.
    pub amount: Amount,
    /// `intended`, `sending`, `pending`, `succeeded` or `failed`.
    #[schema(example = "pending")]
    pub state: String,
    /// Since when it is in this state.
    pub state_since: DateTime<Utc>,
    /// The hold on the wallet; absent for one that was made without us.
    pub hold_id: Option<Uuid>,
    /// The provider's id.
    pub provider_refund_id: Option<String>,
    /// Why it was asked for.
    pub reason: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// Whether it was made without us, in the provider's cabinet.
    pub foreign: bool,
    /// When it was asked for, or when we learned of it.
    pub intended_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            id: row.refund_id.0,
            payment_id: row.payment_id.0,
            user_id: row.user_id.0,
            wallet_id: row.wallet_id.to_string(),
            provider: row.provider,
            amount: Amount::of(row.amount_minor, row.currency),
            state: row.state,
            state_since: row.state_since,
            hold_id: row.hold_id.map(|id| id.0),
            provider_refund_id: row.provider_refund_id,
            reason: row.reason,
            failure: row.failure,
            foreign: row.is_foreign,
            intended_at: row.intended_at,
            finished_at: row.finished_at,
            position: row.position,
        }
    }
}

/// A rate: `numerator` minor units were got for `denominator` minor units given.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuoteView {
    /// Minor units got.
    pub numerator: i64,
    /// Minor units given for them.
    pub denominator: i64,
    /// Who promised it.
    pub source: String,
    /// Since when.
    pub quoted_at: DateTime<Utc>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl From<Quote> for QuoteView {
    fn from(quote: Quote) -> Self {
        Self {
            numerator: quote.numerator,
            denominator: quote.denominator,
            source: quote.source,
            quoted_at: quote.quoted_at,
            expires_at: quote.expires_at,
        }
    }
}

/// A transfer between two wallets.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transfer {
    /// Its id.
    pub id: Uuid,
    /// The giving wallet.
    pub from: String,
    /// The receiving wallet.
    pub to: String,
    /// What is given.
    pub amount: Amount,
    /// What is received.
    pub credited: Amount,
    /// The rate, when the currencies differ.
    pub quote: Option<QuoteView>,
    /// Words.
    pub description: String,
    /// `held`, `completed` or `failed`.
    #[schema(example = "completed")]
    pub state: String,
    /// The hold on the giving wallet.
    pub hold_id: Option<Uuid>,
    /// The booking on the giving wallet.
    pub debit_id: Option<Uuid>,
    /// The booking on the receiving wallet.
    pub credit_id: Option<Uuid>,
    /// Why it failed, as a code.
    pub failure: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<TransferRow> for Transfer {
    fn from(row: TransferRow) -> Self {
        Self {
            id: row.transfer_id.0,
            from: row.from_wallet.to_string(),
            to: row.to_wallet.to_string(),
            amount: Amount::of(row.amount_minor, row.currency),
            credited: Amount::of(row.credited_minor, row.credited_currency),
            quote: row.quote.map(|quote| quote.0.into()),
            description: row.description,
            state: row.state,
            hold_id: row.hold_id.map(|id| id.0),
            debit_id: row.debit_id.map(|id| id.0),
            credit_id: row.credit_id.map(|id| id.0),
            failure: row.failure,
            requested_at: row.requested_at,
            finished_at: row.finished_at,
            position: row.position,
        }
    }
}

/// A correction of a wallet by people.
#[derive(Debug, Serialize, ToSchema)]
pub struct Adjustment {
    /// Its id.
    pub id: Uuid,
    /// Which wallet.
    pub wallet_id: String,
    /// Its owner.
    pub user_id: Uuid,
    /// What it does to the wallet: above zero when the wallet grows.
    pub effect: Amount,
    /// The booking that is or would be made.
    pub transaction_id: Uuid,
    /// Its entries.
    pub legs: Vec<TransactionLeg>,
    /// From which day it counts.
    pub value_date: NaiveDate,
    /// The booking that it corrects.
    pub corrects: Option<Uuid>,
    /// `proposed`, `posted` or `declined`.
    #[schema(example = "proposed")]
    pub state: String,
    /// Why it was proposed.
    pub reason: String,
    /// Who proposed it.
    #[schema(example = "api:3f9c2a7b10d4e856")]
    pub proposed_by: String,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Who approved or declined it.
    pub decided_by: Option<String>,
    /// Why.
    pub decision: Option<String>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
    /// Position of the event that changed it last.
    pub position: i64,
}

impl From<AdjustmentRow> for Adjustment {
    fn from(row: AdjustmentRow) -> Self {
        Self {
            id: row.adjustment_id.0,
            wallet_id: row.wallet_id.to_string(),
            user_id: row.user_id.0,
            effect: Amount::of(row.effect_minor, row.currency),
            transaction_id: row.transaction_id.0,
            legs: row.legs.0.into_iter().map(Into::into).collect(),
            value_date: row.value_date,
            corrects: row.corrects.map(|id| id.0),
            state: row.state,
            reason: row.reason,
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at,
            decided_by: row.decided_by,
            decision: row.decision,
            decided_at: row.decided_at,
            position: row.position,
        }
    }
}
