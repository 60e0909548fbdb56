//! The FAQ of a site in all its languages: built from documents, never changed afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::answer::Text;
use super::checks;
use super::document::{Date, Document, Entry};
use super::matcher::{EntryWordings, Matcher, Mode, Outcome, Wordings};
use super::placed::Placed;
use crate::conversation::{Button, Buttons, Millis};
use crate::finding::{Finding, Place};
use crate::responders::lines::{Lines, Texts, tags};
use crate::yaml::nearest;

const DAY: Millis = 24 * 60 * 60 * 1000;

/// What the FAQ has to know of the site around it.
#[derive(Debug, Clone)]
pub struct Site {
    /// The site's own language.
    pub language: String,
    /// The responders whose names no entry may have; a `then:` may name them.
    pub handlers: Vec<String>,
    /// The plugins, which a `then:` may name too.
    pub plugins: BTreeSet<String>,
    /// Plugins that are there and not asked.
    pub off: BTreeSet<String>,
    /// The time at which it is checked.
    pub now: Millis,
}

impl Site {
    /// Whether content that is built for one is the same for the other.
    pub fn is_like(&self, other: &Site) -> bool {
        let Site { language, handlers, plugins, off, now: _ } = self;
        (language, handlers, plugins, off) == (&other.language, &other.handlers, &other.plugins, &other.off)
    }
}

/// Everything of all languages, ready to answer.
pub struct FaqSet {
    pub(super) languages: Vec<Arc<Language>>,
    pub(super) site_language: String,
    handlers: Vec<String>,
    lines: Arc<Lines>,
}

/// All entries of one language.
pub(super) struct Language {
    /// As it is written in the files.
    pub tag: Arc<str>,
    /// In the order of files and lines.
    pub entries: Vec<Known>,
    /// Ids, and ids of before.
    pub by_id: HashMap<String, usize>,
    words: Vec<(String, Vec<String>)>,
    ignore: Vec<String>,
    not_ours: Vec<String>,
    /// Ascending; the first begins before all time.
    eras: Vec<Era>,
    /// Where it stands, and where each of its entries does.
    pub documents: Vec<Document>,
    pub origins: Vec<Origin>,
}

/// An entry, ready to be said.
pub(super) struct Known {
    pub id: Arc<str>,
    pub title: String,
    pub phrases: Arc<[String]>,
    pub mode: Mode,
    pub priority: i32,
    pub text: Text,
    pub buttons: Buttons,
    pub then: Vec<String>,
    /// From the first millisecond to the first one after.
    pub from: Millis,
    pub until: Millis,
    /// Where its phrases stand.
    pub phrases_at: Place,
}

/// A time in which the same entries answer.
struct Era {
    from: Millis,
    ready: OnceLock<Ready>,
}

/// The entries of an era and what finds them.
pub(super) struct Ready {
    pub matcher: Matcher,
    /// The matcher's entry → the language's.
    pub entries: Vec<usize>,
}

/// An entry's origin: which document, which of its entries.
pub(super) type Origin = (usize, usize);

/// Languages that were built already, for sets that differ in a few files only.
#[derive(Default)]
pub struct Built(HashMap<Ingredients, Arc<Outcomes>>);

/// What a language is made of: its documents (by identity) and the facts that hold for all languages.
type Ingredients = (Vec<usize>, BTreeMap<String, String>);

/// A built language and what was found on the way.
struct Outcomes {
    language: Arc<Language>,
    facts: BTreeMap<String, String>,
    lines: Texts,
    findings: Vec<Finding>,
    /// A file of it, to say something about the language as a whole.
    file: String,
}

impl Built {
    /// Builds the languages that are not there yet, each on a thread of its own: the start waits for the slowest.
    fn build(
        &mut self,
        groups: &[(Ingredients, String, Vec<&Document>)],
        shared: &BTreeMap<String, String>,
        site: &Site,
    ) {
        let missing = groups.iter().filter(|(ingredients, ..)| !self.0.contains_key(ingredients));
        let fresh: Vec<_> = std::thread::scope(|scope| {
            let building = missing.map(|(ingredients, tag, documents)| {
                let of = move || Arc::new(Outcomes::of(tag.clone(), documents, shared, site));
                (ingredients.clone(), scope.spawn(of))
            });
            let building: Vec<_> = building.collect();
            let done = building.into_iter().map(|(ingredients, thread)| match thread.join() {
                Ok(outcomes) => (ingredients, outcomes),
                Err(panic) => std::panic::resume_unwind(panic),
            });
            done.collect()
        });
        self.0.extend(fresh);
    }
}

