//! Old shapes of events become today's.
//!
//! A stored event is never rewritten. When the shape of a payload changes, its `event_version` is raised and a step is
//! added to [`STEPS`]; the golden files keep one real example of every version ever written and a test reads them all.

use cqrs_es::DomainEvent;
use serde_json::Value;
use serde_json::value::RawValue;

/// One step: payloads of this event and version become payloads of the next version. The aggregate is part of the name:
/// `FundsHeld` of a job is another event than `FundsHeld` of a payout.
struct Step {
    aggregate_type: &'static str,
    event_type: &'static str,
    from: &'static str,
    to: &'static str,
    apply: fn(Value) -> Value,
}

/// All steps, in the order in which they apply. Empty while every event is at version 1.
const STEPS: &[Step] = &[];

/// Reads a payload of any version as today's type.
///
/// # Errors
/// The JSON error when the upcast payload is not of type `E`.
pub fn decode<E: DomainEvent>(
    aggregate_type: &str,
    event_type: &str,
    event_version: &str,
    payload: &RawValue,
) -> Result<E, serde_json::Error> {
    let mine =
        |step: &&Step| step.aggregate_type == aggregate_type && step.event_type == event_type;
    if !STEPS
        .iter()
        .filter(mine)
        .any(|step| step.from == event_version)
    {
        return serde_json::from_str(payload.get());
    }
    let mut version = event_version;
    let mut value: Value = serde_json::from_str(payload.get())?;
    for step in STEPS.iter().filter(mine) {
        if step.from == version {
            value = (step.apply)(value);
            version = step.to;
        }
    }
    serde_json::from_value(value)
}
