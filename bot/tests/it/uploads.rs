//! Photos and files.

use kvit_adapters::sandbox::client::Attachment;

use crate::support::{World, photo};

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_acknowledged_at_once_as_an_answer_to_itself() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let sent = world.send_photo(olya, &photo(1, 900)).await;
    let received = world.heard(olya, "Чек отримано").await;
    assert_eq!(
        received.message["reply_to_message"]["message_id"],
        sent.message_id
    );
    assert!(!received.text().contains("Фото невелике"));
    assert_eq!(world.count("ReceiptSubmitted").await, 1);
    world.send_document(olya, &photo(2, 300)).await;
    world.heard(olya, "Фото невелике").await;
    assert_eq!(world.count("ReceiptSubmitted").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_exactly_are_taken_and_one_byte_more_is_refused() {
    let world = World::new().await;
    let olya = world.shopper().await;
    let mut file = photo(1, 900);
    // What follows the end of a PNG is not looked at.
    file.resize(10 * 1024 * 1024, 0);
    world.send_document(olya, &file).await;
    world.heard(olya, "Чек отримано").await;
    file.push(0);
    world.send_document(olya, &file).await;
    world.heard(olya, "Файл завеликий: приймаю до 10 МБ").await;
    assert_eq!(world.count("ReceiptSubmitted").await, 1);
    let calls = world.telegram().telegram_state().await.unwrap().calls;
    assert_eq!(
        calls.get("getfile"),
        Some(&1),
        "the size that Telegram tells is enough to refuse"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_photo_or_a_damaged_one_is_refused_with_advice() {
    let world = World::new().await;
    let olya = world.shopper().await;
    world.send_document(olya, b"%PDF-1.7 not a photo").await;
    world.heard(olya, "Приймаю JPEG, PNG і WebP").await;
    let whole = photo(1, 900);
    world.send_document(olya, &whole[..whole.len() / 2]).await;
    world.heard(olya, "Файл пошкоджено").await;
    assert_eq!(world.count("ReceiptSubmitted").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_photo_within_a_minute_is_refused_with_the_wait() {
    let world = World::new().await;
    let olya = world.shopper().await;
    for colour in 0..6 {
        world.send_photo(olya, &photo(colour, 900)).await;
    }
    let refusal = world.heard(olya, "Забагато фото поспіль").await;
    assert!(refusal.text().contains("секунд"), "{}", refusal.text());
    world.settled().await;
    assert_eq!(world.count("ReceiptSubmitted").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_photo_of_an_album_is_a_submission_of_its_own() {
    let world = World::new().await;
    let olya = world.shopper().await;
    for colour in 0..3 {
        let bytes = photo(colour, 900);
        let part = Attachment {
            bytes: &bytes,
            media_group_id: Some("album"),
            ..Attachment::default()
        };
        world.telegram().send_photo(olya, &part).await.unwrap();
    }
    world.answered(olya, 4).await;
    assert_eq!(world.count("ReceiptSubmitted").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_before_terms_or_number_leads_to_the_missing_step() {
    let world = World::new().await;
    let olya = world.person("uk").await;
    world.send_photo(olya, &photo(1, 900)).await;
    let terms = world.heard(olya, "Спершу потрібна ваша згода").await;
    world.press(olya, &terms, "Приймаю умови").await;
    world.heard(olya, "Куди надсилати бонуси?").await;
    let before = world.said(olya).await.len();
    world.send_photo(olya, &photo(1, 900)).await;
    let answers = world.answered(olya, before + 1).await;
    assert!(
        answers
            .last()
            .unwrap()
            .text()
            .contains("Куди надсилати бонуси?")
    );
    assert_eq!(world.count("ReceiptSubmitted").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_whose_handling_was_cut_off_is_submitted_once() {
    use kvit_adapters::sandbox::faults::Rule;
    use kvit_adapters::sandbox::telegram::faults::TelegramAction;
    let world = World::new().await;
    let olya = world.shopper().await;
    // The first look at the file fails on the way; the update waits and is handled again.
    world
        .telegram()
        .add_telegram_fault(Rule::on("getFile", TelegramAction::DropBefore).times(2))
        .await
        .unwrap();
    world.send_photo(olya, &photo(1, 900)).await;
    world.heard(olya, "Чек отримано").await;
    world.settled().await;
    assert_eq!(world.count("ReceiptSubmitted").await, 1);
    assert_eq!(
        world
            .said(olya)
            .await
            .iter()
            .filter(|said| said.text().contains("Чек отримано"))
            .count(),
        1
    );
}
