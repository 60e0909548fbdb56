//! Carries committed events to those who follow a conversation, on this node and on others.
//!
//! Delivery here may fail and the log may not. `local.rs` knows who follows what on this node and hands out events
//! once, in order and without gaps; `redis.rs` carries them to other nodes and may lose them; `heal.rs` reads from
//! the store what never came. A follower that reads too slowly is cut off and told so, and gets the rest by the last
//! seq that it saw.
//!
//! Publishing waits for nobody: not for a slow follower, not for Redis. Its cost grows with the followers of that one
//! conversation and with nothing else. In Redis a node subscribes to the conversations that somebody on it follows,
//! so subscriptions do not grow with what is stored.

mod counts;
mod drafts;
mod heal;
mod local;
mod nodes;
mod redis;
mod signals;
mod url;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::conversation::{ConversationId, Event, Seq};
use crate::limits::Limits;
use crate::store::{Committed, Store};

pub use counts::Counts;
pub use drafts::{Draft, End as DraftEnd, Writing};
pub use local::Subscription;
pub use nodes::OtherNode;
pub use signals::{Signal, What};
pub use url::{RedisUrl, RedisUrlError};

use drafts::Drafts;
use local::Local;
use redis::{Carrier, Redis};
use signals::Signals;

/// How long things may take before somebody looks after them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// What is missing before an event that has come may still come by itself for so long; then it is read.
    pub gap: Duration,
    /// So often what was delivered is compared with what is stored. It heals a lost tail, and it is all that
    /// connects nodes while Redis is away.
    pub round: Duration,
    /// Nodes may answer from different content for so long before they say so.
    pub differ: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { gap: Duration::from_millis(60), round: Duration::from_secs(5), differ: Duration::from_secs(60) }
    }
}

/// How this node is connected to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No Redis is configured. Others on the same database hear of events within [`Pace::round`].
    Unset,
    /// Redis carries the events.
    Joined,
    /// Redis is away: this node runs alone, and hears of others' events within [`Pace::round`].
    Alone,
}

/// The fan-out of one node.
pub struct Fanout {
    local: Local,
    signals: Signals,
    drafts: Drafts,
    redis: Option<Redis>,
    pace: Pace,
}

impl Fanout {
    /// A fan-out that lets each follower be `queue` events behind before it is cut off.
    pub fn new(queue: usize) -> Arc<Fanout> {
        Fanout::with(queue, None, Pace::default())
    }

    /// The same, with Redis between nodes. [`Fanout::run`] connects to it.
    pub fn with(queue: usize, redis: Option<RedisUrl>, pace: Pace) -> Arc<Fanout> {
        let redis = redis.map(|url| Redis::new(url, pace.differ));
        Arc::new(Fanout {
            local: Local::new(queue),
            signals: Signals::default(),
            drafts: Drafts::default(),
            redis,
            pace,
        })
    }

    /// Keeps the node connected to the others and fills gaps, until `stop`. `revision` tells the content in force,
    /// which the nodes compare; of `limits` they
    /// tell each other what they let through.
    pub async fn run(
        self: Arc<Self>,
        store: Store,
        revision: impl Fn() -> Arc<str> + Send + Sync,
        limits: Option<Arc<Limits>>,
        stop: CancellationToken,
    ) {
        let carrying = async {
            if let Some(redis) = &self.redis {
                Carrier::new(&self, redis, revision, limits).run(&stop).await;
            }
        };
        tokio::join!(carrying, heal::run(&self, &store, &stop));
    }

    /// Hands new events to all who follow their conversation, here and on other nodes. Waits for nobody.
    pub fn publish(&self, committed: Committed) {
        self.take(committed.conversation, &committed.events);
        if committed.attended {
            self.signal(Signal { conversation: committed.conversation, what: What::Changed });
        }
        if let Some(redis) = &self.redis {
            redis.offer(committed, &self.local.counts);
        }
    }

    /// Hands a signal to all who listen, here and on other nodes. Waits for nobody; it may be lost.
    pub fn signal(&self, signal: Signal) {
        if let Some(redis) = &self.redis {
            redis.offer_signal(&signal);
        }
        self.signals.hear(signal);
    }

    /// Listens to the signals of one conversation.
    pub fn listen_to(&self, conversation: ConversationId) -> broadcast::Receiver<Signal> {
        self.signals.listen_to(conversation)
    }

    /// Listens to all signals.
    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.signals.listen()
    }

    /// Follows a conversation, from the next commit on.
    pub fn subscribe(self: &Arc<Self>, conversation: ConversationId) -> Subscription {
        let subscription = Subscription::new(self, conversation);
        if subscription.is_first {
            // Whoever does not say where the log ended when it was read has it looked up.
            self.local.due.note(conversation, 0, Instant::now() + self.pace.gap);
            self.followed(conversation);
        }
        subscription
    }

    /// How many follow a conversation.
    pub fn followers(&self, conversation: ConversationId) -> usize {
        self.local.followers(conversation)
    }

    /// How this node is connected to the others.
    pub fn reach(&self) -> Reach {
        match &self.redis {
            None => Reach::Unset,
            Some(redis) if redis.is_joined() => Reach::Joined,
            Some(_) => Reach::Alone,
        }
    }

    /// Where Redis is, without its password.
    pub fn redis(&self) -> Option<&RedisUrl> {
        self.redis.as_ref().map(|redis| &redis.url)
    }

    /// The other nodes that were heard of lately.
    pub fn others(&self) -> Vec<OtherNode> {
        self.redis.as_ref().map(|redis| redis.nodes.list()).unwrap_or_default()
    }

    /// What happened here since the start, for metrics.
    pub fn counts(&self) -> &Counts {
        &self.local.counts
    }

    /// Takes events from wherever, and sees to what is missing before them.
    fn take(&self, conversation: ConversationId, events: &[Arc<Event>]) {
        if !self.local.take(conversation, events) {
            self.local.counts.gaps.add(1);
            let last = events.last().map_or(0, |event| event.seq);
            self.local.due.note(conversation, last, Instant::now() + self.pace.gap);
        }
    }

    /// Takes notice of where the log of a conversation ends, and sees to what is missing before that.
    fn ends_at(&self, conversation: ConversationId, last: Seq) {
        if !self.local.ends_at(conversation, last) {
            self.local.due.note(conversation, last, Instant::now() + self.pace.gap);
        }
    }

    /// Ready when this node has joined the others, each time.
    async fn joined(&self) {
        match &self.redis {
            Some(redis) => redis.has_joined.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The first follower of a conversation has come, or the last one has gone.
    fn followed(&self, conversation: ConversationId) {
        if let Some(redis) = &self.redis {
            redis.follow(conversation);
        }
    }

    /// Ready when events of other nodes are heard too: at once where there is no Redis to wait for.
    async fn heard(&self, conversation: ConversationId) {
        let Some(redis) = &self.redis else { return };
        let (tell, told) = oneshot::channel();
        if self.local.tell_when_heard(conversation, tell, || redis.is_joined()) {
            // An error: nobody follows it any more.
            let _ = told.await;
        }
    }
}
