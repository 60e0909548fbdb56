//! Sources: the named outside look-ups that plugins may use, as the operator configures them, and actions, the named
//! things that they may have done (`action.rs`).
//!
//! A source is a statement on a database (`sql.rs`, `statement.rs`) or an address to GET (`http.rs`, `wire.rs`,
//! `template.rs`, `address.rs`); `spec.rs` checks what the configuration says. Around each look-up stand, from outside: what is kept
//! of earlier answers and shared with those who ask the same at the same time (`shared.rs`), the rest that a failing
//! source gets (`breaker.rs`), a bound on the look-ups of the whole server, and a time limit.
//!
//! Nothing that is logged here holds parameters: they are what customers wrote.

mod action;
mod address;
mod breaker;
mod hook;
mod http;
mod shared;
mod spec;
mod sql;
mod statement;
mod template;
mod wire;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use action::{ActionSpec, Actions, Attempt, WrittenAction};
pub use hook::{Hook, HookSpec, WrittenHook};
pub use spec::{Spec, Written, filled};

pub use breaker::Breaker;
use http::HttpSource;
use shared::Shared;
use sql::SqlSource;

/// How long a look-up may take, unless its source says otherwise.
pub const TIME: Duration = Duration::from_secs(3);
/// The most rows of a list, unless its source says otherwise.
pub(crate) const ROWS: u32 = 50;

/// A look-up under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + 'a>>;

/// Whatever answers look-ups: the sources of the configuration, or stubs in a test.
pub trait LookUp: Debug + Send + Sync {
    /// Looks something up. `Null` when there is nothing.
    fn look_up<'a>(&'a self, source: &'a str, params: &'a Map<String, Value>) -> Looking<'a>;

    /// Whether there is anything that answers this, for one who can do without.
    fn expects(&self, _source: &str, _params: &Map<String, Value>) -> bool {
        true
    }

    /// Whether there is an action of this name.
    fn can_act(&self, _action: &str) -> bool {
        false
    }
}

/// Why a source could not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// No source of this name is configured.
    Unknown,
    /// It took too long.
    Timeout,
    /// It cannot be reached, or failed.
    Unavailable,
    /// Too many look-ups are under way.
    Busy,
    /// The source does not want this question.
    Refused,
    /// Its answer is not what it should be.
    Unreadable,
    /// Its answer is too large.
    TooLarge,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Trouble; 7] = [
        Trouble::Unknown,
        Trouble::Timeout,
        Trouble::Unavailable,
        Trouble::Busy,
        Trouble::Refused,
        Trouble::Unreadable,
        Trouble::TooLarge,
    ];

    /// The word for it in scripts and tests.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Unknown => "unknown",
            Trouble::Timeout => "timeout",
            Trouble::Unavailable => "unavailable",
            Trouble::Busy => "busy",
            Trouble::Refused => "refused",
            Trouble::Unreadable => "unreadable",
            Trouble::TooLarge => "too large",
        }
    }

    /// What a word means.
    pub fn from_word(word: &str) -> Option<Trouble> {
        Trouble::ALL.into_iter().find(|trouble| trouble.word() == word)
    }
}

/// A failed look-up, with what the operator wants to know.
#[derive(Debug)]
struct Failed {
    trouble: Trouble,
    told: String,
}

impl Failed {
    fn new(trouble: Trouble, told: impl Into<String>) -> Failed {
        Failed { trouble, told: told.into() }
    }
}

/// The sources of the configuration. They can be exchanged while look-ups are under way.
pub struct Sources {
    by_name: ArcSwap<BTreeMap<String, Arc<Source>>>,
    /// Look-ups at once.
    permits: Semaphore,
    actions: Actions,
}

struct Source {
    name: String,
    spec: Spec,
    kind: Kind,
    shared: Shared,
    breaker: Breaker,
}

enum Kind {
    Sql(SqlSource),
    Http(HttpSource),
}

impl Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.load().keys()).finish()
    }
}

impl Sources {
    /// These sources, with at most `at_once` look-ups under way.
    pub fn new(specs: &BTreeMap<String, Spec>, at_once: usize) -> Sources {
        let sources =
            Sources { by_name: ArcSwap::default(), permits: Semaphore::new(at_once), actions: Actions::default() };
        sources.set(specs);
        sources
    }

    /// Puts other sources in force. Those that did not change keep their connections and what they know; look-ups
    /// under way end on the old ones.
    pub fn set(&self, specs: &BTreeMap<String, Spec>) {
        let before = self.by_name.load_full();
        let source = |(name, spec): (&String, &Spec)| {
            if let Some(same) = before.get(name).filter(|before| before.spec == *spec) {
                return Some((name.clone(), same.clone()));
            }
            match Source::new(name, spec) {
                Ok(source) => Some((name.clone(), Arc::new(source))),
                Err(error) => {
                    tracing::error!(source = %name, "the source {name} cannot be used: {error}");
                    None
                }
            }
        };
        self.by_name.store(Arc::new(specs.iter().filter_map(source).collect()));
    }

