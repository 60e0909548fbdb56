//! What an operator sees: is it alive, does it take customers, what did it do.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, connect, get, until};
use crate::on_both_engines;
use crate::proxy::Proxy;

on_both_engines! {
    what_happens_is_counted;
}

/// The samples of a scrape by their name with labels.
async fn scrape(purser: &TestPurser) -> HashMap<String, f64> {
    let (status, text) = get(purser.address, "/metrics", &[]).await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    let mut samples = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert_eq!(samples.insert(name.to_owned(), value), None, "twice: {line}");
    }
    samples
}

async fn what_happens_is_counted(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.limits.off = false).start().await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.ask("m1", "saturday delivery").await;
    socket.ask("m2", "saturday delivery").await;
    socket.ask("m3", "xyzzy plugh").await;
    socket.say("empty", " ").await;
    socket.hear("error").await;
    purser.post_say(&visitor, "m4", "saturday delivery").await;
    let _stream = purser.events(&visitor, 0).await;
    let mut plain = purser.plain(None).await;
    plain.say("saturday delivery").await;
    plain.hear().await;

    let samples = scrape(&purser).await;
    let value = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("{name} is missing: {samples:#?}"));
    assert_eq!(value("purser_messages_total"), 5.0);
    assert_eq!(value("purser_acknowledged_seconds_count"), 5.0);
    assert_eq!(value("purser_answers_total{responder=\"faq\",outcome=\"answer\"}"), 4.0);
    assert_eq!(value("purser_answers_total{responder=\"pipeline\",outcome=\"pass\"}"), 1.0);
    assert_eq!(value("purser_answered_seconds_count"), 5.0);
    assert_eq!(value("purser_refused_total{code=\"empty\"}"), 1.0);
    assert_eq!(value("purser_connections_total{over=\"socket\"}"), 1.0);
    assert_eq!(value("purser_connections_total{over=\"stream\"}"), 1.0);
    assert_eq!(value("purser_connections_total{over=\"plain\"}"), 1.0);
    assert_eq!(value("purser_connections_open"), 3.0);
    assert!(value("purser_commit_seconds_count") >= 5.0);
    assert!(value("purser_commit_appends_sum") >= 5.0);
    for (name, expected) in [("purser_store_up", 1.0), ("purser_store_waiting", 0.0), ("purser_draining", 0.0)] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert_eq!(value("purser_content_findings{severity=\"error\"}"), 0.0);
    assert_eq!(value("purser_content_swaps_total"), 0.0);
    assert!(value("process_resident_memory_bytes") > 1e6);

    // Content that goes live, and what is wrong with it.
    let file = purser.folder.path().join("faq/more.yaml");
    std::fs::write(&file, "language: en\nentries: [{ id: more, phrases: [more please], answer: More }]\n").unwrap();
    until("the new content", || async {
        let samples = scrape(&purser).await;
        (samples["purser_content_swaps_total"] >= 1.0).then_some(())
    })
    .await;
    std::fs::write(&file, "language: en\nentrys: []\n").unwrap();
    until("the finding", || async {
        let samples = scrape(&purser).await;
        (samples["purser_content_findings{severity=\"error\"}"] == 1.0).then_some(())
    })
    .await;
    purser.stop().await;
}

#[tokio::test]
async fn health_tells_watchers_how_the_parts_are() {
    let database = TestDatabase::sqlite();
    let secret = purser::config::Secret::new("0123456789abcdef");
    let purser = Setup::on(&database).change(|config| config.admin_token = Some(secret)).start().await;
    let health = async |headers: &[(&str, &str)]| -> Value {
        let (status, body) = get(purser.address, "/health", headers).await;
        assert_eq!(status, 200);
        serde_json::from_str(&body).expect("JSON")
    };
    let all = health(&[]).await;
    assert_eq!(all["status"], "alive");
    assert_eq!((&all["store"]["up"], &all["redis"], &all["alone"]), (&json!(true), &json!("unset"), &json!(false)));
    assert!(all["content"]["revision"].as_str().is_some_and(|revision| revision.len() == 12), "{all:#}");
    // Others hear that it lives, and nothing else, unless they have the token.
    let through_proxy = [("X-Forwarded-For", "198.51.100.7")];
    assert_eq!(health(&through_proxy).await, json!({ "status": "alive" }));
    let admin = [through_proxy[0], ("Authorization", "Bearer 0123456789abcdef")];
    assert_eq!(health(&admin).await["store"]["up"], true);
    for headers in [&through_proxy[..], &[("Via", "1.1 proxy")], &[("Host", "evil.example")]] {
        for path in ["/metrics", "/api/content"] {
            assert_eq!(get(purser.address, path, headers).await.0, 403, "{path} {headers:?}");
        }
        assert_eq!(health(headers).await, json!({ "status": "alive" }), "{headers:?}");
    }
    assert_eq!(get(purser.address, "/metrics", &admin).await.0, 200);
    assert_eq!(
        get(purser.address, "/metrics", &[("Authorization", "Bearer 0123456789abcdeX"), through_proxy[0]]).await.0,
        403
    );
    assert_eq!(get(purser.address, "/ready", &through_proxy).await, (200, "{\"ready\":true}".to_owned()));
    purser.stop().await;
}

