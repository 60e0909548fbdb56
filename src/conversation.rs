//! Conversations and the pure decisions about them: (state, input) → events and the next state.
//!
//! A conversation is a log of [`Event`]s numbered by `seq` from 1. [`Conversation`] is what has to be known of it to
//! decide the next append; it is written in the same transaction as the events. Nothing here waits, reads a clock or
//! imports the rest of the crate, so the desk, replay and the tests run the very same decisions.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// UTC milliseconds since 1970.
pub type Millis = i64;
/// The number of an event in its conversation, from 1. As "the last seq seen", 0 says that nothing was seen.
pub type Seq = u32;

/// The longest message, in code points after CRLF became LF.
pub const MAX_TEXT: usize = 4_000;
/// The longest id that a client may give a message, in bytes.
pub const MAX_CLIENT_ID: usize = 64;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(with = "String")] pub Uuid);

        impl $name {
            /// A new id that sorts by the time it was made (UUIDv7).
            pub fn new() -> $name {
                $name(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> $name {
                $name::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// Names a conversation. Made by the client, so that a retry of the very first message is recognised.
    ConversationId
}
uuid_id! {
    /// Names an event, whatever became of the commit that carried it.
    EventId
}

impl ConversationId {
    /// The conversation of a visitor whose client cannot name one (the plain dialect): always the same, so that
    /// every tab and every node finds it, also before anything is stored of it.
    pub fn of_visitor(visitor: VisitorId) -> ConversationId {
        let hash = Sha256::digest(visitor.0);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        ConversationId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl EventId {
    /// The client id that the answer to this question carries. The unique key over (conversation, client id)
    /// thereby allows one answer a question at most.
    pub fn answer_key(&self) -> String {
        // A client's own ids must not start with this: see `ClientId`.
        format!("re:{}", self.0.simple())
    }
}

/// A visitor: the first 16 bytes of the SHA-256 of a token of 256 random bits that only the visitor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VisitorId(pub [u8; 16]);

impl VisitorId {
    /// The visitor whose token this is.
    pub fn of_token(token: &str) -> VisitorId {
        let hash = Sha256::digest(token.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        VisitorId(id)
    }
}

/// The id that a client gave a message: 1 to 64 printable ASCII characters, not starting with `re:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

impl ClientId {
    /// An id for a message whose client gave none.
    pub fn new() -> ClientId {
        ClientId(Uuid::now_v7().simple().to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for ClientId {
    fn default() -> ClientId {
        ClientId::new()
    }
}

impl TryFrom<String> for ClientId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<ClientId, Self::Error> {
        let fits = (1..=MAX_CLIENT_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if fits && !id.starts_with("re:") {
            Ok(ClientId(id))
        } else {
            Err("a client id is 1 to 64 printable ASCII characters without blanks and does not start with \"re:\"")
        }
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> String {
        id.0
    }
}

/// What a customer or an agent wrote: 1 to [`MAX_TEXT`] code points, not only blanks, with LF line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

/// Why a text is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but blanks.
    #[error("the message is empty")]
    Empty,
    /// More than [`MAX_TEXT`] code points; says how many.
    #[error("the message has {0} characters, at most {MAX_TEXT} are possible")]
    TooLong(usize),
}

impl Text {
    /// Checks and takes a text. CRLF becomes LF, everything else stays as it was written.
    pub fn new(text: &str) -> Result<Text, TextError> {
        if text.trim().is_empty() {
            return Err(TextError::Empty);
        }
        let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() };
        // Bytes bound the code points from above: most messages need no counting.
        if text.len() > MAX_TEXT {
            let length = text.chars().count();
            if length > MAX_TEXT {
                return Err(TextError::TooLong(length));
            }
        }
        Ok(Text(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

/// What happened. The list is closed; readers skip what they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody said something.
    Message,
    /// The conversation was over and goes on.
    Reopened,
}

impl Kind {
    /// The word for it in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Reopened => "reopened",
        }
    }

    /// The kind that a stored word stands for; `None` for one that this version does not know.
    pub fn from_word(word: &str) -> Option<Kind> {
        [Kind::Message, Kind::Reopened].into_iter().find(|kind| kind.as_str() == word)
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

/// One thing that happened in a conversation.
#[derive(Debug, Clone, PartialEq)]
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
    /// A visitor's plain text, or an answer's Markdown; empty where the kind says all.
    pub body: String,
    /// The id that the client gave; for an answer [`EventId::answer_key`] of its question.
    pub client_id: Option<String>,
    /// How a bot's message came about.
    pub provenance: Option<Provenance>,
    /// What else belongs to it.
    pub meta: Meta,
}

/// How a bot's message came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// The responder that answered.
    pub responder: String,
    /// The FAQ entry that answered or handed the turn on.
    pub entry: Option<String>,
    /// The content in force.
    pub revision: String,
    /// How long the pipeline took, in microseconds.
    pub micros: u32,
}

/// The small print of an event, stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// What the customer may press instead of typing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// On a visitor's message: the entry whose button was pressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// On a visitor's message: the language of the page or the browser. On an answer: the language it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// On an answer: the seq of its question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Seq>,
}

impl Meta {
    /// Nothing to store.
    pub fn is_empty(&self) -> bool {
        *self == Meta::default()
    }
}

/// Something to press instead of typing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Button {
    /// What stands on it, and what is said when it is pressed.
    pub text: String,
    /// The entry that answers a press directly; without it the text is a message like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
}

/// Where a conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The pipeline answers.
    Bot,
    /// It is over; the next message reopens it.
    Closed,
}

impl Status {
    /// The word for it in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Bot => "bot",
            Status::Closed => "closed",
        }
    }

    /// The status that a stored word stands for.
    pub fn from_word(word: &str) -> Option<Status> {
        [Status::Bot, Status::Closed].into_iter().find(|status| status.as_str() == word)
    }
}

/// What must be known of a conversation to decide what comes next.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Names it.
    pub id: ConversationId,
    /// Whose it is.
    pub visitor: VisitorId,
    /// Where it stands.
    pub status: Status,
    /// When its first event was.
    pub created_at: Millis,
    /// The number of its last event; 0 before the first.
    pub last_seq: Seq,
    /// When its last event was.
    pub last_at: Millis,
    /// The last message that wants an answer.
    pub asked_seq: Seq,
    /// The last message that has its answer. Below `asked_seq`, a question is pending.
    pub answered_seq: Seq,
    /// The language it is spoken in, once that is known.
    pub language: Option<String>,
    /// When somebody must look at it again: the earliest of its own timers.
    pub wake_at: Option<Millis>,
}

/// A visitor's message on its way in.
#[derive(Debug, Clone)]
pub struct Said {
    /// The event that it becomes, the same however often it has to be decided anew.
    pub id: EventId,
    /// The client's id of the message.
    pub client_id: ClientId,
    /// What was said.
    pub text: Text,
    /// The entry whose button was pressed.
    pub choice: Option<String>,
    /// The language of the page or the browser.
    pub language: Option<String>,
}

/// A bot's message on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct BotMessage {
    /// Markdown.
    pub text: String,
    /// What the customer may press next.
    pub buttons: Vec<Button>,
    /// The language it is in, where the responder knows; the conversation goes on in it.
    pub language: Option<String>,
    /// How it came about.
    pub provenance: Provenance,
}

/// What is to be appended, and the state after it.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The state that this was decided on ended at this seq; the log must still end there.
    pub expected_seq: Seq,
    /// What happened, in order.
    pub events: Vec<Arc<Event>>,
    /// The state afterwards.
    pub next: Conversation,
}

impl Decision {
    /// Both decisions in one append; `later` was decided on the state that this one leaves.
    pub fn then(mut self, later: Decision) -> Decision {
        debug_assert_eq!(self.next.last_seq, later.expected_seq);
        self.events.extend(later.events);
        self.next = later.next;
        self
    }
}

impl Conversation {
    /// A conversation before its first event. Nothing of it is stored until there is one.
    pub fn new(id: ConversationId, visitor: VisitorId) -> Conversation {
        Conversation {
            id,
            visitor,
            status: Status::Bot,
            created_at: 0,
            last_seq: 0,
            last_at: 0,
            asked_seq: 0,
            answered_seq: 0,
            language: None,
            wake_at: None,
        }
    }

    /// Whether a question waits for its answer.
    pub fn has_pending(&self) -> bool {
        self.asked_seq > self.answered_seq
    }

    /// The visitor says something. A pending question is to be answered within `limit` milliseconds from now on;
    /// whoever finds it unanswered after that finishes it.
    pub fn say(&self, said: Said, now: Millis, limit: Millis) -> Decision {
        let mut draft = Draft::on(self, now);
        if self.status == Status::Closed {
            draft.add(EventId::new(), Kind::Reopened, Author::System, String::new(), None, None, Meta::default());
            draft.next.status = Status::Bot;
        }
        let meta = Meta { choice: said.choice, language: said.language, ..Meta::default() };
        let client_id = Some(said.client_id.into());
        draft.add(said.id, Kind::Message, Author::Visitor, said.text.into(), client_id, None, meta);
        draft.next.asked_seq = draft.next.last_seq;
        draft.next.wake_at = Some(self.wake_at.filter(|_| self.has_pending()).unwrap_or(now + limit));
        draft.done()
    }

    /// A responder's message answers the question `question`, which has number `seq`. `None` if that question has
    /// its answer already, or if the pipeline has no say here any more: the answer is then dropped.
    pub fn answer(
        &self,
        question: EventId,
        seq: Seq,
        message: BotMessage,
        now: Millis,
        limit: Millis,
    ) -> Option<Decision> {
        if self.status != Status::Bot || seq <= self.answered_seq {
            return None;
        }
        let mut draft = Draft::on(self, now);
        let meta = Meta {
            buttons: message.buttons,
            language: message.language.clone(),
            question: Some(seq),
            ..Meta::default()
        };
        draft.add(
            EventId::new(),
            Kind::Message,
            Author::Bot,
            message.text,
            Some(question.answer_key()),
            Some(message.provenance),
            meta,
        );
        draft.next.answered_seq = seq;
        if message.language.is_some() {
            draft.next.language = message.language;
        }
        draft.next.wake_at = draft.next.has_pending().then_some(now + limit);
        Some(draft.done())
    }
}

/// Collects events on top of a state.
struct Draft {
    expected_seq: Seq,
    events: Vec<Arc<Event>>,
    next: Conversation,
    at: Millis,
}

impl Draft {
    fn on(conversation: &Conversation, now: Millis) -> Draft {
        Draft {
            expected_seq: conversation.last_seq,
            events: Vec::with_capacity(2),
            next: conversation.clone(),
            // A clock that was set back must not turn the order of the log around.
            at: now.max(conversation.last_at),
        }
    }

    #[allow(clippy::too_many_arguments)] // it is the list of an event's columns
    fn add(
        &mut self,
        id: EventId,
        kind: Kind,
        author: Author,
        body: String,
        client_id: Option<String>,
        provenance: Option<Provenance>,
        meta: Meta,
    ) {
        let seq = self.next.last_seq + 1;
        if seq == 1 {
            self.next.created_at = self.at;
        }
        self.next.last_seq = seq;
        self.next.last_at = self.at;
        let event = Event { id, seq, at: self.at, kind, author, body, client_id, provenance, meta };
        self.events.push(Arc::new(event));
    }

    fn done(self) -> Decision {
        Decision { expected_seq: self.expected_seq, events: self.events, next: self.next }
    }
}
