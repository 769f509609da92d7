//! The main walk, on the platform as `make up` starts it.

use kvit_domain::event::{StreamId, metadata};
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::crowd::{Shopper, What, receipt};
use crate::support::platform::{Home, Platform};
use crate::support::verdict::{history, stories};
use crate::support::{turn, until, verdict};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shopper_sends_a_receipt_and_is_paid_in_one_message_and_the_api_and_the_log_tell_the_same()
 {
    let _turn = turn().await;
    let home = Home::new();
    let mut platform = Platform::start(&home, true, vec![]).await;
    let telegram = platform.sandbox().clone();
    let shopper = Shopper::join(&telegram, 77_000_001).await;
    let photo = receipt(0, 2, What::Sale);
    let before = shopper.chat(&telegram).await.len();
    // The bot writes to a chat once a second at most; sooner, the first thing shown might be the end.
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    shopper.send(&telegram, &photo.jpeg).await;
    let paid = shopper.sees(&telegram, "has been topped up").await;

    // One message, edited; the photo is answered by nothing else.
    let chat = shopper.chat(&telegram).await;
    assert_eq!(chat.len(), before + 1, "{chat:#?}");
    assert!(paid.versions.len() >= 2, "{paid:#?}");
    assert!(
        paid.text().contains("***-**-"),
        "the number is masked: {}",
        paid.text()
    );

    let balance = shopper
        .answer_to(
            &telegram,
            telegram.send_text(shopper.telegram_id, "/balance"),
        )
        .await;
    assert!(balance.text().contains("1 accepted"), "{}", balance.text());
    let listed = shopper
        .answer_to(
            &telegram,
            telegram.send_text(shopper.telegram_id, "/history"),
        )
        .await;
    assert!(listed.text().contains("Your receipts"), "{}", listed.text());

    let parts = home.parts().await;
    verdict::all_is_well(&parts, &telegram, std::slice::from_ref(&shopper), &[photo]).await;
    the_api_tells_the_same(&Api::new(&home, &platform.gateway)).await;
    one_trace_and_one_correlation_from_the_photo_to_the_payout(&parts).await;
    assert!(platform.program.stop().await.success());
    assert_eq!(home.panics(), Vec::<String>::new());
    no_phone_in_the_log(&home, &shopper);
}

async fn the_api_tells_the_same(api: &Api) {
    let receipts = api.read("/v1/receipts?limit=10").await;
    let receipt = &receipts["data"][0];
    assert_eq!(receipt["state"], "rewarded", "{receipts}");
    let user = receipt["user_id"].as_str().unwrap();
    let wallets = api.read(&format!("/v1/users/{user}/wallets")).await;
    assert_eq!(wallets["data"].as_array().unwrap().len(), 1, "{wallets}");
    let wallet = wallets["data"][0]["id"].as_str().unwrap();
    let statement = api.read(&format!("/v1/wallets/{wallet}/statement")).await;
    assert_eq!(
        statement["data"].as_array().unwrap().len(),
        2,
        "reward and payout: {statement}"
    );
    let payouts = api.read("/v1/payouts").await;
    assert_eq!(payouts["data"][0]["state"], "succeeded", "{payouts}");
    let trial = api.read("/v1/trial-balance").await;
    assert_eq!(trial["balanced"], Value::Bool(true), "{trial}");
    let id = receipt["id"].as_str().unwrap();
    let preview = api.get(&format!("/v1/receipts/{id}/preview")).await;
    assert_eq!(preview.headers()["content-type"], "image/jpeg");
    let events = api.read(&format!("/v1/streams/receipt/{id}/events")).await;
    let types: Vec<_> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event_type"].clone())
        .collect();
    assert_eq!(
        types,
        [
            "ReceiptSubmitted",
            "ReceiptRecognised",
            "ReceiptAccepted",
            "RewardPosted"
        ]
        .map(|name| json!(name))
    );
    assert!(api.get("/readyz").await.status().is_success());
    let metrics = api.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("kvit_"), "{metrics}");
}

/// The photo came in as one update; everything that followed from it names that update and belongs to its trace.
async fn one_trace_and_one_correlation_from_the_photo_to_the_payout(
    parts: &kvit::roles::parts::Parts,
) {
    let history = history(parts).await;
    let (receipt, story) = stories(&history).into_iter().next().unwrap();
    let streams = [
        StreamId::new("receipt", receipt.to_string()),
        StreamId::new("payout", story.payouts[0].to_string()),
    ];
    let mut traces = Vec::new();
    for event in history
        .iter()
        .filter(|event| streams.contains(&event.stream))
    {
        let trace = event
            .meta(metadata::TRACEPARENT)
            .and_then(|text| text.split('-').nth(1));
        traces.push((
            event.event_type.clone(),
            trace.map(str::to_owned),
            event.meta(metadata::CORRELATION_ID).map(str::to_owned),
        ));
    }
    assert!(
        traces.iter().any(|(kind, ..)| kind == "PayoutSucceeded"),
        "{traces:#?}"
    );
    let (_, trace, correlation) = &traces[0];
    assert!(
        trace.as_ref().is_some_and(|trace| trace.len() == 32),
        "{traces:#?}"
    );
    assert!(
        traces
            .iter()
            .all(|(_, one, other)| (one, other) == (trace, correlation)),
        "{traces:#?}"
    );
}

fn no_phone_in_the_log(home: &Home, shopper: &Shopper) {
    let log = std::fs::read_to_string(home.log()).unwrap();
    let national = shopper.phone.trim_start_matches("38");
    assert!(!log.contains(national), "a number is in the log");
    assert!(!log.contains("Соломія"), "a name is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_in_review_is_decided_by_a_person_over_the_api_and_paid() {
    let _turn = turn().await;
    let home = Home::new();
    let env = vec![("OCR_AUTO_ACCEPT_THRESHOLD".to_owned(), "1".to_owned())];
    let platform = Platform::start(&home, true, env).await;
    let telegram = platform.sandbox().clone();
    let shopper = Shopper::join(&telegram, 77_000_002).await;
    let photo = receipt(0, 31, What::Sale);
    shopper.send(&telegram, &photo.jpeg).await;
    shopper.sees(&telegram, "A person is looking").await;
    let api = Api::new(&home, &platform.gateway);
    let id = until("the review queue to show it", || async {
        let queue = api.read("/v1/review-queue").await;
        queue["data"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let path = format!("/v1/receipts/{id}/review");
    let body = json!({"verdict": "accept", "reason": "readable by eye"});
    let answer = api.post(&path, "review-1", &body).await;
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    shopper.sees(&telegram, "has been topped up").await;
    // The same decision again changes nothing.
    let again = api.post(&path, "review-1", &body).await;
    assert!(again.status().is_success());
    assert_eq!(telegram.bills().await.unwrap().bills.len(), 1);
}
