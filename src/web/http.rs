//! A session of the typed dialect over HTTP, for networks that let no WebSocket through and for programs.
//!
//! What comes is a stream of server-sent events, what is said are POSTs; frames, ids and promises are those of the
//! socket. A stream is counted, drained and cut off like a socket.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::stream;
use salvo::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
};
use salvo::http::{HeaderName, HeaderValue, ParseError, StatusCode};
use salvo::prelude::*;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::admission::{Guest, Stay, check_origin};
use super::metrics::Over;
use super::protocol::{COMMENT_AFTER, ClientFrame, CloseCode, ErrorCode, Frame, MAX_BODY, Post, Refused, ServerFrame};
use super::session::{Dialect, Gone, Session, Wire};
use super::socket::TAKES_AT_MOST;
use super::{door, typed};
use crate::conversation::Seq;
use crate::desk::Seat;

/// A reply that has grown to so many bytes gets no further frame; the client asks for the rest.
const FULL_REPLY: usize = 256 * 1024;

/// `POST /api/chat/events`: says hello, and gets what happens as server-sent events.
#[handler]
pub async fn events(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let mut session = arrive(req, depot)?;
    let place = match session.place(Stay::Long).await {
        Ok(place) => place,
        Err(refused) => return session.refuse(refused, res).await,
    };
    let hello = match read(req).await? {
        Some(ClientFrame::Hello(hello)) => hello,
        Some(_) => return session.refuse(ErrorCode::HelloFirst, res).await,
        None => return session.refuse(ErrorCode::Unreadable, res).await,
    };
    let (seat, seen) = match typed::meet(&mut session, hello).await {
        Ok(met) => met,
        Err(refused) => return session.refuse(refused, res).await,
    };
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        // nginx would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        res.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let (sender, mut sent) = mpsc::channel(1);
    res.stream(stream::poll_fn(move |context| sent.poll_recv(context).map(|event| event.map(Ok::<_, Infallible>))));
    // Its own task, so that a stop can wait for it.
    session.door.sockets.clone().spawn(async move {
        let _place = place;
        run(session.over(Stream(sender)), seat, seen).await;
    });
    Ok(())
}

/// `POST /api/chat/frames`: takes one frame, and replies with those that answer it.
#[handler]
pub async fn frames(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let mut session = arrive(req, depot)?;
    // While it is under way it takes as much as a socket.
    let place = match session.place(Stay::Short).await {
        Ok(place) => place,
        Err(refused) => return session.refuse(refused, res).await,
    };
    let Some(Post { token, conversation, language, form, identity, frame }) = read(req).await? else {
        return session.refuse(ErrorCode::Unreadable, res).await;
    };
    // Whatever the frame is, its conversation is looked up; what the frame itself costs is counted besides.
    let seat = match typed::arrive(&mut session, &token, identity).await {
        Ok(visitor) => session.door.desk.seat(conversation, visitor).await.map_err(|error| typed::code(error).into()),
        Err(refused) => Err(refused),
    };
    match seat {
        Ok(seat) => session.take(seat),
        Err(refused) => return session.refuse(refused, res).await,
    }
    typed::speak(&mut session, language);
    session.form = form;
    // Its own task: a client that goes away must not take with it the answer to what it said.
    let taken = session.door.sockets.clone().spawn(async move {
        let _place = place;
        // What is too much for one reply is asked for again.
        let _ = typed::take(&mut session, frame).await;
        session.note_seen();
        session.wire
    });
    taken.await.map_err(|_| StatusError::internal_server_error())?.render(res);
    Ok(())
}

fn arrive(req: &Request, depot: &Depot) -> Result<Session<Reply>, StatusError> {
    let door = door(depot)?;
    let guest = Guest::of(&door, req)?;
    Ok(Session::new(door, Dialect::Typed, guest, Reply::default()))
}

/// The body as JSON; `None` if it is something else.
async fn read<T: DeserializeOwned>(req: &mut Request) -> Result<Option<T>, StatusError> {
    match req.payload_with_max_size(MAX_BODY).await {
        Ok(body) => Ok(serde_json::from_slice(body).ok()),
        Err(ParseError::PayloadTooLarge) => {
            Err(StatusError::payload_too_large().brief(format!("a body holds {MAX_BODY} bytes at most")))
        }
        Err(_) => Err(StatusError::bad_request().brief("the body did not come to its end")),
    }
}

