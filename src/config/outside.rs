//! `sources:` and `actions:` of the file. They are read apart from the other keys, since they can change while purser
//! runs.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Finding;
use crate::responders::script::manifest::is_name;
use crate::sources::{ActionSpec, Spec, Written, WrittenAction};
use crate::yaml::{self, Entries};

/// What is outside of purser and plugins may use, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outside {
    /// What they may look things up in.
    pub sources: BTreeMap<String, Spec>,
    /// What they may have done.
    pub actions: BTreeMap<String, ActionSpec>,
}

impl Outside {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.actions.is_empty()
    }
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    sources: Entries<Written>,
    #[serde(default)]
    actions: Entries<WrittenAction>,
}

/// Reads both of the file's text; `variable` gives the environment's. What is wrong goes to `problems`, without the
/// lines of the file, which may hold secrets.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Outside {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return Outside::default();
        }
    };
    let mut reading = Reading { file, problems };
    Outside {
        sources: reading.all("sources", part.sources, |written| written.checked(variable)),
        actions: reading.all("actions", part.actions, |written| written.checked(variable)),
    }
}

struct Reading<'a> {
    file: &'a str,
    problems: &'a mut Vec<String>,
}

impl Reading<'_> {
    /// Those below a key that are in order.
    fn all<W, S>(
        &mut self,
        key: &str,
        entries: Entries<W>,
        check: impl Fn(W) -> Result<S, String>,
    ) -> BTreeMap<String, S> {
        let mut all = BTreeMap::new();
        for (name, written) in entries.0 {
            let (line, column) = yaml::place(name.referenced);
            let name = name.value;
            let checked = match is_name(&name) {
                true => check(written.value).map_err(|message| format!("{key}: {name}: {message}")),
                false => Err(format!("{key}: `{name}` is no name; small letters, digits, - and _ make one")),
            };
            match checked {
                Ok(spec) => {
                    all.insert(name, spec);
                }
                Err(message) => {
                    let finding = Finding { line, column, ..Finding::error(self.file, message) };
                    self.problems.push(finding.to_string());
                }
            }
        }
        all
    }
}
