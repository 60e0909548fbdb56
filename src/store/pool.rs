//! The two engines behind one face, and the few places where their SQL differs: `sqlite.rs` and `mariadb.rs` open them.
//!
//! Everywhere else a statement is written once and `on!` compiles it for both: sqlx's `Any` driver would do that at
//! run time, but it returns wrong numbers for some column types.

use std::fs::File;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePool};
use sqlx::{ConnectOptions, Connection, Executor, Row};

use super::error::OpenError;
use super::url::{DatabaseUrl, Target};
use super::{deletions, mariadb, migrations, sqlite, views};

/// `on!(Engine, engine, side => expression)`: the expression for whichever engine it is.
macro_rules! on {
    ($of:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            $of::Lite($inner) => $body,
            $of::Maria($inner) => $body,
        }
    };
}
pub(super) use on;

/// A database that was opened: where it is, and connections for reading.
pub(super) enum Engine {
    Lite(Side<SqliteConnectOptions, SqlitePool>),
    Maria(Side<MySqlConnectOptions, MySqlPool>),
}

pub(super) struct Side<O, P> {
    pub(super) options: O,
    pub(super) readers: P,
    pub(super) shown: String,
    /// Holds other processes off an SQLite file, until the writer too has ended.
    pub(super) lock: Option<File>,
}

/// The writer's connection.
pub(super) enum Link {
    Lite(Box<SqliteConnection>),
    Maria(Box<MySqlConnection>),
}

/// Rows are read by few: the desk keeps the heads of open conversations.
pub(super) const READERS: u32 = 8;
/// The writer's statements in all their sizes, several times over: one that is thrown out of the cache costs 44 ms
/// on a TCP connection to MariaDB (its COM_STMT_CLOSE has no reply, and sqlx leaves Nagle's algorithm on).
pub(super) const STATEMENTS: usize = 400;

impl Engine {
    /// Opens the database and brings its tables up to date.
    pub(super) async fn open(url: &DatabaseUrl, patience: Duration) -> Result<Engine, OpenError> {
        match &url.0 {
            Target::Memory => sqlite::open_memory(patience).await,
            Target::File(file) => sqlite::open_file(file, patience).await,
            Target::Maria(options) => mariadb::open(options, patience).await,
        }
    }

    /// Opens the database for reading, beside whoever writes it. A file is neither made nor changed.
    pub(super) async fn open_to_read(url: &DatabaseUrl, patience: Duration) -> Result<Engine, OpenError> {
        match &url.0 {
            Target::File(file) => sqlite::open_to_read(file, patience),
            Target::Memory | Target::Maria(_) => Engine::open(url, patience).await,
        }
    }

    pub(super) fn describe(&self) -> String {
        on!(Engine, self, side => side.shown.clone())
    }

    /// Whether others may have it open too.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Engine::Maria(_))
    }

    pub(super) async fn close(&self) {
        on!(Engine, self, side => {
            side.readers.close().await;
            // Whoever still has a clone of the store must not keep the file from others.
            if let Some(lock) = &side.lock && let Err(error) = lock.unlock() {
                tracing::warn!(%error, "the database file stays locked until this process ends");
            }
        })
    }

    /// A new connection for the writer.
    pub(super) async fn link(&self) -> Result<Link, sqlx::Error> {
        match self {
            Engine::Lite(side) => Ok(Link::Lite(Box::new(side.options.connect().await?))),
            Engine::Maria(side) => {
                let mut connection = side.options.connect().await?;
                mariadb::set_up_writer(&mut connection).await?;
                Ok(Link::Maria(Box::new(connection)))
            }
        }
    }
}

fn not_up_to_date(place: &str) -> impl Fn(sqlx::Error) -> OpenError {
    move |error| OpenError::Migration { place: place.to_owned(), reason: error.to_string() }
}

impl Link {
    /// The names of all tables in this database.
    pub(super) async fn tables(&mut self) -> Result<Vec<String>, sqlx::Error> {
        let query = match self {
            Link::Lite(_) => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
            Link::Maria(_) => {
                "SELECT table_name FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
            }
        };
        on!(Link, self, connection => {
            sqlx::query(query).fetch_all(&mut **connection).await?.iter().map(|row| row.try_get(0)).collect()
        })
    }

    /// Brings the tables up to date for a start.
    pub(super) async fn prepare(&mut self, place: &str) -> Result<(), OpenError> {
        let failed = not_up_to_date(place);
        if self.tables().await.map_err(failed)?.iter().any(|table| table == migrations::UNFINISHED_MOVE) {
            return Err(OpenError::HalfMoved(place.to_owned()));
        }
        self.migrate(place, i64::MAX).await?;
        deletions::make(self).await.map_err(not_up_to_date(place))?;
        views::make(self).await;
        Ok(())
    }

    /// Brings the tables to where they were after the migration with this number.
    pub(super) async fn migrate(&mut self, place: &str, up_to: i64) -> Result<(), OpenError> {
        match self {
            // All of them or none. Each by itself would also wait for the disk twice, and a new file needs all.
            Link::Lite(connection) => {
                let failed = not_up_to_date(place);
                let mut all = connection.begin_with("BEGIN IMMEDIATE").await.map_err(&failed)?;
                migrations::run(migrations::SQLITE, &mut *all, place, up_to).await?;
                all.commit().await.map_err(failed)
            }
            Link::Maria(connection) => migrations::run(migrations::MARIADB, &mut **connection, place, up_to).await,
        }
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Link::Lite(connection) => connection.close().await,
            Link::Maria(connection) => connection.close().await,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        // A deferred transaction of SQLite that reads first and writes then fails when somebody else wrote in between.
        match self {
            Link::Lite(connection) => connection.execute("BEGIN IMMEDIATE").await.map(|_| ()),
            Link::Maria(connection) => connection.execute("BEGIN").await.map(|_| ()),
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        on!(Link, self, connection => connection.execute("COMMIT").await.map(|_| ()))
    }

    pub(super) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        on!(Link, self, connection => connection.execute("ROLLBACK").await.map(|_| ()))
    }
}
