//! All books about money side by side: the model of the test, the wallets, the ledger, the providers, the log itself.

use std::collections::BTreeMap;

use kvit_adapters::sandbox::yookassa::{PaymentStatus, YookassaBooks};
use serde_json::Value;

use super::till::Till;

/// Looks at everything once nothing is under way any more.
pub async fn all_agree(till: &Till) {
    wallets(till, &till.expected()).await;
    let ledger = Ledger::read(till).await;
    clearing(till, &ledger).await;
    proofs(till).await;
}

/// The operator's accounts.
pub struct Ledger(BTreeMap<(String, String), i64>);

impl Ledger {
    pub async fn read(till: &Till) -> Self {
        let trial = till.read("/v1/trial-balance").await;
        assert_eq!(trial["balanced"], true, "{trial:#}");
        let minor = |value: &Value| value["minor"].as_i64().unwrap();
        let lines = trial["accounts"].as_array().unwrap().iter().map(|line| {
            let name = line["account"].as_str().unwrap().to_owned();
            let currency = line["debit"]["currency"].as_str().unwrap().to_owned();
            (
                (name, currency),
                minor(&line["debit"]) - minor(&line["credit"]),
            )
        });
        Self(lines.collect())
    }

    /// Debits less credits of an account.
    pub fn of(&self, account: &str, currency: &str) -> i64 {
        let key = (account.to_owned(), currency.to_owned());
        self.0.get(&key).copied().unwrap_or_default()
    }
}

/// Each wallet holds what the test has counted, nothing of it is held for something, and no wallet is there besides.
pub async fn wallets(till: &Till, expected: &BTreeMap<String, i64>) {
    let mut seen = BTreeMap::new();
    let users = till.read("/v1/users?limit=200").await;
    for user in users["data"].as_array().unwrap() {
        let id = user["id"].as_str().unwrap();
        let own = till.read(&format!("/v1/users/{id}/wallets")).await;
        for wallet in own["data"].as_array().unwrap() {
            let name = wallet["id"].as_str().unwrap().to_owned();
            assert_eq!(wallet["held"]["minor"], 0, "{wallet}");
            seen.insert(name, wallet["posted"]["minor"].as_i64().unwrap());
        }
    }
    let nothing = |books: &BTreeMap<String, i64>| {
        let mut books = books.clone();
        books.retain(|_, minor| *minor != 0);
        books
    };
    assert_eq!(
        nothing(&seen),
        nothing(expected),
        "wallets, seen and expected"
    );
}

/// What the provider has moved for us, without what it has for others.
fn own_payments(theirs: &YookassaBooks) -> (i64, i64, i64) {
    let paid = theirs
        .payments
        .iter()
        .filter(|one| one.operation_id.is_some() && one.status == PaymentStatus::Succeeded);
    paid.fold((0, 0, 0), |(captured, fees, refunded), one| {
        (
            captured + one.captured_minor,
            fees + one.fee_minor,
            refunded + one.refunded_minor,
        )
    })
}

/// The providers' books and the clearing accounts, to the kopeck.
pub async fn clearing(till: &Till, ledger: &Ledger) {
    let theirs = till.yookassa.books().await.unwrap();
    let (captured, fees, refunded) = own_payments(&theirs);
    let rub = |account: &str| ledger.of(account, "RUB");
    assert_eq!(rub("fees:yookassa"), fees, "fees: {theirs:#?}");
    assert_eq!(
        rub("payments:yookassa:clearing"),
        captured - fees - refunded,
        "payments: {theirs:#?}"
    );
    assert_eq!(
        -rub("payouts:yookassa:clearing"),
        theirs.totals("RUB").paid_out_minor,
        "payouts: {theirs:#?}"
    );
    let bills = till.telegram().bills().await.unwrap();
    assert_eq!(
        -ledger.of("payouts:portmone:clearing", "UAH"),
        bills.moved_minor,
        "payouts: {bills:#?}"
    );
    let cards = till.portmone.books().await.unwrap();
    assert_eq!(
        ledger.of("payments:portmone:clearing", "UAH") + ledger.of("fees:portmone", "UAH"),
        cards.paid_minor - cards.returned_minor,
        "card payments: {cards:#?}"
    );
    assert_eq!(rub("transfers:clearing"), 0, "transfers are whole");
}

/// The auditor's programs, as anybody would run them.
pub async fn proofs(till: &Till) {
    for command in ["replay", "checkpoint", "verify"] {
        let (code, said) = till.home.run(&[command]).await;
        assert_eq!(code, Some(0), "kvit {command}: {said}");
    }
    let panics = till.home.panics();
    assert_eq!(panics, Vec::<String>::new());
}
