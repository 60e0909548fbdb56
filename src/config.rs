//! The configuration: defaults, then `purser.yaml`, then `PURSER_*` variables, then flags; the later wins.
//!
//! Every key has one name, from which its variable follows (`limits.sockets` → `PURSER_LIMITS_SOCKETS`), and one
//! setter, so a value is checked the same wherever it comes from. All problems are reported at once. Secrets hide
//! themselves in `Debug` and in errors.

mod attachments;
mod identity;
mod llm;
mod outside;
mod people;
mod post;
mod raw;
mod retention;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use sha2::{Digest, Sha256};

pub use outside::Outside;
use raw::{Entries, Raw};
pub use values::language;
use values::{Value, folder, listen, log, log_format, network, number, off, origin, pipeline, proxy_header, token};

use crate::attachments::AttachmentSpec;
use crate::conversation::Retention;
use crate::fanout::{RedisUrl, RedisUrlError};
use crate::finding::Finding;
use crate::identity::Keys;
use crate::log::Format;
use crate::people::People;
use crate::post::PostSpec;
use crate::responders::llm::Settings;
use crate::store::{DatabaseUrl, UrlError};
use crate::yaml;

/// The file that is read when none is named, if it is there.
pub const FILE: &str = "purser.yaml";

/// The names of all keys.
pub const KEYS: &[&str] = &[
    "listen",
    "database",
    "redis",
    "faq",
    "plugins",
    "replies",
    "templates",
    "language",
    "origins",
    "proxies",
    "proxy_header",
    "pipeline",
    "admin_token",
    "watchers",
    "log",
    "log_format",
    "limits",
    "limits.answer_seconds",
    "limits.responder_seconds",
    "limits.unread_seconds",
    "limits.sockets",
    "limits.socket_queue",
    "limits.drain_seconds",
    "limits.stop_seconds",
    "limits.return_seconds",
    "limits.handshakes_per_second",
    "limits.messages_per_minute",
    "limits.requests_per_minute",
    "limits.address_requests_per_minute",
    "limits.connections_per_minute",
    "limits.connections_open",
    "limits.conversations_per_hour",
    "limits.attachments_per_hour",
    "limits.lookups",
];

/// What a pipeline can be made of, besides the names of single plugins.
pub const RESPONDERS: [&str; 4] = ["faq", "plugins", "llm", "person"];

/// Variables that are none of the configuration's keys.
const OTHER_VARIABLES: [&str; 1] = ["PURSER_CONFIG"];
/// The key that has keys of its own.
const LIMITS: &str = "limits";
/// Keys of what is outside; they are only in the file.
const OUTSIDE: [&str; 2] = ["sources", "actions"];
/// The key whose value is what the host site signs with; it is only in the file.
const IDENTITY: &str = "identity";
/// The key whose value is what the site says of its agents; it is only in the file.
const PEOPLE: &str = "people";
/// Keys of what purser sends; they are only in the file.
const POST: [&str; 2] = ["mail", "webhooks"];
/// The key whose value is what is said of the LLM; it is only in the file.
const LLM: &str = "llm";
/// The key whose value is how long conversations are kept; it is only in the file.
const RETENTION: &str = "retention";
/// The key whose value is what is said of attachments; it is only in the file.
const ATTACHMENTS: &str = "attachments";
/// Keys whose values are not shown.
const SECRETS: [&str; 3] = ["database", "redis", "admin_token"];

