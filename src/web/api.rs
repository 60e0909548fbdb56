//! The small API: the protocol's schema, and what content is in force.

use salvo::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use super::admission::check_watcher;
use super::{door, protocol as wire};
use crate::finding::Finding;
use crate::responders::script::Plugin;

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
    /// The plugins, in the order in which they are asked.
    pub plugins: Vec<LoadedPlugin<'a>>,
    /// What is wrong, or doubtful, in the files.
    pub findings: &'a [Finding],
}

/// A plugin that is in force.
#[derive(Serialize, JsonSchema)]
pub struct LoadedPlugin<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub about: &'a str,
    /// Whether it failed too often in a row and is left alone for a while, on this node.
    pub set_aside: bool,
    /// What it failed with last, if it did not succeed since.
    pub trouble: Option<String>,
}

impl LoadedPlugin<'_> {
    fn of(plugin: &Plugin) -> LoadedPlugin<'_> {
        let health = plugin.health();
        LoadedPlugin {
            name: plugin.name(),
            about: &plugin.manifest().about,
            set_aside: health.is_aside(),
            trouble: health.trouble(),
        }
    }
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
        plugins: snapshot.plugins.iter().map(|plugin| LoadedPlugin::of(plugin)).collect(),
        findings: &door.content.findings(),
    }));
    Ok(())
}
