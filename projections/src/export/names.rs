//! Accounts under the names that accounting programs take.
//!
//! Both programs read the five roots of plain-text accounting, and beancount wants each part of a name to begin with a
//! capital letter or a digit and to hold nothing but letters, digits and hyphens. So one name serves both:
//! `payments:yookassa:clearing` becomes `Assets:Payments:Yookassa:Clearing`, a wallet `Liabilities:Wallets:<user>` for all
//! its currencies, in capitals because a part may not begin with a small one.

use kvit_domain::ledger::{Account, AccountKind};

/// The root of an account's name.
#[must_use]
pub const fn root(account: Account) -> &'static str {
    match account.kind() {
        AccountKind::Asset => "Assets",
        AccountKind::Liability => "Liabilities",
        AccountKind::Revenue => "Income",
        AccountKind::Expense => "Expenses",
    }
}

/// The letter that hledger calls the kind of an account by.
#[must_use]
pub const fn letter(account: Account) -> char {
    match account.kind() {
        AccountKind::Asset => 'A',
        AccountKind::Liability => 'L',
        AccountKind::Revenue => 'R',
        AccountKind::Expense => 'X',
    }
}

/// The name.
#[must_use]
pub fn name(account: Account) -> String {
    if let Account::Wallet(wallet) = account {
        let user = wallet.user.to_string().to_uppercase();
        return format!("{}:Wallets:{user}", root(account));
    }
    let mut name = root(account).to_owned();
    for part in account.to_string().split(':') {
        name.push(':');
        name.push_str(&component(part));
    }
    name
}

/// What our own books call it; the same for all wallets of a person.
#[must_use]
pub fn own_name(account: Account) -> String {
    match account {
        Account::Wallet(wallet) => format!("wallet:{}", wallet.user),
        other => other.to_string(),
    }
}

/// A part of a name: a capital first, then letters, digits and hyphens only.
fn component(part: &str) -> String {
    let mut letters = part.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '-'
        }
    });
    match letters.next() {
        Some(first) if first.is_ascii_alphanumeric() => {
            let mut component = String::from(first.to_ascii_uppercase());
            component.extend(letters);
            component
        }
        // A hyphen may not begin it.
        first => std::iter::once('X').chain(first).chain(letters).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::BTreeSet;

    use kvit_domain::ids::{UserId, WalletId};
    use kvit_domain::ledger::ProviderName;
    use kvit_domain::money::Currency;

    use super::*;

    #[test]
    fn every_account_of_the_chart_has_a_name_of_its_own_that_both_programs_take() {
        let wallet = Account::Wallet(WalletId {
            user: UserId::derived("test", "1"),
            currency: Currency::Uah,
        });
        let names: Vec<String> = Account::chart().chain([wallet]).map(name).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        for name in &names {
            let mut parts = name.split(':');
            let root = parts.next().unwrap();
            assert!(["Assets", "Liabilities", "Income", "Expenses"].contains(&root));
            for part in parts {
                let first = part.chars().next().unwrap();
                assert!(
                    first.is_ascii_uppercase() || first.is_ascii_digit(),
                    "{name}"
                );
                assert!(
                    part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
                    "{name}"
                );
            }
        }
        assert!(names.contains(&"Assets:Payments:Yookassa:Clearing".to_owned()));
    }

    #[test]
    fn the_root_follows_the_kind_and_not_the_words() {
        assert_eq!(name(Account::BonusExpense), "Expenses:Bonus:Expense");
        assert_eq!(
            name(Account::Suspense(ProviderName::Portmone)),
            "Liabilities:Suspense:Portmone"
        );
        assert_eq!(component("-x_y"), "X-x-y");
    }
}
