//! Events as clients see them, and Markdown in the form that they want.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Form;
use crate::conversation::{Attachment, Author, Button, Event, EventId, Kind, Millis, Reason, Seq, Thumb};
use crate::web::markdown::{html, nodes};

/// An event as a client sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventFrame<'a> {
    /// Its number in the conversation, from 1. A client may find gaps: some events are not for customers.
    pub seq: Seq,
    /// Names it.
    pub id: EventId,
    /// When it happened, in UTC milliseconds.
    pub at: Millis,
    /// What happened.
    pub kind: Kind,
    /// Who did it.
    pub author: Author,
    /// What was said: plain text of a visitor, Markdown of everybody else, unless the client wants nodes.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
    /// The same as sanitised HTML; nothing for a visitor's text, which is text and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub html: Option<Arc<str>>,
    /// The same as nodes, for a client that wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub nodes: Option<Arc<RawValue>>,
    /// The name of the agent who said or did it, or who has the conversation now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// On a hand-over and an end: why. After `message` the assistant goes on: word was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The id that the visitor's client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    /// What is attached: each is at `GET /api/chat/attachments/{id}`.
    #[serde(skip_serializing_if = "<[Attachment]>::is_empty")]
    pub attachments: &'a [Attachment],
    /// What may be pressed next.
    #[serde(skip_serializing_if = "<[Button]>::is_empty")]
    pub buttons: &'a [Button],
    /// On an answer: the seq of its question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Seq>,
    /// On an answer: its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a str>,
    /// On a rating: the seq of the answer that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Seq>,
    /// On a rating: which way the thumb points; nothing where it was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumb: Option<Thumb>,
    /// On an end: the visitor is asked to rate the chat. The last paragraph of what is said is the question.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    /// On a rating of a chat: from 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
}

impl<'a> EventFrame<'a> {
    /// The event as a client sees it that wants this form.
    pub fn of(event: &'a Event, form: Form) -> EventFrame<'a> {
        let visitor = event.author == Author::Visitor;
        let (html, nodes) = match form {
            _ if visitor || event.body.is_empty() => (None, None),
            Form::Html => (Some(html(&event.body)), None),
            Form::Nodes => (None, Some(nodes(&event.body))),
        };
        EventFrame {
            seq: event.seq,
            id: event.id,
            at: event.at,
            kind: event.kind,
            author: event.author,
            text: if nodes.is_none() { &event.body } else { "" },
            html,
            nodes,
            name: event.meta.name.as_deref(),
            reason: event.meta.reason,
            client_id: event.client_id.as_deref().filter(|_| visitor),
            attachments: &event.meta.attachments,
            buttons: &event.meta.buttons,
            question: event.meta.question,
            language: event.meta.language.as_deref().filter(|_| !visitor),
            answer: event.meta.rated.map(|rated| rated.answer),
            thumb: event.meta.rated.and_then(|rated| rated.thumb),
            asks: event.meta.asks,
            stars: event.meta.stars,
        }
    }
}

impl EventFrame<'_> {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let html = self.html.as_ref().map_or(0, |html| html.len());
        let nodes = self.nodes.as_ref().map_or(0, |nodes| nodes.get().len());
        let on = |button: &Button| button.text.len() + button.link.as_ref().map_or(0, String::len);
        let attached: usize = self.attachments.iter().map(|attachment| attachment.name.len() + 128).sum();
        self.text.len() + html + nodes + attached + self.buttons.iter().map(on).sum::<usize>()
    }
}

/// Markdown in the form that the client wants.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Shown {
    /// Sanitised HTML.
    Html(#[schemars(with = "String")] Arc<str>),
    /// Nodes.
    Nodes(#[schemars(with = "Vec<serde_json::Value>")] Arc<RawValue>),
}

impl Shown {
    /// This Markdown in this form.
    pub fn of(markdown: &Arc<str>, form: Form) -> Shown {
        match form {
            Form::Html => Shown::Html(html(markdown)),
            Form::Nodes => Shown::Nodes(nodes(markdown)),
        }
    }
}
