//! The SQL of a batch: heads and events of many conversations in a few multi-row statements.
//!
//! Rows are cut into statements of fixed sizes (`statement.rs`). Heads come first and sorted: whoever else writes the same
//! conversations takes the locks in the same order, and one who lost learns it before it has written anything.
//!
//! The head of a conversation that only goes on is not written: that would cost two fifths of all that MariaDB does for a
//! message. Whoever reads a head takes the last event into account (`events.rs`). A batch of nothing else is written in a way of
//! its own (`turns.rs`).

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Arguments, AssertSqlSafe, Row};

use super::append::Append;
use super::pool::{Link, on};
use super::statement::{Statement, Utf8, add, values};
use super::{attended, belongings, blocked, deletions, outbox, reviews};
use crate::conversation::{ConversationId, Event, Millis, Posting, Seq, Status};

pub(super) const EVENTS: &str = "INSERT INTO events (conversation_id, seq, id, at, kind, author, body, client_id, \
                                 responder, entry, revision, micros, meta) VALUES ";

static INSERT_EVENTS: LazyLock<Statement> = LazyLock::new(|| Statement::new(EVENTS, 13, ""));

/// Not an upsert: on a taken `open_visitor` that would change the head of the visitor's other conversation.
static INSERT_HEADS: LazyLock<Statement> = LazyLock::new(|| {
    let start = "INSERT INTO conversations (id, visitor, open_visitor, status, created_at, last_seq, last_at, \
                 asked_seq, answered_seq, language, wake_at, kept) VALUES ";
    Statement::new(start, 12, "")
});

/// As long as the same question is pending, when it is due is never put earlier: this node may not know yet that
/// another one holds it. Where a head ends before its log, the end of the log is looked at. (With `EXISTS` MariaDB would read all of
/// the log.)
///
/// Without the visitor: SQLite writes the page of an index whose column is set, even to the same value.
static MOVE_HEADS_LITE: LazyLock<Statement> = LazyLock::new(|| {
    let start =
        "WITH v(id, expected, status, last_seq, last_at, asked_seq, answered_seq, language, wake_at, kept) AS (VALUES ";
    let end = ") UPDATE conversations SET status = v.status, last_seq = v.last_seq, last_at = v.last_at, \
               asked_seq = v.asked_seq, answered_seq = v.answered_seq, language = v.language, \
               wake_at = CASE WHEN conversations.wake_at > v.wake_at AND \
               conversations.asked_seq > conversations.answered_seq AND conversations.answered_seq = v.answered_seq \
               THEN conversations.wake_at ELSE v.wake_at END, \
               kept = v.kept FROM v WHERE conversations.id = v.id AND (conversations.last_seq = v.expected \
               OR conversations.last_seq < v.expected AND v.expected = (SELECT e.seq FROM events e \
               WHERE e.conversation_id = v.id ORDER BY e.seq DESC LIMIT 1))";
    Statement::new(start, 10, end)
});

/// The visitor, where it has changed or the conversation was closed or opened.
static MOVE_VISITORS_LITE: LazyLock<Statement> = LazyLock::new(|| {
    let start = "WITH v(id, visitor, open_visitor) AS (VALUES ";
    let end = ") UPDATE conversations SET visitor = v.visitor, open_visitor = v.open_visitor FROM v \
               WHERE conversations.id = v.id AND \
               (conversations.visitor IS NOT v.visitor OR conversations.open_visitor IS NOT v.open_visitor)";
    Statement::new(start, 3, end)
});

/// MariaDB would make a temporary table for such a list, which costs more than the rest of a small batch. An upsert
/// does not. Its place for `created_at`, which never changes, carries the expected seq. A head that is not there, or
/// beyond where it is expected, is noticed: the first counts as one row where a change counts as two, the second is an
/// error, because `last_seq` must not be NULL. MariaDB assigns from the left, so what is compared comes before it
/// changes.
static MOVE_HEADS_MARIA: LazyLock<Statement> = LazyLock::new(|| {
    let start = "INSERT INTO conversations (id, created_at, visitor, open_visitor, status, last_seq, last_at, \
                 asked_seq, answered_seq, language, wake_at, kept) VALUES ";
    let end = " ON DUPLICATE KEY UPDATE \
               last_seq = IF(id = VALUES(id) AND (last_seq = VALUES(created_at) OR last_seq < VALUES(created_at) \
               AND VALUES(created_at) = (SELECT e.seq FROM events e \
               WHERE e.conversation_id = conversations.id ORDER BY e.seq DESC LIMIT 1)), VALUES(last_seq), NULL), \
               wake_at = IF(wake_at > VALUES(wake_at) AND asked_seq > answered_seq AND \
               answered_seq = VALUES(answered_seq), wake_at, VALUES(wake_at)), \
               visitor = VALUES(visitor), open_visitor = VALUES(open_visitor), status = VALUES(status), \
               last_at = VALUES(last_at), asked_seq = VALUES(asked_seq), answered_seq = VALUES(answered_seq), \
               language = VALUES(language), kept = VALUES(kept)";
    Statement::new(start, 12, end)
});

