//! What can go wrong, and what a database's error means for the writer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sqlx::error::ErrorKind;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::conversation::{ConversationId, Millis, Seq};

/// Why the store did not do it. Holds no text of messages and no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// [`close`](super::Store::close) was called.
    #[error("the store is closed")]
    Closed,
    /// No answer in time. Whether anything was stored is not known.
    #[error("the store did not answer within {0:?}")]
    TimedOut(Duration),
    /// No connection, or one that broke.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// The database answered, and it was no.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// Rows that this version cannot read.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
    /// An append that cannot be right, such as events whose numbers have gaps.
    #[error("an append that cannot be stored: {0}")]
    Misfit(&'static str),
    /// The start of a revision fits several content sets.
    #[error("several content sets start with {0:?}")]
    Ambiguous(String),
}

/// Why an append was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log no longer ends at `expected_seq`, or the question has its answer.
    #[error("the conversation has gone on")]
    Conflict,
    /// The visitor's message is stored already; takes precedence over a conflict.
    #[error("the message is stored already, with number {seq}")]
    Repeated {
        /// The number it has.
        seq: Seq,
        /// When it was stored.
        at: Millis,
    },
    /// The visitor has another open conversation.
    #[error("the visitor has another open conversation, {0}")]
    Elsewhere(ConversationId),
    /// Nothing is known to be stored; try later.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the SQLite file.
    #[error("{} is in use by another purser; several processes on one store need MariaDB", .0.display())]
    InUse(PathBuf),
    /// There is nothing to read.
    #[error("there is no database {}", .0.display())]
    NoFile(PathBuf),
    /// The folder of the SQLite file is not there.
    #[error("the folder {} for the database file does not exist", .0.display())]
    NoFolder(PathBuf),
    /// The SQLite file or its folder cannot be used.
    #[error("cannot write {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of something else, or a broken one.
    #[error("{} cannot be opened as an SQLite database: {reason}", file.display())]
    NotADatabase {
        /// The file.
        file: PathBuf,
        /// SQLite's own words.
        reason: String,
    },
    /// The accounts of agents cannot be changed.
    #[error("the agents' accounts cannot be changed: {0}")]
    Accounts(String),
    /// A running purser cannot be told what to do.
    #[error("the running purser cannot be told: {0}")]
    Chore(String),
    /// Nobody answers.
    #[error("cannot connect to MariaDB at {place}: {reason}")]
    Unreachable {
        /// Host, port and database.
        place: String,
        /// Why.
        reason: String,
    },
    /// Wrong user or password, or no right to the database.
    #[error("MariaDB at {place} refuses the user {user}: {reason}")]
    Denied {
        /// Host, port and database.
        place: String,
        /// The user.
        user: String,
        /// The server's own words.
        reason: String,
    },
    /// The database was not created.
    #[error("MariaDB at {place} has no database of that name; create it with CREATE DATABASE `{database}`")]
    NoDatabase {
        /// Host, port and database.
        place: String,
        /// The name.
        database: String,
    },
    /// Older than 10.11, or not MariaDB.
    #[error("the server at {place} is {found}; purser needs MariaDB 10.11 or newer")]
    TooOld {
        /// Host, port and database.
        place: String,
        /// What the server calls itself.
        found: String,
    },
    /// Another process holds the lock for migrations.
    #[error("another purser has been changing the tables at {place} for {waited:?}; try again when it is done")]
    Migrating {
        /// Host, port and database.
        place: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A move or a restore into this database was begun and is not finished.
    #[error(
        "{0} holds only a part of a site, since a move or a restore into it was interrupted; run the same command again, \
         which begins anew"
    )]
    HalfMoved(String),
    /// The tables cannot be brought up to date.
    #[error("the tables of {place} cannot be brought up to date: {reason}")]
    Migration {
        /// The database.
        place: String,
        /// Why.
        reason: String,
    },
    /// The writer's thread did not start.
    #[error("cannot start the writer's thread")]
    Thread(#[source] io::Error),
}

