//! What a line is about, by its keywords. One place for all word lists, so that a new word is added once.

use super::glyphs;
use super::lexemes::Lexeme;
use super::row::Row;
use super::words::folded;

/// Words of totals.
const TOTAL: [&str; 9] = [
    "СУММ",
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
const TOTAL_OF_OTHER: [&str; 20] = [
    "QUANTITY",
    "SAVINGS",
    "SAVING",
    "ITEMS",
    "EXCLUDING",
    "EXCL",
    "ROUNDING",
    "ADJUSTMENT",
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
/// With one of these, tax is inside the total and not its subject.
const INCLUDED: [&str; 4] = ["INCLUSIVE", "INCL", "INC", "ВКЛЮЧАЮЧИ"];
/// Words of a total before something else.
const SUBTOTAL: [&str; 4] = ["SUB", "SUBTOTAL", "ПІДСУМОК", "ПОДЫТОГ"];
/// The head of a table of taxes; totals below are totals of its columns.
const SUMMARY: [&str; 2] = ["SUMMARY", "TAX CODE"];
/// Words of value added tax.
const VAT: [&str; 5] = ["ПДВ", "НДС", "VAT", "GST", "ПОДАТОК"];
/// Words of discounts.
const DISCOUNT: [&str; 4] = ["ЗНИЖКА", "ДИСКОНТ", "СКИДКА", "DISCOUNT"];
/// Words of barcodes and customs codes.
const BARCODE: [&str; 4] = ["ШТРИХКОД", "ШТРИХ КОД", "BARCODE", "EAN"];
const CUSTOMS: [&str; 3] = ["УКТЗЕД", "УКТ ЗЕД", "УКТВЕД"];
const ARTICLE: [&str; 3] = ["АРТ", "АРТИКУЛ", "АРТН"];
/// How it was paid, what was given and returned, and what the card terminal prints.
const PAYMENT: [&str; 40] = [
    "КАРТА",
    "БЕЗГОТІВКОВИЙ",
    "БЕЗНАЛИЧНЫЕ",
    "TENDERED",
    "TENDER",
    "PAID",
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
pub const LEGAL_FORMS: [&str; 21] = [
    "ТОВ", "ТЗОВ", "СПД", "ЗАТ", "ВАТ", "НВП", "ПАО", "ПВКП", "ФОП", "ПП", "ПАТ", "ПРАТ", "АТ",
    "КП", "ДП", "ТДВ", "ООО", "ИП", "ЗАО", "ОАО", "АО",
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
    let of_other =
        row.has_any(&TOTAL_OF_OTHER) && !(row.has_any(&INCLUDED) && row.last_sum().is_some());
    if row.has_any(&TO_PAY) && !of_other {
        return Kind::ToPay;
    }
    if row.begins_with_any(3, &TOTAL) || row.begins_with_any(1, &["SUBTOTAL"]) {
        return if !of_other {
            Kind::Total
        } else if row.has_any(&VAT) {
            Kind::Vat
        } else {
            Kind::Payment // a total of discounts or pieces: nothing that counts
        };
    }
    if !of_other && is_near_total(row) {
        return Kind::Total;
    }
    if row.begins_with_any(2, &BARCODE) || is_barcode_line(row) {
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

/// One longer word and a number of twelve to fourteen digits that nothing follows: a barcode whose word was misread.
fn is_barcode_line(row: &Row) -> bool {
    let code = row.words.iter().position(|w| {
        let digits = w.text.chars().filter(char::is_ascii_digit).count();
        (12..=14).contains(&digits) && w.text.chars().count() <= digits + 1
    });
    let Some(code) = code else { return false };
    let word = row
        .folded
        .first()
        .is_some_and(|w| w.chars().filter(|c| c.is_alphabetic()).count() >= 6);
    let near = row.folded.first().is_some_and(|w| {
        ["ШТРИХКОД", "ШТРИХ", "BARCODE"]
            .iter()
            .any(|keyword| glyphs::word_cost(w, &folded(keyword), 45) <= 45)
    });
    word && near && code <= 2 && row.words.len() - code <= 2
}

/// A line of one word and a sum, where the word is one edit away from a total's: `УМА 631.21 ГРН`, `СУМ 133.52`.
fn is_near_total(row: &Row) -> bool {
    let sum_word = row.last_sum().map(|(_, word)| word);
    let Some(at) = row
        .folded
        .iter()
        .position(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 3)
    else {
        return false;
    };
    let alone = match sum_word {
        Some(sum) => at < 2 && sum > at && sum - at <= 3 && row.letters() <= 9,
        // The word alone: its sum stands on a line of its own.
        None => row.words.len() == 1,
    };
    alone && row.folded.get(at).is_some_and(|word| near_total_word(word))
}

fn near_total_word(folded_word: &str) -> bool {
    ["СУМА", "СУММА", "РАЗОМ", "ВСЬОГО", "ИТОГ", "ИТОГО", "TOTAL"]
        .iter()
        .any(|keyword| glyphs::word_cost(folded_word, &folded(keyword), 10) <= 10)
}

/// Whether what stands as a name is a total's word.
#[must_use]
pub fn is_total_word(name: &str) -> bool {
    near_total_word(&folded(name))
}

/// Whether a total's line speaks of a total before something else.
#[must_use]
pub fn is_subtotal(row: &Row) -> bool {
    row.begins_with_any(2, &SUBTOTAL)
}

/// Whether a line heads a table of taxes.
#[must_use]
pub fn is_summary(row: &Row) -> bool {
    row.has_any(&SUMMARY)
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
        .unwrap_or(usize::from(kind == Kind::Barcode))
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

/// Rates of VAT in hundredths of a per cent; `5%` and `0,05%` are strengths of medicines.
const RATES: [i64; 7] = [600, 700, 1_000, 1_200, 1_400, 1_800, 2_000];

/// A rate and a sum with hardly any letters: a VAT line whose word was misread.
fn is_rate_and_sum(row: &Row) -> bool {
    let percent = row.lexed.iter().position(|l| match &l.lexeme {
        Lexeme::Percent(n) if n.decimals <= 2 => n
            .digits
            .checked_mul(10_i64.pow(u32::from(2 - n.decimals)))
            .is_some_and(|rate| RATES.contains(&rate)),
        _ => false,
    });
    let sum = row
        .lexed
        .iter()
        .rposition(|l| matches!(&l.lexeme, Lexeme::Number(n) if n.minor().is_some()));
    // `10мл` behind a per cent sign belongs to a name.
    let strength = row.words.iter().any(|w| {
        w.text.starts_with(|c: char| c.is_ascii_digit())
            && w.text.ends_with(|c: char| c.is_alphabetic())
            && w.text.chars().filter(|c| c.is_alphabetic()).count() >= 2
    });
    percent.zip(sum).is_some_and(|(percent, sum)| percent < sum) && row.letters() <= 6 && !strength
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
