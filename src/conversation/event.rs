//! Events: what happened in a conversation, and who did it.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use super::buttons::Buttons;
use super::errand::Errand;
use super::id::{AgentId, EventId, Millis, Seq};
use super::kept::{Behind, Focus, is_zero};

/// What happened. The list is closed; readers skip what they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody said something.
    Message,
    /// The conversation was over and goes on.
    Reopened,
    /// The visitor found an answer helpful or not, or took that back: see [`Rated`].
    Rated,
    /// The visitor rates the chat with a person that is over, from 1 to 5 stars: see [`Meta::stars`]. The body is what
    /// was said about it.
    Reviewed,
    /// The visitor had everything before this deleted.
    Erased,
    /// A responder remembered or forgot something about the visitor. Not shown to the visitor.
    Attribute,
    /// The visitor agreed to an errand, or it has its outcome: see [`Errand`]. Not shown to the visitor, who is told in
    /// messages.
    Errand,
    /// A person was asked for: see [`Meta::reason`].
    Handover,
    /// An agent has taken the conversation.
    Joined,
    /// The conversation was given back to the pipeline.
    Left,
    /// An agent has passed the conversation on, to another one or into the queue.
    Transferred,
    /// The conversation is over; the next message reopens it.
    Closed,
    /// What agents tell each other. Not shown to the visitor.
    Note,
    /// An agent has changed the tags: see [`Meta::tags`]. Not shown to the visitor.
    Tagged,
    /// An agent has seen to it that the visitor can write no more. Not shown to the visitor, who is told when trying.
    Blocked,
    /// An agent lets the visitor write again. Not shown to the visitor.
    Unblocked,
    /// The visitor wants what was said by mail. Not shown.
    Transcript,
}

impl Kind {
    const ALL: [Kind; 17] = [
        Kind::Message,
        Kind::Reopened,
        Kind::Rated,
        Kind::Reviewed,
        Kind::Erased,
        Kind::Attribute,
        Kind::Errand,
        Kind::Handover,
        Kind::Joined,
        Kind::Left,
        Kind::Transferred,
        Kind::Closed,
        Kind::Note,
        Kind::Tagged,
        Kind::Blocked,
        Kind::Unblocked,
        Kind::Transcript,
    ];

    /// The word for it in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Reopened => "reopened",
            Kind::Rated => "rated",
            Kind::Reviewed => "reviewed",
            Kind::Erased => "erased",
            Kind::Attribute => "attribute",
            Kind::Errand => "errand",
            Kind::Handover => "handover",
            Kind::Joined => "joined",
            Kind::Left => "left",
            Kind::Transferred => "transferred",
            Kind::Closed => "closed",
            Kind::Note => "note",
            Kind::Tagged => "tagged",
            Kind::Blocked => "blocked",
            Kind::Unblocked => "unblocked",
            Kind::Transcript => "transcript",
        }
    }

    /// Whether it is part of the log only, and no visitor's client is told of it.
    pub fn is_internal(self) -> bool {
        matches!(
            self,
            Kind::Attribute
                | Kind::Errand
                | Kind::Note
                | Kind::Tagged
                | Kind::Blocked
                | Kind::Unblocked
                | Kind::Transcript
        )
    }

    /// Whether it may change who answers.
    pub fn changes_owner(self) -> bool {
        matches!(
            self,
            Kind::Handover
                | Kind::Joined
                | Kind::Left
                | Kind::Transferred
                | Kind::Closed
                | Kind::Reopened
                | Kind::Erased
        )
    }

    /// The kind that a stored word stands for; `None` for one that this version does not know.
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The customer.
    Visitor,
    /// A person who answers for the company.
    Agent,
    /// A responder.
    Bot,
    /// purser itself.
    System,
}

