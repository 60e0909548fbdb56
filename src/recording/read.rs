//! Reads recordings from YAML, and describes the files as JSON Schema for editors.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::{Map, Value};
use serde_yaml::Spanned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Action, Expected, Recording, Start, Step, Stub};
use crate::conversation::{self, Media, Millis, Text};
use crate::finding::Finding;
use crate::responders::pipeline::Outcome;
use crate::yaml;

/// A conversation, and what its answers must be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Recording")]
struct Written {
    /// What it is about, for whoever reads it.
    #[schemars(with = "String", extend("default" = null))]
    about: Option<String>,
    /// Where it starts.
    #[serde(default)]
    start: Start,
    /// What sources say to plugins. A question that nothing here answers fails.
    #[serde(default)]
    lookups: Vec<Stub>,
    /// What happens, in order.
    #[schemars(with = "Vec<FileStep>")]
    conversation: Vec<Spanned<FileStep>>,
}

/// Several recordings in a file.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Recordings")]
struct Files {
    /// The recordings.
    tests: Vec<Written>,
}

/// One thing that happens: one of `say`, `press`, `wait`, `joined`, `agent`, `left` and `errand`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
struct FileStep {
    /// The visitor writes this.
    say: Option<String>,
    /// The visitor presses this button of the answer before, by its text.
    press: Option<String>,
    /// Time passes: 2 days, 1 hour, 15 minutes, 30 seconds.
    wait: Option<String>,
    /// A person of this name joins, and purser is silent from here on.
    joined: Option<String>,
    /// The person writes this.
    agent: Option<String>,
    /// The person of this name hands the conversation back to purser.
    left: Option<String>,
    /// What the visitor agreed to last has this outcome; the `answer` is what they are told.
    errand: Option<conversation::Outcome>,
    /// With `errand`: what the other side answered.
    fields: Option<Map<String, Value>>,
    /// With `say`: the language of the page from now on.
    language: Option<String>,
    /// The names of what is attached to a `say` or an `agent`, such as photo.jpg or label.pdf. Alone, the visitor sends
    /// that without a word.
    attachments: Option<Vec<String>>,
    /// What the answer must be. What is not said is not checked.
    answer: Option<Expected>,
}

/// What a file of recordings may hold.
#[derive(JsonSchema)]
#[schemars(untagged, title = "Recorded conversations of purser")]
#[expect(dead_code, reason = "for the schema")]
enum AnyFile {
    One(Box<Written>),
    Many(Files),
}

/// The JSON Schema of recordings, for editors.
pub fn schema() -> String {
    let settings = schemars::generate::SchemaSettings::draft07().for_deserialize();
    let schema = settings.into_generator().into_root_schema_for::<AnyFile>();
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

impl Recording {
    /// Reads a file that is one recording.
    pub fn read(path: &Path) -> Result<Recording, Box<Finding>> {
        let name = path.display().to_string();
        Recording::parse(&name, &text_of(path)?)
    }

    /// Reads a recording from text; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<Recording, Box<Finding>> {
        yaml::read::<Written>(file, text)?.checked(file, text)
    }

    /// Reads the tests of a plugin: recordings in a list under `tests:`.
    pub fn parse_tests(file: &str, text: &str) -> Result<Vec<Recording>, Box<Finding>> {
        let read: Files = yaml::read(file, text)?;
        read.tests.into_iter().map(|test| test.checked(file, text)).collect()
    }

    /// Reads a file of either kind.
    pub fn parse_any(file: &str, text: &str) -> Result<Vec<Recording>, Box<Finding>> {
        match text.lines().any(|line| line.starts_with("tests:")) {
            true => Recording::parse_tests(file, text),
            false => Recording::parse(file, text).map(|recording| vec![recording]),
        }
    }
}