#[tokio::test]
async fn watchers_may_be_elsewhere() {
    let database = TestDatabase::sqlite();
    let change = |config: &mut purser::config::Config| config.watchers = vec!["198.51.100.0/24".parse().unwrap()];
    let purser = Setup::on(&database).change(change).start().await;
    assert_eq!(get(purser.address, "/metrics", &[("X-Forwarded-For", "198.51.100.7")]).await.0, 200);
    assert_eq!(get(purser.address, "/metrics", &[("X-Forwarded-For", "198.51.101.7")]).await.0, 403);
    assert_eq!(get(purser.address, "/metrics", &[]).await.0, 403);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drains_says_so_and_goes_on() {
    let database = TestDatabase::sqlite();
    // Long enough for a busy machine to look at it meanwhile.
    let mut purser = Setup::on(&database).change(|config| config.limits.drain_seconds = 30).start().await;
    let mut before = purser.visit(&Visitor::new(), 0).await;
    purser.begin_stop();
    let (status, body) = until("the announcement", async || {
        Some(get(purser.address, "/ready", &[]).await).filter(|(status, _)| *status != 200)
    })
    .await;
    assert_eq!((status, body.as_str()), (503, "{\"ready\":false,\"why\":\"draining\"}"));
    // Whoever comes all the same is served as ever.
    purser.visit(&Visitor::new(), 0).await.ask("m1", "saturday delivery").await;
    before.ask("m1", "saturday delivery").await;
    before.hear("bye").await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_its_store_is_not_ready() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let (server, name) = database.on_server().expect("MariaDB");
    let proxy = Proxy::to(server.port()).await;
    let url = server.url(name, proxy.port());
    let purser = Setup::on(&database).change(|config| config.database = url.parse().unwrap()).start().await;
    let ready = async || get(purser.address, "/ready", &[]).await;
    assert_eq!(ready().await.0, 200);
    proxy.refuse(true);
    proxy.cut();
    let body = until("the loss", async || {
        let (status, body) = ready().await;
        (status == 503).then_some(body)
    })
    .await;
    assert_eq!(body, "{\"ready\":false,\"why\":\"the store is away\"}");
    assert_eq!(scrape(&purser).await["purser_store_up"], 0.0);
    // It lives all the same, and keeps whoever is there.
    assert_eq!(get(purser.address, "/health", &[]).await.0, 200);
    assert!(connect(purser.address, Vec::new()).await.is_ok());
    proxy.refuse(false);
    until("the return", async || (ready().await.0 == 200).then_some(())).await;
    purser.stop().await;
}

#[tokio::test]
async fn whom_a_proxy_hides_is_no_watcher() {
    let database = TestDatabase::sqlite();
    let change = |config: &mut purser::config::Config| config.watchers.push("198.51.100.0/24".parse().unwrap());
    let purser = Setup::on(&database).change(change).start().await;
    for header in ["unknown", "198.51.100.7, unknown", "198.51.100.7, k\u{e4}se", "198.51.100.7, 127.0.0.1, x"] {
        assert_eq!(get(purser.address, "/metrics", &[("X-Forwarded-For", header)]).await.0, 403, "{header}");
    }
    assert_eq!(get(purser.address, "/metrics", &[("X-Forwarded-For", "k\u{e4}se, 198.51.100.7")]).await.0, 200);
    purser.stop().await;
}
