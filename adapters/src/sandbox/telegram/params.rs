//! Reads a Bot API call's parameters, however a library chose to send them: in the query, as a form, as JSON or as multipart.

use std::collections::HashMap;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;

/// Bodies without files are small; the real service refuses larger ones too.
pub(super) const MAX_BODY: usize = 2 * 1024 * 1024;
/// Uploads by a bot: 50 MB of file and some room for the rest of the form.
pub(super) const MAX_UPLOAD: usize = 51 * 1024 * 1024;

/// A file that came with a call.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub name: String,
    pub mime: Option<String>,
    pub bytes: Bytes,
}

/// One call's parameters. Numbers, booleans and objects may arrive as text, since forms know nothing else.
#[derive(Debug, Default)]
pub(super) struct Params {
    fields: Map<String, Value>,
    files: HashMap<String, Upload>,
}

impl Params {
    pub(super) async fn read(request: Request, limit: usize) -> Result<Self, ApiError> {
        let mut params = Self::default();
        if let Some(query) = request.uri().query() {
            params.add_form(query.as_bytes());
        }
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.starts_with("multipart/form-data") {
            params.add_multipart(request).await?;
            return Ok(params);
        }
        let body = to_bytes(request.into_body(), limit)
            .await
            .map_err(|_| ApiError::too_large())?;
        if kind.starts_with("application/json") && !body.is_empty() {
            match serde_json::from_slice(&body) {
                Ok(Value::Object(object)) => params.fields.extend(object),
                _ => return Err(ApiError::bad("can't parse JSON object")),
            }
        } else {
            params.add_form(&body);
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.fields
                .insert(name.into_owned(), Value::String(value.into_owned()));
        }
    }

    async fn add_multipart(&mut self, request: Request) -> Result<(), ApiError> {
        let broken = |_| ApiError::bad("can't parse multipart form");
        let mut form = Multipart::from_request(request, &())
            .await
            .map_err(|_| ApiError::bad("can't parse multipart form"))?;
        while let Some(field) = form.next_field().await.map_err(broken)? {
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().map(str::to_owned);
            let mime = field.content_type().map(str::to_owned);
            let bytes = field.bytes().await.map_err(|_| ApiError::too_large())?;
            if let Some(file_name) = file_name {
                self.files.insert(
                    name,
                    Upload {
                        name: file_name,
                        mime,
                        bytes,
                    },
                );
            } else {
                let text = String::from_utf8(bytes.to_vec())
                    .map_err(|_| ApiError::bad("strings must be encoded in UTF-8"))?;
                self.fields.insert(name, Value::String(text));
            }
        }
        Ok(())
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    pub(super) fn text(&self, name: &str) -> String {
        match self.field(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.field(name)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        match self.field(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => {
                matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes")
            }
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// A structured parameter; in forms it is JSON inside a text.
    pub(super) fn object<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let parsed = match self.field(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(other) => serde_json::from_value(other.clone()),
        };
        parsed.map(Some).map_err(|_| {
            ApiError::bad(format!(
                "can't parse {}: wrong JSON",
                name.replace('_', " ")
            ))
        })
    }

    /// The chat of the call, if it names one by number.
    pub(super) fn chat_id(&self) -> Option<i64> {
        self.integer("chat_id")
    }

    /// An uploaded file, sent either under the parameter's own name or referred to as `attach://<part>`.
    pub(super) fn upload(&self, name: &str) -> Option<&Upload> {
        if let Some(upload) = self.files.get(name) {
            return Some(upload);
        }
        let reference = self.text(name);
        self.files.get(reference.strip_prefix("attach://")?)
    }
}
