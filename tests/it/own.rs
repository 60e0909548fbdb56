//! What is the visitor's own: what is known, earlier conversations, taking all along, deleting all; and what was kept long
//! enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use purser::clock::Clock;
use purser::conversation::{ConversationId, Kind, LookedUp, Millis, Retention, Status};
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use purser::store::Role;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use uuid::Uuid;

use crate::agents::Agent;
use crate::cli::{Ran, Site};
use crate::harness::{Setup, Slow, TestDatabase, TestPurser, Typed, Visitor, get, http_client, until, within};
use crate::identity::{keys, token_until};
use crate::on_both_engines;
use crate::privacy::is_in_files;

on_both_engines! {
    a_visitor_sees_what_is_known_and_has_it_forgotten;
    earlier_conversations_are_read_by_their_visitor_only;
    everything_is_taken_along_and_deleted;
    the_operator_gives_out_and_deletes_a_visitor;
    nothing_of_an_erased_conversation_is_in_any_table;
    what_was_kept_long_enough_is_deleted_a_little_at_a_time;
    of_two_nodes_one_deletes;
}

/// Remembers "my <name> is <value>", with what it looked up.
struct Keeper;

impl Responder for Keeper {
    fn name(&self) -> &str {
        "keeper"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            if &*turn.text == "who am i" {
                return Ok(Answer::Reply(Reply { text: format!("{:?}", turn.visitor).into(), ..Reply::default() }));
            }
            let Some((name, value)) = turn.text.strip_prefix("my ").and_then(|text| text.split_once(" is ")) else {
                return Ok(Answer::Pass);
            };
            let found = LookedUp { source: "shop".into(), result: json!(value), ..LookedUp::default() };
            Ok(Answer::Reply(Reply {
                text: format!("noted: {value}").into(),
                attributes: vec![(name.to_owned(), Some(value.to_owned()))],
                lookups: vec![found],
                ..Reply::default()
            }))
        })
    }
}

async fn start(database: &TestDatabase) -> TestPurser {
    Setup::on(database).first(Arc::new(Keeper)).change(|config| config.identity = Some(keys())).start().await
}

fn identity(account: &str) -> String {
    let claims = json!({ "name": "Ann", "address": { "locality": "Leipzig" } });
    token_until(account, Clock::System.now() / 1000 + 300, claims)
}

async fn sign_in(purser: &TestPurser, visitor: &Visitor, account: &str) -> (Typed, Value) {
    let Visitor { token, conversation } = visitor;
    let mut socket = purser.typed().await;
    let hello = json!({ "type": "hello", "token": token, "conversation": conversation, "identity": identity(account) });
    socket.send(hello).await;
    let welcome = socket.hear("welcome").await;
    (socket, welcome)
}

async fn request(socket: &mut Typed, frame: Value, answer: &str) -> Value {
    socket.send(frame).await;
    socket.hear_where(answer, |frame| frame["type"] == answer || frame["type"] == "error").await
}

/// Closes a conversation as an agent would.
async fn close(purser: &TestPurser, agent: &Agent, socket: &mut Typed, visitor: &Visitor) {
    socket.ask(&Uuid::new_v4().to_string(), "talk to a person").await;
    agent.take(visitor).await;
    agent.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
    socket.hear_where("the end", |frame| frame["kind"] == "closed").await;
    let head = purser.store.conversation(ConversationId(visitor.conversation)).await.expect("a read");
    assert_eq!(head.map(|head| head.status), Some(Status::Closed));
}

