//! From bytes to facts.

use std::borrow::Cow;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use percent_encoding::percent_decode;

use super::{
    BillNotice, NotificationError, PayOrder, Payer, PayerQuery, PaymentNotice, PortmoneNotification,
};
use crate::portmone::amount::{Kopecks, Movement};
use crate::portmone::json::{self, Document};
use crate::portmone::line::declared_charset;
use crate::portmone::tree::{self, Limits, Node, XmlError};

/// The longest notification that is read, in bytes. A settlement lists every bill of a day; all others are small.
pub const MAX_NOTIFICATION_BYTES: usize = 1024 * 1024;
const LIMITS: Limits = Limits {
    bytes: MAX_NOTIFICATION_BYTES,
    depth: 10,
    elements: 40_000,
};
const MAX_ID: usize = 64;
const MAX_TEXT: usize = 512;

type Read<T> = Result<T, NotificationError>;

/// Reads one notification. Pure: it looks nothing up and changes nothing.
///
/// A client that posts JSON or XML without naming its type sends it as a form, so a form whose first character begins a document
/// is that document.
///
/// # Errors
/// [`NotificationError`] for everything that is not wholly clear.
pub fn parse_notification(content_type: &str, body: &[u8]) -> Read<PortmoneNotification> {
    if body.len() > MAX_NOTIFICATION_BYTES {
        return Err(NotificationError::TooLong);
    }
    if declared_charset(content_type).is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
        return Err(NotificationError::Charset);
    }
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii();
    if body.is_empty() {
        return Err(NotificationError::Empty);
    }
    if is_html(body) {
        return Err(NotificationError::Html);
    }
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match (media.to_ascii_lowercase().as_str(), body.first()) {
        ("application/json" | "text/json", _) => read_json(body),
        ("application/xml" | "text/xml", _) => read_xml(body),
        ("application/x-www-form-urlencoded" | "", Some(b'{')) => read_json(body),
        ("application/x-www-form-urlencoded" | "", Some(b'<')) => read_xml(body),
        ("application/x-www-form-urlencoded" | "", _) => read_form(body),
        ("text/html", _) => Err(NotificationError::Html),
        _ => Err(NotificationError::MediaType),
    }
}

fn is_html(body: &[u8]) -> bool {
    ["<!doctype html", "<html"].iter().any(|start| {
        body.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    })
}

fn read_form(body: &[u8]) -> Read<PortmoneNotification> {
    let mut documents = body.split(|byte| *byte == b'&').filter_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next()?, parts.next()?);
        (name == b"data").then_some(value)
    });
    let (Some(value), None) = (documents.next(), documents.next()) else {
        return Err(NotificationError::Form);
    };
    let value: Vec<u8> = value
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    // Decoded to bytes, not to text: whether they are UTF-8 is then checked and not repaired.
    let document: Cow<'_, [u8]> = percent_decode(&value).into();
    let document = document.trim_ascii();
    if is_html(document) {
        return Err(NotificationError::Html);
    }
    read_xml(document)
}

fn read_json(body: &[u8]) -> Read<PortmoneNotification> {
    let Document::One(object) = json::read(body, 0)? else {
        return Err(NotificationError::Json(json::JsonError::Shape));
    };
    let number = |name, spellings: &[&str]| {
        object
            .text(spellings)?
            .filter(|text| is_id(text))
            .ok_or(NotificationError::Missing(name))
    };
    let amount = object
        .text(&["billAmount", "bill_amount"])?
        .map(|text| Movement::parse(&text).map_err(|_| NotificationError::Amount))
        .transpose()?;
    Ok(PortmoneNotification::Payment(PaymentNotice {
        shop_order_number: number("shopOrderNumber", &["shopOrderNumber", "shop_order_number"])?,
        shop_bill_id: number("shopBillId", &["shopBillId", "shop_bill_id", "shopbillId"])?,
        status: object.text(&["status"])?.and_then(|text| words(&text)),
        payee_id: object
            .text(&["payeeId", "payee_id"])?
            .and_then(|text| words(&text)),
        amount,
    }))
}

fn read_xml(body: &[u8]) -> Read<PortmoneNotification> {
    let root = tree::read(body, LIMITS)?;
    match root.name.as_str() {
        "BILLS" => bills(&root).map(PortmoneNotification::Bills),
        "PAY_ORDERS" => {
            let orders: Read<Vec<_>> = root.all("PAY_ORDER").map(pay_order).collect();
            Ok(PortmoneNotification::Settlement(some(
                orders?,
                "PAY_ORDER",
            )?))
        }
        "REQUESTS" => payer_query(&root).map(PortmoneNotification::Requests),
        _ => Err(NotificationError::Xml(XmlError::Shape)),
    }
}

