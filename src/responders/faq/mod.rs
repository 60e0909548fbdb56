//! The FAQ: answers from files that content staff edit.
//!
//! [`document`] is one file: [`read`] knows its encoding, [`syntax`] what is wrong with its YAML, [`node`] is its tree
//! and [`typed`] takes values out of it, [`placed`] with their places. [`set`] builds all files into one immutable set
//! and [`checks`] it; [`answer`] fills placeholders. [`matcher`] finds the entry that a message asks for:
//! [`normalise`], [`spelling`] and [`words`] turn text into concepts, [`likelihood`] weighs them. [`explain`] says why.

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
mod set;
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
            if self.set.handlers.contains(choice) {
                return Ok(Answer::Pass);
            }
            // The press of a button is an answer in whatever language has it.
            let all = wanted.iter().copied().chain(0..self.set.languages.len());
            let chosen = all.filter_map(|language| {
                let index = *self.set.languages[language].by_id.get(choice)?;
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
                    Button { text: title.clone(), choice: Some(id.clone()), ..Button::default() }
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
        let first = *wanted.first()?;
        let ask = |language: usize| self.set.languages[language].at(turn.now).matcher.find(&turn.text);
        let at_first = ask(first);
        // Most questions end here: it is sure, and no language can know enough more words to take this one over.
        if matches!(at_first.outcome, Outcome::Sure(_)) && at_first.known > 1.0 - KNOWS_MORE {
            return Some(Heard { language: first, why: Why::Wanted, found: at_first });
        }
        let mut found: Vec<Found> = (0..first).map(ask).collect();
        found.push(at_first);
        found.extend((first + 1..self.set.languages.len()).map(ask));
        let known = |language: usize| found[language].known;
        let others = (0..found.len()).filter(|&language| language != first);
        let best = others.max_by(|&a, &b| known(a).total_cmp(&known(b)).then(b.cmp(&a)));
        let chosen = match best {
            Some(other) if known(other) >= KNOWS_MOST && known(other) - known(first) >= KNOWS_MORE => {
                (other, Why::Words { first, known: known(other), first_known: known(first) })
            }
            _ => {
                let sure = |language: &&usize| matches!(found[**language].outcome, Outcome::Sure(_));
                let some = |language: &&usize| found[**language].outcome != Outcome::Nothing;
                let language = wanted.iter().find(sure).or_else(|| wanted.iter().find(some)).copied().unwrap_or(first);
                (language, if language == first { Why::Wanted } else { Why::Site { first } })
            }
        };
        let (language, why) = chosen;
        Some(Heard { language, why, found: found.swap_remove(language) })
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
        Box::pin(std::future::ready(self.answer(turn)))
    }

    fn explain(&self, turn: &Turn) -> Vec<String> {
        self.why(turn)
    }
}
