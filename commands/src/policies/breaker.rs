//! The breaker of a provider: failures in a row stop new payouts for a time.
//!
//! The count is this process's own; what it leads to is an event, so every process stops and everybody can see why.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use kvit_domain::ledger::ProviderName;

use crate::app::App;
use crate::context::Context;
use crate::ports::payout::{BillView, ProviderFault, RefusalKind};

/// When failures in a row stop new payouts.
#[derive(Debug, Clone, Copy)]
pub struct BreakerOptions {
    /// So many failures in a row open it.
    pub failures: u32,
    /// For how long at first; doubled for each opening without a success between.
    pub pause: TimeDelta,
    /// The longest pause.
    pub pause_max: TimeDelta,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: TimeDelta::seconds(30),
            pause_max: TimeDelta::minutes(10),
        }
    }
}

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    in_a_row: AtomicU32,
    openings: AtomicU32,
}

impl Breaker {
    /// Closed.
    pub const fn new(options: BreakerOptions) -> Self {
        Self {
            options,
            in_a_row: AtomicU32::new(0),
            openings: AtomicU32::new(0),
        }
    }

    /// Counts an answer to a paying call. What the provider says about one payee or number is no failure of the provider.
    pub async fn count(
        &self,
        app: &App,
        provider: ProviderName,
        answer: &Result<BillView, ProviderFault>,
        context: &Context,
    ) {
        let code = match answer {
            Err(ProviderFault::NotSent(_)) => "not_sent",
            Err(ProviderFault::Unknown(_)) => "unknown",
            Err(ProviderFault::Refused {
                kind: RefusalKind::Temporary,
                ..
            }) => "temporary",
            Ok(_) | Err(ProviderFault::Refused { .. } | ProviderFault::Mismatch(_)) => {
                self.in_a_row.store(0, Ordering::Relaxed);
                if self.openings.swap(0, Ordering::Relaxed) > 0 {
                    let closed = app
                        .close_breaker(provider, &context.step("breaker_closed"))
                        .await;
                    note(closed.err());
                }
                return;
            }
        };
        let failures = self
            .in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        // After an opening the first failure opens it again.
        let opened_before = self.openings.load(Ordering::Relaxed);
        if failures < self.options.failures && opened_before == 0 {
            return;
        }
        let openings = self.openings.fetch_add(1, Ordering::Relaxed);
        let factor = 2_i32.saturating_pow(openings.min(16));
        let pause = self
            .options
            .pause
            .checked_mul(factor)
            .unwrap_or(self.options.pause_max)
            .min(self.options.pause_max);
        let until = app.clock().now() + pause;
        metrics::counter!("kvit_breaker_openings_total", "provider" => provider.code())
            .increment(1);
        tracing::warn!(
            provider = provider.code(),
            failures,
            "failures in a row: new payouts wait"
        );
        let opened = app
            .open_breaker(
                provider,
                until,
                code.to_owned(),
                &context.step("breaker_opened"),
            )
            .await;
        note(opened.err());
    }
}

/// The breaker is a help, not a promise: the payout's own course does not depend on it.
fn note(fault: Option<crate::error::CommandError>) {
    if let Some(fault) = fault {
        tracing::warn!(%fault, "the breaker's state could not be recorded");
    }
}
