//! The text of an API key: `kvit_<id>_<secret>`.

use rand::TryRngCore;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest header value that is looked at.
pub const TOKEN_BYTES_MAX: usize = 200;
const PREFIX: &str = "kvit_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// A key as its holder sends it. No `Debug`: the secret must not reach a log.
pub struct Token<'a> {
    /// The public part.
    pub id: &'a str,
    secret: &'a str,
}

impl<'a> Token<'a> {
    /// Reads a token; `None` when the form is wrong, without a look at any store.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let hexadecimal = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let fits = id.len() == ID_DIGITS
            && secret.len() == SECRET_DIGITS
            && hexadecimal(id)
            && hexadecimal(secret);
        fits.then_some(Self { id, secret })
    }

    /// Whether the secret is the one whose hash is stored; takes the same time whichever digit is wrong.
    #[must_use]
    pub fn is(&self, secret_sha256: &[u8; 32]) -> bool {
        hash(self.secret).ct_eq(secret_sha256).into()
    }
}

/// SHA-256 of a secret's text.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Compares two secrets of any length in a time that depends on neither content.
#[must_use]
pub fn same_secret(left: &str, right: &str) -> bool {
    hash(left).ct_eq(&hash(right)).into()
}

/// A new secret: 256 bits of the system's randomness as 64 digits.
///
/// # Errors
/// When the system has no randomness.
pub fn fresh_secret() -> Result<String, rand::rand_core::OsError> {
    let mut bytes = [0_u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// The id of a key that `maker` makes under an idempotency key: making it again names the same key.
#[must_use]
pub fn id_for(maker: &str, idempotency_key: &str) -> String {
    let digest = Sha256::digest(format!("api-key\u{1f}{maker}\u{1f}{idempotency_key}").as_bytes());
    hex::encode(digest)
        .get(..ID_DIGITS)
        .unwrap_or_default()
        .to_owned()
}

/// The text that the holder keeps.
#[must_use]
pub fn format(id: &str, secret: &str) -> String {
    format!("{PREFIX}{id}_{secret}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_opens_with_its_own_secret_only() {
        let (secret, other) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        let text = format(&id_for("api:x", "k"), &secret);
        let token = Token::parse(&text).unwrap();
        assert!(token.is(&hash(&secret)));
        assert!(!token.is(&hash(&other)));
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_refused_without_a_look() {
        let good = format(&"a".repeat(16), &"0".repeat(64));
        assert!(Token::parse(&good).is_some());
        let bad = [
            String::new(),
            good.to_uppercase(),
            good.replace("kvit", "kvas"),
            good.clone() + "0",
            format(&"a".repeat(15), &"0".repeat(65)),
            format(&"a".repeat(16), &"é".repeat(32)),
        ];
        for text in bad {
            assert!(Token::parse(&text).is_none(), "{text}");
        }
    }
}
