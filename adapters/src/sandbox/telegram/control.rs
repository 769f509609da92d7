//! The control side: acting as people, and seeing what the bot did.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::ApiError;
use super::faults::{TelegramAction, TelegramChance};
use super::params::{MAX_UPLOAD, Params, Upload};
use super::state::{CallbackPress, Change, ChatMessage, Person, update_id};
use super::{Telegram, locked};
use crate::sandbox::faults::Faults;
use crate::sandbox::journal::JournalError;

/// A new account. Without an id it gets one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    /// The wanted account id; an account that exists under it is changed.
    #[serde(default)]
    pub id: Option<i64>,
    /// Shown name.
    pub first_name: String,
    /// Family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// `@name`.
    #[serde(default)]
    pub username: Option<String>,
    /// Language of the app.
    #[serde(default)]
    pub language_code: Option<String>,
}

/// What an act of a person led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The new message, or the one whose button was pressed.
    pub message_id: i64,
    /// The update for the bot; none if the bot does not want that kind.
    pub update_id: Option<i64>,
    /// For a press: the id under which it is answered.
    pub callback_query_id: Option<String>,
}

/// The service as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TelegramView {
    /// Updates not yet confirmed.
    pub pending_updates: Vec<i64>,
    /// Where updates are pushed, if anywhere.
    pub webhook_url: Option<String>,
    /// Calls answered since the start, by method in lower case.
    pub calls: BTreeMap<String, u64>,
    /// Commands by scope and language, as `scope language`.
    pub commands: BTreeMap<String, Value>,
}

/// Why an act is not possible.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error("no such person")]
    NoPerson,
    #[error("no such message")]
    NoMessage,
    #[error("no such button")]
    NoButton,
    #[error("no such update")]
    NoUpdate,
    #[error("{0}")]
    Impossible(&'static str),
    #[error("the request cannot be read")]
    Request,
    #[error("the sandbox cannot keep it")]
    Storage,
}

impl From<JournalError> for ControlError {
    fn from(error: JournalError) -> Self {
        tracing::error!(%error, "sandbox cannot write its journal");
        Self::Storage
    }
}

