//! The keys and their names: in the file, as variables, and in what is said of one that there is not.

use crate::finding::Finding;
use crate::yaml;

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

/// The key that has keys of its own.
pub(super) const LIMITS: &str = "limits";
/// What the host site signs with.
pub(super) const IDENTITY: &str = "identity";
/// What the site says of its agents.
pub(super) const PEOPLE: &str = "people";
/// What is said of the LLM.
pub(super) const LLM: &str = "llm";
/// How long conversations are kept.
pub(super) const RETENTION: &str = "retention";
/// What is said of attachments.
pub(super) const ATTACHMENTS: &str = "attachments";
/// What is outside.
pub(super) const OUTSIDE: [&str; 2] = ["sources", "actions"];
/// What purser sends.
pub(super) const POST: [&str; 2] = ["mail", "webhooks"];
/// Keys that are only in the file, each with a reader of its own.
pub(super) const SECTIONS: [&str; 9] =
    [IDENTITY, PEOPLE, LLM, RETENTION, ATTACHMENTS, OUTSIDE[0], OUTSIDE[1], POST[0], POST[1]];
/// Variables that are none of the configuration's keys.
const OTHER_VARIABLES: [&str; 1] = ["PURSER_CONFIG"];
/// Keys whose values are not shown.
const SECRETS: [&str; 3] = ["database", "redis", "admin_token"];

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

/// The key that a variable sets.
pub(super) fn key_of(variable_name: &str) -> Option<&'static str> {
    KEYS.iter().copied().find(|key| variable_name == variable(key))
}

/// What to write instead of an unknown key at this level.
pub(super) fn key_hint(within: &str, key: &str) -> String {
    let mut here: Vec<&str> = KEYS
        .iter()
        .filter_map(|known| known.strip_prefix(within))
        .map(|known| known.split('.').next().unwrap_or(known))
        .collect();
    here.dedup();
    if within.is_empty() {
        here.extend(SECTIONS);
    }
    match yaml::nearest(key, here.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => match KEYS.iter().find(|known| known.split('.').next_back() == Some(key)) {
            Some(elsewhere) => format!("it belongs into `{}`", elsewhere.split('.').next().unwrap_or(elsewhere)),
            None => format!("the keys are {}", here.join(", ")),
        },
    }
}

/// Shows a line only if its key is known and holds no secret: a misspelt `admin_token` is one, too.
pub(super) fn without_secrets(finding: Finding, text: &str) -> Finding {
    let line = finding.line.checked_sub(1).and_then(|before| text.lines().nth(before as usize)).unwrap_or_default();
    let key = line.split(':').next().unwrap_or_default().trim();
    let known = KEYS.iter().any(|known| known.split('.').next_back() == Some(key)) || key == LIMITS;
    if known && !SECRETS.contains(&key) { finding } else { Finding { snippet: None, ..finding } }
}
