//! Botium: `.convo.txt` with the utterances and the scripting memory beside it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use super::{Carried, Told, beside, note, one_of};
use crate::conversation::Millis;
use crate::finding::Finding;
use crate::recording::{Action, Pattern};

/// What stands beside a conversation.
#[derive(Default)]
struct Around {
    /// A name and the wordings behind it.
    utterances: HashMap<String, Vec<String>>,
    /// Parts that several conversations include, by their names.
    partials: HashMap<String, String>,
    /// Cases, each with its values; one without any where there are none.
    cases: Vec<(String, HashMap<String, String>)>,
    /// What could not be looked into, and why.
    unread: Vec<String>,
}

/// A part of a conversation: who has it, and its lines with their numbers.
struct Section {
    line: u32,
    who: String,
    /// What stands behind that: a channel, or the name of a part.
    rest: String,
    lines: Vec<(u32, String)>,
}

/// Parts include parts so deep at most, and into so many sections.
const DEEPEST: usize = 8;
const MOST_SECTIONS: usize = 10_000;
/// So many cases are read, of names so many, and so many lines are made of a conversation in all its cases.
const MOST_CASES: usize = 10_000;
const MOST_NAMES: usize = 200;
const MOST_LINES: usize = 1_000_000;
/// A text that becomes longer than this, in bytes, with what its names stand for keeps its names.
const LONGEST: usize = 64 << 10;

pub(super) fn read(path: &Path, name: &str, text: &str) -> Carried {
    let around = Around::of(path, text);
    let mut carried = Carried::default();
    let (title, own) = sections(text);
    let mut sections = Vec::new();
    let mut leave = |line: u32, message: String| carried.notes.push(note(name, line, message));
    around.expanded(own, &mut Vec::new(), &mut sections, &mut leave);
    carried.notes.extend(around.unread.iter().map(|message| note(name, 1, message)));
    let lines: usize = sections.iter().map(|section| section.lines.len() + 1).sum();
    let most = (MOST_LINES / lines.max(1)).max(1);
    if around.cases.len() > most {
        let message = format!("of the {} cases of the scripting memory the first {most} are taken", around.cases.len());
        carried.notes.push(note(name, 1, message));
    }
    let mut noted = HashSet::new();
    for (case, values) in around.cases.iter().take(most) {
        let about = if case.is_empty() { title.clone() } else { format!("{title}: {case}") };
        let mut memory = values.clone();
        let mut told = Told::about(&about);
        let mut notes: Vec<Finding> = Vec::new();
        for section in &sections {
            let mut leave = |line: u32, message: String| notes.push(note(name, line, message));
            if !section.rest.is_empty() {
                leave(section.line, format!("the channel `{}` has no place in a recording", section.rest));
            }
            match section.who.as_str() {
                "begin" | "end" => prepare(section, &mut memory, &mut leave),
                "me" => around.me(section, &mut memory, &mut told, &mut leave),
                "bot" => around.bot(section, &mut memory, &mut told, &mut leave),
                other => leave(section.line, format!("`#{other}` has no place in a recording")),
            }
        }
        // Each case has the same to say.
        carried.notes.extend(notes.into_iter().filter(|note| noted.insert((note.line, note.message.clone()))));
        if told.is_empty() {
            let line = sections.first().map_or(1, |section| section.line);
            carried.notes.push(note(name, line, "the customer says nothing here; it is left out"));
        } else {
            carried.recordings.push(told.recording);
        }
    }
    carried
}

/// The title, and the sections after it.
fn sections(text: &str) -> (String, Vec<Section>) {
    let mut title = Vec::new();
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        // A blank or another `#` begins a line of text.
        let header = line.trim().strip_prefix('#').filter(|who| who.starts_with(|c: char| c.is_alphabetic()));
        match (header, sections.last_mut()) {
            (Some(header), _) => {
                let (who, rest) = header.split_once(' ').unwrap_or((header, ""));
                let (who, rest) = (who.to_owned(), rest.trim().to_owned());
                sections.push(Section { line: number, who, rest, lines: Vec::new() });
            }
            (None, Some(section)) => section.lines.push((number, line.trim_end().to_owned())),
            (None, None) => title.push(line.trim()),
        }
    }
    (title.join(" ").trim().to_owned(), sections)
}

/// Before and after a conversation only the memory is filled.
fn prepare(section: &Section, memory: &mut HashMap<String, String>, leave: &mut impl FnMut(u32, String)) {
    for (line, text) in section.lines.iter().filter(|(_, text)| !text.trim().is_empty()) {
        if !remember(text, memory) {
            leave(*line, format!("what stands in `#{}` has no place in a recording", section.who));
        }
    }
}

