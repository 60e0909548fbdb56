//! The console in real browsers: a customer and two agents at once, hostile texts, how it looks.

use std::path::Path;

use purser::conversation::ConversationId;
use purser::store::{AccountChange, Role};
use serde_json::{Value, json};

use super::{Agent, PASSWORD, hostile};
use crate::browser::{Browser, DESKTOP, Device, PHONE, Shop, visitor};
use crate::harness::{Visitor, http_client, within};

/// Opens the console and logs in as somebody would.
pub async fn log_in(browser: &Browser, shop: &Shop, login: &str) {
    browser.goto(&format!("{}agent", shop.url)).await;
    browser.click("input[name=login]").await;
    browser.type_text(login).await;
    browser.press("Tab").await;
    browser.type_text(PASSWORD).await;
    browser.press("Enter").await;
    browser.when("the console", "$('.board') && $('.bar b').textContent").await;
}

pub async fn account(shop: &Shop, login: &str, role: Role) {
    Agent::new(&shop.purser, login, role).await;
}

pub async fn picture(browser: &Browser, name: &str) {
    let shot = browser.client().screenshot().await.expect("a picture");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pictures");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(name), shot).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_and_two_agents() {
    let browsers = Browser::start_together([DESKTOP, DESKTOP, PHONE], &[]).await;
    let Some([customer, anna, ben]) = browsers else { return };
    let shop = Shop::open().await;
    account(&shop, "anna", Role::Agent).await;
    account(&shop, "ben", Role::Agent).await;
    log_in(&anna, &shop, "anna").await;
    log_in(&ben, &shop, "ben").await;
    anna.when("nobody", "$('.rows').innerText.includes('Nobody waits')").await;

    customer.goto(&shop.url).await;
    customer.open().await;
    customer.say("how much does it cost?").await;
    customer.hear("From £3.49.").await;
    customer.say("talk to a person").await;
    customer.hear("number 1 in the queue").await;
    customer.when("the line", "$('.person span').innerText === 'You are waiting for a colleague'").await;

    // Both see it; the keyboard opens and takes it.
    for agent in [&anna, &ben] {
        agent.when("a row", "$('.rows .row .chip.waiting')").await;
    }
    anna.js("document.activeElement.blur()").await;
    anna.key("j").await;
    anna.when("the conversation", "$$('.msg.bot').length === 2").await;
    anna.click(".why summary").await;
    anna.when("why", "$('.why dl').innerText.includes('faq')").await;
    ben.click(".rows .row").await;
    ben.when("the conversation", "$$('.msg.bot').length === 2").await;
    anna.when("the other one", "$('.watchers').innerText.includes('Ben is looking')").await;
    anna.js("document.activeElement.blur()").await;
    anna.key("t").await;
    customer.hear("Anna is here now.").await;
    customer.when("her name", "$('.person strong').innerText === 'Anna'").await;
    ben.when("no way to take it", "$('.line:last-child').innerText.includes('Anna took') && !$('.actions > button')")
        .await;

    // They write, and see each other write.
    anna.when("the field", "document.activeElement.matches('textarea')").await;
    anna.type_text("Hello **there**").await;
    customer.when("the dots", "!$('.dots').parentNode.hidden").await;
    anna.press("Enter").await;
    customer.hear("Hello there").await;
    customer.when("her name", "$('.row.agent .by').innerText === 'Anna' && $('.row.agent strong')").await;
    customer.js("$('textarea').focus()").await;
    customer.type_text("where").await;
    anna.when("that the customer writes", "$('.typing').innerText.includes('writing')").await;
    customer.type_text(" is it?").await;
    customer.press("Enter").await;
    anna.when("the question", "$('.msg.visitor:last-of-type')?.innerText.includes('where is it?')").await;

    // A note is for agents; a reply from the list is filled in.
    anna.click(".modes button:nth-child(2)").await;
    anna.js("$('.compose textarea').focus()").await;
    anna.type_text("looks lost to me").await;
    anna.press("Enter").await;
    ben.when("the note", "$('.msg.note')?.innerText.includes('looks lost to me')").await;
    anna.click(".modes button:nth-child(1)").await;
    picture(&anna, "console.png").await;

    // Passed on, answered on a phone, and given back.
    anna.click(".pass summary").await;
    anna.js("$$('.pass li button').find((e) => e.innerText.startsWith('Ben')).focus()").await;
    anna.press("Enter").await;
    customer.hear("Ben goes on with you now.").await;
    ben.when("his", "$$('.actions button').some((b) => b.innerText === 'Close')").await;
    ben.click(".modes button:nth-child(1)").await;
    ben.js("$('.compose textarea').focus()").await;
    ben.type_text("It is on its way.").await;
    // What is half written is there after a reload, too.
    ben.reload().await;
    ben.when("what was written", "$('.compose textarea').value === 'It is on its way.' && !$('.compose').inert").await;
    ben.click(".field .primary").await;
    customer.hear("It is on its way.").await;
    picture(&ben, "console-phone.png").await;
    let notes = customer.js("return root.querySelector('.log').innerText").await;
    assert!(!notes.as_str().expect("a text").contains("looks lost"), "{notes}");

    // A reload finds who is there.
    customer.reload().await;
    customer.when("his name", "$('.person strong')?.innerText === 'Ben'").await;
    customer.click(".person button").await;
    customer.hear("talking to the assistant again").await;
    customer.when("nobody", "$('.person').hidden").await;
    customer.say("saturday delivery").await;
    customer.hear("Yes, on Saturdays too.").await;
    anna.when("the end", "$('.board').innerText && !$('.rows .row .chip.waiting')").await;

    // With word that is left the assistant goes on; who waits is ended by the key that the button names.
    let theirs = visitor(&customer).await;
    let mut socket = shop.purser.visit(&theirs, 0).await;
    socket
        .send(json!({ "type": "say", "client_id": "w1", "text": "Leave a message", "choice": "person/message" }))
        .await;
    socket.hear("ack").await;
    socket.hear_where("the question", |frame| frame["text"].as_str().is_some_and(|text| text.contains("e-mail"))).await;
    socket.ask("w2", "+44 20 7946 0123").await;
    anna.when("the word", "$('.line:last-child').innerText.includes('left word')").await;
    let close = "$$('.actions > button').some((b) => b.innerText === 'Close')";
    assert_eq!(
        anna.js(&format!("return [{close}, $('.talk h2').innerText]")).await,
        json!([false, "+44 20 7946 0123"])
    );
    socket.ask("w3", "talk to a person").await;
    anna.when("who waits", close).await;
    anna.js("document.activeElement.blur()").await;
    anna.key("C").await;
    customer.hear("Anna has ended this chat").await;
    for browser in [customer, anna, ben] {
        browser.end().await;
    }
    shop.close().await;
}

