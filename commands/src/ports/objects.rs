//! Storage of large objects, such as photos.

use async_trait::async_trait;
use bytes::Bytes;

/// A key that every S3-like store takes as it is: 1 to 150 bytes of `a-z 0-9 . _ / -`, no empty part, no part that
/// starts with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

/// The text is not an [`ObjectKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid object key")]
pub struct BadObjectKey;

impl ObjectKey {
    /// Longest key, bytes. Some stores keep objects as files and fail on longer names after having written.
    pub const MAX_BYTES: usize = 150;

    /// Checks a key.
    ///
    /// # Errors
    /// [`BadObjectKey`] when it breaks a rule above.
    pub fn try_new(key: impl Into<String>) -> Result<Self, BadObjectKey> {
        let key = key.into();
        let allowed = |b: u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'/' | b'-')
        };
        let parts_fit = key
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.'));
        if key.len() <= Self::MAX_BYTES && key.bytes().all(allowed) && parts_fit {
            Ok(Self(key))
        } else {
            Err(BadObjectKey)
        }
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the store did not do it. Texts hold no content of objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectFault {
    /// The store is away or busy; try again.
    #[error("object storage is not available: {0}")]
    Transient(String),
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// The object is larger than the caller allows.
    #[error("the object is larger than {limit} bytes")]
    TooLarge {
        /// The caller's limit, bytes.
        limit: usize,
    },
    /// The store refuses for good: credentials, missing bucket, unexpected answer.
    #[error("object storage refused: {0}")]
    Fatal(String),
}

/// What the store says about an object without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Size, bytes.
    pub size: u64,
    /// Media type, if the store keeps it.
    pub content_type: Option<String>,
}

/// An S3-like store with one bucket.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Stores an object, replacing one of the same key. Keys made from the content's hash make a repeat harmless.
    async fn put(
        &self,
        key: &ObjectKey,
        body: Bytes,
        content_type: &str,
    ) -> Result<(), ObjectFault>;

    /// Reads a whole object of at most `max_bytes`.
    async fn get(&self, key: &ObjectKey, max_bytes: usize) -> Result<Bytes, ObjectFault>;

    /// Asks about an object; `None` when there is none.
    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault>;

    /// Removes an object; removing what is not there succeeds.
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault>;
}

#[cfg(test)]
mod tests {
    use super::ObjectKey;

    #[test]
    fn a_key_that_could_leave_its_bucket_or_break_a_store_is_refused() {
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/../b",
            "a/.hidden",
            "A.jpg",
            "a b",
            "ключ",
            &"a".repeat(151),
        ] {
            assert!(ObjectKey::try_new(bad).is_err(), "{bad} was taken");
        }
        for good in ["receipts/2026/11/0a1b.jpg", "a", &"a".repeat(150)] {
            assert!(ObjectKey::try_new(good).is_ok(), "{good} was refused");
        }
    }
}
