//! Tests of whole sets: what is checked, and what the responder makes of a turn.

use std::collections::BTreeMap;

use super::*;
use crate::conversation::Millis;
use crate::finding::Finding;
use crate::responders::lines::Line;

/// 2026-11-22.
const NOW: Millis = 20_779 * 86_400_000;

fn site() -> Site {
    Site {
        language: "en".to_owned(),
        handlers: vec!["faq".to_owned(), "person".to_owned()],
        plugins: ["quote".to_owned()].into(),
        off: ["tracking".to_owned()].into(),
        now: NOW,
    }
}

fn build(files: &[(&str, &str)]) -> (FaqSet, Vec<Finding>) {
    let documents: Vec<Document> =
        files.iter().map(|(file, text)| Document::read(file, text.as_bytes()).unwrap()).collect();
    FaqSet::build(&documents, &site(), &mut Built::default())
}

/// All findings of these files, one a line, warnings marked.
fn wrong(files: &[(&str, &str)]) -> String {
    let mark = |finding: &Finding| if finding.is_error() { "" } else { "warning: " };
    let (set, mut findings) = build(files);
    findings.extend(set.doubts(site().now));
    findings.sort_by(|a, b| (a.severity, &a.file, a.line, a.column).cmp(&(b.severity, &b.file, b.line, b.column)));
    findings.iter().map(|finding| format!("{}{}\n", mark(finding), finding.one_line())).collect()
}

#[test]
fn the_set_is_checked() {
    // Findings of an entry that is otherwise right: "id: a", one exact phrase, an answer.
    let entry =
        |more: &str| format!("language: en\nentries:\n- id: a\n  match: exact\n  phrases: [one]\n  answer: A\n{more}");
    for (more, expected) in [
        ("", ""),
        ("  was: [b, a]\n", "f:7:12: two entries of `en` are called `a`, see f:3:7 (give one of them another name)\n"),
        (
            "  was: [Old Name]\n",
            "f:7:9: `Old Name` cannot be the name of an entry (small letters, digits and hyphens make a name: change-address)\n",
        ),
        (
            "- id: person\n  phrases: [two]\n  answer: B\n",
            "f:7:7: `person` is the name of a responder (give the entry another name)\n",
        ),
        (
            "- id: b\n  phrases: []\n  answer: B\n",
            "f:7:3: `b` has no phrases (write wordings of the question below `phrases:`)\n",
        ),
        (
            "- id: b\n  phrases: [two, \"?!\"]\n  answer: B\n",
            "f:8:18: this phrase has no words (write a wording, or take it out)\n",
        ),
        (
            "- id: b\n  phrases: [two]\n  answer: \" \"\n",
            "f:9:11: the answer of `b` is empty (write what the customer is told)\n",
        ),
        ("  title: \"\"\n", "f:7:10: nothing stands here (write a text, or take it out)\n"),
        ("  then: person\n", ""),
        ("  then: quote\n", ""),
        ("  then: person/claims\n", ""),
        (
            "  then: person/Big Claims\n",
            "f:7:9: `Big Claims` cannot be a team (write small letters, digits and hyphens, such as person/claims)\n",
        ),
        (
            "  then: persn\n",
            "warning: f:7:9: nobody here is called `persn`; its own answer is used (did you mean `person`?)\n",
        ),
        (
            "  then: cost\n",
            "warning: f:7:9: nobody here is called `cost`; its own answer is used (it takes effect when a plugin of this name is loaded)\n",
        ),
        ("  then: quote, person\n", ""),
        ("  then: tracking\n", "warning: f:7:9: the plugin `tracking` is off; its own answer is used\n"),
        (
            "  from: 2026-12-02\n  until: 2026-12-01\n",
            "f:8:10: the last day comes before the first (change `from` or `until`)\n",
        ),
        ("  until: 2026-11-21\n", "warning: f:7:10: the days of `a` are over (give it new days, or take it out)\n"),
        ("  until: 2026-11-22\n", ""),
        (
            "- id: b\n  phrases: [two]\n  answer: |\n    Call us.\n\n      {{ facts.phon }}\nfacts: {phone: 1}\n",
            "f:12:7: there is no fact `phon` (did you mean {{ facts.phone }}?)\n",
        ),
        (
            "- id: b\n  phrases: [two]\n  answer: Hello {{ visitor.name }}\n",
            "f:9:11: `visitor.name` is not known of every visitor and has no default (write {{ visitor.name | default(\"…\") }} with what to say to the others)\n",
        ),
        ("  ask: [One!]\n  not: [two]\n", ""),
        ("  ask: [two]\n", "f:7:9: nothing answers this; `a` has 0.00 (add its words to the phrases of `a`)\n"),
        (
            "  not: [one]\n",
            "f:7:9: `a` answers this, with 1.00 (add the question to `not_ours:`, or to the phrases of the entry that should answer it)\n",
        ),
        (
            "  ask: [two]\n- id: b\n  match: exact\n  phrases: [two]\n  answer: B\n",
            "f:7:9: `b` answers this with 1.00; `a` has 0.00, see f:10:13 (add its words to the phrases of `a`, or take some from `b`)\n",
        ),
        (
            "  buttons: [one, Two]\n",
            "warning: f:7:18: no entry answers the button `Two` (make it the title or a phrase of an entry)\n",
        ),
        ("  buttons: [Two]\n- id: b\n  title: two\n  match: exact\n  phrases: [three]\n  answer: B\n", ""),
        (
            "- id: b\n  match: exact\n  phrases: [ONE]\n  answer: B\n",
            "warning: f:7:7: `b` answers none of its own phrases, see f:5:13 (`b` stands in its shadow: join the two, or give it words of its own)\n\
             warning: f:9:13: `a` also has the phrase `ONE`, see f:5:13 (take it out of one of the two)\n",
        ),
        (
            "- id: b\n  match: exact\n  phrases: [two]\n  answer: B\n  from: 2027-01-01\n  ask: [one]\n",
            "f:12:9: `a` answers this with 1.00; `b` has 0.00, see f:5:13 (add its words to the phrases of `b`, or take some from `a`)\n",
        ),
        (
            "not_ours: [One]\n",
            "warning: f:3:7: `a` answers `One`, which stands in `not_ours:` (take it out there, or its words out of the phrases here)\n",
        ),
        (
            "lines:\n  empty: Say {{ facts.x }}\n  apology: Sorry, {{ visitor.name | default(1) }}\n",
            "f:8:10: there is no fact `x` (no file has facts; add `facts:` with `x: …`)\nf:9:12: a line cannot speak of the visitor (only {{ facts.… }} is possible here)\n",
        ),
    ] {
        let wrong = wrong(&[("f", &entry(more))]);
        assert_eq!(wrong, expected, "{more}");
    }
}

