//! Which wording of an entry is nearest to a question, and which entry comes after it, for the coverage of content.

use super::{FaqSet, Turn};

/// What is near to a question.
#[derive(Debug, Default)]
pub struct Nearest {
    /// The wording of the entry that the question is nearest to.
    pub phrase: Option<String>,
    /// The score of the entry.
    pub score: f32,
    /// The entry that came second, and its score.
    pub second: Option<(String, f32)>,
}

impl FaqSet {
    /// All wordings: the entry's name and what is written.
    pub fn wordings(&self) -> Vec<(String, String)> {
        let entries = self.languages.iter().flat_map(|language| &language.entries);
        let mut all: Vec<(String, String)> = entries
            .flat_map(|entry| entry.phrases.iter().map(|phrase| (entry.id.as_ref().to_owned(), phrase.clone())))
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// What is near to a question that this entry answered. Nothing if no language sees it that way.
    pub fn nearest(&self, turn: &Turn, entry: &str) -> Option<Nearest> {
        let near = self.languages.iter().filter_map(|language| {
            let ready = language.at(turn.now);
            let candidates = ready.matcher.nearest(&turn.text, 2);
            let id = |at: usize| &language.entries[ready.entries[at]];
            let first = candidates.first().filter(|first| &*id(first.entry).id == entry)?;
            let phrase = ready.matcher.nearest_phrase(&turn.text, first.entry);
            Some(Nearest {
                phrase: phrase.and_then(|phrase| id(first.entry).phrases.get(phrase).cloned()),
                score: first.score,
                second: candidates.get(1).map(|second| (id(second.entry).id.as_ref().to_owned(), second.score)),
            })
        });
        near.max_by(|a, b| a.score.total_cmp(&b.score))
    }
}
