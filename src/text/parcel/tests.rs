use proptest::prelude::*;

use super::*;

fn found(text: &str) -> Vec<(String, &'static str, Check)> {
    parcel_numbers(text).into_iter().map(|number| (number.compact, number.carrier.code(), number.check)).collect()
}

#[test]
fn each_carriers_numbers_are_found() {
    for (text, compact, carrier) in [
        ("PX123456785GB", "PX123456785GB", "own"),
        ("where is px 1234 5678 5 gb?", "PX123456785GB", "own"),
        ("my number is (PX-123-456-785-GB), thanks", "PX123456785GB", "own"),
        ("Sendungsnummer:PX123456785GB", "PX123456785GB", "own"),
        ("PX 123456785", "PX123456785GB", "own"),
        ("px 123456785 is late", "PX123456785GB", "own"),
        ("PX12345678SGB PX123456785GB", "PX123456785GB", "own"),
        ("PXI2345678 5GB", "PX123456785GB", "own"),
        ("ＰＸ１２３４５６７８５ＧＢ", "PX123456785GB", "own"),
        ("RB123456785GB", "RB123456785GB", "royal-mail"),
        ("EB 000 717 618 HK", "EB000717618HK", "post"),
        ("CP123456785CA", "CP123456785CA", "canada-post"),
        ("EA123456785US", "EA123456785US", "usps"),
        ("RR123456785DE", "RR123456785DE", "dhl"),
        ("1Z999AA10123456784", "1Z999AA10123456784", "ups"),
        ("1z 999 aa1 01 2345 6784", "1Z999AA10123456784", "ups"),
        ("9400 1112 0108 0805 4830 16", "9400111201080805483016", "usps"),
        ("420 22153 9101026837331000039521", "420221539101026837331000039521", "usps"),
        ("0307 1790 0005 2348 3741", "03071790000523483741", "usps"),
        ("7196 9010 7560 0307 7385", "71969010756003077385", "usps"),
        ("986578788855", "986578788855", "fedex"),
        ("9611020987654312345672", "9611020987654312345672", "fedex"),
        ("tracking 0414 4176 0228 964", "041441760228964", "fedex"),
        ("1001921334250001000300779017972697", "1001921334250001000300779017972697", "fedex"),
        ("00340433836442636597", "00340433836442636597", "dhl"),
        ("JJD1410302937991", "JJD1410302937991", "dhl"),
        ("dhl 201298452277", "201298452277", "dhl"),
        ("DHL waybill 3318810025", "3318810025", "dhl"),
        ("GM2951173225174494", "GM2951173225174494", "dhl"),
        ("dpd 01015026003653", "01015026003653", "dpd"),
        ("00 81827 0998 0000 0200 33 350 276 C", "008182709980000020033350276C", "dpd"),
        ("gls XHAX4HDA", "XHAX4HDA", "gls"),
        ("canada post 0073 9380 0054 9297", "0073938000549297", "canada-post"),
    ] {
        assert_eq!(
            found(text).last(),
            Some(&(compact.to_owned(), carrier, found(text).last().map_or(Check::Right, |number| number.2))),
            "{text}"
        );
        assert!(found(text).last().is_some_and(|number| number.2 >= Check::Absent), "{text}: {:?}", found(text));
    }
}

#[test]
fn several_at_once() {
    let text = "PX123456785GB, px 473124829 gb and also 1Z999AA10123456784; again PX123456785GB";
    let compact: Vec<String> = parcel_numbers(text).into_iter().map(|number| number.compact).collect();
    assert_eq!(compact, ["PX123456785GB", "PX473124829GB", "1Z999AA10123456784"]);
    let text = "PX123456785GB PX473124829GB";
    assert_eq!(parcel_numbers(text).len(), 2);
    let at = &parcel_numbers(text)[1].at;
    assert_eq!(&text[at.clone()], "PX473124829GB");
    assert_eq!(parcel_numbers(&"PX123456785GB PX473124829GB ".repeat(100)).len(), 2);
}

