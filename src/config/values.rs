//! What a value must look like, wherever it comes from. An error says what would be right.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;

use super::{ProxyHeader, RESPONDERS, Secret};
use crate::log::Format;
use crate::responders::script::manifest::is_name;
use crate::yaml;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The shortest admin token, in characters.
const MIN_TOKEN: usize = 16;

/// A value as it was given: in a list, or as text that may hold a list with commas.
pub(super) enum Value {
    One(String),
    Many(Vec<String>),
}

impl Value {
    pub(super) fn one(&self) -> Result<&str, String> {
        match self {
            Value::One(text) if text.trim().is_empty() => Err("the value is empty".to_owned()),
            Value::One(text) => Ok(text.trim()),
            Value::Many(_) => Err("one value is expected, not a list".to_owned()),
        }
    }

    pub(super) fn many(&self) -> impl Iterator<Item = &str> {
        let (text, list): (&str, &[String]) = match self {
            Value::One(text) => (text, &[]),
            Value::Many(list) => ("", list),
        };
        let texts = text.split(',').chain(list.iter().map(String::as_str));
        texts.map(str::trim).filter(|text| !text.is_empty())
    }
}

pub(super) fn listen(text: &str) -> Result<String, String> {
    let wanted = "write host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 to be reached from other machines";
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("`{text}` is not an address; {wanted}"));
    };
    let host_fits = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()),
        None => is_host(host),
    };
    if host_fits && port.parse::<u16>().is_ok() {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not an address; {wanted}"))
    }
}

/// The name of a host.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.trim().to_lowercase();
    if is_host(&host) && !host.is_empty() { Ok(host) } else { Err(format!("`{text}` is no host; write shop.example")) }
}

/// Whether this can be a host's name or IPv4 address.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    host.len() <= 253 && host.split('.').all(label)
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
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
pub(super) fn origin(text: &str) -> Result<String, String> {
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
    let host_fits = v6.map_or(is_host(host), |v6| v6.parse::<Ipv6Addr>().is_ok());
    match port {
        Some(port) if host_fits && port == implied => Ok(format!("{scheme}://{host}")),
        Some(port) if host_fits => Ok(format!("{scheme}://{host}:{port}")),
        _ => wrong("is not a site"),
    }
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| format!("`{text}` is no network; write 10.0.0.0/8, or one address such as 192.0.2.7"))
}

pub(super) fn proxy_header(text: &str) -> Result<ProxyHeader, String> {
    let known = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];
    let header = known.into_iter().find(|header| text.eq_ignore_ascii_case(header.name()));
    header.ok_or_else(|| format!("`{text}` is not read; write x-forwarded-for or forwarded"))
}

/// `off`; the other way round nothing is to be said.
pub(super) fn off(text: &str) -> Result<bool, String> {
    match text {
        "off" | "false" => Ok(true),
        _ => Err("keys are expected, such as `sockets: 20000`; or `off`, for measuring on this machine".to_owned()),
    }
}

pub(super) fn pipeline<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut order: Vec<String> = Vec::new();
    for name in names {
        if !RESPONDERS.contains(&name) {
            // Anything else is a plugin, whose folder may come later.
            let hint = match yaml::nearest(name, RESPONDERS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if is_name(name) => String::new(),
                None => format!("there are {} and the names of plugins", RESPONDERS.join(", ")),
            };
            if !hint.is_empty() {
                return Err(format!("there is no responder `{name}`; {hint}"));
            }
        }
        if order.iter().any(|known| known == name) {
            return Err(format!("`{name}` stands here twice"));
        }
        order.push(name.to_owned());
    }
    if order.is_empty() { Err("it is empty, so nothing would ever be answered".to_owned()) } else { Ok(order) }
}

pub(super) fn token(text: &str) -> Result<Secret, String> {
    let length = text.chars().count();
    if length < MIN_TOKEN {
        Err(format!(
            "it has {length} characters, at least {MIN_TOKEN} are needed; `openssl rand -hex 32` makes a good one"
        ))
    } else if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err("it must be of printable ASCII characters without blanks".to_owned())
    }
}

pub(super) fn log(text: &str) -> Result<String, String> {
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

pub(super) fn log_format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(format!("`{text}` is no format; write text or json")),
    }
}

pub(super) fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.replace('_', "").parse::<u32>().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("`{text}` is not a whole number from {} to {}", range.start(), range.end()))
}
