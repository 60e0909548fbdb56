//! `llm:` of the file: the model that may answer what nobody else does.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::values;
use crate::finding::Finding;
use crate::responders::llm::{Key, Settings};
use crate::responders::script::manifest::is_name;
use crate::sources::filled;
use crate::yaml::{self, Entries};

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    llm: Option<Written>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: String,
    model: String,
    about: String,
    key: Option<String>,
    #[serde(default)]
    instructions: String,
    stream: Option<bool>,
    #[serde(default)]
    extra: Entries<Value>,
    entries: Option<u32>,
    history_tokens: Option<u32>,
    answer_tokens: Option<u32>,
    tool_rounds: Option<u32>,
    first_token_seconds: Option<u32>,
    seconds: Option<u32>,
    calls: Option<u32>,
    waiting: Option<u32>,
    wait_seconds: Option<u32>,
    visitor_tokens: Option<u32>,
    day_tokens: Option<u32>,
    #[serde(default)]
    links: Vec<String>,
    #[serde(default)]
    visitor: Vec<String>,
    mask: Option<bool>,
}

/// Reads this part of the file's text; `variable` gives the environment's. What is wrong goes to `problems`.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Option<Settings> {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            // The snippet may be of another part, which may hold secrets.
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return None;
        }
    };
    let checked = part.llm?.checked(variable);
    checked.map_err(|problem| problems.push(Finding::error(file, format!("llm: {problem}")).to_string())).ok()
}

impl Written {
    fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, String> {
        let usual = Settings::default();
        let number = |key: &str, written: Option<u32>, usual: u32, least: u32, most: u32| match written {
            None => Ok(usual),
            Some(number) if (least..=most).contains(&number) => Ok(number),
            Some(number) => Err(format!("{key}: {number} is not a number from {least} to {most}")),
        };
        let seconds = |key: &str, written: Option<u32>, usual: Duration, least: u32| {
            let usual = u32::try_from(usual.as_secs()).unwrap_or(u32::MAX);
            number(key, written, usual, least, 600).map(|seconds| Duration::from_secs(seconds.into()))
        };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let written = |what: &str, text: &str, example: &str| match text.trim() {
            "" => Err(format!("{what} is empty; write {example}")),
            text => Ok(text.to_owned()),
        };
        let model = written("model", &self.model, "the model's name, as its server calls it")?;
        let about = written("about", &self.about, "who the company is, such as `Halyard, which sends parcels`")?;
        let settings = Settings {
            url: url(&self.url)?,
            model,
            key: self.key.map(|key| secret(&key, variable)).transpose()?,
            about,
            instructions: self.instructions,
            stream: self.stream.unwrap_or(usual.stream),
            extra: self.extra.0.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
            entries: count(number("entries", self.entries, 5, 1, 20)?),
            history_tokens: number("history_tokens", self.history_tokens, usual.history_tokens, 0, 100_000)?,
            answer_tokens: number("answer_tokens", self.answer_tokens, usual.answer_tokens, 16, 4_000)?,
            tool_rounds: number("tool_rounds", self.tool_rounds, usual.tool_rounds, 0, 10)?,
            first_token: seconds("first_token_seconds", self.first_token_seconds, usual.first_token, 1)?,
            time: seconds("seconds", self.seconds, usual.time, 1)?,
            calls: count(number("calls", self.calls, 8, 1, 1_000)?),
            waiting: count(number("waiting", self.waiting, 16, 0, 10_000)?),
            wait: seconds("wait_seconds", self.wait_seconds, usual.wait, 0)?,
            visitor_tokens: number("visitor_tokens", self.visitor_tokens, usual.visitor_tokens, 1_000, u32::MAX)?,
            day_tokens: number("day_tokens", self.day_tokens, usual.day_tokens, 1_000, u32::MAX)?,
            links: self.links.iter().map(|host| values::host(host)).collect::<Result<_, _>>()?,
            visitor: self.visitor,
            mask: self.mask.unwrap_or(usual.mask),
        };
        if let Some(name) = settings.visitor.iter().find(|name| !is_name(name)) {
            return Err(format!("visitor: `{name}` is not the name of an attribute, such as name"));
        }
        if settings.first_token > settings.time {
            return Err("first_token_seconds is more than seconds, which is for the whole answer".to_owned());
        }
        Ok(settings)
    }
}

/// The address below which `/chat/completions` is.
fn url(text: &str) -> Result<String, String> {
    let wrong = || format!("url: `{text}` is no address; write such as http://127.0.0.1:11434/v1");
    let address = text.trim().trim_end_matches('/');
    let (scheme, rest) = address.split_once("://").ok_or_else(wrong)?;
    if !matches!(scheme, "http" | "https") || rest.contains(['@', '?', '#', ' ']) || !has_host(rest) {
        return Err(wrong());
    }
    Ok(address.strip_suffix("/chat/completions").unwrap_or(address).to_owned())
}

/// Whether what follows the scheme begins with a host, and a port if it has one.
fn has_host(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => !host.is_empty() && port.parse::<u16>().is_ok(),
        _ => !authority.is_empty(),
    }
}

/// A key, which comes from the environment and from nowhere else.
fn secret(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Key, String> {
    let is_variable = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some();
    if !is_variable {
        return Err("key: it comes from the environment; write `key: ${LLM_KEY}` and set that variable".to_owned());
    }
    let key = filled(text.trim(), variable).map_err(|why| format!("key: {why}"))?;
    match key.bytes().all(|b| b.is_ascii_graphic()) && !key.is_empty() {
        true => Ok(Key::new(key)),
        false => Err("key: the variable must be of printable ASCII characters without blanks".to_owned()),
    }
}
