//! Settlement documents: compared bill by bill, booked once when nothing differs, and not at all when anything does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use kvit_commands::app::{BulkCommand, BulkMode, PaymentRequest, PayoutRequest, PayoutRoute};
use kvit_commands::context::Context;
use kvit_commands::policies::{
    Following, PaymentWorker, PaymentWorkerOptions, PayoutWorker, PayoutWorkerOptions,
};
use kvit_commands::ports::notifications::{
    InboxFault, NotificationInbox, PendingNotification, RawNotification, Received,
};
use kvit_commands::ports::operations::{Operations, OperationsFault, OurItem};
use kvit_commands::ports::payment::{
    Notice, NoticeFault, NoticeReader, NoticeTopic, SettlementBill, SettlementDocument,
};
use kvit_commands::testing::Fault;
use kvit_domain::ids::{PaymentId, PayoutId, TransactionId, UserId, WalletId};
use kvit_domain::journal::JournalEvent;
use kvit_domain::ledger::{Account, ProviderName, Side, TransactionKind};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payout::PayoutState;
use kvit_domain::reconciliation::{BreakClass, Reconciliation, StatementKind};

use super::support::{Behaviour, World, start};
use super::till::refund_id;

fn rub(minor: i64) -> Money {
    Money::new(minor, Currency::Rub)
}

fn context(step: &str) -> Context {
    Context::new("user:1", step, "settlement")
}

fn day() -> NaiveDate {
    start().date_naive()
}

/// A bill of a payment.
fn bill(id: &str, number: &str, minor: i64, fee: i64) -> SettlementBill {
    SettlementBill {
        bill_id: id.to_owned(),
        order_number: Some(number.to_owned()),
        amount: rub(minor),
        fee: Some(rub(fee)),
        reversed: false,
    }
}

fn back(id: &str, number: &str, minor: i64) -> SettlementBill {
    SettlementBill {
        reversed: true,
        fee: None,
        ..bill(id, number, minor, 0)
    }
}

fn document(id: &str, sum: i64, bills: &[SettlementBill]) -> SettlementDocument {
    SettlementDocument {
        id: id.to_owned(),
        day: Some(day()),
        sum: rub(sum),
        bills: bills.to_vec(),
    }
}

/// Two payments of 100.00 that are paid; the first has 25.00 back. At the provider they are `p1` and `p2`.
async fn shop() -> World {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    for (name, number) in [("one", "p1"), ("two", "p2")] {
        intend(&mut world, user, name).await;
        world.till.pay(number);
        run(&mut world).await;
    }
    world
        .app
        .request_refund(
            payment_id("one"),
            refund_id("back"),
            rub(2_500),
            "asked".into(),
            &context("refund"),
        )
        .await
        .unwrap();
    run(&mut world).await;
    assert_eq!(world.count("RefundSucceeded"), 1);
    world
}

fn payment_id(name: &str) -> PaymentId {
    PaymentId::derived("test", name)
}

async fn intend(world: &mut World, user_id: UserId, name: &str) {
    let request = PaymentRequest {
        payment_id: payment_id(name),
        user_id,
        provider: ProviderName::Yookassa,
        amount: rub(10_000),
        capture: true,
    };
    world
        .app
        .intend_payment(request, &context(name))
        .await
        .unwrap();
    run(world).await;
}

async fn run(world: &mut World) {
    world.settle_within(TimeDelta::seconds(90)).await;
}

/// The bills of [`shop`], with 1.50 kept of each payment: 17 500 gross, 17 200 net.
fn bills() -> [SettlementBill; 3] {
    [
        bill("901", "p1", 10_000, 150),
        bill("902", "p2", 10_000, 150),
        back("901", "p1", 2_500),
    ]
}

/// The document comes, and is followed up until it waits no more.
async fn told(world: &World, provider: ProviderName, document: &SettlementDocument) {
    let inbox = Arc::new(Inbox::default());
    inbox.put();
    let following = following(world, provider, document, &inbox);
    for _ in 0..10 {
        if following.follow_up(10).await == Ok(1) {
            return;
        }
    }
    panic!("it waits for ever");
}

