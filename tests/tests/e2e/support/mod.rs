//! What the scenes are played with.

pub mod api;
pub mod books;
pub mod crowd;
pub mod farm;
pub mod platform;
pub mod till;
pub mod verdict;

use std::future::Future;
use std::sync::Once;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// How long one thing may take on a busy machine. A payout whose process was killed in mid-call rests for 35 s by itself.
pub const PATIENCE: Duration = Duration::from_secs(150);

static SLOTS: Semaphore = Semaphore::const_new(2);

/// Waits for a turn: a platform fills a core.
pub async fn turn() -> SemaphorePermit<'static> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
    });
    SLOTS.acquire().await.unwrap()
}

/// A seed for this run, said aloud.
pub fn seed(scene: &str) -> u64 {
    let seed = std::env::var("KVIT_TEST_SEED")
        .ok()
        .map_or_else(rand::random, |text| text.parse().unwrap());
    println!("{scene}: KVIT_TEST_SEED={seed}");
    seed
}

/// How long a person waits for the bot, on a busy machine.
const A_PERSONS_PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something to see; panics with `what` when there never is.
pub async fn until<T, F, A>(what: &str, look: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    until_within(A_PERSONS_PATIENCE, what, look).await
}

/// As [`until`], with a patience of one's own.
pub async fn until_within<T, F, A>(patience: Duration, what: &str, mut look: F) -> T
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < patience, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A port that is free now, for a gateway whose address must be known before it starts or stay when it starts again. Below
/// those that the system gives to outgoing connections, so that none of them takes it meanwhile.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
