//! Scripts as their authors write them, through the responder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::*;
use crate::conversation::{ClientId, Conversation, ConversationId, Event, EventId, Focus, Said, Seq, Text, VisitorId};
use crate::finding::Finding;
use crate::responders::{Past, last_messages};
use crate::sources::{Looking, NoSources, Trouble};

const MANIFEST: &str = "api: 1\nabout: a test\n";

pub(super) fn load_with(manifest: &str, files: &[(&str, &str)]) -> Result<Arc<Plugin>, Vec<Finding>> {
    let bytes = |files: &[(&str, &str)]| -> BTreeMap<String, Vec<u8>> {
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    };
    let (lib, own): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| name.starts_with("lib/"));
    let lib: Vec<_> = lib.iter().map(|(name, text)| (&name[4..], *text)).collect();
    let mut own = bytes(&own);
    own.insert("plugin.yaml".to_owned(), manifest.as_bytes().to_vec());
    Plugin::load(Files { name: "test", root: "plugins", own: &own, lib: &bytes(&lib) }).map(Arc::new)
}

fn load(script: &str) -> Result<Arc<Plugin>, Vec<Finding>> {
    load_with(MANIFEST, &[("main.rhai", script)])
}

/// What is wrong with a plugin, a finding a line.
pub(super) fn wrong(loaded: Result<Arc<Plugin>, Vec<Finding>>) -> String {
    let findings = loaded.err().unwrap_or_default();
    findings.iter().map(Finding::one_line).collect::<Vec<_>>().join("\n")
}

pub(super) fn turn(text: &str) -> Turn {
    Turn { text: text.into(), languages: vec!["de-AT".into(), "en".into()], now: 1_000, ..Turn::default() }
}

pub(super) async fn answer(plugin: Arc<Plugin>, turn: &Turn) -> anyhow::Result<Answer> {
    Script::new(plugin, Arc::new(NoSources)).respond(turn).await
}

/// The text of a reply, or what else came of a script whose `answer` has this body.
async fn told(body: &str) -> String {
    told_by(load(&format!("fn answer(turn) {{ {body} }}")).expect("a script"), "hello").await
}

