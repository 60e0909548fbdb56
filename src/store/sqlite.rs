//! SQLite: a file that one purser writes, or a database in memory.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::error::OpenError;
use super::pool::{Engine, Link, READERS, STATEMENTS, Side};

/// Holds a file beside the database for as long as it lives. Two processes on one file would each think that they
/// know the heads of its conversations.
pub(super) fn lock(file: &Path) -> Result<Option<File>, OpenError> {
    let unusable = |source: io::Error| OpenError::File { file: file.to_owned(), source };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(OpenError::NoFolder(folder.to_owned()));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(file.to_owned())),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(file = %path.display(), %error, "this file system cannot lock: see to it that only one purser uses the database");
            return Ok(None);
        }
    }
    // SQLite would notice at the first write only.
    match File::options().write(true).open(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(error)),
        _ => Ok(Some(lock)),
    }
}

/// How a file is written.
pub(super) fn file_options(file: &Path, patience: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL survives a crash of the process, FULL also a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(patience / 2)
        // What a visitor has deleted is overwritten.
        .pragma("secure_delete", "on")
        // A statement of many rows keeps the pages that it changes, to take itself back. In a file of its own that
        // was an eighth of the CPU of a message.
        .pragma("temp_store", "memory")
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

/// What an error at the first use of a file means.
pub(super) fn not_a_database(file: &Path) -> impl Fn(sqlx::Error) -> OpenError {
    |error| OpenError::NotADatabase { file: file.to_owned(), reason: error.to_string() }
}

/// Opens a file, which is made if it is not there, and keeps other processes off it.
pub(super) async fn open_file(file: &Path, patience: Duration) -> Result<Engine, OpenError> {
    let lock = lock(file)?;
    let options = file_options(file, patience);
    let shown = format!("SQLite file {}", file.display());
    let mut link = Link::Lite(Box::new(options.connect().await.map_err(not_a_database(file))?));
    link.prepare(&shown).await?;
    // The start reads at once. And where this connection is not the last to be closed, SQLite does not write everything
    // from its log to the file, which takes longer than the rest of opening it.
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(patience)
        .connect_with(options.clone().pragma("query_only", "on"))
        .await
        .map_err(not_a_database(file))?;
    link.close().await.map_err(not_a_database(file))?;
    Ok(Engine::Lite(Side { options, readers, shown, lock }))
}

/// Opens a file for reading, beside whoever writes it. It is neither made nor changed.
pub(super) fn open_to_read(file: &Path, patience: Duration) -> Result<Engine, OpenError> {
    if !file.exists() {
        return Err(OpenError::NoFile(file.to_owned()));
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(patience / 2)
        .pragma("query_only", "on")
        .disable_statement_logging();
    let readers = SqlitePoolOptions::new().max_connections(1).acquire_timeout(patience);
    let readers = readers.connect_lazy_with(options.clone());
    Ok(Engine::Lite(Side { options, readers, shown: format!("SQLite file {}", file.display()), lock: None }))
}

/// A database that is gone with the store.
pub(super) async fn open_memory(patience: Duration) -> Result<Engine, OpenError> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    // SQLite's own file system in memory: several connections as on a file, where the shared cache would answer
    // readers with errors.
    let options = SqliteConnectOptions::new()
        .filename(format!("/purser-{}", NUMBER.fetch_add(1, Ordering::Relaxed)))
        .vfs("memdb")
        .create_if_missing(true)
        .busy_timeout(patience / 2)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    let shown = "SQLite in memory".to_owned();
    let failed = |error: sqlx::Error| OpenError::Migration { place: "memory".to_owned(), reason: error.to_string() };
    // It lives as long as a connection does, so one stays.
    let readers = SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(patience)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let mut link = Link::Lite(Box::new(options.connect().await.map_err(failed)?));
    link.prepare(&shown).await?;
    link.close().await.map_err(failed)?;
    Ok(Engine::Lite(Side { options, readers, shown, lock: None }))
}
