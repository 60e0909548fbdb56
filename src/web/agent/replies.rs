//! What agents say often: YAML files in a folder, read anew whenever an agent looks, so a change shows at once.
//!
//! A reply goes into the field where the agent writes, as text to be edited. A value of the visitor that it holds is
//! escaped for Markdown: it is shown as it is, whatever it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::{Environment, UndefinedBehavior, context};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;
use crate::responders::lines::tags;
use crate::responders::markdown::escaped;
use crate::yaml;

/// The longest value of the visitor in a reply, in characters.
const VALUE: usize = 200;
/// So many files are read.
const FILES: usize = 100;

/// A file of replies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    language: String,
    #[serde(default)]
    replies: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    text: String,
}

/// A reply, filled in.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// What the agent picks it by.
    pub title: String,
    /// Markdown.
    pub text: String,
    /// Its language.
    pub language: String,
}

/// The replies of a folder, those in the language of the conversation first, and what is wrong with the files.
pub fn read(folder: &Path, language: &str, known: &BTreeMap<String, String>, agent: &str) -> (Vec<Reply>, Vec<String>) {
    let (mut replies, mut findings) = (Vec::new(), Vec::new());
    let visitor: BTreeMap<&str, String> =
        known.iter().map(|(name, value)| (name.as_str(), escaped(value, VALUE))).collect();
    let agent = BTreeMap::from([("name", escaped(agent, VALUE))]);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for path in files(folder) {
        let name = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                findings.push(Finding::error(name, format!("it cannot be read: {error}")).to_string());
                continue;
            }
        };
        let file: File = match yaml::read(&name, &text) {
            Ok(file) => file,
            Err(finding) => {
                findings.push(finding.to_string());
                continue;
            }
        };
        for Written { title, text } in file.replies {
            match environment.render_str(&text, context! { visitor => &visitor, agent => &agent }) {
                Ok(text) => {
                    replies.push(Reply { title, text: text.trim_end().to_owned(), language: file.language.clone() });
                }
                Err(error) if error.kind() == minijinja::ErrorKind::UndefinedError => {
                    // What is not known of this visitor is left to the agent.
                    replies.push(Reply { title, text: text.trim_end().to_owned(), language: file.language.clone() });
                }
                Err(error) => findings.push(Finding::error(&*name, format!("{title}: {error}")).to_string()),
            }
        }
    }
    let spoken: Vec<String> = tags(language).collect();
    replies.sort_by_key(|reply| !spoken.contains(&reply.language.to_lowercase()));
    (replies, findings)
}

/// The YAML files of a folder, by name. A folder that is not there has none.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort_unstable();
    files.truncate(FILES);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_filled_with_text_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write(
            "de.yaml",
            "language: de\nreplies:\n- {title: Gruß, text: 'Guten Tag {{ visitor.name }}, hier ist {{ agent.name }}.'}\n",
        );
        write(
            "en.yaml",
            "language: en\nreplies:\n- {title: Hello, text: 'Hello {{ visitor.name }}!'}\n- {title: Bye, text: '{{ visitor.order }}'}\n",
        );
        write("broken.yaml", "language: en\nreplys: []\n");
        let known = BTreeMap::from([("name".to_owned(), "*{{ 7 * 7 }}* <b>".to_owned())]);
        let (replies, findings) = read(folder.path(), "en-GB", &known, "Ann");
        let texts: Vec<_> = replies.iter().map(|reply| (&*reply.language, &*reply.text)).collect();
        let name = r"\*\{\{ 7 \* 7 \}\}\* \<b\>";
        assert_eq!(
            texts,
            [
                ("en", &*format!("Hello {name}!")),
                ("en", "{{ visitor.order }}"),
                ("de", &*format!("Guten Tag {name}, hier ist Ann."))
            ]
        );
        assert!(findings.len() == 1 && findings[0].contains("did you mean `replies`?"), "{findings:?}");
        assert_eq!(read(&folder.path().join("none"), "en", &known, "Ann").0, []);
    }
}
