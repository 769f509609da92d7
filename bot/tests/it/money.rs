//! The messages about money: a bonus that waits, payouts without a receipt, top-ups and what is given back of them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::sandbox::telegram::ChatMessage;
use kvit_bot::Notices;
use kvit_commands::app::{PaymentRequest, PayoutRequest, PayoutRoute, reward_payout_id};
use kvit_commands::context::Context;
use kvit_commands::ports::time::{Clock as _, System};
use kvit_domain::ids::{PaymentId, PayoutId, RefundId, UserId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentSnapshot, RefundSnapshot, RefundStatus, SnapshotStatus};
use kvit_domain::payout::{FailedWhen, Payout, PayoutCommand};
use kvit_domain::user::Language;
use uuid::Uuid;

use crate::notices::{bonus, campaign, context, recognition, submitted, tell};
use crate::support::{World, eventually};

const PAGE: &str = "https://pay.example/confirm?order=1";
const HUNDRED: Money = Money::new(10_000, Currency::Rub);

fn notices(world: &World) -> Notices {
    Notices::new(
        world.app.clone(),
        Arc::clone(&world.board) as _,
        Arc::clone(&world.tokens) as _,
    )
}

fn payment_id(number: u128) -> PaymentId {
    PaymentId(Uuid::from_u128(number))
}

fn snapshot(payment: PaymentId, status: SnapshotStatus) -> PaymentSnapshot {
    PaymentSnapshot {
        provider_id: format!("provider-{payment}"),
        operation_id: Some(payment.to_string()),
        status,
        amount: HUNDRED,
        fee: None,
        test: true,
        confirmation_url: Some(PAGE.to_owned()),
        expires_at: None,
    }
}

/// The address of the one link under a message, if there is one.
fn link(message: &ChatMessage) -> Option<String> {
    let text = message.keyboard().map(ToString::to_string)?;
    text.contains(PAGE).then(|| PAGE.to_owned())
}

impl World {
    async fn intend(&self, payment: PaymentId, user: UserId) {
        let request = PaymentRequest {
            payment_id: payment,
            user_id: user,
            provider: ProviderName::Yookassa,
            amount: HUNDRED,
            capture: true,
        };
        self.app
            .intend_payment(request, &context(&format!("intend:{payment}")))
            .await
            .unwrap();
    }

    async fn observe(&self, payment: PaymentId, status: SnapshotStatus) {
        self.observe_as(payment, snapshot(payment, status)).await;
    }

    async fn observe_as(&self, payment: PaymentId, snapshot: PaymentSnapshot) {
        let context = context(&format!("observe:{payment}"));
        self.app
            .observe_payment(payment, &snapshot, &context)
            .await
            .unwrap();
    }

    /// A wallet with a hundred in it, without any message.
    async fn funded(&self, user: UserId) {
        let payment = payment_id(0xf00d);
        self.intend(payment, user).await;
        self.observe(payment, SnapshotStatus::Succeeded).await;
    }

    /// A receipt with its bonus on the balance; answers the bonus' payout, which has been asked for.
    pub async fn rewarded(&self, person: i64) -> PayoutId {
        let (app, receipt) = (&self.app, submitted(self, person).await);
        let read = recognition("Цитрамон-Дарниця табл. №10");
        app.record_recognition(receipt, read, &context("read"))
            .await
            .unwrap();
        app.decide_receipt(receipt, &context("decide"))
            .await
            .unwrap();
        app.post_reward(receipt, &context("reward")).await.unwrap();
        let payout = reward_payout_id(receipt);
        let reward = app.receipt(receipt).await.unwrap().reward.unwrap();
        let request = bonus(payout, self.user(person), reward, receipt);
        app.request_payout(request, &context("payout"))
            .await
            .unwrap();
        payout
    }

    pub async fn step(&self, payout: PayoutId, command: PayoutCommand) {
        let key = format!("step:{}", self.events().await.len());
        self.app
            .executor()
            .execute::<Payout>(&payout.to_string(), command, &context(&key))
            .await
            .unwrap();
    }

    async fn ask_for(&self, payout: PayoutId, user: UserId, route: PayoutRoute) {
        let request = PayoutRequest {
            payout_id: payout,
            user_id: user,
            amount: Money::new(2_500, Currency::Rub),
            receipt_id: None,
            route,
        };
        self.app
            .request_payout(request, &context(&format!("request:{payout}")))
            .await
            .unwrap();
    }

