//! The daily report, as JSON and as CSV. Both are made of the same view, so they cannot differ.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::{Datelike, NaiveDate};
use kvit_domain::money::Currency;
use kvit_projections::column::Wide;
use kvit_projections::queries::daily::{self, CountedMoney, DailyReport};
use kvit_projections::queries::projection::DAILY;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Fresh, at_position};
use crate::auth::{Read, Viewing};
use crate::http::amount::{Amount, wide};
use crate::http::extract::Path;
use crate::http::problem::{Answer, Problem};
use crate::http::table::Table;
use crate::parts::Gateway;

/// How many and how much.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counted {
    /// How many.
    pub count: i64,
    /// How much.
    pub amount: Amount,
}

fn counted(counted: CountedMoney, currency: Currency) -> Answer<Counted> {
    Ok(Counted {
        count: counted.count,
        amount: wide(counted.minor, currency)?,
    })
}

/// People on the day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsersReport {
    /// Accounts at the end of the day, forgotten ones left out.
    pub total: i64,
    /// Registered on the day.
    pub new: i64,
    /// Did something on the day.
    pub active: i64,
    /// Forgotten on the day.
    pub forgotten: i64,
    /// Registered seven days before.
    pub cohort_7d: i64,
    /// Of these, did something on the day.
    pub retained_7d: i64,
}

/// Receipts on the day.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiptsReport {
    /// Submitted.
    pub submitted: i64,
    /// Accepted.
    pub accepted: i64,
    /// Rejected.
    pub rejected: i64,
    /// Sent to a person.
    pub review_requested: i64,
    /// Could not be read.
    pub recognition_failed: i64,
    /// Rejections by reason; a receipt can have several.
    pub rejected_by_reason: BTreeMap<String, i64>,
    /// Requests for review by reason.
    pub review_by_reason: BTreeMap<String, i64>,
    /// In review at the end of the day.
    pub in_review: i64,
    /// By state at the end of the day.
    pub by_state: BTreeMap<String, i64>,
}

/// How far the receipts that were uploaded on the day have got by now.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelReport {
    /// Uploaded on the day.
    pub uploaded: i64,
    /// Of these accepted by now.
    pub accepted: i64,
    /// Of these paid out by now.
    pub paid: i64,
}

/// Money of one currency on the day, from the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct MoneyReport {
    /// The currency.
    #[schema(example = "UAH")]
    pub currency: String,
    /// Rewards credited.
    pub rewards: Amount,
    /// Money that came in.
    pub topped_up: Amount,
    /// Money that left wallets towards people.
    pub paid_out: Amount,
    /// Spent on jobs.
    pub jobs: Amount,
    /// Effect on wallets by kind of transaction.
    pub by_kind: BTreeMap<String, Counted>,
    /// Change of each account on its normal side.
    pub by_account: BTreeMap<String, Amount>,
    /// Holds of the day: `placed`, `captured`, `released`, `expired`.
    pub holds: BTreeMap<String, Counted>,
    /// Held at the end of the day.
    pub held: Amount,
    /// Owed to users at the end of the day.
    pub wallets: Amount,
}

/// Payouts through one provider in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct PayoutsReport {
    /// The provider.
    #[schema(example = "portmone")]
    pub provider: String,
    /// The currency.
    #[schema(example = "UAH")]
    pub currency: String,
    /// Requested on the day.
    pub requested: Counted,
    /// Paid on the day.
    pub succeeded: Counted,
    /// Failed for good on the day.
    pub failed: Counted,
    /// Taken back on the day.
    pub reversed: Counted,
    /// Unknown at the end of the day.
    pub unknown: Counted,
    /// On their way at the end of the day.
    pub underway: Counted,
    /// What the ledger booked for payouts on the day.
    pub booked: Amount,
}

/// Jobs on the day.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobsReport {
    /// Jobs that entered a state on the day.
    pub entered: BTreeMap<String, i64>,
    /// Jobs by state at the end of the day.
    pub by_state: BTreeMap<String, i64>,
    /// Cost of the jobs completed on the day.
    pub cost: Vec<Amount>,
}

/// What happened on a day, and how things stood at its end.
#[derive(Debug, Serialize, ToSchema)]
pub struct DailyReportView {
    /// The day, in Kyiv.
    pub day: NaiveDate,
    /// People.
    pub users: UsersReport,
    /// Receipts.
    pub receipts: ReceiptsReport,
    /// From upload to payout.
    pub funnel: FunnelReport,
    /// Money by currency.
    pub money: Vec<MoneyReport>,
    /// Payouts by provider and currency.
    pub payouts: Vec<PayoutsReport>,
    /// Jobs.
    pub jobs: JobsReport,
    /// Refused ledger commands by code.
    pub refusals: BTreeMap<String, i64>,
}

