//! House rules that the compiler does not know, checked on the sources themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod failure_cases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const ROOMS: [&str; 8] = [
    "domain",
    "commands",
    "projections",
    "adapters",
    "ocr",
    "bot",
    "gateway",
    "deploy",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder, as paths from the root; what is made rather than written is left out.
fn files(folder: &str) -> Vec<String> {
    let (root, mut found, mut open) = (root(), Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let made =
                ["target", ".git", ".kvit", "node_modules", "__pycache__"].contains(&name.as_str());
            if entry.file_type().unwrap().is_dir() && !made {
                open.push(path);
            } else if entry.file_type().unwrap().is_file() {
                found.push(
                    path.strip_prefix(&root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<String> {
    files(folder)
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .collect()
}

/// The lines of a source file that are part of the product: without comments, and without the tests at its end.
fn product_code(path: &str) -> Vec<(usize, String)> {
    let name = path.rsplit('/').next().unwrap();
    if name == "build.rs"
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
        || path.contains("/tests/")
        || path.contains("/examples/")
    {
        return Vec::new();
    }
    (1..)
        .zip(read(&root().join(path)).lines().map(str::to_owned))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

/// Where product code has one of these words, as `file:line`.
fn places(folders: &[&str], words: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in folders.iter().flat_map(|folder| sources(folder)) {
        for (number, line) in product_code(&path) {
            if words.iter().any(|word| line.contains(word)) {
                found.insert(format!("{path}:{number}"));
            }
        }
    }
    found
}

fn file_of(place: &str) -> &str {
    place.rsplit_once(':').unwrap().0
}

/// Our own crates that a room's product depends on.
fn uses(room: &str) -> BTreeSet<String> {
    let manifest = read(&root().join(room).join("Cargo.toml"));
    let (mut inside, mut used) = (false, BTreeSet::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-");
        } else if let (true, Some(name)) = (inside, line.split(['.', ' ', '=']).next())
            && let Some(name) = name.strip_prefix("kvit")
        {
            used.insert(name.trim_start_matches('-').to_owned());
        }
    }
    used
}

#[test]
fn dependencies_run_downwards_only() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("domain", [].as_slice()),
        ("commands", &["domain"]),
        ("projections", &["domain"]),
        ("adapters", &["domain", "commands"]),
        ("ocr", &["domain"]),
        ("bot", &["domain", "commands", "projections"]),
        ("gateway", &["domain", "commands", "projections"]),
        (
            "deploy",
            &[
                "domain",
                "commands",
                "projections",
                "adapters",
                "ocr",
                "bot",
                "gateway",
            ],
        ),
    ]);
    assert_eq!(uses("domain"), BTreeSet::new());
    assert!(
        uses("commands").contains("domain"),
        "the manifests are read rightly"
    );
    for room in ROOMS {
        for used in uses(room) {
            assert!(allowed[room].contains(&used.as_str()), "{room} uses {used}");
        }
    }
}

/// Who checks our books with our own code checks nothing.
#[test]
fn the_second_verifier_uses_nothing_of_the_platform() {
    let room = "deploy/verify";
    assert!(
        read(&root().join(room).join("Cargo.toml")).contains("sha2"),
        "the manifest is read"
    );
    assert_eq!(uses(room), BTreeSet::new());
    let words = [
        "domain",
        "commands",
        "projections",
        "adapters",
        "ocr",
        "bot",
        "gateway",
    ]
    .map(|crate_name| format!("kvit_{crate_name}"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let found = places(&["deploy/verify/src"], &words);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn sql_stands_only_where_the_database_is_known() {
    let words = [
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"DELETE ",
        "\"CREATE ",
        "\"ALTER ",
        "sqlx::query",
        "sqlx::raw_sql",
    ];
    let rooms = ["domain", "commands", "ocr", "bot", "gateway", "deploy"];
    let found: BTreeSet<String> = places(&rooms, &words)
        .into_iter()
        // Making the private cluster's roles and database is the stack's own matter.
        .filter(|place| file_of(place) != "deploy/src/stack/postgres.rs")
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_could_panic_stays_denied_and_nobody_lifts_that_outside_of_tests() {
    let manifest = read(&root().join("Cargo.toml"));
    for lint in [
        "unwrap_used",
        "expect_used",
        "panic",
        "todo",
        "unimplemented",
        "dbg_macro",
        "print_stdout",
        "unsafe_code",
    ] {
        assert!(
            manifest.contains(&format!("{lint} = \"deny\"")),
            "{lint} is not denied"
        );
    }
    for room in ROOMS.iter().chain(["tests/testkit", "tests"].iter()) {
        let manifest = read(&root().join(room).join("Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{room} has lints of its own"
        );
    }
    let lifted = places(
        &ROOMS,
        &[
            "clippy::unwrap_used",
            "clippy::expect_used",
            "clippy::panic",
            "clippy::todo",
        ],
    );
    assert!(lifted.is_empty(), "{lifted:#?}");
}

#[test]
fn no_binary_fraction_comes_near_money() {
    let folders = [
        "domain/src",
        "commands/src",
        "projections/src/fold",
        "projections/src/queries",
    ];
    let found = places(&folders, &["f64", "f32"]);
    // How sure the reader is, on its way into a histogram.
    let allowed = BTreeSet::from(["commands/src/policies/reading.rs"]);
    let files: BTreeSet<&str> = found.iter().map(|place| file_of(place)).collect();
    assert_eq!(files, allowed, "{found:#?}");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn clocks_and_random_ids_come_from_their_ports() {
    let found = places(
        &ROOMS,
        &["Utc::now(", "Local::now(", "Uuid::now_v7(", "Uuid::new_v4("],
    );
    let files: BTreeSet<&str> = found.iter().map(|place| file_of(place)).collect();
    let allowed = BTreeSet::from([
        "commands/src/ports/time.rs",         // the ports' own implementation
        "adapters/src/sandbox/mod.rs",        // the simulated outside world
        "adapters/src/telegram/callbacks.rs", // tokens that nobody may guess
        "bot/src/trace.rs",                   // ids of traces
        "bot/src/worker.rs",                  // codes of faults
        "deploy/src/demo/mod.rs",             // a person with a watch
    ]);
    let strangers: Vec<_> = files.difference(&allowed).collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let mut questions = Vec::new();
    for path in sources("") {
        let lines = read(&root().join(&path)).lines().count();
        assert!(lines <= 800, "{path} has {lines} lines");
        if lines > 500 {
            questions.push(format!("{path}: {lines} lines"));
        }
    }
    if !questions.is_empty() {
        println!(
            "could these be two files each?\n  {}",
            questions.join("\n  ")
        );
    }
}

#[test]
fn every_refusal_has_a_page() {
    for (code, _) in kvit_domain::rejection::CODES {
        let page = root().join(format!("docs/errors/{code}.md"));
        assert!(read(&page).contains(code), "{}", page.display());
    }
}

/// `KVIT_BLESS=1` adds new migrations to the list. A listed one is released: a change to it is a new migration.
#[test]
fn a_listed_migration_never_changes() {
    let list = root().join("migrations/CHECKSUMS");
    let mut listed: BTreeMap<String, String> = std::fs::read_to_string(&list)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    let bless = std::env::var_os("KVIT_BLESS").is_some();
    for path in files("migrations") {
        let name = path.strip_prefix("migrations/").unwrap();
        // The rights are set anew after each run, so they may change.
        if !name.ends_with(".sql") || name == "grants.sql" {
            continue;
        }
        let sum = hex::encode(Sha256::digest(read(&root().join(&path))));
        match listed.get(name) {
            Some(known) => assert_eq!(known, &sum, "{name} was released and must not change"),
            None if bless => {
                listed.insert(name.to_owned(), sum);
            }
            None => panic!("{name} is not listed; KVIT_BLESS=1 lists it"),
        }
    }
    for name in listed.keys() {
        assert!(
            root().join("migrations").join(name).exists(),
            "{name} was released and is gone"
        );
    }
    if bless {
        let text: String = listed
            .iter()
            .map(|(name, sum)| format!("{sum}  {name}\n"))
            .collect();
        std::fs::write(list, text).unwrap();
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for path in files("").into_iter().filter(|path| path.ends_with(".md")) {
        let file = root().join(&path);
        for target in read(&file)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
        {
            let plain = target.split('#').next().unwrap();
            if plain.is_empty() || plain.starts_with('/') || target.contains(':') {
                continue;
            }
            if !file.parent().unwrap().join(plain).exists() {
                dead.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Also those that are no links: in comments, messages of programs and tables.
#[test]
fn every_document_that_is_named_is_there() {
    let folder = "docs/";
    let (mut named, mut missing) = (0, Vec::new());
    for path in files("") {
        // What cannot be read as text names nothing.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            for (at, _) in line.match_indices(folder) {
                // In the middle of another path, such as an address.
                if line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "/._-".contains(c)) {
                    continue;
                }
                let rest = &line[at..];
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)))
                    .unwrap_or(rest.len());
                let name = rest[..end].trim_end_matches('.');
                if name.ends_with(".md") {
                    named += 1;
                    if !root().join(name).is_file() {
                        missing.push(format!("{path}:{number}: {name}"));
                    }
                }
            }
        }
    }
    assert!(named > 20, "only {named} were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A clone stands on its own, wherever it lies.
#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    // In pieces, so that this file does not name them either.
    let words = [
        ["/wo", "rk/"],
        ["../sh", "ared"],
        ["/tmp/", "brief"],
        ["/home", "/"],
        ["/root", "/"],
    ]
    .map(|word| word.concat());
    let mut found = Vec::new();
    for path in files("") {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            let named = |word: &String| {
                line.match_indices(word.as_str()).any(|(at, _)| {
                    // Inside of a longer path it is another folder.
                    !line[..at]
                        .ends_with(|c: char| c.is_ascii_alphanumeric() || "._-}>*".contains(c))
                })
            };
            if words.iter().any(named) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let text = read(&root().join("README.md"));
    let first_screen: String = text.lines().take(45).collect::<Vec<_>>().join("\n");
    for command in ["make demo", "make test"] {
        assert!(first_screen.contains(command), "{command}");
    }
}
