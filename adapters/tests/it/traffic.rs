//! What was said to providers is kept sealed, found again, and deleted after its time.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::traffic::{self, Exchange, Recorder};
use kvit_adapters::vault::{MasterKeys, PgVault};
use kvit_commands::ports::time::Clock;
use kvit_commands::ports::vault::Vault;

const PHONE: &str = "380501112233";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 123_456_789).unwrap()
}

struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        now()
    }
}

#[tokio::test]
async fn an_exchange_rests_sealed_and_is_found_by_what_it_was_about() {
    let db = kvit_testkit::pg().await;
    let masters = MasterKeys::try_new(&[7; 32]).unwrap();
    let vault: Arc<dyn Vault> =
        Arc::new(PgVault::open_with(db.pool.clone(), masters).await.unwrap());
    let recorder = Recorder::start(db.pool.clone(), Arc::clone(&vault), Arc::new(Still));
    recorder.record(Exchange {
        provider: "yookassa",
        subject: "payouts.create payouts key-1".to_owned(),
        request: Bytes::from(format!("{{\"phone\":\"{PHONE}\"}}")),
        answer: Some((200, Bytes::from_static(b"\xff\xfe"))),
    });
    recorder.record(Exchange {
        provider: "yookassa",
        subject: "payouts.get payouts key-2".to_owned(),
        request: Bytes::new(),
        answer: None,
    });
    let around = (now() - TimeDelta::days(1), now() + TimeDelta::days(1));
    let found = loop {
        let all = traffic::list(&db.pool, vault.as_ref(), around, None, 10)
            .await
            .unwrap();
        if all.len() == 2 {
            break all;
        }
        tokio::task::yield_now().await;
    };
    assert!(found[0].bodies.request.contains(PHONE));
    assert_eq!(found[0].bodies.answer.as_deref(), Some("base64://4="));
    assert_eq!((found[1].status, &found[1].bodies.answer), (None, &None));
    let about = traffic::list(&db.pool, vault.as_ref(), around, Some("key-1"), 10)
        .await
        .unwrap();
    assert_eq!(about.len(), 1);

    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM provider_traffic")
        .fetch_all(&db.pool)
        .await
        .unwrap();
    assert!(rows.iter().all(|body| {
        !body
            .windows(PHONE.len())
            .any(|part| part == PHONE.as_bytes())
    }));

    let kept = now() + traffic::KEPT - TimeDelta::seconds(1);
    assert_eq!(traffic::sweep(&db.pool, kept).await, Ok(0));
    let over = now() + traffic::KEPT + TimeDelta::seconds(1);
    assert_eq!(traffic::sweep(&db.pool, over).await, Ok(2));
}
