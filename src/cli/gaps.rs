//! `purser gaps`: what customers asked in vain, largest first, with an entry to begin with.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::runtime::Builder;

use super::compare::one_line;
use super::load_content;
use super::traffic::{Place, Stream, back};
use crate::config::Config;
use crate::recording::gaps::{Gaps, of};
use crate::recording::{crew, past};
use crate::store::Store;

/// So many wordings of a group are shown.
const SHOWN: usize = 3;

/// What `purser gaps` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// How far back the questions go, such as 7d or 12h
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = back)]
    since: i64,
    /// At most so many groups
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub place: Place,
}

/// Reads the store and prints the groups.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let snapshot = load_content(config)?;
    let stage = crate::app::stage(config, &snapshot);
    // Reading has a thread of its own beside those that answer.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = runtime.block_on(Store::open_to_read(&config.database))?;
    let stream = Stream::start(&runtime, store.clone(), options.since);
    let failure = stream.failure.clone();
    let mut gaps = Gaps::default();
    let mut questions = 0;
    let work = |runtime: &tokio::runtime::Runtime, page: Vec<crate::store::Logged>| {
        runtime.block_on(async {
            let (mut found, mut asked) = (Vec::new(), 0_u64);
            for logged in &page {
                let mut questions = past::questions(logged.id, &logged.events, &stage.language);
                questions.retain(|question| question.said.at >= options.since);
                asked += questions.len() as u64;
                let gaps = of(logged, &questions, &stage).await;
                found.extend(gaps.into_iter().map(|(text, language, why)| (text.to_owned(), language, why)));
            }
            (found, asked)
        })
    };
    crew::in_order(crew::threads(), stream, work, |(found, asked)| {
        questions += asked;
        found.into_iter().for_each(|(text, language, why)| gaps.add(&text, language, why));
        ControlFlow::<()>::Continue(())
    });
    runtime.block_on(store.close());
    if let Some(error) = failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
        return Err(error).context("the store cannot be read");
    }

    let left_out = gaps.left_out;
    let groups = gaps.groups();
    let mut taken = stage.faq.ids().into_iter().map(str::to_owned).collect();
    let mut out = io::stdout().lock();
    if options.json {
        let shown =
            groups.iter().take(options.limit).map(|group| json!({ "gap": group, "entry": group.entry(&mut taken) }));
        let object = json!({
            "questions": questions, "groups": groups.len(), "left_out": left_out, "gaps": shown.collect::<Vec<_>>(),
        });
        writeln!(out, "{object}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let in_vain: u64 = groups.iter().map(|group| group.count).sum();
    writeln!(out, "{in_vain} of {questions} questions were asked in vain, in {} groups", groups.len())?;
    for group in groups.iter().take(options.limit) {
        let why = [(group.unanswered, "unanswered"), (group.down, "thumbs down"), (group.person, "to a person")];
        let why: Vec<String> =
            why.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        writeln!(out, "\n{} × {} ({})", group.count, group.language, why.join(", "))?;
        for wording in group.wordings.iter().take(SHOWN) {
            writeln!(out, "    \"{}\"", one_line(wording, 90))?;
        }
        writeln!(out, "\n{}", group.entry(&mut taken))?;
    }
    if groups.len() > options.limit {
        writeln!(out, "and {} more groups; `--limit` shows more", groups.len() - options.limit)?;
    }
    if left_out > 0 {
        writeln!(out, "{left_out} questions found no place among the groups")?;
    }
    Ok(ExitCode::SUCCESS)
}
