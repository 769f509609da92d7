//! Personal data under lock: a data key for each person, wrapped by the master key.
//!
//! Events are never changed, so a person is forgotten by destroying the key that their data was sealed with. The data
//! keys stand in the table `person_keys`, wrapped; the master key is derived from the configured secret and is nowhere in
//! the database. A new master key wraps the rows anew, one by one; sealed values stay as they are.
//!
//! Processes keep opened data keys for [`CACHE_LIFE`]. Another process may therefore open a forgotten person's data for
//! that long and no longer.

mod keys;
mod seal;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use kvit_commands::ports::vault::{Vault, VaultFault};
use kvit_domain::event::StreamId;
use kvit_domain::sealed::Sealed;
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

use crate::postgres::classify;
pub use keys::MasterKeys;
use keys::{DataKey, Key, KeyId};
use seal::Place;

/// How long an opened data key is kept.
pub const CACHE_LIFE: Duration = Duration::from_secs(30);
/// How many opened data keys are kept.
const CACHE_SIZE: usize = 4_096;

/// What is known about a person's key.
#[derive(Clone)]
enum KeyState {
    /// They have one.
    Open(DataKey),
    /// It was destroyed.
    Destroyed,
    /// They never had one.
    Absent,
}

/// The vault over Postgres.
pub struct PgVault {
    pool: PgPool,
    masters: MasterKeys,
    lookup: Key,
    cache: Mutex<HashMap<Uuid, (Instant, DataKey)>>,
}

impl std::fmt::Debug for PgVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgVault").finish_non_exhaustive()
    }
}

fn fault(error: &sqlx::Error) -> VaultFault {
    match classify::lane(error) {
        classify::Lane::Transient => VaultFault::Transient(classify::describe(error)),
        _ => VaultFault::Fatal(classify::describe(error)),
    }
}

impl PgVault {
    /// Opens the vault; the first time it makes the lookup key.
    ///
    /// # Errors
    /// [`VaultFault::Fatal`] when none of the master keys is the one that the vault was made with.
    pub async fn open_with(pool: PgPool, masters: MasterKeys) -> Result<Self, VaultFault> {
        const NAME: &str = "lookup";
        let fresh = Key::random()?;
        sqlx::query("INSERT INTO vault_keys (name, wrapped, master_id) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
            .bind(NAME)
            .bind(masters.wrap(&fresh, NAME.as_bytes())?)
            .bind(masters.current_id())
            .execute(&pool)
            .await
            .map_err(|error| fault(&error))?;
        let (wrapped, master_id): (Vec<u8>, String) =
            sqlx::query_as("SELECT wrapped, master_id FROM vault_keys WHERE name = $1")
                .bind(NAME)
                .fetch_one(&pool)
                .await
                .map_err(|error| fault(&error))?;
        let lookup = masters.unwrap_key(&master_id, &wrapped, NAME.as_bytes())?;
        Ok(Self {
            pool,
            masters,
            lookup,
            cache: Mutex::new(HashMap::new()),
        })
    }

    /// Wraps keys anew that are not wrapped by the current master key, at most `limit` of them, and returns how many it
    /// did. When it returns 0, the former master keys are needed no more.
    ///
    /// # Errors
    /// [`VaultFault::Fatal`] when a key was wrapped by a master key that is not given.
    pub async fn rewrap(&self, limit: u32) -> Result<u64, VaultFault> {
        let current = self.masters.current_id();
        let mut done = 0_u64;
        let rows: Vec<(Uuid, String, Vec<u8>, String)> = sqlx::query_as(
            "SELECT person, key_id, wrapped, master_id FROM person_keys
             WHERE wrapped IS NOT NULL AND master_id <> $1 LIMIT $2",
        )
        .bind(current)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| fault(&error))?;
        for (person, key_id, wrapped, master_id) in rows {
            let context = person_context(person, &key_id);
            let key = self.masters.unwrap_key(&master_id, &wrapped, &context)?;
            // Only over the very bytes that were read: the person may have been forgotten meanwhile.
            let update = "UPDATE person_keys SET wrapped = $3, master_id = $4 WHERE person = $1 AND wrapped = $2";
            let changed = sqlx::query(update)
                .bind(person)
                .bind(wrapped)
                .bind(self.masters.wrap(&key, &context)?)
                .bind(current)
                .execute(&self.pool)
                .await
                .map_err(|error| fault(&error))?;
            done = done.saturating_add(changed.rows_affected());
        }
        let lookup = "UPDATE vault_keys SET wrapped = $1, master_id = $2 WHERE name = 'lookup' AND master_id <> $2";
        let changed = sqlx::query(lookup)
            .bind(self.masters.wrap(&self.lookup, b"lookup")?)
            .bind(current)
            .execute(&self.pool)
            .await
            .map_err(|error| fault(&error))?;
        Ok(done.saturating_add(changed.rows_affected()))
    }

