//! Carries events between nodes by way of Redis, which may lose them.
//!
//! Each conversation has a channel. A node subscribes to those of the conversations that somebody on it follows, and
//! publishes what it commits. One connection (RESP3) does both; what gathers while the previous commands are under
//! way goes in one pipeline. What cannot be sent soon is dropped: other nodes read it from the store.
//!
//! A connection that says nothing is found out by a heartbeat, and made anew as long as the node runs. Between, the
//! node runs alone.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, RedisError, Value};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Fanout;
use super::counts::Counts;
use super::nodes::{Announcement, Nodes};
use super::signals::Signal;
use super::url::RedisUrl;
use crate::conversation::{ConversationId, Event, Seq};
use crate::limits::Limits;
use crate::store::Committed;

/// So many commits wait to be sent; further ones are dropped.
const QUEUE: usize = 4096;
/// So many commands go at once.
const PIPELINE: usize = 256;
/// A node says this often that it is there, and learns whether Redis is.
const BEAT: Duration = Duration::from_secs(2);
/// Redis is away when it does not answer within this time.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Where the nodes speak of themselves.
const NODES: &str = "purser:nodes";
/// Where they speak of what they let through.
const LIMITS: &str = "purser:limits";
/// Where they tell what is of the moment.
const SIGNALS: &str = "purser:signals";
/// The channel of a conversation is this and the conversation's id.
const CONVERSATION: &str = "purser:c:";

/// What the fan-out knows of Redis, and what waits for it.
pub(super) struct Redis {
    pub(super) url: RedisUrl,
    pub(super) nodes: Nodes,
    /// Told each time when the node has joined the others.
    pub(super) has_joined: Notify,
    joined: AtomicBool,
    work: Mutex<Work>,
    more: Notify,
}

#[derive(Default)]
struct Work {
    committed: Vec<Committed>,
    /// As JSON.
    signals: Vec<Vec<u8>>,
    /// Conversations whose first follower has come, or whose last one has gone.
    changed: HashSet<ConversationId>,
}

