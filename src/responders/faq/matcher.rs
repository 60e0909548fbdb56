//! Message → entry: the score of an entry and the gates.

use std::cell::RefCell;
use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::likelihood::{Examples, LTuning, Likelihood, Tally};
use super::normalise::normalise;
use super::spelling::Origin;
use super::words::{Concept, Meaning, Reading, Seen, Vocabulary};

pub struct Wordings {
    pub language: String,
    pub entries: Vec<EntryWordings>,
    pub words: Vec<(String, Vec<String>)>,
    pub ignore: Vec<String>,
    pub not_ours: Vec<String>,
}

pub struct EntryWordings {
    pub phrases: Vec<String>,
    pub mode: Mode,
    pub priority: i32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Wording,
    Word,
    Exact,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub entry: usize,
    pub score: f32,
    pub likelihood: f32,
    pub explained: f32,
    pub covered: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub outcome: Outcome,
    pub known: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Sure(Candidate),
    Unsure(Vec<Candidate>),
    Nothing,
}

/// What `--why` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The words of the message in order, and what became of each.
    pub words: Vec<(String, Became)>,
    /// The concepts that the best candidate shares with the message, and their weight.
    pub counted: Vec<(String, f32)>,
    pub candidates: Vec<Candidate>,
    pub found: Found,
}

/// What became of a word, or of a group of words that mean one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Became {
    Concept,
    SynonymOf(String),
    CorrectedTo(String),
    PartOf(String),
    Ignored,
    Number,
    Unknown,
}

#[derive(Clone, Debug)]
pub struct Tuning {
    pub likelihood: LTuning,
    pub power_l: f32,
    pub power_e: f32,
    pub power_c: f32,
    pub unknown: f32,
    pub corrected: f32,
    pub sure: f32,
    pub unsure: f32,
    pub member: f32,
    pub shortlist: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning { likelihood: LTuning::default(), power_l: 1.0, power_e: 0.8, power_c: 0.5, unknown: 1.0, corrected: 0.0, sure: 0.4, unsure: 0.12, member: 0.1, shortlist: 4 }
    }
}

impl Tuning {
    pub fn set(&mut self, key: &str, value: f32) {
        match key {
            "ignored" => self.likelihood.ignored = value,
            "neighbours" => self.likelihood.neighbours = value,
            "sequence" => self.likelihood.sequence = value,
            "smoothing" => self.likelihood.smoothing = value,
            "scale" => self.likelihood.scale = value,
            "passes" => self.likelihood.passes = value as usize,
            "step" => self.likelihood.step = value,
            "longest" => self.likelihood.longest = value as usize,
            "pl" => self.power_l = value,
            "pe" => self.power_e = value,
            "pc" => self.power_c = value,
            "unknown" => self.unknown = value,
            "corrected" => self.corrected = value,
            "sure" => self.sure = value,
            "unsure" => self.unsure = value,
            "member" => self.member = value,
            "shortlist" => self.shortlist = value as usize,
            _ => panic!("{key}?"),
        }
    }
}

/// Finds the entry that a message asks for. Immutable once built.
pub struct Matcher {
    vocabulary: Vocabulary,
    likelihood: Likelihood,
    literals: Literals,
    /// Concept → how rare it is: the fewer entries use it, the more it tells.
    rarity: Vec<f32>,
    /// What an unknown word weighs: as much as the rarest known one.
    unknown: f32,
    entries: Vec<Entry>,
    tuning: Tuning,
}

struct Entry {
    priority: i32,
    /// All concepts of its phrases, each once.
    concepts: Vec<Concept>,
    /// What its phrases say, one after the other.
    said: Vec<Concept>,
    phrases: Vec<Phrase>,
}

struct Phrase {
    /// Where it ends in [`Entry::said`].
    end: usize,
    /// One divided by what all its concepts weigh.
    share: f32,
}

