//! The methods of the Bot API that a bot calls.

use serde_json::{Value, json};

use super::error::ApiError;
use super::html::{self, Formatted};
use super::markup;
use super::media::{self, MAX_DOWNLOAD, Made};
use super::params::Params;
use super::state::{Change, ChatMessage, Person, World};
use super::{Telegram, updates};
use crate::sandbox::now;

type Answer = Result<Value, ApiError>;

const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;
/// A press can be answered for this long.
const PRESS_LIVES_SECONDS: i64 = 15 * 60;
const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// Runs one method; `method` is in lower case.
pub(super) async fn dispatch(telegram: &Telegram, method: &str, params: &Params) -> Answer {
    match method {
        "getme" => Ok(get_me(telegram)),
        "getupdates" => updates::get_updates(telegram, params).await,
        "setwebhook" => updates::set_webhook(telegram, params),
        "deletewebhook" => updates::delete_webhook(telegram, params),
        "getwebhookinfo" => Ok(updates::webhook_info(telegram)),
        "getfile" => get_file(telegram, params),
        "sendmessage" => send_message(telegram, params),
        "sendphoto" => send_media(telegram, params, "photo"),
        "senddocument" => send_media(telegram, params, "document"),
        "sendchataction" => chat_action(telegram, params),
        "editmessagetext" => edit(telegram, params, Edit::Text),
        "editmessagecaption" => edit(telegram, params, Edit::Caption),
        "editmessagereplymarkup" => edit(telegram, params, Edit::Markup),
        "deletemessage" => delete_message(telegram, params),
        "answercallbackquery" => answer_callback(telegram, params),
        "setmycommands" => set_commands(telegram, params),
        "getmycommands" => Ok(get_commands(telegram, params)),
        "deletemycommands" => delete_commands(telegram, params),
        // Kept by the real service; nothing in the product reads them back.
        "setmyname"
        | "setmydescription"
        | "setmyshortdescription"
        | "setchatmenubutton"
        | "setmydefaultadministratorrights" => Ok(json!(true)),
        _ => Err(ApiError::new(404, "Not Found: method not found")),
    }
}

fn get_me(telegram: &Telegram) -> Value {
    let mut me = telegram.bot_json();
    if let Some(object) = me.as_object_mut() {
        object.insert("can_join_groups".to_owned(), json!(false));
        for ability in [
            "can_read_all_group_messages",
            "supports_inline_queries",
            "can_connect_to_business",
            "has_main_web_app",
        ] {
            object.insert(ability.to_owned(), json!(false));
        }
    }
    me
}

fn get_file(telegram: &Telegram, params: &Params) -> Answer {
    let world = telegram.world();
    let file = world
        .files
        .get(&params.text("file_id"))
        .ok_or_else(|| ApiError::bad("invalid file_id"))?;
    if file.size > MAX_DOWNLOAD {
        return Err(ApiError::bad("file is too big"));
    }
    Ok(
        json!({"file_id": file.file_id, "file_unique_id": file.unique_id, "file_size": file.size, "file_path": file.path}),
    )
}

/// The person behind a chat id, if the bot may write to them.
fn reachable<'a>(world: &'a World, params: &Params) -> Result<&'a Person, ApiError> {
    if !params.has("chat_id") {
        return Err(ApiError::bad("chat_id is empty"));
    }
    let person = params
        .chat_id()
        .and_then(|id| world.people.get(&id))
        .ok_or_else(|| ApiError::bad("chat not found"))?;
    if !world.has_started(person.id) {
        return Err(ApiError::new(
            403,
            "Forbidden: bot can't initiate conversation with a user",
        ));
    }
    if world.is_blocked(person.id) {
        Err(ApiError::blocked())
    } else {
        Ok(person)
    }
}

