//! People and their photos.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use kvit_adapters::sandbox::client::{Attachment, ContactOf, SandboxClient};
use kvit_adapters::sandbox::telegram::{ChatMessage, NewPerson};
use kvit_domain::rules::kyiv_local;
use kvit_ocr::samples::{Degradation, Layout, SampleItem, SampleSpec, product, render};
use sha2::{Digest, Sha256};

use super::{PATIENCE, until};

/// What must come of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Accepted, rewarded and paid out.
    Paid,
    /// Rejected; this reason is among those given.
    Refused(&'static str),
}

/// A photo to be sent.
#[derive(Clone)]
pub struct Photo {
    pub shopper: usize,
    pub jpeg: Vec<u8>,
    pub sha256: String,
    pub wanted: Wanted,
}

/// Draws one receipt of yesterday. Another `number` is another receipt; those below 70 are known to be read without
/// doubts, and these tests are not about hard photos. Each test has a log of its own, so numbers may come again.
pub fn receipt(shopper: usize, number: u64, what: What) -> Photo {
    assert!(number < 70);
    let seed = number * 7_919 + 13;
    let layout = if number.is_multiple_of(2) {
        Layout::SoftwareRegister
    } else {
        Layout::PaperRegister
    };
    // Always the same hour: another minute is another print, and one print in some dozens is read with doubts.
    let days = if what == What::Expired { 9 } else { 1 };
    let day = kyiv_local(Utc::now() - TimeDelta::days(days)).date();
    let sold_at = day.and_hms_opt(11, 0, 0).unwrap();
    let code = if what == What::Ineligible {
        "20226"
    } else {
        "13310"
    };
    let mut spec = SampleSpec::new(
        "",
        seed,
        layout,
        sold_at,
        vec![SampleItem::of(product(code))],
    )
    .degradation(Degradation::Clean);
    spec.seed = 4_000 + number % 7;
    if what == What::Return {
        spec = spec.returned();
    }
    let wanted = match what {
        What::Sale => Wanted::Paid,
        What::Expired => Wanted::Refused("expired"),
        What::Ineligible => Wanted::Refused("no_eligible_product"),
        What::Return => Wanted::Refused("return_receipt"),
    };
    let jpeg = render(&spec).unwrap().jpeg;
    let sha256 = hex::encode(Sha256::digest(&jpeg));
    Photo {
        shopper,
        jpeg,
        sha256,
        wanted,
    }
}

/// Kinds of receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Sale,
    Expired,
    Ineligible,
    Return,
}

/// Twelve photos of four people: eight to be paid, four to be refused, each for another reason. Nobody meets a limit.
pub async fn twelve() -> Vec<Photo> {
    use What::{Expired, Ineligible, Return, Sale};
    let wanted = [
        (0, Sale),
        (1, Sale),
        (2, Sale),
        (3, Sale),
        (0, Sale),
        (1, Ineligible),
        (2, Return),
        (3, Sale),
        (1, Sale),
        (2, Sale),
        (3, Expired),
    ];
    tokio::task::spawn_blocking(move || {
        let mut photos: Vec<Photo> = (0_u64..)
            .zip(wanted)
            .map(|(index, (shopper, what))| receipt(shopper, index, what))
            .collect();
        // The same bytes again, by the same person.
        let again = Photo {
            wanted: Wanted::Refused("duplicate_image"),
            ..photos[0].clone()
        };
        photos.push(again);
        photos
    })
    .await
    .unwrap()
}

/// A person with the platform's bot in the phone.
#[derive(Debug, Clone)]
pub struct Shopper {
    pub telegram_id: i64,
    /// As the provider writes it: without the country.
    pub phone: String,
}

impl Shopper {
    /// An account that has not met the bot yet.
    pub async fn stranger(telegram: &SandboxClient, number: i64) -> Self {
        let person = NewPerson {
            id: Some(number),
            first_name: "Соломія".to_owned(),
            language_code: Some("en".to_owned()),
            ..NewPerson::default()
        };
        telegram.create_user(&person).await.unwrap();
        Self {
            telegram_id: number,
            phone: format!("38067{:07}", number % 10_000_000),
        }
    }

    /// Goes through the onboarding by what the bot shows.
    pub async fn join(telegram: &SandboxClient, number: i64) -> Self {
        let shopper = Self::stranger(telegram, number).await;
        telegram.send_text(number, "/start").await.unwrap();
        shopper.accept_terms(telegram).await;
        telegram
            .send_contact(number, &shopper.phone, ContactOf::Own)
            .await
            .unwrap();
        // The confirmation shows the number with its middle hidden.
        shopper.sees(telegram, "***-**-").await;
        shopper
    }

    /// Presses the first button that the bot shows, and waits for the question for the number.
    pub async fn accept_terms(&self, telegram: &SandboxClient) {
        let welcome = until("the welcome", || async {
            let mut chat = self.chat(telegram).await.into_iter();
            chat.find(|message| !message.buttons().is_empty())
        })
        .await;
        let (_, accept) = welcome.buttons().into_iter().next().unwrap();
        telegram
            .press(self.telegram_id, welcome.message_id, &accept)
            .await
            .unwrap();
        until("the question for the number", || async {
            let chat = self.chat(telegram).await;
            chat.iter()
                .any(|message| {
                    message
                        .keyboard()
                        .is_some_and(|keys| keys.to_string().contains("request_contact"))
                })
                .then_some(())
        })
        .await;
    }

    /// What the bot said, oldest first.
    pub async fn chat(&self, telegram: &SandboxClient) -> Vec<ChatMessage> {
        let messages = telegram.chat_messages(self.telegram_id).await.unwrap();
        messages
            .into_iter()
            .filter(|message| message.from_bot && !message.deleted)
            .collect()
    }

    /// Waits for a message of the bot that shows these words.
    pub async fn sees(&self, telegram: &SandboxClient, words: &str) -> ChatMessage {
        let begun = Instant::now();
        loop {
            let chat = self.chat(telegram).await;
            let texts: Vec<_> = chat
                .iter()
                .map(|message| message.text().to_owned())
                .collect();
            if let Some(message) = chat
                .into_iter()
                .find(|message| message.text().contains(words))
            {
                return message;
            }
            assert!(
                begun.elapsed() < PATIENCE / 2,
                "nobody said `{words}`: {texts:#?}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does something and waits for the bot's next message.
    pub async fn answer_to<T>(
        &self,
        telegram: &SandboxClient,
        act: impl Future<Output = T>,
    ) -> ChatMessage {
        let before = self
            .chat(telegram)
            .await
            .last()
            .map_or(0, |message| message.message_id);
        act.await;
        until("the bot's answer", || async {
            let mut chat = self.chat(telegram).await.into_iter();
            chat.find(|message| message.message_id > before)
        })
        .await
    }

    pub async fn send(&self, telegram: &SandboxClient, jpeg: &[u8]) {
        let photo = Attachment {
            bytes: jpeg,
            ..Attachment::default()
        };
        telegram.send_photo(self.telegram_id, &photo).await.unwrap();
    }
}

/// Four people who have joined.
pub async fn four(telegram: &SandboxClient, seed: u64) -> Vec<Shopper> {
    let first = 1_000_000 + i64::try_from(seed % 1_000_000).unwrap() * 10;
    futures::future::join_all((0..4).map(|number| Shopper::join(telegram, first + number))).await
}
