//! Two nodes on one MariaDB, with Redis between them and without.

use std::sync::atomic::Ordering;
use std::time::Duration;

use purser::clock::Clock;
use purser::conversation::{Author, ConversationId, Decision, Event, Status};
use purser::fanout::{Pace, Reach};
use serde_json::{Value, json};
use sqlx::{Executor, Row};

use crate::harness::{Setup, Slow, TestDatabase, TestPurser, Visitor, until, within};
use crate::servers;

macro_rules! on_two_nodes {
    ($($name:ident;)*) => { $(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_redis() {
                if let Some(site) = super::Site::new(true).await {
                    super::$name(&site).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn without_redis() {
                if let Some(site) = super::Site::new(false).await {
                    super::$name(&site).await;
                }
            }
        }
    )* };
}

on_two_nodes! {
    everybody_sees_the_same_in_the_same_order;
    the_plain_tabs_of_a_browser_hear_the_same;
    a_message_said_on_both_nodes_at_once_is_stored_once;
    a_first_message_said_on_both_nodes_at_once_is_stored_once;
    a_first_message_that_goes_elsewhere_is_stored_once;
    a_first_message_that_went_elsewhere_is_known_after_a_close;
    a_message_is_known_on_the_other_node_also_after_a_close;
    a_message_is_known_also_in_a_later_conversation;
    an_old_node_goes_on_beside_a_newer_one;
    a_head_that_is_out_of_date_costs_one_more_try;
    a_slow_answer_stays_with_the_node_that_is_at_it;
    of_two_nodes_one_takes_up_what_is_due;
}

/// What the two nodes share.
struct Site {
    database: TestDatabase,
    redis: Option<String>,
}

impl Site {
    async fn new(with_redis: bool) -> Option<Site> {
        let database = TestDatabase::mariadb().await?;
        let redis = if with_redis {
            let server = tokio::task::spawn_blocking(servers::redis).await.expect("no panic")?;
            Some(server.url(server.port()))
        } else {
            None
        };
        Some(Site { database, redis })
    }

    fn setup(&self) -> Setup<'_> {
        let redis = self.redis.as_ref().map(|url| url.parse().expect("an address"));
        // Without Redis the rounds are what is tried; with it, they must not be what makes a test pass.
        let round = if redis.is_some() { Duration::from_secs(600) } else { Duration::from_millis(100) };
        let pace = Pace { round, gap: Duration::from_millis(20), ..Pace::default() };
        Setup::on(&self.database).pace(pace).change(move |config| config.redis = redis)
    }

    async fn start(&self, setup: Setup<'_>) -> TestPurser {
        let purser = setup.start().await;
        if self.redis.is_some() {
            until("Redis", async || (purser.fanout.reach() == Reach::Joined).then_some(())).await;
        }
        purser
    }

    async fn two(&self) -> [TestPurser; 2] {
        [self.start(self.setup()).await, self.start(self.setup()).await]
    }
}

async fn stop(nodes: [TestPurser; 2]) {
    for node in nodes {
        node.stop().await;
    }
}

async fn log(purser: &TestPurser, visitor: &Visitor) -> Vec<std::sync::Arc<Event>> {
    purser.store.events_after(ConversationId(visitor.conversation), 0, 1_000).await.expect("a log")
}

/// The conversation is over; there is no other way to that yet than the log itself.
pub async fn close(purser: &TestPurser, visitor: &Visitor) {
    let id = ConversationId(visitor.conversation);
    until("a close", async || {
        let head = purser.store.conversation(id).await.expect("a read").expect("a conversation");
        let last = purser.store.events_after(id, head.last_seq - 1, 1).await.expect("a read").remove(0);
        let mut event = Event { id: purser::conversation::EventId::new(), ..(*last).clone() };
        event.seq += 1;
        (event.author, event.client_id) = (Author::System, None);
        let mut next = head.clone();
        (next.last_seq, next.status, next.wake_at) = (event.seq, Status::Closed, None);
        let decision = Decision {
            expected_seq: head.last_seq,
            events: vec![event.into()],
            next: next.into(),
            copied: false,
            goes_on: None,
        };
        purser.store.append(decision).await.ok()
    })
    .await;
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().filter_map(|event| event["seq"].as_u64()).collect()
}

async fn everybody_sees_the_same_in_the_same_order(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let mut tabs = Vec::new();
    for node in [0, 1, 0, 1] {
        tabs.push(nodes[node].visit(&visitor, 0).await);
    }
    // All of them at once, over and over.
    for turn in 0..8 {
        for (number, tab) in tabs.iter_mut().enumerate() {
            tab.say(&format!("m{turn}-{number}"), "how much does it cost").await;
        }
    }
    let mut seen = Vec::new();
    for tab in &mut tabs {
        for _ in 0..8 {
            tab.hear("ack").await;
        }
        seen.push(tab.events_to(64).await);
    }
    for events in &seen {
        assert_eq!(seqs(events), (1..=64).collect::<Vec<_>>());
        assert_eq!(events, &seen[0]);
    }
    let stored: Vec<_> = log(&nodes[0], &visitor).await.iter().map(|event| json!(event.id)).collect();
    assert_eq!(stored, seen[0].iter().map(|event| event["id"].clone()).collect::<Vec<_>>());
    stop(nodes).await;
}

