//! Parcel numbers in a sentence, in the ways people type them: with blanks, dashes or dots inside, in lower case, in
//! brackets, several at once.
//!
//! A number with letters, or with a beginning and a length that nothing else has, is found wherever it stands. A
//! number that is a mere row of digits could as well be a telephone, an order or a card: it is taken only if its
//! check digit fits and either the words around it speak of a parcel or there is nothing else in the message.

mod carrier;
pub mod check_digit;
mod format;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::ops::Range;

pub use carrier::Carrier;
pub(super) use format::is_card;
pub use format::{Check, OWN};
use format::{LONGEST, Strong, strong, weak};

/// A number that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParcelNumber {
    /// Digits and capital letters, nothing between them.
    pub compact: String,
    /// Whose it is.
    pub carrier: Carrier,
    /// Others whose numbers look just like it.
    pub others: Vec<Carrier>,
    /// Whether its check digit fits.
    pub check: Check,
    /// The country at the end of an S10 number.
    pub country: Option<String>,
    /// Where it stands in the message, in bytes.
    pub at: Range<usize>,
}

impl ParcelNumber {
    /// As it is printed to be read: in groups.
    pub fn shown(&self) -> String {
        let compact = &self.compact;
        if let (Some(grouped), true) = (grouped(compact), self.country.is_some()) {
            return grouped;
        }
        if self.carrier == Carrier::Own || !compact.bytes().all(|c| c.is_ascii_digit()) {
            return compact.clone();
        }
        let groups: Vec<&str> =
            (0..compact.len()).step_by(4).map(|at| &compact[at..compact.len().min(at + 4)]).collect();
        groups.join(" ")
    }
}

/// A number of the kind that all posts use (S10: `PX123456785GB`) in groups; `None` for one of another kind.
pub fn grouped(compact: &str) -> Option<String> {
    let bytes = compact.as_bytes();
    let is_s10 = bytes.len() == 13
        && bytes[..2].iter().chain(&bytes[11..]).all(u8::is_ascii_uppercase)
        && bytes[2..11].iter().all(u8::is_ascii_digit);
    is_s10.then(|| [&compact[..2], &compact[2..6], &compact[6..10], &compact[10..11], &compact[11..]].join(" "))
}

/// Fewer digits than this are no number of any carrier.
const FEWEST_DIGITS: usize = 5;
/// Numbers in one message; more are not looked at.
const MOST: usize = 20;
/// How many words before a row of digits say what it is.
const NEAR: usize = 4;

/// The parcel numbers of a message, in order, each once: right ones and those that are mistyped.
pub fn parcel_numbers(text: &str) -> Vec<ParcelNumber> {
    let enough = text.chars().filter(|c| digit(*c).is_some()).take(FEWEST_DIGITS).count() == FEWEST_DIGITS;
    if !enough && !text.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"gls")) {
        return Vec::new();
    }
    let message = Message::read(text);
    let mut found: Vec<ParcelNumber> = Vec::new();
    let mut next = 0;
    while next < message.tokens.len() && found.len() < MOST {
        match message.number_from(next) {
            Some((number, after)) => {
                if !found.iter().any(|known| known.compact == number.compact) {
                    found.push(number);
                }
                next = after;
            }
            None => next += 1,
        }
    }
    found
}

/// What parts two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// A blank, a dash, a dot: may stand within a number.
    Soft,
    /// Anything else.
    Hard,
    /// A sign before digits that makes them a telephone number or an amount.
    Sign,
}

/// What a token is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digits,
    Letters,
    Mixed,
    /// With letters that no number has.
    Other,
}

/// A run of letters and digits.
#[derive(Debug)]
struct Token {
    /// In the message.
    at: Range<usize>,
    /// In the buffer of capitals.
    compact: Range<usize>,
    kind: Kind,
    /// What stands before it.
    before: Gap,
}

/// A message in pieces.
struct Message<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// All tokens in capitals, one after the other.
    capitals: Vec<u8>,
    /// Looked at only for numbers that do not show by themselves.
    words: OnceCell<Words>,
}

/// What a message says besides its numbers.
struct Words {
    /// The carriers that it names.
    named: Vec<Carrier>,
    /// Whether it speaks of parcels at all.
    about_parcels: bool,
    /// Whether it has hardly a word besides its numbers.
    bare: bool,
}

