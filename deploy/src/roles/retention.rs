//! Photos of receipts and what was read on them are kept 90 days and then deleted from the object storage, and so are
//! exchanges with providers of money.
//!
//! The read model says which receipts are old enough; the table `deleted_objects` says which of their photos are gone
//! already. An object is noted only after it is deleted, so a crash in between costs a second, harmless deletion.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::traffic;
use kvit_commands::ports::objects::{ObjectFault, ObjectKey, ObjectStore};
use kvit_commands::ports::time::{Clock, System};
use kvit_projections::queries::due;
use sqlx::PgPool;

use super::parts::Parts;
use crate::shutdown::ShutdownToken;

/// How long originals and what was read on them are kept.
const KEPT: TimeDelta = TimeDelta::days(90);
const EVERY: Duration = Duration::from_secs(6 * 3_600);
/// The first sweep comes soon, or a process that is restarted each hour would never sweep.
const FIRST_AFTER: Duration = Duration::from_secs(60);
const LEASE: &str = "retention";
const LEASE_FOR: Duration = Duration::from_secs(3_600);
/// Receipts that are listed at a time.
const PAGE: u32 = 200;
/// Receipts that one sweep deals with; twice the photos of a busy day.
const AT_ONCE: u64 = 20_000;

/// Sweeps until told to stop.
pub async fn run(parts: Arc<Parts>, shutdown: ShutdownToken) {
    let owner = parts.app.fresh_id().to_string();
    let mut pause = FIRST_AFTER;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        match parts.lease.acquire(LEASE, &owner, LEASE_FOR).await {
            Ok(Some(_)) => {
                let deleted = sweep(&parts.pool, &parts.objects, System.now(), &shutdown).await;
                tracing::info!(deleted, "photos that were kept long enough are deleted");
                match traffic::sweep(&parts.pool, System.now()).await {
                    Ok(exchanges) => {
                        tracing::info!(exchanges, "old exchanges with providers are deleted")
                    }
                    Err(why) => {
                        tracing::warn!(why, "old exchanges with providers could not be deleted")
                    }
                }
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "the retention sweep has no lease"),
        }
    }
}

/// Deletes what is older than [`KEPT`]; answers how many receipts' photos. What fails is left to the next sweep.
async fn sweep(
    pool: &PgPool,
    objects: &dyn ObjectStore,
    now: DateTime<Utc>,
    shutdown: &ShutdownToken,
) -> u64 {
    let Some(before) = now.checked_sub_signed(KEPT) else {
        return 0;
    };
    let mut deleted = 0_u64;
    while deleted < AT_ONCE {
        let keys = match due::images(pool, before, PAGE).await {
            Ok(keys) => keys,
            Err(fault) => {
                tracing::warn!(%fault, "old photos could not be listed");
                return deleted;
            }
        };
        let earlier = deleted;
        for key in keys {
            if shutdown.is_cancelled() {
                return deleted;
            }
            match delete(objects, &key).await {
                Ok(()) => {}
                Err(fault @ ObjectFault::Transient(_)) => {
                    tracing::warn!(%fault, "old photos are left to the next sweep");
                    return deleted;
                }
                Err(fault) => {
                    tracing::error!(key, %fault, "an old photo could not be deleted");
                    continue;
                }
            }
            if let Err(fault) = due::note_deleted(pool, &key, now).await {
                tracing::warn!(%fault, "a deleted photo could not be noted");
                return deleted;
            }
            metrics::counter!("kvit_photos_deleted_total").increment(1);
            deleted = deleted.saturating_add(1);
        }
        // Nothing is left, or nothing of what is left can be deleted.
        if deleted == earlier {
            break;
        }
    }
    deleted
}

