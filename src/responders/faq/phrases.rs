//! How much of a message an entry explains, and how much of its best phrase a message has.
//!
//! Both are sums of rarities over concepts: the fewer entries use a concept, the more it tells. For each entry stands
//! which of its phrases have a concept, so only what a message shares with an entry is looked at. Wordings that say the same
//! are one phrase.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::ops::Range;

use foldhash::fast::FixedState;

use super::said::{Said, Sayings};
use super::words::Concept;

/// A concept that all entries use still counts a little, or a phrase of nothing else would weigh nothing.
const LEAST_RARITY: f32 = 0.05;

/// What a phrase weighs beside its concepts, as a part of what the rarest concept weighs. So "box", which is easily
/// there whole, is not taken for a whole question.
const PHRASE: f32 = 0.3;

/// The phrases of all entries.
pub struct Phrases {
    /// Concept → how rare it is.
    rarity: Vec<f32>,
    /// What an unknown word weighs: as much as the rarest known one.
    unknown: f32,
    entries: Vec<Entry>,
}

struct Entry {
    /// Its concepts, ascending.
    concepts: Vec<Concept>,
    /// Where in `having` the phrases of each concept end.
    ends: Vec<u32>,
    /// The phrases that have a concept; one that has it twice stands there twice.
    having: Vec<u32>,
    /// Phrase → one divided by what it weighs.
    shares: Vec<f32>,
    /// Phrase → the number of the first wording that says this.
    wordings: Vec<u32>,
}

/// What a message asks: its concepts, each once. Kept and used again.
#[derive(Default)]
pub struct Asked {
    concepts: Vec<Concept>,
    /// What all of it weighs, unknown words too.
    weight: f32,
    /// Of an entry: where in its concepts one stands that is asked, and how rare that is.
    known: Vec<(usize, f32)>,
    /// Phrase → what it shares with the message.
    shared: Vec<f32>,
}

impl Phrases {
    /// Of what all wordings say, and which of them are each entry's. `concepts` is how many there are.
    pub fn of(said: &Sayings, entries: &[Range<usize>], concepts: usize) -> Phrases {
        let mut used_by = vec![0_u32; concepts];
        let mut last_user = vec![usize::MAX; concepts];
        for (entry, phrases) in entries.iter().enumerate() {
            for &concept in said.range(phrases.clone()).flat_map(|said| said.concepts) {
                used_by[concept as usize] += u32::from(last_user[concept as usize] != entry);
                last_user[concept as usize] = entry;
            }
        }
        let rarity = |used_by: f32| ((entries.len() as f32 + 1.0) / (used_by + 0.5)).ln().max(LEAST_RARITY);
        let all: Vec<f32> = used_by.into_iter().map(|used_by| rarity(used_by as f32)).collect();
        let unknown = rarity(1.0);
        let phrases = entries.iter().map(|phrases| said.range(phrases.clone()));
        let entries = phrases.map(|phrases| Entry::new(phrases, &all, PHRASE * unknown)).collect();
        Phrases { rarity: all, unknown, entries }
    }

    /// Concept → how rare it is.
    pub fn rarity(&self) -> &[f32] {
        &self.rarity
    }

    /// Whether an entry knows a concept.
    pub fn knows(&self, entry: usize, concept: Concept) -> bool {
        self.entries[entry].concepts.binary_search(&concept).is_ok()
    }

    /// Takes down what a message asks.
    pub fn ask(&self, said: Said<'_>, asked: &mut Asked) {
        asked.concepts.clear();
        asked.concepts.extend(said.concepts);
        asked.concepts.sort_unstable();
        asked.concepts.dedup();
        let concepts = asked.concepts.iter().map(|&concept| self.rarity[concept as usize]);
        asked.weight = concepts.sum::<f32>() + said.unknown as f32 * self.unknown;
    }

