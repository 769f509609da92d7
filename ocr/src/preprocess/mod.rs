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

mod affine;
mod ink;
mod light;
mod paper;

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage};
use kvit_domain::recognition::Region;

use crate::pixels;
use affine::Affine;
pub use ink::runs_down;
use ink::{capital_height, slant_degrees};
use light::{Background, grain, raise};
use paper::paper;

/// Long side of the picture that the steps work on.
const WORKING_SIDE: u32 = 2_600;
/// Most pixels of the finished page; time and memory of the engine follow them.
const PAGE_PIXELS_MAX: f32 = 8_000_000.0;
/// Height of capitals that the engine reads best, in pixels.
const CAPITAL_PX: f32 = 28.0;
/// Slant that is left alone, in degrees.
const SLANT_MIN: f32 = 0.1;
/// Grain from which a picture is smoothed, as [`grain`] measures it, and by how much.
const GRAIN_FROM: u32 = 11;
const SMOOTHING: f32 = 1.2;
/// Difference between the second darkest and brightest percentiles below which there is nothing to read.
const CONTRAST_MIN: u8 = 12;

/// A page with the way back to the photo.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The page for the engine.
    pub page: GrayImage,
    /// What was done, for the record and for tests.
    pub steps: Steps,
    to_photo: Affine,
    photo_size: (u32, u32),
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
    /// Degrees by which the text was slanted.
    pub slant_degrees: f32,
    /// Factor by which the working picture was scaled.
    pub scale: f32,
}

impl Prepared {
    /// Where a region of the page lies on the upright photo.
    #[must_use]
    pub fn on_photo(&self, region: Region) -> Region {
        let (left, top) = (region.x as f32, region.y as f32);
        let (right, bottom) = (left + region.width as f32, top + region.height as f32);
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
            .map(|(x, y)| self.to_photo.apply(x, y));
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
pub fn prepare(photo: &GrayImage, quarter_turns: u8) -> Option<Prepared> {
    let photo_size = photo.dimensions();
    if pixels::percentile(photo, 98).saturating_sub(pixels::percentile(photo, 2)) < CONTRAST_MIN {
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
    let even = background
        .is_uneven(None)
        .then(|| background.flatten(&page));
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
        let scale = (CAPITAL_PX / capital).clamp(0.4, 3.0).min(most.max(1.0));
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
        to_photo,
        photo_size,
    })
}

fn ratio(from: u32, to: u32) -> f32 {
    from as f32 / to.max(1) as f32
}
