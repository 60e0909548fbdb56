//! How a customer who has gone is reached, and comes back.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{Desk, DeskError, Seat};
use crate::conversation::{ConversationId, Decision, Event, Kind, Millis, Seq, Status, VisitorId};

/// So many transcripts of a conversation are sent…
const TRANSCRIPTS: usize = 3;
/// …in this time.
const IN: Millis = 24 * 60 * 60 * 1_000;
/// Among so many of its last events they are counted.
const LOOKED_AT: u32 = 500;

/// Why a customer is not reached, or does not come back.
#[derive(Debug, thiserror::Error)]
pub enum NotReached {
    /// There is no such conversation any more, or it is not to be had in this way.
    #[error("there is no such conversation")]
    Gone,
    /// It was done too often.
    #[error("this was asked too often")]
    TooOften,
    /// Nobody knows where it should go.
    #[error("there is no address to send it to")]
    NoAddress,
    /// It could not be done.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl Desk {
    /// The visitor of this seat wants what was said by mail: at `email`, or at the address that is known.
    pub async fn send_transcript(&self, seat: &Seat, email: Option<String>) -> Result<(), NotReached> {
        let mut seated = seat.state.lock().await;
        let head = self.head(seat, &mut seated).await?;
        if head.last_seq == 0 || (head.status == Status::Closed && !head.kept.over) {
            return Err(NotReached::Gone);
        }
        if email.is_none() && head.email().is_none() {
            return Err(NotReached::NoAddress);
        }
        let last = self.store.events_before(seat.id, head.last_seq.saturating_add(1), LOOKED_AT).await;
        let since = self.clock.now() - IN;
        let is_one = |event: &&Arc<Event>| event.kind == Kind::Transcript && event.at > since;
        if last.map_err(DeskError::Unavailable)?.iter().filter(is_one).count() >= TRANSCRIPTS {
            return Err(NotReached::TooOften);
        }
        self.append(seat, &mut seated, |head| Some(head.transcript(email.clone(), self.clock.now()))).await?;
        Ok(())
    }

    /// This visitor has the link of a mail about this event of a conversation: what is in it goes to the end of the
    /// visitor's own, and is deleted where it was. So whoever had it before, and sent the link to somebody else, learns
    /// nothing from then on. Returns the visitor's conversation.
    pub async fn come_back(
        &self,
        (id, seq): (ConversationId, Seq),
        visitor: VisitorId,
    ) -> Result<ConversationId, NotReached> {
        let head = self.store.conversation(id).await.map_err(DeskError::Unavailable)?;
        let Some(head) = head.filter(|head| head.kept.account_email.is_none()) else { return Err(NotReached::Gone) };
        // What it is about may have been deleted, and the conversation gone on.
        let about = self.store.events_after(id, seq.saturating_sub(1), 1).await.map_err(DeskError::Unavailable)?;
        if about.first().is_none_or(|about| about.seq != seq) {
            return Err(NotReached::Gone);
        }
        if head.visitor == visitor {
            return Ok(id);
        }
        if head.erase(self.clock.now()).is_none() {
            return Err(NotReached::Gone);
        }
        let from = self.seats.take(id, head.visitor, None);
        from.begun.store(true, Ordering::Relaxed);
        let joined = self.join(from, visitor).await?;
        joined.ok_or_else(|| DeskError::Busy.into())
    }
}

impl Seat {
    /// While people have the conversation, it knows who its signed-in customer is, and where to reach one who has gone.
    pub(super) fn reachable(&self, decision: &mut Decision) {
        if decision.next.kept.person.is_none() {
            return;
        }
        let next = Arc::make_mut(&mut decision.next);
        let profile = self.profile.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = &mut next.kept;
        for (said, known) in [("name", &mut kept.account_name), ("email", &mut kept.account_email)] {
            if let Some(said) = profile.get(said).filter(|said| known.as_deref() != Some(said)) {
                *known = Some(said.as_str().into());
            }
        }
    }
}
