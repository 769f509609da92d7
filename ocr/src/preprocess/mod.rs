//! From a photo to a page that the OCR engine reads well.
//!
//! Steps, each only when a measure of the picture asks for it: turn upright, crop to the paper, even out the light,
//! straighten, bring the text to one height. Binarisation is left to the engine, whose own is better on grey pages.
//! The way back from the page to the photo is kept, so that fields can be shown to a reviewer in place.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "pixel work; no value of the result is computed here"
)]

pub(crate) mod affine;
mod ink;
mod light;
mod paper;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage};
use kvit_domain::recognition::Region;

use crate::lines::{self, Row, Straight, Warp};
use crate::pixels;
use crate::reader::Plan;
use affine::Affine;
pub use ink::runs_down;
use ink::{capital_height, slant_degrees};
use light::{Background, Ink, grain, raise};
use paper::paper;

/// Long side of the picture that the steps work on.
const WORKING_SIDE: u32 = 2_600;
/// Most pixels of the finished page; time and memory of the engine follow them.
const PAGE_PIXELS_MAX: f32 = 8_000_000.0;
/// Slant that is left alone, in degrees.
const SLANT_MIN: f32 = 0.1;
/// Grain from which a picture is smoothed, as [`grain`] measures it, and by how much.
const GRAIN_FROM: u32 = 11;
const SMOOTHING: f32 = 1.2;
/// Difference between the darkest and the brightest parts below which there is nothing to read. A receipt in the corner
/// of a scanned sheet inks a few thousandths of it.
const CONTRAST_MIN: u8 = 20;

/// A page with the way back to the photo.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The page for the engine.
    pub page: GrayImage,
    /// What was done, for the record and for tests.
    pub steps: Steps,
    /// The text lines found on the page, top to bottom; none when it was not made straight.
    pub rows: Vec<Region>,
    way: Way,
    photo_size: (u32, u32),
}

/// From the page to the photo: along the curves of the text where the page was made straight, then the turn and scale
/// that came before.
#[derive(Debug, Clone)]
struct Way {
    curves: Option<(Warp, f32)>,
    then: Affine,
}

impl Way {
    fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = match &self.curves {
            Some((warp, scale)) => warp.apply(x, y, *scale),
            None => (x, y),
        };
        self.then.apply(x, y)
    }
}

/// What was done to a photo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Steps {
    /// Whether the picture was cropped to the paper.
    pub cropped: bool,
    /// How grainy the photo was, in quarters of a brightness step.
    pub grain: u32,
    /// Whether grain was smoothed away.
    pub smoothed: bool,
    /// Whether the light was evened out.
    pub flattened: bool,
    /// Whether the page was made straight along its text lines, and how far the most bent one left a straight line, in
    /// hundredths of a capital's height.
    pub straightened: Option<u32>,
    /// How much darker than paper the print was, in parts of 255.
    pub ink: u8,
    /// Whether faint print was made as dark as the rest.
    pub inked: bool,
    /// Degrees by which the text was slanted.
    pub slant_degrees: f32,
    /// Factor by which the working picture was scaled.
    pub scale: f32,
}

impl Prepared {
    /// The page at another size and with all its print equally dark, for a second look: see [`Self::at_size`].
    #[must_use]
    pub fn inked_at_size(&self, permille: u32, capital: u32) -> (GrayImage, u32) {
        let (mut page, scale) = self.at_size(permille);
        Ink::of(&page, capital * scale / 1_000).even(&mut page);
        (page, scale)
    }

    /// The page at another size, in thousandths of its own; with the size that came out.
    #[must_use]
    pub fn at_size(&self, permille: u32) -> (GrayImage, u32) {
        let part = |edge: u32| {
            u32::try_from(u64::from(edge) * u64::from(permille) / 1_000)
                .unwrap_or(edge)
                .max(1)
        };
        let (width, height) = self.page.dimensions();
        if part(width) as f32 * part(height) as f32 > PAGE_PIXELS_MAX * 1.5 {
            return (self.page.clone(), 1_000);
        }
        let page = pixels::resized(
            &self.page,
            part(width),
            part(height),
            FilterType::CatmullRom,
        );
        (page, permille)
    }

