//! Balance, history and the report, from the read models.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use kvit_bot::BotConfig;
use kvit_commands::ports::time::{Clock as _, System};
use kvit_domain::user::Language;
use kvit_projections::Projector;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::money::{bill, waits};
use crate::notices::{campaign, context};
use crate::support::{World, config, eventually, photo};

/// Runs the projections beside the bot.
fn project(world: &World) -> CancellationToken {
    let (projector, stop) = (
        Projector::new(world.db.pool.clone()),
        CancellationToken::new(),
    );
    let token = stop.clone();
    tokio::spawn(async move {
        let (_keep, hint) = watch::channel(0);
        projector.run(token, hint).await;
    });
    stop
}

#[tokio::test(flavor = "multi_thread")]
async fn balance_and_history_show_what_was_sent_a_moment_ago() {
    let world = World::new().await;
    let stop = project(&world);
    let olya = world.shopper().await;
    world.say(olya, "/balance").await;
    world.heard(olya, "Поки що порожньо").await;
    world.say(olya, "/receipts").await;
    world.heard(olya, "Чеків ще немає").await;
    for colour in 0..5 {
        world.send_photo(olya, &photo(colour, 900)).await;
    }
    world.settled().await;
    world.say(olya, "/balance").await;
    let balance = world.heard(olya, "Надіслано 5 чеків:").await;
    assert!(
        balance
            .text()
            .contains("прийнято 0, без бонусу 0, у роботі 5."),
        "{}",
        balance.text()
    );
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_turned_page_by_page_in_one_message() {
    let world = World::new().await;
    let stop = project(&world);
    let olya = world.shopper().await;
    // More than five a minute: past the bot, whose limit is tried elsewhere.
    for n in 0..7_u8 {
        let context = kvit_commands::context::Context::new("test", format!("photo:{n}"), "test");
        sqlx::query("DELETE FROM rate_uses")
            .execute(&world.db.pool)
            .await
            .unwrap();
        let bytes = photo(n, 900).into();
        world
            .app
            .submit_receipt(world.user(olya), bytes, System.now(), &context)
            .await
            .unwrap();
    }
    world.say(olya, "/history").await;
    let first = world.heard(olya, "Це ще не все").await;
    assert_eq!(first.text().matches("Чек №").count(), 5, "{}", first.text());
    world.press(olya, &first, "Давніші →").await;
    let second = eventually("the second page", async || {
        let said = world.said(olya).await;
        said.into_iter()
            .find(|said| said.message_id == first.message_id && said.versions.len() == 2)
    })
    .await;
    assert_eq!(
        second.text().matches("Чек №").count(),
        2,
        "{}",
        second.text()
    );
    world.press(olya, &second, "← Новіші").await;
    eventually("the first page again", async || {
        let said = world.said(olya).await;
        said.into_iter().find(|said| {
            said.message_id == first.message_id
                && said.text() == first.text()
                && said.versions.len() == 3
        })
    })
    .await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_says_why_a_payout_waits_and_not_that_it_is_being_paid() {
    let world = World::new().await;
    let stop = project(&world);
    campaign(&world).await;
    let olya = world.shopper().await;
    let payout = world.rewarded(olya).await;
    let tomorrow = System.now() + TimeDelta::days(1);
    for (reason, until, said) in [
        (
            "daily_budget",
            Some(tomorrow),
            [
                "виплата завтра, бонус на балансі",
                "выплата завтра, бонус на балансе",
                "paid out tomorrow, bonus on the balance",
            ],
        ),
        (
            "daily_budget",
            None,
            [
                "виплату вирішує людина",
                "выплату решает человек",
                "a person decides on the payout",
            ],
        ),
        (
            "breaker",
            None,
            [
                "виплати призупинено",
                "выплаты приостановлены",
                "payouts are paused",
            ],
        ),
    ] {
        world.step(payout, waits(reason, until)).await;
        let languages = [Language::Uk, Language::Ru, Language::En];
        for (language, words) in languages.into_iter().zip(said) {
            let step = format!("language:{words}");
            world
                .app
                .choose_language(world.user(olya), language, &context(&step))
                .await
                .unwrap();
            world.say(olya, "/history").await;
            let history = world.heard(olya, words).await;
            for sending in ["виплачується", "выплачивается", "being paid"]
            {
                assert!(!history.text().contains(sending), "{}", history.text());
            }
        }
    }
    world.step(payout, bill(1)).await;
    world.say(olya, "/history").await;
    world.heard(olya, "being paid").await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_gets_the_report_of_a_day() {
    let mut world = World::asleep().await;
    let stop = project(&world);
    let olya = world.shopper().await;
    world.start(BotConfig {
        admin_ids: BTreeSet::from([olya]),
        ..config()
    });
    world.say(olya, "/report").await;
    let report = world.heard(olya, "Звіт за").await;
    assert!(
        report.text().contains("Користувачів усього: 1"),
        "{}",
        report.text()
    );
    world.say(olya, "/report вчора").await;
    world.heard(olya, "Не розумію дату").await;
    world.say(olya, "/report 01.01.2026").await;
    world.heard(olya, "Звіт за 01.01.2026").await;
    world.say(olya, "/stats").await;
    world.heard(olya, "Зараз").await;
    world
        .say(olya, "/find 00000000-0000-0000-0000-000000000000")
        .await;
    world.heard(olya, "Такого чека немає").await;
    stop.cancel();
}
