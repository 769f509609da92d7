//! Signed checkpoints: their line in the bundle and what they say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::books::{ALL, Books, Sums, WALLETS};
use crate::event::{Hash, hash, micros};
use crate::key::PublicKey;

/// Stands before the signed bytes.
const PREFIX: &[u8] = b"kvit checkpoint v1\n";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    checkpoint: &'a RawValue,
    key: String,
    signature: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u32,
    position: i64,
    hash: String,
    recorded_at: String,
    made_at: String,
    events: u64,
    books: Vec<String>,
    totals: Vec<Currency>,
    accounts: Vec<Account>,
    wallets: Vec<Currency>,
    previous: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Currency {
    currency: String,
    debits: String,
    credits: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    account: String,
    currency: String,
    debits: String,
    credits: String,
}

/// A checkpoint. What it says is worth nothing before [`Checkpoint::is_signed_by`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) position: i64,
    pub(crate) hash: Hash,
    pub(crate) recorded_at: String,
    pub(crate) made_at: String,
    /// Stream types whose events book.
    pub(crate) book_types: Vec<String>,
    pub(crate) books: Books,
    /// Digest of the checkpoint before.
    pub(crate) previous: Option<Hash>,
    /// Digest of this one.
    pub(crate) digest: Hash,
    /// The key that it says it was signed with.
    pub(crate) key: String,
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Checkpoint {
    /// Reads a line.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line: Line<'_> = serde_json::from_str(line)
            .map_err(|error| format!("the line is no checkpoint: {error}"))?;
        let text = line.checkpoint.get();
        let body: Body = serde_json::from_str(text)
            .map_err(|error| format!("the checkpoint cannot be read: {error}"))?;
        if body.version != 1 {
            return Err(format!(
                "checkpoints of version {} are not known to this program",
                body.version
            ));
        }
        if body.position < 1 || u64::try_from(body.position) != Ok(body.events) {
            return Err("position and number of events do not fit".to_owned());
        }
        let mut signature = [0; 64];
        hex::decode_to_slice(&line.signature, &mut signature)
            .map_err(|_| "the signature is not 128 hex digits".to_owned())?;
        if micros(&body.recorded_at).is_none() || micros(&body.made_at).is_none() {
            return Err("its times cannot be read".to_owned());
        }
        let broken_hash = || "a hash is not 64 hex digits".to_owned();
        let previous = match &body.previous {
            None => None,
            Some(text) => Some(hash(text).ok_or_else(broken_hash)?),
        };
        Ok(Self {
            position: body.position,
            hash: hash(&body.hash).ok_or_else(broken_hash)?,
            books: sums(&body)?,
            recorded_at: body.recorded_at,
            made_at: body.made_at,
            book_types: body.books,
            previous,
            digest: Sha256::digest(text).into(),
            key: line.key,
            message: [PREFIX, text.as_bytes()].concat(),
            signature,
        })
    }

    /// Whether the owner of this key signed the exact bytes.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.has_signed(&self.message, &self.signature)
    }
}

/// The three lists as one, each entry named once.
fn sums(body: &Body) -> Result<Books, String> {
    let all = |of: &Currency| {
        (
            ALL.to_owned(),
            of.currency.clone(),
            of.debits.clone(),
            of.credits.clone(),
        )
    };
    let wallets = |of: &Currency| {
        (
            WALLETS.to_owned(),
            of.currency.clone(),
            of.debits.clone(),
            of.credits.clone(),
        )
    };
    let account = |of: &Account| {
        (
            of.account.clone(),
            of.currency.clone(),
            of.debits.clone(),
            of.credits.clone(),
        )
    };
    let entries = body
        .totals
        .iter()
        .map(all)
        .chain(body.wallets.iter().map(wallets))
        .chain(body.accounts.iter().map(account));
    let mut sums = BTreeMap::new();
    for (account, currency, debits, credits) in entries {
        let number = |text: &str| {
            text.parse::<i128>()
                .map_err(|_| "a sum is no whole number".to_owned())
        };
        let entry = Sums {
            debits: number(&debits)?,
            credits: number(&credits)?,
        };
        if sums.insert((account, currency), entry).is_some() {
            return Err("an account is named twice".to_owned());
        }
    }
    Ok(Books(sums))
}
