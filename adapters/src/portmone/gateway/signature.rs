//! The signature on a link: HMAC-SHA256 over a text that the provider's plugins all build in the same way.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Kyiv;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::portmone::config::Secret;

/// Signs a link: upper-case hex of the HMAC of `payee + dt + hex(order) + amount`, upper case, followed by upper-case `hex(login)`.
#[must_use]
pub fn link_signature(
    payee_id: &str,
    dt: &str,
    shop_order_number: &str,
    bill_amount: &str,
    login: &Secret,
    key: &Secret,
) -> String {
    let order = hex::encode_upper(shop_order_number);
    let login = hex::encode_upper(login.expose());
    let text = format!("{payee_id}{dt}{order}{bill_amount}").to_uppercase();
    // A key of any length is taken, so there is no error to meet; an empty signature would be refused by the provider.
    Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .map(|mut mac| {
            mac.update(text.as_bytes());
            mac.update(login.as_bytes());
            hex::encode_upper(mac.finalize().into_bytes())
        })
        .unwrap_or_default()
}

/// The moment as the plugins write it: Kyiv time with the hour of a **twelve**-hour clock (PHP's `h`). No other form has been seen
/// to be accepted.
pub(super) fn signed_moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Kyiv).format("%Y%m%d%I%M%S").to_string()
}
