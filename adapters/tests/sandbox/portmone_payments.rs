//! The payment port: what the workers and reconciliation see of card payments.

use chrono::TimeDelta;
use kvit_adapters::portmone::gateway::{GatewayWire, OrderNumber, PortmonePayments};
use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::portmone::faults::{Blemish, PortmoneAction};
use kvit_adapters::sandbox::portmone::gateway::{Act, Deed};
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider, RefundOrder};
use kvit_commands::ports::statement::{ItemStatus, StatementSource};
use kvit_commands::ports::time::Clock;
use kvit_domain::ids::{PaymentId, RefundId};
use kvit_domain::money::{Currency, Money};
use kvit_domain::payment::{PaymentSnapshot, RefundStatus, SnapshotStatus};
use kvit_domain::reconciliation::StatementKind;

use crate::common::sandbox;
use crate::portmone_shop::{MovedClock, control, payments};

const WIRES: [GatewayWire; 2] = [GatewayWire::Json, GatewayWire::Form];

fn uah(minor: i64) -> Money {
    Money::new(minor, Currency::Uah)
}

fn order(name: &str) -> PaymentOrder {
    PaymentOrder {
        payment_id: PaymentId::derived("payment", name),
        idempotence_key: "key".into(),
        amount: uah(10_050),
        capture: true,
        description: "kvit".into(),
        return_url: "https://shop.example/return".into(),
    }
}

fn refund(name: &str, payment: &PaymentSnapshot, minor: i64) -> RefundOrder {
    RefundOrder {
        refund_id: RefundId::derived("refund", name),
        payment_id: PaymentId::derived("payment", "1"),
        provider_payment_id: payment.provider_id.clone(),
        idempotence_key: "key".into(),
        amount: uah(minor),
        description: "kvit".into(),
    }
}

async fn started(wire: GatewayWire) -> (RunningSandbox, MovedClock, PortmonePayments) {
    let (sandbox, clock) = (sandbox().await, MovedClock::default());
    let port = payments(&sandbox, wire, &clock);
    (sandbox, clock, port)
}

async fn now(port: &PortmonePayments, payment: &PaymentSnapshot) -> PaymentSnapshot {
    port.get(&payment.provider_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_payment_is_pending_until_somebody_pays_and_names_our_operation_all_the_while() {
    for wire in WIRES {
        let (sandbox, _, port) = started(wire).await;
        let created = port.create(&order("1")).await.unwrap();
        assert!(
            created
                .confirmation_url
                .as_ref()
                .unwrap()
                .contains("/gateway/pay/")
        );
        let operation = order("1").payment_id.to_string();
        assert_eq!(created.operation_id, Some(operation.clone()));
        assert_eq!(
            OrderNumber::parse(&created.provider_id).unwrap().payment_id,
            order("1").payment_id
        );
        let pending = now(&port, &created).await;
        assert_eq!(
            (&pending.status, pending.amount, pending.test),
            (&SnapshotStatus::Pending, uah(10_050), true)
        );
        let declined = Act {
            deed: Deed::Decline,
            days_ago: 0,
            late: false,
        };
        control(&sandbox)
            .act(&created.provider_id, declined)
            .await
            .unwrap();
        assert_eq!(
            now(&port, &created).await.status,
            SnapshotStatus::Pending,
            "one refusal is not the end"
        );
        control(&sandbox).pay(&created.provider_id).await.unwrap();
        let paid = now(&port, &created).await;
        assert_eq!(
            (&paid.status, paid.amount),
            (&SnapshotStatus::Succeeded, uah(10_050))
        );
        assert_eq!(paid.operation_id, Some(operation));
    }
}

#[tokio::test]
async fn f31_a_page_that_nobody_used_ends_without_money_and_a_late_payment_still_counts() {
    let (sandbox, clock, port) = started(GatewayWire::Json).await;
    let created = port.create(&order("1")).await.unwrap();
    clock.advance(TimeDelta::hours(24));
    assert_eq!(
        now(&port, &created).await.status,
        SnapshotStatus::Pending,
        "a bank may be slow"
    );
    clock.advance(TimeDelta::hours(2));
    assert!(matches!(
        now(&port, &created).await.status,
        SnapshotStatus::Canceled { .. }
    ));
    control(&sandbox).pay(&created.provider_id).await.unwrap();
    assert_eq!(now(&port, &created).await.status, SnapshotStatus::Succeeded);
}

#[tokio::test]
async fn f30_an_order_paid_twice_shows_a_sum_that_was_not_asked_for() {
    let (sandbox, _, port) = started(GatewayWire::Json).await;
    let created = port.create(&order("1")).await.unwrap();
    for _ in 0..2 {
        control(&sandbox).pay(&created.provider_id).await.unwrap();
    }
    let twice = now(&port, &created).await;
    assert_eq!(
        (twice.status, twice.amount),
        (SnapshotStatus::Succeeded, uah(20_100))
    );
    let error = port.refund(&refund("1", &created, 100)).await.unwrap_err();
    assert_eq!(
        error,
        PaymentFault::Refused {
            code: "local.not_paid_once".into()
        }
    );
}

/// Also F6.
#[tokio::test]
async fn f01_a_page_whose_answer_was_lost_is_not_found_and_one_that_was_paid_is() {
    let (sandbox, clock, port) = started(GatewayWire::Json).await;
    let since = clock.now() - TimeDelta::days(1);
    let lost = Rule::on("createLinkPayment", PortmoneAction::DropAfter);
    sandbox.client().add_portmone_fault(lost).await.unwrap();
    assert!(matches!(
        port.create(&order("1")).await,
        Err(PaymentFault::Unknown(_))
    ));
    assert_eq!(
        port.find(order("1").payment_id, since).await,
        Ok(None),
        "nobody has its address"
    );
    let created = port.create(&order("2")).await.unwrap();
    control(&sandbox).pay(&created.provider_id).await.unwrap();
    let found = port
        .find(order("2").payment_id, since)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.provider_id, found.status),
        (created.provider_id, SnapshotStatus::Succeeded)
    );
}

