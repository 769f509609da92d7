//! What was read on a receipt, for people who check it.

use chrono::{NaiveDate, NaiveDateTime};
use kvit_domain::money::Currency;
use kvit_domain::recognition::{Anomaly, Field, QrReading, ReceiptItem, Recognition};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::amount::Amount;

/// A field with how sure its reading is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadField {
    /// The value as text: a name, digits, a date, an amount with a dot.
    pub value: String,
    /// 0 to 1000.
    pub confidence: u16,
    /// Left, top, width and height on the photo in pixels, when known.
    pub region: Option<[u32; 4]>,
}

fn field<T>(field: &Field<T>, show: impl Fn(&T) -> String) -> ReadField {
    ReadField {
        value: show(&field.value),
        confidence: field.confidence.thousandths(),
        region: field.region.map(|r| [r.x, r.y, r.width, r.height]),
    }
}

fn text(read: Option<&Field<String>>) -> Option<ReadField> {
    read.map(|read| field(read, Clone::clone))
}

/// A line of goods.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadItem {
    /// The name as printed.
    pub name: String,
    /// Quantity with three decimals.
    #[schema(example = "1.000")]
    pub quantity: String,
    /// Price of one unit.
    pub unit_price: Option<Amount>,
    /// Sum of the line before the discount.
    pub sum: Amount,
    /// Discount on the line.
    pub discount: Amount,
    /// VAT letter.
    pub tax: Option<String>,
    /// EAN.
    pub barcode: Option<String>,
    /// The shop's article number.
    pub code: Option<String>,
    /// 0 to 1000.
    pub confidence: u16,
}

fn item(item: ReceiptItem, currency: Currency) -> ReadItem {
    let amount = |minor| Amount::of(minor, currency);
    ReadItem {
        name: item.name,
        quantity: item.quantity.to_string(),
        unit_price: item.unit_price_minor.map(amount),
        sum: amount(item.sum_minor),
        discount: amount(item.discount_minor),
        tax: item.tax,
        barcode: item.barcode,
        code: item.code,
        confidence: item.confidence.thousandths(),
    }
}

/// What the QR code said.
#[derive(Debug, Serialize, ToSchema)]
pub struct QrView {
    /// `missing`, `fiscal`, `incomplete` or `not_a_receipt`.
    #[schema(example = "fiscal")]
    pub kind: &'static str,
    /// Number of the cash register.
    pub register_number: Option<String>,
    /// Number of the receipt.
    pub receipt_number: Option<String>,
    /// Local time of the purchase.
    #[schema(value_type = Option<String>, example = "2026-11-18T15:31:00")]
    pub purchased_at: Option<NaiveDateTime>,
    /// Total.
    pub total: Option<Amount>,
    /// Whether it is a return of goods.
    pub is_return: bool,
    /// What an incomplete code lacks.
    pub missing: Vec<String>,
    /// The step that decoded it.
    pub step: Option<String>,
}

impl From<QrReading> for QrView {
    fn from(reading: QrReading) -> Self {
        let empty = |kind, step| Self {
            kind,
            register_number: None,
            receipt_number: None,
            purchased_at: None,
            total: None,
            is_return: false,
            missing: Vec::new(),
            step,
        };
        match reading {
            QrReading::Missing => empty("missing", None),
            QrReading::NotAReceipt { step } => empty("not_a_receipt", Some(step)),
            QrReading::Incomplete { missing, step } => Self {
                missing,
                ..empty("incomplete", Some(step))
            },
            QrReading::Fiscal { fiscal, step } => Self {
                register_number: Some(fiscal.register_number),
                receipt_number: Some(fiscal.receipt_number),
                purchased_at: Some(fiscal.purchased_at),
                total: Some(Amount::of(fiscal.total_minor, fiscal.currency)),
                is_return: fiscal.is_return,
                ..empty("fiscal", Some(step))
            },
        }
    }
}

/// Everything that was read on one photo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reading {
    /// The QR code, which wins over text.
    pub qr: QrView,
    /// Legal name or outlet.
    pub merchant: Option<ReadField>,
    /// Tax id.
    pub tax_id: Option<ReadField>,
    /// Register number as text.
    pub register_number: Option<ReadField>,
    /// Receipt number as text.
    pub receipt_number: Option<ReadField>,
    /// Local date and time as text.
    pub purchased_at: Option<ReadField>,
    /// Local date, when no time could be read.
    pub purchased_on: Option<ReadField>,
    /// Total as text.
    pub total: Option<ReadField>,
    /// Lines of goods.
    pub items: Vec<ReadItem>,
    /// Whether the text says that it is a return.
    pub is_return: bool,
    /// 0 to 1000.
    pub confidence: u16,
    /// Named doubts.
    pub anomalies: Vec<String>,
    /// Short edge of the photo in pixels.
    pub short_edge_px: u32,
    /// Milliseconds by stage.
    pub stage_ms: Vec<StageTime>,
}

/// Time spent in a stage of reading.
#[derive(Debug, Serialize, ToSchema)]
pub struct StageTime {
    /// The stage.
    pub stage: String,
    /// Milliseconds.
    pub ms: u32,
}

fn anomaly(anomaly: Anomaly) -> String {
    match anomaly {
        Anomaly::TotalMismatch {
            lines_minor,
            total_minor,
        } => {
            format!("total_mismatch: lines {lines_minor}, total {total_minor} (minor units)")
        }
        Anomaly::VatMismatch { tax } => format!("vat_mismatch: {tax}"),
        Anomaly::QrMismatch { field } => format!("qr_mismatch: {field}"),
        Anomaly::Other { code } => code,
    }
}

impl From<Recognition> for Reading {
    fn from(read: Recognition) -> Self {
        let currency = read.currency;
        Self {
            qr: read.qr.into(),
            merchant: text(read.merchant.as_ref()),
            tax_id: text(read.tax_id.as_ref()),
            register_number: text(read.register_number.as_ref()),
            receipt_number: text(read.receipt_number.as_ref()),
            purchased_at: read
                .purchased_at
                .as_ref()
                .map(|f| field(f, |at| at.format("%Y-%m-%dT%H:%M:%S").to_string())),
            purchased_on: read
                .purchased_on
                .as_ref()
                .map(|f| field(f, NaiveDate::to_string)),
            total: read
                .total_minor
                .as_ref()
                .map(|f| field(f, |minor| Amount::of(*minor, currency).decimal)),
            items: read
                .items
                .into_iter()
                .map(|line| item(line, currency))
                .collect(),
            is_return: read.is_return,
            confidence: read.confidence.thousandths(),
            anomalies: read.anomalies.into_iter().map(anomaly).collect(),
            short_edge_px: read.short_edge_px,
            stage_ms: read
                .stage_ms
                .into_iter()
                .map(|(stage, ms)| StageTime { stage, ms })
                .collect(),
        }
    }
}
