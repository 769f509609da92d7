//! Looking at an uploaded photo before anything is stored.

use kvit_domain::rejection::Rejection;

/// What a look at the bytes tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoFacts {
    /// Sniffed media type, such as `image/jpeg`.
    pub content_type: &'static str,
    /// File ending without a dot, such as `jpg`.
    pub extension: &'static str,
    /// Short edge in pixels; below 600 a hint to photograph again is due.
    pub short_edge_px: u32,
}

/// Sniffs and shrinks photos. Its work is bounded in time and memory whatever the bytes are; it is called on a blocking
/// thread.
pub trait PhotoInspector: Send + Sync {
    /// Whether the bytes are a photo that can be read.
    ///
    /// # Errors
    /// `payload_too_large`, `unsupported_type`, `not_an_image`, each saying what is accepted.
    fn inspect(&self, bytes: &[u8]) -> Result<PhotoFacts, Rejection>;

    /// A JPEG of at most 300 KB for reviewers.
    ///
    /// # Errors
    /// As [`PhotoInspector::inspect`].
    fn preview(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejection>;
}
