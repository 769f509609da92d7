//! What people want: shoppers who pay in, get rewards, pay out and send each other money.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use kvit_commands::app::{PaymentRequest, PayoutRequest, PayoutRoute, TransferRequest};
use kvit_commands::context::Context;
use kvit_domain::exchange::Quote;
use kvit_domain::ids::{
    CampaignId, PaymentId, PayoutId, ReceiptId, RefundId, TransferId, UserId, WalletId,
};
use kvit_domain::ledger::ProviderName;
use kvit_domain::money::{Currency, Money};
use kvit_domain::phone::{Operator, Phone};
use kvit_domain::receipt::{CampaignVersion, ImageRef, Receipt, ReceiptCommand};
use kvit_domain::recognition::{Confidence, QrReading, Recognition};
use kvit_domain::user::Language;

use super::asking::ask;
use super::model_payments::PaymentStage;
use super::model_payouts::PayoutStage;
use super::staff;
use super::world::World;

/// How many people there are.
const PEOPLE: usize = 5;
const PHONES: [&str; PEOPLE] = [
    "0671234567",
    "0501234567",
    "0631234567",
    "0971234567",
    "0991234567",
];

/// Somebody.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// Their id.
    pub id: UserId,
}

/// Registers everybody while all is well.
pub async fn register(world: &Arc<World>) -> Vec<Person> {
    let mut people = Vec::new();
    for (index, phone) in PHONES.iter().enumerate() {
        let telegram_id = i64::try_from(index).unwrap_or(0) + 1;
        let running = world.anybody().await;
        let app = &running.app;
        let context = |step: &str| Context::new("test", format!("{telegram_id}:{step}"), "setup");
        let registered = async {
            let id = app.register(telegram_id, &context("register")).await?;
            app.accept_terms(id, "1", Language::Uk, &context("terms"))
                .await?;
            let phone = Phone::parse(phone)?;
            app.share_phone(id, &phone, &context("phone")).await?;
            Ok::<UserId, kvit_commands::error::CommandError>(id)
        };
        match registered.await {
            Ok(id) => people.push(Person { id }),
            Err(fault) => world.fail(format!("nobody can register: {fault}")),
        }
    }
    people
}

/// One thing that somebody wants, to its end as far as people see it.
pub async fn want(world: Arc<World>, people: Arc<Vec<Person>>, number: u32) {
    let Some(person) = world.wishes.pick(&people).copied() else {
        return;
    };
    let others: Vec<Person> = people
        .iter()
        .filter(|one| one.id != person.id)
        .copied()
        .collect();
    let weights = [22, 14, 14, 18, 12, 6, 6, 8, 4, 6];
    match world.wishes.weighted(&weights) {
        0 => top_up(&world, person, number).await,
        1 => refunds(&world, number).await,
        2 => reward(&world, person, number).await,
        3 => pay_out(&world, person, number).await,
        4 => transfer(&world, person, &others, number).await,
        5 => convert(&world, person, number).await,
        6 => staff::adjust(&world, person, number).await,
        7 => staff::bulk(&world, &people, number).await,
        8 => staff::kill_switch(&world, number).await,
        _ => retry(&world, number).await,
    }
}

async fn top_up(world: &Arc<World>, person: Person, number: u32) {
    let provider = match world.wishes.below(2) {
        0 => ProviderName::Yookassa,
        _ => ProviderName::Portmone,
    };
    let currency = match provider {
        ProviderName::Yookassa => Currency::Rub,
        _ => Currency::Uah,
    };
    let amount = Money::new(world.wishes.amount(1_000, 60_000), currency);
    let capture = world.wishes.permille(600);
    let payment_id = PaymentId::derived("sim", &format!("{number}"));
    let request = PaymentRequest {
        payment_id,
        user_id: person.id,
        provider,
        amount,
        capture,
    };
    let actor = format!("user:{}", person.id);
    let _ = ask(
        world,
        &actor,
        &format!("top-up:{number}"),
        |app, context| {
            let request = request.clone();
            async move { app.intend_payment(request, &context).await }
        },
    )
    .await;
    if capture || world.wishes.permille(150) {
        return;
    }
    // Two stages: somebody decides about the held money some time after it is there.
    for _ in 0..60 {
        tokio::time::sleep(
            world
                .wishes
                .time(Duration::from_secs(5), Duration::from_secs(120)),
        )
        .await;
        let stage = world
            .model()
            .payments
            .get(&payment_id)
            .map(|payment| payment.stage);
        match stage {
            Some(PaymentStage::Held) => break,
            Some(PaymentStage::Intended | PaymentStage::Sending | PaymentStage::Pending) => {}
            _ => return,
        }
    }
    let part = match world.wishes.below(4) {
        0 => world.wishes.amount(1, amount.minor),
        _ => amount.minor,
    };
    let part = Money::new(part, currency);
    let choice = world.wishes.below(10);
    if choice < 7 {
        let _ = ask(
            world,
            "api:shop",
            &format!("capture:{number}"),
            |app, context| async move { app.capture_payment(payment_id, part, &context).await },
        )
        .await;
    }
    if choice >= 6 {
        let _ = ask(
            world,
            "api:shop",
            &format!("cancel:{number}"),
            |app, context| async move { app.cancel_payment(payment_id, &context).await },
        )
        .await;
    }
}

