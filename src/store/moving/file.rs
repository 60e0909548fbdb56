//! The file of a backup: JSON, one value a line, the same whichever database it comes from.
//!
//! ```text
//! {"purser_backup":1,"migration":13,"at":1764111600000}
//! {"table":"conversations","columns":[["id","bytes"],["status","text"],…]}
//! ["AZrI…","bot",…]                     a row; bytes are in base64
//! {"end":{"conversations":1,"events":2},"sha256":"…"}
//! ```
//!
//! The last line has the rows of each table and the SHA-256 of all before it: what was cut off or changed is noticed
//! before anything is done with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::backup::BackupError;
use super::rows::{Held, Value};
use crate::conversation::Millis;
use crate::hex::hex;

/// What this purser writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// No line is longer, in bytes: a file of content has a few megabytes, a message much less.
const LONGEST: u64 = 256 << 20;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Head {
    purser_backup: u32,
    /// The last migration of the tables.
    pub(super) migration: i64,
    /// When it was begun.
    pub(super) at: Millis,
}

/// Comes before the rows of a table.
#[derive(Serialize, Deserialize)]
pub(super) struct Heading {
    pub(super) table: String,
    /// Name and kind of each column.
    pub(super) columns: Vec<(String, Held)>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct End {
    /// How many rows each table has.
    end: BTreeMap<String, u64>,
    sha256: String,
}

/// A backup that is being written. Under its own name it stands only once it is whole.
pub(super) struct Writing {
    out: BufWriter<File>,
    sum: Sha256,
    rows: BTreeMap<String, u64>,
    unfinished: PathBuf,
    file: PathBuf,
}

impl Writing {
    pub(super) fn begin(file: &Path, migration: i64, at: Millis) -> Result<Writing, BackupError> {
        if file.exists() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        // It holds what customers said.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let out = options.open(&unfinished).map_err(|source| BackupError::File { file: unfinished.clone(), source })?;
        let (out, rows) = (BufWriter::with_capacity(1 << 18, out), BTreeMap::new());
        let mut writing = Writing { out, sum: Sha256::new(), rows, unfinished, file: file.to_owned() };
        writing.line(&Head { purser_backup: FORMAT, migration, at })?;
        Ok(writing)
    }

    pub(super) fn table(&mut self, heading: &Heading) -> Result<(), BackupError> {
        self.rows.insert(heading.table.clone(), 0);
        self.line(heading)
    }

    pub(super) fn row(&mut self, table: &str, row: &[Value]) -> Result<(), BackupError> {
        *self.rows.entry(table.to_owned()).or_default() += 1;
        let row: Vec<Json> = row.iter().map(to_json).collect();
        self.line(&row)
    }

    /// How many rows of a table were written.
    pub(super) fn rows_of(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or(0)
    }

    /// Everything is in it, and on the disk.
    pub(super) fn end(mut self) -> Result<(), BackupError> {
        let sha256 = hex(&self.sum.clone().finalize());
        let end = End { end: std::mem::take(&mut self.rows), sha256 };
        self.line(&end)?;
        let done = || -> io::Result<()> {
            self.out.flush()?;
            self.out.get_ref().sync_all()?;
            fs::rename(&self.unfinished, &self.file)?;
            // The name is as durable as what it names.
            match self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                Some(folder) => File::open(folder)?.sync_all(),
                None => File::open(".")?.sync_all(),
            }
        };
        let mut done = done;
        done().map_err(|source| BackupError::File { file: self.file.clone(), source })
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.sum.update(&line);
            self.out.write_all(&line)
        });
        written.map_err(|source| BackupError::File { file: self.unfinished.clone(), source })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // Gone already if it was finished.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// A backup that is being read.
pub(super) struct Reading {
    lines: BufReader<File>,
    file: PathBuf,
    line: Vec<u8>,
}

/// What stands in a line after the first.
pub(super) enum Line<'a> {
    Table(Heading),
    Row(&'a [u8]),
    /// The last one.
    End,
}

