//! The thermal printer: lines of text and a QR code on a strip of grey pixels.

use super::layout::{COLUMNS, Line};
use super::{Degradation, SampleError, SampleSpec};
use ab_glyph::{Font, FontRef, Glyph, ScaleFont};
use qrcode::{EcLevel, QrCode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;

/// An 8-bit grey picture, row by row.
pub(super) struct Grey {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// Width of a character cell. About 30 px of letter height in the photo is what readers like.
const CELL: usize = 19;
/// Line pitch, about a quarter more than the letters, as the printers' 30 dots for 24.
const LINE: usize = 43;
const MARGIN: usize = 40;
/// Pixels of a QR module: a multiple of the printer's dot, wide enough to survive a soft photo.
const MODULE: usize = 7;
/// The standard asks for four empty modules around the code.
const QUIET: usize = 4;
const WHITE: u8 = 238;

/// Prints the lines. The specification's seed gives the wear of the print head.
pub(super) fn print(lines: &[Line], spec: &SampleSpec) -> Result<Grey, SampleError> {
    let codes: Vec<Option<Code>> = lines
        .iter()
        .map(|line| match line {
            Line::Qr(text) => Code::new(text).map(Some),
            Line::Text { .. } | Line::Gap => Ok(None),
        })
        .collect::<Result<_, _>>()?;
    let body: usize = codes
        .iter()
        .map(|code| code.as_ref().map_or(LINE, Code::height))
        .sum();
    let width = COLUMNS * CELL + 2 * MARGIN;
    let height = body + 3 * MARGIN;
    let mut paper = Grey {
        width,
        height,
        pixels: vec![WHITE; width * height],
    };
    let mut press = Press::new(width, spec)?;
    let mut top = MARGIN;
    for (line, code) in lines.iter().zip(&codes) {
        match (line, code) {
            (_, Some(code)) => {
                code.draw(&mut paper, top, press.ink);
                top += code.height();
            }
            (Line::Text { text, bold }, None) => {
                press.text(&mut paper, top, text, *bold);
                top += LINE;
            }
            (Line::Qr(_) | Line::Gap, None) => top += LINE,
        }
    }
    Ok(paper)
}

struct Code {
    side: usize,
    dark: Vec<bool>,
}

impl Code {
    fn new(text: &str) -> Result<Self, SampleError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
        let dark = code
            .to_colors()
            .into_iter()
            .map(|c| c == qrcode::Color::Dark)
            .collect();
        Ok(Self {
            side: code.width(),
            dark,
        })
    }

    fn height(&self) -> usize {
        (self.side + 2 * QUIET) * MODULE
    }

    fn draw(&self, paper: &mut Grey, top: usize, ink: u8) {
        let left = paper.width.saturating_sub(self.side * MODULE) / 2;
        for (i, _) in self.dark.iter().enumerate().filter(|(_, dark)| **dark) {
            let (x, y) = (
                left + i % self.side * MODULE,
                top + (QUIET + i / self.side) * MODULE,
            );
            for row in y..y + MODULE {
                let start = row * paper.width + x;
                paper.pixels[start..start + MODULE].fill(ink);
            }
        }
    }
}

/// A rasterised letter: how much ink falls on each pixel of its box.
struct Letter {
    left: i32,
    top: i32,
    width: usize,
    ink: Vec<u8>,
}

struct Press {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
    /// Faces of the same family whose zero is plain; used for that one letter.
    zeros: Option<[FontRef<'static>; 2]>,
    letters: HashMap<(char, bool), Option<Letter>>,
    /// Darkness of full ink.
    ink: u8,
    /// What each heating element of the head gives, in 1/256 of full ink.
    head: Vec<u16>,
    rng: StdRng,
}

impl Press {
    fn new(width: usize, spec: &SampleSpec) -> Result<Self, SampleError> {
        let mut rng = StdRng::seed_from_u64(spec.seed ^ 0x5EED_0002);
        let (ink, wear) = match spec.degradation {
            Degradation::Clean => (44, 6),
            Degradation::Light => (52, 16),
            Degradation::Moderate => (66, 30),
            Degradation::Strong => (90, 60),
            Degradation::Ruined => (196, 120),
        };
        let head = (0..width)
            .map(|_| 256 - rng.random_range(0..=wear))
            .collect();
        let plain = [dejavu::sans::regular(), dejavu::sans::bold()].map(FontRef::try_from_slice);
        let [regular_zero, bold_zero] = plain;
        let zeros = if spec.marked_zeros {
            None
        } else {
            Some([regular_zero?, bold_zero?])
        };
        Ok(Self {
            zeros,
            regular: FontRef::try_from_slice(dejavu::sans_mono::regular())?,
            bold: FontRef::try_from_slice(dejavu::sans_mono::bold())?,
            letters: HashMap::new(),
            ink,
            head,
            rng,
        })
    }

    fn text(&mut self, paper: &mut Grey, top: usize, text: &str, bold: bool) {
        let font = if bold { &self.bold } else { &self.regular };
        // The paper's speed wavers a little from line to line, and with it the darkness.
        let pressure = 256 - self.rng.random_range(0..14_u32);
        for (column, c) in text.chars().enumerate().filter(|(_, c)| *c != ' ') {
            let face = match &self.zeros {
                Some(faces) if c == '0' => &faces[usize::from(bold)],
                _ => font,
            };
            let letter = self
                .letters
                .entry((c, bold))
                .or_insert_with(|| rasterise(font, face, c));
            if let Some(letter) = letter {
                let x = (MARGIN + column * CELL) as i32 + letter.left;
                stamp(
                    paper,
                    x,
                    top as i32 + letter.top,
                    letter,
                    (self.ink, pressure),
                    &self.head,
                );
            }
        }
    }
}

/// The letter of `face` in the size and on the baseline of `grid`, the face that sets the columns.
fn rasterise(grid: &FontRef<'static>, face: &FontRef<'static>, c: char) -> Option<Letter> {
    // The advance of the grid's face fills the cell exactly.
    let unit = grid.as_scaled(100.0);
    let scale = 100.0 * CELL as f32 / unit.h_advance(unit.glyph_id('0'));
    let baseline = grid.as_scaled(scale).ascent();
    let glyph: Glyph = face
        .glyph_id(c)
        .with_scale_and_position(scale, ab_glyph::point(0.0, baseline));
    let outline = face.outline_glyph(glyph)?;
    let bounds = outline.px_bounds();
    let (width, height) = (bounds.width() as usize, bounds.height() as usize);
    let mut ink = vec![0_u8; width * height];
    outline.draw(|x, y, coverage| {
        if let Some(cell) = ink.get_mut(y as usize * width + x as usize) {
            *cell = (coverage.clamp(0.0, 1.0) * 255.0) as u8;
        }
    });
    Some(Letter {
        left: bounds.min.x as i32,
        top: bounds.min.y as i32,
        width,
        ink,
    })
}

fn stamp(
    paper: &mut Grey,
    left: i32,
    top: i32,
    letter: &Letter,
    (ink, pressure): (u8, u32),
    head: &[u16],
) {
    let depth = u32::from(WHITE - ink) * pressure / 256;
    for (i, coverage) in letter.ink.iter().enumerate().filter(|(_, c)| **c > 0) {
        let x = left + (i % letter.width) as i32;
        let y = top + (i / letter.width) as i32;
        if x < 0 || y < 0 || x as usize >= paper.width || y as usize >= paper.height {
            continue;
        }
        let dark = depth * u32::from(*coverage) / 255 * u32::from(head[x as usize]) / 256;
        let pixel = &mut paper.pixels[y as usize * paper.width + x as usize];
        *pixel = pixel.saturating_sub(dark as u8);
    }
}
