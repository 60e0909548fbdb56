//! The conversations that a person is asked for, has or had: the lists of the console.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Row};

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::events::{head, log_end, to_conversation};
use super::pool::{Engine, Link, on};
use super::sought::{holds, pattern};
use super::writer::{Order, Work};
use crate::conversation::{AgentId, Author, Conversation, ConversationId, Kind, Millis, Seq, Status};

/// In so many conversations is searched at a time, the newest first: what a search costs does not grow with what is
/// stored.
pub const SEARCHED: u32 = 2_000;
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

/// What is looked for in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The text; none: everything.
    pub text: String,
    /// Where what was found before ended; nothing: from the newest on.
    pub from: Option<Place>,
}

/// A place in the order of a list that has the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the conversation there began or was closed.
    pub at: Millis,
    /// The conversation there.
    pub id: ConversationId,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// In the order of the list.
    pub rows: Vec<Listed>,
    /// Where it goes on, in a list that has the newest first and did not come to its end.
    pub further: Option<Place>,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where it stands.
    pub head: Conversation,
    /// Since when it waits, or is taken or over; else when it began.
    pub since: Millis,
    /// What an agent should know of it first, and who said it: the last word, but none of purser's own; while it waits,
    /// the last word of the visitor that is not just a call for a person, if there is one.
    pub last: Option<(Author, String)>,
    /// What the visitor said since an agent looked.
    pub unread: u32,
}

impl Store {
    /// How many conversations wait for a person.
    pub async fn waiting_conversations(&self) -> Result<u32, StoreError> {
        self.read(waiting(&self.0.engine)).await
    }

    /// At most `limit` conversations of a list.
    pub async fn attended(&self, shelf: Shelf, limit: u32) -> Result<Vec<Listed>, StoreError> {
        Ok(self.search(shelf, &Search::default(), limit).await?.rows)
    }

    /// At most `limit` conversations of a list in which something was said or noted, or which know it of the visitor. Of
    /// what is closed, and of all there is, the next [`SEARCHED`] are searched.
    pub async fn search(&self, shelf: Shelf, search: &Search, limit: u32) -> Result<Found, StoreError> {
        self.read(list(&self.0.engine, shelf, search, limit)).await
    }

    /// Notes how far the agent who has a conversation has seen it.
    pub async fn note_agent_seen(&self, id: ConversationId, agent: AgentId, seq: Seq) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(write_seen(link, id, agent, seq)));
        self.order(|reply| Order::Change { work, reply }).await
    }
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
            let since = person.map_or(head.last_at, |person| match head.status {
                Status::Waiting => person.waits_from.unwrap_or(person.since),
                _ => person.since,
            });
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
async fn write_seen(link: &mut Link, id: ConversationId, agent: AgentId, seq: Seq) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        // Not beyond the end, or what comes later would count as seen.
        let set = "UPDATE attended SET seen_seq = ? WHERE conversation_id = ? AND agent = ? AND seen_seq < ? \
                   AND EXISTS (SELECT 1 FROM events WHERE conversation_id = ? AND seq >= ?)";
        let seq = i64::from(seq);
        let query = sqlx::query(set).bind(seq).bind(id.0).bind(agent.0).bind(seq).bind(id.0).bind(seq);
        Ok(query.execute(&mut **connection).await?.rows_affected() > 0)
    })
}

async fn waiting(engine: &Engine) -> Result<u32, StoreError> {
    on!(Engine, engine, side => {
        let row = sqlx::query("SELECT COUNT(*) FROM attended WHERE status = 'waiting'").fetch_one(&side.readers).await?;
        Ok(u32::try_from(row.try_get::<i64, _>(0)?).unwrap_or(u32::MAX))
    })
}

