//! The invented shelf: what the sample receipts sell.

use super::Vat;

/// One product of the shelf. A demo catalogue is made of those with `eligible`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleProduct {
    /// Article number.
    pub code: &'static str,
    /// Name as printed.
    pub name: &'static str,
    /// EAN-13 of the in-store range (prefix 20), which no manufacturer owns. Check digit is right.
    pub barcode: &'static str,
    /// List price in kopecks.
    pub price_minor: i64,
    /// VAT group.
    pub vat: Vat,
    /// Whether the default campaign (brand keyword «Дарниця») counts it.
    pub eligible: bool,
}

const fn medicine(
    code: &'static str,
    name: &'static str,
    barcode: &'static str,
    price_minor: i64,
    eligible: bool,
) -> SampleProduct {
    SampleProduct {
        code,
        name,
        barcode,
        price_minor,
        vat: Vat::Medicine,
        eligible,
    }
}

/// The shelf. The one before last is a trap: its adjective is not the brand.
pub const PRODUCTS: &[SampleProduct] = &[
    medicine(
        "13204",
        "Каптопрес-Дарниця табл. №20",
        "2000000132044",
        9531,
        true,
    ),
    medicine(
        "13310",
        "Цитрамон-Дарниця табл. №10",
        "2000000133102",
        3650,
        true,
    ),
    medicine(
        "13417",
        "Анальгін Дарниця табл. №10",
        "2000000134178",
        4275,
        true,
    ),
    medicine(
        "13525",
        "Вітамін С (Дарниця) №20",
        "2000000135250",
        6840,
        true,
    ),
    medicine(
        "20118",
        "Парацетамол-Зразок табл. №10",
        "2000000201184",
        2890,
        false,
    ),
    medicine(
        "20226",
        "Краплі Прикладні 20 мл",
        "2000000202266",
        7415,
        false,
    ),
    SampleProduct {
        code: "30334",
        name: "Пластир Вигаданий 5х7 см",
        barcode: "2000000303345",
        price_minor: 1000,
        vat: Vat::General,
        eligible: false,
    },
    medicine(
        "20442",
        "Аскорбінка Дарницька",
        "2000000204420",
        1560,
        false,
    ),
    SampleProduct {
        code: "30559",
        name: "Вода мінеральна Зразкова 0,5",
        barcode: "2000000305592",
        price_minor: 2450,
        vat: Vat::General,
        eligible: false,
    },
];

/// The product with this article number; the first of the shelf when there is none.
#[must_use]
pub fn product(code: &str) -> &'static SampleProduct {
    PRODUCTS
        .iter()
        .find(|p| p.code == code)
        .unwrap_or(&PRODUCTS[0])
}
