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

#[test]
fn coverage_says_what_no_question_reaches() {
    let site = Site::starter();
    let entries = "language: en\nentries:\n  - id: trams\n    phrases: [when do the trams run, timetable of trams]\n    \
                   answer: Every day.\n  - id: ferries\n    phrases: [when do the ferries sail]\n    answer: Never.\n";
    site.write("faq/en/more.yaml", entries);
    assert_eq!(site.run(&["plugin", "new", "bells"]).code, 0);
    let script = fs::read_to_string(site.path("plugins/bells/main.rhai")).unwrap();
    site.write("plugins/bells/main.rhai", &format!("{script}\nfn never_run(x) {{\n    x + 1\n}}\n"));
    let talk = "conversation:\n  - say: when do the trams run?\n    answer: { entry: trams }\n  - say: pingbells\n";
    site.write("told/a.yaml", talk);
    let ran = site.run(&["coverage", "told", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let missing = |part: &str| -> Vec<String> {
        let list = report[part]["missing"].as_array().unwrap().iter();
        list.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert!(missing("entries").contains(&"ferries".to_owned()) && !missing("entries").contains(&"trams".to_owned()));
    assert!(missing("phrases").contains(&"trams: timetable of trams".to_owned()), "{report:#}");
    assert!(!missing("phrases").contains(&"trams: when do the trams run".to_owned()), "{report:#}");
    assert_eq!(missing("functions"), ["bells: never_run"], "{report:#}");
    assert_eq!(missing("responders"), ["person"], "{report:#}");

    // An entry that takes another one's question, and a bar that is too high.
    assert_eq!(site.run(&["coverage", "told", "--at-least", "99"]).code, 1);
    site.write("told/b.yaml", "conversation:\n  - say: when do the trams run?\n    answer: { entry: ferries }\n");
    let ran = site.run(&["coverage", "told"]);
    assert!(ran.code == 1 && ran.out.contains("1  trams takes from ferries"), "{ran:?}");
    site.write("told/c.yaml", "conversation: 1\n");
    assert_eq!(site.run(&["coverage", "told"]).code, 2);
}

#[test]
fn coverage_of_real_traffic_is_read_from_the_store() {
    let (site, _) = asked();
    let ran = run(&site, &["coverage", "--since", "1d", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["questions"], 4);
    let reached = report["functions"]["reached"].as_u64().unwrap();
    assert!(reached > 0 && report["functions"]["all"].as_u64().unwrap() > reached, "{ran:?}");
}

#[test]
fn the_page_about_testing_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/testing.md")).unwrap();
    let (site, _) = asked();
    for folder in ["faq", "plugins", "tests/conversations"] {
        fs::create_dir_all(site.path("tests")).unwrap();
        std::os::unix::fs::symlink(root.join(folder), site.path(folder)).unwrap();
    }
    fs::create_dir_all(site.path("main")).unwrap();
    for folder in ["faq", "plugins"] {
        std::os::unix::fs::symlink(root.join(folder), site.path(&format!("main/{folder}"))).unwrap();
    }
    site.write("tests/test_stories.yml", "version: \"3.1\"\nstories:\n- story: one\n  steps:\n  - user: hello\n");
    site.write("convos/a.convo.txt", "one\n\n#me\nhello\n");

    // The revision and the conversation of the page are those of this store.
    let ran = site.run(&["record", "--since", "1d", "--to", "plain", "--plain"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = fs::read_dir(site.path("plain")).unwrap().next().unwrap().unwrap().path();
    let id = id.file_stem().unwrap().to_str().unwrap().to_owned();
    let listed = site.run(&["content", "list"]).out;
    let revision = listed.split_whitespace().next().unwrap();

    let blocks: Vec<&str> = page.split("```").skip(1).step_by(2).collect();
    let commands = blocks.iter().filter_map(|block| block.strip_prefix("console\n")).flat_map(str::lines);
    let commands = commands.filter_map(|line| line.strip_prefix("$ purser "));
    let mut count = 0;
    for command in commands {
        count += 1;
        let own = command.replace("01932c5e-7b1a-7f00-8000-000000000001", &id).replace("a1b2c3", revision);
        let own = own.replace("../main", "main").replace(" > lost-parcel.yaml", "");
        let ran = site.run(&own.split(' ').collect::<Vec<_>>());
        let finds = command.starts_with("coverage");
        assert!(ran.code == 0 || (finds && ran.code == 1), "{command}: {ran:?}");
    }
    assert!(count >= 12, "{count} commands");

    let yaml: Vec<&str> = blocks.iter().filter_map(|block| block.strip_prefix("yaml\n")).collect();
    let [recording, actions, hooks] = yaml[..] else { panic!("{} examples in YAML", yaml.len()) };
    site.write("example.yaml", recording);
    let ran = site.run(&["replay", "example.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let steps: Value = serde_yaml::from_str(actions).expect("YAML");
    let steps = steps["jobs"]["content"]["steps"].as_array().unwrap().clone();
    let runs = steps.iter().filter_map(|step| step["run"].as_str().map(str::to_owned));
    let hooks: Value = serde_yaml::from_str(hooks).expect("YAML");
    let entry = hooks["repos"][0]["hooks"][0]["entry"].as_str().unwrap().to_owned();
    for line in runs.chain([entry]) {
        let path = format!("{}:/usr/bin:/bin", Path::new(env!("CARGO_BIN_EXE_purser")).parent().unwrap().display());
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &line]).current_dir(site.folder.path()).env_clear().env("PATH", path);
        let output = shell.output().expect("sh");
        assert!(output.status.success(), "{line}: {output:?}");
    }
}
