//! Who sold: the legal name in the receipt's head, in its Ukrainian, Russian and English shapes.
//!
//! `ТОВ «…»` and `ФОП …` begin a line; `… SDN BHD` and `… LTD` end a name that may fill two lines. Without a legal form
//! the outlet counts, then the first line that reads like a name.

use kvit_domain::recognition::Field;

use super::glyphs;
use super::kinds::{Kind, LEGAL_FORMS};
use super::row::Row;
use super::vote::{Candidate, thousandths};
use super::words::{cyrillic, folded};

/// The merchant's name stands among the first lines.
const ROWS: usize = 12;
/// Longest name kept, in characters.
const CHARS_MAX: usize = 120;
/// Legal forms behind a name.
const SUFFIXES: [&str; 9] = [
    "SDN BHD", "BHD", "S/B", "LTD", "LIMITED", "LLC", "INC", "GMBH", "PLC",
];
/// A line that begins with one of these goes on from the line above.
const CONTINUED: [&str; 8] = [
    "CO",
    "COMPANY",
    "ENTERPRISE",
    "TRADING",
    "MARKETING",
    "HOLDINGS",
    "GROUP",
    "AND",
];
/// Words of papers and greetings, which are no names.
const NO_NAME: [&str; 16] = [
    "INVOICE",
    "RECEIPT",
    "TAX",
    "WELCOME",
    "BILL",
    "CASH",
    "COPY",
    "THANK",
    "ЧЕК",
    "ФІСКАЛЬНИЙ",
    "КАССОВЫЙ",
    "КАСИР",
    "ЛАСКАВО",
    "ВІТАЄМО",
    "ДЯКУЄМО",
    "КАССИР",
];
/// What a name with its form behind it is believed of its reading, in per cent.
const BEHIND_PERCENT: u32 = 93;
/// What a name without its legal form is believed of its reading, in tenths.
const OUTLET_TENTHS: u32 = 7;
const ANY_TENTHS: u32 = 5;

/// The kinds of places a name is found at, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Any,
    Outlet,
    Legal,
}

/// The merchant out of several readings: of the best kind of place, the name that most readings have or that is read
/// with most confidence.
#[must_use]
pub fn find(readings: &[(&[Row], &[Kind])]) -> Option<Field<String>> {
    let found: Vec<(Place, Field<String>)> = readings
        .iter()
        .filter_map(|(rows, kinds)| one(rows, kinds))
        .collect();
    let best = found.iter().map(|(place, _)| *place).max()?;
    let candidates: Vec<Candidate<String>> = found
        .into_iter()
        .filter(|(place, _)| *place == best)
        .map(|(_, field)| Candidate::as_read(field))
        .collect();
    // Names that differ in a sign or two are no rivals: the one read best stands for all.
    let mut best = candidates
        .iter()
        .rev()
        .max_by_key(|c| c.field.confidence)?
        .field
        .clone();
    if !candidates
        .iter()
        .all(|c| alike(&c.field.value, &best.value))
    {
        best.confidence = thousandths(u32::from(best.confidence.thousandths()) * 9 / 10);
    }
    Some(best)
}

fn alike(a: &str, b: &str) -> bool {
    glyphs::word_cost(&folded(a), &folded(b), 30) <= 30
}

fn one(rows: &[Row], kinds: &[Kind]) -> Option<(Place, Field<String>)> {
    let top = rows.get(..rows.len().min(ROWS))?;
    let slavic = is_slavic(rows);
    if let Some(found) = before_name(top, slavic).or_else(|| behind_name(top)) {
        return Some((Place::Legal, found));
    }
    let lessened = |mut field: Field<String>, tenths: u32| {
        field.confidence = thousandths(u32::from(field.confidence.thousandths()) * tenths / 10);
        field
    };
    let outlet = top
        .iter()
        .find(|row| row.begins_with_any(2, &["АПТЕКА", "АПТЕЧНИЙ", "АПТЕЧНЫЙ", "МАГАЗИН"]));
    if let Some(row) = outlet {
        return Some((Place::Outlet, lessened(whole(row, slavic), OUTLET_TENTHS)));
    }
    let any = top.iter().zip(kinds).find(|(row, kind)| {
        **kind == Kind::Other
            && row.letters() >= 6
            && row.last_sum().is_none()
            && !row.has_any(&NO_NAME)
            && row
                .words
                .iter()
                .any(|w| w.text.chars().filter(|c| c.is_alphabetic()).count() >= 4)
    })?;
    Some((Place::Any, lessened(whole(any.0, slavic), ANY_TENTHS)))
}

