//! Rasa 2 and 3: stories, rules, `rasa test` files and end-to-end test cases in YAML.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use serde_yaml::Spanned;

use super::{Carried, Told, note, one_of};
use crate::finding::Finding;
use crate::recording::Pattern;
use crate::yaml;

/// So many files of a project are looked into, so deep below its folders, and the project's own folder is at most so far
/// above the stories.
const MOST_FILES: usize = 500;
const DEEPEST: usize = 4;
const HIGHEST: usize = 4;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    stories: Vec<Story>,
    #[serde(default)]
    rules: Vec<Story>,
    #[serde(default)]
    test_cases: Vec<Story>,
}

#[derive(Deserialize)]
struct Story {
    #[serde(default, alias = "rule", alias = "test_case")]
    story: Option<String>,
    #[serde(default)]
    steps: Vec<Spanned<Value>>,
    #[serde(default)]
    condition: Option<Spanned<Value>>,
    #[serde(default)]
    conversation_start: Option<Spanned<Value>>,
    #[serde(default)]
    wait_for_user_input: Option<Spanned<Value>>,
    #[serde(default)]
    metadata: Option<Spanned<Value>>,
    #[serde(default)]
    fixtures: Option<Spanned<Value>>,
}

/// What stands around the stories: examples of intents, and what actions say.
#[derive(Default)]
pub(super) struct Around {
    pub examples: HashMap<String, String>,
    pub responses: HashMap<String, Vec<String>>,
}

pub(super) fn read(path: &Path, name: &str, text: &str) -> Result<Carried, Box<Finding>> {
    let file: File = yaml::read(name, text)?;
    let mut around = Around::of(path);
    around.read(name, text);
    let mut carried = Carried::default();
    for story in file.stories.into_iter().chain(file.rules).chain(file.test_cases) {
        let mut told = Told::about(story.story.as_deref().unwrap_or_default());
        let around_it = [
            ("condition", &story.condition),
            ("conversation_start", &story.conversation_start),
            ("wait_for_user_input", &story.wait_for_user_input),
            ("metadata", &story.metadata),
            ("fixtures", &story.fixtures),
        ];
        for (key, value) in around_it.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            let (line, _) = yaml::place(value.referenced);
            carried.notes.push(note(name, text, line, format!("`{key}` has no place in a recording")));
        }
        for step in &story.steps {
            let (line, _) = yaml::place(step.referenced);
            let mut leave = |message: String| carried.notes.push(note(name, text, line, message));
            match &step.value {
                Value::Object(step) => around.step(step, line, &mut told, &mut leave),
                other => leave(format!("`{}` has no place in a recording", shown(other))),
            }
        }
        if told.is_empty() {
            let about = told.recording.about.unwrap_or_default();
            let line = story.steps.first().map_or(1, |step| yaml::place(step.referenced).0);
            carried.notes.push(note(
                name,
                text,
                line,
                format!("nothing is said in the story `{about}`; it is left out"),
            ));
        } else {
            carried.recordings.push(told.recording);
        }
    }
    Ok(carried)
}

impl Around {
    /// Looks for them beside the stories, and in the project that these belong to.
    pub fn of(path: &Path) -> Around {
        let mut around = Around::default();
        for file in project(path) {
            let Ok(text) = super::super::read::text_of(&file) else { continue };
            match file.extension().is_some_and(|ending| ending == "md") {
                true => around.markdown(&text),
                false => around.read(&file.display().to_string(), &text),
            }
        }
        around
    }

    /// Takes in a file, if it has any of it.
    fn read(&mut self, name: &str, text: &str) {
        let has = |key: &&str| text.lines().any(|line| line.starts_with(*key));
        if ["nlu:", "responses:", "templates:"].iter().any(has)
            && let Ok(value) = yaml::read::<Value>(name, text)
        {
            self.take(&value);
        }
    }