fn formatted(params: &Params, field: &str) -> Result<Formatted, ApiError> {
    let entities = params.object::<Vec<Value>>(if field == "caption" {
        "caption_entities"
    } else {
        "entities"
    })?;
    let mut formatted = html::format(&params.text(field), &params.text("parse_mode"))?;
    if let Some(entities) = entities {
        formatted.entities = entities;
    }
    Ok(formatted)
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Puts text or caption with its entities into a message, replacing what was there.
fn put_text(message: &mut Value, field: &str, formatted: &Formatted) {
    let entities = if field == "caption" {
        "caption_entities"
    } else {
        "entities"
    };
    insert(message, field, json!(formatted.text));
    if let Some(fields) = message.as_object_mut() {
        fields.remove(entities);
    }
    if !formatted.entities.is_empty() {
        insert(message, entities, json!(formatted.entities));
    }
}

fn put_markup(message: &mut Value, keyboard: Option<&Value>) {
    if let Some(fields) = message.as_object_mut() {
        fields.remove("reply_markup");
    }
    if let Some(inline) = markup::inline(keyboard) {
        insert(message, "reply_markup", inline.clone());
    }
}

/// Sends a message of the bot: `fill` adds what it shows.
fn send(
    telegram: &Telegram,
    world: &mut super::Remembered<World>,
    params: &Params,
    fill: impl FnOnce(&mut Value),
    mut changes: Vec<Change>,
) -> Answer {
    let keyboard = markup::check(params.object("reply_markup")?)?;
    let at = now();
    let person = reachable(world, params)?;
    let chat = person.id;
    let mut message = json!({
        "message_id": world.last_message.saturating_add(1),
        "from": telegram.bot_json(),
        "chat": person.chat_json(),
        "date": at.timestamp(),
    });
    if let Some(original) = replied_to(world, chat, params)? {
        let mut quoted = original.message.clone();
        if let Some(fields) = quoted.as_object_mut() {
            fields.remove("reply_to_message");
        }
        insert(&mut message, "reply_to_message", quoted);
    }
    fill(&mut message);
    put_markup(&mut message, keyboard.as_ref());
    changes.push(Change::Stored {
        chat,
        from_bot: true,
        at,
        message: message.clone(),
        keyboard,
    });
    world.commit(changes)?;
    Ok(message)
}

fn replied_to<'a>(
    world: &'a World,
    chat: i64,
    params: &Params,
) -> Result<Option<&'a ChatMessage>, ApiError> {
    let reply: Option<Value> = params.object("reply_parameters")?;
    let named = reply
        .as_ref()
        .and_then(|reply| reply.get("message_id"))
        .and_then(Value::as_i64);
    let Some(message_id) = named.or_else(|| params.integer("reply_to_message_id")) else {
        return Ok(None);
    };
    let lenient = reply
        .as_ref()
        .and_then(|reply| reply.get("allow_sending_without_reply"))
        .and_then(Value::as_bool)
        .unwrap_or_default();
    match world.message(chat, message_id) {
        Some(message) => Ok(Some(message)),
        None if lenient || params.flag("allow_sending_without_reply") => Ok(None),
        None => Err(ApiError::bad("message to be replied not found")),
    }
}

fn send_message(telegram: &Telegram, params: &Params) -> Answer {
    let text = formatted(params, "text")?;
    if text.text.is_empty() {
        return Err(ApiError::bad("message text is empty"));
    }
    if utf16(&text.text) > MAX_TEXT {
        return Err(ApiError::bad("message is too long"));
    }
    send(
        telegram,
        &mut telegram.world(),
        params,
        |message| put_text(message, "text", &text),
        Vec::new(),
    )
}

/// Sends a photo or a document, uploaded now or known by its id.
fn send_media(telegram: &Telegram, params: &Params, kind: &str) -> Answer {
    let caption = formatted(params, "caption")?;
    if utf16(&caption.text) > MAX_CAPTION {
        return Err(ApiError::bad("message caption is too long"));
    }
    let mut world = telegram.world();
    reachable(&world, params)?;
    let made = match params.upload(kind) {
        Some(upload) if upload.bytes.is_empty() => {
            return Err(ApiError::bad("file must be non-empty"));
        }
        Some(upload) if kind == "photo" => telegram.make_photo(&world, &upload.bytes)?,
        Some(upload) => telegram.make_document(
            &world,
            Some(&upload.name),
            upload.mime.as_deref(),
            &upload.bytes,
        )?,
        None => {
            let known = world
                .files
                .get(&params.text(kind))
                .ok_or_else(|| ApiError::bad("wrong file identifier/HTTP URL specified"))?;
            let shown = if kind == "photo" {
                json!([media::photo_size(known)])
            } else {
                media::document(known)
            };
            Made {
                changes: Vec::new(),
                shown,
            }
        }
    };
    let fill = |message: &mut Value| {
        insert(message, kind, made.shown);
        if !caption.text.is_empty() {
            put_text(message, "caption", &caption);
        }
    };
    send(telegram, &mut world, params, fill, made.changes)
}

fn chat_action(telegram: &Telegram, params: &Params) -> Answer {
    if !ACTIONS.contains(&params.text("action").as_str()) {
        return Err(ApiError::bad("wrong parameter action in request"));
    }
    reachable(&telegram.world(), params).map(|_| json!(true))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    Text,
    Caption,
    Markup,
}

