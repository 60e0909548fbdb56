//! The rows of a move or a backup: read as they are, written as they were.

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::{Arguments, AssertSqlSafe, ColumnIndex, Decode, Row, Type};

use crate::store::error::StoreError;
use crate::store::pool::{Link, on};
use crate::store::statement::values;

/// So many rows, or so many bytes, are one commit. A packet of MariaDB is 16 MiB at most.
pub(super) const ROWS: usize = 1_024;
pub(super) const BYTES: usize = 4 << 20;
/// A statement has so many rows.
const SIZES: [usize; 4] = [256, 32, 4, 1];

/// A table, as the source has it.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: Vec<(String, Held)>,
    /// The columns of its primary key.
    key: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Held {
    Integer,
    Real,
    Text,
    Bytes,
}

/// What stands in a column of a row.
pub(super) enum Value {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Held {
    fn of(name: &str) -> Option<Held> {
        match name.to_ascii_lowercase().as_str() {
            "integer" | "bigint" | "int" | "mediumint" | "smallint" | "tinyint" => Some(Held::Integer),
            "real" | "double" => Some(Held::Real),
            "text" | "char" | "varchar" | "tinytext" | "mediumtext" | "longtext" => Some(Held::Text),
            "blob" | "binary" | "varbinary" | "tinyblob" | "mediumblob" | "longblob" => Some(Held::Bytes),
            _ => None,
        }
    }
}

impl Table {
    pub(super) async fn of(link: &mut Link, name: &'static str) -> Result<Table, StoreError> {
        let query = match link {
            Link::Lite(_) => "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid",
            Link::Maria(_) => {
                "SELECT c.column_name, c.data_type, CAST(COALESCE(k.seq_in_index, 0) AS SIGNED) \
                 FROM information_schema.columns c LEFT JOIN information_schema.statistics k \
                 ON k.table_schema = c.table_schema AND k.table_name = c.table_name \
                 AND k.column_name = c.column_name AND k.index_name = 'PRIMARY' \
                 WHERE c.table_schema = DATABASE() AND c.table_name = ? AND c.is_generated = 'NEVER' ORDER BY c.ordinal_position"
            }
        };
        let found: Vec<(String, String, i64)> = on!(Link, link, connection => {
            sqlx::query_as(query).bind(name).fetch_all(&mut **connection).await?
        });
        let mut key: Vec<_> = found.iter().filter(|(.., place)| *place > 0).collect();
        key.sort_unstable_by_key(|(.., place)| *place);
        let key = key.into_iter().map(|(column, ..)| column.clone()).collect();
        let columns = found.into_iter().map(|(column, of_type, _)| match Held::of(&of_type) {
            Some(held) => Ok((column, held)),
            None => Err(StoreError::Unreadable(format!("a column {column} of the type {of_type}"))),
        });
        Ok(Table { name, columns: columns.collect::<Result<_, _>>()?, key })
    }

    /// The same with its columns in this order.
    pub(super) fn ordered(self, columns: Vec<(String, Held)>) -> Table {
        Table { columns, ..self }
    }

    fn names(&self) -> String {
        list(self.columns.iter().map(|(name, _)| name))
    }

    pub(super) fn select(&self) -> String {
        let order = list(self.key.iter());
        format!("SELECT {} FROM `{}` ORDER BY {order}", self.names(), self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        format!("INSERT INTO `{}` ({}) VALUES {}", self.name, self.names(), vec![row; rows].join(","))
    }

    pub(super) fn read<'r, R>(&self, row: &'r R) -> Result<Vec<Value>, sqlx::Error>
    where
        R: Row,
        usize: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        f64: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    {
        let values = self.columns.iter().enumerate().map(|(at, (_, held))| {
            Ok(match held {
                Held::Integer => Value::Integer(row.try_get(at)?),
                Held::Real => Value::Real(row.try_get(at)?),
                Held::Text => Value::Text(row.try_get(at)?),
                Held::Bytes => Value::Bytes(row.try_get(at)?),
            })
        });
        values.collect()
    }
}

impl Value {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Text(Some(text)) => text.len(),
            Value::Bytes(Some(bytes)) => bytes.len(),
            _ => 8,
        }
    }
}

/// Names in backticks, which both engines understand.
fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Copies the rows of a table. Says how many are committed after each batch.
pub(super) async fn copy(
    source: &mut Link,
    target: &mut Link,
    table: &Table,
    mut committed: impl FnMut(usize),
) -> Result<(), sqlx::Error> {
    let select = AssertSqlSafe(table.select());
    let (mut batch, mut bytes) = (Vec::new(), 0);
    on!(Link, source, connection => {
        let mut rows = sqlx::query(select).fetch(&mut **connection);
        while let Some(row) = rows.try_next().await? {
            let row = table.read(&row)?;
            bytes += row.iter().map(Value::bytes).sum::<usize>();
            batch.push(row);
            if batch.len() >= ROWS || bytes >= BYTES {
                insert(target, table, &batch).await?;
                committed(batch.len());
                (batch, bytes) = (Vec::new(), 0);
            }
        }
    });
    insert(target, table, &batch).await?;
    committed(batch.len());
    Ok(())
}

/// Writes these rows in one commit.
pub(super) async fn insert(target: &mut Link, table: &Table, mut rows: &[Vec<Value>]) -> Result<(), sqlx::Error> {
    target.begin().await?;
    while let Some(size) = SIZES.into_iter().find(|size| *size <= rows.len()) {
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        let insert = AssertSqlSafe(table.insert(size));
        on!(Link, target, connection => {
            let mut all = values(&**connection, size, table.columns.len());
            for value in piece.iter().flatten() {
                let added = match value {
                    Value::Integer(value) => all.add(value),
                    Value::Real(value) => all.add(value),
                    Value::Text(value) => all.add(value.as_deref()),
                    Value::Bytes(value) => all.add(value.as_deref()),
                };
                added.map_err(sqlx::Error::Encode)?;
            }
            sqlx::query_with(insert, all).execute(&mut **connection).await?;
        });
    }
    target.commit().await
}
