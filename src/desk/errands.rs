//! What customers have agreed to: word that there is some, and how it ended.

use std::sync::atomic::Ordering;

use super::{ConversationId, Desk, DeskError, Event, MAX_CONFLICTS};
use crate::conversation::Settled;
use crate::store::AppendError;

impl Desk {
    /// An errand that was ordered with this event has its outcome, and the customer is told so with this text. Returns when it is
    /// durable; false if it has an outcome already, or the conversation was deleted.
    pub async fn settle(
        &self,
        conversation: ConversationId,
        ordered: &Event,
        settled: &Settled,
        text: &str,
    ) -> Result<bool, DeskError> {
        let Some(head) = self.store.conversation(conversation).await.map_err(DeskError::Unavailable)? else {
            return Ok(false);
        };
        let seat = self.seats.take(conversation, head.visitor, None);
        seat.begun.store(true, Ordering::Relaxed);
        let mut seated = seat.state.lock().await;
        for _ in 0..MAX_CONFLICTS {
            let head = self.head(&seat, &mut seated).await?;
            // Looked at after the head: whatever takes the errand away from now on also moves the log on.
            if !self.store.has_errand(settled.errand).await.map_err(DeskError::Unavailable)? {
                return Ok(false);
            }
            let Some(decision) = head.settle(ordered, settled.clone(), text.to_owned(), self.clock.now()) else {
                return Ok(false);
            };
            let next = decision.next.clone();
            match self.store.append(decision).await {
                Ok(()) => {
                    self.counts.errands.get_or_create(&[("outcome", settled.outcome.word())]).inc();
                    seated.head = Some(next);
                    return Ok(true);
                }
                Err(AppendError::Unavailable(error)) => {
                    seated.head = None;
                    return Err(DeskError::Unavailable(error));
                }
                Err(_) => self.conflict(&mut seated),
            }
        }
        Err(DeskError::Busy)
    }

    /// Waits until a customer has agreed to an errand here.
    pub async fn errand_ordered(&self) {
        self.ordered.notified().await;
    }
}
