//! The program as a person at a terminal meets it: what it prints, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

/// A folder of its own with the starter set, and purser run in it.
pub struct Site {
    pub folder: tempfile::TempDir,
}

/// What a run of purser printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Site {
    /// An empty folder.
    pub fn empty() -> Site {
        Site { folder: tempfile::tempdir().expect("a folder") }
    }

    /// The starter set.
    pub fn starter() -> Site {
        let site = Site::empty();
        let ran = site.run(&["init", "."]);
        assert_eq!(ran.code, 0, "{ran:?}");
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        finish(self.command(arguments).spawn().expect("purser"), input)
    }
}

/// Gives a process its input and waits for its end.
pub fn finish(mut child: Child, input: &str) -> Ran {
    // A process that does not read its input may have ended before.
    let _ = child.stdin.take().expect("standard input").write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { out: text(stdout), err: text(stderr), code: status.code().expect("an exit code") }
}

/// A server in its own process, with the lines that it printed at its start.
pub struct Served {
    child: Child,
    lines: Vec<String>,
}

impl Served {
    fn start(site: &Site) -> Served {
        Served::start_with(site, &[])
    }

    pub fn start_with(site: &Site, arguments: &[&str]) -> Served {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        Served::of(site.command(&arguments))
    }

    pub fn of(mut command: Command) -> Served {
        let mut child = command.spawn().expect("purser");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let mut read = Vec::new();
        while read.len() < 4 {
            match lines.next() {
                Some(line) => read.push(line.expect("a line")),
                None => panic!("purser did not start: {read:?} {:?}", finish(child, "")),
            }
        }
        Served { child, lines: read }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.lines[0].rsplit_once("http://").expect("an address");
        address.parse().expect("an address")
    }

    /// The first of the lines of its start that begins like this.
    pub fn line_with(&mut self, begin: &str) -> Option<String> {
        self.lines.iter().map(|line| line.trim()).find(|line| line.starts_with(begin)).map(str::to_owned)
    }

    /// From now on the most memory that it had is what it has now.
    #[cfg(target_os = "linux")]
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("its peak is forgotten");
    }

    /// The most memory that it had, in KiB.
    #[cfg(target_os = "linux")]
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Reads what it logs, until it ends.
    pub fn standard_error(&mut self) -> JoinHandle<String> {
        let mut log = self.child.stderr.take().expect("standard error");
        std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).expect("UTF-8");
            text
        })
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("an end");
    }

    pub fn stop(mut self) -> i32 {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
        self.child.wait().expect("an end").code().expect("an exit code")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already, if the test went well.
        let _ = self.child.kill();
    }
}

#[test]
fn the_start_raises_the_limit_of_open_files_and_says_what_it_got() {
    let site = Site::starter();
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "ulimit -S -n 256; ulimit -H -n 300; exec \"$0\" --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_purser"),
    ]);
    shell.current_dir(site.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let served = Served::of(shell);
    assert!(served.lines.iter().any(|line| line.trim() == "files    300 may be open"), "{:?}", served.lines);
    let mut served = served;
    let log = served.standard_error();
    assert_eq!(served.stop(), 0);
    let log = log.join().expect("no panic");
    assert!(log.contains("only 300 files may be open"), "{log}");
}

#[test]
fn a_folder_without_content_is_left_as_it_was() {
    let site = Site::empty();
    let ran = site.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("`purser init` writes a set to start with"), "{ran:?}");
    let left: Vec<_> = fs::read_dir(site.folder.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_starter_set_is_as_it_should_be_and_never_overwrites() {
    let site = Site::starter();
    let checked = site.run(&["check"]);
    assert!(checked.out.contains("everything is as it should be"), "{checked:?}");
    assert_eq!(checked.code, 0);

    site.write("faq/facts.yaml", "facts: { company: Mine }\n");
    let again = site.run(&["init", "."]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("faq/facts.yaml") && again.err.contains("nothing is overwritten"), "{again:?}");
    assert_eq!(fs::read_to_string(site.path("faq/facts.yaml")).unwrap(), "facts: { company: Mine }\n");
    fs::remove_file(site.path("purser.yaml")).unwrap();
    assert_eq!(site.run(&["init", "."]).code, 1);
    assert!(!site.path("purser.yaml").exists(), "all or nothing");
}

/// Whoever begins with the starter set takes plugins from here as they are.
#[test]
fn the_plugins_that_ship_work_with_the_starter_set() {
    let site = Site::starter();
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    crate::harness::copy(&plugins, &site.path("plugins"));
    let checked = site.run(&["check"]);
    assert!(checked.code == 0 && checked.out.contains("everything is as it should be"), "{checked:?}");
    let tested = site.run(&["plugin", "test"]);
    assert!(tested.code == 0 && tested.out.contains(", 0 failed"), "{tested:?}");
    let count =
        fs::read_dir(plugins).expect("a folder").flatten().filter(|entry| entry.path().join("plugin.yaml").exists());
    assert!(tested.out.contains(&format!("{} plugins: ", count.count())), "{tested:?}");
}

#[test]
fn without_content_the_start_says_so_and_offers_a_starter_set() {
    let site = Site::empty();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["chat"], &["ask"], &["check"], &["replay", "x.yaml"]]
    {
        let ran = site.run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?} {ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains("purser init"), "{arguments:?} {ran:?}");
    }
}

