//! Pictures and documents that go with messages: what is taken, whose it is, what becomes of it.

mod browser;
mod bucket;
mod hostile;
mod memory;
pub mod pictures;

use std::path::{Path, PathBuf};

use purser::attachments::{AttachmentSpec, PlaceSpec, Rules};
use purser::clock::Clock;
use purser::config::Config;
use purser::conversation::ConversationId;
use purser::store::Role;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::agents::{Agent, events};
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, http_client, until, within};
use crate::{log, on_both_engines};
use pictures::{jpeg, png};

on_both_engines! {
    a_picture_goes_with_a_message_and_comes_back;
    it_goes_with_its_conversation;
    it_stays_with_the_customer_who_signs_in;
}

/// Keeps files in this folder.
pub fn in_folder(config: &mut Config, folder: &Path) {
    config.attachments =
        AttachmentSpec { place: PlaceSpec::Folder(folder.to_owned()), off: false, rules: Rules::default() };
}

/// A purser that keeps files in a folder, and the folder.
pub async fn start(database: &TestDatabase) -> (TestPurser, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let purser = Setup::on(database).change(|config| in_folder(config, &folder)).start().await;
    (purser, folder)
}

/// How many files there are.
pub fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Sends a file as this visitor, with the status and what came back.
pub async fn send(purser: &TestPurser, visitor: &Visitor, id: &str, name: &str, file: Vec<u8>) -> (u16, Value) {
    log::said(name);
    let request = purser.request("POST", &format!("attachments?client_id={id}&name={}", encoded(name)));
    let request = request.bearer_auth(&visitor.token).body(file);
    let response = within("an answer", request.send()).await.expect("an answer");
    let status = response.status().as_u16();
    let body = within("a body", response.bytes()).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A text as it stands in a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Says something with this attached, and nothing else; gives the frames that answer it.
pub async fn attach(purser: &TestPurser, visitor: &Visitor, client_id: &str, ids: &[&Value]) -> (u16, Vec<Value>) {
    purser.post_frame(visitor, json!({ "type": "say", "client_id": client_id, "attachments": ids })).await
}

/// Fetches an attachment as whoever has this token.
pub async fn fetch(purser: &TestPurser, token: &str, id: &Value) -> (u16, HeaderMap, Vec<u8>) {
    let path = format!("attachments/{}", id.as_str().expect("an id"));
    let response =
        within("an answer", purser.request("GET", &path).bearer_auth(token).send()).await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, within("a body", response.bytes()).await.expect("a body").to_vec())
}

#[tokio::test]
async fn whoever_sends_slowly_keeps_nobody_else_out() {
    let (purser, _folder) = start(&TestDatabase::sqlite()).await;
    // Three begin at one address, and send nothing.
    let mut slow = Vec::new();
    for number in 0..3 {
        let mut stream = TcpStream::connect(purser.address).await.expect("a connection");
        let head = format!(
            "POST /api/chat/attachments?client_id=s{number} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             X-Forwarded-For: 198.51.100.1\r\nContent-Length: 5000000\r\n\r\n%PDF-",
            purser.address,
            Visitor::new().token
        );
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        slow.push(stream);
    }
    let from = async |address: &str| {
        let request = purser.request("POST", &format!("attachments?client_id={}", Uuid::new_v4().simple()));
        let request = request.bearer_auth(Visitor::new().token).header("X-Forwarded-For", address).body(jpeg(30, 20));
        within("an answer", request.send()).await.expect("an answer").status().as_u16()
    };
    until("a fourth to be too many", async || (from("198.51.100.1").await == 503).then_some(())).await;
    assert_eq!(from("198.51.100.2").await, 201, "others are let in");
    drop(slow);
    until("the places to be free", async || (from("198.51.100.1").await == 201).then_some(())).await;
    purser.stop().await;
}

