//! The photo of a receipt, for people who check it.

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use kvit_domain::ids::ReceiptId;
use uuid::Uuid;

use crate::auth::{Admit, Inspecting};
use crate::http::extract::Path;
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// A small picture of a receipt
///
/// JPEG of at most 300 KB.
#[utoipa::path(get, path = "/v1/receipts/{receipt_id}/preview", tag = "receipts",
    params(("receipt_id" = Uuid, Path, description = "The receipt.")),
    responses((status = 200, description = "The picture.", body = Vec<u8>, content_type = "image/jpeg")),
    security(("api_key" = ["auditor", "operator", "admin"])))]
pub async fn receipt_preview(
    _: Admit<Inspecting>,
    State(gateway): State<Gateway>,
    Path(receipt_id): Path<Uuid>,
) -> Answer<Response> {
    let bytes = gateway.app.receipt_preview(ReceiptId(receipt_id)).await?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], bytes).into_response())
}

/// The photo of a receipt as it was sent
#[utoipa::path(get, path = "/v1/receipts/{receipt_id}/image", tag = "receipts",
    params(("receipt_id" = Uuid, Path, description = "The receipt.")),
    responses((status = 200, description = "The photo.", body = Vec<u8>, content_type = "image/*")),
    security(("api_key" = ["auditor", "operator", "admin"])))]
pub async fn receipt_image(
    _: Admit<Inspecting>,
    State(gateway): State<Gateway>,
    Path(receipt_id): Path<Uuid>,
) -> Answer<Response> {
    let (bytes, content_type) = gateway.app.receipt_image(ReceiptId(receipt_id)).await?;
    let content_type =
        HeaderValue::from_str(&content_type).map_err(|error| Problem::fatal(&error))?;
    let disposition = HeaderValue::from_static("inline");
    Ok((
        [
            (CONTENT_TYPE, content_type),
            (CONTENT_DISPOSITION, disposition),
        ],
        bytes,
    )
        .into_response())
}
