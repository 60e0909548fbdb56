//! Who gets into the console: log-in, log-out, whose session a request is of, and that it comes from our own page.

use salvo::http::header::{CACHE_CONTROL, HOST, ORIGIN, RETRY_AFTER};
use salvo::http::{HeaderValue, StatusCode};
use salvo::prelude::*;
use serde::Deserialize;

use crate::accounts::{CameFrom, KNOWN, LoggedIn, NotIn, SESSION, Token};
use crate::limits::Address;
use crate::store::Account;
use crate::web::admission::header;
use crate::web::cookie::Cookie;
use crate::web::origin::Origins;
use crate::web::{Door, door};

/// The cookie of a session.
const OF_SESSION: Cookie = Cookie { name: "purser_agent", over_tls: "__Host-purser_agent", same_site: "Strict" };
/// The cookie of a browser with which an agent has logged in. It opens nothing.
const OF_BROWSER: Cookie = Cookie { name: "purser_browser", over_tls: "__Host-purser_browser", same_site: "Strict" };
/// Only our own scripts can send this header: another site's page would need our leave.
const OURS: &str = "x-purser-console";
/// More is no login.
const LONGEST: usize = 2_048;

#[derive(Deserialize)]
struct LogIn {
    login: String,
    password: String,
}

/// Nothing of the console is kept in a cache.
#[handler]
pub async fn never_kept(res: &mut Response) {
    res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Refuses a request that another site's page may have had a browser send.
#[handler]
pub async fn own_site(req: &mut Request) -> Result<(), StatusError> {
    let origin = header(req, ORIGIN);
    let is_ours = Origins::new(&[]).allow(origin, header(req, HOST));
    let same_site = header(req, "sec-fetch-site".parse().map_err(|_| StatusError::internal_server_error())?)
        .is_none_or(|site| site == "same-origin");
    if is_ours && same_site && req.headers().contains_key(OURS) {
        return Ok(());
    }
    Err(StatusError::forbidden().brief("this comes from another site than the console"))
}

/// Lets only agents who are logged in go on, and says who it is.
#[handler]
pub async fn only_agents(req: &mut Request, depot: &mut Depot) -> Result<(), StatusError> {
    let who = who(&*door(depot)?, req).await?;
    let Some(account) = who else {
        return Err(StatusError::unauthorized().brief("log in at /agent"));
    };
    depot.insert(AGENT, account);
    Ok(())
}

const AGENT: &str = "agent";

/// The agent that [`only_agents`] let in.
pub fn agent(depot: &Depot) -> Result<Account, StatusError> {
    depot.get::<Account>(AGENT).cloned().map_err(|_| StatusError::internal_server_error())
}

/// Whose session the request is of.
pub async fn who(door: &Door, req: &Request) -> Result<Option<Account>, StatusError> {
    let Some(token) = token(req) else { return Ok(None) };
    door.accounts.who(&token).await.map_err(|error| {
        tracing::warn!(%error, "a session cannot be looked up");
        StatusError::service_unavailable()
    })
}

/// `POST /agent/login` with `{"login", "password"}`: 204 and a cookie, 401, or 429 with `Retry-After`.
#[handler]
pub async fn log_in(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let address = door.proxies.client(req).map(Address::from);
    if let (Some(limits), Some(address)) = (&door.limits, address) {
        limits.connection(address).map_err(|_| StatusError::too_many_requests())?;
    }
    // Whatever session the browser had is over: a cookie that somebody else put there is worth nothing.
    if let Some(before) = token(req) {
        let _ = door.accounts.log_out(&before).await;
    }
    let from = CameFrom { address, browser: OF_BROWSER.token(req).map(|token| Token(token.to_owned())) };
    let body = req.payload_with_max_size(LONGEST).await.map_err(|_| StatusError::bad_request())?;
    let LogIn { login, password } = serde_json::from_slice(body).map_err(|_| StatusError::bad_request())?;
    match door.accounts.log_in(&login, &password, from).await {
        Ok(LoggedIn { session, browser }) => {
            OF_SESSION.set(req, res, &session.0, SESSION / 1_000)?;
            OF_BROWSER.set(req, res, &browser.0, KNOWN / 1_000)?;
            res.status_code(StatusCode::NO_CONTENT);
        }
        Err(NotIn::Wrong) => {
            res.status_code(StatusCode::UNAUTHORIZED);
        }
        Err(NotIn::Locked(wait)) => {
            res.status_code(StatusCode::TOO_MANY_REQUESTS);
            let seconds = u32::try_from(wait / 1_000 + 1).unwrap_or(u32::MAX);
            res.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        Err(NotIn::Store(error)) => {
            tracing::warn!(%error, "an agent cannot be let in");
            res.status_code(StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    Ok(())
}

/// `POST /agent/logout`
#[handler]
pub async fn log_out(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    if let Some(token) = token(req) {
        door.accounts.log_out(&token).await.map_err(|_| StatusError::service_unavailable())?;
    }
    OF_SESSION.set(req, res, "", 0)?;
    res.status_code(StatusCode::NO_CONTENT);
    Ok(())
}

/// The session of the browser, if it can be one.
pub fn token(req: &Request) -> Option<Token> {
    OF_SESSION.token(req).map(|token| Token(token.to_owned()))
}
