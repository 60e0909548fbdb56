//! Markdown, as responders write it.

/// A text of somebody else as Markdown that shows just this text, on one line and with at most so many characters.
pub fn escaped(value: &str, most: usize) -> String {
    let mut out = String::with_capacity(value.len().min(most) + 8);
    let words = value.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let one_line: String = words.collect::<Vec<_>>().join(" ");
    // "1." and "2)" begin a list.
    let digits = one_line.bytes().take_while(u8::is_ascii_digit).count();
    for (at, c) in one_line.chars().take(most).enumerate() {
        let special =
            matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '|' | '~' | '!' | '{' | '}')
                || (at == 0 && matches!(c, '-' | '+' | '='))
                || (at > 0 && at == digits && matches!(c, '.' | ')'));
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
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
