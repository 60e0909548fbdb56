//! At sign-in: what was said as nobody in particular becomes the customer's.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Desk, DeskError, MAX_CONFLICTS, Seat};
use crate::conversation::{Author, ConversationId, Event, Seq, VisitorId, has_open_errand};
use crate::store::AppendError;

/// So many of the last events are taken over, and so many bytes of text and of what stands behind it: one append.
const TAKEN_OVER: u32 = 1_000;
const TAKEN_OVER_BYTES: usize = 1 << 20;
/// How often it is looked whether a question of the customer still waits for its answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Desk {
    /// The visitor of a token has signed in: what is in the open conversation of the token goes to the end of the
    /// customer's, in its order and with its ids, and is deleted where it was. So no conversation ever changes hands:
    /// whoever else knows the token, or follows its conversation, learns nothing of what the customer says from then on.
    ///
    /// Begun twice, or cut off in the middle, it is done once. While a question of the customer waits for its answer,
    /// or something is being done outside, this waits; if that takes too long, the next sign-in takes over.
    pub async fn sign_in(&self, token: VisitorId, customer: VisitorId) -> Result<(), DeskError> {
        match self.open_seat(token).await? {
            Some(from) => self.join(from, customer).await.map(drop),
            None => Ok(()),
        }
    }

    /// What is in this conversation goes to the end of the customer's, which is returned, and is deleted here. `None` if
    /// that would take too long now, or if there is nothing.
    pub(super) async fn join(&self, from: Arc<Seat>, customer: VisitorId) -> Result<Option<ConversationId>, DeskError> {
        // While this is held, nobody on this node adds to it.
        let mut left = from.state.lock().await;
        let mut looks = self.limit / i64::try_from(LOOK_EVERY.as_millis()).unwrap_or(1);
        let mut conflicts = 0;
        // The last of its events that the customer's conversation has.
        let mut taken: Seq = 0;
        while conflicts < MAX_CONFLICTS {
            let before = self.head(&from, &mut left).await?;
            let now = self.clock.now();
            let Some(erasing) = before.erase(now) else { return Ok(None) };
            let to = match self.open_seat(customer).await? {
                Some(seat) => seat,
                None => self.seats.take(ConversationId::new(), customer, None),
            };
            let mut joined = to.state.lock().await;
            let head = self.head(&to, &mut joined).await?;
            let events = self.to_take_over(from.id, taken, before.last_seq).await?;
            let on_errand = has_open_errand(&events);
            if head.has_pending() || on_errand {
                if looks == 0 {
                    tracing::info!(conversation = %to.id, "an answer or errand takes long, so the next sign-in joins");
                    return Ok(None);
                }
                looks -= 1;
                drop(joined);
                if on_errand {
                    // Its outcome is written there.
                    drop(left);
                    tokio::time::sleep(LOOK_EVERY).await;
                    left = from.state.lock().await;
                } else {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                continue;
            }
            if let Some(decision) = head.take_over(&before, &events, now) {
                let next = decision.next.clone();
                match self.store.append(decision).await {
                    Ok(()) => {
                        joined.head = Some(next);
                        to.begun.store(true, Ordering::Relaxed);
                    }
                    Err(AppendError::Repeated { .. }) => {
                        // An earlier sign-in came this far.
                        conflicts += 1;
                        taken = self.last_known(to.id, &events).await?.max(taken);
                        self.conflict(&mut joined);
                        continue;
                    }
                    Err(AppendError::Conflict | AppendError::Elsewhere(_)) => {
                        conflicts += 1;
                        self.conflict(&mut joined);
                        continue;
                    }
                    Err(AppendError::Unavailable(error)) => return Err(DeskError::Unavailable(error)),
                }
            }
            taken = before.last_seq;
            let next = erasing.next.clone();
            match self.store.append(erasing).await {
                Ok(()) => {
                    left.head = Some(next);
                    tracing::info!(conversation = %to.id, from = %from.id, "a conversation was joined at sign-in");
                    return Ok(Some(to.id));
                }
                Err(AppendError::Unavailable(error)) => return Err(DeskError::Unavailable(error)),
                // Something was said there meanwhile: it is taken over too.
                Err(_) => {
                    conflicts += 1;
                    self.conflict(&mut left);
                }
            }
        }
        Err(DeskError::Busy)
    }

    /// The last events of a log after `after`, as many as one append takes.
    async fn to_take_over(&self, from: ConversationId, after: Seq, last: Seq) -> Result<Vec<Arc<Event>>, DeskError> {
        let events = self.store.events_before(from, last.saturating_add(1), TAKEN_OVER).await;
        let mut events = events.map_err(DeskError::Unavailable)?;
        // What stands behind answers is for replays. It may be larger than all that was said, and then it stays behind.
        let mut behind = 0;
        for event in events.iter_mut().rev().filter(|event| event.meta.behind.is_some()) {
            behind += small_print(event);
            if behind > TAKEN_OVER_BYTES {
                Arc::make_mut(event).meta.behind = None;
            }
        }
        let mut bytes = 0;
        let fits = |event: &&Arc<Event>| {
            bytes += event.body.len() + 256;
            event.seq > after && bytes <= TAKEN_OVER_BYTES
        };
        let kept = events.iter().rev().take_while(fits).count();
        Ok(events.split_off(events.len() - kept))
    }

    /// The seq, in its own log, of the last of the visitor's messages that this conversation has too.
    async fn last_known(&self, to: ConversationId, events: &[Arc<Event>]) -> Result<Seq, DeskError> {
        for event in events.iter().rev().filter(|event| event.author == Author::Visitor) {
            let Some(client_id) = &event.client_id else { continue };
            let known = self.store.event_by_client_id(to, client_id).await.map_err(DeskError::Unavailable)?;
            if known.is_some() {
                // Its answer came with it, or comes in the customer's conversation.
                let answer = event.id.answer_key();
                let answer = events.iter().find(|event| event.client_id.as_deref() == Some(&answer));
                return Ok(answer.map_or(event.seq, |answer| answer.seq));
            }
        }
        Ok(0)
    }
}

/// How many bytes the small print of an event has.
fn small_print(event: &Event) -> usize {
    serde_json::to_vec(&event.meta).map_or(0, |json| json.len())
}
