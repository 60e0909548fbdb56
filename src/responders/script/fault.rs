//! What is wrong with a script, as a finding: where, what, and what to write instead.

use rhai::{Dynamic, EvalAltResult, ParseError, Position};

use super::engine::{MAX_FIELDS, MAX_ITEMS, MAX_OPERATIONS, MAX_TEXT, REMOVED, engine};
use super::plugin::Plugin;
use super::sizes::shown;
use super::{calls, run};
use crate::finding::Finding;
use crate::yaml;

/// So many loops are named.
const MOST_LOOPS: usize = 5;

/// A script that does not compile.
pub(super) fn in_text(file: &str, text: &str, error: &ParseError) -> Finding {
    let (line, column) = place(error.position());
    let finding = Finding::error(file, error.err_type().to_string()).at(text, line, column);
    let rest = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let word: String =
        rest.chars().skip(column.saturating_sub(1) as usize).take_while(char::is_ascii_lowercase).collect();
    match REMOVED.contains(&word.as_str()) {
        true => finding.hint(format!("`{word}` is not part of scripts for purser")),
        false => finding,
    }
}

/// What went wrong in a run, in two wordings: the finding may quote what the script was given.
pub(super) struct Fault {
    /// For whoever writes the script.
    pub finding: Finding,
    /// What kind of fault it is. Never made of values.
    kind: &'static str,
}

impl Fault {
    /// A failure that is not the script's.
    pub(super) fn of_engine(plugin: &Plugin, what: &'static str) -> Fault {
        Fault { finding: plugin.finding(what), kind: what }
    }

    /// Where it is and of what kind. A log must not hold what a customer wrote.
    pub(super) fn for_the_log(&self) -> String {
        let Finding { file, line, .. } = &self.finding;
        match line {
            0 => format!("{file}: {}", self.kind),
            line => format!("{file}:{line}: {} (`purser ask --why` shows more)", self.kind),
        }
    }
}

/// A run that failed.
pub(super) fn of(plugin: &Plugin, error: EvalAltResult) -> Fault {
    let (mut error, mut function, mut position) = (error, None, Position::NONE);
    // The innermost place is where it happened; those around it are how it came there.
    loop {
        if !error.position().is_none() {
            position = error.position();
        }
        match error {
            EvalAltResult::ErrorInFunctionCall(name, _, inner, _) => {
                function = Some(name);
                error = *inner;
            }
            _ => break,
        }
    }
    let _ = error.take_position();
    let (message, hint) = describe(&error);
    let (line, column) = place(position);
    // Where a run is stopped, the engine does not say.
    let is_stopped = matches!(error, EvalAltResult::ErrorTerminated(..) | EvalAltResult::ErrorTooManyOperations(_));
    if line == 0 && is_stopped {
        return Fault { finding: at_loop(plugin, Finding { hint, ..plugin.finding(message) }), kind: kind(&error) };
    }
    let finding = match plugin.script_of(function.as_deref()) {
        Some(script) => Finding::error(&script.file, message).at(&script.text, line, column),
        None => plugin.finding(message),
    };
    Fault { finding: Finding { hint, ..finding }, kind: kind(&error) }
}

/// The finding at the loop that it can only be about, or with the places of those that it may be about.
fn at_loop(plugin: &Plugin, finding: Finding) -> Finding {
    let loops: Vec<_> = plugin.loops().take(MOST_LOOPS + 1).collect();
    match &loops[..] {
        [] => finding,
        [(script, (line, column))] => Finding { file: script.file.clone(), ..finding }.at(&script.text, *line, *column),
        loops => {
            let shown = loops.iter().take(MOST_LOOPS).map(|(script, (line, _))| format!("{}:{line}", script.file));
            let mut shown = shown.collect::<Vec<_>>().join(", ");
            if loops.len() > MOST_LOOPS {
                shown.push_str(" and more");
            }
            let before = finding.hint.clone().map(|hint| format!("{hint} ")).unwrap_or_default();
            finding.hint(format!("{before}Its loops are at {shown}"))
        }
    }
}

