//! Closing periods of the book.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kvit_domain::book::{Book, MAIN_BOOK, PeriodCommand};
use kvit_domain::event::Position;

use super::{App, Done};
use crate::context::Context;
use crate::error::CommandError;

impl App {
    /// The book's periods as the log has them now.
    pub async fn book(&self) -> Result<Book, CommandError> {
        self.parts.executor.load::<Book>(MAIN_BOOK).await
    }

    /// Closes a month: from now on nothing is booked with a value date inside it. `position` and `totals` say what was seen
    /// when it was decided, so that an auditor can compare.
    ///
    /// # Errors
    /// `invalid_state` when the month has not ended long enough ago or an earlier one is open; `review_reason_required`.
    pub async fn close_period(
        &self,
        month: NaiveDate,
        position: Position,
        totals: BTreeMap<String, String>,
        reason: String,
        context: &Context,
    ) -> Result<Done, CommandError> {
        let command = PeriodCommand::Close {
            month,
            position,
            totals,
            by: context.actor.clone(),
            reason,
            today: self.today(),
        };
        self.execute::<Book>(MAIN_BOOK, command, context).await
    }
}
