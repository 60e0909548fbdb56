//! How many times something was deleted from a log.
//!
//! An append that only goes on with a log (`Decision::goes_on`) neither reads nor writes the head: that the log still ends
//! where it was seen to end is kept by the key over (conversation, seq) alone. A deletion takes events away, so that a number may be
//! free which was taken when somebody looked. So each deletion counts here first, within its transaction, and whoever goes
//! on with a log that was seen before the last one goes the long way, by the head.
//!
//! A database that has failed over may lack the last commits: that shows in a lost connection, after which everybody goes the
//! long way once.
//!
//! An append looks first and holds the row for all appends until its commit; a deletion counts last, since everybody waits for it from
//! then on and a long log takes a while. Until it has, the numbers that it frees are locked as rows of its own: whoever wants one
//! waits for it, or both for each other, which the database notices.

use std::sync::atomic::{AtomicU64, Ordering};

use super::append::Append;
use super::pool::{Link, on};
use crate::conversation::Kind;

/// Above these bits of what is known stands how often the writer has connected.
const CONNECTIONS: u32 = 40;

/// Makes the row where there must be one to be locked. Of an SQLite file there is one writer.
pub(super) async fn make(link: &mut Link) -> Result<(), sqlx::Error> {
    let Link::Maria(connection) = link else { return Ok(()) };
    let insert = "INSERT IGNORE INTO deletions (one, number) VALUES (1, 0)";
    sqlx::query(insert).execute(&mut **connection).await.map(drop)
}

/// Whether one of these appends is a deletion.
pub(super) fn deletes(appends: &[&Append]) -> bool {
    appends.iter().any(|append| append.decision.events.iter().any(|event| event.kind == Kind::Erased))
}

/// Counts what this transaction has deleted.
pub(super) async fn count(link: &mut Link) -> Result<(), sqlx::Error> {
    let count = match link {
        Link::Lite(_) => {
            "INSERT INTO deletions (one, number) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET number = number + 1"
        }
        Link::Maria(_) => "UPDATE deletions SET number = number + 1 WHERE one = 1",
    };
    on!(Link, link, connection => sqlx::query(count).execute(&mut **connection).await.map(drop))
}

/// How many there were by what is known, if it was learnt since the writer has connected for this time.
pub(super) fn number(known: u64, connections: u64) -> Option<i64> {
    let number = i64::try_from(known & ((1 << CONNECTIONS) - 1)).ok()?;
    (known >> CONNECTIONS == connections && known > 0).then_some(number)
}

/// How many there were, as long as this transaction lasts, if one of these appends wants to know. `known` is told.
///
/// `None` where one of them deletes: it is to count itself.
pub(super) async fn look(
    link: &mut Link,
    appends: &[&Append],
    known: &AtomicU64,
    connections: u64,
) -> Result<Option<u64>, sqlx::Error> {
    if deletes(appends) || appends.iter().all(|append| append.decision.goes_on.is_none()) {
        return Ok(None);
    }
    let look = match link {
        Link::Lite(_) => "SELECT COALESCE((SELECT number FROM deletions WHERE one = 1), 0)",
        Link::Maria(_) => "SELECT number FROM deletions WHERE one = 1 LOCK IN SHARE MODE",
    };
    let number: Option<i64> = on!(Link, link, connection => {
        sqlx::query_scalar(look).fetch_optional(&mut **connection).await?
    });
    // Another number after each connection, and never 0, which says that nothing is known.
    let number = number.and_then(|number| u64::try_from(number).ok()).map(|number| number | connections << CONNECTIONS);
    known.store(number.unwrap_or(0), Ordering::Relaxed);
    Ok(number)
}
