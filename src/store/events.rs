//! Reading conversations and their logs.

use std::sync::{Arc, LazyLock};

use futures_util::TryStreamExt;
use sqlx::{ColumnIndex, Decode, Row, Type};
use uuid::Uuid;

use super::Logged;
use super::error::StoreError;
use super::pool::{Engine, on};
use crate::conversation::{
    Author, Conversation, ConversationId, Event, EventId, Kept, Kind, Meta, Millis, Provenance, Seq, Status, Thumb,
    VisitorId,
};

macro_rules! events {
    ($rest:literal) => {
        concat!(
            "SELECT conversation_id, seq, id, at, kind, author, body, client_id, responder, entry, revision, micros, meta ",
            "FROM events WHERE ",
            $rest
        )
    };
}

/// What `to_conversation` reads. A head that is not at the end of its log was left where it is by turns (`Decision::goes_on`): the
/// last event is the answer to the one before it.
macro_rules! head {
    () => {
        "c.id, c.visitor, c.status, c.created_at, COALESCE(l.seq, c.last_seq), COALESCE(l.at, c.last_at), \
         COALESCE(l.seq - 1, c.asked_seq), COALESCE(l.seq - 1, c.answered_seq), c.language, c.wake_at, c.kept, l.meta"
    };
}
/// To a head `c`, the last event of its log as `l` if the head is not there.
macro_rules! log_end {
    () => {
        "LEFT JOIN events l ON l.conversation_id = c.id AND l.seq > c.last_seq AND l.seq = \
         (SELECT n.seq FROM events n WHERE n.conversation_id = c.id ORDER BY n.seq DESC LIMIT 1)"
    };
}
macro_rules! heads {
    () => {
        concat!("conversations c ", log_end!())
    };
}
pub(super) use {head, heads, log_end};

macro_rules! conversations {
    ($rest:literal) => {
        concat!("SELECT ", head!(), " FROM ", heads!(), " WHERE ", $rest)
    };
}

pub(super) async fn conversation(engine: &Engine, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
    on!(Engine, engine, side => {
        let row = sqlx::query(conversations!("c.id = ?")).bind(id.0).fetch_optional(&side.readers).await?;
        row.as_ref().map(to_conversation).transpose()
    })
}

pub(super) async fn open_conversation(engine: &Engine, visitor: VisitorId) -> Result<Option<Conversation>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(conversations!("c.open_visitor = ?")).bind(&visitor.0[..]);
        let row = query.fetch_optional(&side.readers).await?;
        row.as_ref().map(to_conversation).transpose()
    })
}

pub(super) async fn conversations_of(engine: &Engine, visitor: VisitorId) -> Result<Vec<ConversationId>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT id FROM conversations WHERE visitor = ?").bind(&visitor.0[..]);
        let rows = query.fetch_all(&side.readers).await?;
        rows.iter().map(|row| Ok(ConversationId(row.try_get(0)?))).collect()
    })
}

pub(super) async fn said(
    engine: &Engine,
    visitor: VisitorId,
    client_id: &str,
) -> Result<Option<(ConversationId, Seq, Millis)>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(
            "SELECT e.conversation_id, e.seq, e.at FROM conversations c \
             JOIN events e ON e.conversation_id = c.id AND e.client_id = ? WHERE c.visitor = ?",
        );
        let row = query.bind(client_id).bind(&visitor.0[..]).fetch_optional(&side.readers).await?;
        let said = |row: _| -> Result<_, StoreError> {
            let row = &row;
            let conversation = ConversationId(Row::try_get(row, 0)?);
            let seq = Seq::try_from(Row::try_get::<i64, _>(row, 1)?);
            let seq = seq.map_err(|_| StoreError::Unreadable(format!("a number of conversation {conversation}")))?;
            Ok((conversation, seq, Row::try_get(row, 2)?))
        };
        row.map(said).transpose()
    })
}

