//! Recordings: conversations as YAML files, written by hand or taken from the store, and replayed against the
//! content of today.
//!
//! ```yaml
//! about: a customer asks about Saturdays
//! start: { language: en, now: 2026-03-02T09:00:00Z, visitor: { name: Ada } }
//! conversation:
//!   - say: do you deliver on saturdays?
//!     answer: { responder: faq, entry: delivery-options, contains: Saturday }
//!   - wait: 2 days
//!   - press: Talk to a person
//!     answer: { outcome: handover }
//! ```
//!
//! What an answer is not said to be is not checked. `lookups:` says what sources answer to plugins.
//!
//! [`read`] and `write.rs` are the file. A replay (`replay.rs`) takes the way of a real message: the decisions of
//! `conversation.rs` on a log in memory, and the pipeline in between; only the store is left out. `crew.rs` puts many
//! threads to it and keeps the order; `update.rs` writes what is answered today into the files.
//! `from_log.rs` makes a recording of a log. [`past`] is what was asked in stored conversations, and [`compare`] what other content would answer there,
//! [`gaps`] what nothing answered, [`coverage`] what no question reaches. [`taken`] makes recordings of stored
//! conversations, from which [`disguise`] takes out what leads to a person. [`foreign`]
//! reads and writes what others call recordings.

pub mod compare;
pub mod coverage;
pub mod crew;
pub mod disguise;
pub mod foreign;
mod from_log;
pub mod gaps;
mod history;
mod lookups;
pub mod past;
pub mod read;
mod replay;
pub mod taken;
#[cfg(test)]
mod tests;
pub mod update;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

pub use lookups::Stub;
pub use read::schema;
pub use replay::{Failure, Replayed, Stage, Turned, diff, word};

use crate::conversation::{self, Author, Button, Event, Millis};
use crate::responders::pipeline::Outcome;
use read::{one_or_many, outcome, timestamp};

/// When a recording starts that does not say it: a Monday morning.
const DEFAULT_START: Millis = 1_767_603_600_000;
/// What passes between two messages when nothing is said about it.
const STEP: Millis = 1_000;

/// A conversation, and what its answers must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recording {
    /// What it is about, for whoever reads it.
    pub about: Option<String>,
    /// Where it starts.
    pub start: Start,
    /// What sources say. A question that nothing here answers fails.
    pub lookups: Vec<Stub>,
    /// What happens, in order.
    pub conversation: Vec<Step>,
}

/// Where a recording starts. The last four are for one that starts in the middle of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// The language of the page or the browser.
    pub language: Option<String>,
    /// When the first message is said: 2026-03-02T09:00:00Z. The clock stands still while it is answered.
    #[serde(deserialize_with = "timestamp")]
    #[schemars(with = "Option<String>")]
    pub now: Option<Millis>,
    /// What is known of the visitor: `name`, `email`, …, and what plugins remember.
    pub visitor: BTreeMap<String, String>,
    /// The language that the conversation is spoken in so far.
    pub spoken: Option<String>,
    /// The buttons below the last answer.
    pub buttons: Vec<Button>,
    /// What a responder asked back and waits for.
    pub focus: Option<Asking>,
    /// The messages before, for plugins that read them.
    pub messages: Vec<Earlier>,
}

/// A message before the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// Whose it is: `visitor`, `bot` or `agent`.
    pub author: Author,
    /// What it says.
    pub text: String,
}

/// A responder has asked something back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// Who asked.
    pub responder: String,
    /// The `state_version` of the plugin.
    #[serde(default)]
    pub version: u32,
    /// What the plugin gets back with the answer.
    #[serde(default)]
    pub state: serde_json::Value,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its line in the file, from 1; 0 when it does not come from a file.
    pub line: u32,
    /// What happens.
    pub action: Action,
    /// What the answer must be.
    pub answer: Option<Expected>,
}

/// What a visitor does, or an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Writes a message.
    Say {
        /// The message.
        text: String,
        /// The language of the page from now on.
        language: Option<String>,
        /// The names of what is attached. Their endings say what they are; with them there may be no message.
        attachments: Vec<String>,
    },
    /// Presses a button of the answer before, by its text.
    Press(String),
    /// Lets time pass, in milliseconds.
    Wait(Millis),
    /// A person joins; from here on nobody else answers.
    Joined(String),
    /// The person writes.
    Agent {
        /// The message.
        text: String,
        /// The names of what is attached.
        attachments: Vec<String>,
    },
    /// The person hands the conversation back.
    Left(String),
    /// What the customer agreed to has its outcome, and they are told so.
    Errand {
        /// What became of it.
        outcome: conversation::Outcome,
        /// What the other side answered.
        fields: serde_json::Map<String, serde_json::Value>,
    },
}

/// What an answer must be. What is not said is not checked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// What came of the turn: `answer`, `ask`, `suggest`, `pass` or `handover`.
    #[serde(deserialize_with = "outcome")]
    #[schemars(with = "Option<read::Word>")]
    pub outcome: Option<Outcome>,
    /// Who answered.
    pub responder: Option<String>,
    /// The entry that answered or handed the turn on. A former name (`was:`) does as well.
    pub entry: Option<String>,
    /// The language that the answer is in.
    pub language: Option<String>,
    /// The whole text, as Markdown. Blanks at its ends do not count.
    pub text: Option<String>,
    /// Pieces of the text; all must be there.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "read::OneOrMany")]
    pub contains: Vec<String>,
    /// Regular expressions; each must be found in the text.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "read::OneOrMany")]
    pub matches: Vec<Pattern>,
    /// The texts of the buttons: exactly these, in this order.
    pub buttons: Option<Vec<String>>,
    /// Entries that must be among the suggested ones.
    #[serde(deserialize_with = "one_or_many")]
    #[schemars(with = "read::OneOrMany")]
    pub suggests: Vec<String>,
}

/// A regular expression; equal if it is written alike.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        // Its message has lines of its own, which show the place in the pattern; the last one says what is wrong.
        let regex = Regex::new(&pattern).map_err(|error| {
            let error = error.to_string();
            D::Error::custom(format!("`{pattern}` is no regular expression: {}", error.lines().last().unwrap_or("")))
        })?;
        Ok(Pattern(regex))
    }
}

impl Expected {
    /// What an answer was.
    fn as_given(event: &Event) -> Expected {
        let provenance = event.provenance.as_ref();
        Expected {
            responder: provenance.map(|provenance| provenance.responder.as_ref().to_owned()),
            entry: provenance.and_then(|provenance| provenance.entry.as_deref().map(str::to_owned)),
            ..Expected::as_told(event)
        }
    }

    /// What a message said.
    fn as_told(event: &Event) -> Expected {
        let buttons: Vec<String> = event.meta.buttons.iter().map(|button| button.text.clone()).collect();
        Expected {
            language: event.meta.language.as_deref().map(str::to_owned),
            text: Some(event.body.trim().to_owned()),
            buttons: (!buttons.is_empty()).then_some(buttons),
            ..Expected::default()
        }
    }
}
