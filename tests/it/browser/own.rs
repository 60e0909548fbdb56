//! What is the customer's own, in the window: earlier chats, what is known, what is unread, and who is refused.

use std::sync::Arc;

use purser::conversation::{ConversationId, Kind, VisitorId};
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use purser::store::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::looks;
use super::sign_in::site_with;
use super::{Browser, DESKTOP, Device};
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
            let attributes = vec![("tracking_number".to_owned(), Some(parcel.to_owned()))];
            Ok(Answer::Reply(Reply { text: text.into(), attributes, ..Reply::default() }))
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

/// In German and in the dark, then from right to left. The window is about as wide as a phone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sees_takes_along_and_deletes_what_is_known_and_was_said() {
    let device = Device { language: "de", dark: true, ..DESKTOP };
    let Some(browser) = Browser::start(device).await else { return };
    let (shop, site) = site_with(Some(Arc::new(Memory)), "de").await;
    let purser = &shop.purser;
    let anna = Agent::new(purser, "anna", Role::Agent).await;
    // Two earlier chats, on another device.
    let device = Visitor::new();
    let identity = token_until("4711", purser::clock::Clock::System.now() / 1000 + 300, json!({}));
    let mut earlier = Vec::new();
    for question in
        ["Adresse ändern", "which <b>sizes</b> are there, and what does each of them cost to send to another country?"]
    {
        let mut socket = purser.typed().await;
        socket.send(json!({ "type": "hello", "token": device.token, "identity": identity })).await;
        let conversation: Uuid =
            serde_json::from_value(socket.hear("welcome").await["conversation"].clone()).expect("an id");
        let device = Visitor { conversation, ..device.clone() };
        socket.ask(&Uuid::new_v4().to_string(), question).await;
        socket.ask(&Uuid::new_v4().to_string(), "talk to a person").await;
        anna.take(&device).await;
        anna.reply(&device, "Hello, this is *Anna*.").await;
        anna.does(json!({ "do": "close", "conversation": conversation })).await;
        socket.hear_where("the end", |frame| frame["kind"] == "closed").await;
        earlier.push(ConversationId(conversation));
    }

    site.sign_in(Some(("4711", 300)));
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("parcel PX12").await;
    browser.hear("PX12 it is.").await;
    browser.when("the way there", "$$('header .icon').length === 3").await;
    browser.click(".window > header .icon:nth-last-child(2)").await;
    browser.when("what is known", "$$('.mine li').length === 4 && $$('.mine .past').length === 2").await;
    no_finding(&browser, "the panel").await;
    // Everything else is out of reach meanwhile, and nothing sticks out.
    let layout = "return [$('form').inert, $('.log').inert, $('.pane').scrollWidth <= $('.pane').clientWidth, \
                      !!root.activeElement?.closest('.mine'), $('.mine').innerText]";
    let layout = browser.js(layout).await;
    assert_eq!([&layout[0], &layout[1], &layout[2], &layout[3]], [true; 4]);
    let shown = layout[4].as_str().expect("text");
    for text in ["Ann", "Sendungsnummer", "PX12", "<b>sizes</b>", "Frühere Chats", "Alles löschen"] {
        assert!(shown.contains(text), "{text} in {shown}");
    }

    // An earlier chat, with the keyboard.
    browser.js("$('.mine .past').focus()").await;
    browser.press("Enter").await;
    browser.when("what was said", "$$('.mine .bubble').some((b) => b.innerText === 'Hello, this is Anna.')").await;
    assert_eq!(browser.js("return !!$('.mine b, .mine .visitor .bubble *')").await, false, "text is text");
    let colours = "const colour = (s) => getComputedStyle($(s)).color; \
                   return colour('.mine .bot .bubble p, .mine .agent .bubble p') === colour('.window')";
    assert_eq!(browser.js(colours).await, true, "what was said is as legible as in the chat");
    // It is deleted when that is said twice, and the other one stays.
    browser.click(".pane > .deeds button").await;
    browser.when("a question", "$('.pane > .deeds .danger') && root.activeElement.innerText === 'Behalten'").await;
    no_finding(&browser, "about to delete a chat").await;
    browser.press("Enter").await;
    browser.when("no question", "!$('.pane > .deeds .danger')").await;
    browser.click(".pane > .deeds button").await;
    browser.click(".pane > .deeds .danger").await;
    browser.when("it is gone", "$$('.mine .past').length === 1 && $('.told').innerText === 'Gelöscht.'").await;
    let kinds = async |id: ConversationId| {
        let log = purser.store.events_after(id, 0, 100).await.expect("a log");
        log.iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(earlier[1]).await, [Kind::Erased]);
    assert!(kinds(earlier[0]).await.len() > 3);

    // Mirrored, and English words begin at the side where the others do.
    browser.js("$('section').dir = 'rtl'").await;
    let sides = "const right = (s) => { const range = document.createRange(); range.selectNodeContents($(s)); \
                 return Math.round(range.getBoundingClientRect().right); }; \
                 return [right('.past small') - right('.past span'), $('.pane').scrollWidth <= $('.pane').clientWidth]";
    let sides = browser.js(sides).await;
    assert!(sides[0].as_i64().is_some_and(|apart| apart.abs() <= 2) && sides[1] == true, "{sides}");
    browser.js("$('section').dir = ''").await;

    // All of it to take along.
    browser
        .js("const made = URL.createObjectURL; URL.createObjectURL = (blob) => { \
             blob.text().then((text) => (window.saved = text)); return made.call(URL, blob); }")
        .await;
    browser.click(".deeds button:first-child").await;
    browser.when("a file", "window.saved && $('.told').innerText.includes('Downloads')").await;
    let saved: Value =
        serde_json::from_str(browser.js("return window.saved").await.as_str().expect("text")).expect("JSON");
    assert_eq!(saved["account"]["name"], "Ann");
    let saved = saved.to_string();
    for (text, there) in [("Adresse ändern", true), ("PX12", true), ("<b>sizes</b>", false)] {
        assert_eq!(saved.contains(text), there, "{text}");
    }
    // And all of it deleted.
    browser.click(".deeds button:last-child").await;
    browser.click(".deeds .danger").await;
    browser.when("an empty chat", "!$('.mine') && !rows().some((row) => row.includes('PX12'))").await;
    assert_eq!(kinds(earlier[0]).await, [Kind::Erased]);
    let visitor = VisitorId::of_account("4711");
    assert_eq!(purser.store.past(visitor, ConversationId::new(), 0, 10).await.expect("a list"), []);
    browser.end().await;
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
