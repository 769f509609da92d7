//! Names of things in addresses, events and bundles: ids, wallets, accounts.

use kvit_domain::event::StreamId;
use kvit_domain::ids::{PayoutId, UserId, WalletId};
use kvit_domain::ledger::{Account, ProviderName};

/// A name prints back as itself, up to the spellings of a uuid, and as the name of nothing else.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(account) = text.parse::<Account>() {
        let printed = account.to_string();
        assert_eq!(printed.parse(), Ok(account));
        match account {
            Account::Wallet(wallet) => is_the_same(text, &printed, &wallet.user.to_string()),
            _ => assert_eq!(printed, text, "an account of the chart has one name"),
        }
        let stored = serde_json::to_string(&account).unwrap();
        assert_eq!(serde_json::from_str::<Account>(&stored).unwrap(), account);
    }
    if let Ok(wallet) = text.parse::<WalletId>() {
        let printed = wallet.to_string();
        assert_eq!(printed.parse(), Ok(wallet));
        is_the_same(text, &printed, &wallet.user.to_string());
        assert!(StreamId::new("wallet", printed.clone()).is_valid());
        assert_eq!(
            format!("wallet:{printed}").parse(),
            Ok(Account::Wallet(wallet))
        );
    }
    if let Ok(id) = text.parse::<UserId>() {
        let printed = id.to_string();
        assert_eq!(printed.parse(), Ok(id));
        is_the_same(text, &printed, &printed);
        assert_eq!(text.parse::<PayoutId>().map(|other| other.0), Ok(id.0));
    }
    if let Some(provider) = ProviderName::by_code(text) {
        assert_eq!(provider.code(), text);
    }
    if StreamId::new("wallet", text).is_valid() {
        assert!(!text.chars().any(|c| c.is_control() || "/\\.%".contains(c)));
    }
}

/// Two spellings of one name: the same digits of the same id, and the same words around it.
fn is_the_same(text: &str, printed: &str, id: &str) {
    let digits = |text: &str| {
        let text = text.to_ascii_lowercase().replace(['-', '{', '}'], "");
        text.strip_prefix("urn:uuid:").unwrap_or(&text).to_owned()
    };
    assert_eq!(digits(text), digits(printed), "{text:?} is not {printed:?}");
    assert!(digits(text).contains(&digits(id)));
}
