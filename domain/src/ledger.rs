//! Double entry: accounts, legs, balanced transactions.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::ids::{TransactionId, WalletId};
use crate::money::{Currency, Money};
use crate::rejection::Rejection;

/// Most legs in one transaction.
pub const LEGS_MAX: usize = 100;

/// Side of a leg, and the side on which an account grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Left.
    Debit,
    /// Right.
    Credit,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Debit => Self::Credit,
            Self::Credit => Self::Debit,
        }
    }
}

/// A payment provider with accounts in our books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderName {
    /// Portmone.
    Portmone,
    /// YooKassa.
    Yookassa,
    /// Telegram, for Stars.
    Telegram,
}

impl ProviderName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Portmone, Self::Yookassa, Self::Telegram];

    /// The provider of this name.
    #[must_use]
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.code() == code)
    }

    /// The name in account names, events and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Portmone => "portmone",
            Self::Yookassa => "yookassa",
            Self::Telegram => "telegram",
        }
    }
}

/// The kinds of account. The ledger has no equity: what the operator puts in comes through the bank account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// What the operator has.
    Asset,
    /// What the operator owes.
    Liability,
    /// What the operator earns.
    Revenue,
    /// What the operator spends.
    Expense,
}

impl AccountKind {
    /// The name in tables, answers and exports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Liability => "liability",
            Self::Revenue => "revenue",
            Self::Expense => "expense",
        }
    }
}

/// An account of the chart. Prints and reads as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Account {
    /// What the operator owes a user: liability.
    Wallet(WalletId),
    /// Bonuses given: expense.
    BonusExpense,
    /// Money on its way in: asset.
    PaymentsClearing(ProviderName),
    /// Money on its way out: asset.
    PayoutsClearing(ProviderName),
    /// A provider's fees: expense.
    Fees(ProviderName),
    /// Paid jobs: revenue.
    JobsRevenue,
    /// Refunds owed: liability.
    RefundsPayable,
    /// Money that cannot be matched yet: liability.
    Suspense(ProviderName),
    /// Between the two steps of a transfer: liability, zero at rest.
    TransfersClearing,
    /// What users owe because a provider gave money back that they had spent: asset.
    UsersReceivable,
    /// The operator's position in each currency after exchanges: asset, may be on either side.
    Exchange,
    /// Corrections by people: expense.
    Adjustments,
    /// The operator's bank account, where providers settle: asset.
    Bank,
}

impl Account {
    /// The accounts that are the same for every provider.
    const FIXED: [Self; 8] = [
        Self::BonusExpense,
        Self::JobsRevenue,
        Self::RefundsPayable,
        Self::TransfersClearing,
        Self::UsersReceivable,
        Self::Exchange,
        Self::Adjustments,
        Self::Bank,
    ];

    /// The chart: every account but the wallets.
    pub fn chart() -> impl Iterator<Item = Self> {
        let per_provider = ProviderName::ALL.into_iter().flat_map(|p| {
            [
                Self::PaymentsClearing(p),
                Self::PayoutsClearing(p),
                Self::Fees(p),
                Self::Suspense(p),
            ]
        });
        Self::FIXED.into_iter().chain(per_provider)
    }

    /// What kind of account it is.
    #[must_use]
    pub const fn kind(self) -> AccountKind {
        match self {
            Self::PaymentsClearing(_)
            | Self::PayoutsClearing(_)
            | Self::UsersReceivable
            | Self::Exchange
            | Self::Bank => AccountKind::Asset,
            Self::BonusExpense | Self::Fees(_) | Self::Adjustments => AccountKind::Expense,
            Self::Wallet(_)
            | Self::RefundsPayable
            | Self::Suspense(_)
            | Self::TransfersClearing => AccountKind::Liability,
            Self::JobsRevenue => AccountKind::Revenue,
        }
    }

