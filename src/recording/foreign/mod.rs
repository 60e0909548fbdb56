//! Conversations in the formats of others, read as recordings: Rasa stories and tests (`rasa.rs`, `rasa_markdown.rs`, `rasa_project.rs`),
//! Botium conversations (`botium.rs`), Bot Framework transcripts and chats (`botframework.rs`), which is also written.
//!
//! What a recording has no words for is a note with file and line; nothing is dropped silently.

mod botframework;
mod botium;
mod rasa;
mod rasa_markdown;
mod rasa_project;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Action, Earlier, Expected, Recording, Step, read};
use crate::conversation::{Author, Text};
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
    let mut carried = read_as_named(path)?;
    if !carried.is_own {
        // What could not be carried over leaves an answer of which nothing is said.
        let steps = carried.recordings.iter_mut().flat_map(|recording| &mut recording.conversation);
        steps.for_each(|step| step.answer = step.answer.take().filter(|answer| *answer != Expected::default()));
        let name = path.display().to_string();
        let (recordings, notes) = (&mut carried.recordings, &mut carried.notes);
        recordings
            .iter_mut()
            .for_each(|recording| recording.conversation.retain(|step| can_be_said(&name, step, notes)));
        recordings.retain(|recording| !recording.conversation.is_empty());
        let mut seen = HashSet::new();
        carried.notes.retain(|note| seen.insert((note.line, note.message.clone())));
    }
    Ok(carried)
}

/// Whether a customer of purser could send this; if not, that is noted.
fn can_be_said(name: &str, step: &Step, notes: &mut Vec<Finding>) -> bool {
    let Action::Say { text, attachments, .. } = &step.action else { return true };
    if text.is_empty() && !attachments.is_empty() {
        return true;
    }
    let wrong = Text::new(text).err();
    notes.extend(wrong.as_ref().map(|error| note(name, step.line, format!("{error}; what is said here is left out"))));
    wrong.is_none()
}

fn read_as_named(path: &Path) -> Result<Carried, Box<Finding>> {
    let text = &read::text_of(path)?;
    let name = path.display().to_string();
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    if name.ends_with(".convo.txt") {
        Ok(botium::read(path, &name, text))
    } else if name.ends_with(".transcript") {
        botframework::read_transcript(&name, text)
    } else if name.ends_with(".chat") {
        Ok(botframework::read_chat(&name, text))
    } else if name.ends_with(".md") {
        Ok(rasa_markdown::read(path, &name, text))
    } else if has("conversation:") || has("tests:") {
        Ok(Carried { recordings: Recording::parse_any(&name, text)?, notes: Vec::new(), is_own: true })
    } else if has("stories:") || has("rules:") || has("test_cases:") {
        rasa::read(path, &name, text)
    } else if rasa::AROUND.iter().any(|key| has(key)) {
        let note = Finding::warning(&name, "this belongs to a Rasa project and holds no conversation");
        Ok(Carried { notes: vec![note], ..Carried::default() })
    } else {
        Ok(Carried { recordings: Recording::parse_any(&name, text)?, notes: Vec::new(), is_own: true })
    }
}

/// A note about a line of a file. It is shown on one line, and there may be thousands, so none looks for its place in the
/// text.
fn note(file: &str, line: u32, message: impl Into<String>) -> Finding {
    Finding { line, column: 1, ..Finding::warning(file, message) }
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
    /// The buttons below the last answer, where they say to the bot what they do not show.
    offered: Vec<rasa_project::Offered>,
}

impl Told {
    fn about(name: &str) -> Told {
        let about = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        Told { recording: Recording { about, ..Recording::default() }, ..Told::default() }
    }

    fn say(&mut self, line: u32, text: &str) {
        let text = text.trim().replace("\r\n", "\n");
        self.step(line, Action::Say { text, language: None, attachments: Vec::new() });
    }

    /// What the customer does ends what was offered before.
    fn step(&mut self, line: u32, action: Action) {
        self.offered.clear();
        self.recording.conversation.push(Step { line, action, answer: None });
    }

    /// Files that the customer sends, with the message that was put in last, or without a word. Those that are of no kind
    /// that can be sent come back.
    fn send<'a>(&mut self, line: u32, names: &[&'a str], with_message: bool) -> Vec<&'a str> {
        let (known, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| read::media(name).is_some());
        if known.is_empty() {
            return others;
        }
        if !with_message {
            self.say(line, "");
        }
        if let Some(Step { action: Action::Say { attachments, .. }, .. }) = self.recording.conversation.last_mut() {
            attachments.extend(known.into_iter().map(str::to_owned));
        }
        others
    }

    /// The bot speaks before anybody said anything.
    fn greeted(&mut self, text: &str) {
        let text = text.trim().replace("\r\n", "\n");
        self.recording.start.messages.push(Earlier { author: Author::Bot, text });
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
