//! How handling an update can end other than well: the lanes, as in the rest of the platform.

use std::time::Duration;

use kvit_commands::error::CommandError;
use kvit_commands::ports::messages::MessagesFault;
use kvit_domain::rejection::Rejection;
use teloxide::RequestError;

/// Why an update was not handled. Texts hold no personal data and no token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// The person asked for something that is refused; they are told.
    #[error("refused: {}", .0.code)]
    Rejected(Rejection),
    /// Something is away; the update is handled again.
    #[error("not now: {reason}")]
    Transient {
        /// What.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// A fault of ours; the person gets a code that is also in the log.
    #[error("fault: {0}")]
    Fatal(String),
}

impl Trouble {
    /// A transient trouble with the usual pause.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            retry_after: Duration::from_secs(1),
        }
    }
}

impl From<Rejection> for Trouble {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<CommandError> for Trouble {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => Self::Rejected(rejection),
            CommandError::Transient {
                reason,
                retry_after,
            } => Self::Transient {
                reason,
                retry_after,
            },
            CommandError::Fatal(reason) => Self::Fatal(reason),
        }
    }
}

impl From<MessagesFault> for Trouble {
    fn from(fault: MessagesFault) -> Self {
        match fault {
            MessagesFault::Transient(reason) => Self::transient(reason),
            MessagesFault::Fatal(reason) => Self::Fatal(reason),
        }
    }
}

/// The dialogue store's error has no lanes once it is erased: it counts as transient, and the update is not tried for ever.
impl From<Box<dyn std::error::Error + Send + Sync>> for Trouble {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::transient(error.to_string())
    }
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::RetryAfter(seconds) => Self::Transient {
                reason: "Telegram asks to wait".to_owned(),
                retry_after: seconds.duration(),
            },
            RequestError::Network(_) | RequestError::InvalidJson { .. } | RequestError::Io(_) => {
                Self::transient("Telegram does not answer")
            }
            // The text of the API is Telegram's own and names methods, not people.
            RequestError::Api(error) => Self::Fatal(error.to_string()),
            RequestError::MigrateToChatId(_) => {
                Self::Fatal("the chat became a supergroup".to_owned())
            }
        }
    }
}
