//! A photo with what was read on it, for people: boxes of words, lines and fields on the greyed photo, and a panel that
//! names every field in the colour of its box.
//!
//! Nothing here decides anything; it shows why a reading is as it is.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of a receipt is computed here"
)]

use std::fmt::Display;
use std::io::Cursor;
use std::time::{Duration, Instant};

use ab_glyph::{Font, FontRef, ScaleFont, point};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use imageproc::drawing::{draw_filled_rect_mut, draw_hollow_rect_mut};
use imageproc::rect::Rect;
use kvit_domain::recognition::{Confidence, Field, QrReading, ReceiptItem, Recognition, Region};
use strsim::normalized_levenshtein;

use crate::engine::{Engine, EngineConfig, EngineError};
use crate::intake::{self, IntakeError};
use crate::layout::{self, Line, around};

/// Long side of the photo in the picture: enough to read the print, little enough to be sent around.
const SIDE_MAX: u32 = 2_000;
/// Shortest picture, so that the panel has room.
const HEIGHT_MIN: u32 = 900;
/// Time for looking at the plain photo.
const LOOK: Duration = Duration::from_secs(6);
/// Width of the panel.
const PANEL: u32 = 620;
const MARGIN: u32 = 16;
const TEXT_PX: f32 = 20.0;
const TAG_PX: f32 = 17.0;
const ROW: u32 = 27;
/// From here on a line is taken to be the one that an item was read from.
const ITEM_ALIKE: f64 = 0.6;
/// Most goods listed.
const ITEMS_MAX: usize = 40;

const BACKGROUND: Rgb<u8> = Rgb([250, 250, 250]);
const INK: Rgb<u8> = Rgb([30, 30, 30]);
const FAINT: Rgb<u8> = Rgb([110, 110, 110]);
const LINE: Rgb<u8> = Rgb([150, 170, 205]);
const WORD_SURE: Rgb<u8> = Rgb([60, 160, 80]);
const WORD_SO_SO: Rgb<u8> = Rgb([225, 150, 0]);
const WORD_POOR: Rgb<u8> = Rgb([215, 50, 50]);
const ITEM: Rgb<u8> = Rgb([0, 125, 140]);
/// Colours of the fields, dark enough for white letters on them.
const FIELDS: [Rgb<u8>; 6] = [
    Rgb([190, 30, 105]),
    Rgb([25, 85, 200]),
    Rgb([105, 55, 175]),
    Rgb([160, 85, 20]),
    Rgb([75, 95, 110]),
    Rgb([0, 105, 60]),
];

