//! The two engines: how each is opened, and the few places where their SQL differs.
//!
//! Everywhere else a statement is written once and `on!` compiles it for both: sqlx's `Any` driver would do that at
//! run time, but it returns wrong numbers for some column types.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Row, SqlSafeStr};

use super::error::OpenError;
use super::url::{DatabaseUrl, Target, place};
use super::views;

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
    options: O,
    pub(super) readers: P,
    shown: String,
    /// Holds other processes off an SQLite file, until the writer too has ended.
    lock: Option<File>,
}

/// The writer's connection.
pub(super) enum Link {
    Lite(Box<SqliteConnection>),
    Maria(Box<MySqlConnection>),
}

/// The numbers are in the order of the files; a file that was released is never changed.
/// MariaDB commits each DDL statement by itself, so a file with two of them could be left half done: one each.
macro_rules! migrations {
    ($($number:literal $name:literal),* $(,)?) => {
        const SQLITE: &[(i64, &str, &str)] =
            &[$(($number, $name, include_str!(concat!("../../migrations/sqlite/", $name, ".sql")))),*];
        const MARIADB: &[(i64, &str, &str)] =
            &[$(($number, $name, include_str!(concat!("../../migrations/mariadb/", $name, ".sql")))),*];
    };
}
migrations!(
    1 "0001_conversations",
    2 "0002_events",
    3 "0003_content",
    4 "0004_content_blobs",
    5 "0005_content_files",
    6 "0006_seen",
    7 "0007_kept",
    8 "0008_outbox",
    9 "0009_attended",
    10 "0010_agents",
    11 "0011_agent_sessions",
    12 "0012_created",
    13 "0013_visitor",
    14 "0014_reviews",
    15 "0015_blocked",
    16 "0016_teams",
    17 "0017_customers",
    18 "0018_events_number",
    19 "0019_conversations_uuid",
    20 "0020_sendings",
    21 "0021_chores",
    22 "0022_agent_callers",
    23 "0023_attachments",
);

/// Stands in a database while a move or a restore into it is not finished.
pub(super) const UNFINISHED_MOVE: &str = "unfinished_move";

/// Rows are read by few: the desk keeps the heads of open conversations.
const READERS: u32 = 8;
/// The writer's statements in all their sizes, several times over: one that is thrown out of the cache costs 44 ms
/// on a TCP connection to MariaDB (its COM_STMT_CLOSE has no reply, and sqlx leaves Nagle's algorithm on).
const STATEMENTS: usize = 400;

impl Engine {
    /// Opens the database and brings its tables up to date.
    pub(super) async fn open(url: &DatabaseUrl, patience: Duration) -> Result<Engine, OpenError> {
        match &url.0 {
            Target::Memory => open_memory(patience).await,
            Target::File(file) => open_file(file, patience).await,
            Target::Maria(options) => open_maria(options, patience).await,
        }
    }

    /// Opens the database for reading, beside whoever writes it. A file is neither made nor changed.
    pub(super) async fn open_to_read(url: &DatabaseUrl, patience: Duration) -> Result<Engine, OpenError> {
        let Target::File(file) = &url.0 else { return Engine::open(url, patience).await };
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
                set_up_writer(&mut connection).await?;
                Ok(Link::Maria(Box::new(connection)))
            }
        }
    }
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
    async fn prepare(&mut self, place: &str) -> Result<(), OpenError> {
        let failed = |error: sqlx::Error| OpenError::Migration { place: place.to_owned(), reason: error.to_string() };
        if self.tables().await.map_err(failed)?.iter().any(|table| table == UNFINISHED_MOVE) {
            return Err(OpenError::HalfMoved(place.to_owned()));
        }
        self.migrate(place, i64::MAX).await?;
        views::make(self).await;
        Ok(())
    }

    /// Brings the tables to where they were after the migration with this number.
    pub(super) async fn migrate(&mut self, place: &str, up_to: i64) -> Result<(), OpenError> {
        match self {
            Link::Lite(connection) => migrate(SQLITE, &mut **connection, place, up_to).await,
            Link::Maria(connection) => migrate(MARIADB, &mut **connection, place, up_to).await,
        }
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Link::Lite(connection) => connection.close().await,
            Link::Maria(connection) => connection.close().await,
        }
    }

    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            // A deferred transaction that reads first and writes then fails when somebody else wrote in between.
            Link::Lite(connection) => connection.execute("BEGIN IMMEDIATE").await.map(|_| ()),
            Link::Maria(_) => Ok(()),
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        on!(Link, self, connection => connection.execute("COMMIT").await.map(|_| ()))
    }

    pub(super) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        on!(Link, self, connection => connection.execute("ROLLBACK").await.map(|_| ()))
    }
}

