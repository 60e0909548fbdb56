//! What customers do about mail in the window: the way back from one, and a transcript.

use std::path::Path;

use purser::store::Role;
use serde_json::json;

use super::MailServer;
use crate::agents::Agent;
use crate::browser::{Browser, DESKTOP, Device, PHONE, Shop, visitor};

async fn picture(browser: &Browser, name: &str) {
    let shot = browser.client().screenshot().await.expect("a picture");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), shot).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_back_after_a_word_and_a_transcript_is_sent() {
    let Some(mut server) = MailServer::start(&[]).await else { return };
    let Some(desk) = Browser::start(DESKTOP).await else { return };
    let post = server.spec("page: http://shop.example/help\n  key: ${SECRET}\n  after_minutes: 0");
    let shop = Shop::open_with(|config| config.post = post).await;
    let anna = Agent::new(&shop.purser, "anna", Role::Agent).await;
    desk.goto(&shop.url).await;
    desk.open().await;
    desk.say("how much does it cost?").await;
    desk.hear("From £3.49.").await;

    // A transcript: first to what is no address, then to one.
    desk.click("header .icon[title='Send this chat by mail']").await;
    desk.when("a field", "root.activeElement.matches('.mail input')").await;
    desk.type_text("bea").await;
    desk.press("Enter").await;
    desk.when("a word", "$('.mail p').innerText.includes('does not look like')").await;
    desk.type_text("@example.org").await;
    desk.press("Enter").await;
    desk.when("a word", "$('.mail p').innerText === 'It is on its way to you.'").await;
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["bea@example.org"]));
    assert!(mail["text"].as_str().is_some_and(|text| text.contains("From £3.49.")), "{mail}");
    desk.click(".mail button:not(.go)").await;
    desk.when("the place to write", "root.activeElement.matches('textarea')").await;
    desk.expect_console(&["422"]).await;

    // Word is left, and answered when the customer has gone.
    let before = visitor(&desk).await;
    let mut tab = shop.purser.visit(&before, 0).await;
    let press = json!({ "type": "say", "client_id": "a1", "text": "Leave a message", "choice": "person/message" });
    tab.send(press).await;
    tab.hear("ack").await;
    tab.hear_where("the question", |frame| {
        frame["author"] == "bot" && frame["text"].as_str().is_some_and(|text| text.contains("e-mail"))
    })
    .await;
    tab.ask("a2", "bea@example.org").await;
    desk.goto("about:blank").await;
    anna.take(&before).await;
    anna.reply(&before, "It is in Leeds.").await;
    let mail = server.mail().await;
    let text = mail["text"].as_str().expect("a text");
    let link = text.split("http://shop.example/help").nth(1).and_then(|rest| rest.split_whitespace().next());
    let link = format!("{}{}", shop.url, link.expect("a link"));
    desk.end().await;

    let german = Device { language: "de", dark: true, ..PHONE };
    let Some(phone) = Browser::start(german).await else { return };
    phone.goto(&link).await;
    phone.when("a question", "$('.back p')").await;
    phone.when("a clean address", "!location.hash").await;
    picture(&phone, "way-back.png").await;
    // Nothing has happened yet: the page is all that a program which looks through mail sees.
    assert_eq!(
        shop.purser
            .store
            .conversation(purser::conversation::ConversationId(before.conversation))
            .await
            .expect("a read")
            .expect("it is there")
            .status,
        purser::conversation::Status::Agent
    );
    phone.click(".back .go").await;
    phone.hear("It is in Leeds.").await;
    tab.hear_where("the end", |frame| frame["kind"] == "erased").await;
    let now = visitor(&phone).await;
    assert_ne!(now.conversation, before.conversation);
    anna.reply(&now, "It comes tomorrow.").await;
    phone.hear("It comes tomorrow.").await;
    picture(&phone, "came-back.png").await;
    phone.end().await;

    // Used up: it says so, and one can ask anew.
    let Some(other) = Browser::start(DESKTOP).await else { return };
    other.goto(&link).await;
    other.click(".back .go").await;
    other.when("a word", "$('.back p').innerText.includes('not good any more')").await;
    other.click(".back button:not(.go)").await;
    other.say("how much does it cost?").await;
    other.hear("From £3.49.").await;
    other.expect_console(&["404"]).await;
    other.end().await;
    shop.close().await;
}
