//! The chat over HTTP: the same frames, ids and promises as over a socket.

use purser::conversation::ConversationId;
use purser::web::protocol::MAX_BODY;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Events, Setup, Slow, TestDatabase, TestPurser, Visitor, get, http_client, until, within};
use crate::on_both_engines;

on_both_engines! {
    a_chat_needs_no_socket;
    a_stream_and_a_socket_see_the_same;
    said_twice_over_two_wires_is_stored_once;
    a_stop_ends_streams_with_bye;
}

async fn a_chat_needs_no_socket(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut events = purser.events(&visitor, 0).await;
    let welcome = events.hear("welcome").await;
    assert_eq!((&welcome["conversation"], &welcome["seq"]), (&json!(visitor.conversation), &json!(0)));
    let (status, frames) = purser.post_say(&visitor, "m1", "saturday delivery").await;
    assert_eq!(status, 200);
    assert_eq!((&frames[0]["type"], &frames[0]["seq"], frames.len()), (&json!("ack"), &json!(1), 1), "{frames:?}");
    let question = events.hear("event").await;
    assert_eq!((&question["client_id"], &question["id:"]), (&json!("m1"), &json!("1")));
    let answer = events.hear("event").await;
    assert_eq!((&answer["author"], &answer["question"]), (&json!("bot"), &json!(1)));
    assert!(answer["html"].as_str().is_some_and(|html| html.contains("Saturdays")), "{answer}");

    // Older frames and pings are answered in the reply.
    let (_, frames) = purser.post_frame(&visitor, json!({ "type": "older", "before": 2 })).await;
    assert_eq!((&frames[0]["type"], &frames[0]["events"][0]["seq"]), (&json!("history"), &json!(1)));
    let (_, frames) = purser.post_frame(&visitor, json!({ "type": "ping" })).await;
    assert_eq!(frames, [json!({ "type": "pong" })]);
    // A program that holds no stream asks what is new.
    let hello = json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "seq": 1 });
    let (_, frames) = purser.post_frame(&visitor, hello).await;
    assert_eq!((&frames[0]["type"], &frames[1]["seq"], frames.len()), (&json!("welcome"), &json!(2), 2), "{frames:?}");

    // Whoever comes back says the last seq that it saw.
    drop(events);
    let mut back = purser.events(&visitor, 1).await;
    assert_eq!(back.hear("event").await["seq"], 2);
    drop(back);
    let conversation = ConversationId(visitor.conversation);
    until("the end of the stream", || async { (purser.followers(conversation) == 0).then_some(()) }).await;
    purser.stop().await;
}

async fn a_stream_and_a_socket_see_the_same(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    let mut events = purser.events(&visitor, 0).await;
    events.hear("welcome").await;
    for n in 0..5 {
        socket.ask(&format!("ws-{n}"), "saturday delivery").await;
        purser.post_say(&visitor, &format!("http-{n}"), "saturday delivery").await;
    }
    let over_stream = events.events_to(20).await;
    let mut second = purser.visit(&visitor, 0).await;
    let stored = second.events_to(20).await;
    let ids = |events: &[Value]| -> Vec<Value> { events.iter().map(|event| event["id"].clone()).collect() };
    assert_eq!(ids(&over_stream), ids(&stored));
    assert_eq!(stored.len(), 20);
    purser.stop().await;
}

async fn said_twice_over_two_wires_is_stored_once(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    // The first message of all, at the same time over both.
    let mut socket = purser.visit(&visitor, 0).await;
    socket.say("m1", "saturday delivery").await;
    let (status, frames) = purser.post_say(&visitor, "m1", "saturday delivery").await;
    assert_eq!(status, 200);
    let ack = socket.hear("ack").await;
    assert_eq!(frames, [ack]);
    let stored = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    assert_eq!(stored.len(), 2);
    purser.stop().await;
}

