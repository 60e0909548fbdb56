//! `GET /agent/live`: what an agent sees, as it happens, in server-sent events.
//!
//! `me` tells who is logged in, `board` the lists, and then `change` what is otherwise in them. With `?conversation=` the
//! conversation comes too: `opened` with its last events, or only what is new after `?after=`, then `event` for each
//! further one, `signed_in` when a person is called, `typing` and `looking`, and `part` while an answer is being written.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use salvo::http::HeaderName;
use salvo::http::HeaderValue;
use salvo::http::header::CONTENT_TYPE;
use salvo::prelude::*;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, interval_at, timeout};

use super::board::Version;
use super::door::agent;
use super::frames::{Me, Opened, Shown, SignedIn};
use super::look::id;
use crate::accounts::Token;
use crate::conversation::{AgentId, Author, ConversationId, Event, Kind, Seq};
use crate::fanout::{Signal, Subscription, What};
use crate::store::{Account, StoreError};
use crate::web::draft::Reading;
use crate::web::protocol::Form;
use crate::web::{Door, door};

/// So often it is looked whether the session still is one, and said that the console is open.
const ROUND: Duration = Duration::from_secs(10);
/// A console that takes nothing for this long is given up.
const TAKES_AT_MOST: Duration = Duration::from_secs(10);
/// How many events an opened conversation starts with.
pub const PAGE: u32 = 100;
/// How many are read at once of those that were missed.
const FILL: u32 = 200;

/// The console is gone, or must come back.
struct Gone;

impl From<StoreError> for Gone {
    fn from(error: StoreError) -> Gone {
        tracing::warn!(%error, "a console cannot be served, it comes back");
        Gone
    }
}

#[handler]
pub async fn live(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let door = door(depot)?;
    let account = agent(depot)?;
    let conversation = req.query::<String>("conversation").and_then(|text| id(&text));
    let after = req.query::<Seq>("after").unwrap_or(0);
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        // nginx would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        res.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let (sender, mut sent) = mpsc::channel(4);
    res.stream(stream::poll_fn(move |context| sent.poll_recv(context).map(|event| event.map(Ok::<_, Infallible>))));
    let token = super::door::token(req).ok_or_else(StatusError::unauthorized)?;
    door.sockets.clone().spawn(async move {
        let console =
            Console { door, account, token, sender, sent: after, board: 0, others: HashSet::new(), reading: None };
        let _ = console.run(conversation, after).await;
    });
    Ok(())
}

/// A console's stream.
struct Console {
    door: Arc<Door>,
    account: Account,
    token: Token,
    sender: mpsc::Sender<String>,
    /// The last seq of the open conversation that went out.
    sent: Seq,
    /// The version of the lists that went out.
    board: u64,
    /// The other agents who look at it.
    others: HashSet<AgentId>,
    /// The answer that is being written in it.
    reading: Option<Reading>,
}

