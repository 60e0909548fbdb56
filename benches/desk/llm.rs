//! What purser adds to the time until the first words of a model are with the customer, next to asking the same model
//! bare.
//!
//! The model is a thread of this program, so that one clock tells when a question was asked, when the model had heard it,
//! when it said its first words, and when they were with the customer. What it takes to think is its own; the rest of
//! the time is added, by purser or by the sockets on both sides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use uuid::Uuid;

use super::load::{Client, frame};
use super::report::Report;
use super::server::{Home, cpu};

/// How long the model takes to its first words.
const THINKS: Duration = Duration::from_millis(40);
const QUESTIONS: u64 = 300;
/// Customers who ask at the same time: as many calls as there are at once by default.
const AT_ONCE: u64 = 8;
/// Words after the first ones, each a piece of its own.
const WORDS: u64 = 60;
const GOAL_MILLIS: f64 = 5.0;

/// An entry is named, and a word is complete: nothing is shown before.
const FIRST: &str = "[1] We deliver ";

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let model = Model::start()?;
    let home = Home::new()?;
    let settings = format!(
        "pipeline: [llm, person]\nllm: {{ url: \"http://127.0.0.1:{}/v1\", model: bench, about: a carrier of parcels, \
         visitor_tokens: 4000000000, day_tokens: 4000000000 }}\n",
        model.port
    );
    home.write("purser.yaml", &settings)?;
    let purser = home.purser(&home.sqlite())?;

    report.note("the model asked bare");
    let mut bare = Added::default();
    let mut stream = TcpStream::connect(("127.0.0.1", model.port)).await?;
    stream.set_nodelay(true)?;
    for ticket in 0..QUESTIONS {
        let begin = Instant::now();
        let first = ask_bare(&mut stream, ticket).await?;
        bare.add(begin, first, model.times(ticket)?);
    }

    report.note("first questions of chats");
    let mut first = Added::default();
    for ticket in 0..QUESTIONS {
        talk(purser.port, ticket..ticket + 1, &model, &mut first).await?;
    }
    report.note("questions of one chat");
    let mut further = Added::default();
    let before = cpu(purser.pid())?;
    talk(purser.port, 0..QUESTIONS, &model, &mut further).await?;
    let used = (cpu(purser.pid())? - before) / (QUESTIONS * (WORDS + 1)) as f64;

    report.note(&format!("{AT_ONCE} customers at once"));
    let local = LocalSet::new();
    let each = QUESTIONS / AT_ONCE;
    let talks: Vec<_> = (0..AT_ONCE)
        .map(|customer| {
            let (port, model) = (purser.port, model.clone());
            local.spawn_local(async move {
                let mut added = Added::default();
                talk(port, customer * each..(customer + 1) * each, &model, &mut added).await?;
                anyhow::Ok(added)
            })
        })
        .collect();
    let together = local.run_until(async {
        let mut all = Added::default();
        for talk in talks {
            all.extend(talk.await??);
        }
        anyhow::Ok(all)
    });
    let together = together.await?;
    purser.stop()?;

    let mut rows = vec![bare.row("the model asked bare", None)];
    for (name, added) in [
        ("first question of a chat", first),
        ("in one chat", further),
        (&format!("{AT_ONCE} customers at once"), together),
    ] {
        rows.push(added.row(name, Some(report)));
    }
    report.print(
        &format!(
            "A model that says its first words after {} ms: what is added until the customer has them (SQLite), and \
             {used:.0} µs of CPU for each piece of an answer",
            THINKS.as_millis()
        ),
        &["", "ms, the middle", "goal", "p99", "to the model", "back"],
        &rows,
    );
    Ok(())
}

/// What was added to the time of the model, in milliseconds, question by question: before it, and after it.
#[derive(Default)]
struct Added(Vec<(f64, f64)>);

impl Added {
    fn add(&mut self, asked: Instant, first: Instant, (heard, spoke): (Instant, Instant)) {
        let millis = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1e3;
        self.0.push((millis(asked, heard), millis(spoke, first)));
    }

    fn extend(&mut self, other: Added) {
        self.0.extend(other.0);
    }

    /// With a goal if it is one of purser's.
    fn row(&self, name: &str, report: Option<&mut Report>) -> Vec<String> {
        let at = |part: f64, of: fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f64> = self.0.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get((all.len() as f64 * part) as usize).copied().unwrap_or_default()
        };
        let sum = |(before, after): &(f64, f64)| before + after;
        let middle = at(0.5, sum);
        let [value, goal] = match report {
            Some(report) => report.at_most(&format!("ms added, {name}"), middle, GOAL_MILLIS, 2),
            None => [format!("{middle:.2}"), String::new()],
        };
        let [late, before, after] = [at(0.99, sum), at(0.5, |(before, _)| *before), at(0.5, |(_, after)| *after)];
        vec![name.to_owned(), value, goal, format!("{late:.2}"), format!("{before:.2}"), format!("{after:.2}")]
    }
}

