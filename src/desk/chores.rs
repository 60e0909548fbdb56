//! Chores: what was kept long enough is deleted, and so is a visitor on the operator's word.
//!
//! One of all nodes does a chore, a little at a time: deleting a year of conversations must not be noticed by those who
//! talk meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Desk, DeskError};
use crate::conversation::{Author, Conversation, ConversationId, Millis, Retention, Status, VisitorId};
use crate::hex::hex;
use crate::store::{AppendError, Chore, Store, StoreError};

/// How often it is looked for chores.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many are looked for.
const AT_ONCE: u32 = 16;
/// Whoever has begun a chore and does not end it has lost it after this time.
const LEASE: Millis = 60_000;
/// Looking after what was kept long enough.
const RETENTION: &str = "retention";
/// Deleting this visitor.
const ERASE: &str = "erase ";
/// Between two rounds over all conversations.
const ROUND: Millis = 60 * 60 * 1_000;
/// So many conversations are looked at in one go, and so many of them deleted.
const LOOKED_AT: u32 = 500;
const DELETED: usize = 50;
/// Of what was deleted, this long the ids and the time are kept: every client hears of it when it comes back.
const MARK: Millis = 30 * 24 * 60 * 60 * 1_000;

/// How long conversations are kept, and how far this node has looked.
#[derive(Default)]
pub(super) struct Keeping {
    retention: Retention,
    /// Up to here all was looked at in this round.
    looked: Mutex<Option<(Millis, ConversationId)>>,
    /// The chore is there.
    ordered: AtomicBool,
}

/// The name of the chore that deletes this visitor.
pub fn erasing(visitor: VisitorId) -> String {
    format!("{ERASE}{}", hex(&visitor.0))
}

/// The visitor whom that chore deletes; also one that somebody has written down.
pub fn erased_by(name: &str) -> Option<VisitorId> {
    let hex = name.strip_prefix(ERASE)?;
    let mut id = [0; 16];
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(VisitorId(id))
}

impl Desk {
    /// The same desk, which deletes what was kept for so long.
    pub fn with_retention(self, retention: Retention) -> Desk {
        Desk { keeping: Keeping { retention, ..Keeping::default() }, ..self }
    }

