//! Typed values out of the tree of a file.
//!
//! serde stops at the first thing that does not fit. Who edits an FAQ wants to see all of them at once, so a file is
//! first read into a tree, which needs only its syntax to be right; then the values are taken out of the tree, and
//! what does not fit is noted and stepped over.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::node::{Kind, Node};
use super::placed::At;
use super::syntax::quoted;
use crate::finding::Finding;
use crate::yaml::nearest;

/// What does not fit, collected on the way.
struct Notes<'a> {
    file: &'a str,
    text: &'a str,
    findings: RefCell<Vec<Finding>>,
}

impl Notes<'_> {
    fn note(&self, at: At, message: String, hint: Option<String>) {
        let finding = Finding { hint, ..Finding::error(self.file, message).at(self.text, at.line, at.column) };
        self.findings.borrow_mut().push(finding);
    }

    /// The rest of the line from a place on.
    fn line_from(&self, at: At) -> &str {
        let line = self.text.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
        let start =
            line.char_indices().nth(at.column.saturating_sub(1) as usize).map_or(line.len(), |(start, _)| start);
        line[start..].trim_end()
    }
}

/// Why a value could not be taken.
#[derive(Debug)]
enum Stop {
    /// It is noted already.
    Noted,
    /// It still needs a place.
    Said(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Noted => f.write_str("does not fit"),
            Stop::Said(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Stop {
        Stop::Said(message.to_string())
    }

    fn missing_field(field: &'static str) -> Stop {
        Stop::Said(format!("the key `{field}` is missing"))
    }
}

/// Takes a value out of a node.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    /// The key that it stands at.
    name: Option<&'a str>,
    /// Whether it is one of the list at this key.
    item: bool,
    notes: &'a Notes<'a>,
}

/// The value of a file, or everything in it that does not fit.
pub fn read<T: DeserializeOwned>(node: &Node, file: &str, text: &str) -> Result<T, Vec<Finding>> {
    let notes = Notes { file, text, findings: RefCell::default() };
    let reader = Reader { node, name: None, item: false, notes: &notes };
    let value = reader.placed(T::deserialize(reader));
    match (value, notes.findings.into_inner()) {
        (Ok(value), findings) if findings.is_empty() => Ok(value),
        (_, findings) => Err(findings),
    }
}

impl<'a> Reader<'a> {
    /// `` `phrases` `` or what else a message may call this node.
    fn called(&self) -> String {
        match self.name {
            None => "the file".to_owned(),
            Some(name) if self.item => format!("each of `{name}`"),
            Some(name) => format!("`{name}`"),
        }
    }

    /// Notes that something else is wanted here.
    fn unfit(&self, wanted: &str, hint: Option<String>) -> Stop {
        let message = match self.node.kind {
            Kind::Empty if self.item => "nothing stands here".to_owned(),
            Kind::Empty => format!("{} is empty", self.called()),
            _ => format!("{} must be {wanted}, not {}", self.called(), self.node.is()),
        };
        self.notes.note(self.node.at, message, hint);
        Stop::Noted
    }

    /// Gives what was said without a place the place of this node.
    fn placed<T>(&self, result: Result<T, Stop>) -> Result<T, Stop> {
        result.map_err(|stop| {
            if let Stop::Said(message) = stop {
                // What follows a semicolon is what to write instead.
                let (message, hint) = message.split_once("; ").map_or((message.as_str(), None), |(m, h)| (m, Some(h)));
                self.notes.note(self.node.at, message.to_owned(), hint.map(str::to_owned));
            }
            Stop::Noted
        })
    }

    fn text(&self) -> Result<&'a str, Stop> {
        match &self.node.kind {
            Kind::Text(text) => Ok(text),
            Kind::Empty => Err(self.unfit("a text", Some("write a text, or take it out".to_owned()))),
            _ => {
                let line = self.notes.line_from(self.node.at);
                let hint = if line.starts_with("{{") {
                    "a text that begins with {{ must stand in quotes, or below the key after a |".to_owned()
                } else if line.starts_with(['[', '{']) {
                    format!("put the text in quotes: {}", quoted(line))
                } else if matches!(self.node.kind, Kind::Map(_)) && line.contains(": ") {
                    format!("a colon makes a key of it; put the text in quotes: {}", quoted(line))
                } else {
                    "write one text here".to_owned()
                };
                Err(self.unfit("a text", Some(hint)))
            }
        }
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, Stop> {
        let text = self.text()?;
        text.parse().map_err(|_| {
            let message = format!("{} must be a whole number, not `{text}`", self.called());
            self.notes.note(self.node.at, message, Some("such as 5 or -1".to_owned()));
            Stop::Noted
        })
    }

