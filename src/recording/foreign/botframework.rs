//! Bot Framework: `.transcript`, a list of activities in JSON, read and written, and `.chat`, its form to write by
//! hand.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Carried, Told, note};
use crate::conversation::Millis;
use crate::finding::Finding;
use crate::recording::{Action, DEFAULT_START, Recording, STEP};

pub(super) fn read_transcript(name: &str, text: &str) -> Result<Carried, Box<Finding>> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        let column = u32::try_from(error.column()).unwrap_or(u32::MAX);
        Box::new(Finding::error(name, format!("this is no JSON: {error}")).at(text, line, column))
    })?;
    let activities = value.as_array().or_else(|| value["activities"].as_array());
    let Some(activities) = activities else {
        return Err(Box::new(Finding::error(name, "a transcript is a list of activities")));
    };
    let lines = lines_of_items(text);
    let mut carried = Carried::default();
    let mut told = Told::default();
    let mut last: Option<Millis> = None;
    for (number, activity) in activities.iter().enumerate() {
        let line = lines.get(number).copied().unwrap_or(1);
        let mut leave = |message: String| carried.notes.push(note(name, text, line, message));
        let kind = activity["type"].as_str().unwrap_or("message");
        if !kind.eq_ignore_ascii_case("message") {
            leave(format!("an activity of the type `{kind}` has no place in a recording"));
            continue;
        }
        let said = activity["text"].as_str().unwrap_or_default().trim();
        for key in ["attachments", "entities", "channelData", "value"] {
            let is_empty = match &activity[key] {
                Value::Null => true,
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            if !is_empty {
                leave(format!("`{key}` has no place in a recording"));
            }
        }
        if is_bot(activity) {
            let buttons = activity["suggestedActions"]["actions"].as_array();
            let Some(expected) = told.answer() else {
                leave("the bot speaks before anything was said".to_owned());
                continue;
            };
            if !said.is_empty() {
                expected.contains.push(said.to_owned());
            }
            let title = |action: &Value| action["title"].as_str().or(action["value"].as_str()).map(str::to_owned);
            if let Some(buttons) = buttons.filter(|buttons| !buttons.is_empty()) {
                expected.buttons = Some(buttons.iter().filter_map(title).collect());
            }
            continue;
        }
        if said.is_empty() {
            leave("a message without words has no place in a recording".to_owned());
            continue;
        }
        let at = activity["timestamp"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
        if let Some(at) = at.map(|at| at.unix_timestamp() * 1_000) {
            match last {
                None => told.recording.start.now = Some(at),
                Some(before) if at > before + STEP => told.step(line, Action::Wait(at - before - STEP)),
                Some(_) => {}
            }
            last = Some(at);
        }
        if let (None, Some(locale)) = (&told.recording.start.language, activity["locale"].as_str()) {
            told.recording.start.language = Some(locale.to_owned());
        }
        told.say(line, said);
    }
    match told.is_empty() {
        true => carried.notes.push(note(name, text, 1, "no customer says anything here")),
        false => carried.recordings.push(told.recording),
    }
    Ok(carried)
}

fn is_bot(activity: &Value) -> bool {
    if let Some(role) = activity["from"]["role"].as_str() {
        return role.eq_ignore_ascii_case("bot");
    }
    let named = |key: &str| activity["from"][key].as_str().unwrap_or_default().to_lowercase();
    named("name").contains("bot") || named("id").contains("bot")
}

/// The lines on which the items of the outermost list begin.
fn lines_of_items(text: &str) -> Vec<u32> {
    let (mut lines, mut line, mut depth) = (Vec::new(), 1, 0);
    let (mut in_text, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            '\n' => line += 1,
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '{' | '[' if !in_text => {
                if c == '{' && depth == 1 {
                    lines.push(line);
                }
                depth += 1;
            }
            '}' | ']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    lines
}

pub(super) fn read_chat(name: &str, text: &str) -> Carried {
    let mut carried = Carried::default();
    let mut told = Told::default();
    let (mut user, mut bot) = ("user".to_owned(), "bot".to_owned());
    // Who speaks, from which line on, and what.
    let mut open: Option<(bool, u32, Vec<String>)> = None;
    let mut header = true;
    let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    for (number, line) in (1_u32..).zip(text.lines().chain([""])) {
        let trimmed = line.trim();
        let speaker = trimmed.split_once(':').and_then(|(who, said)| {
            let who = who.trim();
            let is = |name: &String, role: &str| who.eq_ignore_ascii_case(name) || who.eq_ignore_ascii_case(role);
            match (is(&user, "user"), is(&bot, "bot")) {
                (true, _) => Some((false, said)),
                (_, true) => Some((true, said)),
                _ => None,
            }
        });
        if (speaker.is_some() || number > count)
            && let Some((is_bot, line, said)) = open.take()
        {
            spoken(&mut told, is_bot, line, said, |line, message| {
                carried.notes.push(note(name, text, line, message));
            });
        }
        if let Some((is_bot, said)) = speaker {
            header = false;
            open = Some((is_bot, number, vec![said.trim().to_owned()]));
            continue;
        }
        if header {
            match trimmed.split_once('=') {
                Some(("user", value)) => user = value.trim().to_owned(),
                Some(("bot", value)) => bot = value.trim().to_owned(),
                _ if trimmed.is_empty() || trimmed.starts_with('>') || trimmed.starts_with("**") => {}
                _ => carried.notes.push(note(name, text, number, "this line belongs to nobody")),
            }
        } else if !trimmed.starts_with('>')
            && let Some((_, _, said)) = &mut open
        {
            said.push(line.to_owned());
        }
    }
    match told.is_empty() {
        true => carried.notes.push(note(name, text, 1, "no customer says anything here")),
        false => carried.recordings.push(told.recording),
    }
    carried
}

/// What somebody says, with instructions such as `[Delay=3000]` between.
fn spoken(told: &mut Told, is_bot: bool, line: u32, said: Vec<String>, mut leave: impl FnMut(u32, String)) {
    let mut words: Vec<String> = Vec::new();
    let mut buttons: Vec<String> = Vec::new();
    for (number, text) in (line..).zip(said) {
        let trimmed = text.trim();
        let instruction =
            trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|i| !i.contains(']'));
        let Some(instruction) = instruction else {
            words.push(text);
            continue;
        };
        let (kind, value) = instruction.split_once('=').unwrap_or((instruction, ""));
        match kind.to_lowercase().as_str() {
            "delay" => match value.trim().parse::<Millis>() {
                Ok(millis) if !is_bot => told.step(number, Action::Wait(millis)),
                _ => leave(number, "the time that a bot takes has no place in a recording".to_owned()),
            },
            "suggestedactions" | "suggestions" if is_bot => {
                buttons.extend(value.split('|').map(|title| title.trim().to_owned()));
            }
            _ => leave(number, format!("`[{instruction}]` has no place in a recording")),
        }
    }
    let text = words.join("\n").trim().to_owned();
    if !is_bot {
        if !text.is_empty() {
            told.say(line, &text);
        }
        return;
    }
    match told.answer() {
        Some(expected) => {
            if !text.is_empty() {
                expected.contains.push(text);
            }
            if !buttons.is_empty() {
                expected.buttons = Some(buttons);
            }
        }
        None if text.is_empty() => {}
        None => leave(line, "the bot speaks before anything was said".to_owned()),
    }
}

/// A recording as a transcript. Of an answer it holds what the recording says of its words.
pub fn transcript(recording: &Recording, id: &str) -> String {
    let mut now = recording.start.now.unwrap_or(DEFAULT_START);
    let mut activities = Vec::new();
    let mut add = |role: &str, text: String, buttons: &[String], now: Millis| {
        let other = if role == "bot" { "user" } else { "bot" };
        let number = activities.len();
        let mut activity = json!({
            "type": "message",
            "id": format!("{id}|{number:07}"),
            "timestamp": OffsetDateTime::from_unix_timestamp(now / 1_000).ok().and_then(|at| at.format(&Rfc3339).ok()),
            "channelId": "purser",
            "from": { "id": role, "name": role, "role": role },
            "recipient": { "id": other, "name": other, "role": other },
            "conversation": { "id": id },
            "text": text,
        });
        if !buttons.is_empty() {
            let actions = buttons.iter().map(|text| json!({ "type": "imBack", "title": text, "value": text }));
            activity["suggestedActions"] = json!({ "actions": actions.collect::<Vec<Value>>() });
        }
        if let (Some(language), "user") = (&recording.start.language, role) {
            activity["locale"] = json!(language);
        }
        activities.push(activity);
    };
    for step in &recording.conversation {
        match &step.action {
            Action::Say { text, .. } | Action::Press(text) => add("user", text.clone(), &[], now),
            Action::Agent(text) => add("bot", text.clone(), &[], now),
            Action::Wait(millis) => {
                now += millis;
                continue;
            }
            Action::Joined(_) | Action::Left(_) => continue,
        }
        if let Some(expected) = &step.answer {
            let text = expected.text.clone().unwrap_or_else(|| expected.contains.join("\n"));
            let buttons = expected.buttons.clone().unwrap_or_default();
            if !text.is_empty() || !buttons.is_empty() {
                add("bot", text, &buttons, now);
            }
        }
        now += STEP;
    }
    // A list of plain values can always be written.
    serde_json::to_string_pretty(&activities).unwrap_or_default() + "\n"
}
