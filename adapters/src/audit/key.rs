//! Keys of checkpoints: Ed25519.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::AuditFault;

/// Signs checkpoints. It is wiped from memory when it is dropped, and shows only its public half.
pub struct CheckpointKey(SigningKey);

impl CheckpointKey {
    /// The key of a 32-byte seed from the configuration.
    ///
    /// # Errors
    /// [`AuditFault::Fatal`] when the seed has another length, or is one byte repeated and so hardly random.
    pub fn from_seed(seed: &[u8]) -> Result<Self, AuditFault> {
        let seed: &[u8; 32] = seed
            .try_into()
            .map_err(|_| AuditFault::Fatal("the checkpoint key needs 32 bytes".to_owned()))?;
        if seed.iter().all(|byte| *byte == seed[0]) {
            return Err(AuditFault::Fatal(
                "the checkpoint key is one byte repeated; make a random one".to_owned(),
            ));
        }
        Ok(Self(SigningKey::from_bytes(seed)))
    }

    /// The half that everybody may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointKey({})", self.public())
    }
}

/// Checks checkpoints. Prints and reads as 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes; whether they are a point on the curve shows when a signature is checked.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this key's owner signed the message. Strict: keys of small order and other spellings of a signature fail.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = AuditFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| {
            AuditFault::Fatal("a public key is written as 64 hex digits".to_owned())
        })?;
        Ok(Self(bytes))
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = AuditFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_seed_gives_the_published_key_and_signature() {
        // RFC 8032, section 7.1, the first two vectors.
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
            .unwrap();
        let key = CheckpointKey::from_seed(&seed).unwrap();
        assert_eq!(
            key.public().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let signature = key.sign(b"");
        assert!(hex::encode(signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert!(key.public().has_signed(b"", &signature));
        assert!(!key.public().has_signed(b"x", &signature));
    }

    #[test]
    fn a_short_or_empty_seed_is_refused_and_a_key_never_shows_itself() {
        assert!(CheckpointKey::from_seed(&[1; 31]).is_err());
        assert!(CheckpointKey::from_seed(&[0; 32]).is_err());
        let mut seed = [7; 32];
        seed[0] = 1;
        let shown = format!("{:?}", CheckpointKey::from_seed(&seed).unwrap());
        assert!(!shown.contains(&hex::encode(seed)), "{shown}");
    }
}
