//! The provider's error object.
//!
//! Codes, parameters and the words in quotation marks of public notes are the provider's; where no text is known, the words are ours.

use serde_json::{Value, json};

/// A "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub status: u16,
    pub code: String,
    pub description: String,
    pub parameter: Option<String>,
    /// Milliseconds.
    pub retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: &str, description: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            description: description.into(),
            parameter: None,
            retry_after: None,
        }
    }

    /// 400 about one parameter.
    pub(super) fn invalid(parameter: &str, description: impl Into<String>) -> Self {
        Self {
            parameter: Some(parameter.to_owned()),
            ..Self::new(400, "invalid_request", description)
        }
    }

    /// 401.
    pub(super) fn credentials(description: &str) -> Self {
        Self {
            parameter: Some("Authorization".to_owned()),
            ..Self::new(401, "invalid_credentials", description)
        }
    }

    /// 403: the key is right, the right is not there.
    pub(super) fn forbidden(description: &str) -> Self {
        Self::new(403, "forbidden", description)
    }

    /// 404.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, "not_found", format!("{what} not found or forbidden"))
    }

    /// 429.
    pub(super) fn too_many(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                429,
                "too_many_requests",
                "Too many requests, repeat this one later",
            )
        }
    }

    /// 500: the result is not known.
    pub(super) fn internal() -> Self {
        Self::new(500, "internal_server_error", "Internal server error")
    }

    pub(super) fn to_json(&self, id: &str) -> Value {
        let mut error = json!({
            "type": "error",
            "id": id,
            "code": self.code,
            "description": self.description,
        });
        if let Some(object) = error.as_object_mut() {
            if let Some(parameter) = &self.parameter {
                object.insert("parameter".to_owned(), json!(parameter));
            }
            if let Some(millis) = self.retry_after {
                object.insert("retry_after".to_owned(), json!(millis));
            }
        }
        error
    }
}

impl From<crate::sandbox::JournalError> for ApiError {
    fn from(error: crate::sandbox::JournalError) -> Self {
        tracing::error!(%error, "sandbox cannot write its journal");
        Self::internal()
    }
}