#[derive(Default)]
struct Scratch {
    reading: Reading,
    tally: Tally,
    /// Concept → its rarity if the message has it, else 0.
    said: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Matcher {
    pub fn build(wordings: &Wordings) -> Matcher {
        Matcher::build_with(wordings, Tuning::default())
    }

    pub fn build_with(wordings: &Wordings, tuning: Tuning) -> Matcher {
        let all = wordings.entries.iter().flat_map(|entry| &entry.phrases).chain(&wordings.not_ours).map(String::as_str);
        let vocabulary = Vocabulary::build(&wordings.language, &wordings.words, &wordings.ignore, all);
        let (concepts, background) = (vocabulary.concepts(), wordings.entries.len());
        let mut examples = Examples::default();
        let mut reading = Reading::default();
        let mut entries = Vec::new();
        for (index, wording) in wordings.entries.iter().enumerate() {
            let mut entry = Entry { priority: wording.priority, concepts: Vec::new(), said: Vec::new(), phrases: Vec::new() };
            for phrase in wording.phrases.iter().filter(|_| wording.mode == Mode::Wording) {
                vocabulary.read(phrase, &mut reading);
                examples.add(&reading, index as u32, concepts, &tuning.likelihood);
                entry.said.extend(&reading.concepts);
                entry.phrases.push(Phrase { end: entry.said.len(), share: 0.0 });
            }
            entry.concepts.clone_from(&entry.said);
            entry.concepts.sort_unstable();
            entry.concepts.dedup();
            entries.push(entry);
        }
        for wording in &wordings.not_ours {
            vocabulary.read(wording, &mut reading);
            examples.add(&reading, background as u32, concepts, &tuning.likelihood);
        }
        let mut used_by = vec![0_u32; concepts];
        entries.iter().flat_map(|entry| &entry.concepts).for_each(|&concept| used_by[concept as usize] += 1);
        let rarity = |used_by: f32| ((background as f32 + 1.0) / (used_by + 0.5)).ln().max(0.05);
        let rarities: Vec<f32> = used_by.into_iter().map(|used_by| rarity(used_by as f32)).collect();
        for entry in &mut entries {
            let mut start = 0;
            for phrase in &mut entry.phrases {
                phrase.share = 1.0 / entry.said[start..phrase.end].iter().map(|&concept| rarities[concept as usize]).sum::<f32>().max(0.05);
                start = phrase.end;
            }
        }
        Matcher {
            likelihood: Likelihood::learn(examples, concepts, background + 1, tuning.likelihood.clone()),
            literals: Literals::of(&wordings.entries),
            rarity: rarities,
            unknown: rarity(1.0) * tuning.unknown,
            vocabulary,
            entries,
            tuning,
        }
    }

    pub fn find(&self, text: &str) -> Found {
        SCRATCH.with_borrow_mut(|scratch| {
            let candidates = self.rank(text, self.tuning.shortlist, scratch);
            Found { outcome: self.decide(candidates), known: scratch.reading.known() }
        })
    }

    pub fn nearest(&self, text: &str, most: usize) -> Vec<Candidate> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut candidates = self.rank(text, most.max(self.tuning.shortlist), scratch);
            candidates.truncate(most);
            candidates
        })
    }

    /// The gates.
    fn decide(&self, mut candidates: Vec<Candidate>) -> Outcome {
        let t = &self.tuning;
        match candidates.first() {
            Some(best) if best.score >= t.sure => Outcome::Sure(*best),
            Some(best) if best.score >= t.unsure => {
                let least = best.score * t.member;
                candidates.truncate(3);
                candidates.retain(|candidate| candidate.score >= least);
                Outcome::Unsure(candidates)
            }
            _ => Outcome::Nothing,
        }
    }

    fn rank(&self, text: &str, most: usize, scratch: &mut Scratch) -> Vec<Candidate> {
        let Scratch { reading, tally, said } = scratch;
        self.vocabulary.read(text, reading);
        if let Some(entry) = self.literals.find(&reading.text) {
            return vec![Candidate { entry, score: 1.0, likelihood: 1.0, explained: 1.0, covered: 1.0 }];
        }
        self.likelihood.tally(reading, tally);
        let mut asked = reading.unknown as f32 * self.unknown;
        said.resize(said.len().max(self.rarity.len()), 0.0);
        for &concept in &reading.concepts {
            let rarity = self.rarity[concept as usize];
            if said[concept as usize] == 0.0 {
                said[concept as usize] = rarity;
                asked += rarity;
            }
        }
        let mut candidates: Vec<Candidate> = Vec::with_capacity(most + 1);
        let mut least = 0.0;
        for &class in &tally.touched {
            if tally.sum(class) < least || class as usize >= self.entries.len() {
                continue;
            }
            let candidate = Candidate { entry: class as usize, score: 0.0, likelihood: tally.sum(class), explained: 0.0, covered: 0.0 };
            let at = candidates.partition_point(|other| self.is_before(other, &candidate, |candidate| candidate.likelihood));
            if at < most {
                candidates.insert(at, candidate);
                candidates.truncate(most);
            }
            if candidates.len() == most {
                least = candidates[most - 1].likelihood;
            }
        }
        for candidate in &mut candidates {
            candidate.likelihood = tally.likelihood(candidate.entry as u32);
            candidate.explained = self.explained(&self.entries[candidate.entry], said, asked);
            candidate.covered = self.covered(&self.entries[candidate.entry], said);
            let t = &self.tuning;
            candidate.score = candidate.likelihood.powf(t.power_l) * candidate.explained.powf(t.power_e) * candidate.covered.powf(t.power_c);
        }
        reading.concepts.iter().for_each(|&concept| said[concept as usize] = 0.0);
        candidates.sort_by(|a, b| if self.is_before(a, b, |candidate| candidate.score) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater });
        candidates
    }

    /// The better one first; of equal ones the one of higher priority, then the one that stands first in the content.
    fn is_before(&self, a: &Candidate, b: &Candidate, by: impl Fn(&Candidate) -> f32) -> bool {
        let order = by(b).total_cmp(&by(a));
        order.then(self.entries[b.entry].priority.cmp(&self.entries[a.entry].priority)).then(a.entry.cmp(&b.entry)).is_lt()
    }

    /// How much of the question the entry's words explain, by rarity.
    fn explained(&self, entry: &Entry, said: &[f32], asked: f32) -> f32 {
        entry.concepts.iter().map(|&concept| said[concept as usize]).sum::<f32>() / asked
    }

    /// How much of the entry's best phrase is there, by rarity.
    fn covered(&self, entry: &Entry, said: &[f32]) -> f32 {
        let mut start = 0;
        let mut best = 0.0_f32;
        for phrase in &entry.phrases {
            let there: f32 = entry.said[start..phrase.end].iter().map(|&concept| said[concept as usize]).sum();
            best = best.max(there * phrase.share);
            start = phrase.end;
        }
        best
    }

    /// What the words of a text became, what counted and who was near.
    pub fn explain(&self, text: &str, most: usize) -> Explanation {
        let mut reading = Reading::default();
        self.vocabulary.read(text, &mut reading);
        let words = reading.seen.iter().map(|seen| (reading.text[seen.start..seen.end].to_owned(), self.became(&reading, seen))).collect();
        let candidates = self.nearest(text, most);
        let mut counted: Vec<(String, f32)> = Vec::new();
        if let Some(best) = candidates.first() {
            let known = reading.concepts.iter().filter(|concept| self.entries[best.entry].concepts.binary_search(concept).is_ok());
            counted.extend(known.map(|&concept| (self.vocabulary.name(concept).to_owned(), self.rarity[concept as usize])));
            counted.sort_by(|a, b| b.1.total_cmp(&a.1));
        }
        Explanation { words, counted, candidates, found: self.find(text) }
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

/// The entries that answer to their phrases as they stand, without any weighing.
struct Literals {
    /// Normal form of a whole message → entry.
    exact: HashMap<String, usize>,
    /// Phrases that answer wherever they stand, each between spaces; the more important entry first.
    words: Option<AhoCorasick>,
    entries: Vec<usize>,
}

impl Literals {
    fn of(all: &[EntryWordings]) -> Literals {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&entry| std::cmp::Reverse(all[entry].priority));
        let (mut exact, mut words, mut entries) = (HashMap::new(), Vec::new(), Vec::new());
        for entry in order {
            for phrase in all[entry].phrases.iter().map(|phrase| normalise(phrase)).filter(|phrase| !phrase.is_empty()) {
                match all[entry].mode {
                    Mode::Wording => break,
                    Mode::Exact => drop(exact.entry(phrase).or_insert(entry)),
                    Mode::Word => {
                        words.push(phrase);
                        entries.push(entry);
                    }
                }
            }
        }
        let words = if words.is_empty() { None } else { AhoCorasick::new(words).ok() };
        Literals { exact, words, entries }
    }

    /// The entry that answers to a text in normal form: the whole of it first, then the most important.
    fn find(&self, text: &str) -> Option<usize> {
        let is_edge = |byte: Option<&u8>| byte.is_none_or(|&byte| byte == b' ');
        let in_words = || {
            let found = self.words.as_ref()?.find_overlapping_iter(text);
            let whole = found.filter(|found| {
                let before = found.start().checked_sub(1).and_then(|at| text.as_bytes().get(at));
                is_edge(before) && is_edge(text.as_bytes().get(found.end()))
            });
            whole.map(|found| found.pattern().as_usize()).min().map(|pattern| self.entries[pattern])
        };
        self.exact.get(text).copied().or_else(in_words)
    }
}