/// Whether the text is in Cyrillic letters, by those that have no Latin twin.
fn is_slavic(rows: &[Row]) -> bool {
    let letters = || {
        rows.iter()
            .flat_map(|r| &r.words)
            .flat_map(|w| w.text.chars())
    };
    let cyrillic = letters()
        .filter(|c| ('\u{400}'..='\u{4ff}').contains(c))
        .count();
    cyrillic * 3 > letters().filter(|c| c.is_alphabetic()).count()
}

/// `ТОВ «НАЗВА»`, `ФОП Прізвище`: from the form to the end of the name, which may close its quotes on the next line.
fn before_name(top: &[Row], slavic: bool) -> Option<Field<String>> {
    let (index, row, at) = top.iter().enumerate().find_map(|(index, row)| {
        let at = LEGAL_FORMS
            .iter()
            .filter_map(|form| row.find(form))
            .filter(|at| *at < 2)
            .min()
            .or_else(|| quoted_form(row))?;
        let letters: usize = row
            .words
            .iter()
            .skip(at + 1)
            .flat_map(|w| w.text.chars())
            .filter(|c| c.is_alphabetic())
            .count();
        (letters >= 4).then_some((index, row, at))
    })?;
    let mut field = row.field(text_of(row, at, slavic), at..row.words.len());
    // The form itself is one of few words: `oon` and `nn` are `ФОП` and `ПП`.
    let form = row.folded.get(at).and_then(|word| {
        LEGAL_FORMS
            .iter()
            .find(|form| *word == folded(form))
            .or_else(|| {
                LEGAL_FORMS
                    .iter()
                    .find(|form| glyphs::word_cost(word, &folded(form), 8) <= 8)
            })
    });
    // The opening mark was read as a letter as well: `ППО"`.
    let shortened = row.folded.get(at).and_then(|word| {
        let (last, _) = word.char_indices().next_back()?;
        let head = word.get(..last)?;
        LEGAL_FORMS.iter().find(|form| head == folded(form))
    });
    let form = form.or(shortened);
    // `ООО` as three zeros has no letter to be folded by.
    let zeros = row
        .words
        .get(at)
        .is_some_and(|w| w.text.chars().count() == 3 && w.text.chars().all(is_round));
    let form = if zeros { Some(&"ООО") } else { form };
    let strange = row
        .words
        .get(at)
        .is_some_and(|w| w.text.chars().any(|c| c.is_ascii_digit()));
    if form.is_none() && strange {
        // A form that nobody can read is left out.
        field.value = text_of(row, at + 1, slavic);
    }
    if let Some(form) = form {
        let name = text_of(row, at + 1, slavic);
        field.value = format!("{form} {name}");
    }
    // A name in quotes that runs on into the next line.
    let next = top.get(index + 1);
    if quotes(&field.value) % 2 == 1
        && let Some(next) = next.filter(|n| quotes(&n.text()) == 1 && n.words.len() <= 4)
    {
        field.value = format!("{} {}", field.value, text_of(next, 0, slavic));
        field.confidence = field.confidence.min(next.confidence());
    }
    field.value = normalised(&field.value);
    Some(field)
}

/// A short word before a name in quotes is its legal form, whatever the engine made of it.
fn quoted_form(row: &Row) -> Option<usize> {
    let at = (0..row.words.len().min(2)).find(|at| {
        row.folded
            .get(*at)
            .is_some_and(|w| (2..=4).contains(&w.chars().count()))
    })?;
    let next = row.words.get(at + 1)?;
    let opens = next.text.starts_with(['"', '«', '„', '“', '”', '\'']);
    let last = row.words.last()?;
    let closes = last.text.ends_with(['"', '»', '“', '”', '\'']);
    let form = row.folded.get(at)?;
    let zeros = form.chars().count() == 3 && form.chars().all(is_round);
    let known = zeros
        || LEGAL_FORMS
            .iter()
            .any(|known| glyphs::word_cost(form, &folded(known), 8) <= 8);
    (opens && (closes || known)).then_some(at)
}