async fn a_visitor_sees_what_is_known_and_has_it_forgotten(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let (mut socket, welcome) = sign_in(&purser, &Visitor::new(), &account).await;
    socket.ask("m1", "my parcel is PX-of-the-forgotten").await;
    socket.ask("m2", "my size is <b>large</b>").await;
    let known = request(&mut socket, json!({ "type": "known" }), "known").await;
    assert_eq!((&known["account"]["name"], &known["account"]["city"]), (&json!("Ann"), &json!("Leipzig")));
    assert_eq!(known["remembered"], json!({ "parcel": "PX-of-the-forgotten", "size": "<b>large</b>" }));

    let known = request(&mut socket, json!({ "type": "forget", "name": "parcel" }), "known").await;
    assert_eq!(known["remembered"], json!({ "size": "<b>large</b>" }));
    // Again, or what there is not, changes nothing.
    for name in ["parcel", "no such thing"] {
        let same = request(&mut socket, json!({ "type": "forget", "name": name }), "known").await;
        assert_eq!(same["remembered"], known["remembered"]);
    }
    let (_, answer) = socket.ask("m3", "who am i").await;
    let answer = answer["text"].as_str().expect("an answer").to_owned();
    assert!(answer.contains("Leipzig") && answer.contains("large") && !answer.contains("PX-of"), "{answer}");
    // In the log it stands as something that was forgotten.
    let id = ConversationId(serde_json::from_value(welcome["conversation"].clone()).expect("an id"));
    let log = purser.store.events_after(id, 0, 100).await.expect("a log");
    let kept = log.iter().filter_map(|event| event.meta.attribute.as_ref());
    let kept: Vec<_> = kept.map(|attribute| (attribute.name.as_str(), attribute.value.as_deref())).collect();
    assert_eq!(kept, [("parcel", None), ("size", Some("<b>large</b>")), ("parcel", None)]);

    // Whoever is not signed in is told of no account, and nobody before hello of anything.
    let mut guest = purser.visit(&Visitor::new(), 0).await;
    let known = request(&mut guest, json!({ "type": "known" }), "known").await;
    assert_eq!((&known["account"], &known["remembered"]), (&json!({}), &json!({})));
    let mut nobody = purser.typed().await;
    for frame in [
        json!({ "type": "known" }),
        json!({ "type": "forget", "name": "size" }),
        json!({ "type": "conversations" }),
        json!({ "type": "read", "conversation": id }),
        json!({ "type": "erase", "everything": true }),
    ] {
        assert_eq!(request(&mut nobody, frame, "known").await["code"], "hello_first");
    }
    drop((socket, guest, nobody));
    purser.stop().await;
}