    fn cached(&self, person: Uuid) -> Option<DataKey> {
        let cache = self.cache.lock().ok()?;
        cache
            .get(&person)
            .filter(|(at, _)| at.elapsed() < CACHE_LIFE)
            .map(|(_, key)| key.clone())
    }

    fn keep(&self, person: Uuid, key: &DataKey) {
        if let Ok(mut cache) = self.cache.lock() {
            if cache.len() >= CACHE_SIZE {
                cache.retain(|_, (at, _)| at.elapsed() < CACHE_LIFE);
                if cache.len() >= CACHE_SIZE {
                    cache.clear();
                }
            }
            cache.insert(person, (Instant::now(), key.clone()));
        }
    }

    fn drop_cached(&self, person: Uuid) {
        if let Ok(mut cache) = self.cache.lock() {
            cache.remove(&person);
        }
    }

    async fn key_state(&self, person: Uuid) -> Result<KeyState, VaultFault> {
        if let Some(key) = self.cached(person) {
            return Ok(KeyState::Open(key));
        }
        let row: Option<(String, Option<Vec<u8>>, String)> =
            sqlx::query_as("SELECT key_id, wrapped, master_id FROM person_keys WHERE person = $1")
                .bind(person)
                .fetch_optional(&self.pool)
                .await
                .map_err(|error| fault(&error))?;
        match row {
            None => Ok(KeyState::Absent),
            Some((_, None, _)) => Ok(KeyState::Destroyed),
            Some((key_id, Some(wrapped), master_id)) => {
                let key = self.masters.unwrap_key(
                    &master_id,
                    &wrapped,
                    &person_context(person, &key_id),
                )?;
                let key = DataKey {
                    id: KeyId::parse(&key_id)?,
                    key,
                };
                self.keep(person, &key);
                Ok(KeyState::Open(key))
            }
        }
    }

    /// The person's key for sealing; made when they have none.
    async fn sealing_key(&self, person: Uuid) -> Result<DataKey, VaultFault> {
        match self.key_state(person).await? {
            KeyState::Open(key) => return Ok(key),
            KeyState::Destroyed => return Err(VaultFault::Forgotten),
            KeyState::Absent => {}
        }
        let fresh = DataKey::random()?;
        let id = fresh.id.to_string();
        sqlx::query(
            "INSERT INTO person_keys (person, key_id, wrapped, master_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (person) DO NOTHING",
        )
        .bind(person)
        .bind(&id)
        .bind(
            self.masters
                .wrap(&fresh.key, &person_context(person, &id))?,
        )
        .bind(self.masters.current_id())
        .execute(&self.pool)
        .await
        .map_err(|error| fault(&error))?;
        // Another process may have been first: what the table holds counts.
        match self.key_state(person).await? {
            KeyState::Open(key) => Ok(key),
            KeyState::Destroyed => Err(VaultFault::Forgotten),
            KeyState::Absent => Err(VaultFault::Transient(
                "the new key is not there yet".to_owned(),
            )),
        }
    }

