//! The link in a mail: it leads the customer back on any device, and nobody else anywhere.

use std::process::Command;

use purser::clock::Clock;
use purser::store::Role;
use serde_json::json;

use super::{MailServer, spec};
use crate::agents::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    the_link_leads_back_on_another_device_and_shuts_out_who_had_it_before;
}

const MORNING: i64 = 1_770_199_200_000;

/// Follows a link: the status, and the conversation that it leads to.
async fn follow(purser: &TestPurser, visitor: &Visitor, ticket: &str) -> (u16, Option<String>) {
    let body = json!({ "token": visitor.token, "ticket": ticket }).to_string();
    let (status, answer) = purser.post("back", &[], body).await;
    (status, answer["conversation"].as_str().map(str::to_owned))
}

async fn the_link_leads_back_on_another_device_and_shuts_out_who_had_it_before(database: &TestDatabase) {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let clock = Clock::set(MORNING);
    let post = server.spec("page: https://shop.example/help\n  key: ${SECRET}\n  after_minutes: 0");
    let purser = Setup::on(database).clock(&clock).change(|config| config.post = post).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let before = Visitor::new();
    let mut tab = purser.visit(&before, 0).await;
    let press = json!({ "type": "say", "client_id": "a1", "text": "Leave a message", "choice": "person/message" });
    tab.send(press).await;
    tab.hear("ack").await;
    tab.hear_where("the question", |frame| frame["author"] == "bot").await;
    tab.ask("a2", "bea@example.org").await;
    anna.take(&before).await;
    anna.reply(&before, "It is in Leeds.").await;
    let mail = server.mail().await;
    let text = mail["text"].as_str().expect("a text");
    let ticket = text.split("#purser=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a link");
    // Nobody can make one, and the page is only fetched by what looks at mail.
    let (phone, eve) = (Visitor::new(), Visitor::new());
    let mut forged = ticket.to_owned();
    forged.replace_range(5..6, if &ticket[5..6] == "A" { "B" } else { "A" });
    assert_eq!(follow(&purser, &eve, &forged).await.0, 404);
    assert_eq!(follow(&purser, &eve, "").await.0, 404);
    // Where it was, it stays.
    let (status, conversation) = follow(&purser, &before, ticket).await;
    assert_eq!((status, conversation), (200, Some(before.conversation.to_string())));
    // On the phone it goes on, and who had it before neither reads nor writes in it.
    let (status, conversation) = follow(&purser, &phone, ticket).await;
    assert_eq!(status, 200);
    let conversation = conversation.expect("a conversation");
    assert_ne!(conversation, before.conversation.to_string());
    tab.hear_where("the end", |frame| frame["kind"] == "erased").await;
    let phone = Visitor { conversation: conversation.parse().expect("an id"), ..phone };
    let mut here = purser.visit(&phone, 0).await;
    let history = here.hear("history").await;
    let said: Vec<_> =
        history["events"].as_array().unwrap().iter().filter_map(|event| event["text"].as_str()).collect();
    assert!(said.contains(&"bea@example.org") && said.contains(&"It is in Leeds."), "{said:?}");
    here.say("b1", "my street is Elm Road").await;
    here.hear("ack").await;
    let (_, seen) = purser.post_say(&before, "e1", "hello?").await;
    assert!(!format!("{seen:?}").contains("Elm Road"), "{seen:?}");
    let other = Visitor { conversation: phone.conversation, ..before.clone() };
    let (_, seen) = purser.post_frame(&other, json!({ "type": "older", "before": 99 })).await;
    assert!(!format!("{seen:?}").contains("Elm Road"), "{seen:?}");
    // The agent has it still.
    anna.reply(&phone, "Thank you.").await;
    here.hear_where("the reply", |frame| frame["text"] == "Thank you.").await;
    // The old link leads nowhere now.
    assert_eq!(follow(&purser, &eve, ticket).await.0, 404);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_over_a_private_connection_with_a_login() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder.path())
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = |name: &str| folder.path().join(name).display().to_string();
    let Some(mut server) = MailServer::start(&["--tls", &file("cert.pem"), &file("key.pem")]).await else { return };
    for (authority, password, arrives) in [(true, "sesame", true), (true, "wrong", false), (false, "sesame", false)] {
        let authority = if authority { format!("authority: {}", file("cert.pem")) } else { String::new() };
        let post = spec(&format!(
            "mail:\n  host: localhost\n  port: {}\n  from: chat@example.com\n  user: chat\n  password: {password}\n  {authority}\n",
            server.port
        ));
        let database = TestDatabase::sqlite();
        let clock = Clock::set(MORNING);
        let purser = Setup::on(&database).clock(&clock).change(|config| config.post = post).start().await;
        let visitor = Visitor::new();
        purser.visit(&visitor, 0).await.ask("m1", "saturday delivery").await;
        let body = json!({ "token": visitor.token, "conversation": visitor.conversation, "email": "bea@example.org" });
        assert_eq!(purser.post("transcript", &[], body.to_string()).await.0, 202);
        if arrives {
            let mail = server.mail().await;
            assert_eq!((&mail["secret"], &mail["login"]), (&json!(true), &json!(true)), "{mail}");
        } else {
            // It is tried again: the operator can mend it.
            until("a pause", async || {
                let due = purser.store.due_in(purser::store::Tray::Mail, i64::MAX, 9).await.expect("rows");
                due.first().filter(|due| due.due_at == due.made_at + 1_000).map(drop)
            })
            .await;
        }
        purser.stop().await;
    }
}