async fn earlier_conversations_are_read_by_their_visitor_only(database: &TestDatabase) {
    let purser = start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let account = Uuid::new_v4().to_string();
    let mut earlier = Vec::new();
    for n in 0..3 {
        // Each on another device, after the one before was closed.
        let device = Visitor::new();
        let (mut socket, welcome) = sign_in(&purser, &device, &account).await;
        let conversation = serde_json::from_value(welcome["conversation"].clone()).expect("an id");
        socket.ask(&format!("m{n}"), &format!("question {n}")).await;
        close(&purser, &anna, &mut socket, &Visitor { conversation, ..device }).await;
        earlier.push(conversation);
    }
    anna.does(json!({ "do": "note", "conversation": earlier[0], "id": Uuid::new_v4(), "text": "a note about her" }))
        .await;
    let (mut socket, welcome) = sign_in(&purser, &Visitor::new(), &account).await;
    let list = request(&mut socket, json!({ "type": "conversations" }), "conversations").await;
    let listed: Vec<(Uuid, String)> = list["conversations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["id"].as_str().expect("an id").parse().expect("an id"), one["text"].to_string()))
        .collect();
    let expected: Vec<(Uuid, String)> =
        earlier.iter().enumerate().rev().map(|(n, id)| (*id, format!("\"question {n}\""))).collect();
    assert_eq!(listed, expected, "the newest first");
    assert_eq!(list["more"], false);
    let rest = request(&mut socket, json!({ "type": "conversations", "skip": 2 }), "conversations").await;
    assert_eq!(rest["conversations"].as_array().map(Vec::len), Some(1));

    let read = request(&mut socket, json!({ "type": "read", "conversation": earlier[0] }), "read").await;
    assert_eq!(read["conversation"], json!(earlier[0]));
    assert_eq!(read["events"][0]["text"], "question 0");
    assert!(!read.to_string().contains("a note about her"), "{read}");
    let before = request(&mut socket, json!({ "type": "read", "conversation": earlier[0], "before": 2 }), "read").await;
    assert_eq!((before["events"].as_array().map(Vec::len), &before["more"]), (Some(1), &json!(false)));
    // One of them is deleted, and nothing else.
    let erase = json!({ "type": "erase", "conversation": earlier[1] });
    let left = request(&mut socket, erase, "conversations").await;
    let left = left["conversations"].as_array().expect("a list");
    assert_eq!(left.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&json!(earlier[2]), &json!(earlier[0])]);
    let log = purser.store.events_after(ConversationId(earlier[1]), 0, 10).await.expect("a log");
    assert_eq!(log.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Erased]);
    // What is read is not entered: the socket is still where it was.
    let ack = socket.ask("m3", "how much does it cost?").await.0;
    assert_eq!(ack["conversation"], welcome["conversation"]);

    // Somebody else, signed in or not, over the socket or not.
    let eve = Visitor::new();
    let (mut hers, _) = sign_in(&purser, &Visitor::new(), &Uuid::new_v4().to_string()).await;
    let mut guests = purser.visit(&eve, 0).await;
    let read = json!({ "type": "read", "conversation": earlier[0] });
    for socket in [&mut hers, &mut guests] {
        let list = request(socket, json!({ "type": "conversations" }), "conversations").await;
        assert_eq!(list["conversations"], json!([]));
        for id in [json!(earlier[0]), welcome["conversation"].clone(), json!(Uuid::now_v7())] {
            let refused = request(socket, json!({ "type": "read", "conversation": id }), "read").await;
            assert_eq!(refused["code"], "no_conversation");
            let erase = json!({ "type": "erase", "conversation": id });
            assert_eq!(request(socket, erase, "conversations").await["code"], "no_conversation");
        }
    }
    let log = purser.store.events_after(ConversationId(earlier[0]), 0, 100).await.expect("a log");
    assert!(log.len() > 2, "it is still there");
    let (status, frames) = purser.post_frame(&eve, read.clone()).await;
    assert_eq!((status, &frames[0]["code"]), (404, &json!("no_conversation")));
    for frame in [
        read,
        json!({ "type": "known" }),
        json!({ "type": "conversations" }),
        json!({ "type": "forget", "name": "x" }),
        json!({ "type": "erase", "everything": true }),
    ] {
        let theirs = Visitor { conversation: earlier[0], ..eve.clone() };
        let (status, frames) = purser.post_frame(&theirs, frame).await;
        assert_eq!((status, &frames[0]["code"]), (403, &json!("not_yours")));
    }
    drop((socket, hers, guests));
    purser.stop().await;
}

