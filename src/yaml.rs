//! Reading YAML: one set of limits, and errors that name the place and what to write instead.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_yaml::{Error, MessageFormatter, Spanned, UserMessageFormatter};

use crate::finding::Finding;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// Reads a file's text; `file` is its name in errors. Unknown keys (of types that deny them) and doubled keys are
/// errors; `no` and `off` are words, not booleans.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Box<Finding>> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are read", text.len());
        return Err(Box::new(Finding::error(file, message)));
    }
    let options = serde_yaml::options! {
        strict_booleans: true,
        with_snippet: false,
        merge_keys: serde_yaml::options::MergeKeyPolicy::Error,
        budget: serde_yaml::budget! { max_depth: 24, max_aliases: 1_000, max_nodes: 1_000_000 },
    };
    serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let (message, hint) = describe(error.without_snippet());
        let finding = Finding { hint, ..Finding::error(file, message) };
        Box::new(match error.location().map(place) {
            Some((line, column)) => finding.at(text, line, column),
            None => finding,
        })
    })
}

/// Keys and values in the order of the file, each with its place.
pub struct Entries<V>(pub Vec<(Spanned<String>, Spanned<V>)>);

impl<V> Default for Entries<V> {
    fn default() -> Entries<V> {
        Entries(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<V>, D::Error> {
        struct All<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for All<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }

            fn visit_unit<E>(self) -> Result<Entries<V>, E> {
                Ok(Entries::default())
            }
        }

        deserializer.deserialize_map(All(PhantomData))
    }
}

/// Line and column of a place, from 1.
pub fn place(location: serde_yaml::Location) -> (u32, u32) {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (number(location.line()), number(location.column()))
}

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = |(distance, known): &(usize, &str)| *distance <= (known.len().max(word.len()) / 3).max(1);
    let known = known.into_iter().map(|known| (strsim::osa_distance(&word, &known.to_lowercase()), known));
    known.min().filter(near).map(|(_, known)| known)
}

fn describe(error: &Error) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key `{field}`"), Some(known("keys", field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown word `{variant}`"), Some(known("words", variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => (format!("the key `{field}` is missing"), None),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("the key `{key}` stands here twice"), Some("join the two, or remove one of them".to_owned()))
        }
        Error::InvalidScalar { ty, .. } => match (whole(ty), *ty) {
            (Some(range), _) => (format!("this must be a whole number {range}"), None),
            (None, "bool") => ("this must be true or false".to_owned(), None),
            (None, "f32" | "f64") => ("this must be a number".to_owned(), None),
            (None, other) => (format!("this is no {other}"), None),
        },
        Error::Unexpected { expected: "sequence start", .. } => {
            ("a list is wanted here".to_owned(), Some("each item begins with a dash: `- …`".to_owned()))
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            ("keys with values are wanted here".to_owned(), Some("write such as `key: value`".to_owned()))
        }
        Error::Eof { .. } => ("there is nothing in it".to_owned(), None),
        other => (UserMessageFormatter.format_message(other).into_owned(), None),
    }
}

/// The range of a kind of whole numbers.
fn whole(kind: &str) -> Option<String> {
    let range = |low: i128, high: i128| Some(format!("from {low} to {high}"));
    match kind {
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => Some("of 0 or more".to_owned()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "i64" => range(i64::MIN.into(), i64::MAX.into()),
        _ => None,
    }
}

fn known(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the {what} are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "only its name matters here")]
        listen: Option<String>,
    }

    #[test]
    fn an_error_shows_the_place_and_a_way_out() {
        assert!(read::<Shape>("a.yaml", "# a comment\nlisten: x\n").is_ok());

        let finding = read::<Shape>("a.yaml", "# a comment\nlisten: x\nlistn: y\n").unwrap_err();
        let shown = "error: unknown key `listn`\n --> a.yaml:3:1\n  |\n3 | listn: y\n  | ^\n  = did you mean `listen`?";
        assert_eq!(finding.to_string(), shown);

        let finding = read::<BTreeMap<String, u32>>("a.yaml", "minutes: -1\n").unwrap_err();
        assert_eq!((finding.line, finding.message.as_str()), (1, "this must be a whole number from 0 to 4294967295"));

        for (text, message, hint) in [
            ("a:\n", "a list is wanted here", Some("each item begins with a dash: `- …`")),
            ("a b\n", "keys with values are wanted here", Some("write such as `key: value`")),
        ] {
            let finding = read::<BTreeMap<String, Vec<u32>>>("a.yaml", text).unwrap_err();
            assert_eq!((finding.message.as_str(), finding.hint.as_deref()), (message, hint), "{text}");
        }
        assert_eq!(read::<u32>("a.yaml", "").unwrap_err().message, "there is nothing in it");

        let finding = read::<Shape>("a.yaml", "colour: y\n").unwrap_err();
        assert_eq!(finding.hint.as_deref(), Some("the keys are listen"));

        let finding = read::<Shape>("a.yaml", "listen: x\nlisten: y\n").unwrap_err();
        assert_eq!((finding.line, finding.message.as_str()), (2, "the key `listen` stands here twice"));
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["listen", "database", "faq", "plugins"];
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("databse", known), Some("database"));
        assert_eq!(nearest("fqa", known), Some("faq"));
        assert_eq!(nearest("colour", known), None);
    }
}
