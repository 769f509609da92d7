//! What the operator's staff does: corrections with four eyes, bulk bookings and holds, the kill switch, and the queue of what
//! nobody but a person can decide.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use kvit_commands::app::{AdjustmentRequest, BulkCommand, BulkMode};
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_domain::ids::{
    AdjustmentId, HoldId, PaymentId, PayoutId, RefundId, TransactionId, WalletId,
};
use kvit_domain::ledger::{Account, ProviderName, Side, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::rejection::Rejection;

use super::asking::{ask, is_remembered};
use super::model_payments::PaymentStage;
use super::model_payouts::PayoutStage;
use super::people::Person;
use super::world::World;

/// How long after its last change a person decides about a payout: no call can be under way any more.
const LOOK_AFTER: i64 = 3_600;

/// How many hours after its call a person decides about a refund that the provider does not show: its key is forgotten.
const REFUND_LOOK_AFTER: i64 = 26;

/// One proposes, another approves or declines; nobody approves their own.
pub async fn adjust(world: &Arc<World>, person: Person, number: u32) {
    let currency = Currency::Uah;
    let adjustment_id = AdjustmentId::derived("sim", &format!("{number}"));
    let request = AdjustmentRequest {
        adjustment_id,
        wallet_id: WalletId {
            user: person.id,
            currency,
        },
        side: if world.wishes.permille(600) {
            Side::Credit
        } else {
            Side::Debit
        },
        amount: Money::new(world.wishes.amount(1, 9_000), currency),
        account: Account::Adjustments,
        value_date: None,
        reason: "counted again".to_owned(),
        corrects: None,
    };
    let proposed = ask(
        world,
        "api:anna",
        &format!("propose:{number}"),
        |app, context| {
            let request = request.clone();
            async move { app.propose_adjustment(request, &context).await }
        },
    )
    .await;
    if proposed.is_err() {
        return;
    }
    tokio::time::sleep(
        world
            .wishes
            .time(Duration::from_secs(1), Duration::from_secs(900)),
    )
    .await;
    let approve = |by: &'static str| {
        let key = format!("approve:{number}:{by}");
        async move {
            ask(world, by, &key, |app, context| async move {
                app.approve_adjustment(adjustment_id, "seen".to_owned(), &context)
                    .await
            })
            .await
        }
    };
    let decline = async {
        ask(
            world,
            "api:clara",
            &format!("decline:{number}"),
            |app, context| async move {
                app.decline_adjustment(adjustment_id, "no".to_owned(), &context)
                    .await
            },
        )
        .await
    };
    match world.wishes.below(4) {
        0 => {
            if approve("api:anna").await.is_ok() {
                world.fail(format!(
                    "{adjustment_id} was approved by who had proposed it"
                ));
            }
            let _ = decline.await;
        }
        1 => {
            let _ = futures::future::join(approve("api:boris"), decline).await;
        }
        _ => {
            let _ = approve("api:boris").await;
        }
    }
}

/// Bookings and holds in one request, together or each on its own.
pub async fn bulk(world: &Arc<World>, people: &[Person], number: u32) {
    let mut commands = Vec::new();
    let mut holds: Vec<(WalletId, HoldId, i64)> = Vec::new();
    for index in 0..world.wishes.between(1, 6) {
        let Some(person) = world.wishes.pick(people) else {
            return;
        };
        let wallet_id = WalletId {
            user: person.id,
            currency: Currency::Uah,
        };
        let name = format!("{number}:{index}");
        let minor = world.wishes.amount(1, 5_000);
        let amount = Money::new(minor, Currency::Uah);
        let transaction_id = TransactionId::derived("sim", &name);
        if world.wishes.permille(500) {
            let side = if world.wishes.permille(600) {
                Side::Credit
            } else {
                Side::Debit
            };
            let signed = if side == Side::Credit { minor } else { -minor };
            world
                .model()
                .announced
                .insert(transaction_id, (wallet_id, signed));
            commands.push(BulkCommand::Post {
                wallet_id,
                transaction_id,
                side,
                amount,
                account: Account::JobsRevenue,
                kind: TransactionKind::Job,
                value_date: None,
                reference: name,
                description: String::new(),
            });
        } else {
            let hold_id = HoldId::derived("sim", &name);
            holds.push((wallet_id, hold_id, minor));
            commands.push(BulkCommand::PlaceHold {
                wallet_id,
                hold_id,
                amount,
                purpose: format!("order:{name}"),
                expires_at: world.now() + TimeDelta::seconds(world.wishes.amount(60, 7_200)),
            });
        }
    }
    let mode = if world.wishes.permille(500) {
        BulkMode::Atomic
    } else {
        BulkMode::Independent
    };
    run(world, &format!("bulk:{number}"), mode, commands).await;
    for (index, (wallet_id, hold_id, minor)) in holds.into_iter().enumerate() {
        use_hold(
            world,
            wallet_id,
            hold_id,
            minor,
            &format!("{number}:{index}"),
        )
        .await;
    }
    reverse(world, number).await;
}

