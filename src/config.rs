//! The configuration: defaults, then `purser.yaml`, then `PURSER_*` variables, then flags; the later wins.
//!
//! Every key has one name, from which its variable follows (`limits.sockets` → `PURSER_LIMITS_SOCKETS`), and one
//! setter, so a value is checked the same wherever it comes from. All problems are reported at once. Secrets hide
//! themselves in `Debug` and in errors.

use std::fmt;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;
use sha2::{Digest, Sha256};

use crate::finding::Finding;
use crate::store::{DatabaseUrl, UrlError};
use crate::yaml;

/// The file that is read when none is named, if it is there.
pub const FILE: &str = "purser.yaml";

/// The names of all keys.
pub const KEYS: [&str; 15] = [
    "listen",
    "database",
    "faq",
    "plugins",
    "templates",
    "language",
    "origins",
    "pipeline",
    "admin_token",
    "log",
    "limits.answer_seconds",
    "limits.responder_seconds",
    "limits.sockets",
    "limits.socket_queue",
    "limits.stop_seconds",
];

/// The responders that a pipeline can be made of.
pub const RESPONDERS: [&str; 2] = ["faq", "person"];

/// What `redis` is answered with, wherever it is given.
const NO_REDIS: &str = "this version of purser runs on one node and does not use Redis. Remove the setting; \
                        with one node nothing is missing, and a second node must not be started on the same database";
/// Variables that are none of the configuration's keys.
const OTHER_VARIABLES: [&str; 1] = ["PURSER_CONFIG"];
/// Keys whose values are not shown.
const SECRETS: [&str; 2] = ["database", "admin_token"];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const MIN_TOKEN: usize = 16;

/// All that an operator can set. `purser.example.yaml` describes every key.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen: host and port. Port 0 takes any free one.
    pub listen: String,
    /// The store.
    pub database: DatabaseUrl,
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
    /// The responders that are asked, in order. What is not listed is off.
    pub pipeline: Vec<String>,
    /// What lets a remote operator read `/api/content`; without it, only this machine may.
    pub admin_token: Option<Secret>,
    /// What is logged: a level, or `target=level` pairs.
    pub log: String,
    /// Bounds.
    pub limits: Limits,
}

