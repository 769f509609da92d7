//! From lines of text to the fields of a receipt: pure functions over words with confidences, no image needed.
//!
//! The order of work: lines are prepared ([`row`]), each line's subject is told by its keywords ([`kinds`]), totals
//! and VAT are read, goods are gathered above the first total ([`items`]), arithmetic settles doubtful digits
//! ([`arithmetic`]), and what does not add up is named ([`anomalies`]).

pub mod anomalies;
pub mod arithmetic;
pub mod crossed;
pub mod dates;
pub mod evidence;
pub mod glyphs;
pub mod header;
pub mod items;
pub mod kinds;
pub mod lexemes;
pub mod merchant;
mod merge;
pub mod moments;
pub mod numbers;
pub mod row;
pub mod totals;
pub mod vat;
pub mod vote;
pub mod words;

use chrono::{NaiveDate, NaiveDateTime};
use kvit_domain::money::Currency;
use kvit_domain::recognition::Field;

use crate::layout::Line;
use row::Row;

/// Most lines that are looked at.
const ROWS_MAX: usize = 600;
/// Most readings of one photo that are compared.
const READINGS_MAX: usize = 8;
/// The most that a total is believed whose digits were changed until the goods came out at it.
const MENDED_MAX: u32 = 890;
/// Confidence of a total from which lines are put right by it; a doubtful one is compared and nothing more.
const TRUSTED: u16 = 800;
/// Sums to pay in cash are multiples of this, in minor units.
const CASH_STEP: i64 = 5;
/// The most that a total is believed which may hold a zero that was misread on every line.
const CROSSED_MAX: u32 = 860;
/// The most that a line of goods is believed which proves itself while the goods do not come out at the total.
const PROVEN_MAX: u32 = 895;

/// Everything that the text says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReceiptText {
    /// Legal name or outlet.
    pub merchant: Option<Field<String>>,
    /// Tax number of the seller.
    pub tax_id: Option<Field<String>>,
    /// Fiscal number of the register.
    pub register_number: Option<Field<String>>,
    /// Number of the receipt.
    pub receipt_number: Option<Field<String>>,
    /// Date and time.
    pub purchased_at: Option<Field<NaiveDateTime>>,
    /// Date, when no time was read.
    pub purchased_on: Option<Field<NaiveDate>>,
    /// The totals.
    pub totals: totals::Totals,
    /// The goods, settled by arithmetic where possible.
    pub items: Vec<items::Draft>,
    /// Whether the goods come out at the total exactly.
    pub adds_up: bool,
    /// VAT lines.
    pub vat: Vec<vat::VatLine>,
    /// Whether the paper calls itself a return.
    pub is_return: bool,
    /// The currency, when the text tells.
    pub currency: Option<Currency>,
    /// Fields in which a digit was changed because exactly one change made it possible: `total`, `items`,
    /// `purchased_at`, `register_number`.
    pub repaired: Vec<&'static str>,
    /// Whether every line that shows the total may show the same misread zero, so that agreement confirms nothing.
    pub total_doubted: bool,
}

/// Reads the fields. `known_total` is the total of the QR code in minor units, which settles doubtful digits with
/// certainty.
#[must_use]
pub fn parse(lines: &[Line], known_total: Option<i64>) -> ReceiptText {
    parse_all(&[lines], known_total)
}

