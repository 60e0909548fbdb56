//! A customer with the chat window.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};

use super::{Browser, DESKTOP, Device, PHONE, Shop};
use crate::harness::Visitor;

/// Who this browser is to purser.
pub async fn visitor(browser: &Browser) -> Visitor {
    let kept = "return JSON.parse(localStorage[Object.keys(localStorage).find((key) => /^purser [^ ]+$/.test(key))])";
    let kept = browser.js(kept).await;
    Visitor {
        token: kept["token"].as_str().expect("a token").to_owned(),
        conversation: kept["conversation"].as_str().expect("an id").parse().expect("an id"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_asks_and_finds_it_again() {
    for device in [DESKTOP, PHONE] {
        let Some(browser) = Browser::start(device).await else { return };
        let shop = Shop::open().await;
        browser.goto(&shop.url).await;
        browser.open().await;
        browser.when("a greeting", "rows()[0] === 'Hello! What can I do for you?'").await;
        browser.when("starters", "$$('.choices button').length === 4").await;

        browser.say("how much does it cost?").await;
        browser.hear("From £3.49.").await;
        browser.when("its state", "$$('.row.visitor .sent').at(-1)").await;
        // What may be pressed next is a button.
        browser.click(".choices button").await;
        browser.hear("Yes, on Saturdays too.").await;
        let said = browser.js("return $$('.row.visitor .bubble').map((b) => b.innerText)").await;
        assert_eq!(said, serde_json::json!(["how much does it cost?", "do you deliver on saturdays"]));

        // A reload finds it again; on a desktop the window is still open.
        browser.reload().await;
        if device.phone {
            browser.open().await;
        }
        browser.hear("Yes, on Saturdays too.").await;
        browser.when("the whole conversation", "rows().length === 5").await;

        // And so does a second tab, and hears what is said in the first.
        let first = browser.this_tab().await;
        let second = browser.tab(&shop.url).await;
        browser.open().await;
        browser.when("the whole conversation", "rows().length === 5").await;
        browser.say("saturday delivery").await;
        browser.hear("Yes, on Saturdays too.").await;
        browser.switch(&first).await;
        browser.when("the other tab's question", "rows().length === 7 && rows()[5] === 'saturday delivery'").await;
        browser.switch(&second).await;
        browser.end().await;
        shop.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_german_browser_gets_german() {
    let Some(browser) = Browser::start(Device { language: "de-AT", ..DESKTOP }).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    assert_eq!(browser.js("return $('.launcher').ariaLabel").await, "Chat öffnen");
    browser.open().await;
    browser.when("a greeting", "rows()[0] === 'Guten Tag! Was kann ich für Sie tun?'").await;
    assert_eq!(browser.js("return $('textarea').placeholder").await, "Nachricht schreiben …");
    browser.say("liefern Sie am Samstag?").await;
    browser.hear("samstags").await;

    // The page may change its mind while it runs.
    browser.js("window.purser.set({ language: 'en' })").await;
    browser.when("English", "$('textarea').placeholder === 'Write a message…'").await;
    browser.js("window.purser.set({ texts: { placeholder: 'Ahoy!' }, accent: '#7a1fa2', theme: 'dark' })").await;
    browser.when("the page's own words", "$('textarea').placeholder === 'Ahoy!'").await;
    let looks = browser.js("return [getComputedStyle($('.launcher')).backgroundColor, $('.window').className]").await;
    assert_eq!(looks, serde_json::json!(["rgb(122, 31, 162)", "window dark"]));
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_is_enough() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.when("the launcher", "$('.launcher')").await;
    // The chat stands after the page, so it is the last stop.
    browser.press("Shift+Tab").await;
    browser.when("the focus", "root.activeElement === $('.launcher')").await;
    browser.press("Enter").await;
    browser.when("the focus in the field", "root.activeElement === $('textarea')").await;
    browser.type_text("how much").await;
    browser.press("Shift+Enter").await;
    browser.type_text("does it cost?").await;
    assert_eq!(browser.js("return $('textarea').value").await, "how much\ndoes it cost?");
    browser.press("Enter").await;
    browser.hear("From £3.49.").await;
    assert_eq!(browser.js("return $('textarea').value").await, "");

    // From the field back to the choices, and one is pressed.
    browser.press("Shift+Tab").await;
    browser.when("a choice", "root.activeElement === $('.choices button')").await;
    browser.press("Enter").await;
    browser.hear("Yes, on Saturdays too.").await;
    browser.when("the focus in the field", "root.activeElement === $('textarea')").await;

    browser.press("Escape").await;
    browser.when("a closed window", "$('.window').hidden && root.activeElement === $('.launcher')").await;
    browser.press(" ").await;
    browser.when("an open window", "!$('.window').hidden").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_word_of_an_input_method_is_not_sent() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    let composing = serde_json::json!({ "text": "にほ", "selectionStart": 2, "selectionEnd": 2 });
    browser.devtools("Input.imeSetComposition", composing).await;
    browser
        .js("$('textarea').dispatchEvent(new KeyboardEvent('keydown', \
             { key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true }))")
        .await;
    browser.type_text("日本").await;
    assert_eq!(
        browser.js("return [$('textarea').value, $$('.row.visitor').length]").await,
        serde_json::json!(["日本", 0])
    );
    browser.press("Enter").await;
    browser.when("the message", "$$('.row.visitor .bubble')[0]?.innerText === '日本'").await;
    browser.end().await;
    shop.close().await;
}

/// Texts that would like to be something else.
const HOSTILE: &[&str] = &[
    "<script>window.caught = 1</script>",
    "<img src=x onerror=window.caught=1>",
    "<svg/onload=window.caught=1>",
    "[a](javascript:window.caught=1) **bold**",
    "\"><b>&lt;x&gt;&amp;",
    "{{constructor.constructor('window.caught=1')()}} ${window.caught=1}",
    "مرحبا hello שלום 👩‍👩‍👧‍👦 e\u{301}",
    "\u{202e}evil\u{2066} \u{feff}x",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_is_text() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    for (number, text) in HOSTILE.iter().enumerate() {
        let text_json = serde_json::json!(text);
        browser.js(&format!("window.purser.say({text_json})")).await;
        browser.when("an answer", &format!("$$('.row.bot:not([hidden])').length === {}", number + 2)).await;
        let shown = format!("return $$('.row.visitor .bubble')[{number}].textContent");
        assert_eq!(browser.js(&shown).await, *text);
    }
    // Half a surrogate pair is no text; it comes out as what stands for such.
    browser.js("window.purser.say('half \\ud800 pair')").await;
    browser.when("the text", "$$('.row.visitor .bubble').at(-1).textContent === 'half \\ufffd pair'").await;
    browser.reload().await;
    browser.when("all of it again", &format!("$$('.row.visitor').length === {}", HOSTILE.len() + 1)).await;
    for (number, text) in HOSTILE.iter().enumerate() {
        let shown = format!("return $$('.row.visitor .bubble')[{number}].textContent");
        assert_eq!(browser.js(&shown).await, *text);
    }
    let foreign =
        "return [window.caught, $$('script, img, svg[onload], iframe').length, $$('.visitor .bubble *').length]";
    assert_eq!(browser.js(foreign).await, serde_json::json!([null, 0, 0]));
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_rated_in_every_tab() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.click(".up").await;
    browser.when("a thumb up", "$('.up').ariaPressed === 'true' && $('.down').ariaPressed === 'false'").await;
    assert_eq!(browser.js("return root.activeElement === $('.up')").await, true, "the focus stays");
    let first = browser.this_tab().await;
    browser.tab(&shop.url).await;
    browser.open().await;
    browser.when("the same thumb", "$('.up').ariaPressed === 'true'").await;
    browser.click(".down").await;
    browser.switch(&first).await;
    browser.when("the other thumb", "$('.down').ariaPressed === 'true' && $('.up').ariaPressed === 'false'").await;
    browser.click(".down").await;
    browser.when("no thumb", "$('.down').ariaPressed === 'false'").await;
    browser.reload().await;
    browser.when("no thumb", "$('.down')?.ariaPressed === 'false' && $('.up').ariaPressed === 'false'").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_deletes_the_chat() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    assert_eq!(browser.js("return !$('[title=\"Delete this chat\"]')").await, true, "there is nothing yet");
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    let first = browser.this_tab().await;
    let second = browser.tab(&shop.url).await;
    browser.open().await;
    browser.hear("From £3.49.").await;
    // It is asked first, and no is no.
    browser.click("[title='Delete this chat']").await;
    browser.when("a question", "root.activeElement?.innerText === 'Keep it'").await;
    browser.press("Escape").await;
    browser.when("the field", "!$('.ask') && !$('.window').hidden && root.activeElement === $('textarea')").await;
    browser.hear("From £3.49.").await;
    // As long as it is not deleted it is there.
    let options = SqliteConnectOptions::new().filename(shop.database.file().expect("SQLite"));
    let mut other = options.connect().await.expect("a connection");
    other.execute("BEGIN IMMEDIATE").await.expect("nobody else writes");
    browser.click("[title='Delete this chat']").await;
    browser.click(".danger").await;
    browser.when("that nothing can be stored", "$('.window').dataset.state === 'held'").await;
    browser.hear("From £3.49.").await;
    other.execute("ROLLBACK").await.expect("it ends");
    for tab in [&second, &first] {
        browser.switch(tab).await;
        browser.when("a new chat", "rows().join() === 'Hello! What can I do for you?'").await;
        browser.when("starters", "$$('.choices button').length === 4").await;
    }
    browser.reload().await;
    browser.when("a new chat", "rows().join() === 'Hello! What can I do for you?'").await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_person_sees_nothing_of_the_one_before() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    browser.say("my secret").await;
    browser.hear("Sorry").await;
    browser.js("$('textarea').focus()").await;
    browser.type_text("half a sec").await;
    browser.js("window.purser.forget()").await;
    browser.when("a new chat", "rows().join() === 'Hello! What can I do for you?'").await;
    let left = "return JSON.stringify([{ ...localStorage }, { ...sessionStorage }]) + $('textarea').value";
    let left = browser.js(left).await.as_str().expect("text").to_owned();
    assert!(!left.contains("sec"), "{left}");
    browser.reload().await;
    browser.when("a new chat", "rows().join() === 'Hello! What can I do for you?'").await;

    // The page need not say so if it says who is there.
    browser.js("window.purser.set({ customer: 'anna' })").await;
    browser.say("my other secret").await;
    browser.hear("Sorry").await;
    browser.js("window.purser.set({ customer: 'anna' })").await;
    assert_eq!(browser.js("return rows().length").await, 3, "she is still there");
    browser.js("window.purser.set({ customer: 'bert' })").await;
    browser.when("a new chat", "rows().join() === 'Hello! What can I do for you?'").await;
    browser.js("window.purser.set({ customer: null })").await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_while_it_was_closed_is_counted() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.js("window.told = []; for (const name of ['opened', 'closed', 'message', 'unread']) \
                addEventListener('purser:' + name, ({ detail }) => told.push([name, detail?.author ?? detail?.count ?? null]))").await;
    browser.open().await;
    let first = browser.this_tab().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.press("Escape").await;
    browser.when("a closed window", "$('.window').hidden").await;
    // Another tab goes on talking.
    let second = browser.tab(&shop.url).await;
    browser.open().await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    browser.switch(&first).await;
    browser.when("what the page heard", "told.length >= 6").await;
    let told = browser.js("return told").await;
    assert_eq!(told[0], serde_json::json!(["opened", null]));
    assert!(told.as_array().expect("a list").contains(&serde_json::json!(["message", "bot"])), "{told}");
    // It was read over there.
    browser.when("no badge", "$('.badge').hidden").await;

    // Where nobody reads it, it is counted: on the next page by one small request.
    let mut elsewhere = shop.purser.visit(&visitor(&browser).await, 0).await;
    for tab in [&second, &first] {
        browser.switch(tab).await;
        browser.goto(&format!("{}plain", shop.url)).await;
    }
    elsewhere.ask("m1", "saturday delivery").await;
    browser.js("sessionStorage.clear()").await;
    browser.goto(&shop.url).await;
    browser
        .when("a badge", "$('.badge')?.innerText === '1' && $('.launcher').ariaLabel === 'Open chat, 1 unread'")
        .await;
    browser.open().await;
    browser.when("no badge", "$('.badge').hidden").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_messages_are_read_page_by_page() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    let mut elsewhere = shop.purser.visit(&visitor(&browser).await, 2).await;
    browser.goto(&format!("{}plain", shop.url)).await;
    for number in 1..=499 {
        elsewhere.say(&format!("n{number}"), &format!("number {number}")).await;
    }
    elsewhere.events_to(1_000).await;
    browser.goto(&shop.url).await;
    browser.when("the last page", "rows().length === 50 && rows().at(-2) === 'number 499'").await;
    browser.when("a window at rest", "!root.getAnimations().length").await;
    let at_end = "return $('.log').scrollHeight - $('.log').scrollTop - $('.log').clientHeight < 2";
    assert_eq!(browser.js(at_end).await, true, "it opens at the end");
    // On the way up older pages come, and what was at the top stays where it was.
    let mut pages = 1;
    loop {
        let before = format!("{}", 50 * pages);
        let place = "const row = $$('.row .bubble')[1]; $('.log').scrollTop = 150; window.seen = row; \
                     window.place = row.getBoundingClientRect().top; return rows().length";
        let count = browser.js(place).await.as_u64().expect("a number");
        if count > 1_000 {
            break;
        }
        browser.when("an older page", &format!("rows().length > {before}")).await;
        let moved = browser.js("return Math.abs(window.seen.getBoundingClientRect().top - window.place)").await;
        assert!(moved.as_f64().expect("a number") < 2.0, "page {pages} moved by {moved}");
        pages += 1;
        assert!(pages < 25, "it does not end");
    }
    let all = browser.js("return [rows().length, rows()[0], rows()[1], rows()[3]]").await;
    let expected = serde_json::json!([1_001, "Hello! What can I do for you?", "saturday delivery", "number 1"]);
    assert_eq!(all, expected);
    browser.end().await;
    shop.close().await;
}
