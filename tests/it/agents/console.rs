//! The console alone, in a real browser: it calls until it is seen, works with the keyboard, and axe finds nothing.

use purser::store::Role;
use serde_json::{Value, json};

use super::browser::{account, log_in, picture};
use super::{Agent, PASSWORD};
use crate::browser::{Browser, DESKTOP, Device, PHONE, Shop, axe};
use crate::harness::Visitor;

/// What no browser without a screen and a loudspeaker shows: each notification and each tone is counted, and still
/// made, and the page is told that the agent looks elsewhere. What is repeated every 15 seconds is repeated sooner.
const WATCH: &str = "\
    window.away = false; \
    window.look = (elsewhere) => { away = elsewhere; document.dispatchEvent(new Event('visibilitychange')); }; \
    Object.defineProperty(document, 'hidden', { get: () => away }); \
    document.hasFocus = () => !away; \
    window.notes = []; window.tones = 0; \
    const Real = Notification; \
    window.Notification = class extends Real { constructor(title, options) { super(title, options); notes.push([title, options.body]); } }; \
    const start = OscillatorNode.prototype.start; \
    OscillatorNode.prototype.start = function (...when) { tones += 1; return start.apply(this, when); }; \
    const soon = window.setTimeout; \
    window.setTimeout = (does, after, ...rest) => soon(does, after === 15000 ? 200 : after, ...rest);";

