//! What agents at their consoles cost those who chat with the assistant: a message, memory, and what the consoles
//! themselves need. The lists are those of a busy day, each agent has a chat open, and customers write to people meanwhile.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use purser::accounts;
use purser::store::{AccountChange, DatabaseUrl, Role, change_account};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load;
use super::report::Report;
use super::server::{Home, Server, cpu, memory};

/// Consoles that are open.
const CONSOLES: [usize; 2] = [0, 50];
/// Customers who wait for a person, or have one: as many as a list holds.
const LISTED: usize = 200;
/// So often one of them writes: the lists change, and go to all consoles.
const WRITES_EVERY: Duration = Duration::from_millis(300);
const CUSTOMERS: usize = 50;
const IDLE: usize = 1_000;
const UNMEASURED: Duration = Duration::from_millis(1_500);
const MEASURED: Duration = Duration::from_secs(8);
const PASSWORD: &str = "a password of the bench";
/// How much dearer a message may be with all consoles open, in percent.
const GOAL: f64 = 10.0;

/// Questions that the assistant answers by itself: whoever calls a person gets no more answers from it.
const QUESTIONS: [&str; 3] =
    ["do you deliver on saturdays?", "how long does standard delivery take?", "which cards do you take?"];

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let questions: Rc<[Vec<u8>]> = QUESTIONS.iter().map(|question| load::question(question)).collect();
    let (mut rows, mut without) = (Vec::new(), None);
    for consoles in CONSOLES {
        report.note(&format!("{consoles} consoles"));
        let home = Home::new()?;
        let purser = home.purser(&home.sqlite())?;
        let database: DatabaseUrl = home.sqlite().parse()?;
        // What it takes to check a password stays with the server, and is no part of a console.
        let first = Agent::log_in(&purser, &database, consoles).await?;
        // Within six seconds purser knows that there is somebody to call.
        tokio::time::sleep(Duration::from_secs(8)).await;
        let calls: Rc<[Vec<u8>]> = [load::question("talk to a person")].into();
        let callers = load::open(purser.port, LISTED, Some(&calls)).await?;
        let waiting = first.waiting().await?;
        ensure!(waiting.len() == LISTED, "{} of {LISTED} customers wait", waiting.len());
        let writer = tokio::spawn(write_on(callers));
        let before = memory(purser.pid())?;
        let mut open = Vec::with_capacity(consoles);
        for (number, conversation) in waiting.iter().take(consoles).enumerate() {
            open.push(Agent::log_in(&purser, &database, number).await?.take(conversation).await?);
        }
        let readers: Vec<_> = open.into_iter().map(|stream| tokio::spawn(drain(stream))).collect();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let each = (memory(purser.pid())? - before) / consoles.max(1) as f64;
        let quiet = used(&purser, MEASURED).await?;

        let before = memory(purser.pid())?;
        let customers = load::open(purser.port, IDLE, Some(&questions)).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let idle = (memory(purser.pid())? - before) / customers.len() as f64;
        drop(customers);

        let mut clients = load::open(purser.port, CUSTOMERS, None).await?;
        let (run, from, to) = load::run(&mut clients, &questions, UNMEASURED, MEASURED, || cpu(purser.pid())).await?;
        let message = (to - from) / run.counted.max(1) as f64;
        let first = *without.get_or_insert(message);
        let more = (message / first - 1.0) * 100.0;
        ensure!(!writer.is_finished(), "nobody writes to people any more");
        writer.abort();
        let [value, goal] = report.at_most(&format!("% dearer with {consoles} consoles"), more, GOAL, 1);
        ensure!(readers.iter().all(|reader| !reader.is_finished()), "a console was closed");
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        rows.push(vec![
            consoles.to_string(),
            format!("{:.0}", run.rate()),
            format!("{:.1}", run.wait(0.99)),
            format!("{message:.1}"),
            value,
            goal,
            format!("{idle:.1}"),
            if consoles > 0 { format!("{each:.1}") } else { String::new() },
            format!("{:.2}", quiet / 10_000.0),
        ]);
        purser.stop()?;
    }
    report.print(
        &format!("Messages of {CUSTOMERS} customers while agents have their consoles open, {LISTED} chats in the lists (SQLite)"),
        &[
            "consoles",
            "a second",
            "p99 ms",
            "µs a message",
            "% dearer",
            "goal",
            "KiB an idle customer",
            "KiB a console",
            "% of a core, none asks",
        ],
        &rows,
    );
    Ok(())
}

/// The microseconds of CPU in a second while nothing is said.
async fn used(server: &Server, time: Duration) -> anyhow::Result<f64> {
    let before = cpu(server.pid())?;
    tokio::time::sleep(time).await;
    Ok((cpu(server.pid())? - before) / time.as_secs_f64())
}

/// The customers who called write on, one after the other.
async fn write_on(mut callers: Vec<load::Client>) -> anyhow::Result<()> {
    let text = load::question("hello, is somebody there?");
    let count = callers.len();
    for number in 0.. {
        callers[number % count].send(&text).await?;
        tokio::time::sleep(WRITES_EVERY).await;
    }
    Ok(())
}

/// An agent who has logged in.
struct Agent {
    port: u16,
    cookie: String,
}

impl Agent {
    async fn log_in(server: &Server, database: &DatabaseUrl, number: usize) -> anyhow::Result<Agent> {
        let login = format!("agent-{number}");
        let account = accounts::account(&login, &login, Role::Agent, PASSWORD).map_err(anyhow::Error::msg)?;
        ensure!(change_account(database, &AccountChange::Add(account, 0)).await?, "{login} is there already");
        let mut agent = Agent { port: server.port, cookie: String::new() };
        let body = format!(r#"{{"login":"{login}","password":"{PASSWORD}"}}"#);
        let answer = agent.request("POST /agent/login", &body).await?;
        let cookie = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default().to_owned())
        });
        agent.cookie = cookie.with_context(|| format!("{login} could not log in: {answer}"))?;
        Ok(agent)
    }

    /// The ids of the conversations that wait.
    async fn waiting(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.request("GET /agent/list?shelf=waiting", "").await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
        let list: serde_json::Value = serde_json::from_str(body).with_context(|| answer.clone())?;
        let rows = list["rows"].as_array().context("a list has rows")?;
        Ok(rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
    }

    /// Takes this conversation, and opens it in the console, whose stream is returned.
    async fn take(self, conversation: &str) -> anyhow::Result<TcpStream> {
        let body = format!(r#"{{"do":"take","conversation":"{conversation}"}}"#);
        let answer = self.request("POST /agent/act", &body).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(self.head(&format!("GET /agent/live?conversation={conversation}"), 0).as_bytes()).await?;
        let mut first = [0; 4_096];
        let read = stream.read(&mut first).await?;
        ensure!(first[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first[..read]));
        Ok(stream)
    }

    async fn request(&self, what: &str, body: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let head = self.head(what, body.len()).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn head(&self, what: &str, length: usize) -> String {
        let Agent { port, cookie } = self;
        format!(
            "{what} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nX-Purser-Console: 1\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    }
}

/// Reads what comes, as a browser would.
async fn drain(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1_024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
