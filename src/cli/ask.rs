//! `purser ask`: answers questions from standard input, one a line, each by itself.

use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use super::{load_content, small_runtime, terminal, trace, turn};
use crate::config::Config;
use crate::recording::word;
use crate::responders::Turn;
use crate::responders::pipeline::{Answered, Pipeline};
use crate::text::parcel::{Check, parcel_numbers};

/// What `purser ask` takes.
#[derive(Debug, Args)]
pub struct Options {
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
    /// The language of the page that the questions come from
    #[arg(long, value_name = "LANGUAGE", value_parser = crate::config::language)]
    lang: Option<String>,
    /// Show who was asked and why each answered or passed
    #[arg(long)]
    why: bool,
}

/// A line of the output. Its names are read by other programs: add to it, and change nothing.
#[derive(Debug, Serialize)]
struct Line<'a> {
    text: &'a str,
    language: &'a str,
    outcome: &'a str,
    responder: &'a str,
    entry: Option<&'a str>,
    suggestions: Vec<&'a str>,
    score: Option<f32>,
    lookups: usize,
    numbers: Vec<Number>,
    micros: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Vec<(String, Vec<String>)>>,
}

/// A parcel number in the text.
#[derive(Debug, Serialize)]
struct Number {
    compact: String,
    carrier: &'static str,
}

/// The parcel numbers of a text whose check digit fits or that have none.
fn numbers(text: &str) -> Vec<Number> {
    let found = parcel_numbers(text).into_iter().filter(|number| number.check >= Check::Absent);
    found.map(|number| Number { compact: number.compact, carrier: number.carrier.code() }).collect()
}

/// Answers all lines of standard input. Output is gathered unless somebody sits before it.
pub fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let snapshot = load_content(config)?;
    let runtime = small_runtime()?;
    let demo = runtime.block_on(crate::app::demo(config, None))?;
    // Sources connect from within it.
    let _within = runtime.enter();
    let pipeline = crate::app::pipeline(config, &snapshot, demo.as_ref());
    let mut input = io::stdin().lock();
    let interactive = input.is_terminal();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        // As JSON, each line of the input has its line in the output.
        if options.json || !text.trim().is_empty() {
            let mut turn = turn(text, None, &[options.lang.as_deref(), Some(&config.language)]);
            turn.notes = Some(Arc::default());
            let answered = runtime.block_on(pipeline.answer(&turn));
            if options.json {
                write_json(&mut out, &pipeline, &turn, &answered, options.why)?;
            } else {
                write_plain(&mut out, &pipeline, &turn, &answered, options.why)?;
            }
        }
        if interactive {
            out.flush()?;
        }
        line.clear();
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn write_json(
    out: &mut impl Write,
    pipeline: &Pipeline,
    turn: &Turn,
    answered: &Answered,
    why: bool,
) -> anyhow::Result<()> {
    let message = &answered.message;
    let wanted = turn.languages.first().map_or("", |language| language);
    let line = Line {
        text: &turn.text,
        language: message.language.as_deref().unwrap_or(wanted),
        outcome: word(answered.outcome),
        responder: &message.provenance.responder,
        entry: message.provenance.entry.as_deref(),
        suggestions: answered.suggested().collect(),
        score: answered.score,
        lookups: turn.notes.as_ref().map_or(0, |notes| notes.lookups().len()),
        numbers: numbers(&turn.text),
        micros: message.provenance.micros,
        trace: why.then(|| trace(&answered.trace)),
        why: why.then(|| pipeline.explain(turn)),
    };
    serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn write_plain(
    out: &mut impl Write,
    pipeline: &Pipeline,
    turn: &Turn,
    answered: &Answered,
    why: bool,
) -> anyhow::Result<()> {
    let message = &answered.message;
    let provenance = &message.provenance;
    writeln!(out, "> {}", turn.text)?;
    write!(out, "{}: {}", word(answered.outcome), provenance.responder)?;
    if let Some(entry) = &provenance.entry {
        write!(out, " {entry}")?;
    }
    if let Some(score) = answered.score {
        write!(out, ", score {score:.2}")?;
    }
    writeln!(out, ", {} µs", provenance.micros)?;
    write!(out, "{}", terminal::answer(&message.text, &message.buttons, false))?;
    if why {
        write!(out, "{}", terminal::why(&answered.trace, &pipeline.explain(turn)))?;
    }
    writeln!(out)?;
    Ok(())
}
