//! Months of the book: which are closed, and closing one.

use axum::Json as JsonAnswer;
use axum::extract::State;
use chrono::NaiveDate;
use kvit_projections::queries::oversight;
use kvit_projections::queries::projection::{LEDGER, PAYMENTS};
use kvit_projections::queries::{accounts, wait_for};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::answer::{Fresh, Whole};
use super::reason;
use super::users_work::Because;
use super::view::oversight::Period;
use crate::auth::{Administering, Read, Viewing, Write, behind};
use crate::http::extract::{Json, Path};
use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

/// The closed months, the last first
#[utoipa::path(get, path = "/v1/periods", tag = "ledger",
    responses((status = 200, description = "Closed months, at most 200.", body = Whole<Period>, headers(("X-Projection-Position" = i64)))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn list_periods(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
) -> Answer<Fresh<Whole<Period>>> {
    read.reach(&gateway, &[PAYMENTS]).await?;
    Ok(Fresh::whole(oversight::periods(&gateway.pool).await?))
}

/// A month that is closed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClosedPeriod {
    /// A read with this as `at_least` shows it.
    #[schema(example = 1207)]
    pub position: i64,
    /// Whether it was closed before; then nothing was changed.
    pub replayed: bool,
    /// What was sealed with it: the month's debits by currency, minor units as text. Absent when it was closed before;
    /// `GET /v1/periods` has them.
    pub totals: Option<BTreeMap<String, String>>,
}

fn month_of(text: &str) -> Answer<NaiveDate> {
    let digits =
        |part: &str, count: usize| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-')
        .filter(|(year, month)| digits(year, 4) && digits(month, 2))
        .and_then(|_| format!("{text}-01").parse().ok())
        .ok_or_else(|| Problem::new("invalid_path", "a month such as 2026-10 is expected"))
}

/// Close a month
///
/// From now on nothing is booked with a value date inside it; corrections are booked in the open period and name what they
/// correct. Months are closed in order, some days after their end. The sums of the month, as they are at this moment, are
/// sealed with it.
#[utoipa::path(post, path = "/v1/periods/{month}/close", tag = "ledger", request_body = Because,
    params(("month" = String, Path, description = "The month.", example = "2026-10")),
    responses((status = 200, description = "The month is closed.", body = ClosedPeriod)),
    security(("api_key" = ["admin"])))]
pub async fn close_period(
    write: Write<Administering>,
    State(gateway): State<Gateway>,
    Path(month): Path<String>,
    Json(body): Json<Because>,
) -> Answer<JsonAnswer<ClosedPeriod>> {
    let month = month_of(&month)?;
    let reason = reason(body.reason)?;
    let head = gateway.app.head().await?;
    // The sums change with every booking, so a repeat would not be the same command: what is closed is answered as such.
    let closed = gateway.app.book().await?.closed_month;
    if closed.is_some_and(|closed| month <= closed) {
        return Ok(JsonAnswer(ClosedPeriod {
            position: head,
            replayed: true,
            totals: None,
        }));
    }
    let wait_max = gateway.settings.at_least_wait_max;
    wait_for(&gateway.pool, &[LEDGER], head, wait_max)
        .await
        .map_err(|error| behind(error, head))?;
    let sums = accounts::period_totals(&gateway.pool, month).await?;
    let done = gateway
        .app
        .close_period(
            month,
            sums.position,
            sums.data.clone(),
            reason,
            &write.context,
        )
        .await?;
    Ok(JsonAnswer(ClosedPeriod {
        position: done.position,
        replayed: done.replayed,
        totals: Some(sums.data),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_month_is_written_with_four_and_two_digits() {
        assert_eq!(
            month_of("2026-10").unwrap(),
            NaiveDate::from_ymd_opt(2026, 10, 1).unwrap()
        );
        for wrong in [
            "2026-13",
            "2026-1",
            "26-10",
            "2026-10-01",
            "+026-10",
            "",
            "-",
        ] {
            assert_eq!(
                month_of(wrong).unwrap_err().code(),
                "invalid_path",
                "{wrong}"
            );
        }
    }
}
