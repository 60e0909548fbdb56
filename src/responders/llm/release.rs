//! The answer of a model on its way to the customer: what it is made from is read off it, each sentence is checked, and
//! only what has passed is shown.
//!
//! An answer begins with the numbers of its sources, `[2][3]`; `[0]` says that there is none. After them words are shown
//! as they come, as long as they can state nothing: the first figure, link or status of a sentence waits for the
//! sentence's end, and with it all that follows. What begins without a number may be a thought, or name its sources at
//! its end, as small models do: it is shown when it is complete.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use time::Date;

use super::facts::{Breach, Facts};
use super::figures::hints_at_term;
use super::links::Hosts;
use super::mask::Mask;
use super::thoughts::Thoughts;
use crate::text::date::days;
use crate::text::number::number_at;
use crate::text::status::hints_at_status;
use crate::text::words::words;

/// The longest answer, in bytes.
const LONGEST: usize = 6_000;

/// `[1]`, `[1, 2]`, `[Source 1]`, `[^1]`, `【1†source】`.
static CITED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)[ \t]?[\[【]((?:\s*(?:sources?|quellen?)?[\s:#^]*[0-9]{1,2}\s*(?:[,;&]|and|und)?)+)\s*(?:†[^\]】]{0,40})?[\]】]";
    Regex::new(pattern).expect("a pattern that a test has tried")
});

/// What an answer is checked against.
pub(super) struct Rules<'a> {
    pub facts: &'a Facts,
    pub hosts: &'a Hosts,
    pub mask: &'a Mask,
    /// The sources have the numbers 1 to this one.
    pub sources: usize,
    /// Whether a tool has said something in this turn, which needs no number.
    pub has_told: bool,
}

/// How an answer ends that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// The model says that nothing it has answers this.
    Declined,
    /// It says what it must not.
    Breach(Breach),
}

/// An answer on its way.
#[derive(Debug, Default)]
pub(super) struct Release {
    /// What came and is not checked yet: a sentence that is not complete.
    pending: String,
    /// What has passed.
    passed: String,
    /// How much of both, in bytes, is shown: always their beginning.
    shown: usize,
    cited: BTreeSet<usize>,
    declined: bool,
    thoughts: Thoughts,
    /// It began with the number of a source, so that it is no thought, and may be shown.
    is_led: bool,
}

impl Release {
    /// Takes in more of the answer; gives what may be shown now.
    pub fn take(&mut self, piece: &str, rules: &Rules<'_>) -> Result<String, Kept> {
        self.pending.push_str(piece);
        if !self.is_led {
            self.thoughts.take_out(&mut self.pending);
        }
        if self.pending.len() + self.passed.len() > LONGEST {
            return Err(Kept::Breach(Breach::Long));
        }
        if self.is_led || !self.thoughts.go_on() && self.begins_with_sources() {
            self.read_sources(rules.sources);
            self.is_led |= !self.cited.is_empty();
        }
        if !self.is_led {
            return if self.declined { Err(Kept::Declined) } else { Ok(String::new()) };
        }
        if self.passed.is_empty() && self.shown == 0 {
            self.pending = self.pending.trim_start().to_owned();
        }
        self.pass_sentences(rules)?;
        let from = self.shown.saturating_sub(self.passed.len());
        let free = harmless(&self.pending, from);
        let whole = format!("{}{}", self.passed, &self.pending[..free]);
        let more = whole.trim_end().get(self.shown..).unwrap_or_default().to_owned();
        self.shown += more.len();
        Ok(more)
    }

    /// The answer is complete. Gives what was not shown yet, the whole of it, and the numbers of its sources.
    pub fn finish(mut self, rules: &Rules<'_>) -> Result<Released, Kept> {
        if self.thoughts.go_on() {
            self.pending.clear();
        }
        self.read_sources(rules.sources);
        // What a tool has said needs no number.
        if self.cited.is_empty() && (self.declined || !rules.has_told) {
            return Err(if self.declined { Kept::Declined } else { Kept::Breach(Breach::Unsourced) });
        }
        self.pass_sentences(rules)?;
        let last = std::mem::take(&mut self.pending);
        self.pass(&last, rules)?;
        let text = self.passed.trim_end().to_owned();
        if text.is_empty() {
            return Err(Kept::Declined);
        }
        // What is harmless in parts may not be so together: markup goes over lines, figures over full stops.
        rules.hosts.check(&text).map_err(Kept::Breach)?;
        text.lines().try_for_each(|line| rules.facts.check_figures(line)).map_err(Kept::Breach)?;
        let more = text.get(self.shown..).unwrap_or_default().to_owned();
        Ok(Released { more, text, cited: self.cited })
    }

    fn begins_with_sources(&self) -> bool {
        CITED.find(&self.pending).is_some_and(|found| self.pending[..found.start()].trim_start().is_empty())
    }

    /// All complete sentences of what is pending.
    fn pass_sentences(&mut self, rules: &Rules<'_>) -> Result<(), Kept> {
        while let Some(end) = sentence_end(&self.pending) {
            let sentence: String = self.pending.drain(..end).collect();
            self.pass(&sentence, rules)?;
        }
        Ok(())
    }

