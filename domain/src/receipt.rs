//! A submitted receipt: from the photo to the decision and the reward.
//!
//! `submitted → recognised | recognition_failed → accepted | rejected | in_review → rewarded`; what the payout of the
//! reward goes through afterwards is the payout's own story. Transitions are checked here and nowhere else.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::aggregate::{Decide, aggregate};
use crate::ids::{CampaignId, ReceiptId, TransactionId, UserId};
use crate::money::Money;
use crate::recognition::{Confidence, Field, Recognition};
use crate::rejection::{Rejection, required_reason};
use crate::rules::{LineMatch, Reason};

/// A photo in object storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// SHA-256 of the original bytes, hex.
    pub sha256: String,
    /// Key in the object storage.
    pub key: String,
    /// Sniffed type, such as `image/jpeg`.
    pub content_type: String,
    /// Size of the original, bytes.
    pub bytes: u64,
}

/// The campaign version that a decision was made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignVersion {
    /// The campaign.
    pub id: CampaignId,
    /// Its version, from 1.
    pub version: u32,
}

/// What a person at review changed; absent fields stay as read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrections {
    /// Total, minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_minor: Option<i64>,
    /// Local time of the purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchased_at: Option<NaiveDateTime>,
    /// Merchant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
}

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It earns the reward.
    Accept,
    /// It earns nothing.
    Reject,
}

/// What happened to a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptEvent {
    /// A photo arrived and is stored.
    ReceiptSubmitted {
        /// Whose.
        user_id: UserId,
        /// The photo.
        image: ImageRef,
        /// The receipt that brought the same bytes before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duplicate_of: Option<ReceiptId>,
        /// When the shopper sent it.
        submitted_at: DateTime<Utc>,
    },
    /// Something could be read.
    ReceiptRecognised {
        /// All of it but the raw text, which stays in object storage.
        recognition: Box<Recognition>,
    },
    /// The photo could not be read at all.
    RecognitionFailed {
        /// Why, such as `not_an_image`.
        code: String,
    },
    /// The tax registry was asked.
    RegistryChecked {
        /// `found`, `not_found_yet`, `mismatch`, `malformed` or `unavailable`.
        outcome: String,
    },
    /// It earns the reward.
    ReceiptAccepted {
        /// Whose; repeated so that the reward needs no other stream.
        user_id: UserId,
        /// Under which terms.
        campaign: CampaignVersion,
        /// What is credited.
        reward: Money,
        /// The lines that earned it.
        matches: Vec<LineMatch>,
    },
    /// It earns nothing.
    ReceiptRejected {
        /// Under which terms; none when the rules were not asked.
        campaign: Option<CampaignVersion>,
        /// All reasons.
        reasons: Vec<Reason>,
    },
    /// A person must look.
    ReviewRequested {
        /// Under which terms.
        campaign: CampaignVersion,
        /// All doubts.
        reasons: Vec<Reason>,
    },
    /// A person corrected what was read; the rules run again.
    FieldsCorrected {
        /// What changed.
        corrections: Corrections,
        /// Why.
        reason: String,
    },
    /// A person decided; the outcome follows in the same append.
    ReviewDecided {
        /// How.
        verdict: Verdict,
        /// Why.
        reason: String,
    },
    /// The shopper asks for a person after a rejection.
    Appealed {},
    /// The reward is in the wallet (same append as the wallet's posting).
    RewardPosted {
        /// Whose.
        user_id: UserId,
        /// The ledger transaction.
        transaction_id: TransactionId,
        /// How much.
        amount: Money,
    },
}

/// What can be asked of a receipt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields as in ReceiptEvent")]
pub enum ReceiptCommand {
    /// Take a stored photo in.
    Submit {
        user_id: UserId,
        image: ImageRef,
        duplicate_of: Option<ReceiptId>,
        submitted_at: DateTime<Utc>,
    },
    /// The reader's result.
    RecordRecognition { recognition: Box<Recognition> },
    /// The reader's refusal.
    RecordFailure { code: String },
    /// The registry's answer.
    RecordRegistry { outcome: String },
    /// By the rules.
    Accept {
        campaign: CampaignVersion,
        reward: Money,
        matches: Vec<LineMatch>,
    },
    /// By the rules.
    Reject {
        campaign: Option<CampaignVersion>,
        reasons: Vec<Reason>,
    },
    /// By the rules.
    RequestReview {
        campaign: CampaignVersion,
        reasons: Vec<Reason>,
    },
    /// By a reviewer.
    Correct {
        corrections: Corrections,
        reason: String,
    },
    /// By a reviewer; `reward` and `matches` are used when accepting, `reasons` when rejecting.
    DecideReview {
        verdict: Verdict,
        reason: String,
        campaign: CampaignVersion,
        reward: Money,
        matches: Vec<LineMatch>,
        reasons: Vec<Reason>,
    },
    /// By the shopper.
    Appeal { campaign: CampaignVersion },
    /// By the reward policy, with the wallet's posting.
    RecordReward { transaction_id: TransactionId },
}

