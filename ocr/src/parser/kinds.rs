//! What a line is about, by its keywords. One place for all word lists, so that a new word is added once.

use super::lexemes::Lexeme;
use super::row::Row;

/// Words of totals.
const TOTAL: [&str; 8] = [
    "СУМА",
    "СУММА",
    "ВСЬОГО",
    "УСЬОГО",
    "РАЗОМ",
    "ИТОГО",
    "ИТОГ",
    "TOTAL",
];
/// Phrases of the sum that is paid.
const TO_PAY: [&str; 5] = [
    "ДО СПЛАТИ",
    "ДО ОПЛАТИ",
    "К ОПЛАТЕ",
    "ДОСПЛАТИ",
    "AMOUNT DUE",
];
/// A total with one of these words is a total of something else.
const TOTAL_OF_OTHER: [&str; 12] = [
    "ПДВ",
    "НДС",
    "VAT",
    "GST",
    "TAX",
    "ЗНИЖКА",
    "ЗНИЖОК",
    "СКИДКА",
    "ДИСКОНТ",
    "БЕЗ",
    "QTY",
    "DISCOUNT",
];
/// Words of value added tax.
const VAT: [&str; 5] = ["ПДВ", "НДС", "VAT", "GST", "ПОДАТОК"];
/// Words of discounts.
const DISCOUNT: [&str; 4] = ["ЗНИЖКА", "ДИСКОНТ", "СКИДКА", "DISCOUNT"];
/// Words of barcodes and customs codes.
const BARCODE: [&str; 4] = ["ШТРИХКОД", "ШТРИХ КОД", "BARCODE", "EAN"];
const CUSTOMS: [&str; 3] = ["УКТЗЕД", "УКТ ЗЕД", "УКТВЕД"];
const ARTICLE: [&str; 3] = ["АРТ", "АРТИКУЛ", "АРТН"];
/// How it was paid, what was given and returned, and what the card terminal prints.
const PAYMENT: [&str; 34] = [
    "КАРТКА",
    "КАРТКОЮ",
    "ГОТІВКА",
    "ГОТІВКОЮ",
    "БЕЗГОТІВКА",
    "БЕЗГОТІВКОВА",
    "РЕШТА",
    "НАЛИЧНЫМИ",
    "НАЛИЧНЫЕ",
    "БЕЗНАЛИЧНЫМИ",
    "СДАЧА",
    "ПОЛУЧЕНО",
    "CASH",
    "CHANGE",
    "СПЛАЧЕНО",
    "ОПЛАЧЕНО",
    "ЗАОКРУГЛЕННЯ",
    "ОКРУГЛЕННЯ",
    "ОКРУГЛЕНИЕ",
    "ROUNDING",
    "ЕКВАЙР",
    "ЕКВАЙРА",
    "ЕКВАЙРИНГ",
    "ТЕРМІНАЛ",
    "ТЕРМИНАЛ",
    "RRN",
    "КОД АВТ",
    "АВТОРИЗАЦІЇ",
    "ЕПЗ",
    "MASTERCARD",
    "VISA",
    "КОМІСІЯ",
    "ТРАНЗАКЦІЯ",
    "ПЛАТІЖНА",
];
/// Lines about the register, the receipt and the cashier.
const REGISTER: [&str; 29] = [
    "ЧЕК",
    "КАСИР",
    "КАССИР",
    "КАСА",
    "ФН",
    "ПРРО",
    "РРО",
    "ЗН",
    "ФІСКАЛЬНИЙ",
    "РЕЖИМ",
    "ОНЛАЙН",
    "ОФЛАЙН",
    "ЗМІНА",
    "СМЕНА",
    "СНО",
    "ККТ",
    "ФД",
    "ФП",
    "САЙТ",
    "ДЯКУЄМО",
    "СПАСИБО",
    "ПРИХОД",
    "ФСКО",
    "ВН",
    "ДЕРЖАВНА ПОДАТКОВА",
    "INVOICE",
    "CASHIER",
    "ПІДПИС",
    "ТЕЛ",
];
/// Tax numbers.
const TAX_ID: [&str; 7] = ["ПН", "ІД", "ІПН", "ІН", "ЄДРПОУ", "ИНН", "NH"]; // the last is `ПН` in Latin eyes
/// Parts of addresses.
const ADDRESS: [&str; 14] = [
    "ВУЛ",
    "УЛ",
    "ПРОСП",
    "ПРТ",
    "БУЛЬВАР",
    "ОБЛ",
    "ПЛОЩА",
    "ПРОВ",
    "ПРОВУЛОК",
    "М",
    "СМТ",
    "РН",
    "БУД",
    "ШОСЕ",
];
/// Legal forms of companies and traders.
pub const LEGAL_FORMS: [&str; 14] = [
    "ТОВ", "ФОП", "ПП", "ПАТ", "ПРАТ", "АТ", "КП", "ДП", "ТДВ", "ООО", "ИП", "ЗАО", "ОАО", "АО",
];
const OUTLET: [&str; 4] = ["АПТЕКА", "АПТЕЧНИЙ", "АПТЕЧНЫЙ", "МАГАЗИН"];

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The sum of the lines.
    Total,
    /// The sum to pay.
    ToPay,
    /// A VAT line.
    Vat,
    /// A discount.
    Discount,
    /// A barcode.
    Barcode,
    /// A customs code alone.
    Customs,
    /// An article number, usually with the name of the goods.
    Article,
    /// Payment or card terminal.
    Payment,
    /// Register, receipt, cashier, thanks.
    Register,
    /// Seller: legal form, outlet, tax number, address.
    Seller,
    /// None of these: goods, or words of no interest.
    Other,
}

