//! What a message must have for a plugin to be asked about it at all.
//!
//! Most messages are not for most plugins, and many a script finds that out in its first line. Running it just for that
//! costs some microseconds a message and plugin; `needs` in plugin.yaml says the same beforehand. So it is with a message
//! that may answer the plugin's own question: mostly it does, and else `answers` may say that it cannot.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::manifest::Named;
use super::sentences::cut;
use super::turn;
use super::value::Data;
use crate::conversation::Millis;
use crate::responders::Turn;
use crate::text::place::places;
use crate::text::{date, money, number, quantity, words};

/// Any of these is enough. Its own buttons the plugin gets in any case.
#[derive(Debug, Default)]
pub struct Needs {
    /// Something in the text.
    pub text: Vec<Hint>,
    /// An attribute of the visitor that is known.
    pub attributes: Vec<String>,
    /// An entry of the FAQ that hands the turn on; without a list each of them is enough.
    pub entries: Option<Vec<String>>,
    /// What is enough where the message may answer the plugin's question; without it whatever the message is.
    pub answers: Option<Answers>,
}

/// What an answer to a question can hold: any of these. What is too much here costs microseconds, what is missing an
/// answer.
#[derive(Debug, Default)]
pub struct Answers {
    /// Something in the text.
    pub text: Vec<Hint>,
    /// A word of one of these lists of texts.yaml, in the language to answer in.
    pub words: Vec<Named>,
    /// So few words that there is nothing to go by: "idk", "Wien", "the second one".
    pub short: usize,
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
    /// What `size` finds.
    Size,
    /// What `amounts` finds.
    Money,
    /// What `places` finds.
    Place,
    /// What `days` finds.
    Day,
}

impl Needs {
    /// Whether this turn has one of them. `language` is the one to answer in.
    pub fn are_met(&self, turn: &Turn, language: &str) -> bool {
        let handed =
            |handed: &str| self.entries.as_ref().is_none_or(|entries| entries.iter().any(|entry| entry == handed));
        turn.entry.as_deref().is_some_and(handed)
            || self.attributes.iter().any(|name| turn.visitor.contains_key(name))
            || has_any(&self.text, turn, language)
    }
}

impl Answers {
    /// Whether nothing is enough.
    pub fn are_none(&self) -> bool {
        self.text.is_empty() && self.words.is_empty() && self.short == 0
    }

    /// Whether this turn may be an answer. `texts` is what the script has as `turn.texts`.
    pub fn may_be(&self, turn: &Turn, language: &str, texts: Option<&Data>) -> bool {
        let lower = turn.text.to_lowercase();
        let words: Vec<&str> = turn::words_of(&lower).collect();
        // Without texts in a language that is known there is nothing to go by.
        let has_one =
            |list: &Named| texts.is_none_or(|texts| texts.lists_any(&list.name, |word| words.contains(&word)));
        words.len() <= self.short || self.words.iter().any(has_one) || has_any(&self.text, turn, language)
    }
}

fn has_any(hints: &[Hint], turn: &Turn, language: &str) -> bool {
    hints.iter().any(|hint| hint.is_in(&turn.text, turn.now, language))
}

impl Hint {
    fn is_in(self, text: &str, now: Millis, language: &str) -> bool {
        let text = cut(text);
        match self {
            Hint::Digit => text.chars().any(char::is_numeric),
            Hint::Number => !number::numbers(&words::words(text), language).is_empty(),
            Hint::Weight => !quantity::weights(text, language).is_empty(),
            Hint::Size => quantity::size(text, language).is_some(),
            Hint::Money => !money::amounts(text, language).is_empty(),
            Hint::Place => !places(text, language).is_empty(),
            Hint::Day => date::day_of(now).is_none_or(|today| !date::days(text, today, language).is_empty()),
        }
    }
}
