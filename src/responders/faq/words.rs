//! Text → concepts: what a message says, whatever words it says it with.
//!
//! ```text
//! "Where’s my stuf?" → wheres my stuf → ␣where␣␣my␣␣stuff␣ → [where] [parcel]
//!                      normal form       stems                 concepts
//! ```
//!
//! Every stem stands between two spaces, so one Aho-Corasick automaton finds all synonyms of several words in one pass
//! and only as whole words, the leftmost and longest first. They are found before anything is dropped: "my stuff" must
//! not shrink to "stuff". Single stems need no search: their number is an index into what they mean. (With them in the
//! automaton too it was 3 MB for 10,000 phrases, and a message spent more time in it than in all the rest of reading.)
//! A script without spaces has a word a character, so there the automaton finds what stands together.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, MatchKind};

use super::normalise::{normalise, normalise_into};
use super::spelling::{Origin, Spellings, Stem};

/// A number given to everything that a message can say.
pub type Concept = u32;

/// All words of one language's content, and what they mean.
pub struct Vocabulary {
    spellings: Spellings,
    /// Stem → what it means alone.
    alone: Vec<Meaning>,
    /// The groups of words that mean one thing, and what each means.
    groups: Option<AhoCorasick>,
    together: Vec<Meaning>,
    /// The name of each concept: as in `words:`, or the word itself.
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Meaning {
    Concept(Concept),
    /// Says nothing, unless the message says nothing else.
    Ignored(Concept),
    /// An order number, an amount: neither known nor unknown.
    Number,
    #[default]
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
    /// Both in order, and whether ignored.
    pub spoken: Vec<(Concept, bool)>,
    /// How many words nobody knows.
    pub unknown: usize,
    /// How many there are, without numbers.
    words: usize,
    stems: String,
    slots: Vec<Slot>,
}

/// A stem on its way through the automaton: where it ends there, and what it is if it belongs to no group.
struct Slot {
    end: usize,
    alone: Seen,
}

#[derive(Clone, Copy)]
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
        let mut meanings = Meanings::new(language);
        for (name, synonyms) in synonyms {
            let concept = meanings.concept(name);
            meanings.add(name, Meaning::Concept(concept));
            synonyms.iter().for_each(|synonym| meanings.add(synonym, Meaning::Concept(concept)));
        }
        for wording in ignored {
            let concept = meanings.concept(wording);
            meanings.add(wording, Meaning::Ignored(concept));
        }
        for wording in wordings {
            // Amounts tell nothing, not even if the content has one.
            normalise(wording)
                .split(' ')
                .filter(|word| !word.is_empty() && !word.starts_with(char::is_numeric))
                .for_each(|word| meanings.add_word(word));
        }
        meanings.finish()
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

    /// Every word as its stem, or stems, between spaces.
    fn write_stems(&self, reading: &mut Reading) {
        let Reading { text, stems, slots, .. } = reading;
        stems.clear();
        slots.clear();
        let mut next = 0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (start, end) = (next, next + word.len());
            next = end + 1;
            let mut write = |stem: &str, meaning: Meaning, origin: Origin| {
                stems.extend([" ", stem, " "]);
                slots.push(Slot { end: stems.len(), alone: Seen { start, end, meaning, origin } });
            };
            let mut is_known = false;
            self.spellings.resolve(word, |stem, origin| {
                is_known = true;
                let meaning = match self.alone[stem as usize] {
                    Meaning::Unknown if is_number(word) => Meaning::Number,
                    meaning => meaning,
                };
                write(self.spellings.stem(stem), meaning, origin);
            });
            // What nobody knows only keeps its neighbours apart.
            if !is_known {
                write("?", if is_number(word) { Meaning::Number } else { Meaning::Unknown }, Origin::Known);
            }
        }
    }

    /// The leftmost longest groups, and the words between them.
    fn find_meanings(&self, reading: &mut Reading) {
        let Reading { stems, slots, seen, .. } = reading;
        seen.clear();
        let mut slots = slots.iter().peekable();
        for found in self.groups.iter().flat_map(|groups| groups.find_iter(stems.as_str())) {
            while let Some(slot) = slots.next_if(|slot| slot.end <= found.start()) {
                seen.push(slot.alone);
            }
            let Some(first) = slots.next() else { break };
            let mut group = Seen { meaning: self.together[found.pattern()], ..first.alone };
            while let Some(slot) = slots.next_if(|slot| slot.end <= found.end()) {
                group.end = slot.alone.end;
            }
            seen.push(group);
        }
        seen.extend(slots.map(|slot| slot.alone));
    }
}