async fn calls(shop: &Shop, visitor: &Visitor, question: &str) {
    let mut customer = shop.purser.visit(visitor, 0).await;
    customer.ask("m1", question).await;
    customer.ask("m2", "talk to a person").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_calls_until_it_is_seen() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    let anna = Agent::new(&shop.purser, "anna", Role::Agent).await;
    let origin = shop.url.trim_end_matches('/');
    browser.devtools("Browser.grantPermissions", json!({ "origin": origin, "permissions": ["notifications"] })).await;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
    log_in(&browser, &shop, "anna").await;
    assert_eq!(browser.js("return [Notification.permission, document.title]").await, json!(["granted", "purser"]));
    // The agent does something else.
    browser.js("look(true)").await;
    let visitor = Visitor::new();
    calls(&shop, &visitor, "saturday delivery").await;
    browser.when("the number in the title", "document.title === '(1) purser'").await;
    browser.when("a sound, again and again", "tones >= 6").await;
    let notes = browser.when("notifications, again and again", "notes.length >= 3 && notes").await;
    assert_eq!(notes[0], json!(["purser", "A customer waits for an answer."]));
    let second = Visitor::new();
    calls(&shop, &second, "how much does it cost?").await;
    browser.when("both in the title", "document.title === '(2) purser'").await;
    browser.when("a notification of both", "notes.some(([, text]) => text.startsWith('2 customers'))").await;
    // Whoever looks is left in peace.
    browser.js("look(false)").await;
    browser.when("the title alone", "document.title === 'purser'").await;
    let quiet = "const before = [tones, notes.length]; await new Promise((done) => soonest(done, 1500)); \
                 return JSON.stringify(before) === JSON.stringify([tones, notes.length])";
    let quiet = quiet.replace("soonest", "setTimeout");
    assert_eq!(browser.js(&quiet).await, true, "it goes on calling");

    // Hers, and unread after a new connection; and with the sound off only the title says so.
    for visitor in [&visitor, &second] {
        anna.take(visitor).await;
        // Two questions, two answers, the call, and that she has it.
        anna.does(json!({ "do": "seen", "conversation": visitor.conversation, "seq": 6 })).await;
    }
    browser.key("m").await;
    browser.when("no sound", "$('.bar').innerText.includes('Sound off')").await;
    browser.goto("about:blank").await;
    let mut customer = shop.purser.visit(&visitor, 0).await;
    for number in 3..6 {
        customer.say(&format!("m{number}"), "hello?").await;
        customer.hear("ack").await;
    }
    browser.goto(&format!("{}agent", shop.url)).await;
    browser.when("hers", "$('#tab-mine b').textContent === '2'").await;
    browser.click("#tab-mine").await;
    let unread = format!("$('[data-id=\"{}\"] .unread')?.textContent === '3'", visitor.conversation);
    browser.when("what is unread", &unread).await;
    browser.when("it in the title", "document.title === '(1) purser'").await;
    assert_eq!(browser.js("return tones").await, 0);
    // Reading it is seeing it, here and on the server.
    browser.click(&format!("[data-id=\"{}\"]", visitor.conversation)).await;
    browser.when("it read", "document.title === 'purser' && !$('.rows .unread')").await;
    browser.reload().await;
    browser.when("her list", "$('#tab-mine b').textContent === '2'").await;
    browser.click("#tab-mine").await;
    browser.when("nothing unread", "$$('.rows .row').length === 2 && !$('.rows .unread')").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_with_the_keyboard_alone() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    account(&shop, "anna", Role::Admin).await;
    let ben = Agent::new(&shop.purser, "ben", Role::Agent).await;
    let mut bens = ben.live(None).await;
    let is_here = |agent: &Value| agent["name"] == "Ben" && agent["here"] == true;
    bens.hear("board", |board| board["agents"].as_array().is_some_and(|all| all.iter().any(is_here))).await;
    let (first, second) = (Visitor::new(), Visitor::new());
    calls(&shop, &first, "saturday delivery").await;
    calls(&shop, &second, "how much does it cost?").await;

    browser.goto(&format!("{}agent", shop.url)).await;
    browser.when("the first field", "document.activeElement.name === 'login'").await;
    browser.type_text("anna").await;
    browser.press("Tab").await;
    browser.type_text(PASSWORD).await;
    browser.press("Enter").await;
    browser.when("two who wait", "$$('.rows .row').length === 2").await;

    // Every key of the list is known to do something, and the list shows all of them.
    browser.key("?").await;
    browser.when("the list", "$('.keys').open").await;
    let keys = browser.js("return $$('.keys kbd').map((key) => key.innerText)").await;
    let known =
        ["j, k", "1 to 5", "/", "t", "r", "n", "x", "Shift+B", "Shift+C", "Enter", "/ in an empty field", "Esc"];
    let known: Vec<&str> = known.into_iter().chain(["i", "e", "g", "a", "m", "?"]).collect();
    assert_eq!(keys, json!(known));
    browser.press("Escape").await;
    browser.when("it gone", "!$('.keys').open").await;

    // Open, take, reply, note.
    browser.key("j").await;
    browser.when("the first one", "$('.row[aria-current]') && $$('.msg.visitor').length === 2").await;
    browser.key("k").await;
    browser.key("t").await;
    browser.when("the field", "document.activeElement.matches('textarea')").await;
    browser.type_text("Hello").await;
    browser.press("Enter").await;
    browser.when("the reply", "$('.msg.agent')?.innerText.includes('Hello')").await;
    browser.press("Escape").await;
    browser.key("n").await;
    browser.when("the field of notes", "document.activeElement.matches('.noting textarea')").await;
    browser.type_text("is in a hurry").await;
    browser.press("Enter").await;
    browser.when("the note", "$('.msg.note')").await;
    browser.press("Escape").await;
    browser.key("r").await;
    browser.when("the field of replies", "document.activeElement.matches('form:not(.noting) textarea')").await;
    browser.key("/").await;
    browser.when("the replies", "!$('.picker').hidden").await;
    browser.press("Escape").await;
    browser.press("Escape").await;

    // The menus: down to Ben, and away with it.
    browser.key("x").await;
    browser.when("the list of colleagues", "$('.pass').open && document.activeElement.innerText === 'The queue'").await;
    browser.press("ArrowDown").await;
    browser.when("Ben", "document.activeElement.innerText.startsWith('Ben')").await;
    browser.press("Enter").await;
    browser.when("that it went", "$('.line:last-child').innerText.includes('went to Ben')").await;
    browser.js("document.activeElement.blur()").await;
    browser.key("e").await;
    browser.when("more", "$('.more').open && document.activeElement.innerText === 'Save as a page'").await;
    browser.press("Escape").await;
    browser.when("it closed", "!$('.more').open && document.activeElement.matches('.more summary')").await;

    // The lists, the search, the second one: taken, given back, taken, closed.
    browser.js("document.activeElement.blur()").await;
    for (key, name) in [("2", "mine"), ("3", "others"), ("4", "closed"), ("5", "all"), ("1", "waiting")] {
        browser.key(key).await;
        browser.when(name, &format!("$('#tab-{name}').ariaSelected === 'true'")).await;
    }
    browser.key("5").await;
    browser.key("/").await;
    browser.when("the search", "document.activeElement.matches('.search input')").await;
    browser.type_text("how much").await;
    browser.when("one found", "$$('.rows .row').length === 1").await;
    browser.press("Escape").await;
    browser.key("j").await;
    let opened = format!("location.hash === '#{}' && $('.actions .primary')", second.conversation);
    browser.when("the second one", &opened).await;
    browser.key("t").await;
    browser.when("hers", "document.activeElement.matches('textarea')").await;
    browser.press("Escape").await;
    browser.key("B").await;
    browser.when("the assistant has it", "$('.actions .primary')?.innerText === 'Take'").await;
    browser.key("t").await;
    browser.when("hers again", "document.activeElement.matches('textarea')").await;
    browser.press("Escape").await;
    browser.key("C").await;
    browser.when("the end", "$('.line:last-child').innerText.includes('Anna closed')").await;
    browser.key("g").await;
    browser.when("the ratings", "$('.page').open && $('.ratings').innerText").await;
    browser.press("Escape").await;
    browser.when("them gone", "!$('.page').open").await;
    browser.key("a").await;
    browser.when("away", "$('.bar .away')").await;
    browser.key("a").await;
    browser.when("here", "$('.bar .here')").await;

    // And Tab reaches everything that can be pressed or written in.
    // The lists are drawn anew meanwhile, so what counts is what stands on it.
    let reach = "window.nameOf = (e) => e.tagName + (e.dataset.id || e.id || e.ariaLabel || e.title || e.textContent || e.placeholder); \
                 window.reached = new Set(); document.body.addEventListener('focusin', ({ target }) => reached.add(nameOf(target))); \
                 window.all = () => [...document.querySelectorAll('button, input, textarea, select, summary, a[href]')].filter((e) => e.checkVisibility() && !e.disabled); \
                 document.activeElement.blur(); return all().length";
    let count = browser.js(reach).await.as_u64().expect("a number");
    let missed = "return all().map(nameOf).filter((name) => !reached.has(name))";
    // A round is enough, unless a list is drawn anew just where the focus is.
    let mut left = json!(null);
    for _ in 0..3 {
        for _ in 0..count + 10 {
            browser.press("Tab").await;
        }
        left = browser.js(missed).await;
        if left == json!([]) {
            break;
        }
    }
    assert_eq!(left, json!([]));
    browser.end().await;
    shop.close().await;
}

