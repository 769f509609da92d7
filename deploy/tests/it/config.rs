//! The configuration as a person meets it: all faults at once, no secret shown, the reference true.

use std::path::Path;

use kvit::config::settings::withheld_from;
use kvit::config::{AppEnv, Config, MASK, Purpose, Sources, reference};

use crate::support::{folder, kvit};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn faults(sources: &Sources, purpose: Purpose) -> Vec<String> {
    match Config::load(sources, purpose) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// A complete production environment.
fn production() -> Sources {
    Sources::of([
        ("APP_ENV", "prod"),
        ("ENCRYPTION_SECRET", KEY),
        (
            "DATABASE_URL",
            "postgres://kvit_app:long-and-random@db/kvit",
        ),
        ("NATS_URL", "nats://bus:4222"),
        ("STORAGE_ENDPOINT", "https://store.example"),
        ("STORAGE_ACCESS_KEY", "AKIA0123456789"),
        ("STORAGE_SECRET_KEY", "long-and-random-too"),
    ])
}

fn with(mut sources: Sources, name: &str, value: &str) -> Sources {
    sources
        .environment
        .insert(name.to_owned(), value.to_owned());
    sources
}

#[test]
fn the_committed_reference_is_the_one_that_the_table_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/config.md");
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == reference(),
        "docs/reference/config.md is not current; run: kvit config reference > docs/reference/config.md"
    );
}

#[test]
fn nothing_has_to_be_given_for_a_first_try() {
    let config = Config::load(&Sources::default(), Purpose::Embedded).unwrap();
    assert_eq!(config.app_env, AppEnv::Dev);
    assert_eq!(config.ocr.auto_accept, 800);
    assert_eq!(config.ocr.manual_review, 400);
    assert_eq!(config.ocr.totals_tolerance_milli_percent, 1_000);
    assert_eq!(config.timezone, chrono_tz::Europe::Kyiv);
}

