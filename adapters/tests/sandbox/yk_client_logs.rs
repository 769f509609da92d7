//! What our calls of YooKassa leave in the logs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use kvit_adapters::sandbox::faults::Rule;
use kvit_adapters::sandbox::yookassa::faults::YookassaAction;
use kvit_commands::ports::payout::PayoutProvider;
use tracing_subscriber::filter::LevelFilter;

use crate::common::sandbox;
use crate::yk_client_common::{payout_order, payouts};
use crate::yookassa_common::{GATEWAY, SHOP};

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
async fn a_call_leaves_its_name_outcome_and_duration_and_never_a_phone_a_sum_or_a_key() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);

    let running = sandbox().await;
    let (provider, control) = (payouts(&running), running.yookassa());
    // Other tests may have met these lines first, on threads where nobody listens; what was noted of that is noted anew.
    let first = payout_order("first");
    let bill = provider.create(&first).await.unwrap().bill_id;
    provider.pay(&first, &bill).await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    lines.0.lock().unwrap().clear();

    let order = payout_order("a");
    let bill = provider.create(&order).await.unwrap().bill_id;
    let fault = YookassaAction::HttpBefore { status: 500 };
    control
        .add_fault(Rule::on("payouts.create", fault))
        .await
        .unwrap();
    assert!(provider.pay(&order, &bill).await.is_err());
    provider.pay(&order, &bill).await.unwrap();

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("yookassa call ended"))
        .collect();
    let expected = [
        ("me", "answered"),
        ("payouts.create", "unknown"),
        ("payouts.create", "answered"),
    ];
    assert_eq!(ours.len(), expected.len(), "{ours:?}");
    for (line, (name, outcome)) in ours.iter().zip(expected) {
        assert!(line.contains(&format!("method=\"{name}\"")), "{line}");
        assert!(line.contains(&format!("outcome=\"{outcome}\"")), "{line}");
        assert!(line.contains("duration_ms="), "{line}");
    }
    let amount = order.amount.to_decimal();
    for hidden in [SHOP.1, GATEWAY.1, &order.phone, &amount, "Basic "] {
        assert!(!text.contains(hidden), "{hidden} is in the log");
    }
}
