//! A conversation has one owner, and what agents tell each other stays among them.

use std::sync::Arc;

use purser::conversation::{Author, ConversationId, Kind, Status};
use purser::responders::{Answer, BoxFuture, Responder, Turn};
use purser::store::Role;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Agent, events};
use crate::harness::{Setup, Slow, TestDatabase, TestPurser, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    a_person_is_called_and_takes_over;
    of_many_agents_one_takes_it;
    a_note_stays_among_agents;
    a_late_answer_is_refused_also_after_the_hand_back;
    a_person_is_called_after_questions_without_an_answer;
    the_plain_dialect_gets_a_person_too;
    lists_and_search_find_conversations;
}

async fn status(purser: &TestPurser, visitor: &Visitor) -> Status {
    let head = purser.store.conversation(ConversationId(visitor.conversation)).await.expect("a read");
    head.expect("a conversation").status
}

/// Says something that calls a person, and waits for what is said to that.
async fn call(customer: &mut crate::harness::Typed) -> Value {
    let (_, answer) = customer.ask("call", "talk to a person").await;
    answer
}

async fn a_person_is_called_and_takes_over(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    // Without agents, the site says how to reach one.
    let (_, answer) = customer.ask("m0", "talk to a person").await;
    assert!(answer["text"].as_str().is_some_and(|text| !text.contains("queue")), "{answer}");
    assert_eq!(status(&purser, &visitor).await, Status::Bot);

    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    let mut board = anna.live(None).await;
    let answer = call(&mut customer).await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("You are number **1** in the queue")), "{answer}");
    assert_eq!(answer["buttons"][0]["choice"], "person/back");
    customer.hear_where("the hand-over", |frame| frame["kind"] == "handover").await;
    let conversation = json!(visitor.conversation);
    let lists = board.hear("board", |lists| lists["waiting"][0]["id"] == conversation).await;
    assert_eq!(lists["waiting"][0]["status"], "waiting");

    // While it waits, nobody answers.
    customer.say("m1", "saturday delivery").await;
    let ack = customer.hear("ack").await;
    anna.take(&visitor).await;
    let joined = customer.hear_where("an agent", |frame| frame["kind"] == "joined").await;
    assert_eq!((&joined["name"], &joined["text"]), (&json!("Anna"), &json!("Anna is here now.")));
    assert_eq!(joined["seq"].as_u64(), ack["seq"].as_u64().map(|seq| seq + 1), "nothing was answered in between");
    board.hear("board", |lists| lists["taken"][0]["agent"] == json!(anna.id)).await;

    // Both write; the other sees it.
    let mut talk = anna.live(Some(&visitor)).await;
    let opened = talk.hear("opened", |_| true).await;
    assert_eq!(opened["status"], "agent");
    let why = opened["events"].as_array().expect("events").iter().find(|event| event["why"].is_object());
    assert_eq!(why.expect("an answer of the bot")["why"]["responder"], "person");
    customer.send(json!({ "type": "typing" })).await;
    talk.hear("typing", |_| true).await;
    anna.does(json!({ "do": "typing", "conversation": visitor.conversation })).await;
    customer.hear("typing").await;
    let id = Uuid::new_v4();
    let said = json!({ "do": "reply", "conversation": visitor.conversation, "id": id, "text": "Yes, **today**." });
    let (_, first) = anna.act(said.clone()).await;
    assert_eq!(anna.act(said).await, (200, first), "said again it is stored once");
    let reply = customer.hear_where("a reply", |frame| frame["author"] == "agent" && frame["kind"] == "message").await;
    assert_eq!((&reply["name"], &reply["html"]), (&json!("Anna"), &json!("<p>Yes, <strong>today</strong>.</p>")));
    customer.say("m2", "thanks").await;
    customer.hear("ack").await;
    talk.hear("event", |event| event["text"] == "thanks").await;
    board.hear("board", |lists| lists["taken"][0]["unread"].as_u64() > Some(0)).await;
    let seq = events(&purser, &visitor).await.last().expect("events").seq;
    anna.does(json!({ "do": "seen", "conversation": visitor.conversation, "seq": seq })).await;
    board.hear("board", |lists| lists["taken"][0]["unread"] == 0).await;

    // Who comes back is told who is there.
    let mut back = purser.typed().await;
    assert_eq!(back.hello(&visitor, 0).await["person"]["name"], "Anna");

    // Another agent looks, and gets it.
    let mut looks = ben.live(Some(&visitor)).await;
    looks.hear("opened", |_| true).await;
    assert_eq!(talk.hear("looking", |who| who["on"] == true).await["name"], "Ben");
    assert_eq!(looks.hear("looking", |who| who["on"] == true).await["name"], "Anna");
    anna.does(json!({ "do": "transfer", "conversation": visitor.conversation, "to": ben.id })).await;
    let moved = customer.hear_where("a transfer", |frame| frame["kind"] == "transferred").await;
    assert_eq!(moved["name"], "Ben");
    let reply = json!({ "do": "reply", "conversation": visitor.conversation, "id": Uuid::new_v4(), "text": "late" });
    assert_eq!(anna.act(reply).await, (409, json!({ "error": "Ben has this conversation" })));

    // Back to the assistant, which answers what is said from then on.
    ben.does(json!({ "do": "back", "conversation": visitor.conversation })).await;
    customer.hear_where("the assistant", |frame| frame["kind"] == "left").await;
    let (_, answer) = customer.ask("m3", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");

    // And a visitor may go back without anybody.
    customer.say("m4", "talk to a person").await;
    customer.hear("ack").await;
    customer.hear_where("the hand-over", |frame| frame["kind"] == "handover").await;
    let press = json!({ "type": "say", "client_id": "m5", "text": "Back", "choice": "person/back" });
    customer.send(press).await;
    customer.hear("ack").await;
    customer.hear_where("the assistant", |frame| frame["kind"] == "left").await;
    let (_, answer) = customer.ask("m6", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");

    // Closed, and opened again by the next message.
    anna.take(&visitor).await;
    anna.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
    customer.hear_where("the end", |frame| frame["kind"] == "closed").await;
    assert_eq!(status(&purser, &visitor).await, Status::Closed);
    let (_, answer) = customer.ask("m7", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    // What is over can be deleted, too.
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the deletion", |frame| frame["kind"] == "erased").await;
    board.hear("board", |lists| lists["waiting"] == json!([]) && lists["taken"] == json!([])).await;
    purser.stop().await;
}

async fn of_many_agents_one_takes_it(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let mut agents = Vec::new();
    for (login, role) in [("anna", Role::Agent), ("ben", Role::Admin), ("cleo", Role::Editor), ("dave", Role::Admin)] {
        agents.push(Agent::new(&purser, login, role).await);
    }
    for _ in 0..5 {
        let visitor = Visitor::new();
        let mut customer = purser.visit(&visitor, 0).await;
        call(&mut customer).await;
        let takes = agents.iter().map(|agent| agent.act(json!({ "do": "take", "conversation": visitor.conversation })));
        let statuses: Vec<_> =
            futures_util::future::join_all(takes).await.into_iter().map(|(status, _)| status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 3, "{statuses:?}");
        let log = events(&purser, &visitor).await;
        assert_eq!(log.iter().filter(|event| event.kind == Kind::Joined).count(), 1);
    }
    purser.stop().await;
}

/// Takes down everything that responders are told.
#[derive(Default)]
struct Spy(Mutex<Vec<String>>);

impl Responder for Spy {
    fn name(&self) -> &str {
        "spy"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            self.0.lock().await.push(format!("{turn:?}"));
            Ok(Answer::Pass)
        })
    }
}