async fn told_by(plugin: Arc<Plugin>, text: &str) -> String {
    match answer(plugin, &turn(text)).await {
        Ok(Answer::Reply(reply)) => reply.text.as_ref().to_owned(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.root_cause().to_string(),
    }
}

#[tokio::test]
async fn an_answer_is_a_value() {
    assert_eq!(told("pass()").await, "Pass");
    assert_eq!(told("reply(\"**hi** \" + plain(turn.text + \" *x*\"))").await, "**hi** hello \\*x\\*");
    let plugin =
        load("fn answer(turn) { ask(\"What?\", #{ a: [1, (), 2.5], b: \"x\" }).button(\"Yes\", \"y\") }").unwrap();
    let Ok(Answer::Ask(reply, asked)) = answer(plugin, &turn("x")).await else { panic!("not a question") };
    assert_eq!(asked, Asked { state: json!({ "a": [1, null, 2.5], "b": "x" }), version: 0, proposed: None });
    assert_eq!((reply.buttons[0].text.as_str(), reply.buttons[0].choice.as_deref()), ("Yes", Some("test/y")));
    assert_eq!(reply.language.as_deref(), Some("de-AT"));
    assert_eq!(
        told("reply(\"P:\").table([\"a\", \"b|\"], [[1, \"x\"], [(), \"*\"]]).add(\"end\")").await,
        "P:\n\n| a | b\\| |\n| --- | --- |\n| 1 | x |\n|  | \\* |\n\nend"
    );
}

#[tokio::test]
async fn what_is_in_a_turn_can_be_compared_with_texts() {
    let script = "fn answer(turn) { reply(`${turn.entry == \"track\"} ${turn.text == \"x\"} ${turn.languages[0] == \"de-AT\"}`) }";
    let turn = Turn { entry: Some("track".into()), ..turn("x") };
    let Ok(Answer::Reply(reply)) = answer(load(script).unwrap(), &turn).await else { panic!("not a reply") };
    assert_eq!(&*reply.text, "true true true");
}

#[tokio::test]
async fn the_next_run_calls_what_its_own_values_need() {
    let script = "fn size(x) { if x.len() > 20 { throw \"too long\" } x.len() }
        fn answer(turn) { reply(`${size(if turn.text == \"list\" { [1, 2] } else { turn.text })}`) }";
    let plugin = load(script).unwrap();
    for _ in 0..3 {
        assert_eq!(told_by(plugin.clone(), "list").await, "2");
        assert_eq!(told_by(plugin.clone(), "hello").await, "5");
        assert_ne!(told_by(plugin.clone(), "far more than is wanted").await, "23");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_said() {
    for (body, expected) in [
        (
            "let x = 1;",
            "plugins/test/main.rhai: answer(turn) returned nothing, which is no answer (end with `pass()` where the message is not for this plugin)",
        ),
        ("\"text\"", "plugins/test/main.rhai: answer(turn) returned a text, which is no answer (write reply(\"…\"))"),
        (
            "7",
            "plugins/test/main.rhai: answer(turn) returned a number, which is no answer (return pass(), reply(\"…\"), ask(\"…\", state) or hand_over(\"…\"))",
        ),
        ("throw \"oh no\"", "plugins/test/main.rhai:1:19: oh no"),
        (
            "turn.text = \"x\"; pass()",
            "plugins/test/main.rhai:1:24: No writable property 'text' - a setter is not registered for type 'Turn' to handle 'string'",
        ),
        (
            "pass().button(\"x\")",
            "plugins/test/main.rhai:1:26: pass() says nothing, so it cannot have buttons or tables",
        ),
        (
            "reply(\"x\").link(\"x\", \"javascript:alert(1)\")",
            "plugins/test/main.rhai:1:30: a link is an address that begins with https:// or a path that begins with one /",
        ),
        (
            "reply(\"x\").link(\"x\", \"//evil.example\")",
            "plugins/test/main.rhai:1:30: a link is an address that begins with https:// or a path that begins with one /",
        ),
        ("remember(\"x\", 1); pass()", "plugins/test/main.rhai:1:19: `x` is not among the `attributes` of plugin.yaml"),
        ("lookup(\"x\", #{}); pass()", "plugins/test/main.rhai:1:19: `x` is not among the `sources` of plugin.yaml"),
        (
            "ask(\"x\", || 1)",
            "plugins/test/main.rhai:1:19: the state of a question: a value of the type Fn cannot be kept",
        ),
    ] {
        assert_eq!(told(body).await, expected);
    }
}

#[test]
fn what_is_wrong_with_a_script_is_found_when_it_is_loaded() {
    let not = |script: &str, expected: &str| assert_eq!(wrong(load(script)), expected, "{script}");
    not(
        "fn anser(turn) { pass() }",
        "plugins/test/main.rhai: there is no function `answer(turn)` (it begins with `fn answer(turn) {` and returns pass(), reply(\"…\") or ask(\"…\", state))",
    );
    not(
        "fn answer(turn) {\n  relpy(\"x\")\n}",
        "plugins/test/main.rhai:2:3: there is no function `relpy` (did you mean `reply`?)",
    );
    not("fn answer(turn) { pass( }", "plugins/test/main.rhai:1:25: Unexpected '}'");
    not("fn answer(turn) { turm.text }", "plugins/test/main.rhai:1:19: Undefined variable: turm");
    let closures = "fn answer(turn) {\n  let all = [];\n  let big = \"x\";\n  all.push(|| big);\n  pass()\n}";
    not(
        closures,
        "plugins/test/main.rhai:4:15: this closure captures `big` and could be kept (hand it straight to filter, map, find, sort or the like, or write a function with parameters)",
    );
    for forbidden in ["eval(\"1\")", "import \"x\" as x", "Fn(\"x\").curry(1)", "debug(1)"] {
        let found = wrong(load(&format!("fn answer(turn) {{ {forbidden}; pass() }}")));
        assert!(found.contains("is not part of scripts for purser"), "{forbidden}: {found}");
    }
    let lines = "x;\n".repeat(1_000_000);
    let long = wrong(load(&format!("fn answer(turn) {{\n{lines}}}")));
    assert_eq!(
        long,
        "plugins/test/main.rhai: the script has 3000019 bytes, at most 262144 are compiled (move data into a YAML file beside it)"
    );
    // The same with short lines, within the size: the parser has limits of its own.
    let nested = format!("fn answer(turn) {{ {}1{} }}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(wrong(load(&nested)).contains("exceeds"), "{}", wrong(load(&nested)));
}

#[test]
fn a_manifest_is_checked() {
    let not = |manifest: &str, expected: &str| {
        assert_eq!(wrong(load_with(manifest, &[("main.rhai", "fn answer(turn) { pass() }")])), expected, "{manifest}");
    };
    not(
        "api: 2\nabout: x\n",
        "plugins/test/plugin.yaml:1:6: this purser has version 1 of the functions for plugins, not 2 (write `api: 1`)",
    );
    not("about: x\n", "plugins/test/plugin.yaml:1:1: the key `api` is missing");
    not("api: 1\nabout: ''\n", "plugins/test/plugin.yaml:2:8: `about` is empty (say what the plugin is for)");
    not(
        "api: 1\nabout: x\nsource: [a]\n",
        "plugins/test/plugin.yaml:3:1: unknown key `source` (did you mean `sources`?)",
    );
    not(
        "api: 1\nabout: x\nsources: [a, A b, a]\n",
        "plugins/test/plugin.yaml:3:14: `A b` is not the name of a source\nplugins/test/plugin.yaml:3:19: `a` stands here twice (remove one of them)",
    );
    not(
        "api: 1\nabout: x\ndata: [rates.yaml]\n",
        "plugins/test/plugin.yaml:3:8: there is no file rates.yaml beside the script",
    );
    not(
        "api: 1\nabout: x\ndata: [../rates.yaml]\n",
        "plugins/test/plugin.yaml:3:8: `../rates.yaml` is not the name of a data file beside the script, such as rates.yaml",
    );
    not("api: 1\nabout: x\nuses: [money]\n", "plugins/test/plugin.yaml:3:8: there is no plugins/lib/money.rhai");
    let settings = "api: 1\nabout: x\nsettings: { currency: EUR, days: 3 }\n";
    let overlaid = |text: &str| {
        wrong(load_with(settings, &[("main.rhai", "fn answer(turn) { pass() }"), ("settings.yaml", text)]))
    };
    assert_eq!(overlaid("currency: GBP\n"), "");
    assert_eq!(
        overlaid("curency: GBP\n"),
        "plugins/test/settings.yaml:1:1: the plugin has no setting `curency` (did you mean `currency`?)"
    );
    assert_eq!(
        overlaid("days: soon\n"),
        "plugins/test/settings.yaml:1:7: `days` is a number, not a text (in plugin.yaml it is 3)"
    );
}

#[tokio::test]
async fn data_and_settings_are_read_only_maps() {
    let manifest = "api: 1\nabout: x\nsettings: { currency: EUR, days: [1, 2] }\ndata: [rates.yaml, zones.json]\n";
    let files = |script: &str| {
        [
            ("main.rhai", script.to_owned()),
            ("settings.yaml", "currency: GBP\n".to_owned()),
            ("rates.yaml", "zones: { DE: 1, FR: { far: true, list: [{ a: b }] } }\n".to_owned()),
            ("zones.json", "[{ \"n\": 1.5 }]".to_owned()),
        ]
    };
    let told = async |expression: &str| {
        let script = format!("fn answer(turn) {{ let x = {expression}; reply(`${{x}}`) }}");
        let files = files(&script);
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        told_by(load_with(manifest, &files).unwrap(), "x").await
    };
    assert_eq!(told("turn.settings.currency + turn.settings.days[1]").await, "GBP2");
    assert_eq!(told("turn.settings.nothing == ()").await, "true");
    assert_eq!(told("turn.data.rates.zones[\"FR\"].list[0].a").await, "b");
    assert_eq!(told("turn.data.rates.zones.keys()").await, "[\"DE\", \"FR\"]");
    assert_eq!(told("\"DE\" in turn.data.rates.zones").await, "true");
    assert_eq!(told("turn.data.zones[0].n").await, "1.5");
    assert_eq!(told("turn.data.rates.zones.FR").await, "{\"far\":true,\"list\":[{\"a\":\"b\"}]}");
    assert!(told("1; turn.data.rates.zones.DE = 2").await.contains("plugins/test/main.rhai:1:"));
}

#[tokio::test]
async fn modules_are_shared() {
    let manifest = "api: 1\nabout: x\nuses: [money]\n";
    let money =
        "const VAT = 20;\nfn with_vat(price) { price * (100 + global::VAT) / 100 }\nfn broken(x) {\n  x.nothing()\n}\n";
    let script = "const BASE = 50;\nfn answer(turn) { if turn.text == \"break\" { broken(1) } reply(`${with_vat(global::BASE)}`) }";
    let plugin = load_with(manifest, &[("main.rhai", script), ("lib/money.rhai", money)]).unwrap();
    assert_eq!(told_by(plugin.clone(), "x").await, "60");
    assert_eq!(told_by(plugin, "break").await, "plugins/lib/money.rhai:4:5: there is no function `nothing (i64)`");
    let twice = [("main.rhai", "fn answer(turn) { pass() }\nfn with_vat(x) { x }"), ("lib/money.rhai", money)];
    assert_eq!(
        wrong(load_with(manifest, &twice)),
        "plugins/lib/money.rhai: the function `with_vat` is in plugins/test/main.rhai as well (rename one of the two)"
    );
}

/// Sources that note what they are asked.
#[derive(Debug, Default)]
struct Noting(Mutex<Vec<String>>);

impl LookUp for Noting {
    fn look_up<'a>(&'a self, source: &'a str, params: &'a Map<String, Value>) -> Looking<'a> {
        self.0.lock().unwrap().push(format!("{source} {}", Value::Object(params.clone())));
        let found = match params.get("n").and_then(Value::as_i64) {
            Some(13) => Err(Trouble::Timeout),
            Some(0) => Ok(Value::Null),
            n => Ok(json!({ "n": n, "list": [1, 2] })),
        };
        Box::pin(async move {
            tokio::task::yield_now().await;
            found
        })
    }
}

#[tokio::test]
async fn a_script_runs_again_with_what_was_looked_up() {
    let manifest = "api: 1\nabout: x\nsources: [a, b]\nattributes: [seen]\n";
    let script = "fn fetch(n) { try { lookup(\"a\", #{ n: n }) } catch { 99 } }\n\
                  fn answer(turn) {\n\
                    print(\"run\");\n\
                    let one = fetch(1);\n\
                    remember(\"seen\", one.n);\n\
                    let more = lookup_all([[\"a\", #{ n: 2 }], [\"b\", #{ n: 13 }], [\"a\", #{ n: 0 }], [\"a\", #{ n: 1 }]]);\n\
                    if turn.text == \"many\" { for n in 10..20 { lookup(\"a\", #{ n: n }); } }\n\
                    reply(`${one.list[1]} ${more[0].n} ${is_error(more[1])} ${more[1].reason} ${more[2] == ()} ${more[3].n}`)\n\
                  }";
    let plugin = load_with(manifest, &[("main.rhai", script)]).unwrap();
    let sources = Arc::new(Noting::default());
    let script = Script::new(plugin, sources.clone());
    let Answer::Reply(reply) = script.respond(&turn("x")).await.unwrap() else { panic!("no reply") };
    assert_eq!(&*reply.text, "2 2 true timeout true 1");
    assert_eq!(reply.attributes, [("seen".to_owned(), Some("1".to_owned()))]);
    let asked = std::mem::take(&mut *sources.0.lock().unwrap());
    assert_eq!(asked, ["a {\"n\":1}", "a {\"n\":2}", "b {\"n\":13}", "a {\"n\":0}"], "each once");
    let error = script.respond(&turn("many")).await.unwrap_err();
    assert_eq!(error.root_cause().to_string(), "plugins/test/main.rhai:7:44: a message may cost at most 8 look-ups");
}

/// Sources that have everything at hand.
#[derive(Debug)]
struct AtHand;

impl LookUp for AtHand {
    fn look_up<'a>(&'a self, _: &'a str, params: &'a Map<String, Value>) -> Looking<'a> {
        Box::pin(std::future::ready(Ok(params["n"].clone())))
    }
}

