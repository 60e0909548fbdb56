//! The wire JSON of both dialects, and every error and close code. Nothing else in the crate knows it.
//!
//! `GET /api/protocol.json` serves the JSON Schema of the typed dialect, made from the types below.

mod codes;
mod posts;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::markdown::{html, nodes};
use crate::conversation::{
    Attachment, AttachmentId, Author, Button, ClientId, Conversation, ConversationId, Event, EventId, Kind, Millis,
    Reason, Seq, Status, Thumb,
};
use crate::desk::Ack;

pub use codes::{CloseCode, ErrorCode, Refused};
pub use posts::{Back, Download, DownloadedConversation, Unread, UnreadCount, WantsTranscript, WentBack};

/// The name of the typed dialect in `Sec-WebSocket-Protocol`.
pub const TYPED: &str = "purser.v1";
/// The longest frame, in bytes.
pub const MAX_FRAME: usize = 32 * 1024;
/// The longest token of a signed-in customer, in bytes, and a little more.
pub const MAX_IDENTITY: usize = 9 * 1_024;
/// The longest body of a POST, in bytes: a frame and who sends it.
pub const MAX_BODY: usize = MAX_FRAME + 1_024;
/// The longest body of a request for the unread count or an export, in bytes.
pub const MAX_UNREAD: usize = MAX_IDENTITY + 1_024;
/// A client of a socket that was not heard of for this long is asked whether it is there, and closed after twice that.
pub const SILENT_FOR: Duration = Duration::from_secs(45);
/// A stream of server-sent events has a comment after this long without an event, so that its client knows that it
/// is alive.
pub const COMMENT_AFTER: Duration = Duration::from_secs(15);
/// How many events a page of history holds at most…
pub const PAGE: u32 = 50;
/// …and how many bytes, unless its only event is larger. A page is one frame, and the rest comes on demand.
pub const PAGE_BYTES: usize = 128 * 1024;

/// A frame of the typed dialect from a client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Comes first: who the visitor is and what the client has seen. Answered by `welcome` and what was missed.
    Hello(Hello),
    /// A message. Answered by `ack` once it is durable; said again with the same client id, the same `ack` comes.
    Say(Say),
    /// Asks for the page of history before a seq. Answered by `history`.
    Older {
        /// The lowest seq that the client has.
        before: Seq,
    },
    /// The visitor has seen everything up to here. What comes after it is unread. Not answered.
    Seen {
        /// The highest seq that was shown.
        seq: Seq,
    },
    /// What the visitor thinks of an answer. A thumb other than before becomes a `rated` event in every tab.
    Rate {
        /// The seq of the answer.
        seq: Seq,
        /// Which way the thumb points; nothing takes it back.
        #[serde(default)]
        thumb: Option<Thumb>,
    },
    /// How the visitor finds the chat with a person that is over: `person.ended`, or a `closed` event that `asks`, says
    /// that this may be told. May be told again, for a day. Becomes a `reviewed` event in every tab.
    Review {
        /// From 1, poor, to 5, very good.
        #[schemars(range(min = 1, max = 5))]
        stars: u8,
        /// A word about it, as plain text.
        #[serde(default)]
        comment: Option<String>,
    },
    /// The visitor is typing: told to the agent who has the conversation. Not answered; send it every few seconds at
    /// most, and only while `person` or the last of `joined`, `left` and such says that an agent is there.
    Typing,
    /// Deletes everything in the conversation for good. Answered by an `erased` event, in every tab.
    Erase {
        /// In this other conversation of the visitor, and not in the one at hand. Answered by `conversations`.
        #[serde(default)]
        conversation: Option<ConversationId>,
        /// In all other conversations of the visitor, too.
        #[serde(default)]
        everything: bool,
    },
    /// Asks what is known of the visitor. Answered by `known`.
    Known,
    /// Has something forgotten that is remembered of the visitor. Answered by `known`.
    Forget {
        /// Its name in `known`.
        name: String,
    },
    /// Asks for the visitor's other conversations, the newest first. Answered by `conversations`.
    Conversations {
        /// So many are left out: those that the client has.
        #[serde(default)]
        skip: u32,
    },
    /// Reads in another conversation of the visitor. Answered by `read`.
    Read {
        /// Which one.
        conversation: ConversationId,
        /// The lowest seq of it that the client has; nothing for the last page.
        #[serde(default)]
        before: Option<Seq>,
    },
    /// Answered by `pong`.
    Ping,
}

