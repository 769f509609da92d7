//! What the bot says, in three languages. The words are in `bot/locales/*.ftl`, embedded in the program.
//!
//! Every value that goes into a text is escaped here, so no name of a shop can become a tag. A key is written as
//! the macro `key` wherever it is used; a test compares those with the files and finds what is missing or unused.

pub mod format;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use kvit_domain::rules::ReasonCode;
use kvit_domain::user::Language;

/// The key of a text. Made by [`key!`] or for a family of texts by a function below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub(crate) std::borrow::Cow<'static, str>);

/// Names a text; the test of the keys looks for this word in the sources.
macro_rules! key {
    ($name:literal) => {
        $crate::texts::Key(::std::borrow::Cow::Borrowed($name))
    };
}
pub(crate) use key;

/// What a reason means.
#[must_use]
pub fn reason_key(code: ReasonCode) -> Key {
    Key(format!("reason-{code}").into())
}

/// What to do about a reason.
#[must_use]
pub fn advice_key(code: ReasonCode) -> Key {
    Key(format!("advice-{code}").into())
}

/// What a command is for.
#[must_use]
pub fn command_key(name: &str) -> Key {
    Key(format!("command-{name}").into())
}

/// A value in a text.
#[derive(Debug, Clone)]
pub enum Value {
    /// Any text; it is escaped.
    Text(String),
    /// A count; it chooses the plural form.
    Count(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(count: i64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

type Bundle = FluentBundle<FluentResource>;

/// The files, by language.
pub(crate) const FILES: [(Language, &str); 3] = [
    (Language::Uk, include_str!("../../locales/uk.ftl")),
    (Language::Ru, include_str!("../../locales/ru.ftl")),
    (Language::En, include_str!("../../locales/en.ftl")),
];

static BUNDLES: LazyLock<Vec<(Language, Bundle)>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|&(language, file)| (language, bundle(language, file)))
        .collect()
});

fn bundle(language: Language, file: &str) -> Bundle {
    // A fault in a file is found by the tests; here the readable part of the file still serves.
    let resource =
        FluentResource::try_new(file.to_owned()).unwrap_or_else(|(resource, _faults)| resource);
    let mut bundle =
        FluentBundle::new_concurrent(vec![language.code().parse().unwrap_or_default()]);
    // Marks around values would be seen in phone numbers and links.
    bundle.set_use_isolating(false);
    let _known_twice = bundle.add_resource(resource);
    bundle
}

/// A text in a language. What the language lacks is said in Ukrainian; a key that no file has is shown itself, and logged.
#[must_use]
pub fn say(language: Language, key: &Key, args: &[(&'static str, Value)]) -> String {
    let mut values = FluentArgs::new();
    for (name, value) in args {
        let value = match value {
            Value::Text(text) => FluentValue::from(format::escape(text)),
            Value::Count(count) => FluentValue::from(*count),
        };
        values.set(*name, value);
    }
    let in_language = |wanted: Language| {
        let (_, bundle) = BUNDLES.iter().find(|(known, _)| *known == wanted)?;
        let pattern = bundle.get_message(&key.0)?.value()?;
        let mut faults = Vec::new();
        let text = bundle
            .format_pattern(pattern, Some(&values), &mut faults)
            .into_owned();
        debug_assert!(
            faults.is_empty(),
            "text {} cannot be filled in: {faults:?}",
            key.0
        );
        Some(text)
    };
    in_language(language)
        .or_else(|| in_language(Language::Uk))
        .unwrap_or_else(|| {
            tracing::error!(key = %key.0, "there is no such text");
            key.0.to_string()
        })
}
