//! Handles stored updates: in order within a chat, several chats at a time, each until it is done.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use kvit_commands::ports::messages::{ClaimedUpdate, MessagesFault, UpdateInbox};
use teloxide::dispatching::UpdateHandler;
use teloxide::dptree;
use teloxide::types::{ChatMemberKind, Update, UpdateKind};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::actions::Drawn;
use crate::bot::{Env, pause_or_stop};
use crate::handlers::schema;
use crate::texts::key;
use crate::trouble::Trouble;
use crate::turn::Turn;

/// Updates under way at a time. A photo of 10 MB may be in memory for each.
const AT_ONCE: usize = 8;
/// A claim lasts so long without a sign of life; after a crash the update waits for its end.
const LEASE: Duration = Duration::from_secs(10);
/// How often a sign of life is given.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// So long an update is tried again while something is away; then the person is told, and must send it again.
const PATIENCE_SECONDS: i64 = 15 * 60;
/// An update that was claimed so often takes the process down with it.
const ATTEMPTS_MAX: u32 = 100;
/// How long what is under way may take to finish at a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Handles stored updates.
pub(crate) struct Worker {
    env: Arc<Env>,
    inbox: Arc<dyn UpdateInbox>,
    tree: Arc<UpdateHandler<Trouble>>,
}

impl Worker {
    pub(crate) fn new(env: Arc<Env>, inbox: Arc<dyn UpdateInbox>) -> Self {
        Self {
            env,
            inbox,
            tree: Arc::new(schema()),
        }
    }

