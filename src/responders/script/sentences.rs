//! What scripts can read out of a sentence and write in a language: the door to [`crate::text`].

use std::ops::Deref;

use rhai::{Array, Dynamic, FLOAT, INT, ImmutableString, Map};
use time::{Date, Duration};

use super::answers::shown;
use super::engine::MAX_TEXT;
use super::library::{Library, Result, fail};
use super::parcels;
use super::value::Data;
use crate::responders::markdown::escape;
use crate::text::place::{Place, country_name, places};
use crate::text::{date, money, number, postcode, quantity, words};

/// Sentences are read up to here; a customer's message is never longer.
const MAX_READ: usize = 16_000;
/// How far a day can be from another, in days.
const FARTHEST: i64 = 100_000;

/// Registers all of it.
pub(super) fn register(library: &mut Library) {
    texts(library);
    parcels::register(library);
    amounts(library);
    moneys(library);
    days(library);
    whereabouts(library);
}

fn texts(library: &mut Library) {
    library.section("Texts", "For texts that stand in a data file, one for each language.");
    library.function(
        "fn fill(text: String, values: Map) -> String",
        "A text with values for its names in braces, as plain text: what stands in a value is no Markdown.",
        &[r#""**{number}** is late".fill(#{ number: "A*1" }) == "**A\\*1** is late""#],
        |text: &str, values: Map| {
            filled(text, &values, |out, value, begins_line| escape(out, value, usize::MAX, begins_line))
        },
    );
    library.function(
        "fn fill_plain(text: String, values: Map) -> String",
        "The same for a text that is no Markdown, such as that of a button.",
        &[r#""Book {name}".fill_plain(#{ name: "A*1" }) == "Book A*1""#],
        |text: &str, values: Map| filled(text, &values, |out, value, _| out.push_str(value)),
    );
    library.function(
        "fn has_any(words: Array, listed: Array) -> bool",
        "Whether one of the words is in the list.",
        &[r#"has_any(["is", "it", "late"], ["late", "lost"])"#, r#"!has_any([], ["late"])"#],
        |words: &mut Array, listed: Array| {
            let (words, listed) = (texts_of(words), texts_of(&listed));
            listed.iter().any(|other| words.iter().any(|word| **word == **other))
        },
    );
    library.function(
        "fn has_any(words: Array, data: Data, key: String) -> bool",
        "Whether one of the words is in the list of this name in a data file: `has_any(turn.words, turn.data.texts.en, \"late\")`. \
         Without a copy of that list, and so several times as fast.",
        &[],
        |words: &mut Array, data: Data, key: &str| {
            let words = texts_of(words);
            data.lists_any(key, |other| words.iter().any(|word| word.as_str() == other))
        },
    );
    library.function(
        "fn list_with_any(words: Array, data: Data, keys: Array) -> ?",
        "The first of these lists of a data file that has one of the words; `()` if none has: \
         `list_with_any(turn.words, turn.texts, [\"large\", \"small\"])`.",
        &[],
        |words: &mut Array, data: Data, keys: Array| -> Dynamic {
            let words = texts_of(words);
            let has_any = |key: &Dynamic| {
                let key = key.as_immutable_string_ref();
                key.is_ok_and(|key| data.lists_any(&key, |other| words.iter().any(|word| word.as_str() == other)))
            };
            keys.iter().find(|key| has_any(key)).cloned().unwrap_or_default()
        },
    );
    library.function(
        "fn digits(text: String) -> String",
        "The digits of a text, without all else. As `parse_int` wants them: 0 to 9.",
        &[r#""no. 4711-08".digits() == "471108""#],
        |text: &str| -> String { cut(text).chars().filter(char::is_ascii_digit).collect() },
    );
    library.function(
        "fn compact(text: String) -> String",
        "The letters and digits of a text, in capitals: how numbers and postcodes are compared.",
        &[r#""sw1a 1aa".compact() == "SW1A1AA""#],
        |text: &str| -> String {
            cut(text).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
        },
    );
}

/// A text with its names in braces replaced. `show` adds a value, and is told whether it begins a line.
fn filled(text: &str, values: &Map, show: impl Fn(&mut String, &str, bool)) -> Result<String> {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else { return fail("a brace in the text is not closed") };
        let Some(value) = values.get(name) else {
            return fail(format!("there is no value for {{{name}}} in the text"));
        };
        let line = out.trim_end_matches(' ');
        let begins_line = line.is_empty() || line.ends_with('\n');
        match value.as_immutable_string_ref() {
            Ok(text) => show(&mut out, &text, begins_line),
            Err(_) => show(&mut out, &shown(value)?, begins_line),
        }
        rest = after;
        // A name may stand there many times.
        if out.len() > MAX_TEXT {
            return fail(format!("the text has more than {MAX_TEXT} bytes with its values"));
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Those values of a list that are texts. Each is unwrapped once here, and then compared with many.
fn texts_of(list: &Array) -> Vec<impl Deref<Target = ImmutableString>> {
    list.iter().filter_map(|value| value.as_immutable_string_ref().ok()).collect()
}

fn amounts(library: &mut Library) {
    library.section(
        "Numbers, weights, sizes",
        "The language says how points and commas are read: `1,500` is fifteen hundred in English and one and a half in \
         German. Number words are understood in both.",
    );
    library.function(
        "fn numbers(text: String, language: String) -> Array",
        "All numbers of a sentence, in order. An article alone is none.",
        &[r#"numbers("two boxes of 2,5", "de") == [2.0, 2.5]"#, r#"numbers("a box of half a kilo", "en") == [0.5]"#],
        |text: &str, language: &str| -> Array {
            let words = words::words(cut(text));
            number::numbers(&words, language).into_iter().map(|(value, _)| Dynamic::from_float(value)).collect()
        },
    );
    library.function(
        "fn weights(text: String, language: String) -> Array",
        "The weights of a sentence, in grams: kilograms, grams, pounds, ounces, stone, the German Pfund. `2 kg 500 g` is \
         one weight. Zero and less than zero are given as they are.",
        &[
            r#"weights("2 kg from Berlin to Lyon", "en") == [2000.0]"#,
            r#"weights("ein halbes Kilo", "de") == [500.0]"#,
        ],
        |text: &str, language: &str| -> Array {
            quantity::weights(cut(text), language).into_iter().map(|weight| Dynamic::from_float(weight.grams)).collect()
        },
    );
    library.function(
        "fn size(text: String, language: String) -> ?",
        "The size in a sentence: a map with `cm`, a list of two or three lengths in centimetres, and `has_unit`, whether a \
         unit was said (without one they are taken for centimetres). `()` if there is none.",
        &[
            r#"size("30x20x10 cm", "en").cm == [30.0, 20.0, 10.0]"#,
            r#"size("30 by 20 by 10", "en").has_unit == false"#,
            r#"size("2 kg", "en") == ()"#,
        ],
        |text: &str, language: &str| -> Dynamic {
            let Some(size) = quantity::size(cut(text), language) else { return Dynamic::UNIT };
            let cm = size.cm.into_iter().map(Dynamic::from_float).collect();
            let mut map = Map::new();
            map.insert("cm".into(), Dynamic::from_array(cm));
            map.insert("has_unit".into(), size.has_unit.into());
            map.into()
        },
    );
    library.function(
        "fn decimal(value: float, digits: int, language: String) -> String",
        "A number as the language writes it, with at most so many digits after the point.",
        &[r#"decimal(2.50, 2, "de") == "2,5""#, r#"decimal(3.0, 2, "en") == "3""#],
        |value: FLOAT, digits: INT, language: &str| -> String {
            let digits = usize::try_from(digits).unwrap_or(0).min(6);
            let written = format!("{value:.digits$}");
            let short = match written.contains('.') {
                true => written.trim_end_matches('0').trim_end_matches('.'),
                false => &written,
            };
            if language.starts_with("de") { short.replace('.', ",") } else { short.to_owned() }
        },
    );
}

fn moneys(library: &mut Library) {
    library.section(
        "Money",
        "Amounts are whole numbers of the smallest unit: pence, cents. So nothing is lost on the way.",
    );
    library.function(
        "fn amounts(text: String, language: String) -> Array",
        "The amounts of money in a sentence: maps with `minor` and `currency`.",
        &[r#"amounts("I paid £12.50", "en")[0].minor == 1250"#],
        |text: &str, language: &str| -> Array {
            let map = |amount: money::Money| -> Dynamic {
                let mut map = Map::new();
                map.insert("minor".into(), amount.minor.into());
                map.insert("currency".into(), amount.currency.into());
                map.into()
            };
            money::amounts(cut(text), language).into_iter().map(map).collect()
        },
    );
    library.function(
        "fn minor(amount: ?) -> int",
        "An amount of a data file, such as `5.99`, in its smallest unit.",
        &["minor(5.99) == 599", "minor(6) == 600"],
        |amount: Dynamic| -> Result<INT> {
            let amount = amount.as_float().or_else(|_| amount.as_int().map(|whole| whole as FLOAT));
            match amount {
                // In range, so nothing is cut off.
                #[allow(clippy::cast_possible_truncation)]
                Ok(amount) if amount.abs() < 1e12 => Ok((amount * 100.0).round() as INT),
                Ok(_) => fail("this is too much money"),
                Err(other) => fail(format!("an amount is a number, not a {other}")),
            }
        },
    );
    library.function(
        "fn money(minor: int, currency: String, language: String) -> String",
        "An amount as the language writes it.",
        &[r#"money(1250, "GBP", "en") == "£12.50""#, r#"money(1250, "EUR", "de") == "12,50 €""#],
        |minor: INT, currency: &str, language: &str| money::written(minor, currency, language),
    );
}

fn days(library: &mut Library) {
    library.section(
        "Days",
        "A day is a text such as `2026-05-03`; texts of days compare as the days do. All are days of UTC. `turn.now` and \
         other times are milliseconds.",
    );
    library.function(
        "fn day(millis: int) -> String",
        "The day of a time.",
        &[r#"day(0) == "1970-01-01""#],
        |millis: INT| -> Result<String> {
            date::day_of(millis).map(|day| day.to_string()).map_or_else(|| fail("this time has no day"), Ok)
        },
    );
    library.function(
        "fn days(text: String, today: String, language: String) -> Array",
        "The days in a sentence: \"tomorrow\", \"next tuesday\", \"am 3. Mai\", \"in three days\", \"03/05/2026\" (the third \
         of May).",
        &[
            r#"days("next tuesday please", "2026-03-04", "en") == ["2026-03-10"]"#,
            r#"days("am 3. Mai", "2026-03-04", "de") == ["2026-05-03"]"#,
        ],
        |text: &str, today: &str, language: &str| -> Result<Array> {
            let found = date::days(cut(text), parsed(today)?, language);
            Ok(found.into_iter().map(|day| Dynamic::from(day.date.to_string())).collect())
        },
    );
    library.function(
        "fn days_from(day: String, other: String) -> int",
        "How many days the other is after this one; less than zero if it is before.",
        &[r#"days_from("2026-03-04", "2026-03-10") == 6"#],
        |day: &str, other: &str| -> Result<INT> { Ok((parsed(other)? - parsed(day)?).whole_days()) },
    );
    library.function(
        "fn add_days(day: String, count: int) -> String",
        "A day so many days later, or with a count below zero earlier.",
        &[r#"add_days("2026-12-31", 1) == "2027-01-01""#],
        |day: &str, count: INT| -> Result<String> { added(parsed(day)?, count) },
    );
    library.function(
        "fn add_working_days(day: String, count: int) -> String",
        "A day so many working days later: Saturdays and Sundays do not count.",
        &[r#"add_working_days("2026-03-06", 1) == "2026-03-09""#],
        |day: &str, count: INT| -> Result<String> {
            let mut day = parsed(day)?;
            if !(0..=1_000).contains(&count) {
                return fail("the count of working days is 0 to 1000");
            }
            let mut left = count;
            while left > 0 {
                let Some(next) = day.next_day() else { return fail("there is no such day") };
                day = next;
                left -= INT::from(day.weekday().number_days_from_monday() < 5);
            }
            Ok(day.to_string())
        },
    );
    library.function(
        "fn written_day(day: String, today: String, language: String) -> String",
        "A day as the language writes it, with the year if it is not that of today.",
        &[
            r#"written_day("2026-05-05", "2026-03-04", "en") == "Tuesday, 5 May""#,
            r#"written_day("2026-05-05", "2026-03-04", "de") == "Dienstag, 5. Mai""#,
        ],
        |day: &str, today: &str, language: &str| -> Result<String> {
            Ok(date::written(parsed(day)?, parsed(today)?, language))
        },
    );
}

fn whereabouts(library: &mut Library) {
    library.section("Places", "Countries by their codes of ISO 3166-1, such as `FR`; names in English and German.");
    library.function(
        "fn places(text: String, language: String) -> Array",
        "The places of a sentence, in order: maps with `country`, `city` (or `()`), `name` (of both, in this language) and \
         `role`: `from`, `to` or `\"\"` when the sentence does not say.",
        &[
            r#"places("from Berlin to Lyon", "en").map(|place| place.role + " " + place.country) == ["from DE", "to FR"]"#,
            r#"places("in die Schweiz", "de")[0].name == "Schweiz""#,
        ],
        |text: &str, language: &str| -> Array {
            places(cut(text), language).into_iter().map(|found| place(&found, language)).collect()
        },
    );
    library.function(
        "fn country_name(code: String, language: String) -> ?",
        "What a country is called in English or German; `()` for what is no code.",
        &[r#"country_name("DE", "en") == "Germany""#, r#"country_name("XX", "en") == ()"#],
        |code: &str, language: &str| -> Dynamic {
            country_name(code, language).map_or(Dynamic::UNIT, |name| Dynamic::from(ImmutableString::from(name)))
        },
    );
    library.function(
        "fn postcode(text: String, country: String) -> ?",
        "The postcode of this country in a sentence, as it is written there; `()` if there is none.",
        &[r#"postcode("it is sw1a1aa", "GB") == "SW1A 1AA""#, r#"postcode("Berlin", "DE") == ()"#],
        |text: &str, country: &str| -> Dynamic {
            postcode::postcode_in(cut(text), country).map_or(Dynamic::UNIT, Dynamic::from)
        },
    );
}

fn place(place: &Place, language: &str) -> Dynamic {
    let country = country_name(place.country, language).unwrap_or(place.country);
    let name = place.city.map_or_else(|| country.to_owned(), |city| format!("{city}, {country}"));
    let mut map = Map::new();
    map.insert("country".into(), place.country.into());
    map.insert("city".into(), place.city.map_or(Dynamic::UNIT, |city| Dynamic::from(ImmutableString::from(city))));
    map.insert("name".into(), name.into());
    map.insert("role".into(), place.role.as_str().into());
    map.into()
}

fn parsed(day: &str) -> Result<Date> {
    let read = || -> Option<Date> {
        let mut parts = day.get(..10)?.split('-');
        let (year, month, of) = (parts.next()?, parts.next()?, parts.next()?);
        let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
        Date::from_calendar_date(year.parse().ok()?, month, of.parse().ok()?).ok()
    };
    read().map_or_else(|| fail(format!("`{day}` is not a day; write such as 2026-05-03")), Ok)
}

fn added(day: Date, count: INT) -> Result<String> {
    let sum = (count.abs() <= FARTHEST).then(|| day.checked_add(Duration::days(count))).flatten();
    sum.map_or_else(|| fail("there is no such day"), |day| Ok(day.to_string()))
}

pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_READ);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