/// Who the visitor is.
#[derive(Deserialize, JsonSchema)]
pub struct Hello {
    /// The visitor's token: 256 random bits made by the client, as 43 to 128 characters of base64url or hex.
    pub token: String,
    /// The conversation to go on with, or an id that the client made for its first one.
    #[serde(default)]
    pub conversation: Option<ConversationId>,
    /// The last seq that the client has of that conversation; 0 or nothing for none.
    #[serde(default)]
    pub seq: Seq,
    /// The language of the page, as BCP 47.
    #[serde(default)]
    pub language: Option<String>,
    /// How the client wants what others say.
    #[serde(default)]
    pub form: Form,
    /// Who the host site says its customer is. What was said before with the same token becomes the customer's.
    #[serde(default)]
    pub identity: Option<Vouched>,
}

/// How the host site says who its customer is.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Vouched {
    /// A JWT that the site signed with HS256: `sub`, `aud`, `exp`, and perhaps `name`, `email`, `language`, `address`,
    /// `attributes`.
    Token(String),
    /// As Chatwoot has it.
    Hashed {
        /// The site's id of the customer.
        identifier: String,
        /// HMAC-SHA256 of it with the site's secret, in hex.
        identifier_hash: String,
        /// What the customer is called; nobody vouches for that.
        #[serde(default)]
        name: Option<String>,
        /// And for that neither.
        #[serde(default)]
        email: Option<String>,
    },
}

/// How a client wants what others say: as Markdown and HTML, or as nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `text` in Markdown and `html`, sanitised.
    #[default]
    Html,
    /// `nodes`: a list of texts and elements, and an element is a list of its name and what it holds:
    /// `[["p", "Hello ", ["strong", "you"]]]`. A link (`a`) has its address first, a numbered list (`ol`) the number
    /// that it starts with. Nothing in it is HTML.
    Nodes,
}

// The token is the visitor's whole secret, and what the site says of a customer is nobody else's business.
impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Hello { token: _, conversation, seq, language, form: _, identity: _ } = self;
        f.debug_struct("Hello")
            .field("conversation", conversation)
            .field("seq", seq)
            .field("language", language)
            .finish_non_exhaustive()
    }
}

/// A message of the customer.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Say {
    /// The client's id of the message: 1 to 64 printable ASCII characters, not starting with `re:`.
    pub client_id: ClientId,
    /// What was typed, or what stands on the button that was pressed: at most 4,000 code points. It may be empty where
    /// something is attached.
    #[serde(default)]
    pub text: String,
    /// The `choice` of the button that was pressed.
    #[serde(default)]
    pub choice: Option<String>,
    /// What is attached, at most 10: the ids that `POST /api/chat/attachments` gave.
    #[serde(default)]
    pub attachments: Vec<AttachmentId>,
    /// The conversation in which it was said first. A client that sends a message again names it: the message may be
    /// stored there, and the visitor be in another conversation now.
    #[serde(default)]
    pub conversation: Option<ConversationId>,
}

/// What a client without a socket sends: one frame, and whose it is.
#[derive(Deserialize, JsonSchema)]
pub struct Post {
    /// The visitor's token, as in `hello`.
    pub token: String,
    /// The conversation that the frame belongs to: the one that `welcome` named, or an id that the client made for
    /// its first one.
    pub conversation: ConversationId,
    /// The language of the page, as BCP 47.
    #[serde(default)]
    pub language: Option<String>,
    /// How the client wants what others say, as in `hello`.
    #[serde(default)]
    pub form: Form,
    /// Who the customer is, as in `hello`.
    #[serde(default)]
    pub identity: Option<Vouched>,
    /// The frame.
    pub frame: ClientFrame,
}