fn following(
    world: &World,
    provider: ProviderName,
    document: &SettlementDocument,
    inbox: &Arc<Inbox>,
) -> Following {
    let payments = PaymentWorker::new(
        world.app.clone(),
        Arc::clone(&world.till) as Arc<_>,
        PaymentWorkerOptions::default(),
    );
    let payouts = PayoutWorker::new(
        world.app.clone(),
        Arc::clone(&world.provider) as Arc<_>,
        PayoutWorkerOptions::default(),
    );
    Following::new(
        world.app.clone(),
        Arc::clone(inbox) as Arc<_>,
        Arc::new(Told(provider, document.clone())),
        Arc::new(Bills(HashMap::from([("bill-1".to_owned(), payout_id())]))),
        (provider == ProviderName::Yookassa).then(|| Arc::new(payments)),
        (provider == ProviderName::Portmone).then(|| Arc::new(payouts)),
    )
}

async fn comes(world: &World, document: &SettlementDocument) {
    told(world, ProviderName::Yookassa, document).await;
}

/// What the journals hold: which account has it on its left, and how much. Sorted.
fn booked(world: &World) -> Vec<(String, i64)> {
    let mut booked: Vec<_> = world
        .log
        .all()
        .iter()
        .filter(|event| event.stream.aggregate_type == "journal")
        .map(|event| {
            let JournalEvent::TransactionPosted { transaction } = event.decode().unwrap() else {
                panic!("nothing is undone here");
            };
            let debit = &transaction.legs[0];
            assert_eq!(debit.side, Side::Debit);
            (debit.account.to_string(), debit.amount.minor)
        })
        .collect();
    booked.sort();
    booked
}

fn bank(minor: i64) -> (String, i64) {
    (Account::Bank.to_string(), minor)
}

fn fee(minor: i64) -> (String, i64) {
    (Account::Fees(ProviderName::Yookassa).to_string(), minor)
}

async fn reconciliation(world: &World, provider: ProviderName) -> Reconciliation {
    world
        .app
        .reconciliation(provider, StatementKind::Settlement, day())
        .await
        .unwrap()
}

/// The open breaks of the day.
async fn breaks(world: &World) -> Vec<(String, BreakClass)> {
    let day = reconciliation(world, ProviderName::Yookassa).await;
    let open = day.open.into_values();
    open.map(|found| (found.item, found.class)).collect()
}

fn item(name: &str, class: BreakClass) -> (String, BreakClass) {
    (name.to_owned(), class)
}

#[tokio::test]
async fn f61_a_settlement_that_agrees_books_fees_and_bank_once_however_often_it_comes() {
    // Gross: all that was collected arrives, and the fees stay open in the clearing.
    for arrived in [17_200, 17_500] {
        let world = shop().await;
        let document = document("7001", arrived, &bills());
        comes(&world, &document).await;
        let books = [bank(arrived), fee(150), fee(150)];
        let mut expected = books.to_vec();
        expected.sort();
        assert_eq!(booked(&world), expected);
        assert_eq!(breaks(&world).await, []);
        let recorded = reconciliation(&world, ProviderName::Yookassa).await;
        let items: Vec<_> = recorded.matched.iter().map(String::as_str).collect();
        assert_eq!(items, ["901", "901:reversed", "902", "settlement:7001"]);
        assert_eq!(world.count("NotificationVerified"), 1);
        let before = world.log.all().len();
        comes(&world, &document).await;
        assert_eq!(world.log.all().len(), before, "the copy changes nothing");
    }
}

#[tokio::test]
async fn f61_a_bill_of_a_settlement_that_we_do_not_know_keeps_it_from_the_books() {
    let world = shop().await;
    let mut list = bills().to_vec();
    list.push(bill("903", "another-shop", 5_000, 0));
    let document = document("7001", 22_200, &list);
    comes(&world, &document).await;
    assert_eq!(booked(&world), []);
    assert_eq!(breaks(&world).await, [item("903", BreakClass::TheirsOnly)]);
    assert_eq!(world.count("NotificationQuarantined"), 1);
    assert_eq!(world.count("NotificationVerified"), 0);
    let before = world.log.all().len();
    comes(&world, &document).await;
    assert_eq!(world.log.all().len(), before, "the copy changes nothing");
}

