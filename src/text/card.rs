//! Card numbers, which nobody should write into a chat.

use super::parcel::{is_card, parcel_numbers};

/// The shortest number of a card, in digits, and the longest.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;
/// So many digits at the end stay, as on receipts.
const SHOWN: usize = 4;

/// The text with all digits of its card numbers but the last four made dots; `None` if there is no card number in it.
/// What has the form and the check digit of a card and is a parcel number by another sign stays.
pub fn without_cards(text: &str) -> Option<String> {
    // Nearly all messages end here.
    text.bytes().filter(u8::is_ascii_digit).nth(SHORTEST - 1)?;
    let groups = groups(text);
    let mut hidden: Vec<usize> = Vec::new();
    let mut from = 0;
    while from < groups.len() {
        match card_at(text, &groups[from..]) {
            Some((count, digits)) => {
                hidden.extend(&digits[..digits.len() - SHOWN]);
                from += count;
            }
            None => from += 1,
        }
    }
    if hidden.is_empty() {
        return None;
    }
    let parcels = parcel_numbers(text);
    hidden.retain(|at| !parcels.iter().any(|parcel| parcel.at.contains(at)));
    let hide = |(at, c)| if hidden.binary_search(&at).is_ok() { '•' } else { c };
    (!hidden.is_empty()).then(|| text.char_indices().map(hide).collect())
}

/// Rows of digits, each with its place and its length.
fn groups(text: &str) -> Vec<(usize, usize)> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => groups.push((at, 1)),
        }
    }
    groups
}

/// The longest card number that begins with the first of these groups: how many of them it takes, and where its digits
/// are.
fn card_at(text: &str, groups: &[(usize, usize)]) -> Option<(usize, Vec<usize>)> {
    let mut digits: Vec<usize> = Vec::new();
    let mut found = None;
    let mut end = None;
    for (count, &(start, length)) in groups.iter().enumerate() {
        let joins = end.is_none_or(|end| matches!(&text[end..start], " " | "-" | "." | "\u{a0}" | "\u{202f}" | "  "));
        if !joins || digits.len() + length > LONGEST {
            break;
        }
        digits.extend(start..start + length);
        end = Some(start + length);
        let compact: Vec<u8> = digits.iter().map(|&at| text.as_bytes()[at]).collect();
        if is_card(&compact) {
            found = Some((count + 1, digits.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_hidden_but_for_their_end() {
        for (text, expected) in [
            ("4111111111111111", "••••••••••••1111"),
            ("my card is 4111 1111 1111 1111, ok?", "my card is •••• •••• •••• 1111, ok?"),
            ("4111-1111-1111-1111 12/27 123", "••••-••••-••••-1111 12/27 123"),
            ("4111 1111 1111 1111 12 27 123", "•••• •••• •••• 1111 12 27 123"),
            ("amex 3782 822463 10005 und 5555555555554444.", "amex •••• •••••• •0005 und ••••••••••••4444."),
            ("über 4111\u{a0}1111\u{a0}1111\u{a0}1111", "über ••••\u{a0}••••\u{a0}••••\u{a0}1111"),
            ("number 12 4111111111111111", "number 12 ••••••••••••1111"),
        ] {
            assert_eq!(without_cards(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_numbers_stay() {
        for text in [
            "",
            "where is my parcel?",
            // One digit further, and the check digit does not fit.
            "4111111111111112",
            "+49 170 1234567, order 2026-1234567",
            "00340434292135100186",
            "RR123456785GB 1Z9999999999999999",
            "41111111111111114111111111111111",
        ] {
            assert_eq!(without_cards(text), None, "{text}");
        }
    }
}
