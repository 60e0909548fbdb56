//! A file's bytes → what stands in it, or everything that is wrong, with what to write instead.

use super::document::Body;
use super::node::Node;
use super::{syntax, typed};
use crate::finding::Finding;

/// The largest file that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

const SAVE_AS_UTF8: &str = "save the file as UTF-8";

/// Reads a file: its text, what stands in it, and what is doubtful.
pub fn read(file: &str, bytes: &[u8]) -> Result<(String, Body, Vec<Finding>), Vec<Finding>> {
    let text = decode(file, bytes).map_err(|finding| vec![*finding])?;
    let node = Node::parse(text).map_err(|error| vec![syntax::finding(file, text, &error)])?;
    let body = typed::read(&node, file, text)?;
    Ok((text.to_owned(), body, garbled(file, text)))
}

/// The text of a file in UTF-8. A byte order mark at its start is skipped.
fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Box<Finding>> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, at most {MAX_BYTES} are read", bytes.len());
        return Err(Finding::error(file, message).hint("split it; every file of the folder is read").into());
    }
    let start = &bytes[..bytes.len().min(4)];
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) || start.contains(&0) {
        return Err(Finding::error(file, "the file is in UTF-16").hint(SAVE_AS_UTF8).into());
    }
    let bytes = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        // Byte for byte, as Windows-1252 is read; so the columns before the place stay right within a line of it.
        let line_start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line_end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |newline| at + newline);
        let column = String::from_utf8_lossy(&bytes[line_start..at]).chars().count() + 1;
        let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let before = String::from_utf8_lossy(&bytes[line_start..at]);
        let after: String = bytes[at..line_end].iter().copied().map(windows_1252).collect();
        let shown = format!("{}{before}{after}", "\n".repeat(line - 1));
        let letter = windows_1252(bytes[at]);
        let message = format!("this is not UTF-8: `{letter}` is written as in Windows-1252 (byte {:02X})", bytes[at]);
        Finding::error(file, message).at(&shown, number(line), number(column)).hint(SAVE_AS_UTF8).into()
    })
}

/// The character of a byte. Exact but for 80 to 9F, where what is typed most stands for itself.
fn windows_1252(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x84 => '„',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x96 => '–',
        0x97 => '—',
        0x81..=0x9F => '\u{FFFD}',
        byte => byte as char,
    }
}

