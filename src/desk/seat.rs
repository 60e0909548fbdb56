//! Seats: what a node knows of the conversations that somebody is in.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::fast::FixedState;
use tokio::sync;

use super::Ack;
use crate::conversation::{ClientId, Conversation, ConversationId, Kept, VisitorId};

/// How many acknowledgements a seat remembers, so that a client's repeats do not reach the store.
const REMEMBERED_ACKS: usize = 8;
/// Seats of different conversations seldom meet at the same lock.
const SHARDS: usize = 64;

/// What this node knows of a conversation while somebody is in it.
pub struct Seat {
    pub(super) id: ConversationId,
    pub(super) visitor: VisitorId,
    pub(super) seats: Arc<Seats>,
    /// Whether anything is stored of it, as far as this node knows.
    pub(super) begun: AtomicBool,
    /// Whether the host site vouches for the visitor.
    pub(super) account: AtomicBool,
    /// What the host site says of the visitor.
    pub(super) profile: Mutex<Arc<BTreeMap<String, String>>>,
    pub(super) state: sync::Mutex<Seated>,
}

#[derive(Default)]
pub(super) struct Seated {
    /// The state that the log's end was last seen in; thrown away on a conflict.
    pub(super) head: Option<Arc<Conversation>>,
    /// What the store had said of deletions before it was; 0 if that is not known.
    pub(super) as_of: u64,
    /// Whether an answer of this conversation is under way on this node.
    pub(super) answering: bool,
    acks: VecDeque<Ack>,
    /// The hash of each one's client id, in the same order: few bytes to look through with every message.
    said: VecDeque<u64>,
}

impl Seat {
    /// The conversation.
    pub fn conversation(&self) -> ConversationId {
        self.id
    }

    /// Whose conversation it is.
    pub fn visitor(&self) -> VisitorId {
        self.visitor
    }

    /// The host site says this of the visitor; responders get it with every message from now on.
    pub fn introduce(&self, profile: Arc<BTreeMap<String, String>>) {
        self.account.store(true, Ordering::Relaxed);
        *self.profile.lock().unwrap_or_else(PoisonError::into_inner) = profile;
    }

    /// What the host site says of the visitor, if it does.
    pub(super) fn claims(&self) -> Option<Arc<BTreeMap<String, String>>> {
        let profile = self.profile.lock().unwrap_or_else(PoisonError::into_inner);
        (!profile.is_empty()).then(|| profile.clone())
    }

    /// What the host site says of the visitor, or said to the node that took the question, and over that what was
    /// remembered.
    pub(super) fn known(&self, kept: &Kept) -> Arc<BTreeMap<String, String>> {
        let remembered = &kept.attributes;
        match self.claims().or_else(|| kept.claims.clone()) {
            None => remembered.clone(),
            Some(claims) if remembered.is_empty() => claims,
            Some(claims) => {
                let all = claims.iter().chain(remembered.iter());
                Arc::new(all.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
        }
    }

    /// Whether anything was said in it before, as far as this node knows.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut shard = self.seats.shard(self.id);
        // Another seat of this conversation may have been taken since the last user of this one left.
        if shard.get(&self.id).is_some_and(|seat| seat.strong_count() == 0) {
            shard.remove(&self.id);
        }
    }
}

impl Seated {
    /// A state that was read some time ago.
    pub(super) fn found(&mut self, head: Conversation) {
        self.head = Some(Arc::new(head));
        self.as_of = 0;
    }

    pub(super) fn remember(&mut self, ack: Ack) {
        if self.acks.len() == REMEMBERED_ACKS {
            self.acks.pop_front();
            self.said.pop_front();
        }
        self.said.push_back(hash(&ack.client_id));
        self.acks.push_back(ack);
    }

    /// The acknowledgement of the message with this id, if it is one of the last.
    pub(super) fn remembered(&self, client_id: &ClientId) -> Option<&Ack> {
        let hash = hash(client_id);
        let mut same = self.said.iter().zip(&self.acks).filter(|(said, _)| **said == hash).map(|(_, ack)| ack);
        same.find(|ack| ack.client_id == *client_id)
    }
}

fn hash(client_id: &ClientId) -> u64 {
    FixedState::default().hash_one(client_id)
}

/// The seats that are taken on this node. Nothing is kept of conversations that nobody is in.
pub(super) struct Seats {
    shards: Vec<Mutex<HashMap<ConversationId, Weak<Seat>>>>,
}

impl Default for Seats {
    fn default() -> Seats {
        Seats { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Seats {
    pub(super) fn taken(&self, id: ConversationId) -> Option<Arc<Seat>> {
        self.shard(id).get(&id).and_then(Weak::upgrade)
    }

    /// The seat that is taken in this conversation, or a new one that starts with this state.
    pub(super) fn take(
        self: &Arc<Self>,
        id: ConversationId,
        visitor: VisitorId,
        head: Option<Conversation>,
    ) -> Arc<Seat> {
        let mut shard = self.shard(id);
        if let Some(seat) = shard.get(&id).and_then(Weak::upgrade) {
            return seat;
        }
        let begun = AtomicBool::new(head.is_some());
        let state = sync::Mutex::new(Seated { head: head.map(Arc::new), ..Seated::default() });
        let (account, profile) = (AtomicBool::new(false), Mutex::default());
        let seat = Arc::new(Seat { id, visitor, seats: self.clone(), begun, account, profile, state });
        shard.insert(id, Arc::downgrade(&seat));
        seat
    }

    pub(super) fn shard(&self, id: ConversationId) -> MutexGuard<'_, HashMap<ConversationId, Weak<Seat>>> {
        // The last bytes of every kind of UUID are random.
        let index = usize::from(id.0.as_bytes()[15]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
