//! The two ends of a move, each held for it alone; a backup and a restore have one of them.

use std::fs::File;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::time::sleep;

use super::MoveError;
use super::rows::Table;
use crate::store::error::OpenError;
use crate::store::mariadb::{self, Found, lock_tables, set_up_writer};
use crate::store::migrations::{self, UNFINISHED_MOVE, own_tables};
use crate::store::pool::{Link, on};
use crate::store::sqlite::{file_options, lock, not_a_database};
use crate::store::url::{DatabaseUrl, Target};

/// How long a database is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often it is looked whether others use a database before that is said.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
/// Where migrations are noted.
const MIGRATIONS: &str = "_sqlx_migrations";

/// One of the two databases.
pub(super) struct End {
    pub(super) link: Link,
    pub(super) place: String,
    /// Holds servers off an SQLite file.
    _lock: Option<File>,
}

impl End {
    /// Where everything comes from: only read, all at one moment, and held off from everybody else.
    pub(super) async fn source(url: &DatabaseUrl) -> Result<End, MoveError> {
        End::read(url, true).await
    }

    /// The same while servers use it.
    pub(super) async fn source_in_use(url: &DatabaseUrl) -> Result<End, MoveError> {
        End::read(url, false).await
    }

    async fn read(url: &DatabaseUrl, alone: bool) -> Result<End, MoveError> {
        match &url.0 {
            Target::Memory => Err(MoveError::Memory),
            Target::File(file) => {
                if !file.exists() {
                    return Err(OpenError::NoFile(file.to_owned()).into());
                }
                let held = if alone { lock(file)? } else { None };
                let options = SqliteConnectOptions::new().filename(file).busy_timeout(PATIENCE);
                let options = options.pragma("query_only", "on").disable_statement_logging();
                let mut connection = options.connect().await.map_err(not_a_database(file))?;
                connection.execute("BEGIN").await.map_err(not_a_database(file))?;
                let place = format!("SQLite file {}", file.display());
                Ok(End { link: Link::Lite(Box::new(connection)), place, _lock: held })
            }
            Target::Maria(options) => {
                let found = mariadb::find(options, PATIENCE).await?;
                let mut end = match alone {
                    true => End::maria(found).await?,
                    false => End { link: Link::Maria(Box::new(found.connection)), place: found.shown, _lock: None },
                };
                if let Link::Maria(connection) = &mut end.link {
                    let begun = async {
                        // Rows wait here while the target commits.
                        let wait = "SET SESSION net_write_timeout = 600, tx_isolation = 'REPEATABLE-READ'";
                        connection.execute(wait).await?;
                        connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await
                    };
                    begun.await.map_err(|error| end.failed(error))?;
                }
                Ok(end)
            }
        }
    }

    /// Where everything goes.
    pub(super) async fn target(url: &DatabaseUrl) -> Result<End, MoveError> {
        match &url.0 {
            Target::Memory => Err(MoveError::Memory),
            Target::File(file) => {
                let held = lock(file)?;
                let connection = file_options(file, PATIENCE).connect().await.map_err(not_a_database(file))?;
                let place = format!("SQLite file {}", file.display());
                Ok(End { link: Link::Lite(Box::new(connection)), place, _lock: held })
            }
            Target::Maria(options) => {
                let mut end = End::maria(mariadb::find(options, PATIENCE).await?).await?;
                if let Link::Maria(connection) = &mut end.link {
                    set_up_writer(connection).await.map_err(|error| end.failed(error))?;
                }
                Ok(end)
            }
        }
    }

    /// Holds servers that want to start off, and refuses if one runs.
    async fn maria(found: Found) -> Result<End, MoveError> {
        let Found { mut connection, place, shown, .. } = found;
        lock_tables(&mut connection, &place, PATIENCE).await?;
        let others = "SELECT CONCAT(user, '@', host) FROM information_schema.processlist \
                      WHERE db = DATABASE() AND id <> CONNECTION_ID()";
        // Connections that were closed just now take a moment to go, and a server that stops has several.
        let mut looked = 0;
        let others: Result<Vec<String>, _> = loop {
            let others: Result<Vec<String>, _> = sqlx::query_scalar(others).fetch_all(&mut connection).await;
            looked += 1;
            if looked == LOOKS || !others.as_ref().is_ok_and(|others| !others.is_empty()) {
                break others;
            }
            sleep(BETWEEN_LOOKS).await;
        };
        let end = End { link: Link::Maria(Box::new(connection)), place: shown, _lock: None };
        match others {
            Ok(others) if others.is_empty() => Ok(end),
            Ok(others) => Err(MoveError::Used { place: end.place, who: others.join(", ") }),
            Err(error) => Err(end.failed(error)),
        }
    }

