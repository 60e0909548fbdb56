//! Letters: what stands in a mail, as text and as HTML. Nothing here sends anything.
//!
//! What customers and agents wrote is text in both: in the text as it is, in the HTML escaped, or, where it is Markdown,
//! rendered and sanitised by the same code as in the chat window. No letter loads anything from anywhere.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::conversation::{Author, Event, Kind, Millis};

/// The longest letter, in bytes of what was said. Of a longer transcript the end is kept.
const LONGEST: usize = 256 << 10;
/// The longest name of a site or a person, in characters.
const NAME: usize = 80;

/// The words of a language.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Words {
    reply_subject: String,
    reply_intro: String,
    reply_outro: String,
    reply_button: String,
    reply_expires: String,
    transcript_subject: String,
    transcript_intro: String,
    transcript_cut: String,
    notice_subject: String,
    notice_intro: String,
    notice_unknown: String,
    notice_outro: String,
    notice_button: String,
    visitor: String,
    customer: String,
    bot: String,
    footer: String,
}

static ENGLISH: LazyLock<Words> = LazyLock::new(|| words(include_str!("../../templates/letters/en.yaml")));
static GERMAN: LazyLock<Words> = LazyLock::new(|| words(include_str!("../../templates/letters/de.yaml")));

fn words(text: &str) -> Words {
    serde_yaml::from_str(text).expect("a file that a test has read")
}

/// Renders Markdown as sanitised HTML.
pub type Render = fn(&Arc<str>) -> Arc<str>;

/// A mail without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// As text.
    pub text: String,
    /// The same as a page of HTML.
    pub html: String,
}

/// Writes letters in one language.
pub struct Writer<'a> {
    words: &'static Words,
    language: &'static str,
    /// What the site is called.
    site: String,
    render: &'a Render,
}

/// A link below what was said.
pub struct Link<'a> {
    /// Where it leads.
    pub to: &'a str,
    /// For how many days, if it opens the conversation to whoever has it.
    pub days: Option<u32>,
}

impl<'a> Writer<'a> {
    /// A writer of letters in this language, or in English.
    pub fn new(language: &str, site: &str, render: &'a Render) -> Writer<'a> {
        let german = language.split(['-', '_']).next().is_some_and(|language| language.eq_ignore_ascii_case("de"));
        let (words, language) = if german { (&*GERMAN, "de") } else { (&*ENGLISH, "en") };
        Writer { words, language, site: one_line(site, NAME), render }
    }

    /// What agents have answered, to a customer who has gone.
    pub fn reply(&self, said: &[Arc<Event>], link: Option<&Link<'_>>) -> Letter {
        let words = self.words;
        let mut page = Page::new(&words.reply_intro);
        for event in said {
            self.say(&mut page, event, None);
        }
        if let Some(link) = link {
            page.line(&words.reply_outro);
            page.link(&words.reply_button, link.to);
            if let Some(days) = link.days {
                page.small(&words.reply_expires.replace("{days}", &days.to_string()));
            }
        }
        self.done(&words.reply_subject, page, true)
    }

    /// What was said, to the customer who asked for it.
    pub fn transcript(&self, said: &[Arc<Event>]) -> Letter {
        let mut page = Page::new(&self.words.transcript_intro);
        let mut left = LONGEST;
        let fits = |event: &&Arc<Event>| match left.checked_sub(event.body.len() + 256) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let kept = said.iter().rev().take_while(fits).count();
        if kept < said.len() {
            page.line(&self.words.transcript_cut);
        }
        for event in &said[said.len() - kept..] {
            self.say(&mut page, event, Some(&self.words.visitor));
        }
        self.done(&self.words.transcript_subject, page, true)
    }

    /// That a message was left, to the agents.
    pub fn notice(&self, said: &[Arc<Event>], contact: Option<&str>, console: Option<&str>) -> Letter {
        let words = self.words;
        let contact = contact.map_or_else(|| words.notice_unknown.clone(), |contact| one_line(contact, 254));
        let mut page = Page::new(&format!("{} {contact}.", words.notice_intro));
        for event in said {
            self.say(&mut page, event, Some(&words.customer));
        }
        page.line(&words.notice_outro);
        if let Some(console) = console {
            page.link(&words.notice_button, console);
        }
        self.done(&words.notice_subject, page, false)
    }

    /// A message, and who said it; with `visitor`, also when.
    fn say(&self, page: &mut Page, event: &Event, visitor: Option<&str>) {
        let who = match event.author {
            Author::Visitor => visitor.unwrap_or(&self.words.visitor).to_owned(),
            Author::Agent => event.meta.name.as_deref().map_or_else(|| self.site.clone(), |name| one_line(name, NAME)),
            Author::Bot | Author::System => self.words.bot.clone(),
        };
        let when = visitor.map(|_| format!(", {}", moment(event.at))).unwrap_or_default();
        let mut html = match event.author {
            _ if event.body.is_empty() => String::new(),
            Author::Visitor => format!("<p style=\"white-space:pre-wrap\">{}</p>", escaped(&event.body)),
            _ => (self.render)(&event.body).to_string(),
        };
        let mut text = event.body.as_ref().to_owned();
        // A mail names what is attached; it is in the chat.
        for attachment in &event.meta.attachments {
            html.push_str(&format!("<p>📎 {}</p>", escaped(&attachment.name)));
            text.push_str(if text.is_empty() { "📎 " } else { "\n📎 " });
            text.push_str(&attachment.name);
        }
        page.said(&format!("{who}{when}"), &text, &html);
    }

    fn done(&self, subject: &str, mut page: Page, to_customer: bool) -> Letter {
        if to_customer {
            page.small(&self.words.footer.replace("{site}", &self.site));
        }
        let Page { text, html } = page;
        let html = format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" \
             content=\"light dark\"></head><body style=\"font-family:sans-serif;max-width:36em\">{html}</body></html>",
            self.language
        );
        Letter { subject: subject.replace("{site}", &self.site), text, html }
    }
}