    /// Tells everything again, as a bus may, and sees that no screen changes.
    async fn nothing_turns_back(&self, notices: &Notices, person: i64) {
        let said = self.said(person).await;
        tell(self, notices).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(self.said(person).await, said, "told again, nothing changes");
    }

    /// The wishes on the board for a person, by slot.
    async fn slots(&self, user: UserId) -> Vec<String> {
        sqlx::query_scalar("SELECT slot FROM telegram_messages WHERE user_id = $1 ORDER BY slot")
            .bind(user.0)
            .fetch_all(&self.db.pool)
            .await
            .unwrap()
    }
}

fn sbp() -> PayoutRoute {
    PayoutRoute::Sbp {
        phone: "79000000001".into(),
        bank_id: "100000000001".into(),
    }
}

pub fn bill(attempt: u32) -> PayoutCommand {
    PayoutCommand::RecordCreated {
        attempt,
        bill_id: "b1".into(),
    }
}

fn sent() -> PayoutCommand {
    PayoutCommand::RecordSent {
        attempt: 1,
        sender: Uuid::from_u128(1),
        at: DateTime::UNIX_EPOCH,
    }
}

fn unknown() -> PayoutCommand {
    PayoutCommand::RecordUnknown {
        attempt: 1,
        reason: "timeout".into(),
    }
}

fn succeeded() -> PayoutCommand {
    PayoutCommand::Succeed {
        bill_id: "b1".into(),
        paid_at: None,
        provider_id: None,
    }
}