#[test]
fn all_faults_are_listed_at_once_and_the_process_ends_with_status_2() {
    let dir = folder();
    let output = kvit(dir.path())
        .args(["up"])
        .env("PORT", "70000")
        .env("KVIT_BIND", "everywhere")
        .env("KVIT_DRI", "x")
        .env("OCR_AUTO_ACCEPT_THRESHOLD", "0.3")
        .env("DATABASE_URL", "mysql://kvit:hunter2@db/")
        .env("LOG_LEVEL", "loud=very")
        .env("TELEGRAM_ADMIN_IDS", "1,two")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for name in [
        "PORT",
        "KVIT_BIND",
        "did you mean KVIT_DIR?",
        "OCR_MANUAL_REVIEW_THRESHOLD",
        "DATABASE_URL",
        "LOG_LEVEL",
        "TELEGRAM_ADMIN_IDS",
    ] {
        assert!(said.contains(name), "{name} is not named in:\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    assert!(!dir.path().join(".kvit").exists(), "the disk was touched");
}

#[test]
fn production_takes_nothing_embedded_and_no_words_from_examples() {
    assert_eq!(faults(&production(), Purpose::Role), [""; 0]);
    let bare = faults(&Sources::of([("APP_ENV", "prod")]), Purpose::Embedded);
    for name in [
        "ENCRYPTION_SECRET",
        "DATABASE_URL",
        "NATS_URL",
        "STORAGE_ENDPOINT",
    ] {
        assert!(bare.iter().any(|fault| fault.starts_with(name)), "{bare:?}");
    }
    for (name, value) in [
        ("ENCRYPTION_SECRET", "00".repeat(32).as_str()),
        ("STORAGE_SECRET_KEY", "minioadmin"),
        ("DATABASE_URL", "postgres://kvit:postgres@db/kvit"),
        ("PORTMONE_URL", "http://pay.example/"),
        ("TELEGRAM_API_URL", "http://127.0.0.1:1"),
        ("KVIT_TERMS_URL", "http://terms.example/"),
    ] {
        let found = faults(&with(production(), name, value), Purpose::Role);
        assert!(
            found.len() == 1 && found[0].starts_with(name),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn generated_secrets_do_not_count_in_production() {
    let mut sources = production();
    sources.environment.remove("ENCRYPTION_SECRET");
    sources
        .state
        .insert("ENCRYPTION_SECRET".to_owned(), KEY.to_owned());
    let found = faults(&sources, Purpose::Embedded);
    assert!(
        found.len() == 1 && found[0].starts_with("ENCRYPTION_SECRET"),
        "{found:?}"
    );
}

#[test]
fn the_state_folders_keys_are_never_sent_to_a_given_store() {
    let mut sources = Sources::of([("STORAGE_ENDPOINT", "https://store.example")]);
    sources
        .state
        .insert("STORAGE_ACCESS_KEY".to_owned(), "ours".to_owned());
    sources
        .state
        .insert("STORAGE_SECRET_KEY".to_owned(), "ours".to_owned());
    assert_eq!(faults(&sources, Purpose::Embedded).len(), 2);
}

#[test]
fn a_secret_may_be_a_file_but_not_a_file_and_a_value() {
    let dir = folder();
    let path = dir.path().join("token");
    std::fs::write(&path, "12345:token\n").unwrap();
    let sources = Sources::of([("TELEGRAM_BOT_TOKEN_FILE", path.to_str().unwrap())]);
    let config = Config::load(&sources, Purpose::Show).unwrap();
    assert_eq!(config.telegram.bot_token.unwrap().expose(), "12345:token");
    let both = with(sources, "TELEGRAM_BOT_TOKEN", "other");
    assert_eq!(faults(&both, Purpose::Show).len(), 1);
    let missing = Sources::of([("TELEGRAM_BOT_TOKEN_FILE", "/nowhere/token")]);
    assert_eq!(faults(&missing, Purpose::Show).len(), 1);
}

#[test]
fn secrets_are_masked_wherever_they_could_be_printed() {
    let sources = with(
        with(
            production(),
            "NATS_URL",
            "nats://someone:bus-password@bus:4222",
        ),
        "TELEGRAM_BOT_TOKEN",
        "12345:bot-token",
    );
    let shown = kvit::config::show(&sources);
    let config = Config::load(&sources, Purpose::Role).unwrap();
    let debugged = format!(
        "{config:?} {:?} {:?}",
        config.endpoints(),
        config.external()
    );
    for secret in [
        KEY,
        "long-and-random",
        "bus-password",
        "bot-token",
        "AKIA0123456789",
    ] {
        assert!(!shown.contains(secret), "config show prints {secret}");
        assert!(!debugged.contains(secret), "Debug prints {secret}");
    }
    assert!(shown.contains(MASK) && shown.contains("environment"));
}

#[test]
fn a_dotenv_file_is_read_below_the_environment_and_never_in_production() {
    let dir = folder();
    std::fs::write(
        dir.path().join(".env"),
        "PORT=9001\nKVIT_REPORT_HOUR=\"7\"\n",
    )
    .unwrap();
    let show = |env: &str| {
        let output = kvit(dir.path())
            .args(["config", "show"])
            .env("APP_ENV", env)
            .env("KVIT_REPORT_HOUR", "8")
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let line = |text: &str, name: &str| -> String {
        text.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let dev = show("dev");
    assert_eq!(line(&dev, "PORT "), "PORT 9001 .env");
    assert_eq!(
        line(&dev, "KVIT_REPORT_HOUR"),
        "KVIT_REPORT_HOUR 8 environment"
    );
    assert_eq!(line(&show("prod"), "PORT "), "PORT 8080 default");
}

#[test]
fn mistakes_in_the_providers_settings_are_found_before_anything_starts() {
    let dir = folder();
    let folder_path = dir.path().to_str().unwrap();
    let company = [
        ("PORTMONE_LOGIN", "company"),
        ("PORTMONE_PASSWORD", "hunter2"),
        ("PORTMONE_PAYEE_ID_KYIVSTAR", "1"),
        ("PORTMONE_PAYEE_ID_LIFECELL", "3"),
    ];
    let sources = company.into_iter().fold(
        Sources::of([
            ("PORTMONE_VERSION", "3"),
            ("PORTMONE_URL", "http://pay.example/"),
            ("PORTMONE_CERT_PATH", "/nowhere/company.pem"),
            ("PORTMONE_KEY_PATH", folder_path),
            ("TELEGRAM_BOT_TOKEN", "hunter2"),
            ("TELEGRAM_WEBHOOK_URL", "https://bot.example/"),
            ("KVIT_NATS_REPLICAS", "2"),
            ("KVIT_METRICS_KEY", "perhaps"),
        ]),
        |sources, (name, value)| with(sources, name, value),
    );
    let found = faults(&sources, Purpose::Embedded);
    for expected in [
        "PORTMONE_VERSION: must be one of 1, 2",
        "PORTMONE_URL: must be https://",
        "PORTMONE_CERT_PATH: names /nowhere/company.pem",
        "PORTMONE_KEY_PATH: names",
        "PORTMONE_PAYEE_ID: must be given with PORTMONE_LOGIN, or else PORTMONE_PAYEE_ID_VODAFONE",
        "TELEGRAM_BOT_TOKEN: must be digits",
        "TELEGRAM_WEBHOOK_SECRET: must be given with TELEGRAM_WEBHOOK_URL",
        "KVIT_NATS_REPLICAS",
        "KVIT_METRICS_KEY",
    ] {
        let count = found
            .iter()
            .filter(|fault| fault.starts_with(expected))
            .count();
        assert_eq!(count, 1, "{expected} in {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn a_bots_token_is_digits_a_colon_and_a_word() {
    for (token, good) in [
        ("4242424242:sandbox", true),
        ("1:A-b_9", true),
        ("1:", false),
        (":word", false),
        ("12a:word", false),
        ("1:word/../other", false),
        ("1:word:more", false),
    ] {
        let found = faults(
            &Sources::of([("TELEGRAM_BOT_TOKEN", token)]),
            Purpose::Embedded,
        );
        assert_eq!(found.is_empty(), good, "{token}: {found:?}");
    }
}

#[test]
fn the_provider_may_be_simulated_on_this_machine_only() {
    for (url, good) in [
        ("http://127.0.0.1:8000/pay", true),
        ("http://localhost/", true),
        ("http://[::1]:9/", true),
        ("https://pay.example/", true),
        ("http://127.0.0.1.pay.example/", false),
        ("http://10.0.0.1/", false),
    ] {
        let found = faults(&Sources::of([("PORTMONE_URL", url)]), Purpose::Embedded);
        assert_eq!(found.is_empty(), good, "{url}: {found:?}");
    }
}

#[test]
fn metrics_ask_for_a_key_in_production_unless_told_otherwise() {
    let need = |sources: Sources| {
        Config::load(&sources, Purpose::Show)
            .unwrap()
            .http
            .metrics_need_key
    };
    assert!(!need(Sources::default()));
    assert!(need(Sources::of([("KVIT_METRICS_KEY", "yes")])));
    assert!(need(production()));
    assert!(!need(with(production(), "KVIT_METRICS_KEY", "no")));
}

#[test]
fn terms_access_and_replicas_reach_the_configuration() {
    let bare = Config::load(&Sources::default(), Purpose::Embedded).unwrap();
    assert_eq!((bare.terms_url, bare.terms_version.as_str()), (None, "1"));
    assert_eq!((bare.telegram.access_ids, bare.nats_replicas), (vec![], 1));
    let given = Config::load(
        &Sources::of([
            ("KVIT_TERMS_URL", "https://terms.example/2"),
            ("KVIT_TERMS_VERSION", "2"),
            ("KVIT_BOT_ACCESS_IDS", "7, 5,7"),
            ("KVIT_NATS_REPLICAS", "3"),
        ]),
        Purpose::Embedded,
    )
    .unwrap();
    assert_eq!(given.terms_url.unwrap(), "https://terms.example/2");
    assert_eq!(given.terms_version, "2");
    assert_eq!(given.telegram.access_ids, [5, 7]);
    assert_eq!(given.nats_replicas, 3);
}

#[test]
fn production_warns_of_what_is_allowed_but_seldom_meant() {
    let warnings = |sources: Sources, migrates| {
        Config::load(&sources, Purpose::Role)
            .unwrap()
            .warnings(migrates)
            .into_iter()
            .map(|warning| warning.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let open = with(production(), "STORAGE_ENDPOINT", "http://store.example");
    assert_eq!(
        warnings(open.clone(), true),
        ["NATS_URL", "STORAGE_ENDPOINT", "DATABASE_OWNER_URL"]
    );
    assert_eq!(warnings(open, false), ["NATS_URL", "STORAGE_ENDPOINT"]);
    let closed = with(production(), "NATS_URL", "nats://word-of-the-bus@bus:4222");
    assert_eq!(warnings(closed, false), [""; 0]);
    let dev = Config::load(&Sources::default(), Purpose::Embedded).unwrap();
    assert_eq!(dev.warnings(true), [""; 0]);
}

#[test]
fn half_a_pair_of_settings_that_are_not_its_business_does_not_stop_the_reader() {
    let half = with(production(), "PORTMONE_LOGIN", "company");
    assert_eq!(faults(&half, Purpose::Role).len(), 2);
    let seen = |role| half.clone().without(&withheld_from(role));
    assert_eq!(faults(&seen("ocr"), Purpose::Role), [""; 0]);
    assert_eq!(faults(&seen("worker"), Purpose::Role).len(), 2);
}
