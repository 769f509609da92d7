//! The one message of a receipt through its stages.

use std::sync::Arc;

use kvit_bot::Notices;
use kvit_commands::app::{PayoutRequest, PayoutRoute, reward_payout_id};
use kvit_commands::context::Context;
use kvit_commands::ports::bus::EventHandler;
use kvit_commands::ports::time::{Clock as _, System};
use kvit_domain::campaign::Campaign;
use kvit_domain::ids::{PayoutId, ReceiptId, UserId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::{Payout, PayoutCommand};
use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::{
    Confidence, Field, FiscalQr, QrForm, QrReading, ReceiptItem, Recognition,
};
use kvit_domain::rules::{CampaignTerms, kyiv_local};

use crate::support::{World, photo};

/// Gives every event so far to the policy, in order; what it saw before it sees again, as after a restart.
pub async fn tell(world: &World, notices: &Notices) {
    let interests = notices.interests();
    for event in world.events().await {
        let wanted = interests.iter().any(|(aggregate, name)| {
            *aggregate == event.stream.aggregate_type && (*name == "*" || *name == event.event_type)
        });
        if wanted {
            notices.handle(&event).await.unwrap();
        }
    }
}

pub fn recognition(item: &str) -> Recognition {
    let sure = Confidence::CERTAIN;
    let bought = kyiv_local(System.now() - chrono::TimeDelta::hours(2));
    Recognition {
        qr: QrReading::Fiscal {
            fiscal: FiscalQr {
                form: QrForm::Link,
                register_number: "4000000001".into(),
                receipt_number: "77".into(),
                purchased_at: bought,
                total_minor: 9_530,
                currency: Currency::Uah,
                is_return: false,
            },
            step: "grey".into(),
        },
        merchant: Some(Field::new("Аптека <Приклад>".into(), sure)),
        tax_id: None,
        register_number: None,
        receipt_number: None,
        purchased_at: None,
        purchased_on: None,
        currency: Currency::Uah,
        total_minor: None,
        items: vec![ReceiptItem {
            name: item.into(),
            quantity: Quantity::ONE,
            unit_price_minor: None,
            sum_minor: 9_530,
            discount_minor: 0,
            tax: None,
            barcode: None,
            code: None,
            confidence: sure,
        }],
        is_return: false,
        confidence: sure,
        anomalies: vec![],
        text: String::new(),
        stage_ms: vec![],
        short_edge_px: 900,
    }
}

pub fn context(step: &str) -> Context {
    Context::new("test", step, "test")
}

/// The payout of a bonus to the person's own number.
pub fn bonus(payout: PayoutId, user: UserId, amount: Money, receipt: ReceiptId) -> PayoutRequest {
    PayoutRequest {
        payout_id: payout,
        user_id: user,
        amount,
        receipt_id: Some(receipt),
        route: PayoutRoute::Phone { operator: None },
    }
}

pub async fn campaign(world: &World) {
    let (id, _): (_, Campaign) = world.app.active_campaign().await.unwrap();
    let terms = CampaignTerms::default_campaign(100_000, 1_000_000);
    world
        .app
        .draft_campaign(id, "Проба".into(), terms, &context("draft"))
        .await
        .unwrap();
    world
        .app
        .activate_campaign(id, &context("activate"))
        .await
        .unwrap();
    let product = kvit_domain::matching::Product {
        code: "13204".into(),
        names: vec!["Цитрамон-Дарниця".into()],
        aliases: vec![],
        barcodes: vec![],
        active: true,
    };
    world
        .app
        .put_product(product, &context("product"))
        .await
        .unwrap();
}

pub async fn submitted(world: &World, person: i64) -> ReceiptId {
    world.send_photo(person, &photo(1, 900)).await;
    world.heard(person, "Чек отримано").await;
    let events = world.events().await;
    let event = events
        .iter()
        .find(|event| event.event_type == "ReceiptSubmitted")
        .unwrap();
    event.stream.aggregate_id.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_goes_from_the_photo_to_the_money_and_old_events_do_not_turn_it_back() {
    let world = World::new().await;
    campaign(&world).await;
    let olya = world.shopper().await;
    let (app, notices) = (
        world.app.clone(),
        Notices::new(
            world.app.clone(),
            Arc::clone(&world.board) as _,
            Arc::clone(&world.tokens) as _,
        ),
    );
    let receipt = submitted(&world, olya).await;
    app.record_recognition(
        receipt,
        recognition("Цитрамон-Дарниця табл. №10"),
        &context("read"),
    )
    .await
    .unwrap();
    tell(&world, &notices).await;
    world.heard(olya, "Чек прочитано").await;
    app.decide_receipt(receipt, &context("decide"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    world.heard(olya, "Чек прийнято").await;
    app.post_reward(receipt, &context("reward")).await.unwrap();
    let payout = reward_payout_id(receipt);
    let reward = app.receipt(receipt).await.unwrap().reward.unwrap();
    app.request_payout(
        bonus(payout, world.user(olya), reward, receipt),
        &context("payout"),
    )
    .await
    .unwrap();
    let step = async |command: PayoutCommand, key: &str| {
        app.executor()
            .execute::<Payout>(&payout.to_string(), command, &context(key))
            .await
            .unwrap();
        tell(&world, &notices).await;
    };
    step(
        PayoutCommand::RecordCreated {
            attempt: 1,
            bill_id: "b1".into(),
        },
        "created",
    )
    .await;
    step(
        PayoutCommand::RecordSent {
            attempt: 1,
            sender: uuid::Uuid::from_u128(1),
            at: chrono::DateTime::UNIX_EPOCH,
        },
        "sent",
    )
    .await;
    world.heard(olya, "надсилається").await;
    step(
        PayoutCommand::RecordUnknown {
            attempt: 1,
            reason: "timeout".into(),
        },
        "unknown",
    )
    .await;
    world.heard(olya, "Уточнюємо в оператора").await;
    step(
        PayoutCommand::Succeed {
            bill_id: "b1".into(),
            paid_at: None,
            provider_id: None,
        },
        "paid",
    )
    .await;
    let paid = world.heard(olya, "виплачено").await;
    assert!(paid.text().contains("+380 67 ***-**-67"));

    let said = world.said(olya).await;
    assert_eq!(
        said.len(),
        2,
        "an answer to /cancel, and one message for the receipt"
    );
    tell(&world, &notices).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(world.said(olya).await, said, "told again, nothing changes");

    world.press(olya, &paid, "Докладніше").await;
    let details = world.heard(olya, "Продавець").await;
    assert!(
        details.text().contains("Аптека <Приклад>") && details.text().contains("Цитрамон"),
        "{}",
        details.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_names_its_reasons_and_an_appeal_brings_a_person() {
    let world = World::new().await;
    campaign(&world).await;
    let olya = world.shopper().await;
    let notices = Notices::new(
        world.app.clone(),
        Arc::clone(&world.board) as _,
        Arc::clone(&world.tokens) as _,
    );
    let receipt = submitted(&world, olya).await;
    world
        .app
        .record_recognition(receipt, recognition("Хліб житній"), &context("read"))
        .await
        .unwrap();
    world
        .app
        .decide_receipt(receipt, &context("decide"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    let rejected = world.heard(olya, "бонусу немає").await;
    assert!(
        rejected.text().contains("немає товарів акції"),
        "{}",
        rejected.text()
    );
    let press = world.press(olya, &rejected, "Попросити перевірку").await;
    assert_eq!(
        world.toast(&press).await.as_deref(),
        Some("Передано на перевірку людині.")
    );
    tell(&world, &notices).await;
    world.heard(olya, "Ваше прохання прийнято").await;
    assert_eq!(world.count("Appealed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payout_says_that_the_bonus_stays_and_offers_another_number() {
    let world = World::new().await;
    campaign(&world).await;
    let olya = world.shopper().await;
    let app = world.app.clone();
    let notices = Notices::new(
        app.clone(),
        Arc::clone(&world.board) as _,
        Arc::clone(&world.tokens) as _,
    );
    let receipt = submitted(&world, olya).await;
    app.record_recognition(
        receipt,
        recognition("Цитрамон-Дарниця табл. №10"),
        &context("read"),
    )
    .await
    .unwrap();
    app.decide_receipt(receipt, &context("decide"))
        .await
        .unwrap();
    app.post_reward(receipt, &context("reward")).await.unwrap();
    let payout = reward_payout_id(receipt);
    let reward = app.receipt(receipt).await.unwrap().reward.unwrap();
    app.request_payout(
        bonus(payout, world.user(olya), reward, receipt),
        &context("payout"),
    )
    .await
    .unwrap();
    let fail = |is_final| PayoutCommand::Fail {
        attempt: 1,
        when: kvit_domain::payout::FailedWhen::BeforeBill,
        code: "payee".into(),
        is_final,
        retry_at: None,
    };
    app.executor()
        .execute::<Payout>(&payout.to_string(), fail(true), &context("failed"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    let failed = world.heard(olya, "не вдалося поповнити").await;
    assert!(
        failed.text().contains("лишився на вашому балансі"),
        "{}",
        failed.text()
    );
    world.press(olya, &failed, "Змінити номер").await;
    world
        .heard(olya, "Зараз бонуси йдуть на +380 67 ***-**-67")
        .await;
}
