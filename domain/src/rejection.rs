//! Refusals: what a caller did wrong or may not do, with a stable code.
//!
//! A refusal is an answer, not a failure of the platform. Its code is part of the contract: it names the page in
//! `docs/errors/`, the `code` of the HTTP problem and the key of the bot's text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A refused command: the code, a sentence for engineers, and the facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejection {
    /// Stable snake_case code, see [`CODES`].
    pub code: String,
    /// What was wrong and what to do, in English.
    pub message: String,
    /// Facts by name, for programs and for the texts of the bot.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Rejection {
    /// A refusal with a code out of [`CODES`].
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(
            CODES.iter().any(|(known, _)| *known == code),
            "undocumented rejection code {code}"
        );
        Self {
            code: code.to_owned(),
            message: message.into(),
            details: BTreeMap::new(),
        }
    }

    /// The same refusal with one more fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }
}

/// A reason that a person gives for what they decide.
///
/// # Errors
/// `review_reason_required` when it says nothing, or more than 500 bytes.
pub(crate) fn required_reason(reason: String) -> Result<String, Rejection> {
    if reason.trim().is_empty() || reason.len() > 500 {
        return Err(Rejection::new(
            "review_reason_required",
            "say why, in at most 500 bytes",
        ));
    }
    Ok(reason)
}

/// A provider's text, which is not ours to trust: cut to 200 bytes at a character.
pub(crate) fn bounded(mut text: String) -> String {
    let mut end = text.len().min(200);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text
}

/// Every code with its meaning; append only, a code is never reused for something else.
pub const CODES: &[(&str, &str)] = &[
    (
        "idempotency_conflict",
        "The same idempotency key was used before with another body.",
    ),
    ("already_exists", "The thing to be created exists already."),
    (
        "not_found",
        "There is no such thing, or it is not visible to the caller.",
    ),
    (
        "invalid_state",
        "The operation is not possible in the current state.",
    ),
    (
        "invalid_command",
        "A field of the command is missing, out of range or contradicts another.",
    ),
    ("terms_not_accepted", "The terms must be accepted first."),
    ("user_banned", "The user is banned."),
    (
        "user_forgotten",
        "The user asked to be forgotten; nothing can be done in their name any more.",
    ),
    ("wrong_contact", "The contact belongs to somebody else."),
    (
        "invalid_phone",
        "The text is not a phone number of a supported country.",
    ),
    (
        "operator_not_supported",
        "The phone number belongs to an operator that cannot be topped up.",
    ),
    ("phone_missing", "A phone number is needed first."),
    (
        "rate_limited",
        "Too many requests in a short time; wait and try again.",
    ),
    (
        "insufficient_funds",
        "The available balance is smaller than the amount.",
    ),
    ("wallet_not_open", "There is no such wallet."),
    (
        "currency_mismatch",
        "The amount is in another currency than the account.",
    ),
    ("amount_not_positive", "An amount must be above zero."),
    (
        "amount_too_large",
        "The amount, or a sum with it, does not fit.",
    ),
    (
        "transaction_unbalanced",
        "The debits and credits of a transaction differ.",
    ),
    ("hold_not_found", "There is no such hold on this wallet."),
    (
        "hold_not_active",
        "The hold was captured, released or has expired.",
    ),
    (
        "hold_exceeded",
        "A capture is larger than what is left of the hold.",
    ),
    ("already_reversed", "The transaction was reversed before."),
    (
        "reversal_exceeded",
        "A partial reversal undoes more than what is left of the transaction.",
    ),
    (
        "refund_exceeded",
        "The refund, with those before it, is larger than the payment.",
    ),
    (
        "refund_not_possible",
        "The payment cannot be refunded: it has not succeeded, or is too old.",
    ),
    (
        "four_eyes_required",
        "Another person than the one who proposed it must decide.",
    ),
    (
        "period_closed",
        "The value date lies in a closed period; correct it in the open one.",
    ),
    (
        "quote_expired",
        "The exchange rate is not valid any more; ask for a new quote.",
    ),
    (
        "provider_stopped",
        "Payments through this provider are stopped for now.",
    ),
    (
        "provider_not_configured",
        "The provider is not set up on this platform.",
    ),
    (
        "bulk_refused",
        "One command of an atomic bulk was refused, so none was done.",
    ),
    ("quota_exceeded", "A limit would be exceeded."),
    (
        "payload_too_large",
        "The body or file is larger than accepted.",
    ),
    (
        "unsupported_type",
        "The file is of a kind that is not accepted.",
    ),
    ("not_an_image", "The file is not a readable image."),
    (
        "review_reason_required",
        "A decision by a person needs a reason.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(bounded("ї".repeat(150)).chars().count(), 100);
    }

    #[test]
    fn every_code_is_snake_case_and_listed_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (code, meaning) in CODES {
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{code}"
            );
            assert!(seen.insert(code), "{code} is listed twice");
            assert!(meaning.ends_with('.'), "{code} has no sentence");
        }
    }
}
