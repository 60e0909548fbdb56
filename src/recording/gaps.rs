//! What customers asked in vain: questions that nothing answers, that got a thumb down or that ended with a person,
//! alike ones together.
//!
//! Questions are alike when they share most of their telling words. The first wording of a group stands for it, so a
//! question is compared with those groups only that have a word of it; groups and the wordings in them are bounded.

use std::collections::{BTreeSet, HashMap};

use rust_stemmers::{Algorithm, Stemmer};
use serde::Serialize;

use super::Stage;
use super::disguise::Disguise;
use super::past::Question;
use crate::conversation::{Author, Event, Kind, Thumb};
use crate::responders::pipeline::{Outcome, PIPELINE};
use crate::store::Logged;
use crate::text::words::fold;

/// Groups that are told apart.
const GROUPS: usize = 20_000;
/// Different wordings that are kept of a group.
const WORDINGS: usize = 20;
/// Groups that have a common word and are looked at for one question.
const LOOKED_AT: usize = 200;
/// This much of the words of both together must be common.
const ALIKE: f64 = 0.5;
/// The longest wording that makes a phrase, in characters.
const LONGEST: usize = 160;

/// Words that tell nothing of what is asked, in the languages that content ships in.
const TELL_NOTHING: &str = "a an the is are was were be been do does did can could would will shall should may might i \
    you we they he she it me my your our their to of in on at for with from by and or but if so what when where who how \
    why which this that there here please hello hi hey thanks thank want need have has had get got am im ich du sie wir \
    ihr er es mein meine mir mich der die das den dem ein eine einen ist sind war waren kann können möchte will wollen \
    und oder aber wenn was wann wo wer wie warum welche bitte hallo danke habe hat zu von im am mit für auf nicht not";

/// Why a question is a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing answered it.
    Unanswered,
    /// Entries were suggested, and none of them was pressed.
    Unsure,
    /// Its answer got a thumb down.
    Down,
    /// The customer wanted a person then.
    Person,
}

/// The questions of a conversation that were asked in vain, with why; what is answered today is none any more.
pub async fn of<'a>(
    logged: &'a Logged,
    questions: &[Question<'a>],
    stage: &Stage,
) -> Vec<(&'a str, Option<String>, Why)> {
    let mut gaps = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        // A press of a button is no question, nor is the wish for a person, nor a file without a word.
        let is_wordless = question.said.meta.choice.is_some() || question.said.body.is_empty();
        if is_wordless || wants_person(question.answer) {
            continue;
        }
        let next = questions.get(at + 1);
        let Some(why) = why(question, next, &logged.events) else { continue };
        if matches!(why, Why::Unanswered | Why::Unsure) {
            let today = stage.pipeline.answer(&question.turn).await;
            let _ = question.has_missing();
            if !matches!(today.outcome, Outcome::Pass | Outcome::Suggest) {
                continue;
            }
        }
        let spoken = question.turn.languages.first().map(|language| language.as_ref().to_owned());
        gaps.push((&*question.said.body, spoken, why));
    }
    gaps
}

fn why(question: &Question<'_>, next: Option<&Question<'_>>, events: &[std::sync::Arc<Event>]) -> Option<Why> {
    let Some(provenance) = &question.answer.provenance else { return None };
    if question.thumb == Some(Thumb::Down) {
        return Some(Why::Down);
    }
    let choices = || question.answer.meta.buttons.iter().filter_map(|button| button.choice.as_deref());
    let pressed = next.and_then(|next| next.said.meta.choice.as_deref());
    let suggested = &*provenance.responder == "faq" && provenance.entry.is_none();
    if suggested && !choices().any(|choice| Some(choice) == pressed) {
        return Some(Why::Unsure);
    }
    if &*provenance.responder == PIPELINE {
        return Some(Why::Unanswered);
    }
    // What an agent says right after it, before the customer says anything else, or the customer's wish for one.
    let agent = events.iter().filter(|event| event.seq > question.answer.seq && event.kind == Kind::Message);
    let agent = agent.map(|event| event.author).find(|author| *author != Author::System) == Some(Author::Agent);
    (agent || next.is_some_and(|next| wants_person(next.answer))).then_some(Why::Person)
}

