//! A session over a WebSocket, in either dialect.
//!
//! A socket is one task. It reads a frame, does what it says, and goes on to the next; so a client has one message
//! at a time on its way to the store, and TCP holds back whatever it sends faster than that.
//!
//! Nearly all sockets wait most of the time, and a task has room for the largest thing that it ever does. So what a
//! frame or an event leads to is a future in a box of its own, which is there only meanwhile: without, an idle
//! customer would cost 6 KiB more.

use std::pin::pin;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use salvo::websocket::{Message, WebSocket};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use super::metrics::Over;
use super::protocol::{CloseCode, Frame, SILENT_FOR, ServerFrame};
use super::session::{Dialect, Gone, News, Session, Wire};
use crate::patience::{boxed, within};

/// A client that does not take a frame for this long is given up.
pub const TAKES_AT_MOST: Duration = Duration::from_secs(10);
/// How long a client has for its side of the closing handshake. One that does not answer must not hold up a stop.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// The WebSocket of one client.
pub struct Socket(pub WebSocket);

enum Happened {
    Stop,
    Quiet,
    News(Option<News>),
    Frame(Option<Result<Message, salvo::Error>>),
}

impl Wire for Socket {
    /// Puts a frame in the queue; `flush` sends it.
    async fn feed(&mut self, frame: Frame) -> Result<(), Gone> {
        self.put(Message::text(frame.json)).await
    }
}

impl Socket {
    async fn put(&mut self, message: Message) -> Result<(), Gone> {
        match within(TAKES_AT_MOST, self.0.feed(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        match within(TAKES_AT_MOST, self.0.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        self.put(message).await?;
        self.flush().await
    }

    /// Says why, and waits for the client's side of the closing handshake.
    async fn close(&mut self, why: Option<CloseCode>) {
        let close = match why {
            Some(code) => Message::close_with(code.number(), code.reason()),
            None => Message::close(),
        };
        let _ = self.send(close).await;
        // The closing handshake needs the other side's close frame to be read.
        let _ = timeout(CLOSES_WITHIN, async { while let Some(Ok(_)) = self.0.next().await {} }).await;
    }
}

/// Serves the socket until either side ends it.
pub async fn run(session: &mut Session<Socket>) {
    session.door.counts.connected(match session.dialect {
        Dialect::Plain(_) => Over::Plain,
        Dialect::Typed | Dialect::Echo => Over::Socket,
    });
    let ending = talk(session).await;
    session.note_seen();
    if let Ok(ending) = ending {
        Box::pin(end(session, ending)).await;
    }
}

/// Says goodbye.
async fn end(session: &mut Session<Socket>, ending: Option<CloseCode>) {
    if let Some(code) = ending {
        session.door.counts.closed(code);
    }
    if let (Some(code), Dialect::Typed) = (ending, session.dialect) {
        let bye = ServerFrame::Bye { code: code.number(), back_in: session.door.back_in(code) };
        let _ = session.wire.feed(bye.frame()).await;
    }
    session.wire.close(ending).await;
}

/// Goes on until somebody wants to end it; `None` if that is the client.
async fn talk(session: &mut Session<Socket>) -> Result<Option<CloseCode>, Gone> {
    let stop = session.door.stop.clone();
    let mut stopped = pin!(stop.cancelled());
    let mut quiet = pin!(sleep_until(Instant::now() + SILENT_FOR));
    let mut heard = Instant::now();
    let mut asked = false;
    session.begin();
    loop {
        let (news, frame) = session.next();
        let happened = tokio::select! {
            () = &mut stopped => Happened::Stop,
            news = news => Happened::News(news),
            frame = frame.0.next() => Happened::Frame(frame),
            () = &mut quiet => Happened::Quiet,
        };
        match happened {
            Happened::Stop => return Ok(Some(CloseCode::Stopping)),
            Happened::News(None) => return Ok(Some(CloseCode::FellBehind)),
            Happened::News(Some(news)) => {
                boxed(|| session.hear_news(news)).await?;
                session.wire.flush().await?;
            }
            Happened::Quiet if heard.elapsed() < SILENT_FOR => quiet.as_mut().reset(heard + SILENT_FOR),
            Happened::Quiet if asked => return Ok(Some(CloseCode::Silent)),
            Happened::Quiet => {
                asked = true;
                Box::pin(session.wire.send(Message::ping(Vec::new()))).await?;
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
                if message.is_binary() && matches!(session.dialect, Dialect::Echo) {
                    Box::pin(session.wire.send(message)).await?;
                    continue;
                }
                if message.is_binary() {
                    return Ok(Some(CloseCode::Binary));
                }
                if message.is_text() {
                    let Ok(frame) = message.as_str() else { return Ok(Some(CloseCode::NotUtf8)) };
                    boxed(|| session.hear(frame)).await?;
                    // Those who wait for the same commit come first: their frames are worded, then all are sent. One after
                    // the other each of the two finds its code in the cache, and who reads them is woken once for many.
                    yield_now().await;
                    session.wire.flush().await?;
                }
            }
        }
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