/// A response that goes on and on.
struct Stream(mpsc::Sender<String>);

impl Wire for Stream {
    async fn feed(&mut self, frame: Frame) -> Result<(), Gone> {
        let Frame { json, seq, .. } = frame;
        self.send(match seq {
            Some(seq) => format!("id: {seq}\ndata: {json}\n\n"),
            None => format!("data: {json}\n\n"),
        })
        .await
    }
}

impl Stream {
    async fn send(&self, lines: String) -> Result<(), Gone> {
        match timeout(TAKES_AT_MOST, self.0.send(lines)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// Serves a stream until either side ends it.
async fn run(mut session: Session<Stream>, seat: Arc<Seat>, seen: Seq) {
    session.door.counts.connected(Over::Stream);
    let Ok(code) = talk(&mut session, seat, seen).await else { return };
    session.door.counts.closed(code);
    let bye = ServerFrame::Bye { code: code.number(), back_in: session.door.back_in(code) };
    let _ = session.wire.feed(bye.frame()).await;
}

async fn talk(session: &mut Session<Stream>, seat: Arc<Seat>, seen: Seq) -> Result<CloseCode, Gone> {
    typed::enter(session, seat, seen).await?;
    let stop = session.door.stop.clone();
    loop {
        let (news, wire) = session.next();
        let news = tokio::select! {
            () = stop.cancelled() => return Ok(CloseCode::Stopping),
            () = wire.0.closed() => return Err(Gone),
            news = timeout(COMMENT_AFTER, news) => news,
        };
        match news {
            Ok(Some(news)) => session.hear_news(news).await?,
            Ok(None) => return Ok(CloseCode::FellBehind),
            Err(_) => session.wire.send(":\n\n".to_owned()).await?,
        }
    }
}

/// A response that holds the frames which answer one.
#[derive(Default)]
struct Reply {
    frames: Vec<Utf8Bytes>,
    bytes: usize,
    refused: Option<Refused>,
}

impl Wire for Reply {
    async fn feed(&mut self, frame: Frame) -> Result<(), Gone> {
        if self.bytes >= FULL_REPLY {
            return Err(Gone);
        }
        self.bytes += frame.json.len();
        self.frames.push(frame.json);
        self.refused = self.refused.or(frame.refused);
        Ok(())
    }
}

impl Reply {
    fn render(&self, res: &mut Response) {
        if let Some(Refused { code, retry_after, .. }) = self.refused {
            res.status_code(status(code));
            if let Some(after) = retry_after {
                res.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.div_ceil(1_000)));
            }
        }
        res.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        res.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        res.body(format!(
            "{{\"frames\":[{}]}}",
            self.frames.iter().map(Utf8Bytes::as_str).collect::<Vec<_>>().join(",")
        ));
    }
}

impl Session<Reply> {
    async fn refuse(mut self, refused: impl Into<Refused>, res: &mut Response) -> Result<(), StatusError> {
        // A reply that is empty takes it.
        let _ = typed::refuse(&mut self, refused, None).await;
        self.wire.render(res);
        Ok(())
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unreadable | ErrorCode::HelloFirst | ErrorCode::BadToken => StatusCode::BAD_REQUEST,
        ErrorCode::SignInExpired | ErrorCode::SignInRefused => StatusCode::UNAUTHORIZED,
        ErrorCode::NotYours | ErrorCode::Blocked => StatusCode::FORBIDDEN,
        ErrorCode::NoAnswer | ErrorCode::NoAttachment | ErrorCode::NoChat | ErrorCode::NoConversation => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::Empty | ErrorCode::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::TooFast | ErrorCode::TooMany => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::NotStored | ErrorCode::Full => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Lets pages of the sites that may chat read the answers, and no others.
#[handler]
pub async fn cors(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let headers = res.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = req.headers().get(ORIGIN) else { return Ok(()) };
    check_origin(&*door(depot)?, req)?;
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    Ok(())
}

/// `OPTIONS` of both: what a page may send.
#[handler]
pub async fn preflight(res: &mut Response) {
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization, Purser-Identity"),
        (ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        res.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    res.status_code(StatusCode::NO_CONTENT);
}
