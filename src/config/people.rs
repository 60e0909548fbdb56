//! `people:` of the file: who answers for the company, and when.

use serde::Deserialize;

use crate::conversation::{Millis, Patience};
use crate::finding::Finding;
use crate::people::{Hours, People};
use crate::yaml;

const MINUTE: Millis = 60_000;
/// The longest time that anybody waits for anything, in minutes: four weeks.
const LONGEST: u32 = 28 * 24 * 60;

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    people: Option<Written>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    hours: Vec<String>,
    #[serde(default)]
    holidays: Vec<String>,
    #[serde(default)]
    wait_minutes: Option<u32>,
    #[serde(default)]
    forgotten_minutes: Option<u32>,
    #[serde(default)]
    remind_minutes: Option<u32>,
    #[serde(default)]
    idle_minutes: Option<u32>,
    #[serde(default)]
    ask_rating: Option<bool>,
    #[serde(default)]
    call_after: Option<u8>,
}

/// Reads this part of the file's text. What is wrong goes to `problems`.
pub(super) fn read(file: &str, text: &str, problems: &mut Vec<String>) -> People {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            // The snippet may be of another part, which may hold secrets.
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return People::default();
        }
    };
    let Some(written) = part.people else { return People::default() };
    written.checked().unwrap_or_else(|problem| {
        problems.push(Finding::error(file, format!("people: {problem}")).to_string());
        People::default()
    })
}

impl Written {
    fn checked(self) -> Result<People, String> {
        let People { patience: usual, ask_rating, call_after, .. } = People::default();
        let minutes = |key: &str, written: Option<u32>, usual: Millis| match written {
            None => Ok(usual),
            Some(minutes) if (1..=LONGEST).contains(&minutes) => Ok(Millis::from(minutes) * MINUTE),
            Some(minutes) => Err(format!("{key}: {minutes} is not a number of minutes from 1 to {LONGEST}")),
        };
        let patience = Patience {
            wait: minutes("wait_minutes", self.wait_minutes, usual.wait)?,
            forgotten: minutes("forgotten_minutes", self.forgotten_minutes, usual.forgotten)?,
            remind: match (self.remind_minutes, usual.remind) {
                (Some(0), _) | (None, None) => None,
                (written, usual) => Some(minutes("remind_minutes", written, usual.unwrap_or_default())?),
            },
            idle: minutes("idle_minutes", self.idle_minutes, usual.idle)?,
        };
        let hours = match (&self.time_zone, self.hours.is_empty()) {
            (Some(zone), false) => Some(Hours::new(zone, &self.hours, &self.holidays)?),
            (None, false) => return Err("hours need a `time_zone`, such as Europe/London".to_owned()),
            (_, true) if !self.holidays.is_empty() => {
                return Err("holidays need `hours`, such as `mon-sun 00:00-24:00`".to_owned());
            }
            _ => None,
        };
        let ask_rating = self.ask_rating.unwrap_or(ask_rating);
        Ok(People { hours, patience, ask_rating, call_after: self.call_after.unwrap_or(call_after) })
    }
}
