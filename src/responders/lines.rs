//! The lines that purser itself says: "I did not find that", "one moment", "that was too long".
//!
//! Every language that ships has them in the binary (`templates/lines/<language>.yaml`); content staff overwrite
//! single ones with a `lines:` block in any FAQ file of that language.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

/// A line's name. The word for it in YAML is in kebab case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// Nobody had an answer.
    NothingFound,
    /// Above the suggestions.
    DidYouMean,
    /// The button that asks for a person.
    PersonButton,
    /// Below an answer that a model has written: what it is made from. `{titles}` stands for it.
    Sources,
    /// How to reach a person where none can join the chat.
    Person,
    /// A question could not be answered in time.
    Apology,
    /// The customer does not want to answer what was asked back.
    Cancelled,
    /// What customers say then: not said by purser but understood, separated by commas.
    CancelWords,
    /// The button that agrees to a proposal.
    AgreeButton,
    /// The button that declines it.
    DeclineButton,
    /// What customers say to agree: understood like the button, separated by commas.
    AgreeWords,
    /// What they say to decline.
    DeclineWords,
    /// The customer has agreed, and it is being done.
    Agreed,
    /// A button was pressed below a proposal that is not open any more.
    ProposalOver,
    /// What was agreed to is done.
    ErrandDone,
    /// It is refused.
    ErrandRefused,
    /// Nobody could find out whether it is done.
    ErrandUnknown,
    /// A message without text.
    Empty,
    /// A message that is too long.
    TooLong,
    /// A frame that is not what the protocol says.
    Unreadable,
    /// The store is away: the message is not lost, but not stored either.
    NotStored,
    /// The visitor writes too fast. `{seconds}` stands for how long to wait.
    TooFast,
    /// Too much comes from this address. `{seconds}` stands for how long to wait.
    TooMany,
    /// The server is full. `{seconds}` stands for how long to wait.
    Full,
    /// Whoever was signed in is not any more.
    SignIn,
    /// Stands in the window before anything was said.
    Greeting,
    /// The buttons below the greeting, one a line.
    Starters,
    /// The small print of the window, such as a link to how data is kept.
    Privacy,
    /// A person was called.
    Queued,
    /// The place in the queue. `{place}` stands for it.
    QueuedAt,
    /// Nobody is there now; asks for an e-mail address or a phone number.
    PeopleAway,
    /// Asks for the same of a customer who would rather not wait.
    LeaveMessage,
    /// When somebody is there again. `{day}` and `{time}` stand for it.
    PeopleBack,
    /// What is said for a `{day}` that is today.
    Today,
    /// The days of the week from Monday, separated by commas.
    Weekdays,
    /// That was neither an e-mail address nor a phone number.
    ContactUnclear,
    /// Word was left. `{contact}` stands for where an answer goes.
    MessageTaken,
    /// The button that brings the pipeline back.
    BackButton,
    /// What customers say then: understood while a person is asked for, separated by commas.
    BackWords,
    /// The pipeline has the conversation again.
    WithBot,
    /// The button that leaves word.
    MessageButton,
    /// An agent has taken the conversation. `{name}` stands for the agent, here and below.
    Joined,
    /// Another agent has it now.
    Transferred,
    /// The agent has put the conversation back into the queue.
    Requeued,
    /// The agent has given it back to the pipeline.
    GivenBack,
    /// The agent has ended the conversation.
    ClosedByAgent,
    /// Nothing was said for a long time, so the conversation is over.
    ClosedIdle,
    /// No agent has come in time.
    NobodyCame,
    /// The agent did not answer any more.
    Forgotten,
    /// The agent has answered, and the customer has not.
    StillThere,
    /// Asks for a rating of the chat that is over, from 1 to 5.
    AskRating,
    /// A rating came.
    Rated,
    /// The customer cannot write any more.
    Blocked,
    /// Something was sent without a word, and no person is there.
    Attached,
    /// What was sent has not come through.
    AttachmentGone,
}