impl Console {
    async fn run(mut self, conversation: Option<ConversationId>, after: Seq) -> Result<(), Gone> {
        let mut board = self.door.board.watch();
        // What is there already is news to this console.
        board.mark_changed();
        self.door.accounts.here(self.account.id).await?;
        self.send("me", &Me::of(&self.account, self.attaches())).await?;
        let mut signals = conversation.map(|conversation| self.door.fanout.listen_to(conversation));
        let mut events = match conversation {
            Some(conversation) => Some(self.open(conversation, after).await?),
            None => None,
        };
        let _looking = conversation.map(|conversation| Looking::new(&self.door, &self.account, conversation));
        if let Some(conversation) = conversation {
            self.read_along(conversation);
        }
        let stop = self.door.stop.clone();
        let mut round = interval_at(Instant::now() + ROUND, ROUND);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.sender.closed() => return Err(Gone),
                changed = board.changed() => {
                    changed.map_err(|_| Gone)?;
                    self.lists(&mut board).await?;
                }
                event = next_event(&mut events) => self.tell(event.ok_or(Gone)?).await?,
                signal = next_signal(&mut signals) => self.signal(signal).await?,
                () = next_part(&mut self.reading) => self.part().await?,
                _ = round.tick() => self.round(conversation).await?,
            }
        }
    }

    /// Follows a conversation, and sends what the console does not have of it.
    async fn open(&mut self, id: ConversationId, after: Seq) -> Result<Subscription, Gone> {
        let subscription = self.door.fanout.subscribe(id);
        subscription.heard().await;
        let store = self.door.store.clone();
        let Some(head) = store.conversation(id).await? else {
            self.send("gone", &json!({})).await?;
            return Ok(subscription);
        };
        subscription.starts_at(head.last_seq);
        let blocked = self.door.desk.is_blocked(head.visitor);
        if after == 0 || after > head.last_seq {
            let events = store.events_before(id, head.last_seq + 1, PAGE).await?;
            self.send("opened", &Opened::of(&head, blocked, &events)).await?;
        } else {
            self.send("opened", &Opened::of(&head, blocked, &[])).await?;
            self.sent = after;
            self.fill(id, head.last_seq + 1).await?;
        }
        self.sent = head.last_seq;
        Ok(subscription)
    }

    async fn tell(&mut self, (conversation, event): (ConversationId, Arc<Event>)) -> Result<(), Gone> {
        if event.seq <= self.sent {
            return Ok(());
        }
        if event.seq > self.sent + 1 {
            self.fill(conversation, event.seq).await?;
        }
        self.sent = event.seq;
        if event.author != Author::Visitor && !matches!(event.kind, Kind::Note) {
            // The answer is there, or somebody else.
            self.reading = None;
        }
        self.send("event", &Shown::of(&event)).await?;
        // With a call for a person it becomes known who calls.
        if event.kind == Kind::Handover
            && let Some(head) = self.door.store.conversation(conversation).await?
        {
            self.send("signed_in", &SignedIn::of(&head)).await?;
        }
        Ok(())
    }

    /// Reads what is being written in this conversation. False if that is done elsewhere.
    fn read_along(&mut self, conversation: ConversationId) -> bool {
        if self.reading.is_none() {
            self.reading = self.door.fanout.read(conversation).map(Reading::of);
        }
        self.reading.is_some()
    }

    async fn part(&mut self) -> Result<(), Gone> {
        let Some(reading) = &mut self.reading else { return Ok(()) };
        let frames = reading.frames(Form::Nodes);
        if reading.is_over {
            self.reading = None;
        }
        for frame in frames {
            self.put(format!("event: part\ndata: {}\n\n", frame.json)).await?;
        }
        Ok(())
    }

    /// Sends what the store has up to before this seq.
    async fn fill(&mut self, conversation: ConversationId, before: Seq) -> Result<(), Gone> {
        while self.sent + 1 < before {
            let page = self.door.store.events_after(conversation, self.sent, FILL).await?;
            let Some(last) = page.last().map(|event| event.seq) else { return Ok(()) };
            for event in page.iter().filter(|event| event.seq < before) {
                self.send("event", &Shown::of(event)).await?;
            }
            self.sent = last.min(before - 1);
        }
        Ok(())
    }

    async fn signal(&mut self, signal: Signal) -> Result<(), Gone> {
        match signal.what {
            What::Typing(Author::Visitor) => self.send("typing", &json!({ "author": Author::Visitor })).await,
            What::Typing(Author::Bot) if !self.read_along(signal.conversation) => {
                self.send("typing", &json!({ "author": Author::Bot })).await
            }
            What::Looking(agent, name, on) if agent != self.account.id => {
                // Whoever comes is to know of those who are there.
                if on && self.others.insert(agent) {
                    looks(&self.door, self.account.id, &self.account.name, signal.conversation, true);
                } else if !on {
                    self.others.remove(&agent);
                }
                self.send("looking", &json!({ "agent": agent, "name": name, "on": on })).await
            }
            _ => Ok(()),
        }
    }

    async fn lists(&mut self, board: &mut watch::Receiver<Version>) -> Result<(), Gone> {
        let Version { number, all, change } = board.borrow_and_update().clone();
        let (name, lists) = match number {
            0 => return Ok(()),
            // Whoever has missed one gets all of it.
            next if next == self.board + 1 && self.board > 0 => ("change", change),
            _ => ("board", all),
        };
        self.board = number;
        self.put(format!("event: {name}\ndata: {lists}\n\n")).await
    }

    /// The session may have ended, or who it is of may be called otherwise.
    async fn round(&mut self, look: Option<ConversationId>) -> Result<(), Gone> {
        match self.door.accounts.who(&self.token).await {
            Ok(Some(account)) => {
                let (before, now) = (&self.account, &account);
                let shown = |account: &Account| (account.away, account.max_chats, account.role);
                if shown(before) != shown(now) || before.teams != now.teams {
                    self.send("me", &Me::of(now, self.attaches())).await?;
                }
                self.account = account;
            }
            Ok(None) => {
                self.send("over", &json!({})).await?;
                return Err(Gone);
            }
            // The store is away; what is open stays open.
            Err(_) => {}
        }
        let _ = self.door.accounts.here(self.account.id).await;
        if let Some(conversation) = look {
            looks(&self.door, self.account.id, &self.account.name, conversation, true);
        }
        self.put(":\n\n".to_owned()).await
    }

    /// Whether files can be sent.
    fn attaches(&self) -> bool {
        self.door.attachments.as_ref().is_some_and(|attachments| attachments.rules().is_some())
    }

    async fn send(&self, name: &str, data: &impl Serialize) -> Result<(), Gone> {
        let data = serde_json::to_string(data).unwrap_or_default();
        self.put(format!("event: {name}\ndata: {data}\n\n")).await
    }

    async fn put(&self, lines: String) -> Result<(), Gone> {
        match timeout(TAKES_AT_MOST, self.sender.send(lines)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// While this is kept, others are told that somebody looks.
struct Looking {
    door: Arc<Door>,
    agent: AgentId,
    name: String,
    conversation: ConversationId,
}

impl Looking {
    fn new(door: &Arc<Door>, account: &Account, conversation: ConversationId) -> Looking {
        looks(door, account.id, &account.name, conversation, true);
        Looking { door: door.clone(), agent: account.id, name: account.name.clone(), conversation }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        looks(&self.door, self.agent, &self.name, self.conversation, false);
    }
}

fn looks(door: &Door, agent: AgentId, name: &str, conversation: ConversationId, on: bool) {
    door.fanout.signal(Signal { conversation, what: What::Looking(agent, name.to_owned(), on) });
}

async fn next_event(open: &mut Option<Subscription>) -> Option<(ConversationId, Arc<Event>)> {
    match open {
        Some(subscription) => {
            let event = subscription.next().await?;
            Some((subscription.conversation(), event))
        }
        None => std::future::pending().await,
    }
}

async fn next_part(reading: &mut Option<Reading>) {
    match reading {
        Some(reading) => reading.changed().await,
        None => std::future::pending().await,
    }
}

async fn next_signal(signals: &mut Option<broadcast::Receiver<Signal>>) -> Signal {
    while let Some(receiver) = signals {
        match receiver.recv().await {
            Ok(signal) => return signal,
            // What was missed is of a moment that is over.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => *signals = None,
        }
    }
    std::future::pending().await
}
