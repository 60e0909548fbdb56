//! The floors: what a WebSocket costs that does nothing, and what rows cost that nobody decides about.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use uuid::Uuid;

use super::server::{MariaDb, cpu};

/// Makes this program the echo.
pub const ECHO: &str = "--echo";

const REPLY: &str = r#"{"message":"<p>We deliver from Monday to Saturday, between 8 and 18 h.</p>"}"#;

/// A server that answers each text frame with the same words: tokio, tungstenite, and nothing else.
pub fn serve_echo() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(echo(stream));
        }
    })
}

async fn echo(stream: TcpStream) {
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let Ok(mut socket) = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(Message::text(REPLY)).await.is_err() {
            return;
        }
    }
}

/// What a message's two rows cost, in microseconds of CPU.
pub struct Inserts {
    pub maria: f64,
    pub client: f64,
    /// Messages a second.
    pub rate: f64,
}

/// The columns of an event, without its place in the log.
struct Content {
    kind: String,
    author: String,
    body: String,
    is_answer: bool,
    responder: Option<String>,
    entry: Option<String>,
    revision: Option<String>,
    micros: Option<i64>,
    meta: Option<String>,
}

impl Content {
    fn of(row: &MySqlRow) -> Result<Content, sqlx::Error> {
        let author: String = row.try_get(1)?;
        Ok(Content {
            kind: row.try_get(0)?,
            is_answer: author != "visitor",
            author,
            body: row.try_get(2)?,
            responder: row.try_get(3)?,
            entry: row.try_get(4)?,
            revision: row.try_get(5)?,
            micros: row.try_get(6)?,
            meta: row.try_get(7)?,
        })
    }
}

/// Rows like those of purser, of as many conversations, in a table of their own.
pub struct Floor {
    connection: MySqlConnection,
    /// The conversations, in the order of their ids, and where each ends.
    logs: Vec<(Uuid, i64)>,
    /// How many messages were inserted.
    messages: usize,
}

impl Floor {
    /// A table of the shape of `events` in `database`.
    pub async fn make(maria: &MariaDb, database: &str, conversations: usize) -> anyhow::Result<Floor> {
        let mut connection = maria.connect(database).await?;
        connection.execute("CREATE TABLE floor LIKE events").await?;
        // The number is for the SQL views only: what purser pays for it is not part of a floor.
        connection.execute("ALTER TABLE floor DROP COLUMN IF EXISTS number").await?;
        let mut logs: Vec<(Uuid, i64)> = (0..conversations).map(|_| (Uuid::new_v4(), 0)).collect();
        logs.sort_unstable();
        Ok(Floor { connection, logs, messages: 0 })
    }

    /// Inserts what purser has stored there once more: rows of the same bytes, two a message, so many messages to one
    /// statement and one commit, and nothing else.
    pub async fn inserts(&mut self, maria: &MariaDb, batch: usize, time: Duration) -> anyhow::Result<Inserts> {
        let contents = contents(&mut self.connection).await?;
        let mut told = contents.chunks_exact(2).cycle();
        let rows = vec!["(?,?,?,?,?,?,?,?,?,?,?,?,?)"; 2 * batch].join(",");
        // Leaked once a round, so that one prepared statement serves all batches.
        let insert: &'static str = format!("INSERT INTO floor VALUES {rows}").leak();
        let mut write = async || {
            // Conversations take turns, and come in the order of their ids.
            let mut turn: Vec<usize> = (0..batch).map(|at| (self.messages + at) % self.logs.len()).collect();
            turn.sort_unstable();
            self.messages += batch;
            let mut query = sqlx::query(insert);
            for at in turn {
                let (conversation, end) = &mut self.logs[at];
                let question = Uuid::now_v7();
                for content in told.next().context("purser has stored nothing")? {
                    let id = if content.is_answer { Uuid::now_v7() } else { question };
                    let client_id = if content.is_answer { format!("re:{question}") } else { id.to_string() };
                    *end += 1;
                    query = query
                        .bind(*conversation)
                        .bind(*end)
                        .bind(id)
                        .bind(1_800_000_000_000_i64)
                        .bind(&content.kind)
                        .bind(&content.author)
                        .bind(&content.body)
                        .bind(client_id)
                        .bind(&content.responder)
                        .bind(&content.entry)
                        .bind(&content.revision)
                        .bind(content.micros)
                        .bind(&content.meta);
                }
            }
            query.execute(&mut self.connection).await?;
            anyhow::Ok(())
        };

        let unmeasured = Instant::now();
        while unmeasured.elapsed() < time / 6 {
            write().await?;
        }
        let me = std::process::id();
        let (maria_before, me_before, begin) = (cpu(maria.pid())?, cpu(me)?, Instant::now());
        let mut messages = 0.0;
        while begin.elapsed() < time {
            write().await?;
            messages += batch as f64;
        }
        let (maria_after, me_after, taken) = (cpu(maria.pid())?, cpu(me)?, begin.elapsed());
        Ok(Inserts {
            maria: (maria_after - maria_before) / messages,
            client: (me_after - me_before) / messages,
            rate: messages / taken.as_secs_f64(),
        })
    }
}

/// Questions and their answers in turn, as purser stored them.
async fn contents(connection: &mut MySqlConnection) -> anyhow::Result<Vec<Content>> {
    let select = "SELECT kind, author, body, responder, entry, revision, micros, meta FROM events \
                  WHERE seq <= 20 ORDER BY conversation_id, seq LIMIT 1000";
    let rows = connection.fetch_all(AssertSqlSafe(select)).await?;
    Ok(rows.iter().map(Content::of).collect::<Result<_, _>>()?)
}
