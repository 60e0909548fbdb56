//! Starts purser in the test's own process and talks to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use purser::app::{App, Tuning};
use purser::clock::Clock;
use purser::config::Config;
use purser::conversation::ConversationId;
use purser::desk::Desk;
use purser::fanout::{Fanout, Pace};
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use purser::store::Store;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderMap;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use uuid::Uuid;

use crate::log;
pub use crate::servers::TestDatabase;

/// Nothing here takes this long; a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test once on SQLite and once on MariaDB. Where MariaDB cannot be started the second says so and is skipped.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$attribute:meta])* $name:ident;)*) => { $(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn sqlite() {
                super::$name(&$crate::harness::TestDatabase::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$attribute])*
            async fn mariadb() {
                if let Some(database) = $crate::harness::TestDatabase::mariadb().await {
                    super::$name(&database).await;
                }
            }
        }
    )* };
}

/// A running purser.
pub struct TestPurser {
    pub address: SocketAddr,
    pub desk: Arc<Desk>,
    pub store: Store,
    pub fanout: Arc<Fanout>,
    pub folder: Arc<tempfile::TempDir>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<anyhow::Result<()>>,
}

/// How a test wants its purser.
pub struct Setup<'a> {
    pub database: &'a TestDatabase,
    pub clock: Clock,
    /// Responders that are asked before the FAQ.
    pub first: Vec<Arc<dyn Responder>>,
    pub pace: Pace,
    pub change: Box<dyn FnOnce(&mut Config) + 'a>,
}

impl<'a> Setup<'a> {
    pub fn on(database: &'a TestDatabase) -> Setup<'a> {
        let (clock, pace) = (Clock::System, Pace::default());
        Setup { database, clock, first: Vec::new(), pace, change: Box::new(|_| ()) }
    }

    pub fn clock(mut self, clock: &Clock) -> Setup<'a> {
        self.clock = clock.clone();
        self
    }