/// The bounds that keep one part from taking all of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Seconds until a pending question is finished by whoever finds it, or apologised for.
    pub answer_seconds: u32,
    /// Seconds that one responder may take; below `answer_seconds`.
    pub responder_seconds: u32,
    /// Open sockets on this node.
    pub sockets: u32,
    /// Frames that a slow reader may be behind before it is told to come back.
    pub socket_queue: u32,
    /// Seconds that a graceful stop waits for work under way.
    pub stop_seconds: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: "127.0.0.1:8080".to_owned(),
            database: "sqlite://purser.db".parse().expect("the default database is valid"),
            faq: PathBuf::from("faq"),
            plugins: PathBuf::from("plugins"),
            templates: None,
            language: "en".to_owned(),
            origins: Vec::new(),
            pipeline: RESPONDERS.map(str::to_owned).to_vec(),
            admin_token: None,
            log: "info".to_owned(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { answer_seconds: 10, responder_seconds: 8, sockets: 20_000, socket_queue: 64, stop_seconds: 10 }
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

/// What the command line sets: keys of [`KEYS`] (or `redis`, which is refused) with their values.
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
        let path = file.unwrap_or(Path::new(FILE));
        match fs::read(path) {
            Ok(bytes) => config.take_file(&path.display().to_string(), bytes, &mut problems),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(format!("cannot read {}: {error}", path.display())),
        }
        for (name, value) in env {
            let key = if name == variable("redis") { Some("redis") } else { key_of(&name) };
            if let Some(key) = key
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
        if problems.is_empty() && config.limits.responder_seconds >= config.limits.answer_seconds {
            problems.push(format!(
                "limits.responder_seconds ({}) must be below limits.answer_seconds ({}): the next responder needs \
                 time too",
                config.limits.responder_seconds, config.limits.answer_seconds
            ));
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }

    fn take_file(&mut self, name: &str, bytes: Vec<u8>, problems: &mut Vec<String>) {
        let Ok(text) = String::from_utf8(bytes) else {
            return problems.push(format!("{name}: the file is not UTF-8; save it as UTF-8"));
        };
        match yaml::read::<Raw>(name, &text) {
            Ok(Raw::Null) => {}
            Ok(Raw::Map(entries)) => self.take_map(name, &text, "", entries, problems),
            Ok(_) => problems.push(format!("{name}: keys and values are expected, such as `listen: 127.0.0.1:8080`")),
            Err(finding) => problems.push(without_secrets(*finding, &text).to_string()),
        }
    }

    fn take_map(&mut self, name: &str, text: &str, within: &str, entries: Entries, problems: &mut Vec<String>) {
        for (key, value) in entries {
            let full = format!("{within}{}", key.value);
            let ((line, column), message, hint) = match value.value {
                Raw::Null if is_key(&full) => continue,
                Raw::Null if full == "limits" => continue,
                Raw::Map(inner) if full == "limits" => {
                    self.take_map(name, text, "limits.", inner, problems);
                    continue;
                }
                _ if full == "redis" => (yaml::place(key.referenced), NO_REDIS.to_owned(), None),
                _ if !is_key(&full) && full != "limits" => {
                    (yaml::place(key.referenced), format!("unknown key `{}`", key.value), Some(key_hint(within, &key.value)))
                }
                Raw::Map(_) | Raw::Nested => {
                    (yaml::place(value.referenced), format!("`{full}` takes a single value or a list of them"), None)
                }
                Raw::One(_) | Raw::Many(_) if full == "limits" => {
                    (yaml::place(value.referenced), "`limits` takes keys of its own".to_owned(), Some(key_hint("limits.", "")))
                }
                Raw::Null => continue,
                Raw::One(one) => match self.set(&full, &Value::One(one)) {
                    Ok(()) => continue,
                    Err(problem) => (yaml::place(value.referenced), format!("{full}: {problem}"), None),
                },
                Raw::Many(many) => match self.set(&full, &Value::Many(many)) {
                    Ok(()) => continue,
                    Err(problem) => (yaml::place(value.referenced), format!("{full}: {problem}"), None),
                },
            };
            let finding = Finding { hint, ..Finding::error(name, message).at(text, line, column) };
            problems.push(without_secrets(finding, text).to_string());
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
            "faq" => self.faq = folder(value.one()?)?,
            "plugins" => self.plugins = folder(value.one()?)?,
            "templates" => self.templates = Some(folder(value.one()?)?),
            "language" => self.language = language(value.one()?)?,
            "origins" => self.origins = value.many().map(origin).collect::<Result<_, _>>()?,
            "pipeline" => self.pipeline = pipeline(value.many())?,
            "admin_token" => self.admin_token = Some(token(value.one()?)?),
            "log" => self.log = log(value.one()?)?,
            "limits.answer_seconds" => self.limits.answer_seconds = number(value.one()?, 1..=3_600)?,
            "limits.responder_seconds" => self.limits.responder_seconds = number(value.one()?, 1..=3_600)?,
            "limits.sockets" => self.limits.sockets = number(value.one()?, 1..=1_000_000)?,
            "limits.socket_queue" => self.limits.socket_queue = number(value.one()?, 4..=10_000)?,
            "limits.stop_seconds" => self.limits.stop_seconds = number(value.one()?, 0..=600)?,
            "redis" => return Err(NO_REDIS.to_owned()),
            _ => return Err("there is no such key".to_owned()),
        }
        Ok(())
    }
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
    KEYS.into_iter().find(|key| variable_name == variable(key))
}

fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
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
    let known = KEYS.iter().any(|known| known.split('.').next_back() == Some(key)) || key == "limits";
    if known && !SECRETS.contains(&key) { finding } else { Finding { snippet: None, ..finding } }
}

/// A value as it was given: in a list, or as text that may hold a list with commas.
enum Value {
    One(String),
    Many(Vec<String>),
}

impl Value {
    fn one(&self) -> Result<&str, String> {
        match self {
            Value::One(text) if text.trim().is_empty() => Err("the value is empty".to_owned()),
            Value::One(text) => Ok(text.trim()),
            Value::Many(_) => Err("one value is expected, not a list".to_owned()),
        }
    }

