//! Answers as readable text in a terminal: Markdown lightly rendered, buttons as numbered choices.

use std::fmt::Write;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::trace;
use crate::conversation::Button;
use crate::responders::pipeline::Step;

/// An answer and its buttons; `styled` with bold and the like.
pub fn answer(markdown: &str, buttons: &[Button], styled: bool) -> String {
    let mut out = render(markdown, styled);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    for (number, button) in buttons.iter().enumerate() {
        out.push_str(&format!("  [{}] {}\n", number + 1, printable(&button.text)));
    }
    out
}

/// Who was asked, and why each answered or passed.
pub fn why(steps: &[Step], explained: &[(String, Vec<String>)]) -> String {
    let mut out = format!("  trace: {}\n", trace(steps));
    for (responder, lines) in explained {
        for line in lines {
            out.push_str(&format!("  {responder}: {}\n", printable(line)));
        }
    }
    out
}

/// Without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect()
}

fn render(markdown: &str, styled: bool) -> String {
    let mut page = Page { styled, ..Page::default() };
    for event in Parser::new(markdown) {
        page.take(event);
    }
    page.out.trim_end().to_owned()
}

#[derive(Default)]
struct Page {
    out: String,
    styled: bool,
    /// The lists that are open; an ordered one with its next number.
    lists: Vec<Option<u64>>,
    /// The address of the link that is open, and where its text starts.
    link: Option<(String, usize)>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) => self.out.push_str(&printable(&text)),
            Event::Code(code) => self.styled("\x1b[36m", &printable(&code)),
            Event::SoftBreak | Event::HardBreak => self.new_line(),
            Event::Rule => self.out.push_str("———\n\n"),
            Event::Html(html) | Event::InlineHtml(html) => self.out.push_str(&printable(&html)),
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Strong | Tag::Heading { .. } => self.style("\x1b[1m"),
            Tag::Emphasis => self.style("\x1b[3m"),
            Tag::Link { dest_url, .. } => self.link = Some((printable(&dest_url), self.out.len())),
            Tag::List(first) => {
                if !self.lists.is_empty() {
                    self.out.push('\n');
                }
                self.lists.push(first);
            }
            Tag::Item => {
                let indent = "  ".repeat(self.lists.len().saturating_sub(1));
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "• ".to_owned(),
                };
                if !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.out.push('\n');
                }
                self.out.push_str(&indent);
                self.out.push_str(&mark);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong | TagEnd::Emphasis => self.style("\x1b[0m"),
            TagEnd::Heading(_) => {
                self.style("\x1b[0m");
                self.out.push_str("\n\n");
            }
            TagEnd::Link => {
                if let Some((address, start)) = self.link.take() {
                    let bare = address.strip_prefix("mailto:").unwrap_or(&address);
                    if self.out.get(start..) != Some(bare) {
                        // Writing to a String does not fail.
                        let _ = write!(self.out, " ({bare})");
                    }
                }
            }
            TagEnd::Paragraph | TagEnd::CodeBlock if self.lists.is_empty() => self.out.push_str("\n\n"),
            TagEnd::Item if !self.out.ends_with('\n') => self.out.push('\n'),
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            _ => {}
        }
    }

    fn new_line(&mut self) {
        self.out.push('\n');
        self.out.push_str(&"  ".repeat(self.lists.len()));
    }

    fn style(&mut self, code: &str) {
        if self.styled {
            self.out.push_str(code);
        }
    }

    fn styled(&mut self, code: &str, text: &str) {
        self.style(code);
        self.out.push_str(text);
        self.style("\x1b[0m");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_readable_without_markup() {
        for (markdown, plain) in [
            ("Enter **pickup** and *delivery*.", "Enter pickup and delivery."),
            ("One.\n\nTwo,\nthree.", "One.\n\nTwo,\nthree."),
            ("You need:\n\n- a box\n- a label\n\nThat is all.", "You need:\n\n• a box\n• a label\n\nThat is all."),
            ("3. three\n4. four\n   and more", "3. three\n4. four\n  and more"),
            ("- a\n  - b\n- c", "• a\n  • b\n• c"),
            ("[Prices](https://a.example/p)", "Prices (https://a.example/p)"),
            ("<https://a.example> or [a@b.example](mailto:a@b.example)", "https://a.example or a@b.example"),
            ("`code` and <b>html</b>", "code and <b>html</b>"),
            ("# Title\n\nText", "Title\n\nText"),
            ("a \u{1b}[31mred", "a [31mred"),
        ] {
            assert_eq!(render(markdown, false), plain, "{markdown}");
        }
        assert_eq!(render("a **b**", true), "a \x1b[1mb\x1b[0m");
    }

    #[test]
    fn buttons_are_numbered() {
        let button = |text: &str| Button { text: text.to_owned(), ..Button::default() };
        let shown = answer("Which?", &[button("This"), button("That")], false);
        assert_eq!(shown, "Which?\n  [1] This\n  [2] That\n");
    }
}
