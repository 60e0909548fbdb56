//! Amounts of money: found in a sentence, and written in a language.

use std::ops::Range;

use super::number::{decimal, number_at};
use super::words::{Word, words};

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// In the smallest unit: pence, cents.
    pub minor: i64,
    /// ISO 4217: three capital letters.
    pub currency: &'static str,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// What may stand between a sign and its number.
const BLANKS: [char; 3] = [' ', '\u{A0}', '\u{202F}'];

/// More than this is nobody's price and perhaps no number at all.
const MOST: f64 = 1e12;

/// The amounts of a sentence: "£12.50", "12,50 €", "EUR 12", "20 dollars", "five quid", "99p".
pub fn amounts(text: &str, language: &str) -> Vec<Money> {
    let words = words(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        // A sign belongs to one number.
        let end = found.last().map_or(0, |money: &Money| money.at.end);
        match amount_at(&words, text, at, end, language) {
            Some((money, next)) => {
                found.push(money);
                at = next;
            }
            None => at += 1,
        }
    }
    found
}

/// The amount that begins at a word, or with a sign before it that stands behind `end`.
fn amount_at(words: &[Word<'_>], text: &str, at: usize, end: usize, language: &str) -> Option<(Money, usize)> {
    // "EUR 12"
    if let Some((currency, 1.0)) = unit(&words[at].folded, words[at].raw)
        && words[at].raw.len() == 3
        && let Some(number) = words.get(at + 1)
        && let Some(value) = decimal(number.raw, language)
    {
        let money = money(value, 1.0, currency, words[at].at.start..number.at.end)?;
        return Some((money, at + 2));
    }
    let (value, taken) = number_at(words, at, language)?;
    let (first, last) = (&words[at], &words[at + taken - 1]);
    // "£12", "£ 12"
    let before = text[end.min(first.at.start)..first.at.start].trim_end_matches(BLANKS);
    if let Some(sign) = before.chars().next_back()
        && let Some(currency) = sign_of(sign)
    {
        let from = end + before.len() - sign.len_utf8();
        return Some((money(value, 1.0, currency, from..last.at.end)?, at + taken));
    }
    // "12 €"
    let rest = text[last.at.end..].trim_start_matches(BLANKS);
    let begins = text.len() - rest.len();
    if let Some(sign) = rest.chars().next()
        && let Some(currency) = sign_of(sign)
    {
        return Some((money(value, 1.0, currency, first.at.start..begins + sign.len_utf8())?, at + taken));
    }
    // "12 euros", "99p"
    let word = words.get(at + taken).filter(|word| word.before.is_empty())?;
    let (currency, part) = unit(&word.folded, word.raw)?;
    Some((money(value, part, currency, first.at.start..word.at.end)?, at + taken + 1))
}

fn money(value: f64, part: f64, currency: &'static str, at: Range<usize>) -> Option<Money> {
    let minor = (value * part * 100.0).round();
    // In range, so nothing is cut off.
    #[allow(clippy::cast_possible_truncation)]
    (minor <= MOST).then_some(Money { minor: minor as i64, currency, at })
}

fn sign_of(sign: char) -> Option<&'static str> {
    match sign {
        '€' => Some("EUR"),
        '£' => Some("GBP"),
        '$' => Some("USD"),
        _ => None,
    }
}

/// A word for a currency, and how much of its unit the word stands for.
fn unit(word: &str, raw: &str) -> Option<(&'static str, f64)> {
    Some(match word {
        "eur" | "euro" | "euros" => ("EUR", 1.0),
        "ct" | "cent" | "cents" => ("EUR", 0.01),
        "gbp" | "quid" | "pound" | "pounds" | "pfund" => ("GBP", 1.0),
        "p" | "pence" | "penny" if raw != "P" => ("GBP", 0.01),
        "usd" | "dollar" | "dollars" | "bucks" => ("USD", 1.0),
        "chf" | "franken" | "francs" => ("CHF", 1.0),
        _ => return None,
    })
}

/// An amount as a language writes it: "£12.50", "12,50 £". Other currencies show their code.
pub fn written(minor: i64, currency: &str, language: &str) -> String {
    let german = language == "de" || language.starts_with("de-");
    let sign = match currency {
        "EUR" => "€",
        "GBP" => "£",
        "USD" => "$",
        code => code,
    };
    let (whole, part) = (minor.unsigned_abs() / 100, minor.unsigned_abs() % 100);
    let mut digits = whole.to_string();
    let mut at = digits.len();
    while at > 3 {
        at -= 3;
        digits.insert(at, if german { '.' } else { ',' });
    }
    let minus = if minor < 0 { "−" } else { "" };
    match (german, sign.len() > 2 && sign.is_ascii()) {
        (true, _) => format!("{minus}{digits},{part:02} {sign}"),
        (false, true) => format!("{minus}{sign} {digits}.{part:02}"),
        (false, false) => format!("{minus}{sign}{digits}.{part:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_found() {
        for (text, language, expected) in [
            ("it was £12.50", "en", vec![(1_250, "GBP")]),
            ("12,50 €", "de", vec![(1_250, "EUR")]),
            ("€ 12,50 oder £ 5", "de", vec![(1_250, "EUR"), (500, "GBP")]),
            ("12 € 50 Cent", "de", vec![(1_200, "EUR"), (50, "EUR")]),
            ("12,50€ bezahlt", "de", vec![(1_250, "EUR")]),
            ("EUR 12", "en", vec![(1_200, "EUR")]),
            ("1.200,50 Euro", "de", vec![(120_050, "EUR")]),
            ("$1,200", "en", vec![(120_000, "USD")]),
            ("a refund of 45 pounds", "en", vec![(4_500, "GBP")]),
            ("five quid", "en", vec![(500, "GBP")]),
            ("99p", "en", vec![(99, "GBP")]),
            ("50 cents", "en", vec![(50, "EUR")]),
            ("20 dollars and 10 euros", "en", vec![(2_000, "USD"), (1_000, "EUR")]),
            ("2 kg to France", "en", vec![]),
            ("£", "en", vec![]),
            ("99999999999999999999 €", "en", vec![]),
        ] {
            let found: Vec<_> =
                amounts(text, language).into_iter().map(|money| (money.minor, money.currency)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn amounts_are_written() {
        for (minor, currency, english, german) in [
            (1_250, "GBP", "£12.50", "12,50 £"),
            (5, "EUR", "€0.05", "0,05 €"),
            (123_456_789, "USD", "$1,234,567.89", "1.234.567,89 $"),
            (-250, "GBP", "−£2.50", "−2,50 £"),
            (100, "CHF", "CHF 1.00", "1,00 CHF"),
        ] {
            assert_eq!(written(minor, currency, "en"), english);
            assert_eq!(written(minor, currency, "de"), german);
        }
        assert_eq!(written(i64::MIN, "GBP", "en"), "−£92,233,720,368,547,758.08");
    }
}
