//! `identity:` of the file: what the host site signs with. Like the sources it can change while purser runs.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;

use crate::finding::Finding;
use crate::identity::{Keys, SHORTEST_KEY};
use crate::sources::filled;
use crate::yaml::{self, Entries};

/// For whom tokens are made if nothing else is said.
const AUDIENCE: &str = "purser";
/// The longest name of a key, in bytes.
const MAX_KID: usize = 64;

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    identity: Option<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    audience: Option<String>,
    #[serde(default)]
    keys: Entries<Secret>,
    chatwoot: Option<Secret>,
}

/// A secret in its place, or where it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Secret {
    Here(String),
    File { file: String },
}

/// Reads the keys of the file's text; `variable` gives the environment's. What is wrong goes to `problems`, without the
/// lines of the file, which may hold secrets.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Option<Keys> {
    let written = match yaml::read::<Part>(file, text) {
        Ok(part) => part.identity?,
        Err(finding) => {
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return None;
        }
    };
    let before = problems.len();
    let mut secrets = BTreeMap::new();
    for (kid, secret) in written.keys.0 {
        let (line, column) = yaml::place(kid.referenced);
        let kid = kid.value;
        let read = match kid.is_empty() || kid.len() > MAX_KID {
            true => Err(format!("a key has a name of 1 to {MAX_KID} bytes, the `kid` of its tokens")),
            false => secret.value.read(variable, SHORTEST_KEY).map_err(|why| format!("keys: {kid}: {why}")),
        };
        match read {
            Ok(secret) => drop(secrets.insert(kid, secret)),
            Err(why) => {
                let finding = Finding { line, column, ..Finding::error(file, format!("identity: {why}")) };
                problems.push(finding.to_string());
            }
        }
    }
    // Chatwoot makes its secret itself.
    let chatwoot = written.chatwoot.map(|secret| secret.read(variable, 16)).transpose();
    let chatwoot = chatwoot.unwrap_or_else(|why| {
        problems.push(Finding::error(file, format!("identity: chatwoot: {why}")).to_string());
        None
    });
    if problems.len() == before && secrets.is_empty() && chatwoot.is_none() {
        let message = "identity: it has no key; write `keys: { a: ${SHOP_SIGNING_KEY} }`".to_owned();
        problems.push(Finding::error(file, message).to_string());
    }
    let audience = written.audience.unwrap_or_else(|| AUDIENCE.to_owned());
    (problems.len() == before).then_some(Keys { audience, secrets, chatwoot })
}

impl Secret {
    /// The secret, of at least so many bytes.
    fn read(self, variable: &dyn Fn(&str) -> Option<String>, shortest: usize) -> Result<String, String> {
        let secret = match self {
            Secret::Here(text) => filled(&text, variable)?,
            Secret::File { file } => {
                let text = fs::read_to_string(&file).map_err(|error| format!("cannot read {file}: {error}"))?;
                // What an editor or `echo` puts at the end is no part of it.
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        match secret.len() {
            length if length < shortest => {
                Err(format!("the secret has {length} bytes, at least {shortest} are needed: openssl rand -hex 32"))
            }
            _ => Ok(secret),
        }
    }
}
