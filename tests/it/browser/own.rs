//! What is the customer's own, in the window: earlier chats, what is known, what is unread, and who is refused.

use std::sync::Arc;

use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use purser::store::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::looks;
use super::sign_in::site_with;
use super::{Browser, DESKTOP};
use crate::agents::Agent;
use crate::harness::Visitor;
use crate::identity::token_until;

/// Remembers what was said last.
struct Memory;

impl Responder for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            let Some(parcel) = turn.text.strip_prefix("parcel ") else { return Ok(Answer::Pass) };
            let text = format!("**{parcel}** it is.");
            let attributes = vec![("parcel_number".to_owned(), Some(parcel.to_owned()))];
            Ok(Answer::Reply(Reply { text, attributes, ..Reply::default() }))
        })
    }
}

/// Fails with what axe finds. It moves the chat in the page, which takes the focus away.
async fn no_finding(browser: &Browser, state: &str) {
    let Some(axe) = looks::axe() else { return };
    browser.js("window.focused = root.activeElement").await;
    looks::no_finding(browser, &axe, state).await;
    browser.js("window.focused?.focus()").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sees_what_is_known_and_earlier_chats() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = site_with(Some(Arc::new(Memory)), "en").await;
    let purser = &shop.purser;
    let anna = Agent::new(purser, "anna", Role::Agent).await;
    // An earlier chat, on another device.
    let device = Visitor::new();
    let identity = token_until("4711", purser::clock::Clock::System.now() / 1000 + 300, json!({}));
    let mut socket = purser.typed().await;
    socket.send(json!({ "type": "hello", "token": device.token, "identity": identity })).await;
    let conversation: Uuid =
        serde_json::from_value(socket.hear("welcome").await["conversation"].clone()).expect("an id");
    let device = Visitor { conversation, ..device };
    socket.ask("m1", "which <b>sizes</b> are there, and what does each of them cost to send to another country?").await;
    socket.ask("m2", "talk to a person").await;
    anna.take(&device).await;
    anna.reply(&device, "Hello, this is *Anna*.").await;
    anna.does(json!({ "do": "close", "conversation": conversation })).await;
    socket.hear_where("the end", |frame| frame["kind"] == "closed").await;

    site.sign_in(Some(("4711", 300)));
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("parcel PX12").await;
    browser.hear("PX12 it is.").await;
    browser.when("the way there", "$$('header .icon').length === 3").await;
    browser.click(".window > header .icon:nth-last-child(2)").await;
    browser.when("what is known", "$$('.mine li').length === 3 && $('.mine .past')").await;
    no_finding(&browser, "the panel").await;
    // Everything else is out of reach meanwhile, and nothing sticks out.
    let layout = "return [$('form').inert, $('.log').inert, $('.pane').scrollWidth <= $('.pane').clientWidth, \
                      !!root.activeElement?.closest('.mine'), $('.mine').innerText]";
    let layout = browser.js(layout).await;
    assert_eq!([&layout[0], &layout[1], &layout[2], &layout[3]], [true; 4]);
    let shown = layout[4].as_str().expect("text");
    for text in ["Ann", "parcel number", "PX12", "<b>sizes</b>"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }

    // The earlier chat, with the keyboard.
    browser.js("$('.mine .past').focus()").await;
    browser.press("Enter").await;
    browser.when("what was said", "$$('.mine .bubble').some((b) => b.innerText === 'Hello, this is Anna.')").await;
    assert_eq!(browser.js("return !!$('.mine b, .mine .visitor .bubble *')").await, false, "text is text");
    browser.end().await;
    drop(socket);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_signed_out_meanwhile_leaves_nothing_open() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = site_with(None, "en").await;
    site.sign_in(Some(("4711", 300)));
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.when("the way there", "$$('header .icon').length === 3").await;
    browser.click(".window > header .icon:nth-last-child(2)").await;
    browser.when("what is known", "$$('.mine li').length === 1").await;
    site.sign_in(None);
    browser.js("purser.forget()").await;
    browser.when("a new chat", "!$('.mine') && rows().join() === 'Hello! What can I do for you?'").await;
    browser.when("a connection", "$('.window').dataset.state === 'online'").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sees_what_is_unread_before_opening_the_chat() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = site_with(None, "en").await;
    site.sign_in(Some(("4711", 300)));
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.press("Escape").await;
    browser.when("it is closed", "$('.window').hidden").await;
    browser.goto("about:blank").await;
    // On the phone it goes on.
    let identity = token_until("4711", purser::clock::Clock::System.now() / 1000 + 300, json!({}));
    let mut phone = shop.purser.typed().await;
    phone.send(json!({ "type": "hello", "token": Visitor::new().token, "identity": identity })).await;
    phone.ask("m2", "saturday delivery").await;
    browser.goto(&site.origin).await;
    browser.when("a badge", "!$('.badge').hidden && $('.badge').textContent === '1'").await;
    assert_eq!(browser.js("return $('.window')?.dataset.state ?? null").await, Value::Null, "nothing is connected");
    browser.open().await;
    browser.when("no badge", "$('.badge').hidden").await;
    drop(phone);
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_said_to_be_that() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = site_with(None, "en").await;
    // Good for longer than a day.
    site.sign_in(Some(("4711", 100_000)));
    browser.goto(&site.origin).await;
    browser.click(".launcher").await;
    browser.when("a true word", "$('.state').innerText.includes('sign-in could not be checked')").await;
    site.sign_in(Some(("4711", 300)));
    browser.when("a greeting", "$('.window').dataset.state === 'online' && $('.state').hidden").await;
    let console = browser.console().await;
    let told = "the sign-in was refused: it is valid for more than a day";
    assert!(console.iter().any(|line| line.contains(told)), "whoever makes the page is told: {console:?}");
    assert!(console.iter().all(|line| line.contains(told) || line.contains("401")), "{console:?}");
    browser.end().await;
    shop.close().await;
}