impl Author {
    /// The word for it in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Author::Visitor => "visitor",
            Author::Agent => "agent",
            Author::Bot => "bot",
            Author::System => "system",
        }
    }

    /// The author that a stored word stands for.
    pub fn from_word(word: &str) -> Option<Author> {
        [Author::Visitor, Author::Agent, Author::Bot, Author::System].into_iter().find(|author| author.as_str() == word)
    }
}

/// One thing that happened in a conversation. As JSON it goes from node to node; clients get another form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Names the event.
    pub id: EventId,
    /// Its number in the conversation, from 1 without gaps.
    pub seq: Seq,
    /// When, never before the event before it.
    pub at: Millis,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub author: Author,
    /// A visitor's plain text, or Markdown of everybody else; empty where the kind says all.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub body: Arc<str>,
    /// The id that the client gave; for an answer [`EventId::answer_key`] of its question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Arc<str>>,
    /// How a bot's message came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// What else belongs to it.
    #[serde(default, skip_serializing_if = "Meta::is_empty")]
    pub meta: Meta,
}

/// How a bot's message came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The responder that answered.
    pub responder: Arc<str>,
    /// The FAQ entry that answered or handed the turn on.
    pub entry: Option<Arc<str>>,
    /// The content in force.
    pub revision: Arc<str>,
    /// How long the pipeline took, in microseconds.
    pub micros: u32,
}

/// The small print of an event, stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// What the customer may press instead of typing.
    #[serde(skip_serializing_if = "Buttons::is_empty")]
    pub buttons: Buttons,
    /// On a message: what is attached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// On a visitor's message: the entry whose button was pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Arc<str>>,
    /// On a visitor's message: the language of the page or the browser. On an answer: the language it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Arc<str>>,
    /// On an answer: the seq of its question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Seq>,
    /// On an answer: how many questions in a row nobody had an answer to, with this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub missed: u8,
    /// On a rating: what was rated, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rated: Option<Rated>,
    /// What was remembered or forgotten; on a transcript, where it goes if not to the known address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute: Option<Box<Attribute>>,
    /// On an answer of a plugin: what stands behind it. No client sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Box<Behind>>,
    /// On an answer of a model: the entries and tools that it is made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// What happened to an errand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errand: Option<Box<Errand>>,
    /// On what an agent did: who it was, and for whom it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The name that the customer sees of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// On a hand-over and an end: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// On a hand-over and a transfer: the team that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The tags from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// On an end: the visitor is asked to rate the chat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// On a rating of a chat: from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
}

impl Event {
    /// The event as other nodes are told of it: without what no client sees. That stays in the store.
    pub fn told(&self) -> Cow<'_, Event> {
        if self.meta.behind.is_none() && self.meta.errand.is_none() {
            return Cow::Borrowed(self);
        }
        let meta = Meta { behind: None, errand: None, ..self.meta.clone() };
        Cow::Owned(Event { meta, ..self.clone() })
    }
}

impl Meta {
    /// What a responder asks back with the answer that has this number and small print.
    pub fn focus_at(&self, seq: Seq) -> Option<Box<Focus>> {
        let focus = self.behind.as_ref()?.focus.clone()?;
        let seq = if focus.seq == 0 { seq } else { focus.seq };
        Some(Box::new(Focus { seq, ..focus }))
    }

    /// Nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Meta::default()
    }
}

/// What a visitor thinks of an answer. The last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rated {
    /// The seq of the answer.
    pub answer: Seq,
    /// Nothing where a thumb was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumb: Option<Thumb>,
}

/// Why a person was asked for, or why a conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The customer, or a responder, asked for a person.
    Asked,
    /// The customer left word: nobody was there.
    Message,
    /// The agent did not answer any more, or none came.
    Forgotten,
    /// Nothing was said for a long time.
    Idle,
}

/// Which way a thumb points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thumb {
    /// The answer helped.
    Up,
    /// It did not.
    Down,
}

/// Something about the visitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value from now on; nothing when it is forgotten.
    pub value: Option<String>,
}
