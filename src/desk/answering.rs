//! Answering: from a turn to the stored answer, at once or later, one question of a conversation after the other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use futures_util::{FutureExt, poll};

use super::drafts::UnderWay;
use super::holds::LEASE;
use super::seat::{Seat, Seated};
use super::{Desk, DeskError, Progress};
use crate::conversation::{Conversation, Event, EventId, Millis, Said, Seq};
use crate::responders::Turn;
use crate::responders::pipeline::Answered;
use crate::store::StoreError;

/// A question that is found unanswered after this long gets an apology instead of a late answer.
const TOO_LATE: Millis = 5 * 60 * 1000;

impl Desk {
    /// Asks the pipeline once. Most answers are there at once.
    pub(super) async fn begin(&self, seat: &Seat, head: &Conversation, said: &Said, seq: Seq) -> Progress {
        let turn =
            self.turn(seat, head, (said.id, seq), said.text.shared(), said.choice.clone(), said.language.as_ref());
        let mut under_way = self.answer(turn);
        match poll!(&mut under_way.answer) {
            Poll::Ready(answered) => Progress::Ready(self.placed(answered).await),
            Poll::Pending => Progress::Waiting(under_way),
        }
    }

    /// Waits for the answer to a stored question, stores it, and goes on with the questions that came meanwhile.
    pub(super) async fn finish(
        self: Arc<Self>,
        seat: Arc<Seat>,
        mut question: EventId,
        mut seq: Seq,
        mut under_way: UnderWay,
    ) {
        loop {
            let draft = under_way.draft.clone();
            let answered = self.wait_for(&seat, seq, under_way).await;
            let answered = match answered {
                Some(answered) => Some(self.placed(answered).await),
                None => None,
            };
            let mut seated = seat.state.lock().await;
            // Boxed, or every answer that waits would hold as much.
            let stored = Box::pin(self.store_answer(&seat, &mut seated, question, seq, answered)).await;
            if let Some(draft) = draft {
                draft.end(matches!(stored, Ok(true)));
            }
            let next = match stored {
                Ok(_) => self.next_turn(&seat, &mut seated).await,
                Err(error) => Err(error),
            };
            match next {
                Ok(Some((event, turn))) => {
                    (question, seq) = (event.id, event.seq);
                    self.hold_from_now(&seat);
                    under_way = self.answer(turn);
                }
                Ok(None) => {
                    self.finished(&seat, &mut seated);
                    return;
                }
                Err(error) => {
                    // The question stays pending, and whoever finds it due finishes it.
                    seated.head = None;
                    self.finished(&seat, &mut seated);
                    tracing::error!(conversation = %seat.id, error = %error, "an answer could not be stored yet");
                    return;
                }
            }
        }
    }

    /// Appends the answer to a stored question, over whatever the visitor said since. False if there is none, or the
    /// question is somebody else's by now.
    pub(super) async fn store_answer(
        &self,
        seat: &Seat,
        seated: &mut Seated,
        question: EventId,
        seq: Seq,
        answered: Option<Answered>,
    ) -> Result<bool, DeskError> {
        if let Some(answered) = answered {
            let answer = |head: &Conversation| {
                let mut decision = head.answer(question, seq, answered.message.clone(), self.clock.now(), LEASE)?;
                seat.reachable(&mut decision);
                Some(decision)
            };
            if self.append(seat, seated, answer).await? {
                let Answered { message, outcome, trace, .. } = &answered;
                self.note(seat, seq, &message.provenance, *outcome, trace, message.effects.agreed.is_some());
                return Ok(true);
            }
        } else {
            // Others did something that this state does not know of.
            self.conflict(seated);
        }
        self.counts.refused.inc();
        tracing::info!(conversation = %seat.id, seq, "a late answer was dropped");
        Ok(false)
    }

    /// Goes on with the first pending question of a conversation that nobody on this node is answering.
    pub(super) async fn take_up(self: &Arc<Self>, seat: &Arc<Seat>, seated: &mut Seated) -> Result<(), StoreError> {
        let Some(head) = &seated.head else { return Ok(()) };
        let Some(event) = self.store.next_question(head.id, head.answered_seq).await? else { return Ok(()) };
        let turn = self.turn_of(seat, head, &event);
        let under_way = if self.clock.now() - event.at > TOO_LATE {
            UnderWay::ready(self.pipeline().apologise(&turn))
        } else {
            self.answer(turn)
        };
        self.finish_later(seat, seated, event.id, event.seq, under_way);
        Ok(())
    }

    /// The answer to a stored question is under way from now on.
    pub(super) fn finish_later(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        seated: &mut Seated,
        question: EventId,
        seq: Seq,
        under_way: UnderWay,
    ) {
        seated.answering = true;
        self.hold_from_now(seat);
        let (desk, seat) = (self.clone(), seat.clone());
        self.answering.spawn(async move {
            let finishing = desk.clone().finish(seat.clone(), question, seq, under_way);
            if AssertUnwindSafe(finishing).catch_unwind().await.is_err() {
                tracing::error!(conversation = %seat.id, "an answer panicked; the question is taken up again");
                let mut seated = seat.state.lock().await;
                seated.head = None;
                desk.finished(&seat, &mut seated);
            }
        });
    }

    fn hold_from_now(&self, seat: &Seat) {
        let now = self.clock.now();
        self.holds.begin(seat.id, now, now + self.limit);
    }

    pub(super) fn finished(&self, seat: &Seat, seated: &mut Seated) {
        seated.answering = false;
        self.holds.end(seat.id);
    }

    /// The next pending question of this conversation.
    pub(super) async fn next_turn(
        &self,
        seat: &Seat,
        seated: &mut Seated,
    ) -> Result<Option<(Arc<Event>, Turn)>, DeskError> {
        let head = self.head(seat, seated).await?;
        if !head.has_pending() {
            return Ok(None);
        }
        let event = self.store.next_question(seat.id, head.answered_seq).await.map_err(DeskError::Unavailable)?;
        Ok(event.map(|event| {
            let turn = self.turn_of(seat, &head, &event);
            (event, turn)
        }))
    }

    pub(super) fn turn_of(&self, seat: &Seat, head: &Conversation, event: &Event) -> Turn {
        self.turn(
            seat,
            head,
            (event.id, event.seq),
            &event.body,
            event.meta.choice.clone(),
            event.meta.language.as_ref(),
        )
    }

    pub(super) fn turn(
        &self,
        seat: &Seat,
        head: &Conversation,
        (question, seq): (EventId, Seq),
        text: &Arc<str>,
        choice: Option<Arc<str>>,
        page_language: Option<&Arc<str>>,
    ) -> Turn {
        let mut languages: Vec<Arc<str>> = Vec::with_capacity(2);
        for wanted in [head.language.as_ref(), page_language, Some(&self.language)].into_iter().flatten() {
            if !languages.contains(wanted) {
                languages.push(wanted.clone());
            }
        }
        Turn {
            conversation: head.id,
            by: Some(seat.visitor),
            question,
            seq,
            text: text.clone(),
            choice,
            languages,
            visitor: seat.known(&head.kept),
            now: self.clock.now(),
            focus: head.kept.focus.as_deref().cloned(),
            entry: None,
            team: None,
            notes: self.notes.get().cloned(),
            stubs: None,
            past: Some(self.past.clone()),
            drafts: None,
            untraced: self.notes.get().is_none(),
            people: self.presence(),
            call_if_missed: self.people.call_after > 0 && head.kept.missed.saturating_add(1) >= self.people.call_after,
        }
    }
}
