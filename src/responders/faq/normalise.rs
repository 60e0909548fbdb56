//! Text → normal form: lower-case words with one space between, written the same way whoever typed them.
//!
//! Content and messages go through this one function, so that "Wo ist’s?", "wo ists" and "WO  IST'S!!" meet.
//! The normal form of a normal form is itself.

use std::sync::LazyLock;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A letter this often in a row is a drawl: "sooooo" is "so". No language has it in earnest.
const DRAWL: usize = 3;

/// What follows an apostrophe and still belongs to the word: where's, don't, we'll, you're.
/// Anything longer is a word of its own: l'adresse, o'clock.
const LONGEST_CLITIC: usize = 2;

/// The normal form of a text: empty, or words separated by single spaces.
///
/// Compatibility forms are unfolded (NFKC), letters lowered, accents taken off Latin and Greek letters (elsewhere a
/// mark makes another letter: й is not и), ß becomes ss, and all that is neither letter, digit nor mark separates
/// words. A script that puts no spaces between words gives a word a character; what belongs together there is found
/// later, as a word of several words is.
pub fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    normalise_into(text, &mut out);
    out
}

/// As [`normalise`], into a buffer that is emptied first.
pub fn normalise_into(text: &str, out: &mut String) {
    out.clear();
    normalise_after(text, out);
}

/// Texts in normal form, in one piece.
pub struct Normal {
    texts: String,
    ends: Vec<usize>,
}

impl Normal {
    /// The normal forms of texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> Normal {
        let bytes = texts.clone().map(str::len).sum();
        let mut normal = Normal { texts: String::with_capacity(bytes), ends: Vec::new() };
        for text in texts {
            normalise_after(text, &mut normal.texts);
            normal.ends.push(normal.texts.len());
        }
        normal
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.texts[std::mem::replace(&mut start, end)..end])
    }
}

/// Puts the normal form of a text after what is there.
fn normalise_after(text: &str, out: &mut String) {
    let word = out.len();
    let mut words = Words { out, word, clitic: None, last: ' ', run: 0 };
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(plain) = words.push_plain(rest) {
            rest = &rest[plain..];
            continue;
        }
        let space = rest.bytes().position(|byte| byte.is_ascii_whitespace());
        let (piece, after) = rest.split_at(space.map_or(rest.len(), |space| space + 1));
        rest = after;
        if piece.is_ascii() {
            piece.bytes().for_each(|byte| words.push(byte.to_ascii_lowercase() as char));
        } else if piece.chars().all(|c| unfolded(c).is_some()) {
            piece.chars().filter_map(unfolded).flatten().for_each(|&byte| words.push(byte as char));
        } else {
            fold(piece, |c| words.push(c));
        }
    }
    words.end();
}

/// The short way for the letters that nearly every text is made of: ASCII, and the Latin letters with accents.
fn unfolded(c: char) -> Option<&'static [u8]> {
    /// Folded by themselves, which is right where no mark follows; nothing where that does not give ASCII.
    static LATIN: LazyLock<Vec<Box<[u8]>>> = LazyLock::new(|| {
        let folded = |c: char| {
            let mut ascii = Vec::new();
            fold(c.encode_utf8(&mut [0; 4]), |c| ascii.push(u8::try_from(c).unwrap_or(u8::MAX)));
            if ascii.is_ascii() { ascii.into() } else { Box::default() }
        };
        ('\0'..='\u{17F}').map(folded).collect()
    });
    let folded: &[u8] = LATIN.get(plain_apostrophe(c) as usize)?;
    (!folded.is_empty()).then_some(folded)
}

/// Unfolds, lowers and takes accents off.
fn fold(piece: &str, mut push: impl FnMut(char)) {
    let mut base = ' ';
    let lowered = piece.chars().filter(|&c| !is_invisible(c)).map(plain_apostrophe).nfkd().flat_map(char::to_lowercase);
    let folded = lowered.nfkd().map(plain_apostrophe).filter(|&c| {
        let mark = is_combining_mark(c);
        if !mark {
            base = c;
        }
        !(mark && takes_accents_off(base))
    });
    folded.nfc().for_each(|c| match c {
        'ß' => "ss".chars().for_each(&mut push),
        'ς' => push('σ'),
        'ł' => push('l'),
        'ø' => push('o'),
        'æ' => "ae".chars().for_each(&mut push),
        'œ' => "oe".chars().for_each(&mut push),
        _ => push(c),
    });
}

/// Whether a script is written without spaces between its words: Chinese, Japanese, Thai, Lao, Burmese, Khmer.
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' |
        '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' |
        '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The text under construction: closes words, drops apostrophes, shortens runs of a letter.
struct Words<'a> {
    out: &'a mut String,
    /// Where the word under construction starts.
    word: usize,
    /// Where its last apostrophe was.
    clitic: Option<usize>,
    /// The last character and how often it came in a row.
    last: char,
    run: usize,
}

