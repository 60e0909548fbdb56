//! Signed-in customers: what they share between devices, what they take along at sign-in, and what nobody else gets.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use purser::clock::Clock;
use purser::conversation::Millis;
use purser::identity::Keys;
use ring::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Events, Setup, Slow, TestDatabase, TestPurser, Typed, Visitor, copy};
use crate::{log, on_both_engines};

on_both_engines! {
    a_customer_has_one_conversation_on_all_devices;
    what_was_said_before_signing_in_comes_along;
    a_question_that_waits_for_its_answer_comes_along;
    two_tabs_sign_in_at_once;
    whoever_planted_a_token_learns_nothing;
    another_customers_conversation_is_out_of_reach;
}

pub const SECRET: &str = "a secret of the shop, 32 bytes long";
const NOW: Millis = 1_800_000_000_000;

pub fn keys() -> Keys {
    let secrets = [("a".to_owned(), SECRET.to_owned())].into();
    Keys { audience: "purser".to_owned(), secrets, chatwoot: Some(SECRET.to_owned()) }
}

/// A token of this customer, good until `exp` in seconds.
pub fn token_until(account: &str, exp: i64, more: Value) -> String {
    let mut claims = json!({ "sub": account, "aud": "purser", "exp": exp });
    for (key, value) in more.as_object().into_iter().flatten() {
        claims[key] = value.clone();
    }
    let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", part(json!({ "alg": "HS256", "kid": "a" })), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())));
    log::said(&token);
    token
}

fn token(account: &str) -> String {
    token_until(account, Clock::System.now() / 1000 + 300, json!({}))
}

async fn start(database: &TestDatabase) -> TestPurser {
    Setup::on(database).change(|config| config.identity = Some(keys())).start().await
}

fn hello(visitor: &Visitor, identity: &Value, seen: u64) -> Value {
    let Visitor { token, conversation } = visitor;
    json!({ "type": "hello", "token": token, "conversation": conversation, "seq": seen, "identity": identity })
}

pub async fn sign_in(purser: &TestPurser, visitor: &Visitor, identity: &str) -> (Typed, Value) {
    let mut socket = purser.typed().await;
    socket.send(hello(visitor, &json!(identity), 0)).await;
    let welcome = socket.hear_where("a welcome", |frame| frame["type"] == "welcome" || frame["type"] == "error").await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (socket, welcome)
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["text"].as_str()).collect()
}

async fn a_customer_has_one_conversation_on_all_devices(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let (phone, desktop) = (Visitor::new(), Visitor::new());
    let (mut on_phone, welcome) = sign_in(&purser, &phone, &token(&account)).await;
    let (_, answer) = on_phone.ask("p1", "how much does it cost?").await;

    let (mut on_desktop, there) = sign_in(&purser, &desktop, &token(&account)).await;
    assert_eq!(there["conversation"], welcome["conversation"]);
    assert_eq!(there["seq"], answer["seq"]);
    let history = on_desktop.events_to(answer["seq"].as_u64().expect("a seq")).await;
    assert_eq!(history.len(), 2);
    on_desktop.ask("d1", "how much does it cost?").await;
    let heard = on_phone.hear_where("the other device", |frame| frame["client_id"] == "d1").await;
    assert_eq!(heard["seq"], 3);

    // Over HTTP it is the same.
    let laptop = Visitor {
        token: Visitor::new().token,
        conversation: serde_json::from_value(there["conversation"].clone()).expect("an id"),
    };
    let body = json!({
        "token": laptop.token, "conversation": laptop.conversation, "identity": token(&account),
        "frame": { "type": "older", "before": 3 },
    });
    let (status, reply) = purser.post("frames", &[], body.to_string()).await;
    assert_eq!((status, &reply["frames"][0]["type"]), (200, &json!("history")));
    let mut stream =
        Events::open(purser.address, hello(&laptop, &json!(token(&account)), 2).to_string()).await.expect("a stream");
    assert_eq!(stream.hear("event").await["client_id"], "d1");
    let unread = json!({ "token": laptop.token, "seen": 2, "identity": token(&account) });
    assert_eq!(purser.post("unread", &[], unread.to_string()).await, (200, json!({ "unread": 1 })));
    drop((stream, on_phone, on_desktop));
    purser.stop().await;
}

