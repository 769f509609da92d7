//! Error rates and likeness of texts.

use strsim::{generic_levenshtein, normalized_levenshtein};

/// Likeness from which a merchant's name counts as read.
pub const MERCHANT_ALIKE: f64 = 0.9;
/// Likeness from which the name of goods counts as read.
pub const NAME_ALIKE: f64 = 0.8;

/// Legal forms that stand before a name, folded.
const LEGAL_FORMS: [&str; 17] = [
    "тов", "пп", "фоп", "ат", "пат", "прат", "зат", "ват", "дп", "кп", "тдв", "ооо", "оао", "зао",
    "пао", "ао", "ип",
];

/// Text with case folded and every run of white space as one blank.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut out = words.next().unwrap_or_default().to_lowercase();
    for word in words {
        out.push(' ');
        out.push_str(&word.to_lowercase());
    }
    out
}

/// The character error rate: edits that turn what was read into the truth, by the truth's length, case and white space
/// folded. Above 1 when more was read than stands there; 0 for two empty texts.
#[must_use]
pub fn error_rate(read: &str, truth: &str) -> f64 {
    let read: Vec<char> = folded(read).chars().collect();
    let truth: Vec<char> = folded(truth).chars().collect();
    if truth.is_empty() {
        return if read.is_empty() { 0.0 } else { 1.0 };
    }
    generic_levenshtein(&read, &truth) as f64 / truth.len() as f64
}

/// Likeness of two texts, 0 to 1, case and white space folded: 1 less the edits by the longer one's length.
#[must_use]
pub fn likeness(a: &str, b: &str) -> f64 {
    normalized_levenshtein(&folded(a), &folded(b))
}

/// Likeness of a merchant's name as read to the truth: to its key or to its printed form, whichever is closer, with and
/// without the legal form before it. Quotation marks do not count.
#[must_use]
pub fn merchant_likeness(read: &str, key: &str, printed: Option<&str>) -> f64 {
    let read = unquoted(read);
    let read_key = without_legal_form(&read);
    [Some(key), printed]
        .into_iter()
        .flatten()
        .map(unquoted)
        .flat_map(|truth| [likeness(&read, &truth), likeness(read_key, &truth)])
        .fold(0.0, f64::max)
}

fn unquoted(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\'' | '«' | '»' | '„' | '“' | '”' | '`' | '’' => ' ',
            other => other,
        })
        .collect();
    folded(&plain)
}

fn without_legal_form(name: &str) -> &str {
    match name.split_once(' ') {
        Some((form, rest)) if LEGAL_FORMS.contains(&form) => rest,
        _ => name,
    }
}

/// The value below which `percent` of the values lie, by nearest rank; `None` without values.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The mean; `None` without values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_rate_folds_case_and_white_space_and_nothing_else() {
        let rate = |read, truth| (error_rate(read, truth) * 1_000.0).round() / 1_000.0;
        assert_eq!(rate("СУМА\n  10,00", "сума 10,00"), 0.0);
        assert_eq!(rate("сума 1O,00", "сума 10,00"), 0.1);
        assert_eq!(rate("cума 10,00", "сума 10,00"), 0.1); // a Latin look-alike is a mistake
        assert_eq!(rate("", "сума"), 1.0);
        assert_eq!(rate("сумасума", "сума"), 1.0);
        assert_eq!(rate("", ""), 0.0);
        assert_eq!(rate("x", ""), 1.0);
    }

    #[test]
    fn a_merchant_is_its_key_with_or_without_form_and_quotes() {
        let alike = |read| {
            merchant_likeness(
                read,
                "ПЕРША АПТЕКА МІСТА",
                Some("ТОВ \"ПЕРША АПТЕКА МІСТА\""),
            ) >= MERCHANT_ALIKE
        };
        for read in [
            "ТОВ \"ПЕРША АПТЕКА МІСТА\"",
            "ПЕРША АПТЕКА МІСТА",
            "Перша аптека  міста",
            "ПП «ПЕРША АПТЕКА МІСТА»",
            "ТОВ ПЕРША АПТЕКА МІСГА",
        ] {
            assert!(alike(read), "{read}");
        }
        for read in ["", "АПТЕКА", "ТОВ ДРУГА АПТЕКА МІСТА", "ПЕРША АПТЕКА"]
        {
            assert!(!alike(read), "{read}");
        }
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(&values, 50), Some(3.0));
        assert_eq!(percentile(&values, 95), Some(5.0));
        assert_eq!(percentile(&[7.0], 50), Some(7.0));
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(mean(&[1.0, 2.0]), Some(1.5));
    }
}
