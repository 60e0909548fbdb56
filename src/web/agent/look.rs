//! What an agent looks up: lists of what is over, of all there is, and of what was searched for; older events; replies;
//! a conversation as a recording.

use std::collections::BTreeMap;

use salvo::http::HeaderValue;
use salvo::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use salvo::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::board::ROWS;
use super::door::agent;
use super::frames::{Row, Shown};
use super::live::PAGE;
use super::replies;
use crate::conversation::{Conversation, ConversationId, Seq};
use crate::recording::taken::{self, Taken, whole};
use crate::store::{Place, Role, Search, Shelf, StoreError};
use crate::web::door;

/// The longest search, in characters.
const SEARCH: usize = 100;

/// `GET /agent/list?shelf=waiting|taken|closed|all&q=&from=`: `rows`, and, where it did not come to the end, `further`:
/// with that as `from` it goes on.
#[handler]
pub async fn list(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let search: String = req.query::<String>("q").unwrap_or_default().trim().chars().take(SEARCH).collect();
    let shelf = match req.query::<String>("shelf").as_deref() {
        // A conversation's own name finds it wherever it is.
        _ if id(&search).is_some() => Shelf::One(id(&search).unwrap_or_default()),
        Some("waiting") => Shelf::Waiting,
        Some("taken") => Shelf::Taken,
        Some("closed") => Shelf::Closed,
        Some("all") => Shelf::All,
        _ => return Err(StatusError::bad_request().brief("the shelves are waiting, taken, closed and all")),
    };
    let text = if matches!(shelf, Shelf::One(_)) { String::new() } else { search };
    let search = Search { text, from: req.query::<String>("from").and_then(|text| place(&text)) };
    let found = door.store.search(shelf, &search, ROWS).await.map_err(away)?;
    let rows: Vec<_> = found.rows.iter().map(Row::of).collect();
    let further = found.further.map(|Place { at, id }| format!("{at}.{id}"));
    res.render(Json(json!({ "rows": rows, "further": further })));
    Ok(())
}

/// The place of this name.
fn place(text: &str) -> Option<Place> {
    let (at, name) = text.split_once('.')?;
    Some(Place { at: at.parse().ok()?, id: id(name)? })
}

/// `GET /agent/older?conversation=&before=`
#[handler]
pub async fn older(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let conversation = req.query::<String>("conversation").and_then(|text| id(&text));
    let (Some(conversation), Some(before)) = (conversation, req.query::<Seq>("before")) else {
        return Err(StatusError::bad_request());
    };
    let events = door.store.events_before(conversation, before, PAGE).await.map_err(away)?;
    let shown: Vec<_> = events.iter().map(|event| Shown::of(event)).collect();
    res.render(Json(json!({ "more": events.first().is_some_and(|event| event.seq > 1), "events": shown })));
    Ok(())
}

/// `GET /agent/replies?conversation=`: what agents say often, filled in for this conversation.
#[handler]
pub async fn often(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let account = agent(depot)?;
    let head = match req.query::<String>("conversation").and_then(|text| id(&text)) {
        Some(conversation) => door.store.conversation(conversation).await.map_err(away)?,
        None => None,
    };
    let folder = door.replies.clone();
    let known = head.as_ref().map(known).unwrap_or_default();
    let language = head.and_then(|head| head.language).unwrap_or_else(|| door.desk.language().clone());
    let read = move || replies::read(&folder, &language, &known, &account.name);
    let (replies, findings) =
        tokio::task::spawn_blocking(read).await.map_err(|_| StatusError::internal_server_error())?;
    // What is wrong with the files is for those who write them.
    let findings = if agent(depot)?.role >= Role::Editor { findings } else { Vec::new() };
    res.render(Json(json!({ "replies": replies, "findings": findings })));
    Ok(())
}

/// What is known of the customer: what the sign-in says stands over what was said in the chat.
fn known(head: &Conversation) -> BTreeMap<String, String> {
    let mut known = (*head.kept.attributes).clone();
    for (name, said) in [("name", &head.kept.account_name), ("email", &head.kept.account_email)] {
        known.extend(said.as_deref().map(|said| (name.to_owned(), said.to_owned())));
    }
    known
}

/// `GET /agent/recording?conversation=`: the conversation as a file for `purser replay`, disguised, for those who edit
/// content.
#[handler]
pub async fn recording(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let account = agent(depot)?;
    if account.role < Role::Editor {
        return Err(StatusError::forbidden().brief("editors and admins take recordings"));
    }
    let Some(conversation) = req.query::<String>("conversation").and_then(|text| id(&text)) else {
        return Err(StatusError::bad_request());
    };
    let events = whole(&door.store, conversation).await.map_err(away)?;
    let known = taken::known(&door.store, conversation).await.map_err(away)?;
    let taken = tokio::task::spawn_blocking(move || Taken::of(conversation, &events, known, false)).await;
    let Some(taken) = taken.map_err(|_| StatusError::internal_server_error())? else {
        return Err(StatusError::not_found().brief("nobody said anything in it"));
    };
    tracing::info!(%conversation, agent = %account.id, "a recording was taken");
    let file = format!("attachment; filename=\"{}.yaml\"", taken.name);
    let file = HeaderValue::try_from(file).map_err(|_| StatusError::internal_server_error())?;
    res.headers_mut().insert(CONTENT_DISPOSITION, file);
    res.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    res.write_body(taken.to_string()).map_err(|_| StatusError::internal_server_error())?;
    Ok(())
}

/// The conversation of this name.
pub fn id(text: &str) -> Option<ConversationId> {
    Uuid::try_parse(text).ok().map(ConversationId)
}

/// The store is away.
pub fn away(error: StoreError) -> StatusError {
    tracing::warn!(%error, "the console cannot read the store");
    StatusError::service_unavailable()
}
