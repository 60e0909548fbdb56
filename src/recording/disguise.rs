//! Takes out of a recording what leads to a person, and puts something invented of the same shape in its place, the
//! same for the same: names, e-mail addresses, telephone and parcel numbers, addresses.
//!
//! No rule finds all of it. What looks like it and was left, or was replaced on a guess, is listed for a look.

mod invented;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Action, Expected, Recording};
use crate::conversation::Author;
use crate::text::parcel::parcel_numbers;
use invented::{as_written, in_shape};

macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        // A test uses each of them, so all can be compiled.
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

// A country, two check digits, and then letters and digits in fours.
pattern!(IBAN, r"(?i)\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b");
// What a company calls its customers, orders and invoices.
pattern!(
    REFERENCE,
    r"(?i)\b(?:order|customer|account|reference|ref|invoice|contract|kunden|bestell|auftrags|rechnungs|vertrags)(?:[ -]?(?:number|no\b\.?|nr\b\.?|nummer|id\b))?(?: (?:is|ist|lautet))?[ :#.]*((?:[A-Z]{1,4}[-/]?[0-9]{3}|[0-9]{4})[0-9]*(?:[-/][0-9A-Z]+)*)\b"
);
pattern!(EMAIL, r"[\p{L}0-9._%+-]+@[\p{L}0-9-]+(\.[\p{L}0-9-]+)*\.\p{L}{2,}");
pattern!(PHONE, r"(\+|\b0)[0-9][0-9 ()/.-]{5,18}[0-9]|(\(|\b)[2-9][0-9]{2}(\) ?|[ .-])[0-9]{3}[ .-][0-9]{4}\b");
pattern!(DIGITS, r"\b[0-9]{6,20}\b");
pattern!(DATE, r"\b([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4})\b");
pattern!(
    NAMED,
    r"(?i:\b(?:my name is|my name's|this is|i am called|name:|ich heiße|ich heisse|mein name ist|mr\.?|mrs\.?|ms\.?|dr\.?|herr|herrn|frau|kind regards,?|best regards,?|regards,?|mit freundlichen grüßen,?|viele grüße,?|gruß,?)\s+)(\p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+){0,2})"
);
// Many write without capitals. Then only what can hardly be anything else is a name.
pattern!(
    CALLED,
    r"(?i)\b(?:my name is|my name's|i am called|ich heiße|ich heisse|mein name ist)\s+([\p{L}'’-]+(?: [\p{L}'’-]+)?)\s*(?:$|[.,;:!?()\n]| and | und | from | aus | my | i | ich )"
);
// Whoever is something writes it so, too; two words with capitals are a name.
pattern!(
    BEING,
    r"\b(?i:i am|i'm|i’m|it is|it's|it’s|ich bin|hier ist|hier spricht|hier schreibt)\s+(\p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+){1,2})"
);
pattern!(
    STREET,
    r"\b([0-9]{1,4}[a-zA-Z]?) (?:(?:\p{Lu}[\p{L}'’-]+ ){1,3}|(?:\p{Ll}[\p{L}'’-]+ ){1,2})(Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Way|Close|Square|Place|Court|Terrace|Gardens|Boulevard|Blvd|street|road|avenue|lane|terrace|gardens|boulevard)\b"
);
pattern!(
    STRASSE,
    r"\b(\p{Lu}[\p{L}-]*?(?: \p{Lu}[\p{L}-]*?)?)([ -]?(?i:straße|strasse|str\.|weg|platz|gasse|allee|ring|damm|ufer)) ([0-9]{1,4}(?: ?[a-zA-Z])?)\b"
);
pattern!(POSTCODE, r"\b((?i:[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2})\b|[0-9]{5}(?: \p{Lu}\p{L}+))");
// A postcode that stands by itself; it may be an amount as well.
pattern!(FIVE, r"(?:^|[^\p{L}0-9.,/-])([0-9]{5})(?:$|[^\p{L}0-9/-])");
pattern!(CAPITALS, r"(?:^|[\p{Ll},] )(\p{Lu}\p{Ll}+(?:[ -]\p{Lu}\p{Ll}+)+)");

