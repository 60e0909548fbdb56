//! The configuration: defaults, then `purser.yaml`, then `PURSER_*` variables, then flags; the later wins.
//!
//! Every key has one name, from which its variable follows (`limits.sockets` → `PURSER_LIMITS_SOCKETS`), and one
//! setter, so a value is checked the same wherever it comes from. All problems are reported at once. Secrets hide
//! themselves in `Debug` and in errors.

mod attachments;
mod identity;
mod keys;
mod limits;
mod llm;
mod outside;
mod people;
mod post;
mod raw;
mod retention;
mod secret;
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

use keys::{ATTACHMENTS, IDENTITY, LIMITS, LLM, OUTSIDE, PEOPLE, POST, RETENTION, SECTIONS};
pub use keys::{KEYS, unknown_variables, variable};
use keys::{key_hint, key_of, without_secrets};
pub use limits::Limits;
pub use outside::Outside;
use raw::{Entries, Raw};
pub use secret::Secret;
pub use values::language;
use values::{Value, folder, listen, log, log_format, network, off, origin, pipeline, proxy_header, token};

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

/// What a pipeline can be made of, besides the names of single plugins.
pub const RESPONDERS: [&str; 4] = ["faq", "plugins", "llm", "person"];

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
                entries.retain(|(key, _)| !SECTIONS.contains(&key.value.as_str()));
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
            LIMITS => self.limits.off = off(value.one()?)?,
            _ => match key.strip_prefix("limits.") {
                Some(name) => self.limits.set(name, value.one()?)?,
                None => return Err("there is no such key".to_owned()),
            },
        }
        Ok(())
    }
}

/// The networks of this machine.
fn this_machine() -> Vec<IpNet> {
    vec![IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8), IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST))]
}
