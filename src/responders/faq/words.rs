//! Text → concepts: what a message says, whatever words it says it with.
//!
//! ```text
//! "Where’s my stuf?" → wheres my stuf → where my stuff → [where] [parcel]
//!                      normal form      stems            concepts
//! ```
//!
//! Words become stems, and stems what they mean: alone by an index, together by way of [`Groups`], the leftmost and
//! longest first. Groups are found before anything is dropped: "my stuff" must not shrink to "stuff". A script without
//! spaces has a word a character, so there the groups find what stands together.

use super::groups::Groups;
use super::normalise::{normalise, normalise_into};
use super::said::Said;
use super::spelling::{Origin, Spellings, Stem};

/// A number given to everything that a message can say.
pub type Concept = u32;

/// All words of one language's content, and what they mean.
pub struct Vocabulary {
    spellings: Spellings,
    /// Stem → what it means alone.
    alone: Vec<Meaning>,
    /// The groups of words that mean one thing.
    groups: Groups<Meaning>,
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

/// What a message was read as. Kept and used again: reading allocates only what the longest message so far did not need.
#[derive(Default)]
pub struct Reading {
    /// The normal form.
    pub text: String,
    /// Its words, or groups of words that mean one thing, in order.
    pub seen: Vec<Seen>,
    /// What they say: [`Said`].
    concepts: Vec<Concept>,
    ignored: Vec<Concept>,
    spoken: Vec<(Concept, bool)>,
    unknown: usize,
    /// How many there are, without numbers.
    words: usize,
    slots: Vec<Slot>,
}

/// A stem on its way through the groups, and what it is if it belongs to none.
struct Slot {
    stem: Option<Stem>,
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
    /// Builds it from synonyms, ignored wordings and all other wordings, these in normal form. A synonym wins over an
    /// ignored word.
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
            wording
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
        self.read_on(reading);
    }

    /// Reads a text in normal form.
    pub fn read_normal(&self, text: &str, reading: &mut Reading) {
        reading.text.clear();
        reading.text.push_str(text);
        self.read_on(reading);
    }

    fn read_on(&self, reading: &mut Reading) {
        self.find_stems(reading);
        self.find_meanings(reading);
        reading.take_stock();
    }

    /// Every word as its stem, or stems.
    fn find_stems(&self, reading: &mut Reading) {
        let Reading { text, slots, .. } = reading;
        slots.clear();
        let mut next = 0;
        while next < text.len() {
            let start = next;
            let end = text[start..].bytes().position(|byte| byte == b' ').map_or(text.len(), |length| start + length);
            next = end + 1;
            let word = &text[start..end];
            let is_known = self.spellings.resolve(word, |stem, origin| {
                let meaning = match self.alone[stem as usize] {
                    Meaning::Unknown if is_number(word) => Meaning::Number,
                    meaning => meaning,
                };
                slots.push(Slot { stem: Some(stem), alone: Seen { start, end, meaning, origin } });
            });
            // What nobody knows keeps its neighbours apart.
            if !is_known {
                let meaning = if is_number(word) { Meaning::Number } else { Meaning::Unknown };
                slots.push(Slot { stem: None, alone: Seen { start, end, meaning, origin: Origin::Known } });
            }
        }
    }

    /// The leftmost longest groups, and the words between them.
    fn find_meanings(&self, reading: &mut Reading) {
        let Reading { slots, seen, .. } = reading;
        seen.clear();
        let mut rest = &slots[..];
        while let [first, after @ ..] = rest {
            match self.groups.longest(rest.iter().map_while(|slot| slot.stem)) {
                Some((length, meaning)) => {
                    let end = rest[length - 1].alone.end;
                    seen.push(Seen { end, meaning, ..first.alone });
                    rest = &rest[length..];
                }
                None => {
                    seen.push(first.alone);
                    rest = after;
                }
            }
        }
    }
}

impl Reading {
    /// What they say.
    pub fn said(&self) -> Said<'_> {
        Said { concepts: &self.concepts, ignored: &self.ignored, spoken: &self.spoken, unknown: self.unknown }
    }

    fn take_stock(&mut self) {
        let Reading { concepts, ignored, spoken, unknown, .. } = self;
        concepts.clear();
        ignored.clear();
        spoken.clear();
        (self.words, *unknown) = (0, 0);
        for seen in &self.seen {
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
                Meaning::Unknown => *unknown += 1,
                Meaning::Number => {}
            }
        }
        if concepts.is_empty() && *unknown == 0 {
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
    groups: Groups<Meaning>,
    names: Vec<String>,
}

impl Meanings {
    fn new(language: &str) -> Meanings {
        let (spellings, groups) = (Spellings::new(language), Groups::default());
        Meanings { spellings, alone: Vec::new(), groups, names: Vec::new() }
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
        match stems[..] {
            [] => {}
            [stem] => {
                let alone = &mut self.alone[stem as usize];
                *alone = if *alone == Meaning::Unknown { meaning } else { *alone };
            }
            _ => self.groups.add(&stems, meaning),
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
        let Meanings { mut spellings, alone, groups, names } = self;
        spellings.finish();
        Vocabulary { spellings, alone, groups, names }
    }
}