/// `SET_SCRIPTING_MEMORY name|value`; false for anything else.
fn remember(text: &str, memory: &mut HashMap<String, String>) -> bool {
    let Some(rest) = text.trim().strip_prefix("SET_SCRIPTING_MEMORY ") else { return false };
    if let Some((name, value)) = rest.split_once('|')
        && memory.len() < 2 * MOST_NAMES
    {
        memory.insert(format!("${}", name.trim().trim_start_matches('$')), value.trim().to_owned());
    }
    true
}

impl Around {
    /// The sections with what they include in the place of `INCLUDE name`.
    fn expanded(
        &self,
        sections: Vec<Section>,
        within: &mut Vec<String>,
        out: &mut Vec<Section>,
        leave: &mut dyn FnMut(u32, String),
    ) {
        for Section { line, who, rest, lines } in sections {
            let (mut includes, lines): (Vec<(u32, String)>, Vec<_>) =
                lines.into_iter().partition(|(_, text)| text.starts_with("INCLUDE "));
            match who.as_str() {
                "include" => includes.insert(0, (line, rest)),
                _ => out.push(Section { line, who, rest, lines }),
            }
            for (at, text) in includes {
                let name = text.trim_start_matches("INCLUDE ").split('|').next().unwrap_or_default().trim();
                let may = |within: &[String], out: &[Section]| {
                    within.len() < DEEPEST && out.len() < MOST_SECTIONS && !within.iter().any(|part| part == name)
                };
                match self.partials.get(name).filter(|_| may(within, out)) {
                    Some(partial) => {
                        let mut inner = self::sections(partial).1;
                        // Its lines are those of another file: what is said of them stands where it is included.
                        for section in &mut inner {
                            section.line = at;
                            section.lines.iter_mut().for_each(|(line, _)| *line = at);
                        }
                        within.push(name.to_owned());
                        self.expanded(inner, within, out, leave);
                        within.pop();
                    }
                    None => leave(at, format!("there is no part `{name}` beside it, or the parts include each other")),
                }
            }
        }
    }

    fn of(path: &Path, convo: &str) -> Around {
        let mut around = Around::default();
        let endings = [".utterances.txt", ".scriptingmemory.txt", ".pconvo.txt"];
        for file in beside(path, |name| endings.iter().any(|ending| name.ends_with(ending))) {
            let text = match super::super::read::text_of(&file) {
                Ok(text) => text,
                Err(finding) => {
                    around.unread.push(format!("what stands in a file beside it is not known: {}", finding.one_line()));
                    continue;
                }
            };
            if file.to_string_lossy().ends_with(".utterances.txt") {
                let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                if let Some(name) = lines.next() {
                    around.utterances.insert(name.to_owned(), lines.map(str::to_owned).collect());
                }
            } else if file.to_string_lossy().ends_with(".pconvo.txt") {
                around.partials.insert(sections(&text).0, text);
            } else {
                around.memory(&text, convo);
            }
        }
        if around.cases.is_empty() {
            around.cases.push((String::new(), HashMap::new()));
        }
        around
    }

    /// A table: names in its first line, a case in each other one. It counts if the conversation uses one of its names.
    fn memory(&mut self, text: &str, convo: &str) {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<String>>();
        let Some(mut names) = lines.next().map(cells) else { return };
        if names.len() > MOST_NAMES {
            self.unread.push(format!("of a scripting memory with {} names {MOST_NAMES} are read", names.len()));
            names.truncate(MOST_NAMES);
        }
        if !names.iter().skip(1).any(|name| convo.contains(name.as_str())) {
            return;
        }
        for line in lines {
            let values = cells(line);
            let case = values.first().cloned().unwrap_or_default();
            let pairs = names.iter().zip(&values).skip(1).map(|(name, value)| (name.clone(), value.clone()));
            // Several tables may each know a part of a case.
            match self.cases.iter().position(|(known, _)| *known == case) {
                Some(known) => self.cases[known].1.extend(pairs),
                None if self.cases.len() == MOST_CASES => {
                    self.unread.push(format!("of a scripting memory {MOST_CASES} cases are read"));
                    return;
                }
                None => self.cases.push((case, pairs.collect())),
            }
        }
    }

