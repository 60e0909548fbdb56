//! What the fan-out promises, tried within one node and between two that Redis connects; then with things that break.

use std::sync::Arc;
use std::time::Duration;

use purser::conversation::*;
use purser::fanout::{Fanout, Pace, Reach, RedisUrl, Subscription};
use purser::store::{Committed, Store};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{until, within};
use crate::proxy::Proxy;
use crate::servers::{self, Redis, TestDatabase};

/// Two nodes on one store, or the same one twice.
struct Nodes {
    here: Arc<Fanout>,
    there: Arc<Fanout>,
    store: Store,
    _database: TestDatabase,
    _stop: DropGuard,
}

/// Nothing heals by itself within a test, unless it is about that.
const NEVER: Duration = Duration::from_secs(3600);
const STILL: Pace = Pace { gap: NEVER, round: NEVER, differ: NEVER };
const QUEUE: usize = 8;

impl Nodes {
    async fn of_one() -> Nodes {
        Nodes::start(&[None], STILL).await
    }

    async fn by_redis() -> Option<Nodes> {
        let redis = tokio::task::spawn_blocking(servers::redis).await.expect("no panic")?;
        Some(Nodes::at(&redis.url(redis.port()), STILL).await)
    }

    /// Two nodes, connected by the Redis at this address.
    async fn at(url: &str, pace: Pace) -> Nodes {
        let nodes = Nodes::start(&[Some(url), Some(url)], pace).await;
        nodes.joined().await;
        nodes
    }

    async fn start(urls: &[Option<&str>], pace: Pace) -> Nodes {
        let database = TestDatabase::sqlite();
        let store = Store::open(&database.url().parse().expect("an address"), |_| ()).await.expect("a store");
        let stop = CancellationToken::new();
        let mut nodes = Vec::new();
        for (number, url) in urls.iter().enumerate() {
            let redis = url.map(|url| url.parse::<RedisUrl>().expect("an address"));
            let node = Fanout::with(QUEUE, redis, pace);
            let revision = move || Arc::from(format!("revision-{number}"));
            tokio::spawn(node.clone().run(store.clone(), revision, None, stop.clone()));
            nodes.push(node);
        }
        let (here, there) = (nodes[0].clone(), nodes[nodes.len() - 1].clone());
        Nodes { here, there, store, _database: database, _stop: stop.drop_guard() }
    }

    async fn joined(&self) {
        for node in [&self.here, &self.there] {
            reaches(node, Reach::Joined).await;
        }
    }
}

async fn reaches(node: &Fanout, reach: Reach) {
    until("the nodes", async || (node.reach() == reach).then_some(())).await;
}

/// Follows at this node; whatever is published from now on comes.
async fn follow(node: &Arc<Fanout>, conversation: ConversationId) -> Subscription {
    let subscription = node.subscribe(conversation);
    within("the ears", subscription.heard()).await;
    subscription
}

/// Events that nothing else is known of.
fn committed(conversation: ConversationId, seqs: std::ops::RangeInclusive<Seq>) -> Committed {
    let event = |seq| Event {
        id: EventId::new(),
        seq,
        at: 1_750_000_000_000,
        kind: Kind::Message,
        author: Author::Bot,
        body: format!("Nr. {seq} 😀 \"\\\n").into(),
        client_id: Some(format!("re:{seq}").into()),
        provenance: Some(Provenance { responder: "faq".into(), entry: None, revision: "r".into(), micros: 3 }),
        meta: Meta { question: Some(seq), ..Meta::default() },
    };
    Committed { conversation, events: seqs.map(|seq| Arc::new(event(seq))).collect(), attended: false }
}

async fn next(subscription: &mut Subscription) -> Arc<Event> {
    within("an event", subscription.next()).await.expect("not cut off")
}

async fn hears(subscription: &mut Subscription, seqs: std::ops::RangeInclusive<Seq>) {
    for seq in seqs {
        assert_eq!(next(subscription).await.seq, seq);
    }
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod within_a_node {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Nodes::of_one().await).await;
            })*
        }
        mod between_nodes {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(nodes) = super::Nodes::by_redis().await {
                    super::$name(nodes).await;
                }
            })*
        }
    };
}