#[tokio::test]
async fn f61_an_amount_of_a_settlement_that_is_not_ours_keeps_it_from_the_books() {
    let world = shop().await;
    let list = [
        bill("901", "p1", 10_001, 150),
        bill("902", "p2", 10_000, 150),
        back("901", "p1", 2_400),
    ];
    comes(&world, &document("7001", 17_301, &list)).await;
    assert_eq!(booked(&world), []);
    let day = reconciliation(&world, ProviderName::Yookassa).await;
    let found = &day.open["901"];
    assert_eq!(found.class, BreakClass::AmountDiffers);
    assert_eq!(
        (found.theirs, found.ours),
        (Some(rub(10_001)), Some(rub(10_000)))
    );
    assert_eq!(day.open["901:reversed"].class, BreakClass::AmountDiffers);
    assert_eq!(day.open.len(), 2);
    assert_eq!(world.count("NotificationQuarantined"), 1);
}

#[tokio::test]
async fn f61_a_settlement_whose_sum_does_not_fit_is_a_break_until_a_corrected_one_comes() {
    let world = shop().await;
    comes(&world, &document("7001", 17_193, &bills())).await;
    assert_eq!(booked(&world), []);
    let day = reconciliation(&world, ProviderName::Yookassa).await;
    let found = &day.open["settlement:7001"];
    assert_eq!(found.class, BreakClass::AmountDiffers);
    assert_eq!(
        (found.theirs, found.ours),
        (Some(rub(17_193)), Some(rub(17_200)))
    );
    comes(&world, &document("7001", 17_200, &bills())).await;
    assert_eq!(booked(&world), [bank(17_200), fee(150), fee(150)]);
    assert_eq!(breaks(&world).await, [], "resolved by the later document");
    assert_eq!(world.count("BreakResolved"), 1);
}

#[tokio::test]
async fn f61_what_one_settlement_has_booked_no_other_books_again() {
    let world = shop().await;
    let first = document("7001", 17_200, &bills());
    comes(&world, &first).await;
    let books = booked(&world);
    // Under another name, the same bills; under the same name, others; one bill twice in a document.
    comes(&world, &document("7002", 17_200, &bills())).await;
    assert_eq!(
        breaks(&world).await,
        [
            item("7002:901", BreakClass::TheirsOnly),
            item("7002:901:reversed", BreakClass::TheirsOnly),
            item("7002:902", BreakClass::TheirsOnly),
        ]
    );
    comes(&world, &document("7001", 9_850, &bills()[..1])).await;
    let day = reconciliation(&world, ProviderName::Yookassa).await;
    assert_eq!(day.open["settlement:7001"].class, BreakClass::StatusDiffers);
    assert_eq!(booked(&world), books);

    let world = shop().await;
    let twice = [bills()[0].clone(), bills()[0].clone()];
    comes(&world, &document("7001", 19_700, &twice)).await;
    assert_eq!(
        breaks(&world).await,
        [item("7001:901:2", BreakClass::TheirsOnly)]
    );
    assert_eq!(booked(&world), []);
}

#[tokio::test]
async fn f61_two_settlements_of_a_day_and_a_copy_of_the_first_change_nothing_more() {
    let world = shop().await;
    let (one, two) = (bills()[0].clone(), bills()[1].clone());
    let first = document("7001", 9_850, &[one]);
    comes(&world, &first).await;
    comes(&world, &document("7002", 9_850, &[two])).await;
    let before = world.log.all().len();
    comes(&world, &first).await;
    assert_eq!(world.log.all().len(), before);
    assert_eq!(
        booked(&world),
        [bank(9_850), bank(9_850), fee(150), fee(150)]
    );
}

#[tokio::test]
async fn f61_a_fee_that_is_not_the_booked_one_keeps_a_settlement_from_the_books() {
    let world = shop().await;
    world
        .app
        .book_fee(ProviderName::Yookassa, "p2", rub(200), &context("fee"))
        .await
        .unwrap();
    let mut list = bills();
    // A fee that a reversal gives back has no booking.
    list[2].fee = Some(rub(30));
    comes(&world, &document("7001", 17_230, &list)).await;
    assert_eq!(booked(&world), [fee(200)]);
    assert_eq!(
        breaks(&world).await,
        [
            item("901:reversed", BreakClass::FeeDiffers),
            item("902", BreakClass::FeeDiffers)
        ]
    );
}

