//! The SQL views: what they show, what they do not, and that they find it by an index.

use purser::conversation::{AgentId, Conversation, ConversationId, EventId, Kind, Person, Text, VisitorId};
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::said_in;
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor};
use crate::identity::{keys, token_until};
use crate::on_both_engines;

on_both_engines! {
    what_is_said_shows_and_notes_do_not;
    what_was_deleted_does_not_show;
    a_row_is_found_by_an_index;
    a_table_in_the_way_is_left_alone;
}

/// Rows of a query, every column as text.
pub async fn rows(database: &TestDatabase, columns: &[&str], from: &str) -> Vec<Vec<Option<String>>> {
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let mut link = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
            let columns: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS TEXT)")).collect();
            let query = AssertSqlSafe(format!("SELECT {} {from}", columns.join(", ")));
            let rows = link.fetch_all(query).await.expect("rows");
            rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
        }
        (_, Some((server, name))) => {
            let mut link = server.connect(name).await;
            let columns: Vec<_> = columns.iter().map(|column| format!("CAST({column} AS CHAR)")).collect();
            let query = AssertSqlSafe(format!("SELECT {} {from}", columns.join(", ")));
            let rows = link.fetch_all(query).await.expect("rows");
            rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
        }
        _ => unreachable!("one of the two"),
    }
}

pub async fn execute(database: &TestDatabase, sql: String) {
    let sql = AssertSqlSafe(sql);
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let mut link =
                SqliteConnectOptions::new().filename(file).create_if_missing(true).connect().await.expect("the file");
            link.execute(sql).await.expect("it is done");
        }
        (_, Some((server, name))) => drop(server.connect(name).await.execute(sql).await.expect("it is done")),
        _ => unreachable!("one of the two"),
    }
}

/// An id as the views show it.
fn shown(id: Uuid) -> String {
    id.simple().to_string()
}

async fn start(database: &TestDatabase) -> TestPurser {
    Setup::on(database).change(|config| config.identity = Some(keys())).start().await
}

