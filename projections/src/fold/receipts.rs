//! Receipts as they stand, with what was read on them and how the payout of the reward goes.

use chrono::{DateTime, NaiveDateTime, Utc};
use cqrs_es::Aggregate;
use kvit_domain::ids::{CampaignId, PayoutId, ReceiptId, TransactionId, UserId};
use kvit_domain::money::Currency;
use kvit_domain::payout::{PayoutEvent, PayoutState};
use kvit_domain::receipt::{CampaignVersion, Corrections, Receipt, ReceiptEvent, ReceiptState};
use kvit_domain::recognition::Recognition;
use kvit_domain::rules::Reason;

use super::payouts;
use crate::column::Json;
use crate::log::{FoldError, LogEvent, Needs};
use crate::projection::Fold;
use crate::table::{table, tables};

table! {
    /// A receipt. Sums are minor units, `purchased_at` is the shop's local time.
    ReceiptRow in "receipts"
    key ReceiptKey {
        /// Its id.
        receipt_id: ReceiptId,
    }
    columns {
        /// Whose.
        user_id: UserId,
        /// A [`ReceiptState`] in snake_case.
        state: String,
        /// When the shopper sent it.
        submitted_at: DateTime<Utc>,
        /// Key of the photo in the object storage.
        image_key: String,
        /// SHA-256 of the photo, hex.
        image_sha256: String,
        /// Its sniffed type.
        image_content_type: String,
        /// Its size.
        image_bytes: i64,
        /// The receipt that brought the same bytes before.
        duplicate_of: Option<ReceiptId>,
        /// Legal name or outlet.
        merchant: Option<String>,
        /// Total.
        total_minor: Option<i64>,
        /// Currency of the total.
        currency: Option<Currency>,
        /// Time of the purchase.
        purchased_at: Option<NaiveDateTime>,
        /// Number of the cash register.
        register_number: Option<String>,
        /// Number of the receipt within the register.
        receipt_number: Option<String>,
        /// Overall confidence of the reading, thousandths.
        confidence: Option<i64>,
        /// Why it was rejected or is in review.
        reasons: Json<Vec<Reason>>,
        /// Why nothing could be read.
        failure_code: Option<String>,
        /// Last answer of the tax registry.
        registry_outcome: Option<String>,
        /// Campaign of the last decision.
        campaign_id: Option<CampaignId>,
        /// Its version.
        campaign_version: Option<i64>,
        /// What it earned.
        reward_minor: Option<i64>,
        /// Currency of the reward.
        reward_currency: Option<Currency>,
        /// The ledger transaction of the reward.
        reward_transaction_id: Option<TransactionId>,
        /// Since when a person must look; empty when nobody must.
        review_since: Option<DateTime<Utc>>,
        /// What the person who decided or corrected wrote.
        review_note: Option<String>,
        /// Whether the shopper's one appeal was used.
        appealed: bool,
        /// When it was accepted or rejected last.
        decided_at: Option<DateTime<Utc>>,
        /// The latest payout of the reward.
        payout_id: Option<PayoutId>,
        /// Its [`PayoutState`] in snake_case.
        payout_state: Option<String>,
    }
    indexes [
        "(submitted_at DESC, receipt_id DESC)",
        "(user_id, submitted_at DESC, receipt_id DESC)",
        "(state, submitted_at DESC, receipt_id DESC)",
        "(review_since, receipt_id) WHERE review_since IS NOT NULL",
        "USING gin (reasons jsonb_path_ops) WHERE reasons <> '[]'"
    ]
}

table! {
    /// What was read on a receipt, corrections applied; apart from the receipt's row because it is large.
    RecognitionRow in "recognitions"
    key RecognitionKey {
        /// The receipt.
        receipt_id: ReceiptId,
    }
    columns {
        /// Everything that was read.
        recognition: Json<Recognition>,
    }
    indexes []
}

table! {
    /// Which receipt a payout pays.
    ReceiptPayoutRow in "receipt_payouts"
    key ReceiptPayoutKey {
        /// The payout.
        payout_id: PayoutId,
    }
    columns {
        /// The receipt.
        receipt_id: ReceiptId,
    }
    indexes []
}

tables! {
    /// The tables of receipts.
    ReceiptsRows {
        /// Receipts.
        receipts: Rows<ReceiptRow>,
        /// What was read.
        recognitions: Rows<RecognitionRow>,
        /// Payouts of receipts.
        payouts: Rows<ReceiptPayoutRow>,
    }
}

/// What the fold takes from the log.
#[derive(Debug)]
pub enum Change {
    /// Of a receipt.
    Receipt(ReceiptId, Box<ReceiptEvent>),
    /// Of a payout.
    Payout(PayoutId, PayoutEvent),
}

/// The projection `receipts`.
#[derive(Debug)]
pub struct Receipts;

