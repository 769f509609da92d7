//! The books as the log's bookings add them up: every leg of every transaction, per currency and account.
//!
//! A booking is an event on a stream of one of the [`BOOKS`] whose body has a member `transaction`. The payload is read by
//! names alone, not through the domain's types, so that a total never depends on what today's program makes of an old
//! event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Types of the streams that hold bookings. It stands in every checkpoint, so that another program counts the same ones.
pub const BOOKS: [&str; 2] = ["journal", "wallet"];

/// Accounts of users; they are summed up, not listed.
const WALLET_PREFIX: &str = "wallet:";
/// Most accounts that are listed. The chart has some dozens; more is not a chart.
const ACCOUNTS_MAX: usize = 1_000;

/// Debits and credits in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    debits: i128,
    credits: i128,
}

/// Sums of one currency, minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencySums {
    /// Its code.
    pub currency: String,
    /// Sum of all debits.
    #[serde(with = "decimal")]
    pub debits: i128,
    /// Sum of all credits.
    #[serde(with = "decimal")]
    pub credits: i128,
}

/// Sums of one account in one currency, minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSums {
    /// Its name.
    pub account: String,
    /// The currency's code.
    pub currency: String,
    /// Sum of all debits.
    #[serde(with = "decimal")]
    pub debits: i128,
    /// Sum of all credits.
    #[serde(with = "decimal")]
    pub credits: i128,
}

/// Whole numbers as decimal text: a sum may be beyond what every JSON reader keeps exactly.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        let text = String::deserialize(from)?;
        let value: i128 = text.parse().map_err(D::Error::custom)?;
        if value.to_string() == text {
            Ok(value)
        } else {
            Err(D::Error::custom("another spelling of a number"))
        }
    }
}

/// Why a booking cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadBooking {
    /// Its legs cannot be read.
    #[error("its booking cannot be read")]
    Unreadable,
    /// Its sides differ.
    #[error("its debits and credits in {0} differ")]
    Unbalanced(String),
    /// The sums have left the range of their type, or there are more accounts than a chart has.
    #[error("its booking does not fit into the totals")]
    TooMuch,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    transaction: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Transaction {
    legs: Vec<Leg>,
}

#[derive(Deserialize)]
struct Leg {
    account: String,
    side: Side,
    amount: Amount,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Side {
    Debit,
    Credit,
}

#[derive(Deserialize)]
struct Amount {
    minor: i64,
    currency: String,
}

/// The transaction that a payload books, if it does: `{"<event>":{…,"transaction":{…,"legs":[…]}}}`.
fn booking(payload: &str) -> Result<Option<Transaction>, BadBooking> {
    if !payload.trim_start().starts_with('{') {
        return Ok(None);
    }
    let outer: BTreeMap<String, &RawValue> =
        serde_json::from_str(payload).map_err(|_| BadBooking::Unreadable)?;
    let mut bodies = outer.into_values();
    let (Some(body), None) = (bodies.next(), bodies.next()) else {
        return Err(BadBooking::Unreadable);
    };
    if !body.get().starts_with('{') {
        return Ok(None);
    }
    let body: Body<'_> = serde_json::from_str(body.get()).map_err(|_| BadBooking::Unreadable)?;
    body.transaction
        .map(|transaction| {
            serde_json::from_str(transaction.get()).map_err(|_| BadBooking::Unreadable)
        })
        .transpose()
}

/// What the bookings up to some position add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    currencies: BTreeMap<String, Sums>,
    accounts: BTreeMap<(String, String), Sums>,
    wallets: BTreeMap<String, Sums>,
}

fn put<K: Ord>(sums: &mut BTreeMap<K, Sums>, key: K, side: Side, minor: i64) -> Option<()> {
    let sums = sums.entry(key).or_default();
    let sum = match side {
        Side::Debit => &mut sums.debits,
        Side::Credit => &mut sums.credits,
    };
    *sum = sum.checked_add(i128::from(minor))?;
    Some(())
}

impl Totals {
    /// Counts an event, if it books something.
    ///
    /// # Errors
    /// [`BadBooking`]; nothing or only a part was counted, so the totals are of no more use for signing.
    pub(super) fn count(
        &mut self,
        books: &[String],
        aggregate_type: &str,
        payload: &str,
    ) -> Result<(), BadBooking> {
        if !books.iter().any(|book| book == aggregate_type) {
            return Ok(());
        }
        let Some(transaction) = booking(payload)? else {
            return Ok(());
        };
        let mut balance: BTreeMap<&str, i128> = BTreeMap::new();
        for leg in &transaction.legs {
            if leg.amount.minor <= 0 || leg.account.is_empty() || leg.amount.currency.is_empty() {
                return Err(BadBooking::Unreadable);
            }
            let minor = i128::from(leg.amount.minor);
            // The sum of 64-bit amounts of one event cannot leave 128 bits.
            *balance.entry(&leg.amount.currency).or_default() += match leg.side {
                Side::Debit => minor,
                Side::Credit => -minor,
            };
        }
        if let Some((currency, _)) = balance.into_iter().find(|(_, sum)| *sum != 0) {
            return Err(BadBooking::Unbalanced(currency.to_owned()));
        }
        for leg in transaction.legs {
            self.put(leg).ok_or(BadBooking::TooMuch)?;
        }
        Ok(())
    }

    fn put(&mut self, leg: Leg) -> Option<()> {
        let Amount { minor, currency } = leg.amount;
        put(&mut self.currencies, currency.clone(), leg.side, minor)?;
        if leg.account.starts_with(WALLET_PREFIX) {
            put(&mut self.wallets, currency, leg.side, minor)
        } else {
            put(&mut self.accounts, (leg.account, currency), leg.side, minor)?;
            (self.accounts.len() <= ACCOUNTS_MAX).then_some(())
        }
    }

