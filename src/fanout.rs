//! Carries committed events to those who follow a conversation.
//!
//! Delivery here may fail and the log may not: a follower that falls behind is cut off and told so, and gets the
//! rest by the last seq that it saw. Publishing therefore never waits for anybody. The cost of a publication grows
//! with the followers of that one conversation and with nothing else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::conversation::{ConversationId, Event};
use crate::store::Committed;

/// Publications of different conversations seldom meet at the same lock.
const SHARDS: usize = 64;

type Followers = HashMap<ConversationId, Vec<Follower>>;

struct Follower {
    key: u64,
    events: mpsc::Sender<Arc<Event>>,
}

/// The fan-out of one node.
pub struct Fanout {
    shards: Vec<Mutex<Followers>>,
    next_key: AtomicU64,
    queue: usize,
}

/// One follower's place in a conversation; dropping it ends it.
pub struct Subscription {
    conversation: ConversationId,
    key: u64,
    events: mpsc::Receiver<Arc<Event>>,
    fanout: Arc<Fanout>,
}

impl Fanout {
    /// A fan-out that lets each follower be `queue` events behind before it is cut off.
    pub fn new(queue: usize) -> Arc<Fanout> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Fanout { shards, next_key: AtomicU64::new(0), queue })
    }

    /// Follows a conversation, from the next commit on.
    pub fn subscribe(self: &Arc<Self>, conversation: ConversationId) -> Subscription {
        let (sender, events) = mpsc::channel(self.queue);
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        self.shard(conversation).entry(conversation).or_default().push(Follower { key, events: sender });
        Subscription { conversation, key, events, fanout: self.clone() }
    }

    /// Hands new events to all who follow their conversation.
    pub fn publish(&self, committed: &Committed) {
        let mut shard = self.shard(committed.conversation);
        if let Some(followers) = shard.get_mut(&committed.conversation) {
            // A follower whose queue is full loses its sender here: it reads what is queued, then finds the end.
            followers.retain(|follower| {
                committed.events.iter().all(|event| follower.events.try_send(event.clone()).is_ok())
            });
        }
    }

    /// How many follow a conversation.
    pub fn followers(&self, conversation: ConversationId) -> usize {
        self.shard(conversation).get(&conversation).map_or(0, Vec::len)
    }

    fn shard(&self, conversation: ConversationId) -> MutexGuard<'_, Followers> {
        // The last bytes of every kind of UUID are random.
        let index = usize::from(conversation.0.as_bytes()[15]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The conversation that is followed.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// The next event. `None` when this follower fell too far behind: it must come back with the last seq it saw.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.events.recv().await
    }

    /// An event that is there already.
    pub fn waiting(&mut self) -> Option<Arc<Event>> {
        self.events.try_recv().ok()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut shard = self.fanout.shard(self.conversation);
        if let Some(followers) = shard.get_mut(&self.conversation) {
            followers.retain(|follower| follower.key != self.key);
            if followers.is_empty() {
                shard.remove(&self.conversation);
            }
        }
    }
}
