//! The rate limiter against a real Postgres.

use std::time::Duration;

use kvit_adapters::postgres::PgRateLimiter;
use kvit_commands::ports::limiter::RateLimiter;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_at_once_exactly_the_limit_gets_through() {
    let db = kvit_testkit::pg().await;
    let limiter = PgRateLimiter::new(db.pool.clone());
    let uses = (0..20).map(|n| {
        let limiter = limiter.clone();
        async move {
            limiter
                .take("uploads:a", &format!("t{n}"), 5, MINUTE)
                .await
                .unwrap()
        }
    });
    let answers = futures::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|wait| wait.is_none()).count(), 5);
    for wait in answers.into_iter().flatten() {
        assert!(wait <= MINUTE && wait > Duration::from_secs(50), "{wait:?}");
    }
}

#[tokio::test]
async fn the_same_use_again_is_not_counted_again_and_others_are_not_touched() {
    let db = kvit_testkit::pg().await;
    let limiter = PgRateLimiter::new(db.pool.clone());
    for _ in 0..3 {
        assert_eq!(
            limiter.take("uploads:a", "same", 1, MINUTE).await.unwrap(),
            None
        );
    }
    assert!(
        limiter
            .take("uploads:a", "other", 1, MINUTE)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        limiter.take("uploads:b", "other", 1, MINUTE).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn the_wait_that_is_told_is_enough() {
    let db = kvit_testkit::pg().await;
    let limiter = PgRateLimiter::new(db.pool.clone());
    let window = Duration::from_millis(300);
    assert_eq!(limiter.take("k", "1", 1, window).await.unwrap(), None);
    let wait = limiter
        .take("k", "2", 1, window)
        .await
        .unwrap()
        .expect("the window is full");
    tokio::time::sleep(wait).await;
    assert_eq!(limiter.take("k", "2", 1, window).await.unwrap(), None);
}
