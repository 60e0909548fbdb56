//! Responders: the ways of answering a customer, and the pipeline that asks them in order.
//!
//! A responder is given a [`Turn`] and returns an [`Answer`]: data in, a value out. It holds no store and no socket,
//! and siblings do not know each other; what one of them needs of another is handed in by `app.rs`.

pub mod errand;
pub mod faq;
pub mod lines;
pub mod llm;
pub mod markdown;
pub mod parameters;
pub mod person;
pub mod pipeline;
pub mod script;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::parameters::Parameters;
use self::pipeline::Step;
use crate::conversation::{
    self, Author, Button, Buttons, ConversationId, Event, EventId, Focus, Kind, Millis, Reason, Seq, VisitorId,
};
use crate::people::Opens;
use crate::sources::LookUp;

/// A future that can be kept behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One way of answering a customer.
pub trait Responder: Send + Sync {
    /// Its name: what `then:` in an entry, `pipeline:` in the configuration and the provenance of a message say.
    fn name(&self) -> &str;

    /// Answers this turn, or passes it on. An error counts as a pass and is logged by the pipeline.
    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>>;

    /// How long it may take, where that is not the pipeline's own limit.
    fn limit(&self) -> Option<Duration> {
        None
    }

    /// Whether it understands the state that it asked back with in this version.
    fn resumes(&self, _version: u32) -> bool {
        false
    }

    /// Whether it writes drafts of its answers. Only then a turn has somebody who takes them.
    fn writes_drafts(&self) -> bool {
        false
    }

    /// Why it answers or passes, as lines for `--why`. Never asked for while a customer waits.
    fn explain(&self, _turn: &Turn) -> Vec<String> {
        Vec::new()
    }
}

/// One visitor message, with what a responder may know about it.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// The conversation it belongs to, for logs.
    pub conversation: ConversationId,
    /// Who it is from, where that is known.
    pub by: Option<VisitorId>,
    /// The message's event.
    pub question: EventId,
    /// Its number.
    pub seq: Seq,
    /// What was said.
    pub text: Arc<str>,
    /// What the pressed button stands for: an entry, a responder, or `responder/value`.
    pub choice: Option<Arc<str>>,
    /// The languages to answer in, most wanted first: chosen, spoken so far, of the page, the site's own.
    pub languages: Vec<Arc<str>>,
    /// What is known of the visitor: `name`, `email`, …, and what responders remember.
    pub visitor: Arc<BTreeMap<String, String>>,
    /// The time of the message.
    pub now: Millis,
    /// What a responder asked back and may get its answer with this message.
    pub focus: Option<Focus>,
    /// The FAQ entry that handed the turn on.
    pub entry: Option<Arc<str>>,
    /// Takes down what is looked up, where somebody wants to know.
    pub notes: Option<Arc<Notes>>,
    /// Answers look-ups in the place of the sources, in a replay.
    pub stubs: Option<Arc<dyn LookUp>>,
    /// The team that a person is wanted of, where whoever handed the turn on says so.
    pub team: Option<String>,
    /// What was said before, for whoever reads it.
    pub past: Option<Arc<dyn Past>>,
    /// Whether a person can be had.
    pub people: Presence,
    /// Nobody had an answer for so long that a person is called if nobody has one now.
    pub call_if_missed: bool,
    /// Takes the draft of an answer while it is being written, where somebody reads along.
    pub drafts: Option<Arc<dyn Drafts>>,
    /// Nobody wants to know who was asked: of the steps only failures are taken down.
    pub untraced: bool,
}

/// Takes the draft of an answer: what the customer reads while it is being written. Nothing of it is stored. When the
/// answer is there, it takes the draft's place; when there is none, the draft is taken away.
pub trait Drafts: Debug + Send + Sync {
    /// Appends a piece of Markdown to the draft. Waits for nobody.
    fn write(&self, piece: &str);

    /// Takes the draft away. What is written after that begins another one.
    fn withdraw(&self);

    /// Ready when this turn's draft is wanted no longer: nobody is there to read it, or it has become too long. Its
    /// writer is stopped then, and the next responder asked.
    fn unwanted(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// What the FAQ knows, for a responder that answers from it in words of its own.
pub trait Knowledge: Send + Sync {
    /// The entries that are nearest to a message, at most so many, whether one of them answers it or not.
    fn nearest(&self, turn: &Turn, most: usize) -> Near;
}

/// What is near to a message.
#[derive(Debug, Default)]
pub struct Near {
    /// The share of the message's words that the content knows.
    pub known: f32,
    /// The language that the message was understood in; the entries are in it.
    pub language: Option<Arc<str>>,
    /// The nearest first.
    pub entries: Vec<NearEntry>,
}

/// An entry, as it would be said to a visitor of whom nothing is known.
#[derive(Debug)]
pub struct NearEntry {
    /// Its id.
    pub id: String,
    /// What stands on its buttons.
    pub title: String,
    /// Its answer: Markdown.
    pub text: String,
    /// How near it is, 0 to 1.
    pub score: f32,
}

/// Something that a model may call as a function.
pub trait Tool: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// What it does and when it is to be called, for the model.
    fn description(&self) -> &str;
    /// What it takes.
    fn parameters(&self) -> &Parameters;
    /// Calls it in this turn with arguments that fit its parameters. It answers as a responder does.
    fn call<'a>(
        &'a self,
        turn: &'a Turn,
        arguments: serde_json::Map<String, serde_json::Value>,
    ) -> BoxFuture<'a, anyhow::Result<Answer>>;
}