    pub fn first(mut self, responder: Arc<dyn Responder>) -> Setup<'a> {
        self.first.push(responder);
        self
    }

    pub fn pace(mut self, pace: Pace) -> Setup<'a> {
        self.pace = pace;
        self
    }

    pub fn change(mut self, change: impl FnOnce(&mut Config) + 'a) -> Setup<'a> {
        let before = self.change;
        self.change = Box::new(move |config| {
            before(config);
            change(config);
        });
        self
    }

    /// Starts it on a free port with the small FAQ of the tests.
    pub async fn start(self) -> TestPurser {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        copy(Path::new("tests/faq"), &folder.path().join("faq"));
        self.start_in(folder).await
    }

    /// Starts it on content that is there already, as after a restart.
    pub async fn start_in(self, folder: Arc<tempfile::TempDir>) -> TestPurser {
        log::watch();
        let mut config = Config {
            database: self.database.url().parse().expect("a database address"),
            faq: folder.path().join("faq"),
            plugins: folder.path().join("plugins"),
            ..Config::default()
        };
        // Tests say more, and faster, than any customer; those of the limits switch them on.
        config.limits.off = true;
        (self.change)(&mut config);
        let tuning = Tuning { clock: self.clock, first: self.first, pace: self.pace, ..Tuning::default() };
        let app = App::build_with(config, tuning).await.expect("purser starts");
        let listener = purser::web::listen("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("a local address");
        let (desk, store, fanout) = (app.desk().clone(), app.store().clone(), app.fanout().clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run(listener, async {
            let _ = stopped.await;
        }));
        TestPurser { address, desk, store, fanout, folder, stop: Some(stop), running }
    }
}

impl TestPurser {
    pub async fn start(database: &TestDatabase) -> TestPurser {
        Setup::on(database).start().await
    }

    /// Asks it to stop, without waiting.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops it and fails if it did not end well.
    pub async fn stop(mut self) {
        self.begin_stop();
        let ended = within("a stop", self.running).await;
        ended.expect("no task panics").expect("purser ends well");
        log::check();
    }

    /// A socket of the plain dialect, with this session cookie if there is one.
    pub async fn plain(&self, cookie: Option<&str>) -> Plain {
        let headers = cookie.map(|cookie| ("Cookie", cookie.to_owned()));
        let (ws, response) = connect(self.address, headers.into_iter().collect()).await.expect("an upgrade");
        let set = response.get("set-cookie").and_then(|value| value.to_str().ok());
        let cookie = set.and_then(|set| set.split(';').next()).map(str::to_owned);
        Plain { ws, cookie }
    }

    /// A socket of the typed dialect that has said nothing yet.
    pub async fn typed(&self) -> Typed {
        Typed::connect(self.address).await
    }

    /// A socket of the typed dialect in this visitor's conversation.
    pub async fn visit(&self, visitor: &Visitor, seen: u32) -> Typed {
        let mut socket = self.typed().await;
        socket.hello(visitor, seen).await;
        socket
    }

    /// A request to the chat's HTTP API.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        http_client().request(method, format!("http://{}/api/chat/{path}", self.address))
    }

    /// A POST to the chat's HTTP API, with its status and JSON; `null` for another body.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: String) -> (u16, Value) {
        let mut request = self.request("POST", path).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = within("a response", request.send()).await.expect("a response");
        let status = response.status().as_u16();
        let body = within("a body", response.bytes()).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The host site has a customer deleted with this token.
    pub async fn erase_customer(&self, token: String) -> (u16, Value) {
        let request = http_client().post(format!("http://{}/api/customers/erase", self.address)).body(token);
        let response = within("a response", request.send()).await.expect("a response");
        let status = response.status().as_u16();
        let body = within("a body", response.bytes()).await.expect("a body");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// One frame of this visitor over HTTP, with the status and the frames that answer it.
    pub async fn post_frame(&self, visitor: &Visitor, frame: Value) -> (u16, Vec<Value>) {
        let Visitor { token, conversation } = visitor;
        let body = json!({ "token": token, "conversation": conversation, "frame": frame });
        let (status, mut reply) = self.post("frames", &[], body.to_string()).await;
        (status, reply["frames"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// A message of this visitor over HTTP.
    pub async fn post_say(&self, visitor: &Visitor, client_id: &str, text: &str) -> (u16, Vec<Value>) {
        log::said(text);
        self.post_frame(visitor, json!({ "type": "say", "client_id": client_id, "text": text })).await
    }

    /// The stream of this visitor's conversation.
    pub async fn events(&self, visitor: &Visitor, seen: u32) -> Events {
        let Visitor { token, conversation } = visitor;
        let hello = json!({ "type": "hello", "token": token, "conversation": conversation, "seq": seen });
        Events::open(self.address, hello.to_string()).await.expect("a stream")
    }

    /// The fan-out.
    pub fn fanout(&self) -> &Fanout {
        &self.fanout
    }

    /// How many sockets follow a conversation and are not cut off.
    pub fn followers(&self, conversation: ConversationId) -> usize {
        self.fanout.followers(conversation)
    }
}

/// Opens a WebSocket; `Err` has the status that refused it.
pub async fn connect(
    address: SocketAddr,
    headers: Vec<(&'static str, String)>,
) -> Result<(WebSocketStream<TcpStream>, HeaderMap), u16> {
    let mut request = format!("ws://{address}/ws/chat/").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let stream = TcpStream::connect(address).await.expect("a connection");
    upgrade(request, stream).await
}

/// Opens a WebSocket over a connection that is there; `Err` has the status that refused it.
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    request: Request,
    stream: S,
) -> Result<(WebSocketStream<S>, HeaderMap), u16> {
    match within("an upgrade", tokio_tungstenite::client_async(request, stream)).await {
        Ok((ws, response)) => Ok((ws, response.headers().clone())),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("the upgrade failed: {error}"),
    }
}

/// Waits, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

/// A client of the plain dialect.
pub struct Plain {
    pub ws: WebSocketStream<TcpStream>,
    /// What the upgrade set.
    pub cookie: Option<String>,
}

impl Plain {
    pub async fn say(&mut self, text: &str) {
        log::said(text);
        self.send(Message::text(json!({ "message": text }).to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        within("a send", self.ws.send(message)).await.expect("an open socket");
    }

    /// The next message, which must be all that its frame holds.
    pub async fn hear(&mut self) -> String {
        let frame = next_json(&mut self.ws).await;
        assert_eq!(frame.as_object().map(serde_json::Map::len), Some(1), "only a message: {frame}");
        frame["message"].as_str().expect("a message").to_owned()
    }

    pub async fn closed(mut self) -> Option<u16> {
        closed(&mut self.ws).await.map(|frame| frame.code.into())
    }
}

/// Who a client of the typed dialect is.
#[derive(Clone)]
pub struct Visitor {
    pub token: String,
    pub conversation: Uuid,
}

impl Visitor {
    pub fn new() -> Visitor {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        log::said(&token);
        Visitor { token, conversation: Uuid::now_v7() }
    }
}

/// A client of the typed dialect.
pub struct Typed<S = TcpStream> {
    pub ws: WebSocketStream<S>,
    /// Frames that came while another one was waited for.
    waiting: VecDeque<Value>,
}

impl Typed {
    /// A socket that has said nothing yet, at whoever listens there.
    pub async fn connect(address: SocketAddr) -> Typed {
        let headers = vec![("Sec-WebSocket-Protocol", "purser.v1".to_owned())];
        let (ws, response) = connect(address, headers).await.expect("an upgrade");
        Typed::over(ws, &response)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Typed<S> {
    /// A socket that was opened already, and what the server replied.
    pub fn over(ws: WebSocketStream<S>, response: &HeaderMap) -> Typed<S> {
        assert_eq!(response.get("sec-websocket-protocol").expect("a protocol"), "purser.v1");
        Typed { ws, waiting: VecDeque::new() }
    }

    pub async fn send(&mut self, frame: Value) {
        within("a send", self.ws.send(Message::text(frame.to_string()))).await.expect("an open socket");
    }

    pub async fn ws_send(&mut self, message: Message) {
        within("a send", self.ws.send(message)).await.expect("an open socket");
    }

    /// The highest seq among the events that wait.
    pub fn last_seq(&self) -> u64 {
        self.waiting.iter().filter_map(|frame| frame["seq"].as_u64()).max().unwrap_or(0)
    }

    /// Whether a frame of this type has come and was not waited for.
    pub fn waits_for(&self, kind: &str) -> bool {
        self.waiting.iter().any(|frame| frame["type"] == kind)
    }

    /// Says hello and returns the welcome.
    pub async fn hello(&mut self, visitor: &Visitor, seen: u32) -> Value {
        let Visitor { token, conversation } = visitor;
        self.send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": seen })).await;
        self.hear("welcome").await
    }

    pub async fn say(&mut self, client_id: &str, text: &str) {
        log::said(text);
        self.send(json!({ "type": "say", "client_id": client_id, "text": text })).await;
    }

    /// Says something and returns its acknowledgement and the answer.
    pub async fn ask(&mut self, client_id: &str, text: &str) -> (Value, Value) {
        self.say(client_id, text).await;
        let ack = self.hear("ack").await;
        assert_eq!(ack["client_id"], client_id);
        let seq = ack["seq"].clone();
        let answer = self.hear_where("the answer", |frame| frame["author"] == "bot" && frame["question"] == seq).await;
        (ack, answer)
    }

    /// The next frame of this type; others wait.
    pub async fn hear(&mut self, kind: &str) -> Value {
        self.hear_where(kind, |frame| frame["type"] == kind).await
    }

    /// The next frame that is the one; others wait.
    pub async fn hear_where(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&is_it) {
            return self.waiting.remove(at).expect("it is there");
        }
        loop {
            let frame = within(what, next_json(&mut self.ws)).await;
            if is_it(&frame) {
                return frame;
            }
            self.waiting.push_back(frame);
        }
    }

    /// The events up to this seq, in the order in which they came, history included.
    pub async fn events_to(&mut self, seq: u64) -> Vec<Value> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["seq"].as_u64() < Some(seq)) {
            let frame = self.hear_where("events", |frame| frame["type"] == "event" || frame["type"] == "history").await;
            match frame["events"].as_array() {
                Some(history) => events.extend(history.iter().cloned()),
                None => events.push(frame),
            }
        }
        events
    }

    pub async fn closed(mut self) -> Option<u16> {
        closed(&mut self.ws).await.map(|frame| frame.code.into())
    }
}

/// A client of the typed dialect that hears over HTTP.
pub struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    /// Opens a stream; `Err` has the status that refused it.
    pub async fn open(address: SocketAddr, hello: String) -> Result<Events, u16> {
        Events::request(http_client().post(format!("http://{address}/api/chat/events")).body(hello)).await
    }

    /// The stream that this request asks for; `Err` has the status that refused it.
    pub async fn request(request: reqwest::RequestBuilder) -> Result<Events, u16> {
        let response = within("a response", request.send()).await.expect("a response");
        if !response.status().is_success() {
            return Err(response.status().as_u16());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Ok(Events { response, text: String::new() })
    }

    /// The next frame of this type, with its id as `id:`.
    pub async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the stream ended before {kind}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The events up to this seq, history included.
    pub async fn events_to(&mut self, seq: u64) -> Vec<Value> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Value| event["seq"].as_u64() < Some(seq)) {
            let frame = self.next().await.expect("an event");
            match (&frame["type"], frame["events"].as_array()) {
                (_, Some(history)) => events.extend(history.iter().cloned()),
                (kind, None) if kind == "event" => events.push(frame),
                _ => {}
            }
        }
        events
    }

    /// Whether nothing more comes.
    pub async fn ended(&mut self) -> bool {
        self.next().await.is_none()
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let Some(data) = field("data:") else { continue };
                let mut frame: Value = serde_json::from_str(data).expect("a frame of JSON");
                if let Some(id) = field("id:") {
                    frame["id:"] = id.into();
                }
                return Some(frame);
            }
            let chunk = within("an event", self.response.chunk()).await.expect("an open stream")?;
            self.text.push_str(std::str::from_utf8(&chunk).expect("frames are sent whole"));
        }
    }
}

pub fn http_client() -> reqwest::Client {
    // There is one already in all tests but the first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// Tries again until there is something; for what the other side finishes in its own time.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            match attempt().await {
                Some(value) => return value,
                // Others need the processor, too.
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

/// `GET path`, with its status and body.
pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    let mut response = Vec::new();
    within("a response", stream.read_to_end(&mut response)).await.expect("a response");
    let response = String::from_utf8_lossy(&response).into_owned();
    let (head, body) = response.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    // Chunked bodies are put together; there is no other coding here.
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return (status, body.to_owned());
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        whole.push_str(&after[..size]);
        rest = &after[(size + 2).min(after.len())..];
        if size == 0 {
            break;
        }
    }
    (status, whole)
}

async fn next_json<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocketStream<S>) -> Value {
    loop {
        match within("a frame", ws.next()).await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("a frame of JSON"),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("a text frame was expected, not {other:?}"),
        }
    }
}

/// Reads on until the close frame.
pub async fn closed<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocketStream<S>) -> Option<CloseFrame> {
    loop {
        match within("a close", ws.next()).await {
            Some(Ok(Message::Close(frame))) => return frame,
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

/// A responder that answers only when the test lets it, and says what it was asked.
pub struct Slow {
    gate: Semaphore,
    pub asked: Semaphore,
}

impl Slow {
    pub fn new() -> Arc<Slow> {
        Arc::new(Slow { gate: Semaphore::new(0), asked: Semaphore::new(0) })
    }

    /// Lets one answer through.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until one more question has come.
    pub async fn was_asked(&self) {
        within("a question", self.asked.acquire()).await.expect("open").forget();
    }
}

impl Responder for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            if !turn.text.starts_with("slow") {
                return Ok(Answer::Pass);
            }
            self.asked.add_permits(1);
            self.gate.acquire().await?.forget();
            let text = format!("slow answer to {}", turn.text);
            Ok(Answer::Reply(Reply { text: text.into(), ..Reply::default() }))
        })
    }
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
