//! The tables of an earlier chat: sessions, and what was said in them. Only read, all at one moment; every value as
//! text, since each site has made its own columns.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

use super::error::{OpenError, StoreError};
use super::pool::{Link, on};
use super::sqlite::not_a_database;
use super::url::{DatabaseUrl, Target, place};

/// Where the tables are and what their columns are called, where that is not as usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The table of the sessions.
    pub sessions: String,
    /// The table of the messages.
    pub messages: String,
    /// The names of columns by what they are: `user` to `customer_id`.
    pub columns: BTreeMap<String, String>,
}

/// The columns of the sessions, each with what it is usually called.
const OF_SESSIONS: [(&str, &[&str]); 3] = [
    ("id", &["id"]),
    ("user", &["user", "user_id"]),
    ("created_at", &["created_at", "created", "started_at", "timestamp"]),
];
/// The columns of the messages.
const OF_MESSAGES: [(&str, &[&str]); 5] = [
    ("id", &["id"]),
    ("session", &["session", "session_id", "chat_session_id"]),
    ("sender", &["sender", "sender_type", "role", "author"]),
    ("message", &["message", "text", "content", "body"]),
    ("timestamp", &["timestamp", "created_at", "created", "sent_at"]),
];

/// An earlier chat.
pub struct EarlierChat {
    link: Link,
    layout: Layout,
    place: String,
    id: String,
    user: String,
    created_at: String,
    message_id: String,
    session: String,
    sender: String,
    message: String,
    timestamp: String,
}

/// A session with what was said in it, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierSession {
    /// Its key.
    pub id: String,
    /// The key of its user.
    pub user: Option<String>,
    /// When it began.
    pub created_at: Option<String>,
    /// What was said.
    pub messages: Vec<EarlierMessage>,
}

/// A row of the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierMessage {
    /// Its key.
    pub id: String,
    /// Who said it, in the words of that chat.
    pub sender: Option<String>,
    /// What was said.
    pub message: Option<String>,
    /// When.
    pub timestamp: Option<String>,
}

/// Why an earlier chat cannot be read. Holds no text of messages and no password.
#[derive(Debug, thiserror::Error)]
pub enum EarlierError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A database in memory.
    #[error("a database in memory has nothing in it")]
    Memory,
    /// No such table.
    #[error("{place} has no table {table}; there are {found}; name them with --sessions and --messages")]
    NoTable {
        /// Which database.
        place: String,
        /// What was looked for.
        table: String,
        /// What there is.
        found: String,
    },
    /// No such column.
    #[error("the table {table} has no column for {what}; there are {found}; name it with --column {what}=NAME")]
    NoColumn {
        /// Which table.
        table: String,
        /// What it should hold.
        what: &'static str,
        /// What there is.
        found: String,
    },
    /// A name of a column that nothing asks for.
    #[error("--column {0} does nothing: there are user, created_at, session, sender, message and timestamp")]
    NoSuchColumn(String),
    /// The views of purser itself.
    #[error(
        "{0} in {1} is purser's own view of its conversations: name the tables of the earlier chat with --sessions and --messages"
    )]
    Own(String, String),
    /// The database said so.
    #[error("{0}: {1}")]
    Database(String, StoreError),
}

