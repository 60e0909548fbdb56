//! What was said so far in a recording or a stored conversation, for plugins that read it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::conversation::{ConversationId, Event, Seq};
use crate::responders::{BoxFuture, Past, last_messages};

/// Events in their order. A turn that is answered once more later sees only what was before it.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Vec<Arc<Event>>>);

impl History {
    /// A conversation as it stands in the store.
    pub fn of(events: &[Arc<Event>]) -> History {
        History(Mutex::new(events.to_vec()))
    }

    /// Goes on.
    pub fn add(&self, events: impl IntoIterator<Item = Arc<Event>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
    }

    /// All of it.
    pub fn events(&self) -> Vec<Arc<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Past for History {
    fn messages(&self, _: ConversationId, before: Seq, most: usize) -> BoxFuture<'_, anyhow::Result<Vec<Arc<Event>>>> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = events.partition_point(|event| event.seq < before);
        Box::pin(std::future::ready(Ok(last_messages(&events[..earlier], most))))
    }
}
