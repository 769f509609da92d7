//! Answers of Portmone's payment gateway: lists of transactions in JSON or XML.

use kvit_adapters::portmone::gateway::{
    Answered, MAX_ANSWER_BYTES, Transaction, TransactionStatus, parse_transactions,
};

/// Whatever form an answer had, written in either form it says the same; and it is plain.
pub fn holds(data: &[u8]) {
    let answered = match parse_transactions(data) {
        Ok(answered) => answered,
        Err(doubt) => return super::is_plain(&doubt.to_string(), 200),
    };
    assert!(data.len() <= MAX_ANSWER_BYTES);
    let transactions = match answered {
        Answered::Refused(refusal) => {
            super::is_plain(&refusal.code, 256);
            assert_ne!(refusal.code, "0", "no error is no refusal");
            super::is_plain(refusal.description.as_deref().unwrap_or_default(), 2_048);
            return;
        }
        Answered::Transactions(transactions) => transactions,
    };
    for transaction in &transactions {
        super::is_plain(&transaction.bill_id, 64);
        super::is_plain(&transaction.order_number, 256);
        super::is_plain(transaction.payee_id.as_deref().unwrap_or_default(), 4_096);
        if let TransactionStatus::Other(word) = &transaction.status {
            super::is_plain(word, 128);
        }
        super::is_plain(&transaction.error_code, 256);
        super::is_plain(transaction.error.as_deref().unwrap_or_default(), 2_048);
        super::is_plain(transaction.auth_code.as_deref().unwrap_or_default(), 256);
        assert!(transaction.amount.minor() > 0);
    }
    let expected = Ok(Answered::Transactions(transactions.clone()));
    assert_eq!(parse_transactions(json(&transactions).as_bytes()), expected);
    assert_eq!(parse_transactions(xml(&transactions).as_bytes()), expected);
}

fn fields(transaction: &Transaction) -> Vec<(&'static str, String)> {
    let status = match &transaction.status {
        TransactionStatus::Created => "CREATED",
        TransactionStatus::Preauth => "PREAUTH",
        TransactionStatus::Payed => "PAYED",
        TransactionStatus::Rejected => "REJECTED",
        TransactionStatus::Return => "RETURN",
        TransactionStatus::Other(word) => word,
    };
    let mut fields = vec![
        ("shop_bill_id", transaction.bill_id.clone()),
        ("shop_order_number", transaction.order_number.clone()),
        ("status", status.to_owned()),
        ("bill_amount", transaction.amount.to_string()),
        ("error_code", transaction.error_code.clone()),
    ];
    let at = transaction
        .paid_at
        .map(|at| at.format("%d.%m.%Y %H:%M:%S").to_string());
    for (name, value) in [
        ("payee_id", &transaction.payee_id),
        ("pay_date", &at),
        ("error_message", &transaction.error),
        ("auth_code", &transaction.auth_code),
    ] {
        fields.extend(value.clone().map(|value| (name, value)));
    }
    fields
}

fn json(transactions: &[Transaction]) -> String {
    let objects: Vec<serde_json::Map<_, _>> = transactions
        .iter()
        .map(|one| {
            let text = |(name, value): (&str, String)| (name.to_owned(), value.into());
            fields(one).into_iter().map(text).collect()
        })
        .collect();
    serde_json::to_string(&objects).unwrap()
}

fn xml(transactions: &[Transaction]) -> String {
    let mut orders = String::new();
    for one in transactions {
        orders.push_str("<order>");
        for (name, value) in fields(one) {
            let value = value
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;");
            orders.push_str(&format!("<{name}>{value}</{name}>"));
        }
        orders.push_str("</order>");
    }
    format!("<portmoneresult><orders>{orders}</orders></portmoneresult>")
}
