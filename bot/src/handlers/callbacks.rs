//! Pressed buttons. What comes back is an opaque token; whose it is and what it means is in the database.

use std::sync::Arc;

use kvit_commands::error::CommandError;
use kvit_commands::ports::messages::Redeemed;
use teloxide::payloads::AnswerCallbackQuerySetters as _;
use teloxide::requests::Requester as _;
use teloxide::types::CallbackQuery;

use crate::actions::Action;
use crate::handlers::{account, onboarding, overview};
use crate::texts::{Key, key};
use crate::trouble::Trouble;
use crate::turn::Turn;

/// A short answer over the button.
struct Toast {
    key: Option<Key>,
    alert: bool,
}

impl Toast {
    const NONE: Self = Self {
        key: None,
        alert: false,
    };

    const fn short(key: Key) -> Self {
        Self {
            key: Some(key),
            alert: false,
        }
    }

    const fn alert(key: Key) -> Self {
        Self {
            key: Some(key),
            alert: true,
        }
    }
}

pub(crate) async fn pressed(turn: Arc<Turn>, query: CallbackQuery) -> Result<(), Trouble> {
    let token = query.data.as_deref().unwrap_or_default();
    let result = match turn.env.tokens.redeem(token, turn.user_id).await? {
        Redeemed::Foreign => {
            metrics::counter!("kvit_telegram_foreign_buttons_total").increment(1);
            Ok(Toast::alert(key!("button-foreign")))
        }
        Redeemed::Unknown => Ok(Toast::alert(key!("button-expired"))),
        Redeemed::Action(action) => match serde_json::from_str(&action) {
            Ok(action) => act(&turn, action).await,
            Err(_) => Ok(Toast::alert(key!("button-expired"))),
        },
    };
    // The clock on the button stops whatever happened; the trouble itself is told by whoever gave the update.
    let toast = result.as_ref().unwrap_or(&Toast::NONE);
    let mut answer = turn.env.telegram.answer_callback_query(query.id.clone());
    if let Some(key) = &toast.key {
        answer = answer.text(turn.say(key, &[])).show_alert(toast.alert);
    }
    // "The query is too old" and a lost connection alike cost nothing but that clock.
    if answer.await.is_err() {
        metrics::counter!("kvit_telegram_late_answers_total").increment(1);
    }
    result.map(drop)
}

async fn act(turn: &Turn, action: Action) -> Result<Toast, Trouble> {
    match action {
        Action::AcceptTerms => onboarding::terms_accepted(turn).await?,
        Action::Language { language } => account::language_chosen(turn, language).await?,
        Action::SendAnother => return Ok(Toast::alert(key!("button-again-answer"))),
        Action::Forget { yes } => {
            if !account::forget_answered(turn, yes).await? {
                return Ok(Toast::alert(key!("button-expired")));
            }
        }
        Action::ChangeNumber => {
            turn.user.may_act()?;
            onboarding::ask_for_contact(turn, None).await?;
        }
        Action::Notifications { on } => account::notifications_set(turn, on).await?,
        Action::Details { receipt } => overview::details(turn, receipt).await?,
        Action::History { slot, trail } => overview::history_page(turn, &slot, &trail).await?,
        Action::Appeal { receipt } => {
            turn.user.may_act()?;
            return match turn
                .env
                .app
                .appeal(receipt, turn.user_id, &turn.context("appeal"))
                .await
            {
                Ok(_) => Ok(Toast::short(key!("button-appealed"))),
                Err(CommandError::Rejected(_)) => Ok(Toast::alert(key!("button-appeal-late"))),
                Err(error) => Err(error.into()),
            };
        }
    }
    Ok(Toast::NONE)
}
