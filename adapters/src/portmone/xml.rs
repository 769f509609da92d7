//! Reads Portmone's XML answers, trusting nothing in them.
//!
//! The answer decides whether money counts as gone, so it must be whole, unambiguous and in the declared encoding. Everything else
//! is an [`XmlError`], which the client turns into "unknown".

use chrono::NaiveDateTime;

use super::amount::Kopecks;
pub use super::tree::XmlError;
use super::tree::{self, Limits, Node, one_line, words};

/// The longest answer that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
const LIMITS: Limits = Limits {
    bytes: MAX_BYTES,
    depth: 8,
    elements: 256,
};

/// What one answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `status="ok"`, with the bill if there is one.
    Ok(Option<WireBill>),
    /// `status="fail"`.
    Fail {
        /// Opaque: the provider's list of codes is not known to us.
        code: String,
        /// The provider's words, if any.
        description: Option<String>,
    },
}

/// A bill as far as the answer describes it.
#[derive(Clone, PartialEq, Eq)]
pub struct WireBill {
    /// The provider's id, from the attribute or the child element.
    pub id: String,
    /// The payee's id.
    pub payee_id: Option<String>,
    /// The contract number, which is a phone number: never logged.
    pub contract_number: Option<String>,
    /// The sum that the provider says it moved.
    pub paid_amount: Option<Kopecks>,
    /// Kyiv local time.
    pub pay_date: Option<NaiveDateTime>,
    /// The bill's own status word.
    pub status: Option<String>,
}

impl std::fmt::Debug for WireBill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WireBill")
            .field("id", &self.id)
            .field("payee_id", &self.payee_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Reads one answer.
///
/// # Errors
/// [`XmlError`], after which nothing in the answer may be believed.
pub fn parse(body: &[u8]) -> Result<Answer, XmlError> {
    interpret(&tree::read(body, LIMITS)?)
}

fn interpret(root: &Node) -> Result<Answer, XmlError> {
    if root.name != "rsp" {
        return Err(XmlError::Shape);
    }
    let (bill, error) = (root.child("bill")?, root.child("error")?);
    match root.attribute("status") {
        Some("ok") if error.is_some() => Err(XmlError::Ambiguous),
        Some("ok") => bill.map(read_bill).transpose().map(Answer::Ok),
        Some("fail") if bill.is_some() => Err(XmlError::Ambiguous),
        Some("fail") => {
            let error = error.ok_or(XmlError::Shape)?;
            let code = error
                .attribute("code")
                .and_then(|code| words(code, 64))
                .ok_or(XmlError::Shape)?;
            let description = match root.value("error_description")? {
                Some(description) => Some(description),
                None => Some(error.text.trim()).filter(|text| !text.is_empty()),
            };
            Ok(Answer::Fail {
                code,
                description: description.and_then(|text| words(text, 512)),
            })
        }
        _ => Err(XmlError::Shape),
    }
}

fn read_bill(node: &Node) -> Result<WireBill, XmlError> {
    let id = match (
        node.attribute("id").filter(|id| !id.is_empty()),
        node.value("billId")?,
    ) {
        (Some(attribute), Some(child)) if attribute != child => return Err(XmlError::Ambiguous),
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(XmlError::Shape),
    };
    if id.len() > 64 {
        return Err(XmlError::Shape);
    }
    let payee = node.child("payee")?.and_then(|payee| payee.attribute("id"));
    let payee_id = match (payee, node.value("payeeId")?) {
        (Some(attribute), Some(child)) if attribute != child => return Err(XmlError::Ambiguous),
        (attribute, child) => attribute.or(child).map(one_line).transpose()?,
    };
    Ok(WireBill {
        id: one_line(id)?,
        payee_id,
        contract_number: node.name("contractNumber")?,
        paid_amount: node
            .value("paidAmount")?
            .map(|text| Kopecks::parse(text).map_err(|_| XmlError::Amount))
            .transpose()?,
        // The date is for people only; one that cannot be read must not turn a paid bill into an unknown one.
        pay_date: node
            .value("payDate")?
            .and_then(|text| NaiveDateTime::parse_from_str(text, "%d.%m.%Y %H:%M:%S").ok()),
        status: node.name("status")?,
    })
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
