//! What the customer thinks of a chat with a person that is over: one to five stars, and perhaps a word about it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event::{Author, Kind, Meta};
use super::id::{AgentId, EventId, Millis, Text};
use super::{Conversation, Decision, Draft, Said, Status};

/// So long after its end a chat may be rated, and rated otherwise.
const LASTS: Millis = 24 * 60 * 60 * 1_000;

/// From one, poor, to five, very good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stars(u8);

impl Stars {
    /// So many; nothing but 1 to 5 are any.
    pub fn new(stars: u8) -> Option<Stars> {
        (1..=5).contains(&stars).then_some(Stars(stars))
    }

    /// How many.
    pub fn count(self) -> u8 {
        self.0
    }
}

/// A chat with a person that is over and that the customer is asked to rate; kept until the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who had it.
    pub agent: AgentId,
    /// The name that the customer saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it ended.
    pub at: Millis,
    /// What the customer gave it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stars: Option<u8>,
}

impl Conversation {
    /// The chat that may be rated now.
    pub fn may_review(&self, now: Millis) -> Option<&Ended> {
        self.kept.ended.as_deref().filter(|ended| now - ended.at <= LASTS)
    }

    /// The visitor rates the chat that is over, for the first time or otherwise than before. Nothing waits for that,
    /// so the conversation stays as it is. `None` if there is nothing to rate, or nothing new in it.
    pub fn review(&self, stars: Stars, comment: Option<Text>, now: Millis) -> Option<Decision> {
        let ended = self.may_review(now)?;
        if ended.stars == Some(stars.count()) && comment.is_none() {
            return None;
        }
        let mut draft = Draft::on(self, now);
        draft.reviewed(stars, comment);
        Some(draft.done())
    }

    /// The stars in a message that answers the question for them: a number alone (`4`, `4/5`, `★★★★`), or one with a
    /// word after it (`5: thank you`). A message with a question in it is a question.
    pub fn review_in(&self, said: &Said, now: Millis) -> Option<(Stars, Option<Text>)> {
        if self.status != Status::Closed || said.choice.is_some() {
            return None;
        }
        self.may_review(now)?;
        stars_in(said.text.as_str())
    }

    /// The visitor rates the chat in a message, and is thanked with this text.
    pub fn say_review(
        &self,
        said: Said,
        (stars, comment): (Stars, Option<Text>),
        thanks: String,
        now: Millis,
    ) -> Decision {
        let mut draft = Draft::on(self, now);
        let meta = Meta { language: said.language, ..Meta::default() };
        let client_id = Some(said.client_id.into());
        draft.add(said.id, Kind::Message, Author::Visitor, said.text.into(), client_id, None, meta);
        draft.next.asked_seq = draft.next.last_seq;
        draft.next.answered_seq = draft.next.last_seq;
        draft.reviewed(stars, comment);
        draft.add(EventId::new(), Kind::Message, Author::System, thanks.into(), None, None, Meta::default());
        draft.done()
    }
}

impl Draft {
    fn reviewed(&mut self, stars: Stars, comment: Option<Text>) {
        let Some(ended) = &mut self.next.kept.ended else { return };
        ended.stars = Some(stars.count());
        let (agent, name) = (Some(ended.agent), ended.name.clone());
        let meta = Meta { stars: Some(stars.count()), agent, name, ..Meta::default() };
        let body = comment.map(Arc::from).unwrap_or_default();
        self.add(EventId::new(), Kind::Reviewed, Author::Visitor, body, None, None, meta);
    }
}

fn stars_in(text: &str) -> Option<(Stars, Option<Text>)> {
    let text = text.trim();
    let drawn = text.chars().take_while(|c| matches!(c, '★' | '⭐')).count();
    let (count, rest) = match drawn {
        0 => {
            let (digit, rest) = text.split_at_checked(1)?;
            let rest = rest.trim_start();
            (digit.parse().ok()?, rest.strip_prefix("/5").or(rest.strip_prefix("/ 5")).unwrap_or(rest))
        }
        drawn => (u8::try_from(drawn).ok()?, text.trim_start_matches(['★', '⭐'])),
    };
    let stars = Stars::new(count)?;
    let rest = rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, '★' | '⭐' | '☆' | '.' | '!'));
    if rest.is_empty() {
        return Some((stars, None));
    }
    let comment = rest.strip_prefix([',', ':', ';', '-', '–', '—'])?.trim();
    if comment.contains('?') || comment.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((stars, Text::new(comment).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_a_rating_and_a_question_is_none() {
        for (text, expected) in [
            ("4", Some((4, None))),
            (" 5! ", Some((5, None))),
            ("3/5", Some((3, None))),
            ("2 / 5", Some((2, None))),
            ("★★★☆☆", Some((3, None))),
            ("5: Anna was great.", Some((5, Some("Anna was great")))),
            ("1 - too slow", Some((1, Some("too slow")))),
            ("0", None),
            ("6", None),
            ("45", None),
            ("4 parcels to France", None),
            ("2, and where is my parcel?", None),
            ("3-4 days", None),
            ("1.5 kg", None),
            ("★★★★★★", None),
            ("thanks", None),
            ("", None),
        ] {
            let found = stars_in(text);
            let found = found.as_ref().map(|(stars, word)| (stars.count(), word.as_ref().map(Text::as_str)));
            assert_eq!(found, expected, "{text}");
        }
    }
}
