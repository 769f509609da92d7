//! What the providers send by themselves: hints that something happened, late, twice, out of order, or at the fourth try.
//!
//! A notification that has arrived is kept, and followed up until that has worked: by asking the provider.

use std::sync::Arc;
use std::time::Duration;

use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_commands::ports::bus::HandlerFault;
use kvit_domain::ids::{PaymentId, PayoutId};
use kvit_domain::ledger::ProviderName;
use kvit_domain::payout::PayoutState;

use super::plan::Kind;
use super::process::Running;
use super::world::World;

/// When the provider tries again, seconds after the event.
const TRIES: [u64; 7] = [10, 42, 84, 168, 672, 5_376, 86_016];
/// Longest pause between two looks at a notification that could not be followed up.
const AGAIN_MAX: Duration = Duration::from_secs(60);

/// What a notification is about.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A payment.
    Payment {
        /// Whose.
        provider: ProviderName,
        /// Our operation.
        payment_id: PaymentId,
    },
    /// A refund of a payment.
    Refund {
        /// Whose.
        provider: ProviderName,
        /// Our payment.
        payment_id: PaymentId,
    },
    /// A payout.
    Payout {
        /// Whose.
        provider: ProviderName,
        /// Our operation.
        payout_id: PayoutId,
        /// Whether it says that paid money came back.
        reversed: bool,
    },
}

/// Sends a notification on its way.
pub fn notify(world: &Arc<World>, notice: Notice) {
    let faults = world.faults.on();
    let copies = if faults && world.schedule.permille(world.plan.notice) {
        world.faults.count(Kind::NoticeDuplicate);
        world.schedule.between(2, 4)
    } else {
        1
    };
    for _ in 0..copies {
        let mut first = world.schedule.between(5, 400);
        if faults && world.schedule.permille(world.plan.notice) {
            world.faults.count(Kind::NoticeDelay);
            first = world.schedule.between(1_000, 120_000);
        }
        let (world, notice, coming) = (Arc::clone(world), notice.clone(), world.coming());
        tokio::spawn(async move {
            arrive(world, notice, first).await;
            drop(coming);
        });
    }
}

async fn arrive(world: Arc<World>, notice: Notice, first_ms: u64) {
    tokio::time::sleep(Duration::from_millis(first_ms)).await;
    for next in TRIES {
        if !(world.faults.on() && world.schedule.permille(world.plan.notice)) {
            break;
        }
        world.faults.count(Kind::NoticeLost);
        tokio::time::sleep(Duration::from_secs(next)).await;
    }
    let mut pause = Duration::from_secs(1);
    loop {
        let running = world.anybody().await;
        let followed = running.life.within(follow_up(&running, &notice)).await;
        world.step(format_args!(
            "p{}.{} on {notice:?}: {followed:?}",
            running.life.process, running.life.number
        ));
        match followed {
            Some(Ok(())) => return,
            Some(Err(HandlerFault::Poison { reason })) => {
                world.fail(format!("{notice:?} can never be followed up: {reason}"));
                return;
            }
            Some(Err(HandlerFault::Transient { .. })) | None => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MAX);
    }
}

async fn follow_up(running: &Running, notice: &Notice) -> Result<(), HandlerFault> {
    let context = |provider: &ProviderName, what: String| {
        let actor = format!("provider:{}", provider.code());
        Context::new(actor, format!("notice:{what}"), what)
    };
    let worker = |provider: &ProviderName| {
        let workers = running.payment_workers.iter();
        workers
            .clone()
            .find(|worker| worker.provider().provider() == *provider)
            .ok_or_else(|| HandlerFault::poison("no worker for the provider"))
    };
    match notice {
        Notice::Payment {
            provider,
            payment_id,
        } => {
            let context = context(provider, format!("payment:{payment_id}"));
            worker(provider)?.ask_now(*payment_id, &context).await?;
        }
        Notice::Refund {
            provider,
            payment_id,
        } => {
            let context = context(provider, format!("refund:{payment_id}"));
            worker(provider)?
                .ask_refunds_now(*payment_id, &context)
                .await?;
        }
        Notice::Payout {
            provider,
            payout_id,
            reversed,
        } => {
            let index = usize::from(*provider == ProviderName::Yookassa);
            if let Some(worker) = running.payout_workers.get(index) {
                worker.ask_now(*payout_id).await?;
            }
            if *reversed {
                let context = context(provider, format!("reversal:{payout_id}"));
                taken_back(running, *payout_id, &context).await?;
            }
        }
    }
    Ok(())
}

/// Books money that came back, once the payout counts as paid.
async fn taken_back(
    running: &Running,
    payout_id: PayoutId,
    context: &Context,
) -> Result<(), HandlerFault> {
    let away = |fault: CommandError| HandlerFault::transient(fault.to_string());
    let payout = running.app.payout(payout_id).await.map_err(away)?;
    match (payout.state, payout.bill_id) {
        (PayoutState::Succeeded, Some(bill_id)) => running
            .app
            .payout_reversed(payout_id, bill_id, context)
            .await
            .map(|_| ())
            .map_err(away),
        (PayoutState::Reversed, _) => Ok(()),
        _ => Err(HandlerFault::transient("it does not count as paid yet")),
    }
}