    /// The side on which the account grows: debit for assets and expenses, credit for liabilities and revenue.
    #[must_use]
    pub const fn normal_side(self) -> Side {
        match self.kind() {
            AccountKind::Asset | AccountKind::Expense => Side::Debit,
            AccountKind::Liability | AccountKind::Revenue => Side::Credit,
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(id) => write!(f, "wallet:{id}"),
            Self::BonusExpense => f.write_str("bonus:expense"),
            Self::PaymentsClearing(p) => write!(f, "payments:{}:clearing", p.code()),
            Self::PayoutsClearing(p) => write!(f, "payouts:{}:clearing", p.code()),
            Self::Fees(p) => write!(f, "fees:{}", p.code()),
            Self::JobsRevenue => f.write_str("jobs:revenue"),
            Self::RefundsPayable => f.write_str("refunds:payable"),
            Self::Suspense(p) => write!(f, "suspense:{}", p.code()),
            Self::TransfersClearing => f.write_str("transfers:clearing"),
            Self::UsersReceivable => f.write_str("users:receivable"),
            Self::Exchange => f.write_str("fx:exchange"),
            Self::Adjustments => f.write_str("adjustments:expense"),
            Self::Bank => f.write_str("bank:settlement"),
        }
    }
}

/// The text names no account of the chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no account of the chart has this name")]
pub struct AccountError;

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(wallet) = text.strip_prefix("wallet:") {
            return wallet.parse().map(Self::Wallet).map_err(|_| AccountError);
        }
        Self::chart()
            .find(|a| a.to_string() == text)
            .ok_or(AccountError)
    }
}

impl From<Account> for String {
    fn from(account: Account) -> Self {
        account.to_string()
    }
}

impl TryFrom<String> for Account {
    type Error = AccountError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// One entry of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// The account.
    pub account: Account,
    /// The side.
    pub side: Side,
    /// The amount, always above zero.
    pub amount: Money,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionKind {
    /// A bonus for a receipt.
    Reward,
    /// Money that came in.
    TopUp,
    /// Money that went out to the user.
    Payout,
    /// A paid job.
    Job,
    /// Money given back.
    Refund,
    /// An admin's correction.
    Adjustment,
    /// Between two wallets.
    Transfer,
    /// The opposite of an earlier transaction, or of a part of it.
    Reversal,
    /// Between two currencies of one person.
    Conversion,
    /// A provider's fee.
    Fee,
    /// A provider's settlement to the bank.
    Settlement,
    /// Money that arrived and cannot be matched yet, or has been matched now.
    Suspense,
}

/// A balanced set of legs. Immutable once posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its id.
    pub id: TransactionId,
    /// What it is for.
    pub kind: TransactionKind,
    /// Its entries, at least two.
    pub legs: Vec<Leg>,
    /// The day from which it counts, in the books' zone.
    pub value_date: NaiveDate,
    /// What it came from: a receipt, a payout, a payment, by id.
    pub reference: String,
    /// Words for a statement.
    pub description: String,
}

impl Transaction {
    /// A transaction of two legs: what `debit` loses or gains on its left, `credit` has on its right.
    #[must_use]
    pub fn simple(
        id: TransactionId,
        kind: TransactionKind,
        debit: Account,
        credit: Account,
        amount: Money,
        value_date: NaiveDate,
        reference: impl Into<String>,
    ) -> Self {
        let legs = vec![
            Leg {
                account: debit,
                side: Side::Debit,
                amount,
            },
            Leg {
                account: credit,
                side: Side::Credit,
                amount,
            },
        ];
        Self {
            id,
            kind,
            legs,
            value_date,
            reference: reference.into(),
            description: String::new(),
        }
    }

    /// Checks the laws of a transaction: 2 to [`LEGS_MAX`] legs, amounts above zero, debits equal to credits in each
    /// currency, nothing that overflows.
    ///
    /// # Errors
    /// `transaction_unbalanced`, `amount_not_positive`, `amount_too_large`, `invalid_command`.
    pub fn validate(&self) -> Result<(), Rejection> {
        if !(2..=LEGS_MAX).contains(&self.legs.len()) {
            return Err(Rejection::new(
                "invalid_command",
                format!("a transaction has 2 to {LEGS_MAX} legs"),
            ));
        }
        if self.description.len() > 500 || self.reference.len() > 200 {
            return Err(Rejection::new(
                "invalid_command",
                "description (500 bytes) or reference (200 bytes) too long",
            ));
        }
        for currency in Currency::ALL {
            let mut balance = 0_i128;
            let mut gross = 0_i64;
            for leg in self
                .legs
                .iter()
                .filter(|leg| leg.amount.currency == currency)
            {
                if !leg.amount.is_positive() {
                    return Err(Rejection::new(
                        "amount_not_positive",
                        "every leg needs an amount above zero",
                    ));
                }
                if let Account::Wallet(wallet) = leg.account
                    && wallet.currency != currency
                {
                    return Err(Rejection::new(
                        "currency_mismatch",
                        "a wallet takes amounts of its own currency only",
                    ));
                }
                gross = gross.checked_add(leg.amount.minor).ok_or_else(|| {
                    Rejection::new("amount_too_large", "the sum of the legs does not fit")
                })?;
                balance += match leg.side {
                    Side::Debit => i128::from(leg.amount.minor),
                    Side::Credit => -i128::from(leg.amount.minor),
                };
            }
            if balance != 0 {
                return Err(
                    Rejection::new("transaction_unbalanced", "debits and credits differ")
                        .with("currency", currency)
                        .with("difference_minor", balance),
                );
            }
        }
        Ok(())
    }

