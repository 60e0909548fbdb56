//! From an HTTP request to a socket: who may open one, which dialect it speaks, whose it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use salvo::http::HeaderValue;
use salvo::http::header::{ACCEPT_LANGUAGE, COOKIE, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use salvo::prelude::*;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::plain::Plain;
use super::protocol::{MAX_FRAME, TYPED};
use super::socket::{Dialect, Socket};
use super::typed::Typed;
use super::{Door, door};
use crate::conversation::VisitorId;

/// The cookie that holds the visitor's token in the plain dialect.
const SESSION: &str = "purser_session";
/// How long a browser keeps it, in seconds: a year.
const SESSION_AGE: u32 = 365 * 24 * 60 * 60;
/// Both buffers of a socket. The library's own 128 KiB each would make an idle customer cost 135 KiB.
const BUFFER: usize = 1_024;

/// `GET /ws/chat/`
#[handler]
pub async fn chat(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let header = |name| req.headers().get(name).and_then(|value| value.to_str().ok());
    if !door.origins.allow(header(ORIGIN), header(HOST)) {
        return Err(StatusError::forbidden().brief("this site may not open a chat here: see `origins` in purser.yaml"));
    }
    let offered: Vec<_> = header(SEC_WEBSOCKET_PROTOCOL).into_iter().flat_map(|list| list.split(',')).collect();
    let typed = offered.iter().any(|protocol| protocol.trim() == TYPED);
    if !typed && !offered.is_empty() {
        return Err(StatusError::bad_request().brief(format!("the protocols here are {TYPED} and none at all")));
    }
    let mut languages = accepted_languages(header(ACCEPT_LANGUAGE).unwrap_or_default());
    languages.push(door.desk.language().to_owned());

    let Some(place) = Place::take(&door) else {
        return Err(StatusError::service_unavailable().brief("too many chats are open, please come back"));
    };
    let dialect = if typed { Dialect::Typed(Typed) } else { Dialect::Plain(Plain::new(session(req, res)?)) };
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(8 * MAX_FRAME)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    let sockets = door.sockets.clone();
    WebSocketUpgrade::with_config(config)
        .protocols(&[TYPED])
        .upgrade(req, res, move |ws| async move {
            // Its own task, so that a stop can wait for it.
            sockets.spawn(async move {
                let _place = place;
                Socket::new(ws, door, languages).run(dialect).await;
            });
        })
        .await
}

/// One of the sockets that may be open at once.
struct Place(Arc<Door>);

impl Place {
    fn take(door: &Arc<Door>) -> Option<Place> {
        let open = door.open_sockets.fetch_add(1, Ordering::Relaxed);
        let place = Place(door.clone());
        // The place that is one too many gives itself back.
        (open < door.max_sockets).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open_sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The visitor of this browser, by its session cookie, which is set here if there is none.
fn session(req: &Request, res: &mut Response) -> Result<VisitorId, StatusError> {
    let cookies = req.headers().get(COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = cookies.split(';').filter_map(|cookie| cookie.trim().strip_prefix(SESSION)?.strip_prefix('='));
    if let Some(token) =
        known.into_iter().find(|token| token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Ok(VisitorId::of_token(token));
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| StatusError::internal_server_error())?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let visitor = VisitorId::of_token(&token);
    let https = req.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if https { "; Secure" } else { "" };
    let cookie = format!("{SESSION}={token}; Path=/; Max-Age={SESSION_AGE}; HttpOnly; SameSite=Lax{secure}");
    let cookie = HeaderValue::try_from(cookie).map_err(|_| StatusError::internal_server_error())?;
    res.headers_mut().append(SET_COOKIE, cookie);
    Ok(visitor)
}

/// The languages of an `Accept-Language` header, most wanted first, three at most. Browsers send them in order of
/// their weights.
pub fn accepted_languages(header: &str) -> Vec<String> {
    let tags = header.split(',').filter_map(|part| part.split(';').next());
    tags.map(str::trim)
        .filter(|tag| {
            (2..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .take(3)
        .map(str::to_owned)
        .collect()
}