impl EarlierChat {
    /// Finds the tables and their columns.
    pub async fn open(url: &DatabaseUrl, layout: Layout) -> Result<EarlierChat, EarlierError> {
        let known = |name: &String| {
            OF_SESSIONS.iter().any(|(what, _)| what == name) || OF_MESSAGES.iter().any(|(what, _)| what == name)
        };
        if let Some(name) = layout.columns.keys().find(|name| !known(name) || *name == "id") {
            return Err(EarlierError::NoSuchColumn(name.clone()));
        }
        let (mut link, place) = connect(url).await?;
        let sessions = columns(&mut link, &place, &layout.sessions).await?;
        let messages = columns(&mut link, &place, &layout.messages).await?;
        let find = |table: &str, found: &[String], (what, usual): (&'static str, &[&str])| {
            let named = layout.columns.get(what).map(String::as_str);
            let mut names = named.map_or_else(|| usual.to_vec(), |named| vec![named]).into_iter();
            let column = names.find_map(|name| found.iter().find(|column| column.eq_ignore_ascii_case(name)));
            column.map(|column| quoted(column)).ok_or_else(|| EarlierError::NoColumn {
                table: table.to_owned(),
                what,
                found: found.join(", "),
            })
        };
        let of_sessions = |at: usize| find(&layout.sessions, &sessions, OF_SESSIONS[at]);
        let of_messages = |at: usize| find(&layout.messages, &messages, OF_MESSAGES[at]);
        Ok(EarlierChat {
            id: of_sessions(0)?,
            user: of_sessions(1)?,
            created_at: of_sessions(2)?,
            message_id: of_messages(0)?,
            session: of_messages(1)?,
            sender: of_messages(2)?,
            message: of_messages(3)?,
            timestamp: of_messages(4)?,
            link,
            layout,
            place,
        })
    }

    /// Which database this is. No secrets.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// How many sessions nothing was said in.
    pub async fn empty_sessions(&mut self) -> Result<u64, EarlierError> {
        let EarlierChat { id, session, layout, .. } = self;
        let (sessions, messages) = (quoted(&layout.sessions), quoted(&layout.messages));
        let query = format!(
            "SELECT COUNT(*) FROM {sessions} s WHERE NOT EXISTS (SELECT 1 FROM {messages} m WHERE m.{session} = s.{id})"
        );
        let count: Result<i64, _> = on!(Link, &mut self.link, connection => {
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut **connection).await
        });
        count.map(i64::unsigned_abs).map_err(|error| self.failed(error))
    }

    /// How many messages belong to no session, and the keys of the first of them.
    pub async fn lost_messages(&mut self) -> Result<(u64, Vec<String>), EarlierError> {
        let EarlierChat { id, session, message_id, layout, .. } = self;
        let text = text_of(&self.link);
        let (sessions, messages) = (quoted(&layout.sessions), quoted(&layout.messages));
        let from = format!("FROM {messages} m LEFT JOIN {sessions} s ON s.{id} = m.{session} WHERE s.{id} IS NULL");
        let count = AssertSqlSafe(format!("SELECT COUNT(*) {from}"));
        let first =
            AssertSqlSafe(format!("SELECT CAST(m.{message_id} AS {text}) {from} ORDER BY m.{message_id} LIMIT 5"));
        let lost: Result<(i64, Vec<String>), sqlx::Error> = async {
            Ok(on!(Link, &mut self.link, connection => (
                sqlx::query_scalar(count).fetch_one(&mut **connection).await?,
                sqlx::query_scalar(first).fetch_all(&mut **connection).await?,
            )))
        }
        .await;
        lost.map(|(count, first)| (count.unsigned_abs(), first)).map_err(|error| self.failed(error))
    }

    /// Reads the sessions that something was said in, one after the other. Memory holds one of them.
    pub async fn sessions<E>(
        &mut self,
        mut take: impl AsyncFnMut(EarlierSession) -> Result<(), E>,
    ) -> Result<Result<(), E>, EarlierError> {
        let EarlierChat { id, user, created_at, message_id, session, sender, message, timestamp, .. } = self;
        let text = text_of(&self.link);
        let (sessions, messages) = (quoted(&self.layout.sessions), quoted(&self.layout.messages));
        let columns = [
            format!("s.{id}"),
            format!("s.{user}"),
            format!("s.{created_at}"),
            format!("m.{message_id}"),
            format!("m.{sender}"),
            format!("m.{message}"),
            format!("m.{timestamp}"),
        ];
        let columns = columns.map(|column| format!("CAST({column} AS {text})")).join(", ");
        let query = AssertSqlSafe(format!(
            "SELECT {columns} FROM {sessions} s JOIN {messages} m ON m.{session} = s.{id} \
             ORDER BY s.{id}, m.{timestamp}, m.{message_id}"
        ));
        let read: Result<Result<(), E>, sqlx::Error> = async {
            let mut whole: Option<EarlierSession> = None;
            on!(Link, &mut self.link, connection => {
                let mut rows = sqlx::query(query).fetch(&mut **connection);
                while let Some(row) = rows.try_next().await? {
                    let id: String = row.try_get(0)?;
                    let message = EarlierMessage {
                        id: row.try_get(3)?,
                        sender: row.try_get(4)?,
                        message: row.try_get(5)?,
                        timestamp: row.try_get(6)?,
                    };
                    if let Some(session) = whole.as_mut().filter(|session| session.id == id) {
                        session.messages.push(message);
                        continue;
                    }
                    let (user, created_at) = (row.try_get(1)?, row.try_get(2)?);
                    let next = EarlierSession { id, user, created_at, messages: vec![message] };
                    if let Some(before) = whole.replace(next)
                        && let Err(error) = take(before).await
                    {
                        return Ok(Err(error));
                    }
                }
            });
            match whole {
                Some(last) => Ok(take(last).await),
                None => Ok(Ok(())),
            }
        }
        .await;
        read.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sqlx::Error) -> EarlierError {
        EarlierError::Database(self.place.clone(), error.into())
    }
}