// Whom an answer greets, with what the site knows of a customer.
pattern!(GREETED, r"\b(?i:dear|hello|hi|hallo|liebe|lieber|guten tag) (\p{Lu}[\p{L}'’-]+(?: \p{Lu}[\p{L}'’-]+){0,2})");
/// Whole numbers of this many digits may lead to somebody.
const LONG: i64 = 100_000;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Doubt {
    /// As it stands in the recording now.
    pub span: String,
    /// What it may be.
    pub why: &'static str,
}

/// The invented things of one recording.
#[derive(Debug, Default)]
pub struct Disguise {
    /// The original, in a form that is the same however it is written, and what stands for it.
    known: HashMap<String, String>,
    people: usize,
    numbers: usize,
    doubts: Vec<Doubt>,
}

impl Disguise {
    /// Disguises a recording, and gives what is doubtful.
    pub fn recording(recording: &mut Recording) -> Vec<Doubt> {
        let mut disguise = Disguise::default();
        // A name may be said before it is told that it is one. What the first look learns, the second knows.
        disguise.look(&mut recording.clone());
        disguise.doubts.clear();
        disguise.look(recording);
        let mut seen = HashSet::new();
        disguise.doubts.retain(|doubt| seen.insert(doubt.clone()));
        disguise.doubts
    }

    /// A sentence that stands by itself, disguised.
    pub fn sentence(text: &str) -> String {
        Disguise::default().text(text)
    }

    /// Disguises a recording with what is known so far, and learns more.
    fn look(&mut self, recording: &mut Recording) {
        let disguise = self;
        for (name, value) in &mut recording.start.visitor {
            *value = disguise.field(name, value);
        }
        for stub in &mut recording.lookups {
            disguise.fields(&mut stub.params);
            if let Ok(result) = &mut stub.result {
                *result = disguise.json("", std::mem::take(result));
            }
        }
        // What customers and agents say first: only what is theirs may be replaced in answers, which also hold the
        // company's own telephone number.
        for step in &mut recording.conversation {
            match &mut step.action {
                Action::Say { text, attachments, .. } | Action::Agent { text, attachments } => {
                    *text = disguise.text(text);
                    attachments.iter_mut().for_each(|name| *name = disguise.file(name));
                }
                Action::Joined(name) | Action::Left(name) => *name = disguise.person(name),
                Action::Errand { fields, .. } => disguise.fields(fields),
                Action::Press(_) | Action::Wait(_) => {}
            }
        }
        for earlier in &mut recording.start.messages {
            earlier.text = match earlier.author {
                Author::Visitor | Author::Agent => disguise.text(&earlier.text),
                Author::Bot | Author::System => disguise.again(&earlier.text),
            };
        }
        for step in &mut recording.conversation {
            if let Action::Press(text) = &mut step.action {
                *text = disguise.again(text);
            }
            if let Some(Expected { text, contains, buttons, .. }) = &mut step.answer {
                for text in text.iter_mut().chain(contains) {
                    *text = disguise.again(text);
                    disguise.doubt(&GREETED, text, "a name or a place, perhaps");
                }
                buttons.iter_mut().flatten().for_each(|text| *text = disguise.again(text));
            }
        }
        recording.start.buttons.iter_mut().for_each(|button| button.text = disguise.again(&button.text));
        if let Some(focus) = &mut recording.start.focus {
            focus.state = disguise.json("", std::mem::take(&mut focus.state));
        }
    }

    /// Values whose names say what they are.
    fn fields(&mut self, fields: &mut Map<String, Value>) {
        for (name, value) in fields.iter_mut() {
            *value = self.json(name, std::mem::take(value));
        }
    }

