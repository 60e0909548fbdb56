//! Days in a sentence, relative to today, and days written in a language. All are days of UTC.

use std::ops::Range;

use time::{Date, Duration, Month, OffsetDateTime, Weekday};

use super::number::number_at;
use super::words::{Word, words};
use crate::conversation::Millis;

/// A day in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// The day of a time; `None` outside of the years that can be written.
pub fn day_of(millis: Millis) -> Option<Date> {
    OffsetDateTime::from_unix_timestamp(millis.div_euclid(1_000)).ok().map(OffsetDateTime::date)
}

/// The first millisecond of a day.
pub fn millis_of(date: Date) -> Millis {
    date.midnight().assume_utc().unix_timestamp() * 1_000
}

/// The days of a sentence, in order. A weekday is the next one after today; with "last" the one before. A day without
/// a year is the nearest: in the coming ten months, else past. `3/5` is the third of May.
pub fn days(text: &str, today: Date, language: &str) -> Vec<Day> {
    let words = words(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match day_at(&words, text, at, today, language) {
            Some((date, taken)) => {
                found.push(Day { date, at: words[at].at.start..words[at + taken - 1].at.end });
                at += taken;
            }
            None => at += 1,
        }
    }
    found
}

fn day_at(words: &[Word<'_>], text: &str, at: usize, today: Date, language: &str) -> Option<(Date, usize)> {
    relative(words, at, today, language)
        .or_else(|| weekday(words, at, today))
        .or_else(|| iso(words, at))
        .or_else(|| named_month(words, at, today))
        .or_else(|| figures(words, text, at, today))
}

/// "tomorrow", "in three days", "vor zwei Wochen"
fn relative(words: &[Word<'_>], at: usize, today: Date, language: &str) -> Option<(Date, usize)> {
    let word = |by: usize| words.get(at + by).map(|word| word.folded.as_str());
    let (days, taken) = match (word(0)?, word(1), word(2), word(3)) {
        ("day", Some("after"), Some("tomorrow"), _) => (2, 3),
        ("day", Some("before"), Some("yesterday"), _) => (-2, 3),
        ("today" | "tonight" | "heute", ..) => (0, 1),
        ("tomorrow" | "tmrw" | "tmr" | "tommorow" | "tomorow", ..) => (1, 1),
        ("yesterday" | "gestern", ..) => (-1, 1),
        ("ubermorgen" | "uebermorgen", ..) => (2, 1),
        ("vorgestern", ..) => (-2, 1),
        // "guten Morgen", "am Morgen", "heute Morgen" are the morning.
        ("morgen", ..)
            if !matches!(
                at.checked_sub(1).map(|at| words[at].folded.as_str()),
                Some("guten" | "am" | "heute" | "jeden" | "der" | "gestern" | "n")
            ) =>
        {
            (1, 1)
        }
        ("in", ..) => {
            let (value, used) = number_at(words, at + 1, language)?;
            (count(value, word(1 + used)?)?, 2 + used)
        }
        ("vor", ..) => {
            let (value, used) = number_at(words, at + 1, language)?;
            (-count(value, word(1 + used)?)?, 2 + used)
        }
        ("next" | "nachste" | "nachster" | "nachsten" | "kommende", Some("week" | "woche"), ..) => (7, 2),
        _ => {
            // "three days ago"
            let (value, used) = number_at(words, at, language)?;
            let days = count(value, word(used)?)?;
            (word(used + 1) == Some("ago")).then_some((-days, used + 2))?
        }
    };
    Some((today.checked_add(Duration::days(days))?, taken))
}

/// So many days or weeks, as days.
fn count(value: f64, unit: &str) -> Option<i64> {
    let days = match unit {
        "day" | "days" | "tag" | "tage" | "tagen" => 1.0,
        "week" | "weeks" | "woche" | "wochen" => 7.0,
        _ => return None,
    };
    let days = (value * days).round();
    // In range, so nothing is cut off.
    #[allow(clippy::cast_possible_truncation)]
    (0.0..=3_660.0).contains(&days).then_some(days as i64)
}

/// "friday", "next friday", "am Freitag", "letzten Freitag"
fn weekday(words: &[Word<'_>], at: usize, today: Date) -> Option<(Date, usize)> {
    let first = words[at].folded.as_str();
    let past = matches!(first, "last" | "letzten" | "letzter" | "vergangenen");
    let said = past
        || matches!(
            first,
            "next" | "this" | "on" | "am" | "nachsten" | "naechsten" | "kommenden" | "diesen" | "dieser"
        );
    let (day, taken) = match weekday_named(first) {
        Some(day) => (day, 1),
        None if said => (weekday_named(&words.get(at + 1)?.folded)?, 2),
        None => return None,
    };
    let ahead =
        (i64::from(day.number_days_from_monday()) - i64::from(today.weekday().number_days_from_monday())).rem_euclid(7);
    let days = match (past, ahead) {
        (false, 0) => 7,
        (false, ahead) => ahead,
        (true, ahead) => ahead - 7,
    };
    Some((today.checked_add(Duration::days(days))?, taken))
}

fn weekday_named(word: &str) -> Option<Weekday> {
    // "mon" and "sun" are words of other meanings; the short German forms are too short to be told from anything.
    Some(match word {
        "monday" | "mondays" | "montag" | "montags" => Weekday::Monday,
        "tuesday" | "tuesdays" | "tue" | "tues" | "dienstag" => Weekday::Tuesday,
        "wednesday" | "wednesdays" | "wed" | "mittwoch" => Weekday::Wednesday,
        "thursday" | "thursdays" | "thu" | "thur" | "thurs" | "donnerstag" => Weekday::Thursday,
        "friday" | "fridays" | "fri" | "freitag" => Weekday::Friday,
        "saturday" | "saturdays" | "sat" | "samstag" | "sonnabend" => Weekday::Saturday,
        "sunday" | "sundays" | "sonntag" => Weekday::Sunday,
        _ => return None,
    })
}

/// "2026-05-03"
fn iso(words: &[Word<'_>], at: usize) -> Option<(Date, usize)> {
    let [year, month, day] = words.get(at..at + 3)? else { return None };
    if year.raw.len() != 4 || month.before != "-" || day.before != "-" {
        return None;
    }
    Some((date(year.raw.parse().ok()?, month.raw.parse().ok()?, day.raw.parse().ok()?)?, 3))
}

/// "3 May", "May 3rd, 2026", "3. Mai", "the third of May"
fn named_month(words: &[Word<'_>], at: usize, today: Date) -> Option<(Date, usize)> {
    let word = |by: usize| words.get(at + by);
    let folded = |by: usize| word(by).map(|word| word.folded.as_str());
    let day_number = |by: usize| -> Option<(u8, usize)> {
        let day: u8 = match word(by)?.raw.trim_end_matches('.').parse() {
            Ok(day) => day,
            Err(_) => return None,
        };
        let suffix = matches!(folded(by + 1), Some("st" | "nd" | "rd" | "th" | "ter" | "ten"))
            && word(by + 1)?.before.is_empty();
        Some((day, 1 + usize::from(suffix)))
    };
    let (day, month, mut taken) = if let Some(month) = folded(0).and_then(month_named) {
        let (day, used) = day_number(1)?;
        // "May 2026" is a month.
        (day, month, 1 + used)
    } else {
        let (day, used) = day_number(0)?;
        let of = usize::from(folded(used) == Some("of"));
        (day, month_named(folded(used + of)?)?, used + of + 1)
    };
    let year = word(taken).filter(|word| word.raw.len() == 4).and_then(|word| word.raw.parse().ok());
    if year.is_some() {
        taken += 1;
    }
    Some((with_year(year, month, day, today)?, taken))
}

/// "3.5.", "3.5.26", "03/05/2026"
fn figures(words: &[Word<'_>], text: &str, at: usize, today: Date) -> Option<(Date, usize)> {
    // With points between it is one word: "3.5.2026", "3.5".
    let word = &words[at];
    let parts: Vec<&str> = word.raw.split('.').collect();
    if parts.len() >= 2 {
        let ends_with_point = text[word.at.end..].starts_with('.');
        if parts.len() == 2 && !ends_with_point {
            return None;
        }
        let year = parts.get(2).and_then(|year| year_of(year));
        if parts.len() > 3 || (parts.len() == 3 && year.is_none()) {
            return None;
        }
        return Some((with_year(year, parts[1].parse().ok()?, parts[0].parse().ok()?, today)?, 1));
    }
    let month = words.get(at + 1).filter(|word| word.before == "/" && word.raw.len() <= 2)?;
    let year = words.get(at + 2).filter(|word| word.before == "/").and_then(|word| year_of(word.raw));
    let (first, second): (u8, u8) = (word.raw.parse().ok()?, month.raw.parse().ok()?);
    // "05/13/2026" can only be meant the American way.
    let (day, month) = if second > 12 { (second, first) } else { (first, second) };
    Some((with_year(year, month, day, today)?, 2 + usize::from(year.is_some())))
}

fn year_of(text: &str) -> Option<i32> {
    let year: i32 = text.parse().ok()?;
    match text.len() {
        2 => Some(2_000 + year),
        4 if (1_900..=2_200).contains(&year) => Some(year),
        _ => None,
    }
}

/// The date; without a year the nearest one.
fn with_year(year: Option<i32>, month: u8, day: u8, today: Date) -> Option<Date> {
    if let Some(year) = year {
        return date(year, month, day);
    }
    let of = |year: i32| date(year, month, day);
    let near = |date: &Date| (*date - today).whole_days() > -60;
    of(today.year()).filter(near).or_else(|| of(today.year() + 1))
}

fn date(year: i32, month: u8, day: u8) -> Option<Date> {
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

fn month_named(word: &str) -> Option<u8> {
    const MONTHS: [&[&str]; 12] = [
        &["january", "jan", "januar", "janner"],
        &["february", "feb", "februar"],
        &["march", "mar", "marz", "maerz"],
        &["april", "apr"],
        &["may", "mai"],
        &["june", "jun", "juni"],
        &["july", "jul", "juli"],
        &["august", "aug"],
        &["september", "sep", "sept"],
        &["october", "oct", "oktober", "okt"],
        &["november", "nov"],
        &["december", "dec", "dezember", "dez"],
    ];
    let at = MONTHS.iter().position(|names| names.contains(&word))?;
    u8::try_from(at + 1).ok()
}

/// A day as a language writes it: "Tuesday, 5 May", "Dienstag, 5. Mai"; with the year if it is not that of `today`.
pub fn written(date: Date, today: Date, language: &str) -> String {
    const GERMAN_DAYS: [&str; 7] = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];
    const GERMAN_MONTHS: [&str; 12] = [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ];
    let year = if date.year() == today.year() { String::new() } else { format!(" {}", date.year()) };
    if language == "de" || language.starts_with("de-") {
        let day = GERMAN_DAYS[usize::from(date.weekday().number_days_from_monday())];
        let month = GERMAN_MONTHS[usize::from(u8::from(date.month())) - 1];
        return format!("{day}, {}. {month}{year}", date.day());
    }
    format!("{}, {} {}{year}", date.weekday(), date.day(), date.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u8, day: u8) -> Date {
        date(year, month, day).unwrap()
    }

    #[test]
    fn days_are_found() {
        // A Wednesday.
        let today = day(2026, 3, 4);
        for (text, language, expected) in [
            ("today", "en", Some((2026, 3, 4))),
            ("can it come tomorrow?", "en", Some((2026, 3, 5))),
            ("the day after tomorrow", "en", Some((2026, 3, 6))),
            ("yesterday", "en", Some((2026, 3, 3))),
            ("next tuesday please", "en", Some((2026, 3, 10))),
            ("on Friday", "en", Some((2026, 3, 6))),
            ("wednesday", "en", Some((2026, 3, 11))),
            ("last monday", "en", Some((2026, 3, 2))),
            ("in 3 days", "en", Some((2026, 3, 7))),
            ("in two weeks", "en", Some((2026, 3, 18))),
            ("a week ago", "en", Some((2026, 2, 25))),
            ("3 May", "en", Some((2026, 5, 3))),
            ("May 3rd", "en", Some((2026, 5, 3))),
            ("the 3rd of May 2027", "en", Some((2027, 5, 3))),
            ("2026-05-03", "en", Some((2026, 5, 3))),
            ("03/05/2026", "en", Some((2026, 5, 3))),
            ("05/13/2026", "en", Some((2026, 5, 13))),
            ("20 Feb", "en", Some((2026, 2, 20))),
            ("12 December", "en", Some((2026, 12, 12))),
            ("1 January", "en", Some((2027, 1, 1))),
            ("heute", "de", Some((2026, 3, 4))),
            ("geht es morgen?", "de", Some((2026, 3, 5))),
            ("morgen früh", "de", Some((2026, 3, 5))),
            ("Guten Morgen!", "de", None),
            ("übermorgen", "de", Some((2026, 3, 6))),
            ("nächsten Dienstag", "de", Some((2026, 3, 10))),
            ("am Samstag", "de", Some((2026, 3, 7))),
            ("am 3. Mai", "de", Some((2026, 5, 3))),
            ("am 3.5.", "de", Some((2026, 5, 3))),
            ("3.5.26", "de", Some((2026, 5, 3))),
            ("03.05.2026", "de", Some((2026, 5, 3))),
            ("in drei Tagen", "de", Some((2026, 3, 7))),
            ("vor einer Woche", "de", Some((2026, 2, 25))),
            ("31. Februar", "de", None),
            ("3.5 kg", "en", None),
            ("may I send it", "en", None),
            ("in 99999999999 days", "en", None),
            ("the sun is out, sat down", "en", Some((2026, 3, 7))),
        ] {
            let found = days(text, today, language).first().map(|found| found.date);
            assert_eq!(found, expected.map(|(year, month, of)| day(year, month, of)), "{text}");
        }
    }

    #[test]
    fn days_are_written() {
        let today = day(2026, 3, 4);
        assert_eq!(written(day(2026, 5, 5), today, "en"), "Tuesday, 5 May");
        assert_eq!(written(day(2027, 1, 1), today, "en"), "Friday, 1 January 2027");
        assert_eq!(written(day(2026, 5, 5), today, "de"), "Dienstag, 5. Mai");
        assert_eq!(day_of(millis_of(today)), Some(today));
    }
}
