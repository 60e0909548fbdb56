//! Looking things up: the script is stopped, the look-up runs, and the script runs again with the result in hand.

use std::collections::HashMap;

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::Value;

use super::answers::fields;
use super::library::{Library, Result, fail};
use super::run::{self, Run};
use super::value::to_script;
use crate::sources::Trouble;

/// The most look-ups for a message.
const MAX_LOOKUPS: usize = 8;

/// A look-up that a script asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub source: String,
    pub params: serde_json::Map<String, Value>,
}

/// What was looked up for a message so far.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<Question, Dynamic>);

impl Known {
    /// Keeps a result.
    pub fn add(&mut self, question: Question, found: &std::result::Result<Value, Trouble>) {
        let value = match found {
            Ok(value) => to_script(value),
            Err(trouble) => Dynamic::from(LookupError(*trouble)),
        };
        self.0.insert(question, value);
    }
}

/// Why there is no result, as a script sees it.
#[derive(Debug, Clone)]
struct LookupError(Trouble);

/// Registers the look-ups.
pub(super) fn register(library: &mut Library) {
    library.section(
        "Look-ups",
        "A source is something outside that the operator has configured under a name in purser.yaml; plugin.yaml lists \
         those that a plugin may use. A script runs again from its start when a result has come, so nothing before a \
         look-up happens twice for the customer.",
    );
    library.value::<LookupError>("LookupError");
    library.function(
        "fn lookup(source: String, params: Map) -> ?",
        "Looks something up: `lookup(\"shipment\", #{ number: n })`. Gives what the source gives: a map, a list, a text, \
         or `()` when there is nothing; and an error value, see `is_error`, when the source could not say.",
        &[],
        |source: &str, params: Map| -> Result<Dynamic> {
            let question = question(source, &params)?;
            run::with(|run| find(run, [question])).map(|mut found| found.pop().unwrap_or_default())
        },
    );
    library.function(
        "fn lookup_all(questions: Array) -> Array",
        "Several look-ups at the same time: `lookup_all([[\"shipment\", #{ number: a }], [\"shipment\", #{ number: b }]])` \
         gives a list of the results in the same order.",
        &[],
        |questions: Array| -> Result<Array> {
            let questions = questions.iter().map(pair).collect::<Result<Vec<_>>>()?;
            run::with(|run| find(run, questions))
        },
    );
    library.function(
        "fn is_error(value: ?) -> bool",
        "Whether a look-up failed. An error value has a `reason` for logs and tests, which is not for customers.",
        &["!is_error(()) && !is_error(#{ status: \"on its way\" })"],
        |value: Dynamic| value.is::<LookupError>(),
    );
    library.property(
        "get reason(error: LookupError) -> String",
        "Why a look-up failed: `timeout`, `unavailable`, `busy`, `refused`, `unreadable` or `too large`.",
        &[],
        |error: &mut LookupError| -> ImmutableString { error.0.word().into() },
    );
    library.engine().register_fn("to_string", |error: &mut LookupError| error.0.word().to_owned());
    library.engine().register_fn("to_debug", |error: &mut LookupError| error.0.word().to_owned());
}

fn pair(value: &Dynamic) -> Result<Question> {
    let wrong = || fail("a look-up in the list is [\"source\", #{ … }]");
    let Ok(pair) = value.as_array_ref() else { return wrong() };
    match &pair[..] {
        [source, params] => match (source.as_immutable_string_ref(), params.as_map_ref()) {
            (Ok(source), Ok(params)) => question(&source, &params),
            _ => wrong(),
        },
        _ => wrong(),
    }
}

fn question(source: &str, params: &Map) -> Result<Question> {
    let params = fields(params, "the parameter")?;
    if let Some((name, _)) = params.iter().find(|(_, value)| value.is_array() || value.is_object()) {
        return fail(format!("the parameter `{name}` is a list or a map; a source takes single values"));
    }
    Ok(Question { source: source.to_owned(), params })
}

/// The results, or a stop until they are there.
fn find(run: &mut Run, questions: impl IntoIterator<Item = Question>) -> Result<Array> {
    let mut found = Array::new();
    let mut missing: Vec<Question> = Vec::new();
    for question in questions {
        if !run.plugin.manifest().sources.contains(&question.source) {
            return fail(format!("`{}` is not among the `sources` of plugin.yaml", question.source));
        }
        match run.known.0.get(&question) {
            Some(value) => found.push(value.clone()),
            None if missing.contains(&question) => {}
            None => missing.push(question),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    if run.known.0.len() + missing.len() > MAX_LOOKUPS {
        return fail(format!("a message may cost at most {MAX_LOOKUPS} look-ups"));
    }
    run.wanted = missing;
    run::stop()
}