impl From<ApiError> for ControlError {
    fn from(_: ApiError) -> Self {
        Self::Request
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoPerson | Self::NoMessage | Self::NoButton | Self::NoUpdate => {
                StatusCode::NOT_FOUND
            }
            Self::Impossible(_) | Self::Request => StatusCode::BAD_REQUEST,
            Self::Storage => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Block {
    blocked: bool,
}

#[derive(Deserialize)]
struct Contact {
    phone_number: String,
    /// The account that the contact belongs to: absent is the sender's own, `null` is nobody's.
    #[serde(default = "own", deserialize_with = "given")]
    user_id: ContactOf,
}

enum ContactOf {
    Own,
    Account(Option<i64>),
}

fn own() -> ContactOf {
    ContactOf::Own
}

fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<ContactOf, D::Error> {
    Option::deserialize(deserializer).map(ContactOf::Account)
}

#[derive(Deserialize)]
struct Press {
    message_id: i64,
    data: String,
    #[serde(default)]
    forge: bool,
}

type Tg = State<Arc<Telegram>>;
type Answer<T> = Result<Json<T>, ControlError>;
type TelegramFaults = Faults<TelegramAction, TelegramChance>;

pub(super) fn routes() -> Router<Arc<Telegram>> {
    Router::new()
        .route("/_sandbox/telegram/users", get(people).post(create_person))
        .route("/_sandbox/telegram/users/{id}/text", post(text))
        .route("/_sandbox/telegram/users/{id}/photo", post(photo))
        .route("/_sandbox/telegram/users/{id}/document", post(document))
        .route("/_sandbox/telegram/users/{id}/contact", post(contact))
        .route("/_sandbox/telegram/users/{id}/press", post(press))
        .route("/_sandbox/telegram/users/{id}/block", post(block))
        .route("/_sandbox/telegram/chats/{id}/messages", get(messages))
        .route("/_sandbox/telegram/callbacks/{id}", get(callback))
        .route("/_sandbox/telegram/files/{file_id}", get(file))
        .route("/_sandbox/telegram/updates", post(raw_update))
        .route(
            "/_sandbox/telegram/updates/{id}/repeat",
            post(repeat_update),
        )
        .route("/_sandbox/telegram/state", get(view))
        .route(
            "/_sandbox/telegram/faults",
            get(faults).post(add_faults).delete(clear_faults),
        )
}

async fn people(State(telegram): Tg) -> Json<Vec<Person>> {
    Json(telegram.world().people.values().cloned().collect())
}

async fn create_person(State(telegram): Tg, Json(new): Json<NewPerson>) -> Answer<Person> {
    let mut world = telegram.world();
    let free = world
        .people
        .last_key_value()
        .map_or(5_000_000_001, |(last, _)| last.saturating_add(1));
    let NewPerson {
        id,
        first_name,
        last_name,
        username,
        language_code,
    } = new;
    let person = Person {
        id: id.unwrap_or(free),
        first_name,
        last_name,
        username,
        language_code,
    };
    if person.id <= 0 || person.first_name.is_empty() {
        return Err(ControlError::Impossible(
            "a person has a positive id and a name",
        ));
    }
    world.commit(vec![Change::Person {
        person: person.clone(),
    }])?;
    Ok(Json(person))
}

async fn text(State(telegram): Tg, Path(id): Path<i64>, Json(body): Json<Text>) -> Answer<Sent> {
    telegram.people_text(id, &body.text).map(Json)
}

/// The bytes of an upload: a multipart part `file`, or a text field `base64`.
fn uploaded(params: &Params) -> Result<Upload, ControlError> {
    let named = |name: &str| Some(params.text(name)).filter(|text| !text.is_empty());
    let mut upload = match params.upload("file") {
        Some(upload) => upload.clone(),
        None => {
            let bytes = STANDARD
                .decode(params.text("base64"))
                .map_err(|_| ControlError::Request)?;
            Upload {
                name: String::new(),
                mime: None,
                bytes: Bytes::from(bytes),
            }
        }
    };
    upload.name = named("file_name").unwrap_or(upload.name);
    upload.mime = named("mime_type").or(upload.mime);
    Ok(upload)
}

fn extra(params: &Params) -> Value {
    let field = |name: &str| Some(params.text(name)).filter(|text| !text.is_empty());
    json!({"caption": field("caption"), "media_group_id": field("media_group_id")})
}

/// Room for the largest upload in base64 within JSON.
const MAX_CONTROL: usize = MAX_UPLOAD / 3 * 4;

async fn photo(State(telegram): Tg, Path(id): Path<i64>, request: Request) -> Answer<Sent> {
    let params = Params::read(request, MAX_CONTROL).await?;
    telegram
        .people_photo(id, &uploaded(&params)?.bytes, extra(&params))
        .map(Json)
}

async fn document(State(telegram): Tg, Path(id): Path<i64>, request: Request) -> Answer<Sent> {
    let params = Params::read(request, MAX_CONTROL).await?;
    let upload = uploaded(&params)?;
    let name = Some(upload.name.as_str()).filter(|name| !name.is_empty());
    telegram
        .people_document(
            id,
            name,
            upload.mime.as_deref(),
            &upload.bytes,
            extra(&params),
        )
        .map(Json)
}

async fn contact(
    State(telegram): Tg,
    Path(id): Path<i64>,
    Json(body): Json<Contact>,
) -> Answer<Sent> {
    let of = match body.user_id {
        ContactOf::Own => Some(id),
        ContactOf::Account(of) => of,
    };
    telegram
        .people_contact(id, &body.phone_number, of)
        .map(Json)
}

async fn press(State(telegram): Tg, Path(id): Path<i64>, Json(body): Json<Press>) -> Answer<Sent> {
    telegram
        .people_press(id, body.message_id, &body.data, body.forge)
        .map(Json)
}

async fn block(State(telegram): Tg, Path(id): Path<i64>, Json(body): Json<Block>) -> Answer<bool> {
    telegram.people_block(id, body.blocked).map(|()| Json(true))
}

async fn messages(State(telegram): Tg, Path(id): Path<i64>) -> Answer<Vec<ChatMessage>> {
    let world = telegram.world();
    if !world.people.contains_key(&id) {
        return Err(ControlError::NoPerson);
    }
    Ok(Json(
        world
            .chats
            .get(&id)
            .map(|chat| chat.values().cloned().collect())
            .unwrap_or_default(),
    ))
}

async fn callback(State(telegram): Tg, Path(id): Path<String>) -> Answer<CallbackPress> {
    telegram
        .world()
        .presses
        .get(&id)
        .cloned()
        .map(Json)
        .ok_or(ControlError::NoButton)
}

async fn file(State(telegram): Tg, Path(file_id): Path<String>) -> Response {
    let path = telegram
        .world()
        .files
        .get(&file_id)
        .map(|file| file.path.clone());
    match path.and_then(|path| telegram.files.get(&path)) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn raw_update(State(telegram): Tg, Json(update): Json<Value>) -> Answer<i64> {
    telegram.raw_update(update).map(Json)
}

async fn repeat_update(State(telegram): Tg, Path(id): Path<i64>) -> Answer<bool> {
    telegram.repeat_update(id).map(|()| Json(true))
}

async fn view(State(telegram): Tg) -> Json<TelegramView> {
    let world = telegram.world();
    Json(TelegramView {
        pending_updates: world.updates.iter().map(update_id).collect(),
        webhook_url: world.webhook.as_ref().map(|webhook| webhook.url.clone()),
        calls: locked(&telegram.passing).calls.clone(),
        commands: world
            .commands
            .iter()
            .map(|((scope, language), commands)| (format!("{scope} {language}"), commands.clone()))
            .collect(),
    })
}

async fn faults(State(telegram): Tg) -> Json<TelegramFaults> {
    Json(locked(&telegram.faults).pending())
}

async fn add_faults(State(telegram): Tg, Json(more): Json<TelegramFaults>) -> Json<bool> {
    locked(&telegram.faults).add(more);
    Json(true)
}

async fn clear_faults(State(telegram): Tg) -> Json<bool> {
    locked(&telegram.faults).clear();
    Json(true)
}
