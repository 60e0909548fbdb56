//! The chat on pages of another site: their policies, their styles, their scripts.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Browser, DESKTOP, Shop};

/// A site of its own with one page at every path, as long as this lives.
pub struct Site {
    pub origin: String,
    serving: tokio::task::JoinHandle<()>,
}

impl Site {
    /// On this port, or on any free one.
    pub async fn serve_on(port: u16, policy: &str, html: &str) -> Site {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        // Another name than purser's address: another site, not only another port.
        let origin = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}\r\n\
             Cross-Origin-Embedder-Policy: require-corp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{html}",
            html.len()
        );
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4_096]).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Site { origin, serving }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The first block of docs/embed.md that starts like this, as a site would paste it.
fn from_docs(start: &str, purser: &str) -> String {
    let docs = include_str!("../../../docs/embed.md");
    let block = docs.split("```").skip(1).step_by(2).find_map(|block| {
        let (_, body) = block.split_once('\n')?;
        body.starts_with(start).then_some(body.trim())
    });
    let block = block.expect("the docs have it").replace("https://chat.example", purser);
    block.replace("wss://chat.example", &purser.replace("http:", "ws:"))
}

/// What the docs tell a site with a strict policy to say.
fn policy(purser: &str) -> String {
    from_docs("default-src 'none'", purser)
}

/// A purser that lets a site chat, and that site with this body.
pub async fn guest(body: impl Fn(&str) -> String) -> (Shop, Site) {
    let shop = Shop::open().await;
    let purser = shop.url.trim_end_matches('/').to_owned();
    let site = Site::serve_on(shop.site_port, &policy(&purser), &body(&purser)).await;
    (shop, site)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_on_another_site_under_a_strict_policy() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = guest(|purser| {
        format!(
            "<!doctype html><html lang=en><link rel=icon href=data:,><title>A shop</title>\
             <script src='{purser}/static/widget.js' async data-heading='Ask us' data-accent='#7a1fa2'></script>\
             <script src='{purser}/static/widget.js' async data-heading='Ask us' data-accent='#7a1fa2'></script>\
             <body><h1>A shop</h1></body></html>"
        )
    })
    .await;
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.click(".up").await;
    browser.when("a thumb", "$('.up').ariaPressed === 'true'").await;
    assert_eq!(browser.js("return $('h2').innerText").await, "Ask us");
    assert_eq!(browser.js("return document.querySelectorAll('purser-chat').length").await, 1);
    // No cookie is needed, neither here nor there.
    let cookies = browser.devtools("Network.getAllCookies", json!({})).await;
    assert_eq!(cookies["cookies"], json!([]));
    browser.reload().await;
    browser.hear("From £3.49.").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_is_not_listed_gets_no_chat() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    let purser = shop.url.trim_end_matches('/').to_owned();
    let html = format!("<!doctype html><link rel=icon href=data:,><script src='{purser}/static/widget.js'></script>");
    let site = Site::serve_on(0, &policy(&purser), &html).await;
    browser.goto(&site.origin).await;
    browser.click(".launcher").await;
    browser.when("no connection", "$('.window') && !$('.state').hidden").await;
    assert_eq!(browser.js("return rows().length").await, 0);
    assert!(!browser.console().await.is_empty(), "the browser says that it was refused");
    // It tries again for as long as the page is there.
    browser.goto("about:blank").await;
    browser.expect_console(&["response code: 403", "blocked by CORS policy", "net::ERR_FAILED"]).await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rough_page_does_not_break_it() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    // The page's own script and styles are set over DevTools: the policy of the demo shop allows none.
    let rough = "
        Object.prototype.toJSON = function () { return 'broken'; };
        Object.prototype.surprise = 'enumerable';
        Array.prototype.surprise = function () {};
        Array.prototype.toJSON = function () { return 'broken'; };
        String.prototype.toJSON = function () { return 'broken'; };
        delete crypto.randomUUID;
        addEventListener('keydown', (event) => event.key === 'g' && event.preventDefault(), true === false);
        addEventListener('DOMContentLoaded', () => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync('* { display: block !important; color: red !important; font-size: 40px !important; position: static !important; all: revert }');
          document.adoptedStyleSheets = [sheet];
        });";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": rough })).await;
    browser.goto(&shop.url).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    let looks = "const style = getComputedStyle($('.bot .bubble')), host = getComputedStyle(chat); \
                 return [style.fontSize, style.color, host.position, $('.badge').checkVisibility()]";
    assert_eq!(browser.js(looks).await, json!(["15px", "rgb(23, 33, 47)", "fixed", false]));
    browser.reload().await;
    browser.hear("From £3.49.").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_survives_navigation_without_a_reload() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    browser.goto(&shop.url).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    // As single-page apps do: another body, another address; and once the whole chat is thrown out.
    browser
        .js("history.pushState({}, '', '/elsewhere'); const body = document.createElement('body'); \
             body.append('another page'); document.body.replaceWith(body)")
        .await;
    browser.hear("From £3.49.").await;
    browser.js("chat.remove()").await;
    browser.when("the chat again", "chat?.isConnected").await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    assert_eq!(browser.js("return document.querySelectorAll('purser-chat').length").await, 1);
    assert_eq!(browser.js("return rows().length").await, 5);
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_calls_before_the_script_is_there() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let shop = Shop::open().await;
    let early = "window.purser = [(purser) => purser.say('how much does it cost?')];";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": early })).await;
    browser.goto(&shop.url).await;
    browser.hear("From £3.49.").await;
    // The buttons of the demo shop speak to the chat the same way.
    browser.js("document.querySelector('[data-say]').click()").await;
    browser.when("what the button says", "rows().some((row) => row === 'How do I send a parcel?')").await;
    browser.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_docs_works_when_pasted() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = guest(|purser| from_docs("<!doctype html>", purser)).await;
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    // The browser asks for an icon that the page does not have.
    browser.expect_console(&["favicon.ico"]).await;
    browser.end().await;
    shop.close().await;
}
