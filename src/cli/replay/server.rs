//! Plays recordings against a running server, as a customer's window would.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use reqwest::{StatusCode, Upgraded, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Played;
use crate::conversation::{Author, Button, ClientId, ConversationId, Kind, Millis, Seq};
use crate::finding::Finding;
use crate::hex::hex;
use crate::outbound;
use crate::recording::foreign::read_any;
use crate::recording::{Action, Failure, Recording, Replayed, Step, Turned};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the socket of a server is: `http://host:port`, `https://…`, or the whole address.
pub fn address(url: &str) -> anyhow::Result<Url> {
    let url = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(_) => url.to_owned(),
        None => format!("http://{url}"),
    };
    let mut url =
        Url::parse(&url).with_context(|| format!("`{url}` is no address; write such as http://127.0.0.1:8080"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "`{url}` is no address of a web server");
    if url.path() == "/" {
        url.set_path("/ws/chat/");
    }
    Ok(url)
}

/// Plays the recordings of a file. A server that cannot be reached is a finding.
pub fn play_file(runtime: &Runtime, url: &Url, path: &Path) -> Played {
    let (mut notes, mut is_own) = (Vec::new(), false);
    let outcome = read_any(path).and_then(|carried| {
        let recordings = carried.recordings;
        (notes, is_own) = (carried.notes, carried.is_own);
        runtime.block_on(async {
            let mut all = Vec::new();
            for recording in recordings {
                let replayed = play(url, &recording).await.map_err(|error| {
                    let message = format!("it could not be played against {url}: {error:#}");
                    Box::new(Finding::error(path.display().to_string(), message))
                })?;
                all.push((recording, replayed));
            }
            Ok(all)
        })
    });
    Played { path: path.to_owned(), outcome, notes, is_own }
}

async fn play(url: &Url, recording: &Recording) -> anyhow::Result<Replayed> {
    let start = &recording.start;
    ensure!(
        start.focus.is_none()
            && start.buttons.is_empty()
            && start.spoken.is_none()
            && start.messages.iter().all(|earlier| earlier.author == Author::Bot),
        "it starts in the middle of a conversation, which no customer can"
    );
    let mut window = Window::open(url, start.language.as_deref()).await?;
    let mut turns = Vec::new();
    for step in &recording.conversation {
        let (text, choice) = match &step.action {
            Action::Errand { outcome, .. } => {
                // It is what the server's own action makes of it.
                let seen = window.told().await?;
                turns.push(checked(step, format!("errand {}", outcome.word()), &seen));
                window.buttons = seen.buttons;
                continue;
            }
            Action::Say { attachments, .. } if !attachments.is_empty() => {
                bail!("line {}: something is attached, of which a recording has only the name", step.line)
            }
            Action::Say { text, .. } => (text.clone(), None),
            Action::Press(text) => match window.buttons.iter().find(|button| button.text == *text) {
                Some(button) => (button.text.clone(), button.choice.clone()),
                None => {
                    let there: Vec<_> = window.buttons.iter().map(|button| button.text.as_str()).collect();
                    let failure = Failure {
                        what: "press",
                        expected: text.clone(),
                        got: if there.is_empty() { "none".to_owned() } else { there.join(" | ") },
                        why: None,
                    };
                    turns.push(Turned {
                        line: step.line,
                        said: text.clone(),
                        turn: None,
                        answered: None,
                        told: None,
                        failures: vec![failure],
                    });
                    break;
                }
            },
            // The server's clock goes on as it does, and its agents are people.
            Action::Wait(_) => continue,
            Action::Joined(_) | Action::Agent { .. } | Action::Left(_) => {
                bail!("line {}: a person takes part, whom a replay cannot be on a server", step.line)
            }
        };
        let seen = window.say(&text, choice.as_deref()).await?;
        turns.push(checked(step, text, &seen));
        window.buttons = seen.buttons;
    }
    Ok(Replayed { events: Vec::new(), turns })
}

fn checked(step: &Step, said: String, seen: &Seen) -> Turned {
    let failures = step.answer.as_ref().map(|expected| {
        let buttons: Vec<&str> = seen.buttons.iter().map(|button| button.text.as_str()).collect();
        expected.check_seen(&seen.text, &buttons, seen.language.as_deref())
    });
    Turned { line: step.line, said, turn: None, answered: None, told: None, failures: failures.unwrap_or_default() }
}

