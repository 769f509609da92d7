//! What happened, step by step: a hash over all of it, and the last of it in words.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Steps that are kept in words.
const KEPT: usize = 50;

/// The steps of one run.
pub struct Trace {
    inner: Mutex<Inner>,
    /// Whether every step is printed as it happens.
    verbose: bool,
}

struct Inner {
    hasher: Sha256,
    last: VecDeque<String>,
    steps: u64,
    failure: Option<String>,
}

impl Trace {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(verbose: bool) -> Self {
        let inner = Inner {
            hasher: Sha256::new(),
            last: VecDeque::with_capacity(KEPT),
            steps: 0,
            failure: None,
        };
        Self {
            inner: Mutex::new(inner),
            verbose,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a step and says how many there are; `at` is the virtual time since the start, in milliseconds.
    #[allow(
        clippy::print_stdout,
        reason = "a person asked to see the steps of one seed"
    )]
    pub fn step(&self, at: u128, what: std::fmt::Arguments<'_>) -> u64 {
        let mut inner = self.lock();
        let mut line = if inner.last.len() == KEPT {
            inner.last.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        line.clear();
        let _ = write!(line, "{:>10}.{:03} {what}", at / 1_000, at % 1_000);
        inner.hasher.update(line.as_bytes());
        inner.hasher.update(b"\n");
        inner.steps += 1;
        if self.verbose {
            println!("{line}");
        }
        inner.last.push_back(line);
        inner.steps
    }

    /// Notes what went wrong; only the first is kept, what follows follows from it.
    pub fn fail(&self, why: String) {
        let mut inner = self.lock();
        inner.failure.get_or_insert(why);
    }

    /// What went wrong.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    /// How many steps there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// SHA-256 over all steps, hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(self.lock().hasher.clone().finalize())
    }

    /// The last steps.
    #[must_use]
    pub fn last(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }
}
