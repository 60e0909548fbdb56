//! `plugin.yaml`: what a plugin is, and what it may use.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_yaml::{Location, Spanned};

use super::needs::{Answers, Hint, Needs};
use crate::finding::Finding;
use crate::responders::parameters::Parameters;
use crate::yaml;

/// The version of the functions for scripts.
pub const API: u32 = 1;
/// Where a plugin stands that does not say it.
const ORDER: i32 = 100;

/// A plugin's manifest, checked by itself.
#[derive(Debug)]
pub struct Manifest {
    /// What it is for, in a sentence.
    pub about: String,
    /// Who is asked first: plugins with a smaller number, then by name.
    pub order: i32,
    /// The shape of the state of its questions. A question of another version is forgotten.
    pub state_version: u32,
    /// What a message must have for it to be asked; without any it is asked about all.
    pub needs: Option<Needs>,
    /// Settings with their values.
    pub settings: Map<String, Value>,
    /// Data files beside the script.
    pub data: Vec<Named>,
    /// Modules of `lib/`.
    pub uses: Vec<Named>,
    /// Sources that it may look things up in.
    pub sources: Vec<String>,
    /// Actions that it may propose to customers.
    pub actions: Vec<String>,
    /// Attributes of the visitor that it may remember, and see.
    pub attributes: Vec<String>,
    /// Further attributes that it may see.
    pub visitor: Vec<String>,
    /// What it is as a tool of a model, if it is one.
    pub tool: Option<ToolSpec>,
}

/// What a model is told of a plugin.
#[derive(Debug)]
pub struct ToolSpec {
    /// What it does, and when it is to be called.
    pub description: String,
    /// What it takes.
    pub parameters: Parameters,
}