#[tokio::test]
async fn files_are_counted_by_address_whoever_sends_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = TestDatabase::sqlite();
    let setup = Setup::on(&database).change(|config| {
        in_folder(config, folder.path());
        (config.limits.off, config.limits.attachments_per_hour) = (false, 2);
    });
    let purser = setup.start().await;
    for (address, expected) in
        [("198.51.100.1", 201), ("198.51.100.1", 201), ("198.51.100.1", 429), ("198.51.100.2", 201)]
    {
        let request = purser.request("POST", "attachments?client_id=f1").bearer_auth(Visitor::new().token);
        let request = request.header("X-Forwarded-For", address).body(jpeg(30, 20));
        let response = within("an answer", request.send()).await.expect("an answer");
        assert_eq!(response.status().as_u16(), expected, "{address}");
    }
    purser.stop().await;
}

async fn a_picture_goes_with_a_message_and_comes_back(database: &TestDatabase) {
    let (purser, folder) = start(database).await;
    let visitor = Visitor::new();
    let mut socket = purser.typed().await;
    let welcome = socket.hello(&visitor, 0).await;
    assert_eq!(welcome["attachments"], json!(10 * 1024 * 1024));
    let (status, sent) = send(&purser, &visitor, "f1", "../my parcel.PNG", jpeg(300, 200)).await;
    assert_eq!(status, 201, "{sent}");
    assert_eq!((&sent["name"], &sent["type"]), (&json!("my parcel.jpg"), &json!("image/jpeg")));
    assert_eq!((&sent["width"], &sent["height"]), (&json!(300), &json!(200)));
    // Sent once more, as after a lost answer, it is the same one.
    let (_, again) = send(&purser, &visitor, "f1", "../my parcel.PNG", jpeg(300, 200)).await;
    assert_eq!(again, sent);
    assert_eq!(files(&folder), 1);
    // Before a message names it, it is nobody's to read.
    assert_eq!(fetch(&purser, &visitor.token, &sent["id"]).await.0, 404);

    let say = json!({ "type": "say", "client_id": "m1", "text": "", "attachments": [sent["id"]] });
    socket.send(say.clone()).await;
    let ack = socket.hear("ack").await;
    let event = socket.hear_where("the message", |frame| frame["client_id"] == "m1" && frame["type"] == "event").await;
    assert_eq!((&event["attachments"], &event["seq"]), (&json!([sent]), &ack["seq"]));
    let answer = socket.hear_where("the answer", |frame| frame["author"] == "bot").await;
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("can't look at files")), "{answer}");
    assert_eq!(answer["buttons"][0]["choice"], "person");
    // Said once more, the same acknowledgement comes, on another socket too.
    let mut other = purser.visit(&visitor, 0).await;
    other.send(say).await;
    assert_eq!(other.hear("ack").await, ack);
    let history = other.hear("history").await;
    assert_eq!(history["events"][0]["attachments"], json!([sent]));
    // Sent again after it was said, nothing changes.
    assert_eq!(send(&purser, &visitor, "f1", "x", jpeg(300, 200)).await, (201, sent.clone()));

    let (status, headers, file) = fetch(&purser, &visitor.token, &sent["id"]).await;
    assert_eq!(status, 200);
    assert_eq!(headers["content-type"], "image/jpeg");
    assert_eq!(headers["content-disposition"], "inline; filename=\"my parcel.jpg\"; filename*=UTF-8''my%20parcel.jpg");
    assert_eq!(headers["content-security-policy"], "default-src 'none'; sandbox");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    assert!(headers["cache-control"].to_str().is_ok_and(|value| value.starts_with("private")));
    assert_eq!(json!(file.len()), sent["bytes"]);
    // A stranger learns not even that it is there, and can name it nowhere.
    let stranger = Visitor::new();
    assert_eq!(fetch(&purser, &stranger.token, &sent["id"]).await.0, 404);
    let (status, frames) = attach(&purser, &stranger, "m1", &[&sent["id"]]).await;
    assert_eq!((status, &frames[0]["code"]), (404, &json!("no_attachment")), "{frames:?}");
    let (status, frames) = attach(&purser, &stranger, "m2", &[&json!(Uuid::new_v4())]).await;
    assert_eq!((status, &frames[0]["code"]), (404, &json!("no_attachment")));

    // With a word, the word is answered.
    let (_, pdf) = send(&purser, &visitor, "f2", "invoice.html", b"%PDF-1.7 made for this test".to_vec()).await;
    assert_eq!((&pdf["name"], &pdf["type"]), (&json!("invoice.pdf"), &json!("application/pdf")));
    let text = "saturday delivery";
    socket.send(json!({ "type": "say", "client_id": "m2", "text": text, "attachments": [pdf["id"]] })).await;
    let ack = socket.hear("ack").await;
    let answer = socket.hear_where("the answer", |frame| frame["question"] == ack["seq"]).await;
    assert!(answer["html"].as_str().is_some_and(|html| html.contains("Saturdays")), "{answer}");
    let (_, headers, file) = fetch(&purser, &visitor.token, &pdf["id"]).await;
    assert_eq!(file, b"%PDF-1.7 made for this test");
    assert!(headers["content-disposition"].to_str().is_ok_and(|value| value.starts_with("attachment; ")));

    // An agent sees it, and sends one back.
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    anna.take(&visitor).await;
    let path = format!("http://{}/agent/attachments", purser.address);
    let file = |id: &Value| http_client().get(format!("{path}/{}", id.as_str().expect("an id")));
    let seen = within("a file", file(&sent["id"]).header("Cookie", &anna.cookie).send()).await.expect("a file");
    assert_eq!(
        (seen.status().as_u16(), &seen.headers()["cache-control"]),
        (200, &"no-store".parse().expect("a value"))
    );
    let nobody = within("an answer", file(&sent["id"]).send()).await.expect("an answer");
    assert_eq!(nobody.status(), 401);
    let upload = http_client().post(format!("{path}?client_id=a1&name=label.png")).body(png(40, 30));
    let upload = upload.header("Cookie", &anna.cookie);
    // From another site's page nothing is taken.
    let foreign = within("an answer", upload.try_clone().expect("a copy").send()).await.expect("an answer");
    assert_eq!(foreign.status(), 403);
    let upload = within("an answer", upload.header("X-Purser-Console", "1").send()).await.expect("an answer");
    let label: Value = serde_json::from_slice(&upload.bytes().await.expect("a body")).expect("JSON");
    let reply = json!({ "do": "reply", "conversation": visitor.conversation, "id": Uuid::new_v4(), "text": "", "attachments": [label["id"]] });
    anna.does(reply).await;
    let event = socket.hear_where("the reply", |frame| frame["author"] == "agent" && frame["kind"] == "message").await;
    assert_eq!((&event["attachments"], &event["name"]), (&json!([label]), &json!("Anna")));
    assert_eq!(fetch(&purser, &visitor.token, &label["id"]).await.0, 200);
    // The export names files, and has nothing of them.
    let (_, exported) = anna.get(&format!("export?conversation={}", visitor.conversation)).await;
    assert_eq!(exported["events"][0]["attachments"], json!(["my parcel.jpg"]));
    purser.stop().await;
}

