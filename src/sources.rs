//! Sources: the named outside look-ups that plugins may use.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value};

/// How long a look-up may take, unless its source says otherwise.
pub const TIME: Duration = Duration::from_secs(3);

/// A look-up under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + 'a>>;

/// Whatever answers look-ups: the sources of the configuration, or stubs in a test.
pub trait LookUp: Debug + Send + Sync {
    /// Looks something up. `Null` when there is nothing.
    fn look_up<'a>(&'a self, source: &'a str, params: &'a Map<String, Value>) -> Looking<'a>;
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
        let all = [
            Trouble::Unknown,
            Trouble::Timeout,
            Trouble::Unavailable,
            Trouble::Busy,
            Trouble::Refused,
            Trouble::Unreadable,
            Trouble::TooLarge,
        ];
        all.into_iter().find(|trouble| trouble.word() == word)
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