/// Where a receipt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum ReceiptState {
    #[default]
    New,
    Submitted,
    Recognised,
    RecognitionFailed,
    InReview,
    Accepted,
    Rejected,
    Rewarded,
}

impl ReceiptState {
    /// The name in APIs, metrics and tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Submitted => "submitted",
            Self::Recognised => "recognised",
            Self::RecognitionFailed => "recognition_failed",
            Self::InReview => "in_review",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Rewarded => "rewarded",
        }
    }
}

/// The receipt as its events left it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// Where it stands.
    pub state: ReceiptState,
    /// Whose.
    pub user_id: Option<UserId>,
    /// The photo.
    pub image: Option<ImageRef>,
    /// Same bytes as this earlier receipt.
    pub duplicate_of: Option<ReceiptId>,
    /// When it was sent.
    pub submitted_at: Option<DateTime<Utc>>,
    /// What was read, with a reviewer's corrections applied.
    pub recognition: Option<Box<Recognition>>,
    /// Why it was rejected or is in review.
    pub reasons: Vec<Reason>,
    /// What it earned.
    pub reward: Option<Money>,
    /// Terms of the last decision.
    pub campaign: Option<CampaignVersion>,
    /// Whether the one appeal was used.
    pub appealed: bool,
}

impl Receipt {
    fn evolve(&mut self, event: ReceiptEvent) {
        use ReceiptEvent as E;
        use ReceiptState as S;
        match event {
            E::ReceiptSubmitted {
                user_id,
                image,
                duplicate_of,
                submitted_at,
            } => {
                self.state = S::Submitted;
                self.user_id = Some(user_id);
                self.image = Some(image);
                self.duplicate_of = duplicate_of;
                self.submitted_at = Some(submitted_at);
            }
            E::ReceiptRecognised { recognition } => {
                self.state = S::Recognised;
                self.recognition = Some(recognition);
            }
            E::RecognitionFailed { .. } => self.state = S::RecognitionFailed,
            E::RegistryChecked { .. } => {}
            E::ReceiptAccepted {
                campaign, reward, ..
            } => {
                self.state = S::Accepted;
                self.reward = Some(reward);
                self.campaign = Some(campaign);
                self.reasons.clear();
            }
            E::ReceiptRejected { campaign, reasons } => {
                self.state = S::Rejected;
                self.campaign = campaign.or(self.campaign);
                self.reasons = reasons;
            }
            E::ReviewRequested { campaign, reasons } => {
                self.state = S::InReview;
                self.campaign = Some(campaign);
                self.reasons = reasons;
            }
            E::FieldsCorrected { corrections, .. } => {
                self.state = S::Recognised;
                if let Some(recognition) = &mut self.recognition {
                    corrections.apply(recognition);
                }
            }
            E::ReviewDecided { .. } => {}
            E::Appealed {} => {
                self.state = S::InReview;
                self.appealed = true;
            }
            E::RewardPosted { .. } => self.state = S::Rewarded,
        }
    }

    fn refuse(&self, wanted: &str) -> Rejection {
        Rejection::new(
            "invalid_state",
            format!("the receipt cannot be {wanted} now"),
        )
        .with("state", self.state.code())
    }

    /// Whose it is.
    ///
    /// # Errors
    /// `not_found` before it was submitted.
    pub fn owner(&self) -> Result<UserId, Rejection> {
        self.user_id
            .ok_or_else(|| Rejection::new("not_found", "there is no such receipt"))
    }
}

impl Corrections {
    /// Puts the corrected fields in the place of what was read, as certain.
    fn apply(self, recognition: &mut Recognition) {
        if let Some(total) = self.total_minor {
            recognition.total_minor = Some(Field::new(total, Confidence::CERTAIN));
        }
        if let Some(at) = self.purchased_at {
            recognition.purchased_at = Some(Field::new(at, Confidence::CERTAIN));
        }
        if let Some(merchant) = self.merchant {
            recognition.merchant = Some(Field::new(merchant, Confidence::CERTAIN));
        }
        recognition.anomalies.clear();
    }
}

