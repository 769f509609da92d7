//! Each read model out of a realistic history.

use chrono::TimeDelta;
use kvit_domain::ids::{ReceiptId, WalletId};
use kvit_domain::job::{JobCommand, JobState};
use kvit_domain::money::Currency;
use kvit_domain::payout::{PayoutCommand, PayoutState};
use kvit_domain::receipt::{Corrections, ReceiptCommand, ReceiptState, Verdict};
use kvit_domain::rules::ReasonCode;
use kvit_domain::user::UserCommand;
use kvit_projections::queries::{campaigns, due, health, jobs, ledger, payouts, receipts, users};

use crate::world::{World, busy_world, campaign_id, day, uah, version};

#[tokio::test]
async fn a_rewarded_and_paid_receipt_is_seen_everywhere() {
    let mut world = World::new().await;
    world.campaign();
    let mut person = world.person();
    let receipt_id = world.reward(&mut person, 100);
    let (payout_id, mut payout) = world.payout(&mut person, Some(receipt_id), 100);
    world.send(payout_id, &mut payout, 1);
    world.paid(&mut person, payout_id, &mut payout);
    let head = world.settle().await;

    let receipt = receipts::receipt(&world.pool, receipt_id).await.unwrap();
    assert_eq!(receipt.position, head);
    let receipt = receipt.data.unwrap();
    assert_eq!(receipt.receipt.state, "rewarded");
    assert_eq!(receipt.receipt.payout_state.as_deref(), Some("succeeded"));
    assert_eq!(receipt.receipt.payout_id, Some(payout_id));
    assert_eq!(receipt.receipt.total_minor, Some(9_530));
    assert_eq!(
        receipt.receipt.register_number.as_deref(),
        Some("4000000001")
    );
    // A zero character that somebody sent did not stop anything.
    assert_eq!(
        receipt.receipt.merchant.as_deref(),
        Some("Аптека «Ромашка»\u{fffd}")
    );
    assert_eq!(receipt.recognition.unwrap().short_edge_px, 900);

    let wallet = ledger::wallet(&world.pool, person.wallet_id).await.unwrap();
    let wallet = wallet.data.unwrap();
    assert_eq!(
        (wallet.posted_minor, wallet.held_minor, wallet.entries),
        (0, 0, 2)
    );
    let paid = payouts::payout(&world.pool, payout_id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((paid.state.as_str(), paid.attempt), ("succeeded", 1));
    assert_eq!(paid.bill_id.as_deref(), Some("bill-1"));
    let campaign = campaigns::campaign(&world.pool, campaign_id())
        .await
        .unwrap();
    let campaign = campaign.data.unwrap();
    assert_eq!(
        (campaign.state.as_str(), campaign.budget_used_minor),
        ("active", 100)
    );
    let spent = campaigns::campaign_day(&world.pool, campaign_id(), day("2026-03-10"))
        .await
        .unwrap();
    assert_eq!(spent.data.unwrap().accepted, 1);

    let bonuses = users::bonuses(&world.pool, person.id).await.unwrap().data;
    assert_eq!(bonuses.receipts.get("rewarded"), Some(&1));
    assert_eq!(bonuses.money[0].earned_minor, 100);
    assert_eq!(bonuses.money[0].paid_minor, 100);
    assert_eq!(bonuses.money[0].available_minor, 0);
}

#[tokio::test]
async fn a_receipt_in_review_waits_in_the_queue_until_it_is_decided() {
    let mut world = World::new().await;
    world.campaign();
    let person = world.person();
    let (first, mut receipt) = world.review(&person, &[ReasonCode::LowConfidence]);
    let (second, _) = world.review(&person, &[ReasonCode::TotalMismatch]);
    world.settle().await;
    let queue = receipts::review_queue(&world.pool, None, 1)
        .await
        .unwrap()
        .data;
    assert_eq!(queue.items[0].receipt_id, first);
    let next = receipts::review_queue(&world.pool, queue.next.as_deref(), 1)
        .await
        .unwrap()
        .data;
    assert_eq!((next.items[0].receipt_id, next.next), (second, None));

    let correct = ReceiptCommand::Correct {
        corrections: Corrections {
            merchant: Some("Аптека 2".into()),
            ..Corrections::default()
        },
        reason: "the shop's name".into(),
    };
    world.run(first, "admin:1", &mut receipt, &correct).unwrap();
    world.settle().await;
    let seen = receipts::receipt(&world.pool, first)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(seen.receipt.state, "recognised");
    assert_eq!(seen.receipt.merchant.as_deref(), Some("Аптека 2"));
    assert_eq!(
        seen.recognition.unwrap().merchant.unwrap().value,
        "Аптека 2"
    );

    let again = ReceiptCommand::RequestReview {
        campaign: version(),
        reasons: vec![],
    };
    world
        .run(first, "policy:rules", &mut receipt, &again)
        .unwrap();
    let decide = ReceiptCommand::DecideReview {
        verdict: Verdict::Accept,
        reason: "fine".into(),
        campaign: version(),
        reward: uah(100),
        matches: vec![],
        reasons: vec![],
    };
    world.run(first, "admin:1", &mut receipt, &decide).unwrap();
    world.settle().await;
    let queue = receipts::review_queue(&world.pool, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(
        queue.items.iter().map(|r| r.receipt_id).collect::<Vec<_>>(),
        [second]
    );
    let seen = receipts::receipt(&world.pool, first)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(seen.receipt.state, "accepted");
    assert_eq!(seen.receipt.review_note.as_deref(), Some("fine"));
}

#[tokio::test]
async fn receipts_are_found_by_person_state_reason_and_date_page_by_page() {
    let (mut world, people) = busy_world().await;
    for _ in 0..5 {
        world.reject(&people[1], &[ReasonCode::Expired]);
    }
    world.settle().await;
    let filter = receipts::ReceiptFilter {
        user_id: Some(people[1].id),
        state: Some(ReceiptState::Rejected),
        reason: Some(ReasonCode::Expired),
        from: Some("2026-03-10T00:00:00Z".parse().unwrap()),
        to: Some("2026-03-11T00:00:00Z".parse().unwrap()),
    };
    let mut found: Vec<ReceiptId> = Vec::new();
    let mut times = Vec::new();
    let mut cursor = None;
    loop {
        let page = receipts::search(&world.pool, &filter, cursor.as_deref(), 2)
            .await
            .unwrap()
            .data;
        assert!(page.items.len() <= 2);
        for item in page.items {
            found.push(item.receipt_id);
            times.push(item.submitted_at);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found.len(), 6);
    assert!(times.is_sorted_by(|a, b| a > b), "newest first");
    let other = receipts::ReceiptFilter {
        reason: Some(ReasonCode::DuplicateImage),
        ..receipts::ReceiptFilter::default()
    };
    let none = receipts::search(&world.pool, &other, None, 10)
        .await
        .unwrap();
    assert!(none.data.items.is_empty());
    assert!(
        receipts::search(&world.pool, &other, Some("nonsense"), 10)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_second_payout_of_a_receipt_decides_its_payout_state() {
    let mut world = World::new().await;
    world.campaign();
    let mut person = world.person();
    let receipt_id = world.reward(&mut person, 100);
    let (first, mut payout) = world.payout(&mut person, Some(receipt_id), 100);
    world.failed(&mut person, first, &mut payout);
    world.settle().await;
    let seen = |world: &World| {
        let pool = world.pool.clone();
        async move {
            let receipt = receipts::receipt(&pool, receipt_id).await.unwrap();
            receipt.data.unwrap().receipt.payout_state.unwrap()
        }
    };
    assert_eq!(seen(&world).await, "failed");
    let (second, mut payout) = world.payout(&mut person, Some(receipt_id), 100);
    world.send(second, &mut payout, 1);
    world.settle().await;
    assert_eq!(seen(&world).await, "sent");
    let of_receipt = payouts::PayoutFilter {
        receipt_id: Some(receipt_id),
        ..payouts::PayoutFilter::default()
    };
    let page = payouts::search(&world.pool, &of_receipt, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(
        page.items.iter().map(|p| p.payout_id).collect::<Vec<_>>(),
        [second, first]
    );
}

#[tokio::test]
async fn a_failed_attempt_leads_to_the_next_one_and_unknown_has_an_age() {
    let mut world = World::new().await;
    let mut person = world.person();
    world.campaign();
    world.reward(&mut person, 100);
    let (id, mut payout) = world.payout(&mut person, None, 100);
    let retry_at = Some(world.clock);
    let fail = PayoutCommand::Fail {
        attempt: 1,
        when: kvit_domain::payout::FailedWhen::BeforeBill,
        code: "not_sent".into(),
        is_final: false,
        retry_at,
    };
    world
        .run(id, "policy:portmone", &mut payout, &fail)
        .unwrap();
    world.settle().await;
    let row = payouts::payout(&world.pool, id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!(
        (row.state.as_str(), row.attempt, row.retry_at),
        ("held", 2, retry_at)
    );
    world.send(id, &mut payout, 2);
    let unknown = PayoutCommand::RecordUnknown {
        attempt: 2,
        reason: "timeout".into(),
    };
    world
        .run(id, "policy:portmone", &mut payout, &unknown)
        .unwrap();
    world.settle().await;
    let unknown = payouts::PayoutFilter {
        state: Some(PayoutState::Unknown),
        ..payouts::PayoutFilter::default()
    };
    let page = payouts::search(&world.pool, &unknown, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(page.items[0].reason.as_deref(), Some("timeout"));
    let figures = health::health(&world.pool).await.unwrap().data;
    assert_eq!(figures.payouts_unknown, 1);
    assert!(figures.oldest_unknown_payout_seconds > 0);
    assert_eq!(figures.head, world.head);
}

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let mut world = World::new().await;
    let person = world.person();
    let (id, mut job) = world.job(&person, 50);
    for command in [
        JobCommand::Start { worker: "w".into() },
        JobCommand::Progress { percent: 40 },
    ] {
        world.run(id, "policy:jobs", &mut job, &command).unwrap();
    }
    world.settle().await;
    let row = jobs::job(&world.pool, id).await.unwrap().data.unwrap();
    assert_eq!(
        (row.state.as_str(), row.percent, row.cost_minor),
        ("processing", 40, None)
    );
    let complete = JobCommand::Complete {
        cost: uah(45),
        result_key: "jobs/1".into(),
    };
    world.run(id, "policy:jobs", &mut job, &complete).unwrap();
    world.settle().await;
    let mine = jobs::JobFilter {
        user_id: Some(person.id),
        state: Some(JobState::Completed),
    };
    let page = jobs::search(&world.pool, &mine, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(
        (page.items[0].percent, page.items[0].cost_minor),
        (100, Some(45))
    );
}

#[tokio::test]
async fn a_user_is_found_by_the_hash_of_the_phone_until_forgotten() {
    let mut world = World::new().await;
    let mut person = world.person();
    world.settle().await;
    let by_phone = users::UserFilter {
        phone_hash: Some(format!("hash-{}", person.id)),
        state: None,
    };
    let page = users::search(&world.pool, &by_phone, None, 10)
        .await
        .unwrap()
        .data;
    assert_eq!(
        (page.items.len(), page.items[0].state.as_str()),
        (1, "active")
    );
    assert_eq!(page.items[0].last_seen, world.clock - TimeDelta::seconds(1));
    let actor = person.actor();
    world
        .run(person.id, &actor, &mut person.user, &UserCommand::Forget {})
        .unwrap();
    world.settle().await;
    let page = users::search(&world.pool, &by_phone, None, 10)
        .await
        .unwrap()
        .data;
    assert!(page.items.is_empty());
    let row = users::user(&world.pool, person.id)
        .await
        .unwrap()
        .data
        .unwrap();
    assert_eq!((row.state.as_str(), row.language), ("forgotten", None));
}

#[tokio::test]
async fn nothing_in_the_read_models_holds_what_identifies_a_person() {
    let (mut world, _) = busy_world().await;
    world.settle().await;
    for name in ["users", "payouts", "receipts", "daily", "ledger"] {
        let schema = world.schema(name).await;
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1")
                .bind(&schema)
                .fetch_all(&world.pool)
                .await
                .unwrap();
        assert!(!tables.is_empty());
        for table in tables {
            let sql =
                format!("SELECT count(*) FROM {schema}.{table} t WHERE t::text LIKE '%v1.k.%'");
            let sealed: i64 = sqlx::query_scalar(&sql)
                .fetch_one(&world.pool)
                .await
                .unwrap();
            assert_eq!(sealed, 0, "{schema}.{table} holds a sealed value");
        }
    }
}

#[tokio::test]
async fn what_does_not_exist_is_none_and_not_a_fault() {
    let mut world = World::new().await;
    let person = world.person();
    world.settle().await;
    let wallet = WalletId {
        user: person.id,
        currency: Currency::Eur,
    };
    assert!(
        ledger::wallet(&world.pool, wallet)
            .await
            .unwrap()
            .data
            .is_none()
    );
    let statement = ledger::statement(&world.pool, wallet, None, 10)
        .await
        .unwrap();
    assert!(statement.data.items.is_empty());
    let nobody = ReceiptId::derived("test", "nobody");
    assert!(
        receipts::receipt(&world.pool, nobody)
            .await
            .unwrap()
            .data
            .is_none()
    );
}

#[tokio::test]
async fn what_the_clock_makes_due_is_listed_and_what_has_ended_is_not() {
    let mut world = World::new().await;
    world.campaign();
    let mut person = world.person();
    world.reward(&mut person, 200);
    let (_, payout) = world.payout(&mut person, None, 100);
    let (ended, mut other) = world.payout(&mut person, None, 100);
    world.failed(&mut person, ended, &mut other);
    let (job_id, _) = world.job(&person, 50);
    world.settle().await;
    let soon = world.clock + TimeDelta::minutes(1);
    assert_eq!(due::jobs(&world.pool, soon, 10).await.unwrap(), []);
    assert_eq!(due::holds(&world.pool, soon, 10).await.unwrap(), []);
    let late = world.clock + TimeDelta::days(31);
    assert_eq!(due::jobs(&world.pool, late, 10).await.unwrap(), [job_id]);
    let hold = (person.wallet_id, payout.hold_id.unwrap());
    assert_eq!(due::holds(&world.pool, late, 10).await.unwrap(), [hold]);
}