async fn a_note_stays_among_agents(database: &TestDatabase) {
    const SECRET: &str = "the customer is a nuisance";
    let spy = Arc::new(Spy::default());
    let purser = Setup::on(database).first(spy.clone()).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    call(&mut customer).await;
    anna.take(&visitor).await;
    let mut stream = purser.events(&visitor, 0).await;
    let note = json!({ "do": "note", "conversation": visitor.conversation, "id": Uuid::new_v4(), "text": SECRET });
    anna.does(note).await;
    anna.does(json!({ "do": "tags", "conversation": visitor.conversation, "tags": ["Secret Tag", "secret tag"] }))
        .await;
    anna.reply(&visitor, "the end").await;
    let mut talk = anna.live(Some(&visitor)).await;
    let opened = talk.hear("opened", |_| true).await.to_string();
    assert!(opened.contains(SECRET) && opened.contains("secret tag"));

    let is_end = |frame: &Value| frame.to_string().contains("the end");
    let mut heard = Vec::new();
    while !heard.last().is_some_and(is_end) {
        heard.push(customer.hear("event").await);
    }
    let mut streamed = Vec::new();
    while !streamed.last().is_some_and(is_end) {
        let frame = stream.events_to(1).await;
        streamed.extend(frame);
    }
    let mut back = purser.visit(&visitor, 0).await;
    let history = back.hear("history").await;
    let mut resumed = purser.visit(&visitor, 1).await;
    let mut missed = Vec::new();
    while !missed.last().is_some_and(is_end) {
        missed.push(resumed.hear("event").await);
    }
    let (_, older) = purser.post_frame(&visitor, json!({ "type": "older", "before": 1_000 })).await;
    let unread = json!({ "token": visitor.token, "seen": 0 }).to_string();
    let (_, count) = purser.post("unread", &[], unread).await;
    let seen = heard.iter().chain(&streamed).chain(&missed).chain(&older).chain([&history]);
    for frame in seen {
        let text = frame.to_string();
        assert!(!text.contains("nuisance") && !text.contains("secret tag"), "{text}");
        assert!(!text.contains("note") && !text.contains("tagged"), "{text}");
    }
    let shown = |event: &&Arc<purser::conversation::Event>| {
        event.kind == Kind::Message && matches!(event.author, Author::Bot | Author::Agent)
    };
    let log = events(&purser, &visitor).await;
    assert_eq!(count["unread"], log.iter().filter(shown).count());
    // However many there are, what was said before them is still there.
    for _ in 0..60 {
        let note = json!({ "do": "note", "conversation": visitor.conversation, "id": Uuid::new_v4(), "text": SECRET });
        anna.does(note).await;
    }
    let mut again = purser.visit(&visitor, 0).await;
    let history = again.hear("history").await;
    assert!(history.to_string().contains("the end") && !history.to_string().contains("nuisance"));
    // Nor does any responder hear of it.
    anna.does(json!({ "do": "back", "conversation": visitor.conversation })).await;
    customer.ask("m9", "saturday delivery").await;
    let told = spy.0.lock().await.join("\n");
    assert!(told.contains("saturday") && !told.contains("nuisance") && !told.contains("secret tag"));
    purser.stop().await;
}

