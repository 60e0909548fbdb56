//! `purser content`: the content sets that went live, and the way back to one.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::small_runtime;
use crate::clock::Clock;
use crate::config::Config;
use crate::content::{on_disk, put_back};
use crate::conversation::Millis;
use crate::store::{ContentSet, Store};

/// What `purser content` takes.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Place {
    /// The store that the sets are in [default: sqlite://purser.db]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    database: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sets, the latest first
    List {
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Show the files of a set, or one of them
    Show {
        /// The revision, or its first digits
        revision: String,
        /// A file of the set
        file: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Write the files of a set back into the folders; what they replace is moved into .replaced-TIME beside it
    Rollback {
        /// The revision, or its first digits
        revision: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let (Command::List { place, .. } | Command::Show { place, .. } | Command::Rollback { place, .. }) =
            &self.command;
        place.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// Lists, shows or rolls back.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    small_runtime()?.block_on(async {
        let store = Store::open_to_read(&config.database).await?;
        let done = match &options.command {
            Command::List { limit, .. } => list(&store, *limit).await,
            Command::Show { revision, file, .. } => show(&store, revision, file.as_deref()).await,
            Command::Rollback { revision, .. } => rollback(&store, config, revision).await,
        };
        store.close().await;
        done.map(|()| ExitCode::SUCCESS)
    })
}

async fn list(store: &Store, limit: u32) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let sets = store.content_sets(limit).await?;
    if sets.is_empty() {
        writeln!(out, "nothing went live on this store yet")?;
    }
    for set in sets {
        writeln!(out, "{}  {}  {} files", set.revision, when(set.at), set.files)?;
    }
    Ok(())
}

async fn show(store: &Store, revision: &str, file: Option<&str>) -> anyhow::Result<()> {
    let set = wanted(store, revision).await?;
    let mut out = io::stdout().lock();
    let Some(file) = file else {
        writeln!(out, "{}  {}", set.revision, when(set.at))?;
        for (path, bytes) in &set.files {
            writeln!(out, "{:>8}  {path}", bytes.len())?;
        }
        return Ok(());
    };
    match set.files.get(file) {
        Some(bytes) => Ok(out.write_all(bytes)?),
        None => bail!("the set {} has no file {file}; `purser content show {0}` lists them", set.revision),
    }
}

async fn rollback(store: &Store, config: &Config, revision: &str) -> anyhow::Result<()> {
    let set = wanted(store, revision).await?;
    let folders = crate::app::folders(config);
    let before = on_disk(&folders);
    let replaced = before.iter().filter(|(path, bytes)| set.files.get(*path) != Some(bytes));
    let aside = format!(".replaced-{}", when(Clock::System.now()).replace(':', ""));
    let mut kept = BTreeSet::new();
    for (path, bytes) in replaced {
        let (folder, rest) = in_folder(config, path);
        let file = folder.join(&aside).join(rest);
        write_new(&file, bytes).with_context(|| format!("cannot keep {path} in {}", file.display()))?;
        kept.insert(folder.join(&aside));
    }
    put_back(&folders, &set.files).context("not all files could be written back")?;

    let mut out = io::stdout().lock();
    let paths: BTreeSet<&String> = before.keys().chain(set.files.keys()).collect();
    let mut changes = 0;
    for path in paths {
        let mark = match (before.get(path), set.files.get(path)) {
            (Some(before), Some(after)) if before == after => continue,
            (Some(_), Some(_)) => "changed ",
            (Some(_), None) => "removed ",
            _ => "added   ",
        };
        let (folder, rest) = in_folder(config, path);
        writeln!(out, "{mark} {}", folder.join(rest).display())?;
        changes += 1;
    }
    if changes == 0 {
        return Ok(writeln!(out, "the folders hold {} already", set.revision)?);
    }
    for folder in kept {
        writeln!(out, "\nWhat was replaced is in {}", folder.display())?;
    }
    writeln!(out, "\nThe folders hold {} now; a running server takes it within a second.", set.revision)?;
    Ok(())
}

/// The folder that a file of a set lies in, and its path there.
fn in_folder<'a>(config: &'a Config, path: &'a str) -> (&'a Path, &'a str) {
    match path.split_once('/') {
        Some(("plugins", rest)) => (&config.plugins, rest),
        Some((_, rest)) => (&config.faq, rest),
        None => (&config.faq, path),
    }
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create_new(file)?.write_all(bytes)
}

/// The set of a revision, or the reason why there is none.
async fn wanted(store: &Store, revision: &str) -> anyhow::Result<ContentSet> {
    let set = store.content_set(revision).await?;
    set.with_context(|| {
        format!("no set {revision} went live on this store; `purser content list` shows those that did")
    })
}

/// "2026-03-02T09:00:00Z".
fn when(at: Millis) -> String {
    let time = OffsetDateTime::from_unix_timestamp(at / 1_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| at.to_string())
}
