//! A server of models that says just the bytes that a test wants, and notes what it is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::harness::within;

/// What it does when it is asked, one thing after the other; then it closes the connection.
#[derive(Clone)]
pub enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits until the test lets it go on.
    Gate(Arc<Semaphore>),
    /// Says nothing more, until the client goes away.
    Silence,
}

/// What it answers to each request, by its number from 0.
type Answers = dyn Fn(&Value, usize) -> Vec<Act> + Send + Sync;

/// A running server.
pub struct Model {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// A permit for each client that went away before it was told all.
    gone: Arc<Semaphore>,
}

impl Model {
    pub async fn start(answers: impl Fn(&Value, usize) -> Vec<Act> + Send + Sync + 'static) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let model = Model {
            address: listener.local_addr().expect("an address"),
            asked: Arc::default(),
            gone: Arc::new(Semaphore::new(0)),
        };
        let (asked, gone, answers): (_, _, Arc<Answers>) = (model.asked.clone(), model.gone.clone(), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, gone, answers) = (asked.clone(), gone.clone(), answers.clone());
                tokio::spawn(async move {
                    if serve(stream, &asked, &*answers).await.is_err() {
                        gone.add_permits(1);
                    }
                });
            }
        });
        model
    }

    /// One that always says the same.
    pub async fn saying(acts: Vec<Act>) -> Model {
        Model::start(move |_, _| acts.clone()).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The bodies of the requests.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("no panic").iter().map(|(_, body)| body.clone()).collect()
    }

    /// The heads of the requests.
    pub fn heads(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").iter().map(|(head, _)| head.clone()).collect()
    }

    /// Waits until a client has gone away in the middle.
    pub async fn was_left(&self) {
        within("a client to leave", self.gone.acquire()).await.expect("open").forget();
    }
}

/// An error is a client that went away.
async fn serve(stream: TcpStream, asked: &Mutex<Vec<(String, Value)>>, answers: &Answers) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let body: Value = serde_json::from_slice(&body).expect("a request of JSON");
    let number = {
        let mut asked = asked.lock().expect("no panic");
        asked.push((head, body.clone()));
        asked.len() - 1
    };
    let left = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    for act in answers(&body, number) {
        let mut byte = [0];
        match act {
            Act::Send(bytes) => stream.write_all(&bytes).await?,
            Act::Gate(gate) => tokio::select! {
                permit = gate.acquire() => permit.expect("open").forget(),
                _ = stream.read(&mut byte) => return Err(left()),
            },
            Act::Silence => {
                let _ = stream.read(&mut byte).await?;
                return Err(left());
            }
        }
    }
    stream.flush().await?;
    stream.shutdown().await
}

/// The head of a stream that ends with its connection.
pub fn head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec()
}

/// An answer with a status and a body.
pub fn response(status: u16, media: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    vec![Act::Send(text.into_bytes())]
}

/// A piece of a stream.
pub fn piece(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// A piece of text.
pub fn delta(text: &str) -> Vec<u8> {
    piece(&json!({ "model": "scripted", "choices": [{ "index": 0, "delta": { "content": text } }] }))
}

/// How a stream ends.
pub fn ending() -> Vec<u8> {
    let finish = piece(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
    let usage = piece(&json!({ "choices": [], "usage": { "prompt_tokens": 100, "completion_tokens": 20 } }));
    [finish, usage, b"data: [DONE]\n\n".to_vec()].concat()
}

/// A text in pieces of a few letters, as models write.
pub fn says(text: &str) -> Vec<Act> {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(4).map(|letters| delta(&letters.iter().collect::<String>()));
    let bytes = [vec![head()], pieces.collect(), vec![ending()]].concat();
    bytes.into_iter().map(Act::Send).collect()
}

/// Calls of tools, with their arguments as the model writes them.
pub fn calls(calls: &[(&str, &str)]) -> Vec<Act> {
    let mut bytes = head();
    for (at, (name, arguments)) in calls.iter().enumerate() {
        let begins = json!({ "index": at, "id": format!("c{at}"), "type": "function", "function": { "name": name, "arguments": "" } });
        bytes.extend(piece(&json!({ "choices": [{ "delta": { "tool_calls": [begins] } }] })));
        let letters: Vec<char> = arguments.chars().collect();
        for letters in letters.chunks(5) {
            let more = json!({ "index": at, "function": { "arguments": letters.iter().collect::<String>() } });
            bytes.extend(piece(&json!({ "choices": [{ "delta": { "tool_calls": [more] } }] })));
        }
    }
    bytes.extend(piece(&json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] })));
    bytes.extend(b"data: [DONE]\n\n");
    vec![Act::Send(bytes)]
}