fn edit(telegram: &Telegram, params: &Params, what: Edit) -> Answer {
    let mut world = telegram.world();
    let chat = reachable(&world, params)?.id;
    let message_id = params
        .integer("message_id")
        .ok_or_else(|| ApiError::bad("message identifier is not specified"))?;
    let keyboard = markup::check(params.object("reply_markup")?)?;
    let stored = world
        .message(chat, message_id)
        .ok_or_else(|| ApiError::bad("message to edit not found"))?;
    if !stored.from_bot {
        return Err(ApiError::bad("message can't be edited"));
    }
    let mut message = stored.message.clone();
    match what {
        Edit::Text => {
            let text = formatted(params, "text")?;
            match utf16(&text.text) {
                0 => return Err(ApiError::bad("message text is empty")),
                length if length > MAX_TEXT => return Err(ApiError::bad("MESSAGE_TOO_LONG")),
                _ if message.get("text").is_none() => {
                    return Err(ApiError::bad("there is no text in the message to edit"));
                }
                _ => put_text(&mut message, "text", &text),
            }
        }
        Edit::Caption => {
            let caption = formatted(params, "caption")?;
            if utf16(&caption.text) > MAX_CAPTION {
                return Err(ApiError::bad("message caption is too long"));
            }
            if message.get("text").is_some() {
                return Err(ApiError::bad("there is no caption in the message to edit"));
            }
            put_text(&mut message, "caption", &caption);
        }
        Edit::Markup => {}
    }
    put_markup(&mut message, keyboard.as_ref());
    if message == stored.message {
        let why = "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message";
        return Err(ApiError::bad(why));
    }
    let at = now();
    insert(&mut message, "edit_date", json!(at.timestamp()));
    world.commit(vec![Change::Edited {
        chat,
        message_id,
        at,
        message: message.clone(),
        keyboard,
    }])?;
    Ok(message)
}

fn delete_message(telegram: &Telegram, params: &Params) -> Answer {
    let mut world = telegram.world();
    let chat = reachable(&world, params)?.id;
    let message_id = params.integer("message_id").unwrap_or_default();
    if world.message(chat, message_id).is_none() {
        return Err(ApiError::bad("message to delete not found"));
    }
    world.commit(vec![Change::Deleted { chat, message_id }])?;
    Ok(json!(true))
}

fn answer_callback(telegram: &Telegram, params: &Params) -> Answer {
    let mut world = telegram.world();
    let id = params.text("callback_query_id");
    let text = params.text("text");
    if utf16(&text) > 200 {
        return Err(ApiError::bad("MESSAGE_TOO_LONG"));
    }
    let fresh = world
        .presses
        .get(&id)
        .is_some_and(|press| (now() - press.at).num_seconds() < PRESS_LIVES_SECONDS);
    if !fresh {
        return Err(ApiError::bad(
            "query is too old and response timeout expired or query ID is invalid",
        ));
    }
    world.commit(vec![Change::Answered {
        id,
        text: Some(text).filter(|text| !text.is_empty()),
        show_alert: params.flag("show_alert"),
    }])?;
    Ok(json!(true))
}

/// Commands are kept per scope and language; the scope's JSON is its name.
fn commands_key(params: &Params) -> (String, String) {
    let scope = match params.text("scope") {
        empty if empty.is_empty() => r#"{"type":"default"}"#.to_owned(),
        scope => serde_json::from_str::<Value>(&scope)
            .map(|value| value.to_string())
            .unwrap_or(scope),
    };
    (scope, params.text("language_code"))
}

fn set_commands(telegram: &Telegram, params: &Params) -> Answer {
    let commands: Vec<Value> = params
        .object("commands")?
        .ok_or_else(|| ApiError::bad("commands are not specified"))?;
    let text = |command: &Value, field: &str| {
        command
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if commands.len() > 100 {
        return Err(ApiError::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    for command in &commands {
        let name = text(command, "command");
        if name.is_empty() || name.len() > 32 || !name.bytes().all(named) {
            return Err(ApiError::bad("BOT_COMMAND_INVALID"));
        }
        if !(1..=256).contains(&text(command, "description").chars().count()) {
            return Err(ApiError::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    let (scope, language) = commands_key(params);
    if !matches!(language.len(), 0 | 2) {
        return Err(ApiError::bad("invalid language code specified"));
    }
    telegram.world().commit(vec![Change::Commands {
        scope,
        language,
        commands: Value::Array(commands),
    }])?;
    Ok(json!(true))
}

fn get_commands(telegram: &Telegram, params: &Params) -> Value {
    telegram
        .world()
        .commands
        .get(&commands_key(params))
        .cloned()
        .unwrap_or_else(|| json!([]))
}

fn delete_commands(telegram: &Telegram, params: &Params) -> Answer {
    let (scope, language) = commands_key(params);
    telegram.world().commit(vec![Change::Commands {
        scope,
        language,
        commands: json!([]),
    }])?;
    Ok(json!(true))
}
