//! What must hold for any bytes, where the readers live in crates with databases and servers. As in the light package.

pub mod api_key;
pub mod api_request;
pub mod button;
pub mod configuration;
pub mod cursor;
pub mod portmone_amount;
pub mod portmone_bill;
pub mod portmone_notice;
pub mod portmone_result;
pub mod sender;
pub mod telegram_update;
pub mod yookassa_answer;
pub mod yookassa_notice;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A target: its name, and what must hold for any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target with its name, which is that of its folder in the corpus.
pub const TARGETS: [Target; 13] = [
    ("yookassa_notice", yookassa_notice::holds),
    ("yookassa_answer", yookassa_answer::holds),
    ("portmone_amount", portmone_amount::holds),
    ("portmone_notice", portmone_notice::holds),
    ("portmone_bill", portmone_bill::holds),
    ("portmone_result", portmone_result::holds),
    ("cursor", cursor::holds),
    ("api_key", api_key::holds),
    ("api_request", api_request::holds),
    ("sender", sender::holds),
    ("telegram_update", telegram_update::holds),
    ("button", button::holds),
    ("configuration", configuration::holds),
];

/// A text that may stand in an event, a column and a log line: within a length, and no character of it steers anything.
fn is_plain(text: &str, max: usize) {
    assert!(text.len() <= max, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// The first byte chooses one of several settings, the rest is the input proper.
fn chosen<'a, T: Copy>(data: &'a [u8], among: &[T]) -> Option<(T, &'a [u8])> {
    let (first, rest) = data.split_first()?;
    Some((among[usize::from(*first) % among.len()], rest))
}

/// Nothing here has to be waited for.
fn at_once<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    for _ in 0..1_000 {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("the handler waits for something");
}
