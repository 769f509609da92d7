//! Reads the demo's receipts and judges them by the rules, without database or bus: does each end as expected?
//! `OMP_THREAD_LIMIT=1 cargo run -p kvit-ocr --example judge -- [first seed] [seeds]`.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use chrono::{NaiveDate, TimeZone, Utc};
use chrono_tz::Europe::Kyiv;
use kvit_domain::ids::ReceiptId;
use kvit_domain::rules::{
    BudgetLeft, CampaignTerms, Claims, Decision, History, RuleInput, Thresholds, decide,
};
use kvit_ocr::samples::{Expected, demo_set};
use kvit_ocr::{EngineConfig, ReadOptions, Reader};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let first: u64 = args.next().map_or(Ok(1), |s| s.parse())?;
    let seeds: u64 = args.next().map_or(Ok(1), |s| s.parse())?;
    let now = NaiveDate::from_ymd_opt(2026, 3, 14)
        .and_then(|d| d.and_hms_opt(15, 0, 0))
        .ok_or("date")?;
    let submitted_at = Kyiv
        .from_local_datetime(&now)
        .earliest()
        .ok_or("time")?
        .with_timezone(&Utc);
    let terms = CampaignTerms::default_campaign(100_000, 1_000_000);
    let mut reader = Reader::init(&EngineConfig::default())?;
    let (mut right, mut judged, mut spent) = (0, 0, Duration::ZERO);
    for seed in first..first + seeds {
        let (mut images, mut receipts, mut accepted) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for demo in demo_set(now, seed)? {
            let started = Instant::now();
            let recognition = reader.read(&demo.sample.jpeg, &ReadOptions::default())?;
            spent += started.elapsed();
            let id = ReceiptId::derived("judge", &demo.sample.name);
            let mut claims = Claims {
                duplicate_image_of: images.insert(demo.sample.jpeg.clone(), id),
                ..Claims::default()
            };
            if let Some(qr) = recognition.qr.fiscal() {
                let identity = (
                    qr.register_number.clone(),
                    qr.receipt_number.clone(),
                    qr.purchased_at.date(),
                );
                claims.duplicate_receipt_of = receipts.insert(identity, id);
            }
            let count = accepted.entry(demo.shopper).or_insert(0);
            let decision = decide(&RuleInput {
                recognition: &recognition,
                terms: &terms,
                campaign_active: true,
                products: &[],
                history: History {
                    accepted_today: *count,
                    accepted_in_all: *count,
                },
                budget: BudgetLeft::default(),
                claims,
                fraud_signals: &[],
                submitted_at,
                thresholds: Thresholds::default(),
            });
            let (met, told) = match &decision {
                Decision::Accept { .. } => {
                    *count += 1;
                    (demo.expected == Expected::Accepted, String::new())
                }
                Decision::Reject { reasons } => (
                    matches!(demo.expected, Expected::Rejected(code) if reasons.iter().any(|r| r.code.code() == code)),
                    format!("{reasons:?}"),
                ),
                Decision::Review { reasons } => (
                    matches!(demo.expected, Expected::Review(code) if reasons.iter().any(|r| r.code.code() == code)),
                    format!("{reasons:?}"),
                ),
            };
            judged += 1;
            right += u32::from(met);
            let mark = if met { "ok " } else { "BAD" };
            println!(
                "{mark} {seed:>3} {} {:?} {}",
                demo.sample.name,
                recognition.confidence,
                if met { "" } else { &told }
            );
            if !met {
                println!(
                    "    items {:?}\n    text {:?}",
                    recognition.items, recognition.text
                );
            }
        }
    }
    println!(
        "{right} of {judged} as expected, {:?} a photo",
        spent / judged.max(1)
    );
    if right == judged {
        Ok(())
    } else {
        Err("some ended otherwise".into())
    }
}
