//! The goods that count and the reward that they earn.

use super::findings::Findings;
use super::{LineMatch, ReasonCode, RuleInput};
use crate::matching::{CatalogueView, match_item};
use crate::money::{Money, MoneyError};
use crate::quantity::Quantity;
use crate::recognition::Recognition;

/// The goods that count and what they earn.
pub(super) fn goods(
    input: &RuleInput<'_>,
    found: &mut Findings,
) -> Option<(Money, Vec<LineMatch>)> {
    let recognition = input.recognition;
    // In an unsure reading the brand may stand there and not be seen, so a person looks.
    let sure = recognition.confidence >= input.thresholds.automatic;
    if recognition.items.is_empty() {
        found.weigh(sure, ReasonCode::NoItems, "no_lines", &[]);
        return None;
    }
    let condition = &input.terms.products;
    let catalogue = CatalogueView {
        products: input.products,
        only_codes: &condition.codes,
        brand_keywords: &condition.brand_keywords,
    };
    let earned = match_lines(recognition, catalogue).and_then(|matches| {
        let bought = Bought::of(&matches)?;
        let reward =
            input
                .terms
                .reward
                .amount(bought.units, bought.net_minor, input.terms.currency)?;
        Ok((matches, bought, reward))
    });
    let Ok((matches, bought, reward)) = earned else {
        found.certain(ReasonCode::TotalMismatch, "overflow", &[]);
        return None;
    };
    let lines = ("lines", recognition.items.len().to_string());
    if matches.is_empty() {
        found.weigh(sure, ReasonCode::NoEligibleProduct, "no_match", &[lines]);
        return None;
    }
    if bought.thousandths < condition.minimum_quantity.thousandths() {
        let facts = [
            (
                "quantity",
                Quantity::from_thousandths(bought.thousandths).to_string(),
            ),
            ("minimum_quantity", condition.minimum_quantity.to_string()),
        ];
        found.weigh(
            sure,
            ReasonCode::NoEligibleProduct,
            "below_minimum_quantity",
            &facts,
        );
    }
    if bought.net_minor < condition.minimum_sum_minor {
        let facts = [
            ("sum_minor", bought.net_minor.to_string()),
            ("minimum_sum_minor", condition.minimum_sum_minor.to_string()),
        ];
        found.weigh(
            sure,
            ReasonCode::NoEligibleProduct,
            "below_minimum_sum",
            &facts,
        );
    }
    if !reward.is_positive() {
        found.weigh(
            sure,
            ReasonCode::NoEligibleProduct,
            "reward_is_zero",
            &[lines],
        );
    }
    Some((reward, matches))
}

fn match_lines(
    recognition: &Recognition,
    catalogue: CatalogueView<'_>,
) -> Result<Vec<LineMatch>, MoneyError> {
    let mut matches = Vec::new();
    for (line, item) in (0_u32..).zip(&recognition.items) {
        if let Some(found) = match_item(item, catalogue) {
            let net_minor = item
                .sum_minor
                .checked_sub(item.discount_minor)
                .ok_or(MoneyError::Overflow)?;
            matches.push(LineMatch {
                line,
                found,
                quantity: item.quantity,
                net_minor,
            });
        }
    }
    Ok(matches)
}

/// Sums over the lines that count.
struct Bought {
    thousandths: i64,
    units: i64,
    net_minor: i64,
}

impl Bought {
    fn of(matches: &[LineMatch]) -> Result<Self, MoneyError> {
        let mut bought = Self {
            thousandths: 0,
            units: 0,
            net_minor: 0,
        };
        for line in matches {
            let quantity = line.quantity.thousandths();
            bought.thousandths = bought
                .thousandths
                .checked_add(quantity)
                .ok_or(MoneyError::Overflow)?;
            bought.units = bought
                .units
                .checked_add(quantity / 1_000)
                .ok_or(MoneyError::Overflow)?;
            bought.net_minor = bought
                .net_minor
                .checked_add(line.net_minor)
                .ok_or(MoneyError::Overflow)?;
        }
        Ok(bought)
    }
}