/// A file's text, without the mark that some editors put before it. One that is too large to be a recording is not even
/// read.
pub fn text_of(path: &Path) -> Result<String, Box<Finding>> {
    let name = path.display().to_string();
    let unreadable = |error: io::Error| Box::new(Finding::error(&name, format!("cannot be read: {error}")));
    let about = fs::metadata(path).map_err(unreadable)?;
    if about.is_dir() {
        fs::read_dir(path).map_err(unreadable)?;
        let hint =
            "name another, or its files: those of a folder end with .yaml, .yml, .convo.txt, .transcript or .chat";
        return Err(Box::new(Finding::error(&name, "the folder holds no recordings").hint(hint)));
    }
    let most = yaml::MAX_BYTES as u64;
    let too_large = |bytes: u64| {
        let message = format!("the file has {bytes} bytes, at most {most} are read");
        Box::new(Finding::error(&name, message).hint("divide it: a conversation is a file of its own"))
    };
    if about.len() > most {
        return Err(too_large(about.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0) + 1);
    // It may be written to meanwhile, and a pipe does not say how much comes.
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Box::new(Finding::error(&name, "the file is not UTF-8").hint("save it as UTF-8")))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

impl Written {
    fn checked(self, file: &str, text: &str) -> Result<Recording, Box<Finding>> {
        let step = |step: Spanned<FileStep>| {
            let (line, column) = yaml::place(step.referenced);
            step.value.checked(line).map_err(|problem| Box::new(Finding::error(file, problem).at(text, line, column)))
        };
        let conversation = self.conversation.into_iter().map(step).collect::<Result<_, _>>()?;
        Ok(Recording { about: self.about, start: self.start, lookups: self.lookups, conversation })
    }
}

impl FileStep {
    fn checked(self, line: u32) -> Result<Step, String> {
        let attachments = self.attachments.unwrap_or_default();
        if let Some(name) = attachments.iter().find(|name| media(name).is_none()) {
            return Err(format!("`{name}` is no picture and no PDF: such names end in .jpg, .png or .pdf"));
        }
        let has_files = !attachments.is_empty();
        let of_visitor = has_files && self.agent.is_none();
        let say = self.say.or_else(|| of_visitor.then(String::new));
        if self.language.is_some() && say.is_none() {
            return Err("`language` belongs to a `say`".to_owned());
        }
        if self.fields.is_some() && self.errand.is_none() {
            return Err("`fields` belong to an `errand`".to_owned());
        }
        if let (Some(_), Some(answer)) = (&self.errand, &self.answer)
            && (answer.outcome.is_some()
                || answer.responder.is_some()
                || answer.entry.is_some()
                || !answer.suggests.is_empty())
        {
            return Err("nobody is asked here: what is told of an errand has text, contains, matches, buttons and \
                        language"
                .to_owned());
        }
        let has_answer = say.is_some() || self.press.is_some() || self.errand.is_some();
        let (mine, theirs) = if of_visitor { (attachments, Vec::new()) } else { (Vec::new(), attachments) };
        let actions = [
            say.map(|text| Action::Say { text, language: self.language, attachments: mine }),
            self.press.map(Action::Press),
            self.joined.map(Action::Joined),
            self.agent.map(|text| Action::Agent { text, attachments: theirs }),
            self.left.map(Action::Left),
            self.errand.map(|outcome| Action::Errand { outcome, fields: self.fields.unwrap_or_default() }),
        ];
        let wait = self.wait.map(|wait| duration(&wait).map(Action::Wait)).transpose()?;
        let mut actions = actions.into_iter().flatten().chain(wait);
        let (Some(action), None) = (actions.next(), actions.next()) else {
            return Err(
                "a step is one `say`, one `press` or one `wait`, what an agent does (`joined`, `agent`, `left`), \
                        or the outcome of an `errand`"
                    .to_owned(),
            );
        };
        if let Action::Say { text, .. } = &action
            && !(text.is_empty() && has_files)
        {
            Text::new(text).map_err(|error| error.to_string())?;
        }
        if self.answer.is_some() && !has_answer {
            return Err("nobody answers this: an `answer` belongs to a `say` or a `press`".to_owned());
        }
        Ok(Step { line, action, answer: self.answer })
    }
}

/// What a file is that is called so.
pub(super) fn media(name: &str) -> Option<Media> {
    match name.rsplit_once('.')?.1.to_lowercase().as_str() {
        "jpg" | "jpeg" => Some(Media::Jpeg),
        "png" => Some(Media::Png),
        "pdf" => Some(Media::Pdf),
        _ => None,
    }
}

pub(super) const UNITS: [(&str, Millis); 5] =
    [("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("ms", 1)];

/// "2 days" in milliseconds.
pub(super) fn duration(text: &str) -> Result<Millis, String> {
    let read = || {
        let (number, unit) = text.trim().split_once(' ')?;
        let unit = unit.trim();
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit || name.strip_suffix('s') == Some(unit))?;
        number.parse::<u32>().ok().and_then(|number| Millis::from(number).checked_mul(*millis))
    };
    read().ok_or_else(|| format!("`{text}` is no time; write such as 2 days, 1 hour, 15 minutes or 30 seconds"))
}

pub(super) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || D::Error::custom(format!("`{text}` is no time; write such as 2026-03-02T09:00:00Z"));
    let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| wrong())?;
    Millis::try_from(time.unix_timestamp_nanos() / 1_000_000).map(Some).map_err(|_| wrong())
}

/// The words for outcomes.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Word {
    /// A responder answered.
    Answer,
    /// A responder asked something back.
    Ask,
    /// Entries were suggested.
    Suggest,
    /// Nobody had an answer.
    Pass,
    /// A person is wanted.
    Handover,
}

/// One text, or a list of texts.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "for the schema")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

pub(super) fn outcome<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Outcome>, D::Error> {
    Ok(Option::<Word>::deserialize(deserializer)?.map(|word| match word {
        Word::Answer => Outcome::Answer,
        Word::Ask => Outcome::Ask,
        Word::Suggest => Outcome::Suggest,
        Word::Pass => Outcome::Pass,
        Word::Handover => Outcome::Handover,
    }))
}

pub(super) fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct OneOrMany<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one text or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Vec<T>, E> {
            T::deserialize(serde::de::value::StrDeserializer::new(one)).map(|one| vec![one])
        }

        fn visit_u64<E: serde::de::Error>(self, one: u64) -> Result<Vec<T>, E> {
            self.visit_str(&one.to_string())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut many = Vec::new();
            while let Some(item) = items.next_element()? {
                many.push(item);
            }
            Ok(many)
        }
    }

    deserializer.deserialize_any(OneOrMany(std::marker::PhantomData))
}
