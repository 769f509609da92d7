//! Where reading is doubtful, arithmetic decides: quantity × price = sum, and lines less discounts = total.
//!
//! Slashed zeros are read as 8, 9 or 6. A digit is changed only when the changed number makes a sum come out exactly
//! and no other single change does; otherwise everything stays as read and the difference becomes an anomaly.

use kvit_domain::recognition::Confidence;

use super::items::Draft;

/// Confidence of a number that arithmetic has confirmed.
const CONFIRMED: u16 = 970;
/// Confidence from which a line without a unit price counts as read.
const READ_WELL: u16 = 700;
/// Confidence of a line whose numbers are confirmed and whose name is hardly readable.
const NAME_DOUBTED: u16 = 860;
/// Most crossed zeros of one number that are tried, and most that are believed.
const CROSSED_MAX: usize = 5;
const MENDED_ZEROS_MAX: u32 = 4;
/// Most combinations of readings that are tried.
const COMBINATIONS_MAX: usize = 20_000;
/// Most doubtful lines whose combinations are tried.
const DOUBTFUL_MAX: usize = 8;

/// Lines less discounts.
#[must_use]
pub fn lines_total(items: &[Draft]) -> Option<i64> {
    items.iter().try_fold(0_i64, |total, item| {
        total
            .checked_add(item.sum_minor)?
            .checked_sub(item.discount_minor)
    })
}

/// Whether quantity × price gives the line's sum, to the nearest minor unit.
#[must_use]
pub fn is_proven(item: &Draft) -> bool {
    item.unit_price_minor
        .and_then(|unit| item.quantity.price(unit).ok())
        .is_some_and(|product| product.abs_diff(item.sum_minor) <= 1)
}

/// Puts right a line that does not prove itself when there is exactly one way: the zeros of its numbers are crossed and
/// were read as 8, 9 or 6, or the `=` before the sum was read as a digit. Returns whether it did.
pub fn mend_line(item: &mut Draft) -> bool {
    let Some(unit) = item.unit_price_minor.filter(|_| !is_proven(item)) else {
        return false;
    };
    if let Ok(product) = item.quantity.price(unit)
        && without_first_digit(item.sum_minor) == Some(product)
    {
        item.sum_minor = product;
        return true;
    }
    // The same with a misread digit besides: five times nearer to the product without its first digit.
    if let Ok(product) = item.quantity.price(unit)
        && let Some(rest) = without_first_digit(item.sum_minor)
        && rest.abs_diff(product).saturating_mul(5) < item.sum_minor.abs_diff(product)
    {
        item.sum_minor = rest;
        return true;
    }
    let sums = with_zeros(item.sum_minor);
    let mut ways: Vec<(u32, i64, i64)> = Vec::new();
    for (unit, unit_changes) in with_zeros(unit) {
        let Ok(product) = item.quantity.price(unit) else {
            continue;
        };
        for (sum, changes) in &sums {
            if *sum == product && product > 0 {
                ways.push((unit_changes + changes, unit, *sum));
            }
        }
    }
    ways.sort_unstable();
    // One change may be a chance, two ways are a guess: the only way, or the far shorter one.
    let (changes, unit, sum) = match ways.as_slice() {
        [only] => *only,
        _ => return false,
    };
    if changes > MENDED_ZEROS_MAX {
        return false;
    }
    (item.unit_price_minor, item.sum_minor) = (Some(unit), sum);
    true
}

/// What is left when the first digit was no digit: `21003.98` for `=1003.98`.
#[must_use]
pub fn without_first_digit(amount: i64) -> Option<i64> {
    let digits = amount.to_string();
    let rest = digits.get(1..).filter(|rest| rest.len() >= 3)?;
    (digits.starts_with(['2', '7', '3', '1', '5']) && !rest.starts_with('0'))
        .then(|| rest.parse().ok())
        .flatten()
}

