//! What a customer sees: answers, once, in order, complete, and nobody else's.

use std::sync::atomic::Ordering;

use purser::clock::Clock;
use purser::conversation::{Author, ClientId, Conversation, ConversationId, EventId, Said, Text, VisitorId};
use purser::responders::{Answer, BoxFuture, Responder, Turn};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};

use crate::harness::{Plain, Setup, Slow, TestDatabase, TestPurser, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    the_plain_dialect_answers;
    the_typed_dialect_answers;
    a_bot_message_says_where_it_comes_from;
    every_tab_of_a_browser_hears_the_replies;
    a_message_said_twice_is_stored_once;
    a_message_said_by_many_tabs_at_once_is_stored_once;
    tabs_that_begin_at_once_meet_in_one_conversation;
    whoever_was_away_gets_the_rest;
    older_pages_come_on_demand;
    all_tabs_see_one_order;
    a_slow_answer_holds_up_no_message;
    questions_are_answered_in_their_order;
    a_question_of_a_dead_node_is_answered_by_the_next;
    a_very_late_question_gets_an_apology;
    nobody_reads_another_visitors_conversation;
    the_answer_comes_in_the_customers_language;
    a_suggestion_is_answered_by_its_button;
    when_nothing_fits_a_person_is_offered;
    the_window_is_greeted_in_its_language;
    an_answer_is_rated;
    a_visitor_deletes_the_chat;
    a_deleted_question_gets_no_answer;
    what_nobody_has_seen_is_unread;
    a_long_conversation_comes_in_pages;
    a_responder_that_panics_is_passed_over;
    a_second_message_does_not_give_up_the_hold;
    what_is_answered_here_does_not_starve_others;
    without_its_history_nobody_is_welcome;
}

async fn the_plain_dialect_answers(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let mut customer = purser.plain(None).await;
    customer.say("do you deliver on saturdays?").await;
    assert_eq!(customer.hear().await, "<p>Yes, <strong>on Saturdays</strong> too.</p>");
    customer.say("how much does it cost?").await;
    assert_eq!(customer.hear().await, "<p>From £3.49.</p>");
    purser.stop().await;
}

async fn the_typed_dialect_answers(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.typed().await;
    let welcome = customer.hello(&visitor, 0).await;
    assert_eq!(welcome["conversation"], json!(visitor.conversation));
    assert_eq!(welcome["seq"], 0);

    let (ack, answer) = customer.ask("m1", "how much does it cost?").await;
    assert_eq!(ack["seq"], 1);
    assert_eq!(ack["conversation"], json!(visitor.conversation));
    assert_eq!(answer["seq"], 2);
    assert_eq!(answer["text"], "From £3.49.");
    assert_eq!(answer["html"], "<p>From £3.49.</p>");
    assert_eq!(answer["buttons"], json!([{ "text": "do you deliver on saturdays", "choice": "saturday" }]));
    let own = customer.hear_where("the own event", |frame| frame["client_id"] == "m1").await;
    assert_eq!(
        (&own["type"], &own["author"], &own["text"]),
        (&json!("event"), &json!("visitor"), &json!("how much does it cost?"))
    );
    assert_eq!(own.get("html"), None, "a visitor's text is text");

    customer.send(json!({ "type": "ping" })).await;
    customer.hear("pong").await;
    purser.stop().await;
}

async fn a_bot_message_says_where_it_comes_from(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "saturday delivery").await;
    let revision = purser.desk.pipeline().revision().to_string();
    let events = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    let provenance = events[1].provenance.as_ref().expect("a provenance");
    assert_eq!(&*provenance.responder, "faq");
    assert_eq!(provenance.entry.as_deref(), Some("saturday"));
    assert_eq!(*provenance.revision, *revision);
    assert_eq!(events[0].provenance, None);
    purser.stop().await;
}

async fn every_tab_of_a_browser_hears_the_replies(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let mut first = purser.plain(None).await;
    let cookie = first.cookie.clone().expect("a session");
    let mut second = purser.plain(Some(&cookie)).await;
    assert_eq!(second.cookie, None, "the session is kept");
    let mut stranger = purser.plain(None).await;

    first.say("saturday delivery").await;
    let heard: [String; 2] = [first.hear().await, second.hear().await];
    assert_eq!(heard[0], heard[1]);
    // The stranger hears only what is said to it.
    stranger.say("how much does it cost").await;
    assert_eq!(stranger.hear().await, "<p>From £3.49.</p>");
    purser.stop().await;
}

