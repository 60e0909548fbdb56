//! Backups: everything of a site, at one moment, in a file that can be restored to either engine.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;

use super::end::End;
use super::file::{self, Heading, Line, Reading, Writing};
use super::rows::{self, Table, Value};
use super::{MoveError, Moved, Progress};
use crate::conversation::Millis;
use crate::store::error::StoreError;
use crate::store::migrations::{self, own_tables};
use crate::store::pool::{Link, on};
use crate::store::url::DatabaseUrl;

/// Not in a backup: whoever has logged out since must not be logged in again by it, and from where agents log in is known
/// for a while and not for as long as there are backups.
const LEFT_OUT: [&str; 2] = ["agent_sessions", "agent_callers"];

/// Why there is no backup, or it was not restored. Holds no text of messages and no password.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read, or not be filled.
    #[error(transparent)]
    Database(#[from] MoveError),
    /// The file cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file of that name.
    #[error("{} is there already; take another name, or remove it first", .0.display())]
    Exists(PathBuf),
    /// Something else.
    #[error("{} is no backup that purser made", .0.display())]
    Foreign(PathBuf),
    /// A newer version made it.
    #[error("{} was made by a newer purser; restore it with that version", .0.display())]
    Newer(PathBuf),
    /// Its end is missing.
    #[error("{} has no end: it was not written or not copied to its end, and nothing of it was restored", .0.display())]
    CutOff(PathBuf),
    /// It is not what was written.
    #[error("{} was changed since it was written, and nothing of it was restored", .0.display())]
    Damaged(PathBuf),
    /// There is something already.
    #[error("there is a site in {0} already; --replace deletes it and puts the backup in its place")]
    Full(String),
}

/// Writes everything of a database into a file, as it is at one moment, while servers go on using it.
pub async fn backup_site(
    from: &DatabaseUrl,
    file: &Path,
    now: Millis,
    mut on_progress: impl FnMut(Progress),
) -> Result<Moved, BackupError> {
    let mut source = End::source_in_use(from).await?;
    let (version, left) = source.look().await?;
    let mut tables = Vec::new();
    let mut all = 0;
    for name in own_tables(version).filter(|name| !LEFT_OUT.contains(name)) {
        let table = source.table(name).await?;
        let rows = source.count(name).await?;
        all += rows;
        tables.push((table, rows));
    }
    let mut writing = Writing::begin(file, version, now)?;
    let (mut counted, mut moved) = (Vec::with_capacity(tables.len()), 0);
    for (table, rows) in &tables {
        writing.table(&Heading { table: table.name.to_owned(), columns: table.columns.clone() })?;
        let select = AssertSqlSafe(table.select());
        let failed = |reason: sqlx::Error| MoveError::Failed { table: table.name, reason: reason.into() };
        on!(Link, &mut source.link, connection => {
            let mut found = sqlx::query(select).fetch(&mut **connection);
            while let Some(row) = found.try_next().await.map_err(failed)? {
                writing.row(table.name, &table.read(&row).map_err(failed)?)?;
                moved += 1;
                if moved % rows::ROWS as u64 == 0 {
                    on_progress(Progress { table: table.name, moved, all });
                }
            }
        });
        // Both were read at the same moment.
        let written = writing.rows_of(table.name);
        if written != *rows {
            return Err(MoveError::Counts { table: table.name, source_rows: *rows, target_rows: written }.into());
        }
        counted.push((table.name, written));
    }
    source.close().await?;
    writing.end()?;
    Ok(Moved { tables: counted, left })
}

/// Fills a database from a backup. No server may use it. What purser has there is deleted if that is wanted, and else
/// the reason to refuse.
pub async fn restore_site(
    file: &Path,
    to: &DatabaseUrl,
    replace: bool,
    mut on_progress: impl FnMut(Progress),
) -> Result<Moved, BackupError> {
    // Read twice: before anything is touched it must be known to be whole.
    let expected = Reading::check(file, migrations::last())?;
    let (mut reading, head) = Reading::open(file, migrations::last())?;
    let mut target = End::target(to).await?;
    if replace {
        target.give_up().await?;
    }
    target.begin(head.migration).await.map_err(|error| match error {
        MoveError::NotEmpty { place, .. } => BackupError::Full(place),
        other => other.into(),
    })?;
    let damaged = || BackupError::Damaged(file.to_owned());
    let all = expected.values().sum();
    let mut filling = Filling { target, table: None, rows: Vec::new(), bytes: 0, moved: 0 };
    loop {
        match reading.next()? {
            Line::Row(line) => {
                let table = filling.table.as_ref().ok_or_else(damaged)?;
                let row = file::row(line, &table.columns).ok_or_else(damaged)?;
                if filling.take(row).await? {
                    on_progress(Progress { table: filling.name(), moved: filling.moved, all });
                }
            }
            Line::Table(heading) => {
                filling.flush().await?;
                let name = own_tables(head.migration).find(|own| *own == heading.table).ok_or_else(damaged)?;
                let known = filling.target.table(name).await?;
                // Names of columns become SQL: only those that are there.
                let by_name = |columns: &[_]| columns.iter().cloned().collect::<BTreeMap<String, _>>();
                if by_name(&known.columns) != by_name(&heading.columns) || known.columns.len() != heading.columns.len()
                {
                    return Err(damaged());
                }
                filling.table = Some(known.ordered(heading.columns));
            }
            Line::End => break,
        }
    }
    filling.flush().await?;
    let mut target = filling.target;
    let mut counted = Vec::new();
    for table in own_tables(head.migration) {
        let source_rows = expected.get(table).copied().unwrap_or(0);
        let target_rows = target.count(table).await?;
        if source_rows != target_rows {
            return Err(MoveError::Counts { table, source_rows, target_rows }.into());
        }
        if !LEFT_OUT.contains(&table) {
            counted.push((table, target_rows));
        }
    }
    target.end().await?;
    Ok(Moved { tables: counted, left: Vec::new() })
}

/// A database that is being filled, and the rows that are not in it yet.
struct Filling {
    target: End,
    table: Option<Table>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    moved: u64,
}

impl Filling {
    /// Takes a row. True if rows were committed with it.
    async fn take(&mut self, row: Vec<Value>) -> Result<bool, MoveError> {
        self.bytes += row.iter().map(Value::bytes).sum::<usize>();
        self.rows.push(row);
        let full = self.rows.len() >= rows::ROWS || self.bytes >= rows::BYTES;
        if full {
            self.flush().await?;
        }
        Ok(full)
    }

    async fn flush(&mut self) -> Result<(), MoveError> {
        let Some(table) = &self.table else { return Ok(()) };
        let written = rows::insert(&mut self.target.link, table, &self.rows).await;
        written.map_err(|reason| MoveError::Failed { table: table.name, reason: StoreError::from(reason) })?;
        self.moved += self.rows.len() as u64;
        (self.rows, self.bytes) = (Vec::new(), 0);
        Ok(())
    }

    fn name(&self) -> &'static str {
        self.table.as_ref().map_or("", |table| table.name)
    }
}
