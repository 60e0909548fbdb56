//! What clients get.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ErrorCode, EventFrame, Frame, Refused, Shown};
use crate::conversation::{Button, Conversation, ConversationId, Millis, Seq, Status};
use crate::desk::Ack;

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
        Frame { json: serde_json::to_string(self).unwrap_or_default().into(), seq, refused }
    }
}