/// An amount and everything it can be with some of its 6, 8 and 9 read as zeros, with the number of changes.
fn with_zeros(amount: i64) -> Vec<(i64, u32)> {
    let digits: Vec<char> = format!("{:03}", amount.max(0)).chars().collect();
    let crossed: Vec<usize> = digits
        .iter()
        .enumerate()
        .skip(1) // no amount begins with a zero
        .filter(|(_, c)| matches!(c, '6' | '8' | '9'))
        .map(|(at, _)| at)
        .take(CROSSED_MAX)
        .collect();
    (0_u32..1 << crossed.len())
        .filter_map(|chosen| {
            let text: String = digits
                .iter()
                .enumerate()
                .map(|(at, c)| {
                    let bit = crossed.iter().position(|place| *place == at);
                    match bit {
                        Some(bit) if chosen >> bit & 1 == 1 => '0',
                        _ => *c,
                    }
                })
                .collect();
            Some((text.parse().ok()?, chosen.count_ones()))
        })
        .collect()
}

/// Lines that do not prove themselves, each with what it may come to, until the whole comes out at the total: counts
/// only when there is exactly one way.
fn mend_crossed(items: &mut [Draft], total: i64) -> bool {
    let ways: Vec<Vec<i64>> = items
        .iter()
        .map(|item| {
            let mut ways = vec![item.sum_minor];
            if !is_proven(item) {
                ways.extend(with_zeros(item.sum_minor).into_iter().map(|(sum, _)| sum));
                ways.extend(without_first_digit(item.sum_minor));
                if let Some(unit) = item.unit_price_minor {
                    ways.extend(
                        with_zeros(unit)
                            .into_iter()
                            .filter_map(|(unit, _)| item.quantity.price(unit).ok()),
                    );
                }
                ways.retain(|sum| *sum > 0);
                ways.sort_unstable();
                ways.dedup();
            }
            ways
        })
        .collect();
    let combinations = ways
        .iter()
        .try_fold(1_usize, |all, way| all.checked_mul(way.len()))
        .filter(|all| (2..=COMBINATIONS_MAX).contains(all));
    let Some(combinations) = combinations else {
        return false;
    };
    let discounts: i64 = items.iter().map(|item| item.discount_minor).sum();
    let mut found: Option<Vec<i64>> = None;
    for index in 0..combinations {
        let mut rest = index;
        let mut chosen = Vec::with_capacity(ways.len());
        for way in &ways {
            chosen.extend(way.get(rest % way.len()).copied());
            rest /= way.len();
        }
        if chosen.iter().sum::<i64>() - discounts == total {
            if found.is_some() {
                return false;
            }
            found = Some(chosen);
        }
    }
    let Some(sums) = found else { return false };
    for (item, sum) in items.iter_mut().zip(sums) {
        item.sum_minor = sum;
    }
    true
}

/// Settles the lines against a total; a line is put right by it only when it is `trusted`. Returns whether they come out exactly.
pub fn settle(items: &mut [Draft], total: Option<i64>, trusted: bool) -> bool {
    let Some(total) = total.filter(|_| !items.is_empty()) else {
        return false;
    };
    let mended = |items: &mut [Draft]| {
        switch_to_products(items, total)
            || (trusted && (mend_one_number(items, total) || mend_crossed(items, total)))
    };
    if lines_total(items) != Some(total) && !mended(items) {
        return false;
    }
    for item in items.iter_mut() {
        mend_unit_price(item);
        // A line of rubbish with the total's own digits adds up, too: only what proves itself or was read well gains.
        if item.confidence.thousandths() >= READ_WELL {
            item.confidence = item.confidence.max(Confidence::from_thousandths(CONFIRMED));
        } else if is_proven(item) {
            // The numbers are right; the name was read as badly as the confidence says.
            item.confidence = item
                .confidence
                .max(Confidence::from_thousandths(NAME_DOUBTED));
        }
    }
    true
}

