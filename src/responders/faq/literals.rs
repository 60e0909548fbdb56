//! Entries that answer to their phrases as they stand, without any weighing; and whether a message is a wording as it
//! stands.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;

use aho_corasick::AhoCorasick;
use foldhash::fast::FixedState;

use super::matcher::{EntryWordings, Mode};
use super::normalise::Normal;

/// The phrases of those entries.
pub struct Literals {
    /// A whole message → its entry.
    exact: HashMap<String, usize, FixedState>,
    /// Phrases that answer wherever they stand as whole words; those of the more important entry first.
    anywhere: Option<AhoCorasick>,
    /// Pattern of `anywhere` → its entry.
    entries: Vec<usize>,
    /// The hash of each entry with each of its phrases in normal form. It needs no secret: only content is in it, and who
    /// finds another text of the same hash gets an answer that was near anyway.
    written: HashSet<u64, FixedState>,
}

impl Literals {
    /// Of all entries; `normal` begins with all of their phrases, one after the other. Of two entries with the same phrase the
    /// one of higher priority has it, then the first.
    pub fn of(all: &[EntryWordings], normal: &Normal) -> Literals {
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by_key(|&entry| Reverse(all[entry].priority));
        let (mut exact, mut anywhere, mut entries) = (HashMap::default(), Vec::new(), Vec::new());
        let mut rest = normal.iter();
        let of_each: Vec<Vec<&str>> =
            all.iter().map(|entry| rest.by_ref().take(entry.phrases.len()).collect()).collect();
        let written = of_each.iter().enumerate();
        let written = written.flat_map(|(entry, phrases)| phrases.iter().map(move |text| key(entry, text))).collect();
        for entry in order {
            let phrases = of_each[entry].iter().filter(|phrase| !phrase.is_empty()).map(|&phrase| phrase.to_owned());
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
        Literals { exact, anywhere, entries, written }
    }

    /// Whether a text in normal form is a phrase of this entry.
    pub fn is_phrase(&self, entry: usize, text: &str) -> bool {
        self.written.contains(&key(entry, text))
    }

    /// The entry that answers to a text in normal form.
    pub fn find(&self, text: &str) -> Option<usize> {
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

fn key(entry: usize, text: &str) -> u64 {
    FixedState::default().hash_one((entry, text))
}

#[cfg(test)]
mod tests {
    use super::super::normalise::normalise;
    use super::*;

    fn entry(mode: Mode, priority: i32, phrases: &[&str]) -> EntryWordings {
        EntryWordings { mode, priority, phrases: phrases.iter().map(|&phrase| phrase.into()).collect() }
    }

    #[test]
    fn phrases_answer_as_they_stand() {
        let all = [
            entry(Mode::Wording, 9, &["host"]),
            entry(Mode::Exact, 0, &["Hello!", "yes"]),
            entry(Mode::Word, 0, &["host", "a person", "yes", "客服"]),
            entry(Mode::Word, 1, &["a person please"]),
        ];
        let normal = Normal::of(all.iter().flat_map(|entry| &*entry.phrases).map(String::as_str));
        let literals = Literals::of(&all, &normal);
        assert!(literals.is_phrase(0, "host") && literals.is_phrase(1, "yes") && literals.is_phrase(2, "yes"));
        assert!(!literals.is_phrase(0, "yes") && !literals.is_phrase(1, "host") && !literals.is_phrase(0, "hosts"));
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
