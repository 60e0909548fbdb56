//! A customer on a bad network: nothing that was said is lost, nothing is said twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::embedding::Site;
use super::{Browser, DESKTOP, Shop};
use crate::harness::Visitor;
use crate::proxy::{Cut, Proxy};

/// What the browser itself notes when a connection cannot be had. Nobody can keep it from doing so.
const UNREACHABLE: &[&str] =
    &["WebSocket connection to", "net::ERR_", "Failed to load resource", "blocked by CORS policy: No 'Access-Control"];

/// A page whose chat goes through a proxy while the page itself does not.
async fn behind(proxy: &Proxy, shop: &Shop) -> Site {
    let (files, server) = (&shop.url, format!("http://127.0.0.1:{}/", proxy.port()));
    let html = format!(
        "<!doctype html><html lang=en><link rel=icon href=data:,><title>A shop</title>\
         <script src='{files}static/widget.js' async data-server='{server}'></script><body><h1>A shop</h1></body></html>"
    );
    Site::serve_on(shop.site_port, "default-src * data:", &html).await
}

/// An open chat, on the page of a site, that reaches purser through a proxy.
async fn opened() -> Option<(Browser, Shop, Proxy, Site)> {
    let browser = Browser::start(DESKTOP).await?;
    let shop = Shop::open().await;
    let proxy = Proxy::to(shop.purser.address.port()).await;
    let site = behind(&proxy, &shop).await;
    browser.goto(&site.origin).await;
    browser.open().await;
    Some((browser, shop, proxy, site))
}

