//! Why the FAQ answers as it does, for `--why`.

use super::matcher::{Became, Outcome};
use super::set::Known;
use super::{Faq, Heard, Why};
use crate::responders::Turn;

/// How many entries are shown with their factors.
const RANKED: usize = 5;

impl Faq {
    /// The language, the words, the candidates, and what to do if another entry should have won.
    pub(super) fn why(&self, turn: &Turn) -> Vec<String> {
        let wanted = self.languages(turn);
        if let Some(choice) = &turn.choice {
            if self.set.is_handler(choice) {
                return vec![format!("choice: {choice} is another responder's")];
            }
            if self.set.languages.iter().any(|language| language.by_id.contains_key(&**choice)) {
                return vec![format!("choice: the button of {choice}")];
            }
        }
        let Some(heard) = self.hear(turn, &wanted) else { return vec!["no language is loaded".to_owned()] };
        let mut lines = vec![self.language_line(turn, &heard)];
        let language = &self.set.languages[heard.language];
        let ready = language.at(turn.now);
        let explanation = ready.matcher.explain(&turn.text, RANKED);
        let words: Vec<String> = explanation.words.iter().map(|(word, became)| word_line(word, became)).collect();
        lines.push(format!("words: {}", if words.is_empty() { "none".to_owned() } else { words.join(", ") }));
        if !explanation.counted.is_empty() {
            let counted = explanation.counted.iter().map(|(concept, weight)| format!("{concept} {weight:.1}"));
            lines.push(format!("counted: {}", counted.collect::<Vec<_>>().join(", ")));
        }
        let entry = |index: usize| &language.entries[ready.entries[index]];
        lines.push(match &heard.found.outcome {
            Outcome::Sure(best) => format!("sure: {}", entry(best.entry).id),
            Outcome::Unsure(some) => {
                let ids: Vec<_> = some.iter().map(|candidate| entry(candidate.entry).id.as_ref()).collect();
                format!("unsure: {}", ids.join(", "))
            }
            Outcome::Nothing => "nothing fits".to_owned(),
        });
        for (place, candidate) in explanation.candidates.iter().enumerate() {
            lines.push(format!(
                "{}. {:.2} = likelihood {:.2}, question explained {:.2}, phrase covered {:.2}  {}",
                place + 1,
                candidate.score,
                candidate.likelihood,
                candidate.explained,
                candidate.covered,
                entry(candidate.entry).id
            ));
        }
        let answering = match &heard.found.outcome {
            Outcome::Sure(best) => Some(best.entry),
            _ => None,
        };
        let other = explanation.candidates.iter().find(|candidate| Some(candidate.entry) != answering);
        lines.push(match other {
            Some(other) => advice(entry(other.entry), &turn.text, answering.is_some()),
            None => "if another entry should answer: add the question, or its telling words, to its phrases".to_owned(),
        });
        lines
    }

    fn language_line(&self, turn: &Turn, heard: &Heard) -> String {
        let tag = |language: usize| &self.set.languages[language].tag;
        let chosen = tag(heard.language);
        match heard.why {
            Why::Wanted if turn.languages.iter().any(|tag| self.set.language(tag) == Some(heard.language)) => {
                format!("language: {chosen}, of the wanted {}", turn.languages.join(", "))
            }
            Why::Wanted => format!("language: {chosen}, the site's own; wanted: {}", turn.languages.join(", ")),
            Why::Site { first } => format!("language: {chosen}, the site's own; {} had nothing better", tag(first)),
            Why::Words { first, known, first_known } => {
                let percent = |share: f32| (share * 100.0).round();
                let (known, first_known) = (percent(known), percent(first_known));
                format!("language: {chosen}, which knows {known} % of the words; {} knows {first_known} %", tag(first))
            }
        }
    }
}

fn word_line(word: &str, became: &Became) -> String {
    match became {
        Became::Concept => word.to_owned(),
        Became::SynonymOf(concept) => format!("{word} (as {concept})"),
        Became::CorrectedTo(spelling) => format!("{word} (read as {spelling})"),
        Became::PartOf(concept) => format!("{word} (part: {concept})"),
        Became::Ignored => format!("{word} (ignored)"),
        Became::Number => format!("{word} (a number)"),
        Became::Unknown => format!("{word} (unknown)"),
    }
}

fn advice(entry: &Known, text: &str, instead: bool) -> String {
    let instead = if instead { "instead" } else { "this" };
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let at = &entry.phrases_at;
    format!(
        "if {} should answer {instead}: add \"{text}\", or its telling words, to the phrases that end at {at}",
        entry.id
    )
}
