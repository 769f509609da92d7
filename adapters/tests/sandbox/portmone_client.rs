//! Each outcome of the client, and that nothing leaks.

use std::time::Duration;

use kvit_adapters::portmone::{
    Bill, BillStatus, ConfigError, CreateOutcome, Doubt, NotSent, PayOutcome, PortmoneClient,
    PortmoneConfig, StatusOutcome,
};
use kvit_adapters::sandbox::portmone::BillShape;
use kvit_adapters::sandbox::{Sandbox, SandboxConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::common::{KYIVSTAR, PHONE, client, config, created, sandbox, uah};

#[tokio::test]
async fn a_bill_is_created_paid_and_read_and_the_books_agree() {
    for shape in [BillShape::Attribute, BillShape::Child] {
        let mut settings = SandboxConfig::default();
        settings.portmone.shape = shape;
        let sandbox = Sandbox::start(settings).await.unwrap();
        let client = client(&sandbox);
        let bill = created(&client).await;
        assert_eq!(
            sandbox.client().bills().await.unwrap().moved_minor,
            0,
            "creating moves nothing"
        );
        let PayOutcome::Paid(paid) = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(5_000)).await
        else {
            panic!("not paid")
        };
        assert_eq!(
            (paid.paid_amount, paid.pay_date.is_some()),
            (Some(uah(5_000)), true)
        );
        let read = client
            .bill_status(&bill.id, KYIVSTAR, PHONE, uah(5_000))
            .await;
        assert!(matches!(
            read,
            StatusOutcome::Known(Bill {
                status: BillStatus::Paid,
                ..
            })
        ));
        let books = sandbox.client().bills().await.unwrap();
        assert_eq!(books.moved_by_contract, [(PHONE.to_owned(), 5_000)].into());
        assert_eq!(
            (
                books.bills[0].comment.as_str(),
                books.bills[0].status.as_str()
            ),
            ("op-1", "paid")
        );
    }
}

#[tokio::test]
async fn f38_a_refused_connection_is_proof_that_nothing_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = Url::parse(&format!("http://{closed}/api/directcash/")).unwrap();
    let client = PortmoneClient::try_new(PortmoneConfig::new(endpoint, "l", "p")).unwrap();
    assert_eq!(
        client.create_bill(KYIVSTAR, PHONE, uah(1), "op").await,
        CreateOutcome::NotSent(NotSent::Connect)
    );
    assert_eq!(
        client.pay_bill("1", KYIVSTAR, PHONE, uah(1)).await,
        PayOutcome::NotSent(NotSent::Connect)
    );
}

#[tokio::test]
async fn f38_a_name_that_does_not_resolve_is_proof_that_nothing_was_sent() {
    let endpoint = Url::parse("https://no-such-host.invalid/api/directcash/").unwrap();
    let client = PortmoneClient::try_new(PortmoneConfig::new(endpoint, "l", "p")).unwrap();
    assert_eq!(
        client.pay_bill("1", KYIVSTAR, PHONE, uah(1)).await,
        PayOutcome::NotSent(NotSent::Connect)
    );
}

#[tokio::test]
async fn f38_a_failed_tls_handshake_is_proof_that_nothing_was_sent_and_only_tls_1_2_is_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Url::parse(&format!(
        "https://{}/api/directcash/",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4096];
        let length = stream.read(&mut hello).await.unwrap();
        hello.truncate(length);
        stream.write_all(b"this is not TLS").await.unwrap();
        hello
    });
    let client =
        PortmoneClient::try_new(PortmoneConfig::new(endpoint, "the-login", "the-password"))
            .unwrap();
    assert_eq!(
        client.pay_bill("1", KYIVSTAR, PHONE, uah(1)).await,
        PayOutcome::NotSent(NotSent::Connect)
    );
    let hello = server.await.unwrap();
    // Handshake record; the extension `supported_versions` (0x002b) lists TLS 1.2 (0x0303) and nothing else.
    assert_eq!(hello[0], 0x16);
    let only_1_2 = [0x00, 0x2b, 0x00, 0x03, 0x02, 0x03, 0x03];
    let extension = hello.windows(2).any(|pair| pair == [0x00, 0x2b]);
    assert!(
        !extension
            || hello
                .windows(only_1_2.len())
                .any(|window| window == only_1_2),
        "a version other than 1.2 is offered"
    );
    assert!(!hello.windows(2).any(|pair| pair == [0x7f, 0x1c]));
    assert!(!hello.windows(9).any(|window| window == b"the-login"));
}

/// Answers every connection with these bytes after having read the request, and then closes.
async fn canned(answer: Vec<u8>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!(
        "http://{}/api/directcash/",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _length = stream.read(&mut request).await;
            let _written = stream.write_all(&answer).await;
        }
    });
    url
}

async fn pay_against(answer: &str) -> PayOutcome {
    let client = PortmoneClient::try_new(PortmoneConfig::new(
        canned(answer.as_bytes().to_vec()).await,
        "l",
        "p",
    ))
    .unwrap();
    client.pay_bill("523", KYIVSTAR, PHONE, uah(5_000)).await
}

fn http_answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

const PAID: &str = "<rsp status=\"ok\"><bill id=\"523\"><paidAmount>50.00</paidAmount><status>paid</status></bill></rsp>";
const REFUSED: &str = "<rsp status=\"fail\"><error code=\"p001\">no</error></rsp>";

#[tokio::test]
async fn a_redirect_is_not_followed_and_leaves_the_outcome_unknown() {
    let elsewhere = canned(http_answer("200 OK", "", PAID).into_bytes()).await;
    let outcome = pay_against(&http_answer(
        "307 Temporary Redirect",
        &format!("Location: {elsewhere}\r\n"),
        "",
    ))
    .await;
    assert_eq!(outcome, PayOutcome::Unknown(Doubt::HttpStatus(307)));
}

