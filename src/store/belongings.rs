//! What belongs to a visitor's conversations: how it goes when one is deleted, and how it is given to its visitor.
//!
//! This is the one place that knows all tables which something of a conversation is in.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row};

use super::append::Append;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use super::writer::{Order, Work};
use super::{Store, attachments, customers, deletions};
use crate::conversation::{Author, Conversation, ConversationId, Event, Kind, Millis, Seq, Status, VisitorId};

/// The log of a conversation.
const LOG: &str = "events";
/// Every other table that has the column `conversation_id`: rows there go with what they are about.
const OTHERS: [&str; 3] = ["outbox", "attended", "reviews"];

impl Store {
    /// At most `limit` conversations of this visitor that something was said in, but for this one; the newest first, after
    /// the first `skip`.
    pub async fn past(
        &self,
        visitor: VisitorId,
        but: ConversationId,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<Past>, StoreError> {
        self.read(past(&self.0.engine, visitor, but, skip, limit)).await
    }

    /// All that is stored of this visitor.
    pub async fn export(&self, visitor: VisitorId, what: Export) -> Result<Vec<Exported>, StoreError> {
        // Reads one conversation after the other, each in its time.
        export(self, visitor, what).await
    }

    /// Takes out the last trace of a conversation, which ends at this seq. False if it has gone on.
    pub async fn remove(&self, id: ConversationId, last: Seq) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(remove(link, id, last)));
        self.order(|reply| Order::Change { work, reply }).await
    }
}

/// Whether something is attached to its messages.
pub(super) fn has_attachments(append: &Append) -> bool {
    append.decision.events.iter().any(|event| !event.meta.attachments.is_empty())
}

/// Does what these appends mean for what stood before, in their commit: there is no moment in which something is said to
/// be gone and is not. Most mean nothing.
pub(super) async fn write(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for append in appends {
        let conversation = append.decision.next.id;
        if has_attachments(append) {
            attachments::name(link, append).await?;
        }
        for (event, meta) in append.decision.events.iter().zip(&append.metas) {
            match (event.kind, event.author) {
                (Kind::Erased, _) => {
                    delete_before(link, conversation, event.seq).await?;
                    customers::forget(link, append).await?;
                }
                (Kind::Attribute, Author::Visitor) => forget(link, conversation, event, meta.as_deref()).await?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether it stands for a deletion, so that traces are left behind it.
pub(super) fn deletes(event: &Event) -> bool {
    matches!((event.kind, event.author), (Kind::Erased, _) | (Kind::Attribute, Author::Visitor))
}

async fn delete_before(link: &mut Link, conversation: ConversationId, seq: Seq) -> Result<(), sqlx::Error> {
    attachments::let_go(link, conversation).await?;
    on!(Link, link, connection => {
        sqlx::query("DELETE FROM events WHERE conversation_id = ? AND seq < ?")
            .bind(conversation.0)
            .bind(i64::from(seq))
            .execute(&mut **connection)
            .await?;
        for table in OTHERS {
            let delete = AssertSqlSafe(format!("DELETE FROM {table} WHERE conversation_id = ?"));
            sqlx::query(delete).bind(conversation.0).execute(&mut **connection).await?;
        }
    });
    Ok(())
}

/// What the visitor has forgotten is in no earlier event either.
async fn forget(
    link: &mut Link,
    conversation: ConversationId,
    event: &Event,
    meta: Option<&str>,
) -> Result<(), sqlx::Error> {
    let Some(attribute) = &event.meta.attribute else { return Ok(()) };
    // MariaDB's JSON_EXTRACT leaves the quotes on, and its JSON_VALUE takes an empty text for none.
    let update = match link {
        Link::Lite(_) => {
            "UPDATE events SET meta = ? WHERE conversation_id = ? AND seq < ? AND kind = 'attribute' \
             AND JSON_EXTRACT(meta, '$.attribute.name') = ?"
        }
        Link::Maria(_) => {
            "UPDATE events SET meta = ? WHERE conversation_id = ? AND seq < ? AND kind = 'attribute' \
             AND CAST(JSON_UNQUOTE(JSON_EXTRACT(meta, '$.attribute.name')) AS BINARY) = CAST(? AS BINARY)"
        }
    };
    on!(Link, link, connection => {
        let query = sqlx::query(update).bind(meta).bind(conversation.0).bind(i64::from(event.seq));
        query.bind(&attribute.name).execute(&mut **connection).await?;
    });
    Ok(())
}

/// Takes out all of a conversation that ends at this seq.
async fn remove(link: &mut Link, conversation: ConversationId, last: Seq) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let head = "DELETE FROM conversations WHERE id = ? AND last_seq <= ? \
                    AND NOT EXISTS (SELECT 1 FROM events WHERE conversation_id = ? AND seq > ?)";
        let (last, head) = (i64::from(last), sqlx::query(head).bind(conversation.0));
        let head = head.bind(last).bind(conversation.0).bind(last).execute(&mut **connection).await?;
        if head.rows_affected() == 0 {
            return Ok(false);
        }
        for table in OTHERS.into_iter().chain([LOG]) {
            let delete = AssertSqlSafe(format!("DELETE FROM {table} WHERE conversation_id = ?"));
            sqlx::query(delete).bind(conversation.0).execute(&mut **connection).await?;
        }
    });
    attachments::let_go(link, conversation).await?;
    deletions::count(link).await?;
    Ok(true)
}

/// A conversation in a visitor's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Names it.
    pub id: ConversationId,
    /// When it began.
    pub created_at: Millis,
    /// When something happened in it last.
    pub last_at: Millis,
    /// What the visitor said first.
    pub first: String,
}

