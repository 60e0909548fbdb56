//! What the YAML parser complained about, in the words of somebody who writes answers.

use serde_yaml::granit_parser::ErrorKind;

use super::node::{Broken, Why};
use super::placed::At;
use crate::finding::Finding;

const COLUMNS: &str = "keys that belong together begin in the same column; check the blanks at the start of the line";

/// What is wrong with a file that is no tree, with what to write instead where that can be told.
pub fn finding(file: &str, text: &str, broken: &Broken) -> Finding {
    let complaint = Complaint { text, at: broken.at };
    let (at, message, hint) = complaint.in_other_words(&broken.why);
    Finding::error(file, message).hint(hint).at(text, at.line, at.column)
}

struct Complaint<'a> {
    text: &'a str,
    at: At,
}

impl<'a> Complaint<'a> {
    fn in_other_words(&self, why: &Why) -> (At, String, String) {
        if let Some(number) = self.text.lines().position(|line| line.starts_with("<<<<<<< ")) {
            let at = At::new(number + 1, 1);
            return (at, "a merge conflict is left in the file".into(), "settle it with git".into());
        }
        let here = |message: &str, hint: &str| (self.at, message.to_owned(), hint.to_owned());
        match why {
            Why::DoubledKey(key) => {
                here(&format!("the key `{key}` stands here twice"), "join the two, or remove one of them")
            }
            Why::UnknownAlias => self.first_letter(),
            Why::SecondDocument => {
                let sign = if self.line(0).starts_with("---") { "---" } else { "..." };
                let hint = format!("take the line {sign} out; one file is one document");
                here("a second document begins here", &hint)
            }
            Why::TooLarge | Why::Syntax(ErrorKind::RecursionLimitExceeded) => {
                here("the file is too large or nested too deeply", "split it; every file of the folder is read")
            }
            Why::Syntax(kind) => self.parser(kind),
        }
    }

    /// A complaint of the parser.
    fn parser(&self, kind: &ErrorKind) -> (At, String, String) {
        use ErrorKind as Is;
        let here = |message: &str, hint: &str| (self.at, message.to_owned(), hint.to_owned());
        let line = self.line(0);
        if line.trim_start_matches(' ').starts_with('\t') {
            return self.tab();
        }
        match kind {
            Is::TabNotAllowed | Is::TabInBlockIndentation | Is::TabInIndentation => self.tab(),
            Is::MappingValueNotAllowed => self.colon(),
            Is::ExpectedBlockMappingKey | Is::ExpectedBlockSequenceEntry => match line.split_once(": ") {
                Some((key, value)) if value.trim_start().starts_with("{{") => {
                    let at = At { column: column(key.chars().count() + 2), ..self.at };
                    (at, "a text cannot begin with `{{`".to_owned(), format!("put it in quotes: {}", quoted(value)))
                }
                _ => here("this line does not fit below the one before it", COLUMNS),
            },
            Is::SimpleKeyExpected => self.no_key(),
            Is::InvalidTrailingDoubleQuotedScalar => here(
                "the text ended before this, at the quotation mark",
                "write \\\" for a quotation mark in it, or put the whole text in '…'",
            ),
            Is::InvalidTrailingSingleQuotedScalar => here(
                "the text ended before this, at the apostrophe",
                "write '' for an apostrophe in it, or put the whole text in \"…\"",
            ),
            Is::UnclosedQuotedScalar => here("this quotation mark is never closed", "end the text with the same mark"),
            Is::ZeroBlockScalarIndent
            | Is::InvalidBlockScalarHeader
            | Is::TabAtBlockScalarStart
            | Is::InvalidBlockScalarIndent => here(
                "a text after | or > begins on the next line",
                &format!("begin it there, or put it in quotes: {}", quoted(self.rest())),
            ),
            Is::UnknownAnchor
            | Is::UnexpectedCharacter { .. }
            | Is::MissingAnchorOrAliasName
            | Is::ExpectedTagBang
            | Is::InvalidTagTerminator
            | Is::MissingDirectiveName
            | Is::InvalidDirectiveName
            | Is::InvalidDirectiveTerminator
            | Is::DirectiveByteLimitExceeded { .. }
            | Is::TooManyReservedDirectiveParams { .. }
            | Is::DuplicateVersionDirective
            | Is::MissingYamlVersion
            | Is::MissingYamlVersionSeparator
            | Is::YamlVersionTooLong
            | Is::ExpectedTagDirectiveBang
            | Is::MissingDocumentEndBeforeDirective => self.first_letter(),
            Is::InvalidColonPlacement | Is::ExpectedFlowMappingSeparator | Is::ExpectedFlowSequenceSeparator => here(
                "a list or block before this is not closed",
                "close it with ] or }, or put a text with these signs in quotes",
            ),
            Is::UnknownQuotedScalarEscape => {
                here("this text has a \\ that stands for nothing", "write \\\\ for one, or put the text in '…'")
            }
            other => here(&format!("this is not YAML: {other}"), COLUMNS),
        }
    }

    fn tab(&self) -> (At, String, String) {
        let column = self.line(0).chars().position(|c| c == '\t').map_or(self.at.column, column);
        let hint = "use blanks instead of the tab";
        (At { column, ..self.at }, "a tab stands at the start of the line".to_owned(), hint.to_owned())
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
