//! Answers that are read while they are written: what the customer sees of one, and when it is given up.

mod nodes;
pub mod scribe;

use std::sync::Arc;

use purser::clock::Clock;
use purser::conversation::{AgentId, Author, ConversationId, Event, Kind, Person};
use purser::store::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agents::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor, until};
use crate::identity::{keys, token_until};
use crate::on_both_engines;
use scribe::{Pen, Scribe};

on_both_engines! {
    a_draft_is_shown_and_the_answer_takes_its_place;
    a_socket_that_comes_back_gets_the_draft_so_far;
    whoever_takes_over_takes_the_draft_away;
    of_a_deleted_conversation_nothing_is_written_any_more;
    nothing_is_written_for_nobody;
}

/// A purser with a scribe in front, who has all the time that a busy machine needs.
async fn start(database: &TestDatabase, unread_seconds: u32) -> (TestPurser, Pen) {
    let (scribe, pen) = Scribe::new();
    let purser = setup(database, scribe, unread_seconds).start().await;
    (purser, pen)
}

fn setup(database: &TestDatabase, scribe: Arc<Scribe>, unread_seconds: u32) -> Setup<'_> {
    Setup::on(database).first(scribe).change(move |config| {
        (config.limits.answer_seconds, config.limits.responder_seconds) = (600, 590);
        config.limits.unread_seconds = unread_seconds;
        config.identity = Some(keys());
    })
}

pub fn an_agent() -> Person {
    Person { id: AgentId::new(), name: "Anna".to_owned(), leads: false }
}

/// What is stored of a visitor's conversation.
async fn log(purser: &TestPurser, visitor: &Visitor) -> Vec<Arc<Event>> {
    purser.store.events_after(ConversationId(visitor.conversation), 0, 100).await.expect("a log")
}

fn from_the_bot(log: &[Arc<Event>]) -> Vec<&str> {
    log.iter().filter(|event| event.author == Author::Bot).map(|event| event.body.as_ref()).collect()
}

/// Reads parts until the draft says this, and checks that each goes on where the one before ended.
async fn reads(socket: &mut Typed, draft: &mut String, whole: &str) {
    while draft != whole {
        let part = socket.hear("part").await;
        take(draft, &part);
        assert!(whole.starts_with(&*draft), "{draft:?} is not the beginning of {whole:?}");
    }
}

fn take(draft: &mut String, part: &Value) {
    if part["withdrawn"] == true {
        return draft.clear();
    }
    let offset = part["offset"].as_u64().expect("an offset") as usize;
    assert!(offset == 0 || offset == draft.chars().count(), "a hole in the draft: {part}");
    *draft = draft.chars().take(offset).collect();
    draft.push_str(part["text"].as_str().expect("a text"));
}

async fn a_draft_is_shown_and_the_answer_takes_its_place(database: &TestDatabase) {
    let (purser, pen) = start(database, 600).await;
    let visitor = Visitor::new();
    let (mut one, mut other) = (purser.visit(&visitor, 0).await, purser.visit(&visitor, 0).await);
    one.say("m1", "write to me").await;
    let ack = one.hear("ack").await;
    pen.was_asked().await;
    // Until there is something to read, somebody is typing.
    one.hear("typing").await;
    let mut drafts = [String::new(), String::new()];
    for (piece, so_far) in [("Grüße", "Grüße"), (" an **d", "Grüße an **d"), ("ich**", "Grüße an **dich**")] {
        pen.write(piece);
        reads(&mut one, &mut drafts[0], so_far).await;
        reads(&mut other, &mut drafts[1], so_far).await;
    }
    assert_eq!(from_the_bot(&log(&purser, &visitor).await), [""; 0], "a draft is stored nowhere");
    pen.answer("Grüße an **dich**!");
    for socket in [&mut one, &mut other] {
        let answer = socket.hear_where("the answer", |frame| frame["author"] == "bot").await;
        assert_eq!((&answer["text"], &answer["question"]), (&json!("Grüße an **dich**!"), &ack["seq"]));
        assert_eq!(answer["seq"], 2);
    }
    // A message that needs no draft has none, and nothing of the one before comes after its answer.
    let (_, answer) = one.ask("m2", "saturday delivery").await;
    assert_eq!(answer["seq"], 4);
    one.send(json!({ "type": "ping" })).await;
    one.hear("pong").await;
    assert!(!one.waits_for("part"), "no part after the answer");
    assert_eq!(log(&purser, &visitor).await.len(), 4);
    purser.stop().await;
}

