//! Numbers in a sentence: digits with the points and commas of a language, and words.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::words::Word;

/// No word for a number and a half is shorter.
const SHORTEST_HALF: usize = "eineinhalb".len();
/// No German word for tens and ones is shorter.
const SHORTEST_TWO_DIGITS: usize = "einundzwanzig".len();

/// The number that begins at a word, and how many words it takes.
pub fn number_at(words: &[Word<'_>], at: usize, language: &str) -> Option<(f64, usize)> {
    let (mut value, mut taken) = match decimal(words.get(at)?.raw, language) {
        Some(value) => match ratio(words, at, value) {
            Some(ratio) => return Some((ratio, 2)),
            None => (value, 1),
        },
        None => worded(words, at)?,
    };
    // "2 1/2", "2½", "two and a half".
    if value.fract() == 0.0 && value >= 1.0 {
        let next = at + taken;
        if let Some((part, used)) = fraction_at(words, next) {
            value += part;
            taken += used;
        }
    }
    Some((value, taken))
}

/// All numbers of a sentence, with the index of their first word. An article alone is none: nearly every sentence has one.
pub fn numbers(words: &[Word<'_>], language: &str) -> Vec<(f64, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match number_at(words, at, language) {
            Some((value, taken)) => {
                if taken > 1 || !is_article(&words[at].folded) {
                    found.push((value, at));
                }
                at += taken;
            }
            None => at += 1,
        }
    }
    found
}

/// Digits as they are written in a language: in English `1,500` is fifteen hundred and `1.500` one and a half, in
/// German the other way round. Where only one reading makes sense, it is taken in either.
pub fn decimal(raw: &str, language: &str) -> Option<f64> {
    if !raw.starts_with(|c: char| c.is_ascii_digit()) || raw.len() > 24 {
        return None;
    }
    let point = raw.rfind(['.', ',']);
    let (whole, part) = match point {
        None => (raw, ""),
        Some(at) => {
            let sign = raw.as_bytes()[at];
            let (whole, part) = (&raw[..at], &raw[at + 1..]);
            let of_thousands = if is_german(language) { b'.' } else { b',' };
            let repeated = whole.bytes().any(|c| c == sign);
            let mixed = whole.bytes().any(|c| matches!(c, b'.' | b',') && c != sign);
            let zero = whole.bytes().all(|c| c == b'0');
            let groups = part.len() == 3 && !zero && (1..=3).contains(&whole.len()) && sign == of_thousands;
            if repeated || (groups && !mixed) { (raw, "") } else { (whole, part) }
        }
    };
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    format!("{digits}.{part}0").parse().ok()
}

