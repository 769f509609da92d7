//! Invented receipts, drawn and photographed by the program itself.
//!
//! The demo, the tests and the accuracy figures need receipts whose truth is known, and real ones carry real
//! people's purchases. So this module prints its own: two pharmacy layouts on a thermal-paper raster, with a valid
//! QR code, laid on a table and "photographed" with a chosen amount of damage.
//!
//! Everything follows from the [`SampleSpec`]: the same specification gives the same bytes. There is no clock and no
//! system randomness here; times come in as arguments. Shops, addresses, numbers and barcodes are inventions.
#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "drawing: pixel coordinates are small and no money passes through a float"
)]

mod demo;
mod layout;
mod photo;
mod print;
mod products;
mod qr;
#[cfg(test)]
mod tests;

pub use demo::{DemoSample, Expected, PayoutScript, demo_set};
pub use products::{PRODUCTS, SampleProduct, product};

use chrono::NaiveDateTime;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Why a sample could not be made. Both mean a wrong specification or a broken build, never a user's fault.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The text asked for does not fit any QR code.
    #[error("the QR text does not fit a QR code")]
    Qr(#[from] qrcode::types::QrError),
    /// The font that ships in the program cannot be parsed.
    #[error("the built-in font cannot be read")]
    Font(#[from] ab_glyph::InvalidFont),
    /// The photo could not be encoded.
    #[error("the photo cannot be encoded as JPEG")]
    Jpeg(#[from] image::ImageError),
    /// The camera was asked for an impossible view.
    #[error("the paper's corners do not form a quadrilateral")]
    Geometry,
}

/// What is printed on the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Shape A: a software register (ПРРО), `1.000 x 95.31 = 95.31 Г`.
    SoftwareRegister,
    /// Shape B: a hardware register (РРО), barcode and customs code before the name, `36.50*1 шт`.
    PaperRegister,
    /// Not a receipt: a leaflet with the shop's guest Wi-Fi.
    WifiLeaflet,
    /// Not a receipt: paper with nothing on it.
    Blank,
}

/// The QR code to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QrKind {
    /// The tax office's link, with the fields in this layout's usual order and time form.
    Link,
    /// The link on the older host, with a 14-digit `date` and `sum`.
    OldLink,
    /// The offline form without a link: MAC, kopecks, time, register and number between semicolons.
    Mac,
    /// The Russian form (`t=…&s=…&fn=…`).
    Russian,
    /// Any text, for foreign codes.
    Text(String),
    /// No code at all.
    None,
}

/// How badly the photo is taken. Each step adds to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degradation {
    /// Nearly a scan: below half a degree of rotation, even light.
    Clean,
    /// A careful photo.
    Light,
    /// An ordinary hurried photo: some degrees of rotation, a shadow, soft focus.
    Moderate,
    /// A bad photo that a person can still read.
    Strong,
    /// Out of focus and faded until nobody can read it.
    Ruined,
}

/// The VAT group printed beside a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vat {
    /// Medicines, 7 %.
    Medicine,
    /// Everything else, 20 %.
    General,
}

impl Vat {
    /// The rate in percent.
    #[must_use]
    pub fn percent(self) -> i64 {
        match self {
            Self::Medicine => 7,
            Self::General => 20,
        }
    }
}

/// One line of the sale. Sums are in kopecks, quantities in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleItem {
    /// The name as printed (it may be wrapped over two lines).
    pub name: String,
    /// The shop's article number, printed by shape A.
    pub code: String,
    /// EAN-13, printed by shape B.
    pub barcode: String,
    /// Quantity × 1000.
    pub quantity_thousandths: i64,
    /// Price of one, in kopecks.
    pub unit_price_minor: i64,
    /// Discount on this line, in kopecks.
    pub discount_minor: i64,
    /// VAT group.
    pub vat: Vat,
}

impl SampleItem {
    /// One piece of a product of [`PRODUCTS`] at its list price.
    #[must_use]
    pub fn of(product: &SampleProduct) -> Self {
        Self {
            name: product.name.to_owned(),
            code: product.code.to_owned(),
            barcode: product.barcode.to_owned(),
            quantity_thousandths: 1000,
            unit_price_minor: product.price_minor,
            discount_minor: 0,
            vat: product.vat,
        }
    }

    /// The same line with another quantity (thousandths).
    #[must_use]
    pub fn quantity(mut self, thousandths: i64) -> Self {
        self.quantity_thousandths = thousandths;
        self
    }

    /// The same line with a discount (kopecks).
    #[must_use]
    pub fn discount(mut self, minor: i64) -> Self {
        self.discount_minor = minor;
        self
    }

    /// Quantity × price before the discount, half kopecks rounded up.
    #[must_use]
    pub fn gross_minor(&self) -> i64 {
        (self.quantity_thousandths * self.unit_price_minor + 500) / 1000
    }

    /// What the line costs after its discount.
    #[must_use]
    pub fn net_minor(&self) -> i64 {
        self.gross_minor() - self.discount_minor
    }
}