    fn me(
        &self,
        section: &Section,
        memory: &mut HashMap<String, String>,
        told: &mut Told,
        leave: &mut impl FnMut(u32, String),
    ) {
        let (mut said, mut files): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        let mut pressed = None;
        for (line, text) in section.lines.iter().map(|(line, text)| (*line, text.as_str())) {
            let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
            match word {
                "PAUSE" => match rest.trim().parse::<Millis>() {
                    Ok(millis) if said.is_empty() => told.step(line, Action::Wait(millis)),
                    _ => leave(line, "a pause in the middle of a message has no place in a recording".to_owned()),
                },
                "BUTTON" => {
                    // What it stands for may come before its text.
                    let button = arguments(rest).into_iter().rfind(|part| !part.is_empty()).unwrap_or_default();
                    pressed = Some((line, filled(&button, memory)));
                }
                "MEDIA" => {
                    let file = |part: &String| part.rsplit(['/', '\\']).next().unwrap_or(part).to_owned();
                    files.extend(arguments(rest).iter().map(file));
                }
                "SET_SCRIPTING_MEMORY" => _ = remember(text, memory),
                word if !self.utterances.contains_key(text.trim()) && (is_hook(word) || is_own_hook(word, rest)) => {
                    leave(line, format!("`{word}` has no place in a recording"));
                }
                _ => said.push(text.to_owned()),
            }
        }
        let text = filled(said.join("\n").trim(), memory);
        let text = words_of(text, |message| leave(section.line, message));
        if let Some((line, button)) = pressed {
            if !text.is_empty() || !files.is_empty() {
                leave(section.line, "who presses a button says nothing else at once; the button is taken".to_owned());
            }
            return told.step(line, Action::Press(button));
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        if text.is_empty() {
            return sent(told, section.line, &files, false, leave);
        }
        let text = match self.utterances.get(&text) {
            Some(wordings) => {
                if wordings.len() > 1 {
                    leave(section.line, format!("of the {} wordings of {text} the first is taken", wordings.len()));
                }
                wordings.first().map(|first| filled(first, memory)).unwrap_or(text)
            }
            None => text,
        };
        if text.contains('$') {
            leave(
                section.line,
                "what the bot said before is not known in a recording; the name is left as it is".to_owned(),
            );
        }
        told.say(section.line, &text);
        sent(told, section.line, &files, true, leave);
    }

    fn bot(
        &self,
        section: &Section,
        memory: &mut HashMap<String, String>,
        told: &mut Told,
        leave: &mut impl FnMut(u32, String),
    ) {
        let mut lines: Vec<(u32, String)> = Vec::new();
        let mut greeting: Vec<&str> = Vec::new();
        for (line, text) in section.lines.iter().map(|(line, text)| (*line, text.as_str())) {
            let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
            let parts =
                || arguments(rest).into_iter().map(|part| filled(&part, memory)).filter(|part| !part.is_empty());
            let Some(expected) = told.answer() else {
                match is_hook(word.trim_start_matches(['!', '?'])) || is_own_hook(word, rest) {
                    true => leave(line, "the bot speaks before anything was said".to_owned()),
                    false => greeting.push(text),
                }
                continue;
            };
            match word {
                "BUTTONS" => {
                    expected.buttons.get_or_insert_default().extend(parts());
                    leave(line, "the buttons must be exactly these".to_owned());
                }
                "TEXT_CONTAINS" | "TEXT_CONTAINS_ALL" => expected.contains.extend(parts()),
                "TEXT_EQUALS" => expected.text = parts().next(),
                "TEXT_REGEXP" => match Regex::new(rest.trim()) {
                    Ok(pattern) => expected.matches.push(Pattern(pattern)),
                    Err(_) => leave(line, "this is no regular expression that is known here".to_owned()),
                },
                word if !self.utterances.contains_key(text.trim())
                    && (is_hook(word.trim_start_matches(['!', '?'])) || is_own_hook(word, rest)) =>
                {
                    leave(line, format!("`{word}` has no place in a recording"));
                }
                _ => lines.push((line, text.to_owned())),
            }
        }
        if !greeting.join("").trim().is_empty() {
            let text = filled(greeting.join("\n").trim(), memory);
            let text = self.utterances.get(&text).and_then(|wordings| wordings.first()).unwrap_or(&text);
            told.greeted(text);
        }
        let mut lines = lines.into_iter().skip_while(|(_, line)| line.trim().is_empty()).peekable();
        // Marks stand before the first line; one that is doubled is text.
        if let Some((line, first)) = lines.peek_mut() {
            for (mark, twice, what) in [
                ('?', "??", "an answer that may be left out has no place in a recording"),
                ('!', "!!", "what an answer must not be has no place in a recording"),
            ] {
                if first.starts_with(mark) && first.len() > 1 {
                    if !first.starts_with(twice) {
                        return leave(*line, what.to_owned());
                    }
                    first.remove(0);
                }
            }
        }
        let text = lines.map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        let text = words_of(filled(text.trim(), memory), |message| leave(section.line, message));
        let Some(expected) = told.answer().filter(|_| !text.is_empty()) else { return };
        match self.utterances.get(&text) {
            Some(wordings) => {
                let wordings: Vec<String> = wordings.iter().map(|wording| filled(wording, memory)).collect();
                one_of(expected, &wordings);
            }
            None if text.contains('$') => expected.matches.extend(with_names(&text).map(Pattern)),
            None => expected.contains.push(text),
        }
    }
}

/// Files that the customer sends.
fn sent(told: &mut Told, line: u32, files: &[&str], with_message: bool, leave: &mut impl FnMut(u32, String)) {
    for other in told.send(line, files, with_message) {
        leave(line, format!("`MEDIA {other}` is no picture and no PDF, and has no place in a recording"));
    }
}

/// The arguments of a hook, which have bars between; one with a backslash before it is none.
fn arguments(text: &str) -> Vec<String> {
    let parts = text.replace("\\|", "\0");
    parts.split('|').map(|part| part.replace('\0', "|").trim().to_owned()).collect()
}

/// Whether a word calls a logic hook or an asserter: all capitals.
fn is_hook(word: &str) -> bool {
    const HOOKS: [&str; 26] = [
        "PAUSE",
        "WAITFORBOT",
        "INCLUDE",
        "MEDIA",
        "FORM",
        "FORMS",
        "BUTTON",
        "BUTTONS",
        "CARDS",
        "INTENT",
        "INTENT_CONFIDENCE",
        "INTENT_UNIQUE",
        "ENTITIES",
        "ENTITY_VALUES",
        "ENTITY_CONTENT",
        "HYPERLINK",
        "RESPONSE_LENGTH",
        "UPDATE_CUSTOM",
        "SET_SCRIPTING_MEMORY",
        "CLEAR_SCRIPTING_MEMORY",
        "ASSIGN_SCRIPTING_MEMORY",
        "ASSERTERS",
        "BOT_CONSUMED",
        "SKIP_BOT_UNCONSUMED",
        "CONDITIONAL_STEP_TIME_BASED",
        "BOTIUM_UNCONSUMED",
    ];
    HOOKS.contains(&word)
        || (word.contains('_') && word.len() > 4 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

/// Whether a line calls a hook that the project has made itself: a word in capitals, and arguments with bars between.
fn is_own_hook(word: &str, rest: &str) -> bool {
    let word = word.trim_start_matches(['!', '?']);
    let is_name = word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name && rest.contains('|')
}

/// The words of a message that may be given as JSON.
fn words_of(text: String, mut leave: impl FnMut(String)) -> String {
    let Some(message) = text.starts_with('{').then(|| serde_json::from_str::<Value>(&text).ok()).flatten() else {
        return text;
    };
    match ["messageText", "text"].iter().find_map(|key| message[*key].as_str()) {
        Some(words) => {
            leave("of a message in JSON the words are taken".to_owned());
            words.to_owned()
        }
        None => {
            leave("a message in JSON without words has no place in a recording".to_owned());
            String::new()
        }
    }
}

/// A text with the names of the memory replaced by what they hold, which may be names again. The longest names go first.
fn filled(text: &str, memory: &HashMap<String, String>) -> String {
    let mut names: Vec<&String> = memory.keys().filter(|name| !name.is_empty()).collect();
    names.sort_by_key(|name| (std::cmp::Reverse(name.len()), (*name).clone()));
    let mut filled = text.to_owned();
    for _ in 0..DEEPEST {
        match filled_once(&filled, &names, memory) {
            Some(next) if next != filled => filled = next,
            _ => break,
        }
    }
    filled
}

/// `None` if that is too long to have been meant.
fn filled_once(text: &str, names: &[&String], memory: &HashMap<String, String>) -> Option<String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let name = names.iter().find(|name| rest.starts_with(name.as_str()));
        let (taken, put) = match name {
            Some(name) => (name.len(), memory[*name].as_str()),
            None => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        if out.len() + put.len() > LONGEST {
            return None;
        }
        out.push_str(put);
        rest = &rest[taken..];
    }
    Some(out)
}

/// A text in which each name stands for one word.
fn with_names(text: &str) -> Option<Regex> {
    let mut pattern = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        pattern.push_str(&regex::escape(&rest[..at]));
        let name = rest[at + 1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - at - 1);
        pattern.push_str(if name == 0 { "\\$" } else { "\\S+" });
        rest = &rest[at + 1 + name..];
    }
    pattern.push_str(&regex::escape(rest));
    Regex::new(&pattern).ok()
}
