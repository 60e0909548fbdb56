//! What the model may state: only what stands in the entries and in the results of tools of this turn.
//!
//! A number, an amount of money, a day, a parcel number, an address or a status that none of them has is invented, or
//! comes from somebody who wants it said. What the customer wrote counts for little: who asks "confirm that I get 500
//! pounds back" must not read it as our answer.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use time::Date;

use super::figures::{numbers, numbers_at, terms, terms_said};
use crate::text::date::{Day, days};
use crate::text::money::amounts;
use crate::text::parcel::parcel_numbers;
use crate::text::span::{Span, Unit, spans};
use crate::text::status::{Named, Status, statuses};
use crate::text::words::fold;

static PERCENT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(\d+(?:[.,]\d+)?)\s?(?:%|percent|per cent|prozent)"));
static CLOCK: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?i)\b(\d{1,2})(?:[:.](\d{2}))?\s?(?:am|pm|a\.m|p\.m|uhr|h\b|o.clock)"));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| regex(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"));
/// "1." and "2)" that begin a line number a list.
static LISTED: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^\s*\d{1,2}[.)]\s"));
/// "On Saturdays" is said of all of them, and of no day in the calendar.
static WEEKDAY: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:mon|tues?|wed|wednes|thu|thurs?|fri|sat|satur|sun)(?:days?)?$|^(?:mon|diens|donners|frei|sams|sonn)tags?$|^(?:mittwochs?|sonnabends?)$",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// What an answer says that it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// An amount of money that nothing says.
    Amount,
    /// A day, or a month, that nothing says.
    Date,
    /// Where a parcel is, which nothing says.
    Status,
    /// The number of a parcel that nobody named.
    Parcel,
    /// Any other number that nothing says.
    Number,
    /// An e-mail address that nothing says.
    Email,
    /// A link to a host that is not allowed, or an image.
    Link,
    /// HTML.
    Html,
    /// More than a customer reads, or it was cut off.
    Long,
    /// It does not say what it is made from.
    Unsourced,
}

impl Breach {
    /// The word for it in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Breach::Amount => "amount",
            Breach::Date => "date",
            Breach::Status => "status",
            Breach::Parcel => "parcel",
            Breach::Number => "number",
            Breach::Email => "email",
            Breach::Link => "link",
            Breach::Html => "html",
            Breach::Long => "long",
            Breach::Unsourced => "unsourced",
        }
    }
}

/// What entries, tools and the customer have said in this turn.
#[derive(Debug, Default)]
pub(super) struct Facts {
    today: Option<Date>,
    languages: BTreeSet<String>,
    amounts: HashSet<(i64, &'static str)>,
    days: HashSet<Date>,
    /// Those that an entry only names as days of the week, by their next date.
    weekdays: HashSet<(Date, Weekly)>,
    /// Months, times of the day, words for money: what is named and has no figure.
    terms: HashSet<String>,
    spans: HashSet<Span>,
    parcels: HashSet<String>,
    numbers: HashSet<String>,
    percents: HashSet<String>,
    clock: HashSet<(String, String)>,
    emails: HashSet<String>,
    /// Spoken of in an entry or by a tool.
    statuses: HashSet<Status>,
    /// Told by a tool.
    told: HashSet<Status>,
    told_numbers: HashSet<String>,
    /// What only the customer said.
    own_numbers: HashSet<String>,
    own_emails: HashSet<String>,
}

impl Facts {
    /// Nothing said yet. Sentences are read in these languages.
    pub fn new(today: Option<Date>, languages: impl IntoIterator<Item = Arc<str>>) -> Facts {
        let primary = |tag: Arc<str>| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Facts { today, languages: languages.into_iter().map(primary).collect(), ..Facts::default() }
    }

    /// Content staff said this.
    pub fn add_entry(&mut self, text: &str) {
        for language in self.languages.clone() {
            self.amounts.extend(amounts(text, &language).iter().map(|money| (money.minor, money.currency)));
            for day in self.today.iter().flat_map(|today| days(text, *today, &language)) {
                match weekly(&text[day.at]) {
                    Some(weekly) => _ = self.weekdays.insert((day.date, weekly)),
                    None => _ = self.days.insert(day.date),
                }
            }
            self.spans.extend(spans(text, &language));
        }
        self.terms.extend(terms_said(text));
        self.parcels.extend(parcel_numbers(text).into_iter().map(|number| number.compact));
        self.numbers.extend(numbers(text));
        self.percents.extend(percents(text));
        self.clock.extend(clock(text));
        self.emails.extend(emails(text));
        self.statuses.extend(sentences(text).flat_map(statuses).map(|named| named.status));
    }

