//! `purser demo`: puts the demo's parcels into a database, and prints numbers to try.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::small_runtime;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::{samples, shipments};
use crate::store::fill_demo;

/// What `purser demo` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// The database that gets the parcels [default: sqlite://purser.db]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    database: Option<String>,
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// Fills the tables and prints what can be tried.
pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    small_runtime()?.block_on(fill_demo(&config.database, &shipments(Clock::System.now())))?;
    let mut out = io::stdout().lock();
    writeln!(out, "The tables demo_shipments and demo_events in {} have these parcels:\n", config.database)?;
    for sample in samples() {
        writeln!(out, "  {:<22} {:<17} postcode {}", sample.number, sample.status, sample.postcode)?;
    }
    let next = match config.outside.is_empty() {
        true => "Start purser on this database (again) and ask it to track one of them.",
        false => "purser.yaml has `sources` of its own, so these tables are not asked unless it names them.",
    };
    writeln!(out, "\n{next}")?;
    Ok(ExitCode::SUCCESS)
}