/// What is stored of the visitor's messages, in order.
async fn said(shop: &Shop, browser: &Browser) -> Vec<String> {
    let visitor = super::widget::visitor(browser).await;
    let conversation = purser::conversation::ConversationId(visitor.conversation);
    let events = shop.purser.store.events_after(conversation, 0, 100).await.expect("events");
    let said = events.iter().filter(|event| event.author == purser::conversation::Author::Visitor);
    said.map(|event| event.body.as_ref().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_offline_goes_out_in_order() {
    let Some((browser, shop, proxy, _site)) = opened().await else { return };
    proxy.refuse(true);
    proxy.cut();
    browser.when("it is noticed", "$('.window').dataset.state !== 'online'").await;
    for text in ["one", "how much does it cost?", "three"] {
        browser.say(text).await;
    }
    browser.when("all wait", "$$('.waiting').length === 3 && $('.waiting').innerText === '· Waiting to be sent'").await;
    browser.when("a word about it", "$('.state').checkVisibility()").await;
    proxy.refuse(false);
    browser
        .when(
            "all are sent",
            "$$('.row.visitor').length === 3 && !$('.waiting') && $('.window').dataset.state === 'online'",
        )
        .await;
    browser.when("answers", "$$('.row.bot:not([hidden])').length === 4 && !$('.state').checkVisibility()").await;
    assert_eq!(said(&shop, &browser).await, ["one", "how much does it cost?", "three"]);
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sent_survives_a_reload_and_shows_in_every_tab() {
    let Some((browser, shop, proxy, site)) = opened().await else { return };
    let first = browser.this_tab().await;
    let second = browser.tab(&site.origin).await;
    browser.open().await;
    proxy.refuse(true);
    proxy.cut();
    browser.when("it is noticed", "$('.window').dataset.state !== 'online'").await;
    browser.say("saturday delivery").await;
    browser.type_text("half a sen").await;
    browser.reload().await;
    browser.when("it is still there", "rows().join() === 'saturday delivery' && $('.waiting')").await;
    assert_eq!(browser.js("return $('textarea').value").await, "half a sen");
    browser.switch(&first).await;
    browser.when("here, too", "rows().at(-1) === 'saturday delivery' && $('.waiting')").await;
    proxy.refuse(false);
    // Both tabs send it now; it is stored and answered once.
    for tab in [&first, &second] {
        browser.switch(tab).await;
        browser.js("dispatchEvent(new Event('online'))").await;
        browser
            .when(
                "one answer",
                "$$('.row.bot:not([hidden])').length === 2 && $$('.row.visitor').length === 1 && !$('.waiting')",
            )
            .await;
    }
    assert_eq!(said(&shop, &browser).await, ["saturday delivery"]);
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

/// Its acknowledgement was lost, that conversation is over, and another tab has begun the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_in_an_earlier_conversation_is_not_stored_again() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    let before = super::widget::visitor(&browser).await;
    shop.purser.visit(&before, 0).await.ask("m1", "saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    crate::nodes::close(&shop.purser, &before).await;
    let now = Visitor { token: before.token.clone(), ..Visitor::new() };
    shop.purser.visit(&now, 0).await.ask("n1", "how much does it cost?").await;
    let unsent = json!({ "text": "saturday delivery", "conversation": before.conversation });
    let key = "Object.keys(localStorage).find((key) => /^purser [^ ]+$/.test(key))";
    browser.js(&format!("localStorage[{key} + ' m1'] = JSON.stringify({unsent})")).await;
    browser.reload().await;
    // Nor does it stand among what is said now.
    let said = "rows().slice(1).join() === 'how much does it cost?,From £3.49.'";
    browser.when("nothing waits", &format!("!localStorage[{key} + ' m1'] && {said}")).await;
    for (visitor, events) in [(&before, 3), (&now, 2)] {
        let conversation = purser::conversation::ConversationId(visitor.conversation);
        assert_eq!(shop.purser.store.events_after(conversation, 0, 100).await.expect("events").len(), events);
    }
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_is_hardly_noticed() {
    let Some((browser, shop, proxy, _site)) = opened().await else { return };
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    proxy.refuse(true);
    let shop = shop.restart().await;
    proxy.point_to(shop.purser.address.port());
    browser.say("saturday delivery").await;
    proxy.refuse(false);
    browser.when_after(Duration::from_secs(40), "the answer", "rows().at(-1) === 'Yes, on Saturdays too.'").await;
    assert_eq!(browser.js("return rows().length").await, 5, "nothing is shown twice");
    assert_eq!(said(&shop, &browser).await, ["how much does it cost?", "saturday delivery"]);
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_deleted_is_deleted_when_the_connection_is_back() {
    let Some((browser, shop, proxy, _site)) = opened().await else { return };
    let fresh = "rows().join() === 'Hello! What can I do for you?'";
    for noticed in [false, true] {
        browser.say("how much does it cost?").await;
        browser.hear("From £3.49.").await;
        browser.when("the button", "$('[title=\"Your chats and data\"]')").await;
        // What is sent now goes nowhere.
        if noticed {
            proxy.refuse(true);
            proxy.cut();
            browser.when("no connection", "$('.window').dataset.state !== 'online'").await;
        } else {
            proxy.stall(true);
        }
        browser.click("[title='Delete this chat']").await;
        browser.click(".danger").await;
        if noticed {
            browser
                .when("that it comes later", "$('.ask').innerText.includes('as soon as there is a connection')")
                .await;
            proxy.refuse(false);
        } else {
            proxy.stall(false);
            proxy.cut();
        }
        browser.when_after(Duration::from_secs(40), "a new chat", fresh).await;
        browser.when("where one writes", "!$('.ask') && $('textarea').checkVisibility()").await;
    }
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_dead_connection_is_noticed_within_25_seconds() {
    let Some((browser, shop, proxy, _site)) = opened().await else { return };
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    proxy.stall(true);
    let start = Instant::now();
    let limit = Duration::from_secs(25);
    browser.when_after(limit, "it to be noticed", "$('.window').dataset.state !== 'online'").await;
    assert!(start.elapsed() < limit);
    browser.say("saturday delivery").await;
    proxy.stall(false);
    proxy.cut();
    browser.when_after(Duration::from_secs(40), "the answer", "rows().at(-1) === 'Yes, on Saturdays too.'").await;
    assert_eq!(said(&shop, &browser).await, ["how much does it cost?", "saturday delivery"]);
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_websocket_comes_through_it_goes_over_http_and_comes_back() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    let proxy = Proxy::to(shop.purser.address.port()).await;
    proxy.forbid(Some(b"GET /ws/"));
    let site = behind(&proxy, &shop).await;
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.when("a greeting", "rows()[0]").await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.click(".up").await;
    browser.when("a thumb", "$('.up').ariaPressed === 'true'").await;
    // The answer to this is lost on the way, so it is said again, and stored once.
    proxy.trap(b"saturday delivery", Cut::After);
    browser.say("saturday delivery").await;
    proxy.sprung().await;
    browser.when_after(Duration::from_secs(30), "the answer", "rows().at(-1) === 'Yes, on Saturdays too.'").await;
    assert_eq!(browser.js("return rows().length").await, 5);
    browser.reports().await;

    // A moment later a WebSocket would come through.
    proxy.forbid(None);
    let end = Instant::now() + Duration::from_secs(60);
    let mut upgraded = 0;
    // One to try, and one to stay.
    while upgraded < 2 && Instant::now() < end {
        let upgrades = |report: &&Value| report["method"] == "Network.webSocketHandshakeResponseReceived";
        upgraded += browser.reports().await.iter().filter(upgrades).count();
    }
    assert!(upgraded >= 2, "it does not come back to the WebSocket");
    browser.when("a connection", "$('.window').dataset.state === 'online'").await;
    browser.say("which sizes are there").await;
    browser.when("a table", "$('table')").await;
    let all = ["how much does it cost?", "saturday delivery", "which sizes are there"];
    assert_eq!(said(&shop, &browser).await.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(), all);
    assert_eq!(browser.js("return rows().length").await, json!(7));
    browser.expect_console(UNREACHABLE).await;
    browser.end().await;
    shop.close().await;
}
