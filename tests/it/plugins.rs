//! Plugins on real folders: what goes live, what stays, and what customers get from broken ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use purser::content::{Content, Folders, Good, Loaded, Reading, Snapshot, load, trial};
use purser::responders::Turn;
use purser::responders::script::reference;
use purser::sources::{LookUp, NoSources};
use purser::store::Store;
use serde_json::Value;

use crate::harness::{Setup, TestDatabase, Visitor, get, until, within};

const FAQ: &str = "language: en\nentries:\n  - id: price\n    match: exact\n    phrases: [what is it]\n    answer: The entry's own.\n    then: echo\n";
const MANIFEST: &str = "api: 1\nabout: a test\n";
const ECHO: &str =
    "fn answer(turn) { if !turn.words.contains(\"echo\") && turn.entry == () { return pass(); } reply(\"one\") }";
const TESTS: &str = "tests:\n  - conversation:\n      - say: echo\n        answer: { responder: echo }\n";

struct Site(tempfile::TempDir);

impl Site {
    fn new(files: &[(&str, &str)]) -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        site.write("faq/a.yaml", FAQ);
        files.iter().for_each(|(path, text)| site.write(path, text));
        site
    }

    /// A site with the plugin `echo`.
    fn with_echo() -> Site {
        Site::new(&[
            ("plugins/echo/plugin.yaml", MANIFEST),
            ("plugins/echo/main.rhai", ECHO),
            ("plugins/echo/tests.yaml", TESTS),
        ])
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn folders(&self) -> Folders {
        Folders {
            faq: self.0.path().join("faq"),
            plugins: self.0.path().join("plugins"),
            site_language: "en".to_owned(),
            pipeline: ["faq", "plugins", "person"].map(str::to_owned).to_vec(),
            limit: Duration::from_secs(8),
        }
    }

    fn load(&self, good: Option<&Snapshot>) -> Loaded {
        let good = good.map(|good| Good { files: good.files.clone(), plugins: good.plugins.clone() });
        load(&self.folders(), &good.unwrap_or_default())
    }

    fn wrong(&self, loaded: &Loaded) -> String {
        let prefix = format!("{}/", self.0.path().display());
        let lines = loaded.findings.iter().map(|finding| finding.one_line().replace(&prefix, ""));
        lines.collect::<Vec<_>>().join("\n")
    }

    async fn ask(&self, snapshot: &Snapshot, text: &str) -> String {
        let sources: Arc<dyn LookUp> = Arc::new(NoSources);
        let pipeline = snapshot.pipeline(&self.folders(), &sources, &[], None);
        let turn = Turn { text: text.into(), languages: vec!["en".into()], ..Turn::default() };
        let answered = pipeline.answer(&turn).await;
        format!("{}: {}", answered.message.provenance.responder, answered.message.text)
    }
}

#[tokio::test]
async fn an_entry_hands_over_to_a_plugin() {
    let site = Site::with_echo();
    let loaded = site.load(None);
    assert_eq!(site.wrong(&loaded), "");
    let set = loaded.snapshot.unwrap();
    assert_eq!(site.ask(&set, "what is it").await, "echo: one");
    assert_eq!(site.ask(&set, "echo!").await, "echo: one");
    site.write(
        "plugins/echo/main.rhai",
        "fn answer(turn) { if turn.text == \"echo\" { return reply(\"x\") } throw \"oh\" }",
    );
    let set = site.load(None).snapshot.unwrap();
    assert_eq!(site.ask(&set, "what is it").await, "faq: The entry's own.");
}

