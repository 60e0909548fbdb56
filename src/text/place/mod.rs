//! Places: countries with their names in English and German, the cities and states that parcels go to most, and
//! whether a sentence says "from" or "to" them.

mod names;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::words::{Word, words};
use names::{Named, names};
pub use names::{country_name, is_country};

/// A place in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1: two capital letters.
    pub country: &'static str,
    /// The city or state, as it is called in the language asked for.
    pub city: Option<&'static str>,
    /// What the sentence says of it.
    pub role: Role,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// What a sentence says of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// "from Berlin", "aus Berlin".
    From,
    /// "to Lyon", "nach Lyon".
    To,
    /// Only that it is there.
    Unsaid,
}

impl Role {
    /// The word for it in scripts; empty when nothing is said.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::From => "from",
            Role::To => "to",
            Role::Unsaid => "",
        }
    }
}

/// The places of a sentence, in order. Names are understood in English and German whatever the language; it decides
/// how they are given back.
pub fn places(text: &str, language: &str) -> Vec<Place> {
    let words = words(text);
    let shouted = !text.chars().any(char::is_lowercase);
    let mut places: Vec<Place> = Vec::new();
    let mut next = 0;
    // The word after the last place.
    let mut end = 0;
    // Whether that one leads on to another.
    let mut led = false;
    while next < words.len() {
        let Some((named, length)) = name_at(&words, next).or_else(|| code_at(&words, next, shouted)) else {
            next += 1;
            continue;
        };
        let said = role(&words, next);
        let follows = said == Role::Unsaid && end == next && end > 0;
        let leads = leads_on(&words, next + length);
        if named.common && said == Role::Unsaid && (!leads || is_a_thing(&words, next)) {
            next += 1;
            continue;
        }
        let at = words[next].at.start..words[next + length - 1].at.end;
        match places.last_mut() {
            // "Berlin, Germany" and "Paris, Texas" are one place; the later word says which.
            Some(before) if follows && before.city.is_some() && !led => {
                if before.country != named.country {
                    before.city = named.city(language).or(before.city);
                }
                before.country = named.country;
                before.at.end = at.end;
            }
            _ => places.push(Place { country: named.country, city: named.city(language), role: said, at }),
        }
        led = leads;
        next += length;
        end = next;
        // "Berlin to Lyon", "Berlin – Lyon": where it leads on, it begins.
        if leads
            && let Some(place) = places.last_mut()
            && place.role == Role::Unsaid
        {
            place.role = Role::From;
        }
    }
    // The other end of a way is where it goes to.
    if let [first, second] = places.as_mut_slice() {
        match (first.role, second.role) {
            (Role::From, Role::Unsaid) => second.role = Role::To,
            (Role::Unsaid, Role::From) => first.role = Role::To,
            _ => {}
        }
    }
    places
}

/// The longest name that begins at a word.
fn name_at(words: &[Word<'_>], first: usize) -> Option<(&'static Named, usize)> {
    let candidates = names().get(words[first].folded.as_str())?;
    let fits = |rest: &[Box<str>]| {
        let there = words.get(first + 1..first + 1 + rest.len())?;
        let together = there.iter().zip(rest).all(|(word, name)| *word.folded == **name && !word.before.contains(','));
        together.then_some(())
    };
    let found = candidates.iter().find(|named| fits(&named.rest).is_some())?;
    Some((found, 1 + found.rest.len()))
}

/// "DE", typed in capitals, where a place is expected.
fn code_at(words: &[Word<'_>], at: usize, shouted: bool) -> Option<(&'static Named, usize)> {
    let word = &words[at];
    if word.raw.len() != 2 || !word.raw.bytes().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    // In a message that is all capitals, "IN" is a word.
    let expected = role(words, at) != Role::Unsaid || leads_on(words, at + 1);
    if !expected
        || (shouted
            && matches!(word.raw, "IN" | "IT" | "IS" | "AT" | "BE" | "NO" | "TO" | "ME" | "MY" | "SO" | "AM" | "US"))
    {
        return None;
    }
    Some((names::by_code(word.raw)?, 1))
}

/// What the words before a place say: a preposition, perhaps with an article between.
fn role(words: &[Word<'_>], at: usize) -> Role {
    const ARTICLES: [&str; 10] = ["the", "die", "der", "den", "das", "dem", "a", "city", "stadt", "somewhere"];
    let mut before = words[..at].iter().rev();
    let mut previous = &words[at];
    for _ in 0..3 {
        let Some(word) = before.next().filter(|_| !previous.is_parted()) else { return Role::Unsaid };
        previous = word;
        match word.folded.as_str() {
            "from" | "von" | "aus" | "ab" | "vom" | "out" => return Role::From,
            "to" | "into" | "towards" | "nach" | "zu" | "zur" | "zum" | "bis" | "richtung" | "till" | "for" => {
                return Role::To;
            }
            "in" | "an" | "at" | "near" | "bei" => return Role::To,
            article if ARTICLES.contains(&article) => {}
            _ => return Role::Unsaid,
        }
    }
    Role::Unsaid
}

/// "das Porto nach Frankreich" is postage.
fn is_a_thing(words: &[Word<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| words[at].folded.as_str());
    matches!(before, Some("the" | "a" | "my" | "das" | "dem" | "ein" | "mein" | "viel"))
}

/// Whether a "to", "nach" or an arrow follows.
fn leads_on(words: &[Word<'_>], after: usize) -> bool {
    let Some(word) = words.get(after) else { return false };
    let arrow = word.before.contains(['→', '>', '⇒', '–', '—']) || word.before == "-";
    matches!(word.folded.as_str(), "to" | "nach" | "bis") || (arrow && names().contains_key(word.folded.as_str()))
}
