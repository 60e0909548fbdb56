//! What several nodes cost: the CPU that Redis adds to a message, and the hop from node to node next to a ping.

use std::sync::Arc;
use std::time::{Duration, Instant};

use purser::conversation::{Author, ConversationId, Event, EventId, Kind, Meta, Seq};
use purser::fanout::{Fanout, Pace, Reach};
use purser::store::{Committed, Store};
use tokio_util::sync::CancellationToken;

use super::load;
use super::report::Report;
use super::server::{Home, MariaDb, Redis, cpu};

const CONNECTIONS: usize = 50;
const UNMEASURED: Duration = Duration::from_millis(1_500);
const MEASURED: Duration = Duration::from_secs(8);
/// Hops and pings, taken in turn.
const HOPS: usize = 3_000;
/// How many pings a hop may take.
const HOP_GOAL: f64 = 3.0;

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("starting MariaDB and Redis");
    let (maria, redis) = (MariaDb::start().await?, Redis::start().await?);
    let questions = load::questions();
    let mut rows = Vec::new();
    let mut before = 0.0;
    // Twice in turn, since the machine is not always equally busy.
    for turn in 0..2 {
        for with in [None, Some(&redis)] {
            let name = if with.is_some() { "with Redis" } else { "without" };
            report.note(&format!("{CONNECTIONS} connections, {name}"));
            let home = Home::new()?;
            let database = format!("nodes_{turn}_{}", name.split(' ').next().unwrap_or_default());
            maria.create(&database).await?;
            let purser = home.node(&maria.url(&database), with)?;
            let mut clients = load::open(purser.port, CONNECTIONS, None).await?;
            let used = || Ok((cpu(purser.pid())?, cpu(redis.pid())?));
            let (run, start, end) = load::run(&mut clients, &questions, UNMEASURED, MEASURED, used).await?;
            purser.stop()?;
            let each = |used: f64| used / run.counted.max(1) as f64;
            let (own, of_redis) = (each(end.0 - start.0), each(end.1 - start.1));
            let added = match with {
                Some(_) => format!("{:+.1} µs, {:+.0} %", own - before, (own / before - 1.0) * 100.0),
                None => String::new(),
            };
            before = own;
            rows.push(vec![
                name.to_owned(),
                format!("{:.0}", run.rate()),
                format!("{own:.1}"),
                format!("{of_redis:.1}"),
                added,
            ]);
        }
    }
    report.print(
        "One node of several: what Redis adds to a message, 50 connections on MariaDB",
        &["", "a second", "µs of purser", "µs of Redis", "added to purser"],
        &rows,
    );
    hops(report, &redis).await
}

/// From the publication on one node to the follower on another, and to Redis and back.
async fn hops(report: &mut Report, redis: &Redis) -> anyhow::Result<()> {
    report.note("hops");
    let store = Store::open(&"sqlite::memory:".parse()?, |_| ()).await?;
    let stop = CancellationToken::new();
    let nodes = [(); 2].map(|()| {
        let node = Fanout::with(64, redis.url().parse().ok(), Pace::default());
        tokio::spawn(node.clone().run(store.clone(), || Arc::from("bench"), None, stop.clone()));
        node
    });
    while nodes.iter().any(|node| node.reach() != Reach::Joined) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let conversation = ConversationId::new();
    let mut follower = nodes[1].subscribe(conversation);
    follower.heard().await;
    follower.starts_at(0);
    let mut link = redis.connect().await?;
    let (mut hops, mut pings) = (Vec::with_capacity(HOPS), Vec::with_capacity(HOPS));
    for number in 0..HOPS {
        let events = [1, 2].map(|place| Arc::new(event(2 * number as Seq + place)));
        let begin = Instant::now();
        nodes[0].publish(Committed { conversation, events: events.to_vec(), attended: false });
        for _ in 0..events.len() {
            anyhow::ensure!(follower.next().await.is_some(), "the follower was cut off");
        }
        hops.push(begin.elapsed());
        let begin = Instant::now();
        redis::cmd("PING").exec_async(&mut link).await?;
        pings.push(begin.elapsed());
    }
    stop.cancel();
    let [hop, ping] = [&mut hops, &mut pings].map(|times| {
        times.sort_unstable();
        times[HOPS / 2].as_secs_f64() * 1e6
    });
    let [ratio, goal] = report.at_most("pings a hop", hop / ping, HOP_GOAL, 2);
    let row = vec![format!("{hop:.0}"), format!("{ping:.0}"), ratio, goal];
    report.print("From node to node, middle of 3,000", &["µs a hop", "µs a ping", "pings a hop", "goal"], &[row]);
    Ok(())
}

fn event(seq: Seq) -> Event {
    Event {
        id: EventId::new(),
        seq,
        at: 1_750_000_000_000,
        kind: Kind::Message,
        author: Author::Visitor,
        body: "how much does it cost to send a parcel to France?".into(),
        client_id: Some(EventId::new().to_string().into()),
        provenance: None,
        meta: Meta::default(),
    }
}