async fn past(
    engine: &Engine,
    visitor: VisitorId,
    but: ConversationId,
    skip: u32,
    limit: u32,
) -> Result<Vec<Past>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(
            "SELECT id, created_at, last_at, first FROM (SELECT c.id, c.created_at, (SELECT MAX(e.at) FROM events e \
             WHERE e.conversation_id = c.id) AS last_at, (SELECT e.body \
             FROM events e WHERE e.conversation_id = c.id AND e.kind = 'message' AND e.author = 'visitor' \
             ORDER BY e.seq LIMIT 1) AS first FROM conversations c WHERE c.visitor = ? AND c.id <> ?) past \
             WHERE first IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
        );
        let query = query.bind(&visitor.0[..]).bind(but.0).bind(i64::from(limit)).bind(i64::from(skip));
        let rows = query.fetch_all(&side.readers).await?;
        let past = |row: &_| Ok(Past {
            id: ConversationId(Row::try_get(row, 0)?),
            created_at: Row::try_get(row, 1)?,
            last_at: Row::try_get(row, 2)?,
            first: Row::try_get(row, 3)?,
        });
        rows.iter().map(past).collect()
    })
}

/// How much of a conversation is given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// All that is stored, for whoever answers for it.
    Everything,
    /// Without what agents note among themselves, and what stands behind the answers: for the visitor.
    Visitors,
}

/// A conversation with all that is stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// Where it stands.
    pub head: Conversation,
    /// Its log.
    pub events: Vec<Arc<Event>>,
}

/// Events that are read at once.
const PAGE: u32 = 1_000;

async fn export(store: &Store, visitor: VisitorId, what: Export) -> Result<Vec<Exported>, StoreError> {
    let mut exported = Vec::new();
    for id in store.conversations_of(visitor).await? {
        let Some(head) = store.conversation(id).await? else { continue };
        let (mut events, mut after) = (Vec::new(), 0);
        loop {
            let page = store.events_after(id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            events.extend(page.into_iter().filter_map(|event| shown(event, what)));
        }
        exported.push(Exported { head, events });
    }
    Ok(exported)
}

fn shown(event: Arc<Event>, what: Export) -> Option<Arc<Event>> {
    match (what, event.kind) {
        (Export::Everything, _) => Some(event),
        (Export::Visitors, Kind::Note | Kind::Tagged) => None,
        (Export::Visitors, _) if event.meta.behind.is_none() => Some(event),
        (Export::Visitors, _) => {
            let mut event = Event::clone(&event);
            event.meta.behind = None;
            Some(Arc::new(event))
        }
    }
}

impl Exported {
    /// What is remembered of the visitor there.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.head.kept.attributes
    }

    /// What the host site said of the visitor and is kept there: name and e-mail address.
    pub fn account(&self) -> BTreeMap<String, String> {
        let kept = &self.head.kept;
        let said = [("name", &kept.account_name), ("email", &kept.account_email)];
        said.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said.as_deref()?.to_owned()))).collect()
    }

    /// Whether nothing is left of it but that it was deleted.
    pub fn is_erased(&self) -> bool {
        self.head.status == Status::Closed && !self.head.kept.over
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;
    use crate::store::migrations::own_tables;

    /// Whoever adds a table must say here what becomes of it.
    #[tokio::test]
    async fn every_table_with_something_of_a_conversation_is_known() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        link.migrate("memory", i64::MAX).await.unwrap();
        let Link::Lite(connection) = &mut link else { unreachable!() };
        let mut known = vec![LOG];
        known.extend(OTHERS);
        // It has files, which must not be forgotten with it: it is let go of.
        known.push("attachments");
        for table in own_tables(i64::MAX) {
            let query = sqlx::query_scalar("SELECT COUNT(*) FROM pragma_table_info(?) WHERE name LIKE 'conversation%'");
            let has: i64 = query.bind(table).fetch_one(&mut **connection).await.unwrap();
            assert_eq!(known.contains(&table), has > 0, "{table}: see OTHERS in this file");
        }
    }
}
