//! Rasa 2 and 3: stories, rules and `rasa test` files in YAML.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use serde_yaml::Spanned;

use super::{Carried, Told, beside, note, one_of};
use crate::finding::Finding;
use crate::yaml;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    stories: Vec<Story>,
    #[serde(default)]
    rules: Vec<Story>,
}

#[derive(Deserialize)]
struct Story {
    #[serde(default, alias = "rule")]
    story: Option<String>,
    #[serde(default)]
    steps: Vec<Spanned<BTreeMap<String, Value>>>,
    #[serde(default)]
    condition: Option<Spanned<Value>>,
    #[serde(default)]
    conversation_start: Option<Spanned<Value>>,
    #[serde(default)]
    wait_for_user_input: Option<Spanned<Value>>,
    #[serde(default)]
    metadata: Option<Spanned<Value>>,
}

/// What stands around the stories: examples of intents, and what actions say.
#[derive(Default)]
pub(super) struct Around {
    pub examples: HashMap<String, String>,
    pub responses: HashMap<String, Vec<String>>,
}

pub(super) fn read(path: &Path, name: &str, text: &str) -> Result<Carried, Box<Finding>> {
    let file: File = yaml::read(name, text)?;
    let around = Around::of(path);
    let mut carried = Carried::default();
    for story in file.stories.into_iter().chain(file.rules) {
        let mut told = Told::about(story.story.as_deref().unwrap_or_default());
        let around_it = [
            ("condition", &story.condition),
            ("conversation_start", &story.conversation_start),
            ("wait_for_user_input", &story.wait_for_user_input),
            ("metadata", &story.metadata),
        ];
        for (key, value) in around_it.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            let (line, _) = yaml::place(value.referenced);
            carried.notes.push(note(name, text, line, format!("`{key}` has no place in a recording")));
        }
        for step in &story.steps {
            let (line, _) = yaml::place(step.referenced);
            around.step(&step.value, line, &mut told, |message| {
                carried.notes.push(note(name, text, line, message));
            });
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
    /// Looks for nlu.yml and domain.yml beside the stories.
    pub fn of(path: &Path) -> Around {
        let mut around = Around::default();
        let is_wanted = |name: &str| {
            (name.contains("nlu") || name.contains("domain") || name.contains("responses"))
                && (name.ends_with(".yml") || name.ends_with(".yaml") || name.ends_with(".md"))
        };
        for file in beside(path, is_wanted) {
            let Ok(text) = super::super::read::text_of(&file) else { continue };
            let name = file.display().to_string();
            if name.ends_with(".md") {
                around.markdown_examples(&text);
            } else if let Ok(value) = yaml::read::<Value>(&name, &text) {
                around.take(&value);
            }
        }
        around
    }

    fn take(&mut self, value: &Value) {
        for nlu in value["nlu"].as_array().into_iter().flatten() {
            let (Some(intent), Some(examples)) = (nlu["intent"].as_str(), nlu["examples"].as_str()) else { continue };
            let first = examples.lines().filter_map(|line| line.trim().strip_prefix("- ")).next();
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

    fn markdown_examples(&mut self, text: &str) {
        let mut intent = None;
        for line in text.lines() {
            if let Some(name) = line.trim().strip_prefix("## intent:") {
                intent = Some(name.trim().to_owned());
            } else if let (Some(name), Some(example)) = (&intent, line.trim().strip_prefix("- ")) {
                self.examples.entry(name.clone()).or_insert_with(|| plain(example));
            } else if line.starts_with("##") {
                intent = None;
            }
        }
    }

    fn step(&self, step: &BTreeMap<String, Value>, line: u32, told: &mut Told, mut leave: impl FnMut(String)) {
        let text = |key: &str| step.get(key).and_then(Value::as_str);
        if let Some(said) = text("user") {
            told.say(line, &plain(said));
        } else if let Some(intent) = text("intent") {
            self.intent(intent, line, told, &mut leave);
        }
        if let Some(action) = text("action") {
            self.action(action, told, &mut leave);
        }
        if let Some(said) = text("bot") {
            match told.answer() {
                Some(expected) => expected.contains.push(said.trim().to_owned()),
                None => leave("the bot speaks before anything was said".to_owned()),
            }
        }
        if let Some(or) = step.get("or").and_then(Value::as_array) {
            leave("of `or` the first is taken".to_owned());
            if let Some(first) = or.first().and_then(Value::as_object) {
                let first = first.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                self.step(&first, line, told, &mut leave as &mut dyn FnMut(String));
            }
        }
        let known = ["user", "intent", "action", "bot", "or"];
        for key in step.keys().filter(|key| !known.contains(&key.as_str())) {
            match key.as_str() {
                // What is marked in the text, or the same thing said once more.
                "entities" => {}
                key => leave(format!("`{key}` has no place in a recording")),
            }
        }
    }

    pub(super) fn intent(&self, intent: &str, line: u32, told: &mut Told, leave: &mut impl FnMut(String)) {
        match self.examples.get(intent) {
            Some(example) => told.say(line, example),
            None => leave(format!("the intent `{intent}` has no words here, nor an example in an nlu file beside it")),
        }
    }

    pub(super) fn action(&self, action: &str, told: &mut Told, leave: &mut impl FnMut(String)) {
        let Some(texts) = self.responses.get(action).filter(|texts| !texts.is_empty()) else {
            return leave(format!(
                "what `{action}` says stands in no domain file beside it; its answer is not checked"
            ));
        };
        if texts.iter().any(|text| text.contains('{')) {
            return leave(format!("`{action}` says what a slot holds; its answer is not checked"));
        }
        match told.answer() {
            Some(expected) => one_of(expected, texts),
            None => leave(format!("`{action}` comes before anything was said")),
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
