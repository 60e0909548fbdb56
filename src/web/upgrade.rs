//! From an HTTP request to a WebSocket: which dialect it speaks, and whose it is.

use std::future::ready;
use std::sync::Arc;

use salvo::http::HeaderValue;
use salvo::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use salvo::prelude::*;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::admission::{Guest, Place, Stay, header};
use super::cookie::Cookie;
use super::protocol::{ErrorCode, MAX_FRAME, TYPED};
use super::session::{Dialect, Session};
use super::socket::{self, Socket};
use super::{Door, door};
use crate::conversation::VisitorId;
use crate::hex::hex;

/// The cookie that holds the visitor's token in the plain dialect.
const SESSION: Cookie = Cookie { name: "purser_session", over_tls: "__Host-purser_session", same_site: "Lax" };
/// How long a browser keeps it, in seconds: a year.
const SESSION_AGE: i64 = 365 * 24 * 60 * 60;
/// The buffers of a socket. The library's own 128 KiB each would make an idle customer cost 135 KiB. What is read into is
/// cleared for each read, and few questions are longer.
const READ_BUFFER: usize = 512;
const WRITE_BUFFER: usize = 1_024;
/// The longest message of the echo, in bytes.
const MAX_ECHO: usize = 1 << 20;

/// `GET /ws/chat/`
#[handler]
pub async fn chat(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let offered = header(req, SEC_WEBSOCKET_PROTOCOL);
    let typed = offered.is_some_and(|list| list.split(',').any(|protocol| protocol.trim() == TYPED));
    if !typed && offered.is_some() {
        return Err(StatusError::bad_request().brief(format!("the protocols here are {TYPED} and none at all")));
    }
    let place = Place::take(&door, guest.address, Stay::Long).await.map_err(|refused| {
        door.counts.refused(refused.code);
        if let Some(after) = refused.retry_after {
            res.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.div_ceil(1_000)));
        }
        match refused.code {
            ErrorCode::TooMany => StatusError::too_many_requests().brief("too many chats come from this address"),
            _ => StatusError::service_unavailable().brief("too many chats are open, please come back"),
        }
    })?;
    let dialect = if typed { Dialect::Typed } else { Dialect::Plain(session(req, res)?) };
    open(req, res, door, dialect, guest, place, MAX_FRAME).await
}

/// `GET /ws/echo`, only with `--test-echo`: the same socket, and what comes goes back.
#[handler]
pub async fn echo(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    let place = Place::take(&door, guest.address, Stay::Long).await;
    let place = place.map_err(|_| StatusError::service_unavailable())?;
    open(req, res, door, Dialect::Echo, guest, place, MAX_ECHO).await
}

async fn open(
    req: &mut Request,
    res: &mut Response,
    door: Arc<Door>,
    dialect: Dialect,
    guest: Guest,
    place: Place,
    most: usize,
) -> Result<(), StatusError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    let sockets = door.sockets.clone();
    WebSocketUpgrade::with_config(config)
        .protocols(&[TYPED])
        .upgrade(req, res, move |ws| {
            // It is made out here, since a task keeps the room of what it is made from.
            let mut session = Session::new(door, dialect, guest, Socket(ws));
            // Its own task, so that a stop can wait for it.
            sockets.spawn(async move {
                socket::run(&mut session).await;
                drop(place);
            });
            ready(())
        })
        .await
}

/// The visitor of this browser, by its session cookie, which is set here if there is none.
fn session(req: &Request, res: &mut Response) -> Result<VisitorId, StatusError> {
    if let Some(token) = SESSION.token(req) {
        return Ok(VisitorId::of_token(token));
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| StatusError::internal_server_error())?;
    let token = hex(&bytes);
    SESSION.set(req, res, &token, SESSION_AGE)?;
    Ok(VisitorId::of_token(&token))
}
