//! The outbox: what is still to be done outside. It is an index over the log: what is to be done, or told, stands in the
//! event that led to it, and the row comes and goes in the commits of the events. Errands of customers are one kind,
//! mail and webhooks the others.

use sqlx::{AssertSqlSafe, Row};

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use super::writer::{Order, Work};
use crate::conversation::{ConversationId, Errand, EventId, Kind, Millis, Posting, Sending, Seq};

/// The word for an errand that a customer has agreed to.
const ACTION: &str = "action";

/// Something that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub id: EventId,
    /// Whose it is.
    pub conversation: ConversationId,
    /// The event that says what is to be done.
    pub seq: Seq,
    /// When that was.
    pub made_at: Millis,
    /// When it was to be tried.
    pub due_at: Millis,
    /// What is to be sent; `None` for an errand.
    pub sending: Option<Sending>,
    /// The last event that goes with it, once it was tried.
    pub upto: Option<Seq>,
}

/// A part of the outbox. Each is emptied by itself, so that none waits for another one's other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tray {
    /// What customers have agreed to.
    Errands,
    /// Mail.
    Mail,
    /// Calls of webhooks.
    Hooks,
}

impl Tray {
    /// Of what is sent of one conversation in one way, the first only: it keeps its order.
    fn condition(self) -> &'static str {
        match self {
            Tray::Errands => "o.kind = 'action'",
            Tray::Mail => {
                "o.kind IN ('reply', 'notice', 'transcript') AND NOT EXISTS (SELECT 1 FROM outbox e \
                 WHERE e.conversation_id = o.conversation_id AND e.kind = o.kind AND e.seq < o.seq)"
            }
            Tray::Hooks => {
                "o.kind LIKE 'hook/%' AND NOT EXISTS (SELECT 1 FROM outbox e \
                 WHERE e.conversation_id = o.conversation_id AND e.kind = o.kind AND e.seq < o.seq)"
            }
        }
    }
}

impl Store {
    /// At most `limit` of what is to be tried now of a part of the outbox, the earliest first.
    pub async fn due_in(&self, tray: Tray, now: Millis, limit: u32) -> Result<Vec<Due>, StoreError> {
        self.read(due(&self.0.engine, tray, now, limit)).await
    }

    /// Whether an errand has no outcome yet. What was erased has none and is not there.
    pub async fn has_errand(&self, errand: EventId) -> Result<bool, StoreError> {
        self.read(has(&self.0.engine, errand)).await
    }

    /// Puts off until `until` what is due at `due` in the outbox, and keeps with it up to which event it goes. True for
    /// one of all that try.
    pub async fn put_off(
        &self,
        id: EventId,
        due: Millis,
        until: Millis,
        upto: Option<Seq>,
    ) -> Result<bool, StoreError> {
        self.order(|reply| Order::Errand { errand: id, due, until: Some(until), upto, reply }).await
    }

    /// Takes out what is done, or of which nobody knows any more what it is.
    pub async fn remove_from_outbox(&self, id: EventId) -> Result<(), StoreError> {
        self.order(|reply| Order::Errand { errand: id, due: 0, until: None, upto: None, reply }).await.map(drop)
    }

    /// Takes out what was sent together of a conversation: of this kind, up to this event.
    pub async fn remove_sent(&self, id: ConversationId, sending: Sending, upto: Seq) -> Result<(), StoreError> {
        let work: Work =
            Box::new(move |link| Box::pin(async move { remove_sent(link, id, &sending, upto).await.map(|()| true) }));
        self.order(|reply| Order::Change { work, reply }).await.map(drop)
    }
}