async fn what_was_said_before_signing_in_comes_along(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let (mut before, first) = sign_in(&purser, &Visitor::new(), &token(&account)).await;
    before.ask("earlier", "how much does it cost?").await;

    let guest = Visitor::new();
    let mut socket = purser.visit(&guest, 0).await;
    let (_, answer) = socket.ask("g1", "how much does it cost?").await;
    socket.send(json!({ "type": "rate", "seq": answer["seq"], "thumb": "up" })).await;
    socket.hear_where("the rating", |frame| frame["kind"] == "rated").await;
    socket.send(hello(&guest, &json!(token(&account)), 3)).await;
    let welcome = socket.hear_where("the customer's conversation", |frame| {
        frame["type"] == "welcome" && frame["conversation"] == first["conversation"]
    });
    assert_eq!(welcome.await["seq"], 5);
    let events = socket.hear("history").await["events"].as_array().cloned().expect("events");
    let order: Vec<(u64, &Value, &Value)> = events
        .iter()
        .map(|event| (event["seq"].as_u64().expect("a seq"), &event["client_id"], &event["question"]))
        .collect();
    let nothing = Value::Null;
    assert_eq!(
        order,
        [
            (1, &json!("earlier"), &nothing),
            (2, &nothing, &json!(1)),
            (3, &json!("g1"), &nothing),
            (4, &nothing, &json!(3)),
            (5, &nothing, &nothing)
        ]
    );
    assert_eq!((&events[4]["answer"], &events[4]["thumb"]), (&json!(4), &json!("up")));
    // The other device saw it come.
    before.hear_where("what came along", |frame| frame["client_id"] == "g1").await;
    // A message that is sent again is known here.
    let again = json!({ "type": "say", "client_id": "g1", "text": "how much?", "conversation": guest.conversation });
    socket.send(again).await;
    assert_eq!(socket.hear("ack").await["seq"], 3);

    // Signed out, the token has nothing any more.
    let mut out = purser.typed().await;
    out.hello(&guest, 0).await;
    out.send(json!({ "type": "older", "before": 100 })).await;
    let left = out.hear_where("what is left", |frame| frame["type"] == "history").await;
    assert_eq!(texts(left["events"].as_array().expect("events")), [] as [&str; 0]);
    drop((before, socket, out));
    purser.stop().await;
}

async fn a_question_that_waits_for_its_answer_comes_along(database: &TestDatabase) {
    let slow = Slow::new();
    let setup = Setup::on(database).first(slow.clone()).change(|config| config.identity = Some(keys()));
    let purser = setup.start().await;
    let account = Uuid::new_v4().to_string();
    let guest = Visitor::new();
    let mut socket = purser.visit(&guest, 0).await;
    socket.say("g1", "slow one").await;
    socket.hear("ack").await;
    slow.was_asked().await;
    socket.send(hello(&guest, &json!(token(&account)), 1)).await;
    socket
        .hear_where("another conversation", |frame| {
            frame["type"] == "welcome" && frame["conversation"] != guest.conversation.to_string()
        })
        .await;
    // Its first asking comes to nothing; it is asked once more where it is now.
    slow.was_asked().await;
    slow.release();
    slow.release();
    let answer = socket.hear_where("an answer", |frame| frame["author"] == "bot").await;
    assert_eq!((&answer["question"], &answer["seq"]), (&json!(1), &json!(2)));
    drop(socket);
    purser.stop().await;
}

