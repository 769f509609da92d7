//! Sums by account and currency, out of bookings.

use std::collections::BTreeMap;

use kvit_domain::ledger::{Account, Leg, Side};
use kvit_domain::money::Currency;
use serde::Serialize;

use crate::column::Wide;
use crate::fold::ledger::side_code;
use crate::queries::ledger::{AccountTotal, CurrencyTotal, TrialBalance};

/// Both sides of an account, minor units. 128 bits hold the sum of any number of 64-bit amounts that a log can have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// All debits.
    pub debit_minor: Wide,
    /// All credits.
    pub credit_minor: Wide,
}

impl Sums {
    /// Debits less credits, minor units.
    #[must_use]
    pub const fn net(self) -> i128 {
        self.debit_minor.0.saturating_sub(self.credit_minor.0)
    }
}

/// Every account that was ever booked on, by account and currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balances(BTreeMap<(Account, Currency), Sums>);

impl Balances {
    /// Adds a leg.
    pub fn add(&mut self, leg: &Leg) {
        let sums = self
            .0
            .entry((leg.account, leg.amount.currency))
            .or_default();
        match leg.side {
            Side::Debit => sums.debit_minor = sums.debit_minor.plus(leg.amount.minor),
            Side::Credit => sums.credit_minor = sums.credit_minor.plus(leg.amount.minor),
        }
    }

    /// Adds the sums of an account.
    pub fn put(&mut self, account: Account, currency: Currency, sums: Sums) {
        self.0.insert((account, currency), sums);
    }

    /// The sums of an account; zero for one that was never booked on.
    #[must_use]
    pub fn of(&self, account: Account, currency: Currency) -> Sums {
        self.0
            .get(&(account, currency))
            .copied()
            .unwrap_or_default()
    }

    /// All of them in the order of the chart.
    pub fn iter(&self) -> impl Iterator<Item = (Account, Currency, Sums)> {
        self.0
            .iter()
            .map(|((account, currency), sums)| (*account, *currency, *sums))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was booked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The accounts one by one, wallets included, as lines of a trial balance.
    #[must_use]
    pub fn lines(&self) -> Vec<AccountTotal> {
        self.iter()
            .map(|(account, currency, sums)| line(account, account.to_string(), currency, sums))
            .collect()
    }

    /// The trial balance: all wallets of a currency are one line.
    #[must_use]
    pub fn trial(&self) -> TrialBalance {
        let mut accounts: BTreeMap<(String, Currency), AccountTotal> = BTreeMap::new();
        let mut totals: BTreeMap<Currency, Sums> = BTreeMap::new();
        for (account, currency, sums) in self.iter() {
            let name = match account {
                Account::Wallet(_) => "wallets".to_owned(),
                other => other.to_string(),
            };
            let so_far =
                accounts
                    .get(&(name.clone(), currency))
                    .map_or_else(Sums::default, |total| Sums {
                        debit_minor: total.debit_minor,
                        credit_minor: total.credit_minor,
                    });
            let both = plus(so_far, sums);
            let total = line(account, name.clone(), currency, both);
            accounts.insert((name, currency), total);
            let sum = totals.entry(currency).or_default();
            *sum = plus(*sum, sums);
        }
        TrialBalance {
            accounts: accounts.into_values().collect(),
            totals: totals
                .into_iter()
                .map(|(currency, sums)| CurrencyTotal {
                    currency,
                    debit_minor: sums.debit_minor,
                    credit_minor: sums.credit_minor,
                    difference_minor: Wide(sums.net()),
                })
                .collect(),
        }
    }
}

const fn plus(one: Sums, other: Sums) -> Sums {
    Sums {
        debit_minor: Wide(one.debit_minor.0.saturating_add(other.debit_minor.0)),
        credit_minor: Wide(one.credit_minor.0.saturating_add(other.credit_minor.0)),
    }
}

fn line(account: Account, name: String, currency: Currency, sums: Sums) -> AccountTotal {
    let balance = match account.normal_side() {
        Side::Debit => sums.net(),
        Side::Credit => sums.net().saturating_neg(),
    };
    AccountTotal {
        account: name,
        currency,
        normal_side: side_code(account.normal_side()).to_owned(),
        debit_minor: sums.debit_minor,
        credit_minor: sums.credit_minor,
        balance_minor: Wide(balance),
    }
}

/// An amount of any size with the currency's decimals: `-1234.50`, `7`.
#[must_use]
pub fn decimal(minor: i128, currency: Currency) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let absolute = minor.unsigned_abs();
    let scale = u128::from(currency.scale().unsigned_abs());
    let width = currency.decimals() as usize;
    if width == 0 {
        return format!("{sign}{absolute}");
    }
    format!("{sign}{}.{:0width$}", absolute / scale, absolute % scale)
}
