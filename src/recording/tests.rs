use std::sync::Arc;

use proptest::prelude::*;
use regex::Regex;

use super::read::duration;
use super::*;
use crate::conversation::{
    Author, BotMessage, Button, ClientId, Conversation, ConversationId, Event, EventId, Kind, Meta, Provenance, Reason,
    Said, Seq, Text, VisitorId,
};

const DESIGN: &str = "\
about: a customer asks about Saturdays
start: { language: en, now: 2026-03-02T09:00:00Z, visitor: { name: Ada } }
conversation:
  - say: do you deliver on saturdays?
    answer: { responder: faq, entry: delivery-options, contains: Saturday }
  - wait: 2 days
  - press: Talk to a person
    answer: { outcome: handover, contains: [call, 'write'], matches: '\\+\\d+', buttons: [] }
  - say: asdf qwer
    language: de
    answer: { outcome: suggest, suggests: [a, b], text: x }
  - say: and nothing more
";

/// The same without the places in a file.
fn placeless(mut recording: Recording) -> Recording {
    recording.conversation.iter_mut().for_each(|step| step.line = 0);
    recording
}

#[test]
fn a_recording_is_read_as_it_is_written_by_hand() {
    let recording = Recording::parse("a.yaml", DESIGN).unwrap();
    assert_eq!(recording.about.as_deref(), Some("a customer asks about Saturdays"));
    assert_eq!(recording.start.now, Some(1_772_442_000_000));
    assert_eq!(recording.start.visitor["name"], "Ada");
    let lines: Vec<u32> = recording.conversation.iter().map(|step| step.line).collect();
    assert_eq!(lines, [4, 6, 7, 9, 12]);
    assert_eq!(recording.conversation[1].action, Action::Wait(2 * 86_400_000));
    let pressed = recording.conversation[2].answer.as_ref().unwrap();
    assert_eq!(pressed.outcome, Some(Outcome::Handover));
    assert_eq!(pressed.contains, ["call", "write"]);
    assert_eq!(pressed.buttons, Some(Vec::new()));
    assert!(pressed.matches[0].0.is_match("+44"));
    assert_eq!(recording.conversation[4].answer, None);
}

#[test]
fn a_mistake_is_shown_at_its_place() {
    let step = |step: &str| format!("conversation:\n  - {step}\n");
    for (text, place, message) in [
        ("about: nothing\n".to_owned(), (1, 1), "the key `conversation` is missing"),
        ("conversation: []\nstart: { lang: en }\n".to_owned(), (2, 10), "unknown key `lang`"),
        ("conversation: []\nstart: { now: tomorrow }\n".to_owned(), (2, 15), "`tomorrow` is no time"),
        (step("sya: x"), (2, 5), "unknown key `sya`"),
        (step("answer: { entry: x }"), (2, 5), "a step is one `say`, one `press` or one `wait`"),
        (step("{ say: x, press: y }"), (2, 5), "a step is one `say`"),
        (step("{ agent: Hello, answer: {} }"), (2, 5), "nobody answers this"),
        ("conversation: []\nstart: { focus: { version: 1 } }\n".to_owned(), (2, 19), "the key `responder` is missing"),
        (step("{ wait: 1 day, answer: {} }"), (2, 5), "nobody answers this"),
        (step("{ press: x, language: de }"), (2, 5), "`language` belongs to a `say`"),
        (step("wait: a while"), (2, 5), "`a while` is no time; write such as 2 days"),
        (step("say: ' '"), (2, 5), "the message is empty"),
        (step("{ say: x, answer: { outcome: handed } }"), (2, 34), "unknown word `handed`"),
        (step("{ say: x, answer: { matches: '(' } }"), (2, 34), "`(` is no regular expression"),
        (step("{ say: x, answer: { entri: a } }"), (2, 25), "unknown key `entri`"),
    ] {
        let finding = Recording::parse("a.yaml", &text).expect_err(&text);
        assert!(finding.message.contains(message), "{text}: {finding}");
        assert_eq!((finding.line, finding.column), place, "{text}: {finding}");
    }
}