fn wants_person(answer: &Event) -> bool {
    let provenance = answer.provenance.as_ref();
    provenance
        .is_some_and(|provenance| &*provenance.responder == "person" || provenance.entry.as_deref() == Some("person"))
}

/// Questions that are alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// How often something like it was asked.
    pub count: u64,
    /// How often nothing answered, or only suggestions came.
    pub unanswered: u64,
    /// How often the answer got a thumb down.
    pub down: u64,
    /// How often it ended with a person.
    pub person: u64,
    /// The language that it was asked in.
    pub language: String,
    /// Different wordings, the first ones first.
    pub wordings: Vec<String>,
    #[serde(skip)]
    words: BTreeSet<String>,
}

/// Collects questions into groups.
#[derive(Default)]
pub struct Gaps {
    groups: Vec<Group>,
    /// A word and the groups that have it.
    by_word: HashMap<String, Vec<usize>>,
    /// Questions that found no place.
    pub left_out: u64,
}

impl Gaps {
    /// Takes in a question.
    pub fn add(&mut self, text: &str, language: Option<String>, why: Why) {
        let language = language.unwrap_or_default();
        // What is shown here may end in a content repository.
        let text = &Disguise::sentence(text);
        let words = telling(text, &language);
        let Some(at) = self.place(text, language, words) else {
            self.left_out += 1;
            return;
        };
        let group = &mut self.groups[at];
        group.count += 1;
        match why {
            Why::Unanswered | Why::Unsure => group.unanswered += 1,
            Why::Down => group.down += 1,
            Why::Person => group.person += 1,
        }
        let wording = text.split_whitespace().fold(String::new(), |all, word| {
            let fits = all.chars().count() + word.chars().count() < LONGEST;
            match (all.is_empty(), fits) {
                // Of a word that is longer than that its beginning will do.
                (true, _) => word.chars().take(LONGEST).collect(),
                (false, true) => format!("{all} {word}"),
                (false, false) => all,
            }
        });
        let is_new = |known: &String| !known.eq_ignore_ascii_case(&wording);
        if !wording.is_empty() && group.wordings.len() < WORDINGS && group.wordings.iter().all(is_new) {
            group.wordings.push(wording);
        }
    }

    /// The group that a question belongs to, perhaps a new one.
    fn place(&mut self, text: &str, language: String, words: BTreeSet<String>) -> Option<usize> {
        let mut common: HashMap<usize, usize> = HashMap::new();
        // A rare word finds the fewest groups, and the likeliest.
        let mut lists: Vec<&Vec<usize>> = words.iter().filter_map(|word| self.by_word.get(word)).collect();
        lists.sort_by_key(|list| list.len());
        for &group in lists.into_iter().flat_map(|list| list.iter().take(LOOKED_AT)) {
            *common.entry(group).or_default() += 1;
        }
        let alike = |(group, _): (usize, usize)| {
            let both = &self.groups[group];
            let shared = both.words.intersection(&words).count();
            let all = both.words.len() + words.len() - shared;
            (both.language == language && !words.is_empty()).then(|| (shared as f64 / all as f64, group))
        };
        let best = common.into_iter().filter_map(alike);
        let best = best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        if let Some((_, group)) = best.filter(|(share, _)| *share >= ALIKE) {
            return Some(group);
        }
        // Questions without a telling word are alike if they are the same.
        if words.is_empty() {
            let same =
                |group: &Group| group.words.is_empty() && group.wordings.iter().any(|known| known == text.trim());
            if let Some(group) = self.groups.iter().position(same) {
                return Some(group);
            }
        }
        if self.groups.len() == GROUPS {
            return None;
        }
        let number = self.groups.len();
        for word in &words {
            self.by_word.entry(word.clone()).or_default().push(number);
        }
        let (count, wordings) = (0, Vec::new());
        self.groups.push(Group { count, unanswered: 0, down: 0, person: 0, language, wordings, words });
        Some(number)
    }

    /// The groups, the largest first.
    pub fn groups(mut self) -> Vec<Group> {
        self.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.wordings.cmp(&b.wordings)));
        self.groups
    }
}

