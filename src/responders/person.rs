//! Asks for a person. Until people can take a chat over, it says how to reach them.

use std::sync::Arc;

use super::lines::{Line, Lines};
use super::{Answer, BoxFuture, Reply, Responder, Turn};

/// The responder `person`: answers only turns that are handed to it, by `then: person` or by a plugin.
pub struct Person {
    lines: Arc<Lines>,
}

impl Person {
    /// The name that `then:` and `pipeline:` use.
    pub const NAME: &str = "person";

    /// A responder that speaks these lines.
    pub fn new(lines: Arc<Lines>) -> Person {
        Person { lines }
    }
}

impl Responder for Person {
    fn name(&self) -> &str {
        Person::NAME
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        let (text, language) = self.lines.say(Line::Person, &turn.languages);
        let reply = Reply { text: text.to_owned(), language: Some(language.to_owned()), ..Reply::default() };
        Box::pin(std::future::ready(Ok(Answer::HandOver(reply))))
    }
}
