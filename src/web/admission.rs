//! Who may chat: the site that a request comes from, the places that there are, and what the browser says of its
//! languages. Every wire asks here.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use salvo::http::HeaderName;
use salvo::http::header::{ACCEPT_LANGUAGE, HOST, ORIGIN};
use salvo::prelude::*;

use super::Door;

/// Refuses a request from the page of a site that may not chat here.
pub fn check_origin(door: &Door, req: &Request) -> Result<(), StatusError> {
    if door.origins.allow(header(req, ORIGIN), header(req, HOST)) {
        return Ok(());
    }
    Err(StatusError::forbidden().brief("this site may not open a chat here: see `origins` in purser.yaml"))
}

/// The languages of the customer's browser, most wanted first, with the site's own at the end.
pub fn languages(door: &Door, req: &Request) -> Vec<String> {
    let mut languages = accepted_languages(header(req, ACCEPT_LANGUAGE).unwrap_or_default());
    languages.push(door.desk.language().to_owned());
    languages
}

/// One of the chats that may be open at once.
pub struct Place(Arc<Door>);

impl Place {
    /// Takes a place, or says that there is none.
    pub fn take(door: &Arc<Door>) -> Result<Place, StatusError> {
        let open = door.open_sockets.fetch_add(1, Ordering::Relaxed);
        let place = Place(door.clone());
        // The place that is one too many gives itself back.
        if open < door.max_sockets {
            return Ok(place);
        }
        Err(StatusError::service_unavailable().brief("too many chats are open, please come back"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open_sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A header as text.
pub fn header(req: &Request, name: HeaderName) -> Option<&str> {
    req.headers().get(name).and_then(|value| value.to_str().ok())
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
