//! Gauges of how things stand: receipts, payouts, jobs and money by state, the review queue, the dead letters.
//!
//! Every process that runs this tells the same figures, so a panel takes their maximum and not their sum. No lease: a
//! figure that stands still because another process has the lease would look like calm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kvit_adapters::nats::DEAD;
use kvit_projections::queries::gauges::{Gauges, gauges};

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

const EVERY: Duration = Duration::from_secs(10);

/// Refreshes the gauges until told to stop.
pub async fn run(parts: Arc<Parts>, shutdown: ShutdownToken) {
    loop {
        match gauges(&parts.pool).await {
            Ok(answer) => show(&answer.data),
            Err(fault) => tracing::warn!(%fault, "the gauges could not be refreshed"),
        }
        match dead_letters(&parts.bus).await {
            Ok(count) => metrics::gauge!("kvit_dead_letters").set(of_count(count)),
            Err(fault) => tracing::warn!(fault, "the dead letters could not be counted"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn show(figures: &Gauges) {
    by_state("kvit_receipts", &figures.receipts);
    by_state("kvit_payouts", &figures.payouts);
    by_state("kvit_jobs", &figures.jobs);
    for (currency, held) in &figures.held_minor {
        metrics::gauge!("kvit_wallets_held_minor", "currency" => currency.clone())
            .set(of_sum(held.0));
    }
    for (code, count) in &figures.refusals {
        metrics::counter!("kvit_refusals_total", "code" => code.clone())
            .absolute(u64::try_from(*count).unwrap_or(0));
    }
    for (name, figure) in [
        ("kvit_review_queue", figures.review_queue),
        ("kvit_review_oldest_seconds", figures.review_oldest_seconds),
        (
            "kvit_payout_unknown_oldest_seconds",
            figures.payout_unknown_oldest_seconds,
        ),
    ] {
        metrics::gauge!(name).set(of_sum(figure.into()));
    }
}

fn by_state(name: &'static str, counts: &BTreeMap<String, i64>) {
    for (state, count) in counts {
        metrics::gauge!(name, "state" => state.clone()).set(of_sum((*count).into()));
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

    use super::{Gauges, show};

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
}
