//! From what customers said to recordings and gaps: `purser record` and `purser gaps`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{Ran, Served, Site};

/// The shipped content, with the demo's parcels to track.
fn shipped() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = |name: &str| root.join(name).display().to_string();
    vec!["--faq".to_owned(), folder("faq"), "--plugins".to_owned(), folder("plugins")]
}

fn run(site: &Site, arguments: &[&str]) -> Ran {
    let shipped = shipped();
    let all: Vec<&str> = arguments.iter().copied().chain(shipped.iter().map(String::as_str)).collect();
    site.run(&all)
}

/// A store in which a customer has tracked a parcel and asked in vain.
fn asked() -> (Site, String) {
    let site = Site::empty();
    let shipped = shipped();
    let flags: Vec<&str> = shipped.iter().map(String::as_str).chain(["--limits", "off"]).collect();
    let mut served = Served::start_with(&site, &flags);
    let demo = served.line_with("demo ").expect("the demo's parcels");
    let number = demo.rsplit(": ").next().unwrap().split(',').next().unwrap().trim().to_owned();
    let talk = format!(
        "conversation:\n  - say: Hi, my name is Karl Herzog. Where is my parcel {number}? karl@herzog.example\n  - say: \
         do quokkas enjoy zither music?\n  - say: do quokkas enjoy zither music?\n  - press: Talk to a person\n"
    );
    site.write("talk.yaml", &talk);
    let ran = run(&site, &["replay", "talk.yaml", "--server", &format!("http://{}", served.address())]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(served.stop(), 0);
    (site, number)
}

#[test]
fn a_recording_from_the_store_replays_without_its_sources_and_without_the_customer() {
    let (site, number) = asked();
    let ran = run(&site, &["record", "--since", "1d", "--to", "recorded"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let files: Vec<_> = fs::read_dir(site.path("recorded")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{ran:?}");
    let text = fs::read_to_string(&files[0]).unwrap();
    for gone in ["Karl", "Herzog", "herzog", &number] {
        assert!(!text.contains(gone), "{gone} in\n{text}");
    }
    assert!(text.contains("lookups:\n") && text.contains("my name is Ada Example"), "{text}");
    assert!(text.contains("- press: Talk to a person"), "{text}");

    let ran = run(&site, &["replay", "recorded"]);
    assert_eq!(ran.code, 0, "{ran:?}\n{text}");
    // Compared from the store, the same look-ups are at hand.
    let ran = run(&site, &["compare", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!(
        (&report["questions"], &report["changed"], &report["not_recorded"]),
        (&4.into(), &0.into(), &0.into()),
        "{report:#}"
    );

    let id = run(&site, &["record", "--since", "1d", "--to", "plain", "--plain", "--expect", "entry"]);
    assert_eq!(id.code, 0, "{id:?}");
    let file = fs::read_dir(site.path("plain")).unwrap().next().unwrap().unwrap().path();
    let plain = fs::read_to_string(&file).unwrap();
    assert!(plain.contains(&number) && !plain.contains("text:"), "{plain}");
    let one = run(&site, &["record", file.file_stem().unwrap().to_str().unwrap()]);
    assert_eq!((one.code, one.out), (0, text));
    let ran = run(&site, &["record", "01932c5e-7b1a-7f00-8000-000000000001"]);
    assert!(ran.code == 1 && ran.err.contains("there is no conversation"), "{ran:?}");
}

#[test]
fn what_was_asked_in_vain_becomes_an_entry() {
    let (site, _) = asked();
    let ran = run(&site, &["gaps", "--json"]);
    let gaps: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    assert_eq!((&gaps["groups"], &gaps["gaps"][0]["gap"]["count"]), (&1.into(), &2.into()), "{gaps:#}");
    assert_eq!(gaps["gaps"][0]["gap"]["unanswered"], 2);
    let ran = run(&site, &["gaps"]);
    assert!(ran.out.contains("2 of 4 questions were asked in vain, in 1 groups"), "{ran:?}");

    // Pasted into a file, it answers, and is no gap any more.
    let other = Site::starter();
    fs::copy(site.path("purser.db"), other.path("purser.db")).unwrap();
    let entry = gaps["gaps"][0]["entry"].as_str().unwrap();
    other.write("faq/en/pasted.yaml", &format!("language: en\nentries:\n{entry}"));
    let ran = other.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = other.run(&["gaps"]);
    assert!(!ran.out.contains("quokkas"), "{ran:?}");
}
