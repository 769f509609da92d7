//! Answers of YooKassa about payments, refunds and payouts, on which money depends.

use kvit_adapters::yookassa::AnswerError;
use kvit_adapters::yookassa::fuzz::{Said, payment, payout, refund};
use kvit_domain::money::{Currency, Money};
use serde_json::Value;

type Reader = fn(&[u8]) -> Result<Said, AnswerError>;
const READERS: [Reader; 3] = [payment, refund, payout];

/// Every amount is the one that stands in the answer, sign for sign, and no flag or name is made up.
pub fn holds(data: &[u8]) {
    let Some((reader, body)) = super::chosen(data, &READERS) else {
        return;
    };
    let read = match reader(body) {
        Ok(read) => read,
        Err(error) => return super::is_plain(&error.to_string(), 200),
    };
    assert_eq!(reader(body), Ok(read.clone()));
    let said: Value = serde_json::from_slice(body).unwrap();
    is_amount(read.amount, &said["amount"]);
    if let Some((income, fee)) = read.income {
        is_amount(income, &said["income_amount"]);
        if let Some(fee) = fee {
            assert!(fee.minor >= 0, "the provider pays nobody for paying");
            assert_eq!(income.checked_add(fee), Ok(read.amount));
        }
    }
    assert_eq!(read.test, read.test.and(said["test"].as_bool()));
    assert_eq!(read.id, said["id"]);
    if let Some(of) = &read.of {
        assert_eq!(*of, said["payment_id"]);
    }
    for id in read.of.iter().chain([&read.id]) {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!((1..=64).contains(&id.len()) && id.bytes().all(fits));
    }
    for name in &read.names {
        super::is_plain(name, 128);
        let metadata = &said["metadata"];
        assert!(*name == metadata["operation_id"] || *name == metadata["attempt"]);
    }
    super::is_plain(&read.status, 64);
    for word in &read.cancellation {
        super::is_plain(word, 64);
        assert!(!word.is_empty());
    }
    // What goes into the log must come out of it again.
    let stored = serde_json::to_string(&read.created_at).unwrap();
    assert_eq!(
        serde_json::from_str::<chrono::DateTime<chrono::Utc>>(&stored).unwrap(),
        read.created_at
    );
}

fn is_amount(read: Money, said: &Value) {
    assert_eq!(read.to_decimal(), said["value"]);
    assert_eq!(read.currency.code(), said["currency"]);
    assert!(read.minor >= 0 && read.currency != Currency::Xtr);
}
