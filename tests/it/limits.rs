//! Whoever does too much is told how long to wait, keeps the text, and nobody else notices.

use std::time::Duration;

use purser::config::Config;
use serde_json::{Value, json};

use crate::cli::Site;
use crate::harness::{Events, Setup, TestDatabase, TestPurser, Visitor, connect, until};
use crate::proxy::Proxy;
use crate::servers;

/// With limits that no test meets by chance.
async fn purser(database: &TestDatabase, change: impl FnOnce(&mut Config)) -> TestPurser {
    let limited = |config: &mut Config| {
        config.limits.off = false;
        let most = 1_000_000;
        config.limits.messages_per_minute = most;
        config.limits.requests_per_minute = most;
        config.limits.address_requests_per_minute = most;
        config.limits.connections_per_minute = most;
        config.limits.connections_open = most;
        config.limits.conversations_per_hour = most;
        change(config);
    };
    Setup::on(database).change(limited).start().await
}

fn from(address: &str) -> (&'static str, String) {
    ("X-Forwarded-For", address.to_owned())
}

async fn refused(purser: &TestPurser, address: &str) -> Option<u16> {
    connect(purser.address, vec![from(address)]).await.err()
}

#[tokio::test]
async fn a_visitor_who_writes_too_fast_waits_and_loses_nothing() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.messages_per_minute = 60).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    let mut said = 0;
    let error = loop {
        let id = format!("m{said}");
        socket.say(&id, "saturday delivery").await;
        let frame = socket.hear_where("ack or error", |frame| frame["type"] == "ack" || frame["type"] == "error").await;
        assert_eq!(frame["client_id"], id);
        if frame["type"] == "error" {
            break frame;
        }
        said += 1;
        assert!(said < 1_000, "never held");
    };
    assert!(said >= 60, "{said}");
    assert_eq!(error["code"], "too_fast");
    let wait = error["retry_after"].as_u64().expect("how long to wait");
    assert!((1..=1_001).contains(&wait), "{wait}");
    assert!(error["text"].as_str().is_some_and(|text| text.contains("2 seconds")), "{error}");
    // The same over HTTP, with the same bucket.
    let (status, frames) = purser.post_say(&visitor, "http", "saturday delivery").await;
    assert!((status == 429 && frames[0]["code"] == "too_fast") || status == 200, "{status} {frames:?}");
    // Others are not held, and after the wait the same message goes through.
    purser.visit(&Visitor::new(), 0).await.ask("m1", "saturday delivery").await;
    let ack = until("the message", || async {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (status, frames) = purser.post_say(&visitor, "held", "saturday delivery").await;
        (status == 200).then(|| frames[0].clone())
    });
    assert_eq!(ack.await["client_id"], "held");
    purser.stop().await;
}

#[tokio::test]
async fn the_plain_dialect_says_politely_how_long_to_wait() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.messages_per_minute = 1).await;
    let mut plain = purser.plain(None).await;
    plain.say("saturday delivery").await;
    assert!(plain.hear().await.contains("Saturdays"));
    plain.say("saturday delivery").await;
    let polite = plain.hear().await;
    assert!(polite.contains("again in ") && polite.contains(" seconds") && !polite.contains('{'), "{polite}");
    purser.stop().await;
}

