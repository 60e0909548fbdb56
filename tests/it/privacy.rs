//! What is not kept: card numbers, and what a customer had whom the site has deleted.

use purser::clock::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor};
use crate::identity::{keys, token_until};
use crate::on_both_engines;

on_both_engines! {
    a_card_number_is_not_stored;
    the_site_deletes_a_customer;
}

async fn start(database: &TestDatabase) -> TestPurser {
    Setup::on(database).change(|config| config.identity = Some(keys())).start().await
}

async fn sign_in(purser: &TestPurser, account: &str) -> (Typed, Value) {
    let Visitor { token, conversation } = Visitor::new();
    let identity = token_until(account, Clock::System.now() / 1000 + 300, json!({}));
    let mut socket = purser.typed().await;
    let hello = json!({ "type": "hello", "token": token, "conversation": conversation, "identity": identity });
    socket.send(hello).await;
    let welcome = socket.hear("welcome").await;
    (socket, welcome)
}

/// Whether a text is in any file of an SQLite database, the log of changes included.
pub fn is_in_files(database: &TestDatabase, text: &str) -> bool {
    let Some(file) = database.file() else { return false };
    let folder = file.parent().expect("a folder");
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let bytes = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

async fn a_card_number_is_not_stored(database: &TestDatabase) {
    let purser = start(database).await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.ask("m1", "charge 4111 1111 1111 1111 12/27 please, or keepsake-of-the-test").await;
    let said = socket.hear_where("the message", |frame| frame["client_id"] == "m1").await;
    assert_eq!(said["text"], "charge •••• •••• •••• 1111 12/27 please, or keepsake-of-the-test");
    // The plain dialect comes by the same way.
    let mut plain = purser.plain(None).await;
    plain.say("5555555555554444").await;
    plain.hear().await;
    drop((socket, plain));
    let file = database.file().is_some();
    assert_eq!(is_in_files(database, "keepsake-of-the-test"), file, "this test would find it");
    for card in ["4111 1111 1111", "5555555555554444"] {
        assert!(!is_in_files(database, card), "{card}");
    }
    purser.stop().await;
}

async fn the_site_deletes_a_customer(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let now = Clock::System.now() / 1000;
    let (mut socket, welcome) = sign_in(&purser, &account).await;
    socket.ask("m1", "a-keepsake-of-the-deleted").await;
    let (mut other, _) = sign_in(&purser, &Uuid::new_v4().to_string()).await;
    other.ask("o1", "how much does it cost?").await;

    let erase = |token: String| purser.erase_customer(token);
    // Not with the token of a chat, nor with a forged one.
    assert_eq!(erase(token_until(&account, now + 300, json!({}))).await.0, 401);
    let good = token_until(&account, now + 300, json!({ "aud": "purser/erase" }));
    assert_eq!(erase(good[..good.len() - 4].to_owned()).await.0, 401);
    assert_eq!(erase(token_until(&account, now - 300, json!({ "aud": "purser/erase" }))).await.0, 401);
    assert_eq!(erase(String::new()).await.0, 401);

    assert_eq!(erase(good.clone()).await, (200, json!({ "erased": true })));
    // Every tab hears of it, and nothing is left, for nobody.
    socket.hear_where("the end", |frame| frame["kind"] == "erased").await;
    let (mut again, there) = sign_in(&purser, &account).await;
    again.send(json!({ "type": "older", "before": 1_000 })).await;
    let left = again.hear("history").await;
    assert!(!left.to_string().contains("keepsake"), "{left}");
    assert_ne!(there["conversation"], Value::Null);
    let id =
        purser::conversation::ConversationId(serde_json::from_value(welcome["conversation"].clone()).expect("an id"));
    let log = purser.store.events_before(id, 1_000, 10).await.expect("a log");
    assert_eq!(log.len(), 1, "the mark: {log:?}");
    assert_eq!(erase(good).await, (200, json!({ "erased": false })));
    // Nobody else's is touched.
    other.send(json!({ "type": "older", "before": 1_000 })).await;
    assert_eq!(other.hear("history").await["events"].as_array().map(Vec::len), Some(2));
    drop((socket, again, other));
    purser.stop().await;
    assert!(!is_in_files(database, "a-keepsake-of-the-deleted"));
}
