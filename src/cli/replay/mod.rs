//! `purser replay`: recorded conversations against the content of today.

mod formats;
mod progress;
mod server;
mod show;
mod update;

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::runtime::Runtime;

use super::load_content;
use crate::config::Config;
use crate::finding::Finding;
use crate::recording::foreign::{is_named, read_any};
use crate::recording::update::Changes;
use crate::recording::{Recording, Replayed, Stage, crew, schema};
use formats::{Json, Junit};
use progress::Progress;
use show::Look;
pub(super) use show::write_failures;

/// What `purser replay` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Recordings, or folders of them
    #[arg(required_unless_present = "schema", value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Print a JSON object for each recording, and one with the numbers at the end
    #[arg(long)]
    json: bool,
    /// Also write the results to this file as JUnit XML, for a CI server
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Show what differs by groups of equal changes, and write the answers of today into the files where you agree
    #[arg(long, conflicts_with_all = ["json", "server"])]
    update: bool,
    /// With --update: agree to everything
    #[arg(long, requires = "update")]
    yes: bool,
    /// Play the files against a running purser over its WebSocket, such as http://127.0.0.1:8080. What a customer
    /// cannot see there (who answered, which entry) is not checked
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// How many threads work [default: one a core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Print the JSON Schema of recordings, for editors
    #[arg(long)]
    schema: bool,
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

/// What came of a file: its recordings, or why it has none.
pub struct Played {
    /// The file.
    pub path: PathBuf,
    /// Its recordings and how they went.
    pub outcome: Result<Vec<(Recording, Replayed)>, Box<Finding>>,
    /// What of a file of another format has no place in a recording.
    pub notes: Vec<Finding>,
    /// Whether it is in purser's own format.
    pub is_own: bool,
}

impl Tally {
    fn of(played: &Played) -> Tally {
        match &played.outcome {
            Ok(recordings) => {
                let ok = recordings.iter().filter(|(_, replayed)| replayed.is_ok()).count();
                Tally { ok, failed: recordings.len() - ok, unreadable: 0 }
            }
            Err(_) => Tally { unreadable: 1, ..Tally::default() },
        }
    }

    fn join(&mut self, other: Tally) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.unreadable += other.unreadable;
    }

    fn code(self) -> ExitCode {
        match self {
            Tally { unreadable: 1.., .. } => ExitCode::from(2),
            Tally { failed: 1.., .. } => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        }
    }
}

/// Ends with 1 if an answer is not as it must be, and with 2 if a file is no recording.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    if options.schema {
        io::stdout().write_all(schema().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let threads = options.threads.map_or_else(crew::threads, usize::from);
    if let Some(url) = &options.server {
        let files = found(&options.files);
        let url = server::address(url)?;
        // One after the other: the limits of the server are those of one visitor.
        return played_by(options, &files, 1, |runtime, path| server::play_file(runtime, &url, path));
    }
    let snapshot = load_content(config)?;
    let stage = crate::app::stage(config, &snapshot);
    let files = found(&options.files);
    played_by(options, &files, threads, |runtime, path| play(runtime, &stage, path))
}

/// What is left of a file when it was played: all else is dropped by the thread that made it.
struct Reported {
    tally: Tally,
    /// For standard output.
    shown: Vec<u8>,
    /// For the file of the CI server.
    junit: Vec<u8>,
    /// What could be brought up to date.
    changes: Changes,
}

/// Has the files played, and shows what comes of it.
fn played_by(
    options: &Options,
    files: &[PathBuf],
    threads: usize,
    play: impl Fn(&Runtime, &PathBuf) -> Played + Sync,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let look = Look::of_terminal(io::stdout().is_terminal());
    let mut junit = options.junit.as_deref().map(Junit::create).transpose()?;
    let mut changes = Changes::default();
    let mut progress = Progress::new(files.len());
    let mut tally = Tally::default();
    let report = |runtime: &Runtime, path: &PathBuf| reported(&play(runtime, path), options, look);
    let failed = crew::in_order(threads, files.iter(), report, |reported| {
        let mut take = |reported: anyhow::Result<Reported>| -> anyhow::Result<()> {
            let reported = reported?;
            tally.join(reported.tally);
            progress.step(tally)?;
            changes.join(reported.changes);
            if let Some(junit) = &mut junit {
                junit.add(&reported.junit)?;
            }
            Ok(out.write_all(&reported.shown)?)
        };
        match take(reported) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    });
    progress.end()?;
    if let Some(error) = failed {
        return Err(error);
    }
    match options.json {
        true => Json::end(&mut out, tally)?,
        false => show::write_tally(&mut out, tally)?,
    }
    out.flush()?;
    drop(out);
    if let Some(junit) = junit {
        junit.end()?;
    }
    match options.update {
        true => update::run(changes.groups(), tally, options.yes),
        false => Ok(tally.code()),
    }
}

