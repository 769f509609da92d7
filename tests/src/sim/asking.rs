//! How people ask for things: with a key, again and again under the same key until there is an answer, of whichever process
//! is there, and sometimes once more to see whether the answer is still the same.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kvit_commands::app::{App, Done};
use kvit_commands::context::Context;
use kvit_commands::error::CommandError;
use kvit_domain::rejection::Rejection;

use super::world::World;

/// Refusals that a wallet remembers: the same key gets the same one for ever.
const REMEMBERED: [&str; 7] = [
    "insufficient_funds",
    "hold_not_found",
    "hold_not_active",
    "hold_exceeded",
    "already_reversed",
    "reversal_exceeded",
    "amount_too_large",
];
/// Whether a refusal with this code stands for ever.
#[must_use]
pub fn is_remembered(code: &str) -> bool {
    REMEMBERED.contains(&code)
}

/// More tries than any honest run needs.
const TRIES_MAX: u32 = 2_000;

/// An answer.
pub type Answer = Result<Done, Rejection>;

/// Asks until there is an answer.
pub async fn ask<F, W>(world: &Arc<World>, actor: &str, key: &str, what: F) -> Answer
where
    F: Fn(App, Context) -> W,
    W: Future<Output = Result<Done, CommandError>>,
{
    let first = one_answer(world, actor, key, &what).await;
    if world.wishes.permille(200) {
        tokio::time::sleep(world.wishes.time(Duration::ZERO, Duration::from_secs(600))).await;
        let refusals = world.model().refusals(key);
        let second = one_answer(world, actor, key, &what).await;
        let is_remembered = match &first {
            Ok(_) => !key.starts_with("bulk:"),
            Err(refusal) => REMEMBERED.contains(&refusal.code.as_str()),
        };
        if is_remembered && world.model().refusals(key) != refusals {
            world.fail(format!("{key}: its repeat was refused anew"));
        }
        if !is_same(&first, &second) {
            world.fail(format!("{key}: first {first:?}, then {second:?}"));
        }
    }
    first
}

fn is_same(first: &Answer, second: &Answer) -> bool {
    match (first, second) {
        // A repeat reaches as far as the first answer did.
        (Ok(first), Ok(second)) => second.position >= first.position,
        (Ok(_), Err(_)) => false,
        (Err(first), Err(second)) if REMEMBERED.contains(&first.code.as_str()) => {
            first.code == second.code
        }
        // What was refused without a record may be possible by now.
        (Err(first), Ok(_)) => !REMEMBERED.contains(&first.code.as_str()),
        (Err(_), Err(_)) => true,
    }
}

async fn one_answer<F, W>(world: &Arc<World>, actor: &str, key: &str, what: &F) -> Answer
where
    F: Fn(App, Context) -> W,
    W: Future<Output = Result<Done, CommandError>>,
{
    for _ in 0..TRIES_MAX {
        let running = world.anybody().await;
        let context = Context::new(actor, key, key);
        let asked = running
            .life
            .within(what(running.app.clone(), context))
            .await;
        let (process, number) = (running.life.process, running.life.number);
        match asked {
            Some(Ok(done)) => {
                world.step(format_args!("p{process}.{number} says yes to {key}"));
                return Ok(done);
            }
            Some(Err(CommandError::Rejected(refusal))) => {
                world.step(format_args!(
                    "p{process}.{number} refuses {key}: {}",
                    refusal.code
                ));
                return Err(refusal);
            }
            Some(Err(CommandError::Fatal(reason))) => {
                world.fail(format!("{key}: {reason}"));
                return Err(Rejection::new("fatal", reason));
            }
            Some(Err(CommandError::Transient { .. })) | None => {}
        }
        tokio::time::sleep(
            world
                .schedule
                .time(Duration::from_millis(100), Duration::from_secs(3)),
        )
        .await;
    }
    world.fail(format!("{key}: there never was an answer"));
    Err(Rejection::new("unanswered", "there never was an answer"))
}