contract!(
    an_event_arrives_as_it_was,
    events_come_in_order_and_once,
    everybody_hears_the_same,
    nobody_hears_other_conversations,
    a_slow_follower_is_cut_off_and_told_so,
    whoever_left_is_forgotten,
);

async fn an_event_arrives_as_it_was(nodes: Nodes) {
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    let published = committed(conversation, 1..=2);
    nodes.here.publish(published.clone());
    for event in published.events {
        assert_eq!(next(&mut follower).await, event);
    }
}

async fn events_come_in_order_and_once(nodes: Nodes) {
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    follower.starts_at(0);
    for seqs in [2..=2, 1..=1, 1..=2, 4..=5, 3..=3, 6..=6] {
        nodes.here.publish(committed(conversation, seqs));
    }
    hears(&mut follower, 1..=6).await;
    assert!(follower.waiting().is_none());
}

async fn everybody_hears_the_same(nodes: Nodes) {
    let conversation = ConversationId::new();
    let mut followers = Vec::new();
    for node in [&nodes.here, &nodes.there, &nodes.here, &nodes.there] {
        followers.push(follow(node, conversation).await);
    }
    nodes.here.publish(committed(conversation, 1..=2));
    for follower in &mut followers {
        hears(follower, 1..=2).await;
    }
    nodes.there.publish(committed(conversation, 3..=3));
    for follower in &mut followers {
        hears(follower, 3..=3).await;
    }
}

async fn nobody_hears_other_conversations(nodes: Nodes) {
    let (one, two) = (ConversationId::new(), ConversationId::new());
    let (mut of_one, mut of_two) = (follow(&nodes.there, one).await, follow(&nodes.there, two).await);
    nodes.here.publish(committed(two, 1..=1));
    nodes.here.publish(committed(ConversationId::new(), 1..=1));
    nodes.here.publish(committed(one, 7..=7));
    hears(&mut of_one, 7..=7).await;
    hears(&mut of_two, 1..=1).await;
    assert!(of_one.waiting().is_none() && of_two.waiting().is_none());
}

async fn a_slow_follower_is_cut_off_and_told_so(nodes: Nodes) {
    let conversation = ConversationId::new();
    let mut slow = follow(&nodes.there, conversation).await;
    let mut quick = follow(&nodes.there, conversation).await;
    for seq in 1..=QUEUE as Seq + 1 {
        nodes.here.publish(committed(conversation, seq..=seq));
        hears(&mut quick, seq..=seq).await;
    }
    hears(&mut slow, 1..=QUEUE as Seq).await;
    assert_eq!(within("the end", slow.next()).await, None);
    assert_eq!(nodes.there.counts().cut_off.get(), 1);
}

async fn whoever_left_is_forgotten(nodes: Nodes) {
    let conversation = ConversationId::new();
    let (first, second) = (follow(&nodes.there, conversation).await, follow(&nodes.there, conversation).await);
    assert_eq!(nodes.there.followers(conversation), 2);
    drop(first);
    assert_eq!(nodes.there.followers(conversation), 1);
    drop(second);
    assert_eq!(nodes.there.followers(conversation), 0);
    // Whoever comes next hears what is new.
    let mut third = follow(&nodes.there, conversation).await;
    nodes.here.publish(committed(conversation, 9..=9));
    hears(&mut third, 9..=9).await;
}

// From here on, things are broken, or Redis itself is looked at.

async fn own_redis() -> Option<Redis> {
    tokio::task::spawn_blocking(servers::redis).await.expect("no panic")?;
    Some(tokio::task::spawn_blocking(Redis::start).await.expect("no panic").expect("another one"))
}

