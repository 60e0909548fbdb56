//! What is checked over the files of the FAQ, beyond their syntax.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::answer::{Misplaced, Text};
use super::document::{Document, Entry};
use super::matcher::Outcome;
use super::normalise::normalise;
use super::placed::{At, Placed};
use super::set::{FaqSet, Known, Language, Origin, Ready, Site, names};
use crate::conversation::Millis;
use crate::finding::{Finding, Place};
use crate::people::is_team;
use crate::responders::lines::{Line, Texts, tags};
use crate::yaml::nearest;

/// How far down the ranking a sample's own entry is looked for, to tell its score.
const RANKED: usize = 50;

/// An entry by itself: its name, wordings, answer and days. Nothing if it cannot be used.
pub fn entry(
    document: &Document,
    placed: &Placed<Entry>,
    facts: &BTreeMap<String, String>,
    site: &Site,
    findings: &mut Vec<Finding>,
) -> Option<Known> {
    let entry = &placed.value;
    let before = findings.len();
    for id in [&entry.id].into_iter().chain(&entry.was) {
        if !is_id(&id.value) {
            let finding = document.error(id.at, format!("`{}` cannot be the name of an entry", id.value));
            findings.push(finding.hint("small letters, digits and hyphens make a name: change-address"));
        } else if site.handlers.contains(&id.value) {
            let finding = document.error(id.at, format!("`{}` is the name of a responder", id.value));
            findings.push(finding.hint("give the entry another name"));
        }
    }
    if entry.phrases.is_empty() {
        let finding = document.error(placed.at, format!("`{}` has no phrases", entry.id.value));
        findings.push(finding.hint("write wordings of the question below `phrases:`"));
    }
    let is_empty = |text: &str| !text.contains(|c: char| c.is_ascii_alphanumeric()) && normalise(text).is_empty();
    for phrase in entry.phrases.iter().filter(|phrase| is_empty(&phrase.value)) {
        findings.push(document.error(phrase.at, "this phrase has no words").hint("write a wording, or take it out"));
    }
    let texts = entry.buttons.iter().chain(&entry.title).chain(&entry.ask).chain(&entry.not);
    for text in texts.filter(|text| text.value.trim().is_empty()) {
        findings.push(document.error(text.at, "nothing stands here").hint("write a text, or take it out"));
    }
    if let (Some(from), Some(until)) = (&entry.from, &entry.until)
        && from.value > until.value
    {
        findings.push(document.error(until.at, "the last day comes before the first").hint("change `from` or `until`"));
    }
    let text = match Text::new(&entry.answer.value, facts) {
        _ if entry.answer.value.trim().is_empty() => {
            let finding = document.error(entry.answer.at, format!("the answer of `{}` is empty", entry.id.value));
            findings.push(finding.hint("write what the customer is told"));
            None
        }
        Ok(text) => Some(text),
        Err(misplaced) => {
            findings.push(placeholder(document, &entry.answer, misplaced));
            None
        }
    };
    let known = text.filter(|_| findings.len() == before).map(|text| Known::new(document, placed, text));
    if let Some(then) = &entry.then {
        findings.extend(names(&then.value).filter_map(|name| target(document, then.at, name, site)));
    }
    if let (Some(known), Some(until)) = (&known, &entry.until)
        && known.until <= site.now
    {
        let finding = document.warning(until.at, format!("the days of `{}` are over", entry.id.value));
        findings.push(finding.hint("give it new days, or take it out"));
    }
    known
}

/// Who a turn is handed to must be there, or may come with a plugin.
fn target(document: &Document, at: At, name: &str, site: &Site) -> Option<Finding> {
    if let Some((handler, team)) = name.split_once('/')
        && handler == "person"
    {
        let finding = || document.error(at, format!("`{team}` cannot be a team"));
        return (!is_team(team))
            .then(|| finding().hint("write small letters, digits and hyphens, such as person/claims"));
    }
    if site.handlers.iter().any(|known| known == name) || site.plugins.contains(name) {
        return None;
    }
    let own = "its own answer is used";
    if site.off.contains(name) {
        return Some(document.warning(at, format!("the plugin `{name}` is off; {own}")));
    }
    let finding = document.warning(at, format!("nobody here is called `{name}`; {own}"));
    Some(match nearest(name, site.handlers.iter().chain(&site.plugins).map(String::as_str)) {
        Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
        None => finding.hint("it takes effect when a plugin of this name is loaded"),
    })
}