    fn pairs(&self, hint: Option<String>) -> Result<&'a [(Node, Node)], Stop> {
        match &self.node.kind {
            Kind::Map(pairs) => Ok(pairs),
            _ => Err(self.unfit("a block of keys", hint)),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.placed(visitor.visit_str(self.text()?))
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.placed(visitor.visit_i32(self.number()?))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        match &self.node.kind {
            Kind::List(list) => self.placed(visitor.visit_seq(Items { list: list.iter(), of: self })),
            Kind::Text(text) if !text.contains('\n') => {
                Err(self.unfit("a list", Some(format!("write [{text}], or - {text} on a line of its own"))))
            }
            _ => Err(self.unfit("a list", Some("begin each line of the list with a - and a blank".to_owned()))),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let pairs = self.pairs(Some("write lines such as `name: value` here".to_owned()))?;
        self.placed(visitor.visit_map(Pairs { pairs: pairs.iter(), of: self }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let hint = match (&self.node.kind, self.name) {
            (Kind::Empty, None) => "write `language: en` and what belongs to it, or delete the file".to_owned(),
            _ => format!("write keys here: {}", fields.join(", ")),
        };
        let pairs = self.pairs(Some(hint))?;
        self.placed(visitor.visit_map(Fields { pairs: pairs.iter(), fields, value: None, of: self }))
    }

    /// A `Placed`: line, column, value.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.placed(visitor.visit_seq(Place { step: 0, of: self }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let text = self.text()?;
        if !variants.contains(&text) {
            let hint = known("words", text, variants);
            self.notes.note(self.node.at, format!("unknown word `{text}`"), Some(hint));
            return Err(Stop::Noted);
        }
        let word: StrDeserializer<Stop> = text.into_deserializer();
        self.placed(visitor.visit_enum(word))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple identifier
    }
}

fn known(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the {what} are {}", known.join(", ")),
    }
}

/// The items of a list; one that does not fit is noted and left out, for the sake of those after it.
struct Items<'a> {
    list: std::slice::Iter<'a, Node>,
    of: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        self.list.next().map(|node| seed.deserialize(Reader { node, item: true, ..self.of })).transpose()
    }

    /// What the lists of serde call. (A seed serves once, so the method above cannot go on.)
    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, Stop> {
        Ok(self.list.by_ref().find_map(|node| T::deserialize(Reader { node, item: true, ..self.of }).ok()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

/// The pairs of a map with any keys; one that does not fit is noted and left out.
struct Pairs<'a> {
    pairs: std::slice::Iter<'a, (Node, Node)>,
    of: Reader<'a>,
}

impl<'a> Pairs<'a> {
    fn readers(of: Reader<'a>, (key, value): &'a (Node, Node)) -> (Reader<'a>, Reader<'a>) {
        let name = match &key.kind {
            Kind::Text(name) => Some(name.as_str()),
            _ => None,
        };
        (Reader { node: key, name: None, item: false, ..of }, Reader { node: value, name, item: false, ..of })
    }
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _seed: K) -> Result<Option<K::Value>, Stop> {
        Err(Stop::Said("keys and values are read in pairs".to_owned()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _seed: V) -> Result<V::Value, Stop> {
        Err(Stop::Said("keys and values are read in pairs".to_owned()))
    }

    /// What the maps of serde call.
    fn next_entry<K: Deserialize<'de>, V: Deserialize<'de>>(&mut self) -> Result<Option<(K, V)>, Stop> {
        Ok(self.pairs.by_ref().find_map(|pair| {
            let (key, value) = Pairs::readers(self.of, pair);
            let (key, value) = (K::deserialize(key), V::deserialize(value));
            key.ok().zip(value.ok())
        }))
    }
}

/// The keys of a struct; unknown ones are noted and left out.
struct Fields<'a> {
    pairs: std::slice::Iter<'a, (Node, Node)>,
    fields: &'static [&'static str],
    value: Option<Reader<'a>>,
    of: Reader<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        for pair in self.pairs.by_ref() {
            let (key, value) = Pairs::readers(self.of, pair);
            let Ok(name) = key.text() else { continue };
            if self.fields.contains(&name) {
                self.value = Some(value);
                let name: StrDeserializer<Stop> = name.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            let notes = self.of.notes;
            notes.note(key.node.at, format!("unknown key `{name}`"), Some(known("keys", name, self.fields)));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(Stop::Said("a value without a key".to_owned())),
        }
    }
}

/// The three parts of a `Placed`.
struct Place<'a> {
    step: u8,
    of: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Place<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        let At { line, column } = self.of.node.at;
        let number = |number: u32| -> U32Deserializer<Stop> { number.into_deserializer() };
        self.step += 1;
        match self.step {
            1 => seed.deserialize(number(line)).map(Some),
            2 => seed.deserialize(number(column)).map(Some),
            3 => seed.deserialize(self.of).map(Some),
            _ => Ok(None),
        }
    }
}
