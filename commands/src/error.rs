//! The lanes in which a command can end other than well.

use std::time::Duration;

use kvit_domain::rejection::Rejection;

use crate::ports::log::LogFault;
use crate::ports::objects::ObjectFault;
use crate::ports::vault::VaultFault;

/// Why a command was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The caller asked for something that is refused; asking again in the same way will be refused again.
    #[error("refused: {0}")]
    Rejected(#[from] Rejection),
    /// Something is away or overloaded. The command may or may not have been done: repeat it with the same key.
    #[error("not available: {reason}")]
    Transient {
        /// What is away; no personal data.
        reason: String,
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// A fault of ours; somebody must look.
    #[error("fault: {0}")]
    Fatal(String),
}

impl CommandError {
    /// A transient fault with the usual pause.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            retry_after: Duration::from_secs(1),
        }
    }
}

impl From<LogFault> for CommandError {
    fn from(fault: LogFault) -> Self {
        match fault {
            LogFault::Transient(reason) => Self::transient(reason),
            LogFault::Fatal(reason) => Self::Fatal(reason),
        }
    }
}

impl From<VaultFault> for CommandError {
    fn from(fault: VaultFault) -> Self {
        match fault {
            VaultFault::Transient(reason) => Self::transient(reason),
            VaultFault::Forgotten => Self::Rejected(Rejection::new(
                "user_forgotten",
                "this account was forgotten at its owner's wish",
            )),
            VaultFault::Fatal(reason) => Self::Fatal(reason),
        }
    }
}

impl From<ObjectFault> for CommandError {
    fn from(fault: ObjectFault) -> Self {
        match fault {
            ObjectFault::Transient(reason) => Self::transient(reason),
            ObjectFault::NotFound => Self::Rejected(Rejection::new(
                "not_found",
                "the object is not stored any more",
            )),
            ObjectFault::TooLarge { limit } => Self::Rejected(
                Rejection::new("payload_too_large", "the object is too large")
                    .with("limit_bytes", limit),
            ),
            ObjectFault::Fatal(reason) => Self::Fatal(reason),
        }
    }
}
