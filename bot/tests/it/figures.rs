//! What operations read off a lived life: gauges, and photos that were kept long enough.

use chrono::TimeDelta;
use kvit_commands::app::{JobRequest, reward_payout_id};
use kvit_commands::context::Context;
use kvit_commands::ports::time::{Clock as _, System};
use kvit_domain::ids::{JobId, ReceiptId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::{Payout, PayoutCommand};
use kvit_domain::recognition::{Confidence, QrReading};
use kvit_projections::Projector;
use kvit_projections::queries::{due, gauges::gauges};

use crate::notices::{bonus, campaign, recognition};
use crate::support::{World, photo};

/// A receipt and where its photo is stored.
struct Sent {
    id: ReceiptId,
    key: String,
}

impl World {
    async fn fold(&self) {
        let projector = Projector::new(self.db.pool.clone());
        projector.catch_up().await.unwrap();
    }

    /// Makes the times in a column of a read model an hour earlier.
    async fn age(&self, projection: &str, column: &str) {
        let pool = &self.db.pool;
        let schema: String = sqlx::query_scalar(
            "SELECT schema_name FROM projection_builds WHERE name = $1 AND state = 'active'",
        )
        .bind(projection)
        .fetch_one(pool)
        .await
        .unwrap();
        let sql =
            format!("UPDATE {schema}.{projection} SET {column} = {column} - interval '1 hour'");
        sqlx::raw_sql(&sql).execute(pool).await.unwrap();
    }

    async fn sent_days_ago(&self, person: i64, colour: u8, days: i64) -> Sent {
        let context = Context::new("test", format!("photo:{colour}"), "setup");
        let at = System.now() - TimeDelta::days(days);
        let bytes = photo(colour, 640).into();
        let sent = self
            .app
            .submit_receipt(self.user(person), bytes, at, &context)
            .await
            .unwrap();
        let receipt = self.app.receipt(sent.receipt_id).await.unwrap();
        Sent {
            id: sent.receipt_id,
            key: receipt.image.unwrap().key,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_of_more_than_ninety_days_are_listed_until_they_are_noted_as_deleted() {
    let world = World::asleep().await;
    let olya = world.shopper().await;
    let oldest = world.sent_days_ago(olya, 1, 200).await.key;
    let old = world.sent_days_ago(olya, 2, 91).await.key;
    world.sent_days_ago(olya, 3, 89).await;
    world.fold().await;
    let before = System.now() - TimeDelta::days(90);
    let listed = async |limit| due::images(&world.db.pool, before, limit).await.unwrap();
    assert_eq!(listed(10).await, [oldest.clone(), old.clone()]);
    assert_eq!(listed(1).await, std::slice::from_ref(&oldest));
    for _ in 0..2 {
        due::note_deleted(&world.db.pool, &oldest, System.now())
            .await
            .unwrap();
    }
    assert_eq!(listed(10).await, [old]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_follow_what_happens_and_name_what_is_zero() {
    let world = World::asleep().await;
    let olya = world.shopper().await;
    campaign(&world).await;
    world.fold().await;
    let told = async || gauges(&world.db.pool).await.unwrap().data;
    let quiet = told().await;
    assert_eq!(quiet.receipts["submitted"], 0);
    assert_eq!(quiet.payouts["unknown"], 0);
    assert_eq!(quiet.jobs["pending"], 0);
    assert_eq!(quiet.held_minor["UAH"].0, 0);
    assert_eq!(quiet.refusals["insufficient_funds"], 0);
    assert_eq!((quiet.review_queue, quiet.review_oldest_seconds), (0, 0));
    assert_eq!(quiet.payout_unknown_oldest_seconds, 0);

    let (app, user) = (&world.app, world.user(olya));
    let good = world.sent_days_ago(olya, 1, 0).await;
    let dark = world.sent_days_ago(olya, 2, 0).await;
    world.fold().await;
    assert_eq!(told().await.receipts["submitted"], 2);

    let context = |step: &str| Context::new("test", step, "test");
    let read = recognition("Цитрамон-Дарниця табл. №10");
    app.record_recognition(good.id, read, &context("read"))
        .await
        .unwrap();
    let mut unsure = recognition("Цитрамон-Дарниця табл. №10");
    unsure.confidence = Confidence::from_thousandths(500);
    if let QrReading::Fiscal { fiscal, .. } = &mut unsure.qr {
        fiscal.receipt_number = "78".into();
    }
    app.record_recognition(dark.id, unsure, &context("unsure"))
        .await
        .unwrap();
    for receipt in [good.id, dark.id] {
        app.decide_receipt(receipt, &context(&format!("decide:{receipt}")))
            .await
            .unwrap();
    }
    app.post_reward(good.id, &context("reward")).await.unwrap();
    let reward = app.receipt(good.id).await.unwrap().reward.unwrap();
    let order = async |n: u128, minor: i64| {
        let request = JobRequest {
            job_id: JobId(uuid::Uuid::from_u128(n)),
            user_id: user,
            kind: "image.generate".into(),
            estimate: Money::new(minor, Currency::Uah),
            expires_at: System.now() + TimeDelta::hours(1),
        };
        app.request_job(request, &context(&format!("job:{n}")))
            .await
    };
    order(1, 1).await.unwrap();
    order(2, reward.minor).await.unwrap_err();
    let payout = reward_payout_id(good.id);
    let rest = Money::new(reward.minor - 1, Currency::Uah);
    app.request_payout(bonus(payout, user, rest, good.id), &context("payout"))
        .await
        .unwrap();
    world.fold().await;
    let busy = told().await;
    assert_eq!(
        (busy.receipts["submitted"], busy.receipts["rewarded"]),
        (0, 1)
    );
    assert_eq!((busy.receipts["in_review"], busy.review_queue), (1, 1));
    assert_eq!((busy.payouts["held"], busy.jobs["pending"]), (1, 1));
    assert_eq!(busy.held_minor["UAH"].0, i128::from(reward.minor));
    assert_eq!(busy.refusals["insufficient_funds"], 1);

    for (step, command) in [
        PayoutCommand::RecordCreated {
            attempt: 1,
            bill_id: "b1".into(),
        },
        PayoutCommand::RecordSent {
            attempt: 1,
            sender: uuid::Uuid::from_u128(1),
            at: System.now(),
        },
        PayoutCommand::RecordUnknown {
            attempt: 1,
            reason: "timeout".into(),
        },
    ]
    .into_iter()
    .enumerate()
    {
        app.executor()
            .execute::<Payout>(
                &payout.to_string(),
                command,
                &context(&format!("step:{step}")),
            )
            .await
            .unwrap();
    }
    world.fold().await;
    world.age("receipts", "review_since").await;
    world.age("payouts", "unknown_since").await;
    let stuck = told().await;
    assert_eq!((stuck.payouts["held"], stuck.payouts["unknown"]), (0, 1));
    let an_hour = 3_600..3_900;
    assert!(an_hour.contains(&stuck.payout_unknown_oldest_seconds));
    assert!(an_hour.contains(&stuck.review_oldest_seconds));
}
