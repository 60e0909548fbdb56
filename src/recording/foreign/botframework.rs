//! Bot Framework: `.transcript`, a list of activities in JSON, read and written, and `.chat`, its form to write by
//! hand.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Carried, Told, note};
use crate::conversation::{Author, Media, Millis};
use crate::finding::Finding;
use crate::recording::read::media;
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
    // How often a type comes that has no words, and where first: there may be dozens.
    let mut silent: BTreeMap<&str, (u32, usize)> = BTreeMap::new();
    for (number, activity) in activities.iter().enumerate() {
        let line = lines.get(number).copied().unwrap_or(1);
        let mut leave = |message: String| carried.notes.push(note(name, line, message));
        let kind = activity["type"].as_str().unwrap_or("message");
        if !kind.eq_ignore_ascii_case("message") {
            silent.entry(kind).or_insert((line, 0)).1 += 1;
            continue;
        }
        let said = activity["text"].as_str().unwrap_or_default().trim().replace("\r\n", "\n");
        for key in ["entities", "channelData", "value"] {
            if !says_nothing(&activity[key]) {
                leave(format!("`{key}` has no place in a recording"));
            }
        }
        let attachments = activity["attachments"].as_array().map_or(&[][..], Vec::as_slice);
        if is_bot(activity) {
            let mut shown = Shown::of(&activity["suggestedActions"]["actions"]);
            if !said.is_empty() {
                shown.texts.insert(0, said);
            }
            attachments.iter().for_each(|attachment| shown.add(attachment, &mut leave));
            shown.told(&mut told, &mut leave);
            continue;
        }
        let names: Vec<String> = attachments.iter().map(file_name).collect();
        if said.is_empty() && !names.iter().any(|name| media(name).is_some()) {
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
        if !said.is_empty() {
            told.say(line, &said);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for other in told.send(line, &names, !said.is_empty()) {
            leave(format!("the attachment `{other}` is no picture and no PDF, and has no place in a recording"));
        }
    }
    for (kind, (line, count)) in silent {
        let message = match count {
            1 => format!("an activity of the type `{kind}` has no place in a recording"),
            _ => format!(
                "{count} activities of the type `{kind}`, of which this is the first, have no place in a recording"
            ),
        };
        carried.notes.push(note(name, line, message));
    }
    match told.is_empty() {
        true => carried.notes.push(note(name, 1, "no customer says anything here")),
        false => carried.recordings.push(told.recording),
    }
    Ok(carried)
}

/// Whether there is nothing in it, or only what the emulator says of itself.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.iter().all(|item| item["type"] == "ClientCapabilities"),
        Value::Object(map) => map
            .keys()
            .all(|key| ["clientActivityID", "clientTimestamp"].iter().any(|known| known.eq_ignore_ascii_case(key))),
        _ => false,
    }
}

/// What a bot shows with one message.
#[derive(Default)]
struct Shown {
    texts: Vec<String>,
    buttons: Vec<String>,
}

impl Shown {
    /// The titles of actions.
    fn of(actions: &Value) -> Shown {
        let title = |action: &Value| action["title"].as_str().or(action["value"].as_str()).map(str::to_owned);
        let actions = actions.as_array().into_iter().flatten();
        Shown { texts: Vec::new(), buttons: actions.filter_map(title).collect() }
    }

    /// A card that is words and buttons; of others only that they are there.
    fn add(&mut self, attachment: &Value, leave: &mut impl FnMut(String)) {
        let kind = attachment["contentType"].as_str().unwrap_or_default();
        let content = &attachment["content"];
        let is_plain =
            ["hero", "thumbnail"].iter().any(|card| kind == format!("application/vnd.microsoft.card.{card}"));
        if !is_plain {
            return leave(format!("an attachment of the type `{kind}` has no place in a recording"));
        }
        let texts = ["title", "subtitle", "text"].iter().filter_map(|key| content[*key].as_str());
        self.texts.extend(texts.map(|text| text.trim().replace("\r\n", "\n")).filter(|text| !text.is_empty()));
        self.buttons.extend(Shown::of(&content["buttons"]).buttons);
        if !says_nothing(&content["images"]) || !says_nothing(&content["tap"]) {
            leave("the picture of a card has no place in a recording".to_owned());
        }
    }

    /// What the answer must be then. Before anything was said it is what the bot greets with.
    fn told(self, told: &mut Told, leave: &mut impl FnMut(String)) {
        match told.answer() {
            Some(expected) => {
                expected.contains.extend(self.texts);
                if !self.buttons.is_empty() {
                    expected.buttons = Some(self.buttons);
                }
            }
            None => {
                self.texts.iter().for_each(|text| told.greeted(text));
                if !self.buttons.is_empty() {
                    leave("buttons before anything was said have no place in a recording".to_owned());
                }
            }
        }
    }
}