impl Decide for Receipt {
    fn decide(&self, command: &ReceiptCommand) -> Result<Vec<ReceiptEvent>, Rejection> {
        use ReceiptCommand as C;
        use ReceiptEvent as E;
        use ReceiptState as S;
        if self.state == S::New && !matches!(command, C::Submit { .. }) {
            self.owner()?;
        }
        match command.clone() {
            C::Submit {
                user_id,
                image,
                duplicate_of,
                submitted_at,
            } => {
                if self.state != S::New {
                    let same = self.user_id == Some(user_id)
                        && self
                            .image
                            .as_ref()
                            .is_some_and(|known| known.sha256 == image.sha256);
                    return if same {
                        Ok(vec![])
                    } else {
                        Err(Rejection::new(
                            "idempotency_conflict",
                            "the id belongs to another receipt",
                        ))
                    };
                }
                Ok(vec![E::ReceiptSubmitted {
                    user_id,
                    image,
                    duplicate_of,
                    submitted_at,
                }])
            }
            C::RecordRecognition { recognition } => match self.state {
                S::Submitted => Ok(vec![E::ReceiptRecognised { recognition }]),
                _ => Ok(vec![]),
            },
            C::RecordFailure { code } => match self.state {
                S::Submitted => Ok(vec![E::RecognitionFailed { code }]),
                _ => Ok(vec![]),
            },
            C::RecordRegistry { outcome } => Ok(vec![E::RegistryChecked { outcome }]),
            C::Accept {
                campaign,
                reward,
                matches,
            } => match self.state {
                S::Recognised => {
                    if !reward.is_positive() {
                        return Err(Rejection::new(
                            "amount_not_positive",
                            "a reward is above zero",
                        ));
                    }
                    Ok(vec![E::ReceiptAccepted {
                        user_id: self.owner()?,
                        campaign,
                        reward,
                        matches,
                    }])
                }
                _ => Err(self.refuse("accepted")),
            },
            C::Reject { campaign, reasons } => match self.state {
                S::Submitted | S::Recognised | S::RecognitionFailed => {
                    if reasons.is_empty() {
                        return Err(Rejection::new(
                            "invalid_command",
                            "a rejection names its reasons",
                        ));
                    }
                    Ok(vec![E::ReceiptRejected { campaign, reasons }])
                }
                _ => Err(self.refuse("rejected")),
            },
            C::RequestReview { campaign, reasons } => match self.state {
                S::Recognised => Ok(vec![E::ReviewRequested { campaign, reasons }]),
                _ => Err(self.refuse("reviewed")),
            },
            C::Correct {
                corrections,
                reason,
            } => match self.state {
                S::InReview if self.recognition.is_some() => Ok(vec![E::FieldsCorrected {
                    corrections,
                    reason: required_reason(reason)?,
                }]),
                _ => Err(self.refuse("corrected")),
            },
            C::DecideReview {
                verdict,
                reason,
                campaign,
                reward,
                matches,
                reasons,
            } => {
                let outcome = match (self.state, verdict) {
                    (S::InReview, Verdict::Accept) if reward.is_positive() => E::ReceiptAccepted {
                        user_id: self.owner()?,
                        campaign,
                        reward,
                        matches,
                    },
                    (S::InReview, Verdict::Accept) => {
                        return Err(Rejection::new(
                            "amount_not_positive",
                            "a reward is above zero",
                        ));
                    }
                    (S::InReview, Verdict::Reject) => E::ReceiptRejected {
                        campaign: Some(campaign),
                        reasons,
                    },
                    _ => return Err(self.refuse("decided")),
                };
                Ok(vec![
                    E::ReviewDecided {
                        verdict,
                        reason: required_reason(reason)?,
                    },
                    outcome,
                ])
            }
            C::Appeal { campaign } => match self.state {
                S::Rejected if !self.appealed && self.recognition.is_some() => Ok(vec![
                    E::Appealed {},
                    E::ReviewRequested {
                        campaign: self.campaign.unwrap_or(campaign),
                        reasons: self.reasons.clone(),
                    },
                ]),
                S::InReview if self.appealed => Ok(vec![]),
                _ => Err(self.refuse("appealed")),
            },
            C::RecordReward { transaction_id } => match (self.state, self.reward) {
                (S::Accepted, Some(amount)) => Ok(vec![E::RewardPosted {
                    user_id: self.owner()?,
                    transaction_id,
                    amount,
                }]),
                (S::Rewarded, _) => Ok(vec![]),
                _ => Err(self.refuse("rewarded")),
            },
        }
    }
}

