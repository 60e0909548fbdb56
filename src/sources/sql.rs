//! Look-ups in a database: one statement that reads, with bound parameters.

use std::str::FromStr;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use serde_json::{Map, Number, Value};
use sqlx::mysql::{MySql, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column, Decode, Executor, Row, SqlSafeStr, TypeInfo, ValueRef};

use super::spec::Sql;
use super::{Failed, Trouble};

/// Connections to one database.
const CONNECTIONS: u32 = 4;
/// SQLite looks at the clock once in so many of its steps.
const STEPS: i32 = 1_000;
/// A number of more digits would lose some as a floating-point number; it stays a text.
const DIGITS: usize = 15;

/// A source that is a statement on a database.
pub(super) struct SqlSource {
    spec: Sql,
    pool: Pool,
    time: Duration,
}

enum Pool {
    Lite(SqlitePool),
    Maria(MySqlPool),
}

impl SqlSource {
    /// A source; it connects when it is asked for the first time.
    pub fn new(spec: Sql, time: Duration) -> Result<SqlSource, String> {
        let unreadable = |_: sqlx::Error| "the address of the database cannot be read".to_owned();
        let pool = match spec.url.starts_with("sqlite:") {
            true => {
                let options = SqliteConnectOptions::from_str(&spec.url).map_err(unreadable)?;
                // Whoever writes it is not kept waiting, and is waited for.
                let options =
                    options.read_only(true).create_if_missing(false).busy_timeout(time).pragma("query_only", "on");
                let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(time);
                Pool::Lite(pool.connect_lazy_with(options))
            }
            false => {
                let url = spec.url.replacen("mariadb:", "mysql:", 1);
                let options = MySqlConnectOptions::from_str(&url).map_err(unreadable)?;
                let pool = MySqlPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(time);
                let pool = pool.after_connect(move |connection, _| {
                    Box::pin(async move {
                        connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
                        // A server that is MySQL does not know it; the wait here ends all the same.
                        let limit = format!("SET SESSION max_statement_time = {}", time.as_secs_f64());
                        let _ = connection.execute(AssertSqlSafe(limit).into_sql_str()).await;
                        Ok(())
                    })
                });
                Pool::Maria(pool.connect_lazy_with(options))
            }
        };
        Ok(SqlSource { spec, pool, time })
    }

    pub fn params(&self) -> Vec<&str> {
        let mut params: Vec<&str> = self.spec.statement.params.iter().map(String::as_str).collect();
        params.sort_unstable();
        params.dedup();
        params
    }

    /// Asks: a list of rows, or the first one.
    pub async fn look_up(&self, params: &Map<String, Value>) -> Result<Value, Failed> {
        let values: Option<Vec<&Value>> = self.spec.statement.params.iter().map(|name| params.get(name)).collect();
        let values = values.ok_or_else(|| Failed::new(Trouble::Refused, "a parameter is missing"))?;
        let most = if self.spec.first { 1 } else { self.spec.rows };
        let rows = match &self.pool {
            Pool::Lite(pool) => lite(pool, &self.spec, &values, most, self.time).await,
            Pool::Maria(pool) => maria(pool, &self.spec, &values, most).await,
        };
        let rows = rows.map_err(failed)?;
        Ok(match self.spec.first {
            true => rows.into_iter().next().unwrap_or_default(),
            false => Value::Array(rows),
        })
    }

    pub async fn close(&self) {
        match &self.pool {
            Pool::Lite(pool) => pool.close().await,
            Pool::Maria(pool) => pool.close().await,
        }
    }
}

macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::String(text) => query.bind(text.as_str()),
                Value::Bool(bool) => query.bind(*bool),
                Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(int), _) => query.bind(int),
                    (None, float) => query.bind(float),
                },
                _ => query.bind(None::<String>),
            };
        }
        query
    }};
}

async fn lite(
    pool: &SqlitePool,
    spec: &Sql,
    values: &[&Value],
    most: usize,
    time: Duration,
) -> Result<Vec<Value>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // Giving up the wait does not end a statement of SQLite; this does.
    let deadline = Instant::now() + time;
    connection.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < deadline);
    let query = sqlx::query::<Sqlite>(AssertSqlSafe(spec.statement.sql.clone()));
    let mut rows = bound!(query, values).fetch(&mut *connection);
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.try_next().await?
    {
        found.push(row_of(&row, lite_value)?);
    }
    Ok(found)
}

async fn maria(pool: &MySqlPool, spec: &Sql, values: &[&Value], most: usize) -> Result<Vec<Value>, sqlx::Error> {
    let query = sqlx::query::<MySql>(AssertSqlSafe(spec.statement.sql.clone()));
    let mut rows = bound!(query, values).fetch(pool);
    let mut found = Vec::new();
    while found.len() < most
        && let Some(row) = rows.try_next().await?
    {
        found.push(row_of(&row, maria_value)?);
    }
    Ok(found)
}

/// A row as an object.
fn row_of<R: Row>(row: &R, value: fn(&R, usize) -> Result<Value, sqlx::Error>) -> Result<Value, sqlx::Error> {
    let field = |column: &<R::Database as sqlx::Database>::Column| {
        Ok((column.name().to_owned(), value(row, column.ordinal())?))
    };
    row.columns().iter().map(field).collect()
}