/// How a file is called; where it has no name, what it is.
fn file_name(attachment: &Value) -> String {
    let kind = attachment["contentType"].as_str().unwrap_or("file");
    let name = attachment["name"].as_str().unwrap_or_default();
    if media(name).is_some() {
        return name.to_owned();
    }
    match kind.split_once('/') {
        Some(("image" | "application", ending)) if media(&format!("file.{ending}")).is_some() => {
            format!("{}.{ending}", if name.is_empty() { "file" } else { name })
        }
        _ if name.is_empty() => kind.to_owned(),
        _ => name.to_owned(),
    }
}

fn is_bot(activity: &Value) -> bool {
    static BOT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i:bots?(?:[^a-z]|$)|(?:^|[^a-z])bot)|(?:^|[a-z])Bot").ok());
    let role = |who: &str| activity[who]["role"].as_str().map(|role| role.eq_ignore_ascii_case("bot"));
    let named = |who: &str| {
        let has = |key: &&str| {
            let name = activity[who][*key].as_str().unwrap_or_default();
            BOT.as_ref().is_some_and(|bot| bot.is_match(name))
        };
        ["name", "id"].iter().any(has)
    };
    // Whoever speaks to a bot is none, whatever they are called.
    role("from").or(role("recipient").map(|is_bot| !is_bot)).unwrap_or_else(|| named("from"))
}

