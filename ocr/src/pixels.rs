//! Small operations on grey pictures that several stages share.
//!
//! Where there is a choice, the calls go through `DynamicImage`: its methods are compiled once inside the `image`
//! crate, optimised even in development builds, while generic functions would be compiled here without optimisation.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixel work; no value of the result is computed here"
)]

use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, Luma};
use imageproc::contrast;
use imageproc::geometric_transformations::{Border, Interpolation, rotate_about_center_no_crop};

/// The picture in another size.
pub fn resized(picture: &GrayImage, width: u32, height: u32, filter: FilterType) -> GrayImage {
    DynamicImage::ImageLuma8(picture.clone())
        .resize_exact(width, height, filter)
        .into_luma8()
}

/// The picture, reduced when its long side is above `side`.
pub fn at_most_side(picture: &GrayImage, side: u32) -> GrayImage {
    let long = picture.width().max(picture.height());
    if long <= side {
        return picture.clone();
    }
    let part = |edge: u32| {
        u32::try_from(u64::from(edge) * u64::from(side) / u64::from(long))
            .unwrap_or(side)
            .max(1)
    };
    resized(
        picture,
        part(picture.width()),
        part(picture.height()),
        FilterType::Triangle,
    )
}

/// The picture, reduced when it has more pixels than `count`.
pub fn at_most_pixels(picture: &GrayImage, count: u64) -> GrayImage {
    let pixels = u64::from(picture.width()) * u64::from(picture.height());
    if pixels <= count {
        return picture.clone();
    }
    let factor = (count as f32 / pixels as f32).sqrt();
    let part = |edge: u32| ((edge as f32 * factor) as u32).max(1);
    resized(
        picture,
        part(picture.width()),
        part(picture.height()),
        FilterType::Triangle,
    )
}

/// The picture with the darkest and brightest two per cent stretched to black and white.
pub fn stretched(picture: &GrayImage) -> GrayImage {
    let low = percentile(picture, 2);
    let high = percentile(picture, 98);
    if high <= low {
        return picture.clone();
    }
    contrast::stretch_contrast(picture, low, high, 0, u8::MAX)
}

/// The brightness below which `percent` of the pixels lie.
pub fn percentile(picture: &GrayImage, percent: u64) -> u8 {
    permille(picture, percent * 10)
}

/// The brightness below which so many thousandths of the pixels lie.
pub fn permille(picture: &GrayImage, part: u64) -> u8 {
    let mut counts = [0_u64; 256];
    for value in picture.as_raw() {
        counts[usize::from(*value)] += 1;
    }
    let wanted = u64::from(picture.width()) * u64::from(picture.height()) * part / 1_000;
    let mut seen = 0;
    for (value, count) in counts.iter().enumerate() {
        seen += count;
        if seen > wanted {
            return u8::try_from(value).unwrap_or(u8::MAX);
        }
    }
    u8::MAX
}

/// The picture turned by whole degrees, grown so that no corner is lost, on white.
pub fn rotated(picture: &GrayImage, degrees: i32) -> GrayImage {
    rotated_by(picture, degrees as f32 * std::f32::consts::PI / 180.0)
}

/// The picture turned clockwise by an angle in radians, grown so that no corner is lost, on white.
pub fn rotated_by(picture: &GrayImage, radians: f32) -> GrayImage {
    rotate_about_center_no_crop(
        picture,
        radians,
        Interpolation::Bilinear,
        Border::Constant(Luma([u8::MAX])),
    )
}

/// The picture after so many quarter turns clockwise.
pub fn quarter_turned(picture: GrayImage, turns: u8) -> GrayImage {
    let picture = DynamicImage::ImageLuma8(picture);
    match turns % 4 {
        1 => picture.rotate90(),
        2 => picture.rotate180(),
        3 => picture.rotate270(),
        _ => picture,
    }
    .into_luma8()
}
