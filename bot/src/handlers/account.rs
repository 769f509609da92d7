//! Language, reminders, leaving a scenario, being forgotten.

use kvit_commands::ports::messages::Keyboard;
use kvit_domain::user::Language;

use crate::actions::{Action, Button, Drawn};
use crate::texts::{key, say};
use crate::trouble::Trouble;
use crate::turn::{DialogueState, Turn};

pub(crate) async fn choose_language(turn: &Turn) -> Result<(), Trouble> {
    let row = Language::ALL.map(|language| {
        Button::Act(
            say(language, &key!("language-name"), &[]),
            Action::Language { language },
        )
    });
    turn.answer(Drawn::text(turn.say(&key!("language-choose"), &[])).row(row))
        .await
}

pub(crate) async fn language_chosen(turn: &Turn, language: Language) -> Result<(), Trouble> {
    turn.env
        .app
        .choose_language(turn.user_id, language, &turn.context("language"))
        .await?;
    turn.answer(Drawn::text(say(language, &key!("language-set"), &[])))
        .await
}

pub(crate) async fn show_notifications(turn: &Turn, off: bool) -> Result<(), Trouble> {
    let (text, label) = if off {
        (
            key!("notifications-state-off"),
            key!("notifications-on-button"),
        )
    } else {
        (
            key!("notifications-state-on"),
            key!("notifications-off-button"),
        )
    };
    let button = Button::Act(turn.say(&label, &[]), Action::Notifications { on: off });
    turn.answer(Drawn::text(turn.say(&text, &[])).row([button]))
        .await
}

pub(crate) async fn notifications_set(turn: &Turn, on: bool) -> Result<(), Trouble> {
    turn.env
        .app
        .set_notifications(turn.user_id, on, &turn.context("notifications"))
        .await?;
    show_notifications(turn, !on).await
}

pub(crate) async fn cancel(turn: &Turn) -> Result<(), Trouble> {
    turn.dialogue().exit().await?;
    let text = match turn.state {
        DialogueState::Idle => key!("nothing-to-cancel"),
        _ => key!("cancelled"),
    };
    turn.tell_with(turn.say(&text, &[]), Keyboard::Remove).await
}

pub(crate) async fn ask_to_forget(turn: &Turn) -> Result<(), Trouble> {
    turn.dialogue().update(DialogueState::Forgetting).await?;
    let yes = Button::Act(
        turn.say(&key!("forget-yes-button"), &[]),
        Action::Forget { yes: true },
    );
    let no = Button::Act(
        turn.say(&key!("forget-no-button"), &[]),
        Action::Forget { yes: false },
    );
    turn.answer(
        Drawn::text(turn.say(&key!("forget-ask"), &[]))
            .row([no])
            .row([yes]),
    )
    .await
}

/// Only while the question stands: an old button must not delete anything.
pub(crate) async fn forget_answered(turn: &Turn, yes: bool) -> Result<bool, Trouble> {
    if turn.state != DialogueState::Forgetting {
        return Ok(false);
    }
    turn.dialogue().exit().await?;
    if !yes {
        turn.tell(&key!("forget-kept"), &[]).await?;
        return Ok(true);
    }
    turn.env
        .app
        .forget(turn.user_id, &turn.context("forget"))
        .await?;
    turn.env.board.forget(turn.user_id).await?;
    turn.env.tokens.forget(turn.user_id).await?;
    // From here on nobody but this update knows the address.
    turn.env
        .say_directly(turn.telegram_id, turn.say(&key!("forget-done"), &[]))
        .await;
    Ok(true)
}
