//! Pages of drawn signs, bent and turned as photographed paper is.

#![allow(clippy::unwrap_used, reason = "tests")]

use image::{GrayImage, Luma};

use super::*;

const ROWS: u32 = 16;
const SIGNS: u32 = 28;
const HEIGHT: f32 = 16.0;

/// Where the baseline of a row lies: slanted, opening like a fan towards the bottom, and bent as curled paper.
fn baseline(row: u32, x: f32, slant: f32, fan: f32, curl: f32) -> f32 {
    let across = (x - 450.0) / 450.0;
    let middle = 160.0 + row as f32 * 44.0;
    middle + (slant + fan * row as f32) * (x - 450.0) + curl * (across * 3.0).sin()
}

/// A page with rows of signs of capital height and, in every third row, a column of prices apart from the rest.
fn page(slant: f32, fan: f32, curl: f32) -> GrayImage {
    let mut page = GrayImage::from_pixel(900, 1_000, Luma([250]));
    for row in 0..ROWS {
        for sign in 0..SIGNS {
            // A gap between words, and a wide one before the price.
            if sign % 7 == 6 || (row % 3 == 0 && (12..22).contains(&sign)) {
                continue;
            }
            let left = 120.0 + sign as f32 * 24.0;
            let bottom = baseline(row, left + 6.0, slant, fan, curl);
            for y in 0..HEIGHT as u32 {
                for x in 0..12 {
                    let edge = !(3..9).contains(&x) || y < 3;
                    let (px, py) = (left as u32 + x, (bottom - HEIGHT) as u32 + y);
                    if edge && px < 900 && py < 1_000 {
                        page.put_pixel(px, py, Luma([60]));
                    }
                }
            }
        }
    }
    page
}

/// The furthest that signs of one printed row are apart on the straightened page, in heights of a sign.
fn unevenness(found: &Straight, slant: f32, fan: f32, curl: f32) -> f32 {
    let mut worst = 0.0_f32;
    for row in 0..ROWS {
        let mut heights = Vec::new();
        for sign in 0..SIGNS {
            let x = 126.0 + sign as f32 * 24.0;
            let wanted = (x, baseline(row, x, slant, fan, curl));
            // The way back is what the warp offers, so the place is searched for on the page.
            let (width, height) = found.warp.page_size(1.0);
            let nearest = (0..height)
                .map(|y| {
                    let column = (0..width)
                        .step_by(4)
                        .map(|u| (found.warp.apply(u as f32, y as f32, 1.0).0 - wanted.0).abs())
                        .enumerate()
                        .min_by(|a, b| a.1.total_cmp(&b.1))
                        .map_or(0, |(index, _)| index * 4);
                    let place = found.warp.apply(column as f32, y as f32, 1.0);
                    ((place.1 - wanted.1).abs(), y)
                })
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap();
            heights.push(nearest.1 as f32);
        }
        let spread = heights.iter().copied().fold(f32::MIN, f32::max)
            - heights.iter().copied().fold(f32::MAX, f32::min);
        worst = worst.max(spread);
    }
    worst / HEIGHT
}

#[test]
fn straight_rows_are_found_with_their_prices() {
    let found = straighten(&page(0.0, 0.0, 0.0)).unwrap();
    assert_eq!(found.rows.len(), ROWS as usize);
    assert!((found.capital - HEIGHT).abs() < 2.0, "{}", found.capital);
    assert!(found.bend < 0.2, "{}", found.bend);
    for row in &found.rows {
        assert!(row.right - row.left > 600.0, "a price is missing: {row:?}");
    }
}

#[test]
fn slanted_rows_of_a_page_in_perspective_become_level() {
    let (slant, fan) = (0.08, 0.004);
    let found = straighten(&page(slant, fan, 0.0)).unwrap();
    assert_eq!(found.rows.len(), ROWS as usize);
    let uneven = unevenness(&found, slant, fan, 0.0);
    assert!(uneven < 0.35, "{uneven}");
}

#[test]
fn rows_of_curled_paper_become_level() {
    let found = straighten(&page(-0.03, 0.0, 9.0)).unwrap();
    assert!(found.bend > 0.5, "{}", found.bend);
    assert_eq!(found.rows.len(), ROWS as usize);
    let uneven = unevenness(&found, -0.03, 0.0, 9.0);
    assert!(uneven < 0.4, "{uneven}");
}

#[test]
fn paper_without_text_is_left_alone() {
    let mut grain = GrayImage::from_pixel(600, 800, Luma([240]));
    let mut state = 7_u32;
    for value in grain.iter_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value -= (state >> 28) as u8;
    }
    assert!(straighten(&grain).is_none());
}

#[test]
fn a_page_on_its_side_makes_more_text_after_a_quarter_turn() {
    let upright = page(0.02, 0.0, 3.0);
    let (now, turned) = upright_and_turned(&upright);
    assert!(now > turned, "{now} {turned}");
    let side = pixels::quarter_turned(upright, 3);
    let (now, turned) = upright_and_turned(&side);
    assert!(turned > 2 * now + 30, "{now} {turned}");
}
