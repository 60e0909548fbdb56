//! When people are there to answer, and how long everybody waits: what the site says of its agents.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use crate::conversation::{Millis, Patience};

/// How many days ahead the next opening is looked for.
const AHEAD: usize = 30;

/// What a site says of the people who answer.
#[derive(Debug, Clone, PartialEq)]
pub struct People {
    /// When they are there; nothing: always.
    pub hours: Option<Hours>,
    /// How long is waited for what.
    pub patience: Patience,
    /// Whether a customer is asked to rate a chat with an agent that is over.
    pub ask_rating: bool,
    /// After so many questions in a row without an answer a person is called; 0: only when one is asked for.
    pub call_after: u8,
}

impl Default for People {
    fn default() -> People {
        const MINUTE: Millis = 60_000;
        let patience =
            Patience { wait: 3 * MINUTE, forgotten: 10 * MINUTE, remind: Some(15 * MINUTE), idle: 60 * MINUTE };
        People { hours: None, patience, ask_rating: true, call_after: 3 }
    }
}

impl People {
    /// The day of a time where the site is, as 2026-02-04; in UTC if the site has no time zone.
    pub fn day(&self, at: Millis) -> String {
        let zone = self.hours.as_ref().map_or(TimeZone::UTC, |hours| hours.zone.clone());
        let day = Timestamp::from_millisecond(at).map(|at| zone.to_datetime(at).date().to_string());
        day.unwrap_or_default()
    }
}

/// Opening hours of a week, with days on which nobody comes, in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    zone: TimeZone,
    spans: Vec<Span>,
    holidays: Vec<Holiday>,
}

/// Some days of the week from one time to another. A span that ends at or before its beginning ends the next day.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    days: [bool; 7],
    from: Time,
    to: Time,
}

/// One day, or the same day of every year.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holiday {
    Once(Date),
    Yearly(i8, i8),
}

/// Whether this can be the name of a team: small letters, digits and hyphens, at most 32, such as `claims`.
pub fn is_team(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// When people come next, where the site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opens {
    /// The day, as days after today: 0 is today.
    pub in_days: u16,
    /// The day of the week, from Monday, which is 0.
    pub weekday: u8,
    /// The date.
    pub date: time::Date,
    /// Hour and minute.
    pub at: (u8, u8),
}

