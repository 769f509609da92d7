//! What a QR code on a stranger's photo says.

use chrono::{Datelike as _, NaiveDateTime};
use kvit_domain::ids::fiscal_receipt_stream;
use kvit_domain::money::Currency;
use kvit_domain::recognition::{FiscalQr, QrForm};

use crate::fiscal_qr::{CONTENT_BYTES_MAX, QrContent, parse};

/// A complete code is within all bounds and, written again in its form, reads the same.
pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = parse(&text);
    let padded = format!("\u{0}\u{feff}\r\n{text}\u{0}\n ");
    if padded.len() <= CONTENT_BYTES_MAX {
        assert_eq!(parse(&padded), read, "padding means nothing");
    }
    match read {
        QrContent::Fiscal(fiscal) => is_sound(&fiscal),
        QrContent::Incomplete { missing } => {
            assert!(!missing.is_empty() && missing.len() <= 6);
            assert!(
                missing
                    .iter()
                    .all(|name| !text.is_empty() && name.len() <= 4)
            );
        }
        QrContent::NotAReceipt => {}
    }
}

fn is_sound(fiscal: &FiscalQr) {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(fiscal.total_minor >= 0 && fiscal.total_minor < 1_000_000_000_000);
    assert!((2_000..2_100).contains(&fiscal.purchased_at.year()));
    let (length, currency) = match fiscal.form {
        QrForm::Link | QrForm::Mac => (10, Currency::Uah),
        QrForm::Russian => (16, Currency::Rub),
    };
    assert!(fiscal.register_number.len() == length && digits(&fiscal.register_number));
    assert_eq!(fiscal.currency, currency);
    let number = &fiscal.receipt_number;
    assert!((1..=32).contains(&number.len()));
    assert!(number == "0" || !number.starts_with('0'));
    let stream = fiscal_receipt_stream(&fiscal.register_number, number, fiscal.purchased_at.date());
    assert!(stream.is_valid(), "{stream}");
    let again = written(fiscal);
    assert_eq!(parse(&again), QrContent::Fiscal(fiscal.clone()), "{again}");
}

/// The code as a register would print it.
fn written(fiscal: &FiscalQr) -> String {
    let sum = format!(
        "{}.{:02}",
        fiscal.total_minor / 100,
        fiscal.total_minor % 100
    );
    let (register, number) = (&fiscal.register_number, &fiscal.receipt_number);
    let at = |form: &str| NaiveDateTime::format(&fiscal.purchased_at, form).to_string();
    match fiscal.form {
        QrForm::Link => {
            let kind = if fiscal.is_return {
                "&docsubtype=1"
            } else {
                ""
            };
            format!(
                "https://cabinet.tax.gov.ua/cashregs/check?id={number}&date={}&time={}&fn={register}&sm={sum}{kind}",
                at("%Y%m%d"),
                at("%H:%M:%S")
            )
        }
        QrForm::Mac => format!(
            "AbCdEfGhIjKlMnOpQrStUv==;{:010};{};{register};{number:0>10}",
            fiscal.total_minor,
            at("%d%m%y%H%M")
        ),
        QrForm::Russian => {
            let kind = if fiscal.is_return { 2 } else { 1 };
            format!(
                "t={}&s={sum}&fn={register}&i={number}&fp=1&n={kind}",
                at("%Y%m%dT%H%M%S")
            )
        }
    }
}
