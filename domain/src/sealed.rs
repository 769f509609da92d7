//! Personal data in its sealed form, the only form in which an event may hold it.

use serde::{Deserialize, Serialize};

/// A value sealed with a person's own data key: `v1.<key id>.<base64url>`.
///
/// The ciphertext is bound to its stream and field, so it opens nowhere else. When the person's key is destroyed it
/// opens nowhere at all, while the event that holds it stays as it is and its hash still holds. Sealing and opening
/// need a vault and are done outside the domain.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Takes a text that a vault has sealed.
    #[must_use]
    pub fn from_sealed(text: String) -> Self {
        Self(text)
    }

    /// The sealed text, for a vault to open or a store to keep.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Ciphertext is no secret, but a log line with it is noise and invites a mistake with the plain value.
impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Sealed;

    #[test]
    fn debug_output_shows_nothing_of_the_content() {
        assert_eq!(
            format!("{:?}", Sealed::from_sealed("v1.k.abc".to_owned())),
            "Sealed(…)"
        );
    }
}
