//! The typed face of the control side: acting as people, arranging bad days, reading the books.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::faults::{Faults, Rule};
use super::portmone::faults::{PortmoneAction, PortmoneChance};
use super::portmone::{BillRecord, BooksView, Settlement};
use super::telegram::faults::{TelegramAction, TelegramChance};
use super::telegram::{CallbackPress, ChatMessage, NewPerson, Person, Sent, TelegramView};
use crate::http::{self, HttpConfig, HttpError};

/// Why the control side did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The sandbox is not there, or broke off.
    #[error("the sandbox does not answer")]
    Transport(#[from] reqwest::Error),
    /// The sandbox says no: no such person, no such button.
    #[error("the sandbox refuses: {status} {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        reason: String,
    },
    /// The path does not fit the base address.
    #[error("the sandbox's address is not usable")]
    Url(#[from] url::ParseError),
}

/// Whose contact a person shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactOf {
    /// The sender's own, by the button.
    Own,
    /// Another account's, forwarded.
    Account(i64),
    /// From the phone's address book, without an account.
    Nobody,
}

/// A file that a person sends.
#[derive(Debug, Clone, Default)]
pub struct Attachment<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// File name; documents only.
    pub file_name: Option<&'a str>,
    /// Media type; documents only.
    pub mime_type: Option<&'a str>,
    /// Words under it.
    pub caption: Option<&'a str>,
    /// Groups several photos sent at once.
    pub media_group_id: Option<&'a str>,
}

/// Drives a sandbox, in this process or another.
#[derive(Debug, Clone)]
pub struct SandboxClient {
    base: Url,
    http: reqwest::Client,
}

type Done<T> = Result<T, ControlError>;

impl SandboxClient {
    /// A client for the sandbox at a base address with a trailing slash.
    ///
    /// # Errors
    /// If the HTTP client cannot be built.
    pub fn new(base: Url) -> Result<Self, HttpError> {
        let http = http::client(&HttpConfig {
            allow_plain_http: true,
            ..HttpConfig::default()
        })?;
        Ok(Self { base, http })
    }

