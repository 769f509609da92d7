//! The answers that the provider expects to what it sent.

use super::{PayerQuery, PortmoneNotification};

/// An answer to a notification, for an HTTP response with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its media type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

/// Why a payer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// Code 1.
    UnknownPayer,
    /// Code 2: ask again later.
    Technical,
    /// Code 3.
    Blocked,
}

impl Reject {
    fn code(self) -> u8 {
        match self {
            Self::UnknownPayer => 1,
            Self::Technical => 2,
            Self::Blocked => 3,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::UnknownPayer => "payer not found",
            Self::Technical => "technical failure",
            Self::Blocked => "payer blocked",
        }
    }
}

/// The answer that tells the provider that its notification is stored. `response_id` names our record of it and holds only ASCII
/// letters, digits, `-` and `_`; anything else is left out.
///
/// A question about payers is answered with a refusal of each: we issue no bills for others to pay.
#[must_use]
pub fn acknowledgement(notification: &PortmoneNotification, response_id: &str) -> Acknowledgement {
    let response_id: String = response_id
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        .take(64)
        .collect();
    match notification {
        PortmoneNotification::Payment(_) => Acknowledgement {
            content_type: "application/json",
            body: format!(
                "{{\"errorCode\":\"0\",\"reason\":\"OK\",\"responseId\":\"{response_id}\"}}"
            ),
        },
        PortmoneNotification::Bills(_) | PortmoneNotification::Settlement(_) => xml(format!(
            "<RESULT><ERROR_CODE>0</ERROR_CODE><REASON>OK</REASON><TRN_ID>{response_id}</TRN_ID></RESULT>"
        )),
        PortmoneNotification::Requests(query) => payers_answer(query, Reject::UnknownPayer),
    }
}

/// The answer to a question about payers that refuses each of them.
#[must_use]
pub fn payers_answer(query: &PayerQuery, reject: Reject) -> Acknowledgement {
    let payee = query
        .payee
        .as_deref()
        .map(|payee| format!("<PAYEE>{}</PAYEE>", escaped(payee)))
        .unwrap_or_default();
    let mut rejects = String::new();
    for payer in &query.payers {
        let mut attributes = String::new();
        for (number, value) in (1..).zip(&payer.attributes) {
            if let Some(value) = value {
                attributes.push_str(&format!(
                    "<ATTRIBUTE{number}>{}</ATTRIBUTE{number}>",
                    escaped(value)
                ));
            }
        }
        rejects.push_str(&format!(
            "<REJECT><PAYER><CONTRACT_NUMBER>{}</CONTRACT_NUMBER>{attributes}</PAYER><ERROR_CODE>{}</ERROR_CODE><ERROR_MESSAGE>{}</ERROR_MESSAGE></REJECT>",
            escaped(&payer.contract_number),
            reject.code(),
            reject.words(),
        ));
    }
    xml(format!(
        "<RESPONSE><BILLS>{payee}</BILLS><REJECTS>{payee}{rejects}</REJECTS></RESPONSE>"
    ))
}

fn xml(body: String) -> Acknowledgement {
    Acknowledgement {
        content_type: "text/xml; charset=utf-8",
        body: format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}"),
    }
}

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}
