//! Stored conversations as recordings for others to see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::disguise::{Disguise, Doubt};
use super::{Action, Recording};
use crate::conversation::{ConversationId, Event, Seq};
use crate::hex::hex;
use crate::store::{Store, StoreError};

/// Events of a conversation that are read at a time.
const EVENTS: u32 = 1_000;

/// The recording of a stored conversation.
#[derive(Debug)]
pub struct Taken {
    /// What was said, disguised unless it is wanted plain.
    pub recording: Recording,
    /// What should be looked at before it goes further.
    pub doubts: Vec<Doubt>,
    /// How its file is called, without an ending.
    pub name: String,
}

impl Taken {
    /// Takes the recording of a conversation; `None` if the visitor said nothing in it. `known` is what the host site says
    /// of its customer.
    pub fn of(
        id: ConversationId,
        events: &[Arc<Event>],
        known: BTreeMap<String, String>,
        plain: bool,
    ) -> Option<Taken> {
        let mut recording = Recording::from_events(events);
        recording.start.visitor = known;
        let is_said = |step: &super::Step| matches!(step.action, Action::Say { .. } | Action::Press(_));
        if !recording.conversation.iter().any(is_said) {
            return None;
        }
        let doubts = if plain { Vec::new() } else { Disguise::recording(&mut recording) };
        Some(Taken { recording, doubts, name: if plain { id.to_string() } else { disguised(id) } })
    }
}

impl fmt::Display for Taken {
    /// The file, with what is doubtful at its head.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Doubt { span, why } in &self.doubts {
            let span: Vec<&str> = span.split_whitespace().collect();
            writeln!(f, "# please look at \"{}\": {why}", span.join(" "))?;
        }
        self.recording.fmt(f)
    }
}

/// The id names the conversation of a person, so a disguised recording has another name: the same each time.
fn disguised(id: ConversationId) -> String {
    hex(&Sha256::digest(id.0.as_bytes())[..8])
}

/// What the host site says of the customer of a conversation, as far as that is kept: once a person was called.
pub async fn known(store: &Store, id: ConversationId) -> Result<BTreeMap<String, String>, StoreError> {
    let Some(head) = store.conversation(id).await? else { return Ok(BTreeMap::new()) };
    let said = [("name", head.kept.account_name), ("email", head.kept.account_email)];
    Ok(said.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said?.into_string()))).collect())
}

/// The whole log of a conversation; empty if there is none of that name.
pub async fn whole(store: &Store, id: ConversationId) -> Result<Vec<Arc<Event>>, StoreError> {
    let mut events = Vec::new();
    let mut after: Seq = 0;
    loop {
        let page = store.events_after(id, after, EVENTS).await?;
        let Some(last) = page.last() else { return Ok(events) };
        after = last.seq;
        events.extend(page);
    }
}

/// Whether agents have tagged the conversation so, and left it at that.
pub fn has_tag(events: &[Arc<Event>], tag: &str) -> bool {
    let tags = events.iter().rev().find_map(|event| event.meta.tags.as_ref());
    tags.is_some_and(|tags| tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()))
}
