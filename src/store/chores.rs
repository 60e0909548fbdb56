//! Chores: what is to be done that belongs to no one conversation. Whoever puts off a chore that is due does it.

use sqlx::Row;

use super::Store;
use super::error::{OpenError, StoreError};
use super::pool::{Engine, Link, on};
use super::url::DatabaseUrl;
use super::writer::{Order, Work};
use crate::conversation::Millis;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chore {
    /// What: a word, and perhaps for whom.
    pub name: String,
    /// When.
    pub due_at: Millis,
}

impl Store {
    /// At most `limit` chores that are to be done now.
    pub async fn due_chores(&self, now: Millis, limit: u32) -> Result<Vec<Chore>, StoreError> {
        self.read(due(&self.0.engine, now, limit)).await
    }

    /// Has a chore done at `due`, unless there is one of that name.
    pub async fn add_chore(&self, name: &'static str, due: Millis) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(add(link, name, due)));
        self.order(|reply| Order::Change { work, reply }).await
    }

    /// Puts a chore off until `until`, or takes it out. True for one of all that try.
    pub async fn put_off_chore(&self, chore: Chore, until: Option<Millis>) -> Result<bool, StoreError> {
        let work: Work = Box::new(move |link| Box::pin(async move { put_off(link, &chore, until).await }));
        self.order(|reply| Order::Change { work, reply }).await
    }
}

/// What is due now.
async fn due(engine: &Engine, now: Millis, limit: u32) -> Result<Vec<Chore>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query("SELECT name, due_at FROM chores WHERE due_at <= ? ORDER BY due_at, name LIMIT ?");
        let rows = query.bind(now).bind(i64::from(limit)).fetch_all(&side.readers).await?;
        rows.iter().map(|row| Ok(Chore { name: row.try_get(0)?, due_at: row.try_get(1)? })).collect()
    })
}

/// Has it done then. False if there is a chore of that name.
async fn add(link: &mut Link, name: &str, due: Millis) -> Result<bool, sqlx::Error> {
    let insert = match link {
        Link::Lite(_) => "INSERT OR IGNORE INTO chores (name, due_at) VALUES (?, ?)",
        Link::Maria(_) => "INSERT IGNORE INTO chores (name, due_at) VALUES (?, ?)",
    };
    on!(Link, link, connection => {
        let query = sqlx::query(insert).bind(name).bind(due);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

/// Puts it off, or with no time takes it out. False if somebody else has.
async fn put_off(link: &mut Link, chore: &Chore, until: Option<Millis>) -> Result<bool, sqlx::Error> {
    on!(Link, link, connection => {
        let query = match until {
            Some(until) => sqlx::query("UPDATE chores SET due_at = ? WHERE name = ? AND due_at = ?").bind(until),
            None => sqlx::query("DELETE FROM chores WHERE name = ? AND due_at = ?"),
        };
        let query = query.bind(&chore.name).bind(chore.due_at);
        Ok(query.execute(&mut **connection).await?.rows_affected() == 1)
    })
}

/// Has a chore done at once, beside a running purser.
pub async fn order_chore(url: &DatabaseUrl, name: &str) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Chore(error.to_string());
    let mut link = super::demo::connect(url).await.map_err(failed)?;
    link.begin().await.map_err(failed)?;
    add(&mut link, name, 0).await.map_err(failed)?;
    link.commit().await.map_err(failed)
}