/// Also F08: nobody was told, and the settlement is the first news.
#[tokio::test]
async fn f61_a_payment_that_is_paid_without_our_knowing_is_asked_about_before_it_is_a_break() {
    let mut world = World::new().await;
    let user = world.shopper(1).await;
    intend(&mut world, user, "one").await;
    let document = document("7001", 10_000, &[bill("901", "p1", 10_000, 0)]);
    let inbox = Arc::new(Inbox::default());
    inbox.put();
    *world.till.is_away.lock().unwrap() = true;
    let following = following(&world, ProviderName::Yookassa, &document, &inbox);
    assert_eq!(following.follow_up(10).await, Ok(0), "it waits");
    *world.till.is_away.lock().unwrap() = false;
    world.till.pay("p1");
    assert_eq!(following.follow_up(10).await, Ok(1));
    assert_eq!(world.count("PaymentSucceeded"), 1);
    assert_eq!(booked(&world), [bank(10_000)]);

    let mut world = World::new().await;
    let user = world.shopper(1).await;
    intend(&mut world, user, "one").await;
    comes(&world, &document).await;
    assert_eq!(
        breaks(&world).await,
        [item("901", BreakClass::StatusDiffers)],
        "the provider itself says that it is not paid"
    );
    assert_eq!(booked(&world), []);
}

/// Also F05, F06: a crash is a log that fails before or after an append.
#[tokio::test]
async fn f61_a_crash_at_any_append_of_a_settlement_leaves_it_booked_once() {
    for append in 0..10 {
        for fault in [Fault::BeforeStore, Fault::AfterStore] {
            let world = shop().await;
            let faults = std::iter::repeat_n(Fault::None, append).chain([fault]);
            world.log.inject(faults);
            comes(&world, &document("7001", 17_200, &bills())).await;
            assert_eq!(
                booked(&world),
                [bank(17_200), fee(150), fee(150)],
                "append {append}, {fault:?}"
            );
            assert_eq!(breaks(&world).await, [], "append {append}, {fault:?}");
        }
    }
}

fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}

fn payout_id() -> PayoutId {
    PayoutId::derived("test", "payout")
}

/// A payout of 5.00, whose bill at the provider is `bill-1`.
async fn payout(behaviour: Behaviour) -> World {
    let mut world = World::new().await;
    world.provider.plan.lock().unwrap().push_back(behaviour);
    let user_id = world.shopper(1).await;
    let credit = BulkCommand::Post {
        wallet_id: WalletId {
            user: user_id,
            currency: Currency::Uah,
        },
        transaction_id: TransactionId::derived("test", "rich"),
        side: Side::Credit,
        amount: uah(500),
        account: Account::BonusExpense,
        kind: TransactionKind::Reward,
        value_date: None,
        reference: "test".into(),
        description: String::new(),
    };
    world
        .app
        .run_bulk(BulkMode::Atomic, vec![credit], &context("rich"))
        .await
        .unwrap();
    let request = PayoutRequest {
        payout_id: payout_id(),
        user_id,
        amount: uah(500),
        receipt_id: None,
        route: PayoutRoute::Phone { operator: None },
    };
    world
        .app
        .request_payout(request, &context("payout"))
        .await
        .unwrap();
    world.settle_within(TimeDelta::seconds(5)).await;
    world
}

fn payout_document(minor: i64, reversed: bool) -> SettlementDocument {
    SettlementDocument {
        sum: uah(minor),
        bills: vec![SettlementBill {
            bill_id: "bill-1".to_owned(),
            order_number: None,
            amount: uah(minor),
            fee: None,
            reversed,
        }],
        ..document("7001", 0, &[])
    }
}

