//! What customers gave their chats with agents. The log has each rating; here stands the last one of each chat, without
//! its words, so that averages need not read logs.

use std::sync::Arc;

use sqlx::Row;

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::events::to_event;
use super::pool::{Engine, Link, on};
use crate::conversation::{AgentId, ConversationId, Event, Kind, Millis};

/// A chat that was rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Where it was.
    pub conversation: ConversationId,
    /// When the chat ended.
    pub ended_at: Millis,
    /// Who had it.
    pub agent: AgentId,
    /// From 1 to 5.
    pub stars: u8,
}

/// How often an answer of the pipeline stood in a chat that was given so many stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewedAnswer {
    /// The responder.
    pub responder: String,
    /// The FAQ entry, if there was one.
    pub entry: Option<String>,
    /// From 1 to 5.
    pub stars: u8,
    /// In so many chats.
    pub chats: u32,
}

impl Store {
    /// At most `limit` ratings of chats with agents that ended at `since` or later, the last first.
    pub async fn reviews(&self, since: Millis, limit: u32) -> Result<Vec<Review>, StoreError> {
        self.read(ended_since(&self.0.engine, since, limit)).await
    }

    /// Which answers of the pipeline stood in those chats.
    pub async fn reviewed_answers(&self, since: Millis, limit: u32) -> Result<Vec<ReviewedAnswer>, StoreError> {
        self.read(answers(&self.0.engine, since, limit)).await
    }

    /// What was said about those chats, where something was.
    pub async fn review_comments(
        &self,
        since: Millis,
        limit: u32,
    ) -> Result<Vec<(ConversationId, Arc<Event>)>, StoreError> {
        self.read(comments(&self.0.engine, since, limit)).await
    }
}

/// Writes ratings within the transaction that is open on `link`.
pub(super) async fn write(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for append in appends {
        let head = &append.decision.next;
        for event in &append.decision.events {
            let (Kind::Reviewed, Some(ended)) = (event.kind, &head.kept.ended) else { continue };
            on!(Link, link, connection => {
                let delete = sqlx::query("DELETE FROM reviews WHERE conversation_id = ? AND ended_at = ?");
                delete.bind(head.id.0).bind(ended.at).execute(&mut **connection).await?;
                let insert = "INSERT INTO reviews (conversation_id, ended_at, seq, agent, stars) VALUES (?, ?, ?, ?, ?)";
                let insert = sqlx::query(insert).bind(head.id.0).bind(ended.at).bind(i64::from(event.seq));
                let stars = i64::from(event.meta.stars.unwrap_or_default());
                insert.bind(ended.agent.0).bind(stars).execute(&mut **connection).await?;
            });
        }
    }
    Ok(())
}

/// At most `limit` chats that ended at `since` or later, the last first.
async fn ended_since(engine: &Engine, since: Millis, limit: u32) -> Result<Vec<Review>, StoreError> {
    on!(Engine, engine, side => {
        let query = "SELECT conversation_id, ended_at, agent, stars FROM reviews WHERE ended_at >= ? \
                     ORDER BY ended_at DESC LIMIT ?";
        let rows = sqlx::query(query).bind(since).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut reviews = Vec::with_capacity(rows.len());
        for row in &rows {
            reviews.push(Review {
                conversation: ConversationId(row.try_get(0)?),
                ended_at: row.try_get(1)?,
                agent: AgentId(row.try_get(2)?),
                stars: u8::try_from(row.try_get::<i64, _>(3)?).unwrap_or_default(),
            });
        }
        Ok(reviews)
    })
}

/// Which answers stood in the last `limit` chats that ended at `since` or later.
async fn answers(engine: &Engine, since: Millis, limit: u32) -> Result<Vec<ReviewedAnswer>, StoreError> {
    on!(Engine, engine, side => {
        let query = "SELECT a.responder, a.entry, a.stars, COUNT(*) FROM ( \
                       SELECT DISTINCT r.conversation_id, r.ended_at, r.stars, e.responder, e.entry FROM ( \
                         SELECT conversation_id, ended_at, stars FROM reviews WHERE ended_at >= ? \
                         ORDER BY ended_at DESC LIMIT ? \
                       ) r JOIN events e ON e.conversation_id = r.conversation_id AND e.author = 'bot' \
                       AND e.kind = 'message' AND e.responder IS NOT NULL AND e.at <= r.ended_at \
                     ) a GROUP BY a.responder, a.entry, a.stars";
        let rows = sqlx::query(query).bind(since).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut answers = Vec::with_capacity(rows.len());
        for row in &rows {
            answers.push(ReviewedAnswer {
                responder: row.try_get(0)?,
                entry: row.try_get(1)?,
                stars: u8::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default(),
                chats: u32::try_from(row.try_get::<i64, _>(3)?).unwrap_or(u32::MAX),
            });
        }
        Ok(answers)
    })
}

/// What was said about the last `limit` chats that ended at `since` or later, where something was.
async fn comments(engine: &Engine, since: Millis, limit: u32) -> Result<Vec<(ConversationId, Arc<Event>)>, StoreError> {
    on!(Engine, engine, side => {
        let query = concat!(
            "SELECT e.conversation_id, e.seq, e.id, e.at, e.kind, e.author, e.body, e.client_id, e.responder, e.entry, ",
            "e.revision, e.micros, e.meta FROM ( ",
            "SELECT conversation_id, ended_at, seq FROM reviews WHERE ended_at >= ? ORDER BY ended_at DESC LIMIT ?",
            ") r JOIN events e ON e.conversation_id = r.conversation_id AND e.seq = r.seq AND e.body <> '' ",
            "ORDER BY r.ended_at DESC"
        );
        let rows = sqlx::query(query).bind(since).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut comments = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(event) = to_event(row)? {
                comments.push((ConversationId(row.try_get(0)?), event));
            }
        }
        Ok(comments)
    })
}
