//! Which product of the campaign a line of a receipt is (receipts specification, section 5).
//!
//! The surest evidence is asked first: barcode, catalogue code, alias, the brand's word, and only then likeness. The
//! kind of match and its score travel with the decision, so a reviewer sees why a line counted.
//!
//! Text is compared after folding: registers print names in either alphabet, in look-alike letters of the other one
//! and in Ukrainian or Russian spelling, and readers confuse those letters too.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::recognition::ReceiptItem;

/// Likeness from which a name counts as the same product, in thousandths.
pub const SIMILARITY_THRESHOLD: u16 = 750;

/// Longer names are cut before likeness is measured, which costs the product of both lengths.
const MAX_COMPARED_CHARS: usize = 120;

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Catalogue code, unique.
    pub code: String,
    /// Names as the manufacturer writes them.
    pub names: Vec<String>,
    /// Other spellings known to mean this product and nothing else.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// EAN/UPC numbers.
    #[serde(default)]
    pub barcodes: Vec<String>,
    /// Retired products match nothing.
    pub active: bool,
}

/// What lines are matched against.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueView<'a> {
    /// All products; those not active are passed over.
    pub products: &'a [Product],
    /// Only products with these codes count; all when empty.
    pub only_codes: &'a [String],
    /// Brand words, each in one spelling: the other alphabet and language follow from it.
    pub brand_keywords: &'a [String],
}

/// What made a line match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchKind {
    /// The same barcode.
    Barcode,
    /// The same catalogue code.
    Code,
    /// A known other spelling.
    Alias,
    /// The brand's word stands in the name; the product itself may be unknown.
    BrandKeyword,
    /// A name alike by at least [`SIMILARITY_THRESHOLD`].
    Similarity,
}

/// A product found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductMatch {
    /// The evidence.
    pub kind: MatchKind,
    /// Catalogue code; none when only the brand is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// How alike, in thousandths; 1000 for everything but likeness.
    pub score: u16,
}

impl ProductMatch {
    fn certain(kind: MatchKind, product: Option<&Product>) -> Self {
        Self {
            kind,
            product: product.map(|p| p.code.clone()),
            score: 1_000,
        }
    }
}

/// The product that this line is, if it is one.
#[must_use]
pub fn match_item(item: &ReceiptItem, catalogue: CatalogueView<'_>) -> Option<ProductMatch> {
    let products = || catalogue.candidates();
    if let Some(barcode) = item.barcode.as_deref().map(ean).filter(|b| !b.is_empty())
        && let Some(product) = products().find(|p| p.barcodes.iter().any(|b| ean(b) == barcode))
    {
        return Some(ProductMatch::certain(MatchKind::Barcode, Some(product)));
    }
    if let Some(code) = item
        .code
        .as_deref()
        .map(str::trim)
        .or_else(|| leading_code(&item.name))
        && let Some(product) = products().find(|p| p.code == code)
    {
        return Some(ProductMatch::certain(MatchKind::Code, Some(product)));
    }
    let name = fold(&item.name);
    if name.is_empty() {
        return None;
    }
    if let Some(product) = products().find(|p| p.aliases.iter().any(|alias| fold(alias) == name)) {
        return Some(ProductMatch::certain(MatchKind::Alias, Some(product)));
    }
    if catalogue
        .brand_keywords
        .iter()
        .any(|keyword| names_brand(&item.name, keyword))
    {
        return Some(ProductMatch::certain(MatchKind::BrandKeyword, None));
    }
    most_alike(&name, products())
}

impl<'a> CatalogueView<'a> {
    fn candidates(self) -> impl Iterator<Item = &'a Product> {
        self.products.iter().filter(move |p| {
            p.active && (self.only_codes.is_empty() || self.only_codes.contains(&p.code))
        })
    }
}

