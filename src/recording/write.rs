//! Writes a recording as YAML that a person likes to read: short values plain, longer texts as blocks.

use std::fmt::{self, Write};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::read::UNITS;
use super::replay::word;
use super::{Action, Expected, Recording, Start, Step, Stub};
use crate::conversation::Millis;

impl fmt::Display for Recording {
    /// YAML that [`Recording::parse`] reads as the same recording.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(about) = &self.about {
            writeln!(f, "about: {}", block(about, "  "))?;
        }
        if self.start != Start::default() {
            writeln!(f, "start: {{ {} }}", start(&self.start).join(", "))?;
        }
        if !self.lookups.is_empty() {
            writeln!(f, "lookups:")?;
            self.lookups.iter().try_for_each(|stub| write_stub(f, stub))?;
        }
        if self.conversation.is_empty() {
            return writeln!(f, "conversation: []");
        }
        writeln!(f, "conversation:")?;
        self.conversation.iter().try_for_each(|step| write_step(f, step))
    }
}

fn start(start: &Start) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(language) = &start.language {
        parts.push(format!("language: {}", flow(language)));
    }
    if let Some(now) = start.now {
        parts.push(format!("now: {}", timestamp(now)));
    }
    if !start.visitor.is_empty() {
        let known = start.visitor.iter().map(|(key, value)| format!("{}: {}", flow(key), flow(value)));
        parts.push(format!("visitor: {{ {} }}", known.collect::<Vec<_>>().join(", ")));
    }
    if let Some(spoken) = &start.spoken {
        parts.push(format!("spoken: {}", flow(spoken)));
    }
    // JSON is YAML. Both are plain data, which can always be written.
    if !start.buttons.is_empty() {
        parts.push(format!("buttons: {}", serde_json::to_string(&start.buttons).unwrap_or_default()));
    }
    if let Some(focus) = &start.focus {
        parts.push(format!("focus: {}", serde_json::to_string(focus).unwrap_or_default()));
    }
    if !start.messages.is_empty() {
        parts.push(format!("messages: {}", serde_json::to_string(&start.messages).unwrap_or_default()));
    }
    parts
}

fn write_stub(f: &mut fmt::Formatter<'_>, stub: &Stub) -> fmt::Result {
    let mut parts = vec![format!("source: {}", flow(&stub.source))];
    if !stub.params.is_empty() {
        // JSON is YAML.
        parts.push(format!("params: {}", Value::Object(stub.params.clone())));
    }
    parts.push(match &stub.result {
        Ok(value) => format!("result: {value}"),
        Err(trouble) => format!("error: {}", trouble.word()),
    });
    if stub.delay > 0 {
        parts.push(format!("delay: {}", duration(stub.delay)));
    }
    writeln!(f, "  - {{ {} }}", parts.join(", "))
}

pub(super) fn write_step(f: &mut impl Write, step: &Step) -> fmt::Result {
    match &step.action {
        Action::Say { text, language, attachments } => {
            match (text.is_empty(), attachments.is_empty()) {
                (_, true) => writeln!(f, "  - say: {}", block(text, "      "))?,
                (true, false) => writeln!(f, "  - attachments: {}", listed(attachments))?,
                (false, false) => {
                    writeln!(f, "  - say: {}\n    attachments: {}", block(text, "      "), listed(attachments))?;
                }
            }
            if let Some(language) = language {
                writeln!(f, "    language: {}", flow(language))?;
            }
        }
        Action::Press(text) => writeln!(f, "  - press: {}", block(text, "      "))?,
        Action::Wait(millis) => writeln!(f, "  - wait: {}", duration(*millis))?,
        Action::Joined(name) => writeln!(f, "  - joined: {}", block(name, "      "))?,
        Action::Agent { text, attachments } => {
            writeln!(f, "  - agent: {}", block(text, "      "))?;
            if !attachments.is_empty() {
                writeln!(f, "    attachments: {}", listed(attachments))?;
            }
        }
        Action::Left(name) => writeln!(f, "  - left: {}", block(name, "      "))?,
        Action::Errand { outcome, fields } => {
            writeln!(f, "  - errand: {}", outcome.word())?;
            if !fields.is_empty() {
                writeln!(f, "    fields: {}", Value::Object(fields.clone()))?;
            }
        }
    }
    match &step.answer {
        Some(expected) => write_expected(f, expected),
        None => Ok(()),
    }
}

