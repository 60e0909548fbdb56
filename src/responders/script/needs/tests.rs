//! What comes to a plugin and what is kept from it: of a plugin made for this, and of those that are shipped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::tests::{answer, load_with, turn, wrong};
use super::super::{Files, Plugin, Script};
use crate::conversation::{Focus, Millis};
use crate::responders::{Answer, Responder, Turn};
use crate::sources::{LookUp, Looking};

/// 2026-03-02T09:00:00Z, a Monday.
const NOW: Millis = 1_772_442_000_000;

#[tokio::test]
async fn a_plugin_that_needs_something_is_not_asked_without_it() {
    let manifest =
        "api: 1\nabout: x\nattributes: [number]\nneeds:\n  text: [digit]\n  attributes: [number]\n  entries: [mine]\n";
    let plugin = load_with(manifest, &[("main.rhai", "fn answer(turn) { reply(\"asked\") }")]).unwrap();
    let asked = async |turn: Turn| match answer(plugin.clone(), &turn).await.unwrap() {
        Answer::Pass => false,
        Answer::Reply(reply) => &*reply.text == "asked",
        other => panic!("{other:?}"),
    };
    let handed = |entry: &str| Turn { entry: Some(entry.into()), ..turn("hello") };
    let pressed = |choice: &str| Turn { choice: Some(choice.into()), ..turn("hello") };
    let focus = |version| Turn { focus: Some(Focus::new("test", version, json!(1), 1_000)), ..turn("hello") };
    let known = |name: &str| Turn {
        visitor: Arc::new(BTreeMap::from([(name.to_owned(), "4711".to_owned())])),
        ..turn("hello")
    };
    assert!(!asked(turn("hello")).await);
    assert!(asked(turn("hello 1")).await);
    assert!(asked(turn("hello ٣")).await);
    assert!(asked(handed("mine")).await);
    assert!(!asked(handed("another")).await);
    assert!(asked(pressed("test/again")).await);
    assert!(!asked(pressed("testing/again")).await);
    assert!(asked(focus(0)).await);
    assert!(!asked(focus(1)).await);
    assert!(asked(known("number")).await);
    assert!(!asked(known("name")).await);
}

#[test]
fn what_a_plugin_cannot_need_is_found() {
    let needing = |needs: &str| {
        let manifest = format!("api: 1\nabout: x\nneeds: {needs}\n");
        wrong(load_with(&manifest, &[("main.rhai", "fn answer(turn) { pass() }")]))
    };
    assert!(
        needing("{ attributes: [number] }")
            .contains("plugin.yaml:3:23: the plugin does not see the attribute `number`")
    );
    assert!(needing("{ text: [letter] }").contains("letter"));
    assert!(needing("{ entries: [A B] }").contains("is not the name of an entry"));
    assert_eq!(needing("{ text: [digit, number, weight, money] }"), "");
    assert!(needing("{ answers: {} }").contains(
        "plugin.yaml:3:19: `answers` has nothing in it, so no answer would come to the plugin (write what one can hold"
    ));
    assert!(needing("{ answers: { words: [yes_words] } }").contains(
        "plugin.yaml:3:29: `words` are lists of texts.yaml, which is not in the `data` of this plugin (write \
         `data: [texts.yaml]`, and there a list `yes_words` for each language)"
    ));
    assert!(needing("{ answers: { words: [a, a] } }").contains("`a` stands here twice"));
    assert!(needing("{ answers: { short: -1 } }").contains("plugin.yaml:3:"));
    assert!(needing("{ answers: { length: 3 } }").contains("length"));
}

#[test]
fn lists_that_are_not_there_are_found() {
    let manifest = "api: 1\nabout: x\ndata: [texts.yaml]\nneeds:\n  answers:\n    words: [days]\n";
    let listing = |texts: &str| {
        let files = [("main.rhai", "fn answer(turn) { pass() }"), ("texts.yaml", texts)];
        wrong(load_with(manifest, &files))
    };
    assert_eq!(listing("en: { days: [today] }\nde: { days: [heute] }"), "");
    assert_eq!(
        listing("en: { days: [today] }\nde: { dayz: [heute] }"),
        "plugins/test/plugin.yaml:6:13: texts.yaml has no list `days` for `de` (did you mean `dayz`?)"
    );
    assert_eq!(
        listing("en: { days: today }"),
        "plugins/test/plugin.yaml:6:13: texts.yaml has no list `days` for `en` (write `days: […]` there, with the words \
         that an answer can have)"
    );
}

