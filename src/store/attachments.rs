//! What is attached to messages: whose it is, which conversation it belongs to, and when its file goes.
//!
//! A row is there before its file and goes after it, so no file is ever forgotten. As long as no message names it, and
//! again once its conversation is deleted, it has a time at which it is dropped. Whoever drops it takes it out of its
//! owner's hands first: from then on nothing can name it.

use sqlx::{AssertSqlSafe, Row};

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use super::writer::{Order, Work};
use crate::conversation::{Attachment, AttachmentId, ConversationId, Media, Millis, VisitorId};

/// The owner of what is being dropped.
const NOBODY: [u8; 16] = [0; 16];

/// Who sent an attachment: a visitor or an agent, as bytes.
pub type Owner = [u8; 16];

/// An attachment, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// What it is.
    pub attachment: Attachment,
    /// Who sent it.
    pub owner: Owner,
    /// Where it was said, once it was, and whose conversation that is.
    pub said: Option<(ConversationId, VisitorId)>,
}

impl Store {
    /// Files what its owner has sent, to be dropped at `drop_at` unless a message names it. The same once more puts that
    /// off.
    pub async fn file(&self, attachment: Attachment, owner: Owner, drop_at: Millis) -> Result<(), StoreError> {
        let work: Work = Box::new(move |link| Box::pin(async move { insert(link, &attachment, owner, drop_at).await }));
        self.order(|reply| Order::Change { work, reply }).await.map(drop)
    }

    /// Those of these attachments that there are, in no order.
    pub async fn filed(&self, ids: &[AttachmentId]) -> Result<Vec<Filed>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.read(filed(&self.0.engine, ids)).await
    }

    /// How many attachments of this owner no message names yet, or one in a conversation that is not over.
    pub async fn files_of(&self, owner: Owner) -> Result<u32, StoreError> {
        self.read(count(&self.0.engine, owner)).await
    }

    /// At most `limit` attachments that are to be dropped now, each with the time at which it was to be.
    pub async fn files_to_drop(&self, now: Millis, limit: u32) -> Result<Vec<(AttachmentId, Millis)>, StoreError> {
        self.read(to_drop(&self.0.engine, now, limit)).await
    }

    /// Takes an attachment, which was to be dropped at `due`, out of its owner's hands, and puts off until `until` when
    /// somebody else tries. True for one of all that try.
    pub async fn claim_file(&self, id: AttachmentId, due: Millis, until: Millis) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(claim(link, id, due, until)));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// Forgets an attachment whose file is gone.
    pub async fn forget_file(&self, id: AttachmentId) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(forget(link, id)));
        self.order(|reply| Order::Change { work, reply }).await
    }
}

