//! Reed-Solomon over the field of QR codes, for errors at unknown and at known places (erasures).
//!
//! The plain decoders correct errors only. A reader that knows which codewords it saw badly can correct up to twice as
//! many of them, and it must be told how much of the redundancy was used, because what is left over is the proof that
//! the result is the code on the paper and not an invention.

/// `x^8 + x^4 + x^3 + x^2 + 1`, the polynomial that QR codes use.
const POLYNOMIAL: usize = 0x11d;

struct Field {
    exp: [u8; 510],
    log: [u8; 256],
}

static FIELD: Field = Field::build();

impl Field {
    const fn build() -> Self {
        let (mut exp, mut log) = ([0_u8; 510], [0_u8; 256]);
        let (mut value, mut power) = (1_usize, 0_usize);
        while power < 255 {
            let bytes = value.to_le_bytes();
            exp[power] = bytes[0];
            exp[power + 255] = bytes[0];
            log[value] = power.to_le_bytes()[0];
            value <<= 1;
            if value > 255 {
                value ^= POLYNOMIAL;
            }
            power += 1;
        }
        Self { exp, log }
    }

    fn mul(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 {
            return 0;
        }
        self.exp[usize::from(self.log[usize::from(a)]) + usize::from(self.log[usize::from(b)])]
    }

    /// `b` must not be zero; zero gives zero.
    fn div(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 {
            return 0;
        }
        self.exp
            [usize::from(self.log[usize::from(a)]) + 255 - usize::from(self.log[usize::from(b)])]
    }

    fn power(&self, exponent: usize) -> u8 {
        self.exp[exponent % 255]
    }
}

/// Corrects a block in place, whose last `checks` bytes are its redundancy and of which the bytes at `erased` are not
/// to be believed. Returns how many bytes outside `erased` were wrong; `None`, with the block as it was, when there is
/// no codeword within reach.
pub fn correct(block: &mut [u8], checks: usize, erased: &[usize]) -> Option<usize> {
    let length = block.len();
    if length > 255 || checks >= length || erased.len() > checks {
        return None;
    }
    let syndromes = syndromes(block, checks);
    if syndromes.iter().all(|s| *s == 0) {
        return Some(0);
    }
    let locator = locator(&syndromes, length, erased)?;
    let degree = locator.iter().rposition(|c| *c != 0)?;
    if degree < erased.len() || 2 * degree > checks + erased.len() {
        return None;
    }
    let places: Vec<usize> = (0..length)
        .filter(|place| evaluate(&locator, FIELD.power(255 - (length - 1 - place))) == 0)
        .collect();
    if places.len() != degree {
        return None;
    }
    let mut evaluator = vec![0_u8; checks];
    for (i, s) in syndromes.iter().enumerate() {
        for (j, c) in locator.iter().enumerate().take(checks - i) {
            evaluator[i + j] ^= FIELD.mul(*s, *c);
        }
    }
    let before = block.to_vec();
    for place in &places {
        let power = length - 1 - place;
        let inverse = FIELD.power(255 - power % 255);
        // The formal derivative keeps the odd powers.
        let square = FIELD.mul(inverse, inverse);
        let (mut slope, mut factor) = (0, 1);
        for c in locator.iter().skip(1).step_by(2) {
            slope ^= FIELD.mul(*c, factor);
            factor = FIELD.mul(factor, square);
        }
        if slope == 0 {
            block.copy_from_slice(&before);
            return None;
        }
        let value = FIELD.div(evaluate(&evaluator, inverse), slope);
        block[*place] ^= FIELD.mul(value, FIELD.power(power));
    }
    if self::syndromes(block, checks).iter().any(|s| *s != 0) {
        block.copy_from_slice(&before);
        return None;
    }
    Some(
        places
            .iter()
            .filter(|place| !erased.contains(place))
            .count(),
    )
}

fn syndromes(block: &[u8], checks: usize) -> Vec<u8> {
    (0..checks)
        .map(|i| {
            let root = FIELD.power(i);
            block
                .iter()
                .fold(0, |sum, byte| FIELD.mul(sum, root) ^ byte)
        })
        .collect()
}

/// Coefficients from the lowest power up.
fn evaluate(polynomial: &[u8], at: u8) -> u8 {
    polynomial
        .iter()
        .rev()
        .fold(0, |sum, c| FIELD.mul(sum, at) ^ c)
}

/// Berlekamp and Massey's iteration, begun with the locator of the erasures.
fn locator(syndromes: &[u8], length: usize, erased: &[usize]) -> Option<Vec<u8>> {
    let checks = syndromes.len();
    let mut locator = vec![0_u8; checks + 2];
    locator[0] = 1;
    for (count, place) in erased.iter().enumerate() {
        let root = FIELD.power(length.checked_sub(place + 1)?);
        for i in (0..=count).rev() {
            locator[i + 1] ^= FIELD.mul(locator[i], root);
        }
    }
    let known = erased.len();
    let mut helper = locator.clone();
    let mut degree = known;
    for round in known + 1..=checks {
        let discrepancy = (0..round.min(degree + 1)).fold(0, |sum, j| {
            sum ^ FIELD.mul(locator[j], syndromes[round - 1 - j])
        });
        helper.insert(0, 0);
        helper.truncate(checks + 2);
        if discrepancy == 0 {
            continue;
        }
        let mut next = locator.clone();
        for (n, h) in next.iter_mut().zip(&helper) {
            *n ^= FIELD.mul(discrepancy, *h);
        }
        if 2 * degree < round + known {
            helper = locator.iter().map(|c| FIELD.div(*c, discrepancy)).collect();
            degree = round + known - degree;
        }
        locator = next;
    }
    Some(locator)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    /// A codeword: the message followed by the remainder that makes all syndromes vanish, found by erasing it.
    fn encoded(message: &[u8], checks: usize) -> Vec<u8> {
        let mut block = message.to_vec();
        block.resize(message.len() + checks, 0);
        let erased: Vec<usize> = (message.len()..block.len()).collect();
        correct(&mut block, checks, &erased).unwrap();
        block
    }

    #[test]
    fn the_example_of_the_standard_has_its_redundancy() {
        // The numeric example 01234567 in version 1-M.
        let message = [
            0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11,
            0xec, 0x11,
        ];
        let checks = [0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55];
        assert_eq!(encoded(&message, 10)[16..], checks);
    }

    proptest! {
        #[test]
        fn damage_within_the_redundancy_is_repaired(
            message in proptest::collection::vec(any::<u8>(), 1..100),
            checks in 4_usize..30,
            damage in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 0..30),
            erasures in 0_usize..30,
        ) {
            let sound = encoded(&message, checks);
            let (mut block, mut erased, mut wrong) = (sound.clone(), Vec::new(), Vec::new());
            for (count, (place, by)) in damage.iter().enumerate() {
                let place = place.index(block.len());
                if erased.contains(&place) || wrong.contains(&place) {
                    continue;
                }
                let (is_known, room) = (count < erasures, checks - erased.len() - 2 * wrong.len());
                if is_known && room >= 1 {
                    erased.push(place);
                } else if room >= 2 {
                    wrong.push(place);
                } else {
                    break;
                }
                block[place] ^= by;
            }
            prop_assert_eq!(correct(&mut block, checks, &erased), Some(wrong.len()));
            prop_assert_eq!(block, sound);
        }

        #[test]
        fn anything_ends_without_a_panic(
            mut block in proptest::collection::vec(any::<u8>(), 0..300),
            checks in 0_usize..80,
            erased in proptest::collection::vec(0_usize..400, 0..40),
        ) {
            correct(&mut block, checks, &erased);
        }
    }
}
