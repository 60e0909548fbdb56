//! The bodies of the POSTs that are no frames, and what they are answered with.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Vouched;
use crate::conversation::{Author, ConversationId, Event, Kind, Millis, Seq, Thumb};
use crate::store::Exported;

/// The body of `POST /api/chat/unread`, and of `POST /api/chat/export`, which takes no `seen`.
#[derive(Deserialize, JsonSchema)]
pub struct Unread {
    /// The visitor's token.
    pub token: String,
    /// The last seq that the client has shown.
    #[serde(default)]
    pub seen: Seq,
    /// Who the customer is, as in `hello`.
    #[serde(default)]
    pub identity: Option<Vouched>,
}

/// What `POST /api/chat/unread` is answered with.
#[derive(Serialize, JsonSchema)]
pub struct UnreadCount {
    /// How many messages the visitor has not seen, at most 99.
    pub unread: u32,
}

/// The body of `POST /api/chat/transcript`.
#[derive(Deserialize, JsonSchema)]
pub struct WantsTranscript {
    /// The visitor's token.
    pub token: String,
    /// The conversation.
    pub conversation: ConversationId,
    /// Who the customer is, as in `hello`.
    #[serde(default)]
    pub identity: Option<Vouched>,
    /// The address; nothing for the one that is known.
    #[serde(default)]
    pub email: Option<String>,
}

/// The body of `POST /api/chat/back`.
#[derive(Deserialize, JsonSchema)]
pub struct Back {
    /// The visitor's token.
    pub token: String,
    /// What stands behind `#purser=` in the link of a mail.
    pub ticket: String,
    /// Who the customer is, as in `hello`.
    #[serde(default)]
    pub identity: Option<Vouched>,
}

/// What `POST /api/chat/back` is answered with.
#[derive(Serialize, JsonSchema)]
pub struct WentBack {
    /// The visitor's conversation, which now has at its end what the link was about.
    pub conversation: ConversationId,
}

/// What `POST /api/chat/export` is answered with: everything that is the visitor's.
#[derive(Serialize, JsonSchema)]
pub struct Download {
    /// When it was put together, in UTC milliseconds.
    pub at: Millis,
    /// What the host site says of its customer now; it is not kept here.
    pub account: Arc<BTreeMap<String, String>>,
    /// The conversations.
    pub conversations: Vec<DownloadedConversation>,
}

/// A conversation to take along.
#[derive(Serialize, JsonSchema)]
pub struct DownloadedConversation {
    /// Names it.
    pub id: ConversationId,
    /// The language that it is spoken in.
    pub language: Option<String>,
    /// What is remembered of the visitor there.
    pub remembered: BTreeMap<String, String>,
    /// What the site said of the visitor, and is kept since a person was called: `name`, `email`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub account: BTreeMap<String, String>,
    /// What was said and done, in order.
    pub events: Vec<DownloadedEvent>,
}

/// Something that was said or done.
#[derive(Serialize, JsonSchema)]
pub struct DownloadedEvent {
    /// When, in UTC milliseconds.
    pub at: Millis,
    /// What.
    pub kind: Kind,
    /// By whom.
    pub author: Author,
    /// What the agent is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What was attached, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
    /// What was remembered then, or with no value forgotten: its name and value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembered: Option<(String, Option<String>)>,
    /// On a rating: which way the thumb points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumb: Option<Thumb>,
}

impl DownloadedConversation {
    /// As its visitor takes it along.
    pub fn of(exported: &Exported) -> DownloadedConversation {
        let event = |event: &Arc<Event>| {
            let remembered = event.meta.attribute.as_ref();
            DownloadedEvent {
                at: event.at,
                kind: event.kind,
                author: event.author,
                name: event.meta.name.clone(),
                text: event.body.as_ref().to_owned(),
                attachments: event.meta.attachments.iter().map(|attachment| attachment.name.clone()).collect(),
                remembered: remembered.map(|attribute| (attribute.name.clone(), attribute.value.clone())),
                thumb: event.meta.rated.and_then(|rated| rated.thumb),
            }
        };
        DownloadedConversation {
            id: exported.head.id,
            language: exported.head.language.as_deref().map(str::to_owned),
            remembered: exported.attributes().clone(),
            account: exported.account(),
            events: exported.events.iter().map(event).collect(),
        }
    }
}
