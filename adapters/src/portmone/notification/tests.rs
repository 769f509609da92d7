#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn encoded(document: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("data", document)
        .finish()
}

fn by_form(document: &str) -> Result<PortmoneNotification, NotificationError> {
    parse_notification(FORM, encoded(document).as_bytes())
}

fn bill_document(fields: &str) -> String {
    format!("<BILLS><BILL><BILL_ID>14561</BILL_ID>{fields}</BILL></BILLS>")
}

fn one_bill(fields: &str) -> Result<BillNotice, NotificationError> {
    match by_form(&bill_document(fields))? {
        PortmoneNotification::Bills(mut bills) if bills.len() == 1 => Ok(bills.remove(0)),
        other => panic!("not one bill: {other:?}"),
    }
}

fn amount(text: &str) -> Result<Movement, NotificationError> {
    one_bill(&format!("<PAYED_AMOUNT>{text}</PAYED_AMOUNT>")).map(|bill| bill.movement)
}

fn uah(minor: i64) -> Kopecks {
    Kopecks::new(minor).unwrap()
}

const WHOLE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><BILLS><BILL>\
    <PAYEE><NAME>Квіт &amp; Ко</NAME><CODE>1001</CODE></PAYEE>\
    <BANK><NAME>Bank</NAME><CODE>300131</CODE><ACCOUNT>29240000000001</ACCOUNT></BANK>\
    <BILL_ID>14561</BILL_ID><BILL_NUMBER>op-42</BILL_NUMBER><BILL_DATE>2026-02-01</BILL_DATE><BILL_PERIOD>0226</BILL_PERIOD>\
    <PAY_DATE>2026-02-15</PAY_DATE><PAY_TIME>16:25:14</PAY_TIME><PAYED_AMOUNT>120.35</PAYED_AMOUNT>\
    <PAYED_COMMISSION>1.8</PAYED_COMMISSION><PAYED_DEBT>0</PAYED_DEBT><AUTH_CODE>739280</AUTH_CODE><STATUS>PAYED</STATUS>\
    <CARD_MASK>444433******0000</CARD_MASK>\
    <PAYER><CONTRACT_NUMBER>380671112233</CONTRACT_NUMBER><ATTRIBUTE1>перший</ATTRIBUTE1></PAYER></BILL></BILLS>";

#[test]
fn a_paid_bill_is_read_in_full_from_the_form_and_from_plain_xml() {
    let from_form = by_form(WHOLE).unwrap();
    assert_eq!(
        parse_notification("text/xml; charset=utf-8", WHOLE.as_bytes()).unwrap(),
        from_form
    );
    let PortmoneNotification::Bills(bills) = from_form else {
        panic!("not bills")
    };
    let bill = &bills[0];
    assert_eq!(bill.effect(), ("14561", "paid"));
    assert_eq!(bill.movement, Movement::Forward(uah(12_035)));
    assert_eq!(bill.commission, Some(uah(180)));
    assert_eq!(bill.payee_code.as_deref(), Some("1001"));
    assert_eq!(bill.bill_number.as_deref(), Some("op-42"));
    assert_eq!(bill.paid_at.unwrap().to_string(), "2026-02-15 16:25:14");
    assert_eq!(bill.contract_number.as_deref(), Some("380671112233"));
    assert_eq!(bill.attributes[0].as_deref(), Some("перший"));
}

#[test]
fn f53_a_negative_amount_is_a_reversal_of_the_same_bill_and_its_effect_has_one_name() {
    let paid = one_bill("<PAYED_AMOUNT>50</PAYED_AMOUNT>").unwrap();
    let reversal = "<PAYED_AMOUNT>-50</PAYED_AMOUNT><PAYED_COMMISSION>-0.75</PAYED_COMMISSION>";
    let reversed = one_bill(reversal).unwrap();
    assert_eq!(reversed.bill_id, paid.bill_id);
    assert_eq!(reversed.movement, Movement::Back(uah(5_000)));
    assert_eq!(reversed.commission, Some(uah(75)));
    assert_eq!(reversed.effect(), ("14561", "reversed"));
    assert_ne!(reversed.effect(), paid.effect());
    // A second copy, sent later by the provider's clock, is the same effect.
    let copy = one_bill(&format!("{reversal}<PAY_DATE>2026-02-16</PAY_DATE>")).unwrap();
    assert_eq!(copy.effect(), reversed.effect());
}

