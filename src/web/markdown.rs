//! Answers as HTML, or as nodes to build a page of: Markdown rendered, then cut down to an allow-list, whoever wrote it.
//!
//! A visitor's text never comes here: it is text and nothing else, and is shown as such.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ammonia::{Builder, UrlRelative};
use foldhash::fast::RandomState;
use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};
use serde_json::value::RawValue;

use super::unfinished::closed;

/// Rendering costs tens of microseconds and most answers are the same few texts, so that many are kept.
const KEPT: usize = 1_024;
/// Longer texts are seldom the same ones again.
const KEPT_LENGTH: usize = 4_096;

/// Where a link may lead.
const SCHEMES: [&str; 4] = ["https", "http", "mailto", "tel"];
/// Elements may stand in each other so deep. What is deeper stands beside the others.
const DEEPEST: usize = 16;

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
        .url_schemes(HashSet::from(SCHEMES))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank");
    builder
});

/// What was rendered, by its Markdown.
pub type Rendered<T> = LazyLock<Mutex<Kept<T>>>;

/// See [`kept`].
pub struct Kept<T> {
    by_text: HashMap<Arc<str>, T, RandomState>,
    /// By where the text lies. It is kept, so that no other one can come to lie there.
    by_place: HashMap<usize, (Arc<str>, T), RandomState>,
}

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept { by_text: HashMap::default(), by_place: HashMap::default() }
    }
}

static AS_HTML: Rendered<Arc<str>> = LazyLock::new(Mutex::default);
static AS_NODES: Rendered<Arc<RawValue>> = LazyLock::new(Mutex::default);

/// An answer's Markdown as HTML that can be put into any page as it is.
pub fn html(markdown: &Arc<str>) -> Arc<str> {
    kept(&AS_HTML, markdown, |markdown| render(markdown).into())
}

/// An answer's Markdown as JSON that a page builds nodes from: a list of texts and elements, and an element is a list
/// of its name and what it holds: `[["p", "Hello ", ["strong", "you"]]]`. The names are those of the HTML. A link
/// (`a`) has its address first, a numbered list (`ol`) the number that it starts with.
pub fn nodes(markdown: &Arc<str>) -> Arc<RawValue> {
    kept(&AS_NODES, markdown, |markdown| Nodes::of(events(markdown), true).into())
}

/// The Markdown of an answer that is being written, as the nodes that stand beside each other in it. It is shown as it
/// will be when what is open in it is closed. Nothing in it leads anywhere: an address may not be whole yet, and
/// nobody has checked it.
pub fn draft_nodes(markdown: &str) -> Vec<Box<RawValue>> {
    let nodes = Nodes::of(events(&closed(markdown)), false);
    // It is a list; if it were not, nothing would be shown before the answer is there.
    serde_json::from_str(nodes.get()).unwrap_or_default()
}

