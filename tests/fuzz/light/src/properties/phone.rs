//! Telephone numbers as people type them.

use kvit_domain::phone::{Operator, Phone};

/// A number has one form, whatever was typed, and is never shown whole.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let phone = match Phone::parse(text) {
        Ok(phone) => phone,
        Err(rejection) => {
            assert!(["invalid_phone", "operator_not_supported"].contains(&rejection.code.as_str()));
            // The words are the same for everybody: a refusal repeats nothing that somebody typed.
            let example = if rejection.code == "invalid_phone" {
                ""
            } else {
                "380441234567"
            };
            let other = Phone::parse(example).unwrap_err();
            assert_eq!(format!("{rejection:?}"), format!("{other:?}"));
            return;
        }
    };
    let digits = phone.digits();
    assert!(digits.len() == 12 && digits.starts_with("380"));
    assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(Operator::by_prefix(&phone).is_some());
    // Nothing was added or left out: the typed digits are the end of the number.
    let typed: String = text.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.ends_with(&typed) && typed.len() >= 9);
    for spelling in [
        digits.to_owned(),
        format!("+{digits}"),
        digits[2..].to_owned(),
        format!("+{} ({}) {}", &digits[..3], &digits[3..5], &digits[5..]),
    ] {
        assert_eq!(Phone::parse(&spelling).unwrap(), phone, "{spelling}");
    }
    for shown in [phone.masked(), format!("{phone:?}")] {
        assert!(!shown.contains(&digits[5..10]), "{shown}");
    }
    assert!(Phone::parse(&phone.masked()).is_err());
}
