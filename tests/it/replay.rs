//! `purser replay` as testers and CI servers use it.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Served, Site, finish};

/// Two recordings that hold, and two that do not, for the same reason.
fn site() -> Site {
    let site = Site::starter();
    let good = "conversation:\n  - say: where is my parcel?\n    answer: { entry: track-parcel }\n";
    let bad = "# kept\nabout: tracking & <more>\nconversation:\n  - say: where is my parcel? # and this is not\n    \
               answer: { entry: greeting, contains: nonsense }\n  # kept too\n  - say: hello\n";
    for (name, text) in [("a-good", good), ("b-bad", bad), ("c-good", good), ("d-bad", bad)] {
        site.write(&format!("told/{name}.yaml"), text);
    }
    site
}

#[test]
fn results_are_the_same_whatever_the_number_of_threads() {
    let site = site();
    let one = site.run(&["replay", "told", "--threads", "1", "--json"]);
    let many = site.run(&["replay", "told", "--threads", "8", "--json"]);
    assert_eq!((one.code, &one.out), (1, &many.out), "{one:?}");
    let lines: Vec<Value> = one.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        serde_json::json!({
            "file": "told/a-good.yaml", "about": null, "ok": true, "messages": 1, "failures": [], "notes": [],
        })
    );
    let failure = &lines[1]["failures"][0];
    assert_eq!(
        (&failure["what"], &failure["expected"], &failure["line"]),
        (&"entry".into(), &"greeting".into(), &4.into())
    );
    assert_eq!(failure["trace"][0]["responder"], "faq");
    assert_eq!(lines[4], serde_json::json!({ "recordings": 4, "ok": 2, "failed": 2, "unreadable": 0 }));
}

#[test]
fn a_ci_server_gets_junit() {
    let site = site();
    assert_eq!(site.run(&["replay", "told", "--junit", "out.xml"]).code, 1);
    let xml = fs::read_to_string(site.path("out.xml")).expect("the file");
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites"), "{xml}");
    for expected in [
        "<testsuite name=\"told/a-good.yaml\" tests=\"1\" failures=\"0\" errors=\"0\">",
        "name=\"tracking &amp; &lt;more&gt;\">",
        "<failure message=\"entry must be `greeting` and is `track-parcel`\">",
        "</testsuites>",
    ] {
        assert!(xml.contains(expected), "{expected} in\n{xml}");
    }
}

