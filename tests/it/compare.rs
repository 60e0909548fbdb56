//! `purser compare` on conversations that customers had with a running server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::{Served, Site};
use crate::harness::{Setup, TestDatabase, Visitor, get, http_client};

const TALK: &str =
    "conversation:\n  - say: where is my parcel?\n  - say: when do you deliver?\n  - say: what about the trams\n";

/// A starter set with its own entries, and a store in which customers have asked.
fn site() -> Site {
    let site = Site::starter();
    site.write(
        "faq/en/trams.yaml",
        "language: en\nentries:\n  - id: trams\n    phrases: [when do the trams run, what about the trams]\n    \
         answer: Every <day> & night.\n",
    );
    site.write("talk.yaml", TALK);
    let served = Served::start_with(&site, &["--limits", "off"]);
    let url = format!("http://{}", served.address());
    for _ in 0..3 {
        let ran = site.run(&["replay", "talk.yaml", "--server", &url]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    assert_eq!(served.stop(), 0);
    site
}

fn report(site: &Site, arguments: &[&str]) -> (i32, Value) {
    let ran = site.run(&[&["compare", "--json"], arguments].concat());
    (ran.code, serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}")))
}

#[test]
fn what_an_edit_changes_is_seen_before_it_goes_live() {
    let site = site();
    let (code, nothing) = report(&site, &[]);
    assert_eq!((code, &nothing["questions"], &nothing["changed"]), (0, &9.into(), &0.into()), "{nothing:#}");

    // One entry says something else under a new name, and an other is gone.
    let text = std::fs::read_to_string(site.path("faq/en/trams.yaml")).unwrap();
    site.write(
        "new/en/trams.yaml",
        &text.replace("id: trams", "id: tramways\n    was: [trams]").replace("<day>", "<b>day</b>"),
    );
    for file in ["questions.yaml", "small-talk.yaml"] {
        std::fs::copy(site.path(&format!("faq/en/{file}")), site.path(&format!("new/en/{file}"))).unwrap();
    }
    std::fs::copy(site.path("faq/facts.yaml"), site.path("new/facts.yaml")).unwrap();
    let (code, changed) =
        report(&site, &["--faq", "new", "--html", "report.html", "--link", "https://a.example/#{id}"]);
    assert_eq!((code, &changed["questions"], &changed["changed"]), (1, &9.into(), &3.into()), "{changed:#}");
    let group = &changed["groups"][0];
    assert_eq!((&group["kind"], &group["count"], &group["to"]), (&"reworded".into(), &3.into(), &"tramways".into()));
    let example = &group["examples"][0];
    assert_eq!((&example["said"], &example["seq"]), (&"what about the trams".into(), &5.into()), "{example}");
    assert!(example["before"].as_str().unwrap().contains("<day>"), "{example}");

    let page = std::fs::read_to_string(site.path("report.html")).unwrap();
    assert!(page.contains("Every &lt;b&gt;day&lt;&#x2f;b&gt; &amp; night.") && !page.contains("<b>day"), "{page}");
    let id = example["conversation"].as_str().unwrap();
    assert!(page.contains(&format!("#{id}\"")) || page.contains(&format!("#{id}")), "{page}");
    assert!(!page.contains("<script"), "{page}");

    // The same on any number of threads.
    let (_, one) = report(&site, &["--faq", "new", "--threads", "1"]);
    assert_eq!(one, changed);

    let ran = site.run(&["compare", "--faq", "new"]);
    for expected in
        ["3 of 9 questions in 3 conversations", "other words", "3  trams → tramways", "- Every <day> & night."]
    {
        assert!(ran.out.contains(expected), "{expected} in\n{}", ran.out);
    }
}

#[test]
fn a_set_that_went_live_once_is_a_side_too() {
    let site = site();
    let first = site.run(&["content", "list"]).out[..12].to_owned();
    site.write(
        "faq/en/trams.yaml",
        "language: en\nentries: [{ id: ferries, phrases: [when do the ferries sail], answer: Never. }]\n",
    );
    assert_eq!(Served::start_with(&site, &["--limits", "off"]).stop(), 0);
    // Back to the first, from what is in force now.
    let (code, back) = report(&site, &["--revision", &first[..6]]);
    assert_eq!((code, &back["after"], &back["changed"]), (1, &first.as_str().into(), &3.into()), "{back:#}");
    assert_eq!((&back["groups"][0]["kind"], &back["groups"][0]["to"]), (&"found".into(), &"trams".into()), "{back:#}");
    // And from the first to what lies in the folders.
    let (code, on) = report(&site, &["--before", &first]);
    assert_eq!((code, &on["before"], &on["groups"][0]["kind"]), (1, &first.as_str().into(), &"lost".into()), "{on:#}");
    let ran = site.run(&["compare", "--revision", "0123456789ab"]);
    assert!(ran.code == 2 && ran.err.contains("no set 0123456789ab went live on this store"), "{ran:?}");
}

#[test]
fn files_compare_with_any_content_and_without_a_store() {
    let site = Site::starter();
    let other = Site::starter();
    other.write(
        "faq/en/small.yaml",
        "language: en\nentries:\n  - id: trams\n    phrases: [what about the trams]\n    answer: Daily.\n",
    );
    let before = other.folder.path().display().to_string();
    site.write("talk.yaml", TALK);
    site.write("none.yaml", "conversation: {\n");
    let (code, report) = report(&site, &["talk.yaml", "--before", &before]);
    assert_eq!((code, &report["changed"], &report["groups"][0]["kind"]), (1, &1.into(), &"lost".into()), "{report:#}");
    assert_eq!(report["groups"][0]["examples"][0]["place"], "talk.yaml:4");

    // The rest goes on over a file that is none.
    let ran = site.run(&["compare", "none.yaml", "talk.yaml", "--before", &before]);
    assert!(ran.code == 2 && ran.out.contains("none.yaml:") && ran.out.contains("trams → "), "{ran:?}");
}

#[test]
fn what_files_of_other_projects_hold_besides_is_named() {
    let site = Site::starter();
    site.write("told/test_a.yml", "stories:\n- story: a\n  steps:\n  - user: hello\n  - slot_was_set:\n    - b: 1\n");
    let named = "told/test_a.yml:5:1: `slot_was_set` has no place in a recording";
    let ran = site.run(&["compare", "told", "--before", "."]);
    assert!(ran.code == 0 && ran.err.contains(named) && ran.out.contains("0 of 1 questions"), "{ran:?}");
    let ran = site.run(&["coverage", "told"]);
    assert!(ran.code == 0 && ran.err.contains(named) && ran.out.contains("1 questions"), "{ran:?}");
}

#[test]
fn content_that_does_not_load_on_one_side_is_named() {
    let site = Site::starter();
    site.write("talk.yaml", TALK);
    let ran = site.run(&["compare", "talk.yaml", "--before", "."]);
    assert_eq!(ran.code, 0, "{ran:?}");
    site.write("faq/en/broken.yaml", "language: en\nentrys: []\n");
    let ran = site.run(&["compare", "talk.yaml", "--before", "."]);
    assert!(ran.code == 2 && ran.err.contains("faq/en/broken.yaml:2:1"), "{ran:?}");
    assert!(ran.err.contains("the changed content has errors"), "{ran:?}");
    let ran = site.run(&["compare"]);
    assert!(ran.code == 1 && ran.err.contains("--database"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_editor_compares_on_the_running_server() {
    let database = TestDatabase::sqlite();
    let secret = purser::config::Secret::new("0123456789abcdef");
    let purser = Setup::on(&database).change(|config| config.admin_token = Some(secret)).start().await;
    let visitor = Visitor::new();
    let mut socket = purser.visit(&visitor, 0).await;
    socket.ask("1", "saturday delivery").await;
    let (status, content) = get(purser.address, "/api/content", &[]).await;
    assert_eq!(status, 200, "{content}");

    let admin = [("Authorization", "Bearer 0123456789abcdef"), ("X-Forwarded-For", "198.51.100.7")];
    let url = format!("http://{}/api/content/compare", purser.address);
    let compare = async |headers: &[(&str, &str)], body: Value| -> (u16, Value) {
        let mut request = http_client().post(&url).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("a response");
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.expect("a body")).unwrap_or_default())
    };
    let (status, report) = compare(&admin, json!({})).await;
    assert_eq!((status, &report["questions"], &report["changed"]), (200, &json!(1), &json!(0)), "{report:#}");
    // An entry that takes the question over.
    let own = "language: en\nentries:\n  - id: saturdays\n    match: exact\n    priority: 9\n    \
               phrases: [saturday delivery]\n    answer: Never.\n";
    let (status, report) = compare(&admin, json!({ "files": { "faq/en/zz.yaml": own }, "days": 1 })).await;
    assert_eq!((status, &report["changed"]), (200, &json!(1)), "{report:#}");
    assert_eq!(report["groups"][0]["to"], "saturdays");
    assert_eq!(report["groups"][0]["examples"][0]["conversation"], json!(visitor.conversation));

    let (status, broken) =
        compare(&admin, json!({ "files": { "faq/en/zz.yaml": "language: en\nentrys: []\n" } })).await;
    assert_eq!((status, &broken["findings"][0]["line"]), (422, &json!(2)), "{broken:#}");
    // It quotes customers: to be on this machine does not do.
    assert_eq!(compare(&[], json!({})).await.0, 403);
    assert_eq!(compare(&admin[1..], json!({})).await.0, 403);
    assert_eq!(compare(&admin, json!({ "flies": 1 })).await.0, 400);
    assert_eq!(compare(&admin, json!({ "files": { "etc/passwd": "x" } })).await.0, 400);
    assert_eq!(compare(&admin, json!({ "revision": "0123456789ab" })).await.0, 404);
    // One at a time: of two, the second is sent away. Much to load makes them meet.
    let many: String =
        (0..200).map(|n| format!("  - {{ id: e{n}, phrases: [number {n} of them], answer: Yes. }}\n")).collect();
    let many = json!({ "files": { "faq/en/zz.yaml": format!("language: en\nentries:\n{many}") } });
    let in_time = tokio::time::timeout(Duration::from_secs(120), async {
        loop {
            let (one, other) = tokio::join!(compare(&admin, many.clone()), compare(&admin, many.clone()));
            let mut both = [one.0, other.0];
            both.sort_unstable();
            match both {
                [200, 409] => return,
                [200, 200] => {}
                _ => panic!("{one:?} {other:?}"),
            }
        }
    });
    in_time.await.expect("two that meet");
    // Nothing went live by that.
    assert_eq!(get(purser.address, "/api/content", &[]).await.1, content);
    purser.stop().await;
}
