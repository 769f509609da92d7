//! From the modules' tones to the content, believing no more than the redundancy proves.
//!
//! Whatever of the code's blocks comes out right is handed back even when the whole does not: it says where modules
//! stand, and so helps to see the rest.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use rxing::DecodeHints;
use rxing::common::reedsolomon::{PredefinedGenericGF, ReedSolomonDecoder};
use rxing::qrcode::common::ErrorCorrectionLevel;
use rxing::qrcode::decoder::decoded_bit_stream_parser;

use super::symbol::{Block, Format, Symbol, formats};

/// The next format is tried while it agrees nearly as well as the best.
const FORMATS_MAX: usize = 3;
/// Least agreement of the modules with the usual beginning for it to be believed: chance gives zero, and with more than
/// three hundred modules a fifth would be chance once in a thousand codes.
const OPENING_AGREEMENT_MIN: f32 = 0.4;
/// Least agreement of the modules with the code that they were read as, one being perfect.
const AGREEMENT_MIN: f32 = 0.72;

/// What came of reading the modules.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The content of the code, and how much of the redundancy was left unused in the block that needed most of it.
    Read { text: String, spare: usize },
    /// No content, but so many modules are certain now: each `1` dark, `-1` light or `0`.
    Partly { blocks: usize, believed: Vec<i8> },
}

/// Reads the modules of a code.
pub fn read(symbol: &Symbol, tones: &[f32]) -> Outcome {
    let mut best = Outcome::Partly {
        blocks: 0,
        believed: symbol.known.clone(),
    };
    for format in likely_formats(symbol, tones) {
        match (read_as(symbol, tones, format), &best) {
            (read @ Outcome::Read { .. }, _) => return read,
            (
                Outcome::Partly { blocks, believed },
                Outcome::Partly {
                    blocks: least,
                    believed: before,
                },
            ) if blocks > *least || (blocks == *least && certain(&believed) > certain(before)) => {
                best = Outcome::Partly { blocks, believed };
            }
            _ => {}
        }
    }
    best
}

/// Modules whose colour is certain.
pub fn certain(believed: &[i8]) -> usize {
    believed.iter().filter(|b| **b != 0).count()
}

/// The formats that agree best with both copies of the format word.
fn likely_formats(symbol: &Symbol, tones: &[f32]) -> Vec<Format> {
    let copies = symbol.format_modules();
    let mut scored: Vec<(f32, Format)> = formats()
        .map(|(format, word)| {
            let mut score = 0.0;
            for copy in &copies {
                for (bit, module) in copy.iter().enumerate() {
                    let sign = if word >> (14 - bit) & 1 == 1 {
                        1.0
                    } else {
                        -1.0
                    };
                    score += sign * tones[*module].clamp(-1.0, 1.0);
                }
            }
            (score, format)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.first().map_or(0.0, |s| s.0);
    scored
        .into_iter()
        .take(FORMATS_MAX)
        .filter(|(s, _)| *s > 0.6 * best)
        .map(|(_, f)| f)
        .collect()
}

/// The tones of the bits in the order of reading, with the mask undone.
fn unmasked(symbol: &Symbol, tones: &[f32], mask: u8) -> Vec<f32> {
    symbol
        .bits
        .iter()
        .map(|module| {
            if symbol.is_masked(*module, mask) {
                -tones[*module]
            } else {
                tones[*module]
            }
        })
        .collect()
}

fn read_as(symbol: &Symbol, tones: &[f32], format: Format) -> Outcome {
    let soft = unmasked(symbol, tones, format.mask);
    let mut bytes = Vec::with_capacity(soft.len() / 8);
    for bits in soft.chunks_exact(8) {
        bytes.push(
            bits.iter()
                .fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit > 0.0)),
        );
    }
    let mut believed = symbol.known.clone();
    let mut believe = |place: usize, value: u8, bits: u8| {
        for bit in (0..8).filter(|bit| bits >> (7 - bit) & 1 == 1) {
            let module = symbol.bits[place * 8 + bit];
            let dark = (value >> (7 - bit) & 1 == 1) != symbol.is_masked(module, format.mask);
            believed[module] = if dark { 1 } else { -1 };
        }
    };
    let blocks = symbol.blocks(format.level);
    for (place, value, bits) in opening(symbol, &blocks, &soft) {
        believe(place, value, bits);
    }
    let (mut data, mut seen, mut solved, mut least) = (Vec::new(), bytes.clone(), 0, usize::MAX);
    for block in &blocks {
        let values: Vec<u8> = block.places.iter().map(|p| bytes[*p]).collect();
        let Some((corrected, spare)) = correct(&values, block.checks) else {
            continue;
        };
        solved += 1;
        least = least.min(spare);
        for (place, value) in block.places.iter().zip(&corrected) {
            seen[*place] = *value;
            believe(*place, *value, u8::MAX);
        }
        data.extend_from_slice(&corrected[..corrected.len() - block.checks]);
    }
    let is_whole = solved == blocks.len() && agreement(&soft, &seen) >= AGREEMENT_MIN;
    match is_whole
        .then(|| text(symbol, &data, format.level))
        .flatten()
    {
        Some(text) => Outcome::Read { text, spare: least },
        None => Outcome::Partly {
            blocks: solved,
            believed,
        },
    }
}

