//! `purser import django`: an earlier chat comes along once, with everything in it, and nothing happens over it.

use purser::conversation::{Author, ConversationId, EventId, Said, Status, Text, VisitorId};
use purser::store::Store;
use serde_json::json;

use super::views::{execute, rows};
use crate::cli::{Ran, Site};
use crate::harness::{Setup, TestDatabase, Visitor, until};
use crate::identity::{keys, token_until};
use crate::on_both_engines;

on_both_engines! {
    an_earlier_chat_comes_along_once;
    problems_are_told_by_row_and_nothing_is_imported;
    what_was_deleted_or_went_on_since_is_left_alone;
    tables_and_columns_may_have_other_names;
}

/// The tables as Django makes them.
async fn earlier(database: &TestDatabase) {
    let (key, time, text) = match database.file() {
        Some(_) => ("integer NOT NULL PRIMARY KEY AUTOINCREMENT", "datetime NOT NULL", "text NOT NULL"),
        None => ("bigint AUTO_INCREMENT NOT NULL PRIMARY KEY", "datetime(6) NOT NULL", "longtext NOT NULL"),
    };
    execute(database, format!("CREATE TABLE chat_session (id {key}, user_id integer NULL, created_at {time})")).await;
    execute(
        database,
        format!(
            "CREATE TABLE chat_message (id {key}, session_id bigint NOT NULL, sender varchar(10) NOT NULL, \
             message {text}, timestamp {time})"
        ),
    )
    .await;
    execute(
        database,
        "INSERT INTO chat_session (id, user_id, created_at) VALUES (1, 4711, '2024-03-01 10:00:00.000000'), \
         (2, NULL, '2024-03-02 10:00:00.000000'), (3, 4711, '2024-03-03 10:00:00.000000'), \
         (4, 4712, '2024-03-04 10:00:00.000000')"
            .to_owned(),
    )
    .await;
    execute(
        database,
        "INSERT INTO chat_message (id, session_id, sender, message, timestamp) VALUES \
         (1, 1, 'user', 'where is my <b>parcel</b>?', '2024-03-01 10:00:01.500000'), \
         (2, 1, 'bot', 'On its *way*', '2024-03-01 10:00:02.000000'), \
         (3, 2, 'user', 'anybody there?', '2024-03-02 10:00:00.000000'), \
         (5, 3, 'staff', 'Hello, this is Anna', '2024-03-03 10:00:05.000000'), \
         (4, 3, 'user', 'my card is 4111 1111 1111 1111', '2024-03-03 10:00:04.000000'), \
         (6, 3, 'user', '', '2024-03-03 10:00:06.000000')"
            .to_owned(),
    )
    .await;
}