impl Line {
    /// All of them.
    pub const ALL: [Line; 55] = [
        Line::NothingFound,
        Line::DidYouMean,
        Line::PersonButton,
        Line::Sources,
        Line::Person,
        Line::Apology,
        Line::Cancelled,
        Line::CancelWords,
        Line::AgreeButton,
        Line::DeclineButton,
        Line::AgreeWords,
        Line::DeclineWords,
        Line::Agreed,
        Line::ProposalOver,
        Line::ErrandDone,
        Line::ErrandRefused,
        Line::ErrandUnknown,
        Line::Empty,
        Line::TooLong,
        Line::Unreadable,
        Line::NotStored,
        Line::TooFast,
        Line::TooMany,
        Line::Full,
        Line::SignIn,
        Line::Greeting,
        Line::Starters,
        Line::Privacy,
        Line::Queued,
        Line::QueuedAt,
        Line::PeopleAway,
        Line::LeaveMessage,
        Line::PeopleBack,
        Line::Today,
        Line::Weekdays,
        Line::ContactUnclear,
        Line::MessageTaken,
        Line::BackButton,
        Line::BackWords,
        Line::WithBot,
        Line::MessageButton,
        Line::Joined,
        Line::Transferred,
        Line::Requeued,
        Line::GivenBack,
        Line::ClosedByAgent,
        Line::ClosedIdle,
        Line::NobodyCame,
        Line::Forgotten,
        Line::StillThere,
        Line::AskRating,
        Line::Rated,
        Line::Blocked,
        Line::Attached,
        Line::AttachmentGone,
    ];

    /// The word for it in YAML.
    pub fn word(self) -> String {
        let name = format!("{self:?}");
        let mut word = String::with_capacity(name.len() + 2);
        for (at, c) in name.char_indices() {
            if c.is_ascii_uppercase() && at > 0 {
                word.push('-');
            }
            word.push(c.to_ascii_lowercase());
        }
        word
    }
}

/// The lines of a language, as templates that may use `facts`.
pub type Texts = BTreeMap<Line, String>;

/// The language that has every line.
const COMPLETE: &str = "en";

const BUILT_IN: [(&str, &str); 2] =
    [("en", include_str!("../../templates/lines/en.yaml")), ("de", include_str!("../../templates/lines/de.yaml"))];

/// All lines in all languages, ready to be said.
#[derive(Debug, Clone)]
pub struct Lines {
    /// By language tag in small letters.
    texts: HashMap<String, Texts>,
    site_language: String,
}

impl Lines {
    /// The lines in the binary, by language.
    pub fn built_in() -> impl Iterator<Item = (&'static str, Texts)> {
        BUILT_IN.iter().map(|&(language, yaml)| {
            // A test reads them; what the binary holds does not change afterwards.
            (language, crate::yaml::read(language, yaml).unwrap_or_default())
        })
    }

    /// These lines, by language; a line that a language has not is said in the site's own, then in English.
    pub fn new(texts: impl IntoIterator<Item = (String, Texts)>, site_language: &str) -> Lines {
        let ready = |(language, mut texts): (String, Texts)| {
            // They are compared with what customers say, not said.
            for line in [Line::CancelWords, Line::AgreeWords, Line::DeclineWords, Line::BackWords] {
                if let Some(words) = texts.get_mut(&line) {
                    let said = words.split(',').map(bare).filter(|word| !word.is_empty());
                    *words = said.collect::<Vec<_>>().join(",");
                }
            }
            (language.to_ascii_lowercase(), texts)
        };
        let texts = texts.into_iter().map(ready).collect();
        Lines { texts, site_language: site_language.to_ascii_lowercase() }
    }

    /// A line, and the language it is in: the first of `languages` that has it ("de-AT" is content with "de"), else
    /// the site's own, else English.
    pub fn say<'a>(&'a self, line: Line, languages: &[Arc<str>]) -> (&'a str, &'a str) {
        let wanted = languages.iter().map(|language| &**language).chain([self.site_language.as_str(), COMPLETE]);
        wanted.flat_map(tags).find_map(|tag| self.of(line, &tag)).unwrap_or(("…", COMPLETE))
    }

    /// Whether a message calls off the question that it answers, in one of these languages or the site's own.
    pub fn is_cancel(&self, text: &str, languages: &[Arc<str>]) -> bool {
        self.means(Line::CancelWords, text, languages)
    }

    /// Whether a message to a person wants the pipeline back.
    pub fn is_back(&self, text: &str, languages: &[Arc<str>]) -> bool {
        self.means(Line::BackWords, text, languages)
    }

    /// Whether a message agrees to what was proposed.
    pub fn agrees(&self, text: &str, languages: &[Arc<str>]) -> bool {
        self.means(Line::AgreeWords, text, languages)
    }

    /// Whether a message declines it.
    pub fn declines(&self, text: &str, languages: &[Arc<str>]) -> bool {
        self.means(Line::DeclineWords, text, languages) || self.is_cancel(text, languages)
    }

    /// Whether a message is one of the listed ones, but for capitals and punctuation.
    fn means(&self, line: Line, text: &str, languages: &[Arc<str>]) -> bool {
        let said = bare(text);
        let wanted = languages.iter().map(|language| &**language).chain([self.site_language.as_str(), COMPLETE]);
        let mut words = wanted.flat_map(tags).filter_map(|tag| self.of(line, &tag));
        // "???" means nothing, and is in no list.
        !said.is_empty() && words.any(|(words, _)| words.split(',').any(|word| word == said))
    }

    fn of(&self, line: Line, tag: &str) -> Option<(&str, &str)> {
        let (language, texts) = self.texts.get_key_value(tag)?;
        Some((texts.get(&line)?, language))
    }
}

