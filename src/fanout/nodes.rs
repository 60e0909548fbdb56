//! The other nodes, as far as they are heard of by way of Redis, and whether they answer from the same content.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

/// A node that was not heard of for this long is gone.
const GONE: Duration = Duration::from_secs(15);

/// What a node says of itself every few seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcement {
    pub(super) node: Uuid,
    /// The content in force.
    pub(super) revision: Arc<str>,
    /// The version of purser.
    pub(super) version: String,
}

/// Another node, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherNode {
    /// Names it until it stops.
    pub node: Uuid,
    /// The content that it answers from.
    pub revision: Arc<str>,
    /// Its version of purser.
    pub version: String,
    /// Whether its content has been another one than here for too long.
    pub differs: bool,
}

struct Heard {
    announcement: Announcement,
    at: Instant,
    /// Since when its content is another one than here.
    other_since: Option<Instant>,
    differs: bool,
}

/// The other nodes.
pub(super) struct Nodes {
    heard: Mutex<HashMap<Uuid, Heard>>,
    /// Nodes may answer from different content for this long: files reach them one after the other.
    patience: Duration,
}

impl Nodes {
    pub(super) fn new(patience: Duration) -> Nodes {
        Nodes { heard: Mutex::default(), patience }
    }

    /// Takes what a node says of itself.
    pub(super) fn hear(&self, announcement: Announcement) {
        let at = Instant::now();
        match self.heard().entry(announcement.node) {
            std::collections::hash_map::Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.announcement = announcement;
                known.at = at;
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(Heard { announcement, at, other_since: None, differs: false });
            }
        }
    }

    /// Compares everybody's content with the one here, and says once if one has differed for too long.
    pub(super) fn compare(&self, revision: &str) {
        let now = Instant::now();
        let mut heard = self.heard();
        heard.retain(|_, node| now.duration_since(node.at) < GONE);
        for node in heard.values_mut() {
            let Announcement { node: id, revision: theirs, .. } = &node.announcement;
            if **theirs == *revision {
                if std::mem::take(&mut node.differs) {
                    tracing::info!(node = %id, %revision, "another node answers from the same content again");
                }
                node.other_since = None;
            } else if now.duration_since(*node.other_since.get_or_insert(now)) >= self.patience && !node.differs {
                node.differs = true;
                tracing::warn!(
                    node = %id, here = %revision, there = %theirs,
                    "another node has answered from other content for {:?}: bring the same files to all nodes",
                    self.patience
                );
            }
        }
    }

    pub(super) fn list(&self) -> Vec<OtherNode> {
        let now = Instant::now();
        let heard = self.heard();
        let here = heard.values().filter(|node| now.duration_since(node.at) < GONE);
        here.map(|Heard { announcement, differs, .. }| {
            let Announcement { node, revision, version } = announcement.clone();
            OtherNode { node, revision, version, differs: *differs }
        })
        .collect()
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<Uuid, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
