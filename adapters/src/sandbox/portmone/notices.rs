//! The simulated provider's notifications: kept until they are accepted, sent late, twice, out of order or not at all.
//!
//! Without a target nothing is sent. With an automatic one a background task sends what is due; otherwise the control side says
//! when, which makes the order of a test its own. Order and mishaps come from the sandbox's seed. How often the real provider tries
//! is not known.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono_tz::Europe::Kyiv;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use url::Url;

use super::control::{Answer, unwritten};
use super::render::{escaped, text};
use super::state::Bill;
use super::{Portmone, locked};
use crate::http::{self, HttpConfig, Timeouts};
use crate::sandbox::faults::Dice;
use crate::sandbox::journal::{JournalError, Remembered, State as Journal};
use crate::sandbox::{SandboxConfig, SandboxError};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// How often a notification is sent before the provider gives up.
const TRIES: u32 = 7;
const TICK: Duration = Duration::from_millis(200);
const MAX_ANSWER: usize = 64 * 1024;
/// How many notifications are remembered, accepted ones forgotten first, so that a long run does not fill the memory.
const REMEMBERED: usize = 5_000;

/// The form of news about card payments. Bills of payouts and settlements always come as XML.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeForm {
    /// A JSON object.
    #[default]
    Json,
    /// `BILLS` in the form field `data`.
    Xml,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeTarget {
    /// The address, token and all.
    pub url: Url,
    /// The form of news about card payments.
    #[serde(default)]
    pub form: NoticeForm,
    /// Sent by themselves, not only when the control side says so.
    #[serde(default)]
    pub automatic: bool,
}

/// What goes wrong with notifications, in thousandths of a sending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeMishaps {
    /// Lost on the way; tried again later.
    pub lost: u16,
    /// Sent, but the answer is lost; tried again later.
    pub answer_lost: u16,
    /// Sent twice at once.
    pub twice: u16,
    /// Sent in an order by the seed instead of the order of events.
    pub shuffled: bool,
}

/// A notification as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Counted from one.
    #[serde(default)]
    pub id: u64,
    /// Its media type.
    pub content_type: String,
    /// Its body as sent.
    pub body: String,
    /// Whether somebody accepted it.
    #[serde(default)]
    pub accepted: bool,
}

/// One sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Which notification.
    pub notice: u64,
    /// The HTTP status of the answer, `None` when there was none.
    pub status: Option<u16>,
    /// The answer's body.
    pub answer: String,
    /// Whether the answer counts as accepting it.
    pub accepted: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(crate) enum Change {
    Target { target: Option<NoticeTarget> },
    Added { notice: Notice },
    Accepted { id: u64 },
}

#[derive(Debug, Default)]
pub(crate) struct NoticeBooks {
    target: Option<NoticeTarget>,
    notices: BTreeMap<u64, Notice>,
    last: u64,
}

impl Journal for NoticeBooks {
    type Change = Change;

    fn apply(&mut self, change: Change) {
        match change {
            Change::Target { target } => self.target = target,
            Change::Added { notice } => {
                self.last = self.last.max(notice.id);
                self.notices.insert(notice.id, notice);
                if self.notices.len() > REMEMBERED {
                    let accepted = self.notices.values().find(|notice| notice.accepted);
                    let oldest = accepted.or_else(|| self.notices.values().next());
                    if let Some(id) = oldest.map(|notice| notice.id) {
                        self.notices.remove(&id);
                    }
                }
            }
            Change::Accepted { id } => {
                if let Some(notice) = self.notices.get_mut(&id) {
                    notice.accepted = true;
                }
            }
        }
    }
}

/// The queue of notifications with its background task.
#[derive(Debug)]
pub(crate) struct Notices {
    inner: Arc<Inner>,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    books: Mutex<Remembered<NoticeBooks>>,
    luck: Mutex<(Dice, NoticeMishaps)>,
    tries: Mutex<HashMap<u64, (u32, Instant)>>,
    http: reqwest::Client,
}