#[test]
fn an_update_shows_groups_of_equal_changes_and_writes_what_is_agreed_to() {
    let site = site();
    let before = fs::read_to_string(site.path("told/b-bad.yaml")).unwrap();

    // Nobody there to agree: nothing is written.
    let ran = site.run(&["replay", "told", "--update"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("1 of 2, 2 steps"), "{ran:?}");
    assert_eq!(fs::read_to_string(site.path("told/b-bad.yaml")).unwrap(), before);

    let ran = site.run_with(&["replay", "told", "--update"], "y\nn\n");
    assert!(ran.out.contains("2 expectations written in 2 files"), "{ran:?}");
    let written = fs::read_to_string(site.path("told/b-bad.yaml")).unwrap();
    let expected = "# kept\nabout: tracking & <more>\nconversation:\n  - say: where is my parcel?\n    \
                    answer: { entry: track-parcel, contains: [nonsense] }\n  # kept too\n  - say: hello\n";
    assert_eq!(written, expected);

    assert_eq!(site.run(&["replay", "told", "--update", "--yes"]).code, 0);
    assert_eq!(site.run(&["replay", "told"]).code, 0);
}

#[test]
fn what_is_told_of_an_errand_is_brought_up_to_date_too() {
    let site = Site::starter();
    site.write("plugins/bells/plugin.yaml", "api: 1\nabout: rings bells\nactions: [ring]\n");
    site.write(
        "plugins/bells/main.rhai",
        "fn answer(turn) {\n  if turn.text != \"ring\" { return pass(); }\n  \
         act(\"ring\", #{ n: 1 }, \"Ring it?\").when_done(\"It rang {times} times.\")\n}\n",
    );
    site.write("plugins/bells/tests.yaml", "tests: []\n");
    let told = |answer: &str| {
        format!(
            "conversation:\n  - say: ring\n  - press: Yes, please\n  - errand: done\n    fields: {{\"times\":3}}\n    answer: {answer}\n"
        )
    };
    site.write("told/a.yaml", &told("{ text: It rang twice. }"));
    site.write("told/b.yaml", &told("{ contains: [twice] }"));
    let ran = site.run(&["replay", "told", "--update", "--yes"]);
    assert!(ran.code == 0 && ran.out.contains("2 expectations written in 2 files"), "{ran:?}");
    for file in ["told/a.yaml", "told/b.yaml"] {
        let written = fs::read_to_string(site.path(file)).unwrap();
        assert_eq!(written, told("\n      text: It rang 3 times.").replace("answer: \n", "answer:\n"), "{file}");
    }
    assert_eq!(site.run(&["replay", "told"]).code, 0);
}

#[test]
fn an_update_leaves_files_of_other_projects_alone() {
    let site = Site::starter();
    let story =
        "version: \"3.1\"\nstories:\n- story: parcels\n  steps:\n  - user: where is my parcel?\n  - bot: nowhere\n";
    site.write("told/test_stories.yml", story);
    let ran = site.run(&["replay", "told", "--update", "--yes"]);
    assert!(ran.code == 1 && ran.out.contains("told/test_stories.yml: this is no recording of purser"), "{ran:?}");
    assert_eq!(fs::read_to_string(site.path("told/test_stories.yml")).unwrap(), story);
}

#[test]
fn a_recording_may_start_in_the_middle_and_a_person_may_take_part() {
    let site = Site::starter();
    site.write(
        "a.yaml",
        "tests:\n  - about: in the middle\n    start: { buttons: [{ text: Where is it?, choice: track-parcel }] }\n    \
         conversation:\n      - press: Where is it?\n        answer: { entry: track-parcel }\n  - about: a person\n    \
         conversation:\n      - joined: Grace\n      - say: where is my parcel?\n      - agent: I will look.\n      - \
         left: Grace\n      - say: where is my parcel?\n        answer: { entry: track-parcel }\n",
    );
    let ran = site.run(&["replay", "a.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    site.write("b.yaml", "conversation:\n  - joined: Grace\n  - say: hello\n    answer: { outcome: answer }\n");
    let ran = site.run(&["replay", "b.yaml"]);
    assert!(ran.code == 1 && ran.out.contains("none: a person has the conversation"), "{ran:?}");
}

#[test]
fn a_renamed_entry_is_found_and_a_missing_one_is_named() {
    let site = Site::starter();
    let more = "language: en\nentries:\n  - id: trams\n    was: [trolleys]\n    phrases: [when do the trams run]\n    \
                answer: Every day.\n";
    site.write("faq/en/more.yaml", more);
    site.write("a.yaml", "conversation:\n  - say: when do the trams run?\n    answer: { entry: trolleys }\n");
    let ran = site.run(&["replay", "a.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    site.write("b.yaml", "conversation:\n  - say: when do the trams run?\n    answer: { entry: tram }\n");
    let ran = site.run(&["replay", "b.yaml"]);
    assert!(ran.code == 1 && ran.out.contains("there is no entry `tram`; did you mean `trams`?"), "{ran:?}");
}

#[test]
fn bad_files_are_named_and_the_rest_goes_on() {
    let site = site();
    site.write("told/bad1.yaml", "conversation: [\n");
    site.write("told/bad2.yaml", "conversation:\n  - answer: { entry: a }\n");
    let large = fs::File::create(site.path("told/large.yaml")).unwrap();
    large.set_len(100 << 20).unwrap();
    let ran = site.run(&["replay", "told"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for expected in [
        "told/bad1.yaml:",
        "told/bad2.yaml:2:5",
        "told/large.yaml",
        "104857600 bytes",
        "7 recordings: 2 ok, 2 failed, 3 unreadable",
    ] {
        assert!(ran.out.contains(expected), "{expected} in\n{}", ran.out);
    }
}

/// Folders that lead to themselves, pipes, links to nowhere, and text that is none: each is named, and the rest goes on.
#[test]
fn a_folder_of_traps_is_read_to_its_end() {
    let site = site();
    let told = |name: &str| site.path(&format!("told/{name}"));
    fs::create_dir(told("inner")).unwrap();
    for link in ["inner/up", "inner/again"] {
        std::os::unix::fs::symlink("..", told(link)).unwrap();
    }
    std::os::unix::fs::symlink("nowhere.yaml", told("gone.yaml")).unwrap();
    assert!(Command::new("mkfifo").arg(told("pipe.yaml")).status().expect("mkfifo").success());
    let utf16 = "conversation: []".encode_utf16().flat_map(u16::to_le_bytes);
    fs::write(told("utf16.yaml"), [0xff, 0xfe].into_iter().chain(utf16).collect::<Vec<u8>>()).unwrap();
    fs::write(told("nul.yaml"), b"conversation:\n  - say: a\0b\n").unwrap();
    fs::write(told("twice.yaml"), "conversation: []\nconversation: []\n").unwrap();
    fs::write(told("deep.yaml"), format!("conversation: {}{}\n", "[".repeat(100_000), "]".repeat(100_000))).unwrap();
    let levels: Vec<String> =
        (1..12).map(|n| format!("  - &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(","))).collect();
    fs::write(told("laughs.yaml"), format!("tests:\n  - &l0 [ha]\n{}", levels.concat())).unwrap();
    fs::write(told("marked.yaml"), "\u{feff}conversation:\n  - say: where is my parcel?\n").unwrap();
    let ran = site.run(&["replay", "told"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("told/pipe.yaml: this is no file"), "{ran:?}");
    assert!(!ran.out.contains('\0') && ran.out.contains("- say: a\u{fffd}b"), "{ran:?}");
    for expected in [
        "error: cannot be read: No such file or directory (os error 2)\n --> told/gone.yaml",
        "error: the file is not UTF-8\n --> told/utf16.yaml",
        "told/nul.yaml",
        "told/twice.yaml:2:1",
        "the key `conversation` stands here twice",
        "told/deep.yaml",
        "told/laughs.yaml",
        "ok      told/marked.yaml",
        "11 recordings: 3 ok, 2 failed, 6 unreadable",
    ] {
        assert!(ran.out.contains(expected), "{expected} in\n{}", ran.out);
    }
}

/// Whoever mistypes a folder is not told that all is well.
#[test]
fn a_folder_without_recordings_is_named() {
    let site = site();
    fs::create_dir_all(site.path("empty/inner")).unwrap();
    site.write("empty/notes.txt", "nothing to replay");
    let ran = site.run(&["replay", "told", "empty"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("error: the folder holds no recordings\n --> empty\n"), "{ran:?}");
    for command in [&["coverage", "empty"][..], &["compare", "empty", "--before", "."]] {
        let ran = site.run(command);
        assert!([&ran.out, &ran.err].iter().any(|said| said.contains("the folder holds no recordings")), "{ran:?}");
    }
}

/// A recording has the name of a file that was sent, and that is all of it.
#[test]
fn files_are_sent_in_recordings_by_their_names() {
    let site = Site::starter();
    site.write(
        "a.yaml",
        "conversation:\n  - attachments: [crate.jpg]\n    answer: { responder: pipeline, buttons: [Talk to a person] }\n  - say: \
         where is my parcel?\n    attachments: [label.pdf]\n    answer: { entry: track-parcel }\n  - agent: Here.\n    \
         attachments: [new.pdf]\n",
    );
    let ran = site.run(&["replay", "a.yaml"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for (step, expected) in [
        ("attachments: [crate.exe]", "`crate.exe` is no picture and no PDF"),
        ("wait: 1 day\n    attachments: [a.jpg]", "a step is one"),
        ("say: \"\"", "b.yaml:2:5"),
    ] {
        site.write("b.yaml", &format!("conversation:\n  - {step}\n"));
        let ran = site.run(&["replay", "b.yaml"]);
        assert!(ran.code == 2 && ran.out.contains(expected), "{expected} in {ran:?}");
    }
}

#[test]
fn the_same_files_play_against_a_running_server() {
    let site = site();
    site.write(
        "live.yaml",
        "conversation:\n  - say: where is my parcel?\n    answer: { entry: not-seen-from-outside, contains: [follow] }\n  \
         - wait: 3 days\n  - press: Talk to a person\n    answer: { language: en }\n",
    );
    let served = Served::start_with(&site, &["--limits", "off"]);
    let url = format!("http://{}", served.address());
    let ran = site.run(&["replay", "live.yaml", "--server", &url]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = site.run(&["replay", "told/b-bad.yaml", "--server", &url]);
    assert!(ran.code == 1 && ran.out.contains("contains:"), "{ran:?}");
    assert_eq!(served.stop(), 0);
    let ran = site.run(&["replay", "live.yaml", "--server", &url]);
    assert!(ran.code == 2 && ran.out.contains("cannot be reached"), "{ran:?}");
}

#[test]
fn a_replay_needs_no_network() {
    let site = site();
    let isolated = || {
        let mut command = Command::new("unshare");
        command.args(["-rn", env!("CARGO_BIN_EXE_purser"), "replay", "told"]).current_dir(site.folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().expect("unshare, of util-linux"), "")
    };
    let first = isolated();
    if first.err.contains("unshare:") {
        // A container may not make namespaces; that two runs are alike is tested all the same.
        let ran = site.run(&["replay", "told", "--json"]);
        assert_eq!(ran.out, site.run(&["replay", "told", "--json"]).out);
        return;
    }
    assert_eq!(first.code, 1, "{first:?}");
    let second = isolated();
    assert_eq!((first.out, first.err), (second.out, second.err));
}

/// Runs purser with this shell command on a terminal of its own, and gives what came on it.
fn on_a_terminal(site: &Site, command: &str) -> Command {
    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]).current_dir(site.folder.path());
    script.env_clear().env("PATH", "/usr/bin:/bin").env("PURSER", env!("CARGO_BIN_EXE_purser")).env("SHELL", "/bin/sh");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    script
}

#[test]
fn a_terminal_gets_colours_and_a_file_none() {
    let site = site();
    let shown = finish(on_a_terminal(&site, "\"$PURSER\" replay told").spawn().expect("script"), "").out;
    assert!(shown.contains("\x1b[32mok\x1b[0m      told/a-good.yaml"), "{shown:?}");
    assert!(shown.contains("\x1b[31mfailed\x1b[0m  told/b-bad.yaml"), "{shown:?}");
    let mut plain = on_a_terminal(&site, "\"$PURSER\" replay told");
    let plain = finish(plain.env("NO_COLOR", "1").spawn().expect("script"), "").out;
    assert!(plain.contains("ok      told/a-good.yaml") && !plain.contains("\x1b["), "{plain:?}");
    assert!(!site.run(&["replay", "told"]).out.contains("\x1b["), "a file gets none");
}

/// The bar comes with a run that takes a second: one of the files is a pipe, which says nothing until then.
#[test]
fn a_long_run_shows_how_far_it_is() {
    let site = site();
    let made = Command::new("mkfifo").arg(site.path("slow.yaml")).status().expect("mkfifo");
    assert!(made.success());
    let script = on_a_terminal(&site, "\"$PURSER\" replay slow.yaml told --threads 1 >results.txt").spawn();
    let running = script.expect("script");
    let mut pipe = fs::File::options().write(true).open(site.path("slow.yaml")).expect("a reader");
    std::thread::sleep(std::time::Duration::from_millis(3_000));
    std::io::Write::write_all(&mut pipe, b"conversation:\n  - say: hello\n").expect("a reader");
    drop(pipe);
    let shown = finish(running, "").out;
    assert!(shown.contains("\r█████") && shown.contains("1 of 5 files, 0 failed\x1b[K"), "{shown:?}");
    assert!(shown.ends_with("\r\x1b[K"), "it is taken away: {shown:?}");
    let results = fs::read_to_string(site.path("results.txt")).expect("the results");
    assert!(results.contains("ok      slow.yaml") && !results.contains('\r'), "{results}");
}

#[test]
fn an_update_writes_what_it_says_and_nothing_else() {
    let site = Site::starter();
    let step = "say: hello, answer: { entry: track-parcel }";
    // Steps that have no lines of their own.
    let flow = format!("conversation: [ {{ {step} }} ]\n");
    let within = format!("tests:\n  - conversation: [ {{ {step} }} ]\n");
    for text in [&flow, &within] {
        site.write("told/flow.yaml", text);
        let ran = site.run(&["replay", "told", "--update", "--yes"]);
        assert!(ran.code == 1 && ran.out.contains("0 expectations written in 0 files"), "{ran:?}");
        assert_eq!(&fs::read_to_string(site.path("told/flow.yaml")).unwrap(), text);
    }

    // A file beside it, a link to it, and who may read it.
    site.write("told/flow.yaml", "conversation: []\n");
    site.write("told/a.new", "of somebody else");
    site.write("a.yaml", &format!("conversation:\n  - {{ {step} }}\n  - {{ {step} }}\n"));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(site.path("a.yaml"), private).unwrap();
    std::os::unix::fs::symlink("../a.yaml", site.path("told/a.yaml")).unwrap();
    let ran = site.run(&["replay", "told", "a.yaml", "--update", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let written = "  - say: hello\n    answer: { entry: greeting }\n";
    assert_eq!(fs::read_to_string(site.path("a.yaml")).unwrap(), format!("conversation:\n{written}{written}"));
    assert!(fs::symlink_metadata(site.path("told/a.yaml")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(site.path("told/a.new")).unwrap(), "of somebody else");
    let about = fs::metadata(site.path("a.yaml")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777, 0o600);
    let hidden = |file: &fs::DirEntry| file.file_name().to_string_lossy().starts_with('.');
    assert!(!fs::read_dir(site.folder.path()).unwrap().any(|file| hidden(&file.unwrap())), "nothing is left over");
}

#[test]
fn a_recording_cannot_talk_to_the_terminal() {
    let site = Site::starter();
    site.write(
        "a.yaml",
        "about: \"\\e[2J\"\nconversation:\n  - say: \"\\e[31mhello\"\n    answer: { contains: \"\\e]0;x\\a\" }\n",
    );
    for arguments in [&["replay", "a.yaml"][..], &["replay", "a.yaml", "--update"]] {
        let ran = site.run(arguments);
        assert!(ran.code == 1 && ran.out.contains("[31mhello") && !ran.out.contains(['\u{1b}', '\u{7}']), "{ran:?}");
    }
}
