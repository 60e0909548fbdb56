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
/// A hold that ends so soon is prolonged.
const SOON: Millis = 2_500;

/// How long a conversation with an answer under way is held.
struct Held {
    /// As others read it.
    until: Millis,
    at_most: Millis,
}

/// The conversations with an answer under way.
#[derive(Default)]
pub(super) struct Holds(Mutex<HashMap<ConversationId, Held>>);

impl Holds {
    /// An answer is under way from `now` on. Its question was stored as held for a [`LEASE`].
    pub(super) fn begin(&self, conversation: ConversationId, now: Millis, at_most: Millis) {
        self.held().insert(conversation, Held { until: now + LEASE, at_most });
    }

    pub(super) fn end(&self, conversation: ConversationId) {
        self.held().remove(&conversation);
    }

    /// Those whose hold ends soon though it should not, in the order in which every writer takes locks.
    pub(super) fn ending(&self, now: Millis) -> Vec<ConversationId> {
        let all = self.held();
        let ending = all.iter().filter(|(_, held)| now < held.at_most && held.until - now < SOON);
        let mut ending: Vec<_> = ending.map(|(conversation, _)| *conversation).collect();
        ending.sort_unstable();
        ending
    }

    /// They are held until then.
    pub(super) fn prolonged(&self, conversations: &[ConversationId], until: Millis) {
        let mut all = self.held();
        for conversation in conversations {
            if let Some(held) = all.get_mut(conversation) {
                held.until = until;
            }
        }
    }

    pub(super) fn contains(&self, conversation: ConversationId) -> bool {
        self.held().contains_key(&conversation)
    }

    pub(super) fn count(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ConversationId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
