//! Where the provider's notifications come from.
//!
//! The list is the official SDK's. It is a hint like the notification itself: what is true is read again with our own credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V4: [(Ipv4Addr, u32); 6] = [
    (Ipv4Addr::new(185, 71, 76, 0), 27),
    (Ipv4Addr::new(185, 71, 77, 0), 27),
    (Ipv4Addr::new(77, 75, 153, 0), 25),
    (Ipv4Addr::new(77, 75, 154, 128), 25),
    (Ipv4Addr::new(77, 75, 156, 11), 32),
    (Ipv4Addr::new(77, 75, 156, 35), 32),
];

const V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2a02, 0x5180, 0, 0x1509, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2a02, 0x5180, 0, 0x2655, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2a02, 0x5180, 0, 0x1533, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2a02, 0x5180, 0, 0x2669, 0, 0, 0, 0), 64),
];

/// Whether an address is one of those that YooKassa sends notifications from. The caller must know whose address it has: behind a
/// proxy that is not the connection's, and a header that anybody can write proves nothing.
#[must_use]
pub fn is_yookassa_address(ip: IpAddr) -> bool {
    // A socket for both families shows an IPv4 peer as an IPv6 address.
    match ip.to_canonical() {
        IpAddr::V4(ip) => V4.iter().any(|(net, bits)| {
            let shift = 32_u32.saturating_sub(*bits);
            ip.to_bits() >> shift == net.to_bits() >> shift
        }),
        IpAddr::V6(ip) => V6.iter().any(|(net, bits)| {
            let shift = 128_u32.saturating_sub(*bits);
            ip.to_bits() >> shift == net.to_bits() >> shift
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn f18_only_the_published_addresses_are_the_providers() {
        let is = |text: &str| is_yookassa_address(text.parse().unwrap());
        for inside in [
            "185.71.76.0",
            "185.71.76.31",
            "185.71.77.31",
            "77.75.153.0",
            "77.75.153.127",
            "77.75.154.128",
            "77.75.154.255",
            "77.75.156.11",
            "77.75.156.35",
            "2a02:5180:0:1509::",
            "2a02:5180:0:2655:ffff:ffff:ffff:ffff",
            "2a02:5180:0:1533::1",
            "2a02:5180:0:2669::1",
            "::ffff:185.71.76.1",
        ] {
            assert!(is(inside), "{inside}");
        }
        for outside in [
            "185.71.76.32",
            "185.71.75.255",
            "185.71.77.32",
            "77.75.153.128",
            "77.75.154.127",
            "77.75.155.0",
            "77.75.156.10",
            "77.75.156.12",
            "77.75.156.34",
            "127.0.0.1",
            "10.0.0.1",
            "0.0.0.0",
            "::1",
            "2a02:5180:0:1510::",
            "2a02:5180:1:1509::1",
            "::ffff:8.8.8.8",
            "::185.71.76.1",
        ] {
            assert!(!is(outside), "{outside}");
        }
    }
}