    /// Where a region of the page lies on the upright photo.
    #[must_use]
    pub fn on_photo(&self, region: Region) -> Region {
        let (left, top) = (region.x as f32, region.y as f32);
        let (right, bottom) = (left + region.width as f32, top + region.height as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
            .map(|(x, y)| self.way.apply(x, y));
        let bound = |value: f32, limit: u32| (value.max(0.0) as u32).min(limit);
        let x = bound(
            corners.iter().map(|c| c.0).fold(f32::MAX, f32::min),
            self.photo_size.0,
        );
        let y = bound(
            corners.iter().map(|c| c.1).fold(f32::MAX, f32::min),
            self.photo_size.1,
        );
        let far_x = bound(
            corners.iter().map(|c| c.0).fold(0.0, f32::max).ceil(),
            self.photo_size.0,
        );
        let far_y = bound(
            corners.iter().map(|c| c.1).fold(0.0, f32::max).ceil(),
            self.photo_size.1,
        );
        Region {
            x,
            y,
            width: far_x.saturating_sub(x),
            height: far_y.saturating_sub(y),
        }
    }
}

/// Prepares a photo. `quarter_turns` clockwise bring it upright, as the QR code or an earlier try told.
/// `None` when the photo is blank.
#[must_use]
pub fn prepare(photo: &GrayImage, quarter_turns: u8, plan: &Plan) -> Option<Prepared> {
    let photo_size = photo.dimensions();
    if pixels::permille(photo, 980).saturating_sub(pixels::permille(photo, 3)) < CONTRAST_MIN {
        return None;
    }
    let mut steps = Steps {
        scale: 1.0,
        ..Steps::default()
    };
    let mut to_photo = Affine::quarter_turns(quarter_turns, photo_size);
    let turned = pixels::quarter_turned(photo.clone(), quarter_turns);

    let mut page = pixels::at_most_side(&turned, WORKING_SIDE);
    to_photo = to_photo.after(Affine::scaling(
        ratio(turned.width(), page.width()),
        ratio(turned.height(), page.height()),
    ));

    steps.grain = grain(&page);
    if steps.grain >= GRAIN_FROM {
        page = DynamicImage::ImageLuma8(page).blur(SMOOTHING).into_luma8();
        steps.smoothed = true;
    }
    // The paper is looked for under even light, since paper in shade is as dark as a bright table; but only uneven
    // light on the paper itself is worth evening out.
    let background = Background::of(&page);
    let even = (plan.flatten && background.is_uneven(None)).then(|| background.flatten(&page));
    if plan.straighten {
        let straight = lines::straighten(even.as_ref().unwrap_or(&page));
        if let Some(straight) = straight {
            let picture = match even {
                Some(even) => {
                    steps.flattened = true;
                    even
                }
                None => {
                    raise(&mut page, background.level(None));
                    page
                }
            };
            let size = straight.warp.page_size(1.0);
            let most = (PAGE_PIXELS_MAX / (size.0 as f32 * size.1 as f32)).sqrt();
            let scale = (f32::from(plan.capital_px) / straight.capital)
                .clamp(0.4, 3.0)
                .min(most.max(0.2));
            steps.straightened = Some((straight.bend * 100.0) as u32);
            steps.scale = scale;
            let mut page = straight.warp.drawn(&picture, scale);
            let ink = Ink::of(&page, u32::from(plan.capital_px));
            steps.ink = ink.depth;
            if ink.depth < plan.faint {
                ink.even(&mut page);
                steps.inked = true;
            }
            if plan.smooth > 0 {
                let page_smooth =
                    DynamicImage::ImageLuma8(page).blur(f32::from(plan.smooth) / 10.0);
                page = page_smooth.into_luma8();
            }
            return Some(Prepared {
                rows: row_regions(&straight, scale, page.dimensions()),
                page,
                steps,
                way: Way {
                    curves: Some((straight.warp, scale)),
                    then: to_photo,
                },
                photo_size,
            });
        }
    }
    let paper = paper(even.as_ref().unwrap_or(&page));
    if let Some(even) = even.filter(|_| background.is_uneven(paper.as_ref())) {
        page = even;
        steps.flattened = true;
    } else {
        // Grey paper beside white margins would be an edge for the engine.
        raise(&mut page, background.level(paper.as_ref()));
    }
    if let Some(paper) = paper {
        paper.whiten_outside(&mut page);
        let (x, y, width, height) = paper.bounds;
        page = DynamicImage::ImageLuma8(page)
            .crop_imm(x, y, width, height)
            .into_luma8();
        to_photo = to_photo.after(Affine::shift(x as f32, y as f32));
        steps.cropped = true;
    }
    let slant = slant_degrees(&page);
    if slant.abs() >= SLANT_MIN {
        let size = page.dimensions();
        let radians = -slant.to_radians();
        page = pixels::rotated_by(&page, radians);
        to_photo = to_photo.after(Affine::turned_back(radians, size, page.dimensions()));
        steps.slant_degrees = slant;
    }
    if let Some(capital) = capital_height(&page) {
        let most = (PAGE_PIXELS_MAX / (page.width() as f32 * page.height() as f32)).sqrt();
        let scale = (f32::from(plan.capital_px) / capital)
            .clamp(0.4, 3.0)
            .min(most.max(1.0));
        if !(0.9..=1.15).contains(&scale) {
            let (width, height) = page.dimensions();
            let (new_width, new_height) = (
                (width as f32 * scale) as u32,
                (height as f32 * scale) as u32,
            );
            page = pixels::resized(
                &page,
                new_width.max(1),
                new_height.max(1),
                FilterType::CatmullRom,
            );
            to_photo = to_photo.after(Affine::scaling(
                ratio(width, page.width()),
                ratio(height, page.height()),
            ));
            steps.scale = scale;
        }
    }
    Some(Prepared {
        page,
        steps,
        rows: Vec::new(),
        way: Way {
            curves: None,
            then: to_photo,
        },
        photo_size,
    })
}

fn ratio(from: u32, to: u32) -> f32 {
    from as f32 / to.max(1) as f32
}

/// The rectangles that the rows take on the page, with room for the marks above and the tails below, as far as the
/// neighbouring rows leave it: the engine would read the neighbour instead.
fn row_regions(straight: &Straight, scale: f32, (width, height): (u32, u32)) -> Vec<Region> {
    let unit = straight.warp.on_page(scale);
    let rows = &straight.rows;
    let regions = rows.iter().map(|row| {
        let mut top = row.baseline - 1.4 * row.capital;
        let mut bottom = row.baseline + 0.45 * row.capital;
        for other in rows {
            if other.left > row.right || other.right < row.left {
                continue;
            }
            let between = |above: &Row, below: &Row| {
                let free = below.baseline - below.capital - above.baseline;
                above.baseline + free * 0.5
            };
            if other.baseline + 0.5 * row.capital < row.baseline {
                top = top.max(between(other, row).min(row.baseline - 1.05 * row.capital));
            }
            if other.baseline > row.baseline + 0.5 * row.capital {
                bottom = bottom.min(between(row, other).max(row.baseline + 0.1 * row.capital));
            }
        }
        let x = ((row.left - 0.6 * row.capital) * unit).max(0.0) as u32;
        let y = (top * unit).max(0.0) as u32;
        let right = ((row.right + 0.9 * row.capital) * unit).max(0.0) as u32;
        let bottom = (bottom * unit).max(0.0) as u32;
        Region {
            x,
            y,
            width: right.min(width).saturating_sub(x),
            height: bottom.min(height).saturating_sub(y),
        }
    });
    regions
        .filter(|row| row.width > row.height / 2 && row.height >= 8)
        .collect()
}
