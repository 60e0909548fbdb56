//! What an operator says about the LLM; `src/config/llm.rs` reads it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// All about the LLM, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The address below which `/chat/completions` is.
    pub url: String,
    /// The model's name, as its server calls it.
    pub model: String,
    /// What the server wants to see.
    pub key: Option<Key>,
    /// Who the company is, for the model: a sentence or two.
    pub about: String,
    /// Further instructions for the model.
    pub instructions: String,
    /// Whether the answer comes while it is being made.
    pub stream: bool,
    /// Further fields of the request; a `null` takes one away.
    pub extra: Map<String, Value>,
    /// Entries of the FAQ that are sent with a question.
    pub entries: usize,
    /// Tokens of the conversation so far that are sent, about.
    pub history_tokens: u32,
    /// Tokens that the model may write at a time.
    pub answer_tokens: u32,
    /// How often the model may call tools before it must answer.
    pub tool_rounds: u32,
    /// Until the first token, and between any two pieces.
    pub first_token: Duration,
    /// Until the whole answer, tools included.
    pub time: Duration,
    /// Calls at once.
    pub calls: usize,
    /// Questions that wait for a place…
    pub waiting: usize,
    /// …for so long.
    pub wait: Duration,
    /// Tokens of a visitor in a day.
    pub visitor_tokens: u32,
    /// Tokens of all in a day.
    pub day_tokens: u32,
    /// Hosts that a link in an answer may lead to, beside those in the entries that it is made from.
    pub links: Vec<String>,
    /// Attributes of the visitor that are sent.
    pub visitor: Vec<String>,
    /// Whether e-mail addresses, telephone and card numbers are replaced before anything is sent.
    pub mask: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            url: String::new(),
            model: String::new(),
            key: None,
            about: String::new(),
            instructions: String::new(),
            stream: true,
            extra: Map::new(),
            entries: 5,
            history_tokens: 1_000,
            answer_tokens: 500,
            tool_rounds: 3,
            first_token: Duration::from_secs(10),
            time: Duration::from_secs(30),
            calls: 8,
            waiting: 16,
            wait: Duration::from_secs(3),
            visitor_tokens: 50_000,
            day_tokens: 2_000_000,
            links: Vec::new(),
            visitor: Vec::new(),
            mask: true,
        }
    }
}

/// A key, which hides itself in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key.
    pub fn new(key: impl Into<String>) -> Key {
        Key(key.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
