//! A node in a process of its own, which can be killed: this test program again, running one test.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use purser::app::{App, Tuning};
use purser::config::Config;
use purser::fanout::Pace;
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use serde::{Deserialize, Serialize};

use super::checker::answer_to;

/// What tells this program that it is a node.
const NODE: &str = "PURSER_TESTS_NODE";

/// How a node is wanted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    pub port: u16,
    pub database: String,
    pub redis: Option<String>,
    pub faq: String,
    pub gap_millis: u64,
    pub round_millis: u64,
    pub pages_backwards: bool,
    /// Slow answers can be read while they are written.
    pub writes_drafts: bool,
}

impl Spec {
    /// Starts the node and waits until it serves. `None` if it ended before, since its store is away for too long.
    pub fn start(&self, log: &Path) -> Option<Child> {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        // A file that may not grow is an error to it, as a full disk is, and not its end.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "faults::node::a_node", "--ignored", "--nocapture"])
            .env(NODE, serde_json::to_string(self).expect("JSON"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("this program again");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (ready, is_ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if line.contains("the node serves") {
                    let _ = ready.send(());
                }
            }
        });
        // The sender goes when the process ends.
        match is_ready.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => Some(child),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                None
            }
        }
    }
}

/// No test, but what a node's process runs.
#[test]
#[ignore = "is started by the fault suite"]
fn a_node() {
    let Ok(spec) = std::env::var(NODE) else { return };
    let spec: Spec = serde_json::from_str(&spec).expect("a spec");
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    log.with_max_level(tracing::Level::INFO).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut config = Config {
            database: spec.database.parse().expect("an address"),
            redis: spec.redis.map(|url| url.parse().expect("an address")),
            faq: spec.faq.into(),
            ..Config::default()
        };
        config.limits.off = true;
        config.limits.stop_seconds = 5;
        config.limits.return_seconds = 1;
        let pace = Pace {
            gap: Duration::from_millis(spec.gap_millis),
            round: Duration::from_millis(spec.round_millis),
            ..Pace::default()
        };
        let first: Vec<std::sync::Arc<dyn Responder>> =
            vec![std::sync::Arc::new(Sluggish { writes_drafts: spec.writes_drafts })];
        let tuning = Tuning { first, pace, pages_backwards: spec.pages_backwards, ..Tuning::default() };
        let app = App::build_with(config, tuning).await.expect("a node");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, spec.port));
        let listener = purser::web::listen(address).expect("the node's port");
        println!("the node serves");
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
        let stop = async move {
            terminated.recv().await;
        };
        app.run(listener, stop).await.expect("a good end");
    });
}

/// Answers every question, and takes as long as the question says: `slow 300 …`.
struct Sluggish {
    writes_drafts: bool,
}

/// A slow answer is written in so many pieces.
const PIECES: usize = 6;

impl Responder for Sluggish {
    fn name(&self) -> &str {
        "sluggish"
    }

    fn writes_drafts(&self) -> bool {
        self.writes_drafts
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            let text = answer_to(&turn.text);
            let slow = turn.text.strip_prefix("slow ").and_then(|rest| rest.split(' ').next()?.parse().ok());
            if let Some(time) = slow.map(Duration::from_millis) {
                let letters: Vec<char> = text.chars().collect();
                for letters in letters.chunks(letters.len().div_ceil(PIECES)) {
                    turn.drafts.iter().for_each(|drafts| drafts.write(&letters.iter().collect::<String>()));
                    tokio::time::sleep(time / PIECES as u32).await;
                }
            }
            Ok(Answer::Reply(Reply { text: text.into(), ..Reply::default() }))
        })
    }
}
