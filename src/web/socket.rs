//! One WebSocket: frames in, events out, for both dialects.
//!
//! A socket is one task. It reads a frame, does what it says, and goes on to the next; so a client has one message
//! at a time on its way to the store, and TCP holds back whatever it sends faster than that. Events that were
//! committed meanwhile wait in the subscription, which is bounded: whoever reads too slowly is cut off and told to
//! come back with the last seq it saw.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use salvo::websocket::{Message, WebSocket};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use super::Door;
use super::protocol::CloseCode;
use super::{plain, typed};
use crate::conversation::{ConversationId, Event, Seq};
use crate::desk::Seat;
use crate::fanout::Subscription;
use crate::responders::lines::Line;

/// A client that does not take a frame for this long is given up.
const TAKES_AT_MOST: Duration = Duration::from_secs(10);
/// How long a client has for its side of the closing handshake. One that does not answer must not hold up a stop.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);
/// A client that was not heard of for this long is asked whether it is there, and closed after twice that.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// How many events are read from the store at once to fill a gap.
const FILL: u32 = 200;

/// The connection is over; there is nobody to tell.
pub struct Gone;

/// What goes on on every socket, whatever its dialect.
pub struct Socket {
    pub door: Arc<Door>,
    /// The languages of the customer's browser, most wanted first, with the site's own at the end.
    pub languages: Vec<String>,
    pub seat: Option<Arc<Seat>>,
    subscription: Option<Subscription>,
    /// The last seq that went out; `None` until there is a place to start from.
    sent: Option<Seq>,
    ws: WebSocket,
}

/// How a dialect understands frames and words events.
pub enum Dialect {
    Plain(plain::Plain),
    Typed(typed::Typed),
}

enum Happened {
    Stop,
    Quiet,
    Event(Option<Arc<Event>>),
    Frame(Option<Result<Message, salvo::Error>>),
}

impl Socket {
    /// A socket in no conversation yet.
    pub fn new(ws: WebSocket, door: Arc<Door>, languages: Vec<String>) -> Socket {
        Socket { door, languages, seat: None, subscription: None, sent: None, ws }
    }

    /// Serves the socket until either side ends it.
    pub async fn run(mut self, mut dialect: Dialect) {
        let ending = match self.talk(&mut dialect).await {
            Ok(ending) => ending,
            Err(Gone) => return,
        };
        if let (Some(code), Dialect::Typed(_)) = (ending, &dialect) {
            let _ = self.send(typed::bye(code, self.door.back_in(code))).await;
        }
        let close = match ending {
            Some(code) => Message::close_with(code.number(), code.reason()),
            None => Message::close(),
        };
        let _ = self.send(close).await;
        // The closing handshake needs the other side's close frame to be read.
        let _ = timeout(CLOSES_WITHIN, async { while let Some(Ok(_)) = self.ws.next().await {} }).await;
    }

    /// Goes on until somebody wants to end it; `None` if that is the client.
    async fn talk(&mut self, dialect: &mut Dialect) -> Result<Option<CloseCode>, Gone> {
        let stop = self.door.stop.clone();
        let mut stopped = pin!(stop.cancelled());
        let mut quiet = pin!(sleep_until(Instant::now() + SILENT_FOR));
        let mut heard = Instant::now();
        let mut asked = false;
        if let Dialect::Plain(plain) = dialect {
            plain.begin(self);
        }
        loop {
            let happened = tokio::select! {
                () = &mut stopped => Happened::Stop,
                event = next_event(&mut self.subscription) => Happened::Event(event),
                frame = self.ws.next() => Happened::Frame(frame),
                () = &mut quiet => Happened::Quiet,
            };
            match happened {
                Happened::Stop => return Ok(Some(CloseCode::Stopping)),
                Happened::Event(None) => return Ok(Some(CloseCode::FellBehind)),
                Happened::Event(Some(event)) => {
                    self.deliver(dialect, event).await?;
                    self.deliver_waiting(dialect).await?;
                    self.flush().await?;
                }
                Happened::Quiet if heard.elapsed() < SILENT_FOR => quiet.as_mut().reset(heard + SILENT_FOR),
                Happened::Quiet if asked => return Ok(Some(CloseCode::Silent)),
                Happened::Quiet => {
                    asked = true;
                    self.send(Message::ping(Vec::new())).await?;
                    quiet.as_mut().reset(Instant::now() + SILENT_FOR);
                }
                Happened::Frame(None) => return Err(Gone),
                Happened::Frame(Some(Err(error))) => return close_code(&error).map(Some).ok_or(Gone),
                Happened::Frame(Some(Ok(message))) => {
                    heard = Instant::now();
                    asked = false;
                    if message.is_close() {
                        // The library has put its reply in the queue; reading on to the end sends it.
                        return Ok(None);
                    }
                    if message.is_binary() {
                        return Ok(Some(CloseCode::Binary));
                    }
                    if message.is_text() {
                        let Ok(frame) = message.as_str() else { return Ok(Some(CloseCode::NotUtf8)) };
                        match dialect {
                            Dialect::Plain(plain) => plain.hear(self, frame).await?,
                            Dialect::Typed(typed) => typed.hear(self, frame).await?,
                        }
                        self.deliver_waiting(dialect).await?;
                        self.flush().await?;
                    }
                }
            }
        }
    }

