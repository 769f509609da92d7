//! Money goes back: in parts, twice, in vain, behind our back, and after it was spent.

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaAction};
use serde_json::{Value, json};

use crate::support::books::Ledger;
use crate::support::till::{Person, Till, amount, sbp};
use crate::support::{books, seed, turn, until};

fn back(minor: i64) -> Value {
    json!({"amount": amount(minor, "RUB"), "reason": "not needed"})
}

/// Asks for a refund; its path.
async fn refund(till: &Till, payment: &str, minor: i64) -> String {
    let made = till
        .change(&format!("{payment}/refunds"), back(minor))
        .await;
    format!("/v1/refunds/{}", made["id"].as_str().unwrap())
}

/// Also F01, F33, F34, F35, F36, F37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_refunds_never_exceed_the_payment_and_each_moves_the_wallet_once_whoever_made_it() {
    let _turn = turn().await;
    let seed = seed("refunds");
    let till = Till::open(seed).await;
    let person = till.person(75_000_011).await;
    let payment = till.top_up(&person, 50_000).await;
    in_parts(&till, &person, &payment).await;
    in_vain(&till, &person, &payment).await;
    at_once(&till, &person, &payment).await;
    behind_our_back(&till, &person).await;
    after_it_was_spent(&till).await;
    books::all_agree(&till).await;
}

/// F01, F32, F37: two parts, one of whose answers is lost and one that comes after its notification; then too much.
async fn in_parts(till: &Till, person: &Person, payment: &str) {
    for (minor, fault) in [
        (12_000, YookassaAction::DropAfter),
        (3_000, YookassaAction::DelayAfter { millis: 2_500 }),
    ] {
        let rule = Rule::on("refunds.create", fault);
        till.yookassa.add_fault(rule).await.unwrap();
        let path = refund(till, payment, minor).await;
        let done = till.becomes(&path, "succeeded").await;
        assert_eq!(done["foreign"], false, "{done:#}");
        till.expect(&person.wallet("RUB"), -minor);
    }
    let body = back(35_001);
    let refused = till.refused(&format!("{payment}/refunds"), body).await;
    assert_eq!(refused, (409, "refund_exceeded".to_owned()));
    let key = till.once();
    let path = format!("{payment}/refunds");
    let first = till.api.change(&path, &key, &back(1_000)).await;
    let again = till.api.change(&path, &key, &back(1_000)).await;
    assert_eq!(first["id"], again["id"], "the same key is the same refund");
    assert_eq!(again["replayed"], true, "{again}");
    let (status, code, _) = till.api.refused(&path, &key, &back(1_001)).await;
    assert_eq!((status, code.as_str()), (422, "idempotency_conflict"));
    let id = first["id"].as_str().unwrap();
    till.becomes(&format!("/v1/refunds/{id}"), "succeeded")
        .await;
    till.expect(&person.wallet("RUB"), -1_000);
}

/// F34: taken by the provider, and cancelled a while later, of which no notification tells.
async fn in_vain(till: &Till, person: &Person, payment: &str) {
    let slow = YookassaAction::End {
        outcome: Outcome::ByHand,
    };
    let rule = Rule::on("refunds.create", slow);
    till.yookassa.add_fault(rule).await.unwrap();
    let before = till.wallet(&person.wallet("RUB")).await;
    let path = refund(till, payment, 4_000).await;
    let pending = till.becomes(&path, "pending").await;
    let held = till.wallet(&person.wallet("RUB")).await;
    assert_eq!(held, (before.0, 4_000), "held until it is known");
    let id = pending["provider_refund_id"].as_str().unwrap();
    let no = Outcome::canceled("insufficient_funds");
    till.yookassa.settle_refund(id, &no).await.unwrap();
    let failed = till.becomes(&path, "failed").await;
    assert_eq!(failed["failure"], "insufficient_funds", "{failed:#}");
    assert_eq!(till.wallet(&person.wallet("RUB")).await, before);
}

/// F33: ten people at the same desk give the same money back at the same time.
async fn at_once(till: &Till, person: &Person, payment: &str) {
    let path = format!("{payment}/refunds");
    let asks = (0..10).map(|_| async {
        let answer = till.api.post(&path, &till.once(), &back(9_000)).await;
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    });
    let answers = futures::future::join_all(asks).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(code, _)| *code == 201);
    assert_eq!(taken.len(), 3, "34 000 are left: {answers:#?}");
    let is_exceeded = |(_, body): &&(u16, Value)| body["code"] == "refund_exceeded";
    assert_eq!(refused.iter().copied().filter(is_exceeded).count(), 7);
    for (_, made) in taken {
        let id = made["id"].as_str().unwrap();
        till.becomes(&format!("/v1/refunds/{id}"), "succeeded")
            .await;
        till.expect(&person.wallet("RUB"), -9_000);
    }
}

/// The refunds of a payment that somebody made in the provider's cabinet.
async fn made_elsewhere(till: &Till, payment: &str) -> Value {
    let id = payment.rsplit('/').next().unwrap().to_owned();
    until("the refund to be found", || async {
        let path = format!("/v1/refunds?payment_id={id}&foreign=true");
        let list = till.read(&path).await;
        list["data"].as_array().unwrap().first().cloned()
    })
    .await
}

/// F35: somebody refunds in the provider's cabinet.
async fn behind_our_back(till: &Till, person: &Person) {
    let payment = till.top_up(person, 8_000).await;
    let theirs = till.theirs(&payment).await;
    till.yookassa
        .refund_in_profile(&theirs.id, 2_500)
        .await
        .unwrap();
    let found = made_elsewhere(till, &payment).await;
    assert_eq!(found["state"], "succeeded", "{found:#}");
    till.expect(&person.wallet("RUB"), -2_500);
    let refused = till
        .refused(&format!("{payment}/refunds"), back(5_501))
        .await;
    assert_eq!(refused, (409, "refund_exceeded".to_owned()));
}

/// F36: the payer takes the money out, then the provider gives it back to the payer as well.
async fn after_it_was_spent(till: &Till) {
    let person = till.person(75_000_012).await;
    let payment = till.top_up(&person, 6_000).await;
    let payout = till.pay_out(&person, 5_000, "RUB", sbp()).await;
    till.becomes(&payout, "succeeded").await;
    till.expect(&person.wallet("RUB"), -5_000);
    let refused = till
        .refused(&format!("{payment}/refunds"), back(1_001))
        .await;
    assert_eq!(refused, (409, "insufficient_funds".to_owned()));
    let theirs = till.theirs(&payment).await;
    till.yookassa
        .refund_in_profile(&theirs.id, 6_000)
        .await
        .unwrap();
    made_elsewhere(till, &payment).await;
    till.expect(&person.wallet("RUB"), -1_000);
    let ledger = Ledger::read(till).await;
    assert_eq!(ledger.of("users:receivable", "RUB"), 5_000, "it is owed");
}
