//! The page that payers come back to.

use std::sync::atomic::Ordering;

use kvit_domain::ids::{PaymentId, UserId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentState, SnapshotStatus};
use serde_json::json;

use crate::world::World;

const AMOUNT: Money = Money::new(10_000, Currency::Rub);

async fn payment(world: &World, user: UserId) -> PaymentId {
    let body = json!({ "user_id": user, "provider": "yookassa", "amount": { "minor": AMOUNT.minor, "currency": "RUB" } });
    let made = world
        .post("/v1/payments")
        .admin()
        .once("pay")
        .json(&body)
        .send()
        .await
        .ok();
    made["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn f11_the_page_the_worker_and_the_notification_together_credit_once_and_the_page_alone_nothing()
 {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = payment(&world, user).await;
    let path = format!("/return?op={id}");
    let open = world.get(&path).send().await;
    assert_eq!(open.status.as_u16(), 200);
    assert!(open.text().contains("being processed"), "{}", open.text());
    assert_eq!(open.header("refresh"), "5");
    assert_eq!(
        world.app.payment(id).await.unwrap().state,
        PaymentState::Intended,
        "coming back proves nothing"
    );

    world.asker.will_say(id, SnapshotStatus::Succeeded, AMOUNT);
    let worker = kvit_commands::context::Context::new("test", "worker", "worker");
    let paid = crate::provider::snapshot(id, SnapshotStatus::Succeeded, AMOUNT);
    let pages = futures_of(&world, &path, 6);
    let (_, observed) = tokio::join!(pages, world.app.observe_payment(id, &paid, &worker));
    observed.unwrap();
    let done = world.get(&path).send().await;
    assert!(done.text().contains("The money is on the balance"));
    assert_eq!(done.header("refresh"), "");
    world.settle().await;
    let wallet = world.read(&format!("/v1/wallets/{user}:RUB")).await;
    assert_eq!(
        (&wallet["posted"]["minor"], &wallet["entries"]),
        (&json!(10_000), &json!(1))
    );
}

async fn futures_of(world: &World, path: &str, count: usize) {
    let pages = (0..count).map(|_| world.get(path).send());
    for page in futures::future::join_all(pages).await {
        assert_eq!(page.status.as_u16(), 200);
    }
}

#[tokio::test]
async fn the_page_speaks_the_payers_language_and_tells_nothing_about_anybody() {
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = payment(&world, user).await;
    let path = format!("/return?op={id}");
    for (wanted, words) in [
        ("uk-UA,uk;q=0.9", "Платіж ще обробляється"),
        ("ru", "Платёж ещё обрабатывается"),
        ("de", "The payment is being processed"),
    ] {
        let got = world
            .get(&path)
            .header("accept-language", wanted)
            .send()
            .await;
        let text = got.text();
        assert!(text.contains(words), "{text}");
        for secret in [
            id.to_string(),
            user.to_string(),
            "100.00".into(),
            "10000".into(),
        ] {
            assert!(!text.contains(&secret), "{secret} is on the page");
        }
        assert_eq!(got.header("cache-control"), "no-store");
        assert!(
            got.header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
    for strange in [
        "/return",
        "/return?op=",
        "/return?op=x",
        "/return?op=5b1f1c9e-3c0b-4d8e-9a53-0c8f0f6f7a11",
        "/return?op=%00&RESULT=0",
    ] {
        let got = world.get(strange).send().await;
        assert_eq!(got.status.as_u16(), 404, "{strange}");
        assert!(got.text().contains("There is no such payment"), "{strange}");
    }
    // A provider that sends the browser back with a form.
    let form = world
        .post(&path)
        .header("content-type", "application/x-www-form-urlencoded")
        .raw("RESULT=0&SHOPBILLID=1&BILL_AMOUNT=1000000.00")
        .send()
        .await;
    assert!(form.text().contains("being processed"));
    assert_eq!(
        world.app.payment(id).await.unwrap().state,
        PaymentState::Intended
    );
}

#[tokio::test]
async fn a_provider_that_is_away_does_not_keep_the_payer_waiting_and_is_not_asked_at_every_reload()
{
    let world = World::new().await;
    let user = world.shopper(1).await;
    let id = payment(&world, user).await;
    world.asker.away.store(true, Ordering::SeqCst);
    let path = format!("/return?op={id}");
    for _ in 0..20 {
        assert!(
            world
                .get(&path)
                .send()
                .await
                .text()
                .contains("being processed")
        );
    }
    assert_eq!(world.asker.asked.lock().unwrap().len(), 6);
}
