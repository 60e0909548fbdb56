//! Who may chat: the site that a request comes from, the places that there are, and what the browser says of its
//! languages. Every wire asks here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use salvo::http::HeaderName;
use salvo::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, HOST, ORIGIN};
use salvo::prelude::*;

use super::Door;
use super::protocol::{ErrorCode, Refused};
use crate::limits::{Address, Open};

/// When to come back to a server that is full.
const FULL_FOR: Duration = Duration::from_secs(30);

/// Who comes, as far as the request tells.
pub struct Guest {
    /// The languages of the customer's browser, most wanted first, with the site's own at the end.
    pub languages: Vec<Arc<str>>,
    /// Where the customer is; `None` if that cannot be counted.
    pub address: Option<Address>,
}

impl Guest {
    /// Whoever sent this request, unless it is the page of a site that may not chat here.
    pub fn of(door: &Door, req: &Request) -> Result<Guest, StatusError> {
        check_origin(door, req)?;
        let mut languages = accepted_languages(header(req, ACCEPT_LANGUAGE).unwrap_or_default());
        languages.push(door.desk.language().clone());
        Ok(Guest { languages, address: door.proxies.client(req).map(Address::from) })
    }
}

/// Refuses a request from the page of a site that may not chat here.
pub fn check_origin(door: &Door, req: &Request) -> Result<(), StatusError> {
    if door.origins.allow(header(req, ORIGIN), header(req, HOST)) {
        return Ok(());
    }
    Err(StatusError::forbidden().brief("this site may not open a chat here: see `origins` in purser.yaml"))
}

/// Refuses a request for what only watchers may see.
pub fn check_watcher(door: &Door, req: &Request) -> Result<(), StatusError> {
    if may_watch(door, req) {
        return Ok(());
    }
    Err(StatusError::forbidden()
        .brief("only from the `watchers` of purser.yaml, or with `Authorization: Bearer <admin_token>`"))
}

/// Refuses a request for what customers said, unless it has the admin token.
pub fn check_admin(door: &Door, req: &Request) -> Result<(), StatusError> {
    if has_admin_token(door, req) {
        return Ok(());
    }
    Err(StatusError::forbidden()
        .brief("only with `Authorization: Bearer <admin_token>`; see `admin_token` in purser.yaml"))
}

fn has_admin_token(door: &Door, req: &Request) -> bool {
    let token = header(req, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    matches!((&door.admin_token, token), (Some(secret), Some(token)) if secret.is(token))
}

/// Whether this request may see how purser is: it has the admin token, or comes from where watchers are.
pub fn may_watch(door: &Door, req: &Request) -> bool {
    if has_admin_token(door, req) {
        return true;
    }
    let Some(client) = door.proxies.client(req) else { return false };
    // A proxy that does not say readably for whom it speaks would make everybody a watcher.
    if !door.watchers.iter().any(|network| network.contains(&client)) || door.proxies.hides(client, req) {
        return false;
    }
    !client.is_loopback() || is_local_name(header(req, HOST).unwrap_or_default())
}

/// Whether a browser on this machine was asked for this machine. The page of a site whose name leads here all of a
/// sudden would send that name.
fn is_local_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok() || name == "localhost" || name.is_empty()
}

/// One of the chats that may be open at once.
pub struct Place {
    door: Arc<Door>,
    _open: Option<Open>,
}

/// How long a place is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// A socket or a stream: counts as a connection.
    Long,
    /// One request: counts while it is under way.
    Short,
}

impl Place {
    /// Takes a place for somebody at this address, for a long stay when it is their turn to come in; or says why
    /// there is none and how long to wait.
    pub async fn take(door: &Arc<Door>, address: Option<Address>, stay: Stay) -> Result<Place, Refused> {
        let taken = door.open_sockets.fetch_add(1, Ordering::Relaxed);
        // A place that is not given away in the end gives itself back.
        let mut place = Place { door: door.clone(), _open: None };
        if taken >= door.max_sockets {
            return Err(Refused::wait(ErrorCode::Full, FULL_FOR));
        }
        if let (Some(limits), Some(address)) = (&door.limits, address) {
            let open = match stay {
                Stay::Long => limits.connection(address),
                Stay::Short => limits.open(address),
            };
            place._open = Some(open.map_err(|wait| Refused::wait(ErrorCode::TooMany, wait))?);
        }
        if stay == Stay::Long {
            door.turnstile.pass().await?;
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.open_sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A header as text.
pub fn header(req: &Request, name: HeaderName) -> Option<&str> {
    req.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The languages of an `Accept-Language` header, most wanted first, three at most. Browsers send them in order of
/// their weights.
pub fn accepted_languages(header: &str) -> Vec<Arc<str>> {
    let tags = header.split(',').filter_map(|part| part.split(';').next());
    tags.map(str::trim)
        .filter(|tag| {
            (2..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
        .take(3)
        .map(Arc::from)
        .collect()
}
