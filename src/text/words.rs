//! A sentence as words: what numbers, amounts, dates and places are read from.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A run of letters and digits, or a run of digits with the point or comma inside it.
#[derive(Debug, Clone)]
pub struct Word<'a> {
    /// As it was written.
    pub raw: &'a str,
    /// In lower case, without accents; ß is ss.
    pub folded: String,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
    /// What stands between it and the word before, without blanks.
    pub before: &'a str,
}

impl Word<'_> {
    /// Whether a comma, a full stop, a line's end or a bracket parts it from the word before.
    pub fn is_parted(&self) -> bool {
        self.before.chars().any(|c| matches!(c, ',' | ';' | ':' | '.' | '!' | '?' | '(' | ')' | '\n'))
    }
}

/// The words of a sentence. Letters and digits are parted where they meet ("2kg"), except that a number takes the
/// points and commas inside it along; an apostrophe inside a word is dropped.
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut end = 0;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if c.is_ascii_digit() {
            number(rest)
        } else if c.is_alphabetic() {
            letters(rest)
        } else if matches!(c, '½' | '¼' | '¾') {
            c.len_utf8()
        } else {
            at += c.len_utf8();
            continue;
        };
        let raw = &text[at..at + length];
        words.push(Word {
            raw,
            folded: fold(raw),
            at: at..at + length,
            before: text[end..at].trim_matches([' ', '\t']),
        });
        at += length;
        end = at;
    }
    words
}

/// In lower case, without accents and apostrophes; ß is ss.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.bytes().filter(|&c| c != b'\'').map(|c| c.to_ascii_lowercase() as char).collect();
    }
    let plain = text.nfkd().filter(|&c| !is_combining_mark(c) && !is_apostrophe(c)).flat_map(char::to_lowercase);
    let mut folded = String::with_capacity(text.len());
    for c in plain {
        match c {
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'æ' => folded.push_str("ae"),
            _ => folded.push(c),
        }
    }
    folded
}

/// How long the number is that a text begins with: digits, and points, commas or apostrophes with a digit after them.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while let Some(c) = bytes.get(length) {
        let inside = matches!(c, b'.' | b',' | b'\'') && bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        if !c.is_ascii_digit() && !inside {
            break;
        }
        length += 1;
    }
    length
}

fn letters(text: &str) -> usize {
    let mut length = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let goes_on = c.is_alphabetic()
            || is_combining_mark(c)
            || (is_apostrophe(c) && chars.peek().is_some_and(|next| next.is_alphabetic()));
        if !goes_on {
            break;
        }
        length += c.len_utf8();
    }
    length
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’' | '‘')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parted_where_letters_meet_digits() {
        for (text, expected) in [
            ("2kg nach Köln, bitte", "2|kg|nach|koln|bitte"),
            ("1.500,50 € or 2,5kg.", "1.500,50|or|2,5|kg"),
            ("30x20x10cm", "30|x|20|x|10|cm"),
            ("it's  GROSS/groß", "its|gross|gross"),
            ("3.", "3"),
            ("", ""),
            ("2½ kilo", "2|1⁄2|kilo"),
        ] {
            let found: Vec<String> = words(text).into_iter().map(|word| word.folded).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }

    #[test]
    fn what_parts_words_is_known() {
        let text = "Paris, Texas - (USA)";
        let parted: Vec<bool> = words(text).iter().map(Word::is_parted).collect();
        assert_eq!(parted, [false, true, true]);
    }
}
