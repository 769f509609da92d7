//! What is wrong with a configuration. All faults are collected and shown at once: nobody likes to find them one by one.

use std::fmt;

use super::settings::Setting;

/// One fault, in words that never hold a secret value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault(String);

impl Fault {
    pub(super) fn of(setting: &Setting, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", setting.name))
    }

    pub(super) fn general(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All faults of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} fault{}:{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, list(.0))]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The faults in the order of the reference.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

fn list(faults: &[Fault]) -> String {
    faults
        .iter()
        .map(|fault| format!("\n  - {fault}"))
        .collect()
}