    /// A value whose name says what it is.
    fn field(&mut self, name: &str, value: &str) -> String {
        let name = name.to_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if value.trim().is_empty() {
            return value.to_owned();
        }
        if is(&["email", "e-mail", "mail"]) {
            return self.email(value);
        }
        if is(&["name", "recipient", "sender", "neighbour", "signed_by", "driver"])
            && !is(&["file", "country", "carrier"])
        {
            return self.person(value);
        }
        if is(&["phone", "mobile", "tel"]) {
            return self.digits(value, 2);
        }
        if is(&["postcode", "postal", "zip", "plz"]) {
            return self.postcode(value);
        }
        if is(&["iban"])
            && let Some(made) = self.iban(value)
        {
            return made;
        }
        if is(&["street", "address"]) {
            let shaped = self.text(value);
            return if shaped == value { self.word(value) } else { shaped };
        }
        self.text(value)
    }

    fn json(&mut self, name: &str, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.field(name, &text)),
            Value::Array(list) => list.into_iter().map(|value| self.json(name, value)).collect(),
            Value::Object(map) => Value::Object(
                map.into_iter()
                    .map(|(name, value)| {
                        let value = self.json(&name, value);
                        (name, value)
                    })
                    .collect(),
            ),
            Value::Number(number) => match number.as_i64().filter(|number| number.abs() >= LONG) {
                Some(long) => self.long(name, long),
                None => Value::Number(number),
            },
            other => other,
        }
    }

    /// A long whole number: another one where its name says that it leads to somebody. Times and amounts are long, too.
    fn long(&mut self, name: &str, long: i64) -> Value {
        let name = name.to_lowercase();
        let made = ["phone", "mobile", "tel", "number", "customer", "order", "account", "reference", "_id"]
            .iter()
            .any(|word| name.contains(word))
            .then(|| self.digits(&long.to_string(), 1).parse().ok())
            .flatten();
        let made = made.unwrap_or(long);
        if made == long {
            self.doubts.push(Doubt { span: long.to_string(), why: "a long number" });
        }
        Value::from(made)
    }

    /// A text with everything replaced that is found in it.
    fn text(&mut self, text: &str) -> String {
        let mut spans: Vec<(Range<usize>, String)> = Vec::new();
        for number in parcel_numbers(text) {
            let written = &text[number.at.clone()];
            spans.push((number.at.clone(), self.parcel(&number, written)));
        }
        let mut find = |pattern: &Option<Regex>, group: usize, make: &mut dyn FnMut(&str) -> Option<String>| {
            for found in pattern.iter().flat_map(|pattern| pattern.captures_iter(text)) {
                let Some(span) = found.get(group) else { continue };
                if spans.iter().any(|(taken, _)| taken.start < span.end() && span.start() < taken.end) {
                    continue;
                }
                if let Some(made) = make(span.as_str()) {
                    spans.push((span.range(), made));
                }
            }
        };
        find(&EMAIL, 0, &mut |found| Some(self.email(found)));
        find(&IBAN, 0, &mut |found| self.iban(found));
        // What is a day stays: answers depend on it.
        let mut days = Vec::new();
        find(&DATE, 0, &mut |found| {
            days.push(found.to_owned());
            Some(found.to_owned())
        });
        find(&STREET, 0, &mut |found| Some(self.street(found)));
        find(&STRASSE, 0, &mut |found| Some(self.street(found)));
        find(&POSTCODE, 0, &mut |found| Some(self.postcode(found)));
        find(&PHONE, 0, &mut |found| Some(self.digits(found, 3)));
        find(&NAMED, 1, &mut |found| Some(self.person(found)));
        find(&CALLED, 1, &mut |found| Some(self.person(found)));
        find(&BEING, 1, &mut |found| Some(self.person(found)));
        for (pattern, group) in [(&REFERENCE, 1), (&DIGITS, 0)] {
            find(pattern, group, &mut |found| {
                let made = self.digits(found, 0);
                let why = "a number of an order, a customer or something else";
                self.doubts.push(Doubt { span: made.clone(), why });
                Some(made)
            });
        }
        let out = replaced(text, spans);
        let out = self.again(&out);
        self.doubt(&CAPITALS, &out, "a name or a place, perhaps");
        self.doubt(&FIVE, &out, "a postcode, perhaps");
        self.doubt_small(&out);
        out
    }

    /// Lists what this finds in a disguised text and nobody invented.
    fn doubt(&mut self, pattern: &Option<Regex>, text: &str, why: &'static str) {
        for found in pattern.iter().flat_map(|pattern| pattern.captures_iter(text)).filter_map(|found| found.get(1)) {
            let found = found.as_str();
            if !self.known.values().any(|made| made.contains(found) || found.contains(made.as_str())) {
                self.doubts.push(Doubt { span: found.to_owned(), why });
            }
        }
    }

    /// Lists the words that are part of a known name, but for their capitals: `mark` may be a word as well.
    fn doubt_small(&mut self, text: &str) {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= 3);
        let is_part = |word: &&str| {
            let is_it = |known: &String| known != word && known.to_lowercase() == word.to_lowercase();
            word.starts_with(char::is_lowercase) && self.known.keys().any(is_it)
        };
        let found: Vec<String> = words.filter(is_part).map(str::to_owned).collect();
        self.doubts.extend(found.into_iter().map(|span| Doubt { span, why: "a name in small letters, perhaps" }));
    }

    /// A text in which what is known already is replaced, and nothing else.
    fn again(&mut self, text: &str) -> String {
        let mut spans: Vec<(Range<usize>, String)> = Vec::new();
        for number in parcel_numbers(text) {
            if let Some(made) = self.known.get(&number.compact) {
                let written = &text[number.at.clone()];
                spans.push((number.at.clone(), in_shape(written, made)));
            }
        }
        // The longest first, so that a whole name goes before its parts.
        let mut known: Vec<(&String, &String)> = self.known.iter().collect();
        known.sort_by_key(|(original, _)| (std::cmp::Reverse(original.len()), (*original).clone()));
        for (original, made) in known.into_iter().filter(|(original, _)| original.chars().count() >= 3) {
            // A name of one word may be a word that means something else in small letters.
            let is_telling = original.contains(|c: char| c.is_whitespace() || c == '@' || c.is_ascii_digit());
            let mut from = 0;
            while let Some(span) = found_in(text, from, original, is_telling) {
                from = span.end;
                let is_whole = !text[..span.start].ends_with(char::is_alphanumeric)
                    && !text[span.end..].starts_with(char::is_alphanumeric);
                if is_whole && !spans.iter().any(|(taken, _)| taken.start < span.end && span.start < taken.end) {
                    let made = as_written(&text[span.clone()], made);
                    spans.push((span, made));
                }
            }
        }
        replaced(text, spans)
    }
}

/// Where a text next has this, from a byte on; also in other capitals, if that does not matter.
fn found_in(text: &str, from: usize, wanted: &str, in_any_case: bool) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    if !in_any_case {
        return rest.find(wanted).map(|at| from + at..from + at + wanted.len());
    }
    let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
    rest.char_indices().find_map(|(at, _)| {
        let mut there = rest[at..].char_indices();
        let mut end = at;
        for wanted in wanted.chars() {
            let (offset, c) = there.next().filter(|(_, c)| same(*c, wanted))?;
            end = at + offset + c.len_utf8();
        }
        (end > at).then_some(from + at..from + end)
    })
}

fn replaced(text: &str, mut spans: Vec<(Range<usize>, String)>) -> String {
    spans.sort_by_key(|(span, _)| span.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (span, made) in spans.into_iter() {
        // None of them overlap.
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(&made);
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
