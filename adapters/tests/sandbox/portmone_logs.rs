//! What a payout leaves in the logs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use kvit_adapters::portmone::{CreateOutcome, PayOutcome, PortmoneClient, PortmoneConfig, Secret};
use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::portmone::faults::PortmoneAction;
use kvit_adapters::sandbox::{Sandbox, SandboxConfig};
use tracing_subscriber::filter::LevelFilter;

use crate::common::{KYIVSTAR, PHONE, config, uah};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_call_leaves_method_outcome_and_duration_and_never_a_phone_a_sum_or_a_credential() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);

    let mut settings = SandboxConfig::default();
    settings.portmone.login = "the-login".to_owned();
    settings.portmone.password = "the-password".to_owned();
    let sandbox = Sandbox::start(settings).await.unwrap();
    let config = PortmoneConfig {
        login: Secret::new("the-login"),
        password: Secret::new("the-password"),
        ..config(&sandbox)
    };
    let client = PortmoneClient::try_new(config).unwrap();
    let CreateOutcome::Created(bill) = client.create_bill(KYIVSTAR, PHONE, uah(7_731), "op").await
    else {
        panic!("not created")
    };
    let fail = PortmoneAction::HttpBefore { status: 500 };
    sandbox
        .client()
        .add_portmone_fault(Rule::on("bills.pay", fail))
        .await
        .unwrap();
    for _ in 0..2 {
        client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(7_731)).await;
    }
    let paid = client.pay_bill(&bill.id, KYIVSTAR, PHONE, uah(7_731)).await;
    assert!(matches!(paid, PayOutcome::Paid(_)));

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("portmone call ended"))
        .collect();
    assert_eq!(ours.len(), 4, "{ours:?}");
    for (line, outcome) in ours.iter().zip(["created", "unknown", "paid", "paid"]) {
        assert!(
            line.contains(&format!("outcome=\"{outcome}\"")) && line.contains("duration_ms="),
            "{line}"
        );
    }
    for hidden in ["the-login", "the-password", PHONE, "77.31"] {
        assert!(!text.contains(hidden), "{hidden} is in the log");
    }
}