/// Spends a hold in steps, gives it up, or lets it expire.
async fn use_hold(
    world: &Arc<World>,
    wallet_id: WalletId,
    hold_id: HoldId,
    minor: i64,
    name: &str,
) {
    for step in 0..world.wishes.below(4) {
        let pause = world.wishes.time(Duration::ZERO, Duration::from_secs(900));
        tokio::time::sleep(pause).await;
        let command = if world.wishes.permille(250) {
            BulkCommand::Release { wallet_id, hold_id }
        } else {
            let part = world.wishes.amount(1, minor);
            let name = format!("{name}:{step}");
            let transaction_id = TransactionId::derived("sim-capture", &name);
            world
                .model()
                .announced
                .insert(transaction_id, (wallet_id, -part));
            BulkCommand::Capture {
                wallet_id,
                hold_id,
                transaction_id,
                amount: Money::new(part, Currency::Uah),
                account: Account::JobsRevenue,
                kind: TransactionKind::Job,
                release_rest: world.wishes.permille(300),
                reference: name,
            }
        };
        let key = format!("hold:{name}:{step}");
        run(world, &key, BulkMode::Independent, vec![command]).await;
    }
}

/// Undoes a part of something that was booked in a bulk before.
async fn reverse(world: &Arc<World>, number: u32) {
    let booked: Vec<(WalletId, TransactionId, i64, Side)> = {
        let model = world.model();
        let all = model.booked.iter();
        all.filter(|(id, one)| {
            model.announced.contains_key(id) && one.transaction.kind == TransactionKind::Job
        })
        .filter_map(|(id, one)| {
            let leg = one
                .transaction
                .legs
                .iter()
                .find(|leg| matches!(leg.account, Account::Wallet(_)))?;
            Some((one.wallet?, *id, leg.amount.minor, leg.side))
        })
        .collect()
    };
    if world.wishes.permille(500) {
        return;
    }
    let Some((wallet_id, original_id, minor, side)) = world.wishes.pick(&booked).copied() else {
        return;
    };
    let transaction_id = TransactionId::derived("sim-reverse", &format!("{number}"));
    let part = world.wishes.amount(1, minor);
    let amount = Money::new(part, Currency::Uah);
    let leg = |account: Account, side: Side| kvit_domain::ledger::Leg {
        account,
        side,
        amount,
    };
    let signed = if side == Side::Debit { part } else { -part };
    world
        .model()
        .announced
        .insert(transaction_id, (wallet_id, signed));
    let command = BulkCommand::Reverse {
        wallet_id,
        original_id,
        transaction_id,
        legs: Some(vec![
            leg(Account::Wallet(wallet_id), side.opposite()),
            leg(Account::JobsRevenue, side),
        ]),
    };
    run(
        world,
        &format!("reverse:{number}"),
        BulkMode::Atomic,
        vec![command],
    )
    .await;
}

