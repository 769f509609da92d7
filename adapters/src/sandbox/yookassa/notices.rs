//! Notifications on their way: seven tries at fixed distances from the event, and only the answer 200 ends them.
//!
//! As at the real provider a try says nothing about its number or time, and an old event goes on being sent after a newer one
//! was taken.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use tokio::sync::watch;

use super::error::ApiError;
use super::state::{Attempt, Change, Notice, Side};
use super::{Yookassa, locked};
use crate::http;
use crate::sandbox::faults::Dice;

/// How often time is looked at while nothing else happens.
const PULSE: Duration = Duration::from_millis(100);
/// The most copies of one notification that are sent together.
pub(super) const MOST_COPIES: u32 = 200;

/// What is to be sent now.
pub(super) struct Parcel {
    notice: u64,
    side: Side,
    body: String,
    due: DateTime<Utc>,
}

impl Yookassa {
    /// Where a side's notifications go.
    pub(super) fn webhook_url(&self, side: Side) -> Option<String> {
        let books = locked(&self.books);
        if let Some(set) = books.webhooks.get(&side) {
            return set.clone();
        }
        let account = match side {
            Side::Shop => &self.settings.shop,
            Side::Gateway => &self.settings.gateway,
        };
        account.webhook_url.as_ref().map(ToString::to_string)
    }

    fn next_try(&self, notice: &Notice) -> Option<DateTime<Utc>> {
        let offset = self
            .settings
            .webhook_offsets
            .get(notice.scheduled_attempts())?;
        notice
            .at
            .checked_add_signed(chrono::Duration::seconds(*offset))
    }

    /// Tries whose time has come, the oldest first, or in a drawn order.
    fn due(&self) -> Result<Vec<Parcel>, ApiError> {
        let mut parcels: Vec<Parcel> = {
            let mut books = locked(&self.books);
            self.tick(&mut books)?;
            if books.held {
                return Ok(Vec::new());
            }
            let now = self.now(&books);
            books
                .waiting
                .iter()
                .filter_map(|id| {
                    let notice = books.notices.get(id)?;
                    let due = self.next_try(notice)?;
                    (due <= now).then(|| parcel(notice, due))
                })
                .collect()
        };
        parcels.retain(|parcel| self.webhook_url(parcel.side).is_some());
        parcels.sort_by_key(|parcel| (parcel.due, parcel.notice));
        let chance = locked(&self.faults).pending().chance.unwrap_or_default();
        let dice = &mut locked(&self.passing).dice;
        if dice.hit(chance.webhook_shuffle) {
            shuffle(&mut parcels, dice);
        }
        Ok(parcels)
    }

    /// Whether anything was sent, so that there may be more at once.
    async fn deliver_due(&self) -> bool {
        let Ok(parcels) = self.due() else {
            return false;
        };
        let any = !parcels.is_empty();
        for parcel in parcels {
            let status = self.send(&parcel, true).await;
            let chance = locked(&self.faults).pending().chance.unwrap_or_default();
            let again = locked(&self.passing).dice.hit(chance.webhook_again);
            if status == Some(200) && again {
                self.send(&parcel, false).await;
            }
        }
        any
    }

    /// Sends one parcel and writes down what came of it.
    async fn send(&self, parcel: &Parcel, scheduled: bool) -> Option<u16> {
        let status = self
            .post(parcel.side, parcel.body.clone(), "application/json")
            .await;
        let mut books = locked(&self.books);
        let attempt = Attempt {
            at: self.now(&books),
            scheduled,
            status,
        };
        let change = Change::Attempt {
            notice: parcel.notice,
            attempt,
        };
        if let Err(error) = books.commit(vec![change]) {
            tracing::error!(%error, "sandbox cannot write its journal");
        }
        status
    }

    /// Posts any body to a side's address. `None` if no answer came or there is no address.
    pub(super) async fn post(&self, side: Side, body: String, content_type: &str) -> Option<u16> {
        let url = self.webhook_url(side)?;
        let parsed = url::Url::parse(&url).ok()?;
        // The real service speaks https only. A platform under test on this machine has no certificate.
        http::check_address(&parsed, false).ok()?;
        let request = self
            .http
            .post(parsed)
            .header("content-type", content_type)
            .body(body);
        request
            .send()
            .await
            .ok()
            .map(|answer| answer.status().as_u16())
    }

    /// Sends notifications outside of the schedule, each in `copies` at once; the answers are in the order of the copies.
    pub(super) async fn deliver_now(&self, ids: &[u64], copies: u32) -> Vec<Option<u16>> {
        let mut answers = Vec::new();
        for id in ids {
            let Some(parcel) = locked(&self.books)
                .notices
                .get(id)
                .map(|one| parcel(one, one.at))
            else {
                continue;
            };
            let sent = (0..copies.min(MOST_COPIES)).map(|_| self.send(&parcel, false));
            answers.extend(join_all(sent).await);
        }
        answers
    }
}

fn parcel(notice: &Notice, due: DateTime<Utc>) -> Parcel {
    Parcel {
        notice: notice.id,
        side: notice.side,
        body: notice.body.clone(),
        due,
    }
}

/// Draws a new order.
pub(super) fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for last in (1..items.len()).rev() {
        let bound = i64::try_from(last).unwrap_or(i64::MAX).saturating_add(1);
        let drawn = usize::try_from(dice.between(0, bound)).unwrap_or_default();
        items.swap(last, drawn);
    }
}

/// Lets time pass and sends what is due, until told to stop.
pub(crate) async fn deliver(yookassa: Arc<Yookassa>, mut stop: watch::Receiver<bool>) {
    let mut news = yookassa.news.subscribe();
    let run = async {
        loop {
            news.mark_unchanged();
            if !yookassa.deliver_due().await {
                let _pulse = tokio::time::timeout(PULSE, news.changed()).await;
            }
        }
    };
    tokio::select! {
        () = run => {}
        _ = stop.changed() => {}
    }
}
