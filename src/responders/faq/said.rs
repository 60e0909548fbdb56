//! What texts say, as concepts: one of them, or many in one piece.

use std::ops::Range;

use super::words::Concept;

/// What a text says.
#[derive(Clone, Copy, Default)]
pub struct Said<'a> {
    /// The concepts in order. Only ignored words in a text: then these.
    pub concepts: &'a [Concept],
    /// The ignored words among them.
    pub ignored: &'a [Concept],
    /// Both in order, and whether ignored.
    pub spoken: &'a [(Concept, bool)],
    /// How many words nobody knows.
    pub unknown: usize,
}

/// What many texts say, one after the other: content has tens of thousands, of a few words each.
#[derive(Default)]
pub struct Sayings {
    concepts: Vec<Concept>,
    ignored: Vec<Concept>,
    spoken: Vec<(Concept, bool)>,
    ends: Vec<End>,
}

/// Where what a text says ends.
#[derive(Clone, Copy, Default)]
struct End {
    concepts: usize,
    ignored: usize,
    spoken: usize,
    unknown: usize,
}

impl Sayings {
    pub fn add(&mut self, said: Said<'_>) {
        self.concepts.extend_from_slice(said.concepts);
        self.ignored.extend_from_slice(said.ignored);
        self.spoken.extend_from_slice(said.spoken);
        let (concepts, ignored, spoken) = (self.concepts.len(), self.ignored.len(), self.spoken.len());
        self.ends.push(End { concepts, ignored, spoken, unknown: said.unknown });
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// What some of the texts say.
    pub fn range(&self, texts: Range<usize>) -> impl Iterator<Item = Said<'_>> + Clone {
        texts.map(|text| {
            let start = text.checked_sub(1).map_or(End::default(), |before| self.ends[before]);
            let end = self.ends[text];
            Said {
                concepts: &self.concepts[start.concepts..end.concepts],
                ignored: &self.ignored[start.ignored..end.ignored],
                spoken: &self.spoken[start.spoken..end.spoken],
                unknown: end.unknown,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_says_its_own() {
        let texts = [
            Said { concepts: &[1, 2], ignored: &[3], spoken: &[(1, false), (3, true), (2, false)], unknown: 1 },
            Said::default(),
            Said { concepts: &[4], ignored: &[], spoken: &[(4, false)], unknown: 0 },
        ];
        let mut sayings = Sayings::default();
        texts.iter().for_each(|&said| sayings.add(said));
        assert_eq!(sayings.len(), 3);
        let shown =
            |said: Said<'_>| (said.concepts.to_vec(), said.ignored.to_vec(), said.spoken.to_vec(), said.unknown);
        for range in [0..3, 1..3, 2..3, 0..0] {
            let own: Vec<_> = sayings.range(range.clone()).map(shown).collect();
            assert_eq!(own, texts[range].iter().map(|&said| shown(said)).collect::<Vec<_>>());
        }
    }
}
