//! Stopping in order: one token that everything waits on, set by SIGINT and SIGTERM.

use std::io::IsTerminal as _;

use tokio::signal::unix::{SignalKind, signal};
/// Cancelled once, when the process shall stop. Clones share the state; a child token can be cancelled alone.
pub use tokio_util::sync::CancellationToken as ShutdownToken;

use crate::ui;

/// A token that the first SIGINT or SIGTERM cancels. The second one ends the process at once; its children follow by their
/// death signal.
///
/// # Errors
/// When the operating system lets us handle no signals.
pub fn on_signals() -> std::io::Result<ShutdownToken> {
    let token = ShutdownToken::new();
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let stop = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.is_cancelled() {
                ui::note("stopping at once");
                std::process::exit(130);
            }
            // A supervised process is told to stop by its parent, not by a person.
            if std::io::stderr().is_terminal() {
                ui::note("stopping (once more to stop at once)");
            }
            stop.cancel();
        }
    });
    Ok(token)
}
