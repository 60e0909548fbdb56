//! Mail to customers who have gone, transcripts, notices: sent once or more, never lost, never to who does not need it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use purser::clock::Clock;
use purser::conversation::ConversationId;
use purser::people::Hours;
use purser::store::{Role, Tray};
use serde_json::{Value, json};

use super::MailServer;
use crate::agents::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    replies_that_nobody_saw_are_one_mail;
    who_sees_the_reply_gets_no_mail;
    what_was_sent_when_the_node_died_is_sent_again_as_the_same;
    a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not;
    agents_hear_of_a_message_that_was_left;
    a_transcript_comes_by_mail_but_not_often;
    what_was_deleted_is_not_sent;
}

/// A Wednesday at 10:00 UTC.
const MORNING: i64 = 1_770_199_200_000;
const MINUTE: i64 = 60_000;

fn clock() -> (Clock, Arc<AtomicI64>) {
    let clock = Clock::set(MORNING);
    let Clock::Set(now) = &clock else { unreachable!("it was set") };
    let now = now.clone();
    (clock, now)
}

fn later(now: &AtomicI64, minutes: i64) {
    now.fetch_add(minutes * MINUTE, Ordering::SeqCst);
}

const LINKS: &str = "page: https://shop.example/help\n  key: ${SECRET}\n  after_minutes: 2";

async fn purser(database: &TestDatabase, clock: &Clock, server: &MailServer, more: &str) -> TestPurser {
    let spec = server.spec(more);
    Setup::on(database).clock(clock).change(|config| config.post = spec).start().await
}

/// A customer who has left an address and waits for a person; the agent has taken the conversation.
async fn with_address(purser: &TestPurser, anna: &Agent) -> (Visitor, Typed) {
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    leaves(&mut customer, "bea@example.org").await;
    anna.take(&visitor).await;
    customer.hear_where("the agent", |frame| frame["kind"] == "joined").await;
    (visitor, customer)
}

/// Leaves word with this address.
async fn leaves(customer: &mut Typed, address: &str) {
    customer
        .send(json!({ "type": "say", "client_id": "a1", "text": "Leave a message", "choice": "person/message" }))
        .await;
    customer.hear("ack").await;
    customer
        .hear_where("the question", |frame| {
            frame["author"] == "bot" && frame["text"].as_str().is_some_and(|text| text.contains("e-mail"))
        })
        .await;
    let (_, answer) = customer.ask("a2", address).await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains(address)), "{answer}");
}

async fn waiting(purser: &TestPurser) -> usize {
    purser.store.due_in(Tray::Mail, i64::MAX, 99).await.expect("rows").len()
}

async fn nothing_waits(purser: &TestPurser) {
    until("an empty outbox", async || (waiting(purser).await == 0).then_some(())).await;
}

fn text<'a>(mail: &'a Value, part: &str) -> &'a str {
    mail[part].as_str().unwrap_or_else(|| panic!("{part} of {mail}"))
}

async fn replies_that_nobody_saw_are_one_mail(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let (clock, now) = clock();
    let purser = purser(database, &clock, &server, LINKS).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (visitor, customer) = with_address(&purser, &anna).await;
    drop(customer);
    anna.reply(&visitor, "It is in **Leeds**. <script>alert(1)</script>").await;
    later(&now, 1);
    anna.reply(&visitor, "It comes tomorrow.").await;
    assert_eq!(waiting(&purser).await, 1, "the first goes ahead");
    later(&now, 1);
    // The second one was said a minute ago: more may follow.
    until("a look", async || {
        let due = purser.store.due_in(Tray::Mail, i64::MAX, 9).await.expect("rows");
        (due[0].due_at == MORNING + 3 * MINUTE).then_some(())
    })
    .await;
    later(&now, 1);
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["bea@example.org"]));
    assert_eq!(mail["sender"], "chat@example.com");
    assert_eq!(mail["headers"]["subject"], "An answer from Example Shipping");
    assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
    let (plain, html) = (text(&mail, "text"), text(&mail, "html"));
    for said in ["Anna:", "It is in **Leeds**.", "It comes tomorrow.", "https://shop.example/help#purser="] {
        assert!(plain.contains(said), "{said} in {plain}");
    }
    assert!(html.contains("<strong>Leeds</strong>") && !html.contains("<script"), "{html}");
    nothing_waits(&purser).await;
    // What comes later is another mail.
    anna.reply(&visitor, "It is there.").await;
    later(&now, 3);
    let second = server.mail().await;
    assert!(text(&second, "text").contains("It is there.") && !text(&second, "text").contains("tomorrow"), "{second}");
    assert_ne!(mail["headers"]["message-id"], second["headers"]["message-id"]);
    nothing_waits(&purser).await;
    purser.stop().await;
}

