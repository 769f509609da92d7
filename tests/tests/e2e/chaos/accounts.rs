//! Who must have what, from what was promised to the programs and from the providers' books alone, and how each operation
//! ended. Nothing in here reads our own books to find out what they should be.

use std::collections::BTreeMap;

use kvit_adapters::sandbox::yookassa::{PaymentStatus, TransferStatus, YookassaBooks};
use serde_json::Value;

use super::movers::{Deeds, RATE};
use crate::support::till::{Person, Till};

/// Each wallet's balance as it must be.
pub async fn due(till: &Till, people: &[Person], deeds: &[Deeds]) -> BTreeMap<String, i64> {
    let theirs = till.yookassa.books().await.unwrap();
    let bills = till.telegram().bills().await.unwrap();
    let mut wallets: BTreeMap<String, i64> = BTreeMap::new();
    let mut add = |wallet: String, minor: i64| *wallets.entry(wallet).or_default() += minor;
    for (person, own) in people.iter().zip(deeds) {
        let roubles = person.wallet("RUB");
        for id in &own.payments {
            let paid = of_payment(&theirs, id);
            add(roubles.clone(), paid.0 - paid.1);
        }
        for id in &own.payouts {
            add(roubles.clone(), -of_payout(&theirs, id));
        }
        for (_, to, minor) in &own.transfers {
            add(roubles.clone(), -minor);
            add(people[*to].wallet("RUB"), *minor);
        }
        for (_, minor) in &own.exchanges {
            add(roubles.clone(), -minor);
            add(person.wallet("UAH"), minor * RATE / 100);
        }
        let phone = person.shopper.phone.as_str();
        let numbers = bills.moved_by_contract.iter();
        let moved = numbers
            .filter(|(number, _)| phone.ends_with(number.as_str()) || number.ends_with(phone));
        add(
            person.wallet("UAH"),
            -moved.map(|(_, minor)| minor).sum::<i64>(),
        );
    }
    wallets
}

/// What the provider has taken and given back for one of our payments. Never more than one payment of theirs may have moved
/// money for it.
fn of_payment(theirs: &YookassaBooks, id: &str) -> (i64, i64) {
    let own = theirs.payments.iter();
    let moved: Vec<_> = own
        .filter(|one| one.operation_id.as_deref() == Some(id))
        .filter(|one| one.status == PaymentStatus::Succeeded)
        .collect();
    assert!(moved.len() <= 1, "doubled: {moved:#?}");
    moved
        .first()
        .map_or((0, 0), |one| (one.captured_minor, one.refunded_minor))
}

fn of_payout(theirs: &YookassaBooks, id: &str) -> i64 {
    let own = theirs.payouts.iter();
    let moved: Vec<_> = own
        .filter(|one| one.operation_id.as_deref() == Some(id))
        .filter(|one| one.status == TransferStatus::Succeeded)
        .collect();
    assert!(moved.len() <= 1, "doubled: {moved:#?}");
    moved.first().map_or(0, |one| one.amount_minor)
}

/// Each operation says what the provider says about it.
pub async fn ends_agree(till: &Till, deeds: &[Deeds], ends: &BTreeMap<String, Value>) {
    let theirs = till.yookassa.books().await.unwrap();
    let end = |kind: &str, id: &str| &ends[&format!("/v1/{kind}/{id}")];
    for own in deeds {
        for id in &own.payments {
            let (captured, refunded) = of_payment(&theirs, id);
            let shown = end("payments", id);
            let is_paid = shown["state"] == "succeeded";
            assert_eq!(is_paid, captured > 0, "{shown:#}");
            assert!(is_paid || shown["state"] == "canceled", "{shown:#}");
            let minor = |name: &str| shown[name]["minor"].as_i64().unwrap_or_default();
            assert_eq!((minor("paid"), minor("refunded")), (captured, refunded));
            assert_eq!(shown["contradicted"], Value::Null, "{shown:#}");
        }
        for id in &own.payouts {
            let shown = end("payouts", id);
            let is_paid = shown["state"] == "succeeded";
            assert_eq!(is_paid, of_payout(&theirs, id) > 0, "{shown:#}");
        }
        for (id, ..) in &own.transfers {
            assert_eq!(end("transfers", id)["state"], "completed");
        }
        for (id, _) in &own.exchanges {
            assert_eq!(end("transfers", id)["state"], "completed");
        }
    }
}
