//! What a token says of a customer, and how it is called in placeholders and plugins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::conversation::Millis;

/// The longest value, in characters. What is longer is cut.
const MAX_VALUE: usize = 300;
/// So many attributes of the site's own are taken.
const MAX_ATTRIBUTES: usize = 40;
/// The longest name of one, in bytes.
const MAX_NAME: usize = 40;

/// The claims that are read. Others are left alone.
#[derive(Deserialize)]
pub(super) struct Claims {
    #[serde(default)]
    sub: Value,
    aud: Audience,
    /// Seconds since 1970, perhaps with a fraction.
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    /// As BCP 47.
    #[serde(default)]
    language: Option<String>,
    /// What OpenID calls the language.
    #[serde(default)]
    locale: Option<String>,
    /// A line, or its parts as OpenID has them.
    #[serde(default)]
    address: Option<Value>,
    #[serde(default)]
    attributes: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Claims {
    /// Whom it is about; empty if it does not say so in a text.
    pub(super) fn subject(&self) -> &str {
        self.sub.as_str().unwrap_or_default()
    }

    pub(super) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Many(many) => many.iter().any(|one| one == audience),
        }
    }

    /// When the token ends.
    pub(super) fn until(&self) -> Millis {
        millis(self.exp)
    }

    /// When it begins, if it says so.
    pub(super) fn from(&self) -> Option<Millis> {
        self.nbf.into_iter().chain(self.iat).map(millis).max()
    }
}

/// A number that is too large becomes the largest, which no check of times lets through.
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0) as Millis
}

/// What is known of a customer, in the order in which names are given away: a site's own attribute does not replace
/// what has a name here.
#[derive(Default)]
pub(super) struct Profile {
    known: BTreeMap<String, String>,
    own: BTreeMap<String, Value>,
}

/// The parts of an address, as OpenID names them and as others do, and what they are called here.
const PARTS: [(&str, &str); 9] = [
    ("street_address", "street"),
    ("street", "street"),
    ("postal_code", "postcode"),
    ("postcode", "postcode"),
    ("locality", "city"),
    ("city", "city"),
    ("region", "region"),
    ("country", "country"),
    ("formatted", ""),
];

impl From<Claims> for Profile {
    fn from(claims: Claims) -> Profile {
        let mut profile = Profile::of(claims.name.as_deref(), claims.email.as_deref());
        if let Some(language) = claims.language.or(claims.locale).filter(|language| is_language(language)) {
            profile.add("language", &language);
        }
        match claims.address {
            Some(Value::String(line)) => profile.add("address", &line),
            Some(Value::Object(parts)) => profile.add_address(&parts),
            _ => {}
        }
        profile.own = claims.attributes;
        profile
    }
}

impl Profile {
    pub(super) fn of(name: Option<&str>, email: Option<&str>) -> Profile {
        let mut profile = Profile::default();
        for (key, value) in [("name", name), ("email", email)] {
            if let Some(value) = value {
                profile.add(key, value);
            }
        }
        profile
    }

    /// By the names of placeholders: `{{ visitor.name }}`, `{{ visitor.city }}`.
    pub(super) fn known(mut self) -> BTreeMap<String, String> {
        let own = std::mem::take(&mut self.own);
        for (name, value) in own.into_iter().filter(|(name, _)| is_name(name)).take(MAX_ATTRIBUTES) {
            match value {
                Value::String(text) => self.add(&name, &text),
                Value::Number(number) => self.add(&name, &number.to_string()),
                Value::Bool(flag) => self.add(&name, if flag { "yes" } else { "no" }),
                _ => {}
            }
        }
        self.known
    }

    fn add(&mut self, name: &str, value: &str) {
        // One line: what is put into a sentence must not begin another paragraph.
        let words = value.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let line: String = words.join(" ").chars().take(MAX_VALUE).collect();
        if !line.is_empty() {
            self.known.entry(name.to_owned()).or_insert(line);
        }
    }

    fn add_address(&mut self, parts: &serde_json::Map<String, Value>) {
        for (theirs, ours) in PARTS {
            if let (Some(Value::String(part)), false) = (parts.get(theirs), ours.is_empty()) {
                self.add(ours, part);
            }
        }
        if let Some(Value::String(line)) = parts.get("formatted") {
            return self.add("address", &line.replace('\n', ", "));
        }
        let part = |name: &str| self.known.get(name).map(String::as_str).unwrap_or_default();
        let city = format!("{} {}", part("postcode"), part("city"));
        let line: Vec<&str> =
            [part("street"), city.trim(), part("country")].into_iter().filter(|part| !part.is_empty()).collect();
        let line = line.join(", ");
        self.add("address", &line);
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_language(tag: &str) -> bool {
    (2..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
