//! How things stand now, for gauges: cheap enough to be asked every few seconds.
//!
//! Counts by state are sums of the daily figures, a few rows a day, and not a walk over all receipts and payouts.

use std::collections::BTreeMap;

use kvit_domain::job::JobState;
use kvit_domain::money::Currency;
use kvit_domain::payment::{PaymentState, RefundState};
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
const PAYMENT_STATES: [PaymentState; 8] = [
    PaymentState::Intended,
    PaymentState::Sending,
    PaymentState::Pending,
    PaymentState::AwaitingCapture,
    PaymentState::Succeeded,
    PaymentState::Canceled,
    PaymentState::Quarantined,
    PaymentState::Resolved,
];
const REFUND_STATES: [RefundState; 5] = [
    RefundState::Intended,
    RefundState::Sending,
    RefundState::Pending,
    RefundState::Succeeded,
    RefundState::Failed,
];
/// Why payouts wait.
const POSTPONED: [&str; 3] = ["daily_budget", "breaker", "kill_switch"];
/// After this time a refund that is not finished counts as stuck, in seconds: providers finish them in minutes.
const REFUND_STUCK_SECONDS: i64 = 3_600;

const PAYOUT_STATES: [PayoutState; 10] = [
    PayoutState::New,
    PayoutState::Held,
    PayoutState::Created,
    PayoutState::Sent,
    PayoutState::Pending,
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
    /// Payouts that wait for a budget, a breaker or a person, by reason.
    pub postponed: BTreeMap<String, i64>,
    /// Payments by state, all providers and currencies together.
    pub payments: BTreeMap<String, i64>,
    /// Refunds by state.
    pub refunds: BTreeMap<String, i64>,
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
    /// Seconds that a provider has had the oldest payout without finishing it.
    pub payout_pending_oldest_seconds: i64,
    /// Seconds that the payout waits that was postponed first.
    pub payout_postponed_oldest_seconds: i64,
    /// Payouts against whose final state the provider says something.
    pub payouts_contradicted: i64,
    /// Seconds since somebody wanted to make the oldest payment that is not finished.
    pub payment_open_oldest_seconds: i64,
    /// Payments that are not finished although nobody waits for them any more.
    pub payments_overdue: i64,
    /// Payments that a person must decide.
    pub payments_quarantined: i64,
    /// Payments against whose final state the provider says something.
    pub payments_contradicted: i64,
    /// Refunds that are not finished after an hour.
    pub refunds_stuck: i64,
    /// Seconds since the oldest refund that is not finished was asked for.
    pub refund_open_oldest_seconds: i64,
    /// Seconds since the oldest transfer that is not completed was asked for.
    pub transfer_held_oldest_seconds: i64,
    /// Adjustments that wait for a second person.
    pub adjustments_proposed: i64,
    /// Notifications about which the provider has not been asked.
    pub notifications_waiting: i64,
    /// Seconds since the oldest of them came.
    pub notification_oldest_seconds: i64,
    /// Notifications that speak of nothing that is ours, all that ever came.
    pub notifications_quarantined: i64,
    /// Differences between statements and our books that nobody has resolved.
    pub open_breaks: i64,
    /// Seconds since the oldest of them was found.
    pub break_oldest_seconds: i64,
    /// Providers by name: 1 when a person stopped payouts through it or its breaker is open, else 0. Only those whose
    /// switch was ever touched.
    pub providers_stopped: BTreeMap<String, i64>,
}

