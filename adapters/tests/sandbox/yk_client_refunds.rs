//! Our client as the payment port: money that goes back, and the receipts that go along.

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::{Outcome, YookassaAction};
use kvit_adapters::sandbox::yookassa::{PaymentStatus, Receipts, YookassaSettings};
use kvit_adapters::yookassa::{
    ReceiptContact, YookassaPaymentRules, YookassaPayments, YookassaReceipt,
};
use kvit_commands::ports::payment::{PaymentFault, PaymentOrder, PaymentProvider};
use kvit_domain::payment::RefundStatus;

use crate::common::sandbox;
use crate::yk_client_common::{client, order, payments, refund_order, rub};
use crate::yookassa_common::{by_hand, sandbox_with};

/// Also F34: no notification tells of a refund that fails, only asking does.
#[tokio::test]
async fn f37_a_refund_whose_answer_is_lost_is_found_by_our_id_whatever_became_of_it() {
    let running = by_hand().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    control.pay(&made.provider_id).await.unwrap();
    control
        .add_fault(Rule::on("refunds.create", YookassaAction::DropAfter))
        .await
        .unwrap();
    let order = refund_order("r", &made.provider_id);
    let lost = provider.refund(&order).await;
    assert!(matches!(lost, Err(PaymentFault::Unknown(_))), "{lost:?}");
    let id = control.books().await.unwrap().refunds[0].id.clone();
    let end = Outcome::Succeeded { after_seconds: 0 };
    control.settle_refund(&id, &end).await.unwrap();
    let found = provider.refunds_of(&made.provider_id).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].refund_id, Some(order.refund_id));
    assert_eq!(
        (found[0].status.clone(), found[0].amount),
        (RefundStatus::Succeeded, rub(1_000))
    );
    let again = provider.refund(&order).await.unwrap();
    assert_eq!(
        again, found[0],
        "the same key is the same refund, as it is now"
    );

    let failing = refund_order("s", &made.provider_id);
    let pending = provider.refund(&failing).await.unwrap();
    assert_eq!(pending.status, RefundStatus::Pending);
    control
        .settle_refund(
            &pending.provider_refund_id,
            &Outcome::canceled("insufficient_funds"),
        )
        .await
        .unwrap();
    let reason = "insufficient_funds".to_owned();
    let seen = provider
        .get_refund(&pending.provider_refund_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.status, RefundStatus::Canceled { reason });
    let by_hand = control
        .refund_in_profile(&made.provider_id, 500)
        .await
        .unwrap();
    let all = provider.refunds_of(&made.provider_id).await.unwrap();
    assert_eq!(all.len(), 3);
    let foreign = all
        .iter()
        .find(|one| one.provider_refund_id == by_hand.id)
        .unwrap();
    assert_eq!(foreign.refund_id, None, "made in the cabinet");
}

#[tokio::test]
async fn f32_a_refund_of_more_than_was_paid_is_refused_and_moves_nothing() {
    let running = sandbox().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    let early = provider.refund(&refund_order("r", &made.provider_id)).await;
    assert_eq!(
        early,
        Err(PaymentFault::Refused {
            code: "invalid_request".into()
        })
    );
    control.pay(&made.provider_id).await.unwrap();
    let mut much = refund_order("s", &made.provider_id);
    much.amount = rub(10_001);
    let refused = provider.refund(&much).await;
    assert_eq!(
        refused,
        Err(PaymentFault::Refused {
            code: "invalid_request".into()
        })
    );
    assert!(control.books().await.unwrap().refunds.is_empty());
}

#[tokio::test]
async fn f40_a_refund_that_is_refused_but_there_is_there() {
    let running = by_hand().await;
    let (provider, control) = (payments(&running), running.yookassa());
    let made = provider.create(&order("a")).await.unwrap();
    control.pay(&made.provider_id).await.unwrap();
    let order = refund_order("r", &made.provider_id);
    let no = || YookassaAction::Refuse {
        status: 400,
        code: "invalid_request".into(),
        description: "no".into(),
    };
    let rule = || Rule::on("refunds.create", no());
    control.add_fault(rule()).await.unwrap();
    let code = "invalid_request".to_owned();
    assert_eq!(
        provider.refund(&order).await,
        Err(PaymentFault::Refused { code })
    );
    control.add_fault(rule()).await.unwrap();
    control
        .add_fault(Rule::on("refunds.list", YookassaAction::DropBefore))
        .await
        .unwrap();
    let doubt = provider.refund(&order).await;
    assert!(matches!(doubt, Err(PaymentFault::Unknown(_))), "{doubt:?}");
    let made = provider.refund(&order).await.unwrap();
    control.add_fault(rule()).await.unwrap();
    assert_eq!(provider.refund(&order).await, Ok(made));
    assert_eq!(control.books().await.unwrap().refunds.len(), 1);
}

#[tokio::test]
async fn a_fiscal_receipt_goes_along_where_it_is_asked_for() {
    let running = sandbox_with(YookassaSettings {
        receipts: Receipts::ByYookassa,
        ..YookassaSettings::default()
    })
    .await;
    let control = running.yookassa();
    let bare = payments(&running).create(&order("a")).await;
    assert!(
        matches!(bare, Err(PaymentFault::Refused { .. })),
        "{bare:?}"
    );
    let receipt = YookassaReceipt {
        vat_code: 1,
        payment_subject: "payment".into(),
        payment_mode: "advance".into(),
        description: "Пополнение баланса".into(),
        tax_system_code: None,
        customer: Some(ReceiptContact::Email("till@shop.example".into())),
    };
    let rules = YookassaPaymentRules {
        receipt: Some(receipt),
        ..YookassaPaymentRules::default()
    };
    let provider = YookassaPayments::try_new(client(&running), rules).unwrap();
    let two_stage = PaymentOrder {
        capture: false,
        ..order("b")
    };
    let made = provider.create(&two_stage).await.unwrap();
    control.pay(&made.provider_id).await.unwrap();
    let taken = provider
        .capture(&made.provider_id, rub(9_000), "c")
        .await
        .unwrap();
    assert_eq!(taken.amount, rub(9_000));
    provider
        .refund(&refund_order("r", &made.provider_id))
        .await
        .unwrap();
    let books = control.books().await.unwrap();
    assert_eq!(books.payments[0].status, PaymentStatus::Succeeded);
    assert_eq!(books.refunds[0].amount_minor, 1_000);
}
