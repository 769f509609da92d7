//! A lease: at most one owner of a name at a time, for work that only one process may do (the relay, a scheduler).

use std::time::Duration;

use async_trait::async_trait;

/// Proof that an owner holds a name, until its time runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseGrant {
    /// What is leased, such as `relay`.
    pub name: String,
    /// Who holds it: one value per process, never reused.
    pub owner: String,
    /// Fencing number: each change of owner raises it by at least one. A writer outside that remembers the highest number it
    /// has seen can refuse an owner whose lease ran out unnoticed.
    pub fence: i64,
}

/// The lease store did not answer. The holder must act as if the lease were lost once its time has run out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the lease store is not available: {0}")]
pub struct LeaseFault(pub String);

/// The store of leases. Time is the store's own clock, so that the clocks of processes need not agree.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Takes the name for `ttl` if it is free, expired, or already ours. `None` while another owner holds it.
    async fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<LeaseGrant>, LeaseFault>;

    /// Extends a grant to `ttl` from now. `false` when it is no longer ours; then stop the work at once.
    async fn renew(&self, grant: &LeaseGrant, ttl: Duration) -> Result<bool, LeaseFault>;

    /// Gives the name back early. Nothing happens when it is no longer ours.
    async fn release(&self, grant: &LeaseGrant) -> Result<(), LeaseFault>;
}