impl Fold for Receipts {
    const NAME: &'static str = "receipts";
    const VERSION: i64 = 1;
    const NEEDS: Needs = Needs {
        aggregates: &["receipt", "payout"],
        actors: false,
    };
    type Rows = ReceiptsRows;
    type Change = Change;

    fn decode(event: &LogEvent) -> Result<Option<Change>, FoldError> {
        Ok(match event.stream.aggregate_type.as_str() {
            "receipt" => Some(Change::Receipt(event.id()?, Box::new(event.decode()?))),
            "payout" => Some(Change::Payout(event.id()?, event.decode()?)),
            _ => None,
        })
    }

    fn want(_event: &LogEvent, change: &Change, rows: &mut ReceiptsRows) {
        match change {
            Change::Receipt(receipt_id, change) => {
                let receipt_id = *receipt_id;
                rows.receipts.want(ReceiptKey { receipt_id });
                if matches!(**change, ReceiptEvent::FieldsCorrected { .. }) {
                    rows.recognitions.want(RecognitionKey { receipt_id });
                }
            }
            Change::Payout(payout_id, change) => {
                rows.payouts.want(ReceiptPayoutKey {
                    payout_id: *payout_id,
                });
                if let PayoutEvent::PayoutRequested {
                    receipt_id: Some(receipt_id),
                    ..
                } = change
                {
                    rows.receipts.want(ReceiptKey {
                        receipt_id: *receipt_id,
                    });
                }
            }
        }
    }

    fn want_linked(_event: &LogEvent, change: &Change, rows: &mut ReceiptsRows) {
        if let Change::Payout(payout_id, _) = change
            && let Some(link) = rows.payouts.get(&ReceiptPayoutKey {
                payout_id: *payout_id,
            })
        {
            let receipt_id = link.receipt_id;
            rows.receipts.want(ReceiptKey { receipt_id });
        }
    }

    fn fold(event: &LogEvent, change: Change, rows: &mut ReceiptsRows) -> Result<(), FoldError> {
        match change {
            Change::Receipt(receipt_id, change) => receipt(event, receipt_id, *change, rows),
            Change::Payout(payout_id, change) => payout(event, payout_id, &change, rows),
        }
    }
}

fn receipt(
    event: &LogEvent,
    receipt_id: ReceiptId,
    change: ReceiptEvent,
    rows: &mut ReceiptsRows,
) -> Result<(), FoldError> {
    use ReceiptEvent as E;
    let now = Some(event.recorded_at);
    if let E::ReceiptSubmitted {
        user_id,
        image,
        duplicate_of,
        submitted_at,
    } = change
    {
        rows.receipts.put(ReceiptRow {
            receipt_id,
            user_id,
            state: ReceiptState::Submitted.code().to_owned(),
            submitted_at,
            image_key: image.key,
            image_sha256: image.sha256,
            image_content_type: image.content_type,
            image_bytes: i64::try_from(image.bytes).map_err(|_| FoldError::Overflow)?,
            duplicate_of,
            merchant: None,
            total_minor: None,
            currency: None,
            purchased_at: None,
            register_number: None,
            receipt_number: None,
            confidence: None,
            reasons: Json(Vec::new()),
            failure_code: None,
            registry_outcome: None,
            campaign_id: None,
            campaign_version: None,
            reward_minor: None,
            reward_currency: None,
            reward_transaction_id: None,
            review_since: None,
            review_note: None,
            appealed: false,
            decided_at: None,
            payout_id: None,
            payout_state: None,
            position: event.position,
        });
        return Ok(());
    }
    let row = rows
        .receipts
        .change(&ReceiptKey { receipt_id })
        .ok_or(FoldError::Missing("receipt"))?;
    row.position = event.position;
    if let Some(state) = state_after(&change) {
        state.code().clone_into(&mut row.state);
        if state != ReceiptState::InReview {
            row.review_since = None;
        } else if row.review_since.is_none() {
            row.review_since = now;
        }
    }
    match change {
        E::ReceiptSubmitted { .. } => {}
        E::ReceiptRecognised { recognition } => {
            show(row, &recognition);
            rows.recognitions.put(RecognitionRow {
                receipt_id,
                recognition: Json(*recognition),
                position: event.position,
            });
        }
        E::RecognitionFailed { code } => row.failure_code = Some(code),
        E::RegistryChecked { outcome } => row.registry_outcome = Some(outcome),
        E::ReceiptAccepted {
            campaign, reward, ..
        } => {
            decided_under(row, Some(campaign));
            row.reward_minor = Some(reward.minor);
            row.reward_currency = Some(reward.currency);
            row.reasons = Json(Vec::new());
            row.decided_at = now;
        }
        E::ReceiptRejected { campaign, reasons } => {
            decided_under(row, campaign);
            row.reasons = Json(reasons);
            row.decided_at = now;
        }
        E::ReviewRequested { campaign, reasons } => {
            decided_under(row, Some(campaign));
            row.reasons = Json(reasons);
        }
        E::FieldsCorrected {
            corrections,
            reason,
        } => {
            row.review_note = Some(reason);
            let read = rows
                .recognitions
                .change(&RecognitionKey { receipt_id })
                .ok_or(FoldError::Missing("recognition"))?;
            read.recognition = Json(corrected(read.recognition.0.clone(), corrections));
            read.position = event.position;
            show(row, &read.recognition.0);
        }
        E::ReviewDecided { reason, .. } => row.review_note = Some(reason),
        E::Appealed {} => row.appealed = true,
        E::RewardPosted { transaction_id, .. } => {
            row.reward_transaction_id = Some(transaction_id);
        }
    }
    Ok(())
}