#[tokio::test]
async fn what_is_no_answer_does_not_come_after_a_question() {
    let manifest = "api: 1\nabout: x\ndata: [texts.yaml]\nneeds:\n  text: [money]\n  answers:\n    text: [digit, day]\n    \
                    words: [yes, no]\n    short: 2\n";
    let texts = "en: { \"yes\": [fine], \"no\": [never] }\nde: { \"yes\": [gut], \"no\": [nie] }";
    let files = [("main.rhai", "fn answer(turn) { reply(\"asked\") }"), ("texts.yaml", texts)];
    let plugin = load_with(manifest, &files).unwrap();
    for (text, language, comes) in [
        ("do you sell boxes", "en", false),
        ("boxes, please", "en", true),
        ("👍", "en", true),
        ("that would be 3 then", "en", true),
        ("that is FINE, do it", "en", true),
        ("no, I would never do that", "en", true),
        ("das ist gut so, danke", "de", true),
        // Of a language that texts.yaml does not have, English is taken, as `turn.texts` does.
        ("c'est fine pour moi", "fr", true),
        ("das ist gut so, danke", "en", false),
        ("could it come on thursday", "en", true),
        ("I have paid ten euros", "en", true),
    ] {
        let asked = Focus::new("test", 0, json!(1), NOW);
        let languages = vec![language.into()];
        let answering = Turn { languages, now: NOW, focus: Some(asked), ..turn(text) };
        let passed = answer(plugin.clone(), &answering).await.unwrap() == Answer::Pass;
        assert_eq!(!passed, comes, "{text}");
        let unasked = Turn { focus: None, ..answering };
        let passed = answer(plugin.clone(), &unasked).await.unwrap() == Answer::Pass;
        assert_eq!(!passed, text.contains("euros"), "{text}, without a question");
    }
}

/// A parcel is there, whatever its number, and all can be done.
#[derive(Debug)]
struct AllThere;

impl LookUp for AllThere {
    fn look_up<'a>(&'a self, _: &'a str, _: &'a Map<String, Value>) -> Looking<'a> {
        let parcel =
            json!({ "status": "attempted", "expected": "2026-03-03", "changed": "2026-03-02", "country": "GB" });
        Box::pin(std::future::ready(Ok(parcel)))
    }

    fn can_act(&self, _: &str) -> bool {
        true
    }
}

/// A shipped plugin; without its `needs` it is asked about everything.
fn shipped(name: &str, needs: bool) -> Arc<Plugin> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let files = |folder: &str| -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap);
        files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
    };
    let mut own = files(name);
    if !needs {
        let manifest = String::from_utf8(own["plugin.yaml"].clone()).unwrap();
        let (before, after) = manifest.split_once("\nneeds:\n").unwrap();
        let (_, after) = after.split_once("\n\n").unwrap();
        own.insert("plugin.yaml".to_owned(), format!("{before}\n\n{after}").into_bytes());
    }
    Plugin::load(Files { name, root: "plugins", own: &own, lib: &files("lib") }).map(Arc::new).unwrap()
}

/// What customers say in all that is kept here: the questions of the bench, the conversations, the plugins' own tests.
fn said() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let mut said: Vec<String> = read(&root.join("benches/questions.txt")).lines().map(str::to_owned).collect();
    let folders =
        ["tests/conversations/en", "tests/conversations/de", "plugins/cost", "plugins/tracking", "plugins/redelivery"];
    for folder in folders {
        for file in fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path()) {
            let text = read(&file);
            let steps = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
            let texts = steps.filter_map(|step| step.strip_prefix("say: ").or_else(|| step.strip_prefix("press: ")));
            said.extend(texts.map(|text| text.trim_matches('"').to_owned()));
        }
    }
    said
}