    /// What the transaction does to an account's balance on its normal side: above zero when it grows.
    ///
    /// # Errors
    /// `amount_too_large` when the sum does not fit.
    pub fn effect_on(&self, account: Account) -> Result<i64, Rejection> {
        let sum: i128 = self
            .legs
            .iter()
            .filter(|leg| leg.account == account)
            .map(|leg| {
                let amount = i128::from(leg.amount.minor);
                if leg.side == account.normal_side() {
                    amount
                } else {
                    -amount
                }
            })
            .sum();
        i64::try_from(sum)
            .map_err(|_| Rejection::new("amount_too_large", "the sum of the legs does not fit"))
    }

    /// The same legs with their sides exchanged.
    #[must_use]
    pub fn reversed(&self, id: TransactionId, value_date: NaiveDate) -> Self {
        self.undone_by(id, opposite(&self.legs), value_date)
    }

    /// The reversal of this transaction with these legs.
    #[must_use]
    pub fn undone_by(&self, id: TransactionId, legs: Vec<Leg>, value_date: NaiveDate) -> Self {
        Self {
            id,
            kind: TransactionKind::Reversal,
            legs,
            value_date,
            reference: self.id.to_string(),
            description: self.description.clone(),
        }
    }
}

/// The legs with their sides exchanged.
#[must_use]
pub fn opposite(legs: &[Leg]) -> Vec<Leg> {
    legs.iter()
        .map(|leg| Leg {
            side: leg.side.opposite(),
            ..*leg
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::ids::UserId;

    fn wallet() -> Account {
        Account::Wallet(WalletId {
            user: UserId::derived("t", "u"),
            currency: Currency::Uah,
        })
    }

    fn posting(minor: i64) -> Transaction {
        let id = TransactionId::derived("t", "1");
        let day = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let amount = Money::new(minor, Currency::Uah);
        Transaction::simple(
            id,
            TransactionKind::Reward,
            Account::BonusExpense,
            wallet(),
            amount,
            day,
            "r",
        )
    }

    #[test]
    fn every_account_reads_back_from_its_name() {
        for account in Account::chart().chain([wallet()]) {
            assert_eq!(account.to_string().parse::<Account>().unwrap(), account);
        }
        assert!("wallet:nobody:UAH".parse::<Account>().is_err());
    }

    #[test]
    fn unequal_sides_are_refused() {
        let mut transaction = posting(100);
        transaction.legs[0].amount.minor = 99;
        assert_eq!(
            transaction.validate().unwrap_err().code,
            "transaction_unbalanced"
        );
        assert_eq!(
            posting(0).validate().unwrap_err().code,
            "amount_not_positive"
        );
        assert_eq!(
            posting(-1).validate().unwrap_err().code,
            "amount_not_positive"
        );
        assert_eq!(
            posting(i64::MAX).validate().unwrap_err().code,
            "amount_too_large"
        );
    }

    proptest! {
        #[test]
        fn a_reversal_undoes_every_balance(minor in 1..i64::MAX / 2) {
            let transaction = posting(minor);
            let reversal = transaction.reversed(TransactionId::derived("t", "2"), transaction.value_date);
            transaction.validate().unwrap();
            reversal.validate().unwrap();
            for account in [wallet(), Account::BonusExpense] {
                prop_assert_eq!(transaction.effect_on(account).unwrap(), -reversal.effect_on(account).unwrap());
            }
        }
    }
}
