//! `purser record`: stored conversations as recordings, with what leads to a person replaced.

use std::collections::BTreeMap;
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
use crate::conversation::ConversationId;
use crate::recording::Expected;
use crate::recording::disguise::Doubt;
use crate::recording::taken::{Taken, has_tag, known, whole};
use crate::store::{Logged, Store};

/// What `purser record` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// The conversations
    #[arg(value_name = "ID", required_unless_present_any = ["since", "tag"], conflicts_with_all = ["since", "tag"])]
    ids: Vec<Uuid>,
    /// All conversations in which something happened since, such as 7d or 12h
    #[arg(long, value_name = "TIME", value_parser = back)]
    since: Option<i64>,
    /// All conversations that agents have tagged so; with `--since`, of those
    #[arg(long)]
    tag: Option<String>,
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
    pub place: Place,
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

/// Writes the recordings; what is doubtful is listed on standard error.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(options.to.is_some() || options.ids.len() == 1, "several recordings need a folder: `--to DIR`");
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
        let logged = Logged { id, events: whole(store, id).await? };
        if logged.events.is_empty() {
            bail!("there is no conversation {id} in this store");
        }
        count += usize::from(write(&logged, known(store, id).await?, options)?);
    }
    if options.ids.is_empty() {
        let since = options.since.unwrap_or(0);
        let mut after = None;
        loop {
            let page = store.logged(after, since, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            let wanted = |logged: &&Logged| options.tag.as_ref().is_none_or(|tag| has_tag(&logged.events, tag));
            for logged in page.iter().filter(wanted) {
                count += usize::from(write(logged, known(store, logged.id).await?, options)?);
            }
        }
    }
    if let Some(folder) = &options.to {
        eprintln!("{count} recordings written to {}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the recording of a conversation; false if nobody said anything in it.
fn write(logged: &Logged, known: BTreeMap<String, String>, options: &Options) -> anyhow::Result<bool> {
    let Some(taken) = Taken::of(logged.id, &logged.events, known, options.plain) else { return Ok(false) };
    let Taken { mut recording, doubts, name } = taken;
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
    let Some(folder) = &options.to else {
        io::stdout().write_all(recording.to_string().as_bytes())?;
        listed("standard output", &doubts);
        return Ok(true);
    };
    let file = folder.join(format!("{name}.yaml"));
    write_new(&file, &recording.to_string())?;
    listed(&file.display().to_string(), &doubts);
    Ok(true)
}

fn write_new(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn listed(file: &str, doubts: &[Doubt]) {
    for Doubt { span, why } in doubts {
        eprintln!("{file}: please look at \"{}\": {why}", super::compare::one_line(span, 60));
    }
}
