//! Gauges of how things stand: receipts, payments, payouts, refunds and jobs by state, money that is held, what waits for a
//! person and for how long, the dead letters.
//!
//! Every process that runs this tells the same figures, so a panel takes their maximum and not their sum. No lease: a
//! figure that stands still because another process has the lease would look like calm.

pub mod payout_balance;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kvit_adapters::nats::DEAD;
use kvit_projections::queries::gauges::{Gauges, gauges};

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

const EVERY: Duration = Duration::from_secs(10);

const DEAD_LETTERS: &str = "kvit_dead_letters";
const HELD: &str = "kvit_wallets_held_minor";
const REFUSALS: &str = "kvit_refusals_total";

/// A gauge without labels: its name, what it says, where it comes from.
type Figure = (&'static str, &'static str, fn(&Gauges) -> i64);
/// Gauges with one label: their name, the label, what they say, where they come from. Labels are of closed lists.
type Figures = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Gauges) -> &BTreeMap<String, i64>,
);

const BY_LABEL: [Figures; 7] = [
    ("kvit_receipts", "state", "Receipts by state.", |g| {
        &g.receipts
    }),
    ("kvit_payments", "state", "Payments by state.", |g| {
        &g.payments
    }),
    ("kvit_refunds", "state", "Refunds by state.", |g| &g.refunds),
    ("kvit_payouts", "state", "Payouts by state.", |g| &g.payouts),
    (
        "kvit_payouts_postponed",
        "reason",
        "Payouts that wait for a budget, a breaker or a person, by reason.",
        |g| &g.postponed,
    ),
    ("kvit_jobs", "state", "Jobs by state.", |g| &g.jobs),
    (
        "kvit_provider_stopped",
        "provider",
        "1 when a person stopped payouts through the provider or its breaker is open, else 0.",
        |g| &g.providers_stopped,
    ),
];

const FIGURES: [Figure; 19] = [
    (
        "kvit_review_queue",
        "Receipts that a person must look at.",
        |g| g.review_queue,
    ),
    (
        "kvit_review_oldest_seconds",
        "How long the first receipt in review has waited.",
        |g| g.review_oldest_seconds,
    ),
    (
        "kvit_payout_unknown_oldest_seconds",
        "Since when nobody knows of some payout whether its money moved.",
        |g| g.payout_unknown_oldest_seconds,
    ),
    (
        "kvit_payout_pending_oldest_seconds",
        "How long a provider has had the oldest payout without finishing it.",
        |g| g.payout_pending_oldest_seconds,
    ),
    (
        "kvit_payout_postponed_oldest_seconds",
        "How long the payout has waited that was postponed first.",
        |g| g.payout_postponed_oldest_seconds,
    ),
    (
        "kvit_payment_open_oldest_seconds",
        "Age of the oldest payment that is not finished; those in quarantine are told apart.",
        |g| g.payment_open_oldest_seconds,
    ),
    (
        "kvit_payments_overdue",
        "Payments that are not finished although nobody waits for them any more.",
        |g| g.payments_overdue,
    ),
    (
        "kvit_payments_quarantined",
        "Payments that a person must decide.",
        |g| g.payments_quarantined,
    ),
    (
        "kvit_payments_contradicted",
        "Payments against whose final state the provider says something.",
        |g| g.payments_contradicted,
    ),
    (
        "kvit_payouts_contradicted",
        "Payouts that have ended unpaid and that the provider calls paid.",
        |g| g.payouts_contradicted,
    ),
    (
        "kvit_refunds_stuck",
        "Refunds that are not finished after an hour.",
        |g| g.refunds_stuck,
    ),
    (
        "kvit_refund_open_oldest_seconds",
        "Age of the oldest refund that is not finished.",
        |g| g.refund_open_oldest_seconds,
    ),
    (
        "kvit_transfer_held_oldest_seconds",
        "Age of the oldest transfer that is not completed.",
        |g| g.transfer_held_oldest_seconds,
    ),
    (
        "kvit_adjustments_proposed",
        "Adjustments that wait for a second person.",
        |g| g.adjustments_proposed,
    ),
    (
        "kvit_notifications_waiting",
        "Notifications about which the provider has not been asked.",
        |g| g.notifications_waiting,
    ),
    (
        "kvit_notification_oldest_seconds",
        "How long the oldest of them has waited.",
        |g| g.notification_oldest_seconds,
    ),
    (
        "kvit_notifications_quarantined",
        "Notifications that speak of nothing that is ours, all that ever came.",
        |g| g.notifications_quarantined,
    ),
    (
        "kvit_reconciliation_breaks_open",
        "Differences between statements and our books that nobody has resolved.",
        |g| g.open_breaks,
    ),
    (
        "kvit_reconciliation_break_oldest_seconds",
        "Age of the oldest of them.",
        |g| g.break_oldest_seconds,
    ),
];

