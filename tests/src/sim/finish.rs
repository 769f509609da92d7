//! The end: no more faults, everything comes to rest, people decide what is left to decide, and the books are compared with
//! the providers' own to the last minor unit.

use std::sync::Arc;
use std::time::Duration;

use kvit_domain::ledger::{Account, ProviderName};
use kvit_domain::money::Currency;
use tokio::time::Instant;

use super::model_payments::PaymentStage;
use super::model_payouts::PayoutStage;
use super::staff;
use super::world::World;

/// Virtual time in which everything must come to rest.
const SETTLED_WITHIN: Duration = Duration::from_secs(60 * 24 * 3_600);

/// Lets the world come to rest.
pub async fn settle(world: &Arc<World>) {
    world.step(format_args!("no more faults"));
    world.faults.pause();
    staff::resume_all(world).await;
    let give_up = Instant::now() + SETTLED_WITHIN;
    let mut quiet = 0;
    while quiet < 2 {
        tokio::time::sleep(Duration::from_secs(6 * 3_600)).await;
        forgotten(world);
        let open = world.bus.open();
        quiet = if open.is_empty()
            && undecided(world).is_empty()
            && world.to_come() == 0
            && world.inbox.waiting() == 0
        {
            quiet + 1
        } else {
            0
        };
        if Instant::now() > give_up {
            let mut all = undecided(world);
            all.extend(open);
            world.fail(format!("this never comes to rest: {}", all.join("; ")));
            return;
        }
    }
}

/// A payout that only its worker can move on must have a message on the bus.
fn forgotten(world: &World) {
    let open = world.bus.open();
    let model = world.model();
    let lost = model.payouts.iter().find(|(id, payout)| {
        let moves_on = !matches!(
            payout.stage,
            PayoutStage::Succeeded
                | PayoutStage::Failed
                | PayoutStage::Reversed
                | PayoutStage::InReview
        );
        moves_on && !open.iter().any(|message| message.contains(&id.to_string()))
    });
    if let Some((id, payout)) = lost {
        world.fail(format!(
            "nobody asks about payout {id}, which is {:?}",
            payout.stage
        ));
    }
}

/// What has not ended.
fn undecided(world: &World) -> Vec<String> {
    let model = world.model();
    let mut open = Vec::new();
    for (id, payment) in &model.payments {
        let done = matches!(
            payment.stage,
            PaymentStage::Succeeded | PaymentStage::Canceled | PaymentStage::Resolved
        );
        if !done {
            open.push(format!("payment {id} {:?}", payment.stage));
        }
        for (refund, one) in &payment.refunds {
            if one.end.is_none() {
                open.push(format!("refund {refund} of payment {id}"));
            }
        }
    }
    for (id, payout) in &model.payouts {
        let done = matches!(
            payout.stage,
            PayoutStage::Succeeded | PayoutStage::Failed | PayoutStage::Reversed
        );
        if !done {
            open.push(format!("payout {id} {:?}", payout.stage));
        }
    }
    for (id, (_, end)) in &model.transfers {
        if end.is_none() {
            open.push(format!("transfer {id}"));
        }
    }
    for (wallet, purse) in &model.purses {
        for hold in purse.holds.values().filter(|hold| hold.left > 0) {
            open.push(format!(
                "{} held on {wallet} for {}",
                hold.left, hold.purpose
            ));
        }
    }
    open
}

/// Compares the books with the providers' own.
pub async fn compare(world: &Arc<World>) {
    staff::book_fees(world).await;
    let mut broken = Vec::new();
    for provider in [ProviderName::Yookassa, ProviderName::Portmone] {
        let model = world.model();
        let mut theirs = world.pay_in(provider).balances();
        let mut out = world.pay_out(provider).balances();
        for currency in Currency::ALL {
            let ours = model.account(Account::PaymentsClearing(provider), currency);
            let their = i128::from(theirs.remove(&currency).unwrap_or(0));
            if ours != their {
                broken.push(format!(
                    "{} has {their} {currency} of payments, the books say {ours}",
                    provider.code()
                ));
            }
            let ours = -model.account(Account::PayoutsClearing(provider), currency);
            let their = i128::from(out.remove(&currency).unwrap_or(0));
            if ours != their {
                broken.push(format!(
                    "{} has paid out {their} {currency}, the books say {ours}",
                    provider.code()
                ));
            }
        }
        for currency in Currency::ALL {
            let ours = -model.account(Account::Suspense(provider), currency);
            let of_it = model.payments.values().filter(|payment| {
                payment.terms.provider == provider && payment.terms.amount.currency == currency
            });
            let due: i64 = of_it.map(|payment| payment.suspense).sum();
            if ours != i128::from(due) {
                broken.push(format!(
                    "{due} {currency} of {} are set aside, the books say {ours}",
                    provider.code()
                ));
            }
        }
        for (id, payout) in model
            .payouts
            .iter()
            .filter(|(_, payout)| payout.provider == provider)
        {
            let moves = world.pay_out(provider).moves(&id.to_string());
            let due = u32::from(matches!(
                payout.stage,
                PayoutStage::Succeeded | PayoutStage::Reversed
            ));
            if moves != due {
                broken.push(format!(
                    "payout {id} is {:?}, and money went out {moves} times",
                    payout.stage
                ));
            }
        }
    }
    {
        let model = world.model();
        for currency in Currency::ALL {
            let between = model.account(Account::TransfersClearing, currency);
            if between != 0 {
                broken.push(format!("{between} {currency} are between two wallets"));
            }
        }
    }
    if !broken.is_empty() {
        for provider in [ProviderName::Yookassa, ProviderName::Portmone] {
            let books = world.pay_in(provider);
            for paid in books.payments() {
                world.step(format_args!("theirs: {paid:?}"));
            }
            for back in books.refunds() {
                world.step(format_args!("theirs: {back:?}"));
            }
        }
        let model = world.model();
        for (id, payment) in &model.payments {
            world.step(format_args!("ours: {id} {payment:?}"));
        }
    }
    compare_wallets(world, &mut broken).await;
    if let Some(first) = broken.first() {
        world.fail(format!("{first} ({} differences)", broken.len()));
    }
}

/// A fresh process must read the same balances out of the log.
async fn compare_wallets(world: &Arc<World>, broken: &mut Vec<String>) {
    let running = world.anybody().await;
    let wallets: Vec<_> = {
        let model = world.model();
        let all = model.purses.iter();
        all.map(|(id, purse)| (*id, purse.posted, purse.held()))
            .collect()
    };
    for (id, posted, held) in wallets {
        match running.app.wallet(id).await {
            Ok(wallet) if wallet.posted_minor == posted && wallet.held_minor == held => {}
            Ok(wallet) => broken.push(format!(
                "{id} reads as {} with {} held, and is {posted} with {held}",
                wallet.posted_minor, wallet.held_minor
            )),
            Err(fault) => broken.push(format!("{id} cannot be read: {fault}")),
        }
    }
}

/// Somebody gives a part of a payment back in the provider's cabinet.
pub fn cabinet_refund(world: &Arc<World>) {
    let books = match world.fate.below(2) {
        0 => &world.pay_in[0],
        _ => &world.pay_in[1],
    };
    let payments: Vec<_> = books
        .payments()
        .into_iter()
        .filter(|one| one.taken > 0 && one.test)
        .collect();
    if let Some(paid) = world.fate.pick(&payments) {
        let minor = world.fate.amount(1, paid.taken);
        let amount = kvit_domain::money::Money::new(minor, paid.asked.currency);
        books.refund_in_cabinet(world, &paid.id, amount);
    }
}