async fn insert(link: &mut Link, attachment: &Attachment, owner: Owner, drop_at: Millis) -> Result<bool, sqlx::Error> {
    let insert = match link {
        Link::Lite(_) => "INSERT OR IGNORE",
        Link::Maria(_) => "INSERT IGNORE",
    };
    let insert = AssertSqlSafe(format!(
        "{insert} INTO attachments (id, owner, name, media, bytes, width, height, drop_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    ));
    on!(Link, link, connection => {
        let query = sqlx::query(insert).bind(attachment.id.0).bind(&owner[..]).bind(&attachment.name);
        let query = query.bind(attachment.media.as_str()).bind(i64::from(attachment.bytes));
        let query = query.bind(attachment.width.map(i64::from)).bind(attachment.height.map(i64::from)).bind(drop_at);
        query.execute(&mut **connection).await?;
        let put_off = "UPDATE attachments SET drop_at = ? WHERE id = ? AND owner = ? AND drop_at < ?";
        let query = sqlx::query(put_off).bind(drop_at).bind(attachment.id.0).bind(&owner[..]).bind(drop_at);
        query.execute(&mut **connection).await?;
    });
    Ok(true)
}

async fn filed(engine: &Engine, ids: &[AttachmentId]) -> Result<Vec<Filed>, StoreError> {
    let places = vec!["?"; ids.len()].join(",");
    let query = AssertSqlSafe(format!(
        "SELECT a.id, a.owner, a.name, a.media, a.bytes, a.width, a.height, c.id, c.visitor FROM attachments a \
         LEFT JOIN conversations c ON c.id = a.conversation_id WHERE a.id IN ({places})"
    ));
    on!(Engine, engine, side => {
        let query = ids.iter().fold(sqlx::query(query), |query, id| query.bind(id.0));
        let rows = query.fetch_all(&side.readers).await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let id = AttachmentId(row.try_get(0)?);
            let unreadable = || StoreError::Unreadable(format!("the attachment {id}"));
            let number = |at: usize| -> Result<Option<u32>, StoreError> {
                let number: Option<i64> = row.try_get(at)?;
                number.map(u32::try_from).transpose().map_err(|_| unreadable())
            };
            let owner: Owner = row.try_get::<&[u8], _>(1)?.try_into().map_err(|_| unreadable())?;
            let conversation: Option<uuid::Uuid> = row.try_get(7)?;
            let visitor: Option<&[u8]> = row.try_get(8)?;
            let said = match (conversation, visitor) {
                (Some(conversation), Some(visitor)) => {
                    Some((ConversationId(conversation), VisitorId(visitor.try_into().map_err(|_| unreadable())?)))
                }
                _ => None,
            };
            let attachment = Attachment {
                id,
                name: row.try_get(2)?,
                media: Media::from_word(row.try_get(3)?).ok_or_else(unreadable)?,
                bytes: number(4)?.ok_or_else(unreadable)?,
                width: number(5)?,
                height: number(6)?,
            };
            if owner != NOBODY {
                all.push(Filed { attachment, owner, said });
            }
        }
        Ok(all)
    })
}

async fn count(engine: &Engine, owner: Owner) -> Result<u32, StoreError> {
    let query = "SELECT COUNT(*) FROM attachments a LEFT JOIN conversations c ON c.id = a.conversation_id \
                 WHERE a.owner = ? AND (a.conversation_id IS NULL OR c.status <> 'closed')";
    on!(Engine, engine, side => {
        let count: i64 = sqlx::query_scalar(query).bind(&owner[..]).fetch_one(&side.readers).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    })
}

async fn to_drop(engine: &Engine, now: Millis, limit: u32) -> Result<Vec<(AttachmentId, Millis)>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT id, drop_at FROM attachments WHERE drop_at <= ? ORDER BY drop_at, id LIMIT ?");
        let rows = query.bind(now).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        rows.iter().map(|row| Ok((AttachmentId(row.try_get(0)?), row.try_get(1)?))).collect()
    })
}

async fn claim(link: &mut Link, id: AttachmentId, due: Millis, until: Millis) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let claim = "UPDATE attachments SET owner = ?, name = '', drop_at = ? WHERE id = ? AND drop_at = ?";
        let query = sqlx::query(claim).bind(&NOBODY[..]).bind(until).bind(id.0).bind(due);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

async fn forget(link: &mut Link, id: AttachmentId) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let query = sqlx::query("DELETE FROM attachments WHERE id = ? AND owner = ?").bind(id.0).bind(&NOBODY[..]);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

/// What the messages of an append name belongs to their conversation from now on, and so does what came with messages
/// that were taken over.
pub(super) async fn name(link: &mut Link, append: &Append) -> Result<(), sqlx::Error> {
    let conversation = append.decision.next.id;
    for attachment in append.decision.events.iter().flat_map(|event| &event.meta.attachments) {
        on!(Link, link, connection => {
            let name = "UPDATE attachments SET conversation_id = ?, drop_at = NULL WHERE id = ? AND owner <> ?";
            let query = sqlx::query(name).bind(conversation.0).bind(attachment.id.0).bind(&NOBODY[..]);
            query.execute(&mut **connection).await?;
        });
    }
    Ok(())
}

/// What was attached in a conversation is nobody's any more, and its files go next.
pub(super) async fn let_go(link: &mut Link, conversation: ConversationId) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let drop = "UPDATE attachments SET owner = ?, conversation_id = NULL, name = '', drop_at = 0 \
                    WHERE conversation_id = ?";
        let query = sqlx::query(drop).bind(&NOBODY[..]).bind(conversation.0);
        query.execute(&mut **connection).await.map(|_| ())
    })
}
