//! The use cases, one facade for bot, gateway, policies and tests. What a method does is one decision on the log.

mod adjustments;
mod bulk;
mod campaigns;
mod jobs;
mod payments;
mod payout_sending;
mod payouts;
mod people;
mod periods;
mod providers;
mod receipts;
mod reconciliations;
mod refunds;
mod reviews;
mod transfers;
mod wallets;

use std::sync::Arc;
use std::time::Duration;

use kvit_domain::aggregate::Decide;
use kvit_domain::event::{Position, RecordedEvent, Sequence, StreamId};
use kvit_domain::ids::CampaignId;
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::Money;
use kvit_domain::rules::Thresholds;
use serde::Serialize;

use crate::context::{CommandDigest, Context};
use crate::error::CommandError;
use crate::executor::{Committed, Executor, Outcome, Streams, Unit};
use crate::ports::limiter::RateLimiter;
use crate::ports::objects::ObjectStore;
use crate::ports::photos::PhotoInspector;
use crate::ports::time::Clock;
use crate::ports::vault::Vault;

pub use adjustments::AdjustmentRequest;
pub use bulk::{BULK_COMMANDS_MAX, BulkCommand, BulkMode, BulkOutcome};
pub use jobs::JobRequest;
pub(crate) use payments::{KeyAge, key_age};
pub use payments::{PaymentRequest, payment_key};
pub use payout_sending::Gate;
pub use payouts::{
    PAYOUT_ATTEMPTS_MAX, PayoutRequest, PayoutRoute, next_payout_id, reward_payout_id,
};
pub use reconciliations::Statement;
pub use refunds::refund_key;
pub use transfers::TransferRequest;

pub use receipts::{PHOTO_BYTES_MAX, Submitted, UPLOAD_WINDOW, UPLOADS_IN_WINDOW};

/// What the use cases are told by configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The campaign that receipts take part in.
    pub campaign_id: CampaignId,
    /// When a reading is trusted.
    pub thresholds: Thresholds,
    /// What may be paid out through a provider in a day, by currency. What is not named here has no limit.
    pub payout_budgets: Vec<(ProviderName, Money)>,
    /// What is said about payments in.
    pub payments: PaymentSettings,
}

/// What is said about payments in.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// Through whom people can pay.
    pub providers: Vec<ProviderName>,
    /// Whether the provider's objects must be tests: everywhere but in production.
    pub test: bool,
    /// Where the payer's browser comes back to; the payment's id is added as `op`.
    pub return_url: String,
    /// How long somebody waits for a payer.
    pub lifetime: chrono::TimeDelta,
}

impl Default for PaymentSettings {
    fn default() -> Self {
        Self {
            providers: Vec::new(),
            test: true,
            return_url: "http://localhost/".to_owned(),
            lifetime: chrono::TimeDelta::hours(1),
        }
    }
}

impl Settings {
    /// The one default campaign and the usual thresholds.
    #[must_use]
    pub fn default_campaign() -> Self {
        Self {
            campaign_id: CampaignId::derived("campaign", "default"),
            thresholds: Thresholds::default(),
            payout_budgets: Vec::new(),
            payments: PaymentSettings::default(),
        }
    }
}

/// What the use cases need.
pub struct AppParts {
    /// Runs commands.
    pub executor: Executor,
    /// Seals personal data.
    pub vault: Arc<dyn Vault>,
    /// Keeps photos.
    pub objects: Arc<dyn ObjectStore>,
    /// Looks at photos.
    pub photos: Arc<dyn PhotoInspector>,
    /// Limits uploads.
    pub limiter: Arc<dyn RateLimiter>,
    /// Configuration.
    pub settings: Settings,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<AppParts>,
}

/// A command that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// A query at this position shows the effect.
    pub position: Position,
    /// Whether the same command was done before.
    pub replayed: bool,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self {
            position: outcome.position,
            replayed: outcome.replayed,
        }
    }
}

impl<T> From<&Committed<T>> for Done {
    fn from(committed: &Committed<T>) -> Self {
        Self {
            position: committed.position,
            replayed: committed.replayed,
        }
    }
}

impl App {
    /// The use cases over these parts.
    #[must_use]
    pub fn new(parts: AppParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// The clock that decisions are given.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(self.parts.executor.clock())
    }

    /// A fresh unique id.
    #[must_use]
    pub fn fresh_id(&self) -> uuid::Uuid {
        self.parts.executor.fresh_id()
    }

    /// The executor behind the use cases, for what has no use case of its own.
    #[must_use]
    pub fn executor(&self) -> &Executor {
        &self.parts.executor
    }

    /// Events of one stream, for those who check.
    ///
    /// # Errors
    /// When the log is away.
    pub async fn stream_events(
        &self,
        stream: &StreamId,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, CommandError> {
        Ok(self.parts.executor.log().load(stream, after, limit).await?)
    }

    /// Position of the last event in the log.
    ///
    /// # Errors
    /// When the log is away.
    pub async fn head(&self) -> Result<Position, CommandError> {
        Ok(self.parts.executor.log().head().await?)
    }

    async fn execute<A>(
        &self,
        id: &str,
        command: A::Command,
        context: &Context,
    ) -> Result<Done, CommandError>
    where
        A: Decide + 'static,
        A::Command: Serialize + Send + Sync + 'static,
        A::Event: 'static,
    {
        Ok(self
            .parts
            .executor
            .execute::<A>(id, command, context)
            .await?
            .into())
    }

    /// A decision over several streams whose body is `(kind, body)`.
    async fn transact<T, B, F>(
        &self,
        streams: Streams,
        context: &Context,
        kind: &str,
        body: &B,
        decide: F,
    ) -> Result<Committed<T>, CommandError>
    where
        T: Send,
        B: Serialize,
        F: FnMut(&mut Unit<'_>) -> Result<T, CommandError> + Send,
    {
        let digest = CommandDigest::of(kind, body)
            .map_err(|fault| CommandError::Fatal(fault.to_string()))?;
        self.parts
            .executor
            .transact(streams, context, digest, decide)
            .await
    }
}

/// Runs work that keeps a processor busy away from the threads that serve sockets.
async fn blocking<T, F>(work: F) -> Result<T, CommandError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let bounded =
        tokio::time::timeout(Duration::from_secs(30), tokio::task::spawn_blocking(work)).await;
    match bounded {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(CommandError::Fatal(
            "a look at a photo was interrupted".into(),
        )),
        Err(_) => Err(CommandError::transient("a look at a photo took too long")),
    }
}
