//! Money comes in, and the news about it come twice, late, in the wrong order, or are lies.

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::YookassaAction;
use kvit_adapters::sandbox::yookassa::{DeliverNow, Forged, Notice};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::platform::{children_of, send};
use crate::support::till::{Person, Till, amount};
use crate::support::{books, seed, turn, until};

/// The provider's notification of an event, once there is one.
async fn notice(till: &Till, object: &str, event: &str) -> Notice {
    until(&format!("the provider to tell of {event}"), || async {
        let notices = till.yookassa.notices().await.unwrap();
        notices
            .into_iter()
            .find(|one| one.object_id == object && one.event == event)
    })
    .await
}

/// Sends notifications now, each in some copies at once; every answer must be 200.
async fn deliver(till: &Till, notices: &[u64], copies: u32) {
    let what = DeliverNow {
        notices: notices.to_vec(),
        copies,
        shuffle: None,
    };
    let answers = till.yookassa.deliver(&what).await.unwrap();
    let wanted = notices.len() * usize::try_from(copies).unwrap();
    assert_eq!(answers, vec![Some(200); wanted]);
}

/// Waits until the platform has made up its mind about what it was told; its only record of that.
async fn settled(till: &Till, object: &str, event: &str) -> Value {
    until("the notification to be followed up", || async {
        let path = format!("/v1/notifications?object_id={object}");
        let list = till.read(&path).await;
        let all = list["data"].as_array().unwrap().iter();
        let mut told = all.filter(|one| one["event"] == event);
        let record = told.next().filter(|one| one["settled_at"].is_string());
        assert_eq!(told.count(), 0, "copies share a record: {list:#}");
        record.cloned()
    })
    .await
}

/// How often a wallet was credited by payments.
async fn credits(till: &Till, person: &Person) -> usize {
    let path = format!("/v1/wallets/{}/statement", person.wallet("RUB"));
    let statement = till.read(&path).await;
    let entries = statement["data"].as_array().unwrap();
    let is_top_up = |entry: &&Value| entry["kind"] == "top_up";
    entries.iter().filter(is_top_up).count()
}

/// Also F08, F10, F12, F13, F17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_notifications_that_come_early_often_late_or_forged_credit_each_payment_once() {
    let _turn = turn().await;
    let seed = seed("notifications of payments");
    let till = Till::open(seed).await;
    let person = till.person(75_000_001).await;
    before_the_answer(&till, &person).await;
    copies(&till, &person).await;
    two_stages_in_the_wrong_order(&till, &person).await;
    lies(&till, &person).await;
    books::all_agree(&till).await;
}

/// F08: the payer is faster than the answer to the creating call.
async fn before_the_answer(till: &Till, person: &Person) {
    let slow = YookassaAction::DelayAfter { millis: 3_000 };
    till.yookassa
        .add_fault(Rule::on("payments.create", slow))
        .await
        .unwrap();
    let path = till.intends_to_pay(person, 10_000, true).await;
    let theirs = till.theirs(&path).await;
    till.yookassa.pay(&theirs.id).await.unwrap();
    let told = notice(till, &theirs.id, "payment.succeeded").await;
    deliver(till, &[told.id], 1).await;
    till.becomes(&path, "succeeded").await;
    till.expect(&person.wallet("RUB"), 10_000);
    settled(till, &theirs.id, "payment.succeeded").await;
    assert_eq!(credits(till, person).await, 1);
}

/// F09 and F10: seven copies, and fifty at the same time, before anybody has asked the provider and after.
async fn copies(till: &Till, person: &Person) {
    let before = credits(till, person).await;
    till.yookassa.hold_notices(true).await.unwrap();
    let path = till.wants_to_pay(person, 20_000, true).await;
    let theirs = till.theirs(&path).await;
    till.yookassa.pay(&theirs.id).await.unwrap();
    let told = notice(till, &theirs.id, "payment.succeeded").await;
    deliver(till, &[told.id], 50).await;
    till.becomes(&path, "succeeded").await;
    till.expect(&person.wallet("RUB"), 20_000);
    for _ in 0..7 {
        deliver(till, &[told.id], 1).await;
    }
    deliver(till, &[told.id], 50).await;
    till.yookassa.hold_notices(false).await.unwrap();
    settled(till, &theirs.id, "payment.succeeded").await;
    assert_eq!(credits(till, person).await, before + 1);
}

/// F12 and F20: held money is taken in part; the news that it is held come last.
async fn two_stages_in_the_wrong_order(till: &Till, person: &Person) {
    let before = credits(till, person).await;
    till.yookassa.hold_notices(true).await.unwrap();
    let path = till.wants_to_pay(person, 30_000, false).await;
    let theirs = till.theirs(&path).await;
    till.yookassa.pay(&theirs.id).await.unwrap();
    let held = till.becomes(&path, "awaiting_capture").await;
    assert_eq!(held["capture"], false);
    assert_eq!(credits(till, person).await, before, "held is not paid");
    let too_much = json!({"amount": amount(30_001, "RUB")});
    let refused = till.refused(&format!("{path}/capture"), too_much).await;
    assert_eq!(refused, (422, "invalid_command".to_owned()));
    let part = json!({"amount": amount(21_000, "RUB")});
    till.change(&format!("{path}/capture"), part).await;
    let done = till.becomes(&path, "succeeded").await;
    assert_eq!(done["paid"]["minor"], 21_000, "{done:#}");
    till.expect(&person.wallet("RUB"), 21_000);
    let last = notice(till, &theirs.id, "payment.succeeded").await;
    let first = notice(till, &theirs.id, "payment.waiting_for_capture").await;
    deliver(till, &[last.id, first.id, last.id, first.id], 2).await;
    till.yookassa.hold_notices(false).await.unwrap();
    settled(till, &theirs.id, "payment.waiting_for_capture").await;
    assert_eq!(till.read(&path).await["state"], "succeeded");
    assert_eq!(credits(till, person).await, before + 1);

    let path = till.wants_to_pay(person, 5_000, false).await;
    let theirs = till.theirs(&path).await;
    till.yookassa.pay(&theirs.id).await.unwrap();
    till.becomes(&path, "awaiting_capture").await;
    till.change(&format!("{path}/cancel"), json!({})).await;
    let ended = till.becomes(&path, "canceled").await;
    assert_eq!(ended["reason"], "canceled_by_merchant", "{ended:#}");
    assert_eq!(credits(till, person).await, before + 1);
}

