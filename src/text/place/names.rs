//! The names of countries and cities, read from the tables beside this file when they are first needed.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::text::words::words;

const COUNTRIES: &str = include_str!("countries.tsv");
const CITIES: &str = include_str!("cities.tsv");

/// One name of a place.
#[derive(Debug, Clone)]
pub struct Named {
    /// The country it is or lies in.
    pub country: &'static str,
    /// If it is a city or a state: how it is shown in English and in German.
    city: Option<(&'static str, &'static str)>,
    /// The words of the name after the first, folded.
    pub rest: Box<[Box<str>]>,
    /// A word that means something else as well.
    pub common: bool,
}

impl Named {
    /// The city as it is called in a language.
    pub fn city(&self, language: &str) -> Option<&'static str> {
        self.city.map(|(english, german)| if is_german(language) { german } else { english })
    }
}

struct Names {
    /// By the first word, the longest name first.
    by_word: HashMap<String, Vec<Named>>,
    /// By code: English and German.
    shown: HashMap<&'static str, (&'static str, &'static str, Named)>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names { by_word: HashMap::with_capacity(1_200), shown: HashMap::with_capacity(256) };
    for line in lines(COUNTRIES) {
        let mut columns = line.split('\t');
        let (Some(code), Some(english), Some(german)) = (columns.next(), columns.next(), columns.next()) else {
            continue;
        };
        for name in english.split(';').chain(german.split(';')) {
            names.add(name, code, None);
        }
        let named = Named { country: code, city: None, rest: Box::default(), common: false };
        names.shown.insert(code, (first(english), first(german), named));
    }
    for line in lines(CITIES) {
        let Some((code, all)) = line.split_once('\t') else { continue };
        let (english, german) = all.split_once('|').unwrap_or((all, all));
        let shown = (first(english), first(german));
        for name in english.split(';').chain(german.split(';')) {
            names.add(name, code, Some(shown));
        }
    }
    for known in names.by_word.values_mut() {
        known.sort_by_key(|named| std::cmp::Reverse(named.rest.len()));
    }
    names
});

impl Names {
    fn add(&mut self, name: &'static str, country: &'static str, city: Option<(&'static str, &'static str)>) {
        let common = name.starts_with('!');
        let mut words = words(name.trim_start_matches('!')).into_iter().map(|word| word.folded);
        let Some(first) = words.next() else { return };
        let rest: Box<[Box<str>]> = words.map(String::into_boxed_str).collect();
        let known = self.by_word.entry(first).or_default();
        if !known.iter().any(|named| named.rest == rest) {
            known.push(Named { country, city, rest, common });
        }
    }
}

/// All names, by their first word.
pub fn names() -> &'static HashMap<String, Vec<Named>> {
    &NAMES.by_word
}

/// A country by its code, two capital letters.
pub fn by_code(code: &str) -> Option<&'static Named> {
    NAMES.shown.get(code).map(|(.., named)| named)
}

/// Whether two capital letters are the code of a country.
pub fn is_country(code: &str) -> bool {
    NAMES.shown.contains_key(code)
}

/// What a country is called; `None` for what is no code. Anything but German is given in English.
pub fn country_name(code: &str, language: &str) -> Option<&'static str> {
    let (english, german, _) = NAMES.shown.get(code)?;
    Some(if is_german(language) { german } else { english })
}

fn is_german(language: &str) -> bool {
    language == "de" || language.starts_with("de-")
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn first(names: &'static str) -> &'static str {
    names.split(';').next().unwrap_or_default().trim_start_matches('!')
}
