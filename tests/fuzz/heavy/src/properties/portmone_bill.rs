//! Answers of PortmoneDirect, which decide whether money counts as gone.

use kvit_adapters::portmone::{Answer, MAX_BYTES, WireBill, parse};

/// An answer that is believed is plain and says the same when it is written again.
pub fn holds(data: &[u8]) {
    let answer = match parse(data) {
        Ok(answer) => answer,
        Err(error) => return super::is_plain(&error.to_string(), 200),
    };
    assert!(data.len() <= MAX_BYTES);
    let text = std::str::from_utf8(data).expect("only UTF-8 is read");
    if !text.contains("<!--") && !text.contains("<![CDATA[") {
        assert!(!text.contains("<!"), "a declaration was accepted");
    }
    match &answer {
        Answer::Ok(None) => {}
        Answer::Ok(Some(bill)) => is_plain(bill),
        Answer::Fail { code, description } => {
            super::is_plain(code, 256);
            super::is_plain(description.as_deref().unwrap_or_default(), 2_048);
        }
    }
    let again = written(&answer);
    assert_eq!(parse(again.as_bytes()), Ok(answer), "{again}");
}

fn is_plain(bill: &WireBill) {
    super::is_plain(&bill.id, 64);
    assert!(!bill.id.is_empty());
    for text in [&bill.payee_id, &bill.contract_number, &bill.status] {
        let text = text.as_deref().unwrap_or("none");
        super::is_plain(text, MAX_BYTES);
        assert!(!text.is_empty());
    }
}

fn written(answer: &Answer) -> String {
    match answer {
        Answer::Ok(None) => r#"<rsp status="ok"/>"#.to_owned(),
        Answer::Ok(Some(bill)) => {
            let child = |name: &str, value: Option<String>| match value {
                Some(value) => format!("<{name}>{}</{name}>", escaped(&value)),
                None => String::new(),
            };
            let fields = [
                child("billId", Some(bill.id.clone())),
                child("payeeId", bill.payee_id.clone()),
                child("contractNumber", bill.contract_number.clone()),
                child("paidAmount", bill.paid_amount.map(|paid| paid.to_string())),
                child(
                    "payDate",
                    bill.pay_date
                        .map(|at| at.format("%d.%m.%Y %H:%M:%S").to_string()),
                ),
                child("status", bill.status.clone()),
            ];
            format!(r#"<rsp status="ok"><bill>{}</bill></rsp>"#, fields.concat())
        }
        Answer::Fail { code, description } => {
            // An attribute has no escapes, so a code cannot hold what would need one.
            assert!(!code.contains(['&', '<']), "{code:?}");
            let quote = if code.contains('"') { '\'' } else { '"' };
            let words = escaped(description.as_deref().unwrap_or_default());
            format!(
                "<rsp status=\"fail\"><error code={quote}{code}{quote}/><error_description>{words}</error_description></rsp>"
            )
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
