//! People who answer: hand-over, one owner, accounts, the console's requests and what becomes due.

mod blocks;
pub mod browser;
mod console;
mod doors;
mod due;
pub mod hostile;
mod nodes;
mod owner;
mod race;
mod reviews;
mod search;
mod signed_in;
mod teams;

use std::collections::VecDeque;
use std::net::SocketAddr;

use purser::accounts;
use purser::clock::Clock;
use purser::conversation::{AgentId, ConversationId, Event};
use purser::store::{AccountChange, Role};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{TestPurser, Visitor, http_client, within};
use crate::log;

pub const PASSWORD: &str = "a long password";

/// An agent with an account, logged in.
pub struct Agent {
    pub id: AgentId,
    pub name: String,
    pub address: SocketAddr,
    pub cookie: String,
}

impl Agent {
    /// Makes the account and logs in.
    pub async fn new(purser: &TestPurser, login: &str, role: Role) -> Agent {
        let name = format!("{}{}", login[..1].to_uppercase(), &login[1..]);
        let account = accounts::account(login, &name, role, PASSWORD).expect("an account");
        let id = account.id;
        let added = purser.store.change_account(AccountChange::Add(account, Clock::System.now())).await;
        assert_eq!(added, Ok(true));
        purser.desk.look_for_staff().await;
        let (status, cookie) = log_in(purser.address, login, PASSWORD).await;
        assert_eq!(status, 204);
        Agent { id, name, address: purser.address, cookie: cookie.expect("a cookie") }
    }

    /// The same agent, logged in anew.
    pub async fn again(&self) -> Agent {
        let (status, cookie) = log_in(self.address, &self.name.to_lowercase(), PASSWORD).await;
        assert_eq!(status, 204);
        Agent { id: self.id, name: self.name.clone(), address: self.address, cookie: cookie.expect("a cookie") }
    }

    /// The same agent at another node.
    pub fn at(&self, purser: &TestPurser) -> Agent {
        Agent { id: self.id, name: self.name.clone(), address: purser.address, cookie: self.cookie.clone() }
    }

    /// Does something, with the status and what came back.
    pub async fn act(&self, what: Value) -> (u16, Value) {
        if let Some(text) = what["text"].as_str() {
            log::said(text);
        }
        let request = http_client()
            .post(format!("http://{}/agent/act", self.address))
            .header("Cookie", &self.cookie)
            .header("X-Purser-Console", "1")
            .body(what.to_string());
        let response = within("an answer", request.send()).await.expect("an answer");
        let status = response.status().as_u16();
        let body = within("a body", response.bytes()).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Does something that must succeed.
    pub async fn does(&self, what: Value) {
        let (status, answer) = self.act(what.clone()).await;
        assert_eq!(status, 200, "{what}: {answer}");
    }

    pub async fn take(&self, visitor: &Visitor) {
        self.does(json!({ "do": "take", "conversation": visitor.conversation })).await;
    }

    pub async fn reply(&self, visitor: &Visitor, text: &str) {
        let id = Uuid::new_v4();
        self.does(json!({ "do": "reply", "conversation": visitor.conversation, "id": id, "text": text })).await;
    }

    /// A GET of the console, with its status and JSON.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        let request = http_client().get(format!("http://{}/agent/{path}", self.address)).header("Cookie", &self.cookie);
        let response = within("an answer", request.send()).await.expect("an answer");
        let status = response.status().as_u16();
        let body = within("a body", response.bytes()).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The rows of a list.
    pub async fn list(&self, path: &str) -> Value {
        let (status, mut found) = self.get(path).await;
        assert_eq!(status, 200, "{found}");
        found["rows"].take()
    }

    /// The console's stream, with this conversation open.
    pub async fn live(&self, visitor: Option<&Visitor>) -> Live {
        let query = visitor.map(|visitor| format!("?conversation={}", visitor.conversation)).unwrap_or_default();
        let url = format!("http://{}/agent/live{query}", self.address);
        let request = http_client().get(url).header("Cookie", &self.cookie);
        let response = within("a stream", request.send()).await.expect("a stream");
        assert_eq!(response.status(), 200);
        Live { response, text: String::new(), board: Value::Null, waiting: VecDeque::new() }
    }
}

/// Logs in: the status, and the cookie if one was set.
pub async fn log_in(address: SocketAddr, login: &str, password: &str) -> (u16, Option<String>) {
    let body = json!({ "login": login, "password": password }).to_string();
    let request =
        http_client().post(format!("http://{address}/agent/login")).header("X-Purser-Console", "1").body(body);
    let response = within("an answer", request.send()).await.expect("an answer");
    let cookie = response.headers().get("set-cookie").and_then(|cookie| cookie.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
    (response.status().as_u16(), cookie)
}

/// A console's stream.
pub struct Live {
    response: reqwest::Response,
    text: String,
    /// The lists, with all changes of them.
    board: Value,
    waiting: VecDeque<(String, Value)>,
}

impl Live {
    /// The next of this name that is the one; others wait.
    pub async fn hear(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(|(known, data)| known == name && is_it(data)) {
            return self.waiting.remove(at).expect("it is there").1;
        }
        loop {
            let (known, data) = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if known == name && is_it(&data) {
                return data;
            }
            self.waiting.push_back((known, data));
        }
    }

    /// Reads on until the stream ends.
    pub async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }

    /// A change of the lists as the lists that it makes, as a console shows them.
    fn with_lists(&mut self, name: String, data: Value) -> (String, Value) {
        match &*name {
            "board" => self.board = data.clone(),
            "change" => {
                let set = data["set"].as_array().expect("rows");
                let gone = data["gone"].as_array().expect("ids");
                let stale = |row: &Value| gone.contains(&row["id"]) || set.iter().any(|new| new["id"] == row["id"]);
                for (list, taken) in [("waiting", false), ("taken", true)] {
                    let rows = self.board[list].as_array_mut().expect("the lists came before");
                    rows.retain(|row| !stale(row));
                    rows.extend(set.iter().filter(|row| (row["status"] == "agent") == taken).cloned());
                    rows.sort_by_key(|row| row["since"].as_i64());
                }
                if !data["agents"].is_null() {
                    self.board["agents"] = data["agents"].clone();
                }
                return ("board".to_owned(), self.board.clone());
            }
            _ => {}
        }
        (name, data)
    }

    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let (Some(name), Some(data)) = (field("event:"), field("data:")) else { continue };
                let (name, data) = (name.to_owned(), serde_json::from_str(data).expect("JSON"));
                return Some(self.with_lists(name, data));
            }
            let chunk = within("the stream", self.response.chunk()).await.expect("an open stream")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("they are sent whole"));
        }
    }
}

pub async fn events(purser: &TestPurser, visitor: &Visitor) -> Vec<std::sync::Arc<Event>> {
    purser.store.events_after(ConversationId(visitor.conversation), 0, 1_000).await.expect("a log")
}