/// The lines on which the activities begin: the items of the list, or of the list in `activities`.
fn lines_of_items(text: &str) -> Vec<u32> {
    let (mut lines, mut line, mut depth) = (Vec::new(), 1, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    // How deep the items are, and whether the next one has still to begin.
    let mut items = None;
    let mut is_next = false;
    let mut begun = 0;
    let mut last = "";
    for (at, c) in text.char_indices() {
        if c == '\n' {
            line += 1;
        }
        if is_next && !in_text && !c.is_whitespace() && c != ']' && items == Some(depth) {
            lines.push(line);
            is_next = false;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => {
                if in_text {
                    last = &text[begun..at];
                }
                (in_text, begun) = (!in_text, at + 1);
            }
            '{' | '[' if !in_text => {
                depth += 1;
                if c == '[' && items.is_none() && (depth == 1 || (depth == 2 && last == "activities")) {
                    (items, is_next) = (Some(depth), true);
                }
            }
            '}' | ']' if !in_text => {
                if items == Some(depth) {
                    return lines;
                }
                depth = depth.saturating_sub(1);
            }
            ',' if !in_text && items == Some(depth) => is_next = true,
            _ => {}
        }
    }
    lines
}

pub(super) fn read_chat(name: &str, text: &str) -> Carried {
    let mut carried = Carried::default();
    let mut told = Told::default();
    let (mut users, mut bot) = (vec!["user".to_owned()], "bot".to_owned());
    // Who speaks, from which line on, and what.
    let mut open: Option<(bool, u32, Vec<String>)> = None;
    let mut header = true;
    let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
    for (number, line) in (1_u32..).zip(text.lines().chain([""])) {
        let trimmed = line.trim();
        let speaker = trimmed.split_once(':').and_then(|(who, said)| {
            // `bot->Joe` speaks to one of several.
            let who = who.split("->").next().unwrap_or(who).trim();
            let is = |name: &String| who.eq_ignore_ascii_case(name);
            match (users.iter().any(is), is(&bot) || who.eq_ignore_ascii_case("bot")) {
                (true, _) => Some((false, said)),
                (_, true) => Some((true, said)),
                _ => None,
            }
        });
        if (speaker.is_some() || number > count)
            && let Some((is_bot, line, said)) = open.take()
        {
            spoken(&mut told, is_bot, line, said, |line, message| {
                carried.notes.push(note(name, line, message));
            });
        }
        if let Some((is_bot, said)) = speaker {
            header = false;
            open = Some((is_bot, number, vec![said.trim().to_owned()]));
            continue;
        }
        if header {
            match trimmed.split_once('=') {
                Some(("user" | "users", value)) => users.extend(value.split(',').map(|name| name.trim().to_owned())),
                Some(("bot", value)) => bot = value.trim().to_owned(),
                _ if trimmed.is_empty() || trimmed.starts_with('>') || trimmed.starts_with("**") => {}
                _ => carried.notes.push(note(name, number, "this line belongs to nobody")),
            }
        } else if !trimmed.starts_with('>')
            && let Some((_, _, said)) = &mut open
        {
            said.push(line.to_owned());
        }
    }
    match told.is_empty() {
        true => carried.notes.push(note(name, 1, "no customer says anything here")),
        false => carried.recordings.push(told.recording),
    }
    carried
}

/// What somebody says, with instructions such as `[Delay=3000]` between, which may go over lines.
fn spoken(told: &mut Told, is_bot: bool, line: u32, said: Vec<String>, mut leave: impl FnMut(u32, String)) {
    static INSTRUCTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?is)\[\s*(?:((?:hero|thumbnail|animation|audio|video|media|signin|oauth|receipt)card|typing|delay|attachment(?:layout)?|suggestions|suggestedactions|conversationupdate|messagereaction|endofconversation)\b\s*[=:]?|([a-z]+)\s*=)(.*?)\]",
        )
        .ok()
    });
    let said = said.join("\n");
    let (mut words, mut rest) = (String::new(), 0);
    let (mut texts, mut buttons, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for found in INSTRUCTION.iter().flat_map(|instruction| instruction.captures_iter(&said)) {
        let Some(whole) = found.get(0) else { continue };
        words.push_str(&said[rest..whole.start()]);
        rest = whole.end();
        let number = line + u32::try_from(said[..whole.start()].matches('\n').count()).unwrap_or(0);
        let name = found.get(1).or(found.get(2)).map_or("", |name| name.as_str());
        let (kind, value) = (name.to_lowercase(), found[3].trim());
        match kind.as_str() {
            "delay" => match value.parse::<Millis>() {
                Ok(millis) if !is_bot => told.step(number, Action::Wait(millis)),
                _ => leave(number, "the time that a bot takes has no place in a recording".to_owned()),
            },
            "suggestedactions" | "suggestions" if is_bot => {
                buttons.extend(value.split('|').map(|title| title.trim().to_owned()));
            }
            "attachment" if !is_bot => {
                let file = value.split_whitespace().next().unwrap_or_default();
                files.push(file.rsplit(['/', '\\']).next().unwrap_or(file).to_owned());
            }
            kind if is_bot && ["herocard", "thumbnailcard"].contains(&kind) => {
                leave(number, format!("of `[{name}]` the words and the buttons are taken"));
                for (key, value) in value.lines().filter_map(|line| line.split_once('=')) {
                    let parts = value.split('|').map(|part| part.trim().to_owned());
                    match key.trim().to_lowercase().as_str() {
                        "title" | "subtitle" | "text" => texts.push(value.trim().to_owned()),
                        "buttons" => buttons.extend(parts),
                        _ => {}
                    }
                }
            }
            _ => leave(number, format!("`[{name}]` has no place in a recording")),
        }
    }
    words.push_str(&said[rest..]);
    let text = words.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned();
    if !is_bot {
        if !text.is_empty() {
            told.say(line, &text);
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        for other in told.send(line, &files, !text.is_empty()) {
            leave(line, format!("the attachment `{other}` is no picture and no PDF, and has no place in a recording"));
        }
        return;
    }
    if !text.is_empty() {
        texts.insert(0, text);
    }
    Shown { texts, buttons }.told(told, &mut |message| leave(line, message));
}

/// A recording as a transcript. Of an answer it holds what the recording says of its words.
pub fn transcript(recording: &Recording, id: &str) -> String {
    let mut now = recording.start.now.unwrap_or(DEFAULT_START);
    let mut activities = Vec::new();
    let mut add = |role: &str, text: String, buttons: &[String], attachments: &[String], now: Millis| {
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
        if !attachments.is_empty() {
            let kind = |name: &String| media(name).map_or("application/octet-stream", Media::as_str);
            let files = attachments.iter().map(|name| json!({ "contentType": kind(name), "name": name }));
            activity["attachments"] = files.collect();
        }
        if let (Some(language), "user") = (&recording.start.language, role) {
            activity["locale"] = json!(language);
        }
        activities.push(activity);
    };
    for earlier in &recording.start.messages {
        let role = if earlier.author == Author::Visitor { "user" } else { "bot" };
        add(role, earlier.text.clone(), &[], &[], now);
    }
    for step in &recording.conversation {
        match &step.action {
            Action::Say { text, attachments, .. } => add("user", text.clone(), &[], attachments, now),
            Action::Press(text) => add("user", text.clone(), &[], &[], now),
            Action::Agent { text, attachments } => add("bot", text.clone(), &[], attachments, now),
            Action::Wait(millis) => {
                now += millis;
                continue;
            }
            // What is told of an outcome stands in the answer.
            Action::Errand { .. } => {}
            Action::Joined(_) | Action::Left(_) => continue,
        }
        if let Some(expected) = &step.answer {
            let text = expected.text.clone().unwrap_or_else(|| expected.contains.join("\n"));
            let buttons = expected.buttons.clone().unwrap_or_default();
            if !text.is_empty() || !buttons.is_empty() {
                add("bot", text, &buttons, &[], now);
            }
        }
        now += STEP;
    }
    // A list of plain values can always be written.
    serde_json::to_string_pretty(&activities).unwrap_or_default() + "\n"
}