/// A placeholder's problem at its place: the lines of a block begin below its key.
fn placeholder(document: &Document, text: &Placed<String>, misplaced: Misplaced) -> Finding {
    let Misplaced { line, message, hint } = misplaced;
    let at = document.line_of(text, line);
    document.error(at, message).hint(hint)
}

/// A document without a language only gives facts.
pub fn facts_only(document: &Document, findings: &mut Vec<Finding>) {
    let body = document.body();
    let more = [
        ("entries", body.entries.is_empty()),
        ("words", body.words.is_empty()),
        ("ignore", body.ignore.is_empty()),
        ("not_ours", body.not_ours.is_empty()),
        ("lines", body.lines.is_empty()),
    ];
    if let Some((key, _)) = more.into_iter().find(|(_, empty)| !empty) {
        let finding = document.error(At { line: 1, column: 1 }, format!("a file with `{key}` must say its `language`"));
        findings.push(finding.hint("write `language: en` at the top"));
    }
}

/// The lines in a language's documents, filled with facts.
pub fn lines(documents: &[&Document], facts: &BTreeMap<String, String>, findings: &mut Vec<Finding>) -> Texts {
    let mut lines = Texts::new();
    let mut places = HashMap::new();
    for document in documents {
        for (&line, text) in &document.body().lines {
            if let Some(first) = places.insert(line, document.place(text.at)) {
                let finding = document.error(text.at, format!("the line `{}` is given twice", line.word())).also(first);
                findings.push(finding.hint("keep one of the two"));
            }
            match Text::new(&text.value, facts) {
                Ok(Text::Fixed(text)) if !text.trim().is_empty() => {
                    lines.insert(line, text.as_ref().to_owned());
                }
                Ok(Text::Fixed(_)) => {
                    findings.push(document.error(text.at, "nothing stands here").hint("write a text, or take it out"));
                }
                Ok(Text::Personal { .. }) => {
                    let finding = document.error(text.at, "a line cannot speak of the visitor");
                    findings.push(finding.hint("only {{ facts.… }} is possible here"));
                }
                Err(misplaced) => findings.push(placeholder(document, text, misplaced)),
            }
        }
    }
    lines
}

/// Ids and former ids, each once in a language: name → entry.
pub fn ids(
    tag: &str,
    documents: &[&Document],
    origins: &[Origin],
    findings: &mut Vec<Finding>,
) -> HashMap<String, usize> {
    let entry = |&(document, number): &Origin| &documents[document].body().entries[number].value;
    // Today's names first: they win over those of before.
    let now = origins.iter().enumerate().map(|(known, origin)| (known, origin.0, &entry(origin).id));
    let before = origins.iter().enumerate().flat_map(|(known, origin)| {
        let was = entry(origin).was.iter();
        was.map(move |id| (known, origin.0, id))
    });
    let mut places: HashMap<&str, Place> = HashMap::new();
    let mut by_id = HashMap::new();
    for (known, document, id) in now.chain(before) {
        let document = documents[document];
        if let Some(first) = places.get(id.value.as_str()) {
            let message = format!("two entries of `{tag}` are called `{}`", id.value);
            let finding = document.error(id.at, message).also(first.clone());
            findings.push(finding.hint("give one of them another name"));
            continue;
        }
        places.insert(&id.value, document.place(id.at));
        by_id.insert(id.value.clone(), known);
    }
    by_id
}

/// What only all entries of a language together show.
pub fn language(language: &Language, now: Millis, findings: &mut Vec<Finding>) {
    let scene = Scene { language, now };
    scene.samples(findings);
    scene.buttons(findings);
}

/// The same, as far as it takes a search through all phrases and holds nothing back.
pub fn doubts(language: &Language, now: Millis, findings: &mut Vec<Finding>) {
    let scene = Scene { language, now };
    scene.same_phrases(findings);
    scene.shadowed(findings);
    scene.not_ours(findings);
}

/// What only all languages together show. `files` names a file of each.
pub fn languages(set: &FaqSet, files: &[String], findings: &mut Vec<Finding>) {
    for (language, file) in set.languages.iter().zip(files) {
        findings.extend(missing(set, language, file));
        findings.extend(unspoken(set, language, file));
    }
    if let Some(file) = files.first()
        && set.language(&set.site_language).is_none()
    {
        let (site, loaded) = (&set.site_language, set.languages().join(", "));
        let message = format!("there are no entries in `{site}`, the site's own language, only in {loaded}");
        findings.push(Finding::warning(file, message).hint("set `language:` in purser.yaml, or write them"));
    }
}