#[test]
fn mistyped_numbers_are_told_apart() {
    for (text, carrier, check) in [
        ("PX123456784GB", "own", Check::Wrong),
        ("px 1234 5678 4 gb", "own", Check::Wrong),
        ("PX12345678GB", "own", Check::Length),
        ("PX1234567855GB", "own", Check::Length),
        ("RB123456784GB", "royal-mail", Check::Wrong),
        ("1Z999AA10123456785", "ups", Check::Wrong),
        ("1Z999AA1012345678", "ups", Check::Length),
        ("9400111201080805483017", "usps", Check::Wrong),
        ("00340433836442636598", "dhl", Check::Wrong),
        ("fedex 986578788856", "fedex", Check::Wrong),
        ("canada post 0073938000549292", "canada-post", Check::Wrong),
    ] {
        let found: Vec<_> = found(text).into_iter().map(|(_, carrier, check)| (carrier, check)).collect();
        assert_eq!(found, [(carrier, check)], "{text}");
    }
}

#[test]
fn other_numbers_are_left_alone() {
    for text in [
        "call me on +44 20 7946 0321",
        "my phone is 07946 032100",
        "phone 2125550123",
        "(212) 555-0123",
        "ring 0049 30 23125 321",
        "Meine Telefonnummer ist 0301234567",
        "order 4501234567",
        "order number 986578788855",
        "Bestellnummer 986578788855",
        "invoice 123456789012",
        "my card is 4111 1111 1111 1111",
        "4111111111111111",
        "5500 0055 5555 5559",
        "378282246310005",
        "parcel paid with 4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "the parcel cost £1234567890",
        "2026-05-03 12:30",
        "it weighs 2.5 kg and is 30x20x10 cm",
        "call us on 020 794 603 in London",
        "SW1A 1AA",
        "10115 Berlin",
        "gls",
        "12345",
        "",
        "1234567890123456789012345678901234567890",
        "where is my parcel",
        "AB123456785ZZ",
        "http://example.org/123456789012",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

/// The S10 numbers of a serial.
fn s10(letters: &str, serial: u32, country: &str) -> String {
    let digits = format!("{serial:08}");
    let values: [u8; 8] = digits.bytes().map(|c| c - b'0').collect::<Vec<_>>().try_into().unwrap();
    format!("{letters}{digits}{}{country}", check_digit::s10(&values))
}

fn with_check(digits: &str, check: impl Fn(&[u8]) -> u8) -> String {
    let values: Vec<u8> = digits.bytes().map(|c| c - b'0').collect();
    format!("{digits}{}", check(&values))
}

/// A valid number of a carrier, whose word makes rows of digits clear, and the carrier.
fn number() -> impl Strategy<Value = (String, &'static str, &'static str)> {
    let serial = 0..100_000_000_u32;
    let digits = |length: usize| proptest::string::string_regex(&format!("[0-9]{{{length}}}")).unwrap();
    prop_oneof![
        (serial.clone(), prop_oneof![Just("GB"), Just("DE")]).prop_map(|(serial, country)| (
            s10("PX", serial, country),
            "",
            "own"
        )),
        (
            serial,
            "[ACELRSUV][A-Z]",
            prop_oneof![
                Just(("GB", "royal-mail")),
                Just(("CA", "canada-post")),
                Just(("FR", "post")),
                Just(("US", "usps")),
                Just(("DE", "dhl"))
            ]
        )
            .prop_map(|(serial, letters, (country, carrier))| (s10(&letters, serial, country), "", carrier)),
        "[0-9A-Z]{6}[0-9]{9}".prop_map(|middle| {
            let values: Vec<u8> = middle.bytes().map(check_digit::ups_value).collect();
            (format!("1Z{middle}{}", check_digit::ups(&values)), "", "ups")
        }),
        (91..96_u32, digits(19)).prop_map(|(first, rest)| (
            with_check(&format!("{first}{rest}"), check_digit::gs1),
            "",
            "usps"
        )),
        digits(15).prop_map(|rest| (with_check(&format!("0034{rest}"), check_digit::gs1), "", "dhl")),
        digits(11).prop_map(|rest| (with_check(&rest, check_digit::fedex_express), "FedEx", "fedex")),
        digits(14).prop_map(|rest| (with_check(&rest, check_digit::gs1), "FedEx", "fedex")),
        digits(11).prop_map(|rest| (with_check(&rest, check_digit::identcode), "DHL", "dhl")),
        digits(9).prop_map(|rest| (with_check(&rest, check_digit::dhl_express), "DHL", "dhl")),
        digits(11).prop_map(|rest| (with_check(&rest, check_digit::gls), "GLS", "gls")),
        digits(13).prop_map(|rest| (format!("0{rest}"), "DPD", "dpd")),
        (6..8_u32, digits(14)).prop_map(|(first, rest)| (
            with_check(&format!("{first}{rest}"), check_digit::gs1),
            "Canada Post",
            "canada-post"
        )),
    ]
}

/// A number as somebody might type it.
fn spelled(compact: &str, separators: &[&str], lower: bool) -> String {
    let mut out = String::new();
    for (c, separator) in compact.chars().zip(separators.iter().cycle()) {
        out.push(if lower { c.to_ascii_lowercase() } else { c });
        out.push_str(separator);
    }
    out
}

/// What DPD and cards share cannot be told apart: those that look like a card are no parcel numbers to us.
fn is_like_a_card(compact: &str) -> bool {
    is_card(compact.as_bytes())
}

proptest! {
    #[test]
    fn every_valid_number_is_found_however_it_is_spelled(
        (compact, word, carrier) in number(),
        separators in prop::collection::vec(prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("-"), 1 => Just("."), 1 => Just("\u{A0}")], 1..20),
        lower in any::<bool>(),
        (before, after) in prop_oneof![Just(("", "")), Just(("where is ", "?")), Just(("(", ")")), Just(("Wo bleibt \"", "\", bitte")), Just(("hi, ", ", thanks"))],
    ) {
        prop_assume!(!is_like_a_card(&compact));
        let text = format!("{word} {before}{}{after}", spelled(&compact, &separators, lower).trim_end_matches([' ', '-', '.', '\u{A0}']));
        let found = parcel_numbers(&text);
        let right: Vec<_> = found.iter().filter(|number| number.check >= Check::Absent).map(|number| (number.compact.as_str(), number.carrier.code())).collect();
        prop_assert_eq!(right, [(compact.as_str(), carrier)], "{}", text);
    }

    #[test]
    fn no_single_wrong_digit_passes(serial in 0..100_000_000_u32, at in 2..11_usize, by in 1..10_u8) {
        let compact = s10("PX", serial, "GB");
        let mut wrong = compact.into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
        let wrong = String::from_utf8(wrong).unwrap();
        let found = parcel_numbers(&wrong);
        // Two rests of eleven have the same check digit as another (0 is also 10, 5 is also 0): the standard itself
        // cannot tell those.
        let values: [u8; 8] = wrong.as_bytes()[2..10].iter().map(|c| c - b'0').collect::<Vec<_>>().try_into().unwrap();
        if check_digit::s10(&values) == wrong.as_bytes()[10] - b'0' {
            prop_assert!(matches!(wrong.as_bytes()[10], b'0' | b'5'));
        } else {
            prop_assert_eq!(found[0].check, Check::Wrong);
        }
    }

    /// The first two digits say whose number it is: with another one there it may be right as somebody else's.
    #[test]
    fn no_single_wrong_digit_of_modulo_ten_passes(rest in "[0-9]{19}", at in 2..22_usize, by in 1..10_u8) {
        let compact = with_check(&format!("94{rest}"), check_digit::gs1);
        let mut wrong = compact.into_bytes();
        wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
        let found = parcel_numbers(&String::from_utf8(wrong).unwrap());
        prop_assert!(found.iter().all(|number| number.check == Check::Wrong));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}", more in "[0-9A-Za-z +()/.,-]{0,400}") {
        for number in parcel_numbers(&text).into_iter().chain(parcel_numbers(&more)) {
            prop_assert!(number.compact.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase()));
        }
    }
}