/// The photo, and beside it the text that was read on it.
async fn delete(objects: &dyn ObjectStore, key: &str) -> Result<(), ObjectFault> {
    for key in [key.to_owned(), format!("{key}.txt")] {
        let key = ObjectKey::try_new(key).map_err(|fault| ObjectFault::Fatal(fault.to_string()))?;
        objects.delete(&key).await?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;
    use kvit_adapters::postgres::{LogOptions, PgEventLog, PgSettings, migrate};
    use kvit_commands::ports::log::{Append, EventLog as _, NewEvent, StreamAppend};
    use kvit_commands::ports::objects::ObjectInfo;
    use kvit_domain::event::{StreamId, metadata};
    use kvit_domain::ids::{ReceiptId, UserId};
    use kvit_domain::receipt::{ImageRef, ReceiptEvent};
    use kvit_projections::Projector;
    use serde_json::value::RawValue;

    use super::*;
    use crate::stack::Stack;

    /// Keys of what is stored; refuses to delete one of them.
    #[derive(Default)]
    struct Shelf {
        keys: Mutex<BTreeSet<String>>,
        stuck: Option<(&'static str, ObjectFault)>,
    }

    impl Shelf {
        fn with(keys: &[&str]) -> Self {
            Self {
                keys: Mutex::new(keys.iter().map(|key| (*key).to_owned()).collect()),
                stuck: None,
            }
        }

        fn keys(&self) -> Vec<String> {
            self.keys.lock().unwrap().iter().cloned().collect()
        }
    }

    #[async_trait]
    impl ObjectStore for Shelf {
        async fn put(&self, _: &ObjectKey, _: Bytes, _: &str) -> Result<(), ObjectFault> {
            panic!("the sweep stores nothing")
        }
        async fn get(&self, _: &ObjectKey, _: usize) -> Result<Bytes, ObjectFault> {
            panic!("the sweep reads nothing")
        }
        async fn head(&self, _: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
            panic!("the sweep asks for nothing")
        }
        async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault> {
            match &self.stuck {
                Some((stuck, fault)) if key.as_str() == *stuck => Err(fault.clone()),
                _ => {
                    self.keys.lock().unwrap().remove(key.as_str());
                    Ok(())
                }
            }
        }
    }

    async fn submit(log: &PgEventLog, key: &str, submitted_at: DateTime<Utc>) {
        let id = ReceiptId::derived("test", key);
        let event = ReceiptEvent::ReceiptSubmitted {
            user_id: UserId::derived("test", "olya"),
            image: ImageRef {
                sha256: "0".repeat(64),
                key: key.to_owned(),
                content_type: "image/jpeg".to_owned(),
                bytes: 1,
            },
            duplicate_of: None,
            submitted_at,
        };
        let meta = [(metadata::ACTOR, "user:1"), (metadata::CORRELATION_ID, "c")];
        let event = NewEvent {
            event_id: id.0,
            event_type: "ReceiptSubmitted".to_owned(),
            event_version: "1".to_owned(),
            payload: RawValue::from_string(serde_json::to_string(&event).unwrap()).unwrap(),
            metadata: meta.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        let append = Append {
            streams: vec![StreamAppend {
                stream: StreamId::new("receipt", id.to_string()),
                expected_sequence: 0,
                events: vec![event],
            }],
        };
        log.append(append).await.unwrap();
    }

    #[tokio::test]
    async fn photos_go_after_ninety_days_with_what_was_read_and_later_ones_stay() {
        let dir = tempfile::Builder::new()
            .prefix("kvit-retention-")
            .tempdir_in("/tmp")
            .unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let stack = Stack::start_in(dir.path()).await.unwrap();
        migrate::migrate(&stack.endpoints().database_owner_url)
            .await
            .unwrap();
        let settings = PgSettings::new(stack.endpoints().database_url.clone(), "test");
        let pool = settings.pool().unwrap();
        let log = PgEventLog::start(&settings, pool.clone(), LogOptions::default(), None).unwrap();
        sweeps(&pool, &log).await;
        stack.stop().await;
    }

    async fn sweeps(pool: &PgPool, log: &PgEventLog) {
        let now: DateTime<Utc> = "2026-06-30T12:00:00Z".parse().unwrap();
        let days = |days| now - TimeDelta::days(days);
        for (key, at) in [
            ("a.jpg", days(200)),
            ("b.jpg", days(91)),
            ("c.jpg", days(89)),
        ] {
            submit(log, key, at).await;
        }
        Projector::new(pool.clone()).catch_up().await.unwrap();
        let all = [
            "a.jpg",
            "a.jpg.txt",
            "b.jpg",
            "b.jpg.txt",
            "c.jpg",
            "c.jpg.txt",
        ];
        let go = ShutdownToken::new();
        let swept = async |shelf: &Shelf| sweep(pool, shelf, now, &go).await;

        let mut shelf = Shelf::with(&all);
        shelf.stuck = Some(("a.jpg", ObjectFault::Transient("away".to_owned())));
        assert_eq!(swept(&shelf).await, 0);
        assert_eq!(shelf.keys(), all, "a storage that is away is left alone");
        // The text stands in the way: the photo alone is not the whole.
        shelf.stuck = Some(("a.jpg.txt", ObjectFault::Fatal("no".to_owned())));
        assert_eq!(swept(&shelf).await, 1, "one that is stuck stops no other");
        assert_eq!(shelf.keys(), ["a.jpg.txt", "c.jpg", "c.jpg.txt"]);
        shelf.stuck = None;
        assert_eq!(swept(&shelf).await, 1, "what is not whole is not noted");
        assert_eq!(shelf.keys(), ["c.jpg", "c.jpg.txt"]);
        assert_eq!(
            swept(&Shelf::with(&all)).await,
            0,
            "noted is not asked again"
        );
        let stopped = ShutdownToken::new();
        stopped.cancel();
        let later = now + TimeDelta::days(2);
        assert_eq!(sweep(pool, &shelf, later, &stopped).await, 0);
        assert_eq!(sweep(pool, &shelf, later, &go).await, 1);
        assert_eq!(shelf.keys(), Vec::<String>::new());
    }
}