#[test]
fn check_prints_every_finding_and_ends_with_one() {
    let site = Site::starter();
    site.write("faq/en/broken.yaml", "language: en\nentrys: []\n");
    let ran = site.run(&["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("faq/en/broken.yaml:2:1") && ran.out.contains("`entries`"), "{ran:?}");

    let ran = site.run(&["check", "--json"]);
    assert_eq!(ran.code, 1);
    let object: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(object["errors"], 1);
    assert_eq!(object["findings"][0]["line"], 2);
    assert_eq!(object["languages"], serde_json::json!(["en"]));
    assert!(!site.path("purser.db").exists(), "check touches no store");
}

#[test]
fn check_does_not_blame_other_files_for_one_that_cannot_be_read() {
    let site = Site::empty();
    crate::harness::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("faq"), &site.path("faq"));
    site.write("faq/en/delivery.yaml", "language: en\nentries:\n  a: b\n c: d\n");
    let ran = site.run(&["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("faq/en/delivery.yaml:"), "{ran:?}");
    // Its entries answer buttons of others, and German has them too.
    assert!(!ran.out.contains("no entry answers") && !ran.out.contains("another language"), "{ran:?}");
}

#[test]
fn check_warns_of_sources_that_are_not_configured() {
    let site = Site::starter();
    let http = "{ get: 'https://shop.example/{number}' }";
    site.write("purser.yaml", &format!("sources:\n  shipment: {http}\n"));
    site.write("plugins/mine/plugin.yaml", "api: 1\nabout: x\nsources: [shipmnt]\nactions: [call]\n");
    site.write("plugins/mine/main.rhai", "fn answer(turn) { pass() }\n");
    site.write("plugins/mine/tests.yaml", "tests: []\n");
    let ran = site.run(&["check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("purser.yaml has no source `shipmnt`") && ran.out.contains("did you mean `shipment`?"),
        "{ran:?}"
    );
    assert!(ran.out.contains("purser.yaml has no action `call`") && ran.out.contains("under `actions`"), "{ran:?}");
}

#[test]
fn ask_answers_each_line_by_itself() {
    let site = Site::starter();
    let input = "where is my parcel?\n\nxyzzy plugh\ncan I speak to a human please";
    let ran = site.run_with(&["ask", "--json"], input);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 4, "a line for each: {ran:?}");
    let keys = "text,language,outcome,responder,entry,suggestions,score,lookups,numbers,micros";
    let mut from = 0;
    for key in keys.split(',') {
        let at = lines[0][from..].find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {}", lines[0]));
        from += at;
    }
    let answers: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["text"], "where is my parcel?");
    assert_eq!(answers[0]["language"], "en");
    assert_eq!((&answers[0]["outcome"], &answers[0]["entry"]), (&"answer".into(), &"track-parcel".into()));
    assert_eq!(answers[0]["lookups"], 0);
    assert!(answers[0]["score"].as_f64().unwrap() > 0.0);
    assert_eq!(answers[1]["outcome"], "pass");
    assert_eq!((&answers[2]["outcome"], &answers[2]["entry"]), (&"pass".into(), &Value::Null));
    assert_eq!((&answers[3]["outcome"], &answers[3]["responder"]), (&"handover".into(), &"person".into()));
    assert_eq!(answers[3]["entry"], "talk-to-person", "also when it handed the turn on");

    let ran = site.run_with(&["ask", "--why"], "where is my parcel?\n");
    assert!(
        ran.out.contains("answer: faq track-parcel") && ran.out.contains("trace: faq: reply track-parcel"),
        "{ran:?}"
    );
    assert!(!site.path("purser.db").exists(), "ask touches no store");
}

#[test]
fn chat_goes_through_the_desk_and_presses_buttons_by_number() {
    let site = Site::starter();
    let ran = site.run_with(&["chat", "--why"], "hello\n1\nxyzzy plugh\n1\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("[1] Where is my parcel?"), "{ran:?}");
    assert!(ran.out.contains("> Where is my parcel?\n"), "{ran:?}");
    assert!(ran.out.contains("reply track-parcel"), "{ran:?}");
    assert!(ran.out.contains("> Talk to a person\n"), "{ran:?}");
    assert!(ran.out.contains("+44 20 7946 0000"), "{ran:?}");
    assert!(!ran.out.contains("**"), "Markdown is rendered: {ran:?}");
    assert!(!site.path("purser.db").exists(), "nothing is kept without --database");
    assert_eq!(site.run_with(&["chat", "--database", "sqlite://kept.db"], "hello\n").code, 0);
    assert!(site.path("kept.db").exists());
}

#[test]
fn replay_says_what_is_not_as_it_must_be() {
    let site = Site::starter();
    site.write("good.yaml", "conversation:\n  - say: where is my parcel?\n    answer: { entry: track-parcel }\n");
    let ran = site.run(&["replay", "good.yaml"]);
    assert_eq!((ran.code, ran.out.lines().next()), (0, Some("ok      good.yaml")), "{ran:?}");

    site.write(
        "more/bad.yaml",
        "about: it cannot be\nconversation:\n  - say: where is my parcel?\n    answer:\n      entry: greeting\n      \
         text: |\n        You may\n        not.\n  - press: Nowhere\n  - say: never said\n",
    );
    let ran = site.run(&["replay", "good.yaml", "more"]);
    assert_eq!(ran.code, 1);
    for expected in [
        "failed  more/bad.yaml\n  it cannot be\n  more/bad.yaml:3: where is my parcel?\n",
        "    entry:\n      expected greeting\n      got      track-parcel\n",
        "    text: (- expected, + got)\n      - You may\n      - not.\n      + You can follow",
        "    trace: faq: reply track-parcel",
        "    press:\n      expected Nowhere\n      got      When do you deliver? | Talk to a person\n",
        "2 recordings: 1 ok, 1 failed, 0 unreadable",
    ] {
        assert!(ran.out.contains(expected), "{expected}\nin\n{}", ran.out);
    }

    site.write("more/none.yaml", "conversation:\n  - sya: x\n");
    let ran = site.run(&["replay", "more"]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("more/none.yaml:2:5") && ran.out.contains("did you mean `say`?"), "{ran:?}");
    assert_eq!(site.run(&["replay", "nowhere.yaml"]).code, 2);
    assert_eq!(site.run(&["replay"]).code, 2);
}

#[test]
fn serve_says_where_it_is_and_stops_at_a_signal() {
    let site = Site::starter();
    let served = Served::start(&site);
    let address = served.lines[0].split("http://").nth(1).expect("an address").to_owned();
    assert!(served.lines[0].starts_with(concat!(
        "purser ",
        env!("CARGO_PKG_VERSION"),
        " is listening on http://127.0.0.1:"
    )));
    assert!(served.lines[1].contains("SQLite file purser.db"), "{:?}", served.lines);
    assert!(served.lines[2].contains("entries") && served.lines[2].contains("in en"), "{:?}", served.lines);

    let taken = site.run(&["--listen", &address]);
    assert_eq!(taken.code, 1);
    assert!(taken.err.contains(&address) && taken.err.contains("another program listens there"), "{taken:?}");
    let second = site.run(&["--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains("purser.db is in use by another purser"), "{second:?}");

    assert_eq!(served.stop(), 0);
}

#[test]
fn a_plugin_is_tested_again_when_it_is_saved() {
    let site = Site::starter();
    assert_eq!(site.run(&["plugin", "new", "bells"]).code, 0);
    let mut child = site.command(&["plugin", "test", "bells", "--watch"]).spawn().expect("purser");
    let out = BufReader::new(child.stdout.take().expect("standard output"));
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let until = |part: &str| {
        let mut read = Vec::new();
        loop {
            let line = lines.recv_timeout(std::time::Duration::from_secs(120));
            read.push(line.unwrap_or_else(|_| panic!("no {part:?} among {read:#?}")));
            if read.last().is_some_and(|line| line.contains(part)) {
                return;
            }
        }
    };
    until(" 0 failed");
    until("waiting for changes");
    let script = fs::read_to_string(site.path("plugins/bells/main.rhai")).unwrap();
    site.write("plugins/bells/main.rhai", "fn answer(turn) {\n  relpy()\n}\n");
    until("there is no function `relpy`");
    until("1 failed");
    site.write("plugins/bells/main.rhai", &script);
    until(" 0 failed");
    child.kill().expect("a signal");
    child.wait().expect("an end");
}

#[test]
fn content_sets_are_listed_shown_and_brought_back() {
    let site = Site::starter();
    let listed = |site: &Site| -> Vec<String> {
        let ran = site.run(&["content", "list"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out.lines().map(|line| line[..12].to_owned()).collect()
    };
    let none = site.run(&["content", "list"]);
    assert_eq!(none.code, 1);
    assert!(none.err.contains("there is no database purser.db"), "{none:?}");
    assert!(!site.path("purser.db").exists(), "looking makes nothing");

    let served = Served::start(&site);
    let first = listed(&site);
    assert_eq!(first.len(), 1, "beside a running server");
    assert_eq!(served.stop(), 0);
    let before = fs::read_to_string(site.path("faq/en/small-talk.yaml")).unwrap();
    site.write("faq/en/small-talk.yaml", &before.replace("Hello! I am", "Ahoy! I am"));
    site.write("faq/en/new.yaml", "language: en\nwords: { box: [carton] }\n");
    fs::remove_file(site.path("plugins/README.md")).unwrap();
    assert_eq!(Served::start(&site).stop(), 0);
    let both = listed(&site);
    assert_eq!((both.len(), &both[1]), (2, &first[0]));

    let shown = site.run(&["content", "show", &both[0][..6]]);
    assert!(shown.out.contains("faq/en/new.yaml"), "{shown:?}");
    let shown = site.run(&["content", "show", &first[0], "faq/en/small-talk.yaml"]);
    assert_eq!(shown.out, before);
    assert_eq!(site.run(&["content", "show", &first[0], "faq/no.yaml"]).code, 1);
    assert!(site.run(&["content", "show", "ffff"]).err.contains("no set ffff went live"));

    let back = site.run(&["content", "rollback", &first[0]]);
    assert_eq!(back.code, 0, "{back:?}");
    for expected in ["changed  faq/en/small-talk.yaml", "removed  faq/en/new.yaml", "added    plugins/README.md"] {
        assert!(back.out.contains(expected), "{back:?}");
    }
    assert_eq!(fs::read_to_string(site.path("faq/en/small-talk.yaml")).unwrap(), before);
    assert!(!site.path("faq/en/new.yaml").exists());
    let kept = hidden(&site.path("faq"));
    assert!(fs::read_to_string(kept.join("en/small-talk.yaml")).unwrap().contains("Ahoy!"));
    assert!(kept.join("en/new.yaml").exists());
    assert!(site.run(&["content", "rollback", &first[0]]).out.contains("already"));
    assert_eq!(site.run(&["check"]).code, 0, "what was replaced is no content any more");
}

#[test]
fn accounts_are_in_the_database_that_is_named() {
    let site = Site::empty();
    let added = site.run_with(&["agent", "add", "anna", "--database", "sqlite://other.db"], "a long password\n");
    assert_eq!(added.code, 0, "{added:?}");
    let listed = site.run(&["agent", "--database", "sqlite://other.db", "list"]);
    assert!(listed.code == 0 && listed.out.contains("anna"), "{listed:?}");
    assert!(site.path("other.db").exists() && !site.path("purser.db").exists());
}

/// The one hidden folder in a folder.
fn hidden(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut hidden = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'));
    hidden.next().expect("a hidden folder")
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let site = Site::starter();
    for (arguments, expected) in [
        (&["--listen", "127.0.0.1:1", "check"][..], "--listen stands before the command and is an option of `serve`"),
        (&["check", "--listen", "127.0.0.1:1"], "unexpected argument '--listen'"),
        (&["completions", "bash", "--faq", "x"], "--faq does nothing with this command"),
        (&["ask", "--lang", "English"], "`English` is not a language"),
        (&["serv"], "unrecognized subcommand 'serv'"),
    ] {
        let ran = site.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?} {ran:?}");
        assert!(ran.err.contains(expected), "{arguments:?} {ran:?}");
    }
}

#[test]
fn every_command_explains_itself_with_examples() {
    let site = Site::empty();
    for command in [
        "serve",
        "check",
        "chat",
        "ask",
        "replay",
        "record",
        "compare",
        "gaps",
        "coverage",
        "convert",
        "content",
        "init",
        "completions",
    ] {
        let ran = site.run(&[command, "--help"]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains(&format!("purser {command}")) && ran.out.contains("Examples:"), "{ran:?}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let ran = site.run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("rollback"), "{shell}");
    }
}

#[test]
fn whoever_stops_reading_is_no_error() {
    let site = Site::starter();
    let mut child = site.command(&["ask", "--json"]).spawn().unwrap();
    drop(child.stdout.take());
    let ran = finish(child, &"where is my parcel?\n".repeat(2_000));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