/// In the order in which every writer takes locks.
pub(super) fn sorted(appends: &[Append]) -> Vec<&Append> {
    let mut sorted: Vec<&Append> = appends.iter().collect();
    sorted.sort_unstable_by_key(|append| append.decision.next.id);
    sorted
}

/// Writes the appends within the transaction that is open on `link`. False if a conversation does not end where its
/// append expects it: nothing may be committed then.
pub(super) async fn write(
    link: &mut Link,
    appends: &[Append],
    posting: &Posting,
    deletions: &AtomicU64,
    connections: u64,
) -> Result<bool, sqlx::Error> {
    let sorted = sorted(appends);
    let deletions = deletions::look(link, &sorted, deletions, connections).await?;
    let goes_on = |append: &&&Append| append.decision.goes_on.is_some() && append.decision.goes_on == deletions;
    let (new, known): (Vec<&Append>, Vec<&Append>) =
        sorted.iter().filter(|append| !goes_on(append)).partition(|append| append.decision.expected_seq == 0);
    if !move_heads(link, &known).await? {
        return Ok(false);
    }
    insert_heads(link, &new).await?;
    insert_events(link, &sorted).await?;
    outbox::write(link, &sorted, posting).await?;
    attended::write(link, &sorted).await?;
    reviews::write(link, &sorted).await?;
    blocked::write(link, &sorted).await?;
    belongings::write(link, &sorted).await?;
    if deletions::deletes(&sorted) {
        deletions::count(link).await?;
    }
    Ok(true)
}

/// Empties SQLite's log of changes, which still has what was erased. False if a reader is in the way: one of a backup may
/// be for minutes, and all writing would wait for it here. A transaction must not be open.
pub(super) async fn empty_log(link: &mut Link) -> Result<bool, sqlx::Error> {
    let Link::Lite(connection) = link else { return Ok(true) };
    let before: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut **connection).await?;
    sqlx::query("PRAGMA busy_timeout = 50").execute(&mut **connection).await?;
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut **connection).await;
    sqlx::query(AssertSqlSafe(format!("PRAGMA busy_timeout = {before}"))).execute(&mut **connection).await?;
    Ok(row?.try_get::<i64, _>(0)? == 0)
}

/// Notes how far visitors have seen their conversations; neither back nor beyond the end. In the order in which every writer takes locks.
pub(super) async fn write_seen(link: &mut Link, seen: &BTreeMap<ConversationId, Seq>) -> Result<(), sqlx::Error> {
    for (conversation, seq) in seen {
        on!(Link, link, connection => {
            let set = "UPDATE conversations SET seen_seq = ? WHERE id = ? AND seen_seq < ? \
                       AND EXISTS (SELECT 1 FROM events WHERE conversation_id = ? AND seq >= ?)";
            sqlx::query(set)
                .bind(i64::from(*seq))
                .bind(conversation.0)
                .bind(i64::from(*seq))
                .bind(conversation.0)
                .bind(i64::from(*seq))
                .execute(&mut **connection)
                .await?;
        });
    }
    Ok(())
}

/// So many conversations are put off at a time. Shorter lists repeat one of them: one statement, always prepared.
const HOLDS: usize = 16;

static HOLD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE conversations SET wake_at = ? WHERE id IN ({}) AND wake_at < ? AND asked_seq > answered_seq",
        vec!["?"; HOLDS].join(",")
    )
});

/// Puts off until `until` when the pending questions of these conversations are due.
pub(super) async fn hold(link: &mut Link, conversations: &[ConversationId], until: Millis) -> Result<(), sqlx::Error> {
    for piece in conversations.chunks(HOLDS) {
        let ids = piece.iter().chain(repeat_n(&piece[0], HOLDS - piece.len()));
        on!(Link, link, connection => {
            let query = ids.fold(sqlx::query(HOLD.as_str()).bind(until), |query, id| query.bind(id.0));
            query.bind(until).execute(&mut **connection).await?;
        });
    }
    Ok(())
}

/// Puts off until `until` what is due at `due`. False if it is not due then any more.
pub(super) async fn claim(
    link: &mut Link,
    conversation: ConversationId,
    due: Millis,
    until: Millis,
) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let claim = "UPDATE conversations SET wake_at = ? WHERE id = ? AND wake_at = ?";
        let query = sqlx::query(claim).bind(until).bind(conversation.0).bind(due);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

async fn move_heads(link: &mut Link, appends: &[&Append]) -> Result<bool, sqlx::Error> {
    match link {
        Link::Lite(connection) => move_heads_lite(connection, appends).await,
        Link::Maria(connection) => move_heads_maria(connection, appends).await,
    }
}