    /// Follows a conversation from `sent` on, or from its next event on.
    pub fn follow(&mut self, conversation: ConversationId, sent: Option<Seq>) {
        self.subscription = Some(self.door.fanout.subscribe(conversation));
        self.sent = sent;
    }

    /// Says that everything up to `seq` is out.
    pub fn sent(&mut self, seq: Seq) {
        self.sent = Some(seq);
    }

    /// Puts a frame in the queue; `flush` sends it.
    pub async fn feed(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(TAKES_AT_MOST, self.ws.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// A line of purser's own in the customer's language.
    pub fn line(&self, line: Line) -> String {
        self.door.desk.pipeline().lines().say(line, &self.languages).0.to_owned()
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        self.feed(message).await?;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match timeout(TAKES_AT_MOST, self.ws.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Sends the events that have come meanwhile, so that one flush carries them all.
    async fn deliver_waiting(&mut self, dialect: &mut Dialect) -> Result<(), Gone> {
        while let Some(event) = self.subscription.as_mut().and_then(Subscription::waiting) {
            self.deliver(dialect, event).await?;
        }
        Ok(())
    }

    /// Sends an event once and in order, with whatever is missing before it.
    async fn deliver(&mut self, dialect: &mut Dialect, event: Arc<Event>) -> Result<(), Gone> {
        match self.sent {
            Some(sent) if event.seq <= sent => return Ok(()),
            Some(sent) if event.seq > sent + 1 => {
                if let Some(subscription) = &self.subscription {
                    self.fill(dialect, subscription.conversation(), sent, event.seq).await?;
                }
            }
            _ => {}
        }
        self.word(dialect, &event).await?;
        self.sent = Some(event.seq);
        Ok(())
    }

    /// Sends what the store has between two seqs. If it is away, the gap stays and the next event tries again.
    pub async fn fill(
        &mut self,
        dialect: &Dialect,
        conversation: ConversationId,
        mut after: Seq,
        before: Seq,
    ) -> Result<(), Gone> {
        while after + 1 < before {
            let page = match self.door.store.events_after(conversation, after, FILL).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%conversation, %error, "a gap cannot be filled, the client is sent away");
                    return Err(Gone);
                }
            };
            let Some(last) = page.last().map(|event| event.seq) else { return Ok(()) };
            for event in page.iter().filter(|event| event.seq < before) {
                self.word(dialect, event).await?;
            }
            self.sent = Some(last.min(before - 1));
            after = last;
        }
        Ok(())
    }

    async fn word(&mut self, dialect: &Dialect, event: &Event) -> Result<(), Gone> {
        let worded = match dialect {
            Dialect::Plain(_) => plain::word(event),
            Dialect::Typed(_) => Some(typed::word(event)),
        };
        match worded {
            Some(message) => self.feed(message).await,
            None => Ok(()),
        }
    }
}

async fn next_event(subscription: &mut Option<Subscription>) -> Option<Arc<Event>> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

/// What a broken frame is closed with; `None` if the connection is gone anyway.
fn close_code(error: &salvo::Error) -> Option<CloseCode> {
    let salvo::Error::Other(inner) = error else { return None };
    match inner.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => Some(CloseCode::TooBig),
        tungstenite::Error::Utf8(_) => Some(CloseCode::NotUtf8),
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}
