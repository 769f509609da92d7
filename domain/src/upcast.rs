//! Old shapes of events become today's.
//!
//! A stored event is never rewritten. When the shape of a payload changes, its `event_version` is raised and a step is
//! added to [`STEPS`]; the golden files keep one real example of every version ever written and a test reads them all.

use cqrs_es::DomainEvent;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// One step: payloads of this event and version become payloads of the next version. The aggregate is part of the name:
/// `FundsHeld` of a job is another event than `FundsHeld` of a payout.
struct Step {
    aggregate_type: &'static str,
    event_type: &'static str,
    from: &'static str,
    to: &'static str,
    apply: fn(Value) -> Value,
}

/// All steps, in the order in which they apply.
const STEPS: &[Step] = &[
    // The first payouts were mobile top-ups, all of them.
    Step {
        aggregate_type: "payout",
        event_type: "PayoutRequested",
        from: "1",
        to: "2",
        apply: |payload| {
            with_field(
                payload,
                "PayoutRequested",
                "method",
                json!({"kind": "mobile_top_up"}),
            )
        },
    },
];

/// The payload of an event with one more field.
fn with_field(mut payload: Value, event: &str, name: &str, value: Value) -> Value {
    if let Some(fields) = payload.get_mut(event).and_then(Value::as_object_mut) {
        fields.insert(name.to_owned(), value);
    }
    payload
}

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
