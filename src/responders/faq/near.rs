//! The entries that are near to a message, for a responder that answers from them in words of its own.

use std::collections::BTreeMap;

use super::Faq;
use crate::responders::{Knowledge, Near, NearEntry, Turn};

impl Knowledge for Faq {
    fn nearest(&self, turn: &Turn, most: usize) -> Near {
        let wanted = self.languages(turn);
        let Some(heard) = self.hear(turn, &wanted) else { return Near::default() };
        let language = &self.set.languages[heard.language];
        let ready = language.at(turn.now);
        // What is said to everybody: what is known of this one is nobody else's business.
        let nobody = BTreeMap::new();
        let candidates = ready.matcher.nearest(&turn.text, most).into_iter().filter(|candidate| candidate.score > 0.0);
        let entries = candidates.filter_map(|candidate| {
            let entry = &language.entries[ready.entries[candidate.entry]];
            let text = entry.text.say(&nobody).ok()?;
            Some(NearEntry {
                id: entry.id.as_ref().to_owned(),
                title: entry.title.clone(),
                text: text.as_ref().to_owned(),
                score: candidate.score,
            })
        });
        Near { known: heard.found.known, language: Some(language.tag.clone()), entries: entries.collect() }
    }
}
