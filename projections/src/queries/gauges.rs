//! How things stand now, for gauges: cheap enough to be asked every few seconds.
//!
//! Counts by state are sums of the daily figures, a few rows a day, and not a walk over all receipts and payouts.

use std::collections::BTreeMap;

use kvit_domain::job::JobState;
use kvit_domain::money::Currency;
use kvit_domain::payout::PayoutState;
use kvit_domain::receipt::ReceiptState;
use sqlx::{PgPool, Row};

use super::{AsOf, View, arguments, projection};
use crate::column::{Column, Wide};
use crate::error::Fault;
use crate::fold::daily::figure;

/// The refusal that an attempt to spend more than there is ends with.
const INSUFFICIENT_FUNDS: &str = "insufficient_funds";

/// States that the maps always name, so that a gauge returns to zero. The state before the first event is none.
const RECEIPT_STATES: [ReceiptState; 7] = [
    ReceiptState::Submitted,
    ReceiptState::Recognised,
    ReceiptState::RecognitionFailed,
    ReceiptState::InReview,
    ReceiptState::Accepted,
    ReceiptState::Rejected,
    ReceiptState::Rewarded,
];
const PAYOUT_STATES: [PayoutState; 9] = [
    PayoutState::New,
    PayoutState::Held,
    PayoutState::Created,
    PayoutState::Sent,
    PayoutState::Unknown,
    PayoutState::Succeeded,
    PayoutState::Failed,
    PayoutState::InReview,
    PayoutState::Reversed,
];
const JOB_STATES: [JobState; 7] = [
    JobState::Pending,
    JobState::Processing,
    JobState::Completed,
    JobState::Delivered,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Expired,
];

/// How things stand. Each map names what is zero, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Receipts by state.
    pub receipts: BTreeMap<String, i64>,
    /// Payouts by state, all providers and currencies together.
    pub payouts: BTreeMap<String, i64>,
    /// Jobs by state.
    pub jobs: BTreeMap<String, i64>,
    /// Held in wallets by currency code, minor units.
    pub held_minor: BTreeMap<String, Wide>,
    /// Refused ledger commands since the beginning, by code.
    pub refusals: BTreeMap<String, i64>,
    /// Receipts that a person must look at.
    pub review_queue: i64,
    /// Seconds that the first of them has waited; 0 when there is none.
    pub review_oldest_seconds: i64,
    /// Seconds since when nobody knows whether the money of some payout moved, those in review included; 0 when there is
    /// no such payout.
    pub payout_unknown_oldest_seconds: i64,
}

impl Gauges {
    fn zero() -> Self {
        let zeros = |codes: &[&str]| codes.iter().map(|code| ((*code).to_owned(), 0)).collect();
        Self {
            receipts: zeros(&RECEIPT_STATES.map(ReceiptState::code)),
            payouts: zeros(&PAYOUT_STATES.map(PayoutState::code)),
            jobs: zeros(&JOB_STATES.map(JobState::code)),
            held_minor: Currency::ALL
                .map(|currency| (currency.code().to_owned(), Wide(0)))
                .into(),
            refusals: zeros(&[INSUFFICIENT_FUNDS]),
            ..Self::default()
        }
    }

    fn take(&mut self, figure: &str, detail: &str, currency: &str, count: i64, minor: Wide) {
        let (counts, name) = match figure {
            figure::RECEIPT_STATE => (&mut self.receipts, detail),
            // `<provider>:<state>`.
            figure::PAYOUT_STATE => (
                &mut self.payouts,
                detail.split_once(':').map_or(detail, |(_, state)| state),
            ),
            figure::JOB_STATE => (&mut self.jobs, detail),
            figure::REFUSALS => (&mut self.refusals, detail),
            _ => {
                let held = self.held_minor.entry(currency.to_owned()).or_default();
                held.0 = held.0.saturating_add(minor.0);
                return;
            }
        };
        let sum = counts.entry(name.to_owned()).or_default();
        *sum = sum.saturating_add(count);
    }
}

/// How things stand, by the database's clock.
///
/// # Errors
/// [`Fault`].
pub async fn gauges(pool: &PgPool) -> Result<AsOf<Gauges>, Fault> {
    let names = [projection::DAILY, projection::RECEIPTS, projection::PAYOUTS];
    let mut view = View::open(pool, &names).await?;
    let mut gauges = Gauges::zero();
    let sql = format!(
        "SELECT figure, detail, currency, sum(count)::bigint, sum(minor)::text FROM {}.figures
          WHERE figure = ANY($1) GROUP BY figure, detail, currency",
        view.schema(0)
    );
    let wanted = [
        figure::RECEIPT_STATE,
        figure::PAYOUT_STATE,
        figure::JOB_STATE,
        figure::REFUSALS,
        figure::HELD,
    ];
    for row in view.fetch(&sql, arguments![&wanted[..]]).await? {
        let minor = Wide::from_wire(row.try_get(4)?).map_err(Fault::Fatal)?;
        gauges.take(
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            minor,
        );
    }
    let sql = format!(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(review_since)), 0)::bigint,
                coalesce((SELECT extract(epoch FROM now() - min(unknown_since)) FROM {}.payouts
                           WHERE state IN ('unknown', 'in_review')), 0)::bigint
           FROM {}.receipts WHERE review_since IS NOT NULL",
        view.schema(2),
        view.schema(1)
    );
    if let Some(row) = view.fetch(&sql, arguments![]).await?.first() {
        gauges.review_queue = row.try_get(0)?;
        gauges.review_oldest_seconds = row.try_get::<i64, _>(1)?.max(0);
        gauges.payout_unknown_oldest_seconds = row.try_get::<i64, _>(2)?.max(0);
    }
    Ok(view.as_of(gauges))
}
