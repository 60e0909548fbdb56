//! What the console gets and sends, as JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conversation::{
    AgentId, Attachment, AttachmentId, Author, Button, Conversation, ConversationId, Event, EventId, Kept, Kind,
    Millis, Provenance, Reason, Seq, Status, Thumb, Usage,
};
use crate::store::{Account, Listed};
use crate::web::markdown::{nodes, text};

/// How much of the last message a list shows, in characters.
const SHOWN: usize = 140;

/// What an agent does.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Act {
    /// Takes a conversation; one that another agent has only if it says that this is meant.
    Take {
        conversation: ConversationId,
        #[serde(default)]
        over: bool,
    },
    /// Says something, in Markdown; under the same id once.
    Reply {
        conversation: ConversationId,
        id: EventId,
        text: String,
        #[serde(default)]
        attachments: Vec<AttachmentId>,
    },
    /// Notes something for other agents.
    Note {
        conversation: ConversationId,
        id: EventId,
        text: String,
    },
    /// Passes it on to an agent, or into the queue: everybody's, or a team's.
    Transfer {
        conversation: ConversationId,
        to: Option<AgentId>,
        #[serde(default)]
        team: Option<String>,
    },
    /// Gives it back to the pipeline.
    Back {
        conversation: ConversationId,
    },
    /// Ends it.
    Close {
        conversation: ConversationId,
    },
    /// Tags it anew.
    Tags {
        conversation: ConversationId,
        tags: Vec<String>,
    },
    /// Lets the visitor write no more, or again.
    Block {
        conversation: ConversationId,
    },
    Unblock {
        conversation: ConversationId,
    },
    /// Is typing to the visitor.
    Typing {
        conversation: ConversationId,
    },
    /// Has seen it up to here.
    Seen {
        conversation: ConversationId,
        seq: Seq,
    },
    /// Takes chats or not, and how many at once.
    Duty {
        away: bool,
        max_chats: u32,
    },
}

/// A conversation in a list.
#[derive(Serialize)]
pub struct Row<'a> {
    id: ConversationId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    /// Word was left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    message: bool,
    /// The agent is to answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    open: bool,
    since: Millis,
    last_at: Millis,
    last_seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
    unread: u32,
    tags: &'a [String],
    /// The team that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    /// What the customer gave the chat that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    stars: Option<u8>,
}

#[derive(Serialize)]
struct Last {
    author: Author,
    text: String,
}

impl<'a> Row<'a> {
    /// The row of a conversation.
    pub fn of(listed: &'a Listed) -> Row<'a> {
        let Listed { head, since, last, unread } = listed;
        let person = head.kept.person.as_deref();
        let known = |name: &str| head.kept.attributes.get(name).map(String::as_str);
        Row {
            id: head.id,
            status: head.status,
            agent: head.agent(),
            message: person.is_some_and(|person| person.message),
            open: person.is_some_and(|person| person.visitor_last),
            since: *since,
            last_at: head.last_at,
            last_seq: head.last_seq,
            name: head
                .kept
                .account_name
                .as_deref()
                .or_else(|| known("name"))
                .or_else(|| known("email"))
                .or_else(|| known("phone")),
            last: last.as_ref().map(|(author, body)| Last { author: *author, text: start(*author, body) }),
            unread: *unread,
            tags: &head.kept.tags,
            team: person.and_then(|person| person.team.as_deref()),
            stars: head.kept.ended.as_deref().and_then(|ended| ended.stars),
        }
    }
}

/// How it begins, without the Markdown that everybody but a visitor writes.
fn start(author: Author, body: &str) -> String {
    // A message without a text is nothing but what is attached.
    if body.is_empty() {
        return "📎".to_owned();
    }
    if author == Author::Visitor {
        return body.chars().take(SHOWN).collect();
    }
    // What is marked up is longer than what is shown of it.
    let end = body.char_indices().nth(4 * SHOWN).map_or(body.len(), |(end, _)| end);
    text(&body[..end]).chars().take(SHOWN).collect()
}

/// An agent, as the others see one.
#[derive(Serialize)]
pub struct Colleague<'a> {
    pub id: AgentId,
    pub name: &'a str,
    /// A console is open.
    pub here: bool,
    pub away: bool,
    pub chats: usize,
    pub max_chats: u32,
    pub teams: &'a [String],
}

