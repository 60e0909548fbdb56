//! Text → concepts: what a message says, whatever words it says it with.
//!
//! ```text
//! "Where’s my stuf?" → wheres my stuf → ␣where␣␣my␣␣stuff␣ → [where] [parcel]
//!                      normal form       stems                 concepts
//! ```
//!
//! Every stem is written between two spaces, so one Aho-Corasick automaton over all stems and all synonyms of several
//! words finds only whole words, the leftmost and longest first ("my stuff" before "stuff", nothing within "ghost").
//! A script without spaces has a word a character; there the same automaton finds what stands together.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::normalise::{normalise, normalise_into};
use super::spelling::{Origin, Spellings};

/// A number given to everything that a message can say.
pub type Concept = u32;

/// All words of one language's content, and what they mean.
pub struct Vocabulary {
    spellings: Spellings,
    automaton: AhoCorasick,
    /// What each pattern of the automaton means.
    meanings: Vec<Meaning>,
    /// The name of each concept: as in `words:`, or the word itself.
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    Concept(Concept),
    /// Says nothing, unless the message says nothing else.
    Ignored(Concept),
    /// An order number, an amount: neither known nor unknown.
    Number,
    Unknown,
}

/// What a message says. Kept and used again: reading allocates only what the longest message so far did not need.
#[derive(Default)]
pub struct Reading {
    /// The normal form.
    pub text: String,
    /// Its words, or groups of words that mean one thing, in order.
    pub seen: Vec<Seen>,
    /// The concepts in order. Only ignored words in a message: then these.
    pub concepts: Vec<Concept>,
    /// The ignored words among them.
    pub ignored: Vec<Concept>,
    /// Both, in order.
    pub spoken: Vec<Concept>,
    /// How many words nobody knows.
    pub unknown: usize,
    /// How many there are, without numbers.
    words: usize,
    stems: String,
    slots: Vec<Slot>,
}

/// One stem on its way through the automaton.
struct Slot {
    end: usize,
    start_in_text: usize,
    end_in_text: usize,
    origin: Option<Origin>,
    number: bool,
}

pub struct Seen {
    /// The bytes of [`Reading::text`].
    pub start: usize,
    pub end: usize,
    pub meaning: Meaning,
    pub origin: Origin,
}

impl Vocabulary {
    /// Builds it from synonyms, ignored wordings and all other wordings. A synonym wins over an ignored word.
    pub fn build<'a>(
        language: &str,
        synonyms: &[(String, Vec<String>)],
        ignored: &[String],
        wordings: impl Iterator<Item = &'a str>,
    ) -> Vocabulary {
        let mut patterns = Patterns { spellings: Spellings::new(language), index: HashMap::new(), stems: Vec::new(), meanings: Vec::new(), names: Vec::new() };
        for (name, synonyms) in synonyms {
            let concept = patterns.name(name);
            patterns.add(name, Meaning::Concept(concept));
            synonyms.iter().for_each(|synonym| patterns.add(synonym, Meaning::Concept(concept)));
        }
        for wording in ignored {
            let concept = patterns.name(wording);
            patterns.add(wording, Meaning::Ignored(concept));
        }
        for wording in wordings {
            for word in normalise(wording).split(' ').filter(|word| !word.is_empty() && !is_number(word)) {
                let stem = framed(&mut patterns.spellings, word);
                if !patterns.index.contains_key(&stem) {
                    let concept = patterns.name(word);
                    patterns.insert(stem, Meaning::Concept(concept));
                }
            }
        }
        patterns.finish()
    }

    pub fn name(&self, concept: Concept) -> &str {
        &self.names[concept as usize]
    }

    pub fn concepts(&self) -> usize {
        self.names.len()
    }

    pub fn spelling(&self, spelling: u32) -> &str {
        self.spellings.word(spelling)
    }

    /// Reads a text.
    pub fn read(&self, text: &str, reading: &mut Reading) {
        normalise_into(text, &mut reading.text);
        self.write_stems(reading);
        self.find_meanings(reading);
        reading.take_stock();
    }

    fn write_stems(&self, reading: &mut Reading) {
        let Reading { text, stems, slots, .. } = reading;
        stems.clear();
        slots.clear();
        let mut start = 0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (start_in_text, end_in_text) = (start, start + word.len());
            start = end_in_text + 1;
            let number = is_number(word);
            let before = slots.len();
            let mut write = |stem: &str, origin| {
                stems.extend([" ", stem, " "]);
                slots.push(Slot { end: stems.len(), start_in_text, end_in_text, origin, number });
            };
            self.spellings.resolve(word, |stem, origin| write(stem, Some(origin)));
            if slots.len() == before {
                // A number stays readable ("24 hours"); an unknown word only keeps its neighbours apart.
                let stem = if number { word } else { "?" };
                stems.extend([" ", stem, " "]);
                slots.push(Slot { end: stems.len(), start_in_text, end_in_text, origin: None, number });
            }
        }
    }

    fn find_meanings(&self, reading: &mut Reading) {
        let Reading { stems, slots, seen, .. } = reading;
        seen.clear();
        let mut slots = slots.iter().peekable();
        let alone = |slot: &Slot| Seen {
            start: slot.start_in_text,
            end: slot.end_in_text,
            meaning: if slot.number { Meaning::Number } else { Meaning::Unknown },
            origin: slot.origin.unwrap_or(Origin::Known),
        };
        for found in self.automaton.find_iter(stems.as_str()) {
            while let Some(slot) = slots.next_if(|slot| slot.end <= found.start()) {
                seen.push(alone(slot));
            }
            let Some(first) = slots.next_if(|slot| slot.end <= found.end()) else { continue };
            let mut whole = Seen { meaning: self.meanings[found.pattern()], ..alone(first) };
            while let Some(slot) = slots.next_if(|slot| slot.end <= found.end()) {
                whole.end = slot.end_in_text;
            }
            seen.push(whole);
        }
        seen.extend(slots.map(alone));
    }
}

