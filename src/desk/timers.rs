//! What becomes due in conversations with people: nobody comes, an agent forgets one, the customer does not answer,
//! nothing is said any more.
//!
//! `wake_at` says when somebody must look. The look finds out what is due: that is done by an append, which one node
//! can do once; or when something will be, and then the next look is at that time.

use super::agents::of_store;
use super::{Conversation, Desk, Line, Millis, Person, Seat, Seated, StoreError};
use crate::conversation::{Button, Elapsed};

/// Nothing is due in a conversation that people have left.
const NEVER: Millis = Millis::MAX;

impl Desk {
    /// Does what is due in a conversation without a pending question, which somebody was to look at at `wake_at`.
    pub(super) async fn look_after(
        &self,
        seat: &Seat,
        seated: &mut Seated,
        head: Conversation,
        wake_at: Millis,
    ) -> Result<(), StoreError> {
        let patience = &self.people.patience;
        let now = self.clock.now();
        seated.head = None;
        match head.elapses(patience) {
            Some((_, at)) if at > now => self.store.claim(head.id, wake_at, at).await.map(drop),
            None => self.store.claim(head.id, wake_at, NEVER).await.map(drop),
            Some(_) => {
                seated.head = Some(head);
                let done = self
                    .append(seat, seated, |head| {
                        let (what, _) = head.elapses(patience).filter(|(_, at)| *at <= now)?;
                        let asks = what == Elapsed::Idle && self.asks(head);
                        let (text, buttons) = self.told(head, what);
                        let text = self.with_question(head, text, asks);
                        Some(head.elapse(what, text, buttons, asks, now, patience))
                    })
                    .await;
                done.map(drop).or_else(of_store)
            }
        }
    }

    fn told(&self, head: &Conversation, what: Elapsed) -> (String, Vec<Button>) {
        let button = |line: Line, choice: &str| Button {
            text: self.line(head, line),
            choice: Some(choice.to_owned()),
            ..Button::default()
        };
        let message = || button(Line::MessageButton, Person::MESSAGE);
        let back = || button(Line::BackButton, Person::BACK);
        match what {
            Elapsed::Nobody => (self.line(head, Line::NobodyCame), vec![message(), back()]),
            Elapsed::Forgotten => (self.line(head, Line::Forgotten), vec![message(), back()]),
            Elapsed::Silent => (self.line(head, Line::StillThere), vec![back()]),
            Elapsed::Idle => (self.line(head, Line::ClosedIdle), Vec::new()),
        }
    }
}