async fn a_message_said_twice_is_stored_once(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (first, _) = customer.ask("m1", "saturday delivery").await;
    customer.say("m1", "saturday delivery").await;
    assert_eq!(customer.hear("ack").await, first);

    // A new connection, as after a reconnect, on which the node may have forgotten its acknowledgements.
    drop(customer);
    let mut again = purser.visit(&visitor, 0).await;
    again.say("m1", "saturday delivery").await;
    assert_eq!(again.hear("ack").await, first);
    let (ack, _) = again.ask("m2", "how much does it cost").await;
    assert_eq!(ack["seq"], 3, "nothing was stored in between");
    purser.stop().await;
}

async fn a_message_said_by_many_tabs_at_once_is_stored_once(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut tabs = Vec::new();
    for _ in 0..8 {
        tabs.push(purser.visit(&visitor, 0).await);
    }
    for tab in &mut tabs {
        tab.say("the-first-of-all", "saturday delivery").await;
    }
    for tab in &mut tabs {
        let ack = tab.hear("ack").await;
        assert_eq!((&ack["client_id"], &ack["seq"]), (&json!("the-first-of-all"), &json!(1)));
    }
    let events = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    let authors: Vec<_> = events.iter().map(|event| event.author).collect();
    assert_eq!(authors, [Author::Visitor, Author::Bot]);
    purser.stop().await;
}

async fn tabs_that_begin_at_once_meet_in_one_conversation(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let one = Visitor::new();
    let two = Visitor { token: one.token.clone(), ..Visitor::new() };
    let mut first = purser.visit(&one, 0).await;
    let mut second = purser.visit(&two, 0).await;
    first.ask("m1", "saturday delivery").await;
    second.say("m2", "how much does it cost").await;
    let ack = second.hear("ack").await;
    assert_eq!(ack["conversation"], json!(one.conversation), "the visitor has one open conversation");
    assert_eq!(ack["seq"], 3);
    let welcome = second.hear("welcome").await;
    assert_eq!(welcome["conversation"], json!(one.conversation));
    let seen = second.events_to(4).await;
    let seqs: Vec<_> = seen.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    purser.stop().await;
}

async fn whoever_was_away_gets_the_rest(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut here = purser.visit(&visitor, 0).await;
    let mut away = purser.visit(&visitor, 0).await;
    here.ask("m0", "saturday delivery").await;
    let before = away.events_to(2).await;
    assert_eq!(before.len(), 2);
    drop(away);
    for i in 1..=5 {
        here.ask(&format!("m{i}"), "how much does it cost").await;
    }
    let mut back = purser.visit(&visitor, 2).await;
    let missed = back.events_to(12).await;
    let seqs: Vec<_> = missed.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (3..=12).collect::<Vec<_>>());
    purser.stop().await;
}

async fn older_pages_come_on_demand(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut here = purser.visit(&visitor, 0).await;
    for i in 0..60 {
        here.ask(&format!("m{i}"), "how much does it cost").await;
    }
    let mut later = purser.visit(&visitor, 0).await;
    let mut page = later.hear("history").await;
    let mut seqs: Vec<u64> = Vec::new();
    loop {
        let events = page["events"].as_array().expect("events").clone();
        let first = events[0]["seq"].as_u64().expect("a seq");
        seqs.splice(0..0, events.iter().filter_map(|event| event["seq"].as_u64()));
        if page["more"] == false {
            break;
        }
        later.send(json!({ "type": "older", "before": first })).await;
        page = later.hear("history").await;
    }
    assert_eq!(seqs, (1..=120).collect::<Vec<_>>());
    purser.stop().await;
}

async fn all_tabs_see_one_order(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(purser.visit(&visitor, 0).await);
    }
    let says = 20;
    for i in 0..says {
        for (t, tab) in tabs.iter_mut().enumerate() {
            tab.say(&format!("t{t}-{i}"), "saturday delivery").await;
        }
    }
    let last = 3 * says * 2;
    let mut orders = Vec::new();
    for tab in &mut tabs {
        let order: Vec<Value> = tab.events_to(last).await.iter().map(|event| event["id"].clone()).collect();
        assert_eq!(u64::try_from(order.len()).expect("small"), last, "each event once");
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    purser.stop().await;
}