async fn a_late_answer_is_refused_also_after_the_hand_back(database: &TestDatabase) {
    let slow = Slow::new();
    let purser = Setup::on(database).first(slow.clone()).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    slow.was_asked().await;
    anna.take(&visitor).await;
    anna.does(json!({ "do": "back", "conversation": visitor.conversation })).await;
    let before = purser.desk.counts().refused.get();
    slow.release();
    until("the refusal", async || (purser.desk.counts().refused.get() > before).then_some(())).await;
    let (_, answer) = customer.ask("m2", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    let log = events(&purser, &visitor).await;
    let kinds: Vec<_> = log.iter().map(|event| (event.kind, event.author)).collect();
    assert_eq!(
        kinds,
        [
            (Kind::Message, Author::Visitor),
            (Kind::Joined, Author::Agent),
            (Kind::Left, Author::Agent),
            (Kind::Message, Author::Visitor),
            (Kind::Message, Author::Bot)
        ]
    );
    purser.stop().await;
}

async fn a_person_is_called_after_questions_without_an_answer(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.people.call_after = 2).start().await;
    let _anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "xyzzy plugh").await;
    // An answer in between begins the count anew.
    customer.ask("m2", "saturday delivery").await;
    customer.ask("m3", "xyzzy plugh").await;
    assert_eq!(status(&purser, &visitor).await, Status::Bot);
    customer.ask("m4", "plugh xyzzy").await;
    assert_eq!(status(&purser, &visitor).await, Status::Waiting);
    purser.stop().await;
}