/// The kind of a line.
#[must_use]
pub fn kind(row: &Row) -> Kind {
    let of_other = row.has_any(&TOTAL_OF_OTHER);
    if row.has_any(&TO_PAY) && !of_other {
        return Kind::ToPay;
    }
    if row.begins_with_any(3, &TOTAL) {
        return if !of_other {
            Kind::Total
        } else if row.has_any(&VAT) {
            Kind::Vat
        } else {
            Kind::Payment // a total of discounts or pieces: nothing that counts
        };
    }
    if row.begins_with_any(2, &BARCODE) {
        return Kind::Barcode;
    }
    if row.begins_with_any(1, &ARTICLE) {
        return Kind::Article;
    }
    if row.begins_with_any(2, &CUSTOMS) {
        return Kind::Customs;
    }
    if row.begins_with_any(2, &VAT) || is_rate_and_sum(row) {
        return Kind::Vat;
    }
    if row.begins_with_any(2, &DISCOUNT) {
        return Kind::Discount;
    }
    if row.begins_with_any(3, &PAYMENT) || has_card_mask(row) {
        return Kind::Payment;
    }
    if row.begins_with_any(2, &REGISTER) {
        return Kind::Register;
    }
    let seller = row.begins_with_any(1, &TAX_ID)
        || row.begins_with_any(2, &LEGAL_FORMS)
        || row.begins_with_any(1, &OUTLET);
    if seller || is_address(row) {
        return Kind::Seller;
    }
    Kind::Other
}

/// The word behind a barcode's or an article's keyword.
#[must_use]
pub fn after_keyword(row: &Row, kind: Kind) -> usize {
    let phrases: &[&str] = match kind {
        Kind::Barcode => &BARCODE,
        Kind::Customs => &CUSTOMS,
        Kind::Article => &ARTICLE,
        _ => return 0,
    };
    phrases
        .iter()
        .filter_map(|phrase| row.find(phrase).map(|at| at + phrase.split(' ').count()))
        .min()
        .unwrap_or(0)
}

/// Where a customs code stands in a line, if anywhere.
#[must_use]
pub fn customs_keyword(row: &Row) -> Option<std::ops::Range<usize>> {
    CUSTOMS.iter().find_map(|phrase| {
        row.find(phrase)
            .map(|at| at..at + phrase.split(' ').count())
    })
}

/// Which tax number a line holds, by its keyword's place.
#[must_use]
pub fn tax_id_keyword(row: &Row) -> Option<usize> {
    TAX_ID
        .iter()
        .filter_map(|keyword| row.find(keyword))
        .min()
        .filter(|at| *at < 2)
}

fn is_address(row: &Row) -> bool {
    // `М.` alone is also a unit; with a comma in the line it is a town.
    let comma = row.words.iter().any(|w| w.text.ends_with(','));
    comma && row.has_any(&ADDRESS)
}

/// A rate and a sum with hardly any letters: a VAT line whose word was misread.
fn is_rate_and_sum(row: &Row) -> bool {
    let percent = row
        .lexed
        .iter()
        .position(|l| matches!(l.lexeme, Lexeme::Percent(_)));
    let sum = row
        .lexed
        .iter()
        .rposition(|l| matches!(&l.lexeme, Lexeme::Number(n) if n.minor().is_some()));
    percent.zip(sum).is_some_and(|(percent, sum)| percent < sum) && row.letters() <= 6
}

/// A card number with stars or crosses in the middle.
fn has_card_mask(row: &Row) -> bool {
    row.words.iter().any(|word| {
        let masked = word
            .text
            .chars()
            .filter(|c| matches!(c, '*' | 'X' | 'Х' | 'x' | 'х'))
            .count();
        let digits = word.text.chars().filter(char::is_ascii_digit).count();
        masked >= 3 && digits >= 1 && word.text.chars().count() >= 8
    })
}