async fn a_slow_answer_holds_up_no_message(database: &TestDatabase) {
    let slow = Slow::new();
    let purser = Setup::on(database).first(slow.clone()).start().await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    customer.say("m1", "slow one").await;
    assert_eq!(customer.hear("ack").await["seq"], 1, "acknowledged before it is answered");
    slow.was_asked().await;
    customer.say("m2", "saturday delivery").await;
    assert_eq!(customer.hear("ack").await["seq"], 2);
    slow.release();
    let answers = [
        customer.hear_where("the slow answer", |frame| frame["question"] == 1).await,
        customer.hear_where("the other answer", |frame| frame["question"] == 2).await,
    ];
    assert_eq!(answers[0]["text"], "slow answer to slow one");
    assert_eq!((&answers[0]["seq"], &answers[1]["seq"]), (&json!(3), &json!(4)));
    purser.stop().await;
}

async fn questions_are_answered_in_their_order(database: &TestDatabase) {
    let slow = Slow::new();
    let purser = Setup::on(database).first(slow.clone()).start().await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    for i in 1..=4 {
        customer.say(&format!("m{i}"), &format!("slow {i}")).await;
        customer.hear("ack").await;
    }
    for i in 1..=4_u64 {
        slow.was_asked().await;
        slow.release();
        let answer = customer.hear_where("an answer", |frame| frame["author"] == "bot").await;
        assert_eq!((&answer["question"], &answer["seq"]), (&json!(i), &json!(4 + i)));
    }
    purser.stop().await;
}

async fn a_question_of_a_dead_node_is_answered_by_the_next(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let stuck = Slow::new();
    let visitor = Visitor::new();
    let setup = Setup::on(database).clock(&clock).first(stuck.clone());
    let first = setup.change(|config| config.limits.stop_seconds = 1).start().await;
    let mut customer = first.visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    stuck.was_asked().await;
    let folder = first.folder.clone();
    // The answer is never given: what the node leaves behind is an acknowledged question.
    first.stop().await;
    drop(customer);

    if let Clock::Set(now) = &clock {
        now.fetch_add(60_000, Ordering::SeqCst);
    }
    let second = Setup::on(database).clock(&clock).start_in(folder).await;
    let mut back = second.visit(&visitor, 0).await;
    let seen = back.events_to(2).await;
    assert_eq!((&seen[1]["author"], &seen[1]["question"]), (&json!("bot"), &json!(1)));
    // The clock stands still, so the question would come up again if it still counted as pending.
    second.desk.wake_due().await.expect("the store");
    let (ack, _) = back.ask("m2", "saturday delivery").await;
    assert_eq!(ack["seq"], 3, "it was answered once");
    second.stop().await;
}

async fn a_very_late_question_gets_an_apology(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let stuck = Slow::new();
    let visitor = Visitor::new();
    let setup = Setup::on(database).clock(&clock).first(stuck.clone());
    let first = setup.change(|config| config.limits.stop_seconds = 1).start().await;
    let mut customer = first.visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    let folder = first.folder.clone();
    first.stop().await;

    if let Clock::Set(now) = &clock {
        now.fetch_add(3_600_000, Ordering::SeqCst);
    }
    let second = Setup::on(database).clock(&clock).start_in(folder).await;
    let mut back = second.visit(&visitor, 0).await;
    let seen = back.events_to(2).await;
    let pipeline = second.desk.pipeline();
    let (apology, _) = pipeline.lines().say(purser::responders::lines::Line::Apology, &["en".into()]);
    assert_eq!(seen[1]["text"], json!(apology));
    second.stop().await;
}