impl FaqSet {
    /// Builds the set and checks it. Where something is wrong there are errors among the findings, and the set does
    /// without it; whether such a set goes live is the caller's decision. `built` keeps the documents' languages for
    /// the next set.
    pub fn build(documents: &[Document], site: &Site, built: &mut Built) -> (FaqSet, Vec<Finding>) {
        let mut findings: Vec<Finding> = documents.iter().flat_map(|document| document.doubts()).cloned().collect();
        let shared = facts(documents.iter().filter(|document| document.body().language.is_none()), &mut findings);
        let groups = by_language(documents, &mut findings).into_iter().map(|(tag, documents)| {
            let ingredients = documents.iter().map(|document| document.identity()).collect();
            ((ingredients, shared.clone()), tag, documents)
        });
        let groups: Vec<(Ingredients, String, Vec<&Document>)> = groups.collect();
        built.build(&groups, &shared, site);
        let languages: Vec<_> =
            groups.iter().filter_map(|(ingredients, ..)| built.0.get(ingredients).cloned()).collect();
        findings.extend(languages.iter().flat_map(|outcomes| outcomes.findings.iter().cloned()));
        let lines = Arc::new(lines(&languages, &shared, site));
        let places: Vec<String> = languages.iter().map(|outcomes| outcomes.file.clone()).collect();
        // A language with nothing to answer only gives lines and facts.
        let languages = languages.iter().map(|outcomes| outcomes.language.clone());
        let (languages, places): (Vec<_>, Vec<_>) =
            languages.zip(places).filter(|(language, _)| !language.entries.is_empty()).unzip();
        let set = FaqSet { languages, site_language: site.language.clone(), handlers: site.handlers.clone(), lines };
        checks::languages(&set, &places, &mut findings);
        findings.sort_by(|a, b| (a.severity, &a.file, a.line, a.column).cmp(&(b.severity, &b.file, b.line, b.column)));
        (set, findings)
    }

    /// What is doubtful and takes a search: entries that never win, and what `not_ours:` does not keep away. The build
    /// does not wait for it.
    pub fn doubts(&self, now: Millis) -> Vec<Finding> {
        let mut doubts = Vec::new();
        self.languages.iter().for_each(|language| checks::doubts(language, now, &mut doubts));
        doubts
    }

    /// Whether this is the name of a responder, which no entry may have.
    pub(super) fn is_handler(&self, name: &str) -> bool {
        self.handlers.iter().any(|handler| handler == name)
    }

    /// The lines that purser itself says.
    pub fn lines(&self) -> Arc<Lines> {
        self.lines.clone()
    }

    /// The languages that have entries, as they are written in the files.
    pub fn languages(&self) -> Vec<&str> {
        self.languages.iter().map(|language| &*language.tag).collect()
    }

    /// How many entries there are, each language counted.
    pub fn entries(&self) -> usize {
        self.languages.iter().map(|language| language.entries.len()).sum()
    }

    /// How many wordings there are.
    pub fn phrases(&self) -> usize {
        self.languages.iter().flat_map(|language| &language.entries).map(|entry| entry.phrases.len()).sum()
    }

    /// The names of the entries, each once.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.languages.iter().flat_map(|language| &language.entries).map(|entry| &*entry.id).collect()
    }

    /// Whether the entry of this name had the other one before (`was:`).
    pub fn was_called(&self, id: &str, before: &str) -> bool {
        let entry =
            |language: &Arc<Language>| language.by_id.get(before).map(|&index| *language.entries[index].id == *id);
        self.languages.iter().filter_map(entry).any(|same| same)
    }

    /// A sentence that says that no entry has, or had, this name; nothing if one does.
    pub fn is_missing(&self, id: &str) -> Option<String> {
        if self.languages.iter().any(|language| language.by_id.contains_key(id)) {
            return None;
        }
        let meant = nearest(id, self.ids()).map(|meant| format!("; did you mean `{meant}`?"));
        Some(format!("there is no entry `{id}`{}", meant.unwrap_or_default()))
    }

    /// Gets ready what is needed to answer at this time. Entries that begin or end with a date change what is looked
    /// through; without this, the first question of such a day would wait for it.
    pub fn prepare(&self, at: Millis) {
        self.languages.iter().for_each(|language| {
            language.at(at);
        });
    }

    /// The loaded language for a tag: "de-AT" is content with "de", and "de" with "de-AT".
    pub(super) fn language(&self, tag: &str) -> Option<usize> {
        let find = |test: &dyn Fn(&str) -> bool| self.languages.iter().position(|language| test(&language.tag));
        let is = |tag: &str| find(&|loaded| loaded.eq_ignore_ascii_case(tag));
        // As a rule it is the very tag, as every message finds.
        is(tag).or_else(|| tags(tag).find_map(|tag| is(&tag))).or_else(|| {
            let primary = tags(tag).last()?;
            find(&|loaded| tags(loaded).last().as_deref() == Some(primary.as_str()))
        })
    }
}

