//! Lists: newest first, in pages, with a cursor that names the last object seen.
//!
//! The cursor is a place in the order of creation and not a count, so what is created between two pages shifts nothing. It is not a
//! time either: times are cut off to three digits, and the provider's clock may be moved.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Months, Utc};
use serde_json::{Value, json};

use super::error::ApiError;

const DEFAULT_LIMIT: usize = 10;
const MOST: usize = 100;
/// Lists reach three years back, the search by metadata three months.
const LIST_MONTHS: u32 = 36;
const SEARCH_MONTHS: u32 = 3;

/// One object of a list.
pub(super) struct Entry<T> {
    pub created_at: DateTime<Utc>,
    pub seq: u64,
    pub item: T,
}

/// The parameters of a list call.
#[derive(Debug)]
pub(super) struct Query<'a>(pub &'a [(String, String)]);

impl<'a> Query<'a> {
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, ApiError> {
        self.get(name)
            .map(|text| {
                DateTime::parse_from_rfc3339(text)
                    .map(|at| at.to_utc())
                    .map_err(|_| ApiError::invalid(name, format!("{name} is illegal")))
            })
            .transpose()
    }

    /// Whether a moment is within `name.gte`, `name.gt`, `name.lte` and `name.lt`.
    pub(super) fn range(&self, name: &str) -> Result<Range, ApiError> {
        let bound = |end: &str| self.time(&format!("{name}.{end}"));
        Ok(Range {
            gte: bound("gte")?,
            gt: bound("gt")?,
            lte: bound("lte")?,
            lt: bound("lt")?,
        })
    }

    /// A word of a closed list.
    pub(super) fn word(&self, name: &str, known: &[&str]) -> Result<Option<&'a str>, ApiError> {
        match self.get(name) {
            Some(word) if !known.contains(&word) => {
                Err(ApiError::invalid(name, format!("{name} is not known")))
            }
            word => Ok(word),
        }
    }

    fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(DEFAULT_LIMIT);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| ApiError::invalid("limit", "limit must be from 1 to 100"))
    }

    /// The number of the last object of the page before.
    fn cursor(&self) -> Result<Option<u64>, ApiError> {
        self.get("cursor")
            .map(|text| {
                URL_SAFE_NO_PAD
                    .decode(text)
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(u64::from_be_bytes)
                    .ok_or_else(|| ApiError::invalid("cursor", "cursor is illegal"))
            })
            .transpose()
    }

    /// The one `metadata[name]=value` of a search.
    pub(super) fn metadata(&self) -> Result<(&'a str, &'a str), ApiError> {
        let mut pairs = self.0.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((name, value.as_str()))
        });
        match (pairs.next(), pairs.next()) {
            (Some((name, value)), None) if !name.is_empty() => Ok((name, value)),
            _ => Err(ApiError::invalid(
                "metadata",
                "Exactly one pair of metadata is needed",
            )),
        }
    }

    /// One page of `entries`, which come in any order. A search reaches less far back.
    pub(super) fn page<T>(
        &self,
        now: DateTime<Utc>,
        search: bool,
        entries: impl Iterator<Item = Entry<T>>,
        render: impl Fn(T) -> Value,
    ) -> Result<Value, ApiError> {
        let (limit, cursor, created) = (self.limit()?, self.cursor()?, self.range("created_at")?);
        let months = if search { SEARCH_MONTHS } else { LIST_MONTHS };
        let since = now.checked_sub_months(Months::new(months));
        let mut found: Vec<Entry<T>> = entries
            .filter(|entry| created.holds(entry.created_at))
            .filter(|entry| since.is_none_or(|since| entry.created_at >= since))
            .filter(|entry| cursor.is_none_or(|cursor| entry.seq < cursor))
            .collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.seq));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| URL_SAFE_NO_PAD.encode(last.seq.to_be_bytes()));
        let items: Vec<Value> = found.into_iter().map(|entry| render(entry.item)).collect();
        let mut page = json!({"type": "list", "items": items});
        if let (Some(next), Some(page)) = (next, page.as_object_mut()) {
            page.insert("next_cursor".to_owned(), json!(next));
        }
        Ok(page)
    }
}

/// Bounds of a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    gte: Option<DateTime<Utc>>,
    gt: Option<DateTime<Utc>>,
    lte: Option<DateTime<Utc>>,
    lt: Option<DateTime<Utc>>,
}

impl Range {
    pub(super) fn holds(&self, at: DateTime<Utc>) -> bool {
        self.gte.is_none_or(|bound| at >= bound)
            && self.gt.is_none_or(|bound| at > bound)
            && self.lte.is_none_or(|bound| at <= bound)
            && self.lt.is_none_or(|bound| at < bound)
    }

    pub(super) fn is_open(&self) -> bool {
        self.gte.is_none() && self.gt.is_none() && self.lte.is_none() && self.lt.is_none()
    }
}
