//! The small API: the protocol's schema, and what content is in force.

use salvo::http::header::AUTHORIZATION;
use salvo::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::{door, protocol as wire};
use crate::finding::Finding;

/// What is loaded.
#[derive(Serialize, JsonSchema)]
pub struct Loaded<'a> {
    /// Names the content in force: 12 hex digits.
    pub revision: &'a str,
    /// The languages that there is content in.
    pub languages: Vec<&'a str>,
    /// How many entries there are.
    pub entries: usize,
    /// How many wordings lead to them.
    pub phrases: usize,
    /// What is wrong, or doubtful, in the files.
    pub findings: &'a [Finding],
}

/// `GET /api/protocol.json`: the typed dialect as JSON Schema.
#[handler]
pub async fn protocol(res: &mut Response) {
    res.render(Json(wire::schema()));
}

/// `GET /api/content`: the content in force and what is wrong with the files, for this machine and for whoever has
/// the admin token.
#[handler]
pub async fn content(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let bearer = req.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let known = match (&door.admin_token, token) {
        (Some(secret), Some(token)) => secret.is(token),
        _ => false,
    };
    if !known && !from_this_machine(req) {
        return Err(
            StatusError::forbidden().brief("only for this machine, or with `Authorization: Bearer <admin_token>`")
        );
    }
    let snapshot = door.content.in_force();
    res.render(Json(Loaded {
        revision: &snapshot.revision,
        languages: snapshot.faq.languages(),
        entries: snapshot.faq.entries(),
        phrases: snapshot.faq.phrases(),
        findings: &door.content.findings(),
    }));
    Ok(())
}

/// Whether nobody stands between this machine's loopback and purser: a proxy says whom it speaks for.
fn from_this_machine(req: &Request) -> bool {
    let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let loopback = match req.remote_addr() {
        salvo::conn::SocketAddr::IPv4(address) => address.ip().is_loopback(),
        salvo::conn::SocketAddr::IPv6(address) => address.ip().is_loopback(),
        _ => false,
    };
    loopback && !forwarded.iter().any(|name| req.headers().contains_key(*name))
}