/// One line for everything that the other languages have and this one has not.
fn missing(set: &FaqSet, language: &Language, file: &str) -> Option<Finding> {
    let ids = |language: &Language| language.entries.iter().map(|entry| entry.id.clone()).collect::<BTreeSet<_>>();
    let own = ids(language);
    let all: BTreeSet<Arc<str>> = set.languages.iter().flat_map(|language| ids(language)).collect();
    let missing: Vec<&str> = all.difference(&own).map(|id| &**id).collect();
    let message = format!("`{}` has no entry for {}", language.tag, missing.join(", "));
    let finding = Finding::warning(file, message).hint("customers get the answer in another language");
    (!missing.is_empty()).then_some(finding)
}

/// A language that purser itself does not speak should bring the lines along.
fn unspoken(set: &FaqSet, language: &Language, file: &str) -> Option<Finding> {
    let lines = set.lines();
    let own = [language.tag.clone()];
    let spoken =
        |line: &Line| tags(&own[0]).any(|own| own.eq_ignore_ascii_case(lines.say(*line, &[own.as_str().into()]).1));
    let missing: Vec<String> = Line::ALL.into_iter().filter(|line| !spoken(line)).map(Line::word).collect();
    let message = format!("`{}` has no `lines:` for {}", language.tag, missing.join(", "));
    let finding = Finding::warning(file, message).hint("they are said in the site's own language or in English");
    (!missing.is_empty()).then_some(finding)
}

struct Scene<'a> {
    language: &'a Language,
    now: Millis,
}

impl<'a> Scene<'a> {
    /// Each entry of the language, with what is written of it and where.
    fn entries(&self) -> impl Iterator<Item = (usize, &'a Known, &'a Document, &'a Entry)> {
        let Language { documents, origins, entries, .. } = self.language;
        origins.iter().zip(entries).enumerate().map(move |(index, (&(document, number), known))| {
            (index, known, &documents[document], &documents[document].body().entries[number].value)
        })
    }

    fn same_phrases(&self, findings: &mut Vec<Finding>) {
        let mut seen: HashMap<String, (usize, &Document, At)> = HashMap::new();
        for (index, known, document, entry) in self.entries() {
            for phrase in &entry.phrases {
                let (first, other, at) = *seen.entry(normalise(&phrase.value)).or_insert((index, document, phrase.at));
                let there = &self.language.entries[first];
                let meet = known.from < there.until && there.from < known.until;
                if first != index && meet && there.mode == known.mode {
                    let message = format!("`{}` also has the phrase `{}`", there.id, phrase.value);
                    let finding = document.warning(phrase.at, message).also(other.place(at));
                    findings.push(finding.hint("take it out of one of the two"));
                }
            }
        }
    }

