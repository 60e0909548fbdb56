//! Rasa 2 and 3: stories, rules, `rasa test` files and end-to-end test cases in YAML.

use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use serde_yaml::Spanned;

use super::rasa_project::Around;
use super::{Carried, Told, note};
use crate::finding::Finding;
use crate::recording::Pattern;
use crate::yaml::{self, Entries};

/// What a file may hold beside stories that is looked at, or says nothing of them.
const KNOWN: [&str; 7] = ["version", "stories", "rules", "test_cases", "nlu", "responses", "templates"];

/// What stands in the other files of a project.
pub(super) const AROUND: [&str; 14] = [
    "nlu:",
    "responses:",
    "templates:",
    "intents:",
    "entities:",
    "slots:",
    "forms:",
    "actions:",
    "session_config:",
    "pipeline:",
    "policies:",
    "flows:",
    "action_endpoint:",
    "rest:",
];

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    stories: Option<Vec<Story>>,
    #[serde(default)]
    rules: Option<Vec<Story>>,
    #[serde(default)]
    test_cases: Option<Vec<Story>>,
}

#[derive(Deserialize)]
struct Story {
    #[serde(default, alias = "rule", alias = "test_case")]
    story: Option<String>,
    #[serde(default)]
    steps: Option<Vec<Spanned<Value>>>,
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

pub(super) fn read(path: &Path, name: &str, text: &str) -> Result<Carried, Box<Finding>> {
    let file: File = yaml::read(name, text)?;
    let mut around = Around::of(path);
    around.read(name, text);
    let mut carried = Carried::default();
    carried.notes.extend(around.unread.drain(..).map(|message| note(name, 1, message)));
    let Entries(keys) = yaml::read::<Entries<IgnoredAny>>(name, text)?;
    for (key, _) in keys.iter().filter(|(key, _)| !KNOWN.contains(&key.value.as_str())) {
        let (line, _) = yaml::place(key.referenced);
        carried.notes.push(note(name, line, format!("`{}` has no place in a recording", key.value)));
    }
    // A key may stand there with nothing below it.
    for story in [file.stories, file.rules, file.test_cases].into_iter().flatten().flatten() {
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
            carried.notes.push(note(name, line, format!("`{key}` has no place in a recording")));
        }
        let steps = story.steps.unwrap_or_default();
        for step in &steps {
            let (line, _) = yaml::place(step.referenced);
            let mut leave = |message: String| carried.notes.push(note(name, line, message));
            match &step.value {
                Value::Object(step) => around.step(step, line, &mut told, &mut leave),
                other => leave(format!("`{}` has no place in a recording", shown(other))),
            }
        }
        if told.is_empty() {
            let about = told.recording.about.unwrap_or_default();
            let line = steps.first().map_or(1, |step| yaml::place(step.referenced).0);
            carried.notes.push(note(name, line, format!("nothing is said in the story `{about}`; it is left out")));
        } else {
            carried.recordings.push(told.recording);
        }
    }
    Ok(carried)
}

impl Around {
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
                None => told.greeted(said),
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
}

/// A value as a reader knows it from the file.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
