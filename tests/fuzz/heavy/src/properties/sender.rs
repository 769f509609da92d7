//! Where a request says that it comes from.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use kvit_adapters::yookassa::is_yookassa_address;
use kvit_gateway::sources::{Network, sender};

/// Whoever is not a proxy of ours comes from where the connection comes from, whatever the header says; and a network
/// holds the addresses between its first and its last one, and only those.
pub fn holds(data: &[u8]) {
    let stranger: IpAddr = IpAddr::from([203, 0, 113, 9]);
    let proxy: IpAddr = IpAddr::from([10, 0, 0, 1]);
    let ours = ["10.0.0.0/8".parse::<Network>().unwrap()];
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("x-forwarded-for", value);
        }
    }
    assert_eq!(sender(Some(stranger), &headers, &ours), Some(stranger));
    assert_eq!(sender(None, &headers, &ours), None);
    assert_eq!(sender(Some(proxy), &headers, &[]), Some(proxy));
    if let Some(told) = sender(Some(proxy), &headers, &ours) {
        assert_eq!(told, told.to_canonical());
        // A proxy of ours adds the address of its own caller, so nothing left of that is believed.
        headers.append("x-forwarded-for", HeaderValue::from_static("203.0.113.9"));
        assert_eq!(sender(Some(proxy), &headers, &ours), Some(stranger));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(network) = text.parse::<Network>() {
        let base: IpAddr = text.split('/').next().unwrap().trim().parse().unwrap();
        assert!(network.contains(base) && network.contains(base.to_canonical()));
        if !text.contains('/') {
            let alone = |ip: IpAddr| ip.to_canonical() == base.to_canonical();
            for ip in [stranger, proxy] {
                assert_eq!(network.contains(ip), alone(ip));
            }
        }
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        assert_eq!(
            is_yookassa_address(ip),
            is_yookassa_address(ip.to_canonical())
        );
    }
}
