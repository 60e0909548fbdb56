//! A tab of a customer: keeps what was typed until it is acknowledged, sends it again after a reconnect with the same
//! id, says the last seq that it saw, and shows what comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::checker::{Acked, Seen, Shown, View};
use super::schedule::Dice;
use super::trace::Trace;
use crate::harness::Visitor;

/// A connection of which nothing was heard for this long is given up. The widget waits longer; here time is short.
const SILENT: Duration = Duration::from_secs(4);
/// How long a connection may take to be made.
const CONNECTS: Duration = Duration::from_secs(3);

/// What all tabs have seen, and numbers.
#[derive(Default)]
pub struct Record {
    seen: Mutex<Seen>,
    pub figures: Mutex<Figures>,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub connections: u64,
    pub resent: u64,
    /// Pieces of answers that were read while they were written.
    pub parts: u64,
    /// Times that a customer was told that the message waits.
    pub told_to_wait: u64,
}

impl Record {
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic in here")
    }

    fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(&mut self.figures.lock().expect("no panic in here"));
    }
}

/// One tab.
pub struct Tab {
    pub visitor: usize,
    pub tab: usize,
    /// The place of its view in the record.
    pub view: usize,
    pub who: Visitor,
    /// The nodes' ports, as the balancer of a site would choose among them.
    pub doors: Vec<u16>,
    pub typed: mpsc::UnboundedReceiver<String>,
    pub record: Arc<Record>,
    pub trace: Arc<Trace>,
    pub dice: Dice,
    /// Begins anew when it comes back, as after a reload: what it shows then comes in pages.
    pub reloads: bool,
}

/// A message until it is acknowledged.
struct Waiting {
    client_id: String,
    text: String,
    sent: bool,
}

type Socket = WebSocketStream<TcpStream>;

enum Ended {
    /// The connection is lost, or of no use.
    Lost(&'static str),
    /// The server said when to come back.
    Bye(Duration),
    Stopped,
}

/// What a tab knows while it lives.
struct Talk<'a> {
    tab: &'a mut Tab,
    outbox: &'a mut VecDeque<Waiting>,
    socket: Socket,
    welcomed: bool,
    under_way: bool,
    /// Nothing is sent before, since the server said so.
    not_before: Instant,
}

impl Tab {
    /// Lives until `stop`.
    pub async fn live(mut self, stop: CancellationToken) {
        let mut outbox = VecDeque::new();
        let mut door = self.tab;
        loop {
            let ended = match self.connect(door).await {
                Some(socket) => {
                    self.record.count(|figures| figures.connections += 1);
                    let talk = Talk {
                        outbox: &mut outbox,
                        socket,
                        welcomed: false,
                        under_way: false,
                        not_before: Instant::now(),
                        tab: &mut self,
                    };
                    talk.run(&stop).await
                }
                None => Ended::Lost("no connection"),
            };
            let pause = match ended {
                Ended::Stopped => return,
                Ended::Lost(why) => {
                    self.note(why);
                    self.dice.millis(20, 400)
                }
                Ended::Bye(after) => {
                    self.note("told to come back");
                    after
                }
            };
            door += 1;
            let Some(()) = stop.run_until_cancelled(sleep(pause)).await else { return };
        }
    }

    async fn connect(&self, door: usize) -> Option<Socket> {
        let port = self.doors[door % self.doors.len()];
        let mut request = format!("ws://127.0.0.1:{port}/ws/chat/").into_client_request().expect("a request");
        request.headers_mut().insert("Sec-WebSocket-Protocol", "purser.v1".parse().expect("a header"));
        let connecting = async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            stream.set_nodelay(true).ok()?;
            tokio_tungstenite::client_async(request, stream).await.ok().map(|(socket, _)| socket)
        };
        timeout(CONNECTS, connecting).await.ok().flatten()
    }

    fn note(&self, what: &str) {
        self.trace.note(format!("visitor {} tab {}: {what}", self.visitor, self.tab));
    }

    fn last_shown(&self) -> u64 {
        self.record.seen().views[self.view].shown.iter().map(|shown| shown.seq).max().unwrap_or(0)
    }
}