/// What was said in conversations, for responders that read it. Nobody is given it who does not ask.
pub trait Past: Debug + Send + Sync {
    /// The last messages before the one with this number, the oldest first, at most so many.
    fn messages(
        &self,
        conversation: ConversationId,
        before: Seq,
        most: usize,
    ) -> BoxFuture<'_, anyhow::Result<Vec<Arc<Event>>>>;
}

/// The messages at the end of these events, at most so many.
pub fn last_messages(events: &[Arc<Event>], most: usize) -> Vec<Arc<Event>> {
    // Where something was attached without a word, there is nothing to read.
    let is_read =
        |event: &&Arc<Event>| event.kind == Kind::Message && event.author != Author::System && !event.body.is_empty();
    let mut last: Vec<_> = events.iter().rev().filter(is_read).take(most).cloned().collect();
    last.reverse();
    last
}

/// Whether a person can be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// No agent can ever join: the site has none.
    #[default]
    Never,
    /// Agents are there, or will be in minutes.
    Now,
    /// They come at another time.
    Later(Option<Opens>),
}

/// What happened on the way to answers, for whoever looks on.
#[derive(Debug, Default)]
pub struct Notes {
    lookups: Mutex<Vec<LookedUp>>,
    last: Mutex<Option<(Turn, Vec<Step>)>>,
}

/// A look-up and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LookedUp {
    /// The responder that asked.
    pub responder: String,
    /// The source.
    pub source: String,
    /// What it was asked for.
    pub params: serde_json::Value,
    /// What it said: the result, or why there is none.
    pub result: Result<serde_json::Value, String>,
}

impl Notes {
    /// Takes down a look-up.
    pub fn add(&self, looked_up: LookedUp) {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).push(looked_up);
    }

    /// The look-ups, in the order in which they ended.
    pub fn lookups(&self) -> Vec<LookedUp> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes down who was asked in a turn.
    fn answered(&self, turn: &Turn, trace: &[Step]) {
        // Whoever looks on is not part of what is kept.
        let turn = Turn { notes: None, ..turn.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((turn, trace.to_vec()));
    }

    /// The last turn that was answered since the last call, and who was asked.
    pub fn take_last(&self) -> Option<(Turn, Vec<Step>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a responder makes of a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Not mine; ask the next.
    Pass,
    /// Perhaps one of these: the weakest answer, used only when everybody later passes.
    Suggest(Suggestions),
    /// This is the answer.
    Reply(Reply),
    /// A question back: the next message comes to this responder first, with the state.
    Ask(Reply, Asked),
    /// A person is wanted; the reply tells the customer what happens.
    HandOver(Reply),
}

/// An answer that the customer sees.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// Markdown.
    pub text: Arc<str>,
    /// What the customer may press next.
    pub buttons: Buttons,
    /// The FAQ entry it comes from.
    pub entry: Option<Arc<str>>,
    /// The language it is in, where the responder knows.
    pub language: Option<Arc<str>>,
    /// Responders that get the turn first, one after the other; this reply is used only if they pass, fail or are off.
    pub then: Vec<String>,
    /// How sure the responder is, 0 to 1, where it can say.
    pub score: Option<f32>,
    /// Attributes of the visitor to remember, or with no value to forget.
    pub attributes: Vec<(String, Option<String>)>,
    /// What was looked up for it, to be kept with it.
    pub lookups: Vec<conversation::LookedUp>,
    /// Of a model's answer: the entries and tools that it is made from.
    pub sources: Vec<String>,
    /// Of a model's answer: what it cost.
    pub usage: Option<Box<conversation::Usage>>,
    /// The next message may add to this answer: it comes to the same responder first, with the state.
    pub expects: Option<Asked>,
    /// The conversation goes to a person, for this reason. Only the responder `person` says so.
    pub hand_over: Option<Reason>,
    /// The team that it goes to. Whoever hands over may say so.
    pub team: Option<String>,
}

/// What a responder wants to have back with the answer to its question.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Whatever it needs to go on.
    pub state: serde_json::Value,
    /// The shape of the state, as the responder counts it.
    pub version: u32,
    /// What is done if the answer is a yes.
    pub proposed: Option<Box<Proposed>>,
}

/// An errand that a responder proposes. What it leaves open is said in the site's own lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposed {
    /// The action, as the configuration names it.
    pub action: String,
    /// What the action is told.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What stands on the button that agrees.
    pub button: Option<String>,
    /// What the customer is told when it is done; `{name}` stands for a field of the other side's answer.
    pub done: Option<String>,
    /// When the other side does not do it.
    pub refused: Option<String>,
    /// When nobody could find out.
    pub unknown: Option<String>,
}

/// "Did you mean …?"
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suggestions {
    /// One to three, the likeliest first. Each carries the entry as its `choice`.
    pub buttons: Vec<Button>,
    /// The language they are in.
    pub language: Option<Arc<str>>,
    /// How sure the responder is of the first, 0 to 1.
    pub score: Option<f32>,
}