async fn nobody_reads_another_visitors_conversation(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let owner = Visitor::new();
    let mut customer = purser.visit(&owner, 0).await;
    customer.ask("m1", "saturday delivery").await;

    let thief = Visitor { conversation: owner.conversation, ..Visitor::new() };
    let mut other = purser.typed().await;
    let Visitor { token, conversation } = &thief;
    other.send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 0 })).await;
    let error = other.hear("error").await;
    assert_eq!(error["code"], "not_yours");
    // No way around: without a seat there is neither history nor a say.
    other.send(json!({ "type": "older", "before": 100 })).await;
    assert_eq!(other.hear("error").await["code"], "hello_first");
    other.say("x", "saturday delivery").await;
    assert_eq!(other.hear("error").await["code"], "hello_first");
    // And the owner's next message is the next event.
    let (ack, _) = customer.ask("m2", "saturday delivery").await;
    assert_eq!(ack["seq"], 3);
    purser.stop().await;
}

async fn the_answer_comes_in_the_customers_language(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.typed().await;
    let Visitor { token, conversation } = &visitor;
    customer.send(json!({ "type": "hello", "token": token, "conversation": conversation, "language": "de-AT" })).await;
    customer.hear("welcome").await;
    let (_, answer) = customer.ask("m1", "zustellung am samstag").await;
    assert_eq!((&answer["text"], &answer["language"]), (&json!("Ja, **auch samstags**."), &json!("de")));
    // Who changes over to English gets English.
    let (_, answer) = customer.ask("m2", "do you deliver on saturdays").await;
    assert_eq!((&answer["text"], &answer["language"]), (&json!("Yes, **on Saturdays** too."), &json!("en")));
    // A turn that is handed on is answered in the language that it was understood in.
    let (_, answer) = customer.ask("m3", "mit einem menschen sprechen").await;
    assert_eq!(answer["language"], "de");
    purser.stop().await;
}

async fn a_suggestion_is_answered_by_its_button(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    customer.send(json!({ "type": "say", "client_id": "m1", "text": "Saturday delivery", "choice": "saturday" })).await;
    let answer = customer.hear_where("the answer", |frame| frame["question"] == 1).await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    purser.stop().await;
}

async fn when_nothing_fits_a_person_is_offered(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let mut customer: Plain = purser.plain(None).await;
    customer.say("qwertz uiop").await;
    let line = customer.hear().await;
    assert!(line.contains("<li>"), "something can be done: {line}");

    let mut typed = purser.visit(&Visitor::new(), 0).await;
    let (_, answer) = typed.ask("m1", "qwertz uiop").await;
    let button = answer["buttons"][0].clone();
    typed.send(json!({ "type": "say", "client_id": "m2", "text": button["text"], "choice": button["choice"] })).await;
    typed.hear("ack").await;
    let contact = typed.hear_where("the contact", |frame| frame["question"] == 3).await;
    assert_ne!(contact["text"], answer["text"]);
    let (_, asked) = typed.ask("m3", "talk to a person").await;
    assert_eq!(asked["text"], contact["text"], "by words as by the button");
    purser.stop().await;
}

async fn the_window_is_greeted_in_its_language(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    for (language, greeting, starter) in [
        ("en", "<p>Hello! What can I do for you?</p>", "Where is my parcel?"),
        ("de-AT", "<p>Guten Tag! Was kann ich für Sie tun?</p>", "Wo ist mein Paket?"),
    ] {
        let mut customer = purser.typed().await;
        let token = Visitor::new().token;
        customer.send(json!({ "type": "hello", "token": token, "language": language })).await;
        let site = customer.hear("welcome").await["site"].clone();
        assert_eq!(site["greeting"], greeting);
        assert_eq!(site["starters"][0]["text"], starter);
        assert!(site["privacy"].as_str().is_some_and(|text| text.starts_with("<p>")));
    }
    purser.stop().await;
}

async fn an_answer_is_rated(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut tab = purser.visit(&visitor, 0).await;
    let mut other_tab = purser.visit(&visitor, 0).await;
    tab.ask("m1", "saturday delivery").await;
    for (seq, thumb) in [(3, json!("up")), (4, json!("down")), (5, json!(null))] {
        // Said twice it is one event.
        for _ in 0..2 {
            tab.send(json!({ "type": "rate", "seq": 2, "thumb": thumb })).await;
        }
        for tab in [&mut tab, &mut other_tab] {
            let rated = tab.hear_where("the rating", |frame| frame["kind"] == "rated").await;
            assert_eq!((&rated["seq"], &rated["answer"]), (&json!(seq), &json!(2)));
            assert_eq!(rated.get("thumb").cloned().unwrap_or_default(), thumb);
        }
    }
    // What is not there, or is the visitor's own, cannot be rated.
    for seq in [0, 1, 3, 99, u32::MAX] {
        tab.send(json!({ "type": "rate", "seq": seq, "thumb": "up" })).await;
        assert_eq!(tab.hear("error").await["code"], "no_answer", "for {seq}");
    }
    purser.stop().await;
}

