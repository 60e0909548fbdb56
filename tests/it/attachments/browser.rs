//! A customer sends a picture in a real browser, and an agent sees it and sends one back.

use purser::store::Role;
use serde_json::{Value, json};

use super::pictures::jpeg;
use super::{in_folder, send};
use crate::agents::browser::{log_in, picture};
use crate::agents::{Agent, hostile};
use crate::browser::{Browser, DESKTOP, PHONE, Shop, visitor};

/// Gives files to an input, as somebody who chooses them.
async fn choose(browser: &Browser, input: &str, files: &[(&str, &str, Vec<u8>)]) {
    let files: Vec<Value> = files.iter().map(|(name, kind, bytes)| json!([name, kind, bytes])).collect();
    let files = serde_json::to_string(&files).expect("JSON");
    let script = format!(
        "const given = new DataTransfer(); \
         for (const [name, type, bytes] of {files}) given.items.add(new File([new Uint8Array(bytes)], name, {{ type }})); \
         const input = $('{input}'); input.files = given.files; input.dispatchEvent(new Event('change'))"
    );
    browser.js(&script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_sends_a_picture_and_an_agent_sees_it() {
    let Some([customer, anna]) = Browser::start_together([PHONE, DESKTOP], &[]).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let shop = Shop::open_with(|config| in_folder(config, folder.path())).await;
    let agent = Agent::new(&shop.purser, "anna", Role::Agent).await;
    let traps = "window.hit = []; for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = () => hit.push(name)";
    for browser in [&customer, &anna] {
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": traps })).await;
    }
    log_in(&anna, &shop, "anna").await;

    customer.goto(&shop.url).await;
    customer.open().await;
    // It is the first thing that is said here. No dialog is opened: nobody could answer it.
    customer.devtools("Page.setInterceptFileChooserDialog", json!({ "enabled": true })).await;
    customer.click("form button[aria-label='Send pictures or PDFs']").await;
    let file = "form input[type=file]";
    customer.when("what files are chosen with", &format!("$('{file}')")).await;
    choose(&customer, file, &[("parcel.jpg", "image/jpeg", jpeg(640, 480))]).await;
    customer.when("it ready to be sent", "$$('.tray img').length === 1 && !$('.send').disabled").await;
    picture(&customer, "attachment-ready-phone.png").await;
    customer.click(".send").await;
    customer.when("its answer", "$('.row.bot:last-child')?.innerText.includes(\"can't look at files\")").await;
    let loaded = "[...$$('.row.visitor .pic img')].filter((e) => e.complete && e.naturalWidth).length";
    customer.when("the picture", &format!("{loaded} === 1")).await;
    // One that cannot be taken says why.
    choose(&customer, file, &[("a.svg", "image/svg+xml", b"<svg/>".to_vec())]).await;
    customer.when("why not", "$('.over[role=alert]')?.innerText.includes('Only pictures')").await;
    customer.when("nothing of it", "!$('.tray')").await;

    // After a reload it comes from the server, opens large, and closes with the keyboard.
    customer.reload().await;
    customer.open().await;
    customer.when("the picture", &format!("{loaded} === 1")).await;
    customer.click(".row.visitor .pic").await;
    customer.when("it in large", "$('.over-all img')?.naturalWidth === 640").await;
    customer.press("Escape").await;
    customer.when("the chat again", "!$('.over-all') && root.activeElement.matches('.pic')").await;
    picture(&customer, "attachment-phone.png").await;

    // Names that want to be more than names, of which nothing runs anywhere.
    let visitor = visitor(&customer).await;
    let fits =
        |name: &&String| name.len() < 60 && !name.contains(['/', '\\', '.', '\u{202e}', '\u{feff}', '\n', '\t', '\0']);
    let names: Vec<String> = hostile::texts().iter().filter(fits).step_by(12).take(8).cloned().collect();
    assert_eq!(names.len(), 8);
    let mut socket = shop.purser.visit(&visitor, 0).await;
    for (number, name) in names.iter().enumerate() {
        let id = format!("h{number}");
        let (status, sent) = send(&shop.purser, &visitor, &id, name, format!("%PDF-{number}").into_bytes()).await;
        assert_eq!((status, &sent["name"]), (201, &json!(format!("{name}.pdf"))));
        socket.send(json!({ "type": "say", "client_id": id, "text": "", "attachments": [sent["id"]] })).await;
        socket.hear("ack").await;
    }
    customer.when("all of them", &format!("$$('.row.visitor .file bdi').length === {}", names.len())).await;
    let shown = customer.js("return [...$$('.row.visitor .file bdi')].map((e) => e.textContent)").await;
    let ended: Vec<String> = names.iter().map(|name| format!("{name}.pdf")).collect();
    assert_eq!(shown, json!(ended));

    // The agent sees all of it, and sends a label back.
    agent.take(&visitor).await;
    anna.goto(&format!("{}agent#{}", shop.url, visitor.conversation)).await;
    anna.reload().await;
    anna.when("the place of the picture", "$('.msg.visitor .files img')").await;
    anna.js("$('.msg.visitor .files img').scrollIntoView()").await;
    anna.when("the picture", "$('.msg.visitor .files img')?.naturalWidth === 640").await;
    let shown = anna.js("return [...$$('.msg.visitor .file bdi')].map((e) => e.textContent)").await;
    assert_eq!(shown, json!(ended));
    anna.when("the button", "$('.attach') && !$('.attach').disabled").await;
    choose(&anna, ".modes input[type=file]", &[("label.jpg", "image/jpeg", jpeg(200, 100))]).await;
    anna.when("it in the chat", "$('.msg.agent .files img')?.naturalWidth === 200").await;
    customer.when("it at the customer's", "$('.row.agent .pic img')?.naturalWidth === 200").await;
    picture(&anna, "attachment-console.png").await;
    for browser in [&customer, &anna] {
        assert_eq!(browser.js("return hit").await, json!([]));
    }
    for browser in [customer, anna] {
        browser.end().await;
    }
    shop.close().await;
}
