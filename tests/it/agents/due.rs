//! What becomes due while nobody does anything, on a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use purser::clock::Clock;
use purser::conversation::{Author, ConversationId, Kind, Reason, Status};
use purser::people::Hours;
use purser::store::{Role, Shelf};
use serde_json::{Value, json};

use super::{Agent, events};
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor};
use crate::on_both_engines;

on_both_engines! {
    nobody_comes_then_it_is_closed;
    a_forgotten_conversation_goes_back_into_the_queue;
    timers_outlive_a_restart_and_do_not_burst;
    of_two_nodes_one_does_what_is_due;
    outside_hours_word_is_left;
    whoever_waits_after_closing_time_is_told_so;
}

/// A Wednesday at 10:00 UTC.
const MORNING: i64 = 1_770_199_200_000;
const MINUTE: i64 = 60_000;

pub fn clock() -> (Clock, Arc<AtomicI64>) {
    let clock = Clock::set(MORNING);
    let Clock::Set(now) = &clock else { unreachable!("it was set") };
    let now = now.clone();
    (clock, now)
}

pub fn later(now: &AtomicI64, minutes: i64) {
    now.fetch_add(minutes * MINUTE, Ordering::SeqCst);
}

pub async fn wake(purser: &TestPurser) {
    // The first look may only find out when the next one is.
    for _ in 0..2 {
        purser.desk.wake_due().await.expect("the store");
    }
}

/// A customer who has called Anna, on a clock that stands still.
struct Called {
    purser: TestPurser,
    clock: Clock,
    now: Arc<AtomicI64>,
    anna: Agent,
    visitor: Visitor,
    customer: Typed,
}

async fn called(database: &TestDatabase) -> Called {
    let (clock, now) = clock();
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (visitor, customer) = calls(&purser).await;
    Called { purser, clock, now, anna, visitor, customer }
}

async fn calls(purser: &TestPurser) -> (Visitor, Typed) {
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;
    (visitor, customer)
}

async fn kinds(purser: &TestPurser, visitor: &Visitor) -> Vec<Kind> {
    events(purser, visitor).await.iter().map(|event| event.kind).collect()
}

async fn nobody_comes_then_it_is_closed(database: &TestDatabase) {
    let Called { purser, now, anna, visitor, mut customer, .. } = called(database).await;
    later(&now, 2);
    wake(&purser).await;
    assert_eq!(events(&purser, &visitor).await.len(), 3, "nothing is due yet");
    later(&now, 2);
    wake(&purser).await;
    let apology =
        customer.hear_where("an apology", |frame| frame["author"] == "system" && frame["kind"] == "message").await;
    let choices: Vec<_> =
        apology["buttons"].as_array().expect("buttons").iter().map(|button| &button["choice"]).collect();
    assert_eq!(choices, ["person/message", "person/back"]);
    later(&now, 30);
    wake(&purser).await;
    assert_eq!(events(&purser, &visitor).await.len(), 4, "it is said once");
    // The button asks where an answer is to go; then the assistant goes on, and the word waits.
    let press = json!({ "type": "say", "client_id": "m2", "text": "Leave a message", "choice": "person/message" });
    customer.send(press).await;
    customer.hear("ack").await;
    let asked = customer
        .hear_where("the question", |frame| frame["text"].as_str().is_some_and(|text| text.contains("e-mail")))
        .await;
    assert!(!asked["text"].as_str().is_some_and(|text| text.contains("Nobody")), "they are only busy: {asked}");
    let (_, answer) = customer.ask("m3", "me at anna@").await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("does not look like")), "{answer}");
    let (_, answer) = customer.ask("m4", "sorry, anna@example.org").await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("**anna@example.org**")), "{answer}");
    let rows = anna.list("list?shelf=waiting").await;
    assert_eq!((&rows[0]["message"], &rows[0]["name"]), (&json!(true), &json!("anna@example.org")));
    let (_, answer) = customer.ask("m5", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");

    // However much word was left before, whoever waits is in the list.
    later(&now, 1);
    let (visitor, _customer) = calls(&purser).await;
    let first = purser.store.attended(Shelf::Waiting, 1).await.expect("a list");
    assert_eq!(first.iter().map(|row| row.head.id).collect::<Vec<_>>(), [ConversationId(visitor.conversation)]);
    let both = purser.store.attended(Shelf::Waiting, 2).await.expect("a list");
    assert!(both.len() == 2 && both[0].since < both[1].since, "in the order in which they came");
    later(&now, 4);
    wake(&purser).await;
    later(&now, 61);
    wake(&purser).await;
    let last = events(&purser, &visitor).await.last().cloned().expect("events");
    assert_eq!((last.kind, last.meta.reason), (Kind::Closed, Some(Reason::Idle)));
    purser.stop().await;
}

