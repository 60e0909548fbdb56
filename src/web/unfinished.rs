//! Markdown that breaks off, as it is while an answer is being written.
//!
//! Shown as it is, `**imp` would be two stars and three letters until the rest has come, and a table a heap of bars.
//! So what is open is closed, and what may still become something else is held back. Whatever this makes of a text,
//! it is rendered and cut down like every other one: it is for looks, and safety does not depend on it.

use std::borrow::Cow;

/// The same Markdown with what is open in its last block closed.
pub fn closed(markdown: &str) -> Cow<'_, str> {
    let Some(from) = last_block(markdown) else { return Cow::Borrowed(markdown) };
    let (before, block) = markdown.split_at(from);
    let block = without_marks(without_table(block));
    let (open, cut, dropped) = open_spans(block);
    if open.is_empty() && dropped.is_empty() && cut == block.len() {
        return Cow::Borrowed(&markdown[..from + block.len()]);
    }
    let mut out = String::with_capacity(from + block.len() + 8);
    out.push_str(before);
    let mut at = 0;
    for index in dropped.into_iter().filter(|index| *index < cut) {
        out.push_str(&block[at..index]);
        at = index + 1;
    }
    out.push_str(&block[at.min(cut)..cut]);
    // "**a **" would close nothing.
    out.truncate(out.trim_end().len().max(from));
    for mark in open.iter().rev() {
        out.push_str(mark);
    }
    Cow::Owned(out)
}

/// Where the last block begins; nothing within a block of code, which ends by itself.
fn last_block(markdown: &str) -> Option<usize> {
    let mut fence: Option<(u8, usize)> = None;
    let (mut from, mut at) = (0, 0);
    for line in markdown.split_inclusive('\n') {
        let text = line.trim();
        let first = text.bytes().next().unwrap_or(b'\n');
        let run = text.bytes().take_while(|byte| *byte == first).count();
        let is_fence = matches!(first, b'`' | b'~') && run >= 3;
        match fence {
            Some((mark, length)) if is_fence && first == mark && run >= length && run == text.len() => fence = None,
            Some(_) => {}
            None if is_fence => fence = Some((first, run)),
            None => {}
        }
        at += line.len();
        if text.is_empty() || (is_fence && fence.is_none()) {
            from = at;
        }
    }
    fence.is_none().then_some(from)
}

/// Without a table of which only the head is there.
fn without_table(block: &str) -> &str {
    let mut at = 0;
    let mut lines = block.split_inclusive('\n');
    for line in lines.by_ref() {
        if line.trim_start().starts_with('|') {
            let has_rule = lines.next().is_some_and(|rule| rule.ends_with('\n'));
            return if has_rule { block } else { &block[..at] };
        }
        at += line.len();
    }
    block
}

/// Without a last line that is only the beginning of something: a list, a heading, a line below one.
fn without_marks(block: &str) -> &str {
    let from = block.rfind('\n').map_or(0, |end| end + 1);
    let last = block[from..].trim();
    let marks = last.chars().all(|c| matches!(c, '-' | '=' | '*' | '_' | '+' | '#' | '>' | '|' | '~' | '`' | ' '));
    let numbered = last.strip_suffix(['.', ')']).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    if marks || numbered { &block[..from] } else { block }
}

/// What closes what is open in a block, outermost first; where the block is cut off; and which of its bytes are left
/// out.
fn open_spans(block: &str) -> (Vec<&str>, usize, Vec<usize>) {
    let bytes = block.as_bytes();
    let mut open: Vec<&str> = Vec::new();
    let mut brackets: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let run = bytes[at..].iter().take_while(|other| **other == byte).count();
        match byte {
            b'\\' if at + 1 == bytes.len() => return (open, at, brackets),
            b'\\' => at += 1 + block[at + 1..].chars().next().map_or(0, char::len_utf8),
            b'`' => {
                let mark = &block[at..at + run];
                let rest = at + run;
                match end_of_code(&block[rest..], run) {
                    Some(end) => at = rest + end,
                    None if block[rest..].trim_matches([' ', '`']).is_empty() => return (open, at, brackets),
                    None => {
                        // A run that has begun may become the one that closes it.
                        let cut = block.trim_end_matches('`').len();
                        open.push(mark);
                        return (open, cut, brackets);
                    }
                }
            }
            b'*' | b'_' | b'~' => {
                let (before, after) = (block[..at].chars().next_back(), block[at + run..].chars().next());
                let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let within_word = byte != b'*' && inside(before) && inside(after);
                if !within_word && !take_run(&mut open, &block[at..at + run], before, after) {
                    return (open, at, brackets);
                }
                at += run;
            }
            b'[' => {
                brackets.push(at);
                at += 1;
            }
            b']' => {
                let begun = brackets.pop();
                match (begun, bytes.get(at + 1)) {
                    (Some(begun), Some(b'(')) => match block[at..].find(')') {
                        Some(end) => at += end + 1,
                        // Its text stays, its address is not whole.
                        None => {
                            brackets.push(begun);
                            return (open, at, brackets);
                        }
                    },
                    (Some(begun), None) => {
                        brackets.push(begun);
                        return (open, at, brackets);
                    }
                    _ => at += 1,
                }
            }
            _ => at += 1,
        }
    }
    (open, block.len(), brackets)
}

