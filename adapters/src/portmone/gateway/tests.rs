#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::portmone::{Doubt, JsonError, Kopecks, Secret, XmlError};
use chrono::{TimeZone, Utc};

fn uah(minor: i64) -> Kopecks {
    Kopecks::new(minor).unwrap()
}

fn transactions(body: &str) -> Vec<Transaction> {
    match parse_transactions(body.as_bytes()).unwrap() {
        Answered::Transactions(list) => list,
        Answered::Refused(refusal) => panic!("refused: {refusal:?}"),
    }
}

fn refused(body: &str) -> (String, Option<String>) {
    match parse_transactions(body.as_bytes()).unwrap() {
        Answered::Refused(refusal) => (refusal.code, refusal.description),
        Answered::Transactions(list) => panic!("not refused: {list:?}"),
    }
}

fn doubted(body: &str) -> Doubt {
    parse_transactions(body.as_bytes()).unwrap_err()
}

#[test]
fn the_signature_of_a_link_is_the_one_that_the_plugins_compute() {
    let (login, key) = (Secret::new("LOGIN"), Secret::new("secretkey"));
    let signature = link_signature("1185", "20260102030405", "op-42", "100.00", &login, &key);
    assert_eq!(
        signature,
        "2BAF571B42C497EEF0C7522EDB726FD5FFE8276759A614B56BE48D8CACD7AF3B"
    );
    let other = link_signature("1185", "20260102030405", "op-42", "100.01", &login, &key);
    assert_ne!(signature, other);
}

#[test]
fn the_signed_moment_is_kyiv_time_by_a_twelve_hour_clock() {
    let moment =
        |hour| signature::signed_moment(Utc.with_ymd_and_hms(2026, 1, 2, hour, 4, 5).unwrap());
    assert_eq!(moment(1), "20260102030405");
    assert_eq!(moment(13), "20260102030405");
    assert_eq!(moment(22), "20260103120405");
}

const PAID_AND_RETURNED: &str = r#"[
    {"shopBillId":"434226706","shopOrderNumber":"op-42","payee_id":"1185","status":"RETURN","billAmount":"-9","pay_date":"28.11.2026 11:40:18","errorCode":"0"},
    {"shopBillId":434226609,"shopOrderNumber":"op-42","payee_id":1185,"status":"PAYED","billAmount":50,"pay_date":"28.11.2026","errorCode":"0","authCode":"TESTPM"}]"#;

const THE_SAME_IN_XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<portmoneresult lang=\"uk\"><request><payee_id>1185</payee_id>\
    <shop_order_number>op-42</shop_order_number><status>%</status></request><orders type=\"list\">\
    <order><shop_bill_id>434226706</shop_bill_id><shop_order_number>op-42</shop_order_number><payee_id>1185</payee_id>\
    <pay_date>28.11.2026 11:40:18</pay_date><bill_amount>-9</bill_amount><status>RETURN</status><error_code>0</error_code></order>\
    <order><shop_bill_id>434226609</shop_bill_id><shop_order_number>op-42</shop_order_number><payee_id>1185</payee_id>\
    <description><![CDATA[<Квіт>]]></description><pay_date>28.11.2026</pay_date><bill_amount>50</bill_amount><auth_code>TESTPM</auth_code>\
    <status>PAYED</status><error_code>0</error_code><error_message><![CDATA[]]></error_message></order></orders></portmoneresult>";

#[test]
fn several_transactions_of_one_order_are_read_alike_from_json_and_from_xml() {
    let list = transactions(PAID_AND_RETURNED);
    assert_eq!(list, transactions(THE_SAME_IN_XML));
    let [back, paid] = list.as_slice() else {
        panic!("not two")
    };
    assert_eq!(
        (&back.status, back.amount),
        (&TransactionStatus::Return, uah(900))
    );
    assert_eq!(
        (&paid.status, paid.amount),
        (&TransactionStatus::Payed, uah(5_000))
    );
    assert_eq!(paid.bill_id, "434226609");
    assert_eq!(paid.paid_at.unwrap().to_string(), "2026-11-28 00:00:00");
    assert_eq!(back.paid_at.unwrap().to_string(), "2026-11-28 11:40:18");
}

