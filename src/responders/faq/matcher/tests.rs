use super::*;

fn entry(mode: Mode, priority: i32, phrases: &[&str]) -> EntryWordings {
    EntryWordings { mode, priority, phrases: phrases.iter().map(|&phrase| phrase.into()).collect() }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.into()).collect()
}

/// A small shop: 0 track, 1 refund, 2 host, 3 and 4 the same phrase.
fn shop() -> Wordings {
    Wordings {
        language: "en".into(),
        entries: vec![
            entry(Mode::Wording, 0, &["where is my parcel", "track a parcel", "parcel not arrived yet"]),
            entry(Mode::Wording, 0, &["I want a refund", "refund for a late delivery", "get my money returned"]),
            entry(Mode::Wording, 0, &["become a host", "what does a host do"]),
            entry(Mode::Wording, 0, &["gift wrapping"]),
            entry(Mode::Wording, 1, &["gift wrapping"]),
        ],
        words: vec![
            ("parcel".into(), texts(&["package", "my stuff", "consignment"])),
            ("refund".into(), texts(&["money back"])),
        ],
        ignore: texts(&["a", "the", "my", "I", "is", "does", "please", "hello", "for"]),
        not_ours: texts(&["reset my password", "what is the weather", "track my heart rate"]),
    }
}

fn german() -> Wordings {
    Wordings {
        language: "de-AT".into(),
        entries: vec![
            entry(Mode::Wording, 0, &["wo ist mein Paket", "Verfolgung meiner Sendung", "Pakete verfolgen"]),
            entry(Mode::Wording, 0, &["Rückgabe an den Händler", "ich möchte etwas zurückgeben", "Größe passt nicht"]),
        ],
        words: vec![("paket".into(), texts(&["sendung", "päckchen"]))],
        ignore: texts(&["wo", "ist", "ich", "mein", "den", "an"]),
        not_ours: Vec::new(),
    }
}

fn chinese() -> Wordings {
    Wordings {
        language: "zh".into(),
        entries: vec![
            entry(Mode::Wording, 0, &["我的包裹在哪里", "查询包裹"]),
            entry(Mode::Wording, 0, &["我要退款", "什么时候退款"]),
        ],
        words: vec![("包裹".into(), texts(&["快递"]))],
        ignore: Vec::new(),
        not_ours: Vec::new(),
    }
}

/// The entry that answers, or a word for what happens instead.
fn outcome(matcher: &Matcher, text: &str) -> Result<usize, &'static str> {
    match matcher.find(text).outcome {
        Outcome::Sure(best) => Ok(best.entry),
        Outcome::Unsure(_) => Err("unsure"),
        Outcome::Nothing => Err("nothing"),
    }
}

#[test]
fn finds_what_is_meant() {
    let nothing = Err("nothing");
    for (wordings, table) in [
        (
            shop(),
            &[
                ("where is my parcel", Ok(0)),
                ("Where’s my PACKAGE???", Ok(0)),
                ("hello, where is my stuff please", Ok(0)),
                ("just stuff", nothing),
                ("trakc my pacrel", Ok(0)),
                ("track my consignmnet", Ok(0)),
                ("track parcel 00340434161094042557", Ok(0)),
                ("can i get my money back", Ok(1)),
                ("refunds", Ok(1)),
                ("host", Ok(2)),
                ("ghost", nothing),
                ("a ghost in the house", nothing),
                ("gift wrapping", Ok(4)),
                ("reset the password please", nothing),
                ("how is the weather in paris", nothing),
                ("who won the football match", nothing),
                ("hello", nothing),
                ("4711", nothing),
                ("", nothing),
                ("👍🏽", nothing),
            ][..],
        ),
        (
            german(),
            &[
                ("Wo ist meine Sendung?", Ok(0)),
                ("Paketverfolgung", Ok(0)),
                ("PÄCKCHEN VERFOLGEN", Ok(0)),
                ("paeckchen verfolgen", Ok(0)),
                ("rueckgabe", Ok(1)),
                ("Die Groesse passt nicht", Ok(1)),
                ("die grösse passt nicht", Ok(1)),
                ("Bundesliga Tabelle", nothing),
            ],
        ),
        (
            chinese(),
            &[
                ("我的快递在哪里？", Ok(0)),
                ("查询快递", Ok(0)),
                ("包裹", Ok(0)),
                ("我想要退款", Ok(1)),
                ("今天天气怎么样", nothing),
            ],
        ),
    ] {
        let matcher = Matcher::build(&wordings);
        for &(text, expected) in table {
            assert_eq!(outcome(&matcher, text), expected, "{text}: {:#?}", matcher.explain(text, 3));
        }
    }
}

