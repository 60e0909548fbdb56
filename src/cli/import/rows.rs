//! What a row of an earlier chat means, or why it means nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::conversation::{Author, Earlier, Millis, Text};
use crate::responders::markdown::escaped;
use crate::store::{EarlierMessage, EarlierSession};
use crate::text::card::without_cards;

/// Words that such chats use, and whom they mean here.
const USUAL: [(&str, Author); 16] = [
    ("visitor", Author::Visitor),
    ("user", Author::Visitor),
    ("customer", Author::Visitor),
    ("client", Author::Visitor),
    ("human", Author::Visitor),
    ("guest", Author::Visitor),
    ("bot", Author::Bot),
    ("assistant", Author::Bot),
    ("chatbot", Author::Bot),
    ("system", Author::System),
    ("agent", Author::Agent),
    ("staff", Author::Agent),
    ("admin", Author::Agent),
    ("operator", Author::Agent),
    ("support", Author::Agent),
    ("employee", Author::Agent),
];
/// The longest id of a user, as for a token's `sub`.
const MAX_USER: usize = 255;
/// Clocks may differ by so much.
const AHEAD: Millis = 24 * 60 * 60 * 1000;

/// How rows are understood.
pub struct Reading {
    /// Whom the site's own words for senders mean.
    pub senders: BTreeMap<String, Author>,
    /// Where the clock of times without an offset hangs.
    pub zone: TimeZone,
    /// What bots and agents wrote is Markdown.
    pub markdown: bool,
    /// No time is after this.
    pub now: Millis,
}

/// A session that was understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Understood {
    /// When it began.
    pub began: Millis,
    /// Whose it is; nobody's that is known otherwise.
    pub account: Option<String>,
    /// What was said in it.
    pub said: Vec<Earlier>,
}

/// Something in a row that cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which row: of the messages, or of the sessions.
    pub row: Row,
    /// What about it. No text of a message.
    pub what: String,
}

/// A row by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Session(String),
    Message(String),
}

impl Reading {
    /// The session as it is taken over. Messages with problems, and empty ones, are left out; without its own
    /// beginning, nothing of a session is there.
    pub fn understand(&self, session: &EarlierSession) -> (Option<Understood>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut problem = |row: Row, what: String| problems.push(Problem { row, what });
        let here = || Row::Session(session.id.clone());
        let began = match session.created_at.as_deref().ok_or_else(|| "it has no time".to_owned()) {
            Ok(time) => self.time(time),
            Err(what) => Err(what),
        };
        let account = session.user.as_deref().filter(|user| !user.is_empty());
        if let Some(user) = account
            && (user.len() > MAX_USER || user.chars().any(char::is_control))
        {
            problem(here(), format!("its user is no text of 1 to {MAX_USER} bytes"));
            return (None, problems);
        }
        let mut said = Vec::with_capacity(session.messages.len());
        for message in &session.messages {
            match self.message(message) {
                Ok(message) => said.extend(message),
                Err(what) => problem(Row::Message(message.id.clone()), what),
            }
        }
        match began {
            Ok(began) => (Some(Understood { began, account: account.map(str::to_owned), said }), problems),
            Err(what) => {
                problem(here(), what);
                (None, problems)
            }
        }
    }

    fn message(&self, message: &EarlierMessage) -> Result<Option<Earlier>, String> {
        let text = message.message.as_deref().unwrap_or_default().replace("\r\n", "\n");
        let author = self.author(message.sender.as_deref().unwrap_or_default())?;
        let at = self.time(message.timestamp.as_deref().ok_or("it has no time")?)?;
        // What is empty says nothing; a long text stays whole.
        if Text::new(&text) == Err(crate::conversation::TextError::Empty) {
            return Ok(None);
        }
        let text = without_cards(&text).unwrap_or(text);
        let text = if author == Author::Visitor || self.markdown { text } else { as_markdown(&text) };
        Ok(Some(Earlier { key: message.id.clone(), at, author, text }))
    }

    fn author(&self, sender: &str) -> Result<Author, String> {
        let own = self.senders.get(sender).copied();
        let usual =
            || USUAL.iter().find(|(word, _)| word.eq_ignore_ascii_case(sender.trim())).map(|(_, author)| *author);
        own.or_else(usual).ok_or_else(|| {
            let shown: String = sender.chars().take(40).collect();
            format!("who is the sender {shown:?}? Say it with --sender {}=visitor, bot or agent", quoted(&shown))
        })
    }

