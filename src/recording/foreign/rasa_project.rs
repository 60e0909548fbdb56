//! What stands around Rasa stories: words for their intents, and what actions say, from the files of their project.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Told, one_of};
use crate::recording::{Action, Pattern};
use crate::yaml;

/// So many files of a project are looked into, so deep below its folders, and the project's own folder is at most so far
/// above the stories.
const MOST_FILES: usize = 500;
const DEEPEST: usize = 4;
const HIGHEST: usize = 4;

/// What stands around the stories: examples of intents, and what actions say.
#[derive(Default)]
pub(super) struct Around {
    examples: HashMap<String, String>,
    responses: HashMap<String, Vec<Response>>,
    /// What could not be looked into, and why.
    pub unread: Vec<String>,
}

/// One wording of what an action says.
#[derive(PartialEq)]
struct Response {
    text: String,
    buttons: Vec<Offered>,
    /// What else it shows: pictures, and what only one channel knows.
    others: Vec<String>,
}

/// A button, and what it says to the bot when it is pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    title: String,
    payload: String,
}

impl Around {
    /// Looks for them beside the stories, and in the project that these belong to.
    pub fn of(path: &Path) -> Around {
        let mut around = Around::default();
        let files = project(path);
        if files.len() >= MOST_FILES {
            around.unread.push(format!("only {MOST_FILES} files of the project are looked into for words"));
        }
        for file in files {
            match (super::super::read::text_of(&file), file.extension().is_some_and(|ending| ending == "md")) {
                (Ok(text), true) => around.markdown(&text),
                (Ok(text), false) => around.read(&file.display().to_string(), &text),
                (Err(finding), _) => around.unread.push(left_unread(&finding)),
            }
        }
        around
    }

    /// Takes in a file, if it has any of it.
    pub fn read(&mut self, name: &str, text: &str) {
        let has = |key: &&str| text.lines().any(|line| line.starts_with(*key));
        if ["nlu:", "responses:", "templates:"].iter().any(has) {
            match yaml::read::<Value>(name, text) {
                Ok(value) => self.take(&value),
                Err(finding) => self.unread.push(left_unread(&finding)),
            }
        }
    }

    fn take(&mut self, value: &Value) {
        for nlu in value["nlu"].as_array().into_iter().flatten() {
            let Some(intent) = nlu["intent"].as_str() else { continue };
            // A text of lines, or a list of texts with more around them.
            let first = match &nlu["examples"] {
                Value::String(examples) => examples.lines().find_map(|line| line.trim().strip_prefix("- ")),
                Value::Array(examples) => {
                    examples.iter().find_map(|example| example["text"].as_str().or(example.as_str()))
                }
                _ => None,
            };
            if let Some(first) = first {
                let first = first.trim().trim_start_matches("- ");
                self.examples.entry(intent.to_owned()).or_insert_with(|| plain(first));
            }
        }
        for key in ["responses", "templates"] {
            for (action, wordings) in value[key].as_object().into_iter().flatten() {
                for wording in wordings.as_array().into_iter().flatten() {
                    self.say(action, Response::of(wording));
                }
            }
        }
    }

    /// Takes in a wording; a file may be come by twice.
    fn say(&mut self, action: &str, response: Response) {
        let known = self.responses.entry(action.to_owned()).or_default();
        if !known.contains(&response) {
            known.push(response);
        }
    }

    /// Examples under `## intent:greet`, and what is answered under `* faq/ask_name`.
    fn markdown(&mut self, text: &str) {
        let (mut intent, mut retrieved) = (None, None);
        for line in text.lines().map(str::trim) {
            if line.starts_with("##") {
                intent = line.strip_prefix("## intent:").map(|name| name.trim().to_owned());
                retrieved = None;
            } else if let Some(name) = line.strip_prefix("* ").filter(|name| name.contains('/') && !name.contains(' '))
            {
                retrieved = Some(format!("respond_{name}"));
            } else if let Some(said) = line.strip_prefix("- ") {
                if let Some(intent) = &intent {
                    self.examples.entry(intent.clone()).or_insert_with(|| plain(said));
                } else if let Some(action) = &retrieved {
                    let response = Response { text: said.to_owned(), buttons: Vec::new(), others: Vec::new() };
                    self.say(action, response);
                }
            }
        }
    }

    /// What a user says: words, or `/intent{"slot": "value"}`.
    pub fn user(&self, said: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let payload = said.trim().strip_prefix('/').filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
        match payload {
            Some(_) if told.press(line, said.trim()) => {}
            Some(payload) => {
                let intent = payload.split(['{', ' ', '\n']).next().unwrap_or_default();
                self.intent(intent, line, told, leave);
            }
            None => told.say(line, &plain(said)),
        }
    }

    /// A user means this, in whatever words.
    pub fn intent(&self, intent: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let intent = intent.trim().trim_start_matches('/').trim_start_matches("form: ");
        // Of a retrieval intent the stories may name all of them at once.
        let under = || {
            let mut under: Vec<_> = self.examples.iter().filter(|(name, _)| is_under(name, intent)).collect();
            under.sort();
            under.into_iter().map(|(_, example)| example).next()
        };
        match self.examples.get(intent).or_else(under) {
            Some(example) => told.say(line, example),
            None if told.press(line, &format!("/{intent}")) => {}
            None => leave(format!("the intent `{intent}` has no words here, nor an example in an nlu file beside it")),
        }
    }

