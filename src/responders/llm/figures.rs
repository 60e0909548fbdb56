//! Numbers of an answer, and words that say as much as one: months, times of the day, words for money.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::facts::Breach;
use crate::text::words::fold;

static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\d+(?:[.,]\d+)*"));
/// "1,500" and "1.500" are as good as "1500".
static GROUPED: LazyLock<Regex> = LazyLock::new(|| regex(r"^\d{1,3}(?:[.,]\d{3})+$"));

/// Folded. Who names one of these names a time or an amount.
static TERMS: LazyLock<[(Breach, Regex); 2]> = LazyLock::new(|| {
    let months = r"january|february|april|june|july|august|september|october|november|december|januar|februar|marz|juni|juli|oktober|dezember|(?:in|of|by|until|since|before|after|early|late|mid) (?:march|may)|(?:im|bis|seit|ab|anfang|mitte|ende) mai";
    let days = r"christmas|easter|weihnachten|ostern|(?:next|this|last) (?:month|year|quarter)|(?:nachste[nrs]?|diese[nrs]?|letzte[nrs]?|kommende[nrs]?) (?:monat|jahr)s?|fortnight|weekends?|wochenenden?";
    let hours = r"mornings?|afternoons?|evenings?|noon|midday|midnight|lunchtime|tonight|within the hour|vormittags?|nachmittags?|abends?|mittags?|mitternachts?";
    let ordinals = r"[0-9]{1,2}(?:st|nd|rd|th)|am (?:\w+ten|dritten) (?:mai|des monats)";
    let last = r"\bon the \w*(?:first|second|third|th)(?:\W*$|[,.;:!?])";
    let amounts = r"[¥₹₽₺₩]|zl|zloty|kr|kronor|kroner|kronen|yen|rupees?|rubel|lira|forint|tenner|fiver|zehner|zwanziger|half price|halben? preis|halber preis";
    [
        (Breach::Date, regex(&format!(r"\b(?:{months}|{days}|{hours}|{ordinals})\b|{last}"))),
        (Breach::Amount, regex(&format!(r"[¥₹₽₺₩]|\b(?:{amounts})\b"))),
    ]
});
/// What is wished, and is no time.
static WISHES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:good|nice|lovely|pleasant|great) (?:morning|afternoon|evening|weekend)|guten (?:morgen|abend)|schone[ns] (?:abend|nachmittag|wochenende)",
    )
});

/// "It costs nothing" is an amount, too.
static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:free of charge|for free|(?:no|without) (?:any |extra |additional |further )?(?:charge|cost|fee)s?|(?:is|are|its|comes?|goes|travels?|delivery|shipping|sending) (?:\w+ly |now |also |then |always )?free|costs? (?:you |us )?nothing|kostenlos\w*|kostenfrei\w*|gratis|umsonst|kostet (?:sie |dich |euch )?nichts|ohne (?:weitere )?(?:kosten|gebuhr(?:en)?))\b",
    )
});
/// How content staff say that something costs nothing.
static FREE: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:free|nothing|umsonst|gratis|nichts|kosten\w*)\b"));
/// The term for it.
const FREELY: &str = "free";

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// The numbers of a text in digits, each as one, whatever points and commas are in it; and where they stand.
pub(super) fn numbers_at(text: &str) -> impl Iterator<Item = (Range<usize>, String)> + '_ {
    NUMBER.find_iter(text).map(|found| (found.range(), plain(found.as_str())))
}

/// The same without their places.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = String> + '_ {
    numbers_at(text).map(|(_, number)| number)
}

/// "07" is as good as "7", "00" as "0", and "2,50" as "2.5".
fn plain(number: &str) -> String {
    let number = if GROUPED.is_match(number) { number.replace(['.', ','], "") } else { number.replace(',', ".") };
    let number = number.trim_start_matches('0');
    let number =
        if number.matches('.').count() == 1 { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    if number.is_empty() || number.starts_with('.') { format!("0{number}") } else { number.to_owned() }
}

/// What of a text is a month, a time of the day or a word for money, and what it would be to invent it.
pub(super) fn terms(text: &str) -> impl Iterator<Item = (Breach, String)> {
    let folded = fold(text);
    let text = WISHES.replace_all(&folded, "");
    let mut found: Vec<(Breach, String)> = Vec::new();
    for (breach, pattern) in &*TERMS {
        found.extend(pattern.find_iter(&text).map(|term| (*breach, singular(term.as_str()))));
    }
    // Who is free to do something pays for it all the same.
    if NOTHING.find_iter(&text).any(|term| !text[term.end()..].starts_with(" to ")) {
        found.push((Breach::Amount, FREELY.to_owned()));
    }
    found.into_iter()
}

/// The terms that content staff and tools may be taken to have said.
pub(super) fn terms_said(text: &str) -> impl Iterator<Item = String> {
    let is_free = FREE.is_match(&fold(text)).then(|| FREELY.to_owned());
    terms(text).map(|(_, term)| term).chain(is_free)
}

/// "On mornings" is as good as "in the morning".
fn singular(term: &str) -> String {
    let term = term.trim_end_matches(|c: char| !c.is_alphanumeric() && !"¥₹₽₺₩".contains(c));
    term.strip_suffix('s').unwrap_or(term).to_owned()
}

/// Whether a word may be part of a term, so that what follows it matters.
pub(super) fn hints_at_term(word: &str) -> bool {
    let word = fold(word);
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    let parts = [
        "month", "year", "hour", "may", "march", "mai", "monat", "jahr", "free", "nothing", "nichts", "charge",
        "price", "preis",
    ];
    parts.contains(&word) || terms(word).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_however_it_is_written() {
        let all = |text: &str| numbers(text).collect::<Vec<_>>();
        assert_eq!(all("07, 00, 2,50, 0.5 and 1,500 or 1.500,50"), ["7", "0", "2.5", "0.5", "1500", "1.500.50"]);
        assert_eq!(all("£3.49, 27.11.2026"), ["3.49", "27.11.2026"]);
    }

    #[test]
    fn what_says_as_much_as_a_number_is_found() {
        for (text, expected) in [
            ("It comes this afternoon, or at noon.", vec![Breach::Date, Breach::Date]),
            ("Good morning! You may go on a march. Have a nice weekend!", vec![]),
            ("It comes in May, or on the 3rd.", vec![Breach::Date, Breach::Date]),
            ("It comes on the third.", vec![Breach::Date]),
            ("We are on the second floor of it", vec![]),
            ("Es kommt im Mai am Nachmittag.", vec![Breach::Date, Breach::Date]),
            ("It costs ¥500 or 50 zł.", vec![Breach::Amount, Breach::Amount]),
            ("Shipping is free, and it costs nothing.", vec![Breach::Amount]),
            ("Feel free; you are free to choose.", vec![]),
            ("Der Versand ist kostenlos.", vec![Breach::Amount]),
        ] {
            assert_eq!(terms(text).map(|(breach, _)| breach).collect::<Vec<_>>(), expected, "{text}");
        }
        assert!(terms_said("- **Free**: until the evening before").any(|term| term == FREELY));
    }
}
