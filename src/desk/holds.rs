//! The questions that this node is answering, held so that no other node takes them up.
//!
//! A pending question is due for everybody soon after it was stored. The node that answers it puts that off as long
//! as it is at it; when the node dies, another one finds the question due within seconds. Whoever takes up a question
//! claims it, so that of several nodes one does. All of this only saves work: that a question has one answer at most
//! does not depend on it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::conversation::{ConversationId, Millis};

/// A held question is due for others after this long without a sign of the node that answers it.
pub(super) const LEASE: Millis = 4_000;

/// The conversations with an answer under way, and until when each is held at most.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<ConversationId, Millis>>);

impl Holds {
    pub(super) fn begin(&self, conversation: ConversationId, at_most: Millis) {
        self.held().insert(conversation, at_most);
    }

    pub(super) fn end(&self, conversation: ConversationId) {
        self.held().remove(&conversation);
    }

    /// Those that are still to be held now, in the order in which every writer takes locks.
    pub(super) fn now(&self, now: Millis) -> Vec<ConversationId> {
        let mut held: Vec<_> =
            self.held().iter().filter(|(_, at_most)| now < **at_most).map(|(conversation, _)| *conversation).collect();
        held.sort_unstable();
        held
    }

    pub(super) fn contains(&self, conversation: ConversationId) -> bool {
        self.held().contains_key(&conversation)
    }

    pub(super) fn count(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ConversationId, Millis>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
