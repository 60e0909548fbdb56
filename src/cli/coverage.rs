//! `purser coverage`: what of the content no question reaches, and which entries get into each other's way.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::runtime::{Builder, Runtime};

use super::compare::one_line;
use super::load_content;
use super::replay::found;
use super::traffic::{Place, Stream, back};
use crate::config::Config;
use crate::content::{Snapshot, load_files};
use crate::finding::Finding;
use crate::recording::coverage::{Coverage, Pair, Part, Reached, Report};
use crate::recording::foreign::read_any;
use crate::recording::{Stage, crew, past};
use crate::responders::llm::Writer;
use crate::responders::script::marked;
use crate::store::{Logged, Store};

/// So many of each kind are listed.
const LISTED: usize = 20;

/// What `purser coverage` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Recordings, or folders of them
    #[arg(value_name = "FILES", required_unless_present = "since", conflicts_with = "since")]
    files: Vec<PathBuf>,
    /// The questions of customers in the store, such as of the last 30d
    #[arg(long, value_name = "TIME", value_parser = back)]
    since: Option<i64>,
    /// End with 1 if fewer entries than this are reached
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    at_least: f64,
    /// List everything, not only the first of each kind
    #[arg(long)]
    all: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub place: Place,
}

/// Ends with 1 if an entry answers another one's questions or too little is reached, and with 2 if a file is no
/// recording.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let shipped = load_content(config)?;
    // The same content, whose scripts say which of their functions are run.
    let snapshot = load_files(&crate::app::folders(config), marked(&shipped.files)).snapshot;
    let snapshot = snapshot.context("the scripts cannot be marked")?;
    // Their own tests have run already.
    snapshot.plugins.iter().for_each(|plugin| drop(plugin.take_reached()));
    let stage = crate::app::stage(config, &snapshot);
    let mut coverage = Coverage::default();
    let unreadable = match options.since {
        Some(since) => {
            of_store(config, since, &stage, &mut coverage)?;
            0
        }
        None => of_files(options, &stage, &mut coverage)?,
    };
    let report = report(coverage, &snapshot, &stage);
    let mut out = io::stdout().lock();
    match options.json {
        true => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        false => write!(out, "{}", text(&report, if options.all { usize::MAX } else { LISTED }))?,
    }
    Ok(match () {
        () if unreadable > 0 => ExitCode::from(2),
        () if !report.stolen.is_empty() || report.entries.percent() < options.at_least => ExitCode::FAILURE,
        () => ExitCode::SUCCESS,
    })
}

fn of_files(options: &Options, stage: &Stage, coverage: &mut Coverage) -> anyhow::Result<usize> {
    let files = found(&options.files);
    let mut unreadable = 0;
    let work = |runtime: &Runtime, path: &PathBuf| {
        let carried = read_any(path)?;
        let notes = carried.notes;
        runtime.block_on(async {
            let mut reached = Vec::new();
            for recording in carried.recordings {
                reached.extend(Reached::of_replay(&recording.replay(stage).await, stage));
            }
            Ok((reached, notes))
        })
    };
    crew::in_order(
        crew::threads(),
        files.iter(),
        work,
        |reached: Result<(Vec<Reached>, Vec<Finding>), Box<Finding>>| {
            match reached {
                Ok((reached, notes)) => {
                    notes.iter().for_each(|note| eprintln!("{}", note.one_line()));
                    reached.into_iter().for_each(|reached| coverage.add(reached));
                }
                Err(finding) => {
                    unreadable += 1;
                    eprintln!("{finding}");
                }
            }
            ControlFlow::<()>::Continue(())
        },
    );
    Ok(unreadable)
}

fn of_store(config: &Config, since: i64, stage: &Stage, coverage: &mut Coverage) -> anyhow::Result<()> {
    // Reading has a thread of its own beside those that answer.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = runtime.block_on(Store::open_to_read(&config.database))?;
    let stream = Stream::start(&runtime, store.clone(), since);
    let failure = stream.failure.clone();
    let work = |runtime: &Runtime, page: Vec<Logged>| {
        runtime.block_on(async {
            let mut reached = Vec::new();
            for logged in &page {
                let questions = past::questions(logged.id, &logged.events, &stage.language);
                for question in questions.iter().filter(|question| question.said.at >= since) {
                    let answered = stage.pipeline.answer(&question.turn).await;
                    let _ = question.has_missing();
                    reached.push(Reached::of(&question.turn, &answered, stage));
                }
            }
            reached
        })
    };
    crew::in_order(crew::threads(), stream, work, |reached| {
        reached.into_iter().for_each(|reached| coverage.add(reached));
        ControlFlow::<()>::Continue(())
    });
    runtime.block_on(store.close());
    let failed = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    failed.map_or(Ok(()), |error| Err(error).context("the store cannot be read"))
}

fn report(mut coverage: Coverage, snapshot: &Snapshot, stage: &Stage) -> Report {
    let mut functions = BTreeSet::new();
    for plugin in &snapshot.plugins {
        let name = |function: String| (plugin.name().to_owned(), function);
        functions.extend(plugin.functions().into_iter().map(name));
        coverage.add_functions(plugin.take_reached().into_iter().map(name));
    }
    let functions: Vec<_> = functions.into_iter().collect();
    // What a model would say is in recordings or nowhere: it is missed by nobody.
    let responders: Vec<String> = stage.pipeline.responders().into_iter().filter(|name| name != Writer::NAME).collect();
    coverage.report(stage, &responders, &functions)
}

fn text(report: &Report, most: usize) -> String {
    let mut out = format!("{} questions\n", report.questions);
    let parts = [
        ("entries", &report.entries),
        ("phrases", &report.phrases),
        ("responders", &report.responders),
        ("functions of plugins", &report.functions),
    ];
    for (what, part) in parts {
        let Part { all, reached, missing } = part;
        out.push_str(&format!("\n{what}: {reached} of {all} are reached, {:.0} %\n", part.percent()));
        missing.iter().take(most).for_each(|missing| out.push_str(&format!("    {}\n", one_line(missing, 90))));
        if missing.len() > most {
            out.push_str(&format!("    and {} more; --all lists them\n", missing.len() - most));
        }
    }
    let pairs = [
        ("questions of one entry that another one answers", "takes from", &report.stolen),
        ("pairs of entries between which little decided", "just before", &report.close),
    ];
    for (what, how, pairs) in pairs.into_iter().filter(|(_, _, pairs)| !pairs.is_empty()) {
        out.push_str(&format!("\n{what}: {}\n", pairs.len()));
        for Pair { won, lost, count, questions } in pairs.iter().take(most) {
            out.push_str(&format!("{count:>7}  {won} {how} {lost}\n"));
            let questions = questions.iter().take(3);
            questions.for_each(|question| out.push_str(&format!("           \"{}\"\n", one_line(question, 80))));
        }
    }
    out
}
