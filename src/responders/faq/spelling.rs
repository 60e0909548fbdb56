//! A word as written → the stem that the content knows: by its spelling, its stem, one typing error, or its parts.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use rust_stemmers::{Algorithm, Stemmer};

use super::slips::{Slips, is_one_slip};

/// Shorter parts are found in every second word: "ei", "ort", "aus".
const SHORTEST_PART: usize = 4;
/// Longer compounds exist, but not in chats; and it bounds the search.
const MOST_PARTS: usize = 3;
/// Longer ones are pasted keys.
const LONGEST_COMPOUND: usize = 30;
/// What German and its relatives put between the parts of a compound.
const LINKS: [&str; 6] = ["", "s", "n", "es", "en", "er"];

/// How a language forms its words.
pub struct Grammar {
    stemmer: Option<Stemmer>,
    /// "Paketverfolgung": words are written together.
    compounds: bool,
    /// "ue" is another spelling of "ü", which the normal form writes "u".
    digraphs: bool,
}

impl Grammar {
    /// The grammar of a language tag such as `en` or `de-AT`; a language without a stemmer keeps its words as they are.
    pub fn of(language: &str) -> Grammar {
        let primary = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let algorithm = match primary.as_str() {
            "ar" => Some(Algorithm::Arabic),
            "da" => Some(Algorithm::Danish),
            "de" => Some(Algorithm::German),
            "el" => Some(Algorithm::Greek),
            "en" => Some(Algorithm::English),
            "es" => Some(Algorithm::Spanish),
            "fi" => Some(Algorithm::Finnish),
            "fr" => Some(Algorithm::French),
            "hu" => Some(Algorithm::Hungarian),
            "it" => Some(Algorithm::Italian),
            "nb" | "nn" | "no" => Some(Algorithm::Norwegian),
            "nl" => Some(Algorithm::Dutch),
            "pt" => Some(Algorithm::Portuguese),
            "ro" => Some(Algorithm::Romanian),
            "ru" => Some(Algorithm::Russian),
            "sv" => Some(Algorithm::Swedish),
            "ta" => Some(Algorithm::Tamil),
            "tr" => Some(Algorithm::Turkish),
            _ => None,
        };
        Grammar {
            stemmer: algorithm.map(Stemmer::create),
            compounds: matches!(primary.as_str(), "da" | "de" | "fi" | "nb" | "nl" | "nn" | "no" | "sv"),
            digraphs: primary == "de",
        }
    }

    /// The stem of a word in normal form.
    pub fn stem(&self, word: &str) -> String {
        let word = if self.digraphs { without_digraphs(word) } else { word.into() };
        match &self.stemmer {
            Some(stemmer) => stemmer.stem(&word).into_owned(),
            None => word.into_owned(),
        }
    }
}

/// "rueckgabe" as "ruckgabe", the normal form of "rückgabe". Not after a vowel or q: "neue" and "quelle" stay.
fn without_digraphs(word: &str) -> std::borrow::Cow<'_, str> {
    if !["ae", "oe", "ue"].iter().any(|digraph| word.contains(digraph)) {
        return word.into();
    }
    let mut plain = String::with_capacity(word.len());
    let mut before = ' ';
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        plain.push(c);
        if matches!(c, 'a' | 'o' | 'u')
            && !matches!(before, 'a' | 'e' | 'i' | 'o' | 'u' | 'q')
            && chars.peek() == Some(&'e')
        {
            chars.next();
        }
        before = c;
    }
    plain.into()
}

/// What became of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Origin {
    /// The content has it in this or another inflection.
    Known,
    /// A slip of the finger away from this spelling of the content.
    Corrected(u32),
    /// One part of a compound.
    Part,
}

/// A number given to every stem.
pub type Stem = u32;

/// Every spelling that the content uses, and its stem. The hashes need no secret: only content adds to the tables.
pub struct Spellings {
    grammar: Grammar,
    /// In order of first use.
    spellings: Vec<Spelling>,
    /// The number of a spelling, and its stem: most words need no more than this one look.
    by_spelling: HashMap<Box<str>, (u32, Stem), FixedState>,
    by_stem: HashMap<Box<str>, Stem, FixedState>,
    slips: Slips,
}

struct Spelling {
    word: Box<str>,
    stem: Stem,
    /// How often the content has it.
    uses: u32,
}

impl Spellings {
    pub fn new(language: &str) -> Spellings {
        Spellings {
            grammar: Grammar::of(language),
            spellings: Vec::new(),
            by_spelling: HashMap::default(),
            by_stem: HashMap::default(),
            slips: Slips::default(),
        }
    }

