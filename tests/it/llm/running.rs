//! The LLM in a running purser: from the socket to the log, and from there to a replay without any network.

use std::sync::Arc;
use std::time::Duration;

use purser::content::{Folders, Good, load};
use purser::conversation::{Author, ConversationId, Kind};
use purser::recording::Recording;
use purser::responders::script::ScriptTool;
use purser::responders::{Answer, Tool};
use purser::sources::{LookUp, Looking, NoSources};
use serde_json::{Map, Value, json};

use super::server::{Model, calls, says};
use super::{NUMBER, Site, settings, turn};
use crate::harness::{Setup, TestDatabase, Visitor, get, until};
use crate::on_both_engines;

on_both_engines! {
    an_answer_of_a_model_is_kept_with_its_sources_and_its_cost;
}

async fn an_answer_of_a_model_is_kept_with_its_sources_and_its_cost(database: &TestDatabase) {
    let model = Model::start(|_, number| match number {
        0 => says("[1] On Saturdays too."),
        _ => says("[0]"),
    })
    .await;
    let purser = Setup::on(database)
        .change(|config| {
            config.llm = Some(settings(&model.url()));
            config.pipeline = ["plugins", "llm", "person"].map(str::to_owned).to_vec();
        })
        .start()
        .await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    let (ack, answer) = socket.ask("a", "do you deliver on saturdays").await;
    assert_eq!(answer["author"], "bot", "{answer}");
    assert!(answer.to_string().contains("On Saturdays too."), "{answer}");
    let id = ConversationId(visitor.conversation);
    let events = purser.store.events_after(id, 0, 10).await.expect("the log");
    let stored = events.iter().find(|event| event.author == Author::Bot && event.kind == Kind::Message);
    let stored = stored.expect("an answer");
    let provenance = stored.provenance.as_ref().expect("a provenance");
    assert_eq!((provenance.responder.as_ref(), provenance.entry.as_deref()), ("llm", Some("saturday")));
    assert_eq!(stored.meta.sources, ["saturday"]);
    let behind = stored.meta.behind.as_ref().expect("what stands behind it");
    let usage = behind.usage.as_ref().expect("usage");
    assert_eq!((usage.read, usage.written, usage.calls, usage.model.as_str()), (100, 20, 1, "scripted"));
    assert_eq!(behind.lookups[0].source, "llm");
    assert!(!answer.to_string().contains("scripted"), "a client sees nothing of it: {answer}");
    assert!(ack["seq"].as_u64().is_some());
    // The second question has the first, and its answer, before it.
    let (_, answer) = socket.ask("b", "and parcels on saturdays").await;
    assert!(!answer.to_string().contains("[0]"), "{answer}");
    let asked = model.asked();
    let messages = asked[1]["messages"].as_array().expect("messages").clone();
    let roles: Vec<&str> = messages.iter().filter_map(|message| message["role"].as_str()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert_eq!(messages[1]["content"], "do you deliver on saturdays");
    // As the model is to write, and not as it was shown.
    assert_eq!(messages[2]["content"], "[1] On Saturdays too.");
    let (status, metrics) = get(purser.address, "/metrics", &[]).await;
    assert_eq!(status, 200);
    for line in
        ["purser_llm_questions_total{outcome=\"answered\"} 1", "purser_llm_questions_total{outcome=\"declined\"} 1"]
    {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn what_a_model_said_replays_without_it() {
    let arguments = json!({ "number": NUMBER }).to_string();
    let model = Model::start(move |_, number| match number {
        0 => calls(&[("track", &arguments)]),
        _ => says("It is out for delivery and expected on 27 November."),
    })
    .await;
    let site = Site::new(&model, |_| ());
    let question = format!("where are my parcels, {NUMBER}");
    let (answered, _) = site.ask(&question).await;
    let lookups = &answered.message.effects.lookups;
    let stubs: Vec<String> = lookups
        .iter()
        .map(|found| {
            format!("  - {}", json!({ "source": found.source, "params": found.params, "result": found.result }))
        })
        .collect();
    let yaml = format!(
        "start: {{ language: en, now: 2026-11-25T10:00:00Z }}\nlookups:\n{}\nconversation:\n  - say: \"{question}\"\n    answer: {{ responder: llm, contains: [out for delivery] }}\n",
        stubs.join("\n"),
    );
    let nothing: Arc<dyn LookUp> = Arc::new(NoSources);
    let stage = site.snapshot().stage(&site.folders(), &nothing);
    let recording = Recording::parse("a.yaml", &yaml).expect("a recording");
    let replayed = recording.replay(&stage).await;
    let failures: Vec<_> = replayed.turns.iter().flat_map(|turned| &turned.failures).collect();
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(model.asked().len(), 2, "nobody was asked again");
    // A recording of before there was a model is as it was.
    let yaml = "conversation:\n  - say: where are my parcels\n    answer: { responder: pipeline }\n";
    let recording = Recording::parse("b.yaml", yaml).expect("a recording");
    let replayed = recording.replay(&stage).await;
    let failures: Vec<_> = replayed.turns.iter().flat_map(|turned| &turned.failures).collect();
    assert!(failures.is_empty(), "{failures:?}");
}

#[tokio::test]
async fn a_model_that_says_nothing_holds_up_nobody() {
    let model = Model::saying(vec![super::server::Act::Silence]).await;
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database)
        .change(|config| {
            config.llm = Some(settings(&model.url()));
            config.pipeline = ["plugins", "llm", "person"].map(str::to_owned).to_vec();
            config.limits.stop_seconds = 1;
        })
        .start()
        .await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("a", "do you deliver on saturdays").await;
    // Others are answered meanwhile.
    until("a request", || async { (!model.asked().is_empty()).then_some(()) }).await;
    let other = Visitor::new();
    let mut second = purser.visit(&other, 0).await;
    second.say("b", "quantum bicycles sing loudly").await;
    let answer = second.hear_where("an answer", |frame| frame["author"] == "bot").await;
    assert!(answer["seq"].as_u64().is_some());
    tokio::time::timeout(Duration::from_secs(60), purser.stop()).await.expect("a stop waits for nobody for long");
}

/// A source that knows where one parcel is.
#[derive(Debug)]
struct Shop;

impl LookUp for Shop {
    fn look_up<'a>(&'a self, _: &'a str, params: &'a Map<String, Value>) -> Looking<'a> {
        let known = params.get("number").and_then(Value::as_str) == Some(NUMBER);
        let parcel = json!({ "status": "in_transit", "expected": "2026-11-27", "country": "GB" });
        Box::pin(std::future::ready(Ok(if known { parcel } else { Value::Null })))
    }
}

