//! Scripts that hoard memory, in a purser of its own whose memory is looked at.

use std::time::Duration;

use crate::cli::{Served, Site};
use crate::harness::{Typed, Visitor};

/// No script may make the process grow by more than this, in KiB.
const MOST: u64 = 16 << 10;

/// What scripts do; each is a plugin of its own, so that none is set aside for another. `long()` is a text of 60 KB.
const BOMBS: [&str; 40] = [
    "let s = \"x\"; loop { s += s; }",
    "let s = long(); let a = []; loop { a.push(s + a.len); }",
    "let s = long(); let m = #{}; let n = 0; loop { m.set(`k${n}`, s + n); n += 1; }",
    "let s = long(); let a = s.split(\"\"); loop { a += a; }",
    "let a = [1]; loop { a += a; }",
    "let a = []; loop { a.push(a); }",
    "let a = []; loop { a = [a, a]; }",
    "let m = #{}; loop { m = #{ a: m, b: m }; }",
    "let m = #{}; let n = 0; loop { m[`k${n}`] = n; n += 1; }",
    "let a = []; a.pad(4000, \"y\"); loop { let b = a.map(|x| x + x); a = b; }",
    // What a closure captures escapes the limits on sizes; it is used on the spot, or refused when it is loaded.
    "let s = long(); let a = []; loop { let t = s + a.len; [1].map(|x| t.len); a.push(a.len); }",
    "let s = long(); let a = []; loop { let t = s + a.len; a.push(|| t); }",
    "let s = long(); loop { print(s); }",
    "let s = long(); let a = reply(s); loop { a = a.add(s); }",
    // Sizes are looked at where a value is changed, not where it lies: all that a run holds is bounded besides.
    "let s = long(); let m = #{}; let n = 0; loop { m[`k${n}`] = s + n; n += 1; }",
    "let s = long(); let m = #{}; let n = 0; loop { m[`k${n}`] = `${n}`; m[`k${n}`] += s; n += 1; }",
    "let s = long(); let m = #{ a: #{ b: [] } }; m.a.b.pad(4000, 0); let n = 0; loop { m.a.b[n % 4000] = s + n; n += 1; }",
    "let s = long(); let a = []; a.pad(4000, 0); let n = 0; loop { a[n % 4000] = s + n; n += 1; }",
    "let s = long(); let a = []; a.pad(4000, \"\"); let n = 0; loop { a[n % 4000] = `${n}`; a[n % 4000] += s; n += 1; }",
    "let b = []; b.pad(4000, 1); let a = []; a.pad(4000, 0); let n = 0; loop { a[n % 4000] = b; n += 1; }",
    "let b = #{}; for n in 0..2000 { b[`k${n}`] = n; } let a = []; a.pad(4000, 0); let n = 0; loop { a[n % 4000] = b; n += 1; }",
    "let b = \"\"; b.pad(4000, \"y\"); b = b.to_blob(); let a = []; a.pad(4000, 0); let n = 0; loop { a[n % 4000] = b; n += 1; }",
    "let s = long(); let a = []; a.pad(4000, 1); loop { let b = a.map(|x| s + x); }",
    "let s = long(); let a = []; let n = 0; loop { a.push(reply(s + n)); n += 1; }",
    "hold(0)",
    // One text may stand in a value many times and take room once; it does not when the value is written down.
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } loop { let t = m.to_string(); }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } loop { print(m); }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } loop { let t = `${[m, m]}`; }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } loop { let t = `${m}`; }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } let n = 0; loop { n += (\"x\" + m).len; }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } loop { let t = m.to_json(); }",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } throw [m, m]",
    "let s = long(); let m = #{}; for n in 0..2000 { m[`k${n}`] = s; } ask(\"What?\", [m, m])",
    "let s = long(); let t = \"\"; for n in 0..20000 { t += \"{a}\"; } loop { let u = t.fill(#{ a: s }); }",
    "let s = long(); loop { let t = s; t.replace(\"y\", s); }",
    "let s = long(); loop { let t = s; t.replace('y', s); }",
    // Deep down is the end of the stack.
    "let a = deep(); print(a); loop { let t = `${a}`; }",
    "let a = deep(); loop { if a != deep() { return pass(); } }",
    "let a = deep(); loop { let b = [a]; if b.contains(a) { a = b; } }",
    "let a = deep(); ask(\"What?\", a)",
];

/// What they have in common.
const HELPERS: &str = "
fn long() { let s = \"x\"; s.pad(60000, \"y\"); s }
fn deep() { let a = [1]; for n in 0..90 { a = [[[[[[[[[[[[a]]]]]]]]]]]]; } a }
fn hold(n) { let s = long(); let m = #{}; for i in 0..100 { m[`k${i}`] = s + (n * 100 + i); } hold(n + 1); m.len }
";

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_script_makes_the_process_grow() {
    let site = Site::empty();
    site.write("faq/a.yaml", "language: en\nentries: [{ id: a, match: exact, phrases: [hello], answer: Hi }]\n");
    for (n, bomb) in BOMBS.iter().enumerate() {
        site.write(&format!("plugins/bomb-{n}/plugin.yaml"), "api: 1\nabout: a bomb\n");
        site.write(&format!("plugins/bomb-{n}/tests.yaml"), "tests: []\n");
        let script =
            format!("fn answer(turn) {{\n if turn.text != \"bomb {n}\" {{ return pass(); }}\n {bomb}\n}}\n{HELPERS}");
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