impl Reading {
    fn take_stock(&mut self) {
        let Reading { seen, concepts, ignored, spoken, .. } = self;
        concepts.clear();
        ignored.clear();
        spoken.clear();
        (self.words, self.unknown) = (0, 0);
        for seen in seen {
            self.words += usize::from(seen.meaning != Meaning::Number);
            match seen.meaning {
                Meaning::Concept(concept) => {
                    concepts.push(concept);
                    spoken.push((concept, false));
                }
                Meaning::Ignored(concept) => {
                    ignored.push(concept);
                    spoken.push((concept, true));
                }
                Meaning::Unknown => self.unknown += 1,
                Meaning::Number => {}
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

/// An order number, a date, an amount; unless the content has it, such as "CN22".
fn is_number(word: &str) -> bool {
    word.contains(char::is_numeric)
}

/// A vocabulary under construction.
struct Meanings {
    spellings: Spellings,
    alone: Vec<Meaning>,
    /// Stems as they stand in a text → what they mean together, in order.
    groups: Vec<String>,
    together: Vec<Meaning>,
    known_groups: HashSet<String>,
    names: Vec<String>,
}

impl Meanings {
    fn new(language: &str) -> Meanings {
        Meanings {
            spellings: Spellings::new(language),
            alone: Vec::new(),
            groups: Vec::new(),
            together: Vec::new(),
            known_groups: HashSet::new(),
            names: Vec::new(),
        }
    }

    /// A new concept.
    fn concept(&mut self, name: &str) -> Concept {
        self.names.push(name.to_owned());
        (self.names.len() - 1) as Concept
    }

    fn learn(&mut self, word: &str) -> Stem {
        let stem = self.spellings.learn(word);
        self.alone.resize(self.spellings.stems(), Meaning::Unknown);
        stem
    }

    /// A word or group of words means this, unless it already means something.
    fn add(&mut self, wording: &str, meaning: Meaning) {
        let normal = normalise(wording);
        let stems: Vec<Stem> = normal.split(' ').filter(|word| !word.is_empty()).map(|word| self.learn(word)).collect();
        if let [stem] = stems[..] {
            let alone = &mut self.alone[stem as usize];
            *alone = if *alone == Meaning::Unknown { meaning } else { *alone };
        } else if !stems.is_empty() {
            let group: String = stems.iter().flat_map(|&stem| [" ", self.spellings.stem(stem), " "]).collect();
            if self.known_groups.insert(group.clone()) {
                self.groups.push(group);
                self.together.push(meaning);
            }
        }
    }

    /// A word of a wording: a concept of its own, unless it already means something.
    fn add_word(&mut self, word: &str) {
        let stem = self.learn(word);
        if self.alone[stem as usize] == Meaning::Unknown {
            self.alone[stem as usize] = Meaning::Concept(self.concept(word));
        }
    }

    fn finish(self) -> Vocabulary {
        let Meanings { spellings, alone, groups, together, names, .. } = self;
        // It fails only beyond 2^31 states, which no content has. Then the groups are not found.
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).prefilter(false).build(groups);
        Vocabulary { spellings, alone, groups: automaton.ok(), together, names }
    }
}
