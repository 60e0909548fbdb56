//! Bad frames and bad clients: each ends as the protocol says, and the next good message is answered.

use purser::conversation::ConversationId;
use purser::web::protocol::MAX_FRAME;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Plain, Setup, TestDatabase, TestPurser, Typed, Visitor, connect};
use crate::on_both_engines;

on_both_engines! {
    a_slow_reader_is_cut_off_alone;
}

/// Frames that hold no message.
const UNREADABLE: &[&str] = &[
    "",
    "hello",
    "{",
    "[]",
    "null",
    "\"text\"",
    "{}",
    "{\"message\":7}",
    "{\"type\":\"dance\"}",
    "{\"message\":\"\\ud800\"}",
];

#[tokio::test]
async fn a_bad_frame_gets_one_polite_message() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let mut plain = purser.plain(None).await;
    for frame in UNREADABLE {
        plain.send(Message::text(*frame)).await;
        let polite = plain.hear().await;
        assert!(polite.len() > 10 && !polite.contains('{'), "for {frame:?}: {polite}");
    }
    plain.say("saturday delivery").await;
    assert!(plain.hear().await.contains("Saturdays"));

    let mut typed = purser.visit(&Visitor::new(), 0).await;
    for frame in UNREADABLE {
        typed.ws_send(Message::text(*frame)).await;
        assert_eq!(typed.hear("error").await["code"], "unreadable", "for {frame:?}");
    }
    typed.ask("m1", "saturday delivery").await;
    purser.stop().await;
}

#[tokio::test]
async fn a_text_of_the_wrong_length_is_refused_and_the_next_is_answered() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let longest = "ü".repeat(4_000);
    let mut typed = purser.visit(&Visitor::new(), 0).await;
    for (client_id, text, code) in [
        ("long", format!("{longest}ü"), "too_long"),
        ("empty", String::new(), "empty"),
        ("blank", " \n\t ".to_owned(), "empty"),
    ] {
        typed.say(client_id, &text).await;
        let error = typed.hear("error").await;
        assert_eq!((&error["code"], &error["client_id"]), (&json!(code), &json!(client_id)));
    }
    let (ack, _) = typed.ask("longest", &longest).await;
    assert_eq!(ack["seq"], 1, "nothing of the refused was stored");

    let mut plain = purser.plain(None).await;
    plain.say(&format!("{longest}ü")).await;
    plain.hear().await;
    plain.say("\r\n").await;
    plain.hear().await;
    plain.say("saturday delivery").await;
    assert!(plain.hear().await.contains("Saturdays"));
    purser.stop().await;
}

#[tokio::test]
async fn a_client_id_must_be_one() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let mut typed = purser.visit(&Visitor::new(), 0).await;
    for id in ["", "re:0190", "with blank", "ü", &"x".repeat(65)] {
        typed.say(id, "saturday delivery").await;
        assert_eq!(typed.hear("error").await["code"], "unreadable", "for {id:?}");
    }
    typed.ask(&"x".repeat(64), "saturday delivery").await;
    purser.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_closes_with_its_code() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let big = "x".repeat(MAX_FRAME + 1);
    for (frame, code) in
        [(Message::binary(vec![1, 2, 3]), 1003), (Message::text(format!("{{\"message\":\"{big}\"}}")), 1009)]
    {
        let mut plain = purser.plain(None).await;
        plain.send(frame.clone()).await;
        assert_eq!(plain.closed().await, Some(code));
        let mut typed = purser.visit(&Visitor::new(), 0).await;
        typed.ws_send(frame).await;
        assert_eq!(typed.hear("bye").await["code"], code);
        assert_eq!(typed.closed().await, Some(code));
    }
    // Text that is not UTF-8, an unmasked frame and a reserved opcode: the library would not send them.
    for (bytes, code) in [
        (&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28][..], 1007),
        (&[0x81, 0x02, b'h', b'i'][..], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0][..], 1002),
    ] {
        let mut plain: Plain = purser.plain(None).await;
        plain.ws.get_mut().write_all(bytes).await.expect("an open socket");
        assert_eq!(plain.closed().await, Some(code), "for {bytes:02x?}");
    }
    let mut plain = purser.plain(None).await;
    plain.say("saturday delivery").await;
    assert!(plain.hear().await.contains("Saturdays"));
    purser.stop().await;
}

