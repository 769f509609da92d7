//! Why a call has no answer, told by what that means for the money.

use std::time::Duration;

use kvit_commands::ports::payment::PaymentFault;

use super::node::AnswerError;

/// Why it is certain that the provider has not seen the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The name did not resolve, the connection was refused, or the TLS handshake failed.
    #[error("no connection to the provider")]
    Connect,
    /// The request could not be built.
    #[error("the request could not be built")]
    Request,
    /// Too many calls are under way, and none ended in time.
    #[error("too many calls to the provider are under way")]
    Busy,
}

/// Why it is open whether the provider acted on the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke after the request had begun to go out.
    #[error("the connection broke")]
    Broken,
    /// More than [`MAX_ANSWER_BYTES`](super::MAX_ANSWER_BYTES).
    #[error("the answer is too long")]
    TooLong,
    /// An HTTP status that says nothing about the operation, or one of the provider's without the provider's error object.
    #[error("HTTP status {0}")]
    HttpStatus(u16),
    /// An answer that cannot be believed.
    #[error("the answer cannot be used: {0}")]
    Answer(#[from] AnswerError),
}

/// A call without a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Proven: the provider has not seen it.
    NotSent(NotSent),
    /// Proven: the provider refused it and executed nothing.
    Refused {
        /// The provider's code.
        code: String,
    },
    /// Proven: our credentials are wrong or lack the right; nothing was executed.
    Denied {
        /// The provider's code.
        code: String,
    },
    /// Proven: nothing was executed, because there were too many calls.
    TooMany(Duration),
    /// The key belongs to another call, which may well have been executed: a fault of ours.
    KeyReused,
    /// The provider may have acted on it.
    Unknown(Doubt),
}

impl Lost {
    /// A short fixed word for logs and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not_sent",
            Self::Refused { .. } => "refused",
            Self::Denied { .. } => "denied",
            Self::TooMany(_) => "too_many_requests",
            Self::KeyReused => "key_reused",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What it means after a call that only asks. A refusal to tell says nothing about the money, so it never looks like a proof.
    pub(super) fn of_question(self) -> PaymentFault {
        match self {
            Self::Refused { code } => {
                PaymentFault::Unknown(format!("the provider does not tell, code {code}"))
            }
            other => other.into(),
        }
    }
}

impl From<AnswerError> for Lost {
    fn from(error: AnswerError) -> Self {
        Self::Unknown(error.into())
    }
}

impl From<Lost> for PaymentFault {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::NotSent(reason) => Self::NotSent(reason.to_string()),
            Lost::Refused { code } => Self::Refused { code },
            Lost::Denied { .. } => Self::Denied,
            Lost::TooMany(retry_after) => Self::TooManyRequests { retry_after },
            Lost::KeyReused => Self::Unknown("the key was used for another call".to_owned()),
            Lost::Unknown(doubt) => Self::Unknown(doubt.to_string()),
        }
    }
}