impl Notices {
    pub(crate) fn open(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let books = Remembered::open(config.dir.as_deref(), "portmone-notices.jsonl")?;
        let http = http::client(&HttpConfig {
            timeouts: Timeouts {
                connect: Duration::from_secs(2),
                read: Duration::from_secs(5),
                total: Duration::from_secs(10),
            },
            allow_plain_http: true,
            ..HttpConfig::default()
        })?;
        let inner = Arc::new(Inner {
            books: Mutex::new(books),
            luck: Mutex::new((Dice::new(config.seed), NoticeMishaps::default())),
            tries: Mutex::default(),
            http,
        });
        let news = Arc::new(Notify::new());
        // Ends with the queue, which it does not keep alive.
        tokio::spawn(send_by_themselves(
            Arc::downgrade(&inner),
            Arc::clone(&news),
        ));
        Ok(Self { inner, news })
    }

    /// Adds news unless the same is there already. Without a target only what `always` says is kept.
    pub(crate) fn add(&self, news: (&str, String), always: bool) -> Result<(), JournalError> {
        let mut books = locked(&self.inner.books);
        let (content_type, body) = news;
        let known = || books.notices.values().any(|notice| notice.body == body);
        if (books.target.is_none() && !always) || known() {
            return Ok(());
        }
        let notice = Notice {
            id: books.last.saturating_add(1),
            content_type: content_type.to_owned(),
            body,
            accepted: false,
        };
        books.commit(vec![Change::Added { notice }])?;
        drop(books);
        self.news.notify_one();
        Ok(())
    }

    pub(crate) fn form(&self) -> NoticeForm {
        let books = locked(&self.inner.books);
        books
            .target
            .as_ref()
            .map_or_else(NoticeForm::default, |target| target.form)
    }
}

