//! Take-overs while answers are on their way, on two nodes, thousands of times.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use purser::conversation::{
    AgentId, Author, ClientId, ConversationId, EventId, Kind, Person, Said, Seq, Text, VisitorId,
};
use purser::desk::DeskError;
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use uuid::Uuid;

use crate::harness::{Setup, TestDatabase, TestPurser, until};
use crate::servers;

const TAKE_OVERS: usize = 3_000;
const AT_ONCE: usize = 120;

/// Takes 0 to 500 ms, by chance.
struct ByChance;

/// The last bytes of an id are random.
fn chance(below: u64) -> u64 {
    u64::from_le_bytes(Uuid::new_v4().as_bytes()[8..].try_into().unwrap_or_default()) % below
}

impl Responder for ByChance {
    fn name(&self) -> &str {
        "by-chance"
    }

    fn respond<'a>(&'a self, _: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(chance(500))).await;
            Ok(Answer::Reply(Reply { text: "an answer".into(), ..Reply::default() }))
        })
    }
}

/// What came of one take-over.
struct Taken {
    /// A question was without its answer when the agent came.
    inside: bool,
    /// Answers to what was said before an agent came, stored after it.
    through: usize,
}

async fn take_over(nodes: &[TestPurser; 2], agents: &[Person]) -> Taken {
    let id = ConversationId::new();
    let visitor = VisitorId::of_token(&Uuid::new_v4().to_string());
    let (here, there) = (&nodes[chance(2) as usize], &nodes[chance(2) as usize]);
    let seat = here.desk.seat(id, visitor).await.expect("a seat");
    let said = |text: &str| Said {
        id: EventId::new(),
        client_id: ClientId::new(),
        text: Text::new(text).expect("a text"),
        choice: None,
        language: None,
        attachments: Vec::new(),
    };
    here.desk.say(&seat, said("a question")).await.expect("it is stored");
    tokio::time::sleep(Duration::from_millis(chance(400))).await;
    let agent = &agents[chance(2) as usize];
    match there.desk.take(id, agent).await {
        Ok(()) => {}
        Err(error) => panic!("it cannot be taken: {error}"),
    }
    // While the agent has it, a visitor says more; half of them are given back while the answer is still on its way.
    here.desk.say(&seat, said("another one")).await.expect("it is stored");
    if chance(2) == 0 {
        there.desk.give_back(id, agent).await.expect("it is given back");
    } else {
        let text = Text::new("I am here").expect("a text");
        let reply = purser::conversation::Reply { id: EventId::new(), text, attachments: Vec::new() };
        let reply = there.desk.reply(id, agent, reply).await;
        reply.map_err(|error: DeskError| error.to_string()).expect("the agent says something");
    }
    // No answer takes longer than this; what comes later would be there.
    tokio::time::sleep(Duration::from_millis(600)).await;
    until("the answers to end", async || {
        let pending = here.store.conversation(id).await.expect("a read").is_some_and(|head| head.has_pending());
        (!pending).then_some(())
    })
    .await;
    let log = here.store.events_after(id, 0, 100).await.expect("a log");
    let joined = log.iter().find(|event| event.kind == Kind::Joined).expect("an agent came").seq;
    let answers: Vec<(Seq, Seq)> = log
        .iter()
        .filter(|event| event.author == Author::Bot)
        .filter_map(|event| Some((event.meta.question?, event.seq)))
        .collect();
    let inside = !answers.iter().any(|(_, seq)| *seq < joined);
    let left = log.iter().find(|event| event.kind == Kind::Left).map_or(Seq::MAX, |event| event.seq);
    let through = answers.iter().filter(|(question, seq)| *seq > joined && (*question < left)).count();
    Taken { inside, through }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_late_answer_gets_through() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let redis = tokio::task::spawn_blocking(servers::redis).await.expect("no panic");
    let url = redis.map(|redis| redis.url(redis.port()));
    let start = async || {
        let url = url.clone();
        let setup = Setup::on(&database).first(Arc::new(ByChance));
        setup.change(move |config| config.redis = url.map(|url| url.parse().expect("an address"))).start().await
    };
    let nodes = [start().await, start().await];
    let agent = |name: &str| Person { id: AgentId::new(), name: name.to_owned(), leads: false };
    let agents = [agent("Anna"), agent("Ben")];
    let taken: Vec<Taken> =
        stream::iter(0..TAKE_OVERS).map(|_| take_over(&nodes, &agents)).buffer_unordered(AT_ONCE).collect().await;
    for node in &nodes {
        until("the answers to end", async || (node.desk.answers_under_way() == 0).then_some(())).await;
    }
    let refused: u64 = nodes.iter().map(|node| node.desk.counts().refused.get()).sum();
    let inside = taken.iter().filter(|taken| taken.inside).count();
    let through: usize = taken.iter().map(|taken| taken.through).sum();
    println!(
        "{TAKE_OVERS} take-overs, {inside} inside an answer: {refused} late answers refused, {through} got through"
    );
    assert!(inside * 10 >= TAKE_OVERS * 3, "{inside} of {TAKE_OVERS} were inside an answer");
    assert!(refused > 0);
    assert_eq!(through, 0);
    for node in nodes {
        node.stop().await;
    }
}
