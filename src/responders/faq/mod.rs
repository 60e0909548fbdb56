//! The FAQ: answers from files that content staff edit.
//!
//! [`document`] is one file: [`read`] knows its encoding, [`syntax`] what is wrong with its YAML, [`node`] is its tree
//! and [`typed`] takes values out of it, [`placed`] with their places. [`set`] builds all files into one immutable set
//! and [`checks`] it; [`answer`] fills placeholders. [`matcher`] finds the entry that a message asks for:
//! [`normalise`], [`spelling`] with [`slips`], and [`words`] turn text into concepts ([`said`]), [`likelihood`] weighs them.
//! [`explain`] says why.

mod answer;
mod checks;
pub mod document;
mod explain;
mod groups;
mod likelihood;
mod literals;
pub mod matcher;
mod near;
mod nearest;
mod node;
pub mod normalise;
mod phrases;
mod placed;
mod read;
mod said;
mod set;
mod slips;
mod spelling;
mod syntax;
#[cfg(test)]
mod tests;
mod typed;
pub mod words;

use std::sync::Arc;

pub use document::{Document, schema};
pub use nearest::Nearest;
pub use set::{Built, FaqSet, Site};

use self::matcher::{Candidate, Found, Outcome};
use self::set::Known;
use super::{Answer, BoxFuture, Reply, Responder, Suggestions, Turn};
use crate::conversation::Button;
use crate::patience::boxed;

/// The words of a message belong to another language when that one knows this much of them…
const KNOWS_MOST: f32 = 0.6;
/// …and this much more than the language that was asked first.
const KNOWS_MORE: f32 = 0.34;

/// The responder `faq`.
pub struct Faq {
    set: Arc<FaqSet>,
}

impl Faq {
    /// The name that `pipeline:` uses.
    pub const NAME: &str = "faq";

    /// A responder over these entries.
    pub fn new(set: Arc<FaqSet>) -> Faq {
        Faq { set }
    }

    fn answer(&self, turn: &Turn) -> anyhow::Result<Answer> {
        let wanted = self.languages(turn);
        if let Some(choice) = &turn.choice {
            if self.set.is_handler(choice) {
                return Ok(Answer::Pass);
            }
            // The press of a button is an answer in whatever language has it.
            let all = wanted.iter().copied().chain(0..self.set.languages.len());
            let chosen = all.filter_map(|language| {
                let index = *self.set.languages[language].by_id.get(&**choice)?;
                Some((language, index))
            });
            // A button of yesterday's content says what it means, too: its text is then asked like any other.
            if let Some((language, index)) = chosen.into_iter().next() {
                return self.reply(turn, language, index, None);
            }
        }
        let Some(heard) = self.hear(turn, &wanted) else { return Ok(Answer::Pass) };
        let language = &self.set.languages[heard.language];
        let ready = language.at(turn.now);
        match &heard.found.outcome {
            Outcome::Sure(best) => self.reply(turn, heard.language, ready.entries[best.entry], Some(best.score)),
            Outcome::Unsure(some) => {
                let button = |candidate: &Candidate| {
                    let Known { id, title, .. } = &language.entries[ready.entries[candidate.entry]];
                    Button { text: title.clone(), choice: Some(id.as_ref().to_owned()), ..Button::default() }
                };
                Ok(Answer::Suggest(Suggestions {
                    buttons: some.iter().map(button).collect(),
                    language: Some(language.tag.clone()),
                    score: some.first().map(|first| first.score),
                }))
            }
            Outcome::Nothing => Ok(Answer::Pass),
        }
    }

    fn reply(&self, turn: &Turn, language: usize, index: usize, score: Option<f32>) -> anyhow::Result<Answer> {
        let language = &self.set.languages[language];
        let entry = &language.entries[index];
        Ok(Answer::Reply(Reply {
            text: entry.text.say(&turn.visitor)?,
            buttons: entry.buttons.clone(),
            entry: Some(entry.id.clone()),
            language: Some(language.tag.clone()),
            then: entry.then.clone(),
            score,
            ..Reply::default()
        }))
    }

    /// The loaded languages to ask, in order: the first that the turn wants, and the site's own.
    fn languages(&self, turn: &Turn) -> Vec<usize> {
        let first = turn.languages.iter().find_map(|tag| self.set.language(tag));
        let mut wanted: Vec<usize> = first.into_iter().chain(self.set.language(&self.set.site_language)).collect();
        wanted.dedup();
        if wanted.is_empty() && !self.set.languages.is_empty() {
            wanted.push(0);
        }
        wanted
    }

    /// Asks the languages, and says which one's answer counts. Nothing if no language is loaded.
    fn hear(&self, turn: &Turn, wanted: &[usize]) -> Option<Heard> {
        let (&first, rest) = wanted.split_first()?;
        let matcher = |language: usize| &self.set.languages[language].at(turn.now).matcher;
        let ask = |language: usize| matcher(language).find(&turn.text);
        let mut found = ask(first);
        // Of most questions it knows so many words that no other language can know enough more to take this one over.
        if found.known <= 1.0 - KNOWS_MORE {
            let others = (0..self.set.languages.len()).filter(|&language| language != first);
            let others = others.map(|language| (language, matcher(language).known(&turn.text)));
            let first_known = found.known;
            if let Some((language, known)) = others.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
                && known >= KNOWS_MOST
                && known - first_known >= KNOWS_MORE
            {
                return Some(Heard { language, why: Why::Words { first, known, first_known }, found: ask(language) });
            }
        }
        let mut language = first;
        for &next in rest {
            if matches!(found.outcome, Outcome::Sure(_)) {
                break;
            }
            let other = ask(next);
            let is_sure = matches!(other.outcome, Outcome::Sure(_));
            if is_sure || (found.outcome == Outcome::Nothing && other.outcome != Outcome::Nothing) {
                (language, found) = (next, other);
            }
        }
        let why = if language == first { Why::Wanted } else { Why::Site { first } };
        Some(Heard { language, why, found })
    }
}

/// What the languages made of a message.
struct Heard {
    /// The one that counts.
    language: usize,
    why: Why,
    found: Found,
}

/// Why a language counts.
enum Why {
    /// It is the first that is wanted.
    Wanted,
    /// The first had nothing, and it is the site's own.
    Site { first: usize },
    /// The words are its words.
    Words { first: usize, known: f32, first_known: f32 },
}

impl Responder for Faq {
    fn name(&self) -> &str {
        Faq::NAME
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        boxed(|| std::future::ready(self.answer(turn)))
    }

    fn explain(&self, turn: &Turn) -> Vec<String> {
        self.why(turn)
    }
}
