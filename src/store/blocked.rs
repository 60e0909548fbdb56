//! Visitors who may not write: a row comes and goes with the events that say so.

use sqlx::Row;

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use crate::conversation::{Kind, VisitorId};

impl Store {
    /// The visitors who may not write.
    pub async fn blocked(&self) -> Result<Vec<VisitorId>, StoreError> {
        self.read(all(&self.0.engine)).await
    }
}

/// Writes who is blocked and who is not any more, within the transaction that is open on `link`.
pub(super) async fn write(link: &mut Link, appends: &[&Append]) -> Result<(), sqlx::Error> {
    for append in appends {
        let visitor = append.decision.next.visitor;
        for event in &append.decision.events {
            if !matches!(event.kind, Kind::Blocked | Kind::Unblocked) {
                continue;
            }
            on!(Link, link, connection => {
                let query = sqlx::query("DELETE FROM blocked WHERE visitor = ?").bind(&visitor.0[..]);
                query.execute(&mut **connection).await?;
                if event.kind == Kind::Blocked {
                    let query = sqlx::query("INSERT INTO blocked (visitor, at) VALUES (?, ?)");
                    query.bind(&visitor.0[..]).bind(event.at).execute(&mut **connection).await?;
                }
            });
        }
    }
    Ok(())
}

/// All of them.
async fn all(engine: &Engine) -> Result<Vec<VisitorId>, StoreError> {
    on!(Engine, engine, side => {
        let rows = sqlx::query("SELECT visitor FROM blocked").fetch_all(&side.readers).await?;
        let unreadable = |_| StoreError::Unreadable("a visitor who is blocked".to_owned());
        rows.iter().map(|row| Ok(VisitorId(row.try_get::<&[u8], _>(0)?.try_into().map_err(unreadable)?))).collect()
    })
}
