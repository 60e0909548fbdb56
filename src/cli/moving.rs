//! `purser move`: takes a site that has grown from one database into another.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;

use super::small_runtime;
use crate::config::Config;
use crate::store::{DatabaseUrl, Progress, move_site};

/// What `purser move` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Where everything is: sqlite://FILE or mysql://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where it goes, a database without purser's tables [default: the configured one]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    to: Option<String>,
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.to.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// Moves, and prints how many rows of which table were counted on both sides.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    // Not by the command line's own parser, which quotes what it cannot read: it may hold a password.
    let from: DatabaseUrl = options.from.parse().context("--from cannot be used")?;
    let to = &config.database;
    let began = Instant::now();
    let mut shown = Shown::new();
    let moved = small_runtime()?.block_on(move_site(&from, to, |progress| shown.show(progress)));
    shown.clear();
    let moved = moved.with_context(|| format!("{from} is not moved to {to}"))?;
    let mut out = io::stdout().lock();
    writeln!(out, "Everything of {from} is in {to}, counted on both sides:\n")?;
    for (table, rows) in &moved.tables {
        writeln!(out, "{rows:>12}  {table}")?;
    }
    if !moved.left.is_empty() {
        writeln!(out, "\nNot purser's, and not moved: {}", moved.left.join(", "))?;
    }
    writeln!(
        out,
        "\nIt took {} s. Start purser on the new database (`database` in purser.yaml); the old one is as it was.",
        began.elapsed().as_secs()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// One line that changes, for whoever watches a terminal.
pub(super) struct Shown {
    began: Instant,
    terminal: bool,
    last: Option<Instant>,
}

impl Shown {
    pub(super) fn new() -> Shown {
        Shown { began: Instant::now(), terminal: io::stderr().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        let Progress { table, moved, all } = progress;
        // Ten times a second is enough for an eye.
        let soon = self.last.is_some_and(|last| last.elapsed().as_millis() < 100);
        if !self.terminal || (soon && moved < all) {
            return;
        }
        self.last = Some(Instant::now());
        let percent = (moved * 100).checked_div(all).unwrap_or(100);
        let rate = moved as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        // A terminal that has gone away is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[K{percent:>3} %  {moved} of {all} rows, {rate:.0} a second: {table}");
    }

    pub(super) fn clear(&self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