/// Also F53.
#[test]
fn f22_amounts_are_read_strictly_and_a_minus_is_allowed_only_where_it_means_a_reversal() {
    for (text, movement) in [
        ("50", Movement::Forward(uah(5_000))),
        ("-9", Movement::Back(uah(900))),
        ("1.01", Movement::Forward(uah(101))),
        ("120.35", Movement::Forward(uah(12_035))),
        (
            "999999999999.99",
            Movement::Forward(uah(99_999_999_999_999)),
        ),
    ] {
        assert_eq!(amount(text), Ok(movement), "{text}");
    }
    for text in [
        "0",
        "-0",
        "1e2",
        "100.001",
        "50,00",
        "５０",
        "--9",
        "+9",
        "1 000",
        "1000000000000000000",
        "NaN",
        "0x10",
    ] {
        assert_eq!(amount(text), Err(NotificationError::Amount), "{text}");
    }
    let charged_back = "<PAYED_AMOUNT>50</PAYED_AMOUNT><PAYED_COMMISSION>-1</PAYED_COMMISSION>";
    assert_eq!(one_bill(charged_back), Err(NotificationError::Amount));
    let settlement = "<PAY_ORDERS><PAY_ORDER><PAY_ORDER_ID>7</PAY_ORDER_ID><PAY_ORDER_AMOUNT>-1</PAY_ORDER_AMOUNT>\
        <BILLS><BILL><BILL_ID>1</BILL_ID><PAYED_AMOUNT>1</PAYED_AMOUNT></BILL></BILLS></PAY_ORDER></PAY_ORDERS>";
    assert_eq!(by_form(settlement), Err(NotificationError::Amount));
}

#[test]
fn f45_what_is_not_a_whole_document_in_utf_8_is_a_typed_error() {
    use NotificationError as E;
    let bill = bill_document("<PAYED_AMOUNT>50</PAYED_AMOUNT>");
    assert_eq!(by_form(""), Err(E::Empty));
    assert_eq!(parse_notification(FORM, b" \r\n"), Err(E::Empty));
    assert_eq!(parse_notification("", b""), Err(E::Empty));
    assert_eq!(
        by_form(&bill[..bill.len() - 3]),
        Err(E::Xml(XmlError::NotWellFormed))
    );
    assert_eq!(by_form("<BILLS/>"), Err(E::Missing("BILL")));
    assert_eq!(
        by_form("<BILLS><BILL/></BILLS>"),
        Err(E::Missing("PAYED_AMOUNT"))
    );
    assert_eq!(by_form("<OTHER/>"), Err(E::Xml(XmlError::Shape)));
    for page in [
        "<!DOCTYPE html><html></html>",
        "<HTML><body/></HTML>",
        " <html>",
    ] {
        assert_eq!(
            parse_notification("text/xml", page.as_bytes()),
            Err(E::Html),
            "{page}"
        );
        assert_eq!(by_form(page), Err(E::Html), "{page}");
        assert_eq!(
            parse_notification("text/html", page.as_bytes()),
            Err(E::Html)
        );
    }
    assert_eq!(parse_notification("text/html", b"soon"), Err(E::Html));
    assert_eq!(parse_notification("image/png", b"x"), Err(E::MediaType));
    assert_eq!(
        parse_notification("multipart/form-data", bill.as_bytes()),
        Err(E::MediaType)
    );
    let charset = "text/xml; charset=windows-1251";
    assert_eq!(
        parse_notification(charset, bill.as_bytes()),
        Err(E::Charset)
    );
    let declared = format!("<?xml version=\"1.0\" encoding=\"windows-1251\"?>{bill}");
    assert_eq!(by_form(&declared), Err(E::Charset));
    assert_eq!(
        parse_notification(FORM, b"data=%3CBILLS%3E%CA%E8%BF%E2%3C/BILLS%3E"),
        Err(E::Charset)
    );
    assert_eq!(
        parse_notification("application/json", b"{\"shopBillId\":\"\xca\"}"),
        Err(E::Charset)
    );
    assert_eq!(
        parse_notification(FORM, &vec![b'x'; MAX_NOTIFICATION_BYTES + 1]),
        Err(E::TooLong)
    );
    let wide = format!("<BILLS>{}</BILLS>", "<BILL/>".repeat(50_000));
    assert_eq!(
        parse_notification("text/xml", wide.as_bytes()),
        Err(E::Xml(XmlError::TooComplex))
    );
    let many: String = (0..40).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(
        by_form(&format!("<BILLS{many}/>")),
        Err(E::Xml(XmlError::TooComplex))
    );
}