/// How links to the tax cabinet begin. Most fiscal codes of the country do.
const OPENING: &[u8] = b"https://cabinet.tax.gov.ua/cashregs/check?";

/// When the code seems to begin like a fiscal link: the place of each byte of that beginning, its value, and which of
/// its bits belong to it.
fn opening(symbol: &Symbol, blocks: &[Block], soft: &[f32]) -> Vec<(usize, u8, u8)> {
    // Four bits of mode and the length stand before the text, and shift it by half a byte.
    let start = if symbol.version < 10 { 1 } else { 2 };
    let mut bytes = vec![(start, OPENING[0] >> 4, 0x0f)];
    for (index, value) in OPENING.iter().enumerate() {
        let next = OPENING.get(index + 1);
        let bits = if next.is_some() { 0xff } else { 0xf0 };
        bytes.push((
            start + 1 + index,
            value << 4 | next.map_or(0, |n| n >> 4),
            bits,
        ));
    }
    let data_places: Vec<usize> = blocks
        .iter()
        .flat_map(|b| b.places[..b.places.len() - b.checks].iter().copied())
        .collect();
    let placed: Option<Vec<(usize, u8, u8)>> = bytes
        .into_iter()
        .map(|(index, value, bits)| Some((*data_places.get(index)?, value, bits)))
        .collect();
    let Some(placed) = placed else {
        return Vec::new();
    };
    let (mut agrees, mut all) = (0.0, 0.0);
    for (place, value, bits) in &placed {
        for bit in (0..8).filter(|bit| bits >> (7 - bit) & 1 == 1) {
            let tone = soft[place * 8 + bit].clamp(-1.0, 1.0);
            all += tone.abs();
            agrees += if value >> (7 - bit) & 1 == 1 {
                tone
            } else {
                -tone
            };
        }
    }
    if agrees > OPENING_AGREEMENT_MIN * all {
        placed
    } else {
        Vec::new()
    }
}

/// The block without its errors, and how much of its redundancy that left unused. Bytes seen badly are not treated as
/// unknown: measured, that reads no further code, and every unknown byte takes away from the proof.
fn correct(values: &[u8], checks: usize) -> Option<(Vec<u8>, usize)> {
    let decoder = ReedSolomonDecoder::new(PredefinedGenericGF::QrCodeField256.into());
    let mut block = values.to_vec();
    let errors = decoder
        .decode(&mut block, i32::try_from(checks).ok()?)
        .ok()?;
    let spare = checks.checked_sub(2 * errors)?;
    Some((block, spare))
}

/// How much of what was seen speaks for the corrected bytes, weighed by clearness.
fn agreement(soft: &[f32], bytes: &[u8]) -> f32 {
    let (mut agrees, mut all) = (0.0, 0.0);
    for (bits, byte) in soft.chunks_exact(8).zip(bytes) {
        for (bit, tone) in bits.iter().enumerate() {
            let weight = tone.abs().min(1.0);
            all += weight;
            agrees += if (*tone > 0.0) == (byte >> (7 - bit) & 1 == 1) {
                weight
            } else {
                -weight
            };
        }
    }
    if all > 0.0 { agrees / all } else { 0.0 }
}

fn text(symbol: &Symbol, data: &[u8], level: ErrorCorrectionLevel) -> Option<String> {
    let decoded =
        decoded_bit_stream_parser::decode(data, symbol.table(), level, &DecodeHints::default())
            .ok()?;
    let text = decoded.getText().to_owned();
    (!text.is_empty()).then_some(text)
}
