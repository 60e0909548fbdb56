//! Who follows what on this node, and what they have got.
//!
//! Events come from this node's own commits, from other nodes, and from the store where something never came. For
//! each conversation that somebody follows it is known how far it was delivered; so an event that comes twice is
//! delivered once, and one that comes too early waits for those before it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use tokio::sync::{mpsc, oneshot};

use super::Fanout;
use super::counts::Counts;
use super::heal::Due;
use crate::conversation::{ConversationId, Event, Seq};

/// Publications of different conversations seldom meet at the same lock.
const SHARDS: usize = 64;
/// So many events of a conversation wait for one before them; further ones are read from the store with it.
const HELD: usize = 32;

/// How far a conversation was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// Nothing was delivered, and where it stood when the first follower came is not known.
    Unknown,
    /// Nothing was delivered; it stood there when it was looked up.
    From(Seq),
    /// Delivered up to there.
    At(Seq),
}

impl Position {
    pub(super) fn seq(self) -> Option<Seq> {
        match self {
            Position::Unknown => None,
            Position::From(seq) | Position::At(seq) => Some(seq),
        }
    }
}

/// A conversation that somebody on this node follows.
struct Followed {
    position: Position,
    /// Events that came before the ones that they follow; ascending.
    held: Vec<Arc<Event>>,
    /// Whether events of other nodes are heard.
    heard: bool,
    /// Told when they are.
    waiting: Vec<oneshot::Sender<()>>,
    followers: Vec<Follower>,
}

struct Follower {
    key: u64,
    events: mpsc::Sender<Arc<Event>>,
}

type Shard = HashMap<ConversationId, Followed, RandomState>;

/// The followers on this node.
pub(super) struct Local {
    shards: Vec<Mutex<Shard>>,
    next_key: AtomicU64,
    queue: usize,
    /// The conversations that must be looked after.
    pub(super) due: Due,
    pub(super) counts: Counts,
}

impl Local {
    pub(super) fn new(queue: usize) -> Local {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Local { shards, next_key: AtomicU64::new(0), queue, due: Due::default(), counts: Counts::default() }
    }

    /// Delivers what is next, and holds what is not. False if something is missing.
    pub(super) fn take(&self, conversation: ConversationId, events: &[Arc<Event>]) -> bool {
        let mut complete = true;
        if let Some(followed) = self.shard(conversation).get_mut(&conversation) {
            for event in events {
                complete &= followed.take(event, &self.counts);
            }
        }
        complete
    }

    /// Delivers what the store has after the position. What it lacks there is no gap: it holds events of newer
    /// versions that this one skips, and conversations whose past was erased.
    pub(super) fn fill(&self, conversation: ConversationId, events: &[Arc<Event>]) {
        if let Some(followed) = self.shard(conversation).get_mut(&conversation) {
            for event in events {
                if followed.position.seq().is_none_or(|seq| event.seq > seq) {
                    self.counts.healed.add(1);
                    followed.deliver(event, &self.counts);
                }
            }
            followed.release(&self.counts);
        }
    }

    /// Goes on after `last` with what is held: what is missing before that is not to be had.
    pub(super) fn pass_over(&self, conversation: ConversationId, last: Seq) {
        if let Some(followed) = self.shard(conversation).get_mut(&conversation) {
            let (passed, held) = std::mem::take(&mut followed.held).into_iter().partition(|event| event.seq <= last);
            followed.held = held;
            for event in Vec::from_iter(passed) {
                followed.deliver(&event, &self.counts);
            }
            followed.position = Position::At(followed.position.seq().map_or(last, |seq| seq.max(last)));
            followed.release(&self.counts);
        }
    }

    /// The store says that the conversation ends there. False if that was not delivered.
    pub(super) fn ends_at(&self, conversation: ConversationId, last: Seq) -> bool {
        let mut shard = self.shard(conversation);
        let Some(followed) = shard.get_mut(&conversation) else { return true };
        match followed.position.seq() {
            None => {
                followed.position = Position::From(last);
                true
            }
            Some(seq) => seq >= last,
        }
    }

    /// How far it was delivered; `None` if nobody follows it.
    pub(super) fn position(&self, conversation: ConversationId) -> Option<Position> {
        self.shard(conversation).get(&conversation).map(|followed| followed.position)
    }