fn reported(played: &Played, options: &Options, look: Look) -> anyhow::Result<Reported> {
    let mut reported =
        Reported { tally: Tally::of(played), shown: Vec::new(), junit: Vec::new(), changes: Changes::default() };
    match options.json {
        true => Json::write(&mut reported.shown, played)?,
        false => show::write(&mut reported.shown, played, look)?,
    }
    if options.junit.is_some() {
        Junit::write(&mut reported.junit, played)?;
    }
    let (true, Ok(recordings)) = (options.update, &played.outcome) else { return Ok(reported) };
    if played.is_own {
        recordings.iter().for_each(|(recording, replayed)| reported.changes.add(&played.path, recording, replayed));
    } else if reported.tally.failed > 0 {
        writeln!(
            reported.shown,
            "  {}: this is no recording of purser and stays as it is; `purser convert` makes one of it",
            played.path.display()
        )?;
    }
    Ok(reported)
}

/// Replays files and folders of files with this many threads, and writes what came of them.
pub fn replay(paths: &[PathBuf], stage: &Stage, threads: usize, out: &mut impl Write) -> anyhow::Result<Tally> {
    let files = found(paths);
    let mut tally = Tally::default();
    let report = |runtime: &Runtime, path: &PathBuf| {
        let played = play(runtime, stage, path);
        let mut shown = Vec::new();
        show::write(&mut shown, &played, Look::default()).map(|()| (Tally::of(&played), shown))
    };
    let failed = crew::in_order(threads, files.iter(), report, |reported| {
        let taken = reported.and_then(|(own, shown)| {
            tally.join(own);
            Ok(out.write_all(&shown)?)
        });
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(tally),
    }
}

fn play(runtime: &Runtime, stage: &Stage, path: &Path) -> Played {
    let (mut notes, mut is_own) = (Vec::new(), false);
    let outcome = read_any(path).map(|carried| {
        let recordings = carried.recordings;
        (notes, is_own) = (carried.notes, carried.is_own);
        runtime.block_on(async {
            let mut all = Vec::with_capacity(recordings.len());
            for recording in recordings {
                let replayed = recording.replay(stage).await;
                all.push((recording, replayed));
            }
            all
        })
    });
    Played { path: path.to_owned(), outcome, notes, is_own }
}

/// The files at these paths.
pub(super) fn found(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        if path.is_dir() {
            find(path, &mut HashSet::new(), &mut files);
        }
        // A file that is named itself may be called anything; and whoever reads a folder without recordings says so.
        if files.len() == before {
            files.push(path.clone());
        }
    }
    files
}

/// The files of recordings in a folder, in the order of their names. A folder to which several links lead is looked into
/// once; one that cannot be read is left to whoever reads it as a file, and says so. A pipe would wait for a writer for
/// ever.
fn find(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) {
    let real = folder.canonicalize();
    if real.is_ok_and(|real| !seen.insert(real)) {
        return;
    }
    let Ok(entries) = fs::read_dir(folder) else { return files.push(folder.to_owned()) };
    let entries = entries.filter_map(Result::ok).map(|entry| (entry.path(), entry.file_type().ok()));
    let mut inner: Vec<_> = entries.collect();
    inner.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (path, kind) in inner {
        let kind = match kind {
            Some(kind) if !kind.is_symlink() => Some(kind),
            _ => fs::metadata(&path).ok().map(|about| about.file_type()),
        };
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        match kind {
            Some(kind) if kind.is_dir() => find(&path, seen, files),
            _ if !is_yaml && !is_named(&path) => {}
            Some(kind) if !kind.is_file() => eprintln!("{}: this is no file and is left out", path.display()),
            // What is gone meanwhile, or leads nowhere, is named by whoever reads it.
            _ => files.push(path),
        }
    }
}
