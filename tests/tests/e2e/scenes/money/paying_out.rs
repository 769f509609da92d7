//! Money goes out by four ways, and the answers about it get lost.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::TransferStatus;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaAction};
use serde_json::{Value, json};

use crate::support::till::{Person, Till, amount, sbp, yoomoney};
use crate::support::{books, seed, turn, until, until_within};

/// An unclear answer is asked about at once, but a call that may be under way has 45 s.
const LONG: Duration = Duration::from_secs(120);

/// How many payouts of an order the provider has, those that failed left out.
async fn at_provider(till: &Till, payout: &str) -> usize {
    let id = payout.rsplit('/').next().unwrap();
    let theirs = till.yookassa.books().await.unwrap();
    let own = theirs.payouts.iter();
    own.filter(|one| one.operation_id.as_deref() == Some(id))
        .filter(|one| one.status != TransferStatus::Canceled)
        .count()
}

async fn succeeds(till: &Till, payout: &str) -> Value {
    until_within(LONG, "the payout to succeed", || async {
        let shown = till.read(payout).await;
        (shown["state"] == "succeeded").then_some(shown)
    })
    .await
}

/// Also F40, F46, F49, F53, F54.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f39_payouts_whose_answers_are_lost_or_lies_move_money_once_and_a_switch_stops_new_ones() {
    let _turn = turn().await;
    let seed = seed("payouts");
    let till = Till::open(seed).await;
    let person = till.person(75_000_021).await;
    till.top_up(&person, 100_000).await;
    let patient = till.person(75_000_023).await;
    let slow = never_arrived(&till, &patient).await;
    lost_answers(&till, &person).await;
    refused_by_the_bank(&till, &person).await;
    the_switch(&till, &person).await;
    an_exchange_and_a_dispute(&till, &person).await;
    between_people(&till, &person).await;
    succeeds(&till, &slow).await;
    assert_eq!(at_provider(&till, &slow).await, 1);
    till.expect(&patient.wallet("RUB"), -6_000);
    books::all_agree(&till).await;
}

/// The provider says "error" and means it. Nobody knows that, so the call is repeated, under its key, only when the first
/// one can be nowhere any more.
async fn never_arrived(till: &Till, person: &Person) -> String {
    till.top_up(person, 6_000).await;
    let fault = YookassaAction::HttpBefore { status: 500 };
    let rule = Rule::on("payouts.create", fault);
    till.yookassa.add_fault(rule).await.unwrap();
    let path = till.pay_out(person, 6_000, "RUB", sbp()).await;
    till.becomes(&path, "unknown").await;
    path
}

/// F39 and F40: the money has left, the answer has not come, or says that something failed.
async fn lost_answers(till: &Till, person: &Person) {
    let ways = [
        (sbp(), None),
        (sbp(), Some(YookassaAction::DropAfter)),
        (yoomoney(), Some(YookassaAction::HttpAfter { status: 500 })),
    ];
    for (route, fault) in ways {
        if let Some(fault) = fault {
            let rule = Rule::on("payouts.create", fault);
            till.yookassa.add_fault(rule).await.unwrap();
        }
        let path = till.pay_out(person, 7_000, "RUB", route).await;
        succeeds(till, &path).await;
        assert_eq!(at_provider(till, &path).await, 1);
        till.expect(&person.wallet("RUB"), -7_000);
    }

    // As long as nobody can be asked, it is unknown, and the hold stays.
    for (method, times) in [
        ("payouts.create", 1),
        ("payouts.search", 100_000),
        ("payouts.get", 100_000),
    ] {
        let fault = YookassaAction::DropAfter;
        let rule = Rule::on(method, fault).times(times);
        till.yookassa.add_fault(rule).await.unwrap();
    }
    let path = till.pay_out(person, 9_000, "RUB", sbp()).await;
    let unknown = till.becomes(&path, "unknown").await;
    assert!(unknown["unknown_since"].is_string(), "{unknown:#}");
    let wallet = till.wallet(&person.wallet("RUB")).await;
    assert_eq!(wallet.1, 9_000, "held: {wallet:?}");
    let where_is_it = till
        .read(&format!("/v1/wallets/{}/whereabouts", person.wallet("RUB")))
        .await;
    let said = where_is_it["sentences"].to_string();
    assert!(said.contains("90.00"), "{said}");
    till.yookassa.clear_faults().await.unwrap();
    succeeds(till, &path).await;
    assert_eq!(at_provider(till, &path).await, 1);
    till.expect(&person.wallet("RUB"), -9_000);
    let path = format!(
        "/v1/payouts/{}/resolution",
        path.rsplit('/').next().unwrap()
    );
    let late = json!({"paid": false, "reason": "a lie"});
    let refused = till.refused(&path, late).await;
    assert_eq!(
        refused,
        (409, "invalid_state".to_owned()),
        "F46: an end is an end"
    );
}

