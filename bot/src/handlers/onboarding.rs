//! From the first word to the first photo: terms, then the own contact.

use std::sync::Arc;

use kvit_commands::ports::messages::Keyboard;
use kvit_domain::phone::Phone;
use teloxide::types::{Contact, Message};

use crate::actions::{Action, Button, Drawn};
use crate::texts::{Key, key};
use crate::trouble::Trouble;
use crate::turn::{DialogueState, Turn};

/// `/start`, with what a deep link brought.
pub(crate) async fn start(turn: &Turn, payload: &str) -> Result<(), Trouble> {
    let payload = link_payload(payload);
    if turn.user.terms_version.is_none() {
        turn.dialogue()
            .update(DialogueState::Terms { payload })
            .await?;
        return ask_for_terms(turn, &key!("hello")).await;
    }
    if turn.user.phone.is_none() {
        return ask_for_contact(turn, payload).await;
    }
    turn.dialogue().exit().await?;
    turn.tell(&key!("ready"), &[]).await
}

/// Telegram allows 1 to 64 of these characters; anything else was typed by hand and means nothing.
fn link_payload(text: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    ((1..=64).contains(&text.len()) && text.bytes().all(fits)).then(|| text.to_owned())
}

/// Shows the terms with the button that accepts them.
pub(crate) async fn ask_for_terms(turn: &Turn, text: &Key) -> Result<(), Trouble> {
    let url = turn.env.config.terms_url.to_string();
    let drawn = Drawn::text(turn.say(text, &[("url", url.as_str().into())]))
        .row([Button::Act(
            turn.say(&key!("terms-accept-button"), &[]),
            Action::AcceptTerms,
        )])
        .row([Button::Open(turn.say(&key!("terms-read-button"), &[]), url)]);
    turn.answer(drawn).await
}

/// Asks for the own contact, for the first time or for another one.
pub(crate) async fn ask_for_contact(turn: &Turn, payload: Option<String>) -> Result<(), Trouble> {
    turn.dialogue()
        .update(DialogueState::Contact { payload })
        .await?;
    let text = match turn.env.app.phone(turn.user_id).await? {
        Some(phone) => turn.say(
            &key!("contact-ask-change"),
            &[("phone", phone.masked().into())],
        ),
        None => turn.say(&key!("contact-ask"), &[]),
    };
    let label = turn.say(&key!("contact-button"), &[]);
    turn.tell_with(text, Keyboard::ShareContact { label }).await
}

/// The button under the terms.
pub(crate) async fn terms_accepted(turn: &Turn) -> Result<(), Trouble> {
    let payload = match &turn.state {
        DialogueState::Terms { payload } | DialogueState::Contact { payload } => payload.clone(),
        _ => None,
    };
    if turn.user.terms_version.is_none() {
        let version = turn.env.config.terms_version.as_str();
        turn.env
            .app
            .accept_terms(turn.user_id, version, turn.language, &turn.context("terms"))
            .await?;
        turn.tell(&key!("terms-accepted"), &[("version", version.into())])
            .await?;
    }
    if turn.user.phone.is_none() {
        return ask_for_contact(turn, payload).await;
    }
    turn.dialogue().exit().await?;
    turn.tell(&key!("ready"), &[]).await
}

/// A contact: only the sender's own counts, since a contact of anybody can be forwarded.
pub(crate) async fn take_contact(
    turn: Arc<Turn>,
    message: Message,
    contact: Contact,
) -> Result<(), Trouble> {
    turn.user.may_act()?;
    let own = message
        .from
        .as_ref()
        .is_some_and(|from| contact.user_id == Some(from.id));
    if !own {
        let label = turn.say(&key!("contact-button"), &[]);
        let text = turn.say(&key!("contact-foreign"), &[]);
        return turn.tell_with(text, Keyboard::ShareContact { label }).await;
    }
    let phone = Phone::parse(&contact.phone_number)?;
    // Sealing gives other bytes each time, so a second handling of this update must not repeat the command.
    if turn.env.app.phone(turn.user_id).await?.as_ref() != Some(&phone) {
        turn.env
            .app
            .share_phone(turn.user_id, &phone, &turn.context("phone"))
            .await?;
    }
    turn.dialogue().exit().await?;
    let text = turn.say(&key!("contact-saved"), &[("phone", phone.masked().into())]);
    turn.tell_with(text, Keyboard::Remove).await
}

/// The answer to what nobody expected: the next step of whoever is not through yet, else the given text.
pub(crate) async fn remind_or(turn: &Turn, text: Key) -> Result<(), Trouble> {
    if turn.user.terms_version.is_none() {
        return ask_for_terms(turn, &key!("terms-first")).await;
    }
    match turn.state {
        DialogueState::Contact { .. } => {
            let label = turn.say(&key!("contact-button"), &[]);
            turn.tell_with(
                turn.say(&key!("contact-typed"), &[]),
                Keyboard::ShareContact { label },
            )
            .await
        }
        _ => turn.tell(&text, &[]).await,
    }
}

#[cfg(test)]
mod tests {
    use super::link_payload;

    #[test]
    fn only_what_a_deep_link_can_carry_is_kept() {
        assert_eq!(link_payload("spring_26-a"), Some("spring_26-a".to_owned()));
        for bad in ["", "a b", "<b>", "ї", &"a".repeat(65)] {
            assert_eq!(link_payload(bad), None, "{bad}");
        }
    }
}
