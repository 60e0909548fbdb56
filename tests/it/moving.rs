//! `purser move`: a site from SQLite to MariaDB and back, with everything in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use purser::conversation::*;
use purser::store::{ContentSet, DatabaseUrl, Limits, MoveError, Moved, OpenError, Progress, Store, move_site};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::sync::Notify;

use crate::cli::Site;
use crate::harness::{TestDatabase, TestPurser};

const NOW: Millis = 1_750_000_000_000;
const LIMIT: Millis = 30_000;
/// More rows than go over in one commit.
const MANY: usize = 1_300;

/// What was put into a site, to be found again.
pub struct Grown {
    logs: BTreeMap<ConversationId, (Conversation, Vec<Arc<Event>>)>,
    sets: Vec<ContentSet>,
    read: VisitorId,
}

async fn open(url: &str) -> Store {
    Store::open(&url.parse().expect("an address"), |_| ()).await.expect("a store")
}

fn said(text: &str) -> Said {
    let text = Text::new(text).expect("a text");
    Said {
        id: EventId::new(),
        client_id: ClientId::new(),
        text,
        choice: Some("a-choice".into()),
        language: None,
        attachments: Vec::new(),
    }
}

fn exchange(conversation: &Conversation, text: &str) -> Decision {
    let asked = conversation.say(said(text), NOW, LIMIT);
    let question = asked.events.last().expect("a question").clone();
    let message = BotMessage {
        text: format!("**{text}**").into(),
        buttons: vec![Button { text: "🚚 Track".into(), choice: Some("track".into()), link: None }].into(),
        language: Some("de".into()),
        provenance: Provenance {
            responder: "tracking".into(),
            entry: Some("where-is-it".into()),
            revision: "0123456789ab".into(),
            micros: u32::MAX,
        },
        effects: Effects {
            focus: Some(Box::new(Focus::new("cost", 3, serde_json::json!({ "from": "Zürich" }), NOW))),
            attributes: vec![("parcel".into(), Some("PX \"1\" 📦".into()))],
            lookups: vec![LookedUp { source: "shipment".into(), result: "on its way".into(), ..LookedUp::default() }],
            ..Effects::default()
        },
    };
    let answer = asked.next.answer(question.id, question.seq, message, NOW, LIMIT).expect("an answer");
    asked.then(answer)
}

/// Every kind of event, the longest texts, emoji, a question that waits, and many conversations.
pub async fn grow(url: &str) -> Grown {
    let store = open(url).await;
    let mut logs = BTreeMap::new();
    let new = || Conversation::new(ConversationId::new(), VisitorId(*uuid::Uuid::new_v4().as_bytes()));
    let append = async |logs: &mut BTreeMap<_, (_, Vec<Arc<Event>>)>, decision: Decision| -> Conversation {
        store.append(decision.clone()).await.expect("nothing is in its way");
        let head = Arc::unwrap_or_clone(decision.next);
        let (kept, log) = logs.entry(head.id).or_insert_with(|| (head.clone(), Vec::new()));
        log.retain(|_| head.status != Status::Closed);
        log.extend(decision.events);
        *kept = head.clone();
        head
    };
    let mut head = new();
    let texts = ["👩‍👩‍👧‍👦 and é e\u{301}", "a\0NUL, \\ ' \" ` ; -- ?", &"\u{10FFFF}".repeat(MAX_TEXT), "  blanks \n\n\t"];
    for text in texts {
        head = append(&mut logs, exchange(&head, text)).await;
    }
    head = append(&mut logs, head.rate(Rated { answer: 3, thumb: Some(Thumb::Up) }, NOW)).await;
    head = append(&mut logs, head.say(said("still there?"), NOW, LIMIT)).await;
    let read = head.visitor;
    store.note_seen(head.id, 5);
    let erased = append(&mut logs, exchange(&new(), "forget me")).await;
    let erased = append(&mut logs, erased.erase(NOW).expect("something to erase")).await;
    append(&mut logs, erased.say(said("here again"), NOW, LIMIT)).await;
    let gone = append(&mut logs, exchange(&new(), "forget me too")).await;
    append(&mut logs, gone.erase(NOW).expect("something to erase")).await;
    let many: Vec<Decision> = (0..MANY).map(|n| exchange(&new(), &format!("question {n} 🙂"))).collect();
    for outcome in join_all(many.iter().map(|decision| store.append(decision.clone()))).await {
        outcome.expect("nothing is in its way");
    }
    logs.extend(
        many.into_iter().map(|decision| (decision.next.id, (Arc::unwrap_or_clone(decision.next), decision.events))),
    );

    let mut sets = Vec::new();
    for (number, revision) in ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"].into_iter().enumerate() {
        let mut files = BTreeMap::from([("faq/größe-📦.yaml".to_owned(), vec![0, 255, 10, 13])]);
        files.insert("faq/large.yaml".to_owned(), vec![u8::try_from(number).expect("small"); 2 << 20]);
        let set = ContentSet { revision: revision.to_owned(), at: NOW + number as Millis, files };
        store.keep_content(&set).await.expect("a set is kept");
        sets.push(set);
    }
    assert_eq!(store.unread(read, 0).await, Ok(2), "what was seen is noted");
    store.close().await;
    Grown { logs, sets, read }
}

