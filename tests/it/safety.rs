//! What must be refused wherever it comes in. The lists are purser's own descriptions of itself: what is added there is
//! tried here.

use purser::conversation::ConversationId;
use purser::store::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::agents::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor, get, within};
use crate::identity::{keys, token_until};
use crate::on_both_engines;

on_both_engines! {
    no_frame_reaches_into_anothers_conversation;
}

async fn described(purser: &TestPurser, path: &str) -> Value {
    let (status, body) = get(purser.address, path, &[]).await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).expect("JSON")
}

/// A frame of each kind that a client may send, as one would that means `conversation`.
async fn frames(purser: &TestPurser, conversation: &Value) -> Vec<Value> {
    let schema = described(purser, "/api/protocol.json").await;
    let kinds = schema["client"]["oneOf"].as_array().expect("frames").clone();
    let kinds = kinds.iter().map(|frame| frame["properties"]["type"]["const"].as_str().expect("a type").to_owned());
    let frame = |kind: &String| match &**kind {
        "say" => json!({ "type": kind, "client_id": "e1", "text": "let me in", "conversation": conversation }),
        "older" => json!({ "type": kind, "before": 100 }),
        "seen" => json!({ "type": kind, "seq": 2 }),
        "rate" => json!({ "type": kind, "seq": 2, "thumb": "up" }),
        "review" => json!({ "type": kind, "stars": 1 }),
        "forget" => json!({ "type": kind, "name": "size" }),
        "erase" => json!({ "type": kind, "everything": true }),
        "read" => json!({ "type": kind, "conversation": conversation }),
        "typing" | "known" | "conversations" => json!({ "type": kind }),
        // Says who is there, and is tried by itself; says nothing.
        "hello" | "ping" => Value::Null,
        other => panic!("try `{other}` here, too"),
    };
    let kinds: Vec<String> = kinds.collect();
    let mut frames: Vec<Value> = kinds.iter().map(frame).filter(|frame| !frame.is_null()).collect();
    frames.push(json!({ "type": "erase", "conversation": conversation }));
    frames
}

async fn no_frame_reaches_into_anothers_conversation(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.identity = Some(keys())).start().await;
    let now = purser.desk.now() / 1000;
    let token = |account: &str| json!(token_until(account, now + 300, json!({})));
    let (ann, eve) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let hello = |visitor: &Visitor, identity: &Value| json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "identity": identity });
    // Of a customer who is signed in, and of one who is not.
    let guest = Visitor::new();
    let mut guests = purser.visit(&guest, 0).await;
    guests.ask("g1", "how much does it cost?").await;
    let mut anns = purser.typed().await;
    anns.send(hello(&Visitor::new(), &token(&ann))).await;
    let anns_own: Uuid = serde_json::from_value(anns.hear("welcome").await["conversation"].clone()).expect("an id");
    anns.ask("a1", "how much does it cost?").await;

    for conversation in [guest.conversation, anns_own] {
        for identity in [Value::Null, token(&eve)] {
            let thief = Visitor { conversation, ..Visitor::new() };
            // From where she is at home, she means the other one.
            let home = Visitor::new();
            let mut socket: Typed = purser.typed().await;
            socket.send(hello(&home, &identity)).await;
            socket.hear("welcome").await;
            for frame in frames(&purser, &json!(conversation)).await {
                let body = json!({
                    "token": thief.token, "conversation": conversation, "identity": identity, "frame": frame,
                });
                let (status, reply) = purser.post("frames", &[], body.to_string()).await;
                assert_eq!((status, &reply["frames"][0]["code"]), (403, &json!("not_yours")), "{frame}");
                assert_eq!(reply["frames"].as_array().map(Vec::len), Some(1), "{frame}: {reply}");
                socket.send(frame).await;
            }
            socket.send(json!({ "type": "ping" })).await;
            let heard = socket.hear_where("the end of it", |frame| {
                assert_ne!(frame["conversation"], json!(conversation), "{frame}");
                frame["type"] == "pong"
            });
            heard.await;
            // As her own first one it is refused, or she is led to her own.
            let mut socket = purser.typed().await;
            socket.send(hello(&thief, &identity)).await;
            let is_answer = |frame: &Value| frame["type"] == "welcome" || frame["type"] == "error";
            let heard = socket.hear_where("an answer", is_answer).await;
            assert_ne!(heard["conversation"], json!(conversation), "{heard}");
            assert!(heard["code"] == "not_yours" || heard["type"] == "welcome", "{heard}");
        }
        let log = purser.store.events_after(ConversationId(conversation), 0, 10).await.expect("a log");
        assert_eq!(log.len(), 2, "nothing was said, rated, deleted: {log:?}");
    }
    drop((guests, anns));
    purser.stop().await;
}

/// No address of purser sends a browser elsewhere, whatever stands behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leads_to_another_site() {
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let client = client.expect("a client");
    let mut paths: Vec<String> = described(&purser, "/api/openapi.json").await["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .filter(|path| !path.contains('{') && !path.starts_with("/ws/"))
        .cloned()
        .collect();
    assert!(paths.len() >= 10, "{paths:?}");
    let more =
        ["/", "/plain", "/agent", "/agent/login", "/agent/logout", "/agent/act", "/agent/list", "/static/widget.js"];
    paths.extend(more.map(str::to_owned));
    let evil =
        ["https://evil.example/", "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)"];
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut tried: Vec<String> = Vec::new();
    for to in evil {
        let to = encoded(to);
        for path in &paths {
            tried.push(format!("{path}?next={to}&url={to}&return_to={to}&redirect={to}&continue={to}"));
        }
        tried.push(format!("/{to}"));
        tried.push(format!("/agent/{to}"));
    }
    tried.extend(["//evil.example/%2e%2e", "/%2f%2fevil.example", "/agent//evil.example/"].map(str::to_owned));
    for path in tried {
        for method in ["GET", "POST"] {
            let request = client
                .request(method.parse().expect("a method"), format!("http://{}{path}", purser.address))
                .header("Host", format!("{}", purser.address))
                .header("X-Forwarded-Host", "evil.example")
                .header("X-Purser-Console", "1")
                .header("Cookie", if path.starts_with("/agent/logout") { "" } else { &anna.cookie });
            let response = within("an answer", request.body("{}").send()).await.expect("an answer");
            assert!(!response.status().is_redirection(), "{method} {path}: {}", response.status());
            for header in ["location", "refresh", "content-location"] {
                assert!(!response.headers().contains_key(header), "{method} {path}: {header}");
            }
        }
    }
    purser.stop().await;
}
