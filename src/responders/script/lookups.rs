//! Looking things up. What is there at once is given at once; else the script is stopped, the look-up goes on, and the
//! script runs again with the result in hand.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rhai::{Array, Dynamic, ImmutableString, Map};
use serde_json::Value;

use super::answers::fields;
use super::library::{Library, Result, fail};
use super::parcels::Parcel;
use super::run::{self, Run};
use super::value::to_script;
use crate::responders::BoxFuture;
use crate::sources::{LookUp, Trouble};

/// So many texts are kept with their parcel numbers.
const TEXTS: usize = 4;
/// The most look-ups for a message.
const MAX_LOOKUPS: usize = 8;

/// A look-up that a script asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub source: String,
    pub params: serde_json::Map<String, Value>,
}

/// What a source says.
pub(super) type Found = std::result::Result<Value, Trouble>;

/// A look-up under way.
pub(super) struct UnderWay {
    pub question: Arc<Question>,
    pub found: BoxFuture<'static, Found>,
}

/// What was found out for a message so far.
#[derive(Default)]
pub(super) struct Known {
    /// A few at most.
    values: Vec<(Arc<Question>, Dynamic)>,
    /// What answers look-ups; nothing where nobody is to be asked.
    sources: Option<Arc<dyn LookUp>>,
    /// What came of look-ups, until it is taken down.
    found: Vec<(Arc<Question>, Found)>,
    /// The last messages of the conversation, once they were read.
    pub messages: Option<Array>,
    /// The parcel numbers of texts.
    parcels: Vec<(ImmutableString, Arc<[Parcel]>)>,
}

impl Known {
    /// Nothing yet; these will answer.
    pub fn from(sources: Arc<dyn LookUp>) -> Known {
        Known { sources: Some(sources), ..Known::default() }
    }

    /// Keeps a result.
    pub fn add(&mut self, question: Arc<Question>, found: Found) {
        let value = match &found {
            Ok(value) => to_script(value),
            Err(trouble) => Dynamic::from(LookupError(*trouble)),
        };
        self.values.push((question.clone(), value));
        self.found.push((question, found));
    }

    /// The parcel numbers of a text that was looked through before.
    pub fn parcels(&self, text: &str) -> Option<Arc<[Parcel]>> {
        self.parcels.iter().find(|(known, _)| known.as_str() == text).map(|(_, found)| found.clone())
    }

    /// Keeps the parcel numbers of a text for the next run.
    pub fn keep_parcels(&mut self, text: ImmutableString, found: Arc<[Parcel]>) {
        if self.parcels.len() < TEXTS {
            self.parcels.push((text, found));
        }
    }

    /// The answer to a question.
    fn value(&self, question: &Question) -> Option<&Dynamic> {
        self.values.iter().find(|(known, _)| **known == *question).map(|(_, value)| value)
    }

    /// What was found since the last call, in the order in which it came.
    pub fn take_found(&mut self) -> Vec<(Arc<Question>, Found)> {
        std::mem::take(&mut self.found)
    }

    /// Begins a look-up, unless its answer is there at once.
    fn ask(&mut self, question: Arc<Question>) -> Option<UnderWay> {
        let Some(sources) = self.sources.clone() else {
            return Some(UnderWay { question, found: Box::pin(std::future::pending()) });
        };
        let asked = question.clone();
        let mut found: BoxFuture<'static, Found> =
            Box::pin(async move { sources.look_up(&asked.source, &asked.params).await });
        // Whoever waits for it later polls it once more, and is woken then.
        match found.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => {
                self.add(question, found);
                None
            }
            Poll::Pending => Some(UnderWay { question, found }),
        }
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
         those that a plugin may use. A script may run again from its start when a result has come; nothing before a \
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
            run::with(|run| find(run, vec![question])).map(|mut found| found.pop().unwrap_or_default())
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
        |value: &mut Dynamic| value.is::<LookupError>(),
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
fn find(run: &mut Run, questions: Vec<Question>) -> Result<Array> {
    let questions: Vec<Arc<Question>> = questions.into_iter().map(Arc::new).collect();
    let mut missing: Vec<&Arc<Question>> = Vec::new();
    for question in &questions {
        if !run.plugin.manifest().sources.contains(&question.source) {
            return fail(format!("`{}` is not among the `sources` of plugin.yaml", question.source));
        }
        if run.known.value(question).is_none() && !missing.contains(&question) {
            missing.push(question);
        }
    }
    if run.known.values.len() + missing.len() > MAX_LOOKUPS {
        return fail(format!("a message may cost at most {MAX_LOOKUPS} look-ups"));
    }
    for question in missing {
        run.wanted.lookups.extend(run.known.ask(question.clone()));
    }
    if !run.wanted.lookups.is_empty() {
        return run::stop();
    }
    Ok(questions.iter().filter_map(|question| run.known.value(question).cloned()).collect())
}
