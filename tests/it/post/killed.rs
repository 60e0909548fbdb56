//! `kill -9` of a purser that has something to send: the next one sends it, under the id that it had.

use std::path::Path;

use purser::clock::Clock;
use purser::store::Tray;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::hooks::{NEVER, Receiver};
use super::{MailServer, SECRET, spec};
use crate::cli::{Served, Site};
use crate::harness::{Setup, TestDatabase, Typed, Visitor, copy, http_client, until, within};
use crate::on_both_engines;

on_both_engines! {
    what_was_taken_and_not_marked_as_sent_comes_again_as_the_same;
    what_was_not_sent_yet_is_sent_by_the_next_one;
}

/// A purser in a process of its own that sends to these ports, with a mail and a call under way: a customer has asked
/// something, rated the answer and wants a transcript.
async fn with_post(site: &Site, database: &TestDatabase, mail: u16, hook: u16) -> Served {
    let url = database.url();
    copy(Path::new("tests/faq"), &site.path("faq"));
    site.write("purser.yaml", &yaml(mail, hook));
    let mut command = site.command(&["--listen", "127.0.0.1:0", "--database", &url]);
    command.env("SECRET", SECRET);
    let starting = tokio::task::spawn_blocking(move || Served::of(command));
    let served = within("a start", starting).await.expect("it starts");
    let visitor = Visitor::new();
    let mut customer = Typed::connect(served.address()).await;
    customer.hello(&visitor, 0).await;
    let (_, answer) = customer.ask("m1", "saturday delivery").await;
    customer.send(json!({ "type": "rate", "seq": answer["seq"], "thumb": "up" })).await;
    customer.hear_where("the thumb", |frame| frame["kind"] == "rated").await;
    let wanted = json!({ "token": visitor.token, "conversation": visitor.conversation, "email": "bea@example.org" });
    let request = http_client().post(format!("http://{}/api/chat/transcript", served.address()));
    let response = within("an answer", request.body(wanted.to_string()).send()).await.expect("an answer");
    assert_eq!(response.status(), 202);
    served
}

fn yaml(mail: u16, hook: u16) -> String {
    format!(
        "mail:\n  host: 127.0.0.1\n  port: {mail}\n  tls: none\n  from: Example Shipping <chat@example.com>\n\
         webhooks:\n  crm:\n    post: http://127.0.0.1:{hook}/\n    secret: ${{SECRET}}\n    events: [rated]\n    \
         private: [127.0.0.1]\n"
    )
}

/// The next purser on this database, minutes later: what the dead one had claimed is free. Gives the mail and the call
/// that it sends, after which nothing is left to send.
async fn next(
    database: &TestDatabase,
    server: &mut MailServer,
    receiver: &Receiver,
    known: usize,
) -> (Value, [String; 2]) {
    let later = Clock::set(Clock::System.now() + 10 * 60 * 1_000);
    let post = spec(&yaml(server.port, receiver.port));
    let purser = Setup::on(database).clock(&later).change(|config| config.post = post).start().await;
    let mail = server.mail().await;
    let calls = receiver.has(known + 1).await;
    until("an empty outbox", async || {
        let mail = purser.store.due_in(Tray::Mail, i64::MAX, 9).await.expect("rows");
        let calls = purser.store.due_in(Tray::Hooks, i64::MAX, 9).await.expect("rows");
        (mail.is_empty() && calls.is_empty()).then_some(())
    })
    .await;
    purser.stop().await;
    let call = &calls[known];
    (mail, [call.header("webhook-id").to_owned(), call.body.clone()])
}

async fn what_was_taken_and_not_marked_as_sent_comes_again_as_the_same(database: &TestDatabase) {
    // Both get all of it, and purser never learns that they took it.
    let Some(mut server) = MailServer::start(&["hang", "250"]).await else { return };
    let receiver = Receiver::start(&[NEVER, 200]).await;
    let site = Site::empty();
    let served = with_post(&site, database, server.port, receiver.port).await;
    let mail = server.mail().await;
    let call = receiver.has(1).await.remove(0);
    served.kill();

    let (again, called) = next(database, &mut server, &receiver, 1).await;
    let id = &mail["headers"]["message-id"];
    assert!(id.as_str().is_some_and(|id| id.ends_with("@example.com>")), "{mail}");
    for name in ["message-id", "date", "subject", "to"] {
        assert_eq!(again["headers"][name], mail["headers"][name], "{name}");
    }
    assert_eq!(again["text"], mail["text"]);
    assert_eq!(called, [call.header("webhook-id").to_owned(), call.body.clone()]);
}

async fn what_was_not_sent_yet_is_sent_by_the_next_one(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let receiver = Receiver::start(&[200]).await;
    // Both are reached and say nothing, so nothing of it can be sent.
    let mute = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (mail, hook) = (mute().await, mute().await);
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let site = Site::empty();
    let served = with_post(&site, database, port(&mail), port(&hook)).await;
    let reached = async || (mail.accept().await.expect("a connection"), hook.accept().await.expect("a connection"));
    let _open = within("both to be tried", reached()).await;
    served.kill();

    let (mail, [id, body]) = next(database, &mut server, &receiver, 0).await;
    assert_eq!(mail["to"], json!(["bea@example.org"]));
    assert!(mail["text"].as_str().is_some_and(|text| text.contains("> saturday delivery")), "{mail}");
    assert!(!id.is_empty() && body.contains("conversation.rated"), "{body}");
}