impl Reading {
    fn take_stock(&mut self) {
        let Reading { seen, concepts, ignored, spoken, .. } = self;
        (concepts.clear(), ignored.clear(), spoken.clear());
        (self.words, self.unknown) = (0, 0);
        for seen in seen {
            self.words += usize::from(seen.meaning != Meaning::Number);
            match seen.meaning {
                Meaning::Concept(concept) => concepts.push(concept),
                Meaning::Ignored(concept) => ignored.push(concept),
                Meaning::Unknown => self.unknown += 1,
                Meaning::Number => {}
            }
            if let Meaning::Concept(concept) | Meaning::Ignored(concept) = seen.meaning {
                spoken.push(concept);
            }
        }
        if concepts.is_empty() && self.unknown == 0 {
            std::mem::swap(concepts, ignored);
        }
    }

    /// The share of the words that this language's content knows, 0 to 1.
    pub fn known(&self) -> f32 {
        (self.words - self.unknown) as f32 / self.words.max(1) as f32
    }
}

/// A word with a digit in it: an order number, a date, an amount.
fn is_number(word: &str) -> bool {
    word.chars().any(|c| c.is_numeric()) && word.chars().filter(|c| c.is_alphabetic()).count() * 2 <= word.len()
}

fn framed(spellings: &mut Spellings, wording: &str) -> String {
    let mut stems = String::new();
    for word in wording.split(' ').filter(|word| !word.is_empty()) {
        stems.extend([" ", spellings.learn(word), " "]);
    }
    stems
}

/// The automaton under construction.
struct Patterns {
    spellings: Spellings,
    index: HashMap<String, usize>,
    stems: Vec<String>,
    meanings: Vec<Meaning>,
    names: Vec<String>,
}

impl Patterns {
    fn name(&mut self, name: &str) -> Concept {
        self.names.push(name.to_owned());
        (self.names.len() - 1) as Concept
    }

    fn add(&mut self, wording: &str, meaning: Meaning) {
        let stems = framed(&mut self.spellings, &normalise(wording));
        if !stems.is_empty() && !self.index.contains_key(&stems) {
            self.insert(stems, meaning);
        }
    }

    fn insert(&mut self, stems: String, meaning: Meaning) {
        self.index.insert(stems.clone(), self.stems.len());
        self.stems.push(stems);
        self.meanings.push(meaning);
    }

    fn finish(self) -> Vocabulary {
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&self.stems)
            // It fails only beyond 2^31 states, which no memory of ours holds as YAML. Then nothing is found.
            .unwrap_or_else(|_| AhoCorasick::new([] as [&str; 0]).expect("no patterns, no states"));
        Vocabulary { spellings: self.spellings, automaton, meanings: self.meanings, names: self.names }
    }
}