/// Whether a customer sees this as something that was said.
pub fn is_said(event: &Event) -> bool {
    let said = !event.body.is_empty() || !event.meta.attachments.is_empty();
    !event.kind.is_internal() && said && event.kind != Kind::Erased
}

/// Both forms of a letter as they grow.
struct Page {
    text: String,
    html: String,
}

impl Page {
    fn new(intro: &str) -> Page {
        let mut page = Page { text: String::new(), html: String::new() };
        page.line(intro);
        page
    }

    fn line(&mut self, line: &str) {
        let _ = write!(self.text, "{line}\n\n");
        let _ = write!(self.html, "<p>{}</p>", escaped(line));
    }

    fn small(&mut self, line: &str) {
        let _ = write!(self.text, "{line}\n\n");
        let _ = write!(self.html, "<p style=\"color:#666;font-size:13px\">{}</p>", escaped(line));
    }

    fn said(&mut self, who: &str, text: &str, html: &str) {
        let quoted: String = text.trim_end().lines().map(|line| format!("> {line}\n")).collect();
        let _ = write!(self.text, "{who}:\n{quoted}\n");
        let style = "margin:0 0 16px;padding:2px 0 2px 12px;border-left:3px solid #ccc";
        let _ = write!(self.html, "<p><b>{}</b></p><div style=\"{style}\">{html}</div>", escaped(who));
    }

    fn link(&mut self, name: &str, to: &str) {
        let _ = write!(self.text, "{name}: {to}\n\n");
        let _ = write!(self.html, "<p><a href=\"{}\" rel=\"noreferrer\"><b>{}</b></a></p>", escaped(to), escaped(name));
    }
}

/// A text of somebody on one line, cut to so many characters.
fn one_line(text: &str, most: usize) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(most).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// `2026-03-02 09:00`.
fn moment(at: Millis) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{EventId, Meta};

    const PLAIN: Render = |markdown| escaped(markdown).into();

    fn said(author: Author, body: &str, name: Option<&str>) -> Arc<Event> {
        Arc::new(Event {
            id: EventId::new(),
            seq: 1,
            at: 1_772_442_000_000,
            kind: Kind::Message,
            author,
            body: body.into(),
            client_id: None,
            provenance: None,
            meta: Meta { name: name.map(str::to_owned), ..Meta::default() },
        })
    }

    #[test]
    fn what_others_wrote_is_text_in_a_letter() {
        let events = [
            said(Author::Visitor, "<script>alert(1)</script>\n.\nend", None),
            said(Author::Agent, "<b>x</b>", Some("Eve\r\nBcc: all@example.org <i>")),
        ];
        let letter = Writer::new("en", "Shop\r\nX-Evil: 1", &PLAIN).transcript(&events);
        assert!(!letter.html.contains("<script>") && !letter.html.contains("<i>"), "{}", letter.html);
        assert_eq!(letter.subject, "Your chat with Shop X-Evil: 1");
        assert!(
            letter.text.contains("Eve Bcc: all@example.org <i>, 2026-03-02 09:00:\n> <b>x</b>\n"),
            "{}",
            letter.text
        );
    }

    #[test]
    fn letters_are_in_the_language_of_the_conversation() {
        let events = [said(Author::Agent, "Ja.", Some("Anna"))];
        let link = Link { to: "https://shop.example/#purser=x&y", days: Some(7) };
        let letter = Writer::new("de-AT", "Shop", &PLAIN).reply(&events, Some(&link));
        assert_eq!(letter.subject, "Eine Antwort von Shop");
        assert!(letter.html.contains("href=\"https://shop.example/#purser=x&amp;y\""), "{}", letter.html);
        assert!(letter.text.contains("https://shop.example/#purser=x&y") && letter.text.contains("gilt 7 Tage"));
        assert_eq!(Writer::new("fr", "Shop", &PLAIN).reply(&events, None).subject, "An answer from Shop");
    }

    #[test]
    fn of_a_transcript_that_is_too_long_the_end_is_kept() {
        let mut events: Vec<_> = (0..70).map(|_| said(Author::Visitor, &"x".repeat(4_000), None)).collect();
        events.push(said(Author::Visitor, "the end", None));
        let letter = Writer::new("en", "Shop", &PLAIN).transcript(&events);
        assert!(letter.text.contains("left out") && letter.text.contains("the end"));
        assert!(letter.text.len() < LONGEST + (64 << 10));
    }
}