#[test]
fn explains_what_became_of_each_word() {
    let explanation = Matcher::build(&shop()).explain("Hello, trakc my stuff 4711 tomatoes", 2);
    let expected = [
        ("hello", Became::Ignored),
        ("trakc", Became::CorrectedTo("track".into())),
        ("my stuff", Became::SynonymOf("parcel".into())),
        ("4711", Became::Number),
        ("tomatoes", Became::Unknown),
    ];
    assert_eq!(explanation.words, expected.map(|(word, became)| (word.to_owned(), became)));
    assert_eq!(explanation.counted.len(), 2);
    assert_eq!(explanation.candidates[0].entry, 0);
}

#[test]
fn survives_any_text_and_any_content() {
    let empty = Wordings {
        language: String::new(),
        entries: Vec::new(),
        words: Vec::new(),
        ignore: Vec::new(),
        not_ours: Vec::new(),
    };
    let hollow = Wordings {
        language: "?".into(),
        entries: vec![
            entry(Mode::Wording, 0, &["", "!!", "12"]),
            entry(Mode::Word, 0, &[""]),
            entry(Mode::Exact, 0, &[]),
        ],
        words: vec![(String::new(), texts(&["", "…"])), ("a".into(), Vec::new())],
        ignore: texts(&["", "?"]),
        not_ours: texts(&[""]),
    };
    let long = ["👍🏽".repeat(4000), "paket".repeat(800), "a ".repeat(2000), "\u{301}".repeat(4000), "ä".repeat(4000)];
    for wordings in [empty, hollow, shop(), german(), chinese()] {
        let matcher = Matcher::build(&wordings);
        for text in long.iter().map(String::as_str).chain(["", " ", "a", "12", "\0", "’’’", "?"]) {
            let found = matcher.find(text);
            assert!((0.0..=1.0).contains(&found.known), "{text}: {found:?}");
            let scores = matcher.nearest(text, 9);
            assert!(scores.iter().all(|candidate| (0.0..=1.001).contains(&candidate.score)), "{text}: {scores:?}");
        }
    }
}

#[test]
fn the_same_content_gives_the_same_numbers() {
    let text = "where is the money for my late stuff";
    let nearest = Matcher::build(&shop()).nearest(text, 9);
    assert!(nearest.len() > 1);
    assert_eq!(Matcher::build(&shop()).nearest(text, 9), nearest);
}

/// An editor who adds a question to an entry sees it answered, though each of its words is common.
#[test]
fn a_wording_as_it_stands_is_answered() {
    let of_ways = |ways: &[&str]| ways.iter().map(|way| format!("ship {way}")).collect::<Vec<_>>();
    let ways =
        [&["by train", "by plane"], &["to Rome", "to Paris"], &["a bicycle", "a sofa"], &["on Sunday", "at night"]];
    let mut entries: Vec<EntryWordings> = ways
        .iter()
        .map(|ways| EntryWordings { mode: Mode::Wording, priority: 0, phrases: of_ways(*ways).into() })
        .collect();
    entries.push(entry(Mode::Wording, 0, &["how to ship", "begin with us"]));
    let ignore = texts(&["how", "to", "a", "by", "on", "at", "with", "us"]);
    let wordings = Wordings { language: "en".into(), entries, words: Vec::new(), ignore, not_ours: Vec::new() };
    let matcher = Matcher::build(&wordings);
    assert_eq!(outcome(&matcher, "How to SHIP?"), Ok(4), "{:#?}", matcher.explain("how to ship", 3));
    assert_ne!(outcome(&matcher, "ship"), Ok(4), "{:#?}", matcher.explain("ship", 3));
    assert_ne!(outcome(&matcher, "how to ship bananas"), Ok(4), "{:#?}", matcher.explain("how to ship bananas", 3));
}