    /// What the answer must be if the bot does this.
    pub fn action(&self, action: &str, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let named = |name: &&String| *name == action || is_under(name, action);
        let mut names: Vec<&String> = self.responses.keys().filter(named).collect();
        names.sort();
        let wordings: Vec<&Response> = names.into_iter().flat_map(|name| &self.responses[name]).collect();
        if wordings.is_empty() {
            return leave(format!(
                "what `{action}` says stands in no domain file beside it; its answer is not checked"
            ));
        }
        let mut others: Vec<&str> = wordings.iter().flat_map(|wording| &wording.others).map(String::as_str).collect();
        others.sort_unstable();
        others.dedup();
        for other in others {
            leave(format!("`{other}` of `{action}` has no place in a recording"));
        }
        let texts: Vec<String> =
            wordings.iter().map(|wording| wording.text.clone()).filter(|text| !text.is_empty()).collect();
        let Some(expected) = told.answer() else {
            return leave(format!("`{action}` comes before anything was said"));
        };
        if texts.iter().any(|text| text.contains('{')) {
            leave(format!("`{action}` says what a slot holds; anything may stand in its place"));
            let patterns: Vec<String> = texts.iter().map(|text| with_slots(text.trim())).collect();
            expected.matches.extend(Regex::new(&patterns.join("|")).ok().map(Pattern));
        } else {
            one_of(expected, &texts);
        }
        let buttons = &wordings[0].buttons;
        if wordings.iter().any(|wording| wording.buttons != *buttons) {
            leave(format!("the buttons of `{action}` are not checked: each of its wordings has others"));
        } else if !buttons.is_empty() {
            expected.buttons.get_or_insert_default().extend(buttons.iter().map(|button| button.title.clone()));
            told.offered.extend(buttons.iter().cloned());
        }
    }
}

impl Response {
    /// A wording as a domain writes it: a text, or a text with more around it.
    fn of(wording: &Value) -> Response {
        // Which of several wordings is taken is not for a test to say.
        const OF_ITSELF: [&str; 7] = ["text", "buttons", "quick_replies", "condition", "channel", "id", "metadata"];
        let text = wording["text"].as_str().or(wording.as_str()).unwrap_or_default().to_owned();
        let buttons = ["buttons", "quick_replies"].iter().filter_map(|key| wording[*key].as_array()).flatten();
        let button = |button: &Value| {
            let title = button["title"].as_str()?.trim().to_owned();
            let payload = button["payload"].as_str().unwrap_or(&title).trim().to_owned();
            Some(Offered { title, payload })
        };
        let others = wording.as_object().into_iter().flat_map(|wording| wording.keys());
        Response {
            text,
            buttons: buttons.filter_map(button).collect(),
            others: others.filter(|key| !OF_ITSELF.contains(&key.as_str())).cloned().collect(),
        }
    }
}

impl Told {
    /// Presses the button that says this to the bot, if it is below the last answer.
    fn press(&mut self, line: u32, payload: &str) -> bool {
        let title = self.offered.iter().find(|button| button.payload == payload).map(|button| button.title.clone());
        let is_there = title.is_some();
        if let Some(title) = title {
            self.step(line, Action::Press(title));
        }
        is_there
    }
}

fn left_unread(finding: &crate::finding::Finding) -> String {
    format!("the words in a file beside it are not known: {}", finding.one_line())
}

/// A text in which anything may stand where a slot is named.
fn with_slots(text: &str) -> String {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, behind)) = after.split_once('}') else { break };
        pattern.push_str(&regex::escape(before));
        pattern.push_str(r"[\s\S]*");
        rest = behind;
    }
    pattern + regex::escape(rest).as_str()
}

/// Whether a name is one of those that `all` stands for: `faq/ask_name` is one of `faq`.
fn is_under(name: &str, all: &str) -> bool {
    name.strip_prefix(all).is_some_and(|rest| rest.starts_with('/'))
}

/// The files that may hold words for these stories: beside them, and in `data` and `domain` of the project.
fn project(path: &Path) -> Vec<PathBuf> {
    let own = path.parent().filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    let is_root = |folder: &&Path| {
        ["domain.yml", "domain", "domains", "config.yml"].iter().any(|name| folder.join(name).exists())
    };
    let root = own.ancestors().take(HIGHEST).find(is_root).map(Path::to_owned);
    let above = own.parent().map(Path::to_owned);
    let mut found = BTreeSet::new();
    for folder in [Some(own.clone()), above, root.clone()].into_iter().flatten() {
        walk(&folder, 0, &mut found);
        walk(&folder.join("data"), DEEPEST, &mut found);
    }
    for folder in ["domain", "domains", "responses"] {
        walk(&root.as_deref().unwrap_or(&own).join(folder), DEEPEST, &mut found);
    }
    // What stands beside the stories comes first.
    let mut found: Vec<PathBuf> = found.into_iter().collect();
    found.sort_by_key(|file| file.parent() != Some(&*own));
    found
}

/// The YAML and Markdown files of a folder, and of those in it so deep.
fn walk(folder: &Path, deep: usize, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if found.len() >= MOST_FILES {
            return;
        }
        let is_text = path.extension().is_some_and(|ending| ["yml", "yaml", "md"].iter().any(|known| ending == *known));
        if path.is_dir() && deep > 0 {
            walk(&path, deep - 1, found);
        } else if is_text && path.is_file() {
            found.insert(path);
        }
    }
}

/// A text without the marks of entities: `[Berlin](city)`, `[Berlin]{"entity": "city"}`.
pub(super) fn plain(text: &str) -> String {
    static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[([^\]\[]+)\](\([^)]*\)|\{[^}]*\})").ok());
    match MARK.as_ref() {
        Some(mark) => mark.replace_all(text.trim(), "$1").into_owned(),
        None => text.trim().to_owned(),
    }
}