/// Characters that were lost or doubled when a file was saved in one encoding and read in another.
fn garbled(file: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.is_ascii()) {
        let at = line.char_indices().find(|&(at, c)| {
            let next = line[at + c.len_utf8()..].chars().next();
            c == '\u{FFFD}'
                || (c == 'Ã'
                    && next.is_some_and(|next| ('\u{80}'..='\u{BF}').contains(&next) || "Ÿ„–œ¶¼".contains(next)))
                || (c == 'â' && next == Some('€'))
        });
        if let Some((at, c)) = at {
            let column = line[..at].chars().count() + 1;
            let part: String = line[at..].chars().take(if c == '\u{FFFD}' { 1 } else { 2 }).collect();
            let message = format!("`{part}` looks like a letter that was broken when the file was saved");
            let finding = Finding::warning(file, message).at(text, number(index + 1), number(column));
            found.push(finding.hint(format!("type the letter anew and {SAVE_AS_UTF8}")));
        }
    }
    found
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All findings of a file, one a line.
    fn wrong(bytes: &[u8]) -> String {
        let findings = match read("a.yaml", bytes) {
            Ok((_, _, doubts)) => doubts,
            Err(findings) => findings,
        };
        findings.iter().map(|finding| finding.one_line() + "\n").collect()
    }

    #[test]
    fn what_is_wrong_is_said_with_place_and_way_out() {
        let entry = |lines: &str| format!("language: en\nentries:\n  - id: a\n    phrases: [b]\n{lines}\n");
        for (yaml, expected) in [
            (
                "language: en\nentries:\n\t- id: a\n".to_owned(),
                "a.yaml:3:1: a tab stands at the start of the line (use blanks instead of the tab)\n",
            ),
            (
                entry("    answer: Our hours: 9-17"),
                "a.yaml:5:22: a colon in a text that is not in quotes (put the text in quotes: answer: 'Our hours: 9-17')\n",
            ),
            (
                entry("    answer: {{ facts.phone }}"),
                "a.yaml:5:13: `answer` must be a text, not a block of keys (a text that begins with {{ must stand in quotes, or below the key after a |)\n",
            ),
            (
                entry("    answer: {{ facts.phone }} is our number"),
                "a.yaml:5:13: a text cannot begin with `{{` (put it in quotes: '{{ facts.phone }} is our number')\n",
            ),
            (
                entry("    answer: **Yes**, we do"),
                "a.yaml:5:13: a text cannot begin with `*` (put it in quotes: '**Yes**, we do')\n",
            ),
            (entry("    answer: @home"), "a.yaml:5:13: a text cannot begin with `@` (put it in quotes: '@home')\n"),
            (
                entry("    answer: `code`"),
                "a.yaml:5:13: a text cannot begin with a backtick (put it in quotes: '`code`')\n",
            ),
            (entry("    answer: %"), "a.yaml:5:13: a text cannot begin with `%` (put it in quotes: '%')\n"),
            (entry("    answer: & more"), "a.yaml:5:13: a text cannot begin with `&` (put it in quotes: '& more')\n"),
            (
                entry("    answer: > more"),
                "a.yaml:5:13: a text after | or > begins on the next line (begin it there, or put it in quotes: '> more')\n",
            ),
            (
                entry("    answer: \"He said \"hi\" to me\""),
                "a.yaml:5:23: the text ended before this, at the quotation mark (write \\\" for a quotation mark in it, or put the whole text in '…')\n",
            ),
            (
                entry("    answer: 'don't'"),
                "a.yaml:5:18: the text ended before this, at the apostrophe (write '' for an apostrophe in it, or put the whole text in \"…\")\n",
            ),
            (
                entry("    answer: \"never closed"),
                "a.yaml:5:13: this quotation mark is never closed (end the text with the same mark)\n",
            ),
            (
                entry("    answer: \"a\\q\""),
                "a.yaml:5:13: this text has a \\ that stands for nothing (write \\\\ for one, or put the text in '…')\n",
            ),
            (entry("    answer:x"), "a.yaml:5:5: there is no blank after the colon (write answer: x)\n"),
            (
                entry("    answer: x\n   then: person"),
                "a.yaml:6:4: this line does not fit below the one before it (keys that belong together begin in the same column; check the blanks at the start of the line)\n",
            ),
            (
                entry("      answer: x"),
                "a.yaml:5:7: this line does not fit below the one before it (keys that belong together begin in the same column; check the blanks at the start of the line)\n",
            ),
            (
                entry("    answer: |\n    text"),
                "a.yaml:6:5: the text does not stand below its key (indent the text by two blanks more than its key)\n",
            ),
            (
                entry("    answer: |\n      text\n     more"),
                "a.yaml:7:6: this line does not fit below the one before it (keys that belong together begin in the same column; check the blanks at the start of the line)\n",
            ),
            (
                entry("    answer: x\n    answer: y"),
                "a.yaml:6:5: the key `answer` stands here twice (join the two, or remove one of them)\n",
            ),
            (
                entry("    answer: x\n    buttons: [a, b\n    then: person"),
                "a.yaml:7:9: a list or block before this is not closed (close it with ] or }, or put a text with these signs in quotes)\n",
            ),
            (
                "language: en\nentries:\n  -id: a\n    answer: x\n".to_owned(),
                "a.yaml:3:3: a - without a blank after it (write - id: a)\n",
            ),
            (
                "language: en\n---\nlanguage: de\n".to_owned(),
                "a.yaml:2:1: a second document begins here (take the line --- out; one file is one document)\n",
            ),
            (
                "language: en\n...\nignore: [a]\n".to_owned(),
                "a.yaml:3:1: a second document begins here (take the line ... out; one file is one document)\n",
            ),
            (
                "%YAML 1.x\nlanguage: en\n".to_owned(),
                "a.yaml:1:1: a text cannot begin with `%` (put it in quotes: '%YAML 1.x')\n",
            ),
            (
                "language: en\nwords: { <<: { a: [b] } }\n<<: { ignore: [a] }\n".to_owned(),
                "a.yaml:2:14: `<<` must be a list, not a block of keys (begin each line of the list with a - and a blank)\n\
                 a.yaml:3:1: unknown key `<<` (the keys are language, entries, words, ignore, not_ours, facts, lines)\n",
            ),
            (
                "language: en\n<<<<<<< HEAD\nignore: [a]\n=======\nignore: [b]\n>>>>>>> x\n".to_owned(),
                "a.yaml:2:1: a merge conflict is left in the file (settle it with git)\n",
            ),
            (
                String::new(),
                "a.yaml:1:1: the file is empty (write `language: en` and what belongs to it, or delete the file)\n",
            ),
            (
                "# nothing\n".to_owned(),
                "a.yaml:2:1: the file is empty (write `language: en` and what belongs to it, or delete the file)\n",
            ),
            (
                "- a\n".to_owned(),
                "a.yaml:1:1: the file must be a block of keys, not a list (write keys here: language, entries, words, ignore, not_ours, facts, lines)\n",
            ),
            (
                "language: en\nentries:\n  - id: a\n    phrase: [a]\n    answer: 12\n    buttons: x\n  - ID: c\n    \
                 phrases:\n      - how: much\n      - [a, b]\n      -\n    answer: x\n    match: words\n  - id: d\n    \
                 phrases:\n    answer: x\n  - foo\n  - id: e\n    phrases: [a]\n    answer:\n    priority: high\n  \
                 - id: f\n    phrases: [a]\n    answer: a\n    priority: high\n  - id: g\n    phrases: [a]\n    \
                 answer: a\n    from: 30.2.2026\nfact:\n  a: b\nlines:\n  empti: x\ncolour: red\n"
                    .to_owned(),
                "a.yaml:4:5: unknown key `phrase` (did you mean `phrases`?)\n\
                 a.yaml:6:14: `buttons` must be a list, not a text (write [x], or - x on a line of its own)\n\
                 a.yaml:7:5: unknown key `ID` (did you mean `id`?)\n\
                 a.yaml:9:9: each of `phrases` must be a text, not a block of keys (a colon makes a key of it; put the text in quotes: 'how: much')\n\
                 a.yaml:10:9: each of `phrases` must be a text, not a list (put the text in quotes: '[a, b]')\n\
                 a.yaml:11:8: nothing stands here (write a text, or take it out)\n\
                 a.yaml:13:12: unknown word `words` (did you mean `word`?)\n\
                 a.yaml:15:12: `phrases` is empty (begin each line of the list with a - and a blank)\n\
                 a.yaml:17:5: each of `entries` must be a block of keys, not a text (write keys here: id, title, phrases, answer, buttons, then, ask, not, match, priority, was, from, until)\n\
                 a.yaml:20:11: `answer` is empty (write a text, or take it out)\n\
                 a.yaml:25:15: `priority` must be a whole number, not `high` (such as 5 or -1)\n\
                 a.yaml:29:11: `30.2.2026` is not a day (write it as 2026-12-31)\n\
                 a.yaml:30:1: unknown key `fact` (did you mean `facts`?)\n\
                 a.yaml:33:3: unknown word `empti` (did you mean `empty`?)\n\
                 a.yaml:34:1: unknown key `colour` (the keys are language, entries, words, ignore, not_ours, facts, lines)\n",
            ),
        ] {
            let wrong = wrong(yaml.as_bytes());
            assert_eq!(wrong, expected, "{yaml}");
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let yaml = "language: de\nignore: [grüße, straße]\n";
        assert_eq!(wrong(yaml.as_bytes()), "");
        assert_eq!(wrong(&[b"\xEF\xBB\xBF", yaml.as_bytes()].concat()), "");
        let little: Vec<u8> = yaml.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = yaml.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf16 = "a.yaml: the file is in UTF-16 (save the file as UTF-8)\n";
        assert_eq!(wrong(&little), utf16);
        assert_eq!(wrong(&[&[0xFE, 0xFF], big.as_slice()].concat()), utf16);
        let windows: Vec<u8> = yaml.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let findings = read("a.yaml", &windows).unwrap_err();
        assert_eq!(
            findings[0].to_string(),
            "error: this is not UTF-8: `ü` is written as in Windows-1252 (byte FC)\n --> a.yaml:2:12\n  |\n\
             2 | ignore: [grüße, straße]\n  |            ^\n  = save the file as UTF-8"
        );
        let mark = "looks like a letter that was broken when the file was saved (type the letter anew and save the file as UTF-8)";
        assert_eq!(wrong("ignore: [grÃ¼ÃŸe]\nwords: {}".as_bytes()), format!("a.yaml:1:12: `Ã¼` {mark}\n"));
        assert_eq!(wrong("ignore: [gr\u{FFFD}e]".as_bytes()), format!("a.yaml:1:12: `\u{FFFD}` {mark}\n"));
        assert_eq!(
            wrong(&vec![b'#'; MAX_BYTES + 1]),
            "a.yaml: the file has 8388609 bytes, at most 8388608 are read (split it; every file of the folder is read)\n"
        );
    }
}
