//! The files against the sources and against each other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

/// Messages of a file with the variables that they use.
fn messages(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = None;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line
            .split_once('=')
            .filter(|_| !line.starts_with([' ', '[']))
        {
            let name = name.trim().to_owned();
            assert!(
                found.insert(name.clone(), BTreeSet::new()).is_none(),
                "{name} stands twice"
            );
            current = Some(name);
        }
        let Some(name) = &current else { continue };
        for part in line.split('$').skip(1) {
            let variable: String = part
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            found.get_mut(name).unwrap().insert(variable);
        }
    }
    found
}

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !path.ends_with("texts/tests.rs")
        {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn used_keys() -> BTreeSet<String> {
    let mut text = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let mut keys: BTreeSet<String> = text
        .split("key!(\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(name, _)| name.to_owned()))
        .collect();
    for &code in ReasonCode::ALL {
        keys.insert(reason_key(code).0.into_owned());
        keys.insert(advice_key(code).0.into_owned());
    }
    for name in crate::handlers::commands::LISTED {
        keys.insert(command_key(name).0.into_owned());
    }
    keys
}

#[test]
fn every_file_is_sound() {
    for (language, file) in FILES {
        if let Err((_, faults)) = FluentResource::try_new(file.to_owned()) {
            panic!("{}: {faults:?}", language.code());
        }
    }
}

#[test]
fn no_text_is_missing_and_none_is_unused_in_any_language() {
    let used = used_keys();
    for (language, file) in FILES {
        let there: BTreeSet<String> = messages(file).into_keys().collect();
        let missing: Vec<_> = used.difference(&there).collect();
        let unused: Vec<_> = there.difference(&used).collect();
        assert!(
            missing.is_empty() && unused.is_empty(),
            "{}: missing {missing:?}, unused {unused:?}",
            language.code()
        );
    }
}

#[test]
fn a_text_takes_the_same_values_in_all_languages() {
    let ukrainian = messages(FILES[0].1);
    for (language, file) in FILES {
        for (name, variables) in messages(file) {
            assert_eq!(
                variables,
                ukrainian[&name],
                "{} in {}",
                name,
                language.code()
            );
        }
    }
}

#[test]
fn counts_take_their_plural_form() {
    let receipts = |language, count: i64| {
        say(
            language,
            &key!("balance-receipts"),
            &[("count", count.into())],
        )
    };
    assert_eq!(receipts(Language::Uk, 1), "Надіслано 1 чек:");
    assert_eq!(receipts(Language::Uk, 3), "Надіслано 3 чеки:");
    assert_eq!(receipts(Language::Uk, 11), "Надіслано 11 чеків:");
    assert_eq!(receipts(Language::Uk, 22), "Надіслано 22 чеки:");
    assert_eq!(receipts(Language::Ru, 5), "Прислано 5 чеков:");
    assert_eq!(receipts(Language::En, 1), "1 receipt sent:");
}

#[test]
fn a_value_cannot_bring_a_tag_in() {
    let text = say(
        Language::En,
        &key!("unknown-command"),
        &[("command", "/<b>x".into())],
    );
    assert!(text.contains("/&lt;b&gt;x"), "{text}");
}

#[test]
fn descriptions_of_commands_fit_telegrams_limits() {
    for language in Language::ALL {
        for name in crate::handlers::commands::LISTED {
            let length = say(language, &command_key(name), &[]).chars().count();
            assert!((1..=256).contains(&length), "{name}");
        }
    }
}