fn payout(
    event: &LogEvent,
    payout_id: PayoutId,
    change: &PayoutEvent,
    rows: &mut ReceiptsRows,
) -> Result<(), FoldError> {
    if let PayoutEvent::PayoutRequested { receipt_id, .. } = change {
        let Some(receipt_id) = *receipt_id else {
            return Ok(());
        };
        rows.payouts.put(ReceiptPayoutRow {
            payout_id,
            receipt_id,
            position: event.position,
        });
        let row = rows
            .receipts
            .change(&ReceiptKey { receipt_id })
            .ok_or(FoldError::Missing("receipt"))?;
        row.payout_id = Some(payout_id);
        row.payout_state = Some(PayoutState::New.code().to_owned());
        row.position = event.position;
        return Ok(());
    }
    let Some(link) = rows.payouts.get(&ReceiptPayoutKey { payout_id }) else {
        return Ok(());
    };
    let receipt_id = link.receipt_id;
    let row = rows
        .receipts
        .get(&ReceiptKey { receipt_id })
        .ok_or(FoldError::Missing("receipt"))?;
    // A failed payout can be followed by another one of the same receipt; then the older one has nothing more to say.
    if row.payout_id == Some(payout_id)
        && let Some(state) = payouts::state_after(change)
        && let Some(row) = rows.receipts.change(&ReceiptKey { receipt_id })
    {
        row.payout_state = Some(state.code().to_owned());
        row.position = event.position;
    }
    Ok(())
}

/// The state that an event leads to; none when the state stays.
pub(crate) const fn state_after(change: &ReceiptEvent) -> Option<ReceiptState> {
    Some(match change {
        ReceiptEvent::ReceiptSubmitted { .. } => ReceiptState::Submitted,
        ReceiptEvent::ReceiptRecognised { .. } | ReceiptEvent::FieldsCorrected { .. } => {
            ReceiptState::Recognised
        }
        ReceiptEvent::RecognitionFailed { .. } => ReceiptState::RecognitionFailed,
        ReceiptEvent::ReceiptAccepted { .. } => ReceiptState::Accepted,
        ReceiptEvent::ReceiptRejected { .. } => ReceiptState::Rejected,
        ReceiptEvent::ReviewRequested { .. } | ReceiptEvent::Appealed {} => ReceiptState::InReview,
        ReceiptEvent::RewardPosted { .. } => ReceiptState::Rewarded,
        ReceiptEvent::RegistryChecked { .. } | ReceiptEvent::ReviewDecided { .. } => return None,
    })
}

fn decided_under(row: &mut ReceiptRow, campaign: Option<CampaignVersion>) {
    if let Some(campaign) = campaign {
        row.campaign_id = Some(campaign.id);
        row.campaign_version = Some(i64::from(campaign.version));
    }
}

/// Copies what lists and searches show. The QR code wins over the text, as it does in the rules.
fn show(row: &mut ReceiptRow, recognition: &Recognition) {
    let text = |field: &Option<kvit_domain::recognition::Field<String>>| {
        field.as_ref().map(|field| field.value.clone())
    };
    let fiscal = recognition.qr.fiscal();
    row.merchant = text(&recognition.merchant);
    row.total_minor = recognition.total();
    row.currency = row.total_minor.map(|_| recognition.currency);
    row.purchased_at = recognition.purchase_time();
    row.register_number = fiscal
        .map(|qr| qr.register_number.clone())
        .or_else(|| text(&recognition.register_number));
    row.receipt_number = fiscal
        .map(|qr| qr.receipt_number.clone())
        .or_else(|| text(&recognition.receipt_number));
    row.confidence = Some(i64::from(recognition.confidence.thousandths()));
}

/// The recognition with corrections applied by the aggregate's own rule.
fn corrected(recognition: Recognition, corrections: Corrections) -> Recognition {
    let fallback = recognition.clone();
    let mut receipt = Receipt {
        recognition: Some(Box::new(recognition)),
        ..Receipt::default()
    };
    receipt.apply(ReceiptEvent::FieldsCorrected {
        corrections,
        reason: String::new(),
    });
    receipt.recognition.map_or(fallback, |read| *read)
}
