//! Review by people: corrections, verdicts, appeals.

use kvit_domain::ids::{ReceiptId, UserId};
use kvit_domain::matching::{CatalogueView, match_item};
use kvit_domain::money::Money;
use kvit_domain::receipt::{
    CampaignVersion, Corrections, Receipt, ReceiptCommand, ReceiptState, Verdict,
};
use kvit_domain::recognition::Recognition;
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::{CampaignTerms, LineMatch};

use super::receipts::DecisionScope;
use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

impl App {
    /// The shopper asks for a person after a rejection; once.
    ///
    /// # Errors
    /// `not_found` for anybody but the owner.
    pub async fn appeal(
        &self,
        receipt_id: ReceiptId,
        by: UserId,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let receipt = self.receipt(receipt_id).await?;
        if receipt.user_id != Some(by) {
            return Err(Rejection::new("not_found", "there is no such receipt").into());
        }
        let campaign = match receipt.campaign {
            Some(campaign) => campaign,
            None => {
                let id = self.parts.settings.campaign_id;
                CampaignVersion {
                    id,
                    version: self.campaign(id).await?.version,
                }
            }
        };
        let command = ReceiptCommand::Appeal { campaign };
        self.execute::<Receipt>(&receipt_id.to_string(), command, context)
            .await
    }

    /// Puts right what was read; the rules then run again without reading the photo again.
    pub async fn correct_receipt(
        &self,
        receipt_id: ReceiptId,
        corrections: Corrections,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = ReceiptCommand::Correct {
            corrections,
            reason,
        };
        self.execute::<Receipt>(&receipt_id.to_string(), command, context)
            .await
    }

    /// A person's verdict. Accepting takes limits and budget as the rules would have; rejecting gives the claim back.
    pub async fn decide_review(
        &self,
        receipt_id: ReceiptId,
        verdict: Verdict,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let receipt = self.receipt(receipt_id).await?;
        let user_id = receipt.owner()?;
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
        let id = receipt_id.to_string();
        let body = (receipt_id, verdict, &reason);
        let committed = self
            .transact(
                scope.streams(receipt_id),
                context,
                "decide_review",
                &body,
                |unit| {
                    let receipt = unit.state::<Receipt>(&id)?;
                    let (in_review, reasons) = (
                        receipt.state == ReceiptState::InReview,
                        receipt.reasons.clone(),
                    );
                    let (campaign, terms) = scope.campaign(unit)?;
                    let products: Vec<_> = unit
                        .state::<kvit_domain::catalogue::Catalogue>("default")?
                        .products()
                        .cloned()
                        .collect();
                    let view = CatalogueView {
                        products: &products,
                        only_codes: &terms.products.codes,
                        brand_keywords: &terms.products.brand_keywords,
                    };
                    let (matches, reward) = reward_for(&recognition, &terms, view)?;
                    match verdict {
                        Verdict::Accept if in_review => {
                            scope.take(unit, receipt_id, user_id, &terms, reward)?
                        }
                        Verdict::Reject => scope.release(unit, receipt_id)?,
                        Verdict::Accept => {}
                    }
                    let command = ReceiptCommand::DecideReview {
                        verdict,
                        reason: reason.clone(),
                        campaign: CampaignVersion {
                            id: scope.campaign_id,
                            version: campaign.version,
                        },
                        reward,
                        matches,
                        reasons,
                    };
                    unit.run::<Receipt>(&id, &command)
                },
            )
            .await?;
        Ok(Done::from(&committed))
    }
}

/// What a receipt earns when a person vouches for it: the campaign's reward for the lines that match; a fixed reward also
/// when no line could be matched, since the person saw the goods on the photo.
fn reward_for(
    recognition: &Recognition,
    terms: &CampaignTerms,
    view: CatalogueView<'_>,
) -> Result<(Vec<LineMatch>, Money), CommandError> {
    let overflow = |_| Rejection::new("amount_too_large", "the sums of the receipt do not fit");
    let mut matches = Vec::new();
    let (mut thousandths, mut price_minor) = (0_i64, 0_i64);
    for (index, item) in recognition.items.iter().enumerate() {
        let Some(found) = match_item(item, view) else {
            continue;
        };
        let net_minor = item.sum_minor.saturating_sub(item.discount_minor);
        thousandths = thousandths.saturating_add(item.quantity.thousandths());
        price_minor = price_minor.saturating_add(net_minor);
        let line = u32::try_from(index).unwrap_or(u32::MAX);
        matches.push(LineMatch {
            line,
            found,
            quantity: item.quantity,
            net_minor,
        });
    }
    let units = thousandths / 1_000;
    let reward = terms
        .reward
        .amount(units, price_minor, terms.currency)
        .map_err(overflow)?;
    Ok((matches, reward))
}