/// Refreshes the gauges until told to stop.
pub async fn run(parts: Arc<Parts>, shutdown: ShutdownToken) {
    describe();
    loop {
        match gauges(&parts.pool).await {
            Ok(answer) => show(&answer.data),
            Err(fault) => tracing::warn!(%fault, "the gauges could not be refreshed"),
        }
        match dead_letters(&parts.bus).await {
            Ok(count) => metrics::gauge!(DEAD_LETTERS).set(of_count(count)),
            Err(fault) => tracing::warn!(fault, "the dead letters could not be counted"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Says once what each of them means. The units are in the names.
fn describe() {
    for (name, _, says, _) in BY_LABEL {
        metrics::describe_gauge!(name, says);
    }
    for (name, says, _) in FIGURES {
        metrics::describe_gauge!(name, says);
    }
    metrics::describe_gauge!(HELD, "Held in wallets, in minor units by currency.");
    metrics::describe_gauge!(
        DEAD_LETTERS,
        "Messages that no handler could work off; a person must look at them."
    );
    metrics::describe_counter!(
        REFUSALS,
        "Refused ledger commands since the beginning, by code."
    );
}

fn show(figures: &Gauges) {
    for (name, label, _, of) in BY_LABEL {
        for (value, count) in of(figures) {
            metrics::gauge!(name, label => value.clone()).set(of_sum((*count).into()));
        }
    }
    for (name, _, of) in FIGURES {
        metrics::gauge!(name).set(of_sum(of(figures).into()));
    }
    for (currency, held) in &figures.held_minor {
        metrics::gauge!(HELD, "currency" => currency.clone()).set(of_sum(held.0));
    }
    for (code, count) in &figures.refusals {
        metrics::counter!(REFUSALS, "code" => code.clone())
            .absolute(u64::try_from(*count).unwrap_or(0));
    }
}

async fn dead_letters(bus: &async_nats::jetstream::Context) -> Result<u64, String> {
    let dead = bus.get_stream(DEAD).await;
    dead.map(|stream| stream.cached_info().state.messages)
        .map_err(|error| error.kind().to_string())
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn of_sum(figure: i128) -> f64 {
    figure as f64
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn of_count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use kvit_projections::column::Wide;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{Gauges, describe, show};

    #[test]
    fn what_went_to_zero_is_told_as_zero() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let rendered = |figures: &Gauges| {
            metrics::with_local_recorder(&recorder, || show(figures));
            recorder.handle().render()
        };
        let state = |name: &str, count| [(name.to_owned(), count)].into();
        let before = rendered(&Gauges {
            payouts: state("unknown", 2),
            held_minor: [("UAH".to_owned(), Wide(1_050))].into(),
            refusals: state("insufficient_funds", 3),
            review_queue: 4,
            ..Gauges::default()
        });
        for line in [
            "kvit_payouts{state=\"unknown\"} 2",
            "kvit_wallets_held_minor{currency=\"UAH\"} 1050",
            "kvit_refusals_total{code=\"insufficient_funds\"} 3",
            "kvit_review_queue 4",
        ] {
            assert!(before.contains(line), "{line} is not in\n{before}");
        }
        let after = rendered(&Gauges {
            payouts: state("unknown", 0),
            held_minor: [("UAH".to_owned(), Wide(0))].into(),
            ..Gauges::default()
        });
        for line in [
            "kvit_payouts{state=\"unknown\"} 0",
            "kvit_wallets_held_minor{currency=\"UAH\"} 0",
            "kvit_review_queue 0",
        ] {
            assert!(after.contains(line), "{line} is not in\n{after}");
        }
    }

    #[test]
    fn every_figure_of_how_things_stand_is_told_under_a_name_that_is_described() {
        let one = |label: &str, count| [(label.to_owned(), count)].into();
        // Without a rest: a new figure does not compile until somebody has thought of it here.
        let figures = Gauges {
            receipts: one("accepted", 101),
            payouts: one("sent", 102),
            postponed: one("breaker", 103),
            payments: one("pending", 104),
            refunds: one("sending", 105),
            jobs: one("failed", 106),
            held_minor: [("RUB".to_owned(), Wide(107))].into(),
            refusals: one("insufficient_funds", 108),
            review_queue: 109,
            review_oldest_seconds: 110,
            payout_unknown_oldest_seconds: 111,
            payout_pending_oldest_seconds: 112,
            payout_postponed_oldest_seconds: 113,
            payment_open_oldest_seconds: 114,
            payments_overdue: 115,
            payments_quarantined: 116,
            payments_contradicted: 117,
            payouts_contradicted: 128,
            refunds_stuck: 118,
            refund_open_oldest_seconds: 119,
            transfer_held_oldest_seconds: 120,
            adjustments_proposed: 121,
            notifications_waiting: 122,
            notification_oldest_seconds: 123,
            notifications_quarantined: 124,
            open_breaks: 125,
            break_oldest_seconds: 126,
            providers_stopped: one("yookassa", 127),
        };
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            show(&figures);
        });
        let text = recorder.handle().render();
        let told: Vec<&str> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        for figure in 101..=128 {
            let ending = format!(" {figure}");
            let lines = told.iter().filter(|line| line.ends_with(&ending)).count();
            assert_eq!(lines, 1, "{figure} in\n{text}");
        }
        assert_eq!(told.len(), 28, "{text}");
        for line in told {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            assert!(
                text.contains(&format!("# HELP {name} ")),
                "{name} is not described"
            );
        }
    }
}