async fn refunds(world: &Arc<World>, number: u32) {
    let succeeded: Vec<(PaymentId, i64, Currency)> = {
        let model = world.model();
        let all = model.payments.iter();
        all.filter(|(_, payment)| payment.stage == PaymentStage::Succeeded)
            .filter_map(|(id, payment)| payment.paid.map(|paid| (*id, paid.minor, paid.currency)))
            .collect()
    };
    let Some((payment_id, paid, currency)) = world.wishes.pick(&succeeded).copied() else {
        return;
    };
    // Several at the same time, together perhaps more than there was.
    let parts = world.wishes.between(1, 3);
    let asked = (0..parts).map(|part| {
        let minor = match world.wishes.below(3) {
            0 => paid,
            _ => world.wishes.amount(1, paid),
        };
        let amount = Money::new(minor, currency);
        let key = format!("refund:{number}:{part}");
        let refund_id = RefundId::derived("sim", &key);
        async move {
            ask(world, "api:shop", &key, |app, context| async move {
                app.request_refund(
                    payment_id,
                    refund_id,
                    amount,
                    "returned".to_owned(),
                    &context,
                )
                .await
            })
            .await
        }
    });
    futures::future::join_all(asked).await;
}

async fn reward(world: &Arc<World>, person: Person, number: u32) {
    let receipt_id = ReceiptId::derived("sim", &format!("{number}"));
    let reward = Money::new(world.wishes.amount(100, 20_000), Currency::Uah);
    let campaign = CampaignVersion {
        id: CampaignId::derived("campaign", "default"),
        version: 1,
    };
    let steps = [
        ReceiptCommand::Submit {
            user_id: person.id,
            image: ImageRef {
                sha256: format!("{number:064x}"),
                key: format!("receipts/{number}.jpg"),
                content_type: "image/jpeg".to_owned(),
                bytes: 1,
            },
            duplicate_of: None,
            submitted_at: world.now(),
        },
        ReceiptCommand::RecordRecognition {
            recognition: Box::new(nothing_read()),
        },
        ReceiptCommand::Accept {
            campaign,
            reward,
            matches: Vec::new(),
        },
    ];
    for (step, command) in steps.into_iter().enumerate() {
        let _ = ask(
            world,
            "test",
            &format!("receipt:{number}:{step}"),
            |app, context| {
                let command = command.clone();
                async move {
                    let id = receipt_id.to_string();
                    let outcome = app
                        .executor()
                        .execute::<Receipt>(&id, command, &context)
                        .await?;
                    Ok(outcome.into())
                }
            },
        )
        .await;
    }
}

fn nothing_read() -> Recognition {
    Recognition {
        qr: QrReading::Missing,
        merchant: None,
        tax_id: None,
        register_number: None,
        receipt_number: None,
        purchased_at: None,
        purchased_on: None,
        currency: Currency::Uah,
        total_minor: None,
        items: Vec::new(),
        is_return: false,
        confidence: Confidence::CERTAIN,
        anomalies: Vec::new(),
        text: String::new(),
        stage_ms: Vec::new(),
        short_edge_px: 900,
    }
}

