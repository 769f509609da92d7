//! Extractors whose refusals are problems like any other.

use std::ops::RangeInclusive;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{
    FromRequest, FromRequestParts, OptionalFromRequest, Path as AxumPath, Request,
};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use chrono::Datelike;
use kvit_domain::event::Position;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::problem::{Answer, Problem};

/// Most bytes of a JSON body.
pub const JSON_BYTES_MAX: usize = 64 * 1024;
const AT_LEAST: &str = "at_least";

/// A JSON body, read strictly.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(unreadable)?;
        from_json(&bytes).map(Self)
    }
}

/// A body that may be left out: no bytes and no media type are no body, and neither is `null`.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Answer<Option<Self>> {
        let typed = request.headers().contains_key(CONTENT_TYPE);
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(unreadable)?;
        if bytes.is_empty() && !typed {
            return Ok(None);
        }
        if !is_json {
            return Err(not_json());
        }
        Ok(from_json::<Option<T>>(&bytes)?.map(Self))
    }
}

fn not_json() -> Problem {
    Problem::new(
        "unsupported_media_type",
        "send Content-Type: application/json",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json"))
        })
}

fn unreadable(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(
            "payload_too_large",
            "the body is larger than this address takes",
        );
    }
    Problem::new("invalid_json", "the body could not be read to its end")
}

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                Problem::new("invalid_body", "a field of the body is not as expected")
                    .field(pointer, inner.to_string())
            }
            _ => syntax(&inner),
        }
    })?;
    reader.end().map_err(|error| syntax(&error))?;
    if holds_nul(bytes) {
        return Err(Problem::new(
            "invalid_body",
            "the character U+0000 is not accepted in any text",
        ));
    }
    Ok(value)
}

/// Whether a text of the body holds U+0000, which JSON can write and the database cannot store.
fn holds_nul(json: &[u8]) -> bool {
    fn inside(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(inside),
            Value::Object(fields) => fields
                .iter()
                .any(|(name, value)| name.contains('\0') || inside(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    // Almost no body has such an escape, so almost none is read a second time.
    let escape = b"\\u0000";
    json.windows(escape.len()).any(|window| window == escape)
        && serde_json::from_slice(json).is_ok_and(|value: Value| inside(&value))
}

/// Years that a date of a caller may have. Beyond them databases and calendars differ about what can be written.
const YEARS: RangeInclusive<i32> = 1970..=9999;

/// Reads a date or time of a plausible year, for `#[serde(deserialize_with = "…")]`.
pub fn plausible<'de, D, T>(reader: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Datelike,
{
    let value = T::deserialize(reader)?;
    if YEARS.contains(&value.year()) {
        return Ok(value);
    }
    Err(D::Error::custom(format!(
        "a year from {} to {} is expected",
        YEARS.start(),
        YEARS.end()
    )))
}

/// The same for a field that may be absent.
pub fn plausible_or_none<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Datelike,
{
    let value = Option::<T>::deserialize(reader)?;
    if value
        .as_ref()
        .is_none_or(|value| YEARS.contains(&value.year()))
    {
        return Ok(value);
    }
    Err(D::Error::custom(format!(
        "a year from {} to {} is expected",
        YEARS.start(),
        YEARS.end()
    )))
}

fn syntax(error: &serde_json::Error) -> Problem {
    let place = format!(
        "not JSON at line {} column {}",
        error.line(),
        error.column()
    );
    Problem::new("invalid_json", place)
}

/// RFC 6901 pointer to the place where reading stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Query parameters, read strictly: unknown names are refused where the type says so. `at_least` belongs to every read
/// and is left out here.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let mut kept = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in query_pairs(parts) {
            if value.contains('\0') {
                return Err(
                    Problem::new("invalid_query", "the character U+0000 is not accepted")
                        .field(name, "is not text"),
                );
            }
            if name != AT_LEAST {
                kept.append_pair(&name, &value);
            }
        }
        read_query(&kept.finish()).map(Self)
    }
}

fn query_pairs(parts: &Parts) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned()
}

fn read_query<T: DeserializeOwned>(query: &str) -> Answer<T> {
    let uri: axum::http::Uri = format!("/?{query}")
        .parse()
        .map_err(|_| Problem::new("invalid_query", "the query cannot be read"))?;
    axum::extract::Query::<T>::try_from_uri(&uri)
        .map(|query| query.0)
        .map_err(|rejection| {
            // The text names the parameter and what was expected; it is the caller's own input.
            let text = rejection.body_text();
            let cause = text
                .rsplit_once("query string: ")
                .map_or(text.as_str(), |(_, cause)| cause);
            let name = cause.split_once(": ").map_or("", |(name, _)| name);
            Problem::new("invalid_query", "a query parameter is not as expected").field(name, cause)
        })
}

/// The position that a read must not be behind.
pub fn at_least(parts: &Parts) -> Answer<Option<Position>> {
    let Some((_, text)) = query_pairs(parts).find(|(name, _)| name == AT_LEAST) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(position) if position >= 0 => Ok(Some(position)),
        _ => Err(
            Problem::new("invalid_query", "a query parameter is not as expected")
                .field(AT_LEAST, "a position, as an answer gave it, is expected"),
        ),
    }
}

/// Parts of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        if parts.uri.path().contains("%00") {
            return Err(Problem::new(
                "invalid_path",
                "the character U+0000 is not accepted",
            ));
        }
        AxumPath::<T>::from_request_parts(parts, state)
            .await
            .map(|path| Self(path.0))
            .map_err(|rejection| Problem::new("invalid_path", rejection.body_text()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[allow(dead_code, reason = "read by serde")]
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    struct Line {
        #[allow(dead_code, reason = "read by serde")]
        minor: i64,
    }

    #[test]
    fn a_wrong_field_is_named_by_its_pointer_and_broken_json_by_its_place() {
        let wrong = from_json::<Body>(br#"{"lines":[{"minor":1},{"minor":"x"}]}"#).unwrap_err();
        assert_eq!(wrong.code(), "invalid_body");
        assert!(format!("{wrong:?}").contains("/lines/1/minor"));
        for broken in ["", "{", "{\"lines\":[]} x", "\u{0}"] {
            assert_eq!(
                from_json::<Body>(broken.as_bytes()).unwrap_err().code(),
                "invalid_json",
                "{broken:?}"
            );
        }
        assert_eq!(
            from_json::<Body>(br#"{"lines":[],"x":1}"#)
                .unwrap_err()
                .code(),
            "invalid_body"
        );
    }
}
