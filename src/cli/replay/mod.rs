//! `purser replay`: recorded conversations against the content of today.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{load_content, small_runtime, trace};
use crate::config::Config;
use crate::recording::{Recording, Replayed};
use crate::responders::pipeline::Pipeline;

/// What `purser replay` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Recordings, or folders of them
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// How many recordings came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// All answers were as they must be.
    pub ok: usize,
    /// Some were not.
    pub failed: usize,
    /// Files that are no recordings.
    pub unreadable: usize,
}

/// Ends with 1 if an answer is not as it must be, and with 2 if a file is no recording.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let snapshot = load_content(config)?;
    let pipeline = crate::app::pipeline(config, &snapshot, None);
    let mut out = BufWriter::new(io::stdout().lock());
    let tally = small_runtime()?.block_on(replay(&options.files, &pipeline, &config.language, &mut out))?;
    out.flush()?;
    Ok(match tally {
        Tally { unreadable: 1.., .. } => ExitCode::from(2),
        Tally { failed: 1.., .. } => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

/// Replays files and folders of files, and writes what came of them.
pub async fn replay(
    paths: &[PathBuf],
    pipeline: &Pipeline,
    site_language: &str,
    out: &mut impl Write,
) -> anyhow::Result<Tally> {
    let mut files = Vec::new();
    for path in paths {
        find(path, true, &mut files)?;
    }
    let mut tally = Tally::default();
    for file in &files {
        let name = file.display().to_string();
        let recording = match Recording::read(file) {
            Ok(recording) => recording,
            Err(finding) => {
                tally.unreadable += 1;
                writeln!(out, "{finding}")?;
                continue;
            }
        };
        let replayed = recording.replay(pipeline, site_language).await;
        if replayed.is_ok() {
            tally.ok += 1;
            writeln!(out, "ok      {name}")?;
        } else {
            tally.failed += 1;
            writeln!(out, "failed  {name}")?;
            write_failures(out, &name, &recording, &replayed)?;
        }
    }
    let Tally { ok, failed, unreadable } = tally;
    writeln!(out, "\n{} recordings: {ok} ok, {failed} failed, {unreadable} unreadable", files.len())?;
    Ok(tally)
}

/// Writes each message whose answer is not as it must be; `name` is the file.
pub(super) fn write_failures(
    out: &mut impl Write,
    name: &str,
    recording: &Recording,
    replayed: &Replayed,
) -> io::Result<()> {
    if let Some(about) = &recording.about {
        writeln!(out, "  {about}")?;
    }
    for turned in replayed.turns.iter().filter(|turned| !turned.failures.is_empty()) {
        writeln!(out, "  {name}:{}: {}", turned.line, turned.said)?;
        for failure in &turned.failures {
            for line in failure.to_string().lines() {
                writeln!(out, "{}", format!("    {line}").trim_end())?;
            }
        }
        if let Some(answered) = &turned.answered {
            writeln!(out, "    trace: {}", trace(&answered.trace))?;
        }
    }
    Ok(())
}

/// The YAML files at a path, in the order of their names. A file that is named itself may be called anything.
fn find(path: &Path, named: bool, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inner = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
        inner.sort();
        return inner.iter().try_for_each(|path| find(path, false, files));
    }
    if named || path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        files.push(path.to_owned());
    }
    Ok(())
}
