//! Takes out of a recording what leads to a person, and puts something invented of the same shape in its place, the
//! same for the same: names, e-mail addresses, telephone and parcel numbers, addresses.
//!
//! No rule finds all of it. What looks like it and was left, or was replaced on a guess, is listed for a look.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Action, Expected, Recording};
use crate::conversation::Author;
use crate::text::parcel::{ParcelNumber, parcel_numbers};

/// Invented people, who have the first names of programmers and no family.
const FIRST: [&str; 12] =
    ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Niklaus", "Radia", "Dennis", "Hedy", "Tim"];
const LAST: [&str; 6] = ["Example", "Sample", "Specimen", "Muster", "Model", "Instance"];

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

    /// The same for the same; `make` invents it.
    fn stand_in(&mut self, original: &str, make: impl FnOnce(&mut Disguise) -> String) -> String {
        if let Some(made) = self.known.get(original) {
            return made.clone();
        }
        let made = make(self);
        self.known.insert(original.to_owned(), made.clone());
        made
    }

    fn email(&mut self, original: &str) -> String {
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("customer{}@example.com", disguise.numbers)
        })
    }

    /// As many words as the name has.
    fn person(&mut self, original: &str) -> String {
        let words: Vec<&str> = original.split_whitespace().collect();
        let known = self.known.contains_key(original);
        let made = self.stand_in(original, |disguise| {
            let number = disguise.people;
            disguise.people += 1;
            let first = FIRST[number % FIRST.len()];
            let last = LAST[number / FIRST.len() % LAST.len()];
            match words.len() {
                0 | 1 => first.to_owned(),
                _ => format!("{first} {last}"),
            }
        });
        if !known && let ([first, .., last], Some((made_first, made_last))) = (&words[..], made.split_once(' ')) {
            self.known.entry((*first).to_owned()).or_insert_with(|| made_first.to_owned());
            self.known.entry((*last).to_owned()).or_insert_with(|| made_last.to_owned());
        }
        made
    }

    /// What a file is called may name anybody; what it is stays.
    fn file(&mut self, original: &str) -> String {
        let ending = original.rsplit_once('.').map_or("", |(_, ending)| ending);
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("file-{}.{ending}", disguise.numbers)
        })
    }

    fn word(&mut self, original: &str) -> String {
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("Example {}", disguise.numbers)
        })
    }

    /// A street keeps what kind of a street it is, and another number.
    fn street(&mut self, original: &str) -> String {
        let make = |disguise: &mut Disguise| {
            disguise.numbers += 1;
            let number = 10 + disguise.numbers;
            let english = STREET.as_ref().and_then(|pattern| pattern.captures(original));
            if let Some(kind) = english.as_ref().and_then(|found| found.get(2)) {
                return format!("{number} Example {}", kind.as_str());
            }
            let german = STRASSE.as_ref().and_then(|pattern| pattern.captures(original));
            let kind = german.as_ref().and_then(|found| found.get(2)).map_or("straße", |kind| kind.as_str());
            format!("Muster{kind} {number}")
        };
        self.stand_in(original, make)
    }

    /// Other digits, after the first `kept` characters that are no letters.
    fn digits(&mut self, original: &str, kept: usize) -> String {
        self.shaped(original, |compact, dice| {
            let mut seen = 0;
            let digit = |c: char| {
                seen += usize::from(c.is_ascii_digit());
                if c.is_ascii_digit() && seen > kept { dice.digit() } else { c }
            };
            compact.chars().map(digit).collect()
        })
    }

    /// Another postcode, perhaps with the town behind it. It begins with the same character, which says roughly where
    /// that is.
    fn postcode(&mut self, original: &str) -> String {
        if let Some((code, town)) = original.split_once(' ')
            && town.chars().count() > 3
            && town.chars().all(char::is_alphabetic)
        {
            let made = format!("{} Musterstadt", self.postcode(code));
            self.known.insert(original.to_owned(), made.clone());
            return made;
        }
        self.shaped(original, |compact, dice| {
            let other = |(at, c): (usize, char)| match c {
                _ if at == 0 => c,
                c if c.is_ascii_digit() => dice.digit(),
                c if c.is_ascii_alphabetic() => dice.letter(),
                c => c,
            };
            compact.chars().enumerate().map(other).collect()
        })
    }

    /// The number of another bank account in the same country, whose check digits fit as the original's do; `None` if it
    /// is none.
    fn iban(&mut self, original: &str) -> Option<String> {
        let compact = compact(original);
        let fits = checked(&compact) == Some(1);
        // Words of four letters can follow each other, too.
        if !fits && compact.bytes().filter(u8::is_ascii_digit).count() < 10 {
            return None;
        }
        Some(self.shaped(original, |compact, dice| {
            let other = |c: char| if c.is_ascii_digit() { dice.digit() } else { dice.letter() };
            let (country, rest) = compact.split_at(2.min(compact.len()));
            let account: String = rest.chars().skip(2).map(other).collect();
            let check = match checked(&format!("{country}00{account}")).filter(|_| fits) {
                Some(rest) => format!("{:02}", 98 - rest),
                None => format!("{}{}", dice.digit(), dice.digit()),
            };
            format!("{country}{check}{account}")
        }))
    }

    /// Something invented for a number or a code that may be written in several ways: with blanks, dashes or small letters
    /// it is the same. `make` gets its letters, in capitals, and digits, and gives as many.
    fn shaped(&mut self, original: &str, make: impl Fn(&str, &mut Dice) -> String) -> String {
        let compact = compact(original);
        let made = self.stand_in(&compact, |disguise| {
            disguise.numbers += 1;
            let mut dice = Dice(disguise.numbers as u64);
            // A short one may come out as it was.
            let other = std::iter::repeat_with(|| make(&compact, &mut dice)).take(5).find(|made| *made != compact);
            other.unwrap_or_else(|| compact.clone())
        });
        let made = in_shape(original, &made);
        self.known.insert(original.to_owned(), made.clone());
        made
    }

    /// A number of the same carrier whose check digit fits, or does not, as the original's does.
    fn parcel(&mut self, number: &ParcelNumber, written: &str) -> String {
        let made = self.stand_in(&number.compact, |disguise| {
            disguise.numbers += 1;
            invented(number, disguise.numbers as u64)
        });
        if made == number.compact {
            self.doubts.push(Doubt { span: written.to_owned(), why: "a parcel number of which no like was found" });
        }
        in_shape(written, &made)
    }
}

