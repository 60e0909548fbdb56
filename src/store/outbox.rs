//! The outbox: errands that have no outcome yet. It is an index over the log: what is to be done stands in the event
//! with which the customer agreed, and the row comes and goes in the commits of the events.

use sqlx::Row;

use super::error::StoreError;
use super::pool::{Engine, Link, on};
use super::writer::Append;
use crate::conversation::{ConversationId, Errand, EventId, Kind, Millis, Seq};

/// An errand that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueErrand {
    /// Its name.
    pub errand: EventId,
    /// For whom.
    pub conversation: ConversationId,
    /// The event that says what is to be done.
    pub seq: Seq,
    /// When the customer agreed.
    pub made_at: Millis,
    /// When it was to be tried.
    pub due_at: Millis,
}

/// What is due now, the earliest first.
pub(super) async fn due(engine: &Engine, now: Millis, limit: u32) -> Result<Vec<DueErrand>, StoreError> {
    on!(Engine, engine, side => {
        let query = "SELECT errand, conversation_id, seq, made_at, due_at FROM outbox WHERE due_at <= ? \
                     ORDER BY due_at, errand LIMIT ?";
        let rows = sqlx::query(query).bind(now).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let unreadable = |_| StoreError::Unreadable("the number of an event in the outbox".to_owned());
        let errand = |row: &_| Ok(DueErrand {
            errand: EventId(Row::try_get(row, 0)?),
            conversation: ConversationId(Row::try_get(row, 1)?),
            seq: Seq::try_from(Row::try_get::<i64, _>(row, 2)?).map_err(unreadable)?,
            made_at: Row::try_get(row, 3)?,
            due_at: Row::try_get(row, 4)?,
        });
        rows.iter().map(errand).collect()
    })
}

/// Whether an errand has no outcome yet.
pub(super) async fn has(engine: &Engine, errand: EventId) -> Result<bool, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT 1 FROM outbox WHERE errand = ?").bind(errand.0);
        Ok(query.fetch_optional(&side.readers).await?.is_some())
    })
}

/// Puts off until `until` what was due at `due`. False if somebody else has, or it has its outcome.
pub(super) async fn put_off(link: &mut Link, errand: EventId, due: Millis, until: Millis) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let query = sqlx::query("UPDATE outbox SET due_at = ? WHERE errand = ? AND due_at = ?");
        let query = query.bind(until).bind(errand.0).bind(due);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

/// Takes out an errand that cannot be done any more.
pub(super) async fn remove(link: &mut Link, errand: EventId) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        sqlx::query("DELETE FROM outbox WHERE errand = ?").bind(errand.0).execute(&mut **connection).await?;
    });
    Ok(())
}

/// Does what the events of these appends mean for the outbox, in their commit. Most mean nothing.
pub(super) async fn write(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for append in appends {
        let conversation = append.decision.next.id;
        for event in &append.decision.events {
            match (event.kind, event.meta.errand.as_deref()) {
                (Kind::Errand, Some(Errand::Ordered(proposal))) => on!(Link, link, connection => {
                    let insert =
                        "INSERT INTO outbox (errand, conversation_id, seq, made_at, due_at) VALUES (?, ?, ?, ?, ?)";
                    let query = sqlx::query(insert).bind(proposal.id.0).bind(conversation.0);
                    let query = query.bind(i64::from(event.seq)).bind(event.at).bind(event.at);
                    query.execute(&mut **connection).await?;
                }),
                (Kind::Errand, Some(Errand::Settled(settled))) => remove(link, settled.errand).await?,
                (Kind::Erased, _) => on!(Link, link, connection => {
                    let query = sqlx::query("DELETE FROM outbox WHERE conversation_id = ?").bind(conversation.0);
                    query.execute(&mut **connection).await?;
                }),
                _ => {}
            }
        }
    }
    Ok(())
}
