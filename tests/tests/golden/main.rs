//! One real example of every version of every event that was ever written. History is never rewritten, so whatever stands
//! in these files must be readable for ever.
//!
//! `KVIT_BLESS=1 cargo test -p kvit-tests --test golden` writes the files of new events; a file that is there is never
//! changed by it. When an event's shape changes, raise its version, add an upcaster, change the example below to the new
//! shape and bless: the old file stays beside the new one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod money;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use cqrs_es::{Aggregate, DomainEvent};
use kvit_domain::campaign::{Campaign, CampaignEvent};
use kvit_domain::catalogue::{Catalogue, CatalogueEvent};
use kvit_domain::claim::{FiscalReceipt, FiscalReceiptEvent, Image, ImageEvent};
use kvit_domain::ids::{CampaignId, HoldId, PayoutId, ReceiptId, TransactionId, UserId, WalletId};
use kvit_domain::job::{Job, JobEvent};
use kvit_domain::ledger::{Account, ProviderName, Transaction, TransactionKind};
use kvit_domain::matching::{MatchKind, Product, ProductMatch};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::{Payout, PayoutEvent, PayoutMethod};
use kvit_domain::phone::Operator;
use kvit_domain::quantity::Quantity;
use kvit_domain::quota::{Quota, QuotaEvent};
use kvit_domain::receipt::{
    CampaignVersion, Corrections, ImageRef, Receipt, ReceiptEvent, Verdict,
};
use kvit_domain::recognition::{
    Anomaly, Confidence, Field, FiscalQr, QrForm, QrReading, ReceiptItem, Recognition, Region,
};
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::{CampaignTerms, LineMatch, Reason, ReasonCode};
use kvit_domain::sealed::Sealed;
use kvit_domain::upcast;
use kvit_domain::user::{Language, User, UserEvent};
use kvit_domain::wallet::{ReleaseReason, Wallet, WalletEvent};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Checks all files of one aggregate.
fn check<A>(types: &[&str], examples: Vec<A::Event>)
where
    A: Aggregate,
    A::Event: PartialEq + Debug,
{
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/events")
        .join(A::TYPE);
    let bless = std::env::var_os("KVIT_BLESS").is_some();
    let mut shown = BTreeSet::new();
    for example in &examples {
        let (name, version) = (example.event_type(), example.event_version());
        let file = folder.join(format!("{name}.v{version}.json"));
        if bless && !file.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            let text = serde_json::to_string_pretty(&payload(example)).unwrap();
            std::fs::write(&file, format!("{text}\n")).unwrap();
        }
        assert_eq!(
            read::<A>(&file),
            *example,
            "{}: not what is written today",
            file.display()
        );
        assert_eq!(
            payload(example),
            serde_json::from_str::<Value>(&text(&file)).unwrap(),
            "{}: written differently today, which needs a new version",
            file.display()
        );
        shown.insert(name);
    }
    let named: BTreeSet<String> = types.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, shown, "{}: each event has an example", A::TYPE);
    // Older versions, and events that are not written any more.
    for entry in std::fs::read_dir(&folder).unwrap() {
        let event = read::<A>(&entry.unwrap().path());
        let again: A::Event = serde_json::from_value(payload(&event)).unwrap();
        assert_eq!(event, again);
    }
}

/// As the log would give it: name and version from the file's name, the payload as it was stored.
fn read<A: Aggregate>(file: &Path) -> A::Event {
    let name = file.file_name().unwrap().to_str().unwrap();
    let (event_type, rest) = name.split_once(".v").unwrap();
    let version = rest.strip_suffix(".json").unwrap();
    let raw: Box<RawValue> = serde_json::from_str(&text(file)).unwrap();
    upcast::decode(A::TYPE, event_type, version, &raw)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; a new event? KVIT_BLESS=1 writes its file",
            file.display()
        )
    })
}

fn payload<E: DomainEvent>(event: &E) -> Value {
    serde_json::to_value(event).unwrap()
}

// Values. All invented; ids are derived, so that they are the same in every run.

fn user_id() -> UserId {
    UserId::derived("user", "golden")
}

fn receipt_id() -> ReceiptId {
    ReceiptId::derived("receipt", "golden")
}

fn wallet_id() -> WalletId {
    WalletId {
        user: user_id(),
        currency: Currency::Uah,
    }
}

fn hold_id() -> HoldId {
    HoldId::derived("payout", "golden")
}

fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}