/// What is due now, the earliest first.
async fn due(engine: &Engine, tray: Tray, now: Millis, limit: u32) -> Result<Vec<Due>, StoreError> {
    let query = format!(
        "SELECT o.errand, o.conversation_id, o.seq, o.made_at, o.due_at, o.kind, o.upto FROM outbox o \
         WHERE o.due_at <= ? AND {} ORDER BY o.due_at, o.errand LIMIT ?",
        tray.condition()
    );
    on!(Engine, engine, side => {
        let query = sqlx::query(AssertSqlSafe(query)).bind(now).bind(i64::from(limit));
        let rows = query.fetch_all(&side.readers).await?;
        let unreadable = |_| StoreError::Unreadable("the number of an event in the outbox".to_owned());
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind: String = row.try_get(5)?;
            let upto: Option<i64> = row.try_get(6)?;
            all.push(Due {
                id: EventId(row.try_get(0)?),
                conversation: ConversationId(row.try_get(1)?),
                seq: Seq::try_from(row.try_get::<i64, _>(2)?).map_err(unreadable)?,
                made_at: row.try_get(3)?,
                due_at: row.try_get(4)?,
                sending: Sending::from_word(&kind),
                upto: upto.map(Seq::try_from).transpose().map_err(unreadable)?,
            });
        }
        Ok(all)
    })
}

/// Whether it is still to be done.
async fn has(engine: &Engine, id: EventId) -> Result<bool, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT 1 FROM outbox WHERE errand = ?").bind(id.0);
        Ok(query.fetch_optional(&side.readers).await?.is_some())
    })
}

/// Puts off until `until` what was due at `due`. False if somebody else has, or it is done. `upto` is kept with it, unless
/// something is already.
pub(super) async fn put_off(
    link: &mut Link,
    id: EventId,
    due: Millis,
    until: Millis,
    upto: Option<Seq>,
) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let put = "UPDATE outbox SET due_at = ?, upto = COALESCE(upto, ?) WHERE errand = ? AND due_at = ?";
        let query = sqlx::query(put).bind(until).bind(upto.map(i64::from)).bind(id.0).bind(due);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

/// Takes out what is done, or cannot be done any more.
pub(super) async fn remove(link: &mut Link, id: EventId) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        sqlx::query("DELETE FROM outbox WHERE errand = ?").bind(id.0).execute(&mut **connection).await?;
    });
    Ok(())
}

/// Takes out what was sent together: of this kind, up to this event.
async fn remove_sent(
    link: &mut Link,
    conversation: ConversationId,
    sending: &Sending,
    upto: Seq,
) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let query = sqlx::query("DELETE FROM outbox WHERE conversation_id = ? AND kind = ? AND seq <= ?");
        let query = query.bind(conversation.0).bind(sending.word()).bind(i64::from(upto));
        query.execute(&mut **connection).await?;
    });
    Ok(())
}

/// Whether somebody is told of a turn.
pub(super) fn is_told(turn: &Append, posting: &Posting) -> bool {
    let decision = &turn.decision;
    decision.events.iter().any(|event| posting.of(event, &decision.next).next().is_some())
}

/// Does what the events of these appends mean for the outbox, in their commit. Most mean nothing.
pub(super) async fn write(link: &mut Link, appends: &[&Append], posting: &Posting) -> Result<(), sqlx::Error> {
    for append in appends {
        let head = &append.decision.next;
        let conversation = head.id;
        for event in &append.decision.events {
            match (event.kind, event.meta.errand.as_deref()) {
                (Kind::Errand, Some(Errand::Ordered(proposal))) => {
                    insert(link, proposal.id, conversation, (event.seq, event.at, event.at), ACTION).await?;
                }
                (Kind::Errand, Some(Errand::Settled(settled))) => remove(link, settled.errand).await?,
                // It goes with all that belonged to the conversation.
                (Kind::Erased, _) => {}
                _ if append.decision.copied => {}
                _ => {
                    for (sending, due_at) in posting.of(event, head) {
                        let id = sending.id(conversation, event.id);
                        insert(link, id, conversation, (event.seq, event.at, due_at), &sending.word()).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

async fn insert(
    link: &mut Link,
    id: EventId,
    conversation: ConversationId,
    (seq, made_at, due_at): (Seq, Millis, Millis),
    kind: &str,
) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let insert = "INSERT INTO outbox (errand, conversation_id, seq, made_at, due_at, kind) VALUES (?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(insert).bind(id.0).bind(conversation.0).bind(i64::from(seq));
        query.bind(made_at).bind(due_at).bind(kind).execute(&mut **connection).await?;
    });
    Ok(())
}
