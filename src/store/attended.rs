//! The conversations that a person is asked for, has or had: the lists of the console.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Row};

use super::error::StoreError;
use super::events::to_conversation;
use super::pool::{Engine, Link, on};
use super::writer::Append;
use crate::conversation::{AgentId, Author, Conversation, ConversationId, Kind, Millis, Seq, Status};

/// In how many of the newest conversations is searched.
const SEARCHED: u32 = 2_000;
/// Unread messages are counted among so many last events.
const COUNTED: u32 = 200;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Those that wait for a person, and word that was left; the first come first.
    Waiting,
    /// Those that any agent has; the first taken first.
    Taken,
    /// Those that agents had and that are over; the last first.
    Closed,
    /// Whatever there is; the newest first.
    All,
    /// This one.
    One(ConversationId),
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where it stands.
    pub head: Conversation,
    /// Since when it waits, or is taken or over; else when it began.
    pub since: Millis,
    /// Who said something last, and what.
    pub last: Option<(Author, String)>,
    /// What the visitor said since an agent looked.
    pub unread: u32,
}

/// Writes what changed in who has a conversation, within the transaction that is open on `link`.
pub(super) async fn write(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for append in appends {
        let decision = &append.decision;
        if !decision.events.iter().any(|event| event.kind.changes_owner()) {
            continue;
        }
        let head = &decision.next;
        let erased = decision.events.iter().any(|event| event.kind == Kind::Erased);
        let person = head.kept.person.as_ref();
        let status = match head.status {
            _ if erased => None,
            Status::Bot => person.filter(|person| person.message).map(|_| "message"),
            Status::Closed if head.kept.over => Some("closed"),
            Status::Closed => None,
            status => Some(status.as_str()),
        };
        on!(Link, link, connection => {
            let Some(status) = status else {
                let query = sqlx::query("DELETE FROM attended WHERE conversation_id = ?").bind(head.id.0);
                query.execute(&mut **connection).await?;
                continue;
            };
            let agent = person.and_then(|person| person.agent).map(|agent| agent.0);
            let since = person.map_or(head.last_at, |person| person.since);
            let query = sqlx::query("UPDATE attended SET status = ?, agent = ?, since = ? WHERE conversation_id = ?");
            let query = query.bind(status).bind(agent).bind(since).bind(head.id.0);
            if query.execute(&mut **connection).await?.rows_affected() == 0 {
                let query = sqlx::query("INSERT INTO attended (conversation_id, status, agent, since) VALUES (?, ?, ?, ?)");
                query.bind(head.id.0).bind(status).bind(agent).bind(since).execute(&mut **connection).await?;
            }
        });
    }
    Ok(())
}

/// Notes how far the agent who has a conversation has seen it.
pub(super) async fn write_seen(
    link: &mut Link,
    id: ConversationId,
    agent: AgentId,
    seq: Seq,
) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let set = "UPDATE attended SET seen_seq = ? WHERE conversation_id = ? AND agent = ? AND seen_seq < ?";
        let query = sqlx::query(set).bind(i64::from(seq)).bind(id.0).bind(agent.0).bind(i64::from(seq));
        Ok(query.execute(&mut **connection).await?.rows_affected() > 0)
    })
}

pub(super) async fn waiting(engine: &Engine) -> Result<u32, StoreError> {
    on!(Engine, engine, side => {
        let row = sqlx::query("SELECT COUNT(*) FROM attended WHERE status = 'waiting'").fetch_one(&side.readers).await?;
        Ok(u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(u32::MAX))
    })
}

/// At most `limit` conversations of a list; with `search`, of those in which that was said or noted, or which know it
/// of the visitor.
pub(super) async fn list(
    engine: &Engine,
    shelf: Shelf,
    search: Option<&str>,
    limit: u32,
) -> Result<Vec<Listed>, StoreError> {
    let mut sql = format!(
        "SELECT c.id, c.visitor, c.status, c.created_at, c.last_seq, c.last_at, c.asked_seq, c.answered_seq, \
         c.language, c.wake_at, c.kept, COALESCE(a.since, c.created_at), \
         (SELECT e.author FROM events e WHERE e.conversation_id = c.id AND e.kind = 'message' ORDER BY e.seq DESC LIMIT 1), \
         (SELECT e.body FROM events e WHERE e.conversation_id = c.id AND e.kind = 'message' ORDER BY e.seq DESC LIMIT 1), \
         (SELECT COUNT(*) FROM events e WHERE e.conversation_id = c.id AND e.seq > a.seen_seq \
          AND e.seq > c.last_seq - {COUNTED} AND e.kind = 'message' AND e.author = 'visitor') "
    );
    let (from, order) = match shelf {
        Shelf::Waiting => (
            "attended a JOIN conversations c ON c.id = a.conversation_id WHERE a.status IN ('waiting', 'message')",
            "a.since",
        ),
        Shelf::Taken => {
            ("attended a JOIN conversations c ON c.id = a.conversation_id WHERE a.status = 'agent'", "a.since")
        }
        Shelf::Closed => {
            ("attended a JOIN conversations c ON c.id = a.conversation_id WHERE a.status = 'closed'", "a.since DESC")
        }
        Shelf::All => (
            "(SELECT id FROM conversations ORDER BY created_at DESC LIMIT {}) n JOIN conversations c ON c.id = n.id \
             LEFT JOIN attended a ON a.conversation_id = c.id WHERE 1 = 1",
            "c.created_at DESC",
        ),
        Shelf::One(_) => ("conversations c LEFT JOIN attended a ON a.conversation_id = c.id WHERE c.id = ?", "c.id"),
    };
    let newest = if search.is_some() { SEARCHED } else { limit };
    let _ = write!(sql, "FROM {}", from.replace("{}", &newest.to_string()));
    if search.is_some() {
        sql.push_str(
            " AND (JSON_EXTRACT(c.kept, '$.attributes') LIKE ? ESCAPE '!' OR EXISTS (SELECT 1 FROM events e WHERE e.conversation_id = c.id \
             AND e.kind IN ('message', 'note') AND e.body LIKE ? ESCAPE '!'))",
        );
    }
    let _ = write!(sql, " ORDER BY {order} LIMIT ?");
    let pattern = search.map(pattern);
    on!(Engine, engine, side => {
        // Of parts that stand above; what comes from outside is bound.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        if let Shelf::One(id) = shelf {
            query = query.bind(id.0);
        }
        if let Some(pattern) = &pattern {
            query = query.bind(pattern).bind(pattern);
        }
        let rows = query.bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in &rows {
            let author = row.try_get::<Option<String>, _>(12)?.and_then(|word| Author::from_word(&word));
            let body = row.try_get::<Option<String>, _>(13)?;
            listed.push(Listed {
                head: to_conversation(row)?,
                since: row.try_get(11)?,
                last: author.zip(body),
                unread: u32::try_from(row.try_get::<i64, _>(14)?).unwrap_or(u32::MAX),
            });
        }
        Ok(listed)
    })
}

/// What `LIKE` finds anywhere in a text, and nothing but this.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_search_has_no_wildcards() {
        assert_eq!(super::pattern("50% off_now!"), "%50!% off!_now!!%");
    }
}
