//! The plain dialect: `{"message": "…"}` in, `{"message": "<sanitised html>"}` out and nothing else.
//!
//! Ten lines of JavaScript or `websocat` are a client. The conversation belongs to the cookie session of the
//! browser, so each of its tabs hears the replies; a tab does not hear what is said in another one, and no history
//! is sent. A bad frame gets one polite message.

use std::borrow::Cow;
use std::sync::{LazyLock, Mutex};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::markdown::{Rendered, escape, html, kept};
use super::protocol::{ErrorCode, Frame, PlainFrame, Refused};
use super::session::{Gone, Session, Wire};
use crate::conversation::{
    Author, Button, ClientId, ConversationId, Event, EventId, Kind, Said, Text, TextError, VisitorId,
};
use crate::desk::DeskError;
use crate::responders::lines::Line;
use crate::responders::person::Person;

/// Answers as frames, by their Markdown.
static WORDED: Rendered<Utf8Bytes> = LazyLock::new(Mutex::default);

/// Follows the visitor's conversation from now on. Nothing is read from the store before something is said.
pub fn begin<W: Wire>(session: &mut Session<W>, visitor: VisitorId) {
    session.follow(ConversationId::of_visitor(visitor), None);
}

/// Takes a frame.
pub async fn hear<W: Wire>(session: &mut Session<W>, visitor: VisitorId, frame: &str) -> Result<(), Gone> {
    let text = match serde_json::from_str::<PlainFrame>(frame) {
        Ok(frame) => Text::new(&frame.message),
        Err(_) => return tell(session, Line::Unreadable).await,
    };
    match text {
        Ok(text) => match say(session, visitor, text).await {
            Ok(()) => Ok(()),
            Err(NotSaid::Blocked) => tell(session, Line::Blocked).await,
            Err(NotSaid::Away) => tell(session, Line::NotStored).await,
            Err(NotSaid::Held(refused)) => {
                session.door.counts.refused(refused.code);
                let line = if refused.code == ErrorCode::TooFast { Line::TooFast } else { Line::TooMany };
                let text = refused.worded(&session.line(line));
                tell_text(session, &text).await
            }
        },
        Err(TextError::Empty) => tell(session, Line::Empty).await,
        Err(TextError::TooLong(_)) => tell(session, Line::TooLong).await,
    }
}

/// Why a message is not with the desk.
enum NotSaid {
    Away,
    Blocked,
    Held(Refused),
}

impl From<DeskError> for NotSaid {
    fn from(error: DeskError) -> NotSaid {
        if matches!(error, DeskError::Blocked) { NotSaid::Blocked } else { NotSaid::Away }
    }
}

async fn say<W: Wire>(session: &mut Session<W>, visitor: VisitorId, text: Text) -> Result<(), NotSaid> {
    session.may_say(visitor).map_err(NotSaid::Held)?;
    let seat = match &session.seat {
        Some(seat) => seat.clone(),
        None => {
            let conversation = ConversationId::of_visitor(visitor);
            let seat = session.door.desk.seat(conversation, visitor).await?;
            session.seat.insert(seat).clone()
        }
    };
    let id = EventId::new();
    let said = Said {
        id,
        client_id: ClientId::of(id),
        text,
        choice: None,
        language: session.languages.first().cloned(),
        attachments: Vec::new(),
    };
    let ack = session.say(&seat, said).await.map_err(NotSaid::Held)??;
    if ack.conversation != seat.conversation() {
        let other = session.door.desk.seat(ack.conversation, visitor).await?;
        session.seat = Some(other);
        session.follow(ack.conversation, Some(ack.seq));
    }
    Ok(())
}

/// An event as this dialect words it: what others said, and nothing else.
pub fn word(event: &Event) -> Option<Frame> {
    if event.author == Author::Visitor
        || event.kind.is_internal()
        || (event.body.is_empty() && event.meta.attachments.is_empty())
    {
        return None;
    }
    // Buttons under an entry's answer only go further; where no entry answered they are all there is.
    let answered = event.provenance.as_ref().is_some_and(|provenance| provenance.entry.is_some());
    let people = |button: &Button| matches!(button.choice.as_deref(), Some(Person::BACK | Person::MESSAGE));
    let answered = answered && !event.meta.buttons.iter().any(people);
    let buttons: &[Button] = if answered { &[] } else { &event.meta.buttons };
    let name = event.meta.name.as_ref().filter(|_| event.kind == Kind::Message);
    if name.is_none() && buttons.is_empty() && event.meta.attachments.is_empty() {
        // Most answers are an entry's own words, which many get.
        let json = kept(&WORDED, &event.body, |body| frame(Cow::Borrowed(&html(body))).json);
        return Some(Frame { json, seq: None, refused: None });
    }
    let mut message = String::new();
    if let Some(name) = name {
        message = format!("<p><strong>{}</strong></p>", escape(name));
    }
    message.push_str(&html(&event.body));
    // Only a client that says who it is can fetch them.
    for attachment in &event.meta.attachments {
        message.push_str(&format!("<p>📎 {}</p>", escape(&attachment.name)));
    }
    if !buttons.is_empty() {
        message.push_str("<ul>");
        for button in buttons {
            message.push_str("<li>");
            message.push_str(&escape(&button.text));
            message.push_str("</li>");
        }
        message.push_str("</ul>");
    }
    Some(frame(Cow::Owned(message)))
}

async fn tell<W: Wire>(session: &mut Session<W>, line: Line) -> Result<(), Gone> {
    tell_text(session, &session.line(line)).await
}

async fn tell_text<W: Wire>(session: &mut Session<W>, text: &str) -> Result<(), Gone> {
    session.wire.feed(frame(Cow::Owned(escape(text)))).await
}

fn frame(message: Cow<'_, str>) -> Frame {
    PlainFrame { message }.frame()
}
