//! Where a request comes from, and who may send a provider's notifications.
//!
//! The address of the other end of the connection cannot be invented; the header `X-Forwarded-For` can. So the header
//! counts only when the other end is a proxy of our own, and in it only what our own proxies have added, from the right.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whether an address is one of a provider's.
pub type AddressRule = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Who may send a provider's notifications.
#[derive(Clone, Default)]
pub enum SourceList {
    /// Nobody: the address does not exist.
    #[default]
    Closed,
    /// Anybody. For simulations; what comes is still believed by nobody.
    Anyone,
    /// Only addresses that the rule knows.
    Only(AddressRule),
}

impl fmt::Debug for SourceList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::Anyone => "Anyone",
            Self::Only(_) => "Only(..)",
        })
    }
}

impl SourceList {
    /// Whether a sender is welcome. One whose address is not known is not, unless anybody is.
    #[must_use]
    pub fn admits(&self, sender: Option<IpAddr>) -> bool {
        match self {
            Self::Closed => false,
            Self::Anyone => true,
            Self::Only(rule) => sender.is_some_and(|address| rule(address)),
        }
    }
}

/// A network such as `10.0.0.0/8`, `fd00::/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    mask: u128,
    is_v4: bool,
}

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a network such as 10.0.0.0/8 or a single address is expected")]
pub struct NetworkError;

fn bits(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| NetworkError)?;
        let (base, is_v4) = bits(address);
        let width = if is_v4 { 32 } else { 128 };
        let prefix: u32 = match prefix {
            Some(text) => text.trim().parse().map_err(|_| NetworkError)?,
            None => width,
        };
        if prefix > width {
            return Err(NetworkError);
        }
        let all = u128::MAX >> (128 - width);
        let host = all.checked_shr(prefix).unwrap_or(0);
        let mask = all ^ host;
        Ok(Self {
            base: base & mask,
            mask,
            is_v4,
        })
    }
}

impl Network {
    /// Whether an address lies in it. An IPv4 address that is written as IPv6 is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (address, is_v4) = bits(address);
        is_v4 == self.is_v4 && address & self.mask == self.base
    }
}

/// The address that a request really comes from: the other end of the connection, or, while that is a proxy of ours, what
/// it says about where the request came from. `None` when it cannot be known.
#[must_use]
pub fn sender(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[Network]) -> Option<IpAddr> {
    let ours = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut sender = peer?.to_canonical();
    if !ours(sender) {
        return Some(sender);
    }
    let named: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .collect();
    for hop in named.into_iter().rev() {
        sender = address_of(hop.trim())?;
        if !ours(sender) {
            break;
        }
    }
    Some(sender)
}

/// An address as proxies write it: plain, with a port, in brackets.
fn address_of(text: &str) -> Option<IpAddr> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map(|(address, _)| address);
    let parsed = match bracketed {
        Some(address) => address.parse(),
        None => text.parse().or_else(|error| match text.split_once(':') {
            Some((address, port)) if port.parse::<u16>().is_ok() => address.parse(),
            _ => Err(error),
        }),
    };
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        headers
    }

    fn from(peer: &str, forwarded: &[&str], proxies: &[&str]) -> Option<IpAddr> {
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        sender(Some(ip(peer)), &headers(forwarded), &proxies)
    }

    #[test]
    fn a_network_holds_what_its_prefix_says() {
        let holds = |network: &str, address: &str| {
            network
                .parse::<Network>()
                .map(|network| network.contains(ip(address)))
        };
        assert_eq!(holds("10.1.0.0/16", "10.1.255.7"), Ok(true));
        assert_eq!(holds("10.1.0.0/16", "10.2.0.7"), Ok(false));
        assert_eq!(holds("10.1.0.0/16", "::ffff:10.1.0.7"), Ok(true));
        assert_eq!(holds("0.0.0.0/0", "203.0.113.9"), Ok(true));
        assert_eq!(holds("0.0.0.0/0", "2001:db8::1"), Ok(false));
        assert_eq!(holds("2001:db8::/32", "2001:db8:9::1"), Ok(true));
        assert_eq!(holds("192.0.2.7", "192.0.2.8"), Ok(false));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "ten"] {
            assert_eq!(wrong.parse::<Network>(), Err(NetworkError), "{wrong}");
        }
    }

    #[test]
    fn f18_a_forwarding_header_counts_only_from_a_proxy_of_ours_and_only_what_ours_have_added() {
        assert_eq!(
            from("203.0.113.9", &["192.0.2.1"], &["10.0.0.0/8"]),
            Some(ip("203.0.113.9")),
            "a stranger's header says nothing"
        );
        assert_eq!(
            from("10.0.0.1", &["192.0.2.1, 203.0.113.9"], &["10.0.0.0/8"]),
            Some(ip("203.0.113.9")),
            "what the caller sent along stands left of what the proxy added"
        );
        assert_eq!(
            from(
                "10.0.0.1",
                &["192.0.2.1", "203.0.113.9:4711, 10.0.0.2"],
                &["10.0.0.0/8"]
            ),
            Some(ip("203.0.113.9"))
        );
        assert_eq!(
            from("::ffff:10.0.0.1", &["[2001:db8::1]:443"], &["10.0.0.0/8"]),
            Some(ip("2001:db8::1"))
        );
        assert_eq!(
            from("10.0.0.1", &["192.0.2.1, unknown"], &["10.0.0.0/8"]),
            None,
            "what cannot be read is nobody"
        );
        assert_eq!(from("10.0.0.1", &[], &["10.0.0.0/8"]), Some(ip("10.0.0.1")));
        assert_eq!(sender(None, &headers(&["192.0.2.1"]), &[]), None);
    }
}