#[tokio::test]
async fn f61_a_payout_bill_of_a_settlement_is_compared_and_books_nothing() {
    let world = payout(Behaviour::Pay).await;
    told(&world, ProviderName::Portmone, &payout_document(500, false)).await;
    let day = reconciliation(&world, ProviderName::Portmone).await;
    assert!(day.matched.contains("bill-1") && day.open.is_empty());
    assert_eq!(world.count("NotificationVerified"), 1);
    assert_eq!(
        booked(&world),
        [],
        "it never was in the clearing of payments"
    );

    let world = payout(Behaviour::Pay).await;
    told(&world, ProviderName::Portmone, &payout_document(499, false)).await;
    let day = reconciliation(&world, ProviderName::Portmone).await;
    assert_eq!(day.open["bill-1"].class, BreakClass::AmountDiffers);

    // The document says that it came back, and the provider says that it did not.
    let world = payout(Behaviour::Pay).await;
    told(&world, ProviderName::Portmone, &payout_document(500, true)).await;
    let day = reconciliation(&world, ProviderName::Portmone).await;
    let found = &day.open["bill-1:reversed"];
    assert_eq!(found.class, BreakClass::StatusDiffers);
    assert_eq!(world.count("NotificationQuarantined"), 1);

    // It did, and nobody had told: the provider is asked.
    world.provider.take_back("bill-1");
    let mut both = payout_document(500, false);
    both.bills.extend(payout_document(500, true).bills);
    both.sum = uah(0);
    both.id = "7002".to_owned();
    told(&world, ProviderName::Portmone, &both).await;
    let state = world.app.payout(payout_id()).await.unwrap().state;
    assert_eq!(state, PayoutState::Reversed);
    let day = reconciliation(&world, ProviderName::Portmone).await;
    assert!(day.matched.contains("bill-1:reversed") && day.matched.contains("settlement:7002"));

    // Nobody knew whether it was paid: the provider is asked.
    let world = payout(Behaviour::PayButLoseTheAnswer).await;
    told(&world, ProviderName::Portmone, &payout_document(500, false)).await;
    let state = world.app.payout(payout_id()).await.unwrap().state;
    assert_eq!(state, PayoutState::Succeeded);
    assert_eq!(world.count("NotificationVerified"), 1);
}

#[tokio::test]
async fn f61_a_payout_among_the_bills_is_no_part_of_what_arrived() {
    let mut world = payout(Behaviour::Pay).await;
    let user = world.shopper(1).await;
    intend(&mut world, user, "one").await;
    world.till.pay("p1");
    run(&mut world).await;
    let list = [
        bills()[0].clone(),
        payout_document(500, false).bills[0].clone(),
    ];
    comes(&world, &document("7001", 9_850, &list)).await;
    assert_eq!(breaks(&world).await, []);
    assert_eq!(booked(&world), [bank(9_850), fee(150)]);
}

#[tokio::test]
async fn a_settlement_without_a_possible_day_is_of_the_day_on_which_it_came() {
    for told in [None, NaiveDate::from_ymd_opt(9_999, 1, 1)] {
        let world = shop().await;
        let mut document = document("7001", 17_200, &bills());
        document.day = told;
        comes(&world, &document).await;
        let day = reconciliation(&world, ProviderName::Yookassa).await;
        assert!(day.matched.contains("settlement:7001"), "{told:?}");
    }
}

/// Reads every body as this document.
struct Told(ProviderName, SettlementDocument);

impl NoticeReader for Told {
    fn provider(&self) -> ProviderName {
        self.0
    }
    fn read(&self, _: &str, _: &[u8]) -> Result<Vec<Notice>, NoticeFault> {
        Ok(vec![Notice {
            event: "settlement".to_owned(),
            topic: NoticeTopic::Settlement(self.1.clone()),
        }])
    }
}

#[derive(Default)]
struct Inbox(Mutex<Vec<PendingNotification>>);

impl Inbox {
    fn put(&self) {
        self.0.lock().unwrap().push(PendingNotification {
            digest: "0".repeat(64),
            raw: RawNotification {
                provider: "any".into(),
                content_type: "text/xml".into(),
                body: Bytes::new(),
                received_at: start(),
            },
        });
    }
}

#[async_trait]
impl NotificationInbox for Inbox {
    async fn receive(&self, _: RawNotification) -> Result<Received, InboxFault> {
        Ok(Received::Stored)
    }
    async fn pending(&self, _: &str, _: u32) -> Result<Vec<PendingNotification>, InboxFault> {
        Ok(self.0.lock().unwrap().clone())
    }
    async fn follow_up(&self, _: &str, digest: &str, _: DateTime<Utc>) -> Result<(), InboxFault> {
        self.0.lock().unwrap().retain(|one| one.digest != digest);
        Ok(())
    }
}

/// Payouts by their bills.
struct Bills(HashMap<String, PayoutId>);

#[async_trait]
impl Operations for Bills {
    async fn payout_by_bill(
        &self,
        _: ProviderName,
        bill_id: &str,
    ) -> Result<Option<PayoutId>, OperationsFault> {
        Ok(self.0.get(bill_id).copied())
    }
    async fn list(
        &self,
        _: ProviderName,
        _: StatementKind,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<OurItem>, OperationsFault> {
        Ok(vec![])
    }
}