fn write_expected(f: &mut impl Write, expected: &Expected) -> fmt::Result {
    let patterns: Vec<String> = expected.matches.iter().map(ToString::to_string).collect();
    let single = [
        ("outcome", expected.outcome.map(|outcome| word(outcome).to_owned())),
        ("responder", expected.responder.clone()),
        ("entry", expected.entry.clone()),
        ("language", expected.language.clone()),
    ];
    let lists = [
        ("contains", Some(&expected.contains).filter(|list| !list.is_empty())),
        ("matches", Some(&patterns).filter(|list| !list.is_empty())),
        ("buttons", expected.buttons.as_ref()),
        ("suggests", Some(&expected.suggests).filter(|list| !list.is_empty())),
    ];
    let mut parts: Vec<String> = Vec::new();
    parts.extend(single.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", flow(&value?)))));
    parts.extend(lists.into_iter().filter_map(|(key, list)| Some(format!("{key}: {}", listed(list?)))));
    match &expected.text {
        None => writeln!(f, "    answer: {{ {} }}", parts.join(", ")),
        Some(text) => {
            writeln!(f, "    answer:")?;
            parts.iter().try_for_each(|part| writeln!(f, "      {part}"))?;
            writeln!(f, "      text: {}", block(text, "        "))
        }
    }
}

/// A text after `key: ` on a line of its own; lines of a block are indented by `indent`.
fn block(text: &str, indent: &str) -> String {
    if is_plain(text, ",[]{}") {
        return text.to_owned();
    }
    let simple = |line: &str| !line.ends_with([' ', '\t']) && line.chars().all(|c| c == '\t' || is_printable(c));
    // A block drops no lines and keeps no blanks at its start, so a text that has them is quoted.
    let blocky = text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with('\n')
        && text.split('\n').all(simple);
    if !blocky {
        return quoted(text);
    }
    text.split('\n').fold(
        "|-".to_owned(),
        |out, line| {
            if line.is_empty() { out + "\n" } else { out + "\n" + indent + line }
        },
    )
}

/// Texts as a list on one line.
fn listed(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| flow(item)).collect();
    format!("[{}]", items.join(", "))
}

/// A text as an item of a list.
pub(super) fn item(text: &str) -> String {
    flow(text)
}

/// A text within `[…]` or `{…}`.
fn flow(text: &str) -> String {
    if is_plain(text, "") { text.to_owned() } else { quoted(text) }
}

/// Whether a text needs no quotes and is read as a text. `also` are marks that do not hurt where it stands.
fn is_plain(text: &str, also: &str) -> bool {
    let word = |word: &&str| text.eq_ignore_ascii_case(word);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].iter().any(word);
    !reserved
        && text.len() < 100
        && text.starts_with(char::is_alphabetic)
        && !text.ends_with(' ')
        && text.chars().all(|c| c.is_alphanumeric() || " .?!'()/_+-".contains(c) || also.contains(c))
}

fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                // Writing to a String does not fail. All that is not printable here fits four digits.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
        }
    }
    out + "\""
}

/// The longest unit that leaves no rest.
pub(super) fn duration(millis: Millis) -> String {
    let (unit, length) = UNITS.into_iter().find(|(_, length)| millis % length == 0).unwrap_or(("ms", 1));
    let number = millis / length;
    format!(
        "{number} {}",
        if number == 1 { unit.strip_suffix('s').filter(|_| unit != "ms").unwrap_or(unit) } else { unit }
    )
}

fn timestamp(at: Millis) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000).ok();
    // Times of events lie within the years that can be written.
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}