impl Hours {
    /// Hours such as `mon-fri 09:00-17:30`, and holidays such as `2026-12-24` or `12-25`, in a zone such as
    /// `Europe/London`. An error says what is wrong and what would be right.
    pub fn new(zone: &str, spans: &[String], holidays: &[String]) -> Result<Hours, String> {
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("`{zone}` is no time zone; write one such as Europe/London or UTC"))?;
        let spans = spans.iter().map(|span| parse_span(span)).collect::<Result<Vec<_>, _>>()?;
        let holidays = holidays.iter().map(|day| parse_holiday(day)).collect::<Result<_, _>>()?;
        if spans.is_empty() {
            return Err("there are no hours; write such as `mon-fri 09:00-17:30`, or leave it out".to_owned());
        }
        Ok(Hours { zone, spans, holidays })
    }

    /// Whether people are there at this time.
    pub fn are_open(&self, now: Millis) -> bool {
        self.local(now).is_some_and(|now| self.covers(now))
    }

    /// When they come next, if they are not there and come within a month.
    pub fn next(&self, now: Millis) -> Option<Opens> {
        let now = self.local(now)?;
        let mut day = now.date();
        for in_days in 0..AHEAD {
            if !self.is_holiday(day) {
                let here = self.spans.iter().filter(|span| span.days[index(day.weekday())]);
                let first = here.map(|span| span.from).filter(|from| in_days > 0 || *from > now.time()).min();
                if let Some(from) = first {
                    let number = |n: i8| u8::try_from(n).unwrap_or_default();
                    let month = time::Month::try_from(number(day.month())).ok()?;
                    return Some(Opens {
                        in_days: u16::try_from(in_days).unwrap_or(u16::MAX),
                        weekday: u8::try_from(index(day.weekday())).unwrap_or_default(),
                        date: time::Date::from_calendar_date(day.year().into(), month, number(day.day())).ok()?,
                        at: (number(from.hour()), number(from.minute())),
                    });
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn covers(&self, now: DateTime) -> bool {
        let (day, time) = (now.date(), now.time());
        let today = !self.is_holiday(day);
        let before = day.yesterday().ok().filter(|before| !self.is_holiday(*before));
        self.spans.iter().any(|span| {
            let over_night = span.to <= span.from;
            let here = today && span.days[index(day.weekday())] && time >= span.from && (over_night || time < span.to);
            let still = over_night && time < span.to && before.is_some_and(|day| span.days[index(day.weekday())]);
            here || still
        })
    }

    fn is_holiday(&self, day: Date) -> bool {
        self.holidays.iter().any(|holiday| match *holiday {
            Holiday::Once(date) => date == day,
            Holiday::Yearly(month, of_month) => (month, of_month) == (day.month(), day.day()),
        })
    }

    fn local(&self, now: Millis) -> Option<DateTime> {
        let now = Timestamp::from_millisecond(now).ok()?;
        Some(self.zone.to_datetime(now))
    }
}

fn index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or_default()
}

fn parse_span(text: &str) -> Result<Span, String> {
    let wrong = || format!("`{text}` are no hours; write such as `mon-fri 09:00-17:30` or `sat 10:00-14:00`");
    let (days, times) = text.trim().split_once(char::is_whitespace).ok_or_else(wrong)?;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let mut on = [false; 7];
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (weekday(first).ok_or_else(wrong)?, weekday(last).ok_or_else(wrong)?);
        let length = (last + 7 - first) % 7;
        for day in 0..=length {
            on[(first + day) % 7] = true;
        }
    }
    // Midnight at the end of a day is the beginning of the next.
    let to = if to.trim() == "24:00" { Some(Time::midnight()) } else { time(to) };
    Ok(Span { days: on, from: time(from).ok_or_else(wrong)?, to: to.ok_or_else(wrong)? })
}

fn weekday(name: &str) -> Option<usize> {
    const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    NAMES.iter().position(|known| name.trim().eq_ignore_ascii_case(known))
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn parse_holiday(text: &str) -> Result<Holiday, String> {
    let parts: Option<Vec<i16>> = text.trim().split('-').map(|part| part.parse().ok()).collect();
    let small = |n: i16| i8::try_from(n).unwrap_or_default();
    let holiday = match parts.as_deref() {
        Some(&[year, month, day]) => Date::new(year, small(month), small(day)).ok().map(Holiday::Once),
        // A leap year has every day.
        Some(&[month, day]) => {
            Date::new(2024, small(month), small(day)).ok().map(|_| Holiday::Yearly(small(month), small(day)))
        }
        _ => None,
    };
    holiday.ok_or_else(|| format!("`{text}` is no day; write 2026-12-24, or 12-25 for every year"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn hours_are_those_of_the_sites_zone_and_know_holidays() {
        let spans = texts(&["mon-fri 09:00-17:30", "sat 10:00-14:00"]);
        let hours = Hours::new("Europe/Berlin", &spans, &texts(&["2026-12-24", "12-25"])).expect("hours");
        for (now, open) in [
            // Wednesday; Berlin is an hour ahead in winter, two in summer.
            ("2026-01-07T07:59:59Z", false),
            ("2026-01-07T08:00:00Z", true),
            ("2026-01-07T16:29:59Z", true),
            ("2026-01-07T16:30:00Z", false),
            ("2026-07-08T07:00:00Z", true),
            ("2026-07-08T15:30:00Z", false),
            // Saturday, Sunday.
            ("2026-01-10T09:30:00Z", true),
            ("2026-01-10T13:00:00Z", false),
            ("2026-01-11T10:00:00Z", false),
            // Holidays.
            ("2026-12-24T10:00:00Z", false),
            ("2030-12-25T10:00:00Z", false),
            ("2027-12-24T10:00:00Z", true),
        ] {
            assert_eq!(hours.are_open(at(now)), open, "{now}");
        }
        let next = |now: &str| hours.next(at(now)).map(|opens| (opens.in_days, opens.weekday, opens.at));
        assert_eq!(next("2026-01-07T05:00:00Z"), Some((0, 2, (9, 0))));
        assert_eq!(next("2026-01-07T17:00:00Z"), Some((1, 3, (9, 0))));
        assert_eq!(next("2026-01-10T14:00:00Z"), Some((2, 0, (9, 0))));
        // From the day before both holidays over them to the Saturday.
        assert_eq!(next("2026-12-23T20:00:00Z"), Some((3, 5, (10, 0))));
    }

    #[test]
    fn a_span_may_go_over_midnight() {
        let hours = Hours::new("UTC", &texts(&["fri 22:00-02:00", "mon,wed 00:00-24:00"]), &[]).expect("hours");
        for (now, open) in [
            ("2026-01-09T21:59:00Z", false),
            ("2026-01-09T23:00:00Z", true),
            ("2026-01-10T01:59:00Z", true),
            ("2026-01-10T02:00:00Z", false),
            ("2026-01-05T23:59:00Z", true),
            ("2026-01-06T00:00:00Z", false),
        ] {
            assert_eq!(hours.are_open(at(now)), open, "{now}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (zone, span, holiday) in [
            ("Mars/Olympus", "mon 09:00-10:00", "12-25"),
            ("UTC", "monday 09:00-10:00", "12-25"),
            ("UTC", "mon 9-10", "12-25"),
            ("UTC", "mon 09:00-25:00", "12-25"),
            ("UTC", "mon 09:00-10:00", "13-01"),
            ("UTC", "mon 09:00-10:00", "christmas"),
        ] {
            let error = Hours::new(zone, &texts(&[span]), &texts(&[holiday])).expect_err("a mistake");
            assert!(error.contains("; write"), "{error}");
        }
        assert!(Hours::new("UTC", &[], &[]).is_err());
    }
}
