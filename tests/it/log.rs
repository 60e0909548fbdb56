//! What purser logs, at its most talkative, while all other tests run: never what was said, and never a token.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use aho_corasick::AhoCorasick;
use purser::log::{Format, lines};
use serde_json::Value;
use tracing_subscriber::prelude::*;

use crate::cli::{Served, Site};
use crate::harness::{Typed, Visitor};

/// Shorter texts may be words of a line by chance.
const LONG_ENOUGH: usize = 12;
/// Tests that say more say the same kind of thing.
const KEPT: usize = 5_000;
/// What stands in content files is no secret, and these lines are about it.
const ABOUT_CONTENT: &[u8] = b"\"target\":\"purser::content";

#[derive(Default)]
struct Log {
    /// Lines that were not looked through yet.
    fresh: Vec<u8>,
    /// What must not be in them, as JSON would write it.
    said: HashSet<String>,
}

static LOG: Mutex<Option<Log>> = Mutex::new(None);

/// Takes what is logged in this process from now on.
pub fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        *log() = Some(Log::default());
        let lines = lines("trace", Format::Json, || Taker, false).expect("a level");
        tracing_subscriber::registry().with(lines).init();
    });
}

/// A customer says this, or has it as a token.
pub fn said(text: &str) {
    if let Some(log) = &mut *log() {
        log.said(text);
    }
}

/// Fails if anything that was said stands in the log since the last look.
pub fn check() {
    let fresh = log().as_mut().map(Log::take).unwrap_or_default();
    if let Some(line) = fresh.leak() {
        panic!("what was said is in the log: {line}");
    }
}

fn log() -> MutexGuard<'static, Option<Log>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    fn said(&mut self, text: &str) {
        if text.len() >= LONG_ENOUGH && self.said.len() < KEPT {
            let json = Value::from(text).to_string();
            self.said.insert(json[1..json.len() - 1].to_owned());
        }
    }

    /// What is fresh, to be looked through without keeping others from logging.
    fn take(&mut self) -> Log {
        Log { fresh: std::mem::take(&mut self.fresh), said: self.said.clone() }
    }

    fn leak(&self) -> Option<String> {
        let said = AhoCorasick::new(&self.said).expect("patterns");
        let about_content = |line: &[u8]| line.windows(ABOUT_CONTENT.len()).any(|window| window == ABOUT_CONTENT);
        let mut leaks = self.fresh.split(|byte| *byte == b'\n').filter(|line| said.is_match(*line));
        leaks.find(|line| !about_content(line)).map(|line| String::from_utf8_lossy(line).into_owned())
    }
}

struct Taker;

impl Write for Taker {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(log) = &mut *log() {
            log.fresh.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_leak_would_be_found() {
    let mut log = Log::default();
    log.said("where is \"my\" parcel?");
    for (line, leaks) in [
        (r#"{"target":"purser::desk","message":"answered"}"#, false),
        (r#"{"target":"purser::desk","message":"where is \"my\" parcel?"}"#, true),
        (r#"{"target":"purser::content","message":"where is \"my\" parcel?"}"#, false),
    ] {
        log.fresh = format!("{{}}\n{line}\n").into_bytes();
        assert_eq!(log.leak().is_some(), leaks, "{line}");
    }
}

/// A chat with a server in its own process that logs all it can: its lines on standard error.
async fn logged(site: &Site, arguments: &[&str]) -> (Visitor, String) {
    let mut served = Served::start_with(site, arguments);
    let log = served.standard_error();
    let visitor = Visitor::new();
    let mut socket = Typed::connect(served.address()).await;
    socket.hello(&visitor, 0).await;
    socket.ask("m1", "what do you charge for a parcel to Reykjavik?").await;
    socket.say("m2", &"long winter evenings ".repeat(200)).await;
    socket.hear("error").await;
    drop(socket);
    assert_eq!(tokio::task::spawn_blocking(move || served.stop()).await.expect("no panic"), 0);
    (visitor, log.join().expect("no panic"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_carry_the_conversation_and_nothing_that_was_said() {
    let site = Site::starter();
    let (visitor, text) = logged(&site, &["--log", "trace"]).await;
    for secret in ["Reykjavik", "winter evenings", &*visitor.token] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    let answered = text.lines().find(|line| line.contains("answered")).expect("a line about the answer");
    assert!(answered.contains(&format!("conversation={}", visitor.conversation)), "{answered}");

    site.write("purser.yaml", "log_format: json\nlog: trace\n");
    let (visitor, json) = logged(&site, &[]).await;
    assert!(!json.contains("Reykjavik") && !json.contains(&visitor.token));
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").expect("a line about the answer");
    assert_eq!(answered["conversation"], visitor.conversation.to_string());
    assert!(answered["responder"].is_string() && answered["level"] == "DEBUG" && answered["timestamp"].is_string());
}
