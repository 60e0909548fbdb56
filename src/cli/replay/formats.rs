//! What came of recordings, for programs: JSON, an object a line, and JUnit XML.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Played, Tally};
use crate::cli::steps;
use crate::finding::Finding;
use crate::recording::Turned;

/// JSON. Its names are read by other programs: add to it, and change nothing.
pub struct Json;

impl Json {
    /// The recordings of a file, an object each; a file that has none is an object too.
    pub fn write(out: &mut impl Write, played: &Played) -> anyhow::Result<()> {
        let file = played.path.display().to_string();
        let recordings = match &played.outcome {
            Ok(recordings) => recordings,
            Err(finding) => {
                return Ok(writeln!(out, "{}", json!({ "file": file, "ok": false, "unreadable": finding }))?);
            }
        };
        for (recording, replayed) in recordings {
            let bad = replayed.turns.iter().filter(|turned| !turned.failures.is_empty());
            let object = json!({
                "file": file,
                "about": recording.about,
                "ok": replayed.is_ok(),
                "notes": played.notes.iter().map(Finding::one_line).collect::<Vec<_>>(),
                "messages": replayed.turns.len(),
                "failures": bad.flat_map(failures).collect::<Vec<Value>>(),
            });
            writeln!(out, "{object}")?;
        }
        Ok(())
    }

    /// The numbers.
    pub fn end(out: &mut impl Write, tally: Tally) -> io::Result<()> {
        let Tally { ok, failed, unreadable } = tally;
        let all = ok + failed + unreadable;
        writeln!(out, "{}", json!({ "recordings": all, "ok": ok, "failed": failed, "unreadable": unreadable }))
    }
}

fn failures(turned: &Turned) -> Vec<Value> {
    let trace = turned.answered.as_ref().map(|answered| {
        let steps = answered.trace.iter();
        steps.map(|step| json!({ "responder": step.responder, "said": step.said })).collect::<Vec<Value>>()
    });
    let object = |failure: &crate::recording::Failure| {
        json!({
            "line": turned.line, "said": turned.said, "what": failure.what,
            "expected": failure.expected, "got": failure.got, "why": failure.why, "trace": trace,
        })
    };
    turned.failures.iter().map(object).collect()
}

/// JUnit XML: a suite a file, a case a recording.
pub struct Junit {
    out: BufWriter<File>,
    name: String,
}

impl Junit {
    /// Begins the file.
    pub fn create(path: &Path) -> anyhow::Result<Junit> {
        let name = path.display().to_string();
        let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
        let mut out = BufWriter::new(file);
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"purser replay\">\n")?;
        Ok(Junit { out, name })
    }

    /// Adds what was written of a file.
    pub fn add(&mut self, written: &[u8]) -> io::Result<()> {
        self.out.write_all(written)
    }

    /// Writes what came of a file.
    pub fn write(out: &mut impl Write, played: &Played) -> io::Result<()> {
        let file = xml(&played.path.display().to_string());
        let recordings = match &played.outcome {
            Ok(recordings) => recordings,
            Err(finding) => {
                return write!(
                    out,
                    "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    \
                     <testcase classname=\"{file}\" name=\"the file\">\n      \
                     <error message=\"{}\">{}</error>\n    </testcase>\n  </testsuite>\n",
                    xml(&finding.message),
                    xml(&finding.to_string())
                );
            }
        };
        let bad = recordings.iter().filter(|(_, replayed)| !replayed.is_ok()).count();
        let all = recordings.len();
        writeln!(out, "  <testsuite name=\"{file}\" tests=\"{all}\" failures=\"{bad}\" errors=\"0\">")?;
        for (number, (recording, replayed)) in recordings.iter().enumerate() {
            let name = match &recording.about {
                Some(about) => about.trim().to_owned(),
                None => format!("recording {}", number + 1),
            };
            write!(out, "    <testcase classname=\"{file}\" name=\"{}\"", xml(&name))?;
            if replayed.is_ok() {
                writeln!(out, "/>")?;
                continue;
            }
            writeln!(out, ">")?;
            for turned in replayed.turns.iter().filter(|turned| !turned.failures.is_empty()) {
                for failure in &turned.failures {
                    let trace = turned.answered.as_ref().map(|answered| format!("\ntrace: {}", steps(&answered.trace)));
                    let text = format!(
                        "{}:{}: {}\n{failure}{}",
                        played.path.display(),
                        turned.line,
                        turned.said,
                        trace.unwrap_or_default()
                    );
                    let message = xml(&failure.one_line());
                    writeln!(out, "      <failure message=\"{message}\">{}</failure>", xml(&text))?;
                }
            }
            writeln!(out, "    </testcase>")?;
        }
        writeln!(out, "  </testsuite>")
    }

    /// Ends the file.
    pub fn end(mut self) -> anyhow::Result<()> {
        let written = self.out.write_all(b"</testsuites>\n").and_then(|()| self.out.flush());
        written.with_context(|| format!("cannot write {}", self.name))
    }
}

/// A text for XML, also within quotes. What XML has no way to write is left out.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push_str(if c == '\n' { "&#10;" } else { "&#9;" }),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}' | '\u{7f}'..='\u{9f}') => {}
            c => out.push(c),
        }
    }
    out
}