    async fn read<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Done<T> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        let reason = response.text().await.unwrap_or_default();
        Err(ControlError::Refused {
            status: status.as_u16(),
            reason,
        })
    }

    fn url(&self, path: &str) -> Done<Url> {
        Ok(self.base.join("_sandbox/")?.join(path)?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Done<T> {
        Self::read(self.http.get(self.url(path)?)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Done<T> {
        Self::read(self.http.post(self.url(path)?).json(body)).await
    }

    async fn delete(&self, path: &str) -> Done<()> {
        Self::read::<Value>(self.http.delete(self.url(path)?))
            .await
            .map(|_| ())
    }

    /// Creates or changes an account.
    pub async fn create_user(&self, person: &NewPerson) -> Done<Person> {
        self.post("telegram/users", person).await
    }

    /// Every account, by id.
    pub async fn users(&self) -> Done<Vec<Person>> {
        self.get("telegram/users").await
    }

    /// A text or a command, such as `/start campaign7`.
    pub async fn send_text(&self, user: i64, text: &str) -> Done<Sent> {
        self.post(
            &format!("telegram/users/{user}/text"),
            &json!({"text": text}),
        )
        .await
    }

    /// A photo. The bot sees several sizes, the last being these bytes.
    pub async fn send_photo(&self, user: i64, photo: &Attachment<'_>) -> Done<Sent> {
        self.post(&format!("telegram/users/{user}/photo"), &attachment(photo))
            .await
    }

    /// A file as a document.
    pub async fn send_document(&self, user: i64, document: &Attachment<'_>) -> Done<Sent> {
        self.post(
            &format!("telegram/users/{user}/document"),
            &attachment(document),
        )
        .await
    }

    /// A contact.
    pub async fn send_contact(&self, user: i64, phone_number: &str, of: ContactOf) -> Done<Sent> {
        let body = match of {
            ContactOf::Own => json!({"phone_number": phone_number}),
            ContactOf::Account(id) => json!({"phone_number": phone_number, "user_id": id}),
            ContactOf::Nobody => json!({"phone_number": phone_number, "user_id": null}),
        };
        self.post(&format!("telegram/users/{user}/contact"), &body)
            .await
    }

    /// Presses the button that carries `data`.
    pub async fn press(&self, user: i64, message_id: i64, data: &str) -> Done<Sent> {
        self.post(
            &format!("telegram/users/{user}/press"),
            &json!({"message_id": message_id, "data": data}),
        )
        .await
    }

    /// Sends callback data that is on no button of that message, as a modified app can.
    pub async fn forge_press(&self, user: i64, message_id: i64, data: &str) -> Done<Sent> {
        self.post(
            &format!("telegram/users/{user}/press"),
            &json!({"message_id": message_id, "data": data, "forge": true}),
        )
        .await
    }

    /// Blocks the bot or unblocks it.
    pub async fn block_bot(&self, user: i64, blocked: bool) -> Done<()> {
        self.post::<bool>(
            &format!("telegram/users/{user}/block"),
            &json!({"blocked": blocked}),
        )
        .await
        .map(|_| ())
    }

    /// Everything in a person's chat with the bot, oldest first, with the history of edits.
    pub async fn chat_messages(&self, user: i64) -> Done<Vec<ChatMessage>> {
        self.get(&format!("telegram/chats/{user}/messages")).await
    }

    /// Whether and how a press was answered.
    pub async fn callback(&self, callback_query_id: &str) -> Done<CallbackPress> {
        self.get(&format!("telegram/callbacks/{callback_query_id}"))
            .await
    }

    /// The bytes of a file, for instance of a document that the bot sent.
    pub async fn file(&self, file_id: &str) -> Done<bytes::Bytes> {
        let response = self
            .http
            .get(self.url(&format!("telegram/files/{file_id}"))?)
            .send()
            .await?;
        Ok(response.error_for_status()?.bytes().await?)
    }

    /// Queues an update of any shape; with an `update_id` of one's own it can be out of order.
    pub async fn push_update(&self, update: &Value) -> Done<i64> {
        self.post("telegram/updates", update).await
    }

    /// Delivers an update once more.
    pub async fn repeat_update(&self, update_id: i64) -> Done<()> {
        self.post::<bool>(&format!("telegram/updates/{update_id}/repeat"), &json!({}))
            .await
            .map(|_| ())
    }

    /// Pending updates, webhook, calls and commands.
    pub async fn telegram_state(&self) -> Done<TelegramView> {
        self.get("telegram/state").await
    }

    /// Adds misfortunes at the Bot API; chances, if given, replace the old ones.
    pub async fn add_telegram_faults(
        &self,
        faults: &Faults<TelegramAction, TelegramChance>,
    ) -> Done<()> {
        self.post::<bool>("telegram/faults", faults)
            .await
            .map(|_| ())
    }

    /// Adds one misfortune at the Bot API.
    pub async fn add_telegram_fault(&self, rule: Rule<TelegramAction>) -> Done<()> {
        self.add_telegram_faults(&rule.into()).await
    }

    /// Ends all misfortunes at the Bot API.
    pub async fn clear_telegram_faults(&self) -> Done<()> {
        self.delete("telegram/faults").await
    }

    /// The provider's books.
    pub async fn bills(&self) -> Done<BooksView> {
        self.get("portmone/bills").await
    }

    /// Ends a bill that is pending.
    pub async fn settle_bill(&self, bill_id: &str, status: Settlement) -> Done<BillRecord> {
        self.post(
            &format!("portmone/bills/{bill_id}/settle"),
            &json!({"status": status}),
        )
        .await
    }

    /// Adds to the deposit, or takes from it; answers what is left. In kopecks.
    pub async fn add_deposit(&self, minor: i64) -> Done<i64> {
        self.post("portmone/deposit", &json!({"minor": minor}))
            .await
    }

    /// Moves a number to another operator, or with `None` to nobody.
    pub async fn port_number(&self, contract_number: &str, payee_id: Option<&str>) -> Done<()> {
        let body = json!({"contract_number": contract_number, "payee_id": payee_id});
        self.post::<bool>("portmone/numbers", &body)
            .await
            .map(|_| ())
    }

    /// Adds misfortunes at the provider; chances, if given, replace the old ones.
    pub async fn add_portmone_faults(
        &self,
        faults: &Faults<PortmoneAction, PortmoneChance>,
    ) -> Done<()> {
        self.post::<bool>("portmone/faults", faults)
            .await
            .map(|_| ())
    }

    /// Adds one misfortune at the provider.
    pub async fn add_portmone_fault(&self, rule: Rule<PortmoneAction>) -> Done<()> {
        self.add_portmone_faults(&rule.into()).await
    }

    /// Misfortunes at the provider that have not happened yet.
    pub async fn portmone_faults(&self) -> Done<Faults<PortmoneAction, PortmoneChance>> {
        self.get("portmone/faults").await
    }

    /// Ends all misfortunes at the provider.
    pub async fn clear_portmone_faults(&self) -> Done<()> {
        self.delete("portmone/faults").await
    }
}

fn attachment(file: &Attachment<'_>) -> Value {
    json!({
        "base64": STANDARD.encode(file.bytes),
        "file_name": file.file_name,
        "mime_type": file.mime_type,
        "caption": file.caption,
        "media_group_id": file.media_group_id,
    })
}
