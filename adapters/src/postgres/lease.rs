//! Leases in Postgres. The database's clock decides.

use std::time::Duration;

use async_trait::async_trait;
use kvit_commands::ports::lease::{Lease, LeaseFault, LeaseGrant};
use sqlx::PgPool;

use super::classify;

/// Leases in the table `leases`.
#[derive(Debug, Clone)]
pub struct PgLease {
    pool: PgPool,
}

impl PgLease {
    /// Leases over a pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

fn fault(error: sqlx::Error) -> LeaseFault {
    LeaseFault(classify::describe(&error))
}

/// Whole milliseconds; a longer lease than about 24 days makes no sense and is cut to that.
fn millis(ttl: Duration) -> i32 {
    i32::try_from(ttl.as_millis()).unwrap_or(i32::MAX)
}

#[async_trait]
impl Lease for PgLease {
    async fn acquire(
        &self,
        name: &str,
        owner: &str,
        ttl: Duration,
    ) -> Result<Option<LeaseGrant>, LeaseFault> {
        let fence: Option<i64> = sqlx::query_scalar(
            "INSERT INTO leases AS l (name, owner, fence, expires_at)
             VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
             ON CONFLICT (name) DO UPDATE
               SET owner = excluded.owner, expires_at = excluded.expires_at,
                   fence = l.fence + CASE WHEN l.owner = excluded.owner THEN 0 ELSE 1 END
             WHERE l.owner = excluded.owner OR l.expires_at <= clock_timestamp()
             RETURNING fence",
        )
        .bind(name)
        .bind(owner)
        .bind(millis(ttl))
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        Ok(fence.map(|fence| LeaseGrant {
            name: name.to_owned(),
            owner: owner.to_owned(),
            fence,
        }))
    }

    async fn renew(&self, grant: &LeaseGrant, ttl: Duration) -> Result<bool, LeaseFault> {
        // An expired lease that nobody took since is still ours: the fence says so.
        let renewed = sqlx::query(
            "UPDATE leases SET expires_at = clock_timestamp() + $4 * interval '1 millisecond'
             WHERE name = $1 AND owner = $2 AND fence = $3",
        )
        .bind(&grant.name)
        .bind(&grant.owner)
        .bind(grant.fence)
        .bind(millis(ttl))
        .execute(&self.pool)
        .await
        .map_err(fault)?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn release(&self, grant: &LeaseGrant) -> Result<(), LeaseFault> {
        sqlx::query("UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND owner = $2 AND fence = $3")
            .bind(&grant.name)
            .bind(&grant.owner)
            .bind(grant.fence)
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(())
    }
}
