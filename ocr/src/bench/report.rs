//! A run as text for people: Markdown tables, the worst photos, what changed.

use std::fmt::Write as _;

use super::score::{ImageResult, QrScore};
use super::summary::{Figures, More, SetResult};
use super::verdict::Outcome;

/// Longest value shown of a field, in characters.
const VALUE_CHARS_MAX: usize = 60;

const HEADS: [&str; 20] = [
    "set",
    "images",
    "total",
    "date",
    "time",
    "merchant90",
    "fn",
    "tax",
    "item P",
    "item R",
    "item F1",
    "CER",
    "QR",
    "QR wrong",
    "auto",
    "accepted",
    "auto precision",
    "s median",
    "s p95",
    "MB",
];

/// A table with a row for each set and, where a set has tiers, one for each of them.
#[must_use]
pub fn table(sets: &[SetResult]) -> String {
    let mut rows = Vec::new();
    for set in sets {
        rows.push(row(&set.set, &set.figures(), &set.more()));
        let tiers = set.tiers();
        for tier in &tiers {
            let (figures, more) = set.of_tiers(&[tier]);
            rows.push(row(&format!("· {tier}"), &figures, &more));
        }
        // The goal for automatic decisions is about the photos that can be read.
        if tiers.iter().any(|t| t == "easy") && tiers.iter().any(|t| t == "medium") {
            let (figures, more) = set.of_tiers(&["easy", "medium"]);
            rows.push(row("· easy+medium", &figures, &more));
        }
    }
    aligned(&HEADS.map(str::to_owned), &rows)
}

fn row(name: &str, f: &Figures, more: &More) -> Vec<String> {
    let count = |n: Option<usize>| n.map_or_else(|| "–".to_owned(), |n| n.to_string());
    vec![
        name.to_owned(),
        f.images.to_string(),
        rate(f.total),
        rate(f.date),
        rate(f.time),
        rate(f.merchant90),
        rate(f.r#fn),
        rate(more.tax),
        rate(more.item_precision),
        rate(more.item_recall),
        rate(f.item_f1),
        rate(f.cer),
        rate(f.qr),
        count(f.qr_wrong),
        rate(f.auto_decided),
        count(f.auto_decided.map(|_| more.accepted)),
        rate(f.auto_precision),
        decimal(f.seconds_median, 2),
        decimal(f.seconds_p95, 2),
        decimal(f.peak_mb, 0),
    ]
}

fn rate(value: Option<f64>) -> String {
    decimal(value, 3)
}

fn decimal(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.places$}"))
}

/// A Markdown table whose columns stand under each other in a terminal, too.
fn aligned(heads: &[String], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            longest.max(head.chars().count())
        })
        .collect();
    let line = |cells: &[String]| {
        let mut text = String::from("|");
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            let padded = match column {
                0 => format!(" {cell}{gap} |"),
                _ => format!(" {gap}{cell} |"),
            };
            text.push_str(&padded);
        }
        text.push('\n');
        text
    };
    let rule: String = widths
        .iter()
        .enumerate()
        .map(|(column, width)| match column {
            0 => format!("{}|", "-".repeat(width + 2)),
            _ => format!("{}:|", "-".repeat(width + 1)),
        })
        .collect();
    let mut text = line(heads);
    text.push_str(&format!("|{rule}\n"));
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// What the table has no room for: how sure readings are, who was refused wrongly, what could not be read.
#[must_use]
pub fn remarks(set: &SetResult) -> String {
    let more = set.more();
    let (sure, right) = more.sure;
    let mut text = format!(
        "{}: {right} of {sure} fields reported as sure are right",
        set.set
    );
    if sure > 0 {
        let _infallible = write!(text, " ({:.3})", right as f64 / sure as f64);
    }
    if more.wrongly_rejected > 0 {
        let _infallible = write!(
            text,
            "; {} that earn were rejected without a person",
            more.wrongly_rejected
        );
    }
    if more.unread > 0 {
        let _infallible = write!(text, "; {} could not be read at all", more.unread);
    }
    if let Some(wall) = more.wall_median {
        let _infallible = write!(text, "; median on the wall {wall:.2} s");
    }
    text.push('\n');
    text
}

/// The worst photos of a set and what was wrong with each.
#[must_use]
pub fn worst(set: &SetResult, count: usize) -> String {
    let mut text = String::new();
    for image in set.worst().into_iter().take(count) {
        text.push_str(&one(&set.set, image));
    }
    text
}