fn at(hour: u32) -> DateTime<Utc> {
    local(hour).and_utc()
}

fn local(hour: u32) -> NaiveDateTime {
    day().and_hms_opt(hour, 4, 5).unwrap()
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 14).unwrap()
}

fn sealed(text: &str) -> Sealed {
    Sealed::from_sealed(format!("v1.0f1e2d3c.{text}"))
}

fn transaction(kind: TransactionKind, debit: Account, credit: Account) -> Transaction {
    let id = TransactionId::derived("golden", &format!("{kind:?}"));
    Transaction::simple(
        id,
        kind,
        debit,
        credit,
        uah(100),
        day(),
        receipt_id().to_string(),
    )
}

fn reward() -> Transaction {
    transaction(
        TransactionKind::Reward,
        Account::BonusExpense,
        Account::Wallet(wallet_id()),
    )
}

fn paid_out() -> Transaction {
    let clearing = Account::PayoutsClearing(ProviderName::Portmone);
    transaction(
        TransactionKind::Payout,
        Account::Wallet(wallet_id()),
        clearing,
    )
}

fn campaign() -> CampaignVersion {
    CampaignVersion {
        id: CampaignId::derived("campaign", "golden"),
        version: 3,
    }
}

fn product() -> Product {
    Product {
        code: "13310".to_owned(),
        names: vec!["Цитрамон-Дарниця табл. №10".to_owned()],
        aliases: vec!["Цитрамон Дарн.".to_owned()],
        barcodes: vec!["2000000133102".to_owned()],
        active: true,
    }
}

fn field<T>(value: T) -> Option<Field<T>> {
    let region = Region {
        x: 12,
        y: 34,
        width: 560,
        height: 78,
    };
    Some(Field {
        value,
        confidence: Confidence::from_thousandths(930),
        region: Some(region),
    })
}

fn recognition() -> Recognition {
    Recognition {
        qr: QrReading::Fiscal {
            fiscal: FiscalQr {
                form: QrForm::Link,
                register_number: "4001123456".to_owned(),
                receipt_number: "Zr8-k_2QmXa".to_owned(),
                purchased_at: local(11),
                total_minor: 7_300,
                currency: Currency::Uah,
                is_return: false,
            },
            step: "grey".to_owned(),
        },
        merchant: field("ТОВ «Аптека Вигадана»".to_owned()),
        tax_id: field("12345678".to_owned()),
        register_number: field("4001123456".to_owned()),
        receipt_number: field("Zr8-k_2QmXa".to_owned()),
        purchased_at: field(local(11)),
        purchased_on: field(day()),
        currency: Currency::Uah,
        total_minor: field(7_300),
        items: vec![ReceiptItem {
            name: "Цитрамон-Дарниця табл. №10".to_owned(),
            quantity: Quantity::from_thousandths(2_000),
            unit_price_minor: Some(3_650),
            sum_minor: 7_300,
            discount_minor: 0,
            tax: Some("А".to_owned()),
            barcode: Some("2000000133102".to_owned()),
            code: Some("13310".to_owned()),
            confidence: Confidence::from_thousandths(905),
        }],
        is_return: false,
        confidence: Confidence::from_thousandths(921),
        anomalies: vec![Anomaly::TotalMismatch {
            lines_minor: 7_300,
            total_minor: 7_301,
        }],
        text: String::new(),
        stage_ms: vec![("qr".to_owned(), 41), ("text".to_owned(), 702)],
        short_edge_px: 1_080,
    }
}

// The examples.

#[test]
fn user_events_stay_readable() {
    use UserEvent as E;
    check::<User>(
        E::TYPES,
        vec![
            E::Registered {
                telegram_id: sealed("dGVsZWdyYW0"),
            },
            E::TermsAccepted {
                version: "1".to_owned(),
                language: Language::Uk,
            },
            E::PhoneShared {
                phone: sealed("cGhvbmU"),
                phone_hash: "9f86d081884c7d659a2feaa0c55ad015".to_owned(),
                operator: Operator::Kyivstar,
            },
            E::LanguageChosen {
                language: Language::En,
            },
            E::NotificationsSet { enabled: false },
            E::Banned {
                reason: "forged receipts".to_owned(),
            },
            E::Unbanned {
                reason: "it was a mistake".to_owned(),
            },
            E::BlockedBot {},
            E::Returned {},
            E::Forgotten {},
        ],
    );
}