    /// A sentence is complete.
    fn pass(&mut self, sentence: &str, rules: &Rules<'_>) -> Result<(), Kept> {
        // What is shown of it has no stand-ins in it.
        let sentence = rules.mask.show(sentence);
        rules.facts.check(&sentence).map_err(Kept::Breach)?;
        rules.hosts.check(&sentence).map_err(Kept::Breach)?;
        let begins = self.passed.is_empty() && self.shown == 0;
        self.passed.push_str(if begins { sentence.trim_start() } else { &sentence });
        Ok(())
    }

    /// Takes the numbers of sources out of what is pending.
    fn read_sources(&mut self, sources: usize) {
        if !self.pending.contains([']', '】']) {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let without = CITED.replace_all(&pending, |found: &regex::Captures<'_>| {
            for number in found[1].split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()) {
                match number {
                    0 => self.declined = true,
                    number if number <= sources => drop(self.cited.insert(number)),
                    _ => {}
                }
            }
            ""
        });
        self.pending = without.into_owned();
    }
}

/// An answer that may be given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    /// What was not shown of it yet.
    pub more: String,
    pub text: String,
    /// The numbers of its sources.
    pub cited: BTreeSet<usize>,
}

/// Where the first sentence, or line, ends with the blank after it.
fn sentence_end(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = matches!(c, '.' | '!' | '?' | ':') && chars.peek().is_some_and(|(_, next)| next.is_whitespace());
        if c == '\n' {
            return Some(at + 1);
        }
        if ends {
            return chars.next().map(|(at, blank)| at + blank.len_utf8());
        }
    }
    None
}

/// The end of the last word that can be shown although the sentence goes on, in bytes; `from` is the end of one.
fn harmless(sentence: &str, from: usize) -> usize {
    let mut end = from;
    let mut at = from;
    while let Some(begins) = sentence[at..].find(|c: char| !c.is_whitespace()).map(|by| at + by) {
        let Some(ends) = sentence[begins..].find(char::is_whitespace).map(|by| begins + by) else { break };
        if !is_harmless(&sentence[begins..ends]) {
            break;
        }
        (end, at) = (ends, ends);
    }
    end
}

