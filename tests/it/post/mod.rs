//! What purser sends by itself: mail, to a real SMTP server, and calls of webhooks.

mod browser;
mod hooks;
mod killed;
mod mail;
mod way_back;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use purser::config::{Config, Flags};
use purser::post::PostSpec;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::harness::within;

/// A mail server that runs.
pub struct MailServer {
    pub port: u16,
    lines: UnboundedReceiver<String>,
    process: Child,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl MailServer {
    /// One that answers mails like this, in their order; the last answer counts for all that follow. `None`, with a line
    /// that says so, where it is not installed.
    pub async fn start(answers: &[&str]) -> Option<MailServer> {
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/python/bin/python");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mail_server.py");
        let mut command = Command::new(python);
        command.arg(script).args(answers).stdin(Stdio::piped()).stdout(Stdio::piped());
        let first = match command.spawn() {
            Ok(mut process) => {
                let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
                let (say, lines) = unbounded_channel();
                std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
                let mut server = MailServer { port: 0, lines, process };
                within("the mail server", server.lines.recv()).await.map(|line| (server, line))
            }
            Err(_) => None,
        };
        let Some((mut server, first)) = first else {
            eprintln!("SKIPPED: aiosmtpd is not there; `tests/run` installs it");
            return None;
        };
        let first: Value = serde_json::from_str(&first).expect("JSON");
        server.port = first["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Some(server)
    }

    /// The next mail that it gets.
    pub async fn mail(&mut self) -> Value {
        let line = within("a mail", self.lines.recv()).await.expect("it runs");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The configuration's mail, with further keys.
    pub fn spec(&self, more: &str) -> PostSpec {
        spec(&format!(
            "mail:\n  host: 127.0.0.1\n  port: {}\n  tls: none\n  from: Example Shipping <chat@example.com>\n  {more}\n",
            self.port
        ))
    }
}

/// What a configuration like this sends.
pub fn spec(yaml: &str) -> PostSpec {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purser.yaml");
    std::fs::write(&file, yaml).expect("a file");
    Config::load(Some(&file), [("SECRET".to_owned(), SECRET.to_owned())], &Flags::default()).expect("it is right").post
}

/// What everything here is signed with.
pub const SECRET: &str = "a secret of thirty-two bytes, or more";