/// A number like this one: the recogniser itself says what is.
fn invented(number: &ParcelNumber, seed: u64) -> String {
    let original: Vec<char> = number.compact.chars().collect();
    let letters = original.iter().take_while(|c| c.is_ascii_alphabetic()).count();
    // What the format is known by stands at its beginning.
    let kept = if letters > 0 { letters } else { original.len().min(4).max(original.len() / 4) };
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9));
    for _ in 0..200 {
        let mut made: Vec<char> = original.clone();
        let places: Vec<usize> = (kept..made.len()).filter(|&at| made[at].is_ascii_digit()).collect();
        places.iter().for_each(|&at| made[at] = dice.digit());
        let Some((&last, _)) = places.split_last() else { break };
        for check in '0'..='9' {
            made[last] = check;
            let candidate: String = made.iter().collect();
            let found = parcel_numbers(&candidate);
            if let [found] = &found[..]
                && (found.carrier, found.check, &found.compact) == (number.carrier, number.check, &candidate)
                && candidate != number.compact
            {
                return candidate;
            }
        }
    }
    number.compact.clone()
}

/// The letters, in capitals, and the digits of a text.
fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// What the number of a bank account leaves when it is divided as its check digits want it, which is 1 if they fit; `None`
/// for what has other characters.
fn checked(iban: &str) -> Option<u32> {
    let (head, account) = iban.split_at_checked(4)?;
    let digits = account.chars().chain(head.chars()).map(|c| c.to_digit(36).filter(|_| c.is_ascii()));
    digits.into_iter().try_fold(0, |rest, digit| {
        let digit = digit?;
        Some((rest * if digit > 9 { 100 } else { 10 } + digit) % 97)
    })
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

/// What was made for a code, in the capitals of this one; for anything else as it is.
fn as_written(written: &str, made: &str) -> String {
    let (one, other) = (compact(written), compact(made));
    let is_alike = |(a, b): (char, char)| a.is_ascii_digit() == b.is_ascii_digit();
    let is_code = one.contains(|c: char| c.is_ascii_digit())
        && one.chars().count() == other.chars().count()
        && one.chars().zip(other.chars()).all(is_alike);
    if is_code { in_shape(written, &other) } else { made.to_owned() }
}

/// The characters of `made` with the blanks, dashes and small letters of `written`.
fn in_shape(written: &str, made: &str) -> String {
    let mut next = made.chars();
    let shaped = written.chars().map(|c| match c.is_alphanumeric() {
        true => match next.next() {
            Some(made) if c.is_lowercase() => made.to_ascii_lowercase(),
            Some(made) => made,
            None => c,
        },
        false => c,
    });
    shaped.collect()
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

/// The same digits every time: a recording that is written again is the same.
struct Dice(u64);

impl Dice {
    fn digit(&mut self) -> char {
        char::from(b'0' + u8::try_from(self.roll(10)).unwrap_or(0))
    }

    fn letter(&mut self) -> char {
        char::from(b'A' + u8::try_from(self.roll(26)).unwrap_or(0))
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parcel::Check;

    fn disguised(text: &str) -> (String, Vec<Doubt>) {
        let mut recording = Recording::parse("a.yaml", text).unwrap();
        let doubts = Disguise::recording(&mut recording);
        (recording.to_string(), doubts)
    }

    #[test]
    fn nothing_that_leads_to_a_person_is_left_and_the_same_stays_the_same() {
        let (text, doubts) = disguised(
            "start: { visitor: { name: Karl Herzog, email: karl@herzog.de, parcel: px100000017gb } }\n\
             lookups:\n  - { source: shipment, params: { number: PX100000017GB }, result: { status: lost, recipient: \
             Karl Herzog, weight: 2.5 } }\n\
             conversation:\n  - say: 'Hi, my name is Karl Herzog, where is px 1000 0001 7 gb? Write to karl@herzog.de \
             or call +49 170 5551234. Order 77788899, due 2026-03-02.'\n    answer:\n      text: 'Dear Karl, your \
             parcel PX100000017GB is lost. Call +44 20 7946 0321.'\n  - say: I live at 221 Baker Street, London NW1 \
             6XE. My neighbour Peter Pan took it.\n  - say: Ich wohne in der Hauptstraße 12a, 10115 Berlin.\n",
        );
        for gone in [
            "Karl",
            "Herzog",
            "herzog",
            "100000017",
            "1000 0001",
            "5551234",
            "77788899",
            "Baker",
            "NW1 6XE",
            "Hauptstraße 12a",
            "10115",
        ] {
            assert!(!text.contains(gone), "{gone} in\n{text}");
        }
        for stays in ["2026-03-02", "+44 20 7946 0321", "lost", "2.5"] {
            assert!(text.contains(stays), "{stays} in\n{text}");
        }
        assert!(text.contains("my name is Ada Example") && text.contains("Dear Ada, "), "{text}");
        // One number everywhere, of the same carrier, whose check digit fits.
        let numbers: Vec<ParcelNumber> =
            text.lines().flat_map(parcel_numbers).filter(|n| n.compact.starts_with("PX")).collect();
        assert!(numbers.len() >= 4 && numbers.iter().all(|number| number.compact == numbers[0].compact), "{text}");
        assert_eq!(numbers[0].check, Check::Right, "{text}");
        assert!(doubts.iter().any(|doubt| doubt.span == "Peter Pan"), "{doubts:?}");
        assert!(doubts.iter().any(|doubt| doubt.why.contains("order")), "{doubts:?}");
    }

    #[test]
    fn whoever_writes_without_capitals_is_disguised_too() {
        let (text, _) = disguised(
            "conversation:\n  - say: 'my name is anna meyer, call 555-123-4567 or (555) 765-4321'\n  \
             - say: 12 baker street, sw1a 1aa or SW1A1AA\n  - say: ich heiße jörg und warte\n  \
             - say: my name is on the parcel that I sent\n",
        );
        for gone in ["anna", "meyer", "123-4567", "765-4321", "baker", "sw1a 1aa", "SW1A1AA", "jörg"] {
            assert!(!text.contains(gone), "{gone} in\n{text}");
        }
        assert!(text.contains("und warte") && text.contains("my name is on the parcel that I sent"), "{text}");
    }

    #[test]
    fn the_same_is_the_same_however_it_is_written() {
        let (text, doubts) = disguised(
            "start: { visitor: { name: Karl Herzog } }\n\
             lookups:\n  - { source: delivery, params: { number: PX100000034GB, postcode: E18XX }, result: { street: 14 \
             Ropewalk } }\n\
             conversation:\n  - say: postcode is e1 8xx\n    answer: { text: \"It went to 14 Ropewalk, E1 8XX.\" }\n  - say: \
             i'm karl herzog at 14 ropewalk, and herzog stands on the bell\n  - say: KARL HERZOG\n",
        );
        for gone in ["e1 8xx", "E18XX", "E1 8XX", "8X", "karl", "KARL", "ropewalk", "Ropewalk"] {
            assert!(!text.contains(gone), "{gone} in\n{text}");
        }
        let code = text.split("postcode is ").nth(1).unwrap().lines().next().unwrap();
        let compact = code.replace(' ', "").to_uppercase();
        assert!(code.len() == 6 && code.starts_with('e'), "{code}");
        assert!(text.contains(&format!("\"postcode\":\"{compact}\"")), "{compact} in\n{text}");
        assert!(text.contains(&format!(", {}.", code.to_uppercase())), "{code} in\n{text}");
        // A word of its own may mean something else.
        assert!(text.contains("and herzog stands") && doubts.iter().any(|doubt| doubt.span == "herzog"), "{doubts:?}");
    }

    #[test]
    fn accounts_and_references_go_too_and_texts_stay_whole() {
        let (text, doubts) = disguised(
            "conversation:\n  - say: 'IBAN DE89 3704 0044 0532 0130 00, customer number is K-99812, order 4711'\n  - say: \
             iban de89370400440532013000 please\n  - say: I'm Karl Herzog, it goes to Ankerweg 3 soon, 10115\n  - say: I \
             want to order 1500g of this and that at10 with some more here\n",
        );
        for gone in ["3704", "0532", "99812", "4711", "Karl", "Herzog", "Ankerweg"] {
            assert!(!text.contains(gone), "{gone} in\n{text}");
        }
        assert!(
            text.contains(" soon") && text.contains("order 1500g of this and that at10 with some more here"),
            "{text}"
        );
        let iban = text.split("IBAN ").nth(1).unwrap().split(',').next().unwrap();
        assert_eq!((iban.len(), checked(&compact(iban))), (27, Some(1)), "{iban}");
        assert!(text.contains(&compact(iban).to_lowercase()), "{iban} in\n{text}");
        assert!(doubts.iter().any(|doubt| doubt.span == "10115"), "{doubts:?}");
    }

    #[test]
    fn what_is_told_later_is_known_from_the_start_and_the_rest_is_listed() {
        let (text, doubts) = disguised(
            "lookups:\n  - { source: order, params: { number: 4711 }, result: { customer: Karl Herzog, order: 77788899, \
             due: 1772442000000 } }\n\
             conversation:\n  - say: Herzog here, where is my parcel?\n    answer: { text: 'Hello Zoe Quinn, it is on its \
             way.' }\n  - say: My name is Karl Herzog.\n",
        );
        for gone in ["Karl", "Herzog", "77788899"] {
            assert!(!text.contains(gone), "{gone} in\n{text}");
        }
        assert!(text.contains("4711") && text.contains("1772442000000"), "{text}");
        for listed in ["Zoe Quinn", "1772442000000"] {
            assert!(doubts.iter().any(|doubt| doubt.span == listed), "{listed} in {doubts:?}");
        }
        // A name of two words that nothing tells to be one.
        let (_, doubts) = disguised("conversation:\n  - say: Peter Pan\n");
        assert!(doubts.iter().any(|doubt| doubt.span == "Peter Pan"), "{doubts:?}");
    }

    #[test]
    fn every_format_has_its_like() {
        for number in [
            "PX100000017GB",
            "1Z999AA10123456784",
            "9400111201080805483016",
            "RB123456785GB",
            "JJD0099999999",
            "00340433836442636597",
            "986578788855",
            "3318810025",
            "PX100000018GB",
        ] {
            let found = parcel_numbers(number);
            let [found] = &found[..] else { panic!("{number}: {found:?}") };
            let made = invented(found, 1);
            assert_ne!(made, number);
            let again = parcel_numbers(&made);
            assert_eq!((again[0].carrier, again[0].check), (found.carrier, found.check), "{number} {made}");
        }
    }
}