/// The stems of the words that tell what is asked.
fn telling(text: &str, language: &str) -> BTreeSet<String> {
    let stemmer = match language.split('-').next() {
        Some("en") => Some(Stemmer::create(Algorithm::English)),
        Some("de") => Some(Stemmer::create(Algorithm::German)),
        Some("fr") => Some(Stemmer::create(Algorithm::French)),
        Some("es") => Some(Stemmer::create(Algorithm::Spanish)),
        Some("it") => Some(Stemmer::create(Algorithm::Italian)),
        Some("nl") => Some(Stemmer::create(Algorithm::Dutch)),
        Some("pt") => Some(Stemmer::create(Algorithm::Portuguese)),
        _ => None,
    };
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.filter(|word| !TELL_NOTHING.split_whitespace().any(|nothing| nothing == *word));
    // A number is a parcel's or an order's, never what is asked.
    let words = words.filter(|word| word.chars().any(char::is_alphabetic));
    words
        .map(|word| match &stemmer {
            Some(stemmer) => fold(&stemmer.stem(word)),
            None => fold(word),
        })
        .collect()
}

impl Group {
    /// An entry for the FAQ, as YAML at the place of a list's item. `taken` are the names that there are, and from now on
    /// its own.
    pub fn entry(&self, taken: &mut BTreeSet<String>) -> String {
        let id = self.id(taken);
        let mut out = format!("  - id: {id}\n    phrases:\n");
        taken.insert(id);
        for wording in &self.wordings {
            out.push_str(&format!("      - {}\n", super::write::item(wording)));
        }
        out.push_str("    answer: |\n      Write here what the customer should read.\n");
        out
    }

    fn id(&self, taken: &BTreeSet<String>) -> String {
        let first = self.wordings.first().map_or("", String::as_str);
        let ascii = fold(&first.to_lowercase());
        let words = ascii.split(|c: char| !c.is_ascii_alphanumeric());
        let words = words.filter(|word| !word.is_empty() && !TELL_NOTHING.split_whitespace().any(|no| no == *word));
        let words = words.filter(|word| word.chars().any(char::is_alphabetic)).take(4).collect::<Vec<_>>();
        let id = if words.is_empty() { "new-entry".to_owned() } else { words.join("-") };
        let free = |id: &String| !taken.contains(id);
        let mut numbered = std::iter::once(id.clone()).chain((2..1_000).map(|n| format!("{id}-{n}")));
        numbered.find(free).unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_phrase_whatever_was_asked() {
        let mut gaps = Gaps::default();
        gaps.add(&format!("{} and more", "x".repeat(500)), None, Why::Unanswered);
        let entry = gaps.groups()[0].entry(&mut BTreeSet::new());
        assert!(entry.contains(&format!("      - {}\n", super::super::write::item(&"x".repeat(LONGEST)))), "{entry}");
    }

    #[test]
    fn alike_questions_come_together_and_become_an_entry() {
        let mut gaps = Gaps::default();
        let en = || Some("en".to_owned());
        gaps.add("do you ship live animals?", en(), Why::Unanswered);
        gaps.add("Can I ship an animal that lives?", en(), Why::Down);
        gaps.add("do you ship live animals?", en(), Why::Person);
        gaps.add("what is the meaning of life", en(), Why::Unsure);
        gaps.add("PX100000017GB", en(), Why::Unanswered);
        gaps.add("1234", en(), Why::Unanswered);
        gaps.add("1234", en(), Why::Unanswered);
        let groups = gaps.groups();
        let counts: Vec<u64> = groups.iter().map(|group| group.count).collect();
        assert_eq!(counts, [3, 2, 1, 1], "{groups:#?}");
        let Group { unanswered, down, person, wordings, .. } = &groups[0];
        assert_eq!((*unanswered, *down, *person, wordings.len()), (1, 1, 1, 2));
        let mut taken = BTreeSet::from(["ship-live-animals".to_owned()]);
        let entry = groups[0].entry(&mut taken);
        let expected = "  - id: ship-live-animals-2\n    phrases:\n      - do you ship live animals?\n      - Can I ship \
                        an animal that lives?\n    answer: |\n      Write here what the customer should read.\n";
        assert_eq!(entry, expected);
        assert!(groups[0].entry(&mut taken).contains("id: ship-live-animals-3\n"), "no name comes twice");
        assert!(groups[1].entry(&mut BTreeSet::new()).contains("id: new-entry\n    phrases:\n      - \"1234\""));
    }
}