impl Outcomes {
    fn of(tag: String, documents: &[&Document], shared: &BTreeMap<String, String>, site: &Site) -> Outcomes {
        let mut findings = Vec::new();
        let own = facts(documents.iter().copied(), &mut findings);
        let facts = shared.clone().into_iter().chain(own).collect();
        let lines = checks::lines(documents, &facts, &mut findings);
        let mut language = Language::build(tag, documents, &facts, site, &mut findings);
        language.lead_buttons(site.now);
        checks::language(&language, site.now, &mut findings);
        let file = documents.first().map_or_else(String::new, |document| document.file().to_owned());
        Outcomes { language: Arc::new(language), facts, lines, findings, file }
    }
}

impl Language {
    fn build(
        tag: String,
        documents: &[&Document],
        facts: &BTreeMap<String, String>,
        site: &Site,
        findings: &mut Vec<Finding>,
    ) -> Language {
        let mut words: BTreeMap<&String, Vec<String>> = BTreeMap::new();
        let (mut ignore, mut not_ours) = (Vec::new(), Vec::new());
        let (mut entries, mut origins) = (Vec::new(), Vec::new());
        for (index, document) in documents.iter().enumerate() {
            let body = document.body();
            for (number, entry) in body.entries.iter().enumerate() {
                if let Some(known) = checks::entry(document, entry, facts, site, findings) {
                    entries.push(known);
                    origins.push((index, number));
                }
            }
            body.words.iter().for_each(|(name, same)| words.entry(name).or_default().extend(same.iter().cloned()));
            ignore.extend(body.ignore.iter().cloned());
            not_ours.extend(body.not_ours.iter().cloned());
        }
        let by_id = checks::ids(&tag, documents, &origins, findings);
        let mut turns: Vec<Millis> = entries.iter().flat_map(|entry: &Known| [entry.from, entry.until]).collect();
        turns.push(Millis::MIN);
        turns.retain(|&turn| turn != Millis::MAX);
        turns.sort_unstable();
        turns.dedup();
        let eras = turns.into_iter().map(|from| Era { from, ready: OnceLock::new() }).collect();
        let words = words.into_iter().map(|(name, same)| (name.clone(), same)).collect();
        let documents = documents.iter().map(|&document| document.clone()).collect();
        Language { tag: tag.into(), entries, by_id, words, ignore, not_ours, eras, documents, origins }
    }

    /// A button whose text an entry answers leads straight to that entry.
    fn lead_buttons(&mut self, now: Millis) {
        let numbered = self.entries.iter().enumerate().rev();
        let titles: HashMap<String, usize> =
            numbered.map(|(index, entry)| (entry.title.to_lowercase(), index)).collect();
        let ready = self.at(now);
        let leads = |button: &Button| {
            let titled = titles.get(&button.text.to_lowercase()).copied();
            let found = titled.or_else(|| match ready.matcher.find(&button.text).outcome {
                Outcome::Sure(candidate) => Some(ready.entries[candidate.entry]),
                _ => None,
            });
            found.map(|found| self.entries[found].id.as_ref().to_owned())
        };
        let led: Vec<Vec<Option<String>>> =
            self.entries.iter().map(|entry| entry.buttons.iter().map(leads).collect()).collect();
        for (entry, led) in self.entries.iter_mut().zip(led) {
            let led = entry.buttons.iter().cloned().zip(led);
            entry.buttons = led.map(|(button, choice)| Button { choice, ..button }).collect();
        }
    }

    /// What finds the entries that answer at this time.
    pub fn at(&self, now: Millis) -> &Ready {
        let index = self.eras.partition_point(|era| era.from <= now).saturating_sub(1);
        let era = &self.eras[index];
        era.ready.get_or_init(|| {
            let active = |entry: &Known| entry.from <= era.from && era.from < entry.until;
            let entries: Vec<usize> =
                self.entries.iter().enumerate().filter(|(_, entry)| active(entry)).map(|(index, _)| index).collect();
            let wordings = entries.iter().map(|&index| {
                let entry = &self.entries[index];
                EntryWordings { phrases: entry.phrases.clone(), mode: entry.mode, priority: entry.priority }
            });
            let wordings = Wordings {
                language: self.tag.as_ref().to_owned(),
                entries: wordings.collect(),
                words: self.words.clone(),
                ignore: self.ignore.clone(),
                not_ours: self.not_ours.clone(),
            };
            Ready { matcher: Matcher::build(&wordings), entries }
        })
    }

