//! The plain dialect: `{"message": "…"}` in, `{"message": "<sanitised html>"}` out and nothing else.
//!
//! Ten lines of JavaScript or `websocat` are a client. The conversation belongs to the cookie session of the
//! browser, so each of its tabs hears the replies; a tab does not hear what is said in another one, and no history
//! is sent. A bad frame gets one polite message.

use std::borrow::Cow;

use salvo::websocket::Message;

use super::markdown::{escape, html};
use super::protocol::PlainFrame;
use super::socket::{Gone, Socket};
use crate::conversation::{Author, ClientId, ConversationId, Event, EventId, Kind, Said, Text, TextError, VisitorId};
use crate::desk::DeskError;
use crate::responders::lines::Line;

/// What the plain dialect remembers of a socket.
pub struct Plain {
    visitor: VisitorId,
}

impl Plain {
    /// The socket of this visitor.
    pub fn new(visitor: VisitorId) -> Plain {
        Plain { visitor }
    }

    /// Follows the visitor's conversation from now on. Nothing is read from the store before something is said.
    pub fn begin(&self, socket: &mut Socket) {
        socket.follow(ConversationId::of_visitor(self.visitor), None);
    }

    /// Takes a frame.
    pub async fn hear(&self, socket: &mut Socket, frame: &str) -> Result<(), Gone> {
        let text = match serde_json::from_str::<PlainFrame>(frame) {
            Ok(frame) => Text::new(&frame.message),
            Err(_) => return tell(socket, Line::Unreadable).await,
        };
        match text {
            Ok(text) => match self.say(socket, text).await {
                Ok(()) => Ok(()),
                Err(_) => tell(socket, Line::NotStored).await,
            },
            Err(TextError::Empty) => tell(socket, Line::Empty).await,
            Err(TextError::TooLong(_)) => tell(socket, Line::TooLong).await,
        }
    }

    async fn say(&self, socket: &mut Socket, text: Text) -> Result<(), DeskError> {
        let seat = match &socket.seat {
            Some(seat) => seat.clone(),
            None => {
                let conversation = ConversationId::of_visitor(self.visitor);
                let seat = socket.door.desk.seat(conversation, self.visitor).await?;
                socket.seat.insert(seat).clone()
            }
        };
        let said = Said {
            id: EventId::new(),
            client_id: ClientId::new(),
            text,
            choice: None,
            language: socket.languages.first().cloned(),
        };
        let ack = socket.door.desk.say(&seat, said).await?;
        if ack.conversation != seat.conversation() {
            let other = socket.door.desk.seat(ack.conversation, self.visitor).await?;
            socket.seat = Some(other);
            socket.follow(ack.conversation, Some(ack.seq));
        }
        Ok(())
    }
}

/// An event as this dialect words it: what others said, and nothing else.
pub fn word(event: &Event) -> Option<Message> {
    if event.kind != Kind::Message || event.author == Author::Visitor {
        return None;
    }
    let mut message = html(&event.body).to_string();
    // Buttons under an entry's answer only go further; where no entry answered they are all there is.
    let answered = event.provenance.as_ref().is_some_and(|provenance| provenance.entry.is_some());
    if !answered && !event.meta.buttons.is_empty() {
        message.push_str("<ul>");
        for button in &event.meta.buttons {
            message.push_str("<li>");
            message.push_str(&escape(&button.text));
            message.push_str("</li>");
        }
        message.push_str("</ul>");
    }
    Some(frame(Cow::Owned(message)))
}

async fn tell(socket: &mut Socket, line: Line) -> Result<(), Gone> {
    let text = socket.line(line);
    socket.feed(frame(Cow::Owned(escape(&text)))).await
}

fn frame(message: Cow<'_, str>) -> Message {
    Message::text(serde_json::to_string(&PlainFrame { message }).unwrap_or_default())
}
