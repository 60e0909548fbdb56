//! What customers think: of an answer, with a thumb; of a chat with an agent, which is asked when it is over and given as
//! a frame or as a message.

use std::sync::Arc;

use super::{Conversation, Decision, Desk, DeskError, Line, Millis, Said, Seat};
use crate::conversation::{Author, Event, Kind, Rated, Stars, Text};
use crate::text::card::without_cards;

impl Desk {
    /// The visitor of this seat rates an answer, or takes a rating back. Returns when it is durable. The same rating
    /// once more changes nothing.
    pub async fn rate(&self, seat: &Seat, rated: Rated) -> Result<(), DeskError> {
        let before = rated.answer.saturating_add(1);
        let found = self.store.events_before(seat.id, before, 1).await.map_err(DeskError::Unavailable)?;
        let is_answer = |event: &Arc<Event>| {
            event.seq == rated.answer && event.kind == Kind::Message && event.author != Author::Visitor
        };
        if !found.iter().any(is_answer) {
            return Err(DeskError::NoAnswer);
        }
        let mut seated = seat.state.lock().await;
        let before = self.store.rating(seat.id, rated.answer).await.map_err(DeskError::Unavailable)?;
        if before == rated.thumb {
            return Ok(());
        }
        self.append(seat, &mut seated, |head| Some(head.rate(rated, self.clock.now()))).await.map(drop)
    }

    /// The visitor of this seat rates the chat that is over. Returns when it is durable; the same rating once more
    /// changes nothing.
    pub async fn review(&self, seat: &Seat, stars: Stars, mut comment: Option<Text>) -> Result<(), DeskError> {
        if self.is_blocked(seat.visitor) {
            return Err(DeskError::Blocked);
        }
        if let Some(Ok(text)) =
            comment.as_ref().and_then(|text| without_cards(text.as_str())).map(|text| Text::new(&text))
        {
            comment = Some(text);
        }
        let mut seated = seat.state.lock().await;
        if self.head(seat, &mut seated).await?.may_review(self.clock.now()).is_none() {
            // An agent may have ended it a moment ago, on another node.
            seated.head = None;
            if self.head(seat, &mut seated).await?.may_review(self.clock.now()).is_none() {
                return Err(DeskError::NoChat);
            }
        }
        let review = |head: &Conversation| head.review(stars, comment.clone(), self.clock.now());
        self.append(seat, &mut seated, review).await.map(drop)
    }

    /// Whether a rating is asked for when this is over.
    pub(super) fn asks(&self, head: &Conversation) -> bool {
        self.people.ask_rating && head.agent().is_some()
    }

    /// The text that says that it is over, with the question if it is asked: as its last paragraph, which clients that
    /// ask in another way leave out.
    pub(super) fn with_question(&self, head: &Conversation, text: String, asks: bool) -> String {
        if !asks {
            return text;
        }
        let question = self.line(head, Line::AskRating);
        let words: Vec<&str> = question.split_whitespace().collect();
        format!("{text}\n\n{}", words.join(" "))
    }

    /// What a message to a conversation that is over does if it answers that question.
    pub(super) fn reviewed_in(&self, head: &Conversation, said: &Said, now: Millis) -> Option<Decision> {
        let review = head.review_in(said, now)?;
        Some(head.say_review(said.clone(), review, self.line(head, Line::Rated), now))
    }

    /// The day of a time where the site is, as 2026-02-04.
    pub fn day(&self, at: Millis) -> String {
        self.people.day(at)
    }
}
