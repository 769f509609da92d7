//! Objects as the provider writes them, their ids and their times.

use chrono::{DateTime, Duration, SecondsFormat, Timelike, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::state::{
    Cancellation, Metadata, Payment, PaymentStatus, Payout, Refund, Side, TransferStatus,
};

/// 2000-01-01T12:00:00Z, from which ids count their seconds.
const ID_EPOCH: i64 = 946_728_000;
const YEARS_FOR_REFUND_MONTHS: u32 = 36;

/// `23d93cac-000f-5000-8000-126628f15141`: the second of its birth, its kind, and digits that never come again.
pub(super) fn id(kind: &str, at: DateTime<Utc>, seed: u64, seq: u64) -> String {
    let seconds = u32::try_from(at.timestamp().saturating_sub(ID_EPOCH)).unwrap_or_default();
    let digest = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(seq.to_be_bytes())
        .finalize();
    let tail = hex::encode(digest.get(..6).unwrap_or_default());
    let prefix = if kind == "payout" { "po-" } else { "" };
    let kind = match kind {
        "payment" => "000f",
        "refund" => "0015",
        "payout" => "0025",
        _ => "0000",
    };
    format!("{prefix}{seconds:08x}-{kind}-5000-8000-{tail}")
}

/// A moment as an object can show it: every second object has up to six digits of a second, the others three. Only ever cut off,
/// so that nothing happens later than the clock says.
pub(super) fn moment(at: DateTime<Utc>, seq: u64) -> DateTime<Utc> {
    let unit = if seq.is_multiple_of(2) {
        1_000
    } else {
        1_000_000
    };
    let nanos = at.nanosecond();
    at.with_nanosecond(nanos.saturating_sub(nanos % unit))
        .unwrap_or(at)
}

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    let format = if at.timestamp_subsec_micros().is_multiple_of(1_000) {
        SecondsFormat::Millis
    } else {
        SecondsFormat::Micros
    };
    at.to_rfc3339_opts(format, true)
}

pub(super) fn amount(minor: i64, currency: &str) -> Value {
    let (whole, rest) = (minor / 100, minor % 100);
    json!({"value": format!("{whole}.{rest:02}"), "currency": currency})
}

fn metadata(metadata: &Metadata) -> Value {
    metadata
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn put(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(map), Some(value)) = (object.as_object_mut(), value) {
        map.insert(name.to_owned(), value);
    }
}

fn cancellation(cancellation: Option<&Cancellation>) -> Option<Value> {
    cancellation.map(|why| json!({"party": why.party, "reason": why.reason}))
}

/// The last moment at which a payment can be refunded.
pub(super) fn refundable_until(payment: &Payment) -> DateTime<Utc> {
    payment
        .created_at
        .checked_add_months(chrono::Months::new(YEARS_FOR_REFUND_MONTHS))
        .unwrap_or(payment.created_at)
}

/// What an account's objects say about it.
pub(super) struct View<'a> {
    pub base: &'a Url,
    pub shop_id: &'a str,
    pub now: DateTime<Utc>,
}

pub(super) fn payment(payment: &Payment, view: &View<'_>) -> Value {
    let succeeded = payment.status == PaymentStatus::Succeeded;
    let left = payment.amount_minor.saturating_sub(payment.refunded_minor);
    let mut object = json!({
        "id": payment.id,
        "status": payment.status.word(),
        "paid": matches!(payment.status, PaymentStatus::Succeeded | PaymentStatus::WaitingForCapture),
        "amount": amount(payment.amount_minor, &payment.currency),
        "created_at": stamp(payment.created_at),
        "metadata": metadata(&payment.metadata),
        "recipient": {"account_id": view.shop_id, "gateway_id": format!("{}7", view.shop_id)},
        "refundable": succeeded && left > 0 && view.now < refundable_until(payment),
        "test": payment.test,
    });
    let out = &mut object;
    put(
        out,
        "description",
        payment.description.as_ref().map(|text| json!(text)),
    );
    let customer = payment.merchant_customer_id.as_ref();
    put(out, "merchant_customer_id", customer.map(|id| json!(id)));
    put(
        out,
        "captured_at",
        payment.captured_at.map(|at| json!(stamp(at))),
    );
    if payment.status == PaymentStatus::WaitingForCapture {
        put(
            out,
            "expires_at",
            payment.expires_at.map(|at| json!(stamp(at))),
        );
    }
    if payment.status == PaymentStatus::Pending {
        put(out, "confirmation", confirmation(payment, view));
    }
    put(out, "payment_method", method(payment));
    if succeeded {
        let income = payment.amount_minor.saturating_sub(payment.fee_minor);
        put(
            out,
            "income_amount",
            Some(amount(income, &payment.currency)),
        );
        let refunded = amount(payment.refunded_minor, &payment.currency);
        put(out, "refunded_amount", Some(refunded));
    }
    if payment.has_receipt {
        let word = match payment.status {
            PaymentStatus::Succeeded => "succeeded",
            PaymentStatus::Canceled => "canceled",
            _ => "pending",
        };
        put(out, "receipt_registration", Some(json!(word)));
    }
    if payment.paid_at.is_some() && payment.method.as_deref() == Some("bank_card") {
        let digits: String = payment
            .id
            .bytes()
            .rev()
            .take(12)
            .map(|byte| char::from(b'0' + byte % 10))
            .collect();
        let (rrn, code) = digits.split_at(6.min(digits.len()));
        let details = json!({"rrn": format!("{rrn}{code}"), "auth_code": code, "three_d_secure": {"applied": true}});
        put(out, "authorization_details", Some(details));
    }
    put(
        out,
        "cancellation_details",
        cancellation(payment.cancellation.as_ref()),
    );
    object
}