impl Words<'_> {
    /// The short way for a word that is written as nearly all are: ASCII letters and digits, and the spaces and punctuation
    /// after them. Tells how long they are; nothing where one must look closer.
    fn push_plain(&mut self, text: &str) -> Option<usize> {
        let bytes = text.as_bytes();
        let (mut letters, mut drawl, mut before) = (0, 0, 0);
        while let Some(&byte) = bytes.get(letters).filter(|byte| byte.is_ascii_alphanumeric()) {
            let letter = byte.to_ascii_lowercase();
            drawl = if letter == before { drawl + 1 } else { 1 };
            if drawl == DRAWL {
                return None;
            }
            before = letter;
            letters += 1;
        }
        let mut length = letters;
        while let Some(byte) = bytes.get(length).filter(|byte| !byte.is_ascii_alphanumeric()) {
            if !byte.is_ascii() || *byte == b'\'' {
                return None;
            }
            length += 1;
        }
        let start = self.out.len();
        self.out.push_str(&text[..letters]);
        self.out[start..].make_ascii_lowercase();
        self.end();
        Some(length)
    }

    fn push(&mut self, c: char) {
        if c.is_ascii_alphanumeric() {
            self.run = if self.last == c { self.run + 1 } else { 1 };
            self.last = c;
            if self.run < DRAWL || c.is_ascii_digit() {
                self.out.push(c);
            } else if self.run == DRAWL {
                self.out.truncate(self.out.len() + 2 - DRAWL);
                self.clitic = self.clitic.map(|at| at.min(self.out.len()));
            }
        } else if c == '\'' {
            self.settle_clitic();
            self.clitic = (self.out.len() > self.word).then_some(self.out.len());
        } else if c.is_ascii() {
            self.end();
        } else if is_unspaced(c) {
            self.end();
            self.out.push(c);
            self.end();
        } else if c.is_alphanumeric() || (is_combining_mark(c) && self.out.len() > self.word) {
            self.last = c;
            self.out.push(c);
        } else {
            self.end();
        }
    }

    /// An apostrophe joins a short ending to its word and parts what is longer.
    fn settle_clitic(&mut self) {
        if let Some(at) = self.clitic.take()
            && self.out[at..].chars().count() > LONGEST_CLITIC
        {
            self.out.insert(at, ' ');
            self.word = at + 1;
        }
    }

    fn end(&mut self) {
        self.settle_clitic();
        if self.out.len() > self.word {
            self.out.push(' ');
        }
        self.word = self.out.len();
        self.last = ' ';
    }
}

impl Drop for Words<'_> {
    /// The last word has no space after it.
    fn drop(&mut self) {
        if self.out.ends_with(' ') {
            self.out.pop();
        }
    }
}

fn takes_accents_off(base: char) -> bool {
    base.is_ascii_alphanumeric() || base == '\'' || matches!(base, '\u{0080}'..='\u{024F}' | '\u{0370}'..='\u{03FF}')
}

fn plain_apostrophe(c: char) -> char {
    if matches!(c, '’' | '‘' | 'ʼ' | '`' | '´' | '′') { '\'' } else { c }
}

/// Soft hyphens, joiners, direction marks, variation selectors: seen by nobody, typed by programs.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' |
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_people_type_in_one_way() {
        for (text, expected) in [
            ("", ""),
            ("  \t\n ", ""),
            ("Where IS my Parcel?!", "where is my parcel"),
            ("where's, where’s & where´s", "wheres wheres wheres"),
            ("it's five o'clock, l'adresse", "its five o clock l adresse"),
            ("'quoted' and rock 'n' roll", "quoted and rock n roll"),
            ("Straße STRASSE Öffnung café naïve", "strasse strasse offnung cafe naive"),
            ("e\u{301}te\u{301} Åre Łódź Øre", "ete are lodz ore"),
            ("ﬁnd the ＰＡＲＣＥＬ №5 ½", "find the parcel no5 1 2"),
            ("drop-off/pick_up", "drop off pick up"),
            ("sooooo laaaate, free heyyy", "so late free hey"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("мой Йод", "мой йод"),
            ("我的包裹", "我 的 包 裹"),
            ("ガ配達", "ガ 配 達"),
            ("한국어 배송", "한국어 배송"),
            ("par\u{AD}cel 1️⃣ 👍🏽", "parcel 1"),
            ("İstanbul", "istanbul"),
        ] {
            assert_eq!(normalise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_short_way_leads_to_the_same() {
        for c in ('\0'..='\u{17F}').chain(['’', '‘']) {
            let text = format!("x{c}y{c}");
            let mut long = String::new();
            fold(&text, |c| long.push(c));
            let short: Option<Vec<&[u8]>> = text.chars().map(unfolded).collect();
            if let Some(short) = short {
                assert_eq!(short.concat(), long.as_bytes(), "{c:?}");
            }
        }
        assert!("ÄÖÜäöüßéèçñåøæœŁ’".chars().all(|c| unfolded(c).is_some()));

        let letters = ['a', 'A', 'b', '1', '\'', '-', ' ', 'é', '\u{301}'];
        let mut texts = vec![String::new()];
        for _ in 0..5 {
            texts = texts.iter().flat_map(|text| letters.map(|c| format!("{text}{c}"))).collect();
            for text in &texts {
                let mut long = String::new();
                let mut words = Words { out: &mut long, word: 0, clitic: None, last: ' ', run: 0 };
                text.split_inclusive(' ').for_each(|piece| fold(piece, |c| words.push(c)));
                words.end();
                drop(words);
                assert_eq!(normalise(text), long, "{text:?}");
            }
        }
    }

    #[test]
    fn the_normal_form_of_a_normal_form_is_itself() {
        // Two planes: beyond them is nothing that folds.
        for c in '\0'..='\u{1FFFF}' {
            let text = format!("{c}a{c}b a'{c}{c}{c}{c} {c}\u{301}x{c}\u{327}\u{308}");
            let once = normalise(&text);
            assert_eq!(normalise(&once), once, "U+{:04X} in {text:?}", c as u32);
        }
    }
}