async fn everything_is_taken_along_and_deleted(database: &TestDatabase) {
    let purser = start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let account = Uuid::new_v4().to_string();
    let device = Visitor::new();
    let (mut first, welcome) = sign_in(&purser, &device, &account).await;
    first.ask("m1", "my parcel is a-keepsake-of-all").await;
    let conversation: Uuid = serde_json::from_value(welcome["conversation"].clone()).expect("an id");
    close(&purser, &anna, &mut first, &Visitor { conversation, ..device }).await;
    anna.does(json!({ "do": "note", "conversation": conversation, "id": Uuid::new_v4(), "text": "a note about her" }))
        .await;
    let (mut socket, _) = sign_in(&purser, &Visitor::new(), &account).await;
    socket.ask("m2", "saturday delivery, my keepsake-of-all").await;

    let body = json!({ "token": Visitor::new().token, "identity": identity(&account) });
    let (status, all) = purser.post("export", &[], body.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(all["account"]["city"], "Leipzig");
    let conversations = all["conversations"].as_array().expect("conversations");
    assert_eq!(conversations.len(), 2);
    let text = all.to_string();
    for found in ["a-keepsake-of-all", "saturday delivery", "on Saturdays", "noted:", "Anna"] {
        assert!(text.contains(found), "{found} in {text}");
    }
    assert!(!text.contains("a note about her") && !text.contains("shop"), "{text}");
    // Nobody else's, and not with a token that does not do.
    let stranger = json!({ "token": Visitor::new().token });
    assert_eq!(purser.post("export", &[], stranger.to_string()).await.1["conversations"], json!([]));
    let expired = token_until(&account, Clock::System.now() / 1000 - 300, json!({}));
    for (body, refused) in [
        (json!({ "token": "x" }), 400),
        (json!({}), 400),
        (json!({ "token": Visitor::new().token, "identity": expired }), 401),
        (json!({ "token": Visitor::new().token, "identity": "forged" }), 401),
    ] {
        assert_eq!(purser.post("export", &[], body.to_string()).await.0, refused);
    }
    let foreign = [("Origin", "https://evil.example")];
    assert_eq!(purser.post("export", &foreign, body.to_string()).await.0, 403);

    socket.send(json!({ "type": "erase", "everything": true })).await;
    socket.hear_where("the end", |frame| frame["kind"] == "erased").await;
    first.hear_where("the other's end", |frame| frame["kind"] == "erased").await;
    let (_, left) = purser.post("export", &[], body.to_string()).await;
    assert_eq!(left["conversations"], json!([]));
    let list = request(&mut socket, json!({ "type": "conversations" }), "conversations").await;
    assert_eq!(list["conversations"], json!([]));
    drop((first, socket));
    purser.stop().await;
    assert!(!is_in_files(database, "keepsake-of-all"));
}

async fn command(arguments: &[&str], database: &TestDatabase) -> Ran {
    let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    arguments.extend(["--database".to_owned(), database.url()]);
    let run = move || Site::empty().run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.expect("no panic")
}

async fn the_operator_gives_out_and_deletes_a_visitor(database: &TestDatabase) {
    let purser = start(database).await;
    let account = Uuid::new_v4().to_string();
    let (mut socket, welcome) = sign_in(&purser, &Visitor::new(), &account).await;
    socket.ask("m1", "my parcel is a-keepsake-to-give-out").await;
    let guest = Visitor::new();
    let mut other = purser.visit(&guest, 0).await;
    other.ask("m1", "somebody else").await;

    let ran = command(&["visitor", "export", "--customer", &account], database).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let given: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(given["signed_in"], true);
    assert_eq!(given["conversations"][0]["id"], welcome["conversation"]);
    // With what stands behind the answers.
    assert_eq!(given["conversations"][0]["remembered"]["parcel"], "a-keepsake-to-give-out");
    assert!(ran.out.contains("\"source\": \"shop\"") && !ran.out.contains("somebody else"), "{}", ran.out);
    let visitor = given["visitor"].as_str().expect("a visitor").to_owned();
    let same = command(&["visitor", "export", "--visitor", &visitor], database).await;
    let conversation = welcome["conversation"].as_str().expect("an id");
    let by_id = command(&["visitor", "export", "--conversation", conversation], database).await;
    assert!(same.out == ran.out && by_id.out == ran.out);

    for (arguments, code) in [
        (vec!["visitor", "export"], 2),
        (vec!["visitor", "erase", "--customer", "a", "--visitor", &visitor], 2),
        (vec!["visitor", "erase", "--visitor", "xyz"], 2),
        (vec!["visitor", "export", "--customer", "nobody"], 1),
        (vec!["visitor", "erase", "--conversation", "01932c5e-7b1a-7f00-8000-000000000001"], 1),
    ] {
        assert_eq!(command(&arguments, database).await.code, code, "{arguments:?}");
    }
    let nobody = command(&["visitor", "erase", "--customer", "nobody"], database).await;
    assert!(nobody.code == 0 && nobody.out.contains("nothing was stored"), "{nobody:?}");

    // While purser runs, and every tab hears of it.
    let erased = command(&["visitor", "erase", "--customer", &account], database).await;
    assert!(erased.code == 0 && erased.out.contains("deleted"), "{erased:?}");
    socket.hear_where("the end", |frame| frame["kind"] == "erased").await;
    let again = command(&["visitor", "erase", "--customer", &account], database).await;
    assert!(again.code == 0 && again.out.contains("nothing was stored"), "{again:?}");
    // Whoever was there goes on.
    socket.ask("m2", "how much does it cost?").await;
    other.ask("m2", "how much does it cost?").await;
    drop((socket, other));
    purser.stop().await;
    assert!(!is_in_files(database, "a-keepsake-to-give-out"));
    // And while none runs.
    let erased = command(&["visitor", "erase", "--conversation", &guest.conversation.to_string()], database).await;
    assert!(erased.code == 0 && erased.out.contains("deleted"), "{erased:?}");
    assert!(!is_in_files(database, "somebody else"));
}

/// The tables in which a text stands.
async fn tables_with(database: &TestDatabase, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let like = format!("%{text}%");
    if let Some(file) = database.file() {
        let mut link = SqliteConnectOptions::new().filename(file).connect().await.expect("the file");
        let columns =
            "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'";
        for row in sqlx::query(columns).fetch_all(&mut link).await.expect("columns") {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let query = format!("SELECT COUNT(*) FROM \"{table}\" WHERE CAST(\"{column}\" AS TEXT) LIKE ?");
            let count: i64 =
                sqlx::query_scalar(AssertSqlSafe(query)).bind(&like).fetch_one(&mut link).await.expect("a count");
            found.extend((count > 0).then_some(table));
        }
    }
    if let Some((server, name)) = database.on_server() {
        let mut link = server.connect(name).await;
        // Views show what stands in tables.
        let columns = "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables \
                       USING (table_schema, table_name) WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'";
        for row in sqlx::query(columns).fetch_all(&mut link).await.expect("columns") {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let query = format!("SELECT COUNT(*) FROM `{table}` WHERE CONVERT(`{column}` USING utf8mb4) LIKE ?");
            let count: i64 =
                sqlx::query_scalar(AssertSqlSafe(query)).bind(&like).fetch_one(&mut link).await.expect("a count");
            found.extend((count > 0).then_some(table));
        }
    }
    found.sort();
    found.dedup();
    found
}

async fn nothing_of_an_erased_conversation_is_in_any_table(database: &TestDatabase) {
    let slow = Slow::new();
    let setup = Setup::on(database).first(slow.clone()).first(Arc::new(Keeper));
    let purser = setup.change(|config| config.identity = Some(keys())).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (mut socket, welcome) = sign_in(&purser, &Visitor::new(), "4711-of-the-walk").await;
    let conversation: Uuid = serde_json::from_value(welcome["conversation"].clone()).expect("an id");
    let visitor = Visitor { conversation, ..Visitor::new() };
    socket.ask("walk-1", "my parcel is walked-text").await;
    socket.ask("walk-2", "talk to a person").await;
    anna.take(&visitor).await;
    anna.reply(&visitor, "an agent's walked-text").await;
    anna.does(json!({ "do": "note", "conversation": conversation, "id": Uuid::new_v4(), "text": "walked-text" })).await;
    anna.does(json!({ "do": "tags", "conversation": conversation, "tags": ["walked-text"] })).await;
    anna.does(json!({ "do": "back", "conversation": conversation })).await;
    socket.send(json!({ "type": "rate", "seq": 3, "thumb": "up" })).await;
    // An answer is under way, with what the site says of the customer.
    socket.say("walk-3", "slow walked-text").await;
    slow.was_asked().await;
    socket.hear_where("that it is stored", |frame| frame["type"] == "ack" && frame["client_id"] == "walk-3").await;
    let there = tables_with(database, "walked-text").await;
    assert_eq!(there, ["conversations", "events"], "this test would find it");
    assert_eq!(tables_with(database, "Leipzig").await, ["conversations"], "as long as the question waits");
    socket.send(json!({ "type": "erase" })).await;
    socket.hear_where("the end", |frame| frame["kind"] == "erased").await;
    slow.release();
    until("the answer to be dropped", async || (purser.desk.answers_under_way() == 0).then_some(())).await;
    for text in ["walked-text", "Leipzig", "walk-1", "4711-of"] {
        assert_eq!(tables_with(database, text).await, [] as [&str; 0], "{text}");
    }
    drop(socket);
    purser.stop().await;
    assert!(!is_in_files(database, "walked-text"));
}

const DAY: Millis = 24 * 60 * 60 * 1_000;
/// A Wednesday at 10:00 UTC.
const MORNING: Millis = 1_770_199_200_000;

fn days(days: Millis) -> Option<Millis> {
    Some(days * DAY)
}

fn clock() -> (Clock, Arc<AtomicI64>) {
    let clock = Clock::set(MORNING);
    let Clock::Set(now) = &clock else { unreachable!("it was set") };
    let now = now.clone();
    (clock, now)
}

async fn what_was_kept_long_enough_is_deleted_a_little_at_a_time(database: &TestDatabase) {
    let (clock, now) = clock();
    let retention = Retention { all: days(100), closed: days(10), anonymous: days(30) };
    let setup = Setup::on(database).clock(&clock).first(Arc::new(Keeper));
    let purser = setup.change(|config| {
        config.identity = Some(keys());
        config.retention = retention;
    });
    let purser = purser.start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    // Sixty nobodies, one of whom comes back, one that was closed, and a customer.
    let mut guests = Vec::new();
    for n in 0..60 {
        let guest = Visitor::new();
        let (status, _) = purser.post_say(&guest, "m1", &format!("my number is {n}")).await;
        assert_eq!(status, 200);
        guests.push(guest);
    }
    let closed = Visitor::new();
    let mut socket = purser.visit(&closed, 0).await;
    close(&purser, &anna, &mut socket, &closed).await;
    let identity = token_until("4711", MORNING / 1000 + 300, json!({}));
    let customer = Visitor::new();
    let hello = json!({ "type": "hello", "token": customer.token, "identity": identity });
    let mut signed_in = purser.typed().await;
    signed_in.send(hello).await;
    let customers: Uuid =
        serde_json::from_value(signed_in.hear("welcome").await["conversation"].clone()).expect("an id");
    signed_in.ask("m1", "my order is 7").await;

    // How many of these still have something in them.
    let left = async |of: &[Uuid]| {
        let mut left = 0;
        for id in of {
            let head = purser.store.conversation(ConversationId(*id)).await.expect("a read");
            left += usize::from(head.is_some_and(|head| head.status != Status::Closed || head.kept.over));
        }
        left
    };
    let ids: Vec<Uuid> = guests.iter().map(|guest| guest.conversation).collect();
    let all_done = async || {
        // Rounds begin an hour apart at the most, and each goes on at once until it is through.
        now.fetch_add(2 * 60 * 60 * 1_000, Ordering::SeqCst);
        for _ in 0..6 {
            purser.desk.do_chores().await.expect("the store");
        }
    };
    all_done().await;
    assert_eq!((left(&ids).await, left(&[closed.conversation]).await), (60, 1), "nothing is old yet");
    now.store(MORNING + 11 * DAY, Ordering::SeqCst);
    all_done().await;
    assert_eq!((left(&ids).await, left(&[closed.conversation]).await), (60, 0));
    socket.hear_where("a word about it", |frame| frame["kind"] == "erased").await;
    now.store(MORNING + 25 * DAY, Ordering::SeqCst);
    assert_eq!(purser.post_say(&guests[0], "m2", "here again").await.0, 200);
    now.store(MORNING + 31 * DAY, Ordering::SeqCst);
    purser.desk.do_chores().await.expect("the store");
    assert_eq!(left(&ids).await, 10, "a little at a time");
    all_done().await;
    assert_eq!((left(&ids).await, left(&[customers]).await), (1, 1));
    assert_eq!(left(&ids[..1]).await, 1, "who came back is kept");
    // After a while not even the mark is left, and a client that comes back begins anew.
    now.store(MORNING + 90 * DAY, Ordering::SeqCst);
    all_done().await;
    assert_eq!(purser.store.conversation(ConversationId(ids[5])).await, Ok(None));
    let mut back = purser.typed().await;
    let welcome = back.hello(&guests[5], 7).await;
    assert_eq!((&welcome["conversation"], &welcome["seq"]), (&json!(ids[5]), &json!(0)));
    back.ask("m2", "my number is 5").await;
    now.store(MORNING + 101 * DAY, Ordering::SeqCst);
    all_done().await;
    assert_eq!(left(&[customers]).await, 0);
    drop((socket, signed_in, back));
    purser.stop().await;
}

async fn of_two_nodes_one_deletes(database: &TestDatabase) {
    if !database.url().starts_with("mysql") {
        return;
    }
    let (clock, now) = clock();
    let start = || {
        let change = |config: &mut purser::config::Config| config.retention.all = days(1);
        Setup::on(database).clock(&clock).change(change).start()
    };
    let nodes = [start().await, start().await];
    let visitor = Visitor::new();
    let mut socket = nodes[1].visit(&visitor, 0).await;
    socket.ask("m1", "how much does it cost?").await;
    for _ in 0..3 {
        now.fetch_add(DAY, Ordering::SeqCst);
        let (one, two) = tokio::join!(nodes[0].desk.do_chores(), nodes[1].desk.do_chores());
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    }
    // On whichever node it was, the tab hears of it, and once.
    socket.hear_where("the end", |frame| frame["kind"] == "erased").await;
    let log = nodes[0].store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("a log");
    assert_eq!(log.len(), 1);
    drop(socket);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_with_much_behind_its_answers_is_joined_without_that() {
    /// Four answers with a megabyte of look-ups each.
    struct Heavy;
    impl Responder for Heavy {
        fn name(&self) -> &str {
            "heavy"
        }
        fn respond<'a>(&'a self, _: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
            Box::pin(async {
                let found =
                    LookedUp { source: "shop".into(), result: json!("x".repeat(1_100_000)), ..LookedUp::default() };
                Ok(Answer::Reply(Reply { text: "found".into(), lookups: vec![found], ..Reply::default() }))
            })
        }
    }
    let database = TestDatabase::sqlite();
    let setup = Setup::on(&database).first(Arc::new(Heavy)).change(|config| config.identity = Some(keys()));
    let purser = setup.start().await;
    let guest = Visitor::new();
    let mut socket = purser.visit(&guest, 0).await;
    for n in 0..5 {
        socket.ask(&format!("m{n}"), "find it").await;
    }
    let (mut joined, welcome) = sign_in(&purser, &guest, "4711").await;
    assert_eq!(welcome["seq"], 10);
    assert_eq!(joined.events_to(10).await.len(), 10);
    drop((socket, joined));
    purser.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_that_finishes_a_question_knows_the_customer() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    /// Answers with the city, and never on the first node.
    struct City(bool);
    impl Responder for City {
        fn name(&self) -> &str {
            "city"
        }
        fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
            Box::pin(async move {
                if self.0 {
                    std::future::pending::<()>().await;
                }
                let city = turn.visitor.get("city").cloned().unwrap_or_default();
                Ok(Answer::Reply(Reply { text: format!("to {city}").into(), ..Reply::default() }))
            })
        }
    }
    let start = |stuck| {
        let setup = Setup::on(&database).first(Arc::new(City(stuck)));
        let change = |config: &mut purser::config::Config| {
            config.identity = Some(keys());
            // However long it takes here, the first node does not give up.
            (config.limits.responder_seconds, config.limits.answer_seconds) = (3_000, 3_600);
        };
        setup.change(change).start()
    };
    let stuck = start(true).await;
    let (mut socket, welcome) = sign_in(&stuck, &Visitor::new(), "4711").await;
    socket.say("m1", "ship it").await;
    socket.hear("ack").await;
    // A node on which the customer never was, which finds the question due as if the first one had died.
    let other = start(false).await;
    let id = ConversationId(serde_json::from_value(welcome["conversation"].clone()).expect("an id"));
    let log = until("an answer", async || {
        let head = other.store.conversation(id).await.expect("a read").expect("a conversation");
        // The first node holds it; nobody waits for that here.
        if let Some(due) = head.wake_at {
            let _ = other.store.claim(id, due, 1).await;
        }
        other.desk.wake_due().await.expect("the store");
        let log = other.store.events_after(id, 0, 10).await.expect("a log");
        (log.len() > 1).then_some(log)
    })
    .await;
    assert_eq!(&*log[1].body, "to Leipzig");
    let head = other.store.conversation(id).await.expect("a read").expect("a conversation");
    assert_eq!(head.kept.claims, None, "it is kept no longer than that");
    drop(socket);
    other.stop().await;
    drop(stuck);
}

