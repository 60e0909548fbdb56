//! The log: one line an event, as text for people or as JSON for programs.
//!
//! Whatever concerns a conversation carries its id in the field `conversation`. The text of messages and tokens are in
//! no line at any level. Records of the `log` crate are not taken: the WebSocket library writes whole messages there.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// An object a line, its fields beside `timestamp`, `level`, `target` and `message`.
    Json,
}

/// Starts logging to standard error. `level` is a level, or pairs such as `purser=debug,info`.
pub fn start(level: &str, format: Format) -> anyhow::Result<()> {
    let lines = lines(level, format, io::stderr, io::stderr().is_terminal())?;
    tracing_subscriber::registry().with(lines).try_init().context("logging was started before")
}

/// The lines of the log, to wherever; `colours` only for terminals.
pub fn lines<S, W>(
    level: &str,
    format: Format,
    writer: W,
    colours: bool,
) -> anyhow::Result<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The web server's own lines at this level only repeat ours.
    let level = if level == "info" { "info,salvo_core=warn" } else { level };
    let targets: Targets = level.parse().with_context(|| format!("log: {level}"))?;
    let lines = fmt::layer().with_writer(writer).with_ansi(colours);
    Ok(match format {
        Format::Text => lines.with_filter(targets).boxed(),
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.with_filter(targets).boxed()
        }
    })
}
