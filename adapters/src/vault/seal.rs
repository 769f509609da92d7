//! The form of sealed values.
//!
//! Text: `v1.<key id, hex>.<base64url of number and ciphertext>`; sealing the same text at the same place again gives the
//! same result. Body: `kv1`, the key id's 8 bytes, random number and ciphertext. Both are bound to their place: moved
//! elsewhere they do not open.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kvit_commands::ports::vault::VaultFault;
use kvit_domain::event::StreamId;
use kvit_domain::sealed::Sealed;
use uuid::Uuid;

use super::keys::{DataKey, Key, KeyId};

const TEXT_VERSION: &str = "v1";
const BODY_MAGIC: &[u8] = b"kv1";

/// What a sealed value is bound to.
pub(super) struct Place(Vec<u8>);

impl Place {
    /// A field of an event of a stream.
    pub(super) fn field(person: Uuid, stream: &StreamId, field: &str) -> Self {
        Self::of(
            person,
            &["field", &stream.aggregate_type, &stream.aggregate_id, field],
        )
    }

    /// A body.
    pub(super) fn body(person: Uuid, context: &str) -> Self {
        Self::of(person, &["body", context])
    }

    /// Each part with its length, so that two places never give the same bytes.
    fn of(person: Uuid, parts: &[&str]) -> Self {
        let mut bytes = person.as_bytes().to_vec();
        for part in parts {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(bytes)
    }
}

fn malformed() -> VaultFault {
    VaultFault::Fatal("a sealed value is malformed".to_owned())
}

pub(super) fn seal_text(
    key: &DataKey,
    place: &Place,
    plaintext: &[u8],
) -> Result<Sealed, VaultFault> {
    let body = URL_SAFE_NO_PAD.encode(key.key.encrypt_repeatably(&place.0, plaintext)?);
    Ok(Sealed::from_sealed(format!(
        "{TEXT_VERSION}.{}.{body}",
        key.id
    )))
}

pub(super) fn parse_text(sealed: &Sealed) -> Result<(KeyId, Vec<u8>), VaultFault> {
    let mut parts = sealed.as_str().split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(TEXT_VERSION), Some(id), Some(body), None) => Ok((
            KeyId::parse(id)?,
            URL_SAFE_NO_PAD.decode(body).map_err(|_| malformed())?,
        )),
        _ => Err(malformed()),
    }
}

pub(super) fn seal_body(
    key: &DataKey,
    place: &Place,
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultFault> {
    Ok([
        BODY_MAGIC,
        &key.id.0,
        &key.key.encrypt(&place.0, plaintext)?,
    ]
    .concat())
}

pub(super) fn parse_body(sealed: &[u8]) -> Result<(KeyId, &[u8]), VaultFault> {
    let rest = sealed.strip_prefix(BODY_MAGIC).ok_or_else(malformed)?;
    let (id, body) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
    Ok((KeyId(*id), body))
}

pub(super) fn open(key: &Key, place: &Place, body: &[u8]) -> Result<Vec<u8>, VaultFault> {
    key.decrypt(&place.0, body)
}