async fn run(world: &Arc<World>, key: &str, mode: BulkMode, commands: Vec<BulkCommand>) {
    // What each whole answer said of each command: nothing, or its refusal.
    let said: Mutex<Vec<Vec<Option<String>>>> = Mutex::default();
    let _ = ask(world, "api:bulk", key, |app, context| {
        let (commands, said) = (commands.clone(), &said);
        async move {
            let (mut last, mut codes) = (None, Vec::new());
            for answer in app.run_bulk(mode, commands, &context).await? {
                match answer {
                    Err(CommandError::Rejected(refusal)) => codes.push(Some(refusal.code)),
                    // One that is not known yet makes the whole not known yet.
                    answer => {
                        last = Some(answer?);
                        codes.push(None);
                    }
                }
            }
            said.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(codes);
            last.ok_or_else(|| Rejection::new("bulk_refused", "every command was refused").into())
        }
    })
    .await;
    let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some(first) = said.first() else { return };
    let stands = |code: &Option<String>| code.as_deref().is_none_or(is_remembered);
    let is_other = |again: &Vec<Option<String>>| {
        first
            .iter()
            .zip(again)
            .any(|(first, again)| stands(first) && first != again)
    };
    if let Some(again) = said.iter().find(|again| is_other(again)) {
        world.fail(format!("{key}: first {first:?}, then {again:?}"));
    }
    if mode == BulkMode::Independent && first.iter().all(stands) {
        let refused = first.iter().flatten().count() as u64;
        let recorded = world.model().refusals(key);
        if recorded != refused {
            world.fail(format!(
                "{key}: {refused} refusals were recorded {recorded} times"
            ));
        }
    }
}

/// Stops a provider, and lets it go on after a while.
pub async fn kill_switch(world: &Arc<World>, number: u32) {
    let provider = match world.wishes.below(2) {
        0 => ProviderName::Yookassa,
        _ => ProviderName::Portmone,
    };
    let _ = ask(
        world,
        "api:anna",
        &format!("stop:{number}"),
        |app, context| async move {
            app.stop_provider(provider, "wrong amounts".to_owned(), &context)
                .await
        },
    )
    .await;
    tokio::time::sleep(
        world
            .wishes
            .time(Duration::from_secs(10), Duration::from_secs(3_000)),
    )
    .await;
    resume(world, provider, &format!("resume:{number}")).await;
}

async fn resume(world: &Arc<World>, provider: ProviderName, key: &str) {
    let _ = ask(world, "api:boris", key, |app, context| async move {
        app.resume_provider(provider, "fixed".to_owned(), &context)
            .await
    })
    .await;
}

/// Looks at the queue for ever: what is in review is decided by what the provider's own books say.
pub async fn watch(world: Arc<World>) {
    let mut round = 0_u64;
    loop {
        tokio::time::sleep(Duration::from_secs(1_500)).await;
        round += 1;
        look(&world, round).await;
    }
}