async fn a_socket_that_comes_back_gets_the_draft_so_far(database: &TestDatabase) {
    let (purser, pen) = start(database, 600).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    let seq = socket.hear("ack").await["seq"].clone();
    pen.write("The first half");
    reads(&mut socket, &mut String::new(), "The first half").await;
    drop(socket);
    let conversation = ConversationId(visitor.conversation);
    until("it to be gone", async || (purser.followers(conversation) == 1).then_some(())).await;
    pen.write(" and the second");
    let mut back = purser.visit(&visitor, 1).await;
    let first = back.hear("part").await;
    assert_eq!((&first["question"], &first["offset"]), (&seq, &json!(0)));
    let mut draft = String::new();
    take(&mut draft, &first);
    reads(&mut back, &mut draft, "The first half and the second").await;
    // So does a stream of server-sent events, and one that wants nodes.
    let mut stream = purser.events(&visitor, 1).await;
    let part = stream.hear("part").await;
    assert_eq!(part["text"], "The first half and the second");
    let mut socket = purser.typed().await;
    let Visitor { token, conversation } = &visitor;
    socket
        .send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 1, "form": "nodes" }))
        .await;
    let part = socket.hear("part").await;
    assert_eq!(part["nodes"], json!([["p", "The first half and the second"]]));
    pen.answer("All of it");
    assert_eq!(back.hear("event").await["text"], "All of it");
    assert_eq!(stream.hear("event").await["text"], "All of it");
    assert_eq!(socket.hear("event").await["nodes"], json!([["p", "All of it"]]));
    purser.stop().await;
}

async fn whoever_takes_over_takes_the_draft_away(database: &TestDatabase) {
    let (purser, pen) = start(database, 600).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    pen.write("I am still at");
    reads(&mut socket, &mut String::new(), "I am still at").await;
    let conversation = ConversationId(visitor.conversation);
    purser.desk.take(conversation, &an_agent()).await.expect("it is taken");
    pen.was_dropped().await;
    let frame = socket.hear_where("the end", |frame| frame["withdrawn"] == true || frame["kind"] == "joined").await;
    assert_eq!((&frame["type"], &frame["question"]), (&json!("part"), &json!(1)), "withdrawn before anybody joins");
    socket.hear_where("the agent", |frame| frame["kind"] == "joined").await;
    // Nobody reads it who comes now.
    let mut back = purser.visit(&visitor, 2).await;
    back.send(json!({ "type": "ping" })).await;
    back.hear("pong").await;
    assert!(!back.waits_for("part"));
    until("the answer to end", async || (purser.desk.answers_under_way() == 0).then_some(())).await;
    assert_eq!(from_the_bot(&log(&purser, &visitor).await), [""; 0]);
    assert_eq!(purser.desk.counts().refused.get(), 1);
    purser.stop().await;
}

async fn of_a_deleted_conversation_nothing_is_written_any_more(database: &TestDatabase) {
    let (purser, pen) = start(database, 600).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    pen.write("A secret");
    reads(&mut socket, &mut String::new(), "A secret").await;
    socket.send(json!({ "type": "erase" })).await;
    pen.was_dropped().await;
    let frame = socket.hear_where("the end", |frame| frame["withdrawn"] == true || frame["kind"] == "erased").await;
    assert_eq!(frame["withdrawn"], true);
    socket.hear_where("its end", |frame| frame["kind"] == "erased").await;
    until("the answer to end", async || (purser.desk.answers_under_way() == 0).then_some(())).await;
    let log = log(&purser, &visitor).await;
    assert_eq!(log.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Erased]);
    purser.stop().await;
}