    /// What must not be answered.
    pub fn not_ours(&self) -> &[String] {
        &self.not_ours
    }
}

/// The names in a `then:`.
pub(super) fn names(then: &str) -> impl Iterator<Item = &str> {
    then.split(',').map(str::trim).filter(|name| !name.is_empty())
}

impl Known {
    /// An entry that is right by itself.
    pub fn new(document: &Document, entry: &Placed<Entry>, text: Text) -> Known {
        let Placed { value: entry, at } = entry;
        let first = entry.phrases.first().map_or("", |phrase| phrase.value.trim());
        let title = entry.title.as_ref().map_or_else(|| with_capital(first), |title| title.value.trim().to_owned());
        let button = |button: &Placed<String>| Button { text: button.value.trim().to_owned(), ..Button::default() };
        let phrases_at = entry.phrases.last().map_or(*at, |phrase| phrase.at);
        Known {
            id: entry.id.value.as_str().into(),
            title,
            phrases: entry.phrases.iter().map(|phrase| phrase.value.clone()).collect(),
            mode: entry.r#match.into(),
            priority: entry.priority,
            text,
            buttons: entry.buttons.iter().map(button).collect(),
            then: entry.then.iter().flat_map(|then| names(&then.value)).map(str::to_owned).collect(),
            from: entry.from.as_ref().map_or(Millis::MIN, |from| from.value.begins()),
            until: entry.until.as_ref().map_or(Millis::MAX, |until| until.value.begins().saturating_add(DAY)),
            phrases_at: document.place(phrases_at),
        }
    }
}

impl Date {
    /// The first millisecond of the day, in UTC.
    fn begins(self) -> Millis {
        self.0.saturating_mul(DAY)
    }
}

fn with_capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The documents that name a language, by that language; what is none is a finding.
fn by_language<'a>(documents: &'a [Document], findings: &mut Vec<Finding>) -> Vec<(String, Vec<&'a Document>)> {
    let mut languages: BTreeMap<String, (String, Vec<&Document>)> = BTreeMap::new();
    for document in documents {
        let Some(language) = &document.body().language else {
            checks::facts_only(document, findings);
            continue;
        };
        if checks::is_language(&language.value) {
            let of = languages.entry(language.value.to_ascii_lowercase());
            of.or_insert_with(|| (language.value.clone(), Vec::new())).1.push(document);
        } else {
            let message = format!("`{}` is not the code of a language", language.value);
            findings.push(document.error(language.at, message).hint("write a code such as en, de or pt-BR"));
        }
    }
    languages.into_values().collect()
}

/// The facts of some documents; one that is given twice is a finding.
fn facts<'a>(documents: impl Iterator<Item = &'a Document>, findings: &mut Vec<Finding>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut places: HashMap<&str, Place> = HashMap::new();
    for document in documents {
        for (name, fact) in &document.body().facts {
            if let Some(first) = places.get(name.value.as_str()) {
                let finding = document.error(name.at, format!("the fact `{}` is given twice", name.value));
                findings.push(finding.also(first.clone()).hint("keep one of the two"));
                continue;
            }
            places.insert(&name.value, document.place(name.at));
            facts.insert(name.value.clone(), fact.value.trim_end().to_owned());
        }
    }
    facts
}

/// The built-in lines with the facts of the site, and those of the files in place of them.
fn lines(languages: &[Arc<Outcomes>], shared: &BTreeMap<String, String>, site: &Site) -> Lines {
    let mut all: BTreeMap<String, Texts> = BTreeMap::new();
    for (tag, mut texts) in Lines::built_in() {
        let own = languages.iter().find(|outcomes| outcomes.language.tag.eq_ignore_ascii_case(tag));
        let facts = own.map_or(shared, |own| &own.facts);
        for text in texts.values_mut() {
            // A test fills each of them; those that are filled with a visitor's name have no place here.
            if let Ok(Text::Fixed(filled)) = Text::new(text, facts) {
                *text = filled.as_ref().to_owned();
            }
        }
        all.insert(tag.to_owned(), texts);
    }
    for outcomes in languages {
        all.entry(outcomes.language.tag.to_ascii_lowercase()).or_default().extend(outcomes.lines.clone());
    }
    Lines::new(all, &site.language)
}