async fn two_tabs_sign_in_at_once(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let guest = Visitor::new();
    let mut socket = purser.visit(&guest, 0).await;
    socket.ask("g1", "how much does it cost?").await;
    let identity = token(&account);
    let tabs = [0; 4].map(|_| sign_in(&purser, &guest, &identity));
    let tabs = futures_util::future::join_all(tabs).await;
    for (_, welcome) in &tabs {
        assert_eq!(welcome["conversation"], tabs[0].1["conversation"]);
        assert_eq!(welcome["seq"], 2);
    }
    drop((socket, tabs));
    purser.stop().await;
}

async fn whoever_planted_a_token_learns_nothing(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    // The victim's browser has a token that somebody else knows, and who listens.
    let planted = Visitor::new();
    let mut thief = purser.visit(&planted, 0).await;
    thief.ask("t1", "how much does it cost?").await;
    let (mut victim, welcome) = sign_in(&purser, &planted, &token(&account)).await;
    victim.ask("v1", "is anybody listening?").await;
    // All that the thief hears is that the chat is gone.
    let erased = thief.hear_where("the end", |frame| frame["kind"] == "erased").await;
    assert_eq!(erased["seq"], 3);
    thief.send(json!({ "type": "ping" })).await;
    let next = thief
        .hear_where("anything new", |frame| {
            frame["type"] == "pong" || frame["client_id"] == "v1" || frame["seq"].as_u64() > Some(3)
        })
        .await;
    assert_eq!(next["type"], "pong");
    for conversation in [planted.conversation.to_string(), welcome["conversation"].as_str().expect("an id").to_owned()]
    {
        let visitor = Visitor { token: planted.token.clone(), conversation: conversation.parse().expect("an id") };
        let mut again = purser.typed().await;
        again.send(hello(&visitor, &Value::Null, 0)).await;
        let heard = again.hear_where("an answer", |frame| frame["type"] == "welcome" || frame["type"] == "error").await;
        match heard["type"].as_str() {
            Some("error") => assert_eq!(heard["code"], "not_yours"),
            _ => assert_eq!(heard["conversation"], planted.conversation.to_string()),
        }
    }
    drop((thief, victim));
    purser.stop().await;
}