async fn a_visitor_deletes_the_chat(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut tab = purser.visit(&visitor, 0).await;
    let mut other_tab = purser.visit(&visitor, 0).await;
    tab.ask("m1", "saturday delivery").await;
    for _ in 0..2 {
        tab.send(json!({ "type": "erase" })).await;
    }
    for tab in [&mut tab, &mut other_tab] {
        let erased = tab.hear_where("the mark", |frame| frame["kind"] == "erased").await;
        assert_eq!((&erased["seq"], &erased["author"]), (&json!(3), &json!("visitor")));
    }
    // Whoever comes back, with an old seq or with none, finds the mark and nothing else.
    for seen in [0, 1] {
        let mut back = purser.visit(&visitor, seen).await;
        let kinds: Vec<Value> = back.events_to(3).await.iter().map(|event| event["kind"].clone()).collect();
        assert_eq!(kinds, ["erased"]);
    }
    // And the chat goes on.
    let (ack, answer) = tab.ask("m2", "saturday delivery").await;
    assert_eq!((&ack["seq"], &answer["seq"]), (&json!(5), &json!(6)));
    assert_eq!(ack["conversation"], json!(visitor.conversation));
    purser.stop().await;
}

async fn a_deleted_question_gets_no_answer(database: &TestDatabase) {
    let slow = Slow::new();
    let purser = Setup::on(database).first(slow.clone()).start().await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    customer.say("m1", "slow secret").await;
    customer.hear("ack").await;
    slow.was_asked().await;
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the mark", |frame| frame["kind"] == "erased").await;
    slow.release();
    let (ack, answer) = customer.ask("m2", "saturday delivery").await;
    assert_eq!((&ack["seq"], &answer["seq"]), (&json!(4), &json!(5)), "nothing came in between");
    purser.stop().await;
}

async fn what_nobody_has_seen_is_unread(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "saturday delivery").await;
    customer.ask("m2", "saturday delivery").await;
    let unread = async |seen: u32| {
        let body = json!({ "token": visitor.token, "seen": seen }).to_string();
        let (status, answer) = purser.post("unread", &[], body).await;
        assert_eq!(status, 200, "{answer}");
        answer["unread"].as_u64()
    };
    assert_eq!(unread(0).await, Some(2));
    assert_eq!(unread(2).await, Some(1));
    // What was seen is stored when the visit ends, for the visitor's other browsers.
    customer.send(json!({ "type": "seen", "seq": 4 })).await;
    drop(customer);
    until("the note", || async { (unread(0).await == Some(0)).then_some(()) }).await;

    let body = json!({ "token": visitor.token }).to_string();
    for (headers, body, expected) in [
        (vec![("Origin", "https://evil.example")], body.as_str(), 403),
        (vec![("Origin", "null")], body.as_str(), 403),
        (vec![], "{", 400),
        (vec![], r#"{"token":"short"}"#, 400),
    ] {
        assert_eq!(purser.post("unread", &headers, body.to_owned()).await.0, expected, "for {body}");
    }
    purser.stop().await;
}

async fn a_long_conversation_comes_in_pages(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    // Twenty times 16 KiB, the longest text there is.
    let long = "\u{1f4e6}".repeat(4_000);
    for i in 0..20 {
        customer.ask(&format!("m{i}"), &long).await;
    }
    drop(customer);
    let mut back = purser.visit(&visitor, 0).await;
    let (mut all, mut before) = (Vec::new(), 41);
    let mut page = back.hear("history").await;
    loop {
        assert!(page.to_string().len() < 200 * 1024, "one frame holds {} bytes", page.to_string().len());
        let seqs: Vec<u64> =
            page["events"].as_array().expect("events").iter().filter_map(|e| e["seq"].as_u64()).collect();
        let over_http = json!({ "type": "older", "before": before });
        assert_eq!(purser.post_frame(&visitor, over_http).await.1, [page.clone()], "the same over HTTP");
        before = seqs[0];
        all.splice(0..0, seqs);
        if page["more"] == false {
            break;
        }
        back.send(json!({ "type": "older", "before": before })).await;
        page = back.hear("history").await;
    }
    assert_eq!(all, (1..=40).collect::<Vec<u64>>());
    purser.stop().await;
}