#[test]
fn files_are_checked_against_each_other() {
    let en = "language: en\nfacts: {phone: '1', fax: '2'}\nlines: {empty: A}\nentries:\n- {id: a, match: exact, phrases: [one], answer: A}\n- {id: b, match: exact, phrases: [two], answer: B}\n";
    let two = "language: en\nfacts: {phone: '3'}\nlines: {empty: B}\nentries:\n- {id: a, match: exact, phrases: [six], answer: A}\n";
    assert_eq!(
        wrong(&[("en.yaml", en), ("two.yaml", two)]),
        "two.yaml:2:9: the fact `phone` is given twice, see en.yaml:2:9 (keep one of the two)\n\
         two.yaml:3:16: the line `empty` is given twice, see en.yaml:3:16 (keep one of the two)\n\
         two.yaml:5:8: two entries of `en` are called `a`, see en.yaml:5:8 (give one of them another name)\n"
    );
    let de = "language: de\nentries:\n- {id: a, match: exact, phrases: [eins], answer: A}\n- {id: c, match: exact, phrases: [drei], answer: C}\n";
    assert_eq!(
        wrong(&[("en.yaml", en), ("de.yaml", de)]),
        "warning: de.yaml: `de` has no entry for b (customers get the answer in another language)\n\
         warning: en.yaml: `en` has no entry for c (customers get the answer in another language)\n"
    );
    let fr = "language: fr\nlines: {empty: Vide}\nentries:\n- {id: a, match: exact, phrases: [un], answer: A}\n";
    assert_eq!(
        wrong(&[("fr.yaml", fr)]),
        "warning: fr.yaml: `fr` has no `lines:` for nothing-found, did-you-mean, person-button, sources, person, apology, \
         cancelled, cancel-words, agree-button, decline-button, agree-words, decline-words, agreed, proposal-over, errand-done, errand-refused, errand-unknown, too-long, unreadable, not-stored, \
         too-fast, too-many, full, sign-in, greeting, starters, privacy, queued, queued-at, people-away, leave-message, people-back, today, \
         weekdays, contact-unclear, message-taken, back-button, back-words, with-bot, message-button, joined, \
         transferred, requeued, given-back, closed-by-agent, closed-idle, nobody-came, forgotten, still-there, ask-rating, rated, blocked, attached, \
         attachment-gone (they are said in the site's own language or in English)\n\
         warning: fr.yaml: there are no entries in `en`, the site's own language, only in fr (set `language:` in purser.yaml, or write them)\n"
    );
    assert_eq!(
        wrong(&[("a.yaml", "language: english\n"), ("b.yaml", "ignore: [please]\n")]),
        "a.yaml:1:11: `english` is not the code of a language (write a code such as en, de or pt-BR)\n\
         b.yaml:1:1: a file with `ignore` must say its `language` (write `language: en` at the top)\n"
    );
}