async fn it_goes_with_its_conversation(database: &TestDatabase) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::set(1_772_442_000_000);
    let purser = Setup::on(database).clock(&clock).change(|config| in_folder(config, folder.path())).start().await;
    let (visitor, other) = (Visitor::new(), Visitor::new());
    let (_, said) = send(&purser, &visitor, "f1", "a.png", png(20, 20)).await;
    let (_, kept) = send(&purser, &other, "f1", "a.png", png(20, 20)).await;
    let (_, unsaid) = send(&purser, &visitor, "f2", "b.png", png(30, 30)).await;
    assert_eq!(attach(&purser, &visitor, "m1", &[&said["id"]]).await.0, 200);
    assert_eq!(attach(&purser, &other, "m1", &[&kept["id"]]).await.0, 200);
    assert_eq!(files(folder.path()), 3);
    // What was said goes when that is deleted, and at once for everybody's eyes.
    let (status, _) = purser.post_frame(&visitor, json!({ "type": "erase" })).await;
    assert_eq!(status, 200);
    assert_eq!(fetch(&purser, &visitor.token, &said["id"]).await.0, 404);
    until("the file to go", || async { (files(folder.path()) == 2).then_some(()) }).await;
    // What nobody named goes after some hours.
    if let Clock::Set(now) = &clock {
        now.fetch_add(7 * 60 * 60 * 1_000, std::sync::atomic::Ordering::SeqCst);
    }
    until("the file to go", || async { (files(folder.path()) == 1).then_some(()) }).await;
    let (status, frames) = attach(&purser, &visitor, "m2", &[&unsaid["id"]]).await;
    assert_eq!((status, &frames[0]["code"]), (404, &json!("no_attachment")));
    assert_eq!(fetch(&purser, &other.token, &kept["id"]).await.0, 200);
    // With the last trace of a conversation goes what was attached to it.
    let id = ConversationId(other.conversation);
    let last = events(&purser, &other).await.last().expect("an event").seq;
    assert_eq!(purser.store.remove(id, last).await, Ok(true));
    until("the file to go", || async { (files(folder.path()) == 0).then_some(()) }).await;
    purser.stop().await;
}