/// What the site says of its customer, a question back, a yes, and what is remembered of it, from a plugin and from the FAQ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_shipped_to_the_customers_address() {
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write(
        "faq/a.yaml",
        "language: en\nentries:\n  - id: where-to\n    match: exact\n    phrases: [where does it go]\n    \
         answer: It goes to {{ visitor.ship_to | default(\"nowhere yet\") }}.\n",
    );
    write("plugins/ship/plugin.yaml", "api: 1\nabout: x\nvisitor: [name, city]\nattributes: [ship_to]\n");
    write("plugins/ship/tests.yaml", "tests: []\n");
    write(
        "plugins/ship/main.rhai",
        "fn answer(turn) {\n  if turn.state != () && turn.text == \"yes\" {\n    remember(\"ship_to\", turn.state.city);\n    \
         return reply(\"On its way to \" + turn.state.city);\n  }\n  if turn.words.contains(\"ship\") {\n    \
         return ask(\"Ship to your address in \" + turn.visitor.city + \", \" + turn.visitor.name + \"?\", #{ city: turn.visitor.city });\n  }\n  pass()\n}\n",
    );
    let database = TestDatabase::sqlite();
    let purser = Setup::on(&database).change(|config| config.identity = Some(keys())).start_in(folder).await;
    let (mut socket, _) = sign_in(&purser, &Visitor::new(), "4711").await;
    let said = async |socket: &mut Typed, id: &str, text: &str| socket.ask(id, text).await.1["text"].clone();
    assert_eq!(said(&mut socket, "1", "where does it go").await, "It goes to nowhere yet.");
    assert_eq!(said(&mut socket, "2", "ship it").await, "Ship to your address in Leipzig, Ann?");
    assert_eq!(said(&mut socket, "3", "yes").await, "On its way to Leipzig");
    assert_eq!(said(&mut socket, "4", "where does it go").await, "It goes to Leipzig.");
    let known = request(&mut socket, json!({ "type": "known" }), "known").await;
    assert_eq!(known["remembered"], json!({ "ship_to": "Leipzig" }));
    request(&mut socket, json!({ "type": "forget", "name": "ship_to" }), "known").await;
    assert_eq!(said(&mut socket, "5", "where does it go").await, "It goes to nowhere yet.");
    drop(socket);
    purser.stop().await;
}

