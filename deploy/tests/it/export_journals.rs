//! `kvit export`: other people's programs read our books and come to the same balances.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use kvit_adapters::postgres::chain::Verifier;
use kvit_domain::event::RecordedEvent;
use kvit_domain::money::Currency;
use kvit_projections::export::balances::decimal;
use kvit_projections::export::names;

use crate::books::{Books, run};
use crate::support::folder;

/// Whether a program is there. Its absence is told, and is a failure where the tests prove something for others.
fn have(program: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .any(|folder| folder.join(program).is_file());
    if !found {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{program} is not installed; deploy/setup.sh installs it"
        );
        eprintln!("LEFT OUT: {program} is not installed; deploy/setup.sh installs it");
    }
    found
}

fn tool(program: &str, arguments: &[&str]) -> (i32, String, String) {
    run(Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("LANG", "C.UTF-8"))
}

async fn exported(books: &Books, dir: &Path, form: &str, more: &[&str]) -> String {
    let arguments = [&["export", "--format", form, "--out", "."], more].concat();
    let (status, out, said) = run(&mut books.kvit(dir, &arguments));
    assert_eq!(status, 0, "{out}{said}");
    assert!(said.contains("events/s"), "{said}");
    let ending = if form == "hledger" { "journal" } else { form };
    let path = dir.join(format!("kvit.{ending}"));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others can read the books");
    path.to_str().unwrap().to_owned()
}

/// Every account that is not at zero, by its exported name and currency.
async fn expected(books: &Books) -> BTreeMap<(String, String), String> {
    let mut expected: BTreeMap<(String, String), i128> = BTreeMap::new();
    for ((account, currency), net) in books.live().await {
        *expected
            .entry((names::name(account), currency.code().to_owned()))
            .or_default() += net;
    }
    expected
        .into_iter()
        .filter(|(_, net)| *net != 0)
        .map(|((name, code), net)| {
            let currency: Currency = code.parse().unwrap();
            ((name, code), decimal(net, currency))
        })
        .collect()
}