    /// The number of its last migration, and the tables that are not purser's.
    pub(super) async fn look(&mut self) -> Result<(i64, Vec<String>), MoveError> {
        let mut tables = self.link.tables().await.map_err(|error| self.failed(error))?;
        if tables.iter().any(|table| table == UNFINISHED_MOVE) {
            return Err(OpenError::HalfMoved(self.place.clone()).into());
        }
        if !tables.iter().any(|table| table == MIGRATIONS) {
            return Err(MoveError::Nothing(self.place.clone()));
        }
        let last = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
        let last: Result<Option<i64>, _> = on!(Link, &mut self.link, connection => {
            sqlx::query_scalar(last).fetch_one(&mut **connection).await
        });
        let version = last.map_err(|error| self.failed(error))?.unwrap_or(0);
        if version > migrations::last() {
            return Err(MoveError::Newer(self.place.clone()));
        }
        tables.retain(|table| table != MIGRATIONS && own_tables(version).all(|own| own != table));
        tables.sort_unstable();
        Ok((version, tables))
    }

    /// Makes the tables in which the rows find a place.
    pub(super) async fn begin(&mut self, version: i64) -> Result<(), MoveError> {
        let found = self.link.tables().await.map_err(|error| self.failed(error))?;
        let own: Vec<&str> = own_tables(i64::MAX).chain([MIGRATIONS]).collect();
        if found.iter().any(|table| table == UNFINISHED_MOVE) {
            for table in own {
                self.execute(format!("DROP TABLE IF EXISTS `{table}`")).await?;
            }
        } else if let Some(table) = own.into_iter().find(|own| found.iter().any(|table| table == own)) {
            return Err(MoveError::NotEmpty { place: self.place.clone(), table });
        }
        self.execute(format!("CREATE TABLE IF NOT EXISTS {UNFINISHED_MOVE} (version BIGINT NOT NULL)")).await?;
        Ok(self.link.migrate(&self.place, version).await?)
    }

    /// What purser has here is to go: no server starts on it any more, and [`End::begin`] takes it out.
    pub(super) async fn give_up(&mut self) -> Result<(), MoveError> {
        self.execute(format!("CREATE TABLE IF NOT EXISTS {UNFINISHED_MOVE} (version BIGINT NOT NULL)")).await
    }

    /// Everything is there: servers may start.
    pub(super) async fn end(mut self) -> Result<(), MoveError> {
        self.link.migrate(&self.place, i64::MAX).await?;
        self.execute(format!("DROP TABLE {UNFINISHED_MOVE}")).await?;
        self.close().await
    }

    pub(super) async fn close(self) -> Result<(), MoveError> {
        let End { link, place, .. } = self;
        link.close().await.map_err(|error| MoveError::Database { place, reason: error.into() })
    }

    pub(super) async fn table(&mut self, name: &'static str) -> Result<Table, MoveError> {
        Table::of(&mut self.link, name).await.map_err(|reason| MoveError::Failed { table: name, reason })
    }

    pub(super) async fn count(&mut self, table: &'static str) -> Result<u64, MoveError> {
        let query = AssertSqlSafe(format!("SELECT COUNT(*) FROM `{table}`"));
        let rows: Result<i64, _> = on!(Link, &mut self.link, connection => {
            sqlx::query_scalar(query).fetch_one(&mut **connection).await
        });
        let rows = rows.map_err(|error| self.failed(error))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    async fn execute(&mut self, statement: String) -> Result<(), MoveError> {
        let statement = AssertSqlSafe(statement);
        let done = on!(Link, &mut self.link, connection => connection.execute(statement).await.map(drop));
        done.map_err(|error| self.failed(error))
    }

    pub(super) fn failed(&self, error: sqlx::Error) -> MoveError {
        MoveError::Database { place: self.place.clone(), reason: error.into() }
    }
}
