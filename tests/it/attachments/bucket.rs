//! Files in a bucket: a server that speaks as much of S3 as is used, and takes nothing that is not signed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use purser::attachments::{AttachmentSpec, BucketSpec, PlaceSpec, Rules};
use ring::hmac;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::pictures::png;
use super::{attach, fetch, send};
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    files_are_in_a_bucket;
}

const ACCESS: &str = "AKTEST";
const SECRET: &str = "a/secret+of the test";
const REGION: &str = "eu-test-1";

/// What it holds, by path, and how often it refused.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, (String, Vec<u8>)>,
    refused: usize,
}

/// A bucket on this machine.
struct Stand {
    address: SocketAddr,
    held: Arc<Mutex<Held>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stand {
    async fn start() -> Stand {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let held: Arc<Mutex<Held>> = Arc::default();
        let shared = held.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Stand { address, held, task }
    }

    fn paths(&self) -> Vec<String> {
        self.held.lock().expect("held").objects.keys().cloned().collect()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, held: Arc<Mutex<Held>>) {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = read.split_off(end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (status, kind, sent) = {
        let mut held = held.lock().expect("held");
        match (signed(&method, &path, &headers, &body), &*method) {
            (false, _) => {
                held.refused += 1;
                (403, String::new(), Vec::new())
            }
            (true, "PUT") => {
                let kind = headers.get("content-type").cloned().unwrap_or_default();
                held.objects.insert(path, (kind, body));
                (200, String::new(), Vec::new())
            }
            (true, "GET") => match held.objects.get(&path) {
                Some((kind, body)) => (200, kind.clone(), body.clone()),
                None => (404, String::new(), Vec::new()),
            },
            (true, "DELETE") => {
                held.objects.remove(&path);
                (204, String::new(), Vec::new())
            }
            (true, _) => (405, String::new(), Vec::new()),
        }
    };
    let length = sent.len();
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(&[head.into_bytes(), sent].concat()).await;
}

/// Whether a request is signed, by what is published of Signature Version 4.
fn signed(method: &str, path: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> bool {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let header = |name: &str| headers.get(name).map_or("", String::as_str);
    let Some(given) = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ") else { return false };
    let parts: BTreeMap<&str, &str> = given.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let (Some(credential), Some(names), Some(signature)) =
        (parts.get("Credential"), parts.get("SignedHeaders"), parts.get("Signature"))
    else {
        return false;
    };
    let (at, hash) = (header("x-amz-date"), hex(&Sha256::digest(body)));
    let scope = format!("{}/{REGION}/s3/aws4_request", at.get(..8).unwrap_or_default());
    if *credential != format!("{ACCESS}/{scope}") || header("x-amz-content-sha256") != hash {
        return false;
    }
    // Whoever leaves one of these unsigned could be made to send something else.
    if !["host", "x-amz-content-sha256", "x-amz-date"].iter().all(|name| names.split(';').any(|signed| signed == *name))
    {
        return false;
    }
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{hash}");
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let sign =
        |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| sign(&key, part));
    hex(&sign(&key, &text)) == *signature
}

async fn purser(database: &TestDatabase, stand: &Stand, secret: &str) -> TestPurser {
    let spec = BucketSpec {
        url: format!("http://{}/box/chat", stand.address),
        region: REGION.to_owned(),
        access_key: ACCESS.to_owned(),
        secret_key: secret.to_owned(),
    };
    let attachments = AttachmentSpec { place: PlaceSpec::Bucket(spec), off: false, rules: Rules::default() };
    Setup::on(database).change(|config| config.attachments = attachments).start().await
}

async fn files_are_in_a_bucket(database: &TestDatabase) {
    let stand = Stand::start().await;
    let purser = purser(database, &stand, SECRET).await;
    let visitor = Visitor::new();
    let (status, sent) = send(&purser, &visitor, "f1", "a.png", png(20, 20)).await;
    assert_eq!(status, 201, "{sent}");
    let id = sent["id"].as_str().expect("an id").replace('-', "");
    assert_eq!(stand.paths(), [format!("/box/chat/{id}")]);
    assert_eq!(attach(&purser, &visitor, "m1", &[&sent["id"]]).await.0, 200);
    let (status, headers, file) = fetch(&purser, &visitor.token, &sent["id"]).await;
    assert_eq!(
        (status, &headers["content-type"], json!(file.len())),
        (200, &"image/png".parse().unwrap(), sent["bytes"].clone())
    );
    assert_eq!(purser.post_frame(&visitor, json!({ "type": "erase" })).await.0, 200);
    until("the object to go", || async { stand.paths().is_empty().then_some(()) }).await;
    assert_eq!(stand.held.lock().expect("held").refused, 0);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_refuses_costs_attachments_only() {
    let stand = Stand::start().await;
    let database = TestDatabase::sqlite();
    let purser = purser(&database, &stand, "another secret").await;
    let visitor = Visitor::new();
    let (status, answer) = send(&purser, &visitor, "f1", "a.png", png(20, 20)).await;
    assert_eq!((status, &answer["code"]), (503, &json!("away")));
    assert!(stand.paths().is_empty());
    assert_eq!(stand.held.lock().expect("held").refused, 1);
    let (status, _) = purser.post_say(&visitor, "m1", "saturday delivery").await;
    assert_eq!(status, 200);
    purser.stop().await;
}
