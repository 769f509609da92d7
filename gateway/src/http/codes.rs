//! Every code that a problem can carry: its status, its sentence and its page.
//!
//! Codes of the domain keep their names here; this module only adds those that HTTP brings with it and says which
//! status each one answers with. The pages are part of the binary, so a link in an answer never points at nothing.

use axum::http::StatusCode;
use kvit_domain::rejection::CODES;

/// Codes that only the HTTP interface uses, with their meaning; append only.
pub const HTTP_CODES: &[(&str, &str)] = &[
    ("unauthenticated", "A valid API key is needed."),
    ("forbidden", "The API key may not do this."),
    ("route_not_found", "There is nothing at this address."),
    (
        "method_not_allowed",
        "The address exists, but not with this method.",
    ),
    (
        "idempotency_key_missing",
        "A call that changes something needs the header Idempotency-Key.",
    ),
    (
        "idempotency_key_invalid",
        "The Idempotency-Key is empty, too long or holds other than visible ASCII characters.",
    ),
    ("invalid_json", "The body is not JSON."),
    (
        "invalid_body",
        "The body is JSON, but a field is missing, unknown or of another type.",
    ),
    (
        "invalid_path",
        "A part of the address is not of the expected form.",
    ),
    (
        "invalid_query",
        "A query parameter is unknown or not of the expected form.",
    ),
    (
        "invalid_cursor",
        "The cursor was not made by this list with these filters.",
    ),
    (
        "unsupported_media_type",
        "The body must be sent as application/json.",
    ),
    (
        "projection_behind",
        "The read models have not reached the asked position yet.",
    ),
    (
        "timeout",
        "The request took longer than allowed and was given up.",
    ),
    ("overloaded", "Too many requests are being answered now."),
    (
        "unavailable",
        "Something that the platform needs is away for the moment.",
    ),
    ("internal_error", "The platform failed; the fault is ours."),
];

/// The sentence for a code.
#[must_use]
pub fn meaning(code: &str) -> Option<&'static str> {
    CODES
        .iter()
        .chain(HTTP_CODES)
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| *meaning)
}

/// The status that a code answers with. A code that is not known here is a refusal whose cause is in the request.
#[must_use]
pub fn status(code: &str) -> StatusCode {
    match code {
        "idempotency_key_missing"
        | "idempotency_key_invalid"
        | "invalid_json"
        | "invalid_path"
        | "invalid_query"
        | "invalid_cursor" => StatusCode::BAD_REQUEST,
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "forbidden" | "user_banned" | "terms_not_accepted" | "four_eyes_required" => {
            StatusCode::FORBIDDEN
        }
        "not_found" | "route_not_found" | "wallet_not_open" | "hold_not_found" => {
            StatusCode::NOT_FOUND
        }
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "already_exists"
        | "invalid_state"
        | "phone_missing"
        | "insufficient_funds"
        | "hold_not_active"
        | "hold_exceeded"
        | "already_reversed"
        | "reversal_exceeded"
        | "refund_exceeded"
        | "refund_not_possible"
        | "period_closed"
        | "quote_expired"
        | "provider_stopped"
        | "bulk_refused"
        | "quota_exceeded" => StatusCode::CONFLICT,
        "user_forgotten" => StatusCode::GONE,
        "payload_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "unsupported_type" | "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "rate_limited" => StatusCode::TOO_MANY_REQUESTS,
        "projection_behind" | "timeout" | "overloaded" | "unavailable" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        "internal_error" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

macro_rules! pages {
    ($($code:literal)+) => {
        /// The Markdown page of each code, out of `docs/errors/`.
        pub const PAGES: &[(&str, &str)] = &[
            $(($code, include_str!(concat!("../../../docs/errors/", $code, ".md"))),)+
        ];
    };
}

pages! {
    "already_exists" "already_reversed" "amount_not_positive" "amount_too_large" "bulk_refused" "currency_mismatch"
    "forbidden" "four_eyes_required" "hold_exceeded" "hold_not_active" "hold_not_found" "idempotency_conflict" "idempotency_key_invalid"
    "idempotency_key_missing" "insufficient_funds" "internal_error" "invalid_body" "invalid_command" "invalid_cursor"
    "invalid_json" "invalid_path" "invalid_phone" "invalid_query" "invalid_state" "method_not_allowed" "not_an_image"
    "not_found" "operator_not_supported" "overloaded" "payload_too_large" "period_closed" "phone_missing"
    "projection_behind" "provider_not_configured" "provider_stopped" "quota_exceeded" "quote_expired" "refund_exceeded"
    "refund_not_possible" "reversal_exceeded" "rate_limited" "review_reason_required" "route_not_found" "terms_not_accepted" "timeout"
    "transaction_unbalanced" "unauthenticated" "unavailable" "unsupported_media_type" "unsupported_type" "user_banned"
    "user_forgotten" "wallet_not_open" "wrong_contact"
}

/// The page of a code.
#[must_use]
pub fn page(code: &str) -> Option<&'static str> {
    PAGES
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_is_one_page_for_each_code_and_no_other() {
        let codes: BTreeSet<&str> = CODES
            .iter()
            .chain(HTTP_CODES)
            .map(|(code, _)| *code)
            .collect();
        assert_eq!(
            codes.len(),
            CODES.len() + HTTP_CODES.len(),
            "a code is listed twice"
        );
        let embedded: BTreeSet<&str> = PAGES.iter().map(|(code, _)| *code).collect();
        assert_eq!(
            embedded, codes,
            "pages in the binary (left) and codes (right) differ"
        );
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .filter(|name| name != "README")
            .collect();
        assert_eq!(files, codes.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn each_page_names_its_code_and_its_status() {
        for (code, page) in PAGES {
            let mut lines = page.lines();
            assert_eq!(lines.next(), Some(format!("# `{code}`").as_str()));
            let line = format!("Status: {}", status(code).as_u16());
            assert!(page.lines().any(|l| l == line), "{code}: no line `{line}`");
        }
    }
}
