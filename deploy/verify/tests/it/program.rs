//! The program as a person or a script calls it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{golden, key};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvit-verify"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

#[test]
fn the_program_answers_with_its_exit_status() {
    let bundle = golden().join("bundle");
    let bundle = bundle.to_str().unwrap();
    let key_file = golden().join("key.hex");
    let key_file = key_file.to_str().unwrap();
    let code = |arguments: &[&str]| run(arguments).status.code().unwrap();

    let verified = run(&["--key-file", key_file, bundle]);
    let text = String::from_utf8(verified.stdout).unwrap();
    assert_eq!(verified.status.code(), Some(0), "{text}");
    assert!(
        text.contains("VERIFIED") && text.contains("UAH: debits 1463 = credits 1463"),
        "{text}"
    );
    assert_eq!(code(&["--key", &key().to_string(), bundle]), 0);

    // The key in the bundle counts only when asked for, and loudly.
    assert_eq!(code(&[bundle]), 3);
    let trusting = run(&["--trust-bundled-key", bundle]);
    let text = String::from_utf8(trusting.stdout).unwrap();
    assert_eq!(trusting.status.code(), Some(0), "{text}");
    assert!(text.contains("COMES FROM THE BUNDLE ITSELF"), "{text}");

    let other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    assert_eq!(code(&["--key", other, bundle]), 1);
    let json = run(&["--json", "--key", other, bundle]).stdout;
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["verdict"], "tampered");
    let found = json["findings"].as_array().unwrap();
    assert!(found.iter().any(|found| found["kind"] == "signature"));

    for wrong in [
        &[][..],
        &["--key"],
        &["--key", "short", bundle],
        &["--key-file", "nowhere", bundle],
        &["--max-line", "many", bundle],
        &["--unknown", bundle],
        &["nowhere"],
        &[bundle, bundle],
    ] {
        assert_eq!(code(wrong), 2, "{wrong:?}");
    }
    assert_eq!((code(&["--help"]), code(&["--version"])), (0, 0));
}