pub(super) async fn due(engine: &Engine, now: Millis, limit: u32) -> Result<Vec<Conversation>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(conversations!("c.wake_at <= ? ORDER BY c.wake_at, c.id LIMIT ?"));
        let rows = query.bind(now).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            match to_conversation(row) {
                Ok(conversation) => due.push(conversation),
                // A newer node's business; the others must not wait for it.
                Err(StoreError::Unreadable(what)) => tracing::warn!(%what, "a conversation that is due cannot be read"),
                Err(error) => return Err(error),
            }
        }
        Ok(due)
    })
}

pub(super) async fn begun(
    engine: &Engine,
    after: Option<(Millis, ConversationId)>,
    until: Millis,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let (at, id) = after.map_or((Millis::MIN, Uuid::nil()), |(at, id)| (at, id.0));
    on!(Engine, engine, side => {
        let query = sqlx::query(conversations!(
            "c.created_at >= ? AND c.created_at <= ? AND (c.created_at > ? OR c.id > ?) ORDER BY c.created_at, c.id LIMIT ?"
        ));
        let query = query.bind(at).bind(until).bind(at).bind(id).bind(i64::from(limit));
        query.fetch_all(&side.readers).await?.iter().map(to_conversation).collect()
    })
}

pub(super) async fn after(
    engine: &Engine,
    id: ConversationId,
    after: Seq,
    limit: u32,
) -> Result<Vec<Arc<Event>>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(events!("conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?"));
        let query = query.bind(id.0).bind(i64::from(after)).bind(i64::from(limit));
        known(query.fetch_all(&side.readers).await?.iter().map(to_event))
    })
}

pub(super) async fn before(
    engine: &Engine,
    id: ConversationId,
    before: Seq,
    limit: u32,
) -> Result<Vec<Arc<Event>>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(events!("conversation_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"));
        let query = query.bind(id.0).bind(i64::from(before)).bind(i64::from(limit));
        known(query.fetch_all(&side.readers).await?.iter().rev().map(to_event))
    })
}

/// Of one conversation no more than this is read for [`logged`]: its last events.
const MOST_OF_ONE: i64 = 5_000;

pub(super) async fn logged(
    engine: &Engine,
    after: Option<ConversationId>,
    since: Millis,
    limit: u32,
) -> Result<Vec<Logged>, StoreError> {
    // Before all ids.
    let after = after.map_or(Uuid::nil(), |id| id.0);
    on!(Engine, engine, side => {
        let query = sqlx::query(concat!(
            "SELECT c.id FROM ", heads!(), " WHERE c.id > ? AND COALESCE(l.at, c.last_at) >= ? ORDER BY c.id LIMIT ?"
        ));
        let rows = query.bind(after).bind(since).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        let ids = rows.iter().map(|row| Ok(ConversationId(row.try_get(0)?)));
        let ids = ids.collect::<Result<Vec<_>, StoreError>>()?;
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Vec::new()) };
        let query = sqlx::query(concat!(
            "SELECT e.conversation_id, e.seq, e.id, e.at, e.kind, e.author, e.body, NULL, e.responder, e.entry, \
             e.revision, e.micros, e.meta FROM ", heads!(), " JOIN events e ON e.conversation_id = c.id \
             WHERE c.id >= ? AND c.id <= ? AND COALESCE(l.at, c.last_at) >= ? \
             AND e.seq > COALESCE(l.seq, c.last_seq) - ? ORDER BY c.id, e.seq"
        ));
        let query = query.bind(first.0).bind(last.0).bind(since).bind(MOST_OF_ONE);
        let mut rows = query.fetch(&side.readers);
        let mut logged: Vec<Logged> = Vec::with_capacity(ids.len());
        while let Some(row) = rows.try_next().await? {
            let id = ConversationId(row.try_get(0)?);
            if logged.last().is_none_or(|logged| logged.id != id) {
                logged.push(Logged { id, events: Vec::new() });
            }
            match to_event(&row) {
                Ok(Some(event)) => logged.last_mut().into_iter().for_each(|logged| logged.events.push(event.clone())),
                // Of a newer version; the others must not wait for it.
                Ok(None) | Err(StoreError::Unreadable(_)) => {}
                Err(error) => return Err(error),
            }
        }
        // What was written meanwhile keeps nobody from going on after the last.
        if logged.last().is_none_or(|logged| logged.id != *last) {
            logged.push(Logged { id: *last, events: Vec::new() });
        }
        Ok(logged)
    })
}

