//! `purser backup` and `purser restore`: everything of a site in a file, and back.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;

use super::moving::Shown;
use super::small_runtime;
use crate::attachments::PlaceSpec;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{backup_site, restore_site};

/// What `purser backup` takes.
#[derive(Debug, Args)]
pub struct Backup {
    /// The file to write; it must not be there yet
    file: PathBuf,
    /// The database [default: that of purser.yaml, or sqlite://purser.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// What `purser restore` takes.
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    file: PathBuf,
    /// Delete what purser has in the database, and put the backup in its place
    #[arg(long)]
    replace: bool,
    /// The database [default: that of purser.yaml, or sqlite://purser.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl Backup {
    /// What the options set.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

impl Restore {
    /// What the options set.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// Writes a backup, also while purser runs.
pub fn run(config: &Config, Backup { file, .. }: &Backup) -> anyhow::Result<ExitCode> {
    let (from, began) = (&config.database, Instant::now());
    let mut shown = Shown::new();
    let now = Clock::System.now();
    let saved = small_runtime()?.block_on(backup_site(from, file, now, |progress| shown.show(progress)));
    shown.clear();
    let saved = saved.with_context(|| format!("there is no backup of {from}"))?;
    let rows: u64 = saved.tables.iter().map(|(_, rows)| rows).sum();
    let mut out = io::stdout().lock();
    writeln!(out, "{} has all of {from}: {rows} rows, in {} s.", file.display(), began.elapsed().as_secs())?;
    if !saved.left.is_empty() {
        writeln!(out, "Not purser's, and not in it: {}", saved.left.join(", "))?;
    }
    let files = attached(saved.tables.iter().map(|(table, rows)| (&**table, *rows)));
    if files > 0 {
        let place = place(config);
        writeln!(
            out,
            "Named and not in it: {files} pictures and PDFs of the chats, {place}. Save that, too, after this."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Restores a backup, and prints how many rows of which table were counted.
pub fn restore(config: &Config, Restore { file, replace, .. }: &Restore) -> anyhow::Result<ExitCode> {
    let to = &config.database;
    let mut shown = Shown::new();
    let restored = small_runtime()?.block_on(restore_site(file, to, *replace, |progress| shown.show(progress)));
    shown.clear();
    let restored = restored.with_context(|| format!("{} is not restored to {to}", file.display()))?;
    let mut out = io::stdout().lock();
    writeln!(out, "All of {} is in {to}:\n", file.display())?;
    for (table, rows) in &restored.tables {
        writeln!(out, "{rows:>12}  {table}")?;
    }
    writeln!(out, "\nAgents log in anew.")?;
    let files = attached(restored.tables.iter().map(|(table, rows)| (&**table, *rows)));
    if files > 0 {
        writeln!(out, "Its {files} pictures and PDFs belong {}. Put them back there.", place(config))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How many files are named in these tables.
fn attached<'a>(mut tables: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    tables.find(|(table, _)| *table == "attachments").map_or(0, |(_, rows)| rows)
}

/// Where files are.
fn place(config: &Config) -> String {
    match &config.attachments.place {
        PlaceSpec::Nowhere => "in the place that was under `attachments:` when they came".to_owned(),
        PlaceSpec::Folder(folder) => format!("in the folder {}", folder.display()),
        PlaceSpec::Bucket(bucket) => format!("in the bucket {}", bucket.url),
    }
}
