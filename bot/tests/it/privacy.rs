//! What the log of the process may say about an update that broke a handler.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use kvit_bot::BotConfig;
use kvit_commands::ports::time::Clock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::{World, config};

/// Panics as slicing a person's text in the middle of a letter does: the text is in the message.
struct Broken;

const WORDS: &str = "мій номер 0671234567";

impl Clock for Broken {
    fn now(&self) -> DateTime<Utc> {
        panic!("byte index 1 is not a char boundary of `{WORDS}`")
    }
}

/// Collects all that is logged, fields of spans included.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Visit for Heard {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

// One thread, so that the subscriber of this thread hears everything.
#[tokio::test]
async fn a_handler_that_panics_is_logged_by_code_and_update_and_not_by_what_it_said() {
    let heard = Heard::default();
    let _listening = tracing::subscriber::set_default(heard.clone());
    let mut world = World::asleep().await;
    let admin = world.person("uk").await;
    world.clock = Arc::new(Broken);
    world.start(BotConfig {
        admin_ids: BTreeSet::from([admin]),
        ..config()
    });
    let update = world.say(admin, "/report").await.update_id.unwrap();
    let owned = world.heard(admin, "помилка на нашому боці").await;
    let code = owned.text().rsplit("код ").next().unwrap();
    let code = code.trim_end_matches('.');
    let log = heard.0.lock().unwrap().clone();
    let line = log.lines().find(|line| line.contains("a handler panicked"));
    let line = line.expect("the panic is not in the log");
    assert!(
        line.contains(code) && line.contains(&format!("update_id={update}")),
        "{line}"
    );
    for secret in [WORDS, "char boundary", "671234567"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
