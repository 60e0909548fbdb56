//! `sources:` in purser.yaml, as it is written, and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::address::Allowed;
use super::statement::Statement;
use super::template::Template;
use super::{ROWS, TIME};

/// The largest answer of an HTTP source, in bytes, unless it says otherwise.
const BYTES: u32 = 64 << 10;
/// An operator can raise it to this.
const MAX_BYTES: u32 = 4 << 20;

/// A source as an operator describes it, with secrets of the environment put in.
#[derive(Clone, PartialEq)]
pub struct Spec {
    pub(super) from: From,
    /// How long a look-up may take.
    pub(super) time: Duration,
    /// How long an answer is good for later questions.
    pub(super) keep: Duration,
}

/// Secrets are in addresses and headers.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            From::Sql(sql) => write!(f, "Sql({})", sql.statement.sql),
            From::Http(http) => write!(f, "Http({})", http.url.fixed),
        }
    }
}

#[derive(Clone, PartialEq)]
pub(super) enum From {
    Sql(Sql),
    Http(Http),
}

#[derive(Clone, PartialEq)]
pub(super) struct Sql {
    /// As it is written, to tell whether it changed.
    pub url: String,
    pub statement: Statement,
    pub rows: usize,
    /// One row or nothing, in the place of a list.
    pub first: bool,
}

#[derive(Clone, PartialEq)]
pub(super) struct Http {
    pub url: Template,
    pub headers: Vec<(String, String)>,
    pub read: Read,
    pub bytes: usize,
    pub allowed: Allowed,
}

/// How an answer is read.
#[derive(Clone, PartialEq)]
pub(super) enum Read {
    /// JSON, and of that these fields: name to path. All of it where there are none.
    Json(Vec<(String, Vec<String>)>),
    Text,
}

/// A source as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where the database is; `${NAME}` stands for a variable.
    pub database: Option<String>,
    query: Option<String>,
    rows: Option<u32>,
    first: Option<bool>,
    get: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    fields: Option<BTreeMap<String, String>>,
    text: Option<bool>,
    bytes: Option<u32>,
    #[serde(default)]
    private: Vec<String>,
    seconds: Option<f64>,
    keep_seconds: Option<u32>,
    #[serde(default)]
    personal: bool,
}

impl Written {
    /// Checks a source; `variable` gives the environment's. An error says what is wrong and repeats no secret.
    pub fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Spec, String> {
        let seconds = self.seconds.unwrap_or(TIME.as_secs_f64());
        if !(0.05..=60.0).contains(&seconds) {
            return Err("seconds: a look-up may take 0.05 to 60 seconds".to_owned());
        }
        let keep = self.keep_seconds.unwrap_or(0);
        if self.personal && keep > 0 {
            return Err("keep_seconds: what belongs to one customer (personal: true) is not kept for others".to_owned());
        }
        let (time, keep) = (Duration::from_secs_f64(seconds), Duration::from_secs(keep.into()));
        let from = match (&self.database, &self.get) {
            (Some(_), None) => From::Sql(self.sql(variable)?),
            (None, Some(_)) => From::Http(self.http(variable)?),
            _ => return Err("a source has either `database` and `query`, or `get`".to_owned()),
        };
        Ok(Spec { from, time, keep })
    }

    fn sql(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Sql, String> {
        let foreign = [
            ("headers", !self.headers.is_empty()),
            ("fields", self.fields.is_some()),
            ("text", self.text.is_some()),
            ("bytes", self.bytes.is_some()),
            ("private", !self.private.is_empty()),
        ];
        if let Some((key, _)) = foreign.into_iter().find(|(_, given)| *given) {
            return Err(format!("{key}: it belongs to a source with `get`"));
        }
        let url = filled(&self.database.unwrap_or_default(), variable)?;
        let readable = match url.split_once(':') {
            Some(("sqlite", _)) => SqliteConnectOptions::from_str(&url).is_ok(),
            Some(("mysql" | "mariadb", _)) => MySqlConnectOptions::from_str(&url).is_ok(),
            _ => false,
        };
        if !readable {
            return Err("database: it is sqlite://FILE or mysql://USER:PASSWORD@HOST/DATABASE".to_owned());
        }
        let statement =
            Statement::new(&self.query.ok_or("query: it is missing")?).map_err(|why| format!("query: {why}"))?;
        let rows = self.rows.unwrap_or(ROWS);
        if !(1..=1_000).contains(&rows) {
            return Err("rows: 1 to 1000 are read".to_owned());
        }
        Ok(Sql { url, statement, rows: rows as usize, first: self.first.unwrap_or(false) })
    }

    fn http(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Http, String> {
        let foreign = [("query", self.query.is_some()), ("rows", self.rows.is_some()), ("first", self.first.is_some())];
        if let Some((key, _)) = foreign.into_iter().find(|(_, given)| *given) {
            return Err(format!("{key}: it belongs to a source with `database`"));
        }
        let url = Template::new(&self.get.unwrap_or_default()).map_err(|why| format!("get: {why}"))?;
        let (headers, allowed) = (headers(self.headers, variable)?, allowed(&self.private, &url)?);
        let bytes = self.bytes.unwrap_or(BYTES);
        if !(1..=MAX_BYTES).contains(&bytes) {
            return Err(format!("bytes: 1 to {MAX_BYTES} are read"));
        }
        let read = match (self.text.unwrap_or(false), self.fields) {
            (true, Some(_)) => return Err("fields: a text has none".to_owned()),
            (true, None) => Read::Text,
            (false, fields) => Read::Json(fields.unwrap_or_default().into_iter().map(path).collect::<Result<_, _>>()?),
        };
        Ok(Http { url, headers, read, bytes: bytes as usize, allowed })
    }
}

pub(super) fn path((name, path): (String, String)) -> Result<(String, Vec<String>), String> {
    let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
    match steps.iter().any(String::is_empty) {
        true => Err(format!("fields: `{path}` is no path; write such as data.events.0.place")),
        false => Ok((name, steps)),
    }
}

/// The headers of a request, checked.
pub(super) fn headers(
    written: BTreeMap<String, String>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, String> {
    let header = |(name, value): (String, String)| {
        let value = filled(&value, variable)?;
        let fits = reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && reqwest::header::HeaderValue::from_str(&value).is_ok();
        if fits { Ok((name, value)) } else { Err(format!("headers: `{name}` and its value cannot be a header")) }
    };
    written.into_iter().map(header).collect()
}

/// The private networks that a source may be in; its address must fit them where it is no name.
pub(super) fn allowed(networks: &[String], url: &Template) -> Result<Allowed, String> {
    let network = |text: &String| {
        let single = text.parse::<std::net::IpAddr>().map(IpNet::from);
        single
            .or_else(|_| text.parse())
            .map_err(|_| format!("private: `{text}` is no address or network; write such as 127.0.0.1 or 10.0.0.0/8"))
    };
    let allowed = Allowed(networks.iter().map(network).collect::<Result<Vec<IpNet>, _>>()?.into());
    match url.host().parse() {
        Ok(address) if !allowed.has(address) => {
            Err(format!("{address} belongs to a private network; list it in `private` if that is meant"))
        }
        _ => Ok(allowed),
    }
}

/// `Bearer ${TOKEN}` with the variable's value; `variable` gives the environment's. An error names the variable.
pub fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("a ${ has no }")?;
        out.push_str(before);
        out.push_str(&variable(name).ok_or_else(|| format!("the variable {name} is not set"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
