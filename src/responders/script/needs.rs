//! What a message must have for a plugin to be asked about it at all.
//!
//! Most messages are not for most plugins, and many a script finds that out in its first line. Running it just for that
//! costs some microseconds a message and plugin; `needs` in plugin.yaml says the same beforehand.

use serde::Deserialize;

use super::sentences::cut;
use crate::responders::Turn;
use crate::text::{money, number, quantity, words};

/// Any of these is enough. What answers the plugin's own question, and its own buttons, it gets in any case.
#[derive(Debug, Default, PartialEq)]
pub struct Needs {
    /// Something in the text.
    pub text: Vec<Hint>,
    /// An attribute of the visitor that is known.
    pub attributes: Vec<String>,
    /// An entry of the FAQ that hands the turn on; without a list each of them is enough.
    pub entries: Option<Vec<String>>,
}

/// What can be seen in a text without running a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hint {
    /// A digit, of whatever script.
    Digit,
    /// What `numbers` finds.
    Number,
    /// What `weights` finds.
    Weight,
    /// What `amounts` finds.
    Money,
}

impl Needs {
    /// Whether this turn has one of them. `language` is the one to answer in.
    pub fn are_met(&self, turn: &Turn, language: &str) -> bool {
        let handed = |entry: &String| self.entries.as_ref().is_none_or(|entries| entries.contains(entry));
        turn.entry.as_ref().is_some_and(handed)
            || self.attributes.iter().any(|name| turn.visitor.contains_key(name))
            || self.text.iter().any(|hint| hint.is_in(&turn.text, language))
    }
}

impl Hint {
    fn is_in(self, text: &str, language: &str) -> bool {
        match self {
            Hint::Digit => text.chars().any(char::is_numeric),
            Hint::Number => !number::numbers(&words::words(cut(text)), language).is_empty(),
            Hint::Weight => !quantity::weights(cut(text), language).is_empty(),
            Hint::Money => !money::amounts(cut(text), language).is_empty(),
        }
    }
}
