//! Starts that cannot succeed: said at once, or after a bounded wait.

use std::time::{Duration, Instant};

use crate::support::platform::{Home, Program};
use crate::support::turn;

fn env<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn all_faults_of_a_configuration_are_listed_at_once_and_nothing_is_started() {
    let home = Home::new();
    let wrong = env([
        ("PORT", "eighty"),
        ("KVIT_TIMEZONE", "Europe/Atlantis"),
        ("LOG_FORMAT", "poetry"),
        ("PORTMONE_LOGIN", "company"),
        ("KVIT_REPROT_HOUR", "9"),
        ("OCR_AUTO_ACCEPT_THRESHOLD", "1.5"),
    ]);
    let mut program = Program::start(&home, &["up", "--sandbox"], &wrong);
    assert_eq!(program.ended().await.code(), Some(2));
    let said = program.all_said().await;
    for name in [
        "PORT",
        "KVIT_TIMEZONE",
        "LOG_FORMAT",
        "PORTMONE_PASSWORD",
        "KVIT_REPROT_HOUR",
        "KVIT_REPORT_HOUR",
        "OCR_AUTO_ACCEPT_THRESHOLD",
    ] {
        assert!(said.contains(name), "{name} is not named:\n{said}");
    }
    assert!(!home.state().exists(), "the disk was touched");
}

#[tokio::test]
async fn a_role_whose_services_are_away_says_so_waits_and_ends_by_its_deadline() {
    let _turn = turn().await;
    let home = Home::new();
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeefe";
    let away = env([
        ("DATABASE_URL", "postgres://kvit:word@127.0.0.1:9/kvit"),
        ("NATS_URL", "nats://127.0.0.1:9"),
        ("STORAGE_ENDPOINT", "http://127.0.0.1:9"),
        ("STORAGE_ACCESS_KEY", "an-access-key"),
        ("STORAGE_SECRET_KEY", "a-secret-key-of-some-length"),
        ("ENCRYPTION_SECRET", key),
        ("KVIT_WAIT_SECONDS", "7"),
    ]);
    let begun = Instant::now();
    let mut programs = ["gateway", "worker"].map(|role| Program::start(&home, &[role], &away));
    for program in &mut programs {
        assert_eq!(program.ended().await.code(), Some(1));
        let said = program.all_said().await;
        assert!(said.contains("waiting for Postgres"), "{said}");
        assert!(said.contains("is not available"), "{said}");
        assert!(!said.contains("word@"), "the password is told: {said}");
    }
    assert!(
        begun.elapsed() >= Duration::from_secs(7),
        "it waits as long as it says"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}