/// Lines of CSV without quotation marks worth speaking of: `account,currency,number`.
fn balances(csv: &str) -> BTreeMap<(String, String), String> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<String> = line
                .split(',')
                .map(|cell| cell.trim().trim_matches('"').to_owned())
                .collect();
            ((cells[0].clone(), cells[1].clone()), cells[2].clone())
        })
        .filter(|(_, number)| number.chars().any(|c| ('1'..='9').contains(&c)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hledger_checks_the_journal_strictly_and_has_the_same_balances_to_the_kopeck() {
    if !have("hledger") {
        return;
    }
    let books = Books::busy().await;
    books.settle().await;
    let dir = folder();
    let path = exported(&books, dir.path(), "hledger", &[]).await;
    let (status, out, said) = tool("hledger", &["-f", &path, "check", "--strict"]);
    assert_eq!(status, 0, "{out}{said}");
    let list = [
        "-f",
        &path,
        "balance",
        "--flat",
        "-N",
        "--layout=bare",
        "-O",
        "csv",
    ];
    let (_, out, _) = tool("hledger", &list);
    assert_eq!(balances(&out), expected(&books).await);
    // What stands in people's words stays words.
    let (_, accounts, _) = tool("hledger", &["-f", &path, "accounts"]);
    assert!(!accounts.contains("Equity"), "{accounts}");
    let (_, dates, _) = tool("hledger", &["-f", &path, "print", "-e", "2026-03-01"]);
    assert_eq!(dates.trim(), "");
    let (_, tagged, _) = tool("hledger", &["-f", &path, "print", "tag:reference=quote:1"]);
    assert!(tagged.contains("conversion"), "{tagged}");
    // One kopeck is noticed.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("= -", "= -9", 1)).unwrap();
    assert_ne!(tool("hledger", &["-f", &path, "check"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn beancount_checks_the_journal_and_has_the_same_balances_to_the_kopeck() {
    if !have("bean-check") || !have("bean-query") {
        return;
    }
    let books = Books::busy().await;
    books.settle().await;
    let dir = folder();
    let path = exported(&books, dir.path(), "beancount", &[]).await;
    let (status, out, said) = tool("bean-check", &[&path]);
    assert_eq!(status, 0, "{out}{said}");
    let query = "SELECT account, currency, sum(number) AS total GROUP BY account, currency";
    let (_, out, said) = tool("bean-query", &["-f", "csv", &path, query]);
    assert_eq!(balances(&out), expected(&books).await, "{said}");
    let query = "SELECT ANY_META('reference') AS reference, ANY_META('hold') AS hold";
    let (_, out, _) = tool("bean-query", &["-f", "csv", &path, query]);
    assert!(out.contains("quote:1"), "{out}");
    // One kopeck is noticed: an assertion has no tolerance.
    let text = std::fs::read_to_string(&path).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains(" balance ") && line.contains(" UAH"))
        .unwrap();
    let number = line.split_whitespace().nth(3).unwrap();
    let (whole, kopecks) = number.split_once('.').unwrap();
    let wrong = format!("{whole}.{:02}", (kopecks.parse::<u8>().unwrap() + 1) % 100);
    std::fs::write(&path, text.replace(line, &line.replace(number, &wrong))).unwrap();
    assert_ne!(tool("bean-check", &[&path]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_begins_with_the_balances_before_it_and_ends_with_those_of_its_last_day() {
    let books = Books::busy().await;
    let dir = folder();
    for (program, form, check) in [
        ("hledger", "hledger", "check"),
        ("bean-check", "beancount", ""),
    ] {
        if !have(program) {
            continue;
        }
        let period = ["--from", "2026-03-17", "--to", "2026-04-02"];
        let path = exported(&books, dir.path(), form, &period).await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("2026-03-16 *"), "no opening balances");
        for outside in ["2026-03-15 *", "2026-04-03 *", "2026-04-04 *"] {
            assert!(!text.contains(outside), "{outside}");
        }
        let arguments: &[&str] = match check {
            "" => &[&path],
            check => &["-f", &path, check, "--strict"],
        };
        let (status, out, said) = tool(program, arguments);
        assert_eq!(status, 0, "{out}{said}");
    }
    let wrong = [
        "export",
        "--format",
        "csv",
        "--out",
        "x.csv",
        "--from",
        "2026-04-02",
        "--to",
        "2026-04-01",
    ];
    assert_eq!(run(&mut books.kvit(dir.path(), &wrong)).0, 2);
    assert!(!dir.path().join("x.csv").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_position_gives_the_same_bytes_whatever_was_booked_since() {
    let mut books = Books::busy().await;
    let dir = folder();
    let until = books.head.to_string();
    let mut before = BTreeMap::new();
    for form in ["hledger", "beancount", "csv", "jsonl"] {
        let path = exported(&books, dir.path(), form, &[]).await;
        before.insert(form, std::fs::read(path).unwrap());
    }
    let mut late = books.holder("late", Currency::Uah);
    books.credit(&mut late, 1).await;
    for (form, bytes) in before {
        let path = exported(&books, dir.path(), form, &["--until-position", &until]).await;
        assert!(std::fs::read(path).unwrap() == bytes, "{form}");
        let path = exported(&books, dir.path(), form, &[]).await;
        assert!(std::fs::read(path).unwrap() != bytes, "{form}");
    }
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_of_the_table_runs_in_a_spreadsheet_and_its_legs_add_up() {
    let books = Books::busy().await;
    books.settle().await;
    let dir = folder();
    let path = exported(&books, dir.path(), "csv", &[]).await;
    let rows = parse_csv(&std::fs::read_to_string(path).unwrap());
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    let (account, currency, side, amount) = (
        column("account"),
        column("currency"),
        column("side"),
        column("amount"),
    );
    let mut sums: BTreeMap<(String, String), i128> = BTreeMap::new();
    for row in &rows[1..] {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        for cell in row {
            let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!runs, "{cell:?}");
        }
        let minor: i128 = row[amount].replace('.', "").parse().unwrap();
        let signed = if row[side] == "debit" { minor } else { -minor };
        *sums
            .entry((row[account].clone(), row[currency].clone()))
            .or_default() += signed;
    }
    let live: BTreeMap<(String, String), i128> = books
        .live()
        .await
        .into_iter()
        .map(|((account, currency), net)| ((account.to_string(), currency.code().to_owned()), net))
        .collect();
    assert_eq!(sums, live);
    assert!(
        rows.iter()
            .any(|row| row[column("reference")].starts_with("'=HYPERLINK"))
    );
    assert!(
        rows.iter()
            .any(|row| row[column("description")].starts_with("'@SUM"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_raw_events_are_the_log_byte_for_byte() {
    let books = Books::busy().await;
    let dir = folder();
    let path = exported(&books, dir.path(), "jsonl", &[]).await;
    let mut verifier = Verifier::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let event: RecordedEvent = serde_json::from_str(line).unwrap();
        verifier.check(&event).unwrap();
    }
    assert_eq!(verifier.head().0, books.head);
}

/// Cells of a CSV text, quoted ones with line ends included.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                cell.push('"');
                letters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    rows
}