/// Everything that a sample follows from. The fields are public so that a test can change one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleSpec {
    /// File name without extension.
    pub name: String,
    /// Seeds the photo (angle, light, noise) and nothing that is printed: another seed is another photo of the
    /// same receipt.
    pub seed: u64,
    /// What is printed.
    pub layout: Layout,
    /// Which of the invented shops sold it (taken modulo their number).
    pub shop: usize,
    /// The lines sold.
    pub items: Vec<SampleItem>,
    /// When it was sold, local time in Kyiv.
    pub sold_at: NaiveDateTime,
    /// Fiscal number of the register, 10 digits.
    pub register: String,
    /// Fiscal number of the receipt.
    pub number: String,
    /// The code printed at the end.
    pub qr: QrKind,
    /// How bad the photo is.
    pub degradation: Degradation,
    /// Money given back instead of taken.
    pub return_receipt: bool,
    /// Zeros with a mark inside, as some registers print them and readers take for 8 or 9.
    pub marked_zeros: bool,
}

impl SampleSpec {
    /// A clean sale with the link QR; shop, register and number follow from the seed.
    #[must_use]
    pub fn new(
        name: &str,
        seed: u64,
        layout: Layout,
        sold_at: NaiveDateTime,
        items: Vec<SampleItem>,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5EED_0001);
        let suffix: u32 = rng.random_range(0..1_000_000);
        let (register, number) = match layout {
            Layout::PaperRegister => (
                format!("3001{suffix:06}"),
                rng.random_range(10_000_u32..99_999_999).to_string(),
            ),
            Layout::SoftwareRegister | Layout::WifiLeaflet | Layout::Blank => {
                (format!("4001{suffix:06}"), url_safe_number(&mut rng))
            }
        };
        Self {
            name: name.to_owned(),
            seed,
            layout,
            shop: rng.random_range(0..layout::SHOPS.len()),
            items,
            sold_at,
            register,
            number,
            qr: QrKind::Link,
            degradation: Degradation::Clean,
            return_receipt: false,
            marked_zeros: false,
        }
    }

    /// The same with another code.
    #[must_use]
    pub fn qr(mut self, qr: QrKind) -> Self {
        self.qr = qr;
        self
    }

    /// The same, photographed better or worse.
    #[must_use]
    pub fn degradation(mut self, degradation: Degradation) -> Self {
        self.degradation = degradation;
        self
    }

    /// The same as a return of money.
    #[must_use]
    pub fn returned(mut self) -> Self {
        self.return_receipt = true;
        self
    }

    /// The same with marked zeros.
    #[must_use]
    pub fn marked_zeros(mut self) -> Self {
        self.marked_zeros = true;
        self
    }

    /// The sum to pay, in kopecks.
    #[must_use]
    pub fn total_minor(&self) -> i64 {
        self.items.iter().map(SampleItem::net_minor).sum()
    }

    fn kind(&self) -> SampleKind {
        match self.layout {
            Layout::WifiLeaflet | Layout::Blank => SampleKind::NotAReceipt,
            Layout::SoftwareRegister | Layout::PaperRegister if self.return_receipt => {
                SampleKind::Return
            }
            Layout::SoftwareRegister | Layout::PaperRegister => SampleKind::Sale,
        }
    }
}

/// Eleven characters of the URL-safe base64 alphabet, as software registers number their receipts.
fn url_safe_number(rng: &mut StdRng) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // The first and last characters are letters or digits, so that nothing trims them away.
    (0..11)
        .map(|i| char::from(ALPHABET[rng.random_range(0..if i == 0 || i == 10 { 62 } else { 64 })]))
        .collect()
}

/// What the paper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// A sale.
    Sale,
    /// A return of money.
    Return,
    /// Something else.
    NotAReceipt,
}

/// What a perfect reader would find. Money in kopecks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleTruth {
    /// Legal name of the seller.
    pub merchant: String,
    /// Tax id as printed, digits only.
    pub tax_id: String,
    /// Fiscal number of the register.
    pub register_number: String,
    /// Fiscal number of the receipt.
    pub receipt_number: String,
    /// Time of sale, local.
    pub date_time: NaiveDateTime,
    /// Sum to pay.
    pub total_minor: i64,
    /// The lines.
    pub items: Vec<SampleItem>,
    /// The text of the QR code.
    pub qr: Option<String>,
    /// The printed text, one printed line a line.
    pub text: String,
    /// What the paper is.
    pub kind: SampleKind,
}

/// A photo and its truth.
#[derive(Debug, Clone)]
pub struct Sample {
    /// File name without extension.
    pub name: String,
    /// The photo.
    pub jpeg: Vec<u8>,
    /// What it shows.
    pub truth: SampleTruth,
}

/// Draws and photographs one sample. The same specification gives the same bytes.
///
/// # Errors
/// Only when the specification cannot be drawn: see [`SampleError`].
pub fn render(spec: &SampleSpec) -> Result<Sample, SampleError> {
    let qr = qr::payload(spec);
    let lines = layout::lines(spec, qr.as_deref());
    let paper = print::print(&lines, spec)?;
    let jpeg = photo::take(&paper, spec.seed, spec.degradation)?;
    let shop = layout::shop(spec);
    let receipt = matches!(
        spec.layout,
        Layout::SoftwareRegister | Layout::PaperRegister
    );
    Ok(Sample {
        name: spec.name.clone(),
        jpeg,
        truth: SampleTruth {
            merchant: if receipt {
                shop.legal_name.to_owned()
            } else {
                String::new()
            },
            tax_id: if receipt {
                shop.tax_id.to_owned()
            } else {
                String::new()
            },
            register_number: spec.register.clone(),
            receipt_number: spec.number.clone(),
            date_time: spec.sold_at,
            total_minor: if receipt { spec.total_minor() } else { 0 },
            items: if receipt {
                spec.items.clone()
            } else {
                Vec::new()
            },
            qr,
            text: layout::text(&lines),
            kind: spec.kind(),
        },
    })
}