/// The conversations that somebody has subscribed to.
async fn channels(redis: &Redis) -> usize {
    let client = redis::Client::open(redis.url(redis.port())).expect("an address");
    let mut link = client.get_multiplexed_async_connection().await.expect("a connection");
    let channels: Vec<String> =
        redis::cmd("PUBSUB").arg("CHANNELS").arg("purser:c:*").query_async(&mut link).await.expect("a list");
    channels.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_subscribes_to_what_is_followed_on_it() {
    let Some(redis) = own_redis().await else { return };
    let nodes = Nodes::at(&redis.url(redis.port()), STILL).await;
    // However many conversations there are.
    for _ in 0..200 {
        nodes.here.publish(committed(ConversationId::new(), 1..=2));
    }
    assert_eq!(channels(&redis).await, 0);
    let mut followers = Vec::new();
    for _ in 0..40 {
        followers.push(follow(&nodes.there, ConversationId::new()).await);
    }
    assert_eq!(channels(&redis).await, 40);
    followers.truncate(10);
    until("the unsubscriptions", async || (channels(&redis).await == 10).then_some(())).await;
    // Whoever comes back at once is not forgotten.
    let conversation = followers[0].conversation();
    followers.remove(0);
    let mut back = follow(&nodes.there, conversation).await;
    nodes.here.publish(committed(conversation, 1..=1));
    hears(&mut back, 1..=1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_stop_and_come_back() {
    let Some(mut redis) = own_redis().await else { return };
    let nodes = Nodes::at(&redis.url(redis.port()), STILL).await;
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    for turn in 1..=3 {
        redis.crash();
        reaches(&nodes.there, Reach::Alone).await;
        reaches(&nodes.here, Reach::Alone).await;
        // Nobody waits for it, and nothing that is published meanwhile is kept.
        let _other = follow(&nodes.there, ConversationId::new()).await;
        nodes.here.publish(committed(ConversationId::new(), 1..=1));
        redis.run().expect("it starts again");
        nodes.joined().await;
        nodes.here.publish(committed(conversation, turn..=turn));
        hears(&mut follower, turn..=turn).await;
        // It may be heard before Redis has said that it took it.
        until("the count", async || (nodes.here.counts().carried.get() == u64::from(turn)).then_some(())).await;
        assert_eq!(nodes.here.counts().redis_lost.get(), u64::from(turn));
    }
    assert_eq!(nodes.here.counts().not_carried.get(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_says_nothing_is_found_out() {
    let Some(redis) = own_redis().await else { return };
    let proxy = Proxy::to(redis.port()).await;
    let nodes = Nodes::at(&redis.url(proxy.port()), STILL).await;
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    proxy.stall(true);
    reaches(&nodes.there, Reach::Alone).await;
    reaches(&nodes.here, Reach::Alone).await;
    proxy.stall(false);
    nodes.joined().await;
    nodes.here.publish(committed(conversation, 1..=1));
    hears(&mut follower, 1..=1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_does_not_wait_for_redis_and_keeps_a_bounded_amount() {
    let Some(redis) = own_redis().await else { return };
    let proxy = Proxy::to(redis.port()).await;
    let nodes = Nodes::at(&redis.url(proxy.port()), STILL).await;
    proxy.stall(true);
    for _ in 0..20_000 {
        nodes.here.publish(committed(ConversationId::new(), 1..=1));
    }
    assert!(nodes.here.counts().not_carried.get() > 10_000, "they are not kept");
}

/// A store whose commits nobody hears of.
async fn store_silently(store: &Store, head: &Conversation) -> Conversation {
    let said = Said {
        id: EventId::new(),
        client_id: ClientId::new(),
        text: Text::new("hello?").expect("a text"),
        choice: None,
        language: None,
        attachments: Vec::new(),
    };
    let decision = head.say(said, 1_750_000_000_000, 10_000);
    let next = decision.next.clone();
    store.append(decision).await.expect("stored");
    Arc::unwrap_or_clone(next)
}

fn new() -> Conversation {
    Conversation::new(ConversationId::new(), VisitorId(*uuid::Uuid::new_v4().as_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_filled_from_the_store() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let mut head = store_silently(&nodes.store, &new()).await;
    let conversation = head.id;
    let mut follower = follow(&nodes.there, conversation).await;
    follower.starts_at(1);
    for _ in 2..=6 {
        head = store_silently(&nodes.store, &head).await;
    }
    let events = nodes.store.events_after(conversation, 4, 2).await.expect("events");
    nodes.here.publish(Committed { conversation, events, attended: false });
    hears(&mut follower, 2..=6).await;
    assert_eq!(nodes.there.counts().gaps.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_tail_is_found_by_the_next_round() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), round: Duration::from_millis(50), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let head = store_silently(&nodes.store, &new()).await;
    let mut follower = follow(&nodes.there, head.id).await;
    follower.starts_at(1);
    let head = store_silently(&nodes.store, &head).await;
    hears(&mut follower, 2..=2).await;
    store_silently(&nodes.store, &head).await;
    hears(&mut follower, 3..=3).await;
    assert_eq!(nodes.there.counts().healed.get(), 2);
    assert_eq!(nodes.there.counts().gaps.get(), 0);
}

/// Whoever does not say where the log ended hears what comes after the node has looked that up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_is_found_also_for_those_who_read_no_log() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), round: Duration::from_millis(50), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let mut head = store_silently(&nodes.store, &new()).await;
    let mut follower = follow(&nodes.there, head.id).await;
    let heard = loop {
        head = store_silently(&nodes.store, &head).await;
        // Two rounds at least. On a slow machine it is not heard yet, and the next one is.
        if let Ok(event) = tokio::time::timeout(4 * pace.round, follower.next()).await {
            break event.expect("not cut off").seq;
        }
    };
    hears(&mut follower, heard + 1..=head.last_seq).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_back_finds_what_was_missed() {
    let Some(mut redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let head = store_silently(&nodes.store, &new()).await;
    let mut follower = follow(&nodes.there, head.id).await;
    follower.starts_at(1);
    redis.crash();
    reaches(&nodes.there, Reach::Alone).await;
    store_silently(&nodes.store, &head).await;
    redis.run().expect("it starts again");
    hears(&mut follower, 2..=2).await;
}

/// Events of a kind that this version does not know are skipped by the store; they must not stop the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_skips_is_passed_over() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    follower.starts_at(1);
    nodes.here.publish(committed(conversation, 4..=5));
    hears(&mut follower, 4..=5).await;
    nodes.here.publish(committed(conversation, 6..=6));
    hears(&mut follower, 6..=6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_other_content_are_noticed() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { differ: Duration::ZERO, ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    for (node, other) in [(&nodes.here, "revision-1"), (&nodes.there, "revision-0")] {
        let heard = until("the other node", async || node.others().into_iter().find(|other| other.differs)).await;
        assert_eq!(&*heard.revision, other);
        assert_eq!(node.others().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinel_leads_to_the_new_master() {
    let Some(mut master) = own_redis().await else { return };
    let _replica = master.replica().expect("a replica");
    let (_sentinel, url) = master.sentinel().expect("a sentinel");
    let nodes = Nodes::at(&url, STILL).await;
    let conversation = ConversationId::new();
    let mut follower = follow(&nodes.there, conversation).await;
    nodes.here.publish(committed(conversation, 1..=1));
    hears(&mut follower, 1..=1).await;
    master.crash();
    reaches(&nodes.here, Reach::Alone).await;
    nodes.joined().await;
    nodes.here.publish(committed(conversation, 2..=2));
    hears(&mut follower, 2..=2).await;
}

/// The look that is for those who read no log may come between reading and following from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_read_less_than_was_looked_up_gets_the_rest() {
    let Some(redis) = own_redis().await else { return };
    let pace = Pace { gap: Duration::from_millis(1), round: Duration::from_millis(50), ..STILL };
    let nodes = Nodes::at(&redis.url(redis.port()), pace).await;
    let head = store_silently(&nodes.store, &new()).await;
    let head = store_silently(&nodes.store, &head).await;
    let mut follower = follow(&nodes.there, head.id).await;
    // A round looks after all that is followed, and the next one comes when it is through. So with the second one that
    // is heard here the look is over.
    let mut beside = store_silently(&nodes.store, &new()).await;
    let mut witness = follow(&nodes.there, beside.id).await;
    witness.starts_at(1);
    for seq in 2..=3 {
        beside = store_silently(&nodes.store, &beside).await;
        hears(&mut witness, seq..=seq).await;
    }
    follower.starts_at(1);
    hears(&mut follower, 2..=2).await;
}