/// A frame of the typed dialect to a client.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame<'a> {
    /// Answers `hello`; comes again when the socket changes over to another conversation of the visitor.
    Welcome {
        /// The conversation that this socket is in; not always the one that was asked for.
        conversation: ConversationId,
        /// Its last seq; 0 if nothing was said yet.
        seq: Seq,
        /// The longest text, in code points.
        max_text: usize,
        /// What the site says around the messages, in the customer's language.
        site: Site,
        /// Set while the conversation waits for a person or has one, and when a chat with one is over and may be
        /// rated. Later changes are events: `handover`, `joined`, `transferred`, `left`, `closed`.
        #[serde(skip_serializing_if = "Option::is_none")]
        person: Option<WithPerson>,
        /// Whether what was said can be sent by mail: `POST /api/chat/transcript`.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        mail: bool,
        /// The largest file that can be attached, in bytes; nothing if none can.
        #[serde(skip_serializing_if = "Option::is_none")]
        attachments: Option<u32>,
    },
    /// Events that are older than those the client has, or the last ones for a client that has none; ascending.
    History {
        /// The events.
        events: Vec<EventFrame<'a>>,
        /// Whether there are older ones.
        more: bool,
    },
    /// What is known of the visitor, as names and values.
    Known {
        /// What the host site says of its customer; it is not kept here.
        account: &'a BTreeMap<String, String>,
        /// What plugins remember; each can be forgotten.
        remembered: &'a BTreeMap<String, String>,
    },
    /// Other conversations of the visitor, the newest first.
    Conversations {
        /// The conversations.
        conversations: Vec<PastConversation>,
        /// Whether there are older ones.
        more: bool,
        /// The one that was deleted, if that was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        erased: Option<ConversationId>,
    },
    /// A page of another conversation of the visitor; ascending.
    Read {
        /// Which one.
        conversation: ConversationId,
        /// Its events.
        events: Vec<EventFrame<'a>>,
        /// Whether there are older ones.
        more: bool,
    },
    /// Something happened. Each socket of the conversation gets it once, in order of seq.
    Event(EventFrame<'a>),
    /// The message with this client id is durable.
    Ack {
        /// The conversation that it is stored in.
        conversation: ConversationId,
        /// The client's id of it.
        client_id: &'a str,
        /// Its number.
        seq: Seq,
        /// When it was stored, in UTC milliseconds.
        at: Millis,
    },
    /// Something could not be done. The connection stays.
    Error {
        /// What it was.
        code: ErrorCode,
        /// The message that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        /// A sentence for the customer, in the customer's language.
        text: &'a str,
        /// On `sign_in_refused`: what is wrong with the token, for whoever makes the page.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// When to try again, in milliseconds; nothing where the same frame would fail again.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// The connection is about to be closed.
    Bye {
        /// The close code that follows.
        code: u16,
        /// When to come back, in milliseconds; nothing where coming back would not help.
        #[serde(skip_serializing_if = "Option::is_none")]
        back_in: Option<u32>,
    },
    /// The agent is typing, or an answer is being made that takes a while. Good for some seconds.
    Typing,
    /// An answer as far as it is written. It is a draft: show it, and keep nothing of it. The `event` with the answer
    /// takes its place, or it is withdrawn. After a reconnect it begins anew.
    Part {
        /// The seq of the question.
        question: Seq,
        /// How much of the draft stays as it was: so many code points of its text, or with `nodes` so many of its
        /// nodes. What stands behind that is replaced by what this part brings. 0 begins it.
        offset: usize,
        /// More Markdown, unless the client wants nodes. It may break off anywhere.
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        /// More nodes, for a client that wants them. No link in them leads anywhere yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Vec<serde_json::Value>>")]
        nodes: Option<&'a [Box<RawValue>]>,
        /// Whether the draft is taken away: another answer comes, or somebody else.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        withdrawn: bool,
    },
    /// Answers `ping`.
    Pong,
}

/// Who has a conversation that the pipeline does not answer, or had it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WithPerson {
    /// The name of the agent; nothing while the visitor waits for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Set when the chat is over and may be rated: see `review`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedChat>,
}

/// A chat with a person that is over.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EndedChat {
    /// What the visitor gave it last, from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
}

impl WithPerson {
    /// Who has this conversation, if a person is asked for or has it, or had it and it may be rated now.
    pub fn of(head: &Conversation, now: Millis) -> Option<WithPerson> {
        let with = |name| Some(WithPerson { name, ended: None });
        match head.status {
            Status::Waiting => with(None),
            Status::Agent => with(head.kept.person.as_ref()?.name.clone()),
            Status::Closed => {
                let ended = head.may_review(now)?;
                Some(WithPerson { name: ended.name.clone(), ended: Some(EndedChat { stars: ended.stars }) })
            }
            Status::Bot => None,
        }
    }
}

/// A conversation in the visitor's list.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PastConversation {
    /// Names it.
    pub id: ConversationId,
    /// When it began, in UTC milliseconds.
    pub created_at: Millis,
    /// When something happened in it last.
    pub last_at: Millis,
    /// The beginning of what the visitor said first.
    pub text: String,
}

/// What a POST is replied with.
#[derive(Serialize, JsonSchema)]
pub struct Replied<'a> {
    /// The frames that answer the one that was sent, in order.
    pub frames: Vec<ServerFrame<'a>>,
}

/// An event as a client sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventFrame<'a> {
    /// Its number in the conversation, from 1. A client may find gaps: some events are not for customers.
    pub seq: Seq,
    /// Names it.
    pub id: EventId,
    /// When it happened, in UTC milliseconds.
    pub at: Millis,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub author: Author,
    /// What was said: plain text of a visitor, Markdown of everybody else, unless the client wants nodes.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
    /// The same as sanitised HTML; nothing for a visitor's text, which is text and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub html: Option<std::sync::Arc<str>>,
    /// The same as nodes, for a client that wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub nodes: Option<std::sync::Arc<RawValue>>,
    /// The name of the agent who said or did it, or who has the conversation now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// On a hand-over and an end: why. After `message` the assistant goes on: word was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The id that the visitor's client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    /// What is attached: each is at `GET /api/chat/attachments/{id}`.
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    pub attachments: &'a [Attachment],
    /// What may be pressed next.
    #[serde(skip_serializing_if = "<[Button]>::is_empty")]
    pub buttons: &'a [Button],
    /// On an answer: the seq of its question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Seq>,
    /// On an answer: its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
    /// On a rating: the seq of the answer that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Seq>,
    /// On a rating: which way the thumb points; nothing where it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumb: Option<Thumb>,
    /// On an end: the visitor is asked to rate the chat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// On a rating of a chat: from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
}

