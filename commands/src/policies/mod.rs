//! Policies: what follows from what has happened. Each is a handler of events that issues commands, with keys made from
//! the event, so that a redelivered event repeats the same commands and changes nothing.

mod breaker;
mod deciding;
mod following;
mod paying_out;
mod payment_worker;
mod payout_worker;
mod reading;
mod reconciling;
mod rewarding;
mod settling;
mod transferring;
mod unnoticed;

use std::str::FromStr;
use std::time::Duration;

use kvit_domain::event::RecordedEvent;

use crate::error::CommandError;
use crate::ports::bus::{Handled, HandlerFault};

pub use breaker::BreakerOptions;
pub use deciding::Deciding;
pub use following::Following;
pub use paying_out::PayingOut;
pub use payment_worker::{PaymentWorker, PaymentWorkerOptions};
pub use payout_worker::{PayoutWorker, PayoutWorkerOptions};
pub use reading::Reading;
pub use reconciling::{Reconciled, Reconciling};
pub use rewarding::Rewarding;
pub use transferring::Transferring;

/// The id of the event's aggregate.
fn id_of<T: FromStr>(event: &RecordedEvent) -> Result<T, HandlerFault> {
    event
        .stream
        .aggregate_id
        .parse()
        .map_err(|_| HandlerFault::poison("the stream's id is not of its kind"))
}

/// How a command's end counts for the event that led to it.
fn settle<T>(result: Result<T, CommandError>) -> Result<Handled, HandlerFault> {
    match result {
        Ok(_) => Ok(Handled::Done),
        // The aggregate has moved on: what the event asks for is done or will never be.
        Err(CommandError::Rejected(rejection)) if rejection.code == "invalid_state" => {
            tracing::info!(
                code = rejection.code,
                "a policy's command was refused: nothing left to do"
            );
            Ok(Handled::Skipped)
        }
        Err(fault) => Err(to_fault(fault)),
    }
}

fn to_fault(fault: CommandError) -> HandlerFault {
    match fault {
        CommandError::Rejected(rejection) => {
            HandlerFault::poison(format!("refused: {}", rejection.code))
        }
        CommandError::Transient {
            reason,
            retry_after,
        } => HandlerFault::Transient {
            reason,
            retry_after: (retry_after > Duration::ZERO).then_some(retry_after),
        },
        CommandError::Fatal(reason) => HandlerFault::poison(reason),
    }
}
