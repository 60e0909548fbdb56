//! Scripts that hoard memory, in a purser of its own whose memory is looked at.
//!
//! Large texts that are put into a map or list by index, or into one that lies in another, are not among them: the
//! engine looks at the part that is changed, not at the whole, so only the time of a run bounds these (docs/plugins.md).

use std::time::Duration;

use crate::cli::{Served, Site};
use crate::harness::{Typed, Visitor};

/// No script may make the process grow by more than this, in KiB.
const MOST: u64 = 16 << 10;

/// What scripts do; each is a plugin of its own, so that none is set aside for another.
const BOMBS: [&str; 14] = [
    "let s = \"x\"; loop { s += s; }",
    "let s = \"x\"; s.pad(60000, \"y\"); let a = []; loop { a.push(s + a.len); }",
    "let s = \"x\"; s.pad(60000, \"y\"); let m = #{}; let n = 0; loop { m.set(`k${n}`, s + n); n += 1; }",
    "let s = \"x\"; s.pad(60000, \"y\"); let a = s.split(\"\"); loop { a += a; }",
    "let a = [1]; loop { a += a; }",
    "let a = []; loop { a.push(a); }",
    "let a = []; loop { a = [a, a]; }",
    "let m = #{}; loop { m = #{ a: m, b: m }; }",
    "let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }",
    "let a = []; a.pad(4000, \"y\"); loop { let b = a.map(|x| x + x); a = b; }",
    // What a closure captures escapes the limits on sizes; it is used on the spot, or refused when it is loaded.
    "let s = \"x\"; s.pad(60000, \"y\"); let a = []; loop { let t = s + a.len; [1].map(|x| t.len); a.push(a.len); }",
    "let s = \"x\"; s.pad(60000, \"y\"); let a = []; loop { let t = s + a.len; a.push(|| t); }",
    "let s = \"x\"; s.pad(60000, \"y\"); loop { print(s); }",
    "let s = \"x\"; s.pad(60000, \"y\"); let a = reply(s); loop { a = a.add(s); }",
];

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_script_makes_the_process_grow() {
    let site = Site::empty();
    site.write("faq/a.yaml", "language: en\nentries: [{ id: a, match: exact, phrases: [hello], answer: Hi }]\n");
    for (n, bomb) in BOMBS.iter().enumerate() {
        site.write(&format!("plugins/bomb-{n}/plugin.yaml"), "api: 1\nabout: a bomb\n");
        site.write(&format!("plugins/bomb-{n}/tests.yaml"), "tests: []\n");
        let script = format!("fn answer(turn) {{\n if turn.text != \"bomb {n}\" {{ return pass(); }}\n {bomb}\n}}\n");
        site.write(&format!("plugins/bomb-{n}/main.rhai"), &script);
    }
    let mut purser = Served::start_with(&site, &["--database", "sqlite::memory:", "--limits", "off"]);
    let log = purser.standard_error();
    let visitor = Visitor::new();
    let mut customer = Typed::connect(purser.address()).await;
    customer.hello(&visitor, 0).await;
    customer.ask("warm", "hello").await;
    customer.ask("warm-too", "nothing that is known").await;
    for (n, bomb) in BOMBS.iter().enumerate() {
        purser.forget_peak();
        let before = purser.peak();
        for round in 0..3 {
            // Whatever the script did, there is an answer.
            customer.ask(&format!("{n}-{round}"), &format!("bomb {n}")).await;
        }
        let grown = purser.peak().saturating_sub(before);
        assert!(grown < MOST, "{bomb} made it grow by {grown} KiB");
    }
    tokio::time::timeout(Duration::from_secs(60), tokio::task::spawn_blocking(move || purser.stop()))
        .await
        .expect("an end")
        .expect("no panic");
    let log = log.join().expect("no panic");
    assert!(!log.contains("yyyy"), "what scripts print is not logged");
    assert!(log.contains("plugins/bomb-11/main.rhai:3") && log.contains("could be kept"), "{log}");
    // The others ran, and were stopped.
    for n in (0..BOMBS.len()).filter(|n| *n != 11) {
        assert!(log.contains(&format!("responder bomb-{n} failed")), "bomb {n} did not fail: {log}");
    }
}
