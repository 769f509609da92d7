//! The JSON API under `/v1`. One line registers a route together with its description, so neither can miss.
#![allow(
    unused_qualifications,
    reason = "the macro of the description qualifies the types that it is given"
)]

mod accounts;
mod adjustments;
mod adjustments_work;
mod answer;
mod bulk;
mod campaigns;
mod campaigns_work;
mod dead_letters;
mod jobs;
mod jobs_work;
mod keys;
mod ledger;
mod moment;
mod notifications;
mod payments;
mod payments_work;
mod payouts;
mod payouts_work;
mod periods;
mod photos;
mod projections;
mod providers;
mod receipts;
mod reconciliation;
mod reconciliation_work;
mod reports;
mod review;
mod streams;
mod terms;
mod transfers;
mod transfers_work;
mod users;
mod users_work;
mod view;
mod wallets;

use std::fmt::Display;
use std::str::FromStr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::problem::{Answer, Problem};
use crate::parts::Gateway;

const REASON_CHARS_MAX: usize = 500;

/// A page of a list without filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// From `links.next`.
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when absent.
    limit: Option<u32>,
}

/// A person's reason, which becomes part of the history.
fn reason(text: String) -> Answer<String> {
    let text = text.trim().to_owned();
    if (1..=REASON_CHARS_MAX).contains(&text.chars().count()) {
        return Ok(text);
    }
    Err(Problem::new(
        "review_reason_required",
        format!("say why, in 1 to {REASON_CHARS_MAX} characters"),
    )
    .field("/reason", "a reason is expected"))
}

/// The value of a filter, when it is one of those that exist.
fn known<T: Copy>(
    name: &str,
    asked: Option<&str>,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Answer<Option<T>> {
    let Some(asked) = asked else { return Ok(None) };
    let found = all.iter().copied().find(|value| code(*value) == asked);
    found.map(Some).ok_or_else(|| {
        let all: Vec<&str> = all.iter().map(|value| code(*value)).collect();
        Problem::new("invalid_query", "a query parameter is not as expected")
            .field(name, format!("one of {} is expected", all.join(", ")))
    })
}

/// The value of a field of a body, when it is one of those that exist.
fn named<T: Copy>(
    pointer: &str,
    given: Option<&str>,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> Answer<Option<T>> {
    let Some(given) = given else { return Ok(None) };
    let found = all.iter().copied().find(|value| code(*value) == given);
    found.map(Some).ok_or_else(|| {
        let all: Vec<&str> = all.iter().map(|value| code(*value)).collect();
        wrong(pointer, &format!("one of {} is expected", all.join(", ")))
    })
}

/// A field of a body that is written as a text, such as the id of a wallet.
fn field<T>(pointer: &str, text: &str) -> Answer<T>
where
    T: FromStr<Err: Display>,
{
    text.parse()
        .map_err(|error: T::Err| wrong(pointer, &error.to_string()))
}

/// A field of a body is not as expected.
fn wrong(pointer: &str, detail: &str) -> Problem {
    Problem::new("invalid_body", "a field of the body is not as expected").field(pointer, detail)
}

/// All routes with their description.
pub(crate) fn routes() -> (Router<Gateway>, OpenApi) {
    // The only body that may be larger than the others.
    let bulk = OpenApiRouter::new()
        .routes(routes!(bulk::run_bulk))
        .layer(DefaultBodyLimit::max(bulk::BULK_BYTES_MAX));
    OpenApiRouter::with_openapi(crate::openapi::frame())
        .merge(bulk)
        .routes(routes!(wallets::user_wallets))
        .routes(routes!(wallets::wallet))
        .routes(routes!(wallets::balance_at))
        .routes(routes!(wallets::statement))
        .routes(routes!(wallets::holds))
        .routes(routes!(wallets::wallet_whereabouts))
        .routes(routes!(ledger::transaction))
        .routes(routes!(ledger::trial_balance))
        .routes(routes!(streams::stream_events))
        .routes(routes!(receipts::list_receipts))
        .routes(routes!(receipts::receipt))
        .routes(routes!(photos::receipt_preview))
        .routes(routes!(photos::receipt_image))
        .routes(routes!(receipts::review_queue))
        .routes(routes!(review::decide_review))
        .routes(routes!(review::correct_receipt))
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(accounts::account_balance))
        .routes(routes!(accounts::account_statement))
        .routes(routes!(periods::list_periods))
        .routes(routes!(periods::close_period))
        .routes(routes!(
            payments::list_payments,
            payments_work::start_payment
        ))
        .routes(routes!(payments::payment))
        .routes(routes!(payments::list_refunds))
        .routes(routes!(payments::refund))
        .routes(routes!(payments_work::capture_payment))
        .routes(routes!(payments_work::cancel_payment))
        .routes(routes!(payments_work::start_refund))
        .routes(routes!(payments_work::resolve_quarantine))
        .routes(routes!(payments_work::give_refund_up))
        .routes(routes!(
            transfers::list_transfers,
            transfers_work::start_transfer
        ))
        .routes(routes!(transfers::transfer))
        .routes(routes!(
            adjustments::list_adjustments,
            adjustments_work::propose_adjustment
        ))
        .routes(routes!(adjustments::adjustment_queue))
        .routes(routes!(adjustments::adjustment))
        .routes(routes!(adjustments_work::approve_adjustment))
        .routes(routes!(adjustments_work::decline_adjustment))
        .routes(routes!(providers::list_providers))
        .routes(routes!(providers::stop_provider))
        .routes(routes!(providers::resume_provider))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(reconciliation::list_statements))
        .routes(routes!(reconciliation::list_breaks))
        .routes(routes!(reconciliation_work::assign_break))
        .routes(routes!(reconciliation_work::resolve_break))
        .routes(routes!(reconciliation_work::run_comparison))
        .routes(routes!(payouts::list_payouts, payouts_work::start_payout))
        .routes(routes!(payouts::payout))
        .routes(routes!(payouts_work::retry_payout))
        .routes(routes!(payouts_work::resolve_payout))
        .routes(routes!(payouts_work::cancel_payout))
        .routes(routes!(jobs::list_jobs, jobs_work::request_job))
        .routes(routes!(jobs::job))
        .routes(routes!(jobs_work::start_job))
        .routes(routes!(jobs_work::progress_job))
        .routes(routes!(jobs_work::complete_job))
        .routes(routes!(jobs_work::fail_job))
        .routes(routes!(jobs_work::cancel_job))
        .routes(routes!(
            campaigns::list_campaigns,
            campaigns_work::draft_campaign
        ))
        .routes(routes!(campaigns::campaign))
        .routes(routes!(campaigns_work::activate_campaign))
        .routes(routes!(campaigns_work::pause_campaign))
        .routes(routes!(campaigns_work::change_campaign))
        .routes(routes!(campaigns::list_products))
        .routes(routes!(campaigns_work::put_product))
        .routes(routes!(users::list_users))
        .routes(routes!(users::user))
        .routes(routes!(users_work::ban_user))
        .routes(routes!(users_work::unban_user))
        .routes(routes!(reports::daily_report))
        .routes(routes!(projections::projections))
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::replay_dead_letter))
        .routes(routes!(dead_letters::drop_dead_letter))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::revoke_key))
        .split_for_parts()
}
