//! What the providers hold for payouts, as a gauge: an operator sees it run low before payouts wait for it.
//!
//! Asked seldom, since answering is somebody else's work. When a provider cannot be asked, or does not say, the last figure
//! stays and so does the time at which it was read: an alert looks at both. What nobody told is never shown as zero.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kvit_commands::ports::statement::StatementSource;
use kvit_commands::ports::time::Clock;

use crate::shutdown::ShutdownToken;

/// Pause between two questions to one provider: never shorter, however often the process starts a look.
const EVERY: Duration = Duration::from_secs(300);
/// A provider that takes longer is asked the next time again.
const PATIENCE: Duration = Duration::from_secs(60);

const BALANCE: &str = "kvit_provider_payout_balance_minor";
const READ_AT: &str = "kvit_provider_payout_balance_read_timestamp_seconds";

/// Refreshes the gauge until told to stop. Each process that serves figures asks for itself.
pub async fn run(
    sources: Vec<Arc<dyn StatementSource>>,
    clock: Arc<dyn Clock>,
    shutdown: ShutdownToken,
) {
    describe();
    loop {
        for source in &sources {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = look(&**source, &*clock) => {}
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn describe() {
    metrics::describe_gauge!(
        BALANCE,
        "What a provider holds for payouts, in minor units, as it said last."
    );
    metrics::describe_gauge!(
        READ_AT,
        "When it said so, in seconds since 1970; stands still while it cannot be asked."
    );
}

/// Asks once.
async fn look(source: &dyn StatementSource, clock: &dyn Clock) {
    let provider = source.provider().code();
    match tokio::time::timeout(PATIENCE, source.payout_balance()).await {
        Ok(Ok(Some(balance))) => {
            let currency = balance.currency.code();
            metrics::gauge!(BALANCE, "provider" => provider, "currency" => currency)
                .set(super::of_sum(balance.minor.into()));
            metrics::gauge!(READ_AT, "provider" => provider).set(seconds(clock.now()));
        }
        // It has no payouts, or is a test account that tells nothing.
        Ok(Ok(None)) => tracing::debug!(provider, "the provider tells no balance of payouts"),
        Ok(Err(fault)) => {
            tracing::warn!(provider, %fault, "the balance of payouts could not be read");
        }
        Err(_) => tracing::warn!(provider, "the balance of payouts was not told in time"),
    }
}

fn seconds(at: DateTime<Utc>) -> f64 {
    super::of_sum(at.timestamp().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use kvit_commands::ports::payment::PaymentFault;
    use kvit_commands::ports::statement::StatementItem;
    use kvit_domain::ledger::ProviderName;
    use kvit_domain::money::{Currency, Money};
    use kvit_domain::reconciliation::StatementKind;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    type Answer = Result<Option<Money>, PaymentFault>;

    /// A provider that answers these one after another.
    struct Scripted(Mutex<VecDeque<Answer>>);

    #[async_trait]
    impl StatementSource for Scripted {
        fn provider(&self) -> ProviderName {
            ProviderName::Yookassa
        }
        fn kinds(&self) -> Vec<StatementKind> {
            vec![StatementKind::Payouts]
        }
        async fn items(
            &self,
            _: StatementKind,
            _: DateTime<Utc>,
            _: DateTime<Utc>,
        ) -> Result<Vec<StatementItem>, PaymentFault> {
            Ok(Vec::new())
        }
        async fn payout_balance(&self) -> Answer {
            self.0.lock().unwrap().pop_front().unwrap()
        }
    }

    struct At(i64);

    impl Clock for At {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp(self.0, 0).unwrap()
        }
    }

    #[tokio::test]
    async fn a_balance_that_is_not_told_keeps_its_figure_and_its_age_and_is_never_zero() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _here = metrics::set_default_local_recorder(&recorder);
        let away = || Err(PaymentFault::Unknown("timeout".to_owned()));
        let source = Scripted(Mutex::new(VecDeque::from([
            Ok(None),
            away(),
            Ok(Some(Money::new(1_234_500, Currency::Rub))),
            away(),
            Ok(None),
            Ok(Some(Money::new(0, Currency::Rub))),
        ])));
        let mut at = 1_000;
        let mut told = async || {
            at += 300;
            look(&source, &At(at)).await;
            let text = recorder.handle().render();
            let of = |name: &str| {
                let line = text.lines().find(|line| line.starts_with(name))?;
                Some(line.rsplit(' ').next()?.to_owned())
            };
            let balance = "kvit_provider_payout_balance_minor\
                           {provider=\"yookassa\",currency=\"RUB\"}";
            (
                of(balance),
                of("kvit_provider_payout_balance_read_timestamp_seconds{provider=\"yookassa\"}"),
            )
        };
        let some = |balance: &str, at: &str| (Some(balance.to_owned()), Some(at.to_owned()));
        assert_eq!(told().await, (None, None), "never told");
        assert_eq!(told().await, (None, None), "never told");
        assert_eq!(told().await, some("1234500", "1900"));
        assert_eq!(told().await, some("1234500", "1900"), "away");
        assert_eq!(told().await, some("1234500", "1900"), "it says nothing");
        assert_eq!(told().await, some("0", "2800"), "it says zero");
    }

    #[tokio::test]
    async fn both_figures_are_described_and_nobody_is_asked_twice_in_five_minutes() {
        assert!(EVERY >= Duration::from_secs(300));
        let recorder = PrometheusBuilder::new().build_recorder();
        let _here = metrics::set_default_local_recorder(&recorder);
        // A second question would find no answer here, and panic.
        let source: Arc<dyn StatementSource> =
            Arc::new(Scripted(Mutex::new(VecDeque::from([Ok(Some(
                Money::new(7, Currency::Rub),
            ))]))));
        let shutdown = ShutdownToken::default();
        tokio::select! {
            () = run(vec![source], Arc::new(At(1)), shutdown.clone()) => {}
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        let text = recorder.handle().render();
        for name in [BALANCE, READ_AT] {
            assert!(text.contains(&format!("# HELP {name} ")), "{text}");
            assert!(text.contains(&format!("\n{name}{{")), "{text}");
        }
    }

    #[tokio::test]
    async fn without_a_provider_it_waits_for_the_end() {
        let shutdown = ShutdownToken::default();
        let waiting = run(Vec::new(), Arc::new(At(1)), shutdown.clone());
        let end = async {
            tokio::task::yield_now().await;
            shutdown.cancel();
        };
        tokio::join!(waiting, end);
    }
}