    /// Every conversation that somebody follows.
    pub(super) fn conversations(&self) -> Vec<ConversationId> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(lock(shard).keys().copied());
        }
        all
    }

    /// Events of other nodes are heard from now on in these conversations.
    pub(super) fn heard(&self, conversations: &[ConversationId]) {
        for conversation in conversations {
            if let Some(followed) = self.shard(*conversation).get_mut(conversation) {
                followed.heard = true;
                followed.waiting.drain(..).for_each(tell);
            }
        }
    }

    /// Nothing is heard of other nodes any more. Whoever waits for that goes on without.
    pub(super) fn deaf(&self) {
        for shard in &self.shards {
            for followed in lock(shard).values_mut() {
                followed.heard = false;
                followed.waiting.drain(..).for_each(tell);
            }
        }
    }

    /// Whether `waiter` is going to be told: not if events of other nodes are heard already, or cannot be.
    pub(super) fn tell_when_heard(
        &self,
        conversation: ConversationId,
        waiter: oneshot::Sender<()>,
        can_be: impl Fn() -> bool,
    ) -> bool {
        match self.shard(conversation).get_mut(&conversation) {
            Some(followed) if !followed.heard && can_be() => {
                followed.waiting.push(waiter);
                true
            }
            _ => false,
        }
    }

    pub(super) fn followers(&self, conversation: ConversationId) -> usize {
        self.shard(conversation).get(&conversation).map_or(0, |followed| followed.followers.len())
    }

    fn shard(&self, conversation: ConversationId) -> MutexGuard<'_, Shard> {
        // The last bytes of every kind of UUID are random.
        lock(&self.shards[usize::from(conversation.0.as_bytes()[15]) % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(waiter: oneshot::Sender<()>) {
    // It may have gone.
    let _ = waiter.send(());
}

impl Followed {
    /// Delivers the event, or holds it. False if something is missing before it.
    fn take(&mut self, event: &Arc<Event>, counts: &Counts) -> bool {
        match self.position {
            Position::At(seq) if event.seq <= seq => true,
            // What was committed while the position was looked up is new to whoever came before that.
            Position::From(seq) | Position::At(seq) if event.seq > seq + 1 => {
                self.hold(event);
                false
            }
            _ => {
                self.deliver(event, counts);
                self.release(counts);
                true
            }
        }
    }

    fn hold(&mut self, event: &Arc<Event>) {
        if let Err(at) = self.held.binary_search_by_key(&event.seq, |held| held.seq)
            && self.held.len() < HELD
        {
            self.held.insert(at, event.clone());
        }
    }

    /// Delivers what is held and next now.
    fn release(&mut self, counts: &Counts) {
        while let (Some(event), Some(seq)) = (self.held.first(), self.position.seq())
            && event.seq <= seq + 1
        {
            let event = self.held.remove(0);
            if event.seq > seq {
                self.deliver(&event, counts);
            }
        }
    }

    fn deliver(&mut self, event: &Arc<Event>, counts: &Counts) {
        self.position = Position::At(event.seq);
        // A follower whose queue is full loses its sender here: it reads what is queued, then finds the end.
        self.followers.retain(|follower| {
            let taken = follower.events.try_send(event.clone()).is_ok();
            counts.cut_off.add(usize::from(!taken));
            taken
        });
    }
}

/// One follower's place in a conversation; dropping it ends it.
pub struct Subscription {
    conversation: ConversationId,
    key: u64,
    events: mpsc::Receiver<Arc<Event>>,
    fanout: Arc<Fanout>,
    /// Whether nobody on this node followed the conversation before.
    pub(super) is_first: bool,
}

impl Subscription {
    pub(super) fn new(fanout: &Arc<Fanout>, conversation: ConversationId) -> Subscription {
        let local = &fanout.local;
        let (sender, events) = mpsc::channel(local.queue);
        let key = local.next_key.fetch_add(1, Ordering::Relaxed);
        let mut is_first = false;
        let mut shard = local.shard(conversation);
        let followed = shard.entry(conversation).or_insert_with(|| {
            is_first = true;
            let (held, waiting, followers) = (Vec::new(), Vec::new(), Vec::with_capacity(1));
            Followed { position: Position::Unknown, held, heard: false, waiting, followers }
        });
        followed.followers.push(Follower { key, events: sender });
        drop(shard);
        Subscription { conversation, key, events, fanout: fanout.clone(), is_first }
    }

    /// The conversation that is followed.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Ready when whatever is committed from now on, on any node, comes here or is noticed to be missing. Whoever
    /// reads the log after this misses nothing.
    pub async fn heard(&self) {
        self.fanout.heard(self.conversation).await;
    }

    /// Says that the log ended there when it was read, after [`Subscription::heard`].
    pub fn starts_at(&self, last: Seq) {
        let looked_up = match self.fanout.local.shard(self.conversation).get_mut(&self.conversation) {
            Some(Followed { position: position @ Position::Unknown, .. }) => {
                *position = Position::From(last);
                None
            }
            // It was looked up later than the log was read, and what was committed in between was delivered to nobody.
            Some(Followed { position: position @ Position::From(_), .. }) => {
                let seq = position.seq().filter(|seq| *seq > last);
                if seq.is_some() {
                    *position = Position::From(last);
                }
                seq
            }
            _ => None,
        };
        if let Some(seq) = looked_up {
            self.fanout.ends_at(self.conversation, seq);
        }
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
        let mut shard = self.fanout.local.shard(self.conversation);
        if let Some(followed) = shard.get_mut(&self.conversation) {
            followed.followers.retain(|follower| follower.key != self.key);
            if followed.followers.is_empty() {
                shard.remove(&self.conversation);
                drop(shard);
                self.fanout.followed(self.conversation);
            }
        }
    }
}
