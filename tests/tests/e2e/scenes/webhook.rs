//! Updates that Telegram brings, instead of being asked for them.

use serde_json::json;

use crate::support::crowd::{Shopper, What, receipt};
use crate::support::platform::{Home, Outside, Platform};
use crate::support::{free_port, turn, until, verdict};

const SECRET: &str = "an-invented-word-for-tests";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_that_come_by_webhook_with_the_right_secret_lead_to_a_paid_receipt() {
    let _turn = turn().await;
    let (home, outside) = (Home::new(), Outside::start(1).await);
    let telegram = outside.client().clone();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/webhooks/telegram");
    let mut env = outside.env();
    for (name, value) in [
        ("PORT", port.to_string()),
        ("TELEGRAM_WEBHOOK_URL", url.clone()),
        ("TELEGRAM_WEBHOOK_SECRET", SECRET.to_owned()),
    ] {
        env.push((name.to_owned(), value));
    }
    let platform = Platform::start(&home, false, env).await;
    home.campaign().await;
    until("the webhook to be registered", || async {
        let state = serde_json::to_string(&telegram.telegram_state().await.unwrap()).unwrap();
        state.contains("/webhooks/telegram").then_some(())
    })
    .await;

    let http = reqwest::Client::builder().build().unwrap();
    let update = json!({"update_id": 1, "message": {"chat": {"id": 1}}});
    for secret in [None, Some("another-word-altogether")] {
        let mut request = http.post(&url).json(&update);
        if let Some(secret) = secret {
            request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
        }
        assert_eq!(request.send().await.unwrap().status().as_u16(), 401);
    }
    let nonsense = http
        .post(&url)
        .header("X-Telegram-Bot-Api-Secret-Token", SECRET)
        .body("nonsense");
    assert_eq!(nonsense.send().await.unwrap().status().as_u16(), 400);

    let shopper = Shopper::join(&telegram, 79_000_001).await;
    let photo = receipt(0, 7, What::Sale);
    shopper.send(&telegram, &photo.jpeg).await;
    shopper.sees(&telegram, "has been topped up").await;
    let polls = telegram
        .telegram_state()
        .await
        .unwrap()
        .calls
        .get("getupdates")
        .copied();
    assert_eq!(polls.unwrap_or_default(), 0, "nobody asks");
    verdict::all_is_well(&home.parts().await, &telegram, &[shopper], &[photo]).await;
    drop(platform);
    assert_eq!(home.panics(), Vec::<String>::new());
}