async fn a_forgotten_conversation_goes_back_into_the_queue(database: &TestDatabase) {
    let Called { purser, now, anna, visitor, mut customer, .. } = called(database).await;
    anna.take(&visitor).await;
    anna.reply(&visitor, "Hello").await;
    // The agent has answered, and waits for the customer.
    later(&now, 20);
    wake(&purser).await;
    assert!(!kinds(&purser, &visitor).await.contains(&Kind::Transferred));
    customer.say("m2", "hello").await;
    customer.hear("ack").await;
    let (other, _waits) = calls(&purser).await;
    later(&now, 9);
    wake(&purser).await;
    assert!(!kinds(&purser, &visitor).await.contains(&Kind::Transferred));
    later(&now, 2);
    wake(&purser).await;
    let last = events(&purser, &visitor).await.last().cloned().expect("events");
    assert_eq!((last.kind, last.meta.reason), (Kind::Transferred, Some(Reason::Forgotten)));
    let head = purser.store.conversation(ConversationId(visitor.conversation)).await.expect("a read");
    assert_eq!(head.map(|head| head.status), Some(Status::Waiting));
    // Whoever came later does not come first.
    let waiting = purser.store.attended(Shelf::Waiting, 9).await.expect("a list");
    let waiting: Vec<_> = waiting.iter().map(|row| row.head.id.0).collect();
    assert_eq!(waiting, [visitor.conversation, other.conversation]);
    // Another one may take it now.
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    ben.take(&visitor).await;
    // The button of the time before does not send him away again.
    let press = json!({ "type": "say", "client_id": "m3", "text": "Leave a message", "choice": "person/message" });
    customer.send(press).await;
    customer.hear_where("the ack", |frame| frame["type"] == "ack" && frame["client_id"] == "m3").await;
    let head = purser.store.conversation(ConversationId(visitor.conversation)).await.expect("a read");
    assert_eq!(head.map(|head| head.status), Some(Status::Agent));
    purser.stop().await;
}

async fn timers_outlive_a_restart_and_do_not_burst(database: &TestDatabase) {
    let Called { purser, clock, now, visitor, customer, .. } = called(database).await;
    drop(customer);
    let folder = purser.folder.clone();
    purser.stop().await;
    // Down for a day.
    later(&now, 24 * 60);
    let purser = Setup::on(database).clock(&clock).start_in(folder).await;
    for _ in 0..5 {
        wake(&purser).await;
    }
    let log = kinds(&purser, &visitor).await;
    assert_eq!(
        log,
        [Kind::Message, Kind::Message, Kind::Handover, Kind::Message],
        "one thing, not all that was missed"
    );
    purser.stop().await;
}

async fn of_two_nodes_one_does_what_is_due(database: &TestDatabase) {
    if !database.url().starts_with("mysql") {
        return;
    }
    let (clock, now) = clock();
    let nodes = [Setup::on(database).clock(&clock).start().await, Setup::on(database).clock(&clock).start().await];
    let _anna = Agent::new(&nodes[0], "anna", Role::Agent).await;
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(calls(&nodes[0]).await.0);
    }
    later(&now, 4);
    for _ in 0..3 {
        let (one, two) = tokio::join!(nodes[0].desk.wake_due(), nodes[1].desk.wake_due());
        assert_eq!((one, two), (Ok(()), Ok(())));
    }
    for visitor in &visitors {
        let log = kinds(&nodes[1], visitor).await;
        assert_eq!(log, [Kind::Message, Kind::Message, Kind::Handover, Kind::Message]);
    }
    for node in nodes {
        node.stop().await;
    }
}