    /// Works until told to stop, then lets what is under way finish.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        while !stop.is_cancelled() {
            while under_way.try_join_next().is_some() {}
            let free = u32::try_from(room.available_permits()).unwrap_or(u32::MAX);
            let claimed = if free == 0 {
                Ok(Vec::new())
            } else {
                self.inbox.claim(free, LEASE).await
            };
            let updates = match claimed {
                Ok(updates) => updates,
                Err(error) => {
                    tracing::warn!(%error, "stored updates cannot be read");
                    if pause_or_stop(Duration::from_secs(1), &stop).await {
                        break;
                    }
                    continue;
                }
            };
            if updates.is_empty() {
                tokio::select! {
                    () = self.inbox.wait(Duration::from_millis(250)) => {}
                    _ = under_way.join_next(), if !under_way.is_empty() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            for update in updates {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                    return;
                };
                let worker = Self {
                    env: Arc::clone(&self.env),
                    inbox: Arc::clone(&self.inbox),
                    tree: Arc::clone(&self.tree),
                };
                under_way.spawn(async move {
                    worker.handle(update).await;
                    drop(permit);
                });
            }
        }
        let _in_time = tokio::time::timeout(GRACE, async {
            while under_way.join_next().await.is_some() {}
        })
        .await;
    }

    async fn handle(&self, claimed: ClaimedUpdate) {
        let span = tracing::info_span!(
            "telegram.update",
            update_id = claimed.update_id,
            attempt = claimed.attempt
        );
        let traceparent = crate::trace::traceparent(&span);
        async {
            let dispatched =
                AssertUnwindSafe(self.dispatch(&claimed, traceparent.clone())).catch_unwind();
            let mut dispatched = std::pin::pin!(dispatched);
            let result = loop {
                match tokio::time::timeout(SIGN_OF_LIFE, &mut dispatched).await {
                    Ok(result) => break result,
                    // A lease that could not be prolonged only means that another process may handle it as well.
                    Err(_) => drop(self.inbox.keep(claimed.update_id, LEASE).await),
                }
            };
            // What a panic says may quote what the person wrote, so it goes no further.
            let result =
                result.unwrap_or_else(|_| Err(Trouble::Fatal("a handler panicked".to_owned())));
            if let Err(error) = self.settle(&claimed, result, traceparent).await {
                tracing::warn!(%error, "an update stays claimed until its lease ends");
            }
        }
        .instrument(span)
        .await;
    }

    async fn dispatch(&self, claimed: &ClaimedUpdate, traceparent: String) -> Result<(), Trouble> {
        if claimed.attempt > ATTEMPTS_MAX {
            return Err(Trouble::Fatal("claimed too often".to_owned()));
        }
        let Some(update) = parse(&claimed.payload) else {
            tracing::error!("an update of an unknown form is set aside");
            metrics::counter!("kvit_telegram_updates_total", "outcome" => "unreadable")
                .increment(1);
            return Ok(());
        };
        if let UpdateKind::MyChatMember(change) = &update.kind {
            let left = matches!(
                change.new_chat_member.kind,
                ChatMemberKind::Banned(_) | ChatMemberKind::Left
            );
            return self
                .membership(
                    &update,
                    change.chat.is_private().then_some(change.chat.id.0),
                    left,
                    traceparent,
                )
                .await;
        }
        let Some(turn) = Turn::open(Arc::clone(&self.env), &update, traceparent).await? else {
            return Ok(());
        };
        let turn = Arc::new(turn);
        let input = dptree::deps![update, Arc::clone(&turn)];
        match self.tree.dispatch(input).await {
            std::ops::ControlFlow::Break(Err(Trouble::Rejected(rejection))) => {
                turn.refuse(&rejection).await
            }
            std::ops::ControlFlow::Break(result) => result,
            std::ops::ControlFlow::Continue(_) => Ok(()),
        }
    }

    /// Somebody blocked the bot, or took that back.
    async fn membership(
        &self,
        update: &Update,
        chat: Option<i64>,
        left: bool,
        traceparent: String,
    ) -> Result<(), Trouble> {
        let Some(telegram_id) = chat.filter(|id| self.env.config.admits(*id)) else {
            return Ok(());
        };
        let user_id = self.env.app.user_id(telegram_id);
        let user = self.env.app.user(user_id).await?;
        if !user.registered || user.forgotten {
            return Ok(());
        }
        let key = format!("tg:{}:membership", update.id.0);
        let context = kvit_commands::context::Context::new(
            format!("user:{user_id}"),
            &key,
            format!("tg:{}", update.id.0),
        )
        .with_traceparent(Some(traceparent));
        if left {
            self.env.app.mark_blocked(user_id, &context).await?;
            self.env.board.park(user_id).await?;
        } else {
            self.env.app.mark_returned(user_id, &context).await?;
            self.env.board.unpark(user_id).await?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        claimed: &ClaimedUpdate,
        result: Result<(), Trouble>,
        traceparent: String,
    ) -> Result<(), MessagesFault> {
        let outcome = match result {
            Ok(()) => "done",
            Err(Trouble::Transient {
                reason,
                retry_after,
            }) if claimed.age_seconds < PATIENCE_SECONDS && claimed.attempt <= ATTEMPTS_MAX => {
                let grown = Duration::from_secs(1_u64 << claimed.attempt.saturating_sub(1).min(5));
                let pause = grown.max(retry_after).min(Duration::from_secs(60));
                tracing::warn!(
                    reason,
                    pause_ms = pause.as_millis(),
                    "an update is tried again later"
                );
                metrics::counter!("kvit_telegram_updates_total", "outcome" => "put_back")
                    .increment(1);
                return self.inbox.put_back(claimed.update_id, pause).await;
            }
            Err(trouble) => {
                let code = crate::trace::random_hex()
                    .get(24..)
                    .unwrap_or_default()
                    .to_owned();
                tracing::error!(
                    update_id = claimed.update_id,
                    code,
                    %trouble,
                    "an update could not be handled"
                );
                metrics::counter!("kvit_telegram_errors_total").increment(1);
                self.own_up(claimed, &code, traceparent).await;
                "failed"
            }
        };
        metrics::counter!("kvit_telegram_updates_total", "outcome" => outcome).increment(1);
        self.inbox.done(claimed.update_id).await
    }

    /// Tells the person that something broke here, with the code to name. Best effort: the log has it anyway.
    async fn own_up(&self, claimed: &ClaimedUpdate, code: &str, traceparent: String) {
        let told = async {
            let update = parse(&claimed.payload)?;
            let turn = Turn::open(Arc::clone(&self.env), &update, traceparent)
                .await
                .ok()??;
            let html = turn.say(&key!("error"), &[("code", code.into())]);
            let content = turn.content(Drawn::text(html)).await.ok()?;
            turn.wish(&format!("error:{}", claimed.update_id), content, 0)
                .await
                .ok()
        };
        if AssertUnwindSafe(told)
            .catch_unwind()
            .await
            .ok()
            .flatten()
            .is_none()
        {
            tracing::warn!(code, "the person could not be told");
        }
    }
}

/// An update of a kind that the library knows.
fn parse(payload: &str) -> Option<Update> {
    let update: Update = serde_json::from_str(payload).ok()?;
    (!matches!(update.kind, UpdateKind::Error(_))).then_some(update)
}