fn confirmation(payment: &Payment, view: &View<'_>) -> Option<Value> {
    let wanted = payment.confirmation.as_ref()?;
    let page = view
        .base
        .join(&format!("yookassa/pay/{}", payment.id))
        .ok()?;
    let mut object = json!({"type": wanted.kind});
    let (name, value) = match wanted.kind.as_str() {
        "embedded" => (
            "confirmation_token",
            Some(json!(format!("ct-{}", payment.id))),
        ),
        "qr" => ("confirmation_data", Some(json!(page))),
        "external" => ("", None),
        _ => ("confirmation_url", Some(json!(page))),
    };
    put(&mut object, name, value);
    put(
        &mut object,
        "return_url",
        wanted.return_url.as_ref().map(|url| json!(url)),
    );
    Some(object)
}

fn method(payment: &Payment) -> Option<Value> {
    let kind = payment.method.as_ref()?;
    let paid = payment.paid_at.is_some();
    let mut object = json!({"type": kind, "id": payment.id, "saved": paid && payment.save_method});
    if kind == "bank_card" {
        put(&mut object, "title", Some(json!("Bank card *4444")));
        put(
            &mut object,
            "card",
            Some(card("555555", "4444", "MasterCard")),
        );
    } else if kind == "yoo_money" {
        put(
            &mut object,
            "title",
            Some(json!("YooMoney wallet 410011758831136")),
        );
        put(
            &mut object,
            "account_number",
            Some(json!("410011758831136")),
        );
    }
    Some(object)
}

pub(super) fn card(first6: &str, last4: &str, kind: &str) -> Value {
    json!({"first6": first6, "last4": last4, "expiry_month": "12", "expiry_year": "2030", "card_type": kind,
        "issuer_country": "RU"})
}

pub(super) fn refund(refund: &Refund) -> Value {
    let mut object = json!({
        "id": refund.id,
        "payment_id": refund.payment_id,
        "status": refund.status.word(),
        "amount": amount(refund.amount_minor, &refund.currency),
        "created_at": stamp(refund.created_at),
    });
    let out = &mut object;
    put(
        out,
        "description",
        refund.description.as_ref().map(|text| json!(text)),
    );
    put(
        out,
        "cancellation_details",
        cancellation(refund.cancellation.as_ref()),
    );
    object
}

pub(super) fn payout(payout: &Payout) -> Value {
    let mut object = json!({
        "id": payout.id,
        "status": payout.status.word(),
        "amount": amount(payout.amount_minor, &payout.currency),
        "payout_destination": payout.destination,
        "created_at": stamp(payout.created_at),
        "metadata": metadata(&payout.metadata),
        "test": payout.test,
    });
    let out = &mut object;
    put(
        out,
        "description",
        payout.description.as_ref().map(|text| json!(text)),
    );
    put(
        out,
        "succeeded_at",
        payout.succeeded_at.map(|at| json!(stamp(at))),
    );
    put(
        out,
        "cancellation_details",
        cancellation(payout.cancellation.as_ref()),
    );
    if payout.status == TransferStatus::Succeeded
        && let Some(sbp) = object
            .get_mut("payout_destination")
            .filter(|to| to.get("type") == Some(&json!("sbp")))
    {
        let digest = hex::encode_upper(Sha256::digest(payout.id.as_bytes()));
        let operation = digest.get(..32).unwrap_or_default();
        put(sbp, "sbp_operation_id", Some(json!(operation)));
    }
    object
}

/// The whole text of a notification: three members and no more.
pub(super) fn envelope(event: &str, object: &Value) -> String {
    json!({"type": "notification", "event": event, "object": object}).to_string()
}

pub(super) fn side_of(event: &str) -> Side {
    if event.starts_with("payout.") {
        Side::Gateway
    } else {
        Side::Shop
    }
}

/// How long paid money may stay on hold: seven days for cards and wallets, six hours for everything else.
pub(super) fn hold_time(method: &str) -> Duration {
    match method {
        "bank_card" | "yoo_money" => Duration::days(7),
        _ => Duration::hours(6),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_the_second_of_its_birth() {
        // Two published samples of the provider with their published times.
        for (at, first) in [
            ("2018-01-31T10:11:41.499Z", "2203aa1d"),
            ("2021-06-18T07:28:39.390497Z", "285e5ee7"),
        ] {
            let id = id("payment", at.parse().unwrap(), 1, 1);
            assert!(id.starts_with(first) && id.len() == 36, "{id}");
        }
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_ne!(id("payment", now, 1, 1), id("payment", now, 1, 2));
        assert!((36..=50).contains(&id("payout", now, 1, 1).len()));
    }

    #[test]
    fn times_come_with_three_digits_or_with_six() {
        let at = "2026-01-02T03:04:05.678901234Z".parse().unwrap();
        assert_eq!(stamp(moment(at, 1)), "2026-01-02T03:04:05.678Z");
        assert_eq!(stamp(moment(at, 2)), "2026-01-02T03:04:05.678901Z");
    }

    #[test]
    fn kopecks_stand_behind_the_dot() {
        assert_eq!(amount(5, "RUB")["value"], "0.05");
        assert_eq!(amount(123_400, "RUB")["value"], "1234.00");
    }
}
