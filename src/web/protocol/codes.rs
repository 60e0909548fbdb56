//! Why something could not be done, and why a connection is closed: all codes, each with whether to come back.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::Refusal;

/// When a client tries again to store a message, in milliseconds.
const TRY_AGAIN: u32 = 3_000;

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub code: ErrorCode,
    /// When to try again, in milliseconds.
    pub retry_after: Option<u32>,
    /// What was wrong with a token.
    pub why: Option<Refusal>,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        Refused { code, retry_after: (code == ErrorCode::NotStored).then_some(TRY_AGAIN), why: None }
    }
}

impl Refused {
    /// Something that may be tried again after a while.
    pub fn wait(code: ErrorCode, wait: Duration) -> Refused {
        // A client that comes back a moment too early would be told once more.
        let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).saturating_add(1);
        Refused { code, retry_after: Some(wait), why: None }
    }

    /// A line that tells the customer how long to wait.
    pub fn worded(&self, line: &str) -> String {
        // In one second nobody reads it.
        let seconds = self.retry_after.unwrap_or_default().div_ceil(1_000).max(2);
        line.replace("{seconds}", &seconds.to_string())
    }
}

/// Why something could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not JSON, or not of a known shape. Sending it again does not help.
    Unreadable,
    /// Something was said before `hello`. Say hello, then send it again.
    HelloFirst,
    /// The token is not one. A client makes a new one.
    BadToken,
    /// The conversation is another visitor's. A client makes a new id.
    NotYours,
    /// The time of the customer's token is over. A client asks its page for a fresh one, and says hello with that.
    SignInExpired,
    /// Nobody vouches for the customer like this. A client asks its page for another token, once.
    SignInRefused,
    /// The text is empty. Sending it again does not help.
    Empty,
    /// The text is too long. Sending it again does not help.
    TooLong,
    /// There is no answer with that seq. Sending it again does not help.
    NoAnswer,
    /// What is attached is not there, or is somebody else's. The customer chooses it again.
    NoAttachment,
    /// There is no chat with a person that is over and may be rated, or not so many stars. Sending it again does not
    /// help.
    NoChat,
    /// An agent does not let the visitor write. Sending it again does not help.
    Blocked,
    /// The visitor has no such conversation. Sending it again does not help.
    NoConversation,
    /// The message is not stored: the client keeps it and sends it again after `retry_after`.
    NotStored,
    /// The visitor writes too fast: the client keeps the message and sends it again after `retry_after`.
    TooFast,
    /// Too many connections or new conversations come from this address: again after `retry_after`.
    TooMany,
    /// The server is full: again after `retry_after`.
    Full,
}

impl ErrorCode {
    /// The word on the wire.
    pub fn word(self) -> String {
        // A variant without fields is a word.
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Why a connection is closed, by the codes of RFC 6455.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The frame breaks the WebSocket protocol. A client may come back.
    Protocol,
    /// Binary frames are not part of either dialect. A client may come back.
    Binary,
    /// The text is not UTF-8. A client may come back.
    NotUtf8,
    /// The frame is longer than [`MAX_FRAME`](super::MAX_FRAME). A client may come back.
    TooBig,
    /// The server stops. A client comes back after the time that `bye` tells.
    Stopping,
    /// The client read too slowly. It comes back with the last seq that it saw.
    FellBehind,
    /// Nothing was heard of the client, not even a pong.
    Silent,
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            CloseCode::Silent => 1001,
            CloseCode::Protocol => 1002,
            CloseCode::Binary => 1003,
            CloseCode::NotUtf8 => 1007,
            CloseCode::TooBig => 1009,
            CloseCode::Stopping => 1012,
            CloseCode::FellBehind => 1013,
        }
    }

    /// The reason beside the number, for people who read traces.
    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Silent => "nothing was heard for too long",
            CloseCode::Protocol => "this breaks the WebSocket protocol",
            CloseCode::Binary => "only text frames are understood",
            CloseCode::NotUtf8 => "text frames must be UTF-8",
            CloseCode::TooBig => "a frame holds 32 KiB at most",
            CloseCode::Stopping => "the server restarts, please come back",
            CloseCode::FellBehind => "too slow, please come back with the last seq",
        }
    }
}
