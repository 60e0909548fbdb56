//! Visitors who may not write, and conversations as files.

use purser::store::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Agent, events};
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, http_client, until, within};
use crate::{identity, on_both_engines, servers};

on_both_engines! {
    a_blocked_visitor_is_told_and_let_in_again;
    a_customer_is_blocked_by_account;
    a_block_reaches_all_nodes;
    a_conversation_is_saved;
}

async fn a_blocked_visitor_is_told_and_let_in_again(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;
    anna.take(&visitor).await;
    // Only whoever has the chat does.
    let what = json!({ "do": "block", "conversation": visitor.conversation });
    let (status, _) = ben.act(what.clone()).await;
    assert_eq!(status, 409);
    let mut console = ben.live(Some(&visitor)).await;
    assert_eq!(console.hear("opened", |_| true).await["blocked"], false);
    anna.does(what.clone()).await;
    console.hear("event", |event| event["kind"] == "blocked" && event["name"] == "Anna").await;
    let end = customer.hear_where("the end", |frame| frame["kind"] == "closed").await;
    assert_eq!(end.get("asks"), None);
    assert!(end["text"].as_str().is_some_and(|text| text.contains("do not take messages")), "{end}");
    let before = events(&purser, &visitor).await.len();
    anna.does(what).await;
    // Here, over HTTP and in a new conversation.
    customer.say("m2", "let me in").await;
    let told = customer.hear("error").await;
    assert_eq!((&told["code"], &told["client_id"]), (&json!("blocked"), &json!("m2")));
    assert!(told["text"].as_str().is_some_and(|text| text.contains("do not take messages")), "{told}");
    let (status, frames) = purser.post_say(&visitor, "m2", "let me in").await;
    assert_eq!((status, &frames[0]["code"]), (403, &json!("blocked")));
    let elsewhere = Visitor { conversation: Visitor::new().conversation, ..visitor.clone() };
    let (status, _) = purser.post_say(&elsewhere, "m3", "saturday delivery").await;
    assert_eq!(status, 403);
    assert_eq!(events(&purser, &visitor).await.len(), before);
    // Others write on.
    let (_, answer) = purser.visit(&Visitor::new(), 0).await.ask("m1", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");
    let mut console = ben.live(Some(&visitor)).await;
    assert_eq!(console.hear("opened", |_| true).await["blocked"], true);
    ben.does(json!({ "do": "unblock", "conversation": visitor.conversation })).await;
    let (_, answer) = customer.ask("m4", "saturday delivery").await;
    assert_eq!(answer["text"], "Yes, **on Saturdays** too.");

    // A client of the plain dialect is told the same.
    let mut plain = purser.plain(None).await;
    plain.say("talk to a person").await;
    plain.hear().await;
    let rows = anna.list("list?shelf=waiting").await;
    anna.does(json!({ "do": "block", "conversation": rows[0]["id"] })).await;
    plain.hear().await;
    plain.say("hello?").await;
    assert!(plain.hear().await.contains("do not take messages"));
    purser.stop().await;
}

async fn a_customer_is_blocked_by_account(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.identity = Some(identity::keys())).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let token = identity::token_until("customer-7", purser.desk.now() / 1_000 + 300, json!({}));
    let hello = |visitor: &Visitor| {
        let Visitor { token: own, conversation } = visitor;
        json!({ "type": "hello", "token": own, "conversation": conversation, "identity": token })
    };
    let phone = Visitor::new();
    let mut socket = purser.typed().await;
    socket.send(hello(&phone)).await;
    let welcome = socket.hear("welcome").await;
    socket.ask("m1", "talk to a person").await;
    anna.does(json!({ "do": "block", "conversation": welcome["conversation"] })).await;
    // On another device, with another token of the browser.
    let mut desktop = purser.typed().await;
    desktop.send(hello(&Visitor::new())).await;
    desktop.hear("welcome").await;
    desktop.say("m2", "saturday delivery").await;
    assert_eq!(desktop.hear("error").await["code"], "blocked");
    purser.stop().await;
}

async fn a_block_reaches_all_nodes(database: &TestDatabase) {
    if !database.url().starts_with("mysql") {
        return;
    }
    let redis = tokio::task::spawn_blocking(servers::redis).await.expect("no panic");
    let url = redis.as_ref().map(|redis| redis.url(redis.port()));
    // By way of Redis, and without it by looking every few seconds.
    for url in [url, None] {
        let start = async || {
            let url = url.clone();
            let setup = Setup::on(database)
                .change(move |config| config.redis = url.map(|url| url.parse().expect("an address")));
            setup.start().await
        };
        let (here, there) = (start().await, start().await);
        let login = if url.is_some() { "anna" } else { "ben" };
        let agent = Agent::new(&here, login, Role::Agent).await;
        let visitor = Visitor::new();
        let mut customer = there.visit(&visitor, 0).await;
        customer.ask("m1", "talk to a person").await;
        agent.does(json!({ "do": "block", "conversation": visitor.conversation })).await;
        until("it is known there", async || {
            let (status, _) = there.post_say(&visitor, &Uuid::new_v4().to_string(), "let me in").await;
            (status == 403).then_some(())
        })
        .await;
        agent.does(json!({ "do": "unblock", "conversation": visitor.conversation })).await;
        until("that is known there", async || {
            let (status, _) = there.post_say(&visitor, &Uuid::new_v4().to_string(), "let me in").await;
            (status == 200).then_some(())
        })
        .await;
        for node in [here, there] {
            node.stop().await;
        }
    }
}

async fn a_conversation_is_saved(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "saturday delivery").await;
    customer.ask("m2", "<script>alert(1)</script>").await;
    let id = Uuid::new_v4();
    anna.does(json!({ "do": "note", "conversation": visitor.conversation, "id": id, "text": "looks *lost*" })).await;
    let file = async |form: &str, cookie: &str| {
        let url = format!("http://{}/agent/export?conversation={}&form={form}", purser.address, visitor.conversation);
        let response = within("a file", http_client().get(url).header("Cookie", cookie).send()).await.expect("a file");
        let headers = response.headers().clone();
        (response.status().as_u16(), headers, response.text().await.expect("a text"))
    };
    let (status, _, _) = file("json", "").await;
    assert_eq!(status, 401);
    let (status, headers, text) = file("json", &anna.cookie).await;
    let named = headers["content-disposition"].to_str().expect("a header");
    assert_eq!(status, 200);
    assert_eq!(named, format!("attachment; filename=\"conversation-{}.json\"", visitor.conversation));
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["events"][1]["why"]["entry"], "saturday");
    assert_eq!(found["events"][2]["text"], "<script>alert(1)</script>");
    assert_eq!((&found["events"][4]["kind"], &found["events"][4]["text"]), (&json!("note"), &json!("looks *lost*")));
    let (status, headers, page) = file("html", &anna.cookie).await;
    assert_eq!(status, 200);
    assert!(headers["content-disposition"].to_str().is_ok_and(|named| named.starts_with("attachment")));
    assert!(headers["content-security-policy"].to_str().is_ok_and(|policy| policy.contains("default-src 'none'")));
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    let (status, _, _) = file("pdf", &anna.cookie).await;
    assert_eq!(status, 400);
    purser.stop().await;
}