/// What axe finds on the page as it is now.
async fn findings(browser: &Browser, axe: &str, state: &str, all: &mut Vec<(String, Value)>) {
    browser.js(&format!("if (!window.axe) {{ {axe}; window.axe = axe; }}")).await;
    let script = "const { violations } = await window.axe.run(document); \
                  return violations.map(({ id, help, nodes }) => [id, help, nodes.map((node) => [node.html, node.failureSummary])])";
    let found = browser.js(script).await;
    if found != json!([]) {
        all.push((state.to_owned(), found));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_the_console() {
    let Some(axe) = axe() else { return };
    let mut all = Vec::new();
    for (name, device) in [
        ("light", DESKTOP),
        ("dark", Device { dark: true, ..DESKTOP }),
        ("phone", PHONE),
        ("phone-dark", Device { dark: true, ..PHONE }),
    ] {
        let Some(browser) = Browser::start(device).await else { return };
        let shop = Shop::open().await;
        let anna = Agent::new(&shop.purser, "anna", Role::Admin).await;
        let ben = Agent::new(&shop.purser, "ben", Role::Agent).await;
        let visitors = [Visitor::new(), Visitor::new(), Visitor::new()];
        for visitor in &visitors {
            calls(&shop, visitor, "how much does it cost?").await;
        }
        for (agent, visitor, stars) in [(&anna, &visitors[0], 5), (&ben, &visitors[1], 3)] {
            agent.take(visitor).await;
            agent.reply(visitor, "Hello").await;
            agent.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
            let review = json!({ "type": "review", "stars": stars, "comment": "That was quick, thank you." });
            let (status, _) = shop.purser.post_frame(visitor, review).await;
            assert_eq!(status, 200);
        }
        let state = |what: &str| format!("{what}, {name}");
        browser.goto(&format!("{}agent", shop.url)).await;
        browser.when("the log-in", "$('#login')").await;
        findings(&browser, &axe, &state("log-in"), &mut all).await;
        log_in(&browser, &shop, "anna").await;
        browser.when("a row", "$('.rows .row')").await;
        findings(&browser, &axe, &state("list"), &mut all).await;
        browser.js("document.activeElement.blur()").await;
        browser.key("g").await;
        browser.when("the ratings", "$('.comments')").await;
        picture(&browser, &format!("ratings-{name}.png")).await;
        findings(&browser, &axe, &state("ratings"), &mut all).await;
        browser.press("Escape").await;
        browser.when("them gone", "!$('.page').open").await;
        browser.click(".rows .row").await;
        browser.click(".actions .primary").await;
        browser.when("hers", "$('.actions .pass')").await;
        browser.click(".more summary").await;
        browser.when("the menu", "$('.more').open").await;
        picture(&browser, &format!("more-{name}.png")).await;
        findings(&browser, &axe, &state("conversation"), &mut all).await;
        browser.js("$$('.more li button').at(-1).click()").await;
        browser.when("the question", "$('dialog[open]')").await;
        findings(&browser, &axe, &state("blocking"), &mut all).await;
        browser.press("Escape").await;
        browser.when("no question", "!$('dialog[open]')").await;
        browser.js("document.activeElement.blur()").await;
        browser.key("?").await;
        browser.when("the keys", "$('.keys').open").await;
        findings(&browser, &axe, &state("keys"), &mut all).await;
        let wide = browser.js("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64() <= Some(0), "{name}: {wide} too wide");
        browser.end().await;
        shop.close().await;
    }
    assert!(all.is_empty(), "{all:#?}");
}

/// The customer rates the chat in the window, in all its looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_late_stays_out_of_the_next_chat() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    account(&shop, "anna", Role::Agent).await;
    let [long, short] = [Visitor::new(), Visitor::new()];
    let mut customer = shop.purser.visit(&long, 0).await;
    for number in 0..60 {
        customer.ask(&number.to_string(), "saturday delivery").await;
    }
    customer.ask("person", "talk to a person").await;
    calls(&shop, &short, "how much does it cost?").await;
    log_in(&browser, &shop, "anna").await;
    let row = |visitor: &Visitor| format!(".rows [data-id='{}']", visitor.conversation);
    browser.click(&row(&long)).await;
    browser.when("a page of it", "$$('.msg').length > 50").await;
    // Both answers are on their way when another chat is opened.
    browser
        .js("const real = fetch; window.held = []; window.fetch = async (path, ...rest) => { \
             const answer = await real(path, ...rest); \
             if (/older|replies/.test(path)) await new Promise((done) => held.push(done)); return answer; }")
        .await;
    browser.click(".log .quiet").await;
    browser.click(".modes button:nth-child(3)").await;
    browser.when("both", "held.length === 2").await;
    browser.click(&row(&short)).await;
    browser.when("the other one", "$('.log').innerText.includes('From £3.49.')").await;
    let late = "held.forEach((go) => go()); await new Promise((done) => setTimeout(done, 200)); \
                return [$('.log').innerText.includes('Saturdays'), $('.picker').hidden]";
    assert_eq!(browser.js(late).await, json!([false, true]));
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_rates_the_chat() {
    let axe = axe();
    for (name, device, direction) in [
        ("light", DESKTOP, "ltr"),
        ("dark-rtl", Device { dark: true, ..DESKTOP }, "rtl"),
        ("phone", PHONE, "ltr"),
        ("phone-dark-rtl", Device { dark: true, ..PHONE }, "rtl"),
    ] {
        let Some(browser) = Browser::start(device).await else { return };
        let shop = Shop::open().await;
        let anna = Agent::new(&shop.purser, "anna", Role::Agent).await;
        browser.goto(&shop.url).await;
        if direction == "rtl" {
            browser
                .js("document.documentElement.dir = 'rtl'; document.documentElement.lang = 'ar'; purser.set({})")
                .await;
        }
        browser.open().await;
        browser.say("how much does it cost?").await;
        browser.hear("From £3.49.").await;
        browser.say("talk to a person").await;
        browser.hear("in the queue").await;
        let rows = anna.list("list?shelf=waiting").await;
        let visitor =
            Visitor { conversation: rows[0]["id"].as_str().expect("an id").parse().expect("an id"), ..Visitor::new() };
        anna.take(&visitor).await;
        anna.reply(&visitor, "It is on its way.").await;
        browser.hear("It is on its way.").await;
        anna.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
        browser.when("the question", "$$('.stars button').length === 5 && !$('.review').hidden").await;
        // It is asked once, and not in the messages as well.
        let asked = "return [rows().some((text) => text.includes('How was this chat?')), rows().at(-1)]";
        assert_eq!(browser.js(asked).await, json!([false, "Anna has ended this chat. Write again whenever you like."]));
        picture(&browser, &format!("review-{name}.png")).await;
        browser.click(".stars button:nth-child(4)").await;
        browser
            .when(
                "four stars",
                "$$('.stars .lit').length === 4 && $('.stars [aria-pressed=true]').title.startsWith('4')",
            )
            .await;
        if let Some(axe) = &axe {
            crate::browser::no_finding(&browser, axe, &format!("rating, {name}")).await;
        }
        browser.click(".review input").await;
        browser.type_text("Quick & kind <3").await;
        picture(&browser, &format!("review-comment-{name}.png")).await;
        browser.press("Enter").await;
        browser.when("thanks", "$('.review form').hidden").await;
        let rated = |all: &Value| all[0]["stars"] == 4;
        crate::harness::until("it to be stored", async || rated(&anna.list("list?shelf=closed").await).then_some(()))
            .await;
        let wide = browser.js("return $('.window').scrollWidth - $('.window').clientWidth").await;
        assert!(wide.as_i64() <= Some(0), "{name}: {wide} too wide");
        // It is not asked again, and names stand above what the agent said.
        browser.reload().await;
        if device.phone {
            browser.open().await;
        }
        browser.when("the name", "$('.row.agent .by')?.innerText === 'Anna'").await;
        browser.when("nothing to rate", "$('.review')?.hidden !== false").await;
        assert_eq!(browser.js(asked).await, json!([false, "Anna has ended this chat. Write again whenever you like."]));
        browser.say("how much does it cost?").await;
        browser.when("nothing to rate", "$('.review').hidden").await;
        browser.end().await;
        shop.close().await;
    }
}