/// F49: more than the wallet has, more than the provider's balance has, and a payee who is not there.
async fn refused_by_the_bank(till: &Till, person: &Person) {
    let before = till.wallet(&person.wallet("RUB")).await;
    let too_much =
        json!({"user_id": person.id, "amount": amount(before.0 + 1, "RUB"), "route": sbp()});
    let refused = till.refused("/v1/payouts", too_much).await;
    assert_eq!(refused, (409, "insufficient_funds".to_owned()));

    let gone = YookassaAction::End {
        outcome: Outcome::canceled("recipient_not_found"),
    };
    let rule = Rule::on("payouts.create", gone);
    till.yookassa.add_fault(rule).await.unwrap();
    let path = till.pay_out(person, 3_000, "RUB", sbp()).await;
    let failed = till.becomes(&path, "failed").await;
    assert_eq!(failed["reason"], "recipient_not_found", "{failed:#}");
    assert_eq!(till.wallet(&person.wallet("RUB")).await, before, "released");

    // The provider's balance runs dry, and is filled up while the payout waits for its next attempt.
    let left = till.yookassa.add_deposit(0).await.unwrap().unwrap();
    till.yookassa.add_deposit(-left).await.unwrap();
    let path = till.pay_out(person, 2_000, "RUB", sbp()).await;
    let waiting = until("the attempt to fail", || async {
        let shown = till.read(&path).await;
        shown["reason"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(waiting["reason"], "insufficient_balance", "{waiting:#}");
    till.yookassa.add_deposit(left).await.unwrap();
    succeeds(till, &path).await;
    assert_eq!(at_provider(till, &path).await, 1);
    till.expect(&person.wallet("RUB"), -2_000);
}

/// A person stops the provider; what is ordered waits, visibly, until the switch is thrown back.
async fn the_switch(till: &Till, person: &Person) {
    let why = json!({"reason": "the bank asked for it"});
    till.change("/v1/providers/yookassa/stop", why.clone())
        .await;
    let path = till.pay_out(person, 4_000, "RUB", yoomoney()).await;
    let waiting = until("the payout to be postponed", || async {
        let shown = till.read(&path).await;
        shown["postponed"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(waiting["postponed"], "kill_switch", "{waiting:#}");
    let listed = till.read("/v1/payouts?postponed=true").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed:#}");
    let id = path.rsplit('/').next().unwrap();
    let whereabouts = format!("/v1/wallets/{}/whereabouts", person.wallet("RUB"));
    let found = till.read(&whereabouts).await;
    let items = found["items"].as_array().unwrap();
    let item = items
        .iter()
        .find(|item| item["reference"] == format!("payout:{id}"));
    let item = item.unwrap_or_else(|| panic!("{found:#}"));
    assert_eq!(item["waits_for"], "kill_switch", "{item:#}");
    assert_eq!(at_provider(till, &path).await, 0, "nothing has left");
    till.change("/v1/providers/yookassa/resume", why).await;
    succeeds(till, &path).await;
    till.expect(&person.wallet("RUB"), -4_000);
}

/// F53 and F54: roubles become hryvnias at a quoted rate, go to a phone, and come back.
async fn an_exchange_and_a_dispute(till: &Till, person: &Person) {
    let now = Utc::now();
    let quote = |seconds: i64| {
        json!({
            "numerator": 45, "denominator": 100, "source": "desk",
            "quoted_at": now - TimeDelta::seconds(120), "expires_at": now + TimeDelta::seconds(seconds),
        })
    };
    let order = |minor: i64, quote: Value| {
        json!({
            "from": person.wallet("RUB"), "to": person.wallet("UAH"), "amount": amount(minor, "RUB"),
            "quote": quote, "description": "exchange",
        })
    };
    let old = till
        .refused("/v1/transfers", order(10_001, quote(-1)))
        .await;
    assert_eq!(old, (409, "quote_expired".to_owned()));
    let made = till
        .change("/v1/transfers", order(10_001, quote(600)))
        .await;
    let path = format!("/v1/transfers/{}", made["id"].as_str().unwrap());
    let done = till.becomes(&path, "completed").await;
    assert_eq!(done["credited"]["minor"], 4_500, "rounded down: {done:#}");
    till.expect(&person.wallet("RUB"), -10_001);
    till.expect(&person.wallet("UAH"), 4_500);

    let path = till
        .pay_out(person, 4_500, "UAH", json!({"to": "phone"}))
        .await;
    let paid = succeeds(till, &path).await;
    assert_eq!(till.wallet(&person.wallet("UAH")).await, (0, 0));
    let bill = paid["bill_id"].as_str().unwrap();
    till.portmone.reverse_bill(bill).await.unwrap();
    till.becomes(&path, "reversed").await;
    assert_eq!(till.wallet(&person.wallet("UAH")).await, (4_500, 0));
    // The news about it once more changes nothing.
    let notices = till.portmone.notices().await.unwrap();
    let news = notices.iter().find(|one| one.body.contains(bill)).unwrap();
    let (kind, body) = (&news.content_type, &news.body);
    till.portmone.add_notice(kind, body).await.unwrap();
    till.portmone.deliver().await.unwrap();
    until("the copy to be taken", || async {
        let notices = till.portmone.notices().await.unwrap();
        notices.iter().all(|one| one.accepted).then_some(())
    })
    .await;
}

/// A transfer to somebody else goes through a hold and arrives whole.
async fn between_people(till: &Till, person: &Person) {
    let other = till.person(75_000_022).await;
    let order = |minor: i64| json!({"from": person.wallet("RUB"), "to": other.wallet("RUB"), "amount": amount(minor, "RUB")});
    let (posted, _) = till.wallet(&person.wallet("RUB")).await;
    let refused = till.refused("/v1/transfers", order(posted + 1)).await;
    assert_eq!(refused, (409, "insufficient_funds".to_owned()));
    let made = till.change("/v1/transfers", order(1_234)).await;
    let path = format!("/v1/transfers/{}", made["id"].as_str().unwrap());
    till.becomes(&path, "completed").await;
    till.expect(&person.wallet("RUB"), -1_234);
    till.expect(&other.wallet("RUB"), 1_234);
}