struct Panics;

impl Responder for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        assert!(!turn.text.contains("at once"), "before there is a future");
        Box::pin(async move {
            tokio::task::yield_now().await;
            panic!("while it is polled");
        })
    }
}

async fn a_responder_that_panics_is_passed_over(database: &TestDatabase) {
    let purser = Setup::on(database).first(std::sync::Arc::new(Panics)).start().await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    for (id, text) in [("m1", "saturday delivery"), ("m2", "saturday delivery at once"), ("m3", "saturday delivery")] {
        let (_, answer) = customer.ask(id, text).await;
        assert_eq!(answer["author"], "bot");
    }
    purser.stop().await;
}

async fn a_second_message_does_not_give_up_the_hold(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { return };
    let slow = Slow::new();
    let purser = Setup::on(database).clock(&clock).first(slow.clone()).start().await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    slow.was_asked().await;
    let id = ConversationId(visitor.conversation);
    let due = async || purser.store.conversation(id).await.expect("a read").and_then(|head| head.wake_at);
    let before = due().await.expect("it is pending");
    now.fetch_add(3_000, Ordering::SeqCst);
    until("a sign of the node", async || due().await.filter(|now| *now == before + 3_000)).await;
    customer.say("m2", "slow two").await;
    customer.hear("ack").await;
    assert!(due().await >= Some(before + 3_000), "it is still held");
    slow.release();
    slow.release();
    customer.hear_where("the last answer", |frame| frame["question"] == 2).await;
    purser.stop().await;
}

async fn what_is_answered_here_does_not_starve_others(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { return };
    let slow = Slow::new();
    let setup = Setup::on(database).clock(&clock).first(slow.clone()).change(|config| {
        (config.limits.answer_seconds, config.limits.responder_seconds) = (20, 19);
    });
    let purser = setup.start().await;
    for i in 0..64 {
        assert_eq!(purser.post_say(&Visitor::new(), "m1", &format!("slow {i}")).await.0, 200);
    }
    // What another node left behind, after all of these were held longer than anything is.
    let said = Said {
        id: EventId::new(),
        client_id: ClientId::new(),
        text: Text::new("saturday delivery").expect("a text"),
        choice: None,
        language: None,
        attachments: Vec::new(),
    };
    let left = Conversation::new(ConversationId::new(), VisitorId(*uuid::Uuid::new_v4().as_bytes()));
    let decision = left.say(said, now.load(Ordering::SeqCst) + 60_000, 0);
    purser.store.append(decision).await.expect("stored");
    now.fetch_add(100_000, Ordering::SeqCst);
    until("the answer", async || {
        let log = purser.store.events_after(left.id, 0, 10).await.expect("events");
        (log.len() == 2).then_some(())
    })
    .await;
    for _ in 0..64 {
        slow.release();
    }
    purser.stop().await;
}

async fn without_its_history_nobody_is_welcome(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    purser.visit(&visitor, 0).await.ask("m1", "saturday delivery").await;
    let sql = "UPDATE events SET meta = '7'";
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            options.connect().await.expect("the file").execute(sql).await.expect("an update");
        }
        (_, Some((server, name))) => {
            server.connect(name).await.execute(sql).await.expect("an update");
        }
        _ => unreachable!("one of the two"),
    }
    let mut back = purser.typed().await;
    let Visitor { token, conversation } = &visitor;
    back.send(json!({ "type": "hello", "token": token, "conversation": conversation })).await;
    let first = back.hear_where("a frame", |_| true).await;
    assert_eq!((&first["type"], &first["code"]), (&json!("error"), &json!("not_stored")), "{first}");
    assert!(first["retry_after"].is_u64());
    purser.stop().await;
}
