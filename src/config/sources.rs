//! `sources:` of the file. They are read apart from the other keys, since they can change while purser runs.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::Finding;
use crate::responders::script::manifest::is_name;
use crate::sources::{Spec, Written};
use crate::yaml::{self, Entries};

/// The sources by name.
pub type Sources = BTreeMap<String, Spec>;

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    sources: Entries<Written>,
}

/// Reads the sources of the file's text; `variable` gives the environment's. What is wrong goes to `problems`, without
/// the lines of the file, which may hold secrets.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Sources {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return Sources::new();
        }
    };
    let mut sources = Sources::new();
    for (name, written) in part.sources.0 {
        let (line, column) = yaml::place(name.referenced);
        let mut problem = |message: String| {
            let finding = Finding { line, column, ..Finding::error(file, message) };
            problems.push(finding.to_string());
        };
        let name = name.value;
        if !is_name(&name) {
            problem(format!("sources: `{name}` is no name; small letters, digits, - and _ make one"));
            continue;
        }
        match written.value.checked(variable) {
            Ok(spec) => {
                sources.insert(name, spec);
            }
            Err(message) => problem(format!("sources: {name}: {message}")),
        }
    }
    sources
}
