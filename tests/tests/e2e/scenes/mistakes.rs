//! What people and programs do wrong. Each gets a clear answer, nothing is lost, and the platform goes on.

use kvit_adapters::sandbox::client::{Attachment, ContactOf, SandboxClient};
use serde_json::json;

use crate::support::crowd::{Shopper, What, receipt};
use crate::support::platform::{Home, Platform};
use crate::support::{turn, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mistake_gets_a_clear_answer_and_the_next_good_receipt_is_paid() {
    let _turn = turn().await;
    let home = Home::new();
    let platform = Platform::start(&home, true, vec![]).await;
    let telegram = platform.sandbox().clone();
    onboarding(&telegram).await;
    let shopper = Shopper::join(&telegram, 78_000_001).await;
    messages(&telegram, &shopper).await;
    files(&telegram, &shopper).await;
    buttons(&telegram, &shopper).await;
    too_many_photos(&telegram).await;

    let good = receipt(0, 50, What::Sale);
    let careful = Shopper::join(&telegram, 78_000_009).await;
    careful.send(&telegram, &good.jpeg).await;
    careful.sees(&telegram, "has been topped up").await;
    assert_eq!(home.panics(), Vec::<String>::new());
    let log = std::fs::read_to_string(home.log()).unwrap();
    let faults: Vec<_> = log
        .lines()
        .filter(|line| line.contains("could not be handled"))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

async fn onboarding(telegram: &SandboxClient) {
    let stranger = Shopper::stranger(telegram, 78_000_002).await;
    let id = stranger.telegram_id;
    // A photo before the terms, and a command that needs them.
    let photo = receipt(0, 1, What::Sale);
    let answer = stranger
        .answer_to(telegram, stranger.send(telegram, &photo.jpeg))
        .await;
    assert!(answer.text().contains("terms"), "{}", answer.text());
    let answer = stranger
        .answer_to(telegram, telegram.send_text(id, "/balance"))
        .await;
    assert!(answer.text().contains("terms"), "{}", answer.text());
    stranger.accept_terms(telegram).await;
    let wrong = [
        (
            ContactOf::Account(78_000_001),
            "380671112233",
            "somebody else's",
        ),
        (ContactOf::Nobody, "380671112233", "somebody else's"),
        (ContactOf::Own, "48221234567", "only Ukrainian numbers"),
        (ContactOf::Own, "380441234567", "operator"),
    ];
    for (whose, number, words) in wrong {
        let contact = telegram.send_contact(id, number, whose);
        let answer = stranger.answer_to(telegram, contact).await;
        assert!(answer.text().contains(words), "{number}: {}", answer.text());
    }
    let answer = stranger
        .answer_to(telegram, telegram.send_text(id, "0671112233"))
        .await;
    assert!(answer.text().contains("button"), "{}", answer.text());
}

async fn messages(telegram: &SandboxClient, shopper: &Shopper) {
    let id = shopper.telegram_id;
    for (text, words) in [
        ("/teleport home", "I do not know"),
        ("hello there", "photos of receipts"),
        ("/report", "I do not know"),
        ("/find <b>", "I do not know"),
    ] {
        let answer = shopper
            .answer_to(telegram, telegram.send_text(id, text))
            .await;
        assert!(answer.text().contains(words), "{text}: {}", answer.text());
    }
    // A sticker, as Telegram describes it, and an update of a kind that nobody knows yet.
    let person = json!({"id": id, "is_bot": false, "first_name": "Соломія", "language_code": "en"});
    let sticker = json!({"message": {
        "message_id": 900_001, "date": 1_790_000_000, "from": person,
        "chat": {"id": id, "type": "private", "first_name": "Соломія"},
        "sticker": {"file_id": "AAA", "file_unique_id": "A", "type": "regular", "width": 512, "height": 512,
                    "is_animated": false, "is_video": false},
    }});
    let answer = shopper
        .answer_to(telegram, telegram.push_update(&sticker))
        .await;
    assert!(
        answer.text().contains("cannot use a message like this"),
        "{}",
        answer.text()
    );
    telegram
        .push_update(&json!({"quantum_reaction": {"from": person}}))
        .await
        .unwrap();
}

async fn files(telegram: &SandboxClient, shopper: &Shopper) {
    let id = shopper.telegram_id;
    let whole = receipt(0, 3, What::Sale).jpeg;
    let huge = vec![0xFF; 10 * 1024 * 1024 + 1];
    let cases: [(&[u8], &str, &str, &str); 4] = [
        (&huge, "huge.jpg", "image/jpeg", "too large"),
        (
            "це не фото".as_bytes(),
            "notes.txt",
            "text/plain",
            "does not look like a photo",
        ),
        (
            &whole[..whole.len() / 3],
            "torn.jpg",
            "image/jpeg",
            "damaged",
        ),
        (b"", "empty.jpg", "image/jpeg", "does not look like a photo"),
    ];
    for (bytes, name, mime, words) in cases {
        let file = Attachment {
            bytes,
            file_name: Some(name),
            mime_type: Some(mime),
            ..Attachment::default()
        };
        let answer = shopper
            .answer_to(telegram, telegram.send_document(id, &file))
            .await;
        assert!(answer.text().contains(words), "{name}: {}", answer.text());
    }
}

/// A button belongs to the person whom it was shown to.
async fn buttons(telegram: &SandboxClient, shopper: &Shopper) {
    let mine = shopper
        .answer_to(
            telegram,
            telegram.send_text(shopper.telegram_id, "/language"),
        )
        .await;
    let (_, data) = mine.buttons().into_iter().next().unwrap();
    let other = Shopper::join(telegram, 78_000_003).await;
    let place = other
        .answer_to(telegram, telegram.send_text(other.telegram_id, "/language"))
        .await;
    for (data, words) in [
        (data.as_str(), "not yours"),
        ("made-up", "out of date"),
        ("", "out of date"),
    ] {
        let press = telegram
            .forge_press(other.telegram_id, place.message_id, data)
            .await
            .unwrap();
        let query = press.callback_query_id.unwrap();
        let answered = until("an answer to the button", || async {
            telegram
                .callback(&query)
                .await
                .ok()
                .filter(|press| press.answered)
        })
        .await;
        assert!(
            answered.text.as_deref().unwrap_or_default().contains(words),
            "{data}: {answered:?}"
        );
    }
}

async fn too_many_photos(telegram: &SandboxClient) {
    let hasty = Shopper::join(telegram, 78_000_004).await;
    for number in 0..6 {
        let photo = receipt(0, 20 + number, What::Ineligible);
        hasty.send(telegram, &photo.jpeg).await;
    }
    let answer = hasty.sees(telegram, "Too many photos").await;
    assert!(answer.text().contains("Wait "), "{}", answer.text());
    until("the other five to be answered", || async {
        let chat = hasty.chat(telegram).await;
        (chat
            .iter()
            .filter(|message| message.text().contains("No bonus"))
            .count()
            == 5)
            .then_some(())
    })
    .await;
}