#[tokio::test]
async fn the_shipped_plugins_are_tools() {
    let folders = Folders {
        faq: "faq".into(),
        plugins: "plugins".into(),
        site_language: "en".to_owned(),
        pipeline: ["faq", "plugins", "llm", "person"].map(str::to_owned).to_vec(),
        limit: Duration::from_secs(60),
    };
    let snapshot = load(&folders, &Good::default()).snapshot.expect("content");
    let shop: Arc<dyn LookUp> = Arc::new(Shop);
    let tools: Vec<ScriptTool> = snapshot.plugins.iter().filter_map(|plugin| ScriptTool::new(plugin, &shop)).collect();
    for (name, arguments, said) in [
        ("tracking", json!({ "number": "px 1234 5678 5 gb" }), "on its way"),
        ("tracking", json!({ "number": "PX123456785GB" }), "27 November"),
        ("tracking", json!({ "number": "RR123456785GB" }), "Royal Mail"),
        ("cost", json!({ "from": "London", "to": "Paris", "kg": 2 }), "£"),
        (
            "cost",
            json!({ "from": "London", "to": "Paris", "kg": 2.5, "length": 30, "width": 20, "height": 10, "service": "express" }),
            "£",
        ),
        ("cost", json!({ "from": "London", "to": "Nowhereville", "kg": 2 }), "Nowhereville"),
        ("cost", json!({ "from": "London", "to": "Paris" }), "?"),
        ("cost", json!({}), "?"),
    ] {
        let tool = tools.iter().find(|tool| tool.name() == name).expect("a tool");
        let arguments = arguments.as_object().expect("an object").clone();
        assert_eq!(tool.parameters().check(&arguments), Ok(()), "{name}");
        let (turn, _) = turn("how is it");
        let told = format!("{name} {}", Value::Object(arguments.clone()));
        match tool.call(&turn, arguments).await.unwrap_or_else(|error| panic!("{told}: {error:#}")) {
            Answer::Reply(reply) | Answer::Ask(reply, _) => {
                assert!(reply.text.contains(said), "{told}: {}", reply.text)
            }
            other => panic!("{told}: {other:?}"),
        }
    }
    assert_eq!(tools.len(), 2);
}
