//! The wire JSON of both dialects, and every error and close code. Nothing else in the crate knows it.
//!
//! `GET /api/protocol.json` serves the JSON Schema of the typed dialect, made from the types here.

mod client;
mod codes;
mod event;
mod posts;
mod server;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::conversation::Seq;

pub use client::{ClientFrame, Form, Hello, Post, Say, Vouched};
pub use codes::{CloseCode, ErrorCode, Refused};
pub use event::{EventFrame, Shown};
pub use posts::{Back, Download, DownloadedConversation, Unread, UnreadCount, WantsTranscript, WentBack};
pub use server::{EndedChat, PastConversation, Replied, ServerFrame, Site, WithPerson};

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

/// A frame that is ready to go, in either dialect.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What goes out. It is shared, not copied, where many get the same.
    pub json: Utf8Bytes,
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
        Frame { json: serde_json::to_string(self).unwrap_or_default().into(), seq: None, refused: None }
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
