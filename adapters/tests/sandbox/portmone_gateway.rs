//! The payment gateway on good days: links, the page, what `result` tells, refunds, held sums.

use chrono::Days;
use kvit_adapters::portmone::gateway::{
    ChangeOutcome, GatewayConfig, GatewayWire, Handle, LinkOutcome, ListOutcome, PortmoneGateway,
    ResultOutcome, Transaction, TransactionStatus, Window,
};
use kvit_adapters::portmone::{ConfigError, Refusal, Secret};
use kvit_adapters::sandbox::portmone::client::PortmoneControl;
use kvit_adapters::sandbox::portmone::gateway::{Act, Deed, SettleHow, ShopView};
use kvit_adapters::sandbox::portmone::notices::Notice;
use kvit_adapters::sandbox::{Sandbox, SandboxConfig};
use kvit_commands::ports::time::{Clock, System};
use url::Url;

use crate::common::{http, sandbox, uah};
use crate::portmone_shop::{BACK, both, config, control, gateway, linked, order};

async fn known(gateway: &PortmoneGateway, about: Handle<'_>) -> Vec<Transaction> {
    match gateway.result(about, None).await {
        ResultOutcome::Known(list) => list,
        other => panic!("not known: {other:?}"),
    }
}

fn done(outcome: ChangeOutcome) -> Transaction {
    match outcome {
        ChangeOutcome::Done(one) => one,
        other => panic!("not done: {other:?}"),
    }
}