#[tokio::test]
async fn a_held_payment_is_taken_in_part_or_given_back() {
    for wire in WIRES {
        let (sandbox, _, port) = started(wire).await;
        let held = async |name| {
            let order = PaymentOrder {
                capture: false,
                ..order(name)
            };
            let created = port.create(&order).await.unwrap();
            control(&sandbox).pay(&created.provider_id).await.unwrap();
            let held = now(&port, &created).await;
            assert_eq!(
                (&held.status, held.amount),
                (&SnapshotStatus::AwaitingCapture, uah(10_050))
            );
            held
        };
        let taken = held("taken").await;
        let answer = port
            .capture(&taken.provider_id, uah(7_000), "key")
            .await
            .unwrap();
        assert_eq!(
            (&answer.status, answer.amount),
            (&SnapshotStatus::Succeeded, uah(7_000))
        );
        assert_eq!(now(&port, &taken).await, answer);
        let given = held("given").await;
        let answer = port.cancel(&given.provider_id, "key").await.unwrap();
        assert!(matches!(answer.status, SnapshotStatus::Canceled { .. }));
        let again = port.cancel(&given.provider_id, "key").await;
        assert_eq!(again, Err(PaymentFault::Refused { code: "6".into() }));
    }
}

#[tokio::test]
async fn f32_refunds_are_bounded_by_what_was_paid_and_listed_by_the_provider() {
    for wire in WIRES {
        let (sandbox, _, port) = started(wire).await;
        let created = port.create(&order("1")).await.unwrap();
        let unpaid = port.refund(&refund("0", &created, 100)).await;
        assert_eq!(
            unpaid,
            Err(PaymentFault::Refused {
                code: "local.not_paid_once".into()
            })
        );
        control(&sandbox).pay(&created.provider_id).await.unwrap();
        let done = port.refund(&refund("1", &created, 10_000)).await.unwrap();
        assert_eq!(
            (&done.status, done.amount),
            (&RefundStatus::Succeeded, uah(10_000))
        );
        assert_eq!(done.refund_id, Some(RefundId::derived("refund", "1")));
        let too_much = port.refund(&refund("2", &created, 51)).await;
        assert_eq!(
            too_much,
            Err(PaymentFault::Refused {
                code: "s501".into()
            })
        );
        let listed = port.refunds_of(&created.provider_id).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].provider_refund_id, done.provider_refund_id);
        let read = port
            .get_refund(&done.provider_refund_id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.status, RefundStatus::Succeeded);
        assert_eq!(
            now(&port, &created).await.amount,
            uah(10_050),
            "what was paid stays what was paid"
        );
    }
}

