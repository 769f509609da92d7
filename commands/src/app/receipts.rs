//! Receipts: taking a photo in, what reading found, deciding, rewarding.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use kvit_domain::campaign::Campaign;
use kvit_domain::catalogue::Catalogue;
use kvit_domain::claim::{FiscalReceipt, FiscalReceiptCommand, Image, ImageCommand};
use kvit_domain::event::StreamId;
use kvit_domain::ids::{
    CampaignId, ReceiptId, TransactionId, UserId, WalletId, fiscal_receipt_stream,
};
use kvit_domain::ledger::{Account, Transaction, TransactionKind};
use kvit_domain::money::Money;
use kvit_domain::quota::{Quota, QuotaCommand};
use kvit_domain::receipt::{CampaignVersion, ImageRef, Receipt, ReceiptCommand, ReceiptState};
use kvit_domain::recognition::Recognition;
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::{
    self, BudgetLeft, CampaignTerms, Claims, Decision, History, Reason, ReasonCode, RuleInput,
    kyiv_day,
};
use kvit_domain::user::User;
use kvit_domain::wallet::{Wallet, WalletCommand};
use sha2::{Digest, Sha256};

use super::{App, Done, blocking};
use crate::context::Context;
use crate::error::CommandError;
use crate::executor::{Streams, Unit};
use crate::ports::objects::{ObjectFault, ObjectKey};

/// Largest photo, bytes: exactly so many are taken, one more is refused.
pub const PHOTO_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Uploads of one person within [`UPLOAD_WINDOW`].
pub const UPLOADS_IN_WINDOW: u32 = 5;
/// See [`UPLOADS_IN_WINDOW`].
pub const UPLOAD_WINDOW: Duration = Duration::from_secs(60);
/// Sealing adds a nonce and a tag; generous.
const SEALED_EXTRA_BYTES: usize = 1024;

/// A photo that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The receipt.
    pub receipt_id: ReceiptId,
    /// The earlier receipt with the same bytes.
    pub duplicate_of: Option<ReceiptId>,
    /// Short edge in pixels; below 600 a hint to photograph again is due.
    pub short_edge_px: u32,
    /// Where it stands in the log.
    pub done: Done,
}