#[test]
fn times_are_read_and_written() {
    for (text, millis) in [
        ("1 day", 86_400_000),
        ("3 hours", 10_800_000),
        ("90 minutes", 5_400_000),
        ("37 seconds", 37_000),
        ("1 second", 1_000),
        ("250 ms", 250),
    ] {
        assert_eq!(duration(text), Ok(millis));
    }
    for text in ["", "day", "1", "-1 day", "1.5 days", "1 month"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_recording_is_written_as_a_person_would() {
    let recording = Recording::parse("a.yaml", DESIGN).unwrap();
    let expected = "\
about: a customer asks about Saturdays
start: { language: en, now: 2026-03-02T09:00:00Z, visitor: { name: Ada } }
conversation:
  - say: do you deliver on saturdays?
    answer: { responder: faq, entry: delivery-options, contains: [Saturday] }
  - wait: 2 days
  - press: Talk to a person
    answer: { outcome: handover, contains: [call, write], matches: [\"\\\\+\\\\d+\"], buttons: [] }
  - say: asdf qwer
    language: de
    answer:
      outcome: suggest
      suggests: [a, b]
      text: x
  - say: and nothing more
";
    assert_eq!(recording.to_string(), expected);
}

#[test]
fn a_stored_conversation_becomes_a_recording() {
    let mut head = Conversation::new(ConversationId::new(), VisitorId([7; 16]));
    let mut events = Vec::new();
    let mut say = |at: Millis, text: &str, choice: Option<&str>, answer: Option<&str>| {
        let id = EventId::new();
        let said = Said {
            id,
            client_id: ClientId::new(),
            text: Text::new(text).unwrap(),
            choice: choice.map(Arc::from),
            language: Some("en".into()),
            attachments: Vec::new(),
        };
        let mut decision = head.say(said, at, 10_000);
        if let Some(text) = answer {
            let message = BotMessage {
                text: text.into(),
                buttons: vec![Button {
                    text: "Talk to a person".to_owned(),
                    choice: Some("person".to_owned()),
                    ..Button::default()
                }]
                .into(),
                language: Some("en".into()),
                provenance: Provenance {
                    responder: "faq".into(),
                    entry: Some("greeting".into()),
                    revision: "r".into(),
                    micros: 3,
                },
                effects: crate::conversation::Effects::default(),
            };
            let seq = decision.next.last_seq;
            let answer = decision.next.answer(id, seq, message, at, 10_000).unwrap();
            decision = decision.then(answer);
        }
        events.extend(decision.events);
        head = Arc::unwrap_or_clone(decision.next);
    };
    say(1_772_442_000_000, "hello", None, Some("Hello!\n\nWhat can I do?\n"));
    say(1_772_442_000_900, "first this", None, None);
    say(1_772_442_065_500, "Talk to a person", Some("person"), None);
    let expected = "\
start: { language: en, now: 2026-03-02T09:00:00Z }
conversation:
  - say: hello
    answer:
      responder: faq
      entry: greeting
      language: en
      buttons: [Talk to a person]
      text: |-
        Hello!

        What can I do?
  - say: first this
  - wait: 63 seconds
  - press: Talk to a person
";
    let recording = Recording::from_events(&events);
    assert_eq!(recording.to_string(), expected);
    assert_eq!(placeless(Recording::parse("a.yaml", expected).unwrap()), recording);
}

/// An event of a log, and who says it.
fn event(seq: Seq, kind: Kind, author: Author, body: &str, meta: Meta) -> Arc<Event> {
    let at = 1_772_442_000_000 + Millis::from(seq) * STEP;
    let (id, body) = (EventId::new(), body.to_owned());
    Arc::new(Event { id, seq, at, kind, author, body: body.into(), client_id: None, provenance: None, meta })
}

#[test]
fn while_a_person_is_wanted_purser_is_silent_in_the_recording_too() {
    let said = |seq, text: &str, choice: Option<&str>| {
        let meta = Meta { language: Some("en".into()), choice: choice.map(Arc::from), ..Meta::default() };
        event(seq, Kind::Message, Author::Visitor, text, meta)
    };
    let answer = |seq, question, responder: &str, entry: Option<&str>, text: &str| {
        let told = event(seq, Kind::Message, Author::Bot, text, Meta { question: Some(question), ..Meta::default() });
        let (responder, entry) = (responder.to_owned(), entry.map(str::to_owned));
        let provenance = Some(Provenance {
            responder: responder.into(),
            entry: entry.map(Arc::from),
            revision: "r".into(),
            micros: 1,
        });
        Arc::new(Event { provenance, ..Event::clone(&told) })
    };
    let called =
        |seq, reason| event(seq, Kind::Handover, Author::System, "", Meta { reason: Some(reason), ..Meta::default() });
    let named = |seq, kind, text: &str| {
        event(seq, kind, Author::Agent, text, Meta { name: Some("Anna B.".to_owned()), ..Meta::default() })
    };
    let events = [
        said(1, "a person please", None),
        answer(2, 1, "person", Some("talk-to-person"), "You are number **1** in the queue."),
        called(3, Reason::Asked),
        said(4, "are you there?", None),
        named(5, Kind::Joined, "Anna B. is here now."),
        said(6, "where is PX100000017GB", None),
        named(7, Kind::Message, "It is here."),
        named(8, Kind::Left, "Anna B. has left."),
        said(9, "hello", None),
        answer(10, 9, "faq", Some("greeting"), "Hello!"),
        // One that a plugin calls, and from which the customer goes back to the assistant.
        said(11, "it is late", None),
        answer(12, 11, "tracking", None, "It is late.\n\nYou are number **1** in the queue."),
        called(13, Reason::Asked),
        said(14, "Back to the assistant", Some("person/back")),
        event(15, Kind::Left, Author::System, "The assistant is with you again.", Meta::default()),
        // Nobody is there: word is left, and purser goes on.
        said(16, "Talk to a person", Some("person")),
        answer(17, 16, "person", None, "Where may the answer go?"),
        said(18, "anna@example.com", None),
        answer(19, 18, "person", None, "We will write."),
        called(20, Reason::Message),
        said(21, "hello", None),
        answer(22, 21, "faq", Some("greeting"), "Hello!"),
        said(23, "and?", None),
    ];
    let expected = "\
start: { language: en, now: 2026-03-02T09:00:01Z }
conversation:
  - say: a person please
    answer: { responder: person, entry: talk-to-person }
  - joined: agent
  - wait: 2 seconds
  - say: are you there?
  - joined: Anna B.
  - say: where is PX100000017GB
  - agent: It is here.
  - left: Anna B.
  - wait: 1 second
  - say: hello
    answer:
      responder: faq
      entry: greeting
      text: Hello!
  - wait: 1 second
  - say: it is late
    answer: { responder: tracking }
  - wait: 4 seconds
  - press: Talk to a person
    answer: { responder: person }
  - wait: 1 second
  - say: \"anna@example.com\"
  - wait: 2 seconds
  - say: hello
    answer:
      responder: faq
      entry: greeting
      text: Hello!
  - wait: 1 second
  - say: and?
";
    let text = Recording::from_events(&events).to_string();
    assert_eq!(text, expected);
}

/// Texts that a careless writer of YAML gets wrong.
fn text() -> impl Strategy<Value = String> {
    let awkward = [
        "true", "No", "~", "null", "12", "1e3", "- a", "a: b", "a #b", "#", "'", "\"", "\\", "{", "a, b", "a\nb",
        "\n\na\n", " a", "a ", "a\n  b", "a\tb", "\t", "é", "日本", "\u{85}", "\u{2028}", "\u{feff}", "a\r\nb", "---",
        "...", "? a", "! a", "&a", "*a", "%a", "@a", "`a", "a\n\n\nb", "|", ">", "=", "<<", "0x1", ".inf", "a:", "-",
    ];
    prop_oneof![
        3 => proptest::sample::select(awkward.to_vec()).prop_map(str::to_owned),
        2 => "[a-z ,.?!:#'\"{}\\[\\]\\n-]{1,30}",
        1 => "\\PC{1,20}",
        1 => any::<String>(),
    ]
}

fn expected() -> impl Strategy<Value = Expected> {
    let outcome = proptest::sample::select(vec![
        None,
        Some(Outcome::Answer),
        Some(Outcome::Suggest),
        Some(Outcome::Pass),
        Some(Outcome::Handover),
    ]);
    let some = || proptest::option::of(text());
    let many = || proptest::collection::vec(text(), 0..3);
    let pattern = text().prop_map(|text| Pattern(Regex::new(&regex::escape(&text)).unwrap()));
    let lists = (many(), many(), proptest::option::of(many()), proptest::collection::vec(pattern, 0..2));
    (outcome, some(), some(), some(), some(), lists).prop_map(
        |(outcome, responder, entry, language, text, (contains, suggests, buttons, matches))| Expected {
            outcome,
            responder,
            entry,
            language,
            text,
            contains,
            matches,
            buttons,
            suggests,
        },
    )
}

/// Names of files.
fn files() -> impl Strategy<Value = Vec<String>> {
    let name = (text(), prop_oneof![Just(".jpg"), Just(".PNG"), Just(".pdf")]).prop_map(|(name, ending)| name + ending);
    proptest::collection::vec(name, 0..2)
}

fn recording() -> impl Strategy<Value = Recording> {
    let said = text().prop_filter("a message", |text| Text::new(text).is_ok());
    let action = prop_oneof![
        3 => (said, proptest::option::of(text()), files()).prop_map(|(text, language, attachments)| Action::Say {
            text,
            language,
            attachments
        }),
        1 => proptest::option::of(text()).prop_map(|language| Action::Say {
            text: String::new(),
            language,
            attachments: vec!["photo.jpg".to_owned()]
        }),
        1 => text().prop_map(Action::Press),
    ];
    let agent = prop_oneof![
        text().prop_map(Action::Joined),
        (text(), files()).prop_map(|(text, attachments)| Action::Agent { text, attachments }),
        text().prop_map(Action::Left),
    ];
    let agent = agent.prop_map(|action| Step { line: 0, action, answer: None });
    let step = (action, proptest::option::of(expected())).prop_map(|(action, answer)| Step { line: 0, action, answer });
    let wait =
        (1..=4_000_000_u32).prop_map(|wait| Step { line: 0, action: Action::Wait(Millis::from(wait)), answer: None });
    let steps = proptest::collection::vec(prop_oneof![4 => step, 1 => wait, 1 => agent], 0..4);
    let visitor = proptest::collection::btree_map(text(), text(), 0..3);
    let some = || proptest::option::of(text());
    let button = (text(), some()).prop_map(|(text, choice)| Button { text, choice, ..Button::default() });
    let focus = (text(), 0..9_u32, text()).prop_map(|(responder, version, state)| Asking {
        responder,
        version,
        state: serde_json::json!({ "a": [state, 1] }),
    });
    let author = proptest::sample::select(vec![Author::Visitor, Author::Bot, Author::Agent]);
    let earlier = (author, text()).prop_map(|(author, text)| Earlier { author, text });
    let earlier = proptest::collection::vec(earlier, 0..3);
    let middle = (some(), proptest::collection::vec(button, 0..3), proptest::option::of(focus), earlier);
    let start = (some(), proptest::option::of(0..4_000_000_000_000_i64), visitor, middle).prop_map(
        |(language, now, visitor, (spoken, buttons, focus, messages))| Start {
            language,
            now,
            visitor,
            spoken,
            buttons,
            focus,
            messages,
        },
    );
    let result = prop_oneof![
        text().prop_map(|text| Ok(serde_json::json!({ "a": [text, 1.5, null] }))),
        Just(Ok(serde_json::Value::Null)),
        Just(Err(crate::sources::Trouble::TooLarge)),
    ];
    let stub = (text(), text(), result, 0..4_000_000_i64).prop_map(|(source, param, result, delay)| {
        let params = serde_json::Map::from_iter([(param.clone(), serde_json::Value::from(param))]);
        Stub { source, params, result, delay }
    });
    let lookups = proptest::collection::vec(stub, 0..3);
    (proptest::option::of(text()), start, lookups, steps).prop_map(|(about, start, lookups, conversation)| Recording {
        about,
        start,
        lookups,
        conversation,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(recording in recording()) {
        let text = recording.to_string();
        let read = Recording::parse("a.yaml", &text);
        let read = read.map_err(|finding| TestCaseError::fail(format!("{finding}\n{text}")))?;
        prop_assert_eq!(placeless(read), recording, "{}", text);
    }
}
