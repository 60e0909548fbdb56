//! Message → entry: the score of an entry, and the gates.
//!
//! ```text
//! score = likelihood     ×  explained           ×  covered
//!         of all entries    of the question,       of its best phrase,
//!         it is this one    how much it knows      how much is there
//! ```
//!
//! Each of the three can veto. Likelihood decides between entries; what a message has beyond an entry's words refuses
//! foreign questions; what a phrase has beyond the message refuses those that share a word or two with it. Only the
//! likeliest few entries are looked at closely, so the cost does not grow with the number of entries.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::likelihood::{Likelihood, Tally};
use super::literals::Literals;
use super::normalise::Normal;
use super::phrases::{Asked, Phrases};
use super::said::Sayings;
use super::spelling::Origin;
use super::words::{Meaning, Reading, Seen, Vocabulary};

/// From this score on an entry answers, and from this on, together, a few are suggested. Set on held-out questions so
/// that about 3 % of plainly foreign and 6 % of similar-sounding ones are answered, and 10 % and 30 % get suggestions.
const SURE: f32 = 0.19;
const UNSURE: f32 = 0.08;
/// A suggestion beside the best has at least this share of its score.
const SUGGESTED: f32 = 0.15;
const MOST_SUGGESTIONS: usize = 3;

/// So many of the likeliest entries are scored: the suggestions, and one that may overtake. None that is less likely
/// than what a suggestion needs at least, since no factor is above 1.
const SHORTLIST: usize = 4;
const LEAST_LIKELY: f32 = UNSURE * SUGGESTED;

/// What a matcher is built from: everything of one language.
pub struct Wordings {
    /// A language tag: `en`, `de-AT`.
    pub language: String,
    pub entries: Vec<EntryWordings>,
    /// Concept → its synonyms, of one or more words.
    pub words: Vec<(String, Vec<String>)>,
    /// Words, or groups of words, that say nothing.
    pub ignore: Vec<String>,
    /// Questions that must be refused: a class of their own that competes with the entries.
    pub not_ours: Vec<String>,
}

pub struct EntryWordings {
    pub phrases: Arc<[String]>,
    pub mode: Mode,
    pub priority: i32,
}

/// How the phrases of an entry are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Wordings: what means the same is found too.
    #[default]
    Wording,
    /// Any of them as whole words anywhere in a message answers.
    Word,
    /// The whole message, in normal form, is one of them.
    Exact,
}

/// An entry that may be meant. All numbers are between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Index into [`Wordings::entries`].
    pub entry: usize,
    pub score: f32,
    /// How likely it is among all entries and what is not ours.
    pub likelihood: f32,
    /// How much of the question its words explain.
    pub explained: f32,
    /// How much of its best phrase the question has.
    pub covered: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub outcome: Outcome,
    /// The share of the message's words that this language's content knows.
    pub known: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Sure(Candidate),
    /// One to three, best first.
    Unsure(Vec<Candidate>),
    Nothing,
}

/// What `--why` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The words of the message in order, and what became of each.
    pub words: Vec<(String, Became)>,
    /// The concepts that the best candidate knows, and what each weighs, heaviest first.
    pub counted: Vec<(String, f32)>,
    /// Who was near, best first, whether good enough or not.
    pub candidates: Vec<Candidate>,
    pub found: Found,
}

/// What became of a word, or of a group of words that mean one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Became {
    /// It is a concept by its own name.
    Concept,
    SynonymOf(String),
    /// Taken for this spelling of the content.
    CorrectedTo(String),
    /// A compound of which this is one part.
    PartOf(String),
    Ignored,
    Number,
    Unknown,
}

/// Finds the entry that a message asks for. Immutable once built.
pub struct Matcher {
    vocabulary: Vocabulary,
    likelihood: Likelihood,
    phrases: Phrases,
    literals: Literals,
    /// Entry → its priority.
    priorities: Vec<i32>,
}