impl App {
    /// Takes a photo in: checks it, stores it sealed, then records the submission.
    ///
    /// # Errors
    /// `terms_not_accepted`, `user_banned`, `phone_missing`, `payload_too_large`, `unsupported_type`, `not_an_image`,
    /// `rate_limited` (detail `retry_after_seconds`); nothing is recorded then.
    pub async fn submit_receipt(
        &self,
        user_id: UserId,
        bytes: Bytes,
        submitted_at: DateTime<Utc>,
        context: &Context,
    ) -> Result<Submitted, CommandError> {
        let user: User = self.user(user_id).await?;
        user.may_act()?;
        if user.phone.is_none() {
            return Err(
                Rejection::new("phone_missing", "share a phone number first: send /start").into(),
            );
        }
        if bytes.len() > PHOTO_BYTES_MAX {
            return Err(
                Rejection::new("payload_too_large", "a photo has at most 10 MB")
                    .with("limit_bytes", PHOTO_BYTES_MAX)
                    .with("actual_bytes", bytes.len())
                    .into(),
            );
        }
        let photos = std::sync::Arc::clone(&self.parts.photos);
        let look = bytes.clone();
        let facts = blocking(move || photos.inspect(&look)).await??;
        // The id follows from the key, so a repeat after a crash names the same receipt and the same object.
        let receipt_id =
            ReceiptId::derived("receipt", &format!("{user_id}:{}", context.idempotency_key));
        let (scope, token) = (format!("uploads:{user_id}"), receipt_id.to_string());
        let taken = self
            .parts
            .limiter
            .take(&scope, &token, UPLOADS_IN_WINDOW, UPLOAD_WINDOW)
            .await;
        if let Some(wait) = taken.map_err(|fault| CommandError::transient(fault.to_string()))? {
            return Err(
                Rejection::new("rate_limited", "too many photos in a short time")
                    .with("retry_after_seconds", wait.as_secs().max(1))
                    .into(),
            );
        }
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let path = format!(
            "receipts/{:04}/{:02}/{sha256}/{receipt_id}.{}",
            submitted_at.year(),
            submitted_at.month(),
            facts.extension
        );
        let key =
            ObjectKey::try_new(path).map_err(|fault| CommandError::Fatal(fault.to_string()))?;
        let known = self.parts.executor.load::<Image>(&sha256).await?.holder;
        if known.is_none_or(|holder| holder == receipt_id) {
            let sealed = self
                .parts
                .vault
                .seal_bytes(user_id.0, key.as_str(), &bytes)
                .await?;
            self.parts
                .objects
                .put(&key, sealed.into(), "application/octet-stream")
                .await?;
        }
        let image = ImageRef {
            sha256: sha256.clone(),
            key: key.as_str().to_owned(),
            content_type: facts.content_type.to_owned(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        let id = receipt_id.to_string();
        let streams = Streams::new().with::<Receipt>(&id).with::<Image>(&sha256);
        let committed = self
            .transact(
                streams,
                context,
                "submit_receipt",
                &(user_id, &sha256),
                |unit| {
                    let earlier = unit
                        .state::<Image>(&sha256)?
                        .holder
                        .filter(|holder| *holder != receipt_id);
                    if earlier.is_none() {
                        unit.run::<Image>(
                            &sha256,
                            &ImageCommand::Claim {
                                receipt_id,
                                user_id,
                            },
                        )?;
                    }
                    let image = image.clone();
                    let command = ReceiptCommand::Submit {
                        user_id,
                        image,
                        duplicate_of: earlier,
                        submitted_at,
                    };
                    unit.run::<Receipt>(&id, &command)?;
                    Ok(earlier)
                },
            )
            .await?;
        let duplicate_of = match committed.value {
            Some(earlier) => earlier,
            None => self.receipt(receipt_id).await?.duplicate_of,
        };
        Ok(Submitted {
            receipt_id,
            duplicate_of,
            short_edge_px: facts.short_edge_px,
            done: Done::from(&committed),
        })
    }

    /// The receipt as the log has it now; an empty one when there is none.
    pub async fn receipt(&self, receipt_id: ReceiptId) -> Result<Receipt, CommandError> {
        self.parts
            .executor
            .load::<Receipt>(&receipt_id.to_string())
            .await
    }

    /// The photo and its media type.
    ///
    /// # Errors
    /// `not_found` when there is no such receipt, its photo was kept long enough, or its owner was forgotten.
    pub async fn receipt_image(
        &self,
        receipt_id: ReceiptId,
    ) -> Result<(Bytes, String), CommandError> {
        let mut receipt = self.receipt(receipt_id).await?;
        if let Some(first) = receipt.duplicate_of
            && self.receipt(first).await?.user_id == receipt.user_id
        {
            receipt = self.receipt(first).await?;
        }
        let owner = receipt.owner()?;
        let gone = || Rejection::new("not_found", "the photo is not stored any more");
        let image = receipt.image.ok_or_else(gone)?;
        let key = ObjectKey::try_new(image.key.as_str())
            .map_err(|fault| CommandError::Fatal(fault.to_string()))?;
        let sealed = match self
            .parts
            .objects
            .get(&key, PHOTO_BYTES_MAX + SEALED_EXTRA_BYTES)
            .await
        {
            Ok(sealed) => sealed,
            Err(ObjectFault::NotFound) => return Err(gone().into()),
            Err(fault) => return Err(fault.into()),
        };
        let plain = self
            .parts
            .vault
            .open_bytes(owner.0, key.as_str(), &sealed)
            .await?
            .ok_or_else(gone)?;
        if hex::encode(Sha256::digest(&plain)) != image.sha256 {
            return Err(CommandError::Fatal(
                "a stored photo is not the one that was submitted".into(),
            ));
        }
        Ok((plain.into(), image.content_type))
    }

    /// A small JPEG of the photo.
    ///
    /// # Errors
    /// As [`App::receipt_image`].
    pub async fn receipt_preview(&self, receipt_id: ReceiptId) -> Result<Bytes, CommandError> {
        let (bytes, _) = self.receipt_image(receipt_id).await?;
        let photos = std::sync::Arc::clone(&self.parts.photos);
        Ok(blocking(move || photos.preview(&bytes)).await??.into())
    }

    /// Records what was read. The raw text goes sealed to object storage, not into the event.
    pub async fn record_recognition(
        &self,
        receipt_id: ReceiptId,
        mut recognition: Recognition,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let receipt = self.receipt(receipt_id).await?;
        let owner = receipt.owner()?;
        let text = std::mem::take(&mut recognition.text);
        if let Some(image) = &receipt.image {
            let key = ObjectKey::try_new(format!("{}.txt", image.key))
                .map_err(|fault| CommandError::Fatal(fault.to_string()))?;
            let sealed = self
                .parts
                .vault
                .seal_bytes(owner.0, key.as_str(), text.as_bytes())
                .await?;
            self.parts
                .objects
                .put(&key, sealed.into(), "application/octet-stream")
                .await?;
        }
        let command = ReceiptCommand::RecordRecognition {
            recognition: Box::new(recognition),
        };
        self.execute::<Receipt>(&receipt_id.to_string(), command, context)
            .await
    }

    /// Records that the photo could not be read.
    pub async fn record_recognition_failure(
        &self,
        receipt_id: ReceiptId,
        code: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Receipt>(
            &receipt_id.to_string(),
            ReceiptCommand::RecordFailure { code },
            context,
        )
        .await
    }

    /// Decides on a receipt by the rules. Claims, limits and budget are taken in the same append as the decision, so
    /// nothing is promised twice and nothing has to be taken back.
    pub async fn decide_receipt(
        &self,
        receipt_id: ReceiptId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let receipt = self.receipt(receipt_id).await?;
        let user_id = receipt.owner()?;
        if let Some(done) = self.reject_unread(receipt_id, &receipt, context).await? {
            return Ok(done);
        }
        let (Some(recognition), Some(submitted_at)) = (receipt.recognition, receipt.submitted_at)
        else {
            return Err(Rejection::new("invalid_state", "the receipt was not read yet").into());
        };
        let scope = DecisionScope::new(
            self.parts.settings.campaign_id,
            user_id,
            submitted_at,
            &recognition,
        );
        let thresholds = self.parts.settings.thresholds;
        let committed = self
            .transact(
                scope.streams(receipt_id),
                context,
                "decide_receipt",
                &receipt_id,
                |unit| {
                    let state = unit.state::<Receipt>(&receipt_id.to_string())?;
                    if state.state != ReceiptState::Recognised {
                        return Ok(());
                    }
                    let (campaign, terms) = scope.campaign(unit)?;
                    let version = CampaignVersion {
                        id: scope.campaign_id,
                        version: campaign.version,
                    };
                    let products: Vec<_> = unit
                        .state::<Catalogue>("default")?
                        .products()
                        .cloned()
                        .collect();
                    let input = RuleInput {
                        recognition: &recognition,
                        terms: &terms,
                        campaign_active: campaign.is_active(),
                        products: &products,
                        history: scope.history(unit)?,
                        budget: scope.budget(unit, &terms)?,
                        claims: Claims {
                            duplicate_image_of: None,
                            duplicate_receipt_of: scope
                                .holder(unit)?
                                .filter(|holder| *holder != receipt_id),
                        },
                        fraud_signals: &[],
                        submitted_at,
                        thresholds,
                    };
                    let command = match rules::decide(&input) {
                        Decision::Accept { reward, matches } => {
                            scope.take(unit, receipt_id, user_id, &terms, reward)?;
                            ReceiptCommand::Accept {
                                campaign: version,
                                reward,
                                matches,
                            }
                        }
                        Decision::Reject { reasons } => {
                            // An earlier doubt may have claimed it; no effect for who does not hold it.
                            scope.release(unit, receipt_id)?;
                            ReceiptCommand::Reject {
                                campaign: Some(version),
                                reasons,
                            }
                        }
                        Decision::Review { reasons } => {
                            scope.claim(unit, receipt_id, user_id)?;
                            ReceiptCommand::RequestReview {
                                campaign: version,
                                reasons,
                            }
                        }
                    };
                    unit.run::<Receipt>(&receipt_id.to_string(), &command)?;
                    Ok(())
                },
            )
            .await?;
        Ok(Done::from(&committed))
    }

    /// Rejects what needs no rules: the same bytes again, or a photo that could not be read.
    async fn reject_unread(
        &self,
        receipt_id: ReceiptId,
        receipt: &Receipt,
        context: &Context,
    ) -> Result<Option<Done>, CommandError> {
        let reason = match (receipt.state, receipt.duplicate_of) {
            (ReceiptState::Submitted, Some(first)) => {
                Reason::new(ReasonCode::DuplicateImage).with("receipt_id", first)
            }
            (ReceiptState::RecognitionFailed, _) => Reason::new(ReasonCode::Unreadable),
            (ReceiptState::Recognised | ReceiptState::Submitted, _) => return Ok(None),
            // Decided before: a redelivered event has nothing left to do.
            _ => {
                return Ok(Some(Done {
                    position: 0,
                    replayed: true,
                }));
            }
        };
        let command = ReceiptCommand::Reject {
            campaign: None,
            reasons: vec![reason],
        };
        self.execute::<Receipt>(&receipt_id.to_string(), command, context)
            .await
            .map(Some)
    }

    /// Books the reward of an accepted receipt and marks the receipt, in one append.
    pub async fn post_reward(
        &self,
        receipt_id: ReceiptId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let receipt = self.receipt(receipt_id).await?;
        let user_id = receipt.owner()?;
        let Some(reward) = receipt.reward else {
            return Err(Rejection::new("invalid_state", "the receipt was not accepted").into());
        };
        let wallet_id = WalletId {
            user: user_id,
            currency: reward.currency,
        };
        let transaction_id = TransactionId::derived("reward", &receipt_id.to_string());
        let transaction = Transaction::simple(
            transaction_id,
            TransactionKind::Reward,
            Account::BonusExpense,
            Account::Wallet(wallet_id),
            reward,
            self.today(),
            receipt_id.to_string(),
        );
        let (id, wallet) = (receipt_id.to_string(), wallet_id.to_string());
        let streams = Streams::new().with::<Receipt>(&id).with::<Wallet>(&wallet);
        let committed = self
            .transact(streams, context, "post_reward", &receipt_id, |unit| {
                // Booked on an earlier day by a delivery whose answer was lost: then the value date differs, the booking
                // stands, and only what is missing is done.
                if !unit.state::<Wallet>(&wallet)?.has_booked(transaction_id) {
                    unit.run::<Wallet>(
                        &wallet,
                        &WalletCommand::Post {
                            wallet_id,
                            transaction: transaction.clone(),
                        },
                    )?;
                }
                unit.run::<Receipt>(&id, &ReceiptCommand::RecordReward { transaction_id })
            })
            .await?;
        Ok(Done::from(&committed))
    }
}

/// The streams around a decision: whose it is, what may exist once, and what is limited.
pub(super) struct DecisionScope {
    pub(super) campaign_id: CampaignId,
    fiscal: Option<StreamId>,
    user_day: String,
    user_all: String,
    budget_day: String,
    budget_all: String,
}

impl DecisionScope {
    pub(super) fn new(
        campaign_id: CampaignId,
        user_id: UserId,
        submitted_at: DateTime<Utc>,
        recognition: &Recognition,
    ) -> Self {
        let day = kyiv_day(submitted_at).format("%Y%m%d");
        Self {
            campaign_id,
            fiscal: fiscal_identity(recognition),
            user_day: format!("campaign:{campaign_id}:user:{user_id}:{day}"),
            user_all: format!("campaign:{campaign_id}:user:{user_id}"),
            budget_day: format!("campaign:{campaign_id}:budget:{day}"),
            budget_all: format!("campaign:{campaign_id}:budget"),
        }
    }

    pub(super) fn streams(&self, receipt_id: ReceiptId) -> Streams {
        let mut streams = Streams::new()
            .with::<Receipt>(&receipt_id.to_string())
            .with::<Campaign>(&self.campaign_id.to_string())
            .with::<Catalogue>("default");
        for quota in [
            &self.user_day,
            &self.user_all,
            &self.budget_day,
            &self.budget_all,
        ] {
            streams = streams.with::<Quota>(quota);
        }
        match &self.fiscal {
            Some(fiscal) => streams.with::<FiscalReceipt>(&fiscal.aggregate_id),
            None => streams,
        }
    }

    pub(super) fn campaign(
        &self,
        unit: &Unit<'_>,
    ) -> Result<(Campaign, CampaignTerms), CommandError> {
        let campaign = unit
            .state::<Campaign>(&self.campaign_id.to_string())?
            .clone();
        let terms = campaign
            .terms
            .clone()
            .ok_or_else(|| CommandError::Transient {
                reason: "no campaign was set up yet".into(),
                retry_after: Duration::from_secs(5),
            })?;
        Ok((campaign, terms))
    }

    fn history(&self, unit: &Unit<'_>) -> Result<History, CommandError> {
        let used = |name: &str| -> Result<u32, CommandError> {
            Ok(u32::try_from(unit.state::<Quota>(name)?.used).unwrap_or(u32::MAX))
        };
        Ok(History {
            accepted_today: used(&self.user_day)?,
            accepted_in_all: used(&self.user_all)?,
        })
    }

    fn budget(&self, unit: &Unit<'_>, terms: &CampaignTerms) -> Result<BudgetLeft, CommandError> {
        let left = |name: &str, limit: Option<i64>| -> Result<Option<i64>, CommandError> {
            limit
                .map(|limit| Ok(unit.state::<Quota>(name)?.left(limit)))
                .transpose()
        };
        Ok(BudgetLeft {
            today_minor: left(&self.budget_day, terms.budget_daily_minor)?,
            in_all_minor: left(&self.budget_all, terms.budget_total_minor)?,
        })
    }

    fn holder(&self, unit: &Unit<'_>) -> Result<Option<ReceiptId>, CommandError> {
        match &self.fiscal {
            Some(fiscal) => Ok(unit.state::<FiscalReceipt>(&fiscal.aggregate_id)?.holder),
            None => Ok(None),
        }
    }

    pub(super) fn claim(
        &self,
        unit: &mut Unit<'_>,
        receipt_id: ReceiptId,
        user_id: UserId,
    ) -> Result<(), CommandError> {
        if let Some(fiscal) = &self.fiscal {
            let command = FiscalReceiptCommand::Claim {
                receipt_id,
                user_id,
            };
            unit.run::<FiscalReceipt>(&fiscal.aggregate_id, &command)?;
        }
        Ok(())
    }

    pub(super) fn release(
        &self,
        unit: &mut Unit<'_>,
        receipt_id: ReceiptId,
    ) -> Result<(), CommandError> {
        if let Some(fiscal) = &self.fiscal {
            unit.run::<FiscalReceipt>(
                &fiscal.aggregate_id,
                &FiscalReceiptCommand::Release { receipt_id },
            )?;
        }
        Ok(())
    }

    /// Claims the fiscal receipt and takes limits and budget.
    pub(super) fn take(
        &self,
        unit: &mut Unit<'_>,
        receipt_id: ReceiptId,
        user_id: UserId,
        terms: &CampaignTerms,
        reward: Money,
    ) -> Result<(), CommandError> {
        self.claim(unit, receipt_id, user_id)?;
        // Only what is limited is counted: a stream that nobody asks would grow for nothing.
        let takes = [
            (&self.user_day, 1, Some(i64::from(terms.daily_limit))),
            (&self.user_all, 1, terms.limit_in_all.map(i64::from)),
            (&self.budget_day, reward.minor, terms.budget_daily_minor),
            (&self.budget_all, reward.minor, terms.budget_total_minor),
        ];
        for (name, units, limit) in takes {
            if let Some(limit) = limit {
                let taker = receipt_id.to_string();
                unit.run::<Quota>(
                    name,
                    &QuotaCommand::Take {
                        taker,
                        units,
                        limit,
                    },
                )?;
            }
        }
        Ok(())
    }
}

/// The fiscal receipt that was read: by QR code, else by text when register, number and date are all there.
fn fiscal_identity(recognition: &Recognition) -> Option<StreamId> {
    if let Some(qr) = recognition.qr.fiscal() {
        return Some(fiscal_receipt_stream(
            &qr.register_number,
            &qr.receipt_number,
            qr.purchased_at.date(),
        ));
    }
    let register = &recognition.register_number.as_ref()?.value;
    let number = &recognition.receipt_number.as_ref()?.value;
    Some(fiscal_receipt_stream(
        register,
        number,
        recognition.purchase_time()?.date(),
    ))
}
