//! The small API: the protocol's schema, and what content is in force.

use salvo::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::admission::check_watcher;
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

/// `GET /api/content`: the content in force and what is wrong with the files, for those who may watch.
#[handler]
pub async fn content(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    check_watcher(&door, req)?;
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