/// One customer, who asks these questions one after the other in a chat of their own.
async fn talk(port: u16, tickets: std::ops::Range<u64>, model: &Model, added: &mut Added) -> anyhow::Result<()> {
    let mut client = Client::connect_typed(port).await?;
    let (token, conversation) = (Uuid::new_v4().simple(), Uuid::now_v7());
    let hello = format!(r#"{{"type":"hello","token":"{token}{token}","conversation":"{conversation}","seq":0}}"#);
    client.send(&frame(&hello)).await?;
    client.hear(r#""welcome""#).await?;
    for ticket in tickets {
        let text = format!("is there delivery on saturdays, ticket {ticket}.");
        let say = frame(&format!(r#"{{"type":"say","client_id":"{}","text":"{text}"}}"#, Uuid::new_v4().simple()));
        let asked = Instant::now();
        client.send(&say).await?;
        let part = client.hear(r#""part""#).await?;
        let first = Instant::now();
        ensure!(part.contains("We deliver"), "the first words are others: {part}");
        added.add(asked, first, model.times(ticket)?);
        let answer = client.hear(r#""author":"bot""#).await?;
        ensure!(answer.contains("We deliver"), "the answer is not the model's: {answer}");
    }
    Ok(())
}

/// Asks the model as purser does, but for everything around it. Gives when its first words are there.
async fn ask_bare(stream: &mut TcpStream, ticket: u64) -> anyhow::Result<Instant> {
    let rules = "Answer only from the numbered sources below. ".repeat(100);
    let body = format!(
        r#"{{"messages":[{{"role":"system","content":"{rules}"}},{{"role":"user","content":"ticket {ticket}."}}],"stream":true}}"#
    );
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let (mut came, mut first) = (Vec::new(), None);
    while !came.ends_with(b"\r\n0\r\n\r\n") {
        ensure!(stream.read_buf(&mut came).await? > 0, "the model went away");
        if first.is_none() && came.windows(FIRST.len()).any(|window| window == FIRST.as_bytes()) {
            first = Some(Instant::now());
        }
    }
    first.context("the model said something else")
}

/// When the model had heard a question, and when it said its first words.
type Times = (Instant, Instant);

/// A model on a thread of its own, as long as this program runs.
#[derive(Clone)]
struct Model {
    port: u16,
    /// By the tickets that the questions name.
    times: Arc<Mutex<HashMap<u64, Times>>>,
}

impl Model {
    fn start() -> anyhow::Result<Model> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let model = Model { port: listener.local_addr()?.port(), times: Arc::default() };
        let times = model.times.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            let ended = runtime.block_on(async move {
                let listener = TcpListener::from_std(listener)?;
                accept(listener, times).await
            });
            ended.expect("it can listen");
        });
        Ok(model)
    }

    /// Those of a question, which may be asked again after that.
    fn times(&self, ticket: u64) -> anyhow::Result<Times> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.remove(&ticket).with_context(|| format!("the model has not heard question {ticket}"))
    }
}

async fn accept(listener: TcpListener, times: Arc<Mutex<HashMap<u64, Times>>>) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Whoever goes away is nothing to stop for.
        tokio::spawn(serve(stream, times.clone()));
    }
}

async fn serve(mut stream: TcpStream, times: Arc<Mutex<HashMap<u64, Times>>>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut came: Vec<u8> = Vec::with_capacity(16 << 10);
    loop {
        let (body, end) = loop {
            if let Some((body, end)) = request(&came) {
                break (body, end);
            }
            if stream.read_buf(&mut came).await? == 0 {
                return Ok(());
            }
        };
        let heard = Instant::now();
        let text = std::str::from_utf8(&came[body..end])?;
        // The last one: those before are in the past of the conversation.
        let (_, ticket) = text.rsplit_once("ticket ").context("a ticket")?;
        let ticket: u64 = ticket.split('.').next().unwrap_or_default().parse()?;
        came.drain(..end);
        tokio::time::sleep(THINKS).await;
        let piece = |text: &str, end: &str| {
            let data = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}{end}}}]}}\n\n");
            format!("{:x}\r\n{data}\r\n", data.len())
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let first = format!("{head}{}", piece(FIRST, ""));
        times.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, (heard, Instant::now()));
        stream.write_all(first.as_bytes()).await?;
        for _ in 0..WORDS {
            stream.write_all(piece("parcels, ", "").as_bytes()).await?;
        }
        let end = piece("too.", r#","finish_reason":"stop""#);
        // As servers do it: the stream says that it is over, and then it is.
        let done = "data: [DONE]\n\n";
        let done = format!("{:x}\r\n{done}\r\n", done.len());
        stream.write_all(format!("{end}{done}").as_bytes()).await?;
        stream.write_all(b"0\r\n\r\n").await?;
    }
}

/// Where the body of the first request begins and ends; `None` if it is not there as a whole.
fn request(came: &[u8]) -> Option<(usize, usize)> {
    let body = came.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&came[..body]).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
    (came.len() >= body + length).then_some((body, body + length))
}
