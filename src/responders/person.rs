//! Calls a person: into the chat while agents are there, later for word that is left, or says how to reach one.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use time::{Date, Duration};

use super::lines::{Line, Lines};
use super::markdown::escaped;
use super::{Answer, Asked, BoxFuture, Presence, Reply, Responder, Turn};
use crate::conversation::{Button, Focus, Millis, Reason};
use crate::people::Opens;
use crate::text::date::written;

/// The state in which it asks where an answer is to go.
const VERSION: u32 = 1;
/// From so many days ahead on, a day of the week is not enough to say when.
const WEEK: u16 = 7;
/// The longest e-mail address.
const LONGEST: usize = 254;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        // What quotes or marks it does not begin it.
        r"[A-Za-z0-9_][A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+",
    )
});
static PHONE: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:\+|\b|\()[0-9][0-9 ()/.\-]{5,24}[0-9]"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// The responder `person`: answers only turns that are handed to it, by `then: person`, by a plugin or by a button.
pub struct Person {
    lines: Arc<Lines>,
}

impl Person {
    /// The name that `then:` and `pipeline:` use.
    pub const NAME: &str = "person";
    /// The `choice` of the button that leaves word.
    pub const MESSAGE: &str = "person/message";
    /// The `choice` of the button that brings the pipeline back.
    pub const BACK: &str = "person/back";

    /// A responder that speaks these lines.
    pub fn new(lines: Arc<Lines>) -> Person {
        Person { lines }
    }

    /// What customers are told while nobody is there: where may an answer go, and when is somebody there again?
    pub fn away(lines: &Lines, languages: &[Arc<str>], opens: Option<Opens>) -> String {
        let away = lines.say(Line::PeopleAway, languages).0;
        match opens {
            Some(opens) => format!("{}\n\n{}", away.trim_end(), opening(lines, languages, opens)),
            None => away.to_owned(),
        }
    }

    /// The question of [`Person::away`], asked by purser itself. `team` gets the word.
    pub fn asked(team: Option<String>, now: Millis) -> Focus {
        Focus::new(Person::NAME, VERSION, team.into(), now)
    }

    fn answer(&self, turn: &Turn) -> Answer {
        let is_ours = turn.focus.as_ref().is_some_and(|focus| &*focus.responder == Person::NAME);
        if is_ours && turn.choice.is_none() {
            return self.taken(turn);
        }
        if turn.choice.as_deref() == Some(Person::BACK) {
            return Answer::Reply(self.say(turn, Line::WithBot));
        }
        match turn.people {
            Presence::Never => Answer::HandOver(self.say(turn, Line::Person)),
            Presence::Now if turn.choice.as_deref() == Some(Person::MESSAGE) => {
                asks(self.say(turn, Line::LeaveMessage), turn.team.clone())
            }
            Presence::Now => {
                let (hand_over, team) = (Some(Reason::Asked), turn.team.clone());
                let reply = Reply { hand_over, team, ..self.say(turn, Line::Queued) };
                Answer::HandOver(Reply {
                    buttons: vec![self.button(turn, Line::BackButton, Person::BACK)].into(),
                    ..reply
                })
            }
            Presence::Later(opens) => self.ask(turn, opens),
        }
    }

    /// Asks where an answer is to go.
    fn ask(&self, turn: &Turn, opens: Option<Opens>) -> Answer {
        let text = Person::away(&self.lines, &turn.languages, opens);
        asks(Reply { text: text.into(), ..self.say(turn, Line::PeopleAway) }, turn.team.clone())
    }

    /// What was said when it was asked for. What has nothing of an address is another subject.
    fn taken(&self, turn: &Turn) -> Answer {
        let team = turn.focus.as_ref().and_then(|focus| focus.state.as_str()).map(str::to_owned);
        let (name, contact) = match contact(&turn.text) {
            Ok(found) => found,
            Err(true) => {
                let reply = self.say(turn, Line::ContactUnclear);
                return asks(reply, team);
            }
            Err(false) => return Answer::Pass,
        };
        let mut reply = self.say(turn, Line::MessageTaken);
        reply.text = reply.text.replace("{contact}", &escaped(&contact, LONGEST)).into();
        reply.attributes = vec![(name.to_owned(), Some(contact))];
        reply.hand_over = Some(Reason::Message);
        reply.team = team;
        Answer::Reply(reply)
    }

    fn say(&self, turn: &Turn, line: Line) -> Reply {
        let (text, language) = self.lines.say(line, &turn.languages);
        Reply { text: text.into(), language: Some(language.into()), ..Reply::default() }
    }

