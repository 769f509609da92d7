//! Ids that nothing hangs on but telling things apart: of requests, faults, spans.

use rand::TryRngCore;

/// So many random bytes as hexadecimal digits.
#[must_use]
pub fn hex<const BYTES: usize>() -> String {
    let mut bytes = [0_u8; BYTES];
    if rand::rngs::OsRng.try_fill_bytes(&mut bytes).is_err() {
        // Secrets are never made here, so the request goes on; its id is then not its own.
        tracing::error!("the system gives no randomness");
    }
    hex::encode(bytes)
}