async fn a_stop_ends_streams_with_bye(database: &TestDatabase) {
    let slow = Slow::new();
    let mut purser = Setup::on(database).first(slow.clone()).start().await;
    let visitor = Visitor::new();
    let mut events = purser.events(&visitor, 0).await;
    events.hear("welcome").await;
    purser.post_say(&visitor, "m1", "slow one").await;
    slow.was_asked().await;
    purser.begin_stop();
    let bye = events.hear("bye").await;
    assert_eq!(bye["code"], 1012);
    assert!(bye["back_in"].is_u64());
    assert!(events.ended().await);
    slow.release();
    let store = purser.folder.clone();
    purser.stop().await;
    let again = Setup::on(database).start_in(store).await;
    let stored = again.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    assert_eq!(stored.len(), 2, "the answer under way was stored");
    again.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_has_a_status_and_the_same_error() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let visitor = Visitor::new();
    purser.post_say(&visitor, "m1", "saturday delivery").await;
    let stranger = Visitor { token: Visitor::new().token, ..visitor.clone() };
    let say = |text: &str| json!({ "type": "say", "client_id": "m2", "text": text });
    for (who, frame, status, code) in [
        (&visitor, json!({ "type": "dance" }), 400, "unreadable"),
        (&visitor, say(" "), 422, "empty"),
        (&visitor, say(&"x".repeat(4_001)), 422, "too_long"),
        (&stranger, say("hello"), 403, "not_yours"),
        (&Visitor { token: "short".to_owned(), ..visitor.clone() }, say("hello"), 400, "bad_token"),
    ] {
        let (got, frames) = purser.post_frame(who, frame).await;
        assert_eq!((got, &frames[0]["code"], frames.len()), (status, &json!(code), 1), "{frames:?}");
        assert!(frames[0]["text"].as_str().is_some_and(|text| text.len() > 10));
    }
    for (body, code) in [
        ("hello".to_owned(), "unreadable"),
        (json!({ "type": "ping" }).to_string(), "hello_first"),
        (json!({ "type": "hello", "token": "short" }).to_string(), "bad_token"),
    ] {
        let (status, reply) = purser.post("events", &[], body).await;
        assert_eq!((status, &reply["frames"][0]["code"]), (400, &json!(code)));
    }
    for path in ["events", "frames"] {
        assert_eq!(purser.post(path, &[], "x".repeat(MAX_BODY + 1)).await.0, 413);
    }
    let (_, frames) = purser.post_frame(&visitor, json!({ "type": "older", "before": 99 })).await;
    assert_eq!(frames[0]["events"].as_array().map(Vec::len), Some(2), "nothing of the refused was stored");
    purser.stop().await;
}

#[tokio::test]
async fn streams_and_sockets_share_the_places() {
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.limits.sockets = 2).start().await;
    let _socket = purser.plain(None).await;
    let stream = purser.events(&Visitor::new(), 0).await;
    let hello = json!({ "type": "hello", "token": Visitor::new().token }).to_string();
    assert_eq!(purser.post("events", &[], hello.clone()).await.0, 503);
    assert_eq!(crate::harness::connect(purser.address, Vec::new()).await.map(|_| ()).err(), Some(503));
    drop(stream);
    // The place is free a moment after the end.
    until("a free place", || async { Events::open(purser.address, hello.clone()).await.ok() }).await;
    purser.stop().await;
}

#[tokio::test]
async fn other_sites_are_refused_and_listed_ones_may_read_the_answers() {
    let database = TestDatabase::sqlite();
    let purser =
        Setup::on(&database).change(|config| config.origins = vec!["https://shop.example".to_owned()]).start().await;
    let own = format!("http://{}", purser.address);
    let visitor = Visitor::new();
    let body = json!({
        "token": visitor.token, "conversation": visitor.conversation,
        "frame": { "type": "say", "client_id": "m1", "text": "saturday delivery" },
    });
    for (origin, allowed) in
        [(own.as_str(), true), ("https://shop.example", true), ("https://evil.example", false), ("null", false)]
    {
        for (method, expected) in [("POST", 200), ("OPTIONS", 204)] {
            let request = purser.request(method, "frames").header("Origin", origin);
            let response = request.body(body.to_string()).send().await.expect("a response");
            assert_eq!(response.status().as_u16(), if allowed { expected } else { 403 }, "{method} from {origin}");
            let header = response.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
            assert_eq!(header, allowed.then_some(origin), "{method} from {origin}");
        }
    }
    let stored = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    assert_eq!(stored.len(), 2);
    purser.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_cut_off_alone() {
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.limits.socket_queue = 8).start().await;
    let visitor = Visitor::new();
    let slow = purser.events(&visitor, 0).await;
    let mut busy = purser.visit(&visitor, 0).await;
    let text = "z".repeat(4_000);
    let mut said = 0;
    while purser.followers(ConversationId(visitor.conversation)) == 2 {
        said += 1;
        busy.ask(&format!("m{said}"), &text).await;
        assert!(said < 20_000, "the slow reader is never cut off");
    }
    // Everybody else notices nothing, and the slow one gets the rest when it comes back.
    let (ack, _) = busy.ask("last", "saturday delivery").await;
    drop(slow);
    let last = ack["seq"].as_u64().expect("a seq") + 1;
    let mut back = purser.events(&visitor, 1).await;
    let rest = back.events_to(last).await;
    assert_eq!(rest.len() as u64, last - 1);
    purser.stop().await;
}