async fn nothing_is_written_for_nobody(database: &TestDatabase) {
    // Other nodes may share this database, and nobody would hear of their customers.
    if database.on_server().is_some() {
        return;
    }
    let (purser, pen) = start(database, 1).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    pen.write("Is anybody th");
    reads(&mut socket, &mut String::new(), "Is anybody th").await;
    drop(socket);
    pen.was_dropped().await;
    // The question has its one answer all the same.
    let stored = until("an answer", async || {
        let log = log(&purser, &visitor).await;
        (log.len() == 2).then_some(log)
    })
    .await;
    let answer = stored[1].provenance.as_ref().map(|provenance| provenance.responder.as_ref());
    assert_eq!(answer, Some("pipeline"));
    let mut back = purser.visit(&visitor, 1).await;
    assert_eq!(back.hear("event").await["seq"], 2);
    assert!(!back.waits_for("part"));
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_out_ends_it_at_once() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 3_600).await;
    let visitor = Visitor::new();
    let Visitor { token, conversation } = &visitor;
    let identity = token_until(&Uuid::new_v4().to_string(), Clock::System.now() / 1000 + 3_000, json!({}));
    let hello = |identity: Value| json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 0, "identity": identity });
    let mut socket = purser.typed().await;
    socket.send(hello(json!(identity))).await;
    socket.hear("welcome").await;
    socket.say("m1", "write to me").await;
    pen.write("Dear customer");
    reads(&mut socket, &mut String::new(), "Dear customer").await;
    // A fresh hello of the same customer is none.
    socket.send(hello(json!(identity))).await;
    socket.hear("welcome").await;
    reads(&mut socket, &mut String::new(), "Dear customer").await;
    assert_eq!(pen.drops(), 0);
    // Somebody else sits there now, who knows nothing of that conversation.
    socket.send(json!({ "type": "hello", "token": token })).await;
    socket.hear("welcome").await;
    pen.was_dropped().await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_in_its_middle_is_withdrawn() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let mut socket = purser.visit(&Visitor::new(), 0).await;
    socket.say("m1", "write to me").await;
    pen.write("It costs 5");
    reads(&mut socket, &mut String::new(), "It costs 5").await;
    // Another attempt begins anew.
    pen.withdraw();
    pen.write("It costs 7");
    let withdrawn = socket.hear("part").await;
    assert_eq!(withdrawn["withdrawn"], true);
    reads(&mut socket, &mut String::new(), "It costs 7").await;
    pen.fail();
    // The pipeline has another answer at once, and that takes the draft's place.
    let answer = socket.hear_where("an answer", |frame| frame["author"] == "bot").await;
    assert_eq!(answer["seq"], 2);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_long_an_answer_is_cut_off() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    let piece = "for ever and ever ";
    pen.write(piece);
    reads(&mut socket, &mut String::new(), piece).await;
    for _ in 0..2_000 {
        pen.write(piece);
    }
    pen.was_dropped().await;
    let answer = socket.hear_where("an answer", |frame| frame["author"] == "bot").await;
    assert!(!answer["text"].as_str().expect("a text").contains("ever"));
    let log = log(&purser, &visitor).await;
    assert_eq!(log.len(), 2);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pieces_become_few_parts() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let visitor = Visitor::new();
    let (mut quick, mut slow) = (purser.visit(&visitor, 0).await, purser.visit(&visitor, 0).await);
    quick.say("m1", "write to me").await;
    let whole: String = (0..20_000).map(|i| char::from(b'a' + (i % 26) as u8)).collect();
    for piece in whole.split_inclusive(|_| true) {
        pen.write(piece);
    }
    // The slow one reads nothing until the quick one has all of it.
    for socket in [&mut quick, &mut slow] {
        let (mut draft, mut parts) = (String::new(), 0);
        while draft != whole {
            take(&mut draft, &socket.hear("part").await);
            parts += 1;
        }
        assert!(parts < 2_000, "{parts} parts for 20,000 pieces");
    }
    pen.answer("done");
    slow.hear_where("the answer", |frame| frame["author"] == "bot").await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_part_comes_after_its_answer() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let visitor = Visitor::new();
    let (mut one, mut other) = (purser.visit(&visitor, 0).await, purser.visit(&visitor, 0).await);
    for round in 0..100 {
        let words: Vec<String> = (0..round % 7 * 20).map(|word| format!("{word} ")).collect();
        one.say(&format!("m{round}"), "write to me").await;
        for word in &words {
            pen.write(word);
        }
        let whole = format!("{}.", words.concat());
        pen.answer(&whole);
        for socket in [&mut one, &mut other] {
            let mut draft = String::new();
            let question = json!(2 * round + 1);
            loop {
                let frame = socket.hear_where("a frame", |frame| frame["type"] != "typing").await;
                if frame["type"] == "part" {
                    assert_eq!(frame["question"], question, "a part of another round");
                    take(&mut draft, &frame);
                    assert!(whole.starts_with(&draft), "{draft:?}");
                } else if frame["author"] == "bot" {
                    assert_eq!((&frame["question"], &frame["text"]), (&question, &json!(whole)));
                    break;
                }
            }
        }
    }
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_wait_are_written_one_after_the_other() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let mut socket = purser.visit(&Visitor::new(), 0).await;
    socket.say("m1", "write to me").await;
    pen.write("One");
    reads(&mut socket, &mut String::new(), "One").await;
    socket.say("m2", "write to me again").await;
    socket.hear_where("the second", |frame| frame["client_id"] == "m2" && frame["type"] == "ack").await;
    pen.answer("One.");
    socket.hear_where("the first answer", |frame| frame["question"] == 1 && frame["type"] == "event").await;
    pen.write("Two");
    let part = socket.hear("part").await;
    assert_eq!((&part["question"], &part["text"]), (&json!(2), &json!("Two")));
    pen.answer("Two.");
    socket.hear_where("the second answer", |frame| frame["question"] == 2 && frame["type"] == "event").await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_nodes_nothing_leads_anywhere_before_the_answer_is_there() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let Visitor { token, conversation } = Visitor::new();
    let mut socket = purser.typed().await;
    socket.send(json!({ "type": "hello", "token": token, "conversation": conversation, "form": "nodes" })).await;
    socket.hear("welcome").await;
    socket.say("m1", "write to me").await;
    let mut draft: Vec<Value> = Vec::new();
    for (piece, shown) in [
        ("First, **im", json!([["p", "First, ", ["strong", "im"]]])),
        ("portant**.\n\n", json!([["p", "First, ", ["strong", "important"], "."]])),
        ("See [prices](https://evil", json!([["p", "First, ", ["strong", "important"], "."], ["p", "See prices"]])),
        (
            ".example/) or https://evil.example",
            json!([["p", "First, ", ["strong", "important"], "."], ["p", "See prices or https://evil.example"]]),
        ),
    ] {
        pen.write(piece);
        while json!(draft) != shown {
            let part = socket.hear("part").await;
            draft.truncate(part["offset"].as_u64().expect("an offset") as usize);
            draft.extend(part["nodes"].as_array().expect("nodes").iter().cloned());
        }
    }
    pen.answer("[prices](https://halyard.example/)");
    let answer = socket.hear_where("the answer", |frame| frame["author"] == "bot").await;
    assert_eq!(answer["nodes"], json!([["p", ["a", "https://halyard.example/", "prices"]]]));
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plain_dialect_has_only_the_answer() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let mut plain = purser.plain(None).await;
    plain.say("write to me").await;
    pen.write("Half of");
    pen.was_asked().await;
    pen.answer("Half of it was a draft.");
    assert_eq!(plain.hear().await, "<p>Half of it was a draft.</p>");
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_who_looks_reads_along() {
    let database = TestDatabase::sqlite();
    let (purser, pen) = start(&database, 600).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    pen.write("Half");
    reads(&mut socket, &mut String::new(), "Half").await;
    let mut talk = anna.live(Some(&visitor)).await;
    talk.hear("opened", |_| true).await;
    talk.hear("part", |part| part["nodes"] == json!([["p", "Half"]])).await;
    pen.write(" of it");
    talk.hear("part", |part| part["nodes"] == json!([["p", "Half of it"]])).await;
    anna.take(&visitor).await;
    talk.hear("event", |event| event["kind"] == "joined").await;
    pen.was_dropped().await;
    assert_eq!(from_the_bot(&log(&purser, &visitor).await), [""; 0]);
    purser.stop().await;
}