    /// A tool said this, or what it looked up.
    pub fn add_tool(&mut self, text: &str) {
        self.add_entry(text);
        self.days.extend(self.languages.iter().flat_map(|language| {
            self.today.iter().flat_map(|today| days(text, *today, language)).map(|day| day.date).collect::<Vec<_>>()
        }));
        self.told_numbers.extend(numbers(text));
        self.told.extend(sentences(text).flat_map(statuses).map(|named| named.status));
    }

    /// The customer said this. It makes harmless what is only said back: a parcel's number, a weight, an address of
    /// their own. No amount, day, percentage or status becomes true by it.
    pub fn add_customer(&mut self, text: &str) {
        self.parcels.extend(parcel_numbers(text).into_iter().map(|number| number.compact));
        self.own_numbers.extend(numbers(text));
        let sizes = |(_, unit): &Span| matches!(unit, Unit::Kilograms | Unit::Centimetres);
        self.spans.extend(self.languages.iter().flat_map(|language| spans(text, language)).filter(sizes));
        self.own_emails.extend(emails(text));
    }

    /// What a sentence states that nothing says, if it does.
    pub fn check(&self, sentence: &str) -> Result<(), Breach> {
        let known = |named: &Named| match named.is_claim {
            // What was delivered has arrived.
            true if named.status == Status::Arrived && self.told.contains(&Status::Delivered) => true,
            true => self.told.contains(&named.status),
            false => self.statuses.contains(&named.status),
        };
        if !statuses(sentence).iter().all(known) {
            return Err(Breach::Status);
        }
        self.check_figures(sentence)
    }

    /// The same of figures, days and addresses alone.
    pub fn check_figures(&self, sentence: &str) -> Result<(), Breach> {
        let sentence = &*LISTED.replace_all(sentence, "\n");
        // Where something stands that was looked at as more than a number.
        let mut seen: Vec<Range<usize>> = Vec::new();
        for language in &self.languages {
            for money in amounts(sentence, language) {
                if !self.amounts.contains(&(money.minor, money.currency)) {
                    return Err(Breach::Amount);
                }
                seen.push(money.at);
            }
            for day in self.today.iter().flat_map(|today| days(sentence, *today, language)) {
                if !self.has_day(&day, &sentence[day.at.clone()]) {
                    return Err(Breach::Date);
                }
                seen.push(day.at);
            }
        }
        if let Some((breach, _)) = terms(sentence).find(|(_, term)| !self.terms.contains(term)) {
            return Err(breach);
        }
        for number in parcel_numbers(sentence) {
            if !self.parcels.contains(&number.compact) {
                return Err(Breach::Parcel);
            }
            seen.push(number.at);
        }
        if emails(sentence).any(|email| !self.emails.contains(&email) && !self.own_emails.contains(&email)) {
            return Err(Breach::Email);
        }
        if percents(sentence).any(|percent| !self.percents.contains(&percent))
            || clock(sentence).any(|time| !self.clock.contains(&time))
            || self.languages.iter().flat_map(|language| spans(sentence, language)).any(|span| !self.has_span(span))
        {
            return Err(Breach::Number);
        }
        seen.extend(CLOCK.find_iter(sentence).map(|time| time.range()));
        let is_seen = |at: &Range<usize>| seen.iter().any(|seen| seen.start <= at.start && at.end <= seen.end);
        let unknown = |number: &String| !self.numbers.contains(number) && !self.own_numbers.contains(number);
        match numbers_at(sentence).any(|(at, number)| !is_seen(&at) && unknown(&number)) {
            true => Err(Breach::Number),
            false => Ok(()),
        }
    }

    fn has_day(&self, day: &Day, words: &str) -> bool {
        let as_said = |weekly: &Weekly| self.weekdays.contains(&(day.date, *weekly));
        let of_week = match weekly(words) {
            Some(Weekly::Named) => [Weekly::Named, Weekly::On].iter().any(as_said),
            Some(Weekly::On) => as_said(&Weekly::On),
            None => false,
        };
        of_week || self.days.contains(&day.date)
    }

    /// What a tool has looked up says what its numbers count in its own way.
    fn has_span(&self, (tenths, unit): Span) -> bool {
        let number = match tenths % 10 {
            0 => (tenths / 10).to_string(),
            rest => format!("{}.{rest}", tenths / 10),
        };
        self.spans.contains(&(tenths, unit)) || self.told_numbers.contains(&number)
    }
}

/// How a day of the week is said that is none of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Weekly {
    /// "Mon", in opening hours.
    Named,
    /// "on Sundays"
    On,
}

/// How a day of the week is said, where these words are one: "next Sunday" is a day of the calendar.
fn weekly(words: &str) -> Option<Weekly> {
    let words = fold(words);
    let (weekly, day) = match words.split_once(char::is_whitespace) {
        Some(("on" | "am", day)) => (Weekly::On, day.trim()),
        Some(_) => return None,
        None => (Weekly::Named, words.as_str()),
    };
    WEEKDAY.is_match(day).then_some(weekly)
}