    fn many(&self) -> impl Iterator<Item = &str> {
        let (text, list): (&str, &[String]) = match self {
            Value::One(text) => (text, &[]),
            Value::Many(list) => ("", list),
        };
        let texts = text.split(',').chain(list.iter().map(String::as_str));
        texts.map(str::trim).filter(|text| !text.is_empty())
    }
}

fn listen(text: &str) -> Result<String, String> {
    let wanted = "write host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 to be reached from other machines";
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("`{text}` is not an address; {wanted}"));
    };
    let host_fits = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => is_host(host),
    };
    if host_fits && port.parse::<u16>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an address; {wanted}"))
    }
}

/// Whether this can be a host's name or IPv4 address.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn folder(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// Checks the name of a language: `en`, `de-AT`.
pub fn language(text: &str) -> Result<String, String> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let fits = (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if fits { Ok(text.to_owned()) } else { Err(format!("`{text}` is not a language; write en, de or de-AT")) }
}

/// A site as a browser names it in `Origin`: scheme, host, and the port unless the scheme implies it. Without a
/// scheme, https is meant.
fn origin(text: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("`{text}` {why}; write a site such as https://shop.example"));
    if text.contains('*') {
        return wrong("has a wildcard, and each site must be named");
    }
    let site = text.to_lowercase();
    let (scheme, rest) = site.split_once("://").unwrap_or(("https", &site));
    let implied = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return wrong("is not a site that a browser opens"),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return wrong("is more than a site");
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
        _ => (rest, Some(implied)),
    };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = v6.map_or(is_host(host), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    match port {
        Some(port) if host_fits && port == implied => Ok(format!("{scheme}://{host}")),
        Some(port) if host_fits => Ok(format!("{scheme}://{host}:{port}")),
        _ => wrong("is not a site"),
    }
}

fn pipeline<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut order: Vec<String> = Vec::new();
    for name in names {
        if !RESPONDERS.contains(&name) {
            let hint = match yaml::nearest(name, RESPONDERS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are {}", RESPONDERS.join(" and ")),
            };
            return Err(format!("there is no responder `{name}`; {hint}"));
        }
        if order.iter().any(|known| known == name) {
            return Err(format!("`{name}` stands here twice"));
        }
        order.push(name.to_owned());
    }
    if order.is_empty() { Err("it is empty, so nothing would ever be answered".to_owned()) } else { Ok(order) }
}

fn token(text: &str) -> Result<Secret, String> {
    let length = text.chars().count();
    if length < MIN_TOKEN {
        Err(format!("it has {length} characters, at least {MIN_TOKEN} are needed; `openssl rand -hex 32` makes a good one"))
    } else if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("it must be of printable ASCII characters without blanks".to_owned())
    }
}

fn log(text: &str) -> Result<String, String> {
    for directive in text.split(',').map(str::trim) {
        let level = directive.split_once('=').map_or(directive, |(_, level)| level.trim());
        if !LEVELS.contains(&level.to_lowercase().as_str()) {
            return Err(format!(
                "`{directive}` is no log level; write one of {}, or pairs such as purser=debug,info",
                LEVELS.join(", ")
            ));
        }
    }
    Ok(text.to_owned())
}

fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.replace('_', "").parse::<u32>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("`{text}` is not a whole number from {} to {}", range.start(), range.end()))
}

type Entries = Vec<(Spanned<String>, Spanned<Raw>)>;