pub(super) async fn by_client_id(
    engine: &Engine,
    id: ConversationId,
    client_id: &str,
) -> Result<Option<Arc<Event>>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(events!("conversation_id = ? AND client_id = ?")).bind(id.0).bind(client_id);
        let row = query.fetch_optional(&side.readers).await?;
        row.as_ref().and_then(|row| to_event(row).transpose()).transpose()
    })
}

/// What the visitor thinks of an answer.
pub(super) async fn rating(engine: &Engine, id: ConversationId, answer: Seq) -> Result<Option<Thumb>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(events!(
            "conversation_id = ? AND seq > ? AND kind = 'rated' AND JSON_EXTRACT(meta, '$.rated.answer') = ? \
             ORDER BY seq DESC LIMIT 1"
        ));
        let query = query.bind(id.0).bind(i64::from(answer)).bind(i64::from(answer));
        let row = query.fetch_optional(&side.readers).await?;
        let event = row.as_ref().and_then(|row| to_event(row).transpose()).transpose()?;
        Ok(event.and_then(|event| event.meta.rated).and_then(|rated| rated.thumb))
    })
}

pub(super) async fn next_question(
    engine: &Engine,
    id: ConversationId,
    after: Seq,
) -> Result<Option<Arc<Event>>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(events!(
            "conversation_id = ? AND seq > ? AND kind = 'message' AND author = 'visitor' ORDER BY seq LIMIT 1"
        ));
        let row = query.bind(id.0).bind(i64::from(after)).fetch_optional(&side.readers).await?;
        row.as_ref().and_then(|row| to_event(row).transpose()).transpose()
    })
}

pub(super) async fn unread(engine: &Engine, visitor: VisitorId, seen: Seq) -> Result<u32, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(
            "SELECT e.seq FROM conversations c JOIN events e ON e.conversation_id = c.id \
             WHERE c.open_visitor = ? AND e.seq > c.seen_seq AND e.seq > ? AND e.kind = 'message' \
             AND e.author IN ('bot', 'agent') LIMIT 99",
        );
        let rows = query.bind(&visitor.0[..]).bind(i64::from(seen)).fetch_all(&side.readers).await?;
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    })
}

pub(super) async fn seen(engine: &Engine, id: ConversationId) -> Result<Seq, StoreError> {
    on!(Engine, engine, side => {
        let row = sqlx::query("SELECT seen_seq FROM conversations WHERE id = ?").bind(id.0).fetch_optional(&side.readers);
        let seen = row.await?.map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or_default();
        Ok(Seq::try_from(seen).unwrap_or_default())
    })
}

/// So many conversations are looked up at a time. Shorter lists repeat their last key: two statements, always prepared.
const PIECES: [usize; 2] = [256, 16];

static LAST_SEQS: LazyLock<[String; 2]> = LazyLock::new(|| {
    let ends = concat!("SELECT c.id, COALESCE(l.seq, c.last_seq) FROM ", heads!());
    PIECES.map(|keys| format!("{ends} WHERE c.id IN ({})", vec!["?"; keys].join(",")))
});

pub(super) async fn last_seqs(
    engine: &Engine,
    mut ids: &[ConversationId],
) -> Result<Vec<(ConversationId, Seq)>, StoreError> {
    let mut last_seqs = Vec::with_capacity(ids.len());
    while let Some(filler) = ids.last() {
        let size = usize::from(ids.len() <= PIECES[1]);
        let (piece, rest) = ids.split_at(ids.len().min(PIECES[size]));
        let padding = std::iter::repeat_n(filler, PIECES[size] - piece.len());
        on!(Engine, engine, side => {
            let mut query = sqlx::query(LAST_SEQS[size].as_str());
            for id in piece.iter().chain(padding) {
                query = query.bind(id.0);
            }
            for row in query.fetch_all(&side.readers).await? {
                let seq = Seq::try_from(row.try_get::<i64, _>(1)?);
                let unreadable = |_| StoreError::Unreadable("the end of a conversation".to_owned());
                last_seqs.push((ConversationId(row.try_get(0)?), seq.map_err(unreadable)?));
            }
        });
        ids = rest;
    }
    Ok(last_seqs)
}