async fn who_sees_the_reply_gets_no_mail(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let (clock, now) = clock();
    let purser = purser(database, &clock, &server, LINKS).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (visitor, mut customer) = with_address(&purser, &anna).await;
    anna.reply(&visitor, "It is in Leeds.").await;
    let reply =
        customer.hear_where("the reply", |frame| frame["author"] == "agent" && frame["kind"] == "message").await;
    customer.send(json!({ "type": "seen", "seq": reply["seq"] })).await;
    until("it to be noted", async || {
        let seen = purser.store.seen(ConversationId(visitor.conversation)).await.expect("a read");
        (u64::from(seen) >= reply["seq"].as_u64().expect("a number")).then_some(())
    })
    .await;
    later(&now, 3);
    nothing_waits(&purser).await;
    // Who answers has read it.
    let (other, mut customer) = with_address(&purser, &anna).await;
    anna.reply(&other, "Which parcel?").await;
    customer.say("b1", "PX 1").await;
    customer.hear("ack").await;
    later(&now, 3);
    nothing_waits(&purser).await;
    anna.reply(&other, "Thank you.").await;
    later(&now, 3);
    let mail = server.mail().await;
    assert!(text(&mail, "text").contains("Thank you.") && !text(&mail, "text").contains("Which parcel"), "{mail}");
    purser.stop().await;
}

async fn what_was_sent_when_the_node_died_is_sent_again_as_the_same(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&["hang", "250"]).await else { return };
    let (clock, now) = clock();
    let first = purser(database, &clock, &server, LINKS).await;
    let anna = Agent::new(&first, "anna", Role::Agent).await;
    let (visitor, customer) = with_address(&first, &anna).await;
    drop(customer);
    anna.reply(&visitor, "It is in Leeds.").await;
    later(&now, 3);
    // The server has it and does not say so; the node ends over that.
    let sent = server.mail().await;
    let folder = first.folder.clone();
    first.stop().await;
    let spec = server.spec(LINKS);
    let second = Setup::on(database).clock(&clock).change(|config| config.post = spec).start_in(folder).await;
    // Meanwhile another reply has come, which must not change what goes out again.
    anna.at(&second).reply(&visitor, "Still there.").await;
    later(&now, 1);
    assert_eq!(waiting(&second).await, 1, "nobody takes it before the claim of the dead node is over");
    later(&now, 3);
    let again = server.mail().await;
    assert_eq!(again["headers"]["message-id"], sent["headers"]["message-id"]);
    assert!(text(&again, "text").contains("It is in Leeds.") && !text(&again, "text").contains("Still"), "{again}");
    let later = server.mail().await;
    assert!(text(&later, "text").contains("Still there.") && !text(&later, "text").contains("Leeds"), "{later}");
    nothing_waits(&second).await;
    second.stop().await;
}

async fn a_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&["451", "451", "250", "550"]).await else { return };
    let (clock, now) = clock();
    let purser = purser(database, &clock, &server, LINKS).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (visitor, customer) = with_address(&purser, &anna).await;
    drop(customer);
    anna.reply(&visitor, "It is in Leeds.").await;
    later(&now, 3);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mail = server.mail().await;
        ids.push(mail["headers"]["message-id"].clone());
        if mail["answer"] == "451" {
            until("a pause", async || {
                let due = purser.store.due_in(Tray::Mail, i64::MAX, 9).await.expect("rows");
                let paused = due[0].due_at - now.load(Ordering::SeqCst);
                (paused > 0 && paused <= 5 * MINUTE && purser_counts(&purser, "failed").await >= ids.len() as u64)
                    .then_some(())
            })
            .await;
            later(&now, 5);
        }
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    nothing_waits(&purser).await;
    anna.reply(&visitor, "It is there.").await;
    later(&now, 3);
    assert_eq!(server.mail().await["answer"], "550");
    nothing_waits(&purser).await;
    until("a dead letter", async || (purser_counts(&purser, "given_up").await == 1).then_some(())).await;
    purser.stop().await;
}

