//! `purser convert`: conversations of other projects as recordings, and recordings as transcripts.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::replay::found;
use crate::recording::foreign::{Carried, read_any, transcript};

/// What `purser convert` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Files, or folders of them
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    /// The folder that the converted files are written into
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// What they become
    #[arg(long, value_name = "FORMAT", default_value = "yaml")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Recordings
    Yaml,
    /// Bot Framework transcripts
    Transcript,
}

/// Ends with 2 if a file cannot be read. What could not be carried over is listed on standard error.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&options.to).with_context(|| format!("cannot make {}", options.to.display()))?;
    let (mut written, mut left, mut unreadable) = (0, 0, 0);
    let mut taken = HashSet::new();
    for file in found(&options.files) {
        let Carried { recordings, notes, .. } = match read_any(&file) {
            Ok(carried) => carried,
            Err(finding) => {
                eprintln!("{}", finding.one_line());
                unreadable += 1;
                continue;
            }
        };
        left += notes.len();
        notes.iter().for_each(|note| eprintln!("{}", note.one_line()));
        let many = recordings.len() > 1;
        for (number, recording) in recordings.iter().enumerate() {
            let suffix = if many { format!("-{}", number + 1) } else { String::new() };
            let name = format!("{}{suffix}", stem(&file));
            let (ending, text) = match options.format {
                Format::Yaml => ("yaml", recording.to_string()),
                Format::Transcript => ("transcript", transcript(recording, &name)),
            };
            let path = options.to.join(format!("{}.{ending}", free(&mut taken, &name)));
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            written += 1;
        }
    }
    println!(
        "{written} conversations written to {}, {left} things left out, {unreadable} files unreadable",
        options.to.display()
    );
    Ok(if unreadable > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// A name that no other file of this run has: of two files with one name in different folders, none is lost.
fn free(taken: &mut HashSet<String>, name: &str) -> String {
    let mut number = 1;
    let mut free = name.to_owned();
    while !taken.insert(free.clone()) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// A file's name without what it ends with.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let endings = [".convo.txt", ".transcript", ".chat", ".yaml", ".yml", ".md"].into_iter();
    endings.filter_map(|ending| name.strip_suffix(ending)).next().unwrap_or(&name).to_owned()
}
