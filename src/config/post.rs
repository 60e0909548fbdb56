//! `mail:` and `webhooks:` of the file: what purser sends by itself, and how.

use std::fs;

use serde::Deserialize;

use crate::conversation::{Millis, Occasion};
use crate::finding::Finding;
use crate::post::{Key, MailSpec, Office, PostSpec, Privacy, Server, is_address};
use crate::responders::script::manifest::is_name;
use crate::sources::{HookSpec, WrittenHook, filled};
use crate::yaml::{self, Entries};

/// How many minutes after an agent's reply its mail is sent if nothing else is said.
const AFTER: f64 = 2.0;
/// The shortest key, in bytes.
const SHORTEST_KEY: usize = 32;

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    mail: Option<Written>,
    #[serde(default)]
    webhooks: Entries<WrittenHook>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    host: String,
    port: Option<u16>,
    tls: Option<String>,
    authority: Option<String>,
    user: Option<String>,
    password: Option<String>,
    from: String,
    page: Option<String>,
    console: Option<String>,
    #[serde(default)]
    notify: Vec<String>,
    after_minutes: Option<f64>,
    key: Option<String>,
}

/// Reads both of the file's text; `variable` gives the environment's. What is wrong goes to `problems`, without the
/// lines of the file, which may hold secrets.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> PostSpec {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return PostSpec::default();
        }
    };
    let mut spec = PostSpec::default();
    match part.mail.map(|mail| mail.checked(variable)).transpose() {
        Ok(mail) => spec.mail = mail,
        Err(why) => problems.push(Finding::error(file, format!("mail: {why}")).to_string()),
    }
    for (name, written) in part.webhooks.0 {
        let (line, column) = yaml::place(name.referenced);
        let name = name.value;
        match hook(&name, written.value, variable) {
            Ok(hook) => drop(spec.hooks.insert(name, hook)),
            Err(why) => {
                let message = format!("webhooks: {name}: {why}");
                problems.push(Finding { line, column, ..Finding::error(file, message) }.to_string());
            }
        }
    }
    spec
}

fn hook(name: &str, written: WrittenHook, variable: &dyn Fn(&str) -> Option<String>) -> Result<HookSpec, String> {
    if !is_name(name) || name.len() > 64 {
        return Err("this is no name; at most 64 small letters, digits, - and _ make one".to_owned());
    }
    let hook = written.checked(variable)?;
    let known = || Occasion::ALL.map(Occasion::word).join(", ");
    match hook.events.iter().find(|word| Occasion::from_word(word).is_none()) {
        Some(word) => Err(format!("events: `{word}` never happens; there are {}", known())),
        None => Ok(hook),
    }
}

impl Written {
    fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<MailSpec, String> {
        let privacy = match self.tls.as_deref() {
            None | Some("starttls") => Privacy::StartTls,
            Some("tls") => Privacy::Tls,
            Some("none") => Privacy::None,
            Some(other) => return Err(format!("tls: `{other}` is none of starttls, tls and none")),
        };
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some((filled(&user, variable)?, filled(&password, variable)?)),
            (None, None) => None,
            _ => return Err("a user needs a password, and a password a user".to_owned()),
        };
        if login.is_some() && privacy == Privacy::None {
            return Err("tls: a password is not sent over a connection that anybody can read".to_owned());
        }
        let authority =
            self.authority.map(|file| fs::read(&file).map_err(|error| format!("cannot read {file}: {error}")));
        let after = self.after_minutes.unwrap_or(AFTER);
        if !(0.0..=1_440.0).contains(&after) {
            return Err("after_minutes: it is a number from 0 to 1440".to_owned());
        }
        if let Some(wrong) = self.notify.iter().find(|address| !is_address(address)) {
            return Err(format!("notify: `{wrong}` is no address"));
        }
        for (key, address) in [("page", &self.page), ("console", &self.console)] {
            let is_page = |address: &String| {
                (address.starts_with("https://") || address.starts_with("http://"))
                    && !address.contains(|c: char| c == '#' || c.is_whitespace() || c.is_control())
            };
            if let Some(wrong) = address.as_ref().filter(|address| !is_page(address)) {
                return Err(format!("{key}: `{wrong}` is not the address of a page, without a #"));
            }
        }
        let key = match self.key {
            None => None,
            Some(key) => match filled(&key, variable)?.into_bytes() {
                key if key.len() < SHORTEST_KEY => {
                    let length = key.len();
                    return Err(format!(
                        "key: it has {length} bytes, at least {SHORTEST_KEY} are needed: openssl rand -hex 32"
                    ));
                }
                key => Some(Key(key)),
            },
        };
        let spec = MailSpec {
            server: Server {
                port: self.port.unwrap_or(privacy.port()),
                host: self.host,
                privacy,
                login,
                authority: authority.transpose()?,
                from: self.from,
            },
            page: self.page,
            console: self.console.map(|console| console.trim_end_matches('/').to_owned()),
            notify: self.notify,
            after: (after * 60_000.0) as Millis,
            key,
        };
        Office::check(&spec)?;
        Ok(spec)
    }
}