pub fn waits(reason: &str, until: Option<DateTime<Utc>>) -> PayoutCommand {
    PayoutCommand::Postpone {
        reason: reason.into(),
        until,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bonus_that_waits_says_why_and_goes_on_in_the_same_message() {
    let world = World::new().await;
    campaign(&world).await;
    let olya = world.shopper().await;
    let notices = notices(&world);
    let payout = world.rewarded(olya).await;

    let tomorrow = System.now() + TimeDelta::days(1);
    world
        .step(payout, waits("daily_budget", Some(tomorrow)))
        .await;
    tell(&world, &notices).await;
    let waiting = world.heard(olya, "чекає своєї черги").await;
    for words in [
        "завтра я надішлю їх сам",
        "в безпеці на вашому балансі",
        "Чек №",
    ] {
        assert!(waiting.text().contains(words), "{}", waiting.text());
    }
    world.step(payout, waits("kill_switch", None)).await;
    tell(&world, &notices).await;
    world.heard(olya, "Виплати тимчасово призупинено").await;
    // The old event comes again while the provider is paused.
    world.nothing_turns_back(&notices, olya).await;

    world.step(payout, bill(1)).await;
    tell(&world, &notices).await;
    let going = world.heard(olya, "надсилається").await;
    assert_eq!(
        going.message_id, waiting.message_id,
        "one message a receipt"
    );
    world.nothing_turns_back(&notices, olya).await;
    assert_eq!(
        world
            .slots(world.user(olya))
            .await
            .iter()
            .filter(|slot| slot.starts_with("payout:"))
            .count(),
        0,
        "a bonus is told of in the message of its receipt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_without_a_receipt_has_a_message_of_its_own_from_the_request_to_the_money() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    world.funded(user).await;
    let payout = PayoutId(Uuid::from_u128(0x51));
    world.ask_for(payout, user, sbp()).await;
    world.step(payout, waits("breaker", None)).await;
    tell(&world, &notices).await;
    let first = world.heard(olya, "чекає своєї черги").await;
    assert!(
        first.text().contains("щойно все запрацює") && first.text().contains("25,00\u{a0}₽"),
        "{}",
        first.text()
    );
    for (command, words) in [
        (bill(1), "надсилається"),
        (sent(), "Гроші йдуть на ваш банківський рахунок"),
        (unknown(), "Перевіряємо виплату"),
        (succeeded(), "Гроші надійшли на ваш банківський рахунок"),
        (
            PayoutCommand::RecordReversed {
                bill_id: "b1".into(),
            },
            "знову на вашому балансі",
        ),
    ] {
        world.step(payout, command).await;
        tell(&world, &notices).await;
        let now = world.heard(olya, words).await;
        assert_eq!(now.message_id, first.message_id, "{words}");
        assert!(!now.text().contains("79000000001"), "{}", now.text());
    }
    world.nothing_turns_back(&notices, olya).await;
    assert!(
        world
            .slots(user)
            .await
            .contains(&format!("payout:{payout}"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payout_that_fails_says_in_the_persons_language_that_the_money_is_back() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    world
        .app
        .choose_language(user, Language::Ru, &context("language"))
        .await
        .unwrap();
    world.funded(user).await;
    for (number, route, to) in [
        (1_u128, sbp(), "на ваш банковский счёт"),
        (
            2,
            PayoutRoute::YoomoneyWallet {
                account: "41001000000001".into(),
            },
            "на ваш кошелёк ЮMoney",
        ),
        (
            3,
            PayoutRoute::CardToken {
                token: "token".into(),
            },
            "на вашу карту",
        ),
        (4, PayoutRoute::Phone { operator: None }, "на ваш мобильный"),
    ] {
        let payout = PayoutId(Uuid::from_u128(number));
        world.ask_for(payout, user, route).await;
        let failed = PayoutCommand::Fail {
            attempt: 1,
            when: FailedWhen::BeforeBill,
            code: "payee".into(),
            is_final: true,
            retry_at: None,
        };
        world.step(payout, failed).await;
        tell(&world, &notices).await;
        let said = world
            .heard(olya, &format!("Отправить деньги {to} не вышло"))
            .await;
        assert!(
            said.text().contains("Они снова на вашем балансе"),
            "{}",
            said.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_asks_to_be_paid_with_a_button_and_then_says_what_has_come() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    let payment = payment_id(1);
    world.intend(payment, user).await;
    tell(&world, &notices).await;
    assert!(
        !world
            .slots(user)
            .await
            .contains(&format!("payment:{payment}")),
        "nothing to tell before there is an address to pay at"
    );
    world.observe(payment, SnapshotStatus::Pending).await;
    tell(&world, &notices).await;
    let waiting = world.heard(olya, "чекає оплати").await;
    assert_eq!(link(&waiting).as_deref(), Some(PAGE));
    assert!(
        waiting.text().contains("100,00\u{a0}₽"),
        "{}",
        waiting.text()
    );

    world.observe(payment, SnapshotStatus::Succeeded).await;
    tell(&world, &notices).await;
    let paid = world.heard(olya, "Баланс поповнено на 100,00\u{a0}₽").await;
    assert_eq!(paid.message_id, waiting.message_id, "one message a top-up");
    assert_eq!(link(&paid), None, "nobody shall pay twice");
    // The order to pay, told again, brings no button back.
    world.nothing_turns_back(&notices, olya).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_that_ended_says_that_a_new_one_can_be_started_and_money_that_still_comes_is_told()
{
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    let payment = payment_id(1);
    world.intend(payment, user).await;
    world.observe(payment, SnapshotStatus::Pending).await;
    let ended = SnapshotStatus::Canceled {
        party: "yoo_money".into(),
        reason: "expired_on_confirmation".into(),
    };
    world.observe(payment, ended).await;
    tell(&world, &notices).await;
    let said = world.heard(olya, "не відбулося").await;
    assert!(
        said.text().contains("Можна почати нове поповнення"),
        "{}",
        said.text()
    );
    assert_eq!(link(&said), None);
    world.nothing_turns_back(&notices, olya).await;
    world.observe(payment, SnapshotStatus::Succeeded).await;
    tell(&world, &notices).await;
    let late = world.heard(olya, "Баланс поповнено").await;
    assert_eq!(late.message_id, said.message_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_that_does_not_fit_says_that_a_person_is_checking_until_the_check_is_over() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    let payment = payment_id(1);
    world.intend(payment, user).await;
    let other = PaymentSnapshot {
        amount: Money::new(9_900, Currency::Rub),
        ..snapshot(payment, SnapshotStatus::Succeeded)
    };
    world.observe_as(payment, other).await;
    tell(&world, &notices).await;
    let checking = world.heard(olya, "перевіряє людина").await;
    // What one person says is not decided yet.
    let decide = async |who: &str, credit: bool| {
        let context = Context::new(who, format!("{who}:{credit}"), "test");
        world
            .app
            .resolve_quarantine(payment, credit, "seen".into(), &context)
            .await
            .unwrap();
        tell(&world, &notices).await;
    };
    decide("staff:anna", true).await;
    world.nothing_turns_back(&notices, olya).await;
    assert!(said_last(&world, olya).await.contains("перевіряє людина"));
    decide("staff:borys", true).await;
    let credited = world.heard(olya, "Баланс поповнено на 99,00\u{a0}₽").await;
    assert_eq!(credited.message_id, checking.message_id);
    world.nothing_turns_back(&notices, olya).await;
}

async fn said_last(world: &World, person: i64) -> String {
    let said = world.said(person).await;
    said.last().unwrap().text().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_is_told_in_the_message_of_its_top_up_also_when_it_is_not_possible() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (app, user, notices) = (world.app.clone(), world.user(olya), notices(&world));
    let payment = payment_id(1);
    world.intend(payment, user).await;
    world.observe(payment, SnapshotStatus::Succeeded).await;
    tell(&world, &notices).await;
    let paid = world.heard(olya, "Баланс поповнено").await;
    let ask = async |number: u128, minor: i64| {
        let refund = RefundId(Uuid::from_u128(number));
        let (amount, key) = (Money::new(minor, Currency::Rub), format!("refund:{number}"));
        app.request_refund(payment, refund, amount, "asked".into(), &context(&key))
            .await
            .unwrap();
        tell(&world, &notices).await;
        refund
    };
    let refused = ask(1, 3_000).await;
    let under_way = world.heard(olya, "Повертаємо 30,00\u{a0}₽").await;
    assert_eq!(
        under_way.message_id, paid.message_id,
        "one message a top-up"
    );
    let canceled = RefundSnapshot {
        provider_refund_id: "refund-1".into(),
        refund_id: Some(refused),
        amount: Money::new(3_000, Currency::Rub),
        status: RefundStatus::Canceled {
            reason: "insufficient_funds".into(),
        },
    };
    app.observe_refund(payment, &canceled, &context("failed"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    let failed = world.heard(olya, "Не вдалося повернути 30,00\u{a0}₽").await;
    assert!(
        failed.text().contains("лишилися на вашому балансі"),
        "{}",
        failed.text()
    );
    world.nothing_turns_back(&notices, olya).await;

    let payment = payment_id(2);
    world.intend(payment, user).await;
    world.observe(payment, SnapshotStatus::Succeeded).await;
    let foreign = RefundSnapshot {
        provider_refund_id: "made-in-the-cabinet".into(),
        refund_id: None,
        amount: Money::new(1_200, Currency::Rub),
        status: RefundStatus::Succeeded,
    };
    app.observe_refund(payment, &foreign, &context("foreign"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    let done = world.heard(olya, "Повернено 12,00\u{a0}₽").await;
    assert_ne!(
        done.message_id, paid.message_id,
        "another top-up, another message"
    );
    world.nothing_turns_back(&notices, olya).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_blocked_the_bot_reads_on_coming_back_how_things_stand_then() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    world.telegram().block_bot(olya, true).await.unwrap();
    eventually("marked", async || {
        let person = world.app.user(user).await.unwrap();
        person.blocked_bot.then_some(())
    })
    .await;
    let before = world.said(olya).await;
    let payment = payment_id(1);
    world.intend(payment, user).await;
    world.observe(payment, SnapshotStatus::Pending).await;
    tell(&world, &notices).await;
    world.observe(payment, SnapshotStatus::Succeeded).await;
    tell(&world, &notices).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(world.said(olya).await, before, "nothing is sent meanwhile");
    world.telegram().block_bot(olya, false).await.unwrap();
    world.heard(olya, "Баланс поповнено").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_person_is_told_nothing_about_money() {
    let world = World::asleep().await;
    let olya = world.shopper().await;
    let (user, notices) = (world.user(olya), notices(&world));
    let payment = payment_id(1);
    world.intend(payment, user).await;
    world.observe(payment, SnapshotStatus::Pending).await;
    world
        .app
        .ban(user, "fraud".into(), &context("ban"))
        .await
        .unwrap();
    tell(&world, &notices).await;
    assert_eq!(world.slots(user).await, Vec::<String>::new());
}