/// The events that this version knows; the others are skipped.
fn known(rows: impl Iterator<Item = Result<Option<Arc<Event>>, StoreError>>) -> Result<Vec<Arc<Event>>, StoreError> {
    rows.filter_map(Result::transpose).collect()
}

/// `None` for a kind or an author of a newer version.
pub(super) fn to_event<'r, R>(row: &'r R) -> Result<Option<Arc<Event>>, StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
{
    let (Some(kind), Some(author)) = (Kind::from_word(row.try_get(4)?), Author::from_word(row.try_get(5)?)) else {
        return Ok(None);
    };
    let unreadable = |what: &str| {
        let place = (row.try_get::<Uuid, _>(0), row.try_get::<i64, _>(1));
        match place {
            (Ok(conversation), Ok(seq)) => {
                StoreError::Unreadable(format!("{what} of event {seq} of conversation {conversation}"))
            }
            _ => StoreError::Unreadable(what.to_owned()),
        }
    };
    let provenance = match row.try_get::<Option<&str>, _>(8)? {
        None => None,
        Some(responder) => Some(Provenance {
            responder: responder.into(),
            entry: row.try_get::<Option<&str>, _>(9)?.map(Arc::from),
            revision: row.try_get::<Option<&str>, _>(10)?.unwrap_or_default().into(),
            micros: u32::try_from(row.try_get::<Option<i64>, _>(11)?.unwrap_or(0))
                .map_err(|_| unreadable("the time taken"))?,
        }),
    };
    let meta = match row.try_get::<Option<&str>, _>(12)? {
        None => Meta::default(),
        Some(json) => serde_json::from_str(json).map_err(|_| unreadable("the small print"))?,
    };
    Ok(Some(Arc::new(Event {
        id: EventId(row.try_get(2)?),
        seq: Seq::try_from(row.try_get::<i64, _>(1)?).map_err(|_| unreadable("the number"))?,
        at: row.try_get(3)?,
        kind,
        author,
        body: row.try_get::<&str, _>(6)?.into(),
        client_id: row.try_get::<Option<&str>, _>(7)?.map(Arc::from),
        provenance,
        meta,
    })))
}

pub(super) fn to_conversation<'r, R>(row: &'r R) -> Result<Conversation, StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Uuid: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
{
    let id = ConversationId(row.try_get(0)?);
    let unreadable = |what: &str| StoreError::Unreadable(format!("{what} of conversation {id}"));
    let seq = |column: usize| {
        let seq: i64 = row.try_get(column)?;
        Seq::try_from(seq).map_err(|_| unreadable("a number"))
    };
    let visitor: &[u8] = row.try_get(1)?;
    let status: &str = row.try_get(2)?;
    let last_seq = seq(4)?;
    let mut kept: Kept = match row.try_get::<Option<&str>, _>(10)? {
        None => Kept::default(),
        Some(json) => serde_json::from_str(json).map_err(|_| unreadable("what is kept"))?,
    };
    if let Some(answer) = row.try_get::<Option<&str>, _>(11)? {
        let answer: Meta = serde_json::from_str(answer).map_err(|_| unreadable("the last answer"))?;
        kept.focus = answer.focus_at(last_seq);
        kept.missed = answer.missed;
    }
    Ok(Conversation {
        id,
        visitor: VisitorId(visitor.try_into().map_err(|_| unreadable("the visitor"))?),
        status: Status::from_word(status).ok_or_else(|| unreadable("the status"))?,
        created_at: row.try_get(3)?,
        last_seq,
        last_at: row.try_get(5)?,
        asked_seq: seq(6)?,
        answered_seq: seq(7)?,
        language: row.try_get::<Option<&str>, _>(8)?.map(Arc::from),
        wake_at: row.try_get(9)?,
        kept,
    })
}
