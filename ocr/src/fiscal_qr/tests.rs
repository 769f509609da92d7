#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use chrono::{NaiveDate, NaiveDateTime};
use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrForm};
use proptest::prelude::*;

use super::{CONTENT_BYTES_MAX, QrContent, parse};

fn at(day: (i32, u32, u32), clock: (u32, u32, u32)) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(day.0, day.1, day.2)
        .unwrap()
        .and_hms_opt(clock.0, clock.1, clock.2)
        .unwrap()
}

fn fiscal(content: &str) -> FiscalQr {
    match parse(content) {
        QrContent::Fiscal(fiscal) => fiscal,
        other => panic!("{content}: {other:?}"),
    }
}

fn missing(content: &str) -> Vec<String> {
    match parse(content) {
        QrContent::Incomplete { missing } => missing,
        other => panic!("{content}: {other:?}"),
    }
}

const LINK: &str = "https://cabinet.tax.gov.ua/cashregs/check?id=123456&date=20250313&time=153118&fn=4001234567&sm=95.30";

#[test]
fn a_link_gives_identity_moment_and_total() {
    let expected = FiscalQr {
        form: QrForm::Link,
        register_number: "4001234567".into(),
        receipt_number: "123456".into(),
        purchased_at: at((2025, 3, 13), (15, 31, 18)),
        total_minor: 9_530,
        currency: Currency::Uah,
        is_return: false,
    };
    assert_eq!(fiscal(LINK), expected);
}

#[test]
fn parameters_may_stand_in_any_order_and_the_old_host_counts() {
    let content = "http://CABINET.sfs.gov.ua/cashregs/check?sum=95,3&mac=ab12&fn=4001234567&time=15%3A31&id=00012&date=20250313";
    let read = fiscal(content);
    assert_eq!(
        (read.total_minor, read.receipt_number.as_str()),
        (9_530, "12")
    );
    assert_eq!(read.purchased_at, at((2025, 3, 13), (15, 31, 0)));
}

#[test]
fn every_variant_of_date_and_time_is_read() {
    let minute = at((2025, 3, 13), (15, 31, 0));
    let second = at((2025, 3, 13), (15, 31, 18));
    for (moment, expected) in [
        ("date=20250313&time=1531", minute),
        ("date=20250313&time=15:31", minute),
        ("date=20250313&time=15:31:18", second),
        ("date=13032025&time=153118", second),
        ("date=20250313153118", second),
        ("date=13032025 15:31:18", second),
        ("date=13032025+15:31:18", second),
        ("date=13032025%2015%3A31%3A18", second),
    ] {
        let content =
            format!("https://cabinet.tax.gov.ua/cashregs/check?id=1&{moment}&fn=4001234567&sm=1");
        assert_eq!(fiscal(&content).purchased_at, expected, "{moment}");
    }
}

#[test]
fn nul_and_control_bytes_are_trimmed_at_the_ends_only() {
    assert_eq!(
        fiscal(&format!("\u{feff}{LINK}\0\0\u{1}\r\n")).total_minor,
        9_530
    );
    assert_eq!(missing(&LINK.replace("95.30", "95\0.30")), ["sm"]);
}

#[test]
fn each_missing_or_unreadable_field_is_named() {
    for (from, to, name) in [
        ("id=123456&", "", "id"),
        ("date=20250313&", "date=20251332&", "date"),
        ("time=153118&", "", "time"),
        ("time=153118&", "time=2561&", "time"),
        ("fn=4001234567&", "fn=400123456&", "fn"),
        ("&sm=95.30", "", "sm"),
        ("sm=95.30", "sm=95.305", "sm"),
        ("sm=95.30", "sm=-95.30", "sm"),
        ("sm=95.30", "sm=1e5", "sm"),
        ("sm=95.30", "sm=99999999999999999999.00", "sm"),
        ("sm=95.30", "sm=95.30&sum=96.30", "sm"),
    ] {
        assert_eq!(missing(&LINK.replace(from, to)), [name], "{from} -> {to}");
    }
    assert_eq!(
        missing("https://cabinet.tax.gov.ua/cashregs/check").len(),
        5
    );
}

