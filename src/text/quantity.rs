//! Weights and sizes in a sentence: "2 kg", "half a kilo", "5 lb 3 oz", "30x20x10 cm", "30 lang, 20 breit, 10 hoch".

use std::ops::Range;

use super::number::{decimal, number_at, numbers};
use super::words::{Word, words};

/// A weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// In grams.
    pub grams: f64,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// A length, or two or three of them that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// In centimetres, in the order in which they were said, or length, width, height if it says which is which.
    pub cm: Vec<f64>,
    /// Whether a unit was said. Without one they are taken for centimetres.
    pub has_unit: bool,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// A weight more than this is no parcel's and perhaps no number at all.
const HEAVIEST: f64 = 1e9;

/// The weights of a sentence. Parts that follow each other are one: "5 lb 3 oz", "2 kg 500 g". A weight of nothing
/// and one below it ("-2 kg") are given as they are; whoever uses them has to refuse them.
pub fn weights(text: &str, language: &str) -> Vec<Weight> {
    let words = words(text);
    let mut found: Vec<Weight> = Vec::new();
    // The word after the last weight and the grams of its unit.
    let (mut end, mut unit) = (0, 0.0);
    let mut at = 0;
    while at < words.len() {
        let Some((grams, of_unit, taken)) = weight_at(&words, at, language) else {
            at += 1;
            continue;
        };
        let place = words[at].at.start..words[at + taken - 1].at.end;
        match found.last_mut() {
            Some(before) if at == end && of_unit < unit && !words[at].is_parted() => {
                before.grams += grams;
                before.at.end = place.end;
            }
            _ => found.push(Weight { grams, at: place }),
        }
        at += taken;
        end = at;
        unit = of_unit;
    }
    found.retain(|weight| weight.grams.abs() <= HEAVIEST);
    found
}

