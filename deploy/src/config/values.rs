//! From raw text to checked values, by the kind that the table gives each setting.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use chrono_tz::Tz;
use url::Url;

use super::fault::Fault;
use super::secret::{EncryptionSecret, MASK, Secret};
use super::settings::{Kind, SETTINGS, Setting};
use super::sources::{Source, Sources};

/// A checked value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Thousandths(u16),
    Address(IpAddr),
    Ids(Vec<i64>),
    Words(Vec<String>),
    Zone(Tz),
    Key(EncryptionSecret),
}

/// A setting's value with its source and the text that may be shown.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub value: Option<Value>,
    pub source: Source,
    pub shown: String,
}

/// All settings, checked one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    entries: BTreeMap<&'static str, Entry>,
}

impl Values {
    /// Reads and checks every setting of the table; what is wrong is in the second part.
    pub fn read(sources: &Sources) -> (Self, Vec<Fault>) {
        let mut values = Self::default();
        let mut faults = Vec::new();
        for setting in SETTINGS {
            match sources.find(setting) {
                Ok((raw, source)) => {
                    let shown = raw
                        .as_deref()
                        .map(|raw| show(setting, raw))
                        .unwrap_or_default();
                    let value = match raw.as_deref().map(|raw| parse(setting.kind, raw)) {
                        Some(Ok(value)) => Some(value),
                        Some(Err(expected)) => {
                            let got = if setting.secret {
                                String::new()
                            } else {
                                format!(", not `{shown}`")
                            };
                            faults.push(Fault::of(setting, format!("must be {expected}{got}")));
                            None
                        }
                        None => None,
                    };
                    let entry = Entry {
                        value,
                        source,
                        shown,
                    };
                    values.entries.insert(setting.name, entry);
                }
                Err(fault) => faults.push(fault),
            }
        }
        (values, faults)
    }

    pub fn entry(&self, setting: &Setting) -> Option<&Entry> {
        self.entries.get(setting.name)
    }

    /// Whether a value was given anywhere, valid or not.
    pub fn is_set(&self, setting: &Setting) -> bool {
        // A setting without an entry had a fault of its source, so somebody tried to give it.
        self.entry(setting)
            .is_none_or(|entry| entry.source != Source::Unset)
    }

    pub fn source(&self, setting: &Setting) -> Source {
        self.entry(setting)
            .map_or(Source::Unset, |entry| entry.source.clone())
    }

    fn value(&self, setting: &Setting) -> Option<&Value> {
        self.entry(setting)?.value.as_ref()
    }

    // The getters below give `None` or an empty value for a setting that is unset or wrong. A wrong one has its fault
    // already, and a configuration with faults is never used.

    pub fn text(&self, setting: &Setting) -> Option<String> {
        match self.value(setting) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }

    pub fn text_or_empty(&self, setting: &Setting) -> String {
        self.text(setting).unwrap_or_default()
    }

    pub fn secret(&self, setting: &Setting) -> Option<Secret> {
        self.text(setting).map(Secret::new)
    }

    pub fn path(&self, setting: &Setting) -> Option<PathBuf> {
        self.text(setting).map(PathBuf::from)
    }

    pub fn integer<T: TryFrom<i64> + Default>(&self, setting: &Setting) -> T {
        match self.value(setting) {
            Some(Value::Integer(number)) => T::try_from(*number).unwrap_or_default(),
            _ => T::default(),
        }
    }

    pub fn thousandths(&self, setting: &Setting) -> u16 {
        match self.value(setting) {
            Some(Value::Thousandths(number)) => *number,
            _ => 0,
        }
    }

    pub fn address(&self, setting: &Setting) -> IpAddr {
        match self.value(setting) {
            Some(Value::Address(address)) => *address,
            _ => IpAddr::from([127, 0, 0, 1]),
        }
    }

    pub fn ids(&self, setting: &Setting) -> Vec<i64> {
        match self.value(setting) {
            Some(Value::Ids(ids)) => ids.clone(),
            _ => Vec::new(),
        }
    }

    pub fn words(&self, setting: &Setting) -> Vec<String> {
        match self.value(setting) {
            Some(Value::Words(words)) => words.clone(),
            _ => Vec::new(),
        }
    }

    pub fn zone(&self, setting: &Setting) -> Tz {
        match self.value(setting) {
            Some(Value::Zone(zone)) => *zone,
            _ => Tz::UTC,
        }
    }

    pub fn key(&self, setting: &Setting) -> Option<EncryptionSecret> {
        match self.value(setting) {
            Some(Value::Key(key)) => Some(key.clone()),
            _ => None,
        }
    }
}

