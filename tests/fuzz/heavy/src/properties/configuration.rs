//! Settings as an operator may have mistyped them.

use kvit::config::settings::SETTINGS;
use kvit::config::{Config, Purpose, Sources, show};

/// Long enough not to stand in the table's own words by chance.
const SECRET: &str = "hunter2-Zq8Xw4Vt";

/// Whatever is given: all faults are told at once, in one line each, and no secret is in any of them.
///
/// Lines of `<number of the setting>=<value>`; a secret one has a known text at its end.
pub fn holds(data: &[u8]) {
    let mut sources = Sources::default();
    for line in data.split(|byte| *byte == b'\n').take(60) {
        let Some((number, value)) = line.split_first() else {
            continue;
        };
        let setting = &SETTINGS[usize::from(*number) % SETTINGS.len()];
        let mut value = String::from_utf8_lossy(value).into_owned();
        if setting.secret {
            value.push_str(SECRET);
        }
        sources.environment.insert(setting.name.to_owned(), value);
    }
    let shown = show(&sources);
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(show(&sources), shown);
    for purpose in [Purpose::Show, Purpose::Role, Purpose::Embedded] {
        match Config::load(&sources, purpose) {
            Ok(config) => assert!(!format!("{config:?}").contains(SECRET)),
            Err(faults) => {
                assert!(faults.iter().count() > 0);
                assert!(!faults.to_string().contains(SECRET), "{faults}");
                assert!(!format!("{faults:?}").contains(SECRET));
            }
        }
    }
}