#[tokio::test]
async fn only_the_own_site_and_listed_ones_may_open_a_chat() {
    let database = TestDatabase::sqlite();
    let purser =
        Setup::on(&database).change(|config| config.origins = vec!["https://shop.example".to_owned()]).start().await;
    let own = format!("http://{}", purser.address);
    for (origin, allowed) in
        [(own.as_str(), true), ("https://shop.example", true), ("https://evil.example", false), ("null", false)]
    {
        let opened = connect(purser.address, vec![("Origin", origin.to_owned())]).await;
        assert_eq!(opened.map(|_| ()).err(), (!allowed).then_some(403), "from {origin}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn an_unknown_dialect_is_refused() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let opened = connect(purser.address, vec![("Sec-WebSocket-Protocol", "graphql-ws".to_owned())]).await;
    assert_eq!(opened.map(|_| ()).err(), Some(400));
    let (_, response) = connect(purser.address, vec![("Sec-WebSocket-Protocol", "graphql-ws, purser.v1".to_owned())])
        .await
        .expect("one is known");
    assert_eq!(response.get("sec-websocket-protocol").expect("a protocol"), "purser.v1");
    purser.stop().await;
}

#[tokio::test]
async fn a_token_must_be_one() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let mut typed = purser.typed().await;
    for token in ["", "short", &"x".repeat(129), &format!("{}<", "x".repeat(60))] {
        typed.send(json!({ "type": "hello", "token": token })).await;
        assert_eq!(typed.hear("error").await["code"], "bad_token", "for {token:?}");
    }
    purser.stop().await;
}

#[tokio::test]
async fn sockets_are_bounded() {
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.limits.sockets = 2).start().await;
    let first = purser.plain(None).await;
    let _second = purser.plain(None).await;
    assert_eq!(connect(purser.address, Vec::new()).await.map(|_| ()).err(), Some(503));
    let Plain { mut ws, .. } = first;
    ws.close(None).await.expect("an open socket");
    crate::harness::closed(&mut ws).await;
    // The place is free a moment after the close.
    let again =
        crate::harness::until("a free place", || async { connect(purser.address, Vec::new()).await.ok() }).await;
    drop(again);
    purser.stop().await;
}

#[tokio::test]
async fn the_protocol_is_described() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let (status, body) = crate::harness::get(purser.address, "/api/protocol.json", &[]).await;
    assert_eq!(status, 200);
    let schema: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(schema["protocol"], "purser.v1");
    assert!(schema["client"]["oneOf"].as_array().is_some_and(|frames| frames.len() == 13), "{schema:#}");
    assert!(schema["server"].to_string().contains("retry_after"));
    purser.stop().await;
}

async fn a_slow_reader_is_cut_off_alone(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.limits.socket_queue = 8).start().await;
    let visitor = Visitor::new();
    let mut slow = purser.visit(&visitor, 0).await;
    let mut busy = purser.visit(&visitor, 0).await;
    // Nobody reads the slow socket: TCP's buffers fill first, then its queue.
    let text = "z".repeat(4_000);
    let mut said = 0;
    let conversation = ConversationId(visitor.conversation);
    while purser.followers(conversation) == 2 {
        said += 1;
        busy.ask(&format!("m{said}"), &text).await;
        assert!(said < 20_000, "the slow reader is never cut off");
    }
    // Everybody else notices nothing, and the slow one is told to come back.
    let (ack, _) = busy.ask("last", "saturday delivery").await;
    let bye = slow.hear("bye").await;
    assert_eq!(bye["code"], 1013);
    assert!(bye["back_in"].is_u64());
    let seen = slow.last_seq();
    assert_eq!(slow.closed().await, Some(1013));
    // It comes back with the last seq it saw and gets the rest.
    let last = ack["seq"].as_u64().expect("a seq") + 1;
    let mut back: Typed = purser.visit(&visitor, u32::try_from(seen).expect("small")).await;
    let rest = back.events_to(last).await;
    let seqs: Vec<_> = rest.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (seen + 1..=last).collect::<Vec<_>>());
    purser.stop().await;
}
