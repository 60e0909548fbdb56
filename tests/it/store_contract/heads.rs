//! Heads that are left where they are while a log goes on: everybody sees where it ends, and nothing gets behind a deletion.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

on_both!(
    a_log_that_only_goes_on_leaves_its_head_alone,
    whoever_saw_a_log_before_a_deletion_has_a_conflict,
    a_conversation_that_is_gone_does_not_come_back,
    what_has_gone_on_is_not_removed,
    nothing_is_written_behind_a_deletion,
    what_is_attached_to_a_turn_is_kept,
);

/// What the table has, whatever the log says.
async fn written(database: &TestDatabase, id: ConversationId) -> i64 {
    let select = "SELECT last_seq FROM conversations WHERE id = ?";
    match database.file() {
        Some(file) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).read_only(true);
            let mut connection = options.connect().await.expect("a file");
            sqlx::query_scalar(select).bind(id.0).fetch_one(&mut connection).await.expect("a head")
        }
        None => {
            let options: sqlx::mysql::MySqlConnectOptions = database.url().parse().expect("an address");
            let mut connection = options.connect().await.expect("a connection");
            sqlx::query_scalar(select).bind(id.0).fetch_one(&mut connection).await.expect("a head")
        }
    }
}

/// The exchange as of a state that was seen when there had been so many deletions.
pub(super) fn as_of(deletions: u64, mut exchange: Decision) -> Decision {
    assert!(exchange.goes_on.is_some(), "it changes more than the end");
    exchange.goes_on = Some(deletions);
    exchange
}

/// A conversation that some turns were had in, and the number of deletions that the store knew before the last.
pub(super) async fn gone_on(store: &Store) -> (Conversation, u64) {
    let mut head = new();
    let mut known = 0;
    while known == 0 {
        known = store.deletions();
        head = stored(store, &exchange(&head, "and now?")).await;
    }
    (head, known)
}

async fn a_log_that_only_goes_on_leaves_its_head_alone(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (before, _) = gone_on(&store).await;
    let at = written(&database, before.id).await;
    let mut head = before.clone();
    let focus = Focus::new("cost", 1, serde_json::json!({ "wants": "weight" }), NOW);
    let asks_back = Effects { focus: Some(Box::new(focus)), ..Effects::default() };
    let misses = || Effects { missed: true, ..Effects::default() };
    for effects in [Effects::default(), misses(), misses(), asks_back] {
        let asked = question(&head, "and then?");
        let (id, seq) = (asked.events[0].id, asked.next.asked_seq);
        let answer = BotMessage { effects, ..reply("Then?") };
        let mut next = asked.answered(id, seq, answer, NOW, LIMIT);
        assert!(next.only_goes_on(&head));
        next.goes_on = Some(store.deletions());
        // Later than all before.
        let moved = Arc::make_mut(&mut next.next);
        moved.last_at += 5;
        next.events =
            next.events.iter().map(|event| Arc::new(Event { at: moved.last_at, ..Event::clone(event) })).collect();
        head = stored(&store, &next).await;
    }
    assert_eq!(written(&database, head.id).await, at, "the head was written");

    // Everybody sees the end all the same, and what the last answer decided.
    assert!(head.kept.missed == 0 && head.kept.focus.as_ref().is_some_and(|focus| focus.seq == head.last_seq));
    assert_eq!(store.conversation(head.id).await, Ok(Some(head.clone())));
    assert_eq!(store.open_conversation(head.visitor).await, Ok(Some(head.clone())));
    assert_eq!(store.last_seqs(&[head.id]).await, Ok(vec![(head.id, head.last_seq)]));
    assert_eq!(store.begun(None, NOW, 9).await, Ok(vec![head.clone()]));
    let past = store.past(head.visitor, ConversationId::new(), 0, 9).await.expect("a list");
    assert_eq!(past.iter().map(|past| past.last_at).collect::<Vec<_>>(), [head.last_at]);
    for (since, found) in [(head.last_at, 1), (head.last_at + 1, 0)] {
        assert_eq!(store.logged(None, since, 9).await.expect("logs").len(), found, "since {since}");
    }
    store.note_seen(head.id, head.last_seq);
    // It is noted after what was ordered before it.
    let other = stored(&store, &exchange(&new(), "something after that")).await;
    let other = stored(&store, &exchange(&other, "and after that")).await;
    assert_eq!(store.seen(head.id).await, Ok(head.last_seq));

    // What changes more than the end is written, and from where the head was left.
    let asked = question(&head, "and at last?");
    assert_eq!(asked.goes_on, None);
    let head = stored(&store, &asked).await;
    assert_eq!(written(&database, head.id).await, i64::from(head.last_seq));
    assert_eq!(store.conversation(head.id).await, Ok(Some(head)));
    assert_eq!(store.conversation(other.id).await, Ok(Some(other)));
}

