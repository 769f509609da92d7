//! What the tests of the payment gateway need.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kvit_adapters::portmone::gateway::{
    GatewayConfig, GatewayWire, LinkOrder, LinkOutcome, PaymentRules, PortmoneGateway,
    PortmonePayments,
};
use kvit_adapters::sandbox::RunningSandbox;
use kvit_adapters::sandbox::portmone::GATEWAY;
use kvit_adapters::sandbox::portmone::client::PortmoneControl;
use kvit_commands::ports::time::{Clock, System};
use url::Url;

use crate::common::uah;

pub const BACK: &str = "https://shop.example/return?a=1&b=<2>";

pub fn config(running: &RunningSandbox, wire: GatewayWire) -> GatewayConfig {
    let mut endpoint = running.base_url();
    endpoint.set_path(GATEWAY);
    let mut config = GatewayConfig::new(
        endpoint,
        "1185",
        "sandbox",
        "sandbox",
        "sandbox-gateway-key",
    );
    config.wire = wire;
    config.http.timeouts.connect = Duration::from_millis(500);
    config.http.timeouts.read = Duration::from_millis(500);
    config.http.timeouts.total = Duration::from_millis(800);
    config
}

pub fn gateway(running: &RunningSandbox) -> PortmoneGateway {
    PortmoneGateway::try_new(config(running, GatewayWire::Json)).unwrap()
}

pub fn both(running: &RunningSandbox) -> [PortmoneGateway; 2] {
    [GatewayWire::Json, GatewayWire::Form]
        .map(|wire| PortmoneGateway::try_new(config(running, wire)).unwrap())
}

pub fn control(running: &RunningSandbox) -> PortmoneControl {
    PortmoneControl::new(running.base_url()).unwrap()
}

pub fn order(number: &str) -> LinkOrder {
    LinkOrder {
        order_number: number.to_owned(),
        amount: uah(10_050),
        description: "Поповнення <b>&\"'".to_owned(),
        success_url: Url::parse(BACK).unwrap(),
        failure_url: Url::parse("https://shop.example/failed").unwrap(),
        preauth: false,
        expires_in: Some(600),
        at: System.now(),
    }
}

pub async fn linked(gateway: &PortmoneGateway, order: &LinkOrder) -> Url {
    match gateway.create_link(order).await {
        LinkOutcome::Created(page) => page,
        other => panic!("no link: {other:?}"),
    }
}

/// The real time, moved.
#[derive(Clone, Default)]
pub struct MovedClock(Arc<Mutex<TimeDelta>>);

impl MovedClock {
    pub fn advance(&self, by: TimeDelta) {
        let mut moved = self.0.lock().unwrap();
        *moved += by;
    }
}

impl Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        System.now() + *self.0.lock().unwrap()
    }
}

pub fn payments(
    running: &RunningSandbox,
    wire: GatewayWire,
    clock: &MovedClock,
) -> PortmonePayments {
    let gateway = PortmoneGateway::try_new(config(running, wire)).unwrap();
    let rules = PaymentRules {
        test: true,
        ..PaymentRules::default()
    };
    PortmonePayments::new(gateway, rules, Arc::new(clock.clone()))
}
