//! The load: WebSocket clients of the plain dialect on one thread, each of which asks, waits for the answer and asks
//! the next question.
//!
//! They are written by hand and do only what they must: frames are masked once, beforehand, and of an answer only its
//! head is read. So the clients need less of the machine than any server that they measure.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// So many connections are opened side by side.
const OPENERS: usize = 32;
/// No run asks more than this, however fast the server.
const MOST: u64 = 2_000_000;
/// A server that does not answer within this time has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The questions of `benches/questions.txt`, as frames.
pub fn questions() -> Rc<[Vec<u8>]> {
    let lines = include_str!("../questions.txt").lines().filter(|line| !line.is_empty());
    lines.map(question).collect()
}

/// A question, as a frame.
pub fn question(text: &str) -> Vec<u8> {
    frame(&format!(r#"{{"message":"{text}"}}"#))
}

/// A masked text frame.
pub fn frame(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x9e];
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            let long = u16::try_from(text.len()).expect("a question of less than 64 KiB");
            frame.extend(long.to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A client.
pub struct Client {
    stream: TcpStream,
    /// What has come and is not understood yet.
    came: Vec<u8>,
    /// How many questions of the list it has asked under load.
    asked: usize,
}

impl Client {
    /// Opens a WebSocket in the plain dialect.
    pub async fn connect(port: u16) -> anyhow::Result<Client> {
        Client::connect_as(port, "").await
    }

    /// Opens one in the typed dialect.
    pub async fn connect_typed(port: u16) -> anyhow::Result<Client> {
        Client::connect_as(port, "Sec-WebSocket-Protocol: purser.v1\r\n").await
    }

    async fn connect_as(port: u16, header: &str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut client = Client { stream, came: Vec::with_capacity(1024), asked: 0 };
        let upgrade = format!(
            "GET /ws/chat/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cHVyc2VyIGJlbmNobWFyaw==\r\n{header}\r\n"
        );
        client.stream.write_all(upgrade.as_bytes()).await?;
        let end = loop {
            if let Some(at) = client.came.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            client.read().await?;
        };
        ensure!(client.came.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&client.came[..end]));
        client.came.drain(..end);
        Ok(client)
    }

    /// Sends a frame and waits for the message that answers it.
    pub async fn ask(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(frame).await?;
        loop {
            while let Some((kind, start, end)) = next_frame(&self.came) {
                let answered = match kind {
                    1 => {
                        let text = &self.came[start..end];
                        ensure!(text.starts_with(br#"{"message":"#), "{}", String::from_utf8_lossy(text));
                        true
                    }
                    8 => bail!("the server closed the connection"),
                    _ => false,
                };
                self.came.drain(..end);
                if answered {
                    return Ok(());
                }
            }
            self.read().await?;
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(frame).await?)
    }

    /// The next frame that has this in it.
    pub async fn hear(&mut self, what: &str) -> anyhow::Result<String> {
        loop {
            while let Some((kind, start, end)) = next_frame(&self.came) {
                ensure!(kind != 8, "the server closed the connection");
                let text = String::from_utf8_lossy(&self.came[start..end]).into_owned();
                self.came.drain(..end);
                if text.contains(what) {
                    return Ok(text);
                }
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.came).await? > 0, "the connection ended");
        Ok(())
    }
}

/// The kind of the first frame, and where its payload starts and ends; `None` if it is not there as a whole.
fn next_frame(came: &[u8]) -> Option<(u8, usize, usize)> {
    let kind = came.first()? & 0x0f;
    let (start, length) = match came.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(came.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(came.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (came.len() >= start + length).then_some((kind, start, start + length))
}

/// Opens so many connections; with a question, each asks it before the next one is opened.
pub async fn open(port: u16, connections: usize, ask: Option<&Rc<[Vec<u8>]>>) -> anyhow::Result<Vec<Client>> {
    let next = Rc::new(Cell::new(0));
    let clients = Rc::new(RefCell::new(Vec::with_capacity(connections)));
    let local = LocalSet::new();
    let openers: Vec<_> = (0..OPENERS.min(connections))
        .map(|_| {
            let (next, clients, ask) = (next.clone(), clients.clone(), ask.cloned());
            local.spawn_local(async move {
                while next.get() < connections {
                    let number = next.replace(next.get() + 1);
                    let mut client = Client::connect(port).await?;
                    if let Some(questions) = &ask {
                        client.ask(&questions[number % questions.len()]).await?;
                    }
                    clients.borrow_mut().push(client);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    let all = local.run_until(async {
        for opener in openers {
            opener.await??;
        }
        anyhow::Ok(())
    });
    tokio::time::timeout(Duration::from_secs(120), all).await.context("the connections took too long")??;
    Ok(clients.take())
}

/// What a run of load came to.
pub struct Run {
    /// Every answer that came, in and around the measured time.
    pub answered: u64,
    /// The answers of the measured time.
    pub counted: u64,
    /// How long was measured.
    pub time: Duration,
    /// Microseconds from question to answer within the measured time, ascending.
    waits: Vec<u32>,
}

impl Run {
    /// Both, as if they had been one.
    pub fn and(mut self, other: Run) -> Run {
        self.waits.extend(other.waits);
        self.waits.sort_unstable();
        Run {
            answered: self.answered + other.answered,
            counted: self.counted + other.counted,
            time: self.time + other.time,
            waits: self.waits,
        }
    }

    pub fn rate(&self) -> f64 {
        self.counted as f64 / self.time.as_secs_f64()
    }

    /// The milliseconds that this part of the questions waited at most.
    pub fn wait(&self, part: f64) -> f64 {
        let at = ((self.waits.len() as f64 * part) as usize).min(self.waits.len().saturating_sub(1));
        f64::from(self.waits.get(at).copied().unwrap_or_default()) / 1e3
    }
}

struct Tally {
    counting: Cell<bool>,
    over: Cell<bool>,
    asked: Cell<u64>,
    answered: Cell<u64>,
    waits: RefCell<Vec<u32>>,
}

/// Asks on these connections, a while unmeasured and then for `measured`. Every question that was asked is answered
/// when this returns, and the clients are there again. With it comes what `look` saw at the beginning and at the end of the
/// measured time.
pub async fn run<T>(
    clients: &mut Vec<Client>,
    questions: &Rc<[Vec<u8>]>,
    unmeasured: Duration,
    measured: Duration,
    look: impl Fn() -> anyhow::Result<T>,
) -> anyhow::Result<(Run, T, T)> {
    let tally = Rc::new(Tally {
        counting: Cell::new(false),
        over: Cell::new(false),
        asked: Cell::new(0),
        answered: Cell::new(0),
        waits: RefCell::default(),
    });
    let local = LocalSet::new();
    let talks: Vec<_> = clients
        .drain(..)
        .enumerate()
        .map(|(number, client)| {
            // Neighbours are at different places of the list.
            let first = number * 7;
            local.spawn_local(talk(client, questions.clone(), first, tally.clone()))
        })
        .collect();
    local
        .run_until(async {
            tokio::time::sleep(unmeasured).await;
            let (before, begin, answered) = (look()?, Instant::now(), tally.answered.get());
            tally.counting.set(true);
            tokio::time::sleep(measured).await;
            tally.counting.set(false);
            let (after, time, counted) = (look()?, begin.elapsed(), tally.answered.get() - answered);
            tally.over.set(true);
            let all = async {
                for talk in talks {
                    clients.push(talk.await??);
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(PATIENCE, all).await.context("some questions were never answered")??;
            let mut waits = tally.waits.take();
            waits.sort_unstable();
            Ok((Run { answered: tally.answered.get(), counted, time, waits }, before, after))
        })
        .await
}

async fn talk(mut client: Client, questions: Rc<[Vec<u8>]>, first: usize, tally: Rc<Tally>) -> anyhow::Result<Client> {
    while !tally.over.get() && tally.asked.get() < MOST {
        tally.asked.set(tally.asked.get() + 1);
        let question = &questions[(first + client.asked) % questions.len()];
        client.asked += 1;
        let begin = Instant::now();
        client.ask(question).await?;
        tally.answered.set(tally.answered.get() + 1);
        if tally.counting.get() {
            let wait = u32::try_from(begin.elapsed().as_micros()).unwrap_or(u32::MAX);
            tally.waits.borrow_mut().push(wait);
        }
    }
    Ok(client)
}