impl Talk<'_> {
    async fn run(mut self, stop: &CancellationToken) -> Ended {
        if let Err(ended) = self.hello().await {
            return ended;
        }
        let mut heard = Instant::now();
        let mut beat = tokio::time::interval(Duration::from_millis(250));
        let mut beats = 0_u32;
        loop {
            let step = tokio::select! {
                () = stop.cancelled() => return Ended::Stopped,
                text = self.tab.typed.recv() => match text {
                    Some(text) => {
                        let client_id = Uuid::now_v7().simple().to_string();
                        self.outbox.push_back(Waiting { client_id, text, sent: false });
                        self.send_next().await
                    }
                    None => return Ended::Stopped,
                },
                frame = self.socket.next() => {
                    heard = Instant::now();
                    match frame {
                        Some(Ok(Message::Text(text))) => self.take(&text).await,
                        Some(Ok(Message::Close(_))) | None => return Ended::Lost("closed"),
                        Some(Err(_)) => return Ended::Lost("broken"),
                        Some(Ok(_)) => Ok(()),
                    }
                }
                _ = beat.tick() => {
                    beats += 1;
                    if heard.elapsed() > SILENT {
                        return Ended::Lost("nothing heard");
                    }
                    if beats.is_multiple_of(4) {
                        self.send(json!({ "type": "ping" })).await
                    } else if self.welcomed {
                        self.send_next().await
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn hello(&mut self) -> Result<(), Ended> {
        let Visitor { token, conversation } = self.tab.who.clone();
        // A draft begins anew.
        self.tab.record.seen().views[self.tab.view].draft = None;
        if self.tab.reloads {
            self.tab.record.seen().views[self.tab.view].shown.clear();
        }
        let seq = self.tab.last_shown();
        self.send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": seq })).await
    }

    /// Sends the first message that waits, unless one is under way. One at a time keeps them in order.
    async fn send_next(&mut self) -> Result<(), Ended> {
        if !self.welcomed || self.under_way || Instant::now() < self.not_before {
            return Ok(());
        }
        let Some(first) = self.outbox.front_mut() else { return Ok(()) };
        if first.sent {
            self.tab.record.count(|figures| figures.resent += 1);
        }
        first.sent = true;
        let frame = json!({ "type": "say", "client_id": first.client_id, "text": first.text });
        self.under_way = true;
        self.send(frame).await
    }

    async fn take(&mut self, frame: &str) -> Result<(), Ended> {
        let frame: Value = serde_json::from_str(frame).expect("a frame of JSON");
        match frame["type"].as_str().expect("a type") {
            "welcome" => {
                self.welcomed = true;
                self.send_next().await
            }
            "event" => {
                self.show(&frame);
                Ok(())
            }
            "history" => self.show_page(&frame).await,
            "part" => {
                self.read(&frame);
                Ok(())
            }
            "ack" => {
                self.under_way = false;
                let is_first = self.outbox.front().is_some_and(|first| frame["client_id"] == first.client_id);
                if is_first && let Some(first) = self.outbox.pop_front() {
                    let (visitor, seq) = (self.tab.visitor, frame["seq"].as_u64().expect("a seq"));
                    self.tab.note(&format!("acknowledged {:?} as {seq}", first.text));
                    self.tab.record.seen().acked.push(Acked { visitor, text: first.text, seq });
                }
                self.send_next().await
            }
            "error" => {
                let after = frame["retry_after"].as_u64().unwrap_or_else(|| panic!("no way on: {frame}"));
                self.tab.record.count(|figures| figures.told_to_wait += 1);
                self.tab.note(&format!("{} {}", frame["code"], frame["client_id"]));
                self.under_way = false;
                // Time is short here.
                self.not_before = Instant::now() + Duration::from_millis(after.min(300));
                if self.welcomed {
                    return Ok(());
                }
                tokio::time::sleep_until(self.not_before).await;
                self.hello().await
            }
            "bye" => {
                let after = frame["back_in"].as_u64().unwrap_or(0);
                Err(Ended::Bye(Duration::from_millis(after)))
            }
            _ => Ok(()),
        }
    }

    fn show(&mut self, frame: &Value) {
        let shown = shown(frame);
        self.tab.record.seen().views[self.tab.view].show(shown);
    }

    /// What there is of an answer that is being written.
    fn read(&mut self, part: &Value) {
        let view = &mut self.tab.record.seen().views[self.tab.view];
        if part["withdrawn"] == true {
            view.draft = None;
            return;
        }
        let question = part["question"].as_u64().expect("a seq");
        let offset = part["offset"].as_u64().expect("an offset") as usize;
        view.read(question, offset, part["text"].as_str().expect("a text"));
        self.tab.record.count(|figures| figures.parts += 1);
    }

    /// A page of history comes before everything that is shown, and is gone back from until there is no more.
    async fn show_page(&mut self, frame: &Value) -> Result<(), Ended> {
        let page: Vec<Shown> = frame["events"].as_array().expect("events").iter().map(shown).collect();
        let first = page.iter().map(|shown| shown.seq).min();
        self.tab.record.seen().views[self.tab.view].shown.splice(0..0, page);
        match first {
            Some(first) if frame["more"] == true => self.send(json!({ "type": "older", "before": first })).await,
            _ => Ok(()),
        }
    }

    async fn send(&mut self, frame: Value) -> Result<(), Ended> {
        match timeout(SILENT, self.socket.send(Message::text(frame.to_string()))).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended::Lost("cannot send")),
        }
    }
}

fn shown(frame: &Value) -> Shown {
    Shown {
        seq: frame["seq"].as_u64().expect("a seq"),
        id: frame["id"].as_str().expect("an id").to_owned(),
        author: frame["author"].as_str().expect("an author").to_owned(),
        text: frame["text"].as_str().unwrap_or_default().to_owned(),
        question: frame["question"].as_u64(),
    }
}

/// A view in the record for a tab.
pub fn view(record: &Record, visitor: usize, tab: usize) -> usize {
    let views = &mut record.seen().views;
    views.push(View { visitor, tab, ..View::default() });
    views.len() - 1
}
