//! A YAML file as a tree whose every node knows its place, and typed values out of such a tree.
//!
//! serde stops at the first thing that does not fit. Who edits an FAQ wants to see all of them at once, so a file is
//! first read into a tree, which needs only its syntax to be right; then the values are taken out of the tree, and
//! what does not fit is noted and stepped over.

use std::cell::RefCell;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_yaml::Spanned;

use super::syntax::quoted;
use crate::finding::Finding;
use crate::yaml::{nearest, place};

/// Line and column, both from 1, in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    pub line: u32,
    pub column: u32,
}

/// A value and where it stands.
#[derive(Debug, Clone, Default)]
pub struct Placed<T> {
    pub value: T,
    pub at: At,
}

/// A node of a file.
#[derive(Debug)]
pub struct Node {
    kind: Kind,
    at: At,
}

#[derive(Debug)]
enum Kind {
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

    /// The value of this file, or everything in it that does not fit.
    pub fn read<T: DeserializeOwned>(&self, file: &str, text: &str) -> Result<T, Vec<Finding>> {
        let notes = Notes { file, text, findings: RefCell::default() };
        let value = T::deserialize(Reader { node: self, name: None, item: false, notes: &notes });
        if let Err(Stop::Said(message)) = &value {
            notes.note(self.at, message.clone(), None);
        }
        match (value, notes.findings.into_inner()) {
            (Ok(value), findings) if findings.is_empty() => Ok(value),
            (_, findings) => Err(findings),
        }
    }

    fn is(&self) -> &'static str {
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
        let start = line.char_indices().nth(at.column.saturating_sub(1) as usize).map_or(line.len(), |(start, _)| start);
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

    /// A [`Placed`]: line, column, value.
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

/// The three parts of a [`Placed`].
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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Placed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Placed<T>, D::Error> {
        struct PlacedVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for PlacedVisitor<T> {
            type Value = Placed<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Placed<T>, A::Error> {
                let missing = || de::Error::custom("a value without its place");
                let line = seq.next_element()?.ok_or_else(missing)?;
                let column = seq.next_element()?.ok_or_else(missing)?;
                let value = seq.next_element()?.ok_or_else(missing)?;
                Ok(Placed { value, at: At { line, column } })
            }
        }

        deserializer.deserialize_tuple_struct("Placed", 3, PlacedVisitor(std::marker::PhantomData))
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Placed<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Placed<T> {}

impl<T: Ord> PartialOrd for Placed<T> {
    fn partial_cmp(&self, other: &Placed<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By value: a key of a map is the same wherever it stands.
impl<T: Ord> Ord for Placed<T> {
    fn cmp(&self, other: &Placed<T>) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