/// What everything is read as.
fn text_of(link: &Link) -> &'static str {
    match link {
        Link::Lite(_) => "TEXT",
        Link::Maria(_) => "CHAR",
    }
}

/// A name in backticks, which both engines understand.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A connection that sees everything as it is now.
async fn connect(url: &DatabaseUrl) -> Result<(Link, String), EarlierError> {
    match &url.0 {
        Target::Memory => Err(EarlierError::Memory),
        Target::File(file) => {
            if !file.exists() {
                return Err(OpenError::NoFile(file.clone()).into());
            }
            let options =
                SqliteConnectOptions::new().filename(file).pragma("query_only", "on").disable_statement_logging();
            let mut connection = options.connect().await.map_err(not_a_database(file))?;
            connection.execute("BEGIN").await.map_err(not_a_database(file))?;
            Ok((Link::Lite(Box::new(connection)), format!("SQLite file {}", file.display())))
        }
        Target::Maria(options) => {
            let place = place(options);
            // Also MySQL: nothing of MariaDB's own is needed for reading.
            let options = options.clone().charset("utf8mb4").disable_statement_logging();
            let begun = async {
                let mut connection = options.connect().await?;
                connection.execute("SET SESSION net_write_timeout = 600").await?;
                connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
                connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
                Ok(connection)
            };
            let begun: Result<_, sqlx::Error> = begun.await;
            let connection = begun.map_err(|error| EarlierError::Database(place.clone(), error.into()))?;
            Ok((Link::Maria(Box::new(connection)), place))
        }
    }
}

async fn columns(link: &mut Link, place: &str, table: &str) -> Result<Vec<String>, EarlierError> {
    let failed = |error: sqlx::Error| EarlierError::Database(place.to_owned(), error.into());
    let (columns, is_view) = match link {
        Link::Lite(_) => (
            "SELECT name FROM pragma_table_info(?) ORDER BY cid",
            "SELECT 1 FROM sqlite_master WHERE type = 'view' AND name = ? \
             AND EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'content_blobs')",
        ),
        Link::Maria(_) => (
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
             ORDER BY ordinal_position",
            "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ? \
             AND table_type = 'VIEW' AND EXISTS (SELECT 1 FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = 'content_blobs')",
        ),
    };
    let found = async {
        Ok(on!(Link, &mut *link, connection => (
            sqlx::query_scalar(columns).bind(table).fetch_all(&mut **connection).await?,
            sqlx::query(is_view).bind(table).fetch_optional(&mut **connection).await?.is_some(),
        )))
    };
    let found: Result<(Vec<String>, bool), sqlx::Error> = found.await;
    let (columns, own) = found.map_err(failed)?;
    if own {
        return Err(EarlierError::Own(table.to_owned(), place.to_owned()));
    }
    if columns.is_empty() {
        let mut found = link.tables().await.map_err(failed)?;
        found.sort_unstable();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        return Err(EarlierError::NoTable { place: place.to_owned(), table: table.to_owned(), found });
    }
    Ok(columns)
}