#[tokio::test]
async fn the_api_is_described_and_the_description_is_true() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let (status, body) = get(purser.address, "/api/openapi.json", &[]).await;
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");

    // Every address is there, with the methods that are named and no body that it would not take.
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let url = format!("http://{}{path}", purser.address);
            let request = http_client().request(method.to_uppercase().parse().expect("a method"), url);
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            let request = if example.is_null() { request } else { request.body(example.to_string()) };
            let response = request.send().await.expect("a response");
            let status = response.status().as_u16().to_string();
            let named = operation["responses"].get(&status).is_some();
            // A socket is opened by an upgrade only.
            assert!(named || path == "/ws/chat/", "{method} {path} answers {status}");
        }
    }
    // Every reference leads somewhere, and every frame of the protocol is among the schemas.
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let schemas = &document["components"]["schemas"];
    for name in ["ClientFrame", "ServerFrame"] {
        assert!(schemas[name]["oneOf"].as_array().is_some_and(|frames| frames.len() >= 4), "{name}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn the_page_of_the_api_needs_no_script_and_no_other_host() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let (status, page) = get(purser.address, "/api", &[]).await;
    assert_eq!(status, 200);
    let page = page.replace("&#x2f;", "/");
    for part in ["/api/chat/events", "text/event-stream", "id=\"ServerFrame\"", "<code>client_id</code>", "retry_after"]
    {
        assert!(page.contains(part), "{part} is missing");
    }
    for part in ["<script", "<style", " style=", " src=", " onclick="] {
        assert!(!page.contains(part), "{part} is on the page");
    }
    for link in page.split(" href=\"").skip(1) {
        assert!(link.starts_with(['/', '#']) && !link.starts_with("//"), "{}", &link[..40]);
    }
    purser.stop().await;
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_gives_up_gets_its_answer_later() {
    let database = TestDatabase::sqlite();
    let slow = Slow::new();
    // The clock stands still: nobody takes the question up as one that a dead node has left.
    let clock = purser::clock::Clock::set(1_770_000_000_000);
    let purser = Setup::on(&database).clock(&clock).first(slow.clone()).start().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database.file().expect("SQLite"));
    let mut other = options.connect().await.expect("the file");
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let visitor = Visitor::new();
    let frame = json!({ "type": "say", "client_id": "m1", "text": "slow one" });
    let body = json!({ "token": visitor.token, "conversation": visitor.conversation, "frame": frame });
    let mut client = TcpStream::connect(purser.address).await.expect("a connection");
    let (body, address) = (body.to_string(), purser.address);
    let head = format!("POST /api/chat/frames HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(format!("{head}{body}").as_bytes()).await.expect("it takes it");
    slow.was_asked().await;
    client.shutdown().await.expect("an end");
    // When the server has noticed, it drops what it did for this client and closes its side without a word.
    let mut heard = Vec::new();
    within("the other end", client.read_to_end(&mut heard)).await.expect("an end");
    assert_eq!(heard, b"");
    other.execute("ROLLBACK").await.expect("the end");
    slow.release();
    until("the answer", async || {
        let log = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
        (log.len() == 2).then_some(())
    })
    .await;
    purser.stop().await;
}
