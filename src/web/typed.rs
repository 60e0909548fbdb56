//! The typed dialect, `purser.v1`: a client says who it is and what it has seen, and gets the rest.

use std::sync::Arc;

use salvo::websocket::Message;

use super::Door;
use super::protocol::{ClientFrame, CloseCode, ErrorCode, EventFrame, Hello, PAGE, Say, ServerFrame};
use super::socket::{Dialect, Gone, Socket};
use crate::conversation::{
    ClientId, Conversation, ConversationId, Event, EventId, MAX_TEXT, Said, Seq, Text, TextError, VisitorId,
};
use crate::desk::{DeskError, Seat};
use crate::responders::lines::Line;
use crate::store::StoreError;

/// A token holds at least 256 bits: 43 characters of base64url.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 43..=128;
/// When a client tries again to store a message, in milliseconds.
const TRY_AGAIN: u32 = 3_000;

/// What the typed dialect remembers of a socket.
#[derive(Default)]
pub struct Typed;

impl Typed {
    /// Takes a frame.
    pub async fn hear(&self, socket: &mut Socket, frame: &str) -> Result<(), Gone> {
        match serde_json::from_str(frame) {
            Ok(ClientFrame::Hello(hello)) => self.hello(socket, hello).await,
            Ok(ClientFrame::Say(say)) => self.say(socket, say).await,
            Ok(ClientFrame::Older { before }) => self.older(socket, before).await,
            Ok(ClientFrame::Ping) => socket.feed(json(&ServerFrame::Pong)).await,
            Err(_) => refuse(socket, ErrorCode::Unreadable, None).await,
        }
    }

    async fn hello(&self, socket: &mut Socket, hello: Hello) -> Result<(), Gone> {
        let token = hello.token.as_bytes();
        let fits = TOKEN_LENGTH.contains(&token.len())
            && token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
        if !fits {
            return refuse(socket, ErrorCode::BadToken, None).await;
        }
        if let Some(language) = hello.language
            && language.len() <= 35
        {
            socket.languages.insert(0, language);
            socket.languages.truncate(4);
        }
        let visitor = VisitorId::of_token(&hello.token);
        match seat(&socket.door, visitor, hello.conversation).await {
            Ok(seat) => {
                let same = hello.conversation == Some(seat.conversation());
                self.enter(socket, seat, if same { hello.seq } else { 0 }).await
            }
            Err(DeskError::NotYours) => refuse(socket, ErrorCode::NotYours, None).await,
            Err(DeskError::Unavailable(_) | DeskError::Busy) => refuse(socket, ErrorCode::NotStored, None).await,
        }
    }

    /// Enters a conversation: welcome, what was missed, and from then on what happens.
    async fn enter(&self, socket: &mut Socket, seat: Arc<Seat>, seen: Seq) -> Result<(), Gone> {
        let id = seat.conversation();
        // Following comes before reading: what is committed in between is heard twice and sent once.
        socket.follow(id, Some(seen));
        socket.seat = Some(seat);
        let last = match last_seq(&socket.door, id).await {
            Ok(last) => last,
            Err(_) => return refuse(socket, ErrorCode::NotStored, None).await,
        };
        socket.feed(json(&ServerFrame::Welcome { conversation: id, seq: last, max_text: MAX_TEXT })).await?;
        if seen > 0 && seen <= last {
            return socket.fill(&Dialect::Typed(Typed), id, seen, last + 1).await;
        }
        socket.sent(last);
        if last == 0 { Ok(()) } else { self.older(socket, last + 1).await }
    }

    async fn say(&self, socket: &mut Socket, say: Say) -> Result<(), Gone> {
        let Some(seat) = socket.seat.clone() else {
            return refuse(socket, ErrorCode::HelloFirst, Some(&say.client_id)).await;
        };
        let text = match Text::new(&say.text) {
            Ok(text) => text,
            Err(TextError::Empty) => return refuse(socket, ErrorCode::Empty, Some(&say.client_id)).await,
            Err(TextError::TooLong(_)) => return refuse(socket, ErrorCode::TooLong, Some(&say.client_id)).await,
        };
        let client_id = say.client_id;
        let said = Said {
            id: EventId::new(),
            client_id: client_id.clone(),
            text,
            choice: say.choice.filter(|choice| choice.len() <= 128),
            language: socket.languages.first().cloned(),
        };
        let ack = match socket.door.desk.say(&seat, said).await {
            Ok(ack) => ack,
            Err(DeskError::NotYours) => return refuse(socket, ErrorCode::NotYours, Some(&client_id)).await,
            Err(DeskError::Unavailable(_) | DeskError::Busy) => {
                return refuse(socket, ErrorCode::NotStored, Some(&client_id)).await;
            }
        };
        socket.feed(json(&ServerFrame::ack(&ack))).await?;
        if ack.conversation != seat.conversation() {
            return match socket.door.desk.seat(ack.conversation, seat.visitor()).await {
                Ok(other) => self.enter(socket, other, 0).await,
                Err(_) => Err(Gone),
            };
        }
        Ok(())
    }

    async fn older(&self, socket: &mut Socket, before: Seq) -> Result<(), Gone> {
        let Some(seat) = &socket.seat else {
            return refuse(socket, ErrorCode::HelloFirst, None).await;
        };
        match socket.door.store.events_before(seat.conversation(), before, PAGE).await {
            Ok(events) => {
                let more = events.first().is_some_and(|event| event.seq > 1);
                let events = events.iter().map(|event| EventFrame::of(event)).collect();
                socket.feed(json(&ServerFrame::History { events, more })).await
            }
            Err(error) => {
                tracing::warn!(conversation = %seat.conversation(), %error, "history cannot be read");
                refuse(socket, ErrorCode::NotStored, None).await
            }
        }
    }
}

/// An event as this dialect words it.
pub fn word(event: &Event) -> Message {
    json(&ServerFrame::Event(EventFrame::of(event)))
}

/// The last frame before a close.
pub fn bye(code: CloseCode, back_in: Option<u32>) -> Message {
    json(&ServerFrame::Bye { code: code.number(), back_in })
}

/// The visitor's open conversation before the one that the client names, so that all tabs meet in it.
async fn seat(door: &Door, visitor: VisitorId, named: Option<ConversationId>) -> Result<Arc<Seat>, DeskError> {
    match door.desk.open_seat(visitor).await? {
        Some(open) => Ok(open),
        None => door.desk.seat(named.unwrap_or_default(), visitor).await,
    }
}

async fn last_seq(door: &Door, id: ConversationId) -> Result<Seq, StoreError> {
    let stored: Option<Conversation> = door.store.conversation(id).await?;
    Ok(stored.map_or(0, |conversation| conversation.last_seq))
}

async fn refuse(socket: &mut Socket, code: ErrorCode, client_id: Option<&ClientId>) -> Result<(), Gone> {
    let (line, retry_after) = match code {
        ErrorCode::Empty => (Line::Empty, None),
        ErrorCode::TooLong => (Line::TooLong, None),
        ErrorCode::NotStored => (Line::NotStored, Some(TRY_AGAIN)),
        ErrorCode::Unreadable | ErrorCode::HelloFirst | ErrorCode::BadToken | ErrorCode::NotYours => {
            (Line::Unreadable, None)
        }
    };
    let text = socket.line(line);
    let frame = ServerFrame::Error { code, client_id: client_id.map(ClientId::as_str), text: &text, retry_after };
    socket.feed(json(&frame)).await
}

fn json(frame: &ServerFrame<'_>) -> Message {
    Message::text(frame.json())
}