/// A text in small letters, without punctuation and with single blanks.
pub(super) fn bare(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").replace('’', "'")
}

/// A language tag in small letters, then without its last parts: "de-at", "de".
pub fn tags(language: &str) -> impl Iterator<Item = String> {
    let tag = language.to_ascii_lowercase().replace('_', "-");
    let ends: Vec<usize> = tag.match_indices('-').map(|(at, _)| at).collect();
    [tag.len()].into_iter().chain(ends.into_iter().rev()).map(move |end| tag[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_has_every_line_and_german_too() {
        let built_in: BTreeMap<_, _> = Lines::built_in().collect();
        for language in ["en", "de"] {
            let texts = &built_in[language];
            assert!(texts.keys().eq(&Line::ALL), "{language}: {:?}", texts.keys());
            assert!(texts.values().all(|text| !text.trim().is_empty()));
        }
    }

    #[test]
    fn says_it_in_the_language_that_is_wanted_most() {
        let texts =
            |words: &[(Line, &str)]| words.iter().map(|&(line, text)| (line, text.to_owned())).collect::<Texts>();
        let all = [
            ("en".to_owned(), texts(&[(Line::Empty, "empty"), (Line::Apology, "sorry")])),
            ("de".to_owned(), texts(&[(Line::Empty, "leer")])),
            ("pt-BR".to_owned(), texts(&[(Line::Empty, "vazio")])),
        ];
        let lines = Lines::new(all, "de");
        let say = |line, languages: &[&str]| {
            let languages: Vec<Arc<str>> = languages.iter().map(|&language| language.into()).collect();
            let (text, language) = lines.say(line, &languages);
            format!("{language}: {text}")
        };
        assert_eq!(say(Line::Empty, &["en", "de"]), "en: empty");
        assert_eq!(say(Line::Empty, &["fr", "en-GB"]), "en: empty");
        assert_eq!(say(Line::Empty, &["de_AT"]), "de: leer");
        assert_eq!(say(Line::Empty, &["PT-br"]), "pt-br: vazio");
        assert_eq!(say(Line::Empty, &["pt"]), "de: leer");
        assert_eq!(say(Line::Empty, &[]), "de: leer");
        assert_eq!(say(Line::Apology, &["de"]), "en: sorry");
        assert_eq!(say(Line::TooLong, &["de"]), "en: …");
    }

    #[test]
    fn a_question_is_called_off_in_the_customers_words() {
        let lines = Lines::new(Lines::built_in().map(|(tag, texts)| (tag.to_owned(), texts)), "en");
        let cancels = |text: &str, languages: &[&str]| {
            let languages: Vec<Arc<str>> = languages.iter().map(|&language| language.into()).collect();
            lines.is_cancel(text, &languages)
        };
        assert!(cancels("Cancel!", &["en"]));
        assert!(cancels("  never   MIND … ", &["en"]));
        assert!(cancels("don’t bother", &["de"]));
        assert!(cancels("Abbrechen.", &["de-AT"]));
        assert!(!cancels("abbrechen", &["en"]));
        assert!(!cancels("cancel my order", &["en"]));
        assert!(!cancels("", &["en"]));
        let lines = Lines::new([("en".to_owned(), Texts::from([(Line::AgreeWords, "yes, ,".to_owned())]))], "en");
        assert!(lines.agrees("Yes!", &[]) && !lines.agrees("???", &[]));
    }

    #[test]
    fn a_tag_loses_its_last_parts() {
        assert_eq!(tags("zh-Hant-TW").collect::<Vec<_>>(), ["zh-hant-tw", "zh-hant", "zh"]);
        assert_eq!(tags("de").collect::<Vec<_>>(), ["de"]);
    }
}