    /// Learns a word of the content; gives its stem.
    pub fn learn(&mut self, word: &str) -> Stem {
        if let Some(&(index, stem)) = self.by_spelling.get(word) {
            self.spellings[index as usize].uses += 1;
            return stem;
        }
        let index = self.spellings.len() as u32;
        let next = self.by_stem.len() as Stem;
        let stem = *self.by_stem.entry(self.grammar.stem(word).into_boxed_str()).or_insert(next);
        self.by_spelling.insert(word.into(), (index, stem));
        self.spellings.push(Spelling { word: word.into(), stem, uses: 1 });
        stem
    }

    /// Gets ready for words with typing errors, when all words are learned.
    pub fn finish(&mut self) {
        self.slips = Slips::of(self.spellings.iter().map(|spelling| &*spelling.word));
    }

    pub fn word(&self, spelling: u32) -> &str {
        &self.spellings[spelling as usize].word
    }

    /// How many stems there are.
    pub fn stems(&self) -> usize {
        self.by_stem.len()
    }

    /// Gives the stem or stems that a word stands for, and whether anybody knows it.
    pub fn resolve(&self, word: &str, mut found: impl FnMut(Stem, Origin)) -> bool {
        if let Some(stem) = self.known(word) {
            found(stem, Origin::Known);
        } else if let Some(index) = self.corrected(word) {
            found(self.spellings[index as usize].stem, Origin::Corrected(index));
        } else if self.grammar.compounds
            && let Some(parts) = self.parts(word, MOST_PARTS)
        {
            parts.into_iter().for_each(|stem| found(stem, Origin::Part));
        } else {
            return false;
        }
        true
    }

    /// By its spelling, or by its stem.
    fn known(&self, word: &str) -> Option<Stem> {
        match self.by_spelling.get(word) {
            Some(&(_, stem)) => Some(stem),
            None => self.by_stem.get(self.grammar.stem(word).as_str()).copied(),
        }
    }

    /// The most used spelling one slip away; of equal ones the first in the content.
    fn corrected(&self, word: &str) -> Option<u32> {
        let mut best: Option<(u32, Reverse<u32>)> = None;
        self.slips.near(word, |index| {
            let Spelling { word: near, uses, .. } = &self.spellings[index as usize];
            let found = (*uses, Reverse(index));
            if best.is_none_or(|best| found > best) && is_one_slip(word, near) {
                best = Some(found);
            }
        });
        best.map(|(_, Reverse(index))| index)
    }

    /// The known words that a compound is made of; the longest first part wins.
    fn parts(&self, word: &str, most: usize) -> Option<Vec<Stem>> {
        if !word.is_ascii() || word.len() > LONGEST_COMPOUND || most < 2 {
            return None;
        }
        (SHORTEST_PART..(word.len() + 1).saturating_sub(SHORTEST_PART)).rev().find_map(|at| {
            let (head, tail) = word.split_at(at);
            let first = self.part(head)?;
            let rest = self.known(tail).map(|last| vec![last]).or_else(|| self.parts(tail, most - 1))?;
            Some([vec![first], rest].concat())
        })
    }

    /// A known word, perhaps with what links it to the next.
    fn part(&self, word: &str) -> Option<Stem> {
        LINKS
            .iter()
            .filter_map(|link| word.strip_suffix(link))
            .filter(|word| word.len() >= SHORTEST_PART)
            .find_map(|word| self.known(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_stems_that_the_content_knows() {
        let resolve = |language: &str, content: &str, word: &str| {
            let mut spellings = Spellings::new(language);
            content.split(' ').for_each(|word| {
                spellings.learn(word);
            });
            spellings.finish();
            let text =
                |wanted: Stem| spellings.by_stem.iter().find(|(_, stem)| **stem == wanted).unwrap().0.to_string();
            let mut stems = Vec::new();
            let is_known = spellings.resolve(word, |stem, _| stems.push(text(stem)));
            assert_eq!(is_known, !stems.is_empty(), "{word}");
            stems.join(" ")
        };
        for (language, content, word, expected) in [
            ("en", "parcels", "parcel", "parcel"),
            ("en", "cancellation", "cancelaltion", "cancel"),
            ("en", "delivery", "devlivery", "deliveri"),
            ("en", "host", "ghost", ""),
            ("en", "cost", "lost", ""),
            ("en", "parcel", "weather", ""),
            ("de", "paket verfolgung", "paketverfolgung", "paket verfolg"),
            ("de", "lieferung adresse", "lieferungsadresse", "liefer adress"),
            ("de", "ruckgabe", "rueckgabe", "ruckgab"),
            ("de", "neue quelle", "neue", "neu"),
            ("xx", "parcels", "parcel", "parcels"),
            ("zh-TW", "包", "包", "包"),
        ] {
            assert_eq!(resolve(language, content, word), expected, "{language}: {word}");
        }
    }
}