/// A run that returned something else than an answer.
pub(super) fn no_answer(plugin: &Plugin, value: &Dynamic) -> Fault {
    let hint = match value {
        value if value.is_unit() => "end with `pass()` where the message is not for this plugin",
        value if value.is_string() => "write reply(\"…\")",
        _ => "return pass(), reply(\"…\"), ask(\"…\", state) or hand_over(\"…\")",
    };
    let got = match value {
        value if value.is_unit() => "nothing",
        value if value.is_string() => "a text",
        value if value.is_int() || value.is_float() => "a number",
        value if value.is_bool() => "true or false",
        value if value.is_array() => "a list",
        value if value.is_map() => "a map",
        value => value.type_name(),
    };
    let finding = plugin.finding(format!("answer(turn) returned {got}, which is no answer")).hint(hint);
    Fault { finding, kind: "answer(turn) returned no answer" }
}

fn kind(error: &EvalAltResult) -> &'static str {
    match error {
        EvalAltResult::ErrorFunctionNotFound(..) => "a function that is not there was called",
        EvalAltResult::ErrorTooManyOperations(_) => "the script does too much for a message",
        EvalAltResult::ErrorTerminated(limit, _) if is_memory(limit) => "the script holds too much memory",
        EvalAltResult::ErrorTerminated(..) => "the script takes too long for a message",
        EvalAltResult::ErrorStackOverflow(_) => "functions call each other too deeply",
        EvalAltResult::ErrorDataTooLarge(..) => "a value is too large",
        EvalAltResult::ErrorArithmetic(..) => "a calculation is not possible",
        EvalAltResult::ErrorArrayBounds(..) | EvalAltResult::ErrorStringBounds(..) => "an index is out of bounds",
        EvalAltResult::ErrorMismatchDataType(..) | EvalAltResult::ErrorMismatchOutputType(..) => {
            "a value is of another type than is wanted"
        }
        EvalAltResult::ErrorRuntime(..) => "the script, or a function that it called, threw an error",
        _ => "the script failed",
    }
}

fn is_memory(limit: &Dynamic) -> bool {
    limit.clone().try_cast::<run::Limit>() == Some(run::Limit::Memory)
}

fn describe(error: &EvalAltResult) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let name = signature.split([' ', '(']).next().unwrap_or(signature);
            let hint = match calls::native().contains(name) {
                true => Some(format!("there is a function `{name}` for other values")),
                false => yaml::nearest(name, calls::native().iter().map(String::as_str))
                    .map(|meant| format!("did you mean `{meant}`?")),
            };
            (format!("there is no function `{signature}`"), hint)
        }
        EvalAltResult::ErrorTooManyOperations(_) => {
            let message = format!("the script does more than {MAX_OPERATIONS} operations for a message");
            (message, Some("is there a loop that does not end?".to_owned()))
        }
        EvalAltResult::ErrorTerminated(limit, _) if is_memory(limit) => {
            let message = format!("the script holds more than {} MiB for a message", run::MOST_HELD >> 20);
            (message, Some("does it keep more and more lists, maps or texts?".to_owned()))
        }
        EvalAltResult::ErrorTerminated(..) => {
            let message = format!("the script takes longer than {:?} for a message", run::TIME);
            (message, Some("is there a loop that does not end?".to_owned()))
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            let message = match what.as_str() {
                "Length of string" => format!("a text is too large: it would have more than {MAX_TEXT} bytes"),
                "Size of array/BLOB" => {
                    format!("a list is too large: it would have more than {MAX_ITEMS} items in all")
                }
                "Size of object map" => {
                    format!("a map is too large: it would have more than {MAX_FIELDS} fields in all")
                }
                other => format!("{other} is too large"),
            };
            (message, None)
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            let message = format!("functions call each other deeper than {}", engine().max_call_levels());
            (message, Some("is there a function that calls itself for ever?".to_owned()))
        }
        EvalAltResult::ErrorRuntime(thrown, _) => {
            let thrown = match thrown {
                thrown if thrown.is_unit() => "something".to_owned(),
                thrown => shown(thrown),
            };
            (thrown, None)
        }
        other => (other.to_string(), None),
    }
}

pub(super) fn place(position: Position) -> (u32, u32) {
    let number = |number: Option<usize>| number.and_then(|number| u32::try_from(number).ok());
    let line = number(position.line()).unwrap_or(0);
    (line, number(position.position()).unwrap_or(u32::from(line > 0)))
}