/// At its default, REPEATABLE READ, MariaDB locks gaps between keys, and inserts of two nodes deadlock.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Prepares a connection for writing.
pub(super) async fn set_up_writer(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute(ISOLATION).await?;
    // Without autocommit no BEGIN is sent. A value that is too long is refused, not cut. A transaction whose client
    // has vanished without a word gives up its locks.
    let settings = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), autocommit = 0, \
                    innodb_lock_wait_timeout = 5, idle_write_transaction_timeout = 10";
    connection.execute(settings).await.map(drop)
}

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

async fn open_file(file: &Path, patience: Duration) -> Result<Engine, OpenError> {
    let lock = lock(file)?;
    let options = file_options(file, patience);
    let shown = format!("SQLite file {}", file.display());
    let mut link = Link::Lite(Box::new(options.connect().await.map_err(not_a_database(file))?));
    link.prepare(&shown).await?;
    link.close().await.map_err(not_a_database(file))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(patience)
        .connect_lazy_with(options.clone().pragma("query_only", "on"));
    Ok(Engine::Lite(Side { options, readers, shown, lock }))
}

async fn open_memory(patience: Duration) -> Result<Engine, OpenError> {
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

/// A MariaDB server that was found fit.
pub(super) struct Found {
    options: MySqlConnectOptions,
    pub(super) connection: MySqlConnection,
    /// "127.0.0.1:3306/shop".
    pub(super) place: String,
    /// "MariaDB 10.11.14 at 127.0.0.1:3306/shop".
    pub(super) shown: String,
}

/// Connects and looks what it is.
pub(super) async fn find_maria(options: &MySqlConnectOptions, patience: Duration) -> Result<Found, OpenError> {
    // The collation of the tables, so that parameters compare as the columns do.
    let options = options
        .clone()
        .charset("utf8mb4")
        .collation("utf8mb4_nopad_bin")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    let place = place(&options);
    let failed = |error: sqlx::Error| cannot_open(&error, &options, &place);
    let mut connection = tokio::time::timeout(patience, options.connect())
        .await
        .map_err(|_| unreachable(&place, format!("no answer within {patience:?}")))?
        .map_err(failed)?;

    let row = connection
        .fetch_one("SELECT VERSION(), CAST(@@innodb_flush_log_at_trx_commit AS CHAR)")
        .await
        .map_err(failed)?;
    let version: String = row.try_get(0).map_err(failed)?;
    let flush: String = row.try_get(1).map_err(failed)?;
    let Some(number) = mariadb_version(&version) else {
        return Err(OpenError::TooOld { place, found: version });
    };
    if flush != "1" {
        tracing::warn!(
            innodb_flush_log_at_trx_commit = %flush,
            "MariaDB does not flush at commit: a power cut of its machine can lose messages of the last second that customers saw as sent; set innodb_flush_log_at_trx_commit = 1"
        );
    }
    let shown = format!("MariaDB {number} at {place}");
    Ok(Found { options, connection, place, shown })
}

async fn open_maria(options: &MySqlConnectOptions, patience: Duration) -> Result<Engine, OpenError> {
    let Found { options, mut connection, place, shown } = find_maria(options, patience).await?;
    lock_tables(&mut connection, &place, patience).await?;
    let mut link = Link::Maria(Box::new(connection));
    link.prepare(&place).await?;
    // An orderly good-bye; what is wrong with it is wrong with the next connection too.
    let _ = link.close().await;

    let readers = MySqlPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(patience)
        .after_connect(|connection, _| Box::pin(async move { connection.execute(ISOLATION).await.map(|_| ()) }))
        .connect_lazy_with(options.clone());
    Ok(Engine::Maria(Side { options, readers, shown, lock: None }))
}

fn unreachable(place: &str, reason: String) -> OpenError {
    OpenError::Unreachable { place: place.to_owned(), reason }
}

/// What an error at the start means. Its words name user, host and database; no data was touched yet.
fn cannot_open(error: &sqlx::Error, options: &MySqlConnectOptions, place: &str) -> OpenError {
    let Some(answer) = error.as_database_error() else {
        let reason = match error {
            sqlx::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        return unreachable(place, reason);
    };
    let number = answer.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(|error| error.number());
    match number {
        Some(1044 | 1045 | 1130 | 1227 | 1698) => OpenError::Denied {
            place: place.to_owned(),
            user: options.get_username().to_owned(),
            reason: answer.message().to_owned(),
        },
        Some(1049) => OpenError::NoDatabase {
            place: place.to_owned(),
            database: options.get_database().unwrap_or_default().to_owned(),
        },
        _ => unreachable(place, answer.message().to_owned()),
    }
}

/// "10.11.14" of "10.11.14-MariaDB-0+deb12u2"; `None` for what is not MariaDB 10.11 or newer.
fn mariadb_version(version: &str) -> Option<&str> {
    let (number, rest) = version.split_once('-')?;
    if !rest.contains("MariaDB") {
        return None;
    }
    let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    ((major, minor) >= (10, 11)).then_some(number)
}

/// Of all who want to change the tables, one at a time does.
pub(super) async fn lock_tables(
    connection: &mut MySqlConnection,
    place: &str,
    patience: Duration,
) -> Result<(), OpenError> {
    // sqlx's own lock waits for ever. Ours ends with the connection at the latest.
    let lock = sqlx::query("SELECT GET_LOCK(CONCAT('purser.', MD5(DATABASE())), ?)").bind(patience.as_secs_f64());
    let got: Option<i64> = match lock.fetch_one(&mut *connection).await.and_then(|row| row.try_get(0)) {
        Ok(got) => got,
        // A cluster may refuse this function; its own locking of DDL has to do then.
        Err(error) => {
            tracing::warn!(%error, "no lock for changing the tables");
            Some(1)
        }
    };
    match got {
        Some(1) => Ok(()),
        _ => Err(OpenError::Migrating { place: place.to_owned(), waited: patience }),
    }
}

/// The number of the last migration that this version knows.
pub(super) fn last_migration() -> i64 {
    SQLITE.iter().map(|(number, ..)| *number).max().unwrap_or(0)
}

/// The tables that the migrations up to this one make, in their order; the same on both engines.
pub(super) fn own_tables(up_to: i64) -> impl Iterator<Item = &'static str> {
    let lines = SQLITE.iter().filter(move |(number, ..)| *number <= up_to).flat_map(|(.., sql)| sql.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split([' ', '(']).next())
}

async fn migrate<C>(
    files: &[(i64, &'static str, &'static str)],
    to: &mut C,
    place: &str,
    up_to: i64,
) -> Result<(), OpenError>
where
    C: sqlx::migrate::Migrate,
{
    let files = files.iter().filter(|(number, ..)| *number <= up_to);
    let migrations = files.map(|&(number, name, sql)| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // After a roll-back to an older purser there are migrations that it does not know. They only ever add, so it
    // works all the same.
    migrator.set_ignore_missing(true).set_locking(false);
    migrator.run_direct(None, to, false).await.map_err(|error| {
        let reason = match &error {
            MigrateError::Dirty(number) => format!(
                "migration {number} was begun and not finished; look what it left behind, undo that, delete its row from the table _sqlx_migrations and start again"
            ),
            other => other.to_string(),
        };
        OpenError::Migration { place: place.to_owned(), reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A move takes these along and no others.
    #[tokio::test]
    async fn all_tables_that_are_made_are_known() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        link.migrate("memory", i64::MAX).await.unwrap();
        let mut made = link.tables().await.unwrap();
        made.retain(|table| table != "_sqlx_migrations");
        let mut known: Vec<_> = own_tables(i64::MAX).collect();
        known.sort_unstable();
        made.sort_unstable();
        assert_eq!(known, made);
    }

    /// Events of an older purser keep their rows, with the numbers that these had; views that somebody made stay.
    #[tokio::test]
    async fn a_grown_log_is_numbered() {
        let mut link = Link::Lite(Box::new(SqliteConnectOptions::new().connect().await.unwrap()));
        link.migrate("memory", 14).await.unwrap();
        let Link::Lite(connection) = &mut link else { unreachable!() };
        connection.execute("CREATE VIEW mine AS SELECT body FROM events").await.unwrap();
        let insert = "INSERT INTO events (conversation_id, seq, id, at, kind, author, body, client_id, meta) \
                      VALUES (?, ?, ?, 7, 'message', 'visitor', ?, ?, '{}')";
        for (conversation, seq) in [(2_u8, 1), (1, 1), (2, 2)] {
            let insert = sqlx::query(insert).bind(vec![conversation; 16]).bind(seq).bind(vec![seq as u8; 16]);
            insert
                .bind(format!("{conversation}/{seq}"))
                .bind(seq.to_string())
                .execute(&mut **connection)
                .await
                .unwrap();
        }
        link.migrate("memory", i64::MAX).await.unwrap();
        views::make(&mut link).await;
        let Link::Lite(connection) = &mut link else { unreachable!() };
        let rows = "SELECT number, body FROM events ORDER BY number";
        let rows: Vec<(i64, String)> = sqlx::query_as(rows).fetch_all(&mut **connection).await.unwrap();
        assert_eq!(rows, [(1, "2/1".to_owned()), (2, "1/1".to_owned()), (3, "2/2".to_owned())]);
        for (view, count) in [("mine", 3), ("chat_message", 0), ("chat_session", 0)] {
            let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {view}"));
            assert_eq!(
                sqlx::query_scalar::<_, i64>(query).fetch_one(&mut **connection).await.unwrap(),
                count,
                "{view}"
            );
        }
        // The keys of the log are as they were.
        for key in ["conversation_id, seq", "conversation_id, client_id"] {
            let taken = "INSERT INTO events (conversation_id, seq, id, at, kind, author, body, client_id) \
                         SELECT conversation_id, seq + ?, id, at, kind, author, body, client_id || ? FROM events LIMIT 1";
            let (seq, client) = if key.ends_with("seq") { (0, "x") } else { (9, "") };
            let refused = sqlx::query(taken).bind(seq).bind(client).execute(&mut **connection).await.unwrap_err();
            assert!(refused.as_database_error().is_some_and(|error| error.is_unique_violation()), "{key}: {refused}");
        }
    }

    #[test]
    fn every_file_is_a_migration() {
        for (folder, known) in [("sqlite", SQLITE), ("mariadb", MARIADB)] {
            let files = std::fs::read_dir(format!("migrations/{folder}")).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            files.sort_unstable();
            assert_eq!(files, known.iter().map(|(_, name, _)| format!("{name}.sql")).collect::<Vec<_>>());
            assert!(known.iter().all(|(number, name, _)| name.starts_with(&format!("{number:04}_"))));
        }
    }

    #[test]
    fn versions_are_judged_by_number() {
        for (version, number) in [
            ("10.11.14-MariaDB-0+deb12u2", Some("10.11.14")),
            ("11.4.2-MariaDB", Some("11.4.2")),
            ("12.0.1-MariaDB-log", Some("12.0.1")),
            ("10.6.18-MariaDB", None),
            ("5.5.68-MariaDB", None),
            ("8.0.36", None),
            ("8.0.36-0ubuntu1", None),
        ] {
            assert_eq!(mariadb_version(version), number, "{version}");
        }
    }
}
