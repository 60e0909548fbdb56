//! Webhooks: signed, in order, under one id however often, and never into a private network that is not listed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use purser::clock::Clock;
use purser::config::{Config, Flags};
use purser::store::{Role, Tray};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{SECRET, spec};
use crate::agents::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    what_happens_is_told_in_order_under_one_id;
    who_wants_no_calls_any_more_gets_none;
}

#[derive(Debug, Clone)]
pub struct Call {
    headers: Vec<(String, String)>,
    pub body: String,
}

/// No status: the call is taken and never answered.
pub const NEVER: u16 = 0;

impl Call {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Takes calls, and answers them with these statuses in their order; the last one counts for all that follow.
pub struct Receiver {
    pub port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    pub async fn start(statuses: &'static [u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let heard = calls.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let heard = heard.clone();
                tokio::spawn(async move { serve(stream, &heard, statuses).await });
            }
        });
        Receiver { port, calls }
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no panic").clone()
    }

    pub async fn has(&self, count: usize) -> Vec<Call> {
        until("calls", async || Some(self.calls()).filter(|calls| calls.len() >= count)).await
    }

    fn yaml(&self, events: &str) -> String {
        format!(
            "webhooks:\n  crm:\n    post: http://127.0.0.1:{}/x?y=1\n    secret: ${{SECRET}}\n    events: [{events}]\n    \
             private: [127.0.0.1]\n",
            self.port
        )
    }
}

async fn serve(stream: TcpStream, heard: &Mutex<Vec<Call>>, statuses: &[u16]) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let headers: Vec<(String, String)> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length =
            headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        let number = {
            let mut heard = heard.lock().expect("no panic");
            heard.push(Call { headers, body: String::from_utf8(body).expect("UTF-8") });
            heard.len() - 1
        };
        let status = statuses[number.min(statuses.len() - 1)];
        if status == NEVER {
            std::future::pending::<()>().await;
        }
        let answer = format!("HTTP/1.1 {status} x\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Whether the example of the documentation takes this call.
fn example_takes(call: &Call, secret: &str, body: &str) -> bool {
    let docs = include_str!("../../../docs/webhooks.md");
    let code = docs.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the example");
    let headers: serde_json::Map<String, Value> =
        call.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let script = format!(
        "{code}\nimport json, sys\ncall = json.load(sys.stdin)\n\
         print(is_from_purser(call['secret'], call['headers'], call['body'].encode()))\n"
    );
    let mut python = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let told = json!({ "secret": secret, "headers": headers, "body": body }).to_string();
    python.stdin.take().expect("it is piped").write_all(told.as_bytes()).expect("it reads");
    let said = python.wait_with_output().expect("it ends");
    match String::from_utf8_lossy(&said.stdout).trim() {
        "True" => true,
        "False" => false,
        other => panic!("the example said {other:?}"),
    }
}

async fn nothing_waits(purser: &TestPurser) {
    until("an empty outbox", async || {
        purser.store.due_in(Tray::Hooks, i64::MAX, 9).await.expect("rows").is_empty().then_some(())
    })
    .await;
}

async fn what_happens_is_told_in_order_under_one_id(database: &TestDatabase) {
    // The first is tried three times, while the second one waits; a redirect is not followed.
    let receiver = Receiver::start(&[500, 307, 200]).await;
    let post = spec(&receiver.yaml("handed_over, closed, rated"));
    let purser = Setup::on(database).change(|config| config.post = post).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (_, answer) = customer.ask("m1", "saturday delivery").await;
    customer.ask("m2", "talk to a person").await;
    anna.take(&visitor).await;
    anna.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
    customer.send(json!({ "type": "rate", "seq": answer["seq"], "thumb": "up" })).await;
    receiver.has(5).await;
    nothing_waits(&purser).await;
    // At least once: what was taken may come again under its id, and is the same then.
    let mut calls = receiver.calls();
    calls.dedup_by(|again, call| call.json()["type"] != "conversation.handed_over" && again.body == call.body);
    assert_eq!(calls.len(), 5);
    let types: Vec<Value> = calls.iter().map(|call| call.json()["type"].clone()).collect();
    let handed = "conversation.handed_over";
    assert_eq!(types, [handed, handed, handed, "conversation.closed", "conversation.rated"]);
    let ids: Vec<&str> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3] && ids[3] != ids[4], "{ids:?}");
    assert!(calls.iter().all(|call| !call.body.contains("saturday")), "nothing that was said: {calls:?}");
    let told = calls[0].json();
    assert_eq!((&told["conversation"], &told["reason"]), (&json!(visitor.conversation), &json!("asked")));
    assert_eq!(calls[3].json()["agent"], "Anna");
    assert_eq!(calls[4].json()["rated"]["thumb"], "up");
    let last = &calls[4];
    assert!(example_takes(last, SECRET, &last.body));
    assert!(!example_takes(last, "another secret of thirty-two bytes!", &last.body));
    assert!(!example_takes(last, SECRET, &last.body.replace("up", "down")));
    let mut old = last.clone();
    for (name, value) in &mut old.headers {
        if name == "webhook-timestamp" {
            *value = "1700000000".to_owned();
        }
    }
    assert!(!example_takes(&old, SECRET, &last.body));
    purser.stop().await;
}

async fn who_wants_no_calls_any_more_gets_none(database: &TestDatabase) {
    let receiver = Receiver::start(&[410]).await;
    let post = spec(&receiver.yaml("handed_over"));
    let purser = Setup::on(database).change(|config| config.post = post).start().await;
    let _anna = Agent::new(&purser, "anna", Role::Agent).await;
    purser.visit(&Visitor::new(), 0).await.ask("m1", "talk to a person").await;
    receiver.has(1).await;
    nothing_waits(&purser).await;
    assert_eq!(receiver.calls().len(), 1);
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_into_a_private_network_is_refused() {
    let receiver = Receiver::start(&[200]).await;
    let yaml =
        receiver.yaml("handed_over").replace("127.0.0.1:", "localhost:").replace("private: [127.0.0.1]", "private: []");
    let post = spec(&yaml);
    let clock = Clock::set(1_770_199_200_000);
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).clock(&clock).change(|config| config.post = post).start().await;
    let _anna = Agent::new(&purser, "anna", Role::Agent).await;
    purser.visit(&Visitor::new(), 0).await.ask("m1", "talk to a person").await;
    until("a pause", async || {
        let due = purser.store.due_in(Tray::Hooks, i64::MAX, 9).await.expect("rows");
        due.first().filter(|due| due.due_at == due.made_at + 1_000).map(drop)
    })
    .await;
    assert!(receiver.calls().is_empty());
    purser.stop().await;
    // And an address is refused at the start.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purser.yaml");
    std::fs::write(&file, receiver.yaml("handed_over").replace("private: [127.0.0.1]", "")).expect("a file");
    let error = Config::load(Some(&file), [("SECRET".to_owned(), SECRET.to_owned())], &Flags::default());
    let told = error.expect_err("it is refused").to_string();
    assert!(told.contains("webhooks: crm: 127.0.0.1 belongs to a private network"), "{told}");
}
