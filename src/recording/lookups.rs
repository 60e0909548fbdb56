//! What sources say in a recording, so that it replays without them.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};

use super::read::duration;
use crate::conversation::Millis;
use crate::sources::{LookUp, Looking, TIME, Trouble};

/// What a source says to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Stub {
    /// The source.
    pub source: String,
    /// What it must be asked for; parameters that are not named here may be anything.
    pub params: Map<String, Value>,
    /// What it says, or why it cannot.
    pub result: Result<Value, Trouble>,
    /// How long that takes. Nothing waits for it in a replay: longer than a source may take, it is a time-out.
    pub delay: Millis,
}

/// What a source says to a question: a `result` or an `error`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LookUp")]
struct File {
    /// The source.
    source: String,
    /// What it must be asked for; parameters that are not named here may be anything.
    #[serde(default)]
    params: Map<String, Value>,
    /// What it says; `null`: there is nothing.
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    /// Why it cannot say: timeout, unavailable, busy, refused, unreadable, too large.
    error: Option<String>,
    /// How long that takes: 5 seconds. Nothing waits for it; too long is a timeout.
    delay: Option<String>,
}

impl JsonSchema for Stub {
    fn schema_name() -> Cow<'static, str> {
        File::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        File::json_schema(generator)
    }
}

/// `result: null` says that there is nothing, which is a result.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Stub {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Stub, D::Error> {
        let File { source, params, result, error, delay } = File::deserialize(deserializer)?;
        let result = match (result, error) {
            (Some(_), Some(_)) => return Err(D::Error::custom("a look-up has a `result` or an `error`, not both")),
            (result, None) => Ok(result.unwrap_or_default()),
            (None, Some(word)) => Err(Trouble::from_word(&word).ok_or_else(|| {
                D::Error::custom(format!(
                    "`{word}` is no error; they are timeout, unavailable, busy, refused, unreadable, too large"
                ))
            })?),
        };
        let delay = delay.map_or(Ok(0), |delay| duration(&delay)).map_err(D::Error::custom)?;
        Ok(Stub { source, params, result, delay })
    }
}

/// The sources of a replay.
#[derive(Debug)]
pub(super) struct Stubs {
    stubs: Vec<Stub>,
    /// Questions that no stub answers.
    missing: Mutex<Vec<String>>,
    /// How often each stub was used.
    used: Vec<AtomicUsize>,
}

impl Stubs {
    pub fn new(stubs: Vec<Stub>) -> Stubs {
        let used = stubs.iter().map(|_| AtomicUsize::new(0)).collect();
        Stubs { stubs, missing: Mutex::default(), used }
    }

    /// The questions since the last call that no stub answers.
    pub fn take_missing(&self) -> Vec<String> {
        std::mem::take(&mut self.missing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is there, for a failure.
    pub fn listed(&self) -> String {
        let shown = |stub: &Stub| format!("{} {}", stub.source, Value::Object(stub.params.clone()));
        match &self.stubs[..] {
            [] => "none".to_owned(),
            stubs => stubs.iter().map(shown).collect::<Vec<_>>().join(" | "),
        }
    }

    fn find(&self, source: &str, params: &Map<String, Value>) -> Result<Value, Trouble> {
        let fits = |stub: &&Stub| {
            stub.source == source && stub.params.iter().all(|(name, value)| params.get(name) == Some(value))
        };
        let limit = Millis::try_from(TIME.as_millis()).unwrap_or(Millis::MAX);
        // A question that is answered several times is told the answers one after the other, then the last again.
        // One that says all is meant before one that leaves something open.
        let exact = |stub: &Stub| stub.source == source && stub.params == *params;
        let first = self.stubs.iter().position(exact).or_else(|| self.stubs.iter().position(|stub| fits(&stub)));
        let same = |first: usize| {
            let all = self.stubs.iter().enumerate().skip(first);
            let same = all.filter(|(_, stub)| stub.source == source && stub.params == self.stubs[first].params);
            let turn = self.used[first].fetch_add(1, Ordering::Relaxed);
            same.take(turn.saturating_add(1)).last().map(|(_, stub)| stub)
        };
        match first.and_then(same) {
            Some(stub) if stub.delay > limit => Err(Trouble::Timeout),
            Some(stub) => stub.result.clone(),
            None => {
                let asked = format!("{source} {}", Value::Object(params.clone()));
                self.missing.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
                Err(Trouble::Unavailable)
            }
        }
    }
}

impl LookUp for Stubs {
    fn look_up<'a>(&'a self, source: &'a str, params: &'a Map<String, Value>) -> Looking<'a> {
        Box::pin(std::future::ready(self.find(source, params)))
    }

    fn expects(&self, source: &str, params: &Map<String, Value>) -> bool {
        let fits = |stub: &Stub| stub.params.iter().all(|(name, value)| params.get(name) == Some(value));
        self.stubs.iter().any(|stub| stub.source == source && fits(stub))
    }

    fn can_act(&self, _: &str) -> bool {
        true
    }
}
