//! Backups: everything at one moment while customers talk, restored to either engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use purser::clock::Clock;
use purser::conversation::{ConversationId, Event};
use purser::store::{BackupError, DatabaseUrl, Store, backup_site, restore_site};
use purser::store::{OpenError, Progress, Role};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::agents::Agent;
use crate::cli::{Ran, Site};
use crate::harness::{TestDatabase, TestPurser, Visitor, until};
use crate::moving::{dump, grow, holds};
use crate::on_both_engines;

on_both_engines! {
    a_site_is_saved_while_customers_talk;
}

fn url(database: &TestDatabase) -> DatabaseUrl {
    database.url().parse().expect("an address")
}

/// A name for a backup, in a folder that is gone with the first of the two.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("site.backup");
    (folder, file)
}

async fn save(from: &TestDatabase, file: &Path) -> BTreeMap<&'static str, u64> {
    let saved = backup_site(&url(from), file, Clock::System.now(), |_| ()).await.expect("a backup");
    saved.tables.into_iter().collect()
}

async fn restore(file: &Path, to: &TestDatabase) -> BTreeMap<&'static str, u64> {
    let restored = restore_site(file, &url(to), false, |_| ()).await.expect("a restore");
    restored.tables.into_iter().collect()
}

async fn command(arguments: Vec<String>) -> Ran {
    let run = move || Site::empty().run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

async fn log(store: &Store, visitor: &Visitor) -> Vec<Arc<Event>> {
    store.events_after(ConversationId(visitor.conversation), 0, 10_000).await.expect("a log")
}

async fn a_site_is_saved_while_customers_talk(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (_folder, file) = place();
    let stop = Arc::new(AtomicBool::new(false));
    let said: Vec<Arc<AtomicU64>> = (0..4).map(|_| Arc::default()).collect();
    let visitors: Vec<Visitor> = said.iter().map(|_| Visitor::new()).collect();
    let mut talking = Vec::new();
    for (visitor, said) in visitors.iter().zip(&said) {
        let mut socket = purser.visit(visitor, 0).await;
        let (stop, said) = (stop.clone(), said.clone());
        talking.push(tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let n = said.load(Ordering::SeqCst);
                let (_, answer) = socket.ask(&format!("m{n}"), "how much does it cost?").await;
                // Acknowledged and answered.
                assert!(answer["seq"].as_u64() >= Some(2 * n));
                said.store(n + 1, Ordering::SeqCst);
            }
        }));
    }
    let talked = || said.iter().map(|said| said.load(Ordering::SeqCst)).collect::<Vec<_>>();
    until("talk", async || talked().iter().all(|n| *n > 2).then_some(())).await;
    let before = talked();
    let saved = save(database, &file).await;
    until("more talk", async || talked().iter().zip(&before).all(|(now, before)| now > before).then_some(())).await;
    stop.store(true, Ordering::SeqCst);
    for talking in talking {
        talking.await.expect("all went well");
    }

    let maria = TestDatabase::mariadb().await;
    for target in [Some(TestDatabase::sqlite()), maria].into_iter().flatten() {
        assert_eq!(restore(&file, &target).await, saved);
        let restored = Store::open(&url(&target), |_| ()).await.expect("a store");
        for (visitor, before) in visitors.iter().zip(&before) {
            let (was, is) = (log(&purser.store, visitor).await, log(&restored, visitor).await);
            // A beginning of it, with all that was acknowledged before.
            assert!(is.len() as u64 >= 2 * before && is[..] == was[..is.len()]);
            let head = restored.conversation(ConversationId(visitor.conversation)).await.expect("a read");
            assert_eq!(head.map(|head| u64::from(head.last_seq)), Some(is.len() as u64), "all of one moment");
        }
        restored.close().await;
        // It goes on from there, and agents log in anew.
        let again = TestPurser::start(&target).await;
        assert_eq!(anna.at(&again).get("list?shelf=waiting").await.0, 401);
        let mut socket = again.visit(&visitors[0], 0).await;
        socket.ask("after", "saturday delivery").await;
        drop(socket);
        again.stop().await;
    }
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_as_it_was() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let (before, after) = (TestDatabase::sqlite(), TestDatabase::sqlite());
    let grown = grow(&before.url()).await;
    let original = dump(&before.file().expect("a file")).await;
    let (_folder, file) = place();
    let named = |name: &str| file.with_file_name(name).display().to_string();

    let ran = command(vec!["backup".into(), named("one"), "--database".into(), before.url()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = command(vec!["restore".into(), named("one"), "--database".into(), maria.url()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // Whoever was logged in logs in anew.
    for (table, rows) in
        original.iter().filter(|(table, _)| !["agent_sessions", "agent_callers"].contains(&table.as_str()))
    {
        let line = format!("{:>12}  {table}", rows.len());
        assert!(ran.out.lines().any(|printed| printed == line), "{line} in {}", ran.out);
    }
    assert!(!ran.out.contains("root:@"), "no password is shown: {ran:?}");
    holds(&maria.url(), &grown).await;
    save(&maria, Path::new(&named("two"))).await;
    restore(Path::new(&named("two")), &after).await;
    let back = dump(&after.file().expect("a file")).await;
    for (table, rows) in &original {
        assert!(back[table] == *rows, "the table {table} is as it was");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(named("one")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_backup_is_refused_before_anything_is_touched() {
    let before = TestDatabase::sqlite();
    grow(&before.url()).await;
    let (_folder, file) = place();
    save(&before, &file).await;
    let written = std::fs::read(&file).expect("a backup");
    let again = backup_site(&url(&before), &file, 0, |_| ()).await;
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
    let nothing = backup_site(&url(&TestDatabase::sqlite()), &file.with_extension("x"), 0, |_| ()).await;
    assert!(matches!(nothing, Err(BackupError::Database(_))), "{nothing:?}");

    let replaced = |from: &str, to: &str| String::from_utf8(written.clone()).expect("text").replacen(from, to, 1);
    let signed = |text: String| {
        let end = text.trim_end().rfind('\n').expect("lines") + 1;
        let sum: String = Sha256::digest(&text[..end]).iter().map(|byte| format!("{byte:02x}")).collect();
        let sum_at = text.rfind("\"sha256\":\"").expect("a sum") + 10;
        format!("{}{sum}\"}}\n", &text[..sum_at]).into_bytes()
    };
    let lines = written.split_inclusive(|byte| *byte == b'\n').collect::<Vec<_>>();
    let all_but_one = [&lines[..lines.len() - 5], &lines[lines.len() - 4..]].concat().concat();
    let target = TestDatabase::sqlite();
    for (bytes, words) in [
        (Vec::new(), "is no backup"),
        (b"SQLite format 3\0".to_vec(), "is no backup"),
        (vec![b'['; 1 << 20], "is no backup"),
        (b"{\"purser_backup\":2,\"migration\":1,\"at\":0}\n".to_vec(), "by a newer purser"),
        (replaced("\"migration\":", "\"migration\":9").into_bytes(), "by a newer purser"),
        (written[..written.len() / 2].to_vec(), "has no end"),
        (written[..written.len() - 1].to_vec(), "has no end"),
        (lines[..lines.len() - 1].concat(), "has no end"),
        (all_but_one, "was changed"),
        (replaced("question 1", "question 2").into_bytes(), "was changed"),
        (replaced("\"bot\"", "\"b0t\"").into_bytes(), "was changed"),
        ([&written[..], b"[1]\n"].concat(), "was changed"),
        // Somebody who knows how to sign it writes SQL in it.
        (signed(replaced("[\"seq\",\"integer\"]", "[\"seq` FROM x; --\",\"integer\"]")), "was changed"),
        (signed(replaced("{\"table\":\"events\"", "{\"table\":\"agent_sessions\"")), "was changed"),
    ] {
        std::fs::write(&file, &bytes).expect("a file");
        let refused = restore_site(&file, &url(&target), true, |_| ()).await.expect_err(words).to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
    let missing = restore_site(Path::new("no-such.backup"), &url(&target), false, |_| ()).await;
    assert!(matches!(missing, Err(BackupError::File { .. })), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_replaced_only_when_that_is_said() {
    let Some(maria) = TestDatabase::mariadb().await else { return };
    let before = TestDatabase::sqlite();
    let grown = grow(&before.url()).await;
    let (_folder, file) = place();
    save(&before, &file).await;
    for target in [&maria, &TestDatabase::sqlite()] {
        let purser = TestPurser::start(target).await;
        let served = restore_site(&file, &url(target), true, |_| ()).await;
        assert!(served.is_err(), "while a server runs");
        let visitor = Visitor::new();
        purser.visit(&visitor, 0).await.ask("m1", "how much does it cost?").await;
        purser.stop().await;
        let full = restore_site(&file, &url(target), false, |_| ()).await;
        assert!(matches!(full, Err(BackupError::Full(_))), "{full:?}");
        let store = Store::open(&url(target), |_| ()).await.expect("it is as it was");
        assert_eq!(log(&store, &visitor).await.len(), 2);
        store.close().await;

        // Interrupted, it is of use to nobody, and begun anew it comes to its end.
        let (begun, to) = (Notify::new(), url(target));
        let note = |_: Progress| begun.notify_one();
        tokio::select! {
            biased;
            _ = begun.notified() => {}
            restored = restore_site(&file, &to, true, note) => panic!("it was to be interrupted: {restored:?}"),
        }
        let opened = Store::open(&url(target), |_| ()).await.err();
        assert!(matches!(opened, Some(OpenError::HalfMoved(_))), "{opened:?}");
        restore(&file, target).await;
        holds(&target.url(), &grown).await;
        let store = Store::open(&url(target), |_| ()).await.expect("a store");
        assert_eq!(log(&store, &visitor).await, []);
        store.close().await;
    }
}
