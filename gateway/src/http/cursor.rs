//! Cursors: opaque to callers, versioned, and bound to the list and the filters that they were made for.
//!
//! Inside is the place where the read model's own page ended; a page never counts rows from the start, so it does not
//! shift when rows are added.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::problem::{Answer, Problem};

const VERSION: u8 = 1;
const BINDING_BYTES: usize = 6;
const CURSOR_BYTES_MAX: usize = 1_000;
/// Rows on a page when the caller does not say.
pub const LIMIT_DEFAULT: u32 = 50;
/// Most rows on a page.
pub const LIMIT_MAX: u32 = 200;

/// A list with its filters, for which cursors are made and read.
#[derive(Debug, Clone)]
pub struct Listing {
    path: String,
    filters: Vec<(String, String)>,
}

impl Listing {
    /// A list at a path of the API.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            filters: Vec::new(),
        }
    }

    /// The list with one more filter, if it is set.
    #[must_use]
    pub fn filter(mut self, name: &str, value: Option<&impl ToString>) -> Self {
        if let Some(value) = value {
            self.filters.push((name.to_owned(), value.to_string()));
        }
        self
    }

    fn binding(&self) -> [u8; BINDING_BYTES] {
        let mut hasher = Sha256::new();
        hasher.update(self.path.as_bytes());
        for (name, value) in &self.filters {
            hasher.update([0x1e]);
            hasher.update(name.as_bytes());
            hasher.update([0x1f]);
            hasher.update(value.as_bytes());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut binding = [0; BINDING_BYTES];
        binding.copy_from_slice(&digest[..BINDING_BYTES]);
        binding
    }

    /// Makes the cursor of a place.
    #[must_use]
    pub fn seal(&self, place: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.binding());
        bytes.extend(place.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor back.
    ///
    /// # Errors
    /// `invalid_cursor` when it is of another list, of other filters, of another version, or no cursor at all.
    pub fn open(&self, cursor: Option<&str>) -> Answer<Option<String>> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let invalid = || {
            Problem::new(
                "invalid_cursor",
                "take cursors from links.next, with the same filters",
            )
        };
        if cursor.len() > CURSOR_BYTES_MAX {
            return Err(invalid());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (head, place) = bytes
            .split_at_checked(1 + BINDING_BYTES)
            .ok_or_else(invalid)?;
        if head.first() != Some(&VERSION) || head.get(1..) != Some(self.binding().as_slice()) {
            return Err(invalid());
        }
        let place = String::from_utf8(place.to_vec()).map_err(|_| invalid())?;
        // Whoever computes a binding can put anything inside; a database must not stumble over it.
        if place.chars().any(char::is_control) {
            return Err(invalid());
        }
        Ok(Some(place))
    }

    /// The address of the page that a cursor begins, filters and limit kept.
    #[must_use]
    pub fn next(&self, place: &str, limit: u32) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.filters {
            query.append_pair(name, value);
        }
        query.append_pair("limit", &limit.to_string());
        query.append_pair("cursor", &self.seal(place));
        format!("{}?{}", self.path, query.finish())
    }
}

/// The rows on a page.
///
/// # Errors
/// `invalid_query` outside 1 to [`LIMIT_MAX`].
pub fn limit(asked: Option<u32>) -> Answer<u32> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(
            Problem::new("invalid_query", "a query parameter is not as expected")
                .field("limit", format!("1 to {LIMIT_MAX} is expected")),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_own_list_and_filters_only() {
        let accepted = Listing::new("/v1/receipts").filter("state", Some(&"accepted"));
        let cursor = accepted.seal("1700000000:abc");
        assert_eq!(
            accepted.open(Some(&cursor)).unwrap().unwrap(),
            "1700000000:abc"
        );
        let others = [
            Listing::new("/v1/receipts"),
            Listing::new("/v1/receipts").filter("state", Some(&"rejected")),
            Listing::new("/v1/payouts").filter("state", Some(&"accepted")),
        ];
        for other in others {
            assert_eq!(
                other.open(Some(&cursor)).unwrap_err().code(),
                "invalid_cursor"
            );
        }
        for forged in ["", "AQ", "%%%", &"A".repeat(2_000), &cursor[1..]] {
            assert_eq!(
                accepted.open(Some(forged)).unwrap_err().code(),
                "invalid_cursor",
                "{forged}"
            );
        }
    }

    #[test]
    fn the_next_address_keeps_filters_and_limit() {
        let next = Listing::new("/v1/receipts")
            .filter("state", Some(&"in review"))
            .next("7", 20);
        assert!(
            next.starts_with("/v1/receipts?state=in+review&limit=20&cursor="),
            "{next}"
        );
    }
}
