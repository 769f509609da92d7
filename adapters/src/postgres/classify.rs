//! What a database error means, decided once.

use sqlx::error::ErrorKind;

/// The lane that an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// The database is away, busy, full or read-only. Nobody knows whether the statement took effect when the
    /// connection broke; try again after reading.
    Transient,
    /// A unique constraint refused the statement, which had no effect.
    Unique,
    /// The statement or the data is broken; trying again does not help.
    Fatal,
}

/// Classifies an error by its SQLSTATE, or by its kind when it never reached the database.
#[must_use]
pub fn lane(error: &sqlx::Error) -> Lane {
    match error {
        sqlx::Error::Database(database) => match (database.kind(), database.code()) {
            (ErrorKind::UniqueViolation, _) => Lane::Unique,
            (_, Some(code)) => lane_of_sqlstate(&code),
            (_, None) => Lane::Fatal,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Lane::Transient,
        _ => Lane::Fatal,
    }
}

/// Classifies a five-character SQLSTATE.
#[must_use]
pub fn lane_of_sqlstate(code: &str) -> Lane {
    if code == "23505" {
        return Lane::Unique;
    }
    // 25006 read-only transaction (a standby, or set so by an operator), 25P03 idle session ended, 55P03 lock timeout,
    // 58030 I/O error of the server's disk.
    if matches!(code, "25006" | "25P03" | "55P03" | "58030") {
        return Lane::Transient;
    }
    // Connection, rollback by concurrency, resources (53100 is a full disk), operator (shutdown, timeout, cancel).
    match code.get(..2) {
        Some("08" | "40" | "53" | "57") => Lane::Transient,
        _ => Lane::Fatal,
    }
}

/// Describes an error for a log line or a fault: SQLSTATE and message, never the detail line, which quotes values.
#[must_use]
pub fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            format!(
                "{} ({})",
                database.message(),
                database.code().as_deref().unwrap_or("no SQLSTATE")
            )
        }
        sqlx::Error::Io(io) => format!("connection: {}", io.kind()),
        sqlx::Error::PoolTimedOut => "no free connection in time".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lane, lane_of_sqlstate};

    #[test]
    fn each_sqlstate_has_its_lane() {
        for code in [
            "08006", "40001", "40P01", "53100", "53300", "57P01", "57014", "25006", "55P03",
        ] {
            assert_eq!(lane_of_sqlstate(code), Lane::Transient, "{code}");
        }
        assert_eq!(lane_of_sqlstate("23505"), Lane::Unique);
        for code in ["22P02", "42883", "42501", "23502", "XX001", "", "ä"] {
            assert_eq!(lane_of_sqlstate(code), Lane::Fatal, "{code}");
        }
    }
}
