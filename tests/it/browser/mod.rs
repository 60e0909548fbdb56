//! What customers see, in a real Chromium.
//!
//! Keys and clicks are real ones, sent over the DevTools protocol; what is waited for is waited for in the page. At
//! the end of each test the browser's console must be empty: a refusal by a policy counts like any other error.

mod drafts;
mod embedding;
mod looks;
mod network;
mod own;
mod plain;
mod sign_in;
mod widget;

pub use looks::{axe, no_finding};
pub use widget::visitor;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fantoccini::wd::{WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use purser::config::Config;
use purser::responders::Responder;

use crate::harness::{Setup, TestDatabase, TestPurser, within};

/// More of them at once only get in each other's way.
static BROWSERS: Semaphore = Semaphore::const_new(PLACES as usize);
const PLACES: u32 = 2;

/// How a customer's browser is.
#[derive(Debug, Clone, Copy)]
pub struct Device {
    pub width: u32,
    pub height: u32,
    pub language: &'static str,
    pub dark: bool,
    /// A phone: touch, and no mouse.
    pub phone: bool,
}

pub const DESKTOP: Device = Device { width: 1200, height: 800, language: "en", dark: false, phone: false };
pub const PHONE: Device = Device { width: 360, height: 740, language: "en", dark: false, phone: true };

/// A headless Chromium with its driver; both end with it.
pub struct Browser {
    client: Client,
    _driver: Driver,
    _profile: tempfile::TempDir,
    /// Nothing for one that another's holds.
    _place: Option<SemaphorePermit<'static>>,
}

const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Stands before every script: the inside of the chat, and its parts by selector.
const PRELUDE: &str = "const chat = document.querySelector('purser-chat'), root = chat ? chat.shadowRoot : document; \
                       const $ = (s) => root?.querySelector(s), $$ = (s) => [...(root?.querySelectorAll(s) || [])]; \
                       const rows = () => $$('.row:not([hidden]) .bubble').map((b) => b.innerText); ";

impl Driver {
    /// A driver and its port. The port that it is given may be taken at the other of its two addresses; then it ends, and
    /// another one is tried.
    fn start() -> Option<(Driver, u16)> {
        for _ in 0..5 {
            let mut command = Command::new("chromedriver");
            let driver = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
            let mut driver = Driver(driver);
            let mut lines = BufReader::new(driver.0.stdout.take().expect("its output")).lines();
            let port = lines.find_map(|line| {
                let line = line.ok()?;
                let port = line.split("on port ").nth(1)?.trim_end_matches('.');
                // Before it has one, it says 0.
                port.parse::<u16>().ok().filter(|port| *port != 0)
            });
            if let Some(port) = port {
                // It would stop at a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Some((driver, port));
            }
        }
        panic!("no driver names its port");
    }
}

impl Browser {
    /// `None`, and a line that says so, where there is no Chromium.
    pub async fn start(device: Device) -> Option<Browser> {
        let place = BROWSERS.acquire().await.expect("never closed");
        Browser::start_at(device, &[], Some(place)).await
    }

    /// Several at once, while no others run: whoever waited for a second one with the first in hand could wait for
    /// ever. With these arguments besides the usual ones.
    pub async fn start_together<const N: usize>(devices: [Device; N], arguments: &[String]) -> Option<[Browser; N]> {
        let mut place = Some(BROWSERS.acquire_many(PLACES).await.expect("never closed"));
        let mut browsers = Vec::with_capacity(N);
        for device in devices {
            browsers.push(Browser::start_at(device, arguments, place.take()).await?);
        }
        browsers.try_into().ok()
    }

    async fn start_at(
        device: Device,
        arguments: &[String],
        place: Option<SemaphorePermit<'static>>,
    ) -> Option<Browser> {
        let Some((driver, port)) = Driver::start() else {
            eprintln!("SKIPPED: chromedriver cannot be started; `tests/run` installs it");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary folder");
        let Device { width, height, language, dark, phone } = device;
        let mut all = vec![
            format!("--window-size={width},{height}"),
            format!("--lang={language}"),
            format!("--accept-lang={language}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        all.extend(ARGUMENTS.map(str::to_owned));
        all.extend_from_slice(arguments);
        let options = json!({
            "goog:chromeOptions": { "args": all },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options.as_object().expect("an object").clone());
        let driver_address = format!("http://127.0.0.1:{port}");
        let client = within("a browser", builder.connect(&driver_address)).await.expect("a browser session");
        let browser = Browser { client, _driver: driver, _profile: profile, _place: place };
        if phone {
            let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 2, "mobile": true });
            browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
            browser.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": true })).await;
        }
        browser.prefers("prefers-color-scheme", if dark { "dark" } else { "light" }).await;
        Some(browser)
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub async fn goto(&self, url: &str) {
        within("a page", self.client.goto(url)).await.expect("a page");
    }

    pub async fn reload(&self) {
        within("a reload", self.client.refresh()).await.expect("a reload");
    }

    /// Opens a page in a new tab, and goes there.
    pub async fn tab(&self, url: &str) -> WindowHandle {
        let tab = self.client.new_window(true).await.expect("a tab").handle;
        self.switch(&tab).await;
        self.goto(url).await;
        tab
    }

    pub async fn this_tab(&self) -> WindowHandle {
        self.client.window().await.expect("a tab")
    }

    pub async fn switch(&self, tab: &WindowHandle) {
        self.client.switch_to_window(tab.clone()).await.expect("a tab");
    }

    /// A setting of the customer's system, such as `prefers-reduced-motion`.
    pub async fn prefers(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = Post { path: "goog/cdp/execute", body: json!({ "cmd": command, "params": parameters }) };
        within("DevTools", self.client.issue_cmd(command)).await.expect("DevTools")
    }

    /// What a script returns, `null` for nothing. Over DevTools, so that no page can get between.
    pub async fn js(&self, script: &str) -> Value {
        self.evaluate(format!("(async () => {{ {PRELUDE} {script} }})()")).await
    }

    /// What an expression is when it becomes true.
    pub async fn when(&self, what: &str, expression: &str) -> Value {
        let found = self
            .evaluate(format!(
                "(async () => {{ for (const end = Date.now() + 45000; Date.now() < end; ) {{ \
                 try {{ {PRELUDE} const found = {expression}; if (found) return found; }} catch {{}} \
                 await new Promise((done) => setTimeout(done, 10)); }} }})()"
            ))
            .await;
        if found.is_null() {
            let shown = self.js("return root?.querySelector('section').innerText ?? document.body.innerText").await;
            let focus =
                self.js("return (root?.activeElement ?? document.activeElement)?.outerHTML?.slice(0, 200)").await;
            let trouble = self.js("return $$('.trouble').map((e) => e.textContent)").await;
            let console = self.console().await;
            panic!(
                "waited in vain for {what}: {expression}\nthe page shows: {shown}\nthe focus is on {focus}, \
                 trouble: {trouble}\nthe console: {console:?}"
            );
        }
        found
    }

    /// [`Browser::when`] for what may take up to this long.
    pub async fn when_after(&self, limit: Duration, what: &str, expression: &str) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            let script = format!(
                "for (const end = Date.now() + 2000; Date.now() < end; ) {{ \
                 if ({expression}) return true; await new Promise((done) => setTimeout(done, 10)); }}"
            );
            if self.js(&script).await == true {
                return;
            }
        }
        panic!("waited {limit:?} for {what}");
    }

    async fn evaluate(&self, expression: String) -> Value {
        let command = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.devtools("Runtime.evaluate", command).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer:#}");
        answer["result"]["value"].take()
    }

    /// Moves the mouse to the middle of what this finds in the chat and clicks.
    pub async fn click(&self, selector: &str) {
        let visible = format!("$$({selector:?}).find((e) => e.checkVisibility())");
        self.when(selector, &visible.replace("checkVisibility()", "checkVisibility() && !e.disabled")).await;
        let place = self
            .js(&format!(
                "const e = {visible}; e.scrollIntoView({{ block: 'nearest', behavior: 'instant' }}); \
                 const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"
            ))
            .await;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let button = if kind == "mouseMoved" { "none" } else { "left" };
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": button, "clickCount": 1 });
            self.devtools("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Types a text where the focus is.
    pub async fn type_text(&self, text: &str) {
        self.devtools("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key that stands for itself.
    pub async fn key(&self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key });
            if kind == "keyDown" {
                event["text"] = key.into();
            }
            self.devtools("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Presses a key: `Enter`, `Escape`, `Tab`, also with `Shift+`.
    pub async fn press(&self, key: &str) {
        let (modifiers, key) = match key.strip_prefix("Shift+") {
            Some(key) => (8, key),
            None => (0, key),
        };
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            " " => (32, " "),
            "ArrowDown" => (40, ""),
            other => panic!("{other} has no code here"),
        };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": if key == " " { "Space" } else { key },
                                    "windowsVirtualKeyCode": code, "modifiers": modifiers });
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            self.devtools("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Opens the chat and waits until it is greeted or has its history.
    pub async fn open(&self) {
        self.click(".launcher").await;
        self.when("an open chat", "!$('.window').hidden && $('.window').dataset.state === 'online'").await;
    }

    /// Types a message and sends it.
    pub async fn say(&self, text: &str) {
        self.js("$('textarea').focus()").await;
        self.type_text(text).await;
        self.press("Enter").await;
    }

    /// Waits until the last thing that was said is this.
    pub async fn hear(&self, text: &str) {
        self.when(&format!("{text:?} as the last message"), &format!("rows().at(-1)?.includes({text:?})")).await;
    }

    /// What the console has that was not asked for before: warnings and errors, its own and of policies.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let bad = entries.into_iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// What the DevTools protocol reported since the last time.
    pub async fn reports(&self) -> Vec<Value> {
        let entries = self.log("performance").await;
        let messages = entries.iter().filter_map(|entry| entry["message"].as_str());
        messages.map(|message| serde_json::from_str::<Value>(message).expect("JSON")["message"].clone()).collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.client.issue_cmd(Post { path: "se/log", body: json!({ "type": kind }) }).await;
        entries.expect("a log").as_array().cloned().unwrap_or_default()
    }

    /// Forgets what the console has, all of which must contain one of these.
    pub async fn expect_console(&self, expected: &[&str]) {
        let console = self.console().await;
        assert!(console.iter().all(|line| expected.iter().any(|part| line.contains(part))), "{console:#?}");
    }

    /// Ends it. Fails if anything went wrong in the page without showing.
    pub async fn end(self) {
        let console = self.console().await;
        assert!(console.is_empty(), "the console says {console:#?}");
        self.client.clone().close().await.expect("an end");
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

/// A command of chromedriver's own.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(
        &self,
        base_url: &reqwest::Url,
        session: Option<&str>,
    ) -> Result<reqwest::Url, <reqwest::Url as std::str::FromStr>::Err> {
        base_url.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &reqwest::Url) -> (reqwest::Method, Option<String>) {
        (reqwest::Method::POST, Some(self.body.to_string()))
    }
}

/// Answers that need room: a table, a long text with a long word, links.
const MORE_ANSWERS: &str = r#"
language: en
entries:
  - id: sizes
    phrases: [which sizes are there, show me the size table]
    answer: |
      Our sizes:

      | Size | Price | Days | Good for |
      |---|---|---|---|
      | Small | £3.49 | 2 | a book, a charger |
      | Medium | £5.99 | 2 | shoes, a winter coat |
      | Large | £9.99 | 3 | a lamp, a suitcase |
  - id: terms
    phrases: [tell me all your terms, terms and conditions]
    answer: |
      ### Terms

      1. First, **bold** and *slanted* and `code`.
      2. Then Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft.

      > A quote.

      See [our terms](https://halyard.example/terms) or https://halyard.example/a/very/long/address/that/does/not/end/soon/and/goes/on/and/on.

      ```
      PX 1234 5678 9GB    a line of code that is too long for a narrow window
      ```
"#;

/// A purser with the small FAQ of the tests and a few answers that need room.
pub struct Shop {
    pub purser: TestPurser,
    /// The page.
    pub url: String,
    /// Where a site may listen whose pages may chat.
    pub site_port: u16,
    database: TestDatabase,
}

impl Shop {
    pub async fn open() -> Shop {
        Shop::open_with(|_| ()).await
    }

    /// With another configuration.
    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Shop {
        Shop::open_first(None, change).await
    }

    /// With a responder that is asked before the FAQ, and another configuration.
    pub async fn open_first(first: Option<Arc<dyn Responder>>, change: impl FnOnce(&mut Config)) -> Shop {
        // Each must know where the other is before it starts.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let site_port = listener.local_addr().expect("bound").port();
        drop(listener);
        let database = TestDatabase::sqlite();
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        crate::harness::copy(Path::new("tests/faq"), &folder.path().join("faq"));
        std::fs::write(folder.path().join("faq/more.yaml"), MORE_ANSWERS).expect("a file");
        Shop::start(database, folder, site_port, first, change).await
    }

    async fn start(
        database: TestDatabase,
        folder: Arc<tempfile::TempDir>,
        site_port: u16,
        first: Option<Arc<dyn Responder>>,
        change: impl FnOnce(&mut Config),
    ) -> Shop {
        let origin = format!("http://localhost:{site_port}");
        let setup = Setup::on(&database).change(|config| config.origins = vec![origin]).change(change);
        let purser = first.into_iter().fold(setup, Setup::first).start_in(folder).await;
        let url = format!("http://{}/", purser.address);
        Shop { purser, url, site_port, database }
    }

    pub async fn close(self) {
        self.purser.stop().await;
    }

    /// Stops purser and starts it again on what it left, on another port.
    pub async fn restart(self) -> Shop {
        let folder = self.purser.folder.clone();
        self.purser.stop().await;
        Shop::start(self.database, folder, self.site_port, None, |_| ()).await
    }
}
