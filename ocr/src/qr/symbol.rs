//! The printed form of a QR code of one version: which modules are the same in every code, and where the bits stand.

use rxing::qrcode::common::{ErrorCorrectionLevel, Version};

/// Masked format words are this apart from their plain form.
const FORMAT_MASK: u32 = 0x5412;
const FORMAT_POLYNOMIAL: u32 = 0x537;
const VERSION_POLYNOMIAL: u32 = 0x1f25;
/// Versions above this do not stand on receipts; a larger code could not be photographed together with one.
pub const VERSION_MAX: u32 = 20;

/// Level and mask of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    pub level: ErrorCorrectionLevel,
    pub mask: u8,
}

/// One block of the code: where its bytes stand in the order of reading, and how many of them are redundancy.
#[derive(Debug, Clone)]
pub struct Block {
    pub places: Vec<usize>,
    pub checks: usize,
}

/// All that is fixed by the version.
#[derive(Debug)]
pub struct Symbol {
    pub version: u32,
    /// Modules along an edge.
    pub dimension: usize,
    /// For each module, row by row: `1` always dark, `-1` always light, `0` depends on the content.
    pub known: Vec<i8>,
    /// For each bit in the order of reading its module.
    pub bits: Vec<usize>,
    table: &'static Version,
}

impl Symbol {
    /// `None` for a version outside `1..=VERSION_MAX`.
    pub fn of_version(version: u32) -> Option<Self> {
        if !(1..=VERSION_MAX).contains(&version) {
            return None;
        }
        let table = Version::getVersionForNumber(version).ok()?;
        let dimension = usize::try_from(17 + 4 * version).ok()?;
        let function = table.buildFunctionPattern().ok()?;
        let is_function = |x: usize, y: usize| match (u32::try_from(x), u32::try_from(y)) {
            (Ok(x), Ok(y)) => function.get(x, y),
            _ => false,
        };
        let mut symbol = Self {
            version,
            dimension,
            known: vec![0; dimension * dimension],
            bits: Vec::new(),
            table,
        };
        symbol.draw_fixed();
        symbol.bits = reading_order(dimension, is_function);
        let total = usize::try_from(table.getTotalCodewords()).ok()? * 8;
        if symbol.bits.len() < total {
            return None;
        }
        symbol.bits.truncate(total);
        Some(symbol)
    }

    fn put(&mut self, x: usize, y: usize, dark: bool) {
        if let Some(module) = self.known.get_mut(y * self.dimension + x) {
            *module = if dark { 1 } else { -1 };
        }
    }

    fn draw_fixed(&mut self) {
        let end = self.dimension - 7;
        for (left, top) in [(0, 0), (end, 0), (0, end)] {
            // With the light border of one module around it, as far as it lies inside.
            for y in top.saturating_sub(1)..(top + 8).min(self.dimension) {
                for x in left.saturating_sub(1)..(left + 8).min(self.dimension) {
                    let ring = (x.abs_diff(left + 3)).max(y.abs_diff(top + 3));
                    self.put(x, y, ring == 3 || ring <= 1);
                }
            }
        }
        for i in 8..self.dimension - 8 {
            self.put(i, 6, i % 2 == 0);
            self.put(6, i, i % 2 == 0);
        }
        self.put(8, self.dimension - 8, true);
        for (x, y) in self.alignment_centres() {
            for dy in 0..5_usize {
                for dx in 0..5_usize {
                    let ring = dx.abs_diff(2).max(dy.abs_diff(2));
                    self.put(x + dx - 2, y + dy - 2, ring != 1);
                }
            }
        }
        if self.version >= 7 {
            let word = with_remainder(self.version, 12, VERSION_POLYNOMIAL);
            for bit in 0..18 {
                let (far, near) = (self.dimension - 11 + bit % 3, bit / 3);
                self.put(far, near, word >> bit & 1 == 1);
                self.put(near, far, word >> bit & 1 == 1);
            }
        }
    }

    /// Centres of the alignment patterns, without the corners that the finder patterns take.
    pub fn alignment_centres(&self) -> Vec<(usize, usize)> {
        let lines: Vec<usize> = self
            .table
            .getAlignmentPatternCenters()
            .iter()
            .filter_map(|c| usize::try_from(*c).ok())
            .collect();
        let (Some(first), Some(last)) = (lines.first().copied(), lines.last().copied()) else {
            return Vec::new();
        };
        let taken = |x, y| (x == first && (y == first || y == last)) || (x == last && y == first);
        lines
            .iter()
            .flat_map(|y| lines.iter().map(move |x| (*x, *y)))
            .filter(|(x, y)| !taken(*x, *y))
            .collect()
    }