/// Lines whose sum is not quantity × price may have the sum misread: tries the products.
fn switch_to_products(items: &mut [Draft], total: i64) -> bool {
    let doubtful: Vec<(usize, i64)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| !is_proven(item))
        .filter_map(|(index, item)| {
            Some((index, item.quantity.price(item.unit_price_minor?).ok()?))
        })
        .filter(|(_, product)| *product > 0)
        .take(DOUBTFUL_MAX)
        .collect();
    let Some(as_read) = lines_total(items) else {
        return false;
    };
    let fitting: Vec<u32> = (1..1_u32 << doubtful.len())
        .filter(|chosen| {
            let change: Option<i64> =
                doubtful
                    .iter()
                    .enumerate()
                    .try_fold(0_i64, |sum, (bit, (index, product))| {
                        let item = items.get(*index)?;
                        if chosen >> bit & 1 == 1 {
                            sum.checked_add(product - item.sum_minor)
                        } else {
                            Some(sum)
                        }
                    });
            change.and_then(|c| as_read.checked_add(c)) == Some(total)
        })
        .collect();
    let [chosen] = fitting.as_slice() else {
        return false;
    };
    for (bit, (index, product)) in doubtful.iter().enumerate() {
        if let (1, Some(item)) = (chosen >> bit & 1, items.get_mut(*index)) {
            item.sum_minor = *product;
        }
    }
    true
}

/// Looks for the one sum or discount which, read with its digits mixed up, explains the whole difference.
fn mend_one_number(items: &mut [Draft], total: i64) -> bool {
    enum Place {
        Sum(usize),
        Discount(usize),
    }
    let Some(missing) = lines_total(items).and_then(|lines| total.checked_sub(lines)) else {
        return false;
    };
    let mut fitting = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(sum) = item
            .sum_minor
            .checked_add(missing)
            .filter(|s| !is_proven(item) && mixed_up(item.sum_minor, *s))
        {
            fitting.push((Place::Sum(index), sum));
        }
        let discount = item.discount_minor.checked_sub(missing);
        if let Some(discount) =
            discount.filter(|d| item.discount_minor > 0 && mixed_up(item.discount_minor, *d))
        {
            fitting.push((Place::Discount(index), discount));
        }
    }
    let Ok([(place, value)]) = <[_; 1]>::try_from(fitting) else {
        return false;
    };
    match place {
        Place::Sum(index) => items.get_mut(index).is_some_and(|item| {
            item.sum_minor = value;
            true
        }),
        Place::Discount(index) => items.get_mut(index).is_some_and(|item| {
            item.discount_minor = value;
            true
        }),
    }
}

/// A unit price that does not give the confirmed sum is read anew when its digits can be mixed up that way.
fn mend_unit_price(item: &mut Draft) {
    let Some(unit) = item.unit_price_minor.filter(|_| !is_proven(item)) else {
        return;
    };
    let thousandths = item.quantity.thousandths();
    let exact = item
        .sum_minor
        .checked_mul(1_000)
        .filter(|sum| thousandths > 0 && sum % thousandths == 0);
    if let Some(wanted) = exact
        .map(|sum| sum / thousandths)
        .filter(|wanted| mixed_up(unit, *wanted))
    {
        item.unit_price_minor = Some(wanted);
    }
}

/// Whether one amount can be a misreading of the other: as many digits (at least the three of `0.01`), at most two of
/// them different, and those of kinds that are taken for each other.
#[must_use]
pub fn mixed_up(a: i64, b: i64) -> bool {
    if a < 0 || b < 0 || a == b {
        return false;
    }
    same_but_mixed_up(&format!("{a:03}"), &format!("{b:03}"))
}

/// The same for texts of digits.
#[must_use]
pub fn same_but_mixed_up(a: &str, b: &str) -> bool {
    let different: Vec<(char, char)> = a.chars().zip(b.chars()).filter(|(x, y)| x != y).collect();
    a.chars().count() == b.chars().count()
        && (1..=2).contains(&different.len())
        && different.iter().all(|(x, y)| taken_for_each_other(*x, *y))
}

fn taken_for_each_other(a: char, b: char) -> bool {
    let pair = (a.min(b), a.max(b));
    matches!(
        pair,
        ('0', '6' | '8' | '9')
            | ('3', '8' | '9')
            | ('5', '6' | '8' | '9')
            | ('6', '8')
            | ('8', '9')
            | ('1', '4' | '7')
    )
}
