//! What a decoded QR code says, when it is the code of a fiscal receipt.
//!
//! Three forms exist: the Ukrainian link, the Ukrainian form with a MAC and no link, and the Russian one. The result
//! is a complete identity, an incomplete one that names what is missing, or "another kind of code". The input comes
//! from a stranger's photo: it is bounded, compared strictly, and amounts are read as integers.

mod fields;
mod link;
mod mac;
mod russian;

use kvit_domain::recognition::FiscalQr;

/// Longest content that is looked at, in bytes; a QR code cannot hold more than 2 953.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024;

/// What the content of a QR code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QrContent {
    /// A complete fiscal code.
    Fiscal(FiscalQr),
    /// A fiscal code which lacks something.
    Incomplete {
        /// Names of the parameters that are missing, unreadable or contradictory, in the order of the form.
        missing: Vec<String>,
    },
    /// Something else: Wi-Fi, advertising, a menu.
    NotAReceipt,
}

/// Reads the content of a QR code.
#[must_use]
pub fn parse(content: &str) -> QrContent {
    if content.len() > CONTENT_BYTES_MAX {
        return QrContent::NotAReceipt;
    }
    // Registers pad their codes with NUL and control bytes at the ends; inside, such a byte is a fault of the field.
    let content =
        content.trim_matches(|c: char| c.is_control() || c.is_whitespace() || c == '\u{feff}');
    link::parse(content)
        .or_else(|| mac::parse(content))
        .or_else(|| russian::parse(content))
        .unwrap_or(QrContent::NotAReceipt)
}

/// The result from parts of which some may be absent.
fn complete(fiscal: Option<FiscalQr>, missing: Vec<&str>) -> QrContent {
    match fiscal {
        Some(fiscal) if missing.is_empty() => QrContent::Fiscal(fiscal),
        _ => QrContent::Incomplete {
            missing: missing.into_iter().map(str::to_owned).collect(),
        },
    }
}

#[cfg(test)]
mod tests;
