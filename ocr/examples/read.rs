//! Reads the photos given as arguments and prints what was recognised: `cargo run -p kvit-ocr --example read -- a.jpg`.
#![allow(clippy::print_stdout, reason = "an example's output")]

use std::time::Instant;

use kvit_ocr::{EngineConfig, ReadOptions, Reader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    let json = paths.first().is_some_and(|p| p == "--json");
    if json {
        paths.remove(0);
    }
    let mut reader = Reader::init(&EngineConfig::default())?;
    for path in paths {
        let started = Instant::now();
        let outcome = reader.read(&std::fs::read(&path)?, &ReadOptions::default());
        let spent = started.elapsed();
        match outcome {
            Ok(read) if json => println!(
                "{}",
                serde_json::json!({ "path": path, "ms": spent.as_millis(), "read": read })
            ),
            Ok(read) => {
                println!("== {path} {spent:?} {:?}\n{}\n--", read.stage_ms, read.text);
                println!("{:?}", read.qr);
                for item in &read.items {
                    println!(
                        "  {} | {} | {:?} | {} | -{} | {:?} | {:?} | {:?}",
                        item.name,
                        item.quantity,
                        item.unit_price_minor,
                        item.sum_minor,
                        item.discount_minor,
                        item.tax,
                        item.barcode,
                        item.confidence
                    );
                }
                println!(
                    "merchant {:?}\ntax {:?}\nregister {:?}\nreceipt {:?}\nat {:?} on {:?}\ntotal {:?}\nreturn {} confidence {:?} {:?}",
                    read.merchant,
                    read.tax_id,
                    read.register_number,
                    read.receipt_number,
                    read.purchased_at,
                    read.purchased_on,
                    read.total_minor,
                    read.is_return,
                    read.confidence,
                    read.anomalies
                );
            }
            Err(error) => println!("== {path} {spent:?} {} {error}", error.code()),
        }
    }
    Ok(())
}
