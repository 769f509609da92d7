//! Which signs are taken for which on thermal print: one table for words, numbers and dates.
//!
//! Nothing is replaced in the text. A reader that knows what it expects (a digit, a keyword) asks here what a sign may
//! stand for and at what cost, so that the cheapest reading wins and a dear one lowers the confidence.

/// What a sign stands for where a digit is expected, with the cost of believing it. Registers cross their zeros, which
/// the engine reads as `@`, `Ø`, `8`, `9` or `6`; only the signs that are no digits are settled here.
#[must_use]
pub const fn digit(c: char) -> Option<(char, u8)> {
    Some(match c {
        '0'..='9' => (c, 0),
        'O' | 'o' | 'О' | 'о' | '@' | 'Ø' | 'ø' | '®' | '©' | 'Q' | 'D' => ('0', 1),
        'l' | 'I' | '|' | 'І' | 'і' | 'i' | '!' | ']' | '[' => ('1', 1),
        'Z' | 'z' => ('2', 1),
        'З' | 'з' | 'Э' | 'э' => ('3', 1),
        'Ч' | 'ч' => ('4', 1),
        'S' | 's' => ('5', 1),
        'б' | 'Б' => ('6', 1),
        '?' => ('7', 1),
        'B' | 'В' | 'в' => ('8', 1),
        'g' | 'q' => ('9', 1),
        _ => return None,
    })
}

/// Digits that a zero with a stroke or a dot through it is read as.
#[must_use]
pub const fn is_crossed_zero(c: char) -> bool {
    matches!(c, '0' | '8' | '9' | '6' | '@' | 'Ø' | 'ø' | '®')
}

/// Whether two digits are taken for each other.
#[must_use]
pub const fn digits_alike(a: char, b: char) -> bool {
    matches!(
        (a, b),
        ('0', '6' | '8' | '9')
            | ('6' | '8' | '9', '0')
            | ('3', '8' | '9' | '5')
            | ('8' | '9' | '5', '3')
            | ('5', '6' | '8' | '9')
            | ('6' | '8' | '9', '5')
            | ('6', '8')
            | ('8', '6')
            | ('8', '9')
            | ('9', '8')
            | ('1', '4' | '7')
            | ('4' | '7', '1')
    )
}

/// Cost of one letter for another in tenths: 4 for look-alikes, 10 for strangers. Both are folded letters.
#[must_use]
pub const fn letter_cost(a: char, b: char) -> u32 {
    if matches!(
        (a, b),
        ('Ф', 'О' | '0')
            | ('О' | '0', 'Ф')
            | ('І', 'Т' | 'Л' | 'Ї')
            | ('Т' | 'Л' | 'Ї', 'І')
            | ('Т', 'Г')
            | ('Г', 'Т')
            | ('П', 'И' | 'Н' | 'Л' | 'М')
            | ('И' | 'Н' | 'Л' | 'М', 'П')
            | ('Н', 'И' | 'К')
            | ('И' | 'К', 'Н')
            | ('В', 'S' | 'Е' | 'Б' | 'Я' | '8')
            | ('S' | 'Е' | 'Б' | 'Я' | '8', 'В')
            | ('А', 'Я' | 'Д' | 'Л' | 'В' | '4')
            | ('Я' | 'Д' | 'Л' | '4', 'А')
            | ('Д', 'Л' | 'П' | 'О')
            | ('Л' | 'О', 'Д')
            | ('С', 'О' | 'Е' | 'G')
            | ('О' | 'Е' | 'G', 'С')
            | ('У', 'Ч' | 'V')
            | ('Ч' | 'V', 'У')
            | ('К', 'Х')
            | ('Х', 'К')
            | ('Ш', 'Щ' | 'W')
            | ('Щ' | 'W', 'Ш')
            | ('Ц', 'Ч' | 'Щ')
            | ('З', 'Э' | '3')
            | ('Э' | '3', 'З')
            | ('Б', '6' | '5' | 'S')
            | ('6' | '5' | 'S', 'Б')
    ) {
        4
    } else {
        10
    }
}

/// Edits that turn one word into another, in tenths of an edit; stops at `bound` and then says more than it.
#[must_use]
pub fn word_cost(a: &str, b: &str, bound: u32) -> u32 {
    const GAP: u32 = 10;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let gap = u32::try_from(a.len().abs_diff(b.len())).unwrap_or(u32::MAX / GAP) * GAP;
    if gap > bound {
        return gap;
    }
    let mut row: Vec<u32> = (0..=b.len())
        .map(|i| u32::try_from(i).unwrap_or(u32::MAX / GAP) * GAP)
        .collect();
    for x in &a {
        let mut diagonal = row.first().copied().unwrap_or(0);
        let mut left = diagonal + GAP;
        let mut least = left;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let swap = if x == y { 0 } else { letter_cost(*x, *y) };
            let cost = (diagonal + swap).min(left + GAP).min(*cell + GAP);
            diagonal = *cell;
            *cell = cost;
            left = cost;
            least = least.min(cost);
        }
        if least > bound {
            return least;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// A text as digits with the cost of reading it so; `None` when a sign can be no digit.
#[must_use]
pub fn as_digits(text: &str) -> Option<(String, u32)> {
    let mut cost = 0;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let (digit, price) = digit(c)?;
        out.push(digit);
        cost += u32::from(price);
    }
    Some((out, cost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_cost_less_than_strangers_and_gaps() {
        assert_eq!(word_cost("СУМА", "СУМА", 20), 0);
        assert_eq!(word_cost("ОН", "ФН", 20), 4);
        assert_eq!(word_cost("УМА", "СУМА", 20), 10);
        assert!(word_cost("СУМАМЕД", "СУМА", 20) > 20);
        assert!(word_cost("", "СУМА", 20) > 20);
    }

    #[test]
    fn a_crossed_zero_read_as_a_sign_is_a_zero() {
        assert_eq!(as_digits("4@@1B"), Some(("40018".into(), 3)));
        assert_eq!(as_digits("40ж1"), None);
    }
}
