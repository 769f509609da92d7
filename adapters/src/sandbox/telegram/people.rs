//! What people do: each act becomes a message or a press, and an update for the bot.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::control::{ControlError, Sent};
use super::state::{Change, Person, World};
use super::{Telegram, html, locked, markup};
use crate::sandbox::now;

impl Telegram {
    fn person<'a>(&self, world: &'a World, id: i64) -> Result<&'a Person, ControlError> {
        world.people.get(&id).ok_or(ControlError::NoPerson)
    }

    /// A person sends something to the bot. `body` holds the fields that make it a text, a photo and so on.
    fn incoming(
        &self,
        world: &mut super::Remembered<World>,
        id: i64,
        body: Value,
        mut changes: Vec<Change>,
    ) -> Result<Sent, ControlError> {
        let at = now();
        let person = self.person(world, id)?.clone();
        let message_id = world.last_message.saturating_add(1);
        let mut message = json!({"message_id": message_id, "from": person.user_json(), "chat": person.chat_json(), "date": at.timestamp()});
        if let (Some(fields), Value::Object(body)) = (message.as_object_mut(), body) {
            fields.extend(body);
        }
        let mut already_queued = 0;
        if world.is_blocked(id) {
            // One cannot write to a bot that one has blocked: writing means having unblocked it.
            already_queued = self.membership(world, &person, false, &mut changes);
        }
        changes.push(Change::Started { id });
        changes.push(Change::Stored {
            chat: id,
            from_bot: false,
            at,
            message: message.clone(),
            keyboard: None,
        });
        let queued = self.queued(world, "message", message, already_queued);
        let update_id = queued.as_ref().map(|(id, _)| *id);
        changes.extend(queued.map(|(_, change)| change));
        world.commit(changes)?;
        self.tell();
        Ok(Sent {
            message_id,
            update_id,
            callback_query_id: None,
        })
    }

    /// Adds a change of the bot's standing with a person; says how many updates that made.
    fn membership(
        &self,
        world: &World,
        person: &Person,
        blocked: bool,
        changes: &mut Vec<Change>,
    ) -> i64 {
        changes.push(Change::Blocked {
            id: person.id,
            blocked,
        });
        let standing = |is_blocked: bool| match is_blocked {
            true => json!({"status": "kicked", "user": self.bot_json(), "until_date": 0}),
            false => json!({"status": "member", "user": self.bot_json()}),
        };
        let body = json!({
            "chat": person.chat_json(), "from": person.user_json(), "date": now().timestamp(),
            "old_chat_member": standing(!blocked), "new_chat_member": standing(blocked),
        });
        let queued = self.queued(world, "my_chat_member", body, 0);
        let count = i64::from(queued.is_some());
        changes.extend(queued.map(|(_, change)| change));
        count
    }

    pub(super) fn people_block(&self, id: i64, blocked: bool) -> Result<(), ControlError> {
        let mut world = self.world();
        let person = self.person(&world, id)?.clone();
        if world.is_blocked(id) != blocked {
            let mut changes = Vec::new();
            self.membership(&world, &person, blocked, &mut changes);
            world.commit(changes)?;
            self.tell();
        }
        Ok(())
    }

    pub(super) fn people_text(&self, id: i64, text: &str) -> Result<Sent, ControlError> {
        if text.is_empty() || text.encode_utf16().count() > 4096 {
            return Err(ControlError::Impossible("a text has 1 to 4096 characters"));
        }
        let mut body = json!({"text": text});
        let entities = html::commands_in(text);
        if let (false, Some(fields)) = (entities.is_empty(), body.as_object_mut()) {
            fields.insert("entities".to_owned(), json!(entities));
        }
        self.incoming(&mut self.world(), id, body, Vec::new())
    }

    pub(super) fn people_photo(
        &self,
        id: i64,
        bytes: &Bytes,
        extra: Value,
    ) -> Result<Sent, ControlError> {
        let mut world = self.world();
        self.person(&world, id)?;
        let made = self
            .make_photo(&world, bytes)
            .map_err(|_| ControlError::Storage)?;
        self.incoming(
            &mut world,
            id,
            joined(json!({"photo": made.shown}), extra),
            made.changes,
        )
    }

    pub(super) fn people_document(
        &self,
        id: i64,
        name: Option<&str>,
        mime: Option<&str>,
        bytes: &Bytes,
        extra: Value,
    ) -> Result<Sent, ControlError> {
        let mut world = self.world();
        self.person(&world, id)?;
        let made = self
            .make_document(&world, name, mime, bytes)
            .map_err(|_| ControlError::Storage)?;
        self.incoming(
            &mut world,
            id,
            joined(json!({"document": made.shown}), extra),
            made.changes,
        )
    }

    /// Shares a contact. `of` is the account that the contact belongs to: the sender's own, another's, or none.
    pub(super) fn people_contact(
        &self,
        id: i64,
        phone: &str,
        of: Option<i64>,
    ) -> Result<Sent, ControlError> {
        let mut world = self.world();
        let sender = self.person(&world, id)?;
        let name = of
            .and_then(|of| world.people.get(&of))
            .unwrap_or(sender)
            .first_name
            .clone();
        let mut contact = json!({"phone_number": phone, "first_name": name});
        if let (Some(of), Some(fields)) = (of, contact.as_object_mut()) {
            fields.insert("user_id".to_owned(), json!(of));
        }
        self.incoming(&mut world, id, json!({"contact": contact}), Vec::new())
    }

    /// Presses a button. Data that is on no button needs `forge`: a modified app can send any data for any message it can see.
    pub(super) fn people_press(
        &self,
        id: i64,
        message_id: i64,
        data: &str,
        forge: bool,
    ) -> Result<Sent, ControlError> {
        let mut world = self.world();
        let person = self.person(&world, id)?.clone();
        let message = world
            .message(id, message_id)
            .ok_or(ControlError::NoMessage)?;
        if !forge
            && !markup::callbacks(message.keyboard())
                .iter()
                .any(|(_, known)| known == data)
        {
            return Err(ControlError::NoButton);
        }
        let query_id = format!("77{:016}", world.presses.len().saturating_add(1));
        let body = json!({
            "id": query_id, "from": person.user_json(), "message": message.message,
            "chat_instance": format!("-{}", id.unsigned_abs().wrapping_mul(2_654_435_761)), "data": data,
        });
        let mut changes = vec![Change::Pressed {
            id: query_id.clone(),
            at: now(),
            data: data.to_owned(),
        }];
        let queued = self.queued(&world, "callback_query", body, 0);
        let update_id = queued.as_ref().map(|(id, _)| *id);
        changes.extend(queued.map(|(_, change)| change));
        world.commit(changes)?;
        self.tell();
        Ok(Sent {
            message_id,
            update_id,
            callback_query_id: Some(query_id),
        })
    }

    /// Queues an update as given, for shapes that no person's act makes. Without an id it gets the next one.
    pub(super) fn raw_update(&self, mut update: Value) -> Result<i64, ControlError> {
        let mut world = self.world();
        let next = self.next_update_id(&world);
        let fields = update
            .as_object_mut()
            .ok_or(ControlError::Impossible("an update is an object"))?;
        let id = fields
            .get("update_id")
            .and_then(Value::as_i64)
            .unwrap_or(next);
        fields.insert("update_id".to_owned(), json!(id));
        world.commit(vec![Change::Queued { update }])?;
        self.tell();
        Ok(id)
    }

    /// Delivers an update once more, whether it was confirmed or not.
    pub(super) fn repeat_update(&self, update_id: i64) -> Result<(), ControlError> {
        let update = self
            .world()
            .recent
            .iter()
            .find(|update| super::state::update_id(update) == update_id)
            .cloned();
        locked(&self.passing)
            .again
            .push_back(update.ok_or(ControlError::NoUpdate)?);
        self.tell();
        Ok(())
    }
}

fn joined(mut base: Value, extra: Value) -> Value {
    if let (Some(fields), Value::Object(extra)) = (base.as_object_mut(), extra) {
        fields.extend(extra.into_iter().filter(|(_, value)| !value.is_null()));
    }
    base
}