async fn import(from: &TestDatabase, to: &TestDatabase, more: &[&str]) -> Ran {
    let (from, to) = (from.url(), to.url());
    let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
    let run = move || {
        let mut arguments = vec!["import", "django", "--from", &from, "--database", &to];
        arguments.extend(more.iter().map(String::as_str));
        Site::empty().run(&arguments)
    };
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

/// Another database of the same kind.
async fn another(database: &TestDatabase) -> TestDatabase {
    match database.file() {
        Some(_) => TestDatabase::sqlite(),
        None => TestDatabase::mariadb().await.expect("as the first one"),
    }
}

async fn an_earlier_chat_comes_along_once(database: &TestDatabase) {
    let old = another(database).await;
    earlier(&old).await;
    let ran = import(&old, database, &["--dry-run"]).await;
    assert!(ran.code == 0 && ran.out.contains("5 messages in 3 sessions of chat_session"), "{ran:?}");
    assert!(ran.out.contains("Nothing was said in 1 more."), "{ran:?}");

    for new in ["5 messages in 3 conversations are imported", "0 messages in 0 conversations are imported"] {
        let ran = import(&old, database, &[]).await;
        assert!(ran.code == 0 && ran.out.contains(new) && ran.out.contains("that is 5 in 3"), "{ran:?}");
        assert!(!format!("{ran:?}").contains("parcel</b>"), "no text is printed: {ran:?}");
    }
    let said = rows(database, &["sender", "message", "timestamp"], "FROM chat_message ORDER BY timestamp, id").await;
    let said: Vec<Vec<&str>> =
        said.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap_or_default()).collect()).collect();
    let expected = [
        ("visitor", "where is my <b>parcel</b>?", "2024-03-01 10:00:01.500"),
        ("bot", "On its \\*way\\*", "2024-03-01 10:00:02.000"),
        ("visitor", "anybody there?", "2024-03-02 10:00:00.000"),
        ("visitor", "my card is •••• •••• •••• 1111", "2024-03-03 10:00:04.000"),
        ("agent", "Hello, this is Anna", "2024-03-03 10:00:05.000"),
    ];
    assert_eq!(said.len(), expected.len());
    for (row, (sender, message, time)) in said.iter().zip(expected) {
        assert!(row[..2] == [sender, message] && row[2].starts_with(time), "{row:?}");
    }
    let users = rows(database, &["user"], "FROM chat_session ORDER BY created_at").await;
    let [known, unknown] = [Some("4711".to_owned()), None];
    assert_eq!(users, [[known.clone()], [unknown], [known]]);

    // The site had signed in who talked there: the operator and the retention know that.
    let url = database.url();
    let export = move || Site::empty().run(&["visitor", "export", "--customer", "4711", "--database", &url]);
    let given = tokio::task::spawn_blocking(export).await.expect("no panic");
    assert!(given.code == 0 && given.out.contains("\"signed_in\": true"), "{given:?}");
    // A day later nothing has happened over it: nobody was called, nothing was answered, nothing is due.
    let purser = Setup::on(database).change(|config| {
        config.identity = Some(keys());
        config.retention.anonymous = Some(24 * 60 * 60 * 1_000);
    });
    let purser = purser.start().await;
    let began = "2024-03-02T10:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    let nobodys = ConversationId::of_earlier(began, "2");
    until("what nobody is known to have said to go", async || {
        purser.desk.do_chores().await.expect("the store");
        let head = purser.store.conversation(nobodys).await.expect("the store");
        head.is_none_or(|head| !head.kept.over).then_some(())
    })
    .await;
    let customer = VisitorId::of_account("4711");
    let ids = purser.store.conversations_of(customer).await.expect("the store");
    assert_eq!(ids.len(), 2);
    for id in &ids {
        let head = purser.store.conversation(*id).await.expect("the store").expect("a conversation");
        assert_eq!((head.status, head.wake_at, head.has_pending()), (Status::Closed, None, false));
        assert!(head.kept.over && head.kept.account && head.visitor == customer);
        let log = purser.store.events_after(*id, 0, 10).await.expect("a log");
        assert_eq!(log.len(), 2, "{log:?}");
    }
    assert_eq!(purser.store.due(i64::MAX, 10).await.expect("the store"), []);
    // The customer says something new, in a conversation that is not one of these.
    let Visitor { token, conversation } = Visitor::new();
    let identity = token_until("4711", purser.desk.now() / 1000 + 300, json!({}));
    let mut socket = purser.typed().await;
    socket
        .send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 0, "identity": identity }))
        .await;
    let welcome = socket.hear("welcome").await;
    assert!(ids.iter().all(|id| welcome["conversation"] != json!(id)), "{welcome}");
    socket.ask("a", "how much does it cost?").await;
    purser.stop().await;
}