async fn whoever_saw_a_log_before_a_deletion_has_a_conflict(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (seen, known) = gone_on(&store).await;
    let longer = stored(&store, &as_of(known, exchange(&seen, "somebody else's"))).await;
    let erased = stored(&store, &longer.erase(NOW).expect("something to delete")).await;
    // The numbers that it would take are free.
    assert_eq!(store.append(as_of(known, exchange(&seen, "late"))).await, Err(AppendError::Conflict));
    // Others are looked after in the same batch.
    let (mut other, _) = gone_on(&store).await;
    let late = store.append(as_of(known, exchange(&seen, "late")));
    let next = as_of(known, exchange(&other, "in time"));
    let (late, good) = tokio::join!(late, store.append(next.clone()));
    assert_eq!((late, good), (Err(AppendError::Conflict), Ok(())));
    other = Conversation::clone(&next.next);
    assert_eq!(store.conversation(other.id).await, Ok(Some(other)));
    assert_eq!(log(&store, seen.id).await.len(), 1, "only the mark");
    assert_eq!(store.conversation(seen.id).await, Ok(Some(erased)));
}

async fn a_conversation_that_is_gone_does_not_come_back(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (seen, known) = gone_on(&store).await;
    let erased = stored(&store, &seen.erase(NOW).expect("something to delete")).await;
    assert_eq!(store.remove(erased.id, erased.last_seq).await, Ok(true));
    for deletions in [known, 0] {
        let late = as_of(deletions, exchange(&seen, "late"));
        assert_eq!(store.append(late).await, Err(AppendError::Conflict));
    }
    assert_eq!(log(&store, seen.id).await, []);
    assert_eq!(store.conversation(seen.id).await, Ok(None));
}

async fn what_has_gone_on_is_not_removed(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (seen, known) = gone_on(&store).await;
    let next = stored(&store, &as_of(known, exchange(&seen, "still here"))).await;
    assert_eq!(store.remove(seen.id, seen.last_seq).await, Ok(false));
    assert_eq!(log(&store, seen.id).await.len(), next.last_seq as usize);
    assert_eq!(store.remove(next.id, next.last_seq).await, Ok(true));
}