/// "1/2" where a number of digits begins: half; only for halves, thirds and the like.
fn ratio(words: &[Word<'_>], at: usize, value: f64) -> Option<f64> {
    let below = words.get(at + 1).filter(|word| word.before == "/")?;
    let below: f64 = below.raw.parse().ok().filter(|below| (2.0..=10.0).contains(below))?;
    (value >= 1.0 && value < below && value.fract() == 0.0).then_some(value / below)
}

/// What may follow a whole number as its fraction.
fn fraction_at(words: &[Word<'_>], at: usize) -> Option<(f64, usize)> {
    let word = words.get(at)?;
    if let Some(part) = vulgar(word.raw) {
        return Some((part, 1));
    }
    if let Some(value) = decimal(word.raw, "en") {
        return ratio(words, at, value).map(|part| (part, 2));
    }
    // "and a half", "und ein halbes".
    let mut next = at;
    for expected in [["and", "und"], ["a", "ein"], ["one", "einen"]] {
        if words.get(next).is_some_and(|word| expected.contains(&word.folded.as_str())) {
            next += 1;
        }
    }
    let part = words.get(next).filter(|_| next > at).and_then(|word| part(&word.folded))?;
    Some((part, next + 1 - at))
}

fn worded(words: &[Word<'_>], at: usize) -> Option<(f64, usize)> {
    let word = &words[at];
    if let Some(value) = vulgar(word.raw) {
        return Some((value, 1));
    }
    let next = |after: usize| words.get(at + after).map(|word| word.folded.as_str());
    // "half a kilo", "a half", "ein halbes".
    if let Some(value) = part(&word.folded) {
        let article = next(1).is_some_and(|word| matches!(word, "a" | "an" | "ein" | "eine"));
        return Some((value, 1 + usize::from(article)));
    }
    if is_article(&word.folded) {
        if let Some(value) = next(1).and_then(part) {
            return Some((value, 2));
        }
        if let Some(many) = next(1).and_then(collective) {
            let of = next(2) == Some("of");
            return Some((many, 2 + usize::from(of)));
        }
    }
    if let Some(value) = with_half(&word.folded) {
        return Some((value, 1));
    }
    let mut value = small(&word.folded)?;
    let mut taken = 1;
    // "twenty five"
    if (20.0..100.0).contains(&value)
        && value % 10.0 == 0.0
        && let Some(ones) = next(1).and_then(small).filter(|ones| (1.0..10.0).contains(ones))
        && !next(1).is_some_and(is_article)
    {
        value += ones;
        taken += 1;
    }
    if let Some(times) = next(taken).and_then(|word| match word {
        "hundred" | "hundert" => Some(100.0),
        "thousand" | "tausend" => Some(1_000.0),
        _ => None,
    }) {
        value *= times;
        taken += 1;
    }
    Some((value, taken))
}

fn vulgar(raw: &str) -> Option<f64> {
    match raw {
        "½" => Some(0.5),
        "¼" => Some(0.25),
        "¾" => Some(0.75),
        _ => None,
    }
}

fn is_article(word: &str) -> bool {
    matches!(word, "a" | "an" | "ein" | "eine" | "einen" | "einem" | "einer" | "eines")
}

fn part(word: &str) -> Option<f64> {
    match word {
        "half" | "halb" | "halbe" | "halber" | "halbes" | "halben" | "halbem" => Some(0.5),
        "quarter" | "viertel" => Some(0.25),
        "dreiviertel" => Some(0.75),
        _ => None,
    }
}

fn collective(word: &str) -> Option<f64> {
    match word {
        "couple" | "paar" => Some(2.0),
        "dozen" | "dutzend" => Some(12.0),
        _ => None,
    }
}

/// "eineinhalb", "zweieinhalb", "anderthalb".
fn with_half(word: &str) -> Option<f64> {
    if let Some(rest) = word.strip_prefix("anderthalb") {
        return (rest.len() <= 2).then_some(1.5);
    }
    if word.len() < SHORTEST_HALF {
        return None;
    }
    let (whole, rest) = word.split_once("einhalb")?;
    small(whole).filter(|_| rest.len() <= 2).map(|whole| whole + 0.5)
}

const ONES: [&[&str]; 20] = [
    &["zero", "null"],
    &["one", "ein", "eins", "eine", "einen", "einem", "einer", "eines", "a", "an"],
    &["two", "zwei", "zwo"],
    &["three", "drei"],
    &["four", "vier"],
    &["five", "funf", "fuenf"],
    &["six", "sechs"],
    &["seven", "sieben"],
    &["eight", "acht"],
    &["nine", "neun"],
    &["ten", "zehn"],
    &["eleven", "elf"],
    &["twelve", "zwolf", "zwoelf"],
    &["thirteen", "dreizehn"],
    &["fourteen", "vierzehn"],
    &["fifteen", "funfzehn", "fuenfzehn"],
    &["sixteen", "sechzehn"],
    &["seventeen", "siebzehn"],
    &["eighteen", "achtzehn"],
    &["nineteen", "neunzehn"],
];
const TENS: [&[&str]; 9] = [
    &["twenty", "zwanzig"],
    &["thirty", "dreissig"],
    &["forty", "fourty", "vierzig"],
    &["fifty", "funfzig", "fuenfzig"],
    &["sixty", "sechzig"],
    &["seventy", "siebzig"],
    &["eighty", "achtzig"],
    &["ninety", "neunzig"],
    &["hundred", "hundert"],
];

/// All of these and what they are worth. Every word of every message is looked for among them.
static NUMBER_WORDS: LazyLock<HashMap<&str, f64, FixedState>> = LazyLock::new(|| {
    let ones = ONES.iter().zip(0_u32..);
    let tens = TENS.iter().zip((20_u32..).step_by(10));
    ones.chain(tens).flat_map(|(words, value)| words.iter().map(move |word| (*word, f64::from(value)))).collect()
});

/// A number word up to a hundred, English or German.
fn small(word: &str) -> Option<f64> {
    if let Some(value) = NUMBER_WORDS.get(word) {
        return Some(*value);
    }
    if word.len() < SHORTEST_TWO_DIGITS {
        return None;
    }
    let (ones, tens) = word.split_once("und")?;
    let ones = NUMBER_WORDS.get(ones).filter(|ones| (1.0..10.0).contains(*ones))?;
    let tens = NUMBER_WORDS.get(tens).filter(|tens| (20.0..100.0).contains(*tens))?;
    Some(tens + ones)
}

fn is_german(language: &str) -> bool {
    language == "de" || language.starts_with("de-")
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn all(text: &str, language: &str) -> Vec<f64> {
        numbers(&words(text), language).into_iter().map(|(value, _)| value).collect()
    }

    #[test]
    fn points_and_commas_are_read_as_the_language_has_them() {
        for (raw, english, german) in [
            ("2", 2.0, 2.0),
            ("2.5", 2.5, 2.5),
            ("2,5", 2.5, 2.5),
            ("2,50", 2.5, 2.5),
            ("1,500", 1_500.0, 1.5),
            ("1.500", 1.5, 1_500.0),
            ("0.500", 0.5, 0.5),
            ("0,500", 0.5, 0.5),
            ("1.500,50", 1_500.5, 1_500.5),
            ("1,500.50", 1_500.5, 1_500.5),
            ("1.500.000", 1_500_000.0, 1_500_000.0),
            ("1'500", 1_500.0, 1_500.0),
            ("1234.567", 1234.567, 1234.567),
        ] {
            assert_eq!(decimal(raw, "en"), Some(english), "{raw} in English");
            assert_eq!(decimal(raw, "de"), Some(german), "{raw} in German");
        }
        assert_eq!(decimal("kg", "en"), None);
        assert_eq!(decimal(&"9".repeat(25), "en"), None);
    }

    #[test]
    fn words_are_numbers() {
        for (text, value) in [
            ("two", 2.0),
            ("half", 0.5),
            ("half a", 0.5),
            ("a half", 0.5),
            ("½", 0.5),
            ("1/2", 0.5),
            ("2 1/2", 2.5),
            ("2½", 2.5),
            ("two and a half", 2.5),
            ("one and a half", 1.5),
            ("a couple of", 2.0),
            ("a dozen", 12.0),
            ("twenty five", 25.0),
            ("two hundred", 200.0),
            ("zwei", 2.0),
            ("fünf", 5.0),
            ("fuenf", 5.0),
            ("ein halbes", 0.5),
            ("halbes", 0.5),
            ("eineinhalb", 1.5),
            ("anderthalb", 1.5),
            ("zweieinhalb", 2.5),
            ("einundzwanzig", 21.0),
            ("zwölf", 12.0),
            ("dreißig", 30.0),
            ("zwei und ein halbes", 2.5),
        ] {
            assert_eq!(all(text, "en"), [value], "{text}");
        }
        assert_eq!(all("hello and goodbye, und tschüss", "en"), [0.0; 0]);
        assert_eq!(all("do I need a printer for an 80 g letter, und eine Marke", "en"), [80.0]);
    }
}