#[test]
fn receipt_events_stay_readable() {
    use ReceiptEvent as E;
    let matches = vec![LineMatch {
        line: 0,
        found: ProductMatch {
            kind: MatchKind::Barcode,
            product: Some("13310".to_owned()),
            score: 1_000,
        },
        quantity: Quantity::from_thousandths(2_000),
        net_minor: 7_300,
    }];
    let reasons = vec![Reason::new(ReasonCode::Expired).with("days", 7)];
    let image = ImageRef {
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        key: "receipts/2026/03/9f86d081884c7d65/photo.jpg".to_owned(),
        content_type: "image/jpeg".to_owned(),
        bytes: 234_567,
    };
    check::<Receipt>(
        E::TYPES,
        vec![
            E::ReceiptSubmitted {
                user_id: user_id(),
                image,
                duplicate_of: Some(ReceiptId::derived("receipt", "earlier")),
                submitted_at: at(12),
            },
            E::ReceiptRecognised {
                recognition: Box::new(recognition()),
            },
            E::RecognitionFailed {
                code: "not_an_image".to_owned(),
            },
            E::RegistryChecked {
                outcome: "found".to_owned(),
            },
            E::ReceiptAccepted {
                user_id: user_id(),
                campaign: campaign(),
                reward: uah(100),
                matches,
            },
            E::ReceiptRejected {
                campaign: Some(campaign()),
                reasons: reasons.clone(),
            },
            E::ReviewRequested {
                campaign: campaign(),
                reasons,
            },
            E::FieldsCorrected {
                corrections: Corrections {
                    total_minor: Some(7_300),
                    purchased_at: Some(local(11)),
                    merchant: Some("ТОВ «Аптека Вигадана»".to_owned()),
                },
                reason: "readable by eye".to_owned(),
            },
            E::ReviewDecided {
                verdict: Verdict::Accept,
                reason: "readable by eye".to_owned(),
            },
            E::Appealed {},
            E::RewardPosted {
                user_id: user_id(),
                transaction_id: TransactionId::derived("reward", "golden"),
                amount: uah(100),
            },
        ],
    );
}

#[test]
fn claims_stay_readable() {
    use FiscalReceiptEvent as F;
    use ImageEvent as I;
    let (receipt_id, user_id) = (receipt_id(), user_id());
    check::<FiscalReceipt>(
        F::TYPES,
        vec![
            F::Claimed {
                receipt_id,
                user_id,
            },
            F::ClaimReleased { receipt_id },
        ],
    );
    check::<Image>(
        I::TYPES,
        vec![
            I::Claimed {
                receipt_id,
                user_id,
            },
            I::ClaimReleased { receipt_id },
        ],
    );
}

#[test]
fn wallet_events_stay_readable() {
    use WalletEvent as E;
    let back = transaction(
        TransactionKind::Adjustment,
        Account::Wallet(wallet_id()),
        Account::BonusExpense,
    );
    check::<Wallet>(
        E::TYPES,
        vec![
            E::WalletOpened {
                wallet_id: wallet_id(),
            },
            E::TransactionPosted {
                transaction: reward(),
            },
            E::HoldPlaced {
                hold_id: hold_id(),
                amount: uah(100),
                purpose: format!("payout:{}", PayoutId::derived("reward_payout", "golden")),
                expires_at: at(20),
            },
            E::HoldCaptured {
                hold_id: hold_id(),
                transaction: paid_out(),
            },
            E::HoldReleased {
                hold_id: hold_id(),
                amount: uah(100),
                reason: ReleaseReason::Failed,
            },
            E::HoldExpired {
                hold_id: hold_id(),
                amount: uah(100),
            },
            E::TransactionReversed {
                original_id: reward().id,
                transaction: back,
            },
            E::CommandRefused {
                command: "place_hold".to_owned(),
                rejection: Rejection::new("insufficient_funds", "the wallet has too little")
                    .with("available_minor", 40),
            },
        ],
    );
}