    /// What finds an entry on a day on which it answers; nothing if there will be none.
    fn ready(&self, known: &Known) -> Option<&'a Ready> {
        let when = self.now.max(known.from);
        (when < known.until).then(|| self.language.at(when))
    }

    fn samples(&self, findings: &mut Vec<Finding>) {
        for (index, known, document, entry) in self.entries() {
            if entry.ask.is_empty() && entry.not.is_empty() {
                continue;
            }
            let Some(ready) = self.ready(known) else { continue };
            findings.extend(entry.ask.iter().filter_map(|sample| self.ask(ready, index, document, sample)));
            findings.extend(entry.not.iter().filter_map(|sample| self.not(ready, index, document, sample)));
        }
    }

    fn ask(&self, ready: &Ready, index: usize, document: &Document, sample: &Placed<String>) -> Option<Finding> {
        let own = &self.language.entries[index];
        let entry = |number: usize| &self.language.entries[ready.entries[number]];
        let outcome = ready.matcher.find(&sample.value).outcome;
        if matches!(&outcome, Outcome::Sure(best) if ready.entries[best.entry] == index) {
            return None;
        }
        let ranked = ready.matcher.nearest(&sample.value, RANKED);
        let score =
            ranked.iter().find(|candidate| ready.entries[candidate.entry] == index).map_or(0.0, |own| own.score);
        let add = format!("add its words to the phrases of `{}`", own.id);
        let (said, other) = match outcome {
            Outcome::Sure(best) => {
                let other = entry(best.entry);
                (
                    format!("`{}` answers this with {:.2}; `{}` has {score:.2}", other.id, best.score, own.id),
                    Some(other),
                )
            }
            Outcome::Unsure(some) => {
                let others: Vec<_> =
                    some.iter().map(|some| entry(some.entry)).filter(|other| other.id != own.id).collect();
                let names: Vec<_> = others.iter().map(|other| format!("`{}`", other.id)).collect();
                let said = match (names.len() < some.len(), names.join(", ")) {
                    (true, names) if names.is_empty() => {
                        format!("`{}` is only suggested for this, with {score:.2}", own.id)
                    }
                    (true, names) => {
                        format!("`{}` is only suggested for this, with {score:.2}, beside {names}", own.id)
                    }
                    (false, names) => format!("{names} is suggested for this; `{}` has {score:.2}", own.id),
                };
                (said, others.first().copied())
            }
            Outcome::Nothing => (format!("nothing answers this; `{}` has {score:.2}", own.id), None),
        };
        let finding = Finding { sample: Some(sample.value.clone()), ..document.error(sample.at, said) };
        Some(match other {
            Some(other) => {
                finding.also(other.phrases_at.clone()).hint(format!("{add}, or take some from `{}`", other.id))
            }
            None => finding.hint(add),
        })
    }

    fn not(&self, ready: &Ready, index: usize, document: &Document, sample: &Placed<String>) -> Option<Finding> {
        let own = &self.language.entries[index];
        let is_own = |number: usize| ready.entries[number] == index;
        let (does, score) = match ready.matcher.find(&sample.value).outcome {
            Outcome::Sure(best) if is_own(best.entry) => ("answers", best.score),
            Outcome::Unsure(some) => ("is suggested for", some.iter().find(|some| is_own(some.entry))?.score),
            _ => return None,
        };
        let said = format!("`{}` {does} this, with {score:.2}", own.id);
        let finding = Finding { sample: Some(sample.value.clone()), ..document.error(sample.at, said) };
        Some(finding.hint("add the question to `not_ours:`, or to the phrases of the entry that should answer it"))
    }

    fn buttons(&self, findings: &mut Vec<Finding>) {
        for (_, known, document, entry) in self.entries() {
            for (button, written) in known.buttons.iter().zip(&entry.buttons) {
                if button.choice.is_none() {
                    let finding =
                        document.warning(written.at, format!("no entry answers the button `{}`", button.text));
                    findings.push(finding.hint("make it the title or a phrase of an entry"));
                }
            }
        }
    }

    /// Entries that do not even answer their own phrases.
    fn shadowed(&self, findings: &mut Vec<Finding>) {
        for (index, known, document, entry) in self.entries() {
            let Some(ready) = self.ready(known) else { continue };
            let mut winners: BTreeMap<&str, (usize, &Known)> = BTreeMap::new();
            let wins = entry.phrases.iter().any(|phrase| match ready.matcher.find(&phrase.value).outcome {
                Outcome::Sure(best) if ready.entries[best.entry] == index => true,
                Outcome::Sure(best) => {
                    let other = &self.language.entries[ready.entries[best.entry]];
                    winners.entry(&other.id).or_insert((0, other)).0 += 1;
                    false
                }
                _ => false,
            });
            if wins {
                continue;
            }
            let finding = document.warning(entry.id.at, format!("`{}` answers none of its own phrases", known.id));
            findings.push(match winners.into_values().max_by_key(|(count, _)| *count) {
                Some((_, other)) => {
                    let hint =
                        format!("`{}` stands in its shadow: join the two, or give it words of its own", known.id);
                    finding.also(other.phrases_at.clone()).hint(hint)
                }
                None => finding.hint(
                    "its words say too little by themselves: write longer phrases, or take them out of `ignore:`",
                ),
            });
        }
    }

    fn not_ours(&self, findings: &mut Vec<Finding>) {
        let ready = self.language.at(self.now);
        for question in self.language.not_ours() {
            if let Outcome::Sure(best) = ready.matcher.find(question).outcome {
                let index = ready.entries[best.entry];
                let (document, number) = self.language.origins[index];
                let document = &self.language.documents[document];
                let at = document.body().entries[number].value.id.at;
                let id = &self.language.entries[index].id;
                let finding = document.warning(at, format!("`{id}` answers `{question}`, which stands in `not_ours:`"));
                findings.push(finding.hint("take it out there, or its words out of the phrases here"));
            }
        }
    }
}

/// Whether a text is a language tag: en, de, pt-BR, zh-Hant.
pub fn is_language(tag: &str) -> bool {
    let mut parts = tag.split(['-', '_']);
    let primary = parts.next().unwrap_or_default();
    (2..=3).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_id(id: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&id.len()) && id.bytes().all(good) && !id.starts_with('-') && !id.ends_with('-')
}