async fn the_plain_dialect_gets_a_person_too(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let mut customer = purser.plain(None).await;
    customer.say("talk to a person").await;
    let said = customer.hear().await;
    assert!(said.contains("number <strong>1</strong> in the queue"), "{said}");
    assert!(said.contains("<li>Back to the assistant</li>"), "{said}");
    let lists = anna.list("list?shelf=waiting").await;
    let conversation: Uuid = lists[0]["id"].as_str().expect("an id").parse().expect("an id");
    let visitor = Visitor { token: String::new(), conversation };
    anna.take(&visitor).await;
    assert_eq!(customer.hear().await, "<p>Anna is here now.</p>");
    anna.reply(&visitor, "Hello!").await;
    assert_eq!(customer.hear().await, "<p><strong>Anna</strong></p><p>Hello!</p>");
    anna.does(json!({ "do": "transfer", "conversation": conversation, "to": null })).await;
    customer.hear().await;
    customer.say("Back to the bot").await;
    assert!(customer.hear().await.contains("the assistant again"));
    customer.say("saturday delivery").await;
    assert_eq!(customer.hear().await, "<p>Yes, <strong>on Saturdays</strong> too.</p>");
    purser.stop().await;
}

async fn lists_and_search_find_conversations(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let mut ids = Vec::new();
    for text in ["a blue parcel 50% off", "a red one", "Ünïcode_ and more"] {
        let visitor = Visitor::new();
        let mut customer = purser.visit(&visitor, 0).await;
        customer.ask("m1", text).await;
        call(&mut customer).await;
        ids.push(visitor);
    }
    // Each row says what it is about, and not that a person is wanted, which holds for all of them.
    let about = async |path: &str| {
        let rows = anna.list(path).await;
        let rows = rows.as_array().expect("rows").clone();
        rows.into_iter().map(|row| (row["last"]["author"].clone(), row["last"]["text"].clone())).collect::<Vec<_>>()
    };
    let texts = ["a blue parcel 50% off", "a red one", "Ünïcode_ and more"];
    let expected: Vec<_> = texts.iter().map(|text| (json!("visitor"), json!(text))).collect();
    assert_eq!(about("list?shelf=waiting").await, expected);
    anna.take(&ids[1]).await;
    assert_eq!(about("list?shelf=taken").await[0].0, "bot");
    anna.reply(&ids[1], "It **is** [here](https://example.org), in a\n\n- box").await;
    assert_eq!(about("list?shelf=taken").await, [(json!("agent"), json!("It is here, in a box"))]);
    // Nothing else was said; then what was written while waiting counts.
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    call(&mut customer).await;
    assert_eq!(about("list?shelf=waiting").await[2], (json!("visitor"), json!("talk to a person")));
    customer.say("m2", "it is *green*").await;
    customer.hear("ack").await;
    assert_eq!(about("list?shelf=waiting").await[2], (json!("visitor"), json!("it is *green*")));
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the deletion", |frame| frame["kind"] == "erased").await;
    let found = async |path: &str| {
        let rows = anna.list(path).await;
        let rows = rows.as_array().expect("rows").clone();
        let at = |row: &Value| ids.iter().position(|visitor| row["id"] == json!(visitor.conversation));
        rows.iter().filter_map(at).collect::<Vec<_>>()
    };
    assert_eq!(found("list?shelf=waiting").await, [0, 2]);
    assert_eq!(found("list?shelf=taken").await, [1]);
    assert_eq!(found("list?shelf=closed").await, Vec::<usize>::new());
    let mut all = found("list?shelf=all").await;
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
    // What is searched for is text: no wildcard, no SQL.
    for (search, expected) in [
        ("BLUE", vec![0]),
        ("50%25", vec![0]),
        ("%25", vec![0]),
        ("_", vec![2]),
        ("'%20OR%20'1'='1", vec![]),
        ("\\", vec![]),
        ("one%22)%20--", vec![]),
    ] {
        let mut rows = found(&format!("list?shelf=all&q={search}")).await;
        rows.sort_unstable();
        assert_eq!(rows, expected, "{search}");
    }
    assert_eq!(found(&format!("list?shelf=all&q={}", ids[2].conversation)).await, [2]);
    anna.does(json!({ "do": "close", "conversation": ids[1].conversation })).await;
    assert_eq!(found("list?shelf=closed").await, [1]);
    purser.stop().await;
}
