//! The moment at which a balance is wanted.

use chrono::{DateTime, NaiveDate, Utc};
use kvit_projections::queries::accounts::Moment;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::problem::{Answer, Problem};

/// The moment at which a balance is wanted; now when nothing is named.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MomentQuery {
    /// What was booked up to and including this time.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    at: Option<DateTime<Utc>>,
    /// What was booked up to and including this position of the log.
    #[param(minimum = 0)]
    position: Option<i64>,
    /// What counts up to and including this day, whenever it was booked.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    value_date: Option<NaiveDate>,
    /// With `value_date`: as it was known at this time, without what was booked later.
    #[serde(default, deserialize_with = "crate::http::extract::plausible_or_none")]
    known_at: Option<DateTime<Utc>>,
}

impl MomentQuery {
    /// The moment, when the parameters name one.
    ///
    /// # Errors
    /// `invalid_query` for parameters that contradict each other.
    pub fn moment(&self) -> Answer<Moment> {
        match (self.at, self.position, self.value_date, self.known_at) {
            (None, None, None, None) => Ok(Moment::Now),
            (Some(at), None, None, None) => Ok(Moment::Booked(at)),
            (None, Some(position), None, None) if position >= 0 => Ok(Moment::Position(position)),
            (None, None, Some(day), None) => Ok(Moment::ValueDate(day)),
            (None, None, Some(day), Some(known_at)) => Ok(Moment::ValueDateKnown { day, known_at }),
            _ => Err(Problem::new(
                "invalid_query",
                "name one of at, position and value_date; known_at only with value_date",
            )
            .field("at", "at most one moment is expected")),
        }
    }
}