// The module that shows who is asked for is fetched with the first answer, so it comes after this call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_is_called_first_of_all_is_seen() {
    let Some(customer) = Browser::start(PHONE).await else { return };
    let shop = Shop::open().await;
    account(&shop, "anna", Role::Agent).await;
    customer.goto(&shop.url).await;
    customer.open().await;
    customer.say("talk to a person").await;
    customer.hear("number 1 in the queue").await;
    customer.when("the line", "$('.person span').innerText === 'You are waiting for a colleague'").await;
    customer.click(".person button").await;
    customer.hear("talking to the assistant again").await;
    customer.when("nobody", "$('.person').hidden").await;
    customer.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_text() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    let texts = hostile::texts();
    assert!(texts.len() > 250, "{}", texts.len());
    let purser = &shop.purser;
    let anna = Agent::new(purser, "anna", Role::Agent).await;
    // An agent may be called anything, too.
    let mut other = purser::accounts::account("ben", "x", Role::Agent, PASSWORD).expect("an account");
    other.name = texts[60].chars().take(60).collect();
    purser.store.change_account(AccountChange::Add(other, 0)).await.expect("the store");

    let traps = "window.hit = []; for (const name of ['alert', 'confirm', 'prompt', 'msgbox', 'print']) window[name] = () => hit.push(name)";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": traps })).await;
    log_in(&browser, &shop, "anna").await;
    let customer = Visitor::new();
    let mut socket = purser.visit(&customer, 0).await;
    socket.ask("call", "talk to a person").await;
    anna.take(&customer).await;
    browser.goto(&format!("{}agent#{}", shop.url, customer.conversation)).await;
    browser.reload().await;
    browser.when("the conversation", "$('.actions > button')").await;

    // What a customer writes comes out as it went in.
    for (number, text) in texts.iter().enumerate() {
        socket.say(&format!("h{number}"), text).await;
        socket.hear("ack").await;
    }
    let count = texts.len() + 1;
    browser
        .when_after(crate::harness::PATIENCE, "all of them", &format!("$$('.msg.visitor').length === {count}"))
        .await;
    let shown = browser.js("return $$('.msg.visitor .said').slice(1).map((e) => e.textContent)").await;
    let shown: Vec<&str> = shown.as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    for (shown, text) in shown.iter().zip(&texts) {
        assert_eq!(shown, text);
    }
    assert_eq!(shown.len(), texts.len());

    // What agents write: as replies, notes and tags, and in what was searched for.
    for text in &texts {
        let id = uuid::Uuid::new_v4();
        for kind in ["reply", "note"] {
            let (status, _) =
                anna.act(json!({ "do": kind, "conversation": customer.conversation, "id": id, "text": text })).await;
            assert_eq!(status, 200, "{text}");
        }
    }
    for tags in texts.chunks(12) {
        let tags: Vec<String> =
            tags.iter().map(|tag| tag.chars().filter(|c| !c.is_control()).take(32).collect()).collect();
        anna.does(json!({ "do": "tags", "conversation": customer.conversation, "tags": tags })).await;
    }
    browser
        .when_after(crate::harness::PATIENCE, "the last tags", "$('.line:last-child').innerText.includes('tagged')")
        .await;
    for text in texts.iter().step_by(9) {
        let search = serde_json::to_string(text).expect("JSON");
        browser
            .js(&format!("$('.search input').value = {search}; $('.search input').dispatchEvent(new Event('input'))"))
            .await;
    }
    // A name, an address and a language of a visitor stand in the list and at the side.
    let id = ConversationId(customer.conversation);
    for text in texts.iter().step_by(7) {
        let head = within("a read", purser.store.conversation(id)).await.expect("a read").expect("a conversation");
        let mut decision = head
            .note(
                &purser::conversation::Person { id: anna.id, name: "x".to_owned(), leads: true },
                purser::conversation::EventId::new(),
                purser::conversation::EventId::new().agent_key(),
                purser::conversation::Text::new("named").expect("a text"),
                head.last_at,
            )
            .expect("a note");
        let next = std::sync::Arc::make_mut(&mut decision.next);
        let known = std::sync::Arc::make_mut(&mut next.kept.attributes);
        for name in ["name", "email", text] {
            known.insert(name.to_owned(), text.clone());
        }
        let kept = &mut next.kept;
        (kept.account_name, kept.account_email) = (Some(text.as_str().into()), Some(text.as_str().into()));
        purser.store.append(decision).await.expect("an append");
        browser.reload().await;
        browser
            .when(
                "the side",
                &format!(
                    "$$('.side dd').filter((e) => e.textContent === {}).length === 5",
                    serde_json::to_string(text).expect("JSON")
                ),
            )
            .await;
        browser
            .when("its title", &format!("$('.talk h2').textContent === {}", serde_json::to_string(text).expect("JSON")))
            .await;
    }
    // Nothing ran, nothing was fetched from elsewhere, and there is no element that we did not make.
    let found = browser
        .js("const strange = $$('script, img, iframe, object, embed, link, style, form, video, audio, base, meta, svg, math, template, marquee, portal, animate') \
             .filter((e) => !e.closest('head') && !e.matches('.compose, dialog form, body > noscript')).map((e) => e.outerHTML); \
             const links = $$('a').map((a) => a.getAttribute('href') ?? '').filter((to) => to && !/^(https?:|mailto:|tel:)/i.test(to)); \
             const handlers = $$('*').filter((e) => [...e.attributes].some(({ name }) => name.startsWith('on'))).length; \
             return [window.hit, strange, links, handlers]")
        .await;
    assert_eq!(found, json!([[], [], [], 0]));
    // Saved as a page and opened from a disk, it is text as well.
    let saved = format!("{}agent/export?form=html&conversation={}", shop.url, customer.conversation);
    let saved = within("a file", http_client().get(saved).header("Cookie", &anna.cookie).send()).await.expect("a file");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("saved.html");
    std::fs::write(&file, within("a body", saved.bytes()).await.expect("a body")).expect("a file");
    browser.goto(&format!("file://{}", file.display())).await;
    let found = browser
        .js("const strange = $$('script, img, iframe, object, embed, link, a, form, video, audio, base, svg, math, template') \
             .map((e) => e.outerHTML); \
             const handlers = $$('*').filter((e) => [...e.attributes].some(({ name }) => name.startsWith('on'))).length; \
             return [window.hit, strange, handlers]")
        .await;
    assert_eq!(found, json!([[], [], 0]));
    let shown = browser.js("return $$('article p').map((e) => e.textContent)").await;
    let shown: Vec<&str> = shown.as_array().expect("texts").iter().filter_map(Value::as_str).collect();
    // HTML knows no carriage return and no NUL.
    for text in texts.iter().filter(|text| !text.contains(['\r', '\0'])) {
        assert!(shown.contains(&text.as_str()), "{text:?} is not in the saved page");
    }
    let foreign: Vec<String> = browser
        .reports()
        .await
        .iter()
        .filter(|report| report["method"] == "Network.requestWillBeSent")
        .filter_map(|report| report["params"]["request"]["url"].as_str().map(str::to_owned))
        // The browser's own first tab is none of ours.
        .filter(|url| {
            !["data:", "about:", "chrome:", "chrome-untrusted:", "file:", &shop.url]
                .iter()
                .any(|start| url.starts_with(start))
        })
        .collect();
    assert_eq!(foreign, Vec::<String>::new());

    // The customer's window shows the agent's texts just as safely.
    browser.goto(&shop.url).await;
    browser.open().await;
    let Visitor { token, conversation } = &customer;
    let _ = visitor(&browser).await;
    browser
        .js(&format!(
            "const key = Object.keys(localStorage).find((key) => /^purser [^ ]+$/.test(key)); \
             localStorage[key] = JSON.stringify({{ token: '{token}', conversation: '{conversation}', seen: 0 }})"
        ))
        .await;
    browser.reload().await;
    browser.when("a page of the messages", "$$('.row.agent').length > 10").await;
    assert_eq!(browser.js("return window.hit").await, json!([]));
    // It was loaded anew and nobody has touched it since: a sound that is due then is refused.
    browser.expect_console(&["The AudioContext was not allowed to start"]).await;
    browser.end().await;
    shop.close().await;
}

