//! The only place that writes to a terminal. Standard output is data, standard error is words for people.
//!
//! A closed pipe is not our failure, so errors of writing are dropped.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether standard error is read by a machine, which expects one JSON object a line.
static MACHINE: AtomicBool = AtomicBool::new(false);

/// From now on notes and complaints go the way of the logs, as JSON.
pub fn speak_json() {
    MACHINE.store(true, Ordering::Relaxed);
}

/// Writes data to standard output, as it is.
pub fn data(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    let _closed = write!(out, "{text}").and_then(|()| out.flush());
}

/// Writes one line of words to standard error.
pub fn say(text: impl fmt::Display) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// Tells people what goes on; where machines read along, as a log line.
pub fn note(text: impl fmt::Display) {
    if MACHINE.load(Ordering::Relaxed) {
        tracing::info!("{text}");
    } else {
        say(format_args!("kvit: {text}"));
    }
}

/// Writes an error with its causes, one a line, to standard error; where machines read along, as a log line.
pub fn complain(error: &dyn Error) {
    if MACHINE.load(Ordering::Relaxed) {
        tracing::error!("{}", chain(error));
    } else {
        say(chain(error));
    }
}

/// An error and its causes as text. A layer's own words never repeat those below it.
pub fn chain(error: &dyn Error) -> String {
    let mut text = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    text
}

/// Whether words may be coloured: standard error is a terminal and NO_COLOR is not set.
pub fn colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