async fn the_plain_tabs_of_a_browser_hear_the_same(site: &Site) {
    let nodes = site.two().await;
    let mut first = nodes[0].plain(None).await;
    let cookie = first.cookie.clone().expect("a session");
    let mut second = nodes[1].plain(Some(&cookie)).await;
    // A plain tab hears what is new after it has come, perhaps this answer; its own shows that it has.
    first.say("saturday delivery").await;
    let saturday = first.hear().await;
    second.say("how much does it cost").await;
    let cost = "<p>From £3.49.</p>";
    let heard = second.hear().await;
    assert!(heard == cost || (heard == saturday && second.hear().await == cost), "{heard}");
    assert_eq!(first.hear().await, cost);
    first.say("saturday delivery").await;
    assert_eq!(first.hear().await, saturday);
    assert_eq!(second.hear().await, saturday);
    stop(nodes).await;
}

async fn a_message_said_on_both_nodes_at_once_is_stored_once(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let mut tabs = [nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await];
    for turn in 0..11 {
        let id = format!("m{turn}");
        let [one, two] = &mut tabs;
        tokio::join!(one.say(&id, "saturday delivery"), two.say(&id, "saturday delivery"));
        assert_eq!(one.hear("ack").await, two.hear("ack").await);
    }
    assert_eq!(log(&nodes[0], &visitor).await.len(), 22);
    for tab in &mut tabs {
        assert_eq!(seqs(&tab.events_to(22).await), (1..=22).collect::<Vec<_>>());
    }
    stop(nodes).await;
}

async fn a_first_message_said_on_both_nodes_at_once_is_stored_once(site: &Site) {
    let nodes = site.two().await;
    for _ in 0..5 {
        let visitor = Visitor::new();
        let (mut one, mut two) = (nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await);
        tokio::join!(one.say("the-first", "saturday delivery"), two.say("the-first", "saturday delivery"));
        let acks = [one.hear("ack").await, two.hear("ack").await];
        assert_eq!(acks[0], acks[1]);
        assert_eq!(acks[0]["seq"], 1);
        for tab in [&mut one, &mut two] {
            assert_eq!(seqs(&tab.events_to(2).await), [1, 2]);
        }
        assert_eq!(log(&nodes[1], &visitor).await.len(), 2);
    }
    stop(nodes).await;
}

async fn a_first_message_that_goes_elsewhere_is_stored_once(site: &Site) {
    let nodes = site.two().await;
    for _ in 0..5 {
        // Two tabs are about to begin a conversation, when a third one has begun another.
        let visitor = Visitor::new();
        let (mut one, mut two) = (nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await);
        let open = Visitor { token: visitor.token.clone(), ..Visitor::new() };
        let mut third = nodes[0].visit(&open, 0).await;
        third.ask("n1", "how much does it cost").await;
        tokio::join!(one.say("the-first", "saturday delivery"), two.say("the-first", "saturday delivery"));
        let acks = [one.hear("ack").await, two.hear("ack").await];
        assert_eq!(acks[0], acks[1]);
        assert_eq!((&acks[0]["conversation"], &acks[0]["seq"]), (&json!(open.conversation), &json!(3)));
        for tab in [&mut one, &mut two] {
            assert_eq!(
                tab.hear_where("the other", |frame| frame["conversation"] == json!(open.conversation)
                    && frame["type"] == "welcome")
                    .await["seq"]
                    .as_u64()
                    .map(|seq| seq >= 3),
                Some(true)
            );
        }
        let stored = log(&nodes[1], &open).await;
        let authors: Vec<Author> = stored.iter().map(|event| event.author).collect();
        assert_eq!(authors, [Author::Visitor, Author::Bot, Author::Visitor, Author::Bot]);
        assert_eq!(log(&nodes[0], &visitor).await.len(), 0);
    }
    stop(nodes).await;
}