fn percents(text: &str) -> impl Iterator<Item = String> + '_ {
    PERCENT.captures_iter(text).map(|found| found[1].replace(',', "."))
}

fn clock(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let minutes = |found: &regex::Captures<'_>| found.get(2).map_or("00", |minutes| minutes.as_str()).to_owned();
    CLOCK.captures_iter(text).map(move |found| (found[1].trim_start_matches('0').to_owned(), minutes(&found)))
}

fn emails(text: &str) -> impl Iterator<Item = String> + '_ {
    EMAIL.find_iter(text).map(|found| found.as_str().trim_end_matches('.').to_lowercase())
}

/// What may be looked at by itself: of data each field, of prose each sentence.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '.', '!', '?', ',', ';']).filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::new(Some(date!(2026 - 11 - 25)), ["en-GB".into(), "de".into()]);
        facts.add_entry(
            "Standard costs from £3.49 and takes 2–3 working days. Call 020 7946 0123, Mon–Fri 8am to 6 pm.",
        );
        facts.add_entry("On Sundays we rest.");
        facts.add_entry("A parcel that was delivered to a neighbour is on the card. 20 % off in December.");
        facts.add_tool("**PX 1234 5678 5 GB** is out for delivery. It should arrive on Friday, 27 November.");
        facts.add_tool(r#"{"number":"PX123456785GB","status":"out_for_delivery","expected":"2026-11-27"}"#);
        facts.add_customer("Confirm that my 7 kg parcel was refunded with £500 on 3 March, 90% for anna@example.org");
        facts
    }

    #[test]
    fn what_was_said_may_be_said() {
        let facts = facts();
        for sentence in [
            "It costs £3.49 and takes 2–3 working days.",
            "From 3.49 GBP on.",
            "Call **020 7946 0123** between 8 am and 6 pm.",
            "It is out for delivery and should arrive on Friday.",
            "It comes on 27 November.",
            "PX123456785GB is out for delivery.",
            "It comes on 27.11.2026, or 27/11.",
            "It is on the van.",
            "It takes two to three working days.",
            "If it was delivered to a neighbour, there is a card.",
            "In December there is 20 % off.",
            "1. Weigh it\n2. Pack it",
            "A parcel of 7 kg is fine.",
            "We write to anna@example.org.",
            "We deliver on most days.",
            "On Sundays we rest, and on Sunday.",
        ] {
            assert_eq!(facts.check(sentence), Ok(()), "{sentence}");
        }
    }

    #[test]
    fn what_nobody_said_is_not_said() {
        let facts = facts();
        for (sentence, breach) in [
            ("It costs £3.99.", Breach::Amount),
            ("It costs 3,49 €.", Breach::Amount),
            ("It is five pounds.", Breach::Amount),
            ("You get £500 back.", Breach::Amount),
            ("It comes tomorrow.", Breach::Date),
            ("It comes on Monday.", Breach::Date),
            ("Es kam gestern.", Breach::Date),
            ("It comes in four days.", Breach::Date),
            ("It comes on Sunday, 29 November.", Breach::Date),
            ("It was refused on 3 March.", Breach::Date),
            ("It arrives before Christmas.", Breach::Date),
            ("Your parcel was delivered.", Breach::Status),
            ("Ihr Paket wurde zugestellt.", Breach::Status),
            ("It is lost.", Breach::Status),
            ("You have been refunded.", Breach::Status),
            ("PX987654321GB is another one.", Breach::Parcel),
            ("We give you 90% back.", Breach::Number),
            ("It takes 4 days.", Breach::Number),
            ("It takes seven working days.", Breach::Number),
            ("It takes 49 days.", Breach::Number),
            ("It takes 3 hours, or 8 days.", Breach::Number),
            ("It costs 49 more.", Breach::Number),
            ("It costs £ 3.50.", Breach::Amount),
            ("It is free of charge.", Breach::Amount),
            ("It comes this afternoon.", Breach::Date),
            ("It comes in May.", Breach::Date),
            ("Es kommt am Wochenende.", Breach::Date),
            ("Your parcel arrived at your neighbour's house.", Breach::Status),
            ("It was handed to your neighbour.", Breach::Status),
            ("Your parcel is in our depot in Leeds.", Breach::Status),
            ("Your refund has been approved.", Breach::Status),
            ("Your address has been changed.", Breach::Status),
            ("Ihr Paket liegt beim Nachbarn.", Breach::Status),
            ("We are there until 11 pm.", Breach::Number),
            ("Write to boss@evil.example.", Breach::Email),
        ] {
            assert_eq!(facts.check(sentence), Err(breach), "{sentence}");
        }
    }
}
