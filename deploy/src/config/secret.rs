//! Text that must not be seen: printing it in any way gives a mask.

use std::fmt;
use std::sync::Arc;

/// What stands where a secret would stand.
pub const MASK: &str = "***";

/// A secret setting. Cheap to clone; `Debug` and `Display` are masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself. Each call is a place to look at in review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// The master key that wraps each person's data key.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionSecret([u8; 32]);

impl EncryptionSecret {
    /// Reads 64 hexadecimal digits, or Base64 of 32 bytes. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        use base64::Engine;
        let bytes = if text.len() == 64 {
            hex::decode(text).ok()?
        } else {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .ok()?
        };
        Some(Self(bytes.try_into().ok()?))
    }

    /// The key itself.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether all bytes are the same: a placeholder, not a key.
    pub(crate) fn is_placeholder(&self) -> bool {
        let [first, rest @ ..] = &self.0;
        rest.iter().all(|byte| byte == first)
    }
}

impl fmt::Debug for EncryptionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