/// Reads the fields out of several readings of the same photo: the goods of the reading whose goods prove themselves
/// best, everything else by what the readings agree on. The first reading is the one that counts when all else is equal.
#[must_use]
pub fn parse_all(readings: &[&[Line]], known_total: Option<i64>) -> ReceiptText {
    let mut pages: Vec<Page> = readings
        .iter()
        .take(READINGS_MAX)
        .map(|lines| Page::read(lines))
        .collect();
    merge::proven_lines(&mut pages);
    for page in &mut pages {
        for item in &mut page.items {
            page.items_mended |= arithmetic::mend_line(item);
        }
    }
    let everywhere = |find: fn(&[Row]) -> Vec<vote::Candidate<String>>| {
        let mut found: Vec<_> = pages.iter().flat_map(|page| find(&page.rows)).collect();
        vote::prefer_zeros(&mut found);
        found
    };
    let (tax_ids, registers) = (everywhere(numbers::tax_ids), everywhere(numbers::registers));
    let mentions: Vec<_> = pages
        .iter()
        .flat_map(|page| moments::mentions(&page.rows))
        .collect();
    let mut crossed = crossed::Crossed::default();
    for page in &pages {
        crossed.learn_quantities(&page.rows);
        crossed.learn_rates(&page.rows);
    }
    moments::learn(&mentions, &mut crossed);
    for candidate in tax_ids.iter().chain(&registers) {
        if let Some(printed) = &candidate.printed {
            crossed.learn(printed, &candidate.field.value);
        }
    }
    let elected = elect_total(&pages).map(|mut verdict| {
        // Crossed zeros are misread alike on every line: only arithmetic tells.
        let total = verdict.field.value;
        if crossed.may_be_in(&total.to_string()) && !verdict.taxed && !told_by_sums(&pages, total) {
            verdict.field.confidence = verdict.field.confidence.min(vote::thousandths(CROSSED_MAX));
            verdict.doubted = true;
        }
        verdict
    });
    let total_doubted = elected.as_ref().is_some_and(|verdict| verdict.doubted);
    for page in &mut pages {
        page.settle(elected.as_ref(), known_total);
    }
    let merit = |page: &Page| {
        let proven = page.items.iter().filter(|i| arithmetic::is_proven(i));
        (page.adds_up, proven.count(), page.items.len())
    };
    let best = (0..pages.len())
        .rev()
        .max_by_key(|at| pages.get(*at).map(merit));
    let elect = |found: &[vote::Candidate<String>]| {
        let mut elected = vote::elect(found)?;
        let number = elected.field.value.clone();
        crossed.doubt(&mut elected, &number);
        Some(elected)
    };
    let (mut tax_id, register) = (elect(&tax_ids), elect(&registers));
    if let Some(elected) = &mut tax_id {
        numbers::limit_unchecked(&mut elected.field);
    }
    let purchase = moments::purchase(&mentions, &crossed);
    let heads: Vec<_> = pages.iter().map(|p| (&*p.rows, &*p.kinds)).collect();
    let merchant = merchant::find(&heads);
    let receipt_number = pages
        .iter()
        .find_map(|page| header::receipt_number(&page.rows));
    let is_return = pages.iter().any(|page| header::is_return(&page.rows));
    let currency = pages.iter().find_map(|page| currency(&page.rows));
    let mut repaired = Vec::new();
    repaired.extend(
        register
            .as_ref()
            .filter(|c| c.repaired)
            .map(|_| "register_number"),
    );
    repaired.extend(purchase.repaired.then_some("purchased_at"));
    let Some(page) = best
        .filter(|at| *at < pages.len())
        .map(|at| pages.swap_remove(at))
    else {
        return ReceiptText::default();
    };
    repaired.extend(page.total_mended.then_some("total"));
    repaired.extend(page.items_mended.then_some("items"));
    ReceiptText {
        merchant,
        tax_id: tax_id.map(|c| c.field),
        register_number: register.map(|c| c.field),
        receipt_number,
        purchased_at: purchase.at,
        purchased_on: purchase.on,
        totals: page.totals,
        adds_up: page.adds_up,
        items: page.items,
        vat: page.vat,
        is_return,
        currency,
        repaired,
        total_doubted,
    }
}

/// Whether the goods of a reading come out at a total by a calculation that is more than a repetition of one number.
fn told_by_sums(pages: &[Page], total: i64) -> bool {
    pages.iter().any(|page| {
        let calculated = page.items.len() >= 2
            || page.items.iter().any(|item| {
                item.printed
                    && item.quantity != kvit_domain::quantity::Quantity::ONE
                    && arithmetic::is_proven(item)
            });
        calculated && arithmetic::lines_total(&page.items) == Some(total)
    })
}

/// One reading of the photo.
struct Page {
    rows: Vec<Row>,
    kinds: Vec<kinds::Kind>,
    totals: totals::Totals,
    items: Vec<items::Draft>,
    vat: Vec<vat::VatLine>,
    adds_up: bool,
    total_mended: bool,
    items_mended: bool,
}

impl Page {
    fn read(lines: &[Line]) -> Self {
        let rows: Vec<Row> = lines
            .iter()
            .take(ROWS_MAX)
            .map(Row::new)
            .filter(|row| !row.words.is_empty())
            .collect();
        let kinds: Vec<kinds::Kind> = rows.iter().map(kinds::kind).collect();
        let totals = totals::find(&rows, &kinds);
        let items = items::find(&rows, &kinds, totals.first_row);
        let vat = vat::find(&rows, &kinds);
        Self {
            rows,
            kinds,
            totals,
            items,
            vat,
            adds_up: false,
            total_mended: false,
            items_mended: false,
        }
    }

