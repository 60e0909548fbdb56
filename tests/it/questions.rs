//! How well the shipped content answers questions that it has never met.
//!
//! It is asked by `purser ask`, one question a line, each by itself. `cargo test --test it questions -- --nocapture`
//! prints the table of docs/content.md.

use std::collections::{BTreeMap, HashSet};
use std::fs;

use purser::responders::faq::normalise::normalise;
use serde::Deserialize;

use crate::cli::Site;

/// A file of tests/questions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questions {
    /// Entry → what people write in a chat who want it.
    chat: BTreeMap<String, Vec<String>>,
    /// Entry → what people ask who know that they want it.
    direct: BTreeMap<String, Vec<String>>,
    /// Not ours, in words like ours.
    similar: Vec<String>,
    /// Not ours at all.
    foreign: Vec<String>,
}

/// A question, and the entry that should answer; none, if none should.
type Question<'a> = (&'a str, Option<&'a str>);

impl Questions {
    fn read(language: &str) -> Questions {
        serde_yaml::from_str(&fs::read_to_string(format!("tests/questions/{language}.yaml")).unwrap()).unwrap()
    }

    fn sets(&self) -> [(&str, Vec<Question<'_>>); 4] {
        [
            ("chat", ours(&self.chat)),
            ("direct", ours(&self.direct)),
            ("similar", self.similar.iter().map(|text| (text.as_str(), None)).collect()),
            ("foreign", self.foreign.iter().map(|text| (text.as_str(), None)).collect()),
        ]
    }
}

fn ours(set: &BTreeMap<String, Vec<String>>) -> Vec<Question<'_>> {
    let questions = set.iter().flat_map(|(entry, texts)| texts.iter().map(move |text| (text, entry)));
    questions.map(|(text, entry)| (text.as_str(), Some(entry.as_str()))).collect()
}

/// What `purser ask --json` says of a question.
#[derive(Deserialize)]
struct Line {
    text: String,
    outcome: String,
    entry: Option<String>,
    suggestions: Vec<String>,
}

/// Shares of a set, in percent.
struct Shares {
    right: f64,
    wrong: f64,
    /// Right, or with the right entry among the suggestions.
    led: f64,
    suggested: f64,
}

fn ask(site: &Site, language: &str, questions: &[Question]) -> Shares {
    let input: String = questions.iter().map(|(text, _)| format!("{text}\n")).collect();
    let [faq, plugins] = ["faq", "plugins"].map(|folder| format!("{}/{folder}", env!("CARGO_MANIFEST_DIR")));
    let arguments = ["ask", "--json", "--lang", language, "--faq", &faq, "--plugins", &plugins];
    let ran = site.run_with(&arguments, &input);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<Line> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), questions.len());
    let (mut right, mut wrong, mut led, mut suggested) = (0, 0, 0, 0);
    for (line, (text, expected)) in lines.iter().zip(questions) {
        assert_eq!(line.text, *text);
        let is_suggested = line.outcome == "suggest";
        let is_answered = !is_suggested && line.outcome != "pass";
        let is_right = is_answered && expected.is_some() && line.entry.as_deref() == *expected;
        right += usize::from(is_right);
        wrong += usize::from(is_answered && !is_right);
        led += usize::from(is_right || line.suggestions.iter().any(|entry| Some(entry.as_str()) == *expected));
        suggested += usize::from(is_suggested);
    }
    let share = |count: usize| 100.0 * count as f64 / questions.len() as f64;
    Shares { right: share(right), wrong: share(wrong), led: share(led), suggested: share(suggested) }
}

/// The least that is right, and led to the right one; the most that is wrong, and suggested.
fn goals(set: &str) -> [f64; 4] {
    match set {
        "chat" => [60.0, 80.0, 4.0, 100.0],
        "direct" => [85.0, 85.0, 3.0, 100.0],
        "similar" => [0.0, 0.0, 6.0, 30.0],
        _ => [0.0, 0.0, 3.0, 10.0],
    }
}

#[test]
fn what_it_has_never_met_is_answered_or_refused() {
    let site = Site::empty();
    let mut missed = Vec::new();
    println!("| questions | answered right | wrong | right, or the right one suggested | suggestions |");
    for (language, name) in [("en", "English"), ("de", "German")] {
        for (set, asked) in Questions::read(language).sets() {
            let shares = ask(&site, language, &asked);
            let Shares { right, wrong, led, suggested } = shares;
            println!(
                "| {name}, {set} ({}) | {right:.1} % | {wrong:.1} % | {led:.1} % | {suggested:.1} % |",
                asked.len()
            );
            let [least_right, least_led, most_wrong, most_suggested] = goals(set);
            if right < least_right || led < least_led || wrong > most_wrong || suggested > most_suggested {
                missed.push(format!(
                    "{name}, {set}: {right:.1} right, {wrong:.1} wrong, {led:.1} led, {suggested:.1} suggested"
                ));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn nobody_has_copied_them_into_the_content() {
    // Greetings are the same wherever they are written, and so are some questions of a few words.
    const SHORT: usize = 6;
    for language in ["en", "de"] {
        let content: HashSet<String> = fs::read_dir(format!("faq/{language}"))
            .unwrap()
            .flat_map(|file| {
                let text = fs::read_to_string(file.unwrap().path()).unwrap();
                text.lines().filter_map(|line| line.trim_start().strip_prefix("- ")).map(normalise).collect::<Vec<_>>()
            })
            .collect();
        let questions = Questions::read(language);
        for (text, _) in questions.sets().into_iter().flat_map(|(_, asked)| asked) {
            let normal = normalise(text);
            let is_short = normal.split(' ').count() < SHORT;
            assert!(
                is_short || !content.contains(&normal),
                "{text:?} is a phrase of faq/{language}: take it out of one of the two"
            );
        }
    }
}
