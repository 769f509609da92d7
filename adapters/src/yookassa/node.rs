//! JSON from outside, trusting nothing in it.
//!
//! A member that stands twice makes the whole document unusable, since two readers could see two different amounts. Numbers lose
//! their value unless they are small and whole: nothing that matters here is a number, and none becomes a float.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Longest answer that is read: a page of a hundred payments is about a fifth of it.
pub const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why an answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON in UTF-8, cut off, too deep, or with a member that stands twice.
    #[error("not a well-formed document")]
    NotWellFormed,
    /// A member that must be there is absent or of another kind.
    #[error("{0} is absent or of the wrong kind")]
    Missing(&'static str),
    /// An amount in any form but digits, a dot and the currency's decimals.
    #[error("an amount that cannot be read exactly")]
    Amount,
    /// A currency in which no books are kept here.
    #[error("an amount in an unknown currency")]
    Currency,
    /// It speaks of something that was not asked about.
    #[error("the answer is about another {0}")]
    Another(&'static str),
    /// A list that has no end, or more items than any real one.
    #[error("the list does not end")]
    Endless,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    /// Its value only if it is whole and not negative.
    Number(Option<u64>),
    Text(String),
    List(Vec<Node>),
    Map(BTreeMap<String, Node>),
}

/// What an absent member reads as.
static NOTHING: Node = Node::Null;

impl Node {
    /// Reads one whole document.
    pub(super) fn read(body: &[u8]) -> Result<Self, AnswerError> {
        serde_json::from_slice(body).map_err(|_| AnswerError::NotWellFormed)
    }

    /// The member of this name; null when there is none, or no members at all.
    pub(super) fn at(&self, name: &str) -> &Self {
        match self {
            Self::Map(members) => members.get(name).unwrap_or(&NOTHING),
            _ => &NOTHING,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => *number,
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a member that stands twice")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(Some(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(u64::try_from(number).ok()))
    }

    fn visit_f64<E>(self, _fraction: f64) -> Result<Node, E> {
        Ok(Node::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Node>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Node::Map(members))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_are_found_by_name_and_kind() {
        let node =
            Node::read(br#"{"a":{"b":"c"},"n":12,"f":1.5,"m":-1,"t":true,"l":[null]}"#).unwrap();
        assert_eq!(node.at("a").at("b").text(), Some("c"));
        assert_eq!(node.at("n").number(), Some(12));
        assert_eq!(
            (node.at("f").number(), node.at("m").number()),
            (None, None),
            "no fraction and no sign"
        );
        assert_eq!(node.at("t").flag(), Some(true));
        assert_eq!(node.at("l").list().unwrap(), [Node::Null]);
        assert_eq!(node.at("a").at("x").at("y"), &Node::Null);
        assert_eq!(node.at("n").text(), None);
    }

    #[test]
    fn f25_what_is_no_plain_json_document_is_refused_whole() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        let refused: [&[u8]; 12] = [
            b"",
            b" ",
            b"{",
            b"{} {}",
            b"<html></html>",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1,\"a\":1}",
            b"{\"a\":{\"b\":1,\"b\":2}}",
            b"[1e999]",
            b"{'a':1}",
            deep.as_bytes(),
        ];
        for body in refused {
            let shown = String::from_utf8_lossy(body.get(..body.len().min(30)).unwrap());
            assert_eq!(Node::read(body), Err(AnswerError::NotWellFormed), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _read = Node::read(&body);
        }
    }
}
