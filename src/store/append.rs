//! Appends on their way to the writer, and which of them are committed together.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::{AppendError, StoreError};
use crate::conversation::{ConversationId, Decision, VisitorId};

/// A batch is full with so many appends or bytes of text: a long transaction makes everybody wait, a large packet is
/// refused (`max_allowed_packet` is 16 MiB). Fewer would cost more commits when many wait: 128 instead of 512 cost a
/// third more with 500 appends in flight.
const FULL: usize = 512;
const FULL_BYTES: usize = 4 << 20;

/// An append on its way.
pub(super) struct Append {
    pub(super) decision: Decision,
    /// The small print of each event as JSON.
    pub(super) metas: Vec<Option<String>>,
    /// What is kept with the state, as JSON.
    pub(super) kept: Option<String>,
    bytes: usize,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<(), AppendError>>,
}

/// Where whoever appends hears what came of it.
pub(super) type Outcome = oneshot::Receiver<Result<(), AppendError>>;

impl Append {
    /// Checks what the two engines would judge differently, or only in the middle of a batch.
    pub(super) fn new(decision: Decision, deadline: Instant) -> Result<(Append, Outcome), StoreError> {
        let mut seq = decision.expected_seq;
        let mut bytes = 0;
        let mut metas = Vec::with_capacity(decision.events.len());
        for event in &decision.events {
            seq += 1;
            if event.seq != seq {
                return Err(StoreError::Misfit("its events are not numbered one after the other"));
            }
            let meta = if event.meta.is_empty() {
                None
            } else {
                Some(event.meta.to_json().map_err(|_| StoreError::Misfit("its small print"))?)
            };
            let provenance = event.provenance.as_ref();
            if !fits(event.client_id.as_deref(), 64)
                || !fits(provenance.map(|provenance| &*provenance.responder), 255)
                || !fits(provenance.and_then(|provenance| provenance.entry.as_deref()), 255)
                || !fits(provenance.map(|provenance| &*provenance.revision), 64)
            {
                return Err(StoreError::Misfit("a name in it is too long"));
            }
            bytes += event.body.len() + meta.as_ref().map_or(0, String::len) + 256;
            metas.push(meta);
        }
        if decision.events.is_empty() || decision.next.last_seq != seq {
            return Err(StoreError::Misfit("its state does not end at its last event"));
        }
        if !fits(decision.next.language.as_deref(), 64) {
            return Err(StoreError::Misfit("its language is too long"));
        }
        let kept = &decision.next.kept;
        let kept = match kept.is_empty() {
            true => None,
            false => Some(serde_json::to_string(kept).map_err(|_| StoreError::Misfit("what it keeps"))?),
        };
        bytes += kept.as_ref().map_or(0, String::len);
        if bytes > FULL_BYTES {
            return Err(StoreError::Misfit("it is too large"));
        }
        let (reply, outcome) = oneshot::channel();
        Ok((Append { decision, metas, kept, bytes, deadline, reply }, outcome))
    }

    /// Says that it is not stored.
    pub(super) fn refuse(self, error: AppendError) {
        // Whoever asked may have gone.
        let _ = self.reply.send(Err(error));
    }
}

/// Whether a text has at most so many characters.
fn fits(text: Option<&str>, limit: usize) -> bool {
    text.is_none_or(|text| text.len() <= limit || text.chars().count() <= limit)
}

/// Appends that are committed together: at most one a conversation and one a visitor, so that none of them can be in
/// the way of another. One for all batches, so that its tables need not grow with each.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) appends: Vec<Append>,
    bytes: usize,
    conversations: HashSet<ConversationId, RandomState>,
    visitors: HashSet<VisitorId, RandomState>,
}

impl Batch {
    /// What was taken, and from now on it is empty.
    pub(super) fn take(&mut self) -> Vec<Append> {
        self.bytes = 0;
        self.conversations.clear();
        self.visitors.clear();
        std::mem::take(&mut self.appends)
    }

    /// Whether nothing more goes with it.
    pub(super) fn is_full(&self) -> bool {
        self.appends.len() >= FULL || self.bytes >= FULL_BYTES
    }

    /// Takes the append, or gives it back if it must wait for the next batch.
    pub(super) fn offer(&mut self, append: Append) -> Option<Append> {
        let head = &append.decision.next;
        if self.is_full() || self.visitors.contains(&head.visitor) || !self.conversations.insert(head.id) {
            return Some(append);
        }
        self.visitors.insert(head.visitor);
        self.bytes += append.bytes;
        self.appends.push(append);
        None
    }
}
