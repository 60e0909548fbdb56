//! Takes a whole site from one database into another: from SQLite to MariaDB, or back.
//!
//! Rows go over as they are, table by table, in the order of their keys, in batches: memory does not grow with them.
//! The target is given the tables as the source has them, and is brought up to date when everything is in it; the
//! source is only read. Meanwhile a table `unfinished_move` stands in the target: no server starts on half of a site,
//! and the next move knows that what is there is of no use to anybody and begins anew.
//!
//! A backup (`backup.rs`) is the same with a file (`file.rs`) in the place of one of the two.

mod backup;
mod end;
mod file;
mod rows;

use std::path::Path;

use super::error::{OpenError, StoreError};
use super::migrations::own_tables;
use super::url::{DatabaseUrl, Target, place};
pub use backup::{BackupError, backup_site, restore_site};
use end::End;

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The tables, with how many rows each has, counted on both sides.
    pub tables: Vec<(&'static str, u64)>,
    /// Tables of the source that are not purser's and stay where they are.
    pub left: Vec<String>,
}

/// How far a move has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What is moved now.
    pub table: &'static str,
    /// So many rows of all tables are over.
    pub moved: u64,
    /// So many there are.
    pub all: u64,
}

/// Why a site was not moved. Holds no text of messages and no password.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database in memory.
    #[error("a database in memory ends with its process; nothing can be moved, saved or restored there")]
    Memory,
    /// From somewhere to the same place.
    #[error("{0} is where everything is already; give another database with --to")]
    Same(String),
    /// No tables of purser.
    #[error("purser never ran on {0}, so there is nothing in it")]
    Nothing(String),
    /// A newer version has changed the tables.
    #[error("a newer purser has used {0}; take that version")]
    Newer(String),
    /// Somebody is connected.
    #[error("others are connected to {place} ({who}); stop every server that uses it and try again")]
    Used {
        /// Which database.
        place: String,
        /// User and host of each.
        who: String,
    },
    /// There is something already.
    #[error("{place} has the table {table} already; a site can only be moved into a database without purser's tables")]
    NotEmpty {
        /// Which database.
        place: String,
        /// One of the tables.
        table: &'static str,
    },
    /// A table was not moved as a whole.
    #[error("the table {table} could not be moved: {reason}; {UNFINISHED}")]
    Failed {
        /// Which table.
        table: &'static str,
        /// Why.
        reason: StoreError,
    },
    /// Something went missing.
    #[error("the table {table} has {source_rows} rows, and {target_rows} arrived; {UNFINISHED}")]
    Counts {
        /// Which table.
        table: &'static str,
        /// There.
        source_rows: u64,
        /// Here.
        target_rows: u64,
    },
    /// Anything else that a database said.
    #[error("{place}: {reason}")]
    Database {
        /// Which database.
        place: String,
        /// What it said.
        reason: StoreError,
    },
}

const UNFINISHED: &str = "the source is as it was, and no server starts on the target until the same move is run again, \
                          which begins anew";

/// Takes everything from one database into another, in which purser has nothing yet. No server may use either.
pub async fn move_site(
    from: &DatabaseUrl,
    to: &DatabaseUrl,
    mut on_progress: impl FnMut(Progress),
) -> Result<Moved, MoveError> {
    if is_same(from, to) {
        return Err(MoveError::Same(from.to_string()));
    }
    let mut source = End::source(from).await?;
    let (version, left) = source.look().await?;
    let mut target = End::target(to).await?;
    target.begin(version).await?;

    let (mut tables, mut all) = (Vec::new(), 0);
    for name in own_tables(version) {
        let table = source.table(name).await?;
        let rows = source.count(name).await?;
        tables.push((table, rows));
        all += rows;
    }
    let mut moved = 0;
    for (table, _) in &tables {
        let count = |rows: usize| {
            moved += rows as u64;
            on_progress(Progress { table: table.name, moved, all });
        };
        let copied = rows::copy(&mut source.link, &mut target.link, table, count).await;
        copied.map_err(|error| MoveError::Failed { table: table.name, reason: error.into() })?;
    }
    let mut counted = Vec::with_capacity(tables.len());
    for (table, source_rows) in tables {
        let target_rows = target.count(table.name).await?;
        if source_rows != target_rows {
            return Err(MoveError::Counts { table: table.name, source_rows, target_rows });
        }
        counted.push((table.name, target_rows));
    }
    target.end().await?;
    source.close().await?;
    Ok(Moved { tables: counted, left })
}

fn is_same(from: &DatabaseUrl, to: &DatabaseUrl) -> bool {
    let file = |file: &Path| file.canonicalize().unwrap_or_else(|_| file.to_owned());
    match (&from.0, &to.0) {
        (Target::File(from), Target::File(to)) => file(from) == file(to),
        (Target::Maria(from), Target::Maria(to)) => place(from) == place(to),
        _ => false,
    }
}
