//! Rasa 1: stories and test conversations in Markdown.

use std::path::Path;

use super::rasa_project::Around;
use super::{Carried, Told, note};

pub(super) fn read(path: &Path, name: &str, text: &str) -> Carried {
    let around = Around::of(path);
    let mut carried = Carried::default();
    let mut told = Told::default();
    for (number, line) in (1_u32..).zip(without_comments(text).lines()) {
        let trimmed = line.trim();
        let mut leave = |message: String| carried.notes.push(note(name, number, message));
        // `>> ` begins a rule.
        if let Some(story) = trimmed.strip_prefix("## ").or(trimmed.strip_prefix(">> ")) {
            let done = std::mem::replace(&mut told, Told::about(story));
            if !done.is_empty() {
                carried.recordings.push(done.recording);
            }
        } else if let Some(said) = trimmed.strip_prefix("* ") {
            say(&around, said.trim(), number, &mut told, &mut leave);
        } else if let Some(did) = trimmed.strip_prefix("- ") {
            let did = did.trim();
            let did = did.strip_prefix("form: ").unwrap_or(did);
            match did.split_once('{') {
                Some((kind @ ("slot" | "form" | "restart" | "checkpoint"), _)) => {
                    leave(format!("`{kind}` has no place in a recording"));
                }
                _ if did == "..." => leave("`...` has no place in a recording".to_owned()),
                _ => around.action(did, &mut told, &mut leave),
            }
        } else if let Some(checkpoint) = trimmed.strip_prefix("> ") {
            leave(format!("the checkpoint `{checkpoint}` has no place in a recording"));
        } else if !trimmed.is_empty() && !trimmed.starts_with('#') {
            leave("this line is no part of a story".to_owned());
        }
    }
    if !told.is_empty() {
        carried.recordings.push(told.recording);
    }
    carried
}

/// The text with nothing left of its comments but the ends of their lines.
fn without_comments(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("<!--") {
        let (comment, behind) = after.split_once("-->").unwrap_or((after, ""));
        out.push_str(before);
        out.extend(comment.chars().filter(|c| *c == '\n'));
        rest = behind;
    }
    out + rest
}

/// `greet: hello there`, `greet{"name": "Sara"}`, `greet`, or several with OR between.
fn say(around: &Around, said: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
    // What is said while a form asks.
    let said = said.strip_prefix("form:").map_or(said, str::trim);
    let intent = |text: &str| text.split(['{', ':']).next().unwrap_or_default().trim().to_owned();
    match said.split_once(':').filter(|(intent, _)| !intent.contains('{')) {
        Some((_, words)) => around.user(words, line, told, leave),
        None => {
            let mut all = said.split(" OR ");
            let first = all.next().unwrap_or_default();
            if all.next().is_some() {
                leave("of `OR` the first is taken".to_owned());
            }
            around.intent(&intent(first), line, told, leave);
        }
    }
}
