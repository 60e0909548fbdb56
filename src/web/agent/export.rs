//! `GET /agent/export?conversation=&form=json|html`: a conversation as a file, with everything that agents see of it.
//!
//! The page is text and nothing else: no link, no script, no picture; and its own policy forbids them wherever it is
//! opened from.

use std::sync::Arc;

use jiff::Timestamp;
use minijinja::context;
use minijinja::value::Serde;
use salvo::http::HeaderValue;
use salvo::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use salvo::prelude::*;
use serde::Serialize;

use super::frames::SignedIn;
use super::look::{away, id};
use crate::conversation::{Author, Conversation, ConversationId, Event, Kind, Millis, Provenance, Seq};
use crate::store::Store;
use crate::web::door;
use crate::web::pages::render;

/// So many events are read at once…
const PAGE: u32 = 500;
/// …and so many are in a file: the last ones.
const MOST: Seq = 20_000;
/// Nothing is loaded, nothing runs, and the page is of no site.
const INERT: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// A conversation as JSON.
#[derive(Serialize)]
struct Exported<'a> {
    conversation: ConversationId,
    status: &'static str,
    created_at: String,
    language: Option<&'a str>,
    signed_in: SignedIn<'a>,
    known: &'a std::collections::BTreeMap<String, String>,
    tags: &'a [String],
    /// Earlier events than those that are here, if it is very long.
    left_out: Seq,
    events: Vec<Line<'a>>,
}

/// An event.
#[derive(Serialize)]
struct Line<'a> {
    seq: Seq,
    at: String,
    kind: Kind,
    author: Author,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// As it was written: plain text of a visitor, Markdown of everybody else.
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    /// What was attached, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buttons: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a Provenance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<(&'a str, Option<&'a str>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stars: Option<u8>,
}

impl<'a> Line<'a> {
    fn of(event: &'a Event) -> Line<'a> {
        let meta = &event.meta;
        Line {
            seq: event.seq,
            at: time(event.at),
            kind: event.kind,
            author: event.author,
            name: meta.name.as_deref(),
            text: &event.body,
            attachments: meta.attachments.iter().map(|attachment| &*attachment.name).collect(),
            buttons: meta.buttons.iter().map(|button| &*button.text).collect(),
            why: event.provenance.as_ref(),
            tags: meta.tags.as_deref(),
            attribute: meta.attribute.as_ref().map(|known| (&*known.name, known.value.as_deref())),
            stars: meta.stars,
        }
    }
}

/// 200 with the file, or 404.
#[handler]
pub async fn export(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let conversation = req.query::<String>("conversation").and_then(|text| id(&text));
    let conversation = conversation.ok_or_else(StatusError::bad_request)?;
    let as_page = match req.query::<String>("form").as_deref() {
        Some("html") => true,
        Some("json") | None => false,
        Some(_) => return Err(StatusError::bad_request().brief("the forms are json and html")),
    };
    let head = door.store.conversation(conversation).await.map_err(away)?.ok_or_else(StatusError::not_found)?;
    let (left_out, events) = read(&door.store, &head).await?;
    let exported = Exported {
        conversation,
        status: head.status.as_str(),
        created_at: time(head.created_at),
        language: head.language.as_deref(),
        signed_in: SignedIn::of(&head),
        known: &head.kept.attributes,
        tags: &head.kept.tags,
        left_out,
        events: events.iter().map(|event| Line::of(event)).collect(),
    };
    let (kind, ending, text) = if as_page {
        ("text/html; charset=utf-8", "html", render(&door, "export.html", context! { exported => Serde(&exported) })?)
    } else {
        let json = serde_json::to_string_pretty(&exported).map_err(|_| StatusError::internal_server_error())?;
        ("application/json", "json", json)
    };
    let name = format!("attachment; filename=\"conversation-{conversation}.{ending}\"");
    let name = HeaderValue::try_from(name).map_err(|_| StatusError::internal_server_error())?;
    let headers = res.headers_mut();
    headers.insert(CONTENT_DISPOSITION, name);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(INERT));
    res.body(text);
    Ok(())
}

/// The events of a file, and how many stand before them.
async fn read(store: &Store, head: &Conversation) -> Result<(Seq, Vec<Arc<Event>>), StatusError> {
    let left_out = head.last_seq.saturating_sub(MOST);
    let (mut after, mut events) = (left_out, Vec::new());
    while after < head.last_seq {
        let page = store.events_after(head.id, after, PAGE).await.map_err(away)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        events.extend(page);
    }
    Ok((left_out, events))
}

/// A time as 2026-02-04T10:00:00.000Z.
fn time(at: Millis) -> String {
    Timestamp::from_millisecond(at).map(|at| at.to_string()).unwrap_or_default()
}