/// F13, F15 and F17: bodies in the right envelope with things in them that never happened.
async fn lies(till: &Till, person: &Person) {
    let before = credits(till, person).await;
    let forge = async |event: &str, id: &str, status: &str| {
        let object = json!({
            "id": id, "status": status, "paid": true, "amount": {"value": "777.00", "currency": "RUB"},
            "created_at": "2026-11-20T10:00:00.000Z", "metadata": {}, "refundable": true, "test": true,
            "recipient": {"account_id": "100500", "gateway_id": "100700"},
        });
        let answers = till.yookassa.forge(&Forged::event(event, &object)).await;
        assert_eq!(answers.unwrap(), [Some(200)], "whoever lies learns nothing");
    };
    let open = till.wants_to_pay(person, 40_000, true).await;
    let theirs = till.theirs(&open).await;
    forge("payment.succeeded", &theirs.id, "succeeded").await;
    settled(till, &theirs.id, "payment.succeeded").await;
    assert_eq!(
        till.read(&open).await["state"],
        "pending",
        "asked, not believed"
    );
    till.yookassa.pay(&theirs.id).await.unwrap();
    till.becomes(&open, "succeeded").await;
    till.expect(&person.wallet("RUB"), 40_000);

    forge("payment.canceled", &theirs.id, "canceled").await;
    let kept = settled(till, &theirs.id, "payment.canceled").await;
    assert_eq!(kept["status"], "succeeded", "what asking told: {kept:#}");
    assert_eq!(till.read(&open).await["state"], "succeeded");

    let stranger = "2f3b588d-000f-5000-8000-1700000000ff";
    forge("payment.succeeded", stranger, "succeeded").await;
    let record = settled(till, stranger, "payment.succeeded").await;
    assert_eq!(record["state"], "quarantined", "{record:#}");
    assert_eq!(credits(till, person).await, before + 1);
}

/// Every process of the database, the first one first.
fn database(till: &Till) -> Vec<u32> {
    let platform = till.platform.as_ref().unwrap();
    let first = platform.child("postgres").unwrap();
    let mut all = vec![first];
    all.extend(children_of(first));
    all
}

/// Also F27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_a_notification_meets_a_database_or_a_provider_that_is_away_and_is_not_lost() {
    let _turn = turn().await;
    let seed = seed("notifications and outages");
    let till = Till::open(seed).await;
    let person = till.person(75_000_002).await;
    the_database_stands_still(&till, &person).await;
    the_provider_does_not_answer(&till, &person).await;
    books::all_agree(&till).await;
}

/// F26: what could not be stored is not acknowledged, so the provider comes again.
async fn the_database_stands_still(till: &Till, person: &Person) {
    let path = till.wants_to_pay(person, 11_000, true).await;
    let theirs = till.theirs(&path).await;
    let stopped = database(till);
    stopped.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
    till.yookassa.pay(&theirs.id).await.unwrap();
    let told = notice(till, &theirs.id, "payment.succeeded").await;
    let tries = until("two tries in vain", || async {
        let told = notice(till, &theirs.id, "payment.succeeded").await;
        (told.attempts.len() >= 2).then_some(told.attempts)
    })
    .await;
    assert!(
        tries.iter().all(|one| one.status != Some(200)),
        "nothing was stored: {tries:#?}"
    );
    // Those that were forked meanwhile too.
    let all = database(till);
    all.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
    until("a try to be taken", || async {
        let notices = till.yookassa.notices().await.unwrap();
        let one = notices.into_iter().find(|one| one.id == told.id);
        one.filter(|one| one.taken)
    })
    .await;
    till.becomes(&path, "succeeded").await;
    till.expect(&person.wallet("RUB"), 11_000);
    settled(till, &theirs.id, "payment.succeeded").await;
    assert_eq!(credits(till, person).await, 1);
}

/// F27: stored and acknowledged, but nothing is credited before the provider can be asked.
async fn the_provider_does_not_answer(till: &Till, person: &Person) {
    let path = till.wants_to_pay(person, 12_000, true).await;
    let theirs = till.theirs(&path).await;
    let away = YookassaAction::HttpBefore { status: 502 };
    let rule = Rule::on("payments.get", away).times(1_000_000);
    till.yookassa.add_fault(rule).await.unwrap();
    till.yookassa.pay(&theirs.id).await.unwrap();
    let told = notice(till, &theirs.id, "payment.succeeded").await;
    deliver(till, &[told.id], 3).await;
    let waits = until("the notification to be known", || async {
        let list = till
            .read(&format!("/v1/notifications?object_id={}", theirs.id))
            .await;
        list["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(waits["settled_at"], Value::Null, "{waits:#}");
    assert_eq!(till.read(&path).await["state"], "pending");
    assert_eq!(credits(till, person).await, 1, "nothing on its word alone");
    till.yookassa.clear_faults().await.unwrap();
    till.becomes(&path, "succeeded").await;
    till.expect(&person.wallet("RUB"), 12_000);
    settled(till, &theirs.id, "payment.succeeded").await;
    assert_eq!(credits(till, person).await, 2);
}