#[tokio::test]
async fn connections_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.connections_per_minute = 2).await;
    for (address, expected) in [
        ("198.51.100.1", None),
        ("203.0.113.9, 198.51.100.1", None),
        ("203.0.113.8, 198.51.100.1", Some(429)),
        ("198.51.100.2", None),
        ("2001:db8:1:2::1", None),
        ("2001:db8:1:2:3::9", None),
        ("2001:db8:1:2:4::9", Some(429)),
        ("2001:db8:1:3::1", None),
    ] {
        assert_eq!(refused(&purser, address).await, expected, "{address}");
    }
    let hello = json!({ "type": "hello", "token": Visitor::new().token }).to_string();
    let response = purser.request("POST", "events").header("X-Forwarded-For", "198.51.100.1").body(hello);
    let response = response.send().await.expect("a response");
    assert_eq!(response.status(), 429);
    let seconds = response.headers()["retry-after"].to_str().expect("text").parse::<u32>().expect("seconds");
    assert!((1..=30).contains(&seconds), "{seconds}");
    let reply: Value = serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(reply["frames"][0]["code"], "too_many");
    assert!(reply["frames"][0]["retry_after"].as_u64().is_some_and(|wait| wait <= 30_001));
    purser.stop().await;
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_speaks_for_nobody() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| {
        config.limits.connections_per_minute = 2;
        config.proxies.clear();
    })
    .await;
    assert_eq!(refused(&purser, "198.51.100.1").await, None);
    assert_eq!(refused(&purser, "198.51.100.2").await, None);
    assert_eq!(refused(&purser, "198.51.100.3").await, Some(429));
    purser.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_open_at_once() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.connections_open = 2).await;
    let stream = purser.events(&Visitor::new(), 0).await;
    let socket = purser.visit(&Visitor::new(), 0).await;
    assert_eq!(refused(&purser, "127.0.0.1").await, Some(429));
    assert_eq!(purser.post_say(&Visitor::new(), "m1", "hello").await.0, 429);
    assert_eq!(refused(&purser, "198.51.100.1").await, None, "others have their own");
    drop(stream);
    drop(socket);
    let hello = json!({ "type": "hello", "token": Visitor::new().token }).to_string();
    until("a free place", || async { Events::open(purser.address, hello.clone()).await.ok() }).await;
    purser.stop().await;
}

#[tokio::test]
async fn new_conversations_are_counted_and_old_ones_go_on() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.conversations_per_hour = 2).await;
    let (first, second, third) = (Visitor::new(), Visitor::new(), Visitor::new());
    let mut one = purser.visit(&first, 0).await;
    one.ask("m1", "saturday delivery").await;
    assert_eq!(purser.post_say(&second, "m1", "saturday delivery").await.0, 200);
    let mut three = purser.visit(&third, 0).await;
    three.say("m1", "saturday delivery").await;
    let error = three.hear("error").await;
    assert_eq!((&error["code"], &error["client_id"]), (&json!("too_many"), &json!("m1")));
    assert!(error["retry_after"].is_u64());
    let mut plain = purser.plain(None).await;
    plain.say("saturday delivery").await;
    assert!(plain.hear().await.contains("from your network"));
    // Whoever has a conversation goes on with it, over either wire, and after coming back.
    one.ask("m2", "saturday delivery").await;
    drop(one);
    purser.visit(&first, 2).await.ask("m3", "saturday delivery").await;
    assert_eq!(purser.post_say(&second, "m2", "saturday delivery").await.0, 200);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_their_limits() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = tokio::task::spawn_blocking(servers::redis).await.expect("no panic") else { return };
    let change = |config: &mut Config| {
        config.redis = Some(redis.url(redis.port()).parse().expect("an address"));
        config.limits.conversations_per_hour = 2;
    };
    let (here, there) = (purser(&database, change).await, purser(&database, change).await);
    for purser in [&here, &there] {
        let joined = || async { (purser.fanout().reach() == purser::fanout::Reach::Joined).then_some(()) };
        until("the nodes", joined).await;
    }
    for id in ["m1", "m2"] {
        assert_eq!(here.post_say(&Visitor::new(), id, "saturday delivery").await.0, 200);
    }
    assert_eq!(here.post_say(&Visitor::new(), "m3", "saturday delivery").await.0, 429);
    // The other node has heard of it after a while, and lets fewer through than it would by itself.
    until("the other node's limit", || async {
        let (status, _) = there.post_frame(&Visitor::new(), json!({ "type": "ping" })).await;
        assert_eq!(status, 200);
        (there.fanout().counts().limits_heard.get() > 0).then_some(())
    })
    .await;
    assert_eq!(there.post_say(&Visitor::new(), "m4", "saturday delivery").await.0, 429);
    here.stop().await;
    there.stop().await;
}