/// What an answer's Markdown says, as plain text on one line.
pub fn text(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    for event in events(markdown) {
        match event {
            Event::Text(said) | Event::Code(said) => text.push_str(&said),
            Event::SoftBreak
            | Event::HardBreak
            | Event::End(TagEnd::Paragraph | TagEnd::Heading(_))
            | Event::End(TagEnd::Item | TagEnd::TableCell | TagEnd::CodeBlock) => text.push(' '),
            _ => {}
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// What was rendered of this Markdown before, or is now.
pub fn kept<T: Clone>(rendered: &Rendered<T>, markdown: &Arc<str>, render: impl FnOnce(&Arc<str>) -> T) -> T {
    if markdown.len() > KEPT_LENGTH {
        return render(markdown);
    }
    let locked = || rendered.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(done) = locked().of(markdown) {
        return done;
    }
    let done = render(markdown);
    locked().keep(markdown, &done);
    done
}

impl<T: Clone> Kept<T> {
    fn of(&mut self, markdown: &Arc<str>) -> Option<T> {
        // An answer of the FAQ is the very text of its entry, of which not one letter has to be looked at.
        let place = markdown.as_ptr().addr();
        if let Some((text, done)) = self.by_place.get(&place)
            && text.len() == markdown.len()
        {
            return Some(done.clone());
        }
        let done = self.by_text.get(markdown)?.clone();
        // Somebody else has this text, too, and is likely to say it again.
        if Arc::strong_count(markdown) > 1 && self.by_place.len() < KEPT {
            self.by_place.insert(place, (markdown.clone(), done.clone()));
        }
        Some(done)
    }

    fn keep(&mut self, markdown: &Arc<str>, done: &T) {
        if self.by_text.len() >= KEPT {
            *self = Kept::default();
        }
        self.by_text.insert(markdown.clone(), done.clone());
    }
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
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events(markdown));
    SANITISER.clean(html.trim_end()).to_string()
}

/// What the Markdown says, cut down to what an answer may hold.
fn events(markdown: &str) -> impl Iterator<Item = Event<'_>> {
    let parser = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut in_link = 0_u32;
    parser.flat_map(move |event| match event {
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
    })
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

/// Writes the JSON of [`nodes`].
struct Nodes {
    json: String,
    /// Text that the next element ends.
    text: String,
    /// How many brackets each element that is open has; none for what is not shown as an element.
    open: Vec<usize>,
    in_head: bool,
    /// Whether links lead somewhere.
    links: bool,
}

impl Nodes {
    fn of<'a>(events: impl Iterator<Item = Event<'a>>, links: bool) -> Box<RawValue> {
        let mut nodes = Nodes { json: "[".to_owned(), text: String::new(), open: Vec::new(), in_head: false, links };
        for event in events {
            nodes.take(event);
        }
        nodes.flush();
        nodes.json.push(']');
        // It is JSON; if it were not, an answer would be empty and not broken.
        RawValue::from_string(nodes.json).unwrap_or_default()
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => self.text.push_str(&text),
            Event::SoftBreak => self.text.push('\n'),
            Event::HardBreak => self.whole("br", ""),
            Event::Rule => self.whole("hr", ""),
            Event::Code(text) => self.whole("code", &text),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            // Of what is not switched on above.
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.begin(&["p"], None),
            Tag::Heading { .. } => self.begin(&["h3"], None),
            Tag::BlockQuote(_) => self.begin(&["blockquote"], None),
            Tag::CodeBlock(_) => self.begin(&["pre", "code"], None),
            Tag::List(Some(first)) => self.begin(&["ol"], Some(first.to_string())),
            Tag::List(None) => self.begin(&["ul"], None),
            Tag::Item => self.begin(&["li"], None),
            Tag::Emphasis => self.begin(&["em"], None),
            Tag::Strong => self.begin(&["strong"], None),
            Tag::Strikethrough => self.begin(&["del"], None),
            Tag::Link { dest_url, .. } if self.links && leads_somewhere(&dest_url) => {
                self.begin(&["a"], Some(json(&dest_url)))
            }
            Tag::Table(_) => self.begin(&["table"], None),
            Tag::TableHead => {
                self.in_head = true;
                self.begin(&["thead", "tr"], None);
            }
            Tag::TableRow => self.begin(&["tr"], None),
            Tag::TableCell => self.begin(&[if self.in_head { "th" } else { "td" }], None),
            // A picture's text stays, a link that leads nowhere is its text.
            _ => self.open.push(0),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let brackets = self.open.pop().unwrap_or(0);
        if brackets == 0 {
            return;
        }
        self.flush();
        self.json.extend(std::iter::repeat_n(']', brackets));
        if tag == TagEnd::TableHead {
            self.in_head = false;
            // What follows is the body, which ends with the table.
            self.json.push_str(",[\"tbody\"");
            if let Some(table) = self.open.last_mut() {
                *table += 1;
            }
        }
    }

    fn begin(&mut self, names: &[&str], value: Option<String>) {
        self.flush();
        if self.open.len() >= DEEPEST {
            return self.open.push(0);
        }
        for name in names {
            self.comma();
            self.json.push_str("[\"");
            self.json.push_str(name);
            self.json.push('"');
        }
        if let Some(value) = value {
            self.json.push(',');
            self.json.push_str(&value);
        }
        self.open.push(names.len());
    }

    fn whole(&mut self, name: &str, text: &str) {
        self.begin(&[name], None);
        self.text.push_str(text);
        self.end(TagEnd::Paragraph);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.comma();
            self.json.push_str(&json(&self.text));
            self.text.clear();
        }
    }

    fn comma(&mut self) {
        if !self.json.ends_with('[') {
            self.json.push(',');
        }
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn leads_somewhere(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)))
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
            assert_eq!(&*html(&(*markdown).into()), *expected, "for {markdown:?}");
        }
    }

    #[test]
    fn nodes_say_the_same() {
        for (markdown, expected) in [
            ("Hello **you**", r#"[["p","Hello ",["strong","you"]]]"#),
            ("", "[]"),
            ("two\nlines\\\nthree", r#"[["p","two\nlines",["br"],"three"]]"#),
            ("<b>\"x\"</b> & `<i>`", r#"[["p","<b>\"x\"</b> & ",["code","<i>"]]]"#),
            ("<script>alert(1)</script>", r#"[["p","<script>alert(1)</script>"]]"#),
            ("[go](javascript:alert(1)) [on](/admin)", r#"[["p","go on"]]"#),
            ("[go](HTTPS://halyard.example)", r#"[["p",["a","HTTPS://halyard.example","go"]]]"#),
            (
                "See https://halyard.example.",
                r#"[["p","See ",["a","https://halyard.example","https://halyard.example"],"."]]"#,
            ),
            ("![alt](https://evil.example/x.png)", r#"[["p","alt"]]"#),
            ("3. a\n4. b", r#"[["ol",3,["li","a"],["li","b"]]]"#),
            ("# T\n\n- x\n\n---", r#"[["h3","T"],["ul",["li","x"]],["hr"]]"#),
            ("```\nx < y\n```", r#"[["pre",["code","x < y\n"]]]"#),
            (
                "| a | b |\n|---|--:|\n| 1 | 2 |\n\nend",
                r#"[["table",["thead",["tr",["th","a"],["th","b"]]],["tbody",["tr",["td","1"],["td","2"]]]],["p","end"]]"#,
            ),
        ] {
            assert_eq!(nodes(&markdown.into()).get(), expected, "for {markdown:?}");
        }
    }

    #[test]
    fn nodes_are_never_deep() {
        let json = nodes(&"> ".repeat(3_000).into()).get().to_owned();
        let deepest = json.bytes().scan(0_i32, |depth, byte| {
            *depth += i32::from(byte == b'[') - i32::from(byte == b']');
            Some(*depth)
        });
        assert!(deepest.max() <= Some(20), "{json}");
    }

    #[test]
    fn tables_and_lists_stay() {
        let html = html(&"| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n- y".into());
        assert!(html.contains("<td>1</td>") && html.contains("<li>x</li>"), "{html}");
    }
    #[test]
    fn each_text_is_rendered_once_and_no_other_is_taken_for_it() {
        let rendered: Rendered<Arc<str>> = LazyLock::new(Mutex::default);
        let times = std::cell::Cell::new(0);
        let kept = |text: &Arc<str>| {
            kept(&rendered, text, |text| {
                times.set(times.get() + 1);
                text.to_uppercase().into()
            })
        };
        let shared: Arc<str> = "an answer".into();
        let _others = shared.clone();
        // Three of the same words at different places, then the same one again.
        for text in ["an answer".into(), shared.clone(), "an answer".into(), shared.clone()] {
            assert_eq!(&*kept(&text), "AN ANSWER");
        }
        assert_eq!(times.get(), 1);
        // Texts that are gone make room for others of their length, which may come to lie where they lay.
        for at in 0..2 * KEPT {
            let said = format!("answer {at:04}");
            for text in [Arc::<str>::from(&*said), Arc::from(&*said)] {
                let _others = text.clone();
                assert_eq!(*kept(&text), said.to_uppercase());
            }
        }
        assert_eq!(times.get(), 1 + 2 * KEPT);
    }
}