/// A piece of the file before its key says what it must be.
enum Raw {
    Null,
    One(String),
    Many(Vec<String>),
    Map(Entries),
    /// A list that holds more than single values.
    Nested,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or keys")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::One(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::One(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::One(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::One(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::One(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut many = Vec::new();
        let mut nested = false;
        while let Some(item) = items.next_element::<Raw>()? {
            match item {
                Raw::One(one) => many.push(one),
                Raw::Null => {}
                _ => nested = true,
            }
        }
        Ok(if nested { Raw::Nested } else { Raw::Many(many) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_text(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        let mut problems = Vec::new();
        config.take_file("purser.yaml", text.as_bytes().to_vec(), &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems.join("\n")) }
    }

    fn problem(text: &str) -> String {
        from_text(text).expect_err(text)
    }

    /// The example without its comments.
    fn example() -> String {
        let text = include_str!("../purser.example.yaml");
        text.lines().filter(|line| !line.trim_start().starts_with('#')).fold(String::new(), |text, line| text + line + "\n")
    }

    #[test]
    fn the_example_holds_every_key_with_its_default() {
        let config = from_text(&example()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        let example = example();
        for key in KEYS {
            let own = key.split('.').next_back().unwrap();
            let lines = example.lines().filter(|line| line.trim_start().starts_with(&format!("{own}:"))).count();
            assert_eq!(lines, 1, "{key} stands in purser.example.yaml once");
        }
    }

    #[test]
    fn every_key_of_the_example_takes_another_value() {
        // An example whose keys nobody reads would hold the defaults, too.
        let text = "listen: localhost:0\ndatabase: sqlite://other.db\nfaq: a\nplugins: b\ntemplates: c\nlanguage: de-AT\n\
                    origins: [HTTPS://Shop.example/, \"b.example:443\", http://c.example:443]\npipeline: [person]\n\
                    admin_token: 0123456789abcdef\nlog: purser=debug,warn\nlimits: { answer_seconds: 20,\n \
                    responder_seconds: 5, sockets: 1_000, socket_queue: 8, stop_seconds: 0 }\n";
        let config = from_text(text).unwrap();
        let default = format!("{:#?}", Config::default());
        let changed = format!("{config:#?}");
        let same: Vec<_> = changed.lines().filter(|line| line.ends_with(',') && line.contains(": ") && default.contains(line)).collect();
        assert!(same.is_empty(), "{same:?}");
        assert_eq!(config.origins, ["https://shop.example", "https://b.example", "http://c.example:443"]);
        assert_eq!(config.limits.sockets, 1_000);
    }

    #[test]
    fn the_later_place_wins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.yaml");
        fs::write(&file, "listen: 127.0.0.1:1\nlanguage: de\nfaq: from-file\n").unwrap();
        let env = [("PURSER_LISTEN", "127.0.0.1:2"), ("PURSER_FAQ", "from-env"), ("HOME", "/x")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let flags = Flags(vec![("faq", "from-flag".to_owned())]);
        let config = Config::load(Some(&file), env, &flags).unwrap();
        assert_eq!(config.listen, "127.0.0.1:2");
        assert_eq!(config.language, "de");
        assert_eq!(config.faq, Path::new("from-flag"));
        assert_eq!(config.plugins, Path::new("plugins"));

        let missing = Config::load(Some(&folder.path().join("no.yaml")), [], &Flags::default()).unwrap_err();
        assert!(missing.to_string().contains("cannot read"), "{missing}");
    }

    #[test]
    fn lists_in_variables_are_separated_by_commas() {
        let env = [("PURSER_ORIGINS", "https://a.example, https://b.example:8443"), ("PURSER_PIPELINE", "person,faq")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(Some(Path::new("/dev/null")), env, &Flags::default()).unwrap();
        assert_eq!(config.origins, ["https://a.example", "https://b.example:8443"]);
        assert_eq!(config.pipeline, ["person", "faq"]);
    }

    #[test]
    fn problems_name_the_place_and_the_way_out() {
        let shown = "error: listen: `nowhere` is not an address; write host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 \
                     to be reached from other machines\n \
                     --> purser.yaml:2:9\n  |\n2 | listen: nowhere\n  |         ^";
        assert_eq!(problem("faq: faq\nlisten: nowhere\n"), shown);
        let shown = "error: unknown key `lisen`\n --> purser.yaml:2:1\n  = did you mean `listen`?";
        assert_eq!(problem("faq: faq\nlisen: x\n"), shown);
        for (text, expected) in [
            ("limits:\n  sokets: 3\n", "unknown key `sokets`\n --> purser.yaml:2:3"),
            ("limits:\n  sokets: 3\n", "did you mean `sockets`?"),
            ("sockets: 3\n", "it belongs into `limits`"),
            ("colour: red\n", "the keys are listen, database, faq"),
            ("listen: 8080\n", "listen: `8080` is not an address; write host:port"),
            ("listen: 127.0.0.1:99999\n", "is not an address"),
            ("listen: [a, b]\n", "listen: one value is expected, not a list"),
            ("faq: ''\n", "faq: the value is empty"),
            ("faq: { a: b }\n", "`faq` takes a single value"),
            ("limits: 3\n", "`limits` takes keys of its own"),
            ("limits: { sockets: 0 }\n", "limits.sockets: `0` is not a whole number from 1 to 1000000"),
            ("limits: { stop_seconds: soon }\n", "`soon` is not a whole number"),
            ("language: English\n", "`English` is not a language; write en, de or de-AT"),
            ("origins: [https://*.example]\n", "has a wildcard"),
            ("origins: [https://shop.example/chat]\n", "is more than a site"),
            ("origins: [ftp://shop.example]\n", "is not a site that a browser opens"),
            ("origins: [shop.example:http]\n", "is not a site;"),
            ("pipeline: [faq, persn]\n", "there is no responder `persn`; did you mean `person`?"),
            ("pipeline: [faq, faq]\n", "`faq` stands here twice"),
            ("pipeline: []\n", "nothing would ever be answered"),
            ("log: loud\n", "`loud` is no log level"),
            ("database: purser.db\n", "database: a database is sqlite://FILE or mysql://"),
            ("redis: redis://localhost\n", "runs on one node and does not use Redis. Remove the setting"),
            ("just a text\n", "keys and values are expected"),
            ("faq: a\nfaq: b\n", "the key `faq` stands here twice"),
            ("faq: [a\n", "purser.yaml:"),
        ] {
            let shown = problem(text);
            assert!(shown.contains(expected), "{text}: {shown}");
        }
        let both = problem("colour: red\nlimits: { sockets: 0, queue: 1 }\n");
        assert_eq!(both.matches("--> purser.yaml:").count(), 3, "all problems at once: {both}");
    }

    #[test]
    fn problems_of_variables_and_flags_name_them() {
        let env = [("PURSER_LIMITS_SOCKETS".to_owned(), "many".to_owned()), ("PURSER_REDIS".to_owned(), "x".to_owned())];
        let flags = Flags(vec![("listen", "nowhere".to_owned()), ("redis", "x".to_owned())]);
        let shown = Config::load(Some(Path::new("/dev/null")), env, &flags).unwrap_err().to_string();
        for expected in ["PURSER_LIMITS_SOCKETS: `many`", "PURSER_REDIS: this version", "--listen: `nowhere`", "--redis: this"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        let env = [("PURSER_LIMITS_ANSWER_SECONDS".to_owned(), "8".to_owned())];
        let shown = Config::load(Some(Path::new("/dev/null")), env, &Flags::default()).unwrap_err().to_string();
        assert!(shown.contains("limits.responder_seconds (8) must be below"), "{shown}");
    }

    #[test]
    fn unknown_variables_warn_and_known_ones_do_not() {
        let names = ["PURSER_LISTN", "PURSER_PORT_8080_TCP_ADDR", "PURSER_LIMITS_SOCKETS", "PURSER_CONFIG", "PATH"];
        let warnings = unknown_variables(names.map(str::to_owned));
        assert_eq!(
            warnings,
            [
                "PURSER_LISTN is not a setting of purser and has no effect; did you mean PURSER_LISTEN?",
                "PURSER_PORT_8080_TCP_ADDR is not a setting of purser and has no effect",
            ]
        );
    }

    #[test]
    fn secrets_show_nowhere() {
        let text = "database: mysql://shop:s3cret@db/chat\nadmin_token: s3cret-s3cret-s3cret\n";
        let shown = format!("{:?}", from_text(text).unwrap());
        assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
        for text in [
            "database: mysql://shop:s3cret@/chat\n",
            "admin_token: s3cret\n",
            "admin_tokn: s3cret\n",
            "admin_token: [s3cret, b]\n",
            "admin_token: s3cret-s3cret-s3cret-ä\n",
            "databse: mysql://shop:s3cret@db/chat\n",
            "{ faq: x, admin_token: s3cret }\n",
        ] {
            let shown = problem(text);
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}