#[tokio::test]
async fn what_is_at_hand_is_given_in_the_same_run() {
    let manifest = "api: 1\nabout: x\nsources: [a]\n";
    let script = "fn answer(turn) {\n\
                    let found = lookup_all([[\"a\", #{ n: 1 }], [\"a\", #{ n: 2 }], [\"a\", #{ n: 1 }]]);\n\
                    reply(`${found} ${lookup(\"a\", #{ n: 2 })} ${lookup(\"a\", #{ n: 3 })}`)\n\
                  }";
    let plugin = load_with(manifest, &[("main.rhai", script)]).unwrap();
    let script_turn = ScriptTurn::new(&turn("x"), &plugin, &(Arc::new(AtHand) as Arc<dyn LookUp>));
    let mut known = Known::from(Arc::new(AtHand));
    let Ran::Answered(Given::Say(said), _) = run::run(&plugin, &script_turn, None, &mut known, 1) else {
        panic!("not in one run")
    };
    assert_eq!(said.text, "[1, 2, 1] 2 3");
    assert_eq!(known.take_found().len(), 3, "each once");
    // Where nobody may be asked, the script stops at the first.
    let mut nobody = Known::default();
    let Ran::Wants(wanted) = run::run(&plugin, &script_turn, None, &mut nobody, 1) else {
        panic!("somebody was asked")
    };
    assert_eq!(wanted.lookups.len(), 2);
}

