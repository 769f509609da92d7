//! The switches of the providers: the kill switch of people, and the breaker.

use chrono::{DateTime, Utc};
use kvit_domain::ledger::ProviderName;
use kvit_domain::provider::{Provider, ProviderCommand};

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

impl App {
    /// The provider's switch as the log has it now.
    pub async fn provider(&self, provider: ProviderName) -> Result<Provider, CommandError> {
        self.parts.executor.load::<Provider>(provider.code()).await
    }

    /// The kill switch: no new payout leaves through the provider from now on. What is under way is asked about as before.
    ///
    /// # Errors
    /// `review_reason_required`.
    pub async fn stop_provider(
        &self,
        provider: ProviderName,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let by = context.actor.clone();
        self.execute::<Provider>(
            provider.code(),
            ProviderCommand::Stop { by, reason },
            context,
        )
        .await
    }

    /// Lets payouts leave again.
    ///
    /// # Errors
    /// `review_reason_required`.
    pub async fn resume_provider(
        &self,
        provider: ProviderName,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let by = context.actor.clone();
        self.execute::<Provider>(
            provider.code(),
            ProviderCommand::Resume { by, reason },
            context,
        )
        .await
    }

    pub(crate) async fn open_breaker(
        &self,
        provider: ProviderName,
        until: DateTime<Utc>,
        code: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let now = self.clock().now();
        let command = ProviderCommand::OpenBreaker { until, code, now };
        self.execute::<Provider>(provider.code(), command, context)
            .await
    }

    pub(crate) async fn close_breaker(
        &self,
        provider: ProviderName,
        context: &Context,
    ) -> Result<Done, CommandError> {
        self.execute::<Provider>(provider.code(), ProviderCommand::CloseBreaker, context)
            .await
    }
}