fn refused(outcome: ChangeOutcome) -> String {
    match outcome {
        ChangeOutcome::Refused(Refusal { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_person_pays_on_the_page_and_result_tells_it_in_both_forms() {
    let sandbox = sandbox().await;
    let page = linked(&gateway(&sandbox), &order("op-42")).await;
    for gateway in both(&sandbox) {
        assert_eq!(
            known(&gateway, Handle::Order("op-42")).await,
            [],
            "nobody has tried yet"
        );
    }
    let shown = http().get(page.clone()).send().await.unwrap();
    assert!(shown.headers().contains_key("content-security-policy"));
    let shown = shown.text().await.unwrap();
    assert!(
        shown.contains("Поповнення &lt;b&gt;&amp;") && shown.contains("100.50 UAH"),
        "{shown}"
    );
    assert!(
        !shown.contains("<b>"),
        "what the shop wrote is escaped: {shown}"
    );
    let paid = http()
        .post(page)
        .form(&[("deed", "pay")])
        .send()
        .await
        .unwrap();
    let paid = paid.text().await.unwrap();
    assert!(
        paid.contains(&format!("action=\"{}\"", escaped_back())),
        "{paid}"
    );
    assert!(
        paid.contains("name=\"SHOPORDERNUMBER\" value=\"op-42\"")
            && paid.contains("name=\"RESULT\" value=\"0\"")
    );
    for gateway in both(&sandbox) {
        let list = known(&gateway, Handle::Order("op-42")).await;
        assert_eq!(
            (list.len(), &list[0].status, list[0].amount),
            (1, &TransactionStatus::Payed, uah(10_050))
        );
        let one = known(&gateway, Handle::Bill(&list[0].bill_id)).await;
        assert_eq!(one, list);
    }
    assert_eq!(control(&sandbox).books().await.unwrap().paid_minor, 10_050);
}

/// The browser's post goes to the address as a URL library writes it, with the markup escaped.
fn escaped_back() -> String {
    Url::parse(BACK).unwrap().as_str().replace('&', "&amp;")
}

#[tokio::test]
async fn a_declined_try_and_one_left_at_the_bank_are_no_payments_and_an_unknown_order_has_none() {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    linked(&gateway, &order("op-1")).await;
    for (deed, status) in [
        (Deed::Decline, TransactionStatus::Rejected),
        (Deed::Leave, TransactionStatus::Created),
    ] {
        let act = Act {
            deed,
            days_ago: 0,
            late: false,
        };
        control.act("op-1", act).await.unwrap();
        let newest = known(&gateway, Handle::Order("op-1")).await.remove(0);
        assert_eq!((newest.status, newest.error_code.as_str()), (status, "0"));
    }
    for gateway in both(&sandbox) {
        assert_eq!(known(&gateway, Handle::Order("nobody's")).await, []);
        assert_eq!(known(&gateway, Handle::Bill("7")).await, []);
    }
    assert_eq!(control.books().await.unwrap().paid_minor, 0);
}

#[tokio::test]
async fn without_days_only_the_last_month_is_searched() {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    linked(&gateway, &order("op-old")).await;
    let act = Act {
        deed: Deed::Pay,
        days_ago: 60,
        late: false,
    };
    control.act("op-old", act).await.unwrap();
    assert_eq!(known(&gateway, Handle::Order("op-old")).await, []);
    let today = System.now().date_naive();
    let window = |days: u64| Window {
        from: today.checked_sub_days(Days::new(days)).unwrap(),
        to: today.checked_add_days(Days::new(1)).unwrap(),
    };
    let ResultOutcome::Known(found) = gateway
        .result(Handle::Order("op-old"), Some(window(90)))
        .await
    else {
        panic!("not known")
    };
    assert_eq!(found.len(), 1);
    assert_eq!(
        gateway.list(window(90)).await,
        ListOutcome::Known(found, vec![])
    );
    assert_eq!(
        gateway.list(window(5)).await,
        ListOutcome::Known(vec![], vec![])
    );
}

#[tokio::test]
async fn refunds_are_transactions_of_their_own_and_never_add_up_to_more_than_was_paid() {
    let sandbox = sandbox().await;
    let control = control(&sandbox);
    for (number, gateway) in ["op-json", "op-form"].into_iter().zip(both(&sandbox)) {
        linked(&gateway, &order(number)).await;
        assert_eq!(
            refused(gateway.refund(Handle::Order(number), uah(900)).await),
            "1",
            "unpaid"
        );
        let paid = control.pay(number).await.unwrap().id.to_string();
        let first = done(gateway.refund(Handle::Order(number), uah(900)).await);
        assert_eq!(
            (&first.status, first.amount),
            (&TransactionStatus::Return, uah(900))
        );
        assert_ne!(first.bill_id, paid);
        done(gateway.refund(Handle::Bill(&paid), uah(5_000)).await);
        assert_eq!(
            refused(gateway.refund(Handle::Bill(&paid), uah(4_151)).await),
            "s501",
            "too much"
        );
        done(gateway.refund(Handle::Bill(&paid), uah(4_150)).await);
        assert_eq!(
            refused(gateway.refund(Handle::Order(number), uah(1)).await),
            "s501"
        );
        assert_eq!(known(&gateway, Handle::Order(number)).await.len(), 4);
    }
    let books = control.books().await.unwrap();
    assert_eq!((books.paid_minor, books.returned_minor), (20_100, 20_100));
}

#[tokio::test]
async fn a_held_sum_is_taken_in_part_or_released_and_only_once() {
    let sandbox = sandbox().await;
    let control = control(&sandbox);
    for (wire, gateway) in ["json", "form"].into_iter().zip(both(&sandbox)) {
        let (taken, released) = (format!("op-taken-{wire}"), format!("op-released-{wire}"));
        for number in [&taken, &released] {
            let mut order = order(number);
            order.preauth = true;
            linked(&gateway, &order).await;
            control.pay(number).await.unwrap();
            let held = known(&gateway, Handle::Order(number)).await.remove(0);
            assert_eq!(held.status, TransactionStatus::Preauth);
        }
        let (taken, released) = (Handle::Order(&taken), Handle::Order(&released));
        assert_eq!(
            refused(gateway.confirm_preauth(taken, uah(10_051)).await),
            "5"
        );
        let paid = done(gateway.confirm_preauth(taken, uah(7_000)).await);
        assert_eq!(
            (paid.status, paid.amount),
            (TransactionStatus::Payed, uah(7_000))
        );
        done(gateway.confirm_preauth(taken, uah(7_000)).await);
        assert_eq!(refused(gateway.reject_preauth(taken).await), "6");
        done(gateway.reject_preauth(released).await);
        assert_eq!(
            refused(gateway.reject_preauth(released).await),
            "6",
            "already canceled"
        );
        assert_eq!(
            refused(gateway.confirm_preauth(released, uah(1)).await),
            "5"
        );
    }
    let books = control.books().await.unwrap();
    assert_eq!((books.paid_minor, books.held_minor), (14_000, 0));
}

async fn link_refused(
    config: GatewayConfig,
    change: impl FnOnce(&mut kvit_adapters::portmone::gateway::LinkOrder),
) -> String {
    let mut order = order("op-1");
    change(&mut order);
    match PortmoneGateway::try_new(config)
        .unwrap()
        .create_link(&order)
        .await
    {
        LinkOutcome::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_link_with_a_wrong_signature_payee_or_sum_is_refused() {
    let sandbox = sandbox().await;
    let config = || config(&sandbox, GatewayWire::Json);
    let other_key = GatewayConfig {
        key: Secret::new("guess"),
        ..config()
    };
    assert_eq!(link_refused(other_key, |_| ()).await, "s502");
    let other_payee = GatewayConfig {
        payee_id: "1186".into(),
        ..config()
    };
    assert_eq!(link_refused(other_payee, |_| ()).await, "s101");
    assert_eq!(
        link_refused(config(), |order| order.amount = uah(0)).await,
        "s301"
    );
    assert_eq!(
        link_refused(config(), |order| order.order_number.clear()).await,
        "s503"
    );
    let script = Url::parse("javascript:alert(1)").unwrap();
    assert_eq!(
        link_refused(config(), |order| order.success_url = script).await,
        "s504"
    );
    let other_password = GatewayConfig {
        password: Secret::new("guess"),
        ..config()
    };
    let gateway = PortmoneGateway::try_new(other_password).unwrap();
    let told = gateway.result(Handle::Order("op-1"), None).await;
    assert!(
        matches!(&told, ResultOutcome::Refused(refusal) if refusal.code == "s101"),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_expired_page_takes_no_payment_but_the_bank_may_still_be_late() {
    let sandbox = sandbox().await;
    let (gateway, control) = (gateway(&sandbox), control(&sandbox));
    let mut short = order("op-late");
    short.expires_in = Some(0);
    let page = linked(&gateway, &short).await;
    let answer = http()
        .post(page)
        .form(&[("deed", "pay")])
        .send()
        .await
        .unwrap();
    assert!(!answer.text().await.unwrap().contains("SHOPBILLID"));
    assert!(control.pay("op-late").await.is_err());
    let late = Act {
        deed: Deed::Pay,
        days_ago: 0,
        late: true,
    };
    control.act("op-late", late).await.unwrap();
    assert_eq!(
        known(&gateway, Handle::Order("op-late")).await[0].status,
        TransactionStatus::Payed
    );
}

#[tokio::test]
async fn neither_credentials_nor_key_are_in_what_is_shown_and_none_go_out_in_the_clear() {
    let endpoint = Url::parse("http://portmone.example/gateway/").unwrap();
    let config = GatewayConfig::new(endpoint, "1185", "the-login", "the-password", "the-key");
    let shown = format!("{config:?}");
    for hidden in ["the-login", "the-password", "the-key"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert!(matches!(
        PortmoneGateway::try_new(config),
        Err(ConfigError::Http(_))
    ));
}

async fn kept(control: &PortmoneControl) -> (ShopView, Vec<Notice>) {
    let books = control.books().await.unwrap();
    (books, control.notices().await.unwrap())
}

#[tokio::test]
async fn links_payments_settlements_and_notifications_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        Sandbox::start(SandboxConfig {
            dir: Some(dir.path().to_owned()),
            ..SandboxConfig::default()
        })
    };
    let first = start().await.unwrap();
    linked(&gateway(&first), &order("op-1")).await;
    control(&first).pay("op-1").await.unwrap();
    control(&first).settle(SettleHow::default()).await.unwrap();
    let before = kept(&control(&first)).await;
    drop(first);
    let second = start().await.unwrap();
    assert_eq!(kept(&control(&second)).await, before);
    assert!(
        control(&second).settle(SettleHow::default()).await.is_err(),
        "settled once"
    );
    linked(&gateway(&second), &order("op-2")).await;
    let next = control(&second).pay("op-2").await.unwrap();
    assert!(next.id > before.0.transactions[0].id);
}