/// Checks a raw value; the error says what it must be.
fn parse(kind: Kind, raw: &str) -> Result<Value, String> {
    match kind {
        Kind::Text => Ok(Value::Text(raw.to_owned())),
        Kind::Path => Ok(Value::Text(raw.to_owned())),
        Kind::BotToken => is_bot_token(raw)
            .then(|| Value::Text(raw.to_owned()))
            .ok_or_else(|| {
                "digits, a colon and a word of letters, digits, `_` and `-`, as BotFather gives it"
                    .to_owned()
            }),
        Kind::Url { schemes, many } => {
            let good =
                |url: &str| Url::parse(url.trim()).is_ok_and(|url| schemes.contains(&url.scheme()));
            let all_good = if many {
                raw.split(',').all(good)
            } else {
                good(raw)
            };
            if all_good {
                Ok(Value::Text(raw.to_owned()))
            } else {
                Err(format!("an address with {}://", schemes.join(":// or ")))
            }
        }
        Kind::Integer { min, max } => raw
            .parse::<i64>()
            .ok()
            .filter(|number| (min..=max).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| format!("a whole number from {min} to {max}")),
        Kind::Thousandths { min, max } => thousandths(raw)
            .filter(|number| (min..=max).contains(number))
            .map(Value::Thousandths)
            .ok_or_else(|| {
                format!(
                    "a number from {} to {} with at most three decimals",
                    decimal(min),
                    decimal(max)
                )
            }),
        Kind::Choice(words) => words
            .contains(&raw)
            .then(|| Value::Text(raw.to_owned()))
            .ok_or_else(|| format!("one of {}", words.join(", "))),
        Kind::IpAddress => raw
            .parse()
            .map(Value::Address)
            .map_err(|_text| "an IP address".to_owned()),
        Kind::Ids => raw
            .split(',')
            .map(|id| id.trim().parse::<i64>().ok().filter(|id| *id > 0))
            .collect::<Option<_>>()
            .map(Value::Ids)
            .ok_or_else(|| "positive whole numbers with commas between".to_owned()),
        Kind::Languages => {
            let words: Vec<String> = raw
                .split(['+', ','])
                .map(|word| word.trim().to_owned())
                .collect();
            let good = |word: &String| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            if words.iter().all(good) {
                Ok(Value::Words(words))
            } else {
                Err("tesseract's names of languages with + between".to_owned())
            }
        }
        Kind::TimeZone => raw
            .parse()
            .map(Value::Zone)
            .map_err(|_text| "a time zone like Europe/Kyiv".to_owned()),
        Kind::Key => EncryptionSecret::parse(raw)
            .map(Value::Key)
            .ok_or_else(|| "32 bytes as 64 hexadecimal digits or Base64".to_owned()),
        Kind::LogFilter => tracing_subscriber::EnvFilter::builder()
            .parse(raw.to_ascii_lowercase())
            .map(|_filter| Value::Text(raw.to_ascii_lowercase()))
            .map_err(|_text| "a level, or levels by module".to_owned()),
    }
}

/// `<digits>:<word>`. Its parts become part of an address, so nothing else may be in it.
fn is_bot_token(raw: &str) -> bool {
    raw.split_once(':').is_some_and(|(id, word)| {
        let digits = id.bytes().all(|byte| byte.is_ascii_digit());
        let letters = word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        digits && letters && !id.is_empty() && !word.is_empty()
    })
}

/// `0.8` to 800, exactly; no floating point on the way.
fn thousandths(raw: &str) -> Option<u16> {
    let (whole, fraction) = raw.split_once('.').unwrap_or((raw, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    whole
        .parse::<u16>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(fraction)
}

/// 800 to `0.8`, for messages.
pub(super) fn decimal(thousandths: u16) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What may be shown of a raw value: secrets as a mask, addresses without their passwords.
fn show(setting: &Setting, raw: &str) -> String {
    match setting.kind {
        Kind::Url { .. } => raw
            .split(',')
            .map(|url| show_url(url.trim()))
            .collect::<Vec<_>>()
            .join(","),
        _ if setting.secret => MASK.to_owned(),
        _ => raw.to_owned(),
    }
}

fn show_url(raw: &str) -> String {
    let Ok(mut url) = Url::parse(raw) else {
        return MASK.to_owned();
    };
    // Mistyped (a slash left out, or one in a password), the login is read as something else, and would be shown.
    let behind_the_host = [Some(url.path()), url.query(), url.fragment()];
    if behind_the_host
        .into_iter()
        .flatten()
        .any(|part| part.contains('@'))
    {
        return MASK.to_owned();
    }
    if url.password().is_some() {
        let _no_host = url.set_password(Some(MASK));
    } else if !url.username().is_empty() && !url.scheme().starts_with("postgres") {
        // A lone name is a token for NATS and a key for Sentry; only databases have harmless ones.
        let _no_host = url.set_username(MASK);
    }
    if url
        .query_pairs()
        .any(|(name, _)| name.to_ascii_lowercase().contains("pass"))
    {
        url.set_query(Some(MASK));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test may fail loudly"
    )]
    use super::*;

    #[test]
    fn fractions_are_read_exactly() {
        for (raw, expected) in [
            ("0.8", Some(800)),
            ("1", Some(1_000)),
            ("0.005", Some(5)),
            ("50.000", Some(50_000)),
            ("0.0005", None),
            (".8", None),
            ("-1", None),
            ("1e3", None),
            ("66", None),
        ] {
            assert_eq!(thousandths(raw), expected, "{raw}");
        }
        assert_eq!(decimal(800), "0.8");
        assert_eq!(decimal(50_000), "50");
    }

    #[test]
    fn addresses_are_shown_without_their_passwords() {
        for (raw, expected) in [
            (
                "postgres://kvit:hunter2@db/kvit",
                "postgres://kvit:***@db/kvit",
            ),
            (
                "postgres://kvit@db/kvit?password=hunter2",
                "postgres://kvit@db/kvit?***",
            ),
            ("nats://hunter2@bus:4222", "nats://***@bus:4222"),
            ("hunter2", "***"),
            ("postgres:kvit:hunter2@db/kvit", "***"),
            ("postgres://kvit:5/hunter2@db/kvit", "***"),
        ] {
            assert_eq!(show_url(raw), expected);
        }
    }
}