/// Whether a word states nothing, whatever follows it.
fn is_harmless(word: &str) -> bool {
    if !word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-' | ',' | '*')) {
        return false;
    }
    let parts = words(word);
    let is_number = |at: usize| {
        let article =
            matches!(parts[at].folded.as_str(), "a" | "an" | "one" | "ein" | "eine" | "einen" | "einem" | "einer");
        !article && ["en", "de"].iter().any(|language| number_at(&parts, at, language).is_some())
    };
    let is_day = Date::from_ordinal_date(2026, 1)
        .is_ok_and(|some| ["en", "de"].iter().any(|language| !days(word, some, language).is_empty()));
    !is_day && !(0..parts.len()).any(is_number) && !hints_at_status(word) && !hints_at_term(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer with the numbers of its sources.
    type Done = Result<(String, Vec<usize>), Kept>;

    struct Given {
        facts: Facts,
        hosts: Hosts,
        mask: Mask,
    }

    impl Given {
        fn new() -> Given {
            let mut facts = Facts::new(None, ["en".into()]);
            facts.add_entry("On Saturdays we deliver for £3.49 in 2 days.");
            let mut mask = Mask::new(true);
            let _ = mask.hide("I am anna@example.org");
            facts.add_customer("I am anna@example.org");
            Given { facts, hosts: Hosts::default(), mask }
        }

        fn rules(&self, has_told: bool) -> Rules<'_> {
            Rules { facts: &self.facts, hosts: &self.hosts, mask: &self.mask, sources: 2, has_told }
        }

        /// What is shown after each piece, and what comes of it.
        fn run(&self, pieces: &[&str], has_told: bool) -> (Vec<String>, Done) {
            let mut release = Release::default();
            let mut shown = Vec::new();
            for piece in pieces {
                match release.take(piece, &self.rules(has_told)) {
                    Ok(more) => shown.push(more),
                    Err(kept) => return (shown, Err(kept)),
                }
            }
            let done = release.finish(&self.rules(has_told)).map(|released| {
                shown.push(released.more);
                (released.text, released.cited.into_iter().collect())
            });
            (shown, done)
        }
    }

    #[test]
    fn words_are_shown_as_they_come_and_figures_with_their_sentence() {
        let given = Given::new();
        let pieces = ["[1", "][2] ", "Yes, we ", "deliver for £3", ".49, an", "yone", ". More", " is not known"];
        let (shown, done) = given.run(&pieces, false);
        let expected = ["", "", "Yes, we", " deliver for", "", "", " £3.49, anyone.", " More is not", " known"];
        assert_eq!(shown, expected);
        assert_eq!(done, Ok(("Yes, we deliver for £3.49, anyone. More is not known".to_owned(), vec![1, 2])));
    }

    #[test]
    fn whatever_the_pieces_are_the_same_is_shown() {
        let given = Given::new();
        let text = "[1] **Saturdays** are fine [2]. It takes 2 days!\n\n- one\n- EMAIL-1 is yours [1]. Bye";
        let expected = "**Saturdays** are fine. It takes 2 days!\n\n- one\n- anna@example.org is yours. Bye";
        for each in 1..text.len() {
            let pieces: Vec<_> =
                text.as_bytes().chunks(each).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
            let (shown, done) = given.run(&pieces, false);
            assert_eq!(shown.concat(), expected, "by {each}");
            assert_eq!(done, Ok((expected.to_owned(), vec![1, 2])));
        }
    }

    #[test]
    fn nothing_is_shown_before_a_source_is_named() {
        let given = Given::new();
        let breach = |breach| Err(Kept::Breach(breach));
        for (pieces, expected) in [
            (&["We like ", "the weather. ", "Really"][..], breach(Breach::Unsourced)),
            (&["[0]"], Err(Kept::Declined)),
            (&["[0] I do not know. "], Err(Kept::Declined)),
            (&["[7] Weather. "], breach(Breach::Unsourced)),
            (&["[1]"], Err(Kept::Declined)),
            (&[""], breach(Breach::Unsourced)),
        ] {
            let (shown, done) = given.run(pieces, false);
            assert_eq!((shown.concat().as_str(), done), ("", expected), "{pieces:?}");
        }
        // What a tool has said needs no number.
        let (shown, done) = given.run(&["We like ", "it. "], true);
        assert_eq!((shown, done.is_ok()), (vec![String::new(), String::new(), "We like it.".to_owned()], true));
    }

    #[test]
    fn sources_are_named_in_many_ways() {
        let given = Given::new();
        for text in [
            "We like it [1]. And [Source 2] that.",
            "We like it [1, 2]. And that.",
            "We like it [Sources: 1 and 2]. And that.",
            "We like it 【1†source】. And that 【2】.",
            "We like it [^1]. And that [^2].",
            "[1 & 2] We like it. And that.",
        ] {
            let (shown, done) = given.run(&[text], false);
            assert_eq!(done, Ok(("We like it. And that.".to_owned(), vec![1, 2])), "{text}");
            // Only what begins with them is shown before it is complete.
            assert_eq!(shown[0].is_empty(), !text.starts_with('['), "{text}");
        }
    }

    #[test]
    fn thoughts_are_neither_shown_nor_checked() {
        let given = Given::new();
        for text in [
            "<think>[1] says £9.99, <b>really</b>. They want [2].</think>\n\n[1] Yes, we deliver.",
            "They want £9.99. Source [1] says so. And [2].\n</think>\n[1] Yes, we deliver.",
            "[THINK]\nIt was delivered![/THINK] [1] Yes, we deliver.",
        ] {
            for each in [1, 3, 1_000] {
                let letters: Vec<char> = text.chars().collect();
                let pieces: Vec<String> = letters.chunks(each).map(|letters| letters.iter().collect()).collect();
                let (shown, done) = given.run(&pieces.iter().map(String::as_str).collect::<Vec<_>>(), false);
                assert_eq!(done, Ok(("Yes, we deliver.".to_owned(), vec![1])), "{text}");
                assert_eq!(shown.concat(), "Yes, we deliver.", "{text} by {each}");
            }
        }
        // One that never ends, and one in the middle of an answer.
        let breach = |breach| Err(Kept::Breach(breach));
        let endless = given.run(&["<think>They want [1]. ", "So I say ", "[1] no"], false);
        assert_eq!((endless.0.concat().as_str(), endless.1), ("", breach(Breach::Unsourced)));
        let late = given.run(&["[1] Yes. ", "<think>They want more.</think> "], false);
        assert_eq!((late.0.concat().as_str(), late.1), ("Yes.", breach(Breach::Html)));
    }

    #[test]
    fn a_sentence_that_states_what_nobody_said_is_never_shown() {
        let given = Given::new();
        for (text, breach) in [
            ("[1] It costs £9.99 today. ", Breach::Amount),
            ("[1] Your parcel was delivered. ", Breach::Status),
            ("[1] See <b>this</b>. ", Breach::Html),
            ("[1] Yes.<|im_end|><|im_start|>user ", Breach::Html),
            ("[1] Look at https://evil.example now. ", Breach::Link),
            ("[1] It takes seven pounds. ", Breach::Amount),
        ] {
            let (shown, done) = given.run(&[text], false);
            assert_eq!((shown.concat().as_str(), done), ("", Err(Kept::Breach(breach))), "{text}");
        }
        let long = format!("[1] {}", "very ".repeat(LONGEST / 5));
        assert_eq!(given.run(&[&long], false).1, Err(Kept::Breach(Breach::Long)));
        let (shown, done) = given.run(&["[1] Yes. ", "It costs ", "£9.99."], false);
        assert_eq!((shown.concat().as_str(), done), ("Yes. It costs", Err(Kept::Breach(Breach::Amount))));
    }
}
