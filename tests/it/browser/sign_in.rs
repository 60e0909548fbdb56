//! Signed-in customers in the chat window: the page gets a token of its server, and the window does the rest.

use std::sync::Arc;
use std::sync::Mutex;

use purser::responders::Responder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Browser, DESKTOP, PHONE, Shop};
use crate::identity::{keys, token_until};

/// A site with a server: `/token` tells who is signed in, if somebody is.
pub struct SignedSite {
    pub origin: String,
    /// The customer, and for how many seconds a token is good.
    customer: Arc<Mutex<Option<(&'static str, i64)>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl SignedSite {
    async fn serve(port: u16, purser: &str, language: &str) -> SignedSite {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
        let origin = format!("http://localhost:{port}");
        let page = format!(
            "<!doctype html><html lang={language}><title>A shop</title><meta name=viewport content='width=device-width'>\
             <link rel=icon href=data:,><script src='{purser}/static/widget.js' data-identity=/token async></script><main><h1>A shop</h1></main>"
        );
        let customer = Arc::new(Mutex::new(None));
        let signed_in = customer.clone();
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (page, signed_in) = (page.clone(), signed_in.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4_096];
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    let wants_token = request[..length].starts_with(b"GET /token");
                    let now = purser::clock::Clock::System.now() / 1000;
                    let customer = *signed_in.lock().expect("no panic");
                    let (status, kind, body) = match customer {
                        _ if !wants_token => ("200 OK", "text/html", page),
                        Some((account, good_for)) => {
                            ("200 OK", "text/plain", token_until(account, now + good_for, json!({ "name": "Ann" })))
                        }
                        None => ("204 No Content", "text/plain", String::new()),
                    };
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        SignedSite { origin, customer, serving }
    }

    pub fn sign_in(&self, customer: Option<(&'static str, i64)>) {
        *self.customer.lock().expect("no panic") = customer;
    }
}

impl Drop for SignedSite {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn site() -> (Shop, SignedSite) {
    site_with(None, "en").await
}

/// A purser in which this responder is asked first, and a site of this language.
pub async fn site_with(first: Option<Arc<dyn Responder>>, language: &str) -> (Shop, SignedSite) {
    let shop = Shop::open_first(first, |config| config.identity = Some(keys())).await;
    let site = SignedSite::serve(shop.site_port, shop.url.trim_end_matches('/'), language).await;
    (shop, site)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_signs_in_goes_on_elsewhere_and_signs_out() {
    let Some([desktop, phone]) = Browser::start_together([DESKTOP, PHONE], &[]).await else { return };
    let (shop, site) = site().await;
    desktop.goto(&site.origin).await;
    desktop.open().await;
    desktop.say("how much does it cost?").await;
    desktop.hear("From £3.49.").await;

    // Signing in loads the page anew; what was said before is there, and on the phone too.
    site.sign_in(Some(("4711", 300)));
    desktop.reload().await;
    desktop.hear("From £3.49.").await;
    desktop.say("saturday delivery").await;
    desktop.hear("Yes, on Saturdays too.").await;
    phone.goto(&site.origin).await;
    phone.open().await;
    phone.hear("Yes, on Saturdays too.").await;
    phone.say("is this the same chat?").await;
    let all =
        "rows().some((row) => row.includes('From £3.49.')) && rows().some((row) => row.includes('the same chat?'))";
    phone.when("all of it", all).await;
    desktop.when("all of it", all).await;

    // Signed out, this browser has nothing of it any more. It greets before it is connected, and a page that is left
    // while it connects says so in the console.
    let new = "rows().join() === 'Hello! What can I do for you?' && $('.window').dataset.state === 'online'";
    site.sign_in(None);
    desktop.reload().await;
    desktop.when("a new chat", new).await;
    let left = desktop.js("return JSON.stringify([{ ...localStorage }, { ...sessionStorage }])").await;
    let left = left.as_str().expect("text").to_owned();
    assert!(!left.contains("4711"), "{left}");

    // Somebody else at the same browser does not see it either, and whoever signs in again does.
    site.sign_in(Some(("4712", 300)));
    desktop.reload().await;
    desktop.when("a new chat", new).await;
    site.sign_in(Some(("4711", 300)));
    desktop.reload().await;
    desktop.when("all of it", all).await;
    desktop.end().await;
    phone.end().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_asks_for_a_fresh_token_without_a_reload() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let (shop, site) = site().await;
    // It has ended already, but for the minute by which clocks may differ.
    site.sign_in(Some(("4711", -40)));
    browser.goto(&site.origin).await;
    browser.open().await;
    browser.js("window.same = true").await;
    browser.when("a greeting", "rows()[0]").await;
    site.sign_in(Some(("4711", 300)));
    browser.say("how much does it cost?").await;
    browser.hear("From £3.49.").await;
    browser.say("saturday delivery").await;
    browser.hear("Yes, on Saturdays too.").await;
    assert_eq!(browser.js("return window.same && $$('.failed').length === 0").await, true);
    browser.end().await;
    shop.close().await;
}
