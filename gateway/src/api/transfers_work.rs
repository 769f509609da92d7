//! Transfers between two wallets.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use kvit_commands::app::TransferRequest;
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{TransferId, WalletId};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{Created, created};
use super::field;
use crate::auth::{Operating, Write};
use crate::http::amount::AmountInput;
use crate::http::extract::Json;
use crate::http::problem::Answer;
use crate::parts::Gateway;

/// A rate that somebody promised: `numerator` minor units are got for `denominator` minor units given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteInput {
    /// Minor units got, above zero.
    #[schema(example = 47, minimum = 1)]
    pub numerator: i64,
    /// Minor units given for them, above zero.
    #[schema(example = 100, minimum = 1)]
    pub denominator: i64,
    /// Who promised it, at most 100 bytes.
    #[schema(example = "exchange desk")]
    pub source: String,
    /// Since when.
    #[serde(deserialize_with = "crate::http::extract::plausible")]
    pub quoted_at: DateTime<Utc>,
    /// Until when; not valid at this moment any more.
    #[serde(deserialize_with = "crate::http::extract::plausible")]
    pub expires_at: DateTime<Utc>,
}

/// A transfer to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "from": "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH", "to": "0d3c8f57-7a6e-4c1b-8f0e-3d2b1a4c5e6f:UAH",
    "amount": { "minor": 5_000, "currency": "UAH" }, "description": "for the lunch"
}))]
pub struct NewTransfer {
    /// The giving wallet.
    #[schema(example = "5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11:UAH")]
    pub from: String,
    /// The receiving wallet.
    #[schema(example = "0d3c8f57-7a6e-4c1b-8f0e-3d2b1a4c5e6f:UAH")]
    pub to: String,
    /// What is given, in the giving wallet's currency.
    pub amount: AmountInput,
    /// The rate; needed when the currencies differ, refused when they are the same.
    #[serde(default)]
    pub quote: Option<QuoteInput>,
    /// Words for both statements.
    #[serde(default)]
    pub description: String,
}

/// Transfer money between two wallets
///
/// The amount is held on the giving wallet at once; a moment later both wallets are booked together, or the hold is released
/// and the transfer has failed. Between currencies it goes through the exchange account with the quote recorded, and
/// fractions of a minor unit stay there.
#[utoipa::path(post, path = "/v1/transfers", tag = "transfers", request_body = NewTransfer,
    responses((status = 201, description = "The amount is held; the transfer will be completed.", body = Created)),
    security(("api_key" = ["operator", "admin"])))]
pub async fn start_transfer(
    write: Write<Operating>,
    State(gateway): State<Gateway>,
    Json(body): Json<NewTransfer>,
) -> Answer<Response> {
    let transfer_id = TransferId::derived("api_transfer", write.intention());
    let from: WalletId = field("/from", &body.from)?;
    let to: WalletId = field("/to", &body.to)?;
    let request = TransferRequest {
        transfer_id,
        from,
        to,
        amount: body.amount.money("/amount")?,
        quote: body.quote.map(|quote| Quote {
            from: from.currency,
            to: to.currency,
            numerator: quote.numerator,
            denominator: quote.denominator,
            source: quote.source,
            quoted_at: quote.quoted_at,
            expires_at: quote.expires_at,
        }),
        description: body.description,
    };
    let done = gateway
        .app
        .request_transfer(request, &write.context)
        .await?;
    let answer = Created {
        id: transfer_id.to_string(),
        position: done.position,
        replayed: done.replayed,
    };
    Ok(created(&format!("/v1/transfers/{transfer_id}"), answer))
}