fn lite_value(row: &SqliteRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let declared = row.column(index).type_info().name();
    Ok(match raw.type_info().name() {
        "INTEGER" if declared == "BOOLEAN" => Value::Bool(row.try_get_unchecked::<i64, _>(index)? != 0),
        "INTEGER" | "BOOLEAN" => Value::from(row.try_get_unchecked::<i64, _>(index)?),
        "REAL" => float(row.try_get_unchecked::<f64, _>(index)?),
        "BLOB" => bytes(row.try_get_unchecked::<Vec<u8>, _>(index)?),
        _ => Value::String(row.try_get_unchecked::<String, _>(index)?),
    })
}

fn maria_value(row: &MySqlRow, index: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    let raw_bytes = || -> Result<&[u8], sqlx::Error> {
        <&[u8] as Decode<MySql>>::decode(row.try_get_raw(index)?).map_err(sqlx::Error::Decode)
    };
    Ok(match kind.as_str() {
        "BOOLEAN" => Value::Bool(row.try_get_unchecked::<bool, _>(index)?),
        "DECIMAL" => decimal(&row.try_get_unchecked::<String, _>(index)?),
        "FLOAT" => float(row.try_get_unchecked::<f32, _>(index)?.into()),
        "DOUBLE" => float(row.try_get_unchecked::<f64, _>(index)?),
        "JSON" => serde_json::from_slice(raw_bytes()?).unwrap_or_default(),
        "BIT" => Value::from(raw_bytes()?.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))),
        "DATE" | "DATETIME" => Value::from(day_and_time(raw_bytes()?, "")),
        // The connection speaks UTC.
        "TIMESTAMP" => Value::from(day_and_time(raw_bytes()?, "Z")),
        "TIME" => Value::from(span(raw_bytes()?)),
        kind if kind.ends_with("UNSIGNED") || kind == "YEAR" => {
            let number = row.try_get_unchecked::<u64, _>(index)?;
            i64::try_from(number).map_or_else(|_| Value::String(number.to_string()), Value::from)
        }
        kind if kind.ends_with("INT") => Value::from(row.try_get_unchecked::<i64, _>(index)?),
        _ => bytes(raw_bytes()?.to_vec()),
    })
}

/// "12.50" as a number, unless that would lose digits.
fn decimal(text: &str) -> Value {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(number) if digits <= DIGITS => float(number),
        _ => Value::String(text.to_owned()),
    }
}

fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Text where it is one, else the number of bytes is all that a script could make of it.
fn bytes(bytes: Vec<u8>) -> Value {
    String::from_utf8(bytes)
        .map_or_else(|error| Value::from(format!("({} bytes)", error.as_bytes().len())), Value::String)
}

/// A day, and the time of it where there is one, as the protocol encodes them: a length, then the year in two bytes,
/// month, day, hour, minute, second, and microseconds in four.
fn day_and_time(raw: &[u8], zone: &str) -> Option<String> {
    let number = |at: usize| raw.get(at).copied().unwrap_or(0);
    let year = u16::from_le_bytes([number(1), number(2)]);
    let day = format!("{year:04}-{:02}-{:02}", number(3), number(4));
    match raw.len() {
        // The zero date.
        0 | 1 => None,
        2..=5 if zone.is_empty() => Some(day),
        _ => Some(format!("{day}T{:02}:{:02}:{:02}{zone}", number(5), number(6), number(7))),
    }
}

/// A time of day or a span: a length, the sign, days in four bytes, hours, minutes, seconds.
fn span(raw: &[u8]) -> String {
    let number = |at: usize| raw.get(at).copied().unwrap_or(0);
    let days = u32::from_le_bytes([number(2), number(3), number(4), number(5)]);
    let sign = if number(1) == 1 { "-" } else { "" };
    format!("{sign}{:02}:{:02}:{:02}", u64::from(days) * 24 + u64::from(number(6)), number(7), number(8))
}

/// What went wrong, without texts that could hold parameters or passwords.
fn failed(error: sqlx::Error) -> Failed {
    let trouble = match &error {
        sqlx::Error::PoolTimedOut => Trouble::Timeout,
        // 1969 is MariaDB's statement that took too long, 9 SQLite's that was interrupted.
        sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "70100" || code == "9") => {
            Trouble::Timeout
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Trouble::Unreadable,
        _ => Trouble::Unavailable,
    };
    let told = match &error {
        sqlx::Error::Database(error) => format!("the database says: {}", error.message()),
        other => other.to_string(),
    };
    Failed::new(trouble, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_loses_no_digit() {
        assert_eq!(decimal("12.50"), Value::from(12.5));
        assert_eq!(decimal("-0.01"), Value::from(-0.01));
        assert_eq!(decimal("1234567890123456.78"), Value::from("1234567890123456.78"));
    }

    #[test]
    fn days_and_times_are_as_the_protocol_encodes_them() {
        let of = |raw: &[u8], zone: &str| day_and_time(raw, zone);
        assert_eq!(of(&[4, 0xea, 7, 3, 2], "").as_deref(), Some("2026-03-02"));
        assert_eq!(of(&[7, 0xea, 7, 3, 2, 9, 5, 1], "").as_deref(), Some("2026-03-02T09:05:01"));
        assert_eq!(of(&[4, 0xea, 7, 3, 2], "Z").as_deref(), Some("2026-03-02T00:00:00Z"));
        assert_eq!(of(&[0], ""), None);
        assert_eq!(span(&[8, 1, 1, 0, 0, 0, 2, 3, 4]), "-26:03:04");
        assert_eq!(span(&[0]), "00:00:00");
    }
}