/// Who works at a console.
#[derive(Serialize)]
pub struct Me<'a> {
    pub id: AgentId,
    pub name: &'a str,
    pub role: &'static str,
    pub away: bool,
    pub max_chats: u32,
    pub teams: &'a [String],
    /// Files can be sent.
    pub attachments: bool,
}

impl<'a> Me<'a> {
    pub fn of(account: &'a Account, attachments: bool) -> Me<'a> {
        let Account { id, name, role, away, max_chats, teams, .. } = account;
        Me { id: *id, name, role: role.as_str(), away: *away, max_chats: *max_chats, teams, attachments }
    }
}

/// What a sign-in says of the customer. Only the host site can say it, so nobody else can be taken for who this is.
#[derive(Serialize)]
pub struct SignedIn<'a> {
    /// Whether the customer is signed in at all.
    account: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

impl<'a> SignedIn<'a> {
    pub fn of(head: &'a Conversation) -> SignedIn<'a> {
        let Kept { account, account_name, account_email, .. } = &head.kept;
        SignedIn { account: *account, name: account_name.as_deref(), email: account_email.as_deref() }
    }
}

/// A conversation that is opened, and its last events.
#[derive(Serialize)]
pub struct Opened<'a> {
    pub id: ConversationId,
    pub status: Status,
    pub agent: Option<AgentId>,
    pub created_at: Millis,
    pub last_seq: Seq,
    pub language: Option<&'a str>,
    /// Who the visitor is.
    pub signed_in: SignedIn<'a>,
    /// What is known of the visitor.
    pub known: &'a std::collections::BTreeMap<String, String>,
    pub tags: &'a [String],
    /// The visitor may not write.
    pub blocked: bool,
    pub events: Vec<Shown<'a>>,
    pub more: bool,
}

impl<'a> Opened<'a> {
    pub fn of(head: &'a Conversation, blocked: bool, events: &'a [Arc<Event>]) -> Opened<'a> {
        Opened {
            id: head.id,
            status: head.status,
            agent: head.agent(),
            created_at: head.created_at,
            last_seq: head.last_seq,
            language: head.language.as_deref(),
            signed_in: SignedIn::of(head),
            known: &head.kept.attributes,
            tags: &head.kept.tags,
            blocked,
            more: events.first().is_some_and(|event| event.seq > 1),
            events: events.iter().map(|event| Shown::of(event)).collect(),
        }
    }
}

/// An event as agents see it: all of them, with how an answer came about.
#[derive(Serialize)]
pub struct Shown<'a> {
    pub seq: Seq,
    at: Millis,
    kind: Kind,
    author: Author,
    /// A visitor's plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// What everybody else said, in nodes: nothing in it is HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Arc<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    attachments: &'a [Attachment],
    #[serde(skip_serializing_if = "<[Button]>::is_empty")]
    buttons: &'a [Button],
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a Provenance>,
    /// The entries and tools that a model's answer is made from, and what it cost, as far as this is at hand.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    sources: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<(&'a str, Option<&'a str>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumb: Option<Thumb>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stars: Option<u8>,
}

impl<'a> Shown<'a> {
    pub fn of(event: &'a Event) -> Shown<'a> {
        let visitor = event.author == Author::Visitor;
        let said = !event.body.is_empty();
        let meta = &event.meta;
        Shown {
            seq: event.seq,
            at: event.at,
            kind: event.kind,
            author: event.author,
            text: (said && visitor).then_some(&*event.body),
            nodes: (said && !visitor).then(|| nodes(&event.body)),
            id: event.client_id.as_deref().filter(|_| event.author == Author::Agent),
            attachments: &meta.attachments,
            buttons: &meta.buttons,
            why: event.provenance.as_ref(),
            sources: &meta.sources,
            usage: meta.behind.as_ref().and_then(|behind| behind.usage.as_deref()),
            agent: meta.agent,
            name: meta.name.as_deref(),
            reason: meta.reason,
            team: meta.team.as_deref(),
            tags: meta.tags.as_deref(),
            attribute: meta.attribute.as_ref().map(|known| (known.name.as_str(), known.value.as_deref())),
            answer: meta.rated.map(|rated| rated.answer),
            thumb: meta.rated.and_then(|rated| rated.thumb),
            stars: meta.stars,
        }
    }
}