async fn send_by_themselves(inner: Weak<Inner>, news: Arc<Notify>) {
    loop {
        let _either = tokio::time::timeout(TICK, news.notified()).await;
        let Some(inner) = inner.upgrade() else { return };
        let automatic = locked(&inner.books)
            .target
            .as_ref()
            .is_some_and(|target| target.automatic);
        if automatic && let Err(error) = inner.send_due(false).await {
            tracing::error!(%error, "sandbox cannot write its journal");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mishap {
    Lost,
    AnswerLost,
}

impl Inner {
    /// Sends what was not accepted, also before its time if `now`.
    async fn send_due(&self, now: bool) -> Result<Vec<Sending>, JournalError> {
        let Some(target) = locked(&self.books).target.clone() else {
            return Ok(Vec::new());
        };
        let mut sendings = Vec::new();
        for (notice, mishap) in self.plan(now) {
            let (mut status, mut answer) = (None, String::new());
            if mishap != Some(Mishap::Lost) {
                (status, answer) = self.send(&target.url, &notice).await;
            }
            let accepted =
                mishap.is_none() && status == Some(200) && accepts(&notice.content_type, &answer);
            if accepted {
                locked(&self.books).commit(vec![Change::Accepted { id: notice.id }])?;
                locked(&self.tries).remove(&notice.id);
            }
            sendings.push(Sending {
                notice: notice.id,
                status,
                answer,
                accepted,
            });
        }
        Ok(sendings)
    }

    fn plan(&self, now: bool) -> Vec<(Notice, Option<Mishap>)> {
        let waiting: Vec<Notice> = {
            let books = locked(&self.books);
            let open = books.notices.values().filter(|notice| !notice.accepted);
            open.cloned().collect()
        };
        let mut luck = locked(&self.luck);
        let (dice, mishaps) = &mut *luck;
        let mut tries = locked(&self.tries);
        let mut plan = Vec::new();
        for notice in waiting {
            let (count, due) = tries
                .entry(notice.id)
                .or_insert_with(|| (0, Instant::now()));
            if !now && (*count >= TRIES || *due > Instant::now()) {
                continue;
            }
            *count = count.saturating_add(1);
            *due = Instant::now()
                .checked_add(TICK.saturating_mul(1_u32 << (*count).min(10)))
                .unwrap_or(*due);
            let mishap = if dice.hit(mishaps.lost) {
                Some(Mishap::Lost)
            } else if dice.hit(mishaps.answer_lost) {
                Some(Mishap::AnswerLost)
            } else {
                None
            };
            if dice.hit(mishaps.twice) {
                plan.push((notice.clone(), mishap));
            }
            plan.push((notice, mishap));
        }
        if mishaps.shuffled {
            for last in (1..plan.len()).rev() {
                let bound = i64::try_from(last).unwrap_or(i64::MAX).saturating_add(1);
                plan.swap(last, usize::try_from(dice.between(0, bound)).unwrap_or(0));
            }
        }
        plan
    }

    async fn send(&self, url: &Url, notice: &Notice) -> (Option<u16>, String) {
        let request = self
            .http
            .post(url.clone())
            .header("content-type", &notice.content_type)
            .body(notice.body.clone());
        let Ok(response) = request.send().await else {
            return (None, String::new());
        };
        let status = response.status().as_u16();
        match http::bounded_body(response, MAX_ANSWER).await {
            Ok(body) => (Some(status), String::from_utf8_lossy(&body).into_owned()),
            Err(_) => (None, String::new()),
        }
    }
}

fn accepts(content_type: &str, answer: &str) -> bool {
    if content_type == JSON {
        serde_json::from_str::<serde_json::Value>(answer)
            .is_ok_and(|answer| answer.get("errorCode") == Some(&"0".into()))
    } else {
        answer.contains("<RESULT><ERROR_CODE>0</ERROR_CODE>") || answer.contains("<RESPONSE>")
    }
}

/// A document in the form field in which XML comes.
pub(super) fn in_form(document: &str) -> (&'static str, String) {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair(
            "data",
            &format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{document}"),
        )
        .finish();
    (FORM, body)
}

/// News in JSON.
pub(super) fn in_json(value: &serde_json::Value) -> (&'static str, String) {
    (JSON, value.to_string())
}

/// The news of a paid payout bill, or of one whose money came back: the same bill with a minus.
pub(super) fn bill_news(bill: &Bill, reversed: bool) -> (&'static str, String) {
    let paid_at = bill
        .paid_at
        .unwrap_or_else(crate::sandbox::now)
        .with_timezone(&Kyiv);
    in_form(&format!(
        "<BILLS><BILL><PAYEE><NAME/><CODE>{}</CODE></PAYEE><BILL_ID>{}</BILL_ID><BILL_NUMBER>{}</BILL_NUMBER>\
         <PAY_DATE>{}</PAY_DATE><PAY_TIME>{}</PAY_TIME><PAYED_AMOUNT>{}{}</PAYED_AMOUNT><PAYED_COMMISSION>0</PAYED_COMMISSION>\
         <STATUS>PAYED</STATUS><PAYER><CONTRACT_NUMBER>{}</CONTRACT_NUMBER></PAYER></BILL></BILLS>",
        escaped(&bill.payee_id),
        escaped(&bill.id),
        escaped(&bill.comment),
        paid_at.format("%Y-%m-%d"),
        paid_at.format("%H:%M:%S"),
        if reversed { "-" } else { "" },
        text(bill.moved_minor),
        escaped(&bill.contract_number),
    ))
}

pub(super) fn routes() -> Router<Arc<Portmone>> {
    Router::new()
        .route("/_sandbox/portmone/notices", get(list).post(add))
        .route("/_sandbox/portmone/notices/target", post(set_target))
        .route("/_sandbox/portmone/notices/mishaps", post(set_mishaps))
        .route("/_sandbox/portmone/notices/deliver", post(deliver))
}

async fn list(State(portmone): State<Arc<Portmone>>) -> Json<Vec<Notice>> {
    let books = locked(&portmone.notices.inner.books);
    Json(books.notices.values().cloned().collect())
}

/// Any notification at all: a forged one, a question about payers, garbage.
async fn add(State(portmone): State<Arc<Portmone>>, Json(notice): Json<Notice>) -> Answer<bool> {
    portmone
        .notices
        .add((notice.content_type.as_str(), notice.body), true)
        .map_err(unwritten)?;
    Ok(Json(true))
}

async fn set_target(
    State(portmone): State<Arc<Portmone>>,
    Json(target): Json<Option<NoticeTarget>>,
) -> Answer<bool> {
    locked(&portmone.notices.inner.books)
        .commit(vec![Change::Target { target }])
        .map_err(unwritten)?;
    Ok(Json(true))
}

async fn set_mishaps(
    State(portmone): State<Arc<Portmone>>,
    Json(mishaps): Json<NoticeMishaps>,
) -> Json<bool> {
    locked(&portmone.notices.inner.luck).1 = mishaps;
    Json(true)
}

async fn deliver(State(portmone): State<Arc<Portmone>>) -> Result<Json<Vec<Sending>>, StatusCode> {
    let inner = Arc::clone(&portmone.notices.inner);
    inner.send_due(true).await.map(Json).map_err(unwritten)
}
