//! Errands: what is done for a customer outside of purser, once they have agreed to it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::buttons::Button;
use super::id::EventId;

/// The start of a choice that agrees to a proposal. No entry and no responder has a name with a colon.
const AGREE: &str = "agree:";
/// The start of a choice that declines one.
const DECLINE: &str = "decline:";

/// What a responder would have done, if the customer agrees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The message that it answers. The errand has this name, too: it is the same however often it is tried.
    pub id: EventId,
    /// The action, as the configuration names it.
    pub action: String,
    /// What the action is told.
    pub params: Map<String, Value>,
    /// What stands on the button that agrees.
    pub button: String,
    /// What the customer is told in the end.
    pub words: Words,
    /// The language of all this.
    pub language: Option<Arc<str>>,
}

/// What the customer is told of an errand's outcome, as Markdown. `{name}` stands for a field of what the other side
/// answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// It is done.
    pub done: String,
    /// The other side does not do it.
    pub refused: String,
    /// Nobody could find out whether it is done.
    pub unknown: String,
    /// The button that asks for a person, where there is one: below everything but a success.
    pub person: Option<Button>,
}

impl Proposal {
    /// The `choice` of the button that agrees.
    pub fn agreeing(&self) -> String {
        format!("{AGREE}{}", self.id)
    }

    /// The `choice` of the button that declines.
    pub fn declining(&self) -> String {
        format!("{DECLINE}{}", self.id)
    }
}

/// Whether a choice is that of a button under a proposal, whichever proposal it was.
pub fn is_verdict(choice: &str) -> bool {
    choice.starts_with(AGREE) || choice.starts_with(DECLINE)
}

/// What happened to an errand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// The customer agreed. From this commit on it is done once.
    Ordered(Arc<Proposal>),
    /// It has its outcome.
    Settled(Settled),
}

/// An errand with its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Which one.
    pub errand: EventId,
    /// What became of it.
    pub outcome: Outcome,
    /// What the other side answered, of what the configuration wants.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

/// What became of an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The other side has done it.
    Done,
    /// The other side said that it does not do it.
    Refused,
    /// The other side never said.
    Unknown,
}

impl Outcome {
    /// The word for it in recordings, metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
        }
    }

    /// The outcome that a word stands for.
    pub fn from_word(word: &str) -> Option<Outcome> {
        [Outcome::Done, Outcome::Refused, Outcome::Unknown].into_iter().find(|outcome| outcome.word() == word)
    }
}

impl Words {
    /// What is said of an outcome.
    pub fn of(&self, outcome: Outcome) -> &str {
        match outcome {
            Outcome::Done => &self.done,
            Outcome::Refused => &self.refused,
            Outcome::Unknown => &self.unknown,
        }
    }
}