/// Also F25.
#[test]
fn f45_a_document_type_is_refused_before_anything_is_fetched_or_expanded() {
    let bill = bill_document("<PAYED_AMOUNT>50</PAYED_AMOUNT><STATUS>&x;</STATUS>");
    for head in [
        "<!DOCTYPE BILLS [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>",
        "<!DOCTYPE BILLS [<!ENTITY a \"aaaa\"><!ENTITY x \"&a;&a;&a;&a;\">]>",
        "<!DOCTYPE BILLS SYSTEM \"http://127.0.0.1:1/x.dtd\">",
        "<?xml-stylesheet href=\"x\"?>",
        "",
    ] {
        assert_eq!(
            by_form(&format!("{head}{bill}")),
            Err(NotificationError::Xml(XmlError::Forbidden)),
            "{head}"
        );
    }
}

#[test]
fn f25_a_form_holds_exactly_one_document() {
    let one = encoded(&bill_document("<PAYED_AMOUNT>50</PAYED_AMOUNT>"));
    let form = |body: &str| {
        parse_notification(
            "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
            body.as_bytes(),
        )
    };
    assert!(form(&format!("a=b&{one}&c")).is_ok());
    assert_eq!(form(&format!("{one}&{one}")), Err(NotificationError::Form));
    assert_eq!(form("a=b"), Err(NotificationError::Form));
    assert_eq!(form("data"), Err(NotificationError::Form));
}

#[test]
fn a_card_payment_in_json_is_read_whatever_media_type_a_careless_client_gives_it() {
    let body = br#"{"shopOrderNumber":"op-42","shopBillId":434226609,"status":"PAYED","billAmount":"50","payee_id":"1185","extra":{"a":[1]}}"#;
    for media in [
        "application/json",
        "application/json;charset=\"utf-8\"",
        FORM,
        "",
    ] {
        let Ok(PortmoneNotification::Payment(payment)) = parse_notification(media, body) else {
            panic!("not a payment: {media}")
        };
        assert_eq!(
            (
                payment.shop_order_number.as_str(),
                payment.shop_bill_id.as_str()
            ),
            ("op-42", "434226609")
        );
        assert_eq!(payment.amount, Some(Movement::Forward(uah(5_000))));
        assert_eq!(payment.payee_id.as_deref(), Some("1185"));
    }
    let bare = parse_notification(
        "application/json",
        br#"{"shopOrderNumber":"a","shopBillId":"1"}"#,
    );
    assert!(
        matches!(bare, Ok(PortmoneNotification::Payment(_))),
        "{bare:?}"
    );
}

