//! Where raw values come from: the environment, files named by `NAME_FILE`, `.env` and the state folder, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::settings::{SETTINGS, Setting};

/// Our own prefix; an unknown name with it is a mistake, most likely a misspelt one.
const PREFIX: &str = "KVIT_";
/// Names that belong to the test harness, which shares its environment with the binaries that it starts.
const TEST_PREFIX: &str = "KVIT_TEST_";
const SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The process environment.
    Environment,
    /// The file that `NAME_FILE` names.
    File(PathBuf),
    /// The `.env` file.
    DotEnv,
    /// The state folder of the local stack.
    State,
    /// The table's default.
    Default,
    /// Nowhere.
    Unset,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::DotEnv => f.write_str(".env"),
            Self::State => f.write_str("state folder"),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("not set"),
        }
    }
}

/// The layers of raw values, the first that has a name wins.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The process environment.
    pub environment: BTreeMap<String, String>,
    /// The `.env` file's lines.
    pub dotenv: BTreeMap<String, String>,
    /// Generated secrets and running endpoints of the state folder.
    pub state: BTreeMap<String, String>,
    /// What was wrong with `.env` itself.
    dotenv_fault: Option<Fault>,
}

impl Sources {
    /// The real environment, and `.env` of the working folder unless the environment says `prod`.
    pub fn of_process() -> Self {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut sources = Self {
            environment,
            ..Self::default()
        };
        if sources.environment.get("APP_ENV").map(String::as_str) != Some("prod") {
            sources.read_dotenv(Path::new(".env"));
        }
        sources
    }

    /// Only these variables, for tests.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self {
            environment: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..Self::default()
        }
    }

    /// Lays the state folder's values below the others.
    #[must_use]
    pub fn with_state(mut self, state: &BTreeMap<String, String>) -> Self {
        self.state.extend(
            state
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        self
    }

    /// Lays the values of an env file below the others, if there is one. For `endpoints.env` and `secrets.env`.
    #[must_use]
    pub fn with_state_file(self, path: &Path) -> Self {
        match read_env_file(path) {
            Ok(values) => self.with_state(&values),
            Err(_absent) => self,
        }
    }

    /// Without these names, in every layer.
    #[must_use]
    pub fn without(mut self, names: &[String]) -> Self {
        for layer in [&mut self.environment, &mut self.dotenv, &mut self.state] {
            layer.retain(|name, _| !names.contains(name));
        }
        self
    }

    /// Reads an env file into the `.env` layer; a missing one is no fault.
    pub fn read_dotenv(&mut self, path: &Path) {
        match read_env_file(path) {
            Ok(values) => self.dotenv = values,
            Err(error) if error.not_found() => {}
            Err(_bad_line) => {
                // The parser's own message quotes the line, which may hold a secret.
                self.dotenv_fault = Some(Fault::general(
                    ".env cannot be read: a line is not NAME=value",
                ));
            }
        }
    }

    /// Whether a setting was given by a person, by value or by file.
    pub fn is_given(&self, setting: &Setting) -> bool {
        let file = format!("{}_FILE", setting.name);
        [&self.environment, &self.dotenv].iter().any(|layer| {
            filled(layer, setting.name).is_some()
                || (setting.secret && filled(layer, &file).is_some())
        })
    }

    /// The raw value of a setting, or its default. For the few that are needed before the rest can be read.
    pub fn text(&self, setting: &Setting) -> Option<String> {
        self.find(setting).ok()?.0
    }

    /// The raw value of a setting with its source, before the default.
    pub(super) fn find(&self, setting: &Setting) -> Result<(Option<String>, Source), Fault> {
        let file_name = format!("{}_FILE", setting.name);
        for (layer, source) in [
            (&self.environment, Source::Environment),
            (&self.dotenv, Source::DotEnv),
        ] {
            let value = filled(layer, setting.name);
            let file = setting.secret.then(|| filled(layer, &file_name)).flatten();
            match (value, file) {
                (Some(_), Some(_)) => {
                    return Err(Fault::of(
                        setting,
                        format!("both {} and {file_name} are given", setting.name),
                    ));
                }
                (Some(value), None) => return Ok((Some(value.to_owned()), source)),
                (None, Some(path)) => {
                    let path = PathBuf::from(path);
                    let value = read_secret(&path).map_err(|reason| {
                        Fault::of(
                            setting,
                            format!("{file_name} names {}, {reason}", path.display()),
                        )
                    })?;
                    return Ok((Some(value), Source::File(path)));
                }
                (None, None) => {}
            }
        }
        if let Some(value) = filled(&self.state, setting.name) {
            return Ok((Some(value.to_owned()), Source::State));
        }
        Ok(match setting.default {
            Some(value) => (Some(value.to_owned()), Source::Default),
            None => (None, Source::Unset),
        })
    }

    /// Faults of the layers themselves: unknown names with our prefix, a broken `.env`.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut known: BTreeSet<String> = SETTINGS
            .iter()
            .map(|setting| setting.name.to_owned())
            .collect();
        known.extend(
            SETTINGS
                .iter()
                .filter(|setting| setting.secret)
                .map(|setting| format!("{}_FILE", setting.name)),
        );
        let unknown: BTreeSet<&String> = self
            .environment
            .keys()
            .chain(self.dotenv.keys())
            .filter(|name| name.starts_with(PREFIX) && !name.starts_with(TEST_PREFIX))
            .filter(|name| !known.contains(*name))
            .collect();
        self.dotenv_fault
            .iter()
            .cloned()
            .chain(unknown.into_iter().map(|name| unknown_name(name, &known)))
            .collect()
    }
}

fn unknown_name(name: &str, known: &BTreeSet<String>) -> Fault {
    let near = known
        .iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    Fault::general(match near {
        Some((_, candidate)) => format!("{name}: no such setting; did you mean {candidate}?"),
        None => format!("{name}: no such setting"),
    })
}

/// An empty value counts as none: container tools pass unset variables as empty ones.
fn filled<'a>(layer: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    layer
        .get(name)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
}

fn read_secret(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_FILE_BYTES).read_to_string(&mut text))
        .map_err(|error| format!("which cannot be read ({})", error.kind()))?;
    let value = text.trim();
    if value.is_empty() {
        return Err("which is empty".to_owned());
    }
    Ok(value.to_owned())
}

fn read_env_file(path: &Path) -> Result<BTreeMap<String, String>, dotenvy::Error> {
    dotenvy::from_path_iter(path)?.collect()
}
