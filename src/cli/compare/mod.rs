//! `purser compare`: what changed content would change, before it goes live.

mod page;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::replay::found;
use super::traffic::{Place, Stream};
use crate::config::Config;
use crate::content::{self, Folders, Good, Loaded, Snapshot};
use crate::recording::compare::{Kind, Material, Report, Sides, run as compare};
use crate::recording::{Stage, crew};
use crate::store::Store;

/// What `purser compare` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Recordings, or folders of them, instead of the conversations in the store
    #[arg(value_name = "FILES", conflicts_with = "since")]
    files: Vec<PathBuf>,
    /// How far back the questions go, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = super::traffic::back)]
    since: i64,
    /// The changed content is this set of the store, and not what lies in the folders
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// The content in force is this set of the store, or lies in this folder (in faq/ and plugins/ there), and is not
    /// the set that went live last
    #[arg(long, value_name = "REVISION|DIR")]
    before: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also write a page for a browser into this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where an agent opens a conversation, with {id} in it: the page then has links
    #[arg(long, value_name = "URL", requires = "html")]
    link: Option<String>,
    /// How many threads work [default: one a core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    #[command(flatten)]
    place: Place,
}

impl Options {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.place.flags()
    }
}

/// Ends with 1 if an answer would change, and with 2 if one side cannot be loaded.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(link) = &options.link {
        ensure!(
            link.contains("{id}") && (link.starts_with("https://") || link.starts_with("http://")),
            "--link is an address with {{id}} in it, such as https://shop.example/agents#{{id}}"
        );
    }
    // Reading has a thread of its own beside those that answer.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let wants_store = options.files.is_empty() || options.revision.is_some() || options.before.is_none();
    let store = match wants_store {
        true => Some(open(&runtime, config, options)?),
        false => None,
    };
    let folders = crate::app::folders(config);
    let before = side("the content in force", || before(&runtime, store.as_ref(), &folders, options));
    let after = side("the changed content", || match &options.revision {
        Some(revision) => of_revision(&runtime, store.as_ref(), &folders, revision),
        None => Ok(content::load(&folders, &Good::default())),
    });
    let (Some(before), Some(after)) = (before, after) else { return Ok(ExitCode::from(2)) };
    let stage = |snapshot: &Snapshot| crate::app::stage(config, snapshot);
    let (before, after) = (stage(&before), stage(&after));
    let report = compared(&runtime, options, store.as_ref(), &before, &after)?;
    if let Some(store) = store {
        runtime.block_on(store.close());
    }
    if let Some(file) = &options.html {
        let page = page::page(&report, options.link.as_deref())?;
        fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    report.notes.iter().for_each(|note| eprintln!("{note}"));
    let mut out = io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => write!(out, "{}", text(&report))?,
    }
    Ok(match report {
        Report { problems, .. } if !problems.is_empty() => ExitCode::from(2),
        Report { changed: 0, .. } => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn open(runtime: &Runtime, config: &Config, options: &Options) -> anyhow::Result<Store> {
    runtime.block_on(Store::open_to_read(&config.database)).with_context(|| match options.files.is_empty() {
        true => "the conversations are read from the store; `--database` says where it is".to_owned(),
        false => "the content in force is read from the store; `--database` says where it is, or `--before` names \
                  other content"
            .to_owned(),
    })
}

/// Loads a side. Why it cannot be is printed; what is in error and left out, too.
fn side(what: &str, load: impl FnOnce() -> anyhow::Result<Loaded>) -> Option<Arc<Snapshot>> {
    let loaded = match load() {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{what} cannot be loaded: {error:#}\n");
            return None;
        }
    };
    for finding in loaded.findings.iter().filter(|finding| finding.is_error()) {
        eprintln!("{finding}\n");
    }
    // A change with an error in it would be compared as if it were not there.
    let errors = loaded.findings.iter().any(|finding| finding.is_error());
    match loaded.snapshot {
        Some(snapshot) if !errors => Some(snapshot),
        _ => {
            eprintln!("{what} has errors and is not compared; mend them first\n");
            None
        }
    }
}

fn before(runtime: &Runtime, store: Option<&Store>, folders: &Folders, options: &Options) -> anyhow::Result<Loaded> {
    match &options.before {
        Some(folder) if PathBuf::from(folder).is_dir() => {
            let root = PathBuf::from(folder);
            let own = Folders { faq: root.join("faq"), plugins: root.join("plugins"), ..folders.clone() };
            Ok(content::load(&own, &Good::default()))
        }
        Some(revision) => of_revision(runtime, store, folders, revision),
        None => {
            let store = store.context("there is no store")?;
            let set = runtime.block_on(store.latest_content())?;
            let set =
                set.context("nothing went live on this store yet; `--before DIR` names content to compare with")?;
            Ok(content::load_files(folders, set.files))
        }
    }
}

fn of_revision(runtime: &Runtime, store: Option<&Store>, folders: &Folders, revision: &str) -> anyhow::Result<Loaded> {
    let set = match store {
        Some(store) => runtime.block_on(store.content_set(revision))?,
        None => bail!("{revision} is no folder"),
    };
    let set = set.with_context(|| {
        format!("no set {revision} went live on this store; `purser content list` shows those that did")
    })?;
    Ok(content::load_files(folders, set.files))
}

fn compared(
    runtime: &Runtime,
    options: &Options,
    store: Option<&Store>,
    before: &Stage,
    after: &Stage,
) -> anyhow::Result<Report> {
    let sides = Sides { before, after };
    let threads = options.threads.map_or_else(crew::threads, usize::from);
    let mut counter = Counter::new();
    let look = |questions| {
        counter.show(questions);
        ControlFlow::Continue(())
    };
    let report = if options.files.is_empty() {
        let store = store.context("there is no store")?;
        let stream = Stream::start(runtime, store.clone(), options.since);
        let failure = stream.failure.clone();
        let report = compare(stream.map(Material::Stored), &sides, options.since, threads, look);
        if let Some(error) = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            return Err(error).context("the store cannot be read");
        }
        report
    } else {
        let files = found(&options.files);
        compare(files.into_iter().map(Material::File), &sides, i64::MIN, threads, look)
    };
    counter.end();
    Ok(report)
}

/// Says on the terminal how far it is.
struct Counter {
    shown: Option<Instant>,
    begun: Instant,
    on: bool,
}

impl Counter {
    fn new() -> Counter {
        Counter { shown: None, begun: Instant::now(), on: io::stderr().is_terminal() }
    }

    fn show(&mut self, questions: u64) {
        let due = self.shown.unwrap_or(self.begun + Duration::from_millis(500)) + Duration::from_millis(200);
        if self.on && Instant::now() > due {
            self.shown = Some(Instant::now());
            eprint!("\r{questions} questions\x1b[K");
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

/// The report for a person at a terminal.
fn text(report: &Report) -> String {
    let mut out = format!(
        "{} of {} questions in {} conversations would be answered differently\ncontent {} → {}\n",
        report.changed, report.questions, report.conversations, report.before, report.after
    );
    if report.not_recorded > 0 {
        out.push_str(&format!(
            "{} questions asked a source for something that is not recorded; it was taken as unavailable\n",
            report.not_recorded
        ));
    }
    let mut last: Option<Kind> = None;
    for group in &report.groups {
        if last != Some(group.kind) {
            last = Some(group.kind);
            out.push_str(&format!("\n{}\n", group.kind.about()));
        }
        let to = if group.from == group.to { String::new() } else { format!(" → {}", group.to) };
        out.push_str(&format!("{:>7}  {}{to}\n", group.count, group.from));
        for example in group.examples.iter().take(3) {
            let said = one_line(&example.said, 60);
            out.push_str(&format!("           \"{said}\"  {}\n", page::at(example)));
        }
        if let (Kind::Reworded, Some(example)) = (group.kind, group.examples.first()) {
            let lines = crate::recording::diff(&example.before, &example.after).into_iter();
            for (mark, line) in lines.filter(|(mark, _)| *mark != ' ') {
                out.push_str(&format!("           {mark} {}\n", one_line(line, 90)));
            }
        }
    }
    if report.left_out > 0 {
        out.push_str(&format!("\n{} more changes found no place here\n", report.left_out));
    }
    for problem in &report.problems {
        out.push_str(&format!("\n{problem}\n"));
    }
    out
}

/// A text on one line, cut, without what a terminal would obey.
pub fn one_line(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().filter(|c| !c.is_control()).take(most).collect();
    if cut.chars().count() < line.chars().count() {
        cut.push('…');
    }
    cut
}
