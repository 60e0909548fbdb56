//! Where an answer may lead: to hosts that the site allows, and to those in the entries that it is made from. HTML and
//! images are not for models.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag};
use regex::Regex;

use super::facts::Breach;

/// Whatever looks like an address: with a scheme, or a host that a reader would type.
static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?i)\b(?:([a-z][a-z0-9+.-]{1,20}):(?://)?)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,24})(?::\d+)?\b";
    Regex::new(pattern).expect("a pattern that a test has tried")
});
/// Schemes that are more than text.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(javascript|data|vbscript|file|blob|ftp|intent|sms|whatsapp|tg)\s*:|//[a-z0-9]")
        .expect("a pattern that a test has tried")
});
/// Words that end in a point with more after it, and are no hosts.
const NO_HOSTS: [&str; 6] = ["e.g", "i.e", "z.b", "d.h", "a.m", "p.m"];

/// Hosts that links may lead to.
#[derive(Debug, Default, Clone)]
pub(super) struct Hosts(BTreeSet<String>);

impl Hosts {
    /// These hosts.
    pub fn new(hosts: &[String]) -> Hosts {
        Hosts(hosts.iter().map(|host| host.to_ascii_lowercase()).collect())
    }

    /// Those that an entry leads to, too.
    pub fn add_entry(&mut self, text: &str) {
        self.0.extend(ADDRESS.captures_iter(text).map(|found| found[2].to_ascii_lowercase()));
    }

    fn has(&self, host: &str) -> bool {
        self.0.contains(&host.to_ascii_lowercase())
    }

    /// What is wrong with the markup or the links of a text, if anything is.
    pub fn check(&self, markdown: &str) -> Result<(), Breach> {
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Html(_) | Event::InlineHtml(_) | Event::Start(Tag::HtmlBlock) => return Err(Breach::Html),
                Event::Start(Tag::Image { .. }) => return Err(Breach::Link),
                Event::Start(Tag::Link { dest_url, .. }) => self.link(&dest_url)?,
                _ => {}
            }
        }
        if markdown.contains("<!") || markdown.contains("](") && !markdown.contains("](https://") {
            return Err(Breach::Link);
        }
        if has_tag(markdown) {
            return Err(Breach::Html);
        }
        // However foreign its letters are, what is shown as a link has a host that is known.
        for (at, _) in markdown.match_indices("://") {
            let ends = |c: char| c.is_whitespace() || "/?#:)]>\"'`*,;!".contains(c);
            let host = markdown[at + 3..].split(ends).next().unwrap_or_default();
            if !self.has(host.trim_end_matches('.')) {
                return Err(Breach::Link);
            }
        }
        let without_pages = markdown.replace("https://", " ").replace("http://", " ");
        if SCHEME.is_match(&without_pages) {
            return Err(Breach::Link);
        }
        for found in ADDRESS.captures_iter(markdown) {
            let at = found.get(0).map_or(0, |whole| whole.start());
            let is_email = markdown[..at].ends_with('@');
            let scheme = found.get(1).map_or("", |scheme| scheme.as_str());
            let host = &found[2];
            let allowed = self.has(host) && matches!(scheme, "" | "https" | "http" | "HTTPS");
            if !is_email && !allowed && !NO_HOSTS.contains(&host.to_lowercase().as_str()) {
                return Err(Breach::Link);
            }
        }
        Ok(())
    }

    fn link(&self, address: &str) -> Result<(), Breach> {
        let rest = address.strip_prefix("https://").ok_or(Breach::Link)?;
        let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
        // `https://allowed.example@evil.example/` leads elsewhere.
        if self.has(host) && !rest.contains(['@', '\\']) { Ok(()) } else { Err(Breach::Link) }
    }
}

/// Whether something looks like the beginning of an element, finished or not, or of a mark between a model and its server.
fn has_tag(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '?' | '!' | '|'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let mut hosts = Hosts::new(&["halyard.example".to_owned()]);
        hosts.add_entry("See [returns](https://help.halyard.example/returns).");
        hosts
    }

    #[test]
    fn an_answer_leads_to_the_site_only() {
        for text in [
            "See [prices](https://halyard.example/prices).",
            "See https://help.halyard.example/returns, please.",
            "On halyard.example you find more, e.g. prices.",
            "5 < 7 and **bold** and `code`.",
            "Write to anna@example.org.",
        ] {
            assert_eq!(hosts().check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn nothing_else_gets_through() {
        for (text, breach) in [
            ("[pay](https://evil.example)", Breach::Link),
            ("[pay](http://halyard.example)", Breach::Link),
            ("[pay](https://halyard.example@evil.example/)", Breach::Link),
            ("[pay](https://halyard.example.evil.example/)", Breach::Link),
            ("[pay](javascript:alert(1))", Breach::Link),
            ("[pay](//evil.example)", Breach::Link),
            ("[pay](/order)", Breach::Link),
            ("[pay][1]\n\n[1]: https://evil.example", Breach::Link),
            ("<https://evil.example>", Breach::Link),
            ("![x](https://halyard.example/x.png)", Breach::Link),
            ("Go to https://evil.example/pay", Breach::Link),
            ("Go to evil.example and pay", Breach::Link),
            ("Go to EVIL.example", Breach::Link),
            ("Go to halyаrd.example", Breach::Link),
            ("Go to https://halyаrd.example", Breach::Link),
            ("javascript:alert(1)", Breach::Link),
            ("data:text/html,x", Breach::Link),
            ("<b>x</b>", Breach::Html),
            ("<img src=x onerror=alert(1)>", Breach::Html),
            ("a <script", Breach::Html),
            ("</div>", Breach::Html),
        ] {
            assert_eq!(hosts().check(text), Err(breach), "{text}");
        }
        assert!(hosts().check("<!-- x -->").is_err());
    }
}
