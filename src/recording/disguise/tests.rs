use super::invented::{checked, compact, invented};
use super::*;
use crate::text::parcel::{Check, ParcelNumber};

fn disguised(text: &str) -> (String, Vec<Doubt>) {
    let mut recording = Recording::parse("a.yaml", text).unwrap();
    let doubts = Disguise::recording(&mut recording);
    (recording.to_string(), doubts)
}

#[test]
fn nothing_that_leads_to_a_person_is_left_and_the_same_stays_the_same() {
    let (text, doubts) = disguised(
        "start: { visitor: { name: Karl Herzog, email: karl@herzog.de, parcel: px100000017gb } }\n\
         lookups:\n  - { source: shipment, params: { number: PX100000017GB }, result: { status: lost, recipient: \
         Karl Herzog, weight: 2.5 } }\n\
         conversation:\n  - say: 'Hi, my name is Karl Herzog, where is px 1000 0001 7 gb? Write to karl@herzog.de \
         or call +49 170 5551234. Order 77788899, due 2026-03-02.'\n    answer:\n      text: 'Dear Karl, your \
         parcel PX100000017GB is lost. Call +44 20 7946 0321.'\n  - say: I live at 221 Baker Street, London NW1 \
         6XE. My neighbour Peter Pan took it.\n  - say: Ich wohne in der Hauptstraße 12a, 10115 Berlin.\n",
    );
    for gone in [
        "Karl",
        "Herzog",
        "herzog",
        "100000017",
        "1000 0001",
        "5551234",
        "77788899",
        "Baker",
        "NW1 6XE",
        "Hauptstraße 12a",
        "10115",
    ] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    for stays in ["2026-03-02", "+44 20 7946 0321", "lost", "2.5"] {
        assert!(text.contains(stays), "{stays} in\n{text}");
    }
    assert!(text.contains("my name is Ada Example") && text.contains("Dear Ada, "), "{text}");
    // One number everywhere, of the same carrier, whose check digit fits.
    let numbers: Vec<ParcelNumber> =
        text.lines().flat_map(parcel_numbers).filter(|n| n.compact.starts_with("PX")).collect();
    assert!(numbers.len() >= 4 && numbers.iter().all(|number| number.compact == numbers[0].compact), "{text}");
    assert_eq!(numbers[0].check, Check::Right, "{text}");
    assert!(doubts.iter().any(|doubt| doubt.span == "Peter Pan"), "{doubts:?}");
    assert!(doubts.iter().any(|doubt| doubt.why.contains("order")), "{doubts:?}");
}

#[test]
fn whoever_writes_without_capitals_is_disguised_too() {
    let (text, _) = disguised(
        "conversation:\n  - say: 'my name is anna meyer, call 555-123-4567 or (555) 765-4321'\n  \
         - say: 12 baker street, sw1a 1aa or SW1A1AA\n  - say: ich heiße jörg und warte\n  \
         - say: my name is on the parcel that I sent\n",
    );
    for gone in ["anna", "meyer", "123-4567", "765-4321", "baker", "sw1a 1aa", "SW1A1AA", "jörg"] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    assert!(text.contains("und warte") && text.contains("my name is on the parcel that I sent"), "{text}");
}

#[test]
fn the_same_is_the_same_however_it_is_written() {
    let (text, doubts) = disguised(
        "start: { visitor: { name: Karl Herzog } }\n\
         lookups:\n  - { source: delivery, params: { number: PX100000034GB, postcode: E18XX }, result: { street: 14 \
         Ropewalk } }\n\
         conversation:\n  - say: postcode is e1 8xx\n    answer: { text: \"It went to 14 Ropewalk, E1 8XX.\" }\n  - say: \
         i'm karl herzog at 14 ropewalk, and herzog stands on the bell\n  - say: KARL HERZOG\n",
    );
    for gone in ["e1 8xx", "E18XX", "E1 8XX", "8X", "karl", "KARL", "ropewalk", "Ropewalk"] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    let code = text.split("postcode is ").nth(1).unwrap().lines().next().unwrap();
    let compact = code.replace(' ', "").to_uppercase();
    assert!(code.len() == 6 && code.starts_with('e'), "{code}");
    assert!(text.contains(&format!("\"postcode\":\"{compact}\"")), "{compact} in\n{text}");
    assert!(text.contains(&format!(", {}.", code.to_uppercase())), "{code} in\n{text}");
    // A word of its own may mean something else.
    assert!(text.contains("and herzog stands") && doubts.iter().any(|doubt| doubt.span == "herzog"), "{doubts:?}");
}

#[test]
fn accounts_and_references_go_too_and_texts_stay_whole() {
    let (text, doubts) = disguised(
        "conversation:\n  - say: 'IBAN DE89 3704 0044 0532 0130 00, customer number is K-99812, order 4711'\n  - say: \
         iban de89370400440532013000 please\n  - say: I'm Karl Herzog, it goes to Ankerweg 3 soon, 10115\n  - say: I \
         want to order 1500g of this and that at10 with some more here\n",
    );
    for gone in ["3704", "0532", "99812", "4711", "Karl", "Herzog", "Ankerweg"] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    assert!(text.contains(" soon") && text.contains("order 1500g of this and that at10 with some more here"), "{text}");
    let iban = text.split("IBAN ").nth(1).unwrap().split(',').next().unwrap();
    assert_eq!((iban.len(), checked(&compact(iban))), (27, Some(1)), "{iban}");
    assert!(text.contains(&compact(iban).to_lowercase()), "{iban} in\n{text}");
    assert!(doubts.iter().any(|doubt| doubt.span == "10115"), "{doubts:?}");
}

#[test]
fn what_is_told_later_is_known_from_the_start_and_the_rest_is_listed() {
    let (text, doubts) = disguised(
        "lookups:\n  - { source: order, params: { number: 4711 }, result: { customer: Karl Herzog, order: 77788899, \
         due: 1772442000000 } }\n\
         conversation:\n  - say: Herzog here, where is my parcel?\n    answer: { text: 'Hello Zoe Quinn, it is on its \
         way.' }\n  - say: My name is Karl Herzog.\n",
    );
    for gone in ["Karl", "Herzog", "77788899"] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    assert!(text.contains("4711") && text.contains("1772442000000"), "{text}");
    for listed in ["Zoe Quinn", "1772442000000"] {
        assert!(doubts.iter().any(|doubt| doubt.span == listed), "{listed} in {doubts:?}");
    }
    // A name of two words that nothing tells to be one.
    let (_, doubts) = disguised("conversation:\n  - say: Peter Pan\n");
    assert!(doubts.iter().any(|doubt| doubt.span == "Peter Pan"), "{doubts:?}");
}

#[test]
fn every_format_has_its_like() {
    for number in [
        "PX100000017GB",
        "1Z999AA10123456784",
        "9400111201080805483016",
        "RB123456785GB",
        "JJD0099999999",
        "00340433836442636597",
        "986578788855",
        "3318810025",
        "PX100000018GB",
    ] {
        let found = parcel_numbers(number);
        let [found] = &found[..] else { panic!("{number}: {found:?}") };
        let made = invented(found, 1);
        assert_ne!(made, number);
        let again = parcel_numbers(&made);
        assert_eq!((again[0].carrier, again[0].check), (found.carrier, found.check), "{number} {made}");
    }
}