/// A signed-in customer asks something.
async fn asks(purser: &TestPurser, account: &str, text: &str) -> Uuid {
    let Visitor { token, conversation } = Visitor::new();
    let identity = token_until(account, purser.desk.now() / 1000 + 300, json!({}));
    let mut socket = purser.typed().await;
    socket
        .send(json!({ "type": "hello", "token": token, "conversation": conversation, "seq": 0, "identity": identity }))
        .await;
    let welcome = socket.hear_where("a welcome", |frame| frame["type"] == "welcome").await;
    socket.ask(&Uuid::new_v4().to_string(), text).await;
    welcome["conversation"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

async fn what_is_said_shows_and_notes_do_not(database: &TestDatabase) {
    let purser = start(database).await;
    let account = "4711 ' \" <b>";
    let id = asks(&purser, account, "how much does it cost?").await;
    let visitor = Visitor::new();
    let mut anonymous = purser.visit(&visitor, 0).await;
    anonymous.ask("a", "saturday delivery").await;

    let conversation = ConversationId(id);
    let agent = Person { id: AgentId::new(), name: "Anna".to_owned(), leads: false };
    let head = purser.store.conversation(conversation).await.expect("the store").expect("a conversation");
    let note = Text::new("a note about the customer").expect("a text");
    let note = head.note(&agent, EventId::new(), "re:agent:1".into(), note, head.last_at).expect("a note");
    assert!(note.events.iter().any(|event| event.kind == Kind::Note));
    purser.store.append(note).await.expect("it is stored");

    let log = purser.store.events_after(conversation, 0, 10).await.expect("a log");
    purser.stop().await;
    let sessions = rows(database, &["id", "user", "created_at"], "FROM chat_session ORDER BY created_at").await;
    let at = said_in(head.created_at);
    let first = [Some(shown(id)), Some(account.to_owned()), Some(at.clone())];
    assert!(
        sessions[0][..2] == first[..2] && sessions[0][2].as_ref().is_some_and(|time| time.starts_with(&at)),
        "{sessions:?}"
    );
    assert_eq!(sessions[1][..2], [Some(shown(visitor.conversation)), None]);
    assert_eq!(sessions.len(), 2);

    let messages = rows(database, &["sender", "message", "session"], "FROM chat_message ORDER BY id").await;
    let said: Vec<_> =
        messages.iter().map(|row| (row[0].as_deref().unwrap_or(""), row[1].as_deref().unwrap_or(""))).collect();
    assert_eq!(
        said,
        [
            ("visitor", "how much does it cost?"),
            ("bot", "From £3.49."),
            ("visitor", "saturday delivery"),
            ("bot", "Yes, **on Saturdays** too."),
        ]
    );
    assert_eq!(messages[1][2], Some(shown(id)));
    let stamps = rows(database, &["timestamp"], "FROM chat_message ORDER BY id").await;
    for (stamp, event) in stamps.iter().zip(&log[..2]) {
        assert!(stamp[0].as_ref().is_some_and(|stamp| stamp.starts_with(&said_in(event.at))), "{stamp:?} {}", event.at);
    }
}

async fn what_was_deleted_does_not_show(database: &TestDatabase) {
    let purser = start(database).await;
    let id = asks(&purser, "4711", "how much does it cost?").await;
    asks(&purser, "4712", "saturday delivery").await;
    let erase = json!({ "aud": "purser/erase" });
    let token = token_until("4711", purser.desk.now() / 1000 + 300, erase);
    assert_eq!(purser.erase_customer(token).await.1["erased"], true);
    let users = rows(database, &["user"], "FROM chat_session").await;
    assert_eq!(users, [[Some("4712".to_owned())]]);
    let accounts = rows(database, &["account"], "FROM customers").await;
    assert_eq!(accounts, [[Some("4712".to_owned())]], "nothing says who was deleted");
    let left = format!("FROM chat_message WHERE session = '{}'", shown(id));
    assert_eq!(rows(database, &["message"], &left).await, Vec::<Vec<_>>::new());

    // Whoever was deleted and says something again is there again.
    asks(&purser, "4711", "saturday delivery").await;
    purser.stop().await;
    let users = rows(database, &["user"], "FROM chat_session ORDER BY user").await;
    assert_eq!(users, [[Some("4711".to_owned())], [Some("4712".to_owned())]]);
}

async fn a_row_is_found_by_an_index(database: &TestDatabase) {
    let store =
        purser::store::Store::open(&database.url().parse().expect("an address"), |_| ()).await.expect("a store");
    let said = |key: u32| purser::conversation::Earlier {
        key: key.to_string(),
        at: i64::from(key),
        author: purser::conversation::Author::Visitor,
        text: "x".repeat(200),
    };
    let mut ids = Vec::new();
    let mut appends = Vec::new();
    for number in 0..400_u32 {
        let account = number.to_string();
        let visitor = VisitorId::of_account(&account);
        store.keep_customers(vec![(visitor, account)]).await.expect("it is kept");
        // Of any kind, also of none.
        let id = if number % 2 == 0 {
            Uuid::now_v7()
        } else {
            Uuid::from_u128(Uuid::new_v4().as_u128() ^ (u128::from(number) << 76))
        };
        let head = Conversation::new(ConversationId(id), visitor);
        let said: Vec<_> = (1..20).map(said).collect();
        ids.push(head.id.0);
        appends.push(head.take_in(&said).expect("something"));
    }
    for outcome in futures_util::future::join_all(appends.into_iter().map(|append| store.append(append))).await {
        outcome.expect("it is stored");
    }
    store.close().await;
    if database.on_server().is_some() {
        execute(database, "ANALYZE TABLE conversations, events, customers".to_owned()).await;
    }
    let session = shown(ids[200]);
    let found = format!("FROM chat_message WHERE session = '{session}'");
    assert_eq!(rows(database, &["id"], &found).await.len(), 19);
    let found = format!("FROM chat_session WHERE id = '{session}'");
    assert_eq!(rows(database, &["user"], &found).await, [[Some("200".to_owned())]]);
    // Clients make ids as they like.
    for id in &ids {
        let found = format!("FROM chat_session WHERE id = '{}'", shown(*id));
        assert_eq!(rows(database, &["id"], &found).await, [[Some(shown(*id))]]);
    }

    for (query, order) in [
        (format!("SELECT * FROM chat_session WHERE id = '{session}'"), false),
        ("SELECT * FROM chat_session WHERE user = '200'".to_owned(), false),
        (format!("SELECT * FROM chat_message WHERE session = '{session}' ORDER BY id"), false),
        ("SELECT * FROM chat_message WHERE id = 300".to_owned(), false),
        ("SELECT * FROM chat_message WHERE id IN (300, 301)".to_owned(), false),
        ("SELECT * FROM chat_message m JOIN chat_session s ON s.id = m.session WHERE m.id = 300".to_owned(), false),
        ("SELECT * FROM chat_message m JOIN chat_session s ON s.id = m.session WHERE s.user = '200'".to_owned(), false),
        ("SELECT * FROM chat_message ORDER BY id DESC LIMIT 100".to_owned(), true),
    ] {
        let plan = plan(database, &query).await;
        assert!(!plan.is_empty() && plan.iter().all(|step| step.is_found(order)), "{query}: {plan:#?}");
    }
    // The check can fail: nothing helps here.
    let all = plan(database, "SELECT * FROM chat_message WHERE message = 'x'").await;
    assert!(all.iter().any(|step| !step.is_found(false)), "{all:#?}");
}

/// How an engine comes to the rows of a table.
#[derive(Debug)]
struct Step {
    how: String,
    rows: i64,
}

impl Step {
    /// By an index; or, where rows come in its order until there are enough, along it.
    fn is_found(&self, order: bool) -> bool {
        match self.how.as_str() {
            "const" | "eq_ref" | "ref" | "range" | "system" => self.rows < 1_000,
            "index" => order && self.rows <= 200,
            how if how.starts_with("SEARCH") || how.starts_with("USE TEMP B-TREE") => true,
            how => order && how == "SCAN e",
        }
    }
}

async fn plan(database: &TestDatabase, query: &str) -> Vec<Step> {
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let mut link = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
            let rows = link.fetch_all(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"))).await.expect("a plan");
            rows.iter().map(|row| Step { how: row.get(3), rows: 0 }).collect()
        }
        (_, Some((server, name))) => {
            let mut link = server.connect(name).await;
            let rows = link.fetch_all(AssertSqlSafe(format!("EXPLAIN {query}"))).await.expect("a plan");
            let step = |row: &sqlx::mysql::MySqlRow| Step {
                how: row.try_get::<Option<String>, _>("type").expect("a type").unwrap_or_default(),
                rows: row.try_get_unchecked::<Option<i64>, _>("rows").expect("a number").unwrap_or_default(),
            };
            rows.iter().map(step).collect()
        }
        _ => unreachable!("one of the two"),
    }
}

async fn a_table_in_the_way_is_left_alone(database: &TestDatabase) {
    execute(database, "CREATE TABLE chat_session (id INTEGER)".to_owned()).await;
    execute(database, "INSERT INTO chat_session VALUES (17)".to_owned()).await;
    for _ in 0..2 {
        let purser = start(database).await;
        asks(&purser, "4711", "saturday delivery").await;
        purser.stop().await;
        assert_eq!(rows(database, &["id"], "FROM chat_session").await, [[Some("17".to_owned())]]);
    }
    execute(database, "DROP TABLE chat_session".to_owned()).await;
    start(database).await.stop().await;
    assert_eq!(rows(database, &["user"], "FROM chat_session").await, [[Some("4711".to_owned())]]);
}