/// A name in the manifest, and where it stands.
#[derive(Debug)]
pub struct Named {
    pub name: String,
    /// Line and column, from 1.
    pub place: (u32, u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    api: Spanned<u32>,
    about: Spanned<String>,
    #[serde(default = "order")]
    order: i32,
    #[serde(default)]
    state_version: u32,
    needs: Option<NeedsFile>,
    #[serde(default)]
    settings: BTreeMap<String, Value>,
    #[serde(default)]
    data: Vec<Spanned<String>>,
    #[serde(default)]
    uses: Vec<Spanned<String>>,
    #[serde(default)]
    sources: Vec<Spanned<String>>,
    #[serde(default)]
    actions: Vec<Spanned<String>>,
    #[serde(default)]
    attributes: Vec<Spanned<String>>,
    #[serde(default)]
    visitor: Vec<Spanned<String>>,
    tool: Option<Spanned<WrittenTool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTool {
    description: String,
    parameters: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NeedsFile {
    #[serde(default)]
    text: Vec<Hint>,
    #[serde(default)]
    attributes: Vec<Spanned<String>>,
    entries: Option<Vec<Spanned<String>>>,
    answers: Option<Spanned<AnswersFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswersFile {
    #[serde(default)]
    text: Vec<Hint>,
    #[serde(default)]
    words: Vec<Spanned<String>>,
    #[serde(default)]
    short: usize,
}

fn order() -> i32 {
    ORDER
}

impl Manifest {
    /// Reads `plugin.yaml`; `file` is its name in findings. `overlay` is the text of `settings.yaml`, where there is
    /// one: values that take the place of those in the manifest.
    pub fn read(file: &str, text: &str, overlay: Option<(&str, &str)>) -> Result<Manifest, Vec<Finding>> {
        let read: File = yaml::read(file, text).map_err(|finding| vec![*finding])?;
        let mut findings = Vec::new();
        let at = |place: Location, message: String| {
            let (line, column) = yaml::place(place);
            Finding::error(file, message).at(text, line, column)
        };
        if read.api.value != API {
            let message = format!("this purser has version {API} of the functions for plugins, not {}", read.api.value);
            findings.push(at(read.api.referenced, message).hint(format!("write `api: {API}`")));
        }
        if read.about.value.trim().is_empty() {
            findings.push(at(read.about.referenced, "`about` is empty".to_owned()).hint("say what the plugin is for"));
        }
        let mut names = |names: Vec<Spanned<String>>, what: &str, fits: fn(&str) -> bool| -> Vec<Named> {
            let mut all: Vec<Named> = Vec::new();
            for Spanned { value: name, referenced, .. } in names {
                if !fits(&name) {
                    findings.push(at(referenced, format!("`{name}` is not the name of {what}")));
                } else if all.iter().any(|known| known.name == name) {
                    findings.push(at(referenced, format!("`{name}` stands here twice")).hint("remove one of them"));
                }
                all.push(Named { name, place: yaml::place(referenced) });
            }
            all
        };
        let data = names(read.data, "a data file beside the script, such as rates.yaml", is_data);
        let uses = names(read.uses, "a module in plugins/lib, such as money for plugins/lib/money.rhai", is_name);
        let sources = names(read.sources, "a source", is_name);
        let actions = names(read.actions, "an action", is_name);
        let attributes = names(read.attributes, "an attribute, such as parcel_number", is_name);
        let visitor = names(read.visitor, "an attribute, such as name", is_name);
        let (mut needed, mut entries, mut answers) = (Vec::new(), None, None);
        let mut empty = None;
        let hints = read.needs.map(|needs| {
            needed = names(needs.attributes, "an attribute, such as parcel_number", is_name);
            entries = needs.entries.map(|entries| names(entries, "an entry, such as track-parcel", is_name));
            answers = needs.answers.map(|Spanned { value: AnswersFile { text, words, short }, referenced, .. }| {
                let words = names(words, "a list in texts.yaml, such as yes_words", |name| !name.trim().is_empty());
                let answers = Answers { text, words, short };
                empty = answers.are_none().then_some(referenced);
                answers
            });
            needs.text
        });
        if let Some(place) = empty {
            let message = "`answers` has nothing in it, so no answer would come to the plugin".to_owned();
            findings.push(at(place, message).hint(
                "write what one can hold, such as `{ text: [digit], short: 3 }`; without `answers` all of them come",
            ));
        }
        for unseen in
            needed.iter().filter(|needed| !attributes.iter().chain(&visitor).any(|seen| seen.name == needed.name))
        {
            let message = format!("the plugin does not see the attribute `{}`", unseen.name);
            let finding = Finding::error(file, message).at(text, unseen.place.0, unseen.place.1);
            findings.push(finding.hint("list it under `attributes` or `visitor`"));
        }
        let tool =
            read.tool.and_then(|Spanned { value: WrittenTool { description, parameters }, referenced, .. }| {
                if description.trim().is_empty() {
                    let finding = at(referenced, "the `description` of the tool is empty".to_owned());
                    findings.push(finding.hint("say what it does and when a model is to call it"));
                }
                match Parameters::new(&parameters) {
                    Ok(parameters) => Some(ToolSpec { description: description.trim().to_owned(), parameters }),
                    Err(why) => {
                        findings.push(at(referenced, format!("the `parameters` of the tool: {why}")));
                        None
                    }
                }
            });
        let plain = |names: Vec<Named>| names.into_iter().map(|named| named.name).collect();
        let mut settings: Map<String, Value> = read.settings.into_iter().collect();
        if let Some((file, text)) = overlay {
            overlaid(&mut settings, file, text, &mut findings);
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        let needs = hints.map(|text| Needs { text, attributes: plain(needed), entries: entries.map(plain), answers });
        Ok(Manifest {
            about: read.about.value.trim().to_owned(),
            order: read.order,
            state_version: read.state_version,
            needs,
            settings,
            data,
            uses,
            sources: plain(sources),
            actions: plain(actions),
            attributes: plain(attributes),
            visitor: plain(visitor),
            tool,
        })
    }
}

/// Whether this can name a plugin, a source or an attribute.
pub fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    first
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn is_data(name: &str) -> bool {
    let reserved = ["plugin.yaml", "tests.yaml", "settings.yaml"].contains(&name);
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".json"));
    !reserved && stem.is_some_and(is_name)
}

/// Puts the values of `settings.yaml` in the place of the manifest's own, where they fit.
fn overlaid(settings: &mut Map<String, Value>, file: &str, text: &str, findings: &mut Vec<Finding>) {
    let own: yaml::Entries<Value> = match yaml::read(file, text) {
        Ok(own) => own,
        Err(finding) => return findings.push(*finding),
    };
    for (name, value) in own.0 {
        let at = |place: Location, message: String| {
            let (line, column) = yaml::place(place);
            Finding::error(file, message).at(text, line, column)
        };
        let Some(known) = settings.get_mut(&name.value) else {
            let finding = at(name.referenced, format!("the plugin has no setting `{}`", name.value));
            let meant = yaml::nearest(&name.value, settings.keys().map(String::as_str));
            findings.push(match meant {
                Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
                None => finding.hint("its settings and their values stand in plugin.yaml"),
            });
            continue;
        };
        if !known.is_null() && kind(known) != kind(&value.value) {
            let message = format!("`{}` is {}, not {}", name.value, kind(known), kind(&value.value));
            findings.push(at(value.referenced, message).hint(format!("in plugin.yaml it is {known}")));
            continue;
        }
        *known = value.value;
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