    fn take(&mut self, value: &Value) {
        for nlu in value["nlu"].as_array().into_iter().flatten() {
            let Some(intent) = nlu["intent"].as_str() else { continue };
            // A text of lines, or a list of texts with more around them.
            let first = match &nlu["examples"] {
                Value::String(examples) => examples.lines().find_map(|line| line.trim().strip_prefix("- ")),
                Value::Array(examples) => examples.iter().find_map(|example| example["text"].as_str()),
                _ => None,
            };
            if let Some(first) = first {
                self.examples.entry(intent.to_owned()).or_insert_with(|| plain(first));
            }
        }
        for key in ["responses", "templates"] {
            for (action, texts) in value[key].as_object().into_iter().flatten() {
                let texts = texts.as_array().into_iter().flatten();
                let texts = texts.filter_map(|text| text["text"].as_str().or(text.as_str()).map(str::to_owned));
                self.responses.entry(action.clone()).or_default().extend(texts);
            }
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
                    self.responses.entry(action.clone()).or_default().push(said.to_owned());
                }
            }
        }
    }

    fn step(&self, step: &Map<String, Value>, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        if let Some(said) = text("user") {
            self.user(said, line, told, leave);
        } else if let Some(intent) = text("intent") {
            self.intent(intent, line, told, leave);
        }
        for action in ["action", "utter"].into_iter().filter_map(text) {
            self.action(action, told, leave);
        }
        if let Some(said) = text("bot") {
            match told.answer() {
                Some(expected) => expected.contains.push(said.trim().to_owned()),
                None => leave("the bot speaks before anything was said".to_owned()),
            }
        }
        for assertion in step.get("assertions").and_then(Value::as_array).into_iter().flatten() {
            self.assertion(assertion, told, leave);
        }
        if let Some(or) = step.get("or").and_then(Value::as_array) {
            leave("of `or` the first is taken".to_owned());
            if let Some(first) = or.first().and_then(Value::as_object) {
                self.step(first, line, told, leave);
            }
        }
        // Entities are what is marked in the text, or the same thing said once more.
        let known = ["user", "intent", "action", "utter", "bot", "assertions", "or", "entities"];
        for key in step.keys().filter(|key| !known.contains(&key.as_str())) {
            leave(format!("`{key}` has no place in a recording"));
        }
    }

    /// What an end-to-end test expects of an answer.
    fn assertion(&self, assertion: &Value, told: &mut Told, leave: &mut dyn FnMut(String)) {
        for (kind, value) in assertion.as_object().into_iter().flatten() {
            let (action, matches) = (value["utter_name"].as_str(), value["text_matches"].as_str());
            if kind != "bot_uttered" || (action.is_none() && matches.is_none()) {
                leave(format!("`{kind}` has no place in a recording"));
                continue;
            }
            if let Some(action) = action {
                self.action(action, told, leave);
            }
            if let Some(matches) = matches {
                match (Regex::new(matches), told.answer()) {
                    (Ok(pattern), Some(expected)) => expected.matches.push(Pattern(pattern)),
                    (Err(_), _) => leave(format!("`{matches}` is no regular expression that is known here")),
                    (_, None) => leave("the bot speaks before anything was said".to_owned()),
                }
            }
        }
    }

    /// What a user says: words, or `/intent{"slot": "value"}`.
    pub(super) fn user(&self, said: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let payload = said.trim().strip_prefix('/').filter(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
        match payload {
            Some(payload) => {
                let intent = payload.split(['{', ' ', '\n']).next().unwrap_or_default();
                self.intent(intent, line, told, leave);
            }
            None => told.say(line, &plain(said)),
        }
    }

    pub(super) fn intent(&self, intent: &str, line: u32, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let intent = intent.trim().trim_start_matches('/').trim_start_matches("form: ");
        // Of a retrieval intent the stories may name all of them at once.
        let under = || {
            let mut under: Vec<_> = self.examples.iter().filter(|(name, _)| is_under(name, intent)).collect();
            under.sort();
            under.into_iter().map(|(_, example)| example).next()
        };
        match self.examples.get(intent).or_else(under) {
            Some(example) => told.say(line, example),
            None => leave(format!("the intent `{intent}` has no words here, nor an example in an nlu file beside it")),
        }
    }

    pub(super) fn action(&self, action: &str, told: &mut Told, leave: &mut dyn FnMut(String)) {
        let named = |name: &&String| *name == action || is_under(name, action);
        let mut names: Vec<&String> = self.responses.keys().filter(named).collect();
        names.sort();
        let texts: Vec<String> = names.into_iter().flat_map(|name| self.responses[name].clone()).collect();
        if texts.is_empty() {
            return leave(format!(
                "what `{action}` says stands in no domain file beside it; its answer is not checked"
            ));
        }
        if texts.iter().any(|text| text.contains('{')) {
            return leave(format!("`{action}` says what a slot holds; its answer is not checked"));
        }
        match told.answer() {
            Some(expected) => one_of(expected, &texts),
            None => leave(format!("`{action}` comes before anything was said")),
        }
    }
}

/// Whether a name is one of those that `all` stands for: `faq/ask_name` is one of `faq`.
fn is_under(name: &str, all: &str) -> bool {
    name.strip_prefix(all).is_some_and(|rest| rest.starts_with('/'))
}

/// A value as a reader knows it from the file.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
