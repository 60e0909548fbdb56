//! The plain page in a real browser.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use crate::harness::{TestDatabase, TestPurser, within};

/// A headless Chromium with its driver; both end with it.
struct Browser {
    client: Client,
    _driver: Driver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`, and a line that says so, where there is no Chromium.
    async fn start(width: u32, language: &str) -> Option<Browser> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(driver) = driver else {
            eprintln!("SKIPPED: chromedriver cannot be started; `tests/run` installs it");
            return None;
        };
        let mut driver = Driver(driver);
        let mut lines = BufReader::new(driver.0.stdout.take().expect("its output")).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let port = line.split("on port ").nth(1)?.trim_end_matches('.');
            // Before it has one, it says 0.
            port.parse::<u16>().ok().filter(|port| *port != 0)
        });
        let port = port.expect("the driver names its port");
        // It would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().expect("a temporary folder");
        let options = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                format!("--window-size={width},800"), format!("--lang={language}"), format!("--accept-lang={language}"),
                format!("--user-data-dir={}", profile.path().display()),
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options.as_object().expect("an object").clone());
        let driver_address = format!("http://127.0.0.1:{port}");
        let client = within("a browser", builder.connect(&driver_address)).await.expect("a browser session");
        Some(Browser { client, _driver: driver, _profile: profile })
    }
}

/// The driver's process, which ends with it also if no session comes about.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_asks_on_the_plain_page() {
    let Some(browser) = Browser::start(360, "en").await else { return };
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let page = &browser.client;
    page.goto(&format!("http://{}/plain", purser.address)).await.expect("the page");
    let field = page.find(Locator::Id("text")).await.expect("a field");
    field.send_keys("do you deliver on saturdays?\u{E007}").await.expect("typing");
    let answer = within("the answer", page.wait().for_element(Locator::Css("#log .bot"))).await.expect("an answer");
    assert_eq!(answer.html(true).await.expect("its HTML"), "<p>Yes, <strong>on Saturdays</strong> too.</p>");

    // What a customer types is text, and the page has no scroll bar below it.
    field.send_keys("<img src=x onerror=alert(1)>\u{E007}").await.expect("typing");
    let second = within("the last line", page.wait().for_element(Locator::Css("#log .bot:nth-of-type(4)"))).await;
    second.expect("an answer");
    let said = page.find(Locator::Css("#log .you:nth-of-type(3)")).await.expect("the own line");
    assert_eq!(said.text().await.expect("its text"), "<img src=x onerror=alert(1)>");
    let wide = page.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new()).await;
    assert_eq!(wide.expect("a script"), false);

    // A reload goes on in the same conversation, and nothing was refused by the page's own policy.
    page.refresh().await.expect("a reload");
    let field = page.find(Locator::Id("text")).await.expect("a field");
    field.send_keys("how much does it cost?\u{E007}").await.expect("typing");
    let answer = within("the answer", page.wait().for_element(Locator::Css("#log .bot"))).await.expect("an answer");
    assert_eq!(answer.text().await.expect("its text"), "From £3.49.");
    let cookies = page.get_all_cookies().await.expect("cookies");
    assert!(cookies.iter().any(|cookie| cookie.name() == "purser_session" && cookie.http_only() == Some(true)));
    page.clone().close().await.expect("an end");
    purser.stop().await;
}
