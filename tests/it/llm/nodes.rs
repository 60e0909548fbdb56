//! Two nodes: what is spent on one is spent on the other, and what one leaves undone when it dies the other does.

use purser::fanout::Reach;
use serde_json::{Value, json};

use super::broken::reads;
use super::server::{Act, Model, delta, head, piece, says};
use super::settings;
use crate::cli::{Served, Site};
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor, get, until};
use crate::{on_both_engines, servers};

const QUESTION: &str = "do you deliver on saturdays";

/// The address of Redis; `None` where there is none.
async fn redis() -> Option<String> {
    let redis = tokio::task::spawn_blocking(servers::redis).await.expect("no panic")?;
    Some(redis.url(redis.port()))
}

async fn spent(purser: &TestPurser) -> u64 {
    let (_, metrics) = get(purser.address, "/metrics", &[]).await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("purser_llm_questions_total{outcome=\"spent\"} "));
    line.map_or(0, |count| count.parse().expect("a number"))
}

/// Whether the model answers this visitor there.
async fn asks(purser: &TestPurser, visitor: &Visitor, question: &str) -> bool {
    let mut socket = purser.visit(visitor, 0).await;
    let id = uuid::Uuid::new_v4().simple().to_string();
    socket.ask(&id, question).await.1.to_string().contains("On Saturdays too.")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_spent_on_all_nodes() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = redis().await else { return };
    // Only a dear question costs anything, so that whoever asks whether there is anything left spends nothing.
    let model = Model::start(|body, _| {
        let is_dear = body["messages"].as_array().and_then(|all| all.last()).is_some_and(|question| {
            question["content"].as_str().is_some_and(|text| text.contains("dear"))
        });
        let cost = if is_dear { 60 } else { 0 };
        let usage = json!({ "choices": [{ "finish_reason": "stop" }], "usage": { "prompt_tokens": cost, "completion_tokens": 0 } });
        vec![Act::Send([head(), delta("[1] On Saturdays too."), piece(&usage)].concat())]
    })
    .await;
    let start = async || {
        let mut llm = settings(&model.url());
        // So few that none comes back while this runs.
        (llm.visitor_tokens, llm.day_tokens) = (50, 100);
        let setup = Setup::on(&database).change(|config| {
            config.llm = Some(llm);
            config.pipeline = ["plugins", "llm", "person"].map(str::to_owned).to_vec();
            config.redis = Some(redis.parse().expect("an address"));
            config.limits.off = false;
            // It is asked again and again, each time on a connection of its own with a hello.
            config.limits.messages_per_minute = 100_000;
            config.limits.requests_per_minute = 100_000;
            config.limits.connections_per_minute = 100_000;
        });
        let purser = setup.start().await;
        until("Redis", async || (purser.fanout.reach() == Reach::Joined).then_some(())).await;
        purser
    };
    let (here, there) = (start().await, start().await);
    let (ann, bob, eve) = (Visitor::new(), Visitor::new(), Visitor::new());
    assert!(asks(&here, &ann, QUESTION).await && asks(&there, &ann, QUESTION).await);
    // Ann spends hers on one node, and has none on the other, where Bob has his.
    assert!(asks(&here, &ann, "a dear question of saturdays").await);
    assert!(!asks(&here, &ann, QUESTION).await);
    until("the other node to hear of it", async || (!asks(&there, &ann, QUESTION).await).then_some(())).await;
    assert_eq!(spent(&there).await, 1);
    assert!(asks(&there, &bob, QUESTION).await);
    // Bob spends the rest of the day's there, and nobody has any here.
    assert!(asks(&there, &bob, "a dear question of saturdays").await);
    until("the first node to hear of it", async || (!asks(&here, &eve, QUESTION).await).then_some(())).await;
    here.stop().await;
    there.stop().await;
}

/// A folder in which purser runs as a process of its own.
fn site(model: &Model) -> Site {
    let site = Site::empty();
    crate::harness::copy("tests/faq".as_ref(), &site.path("faq"));
    let url = model.url();
    site.write(
        "purser.yaml",
        &format!("pipeline: [plugins, llm, person]\nllm: {{ url: \"{url}\", model: scripted, about: a carrier of parcels, seconds: 300, first_token_seconds: 300 }}\n"),
    );
    site
}

async fn visit(node: &Served, visitor: &Visitor, seen: u32) -> Typed {
    let mut socket = Typed::connect(node.address()).await;
    socket.hello(visitor, seen).await;
    socket
}

/// A model that is killed over its first answer, so to speak, and has a better one the next time.
async fn model() -> Model {
    Model::start(|_, number| match number {
        0 => vec![Act::Send([head(), delta("[1] Certainly, that is what we ")].concat()), Act::Silence],
        _ => says("[1] On Saturdays too."),
    })
    .await
}

/// The answer to the first question comes as event 2, and the one to the next as event 4: there is none in between.
async fn answered_once(socket: &mut Typed) {
    let answer = socket.hear_where("the answer", |frame| frame["author"] == "bot").await;
    assert_eq!((&answer["seq"], &answer["question"]), (&json!(2), &json!(1)), "{answer}");
    assert!(answer.to_string().contains("On Saturdays too."), "{answer}");
    let (ack, answer) = socket.ask("m2", QUESTION).await;
    assert_eq!((&ack["seq"], &answer["seq"]), (&json!(3), &json!(4)), "{answer}");
}

on_both_engines! {
    a_node_that_is_killed_over_an_answer_gives_it_when_it_is_back;
}

async fn a_node_that_is_killed_over_an_answer_gives_it_when_it_is_back(database: &TestDatabase) {
    let model = model().await;
    let site = site(&model);
    let start = || tokio::task::block_in_place(|| Served::start_with(&site, &["--database", &database.url()]));
    let node = start();
    let visitor = Visitor::new();
    let mut socket = visit(&node, &visitor, 0).await;
    socket.say("m1", QUESTION).await;
    reads(&mut socket, &json!(1), "Certainly, that is what we").await;
    node.kill();
    model.was_left().await;
    let node = start();
    let mut socket = visit(&node, &visitor, 1).await;
    answered_once(&mut socket).await;
    assert_eq!(model.asked().len(), 3);
    assert_eq!(node.stop(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_leaves_half_written_another_one_answers() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = redis().await else { return };
    let model = model().await;
    let site = site(&model);
    let start = || {
        let arguments = ["--database", &database.url(), "--redis", &redis];
        tokio::task::block_in_place(|| Served::start_with(&site, &arguments))
    };
    let (one, other) = (start(), start());
    let visitor = Visitor::new();
    let mut socket = visit(&one, &visitor, 0).await;
    socket.say("m1", QUESTION).await;
    reads(&mut socket, &json!(1), "Certainly, that is what we").await;
    // A second tab, on the other node, where somebody is typing.
    let mut tab = visit(&other, &visitor, 1).await;
    tab.hear("typing").await;
    one.kill();
    model.was_left().await;
    let mut socket = visit(&other, &visitor, 1).await;
    answered_once(&mut socket).await;
    let seen = tab.events_to(4).await;
    let seqs: Vec<&Value> = seen.iter().map(|event| &event["seq"]).collect();
    assert_eq!(seqs, [2, 3, 4]);
    assert!(seen.iter().all(|event| !event.to_string().contains("Certainly")), "{seen:?}");
    assert_eq!(model.asked().len(), 3);
    assert_eq!(other.stop(), 0);
}
