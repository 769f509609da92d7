//! A shopper: a person in the simulated Telegram who joins, accepts the terms, shares a number and sends photos.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use kvit_adapters::sandbox::client::{Attachment, ContactOf, SandboxClient};
use kvit_adapters::sandbox::telegram::{ChatMessage, NewPerson};
use kvit_domain::ids::{ReceiptId, UserId};
use kvit_ocr::samples::DemoSample;
use kvit_projections::queries::receipts::{self, ReceiptFilter};

use super::DemoError;
use super::watch::until;
use crate::roles::parts::Parts;

/// Invented first names with the language of their apps.
const PEOPLE: [(&str, &str); 5] = [
    ("Олена", "uk"),
    ("Тарас", "uk"),
    ("Марина", "ru"),
    ("Peter", "en"),
    ("Ірина", "uk"),
];

/// A person who takes part.
#[derive(Debug)]
pub struct Shopper {
    /// First name.
    pub name: &'static str,
    /// Id of the account.
    pub telegram_id: i64,
    /// Id in our log.
    pub user_id: UserId,
    /// Twelve digits.
    pub phone: String,
    /// Messages of the bot before the first photo.
    greetings: usize,
    known: Mutex<HashSet<ReceiptId>>,
}

impl Shopper {
    /// Creates the account and goes through the bot's onboarding by its buttons.
    pub async fn join(
        client: &SandboxClient,
        parts: &Parts,
        run: u64,
        number: usize,
    ) -> Result<Self, DemoError> {
        let (name, language) = PEOPLE
            .get(number % PEOPLE.len())
            .copied()
            .unwrap_or(("Гість", "uk"));
        let within_run = u64::try_from(number).unwrap_or_default();
        let telegram_id = i64::try_from(run * 10 + within_run).unwrap_or(i64::MAX);
        // 067 and seven digits out of the run: nobody's number is meant.
        let phone = format!("38067{:07}", (run * 10 + within_run) % 10_000_000);
        let person = NewPerson {
            id: Some(telegram_id),
            first_name: name.to_owned(),
            language_code: Some(language.to_owned()),
            last_name: None,
            username: None,
        };
        client.create_user(&person).await?;
        client.send_text(telegram_id, "/start").await?;
        let terms = until("the bot's welcome", || async {
            let messages = from_bot(client, telegram_id).await?;
            Ok(messages
                .into_iter()
                .find(|message| !message.buttons().is_empty()))
        })
        .await?;
        let (_, accept) = terms.buttons().into_iter().next().unwrap_or_default();
        client.press(telegram_id, terms.message_id, &accept).await?;
        until("the question for the number", || async {
            let user = parts.app.user(parts.app.user_id(telegram_id)).await?;
            Ok(user.terms_version.map(|_| ()))
        })
        .await?;
        client
            .send_contact(telegram_id, &phone, ContactOf::Own)
            .await?;
        let user_id = parts.app.user_id(telegram_id);
        let greetings = until("the number to be confirmed", || async {
            let chat = from_bot(client, telegram_id).await?;
            // The confirmation shows the number with its middle hidden.
            let confirmed = chat
                .iter()
                .any(|message| message.text().contains("***-**-"));
            Ok(confirmed.then_some(chat.len()))
        })
        .await?;
        Ok(Self {
            name,
            telegram_id,
            user_id,
            phone,
            greetings,
            known: Mutex::default(),
        })
    }

    /// Sends a receipt and finds it in the read models.
    pub async fn send(
        &self,
        client: &SandboxClient,
        parts: &Parts,
        sample: &DemoSample,
    ) -> Result<ReceiptId, DemoError> {
        let photo = Attachment {
            bytes: &sample.sample.jpeg,
            ..Attachment::default()
        };
        client.send_photo(self.telegram_id, &photo).await?;
        let filter = ReceiptFilter {
            user_id: Some(self.user_id),
            ..ReceiptFilter::default()
        };
        until("the photo to be taken in", || async {
            let page = receipts::search(&parts.pool, &filter, None, 50).await?;
            // Nobody else sends in this person's name, and photos go out one after another.
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(page
                .data
                .items
                .iter()
                .map(|row| row.receipt_id)
                .find(|id| known.insert(*id)))
        })
        .await
    }

    /// The bot's messages about the photos, once there are so many.
    pub async fn answers(
        &self,
        client: &SandboxClient,
        photos: usize,
    ) -> Result<Vec<ChatMessage>, DemoError> {
        until("an answer to each photo", || async {
            let mut chat = from_bot(client, self.telegram_id).await?;
            let answers = chat.split_off(self.greetings.min(chat.len()));
            Ok((answers.len() >= photos).then_some(answers))
        })
        .await
    }
}

async fn from_bot(client: &SandboxClient, telegram_id: i64) -> Result<Vec<ChatMessage>, DemoError> {
    let messages = client.chat_messages(telegram_id).await?;
    Ok(messages
        .into_iter()
        .filter(|message| message.from_bot && !message.deleted)
        .collect())
}
