//! What can go wrong between the log and a read model, in lanes: try again, or look at it.

use kvit_domain::event::Position;

/// Why a projection or a query could not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The database is away, busy or read-only; the same call can succeed later.
    #[error("the database is not available: {0}")]
    Transient(String),
    /// The database refuses, or its tables are not what the code expects.
    #[error("the database refused: {0}")]
    Fatal(String),
    /// The log has a hole; nothing may be folded over it.
    #[error("position {0} is missing from the log")]
    Gap(Position),
    /// The log ends before the checkpoint: the database was restored to an earlier point, or it is another log.
    #[error("the projection stands at {checkpoint}, but the log ends at {head}")]
    AheadOfLog {
        /// Where the projection stands.
        checkpoint: Position,
        /// Where the log ends.
        head: Position,
    },
    /// There is no build that could be read yet.
    #[error("the projection {0} has not been built yet")]
    NotBuilt(String),
    /// No projection has this name.
    #[error("there is no projection {0}")]
    Unknown(String),
    /// A cursor that no page has given out.
    #[error("the cursor is not one of ours")]
    BadCursor,
    /// A projection cannot take an event; everything before it is folded.
    #[error("the projection {projection} cannot take the event at position {position}: {reason}")]
    Stuck {
        /// Which.
        projection: String,
        /// The event.
        position: Position,
        /// Why, without payload data.
        reason: String,
    },
    /// A build cannot be compared at a position where the live tables do not stand.
    #[error("the live tables stand at {live}, not at {until}")]
    LiveElsewhere {
        /// Where they stand.
        live: Position,
        /// Where the comparison was wanted.
        until: Position,
    },
}

impl Fault {
    /// Whether the same call can succeed later without anybody doing something.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient(_) | Self::NotBuilt(_))
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let text = describe(&error);
        let transient = match &error {
            sqlx::Error::Database(database) => database
                .code()
                .is_some_and(|code| is_transient_state(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if transient {
            Self::Transient(text)
        } else {
            Self::Fatal(text)
        }
    }
}

/// Connection lost, rolled back for concurrency, out of resources, stopped by an operator; and a read-only server, an
/// idle session ended, a lock not granted in time, an I/O error of the server's disk.
fn is_transient_state(code: &str) -> bool {
    matches!(code.get(..2), Some("08" | "40" | "53" | "57"))
        || matches!(code, "25006" | "25P03" | "55P03" | "58030")
}

/// SQLSTATE and message, never the detail line, which quotes values.
fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => format!(
            "{} ({})",
            database.message(),
            database.code().as_deref().unwrap_or("no SQLSTATE")
        ),
        sqlx::Error::Io(io) => format!("connection: {}", io.kind()),
        sqlx::Error::PoolTimedOut => "no free connection in time".to_owned(),
        other => other.to_string(),
    }
}
