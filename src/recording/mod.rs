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
//! What an answer is not said to be is not checked. `lookups:` says what sources answer to plugins. A replay (`replay.rs`) takes the way of a real message: the
//! decisions of `conversation.rs` on a log in memory, and the pipeline in between; only the store is left out.

mod lookups;
mod replay;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use regex::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_yaml::Spanned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use lookups::Stub;
pub use replay::{Failure, Replayed, Turned, word};

use crate::conversation::{Author, Event, Kind, Millis, Text};
use crate::finding::Finding;
use crate::responders::pipeline::Outcome;
use crate::yaml;

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

/// Where a recording starts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// The language of the page or the browser.
    pub language: Option<String>,
    /// When the first message is said.
    #[serde(deserialize_with = "timestamp")]
    pub now: Option<Millis>,
    /// What is known of the visitor: `name`, `email`, ….
    pub visitor: BTreeMap<String, String>,
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

/// What a visitor does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Writes a message.
    Say {
        /// The message.
        text: String,
        /// The language of the page from now on.
        language: Option<String>,
    },
    /// Presses a button of the answer before, by its text.
    Press(String),
    /// Lets time pass, in milliseconds.
    Wait(Millis),
}

/// What an answer must be. What is not said is not checked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// What came of the turn: `answer`, `ask`, `suggest`, `pass` or `handover`.
    #[serde(deserialize_with = "outcome")]
    pub outcome: Option<Outcome>,
    /// Who answered.
    pub responder: Option<String>,
    /// The entry that answered or handed the turn on.
    pub entry: Option<String>,
    /// The language that the answer is in.
    pub language: Option<String>,
    /// The whole text, as Markdown. Blanks at its ends do not count.
    pub text: Option<String>,
    /// Pieces of the text; all must be there.
    #[serde(deserialize_with = "one_or_many")]
    pub contains: Vec<String>,
    /// Regular expressions; each must be found in the text.
    #[serde(deserialize_with = "one_or_many")]
    pub matches: Vec<Pattern>,
    /// The texts of the buttons: exactly these, in this order.
    pub buttons: Option<Vec<String>>,
    /// Entries that must be among the suggested ones.
    #[serde(deserialize_with = "one_or_many")]
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

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Option<String>,
    #[serde(default)]
    start: Start,
    #[serde(default)]
    lookups: Vec<Stub>,
    conversation: Vec<Spanned<FileStep>>,
}

/// Several recordings in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    tests: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileStep {
    say: Option<String>,
    press: Option<String>,
    wait: Option<String>,
    language: Option<String>,
    answer: Option<Expected>,
}

impl Recording {
    /// Reads a recording from a file.
    pub fn read(path: &Path) -> Result<Recording, Box<Finding>> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| Finding::error(&name, format!("cannot be read: {error}")))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Finding::error(&name, "the file is not UTF-8").hint("save it as UTF-8"))?;
        Recording::parse(&name, &text)
    }

    /// Reads a recording from text; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<Recording, Box<Finding>> {
        yaml::read::<File>(file, text)?.checked(file, text)
    }

    /// Reads the tests of a plugin: recordings in a list under `tests:`.
    pub fn parse_tests(file: &str, text: &str) -> Result<Vec<Recording>, Box<Finding>> {
        let read: Files = yaml::read(file, text)?;
        read.tests.into_iter().map(|test| test.checked(file, text)).collect()
    }

    /// The recording of a stored conversation: what the visitor did, and the answers as they were given.
    pub fn from_events(events: &[Arc<Event>]) -> Recording {
        let messages =
            |author: Author| events.iter().filter(move |event| event.kind == Kind::Message && event.author == author);
        let mut recording = Recording::default();
        let mut clock = None;
        for said in messages(Author::Visitor) {
            let steps = &mut recording.conversation;
            let language = said.meta.language.clone();
            let mut changed = None;
            match clock {
                None => {
                    recording.start.now = Some(said.at);
                    recording.start.language = language.clone();
                }
                Some((due, before)) => {
                    // Finer than a second would only be noise in the file.
                    let wait = (said.at - due) / 1_000 * 1_000;
                    if wait > 0 {
                        steps.push(Step { line: 0, action: Action::Wait(wait), answer: None });
                    }
                    changed = language.clone().filter(|_| language != before);
                }
            }
            clock = Some((said.at + STEP, language));
            let action = match &said.meta.choice {
                Some(_) => Action::Press(said.body.clone()),
                None => Action::Say { text: said.body.clone(), language: changed },
            };
            let answer = messages(Author::Bot).find(|event| event.meta.question == Some(said.seq));
            steps.push(Step { line: 0, action, answer: answer.map(|event| Expected::as_given(event)) });
        }
        recording
    }
}

