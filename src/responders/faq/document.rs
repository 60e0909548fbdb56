//! One YAML file of the FAQ: its keys, and how it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::placed::{At, Placed};
use super::{matcher, read};
use crate::finding::{Finding, Place};
use crate::responders::lines::Line;

/// A file with questions and answers. Without `language` it may only hold `facts`, which then hold for all languages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A file of the FAQ of purser")]
pub struct Body {
    /// The language of this file: en, de, pt-BR, ….
    #[serde(default)]
    #[schemars(with = "String")]
    pub language: Option<Placed<String>>,
    /// Questions and their answers.
    #[serde(default)]
    pub entries: Vec<Placed<Entry>>,
    /// Words that mean the same: a name for what is meant, and the other words for it.
    #[serde(default)]
    pub words: BTreeMap<String, Vec<String>>,
    /// Words that say nothing: "please", "hello".
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Questions that sound like ours and must not be answered.
    #[serde(default)]
    pub not_ours: Vec<String>,
    /// What several answers repeat; an answer writes {{ facts.name }}.
    #[serde(default)]
    pub facts: BTreeMap<Placed<String>, Placed<String>>,
    /// Other words for what purser itself says.
    #[serde(default)]
    #[schemars(schema_with = "lines_schema")]
    pub lines: BTreeMap<Line, Placed<String>>,
}

/// One question and its answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name, the same in every language: small letters, digits and hyphens.
    #[schemars(regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub id: Placed<String>,
    /// What a "did you mean" button for it says. By default its first phrase.
    #[serde(default)]
    #[schemars(with = "String")]
    pub title: Option<Placed<String>>,
    /// Wordings of the question.
    #[schemars(length(min = 1))]
    pub phrases: Vec<Placed<String>>,
    /// The answer, in Markdown. It may use {{ facts.name }} and {{ visitor.name | default("there") }}.
    pub answer: Placed<String>,
    /// What the customer may press next.
    #[serde(default)]
    pub buttons: Vec<Placed<String>>,
    /// Who gets the question first: a plugin, or person; or several, with commas between, who are asked in turn. The
    /// answer here is used if they have none.
    #[serde(default)]
    #[schemars(with = "String")]
    pub then: Option<Placed<String>>,
    /// Questions that must be answered by this entry, tried at every load.
    #[serde(default)]
    pub ask: Vec<Placed<String>>,
    /// Questions that must neither be answered by this entry nor suggest it, tried at every load.
    #[serde(default)]
    pub not: Vec<Placed<String>>,
    /// How a phrase is looked for.
    #[serde(default)]
    pub r#match: Match,
    /// Of two entries that fit equally well the one with the higher priority answers.
    #[serde(default)]
    pub priority: i32,
    /// Names that it had before.
    #[serde(default)]
    pub was: Vec<Placed<String>>,
    /// The first day on which it answers (UTC), such as 2026-12-01.
    #[serde(default)]
    #[schemars(with = "Date")]
    pub from: Option<Placed<Date>>,
    /// The last day on which it answers (UTC).
    #[serde(default)]
    #[schemars(with = "Date")]
    pub until: Option<Placed<Date>>,
}

/// How a phrase is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// As one way of saying it; other words in another order do as well.
    #[default]
    Wording,
    /// Wherever its words stand together in the question.
    Word,
    /// As the whole question, to the letter.
    Exact,
}

impl From<Match> for matcher::Mode {
    fn from(by: Match) -> matcher::Mode {
        match by {
            Match::Wording => matcher::Mode::Wording,
            Match::Word => matcher::Mode::Word,
            Match::Exact => matcher::Mode::Exact,
        }
    }
}

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Date(pub i64);

impl TryFrom<String> for Date {
    type Error = String;

    fn try_from(text: String) -> Result<Date, String> {
        Date::parse(&text).ok_or_else(|| format!("`{text}` is not a day; write it as 2026-12-31"))
    }
}

impl Date {
    fn parse(text: &str) -> Option<Date> {
        let mut parts = text.splitn(3, '-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|part| part.parse::<i64>().ok())
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let days = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=days).contains(&day) {
            return None;
        }
        // Years that begin in March end in the leap day (Howard Hinnant, "days_from_civil").
        let year = if month <= 2 { year - 1 } else { year };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        Some(Date(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468))
    }
}

impl JsonSchema for Date {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Date".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
    }
}

/// A file that was read.
#[derive(Clone)]
pub struct Document(Arc<Inner>);

struct Inner {
    file: String,
    text: String,
    body: Body,
    doubts: Vec<Finding>,
}

impl Document {
    /// Reads a file's bytes; `file` is its name in findings. Everything that is wrong with it comes back at once.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Document, Vec<Finding>> {
        let (text, body, doubts) = read::read(file, bytes)?;
        Ok(Document(Arc::new(Inner { file: file.to_owned(), text, body, doubts })))
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The same for clones of the same document, as long as one of them lives.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// What stands in it.
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// What is doubtful about the file by itself.
    pub fn doubts(&self) -> &[Finding] {
        &self.0.doubts
    }

    /// A place in it.
    pub fn place(&self, at: At) -> Place {
        Place { file: self.0.file.clone(), line: at.line, column: at.column }
    }

    /// The place of a line (from 0) of a text in it. A block is known by the blanks before it.
    pub fn line_of(&self, text: &Placed<String>, line: usize) -> At {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let written = |line: u32| self.0.text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
        let indent = |line: u32| number(written(line).chars().take_while(|c| c.is_whitespace()).count() + 1);
        if indent(text.at.line) != text.at.column {
            return text.at;
        }
        let line = text.at.line.saturating_add(number(line));
        At { line, column: indent(line) }
    }

    /// Something wrong at a place in it.
    pub fn error(&self, at: At, message: impl Into<String>) -> Finding {
        Finding::error(&self.0.file, message).at(&self.0.text, at.line, at.column)
    }

    /// Something doubtful at a place in it.
    pub fn warning(&self, at: At, message: impl Into<String>) -> Finding {
        Finding::warning(&self.0.file, message).at(&self.0.text, at.line, at.column)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.0.file)
    }
}

fn lines_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let lines = Line::ALL.iter().map(|line| (line.word(), serde_json::json!({ "type": "string" })));
    let lines: serde_json::Map<String, serde_json::Value> = lines.collect();
    schemars::json_schema!({ "type": "object", "properties": lines, "additionalProperties": false })
}

/// The JSON Schema of these files, for editors.
pub fn schema() -> String {
    let schema = schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<Body>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("2026-12-31", Some(20_818)),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-1-1", None),
            ("31.12.2026", None),
            ("2026-04-31", None),
            ("tomorrow", None),
        ] {
            assert_eq!(Date::parse(text), expected.map(Date), "{text}");
        }
    }
}