#[test]
fn payout_events_stay_readable() {
    use PayoutEvent as E;
    check::<Payout>(
        E::TYPES,
        vec![
            E::PayoutRequested {
                user_id: user_id(),
                wallet_id: wallet_id(),
                amount: uah(100),
                destination: sealed("ZGVzdGluYXRpb24"),
                operator: Some(Operator::Kyivstar),
                provider: ProviderName::Portmone,
                receipt_id: Some(receipt_id()),
                method: PayoutMethod::MobileTopUp,
            },
            E::FundsHeld { hold_id: hold_id() },
            E::PayoutCreated {
                attempt: 1,
                bill_id: "700012345".to_owned(),
            },
            E::PayoutSent {
                attempt: 1,
                sender: Uuid::from_u128(0x1234_5678_9abc),
                at: at(13),
            },
            E::BudgetTaken { day: day() },
            E::PayoutPostponed {
                reason: "daily_budget".to_owned(),
                until: Some(at(22)),
            },
            E::PayoutPending {
                attempt: 1,
                provider_id: Some("po-2f1e0d3c".to_owned()),
            },
            E::PayoutUnknown {
                attempt: 1,
                reason: "the connection broke".to_owned(),
            },
            E::PayoutSucceeded {
                bill_id: "700012345".to_owned(),
                paid_at: Some(local(14)),
                provider_id: None,
            },
            E::PayoutFailed {
                attempt: 1,
                code: "s901".to_owned(),
                is_final: false,
                retry_at: Some(at(13)),
            },
            E::ReviewProposed {
                paid: true,
                by: "api:golden".to_owned(),
                reason: "seen in the provider's statement".to_owned(),
            },
            E::PayoutContradicted {
                status: "paid".to_owned(),
            },
            E::ReviewDecided {
                paid: true,
                reason: "seen in the provider's statement".to_owned(),
            },
            E::PayoutReversed {
                bill_id: "700012345".to_owned(),
            },
            E::SentToReview {
                reason: "nothing to ask about".to_owned(),
            },
        ],
    );
}

#[test]
fn job_events_stay_readable() {
    use JobEvent as E;
    check::<Job>(
        E::TYPES,
        vec![
            E::JobRequested {
                user_id: user_id(),
                wallet_id: wallet_id(),
                kind: "image.generate".to_owned(),
                estimate: uah(1_500),
                expires_at: at(18),
            },
            E::FundsHeld { hold_id: hold_id() },
            E::JobStarted {
                worker: "worker-1".to_owned(),
            },
            E::JobProgressed { percent: 40 },
            E::JobCompleted {
                cost: uah(1_200),
                result_key: "results/2026/03/golden.png".to_owned(),
            },
            E::JobFailed {
                code: "no_answer".to_owned(),
            },
            E::JobCancelled {},
            E::JobExpired {},
            E::ResultDelivered {},
        ],
    );
}

#[test]
fn campaign_and_catalogue_events_stay_readable() {
    use CampaignEvent as C;
    use CatalogueEvent as P;
    let terms = CampaignTerms::default_campaign(1_000_000, 100_000_000);
    check::<Campaign>(
        C::TYPES,
        vec![
            C::Drafted {
                name: "Spring".to_owned(),
                terms: terms.clone(),
            },
            C::Activated {},
            C::Changed {
                terms: CampaignTerms {
                    daily_limit: 5,
                    ..terms
                },
            },
            C::Paused {},
            C::Archived {},
        ],
    );
    check::<Catalogue>(
        P::TYPES,
        vec![
            P::ProductAdded { product: product() },
            P::ProductChanged {
                product: Product {
                    aliases: Vec::new(),
                    ..product()
                },
            },
            P::ProductRetired {
                code: "13310".to_owned(),
            },
        ],
    );
}

#[test]
fn quota_events_stay_readable() {
    use QuotaEvent as E;
    let taker = receipt_id().to_string();
    check::<Quota>(
        E::TYPES,
        vec![
            E::QuotaTaken {
                taker: taker.clone(),
                units: 100,
            },
            E::QuotaReturned { taker, units: 100 },
        ],
    );
}

/// Upcasters are found by the event's name alone, without its aggregate's: two events of one name that change apart would
/// be mistaken for each other. The pairs that exist are listed, and neither may leave version 1 before that is settled.
#[test]
fn events_of_the_same_name_in_two_aggregates_are_known() {
    let all = [
        UserEvent::TYPES,
        ReceiptEvent::TYPES,
        FiscalReceiptEvent::TYPES,
        ImageEvent::TYPES,
        WalletEvent::TYPES,
        PayoutEvent::TYPES,
        JobEvent::TYPES,
        CampaignEvent::TYPES,
        CatalogueEvent::TYPES,
        QuotaEvent::TYPES,
    ];
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for name in all.iter().flat_map(|types| types.iter()) {
        if !seen.insert(*name) {
            twice.insert(*name);
        }
    }
    assert_eq!(
        twice,
        BTreeSet::from(["ClaimReleased", "Claimed", "FundsHeld", "ReviewDecided"])
    );
}