/// Why no picture was made.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// The bytes are not an acceptable photo.
    #[error("the photo was not accepted")]
    Intake(#[from] IntakeError),
    /// The engine failed.
    #[error("the OCR engine failed")]
    Engine(#[from] EngineError),
    /// The font or the encoder failed: a fault of the program.
    #[error("the picture could not be drawn: {0}")]
    Drawing(String),
}

/// The lines that the engine sees on the plain photo, in the photo's pixels. A look for people: the reader itself looks at
/// prepared pages, and more than once.
///
/// # Errors
/// [`AnnotateError`].
pub fn lines(photo: &[u8], config: &EngineConfig) -> Result<Vec<Line>, AnnotateError> {
    let grey = intake::decode(photo)?.grey;
    let words = Engine::init(config)?.read(&grey, true, Instant::now() + LOOK)?;
    Ok(layout::lines(layout::within_margins(words)))
}

/// The photo as a PNG with boxes around `lines`, their words and the fields of `recognition`, whose places are pixels of
/// the photo turned upright by its EXIF orientation.
///
/// # Errors
/// [`AnnotateError`].
pub fn png(
    photo: &[u8],
    lines: &[Line],
    recognition: &Recognition,
) -> Result<Vec<u8>, AnnotateError> {
    let grey = intake::decode(photo)?.grey;
    let pen = Pen::new()?;
    let mut sheet = Sheet::new(&grey);
    for line in lines {
        if let Some(region) = line.region() {
            sheet.frame(region, LINE, 1, 4);
        }
        for word in &line.words {
            sheet.frame(word.region, word_colour(word.confidence), 1, 0);
        }
    }
    let entries = entries(recognition);
    for (number, item) in (1..).zip(&recognition.items) {
        if let Some(region) = place_of(item, lines) {
            sheet.frame(region, ITEM, 2, 6);
            sheet.tag(&pen, region, ITEM, &format!("{number}"));
        }
    }
    for entry in &entries {
        if let Some(region) = entry.region {
            sheet.frame(region, entry.colour, 3, 5);
            sheet.tag(&pen, region, entry.colour, entry.name);
        }
    }
    sheet.panel(&pen, recognition, &entries, !lines.is_empty());
    let mut out = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(sheet.picture)
        .write_to(&mut out, ImageFormat::Png)
        .map_err(|error| AnnotateError::Drawing(error.to_string()))?;
    Ok(out.into_inner())
}

fn word_colour(confidence: Confidence) -> Rgb<u8> {
    match confidence.thousandths() {
        800.. => WORD_SURE,
        600..800 => WORD_SO_SO,
        _ => WORD_POOR,
    }
}

/// A field as it is shown.
struct Entry {
    name: &'static str,
    value: String,
    confidence: Confidence,
    region: Option<Region>,
    colour: Rgb<u8>,
}

fn entries(read: &Recognition) -> Vec<Entry> {
    fn entry<T>(
        name: &'static str,
        colour: Rgb<u8>,
        field: Option<&Field<T>>,
        value: impl Fn(&T) -> String,
    ) -> Option<Entry> {
        field.map(|field| Entry {
            name,
            value: value(&field.value),
            confidence: field.confidence,
            region: field.region,
            colour,
        })
    }
    let sum = |minor: &i64| format!("{} {}", decimal(*minor), read.currency);
    let day = read
        .purchased_on
        .as_ref()
        .filter(|_| read.purchased_at.is_none());
    [
        entry("total", FIELDS[0], read.total_minor.as_ref(), sum),
        entry("time", FIELDS[1], read.purchased_at.as_ref(), |at| {
            at.to_string()
        }),
        entry("date", FIELDS[1], day, |on| on.to_string()),
        entry(
            "register",
            FIELDS[2],
            read.register_number.as_ref(),
            String::clone,
        ),
        entry(
            "receipt",
            FIELDS[3],
            read.receipt_number.as_ref(),
            String::clone,
        ),
        entry("tax id", FIELDS[4], read.tax_id.as_ref(), String::clone),
        entry("merchant", FIELDS[5], read.merchant.as_ref(), String::clone),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let absolute = minor.unsigned_abs();
    format!("{sign}{}.{:02}", absolute / 100, absolute % 100)
}

/// Where an item's name stands: the line, or two lines, that look most like it.
fn place_of(item: &ReceiptItem, lines: &[Line]) -> Option<Region> {
    let name = item.name.to_lowercase();
    let texts: Vec<String> = lines.iter().map(|l| l.text().to_lowercase()).collect();
    // An article number may stand before the name and sums behind it, so the name is compared with as much text as it is
    // long, from every word on.
    let length = name.chars().count();
    let alike = |text: &str| {
        let blanks = text.match_indices(' ').map(|(at, _)| at + 1);
        std::iter::once(0)
            .chain(blanks)
            .map(|start| {
                let part: String = text[start..].chars().take(length).collect();
                normalized_levenshtein(&part, &name)
            })
            .fold(0.0, f64::max)
    };
    let single = texts
        .iter()
        .enumerate()
        .map(|(i, text)| (alike(text), i, i));
    let double = texts.windows(2).enumerate().map(|(i, pair)| {
        // A second line must bring something.
        (alike(&pair.join(" ")) - 0.05, i, i + 1)
    });
    let (_, first, last) = single
        .chain(double)
        .filter(|(alike, ..)| *alike >= ITEM_ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    let regions = lines.get(first..=last)?.iter().filter_map(Line::region);
    regions.reduce(around)
}

/// Letters.
struct Pen {
    font: FontRef<'static>,
}

impl Pen {
    fn new() -> Result<Self, AnnotateError> {
        let font = FontRef::try_from_slice(dejavu::sans_mono::regular());
        Ok(Self {
            font: font.map_err(|error| AnnotateError::Drawing(error.to_string()))?,
        })
    }

    fn advance(&self, size: f32) -> f32 {
        let scaled = self.font.as_scaled(size);
        scaled.h_advance(scaled.glyph_id('0')).max(1.0)
    }

    /// Writes a line whose letters reach down from `top`.
    fn write(
        &self,
        picture: &mut RgbImage,
        (left, top): (i64, i64),
        size: f32,
        ink: Rgb<u8>,
        text: &str,
    ) {
        let scaled = self.font.as_scaled(size);
        let (advance, baseline) = (self.advance(size), scaled.ascent());
        for (column, letter) in text.chars().enumerate() {
            let glyph = self
                .font
                .glyph_id(letter)
                .with_scale_and_position(size, point(column as f32 * advance, baseline));
            let Some(outline) = self.font.outline_glyph(glyph) else {
                continue;
            };
            let bounds = outline.px_bounds();
            outline.draw(|x, y, coverage| {
                let x = left + bounds.min.x as i64 + i64::from(x);
                let y = top + bounds.min.y as i64 + i64::from(y);
                let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
                    return;
                };
                if let Some(pixel) = picture.get_pixel_mut_checked(x, y) {
                    let part = coverage.clamp(0.0, 1.0);
                    for (channel, ink) in pixel.0.iter_mut().zip(ink.0) {
                        let mixed = f32::from(*channel) * (1.0 - part) + f32::from(ink) * part;
                        *channel = mixed as u8;
                    }
                }
            });
        }
    }
}

/// The picture that is drawn on: the photo on the left, the panel on the right.
struct Sheet {
    picture: RgbImage,
    photo: (u32, u32),
    scale: f32,
}

impl Sheet {
    fn new(grey: &GrayImage) -> Self {
        let long = grey.width().max(grey.height()).max(1);
        let scale = (SIDE_MAX as f32 / long as f32).min(1.0);
        let part = |edge: u32| ((edge as f32 * scale).round() as u32).max(1);
        let (width, height) = (part(grey.width()), part(grey.height()));
        let small = DynamicImage::ImageLuma8(grey.clone())
            .resize_exact(width, height, FilterType::Triangle)
            .into_luma8();
        let mut picture = RgbImage::from_pixel(width + PANEL, height.max(HEIGHT_MIN), BACKGROUND);
        for (x, y, pixel) in small.enumerate_pixels() {
            // A little lighter than it is, so that colours stand out.
            let light = 60 + u16::from(pixel.0[0]) * 195 / 255;
            let light = u8::try_from(light).unwrap_or(u8::MAX);
            picture.put_pixel(x, y, Rgb([light; 3]));
        }
        Self {
            picture,
            photo: (width, height),
            scale,
        }
    }

    /// A region of the photo in pixels of the picture, grown by `slack`.
    fn rect(&self, region: Region, slack: i32) -> Rect {
        let at = |value: u32| (value as f32 * self.scale).round() as i32;
        let (left, top) = (at(region.x) - slack, at(region.y) - slack);
        let right = at(region.x.saturating_add(region.width)).saturating_add(slack);
        let bottom = at(region.y.saturating_add(region.height)).saturating_add(slack);
        let (limit_x, limit_y) = (self.photo.0 as i32 - 1, self.photo.1 as i32 - 1);
        let (left, top) = (left.clamp(0, limit_x), top.clamp(0, limit_y));
        let width = (right.clamp(0, limit_x) - left).max(1) as u32;
        let height = (bottom.clamp(0, limit_y) - top).max(1) as u32;
        Rect::at(left, top).of_size(width, height)
    }

    fn frame(&mut self, region: Region, colour: Rgb<u8>, thickness: i32, slack: i32) {
        for ring in 0..thickness {
            let rect = self.rect(region, slack + ring);
            draw_hollow_rect_mut(&mut self.picture, rect, colour);
        }
    }

    /// A name in white on the colour, above the region, or below it at the upper edge.
    fn tag(&mut self, pen: &Pen, region: Region, colour: Rgb<u8>, name: &str) {
        let rect = self.rect(region, 6);
        let width = (pen.advance(TAG_PX) * name.chars().count() as f32).ceil() as u32 + 8;
        let height = TAG_PX as u32 + 3;
        let top = match rect.top() - height as i32 {
            above if above >= 0 => above,
            _ => rect.bottom(),
        };
        let left = rect
            .left()
            .min((self.photo.0.saturating_sub(width)) as i32)
            .max(0);
        draw_filled_rect_mut(
            &mut self.picture,
            Rect::at(left, top).of_size(width, height),
            colour,
        );
        pen.write(
            &mut self.picture,
            (i64::from(left) + 4, i64::from(top) + 1),
            TAG_PX,
            Rgb([255; 3]),
            name,
        );
    }

    fn panel(&mut self, pen: &Pen, read: &Recognition, entries: &[Entry], words: bool) {
        let mut rows: Vec<(Rgb<u8>, String)> = Vec::new();
        rows.push((INK, format!("confidence {}", share(read.confidence))));
        rows.push((INK, code(&read.qr)));
        rows.push((INK, String::new()));
        for entry in entries {
            let place = if entry.region.is_some() {
                ""
            } else {
                ", no place"
            };
            rows.push((
                entry.colour,
                format!("{} ({}{place})", entry.name, share(entry.confidence)),
            ));
            rows.push((INK, format!("  {}", entry.value)));
        }
        rows.push((INK, String::new()));
        rows.push((ITEM, format!("goods: {}", read.items.len())));
        for (number, item) in (1..).zip(read.items.iter().take(ITEMS_MAX)) {
            rows.push((INK, format!("{number:>2} {}", item.name)));
            let discount = match item.discount_minor {
                0 => String::new(),
                minor => format!(" - {}", decimal(minor)),
            };
            let sum = decimal(item.sum_minor);
            let line = format!(
                "   {} = {sum}{discount} ({})",
                item.quantity,
                share(item.confidence)
            );
            rows.push((FAINT, line));
        }
        if !read.anomalies.is_empty() {
            rows.push((INK, String::new()));
            rows.push((WORD_POOR, "doubts".to_owned()));
            for anomaly in &read.anomalies {
                rows.push((INK, format!("  {anomaly:?}")));
            }
        }
        if words {
            rows.push((INK, String::new()));
            rows.push((WORD_SURE, "word, confidence 0.8 and more".to_owned()));
            rows.push((WORD_SO_SO, "word, 0.6 to 0.8".to_owned()));
            rows.push((WORD_POOR, "word, less".to_owned()));
            rows.push((LINE, "line".to_owned()));
        }
        let columns = ((PANEL - 2 * MARGIN) as f32 / pen.advance(TEXT_PX)) as usize;
        let left = i64::from(self.photo.0 + MARGIN);
        let mut top = MARGIN;
        for (colour, text) in rows {
            if top + ROW > self.picture.height() {
                break;
            }
            pen.write(
                &mut self.picture,
                (left, i64::from(top)),
                TEXT_PX,
                colour,
                &cut(&text, columns),
            );
            top += ROW;
        }
    }
}

fn share(confidence: Confidence) -> impl Display {
    let value = confidence.thousandths();
    format!("{}.{:02}", value / 1_000, value % 1_000 / 10)
}

fn code(qr: &QrReading) -> String {
    match qr {
        QrReading::Missing => "QR: none decoded".to_owned(),
        QrReading::Fiscal { fiscal, step } => format!(
            "QR: {} {} ({step})",
            decimal(fiscal.total_minor),
            fiscal.purchased_at.date()
        ),
        QrReading::Incomplete { missing, step } => {
            format!("QR lacks {} ({step})", missing.join(", "))
        }
        QrReading::NotAReceipt { step } => format!("QR of something else ({step})"),
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chrono::NaiveDate;

    use super::*;
    use crate::layout::Word;
    use crate::samples::{Layout, SampleItem, SampleSpec, product, render};

    fn region(x: u32, y: u32, width: u32, height: u32) -> Region {
        Region {
            x,
            y,
            width,
            height,
        }
    }

    fn line(text: &str, y: u32) -> Line {
        let words = text.split(' ').enumerate().map(|(i, word)| Word {
            text: word.to_owned(),
            confidence: Confidence::from_thousandths(900),
            region: region(50 + 120 * u32::try_from(i).unwrap(), y, 100, 30),
        });
        Line {
            words: words.collect(),
        }
    }

    fn reading() -> Recognition {
        serde_json::from_value(serde_json::json!({
            "qr": { "kind": "missing" },
            "merchant": null, "tax_id": null, "register_number": null, "receipt_number": null,
            "purchased_at": null, "purchased_on": null, "currency": "UAH",
            "total_minor": { "value": 13_181, "confidence": 950, "region": { "x": 300, "y": 400, "width": 120, "height": 40 } },
            "items": [{ "name": "Цитрамон-Дарниця табл. №10", "quantity": 1_000, "unit_price_minor": 3_650, "sum_minor": 3_650, "confidence": 900 }],
            "is_return": false, "confidence": 700,
            "anomalies": [{ "kind": "vat_mismatch", "tax": "Б" }],
            "text": "", "stage_ms": [], "short_edge_px": 900,
        }))
        .unwrap()
    }

    fn photo() -> Vec<u8> {
        let at = NaiveDate::from_ymd_opt(2026, 3, 14)
            .unwrap()
            .and_hms_opt(12, 0, 0);
        let items = vec![SampleItem::of(product("13310"))];
        render(&SampleSpec::new(
            "a",
            1,
            Layout::PaperRegister,
            at.unwrap(),
            items,
        ))
        .unwrap()
        .jpeg
    }

    #[test]
    fn a_field_has_its_box_where_it_stands_and_its_row_in_the_panel() {
        let photo = photo();
        let grey = intake::decode(&photo).unwrap().grey;
        let drawn = png(&photo, &[line("СУМА 131.81", 100)], &reading()).unwrap();
        let picture = image::load_from_memory(&drawn).unwrap().into_rgb8();
        let scale = (SIDE_MAX as f32 / grey.width().max(grey.height()) as f32).min(1.0);
        let width = (grey.width() as f32 * scale).round() as u32;
        assert_eq!(picture.width(), width + PANEL);
        let at = |x: u32, y: u32| {
            let spot = |v: u32| (v as f32 * scale).round() as u32;
            *picture.get_pixel(spot(x), spot(y))
        };
        // The frame stands five pixels outside of the region.
        let (x, y) = (
            (300.0 * scale).round() as u32 - 5,
            (420.0 * scale).round() as u32,
        );
        assert_eq!(*picture.get_pixel(x, y), FIELDS[0]);
        assert_ne!(at(360, 420), FIELDS[0], "a frame is hollow");
        let written = (width..picture.width())
            .flat_map(|x| (0..picture.height()).map(move |y| (x, y)))
            .filter(|(x, y)| *picture.get_pixel(*x, *y) == FIELDS[0])
            .count();
        assert!(
            written > 20,
            "the panel names the field in its colour: {written}"
        );
        let coloured = |colour| picture.pixels().filter(|p| **p == colour).count();
        assert!(coloured(WORD_SURE) > 200 && coloured(LINE) > 200);
        assert!(png(b"no photo", &[], &reading()).is_err());
    }

    #[test]
    fn goods_are_found_by_the_lines_that_look_like_them() {
        let lines = [
            line("ТОВ ЗРАЗОК", 10),
            line("Цитрамон-Дарниця табл. №10 36.50 Б", 60),
            line("СУМА 36.50", 110),
        ];
        let item = &reading().items[0];
        assert_eq!(place_of(item, &lines).unwrap().y, 60);
        let numbered = [line("АРТ.№ 13310 Цитрамон-Дарниця табл. №10", 30)];
        assert_eq!(place_of(item, &numbered).unwrap().y, 30);
        let split = [line("Цитрамон-Дарниця", 60), line("табл. №10", 100)];
        let place = place_of(item, &split).unwrap();
        assert_eq!((place.y, place.height), (60, 70));
        assert_eq!(place_of(item, &lines[..1]), None);
    }

    #[test]
    fn a_place_outside_of_the_photo_harms_nothing() {
        let mut wild = reading();
        let far = region(u32::MAX - 5, u32::MAX - 5, 100, 100);
        wild.total_minor.as_mut().unwrap().region = Some(far);
        assert!(png(&photo(), &[], &wild).is_ok());
    }
}