fn some<T>(items: Vec<T>, name: &'static str) -> Read<Vec<T>> {
    if items.is_empty() {
        Err(NotificationError::Missing(name))
    } else {
        Ok(items)
    }
}

fn bills(node: &Node) -> Read<Vec<BillNotice>> {
    let bills: Read<Vec<_>> = node.all("BILL").map(bill).collect();
    some(bills?, "BILL")
}

fn bill(node: &Node) -> Read<BillNotice> {
    let movement = node
        .value("PAYED_AMOUNT")?
        .ok_or(NotificationError::Missing("PAYED_AMOUNT"))?;
    let movement = Movement::parse(movement).map_err(|_| NotificationError::Amount)?;
    let payer = node.child("PAYER")?;
    Ok(BillNotice {
        bill_id: id(node, "BILL_ID")?,
        movement,
        commission: commission(node, movement)?,
        payee_code: payee_code(node)?,
        bill_number: text(node, "BILL_NUMBER")?,
        bill_date: date(node, "BILL_DATE")?,
        paid_at: paid_at(node)?,
        status: text(node, "STATUS")?,
        auth_code: text(node, "AUTH_CODE")?,
        contract_number: payer
            .map(|payer| text(payer, "CONTRACT_NUMBER"))
            .transpose()?
            .flatten(),
        attributes: payer.map(attributes).transpose()?.unwrap_or_default(),
    })
}

/// A commission has a minus only on a reversal, where it says nothing that the reversal does not.
fn commission(node: &Node, movement: Movement) -> Read<Option<Kopecks>> {
    let Some(text) = node.value("PAYED_COMMISSION")? else {
        return Ok(None);
    };
    let digits = match movement {
        Movement::Back(_) => text.strip_prefix('-').unwrap_or(text),
        Movement::Forward(_) => text,
    };
    Kopecks::parse(digits)
        .map(Some)
        .map_err(|_| NotificationError::Amount)
}

fn pay_order(node: &Node) -> Read<PayOrder> {
    let amount = node
        .value("PAY_ORDER_AMOUNT")?
        .ok_or(NotificationError::Missing("PAY_ORDER_AMOUNT"))?;
    let list = node
        .child("BILLS")?
        .ok_or(NotificationError::Missing("BILLS"))?;
    Ok(PayOrder {
        id: id(node, "PAY_ORDER_ID")?,
        number: text(node, "PAY_ORDER_NUMBER")?,
        date: date(node, "PAY_ORDER_DATE")?,
        amount: Kopecks::parse(amount).map_err(|_| NotificationError::Amount)?,
        payee_code: payee_code(node)?,
        bills: bills(list)?,
    })
}

fn payer_query(root: &Node) -> Read<PayerQuery> {
    let payers: Read<Vec<_>> = root
        .all("PAYER")
        .map(|payer| {
            Ok(Payer {
                contract_number: id(payer, "CONTRACT_NUMBER")?,
                attributes: attributes(payer)?,
            })
        })
        .collect();
    Ok(PayerQuery {
        payee: text(root, "PAYEE")?,
        payers: some(payers?, "PAYER")?,
    })
}

fn payee_code(node: &Node) -> Read<Option<String>> {
    match node.child("PAYEE")? {
        Some(payee) => text(payee, "CODE"),
        None => Ok(None),
    }
}

fn attributes(payer: &Node) -> Read<[Option<String>; 5]> {
    Ok([
        text(payer, "ATTRIBUTE1")?,
        text(payer, "ATTRIBUTE2")?,
        text(payer, "ATTRIBUTE3")?,
        text(payer, "ATTRIBUTE4")?,
        text(payer, "ATTRIBUTE5")?,
    ])
}

fn id(node: &Node, name: &'static str) -> Read<String> {
    node.value(name)?
        .filter(|text| is_id(text))
        .map(str::to_owned)
        .ok_or(NotificationError::Missing(name))
}

fn is_id(text: &str) -> bool {
    text.len() <= MAX_ID && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text(node: &Node, name: &'static str) -> Read<Option<String>> {
    Ok(node.value(name)?.and_then(words))
}

fn words(text: &str) -> Option<String> {
    tree::words(text, MAX_TEXT)
}

/// Dates, too, are for people and for sorting; one that cannot be read does not spoil the news.
fn date(node: &Node, name: &'static str) -> Read<Option<NaiveDate>> {
    Ok(node.value(name)?.and_then(parse_date))
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    ["%Y-%m-%d", "%d.%m.%Y"]
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok())
}

fn paid_at(node: &Node) -> Read<Option<NaiveDateTime>> {
    let time = node
        .value("PAY_TIME")?
        .and_then(|text| NaiveTime::parse_from_str(text, "%H:%M:%S").ok())
        .unwrap_or_default();
    Ok(date(node, "PAY_DATE")?.map(|date| date.and_time(time)))
}
