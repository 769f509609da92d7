//! Reading a photo.

use async_trait::async_trait;
use bytes::Bytes;
use kvit_domain::recognition::Recognition;

/// Why a photo was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// The bytes are no readable photo; the code says how, such as `truncated`.
    #[error("unreadable: {code}")]
    Unreadable {
        /// Stable code.
        code: String,
    },
    /// The reader is broken or busy; another try may succeed.
    #[error("the reader failed: {0}")]
    Transient(String),
}

/// Reads receipts. Time and memory are bounded whatever the photo is.
#[async_trait]
pub trait ReceiptReader: Send + Sync {
    /// Reads one photo.
    async fn read(&self, photo: Bytes) -> Result<Recognition, ReadFault>;
}
