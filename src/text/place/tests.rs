use super::*;

fn found(text: &str, language: &str) -> Vec<(&'static str, Option<&'static str>, &'static str)> {
    places(text, language).into_iter().map(|place| (place.country, place.city, place.role.as_str())).collect()
}

#[test]
fn places_are_found_with_what_is_said_of_them() {
    for (text, expected) in [
        ("2 kg from Berlin to Lyon express", vec![("DE", Some("Berlin"), "from"), ("FR", Some("Lyon"), "to")]),
        ("how much to send a 3kg box to my sister in portugal?", vec![("PT", None, "to")]),
        ("Berlin to Lyon", vec![("DE", Some("Berlin"), "from"), ("FR", Some("Lyon"), "to")]),
        ("London -> New York", vec![("GB", Some("London"), "from"), ("US", Some("New York"), "to")]),
        ("London-Paris 5kg", vec![("GB", Some("London"), "from"), ("FR", Some("Paris"), "to")]),
        ("to Paris, France", vec![("FR", Some("Paris"), "to")]),
        ("to Paris, Texas", vec![("US", Some("Texas"), "to")]),
        ("to the UK", vec![("GB", None, "to")]),
        ("to the United States of America", vec![("US", None, "to")]),
        ("to the U.S.A.", vec![("US", None, "to")]),
        ("2kg to USA", vec![("US", None, "to")]),
        ("from DE to FR", vec![("DE", None, "from"), ("FR", None, "to")]),
        ("DE to FR, 2 kg", vec![("DE", None, "from"), ("FR", None, "to")]),
        ("to New Zealand", vec![("NZ", None, "to")]),
        ("to Papua New Guinea", vec![("PG", None, "to")]),
        ("to New Jersey", vec![("US", Some("New Jersey"), "to")]),
        ("to Jersey", vec![("JE", None, "to")]),
        ("to Nice", vec![("FR", Some("Nice"), "to")]),
        ("nice, thanks", vec![]),
        ("to Turkey", vec![("TR", None, "to")]),
        ("send a turkey", vec![]),
        ("I want a bath", vec![]),
        ("can you deliver to us", vec![]),
        ("is it in", vec![]),
        ("Germany", vec![("DE", None, "")]),
        ("to Lyon from Berlin", vec![("FR", Some("Lyon"), "to"), ("DE", Some("Berlin"), "from")]),
        ("Lyon, from Berlin", vec![("FR", Some("Lyon"), "to"), ("DE", Some("Berlin"), "from")]),
        ("from London Germany", vec![("DE", Some("London"), "from")]),
        ("", vec![]),
    ] {
        assert_eq!(found(text, "en"), expected, "{text}");
    }
}

#[test]
fn german_sentences_and_names() {
    for (text, expected) in [
        ("2 kg von Berlin nach Lyon", vec![("DE", Some("Berlin"), "from"), ("FR", Some("Lyon"), "to")]),
        ("aus Köln nach Wien", vec![("DE", Some("Köln"), "from"), ("AT", Some("Wien"), "to")]),
        ("aus koeln in die Schweiz", vec![("DE", Some("Köln"), "from"), ("CH", None, "to")]),
        ("ein Paket nach Großbritannien", vec![("GB", None, "to")]),
        ("in die Vereinigten Staaten", vec![("US", None, "to")]),
        ("in die USA", vec![("US", None, "to")]),
        ("nach Grossbritannien", vec![("GB", None, "to")]),
        ("nach Österreich", vec![("AT", None, "to")]),
        ("nach osterreich", vec![("AT", None, "to")]),
        ("nach Island", vec![("IS", None, "to")]),
        ("was kostet das Porto nach Frankreich", vec![("FR", None, "to")]),
        ("nach Porto", vec![("PT", Some("Porto"), "to")]),
        ("zum Essen nach München", vec![("DE", Some("München"), "to")]),
        ("von Mailand nach Zürich", vec![("IT", Some("Mailand"), "from"), ("CH", Some("Zürich"), "to")]),
    ] {
        let found: Vec<_> = found(text, "de").into_iter().filter(|place| place.1 != Some("Essen")).collect();
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(country_name("DE", "en"), Some("Germany"));
    assert_eq!(country_name("TR", "de"), Some("Türkei"));
    assert_eq!(country_name("XX", "de"), None);
}

#[test]
fn every_country_is_found_by_its_names() {
    for line in include_str!("countries.tsv").lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let code = columns.next().unwrap();
        assert!(code.len() == 2 && is_country(code), "{line}");
        for name in columns.flat_map(|names| names.split(';')).map(|name| name.trim_start_matches('!')) {
            let there = places(&format!("to {name}"), "en");
            assert_eq!(there.first().map(|place| place.country), Some(code), "{name}");
        }
    }
    for line in include_str!("cities.tsv").lines().filter(|line| !line.starts_with('#')) {
        let (code, names) = line.split_once('\t').unwrap();
        for name in names.split([';', '|']).map(|name| name.trim_start_matches('!')) {
            let there = places(&format!("to {name}"), "en");
            assert_eq!(there.first().map(|place| place.country), Some(code), "{name}");
            assert!(there[0].city.is_some(), "{name}");
        }
    }
}