impl Gauges {
    fn zero() -> Self {
        let zeros = |codes: &[&str]| codes.iter().map(|code| ((*code).to_owned(), 0)).collect();
        Self {
            receipts: zeros(&RECEIPT_STATES.map(ReceiptState::code)),
            payouts: zeros(&PAYOUT_STATES.map(PayoutState::code)),
            postponed: zeros(&POSTPONED),
            payments: zeros(&PAYMENT_STATES.map(PaymentState::code)),
            refunds: zeros(&REFUND_STATES.map(RefundState::code)),
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
            figure::PAYOUT_STATE => (&mut self.payouts, without_provider(detail)),
            figure::POSTPONED => (&mut self.postponed, without_provider(detail)),
            figure::PAYMENT_STATE => (&mut self.payments, without_provider(detail)),
            figure::REFUND_STATE => (&mut self.refunds, without_provider(detail)),
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

/// The second part of `<provider>:<state>`.
fn without_provider(detail: &str) -> &str {
    detail.split_once(':').map_or(detail, |(_, state)| state)
}

/// How things stand, by the database's clock.
///
/// # Errors
/// [`Fault`].
pub async fn gauges(pool: &PgPool) -> Result<AsOf<Gauges>, Fault> {
    let names = [
        projection::DAILY,
        projection::RECEIPTS,
        projection::PAYOUTS,
        projection::PAYMENTS,
    ];
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
        figure::POSTPONED,
        figure::PAYMENT_STATE,
        figure::REFUND_STATE,
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
                coalesce((SELECT extract(epoch FROM now() - min(unknown_since)) FROM {payouts}.payouts
                           WHERE state IN ('unknown', 'in_review')), 0)::bigint,
                coalesce((SELECT extract(epoch FROM now() - min(pending_since)) FROM {payouts}.payouts
                           WHERE state = 'pending'), 0)::bigint,
                coalesce((SELECT extract(epoch FROM now() - min(postponed_since)) FROM {payouts}.payouts
                           WHERE postponed IS NOT NULL), 0)::bigint,
                (SELECT count(*) FROM {payouts}.payouts WHERE contradicted IS NOT NULL)
           FROM {receipts}.receipts WHERE review_since IS NOT NULL",
        payouts = view.schema(2),
        receipts = view.schema(1)
    );
    if let Some(row) = view.fetch(&sql, arguments![]).await?.first() {
        gauges.review_queue = row.try_get(0)?;
        gauges.review_oldest_seconds = row.try_get::<i64, _>(1)?.max(0);
        gauges.payout_unknown_oldest_seconds = row.try_get::<i64, _>(2)?.max(0);
        gauges.payout_pending_oldest_seconds = row.try_get::<i64, _>(3)?.max(0);
        gauges.payout_postponed_oldest_seconds = row.try_get::<i64, _>(4)?.max(0);
        gauges.payouts_contradicted = row.try_get(5)?;
    }
    of_money(&mut view, &mut gauges).await?;
    Ok(view.as_of(gauges))
}

/// What stands in the read models of payments: only rows that are not finished are looked at.
async fn of_money(view: &mut View, gauges: &mut Gauges) -> Result<(), Fault> {
    let sql = format!(
        "SELECT p.oldest, p.overdue, p.quarantined, p.contradicted, r.stuck, r.oldest, t.oldest, a.proposed,
                n.waiting, n.oldest, n.quarantined, b.open, b.oldest
           FROM (SELECT coalesce(extract(epoch FROM now() - min(intended_at)
                                   FILTER (WHERE state <> 'quarantined')), 0)::bigint AS oldest,
                        count(*) FILTER (WHERE expires_at <= now() AND state <> 'quarantined') AS overdue,
                        count(*) FILTER (WHERE state = 'quarantined') AS quarantined,
                        (SELECT count(*) FROM {schema}.payments WHERE contradicted IS NOT NULL) AS contradicted
                   FROM {schema}.payments
                  WHERE state IN ('intended', 'sending', 'pending', 'awaiting_capture', 'quarantined')) p,
                (SELECT count(*) FILTER (WHERE intended_at <= now() - make_interval(secs => $1::bigint)) AS stuck,
                        coalesce(extract(epoch FROM now() - min(intended_at)), 0)::bigint AS oldest
                   FROM {schema}.refunds WHERE state IN ('intended', 'sending', 'pending')) r,
                (SELECT coalesce(extract(epoch FROM now() - min(requested_at)), 0)::bigint AS oldest
                   FROM {schema}.transfers WHERE state = 'held') t,
                (SELECT count(*) AS proposed FROM {schema}.adjustments WHERE state = 'proposed') a,
                (SELECT count(*) FILTER (WHERE state = 'received') AS waiting,
                        coalesce(extract(epoch FROM now() - min(received_at)
                                   FILTER (WHERE state = 'received')), 0)::bigint AS oldest,
                        count(*) FILTER (WHERE state = 'quarantined') AS quarantined
                   FROM {schema}.notifications WHERE state IN ('received', 'quarantined')) n,
                (SELECT count(*) AS open, coalesce(extract(epoch FROM now() - min(opened_at)), 0)::bigint AS oldest
                   FROM {schema}.breaks WHERE state = 'open') b",
        schema = view.schema(3)
    );
    if let Some(row) = view
        .fetch(&sql, arguments![REFUND_STUCK_SECONDS])
        .await?
        .first()
    {
        let mut places = [
            &mut gauges.payment_open_oldest_seconds,
            &mut gauges.payments_overdue,
            &mut gauges.payments_quarantined,
            &mut gauges.payments_contradicted,
            &mut gauges.refunds_stuck,
            &mut gauges.refund_open_oldest_seconds,
            &mut gauges.transfer_held_oldest_seconds,
            &mut gauges.adjustments_proposed,
            &mut gauges.notifications_waiting,
            &mut gauges.notification_oldest_seconds,
            &mut gauges.notifications_quarantined,
            &mut gauges.open_breaks,
            &mut gauges.break_oldest_seconds,
        ];
        for (index, place) in places.iter_mut().enumerate() {
            **place = row.try_get::<i64, _>(index)?.max(0);
        }
    }
    let sql = format!(
        "SELECT provider, (stopped IS NOT NULL OR coalesce(breaker_until > now(), false))::int::bigint
           FROM {}.providers",
        view.schema(3)
    );
    for row in view.fetch(&sql, arguments![]).await? {
        gauges
            .providers_stopped
            .insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(())
}
