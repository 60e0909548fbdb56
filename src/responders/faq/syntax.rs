//! What the YAML parser complained about, in the words of somebody who writes answers.

use serde_yaml::{Error, MessageFormatter, UserMessageFormatter};

use super::placed::At;
use crate::finding::Finding;
use crate::yaml::place;

const COLUMNS: &str = "keys that belong together begin in the same column; check the blanks at the start of the line";

/// A complaint of the parser as a finding, with what to write instead where that can be told.
pub fn finding(file: &str, text: &str, error: &Error) -> Finding {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((0, 0), place);
    let complaint = Complaint { text, at: At { line, column } };
    let (at, message, hint) = complaint.in_other_words(error);
    let finding = Finding::error(file, message).hint(hint);
    if at.line == 0 { finding } else { finding.at(text, at.line, at.column) }
}

struct Complaint<'a> {
    text: &'a str,
    at: At,
}

impl<'a> Complaint<'a> {
    fn in_other_words(&self, error: &Error) -> (At, String, String) {
        let said = UserMessageFormatter.format_message(error).into_owned();
        let line = self.line(0);
        if let Some(number) = self.text.lines().position(|line| line.starts_with("<<<<<<< ")) {
            let line = u32::try_from(number + 1).unwrap_or(u32::MAX);
            return (
                At { line, column: 1 },
                "a merge conflict is left in the file".into(),
                "settle it with git".into(),
            );
        }
        let here = |message: &str, hint: &str| (self.at, message.to_owned(), hint.to_owned());
        match error {
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                return here(&format!("the key `{key}` stands here twice"), "join the two, or remove one of them");
            }
            Error::UnknownAnchor { .. } | Error::RecursiveReferencesRequireWeakTypes { .. } => {
                return self.first_letter();
            }
            Error::Budget { .. } if line.starts_with("---") => {
                return here("a second document begins here", "take the line --- out; one file is one document");
            }
            _ => {}
        }
        let has = |part: &str| said.contains(part);
        if has("tabs disallowed") || (line.trim_start_matches(' ').starts_with('\t')) {
            let column = line.chars().position(|c| c == '\t').map_or(self.at.column, column);
            let hint = "use blanks instead of the tab";
            (At { column, ..self.at }, "a tab stands at the start of the line".to_owned(), hint.to_owned())
        } else if has("mapping values are not allowed") {
            self.colon()
        } else if has("did not find expected key") || has("did not find expected '-'") {
            match line.split_once(": ") {
                Some((key, value)) if value.trim_start().starts_with("{{") => {
                    let column = column(key.chars().count() + 2);
                    let at = At { column, ..self.at };
                    (at, "a text cannot begin with `{{`".to_owned(), format!("put it in quotes: {}", quoted(value)))
                }
                _ => here("this line does not fit below the one before it", COLUMNS),
            }
        } else if has("simple key expected ':'") {
            self.no_key()
        } else if has("after double-quoted") {
            here(
                "the text ended before this, at the quotation mark",
                "write \\\" for a quotation mark in it, or put the whole text in '…'",
            )
        } else if has("after single-quoted") {
            here(
                "the text ended before this, at the apostrophe",
                "write '' for an apostrophe in it, or put the whole text in \"…\"",
            )
        } else if has("unclosed quote") {
            here("this quotation mark is never closed", "end the text with the same mark")
        } else if has("block scalar") {
            here(
                "a text after | or > begins on the next line",
                &format!("begin it there, or put it in quotes: {}", quoted(self.rest())),
            )
        } else if has("unexpected character") || has("scanning an anchor") || has("scanning a tag") || has("directive")
        {
            self.first_letter()
        } else if has("illegal placement of ':'") || has("expected ',' or") {
            here(
                "a list or block before this is not closed",
                "close it with ] or }, or put a text with these signs in quotes",
            )
        } else if has("escape character") {
            here("this text has a \\ that stands for nothing", "write \\\\ for one, or put the text in '…'")
        } else if has("too large or too complex") {
            here("the file is too large or nested too deeply", "split it; every file of the folder is read")
        } else {
            here(&format!("this is not YAML: {said}"), COLUMNS)
        }
    }

    /// The line of the complaint, or one before it.
    fn line(&self, before: u32) -> &'a str {
        let number = self.at.line.checked_sub(1 + before);
        number.and_then(|number| self.text.lines().nth(number as usize)).unwrap_or_default()
    }

    /// The line from the place on.
    fn rest(&self) -> &'a str {
        let line = self.line(0);
        let start = line.char_indices().nth(self.at.column.saturating_sub(1) as usize);
        start.map_or("", |(start, _)| &line[start..])
    }

    fn first_letter(&self) -> (At, String, String) {
        let first = self.rest().chars().next().unwrap_or_default();
        let hint = format!("put it in quotes: {}", quoted(self.rest()));
        let first = if first == '`' { "a backtick".to_owned() } else { format!("`{first}`") };
        (self.at, format!("a text cannot begin with {first}"), hint)
    }

    /// A colon where none can be: in a value, or after a line that is not what it looks like.
    fn colon(&self) -> (At, String, String) {
        let line = self.line(0);
        if let Some((key, value)) = line.split_once(": ")
            && key.chars().count() + 1 < self.at.column as usize
        {
            let message = "a colon in a text that is not in quotes".to_owned();
            return (self.at, message, format!("put the text in quotes: {}: {}", key.trim(), quoted(value)));
        }
        let above = self.line(1);
        let dash = above.trim_start();
        if dash.starts_with('-') && !dash.starts_with("- ") && !dash.starts_with("--") {
            let at = At { line: self.at.line - 1, column: column(above.len() - dash.len()) };
            return (at, "a - without a blank after it".to_owned(), format!("write - {}", dash[1..].trim_start()));
        }
        let start = column(line.len() - line.trim_start().len());
        let at = At { column: start, ..self.at };
        (at, "this line does not fit below the one before it".to_owned(), COLUMNS.to_owned())
    }

    /// A line that should be `key: value` and is not.
    fn no_key(&self) -> (At, String, String) {
        let (line, above) = (self.line(0).trim(), self.line(1).trim_end());
        if let Some((key, value)) = line.split_once(':')
            && !key.contains(' ')
            && !value.is_empty()
        {
            let message = "there is no blank after the colon".to_owned();
            return (self.at, message, format!("write {key}: {value}"));
        }
        if above.ends_with(['|', '>']) {
            let hint = "indent the text by two blanks more than its key".to_owned();
            return (self.at, "the text does not stand below its key".to_owned(), hint);
        }
        let hint = "write `key: value`; a text of several lines stands indented below `key: |`".to_owned();
        (self.at, "this line has no key".to_owned(), hint)
    }
}

fn column(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// A text as it stands in single quotes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}