async fn another_customers_conversation_is_out_of_reach(database: &TestDatabase) {
    let purser = start(database).await;
    let (ann, eve) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let (mut anns, welcome) = sign_in(&purser, &Visitor::new(), &token(&ann)).await;
    anns.ask("a1", "how much does it cost?").await;
    let conversation: Uuid = serde_json::from_value(welcome["conversation"].clone()).expect("an id");

    let foreign = Visitor { token: Visitor::new().token, conversation };
    for identity in [Value::Null, json!(token(&eve))] {
        // Said hello with it, she is somewhere else or nowhere.
        let mut socket = purser.typed().await;
        socket.send(hello(&foreign, &identity, 0)).await;
        let heard =
            socket.hear_where("an answer", |frame| frame["type"] == "welcome" || frame["type"] == "error").await;
        assert_ne!(heard["conversation"], welcome["conversation"], "{heard}");
        let opened = Events::open(purser.address, hello(&foreign, &identity, 0).to_string()).await;
        if let Ok(mut stream) = opened {
            assert_ne!(stream.hear("welcome").await["conversation"], welcome["conversation"]);
        }
        // A message for it comes from a resend, so a socket may name it.
        let say = json!({ "type": "say", "client_id": "e1", "text": "let me in", "conversation": conversation });
        socket.send(say.clone()).await;
        let answered = socket.hear_where("an answer", |frame| frame["client_id"] == "e1").await;
        let code = &answered["code"];
        match identity {
            // It is said in a conversation of her own.
            Value::String(_) => assert_ne!(answered["conversation"], welcome["conversation"], "{answered}"),
            _ => assert!(code == "not_yours" || code == "hello_first", "{answered}"),
        }
        for frame in [
            say,
            json!({ "type": "older", "before": 100 }),
            json!({ "type": "rate", "seq": 2, "thumb": "up" }),
            json!({ "type": "seen", "seq": 2 }),
            json!({ "type": "erase" }),
        ] {
            let body =
                json!({ "token": foreign.token, "conversation": conversation, "identity": identity, "frame": frame });
            let (status, reply) = purser.post("frames", &[], body.to_string()).await;
            assert_eq!((status, &reply["frames"][0]["code"]), (403, &json!("not_yours")), "{frame}");
        }
        let unread = json!({ "token": foreign.token, "seen": 1_000, "identity": identity });
        assert_eq!(purser.post("unread", &[], unread.to_string()).await, (200, json!({ "unread": 0 })));
    }
    let still = purser.store.events_before(purser::conversation::ConversationId(conversation), 100, 10).await;
    assert_eq!(still.expect("a log").len(), 2);
    drop(anns);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_vouches_for_is_refused_everywhere() {
    let database = TestDatabase::sqlite();
    let purser = start(&database).await;
    let visitor = Visitor::new();
    let now = Clock::System.now() / 1000;
    let good = token("4711");
    let (signed, mac) = good.rsplit_once('.').expect("a signature");
    let other = token("4712");
    let swapped = format!("{}.{mac}", other.rsplit_once('.').expect("a signature").0);
    let hashed = |identifier: &str, hash: &str| json!({ "identifier": identifier, "identifier_hash": hash });
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let hash: String = hmac::sign(&key, b"4711").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    for (identity, code) in [
        (json!(token_until("4711", now - 120, json!({}))), "sign_in_expired"),
        (json!(token_until("4711", now + 300, json!({ "aud": "shop" }))), "sign_in_refused"),
        (json!(token_until("4711", now + 300, json!({ "aud": "purser/erase" }))), "sign_in_refused"),
        (json!(token_until("4711", now + 300, json!({ "nbf": now + 200 }))), "sign_in_refused"),
        (json!(format!("{signed}.")), "sign_in_refused"),
        (json!(swapped), "sign_in_refused"),
        (json!(""), "sign_in_refused"),
        (hashed("4712", &hash), "sign_in_refused"),
        (hashed("4711", ""), "sign_in_refused"),
    ] {
        let mut socket = purser.typed().await;
        socket.send(hello(&visitor, &identity, 0)).await;
        assert_eq!(socket.hear("error").await["code"], code, "{identity}");
        // It is nobody, and not whom its token would be.
        socket.say("m1", "am I in?").await;
        assert_eq!(socket.hear("error").await["code"], "hello_first");
        let opened = Events::open(purser.address, hello(&visitor, &identity, 0).to_string()).await;
        assert_eq!(opened.err(), Some(401), "{identity}");
        let body = json!({
            "token": visitor.token, "conversation": visitor.conversation, "identity": identity,
            "frame": { "type": "say", "client_id": "m1", "text": "am I in?" },
        });
        let (status, reply) = purser.post("frames", &[], body.to_string()).await;
        assert_eq!((status, &reply["frames"][0]["code"]), (401, &json!(code)), "{identity}");
        let unread = json!({ "token": visitor.token, "identity": identity });
        assert_eq!(purser.post("unread", &[], unread.to_string()).await.0, 401);
    }
    // The same socket, after somebody was signed in on it.
    let (mut socket, _) = sign_in(&purser, &visitor, &good).await;
    socket.send(hello(&visitor, &json!("forged"), 0)).await;
    socket.hear("error").await;
    socket.say("m2", "still her?").await;
    assert_eq!(socket.hear("error").await["code"], "hello_first");
    socket.send(hello(&visitor, &hashed("4711", &hash), 0)).await;
    socket.hear("welcome").await;
    drop(socket);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_goes_on_with_a_fresh_token_after_the_old_one_expired() {
    let clock = Clock::set(NOW);
    let database = TestDatabase::sqlite();
    let setup = Setup::on(&database).clock(&clock).change(|config| config.identity = Some(keys()));
    let purser = setup.start().await;
    let Clock::Set(hand) = &clock else { unreachable!() };
    let (phone, desktop) = (Visitor::new(), Visitor::new());
    let identity = token_until("4711", NOW / 1000 + 300, json!({}));
    let (mut on_phone, welcome) = sign_in(&purser, &phone, &identity).await;
    on_phone.ask("p1", "how much does it cost?").await;

    hand.store(NOW + 400_000, std::sync::atomic::Ordering::SeqCst);
    // What comes in is not taken…
    on_phone.say("p2", "how much does it cost?").await;
    let refused = on_phone.hear("error").await;
    assert_eq!((&refused["code"], &refused["client_id"]), (&json!("sign_in_expired"), &json!("p2")));
    // …and what happens is not told, until there is a fresh token.
    let fresh = token_until("4711", NOW / 1000 + 900, json!({}));
    let (mut on_desktop, _) = sign_in(&purser, &desktop, &fresh).await;
    on_desktop.ask("d1", "how much does it cost?").await;
    on_phone.say("p2", "how much does it cost?").await;
    let next = on_phone.hear_where("anything", |frame| frame["type"] == "error" || frame["client_id"] == "d1").await;
    assert_eq!((&next["code"], &next["client_id"]), (&json!("hello_first"), &json!("p2")));
    on_phone.send(hello(&phone, &json!(fresh), 2)).await;
    assert_eq!(on_phone.hear("welcome").await["conversation"], welcome["conversation"]);
    on_phone.say("p2", "how much does it cost?").await;
    assert_eq!(on_phone.hear("ack").await["seq"], 5);
    // A token that has expired is not good for another sign-in.
    let mut replayed = purser.typed().await;
    replayed.send(hello(&Visitor::new(), &json!(identity), 0)).await;
    assert_eq!(replayed.hear("error").await["code"], "sign_in_expired");

    // A socket that only listens is told with the next event.
    hand.store(NOW + 1_000_000, std::sync::atomic::Ordering::SeqCst);
    let later = token_until("4711", NOW / 1000 + 1_500, json!({}));
    let (mut other, _) = sign_in(&purser, &Visitor::new(), &later).await;
    other.ask("o1", "how much does it cost?").await;
    let told = on_desktop.hear_where("the end", |frame| frame["client_id"] == "o1" || frame["type"] == "error").await;
    assert_eq!(told["code"], "sign_in_expired");
    drop((on_phone, on_desktop, other, replayed));
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_site_says_of_a_customer_is_text_in_answers() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    copy(Path::new("tests/faq"), &folder.path().join("faq"));
    let faq = "language: en\nentries:\n  - id: who-am-i\n    phrases: [who am i]\n    answer: \
               'You are {{ visitor.name | default(\"a guest\") }} of {{ visitor.city | default(\"nowhere\") }}.'\n";
    std::fs::write(folder.path().join("faq/who.yaml"), faq).expect("a file");
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.identity = Some(keys())).start_in(folder).await;
    let says = json!({ "name": "<img src=x onerror=alert(1)> [a](javascript:alert(1))", "address": { "city": "**Leipzig**" } });
    let identity = token_until("4711", Clock::System.now() / 1000 + 300, says);
    let (mut socket, _) = sign_in(&purser, &Visitor::new(), &identity).await;
    let (_, answer) = socket.ask("m1", "who am i").await;
    let answer = answer["html"].as_str().expect("an answer").to_owned();
    assert!(!answer.contains("<img") && !answer.contains("<a ") && !answer.contains("<strong>"), "{answer}");
    assert!(answer.contains("&lt;img") && answer.contains("**Leipzig**"), "{answer}");
    drop(socket);
    purser.stop().await;
}
