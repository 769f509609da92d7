//! Writes the provider's answers, whole or spoilt.

use chrono_tz::Europe::Kyiv;
use serde::{Deserialize, Serialize};

use super::state::{Bill, BillState, Refused};
use super::{BillShape, Form, PortmoneSettings};
use crate::portmone::Kopecks;

const XML: &str = "text/xml; charset=utf-8";

/// Something wrong with an answer whose call was processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blemish {
    /// Not well-formed.
    Malformed,
    /// Ends in the middle.
    CutOff,
    /// No body.
    Empty,
    /// An HTML page with status 200, as a proxy would show.
    Html,
    /// Says windows-1251 and is.
    WrongCharset,
    /// A document type that reads a local file.
    ExternalEntity,
    /// A document type whose entities multiply.
    EntityBomb,
    /// Longer than any client should read.
    Oversize,
    /// `ok` without a bill.
    NoBill,
    /// Another bill's id.
    WrongBill,
    /// Another payee's id.
    WrongPayee,
    /// Another contract number.
    WrongPhone,
    /// Another paid amount.
    WrongAmount,
    /// No paid amount.
    NoAmount,
    /// An amount in a form that is not an amount.
    OddAmount,
}

/// An answer ready for the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Reply {
    pub(super) fn xml(body: String) -> Self {
        Self {
            status: 200,
            content_type: XML,
            body: format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{body}").into_bytes(),
        }
    }
}

pub(super) fn reply(
    settings: &PortmoneSettings,
    form: &Form,
    result: Result<Bill, Refused>,
    blemish: Option<&Blemish>,
) -> Reply {
    let bill = match result {
        Ok(bill) => bill,
        Err(refused) => {
            let (code, words) = refused.words(form.get("lang"));
            return refusal(form, code, words);
        }
    };
    let document = ok_document(settings, form, &bill, blemish);
    match blemish {
        Some(Blemish::Malformed) => {
            Reply::xml("<rsp status=\"ok\"><bill id=\"1\"></rsp></bill>".to_owned())
        }
        Some(Blemish::CutOff) => {
            let half = document.len() / 2;
            Reply::xml(document.chars().take(half).collect())
        }
        Some(Blemish::Empty) => Reply {
            status: 200,
            content_type: XML,
            body: Vec::new(),
        },
        Some(Blemish::Html) => {
            let page = "<!DOCTYPE html><html><head><title>Service</title></head><body><p>We are back soon<br></body></html>";
            Reply {
                status: 200,
                content_type: "text/html; charset=utf-8",
                body: page.as_bytes().to_vec(),
            }
        }
        Some(Blemish::WrongCharset) => {
            let mut body = b"<?xml version=\"1.0\" encoding=\"windows-1251\"?><rsp status=\"ok\"><bill id=\"1\"><payee id=\"1\">".to_vec();
            body.extend_from_slice(&[0xca, 0xe8, 0xbf, 0xe2]);
            body.extend_from_slice(b"</payee></bill></rsp>");
            Reply {
                status: 200,
                content_type: "text/xml; charset=windows-1251",
                body,
            }
        }
        Some(Blemish::ExternalEntity) => Reply::xml(format!(
            "<!DOCTYPE rsp [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>{}",
            document.replace("<payee", "&x;<payee")
        )),
        Some(Blemish::EntityBomb) => Reply::xml(format!(
            "<!DOCTYPE rsp [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>{}",
            document.replace("<payee", "&c;<payee")
        )),
        Some(Blemish::Oversize) => Reply::xml(document.replace(
            "</rsp>",
            &format!("<!--{}--></rsp>", "x".repeat(256 * 1024)),
        )),
        Some(_) | None => Reply::xml(document),
    }
}

