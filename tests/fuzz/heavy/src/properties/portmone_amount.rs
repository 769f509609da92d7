//! Amounts and order numbers as Portmone writes them.

use kvit_adapters::portmone::gateway::OrderNumber;
use kvit_adapters::portmone::{Kopecks, Movement};
use kvit_domain::money::{Currency, Money};

/// An amount prints back as the same number, only one kind of text has a sign, and an order number is a single text.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let unsigned = Kopecks::parse(text);
    if let Ok(amount) = unsigned {
        assert!(amount.minor() >= 0);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        );
        assert_eq!(Kopecks::parse(&amount.to_string()), Ok(amount));
        assert_eq!(canonical(text), amount.to_string());
        // Both readers of amounts agree wherever both accept.
        if let Ok(money) = Money::parse_strict(text, Currency::Uah) {
            assert_eq!(money.minor, amount.minor());
        }
    }
    match Movement::parse(text) {
        Ok(Movement::Forward(amount)) => assert_eq!(unsigned, Ok(amount)),
        Ok(Movement::Back(amount)) => {
            assert!(unsigned.is_err(), "a sign was read as none");
            assert_eq!(Kopecks::parse(&text[1..]), Ok(amount));
        }
        Err(_) => assert!(unsigned.is_err() || unsigned.is_ok_and(|amount| amount.minor() == 0)),
    }
    if let Ok(movement) = Movement::parse(text) {
        assert!(movement.amount().minor() > 0);
    }
    if let Some(number) = OrderNumber::parse(text) {
        assert_eq!(number.to_string(), text);
        super::is_plain(text, 128);
    }
}

/// The number with two decimals and without leading zeros.
fn canonical(text: &str) -> String {
    let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    format!("{whole}.{cents:0<2}")
}