#[test]
fn f25_json_that_lacks_a_number_contradicts_itself_or_is_something_else_is_a_typed_error() {
    use NotificationError as E;
    let json = |body: &str| parse_notification("application/json", body.as_bytes());
    assert_eq!(
        json("{\"shopBillId\":\"1\"}"),
        Err(E::Missing("shopOrderNumber"))
    );
    assert_eq!(
        json("{\"shopOrderNumber\":\"a b\",\"shopBillId\":\"1\"}"),
        Err(E::Missing("shopOrderNumber"))
    );
    assert_eq!(
        json("{\"shopOrderNumber\":\"a\"}"),
        Err(E::Missing("shopBillId"))
    );
    assert_eq!(json("[]"), Err(E::Json(JsonError::Shape)));
    assert_eq!(json("{"), Err(E::Json(JsonError::NotWellFormed)));
    assert_eq!(
        json("{\"shopBillId\":\"1\",\"shopBillId\":\"2\"}"),
        Err(E::Json(JsonError::Ambiguous))
    );
    assert_eq!(
        json("{\"shopOrderNumber\":\"a\",\"shopBillId\":\"1\",\"shop_bill_id\":\"2\"}"),
        Err(E::Json(JsonError::Ambiguous))
    );
    for amount in ["1e2", "1.001", "\"\u{ff15}\"", "0"] {
        let body =
            format!("{{\"shopOrderNumber\":\"a\",\"shopBillId\":\"1\",\"billAmount\":{amount}}}");
        assert_eq!(json(&body), Err(E::Amount), "{amount}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(500_000));
    assert_eq!(json(&deep), Err(E::Json(JsonError::NotWellFormed)));
}

fn settlement(amount: &str) -> PayOrder {
    let document = format!(
        "<PAY_ORDERS><PAY_ORDER><PAY_ORDER_ID>7001</PAY_ORDER_ID><PAY_ORDER_NUMBER>88</PAY_ORDER_NUMBER>\
         <PAY_ORDER_DATE>2026-02-16</PAY_ORDER_DATE><PAY_ORDER_AMOUNT>{amount}</PAY_ORDER_AMOUNT>\
         <PAYEE><NAME>N</NAME><CODE>1185</CODE></PAYEE><BANK><NAME>B</NAME><CODE>1</CODE><ACCOUNT>2</ACCOUNT></BANK><BILLS>\
         <BILL><BILL_ID>1</BILL_ID><PAYED_AMOUNT>100</PAYED_AMOUNT><PAYED_COMMISSION>1.5</PAYED_COMMISSION></BILL>\
         <BILL><BILL_ID>2</BILL_ID><PAYED_AMOUNT>50.50</PAYED_AMOUNT><PAYED_COMMISSION>0.76</PAYED_COMMISSION></BILL>\
         <BILL><BILL_ID>1</BILL_ID><PAYED_AMOUNT>-9</PAYED_AMOUNT></BILL></BILLS></PAY_ORDER></PAY_ORDERS>"
    );
    match by_form(&document).unwrap() {
        PortmoneNotification::Settlement(mut orders) => orders.remove(0),
        other => panic!("not a settlement: {other:?}"),
    }
}

/// Also F61: a settlement that does not add up says by how much.
#[test]
fn f61_a_settlement_lists_its_bills_and_tells_whether_the_sum_that_arrived_fits_them() {
    let net = settlement("139.24");
    assert_eq!((net.id.as_str(), net.bills.len()), ("7001", 3));
    assert_eq!(net.payee_code.as_deref(), Some("1185"));
    let sums = net.sums().unwrap();
    assert_eq!(
        sums,
        SettlementSums {
            paid: 15_050,
            reversed: 900,
            fees: 226,
            arrived: 13_924
        }
    );
    assert_eq!(sums.fit(), Some(SettlementFit::Net));
    assert_eq!(
        settlement("141.50").sums().unwrap().fit(),
        Some(SettlementFit::Gross)
    );
    assert_eq!(
        settlement("139.23").sums().unwrap().fit(),
        Some(SettlementFit::Neither { difference: -1 })
    );
}

#[test]
fn a_question_about_payers_is_read_and_answered_with_a_refusal_of_each() {
    let document = "<REQUESTS><PAYEE>1185</PAYEE><PAYER><CONTRACT_NUMBER>380671112233</CONTRACT_NUMBER>\
        <ATTRIBUTE2>&lt;b&gt;</ATTRIBUTE2></PAYER><PAYER><CONTRACT_NUMBER>7</CONTRACT_NUMBER></PAYER></REQUESTS>";
    let notification = by_form(document).unwrap();
    let answer = acknowledgement(&notification, "n-1");
    assert_eq!(
        answer.body,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><RESPONSE><BILLS><PAYEE>1185</PAYEE></BILLS><REJECTS><PAYEE>1185</PAYEE>\
         <REJECT><PAYER><CONTRACT_NUMBER>380671112233</CONTRACT_NUMBER><ATTRIBUTE2>&lt;b&gt;</ATTRIBUTE2></PAYER>\
         <ERROR_CODE>1</ERROR_CODE><ERROR_MESSAGE>payer not found</ERROR_MESSAGE></REJECT>\
         <REJECT><PAYER><CONTRACT_NUMBER>7</CONTRACT_NUMBER></PAYER><ERROR_CODE>1</ERROR_CODE>\
         <ERROR_MESSAGE>payer not found</ERROR_MESSAGE></REJECT></REJECTS></RESPONSE>"
    );
}

#[test]
fn a_stored_notification_is_acknowledged_in_its_own_form() {
    let json = parse_notification(
        "application/json",
        br#"{"shopOrderNumber":"a","shopBillId":"1"}"#,
    )
    .unwrap();
    let answer = acknowledgement(&json, "17\"},<01");
    assert_eq!(
        answer.body,
        r#"{"errorCode":"0","reason":"OK","responseId":"1701"}"#
    );
    assert_eq!(answer.content_type, "application/json");
    let xml = by_form(WHOLE).unwrap();
    assert!(acknowledgement(&xml, "123456").body.ends_with(
        "<RESULT><ERROR_CODE>0</ERROR_CODE><REASON>OK</REASON><TRN_ID>123456</TRN_ID></RESULT>"
    ));
}

#[test]
fn what_is_shown_for_debugging_holds_no_phone_and_no_sum() {
    let json = br#"{"shopOrderNumber":"a","shopBillId":"1","billAmount":"120.35"}"#;
    let query =
        "<REQUESTS><PAYER><CONTRACT_NUMBER>380671112233</CONTRACT_NUMBER></PAYER></REQUESTS>";
    let shown = format!(
        "{:?} {:?} {:?} {:?}",
        by_form(WHOLE).unwrap(),
        settlement("120.35"),
        parse_notification("application/json", json).unwrap(),
        by_form(query).unwrap()
    );
    for hidden in ["380671112233", "12035", "120.35", "444433"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

proptest::proptest! {
    #[test]
    fn f25_no_bytes_of_any_media_type_make_the_reader_panic(
        media in "(application/json|text/xml|application/x-www-form-urlencoded|[ -~]{0,20})",
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
    ) {
        let _any_result = parse_notification(&media, &bytes);
    }

    #[test]
    fn f25_no_document_like_text_makes_the_reader_panic(
        body in "(data=)?(<(BILLS|PAY_ORDERS|REQUESTS)>)?[<>/&;=\"A-D_!\\[\\]?%{}:,0-9.\\-]{0,80}",
    ) {
        for media in ["", "text/xml", "application/json"] {
            let _any_result = parse_notification(media, body.as_bytes());
        }
    }

    #[test]
    fn whatever_whole_sum_moved_is_read_back_to_the_kopeck(minor in 1_i64..99_999_999_999, back: bool) {
        let (sum, sign) = (uah(minor), if back { "-" } else { "" });
        let read = amount(&format!("{sign}{sum}")).unwrap();
        proptest::prop_assert_eq!(read, if back { Movement::Back(sum) } else { Movement::Forward(sum) });
    }
}
