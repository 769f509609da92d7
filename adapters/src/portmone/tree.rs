//! A defensive XML reader: a whole, unambiguous document in UTF-8 becomes a small tree, everything else an error.
//!
//! Size, depth, elements and attributes are bounded. A document type, an entity of its own or a processing instruction ends the
//! reading at once, so there is nothing to fetch and nothing to expand.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const MAX_ATTRIBUTES: usize = 16;

/// How much of a document is read at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes.
    pub(super) bytes: usize,
    /// Elements within each other.
    pub(super) depth: usize,
    /// Elements altogether.
    pub(super) elements: usize,
}

/// Why a document cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nothing but white space.
    #[error("the document is empty")]
    Empty,
    /// More than the caller's limit.
    #[error("the document is too long")]
    TooLong,
    /// Not UTF-8, or declares another encoding.
    #[error("the document is not in UTF-8")]
    Charset,
    /// Not well-formed XML, or cut off.
    #[error("the document is not well-formed")]
    NotWellFormed,
    /// A document type, an entity of its own or a processing instruction: never part of this protocol.
    #[error("the document holds a forbidden construct")]
    Forbidden,
    /// Deeper or with more elements than any real document.
    #[error("the document is too complex")]
    TooComplex,
    /// Well-formed, but not this protocol (an HTML page, for instance).
    #[error("the document is not in the expected shape")]
    Shape,
    /// The same fact twice, or two facts that contradict each other.
    #[error("the document is ambiguous")]
    Ambiguous,
    /// An amount that is not a plain decimal.
    #[error("the document holds an amount that cannot be read")]
    Amount,
}

/// Reads one document.
///
/// # Errors
/// [`XmlError`], after which nothing in the document may be believed.
pub(super) fn read(body: &[u8], limits: Limits) -> Result<Node, XmlError> {
    if body.len() > limits.bytes {
        return Err(XmlError::TooLong);
    }
    let text = std::str::from_utf8(body).map_err(|_| XmlError::Charset)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(XmlError::Empty);
    }
    if !text.chars().all(is_character) {
        return Err(XmlError::NotWellFormed);
    }
    read_tree(text, limits)
}

/// Whether XML 1.0 knows the character, written as itself or by its number. The reader does not ask, and no column of text takes
/// U+0000.
fn is_character(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// One element.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) children: Vec<Node>,
}

impl Node {
    fn open(start: &BytesStart<'_>) -> Result<Self, XmlError> {
        let name = xml_name(start.name().as_ref())?;
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            // The reader compares each attribute with all before it, so many of them would cost their square.
            if attributes.len() >= MAX_ATTRIBUTES {
                return Err(XmlError::TooComplex);
            }
            let attribute = attribute.map_err(|_| XmlError::NotWellFormed)?;
            let value = utf8(&attribute.value)?;
            // Ids and status words need no escapes; refusing them all leaves nothing to expand. The other one begins an element.
            if value.contains(['&', '<']) {
                return Err(XmlError::Forbidden);
            }
            attributes.push((xml_name(attribute.key.as_ref())?, value));
        }
        Ok(Self {
            name,
            attributes,
            ..Self::default()
        })
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.trim())
    }

    /// All children of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The only child of that name; two of them are a contradiction even if they agree.
    pub(super) fn child(&self, name: &str) -> Result<Option<&Node>, XmlError> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() {
            Err(XmlError::Ambiguous)
        } else {
            Ok(first)
        }
    }

    /// As [`value`](Self::value), for what names something: it stands on one line.
    pub(super) fn name(&self, name: &str) -> Result<Option<String>, XmlError> {
        self.value(name)?.map(one_line).transpose()
    }

    /// The child's text, `None` when it is absent or empty. A child with elements of its own is not a value.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, XmlError> {
        match self.child(name)? {
            Some(child) if !child.children.is_empty() => Err(XmlError::Shape),
            Some(child) => Ok(Some(child.text.trim()).filter(|text| !text.is_empty())),
            None => Ok(None),
        }
    }
}

/// The name of an element or an attribute. The reader takes whatever stands there, also a lost quote or the beginning of another
/// element.
fn xml_name(bytes: &[u8]) -> Result<String, XmlError> {
    let name = utf8(bytes)?;
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') || !name.chars().all(inside) {
        return Err(XmlError::NotWellFormed);
    }
    Ok(name)
}

/// Words for people: cut rather than refused. `None` when nothing is left.
pub(super) fn words(text: &str, limit: usize) -> Option<String> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(limit)
        .collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A text that may become a name in events, columns and logs.
pub(super) fn one_line(text: &str) -> Result<String, XmlError> {
    if text.chars().any(char::is_control) {
        return Err(XmlError::Shape);
    }
    Ok(text.to_owned())
}

fn utf8(bytes: &[u8]) -> Result<String, XmlError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| XmlError::Charset)
}

fn read_tree(text: &str, limits: Limits) -> Result<Node, XmlError> {
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
                if elements > limits.elements || open.len() >= limits.depth {
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
                if !is_character(character) {
                    return Err(XmlError::NotWellFormed);
                }
                push_text(&mut open, character.encode_utf8(&mut [0; 4]))?;
            }
            // The reader takes anything for one, up to its end.
            Event::Decl(declaration)
                if elements > 0 || declaration.iter().any(|byte| b"<>".contains(byte)) =>
            {
                return Err(XmlError::NotWellFormed);
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
