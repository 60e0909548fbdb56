//! Message → entry: the score of an entry, and the gates.
//!
//! ```text
//! score = likelihood  ×  explained  ×  covered ^ 0.7
//!         of all entries   of the question,   of its best phrase,
//!         it is this one   how much it knows  how much is there
//! ```
//!
//! Each of the three can veto. Likelihood decides between entries; what a message has beyond an entry's words refuses
//! foreign questions; what a phrase has beyond the message refuses those that share a word or two with it. Only the
//! likeliest few entries are looked at closely, so the cost does not grow with the number of entries.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::likelihood::{Examples, Likelihood, Tally};
use super::normalise::normalise;
use super::spelling::Origin;
use super::words::{Concept, Meaning, Reading, Seen, Vocabulary};

/// From this score on an entry answers, and from this on it is suggested. Set on held-out questions so that about 3 %
/// of plainly foreign and 6 % of similar-sounding ones are answered, and 10 % and 30 % get suggestions.
const SURE: f32 = 0.31;
const UNSURE: f32 = 0.09;
/// A suggestion beside the best has at least this share of its score.
const SUGGESTED: f32 = 0.15;
const MOST_SUGGESTIONS: usize = 3;

/// So many of the likeliest entries are scored: the suggestions, and one that may overtake. None that is less likely
/// than what a suggestion needs at least, since no factor is above 1.
const SHORTLIST: usize = 4;
const LEAST_LIKELY: f32 = UNSURE * SUGGESTED;

/// A short phrase is easily there whole, so this factor counts less than the others. Flat from 0.5 to 1.
const COVERED_POWER: f32 = 0.7;

