//! `retention:` of the file: how many days conversations are kept.

use serde::Deserialize;

use crate::conversation::{Millis, Retention};
use crate::finding::Finding;
use crate::yaml;

const DAY: Millis = 24 * 60 * 60 * 1_000;
/// A hundred years.
const LONGEST: u32 = 36_500;

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    retention: Option<Written>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    days: Option<u32>,
    #[serde(default)]
    closed_days: Option<u32>,
    #[serde(default)]
    anonymous_days: Option<u32>,
}

/// Reads this part of the file's text. What is wrong goes to `problems`.
pub(super) fn read(file: &str, text: &str, problems: &mut Vec<String>) -> Retention {
    let written = match yaml::read::<Part>(file, text) {
        Ok(part) => part.retention,
        Err(finding) => {
            // The snippet may be of another part, which may hold secrets.
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            None
        }
    };
    let Some(Written { days, closed_days, anonymous_days }) = written else { return Retention::default() };
    let mut kept = |key: &str, days: Option<u32>| {
        let days = days?;
        if (1..=LONGEST).contains(&days) {
            return Some(Millis::from(days) * DAY);
        }
        let problem = format!("retention.{key}: {days} is not a number of days from 1 to {LONGEST}");
        problems.push(Finding::error(file, problem).to_string());
        None
    };
    Retention {
        all: kept("days", days),
        closed: kept("closed_days", closed_days),
        anonymous: kept("anonymous_days", anonymous_days),
    }
}