/// Nodes go on from what they last saw, and read it anew only after a conflict. One deletes now and then; one is slow, so the
/// end that it saw is long gone.
async fn nothing_is_written_behind_a_deletion(database: TestDatabase) {
    let first = open(&database.url()).await.store;
    let other = async || match database.file() {
        Some(_) => first.clone(),
        None => open(&database.url()).await.store,
    };
    let start = stored(&first, &exchange(&new(), "hello")).await;
    let mut tasks = JoinSet::new();
    let all = Arc::new(AtomicU32::new(0));
    for (node, waits, deletes) in [(first.clone(), 0, 0), (other().await, 8, 0), (other().await, 0, 7)] {
        let (mut head, all) = (start.clone(), Arc::clone(&all));
        tasks.spawn(async move {
            let mut known = 0;
            let mut done = 0;
            while done < if waits > 0 { 12 } else { 60 } {
                if all.load(Ordering::Relaxed) < done * waits {
                    tokio::task::yield_now().await;
                    continue;
                }
                let mut decision = match deletes > 0 && done % deletes == 0 {
                    true => head.erase(NOW).unwrap_or_else(|| exchange(&head, "again")),
                    false => exchange(&head, "me next"),
                };
                decision.goes_on = decision.goes_on.map(|_| known);
                let now_known = node.deletions();
                match node.append(decision.clone()).await {
                    Ok(()) => {
                        (head, known, done) = (Conversation::clone(&decision.next), now_known, done + 1);
                        all.fetch_add(1, Ordering::Relaxed);
                        // At once: the next deletion takes away what got behind this one.
                        let events = log(&node, head.id).await;
                        assert!(events.windows(2).all(|two| two[0].seq + 1 == two[1].seq), "behind a deletion");
                    }
                    Err(AppendError::Conflict) => {
                        known = node.deletions();
                        head = node.conversation(head.id).await.expect("a read").expect("a head");
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    tasks.join_all().await;
    let events = log(&first, start.id).await;
    let (from, to) = (events[0].seq, events.last().expect("an end").seq);
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), (from..=to).collect::<Vec<_>>());
    assert!(events[1..].iter().all(|event| event.kind != Kind::Erased), "something was written behind a deletion");
    let head = first.conversation(start.id).await.expect("a read").expect("a head");
    assert_eq!(head.last_seq, to);
}

/// Returns when somebody waits for a row that this connection holds.
async fn is_waited_for(options: &sqlx::mysql::MySqlConnectOptions, rival: &mut sqlx::MySqlConnection) {
    let rival: u64 = rival.fetch_one("SELECT CONNECTION_ID()").await.expect("an id").get(0);
    let mut watcher = options.connect().await.expect("a connection");
    let waits = "SELECT COUNT(*) FROM information_schema.innodb_lock_waits w JOIN information_schema.innodb_trx t \
                 ON t.trx_id = w.blocking_trx_id WHERE t.trx_mysql_thread_id = ?";
    while sqlx::query_scalar::<_, i64>(waits).bind(rival).fetch_one(&mut watcher).await.expect("a count") == 0 {
        // InnoDB shows the same picture again to whoever looks more often than every 100 ms.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// What no message names is dropped after a while.
async fn what_is_attached_to_a_turn_is_kept(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (head, known) = gone_on(&store).await;
    let owner = head.visitor.0;
    let id = AttachmentId::of(&owner, &ClientId::new(), b"a picture");
    let (name, media) = ("label.png".to_owned(), Media::Png);
    let label = Attachment { id, name, media, bytes: 9, width: Some(1), height: Some(1) };
    store.file(label.clone(), owner, NOW + 1).await.expect("a place");
    let mut turn = as_of(known, exchange(&head, "is this label right?"));
    let asked = Arc::make_mut(&mut turn.events[0]);
    asked.meta.attachments.push(label.clone());
    stored(&store, &turn).await;
    assert_eq!(store.files_to_drop(NOW + 2, 9).await, Ok(Vec::new()));
    let said = Some((head.id, head.visitor));
    assert_eq!(store.filed(&[label.id]).await, Ok(vec![Filed { attachment: label, owner, said }]));
}

/// Deleting a long log takes a while; here somebody holds a row of it. Others go on meanwhile, on this database and any node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_deletion_of_somebody_elses() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    in_time(async {
        let (deleting, store) = (open(&database.url()).await.store, open(&database.url()).await.store);
        let (long, _) = gone_on(&deleting).await;
        let (mut other, mut known) = gone_on(&store).await;
        let options: sqlx::mysql::MySqlConnectOptions = database.url().parse().expect("an address");
        let mut rival = options.connect().await.expect("a connection");
        rival.execute("BEGIN").await.expect("a transaction");
        let hold =
            sqlx::query("SELECT seq FROM events WHERE conversation_id = ? AND seq = 1 FOR UPDATE").bind(long.id.0);
        hold.fetch_one(&mut rival).await.expect("the first event");
        let erased = long.erase(NOW).expect("something to delete");
        let erasing = tokio::spawn(async move { deleting.append(erased).await });
        is_waited_for(&options, &mut rival).await;
        for _ in 0..3 {
            let next = as_of(known, exchange(&other, "meanwhile"));
            known = store.deletions();
            other = stored(&store, &next).await;
        }
        assert!(!erasing.is_finished(), "it waited for nobody");
        rival.execute("ROLLBACK").await.expect("the end");
        assert_eq!(erasing.await.expect("no panic"), Ok(()));
        assert_eq!(store.conversation(other.id).await, Ok(Some(other)));
    })
    .await;
}

/// From when it is counted to its commit nobody goes on with a log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_on_waits_for_a_deletion_that_is_counted() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    in_time(async {
        let store = open(&database.url()).await.store;
        let (head, known) = gone_on(&store).await;
        let options: sqlx::mysql::MySqlConnectOptions = database.url().parse().expect("an address");
        let mut rival = options.connect().await.expect("a connection");
        rival.execute("BEGIN").await.expect("a transaction");
        rival.execute("UPDATE deletions SET number = number + 1").await.expect("a count");
        let delete = sqlx::query("DELETE FROM events WHERE conversation_id = ? AND seq > 2").bind(head.id.0);
        delete.execute(&mut rival).await.expect("a deletion");
        let late = as_of(known, exchange(&head, "late"));
        let appending = tokio::spawn(async move { store.append(late).await });
        is_waited_for(&options, &mut rival).await;
        rival.execute("COMMIT").await.expect("the end");
        assert_eq!(appending.await.expect("no panic"), Err(AppendError::Conflict));
    })
    .await;
}

/// COM_QUERY.
const BEGIN: &[u8] = b"\x03BEGIN";

/// Each round trip takes a core from somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_are_one_statement() {
    let Some(Proxied { proxy, opened, .. }) = proxied(Limits::default()).await else { return };
    let (mut head, _) = gone_on(&opened.store).await;
    proxy.trap(BEGIN, Cut::Before);
    for _ in 0..3 {
        head = stored(&opened.store, &as_of(opened.store.deletions(), exchange(&head, "and then?"))).await;
    }
    assert!(proxy.is_armed(), "there was a transaction of several statements");
    stored(&opened.store, &exchange(&new(), "I am new here")).await;
    assert!(!proxy.is_armed(), "there is another way to begin one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_whose_answer_was_lost_are_recognised() {
    turns_once_with_a_cut(Cut::After).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_that_never_arrived_are_written_again() {
    turns_once_with_a_cut(Cut::Before).await;
}

async fn turns_once_with_a_cut(cut: Cut) {
    let Some(Proxied { proxy, mut opened, .. }) = proxied(Limits::default()).await else { return };
    let store = &opened.store;
    let mut turns = Vec::new();
    for _ in 0..9 {
        let (head, known) = gone_on(store).await;
        turns.push(as_of(known, exchange(&head, "cut off in the middle")));
    }
    while opened.commits.try_recv().is_ok() {}

    proxy.trap(b"cut off in the middle", cut);
    let appends = turns.iter().cloned().map(|turn| store.append(turn));
    let (outcomes, ()) = tokio::join!(futures_util::future::join_all(appends), proxy.sprung());
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    are_stored_once(&mut opened, &turns).await;
}
