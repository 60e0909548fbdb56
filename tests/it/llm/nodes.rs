//! Two nodes: what one leaves undone when it dies the other does.

use serde_json::{Value, json};

use super::broken::reads;
use super::server::{Act, Model, delta, head, says};
use crate::cli::{Served, Site};
use crate::harness::{TestDatabase, Typed, Visitor};
use crate::{on_both_engines, servers};

const QUESTION: &str = "do you deliver on saturdays";

/// The address of Redis; `None` where there is none.
async fn redis() -> Option<String> {
    let redis = tokio::task::spawn_blocking(servers::redis).await.expect("no panic")?;
    Some(redis.url(redis.port()))
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
