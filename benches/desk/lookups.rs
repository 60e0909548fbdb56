//! What look-ups cost that wait for their source, all at once: threads, memory, and what the answers beside them notice.
//!
//! The source holds every request until it is told to answer, so that all of them are in flight at the same time: with
//! 200 ms each that would otherwise take 25,000 new ones a second.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::load::{self, Client};
use super::report::Report;
use super::server::{Home, Server, get, memory, threads};

/// Makes this program the source.
pub const SOURCE: &str = "--source";

const LOOKUPS: usize = 5_000;
/// How long the source takes once it answers.
const TAKES: Duration = Duration::from_millis(200);
/// Connections that ask what the FAQ answers.
const BESIDE: usize = 20;
const UNMEASURED: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);
/// The p99 of one such time differs from that of the next by a third with nothing in flight, so it is that in the middle.
const TIMES: usize = 7;
const GOAL_KIB: f64 = 20.0;
const GOAL_RATIO: f64 = 1.5;

const SCRIPT: &str = "fn answer(turn) {
    if !turn.text.starts_with(\"ask the slow source \") { return pass(); }
    let found = lookup(\"slow\", #{ n: digits(turn.text) });
    if is_error(found) { pass() } else { reply(found.said) }
}
";

pub async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let source = Server::source()?;
    let home = Home::new()?;
    home.write("plugins/slow/plugin.yaml", "api: 1\nabout: waits for a source\nsources: [slow]\n")?;
    home.write("plugins/slow/main.rhai", SCRIPT)?;
    home.write("plugins/slow/tests.yaml", "tests: []\n")?;
    let port = source.port;
    let settings = format!(
        "sources:\n  slow: {{ get: \"http://127.0.0.1:{port}/slow?n={{n}}\", private: [127.0.0.1], seconds: 60 }}\n\
         limits: {{ lookups: {}, answer_seconds: 60 }}\n",
        2 * LOOKUPS
    );
    home.write("purser.yaml", &settings)?;
    let purser = home.purser_with(&home.sqlite(), &home.path("plugins"))?;
    let questions = load::questions();

    report.note(&format!("{BESIDE} connections that ask the FAQ, {LOOKUPS} that are idle"));
    let waiting = load::open(purser.port, LOOKUPS, Some(&questions)).await?;
    let without = wait_beside(purser.port, &questions).await?;
    let idle = (memory(purser.pid())?, threads(purser.pid())?);

    report.note(&format!("the same beside {LOOKUPS} look-ups in flight"));
    let asks = LocalSet::new();
    let answered = Rc::new(Cell::new(0_usize));
    let asking = waiting.into_iter().enumerate();
    let asking: Vec<_> = asking.map(|(n, client)| asks.spawn_local(ask(client, n, answered.clone()))).collect();
    let all_asked = asks.run_until(async {
        for one in asking {
            one.await??;
        }
        anyhow::Ok(())
    });
    let measuring = async {
        while told(port, "/waiting").await? < LOOKUPS {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(answered.get() == 0, "{} were answered before the source was", answered.get());
        let busy = (memory(purser.pid())?, threads(purser.pid())?);
        let with = wait_beside(purser.port, &questions).await?;
        told(port, "/release").await?;
        anyhow::Ok((busy, with))
    };
    let (all_asked, measured) = tokio::join!(all_asked, measuring);
    all_asked?;
    let (busy, with) = measured?;
    purser.stop()?;

    let each = (busy.0 - idle.0) / LOOKUPS as f64;
    let memory = report.at_most("KiB a look-up in flight", each, GOAL_KIB, 1);
    let more = report.at_most("more threads", busy.1 - idle.1, 0.0, 0);
    let ratio = report.at_most("times p99 beside look-ups", with / without, GOAL_RATIO, 2);
    let row = |name: &str, [value, goal]: [String; 2]| vec![name.to_owned(), value, goal];
    report.print(
        &format!(
            "{LOOKUPS} look-ups by HTTP in flight at once; beside them {BESIDE} connections ask the FAQ, p99 {without:.2} ms \
             without and {with:.2} ms with them, each in the middle of {TIMES} times"
        ),
        &["", "", "goal"],
        &[row("KiB each", memory), row("more threads", more), row("times the p99", ratio)],
    );
    Ok(())
}

/// The p99 of what the FAQ answers, in milliseconds.
async fn wait_beside(port: u16, questions: &Rc<[Vec<u8>]>) -> anyhow::Result<f64> {
    let mut waits = Vec::new();
    for _ in 0..TIMES {
        let mut clients = load::open(port, BESIDE, None).await?;
        let (run, ..) = load::run(&mut clients, questions, UNMEASURED, MEASURED, || Ok(())).await?;
        waits.push(run.wait(0.99));
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits[TIMES / 2])
}

/// Each asks for something else: equal look-ups would be one.
async fn ask(mut client: Client, n: usize, answered: Rc<Cell<usize>>) -> anyhow::Result<()> {
    client.ask(&load::frame(&format!(r#"{{"message":"ask the slow source {n}"}}"#))).await?;
    answered.set(answered.get() + 1);
    Ok(())
}

/// Asks the source something beside the look-ups.
async fn told(port: u16, path: &str) -> anyhow::Result<usize> {
    get(port, path).await?.parse().context("the source says no number")
}

/// A source that holds what it is asked, until it is asked for `/release`.
pub fn serve_source() -> anyhow::Result<()> {
    super::server::raise_file_limit();
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        let (waiting, (release, released)) = (watch::Sender::new(0_usize), watch::channel(false));
        let release = Rc::new(release);
        LocalSet::new()
            .run_until(async {
                loop {
                    let (stream, _) = listener.accept().await?;
                    let (waiting, release, released) = (waiting.clone(), release.clone(), released.clone());
                    // Whoever goes away is nothing to stop for.
                    tokio::task::spawn_local(async move { serve(stream, &waiting, &release, released).await });
                }
            })
            .await
    })
}

async fn serve(
    mut stream: TcpStream,
    waiting: &watch::Sender<usize>,
    release: &watch::Sender<bool>,
    mut released: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "it went away");
    }
    let body = if head.starts_with(b"GET /waiting") {
        waiting.borrow().to_string()
    } else if head.starts_with(b"GET /release") {
        release.send_replace(true);
        "1".to_owned()
    } else {
        waiting.send_modify(|waiting| *waiting += 1);
        released.wait_for(|released| *released).await?;
        tokio::time::sleep(TAKES).await;
        r#"{"said":"found"}"#.to_owned()
    };
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await?;
    Ok(())
}
