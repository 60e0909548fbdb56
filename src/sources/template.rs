//! `https://api.example/parcels/{number}?lang={language}`: a fixed address with places for parameters.

use serde_json::{Map, Value};

/// An address with places for parameters, which are encoded so that they stay in their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    /// Scheme and host.
    pub origin: String,
    /// Scheme, host and the path up to the first parameter, for logs.
    pub fixed: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Fixed(String),
    /// A parameter in the path, or behind the question mark.
    Param {
        name: String,
        in_path: bool,
    },
}

impl Template {
    /// Reads a template. An error says what is wrong.
    pub fn new(text: &str) -> Result<Template, String> {
        let wrong = |why: &str| Err(format!("`{text}` {why}; write such as https://api.example/parcels/{{number}}"));
        let Some((scheme, rest)) = text.split_once("://") else { return wrong("is not an address") };
        if !["http", "https"].contains(&scheme) {
            return wrong("does not begin with http:// or https://");
        }
        let host_ends = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(host_ends);
        if host.is_empty() || host.contains(['{', '@', '#', '\\', ' ']) {
            return wrong("has no fixed host");
        }
        if rest.contains(['#', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("has characters that must be encoded");
        }
        let origin = format!("{scheme}://{host}");
        let mut parts = vec![Part::Fixed(format!("{origin}{}", if rest.starts_with('/') { "" } else { "/" }))];
        let (mut open, mut in_path) = (rest, true);
        while let Some(begins) = open.find('{') {
            let (fixed, after) = open.split_at(begins);
            let Some((name, after)) = after[1..].split_once('}') else { return wrong("has a { without its }") };
            if !is_param(name) {
                return wrong("has a parameter whose name is not of letters, digits and _");
            }
            in_path &= !fixed.contains('?');
            parts.push(Part::Fixed(fixed.to_owned()));
            parts.push(Part::Param { name: name.to_owned(), in_path });
            open = after;
        }
        if open.contains('}') {
            return wrong("has a } without its {");
        }
        parts.push(Part::Fixed(open.to_owned()));
        let path = rest.split(['{', '?']).next().unwrap_or_default();
        Ok(Template { fixed: format!("{origin}{path}"), origin, parts })
    }

    /// The host without the port.
    pub fn host(&self) -> &str {
        let host = self.origin.split_once("://").map_or("", |(_, host)| host);
        match host.strip_prefix('[') {
            Some(v6) => v6.split_once(']').map_or(v6, |(v6, _)| v6),
            None => host.split_once(':').map_or(host, |(host, _)| host),
        }
    }

    /// The parameters that it has places for.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Param { name, .. } => Some(name.as_str()),
            Part::Fixed(_) => None,
        })
    }

    /// The address for these parameters; `None` if one is missing, or would change where the address leads.
    pub fn fill(&self, params: &Map<String, Value>) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Fixed(fixed) => out.push_str(fixed),
                Part::Param { name, in_path } => {
                    let value = single(params.get(name)?);
                    // An empty part or dots would be another path.
                    if *in_path && (value.is_empty() || value.bytes().all(|b| b == b'.')) {
                        return None;
                    }
                    encode(&value, &mut out);
                }
            }
        }
        Some(out)
    }
}

/// Whether this names a parameter.
pub(super) fn is_param(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A single value as text.
fn single(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_stays_in_its_place() {
        let template = Template::new("https://api.example:8443/v1/{a}/x?b={b}&c=1").unwrap();
        assert_eq!(template.params().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((template.host(), template.fixed.as_str()), ("api.example", "https://api.example:8443/v1/"));
        let filled = |params: Value| template.fill(params.as_object().unwrap());
        let long = filled(json!({ "a": "../x?y#z/ü", "b": "1&c=2" })).unwrap();
        assert_eq!(long, "https://api.example:8443/v1/..%2Fx%3Fy%23z%2F%C3%BC/x?b=1%26c%3D2&c=1");
        assert_eq!(filled(json!({ "a": 5, "b": "" })).unwrap(), "https://api.example:8443/v1/5/x?b=&c=1");
        for refused in [json!({ "b": 1 }), json!({ "a": "", "b": 1 }), json!({ "a": "..", "b": 1 })] {
            assert_eq!(filled(refused), None);
        }
        assert_eq!(Template::new("http://[::1]:80").unwrap().host(), "::1");
    }

    #[test]
    fn only_the_path_and_the_query_have_parameters() {
        for wrong in [
            "api.example/x",
            "ftp://a/x",
            "https://{host}/x",
            "https://a.{b}.example",
            "https://user:pw@host/",
            "https:///x",
            "https://a/{x",
            "https://a/x}",
            "https://a/{x y}",
            "https://a/b c",
            "https://a/b#c",
            "https://a\\b/{x}",
        ] {
            assert!(Template::new(wrong).is_err(), "{wrong}");
        }
    }
}