async fn a_first_message_that_went_elsewhere_is_known_after_a_close(site: &Site) {
    let nodes = site.two().await;
    for begins_another in [false, true] {
        let visitor = Visitor::new();
        let another = || Visitor { token: visitor.token.clone(), ..Visitor::new() };
        let open = another();
        let mut tab = nodes[0].visit(&visitor, 0).await;
        nodes[0].visit(&open, 0).await.ask("n1", "how much does it cost").await;
        tab.say("the-first", "saturday delivery").await;
        let ack = tab.hear("ack").await;
        assert_eq!(ack["conversation"], json!(open.conversation));
        // Say that the tab did not hear that, and comes back when that conversation is closed.
        close(&nodes[0], &open).await;
        if begins_another {
            nodes[1].visit(&another(), 0).await.ask("n2", "how much does it cost").await;
        }
        let mut back = nodes[1].visit(&visitor, 0).await;
        let say = json!({ "type": "say", "client_id": "the-first", "text": "saturday delivery",
                          "conversation": visitor.conversation });
        back.send(say).await;
        assert_eq!(back.hear("ack").await, ack);
        assert_eq!(log(&nodes[0], &visitor).await.len(), 0);
        let stored = log(&nodes[0], &open).await;
        assert_eq!(stored.iter().filter(|event| &*event.body == "saturday delivery").count(), 1);
    }
    stop(nodes).await;
}

async fn a_message_is_known_on_the_other_node_also_after_a_close(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let mut customer = nodes[0].visit(&visitor, 0).await;
    let (ack, _) = customer.ask("m1", "saturday delivery").await;
    close(&nodes[0], &visitor).await;
    let mut back = nodes[1].visit(&visitor, 0).await;
    back.say("m1", "saturday delivery").await;
    assert_eq!(back.hear("ack").await, ack);
    let stored = log(&nodes[1], &visitor).await;
    assert_eq!(stored.len(), 3, "nothing was stored, and nothing reopened");
    // The next one is new.
    let (ack, _) = back.ask("m2", "saturday delivery").await;
    assert_eq!(ack["seq"], 5, "after the reopening");
    stop(nodes).await;
}

async fn a_message_is_known_also_in_a_later_conversation(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let mut customer = nodes[0].visit(&visitor, 0).await;
    let (ack, _) = customer.ask("m1", "saturday delivery").await;
    close(&nodes[0], &visitor).await;
    // Another tab begins a new conversation, and the first one never got its acknowledgement.
    let later = Visitor { token: visitor.token.clone(), ..Visitor::new() };
    let mut other = nodes[0].visit(&later, 0).await;
    other.ask("n1", "how much does it cost").await;
    let mut back = nodes[1].typed().await;
    let welcome = back.hello(&visitor, 0).await;
    assert_eq!(welcome["conversation"], json!(later.conversation));
    let again = |id: &str| json!({ "type": "say", "client_id": id, "text": "saturday delivery", "conversation": visitor.conversation });
    back.send(again("m1")).await;
    assert_eq!(back.hear("ack").await, ack);
    // One that never arrived is said where the visitor is now.
    back.send(again("m2")).await;
    let ack = back.hear("ack").await;
    assert_eq!((&ack["conversation"], &ack["seq"]), (&json!(later.conversation), &json!(3)));
    assert_eq!(log(&nodes[0], &visitor).await.len(), 3);
    stop(nodes).await;
}

/// An upgrade in the middle: a newer node has changed the tables, and older ones run on and start again.
async fn an_old_node_goes_on_beside_a_newer_one(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let (mut one, mut two) = (nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await);
    one.ask("m1", "saturday delivery").await;
    two.ask("m2", "saturday delivery").await;
    let (server, name) = site.database.on_server().expect("MariaDB");
    let mut newer = server.connect(name).await;
    for change in [
        "ALTER TABLE conversations ADD COLUMN from_the_future VARCHAR(20)",
        "ALTER TABLE events ADD COLUMN from_the_future VARCHAR(20)",
        "CREATE TABLE of_the_future (id BIGINT PRIMARY KEY)",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'from the future', 1, 'x', 1)",
    ] {
        newer.execute(change).await.expect(change);
    }
    newer.execute("UPDATE conversations SET from_the_future = 'newer'").await.expect("a newer node writes");
    let (ack, _) = one.ask("m3", "saturday delivery").await;
    assert_eq!(ack["seq"], 5);
    two.ask("m4", "saturday delivery").await;
    let again = site.start(site.setup()).await;
    let mut three = again.visit(&visitor, 0).await;
    three.ask("m5", "saturday delivery").await;
    assert_eq!(seqs(&two.events_to(9).await).last(), Some(&9));
    let kept = newer.fetch_one("SELECT from_the_future FROM conversations").await.expect("a row");
    assert_eq!(kept.get::<Option<String>, _>(0).as_deref(), Some("newer"), "what it does not know stays");
    again.stop().await;
    stop(nodes).await;
}