/// An open window of a customer.
struct Window {
    socket: WebSocketStream<Upgraded>,
    buttons: Vec<Button>,
    /// What came and was not waited for.
    early: Vec<Seen>,
}

/// What a client reads of the frames that matter here.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Frame {
    Ack {
        client_id: String,
        seq: Seq,
    },
    Event(Seen),
    Error {
        text: String,
        #[serde(default)]
        retry_after: Option<u32>,
    },
    #[serde(other)]
    Other,
}

/// An event as a customer sees it.
#[derive(Debug, Deserialize)]
struct Seen {
    #[serde(default)]
    text: String,
    /// A word that this version does not know is none that matters here.
    kind: Value,
    author: Value,
    #[serde(default)]
    buttons: Vec<Button>,
    #[serde(default)]
    question: Option<Seq>,
    #[serde(default)]
    language: Option<String>,
}

impl Seen {
    /// Whether it is a message, and not the customer's own.
    fn is_message(&self) -> bool {
        self.kind == json!(Kind::Message) && self.author != json!(Author::Visitor)
    }
}

impl Window {
    async fn open(url: &Url, language: Option<&str>) -> anyhow::Result<Window> {
        outbound::install_tls();
        let client = reqwest::Client::builder().http1_only().connect_timeout(PATIENCE).build()?;
        let request = client
            .get(url.clone())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            // It keeps caches from answering, and is no secret.
            .header("Sec-WebSocket-Key", "cHVyc2VyLXJlcGxheS0wMQ==")
            .header("Sec-WebSocket-Protocol", "purser.v1");
        let response = request.send().await.context("it cannot be reached")?;
        let status = response.status();
        ensure!(status == StatusCode::SWITCHING_PROTOCOLS, "it opens no WebSocket: {status}");
        let socket = WebSocketStream::from_raw_socket(response.upgrade().await?, Role::Client, None).await;
        let mut window = Window { socket, buttons: Vec::new(), early: Vec::new() };
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).context("no randomness for a token")?;
        let token = hex(&bits);
        let hello =
            json!({ "type": "hello", "token": token, "conversation": ConversationId::new(), "language": language });
        window.send(&hello).await?;
        Ok(window)
    }

    async fn send(&mut self, frame: &Value) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    /// Says something, and waits for the answer to it.
    async fn say(&mut self, text: &str, choice: Option<&str>) -> anyhow::Result<Seen> {
        loop {
            let client_id: String = ClientId::new().into();
            let frame = json!({ "type": "say", "client_id": client_id, "text": text, "choice": choice });
            self.send(&frame).await?;
            let answer = tokio::time::timeout(PATIENCE, self.answer(&client_id)).await;
            match answer.with_context(|| format!("no answer in {PATIENCE:?}"))?? {
                Ok(seen) => return Ok(seen),
                // It has its limits.
                Err(millis) => tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(0))).await,
            }
        }
    }

    /// The answer, or when to say it again, in milliseconds from now.
    async fn answer(&mut self, own: &str) -> anyhow::Result<Result<Seen, Millis>> {
        let mut asked = None;
        loop {
            match self.hear().await? {
                Frame::Ack { client_id, seq } if client_id == own => asked = Some(seq),
                Frame::Event(seen) => self.early.push(seen),
                Frame::Error { retry_after: Some(millis), .. } => return Ok(Err(millis.into())),
                Frame::Error { text, .. } => bail!("the server says: {text}"),
                Frame::Ack { .. } | Frame::Other => {}
            }
            if asked.is_some()
                && let Some(at) = self.early.iter().position(|seen| seen.is_message() && seen.question == asked)
            {
                return Ok(Ok(self.early.swap_remove(at)));
            }
        }
    }

    /// What the customer is told without having asked.
    async fn told(&mut self) -> anyhow::Result<Seen> {
        let told = async {
            loop {
                if let Some(at) = self.early.iter().position(|seen| seen.is_message() && seen.question.is_none()) {
                    return Ok(self.early.remove(at));
                }
                if let Frame::Event(seen) = self.hear().await? {
                    self.early.push(seen);
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.with_context(|| format!("the errand has no outcome after {PATIENCE:?}"))?
    }

    async fn hear(&mut self) -> anyhow::Result<Frame> {
        loop {
            let message = self.socket.next().await.context("the server closed the connection")??;
            if let Message::Text(text) = message {
                return Ok(serde_json::from_str(&text).unwrap_or(Frame::Other));
            }
        }
    }
}