/// Pictures of the console in all its looks, to be looked at; nothing may stick out of the page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_fits_on_a_phone_and_in_the_dark() {
    for (name, device) in [
        ("light", DESKTOP),
        ("dark", Device { dark: true, ..DESKTOP }),
        ("phone-light", PHONE),
        ("phone-dark", Device { dark: true, ..PHONE }),
    ] {
        let Some(browser) = Browser::start(device).await else { return };
        let shop = Shop::open().await;
        account(&shop, "anna", Role::Agent).await;
        let mut conversations = Vec::new();
        for (question, tags) in
            [("Where is my parcel with the long winter coat?", vec!["lost"]), ("which sizes are there", vec![])]
        {
            let visitor = Visitor::new();
            let mut customer = shop.purser.visit(&visitor, 0).await;
            customer.ask("m1", question).await;
            customer.ask("m2", "talk to a person").await;
            conversations.push((visitor, tags));
        }
        browser.goto(&format!("{}agent", shop.url)).await;
        browser.when("the log-in", "$('#login')").await;
        picture(&browser, &format!("login-{name}.png")).await;
        log_in(&browser, &shop, "anna").await;
        browser.when("two rows", "$$('.rows .row').length === 2").await;
        picture(&browser, &format!("list-{name}.png")).await;
        browser.click(".rows .row").await;
        browser.click(".actions .primary").await;
        browser.when("hers", "$('.actions .pass')").await;
        browser.js("$('.compose textarea').focus()").await;
        browser.type_text("Hello, let me look that up for you.").await;
        browser.press("Enter").await;
        browser.when("the reply", "$('.msg.agent')").await;
        picture(&browser, &format!("talk-{name}.png")).await;
        let wide = browser.js("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64() <= Some(0), "{name}: {wide} too wide");
        browser.js("document.activeElement.blur()").await;
        // Who it is, and the tags, are at hand also where there is no room for them.
        browser.key("i").await;
        browser.when("the side", "$('.side dl').checkVisibility() && $('.side input').checkVisibility()").await;
        picture(&browser, &format!("side-{name}.png")).await;
        if name.starts_with("phone") {
            browser.press("Escape").await;
            browser.when("the chat", "!$('.side').checkVisibility() && $('.msg.agent').checkVisibility()").await;
        }
        browser.key("?").await;
        browser.when("the keys", "$('.keys').open").await;
        picture(&browser, &format!("keys-{name}.png")).await;
        browser.end().await;
        shop.close().await;
    }
}
