//! A YAML file as a tree whose every node knows its place.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_yaml::Spanned;

use super::placed::At;
use crate::yaml::place;

/// A node of a file.
#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub at: At,
}

/// What a node is.
#[derive(Debug)]
pub enum Kind {
    /// No value: `answer:` and nothing after it.
    Empty,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// What the parser gives; a scalar that it took for a number or a boolean is a span of the file until it is a node.
enum Raw {
    Empty,
    Text(String),
    Plain,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

impl Node {
    /// The tree of a file, or the parser's complaint.
    pub fn parse(text: &str) -> Result<Node, serde_yaml::Error> {
        let options = serde_yaml::options! {
            // In a text, "no" and "off" are words and "007" is not 7.
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            with_snippet: false,
            non_finite_float_policy: serde_yaml::options::NonFiniteFloatPolicy::PassThrough,
            merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
            budget: serde_yaml::budget! {
                max_depth: 32, max_aliases: 1_000, max_nodes: 2_000_000, max_events: 8_000_000, max_documents: 1,
            },
        };
        let raw: Spanned<Raw> = serde_yaml::from_str_with_options(text, options)?;
        Ok(Node::of(raw, text))
    }

    fn of(raw: Spanned<Raw>, text: &str) -> Node {
        let (line, column) = place(raw.referenced);
        let kind = match raw.value {
            Raw::Empty => Kind::Empty,
            Raw::Text(text) => Kind::Text(text),
            Raw::Plain => Kind::Text(written(text, raw.defined).to_owned()),
            Raw::List(list) => Kind::List(list.into_iter().map(|item| Node::of(item, text)).collect()),
            Raw::Map(pairs) => {
                let node = |(key, value)| (Node::of(key, text), Node::of(value, text));
                Kind::Map(pairs.into_iter().map(node).collect())
            }
        };
        Node { kind, at: At { line, column } }
    }

    /// What a message calls it.
    pub fn is(&self) -> &'static str {
        match self.kind {
            Kind::Empty => "nothing",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a block of keys",
        }
    }
}

/// A scalar as it stands in the file.
fn written(text: &str, location: serde_yaml::Location) -> &str {
    let span = location.span();
    let bytes = || {
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let length = usize::try_from(span.byte_len()?).ok()?;
        text.get(start..start.checked_add(length)?)
    };
    bytes().unwrap_or_default().trim()
}