/// Digits without leading zeros: a 12-digit UPC and its 13-digit EAN are the same number.
fn ean(text: &str) -> String {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// The article number of `№ 13204 Name`. Four digits at least, since `№10` is the size of a pack.
fn leading_code(name: &str) -> Option<&str> {
    let number = name
        .trim_start()
        .trim_start_matches("АРТ.")
        .trim_start()
        .strip_prefix('№')?
        .trim_start();
    let code = number.split(|c: char| !c.is_ascii_digit()).next()?;
    (code.len() >= 4).then_some(code)
}

fn most_alike<'a>(name: &str, products: impl Iterator<Item = &'a Product>) -> Option<ProductMatch> {
    let mut best: Option<ProductMatch> = None;
    for product in products {
        for known in product.names.iter().chain(&product.aliases) {
            let score = similarity(name, &fold(known));
            // The first of equals stays, so that the order of the catalogue decides and not chance.
            if score >= SIMILARITY_THRESHOLD && best.as_ref().is_none_or(|b| score > b.score) {
                best = Some(ProductMatch {
                    kind: MatchKind::Similarity,
                    product: Some(product.code.clone()),
                    score,
                });
            }
        }
    }
    best
}

/// One less the edit distance as a share of the longer text, in thousandths, rounded down.
#[must_use]
pub fn similarity(a: &str, b: &str) -> u16 {
    let cut = |text: &str| -> String { text.chars().take(MAX_COMPARED_CHARS).collect() };
    let (a, b) = (cut(a), cut(b));
    let longest = a.chars().count().max(b.chars().count());
    if longest == 0 {
        return 0;
    }
    let alike = longest.saturating_sub(strsim::levenshtein(&a, &b));
    u16::try_from(alike.saturating_mul(1_000) / longest).unwrap_or(1_000)
}

/// A name in the form in which names are compared: NFC, lower case, single spaces, one alphabet for look-alikes.
#[must_use]
pub fn fold(text: &str) -> String {
    let lower = text.nfc().collect::<String>().to_lowercase();
    let words: Vec<String> = lower.split_whitespace().map(fold_look_alikes).collect();
    words.join(" ")
}

/// Writes latin look-alikes in cyrillic, unless the word is truly latin (some letter of it has no cyrillic twin).
fn fold_look_alikes(word: &str) -> String {
    let cyrillic = word.chars().any(is_cyrillic);
    let all_have_twins = word
        .chars()
        .filter(char::is_ascii_alphabetic)
        .all(|c| twin(c) != c);
    if cyrillic || all_have_twins {
        word.chars().map(twin).collect()
    } else {
        word.to_owned()
    }
}

fn is_cyrillic(c: char) -> bool {
    ('\u{0400}'..='\u{04ff}').contains(&c)
}

/// The cyrillic letter that looks like this latin one (either case looks alike), else the letter itself.
const fn twin(c: char) -> char {
    match c {
        'a' => 'а',
        'b' => 'в',
        'c' => 'с',
        'e' => 'е',
        'h' => 'н',
        'i' => 'і',
        'k' => 'к',
        'm' => 'м',
        'o' => 'о',
        'p' => 'р',
        't' => 'т',
        'x' => 'х',
        'y' => 'у',
        other => other,
    }
}

/// Legal forms: a text that begins with one names a company.
const LEGAL_FORMS: [&str; 14] = [
    "тов", "тзов", "пп", "ат", "пат", "прат", "фоп", "ооо", "оао", "зао", "ао", "чп", "llc", "ltd",
];
/// Words that stand beside a brand in the name of its company.
const COMPANY_WORDS: [&str; 10] = [
    "фармацевтична",
    "фармацевтическая",
    "фабрика",
    "фірма",
    "фирма",
    "компанія",
    "компания",
    "завод",
    "фарм",
    "група",
];
/// A text that begins with one of these is an address.
const ADDRESS_WORDS: [&str; 14] = [
    "вул",
    "вулиця",
    "ул",
    "улица",
    "просп",
    "проспект",
    "пров",
    "бульв",
    "пл",
    "р-н",
    "район",
    "м",
    "місто",
    "ст",
];