impl Expected {
    /// What an answer was.
    fn as_given(event: &Event) -> Expected {
        let provenance = event.provenance.as_ref();
        let buttons: Vec<String> = event.meta.buttons.iter().map(|button| button.text.clone()).collect();
        Expected {
            responder: provenance.map(|provenance| provenance.responder.clone()),
            entry: provenance.and_then(|provenance| provenance.entry.clone()),
            language: event.meta.language.clone(),
            text: Some(event.body.trim().to_owned()),
            buttons: (!buttons.is_empty()).then_some(buttons),
            ..Expected::default()
        }
    }
}

impl File {
    fn checked(self, file: &str, text: &str) -> Result<Recording, Box<Finding>> {
        let step = |step: Spanned<FileStep>| {
            let (line, column) = yaml::place(step.referenced);
            step.value.checked(line).map_err(|problem| Box::new(Finding::error(file, problem).at(text, line, column)))
        };
        let conversation = self.conversation.into_iter().map(step).collect::<Result<_, _>>()?;
        Ok(Recording { about: self.about, start: self.start, lookups: self.lookups, conversation })
    }
}

impl FileStep {
    fn checked(self, line: u32) -> Result<Step, String> {
        if self.language.is_some() && self.say.is_none() {
            return Err("`language` belongs to a `say`".to_owned());
        }
        let action = match (self.say, self.press, self.wait) {
            (Some(text), None, None) => {
                Text::new(&text).map_err(|error| error.to_string())?;
                Action::Say { text, language: self.language }
            }
            (None, Some(text), None) => Action::Press(text),
            (None, None, Some(_)) if self.answer.is_some() => return Err("nobody answers a `wait`".to_owned()),
            (None, None, Some(wait)) => Action::Wait(duration(&wait)?),
            _ => return Err("a step is one `say`, one `press` or one `wait`".to_owned()),
        };
        Ok(Step { line, action, answer: self.answer })
    }
}

const UNITS: [(&str, Millis); 5] =
    [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("ms", 1)];

/// "2 days" in milliseconds.
fn duration(text: &str) -> Result<Millis, String> {
    let read = || {
        let (number, unit) = text.trim().split_once(' ')?;
        let unit = unit.trim();
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit || name.strip_suffix('s') == Some(unit))?;
        number.parse::<u32>().ok().and_then(|number| Millis::from(number).checked_mul(*millis))
    };
    read().ok_or_else(|| format!("`{text}` is no time; write such as 2 days, 1 hour, 15 minutes or 30 seconds"))
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || D::Error::custom(format!("`{text}` is no time; write such as 2026-03-02T09:00:00Z"));
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| wrong())?;
    Millis::try_from(time.unix_timestamp_nanos() / 1_000_000).map(Some).map_err(|_| wrong())
}

fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Outcome>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Answer,
        Ask,
        Suggest,
        Pass,
        Handover,
    }
    Ok(Option::<Word>::deserialize(deserializer)?.map(|word| match word {
        Word::Answer => Outcome::Answer,
        Word::Ask => Outcome::Ask,
        Word::Suggest => Outcome::Suggest,
        Word::Pass => Outcome::Pass,
        Word::Handover => Outcome::Handover,
    }))
}

fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one text or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Vec<T>, E> {
            T::deserialize(serde::de::value::StrDeserializer::new(one)).map(|one| vec![one])
        }

        fn visit_u64<E: serde::de::Error>(self, one: u64) -> Result<Vec<T>, E> {
            self.visit_str(&one.to_string())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut many = Vec::new();
            while let Some(item) = items.next_element()? {
                many.push(item);
            }
            Ok(many)
        }
    }

    deserializer.deserialize_any(OneOrMany(std::marker::PhantomData))
}
