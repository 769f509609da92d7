//! Bodies and queries of the API, read as every endpoint reads them.

use axum::body::Body;
use axum::extract::{FromRequest as _, FromRequestParts as _};
use axum::http::Request;
use chrono::{DateTime, Datelike as _, Utc};
use kvit_gateway::http::amount::AmountInput;
use kvit_gateway::http::extract::{JSON_BYTES_MAX, Json, Query, plausible};
use serde::Deserialize;

use super::at_once;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    amount: AmountInput,
    note: String,
    #[serde(deserialize_with = "plausible")]
    at: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    state: Option<String>,
    limit: Option<u32>,
}

/// A body or query is refused with a code of the catalogue, or it holds nothing that a column does not take.
pub fn holds(data: &[u8]) {
    let request = Request::post("/v1/x")
        .header("content-type", "application/json")
        .body(Body::from(data.to_vec()))
        .unwrap();
    match at_once(Json::<Wish>::from_request(request, &())) {
        Ok(Json(wish)) => {
            assert!(data.len() <= JSON_BYTES_MAX * 40);
            assert!(!wish.note.contains('\0'));
            assert!((1970..=9999).contains(&wish.at.year()));
            if let Ok(money) = wish.amount.money("/amount") {
                assert_eq!(money.minor, wish.amount.minor);
                assert_eq!(money.currency.code(), wish.amount.currency);
            }
        }
        Err(problem) => {
            assert!(
                ["invalid_json", "invalid_body", "payload_too_large"].contains(&problem.code())
            );
        }
    }
    let Ok(uri) = format!("/v1/x?{}", String::from_utf8_lossy(data)).parse() else {
        return;
    };
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri;
    match at_once(Query::<Filter>::from_request_parts(&mut parts, &())) {
        Ok(Query(filter)) => {
            assert!(filter.state.is_none_or(|state| !state.contains('\0')));
            let _number: Option<u32> = filter.limit;
        }
        Err(problem) => assert_eq!(problem.code(), "invalid_query"),
    }
}
