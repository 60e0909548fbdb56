//! What was said before, out of the store, for responders that read it.

use std::sync::Arc;

use crate::conversation::{ConversationId, Event, Seq};
use crate::responders::{BoxFuture, Past, last_messages};
use crate::store::Store;

/// So many events are read for a message that is wanted: attributes and the like lie between.
const EVENTS_A_MESSAGE: usize = 5;

/// The logs of a store.
#[derive(Clone)]
pub(super) struct Stored(pub Store);

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stored")
    }
}

impl Past for Stored {
    fn messages(
        &self,
        conversation: ConversationId,
        before: Seq,
        most: usize,
    ) -> BoxFuture<'_, anyhow::Result<Vec<Arc<Event>>>> {
        Box::pin(async move {
            if before <= 1 {
                return Ok(Vec::new());
            }
            let limit = u32::try_from(most.saturating_mul(EVENTS_A_MESSAGE)).unwrap_or(u32::MAX);
            let events = self.0.events_before(conversation, before, limit).await?;
            Ok(last_messages(&events, most))
        })
    }
}