#[tokio::test]
async fn a_broken_plugin_keeps_its_last_good_version_and_holds_nobody_up() {
    let site = Site::with_echo();
    site.write("plugins/lib/words.rhai", "fn word() { \"shared\" }");
    site.write("plugins/other/plugin.yaml", "api: 1\nabout: x\nuses: [words]\n");
    site.write(
        "plugins/other/main.rhai",
        "fn answer(turn) { if turn.text != \"other\" { return pass(); } reply(word()) }",
    );
    site.write(
        "plugins/other/tests.yaml",
        "tests:\n  - conversation:\n      - say: other\n        answer: { text: shared }\n",
    );
    let good = site.load(None);
    assert_eq!(site.wrong(&good), "");
    let good = good.snapshot.unwrap();
    for (file, text, expected) in [
        (
            "main.rhai",
            "fn answer(turn) { rely(\"x\") }",
            "plugins/echo/main.rhai:1:19: there is no function `rely` (did you mean `reply`?)",
        ),
        ("main.rhai", "fn answer(turn) {", "plugins/echo/main.rhai:1:18: "),
        ("plugin.yaml", "api: 1\n", "plugins/echo/plugin.yaml:1:1: the key `about` is missing"),
        (
            "tests.yaml",
            "tests:\n  - conversation:\n      - say: echo\n        answer: { text: two }\n",
            "plugins/echo/tests.yaml:3:5: the answer to \"echo\" is not as the test says: text must be `two` and is `one`",
        ),
        (
            "tests.yaml",
            "tests:\n  - conversation:\n      - say: what is it\n        answer: { responder: echo, text: one }\n      - say: echo\n        answer: { entry: x }\n",
            "plugins/echo/tests.yaml:5:5: the answer to \"echo\" is not as the test says: entry must be `x` and is `none`",
        ),
        (
            "main.rhai",
            "fn answer(turn) { 5 }",
            "plugins/echo/tests.yaml:3:5: the answer to \"echo\" is not as the test says: responder must be `echo` and is `pipeline`",
        ),
    ] {
        site.write(&format!("plugins/echo/{file}"), text);
        site.write(
            "plugins/other/main.rhai",
            "fn answer(turn) { if turn.text != \"other\" { return pass(); } reply(word() + \"!\") }",
        );
        site.write(
            "plugins/other/tests.yaml",
            "tests:\n  - conversation:\n      - say: other\n        answer: { text: shared! }\n",
        );
        let loaded = site.load(Some(&good));
        assert!(site.wrong(&loaded).starts_with(expected), "{text}: {}", site.wrong(&loaded));
        let set = loaded.snapshot.unwrap();
        assert_eq!(site.ask(&set, "echo").await, "echo: one", "{text}");
        assert_eq!(site.ask(&set, "other").await, "other: shared!", "the other edit is live");
        assert!(loaded.held.iter().any(|held| held.ends_with("plugins/echo/main.rhai")));
        // What is in force is what a restart finds.
        assert_eq!(set.files["plugins/echo/main.rhai"], ECHO.as_bytes());
        site.write("plugins/echo/plugin.yaml", MANIFEST);
        site.write("plugins/echo/main.rhai", ECHO);
        site.write("plugins/echo/tests.yaml", TESTS);
    }
    // A module that breaks a plugin which did not change stays out.
    site.write(
        "plugins/other/main.rhai",
        "fn answer(turn) { if turn.text != \"other\" { return pass(); } reply(word()) }",
    );
    site.write(
        "plugins/other/tests.yaml",
        "tests:\n  - conversation:\n      - say: other\n        answer: { text: shared }\n",
    );
    site.write("plugins/lib/words.rhai", "fn wrod() { \"shared\" }");
    let loaded = site.load(Some(&good));
    let wrong = site.wrong(&loaded);
    assert!(
        wrong.contains("plugins/lib: the plugin `other` does not work with the modules as they are now"),
        "{wrong}"
    );
    assert_eq!(site.ask(&loaded.snapshot.unwrap(), "other").await, "other: shared");
}

#[tokio::test]
async fn a_plugin_that_was_not_touched_goes_on_as_it_is() {
    let site = Site::with_echo();
    let first = site.load(None).snapshot.unwrap();
    site.write("faq/b.yaml", "language: en\nentries: [{ id: b, match: exact, phrases: [b], answer: B }]\n");
    let second = site.load(Some(&first)).snapshot.unwrap();
    assert!(Arc::ptr_eq(&first.plugins[0], &second.plugins[0]));
    assert_ne!(first.revision, second.revision);
    fs::remove_dir_all(site.0.path().join("plugins")).unwrap();
    let loaded = site.load(Some(&second));
    assert!(site.wrong(&loaded).contains("the folder is gone; its plugins stay in force"), "{}", site.wrong(&loaded));
    assert_eq!(loaded.snapshot.unwrap().plugins.len(), 1);
    fs::create_dir(site.0.path().join("plugins")).unwrap();
    assert!(site.load(Some(&second)).snapshot.unwrap().plugins.is_empty(), "an empty folder is meant");
}

#[tokio::test]
async fn a_saved_plugin_is_live_at_once() {
    let site = Site::with_echo();
    let content = Content::start(Reading::begin(site.folders()), None, |_| ()).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let watching = tokio::spawn(content.clone().watch(stop.clone()));
    site.write("plugins/echo/main.rhai", &ECHO.replace("one", "two"));
    until("the new version", async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        (site.ask(&content.in_force(), "echo").await == "echo: two").then_some(())
    })
    .await;
    stop.cancel();
    watching.await.unwrap();
}