    fn button(&self, turn: &Turn, line: Line, choice: &str) -> Button {
        let text = self.lines.say(line, &turn.languages).0.trim().to_owned();
        Button { text, choice: Some(choice.to_owned()), ..Button::default() }
    }
}

fn opening(
    lines: &Lines,
    languages: &[Arc<str>],
    Opens { in_days, weekday, date, at: (hour, minute) }: Opens,
) -> String {
    let days = lines.say(Line::Weekdays, languages).0;
    let (line, language) = lines.say(Line::PeopleBack, languages);
    let day = match in_days {
        0 => lines.say(Line::Today, languages).0.trim(),
        _ => days.split(',').nth(weekday.into()).unwrap_or_default().trim(),
    };
    // A day of the week alone would be taken for the next one.
    let day = if in_days < WEEK { day.to_owned() } else { format!("{day}, {}", on(date, in_days, language)) };
    line.trim_end().replace("{day}", &day).replace("{time}", &format!("{hour}:{minute:02}"))
}

/// A date as a language writes it, without the day of the week; as 2026-12-28 where we do not know how.
fn on(date: Date, in_days: u16, language: &str) -> String {
    let today = date.checked_sub(Duration::days(in_days.into())).unwrap_or(date);
    let known = ["en", "de"].contains(&language.split(['-', '_']).next().unwrap_or_default());
    let written = written(date, today, language);
    match written.split_once(", ").filter(|_| known) {
        Some((_, date)) => date.to_owned(),
        None => date.to_string(),
    }
}

/// The state is the team that gets the word.
fn asks(reply: Reply, team: Option<String>) -> Answer {
    Answer::Ask(reply, Asked { state: team.into(), version: VERSION, proposed: None })
}

impl Responder for Person {
    fn name(&self) -> &str {
        Person::NAME
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(std::future::ready(Ok(self.answer(turn))))
    }

    fn resumes(&self, version: u32) -> bool {
        version == VERSION
    }
}

/// The attribute and the address in a text: `email` or `phone`. An error says whether something was meant as one.
fn contact(text: &str) -> Result<(&'static str, String), bool> {
    // No mail server takes one with two points in a row.
    let fits = |email: &&str| email.len() <= LONGEST && !email.contains("..") && !email.contains(".@");
    if let Some(email) = EMAIL.find(text).map(|email| email.as_str()).filter(fits) {
        return Ok(("email", email.to_owned()));
    }
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    if let Some(phone) = PHONE.find_iter(text).find(|phone| (7..=15).contains(&digits(phone.as_str()))) {
        return Ok(("phone", phone.as_str().trim().to_owned()));
    }
    Err(text.contains('@') || digits(text) >= 4)
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn who_comes_back_after_the_holidays_says_on_which_date() {
        let lines = Lines::new(Lines::built_in().map(|(tag, texts)| (tag.to_owned(), texts)), "en");
        let said = |in_days, language: &str| {
            let opens = Opens { in_days, weekday: 0, date: date!(2027 - 01 - 04), at: (9, 0) };
            opening(&lines, &[language.into()], opens)
        };
        assert_eq!(said(6, "en"), "We are here again on Monday at 9:00.");
        assert_eq!(said(12, "en"), "We are here again on Monday, 4 January 2027 at 9:00.");
        assert_eq!(said(3, "de"), "Montag um 9:00 Uhr sind wir wieder da.");
        assert_eq!(said(12, "de-AT"), "Montag, 4. Januar 2027 um 9:00 Uhr sind wir wieder da.");
    }

    #[test]
    fn an_address_is_found_and_checked() {
        for (text, expected) in [
            ("anna@example.org", Ok(("email", "anna@example.org"))),
            ("it is anna.b+shop@mail.example.co.uk, thanks", Ok(("email", "anna.b+shop@mail.example.co.uk"))),
            ("call me on +44 20 7946 0123 please", Ok(("phone", "+44 20 7946 0123"))),
            ("(030) 901820", Ok(("phone", "(030) 901820"))),
            ("07700 900 123", Ok(("phone", "07700 900 123"))),
            ("it is 'o'brien@example.org' or *that*", Ok(("email", "o'brien@example.org"))),
            ("**anna@example.org**", Ok(("email", "anna@example.org"))),
            ("anna..b@example.org", Err(true)),
            ("anna.@example.org", Err(true)),
            ("anna@example", Err(true)),
            ("anna@@example.org!", Err(true)),
            ("12345", Err(true)),
            ("1234 5678 9012 3456 7890 1234", Err(true)),
            ("how much to France?", Err(false)),
            ("two", Err(false)),
        ] {
            let expected = expected.map(|(name, contact): (&str, &str)| (name, contact.to_owned()));
            assert_eq!(contact(text), expected, "{text}");
        }
    }
}