/// All that an operator can set. `purser.example.yaml` describes every key.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen: host and port. Port 0 takes any free one.
    pub listen: String,
    /// The store.
    pub database: DatabaseUrl,
    /// What connects several nodes on one database.
    pub redis: Option<RedisUrl>,
    /// The folder with the FAQ.
    pub faq: PathBuf,
    /// The folder with the plugins.
    pub plugins: PathBuf,
    /// A folder whose templates replace the built-in ones of the same name.
    pub templates: Option<PathBuf>,
    /// The site's own language: the one to answer in when nothing else is known.
    pub language: String,
    /// Further sites whose pages may open a chat. The own origin always may.
    pub origins: Vec<String>,
    /// The networks of proxies that are believed about where a request comes from.
    pub proxies: Vec<IpNet>,
    /// Where they say it.
    pub proxy_header: ProxyHeader,
    /// The responders that are asked, in order. What is not listed is off.
    pub pipeline: Vec<String>,
    /// What lets an operator read `/metrics`, `/health` in full and `/api/content` from anywhere.
    pub admin_token: Option<Secret>,
    /// The networks from which an operator may read the same without it.
    pub watchers: Vec<IpNet>,
    /// Whether `/ws/echo` sends back what comes. Only the command line sets it.
    pub test_echo: bool,
    /// What is logged: a level, or `target=level` pairs.
    pub log: String,
    /// How its lines look.
    pub log_format: Format,
    /// Bounds.
    pub limits: Limits,
    /// What plugins may look things up in, and have done.
    pub outside: Outside,
    /// What the host site signs its customers' tokens with; `None`: nobody can sign in.
    pub identity: Option<Keys>,
    /// The model that may answer what nobody else does; `None`: there is none.
    pub llm: Option<Settings>,
    /// When agents are there, and how long everybody waits.
    pub people: People,
    /// What is sent of what happens: mail, webhooks.
    pub post: PostSpec,
    /// How long conversations are kept.
    pub retention: Retention,
    /// What can be attached to messages, and where it is kept.
    pub attachments: AttachmentSpec,
    /// The folder with what agents say often.
    pub replies: PathBuf,
    /// The file that all of this was read from, if there was one.
    pub file: Option<PathBuf>,
}

/// The bounds that keep one part from taking all of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Seconds until a pending question is finished by whoever finds it, or apologised for.
    pub answer_seconds: u32,
    /// Seconds that one responder may take; below `answer_seconds`.
    pub responder_seconds: u32,
    /// Seconds that an answer is written for which nobody is there to read; then the next responder is asked.
    pub unread_seconds: u32,
    /// Open sockets on this node.
    pub sockets: u32,
    /// Frames that a slow reader may be behind before it is told to come back.
    pub socket_queue: u32,
    /// Between the order to stop and the stop itself, for so long `/ready` says that the node is draining, and all
    /// else goes on.
    pub drain_seconds: u32,
    /// Seconds that a graceful stop waits for work under way.
    pub stop_seconds: u32,
    /// Seconds over which the clients of a node that stops spread their return.
    pub return_seconds: u32,
    /// Sockets that are opened in a second on this node; further clients wait their turn.
    pub handshakes_per_second: u32,
    /// Messages of a visitor in a minute.
    pub messages_per_minute: u32,
    /// Other requests of a visitor in a minute: hellos, pages of history, ratings, deletions, unread counts.
    pub requests_per_minute: u32,
    /// The same of everybody at an address.
    pub address_requests_per_minute: u32,
    /// New connections from an address in a minute.
    pub connections_per_minute: u32,
    /// Connections from an address that are open at once on one node.
    pub connections_open: u32,
    /// New conversations from an address in an hour.
    pub conversations_per_hour: u32,
    /// Files of customers at an address in an hour.
    pub attachments_per_hour: u32,
    /// Look-ups of plugins that are under way at once.
    pub lookups: u32,
    /// Whether those of visitors and addresses are left out: for measuring, and only on this machine.
    pub off: bool,
}

/// The header in which proxies say for whom they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, which all of them know.
    XForwardedFor,
    /// `Forwarded`, of RFC 7239.
    Forwarded,
}

impl ProxyHeader {
    /// Its name, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: "127.0.0.1:8080".to_owned(),
            database: "sqlite://purser.db".parse().expect("the default database is valid"),
            redis: None,
            faq: PathBuf::from("faq"),
            plugins: PathBuf::from("plugins"),
            templates: None,
            language: "en".to_owned(),
            origins: Vec::new(),
            watchers: this_machine(),
            proxies: this_machine(),
            proxy_header: ProxyHeader::XForwardedFor,
            pipeline: RESPONDERS.map(str::to_owned).to_vec(),
            admin_token: None,
            test_echo: false,
            log: "info".to_owned(),
            log_format: Format::Text,
            limits: Limits::default(),
            outside: Outside::default(),
            identity: None,
            llm: None,
            people: People::default(),
            post: PostSpec::default(),
            retention: Retention::default(),
            attachments: attachments::spec(None, Some(Path::new("purser.db"))),
            replies: PathBuf::from("replies"),
            file: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            answer_seconds: 10,
            responder_seconds: 8,
            unread_seconds: 20,
            sockets: 20_000,
            socket_queue: 64,
            drain_seconds: 0,
            stop_seconds: 10,
            return_seconds: 10,
            handshakes_per_second: 1_000,
            messages_per_minute: 30,
            connections_per_minute: 300,
            connections_open: 300,
            conversations_per_hour: 120,
            attachments_per_hour: 120,
            requests_per_minute: 120,
            // All customers behind a proxy that is not in `proxies` may come back at once.
            address_requests_per_minute: 12_000,
            lookups: 200,
            off: false,
        }
    }
}

