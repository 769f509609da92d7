//! Writes the demo's receipts to a folder, with their truth beside them, and one receipt at each level of damage:
//! `cargo run -p kvit-ocr --example samples -- <folder> [seed] [png]`. With `png` each photo is also written as PNG,
//! for viewers that show nothing else.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::NaiveDate;
use kvit_ocr::samples::{
    Degradation, Layout, Sample, SampleItem, SampleSpec, demo_set, product, render,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: samples <folder> [seed] [png]")?);
    let seed = args.next().map_or(Ok(1), |s| s.parse())?;
    let png = args.next().is_some_and(|format| format == "png");
    let now = NaiveDate::from_ymd_opt(2026, 3, 14)
        .and_then(|d| d.and_hms_opt(15, 0, 0))
        .ok_or("date")?;
    std::fs::create_dir_all(&folder)?;

    let started = Instant::now();
    let set = demo_set(now, seed)?;
    println!("{} pictures in {:?}", set.len(), started.elapsed());
    for demo in &set {
        write(&folder, &demo.sample, png)?;
        println!(
            "{:>4} KB  {}  {:?}",
            demo.sample.jpeg.len() / 1024,
            demo.sample.name,
            demo.expected
        );
    }
    for degradation in [
        Degradation::Clean,
        Degradation::Light,
        Degradation::Moderate,
        Degradation::Strong,
        Degradation::Ruined,
    ] {
        let items = ["13204", "30334", "20118"]
            .map(|code| SampleItem::of(product(code)))
            .to_vec();
        let name = format!("level-{degradation:?}").to_lowercase();
        let spec = SampleSpec::new(&name, seed, Layout::SoftwareRegister, now, items);
        write(&folder, &render(&spec.degradation(degradation))?, png)?;
    }
    Ok(())
}

fn write(folder: &Path, sample: &Sample, png: bool) -> Result<(), Box<dyn Error>> {
    let truth = &sample.truth;
    std::fs::write(folder.join(format!("{}.jpg", sample.name)), &sample.jpeg)?;
    let text = format!(
        "{:?}\nqr: {}\ntotal: {}\n\n{}\n",
        truth.kind,
        truth.qr.as_deref().unwrap_or("-"),
        truth.total_minor,
        truth.text
    );
    std::fs::write(folder.join(format!("{}.txt", sample.name)), text)?;
    if png {
        image::load_from_memory(&sample.jpeg)?.save(folder.join(format!("{}.png", sample.name)))?;
    }
    Ok(())
}