    /// What may be done outside.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.by_name.load().keys().cloned().collect()
    }

    /// Closes the connections to databases.
    pub async fn close(&self) {
        for source in self.by_name.swap(Arc::default()).values() {
            if let Kind::Sql(sql) = &source.kind {
                sql.close().await;
            }
        }
    }

    async fn ask(&self, name: &str, params: &Map<String, Value>) -> Result<Value, Trouble> {
        let Some(source) = self.by_name.load().get(name).cloned() else {
            tracing::warn!(source = %name, "a plugin asks for the source {name}, which purser.yaml does not have");
            return Err(Trouble::Unknown);
        };
        source.shared.get(params, source.spec.keep, || source.look_up(params, &self.permits)).await
    }
}

impl LookUp for Sources {
    fn look_up<'a>(&'a self, source: &'a str, params: &'a Map<String, Value>) -> Looking<'a> {
        Box::pin(self.ask(source, params))
    }

    fn can_act(&self, action: &str) -> bool {
        self.actions.has(action)
    }
}

impl Source {
    fn new(name: &str, spec: &Spec) -> Result<Source, String> {
        let kind = match &spec.from {
            spec::From::Sql(sql) => Kind::Sql(SqlSource::new(sql.clone(), spec.time)?),
            spec::From::Http(http) => Kind::Http(HttpSource::new(http.clone())?),
        };
        let (shared, breaker) = (Shared::default(), Breaker::default());
        Ok(Source { name: name.to_owned(), spec: spec.clone(), kind, shared, breaker })
    }

    async fn look_up(&self, params: &Map<String, Value>, permits: &Semaphore) -> Result<Value, Trouble> {
        if let Some(told) = self.misfit(params) {
            tracing::warn!(source = %self.name, "a plugin asks the source {} wrongly: {told}", self.name);
            return Err(Trouble::Refused);
        }
        if !self.breaker.lets_through() {
            return Err(Trouble::Unavailable);
        }
        match self.in_time(params, permits).await {
            Ok(value) => {
                if self.breaker.succeeded() {
                    tracing::info!(source = %self.name, "the source {} is back", self.name);
                }
                Ok(value)
            }
            Err(Failed { trouble, told }) => {
                let rest = match trouble {
                    Trouble::Timeout | Trouble::Unavailable => self.breaker.failed(),
                    _ => None,
                };
                match rest {
                    Some(rest) => {
                        tracing::error!(source = %self.name, "the source {} fails ({told}) and is left alone for {rest:?}", self.name)
                    }
                    None => tracing::warn!(source = %self.name, "a look-up in {} failed: {told}", self.name),
                }
                Err(trouble)
            }
        }
    }

    /// Waits for a place and asks. Whoever has none after half of the time gives up: the source would be asked for
    /// what nobody waits for any more.
    async fn in_time(&self, params: &Map<String, Value>, permits: &Semaphore) -> Result<Value, Failed> {
        let begin = Instant::now();
        let latest = begin + self.spec.time / 2;
        let permit = match timeout_at(latest, permits.acquire()).await {
            Ok(Ok(permit)) if Instant::now() < latest => permit,
            Ok(Ok(_)) | Err(_) => return Err(Failed::new(Trouble::Busy, "too many look-ups are under way")),
            Ok(Err(_)) => return Err(Failed::new(Trouble::Busy, "purser stops")),
        };
        let asked = timeout_at(begin + self.spec.time, async {
            match &self.kind {
                // Boxed, or every look-up by HTTP would hold as much.
                Kind::Sql(sql) => Box::pin(sql.look_up(params)).await,
                Kind::Http(http) => http.look_up(params).await,
            }
        });
        let found = asked.await;
        drop(permit);
        found
            .unwrap_or_else(|_| Err(Failed::new(Trouble::Timeout, format!("it took longer than {:?}", self.spec.time))))
    }

    /// What is wrong with the names of parameters.
    fn misfit(&self, params: &Map<String, Value>) -> Option<String> {
        let known = match &self.kind {
            Kind::Sql(sql) => sql.params(),
            Kind::Http(http) => http.params(),
        };
        let missing = known.iter().find(|name| !params.contains_key(**name));
        let foreign = params.keys().find(|name| !known.contains(&name.as_str()));
        match (missing, foreign) {
            (Some(missing), _) => Some(format!("the parameter `{missing}` is missing")),
            (None, Some(foreign)) => Some(format!("it has no parameter `{foreign}`")),
            (None, None) => None,
        }
    }
}

/// No sources at all.
#[derive(Debug)]
pub struct NoSources;

impl LookUp for NoSources {
    fn look_up<'a>(&'a self, _: &'a str, _: &'a Map<String, Value>) -> Looking<'a> {
        Box::pin(std::future::ready(Err(Trouble::Unknown)))
    }
}