async fn look(world: &Arc<World>, round: u64) {
    let now = world.now();
    let (payouts, payments, refunds) = {
        let model = world.model();
        // Refunds of which the provider shows nothing although everything that was sent has long been there.
        let refunds: Vec<(PaymentId, RefundId)> = model
            .payments
            .iter()
            .flat_map(|(id, payment)| {
                let books = world.pay_in(payment.terms.provider);
                let open = payment.refunds.iter().filter(move |(refund_id, refund)| {
                    refund.end.is_none()
                        && refund.sent
                        && now - refund.since > TimeDelta::hours(REFUND_LOOK_AFTER)
                        && !books.goes_back(**refund_id)
                });
                open.map(|(refund_id, _)| (*id, *refund_id))
            })
            .collect();
        let payouts: Vec<(PayoutId, ProviderName)> = model
            .payouts
            .iter()
            .filter(|(_, payout)| {
                payout.stage == PayoutStage::InReview
                    && now - payout.since > TimeDelta::seconds(LOOK_AFTER)
            })
            .map(|(id, payout)| (*id, payout.provider))
            .collect();
        let payments: Vec<(PaymentId, bool)> = model
            .payments
            .iter()
            .filter(|(id, payment)| {
                // Not while somebody can still pay.
                payment.stage == PaymentStage::Quarantined
                    && !world.pay_in(payment.terms.provider).is_open(**id)
            })
            .map(|(id, payment)| (*id, payment.paid.is_some()))
            .collect();
        (payouts, payments, refunds)
    };
    for (id, provider) in payouts {
        let (books, operation) = (world.pay_out(provider), id.to_string());
        if world.may_still_pay(provider, &operation) {
            continue;
        }
        let paid = books.moves(&operation) > 0;
        let taken_back = books.is_taken_back(&operation);
        for person in ["api:anna", "api:bohdan"] {
            let key = format!("resolve:{id}:{round}:{person}");
            let _ = ask(world, person, &key, |app, context| async move {
                app.resolve_payout(id, paid, "asked the provider".to_owned(), &context)
                    .await
            })
            .await;
        }
        if let Some(bill_id) = taken_back {
            let key = format!("taken-back:{id}:{round}");
            let _ = ask(world, "api:anna", &key, |app, context| {
                let bill_id = bill_id.clone();
                async move { app.payout_reversed(id, bill_id, &context).await }
            })
            .await;
        }
    }
    for (id, refund_id) in refunds {
        let key = format!("refund-gone:{refund_id}:{round}");
        let _ = ask(world, "api:anna", &key, |app, context| async move {
            app.refund_failed(id, refund_id, "asked the provider".to_owned(), &context)
                .await
        })
        .await;
    }
    for (id, was_paid) in payments {
        let credit = was_paid && world.wishes.permille(500);
        for person in ["api:anna", "api:bohdan"] {
            let key = format!("quarantine:{id}:{round}:{person}");
            let _ = ask(world, person, &key, |app, context| async move {
                app.resolve_quarantine(id, credit, "asked the provider".to_owned(), &context)
                    .await
            })
            .await;
        }
    }
}

/// Books the fees that a provider tells only in its list; twice, which must not matter.
pub async fn book_fees(world: &Arc<World>) {
    for books in &world.pay_in {
        let provider = books.provider;
        for paid in books
            .payments()
            .iter()
            .filter(|paid| paid.taken > 0 && paid.test)
        {
            let told = {
                let model = world.model();
                let payment = model.payments.get(&paid.operation);
                payment.map_or(0, |payment| payment.fee)
            };
            let left = Money::new(paid.fee - told, paid.asked.currency);
            if !left.is_positive() {
                continue;
            }
            for person in ["api:anna", "api:boris"] {
                let key = format!("fee:{}:{person}", paid.id);
                let booked = ask(world, person, &key, |app, context| async move {
                    app.book_fee(provider, &paid.id, left, &context).await
                })
                .await;
                if let Err(refusal) = booked {
                    world.fail(format!("{key}: {}", refusal.code));
                }
            }
        }
    }
}

/// Expires holds as they come due, as a sweeper does that reads a list which may be behind.
pub async fn sweep(world: Arc<World>) {
    loop {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let now = world.now();
        let due: Vec<(WalletId, HoldId)> = {
            let model = world.model();
            let all = model.purses.iter();
            all.flat_map(|(wallet, purse)| {
                let due = purse.holds.iter();
                due.filter(move |(_, hold)| hold.left > 0 && hold.expires_at <= now)
                    .map(|(id, _)| (*wallet, *id))
            })
            .collect()
        };
        for (wallet_id, hold_id) in due {
            let running = world.anybody().await;
            let key = format!("expire:{hold_id}");
            let context = Context::new("policy:sweeper", key.clone(), key);
            let expired = running
                .life
                .within(running.app.expire_hold(wallet_id, hold_id, &context))
                .await;
            world.step(format_args!(
                "the sweep of {hold_id}: {}",
                expired.is_some_and(|done| done.is_ok())
            ));
        }
    }
}

/// Lets every provider go on.
pub async fn resume_all(world: &Arc<World>) {
    for provider in [ProviderName::Yookassa, ProviderName::Portmone] {
        resume(world, provider, &format!("resume-all:{}", provider.code())).await;
    }
}