async fn move_heads_lite(connection: &mut SqliteConnection, appends: &[&Append]) -> Result<bool, sqlx::Error> {
    for (text, piece) in MOVE_HEADS_LITE.cut(appends) {
        let mut values = values(connection, piece.len(), 10);
        for append in piece {
            let head = &append.decision.next;
            add!(
                values,
                head.id.0,
                i64::from(append.decision.expected_seq),
                head.status.as_str(),
                i64::from(head.last_seq),
                head.last_at,
                i64::from(head.asked_seq),
                i64::from(head.answered_seq),
                head.language.as_deref(),
                head.wake_at,
                append.kept.as_deref(),
            );
        }
        let moved = sqlx::query_with(text, values).execute(&mut *connection).await?.rows_affected();
        if moved != piece.len() as u64 {
            return Ok(false);
        }
    }
    for (text, piece) in MOVE_VISITORS_LITE.cut(appends) {
        let mut values = values(connection, piece.len(), 3);
        for append in piece {
            let head = &append.decision.next;
            add!(values, head.id.0, &head.visitor.0[..], append.open_visitor());
        }
        sqlx::query_with(text, values).execute(&mut *connection).await?;
    }
    Ok(true)
}

async fn move_heads_maria(connection: &mut MySqlConnection, appends: &[&Append]) -> Result<bool, sqlx::Error> {
    for (text, piece) in MOVE_HEADS_MARIA.cut(appends) {
        let mut values = values(connection, piece.len(), 12);
        for append in piece {
            let head = &append.decision.next;
            add!(
                values,
                head.id.0,
                i64::from(append.decision.expected_seq),
                &head.visitor.0[..],
                append.open_visitor(),
                head.status.as_str(),
                i64::from(head.last_seq),
                head.last_at,
                i64::from(head.asked_seq),
                i64::from(head.answered_seq),
                head.language.as_deref(),
                head.wake_at,
                append.kept.as_deref(),
            );
        }
        // Two for each row that was changed.
        let moved = sqlx::query_with(text, values).execute(&mut *connection).await?.rows_affected();
        if moved != 2 * piece.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn insert_heads(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for (text, piece) in INSERT_HEADS.cut(appends) {
        on!(Link, link, connection => {
            let mut values = values(&**connection, piece.len(), 12);
            for append in piece {
                let head = &append.decision.next;
                add!(
                    values,
                    head.id.0,
                    &head.visitor.0[..],
                    append.open_visitor(),
                    head.status.as_str(),
                    head.created_at,
                    i64::from(head.last_seq),
                    head.last_at,
                    i64::from(head.asked_seq),
                    i64::from(head.answered_seq),
                    head.language.as_deref(),
                    head.wake_at,
                    append.kept.as_deref(),
                );
            }
            sqlx::query_with(text, values).execute(&mut **connection).await?;
        });
    }
    Ok(())
}

async fn insert_events(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    let mut rows: Vec<(&Append, &Event, Option<Utf8>)> = Vec::with_capacity(2 * appends.len());
    for &append in appends {
        for (event, meta) in append.decision.events.iter().zip(&append.metas) {
            rows.push((append, event, meta.as_deref().map(Utf8)));
        }
    }
    for (text, piece) in INSERT_EVENTS.cut(&rows) {
        on!(Link, link, connection => {
            let mut values = values(&**connection, piece.len(), 13);
            for (append, event, meta) in piece {
                let provenance = Columns::of(event);
                add!(
                    values,
                    append.decision.next.id.0,
                    i64::from(event.seq),
                    event.id.0,
                    event.at,
                    event.kind.as_str(),
                    event.author.as_str(),
                    Utf8(&event.body),
                    event.client_id.as_deref().map(Utf8),
                    provenance.responder,
                    provenance.entry,
                    provenance.revision,
                    provenance.micros,
                    *meta,
                );
            }
            sqlx::query_with(text, values).execute(&mut **connection).await?;
        });
    }
    Ok(())
}

/// The columns that say how an event came about.
#[derive(Default)]
pub(super) struct Columns<'e> {
    pub(super) responder: Option<Utf8<'e>>,
    pub(super) entry: Option<Utf8<'e>>,
    pub(super) revision: Option<Utf8<'e>>,
    pub(super) micros: Option<i64>,
}

impl Columns<'_> {
    pub(super) fn of(event: &Event) -> Columns<'_> {
        let Some(provenance) = &event.provenance else { return Columns::default() };
        Columns {
            responder: Some(Utf8(&provenance.responder)),
            entry: provenance.entry.as_deref().map(Utf8),
            revision: Some(Utf8(&provenance.revision)),
            micros: Some(i64::from(provenance.micros)),
        }
    }
}

impl Append {
    /// The visitor, as long as the conversation is not closed.
    pub(super) fn open_visitor(&self) -> Option<&[u8]> {
        let head = &self.decision.next;
        (head.status != Status::Closed).then_some(&head.visitor.0[..])
    }
}