    /// Settles the goods against the total, and the total against the goods.
    fn settle(&mut self, elected: Option<&evidence::Verdict>, known_total: Option<i64>) {
        let before: Vec<(i64, i64)> = self.amounts();
        let printed = [self.totals.sum.clone(), self.totals.to_pay.clone()];
        // The elected total first: it has all the evidence there is. What was inferred from the goods proves nothing.
        self.adds_up = known_total.is_none()
            && elected.filter(|e| !e.inferred).is_some_and(|e| {
                let trusted = e.field.confidence.thousandths() >= TRUSTED;
                arithmetic::settle(&mut self.items, Some(e.field.value), trusted)
            })
            || settle(&mut self.items, &mut self.totals, known_total);
        self.items_mended |= before != self.amounts();
        self.total_mended = printed != [self.totals.sum.clone(), self.totals.to_pay.clone()];
        self.elect(elected);
        // What nothing confirms is never sure.
        for item in self.items.iter_mut().filter(|_| !self.adds_up) {
            let most = if item.printed && arithmetic::is_proven(item) {
                PROVEN_MAX
            } else {
                MENDED_MAX
            };
            item.confidence = item.confidence.min(vote::thousandths(most));
        }
        vat::mend_letters(
            &mut self.items,
            &self.vat,
            known_total.or_else(|| self.totals.chosen().map(|field| field.value)),
        );
    }

    fn amounts(&self) -> Vec<(i64, i64)> {
        self.items
            .iter()
            .map(|item| (item.sum_minor, item.discount_minor))
            .collect()
    }

    /// The total after all: as elected, unless the goods have mended a misread one.
    fn elect(&mut self, elected: Option<&evidence::Verdict>) {
        if self.total_mended {
            let mended = self.totals.chosen().cloned();
            self.totals.elected = mended.map(|mut field| {
                field.confidence = field.confidence.min(vote::thousandths(MENDED_MAX));
                field
            });
            return;
        }
        let Some(verdict) = elected else { return };
        let mut field = verdict.field.clone();
        // What is paid counts, where the two totals differ by rounding only; what is not round is a misread digit.
        if let Some(to_pay) = &self.totals.to_pay
            && to_pay.value != field.value
            && to_pay.value % CASH_STEP == 0
            && to_pay.value.abs_diff(field.value) <= totals::CASH_ROUNDING_MAX.unsigned_abs()
        {
            field.value = to_pay.value;
            field.region = to_pay.region;
        }
        if !verdict.inferred {
            self.totals.adopt(&field);
        }
        self.totals.elected = Some(field);
    }
}

/// The total that all readings together speak for.
fn elect_total(pages: &[Page]) -> Option<evidence::Verdict> {
    let mut clues = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        clues.extend(evidence::clues(&page.rows, &page.kinds, index));
        clues.extend(evidence::of_goods(&page.items, index));
    }
    let tenders: Vec<evidence::Tender> = pages
        .iter()
        .map(|page| evidence::Tender::of(&page.rows, &page.kinds))
        .collect();
    clues.extend(evidence::of_tenders(&tenders));
    let vat: Vec<&[vat::VatLine]> = pages.iter().map(|page| &*page.vat).collect();
    // Goods alone are no total: something must be printed as one.
    let line_of_total = |page: &Page| {
        page.kinds
            .iter()
            .any(|kind| matches!(kind, kinds::Kind::Total | kinds::Kind::ToPay))
    };
    evidence::elect(&clues, &vat, pages.iter().any(line_of_total))
}

/// Tries the totals in the order of their certainty. When each line proves itself and the only total of the text is a
/// mixed-up reading of their sum, the total is mended instead.
fn settle(
    items: &mut [items::Draft],
    totals: &mut totals::Totals,
    known_total: Option<i64>,
) -> bool {
    let read = [&totals.sum, &totals.to_pay].map(|field| {
        field
            .as_ref()
            .map(|f| (f.value, f.confidence.thousandths() >= TRUSTED))
    });
    if let Some(known) = known_total {
        // The lines come out at the sum; the code may carry the rounded one.
        return [Some(known), read[0].map(|(value, _)| value)]
            .into_iter()
            .flatten()
            .any(|total| {
                total.abs_diff(known) <= totals::CASH_ROUNDING_MAX.unsigned_abs()
                    && arithmetic::settle(items, Some(total), true)
            });
    }
    if read
        .into_iter()
        .flatten()
        .any(|(total, trusted)| arithmetic::settle(items, Some(total), trusted))
    {
        return true;
    }
    let Some(lines) = arithmetic::lines_total(items)
        .filter(|_| !items.is_empty() && items.iter().all(arithmetic::is_proven))
    else {
        return false;
    };
    let mut mended = false;
    for field in [&mut totals.sum, &mut totals.to_pay].into_iter().flatten() {
        if arithmetic::mixed_up(field.value, lines) {
            field.value = lines;
            mended = true;
        }
    }
    mended && arithmetic::settle(items, Some(lines), false)
}

fn currency(rows: &[Row]) -> Option<Currency> {
    let says = |words: &[&str]| rows.iter().any(|row| row.has_any(words));
    if says(&["ГРН", "ПДВ", "ПРРО", "ФІСКАЛЬНИЙ", "СПЛАТИ"]) {
        Some(Currency::Uah)
    } else if says(&["РУБ", "НДС", "ККТ", "ИТОГ", "ИНН"]) {
        Some(Currency::Rub)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
