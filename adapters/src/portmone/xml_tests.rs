#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

fn bill(body: &str) -> Result<WireBill, XmlError> {
    match parse(format!("{HEAD}<rsp status=\"ok\">{body}</rsp>").as_bytes())? {
        Answer::Ok(Some(bill)) => Ok(bill),
        other => panic!("not a bill: {other:?}"),
    }
}

fn refused(document: &str) -> XmlError {
    parse(document.as_bytes()).unwrap_err()
}

#[test]
fn a_paid_bill_with_its_id_as_an_attribute_is_read() {
    let paid = bill(
        "<bill id=\"523\"><payee id=\"2065\">Kyivstar</payee><paidAmount>50.00</paidAmount>\
         <payDate>12.03.2026 15:45:48</payDate><status>paid</status></bill>",
    )
    .unwrap();
    assert_eq!(
        (
            paid.id.as_str(),
            paid.payee_id.as_deref(),
            paid.status.as_deref()
        ),
        ("523", Some("2065"), Some("paid"))
    );
    assert_eq!(paid.paid_amount.map(Kopecks::minor), Some(5_000));
    assert_eq!(paid.pay_date.unwrap().to_string(), "2026-03-12 15:45:48");
}

#[test]
fn a_bill_with_its_id_as_a_child_is_read() {
    let created = bill("<bill><billId> 523 </billId><contractNumber>380671234567</contractNumber><payee id=\"2065\"/></bill>").unwrap();
    assert_eq!(created.id, "523");
    assert_eq!(created.contract_number.as_deref(), Some("380671234567"));
    assert_eq!(
        bill("<bill><billId>523</billId><contractNumber/></bill>")
            .unwrap()
            .contract_number,
        None
    );
}

#[test]
fn both_versions_of_a_refusal_are_read() {
    let one = parse(b"<rsp status=\"fail\"><error code=\"p001\">Invalid method name</error></rsp>")
        .unwrap();
    let two = parse("<rsp status=\"fail\"><error code=\"p001\">x</error><error_description>Невідомий &amp; дивний</error_description></rsp>".as_bytes()).unwrap();
    assert_eq!(
        one,
        Answer::Fail {
            code: "p001".into(),
            description: Some("Invalid method name".into())
        }
    );
    assert_eq!(
        two,
        Answer::Fail {
            code: "p001".into(),
            description: Some("Невідомий & дивний".into())
        }
    );
}

#[test]
fn ok_without_a_bill_is_told_apart_from_a_bill() {
    assert_eq!(parse(b"<rsp status=\"ok\"/>"), Ok(Answer::Ok(None)));
}

#[test]
fn an_empty_answer_is_empty() {
    assert_eq!(refused(""), XmlError::Empty);
    assert_eq!(refused(" \r\n\t"), XmlError::Empty);
    assert_eq!(refused("\u{feff}"), XmlError::Empty);
}