/// How many replies had this outcome, as the operator sees it.
async fn purser_counts(purser: &TestPurser, outcome: &str) -> u64 {
    let url = format!("http://{}/metrics", purser.address);
    let text = crate::harness::http_client().get(url).send().await.expect("an answer").text().await.expect("a text");
    let line = format!("purser_post_total{{kind=\"reply\",outcome=\"{outcome}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

async fn agents_hear_of_a_message_that_was_left(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let (clock, _) = clock();
    let spec = server.spec("notify: [desk@example.com, late@example.com]\n  console: https://chat.example.com/");
    let setup = Setup::on(database).clock(&clock).change(|config| {
        config.post = spec;
        // It is a Wednesday.
        config.people.hours = Some(Hours::new("UTC", &["sat 10:00-12:00".to_owned()], &[]).expect("hours"));
    });
    let purser = setup.start().await;
    let _anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m0", "my <b>parcel</b> is gone").await;
    leaves(&mut customer, "bea@example.org").await;
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["desk@example.com", "late@example.com"]));
    let plain = text(&mail, "text");
    assert!(plain.contains("bea@example.org") && plain.contains("> my <b>parcel</b> is gone"), "{plain}");
    assert!(plain.contains(&format!("https://chat.example.com/agent#{}", visitor.conversation)), "{plain}");
    assert!(text(&mail, "html").contains("my &lt;b&gt;parcel&lt;/b&gt; is gone"), "{mail}");
    nothing_waits(&purser).await;
    purser.stop().await;
}

async fn a_transcript_comes_by_mail_but_not_often(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let (clock, now) = clock();
    let purser = purser(database, &clock, &server, "").await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "saturday delivery").await;
    let ask = async |visitor: &Visitor, email: Value| {
        let body = json!({ "token": visitor.token, "conversation": visitor.conversation, "email": email });
        purser.post("transcript", &[], body.to_string()).await.0
    };
    assert_eq!(ask(&visitor, Value::Null).await, 422, "nobody knows an address");
    for no in ["bea", "bea@example.org\r\nBcc: all@example.org", "<bea@example.org>, eve@example.org", "a@b\0"] {
        assert_eq!(ask(&visitor, json!(no)).await, 422, "{no}");
    }
    assert_eq!(ask(&Visitor { token: Visitor::new().token, ..visitor.clone() }, json!("eve@example.org")).await, 403);
    assert_eq!(ask(&visitor, json!("bea@example.org")).await, 202);
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["bea@example.org"]));
    assert!(!mail["names"].as_array().expect("names").contains(&json!("bcc")));
    let plain = text(&mail, "text");
    assert!(plain.contains("You, 2026-02-04 10:00:\n> saturday delivery"), "{plain}");
    assert!(plain.contains("> Yes, **on Saturdays** too."), "{plain}");
    for _ in 0..2 {
        assert_eq!(ask(&visitor, json!("bea@example.org")).await, 202);
    }
    assert_eq!(ask(&visitor, json!("bea@example.org")).await, 429);
    later(&now, 25 * 60);
    assert_eq!(ask(&visitor, json!("bea@example.org")).await, 202);
    // The customer's client is told nothing of all that.
    let mut again = purser.visit(&visitor, 0).await;
    let history = again.hear("history").await;
    assert!(history["events"].as_array().unwrap().iter().all(|event| event["kind"] == "message"), "{history}");
    nothing_waits(&purser).await;
    purser.stop().await;
}

async fn what_was_deleted_is_not_sent(database: &TestDatabase) {
    let Some(server) = MailServer::start(&[]).await else { return };
    let (clock, now) = clock();
    let purser = purser(database, &clock, &server, LINKS).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (visitor, mut customer) = with_address(&purser, &anna).await;
    anna.reply(&visitor, "It is in Leeds.").await;
    assert_eq!(waiting(&purser).await, 1);
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the end", |frame| frame["kind"] == "erased").await;
    assert_eq!(waiting(&purser).await, 0);
    later(&now, 9);
    purser.stop().await;
}
