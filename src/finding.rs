//! What is wrong in a content file, where, and what to write instead.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// The most of a long line that is shown, in characters.
const SNIPPET_WIDTH: usize = 100;

/// Whether a finding keeps a change from going live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The change stays out; what was in force before stays.
    Error,
    /// It goes live and is worth a look.
    Warning,
}

/// One thing that is wrong, or doubtful, in a content file. `Display` prints it like a compiler does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Whether it keeps the change from going live.
    pub severity: Severity,
    /// The file, as a person would open it.
    pub file: String,
    /// From 1; 0 when it is about the whole file or folder.
    pub line: u32,
    /// From 1, in characters; 0 when it is about the whole file or folder.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// The line with a mark below the place, ready to print.
    pub snippet: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// The other place that it is about.
    pub also: Option<Place>,
    /// The sample question (`ask:`, `not:`) that came out differently.
    pub sample: Option<String>,
}

/// A place in a content file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Place {
    /// The file, as a person would open it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Finding {
    /// Something that keeps a change from going live, about a whole file or folder.
    pub fn error(file: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Error,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            snippet: None,
            hint: None,
            also: None,
            sample: None,
        }
    }

    /// Something worth a look, about a whole file or folder.
    pub fn warning(file: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(file, message) }
    }

    /// The same at a place of the file's text.
    pub fn at(self, text: &str, line: u32, column: u32) -> Finding {
        Finding { line, column, snippet: snippet(text, line, column), ..self }
    }

    /// The same with what to write instead.
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }

    /// The same with the other place that it is about.
    pub fn also(self, place: Place) -> Finding {
        Finding { also: Some(place), ..self }
    }

    /// Whether it keeps a change from going live.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Everything but the snippet, on one line, for logs: `faq/en.yaml:3:5: unknown key … (did you mean …?)`.
    pub fn one_line(&self) -> String {
        let mut out = match self.line {
            0 => format!("{}: {}", self.file, self.message),
            line => format!("{}:{line}:{}: {}", self.file, self.column, self.message),
        };
        if let Some(also) = &self.also {
            out.push_str(&format!(", see {also}"));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!(" ({hint})"));
        }
        out.chars().map(|c| if c.is_whitespace() { ' ' } else { harmless(c) }).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.is_error() { "error" } else { "warning" };
        let shown = |text: &str| -> String { text.chars().map(|c| if c == '\n' { c } else { harmless(c) }).collect() };
        writeln!(f, "{severity}: {}", shown(&self.message))?;
        let margin = " ".repeat(self.line.to_string().len());
        match self.line {
            0 => write!(f, "{margin}--> {}", self.file)?,
            line => write!(f, "{margin}--> {}:{line}:{}", self.file, self.column)?,
        }
        if let Some(snippet) = &self.snippet {
            write!(f, "\n{snippet}")?;
        }
        if let Some(also) = &self.also {
            write!(f, "\n{margin} = see {also}")?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{margin} = {}", shown(hint)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A file may be anybody's, and a terminal would do what it says.
fn harmless(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// A line of the text with its number, and a mark below the place.
fn snippet(text: &str, line: u32, column: u32) -> Option<String> {
    let shown = text.lines().nth(line.checked_sub(1)? as usize)?;
    let before = column.saturating_sub(1) as usize;
    // Of a long line only the part around the place.
    let skip = if shown.chars().count() > SNIPPET_WIDTH { before.saturating_sub(SNIPPET_WIDTH / 2) } else { 0 };
    let part: String = shown.chars().skip(skip).take(SNIPPET_WIDTH).map(harmless).collect();
    let part = part.trim_end();
    let lead = if skip > 0 { "…" } else { "" };
    // Tabs stay tabs, so that the mark stands below its place.
    let indent = shown.chars().skip(skip).take(before - skip).map(|c| if c == '\t' { '\t' } else { ' ' });
    let indent: String = lead.chars().map(|_| ' ').chain(indent).collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    Some(format!("{margin} |\n{number} | {lead}{part}\n{margin} | {indent}^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_like_a_compiler() {
        let text = "language: en\nentries:\n  - id: a\n    phrase: [b]\n";
        let finding =
            Finding::error("faq/en.yaml", "unknown key `phrase`").at(text, 4, 5).hint("did you mean `phrases`?");
        let expected = "error: unknown key `phrase`\n \
                        --> faq/en.yaml:4:5\n  \
                          |\n\
                        4 |     phrase: [b]\n  \
                          |     ^\n  \
                          = did you mean `phrases`?";
        assert_eq!(finding.to_string(), expected);
        assert_eq!(finding.one_line(), "faq/en.yaml:4:5: unknown key `phrase` (did you mean `phrases`?)");

        let place = Place { file: "b.yaml".to_owned(), line: 12, column: 3 };
        let finding = Finding::warning("faq", "is empty").also(place);
        assert_eq!(finding.to_string(), "warning: is empty\n --> faq\n  = see b.yaml:12:3");
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        let finding = Finding::error("a.yaml", "unknown key `\u{1b}[2J`\nand more").hint("\u{1b}c");
        assert_eq!(finding.to_string(), "error: unknown key `\u{fffd}[2J`\nand more\n --> a.yaml\n  = \u{fffd}c");
        assert_eq!(finding.one_line(), "a.yaml: unknown key `\u{fffd}[2J` and more (\u{fffd}c)");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}!{}", "a".repeat(300), "b".repeat(300));
        let snippet = snippet(&text, 1, 301).unwrap();
        let lines: Vec<_> = snippet.lines().collect();
        assert_eq!(lines[1].chars().count(), "1 | …".chars().count() + SNIPPET_WIDTH);
        let mark = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(mark), Some('!'));
        assert_eq!(super::snippet("one", 7, 1), None);
    }
}
