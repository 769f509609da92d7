//! A rate limit that all processes share.

use std::time::Duration;

use async_trait::async_trait;

/// The store of the limiter did not answer; the limiter is then closed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the rate limiter is not available: {0}")]
pub struct LimiterFault(pub String);

/// Counts uses in a sliding window.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one use of `key` unless `limit` were taken within the last `window`. `token` names the use: the same token
    /// again counts once. `Some(wait)` when refused: how long until the next use is free.
    async fn take(
        &self,
        key: &str,
        token: &str,
        limit: u32,
        window: Duration,
    ) -> Result<Option<Duration>, LimiterFault>;
}