/// Whether a text names a product of the brand.
///
/// The brand must be a whole word (`Каптопрес-Дарниця`, `(Дарниця)`), in Ukrainian, Russian or latin spelling. Its
/// adjective is another word (`Дарницька`, `Дарницький р-н`), and a company's name or an address is not a product.
#[must_use]
pub fn names_brand(text: &str, keyword: &str) -> bool {
    let folded = fold(text);
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    let brand = spelling(&fold(keyword));
    let is_brand = |word: &&str| !brand.is_empty() && spelling(word) == brand;
    let Some(first) = words.first() else {
        return false;
    };
    if !words.iter().any(is_brand) || LEGAL_FORMS.contains(first) || ADDRESS_WORDS.contains(first) {
        return false;
    }
    let mut others = words.iter().filter(|w| !is_brand(w)).peekable();
    others.peek().is_none() || !others.all(|w| COMPANY_WORDS.contains(w))
}

/// A word in a spelling that Ukrainian, Russian and latin forms of one name share: `дарниця`, `дарница`, `Darnitsa` and
/// `Darnytsia` all give `darnitsa`.
fn spelling(word: &str) -> String {
    let mut latin = String::with_capacity(word.len() * 2);
    for c in word.chars() {
        let letters = match c {
            'а' | 'я' => "a",
            'б' => "b",
            'в' => "v",
            'г' | 'ґ' => "g",
            'д' => "d",
            'е' | 'є' | 'э' | 'ё' => "e",
            'ж' => "zh",
            'з' => "z",
            'и' | 'і' | 'ї' | 'й' | 'ы' => "i",
            'к' => "k",
            'л' => "l",
            'м' => "m",
            'н' => "n",
            'о' => "o",
            'п' => "p",
            'р' => "r",
            'с' => "s",
            'т' => "t",
            'у' | 'ю' => "u",
            'ф' => "f",
            'х' => "kh",
            'ц' => "ts",
            'ч' => "ch",
            'ш' => "sh",
            'щ' => "shch",
            'ь' | 'ъ' => "",
            'y' => "i",
            other => {
                latin.push(other);
                continue;
            }
        };
        latin.push_str(letters);
    }
    // The iotated vowels of latin spellings: `ia`/`ya` for я, `iu`/`yu` for ю.
    latin.replace("ia", "a").replace("iu", "u")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::quantity::Quantity;
    use crate::recognition::Confidence;

    const BRAND: &str = "Дарниця";

    fn item(name: &str) -> ReceiptItem {
        ReceiptItem {
            name: name.to_owned(),
            quantity: Quantity::ONE,
            unit_price_minor: None,
            sum_minor: 1_000,
            discount_minor: 0,
            tax: None,
            barcode: None,
            code: None,
            confidence: Confidence::CERTAIN,
        }
    }

    fn product(code: &str, name: &str) -> Product {
        Product {
            code: code.into(),
            names: vec![name.into()],
            aliases: vec![],
            barcodes: vec![],
            active: true,
        }
    }

    fn find(item: &ReceiptItem, products: &[Product]) -> Option<ProductMatch> {
        let brand_keywords = [BRAND.to_owned()];
        match_item(
            item,
            CatalogueView {
                products,
                only_codes: &[],
                brand_keywords: &brand_keywords,
            },
        )
    }

    #[test]
    fn the_brand_table_of_the_specification_holds() {
        for name in [
            "Каптопрес-Дарниця",
            "№ 13204 Каптопрес-Дарниця табл.",
            "Цитрамон-Дарниця табл. №10",
            "Дарниця Цитрамон",
            "ДАРНИЦЯ",
            "Анальгін Дарниця",
            "Анальгин-Дарница",
            "Citramon-Darnitsa",
            "Вітамін С (Дарниця)",
        ] {
            let found = find(&item(name), &[]);
            assert_eq!(
                found.map(|m| m.kind),
                Some(MatchKind::BrandKeyword),
                "{name}"
            );
        }
        for name in [
            "ТОВ «Дарниця Фармацевтична фабрика»",
            "Дарницький р-н",
            "Аскорбінка Дарницька",
        ] {
            assert_eq!(find(&item(name), &[]), None, "{name}");
        }
    }

    #[test]
    fn the_table_holds_as_well_with_a_catalogue_to_be_alike_to() {
        let products = [
            product("1", "Каптопрес-Дарниця табл. №20"),
            product("2", "Аскорбінова кислота-Дарниця"),
        ];
        for name in [
            "ТОВ «Дарниця Фармацевтична фабрика»",
            "Дарницький р-н",
            "Аскорбінка Дарницька",
        ] {
            assert_eq!(find(&item(name), &products), None, "{name}");
        }
    }

    #[test]
    fn a_company_or_an_address_is_not_a_product() {
        for text in [
            "Дарниця Фармацевтична фабрика",
            "ПрАТ «Фірма «Дарниця»",
            "вул. Дарниця, 5",
            "",
            "№10",
        ] {
            assert!(!names_brand(text, BRAND), "{text}");
        }
        assert!(names_brand("Анальгін табл. №10 фірма Дарниця", BRAND));
        assert!(!names_brand("Дарниця", ""));
    }

    #[test]
    fn letters_of_the_wrong_alphabet_make_no_difference() {
        // Latin a, p, and i in place of the cyrillic letters.
        assert!(names_brand("Анальгiн-Дapниця", BRAND));
        assert_eq!(fold("  BIТАМIН   C "), fold("вітамін с"));
        assert_eq!(fold("Citramon"), "citramon");
        assert_eq!(fold("и\u{306}од"), "йод");
    }

    #[test]
    fn the_surest_evidence_wins() {
        let mut products = [
            product("13204", "Каптопрес табл."),
            product("555001", "Зовсім інша назва"),
        ];
        products[1].barcodes = vec!["2000000132044".into()];
        products[0].aliases = vec!["КАПТОПРЕС Д".into()];
        let mut line = item("Каптопрес-Дарниця");
        line.code = Some("13204".into());
        line.barcode = Some("2000000132044".into());
        let found = find(&line, &products).unwrap();
        assert_eq!(
            (found.kind, found.product.as_deref()),
            (MatchKind::Barcode, Some("555001"))
        );
        line.barcode = None;
        let found = find(&line, &products).unwrap();
        assert_eq!(
            (found.kind, found.product.as_deref()),
            (MatchKind::Code, Some("13204"))
        );
        line.code = None;
        line.name = "каптопрес д".into();
        assert_eq!(find(&line, &products).unwrap().kind, MatchKind::Alias);
        line.name = "Каптопрес-Дарниця".into();
        assert_eq!(
            find(&line, &products).unwrap().kind,
            MatchKind::BrandKeyword
        );
        line.name = "Каптопрес тaбл".into();
        let found = find(&line, &products).unwrap();
        assert_eq!((found.kind, found.score), (MatchKind::Similarity, 933));
    }

    #[test]
    fn a_pack_size_is_not_a_code_and_a_retired_product_is_not_found() {
        assert_eq!(leading_code("№10 179.90"), None);
        assert_eq!(leading_code("АРТ.№ 13204 Каптопрес"), Some("13204"));
        let mut retired = product("13204", "Каптопрес табл.");
        retired.active = false;
        assert_eq!(find(&item("№ 13204 Каптопрес табл."), &[retired]), None);
    }

    #[test]
    fn likeness_counts_from_three_quarters() {
        assert_eq!(similarity("абвг", "абвд"), 750);
        assert_eq!(similarity("абв", "абд"), 666);
        assert_eq!(similarity("", ""), 0);
        let products = [product("1", "абвг")];
        assert_eq!(find(&item("абвд"), &products).unwrap().score, 750);
        assert_eq!(find(&item("абде"), &products), None);
        assert!(similarity(&"я".repeat(100_000), &"ю".repeat(100_000)) == 0);
    }

    #[test]
    fn only_products_of_the_campaign_count() {
        let products = [product("1", "Каптопрес"), product("2", "Цитрамон")];
        let only = ["2".to_owned()];
        let view = CatalogueView {
            products: &products,
            only_codes: &only,
            brand_keywords: &[],
        };
        assert_eq!(match_item(&item("Каптопрес"), view), None);
        assert_eq!(
            match_item(&item("Цитрамон"), view)
                .unwrap()
                .product
                .as_deref(),
            Some("2")
        );
    }
}
