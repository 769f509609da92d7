//! The table of failure cases names every test that proves one, and no case is without a test.
//!
//! A test proves a case when its name begins with it (`f09_…`), or when a line of its documentation begins with `Also`
//! and names it. `KVIT_BLESS=1` writes the table's last column anew.

use std::collections::{BTreeMap, BTreeSet};

use super::{read, root, sources};

const TABLE: &str = "docs/failure-cases.md";
/// Cases of money; those of Telegram have other numbers.
const CASES: std::ops::RangeInclusive<u32> = 1..=62;

#[test]
fn every_failure_case_has_its_tests_in_the_table() {
    let proofs = proofs();
    let path = root().join(TABLE);
    let (mut wrong, mut listed, mut text) = (Vec::new(), BTreeSet::new(), String::new());
    for line in read(&path).lines() {
        let Some((case, description)) = row(line) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        listed.insert(case);
        let tests = proofs.get(&case).cloned().unwrap_or_default();
        let named: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
        let wanted = format!("| F{case} | {description} | {} |", named.join("<br>"));
        if tests.is_empty() {
            wrong.push(format!("F{case} has no test"));
        } else if line != wanted {
            wrong.push(format!("F{case}: the table is not what the tests say"));
        }
        text.push_str(&wanted);
        text.push('\n');
    }
    if std::env::var_os("KVIT_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let missing: Vec<u32> = CASES.filter(|case| !listed.contains(case)).collect();
    assert!(missing.is_empty(), "cases without a row: {missing:?}");
    assert!(
        wrong.is_empty(),
        "{}\nKVIT_BLESS=1 writes the names of the tests",
        wrong.join("\n")
    );
}

/// Number and description of a row of the table.
fn row(line: &str) -> Option<(u32, &str)> {
    let mut cells = line.strip_prefix("| F")?.split(" | ");
    Some((cells.next()?.parse().ok()?, cells.next()?))
}

/// The tests of each case, by file and name.
fn proofs() -> BTreeMap<u32, BTreeSet<String>> {
    let mut proofs: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for path in sources(".") {
        let mut also: Vec<u32> = Vec::new();
        for line in read(&root().join(&path)).lines().map(str::trim_start) {
            if let Some(rest) = line.strip_prefix("/// Also ") {
                also = cases_in(rest);
            } else if let Some(name) = test_name(line) {
                let own = own_case(name);
                for case in own.into_iter().chain(also.drain(..)) {
                    proofs
                        .entry(case)
                        .or_default()
                        .insert(format!("{path}::{name}"));
                }
            }
        }
    }
    proofs
}

fn test_name(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("async fn ")
        .or_else(|| line.strip_prefix("fn "))?;
    rest.split(['(', '<']).next()
}

fn own_case(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('f')?.get(..2)?;
    name.get(3..4).filter(|next| *next == "_")?;
    digits.parse().ok()
}

/// The cases that a line names before its first colon or full stop.
fn cases_in(text: &str) -> Vec<u32> {
    text.split([':', '.'])
        .next()
        .unwrap_or_default()
        .split(',')
        .filter_map(|part| part.trim().strip_prefix('F')?.parse().ok())
        .collect()
}
