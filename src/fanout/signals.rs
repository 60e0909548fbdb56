//! What is no event and may be lost: somebody types, somebody looks at a conversation, who has one has changed.
//!
//! Signals reach whoever listens to one conversation, or to all of them, on this node and by way of Redis on others.
//! A conversation that no person has, and in which no answer is being written, sends none, and nobody listens to it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::conversation::{AgentId, Author, ConversationId};

/// So many signals wait for a slow listener; it misses those before.
const QUEUE: usize = 64;

/// Something of the moment in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Where.
    pub conversation: ConversationId,
    /// What.
    pub what: What,
}

/// What a signal tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Who has it, or what stands in the lists of it, has changed.
    Changed,
    /// Who may not write has changed.
    Blocked,
    /// Somebody is typing to the other side, or a responder writes its answer.
    Typing(Author),
    /// Somebody waits on another node for an answer that is being written.
    Reading,
    /// Somebody does not wait for it any more, and will not come back.
    Left,
    /// An agent looks at it, by this name, or does not any more.
    Looking(AgentId, String, bool),
}

/// Who listens on this node.
pub(super) struct Signals {
    all: broadcast::Sender<Signal>,
    one: Mutex<HashMap<ConversationId, broadcast::Sender<Signal>>>,
}

impl Default for Signals {
    fn default() -> Signals {
        Signals { all: broadcast::channel(QUEUE).0, one: Mutex::default() }
    }
}

impl Signals {
    /// Hands a signal to those who listen here.
    pub(super) fn hear(&self, signal: Signal) {
        let mut one = self.one();
        if let Some(sender) = one.get(&signal.conversation)
            && sender.send(signal.clone()).is_err()
        {
            // The last listener has gone.
            one.remove(&signal.conversation);
        }
        drop(one);
        // An error: nobody listens.
        let _ = self.all.send(signal);
    }

    pub(super) fn listen_to(&self, conversation: ConversationId) -> broadcast::Receiver<Signal> {
        let mut one = self.one();
        // Those that nobody listens to any more have had their time.
        one.retain(|_, sender| sender.receiver_count() > 0);
        one.entry(conversation).or_insert_with(|| broadcast::channel(QUEUE).0).subscribe()
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Signal> {
        self.all.subscribe()
    }

    fn one(&self) -> MutexGuard<'_, HashMap<ConversationId, broadcast::Sender<Signal>>> {
        self.one.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