/// What an error means for whoever wanted to write.
#[derive(Debug)]
pub(super) enum Fault {
    /// A key is taken, or a head is elsewhere. Which row it was, no database says.
    Taken,
    /// The same again may succeed: a deadlock, a lock that was not free in time.
    Again(StoreError),
    /// The connection is of no use any more; what became of the transaction is not known.
    Lost(StoreError),
    /// Nothing can be written at present: disk full, read only.
    Down(StoreError),
    /// This transaction is refused; another one may not be.
    Refused(StoreError),
}

impl Fault {
    pub(super) fn of(error: &sqlx::Error) -> Fault {
        let Some(database) = error.as_database_error() else {
            return Fault::Lost(StoreError::Unreachable(unreachable(error)));
        };
        // No value: a head of MariaDB that is not where it is expected, see `batch.rs`.
        if matches!(database.kind(), ErrorKind::UniqueViolation) || Fault::is_missing_value(error) {
            return Fault::Taken;
        }
        if let Some(error) = database.try_downcast_ref::<MySqlDatabaseError>() {
            return of_maria(error);
        }
        match database.try_downcast_ref::<SqliteError>() {
            Some(error) => of_sqlite(error),
            None => Fault::Refused(StoreError::Refused("an unknown database's error".to_owned())),
        }
    }

    /// Whether there is no value where there must be one.
    pub(super) fn is_missing_value(error: &sqlx::Error) -> bool {
        error.as_database_error().is_some_and(|error| matches!(error.kind(), ErrorKind::NotNullViolation))
    }

    /// As an error of a read, or of a write that nothing more is tried for.
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Fault::Taken => StoreError::Refused("a key is taken".to_owned()),
            Fault::Again(error) | Fault::Lost(error) | Fault::Down(error) | Fault::Refused(error) => error,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match &error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            // Names the column and the two types, no value.
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                StoreError::Unreadable(error.to_string())
            }
            _ => Fault::of(&error).into_error(),
        }
    }
}

/// Errors of the network and of drivers name addresses, not data.
fn unreachable(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "no connection was free in time".to_owned(),
        other => other.to_string(),
    }
}

fn of_maria(error: &MySqlDatabaseError) -> Fault {
    // The server's own words are left out where they can quote values.
    let number = error.number();
    let plain = || format!("MariaDB error {number}");
    let quoted = || format!("MariaDB error {number}: {}", error.message());
    match number {
        // Lock wait time-out, deadlock, row changed under a snapshot, table changed, interrupted, error during commit.
        1205 | 1213 | 1020 | 1412 | 1317 | 1180 | 1969 => Fault::Again(StoreError::Refused(plain())),
        // Too many connections, node of a cluster not ready, shutting down, host blocked, aborted, packets lost,
        // connection killed.
        1040 | 1047 | 1053 | 1129 | 1152 | 1154..=1161 | 1184 | 1203 | 1226 | 1927 | 3032 | 3169 => {
            Fault::Lost(StoreError::Unreachable(quoted()))
        }
        // Disk full, table full, out of memory, read only, a missing right or table.
        1021 | 1026 | 1030 | 1037 | 1038 | 1041 | 1044 | 1114 | 1142 | 1146 | 1290 | 1792 | 1836 | 3 | 28 => {
            Fault::Down(StoreError::Refused(quoted()))
        }
        _ => Fault::Refused(StoreError::Refused(plain())),
    }
}

fn of_sqlite(error: &SqliteError) -> Fault {
    // SQLite's messages name tables and columns, never values.
    let words = || StoreError::Refused(format!("SQLite: {error}"));
    match sqlite_code(error) {
        // BUSY, LOCKED: another process, such as the sqlite3 program, held the file longer than the busy time-out.
        Some(5 | 6) => Fault::Again(words()),
        // NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
        Some(7 | 8 | 10 | 11 | 13 | 14 | 26) => Fault::Down(words()),
        _ => Fault::Refused(words()),
    }
}

/// SQLite's primary result code.
fn sqlite_code(error: &SqliteError) -> Option<i32> {
    let code = sqlx::error::DatabaseError::code(error)?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}