    /// Does chores until it is stopped.
    pub async fn keep_house(self: Arc<Self>, stop: CancellationToken) {
        let mut away = false;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            match self.do_chores().await {
                Ok(()) => away = false,
                Err(error) if !away => {
                    away = true;
                    tracing::warn!(%error, "what is to be deleted waits");
                }
                Err(_) => {}
            }
        }
    }

    /// Does what is due of the chores, a little of each.
    pub async fn do_chores(&self) -> Result<(), DeskError> {
        let now = self.clock.now();
        let wanted = self.keeping.retention.shortest().is_some();
        if wanted && !self.keeping.ordered.load(Ordering::Relaxed) {
            self.store.add_chore(RETENTION, now).await.map_err(DeskError::Unavailable)?;
            self.keeping.ordered.store(true, Ordering::Relaxed);
        }
        for chore in self.store.due_chores(now, AT_ONCE).await.map_err(DeskError::Unavailable)? {
            let begun = Chore { due_at: now + LEASE, ..chore.clone() };
            if !self.put_off(chore, Some(begun.due_at)).await? {
                continue;
            }
            let again = match erased_by(&begun.name) {
                Some(visitor) => {
                    self.erase_visitor_for(visitor, Author::System).await?;
                    None
                }
                None if begun.name == RETENTION && wanted => Some(now + self.delete_old(now).await?),
                // Nobody wants it any more, or a newer purser knows what it is.
                None if begun.name == RETENTION => None,
                None => Some(now + ROUND),
            };
            self.put_off(begun, again).await?;
        }
        Ok(())
    }

    async fn put_off(&self, chore: Chore, until: Option<Millis>) -> Result<bool, DeskError> {
        self.store.put_off_chore(chore, until).await.map_err(DeskError::Unavailable)
    }

    /// Deletes a few of the conversations that were kept long enough. Returns after how long it goes on.
    async fn delete_old(&self, now: Millis) -> Result<Millis, DeskError> {
        let retention = self.keeping.retention;
        let Some(shortest) = retention.shortest() else { return Ok(ROUND) };
        let looked = *self.looked();
        let begun = self.store.begun(looked, now.saturating_sub(shortest), LOOKED_AT).await;
        let begun = begun.map_err(DeskError::Unavailable)?;
        let all = begun.len() < LOOKED_AT as usize;
        let mut deleted = 0;
        for head in &begun {
            if deleted == DELETED {
                // The others come next time.
                return Ok(0);
            }
            if self.delete_if_old(head, now).await? {
                deleted += 1;
            }
            *self.looked() = Some((head.created_at, head.id));
        }
        if deleted > 0 {
            tracing::info!(deleted, "conversations that were kept long enough are deleted");
        }
        if all {
            *self.looked() = None;
        }
        Ok(if all { ROUND } else { 0 })
    }

    /// Whether something was deleted.
    async fn delete_if_old(&self, head: &Conversation, now: Millis) -> Result<bool, DeskError> {
        if head.status == Status::Closed && !head.kept.over {
            let over = now.saturating_sub(head.last_at) >= MARK;
            return match over {
                true => self.store.remove(head.id, head.last_seq).await.map_err(DeskError::Unavailable),
                false => Ok(false),
            };
        }
        if !self.keeping.retention.is_over(head, now) {
            return Ok(false);
        }
        let seat = self.seat(head.id, head.visitor).await?;
        let mut seated = seat.state.lock().await;
        // What this node remembers of it may be of before another one closed it.
        seated.found(head.clone());
        let decide = |head: &Conversation| {
            // Something may have been said since.
            self.keeping.retention.is_over(head, now).then(|| head.erase_for(Author::System, now)).flatten()
        };
        self.append(&seat, &mut seated, decide).await
    }

    /// Deletes what this visitor said and was told, on the word of `author`. Returns when it is gone; false if there was
    /// nothing.
    pub async fn erase_visitor_for(&self, visitor: VisitorId, author: Author) -> Result<bool, DeskError> {
        let mut found = false;
        // Those that an agent has ended, too.
        for id in self.store.conversations_of(visitor).await.map_err(DeskError::Unavailable)? {
            found |= self.erase_one_for(id, visitor, author).await?;
        }
        Ok(found)
    }

    /// The same for one of this visitor's conversations, also one that is over.
    pub async fn erase_one_for(
        &self,
        id: ConversationId,
        visitor: VisitorId,
        author: Author,
    ) -> Result<bool, DeskError> {
        let seat = self.seat(id, visitor).await?;
        let mut seated = seat.state.lock().await;
        // Another node may have reopened it.
        seated.head = None;
        self.append(&seat, &mut seated, |head| head.erase_for(author, self.clock.now())).await
    }

    /// Forgets what a responder remembered of the visitor. Returns when it is gone, from the log too.
    pub async fn forget(&self, seat: &super::Seat, name: &str) -> Result<(), DeskError> {
        let mut seated = seat.state.lock().await;
        seated.head = None;
        self.append(seat, &mut seated, |head| head.forget(name, self.clock.now())).await.map(drop)
    }

    fn looked(&self) -> MutexGuard<'_, Option<(Millis, ConversationId)>> {
        self.keeping.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes a visitor where no purser runs. Returns how many conversations that were.
pub async fn erase_visitor_of(store: &Store, visitor: VisitorId, now: Millis) -> Result<u32, StoreError> {
    let mut erased = 0;
    for id in store.conversations_of(visitor).await? {
        // Nodes may run on the same database: what they say meanwhile is erased too.
        while let Some(decision) = store.conversation(id).await?.and_then(|head| head.erase_for(Author::System, now)) {
            match store.append(decision).await {
                Ok(()) => {
                    erased += 1;
                    break;
                }
                Err(AppendError::Unavailable(error)) => return Err(error),
                Err(_) => {}
            }
        }
    }
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_named_by_a_chore() {
        let visitor = VisitorId::of_token("x");
        assert_eq!(erased_by(&erasing(visitor)), Some(visitor));
        for name in ["retention", "erase ", "erase 00", &format!("erase {}", "é".repeat(16))] {
            assert_eq!(erased_by(name), None, "{name}");
        }
    }
}
