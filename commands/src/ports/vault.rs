//! Sealing of personal data with a key of its own per person.

use async_trait::async_trait;
use kvit_domain::event::StreamId;
use kvit_domain::sealed::Sealed;
use uuid::Uuid;

/// Why the vault did not do it. Texts hold no personal data and no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultFault {
    /// The key store is away; try again.
    #[error("the key store is not available: {0}")]
    Transient(String),
    /// The person's key was destroyed; nothing may be sealed for them until [`Vault::reopen`].
    #[error("the person was forgotten")]
    Forgotten,
    /// The sealed value was changed, moved to another place, or the master key is not the one it was sealed under.
    #[error("the vault refused: {0}")]
    Fatal(String),
}

/// Keeps a data key for each person and seals with it.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Seals a field of an event. The value opens only under the same person, stream and field.
    async fn seal(
        &self,
        person: Uuid,
        stream: &StreamId,
        field: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, VaultFault>;

    /// Opens a sealed field. `None` when the person's key was destroyed.
    async fn open(
        &self,
        person: Uuid,
        stream: &StreamId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, VaultFault>;

    /// Seals a body such as an image; `context` (for example the object key) must be the same at opening.
    async fn seal_bytes(
        &self,
        person: Uuid,
        context: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultFault>;

    /// Opens a sealed body. `None` when the person's key was destroyed.
    async fn open_bytes(
        &self,
        person: Uuid,
        context: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultFault>;

    /// Destroys the person's key: what was sealed for them can never be opened again. Repeating it is harmless.
    async fn forget(&self, person: Uuid) -> Result<(), VaultFault>;

    /// Lets a forgotten person be sealed for again, with a new key; the old data stays closed. Only on their own renewed
    /// registration. Harmless for a person who was not forgotten.
    async fn reopen(&self, person: Uuid) -> Result<(), VaultFault>;

    /// Keyed hash of a value to search by, hex. The same for ever, also after a change of the master key; `kind` (such as
    /// `phone`) keeps equal values of different kinds apart.
    fn lookup_hash(&self, kind: &str, value: &str) -> String;
}
