//! Reads Portmone's XML answers, trusting nothing in them.
//!
//! The answer decides whether money counts as gone, so it must be whole, unambiguous and in the declared encoding. Everything else
//! is an [`XmlError`], which the client turns into "unknown". Documents are tiny; size, depth and element count are bounded, and a
//! document type or an entity of its own ends the reading at once.

use chrono::NaiveDateTime;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::amount::Kopecks;

/// The longest answer that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 8;
const MAX_ELEMENTS: usize = 256;

/// Why an answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nothing but white space.
    #[error("the answer is empty")]
    Empty,
    /// More than [`MAX_BYTES`].
    #[error("the answer is too long")]
    TooLong,
    /// Not UTF-8, or declares another encoding.
    #[error("the answer is not in UTF-8")]
    Charset,
    /// Not well-formed XML, or cut off.
    #[error("the answer is not well-formed")]
    NotWellFormed,
    /// A document type, an entity of its own or a processing instruction: never part of this protocol.
    #[error("the answer holds a forbidden construct")]
    Forbidden,
    /// Deeper or with more elements than any real answer.
    #[error("the answer is too complex")]
    TooComplex,
    /// Well-formed, but not this protocol (an HTML page, for instance).
    #[error("the answer is not in the expected shape")]
    Shape,
    /// The same fact twice, or two facts that contradict each other.
    #[error("the answer is ambiguous")]
    Ambiguous,
    /// An amount that is not a plain decimal.
    #[error("the answer holds an amount that cannot be read")]
    Amount,
}

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
    if body.len() > MAX_BYTES {
        return Err(XmlError::TooLong);
    }
    let text = std::str::from_utf8(body).map_err(|_| XmlError::Charset)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(XmlError::Empty);
    }
    interpret(&read_tree(text)?)
}

#[derive(Debug, Default)]
struct Node {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Node>,
}

impl Node {
    fn open(start: &BytesStart<'_>) -> Result<Self, XmlError> {
        let name = utf8(start.name().as_ref())?;
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::NotWellFormed)?;
            let value = utf8(&attribute.value)?;
            // Ids and status words need no escapes; refusing them all leaves nothing to expand.
            if value.contains('&') {
                return Err(XmlError::Forbidden);
            }
            attributes.push((utf8(attribute.key.as_ref())?, value));
        }
        Ok(Self {
            name,
            attributes,
            ..Self::default()
        })
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
    }

    /// The only child of that name; two of them are a contradiction even if they agree.
    fn child(&self, name: &str) -> Result<Option<&Node>, XmlError> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() {
            Err(XmlError::Ambiguous)
        } else {
            Ok(first)
        }
    }

    /// The child's text, `None` when it is absent or empty. A child with elements of its own is not a value.
    fn value(&self, name: &str) -> Result<Option<&str>, XmlError> {
        match self.child(name)? {
            Some(child) if !child.children.is_empty() => Err(XmlError::Shape),
            Some(child) => Ok(Some(child.text.trim()).filter(|text| !text.is_empty())),
            None => Ok(None),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, XmlError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| XmlError::Charset)
}

fn read_tree(text: &str) -> Result<Node, XmlError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    let mut elements = 0_usize;
    loop {
        let event = reader.read_event().map_err(|_| XmlError::NotWellFormed)?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                elements = elements.saturating_add(1);
                if elements > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                    return Err(XmlError::TooComplex);
                }
                if open.is_empty() && root.is_some() {
                    return Err(XmlError::NotWellFormed);
                }
                let node = Node::open(start)?;
                if matches!(event, Event::Empty(_)) {
                    close(node, &mut open, &mut root)
                } else {
                    open.push(node)
                }
            }
            Event::End(_) => {
                let node = open.pop().ok_or(XmlError::NotWellFormed)?;
                close(node, &mut open, &mut root);
            }
            Event::Text(part) => push_text(&mut open, &utf8(part)?)?,
            Event::CData(part) => push_text(&mut open, &utf8(part)?)?,
            Event::GeneralRef(reference) => {
                let character = match reference
                    .resolve_char_ref()
                    .map_err(|_| XmlError::Forbidden)?
                {
                    Some(character) => character,
                    None => predefined(reference).ok_or(XmlError::Forbidden)?,
                };
                push_text(&mut open, character.encode_utf8(&mut [0; 4]))?;
            }
            Event::Decl(declaration) => match declaration.encoding() {
                Some(Ok(name)) if !name.eq_ignore_ascii_case(b"utf-8") => {
                    return Err(XmlError::Charset);
                }
                Some(Err(_)) => return Err(XmlError::NotWellFormed),
                Some(Ok(_)) | None => {}
            },
            Event::Comment(_) => {}
            Event::DocType(_) | Event::PI(_) => return Err(XmlError::Forbidden),
            Event::Eof => break,
        }
    }
    // The root is set when it is closed, so a document that ends inside an element has none.
    root.ok_or(XmlError::NotWellFormed)
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => *root = Some(node),
    }
}

fn push_text(open: &mut [Node], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlError::NotWellFormed),
    }
    Ok(())
}

fn predefined(name: &[u8]) -> Option<char> {
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        _ => None,
    }
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
                .filter(|code| !code.is_empty())
                .ok_or(XmlError::Shape)?;
            let words = match root.value("error_description")? {
                Some(description) => Some(description),
                None => Some(error.text.trim()).filter(|text| !text.is_empty()),
            };
            Ok(Answer::Fail {
                code: shortened(code, 64),
                description: words.map(|text| shortened(text, 512)),
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
        (attribute, child) => attribute.or(child).map(str::to_owned),
    };
    Ok(WireBill {
        id: id.to_owned(),
        payee_id,
        contract_number: node.value("contractNumber")?.map(str::to_owned),
        paid_amount: node
            .value("paidAmount")?
            .map(|text| Kopecks::parse(text).map_err(|_| XmlError::Amount))
            .transpose()?,
        // The date is for people only; one that cannot be read must not turn a paid bill into an unknown one.
        pay_date: node
            .value("payDate")?
            .and_then(|text| NaiveDateTime::parse_from_str(text, "%d.%m.%Y %H:%M:%S").ok()),
        status: node.value("status")?.map(str::to_owned),
    })
}

fn shortened(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(limit)
        .collect()
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
