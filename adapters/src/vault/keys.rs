//! Master keys and data keys.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use kvit_commands::ports::vault::VaultFault;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Length of the random number that each ciphertext begins with. It is long enough to be drawn at random for ever.
pub(super) const NONCE_BYTES: usize = 24;

pub(super) fn random<const N: usize>() -> Result<[u8; N], VaultFault> {
    let mut bytes = [0; N];
    let drawn = OsRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|_| {
        VaultFault::Transient("the system's random numbers are not available".to_owned())
    })?;
    Ok(bytes)
}

/// A 32-byte key that is wiped from memory when it is dropped.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn random() -> Result<Self, VaultFault> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Random number and ciphertext.
    pub(super) fn encrypt(&self, bound_to: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultFault> {
        self.encrypt_under(random()?, bound_to, plaintext)
    }

    /// As [`Key::encrypt`], but the same value at the same place gives the same bytes: the number is a keyed hash of both.
    /// A command that is repeated after a crash then has the same body as before. It tells no more than that two values of
    /// one person at one place are equal.
    pub(super) fn encrypt_repeatably(
        &self,
        bound_to: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultFault> {
        let mut derived = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(self.bytes())
            .map_err(|_| VaultFault::Fatal("a key could not be derived".to_owned()))?
            .expand(b"kvit number of a sealed field", derived.as_mut_slice())
            .map_err(|_| VaultFault::Fatal("a key could not be derived".to_owned()))?;
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(derived.as_slice())
            .map_err(|_| VaultFault::Fatal("a key could not be derived".to_owned()))?;
        let length = u64::try_from(bound_to.len()).unwrap_or(u64::MAX);
        mac.update(&length.to_be_bytes());
        mac.update(bound_to);
        mac.update(plaintext);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&mac.finalize().into_bytes()[..NONCE_BYTES]);
        self.encrypt_under(nonce, bound_to, plaintext)
    }

    fn encrypt_under(
        &self,
        nonce: [u8; NONCE_BYTES],
        bound_to: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultFault> {
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let ciphertext = cipher
            .encrypt(
                XNonce::from_slice(&nonce),
                Payload {
                    msg: plaintext,
                    aad: bound_to,
                },
            )
            .map_err(|_| VaultFault::Fatal("the value is too long to be sealed".to_owned()))?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    /// Opens what [`Key::encrypt`] made, if nothing was changed and it is bound to the same place.
    pub(super) fn decrypt(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, VaultFault> {
        let refused = || {
            VaultFault::Fatal(
                "a sealed value was changed, or belongs to another place or key".to_owned(),
            )
        };
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(refused)?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        cipher
            .decrypt(
                XNonce::from_slice(nonce),
                Payload {
                    msg: ciphertext,
                    aad: bound_to,
                },
            )
            .map_err(|_| refused())
    }
}

/// Name of a data key inside sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyId(pub(super) [u8; 8]);

impl KeyId {
    pub(super) fn parse(text: &str) -> Result<Self, VaultFault> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| VaultFault::Fatal("a key id is malformed".to_owned()))?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A person's key and its name.
#[derive(Clone)]
pub(super) struct DataKey {
    pub(super) id: KeyId,
    pub(super) key: Key,
}

impl DataKey {
    pub(super) fn random() -> Result<Self, VaultFault> {
        Ok(Self {
            id: KeyId(random()?),
            key: Key::random()?,
        })
    }
}

/// The master key that wraps new keys, and former ones that can still open old ones.
#[derive(Clone)]
pub struct MasterKeys {
    current: (String, Key),
    former: Vec<(String, Key)>,
}

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKeys")
            .field("current", &self.current.0)
            .finish_non_exhaustive()
    }
}

impl MasterKeys {
    /// Derives the master key from the configured secret, which must have at least 32 bytes.
    ///
    /// # Errors
    /// [`VaultFault::Fatal`] when the secret is too short.
    pub fn try_new(secret: &[u8]) -> Result<Self, VaultFault> {
        Ok(Self {
            current: derive(secret)?,
            former: Vec::new(),
        })
    }

    /// Adds a former secret, for the time until all keys are wrapped anew.
    ///
    /// # Errors
    /// [`VaultFault::Fatal`] when the secret is too short.
    pub fn with_former(mut self, secret: &[u8]) -> Result<Self, VaultFault> {
        self.former.push(derive(secret)?);
        Ok(self)
    }

    pub(super) fn current_id(&self) -> &str {
        &self.current.0
    }

    pub(super) fn wrap(&self, key: &Key, context: &[u8]) -> Result<Vec<u8>, VaultFault> {
        self.current.1.encrypt(context, key.bytes())
    }

    pub(super) fn unwrap_key(
        &self,
        master_id: &str,
        wrapped: &[u8],
        context: &[u8],
    ) -> Result<Key, VaultFault> {
        let masters = std::iter::once(&self.current).chain(&self.former);
        let Some((_, master)) = masters.into_iter().find(|(id, _)| id == master_id) else {
            return Err(VaultFault::Fatal(
                "a key is wrapped by a master key that was not given".to_owned(),
            ));
        };
        let bytes = Zeroizing::new(master.decrypt(context, wrapped)?);
        let key: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| VaultFault::Fatal("a wrapped key has a wrong length".to_owned()))?;
        Ok(Key(Zeroizing::new(key)))
    }
}

/// The key and its public name, both from the secret and neither telling anything of the other.
fn derive(secret: &[u8]) -> Result<(String, Key), VaultFault> {
    if secret.len() < 32 {
        return Err(VaultFault::Fatal(
            "the encryption secret needs at least 32 bytes".to_owned(),
        ));
    }
    let hkdf = Hkdf::<Sha256>::new(Some(b"kvit vault"), secret);
    let too_long = |_| VaultFault::Fatal("a key cannot be derived".to_owned());
    let mut key = Zeroizing::new([0; 32]);
    hkdf.expand(b"master key v1", key.as_mut_slice())
        .map_err(too_long)?;
    let mut id = [0; 8];
    hkdf.expand(b"master key id v1", &mut id)
        .map_err(too_long)?;
    Ok((hex::encode(id), Key(key)))
}
