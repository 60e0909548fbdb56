//! A customer sends a picture in a real browser, and an agent sees it and sends one back.

use purser::store::Role;
use serde_json::{Value, json};

use super::pictures::{jpeg, png};
use super::{in_folder, send};
use crate::agents::browser::{log_in, picture};
use crate::agents::{Agent, events, hostile};
use crate::browser::{Browser, DESKTOP, Device, PHONE, Shop, axe, no_finding, visitor};

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

/// What a customer pastes or drops, as the browser tells it.
async fn give(browser: &Browser, event: &str, target: &str, files: &[(&str, &str, Vec<u8>)]) {
    let files = serde_json::to_string(files).expect("JSON");
    let script = format!(
        "const given = new DataTransfer(); \
         for (const [name, type, bytes] of {files}) given.items.add(new File([new Uint8Array(bytes)], name, {{ type }})); \
         const how = {{ bubbles: true, cancelable: true, composed: true, clipboardData: given, dataTransfer: given }}; \
         $('{target}').dispatchEvent('{event}' === 'paste' ? new ClipboardEvent('paste', how) : new DragEvent('{event}', how))"
    );
    browser.js(&script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pasted_and_dropped_goes_with_a_word() {
    let Some(browser) = Browser::start(Device { language: "de", dark: true, ..DESKTOP }).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let shop = Shop::open_with(|config| in_folder(config, folder.path())).await;
    browser.goto(&shop.url).await;
    browser.js("document.documentElement.lang = 'de'; purser.set({})").await;
    browser.open().await;
    // Before anything was said: one is pasted, two are dragged over the window and dropped, one is taken out again.
    give(&browser, "paste", "textarea", &[("karton.jpg", "image/jpeg", jpeg(640, 480))]).await;
    browser
        .when("it ready to be sent", "$$('.tray img').length === 1 && $('textarea').placeholder.includes('dazu')")
        .await;
    let two = [("innen.png", "image/png", png(300, 500)), ("rechnung.pdf", "application/pdf", b"%PDF-1.7 x".to_vec())];
    give(&browser, "dragover", ".log", &two).await;
    browser.when("where they fall", "$('.window').matches('.dropping')").await;
    picture(&browser, "attachment-drop-de.png").await;
    give(&browser, "drop", ".log", &two).await;
    browser.when("all three", "$$('.tray > div').length === 3 && !$('.window').matches('.dropping')").await;
    give(&browser, "drop", ".log", &[("tabelle.xlsx", "application/zip", b"PK".to_vec())]).await;
    browser.when("why not", "$('.over[role=alert]').innerText.startsWith('tabelle.xlsx: Nur Bilder')").await;
    browser.js("$('textarea').focus()").await;
    browser.type_text("Mein Paket ist so angekommen").await;
    picture(&browser, "attachment-ready-de.png").await;
    if let Some(axe) = axe() {
        no_finding(&browser, &axe, "files that are ready").await;
    }
    browser.click(".tray > div:nth-child(2) button").await;
    browser.when("two", "$$('.tray > div').length === 2 && root.activeElement.matches('textarea')").await;
    browser.press("Enter").await;
    // One message, which was answered by its words.
    let said = "$('.row.visitor .words')?.innerText === 'Mein Paket ist so angekommen'";
    browser.when("the message", &format!("$$('.row.visitor').length === 1 && {said}")).await;
    browser.when("an answer", "$('.row.bot:not([hidden]):last-child .bubble:not(.dots)')?.innerText").await;
    assert_eq!(browser.js("return [!!$('.tray'), $('textarea').value]").await, json!([false, ""]));
    assert_eq!(browser.js("return $('.over[role=alert]').innerText").await, "");
    let visitor = visitor(&browser).await;
    let log = events(&shop.purser, &visitor).await;
    let names: Vec<&str> = log[0].meta.attachments.iter().map(|attachment| &*attachment.name).collect();
    assert_eq!((&*log[0].body, names), ("Mein Paket ist so angekommen", vec!["karton.jpg", "rechnung.pdf"]));
    // After a reload it stands there as it did.
    browser.reload().await;
    let loaded = "[...$$('.row.visitor .pic img')].filter((e) => e.complete && e.naturalWidth).length === 1";
    browser.when("the picture", &format!("{loaded} && {said} && $('.row.visitor .file')")).await;
    picture(&browser, "attachment-sent-de.png").await;
    // From right to left, with one more that is ready.
    browser.js("document.documentElement.lang = 'ar'; purser.set({})").await;
    give(&browser, "paste", "textarea", &[("karton.jpg", "image/jpeg", jpeg(640, 480))]).await;
    browser.when("it ready to be sent", "$$('.tray img').length === 1").await;
    picture(&browser, "attachment-rtl.png").await;
    browser.end().await;
    shop.close().await;
}