#[test]
fn facts_hold_for_all_languages_and_a_language_may_have_its_own() {
    let shared = ("facts.yaml", "facts: {phone: '123', mail: m}\n");
    let en = (
        "en.yaml",
        "language: en\nentries:\n- {id: a, match: exact, phrases: [one], answer: 'Call {{ facts.phone }}'}\n",
    );
    let de = (
        "de.yaml",
        "language: de\nfacts: {phone: '0 12'}\nentries:\n- {id: a, match: exact, phrases: [eins], answer: 'Ruf {{ facts.phone }}'}\n",
    );
    let (set, findings) = build(&[shared, en, de]);
    assert_eq!(findings, []);
    let faq = Faq::new(Arc::new(set));
    assert_eq!(said(&faq, &["en"], "one"), "en a: Call 123");
    assert_eq!(said(&faq, &["de"], "eins"), "de a: Ruf 0 12");
    // The lines of purser itself know them too.
    let lines = faq.set.lines();
    assert!(lines.say(Line::Person, &["de".into()]).0.contains("0 12"));
    assert!(lines.say(Line::Person, &["en".into()]).0.contains("123"));
    let lines = build(&[("en.yaml", en.1.split("entries").next().unwrap())]).0.lines();
    // A number is put in when the line is said.
    let filled = |text: &str, name: &&str| text.replace(&format!("{{{name}}}"), "3");
    let names = ["seconds", "place", "day", "time", "contact", "name", "titles"];
    let said = |line| names.iter().fold(lines.say(line, &["de".into()]).0.to_owned(), |text, name| filled(&text, name));
    assert!(Line::ALL.iter().all(|&line| !said(line).contains('{')));
}

fn turn(languages: &[&str], text: &str) -> Turn {
    Turn {
        text: text.into(),
        languages: languages.iter().map(|&language| language.into()).collect(),
        now: NOW,
        ..Turn::default()
    }
}

/// What became of a turn: language, entry and text of a reply, or the ids that are suggested.
fn told(faq: &Faq, turn: &Turn) -> String {
    match faq.answer(turn).unwrap() {
        Answer::Pass => "pass".to_owned(),
        Answer::Reply(reply) => format!("{} {}: {}", reply.language.unwrap(), reply.entry.unwrap(), reply.text),
        Answer::Suggest(some) => {
            let ids: Vec<_> = some.buttons.into_iter().filter_map(|button| button.choice).collect();
            format!("{} perhaps {}", some.language.unwrap(), ids.join(", "))
        }
        Answer::Ask(..) => "ask".to_owned(),
        Answer::HandOver(_) => "hand over".to_owned(),
    }
}

fn said(faq: &Faq, languages: &[&str], text: &str) -> String {
    told(faq, &turn(languages, text))
}

fn two_languages() -> Faq {
    let en = "language: en\nentries:\n\
              - {id: hours, match: exact, phrases: [opening hours, when are you open], answer: Nine to five}\n\
              - {id: only-english, match: exact, phrases: [cricket scores], answer: No}\n\
              - {id: same, match: exact, phrases: [hotline], answer: English}\n\
              - {id: moved, was: [old-name], phrases: [something else entirely], answer: 'Hi {{ visitor.name | default(\"there\") }}', then: person}\n";
    let de = "language: de\nentries:\n\
              - {id: hours, match: exact, phrases: [öffnungszeiten, wann habt ihr offen], answer: Neun bis fünf}\n\
              - {id: same, match: exact, phrases: [hotline], answer: Deutsch}\n";
    Faq::new(Arc::new(build(&[("en.yaml", en), ("de.yaml", de)]).0))
}

#[test]
fn the_language_is_the_wanted_one_the_sites_own_or_that_of_the_words() {
    let faq = two_languages();
    for (languages, text, expected) in [
        (&["de", "en"][..], "Öffnungszeiten?", "de hours: Neun bis fünf"),
        (&["de-AT"], "öffnungszeiten", "de hours: Neun bis fünf"),
        (&["fr", "de_CH"], "hotline", "de same: Deutsch"),
        (&["en"], "hotline", "en same: English"),
        (&[], "hotline", "en same: English"),
        (&["fr"], "hotline", "en same: English"),
        // The words are plainly of another language.
        (&["de"], "when are you open", "en hours: Nine to five"),
        (&["en"], "wann habt ihr offen?", "de hours: Neun bis fünf"),
        (&["de"], "cricket scores", "en only-english: No"),
        (&["de"], "quelle heure", "pass"),
    ] {
        assert_eq!(said(&faq, languages, text), expected, "{languages:?} {text}");
    }
}