#[tokio::test]
async fn a_refund_of_unknown_outcome_is_not_sent_again_whether_it_happened_or_not() {
    for (action, moved) in [
        (PortmoneAction::DropAfter, 900),
        (PortmoneAction::DropBefore, 0),
    ] {
        let (sandbox, _, port) = started(GatewayWire::Json).await;
        let created = port.create(&order("1")).await.unwrap();
        control(&sandbox).pay(&created.provider_id).await.unwrap();
        sandbox
            .client()
            .add_portmone_fault(Rule::on("return", action))
            .await
            .unwrap();
        for _ in 0..3 {
            let outcome = port.refund(&refund("1", &created, 900)).await;
            assert!(
                matches!(outcome, Err(PaymentFault::Unknown(_))),
                "{outcome:?}"
            );
        }
        assert_eq!(
            control(&sandbox).books().await.unwrap().returned_minor,
            moved
        );
    }
}

#[tokio::test]
async fn a_refund_that_was_refused_or_never_left_may_be_sent_again() {
    let (sandbox, _, port) = started(GatewayWire::Json).await;
    let created = port.create(&order("1")).await.unwrap();
    control(&sandbox).pay(&created.provider_id).await.unwrap();
    let fail = PortmoneAction::Fail {
        code: "s901".into(),
        description: String::new(),
        processed: false,
    };
    sandbox
        .client()
        .add_portmone_fault(Rule::on("return", fail))
        .await
        .unwrap();
    let refused = port.refund(&refund("1", &created, 900)).await;
    assert_eq!(
        refused,
        Err(PaymentFault::Refused {
            code: "s901".into()
        })
    );
    port.refund(&refund("1", &created, 900)).await.unwrap();
    assert_eq!(control(&sandbox).books().await.unwrap().returned_minor, 900);
}

/// Also F27.
#[tokio::test]
async fn what_cannot_be_read_or_is_not_ours_is_neither_a_payment_nor_a_refusal() {
    let (sandbox, _, port) = started(GatewayWire::Json).await;
    assert_eq!(port.get("op-42").await, Ok(None));
    let created = port.create(&order("1")).await.unwrap();
    let fail = PortmoneAction::Fail {
        code: "s901".into(),
        description: String::new(),
        processed: false,
    };
    for action in [
        fail,
        PortmoneAction::HttpBefore { status: 503 },
        PortmoneAction::Spoil {
            blemish: Blemish::WrongPayee,
        },
    ] {
        control(&sandbox).pay(&created.provider_id).await.unwrap();
        sandbox
            .client()
            .add_portmone_fault(Rule::on("result", action))
            .await
            .unwrap();
        let told = port.get(&created.provider_id).await;
        assert!(matches!(told, Err(PaymentFault::Unknown(_))), "{told:?}");
    }
    let roubles = PaymentOrder {
        amount: Money::new(1, Currency::Rub),
        ..order("2")
    };
    assert_eq!(
        port.create(&roubles).await,
        Err(PaymentFault::Refused {
            code: "local.currency".into()
        })
    );
}

#[tokio::test]
async fn f61_a_statement_names_payments_as_our_books_do_and_shows_a_second_payment_of_one_order() {
    let (sandbox, clock, port) = started(GatewayWire::Json).await;
    let control = control(&sandbox);
    let paid = port.create(&order("paid")).await.unwrap();
    let declined = port.create(&order("declined")).await.unwrap();
    let act = Act {
        deed: Deed::Decline,
        days_ago: 0,
        late: false,
    };
    for payment in [&paid, &declined, &declined] {
        control.act(&payment.provider_id, act).await.unwrap();
    }
    for _ in 0..2 {
        control.pay(&paid.provider_id).await.unwrap();
    }
    let (from, to) = (
        clock.now() - TimeDelta::hours(1),
        clock.now() + TimeDelta::hours(1),
    );
    let items = port.items(StatementKind::Payments, from, to).await.unwrap();
    let known = |name: &str| {
        items
            .iter()
            .filter(|item| item.provider_id == name)
            .map(|item| item.status)
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&paid.provider_id), [ItemStatus::Done]);
    assert_eq!(known(&declined.provider_id), [ItemStatus::Failed]);
    let second: Vec<_> = items
        .iter()
        .filter(|item| item.operation_id.is_none())
        .collect();
    assert_eq!(
        (items.len(), second.len(), second[0].amount),
        (3, 1, uah(10_050))
    );
    assert!(
        second[0]
            .provider_id
            .starts_with(&format!("{}/", paid.provider_id))
    );
    assert_eq!(
        port.items(StatementKind::Refunds, from, to).await,
        Ok(vec![])
    );
    assert_eq!(
        port.items(StatementKind::Payments, from - TimeDelta::days(9), from)
            .await,
        Ok(vec![])
    );
}