/// Questions of the shipped plugins: whose, and the state that it gets back.
fn questions() -> Vec<(&'static str, Value)> {
    let london = json!({ "country": "GB", "name": "London" });
    let porto = json!({ "country": "PT", "name": "Porto" });
    let cost =
        |asked: &str, parcel: Value| ("cost", json!({ "parcel": parcel, "asked": asked, "guided": !asked.is_empty() }));
    let known = "PX473124829GB";
    let redelivery = |wants: &str, number: Option<&str>| {
        ("redelivery", json!({ "wants": wants, "country": "GB", "wish": { "number": number, "day": null } }))
    };
    vec![
        cost("from", json!({})),
        cost("to", json!({ "from": london })),
        cost("weight", json!({ "from": london, "to": porto })),
        cost("size", json!({ "from": london, "to": porto, "grams": 2000.0 })),
        cost("", json!({ "from": london, "to": porto, "grams": 2000.0 })),
        ("tracking", json!({ "wants": "number", "tries": 0 })),
        ("tracking", json!({ "wants": "postcode", "number": known, "country": "GB" })),
        ("tracking", json!({ "wants": "nothing" })),
        redelivery("number", None),
        redelivery("postcode", Some(known)),
        redelivery("day", Some(known)),
    ]
}

fn asked(plugin: &str, state: Value, text: &str, language: &str) -> Turn {
    let focus = Some(Focus::new(plugin, 1, state, NOW));
    // As in a test, no busy machine cuts a run short.
    let stubs: Option<Arc<dyn LookUp>> = Some(Arc::new(AllThere));
    Turn { text: text.into(), languages: vec![language.into()], now: NOW, focus, stubs, ..Turn::default() }
}

#[tokio::test]
async fn no_answer_is_kept_from_a_shipped_plugin() {
    let sources: Arc<dyn LookUp> = Arc::new(AllThere);
    let mut said = said();
    said.extend(TYPED.iter().map(|(_, text)| (*text).to_owned()));
    assert!(said.len() > 400, "{}", said.len());
    for (plugin, state) in questions() {
        let script = Script::new(shipped(plugin, true), sources.clone());
        let open = Script::new(shipped(plugin, false), sources.clone());
        let mut kept = 0;
        for (text, language) in said.iter().flat_map(|text| [(text, "en"), (text, "de")]) {
            let turn = asked(plugin, state.clone(), text, language);
            if script.is_asked(&turn) {
                continue;
            }
            kept += 1;
            let answer = open.respond(&turn).await.unwrap();
            assert_eq!(answer, Answer::Pass, "{plugin} does not get {text:?} ({language}) after {state}");
        }
        assert!(kept > said.len(), "{plugin} is asked about nearly everything after {state}: {kept} were kept");
    }
}

/// How customers answer, and what of it must come to the plugin that asked.
const TYPED: &[(&str, &str)] = &[
    ("cost", "from there"),
    ("cost", "the second one"),
    ("cost", "idk"),
    ("cost", "same"),
    ("cost", "same as before"),
    ("cost", "Wien"),
    ("cost", "Viena"),
    ("cost", "frm Mancester"),
    ("cost", "it would go out from Leeds, I suppose"),
    ("cost", "to my aunt, she lives in lisbon these days"),
    ("cost", "two kilos"),
    ("cost", "ein Kilo, glaube ich, vielleicht etwas mehr"),
    ("cost", "I would say roughly five, with the box"),
    ("cost", "ungefähr zweieinhalb, mit der Schachtel drum herum"),
    ("cost", "about the size of a shoebox, not more"),
    ("cost", "thirty by twenty by ten I would guess"),
    ("cost", "I really do not know the size of it"),
    ("cost", "das weiß ich leider selbst nicht so genau"),
    ("cost", "it should be there as quick as possible, so express"),
    ("cost", "lieber ganz normal, es hat keine Eile"),
    ("tracking", "idk"),
    ("tracking", "I don't have one"),
    ("tracking", "sorry, nobody gave me that, so no"),
    ("tracking", "leider habe ich keine bekommen"),
    ("tracking", "four seven 3124829 maybe"),
    ("tracking", "it goes to E1 8XX in London"),
    ("redelivery", "friday"),
    ("redelivery", "could you do it the day after tomorrow please"),
    ("redelivery", "am liebsten gleich nächsten Dienstag, wenn das geht"),
    ("redelivery", "the postcode should be E1 8XX I think"),
];

#[test]
fn what_customers_type_comes_to_the_plugin_that_asked() {
    let sources: Arc<dyn LookUp> = Arc::new(AllThere);
    for (plugin, state) in questions() {
        let script = Script::new(shipped(plugin, true), sources.clone());
        for (_, text) in TYPED.iter().filter(|(name, _)| *name == plugin) {
            let comes =
                ["en", "de"].iter().any(|language| script.is_asked(&asked(plugin, state.clone(), text, language)));
            assert!(comes, "{plugin} does not get {text:?}");
        }
    }
}
