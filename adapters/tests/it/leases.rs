//! Leases.

use std::time::Duration;

use futures::future::join_all;
use kvit_adapters::postgres::PgLease;
use kvit_commands::ports::lease::Lease;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn one_owner_at_a_time_holds_a_lease_and_each_change_raises_the_fence() {
    let db = kvit_testkit::pg().await;
    let leases = PgLease::new(db.pool.clone());
    let tries = (0..20).map(|n| {
        let leases = leases.clone();
        async move {
            leases
                .acquire("relay", &format!("owner-{n}"), MINUTE)
                .await
                .unwrap()
        }
    });
    let mut grants: Vec<_> = join_all(tries).await.into_iter().flatten().collect();
    assert_eq!(grants.len(), 1);
    let first = grants.pop().unwrap();
    assert_eq!(
        leases.acquire("relay", &first.owner, MINUTE).await.unwrap(),
        Some(first.clone())
    );
    assert!(leases.renew(&first, MINUTE).await.unwrap());
    assert!(
        leases
            .acquire("other", "somebody", MINUTE)
            .await
            .unwrap()
            .is_some()
    );

    leases.release(&first).await.unwrap();
    let second = leases
        .acquire("relay", "second", Duration::ZERO)
        .await
        .unwrap()
        .unwrap();
    assert!(second.fence > first.fence);
    assert!(
        !leases.renew(&first, MINUTE).await.unwrap(),
        "the first owner's grant is over"
    );

    // The second let its lease run out; until somebody takes it, it may go on.
    assert!(leases.renew(&second, Duration::ZERO).await.unwrap());
    let third = leases
        .acquire("relay", "third", MINUTE)
        .await
        .unwrap()
        .unwrap();
    assert!(third.fence > second.fence);
    assert!(!leases.renew(&second, MINUTE).await.unwrap());
    leases.release(&second).await.unwrap();
    assert!(
        leases.renew(&third, MINUTE).await.unwrap(),
        "a former owner cannot release it"
    );
}
