//! What was read on a receipt: the contract between reading (`ocr`) and deciding ([`crate::rules`]).
//!
//! Facts only, each with the confidence of its reading. Whether they earn anything is not decided here.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::money::Currency;
use crate::quantity::Quantity;

/// Confidence of a reading in thousandths: 0 (a guess) to 1000 (certain). Integers, since decisions about money hang on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Confidence(u16);

impl Confidence {
    /// Certain: decoded with its own error correction, or confirmed by arithmetic.
    pub const CERTAIN: Self = Self(1_000);

    /// A confidence of so many thousandths; more than 1000 counts as 1000.
    #[must_use]
    pub const fn from_thousandths(value: u16) -> Self {
        Self(if value > 1_000 { 1_000 } else { value })
    }

    /// The confidence in thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

/// Where on the photo something stands, in pixels of the original image turned upright by its EXIF orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A value with the confidence of its reading and, when known, its place on the photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field<T> {
    /// The value.
    pub value: T,
    /// How sure the reading is.
    pub confidence: Confidence,
    /// Where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
}

impl<T> Field<T> {
    /// A value read with this confidence, place unknown.
    pub const fn new(value: T, confidence: Confidence) -> Self {
        Self {
            value,
            confidence,
            region: None,
        }
    }
}

/// The form of a fiscal QR code (receipts specification, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QrForm {
    /// A link to the Ukrainian tax cabinet.
    Link,
    /// The Ukrainian form with a MAC and no link.
    Mac,
    /// The Russian `t=…&s=…&fn=…&i=…&fp=…&n=…` form.
    Russian,
}

/// A complete fiscal QR code: identity, time and total of the receipt with certainty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FiscalQr {
    /// Which form the code had.
    pub form: QrForm,
    /// Number of the cash register (`fn`).
    pub register_number: String,
    /// Number of the receipt within the register (`id`, `i`), without leading zeros.
    pub receipt_number: String,
    /// Local date and time of the purchase; seconds are zero where the code has none.
    pub purchased_at: NaiveDateTime,
    /// Total in minor units of [`FiscalQr::currency`].
    pub total_minor: i64,
    /// Currency by the form of the code.
    pub currency: Currency,
    /// Whether the code says that this is a return of goods.
    pub is_return: bool,
}

/// What the search for a QR code found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum QrReading {
    /// No code could be decoded.
    Missing,
    /// A complete fiscal code.
    Fiscal {
        /// Its content.
        fiscal: FiscalQr,
        /// The step of the ladder that decoded it.
        step: String,
    },
    /// A fiscal code that lacks something.
    Incomplete {
        /// Names of the missing or unreadable parameters.
        missing: Vec<String>,
        /// The step of the ladder that decoded it.
        step: String,
    },
    /// A code that belongs to something else (Wi-Fi, advertising). Its content is not kept.
    NotAReceipt {
        /// The step of the ladder that decoded it.
        step: String,
    },
}

impl QrReading {
    /// The fiscal content, when there is one.
    #[must_use]
    pub const fn fiscal(&self) -> Option<&FiscalQr> {
        match self {
            Self::Fiscal { fiscal, .. } => Some(fiscal),
            _ => None,
        }
    }
}

/// One line of goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptItem {
    /// The name as printed.
    pub name: String,
    /// How much was bought.
    pub quantity: Quantity,
    /// Price of one unit, minor units.
    pub unit_price_minor: Option<i64>,
    /// Sum of the line, minor units, before [`ReceiptItem::discount_minor`].
    pub sum_minor: i64,
    /// Discount on this line, minor units, not negative.
    #[serde(default)]
    pub discount_minor: i64,
    /// VAT letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<String>,
    /// EAN, when printed and its check digit holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// The shop's article number (`АРТ.№`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How sure the reading of the line is.
    pub confidence: Confidence,
}

/// A named doubt that lowers the confidence and sends a receipt to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anomaly {
    /// Lines less discounts differ from the total by more than the tolerance.
    TotalMismatch {
        /// Lines less discounts, minor units.
        lines_minor: i64,
        /// The printed total, minor units.
        total_minor: i64,
    },
    /// A printed VAT sum does not follow from its rate.
    VatMismatch {
        /// The VAT letter or rate as printed.
        tax: String,
    },
    /// The text disagrees with the QR code on this field (`total`, `date`, `register_number`).
    QrMismatch {
        /// Name of the field.
        field: String,
    },
    /// Something else that the reader names.
    Other {
        /// What it is, in snake_case.
        code: String,
    },
}

/// Everything read from one photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognition {
    /// The QR code, which wins over text where both speak.
    pub qr: QrReading,
    /// Legal name or outlet.
    pub merchant: Option<Field<String>>,
    /// Tax id (ІПН, ПН, ІД), digits only.
    pub tax_id: Option<Field<String>>,
    /// Register number read as text.
    pub register_number: Option<Field<String>>,
    /// Receipt number read as text.
    pub receipt_number: Option<Field<String>>,
    /// Local date and time read as text.
    pub purchased_at: Option<Field<NaiveDateTime>>,
    /// Local date, when no time could be read.
    pub purchased_on: Option<Field<NaiveDate>>,
    /// Currency of all sums.
    pub currency: Currency,
    /// Total read as text (`ДО СПЛАТИ` wins over `СУМА` when they differ by cash rounding), minor units.
    pub total_minor: Option<Field<i64>>,
    /// Lines of goods.
    pub items: Vec<ReceiptItem>,
    /// Whether the text says that this is a return.
    pub is_return: bool,
    /// Overall confidence.
    pub confidence: Confidence,
    /// Named doubts.
    pub anomalies: Vec<Anomaly>,
    /// The text as read, in reading order; at most 16 KiB.
    pub text: String,
    /// Milliseconds spent, by stage, in order.
    pub stage_ms: Vec<(String, u32)>,
    /// Short edge of the photo in pixels (a hint to photograph again below 600).
    pub short_edge_px: u32,
}

impl Recognition {
    /// Local time of the purchase: from the QR code, else from the text.
    #[must_use]
    pub fn purchase_time(&self) -> Option<NaiveDateTime> {
        self.qr
            .fiscal()
            .map(|qr| qr.purchased_at)
            .or_else(|| self.purchased_at.as_ref().map(|f| f.value))
    }

    /// Total in minor units: from the QR code, else from the text.
    #[must_use]
    pub fn total(&self) -> Option<i64> {
        self.qr
            .fiscal()
            .map(|qr| qr.total_minor)
            .or_else(|| self.total_minor.as_ref().map(|f| f.value))
    }
}