impl Reading {
    /// Opens a backup that may be restored by this purser.
    pub(super) fn open(file: &Path, newest: i64) -> Result<(Reading, Head), BackupError> {
        let opened = File::open(file).map_err(|source| BackupError::File { file: file.to_owned(), source })?;
        let mut reading =
            Reading { lines: BufReader::with_capacity(1 << 18, opened), file: file.to_owned(), line: Vec::new() };
        let foreign = || BackupError::Foreign(file.to_owned());
        // Some other large file may have no line end.
        let first = (&mut reading.lines).take(4_096).read_until(b'\n', &mut reading.line);
        first.map_err(|source| BackupError::File { file: file.to_owned(), source })?;
        let head: Head = serde_json::from_slice(&reading.line).map_err(|_| foreign())?;
        if head.purser_backup > FORMAT || head.migration > newest {
            return Err(BackupError::Newer(file.to_owned()));
        }
        Ok((reading, head))
    }

    /// Reads a backup to its end: the rows of each table, if it is whole and as it was written.
    pub(super) fn check(file: &Path, newest: i64) -> Result<BTreeMap<String, u64>, BackupError> {
        let (mut reading, _) = Reading::open(file, newest)?;
        let mut sum = Sha256::new();
        sum.update(&reading.line);
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        let mut table = String::new();
        loop {
            match reading.next()? {
                Line::Row(_) if table.is_empty() => return Err(BackupError::Damaged(file.to_owned())),
                Line::Row(_) => *rows.entry(table.clone()).or_default() += 1,
                Line::Table(heading) => {
                    rows.insert(heading.table.clone(), 0);
                    table = heading.table;
                }
                Line::End => {
                    let end: End =
                        serde_json::from_slice(&reading.line).map_err(|_| BackupError::Damaged(file.to_owned()))?;
                    let is_last = reading.read_line()? == 0;
                    if end.sha256 != hex(&sum.finalize()) || end.end != rows || !is_last {
                        return Err(BackupError::Damaged(file.to_owned()));
                    }
                    return Ok(rows);
                }
            }
            sum.update(&reading.line);
        }
    }

    /// The next line. That there is none more is an error, since the last one is known.
    pub(super) fn next(&mut self) -> Result<Line<'_>, BackupError> {
        if self.read_line()? == 0 || self.line.last() != Some(&b'\n') {
            return Err(BackupError::CutOff(self.file.clone()));
        }
        if self.line.first() == Some(&b'[') {
            return Ok(Line::Row(&self.line));
        }
        match serde_json::from_slice::<Heading>(&self.line) {
            Ok(heading) => Ok(Line::Table(heading)),
            Err(_) if self.line.starts_with(b"{\"end\":") => Ok(Line::End),
            Err(_) => Err(BackupError::Damaged(self.file.clone())),
        }
    }

    fn read_line(&mut self) -> Result<usize, BackupError> {
        self.line.clear();
        let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut self.line);
        read.map_err(|source| BackupError::File { file: self.file.clone(), source })
    }
}

/// The values of a row, by what the columns hold; `None` if they do not fit.
pub(super) fn row(line: &[u8], columns: &[(String, Held)]) -> Option<Vec<Value>> {
    let row: Vec<Json> = serde_json::from_slice(line).ok()?;
    if row.len() != columns.len() {
        return None;
    }
    row.into_iter().zip(columns).map(|(value, (_, held))| from_json(value, *held)).collect()
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Integer(number) => (*number).into(),
        Value::Real(number) => (*number).into(),
        Value::Text(text) => text.as_deref().into(),
        Value::Bytes(bytes) => bytes.as_ref().map(|bytes| STANDARD.encode(bytes)).into(),
    }
}

fn from_json(value: Json, held: Held) -> Option<Value> {
    let nothing = value.is_null();
    Some(match (held, value) {
        (Held::Integer, value) if nothing || value.is_i64() => Value::Integer(value.as_i64()),
        (Held::Real, value) if nothing || value.is_number() => Value::Real(value.as_f64()),
        (Held::Text, Json::Null) => Value::Text(None),
        (Held::Text, Json::String(text)) => Value::Text(Some(text)),
        (Held::Bytes, Json::Null) => Value::Bytes(None),
        (Held::Bytes, Json::String(text)) => Value::Bytes(Some(STANDARD.decode(text).ok()?)),
        _ => return None,
    })
}
