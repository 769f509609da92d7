//! The books, added up again from the bookings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Most accounts that are told apart; a chart has some dozens.
const ACCOUNTS_MAX: usize = 1_000;

/// Debits and credits in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) debits: i128,
    pub(crate) credits: i128,
}

/// Name of a sum: the account and the currency. All accounts together and all wallets together have names that no account
/// can have.
pub(crate) type Name = (String, String);

/// The sum of all legs.
pub(crate) const ALL: &str = "";
/// The sum of all users' wallets.
pub(crate) const WALLETS: &str = "wallet:";

/// All sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Books(pub(crate) BTreeMap<Name, Sums>);

#[derive(Deserialize)]
struct Leg {
    account: String,
    side: String,
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    minor: i64,
    currency: String,
}

/// The legs that a payload books: `{"<event>":{…,"transaction":{…,"legs":[…]}}}`.
fn legs(payload: &str) -> Result<Vec<Leg>, String> {
    let unreadable = || "its booking cannot be read".to_owned();
    let value: Value = serde_json::from_str(payload).map_err(|_| unreadable())?;
    let Value::Object(outer) = value else {
        return Ok(Vec::new());
    };
    let body: Map<String, Value> = match (outer.len(), outer.into_iter().next()) {
        (1, Some((_, Value::Object(body)))) => body,
        (1, _) => return Ok(Vec::new()),
        _ => return Err(unreadable()),
    };
    match body.get("transaction") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(transaction) => {
            let legs = transaction.get("legs").ok_or_else(unreadable)?;
            Vec::<Leg>::deserialize(legs).map_err(|_| unreadable())
        }
    }
}

impl Books {
    /// Counts the booking of an event, if it is one.
    pub(crate) fn count(&mut self, payload: &str) -> Result<(), String> {
        let legs = legs(payload)?;
        let mut balance: BTreeMap<String, i128> = BTreeMap::new();
        for leg in &legs {
            let minor = i128::from(leg.amount.minor);
            let signed = match leg.side.as_str() {
                "debit" => minor,
                "credit" => -minor,
                _ => return Err("its booking has a leg on no side".to_owned()),
            };
            if minor <= 0 || leg.account.is_empty() || leg.amount.currency.is_empty() {
                return Err("its booking has a leg without amount, account or currency".to_owned());
            }
            let sum = balance.entry(leg.amount.currency.clone()).or_default();
            *sum = sum.saturating_add(signed);
        }
        if let Some((currency, _)) = balance.iter().find(|(_, sum)| **sum != 0) {
            return Err(format!("its debits and credits in {currency} differ"));
        }
        for leg in legs {
            let account = if leg.account.starts_with(WALLETS) {
                WALLETS.to_owned()
            } else {
                leg.account
            };
            for name in [ALL.to_owned(), account] {
                let sums = self
                    .0
                    .entry((name, leg.amount.currency.clone()))
                    .or_default();
                let sum = if leg.side == "debit" {
                    &mut sums.debits
                } else {
                    &mut sums.credits
                };
                *sum = sum.saturating_add(i128::from(leg.amount.minor));
            }
        }
        if self.0.len() > ACCOUNTS_MAX {
            return Err("there are more accounts than a chart has".to_owned());
        }
        Ok(())
    }

    /// The differences to what was signed, in words.
    pub(crate) fn differences(&self, signed: &Self) -> Vec<String> {
        let mut names: Vec<&Name> = self.0.keys().chain(signed.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let pick = |books: &Self, name: &Name| books.0.get(name).copied().unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| {
                let (found, should) = (pick(self, name), pick(signed, name));
                (found != should).then(|| {
                    let what = match name.0.as_str() {
                        ALL => "all accounts",
                        WALLETS => "all wallets",
                        account => account,
                    };
                    format!(
                        "{what} in {}: debits {} and credits {}, signed were {} and {}",
                        name.1, found.debits, found.credits, should.debits, should.credits
                    )
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn posting(debit: i64, credit: i64) -> String {
        format!(
            r#"{{"Posted":{{"transaction":{{"legs":[
                {{"account":"bonus:expense","side":"debit","amount":{{"minor":{debit},"currency":"UAH"}}}},
                {{"account":"wallet:u:UAH","side":"credit","amount":{{"minor":{credit},"currency":"UAH"}}}}]}}}}}}"#
        )
    }

    #[test]
    fn bookings_are_added_up() {
        let mut books = Books::default();
        books.count(&posting(5, 5)).unwrap();
        books
            .count(r#"{"HoldPlaced":{"amount":{"minor":9,"currency":"UAH"}}}"#)
            .unwrap();
        books.count(r#""Opened""#).unwrap();
        let sums = |account: &str| books.0[&(account.to_owned(), "UAH".to_owned())];
        assert_eq!(
            sums(ALL),
            Sums {
                debits: 5,
                credits: 5
            }
        );
        assert_eq!(
            sums(WALLETS),
            Sums {
                debits: 0,
                credits: 5
            }
        );
        assert_eq!(
            sums("bonus:expense"),
            Sums {
                debits: 5,
                credits: 0
            }
        );
        let differences = books.differences(&Books::default());
        assert_eq!(differences.len(), 3, "{differences:?}");
    }

    #[test]
    fn a_booking_that_is_none_is_not_passed_over() {
        for payload in [
            posting(5, 4),
            posting(0, 0),
            posting(-5, -5),
            posting(5, 5).replace("debit", "left"),
            r#"{"A":{"transaction":{}}}"#.to_owned(),
            r#"{"A":{},"B":{}}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert!(Books::default().count(&payload).is_err(), "{payload}");
        }
    }
}