pub async fn holds(url: &str, grown: &Grown) {
    let store = open(url).await;
    for (id, (head, log)) in &grown.logs {
        assert_eq!(store.conversation(*id).await, Ok(Some(head.clone())));
        assert_eq!(&store.events_after(*id, 0, 1_000).await.expect("a log"), log);
    }
    assert_eq!(store.unread(grown.read, 0).await, Ok(2));
    assert_eq!(store.due(NOW + LIMIT, 10).await.expect("what is due").len(), 2, "two questions wait");
    for set in &grown.sets {
        assert_eq!(store.content_set(&set.revision).await.as_ref(), Ok(&Some(set.clone())));
    }
    assert_eq!(store.latest_content().await.as_ref(), Ok(&grown.sets.last().cloned()));
    store.close().await;
}

/// Every value of every table of a file.
pub async fn dump(file: &std::path::Path) -> BTreeMap<String, Vec<String>> {
    let mut link = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
    let names = async |link: &mut SqliteConnection, query: &'static str| -> Vec<String> {
        let rows = link.fetch_all(query).await.expect("names");
        rows.iter().map(|row| row.get(0)).collect()
    };
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'";
    let mut found = BTreeMap::new();
    for table in names(&mut link, tables).await {
        let query = AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"));
        let columns = link.fetch_all(query).await.expect("columns");
        let quoted = columns.iter().map(|row| format!("quote({})", row.get::<String, _>(0)));
        let query = format!("SELECT {} FROM {table} ORDER BY 1", quoted.collect::<Vec<_>>().join(" || ',' || "));
        let rows = link.fetch_all(AssertSqlSafe(query)).await.expect("rows");
        found.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    found
}

async fn go(from: &str, to: &str) -> Result<Moved, MoveError> {
    move_site(&from.parse().expect("an address"), &to.parse().expect("an address"), |_| ()).await
}