/// A customer's conversation with a plugin that asks back, remembers and breaks, over the wire and the store.
async fn a_conversation(database: &TestDatabase) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "faq/a.yaml",
        "language: en\nentries:\n  - id: hours\n    match: exact\n    phrases: [opening hours]\n    answer: Hello {{ visitor.weight | default(\"nobody\") }}, nine to five.\n",
    );
    write("plugins/weigh/plugin.yaml", "api: 1\nabout: x\nattributes: [weight]\n");
    write("plugins/weigh/tests.yaml", "tests: []\n");
    write(
        "plugins/weigh/main.rhai",
        "fn answer(turn) {\n  if turn.text == \"boom\" { throw \"a secret detail\"; }\n  if turn.state != () {\n    if turn.text == \"opening hours\" { return pass(); }\n    \
         remember(\"weight\", turn.text);\n    return reply(\"It weighs \" + turn.text);\n  }\n  if turn.words.contains(\"weigh\") { return ask(\"How heavy?\", #{ n: 1 }); }\n  pass()\n}\n",
    );
    let setup = Setup::on(database);
    let mut purser = setup.start_in(folder.clone()).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let said = async |customer: &mut crate::harness::Typed, id: &str, text: &str| {
        customer.ask(id, text).await.1["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(&mut customer, "1", "weigh it").await, "How heavy?");
    assert_eq!(said(&mut customer, "2", "opening hours").await, "Hello nobody, nine to five.");
    // Another node takes over: what was asked is in the store.
    purser.begin_stop();
    purser.stop().await;
    let purser = Setup::on(database).start_in(folder.clone()).await;
    let mut customer = purser.visit(&visitor, 0).await;
    assert_eq!(said(&mut customer, "3", "2 kg").await, "It weighs 2 kg");
    assert_eq!(said(&mut customer, "4", "opening hours").await, "Hello 2 kg, nine to five.");
    assert_eq!(said(&mut customer, "5", "weigh again").await, "How heavy?");
    assert!(said(&mut customer, "6", "never mind").await.starts_with("All right, we'll leave that."));
    for n in 0..7 {
        let told = said(&mut customer, &format!("boom-{n}"), "boom").await;
        assert!(!told.contains("secret"), "{told}");
    }
    let (_, shown) = get(purser.address, "/api/content", &[]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["plugins"][0]["set_aside"], true, "{shown}");
    // Where and of what kind; what was thrown may hold what a customer wrote.
    let trouble = shown["plugins"][0]["trouble"].as_str().unwrap();
    assert!(trouble.contains("main.rhai:2: the script, or a function that it called, threw an error"), "{shown}");
    assert!(!trouble.contains("secret"), "{shown}");
    // No customer's client sees what the log keeps.
    let events =
        purser.store.events_after(purser::conversation::ConversationId(visitor.conversation), 0, 100).await.unwrap();
    let kept = events.iter().filter(|event| event.kind.is_internal()).count();
    assert_eq!(kept, 1);
    let mut again = purser.visit(&visitor, 0).await;
    let history = within("the history", again.hear("history")).await;
    assert!(history["events"].as_array().unwrap().iter().all(|event| event["kind"] != "attribute"));
    purser.stop().await;
}

const RECAP: &str = "fn answer(turn) {\n  if turn.text != \"recap\" { return pass(); }\n  \
    let said = turn.messages.map(|message| message.author + \": \" + message.text);\n  \
    let text = \"\";\n  for line in said { text += line + \" / \"; }\n  reply(if text == \"\" { \"nothing\" } else { plain(text) })\n}";

/// What was said before, out of the store: of customers and purser, without what no customer sees.
async fn a_plugin_reads_the_last_messages(database: &TestDatabase) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    for (path, text) in [
        (
            "faq/a.yaml",
            "language: en\nentries:\n  - { id: hours, match: exact, phrases: [opening hours], answer: Nine to five. }\n",
        ),
        ("plugins/recap/plugin.yaml", MANIFEST),
        ("plugins/recap/main.rhai", RECAP),
        (
            "plugins/recap/tests.yaml",
            "tests:\n  - conversation:\n      - say: recap\n        answer: { responder: recap }\n",
        ),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let purser = Setup::on(database).start_in(folder).await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    customer.ask("1", "opening hours").await;
    let (_, told) = customer.ask("2", "recap").await;
    assert_eq!(told["text"], "visitor: opening hours / bot: Nine to five. /");
    let (_, told) = customer.ask("3", "recap").await;
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .ends_with("/ visitor: recap / bot: visitor: opening hours / bot: Nine to five. / /")
    );
    purser.stop().await;
}