/// Whatever takes a POST takes none from the page of another site. The list is purser's own description.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_another_site_posts_anything() {
    let database = TestDatabase::sqlite();
    let purser = start(&database).await;
    let visitor = Visitor::new();
    purser.visit(&visitor, 0).await.ask("m1", "how much does it cost?").await;
    let (_, described) = get(purser.address, "/api/openapi.json", &[]).await;
    let described: Value = serde_json::from_str(&described).expect("JSON");
    let mut paths: Vec<String> = described["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .filter(|(_, operations)| operations.get("post").is_some())
        .map(|(path, _)| path.clone())
        .collect();
    assert!(paths.len() >= 6, "{paths:?}");
    paths.extend(["/agent/login", "/agent/logout", "/agent/act", "/agent/attachments"].map(str::to_owned));
    let body = json!({ "token": visitor.token, "conversation": visitor.conversation, "frame": { "type": "erase" } });
    for path in paths {
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
            let request = http_client().post(format!("http://{}{path}", purser.address)).header("Origin", origin);
            let response = within("an answer", request.body(body.to_string()).send()).await.expect("an answer");
            assert_eq!(response.status(), 403, "{path} from {origin}");
            let headers = response.headers();
            assert!(
                !headers.contains_key("location") && !headers.contains_key("access-control-allow-origin"),
                "{path}"
            );
        }
    }
    let log = purser.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("a log");
    assert_eq!(log.len(), 2, "nothing was deleted");
    purser.stop().await;
}
