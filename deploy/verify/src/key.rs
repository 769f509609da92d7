//! Public keys as an auditor may have them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};

/// What stands before the 32 bytes in a `SubjectPublicKeyInfo` of Ed25519 (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hex digits, base64 of the 32 bytes, or a PEM block `PUBLIC KEY`.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() == 64 {
            let mut bytes = [0; 32];
            if hex::decode_to_slice(text, &mut bytes).is_ok() {
                return Self::checked(bytes);
            }
        }
        let begin = "-----BEGIN PUBLIC KEY-----";
        let inner = match text.strip_prefix(begin) {
            Some(rest) => rest
                .split("-----END PUBLIC KEY-----")
                .next()
                .unwrap_or_default(),
            None => text,
        };
        let packed: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = STANDARD.decode(packed).map_err(|_| {
            "a public key is 64 hex digits, base64 of 32 bytes, or a PEM block PUBLIC KEY"
                .to_owned()
        })?;
        let bytes = bytes.strip_prefix(&SPKI).unwrap_or(&bytes);
        let bytes = bytes
            .try_into()
            .map_err(|_| "an Ed25519 public key has 32 bytes".to_owned())?;
        Self::checked(bytes)
    }

    fn checked(bytes: [u8; 32]) -> Result<Self, String> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err("these bytes are no Ed25519 public key".to_owned()),
        }
    }

    /// Whether the owner of this key signed the message.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_is_read_in_each_of_its_spellings() {
        // RFC 8032, section 7.1, second vector.
        let hex_text = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let key = PublicKey::parse(&format!(" {hex_text}\n")).unwrap();
        let bytes = hex::decode(hex_text).unwrap();
        assert_eq!(PublicKey::parse(&STANDARD.encode(&bytes)).unwrap(), key);
        let packed = STANDARD.encode([SPKI.as_slice(), &bytes].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{packed}\n-----END PUBLIC KEY-----\n");
        assert_eq!(PublicKey::parse(&pem).unwrap(), key);
        assert_eq!(key.to_string(), hex_text);

        let signature = hex::decode(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )
        .unwrap()
        .try_into()
        .unwrap();
        assert!(key.has_signed(&[0x72], &signature));
        assert!(!key.has_signed(&[0x73], &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "abc", &"0".repeat(64), "AAAA", &"z".repeat(64)] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
    }
}