impl<'a> Message<'a> {
    fn read(text: &'a str) -> Message<'a> {
        let mut message = Message { text, tokens: Vec::new(), capitals: Vec::new(), words: OnceCell::new() };
        let mut gap = Gap::Soft;
        let mut open: Option<Token> = None;
        for (at, c) in text.char_indices() {
            let ascii = digit(c).or_else(|| c.is_ascii_alphabetic().then(|| c.to_ascii_uppercase() as u8));
            if ascii.is_some() || c.is_alphanumeric() {
                let token = open.get_or_insert_with(|| Token {
                    at: at..at,
                    compact: message.capitals.len()..message.capitals.len(),
                    kind: if ascii.is_some_and(|c| c.is_ascii_digit()) { Kind::Digits } else { Kind::Letters },
                    before: gap,
                });
                token.kind = match (token.kind, ascii) {
                    (Kind::Other, _) | (_, None) => Kind::Other,
                    (Kind::Digits, Some(c)) if c.is_ascii_digit() => Kind::Digits,
                    (Kind::Letters, Some(c)) if c.is_ascii_alphabetic() => Kind::Letters,
                    _ => Kind::Mixed,
                };
                message.capitals.push(ascii.unwrap_or(b'?'));
                token.at.end = at + c.len_utf8();
                token.compact.end = message.capitals.len();
                continue;
            }
            if let Some(token) = open.take() {
                message.tokens.push(token);
                gap = Gap::Soft;
            }
            gap = match (gap, c) {
                (_, '+' | '€' | '£' | '$') => Gap::Sign,
                (Gap::Soft, _) if is_soft(c) => Gap::Soft,
                (Gap::Sign, _) if is_soft(c) || c == '(' => Gap::Sign,
                _ => Gap::Hard,
            };
        }
        message.tokens.extend(open);
        message
    }

    /// Which carriers are named, whether parcels are spoken of, and how much else there is.
    fn words(&self) -> &Words {
        self.words.get_or_init(|| {
            let mut words = Words { named: Vec::new(), about_parcels: false, bare: true };
            let mut last = String::new();
            for token in self.tokens.iter().filter(|token| !matches!(token.kind, Kind::Digits | Kind::Mixed)) {
                let word = self.text[token.at.clone()].to_lowercase();
                let pair = format!("{last}{word}");
                words.named.extend([word.as_str(), &pair].into_iter().filter_map(Carrier::named));
                words.about_parcels |= speaks_of_parcels(&word);
                words.bare &= is_filler(&word);
                last = word;
            }
            words.about_parcels |= !words.named.is_empty();
            words
        })
    }

    /// The number that begins with this token, and the token after it.
    fn number_from(&self, first: usize) -> Option<(ParcelNumber, usize)> {
        let token = &self.tokens[first];
        let could_begin = match token.kind {
            Kind::Digits | Kind::Mixed => true,
            Kind::Letters => token.compact.len() <= 4,
            Kind::Other => false,
        };
        if !could_begin {
            return None;
        }
        self.strong_from(first).or_else(|| self.weak_from(first)).or_else(|| self.track_id(first))
    }

    /// Joins tokens as long as the result could be a number and takes the best: the one that fits, and of several the
    /// longest.
    fn strong_from(&self, first: usize) -> Option<(ParcelNumber, usize)> {
        let from = self.tokens[first].compact.start;
        let mut best: Option<(Strong, usize, Vec<u8>)> = None;
        for last in first..self.tokens.len() {
            let token = &self.tokens[last];
            if (last > first && token.before != Gap::Soft) || token.kind == Kind::Other {
                break;
            }
            let joined = &self.capitals[from..token.compact.end];
            if joined.len() > LONGEST {
                break;
            }
            let typed = strong(joined).map(|strong| (strong, joined.to_vec()));
            let Some((strong, compact)) = better(typed, unconfused(joined)) else { continue };
            if self.is_only_a_word(first, last, strong) {
                continue;
            }
            let beats = match &best {
                None => true,
                Some((known, ..)) => strong.check >= known.check,
            };
            if beats {
                best = Some((strong, last, compact));
            }
        }
        let (strong, last, mut compact) = best?;
        if strong.completes {
            compact.extend_from_slice(OWN.1.as_bytes());
        }
        let compact = String::from_utf8(compact).ok()?;
        let is_s10 = compact.len() == 13 && compact.as_bytes()[0].is_ascii_alphabetic() && strong.check >= Check::Wrong;
        let country = is_s10.then(|| compact.get(11..).unwrap_or_default().to_owned());
        let country = country.filter(|country| country.bytes().all(|c| c.is_ascii_uppercase()));
        let at = self.tokens[first].at.start..self.tokens[last].at.end;
        let number =
            ParcelNumber { compact, carrier: strong.carrier, others: Vec::new(), check: strong.check, country, at };
        Some((number, last + 1))
    }

    /// "call us on 020 794 603 in London" is no number of India's post: short words that stand by themselves are taken
    /// for letters of a number only if its check digit fits, and the company's own numbers end with no such word.
    fn is_only_a_word(&self, first: usize, last: usize, strong: Strong) -> bool {
        if last == first {
            return false;
        }
        let is_word = |token: &Token| token.kind == Kind::Letters && is_small_word(&self.text[token.at.clone()]);
        match strong.check {
            Check::Right => strong.carrier == Carrier::Own && is_word(&self.tokens[last]),
            _ => is_word(&self.tokens[first]) || is_word(&self.tokens[last]),
        }
    }

    /// A mere row of digits.
    fn weak_from(&self, first: usize) -> Option<(ParcelNumber, usize)> {
        if self.tokens[first].kind != Kind::Digits {
            return None;
        }
        // Only from its first token on: the rest of a longer row is nothing by itself.
        let goes_on = first > 0
            && self.tokens[first].before == Gap::Soft
            && matches!(self.tokens[first - 1].kind, Kind::Digits | Kind::Mixed);
        let mut end = first + 1;
        while end < self.tokens.len() && self.tokens[end].before == Gap::Soft && self.tokens[end].kind == Kind::Digits {
            end += 1;
        }
        let single = self.weak_between(first, first + 1);
        if goes_on {
            return single.map(|number| (number, first + 1));
        }
        // A row of several numbers of which each is one, or one number in groups.
        match self.weak_between(first, end) {
            Some(number) => Some((number, end)),
            None => single.map(|number| (number, first + 1)),
        }
    }

    fn weak_between(&self, first: usize, end: usize) -> Option<ParcelNumber> {
        let tokens = &self.tokens[first..end];
        let range = tokens.first()?.compact.start..tokens.last()?.compact.end;
        let compact = &self.capitals[range];
        if !(10..=18).contains(&compact.len()) || tokens[0].before == Gap::Sign || is_card(compact) {
            return None;
        }
        let groups: Vec<usize> = tokens.iter().map(|token| token.compact.len()).collect();
        if !self.speaks_for_itself(first, end, compact, &groups) {
            return None;
        }
        let fitting: Vec<(Carrier, Check)> = weak(compact).collect();
        let named = fitting.iter().find(|(carrier, _)| self.words().named.contains(carrier));
        let right = || fitting.iter().find(|(_, check)| *check == Check::Right);
        // A format without a check digit is taken when parcels are spoken of.
        let absent = || fitting.iter().find(|(_, check)| *check == Check::Absent && self.words().about_parcels);
        let &(carrier, check) = named.or_else(right).or_else(absent)?;
        let others =
            fitting.iter().filter(|(other, fits)| *other != carrier && *fits == Check::Right && named.is_none());
        Some(ParcelNumber {
            compact: String::from_utf8(compact.to_vec()).ok()?,
            carrier,
            others: others.map(|(other, _)| *other).collect(),
            check,
            country: None,
            at: tokens[0].at.start..tokens[tokens.len() - 1].at.end,
        })
    }

    /// Whether a row of digits may be taken for a parcel number.
    fn speaks_for_itself(&self, first: usize, end: usize, compact: &[u8], groups: &[usize]) -> bool {
        // The nearest word before it, or the one after, says what it is.
        for token in self.tokens[..first].iter().rev().take(NEAR) {
            let word = self.text[token.at.clone()].to_lowercase();
            if speaks_of_parcels(&word) || Carrier::named(&word).is_some() {
                return true;
            }
            if speaks_of_another(&word) {
                return false;
            }
        }
        let after = self.tokens.get(end).map(|token| self.text[token.at.clone()].to_lowercase());
        if after.is_some_and(|word| speaks_of_another(&word)) {
            return false;
        }
        if self.words().about_parcels {
            return !(compact[0] == b'0'
                && compact.len() <= 14
                && self.words().named.is_empty()
                && compact.starts_with(b"00"));
        }
        let like_a_phone = compact[0] == b'0' || matches!(groups, [3, 3, 4] | [5, 5] | [4, 6] | [5, 6] | [3, 7]);
        self.words().bare && !(compact.len() < 14 && like_a_phone)
    }

    /// GLS's Track ID: eight letters and digits, and the name beside it, since nothing else tells.
    fn track_id(&self, first: usize) -> Option<(ParcelNumber, usize)> {
        let token = &self.tokens[first];
        if token.kind != Kind::Mixed || token.compact.len() != 8 || !self.words().named.contains(&Carrier::Gls) {
            return None;
        }
        let compact = String::from_utf8(self.capitals[token.compact.clone()].to_vec()).ok()?;
        let number = ParcelNumber {
            compact,
            carrier: Carrier::Gls,
            others: Vec::new(),
            check: Check::Absent,
            country: None,
            at: token.at.clone(),
        };
        Some((number, first + 1))
    }
}

/// The better of what was typed and what was meant with letters for digits. (What was typed counts if both fit.)
fn better(typed: Option<(Strong, Vec<u8>)>, meant: Option<(Strong, Vec<u8>)>) -> Option<(Strong, Vec<u8>)> {
    match (typed, meant) {
        (Some(typed), Some(meant)) if meant.0.check > typed.0.check => Some(meant),
        (None, meant) => meant,
        (typed, _) => typed,
    }
}

/// An S10 number with letters where digits belong: O for 0, I or L for 1. Only if its check digit then fits.
fn unconfused(joined: &[u8]) -> Option<(Strong, Vec<u8>)> {
    if joined.len() != 13 || !joined[..2].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let digits = joined[2..11].iter().filter(|c| c.is_ascii_digit()).count();
    if !(5..9).contains(&digits) {
        return None;
    }
    let mut meant = joined.to_vec();
    for c in &mut meant[2..11] {
        *c = match *c {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
    }
    strong(&meant).filter(|strong| strong.check == Check::Right).map(|strong| (strong, meant))
}

/// ASCII for a digit or capital letter, also for the wide ones of East Asian keyboards.
fn digit(c: char) -> Option<u8> {
    match c {
        '0'..='9' => Some(c as u8),
        '\u{FF10}'..='\u{FF19}' => u8::try_from(u32::from(c) - 0xFF10).ok().map(|digit| b'0' + digit),
        '\u{FF21}'..='\u{FF3A}' => u8::try_from(u32::from(c) - 0xFF21).ok().map(|letter| b'A' + letter),
        _ => None,
    }
}

/// What people put between the groups of a number.
fn is_soft(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t' | '-' | '.' | '_' | '/' | '·' | '\u{A0}' | '\u{AD}' | '\u{2007}'
            ..='\u{2015}' | '\u{202F}' | '\u{2060}' | '\u{2212}' | '\u{FEFF}'
    )
}

/// Short words that could be taken for the letters of a number, typed as words.
fn is_small_word(word: &str) -> bool {
    const WORDS: [&str; 35] = [
        "am", "an", "as", "at", "be", "by", "da", "do", "er", "es", "go", "he", "if", "im", "in", "is", "it", "ja",
        "me", "my", "no", "nr", "of", "on", "or", "so", "to", "um", "up", "us", "we", "wo", "zu", "ab", "du",
    ];
    WORDS.contains(&word)
}

/// Words that make a row of digits a parcel number.
fn speaks_of_parcels(word: &str) -> bool {
    const STEMS: [&str; 17] = [
        "track",
        "parcel",
        "packag",
        "packet",
        "shipment",
        "consignment",
        "waybill",
        "airway",
        "deliver",
        "courier",
        "sendung",
        "paket",
        "päckchen",
        "lieferung",
        "zustell",
        "fracht",
        "verfolg",
    ];
    matches!(word, "awb" | "wismo") || STEMS.iter().any(|stem| word.starts_with(stem)) || word.ends_with("sendung")
}

/// Words that make a row of digits something else.
fn speaks_of_another(word: &str) -> bool {
    const STEMS: [&str; 32] = [
        "phone",
        "telephon",
        "telefon",
        "mobil",
        "handy",
        "cell",
        "call",
        "anruf",
        "rückruf",
        "fax",
        "whatsapp",
        "order",
        "bestell",
        "auftrag",
        "invoice",
        "rechnung",
        "card",
        "karte",
        "kreditkart",
        "visa",
        "mastercard",
        "amex",
        "account",
        "konto",
        "iban",
        "kunden",
        "customer",
        "member",
        "isbn",
        "imei",
        "serial",
        "booking",
    ];
    matches!(
        word,
        "tel" | "ring" | "ref" | "reference" | "referenz" | "ean" | "vat" | "ust" | "eori" | "buchung" | "po"
    ) || STEMS.iter().any(|stem| word.starts_with(stem))
        || word.ends_with("karte")
}

/// Words that say no more than "here is a number".
fn is_filler(word: &str) -> bool {
    const WORDS: [&str; 46] = [
        "a", "and", "hello", "here", "hi", "i", "id", "is", "it", "its", "meine", "mine", "my", "no", "number",
        "numbers", "ok", "please", "s", "sure", "thanks", "thats", "the", "this", "und", "yes", "bitte", "das", "die",
        "es", "hallo", "hier", "ist", "ja", "lautet", "nr", "nummer", "nummern", "sie", "danke", "code", "that", "for",
        "you", "thank", "sorry",
    ];
    WORDS.contains(&word)
}