/// A past that counts how often it is read.
#[derive(Debug, Default)]
struct Counted(std::sync::atomic::AtomicUsize);

impl Past for Counted {
    fn messages(&self, _: ConversationId, before: Seq, most: usize) -> BoxFuture<'_, anyhow::Result<Vec<Arc<Event>>>> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let said = |text: String| {
            let head = Conversation::new(ConversationId::new(), VisitorId([1; 16]));
            let said = Said {
                id: EventId::new(),
                client_id: ClientId::new(),
                text: Text::new(&text).unwrap(),
                choice: None,
                language: None,
                attachments: Vec::new(),
            };
            head.say(said, 5, 1_000).events
        };
        let events = [said(format!("before {before}")), said("é".repeat(1_500))].concat();
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(last_messages(&events, most))
        })
    }
}

#[tokio::test]
async fn the_last_messages_are_read_only_for_a_script_that_wants_them() {
    let script = "fn answer(turn) {\n\
                    if turn.text == \"no\" { return pass(); }\n\
                    let all = turn.messages;\n\
                    let again = turn.messages;\n\
                    if all.is_empty() { return reply(\"none\"); }\n\
                    reply(`${again.len()} ${all[0].author} ${all[0].text} ${all[0].at} ${all[0].entry == ()} ${all[1].text.len()}`)\n\
                  }";
    let plugin = load(script).unwrap();
    let past = Arc::new(Counted::default());
    let told = async |text: &str, seq: Seq| {
        let turn = Turn { seq, past: Some(past.clone()), ..turn(text) };
        match answer(plugin.clone(), &turn).await.unwrap() {
            Answer::Reply(reply) => reply.text,
            other => format!("{other:?}").into(),
        }
    };
    assert_eq!(&*told("no", 7).await, "Pass");
    assert_eq!(&*told("x", 1).await, "none", "nothing can come before the first");
    assert_eq!(past.0.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(&*told("x", 7).await, "2 visitor before 7 5 true 1000");
    assert_eq!(past.0.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_own_question_comes_back_with_its_state() {
    let script = "fn answer(turn) { if turn.state == () { pass(\"no state\") } else { reply(`${turn.state.n}`) } }";
    let plugin = load_with("api: 1\nabout: x\nstate_version: 3\n", &[("main.rhai", script)]).unwrap();
    let with = |focus: Focus| Turn { focus: Some(focus), ..turn("x") };
    let told = async |turn: Turn| match answer(plugin.clone(), &turn).await.unwrap() {
        Answer::Reply(reply) => reply.text,
        other => format!("{other:?}").into(),
    };
    let focus = |responder: &str, version, now| Focus::new(responder, version, json!({ "n": 5 }), now);
    assert_eq!(&*told(with(focus("test", 3, 0))).await, "5");
    assert_eq!(&*told(with(focus("other", 3, 0))).await, "Pass");
    assert_eq!(&*told(with(focus("test", 2, 0))).await, "Pass", "an older version's state");
    assert_eq!(&*told(with(focus("test", 3, -1_000_000))).await, "Pass", "too long ago");
}

/// The pipeline logs the error without its causes.
#[tokio::test]
async fn what_the_log_says_of_a_fault_has_nothing_of_the_message() {
    for body in [
        "throw turn.text",
        "parse_int(turn.text)",
        "let m = #{}; m.x[turn.text].y.z()",
        "Fn(turn.text).call()",
        "lookup(turn.text, #{})",
        "remember(turn.text, 1)",
        "date(turn.text)",
        "call_of_nobody(turn.text)",
    ] {
        // Some of these are refused when they are loaded, and never run.
        let Ok(plugin) = load(&format!("fn answer(turn) {{\n {body};\n pass() }}")) else { continue };
        let Err(error) = answer(plugin, &turn("my secret")).await else { continue };
        let logged = error.to_string();
        assert!(logged.starts_with("plugins/test/main.rhai:2: "), "{logged}");
        assert!(!logged.contains("secret"), "{logged}");
        if body.starts_with("throw") {
            assert!(error.root_cause().to_string().contains("my secret"), "whoever mends it sees all: {error:#}");
        }
    }
}

#[tokio::test]
async fn lists_and_maps_are_compared_by_what_is_in_them() {
    for (same, other) in [
        ("[1, \"a\", [2.5, ()]]", "[1, \"a\", [2.5, 0]]"),
        ("#{ a: [1], b: #{ c: 'x' } }", "#{ a: [1], b: #{ c: 'y' } }"),
        ("[]", "[[]]"),
        ("#{}", "#{ a: () }"),
        ("[1]", "[\"1\"]"),
    ] {
        let script = format!(
            "fn answer(turn) {{ reply(`${{{same} == {same}}} ${{{same} != {same}}} ${{{same} == {other}}} ${{{same} != {other}}} \
             ${{[{same}].contains({same})}} ${{{same} in [{other}]}}`) }}"
        );
        let plugin = load(&script).unwrap_or_else(|findings| panic!("{}", wrong(Err(findings))));
        assert_eq!(told_by(plugin, "x").await, "true false false true true false", "{same} {other}");
    }
}

/// None of these may stop the process, hold a thread or take memory for long.
#[tokio::test]
async fn a_bomb_only_hurts_its_plugin() {
    for (body, expected) in [
        ("loop {}", "more than 500000 operations"),
        ("let x = 0; while true { x += 1; }", "more than 500000 operations"),
        ("sleep(10)", "a script cannot sleep"),
        ("Fn(\"sleep\").call(10.0)", "a script cannot sleep"),
        ("timestamp()", "there is no function"),
        ("deep(0)", "deeper than 32"),
        ("let s = \"x\"; loop { s += s; }", "too large"),
        ("let a = [1]; loop { a += a; }", "too large"),
        ("let a = []; loop { a.push(a); }", "too large"),
        ("let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }", "too large"),
        ("\"x\".pad(1000000000, \"y\")", "too large | exceeds"),
        ("let a = []; a.pad(1000000000, 1)", "too large | exceeds"),
        ("blob(1000000000)", "there is no function"),
        ("let a = [1]; for n in 0..90 { a = [[[[[[[[[[[[a]]]]]]]]]]]]; } a == a", "cannot be compared"),
        ("let a = #{ b: 1 }; for n in 0..900 { a = #{ b: a }; } a != a", "cannot be compared"),
        ("let s = \"x\"; s.pad(60000, \"y\"); let a = s.split(\"\"); a", "too large"),
        ("let s = \"x\"; s.pad(60000, \"y\"); let a = []; loop { a.push(s + a.len); }", "too large"),
        (
            "let s = \"x\"; s.pad(60000, \"y\"); let a = []; loop { let t = s + a.len; [1].map(|x| t.len); a.push(t); }",
            "too large",
        ),
    ] {
        let script = format!("fn deep(n) {{ deep(n + 1) + 1 }}\nfn answer(turn) {{ {body}; pass() }}");
        let loaded = load(&script);
        let told = match loaded {
            Ok(plugin) => told_by(plugin, "x").await,
            Err(findings) => wrong(Err(findings)),
        };
        // Where the machine is slow, time ends it first.
        let too_long = format!("takes longer than {:?}", run::TIME);
        let expected = expected.split(" | ").chain([too_long.as_str()]);
        assert!(expected.into_iter().any(|expected| told.contains(expected)), "{body}: {told}");
    }
}

#[tokio::test]
async fn a_loop_without_an_end_is_named_by_its_place() {
    let told = async |body: &str| {
        let plugin = load(&format!("fn answer(turn) {{\n  let x = 0;\n{body}  pass()\n}}")).unwrap();
        told_by(plugin, "x").await
    };
    let one = told("  while true {\n    x += 1;\n  }\n").await;
    assert!(one.contains("main.rhai:3:3: the script "), "{one}");
    let two = told("  for i in 0..3 { x += i; }\n  loop {\n    x += 1;\n  }\n").await;
    assert!(
        two.contains("Its loops are at ") && two.contains("main.rhai:3, ") && two.contains("main.rhai:4)"),
        "{two}"
    );
}

#[test]
fn every_example_of_the_reference_runs() {
    let mut tried = 0;
    for function in functions().iter().flat_map(|section| &section.functions) {
        for example in function.examples {
            tried += 1;
            match engine::engine().eval::<rhai::Dynamic>(example) {
                Ok(value) => assert!(value.as_bool().unwrap_or(true), "{example} is false"),
                Err(error) => panic!("{example}: {error}"),
            }
        }
    }
    assert!(tried > 10);
}
