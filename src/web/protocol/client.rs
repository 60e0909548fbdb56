//! What clients send.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::conversation::{AttachmentId, ClientId, ConversationId, Seq, Thumb};

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
