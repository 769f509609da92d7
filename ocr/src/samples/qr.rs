//! The text inside the printed QR code, in each form that registers write.

use super::{Layout, QrKind, SampleSpec};
use base64::Engine as _;
use sha2::{Digest, Sha256};

/// The text to encode, or `None` when the paper carries no code.
pub(super) fn payload(spec: &SampleSpec) -> Option<String> {
    let sum = decimal(spec.total_minor());
    let at = spec.sold_at;
    let (number, register) = (&spec.number, &spec.register);
    match &spec.qr {
        QrKind::None => None,
        QrKind::Text(text) => Some(text.clone()),
        // Software registers put the register first and write seconds; devices put the number first and minutes.
        QrKind::Link if spec.layout == Layout::SoftwareRegister => Some(format!(
            "https://cabinet.tax.gov.ua/cashregs/check?fn={register}&id={number}&sm={sum}&time={}&date={}",
            at.format("%H%M%S"),
            at.format("%Y%m%d"),
        )),
        QrKind::Link => Some(format!(
            "https://cabinet.tax.gov.ua/cashregs/check?id={number}&date={}&time={}&fn={register}&sm={sum}",
            at.format("%Y%m%d"),
            at.format("%H%M"),
        )),
        QrKind::OldLink => Some(format!(
            "https://cabinet.sfs.gov.ua/cashregs/check?id={number}&date={}&fn={register}&sum={sum}",
            at.format("%Y%m%d%H%M%S"),
        )),
        QrKind::Mac => Some(format!(
            "{};{:010};{};{register:0>10};{number:0>10}",
            mac(spec),
            spec.total_minor(),
            at.format("%d%m%y%H%M"),
        )),
        QrKind::Russian => Some(format!(
            "t={}&s={sum}&fn={register:0>16}&i={}&fp={}&n={}",
            at.format("%Y%m%dT%H%M"),
            number_as_digits(number),
            3_000_000_000 + number_as_digits(register),
            if spec.return_receipt { 2 } else { 1 },
        )),
    }
}

/// Kopecks as `95.30`.
pub(super) fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}

/// A made-up MAC of the usual look: base64 of 32 bytes, which ends in one `=`.
fn mac(spec: &SampleSpec) -> String {
    let digest = Sha256::digest(format!(
        "{}/{}/{}",
        spec.register, spec.number, spec.sold_at
    ));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// Six digits that follow from a number, for places that want digits.
pub(super) fn number_as_digits(number: &str) -> u64 {
    number
        .bytes()
        .fold(7, |sum: u64, b| (sum * 31 + u64::from(b)) % 1_000_000)
}