fn one(set: &str, image: &ImageResult) -> String {
    let mut text = format!("{set}/{}", image.name);
    if let Some(tier) = &image.tier {
        let _infallible = write!(text, " [{tier}]");
    }
    let _infallible = write!(
        text,
        " {:.2} s, confidence {}",
        image.seconds, image.confidence
    );
    if let Some(cer) = image.cer {
        let _infallible = write!(text, ", CER {cer:.3}");
    }
    text.push('\n');
    let mut line = |name: &str, told: &str| {
        let _infallible = writeln!(text, "    {name:<9} {told}");
    };
    if let Some(error) = &image.error {
        line("unread", error);
    }
    if let Some(judged) = &image.decision {
        let outcome = match judged.outcome {
            Outcome::Accepted => "accepted",
            Outcome::Rejected => "rejected",
            Outcome::Review => "review",
        };
        let fault = if !judged.faults.is_empty() {
            format!(" WRONGLY: {}", judged.faults.join(", "))
        } else if judged.is_wrongly_rejected() {
            " WRONGLY: it earns".to_owned()
        } else {
            String::new()
        };
        line(
            "decision",
            &format!("{outcome}{fault} {}", judged.reasons.join(", ")),
        );
    }
    match image.qr {
        Some(QrScore::Missed) => line("qr", "not decoded"),
        Some(QrScore::Wrong) => line("qr", "DECODED WRONGLY"),
        Some(QrScore::Right) | None => {}
    }
    for field in image.fields.iter().filter(|f| !f.right) {
        let confidence = field
            .confidence
            .map_or_else(String::new, |c| format!(" ({c})"));
        line(
            field.field.name(),
            &format!(
                "expected {} / got {}{confidence}",
                shown(&field.expected),
                shown(&field.got)
            ),
        );
    }
    if let Some(items) = &image.items {
        for missed in &items.missed {
            line("missed", &shown(missed));
        }
        for invented in &items.invented {
            line("invented", &shown(invented));
        }
    }
    text
}

fn shown(value: &str) -> String {
    if value.is_empty() {
        return "nothing".to_owned();
    }
    let mut short: String = value.chars().take(VALUE_CHARS_MAX).collect();
    if short.len() < value.len() {
        short.push('…');
    }
    short
}

/// Every measure that differs from an earlier run, set by set. Sets that the earlier run has not are named.
#[must_use]
pub fn differences(now: &[Figures], before: &[Figures]) -> String {
    let heads = ["set", "measure", "before", "now", "change", ""].map(str::to_owned);
    let mut rows = Vec::new();
    let mut unknown = String::new();
    for set in now {
        let Some(earlier) = before.iter().find(|earlier| earlier.set == set.set) else {
            let _infallible = writeln!(unknown, "{}: not in the earlier run", set.set);
            continue;
        };
        if earlier.images != set.images {
            let _infallible = writeln!(
                unknown,
                "{}: {} images now, {} before; their figures differ for that alone",
                set.set, set.images, earlier.images
            );
        }
        for ((name, better, value), (_, _, old)) in measures(set).into_iter().zip(measures(earlier))
        {
            if value == old {
                continue;
            }
            let change = value.zip(old).map(|(value, old)| value - old);
            let word = match change {
                Some(change) if (change > 0.0) == better => "better",
                Some(_) => "worse",
                None => "",
            };
            rows.push(vec![
                set.set.clone(),
                name.to_owned(),
                rate(old),
                rate(value),
                change.map_or_else(|| "–".to_owned(), |change| format!("{change:+.3}")),
                word.to_owned(),
            ]);
        }
    }
    match rows.is_empty() {
        true if unknown.is_empty() => "nothing differs from the earlier run\n".to_owned(),
        true => unknown,
        false => format!("{unknown}{}", aligned(&heads, &rows)),
    }
}

/// The measures by name, whether more is better, and their values.
fn measures(f: &Figures) -> [(&'static str, bool, Option<f64>); 14] {
    [
        ("total", true, f.total),
        ("date", true, f.date),
        ("time", true, f.time),
        ("merchant90", true, f.merchant90),
        ("fn", true, f.r#fn),
        ("item_f1", true, f.item_f1),
        ("cer", false, f.cer),
        ("qr", true, f.qr),
        ("qr_wrong", false, f.qr_wrong.map(|n| n as f64)),
        ("auto_decided", true, f.auto_decided),
        ("auto_precision", true, f.auto_precision),
        ("seconds_median", false, f.seconds_median),
        ("seconds_p95", false, f.seconds_p95),
        ("peak_mb", false, f.peak_mb),
    ]
}