async fn pay_out(world: &Arc<World>, person: Person, number: u32) {
    let currency = match world.wishes.below(2) {
        0 => Currency::Rub,
        _ => Currency::Uah,
    };
    let wallet = WalletId {
        user: person.id,
        currency,
    };
    let available = world
        .model()
        .purses
        .get(&wallet)
        .map_or(0, super::model::Purse::available);
    let most = available.max(1_000) + 500;
    let amount = Money::new(world.wishes.amount(100, most.min(40_000)), currency);
    let route = match (currency, world.wishes.below(3)) {
        (Currency::Uah, _) => PayoutRoute::Phone { operator: None },
        (_, 0) => PayoutRoute::Sbp {
            phone: "79001234567".to_owned(),
            bank_id: "100000000111".to_owned(),
        },
        (_, 1) => PayoutRoute::YoomoneyWallet {
            account: "41001234567890".to_owned(),
        },
        _ => PayoutRoute::CardToken {
            token: "token-1".to_owned(),
        },
    };
    let request = PayoutRequest {
        payout_id: PayoutId::derived("sim", &format!("{number}")),
        user_id: person.id,
        amount,
        receipt_id: None,
        route,
    };
    let actor = format!("user:{}", person.id);
    let _ = ask(
        world,
        &actor,
        &format!("payout:{number}"),
        |app, context| {
            let request = request.clone();
            async move { app.request_payout(request, &context).await }
        },
    )
    .await;
}

async fn transfer(world: &Arc<World>, person: Person, others: &[Person], number: u32) {
    let Some(other) = world.wishes.pick(others) else {
        return;
    };
    let currency = match world.wishes.below(2) {
        0 => Currency::Rub,
        _ => Currency::Uah,
    };
    let amount = Money::new(world.wishes.amount(1, 15_000), currency);
    let request = TransferRequest {
        transfer_id: TransferId::derived("sim", &format!("{number}")),
        from: WalletId {
            user: person.id,
            currency,
        },
        to: WalletId {
            user: other.id,
            currency,
        },
        amount,
        quote: None,
        description: "thanks".to_owned(),
    };
    request_transfer(world, request, number).await;
}

async fn convert(world: &Arc<World>, person: Person, number: u32) {
    let pairs = [
        (Currency::Rub, Currency::Uah),
        (Currency::Uah, Currency::Rub),
        (Currency::Uah, Currency::Xtr),
    ];
    let Some((from, to)) = world.wishes.pick(&pairs).copied() else {
        return;
    };
    let quoted_at = world.now() - TimeDelta::seconds(world.wishes.amount(0, 700));
    let quote = Quote {
        from,
        to,
        numerator: world.wishes.amount(1, 300),
        denominator: world.wishes.amount(1, 300),
        source: "sim".to_owned(),
        quoted_at,
        expires_at: quoted_at + TimeDelta::seconds(600),
    };
    let request = TransferRequest {
        transfer_id: TransferId::derived("sim", &format!("{number}")),
        from: WalletId {
            user: person.id,
            currency: from,
        },
        to: WalletId {
            user: person.id,
            currency: to,
        },
        amount: Money::new(world.wishes.amount(1, 10_000), from),
        quote: Some(quote),
        description: String::new(),
    };
    request_transfer(world, request, number).await;
}

async fn request_transfer(world: &Arc<World>, request: TransferRequest, number: u32) {
    let actor = format!("user:{}", request.from.user);
    let _ = ask(
        world,
        &actor,
        &format!("transfer:{number}"),
        |app, context| {
            let request = request.clone();
            async move { app.request_transfer(request, &context).await }
        },
    )
    .await;
}

/// A failed payout is asked for again, perhaps by another operator.
async fn retry(world: &Arc<World>, number: u32) {
    let failed: Vec<PayoutId> = {
        let model = world.model();
        let all = model.payouts.iter();
        all.filter(|(_, payout)| payout.stage == PayoutStage::Failed)
            .map(|(id, _)| *id)
            .collect()
    };
    let Some(payout_id) = world.wishes.pick(&failed).copied() else {
        return;
    };
    let provider = world
        .model()
        .payouts
        .get(&payout_id)
        .map(|payout| payout.provider);
    let operator = (provider == Some(ProviderName::Portmone))
        .then(|| world.wishes.pick(&Operator::ALL).copied())
        .flatten();
    let _ = ask(
        world,
        "api:operator",
        &format!("retry:{number}"),
        |app, context| async move {
            let (_, done) = app.retry_payout(payout_id, operator, &context).await?;
            Ok(done)
        },
    )
    .await;
}