async fn outside_hours_word_is_left(database: &TestDatabase) {
    let (clock, now) = clock();
    let hours = Hours::new("Europe/London", &["mon-fri 09:00-17:30".to_owned()], &["2026-02-05".to_owned()]);
    let purser = Setup::on(database)
        .clock(&clock)
        .change(|config| config.people.hours = Some(hours.expect("hours")))
        .start()
        .await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    // Wednesday 18:00; Thursday is a holiday.
    later(&now, 8 * 60);
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (_, answer) = customer.ask("m1", "talk to a person").await;
    let text = answer["text"].as_str().expect("a text");
    assert!(text.contains("phone number") && text.contains("on Friday at 9:00"), "{text}");
    let head = async || {
        purser.store.conversation(ConversationId(visitor.conversation)).await.expect("a read").expect("a conversation")
    };
    assert_eq!(head().await.status, Status::Bot);
    // Another question is answered, and the address may come after it.
    let (_, answer) = customer.ask("m2", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    let (_, answer) = customer.ask("m3", "+44 20 7946 0123").await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("get back to you")), "{answer}");
    assert_eq!(head().await.kept.attributes.get("phone").map(String::as_str), Some("+44 20 7946 0123"));
    let log = events(&purser, &visitor).await;
    assert_eq!(log.iter().filter(|event| event.meta.reason == Some(Reason::Message)).count(), 1);
    let rows = anna.list("list?shelf=waiting").await;
    assert_eq!((&rows[0]["message"], &rows[0]["status"]), (&json!(true), &json!("bot")));
    // Whoever reads it may take it.
    anna.take(&visitor).await;
    purser.stop().await;
}

async fn whoever_waits_after_closing_time_is_told_so(database: &TestDatabase) {
    let (clock, now) = clock();
    let hours = Hours::new("Europe/London", &["mon-fri 09:00-17:30".to_owned()], &[]);
    let purser = Setup::on(database)
        .clock(&clock)
        .change(|config| config.people.hours = Some(hours.expect("hours")))
        .start()
        .await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    // One is told before half past five that it takes long, the other one calls too late for that.
    later(&now, 7 * 60 + 24);
    let (patient, mut told) = calls(&purser).await;
    later(&now, 4);
    wake(&purser).await;
    let busy = |frame: &Value| frame["author"] == "system" && frame["kind"] == "message";
    let long = told.hear_where("an apology", busy).await;
    assert!(long["text"].as_str().is_some_and(|text| text.contains("keep waiting")), "{long}");
    let (late, mut called) = calls(&purser).await;
    wake(&purser).await;
    assert_eq!(events(&purser, &late).await.len(), 3, "the day is not over yet");
    later(&now, 7);
    wake(&purser).await;
    for customer in [&mut told, &mut called] {
        customer.hear_where("that nobody waits", |frame| frame["kind"] == "left").await;
        let away = customer.hear_where("when somebody comes", busy).await;
        let text = away["text"].as_str().expect("a text");
        assert!(text.contains("e-mail address") && text.contains("on Thursday at 9:00"), "{text}");
        assert!(!text.contains("busy"), "{text}");
    }
    // What they wanted is not lost, whether they say more or not.
    let rows = anna.list("list?shelf=waiting").await;
    let is_word = |row: &&Value| row["message"] == true && row["status"] == "bot";
    assert_eq!(rows.as_array().expect("rows").iter().filter(is_word).count(), 2, "{rows}");
    // Until the next question the address may come at any time; the assistant answers everything else.
    let (_, answer) = called.ask("m2", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    let (_, answer) = told.ask("m2", "anna@example.org").await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("**anna@example.org**")), "{answer}");
    later(&now, 24 * 60);
    wake(&purser).await;
    let log = events(&purser, &patient).await;
    let said = log.iter().filter(|event| event.author == Author::System && event.kind == Kind::Message).count();
    assert_eq!(said, 2, "each is said once");
    anna.again().await.take(&late).await;
    purser.stop().await;
}