#[test]
fn an_answer_that_is_cut_off_anywhere_never_passes_for_a_whole_one() {
    let whole = format!(
        "{HEAD}<rsp status=\"ok\"><bill id=\"523\"><paidAmount>50.00</paidAmount><status>paid</status></bill></rsp>"
    );
    assert!(parse(whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        assert!(parse(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn malformed_answers_are_refused() {
    for document in [
        "<rsp status=\"ok\"><bill id=\"1\"></rsp></bill>",
        "<rsp status=\"ok\"></rsp><rsp status=\"ok\"></rsp>",
        "<rsp status=\"ok\"></rsp>trailing",
        "leading<rsp status=\"ok\"></rsp>",
        "<rsp status=\"ok\" status=\"fail\"></rsp>",
        "<rsp status=ok></rsp>",
        "no markup at all",
        "</rsp>",
        "<",
    ] {
        assert_eq!(refused(document), XmlError::NotWellFormed, "{document}");
    }
}

#[test]
fn an_html_page_is_not_an_answer() {
    assert!(parse(b"<!DOCTYPE html><html><body>soon</body></html>").is_err());
    assert_eq!(
        refused("<html><body><p>soon</p></body></html>"),
        XmlError::Shape
    );
}

#[test]
fn a_document_type_is_refused_before_anything_is_expanded() {
    let external = "<!DOCTYPE rsp [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><rsp status=\"ok\"><bill id=\"1\">&x;</bill></rsp>";
    let bomb = "<!DOCTYPE rsp [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><rsp status=\"ok\"><bill id=\"1\">&b;</bill></rsp>";
    assert_eq!(refused(external), XmlError::Forbidden);
    assert_eq!(refused(bomb), XmlError::Forbidden);
    assert_eq!(
        refused("<rsp status=\"ok\"><bill id=\"1\"><status>&paid;</status></bill></rsp>"),
        XmlError::Forbidden
    );
    assert_eq!(
        refused("<rsp status=\"ok\"><bill id=\"&#49;\"/></rsp>"),
        XmlError::Forbidden
    );
    assert_eq!(
        refused("<rsp status=\"ok\"><?run me?><bill id=\"1\"/></rsp>"),
        XmlError::Forbidden
    );
}

#[test]
fn another_encoding_is_refused_whether_declared_or_found() {
    assert_eq!(
        refused("<?xml version=\"1.0\" encoding=\"windows-1251\"?><rsp status=\"ok\"/>"),
        XmlError::Charset
    );
    assert_eq!(
        parse(b"<rsp status=\"fail\"><error code=\"p001\">\xca\xe8\xbf\xe2</error></rsp>"),
        Err(XmlError::Charset)
    );
    let utf16: Vec<u8> = "<rsp status=\"ok\"/>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(parse(&utf16).is_err());
}

#[test]
fn size_depth_and_number_of_elements_are_bounded() {
    let long = format!("<rsp status=\"ok\"><!--{}--></rsp>", "x".repeat(MAX_BYTES));
    let deep = format!(
        "<rsp status=\"ok\">{}{}</rsp>",
        "<a>".repeat(50),
        "</a>".repeat(50)
    );
    let wide = format!("<rsp status=\"ok\">{}</rsp>", "<a/>".repeat(1000));
    assert_eq!(refused(&long), XmlError::TooLong);
    assert_eq!(refused(&deep), XmlError::TooComplex);
    assert_eq!(refused(&wide), XmlError::TooComplex);
}

#[test]
fn contradictions_are_ambiguous() {
    for body in [
        "<bill id=\"1\"/><bill id=\"2\"/>",
        "<bill id=\"1\"><billId>2</billId></bill>",
        "<bill id=\"1\"><status>paid</status><status>rejected</status></bill>",
        "<bill id=\"1\"><paidAmount>50.00</paidAmount><paidAmount>50.00</paidAmount></bill>",
        "<bill id=\"1\"/><error code=\"p001\"/>",
    ] {
        assert_eq!(
            refused(&format!("<rsp status=\"ok\">{body}</rsp>")),
            XmlError::Ambiguous,
            "{body}"
        );
    }
    assert_eq!(
        refused("<rsp status=\"fail\"><error code=\"1\"/><bill id=\"1\"/></rsp>"),
        XmlError::Ambiguous
    );
}

#[test]
fn answers_of_another_shape_are_refused() {
    for document in [
        "<rsp/>",
        "<rsp status=\"OK\"><bill id=\"1\"/></rsp>",
        "<rsp status=\"maybe\"><bill id=\"1\"/></rsp>",
        "<response status=\"ok\"><bill id=\"1\"/></response>",
        "<rsp status=\"ok\"><bill/></rsp>",
        "<rsp status=\"ok\"><bill id=\"\"/></rsp>",
        "<rsp status=\"ok\"><bill id=\"1\"><status><b>paid</b></status></bill></rsp>",
        "<rsp status=\"fail\"/>",
        "<rsp status=\"fail\"><error>words only</error></rsp>",
    ] {
        assert_eq!(refused(document), XmlError::Shape, "{document}");
    }
}

#[test]
fn an_amount_in_any_odd_form_makes_the_answer_unusable() {
    for amount in ["100.001", "1e2", "-1.00", "50,00", "５０.00", "NaN"] {
        let body =
            format!("<bill id=\"1\"><paidAmount>{amount}</paidAmount><status>paid</status></bill>");
        assert_eq!(bill(&body), Err(XmlError::Amount), "{amount}");
    }
}

#[test]
fn an_unreadable_date_does_not_turn_a_paid_bill_into_an_unknown_one() {
    let paid = bill("<bill id=\"1\"><paidAmount>1.00</paidAmount><payDate>31.02.2026</payDate><status>paid</status></bill>").unwrap();
    assert_eq!(
        (paid.pay_date, paid.status.as_deref()),
        (None, Some("paid"))
    );
}

#[test]
fn what_is_shown_for_debugging_holds_no_phone_and_no_sum() {
    let shown = format!("{:?}", bill("<bill id=\"1\"><contractNumber>380671234567</contractNumber><paidAmount>77.31</paidAmount></bill>").unwrap());
    assert!(
        !shown.contains("380671234567") && !shown.contains("7731") && !shown.contains("77.31"),
        "{shown}"
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _any_result = parse(&bytes);
    }

    #[test]
    fn no_markup_like_text_makes_the_reader_panic(text in "[<>/&;=\"a-c!\\[\\]?-]{0,80}") {
        let _any_result = parse(format!("<rsp status=\"ok\">{text}</rsp>").as_bytes());
    }
}
