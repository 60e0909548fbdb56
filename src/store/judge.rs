//! What became of a batch whose rows met rows of somebody else, or our own.
//!
//! A database says that a key was taken, not by which row of the batch. So the rows concerned are read: those of
//! the other node that was faster, of the same message sent twice, or of this very batch, if its commit succeeded
//! and only the answer was lost with the connection.

use std::collections::HashMap;
use std::iter::repeat_n;
use std::sync::LazyLock;

use sqlx::Row;
use uuid::Uuid;

use super::append::Append;
use super::error::AppendError;
use super::events::{heads, log_end};
use super::pool::{Link, on};
use crate::conversation::{Author, ConversationId, EventId, Millis, Seq, VisitorId};

/// So many keys are looked up at a time. Shorter lists repeat their last key: one statement a question, always
/// prepared.
const PIECE: usize = 16;

static HEADS: LazyLock<String> =
    LazyLock::new(|| look_up(concat!("c.id, COALESCE(l.seq, c.last_seq), c.visitor FROM ", heads!()), "c.id = ?"));
static OPEN: LazyLock<String> = LazyLock::new(|| look_up("open_visitor, id FROM conversations", "open_visitor = ?"));
static NEXT: LazyLock<String> =
    LazyLock::new(|| look_up("conversation_id, id FROM events", "(conversation_id = ? AND seq = ?)"));
static TAKEN: LazyLock<String> = LazyLock::new(|| {
    look_up("conversation_id, client_id, id, seq, at FROM events", "(conversation_id = ? AND client_id = ?)")
});

fn look_up(columns: &str, key: &str) -> String {
    format!("SELECT {columns} WHERE {}", [key; PIECE].join(" OR "))
}

/// What to do with an append.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing stands in its way any more.
    Write,
    /// It was stored, by us.
    Stored,
    /// Somebody else's rows stand in its way.
    Lost(AppendError),
}

/// What is stored and bears upon a batch.
#[derive(Default)]
struct Findings {
    heads: HashMap<ConversationId, (i64, VisitorId)>,
    open: HashMap<VisitorId, ConversationId>,
    /// The event that follows the expected one.
    next: HashMap<ConversationId, EventId>,
    /// (conversation, client id) → the event that has it.
    taken: HashMap<(ConversationId, String), (EventId, i64, Millis)>,
}

/// A verdict for each append, in their order.
pub(super) async fn judge(link: &mut Link, appends: &[Append]) -> Result<Vec<Verdict>, sqlx::Error> {
    let mut found = Findings::default();
    for piece in appends.chunks(PIECE) {
        found.read_heads(link, piece).await?;
        found.read_open(link, piece).await?;
        found.read_next(link, piece).await?;
    }
    let client_ids: Vec<(Uuid, &str)> = appends
        .iter()
        .flat_map(|append| append.decision.events.iter().map(|event| (append.decision.next.id.0, event)))
        .filter_map(|(conversation, event)| Some((conversation, event.client_id.as_deref()?)))
        .collect();
    for piece in client_ids.chunks(PIECE) {
        found.read_taken(link, piece).await?;
    }
    Ok(appends.iter().map(|append| found.verdict(append)).collect())
}

impl Findings {
    fn verdict(&self, append: &Append) -> Verdict {
        let decision = &append.decision;
        let head = &decision.next;
        let next = self.next.get(&head.id);
        if next.is_some() && next == decision.events.first().map(|event| &event.id) {
            return Verdict::Stored;
        }
        let stored = self.heads.get(&head.id);
        if stored.is_some_and(|(_, visitor)| *visitor != head.visitor) {
            // Not this visitor's to know anything of, not even that a client id is taken.
            return Verdict::Lost(AppendError::Conflict);
        }
        let mut conflict = next.is_some() || stored.map_or(0, |(seq, _)| *seq) != i64::from(decision.expected_seq);
        for event in &decision.events {
            let Some(client_id) = &event.client_id else { continue };
            match self.taken.get(&(head.id, client_id.as_ref().to_owned())) {
                Some(&(_, seq, at)) if event.author == Author::Visitor => {
                    let seq = Seq::try_from(seq).unwrap_or(Seq::MAX);
                    return Verdict::Lost(AppendError::Repeated { seq, at });
                }
                Some(_) => conflict = true,
                None => {}
            }
        }
        if conflict {
            return Verdict::Lost(AppendError::Conflict);
        }
        match self.open.get(&head.visitor) {
            Some(other) if *other != head.id && append.open_visitor().is_some() => {
                Verdict::Lost(AppendError::Elsewhere(*other))
            }
            _ => Verdict::Write,
        }
    }

    async fn read_heads(&mut self, link: &mut Link, appends: &[Append]) -> Result<(), sqlx::Error> {
        on!(Link, link, connection => {
            let mut query = sqlx::query(HEADS.as_str());
            for append in padded(appends) {
                query = query.bind(append.decision.next.id.0);
            }
            for row in query.fetch_all(&mut **connection).await? {
                let visitor: Vec<u8> = row.try_get(2)?;
                let visitor = VisitorId(visitor.try_into().unwrap_or_default());
                self.heads.insert(ConversationId(row.try_get(0)?), (row.try_get(1)?, visitor));
            }
        });
        Ok(())
    }

    async fn read_open(&mut self, link: &mut Link, appends: &[Append]) -> Result<(), sqlx::Error> {
        on!(Link, link, connection => {
            let mut query = sqlx::query(OPEN.as_str());
            for append in padded(appends) {
                query = query.bind(&append.decision.next.visitor.0[..]);
            }
            for row in query.fetch_all(&mut **connection).await? {
                let visitor: Vec<u8> = row.try_get(0)?;
                let visitor = VisitorId(visitor.try_into().unwrap_or_default());
                self.open.insert(visitor, ConversationId(row.try_get(1)?));
            }
        });
        Ok(())
    }

    async fn read_next(&mut self, link: &mut Link, appends: &[Append]) -> Result<(), sqlx::Error> {
        on!(Link, link, connection => {
            let mut query = sqlx::query(NEXT.as_str());
            for append in padded(appends) {
                let next = i64::from(append.decision.expected_seq) + 1;
                query = query.bind(append.decision.next.id.0).bind(next);
            }
            for row in query.fetch_all(&mut **connection).await? {
                self.next.insert(ConversationId(row.try_get(0)?), EventId(row.try_get(1)?));
            }
        });
        Ok(())
    }

    async fn read_taken(&mut self, link: &mut Link, keys: &[(Uuid, &str)]) -> Result<(), sqlx::Error> {
        on!(Link, link, connection => {
            let mut query = sqlx::query(TAKEN.as_str());
            for (conversation, client_id) in padded(keys) {
                query = query.bind(*conversation).bind(*client_id);
            }
            for row in query.fetch_all(&mut **connection).await? {
                let key = (ConversationId(row.try_get(0)?), row.try_get(1)?);
                self.taken.insert(key, (EventId(row.try_get(2)?), row.try_get(3)?, row.try_get(4)?));
            }
        });
        Ok(())
    }
}

fn padded<T>(piece: &[T]) -> impl Iterator<Item = &T> {
    piece.iter().chain(piece.last().into_iter().flat_map(|last| repeat_n(last, PIECE - piece.len())))
}