#[test]
fn limits_are_off_only_where_nobody_else_can_connect() {
    let site = Site::starter();
    let ran = site.run(&["--listen", "0.0.0.0:0", "--limits", "off"]);
    assert!(ran.code == 1 && ran.err.contains("`off` is for measuring"), "{ran:?}");
    let ran = site.run(&["--listen", "0.0.0.0:0", "--test-echo"]);
    assert!(ran.code == 1 && ran.err.contains("--test-echo is for tests"), "{ran:?}");
    let ran = site.run(&["--limits", "none"]);
    assert!(ran.code == 1 && ran.err.contains("--limits: keys are expected"), "{ran:?}");
    site.write("purser.yaml", "limits: off\nlisten: '[::]:0'\n");
    let ran = site.run(&["serve"]);
    assert!(ran.code == 1 && ran.err.contains("`off` is for measuring"), "{ran:?}");
}

#[tokio::test]
async fn whatever_needs_the_store_is_counted() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.requests_per_minute = 20).await;
    let mut others = purser.visit(&Visitor::new(), 0).await;
    for frame in ["rate", "erase", "older", "hello"] {
        let visitor = Visitor::new();
        let mut socket = purser.visit(&visitor, 0).await;
        socket.ask("m1", "saturday delivery").await;
        for i in 0..25 {
            let thumb = if i % 2 == 0 { "up" } else { "down" };
            socket.send(json!({ "type": frame, "seq": 2, "thumb": thumb, "before": 2, "token": visitor.token })).await;
        }
        let error = socket.hear("error").await;
        assert_eq!(error["code"], "too_fast", "{frame}");
        assert!(error["retry_after"].is_u64());
        // Over HTTP it is the same bucket, and messages have their own.
        assert_eq!(purser.post_frame(&visitor, json!({ "type": "ping" })).await.0, 429);
        let unread = json!({ "token": visitor.token }).to_string();
        assert_eq!(purser.post("unread", &[], unread).await.0, 429);
        socket.say("m2", "saturday delivery").await;
        socket.hear("ack").await;
    }
    others.ask("m1", "saturday delivery").await;
    purser.stop().await;
}

#[tokio::test]
async fn everybody_at_an_address_is_counted_together_but_may_come_back_at_once() {
    let database = TestDatabase::sqlite();
    let purser = purser(&database, |config| config.limits.address_requests_per_minute = 3).await;
    for expected in [200, 200, 200, 429] {
        assert_eq!(purser.post_frame(&Visitor::new(), json!({ "type": "ping" })).await.0, expected);
    }
    purser.stop().await;
    let limits = Config::default().limits;
    assert!(limits.address_requests_per_minute >= 2_000 && limits.requests_per_minute >= 60, "{limits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_no_conversation_is_counted() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let (server, name) = database.on_server().expect("MariaDB");
    let proxy = Proxy::to(server.port()).await;
    let url = server.url(name, proxy.port());
    let purser = purser(&database, |config| {
        config.database = url.parse().expect("an address");
        config.limits.conversations_per_hour = 2;
    })
    .await;
    let mut socket = purser.visit(&Visitor::new(), 0).await;
    proxy.refuse(true);
    proxy.cut();
    for i in 0..3 {
        socket.say(&format!("m{i}"), "saturday delivery").await;
        assert_eq!(socket.hear("error").await["code"], "not_stored");
    }
    proxy.refuse(false);
    for i in 0..10 {
        socket.say(&format!("again{i}"), "saturday delivery").await;
        let frame = socket.hear_where("ack or error", |frame| frame["type"] == "ack" || frame["type"] == "error").await;
        if frame["type"] == "ack" {
            return purser.stop().await;
        }
        assert_eq!(frame["code"], "not_stored");
    }
    panic!("the store does not come back");
}
