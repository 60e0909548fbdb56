//! What is sent out of what happens in conversations: mail, and webhooks of the site.

use sha2::{Digest, Sha256};

use super::event::{Attribute, Author, Event, Kind, Meta, Reason};
use super::id::{ConversationId, EventId, Millis};
use super::{Conversation, Decision, Draft};

/// The attribute that holds the e-mail address which a visitor has left.
const EMAIL: &str = "email";

/// Something that is sent because of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sending {
    /// An agent's reply, by mail to a customer who has gone.
    Reply,
    /// A message was left: by mail to the agents.
    Notice,
    /// What was said, by mail to the customer who asked for it.
    Transcript,
    /// To the webhook of this name.
    Hook(String),
}

/// What webhooks are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A person was asked for.
    HandedOver,
    /// A conversation is over.
    Closed,
    /// A visitor has rated an answer or a chat.
    Rated,
    /// A visitor has left word while nobody was there.
    MessageLeft,
}

/// What this site has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posting {
    /// Whether it sends mail to customers, and how long after an agent's reply; a customer who sees the reply until then
    /// gets none.
    pub customers: Option<Millis>,
    /// Whether agents get a mail about a message that was left.
    pub agents: bool,
    /// The webhooks, and what each is told of.
    pub hooks: Vec<(String, Vec<Occasion>)>,
}

impl Posting {
    /// What is sent because of this event, and when it is due; `head` is the state after it.
    pub fn of<'a>(
        &'a self,
        event: &'a Event,
        head: &'a Conversation,
    ) -> impl Iterator<Item = (Sending, Millis)> + use<'a> {
        let occasion = Occasion::of(event);
        let mail = match (event.kind, event.author) {
            (Kind::Message, Author::Agent) if head.email().is_some() => {
                self.customers.map(|after| (Sending::Reply, event.at + after))
            }
            (Kind::Transcript, _) => self.customers.map(|_| (Sending::Transcript, event.at)),
            _ if occasion == Some(Occasion::MessageLeft) && self.agents => Some((Sending::Notice, event.at)),
            _ => None,
        };
        let told = self.hooks.iter().filter(move |(_, wanted)| occasion.is_some_and(|one| wanted.contains(&one)));
        mail.into_iter().chain(told.map(|(name, _)| (Sending::Hook(name.clone()), event.at)))
    }
}

impl Sending {
    /// The word for it in the store.
    pub fn word(&self) -> String {
        match self {
            Sending::Reply => "reply".to_owned(),
            Sending::Notice => "notice".to_owned(),
            Sending::Transcript => "transcript".to_owned(),
            Sending::Hook(name) => format!("hook/{name}"),
        }
    }

    /// What a stored word stands for.
    pub fn from_word(word: &str) -> Option<Sending> {
        match word {
            "reply" => Some(Sending::Reply),
            "notice" => Some(Sending::Notice),
            "transcript" => Some(Sending::Transcript),
            other => other.strip_prefix("hook/").map(|name| Sending::Hook(name.to_owned())),
        }
    }

    /// The word for it in metrics and the log.
    pub fn what(&self) -> &'static str {
        match self {
            Sending::Reply => "reply",
            Sending::Notice => "notice",
            Sending::Transcript => "transcript",
            Sending::Hook(_) => "webhook",
        }
    }

    /// Names what is sent because of this event, the same however often it is tried.
    pub fn id(&self, conversation: ConversationId, event: EventId) -> EventId {
        let ids = Sha256::new().chain_update(conversation.0.as_bytes()).chain_update(event.0.as_bytes());
        let hash = ids.chain_update(self.word()).finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        EventId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl Occasion {
    /// All of them.
    pub const ALL: [Occasion; 4] = [Occasion::HandedOver, Occasion::Closed, Occasion::Rated, Occasion::MessageLeft];

    /// The word for it in the configuration and in what webhooks get.
    pub fn word(self) -> &'static str {
        match self {
            Occasion::HandedOver => "handed_over",
            Occasion::Closed => "closed",
            Occasion::Rated => "rated",
            Occasion::MessageLeft => "message_left",
        }
    }

    /// The occasion that a word stands for.
    pub fn from_word(word: &str) -> Option<Occasion> {
        Occasion::ALL.into_iter().find(|occasion| occasion.word() == word)
    }

    /// What this event is an occasion of.
    pub fn of(event: &Event) -> Option<Occasion> {
        match event.kind {
            Kind::Handover if event.meta.reason == Some(Reason::Message) => Some(Occasion::MessageLeft),
            Kind::Handover => Some(Occasion::HandedOver),
            Kind::Closed => Some(Occasion::Closed),
            Kind::Rated | Kind::Reviewed => Some(Occasion::Rated),
            _ => None,
        }
    }
}

impl Conversation {
    /// Where mail for the visitor goes: to the address of the customer who is signed in, else to the one that was left.
    pub fn email(&self) -> Option<&str> {
        self.kept.account_email.as_deref().or_else(|| self.kept.attributes.get(EMAIL).map(String::as_str))
    }

    /// The visitor wants what was said by mail, at this address or at the one that is known. Nothing else changes.
    pub fn transcript(&self, email: Option<String>, now: Millis) -> Decision {
        let mut draft = Draft::on(self, now);
        let attribute = email.map(|email| Attribute { name: EMAIL.to_owned(), value: Some(email) });
        let meta = Meta { attribute: attribute.map(Box::new), ..Meta::default() };
        draft.add(EventId::new(), Kind::Transcript, Author::Visitor, "".into(), None, None, meta);
        draft.done()
    }
}
