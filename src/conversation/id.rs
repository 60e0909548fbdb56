//! Ids, times and texts, checked as they come in.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Simple;

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
uuid_id! {
    /// Names an agent, whatever the agent is called.
    AgentId
}

uuid_id! {
    /// Names an attachment.
    AttachmentId
}

impl AttachmentId {
    /// The attachment that this client of this owner sends under this id: sent again, it is the same one. Whoever names
    /// another file so gets another one.
    pub fn of(owner: &[u8; 16], client_id: &ClientId, file: &[u8]) -> AttachmentId {
        let hash =
            Sha256::new().chain_update(owner).chain_update(Sha256::digest(file)).chain_update(client_id.as_str());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        AttachmentId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
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
    pub fn answer_key(&self) -> Arc<str> {
        // A client's own ids must not start with this: see `ClientId`.
        let mut key = [0; 3 + Simple::LENGTH];
        key[..3].copy_from_slice(b"re:");
        self.0.simple().encode_lower(&mut key[3..]);
        String::from_utf8_lossy(&key).into()
    }

    /// A word that nobody can have written before this event was, to set something apart by.
    pub fn mark(&self) -> String {
        let [.., a, b, c, d, e] = *self.0.as_bytes();
        format!("data-{:010x}", u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))
    }

    /// The client id that the message about the outcome of this errand carries: there is one at most.
    pub fn outcome_key(&self) -> Arc<str> {
        format!("re:errand:{}", self.0.simple()).into()
    }

    /// The client id of an agent's message that its console named so. No visitor's message can have it.
    pub fn agent_key(&self) -> Arc<str> {
        format!("re:agent:{}", self.0.simple()).into()
    }
}

/// A visitor: the first 16 bytes of the SHA-256 of a token of 256 random bits that only the visitor holds, or of the
/// account that the host site vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VisitorId(pub [u8; 16]);

impl VisitorId {
    /// The visitor whose token this is.
    pub fn of_token(token: &str) -> VisitorId {
        VisitorId::of(Sha256::digest(token.as_bytes()).as_slice())
    }

    /// The visitor that has this account of the host site, on whatever device.
    pub fn of_account(account: &str) -> VisitorId {
        // No token has a colon, so none is that of an account.
        VisitorId::of(Sha256::digest(format!("account:{account}")).as_slice())
    }

    fn of(hash: &[u8]) -> VisitorId {
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        VisitorId(id)
    }
}

/// The id that a client gave a message: 1 to 64 printable ASCII characters, not starting with `re:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// An id for a message whose client gave none: no other has it.
    pub fn new() -> ClientId {
        ClientId::of(EventId::new())
    }

    /// The same, for the message that becomes this event.
    pub fn of(event: EventId) -> ClientId {
        ClientId((&*event.0.simple().encode_lower(&mut Uuid::encode_buffer())).into())
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
            Ok(ClientId(id.into()))
        } else {
            Err("a client id is 1 to 64 printable ASCII characters without blanks and does not start with \"re:\"")
        }
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl From<ClientId> for Arc<str> {
    fn from(id: ClientId) -> Arc<str> {
        id.0
    }
}

/// What a customer or an agent wrote: 1 to [`MAX_TEXT`] code points, not only blanks, with LF line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

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
        let text: Arc<str> = if text.contains('\r') { text.replace("\r\n", "\n").into() } else { text.into() };
        // Bytes bound the code points from above: most messages need no counting.
        if text.len() > MAX_TEXT {
            let length = text.chars().count();
            if length > MAX_TEXT {
                return Err(TextError::TooLong(length));
            }
        }
        Ok(Text(text))
    }

    /// No text: of a message that is nothing but what is attached to it.
    pub fn none() -> Text {
        Text("".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for whoever keeps it.
    pub fn shared(&self) -> &Arc<str> {
        &self.0
    }
}

impl From<Text> for Arc<str> {
    fn from(text: Text) -> Arc<str> {
        text.0
    }
}
