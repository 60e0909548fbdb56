//! Conversations in the formats of others, read as recordings: Rasa stories and tests (`rasa.rs`, `rasa_markdown.rs`),
//! Botium conversations (`botium.rs`), Bot Framework transcripts and chats (`botframework.rs`), which is also written.
//!
//! What a recording has no words for is a note with file and line; nothing is dropped silently.

mod botframework;
mod botium;
mod rasa;
mod rasa_markdown;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Action, Expected, Recording, Step, read};
use crate::finding::Finding;

pub use botframework::transcript;

/// What a file of another format holds.
#[derive(Debug, Default)]
pub struct Carried {
    /// Its conversations.
    pub recordings: Vec<Recording>,
    /// What could not be carried over, and where it stands.
    pub notes: Vec<Finding>,
    /// Whether it is purser's own format, in which nothing had to be carried over.
    pub is_own: bool,
}

/// Whether a file in a folder is one of another format by its name.
pub fn is_named(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    [".convo.txt", ".transcript", ".chat"].iter().any(|ending| name.ends_with(ending))
}

/// Reads a file of recordings in whatever format it is.
pub fn read_any(path: &Path) -> Result<Carried, Box<Finding>> {
    let text = read::text_of(path)?;
    let name = path.display().to_string();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    if name.ends_with(".convo.txt") {
        Ok(botium::read(path, &name, text))
    } else if name.ends_with(".transcript") {
        botframework::read_transcript(&name, text)
    } else if name.ends_with(".chat") {
        Ok(botframework::read_chat(&name, text))
    } else if name.ends_with(".md") {
        Ok(rasa_markdown::read(path, &name, text))
    } else if has("stories:") || has("rules:") || has("test_cases:") {
        rasa::read(path, &name, text)
    } else {
        Ok(Carried { recordings: Recording::parse_any(&name, text)?, notes: Vec::new(), is_own: true })
    }
}

/// A note about a place in a file.
fn note(file: &str, text: &str, line: u32, message: impl Into<String>) -> Finding {
    Finding::warning(file, message).at(text, line, 1)
}

/// The files beside this one, and in the folders that Botium keeps such things in.
fn beside(path: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let own = path.parent().unwrap_or(Path::new("."));
    let own = if own.as_os_str().is_empty() { Path::new(".") } else { own };
    let above = own.join("..");
    let folders = [own.to_owned(), above.clone(), above.join("data"), own.join("data")];
    let mut found = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        found.extend(
            files.into_iter().filter(|file| {
                file.is_file() && file.file_name().is_some_and(|name| is_wanted(&name.to_string_lossy()))
            }),
        );
    }
    found
}

/// A conversation that is being put together: answers belong to what was said before them.
#[derive(Default)]
struct Told {
    recording: Recording,
}

impl Told {
    fn about(name: &str) -> Told {
        let about = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        Told { recording: Recording { about, ..Recording::default() } }
    }

    fn say(&mut self, line: u32, text: &str) {
        let action = Action::Say { text: text.trim().to_owned(), language: None };
        self.recording.conversation.push(Step { line, action, answer: None });
    }

    fn step(&mut self, line: u32, action: Action) {
        self.recording.conversation.push(Step { line, action, answer: None });
    }

    /// What the last answer must be; `None` if nothing was said yet.
    fn answer(&mut self) -> Option<&mut Expected> {
        let last = self.recording.conversation.iter_mut().rev();
        let said = last.into_iter().find(|step| matches!(step.action, Action::Say { .. } | Action::Press(_)));
        said.map(|step| step.answer.get_or_insert_default())
    }

    /// Whether anything is said at all.
    fn is_empty(&self) -> bool {
        !self.recording.conversation.iter().any(|step| matches!(step.action, Action::Say { .. } | Action::Press(_)))
    }
}

/// A text that answers may be one of these.
fn one_of(expected: &mut Expected, texts: &[String]) {
    match texts {
        [] => {}
        [one] => expected.contains.push(one.trim().to_owned()),
        many => {
            let many: Vec<String> = many.iter().map(|text| regex::escape(text.trim())).collect();
            // Escaped texts are always a pattern.
            expected.matches.extend(regex::Regex::new(&many.join("|")).ok().map(super::Pattern));
        }
    }
}