    /// The person's key for opening what was sealed under `id`; `None` when that key is destroyed.
    async fn opening_key(&self, person: Uuid, id: KeyId) -> Result<Option<Key>, VaultFault> {
        match self.key_state(person).await? {
            KeyState::Open(key) if key.id == id => Ok(Some(key.key)),
            // An earlier key of a person who came back.
            KeyState::Open(_) | KeyState::Destroyed => Ok(None),
            KeyState::Absent => Err(VaultFault::Fatal(
                "there is no key for this person".to_owned(),
            )),
        }
    }
}

/// Binds a wrapped key to its row.
fn person_context(person: Uuid, key_id: &str) -> Vec<u8> {
    [person.as_bytes().as_slice(), key_id.as_bytes()].concat()
}

#[async_trait]
impl Vault for PgVault {
    async fn seal(
        &self,
        person: Uuid,
        stream: &StreamId,
        field: &str,
        plaintext: &[u8],
    ) -> Result<Sealed, VaultFault> {
        let key = self.sealing_key(person).await?;
        seal::seal_text(&key, &Place::field(person, stream, field), plaintext)
    }

    async fn open(
        &self,
        person: Uuid,
        stream: &StreamId,
        field: &str,
        sealed: &Sealed,
    ) -> Result<Option<Vec<u8>>, VaultFault> {
        let (id, body) = seal::parse_text(sealed)?;
        let Some(key) = self.opening_key(person, id).await? else {
            return Ok(None);
        };
        seal::open(&key, &Place::field(person, stream, field), &body).map(Some)
    }

    async fn seal_bytes(
        &self,
        person: Uuid,
        context: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultFault> {
        let key = self.sealing_key(person).await?;
        seal::seal_body(&key, &Place::body(person, context), plaintext)
    }

    async fn open_bytes(
        &self,
        person: Uuid,
        context: &str,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultFault> {
        let (id, body) = seal::parse_body(sealed)?;
        let Some(key) = self.opening_key(person, id).await? else {
            return Ok(None);
        };
        seal::open(&key, &Place::body(person, context), body).map(Some)
    }

    async fn forget(&self, person: Uuid) -> Result<(), VaultFault> {
        self.drop_cached(person);
        // A person without a key gets a row too, so that nothing is sealed for them afterwards.
        sqlx::query(
            "INSERT INTO person_keys (person, key_id, wrapped, master_id, destroyed_at) VALUES ($1, '', NULL, '', now())
             ON CONFLICT (person) DO UPDATE SET wrapped = NULL, destroyed_at = coalesce(person_keys.destroyed_at, now())",
        )
        .bind(person)
        .execute(&self.pool)
        .await
        .map_err(|error| fault(&error))?;
        self.drop_cached(person);
        Ok(())
    }

    async fn reopen(&self, person: Uuid) -> Result<(), VaultFault> {
        let fresh = DataKey::random()?;
        let id = fresh.id.to_string();
        sqlx::query(
            "UPDATE person_keys SET key_id = $2, wrapped = $3, master_id = $4, created_at = now(), destroyed_at = NULL
             WHERE person = $1 AND destroyed_at IS NOT NULL",
        )
        .bind(person)
        .bind(&id)
        .bind(self.masters.wrap(&fresh.key, &person_context(person, &id))?)
        .bind(self.masters.current_id())
        .execute(&self.pool)
        .await
        .map_err(|error| fault(&error))?;
        Ok(())
    }

    fn lookup_hash(&self, kind: &str, value: &str) -> String {
        // HMAC takes a key of any length; the error cannot occur.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.lookup.bytes()) else {
            return String::new();
        };
        mac.update(&u64::try_from(kind.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(kind.as_bytes());
        mac.update(value.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}