async fn problems_are_told_by_row_and_nothing_is_imported(database: &TestDatabase) {
    let old = another(database).await;
    earlier(&old).await;
    execute(
        &old,
        "INSERT INTO chat_message (id, session_id, sender, message, timestamp) VALUES \
         (70, 99, 'user', 'to nobody', '2024-03-01 10:00:00'), (71, 1, 'Kim', 'who am I?', '2024-03-01 10:00:03'), \
         (72, 1, 'user', 'tomorrow', '2999-01-01 00:00:00'), (73, 1, 'user', 'long ago', '1969-01-01 00:00:00')"
            .to_owned(),
    )
    .await;
    let ran = import(&old, database, &[]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    for line in [
        "chat_message 70: its session is not there",
        "chat_message 71: who is the sender \"Kim\"? Say it with --sender Kim=visitor, bot or agent",
        "chat_message 72: 2999-01-01 00:00:00",
        "chat_message 73: 1969-01-01 00:00:00",
    ] {
        assert!(ran.err.contains(line), "{line}: {ran:?}");
    }
    assert!(ran.out.contains("Nothing is imported.") && !ran.err.contains("who am I?"), "{ran:?}");
    let none = Store::open(&database.url().parse().expect("an address"), |_| ()).await.expect("a store");
    assert_eq!(none.logged(None, 0, 10).await.expect("the store"), []);
    none.close().await;

    let ran = import(&old, database, &["--sender", "Kim=agent", "--skip-problems"]).await;
    assert!(ran.code == 0 && ran.out.contains("6 messages in 3 conversations are imported"), "{ran:?}");
    assert!(ran.out.contains("3 rows with problems are left out."), "{ran:?}");
    assert_eq!(
        rows(database, &["message"], "FROM chat_message WHERE sender = 'agent' ORDER BY id").await,
        [[Some("who am I?".to_owned())], [Some("Hello, this is Anna".to_owned())]]
    );
}

async fn what_was_deleted_or_went_on_since_is_left_alone(database: &TestDatabase) {
    let old = another(database).await;
    earlier(&old).await;
    assert_eq!(import(&old, database, &[]).await.code, 0);
    let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    let (first, third) = (
        ConversationId::of_earlier(at("2024-03-01T10:00:00Z"), "1"),
        ConversationId::of_earlier(at("2024-03-03T10:00:00Z"), "3"),
    );
    let store = Store::open(&database.url().parse().expect("an address"), |_| ()).await.expect("a store");
    let head = store.conversation(first).await.expect("the store").expect("the first");
    store.append(head.erase(head.last_at).expect("something")).await.expect("it is erased");
    let head = store.conversation(third).await.expect("the store").expect("the third");
    let text = Text::new("I am back").expect("a text");
    let said = Said {
        id: EventId::new(),
        client_id: Default::default(),
        text,
        choice: None,
        language: None,
        attachments: Vec::new(),
    };
    store.append(head.say(said, head.last_at, 1_000)).await.expect("it is said");
    store.close().await;
    let late = "INSERT INTO chat_message (id, session_id, sender, message, timestamp) VALUES \
                (80, 1, 'user', 'late', '2024-03-05 10:00:00'), (81, 2, 'user', 'late', '2024-03-05 10:00:00'), \
                (82, 3, 'user', 'late', '2024-03-05 10:00:00')";
    execute(&old, late.to_owned()).await;
    let ran = import(&old, database, &[]).await;
    assert!(ran.code == 0 && ran.out.contains("1 messages in 0 conversations are imported"), "{ran:?}");
    assert!(ran.out.contains("1 conversations were deleted here"), "{ran:?}");
    assert!(ran.out.contains("1 messages came to the old chat after"), "{ran:?}");
    let store = Store::open(&database.url().parse().expect("an address"), |_| ()).await.expect("a store");
    assert_eq!(store.events_after(first, 0, 10).await.expect("a log").len(), 1, "the mark that it was deleted");
    let log = store.events_after(third, 0, 10).await.expect("a log");
    assert!(log.iter().all(|event| &*event.body != "late") && log[0].author == Author::Visitor);
    store.close().await;
}

async fn tables_and_columns_may_have_other_names(database: &TestDatabase) {
    let old = another(database).await;
    earlier(&old).await;
    let ran = import(&old, database, &["--prefix", "support_"]).await;
    assert!(
        ran.code == 1 && ran.err.contains("has no table support_session; there are chat_message, chat_session"),
        "{ran:?}"
    );
    execute(&old, "ALTER TABLE chat_session RENAME TO support_session".to_owned()).await;
    execute(&old, "ALTER TABLE chat_message RENAME TO support_lines".to_owned()).await;
    execute(&old, "ALTER TABLE support_lines RENAME COLUMN message TO said".to_owned()).await;
    let named = ["--prefix", "support_", "--messages", "support_lines"];
    let ran = import(&old, database, &named).await;
    assert!(ran.code == 1 && ran.err.contains("name it with --column message=NAME"), "{ran:?}");
    let ran =
        import(&old, database, &[&named[..], &["--column", "message=said", "--time-zone", "Europe/Berlin"]].concat())
            .await;
    assert!(ran.code == 0 && ran.out.contains("5 messages in 3 conversations"), "{ran:?}");
    let first = rows(database, &["timestamp"], "FROM chat_message ORDER BY timestamp").await;
    assert!(first[0][0].as_ref().is_some_and(|time| time.starts_with("2024-03-01 09:00:01.500")), "{first:?}");
    // What is purser's already is not taken over again.
    let ran = import(database, &another(database).await, &[]).await;
    assert!(ran.code == 1 && ran.err.contains("purser's own view"), "{ran:?}");
}