/// Something that must not be seen: `Debug` shows three stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the secret. Takes the same time wherever the two differ.
    pub fn is(&self, given: &str) -> bool {
        // Of hashes, an early difference tells nothing about the secret.
        Sha256::digest(self.0.as_bytes()) == Sha256::digest(given.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the command line sets: keys of [`KEYS`] with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(pub Vec<(&'static str, String)>);

/// Everything that is wrong with a configuration, one problem after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the configuration. `file` must exist when it is named; otherwise [`FILE`] in the working directory is
    /// read if it is there. `env` may hold any variables; only those that begin with `PURSER_` are looked at, and
    /// unknown ones of these are left to [`unknown_variables`].
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let mut problems = Vec::new();
        let mut attached = None;
        let path = file.unwrap_or(Path::new(FILE));
        let env: BTreeMap<String, String> = env.into_iter().collect();
        match fs::read(path) {
            Ok(bytes) => {
                attached = config.take_file(&path.display().to_string(), bytes, &env, &mut problems);
                config.file = Some(path.to_owned());
            }
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(format!("cannot read {}: {error}", path.display())),
        }
        for (name, value) in env {
            if let Some(key) = key_of(&name)
                && let Err(problem) = config.set(key, &Value::One(value))
            {
                problems.push(format!("{name}: {problem}"));
            }
        }
        for (key, value) in &flags.0 {
            if let Err(problem) = config.set(key, &Value::One(value.clone())) {
                problems.push(format!("--{}: {problem}", key.replace('_', "-")));
            }
        }
        config.attachments = attachments::spec(attached, config.database.file());
        if problems.is_empty() && config.limits.responder_seconds >= config.limits.answer_seconds {
            problems.push(format!(
                "limits.responder_seconds ({}) must be below limits.answer_seconds ({}): the next responder needs \
                 time too",
                config.limits.responder_seconds, config.limits.answer_seconds
            ));
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    /// Whether somebody only tries purser: nothing is configured, and what is kept is where it is by default or
    /// nowhere.
    pub fn is_trial(&self) -> bool {
        let database = self.database.to_string();
        let kept = [Config::default().database.to_string(), "sqlite::memory:".to_owned()].contains(&database);
        self.file.is_none() && self.outside.is_empty() && kept
    }

    /// Reads the sources, actions and keys of the file anew, which may change while purser runs.
    pub fn reread(&self, env: &BTreeMap<String, String>) -> Result<(Outside, Option<Keys>), ConfigError> {
        let Some(file) = &self.file else { return Ok((self.outside.clone(), self.identity.clone())) };
        let name = file.display().to_string();
        let text =
            fs::read_to_string(file).map_err(|error| ConfigError(vec![format!("cannot read {name}: {error}")]))?;
        let mut problems = Vec::new();
        let variable = |variable: &str| env.get(variable).cloned();
        let outside = outside::read(&name, &text, &variable, &mut problems);
        let keys = identity::read(&name, &text, &variable, &mut problems);
        if problems.is_empty() { Ok((outside, keys)) } else { Err(ConfigError(problems)) }
    }

    /// What is said of attachments is given back: their usual place depends on the database, which is known in the end.
    fn take_file(
        &mut self,
        name: &str,
        bytes: Vec<u8>,
        env: &BTreeMap<String, String>,
        problems: &mut Vec<String>,
    ) -> Option<attachments::Said> {
        let Ok(text) = String::from_utf8(bytes) else {
            problems.push(format!("{name}: the file is not UTF-8; save it as UTF-8"));
            return None;
        };
        let mut attached = None;
        match yaml::read::<Raw>(name, &text) {
            Ok(Raw::Null) => {}
            Ok(Raw::Map(mut entries)) => {
                let variable = |variable: &str| env.get(variable).cloned();
                let has = |name| entries.iter().any(|(key, _)| key.value == name);
                if has(LLM) {
                    self.llm = llm::read(name, &text, &variable, problems);
                }
                if has(ATTACHMENTS) {
                    attached = attachments::read(name, &text, &variable, problems);
                }
                if has(PEOPLE) {
                    self.people = people::read(name, &text, problems);
                }
                if has(RETENTION) {
                    self.retention = retention::read(name, &text, problems);
                }
                if OUTSIDE.into_iter().any(has) {
                    self.outside = outside::read(name, &text, &variable, problems);
                }
                if has(IDENTITY) {
                    self.identity = identity::read(name, &text, &variable, problems);
                }
                if POST.into_iter().any(has) {
                    self.post = post::read(name, &text, &variable, problems);
                }
                let apart = |key: &str| {
                    [IDENTITY, PEOPLE, LLM, RETENTION, ATTACHMENTS].contains(&key)
                        || OUTSIDE.contains(&key)
                        || POST.contains(&key)
                };
                entries.retain(|(key, _)| !apart(&key.value));
                self.take_map(name, &text, "", entries, problems);
            }
            Ok(_) => problems.push(format!("{name}: keys and values are expected, such as `listen: 127.0.0.1:8080`")),
            Err(finding) => problems.push(without_secrets(*finding, &text).to_string()),
        }
        attached
    }

    fn take_map(&mut self, name: &str, text: &str, within: &str, entries: Entries, problems: &mut Vec<String>) {
        for (key, value) in entries {
            let full = format!("{within}{}", key.value);
            let mut problem = |place: serde_yaml::Location, message: String, hint: Option<String>| {
                let (line, column) = yaml::place(place);
                let finding = Finding { hint, ..Finding::error(name, message).at(text, line, column) };
                problems.push(without_secrets(finding, text).to_string());
            };
            let taken = match value.value {
                _ if !KEYS.contains(&full.as_str()) && full != LIMITS => {
                    problem(key.referenced, format!("unknown key `{}`", key.value), Some(key_hint(within, &key.value)));
                    continue;
                }
                Raw::Null => Ok(()),
                Raw::Map(inner) if full == LIMITS => {
                    self.take_map(name, text, "limits.", inner, problems);
                    continue;
                }
                Raw::One(one) => self.set(&full, &Value::One(one)),
                Raw::Many(many) => self.set(&full, &Value::Many(many)),
                Raw::Map(_) | Raw::Nested => Err("a single value or a list of them is expected".to_owned()),
            };
            if let Err(message) = taken {
                problem(value.referenced, format!("{full}: {message}"), None);
            }
        }
    }

    /// Sets one key, from whatever place. An error says what is wrong with the value and what would be right; it
    /// does not repeat a secret.
    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "listen" => self.listen = listen(value.one()?)?,
            "database" => {
                self.database = value.one()?.parse().map_err(|error: UrlError| error.to_string())?;
            }
            "redis" => {
                self.redis = Some(value.one()?.parse().map_err(|error: RedisUrlError| error.to_string())?);
            }
            "faq" => self.faq = folder(value.one()?)?,
            "plugins" => self.plugins = folder(value.one()?)?,
            "replies" => self.replies = folder(value.one()?)?,
            "templates" => self.templates = Some(folder(value.one()?)?),
            "language" => self.language = language(value.one()?)?,
            "origins" => self.origins = value.many().map(origin).collect::<Result<_, _>>()?,
            "proxies" => self.proxies = value.many().map(network).collect::<Result<_, _>>()?,
            "proxy_header" => self.proxy_header = proxy_header(value.one()?)?,
            "pipeline" => self.pipeline = pipeline(value.many())?,
            "admin_token" => self.admin_token = Some(token(value.one()?)?),
            "watchers" => self.watchers = value.many().map(network).collect::<Result<_, _>>()?,
            "log_format" => self.log_format = log_format(value.one()?)?,
            "log" => self.log = log(value.one()?)?,
            "limits.answer_seconds" => self.limits.answer_seconds = number(value.one()?, 1..=3_600)?,
            "limits.responder_seconds" => self.limits.responder_seconds = number(value.one()?, 1..=3_600)?,
            "limits.unread_seconds" => self.limits.unread_seconds = number(value.one()?, 1..=3_600)?,
            "limits.sockets" => self.limits.sockets = number(value.one()?, 1..=1_000_000)?,
            "limits.socket_queue" => self.limits.socket_queue = number(value.one()?, 4..=10_000)?,
            "limits.return_seconds" => self.limits.return_seconds = number(value.one()?, 0..=3_600)?,
            "limits.handshakes_per_second" => {
                self.limits.handshakes_per_second = number(value.one()?, 1..=1_000_000)?;
            }
            "limits.drain_seconds" => self.limits.drain_seconds = number(value.one()?, 0..=600)?,
            "limits.stop_seconds" => self.limits.stop_seconds = number(value.one()?, 0..=600)?,
            "limits.messages_per_minute" => self.limits.messages_per_minute = number(value.one()?, 1..=1_000_000)?,
            "limits.requests_per_minute" => self.limits.requests_per_minute = number(value.one()?, 1..=1_000_000)?,
            "limits.address_requests_per_minute" => {
                self.limits.address_requests_per_minute = number(value.one()?, 1..=1_000_000)?;
            }
            "limits.connections_per_minute" => {
                self.limits.connections_per_minute = number(value.one()?, 1..=1_000_000)?
            }
            "limits.connections_open" => self.limits.connections_open = number(value.one()?, 1..=1_000_000)?,
            "limits.conversations_per_hour" => {
                self.limits.conversations_per_hour = number(value.one()?, 1..=1_000_000)?
            }
            "limits.attachments_per_hour" => self.limits.attachments_per_hour = number(value.one()?, 1..=1_000_000)?,
            "limits.lookups" => self.limits.lookups = number(value.one()?, 1..=100_000)?,
            LIMITS => self.limits.off = off(value.one()?)?,
            _ => return Err("there is no such key".to_owned()),
        }
        Ok(())
    }
}

/// The networks of this machine.
fn this_machine() -> Vec<IpNet> {
    vec![IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]
}

/// The name of a key's variable.
pub fn variable(key: &str) -> String {
    format!("PURSER_{}", key.replace('.', "_").to_uppercase())
}

/// A warning for each variable that looks like one of ours and is not. They do not stop the start, since others
/// set such names too (Kubernetes for a service called "purser").
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known: Vec<String> = KEYS.iter().map(|key| variable(key)).collect();
    let unknown = names.into_iter().filter(|name| {
        name.starts_with("PURSER_") && !known.contains(name) && !OTHER_VARIABLES.contains(&name.as_str())
    });
    let warning = |name: String| {
        let lower: Vec<String> = known.iter().map(|known| known.to_lowercase()).collect();
        match yaml::nearest(&name, lower.iter().map(String::as_str)) {
            Some(meant) => {
                format!("{name} is not a setting of purser and has no effect; did you mean {}?", meant.to_uppercase())
            }
            None => format!("{name} is not a setting of purser and has no effect"),
        }
    };
    unknown.map(warning).collect()
}

fn key_of(variable_name: &str) -> Option<&'static str> {
    KEYS.iter().copied().find(|key| variable_name == variable(key))
}

/// What to write instead of an unknown key at this level.
fn key_hint(within: &str, key: &str) -> String {
    let mut here: Vec<&str> = KEYS
        .iter()
        .filter_map(|known| known.strip_prefix(within))
        .map(|known| known.split('.').next().unwrap_or(known))
        .collect();
    here.dedup();
    match yaml::nearest(key, here.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => match KEYS.iter().find(|known| known.split('.').next_back() == Some(key)) {
            Some(elsewhere) => format!("it belongs into `{}`", elsewhere.split('.').next().unwrap_or(elsewhere)),
            None => format!("the keys are {}", here.join(", ")),
        },
    }
}

/// Shows a line only if its key is known and holds no secret: a misspelt `admin_token` is one, too.
fn without_secrets(finding: Finding, text: &str) -> Finding {
    let line = finding.line.checked_sub(1).and_then(|before| text.lines().nth(before as usize)).unwrap_or_default();
    let key = line.split(':').next().unwrap_or_default().trim();
    let known = KEYS.iter().any(|known| known.split('.').next_back() == Some(key)) || key == LIMITS;
    if known && !SECRETS.contains(&key) { finding } else { Finding { snippet: None, ..finding } }
}
