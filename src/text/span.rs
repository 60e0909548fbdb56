//! How long something takes, or how heavy it is: "3 to 5 working days", "zwei Wochen", "within an hour", "30 kg".

use super::number::number_at;
use super::words::{Word, words};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Of time.
    Minutes,
    /// Of time.
    Hours,
    /// Of time; working days, too.
    Days,
    /// Of time.
    Weeks,
    /// Of time.
    Months,
    /// Of time.
    Years,
    /// Of weight.
    Kilograms,
    /// Of length.
    Centimetres,
}

/// So many of it, in tenths.
pub type Span = (i64, Unit);

/// The spans of a sentence. Of "2 to 3 days" there are two.
pub fn spans(text: &str, language: &str) -> Vec<Span> {
    let words = words(text);
    let mut found = Vec::new();
    // Numbers that may still get their unit.
    let mut numbers: Vec<f64> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let word = words[at].folded.as_str();
        if words[at].before.contains(['.', ';', ':', '!', '?', '(', ')', '\n']) {
            numbers.clear();
        }
        if let Some((value, taken)) = number_at(&words, at, language).filter(|_| counts(&words, at)) {
            numbers.push(value);
            at += taken;
            continue;
        }
        if let Some(unit) = unit(word) {
            found.extend(numbers.drain(..).filter_map(|value| Some((tenths(value)?, unit))));
        } else if !goes_on(word) {
            numbers.clear();
        }
        at += 1;
    }
    found
}

/// An article is one only where a time is told: "within a week", and not in "three times a week".
fn counts(words: &[Word<'_>], at: usize) -> bool {
    let is_article = matches!(words[at].folded.as_str(), "a" | "an" | "ein" | "eine" | "einen" | "einem" | "einer");
    let before = at.checked_sub(1).map(|at| words[at].folded.as_str());
    let tells = ["within", "in", "after", "takes", "take", "for", "about", "than", "by", "least", "only", "just"];
    let sagt = ["innerhalb", "binnen", "nach", "dauert", "etwa", "rund", "vor", "seit", "als", "nur", "noch"];
    !is_article || before.is_some_and(|before| tells.contains(&before) || sagt.contains(&before))
}

/// What may stand between a number and its unit.
fn goes_on(word: &str) -> bool {
    let between =
        ["to", "or", "and", "bis", "oder", "und", "working", "business", "calendar", "full", "more", "further"];
    between.contains(&word) || ["weitere", "weiteren", "volle", "vollen", "ganze", "ganzen"].contains(&word)
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "minute" | "minutes" | "min" | "mins" | "minuten" => Unit::Minutes,
        "hour" | "hours" | "hr" | "hrs" | "stunde" | "stunden" => Unit::Hours,
        "day" | "days" | "tag" | "tage" | "tagen" | "werktag" | "werktage" | "werktagen" | "werktags"
        | "arbeitstag" | "arbeitstage" | "arbeitstagen" | "kalendertage" | "kalendertagen" => Unit::Days,
        "week" | "weeks" | "woche" | "wochen" => Unit::Weeks,
        "month" | "months" | "monat" | "monate" | "monaten" => Unit::Months,
        "year" | "years" | "jahr" | "jahre" | "jahren" => Unit::Years,
        "kg" | "kilo" | "kilos" | "kilogram" | "kilograms" | "kilogramm" => Unit::Kilograms,
        "cm" | "centimetre" | "centimetres" | "centimeter" | "centimeters" | "zentimeter" => Unit::Centimetres,
        _ => return None,
    })
}

fn tenths(value: f64) -> Option<i64> {
    let tenths = (value * 10.0).round();
    // In range, so nothing is cut off.
    #[allow(clippy::cast_possible_truncation)]
    (0.0..1e9).contains(&tenths).then_some(tenths as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_found() {
        use Unit::*;
        for (text, expected) in [
            ("It takes 3 to 5 working days.", vec![(30, Days), (50, Days)]),
            ("2–3 business days", vec![(20, Days), (30, Days)]),
            ("seven days, and a 30-day return", vec![(70, Days), (300, Days)]),
            ("within a week or an hour", vec![(10, Weeks)]),
            ("zwei bis drei Werktage", vec![(20, Days), (30, Days)]),
            ("binnen einer Stunde", vec![(10, Hours)]),
            ("up to 30 kg and 2.5 kilos", vec![(300, Kilograms), (25, Kilograms)]),
            ("120 × 60 cm", vec![(1_200, Centimetres), (600, Centimetres)]),
            ("24 hours a day, three times a week", vec![(240, Hours)]),
            ("up to £50. 3 days", vec![(30, Days)]),
            ("one parcel takes days", vec![]),
            ("call 020 7946 0123 any day", vec![]),
        ] {
            assert_eq!(spans(text, "en"), expected, "{text}");
        }
    }
}
