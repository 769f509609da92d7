//! The simulated YooKassa, API v3: payments, refunds and payouts, with notifications to the platform and a page to pay on.
//!
//! It keeps the real service's habits: amounts are texts, a key is remembered for a day, a repeated call answers with the object as
//! it is now, 500 says nothing about the result, no event tells of a failed refund, and the shop's key does not open the payouts.
//! Its clock can be moved, so that a day, a week or three years pass in a test. Where public sources give an error's words they are
//! used; other words, and the order in which a call is checked, are the simulator's own.

mod api;
pub mod client;
mod control;
mod error;
pub mod faults;
mod fields;
mod fold;
mod life;
mod listing;
mod notices;
pub(in crate::sandbox) mod page;
mod payments;
mod payouts;
mod reads;
mod receipt;
mod records;
mod refunds;
mod render;
mod serve;
mod settings;
mod state;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use url::Url;

use self::faults::{YookassaAction, YookassaChance};
use self::state::Books;
use super::faults::{Dice, FaultBox};
use super::journal::Remembered;
use super::{SandboxConfig, SandboxError};
use crate::http::{self, HttpConfig, Timeouts};

pub use self::life::PAYMENT_REASONS;
pub(crate) use self::notices::deliver;
pub use self::records::{
    CallRecord, ClockChange, DeliverNow, Forged, PaymentRecord, PayoutRecord, RefundRecord,
    YookassaBooks,
};
pub use self::settings::{Account, Receipts, WEBHOOK_OFFSETS, YookassaSettings};
pub use self::state::{Attempt, Cancellation, Notice, PaymentStatus, Side, Totals, TransferStatus};

/// Where the API answers; the real one is at `/v3` of its own host.
pub const ENDPOINT: &str = "/yookassa/v3";

/// What need not outlive the process.
#[derive(Debug)]
struct Passing {
    dice: Dice,
    calls: VecDeque<CallRecord>,
    errors: u64,
}

#[derive(Debug)]
pub(crate) struct Yookassa {
    settings: YookassaSettings,
    seed: u64,
    base: OnceLock<Url>,
    fallback: Url,
    books: Mutex<Remembered<Books>>,
    faults: Mutex<FaultBox<YookassaAction, YookassaChance>>,
    passing: Mutex<Passing>,
    /// Moves whenever there may be something new to deliver.
    news: watch::Sender<u64>,
    http: reqwest::Client,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the state between two commits, where it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Yookassa {
    pub(crate) fn open(config: &SandboxConfig) -> Result<Arc<Self>, SandboxError> {
        let settings = config.yookassa.clone();
        let patience = Duration::from_millis(settings.webhook_timeout_millis);
        let http = http::client(&HttpConfig {
            timeouts: Timeouts {
                connect: patience.min(Duration::from_secs(2)),
                read: patience,
                total: patience,
            },
            ..HttpConfig::default()
        })?;
        let base = OnceLock::new();
        if let Some(url) = &settings.public_url {
            let _first = base.set(url.clone());
        }
        Ok(Arc::new(Self {
            seed: config.seed,
            base,
            fallback: Url::parse(&format!("http://{}/", config.bind))?,
            books: Mutex::new(Remembered::open(config.dir.as_deref(), "yookassa.jsonl")?),
            faults: Mutex::new(FaultBox::new(settings.faults.clone(), config.seed)),
            passing: Mutex::new(Passing {
                dice: Dice::new(config.seed.rotate_left(29)),
                calls: VecDeque::new(),
                errors: 0,
            }),
            news: watch::Sender::new(0),
            http,
            settings,
        }))
    }

    /// Says under which address the sandbox is reached, once that is known; a public address of the settings stays.
    pub(crate) fn listens_at(&self, base: &Url) {
        let _unless_set = self.base.set(base.clone());
    }

    fn base(&self) -> &Url {
        self.base.get().unwrap_or(&self.fallback)
    }

    /// The provider's time.
    fn now(&self, books: &Books) -> DateTime<Utc> {
        books.clock.stopped_at.unwrap_or_else(|| {
            let real = super::now();
            chrono::Duration::try_milliseconds(books.clock.offset_millis)
                .and_then(|offset| real.checked_add_signed(offset))
                .unwrap_or(real)
        })
    }

    fn view(&self, now: DateTime<Utc>) -> render::View<'_> {
        render::View {
            base: self.base(),
            shop_id: &self.settings.shop.id,
            now,
        }
    }

    fn tell(&self) {
        self.news
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

pub(crate) fn router(yookassa: Arc<Yookassa>) -> Router {
    serve::routes()
        .merge(page::routes())
        .merge(control::routes())
        .with_state(yookassa)
}