async fn it_stays_with_the_customer_who_signs_in(database: &TestDatabase) {
    let (purser, folder) = start(database).await;
    let (guest, account) = (Visitor::new(), Visitor::new());
    let (_, sent) = send(&purser, &guest, "f1", "a.png", png(20, 20)).await;
    assert_eq!(attach(&purser, &guest, "m1", &[&sent["id"]]).await.0, 200);
    // The desk does at a sign-in what it is told of; who is told is another test's matter.
    let visitor = |of: &Visitor| purser::conversation::VisitorId::of_token(&of.token);
    purser.desk.sign_in(visitor(&guest), visitor(&account)).await.expect("it is joined");
    assert_eq!(fetch(&purser, &guest.token, &sent["id"]).await.0, 404);
    assert_eq!(fetch(&purser, &account.token, &sent["id"]).await.0, 200);
    assert_eq!(files(&folder), 1);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_can_be_attached_that_is_said() {
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.attachments.place = PlaceSpec::Nowhere).start().await;
    let visitor = Visitor::new();
    let mut socket = purser.typed().await;
    assert!(socket.hello(&visitor, 0).await.get("attachments").is_none());
    assert_eq!(send(&purser, &visitor, "f1", "a.png", png(20, 20)).await.0, 404);
    purser.stop().await;
}

/// Whoever switches attachments off has still those that came before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_it_was_switched_off_is_shown_and_deleted() {
    let (database, folder) = (TestDatabase::sqlite(), tempfile::tempdir().expect("a folder"));
    let visitor = Visitor::new();
    let purser = Setup::on(&database).change(|config| in_folder(config, folder.path())).start().await;
    let (_, sent) = send(&purser, &visitor, "f1", "a.png", png(20, 20)).await;
    assert_eq!(attach(&purser, &visitor, "m1", &[&sent["id"]]).await.0, 200);
    purser.stop().await;

    let setup = Setup::on(&database).change(|config| {
        in_folder(config, folder.path());
        config.attachments.off = true;
    });
    let purser = setup.start().await;
    let mut socket = purser.typed().await;
    assert!(socket.hello(&visitor, 0).await.get("attachments").is_none());
    assert_eq!(send(&purser, &visitor, "f2", "b.png", png(20, 20)).await.0, 404);
    assert_eq!(fetch(&purser, &visitor.token, &sent["id"]).await.0, 200);
    socket.send(json!({ "type": "erase" })).await;
    until("the file to go", || async { (files(folder.path()) == 0).then_some(()) }).await;
    purser.stop().await;
}