/// At most `limit` conversations of a list; with a search, of the next [`SEARCHED`] those in which that was said or noted,
/// or which know it of the visitor.
async fn list(engine: &Engine, shelf: Shelf, search: &Search, limit: u32) -> Result<Found, StoreError> {
    let is_all = search.text.is_empty();
    let end = if is_all { None } else { end(engine, shelf, search).await? };
    let call = "COALESCE(JSON_EXTRACT(c.kept, '$.person.call'), 0)";
    let said = format!(
        "FROM events e WHERE e.conversation_id = c.id AND e.kind = 'message' AND e.author <> 'system' \
         AND (COALESCE(a.status, '') NOT IN ('waiting', 'message') OR (e.author = 'visitor' AND e.seq <> {call})) \
         ORDER BY e.seq DESC LIMIT 1"
    );
    let called = format!("FROM events e WHERE e.conversation_id = c.id AND e.seq = {call}");
    let head = head!();
    let mut sql = format!(
        "SELECT {head}, COALESCE(a.since, c.created_at), \
         COALESCE((SELECT e.author {said}), (SELECT e.author {called})), \
         COALESCE((SELECT e.body {said}), (SELECT e.body {called})), \
         (SELECT COUNT(*) FROM events e WHERE e.conversation_id = c.id AND e.seq > a.seen_seq \
          AND e.seq > COALESCE(l.seq, c.last_seq) - {COUNTED} AND e.kind = 'message' AND e.author = 'visitor') "
    );
    let (from, order) = match shelf {
        Shelf::Waiting => (
            "attended a JOIN conversations c ON c.id = a.conversation_id {end} WHERE a.status IN ('waiting', 'message')",
            // Whoever sits and waits is in the list, however much word was left before.
            "a.status DESC, a.since",
        ),
        Shelf::Taken => {
            ("attended a JOIN conversations c ON c.id = a.conversation_id {end} WHERE a.status = 'agent'", "a.since")
        }
        Shelf::Closed => (
            "(SELECT conversation_id, status, since, seen_seq FROM attended WHERE status = 'closed' AND {place} \
             ORDER BY since DESC, conversation_id DESC LIMIT {newest}) a JOIN conversations c ON c.id = a.conversation_id \
             {end} WHERE 1 = 1",
            "a.since DESC, c.id DESC",
        ),
        Shelf::All => (
            "(SELECT id FROM conversations WHERE {place} ORDER BY created_at DESC, id DESC LIMIT {newest}) n \
             JOIN conversations c ON c.id = n.id LEFT JOIN attended a ON a.conversation_id = c.id {end} WHERE 1 = 1",
            "c.created_at DESC, c.id DESC",
        ),
        Shelf::One(_) => {
            ("conversations c LEFT JOIN attended a ON a.conversation_id = c.id {end} WHERE c.id = ?", "c.id")
        }
    };
    let newest = if is_all { limit } else { SEARCHED };
    let place = shelf.columns().map(|[at, id]| after(at, id)).unwrap_or_default();
    let _ = write!(
        sql,
        "FROM {}",
        from.replace("{newest}", &newest.to_string()).replace("{place}", &place).replace("{end}", log_end!())
    );
    if !is_all {
        let _ = write!(
            sql,
            " AND ({} OR {} OR {} OR EXISTS (SELECT 1 FROM events e WHERE e.conversation_id = c.id \
             AND e.kind IN ('message', 'note') AND {}))",
            holds(engine, "JSON_EXTRACT(c.kept, '$.attributes')"),
            holds(engine, "JSON_EXTRACT(c.kept, '$.account_name')"),
            holds(engine, "JSON_EXTRACT(c.kept, '$.account_email')"),
            holds(engine, "e.body")
        );
    }
    let _ = write!(sql, " ORDER BY {order} LIMIT ?");
    let pattern = (!is_all).then(|| pattern(engine, &search.text));
    let from = search.from.unwrap_or(NEWEST);
    let mut rows: Vec<Listed> = on!(Engine, engine, side => {
        // Of parts that stand above; what comes from outside is bound.
        let mut query = sqlx::query(AssertSqlSafe(sql));
        if let Shelf::One(id) = shelf {
            query = query.bind(id.0);
        }
        if !place.is_empty() {
            query = query.bind(from.at).bind(from.at).bind(from.id.0);
        }
        if let Some(pattern) = &pattern {
            query = query.bind(pattern).bind(pattern).bind(pattern).bind(pattern);
        }
        let rows = query.bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut listed = Vec::with_capacity(rows.len());
        for row in &rows {
            let author = row.try_get::<Option<String>, _>(13)?.and_then(|word| Author::from_word(&word));
            let body = row.try_get::<Option<String>, _>(14)?;
            listed.push(Listed {
                head: to_conversation(row)?,
                since: row.try_get(12)?,
                last: author.zip(body),
                unread: u32::try_from(row.try_get::<i64, _>(15)?).unwrap_or(u32::MAX),
            });
        }
        listed
    });
    if shelf == Shelf::Waiting {
        rows.sort_by_key(|listed| listed.since);
    }
    let last = rows.last().filter(|_| rows.len() >= limit as usize).and_then(|last| shelf.place(last));
    Ok(Found { further: last.or(end), rows })
}

/// Before all places.
const NEWEST: Place = Place { at: Millis::MAX, id: ConversationId(uuid::Uuid::max()) };

/// What is behind a place in a list that has the newest first.
fn after(at: &str, id: &str) -> String {
    format!("({at} < ? OR ({at} = ? AND {id} < ?))")
}

impl Shelf {
    /// Where a row of a list stands that has the newest first.
    fn place(self, row: &Listed) -> Option<Place> {
        let at = match self {
            Shelf::Closed => row.since,
            Shelf::All => row.head.created_at,
            Shelf::Waiting | Shelf::Taken | Shelf::One(_) => return None,
        };
        Some(Place { at, id: row.head.id })
    }

    /// What a list is in the order of, if it has the newest first.
    fn columns(self) -> Option<[&'static str; 2]> {
        match self {
            Shelf::Closed => Some(["since", "conversation_id"]),
            Shelf::All => Some(["created_at", "id"]),
            Shelf::Waiting | Shelf::Taken | Shelf::One(_) => None,
        }
    }
}

/// The last of the conversations that this search looks into, if there may be more behind it.
async fn end(engine: &Engine, shelf: Shelf, search: &Search) -> Result<Option<Place>, StoreError> {
    let Some([at, id]) = shelf.columns() else { return Ok(None) };
    let table = if shelf == Shelf::Closed { "attended WHERE status = 'closed' AND" } else { "conversations WHERE" };
    let sql = format!(
        "SELECT {at}, {id} FROM {table} {} ORDER BY {at} DESC, {id} DESC LIMIT 1 OFFSET {}",
        after(at, id),
        SEARCHED - 1
    );
    let from = search.from.unwrap_or(NEWEST);
    on!(Engine, engine, side => {
        // Of parts that stand above.
        let query = sqlx::query(AssertSqlSafe(sql)).bind(from.at).bind(from.at).bind(from.id.0);
        let place = |row: &_| -> Result<_, StoreError> {
            Ok(Place { at: Row::try_get(row, 0)?, id: ConversationId(Row::try_get(row, 1)?) })
        };
        query.fetch_optional(&side.readers).await?.as_ref().map(place).transpose()
    })
}
