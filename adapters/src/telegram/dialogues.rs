//! Dialogue state in Postgres: teloxide's `Storage` over our own pool, so that no second SQL library comes in.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use kvit_domain::ids::UserId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgPool;
use teloxide::dispatching::dialogue::Storage;
use teloxide::types::ChatId;

use super::seconds;
use crate::postgres::classify;

/// A scenario that was left alone so long is over.
const EXPIRY: Duration = Duration::from_secs(4 * 60 * 60);

/// Why the state could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialogueFault {
    /// The store is away; try again.
    #[error("the dialogue store is not available: {0}")]
    Transient(String),
    /// The store is broken, or the state cannot be written down.
    #[error("the dialogue store refused: {0}")]
    Fatal(String),
}

fn fault(error: sqlx::Error) -> DialogueFault {
    match classify::lane(&error) {
        classify::Lane::Transient => DialogueFault::Transient(classify::describe(&error)),
        _ => DialogueFault::Fatal(classify::describe(&error)),
    }
}

type NameOf = dyn Fn(i64) -> UserId + Send + Sync;

/// States of dialogues in the table `telegram_dialogues`, under the person's keyed id instead of the chat's. Only private
/// chats have dialogues, and there the chat's id is the person's.
pub struct PgDialogues<D> {
    pool: PgPool,
    name_of: Arc<NameOf>,
    expiry: Duration,
    state: PhantomData<fn() -> D>,
}

impl<D> PgDialogues<D> {
    /// States over a pool; `name_of` gives the keyed id of a Telegram id.
    pub fn new(pool: PgPool, name_of: impl Fn(i64) -> UserId + Send + Sync + 'static) -> Self {
        Self {
            pool,
            name_of: Arc::new(name_of),
            expiry: EXPIRY,
            state: PhantomData,
        }
    }

    /// The same with another expiry.
    #[must_use]
    pub fn with_expiry(self, expiry: Duration) -> Self {
        Self { expiry, ..self }
    }
}

impl<D> Storage<D> for PgDialogues<D>
where
    D: Serialize + DeserializeOwned + Send + 'static,
{
    type Error = DialogueFault;

    /// Unlike what teloxide's own storages do, removing what is not there succeeds: handling an update twice must.
    fn remove_dialogue(
        self: Arc<Self>,
        chat_id: ChatId,
    ) -> BoxFuture<'static, Result<(), DialogueFault>> {
        async move {
            sqlx::query("DELETE FROM telegram_dialogues WHERE user_id = $1 OR expires_at < clock_timestamp()")
                .bind((self.name_of)(chat_id.0).0)
                .execute(&self.pool)
                .await
                .map_err(fault)?;
            Ok(())
        }
        .boxed()
    }

    fn update_dialogue(
        self: Arc<Self>,
        chat_id: ChatId,
        dialogue: D,
    ) -> BoxFuture<'static, Result<(), DialogueFault>> {
        async move {
            let state = serde_json::to_value(&dialogue).map_err(|error| DialogueFault::Fatal(error.to_string()))?;
            sqlx::query(
                "INSERT INTO telegram_dialogues (user_id, state, expires_at)
                 VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
                 ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
            )
            .bind((self.name_of)(chat_id.0).0)
            .bind(state)
            .bind(seconds(self.expiry))
            .execute(&self.pool)
            .await
            .map_err(fault)?;
            Ok(())
        }
        .boxed()
    }

    /// An expired state is no state, and so is one that this program cannot read any more.
    fn get_dialogue(
        self: Arc<Self>,
        chat_id: ChatId,
    ) -> BoxFuture<'static, Result<Option<D>, DialogueFault>> {
        async move {
            let state: Option<serde_json::Value> = sqlx::query_scalar(
                "SELECT state FROM telegram_dialogues WHERE user_id = $1 AND expires_at > clock_timestamp()",
            )
            .bind((self.name_of)(chat_id.0).0)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
            Ok(state.and_then(|state| serde_json::from_value(state).ok()))
        }
        .boxed()
    }
}
