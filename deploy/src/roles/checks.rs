//! What `/readyz` looks at.

use std::sync::Arc;

use kvit_commands::ports::log::EventLog;
use kvit_gateway::health::{CheckFn, ReadinessCheck};

use super::parts::{Parts, schema_is_current};

/// Read models further behind than this are not fit to be shown.
const LAG_EVENTS_MAX: i64 = 10_000;

/// All checks of a gateway.
pub fn all(parts: &Arc<Parts>) -> Vec<Arc<dyn ReadinessCheck>> {
    let of = |parts: &Arc<Parts>| Arc::clone(parts);
    let (postgres, migrations, bus, objects, lag) =
        (of(parts), of(parts), of(parts), of(parts), of(parts));
    vec![
        Arc::new(CheckFn::new("postgres", move || {
            let parts = Arc::clone(&postgres);
            async move {
                parts
                    .log
                    .head()
                    .await
                    .map(|_| ())
                    .map_err(|fault| fault.to_string())
            }
        })),
        Arc::new(CheckFn::new("migrations", move || {
            let parts = Arc::clone(&migrations);
            async move { schema_is_current(&parts.pool).await }
        })),
        Arc::new(CheckFn::new("nats", move || {
            let parts = Arc::clone(&bus);
            async move {
                let stream = parts.bus.get_stream(kvit_adapters::nats::EVENTS).await;
                stream.map(|_| ()).map_err(|error| error.to_string())
            }
        })),
        Arc::new(CheckFn::new("object_storage", move || {
            let parts = Arc::clone(&objects);
            async move {
                parts
                    .objects
                    .check()
                    .await
                    .map_err(|fault| fault.to_string())
            }
        })),
        Arc::new(CheckFn::new("projections", move || {
            let parts = Arc::clone(&lag);
            async move { projections_are_near(&parts).await }
        })),
    ]
}

async fn projections_are_near(parts: &Parts) -> Result<(), String> {
    let head = parts.log.head().await.map_err(|fault| fault.to_string())?;
    let status = kvit_projections::queries::status::status(&parts.pool)
        .await
        .map_err(|fault| fault.to_string())?;
    match status
        .iter()
        .find(|one| head.saturating_sub(one.position) > LAG_EVENTS_MAX)
    {
        Some(behind) => Err(format!(
            "{} is at {} of {head}",
            behind.name, behind.position
        )),
        None => Ok(()),
    }
}