aggregate!(
    Receipt,
    "receipt",
    ReceiptCommand,
    ReceiptEvent {
        ReceiptSubmitted,
        ReceiptRecognised,
        RecognitionFailed,
        RegistryChecked,
        ReceiptAccepted,
        ReceiptRejected,
        ReviewRequested,
        FieldsCorrected,
        ReviewDecided,
        Appealed,
        RewardPosted,
    }
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use cqrs_es::test::TestFramework;

    use super::*;
    use crate::money::Currency;
    use crate::recognition::QrReading;
    use crate::rules::ReasonCode;

    fn submitted() -> ReceiptEvent {
        ReceiptEvent::ReceiptSubmitted {
            user_id: UserId::derived("t", "u"),
            image: ImageRef {
                sha256: "ab".into(),
                key: "k".into(),
                content_type: "image/jpeg".into(),
                bytes: 3,
            },
            duplicate_of: None,
            submitted_at: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        }
    }
    fn recognised() -> ReceiptEvent {
        let recognition = Recognition {
            qr: QrReading::Missing,
            merchant: None,
            tax_id: None,
            register_number: None,
            receipt_number: None,
            purchased_at: None,
            purchased_on: None,
            currency: Currency::Uah,
            total_minor: None,
            items: vec![],
            is_return: false,
            confidence: Confidence::default(),
            anomalies: vec![],
            text: String::new(),
            stage_ms: vec![],
            short_edge_px: 900,
        };
        ReceiptEvent::ReceiptRecognised {
            recognition: Box::new(recognition),
        }
    }
    fn campaign() -> CampaignVersion {
        CampaignVersion {
            id: CampaignId::derived("t", "c"),
            version: 1,
        }
    }
    fn accept(minor: i64) -> ReceiptCommand {
        ReceiptCommand::Accept {
            campaign: campaign(),
            reward: Money::new(minor, Currency::Uah),
            matches: vec![],
        }
    }
    fn rejected() -> ReceiptEvent {
        ReceiptEvent::ReceiptRejected {
            campaign: Some(campaign()),
            reasons: vec![Reason::new(ReasonCode::Expired)],
        }
    }

    #[test]
    fn an_unread_receipt_cannot_be_accepted() {
        TestFramework::<Receipt>::with(())
            .given(vec![submitted()])
            .when(accept(100))
            .then_expect_error(
                Rejection::new("invalid_state", "the receipt cannot be accepted now")
                    .with("state", "submitted"),
            );
    }

    #[test]
    fn a_read_receipt_is_accepted_once() {
        TestFramework::<Receipt>::with(())
            .given(vec![submitted(), recognised()])
            .when(accept(100))
            .then_expect_events(vec![ReceiptEvent::ReceiptAccepted {
                user_id: UserId::derived("t", "u"),
                campaign: campaign(),
                reward: Money::new(100, Currency::Uah),
                matches: vec![],
            }]);
        TestFramework::<Receipt>::with(())
            .given(vec![submitted(), recognised(), rejected()])
            .when(accept(100))
            .then_expect_error(
                Rejection::new("invalid_state", "the receipt cannot be accepted now")
                    .with("state", "rejected"),
            );
    }

    #[test]
    fn a_rejection_can_be_appealed_once() {
        let appeal = || ReceiptCommand::Appeal {
            campaign: campaign(),
        };
        let given = vec![submitted(), recognised(), rejected()];
        let reasons = vec![Reason::new(ReasonCode::Expired)];
        TestFramework::<Receipt>::with(())
            .given(given.clone())
            .when(appeal())
            .then_expect_events(vec![
                ReceiptEvent::Appealed {},
                ReceiptEvent::ReviewRequested {
                    campaign: campaign(),
                    reasons,
                },
            ]);
        let again = [given, vec![ReceiptEvent::Appealed {}, rejected()]].concat();
        TestFramework::<Receipt>::with(())
            .given(again)
            .when(appeal())
            .then_expect_error(
                Rejection::new("invalid_state", "the receipt cannot be appealed now")
                    .with("state", "rejected"),
            );
    }

    #[test]
    fn a_second_reading_of_the_same_photo_changes_nothing() {
        let ReceiptEvent::ReceiptRecognised { recognition } = recognised() else {
            return;
        };
        TestFramework::<Receipt>::with(())
            .given(vec![submitted(), recognised()])
            .when(ReceiptCommand::RecordRecognition { recognition })
            .then_expect_events(vec![]);
    }
}