fn currency(code: &str) -> Answer<Currency> {
    code.parse().map_err(|error| Problem::fatal(&error))
}

fn money(day: daily::MoneyOfDay) -> Answer<MoneyReport> {
    let of = currency(&day.currency)?;
    let all = |map: BTreeMap<String, CountedMoney>| -> Answer<BTreeMap<String, Counted>> {
        map.into_iter()
            .map(|(name, value)| Ok((name, counted(value, of)?)))
            .collect()
    };
    let amounts = |map: BTreeMap<String, Wide>| -> Answer<BTreeMap<String, Amount>> {
        map.into_iter()
            .map(|(name, value)| Ok((name, wide(value, of)?)))
            .collect()
    };
    Ok(MoneyReport {
        rewards: wide(day.rewards_minor, of)?,
        topped_up: wide(day.topped_up_minor, of)?,
        paid_out: wide(day.paid_out_minor, of)?,
        jobs: wide(day.jobs_minor, of)?,
        by_kind: all(day.by_kind)?,
        by_account: amounts(day.by_account)?,
        holds: all(day.holds)?,
        held: wide(day.held_minor, of)?,
        wallets: wide(day.wallets_minor, of)?,
        currency: day.currency,
    })
}

fn payouts(day: daily::PayoutsOfDay) -> Answer<PayoutsReport> {
    let of = currency(&day.currency)?;
    Ok(PayoutsReport {
        provider: day.provider,
        requested: counted(day.requested, of)?,
        succeeded: counted(day.succeeded, of)?,
        failed: counted(day.failed, of)?,
        reversed: counted(day.reversed, of)?,
        unknown: counted(day.unknown, of)?,
        underway: counted(day.underway, of)?,
        booked: wide(day.booked_minor, of)?,
        currency: day.currency,
    })
}

fn shown(report: DailyReport) -> Answer<DailyReportView> {
    let (users, receipts, funnel) = (report.users, report.receipts, report.funnel);
    let cost = |(code, sum): (String, Wide)| -> Answer<Amount> { wide(sum, currency(&code)?) };
    Ok(DailyReportView {
        day: report.day,
        users: UsersReport {
            total: users.total,
            new: users.new,
            active: users.active,
            forgotten: users.forgotten,
            cohort_7d: users.cohort_7d,
            retained_7d: users.retained_7d,
        },
        receipts: ReceiptsReport {
            submitted: receipts.submitted,
            accepted: receipts.accepted,
            rejected: receipts.rejected,
            review_requested: receipts.review_requested,
            recognition_failed: receipts.recognition_failed,
            rejected_by_reason: receipts.rejected_by_reason,
            review_by_reason: receipts.review_by_reason,
            in_review: receipts.in_review,
            by_state: receipts.by_state,
        },
        funnel: FunnelReport {
            uploaded: funnel.uploaded,
            accepted: funnel.accepted,
            paid: funnel.paid,
        },
        money: report.money.into_iter().map(money).collect::<Answer<_>>()?,
        payouts: report
            .payouts
            .into_iter()
            .map(payouts)
            .collect::<Answer<_>>()?,
        jobs: JobsReport {
            entered: report.jobs.entered,
            by_state: report.jobs.by_state,
            cost: report
                .jobs
                .cost_minor
                .into_iter()
                .map(cost)
                .collect::<Answer<_>>()?,
        },
        refusals: report.refusals,
    })
}

/// Rows of the CSV: one figure a row, so that a new figure never moves a column.
struct Figures {
    day: String,
    rows: Vec<Vec<String>>,
}

impl Figures {
    fn row(&mut self, section: &str, figure: &str, count: Option<i64>, amount: Option<&Amount>) {
        self.rows.push(vec![
            self.day.clone(),
            section.to_owned(),
            figure.to_owned(),
            count.map(|count| count.to_string()).unwrap_or_default(),
            amount
                .map(|amount| amount.decimal.clone())
                .unwrap_or_default(),
            amount
                .map(|amount| amount.currency.clone())
                .unwrap_or_default(),
        ]);
    }

    fn counts(&mut self, section: &str, counts: &BTreeMap<String, i64>) {
        for (figure, count) in counts {
            self.row(section, figure, Some(*count), None);
        }
    }

    fn counted(&mut self, section: &str, figure: &str, counted: &Counted) {
        self.row(section, figure, Some(counted.count), Some(&counted.amount));
    }
}

