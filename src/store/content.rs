//! The content sets that went live.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use sha2::{Digest, Sha256};
use sqlx::{QueryBuilder, Row};
use tokio::sync::oneshot;

use super::Store;
use super::error::StoreError;
use super::pool::{Engine, Link, on};
use super::writer::Order;
use crate::conversation::Millis;

/// The files of a content set, as they were when it went live.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentSet {
    /// 12 hex digits of the SHA-256 over sorted paths and bytes.
    pub revision: String,
    /// When it went live last.
    pub at: Millis,
    /// Path (with `/`) to bytes.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A line of the list of content sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentLine {
    /// Its revision.
    pub revision: String,
    /// When it went live last.
    pub at: Millis,
    /// How many files it has.
    pub files: u32,
}

impl fmt::Debug for ContentSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentSet({}, {} files, at {})", self.revision, self.files.len(), self.at)
    }
}

impl Store {
    /// Keeps a content set that went live. It becomes the latest; a revision that is kept already gets only its new
    /// time.
    pub async fn keep_content(&self, set: &ContentSet) -> Result<(), StoreError> {
        let (reply, outcome) = oneshot::channel();
        let kept = async {
            let order = Order::Content { set: set.clone(), reply };
            self.0.queue.send(order).await.map_err(|_| StoreError::Closed)?;
            outcome.await.map_err(|_| StoreError::Closed)?
        };
        // A set may be many megabytes, and it has its turn after the batches before it.
        self.limited(self.0.limits.patience * 3, kept).await
    }

    /// The content sets, the latest first.
    pub async fn content_sets(&self, limit: u32) -> Result<Vec<ContentLine>, StoreError> {
        self.read(lines(&self.0.engine, limit)).await
    }

    /// The content set of a revision, or of the only revision that starts with `revision`.
    pub async fn content_set(&self, revision: &str) -> Result<Option<ContentSet>, StoreError> {
        self.read(set(&self.0.engine, revision)).await
    }

    /// The set that went live last.
    pub async fn latest_content(&self) -> Result<Option<ContentSet>, StoreError> {
        self.read(latest(&self.0.engine)).await
    }
}

/// Writes a set within the transaction that is open on `link`.
pub(super) async fn keep(link: &mut Link, set: &ContentSet) -> Result<(), sqlx::Error> {
    let number: i64 = on!(Link, link, connection => {
        let query = sqlx::query("SELECT COALESCE(MAX(number), 0) + 1 FROM content");
        query.fetch_one(&mut **connection).await?.try_get(0)?
    });
    let known = on!(Link, link, connection => {
        let query = sqlx::query("UPDATE content SET number = ?, at = ? WHERE revision = ?");
        query.bind(number).bind(set.at).bind(&set.revision).execute(&mut **connection).await?.rows_affected()
    });
    if known > 0 {
        return Ok(());
    }
    let files: Vec<File<'_>> =
        set.files.iter().map(|(path, bytes)| (path, bytes, Sha256::digest(bytes).to_vec())).collect();
    for files in files.chunks(FILES_A_STATEMENT) {
        keep_files(link, &set.revision, files).await?;
    }
    on!(Link, link, connection => {
        let query = sqlx::query("INSERT INTO content (revision, number, at) VALUES (?, ?, ?)");
        query.bind(&set.revision).bind(number).bind(set.at).execute(&mut **connection).await?;
    });
    Ok(())
}

/// So many files are looked for, and listed, by one statement: three values each, of the 32,766 that SQLite takes.
const FILES_A_STATEMENT: usize = 1_000;

/// A file: its path, its bytes and their SHA-256.
type File<'a> = (&'a String, &'a Vec<u8>, Vec<u8>);

/// Lists files of a set, and keeps the bytes that no set has had yet.
async fn keep_files(link: &mut Link, revision: &str, files: &[File<'_>]) -> Result<(), sqlx::Error> {
    on!(Link, link, connection => {
        let mut query = QueryBuilder::new("SELECT hash FROM content_blobs WHERE hash IN (");
        let mut hashes = query.separated(", ");
        files.iter().for_each(|(_, _, hash)| {
            hashes.push_bind(hash);
        });
        query.push(")");
        let known = query.build().fetch_all(&mut **connection).await?;
        let mut known: HashSet<Vec<u8>> = known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        for (_, bytes, hash) in files {
            // Two files may be the same.
            if known.insert(hash.clone()) {
                let query = sqlx::query("INSERT INTO content_blobs (hash, bytes) VALUES (?, ?)");
                query.bind(hash).bind(*bytes).execute(&mut **connection).await?;
            }
        }
        let mut query = QueryBuilder::new("INSERT INTO content_files (revision, path, hash) ");
        query.push_values(files, |mut row, (path, _, hash)| {
            row.push_bind(revision).push_bind(*path).push_bind(hash);
        });
        query.build().execute(&mut **connection).await?;
    });
    Ok(())
}

async fn lines(engine: &Engine, limit: u32) -> Result<Vec<ContentLine>, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(
            "SELECT revision, at, (SELECT COUNT(*) FROM content_files f WHERE f.revision = c.revision) \
             FROM content c ORDER BY number DESC LIMIT ?",
        );
        let mut lines = Vec::new();
        for row in query.bind(i64::from(limit)).fetch_all(&side.readers).await? {
            let files: i64 = row.try_get(2)?;
            let files = u32::try_from(files).unwrap_or(u32::MAX);
            lines.push(ContentLine { revision: row.try_get(0)?, at: row.try_get(1)?, files });
        }
        Ok(lines)
    })
}

async fn set(engine: &Engine, revision: &str) -> Result<Option<ContentSet>, StoreError> {
    // Also keeps % and _ out of LIKE, which minds the case on MariaDB and not on SQLite.
    if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let revision = revision.to_ascii_lowercase();
    let found: Vec<(String, Millis)> = on!(Engine, engine, side => {
        let query = sqlx::query("SELECT revision, at FROM content WHERE revision LIKE ? ORDER BY revision LIMIT 2");
        let rows = query.bind(format!("{revision}%")).fetch_all(&side.readers).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?
    });
    match found.as_slice() {
        [] => Ok(None),
        // Sorted, so a full match comes first.
        [(full, at), rest @ ..] if rest.is_empty() || *full == revision => files(engine, full, *at).await.map(Some),
        _ => Err(StoreError::Ambiguous(revision)),
    }
}

async fn latest(engine: &Engine) -> Result<Option<ContentSet>, StoreError> {
    let newest = on!(Engine, engine, side => {
        let query = sqlx::query("SELECT revision, at FROM content ORDER BY number DESC LIMIT 1");
        let row = query.fetch_optional(&side.readers).await?;
        row.map(|row| Ok::<(String, Millis), sqlx::Error>((row.try_get(0)?, row.try_get(1)?))).transpose()?
    });
    match newest {
        None => Ok(None),
        Some((revision, at)) => files(engine, &revision, at).await.map(Some),
    }
}

async fn files(engine: &Engine, revision: &str, at: Millis) -> Result<ContentSet, StoreError> {
    on!(Engine, engine, side => {
        let query = sqlx::query(
            "SELECT f.path, b.bytes FROM content_files f JOIN content_blobs b ON b.hash = f.hash WHERE f.revision = ?",
        );
        let mut files = BTreeMap::new();
        for row in query.bind(revision).fetch_all(&side.readers).await? {
            files.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(ContentSet { revision: revision.to_owned(), at, files })
    })
}
