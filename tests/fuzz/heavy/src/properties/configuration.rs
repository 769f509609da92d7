//! Settings as an operator may have mistyped them.

use kvit::config::settings::{Kind, SETTINGS};
use kvit::config::{Config, Purpose, Sources, show};

/// Long enough not to stand in the table's own words by chance.
const SECRET: &str = "hunter2-Zq8Xw4Vt";
/// A password where an address needs none: not shown either, but kept like the rest of the address.
const STRAY: &str = "hunter3-Bk5Rn1Yd";

/// Whatever is given: all faults are told at once, in one line each, and no secret is in any of them.
///
/// Lines of a byte for the setting and its value; a secret one has a known text at its end, and an address a known password.
pub fn holds(data: &[u8]) {
    let mut sources = Sources::default();
    for line in data.split(|byte| *byte == b'\n').take(60) {
        let Some((number, value)) = line.split_first() else {
            continue;
        };
        let setting = &SETTINGS[usize::from(*number) % SETTINGS.len()];
        let mut value = String::from_utf8_lossy(value).into_owned();
        if matches!(setting.kind, Kind::Url { .. }) {
            value = address(&value, if setting.secret { SECRET } else { STRAY });
        } else if setting.secret {
            value.push_str(SECRET);
        }
        sources.environment.insert(setting.name.to_owned(), value);
    }
    let shown = show(&sources);
    assert!(!shown.contains(SECRET) && !shown.contains(STRAY), "{shown}");
    assert_eq!(show(&sources), shown);
    for purpose in [Purpose::Show, Purpose::Role, Purpose::Embedded] {
        match Config::load(&sources, purpose) {
            Ok(config) => assert!(!format!("{config:?}").contains(SECRET)),
            Err(faults) => {
                assert!(faults.iter().count() > 0);
                for text in [faults.to_string(), format!("{faults:?}")] {
                    assert!(!text.contains(SECRET) && !text.contains(STRAY), "{text}");
                }
            }
        }
    }
}

/// An address with a login, its beginning and its end as given, `|` between them.
fn address(given: &str, password: &str) -> String {
    let (start, end) = given.split_once('|').unwrap_or((given, "@host/"));
    format!("{start}:{password}@{end}")
}