    /// All legs, by currency.
    pub(super) fn currencies(&self) -> Vec<CurrencySums> {
        by_currency(&self.currencies)
    }

    /// All users' wallets together, by currency.
    pub(super) fn wallets(&self) -> Vec<CurrencySums> {
        by_currency(&self.wallets)
    }

    /// Every other account, by name and currency.
    pub(super) fn accounts(&self) -> Vec<AccountSums> {
        self.accounts
            .iter()
            .map(|((account, currency), sums)| AccountSums {
                account: account.clone(),
                currency: currency.clone(),
                debits: sums.debits,
                credits: sums.credits,
            })
            .collect()
    }

    /// The first difference to what they should be, in words.
    pub(super) fn difference(&self, should: &Self) -> String {
        if let Some(text) = differ(&self.currencies, &should.currencies, |currency| {
            currency.clone()
        }) {
            return text;
        }
        let account = |(account, currency): &(String, String)| format!("{account} in {currency}");
        differ(&self.accounts, &should.accounts, account)
            .or_else(|| {
                let wallets = |currency: &String| format!("all wallets in {currency}");
                differ(&self.wallets, &should.wallets, wallets)
            })
            .unwrap_or_else(|| "no difference".to_owned())
    }

    /// Totals to go on from.
    pub(super) fn resume(
        currencies: &[CurrencySums],
        accounts: &[AccountSums],
        wallets: &[CurrencySums],
    ) -> Self {
        let sums = |of: &CurrencySums| {
            let sums = Sums {
                debits: of.debits,
                credits: of.credits,
            };
            (of.currency.clone(), sums)
        };
        Self {
            currencies: currencies.iter().map(sums).collect(),
            wallets: wallets.iter().map(sums).collect(),
            accounts: accounts
                .iter()
                .map(|of| {
                    let sums = Sums {
                        debits: of.debits,
                        credits: of.credits,
                    };
                    ((of.account.clone(), of.currency.clone()), sums)
                })
                .collect(),
        }
    }
}

fn by_currency(sums: &BTreeMap<String, Sums>) -> Vec<CurrencySums> {
    sums.iter()
        .map(|(currency, sums)| CurrencySums {
            currency: currency.clone(),
            debits: sums.debits,
            credits: sums.credits,
        })
        .collect()
}

fn differ<K: Ord>(
    found: &BTreeMap<K, Sums>,
    should: &BTreeMap<K, Sums>,
    name: impl Fn(&K) -> String,
) -> Option<String> {
    let keys: std::collections::BTreeSet<&K> = found.keys().chain(should.keys()).collect();
    keys.into_iter().find_map(|key| {
        let found = found.get(key).copied().unwrap_or_default();
        let should = should.get(key).copied().unwrap_or_default();
        (found != should).then(|| {
            format!(
                "{}: debits {} and credits {} instead of {} and {}",
                name(key),
                found.debits,
                found.credits,
                should.debits,
                should.credits
            )
        })
    })
}

/// The types of [`BOOKS`] as a checkpoint lists them.
pub(super) fn books() -> Vec<String> {
    BOOKS.iter().map(|&book| book.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn posting(debit: i64, credit: i64) -> String {
        format!(
            r#"{{"TransactionPosted":{{"transaction":{{"id":"t","legs":[
                {{"account":"bonus:expense","side":"debit","amount":{{"minor":{debit},"currency":"UAH"}}}},
                {{"account":"wallet:u:UAH","side":"credit","amount":{{"minor":{credit},"currency":"UAH"}}}}]}}}}}}"#
        )
    }

    #[test]
    fn legs_are_added_up_by_currency_account_and_wallets() {
        let mut totals = Totals::default();
        totals
            .count(&books(), "wallet", &posting(500, 500))
            .unwrap();
        totals.count(&books(), "journal", &posting(7, 7)).unwrap();
        // Not a booking: a proposal on another stream, an event without a transaction, a bare name.
        totals
            .count(&books(), "adjustment", &posting(9, 9))
            .unwrap();
        for other in [
            r#"{"HoldPlaced":{"amount":{"minor":5}}}"#,
            r#""Opened""#,
            r#"{"Opened":7}"#,
        ] {
            totals.count(&books(), "wallet", other).unwrap();
        }
        let [uah] = totals.currencies().try_into().unwrap();
        assert_eq!((uah.debits, uah.credits), (507, 507));
        let [bonus] = totals.accounts().try_into().unwrap();
        assert_eq!(
            (bonus.account.as_str(), bonus.debits, bonus.credits),
            ("bonus:expense", 507, 0)
        );
        assert_eq!(totals.wallets()[0].credits, 507);
        let again = Totals::resume(&totals.currencies(), &totals.accounts(), &totals.wallets());
        assert_eq!(again, totals);
    }

    #[test]
    fn a_booking_that_does_not_balance_or_cannot_be_read_is_not_passed_over() {
        let count = |payload: &str| Totals::default().count(&books(), "wallet", payload);
        assert_eq!(
            count(&posting(5, 4)),
            Err(BadBooking::Unbalanced("UAH".to_owned()))
        );
        assert_eq!(count(&posting(0, 0)), Err(BadBooking::Unreadable));
        assert_eq!(
            count(r#"{"A":{"transaction":{}}}"#),
            Err(BadBooking::Unreadable)
        );
        assert_eq!(count(r#"{"A":{},"B":{}}"#), Err(BadBooking::Unreadable));
    }
}