/// What the site says around the messages.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Site {
    /// Stands above the first message.
    pub greeting: Shown,
    /// What may be pressed before anything was said.
    pub starters: Vec<Button>,
    /// The small print.
    pub privacy: Shown,
}

/// Markdown in the form that the client wants.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Shown {
    /// Sanitised HTML.
    Html(#[schemars(with = "String")] std::sync::Arc<str>),
    /// Nodes.
    Nodes(#[schemars(with = "Vec<serde_json::Value>")] std::sync::Arc<RawValue>),
}

impl Shown {
    /// This Markdown in this form.
    pub fn of(markdown: &str, form: Form) -> Shown {
        match form {
            Form::Html => Shown::Html(html(markdown)),
            Form::Nodes => Shown::Nodes(nodes(markdown)),
        }
    }
}

impl<'a> EventFrame<'a> {
    /// The event as a client sees it that wants this form.
    pub fn of(event: &'a Event, form: Form) -> EventFrame<'a> {
        let visitor = event.author == Author::Visitor;
        let (html, nodes) = match form {
            _ if visitor || event.body.is_empty() => (None, None),
            Form::Html => (Some(html(&event.body)), None),
            Form::Nodes => (None, Some(nodes(&event.body))),
        };
        EventFrame {
            seq: event.seq,
            id: event.id,
            at: event.at,
            kind: event.kind,
            author: event.author,
            text: if nodes.is_none() { &event.body } else { "" },
            html,
            nodes,
            name: event.meta.name.as_deref(),
            reason: event.meta.reason,
            client_id: event.client_id.as_deref().filter(|_| visitor),
            attachments: &event.meta.attachments,
            buttons: &event.meta.buttons,
            question: event.meta.question,
            language: event.meta.language.as_deref().filter(|_| !visitor),
            answer: event.meta.rated.map(|rated| rated.answer),
            thumb: event.meta.rated.and_then(|rated| rated.thumb),
            asks: event.meta.asks,
            stars: event.meta.stars,
        }
    }
}

impl EventFrame<'_> {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let html = self.html.as_ref().map_or(0, |html| html.len());
        let nodes = self.nodes.as_ref().map_or(0, |nodes| nodes.get().len());
        let on = |button: &Button| button.text.len() + button.link.as_ref().map_or(0, String::len);
        let attached: usize = self.attachments.iter().map(|attachment| attachment.name.len() + 128).sum();
        self.text.len() + html + nodes + attached + self.buttons.iter().map(on).sum::<usize>()
    }
}

impl ServerFrame<'_> {
    /// The acknowledgement of a stored message.
    pub fn ack(ack: &Ack) -> ServerFrame<'_> {
        let Ack { conversation, client_id, seq, at } = ack;
        ServerFrame::Ack { conversation: *conversation, client_id: client_id.as_str(), seq: *seq, at: *at }
    }

    /// The frame, ready to go.
    pub fn frame(&self) -> Frame {
        let seq = match self {
            ServerFrame::Event(event) => Some(event.seq),
            ServerFrame::History { events, .. } => events.last().map(|event| event.seq),
            _ => None,
        };
        let refused = match self {
            ServerFrame::Error { code, retry_after, .. } => {
                Some(Refused { code: *code, retry_after: *retry_after, why: None })
            }
            _ => None,
        };
        // Only maps with keys that are no strings could fail here, and there are none.
        Frame { json: serde_json::to_string(self).unwrap_or_default(), seq, refused }
    }
}

/// A frame that is ready to go, in either dialect.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What goes out.
    pub json: String,
    /// The last seq that it tells of.
    pub seq: Option<Seq>,
    /// Set if it says that something could not be done.
    pub refused: Option<Refused>,
}

/// A frame of the plain dialect, in and out.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainFrame<'a> {
    /// In: text. Out: sanitised HTML.
    #[serde(borrow)]
    pub message: std::borrow::Cow<'a, str>,
}

impl PlainFrame<'_> {
    /// The frame, ready to go.
    pub fn frame(&self) -> Frame {
        Frame { json: serde_json::to_string(self).unwrap_or_default(), seq: None, refused: None }
    }
}

/// The typed dialect as JSON Schema: the frames of the client and of the server.
pub fn schema() -> serde_json::Value {
    serde_json::json!({
        "protocol": TYPED,
        "client": schemars::schema_for!(ClientFrame),
        "server": schemars::schema_for!(ServerFrame),
    })
}