#[tokio::test]
async fn f45_the_status_line_decides_whether_a_body_may_be_believed() {
    assert!(matches!(
        pay_against(&http_answer("200 OK", "", PAID)).await,
        PayOutcome::Paid(_)
    ));
    assert!(matches!(
        pay_against(&http_answer("200 OK", "", REFUSED)).await,
        PayOutcome::Refused(_)
    ));
    assert!(matches!(
        pay_against(&http_answer("400 Bad Request", "", REFUSED)).await,
        PayOutcome::Refused(_)
    ));
    for (status, code) in [
        ("400 Bad Request", 400),
        ("500 Internal Server Error", 500),
        ("502 Bad Gateway", 502),
        ("201 Created", 201),
    ] {
        assert_eq!(
            pay_against(&http_answer(status, "", PAID)).await,
            PayOutcome::Unknown(Doubt::HttpStatus(code)),
            "{status}"
        );
    }
    for (status, code) in [
        ("403 Forbidden", 403),
        ("429 Too Many Requests", 429),
        ("503 Service Unavailable", 503),
    ] {
        assert_eq!(
            pay_against(&http_answer(status, "", REFUSED)).await,
            PayOutcome::Unknown(Doubt::HttpStatus(code)),
            "{status}"
        );
    }
}

#[tokio::test]
async fn f45_a_charset_in_the_header_other_than_utf_8_leaves_the_outcome_unknown() {
    let outcome = pay_against(&http_answer(
        "200 OK",
        "Content-Type: text/xml; charset=windows-1251\r\n",
        PAID,
    ))
    .await;
    assert!(
        matches!(outcome, PayOutcome::Unknown(Doubt::Answer(_))),
        "{outcome:?}"
    );
    let outcome = pay_against(&http_answer(
        "200 OK",
        "Content-Type: text/xml; charset=\"UTF-8\"\r\n",
        PAID,
    ))
    .await;
    assert!(matches!(outcome, PayOutcome::Paid(_)), "{outcome:?}");
}

#[tokio::test]
async fn f45_an_answer_shorter_than_it_promised_leaves_the_outcome_unknown() {
    let short = format!("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{PAID}");
    assert_eq!(
        pay_against(&short).await,
        PayOutcome::Unknown(Doubt::Broken)
    );
    assert_eq!(
        pay_against("HTTP/1.1 garbage").await,
        PayOutcome::Unknown(Doubt::Broken)
    );
    assert_eq!(pay_against("").await, PayOutcome::Unknown(Doubt::Broken));
}

#[tokio::test]
async fn f38_calls_beyond_the_limit_wait_and_give_up_without_having_sent_anything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = PortmoneConfig::new(
        Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap(),
        "l",
        "p",
    );
    config.max_in_flight = 1;
    config.http.timeouts.total = Duration::from_millis(400);
    let client = PortmoneClient::try_new(config).unwrap();
    // The first holds the only place for 400 ms against a server that never answers; of the two that wait, one is in time to send.
    let (a, b, c) = tokio::join!(
        client.pay_bill("1", KYIVSTAR, PHONE, uah(1)),
        client.pay_bill("2", KYIVSTAR, PHONE, uah(1)),
        client.pay_bill("3", KYIVSTAR, PHONE, uah(1)),
    );
    assert_eq!(a, PayOutcome::Unknown(Doubt::Timeout));
    assert!(
        [&b, &c].contains(&&PayOutcome::NotSent(NotSent::Busy)),
        "{b:?} {c:?}"
    );
}

#[tokio::test]
async fn without_a_configured_status_method_nothing_is_asked() {
    let sandbox = sandbox().await;
    let client = PortmoneClient::try_new(PortmoneConfig {
        status_method: None,
        ..config(&sandbox)
    })
    .unwrap();
    assert!(!client.can_ask_status());
    assert_eq!(
        client.bill_status("1", KYIVSTAR, PHONE, uah(1)).await,
        StatusOutcome::NotConfigured
    );
}

#[tokio::test]
async fn settings_that_would_send_credentials_in_the_clear_are_refused() {
    let build = |address: &str| {
        PortmoneClient::try_new(PortmoneConfig::new(Url::parse(address).unwrap(), "l", "p"))
    };
    assert!(matches!(
        build("http://direct.example/api/directcash/"),
        Err(ConfigError::Http(_))
    ));
    assert!(build("https://direct.example/api/directcash/").is_ok());
    let mut config = PortmoneConfig::new(Url::parse("http://direct.example/").unwrap(), "l", "p");
    config.http.allow_plain_http = true;
    assert!(PortmoneClient::try_new(config.clone()).is_ok());
    config.version = 3;
    assert!(matches!(
        PortmoneClient::try_new(config),
        Err(ConfigError::Version)
    ));
}

#[tokio::test]
async fn neither_credentials_nor_phone_nor_sum_are_in_what_is_shown_for_debugging() {
    let sandbox = sandbox().await;
    let config = PortmoneConfig {
        ..PortmoneConfig::new(sandbox.portmone_url(), "the-login", "the-password")
    };
    let client = PortmoneClient::try_new(config.clone()).unwrap();
    let refused = client.create_bill(KYIVSTAR, PHONE, uah(7_731), "op").await;
    assert!(matches!(&refused, CreateOutcome::Refused(refusal) if refusal.code == "s101"));
    let shown = format!("{config:?} {client:?} {refused:?}");
    for hidden in ["the-login", "the-password", PHONE, "7731", "77.31"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}
