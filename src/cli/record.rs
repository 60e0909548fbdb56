//! `purser record`: stored conversations as recordings, with what leads to a person replaced.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::small_runtime;
use super::traffic::{PAGE, Place, back};
use crate::config::Config;
use crate::conversation::{ConversationId, Seq};
use crate::recording::disguise::{Disguise, Doubt};
use crate::recording::{Action, Expected, Recording};
use crate::store::{Logged, Store};

/// Events of a conversation that are read at a time.
const EVENTS: u32 = 1_000;

/// What `purser record` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// The conversations
    #[arg(value_name = "ID", required_unless_present = "since", conflicts_with = "since")]
    ids: Vec<Uuid>,
    /// All conversations in which something happened since, such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = back)]
    since: Option<i64>,
    /// Write a file for each into this folder, and not to standard output
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// What the answers must be in a replay
    #[arg(long, value_name = "WHAT", default_value = "text")]
    expect: What,
    /// Leave names, e-mail, telephone and parcel numbers and addresses as they are
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    place: Place,
}

/// What a recording says of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Who answered, and every word
    Text,
    /// Who answered
    Entry,
    /// Nothing
    Nothing,
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.place.flags()
    }
}

/// Writes the recordings; what is doubtful is listed on standard error.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(
        options.to.is_some() || (options.since.is_none() && options.ids.len() == 1),
        "several recordings need a folder: `--to DIR`"
    );
    if let Some(folder) = &options.to {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    small_runtime()?.block_on(async {
        let store = Store::open_to_read(&config.database).await?;
        let done = record(&store, options).await;
        store.close().await;
        done
    })
}

async fn record(store: &Store, options: &Options) -> anyhow::Result<ExitCode> {
    let mut count = 0_usize;
    for id in options.ids.iter().copied().map(ConversationId) {
        let logged = whole(store, id).await?;
        if logged.events.is_empty() {
            bail!("there is no conversation {id} in this store");
        }
        count += usize::from(write(&logged, options)?);
    }
    if let Some(since) = options.since {
        let mut after = None;
        loop {
            let page = store.logged(after, since, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for logged in &page {
                count += usize::from(write(logged, options)?);
            }
        }
    }
    if let Some(folder) = &options.to {
        eprintln!("{count} recordings written to {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn whole(store: &Store, id: ConversationId) -> anyhow::Result<Logged> {
    let mut events = Vec::new();
    let mut after: Seq = 0;
    loop {
        let page = store.events_after(id, after, EVENTS).await?;
        let Some(last) = page.last() else { return Ok(Logged { id, events }) };
        after = last.seq;
        events.extend(page);
    }
}

/// Writes the recording of a conversation; false if nobody said anything in it.
fn write(logged: &Logged, options: &Options) -> anyhow::Result<bool> {
    let mut recording = Recording::from_events(&logged.events);
    if !recording.conversation.iter().any(|step| matches!(step.action, Action::Say { .. } | Action::Press(_))) {
        return Ok(false);
    }
    for step in &mut recording.conversation {
        step.answer = match (options.expect, step.answer.take()) {
            (What::Text, answer) => answer,
            (What::Entry, Some(answer)) => {
                let Expected { responder, entry, .. } = answer;
                Some(Expected { responder, entry, ..Expected::default() })
            }
            _ => None,
        };
    }
    let doubts = if options.plain { Vec::new() } else { Disguise::recording(&mut recording) };
    let Some(folder) = &options.to else {
        io::stdout().write_all(recording.to_string().as_bytes())?;
        listed("standard output", &doubts);
        return Ok(true);
    };
    let file = folder.join(format!("{}.yaml", name(logged, options)));
    write_new(&file, &recording.to_string())?;
    listed(&file.display().to_string(), &doubts);
    Ok(true)
}

/// The id names the conversation of a person, so a disguised recording has another name: the same each time.
fn name(logged: &Logged, options: &Options) -> String {
    if options.plain {
        return logged.id.to_string();
    }
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(logged.id.0.as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn listed(file: &str, doubts: &[Doubt]) {
    for Doubt { span, why } in doubts {
        eprintln!("{file}: please look at \"{}\": {why}", super::compare::one_line(span, 60));
    }
}