#[derive(Default)]
struct Scratch {
    reading: Reading,
    tally: Tally,
    asked: Asked,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Matcher {
    /// Builds it: milliseconds, and the same every time.
    pub fn build(wordings: &Wordings) -> Matcher {
        let Wordings { language, entries, words, ignore, not_ours } = wordings;
        let of_entries = entries.iter().flat_map(|entry| &*entry.phrases);
        let normal = Normal::of(of_entries.chain(not_ours).map(String::as_str));
        let literals = Literals::of(entries, &normal);
        let vocabulary = Vocabulary::build(language, words, ignore, normal.iter());
        let (mut reading, mut said) = (Reading::default(), Sayings::default());
        for wording in normal.iter() {
            vocabulary.read_normal(wording, &mut reading);
            said.add(reading.said());
        }
        let mut end = 0;
        let of_each = entries.iter().map(|entry| {
            let start = end;
            end += entry.phrases.len();
            if entry.mode == Mode::Wording { start..end } else { 0..0 }
        });
        let of_each: Vec<Range<usize>> = of_each.collect();
        let phrases = Phrases::of(&said, &of_each, vocabulary.concepts());
        // What is not ours comes last.
        let classes = of_each.into_iter().chain(std::iter::once(end..said.len())).enumerate();
        let examples = classes.flat_map(|(class, texts)| said.range(texts).map(move |said| (class, said)));
        Matcher {
            likelihood: Likelihood::learn(examples, phrases.rarity(), entries.len() + 1),
            literals,
            priorities: entries.iter().map(|entry| entry.priority).collect(),
            vocabulary,
            phrases,
        }
    }

    /// What a message asks for.
    pub fn find(&self, text: &str) -> Found {
        SCRATCH.with_borrow_mut(|scratch| {
            let candidates = self.rank(text, SHORTLIST, LEAST_LIKELY, scratch);
            let best = candidates.first().copied();
            let mut outcome = decide(candidates);
            // Whoever writes a wording down wants it answered, be it of common words alone.
            if let Some(best) = best.filter(|best| best.score < SURE)
                && self.literals.is_phrase(best.entry, &scratch.reading.text)
            {
                outcome = Outcome::Sure(best);
            }
            Found { outcome, known: scratch.reading.known() }
        })
    }

    /// The share of a message's words that this language's content knows.
    pub fn known(&self, text: &str) -> f32 {
        SCRATCH.with_borrow_mut(|Scratch { reading, .. }| {
            self.vocabulary.read(text, reading);
            reading.known()
        })
    }

    /// The likeliest entries, best first, without any gate.
    pub fn nearest(&self, text: &str, most: usize) -> Vec<Candidate> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut candidates = self.rank(text, most.max(SHORTLIST), 0.0, scratch);
            candidates.truncate(most);
            candidates
        })
    }

    /// The phrase of an entry that a message is nearest to, by its number.
    pub fn nearest_phrase(&self, text: &str, entry: usize) -> Option<usize> {
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { reading, asked, .. } = scratch;
            self.vocabulary.read(text, reading);
            self.phrases.ask(reading.said(), asked);
            self.phrases.nearest(entry, asked)
        })
    }

    /// Scores the likeliest entries.
    fn rank(&self, text: &str, most: usize, least_likely: f32, scratch: &mut Scratch) -> Vec<Candidate> {
        let Scratch { reading, tally, asked } = scratch;
        self.vocabulary.read(text, reading);
        if let Some(entry) = self.literals.find(&reading.text) {
            return vec![Candidate { entry, score: 1.0, likelihood: 1.0, explained: 1.0, covered: 1.0 }];
        }
        self.likelihood.tally(reading.said(), tally);
        let mut candidates = self.likeliest(tally, most, least_likely);
        self.phrases.ask(reading.said(), asked);
        // What a candidate must be able to reach to count at all: beside a sure one, more than that.
        let mut wanted = least_likely;
        for candidate in &mut candidates {
            if candidate.likelihood < wanted {
                break;
            }
            let least = wanted / candidate.likelihood;
            (candidate.explained, candidate.covered) = self.phrases.compare(candidate.entry, asked, least);
            candidate.score = candidate.likelihood * candidate.explained * candidate.covered;
            if least_likely > 0.0 {
                let share = if candidate.score >= SURE { 1.0 } else { SUGGESTED };
                wanted = wanted.max(candidate.score * share);
            }
        }
        candidates.sort_by(|a, b| self.order(a, b, |candidate| candidate.score));
        candidates
    }

    /// The entries that most speaks for and that are this likely at least, likeliest first, not scored yet.
    fn likeliest(&self, tally: &Tally, most: usize, least_likely: f32) -> Vec<Candidate> {
        let mut likeliest: Vec<Candidate> = Vec::with_capacity(most + 1);
        // Nearly all are far below, which their sums tell at once.
        let mut least = (tally.sum_of(least_likely) - 0.1).max(0.0);
        for (entry, likelihood) in tally.sums().filter(|&(class, _)| class < self.priorities.len()) {
            if likelihood < least {
                continue;
            }
            let candidate = Candidate { entry, score: 0.0, likelihood, explained: 0.0, covered: 0.0 };
            let is_before = |other: &Candidate| self.order(other, &candidate, |candidate| candidate.likelihood).is_lt();
            likeliest.insert(likeliest.partition_point(is_before), candidate);
            likeliest.truncate(most);
            if likeliest.len() == most {
                least = likeliest[most - 1].likelihood;
            }
        }
        likeliest.iter_mut().for_each(|candidate| candidate.likelihood = tally.likelihood(candidate.likelihood));
        likeliest.retain(|candidate| candidate.likelihood >= least_likely);
        likeliest
    }

    /// The better one first; of equal ones the one of higher priority, then the one that stands first in the content.
    fn order(&self, a: &Candidate, b: &Candidate, by: impl Fn(&Candidate) -> f32) -> Ordering {
        let priorities = self.priorities[b.entry].cmp(&self.priorities[a.entry]);
        by(b).total_cmp(&by(a)).then(priorities).then(a.entry.cmp(&b.entry))
    }

    /// What the words of a text became, which counted and who was near.
    pub fn explain(&self, text: &str, most: usize) -> Explanation {
        let mut reading = Reading::default();
        self.vocabulary.read(text, &mut reading);
        let candidates = self.nearest(text, most);
        let known = |best: &Candidate| {
            let concepts = reading.said().concepts.iter().filter(|&&concept| self.phrases.knows(best.entry, concept));
            let counted = concepts
                .map(|&concept| (self.vocabulary.name(concept).to_owned(), self.phrases.rarity()[concept as usize]));
            counted.collect()
        };
        let mut counted: Vec<(String, f32)> = candidates.first().map(known).unwrap_or_default();
        counted.sort_by(|a, b| b.1.total_cmp(&a.1));
        let words = reading
            .seen
            .iter()
            .map(|seen| (reading.text[seen.start..seen.end].to_owned(), self.became(&reading, seen)));
        Explanation { words: words.collect(), counted, candidates, found: self.find(text) }
    }

    fn became(&self, reading: &Reading, seen: &Seen) -> Became {
        match (seen.meaning, seen.origin) {
            (Meaning::Number, _) => Became::Number,
            (Meaning::Unknown, _) => Became::Unknown,
            (_, Origin::Corrected(spelling)) => Became::CorrectedTo(self.vocabulary.spelling(spelling).to_owned()),
            (Meaning::Ignored(_), _) => Became::Ignored,
            (Meaning::Concept(concept), Origin::Part) => Became::PartOf(self.vocabulary.name(concept).to_owned()),
            (Meaning::Concept(concept), Origin::Known) => match self.vocabulary.name(concept) {
                name if name == &reading.text[seen.start..seen.end] => Became::Concept,
                name => Became::SynonymOf(name.to_owned()),
            },
        }
    }
}

/// The gates: the best one by itself, or some of which it is one.
fn decide(mut candidates: Vec<Candidate>) -> Outcome {
    let Some(&best) = candidates.first() else { return Outcome::Nothing };
    if best.score >= SURE {
        return Outcome::Sure(best);
    }
    candidates.retain(|candidate| candidate.score >= best.score * SUGGESTED);
    candidates.truncate(MOST_SUGGESTIONS);
    let together: f32 = candidates.iter().map(|candidate| candidate.score).sum();
    if together >= UNSURE { Outcome::Unsure(candidates) } else { Outcome::Nothing }
}

#[cfg(test)]
mod tests;