#[test]
fn a_choice_answers_directly_by_the_name_of_today_or_of_before() {
    let faq = two_languages();
    let press = |languages: &[&str], choice: &str, text: &str| {
        let choice = Some(choice.to_owned());
        told(&faq, &Turn { choice: choice.map(Arc::from), ..turn(languages, text) })
    };
    assert_eq!(press(&["de"], "hours", "whatever it says"), "de hours: Neun bis fünf");
    assert_eq!(press(&["en"], "hours", ""), "en hours: Nine to five");
    assert_eq!(press(&["de"], "only-english", ""), "en only-english: No");
    assert_eq!(press(&["de"], "old-name", ""), "en moved: Hi there");
    assert_eq!(press(&["en"], "person", "when are you open"), "pass");
    // A button of content that is gone: its text is asked.
    assert_eq!(press(&["en"], "gone", "when are you open"), "en hours: Nine to five");
    let reply = |choice: &str| match faq.answer(&Turn { choice: Some(choice.into()), ..turn(&["en"], "") }) {
        Ok(Answer::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    };
    assert_eq!(reply("old-name").then, ["person"]);
    assert_eq!(reply("old-name").score, None);
}

#[test]
fn a_visitors_name_cannot_become_markdown() {
    let faq = two_languages();
    let visitor = Arc::new(BTreeMap::from([("name".to_owned(), "[x](http://evil.example) **b**".to_owned())]));
    let turn = Turn { choice: Some("moved".into()), visitor, ..turn(&["en"], "") };
    assert_eq!(told(&faq, &turn), "en moved: Hi \\[x\\](http://evil.example) \\*\\*b\\*\\*");
}

#[test]
fn an_entry_answers_on_its_days() {
    let yaml = "language: en\nentries:\n\
                - {id: always, match: exact, phrases: [hours], answer: Nine to five, priority: -1}\n\
                - {id: holidays, match: exact, phrases: [hours], answer: Closed, from: 2026-12-24, until: 2026-12-26}\n";
    let faq = Faq::new(Arc::new(build(&[("en.yaml", yaml)]).0));
    let day = 86_400_000;
    let on = |now: Millis| told(&faq, &Turn { now, ..turn(&["en"], "hours") });
    let first = 20_811 * day;
    assert_eq!(on(0), "en always: Nine to five");
    assert_eq!(on(first - 1), "en always: Nine to five");
    assert_eq!(on(first), "en holidays: Closed");
    assert_eq!(on(first + 3 * day - 1), "en holidays: Closed");
    assert_eq!(on(first + 3 * day), "en always: Nine to five");
}

#[test]
fn buttons_and_suggestions_lead_to_entries() {
    let yaml = "language: en\nentries:\n\
                - {id: a, match: exact, phrases: [one], answer: A, buttons: [Second things, three, nobody knows]}\n\
                - {id: b, title: Second things, match: exact, phrases: [two], answer: B}\n\
                - {id: c, match: exact, phrases: [three], answer: C}\n";
    let (set, _) = build(&[("en.yaml", yaml)]);
    let entries = &set.languages[0].entries;
    let choices: Vec<_> = entries[0].buttons.iter().map(|button| button.choice.as_deref()).collect();
    assert_eq!(choices, [Some("b"), Some("c"), None]);
    assert_eq!(entries.iter().map(|entry| entry.title.as_str()).collect::<Vec<_>>(), ["One", "Second things", "Three"]);
}

#[test]
fn it_explains_itself() {
    let faq = two_languages();
    let lines = faq.explain(&turn(&["de"], "when are you open"));
    assert_eq!(lines[0], "language: en, which knows 100 % of the words; de knows 0 %");
    assert!(lines[1].starts_with("words: when"), "{lines:?}");
    assert!(lines.contains(&"sure: hours".to_owned()), "{lines:?}");
    assert_eq!(
        faq.explain(&turn(&["en"], "quelle heure")),
        [
            "language: en, of the wanted en",
            "words: quelle (unknown), heure (unknown)",
            "nothing fits",
            "if another entry should answer: add the question, or its telling words, to its phrases"
        ]
    );
    let pressed = Turn { choice: Some("old-name".into()), ..turn(&["en"], "") };
    assert_eq!(faq.explain(&pressed), ["choice: the button of old-name"]);

    let yaml = "language: en\nentries:\n\
                - {id: change, phrases: [change my order, alter an order], answer: A}\n\
                - {id: cancel, phrases: [cancel my order, call off an order], answer: B}\n";
    let faq = Faq::new(Arc::new(build(&[("en.yaml", yaml)]).0));
    let lines = faq.explain(&turn(&["en"], "change my order"));
    assert!(lines.contains(&"sure: change".to_owned()), "{lines:?}");
    let advice = "if cancel should answer instead: add \"change my order\", or its telling words, to the phrases that end at en.yaml:4:43";
    assert_eq!(lines.last().unwrap(), advice);
}
