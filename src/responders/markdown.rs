//! Markdown, as responders write it.

/// A text of somebody else as Markdown that shows just this text, on one line and with at most so many characters.
pub fn escaped(value: &str, most: usize) -> String {
    let mut out = String::with_capacity(value.len().min(most) + 8);
    escape(&mut out, value, most, true);
    out
}

/// Adds a text of somebody else like this. What has a meaning only where a line begins is escaped if it `begins` one.
pub fn escape(out: &mut String, value: &str, most: usize, begins: bool) {
    let words = value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut left = most;
    // "1." and "2)" begin a list.
    let (mut is_first, mut after_digits) = (begins, false);
    for (number, word) in words.enumerate() {
        for c in (number > 0).then_some(' ').into_iter().chain(word.chars()) {
            if left == 0 {
                return;
            }
            left -= 1;
            let special =
                matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '|' | '~' | '!' | '{' | '}')
                    || (is_first && matches!(c, '-' | '+' | '='))
                    || (after_digits && matches!(c, '.' | ')'));
            after_digits = (is_first || after_digits) && c.is_ascii_digit();
            is_first = false;
            if special {
                out.push('\\');
            }
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_is_text() {
        for (value, expected) in [
            ("Ann-Kathrin O'Neil", "Ann-Kathrin O'Neil"),
            ("[click](http://evil.example)", "\\[click\\](http://evil.example)"),
            ("<b>&lt;", "\\<b\\>\\&lt;"),
            ("**x** _y_ `z`", "\\*\\*x\\*\\* \\_y\\_ \\`z\\`"),
            ("a\n\n# b", "a \\# b"),
            ("1. one", "1\\. one"),
            ("- one", "\\- one"),
            ("!\\", "\\!\\\\"),
        ] {
            assert_eq!(escaped(value, 200), expected);
        }
        assert_eq!(escaped(&"x".repeat(5_000), 200).len(), 200);
    }
}