#[test]
fn an_unknown_order_has_no_transactions() {
    assert_eq!(transactions("[]"), []);
    assert_eq!(
        transactions(
            "<portmoneresult lang=\"ru\"><request/><orders type=\"list\"/></portmoneresult>"
        ),
        []
    );
}

#[test]
fn error_code_zero_is_no_payment_and_another_code_without_a_transaction_is_a_refusal() {
    let rejected = transactions(
        r#"[{"shopBillId":"1","shopOrderNumber":"a","status":"REJECTED","billAmount":"1.01","errorCode":"0"}]"#,
    );
    assert_eq!(rejected[0].status, TransactionStatus::Rejected);
    let with_reason = transactions(
        r#"[{"shopBillId":"1","shopOrderNumber":"a","status":"REJECTED","billAmount":"1.01","errorCode":"8","errorMessage":"limit"}]"#,
    );
    assert_eq!(with_reason[0].error.as_deref(), Some("limit"));
    let xml = "<portmoneresult lang=\"ru\"><request/><order><error_code>1</error_code>\
        <error_message><![CDATA[ORA-20001: not paid]]></error_message></order></portmoneresult>";
    let unpaid = ("1".to_owned(), Some("ORA-20001: not paid".to_owned()));
    assert_eq!(refused(xml), unpaid);
    assert_eq!(
        refused(r#"[{"error_code":"1","error_message":"ORA-20001: not paid"}]"#),
        unpaid
    );
    assert_eq!(
        refused(r#"{"errorCode":"1","error":"ORA-20001: not paid"}"#),
        unpaid
    );
}

#[test]
fn f45_an_answer_that_is_not_wholly_clear_is_a_doubt() {
    let json = |error: JsonError| Doubt::from(error);
    let xml = |error: XmlError| Doubt::from(error);
    assert_eq!(doubted(""), xml(XmlError::Empty));
    assert_eq!(doubted("<html></html>"), xml(XmlError::Shape));
    assert_eq!(
        doubted("<!DOCTYPE html><html></html>"),
        xml(XmlError::Forbidden)
    );
    assert_eq!(doubted("<portmoneresult/>"), xml(XmlError::Shape));
    assert_eq!(doubted("[{"), json(JsonError::NotWellFormed));
    assert_eq!(doubted("[{}]"), json(JsonError::Shape));
    assert_eq!(doubted("{\"errorCode\":\"0\"}"), json(JsonError::Shape));
    let one = |amount: &str, status: &str| {
        doubted(&format!(
            "[{{\"shopBillId\":\"1\",\"shopOrderNumber\":\"a\",\"status\":\"{status}\",\"billAmount\":{amount},\"errorCode\":\"0\"}}]"
        ))
    };
    for amount in ["5e1", "1.001", "\"5,0\"", "0", "-9"] {
        assert_eq!(one(amount, "PAYED"), json(JsonError::Amount), "{amount}");
    }
    let mixed = r#"[{"error_code":"1"},{"shopBillId":"1","shopOrderNumber":"a","status":"PAYED","billAmount":"1","errorCode":"0"}]"#;
    assert_eq!(doubted(mixed), json(JsonError::Ambiguous));
    for end in 1..THE_SAME_IN_XML.len() {
        if THE_SAME_IN_XML.is_char_boundary(end) {
            let _doubt = doubted(&THE_SAME_IN_XML[..end]);
        }
    }
    for end in 1..PAID_AND_RETURNED.len() {
        let _doubt = doubted(&PAID_AND_RETURNED[..end]);
    }
}

#[test]
fn what_is_shown_for_debugging_holds_no_sum() {
    let shown = format!(
        "{:?}",
        transactions(&PAID_AND_RETURNED.replace("50,", "77.31,"))
    );
    assert!(
        !shown.contains("77.31") && !shown.contains("7731"),
        "{shown}"
    );
}

proptest::proptest! {
    #[test]
    fn f45_no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _any_result = parse_transactions(&bytes);
    }

    #[test]
    fn f45_no_answer_like_text_makes_the_reader_panic(text in "(\\[\\{|<portmoneresult>)?[<>/&;=\"a-d_{}:,0-9.\\[\\]\\-]{0,80}") {
        let _any_result = parse_transactions(text.as_bytes());
    }
}