    /// UTC milliseconds of "2026-11-25 14:03:07.123456", also with a T and with an offset.
    fn time(&self, text: &str) -> Result<Millis, String> {
        let text = text.trim();
        let offset = text.parse::<Timestamp>();
        let stamp = match offset {
            Ok(stamp) => stamp,
            Err(_) => {
                let local: DateTime = text.parse().map_err(|_| {
                    let shown: String = text.chars().take(40).collect();
                    format!("{shown:?} is no time like 2026-11-25 14:03:07")
                })?;
                self.zone.to_timestamp(local).map_err(|error| error.to_string())?
            }
        };
        match stamp.as_millisecond() {
            millis if millis < 0 => Err(format!("{text} is before 1970")),
            millis if millis > self.now + AHEAD => Err(format!("{text} has not come yet")),
            millis => Ok(millis),
        }
    }
}

/// As a word of a shell.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A plain text of several lines as Markdown that shows just this.
fn as_markdown(text: &str) -> String {
    let paragraph = |paragraph: &str| {
        let lines = paragraph.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| escaped(line, usize::MAX)).collect::<Vec<_>>().join("  \n")
    };
    text.trim().split("\n\n").map(paragraph).filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        let senders = BTreeMap::from([("1".to_owned(), Author::Bot), (String::new(), Author::Visitor)]);
        Reading { senders, zone: TimeZone::UTC, markdown: false, now: 1_764_000_000_000 }
    }

    fn message(sender: &str, text: &str, time: &str) -> EarlierMessage {
        let some = |text: &str| Some(text.to_owned());
        EarlierMessage { id: "7".to_owned(), sender: some(sender), message: some(text), timestamp: some(time) }
    }

    #[test]
    fn times_are_read_as_databases_write_them() {
        let reading = Reading { zone: TimeZone::get("Europe/Berlin").expect("a zone"), ..reading() };
        for (text, millis) in [
            ("1970-01-02 01:00:00", Ok(86_400_000)),
            ("2024-07-01 12:00:00.250", Ok(1_719_828_000_250)),
            ("2024-07-01T12:00:00.250000", Ok(1_719_828_000_250)),
            ("2024-07-01 12:00:00+00:00", Ok(1_719_835_200_000)),
            ("2024-07-01T12:00:00Z", Ok(1_719_835_200_000)),
            ("1.7.2024", Err("\"1.7.2024\" is no time like 2026-11-25 14:03:07")),
            ("1969-12-31 00:00:00", Err("1969-12-31 00:00:00 is before 1970")),
            ("2999-01-01 00:00:00", Err("2999-01-01 00:00:00 has not come yet")),
        ] {
            assert_eq!(reading.time(text), millis.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn senders_are_the_usual_words_and_those_that_are_said() {
        let reading = reading();
        for (sender, author) in
            [("User", Author::Visitor), ("BOT", Author::Bot), ("1", Author::Bot), ("", Author::Visitor)]
        {
            assert_eq!(reading.author(sender), Ok(author), "{sender}");
        }
        let unknown = reading.author("Mrs O'Neil").expect_err("nobody knows her");
        assert!(unknown.contains(r"--sender 'Mrs O'\''Neil'=visitor"), "{unknown}");
    }

    #[test]
    fn a_text_stays_what_it_was() {
        let reading = reading();
        let text = |sender: &str, text: &str| {
            let message = reading.message(&message(sender, text, "2024-07-01 12:00:00")).expect("understood");
            message.map(|message| message.text)
        };
        assert_eq!(text("user", " <b>*hi*</b>\r\n"), Some(" <b>*hi*</b>\n".to_owned()));
        assert_eq!(
            text("bot", "<b>*hi*</b>\r\n# one\n\n- two"),
            Some("\\<b\\>\\*hi\\*\\</b\\>  \n\\# one\n\n\\- two".to_owned())
        );
        assert_eq!(text("user", "  \n "), None);
        assert_eq!(text("user", "my card is 4111 1111 1111 1111"), Some("my card is •••• •••• •••• 1111".to_owned()));
        assert_eq!(text("user", &"x".repeat(9_000)).map(|text| text.len()), Some(9_000));
    }

    #[test]
    fn problems_name_their_rows() {
        let session = EarlierSession {
            id: "3".to_owned(),
            user: Some("4711".to_owned()),
            created_at: None,
            messages: vec![
                message("user", "hi", "soon"),
                EarlierMessage { timestamp: None, ..message("bot", "hi", "") },
            ],
        };
        let (understood, problems) = reading().understand(&session);
        assert_eq!(understood, None);
        let problems: Vec<_> = problems.iter().map(|problem| (&problem.row, problem.what.as_str())).collect();
        let (message, session) = (Row::Message("7".to_owned()), Row::Session("3".to_owned()));
        assert_eq!(
            problems,
            [
                (&message, "\"soon\" is no time like 2026-11-25 14:03:07"),
                (&message, "it has no time"),
                (&session, "it has no time"),
            ]
        );
    }
}
