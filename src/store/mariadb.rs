//! MariaDB, 10.11 or newer: how it is found fit, and how its connections are set up.

use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sqlx::{ConnectOptions, Executor, Row};

use super::error::OpenError;
use super::pool::{Engine, Link, READERS, STATEMENTS, Side};
use super::url::place;

/// At its default, REPEATABLE READ, MariaDB locks gaps between keys, and inserts of two nodes deadlock.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Prepares a connection for writing.
pub(super) async fn set_up_writer(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute(ISOLATION).await?;
    // A value that is too long is refused, not cut, and so is one that is missing. A transaction whose client has vanished
    // without a word gives up its locks. A statement by itself is a transaction, however the server is set.
    let settings = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'), autocommit = 1, \
                    innodb_lock_wait_timeout = 5, idle_write_transaction_timeout = 10";
    connection.execute(settings).await.map(drop)
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
pub(super) async fn find(options: &MySqlConnectOptions, patience: Duration) -> Result<Found, OpenError> {
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

/// Opens it and brings its tables up to date.
pub(super) async fn open(options: &MySqlConnectOptions, patience: Duration) -> Result<Engine, OpenError> {
    let Found { options, mut connection, place, shown } = find(options, patience).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