    /// The modules of both copies of the format word, from its highest bit down.
    pub fn format_modules(&self) -> [[usize; 15]; 2] {
        let d = self.dimension;
        let at = |x: usize, y: usize| y * d + x;
        let near = [0, 1, 2, 3, 4, 5, 7, 8].map(|x| at(x, 8));
        let up = [7, 5, 4, 3, 2, 1, 0].map(|y| at(8, y));
        let below = (1..=7).map(|i| at(8, d - i));
        let right = (0..8).map(|i| at(d - 8 + i, 8));
        let mut copies = [[0; 15]; 2];
        let beside = near.into_iter().chain(up);
        for (copy, places) in copies
            .iter_mut()
            .zip([beside.collect(), below.chain(right).collect::<Vec<_>>()])
        {
            copy.iter_mut()
                .zip(places)
                .for_each(|(module, place)| *module = place);
        }
        copies
    }

    /// Whether the mask inverts a module.
    pub fn is_masked(&self, module: usize, mask: u8) -> bool {
        let (i, j) = (module / self.dimension, module % self.dimension);
        match mask {
            0 => (i + j) % 2 == 0,
            1 => i % 2 == 0,
            2 => j % 3 == 0,
            3 => (i + j) % 3 == 0,
            4 => (i / 2 + j / 3) % 2 == 0,
            5 => i * j % 2 + i * j % 3 == 0,
            6 => (i * j % 2 + i * j % 3) % 2 == 0,
            _ => ((i + j) % 2 + i * j % 3) % 2 == 0,
        }
    }

    /// How the bytes belong to the blocks at this level: the blocks' bytes stand interleaved, data before redundancy.
    pub fn blocks(&self, level: ErrorCorrectionLevel) -> Vec<Block> {
        let groups = self.table.getECBlocksForLevel(level);
        let size = |n: u32| usize::try_from(n).unwrap_or_default();
        let checks = size(groups.getECCodewordsPerBlock());
        let data: Vec<usize> = groups
            .getECBlocks()
            .iter()
            .flat_map(|group| {
                std::iter::repeat_n(size(group.getDataCodewords()), size(group.getCount()))
            })
            .collect();
        let mut blocks: Vec<Block> = data
            .iter()
            .map(|_| Block {
                places: Vec::new(),
                checks,
            })
            .collect();
        let mut place = 0;
        for index in 0..data.iter().copied().max().unwrap_or_default() {
            for (block, count) in blocks.iter_mut().zip(&data) {
                if index < *count {
                    block.places.push(place);
                    place += 1;
                }
            }
        }
        for _ in 0..checks {
            for block in &mut blocks {
                block.places.push(place);
                place += 1;
            }
        }
        blocks
    }

    pub fn table(&self) -> &'static Version {
        self.table
    }
}

/// Every format with its masked word.
pub fn formats() -> impl Iterator<Item = (Format, u32)> {
    (0..32_u32).filter_map(|word| {
        let level = ErrorCorrectionLevel::forBits(u8::try_from(word >> 3).ok()?).ok()?;
        let mask = u8::try_from(word & 7).ok()?;
        Some((
            Format { level, mask },
            with_remainder(word, 10, FORMAT_POLYNOMIAL) ^ FORMAT_MASK,
        ))
    })
}

/// The word followed by the remainder of its division, as format and version are written.
fn with_remainder(word: u32, bits: u32, polynomial: u32) -> u32 {
    let mut rest = word << bits;
    let top = u32::BITS - polynomial.leading_zeros();
    while u32::BITS - rest.leading_zeros() >= top {
        rest ^= polynomial << (u32::BITS - rest.leading_zeros() - top);
    }
    word << bits | rest
}

/// Pairs of columns from the right, up and down in turn, without the column of the timing pattern.
fn reading_order(dimension: usize, is_function: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut order = Vec::with_capacity(dimension * dimension);
    let mut upwards = true;
    let mut right = dimension - 1;
    while right >= 1 {
        if right == 6 {
            right = 5;
        }
        for step in 0..dimension {
            let y = if upwards { dimension - 1 - step } else { step };
            for x in [right, right - 1] {
                if !is_function(x, y) {
                    order.push(y * dimension + x);
                }
            }
        }
        upwards = !upwards;
        if right < 2 {
            break;
        }
        right -= 2;
    }
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use qrcode::{EcLevel, QrCode, Version};

    use super::*;

    #[test]
    fn what_is_fixed_stands_so_in_drawn_codes_of_every_version() {
        for version in 1..=VERSION_MAX {
            let symbol = Symbol::of_version(version).unwrap();
            let drawn = QrCode::with_version(
                b"a=1",
                Version::Normal(i16::try_from(version).unwrap()),
                EcLevel::M,
            )
            .unwrap();
            let colours = drawn.to_colors();
            assert_eq!(colours.len(), symbol.known.len());
            for (module, known) in symbol.known.iter().enumerate() {
                let dark = colours[module] == qrcode::Color::Dark;
                assert!(
                    *known == 0 || (*known == 1) == dark,
                    "version {version}, module {module}"
                );
            }
            let word_of = |modules: [usize; 15]| {
                modules.iter().fold(0, |word, m| {
                    word << 1 | u32::from(colours[*m] == qrcode::Color::Dark)
                })
            };
            let [first, second] = symbol.format_modules().map(word_of);
            assert_eq!(first, second);
            let (format, _) = formats().find(|(_, word)| *word == first).unwrap();
            assert_eq!(format.level, ErrorCorrectionLevel::M);
        }
    }
}