/// The report as a table: one row a figure.
fn table(report: &DailyReportView) -> Table {
    let mut figures = Figures {
        day: report.day.to_string(),
        rows: Vec::new(),
    };
    let (users, receipts, funnel) = (&report.users, &report.receipts, &report.funnel);
    let plain = [
        ("users", "total", users.total),
        ("users", "new", users.new),
        ("users", "active", users.active),
        ("users", "forgotten", users.forgotten),
        ("users", "cohort_7d", users.cohort_7d),
        ("users", "retained_7d", users.retained_7d),
        ("receipts", "submitted", receipts.submitted),
        ("receipts", "accepted", receipts.accepted),
        ("receipts", "rejected", receipts.rejected),
        ("receipts", "review_requested", receipts.review_requested),
        (
            "receipts",
            "recognition_failed",
            receipts.recognition_failed,
        ),
        ("receipts", "in_review", receipts.in_review),
        ("funnel", "uploaded", funnel.uploaded),
        ("funnel", "accepted", funnel.accepted),
        ("funnel", "paid", funnel.paid),
    ];
    for (section, figure, count) in plain {
        figures.row(section, figure, Some(count), None);
    }
    figures.counts("receipts_rejected_by_reason", &receipts.rejected_by_reason);
    figures.counts("receipts_review_by_reason", &receipts.review_by_reason);
    figures.counts("receipts_by_state", &receipts.by_state);
    for money in &report.money {
        let sums = [
            ("rewards", &money.rewards),
            ("topped_up", &money.topped_up),
            ("paid_out", &money.paid_out),
            ("jobs", &money.jobs),
            ("held", &money.held),
            ("wallets", &money.wallets),
        ];
        for (figure, amount) in sums {
            figures.row("money", figure, None, Some(amount));
        }
        for (kind, value) in &money.by_kind {
            figures.counted("money_by_kind", kind, value);
        }
        for (account, amount) in &money.by_account {
            figures.row("money_by_account", account, None, Some(amount));
        }
        for (what, value) in &money.holds {
            figures.counted("holds", what, value);
        }
    }
    for payouts in &report.payouts {
        let section = format!("payouts_{}", payouts.provider);
        let lines = [
            ("requested", &payouts.requested),
            ("succeeded", &payouts.succeeded),
            ("failed", &payouts.failed),
            ("reversed", &payouts.reversed),
            ("unknown", &payouts.unknown),
            ("underway", &payouts.underway),
        ];
        for (figure, value) in lines {
            figures.counted(&section, figure, value);
        }
        figures.row(&section, "booked", None, Some(&payouts.booked));
    }
    figures.counts("jobs_entered", &report.jobs.entered);
    figures.counts("jobs_by_state", &report.jobs.by_state);
    for amount in &report.jobs.cost {
        figures.row("jobs", "cost", None, Some(amount));
    }
    figures.counts("refusals", &report.refusals);
    Table {
        name: format!("kvit-daily-{}", report.day),
        head: ["day", "section", "figure", "count", "amount", "currency"]
            .map(str::to_owned)
            .to_vec(),
        rows: figures.rows,
    }
}

/// Whether the caller likes CSV better than JSON: it names CSV and names JSON not before it.
fn likes_csv(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(ACCEPT)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let accept = String::from_utf8_lossy(accept).to_ascii_lowercase();
    match (accept.find("text/csv"), accept.find("application/json")) {
        (Some(csv), Some(json)) => csv < json,
        (csv, _) => csv.is_some(),
    }
}

/// The report of a day
///
/// JSON, or CSV when the address ends in `.csv` or the header `Accept` says `text/csv`. A day without events gives zeros.
#[utoipa::path(get, path = "/v1/reports/daily/{date}", tag = "reports",
    params(("date" = String, Path, description = "The day in Kyiv, `YYYY-MM-DD`, or with `.csv` behind it.", example = "2026-11-20")),
    responses((status = 200, description = "The report.", headers(("X-Projection-Position" = i64)), content(
        (DailyReportView = "application/json"), (String = "text/csv")))),
    security(("api_key" = ["viewer", "auditor", "operator", "admin"])))]
pub async fn daily_report(
    read: Read<Viewing>,
    State(gateway): State<Gateway>,
    Path(date): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (date, as_csv) = match date.strip_suffix(".csv") {
        Some(date) => (date, true),
        None => (date.as_str(), likes_csv(&headers)),
    };
    let day = NaiveDate::parse_from_str(date, "%Y-%m-%d")
        .ok()
        .filter(|day| (1970..=9999).contains(&day.year()))
        .ok_or_else(|| Problem::new("invalid_path", "a day such as 2026-11-20 is expected"))?;
    read.reach(&gateway, &[DAILY]).await?;
    let answer = daily::daily_report(&gateway.pool, day).await?;
    let view = shown(answer.data)?;
    if as_csv {
        return Ok(at_position(answer.position, table(&view).into_csv()?));
    }
    Ok(Fresh {
        position: answer.position,
        body: view,
    }
    .into_response())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn csv_is_sent_to_those_who_ask_for_it_only() {
        let likes = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            likes_csv(&headers)
        };
        assert!(likes("text/csv"));
        assert!(likes("text/csv, application/json;q=0.5"));
        assert!(!likes("application/json, text/csv"));
        assert!(!likes("*/*"));
    }
}