crate::on_both_engines! {
    a_conversation;
    a_plugin_reads_the_last_messages;
}

/// In a recording they are what the recording says, also where it starts in the middle.
#[tokio::test]
async fn a_recording_has_the_messages_before() {
    let site = Site::with_echo();
    site.write("plugins/recap/plugin.yaml", MANIFEST);
    site.write("plugins/recap/main.rhai", RECAP);
    let tests = "tests:\n  - start:\n      messages: [{ author: visitor, text: hi }, { author: agent, text: hello }]\n    \
                 conversation:\n      - joined: Kim\n      - say: still there?\n      - agent: here I am\n      - left: Kim\n      \
                 - say: recap\n        answer: { text: \"visitor: hi / agent: hello / visitor: still there? / agent: here I am /\" }\n      \
                 - say: recap\n        answer: { contains: \"bot: visitor: hi\" }\n";
    site.write("plugins/recap/tests.yaml", tests);
    assert_eq!(site.wrong(&site.load(None)), "");
    site.write("plugins/recap/tests.yaml", &tests.replace("text: hi }", "text: ho }"));
    assert!(site.wrong(&site.load(None)).contains("visitor: ho"));
}

#[tokio::test]
async fn the_tutorial_of_plugins_works() {
    let page = fs::read_to_string("docs/plugins.md").unwrap();
    let site = Site::new(&[]);
    let mut files = 0;
    for block in page.split("\n```").skip(1).step_by(2) {
        let Some((first, text)) = block.split_once('\n').and_then(|(_, block)| block.split_once('\n')) else {
            continue;
        };
        if let Some((_, path)) = first.split_once("file: ") {
            files += 1;
            site.write(path.trim(), text);
        }
    }
    assert_eq!(files, 3);
    let trials = trial::all(&site.folders(), None).await.map_err(|findings| format!("{findings:?}")).unwrap();
    let [trial] = &trials[..] else { panic!("one plugin") };
    let tests = trial.outcome.as_ref().map_err(|findings| format!("{findings:?}")).unwrap();
    assert_eq!(tests.len(), 2);
    for test in tests {
        assert!(test.replayed.is_ok(), "{:?}", test.replayed.turns);
    }
}

/// `PURSER_UPDATE=1 cargo test reference` writes both anew.
#[test]
fn the_reference_of_functions_is_up_to_date() {
    let page = fs::read_to_string("docs/plugins.md").unwrap();
    let marker = "PURSER_UPDATE=1 cargo test reference -->\n";
    let (by_hand, _) = page.split_once(marker).expect("the place where the reference begins");
    let made: BTreeMap<PathBuf, String> = [
        (Path::new("docs/plugins.md").to_owned(), format!("{by_hand}{marker}{}", reference::markdown())),
        (Path::new("plugins/purser.d.rhai").to_owned(), reference::definitions()),
    ]
    .into();
    for (path, text) in made {
        if std::env::var_os("PURSER_UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap_or_default() == text, "{} is not up to date", path.display());
    }
}

#[tokio::test]
async fn what_is_built_before_the_last_set_is_known_is_what_is_built_after() {
    let site = Site::with_echo();
    site.write("plugins/lib/say.rhai", "fn hello() { \"hello\" }");
    let url = format!("sqlite://{}", site.0.path().join("purser.db").display()).parse().unwrap();
    let store = Store::open(&url, |_| {}).await.unwrap();
    let start = || Content::start(Reading::begin(site.folders()), Some(store.clone()), |_| {});
    let good = start().await.unwrap().in_force();
    assert_eq!(site.wrong(&site.load(Some(&good))), "");

    // The plugin that `then:` names is gone, and was there in the set of before.
    fs::remove_dir_all(site.0.path().join("plugins/echo")).unwrap();
    let expected = site.load(Some(&good));
    assert_ne!(site.wrong(&site.load(None)), site.wrong(&expected));
    assert_eq!(start().await.unwrap().findings(), expected.findings);

    // The folder of modules is no plugin, though there are files of it in that set.
    site.write("faq/a.yaml", &FAQ.replace("echo", "lib"));
    let expected = site.load(Some(&good));
    assert!(site.wrong(&expected).contains("faq/a.yaml:7:11: "), "{}", site.wrong(&expected));
    assert_eq!(start().await.unwrap().findings(), expected.findings);
    store.close().await;
}