async fn a_head_that_is_out_of_date_costs_one_more_try(site: &Site) {
    let nodes = site.two().await;
    let visitor = Visitor::new();
    let (mut one, mut two) = (nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await);
    one.ask("m1", "saturday delivery").await;
    let conflicts = || nodes.each_ref().map(|node| node.desk.conflicts());
    let before = conflicts();
    two.ask("m2", "saturday delivery").await;
    two.ask("m3", "saturday delivery").await;
    let (ack, _) = one.ask("m4", "saturday delivery").await;
    assert_eq!(ack["seq"], 7);
    one.ask("m5", "saturday delivery").await;
    let after = conflicts();
    // The other node had its head from before the first message, or from after it.
    assert!(after[1] - before[1] <= 1);
    assert_eq!(after[0] - before[0], 1);
    stop(nodes).await;
}

async fn a_slow_answer_stays_with_the_node_that_is_at_it(site: &Site) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { return };
    let slow = [Slow::new(), Slow::new()];
    let nodes = [
        site.start(site.setup().clock(&clock).first(slow[0].clone())).await,
        site.start(site.setup().clock(&clock).first(slow[1].clone())).await,
    ];
    let visitor = Visitor::new();
    let mut customer = nodes[0].visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    slow[0].was_asked().await;
    let id = ConversationId(visitor.conversation);
    let due = async || nodes[0].store.conversation(id).await.expect("a read").and_then(|head| head.wake_at);
    // The node says again and again that it is at it, and the question is never due.
    for _ in 0..2 {
        let before = due().await.expect("it is pending");
        now.fetch_add(3_000, Ordering::SeqCst);
        until("a sign of the node", async || due().await.filter(|now| *now == before + 3_000)).await;
        nodes[1].desk.wake_due().await.expect("the store");
    }
    assert_eq!(slow[1].asked.available_permits(), 0);
    slow[0].release();
    let answer = customer.hear_where("the answer", |frame| frame["question"] == 1).await;
    assert_eq!(answer["text"], "slow answer to slow one");
    assert_eq!(due().await, None);
    stop(nodes).await;
}

async fn of_two_nodes_one_takes_up_what_is_due(site: &Site) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { return };
    let stuck = Slow::new();
    let setup = site.setup().clock(&clock).first(stuck.clone());
    let setup = setup.change(|config| config.limits.stop_seconds = 1);
    let dying = site.start(setup).await;
    let mut visitors = Vec::new();
    for _ in 0..10 {
        let visitor = Visitor::new();
        let mut customer = dying.visit(&visitor, 0).await;
        customer.say("m1", "slow one").await;
        customer.hear("ack").await;
        visitors.push(visitor);
    }
    dying.stop().await;

    let slow = Slow::new();
    let setup = || site.setup().clock(&clock).first(slow.clone());
    let nodes = [site.start(setup()).await, site.start(setup()).await];
    now.fetch_add(10_000, Ordering::SeqCst);
    let (one, two) = tokio::join!(nodes[0].desk.wake_due(), nodes[1].desk.wake_due());
    assert_eq!((one, two), (Ok(()), Ok(())));
    for _ in 0..10 {
        slow.was_asked().await;
        slow.release();
    }
    for visitor in &visitors {
        until("the answer", async || (log(&nodes[0], visitor).await.len() == 2).then_some(())).await;
    }
    assert_eq!(slow.asked.available_permits(), 0, "each was asked once");
    stop(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_runs_alone_says_so_and_misses_nothing() {
    let Some(mut site) = Site::new(true).await else { return };
    let mut redis = tokio::task::spawn_blocking(servers::Redis::start).await.expect("no panic").expect("another one");
    site.redis = Some(redis.url(redis.port()));
    let pace = Pace { round: Duration::from_millis(100), ..Pace::default() };
    let nodes = [site.start(site.setup().pace(pace)).await, site.start(site.setup().pace(pace)).await];
    let visitor = Visitor::new();
    let (mut here, mut there) = (nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await);
    here.ask("m1", "saturday delivery").await;
    assert_eq!(seqs(&there.events_to(2).await), [1, 2]);
    redis.crash();
    here.ask("m2", "saturday delivery").await;
    assert_eq!(seqs(&there.events_to(4).await), [3, 4]);
    for node in &nodes {
        until("the node to notice", async || (node.fanout.reach() == Reach::Alone).then_some(())).await;
    }
    // Whoever comes meanwhile need not wait for Redis.
    let mut late = within("a welcome", nodes[1].visit(&visitor, 2)).await;
    assert_eq!(seqs(&late.events_to(4).await), [3, 4]);
    there.ask("m3", "saturday delivery").await;
    redis.run().expect("it starts again");
    for node in &nodes {
        until("the node to be back", async || (node.fanout.reach() == Reach::Joined).then_some(())).await;
    }
    there.ask("m4", "saturday delivery").await;
    // Its own answers, 2 and 4, it has waited for.
    assert_eq!(seqs(&here.events_to(8).await), [1, 3, 5, 6, 7, 8]);
    assert_eq!(seqs(&late.events_to(8).await), (5..=8).collect::<Vec<_>>());
    stop(nodes).await;
}
