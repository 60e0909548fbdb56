//! What becomes due in conversations with people: nobody comes, an agent forgets one, the customer does not answer,
//! nothing is said any more.
//!
//! `wake_at` says when somebody must look. The look finds out what is due: that is done by an append, which one node
//! can do once; or when something will be, and then the next look is at that time.

use std::sync::Arc;

use super::agents::of_store;
use super::{Conversation, Desk, Line, Millis, Person, Presence, Seat, Seated, Status, StoreError};
use crate::conversation::{Button, Buttons, Decision, Elapsed};

/// Nothing is due in a conversation that people have left.
const NEVER: Millis = Millis::MAX;
/// So often is looked whether the people whom a customer waits for have gone home.
const CLOSED: Millis = 5 * 60 * 1_000;

impl Desk {
    /// Does what is due in a conversation without a pending question, which somebody was to look at at `wake_at`.
    pub(super) async fn look_after(
        &self,
        seat: &Seat,
        seated: &mut Seated,
        head: Conversation,
        wake_at: Millis,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        seated.head = None;
        match self.due(&head, now) {
            Some((_, at)) if at > now => {
                let may_close = head.status == Status::Waiting && self.people.hours.is_some();
                let next = if may_close { at.min(now + CLOSED) } else { at };
                self.store.claim(head.id, wake_at, next).await.map(drop)
            }
            None => self.store.claim(head.id, wake_at, NEVER).await.map(drop),
            Some(_) => {
                seated.found(head);
                let done = self
                    .append(seat, seated, |head| {
                        let (what, _) = self.due(head, now).filter(|(_, at)| *at <= now)?;
                        Some(self.elapsed(head, what, now))
                    })
                    .await;
                done.map(drop).or_else(of_store)
            }
        }
    }

    /// What becomes due in a conversation, and when. Whoever was told that it takes long, and waits on, is to know as soon
    /// as nobody comes any more.
    fn due(&self, head: &Conversation, now: Millis) -> Option<(Elapsed, Millis)> {
        let (what, at) = head.elapses(&self.people.patience)?;
        let is_told = head.status == Status::Waiting && what == Elapsed::Idle;
        Some((what, if is_told && matches!(self.presence(), Presence::Later(_)) { at.min(now) } else { at }))
    }

    fn elapsed(&self, head: &Conversation, what: Elapsed, now: Millis) -> Decision {
        if let (Status::Waiting, Presence::Later(opens)) = (head.status, self.presence()) {
            let languages: Vec<Arc<str>> = head.language.iter().cloned().collect();
            let text = Person::away(self.pipeline().lines(), &languages, opens);
            let team = head.kept.person.as_ref().and_then(|person| person.team.clone());
            return head.put_off(text.trim_end().to_owned(), Person::asked(team, now), now);
        }
        let asks = what == Elapsed::Idle && self.asks(head);
        let (text, buttons) = self.told(head, what);
        let text = self.with_question(head, text, asks);
        head.elapse(what, text, buttons, asks, now, &self.people.patience)
    }

    fn told(&self, head: &Conversation, what: Elapsed) -> (String, Buttons) {
        let button = |line: Line, choice: &str| Button {
            text: self.line(head, line),
            choice: Some(choice.to_owned()),
            ..Button::default()
        };
        let message = || button(Line::MessageButton, Person::MESSAGE);
        let back = || button(Line::BackButton, Person::BACK);
        match what {
            Elapsed::Nobody => (self.line(head, Line::NobodyCame), vec![message(), back()].into()),
            Elapsed::Forgotten => (self.line(head, Line::Forgotten), vec![message(), back()].into()),
            Elapsed::Silent => (self.line(head, Line::StillThere), vec![back()].into()),
            Elapsed::Idle => (self.line(head, Line::ClosedIdle), Buttons::default()),
        }
    }
}