/// The command itself.
async fn command(from: String, to: String) -> crate::cli::Ran {
    let run = move || Site::empty().run(&["move", "--from", &from, "--to", &to]);
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grown_site_moves_to_mariadb_and_back() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let (before, after) = (TestDatabase::sqlite(), TestDatabase::sqlite());
    let grown = grow(&before.url()).await;
    let original = dump(&before.file().expect("a file")).await;
    sqlx_execute(&before, "CREATE TABLE demo_shipments (number TEXT)").await;

    let ran = command(before.url(), maria.url()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let count = |table: &str| original[table].len();
    for table in original.keys() {
        let line = format!("{:>12}  {table}", count(table));
        assert!(ran.out.lines().any(|printed| printed == line), "{line} in {}", ran.out);
    }
    assert!(ran.out.contains("not moved: demo_shipments"), "{ran:?}");
    assert!(!ran.out.contains("root:@"), "no password is shown: {ran:?}");
    holds(&maria.url(), &grown).await;
    // Nothing was lost on the side that it came from.
    holds(&before.url(), &grown).await;

    let moved = go(&maria.url(), &after.url()).await.expect("it moves back");
    assert_eq!(moved.tables.iter().map(|(table, rows)| (*table, *rows as usize)).collect::<BTreeMap<_, _>>(), {
        original.iter().map(|(table, rows)| (table.as_str(), rows.len())).collect()
    });
    let back = dump(&after.file().expect("a file")).await;
    for (table, rows) in &original {
        assert!(back[table] == *rows, "the table {table} is as it was");
    }
    holds(&after.url(), &grown).await;
}

async fn sqlx_execute(database: &TestDatabase, sql: &'static str) {
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let mut link = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
            link.execute(sql).await.expect(sql);
        }
        (_, Some((server, name))) => drop(server.connect(name).await.execute(sql).await.expect(sql)),
        _ => unreachable!("one of the two"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_site_is_of_use_to_nobody_until_it_is_moved_again() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let (before, file) = (TestDatabase::sqlite(), TestDatabase::sqlite());
    let grown = grow(&before.url()).await;
    for target in [&maria, &file] {
        let (from, to) = (before.url().parse().expect("an address"), target.url().parse().expect("an address"));
        let begun = Notify::new();
        let mut seen = 0;
        let note = |progress: Progress| {
            seen = progress.moved;
            begun.notify_one();
        };
        tokio::select! {
            biased;
            _ = begun.notified() => {}
            moved = move_site(&from, &to, note) => panic!("it was to be interrupted: {moved:?}"),
        }
        assert!(seen > 0);
        let opened = Store::open(&to, |_| ()).await.err();
        assert!(matches!(opened, Some(OpenError::HalfMoved(_))), "{opened:?}");
        let onwards = go(&target.url(), &TestDatabase::sqlite().url()).await;
        assert!(matches!(onwards, Err(MoveError::Open(OpenError::HalfMoved(_)))), "{onwards:?}");
        go(&before.url(), &target.url()).await.expect("it begins anew");
        holds(&target.url(), &grown).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_refuses_what_it_would_spoil() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let Some(other) = TestDatabase::mariadb().await else { return };
    let (lite, empty) = (TestDatabase::sqlite(), TestDatabase::sqlite());

    let moved = go(&empty.url(), &maria.url()).await;
    assert!(matches!(moved, Err(MoveError::Open(OpenError::NoFile(_)))), "{moved:?}");
    let moved = go(&maria.url(), &lite.url()).await;
    assert!(matches!(moved, Err(MoveError::Nothing(_))), "{moved:?}");
    assert!(matches!(go(&lite.url(), &lite.url()).await, Err(MoveError::Same(_))));
    assert!(matches!(go(&maria.url(), &maria.url()).await, Err(MoveError::Same(_))));
    assert!(matches!(go("sqlite::memory:", &maria.url()).await, Err(MoveError::Memory)));

    let ran = command("mysql://shop:s3cr#t@db/chat".to_owned(), maria.url()).await;
    assert!(ran.code == 1 && ran.err.contains("--from cannot be used") && !ran.err.contains("s3cr"), "{ran:?}");

    // Servers on either side.
    let full = TestDatabase::sqlite();
    grow(&full.url()).await;
    for (served, target, words) in
        [(&lite, &maria, "is in use by another purser"), (&other, &empty, "stop every server that uses it")]
    {
        let purser = TestPurser::start(served).await;
        for (from, to) in [(served, target), (&full, served)] {
            let ran = command(from.url(), to.url()).await;
            assert!(ran.code == 1 && ran.err.contains(words), "{ran:?}");
        }
        purser.stop().await;
    }

    // Both have something now, which stays as it is.
    let before = dump(&lite.file().expect("a file")).await;
    for target in [&lite, &other] {
        let ran = command(full.url(), target.url()).await;
        assert!(ran.code == 1 && ran.err.contains("only be moved into a database without purser's tables"), "{ran:?}");
    }
    assert_eq!(dump(&lite.file().expect("a file")).await, before);

    let future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (9999, 'from the future', 1, 'x', 1)";
    sqlx_execute(&lite, future).await;
    let moved = go(&lite.url(), &maria.url()).await;
    assert!(matches!(moved, Err(MoveError::Newer(_))), "{moved:?}");
    // None of this has left anything behind.
    let purser = TestPurser::start(&maria).await;
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_server_starts_on_either_side_of_a_move() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let before = TestDatabase::sqlite();
    let grown = grow(&before.url()).await;
    let (from, to): (DatabaseUrl, DatabaseUrl) =
        (before.url().parse().expect("one"), maria.url().parse().expect("one"));
    // The move stands still until both were tried.
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let (runtime, urls) = (tokio::runtime::Handle::current(), (from.clone(), to.clone()));
    let moving = tokio::task::spawn_blocking(move || {
        runtime.block_on(move_site(&urls.0, &urls.1, |_| {
            let _ = begun.send(());
            let _ = may_go_on.recv();
        }))
    });
    tokio::task::spawn_blocking(move || has_begun.recv()).await.expect("no panic").expect("it begins");
    let limits = Limits { patience: Duration::from_secs(10), ..Limits::default() };
    let source = Store::open_with(&from, limits, |_| ()).await.err();
    assert!(matches!(source, Some(OpenError::InUse(_))), "{source:?}");
    let target = Store::open_with(&to, limits, |_| ()).await.err();
    assert!(matches!(target, Some(OpenError::Migrating { .. })), "{target:?}");
    drop(go_on);
    moving.await.expect("no panic").expect("it moves");
    holds(&maria.url(), &grown).await;
}