/// `NAME SDN BHD (123-X)`: the name up to its form, with the line above when it began there.
fn behind_name(top: &[Row]) -> Option<Field<String>> {
    let (index, row, end) = top.iter().enumerate().find_map(|(index, row)| {
        let end = SUFFIXES
            .iter()
            .filter_map(|form| row.find(form).map(|at| at + form.split(' ').count()))
            .max()
            .or_else(|| misread_form(row))?;
        Some((index, row, end))
    })?;
    let words: Vec<String> = row
        .words
        .iter()
        .take(end)
        .enumerate()
        .map(|(at, word)| canonical(&word.text, at + 1 == end, at + 2 == end))
        .collect();
    let mut field = row.field(words.join(" "), 0..end);
    let above = index.checked_sub(1).and_then(|i| top.get(i));
    let goes_on = |row: &Row, text: &str| {
        row.begins_with_any(1, &CONTINUED)
            || text.starts_with('(')
            || text.matches(')').count() > text.matches('(').count()
    };
    if let Some(above) = above.filter(|_| goes_on(row, &field.value)) {
        field.value = format!("{} {}", above.text(), field.value);
        let first = index.checked_sub(2).and_then(|i| top.get(i));
        if let Some(first) = first.filter(|_| goes_on(above, &above.text())) {
            field.value = format!("{} {}", first.text(), field.value);
        }
    }
    // Where forms stand behind names, shops trade under other names as often as not.
    field.confidence =
        thousandths(u32::from(field.confidence.thousandths()) * BEHIND_PERCENT / 100);
    // A name of its own above is the shop's, and nobody knows which of the two is meant.
    let shop = above.is_some_and(|row| {
        row.letters() >= 6 && !row.has_any(&NO_NAME) && !goes_on(row, &row.text())
    });
    if shop && !row.begins_with_any(1, &CONTINUED) {
        field.confidence = thousandths(u32::from(field.confidence.thousandths()) * 9 / 10);
    }
    field.value = field.value.chars().take(CHARS_MAX).collect();
    let letters = field.value.chars().filter(|c| c.is_alphabetic()).count();
    (letters >= 6).then_some(field)
}

/// The words of a form as they are meant: `SON BHD` is `SDN BHD`, `5/8` at the end of a name is `S/B`.
fn canonical(word: &str, last: bool, before_last: bool) -> String {
    let letters: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
    let near = |form: &str| glyphs::word_cost(&folded(&letters), &folded(form), 10) <= 10;
    if before_last && letters.chars().count() == 3 && near("SDN") {
        return word.replace(&letters, "SDN");
    }
    if last && word.contains('/') && word.chars().count() <= 4 {
        return "S/B".to_owned();
    }
    word.to_owned()
}

/// `S/B` read as `5/8`, `S/R`; `SDN BHD` with strange letters, right before a number in brackets.
fn misread_form(row: &Row) -> Option<usize> {
    let short = |text: &str| {
        let signs: Vec<char> = text.trim_matches('.').chars().collect();
        matches!(signs.as_slice(), ['S' | '5', '/', 'B' | '8' | 'R' | 'E'])
    };
    row.words
        .iter()
        .position(|w| short(&w.text))
        .filter(|at| *at > 0)
        .map(|at| at + 1)
}

/// A whole line as a name.
fn whole(row: &Row, slavic: bool) -> Field<String> {
    let mut field = row.field(text_of(row, 0, slavic), 0..row.words.len());
    field.value = normalised(&field.value);
    field
}

fn text_of(row: &Row, from: usize, slavic: bool) -> String {
    // `0.` among names is an initial.
    let letters = |text: &str| match text {
        "0." | "0," | "0" if slavic => text.replace('0', "О"),
        _ if slavic => cyrillic(text),
        _ => text.to_owned(),
    };
    let words: Vec<String> = row
        .words
        .iter()
        .skip(from)
        .map(|w| letters(&w.text))
        .collect();
    words.join(" ")
}

/// Without dirt at the edges, with one kind of quotation marks, not beyond the longest, and without a registration
/// number in brackets at its end.
fn normalised(text: &str) -> String {
    let text = text
        .trim_matches(|c: char| !c.is_alphanumeric() && !is_quote(c) && !matches!(c, '.' | ')'));
    let text = match text.rfind('(') {
        Some(at)
            if text
                .get(at..)
                .is_some_and(|t| t.chars().filter(char::is_ascii_digit).count() >= 4) =>
        {
            text.get(..at).unwrap_or(text).trim_end()
        }
        _ => text,
    };
    // `„NAME”` and `"NAME"` are `«NAME»`; a mark that lost its pair is given one.
    let mut out = String::with_capacity(text.len());
    let mut open = false;
    for c in text.chars().take(CHARS_MAX) {
        if is_quote(c) {
            out.push(if open { '»' } else { '«' });
            open = !open;
        } else {
            out.push(c);
        }
    }
    if open {
        out.push('»');
    }
    // Dirt behind the closing mark.
    match out.rfind('»') {
        Some(at) if out.get(at..).is_some_and(|rest| rest.chars().count() <= 4) => {
            out.truncate(at + '»'.len_utf8());
        }
        _ => {}
    }
    out
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '«' | '»' | '„' | '“' | '”')
}

const fn is_round(c: char) -> bool {
    matches!(c, '0' | 'O' | 'О' | 'o' | 'о')
}

fn quotes(text: &str) -> usize {
    text.chars().filter(|c| is_quote(*c)).count()
}
