//! Writes the demo's receipts to a folder, with their truth beside them:
//! `cargo run -p kvit-ocr --example samples -- <folder> [seed] [png]`. With `png` each photo is also written as PNG,
//! for viewers that show nothing else.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use chrono::NaiveDate;
use kvit_ocr::samples::demo_set;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: samples <folder> [seed]")?);
    let seed = args.next().map_or(Ok(1), |s| s.parse())?;
    let png = args.next().is_some_and(|format| format == "png");
    let now = NaiveDate::from_ymd_opt(2026, 3, 14)
        .and_then(|d| d.and_hms_opt(15, 0, 0))
        .ok_or("date")?;
    std::fs::create_dir_all(&folder)?;
    let started = Instant::now();
    let set = demo_set(now, seed)?;
    let spent = started.elapsed();
    for demo in &set {
        let sample = &demo.sample;
        std::fs::write(folder.join(format!("{}.jpg", sample.name)), &sample.jpeg)?;
        if png {
            image::load_from_memory(&sample.jpeg)?.save(folder.join(format!("{}.png", sample.name)))?;
        }
        let truth = format!(
            "{:?}\nqr: {}\ntotal: {}\n\n{}\n",
            demo.expected,
            sample.truth.qr.as_deref().unwrap_or("-"),
            sample.truth.total_minor,
            sample.truth.text
        );
        std::fs::write(folder.join(format!("{}.txt", sample.name)), truth)?;
        println!(
            "{:>4} KB  {}  {:?}",
            sample.jpeg.len() / 1024,
            sample.name,
            demo.expected
        );
    }
    println!("{} pictures in {spent:?}", set.len());
    Ok(())
}