#[test]
fn codes_of_other_things_are_not_receipts() {
    for content in [
        "",
        "\0\0",
        "WIFI:T:WPA;S:Apteka;P:12345678;;",
        "https://example.com/cashregs/check?id=1&date=20250313&time=1531&fn=4001234567&sm=1",
        "https://cabinet.tax.gov.ua.example.com/cashregs/check?id=1&date=20250313&time=1531&fn=4001234567&sm=1",
        "https://cabinet.tax.gov.ua@example.com/cashregs/check?id=1&date=20250313&time=1531&fn=4001234567&sm=1",
        "https://cabinet.tax.gov.ua/login?id=1",
        "t=1&page=2",
        "BEGIN:VCARD;VERSION:3.0;END:VCARD",
    ] {
        assert_eq!(parse(content), QrContent::NotAReceipt, "{content}");
    }
    assert_eq!(
        parse(&format!("{LINK}&pad={}", "x".repeat(CONTENT_BYTES_MAX))),
        QrContent::NotAReceipt
    );
}

#[test]
fn the_mac_form_is_in_kopecks() {
    let read = fiscal("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=;0000003990;1303251531;3000123456;0000045678");
    assert_eq!((read.form, read.total_minor), (QrForm::Mac, 3_990));
    assert_eq!(
        (read.register_number.as_str(), read.receipt_number.as_str()),
        ("3000123456", "45678")
    );
    assert_eq!(read.purchased_at, at((2025, 3, 13), (15, 31, 0)));
    assert_eq!(
        missing("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=;0000003990;1303251531;3000123456"),
        ["id"]
    );
    assert_eq!(
        missing("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=;39.90;1303251531;3000123456;0000045678"),
        ["sm"]
    );
}

#[test]
fn the_russian_form_tells_sales_from_returns() {
    let sale = "t=20250313T1531&s=95.30&fn=9282440872636602&i=96194&fp=1362248750&n=1";
    let read = fiscal(sale);
    assert_eq!(
        (read.form, read.currency, read.total_minor, read.is_return),
        (QrForm::Russian, Currency::Rub, 9_530, false)
    );
    assert_eq!(read.purchased_at, at((2025, 3, 13), (15, 31, 0)));
    assert!(fiscal(&sale.replace("n=1", "n=2")).is_return);
    assert_eq!(missing(&sale.replace("&n=1", "")), ["n"]);
    assert_eq!(missing(&sale.replace("&fp=1362248750", "")), ["fp"]);
    assert_eq!(missing(&sale.replace("9282440872636602", "928244")), ["fn"]);
}

proptest! {
    #[test]
    fn no_content_makes_the_parser_panic(content in "\\PC{0,300}") {
        let _ = parse(&content);
    }

    #[test]
    fn no_parameters_make_the_parser_panic(query in "[a-z0-9=&%+:;., T\u{0}-]{0,200}") {
        let _ = parse(&format!("https://cabinet.tax.gov.ua/cashregs/check?{query}"));
        let _ = parse(&query);
        let _ = parse(&format!("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=;{}", query.replace('&', ";")));
    }

    #[test]
    fn a_generated_link_is_read_back(
        number in 1_u64..99_999_999_999, register in 3_000_000_000_u64..4_999_999_999, total in 0_i64..1_000_000_000,
        day in 0_i64..20_000, second in 0_u32..86_400, order in 0_usize..120,
    ) {
        let moment = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + chrono::Days::new(u64::try_from(day).unwrap());
        let moment = moment.and_time(chrono::NaiveTime::from_num_seconds_from_midnight_opt(second, 0).unwrap());
        let mut parts = [
            format!("id={number:012}"),
            format!("date={}", moment.format("%Y%m%d")),
            format!("time={}", moment.format("%H%M%S")),
            format!("fn={register}"),
            format!("sm={}.{:02}", total / 100, total % 100),
        ];
        parts.rotate_left(order % 5);
        let swapped = (order / 5) % 5;
        parts.swap(0, swapped);
        let read = fiscal(&format!("https://cabinet.tax.gov.ua/cashregs/check?{}", parts.join("&")));
        prop_assert_eq!(read.receipt_number, number.to_string());
        prop_assert_eq!(read.register_number, register.to_string());
        prop_assert_eq!(read.purchased_at, moment);
        prop_assert_eq!(read.total_minor, total);
    }
}