    /// How much of what is asked an entry explains, and how much of its best phrase is there, both from 0 to 1. The second is 0
    /// where the first is below `least`: it is the dearer one.
    pub fn compare(&self, entry: usize, asked: &mut Asked, least: f32) -> (f32, f32) {
        let Entry { concepts, ends, having, shares, .. } = &self.entries[entry];
        let Asked { concepts: asked, weight, known, shared } = asked;
        known.clear();
        let (mut explained, mut from) = (0.0, 0);
        for &concept in &*asked {
            match concepts[from..].binary_search(&concept) {
                Ok(after) => {
                    let rarity = self.rarity[concept as usize];
                    explained += rarity;
                    known.push((from + after, rarity));
                    from += after + 1;
                }
                Err(after) => from += after,
            }
        }
        let explained = if *weight > 0.0 { explained / *weight } else { 0.0 };
        if explained < least {
            return (explained, 0.0);
        }
        shared.clear();
        shared.resize(shares.len(), 0.0);
        for &(at, rarity) in &*known {
            let start = if at == 0 { 0 } else { ends[at - 1] as usize };
            having[start..ends[at] as usize].iter().for_each(|&phrase| shared[phrase as usize] += rarity);
        }
        (explained, greatest_product(shared, shares))
    }

    /// The phrase of an entry that has most of itself in what is asked.
    pub fn nearest(&self, entry: usize, asked: &mut Asked) -> Option<usize> {
        self.compare(entry, asked, 0.0);
        let Entry { shares, wordings, .. } = &self.entries[entry];
        let covered = asked.shared.iter().zip(shares).map(|(shared, share)| shared * share);
        let covered = covered.enumerate().filter(|(_, covered)| *covered > 0.0);
        // The first of equals.
        let best = covered.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        best.map(|(phrase, _)| wordings[phrase] as usize)
    }
}

/// The greatest product of two numbers that stand at the same place; they are 0 or more. Several places are looked at side
/// by side, since entries have hundreds of phrases: one after the other each would wait for the one before it.
fn greatest_product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut greatest = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            greatest[lane] = greater(a[lane] * b[lane], greatest[lane]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    rest.chain(greatest).fold(0.0, |most, product| greater(product, most))
}

impl Entry {
    fn new<'a>(said: impl Iterator<Item = Said<'a>>, rarity: &[f32], least: f32) -> Entry {
        let (mut phrases, mut shares, mut wordings) =
            (HashSet::with_hasher(FixedState::default()), Vec::new(), Vec::new());
        let (mut having, mut concepts): (Vec<(Concept, u32)>, Vec<Concept>) = (Vec::new(), Vec::new());
        for (wording, said) in (0..).zip(said) {
            let weight = said.concepts.iter().map(|&concept| rarity[concept as usize]).sum::<f32>();
            let share = 1.0 / (weight + least);
            concepts.clear();
            concepts.extend(said.concepts);
            concepts.sort_unstable();
            // The order in which concepts are added up may make a difference in the last digit. Of 64 bits of hash two that
            // say something else have the same once in a billion files.
            if phrases.insert(FixedState::default().hash_one((&concepts, share.to_bits()))) {
                having.extend(said.concepts.iter().map(|&concept| (concept, shares.len() as u32)));
                shares.push(share);
                wordings.push(wording);
            }
        }
        having.sort_unstable();
        let same = || having.chunk_by(|a, b| a.0 == b.0);
        let mut end = 0;
        let ends = same().map(|same| {
            end += same.len() as u32;
            end
        });
        Entry {
            concepts: same().map(|same| same[0].0).collect(),
            ends: ends.collect(),
            having: having.iter().map(|&(_, phrase)| phrase).collect(),
            shares,
            wordings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(concepts: &[Concept]) -> Said<'_> {
        Said { concepts, ..Said::default() }
    }

    #[test]
    fn wordings_that_say_the_same_are_one_phrase() {
        let mut all = Sayings::default();
        [&[0][..], &[0], &[1, 2], &[2, 1], &[3], &[0]].into_iter().for_each(|concepts| all.add(said(concepts)));
        let phrases = Phrases::of(&all, &[0..5, 5..6], 4);
        assert_eq!(phrases.entries[0].shares.len(), 3);
        let mut asked = Asked::default();
        for (concepts, nearest) in [(&[0][..], Some(0)), (&[2, 1], Some(2)), (&[3], Some(4)), (&[], None)] {
            phrases.ask(said(concepts), &mut asked);
            assert_eq!(phrases.nearest(0, &mut asked), nearest, "{concepts:?}");
        }
    }
}
