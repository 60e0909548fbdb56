//! Rasa 1: stories and test conversations in Markdown.

use std::path::Path;

use super::rasa::Around;
use super::{Carried, Told, note};

pub(super) fn read(path: &Path, name: &str, text: &str) -> Carried {
    let around = Around::of(path);
    let mut carried = Carried::default();
    let mut told = Told::default();
    let mut in_comment = false;
    for (number, line) in (1_u32..).zip(text.lines()) {
        let mut line = line.to_owned();
        // A comment may go over lines.
        loop {
            if in_comment {
                match line.find("-->") {
                    Some(end) => line = line[end + 3..].to_owned(),
                    None => line.clear(),
                }
                in_comment = line.is_empty() && in_comment;
                if in_comment || line.is_empty() {
                    in_comment =
                        in_comment && !text.lines().nth(number as usize - 1).is_some_and(|line| line.contains("-->"));
                    break;
                }
            }
            let Some(begin) = line.find("<!--") else { break };
            match line[begin..].find("-->") {
                Some(end) => line.replace_range(begin..begin + end + 3, ""),
                None => {
                    line.truncate(begin);
                    in_comment = true;
                    break;
                }
            }
        }
        let trimmed = line.trim();
        let mut leave = |message: String| carried.notes.push(note(name, text, number, message));
        if let Some(story) = trimmed.strip_prefix("## ") {
            let done = std::mem::replace(&mut told, Told::about(story));
            if !done.is_empty() {
                carried.recordings.push(done.recording);
            }
        } else if let Some(said) = trimmed.strip_prefix("* ") {
            say(&around, said.trim(), number, &mut told, &mut leave);
        } else if let Some(did) = trimmed.strip_prefix("- ") {
            let did = did.trim();
            match did.split_once('{') {
                Some((kind @ ("slot" | "form" | "restart" | "checkpoint"), _)) => {
                    leave(format!("`{kind}` has no place in a recording"));
                }
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

/// `greet: hello there`, `greet{"name": "Sara"}`, `greet`, or several with OR between.
fn say(around: &Around, said: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
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