/// A concept that all entries use still counts a little, or a phrase of nothing else would weigh nothing.
const LEAST_RARITY: f32 = 0.05;

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
    pub phrases: Vec<String>,
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
    literals: Literals,
    /// Concept → how rare it is: the fewer entries use it, the more it tells.
    rarity: Vec<f32>,
    /// What an unknown word weighs: as much as the rarest known one.
    unknown: f32,
    entries: Vec<Entry>,
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
    /// Builds it: milliseconds, and the same every time.
    pub fn build(wordings: &Wordings) -> Matcher {
        let all =
            wordings.entries.iter().flat_map(|entry| &entry.phrases).chain(&wordings.not_ours).map(String::as_str);
        let vocabulary = Vocabulary::build(&wordings.language, &wordings.words, &wordings.ignore, all);
        let (concepts, background) = (vocabulary.concepts(), wordings.entries.len());
        let mut examples = Examples::default();
        let mut reading = Reading::default();
        let mut entries = Vec::new();
        for (index, wording) in wordings.entries.iter().enumerate() {
            let mut entry =
                Entry { priority: wording.priority, concepts: Vec::new(), said: Vec::new(), phrases: Vec::new() };
            for phrase in wording.phrases.iter().filter(|_| wording.mode == Mode::Wording) {
                vocabulary.read(phrase, &mut reading);
                examples.add(&reading, index as u32, concepts);
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
            examples.add(&reading, background as u32, concepts);
        }
        let mut used_by = vec![0_u32; concepts];
        entries.iter().flat_map(|entry| &entry.concepts).for_each(|&concept| used_by[concept as usize] += 1);
        let rarity = |used_by: f32| ((background as f32 + 1.0) / (used_by + 0.5)).ln().max(LEAST_RARITY);
        let rarities: Vec<f32> = used_by.into_iter().map(|used_by| rarity(used_by as f32)).collect();
        for entry in &mut entries {
            let mut start = 0;
            for phrase in &mut entry.phrases {
                let said = &entry.said[start..phrase.end];
                let weight: f32 = said.iter().map(|&concept| rarities[concept as usize]).sum();
                phrase.share = 1.0 / weight.max(LEAST_RARITY);
                start = phrase.end;
            }
        }
        Matcher {
            likelihood: Likelihood::learn(examples, concepts, background + 1),
            literals: Literals::of(&wordings.entries),
            rarity: rarities,
            unknown: rarity(1.0),
            vocabulary,
            entries,
        }
    }

    /// What a message asks for.
    pub fn find(&self, text: &str) -> Found {
        SCRATCH.with_borrow_mut(|scratch| {
            let candidates = self.rank(text, SHORTLIST, LEAST_LIKELY, scratch);
            Found { outcome: decide(candidates), known: scratch.reading.known() }
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

    /// Scores the likeliest entries.
    fn rank(&self, text: &str, most: usize, least_likely: f32, scratch: &mut Scratch) -> Vec<Candidate> {
        let Scratch { reading, tally, said } = scratch;
        self.vocabulary.read(text, reading);
        if let Some(entry) = self.literals.find(&reading.text) {
            return vec![Candidate { entry, score: 1.0, likelihood: 1.0, explained: 1.0, covered: 1.0 }];
        }
        self.likelihood.tally(reading, tally);
        let mut candidates = self.likeliest(tally, most);
        candidates.retain(|candidate| candidate.likelihood >= least_likely);
        said.resize(said.len().max(self.rarity.len()), 0.0);
        reading.concepts.iter().for_each(|&concept| said[concept as usize] = self.rarity[concept as usize]);
        let asked = self.asked(reading, said);
        // What a candidate must reach to be told of at all, where the likelihood counts: looking through all phrases of
        // an entry is the dearest part.
        let mut wanted = least_likely;
        for candidate in &mut candidates {
            let entry = &self.entries[candidate.entry];
            candidate.explained = entry.explained(said) / asked;
            let at_most = candidate.likelihood * candidate.explained;
            if at_most < wanted {
                candidate.score = 0.0;
                continue;
            }
            candidate.covered = entry.covered(said);
            candidate.score = candidate.likelihood * candidate.explained * candidate.covered.powf(COVERED_POWER);
            if least_likely > 0.0 {
                wanted = wanted.max(candidate.score * SUGGESTED);
            }
        }
        reading.concepts.iter().for_each(|&concept| said[concept as usize] = 0.0);
        candidates.sort_by(|a, b| self.order(a, b, |candidate| candidate.score));
        candidates
    }

    /// The entries that most speaks for, likeliest first.
    fn likeliest(&self, tally: &Tally, most: usize) -> Vec<Candidate> {
        let mut likeliest: Vec<Candidate> = Vec::with_capacity(most + 1);
        let mut least = 0.0;
        for (class, sum) in tally.sums().filter(|&(class, _)| class < self.entries.len()) {
            if sum < least {
                continue;
            }
            let candidate = Candidate { entry: class, score: sum, likelihood: 0.0, explained: 0.0, covered: 0.0 };
            let is_before = |other: &Candidate| self.order(other, &candidate, |candidate| candidate.score).is_lt();
            likeliest.insert(likeliest.partition_point(is_before), candidate);
            likeliest.truncate(most);
            if likeliest.len() == most {
                least = likeliest[most - 1].score;
            }
        }
        likeliest.iter_mut().for_each(|candidate| candidate.likelihood = tally.likelihood(candidate.score));
        likeliest
    }

    /// What the whole question weighs: its concepts, each once, and what nobody knows.
    fn asked(&self, reading: &Reading, said: &[f32]) -> f32 {
        let is_first = |(at, concept): &(usize, &Concept)| !reading.concepts[..*at].contains(concept);
        let concepts = reading.concepts.iter().enumerate().filter(is_first);
        concepts.map(|(_, &concept)| said[concept as usize]).sum::<f32>() + reading.unknown as f32 * self.unknown
    }

    /// The better one first; of equal ones the one of higher priority, then the one that stands first in the content.
    fn order(&self, a: &Candidate, b: &Candidate, by: impl Fn(&Candidate) -> f32) -> Ordering {
        let priorities = self.entries[b.entry].priority.cmp(&self.entries[a.entry].priority);
        by(b).total_cmp(&by(a)).then(priorities).then(a.entry.cmp(&b.entry))
    }

    /// What the words of a text became, which counted and who was near.
    pub fn explain(&self, text: &str, most: usize) -> Explanation {
        let mut reading = Reading::default();
        self.vocabulary.read(text, &mut reading);
        let candidates = self.nearest(text, most);
        let known = |best: &Candidate| {
            let concepts =
                reading.concepts.iter().filter(|concept| self.entries[best.entry].concepts.contains(concept));
            concepts.map(|&concept| (self.vocabulary.name(concept).to_owned(), self.rarity[concept as usize])).collect()
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

impl Entry {
    /// What it knows of a message, by rarity.
    fn explained(&self, said: &[f32]) -> f32 {
        self.concepts.iter().map(|&concept| said[concept as usize]).sum()
    }

    /// How much of its best phrase a message has, by rarity.
    fn covered(&self, said: &[f32]) -> f32 {
        let mut start = 0;
        let mut best = 0.0_f32;
        for phrase in &self.phrases {
            let there: f32 = self.said[start..phrase.end].iter().map(|&concept| said[concept as usize]).sum();
            best = best.max(there * phrase.share);
            start = phrase.end;
        }
        best
    }
}

/// The gates.
fn decide(mut candidates: Vec<Candidate>) -> Outcome {
    match candidates.first() {
        Some(best) if best.score >= SURE => Outcome::Sure(*best),
        Some(best) if best.score >= UNSURE => {
            let least = best.score * SUGGESTED;
            candidates.retain(|candidate| candidate.score >= least);
            candidates.truncate(MOST_SUGGESTIONS);
            Outcome::Unsure(candidates)
        }
        _ => Outcome::Nothing,
    }
}

/// The entries that answer to their phrases as they stand, without any weighing.
struct Literals {
    /// A whole message → its entry.
    exact: HashMap<String, usize>,
    /// Phrases that answer wherever they stand as whole words; those of the more important entry first.
    anywhere: Option<AhoCorasick>,
    /// Pattern of `anywhere` → its entry.
    entries: Vec<usize>,
}

impl Literals {
    /// Of two entries with the same phrase the one of higher priority has it, then the first.
    fn of(all: &[EntryWordings]) -> Literals {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&entry| Reverse(all[entry].priority));
        let (mut exact, mut anywhere, mut entries) = (HashMap::new(), Vec::new(), Vec::new());
        for entry in order {
            let phrases = all[entry].phrases.iter().map(|phrase| normalise(phrase)).filter(|phrase| !phrase.is_empty());
            match all[entry].mode {
                Mode::Wording => {}
                Mode::Exact => phrases.for_each(|phrase| {
                    exact.entry(phrase).or_insert(entry);
                }),
                Mode::Word => phrases.for_each(|phrase| {
                    anywhere.push(phrase);
                    entries.push(entry);
                }),
            }
        }
        let anywhere = if anywhere.is_empty() { None } else { AhoCorasick::new(anywhere).ok() };
        Literals { exact, anywhere, entries }
    }

    /// The entry that answers to a text in normal form.
    fn find(&self, text: &str) -> Option<usize> {
        self.exact.get(text).copied().or_else(|| self.find_anywhere(text))
    }

    fn find_anywhere(&self, text: &str) -> Option<usize> {
        let ends_word = |byte: Option<&u8>| byte.is_none_or(|&byte| byte == b' ');
        let bytes = text.as_bytes();
        let found = self.anywhere.as_ref()?.find_overlapping_iter(text);
        let whole = found.filter(|found| ends_word(bytes[..found.start()].last()) && ends_word(bytes.get(found.end())));
        whole.map(|found| found.pattern().as_usize()).min().map(|pattern| self.entries[pattern])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: Mode, priority: i32, phrases: &[&str]) -> EntryWordings {
        EntryWordings { mode, priority, phrases: phrases.iter().map(|&phrase| phrase.into()).collect() }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    /// A small shop: 0 track, 1 refund, 2 host, 3 and 4 the same phrase.
    fn shop() -> Wordings {
        Wordings {
            language: "en".into(),
            entries: vec![
                entry(Mode::Wording, 0, &["where is my parcel", "track a parcel", "parcel not arrived yet"]),
                entry(Mode::Wording, 0, &["I want a refund", "refund for a late delivery", "get my money returned"]),
                entry(Mode::Wording, 0, &["become a host", "what does a host do"]),
                entry(Mode::Wording, 0, &["gift wrapping"]),
                entry(Mode::Wording, 1, &["gift wrapping"]),
            ],
            words: vec![
                ("parcel".into(), texts(&["package", "my stuff", "consignment"])),
                ("refund".into(), texts(&["money back"])),
            ],
            ignore: texts(&["a", "the", "my", "I", "is", "does", "please", "hello", "for"]),
            not_ours: texts(&["reset my password", "what is the weather", "track my heart rate"]),
        }
    }

    fn german() -> Wordings {
        Wordings {
            language: "de-AT".into(),
            entries: vec![
                entry(Mode::Wording, 0, &["wo ist mein Paket", "Verfolgung meiner Sendung", "Pakete verfolgen"]),
                entry(
                    Mode::Wording,
                    0,
                    &["Rückgabe an den Händler", "ich möchte etwas zurückgeben", "Größe passt nicht"],
                ),
            ],
            words: vec![("paket".into(), texts(&["sendung", "päckchen"]))],
            ignore: texts(&["wo", "ist", "ich", "mein", "den", "an"]),
            not_ours: Vec::new(),
        }
    }

    fn chinese() -> Wordings {
        Wordings {
            language: "zh".into(),
            entries: vec![
                entry(Mode::Wording, 0, &["我的包裹在哪里", "查询包裹"]),
                entry(Mode::Wording, 0, &["我要退款", "什么时候退款"]),
            ],
            words: vec![("包裹".into(), texts(&["快递"]))],
            ignore: Vec::new(),
            not_ours: Vec::new(),
        }
    }

    /// The entry that answers, or a word for what happens instead.
    fn outcome(matcher: &Matcher, text: &str) -> Result<usize, &'static str> {
        match matcher.find(text).outcome {
            Outcome::Sure(best) => Ok(best.entry),
            Outcome::Unsure(_) => Err("unsure"),
            Outcome::Nothing => Err("nothing"),
        }
    }

    #[test]
    fn finds_what_is_meant() {
        let nothing = Err("nothing");
        for (wordings, table) in [
            (
                shop(),
                &[
                    ("where is my parcel", Ok(0)),
                    ("Where’s my PACKAGE???", Ok(0)),
                    ("hello, where is my stuff please", Ok(0)),
                    ("just stuff", nothing),
                    ("trakc my pacrel", Ok(0)),
                    ("track my consignmnet", Ok(0)),
                    ("track parcel 00340434161094042557", Ok(0)),
                    ("can i get my money back", Ok(1)),
                    ("refunds", Ok(1)),
                    ("host", Ok(2)),
                    ("ghost", nothing),
                    ("a ghost in the house", nothing),
                    ("gift wrapping", Ok(4)),
                    ("reset the password please", nothing),
                    ("how is the weather in paris", nothing),
                    ("who won the football match", nothing),
                    ("hello", nothing),
                    ("4711", nothing),
                    ("", nothing),
                    ("👍🏽", nothing),
                ][..],
            ),
            (
                german(),
                &[
                    ("Wo ist meine Sendung?", Ok(0)),
                    ("Paketverfolgung", Ok(0)),
                    ("PÄCKCHEN VERFOLGEN", Ok(0)),
                    ("paeckchen verfolgen", Ok(0)),
                    ("rueckgabe", Ok(1)),
                    ("Die Groesse passt nicht", Ok(1)),
                    ("die grösse passt nicht", Ok(1)),
                    ("Bundesliga Tabelle", nothing),
                ],
            ),
            (
                chinese(),
                &[("我的快递在哪里？", Ok(0)), ("包裹", Ok(0)), ("我想要退款", Ok(1)), ("今天天气怎么样", nothing)],
            ),
        ] {
            let matcher = Matcher::build(&wordings);
            for &(text, expected) in table {
                assert_eq!(outcome(&matcher, text), expected, "{text}: {:#?}", matcher.explain(text, 3));
            }
        }
    }

    #[test]
    fn explains_what_became_of_each_word() {
        let explanation = Matcher::build(&shop()).explain("Hello, trakc my stuff 4711 tomatoes", 2);
        let expected = [
            ("hello", Became::Ignored),
            ("trakc", Became::CorrectedTo("track".into())),
            ("my stuff", Became::SynonymOf("parcel".into())),
            ("4711", Became::Number),
            ("tomatoes", Became::Unknown),
        ];
        assert_eq!(explanation.words, expected.map(|(word, became)| (word.to_owned(), became)));
        assert_eq!(explanation.counted.len(), 2);
        assert_eq!(explanation.candidates[0].entry, 0);
    }

    #[test]
    fn survives_any_text_and_any_content() {
        let empty = Wordings {
            language: String::new(),
            entries: Vec::new(),
            words: Vec::new(),
            ignore: Vec::new(),
            not_ours: Vec::new(),
        };
        let hollow = Wordings {
            language: "?".into(),
            entries: vec![
                entry(Mode::Wording, 0, &["", "!!", "12"]),
                entry(Mode::Word, 0, &[""]),
                entry(Mode::Exact, 0, &[]),
            ],
            words: vec![(String::new(), texts(&["", "…"])), ("a".into(), Vec::new())],
            ignore: texts(&["", "?"]),
            not_ours: texts(&[""]),
        };
        let long =
            ["👍🏽".repeat(4000), "paket".repeat(800), "a ".repeat(2000), "\u{301}".repeat(4000), "ä".repeat(4000)];
        for wordings in [empty, hollow, shop(), german(), chinese()] {
            let matcher = Matcher::build(&wordings);
            for text in long.iter().map(String::as_str).chain(["", " ", "a", "12", "\0", "’’’", "?"]) {
                let found = matcher.find(text);
                assert!((0.0..=1.0).contains(&found.known), "{text}: {found:?}");
                let scores = matcher.nearest(text, 9);
                assert!(scores.iter().all(|candidate| (0.0..=1.001).contains(&candidate.score)), "{text}: {scores:?}");
            }
        }
    }

    #[test]
    fn the_same_content_gives_the_same_numbers() {
        let text = "where is the money for my late stuff";
        let nearest = Matcher::build(&shop()).nearest(text, 9);
        assert!(nearest.len() > 1);
        assert_eq!(Matcher::build(&shop()).nearest(text, 9), nearest);
    }

    #[test]
    fn phrases_answer_as_they_stand() {
        let literals = Literals::of(&[
            entry(Mode::Wording, 9, &["host"]),
            entry(Mode::Exact, 0, &["Hello!", "yes"]),
            entry(Mode::Word, 0, &["host", "a person", "yes", "客服"]),
            entry(Mode::Word, 1, &["a person please"]),
        ]);
        for (text, expected) in [
            ("hello", Some(1)),
            ("HELLO?", Some(1)),
            ("hello there", None),
            ("my host is down", Some(2)),
            ("host", Some(2)),
            ("a ghost, ghosts, hosts", None),
            ("ghost host", Some(2)),
            ("give me a person", Some(2)),
            ("give me a person please", Some(3)),
            ("yes", Some(1)),
            ("oh yes", Some(2)),
            ("我要客服", Some(2)),
            ("", None),
        ] {
            assert_eq!(literals.find(&normalise(text)), expected, "{text}");
        }
    }
}