impl Redis {
    pub(super) fn new(url: RedisUrl, differ: Duration) -> Redis {
        Redis {
            url,
            nodes: Nodes::new(differ),
            has_joined: Notify::new(),
            joined: AtomicBool::new(false),
            work: Mutex::default(),
            more: Notify::new(),
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined.load(Ordering::SeqCst)
    }

    /// Has a commit sent to the other nodes, if that is possible soon.
    pub(super) fn offer(&self, committed: Committed, counts: &Counts) {
        let mut work = self.work();
        if self.is_joined() && work.committed.len() < QUEUE {
            work.committed.push(committed);
            drop(work);
            self.more.notify_one();
        } else {
            counts.not_carried.add(committed.events.len());
        }
    }

    /// Has a signal sent to the other nodes, if that is possible soon.
    pub(super) fn offer_signal(&self, signal: &Signal) {
        let mut work = self.work();
        if self.is_joined() && work.signals.len() < QUEUE {
            work.signals.push(serde_json::to_vec(signal).unwrap_or_default());
            drop(work);
            self.more.notify_one();
        }
    }

    /// Has the subscription to a conversation begun, or ended if nobody follows it any more.
    pub(super) fn follow(&self, conversation: ConversationId) {
        self.work().changed.insert(conversation);
        self.more.notify_one();
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does what [`Redis`] is asked for.
pub(super) struct Carrier<'a, R> {
    fanout: &'a Arc<Fanout>,
    redis: &'a Redis,
    /// Names this node until it stops.
    node: Uuid,
    /// The content in force.
    revision: R,
    limits: Option<Arc<Limits>>,
    subscribed: HashSet<ConversationId>,
    next_beat: Instant,
}

impl<'a, R: Fn() -> Arc<str>> Carrier<'a, R> {
    pub(super) fn new(
        fanout: &'a Arc<Fanout>,
        redis: &'a Redis,
        revision: R,
        limits: Option<Arc<Limits>>,
    ) -> Carrier<'a, R> {
        let (node, subscribed) = (Uuid::new_v4(), HashSet::new());
        Carrier { fanout, redis, node, revision, limits, subscribed, next_beat: Instant::now() }
    }

    /// Connects, and connects again, until `stop`.
    pub(super) async fn run(mut self, stop: &CancellationToken) {
        let carrying = async {
            let mut pause = FIRST_PAUSE;
            let mut told = false;
            loop {
                let Err(error) = self.session(&mut told).await;
                if self.redis.joined.swap(false, Ordering::SeqCst) {
                    pause = FIRST_PAUSE;
                    self.fanout.local.counts.redis_lost.add(1);
                }
                self.fanout.local.deaf();
                self.subscribed.clear();
                if !told {
                    told = true;
                    tracing::warn!(
                        redis = %self.redis.url, %error,
                        "Redis is away: this node runs alone, events of other nodes are read from the store"
                    );
                }
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        };
        stop.run_until_cancelled(carrying).await;
        self.redis.joined.store(false, Ordering::SeqCst);
        self.fanout.local.deaf();
    }

    /// One connection, from its beginning to its end.
    async fn session(&mut self, told: &mut bool) -> Result<Infallible, RedisError> {
        let lost = CancellationToken::new();
        let mut link = {
            let (fanout, node, limits) = (self.fanout.clone(), node_name(self.node), self.limits.clone());
            let (ears, lost) = (Ears { fanout, node, limits }, lost.clone());
            let hear = move |push: PushInfo| -> Result<(), Infallible> {
                match push.kind {
                    PushKind::Message => ears.hear(&push.data),
                    PushKind::Disconnection => lost.cancel(),
                    _ => {}
                }
                Ok(())
            };
            let connecting = timeout(2 * PATIENCE, self.redis.url.connect(PATIENCE, hear));
            connecting.await.unwrap_or_else(|_| Err(timed_out()))?
        };
        link.subscribe(vec![NODES, LIMITS, SIGNALS]).await?;
        let followed = self.fanout.local.conversations();
        self.subscribe(&mut link, followed).await?;
        // What was followed meanwhile is in `changed`, and whoever reads a log from now on waits for that.
        self.redis.joined.store(true, Ordering::SeqCst);
        // What was lost while nobody listened is found at once.
        self.redis.has_joined.notify_one();
        if std::mem::take(told) {
            tracing::info!(redis = %self.redis.url, "Redis is back, this node has joined the others again");
        }
        self.next_beat = Instant::now();
        loop {
            let work = std::mem::take(&mut *self.redis.work());
            if !work.changed.is_empty() {
                self.change(&mut link, work.changed).await?;
            }
            for some in work.committed.chunks(PIPELINE) {
                self.publish(&mut link, some).await?;
            }
            for some in work.signals.chunks(PIPELINE) {
                self.tell(&mut link, some).await?;
            }
            if self.next_beat <= Instant::now() {
                self.beat(&mut link).await?;
            }
            tokio::select! {
                () = self.redis.more.notified() => {}
                () = sleep_until(self.next_beat) => {}
                () = lost.cancelled() => return Err(RedisError::from((redis::ErrorKind::Io, "the connection ended"))),
            }
        }
    }

    /// Subscribes to conversations that are followed now and unsubscribes from those that are not any more.
    async fn change(
        &mut self,
        link: &mut MultiplexedConnection,
        changed: HashSet<ConversationId>,
    ) -> Result<(), RedisError> {
        let local = &self.fanout.local;
        let (followed, left): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|conversation| local.followers(*conversation) > 0);
        let left: Vec<_> = left.into_iter().filter(|conversation| self.subscribed.remove(conversation)).collect();
        for some in left.chunks(PIPELINE) {
            link.unsubscribe(channels(some)).await?;
        }
        self.subscribe(link, followed).await
    }

    async fn subscribe(
        &mut self,
        link: &mut MultiplexedConnection,
        conversations: Vec<ConversationId>,
    ) -> Result<(), RedisError> {
        let new: Vec<_> =
            conversations.iter().copied().filter(|conversation| self.subscribed.insert(*conversation)).collect();
        for some in new.chunks(PIPELINE) {
            link.subscribe(channels(some)).await?;
        }
        self.fanout.local.heard(&conversations);
        Ok(())
    }

    async fn publish(&self, link: &mut MultiplexedConnection, committed: &[Committed]) -> Result<(), RedisError> {
        let counts = &self.fanout.local.counts;
        let mut pipeline = redis::Pipeline::with_capacity(committed.len());
        let mut events = 0;
        for Committed { conversation, events: some, .. } in committed {
            let mut message = node_name(self.node);
            let told: Vec<_> = some.iter().map(|event| event.told()).collect();
            // Only maps with keys that are no strings could fail here, and there are none.
            if serde_json::to_writer(&mut message, &told).is_ok() {
                pipeline.cmd("PUBLISH").arg(channel(*conversation)).arg(message).ignore();
                events += some.len();
            }
        }
        let sent = pipeline.exec_async(link).await;
        if sent.is_ok() {
            counts.carried.add(events)
        } else {
            counts.not_carried.add(events)
        }
        sent
    }

    async fn tell(&self, link: &mut MultiplexedConnection, signals: &[Vec<u8>]) -> Result<(), RedisError> {
        let mut pipeline = redis::Pipeline::with_capacity(signals.len());
        for signal in signals {
            pipeline.cmd("PUBLISH").arg(SIGNALS).arg([&node_name(self.node), &signal[..]].concat()).ignore();
        }
        pipeline.exec_async(link).await
    }

    /// Says that this node is there. The answer tells whether Redis is.
    async fn beat(&mut self, link: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.next_beat = Instant::now() + BEAT;
        let revision = (self.revision)();
        self.redis.nodes.compare(&revision);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let announcement = Announcement { node: self.node, revision, version };
        let message = serde_json::to_vec(&announcement).unwrap_or_default();
        let mut pipeline = redis::Pipeline::with_capacity(2);
        pipeline.cmd("PUBLISH").arg(NODES).arg(message).ignore();
        if let Some(told) = self.limits.as_ref().and_then(|limits| limits.told()) {
            let message = [node_name(self.node), told].concat();
            pipeline.cmd("PUBLISH").arg(LIMITS).arg(message).ignore();
        }
        pipeline.exec_async(link).await
    }
}

/// Takes what comes from Redis. It runs on the connection's own task and waits for nobody.
struct Ears {
    fanout: Arc<Fanout>,
    /// What this node's own messages start with.
    node: Vec<u8>,
    limits: Option<Arc<Limits>>,
}

impl Ears {
    fn hear(&self, data: &[Value]) {
        let [Value::BulkString(channel), Value::BulkString(message)] = data else { return };
        let channel = std::str::from_utf8(channel).unwrap_or_default();
        if channel == NODES {
            let announced = serde_json::from_slice::<Announcement>(message);
            if let (Ok(announcement), Some(redis)) = (announced, &self.fanout.redis)
                && node_name(announcement.node) != self.node
            {
                redis.nodes.hear(announcement);
            }
            return;
        }
        let Some((node, events)) = message.split_at_checked(self.node.len()) else { return };
        if node == self.node {
            return;
        }
        if channel == LIMITS {
            if let Some(limits) = &self.limits {
                limits.hear(events);
                self.fanout.local.counts.limits_heard.add(1);
            }
            return;
        }
        if channel == SIGNALS {
            // What a newer version tells is of no use here.
            if let Ok(signal) = serde_json::from_slice(events) {
                self.fanout.signals.hear(signal);
            }
            return;
        }
        let conversation = channel.strip_prefix(CONVERSATION).and_then(|id| Uuid::try_parse(id).ok());
        let Some(conversation) = conversation.map(ConversationId) else { return };
        match serde_json::from_slice::<Vec<Arc<Event>>>(events) {
            Ok(events) => {
                self.fanout.local.counts.received.add(events.len());
                self.fanout.take(conversation, &events);
            }
            // A newer version's: the store has it in a form in which it can be skipped.
            Err(_) => {
                let ends = serde_json::from_slice::<Vec<End>>(events).unwrap_or_default();
                if let Some(End { seq }) = ends.last() {
                    self.fanout.ends_at(conversation, *seq);
                }
            }
        }
    }
}

/// What every version writes of an event.
#[derive(Deserialize)]
struct End {
    seq: Seq,
}

fn channel(conversation: ConversationId) -> String {
    format!("{CONVERSATION}{}", conversation.0.simple())
}

fn channels(conversations: &[ConversationId]) -> Vec<String> {
    conversations.iter().copied().map(channel).collect()
}

fn node_name(node: Uuid) -> Vec<u8> {
    node.simple().to_string().into_bytes()
}

fn timed_out() -> RedisError {
    RedisError::from((redis::ErrorKind::Io, "no answer in time"))
}
