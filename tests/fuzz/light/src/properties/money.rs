//! Amounts as providers write them.

use kvit_domain::money::{Currency, Money, MoneyError};

/// What is accepted prints back as the same text; what is not accepted is not an amount by an independent reading.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for currency in Currency::ALL {
        let read = Money::parse_strict(text, currency);
        match (read, by_hand(text, currency)) {
            (Ok(money), Some(minor)) => {
                assert_eq!(money.to_decimal(), text);
                assert_eq!(i128::from(money.minor), minor);
                assert_eq!(money.currency, currency);
                assert!(money.minor >= 0, "no sign is read");
                stays_itself(money);
            }
            (Err(MoneyError::Overflow), Some(minor)) => assert!(minor > i128::from(i64::MAX)),
            (Err(MoneyError::Malformed(decimals)), None) => {
                assert_eq!(decimals, currency.decimals());
            }
            (read, by_hand) => panic!("{text:?} in {currency}: {read:?} and {by_hand:?}"),
        }
    }
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.code(), text);
    }
}

/// An amount survives the log, and no sum of it wraps.
fn stays_itself(money: Money) {
    let stored = serde_json::to_string(&money).unwrap();
    assert_eq!(serde_json::from_str::<Money>(&stored).unwrap(), money);
    match money.checked_add(money) {
        Ok(twice) => assert_eq!(twice.checked_sub(money), Ok(money)),
        Err(error) => assert_eq!(error, MoneyError::Overflow),
    }
}

/// The rules of the format once more, character by character. `None` when the text breaks one of them.
fn by_hand(text: &str, currency: Currency) -> Option<i128> {
    let decimals = currency.decimals() as usize;
    let characters: Vec<char> = text.chars().collect();
    let mut digits = characters.clone();
    if decimals > 0 {
        let dot = characters.len().checked_sub(decimals + 1)?;
        if digits.remove(dot) != '.' {
            return None;
        }
    }
    let whole = digits.len().checked_sub(decimals)?;
    if whole == 0 || (whole > 1 && digits[0] == '0') {
        return None;
    }
    digits.iter().try_fold(0_i128, |value, digit| {
        let digit = "0123456789".find(*digit)?;
        // Whatever is too long for 64 bits need not be exact.
        Some(value.saturating_mul(10).saturating_add(digit as i128))
    })
}