/// A weight that begins at a word: its grams, those of its unit, and how many words it takes.
fn weight_at(words: &[Word<'_>], at: usize, language: &str) -> Option<(f64, f64, usize)> {
    let (value, mut taken) = number_at(words, at, language)?;
    let of = words.get(at + taken).is_some_and(|word| word.folded == "of" || word.folded == "a");
    let unit = words.get(at + taken + usize::from(of))?;
    let grams = grams(&unit.folded)?;
    taken += 1 + usize::from(of);
    let mut value = value;
    // "a kilo and a half"
    let after = |by: usize| words.get(at + taken + by).map(|word| word.folded.as_str());
    if matches!((after(0), after(1), after(2)), (Some("and"), Some("a"), Some("half"))) {
        value += 0.5;
        taken += 3;
    }
    let negative =
        matches!(words[at].before, "-" | "−" | "–") && words[at].raw.starts_with(|c: char| c.is_ascii_digit());
    // A dash that parts two words is none that makes less than nothing: "Lyon - 2 kg" against "-2 kg".
    let negative = negative && (at == 0 || words[at].at.start - words[at - 1].at.end <= words[at].before.len() + 1);
    Some((if negative { -value * grams } else { value * grams }, grams, taken))
}

/// The grams of a unit. The German pound is half a kilogram.
fn grams(unit: &str) -> Option<f64> {
    Some(match unit {
        "kg" | "kgs" | "kilo" | "kilos" | "kilogram" | "kilograms" | "kilogramm" | "kilogramme" | "kilogrammes"
        | "kilogramms" | "kq" => 1_000.0,
        "g" | "gr" | "gm" | "gms" | "gram" | "grams" | "gramm" | "gramme" | "grammes" => 1.0,
        "pfund" | "pfd" => 500.0,
        "lb" | "lbs" | "pound" | "pounds" => 453.592_37,
        "oz" | "ounce" | "ounces" | "unze" | "unzen" => 28.349_523_125,
        "stone" | "stones" => 6_350.293_18,
        "ton" | "tons" | "tonne" | "tonnes" | "tonnen" => 1_000_000.0,
        "zentner" => 50_000.0,
        _ => return None,
    })
}

/// The size of something in a sentence: three lengths, or two, that are joined by "x", "by", "mal" and the like or
/// that say which they are. The first such of the sentence.
pub fn size(text: &str, language: &str) -> Option<Size> {
    let words = words(text);
    joined(&words, text, language).or_else(|| labelled(&words, text, language))
}

/// "30 x 20 x 10 cm"
fn joined(words: &[Word<'_>], text: &str, language: &str) -> Option<Size> {
    let mut first = 0;
    while first < words.len() {
        let mut lengths = Vec::new();
        let mut at = first;
        while let Some((length, next)) = length_at(words, text, at, language) {
            lengths.push(length);
            at = next;
            match after_joint(words, at) {
                Some(next) if lengths.len() < 3 => at = next,
                _ => break,
            }
        }
        if lengths.len() >= 2 {
            // The unit at the end holds for all that have none of their own.
            let last = lengths.iter().rev().find_map(|&(_, unit)| unit);
            let cm = lengths.iter().map(|&(value, unit)| value * unit.or(last).unwrap_or(1.0)).collect();
            return Some(Size { cm, has_unit: last.is_some(), at: words[first].at.start..words[at - 1].at.end });
        }
        first += 1;
    }
    None
}

/// A number with its unit of length, if it has one, and the word after.
fn length_at(words: &[Word<'_>], text: &str, at: usize, language: &str) -> Option<((f64, Option<f64>), usize)> {
    let (value, taken) = match decimal(words.get(at)?.raw, language) {
        Some(value) => (value, 1),
        None => number_at(words, at, language)?,
    };
    let next = at + taken;
    // Marks for inches and feet are no words.
    let rest = &text[words[next - 1].at.end..];
    if rest.starts_with(['"', '”', '″']) {
        return Some(((value, Some(INCH)), next));
    }
    match words.get(next).and_then(|word| centimetres(&word.folded)) {
        Some(unit) => Some(((value, Some(unit)), next + 1)),
        None => Some(((value, None), next)),
    }
}

/// Where the next length begins if the words here join two: "x", "by", "mal", "×".
fn after_joint(words: &[Word<'_>], at: usize) -> Option<usize> {
    let word = words.get(at)?;
    if word.before.contains(['×', '*', '✕']) || word.before.ends_with('x') {
        return Some(at);
    }
    matches!(word.folded.as_str(), "x" | "by" | "mal" | "auf" | "times").then_some(at + 1)
}

/// "30 cm long, 20 wide and 10 high", "Länge 30, Breite 20, Höhe 10"
fn labelled(words: &[Word<'_>], text: &str, language: &str) -> Option<Size> {
    let mut sides = [None; 3];
    let mut unit = None;
    let mut at: Option<Range<usize>> = None;
    let mut labels_come_first = None;
    for (_, first) in numbers(words, language) {
        let ((value, own), next) = length_at(words, text, first, language)?;
        let before = first.checked_sub(1).and_then(|at| side(&words[at].folded));
        let after = words.get(next).filter(|word| !word.is_parted()).and_then(|word| side(&word.folded));
        let labels_come_first = *labels_come_first.get_or_insert(before.is_some());
        let Some(side) = (if labels_come_first { before } else { after }) else { continue };
        sides[side].get_or_insert((value, own));
        unit = unit.or(own);
        let place = words[first].at.start..words[next - 1].at.end;
        at = Some(at.map_or(place.clone(), |at| at.start..place.end));
    }
    let said: Vec<f64> =
        sides.iter().flatten().map(|&(value, own): &(f64, Option<f64>)| value * own.or(unit).unwrap_or(1.0)).collect();
    let at = at.filter(|_| said.len() >= 2)?;
    Some(Size { cm: said, has_unit: unit.is_some(), at })
}

fn side(word: &str) -> Option<usize> {
    Some(match word {
        "long" | "length" | "l" | "lang" | "lange" | "laenge" => 0,
        "wide" | "width" | "w" | "b" | "breit" | "breite" => 1,
        "high" | "height" | "h" | "tall" | "deep" | "depth" | "d" | "hoch" | "hohe" | "hoehe" | "tief" | "tiefe" => 2,
        _ => return None,
    })
}

const INCH: f64 = 2.54;

fn centimetres(unit: &str) -> Option<f64> {
    Some(match unit {
        "cm" | "cms" | "centimetre" | "centimetres" | "centimeter" | "centimeters" | "zentimeter" | "zentimetern" => {
            1.0
        }
        "mm" | "millimetre" | "millimetres" | "millimeter" | "millimeters" => 0.1,
        "m" | "metre" | "metres" | "meter" | "meters" | "metern" => 100.0,
        "in" | "inch" | "inches" | "zoll" => INCH,
        "ft" | "foot" | "feet" => 30.48,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_found() {
        for (text, language, grams) in [
            ("2 kg", "en", vec![2_000.0]),
            ("2kg from Berlin to Lyon express", "en", vec![2_000.0]),
            ("how much is 2.5 kilos to France", "en", vec![2_500.0]),
            ("1,5 kg nach Wien", "de", vec![1_500.0]),
            ("1.500 g", "de", vec![1_500.0]),
            ("1,500 g", "en", vec![1_500.0]),
            ("500gr", "en", vec![500.0]),
            ("two kilos", "en", vec![2_000.0]),
            ("zwei Kilo", "de", vec![2_000.0]),
            ("half a kilo", "en", vec![500.0]),
            ("ein halbes Kilo", "de", vec![500.0]),
            ("anderthalb Kilo", "de", vec![1_500.0]),
            ("zweieinhalb kg", "de", vec![2_500.0]),
            ("a kilo", "en", vec![1_000.0]),
            ("a kilo and a half", "en", vec![1_500.0]),
            ("2 1/2 kg", "en", vec![2_500.0]),
            ("2½kg", "en", vec![2_500.0]),
            ("ein Pfund", "de", vec![500.0]),
            ("2 kg 500 g", "en", vec![2_500.0]),
            ("16 oz", "en", vec![453.592_37]),
            ("5 lbs 8 oz", "en", vec![5.5 * 453.592_37]),
            ("no, 3 kg", "en", vec![3_000.0]),
            ("one parcel of 2 kg and one of 4 kg", "en", vec![2_000.0, 4_000.0]),
            ("0 kg", "en", vec![0.0]),
            ("-2 kg", "en", vec![-2_000.0]),
            ("Lyon - 2 kg", "en", vec![2_000.0]),
            ("to France, 2 kg", "en", vec![2_000.0]),
            ("99999999999999999999 kg", "en", vec![]),
            ("the g force of 5", "en", vec![]),
            ("what is a kilometre", "en", vec![]),
            ("", "en", vec![]),
        ] {
            let found: Vec<f64> = weights(text, language).into_iter().map(|weight| weight.grams).collect();
            assert_eq!(found.len(), grams.len(), "{text}: {found:?}");
            for (found, expected) in found.iter().zip(&grams) {
                assert!((found - expected).abs() < 0.001, "{text}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn sizes_are_found() {
        for (text, language, cm) in [
            ("30x20x10 cm", "en", vec![30.0, 20.0, 10.0]),
            ("30x20x10", "en", vec![30.0, 20.0, 10.0]),
            ("30 by 20 by 10", "en", vec![30.0, 20.0, 10.0]),
            ("30cm x 20cm x 10cm", "en", vec![30.0, 20.0, 10.0]),
            ("30×20×10cm", "en", vec![30.0, 20.0, 10.0]),
            ("30 * 20 * 10", "en", vec![30.0, 20.0, 10.0]),
            ("30 mal 20 mal 10 Zentimeter", "de", vec![30.0, 20.0, 10.0]),
            ("300 x 200 x 100 mm", "en", vec![30.0, 20.0, 10.0]),
            ("12x8x4 in", "en", vec![30.48, 20.32, 10.16]),
            ("12 x 8 x 4 inches, 2 kg", "en", vec![30.48, 20.32, 10.16]),
            ("12\" x 8\" x 4\"", "en", vec![30.48, 20.32, 10.16]),
            ("1m x 50cm x 20cm", "en", vec![100.0, 50.0, 20.0]),
            ("30,5 x 20,5 x 10 cm", "de", vec![30.5, 20.5, 10.0]),
            ("30 cm long, 20 cm wide, 10 cm high", "en", vec![30.0, 20.0, 10.0]),
            ("10 hoch, 20 breit und 30 cm lang", "de", vec![30.0, 20.0, 10.0]),
            ("Länge 30 Breite 20 Höhe 10", "de", vec![30.0, 20.0, 10.0]),
            ("a box of 2 kg, 30x20x10", "en", vec![30.0, 20.0, 10.0]),
            ("a box, length 30, width 20, height 10", "en", vec![30.0, 20.0, 10.0]),
            ("30x20", "en", vec![30.0, 20.0]),
            ("2 parcels to France", "en", vec![]),
            ("2 kg from Berlin", "en", vec![]),
        ] {
            let found = size(text, language).map(|size| size.cm).unwrap_or_default();
            assert_eq!(found.len(), cm.len(), "{text}: {found:?}");
            for (found, expected) in found.iter().zip(&cm) {
                assert!((found - expected).abs() < 0.001, "{text}: {found} is not {expected}");
            }
        }
    }
}