fn ok_document(
    settings: &PortmoneSettings,
    form: &Form,
    bill: &Bill,
    blemish: Option<&Blemish>,
) -> String {
    if blemish == Some(&Blemish::NoBill) {
        return "<rsp status=\"ok\"></rsp>".to_owned();
    }
    let id = if blemish == Some(&Blemish::WrongBill) {
        format!("9{}", bill.id)
    } else {
        bill.id.clone()
    };
    let payee_id = if blemish == Some(&Blemish::WrongPayee) {
        "9999"
    } else {
        bill.payee_id.as_str()
    };
    let payee_name = settings
        .payees
        .iter()
        .find(|payee| payee.id == bill.payee_id)
        .map_or("", |payee| payee.name.as_str());
    // The attribute shape does not carry the number; a wrong one can only be shown by adding it.
    let contract = match (settings.shape, blemish) {
        (_, Some(Blemish::WrongPhone)) => Some("380670000000"),
        (BillShape::Child, _) => Some(bill.contract_number.as_str()),
        (BillShape::Attribute, _) => None,
    };
    let mut body = match settings.shape {
        BillShape::Attribute => format!("<bill id=\"{}\">", escaped(&id)),
        BillShape::Child => format!("<bill><billId>{}</billId>", escaped(&id)),
    };
    if let Some(contract) = contract {
        body.push_str(&format!(
            "<contractNumber>{}</contractNumber>",
            escaped(contract)
        ));
    }
    body.push_str(&format!(
        "<payee id=\"{}\">{}</payee>",
        escaped(payee_id),
        escaped(payee_name)
    ));
    if form.get("method") != "bills.create" {
        if let (BillState::Paid, Some(at)) = (bill.state, bill.paid_at) {
            let amount = match blemish {
                Some(Blemish::WrongAmount) => Some(text(bill.moved_minor.saturating_add(100))),
                Some(Blemish::OddAmount) => Some("5e1".to_owned()),
                Some(Blemish::NoAmount) => None,
                _ => Some(text(bill.moved_minor)),
            };
            if let Some(amount) = amount {
                body.push_str(&format!("<paidAmount>{amount}</paidAmount>"));
            }
            body.push_str(&format!(
                "<payDate>{}</payDate>",
                at.with_timezone(&Kyiv).format("%d.%m.%Y %H:%M:%S")
            ));
        }
        body.push_str(&format!("<status>{}</status>", bill.state.word()));
    }
    format!("<rsp status=\"ok\">{body}</bill></rsp>")
}

/// A `fail` answer in the form of the caller's protocol version.
pub(super) fn refusal(form: &Form, code: &str, words: &str) -> Reply {
    let (code, words) = (escaped(code), escaped(words));
    Reply::xml(if form.version() == "2" {
        format!(
            "<rsp status=\"fail\"><error code=\"{code}\">{words}</error><error_description>{words}</error_description></rsp>"
        )
    } else {
        format!("<rsp status=\"fail\"><error code=\"{code}\">{words}</error></rsp>")
    })
}

pub(super) fn failing_server(status: u16) -> Reply {
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        body: b"<html><body><h1>Server Error</h1></body></html>".to_vec(),
    }
}

pub(super) fn text(minor: i64) -> String {
    Kopecks::new(minor)
        .map(|amount| amount.to_string())
        .unwrap_or_default()
}

pub(super) fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

impl Refused {
    /// The code, and the words in the asked language (English unless `uk` or `ru`).
    pub(crate) fn words(self, lang: &str) -> (&'static str, &'static str) {
        let (code, en, uk, ru) = match self {
            Self::Method => (
                "p001",
                "Invalid method name",
                "Невідомий метод",
                "Неизвестный метод",
            ),
            Self::Credentials => (
                "s101",
                "Wrong login or password",
                "Невірний логін або пароль",
                "Неверный логин или пароль",
            ),
            Self::Version => (
                "s102",
                "Unknown version",
                "Невідома версія",
                "Неизвестная версия",
            ),
            Self::Payee => (
                "s201",
                "Unknown payee",
                "Невідомий отримувач",
                "Неизвестный получатель",
            ),
            Self::Contract => (
                "s202",
                "Invalid contract number",
                "Невірний номер",
                "Неверный номер",
            ),
            Self::ForeignOperator => (
                "s203",
                "The number is served by another operator",
                "Номер іншого оператора",
                "Номер другого оператора",
            ),
            Self::Amount => ("s301", "Invalid amount", "Невірна сума", "Неверная сумма"),
            Self::Bill => (
                "s302",
                "Unknown bill",
                "Невідомий рахунок",
                "Неизвестный счёт",
            ),
            Self::Rejected => (
                "s303",
                "The bill is rejected",
                "Рахунок відхилено",
                "Счёт отклонён",
            ),
            Self::AlreadyPaid => (
                "s304",
                "The bill is already paid",
                "Рахунок вже оплачено",
                "Счёт уже оплачен",
            ),
            Self::Deposit => (
                "s401",
                "Insufficient deposit",
                "Недостатньо коштів на депозиті",
                "Недостаточно средств на депозите",
            ),
        };
        (
            code,
            match lang {
                "uk" => uk,
                "ru" => ru,
                _ => en,
            },
        )
    }
}
