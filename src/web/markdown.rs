//! Answers as HTML: Markdown rendered, then cut down to an allow-list, whoever wrote it.
//!
//! A visitor's text never comes here: it is text and nothing else, and is shown as such.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

/// Rendering costs tens of microseconds and most answers are the same few texts, so that many are kept.
const KEPT: usize = 1_024;
/// Longer texts are seldom the same ones again.
const KEPT_LENGTH: usize = 4_096;

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    // From nothing upwards: ammonia's own defaults let images through.
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from([
            "p",
            "br",
            "strong",
            "em",
            "del",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
            "a",
            "blockquote",
            "h3",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "hr",
        ]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank");
    builder
});

static RENDERED: LazyLock<Mutex<HashMap<Box<str>, Arc<str>>>> = LazyLock::new(Mutex::default);

/// An answer's Markdown as HTML that can be put into any page as it is.
pub fn html(markdown: &str) -> Arc<str> {
    let keep = markdown.len() <= KEPT_LENGTH;
    if keep && let Some(html) = RENDERED.lock().unwrap_or_else(PoisonError::into_inner).get(markdown) {
        return html.clone();
    }
    let html: Arc<str> = render(markdown).into();
    if keep {
        let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
        if rendered.len() >= KEPT {
            rendered.clear();
        }
        rendered.insert(markdown.into(), html.clone());
    }
    html
}

/// Plain text as HTML that shows just that text.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn render(markdown: &str) -> String {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut in_link = 0_u32;
    let events = parser.flat_map(|event| match event {
        Event::Start(Tag::Link { .. }) => {
            in_link += 1;
            vec![event]
        }
        Event::End(TagEnd::Link) => {
            in_link = in_link.saturating_sub(1);
            vec![event]
        }
        // In a bubble one size of heading is enough.
        Event::Start(Tag::Heading { .. }) => vec![Event::Start(heading())],
        Event::End(TagEnd::Heading(_)) => vec![Event::End(TagEnd::Heading(HeadingLevel::H3))],
        // HTML that somebody typed is shown as what was typed.
        Event::Html(text) | Event::InlineHtml(text) => vec![Event::Text(text)],
        Event::Text(text) if in_link == 0 && text.contains("://") => linked(&text),
        event => vec![event],
    });
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events);
    SANITISER.clean(html.trim_end()).to_string()
}

fn heading() -> Tag<'static> {
    Tag::Heading { level: HeadingLevel::H3, id: None, classes: Vec::new(), attrs: Vec::new() }
}

/// Makes links of the bare addresses in a text.
fn linked<'a>(text: &str) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            events.push(Event::Text(CowStr::Borrowed(" ")));
        }
        let start = word.find("https://").or_else(|| word.find("http://"));
        let Some(start) = start else {
            events.push(Event::Text(word.to_owned().into()));
            continue;
        };
        let end = start + word[start..].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']).len();
        let address: CowStr<'a> = word[start..end].to_owned().into();
        events.push(Event::Text(word[..start].to_owned().into()));
        events.push(Event::Start(Tag::Link {
            link_type: LinkType::Autolink,
            dest_url: address.clone(),
            title: CowStr::Borrowed(""),
            id: CowStr::Borrowed(""),
        }));
        events.push(Event::Text(address));
        events.push(Event::End(TagEnd::Link));
        events.push(Event::Text(word[end..].to_owned().into()));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (what somebody wrote, what a page gets)
    const CASES: &[(&str, &str)] = &[
        ("Hello **you**", "<p>Hello <strong>you</strong></p>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>"),
        ("[go](javascript:alert(1))", "<p><a target=\"_blank\" rel=\"noopener noreferrer nofollow\">go</a></p>"),
        ("[go](/admin)", "<p><a target=\"_blank\" rel=\"noopener noreferrer nofollow\">go</a></p>"),
        ("![x](https://evil.example/x.png)", "<p></p>"),
        (
            "See https://halyard.example/track.",
            "<p>See <a href=\"https://halyard.example/track\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">\
             https://halyard.example/track</a>.</p>",
        ),
        ("`<b>`", "<p><code>&lt;b&gt;</code></p>"),
        ("# Prices", "<h3>Prices</h3>"),
        ("2 < 3 & 4", "<p>2 &lt; 3 &amp; 4</p>"),
    ];

    #[test]
    fn only_listed_html_leaves() {
        for (markdown, expected) in CASES {
            assert_eq!(&*html(markdown), *expected, "for {markdown:?}");
        }
    }

    #[test]
    fn tables_and_lists_stay() {
        let html = html("| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n- y");
        assert!(html.contains("<td>1</td>") && html.contains("<li>x</li>"), "{html}");
    }
}