fn end_of_code(rest: &str, length: usize) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
        if run == length && at + run <= bytes.len() {
            return Some(at + run);
        }
        at += run.max(1);
    }
    None
}

/// Takes a run of `*`, `_` or `~`, which closes what is open or opens something. False if the block is better cut off
/// before it, since the rest of it has not come.
fn take_run<'a>(open: &mut Vec<&'a str>, run: &'a str, before: Option<char>, after: Option<char>) -> bool {
    let mut left = run;
    // Behind a space nothing is closed.
    let closes = before.is_some_and(|before| !before.is_whitespace());
    while let Some(mark) = open.last().copied()
        && closes
        && left.starts_with(mark)
    {
        open.pop();
        left = &left[mark.len()..];
    }
    if left.is_empty() {
        return true;
    }
    match after {
        None => false,
        // Surrounded by space it is what it looks like.
        Some(after) if after.is_whitespace() => true,
        Some(_) => {
            let (mark, _) = left.split_at(left.len().min(2));
            // One tilde is a tilde.
            if mark != "~" {
                if left.len() > 2 {
                    open.push(&left[..1]);
                }
                open.push(mark);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_open_is_closed() {
        for (broken, whole) in [
            ("", ""),
            ("Hello", "Hello"),
            ("Hello **you", "Hello **you**"),
            ("Hello **you and ", "Hello **you and**"),
            ("Hello **", "Hello"),
            ("Hello **you*", "Hello **you**"),
            ("Hello **you**", "Hello **you**"),
            ("*a **b", "*a **b***"),
            ("***both", "***both***"),
            ("2 * 3", "2 * 3"),
            ("a_b_c", "a_b_c"),
            ("~~old", "~~old~~"),
            ("about ~5", "about ~5"),
            ("see `PX12", "see `PX12`"),
            ("see `", "see"),
            ("see ``a`", "see ``a``"),
            ("see `a` and", "see `a` and"),
            ("`**` is **bo", "`**` is **bo**"),
            ("[prices](https://hal", "prices"),
            ("[prices", "prices"),
            ("[prices]", "prices"),
            ("[prices](https://halyard.example/p) and", "[prices](https://halyard.example/p) and"),
            ("![x](https://evil.exam", "!x"),
            ("one\n\n- two\n-", "one\n\n- two\n"),
            ("one\n\n1", "one\n\n1"),
            ("one\n\n1.", "one\n\n"),
            ("Title\n=", "Title\n"),
            ("a\n\n| b | c |", "a\n\n"),
            ("| b | c |\n|--", ""),
            ("| b | c |\n|---|---|\n| 1", "| b | c |\n|---|---|\n| 1"),
            ("```\n**x", "```\n**x"),
            ("```\nx\n```\n**y", "```\nx\n```\n**y**"),
            ("a\\", "a"),
            ("a\\*b", "a\\*b"),
        ] {
            assert_eq!(closed(broken), whole, "for {broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_breaks_off_anywhere(text in "[a-zé \n*_`~\\[\\]()!|>#.:0-9<&\\\\-]{0,80}") {
            for (at, _) in text.char_indices() {
                // Nothing is made up but what closes.
                let shown = closed(&text[..at]);
                let marks = shown.chars().filter(|c| !matches!(c, '*' | '_' | '`' | '~')).count();
                prop_assert!(marks <= text[..at].chars().filter(|c| !matches!(c, '*' | '_' | '`' | '~')).count());
            }
        }
    }
}
