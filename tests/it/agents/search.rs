//! The search goes on as far back as there is anything, a bounded piece at a time.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use purser::conversation::{ClientId, Conversation, ConversationId, EventId, Said, Text, VisitorId};
use purser::responders::{Answer, BoxFuture, Reply, Responder, Turn};
use purser::store::{Role, SEARCHED};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Agent;
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor};
use crate::on_both_engines;

on_both_engines! {
    what_is_old_is_found_too;
    capitals_and_accents_do_not_matter;
}

/// So many more than one piece.
const MORE: usize = 250;
const AT_ONCE: usize = 64;

async fn what_is_old_is_found_too(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let all = SEARCHED as usize + MORE;
    let mut ids = Vec::with_capacity(all);
    let mut appends = Vec::with_capacity(all);
    for number in 0..all {
        let id = ConversationId::new();
        let head = Conversation::new(id, VisitorId::of_token(&Uuid::new_v4().to_string()));
        let text = if number == 3 || number == all - 1 { "a needle" } else { "hay" };
        let said = Said {
            id: EventId::new(),
            client_id: ClientId::new(),
            text: Text::new(text).expect("a text"),
            choice: None,
            language: None,
            attachments: Vec::new(),
        };
        // Of one second there are a hundred, so that the order among them counts.
        let second = i64::try_from(number / 100).expect("a small number");
        let mut decision = head.say(said, second * 1_000, 1_000);
        let next = Arc::make_mut(&mut decision.next);
        next.wake_at = None;
        next.answered_seq = next.asked_seq;
        ids.push(json!(id));
        appends.push(purser.store.append(decision));
    }
    // Not all at once: each is to be stored within seconds, on any machine.
    let stored: Vec<_> = stream::iter(appends).buffer_unordered(AT_ONCE).collect().await;
    for stored in stored {
        stored.expect("it is stored");
    }
    let page = async |query: &str| {
        let (status, page) = anna.get(&format!("list?shelf=all{query}")).await;
        assert_eq!(status, 200);
        let rows: Vec<Value> = page["rows"].as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
        (rows, page["further"].as_str().map(str::to_owned))
    };
    let (rows, further) = page("&q=needle").await;
    assert_eq!(rows, [ids[all - 1].clone()]);
    let further = further.expect("there is more");
    let (rows, further) = page(&format!("&q=needle&from={further}")).await;
    assert_eq!((rows, further), (vec![ids[3].clone()], None));
    // Whatever is found is found once, and nothing is left out.
    for query in ["", "&q=hay"] {
        let (mut found, mut from) = (Vec::new(), String::new());
        loop {
            let (rows, further) = page(&format!("{query}{from}")).await;
            found.extend(rows);
            let Some(further) = further else { break };
            from = format!("&from={further}");
            assert!(found.len() <= all, "it goes round");
        }
        let expected: Vec<&Value> = ids
            .iter()
            .enumerate()
            .filter(|(n, _)| query.is_empty() || (*n != 3 && *n != all - 1))
            .map(|(_, id)| id)
            .collect();
        assert_eq!(found.len(), expected.len(), "{query}");
        let of = |id: &Value| id.to_string();
        let mut found: Vec<_> = found.iter().map(of).collect();
        let mut expected: Vec<_> = expected.into_iter().map(of).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert!(found == expected, "{query}");
    }
    purser.stop().await;
}

/// What customers and agents write, and what is remembered of them, on both engines alike.
async fn capitals_and_accents_do_not_matter(database: &TestDatabase) {
    let purser = Setup::on(database).first(Arc::new(Memory)).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let said = ["Die Straße nach KÖLN", "my size is ÄPFEL und Größe 7", "a[b]c 50%_off! *?", "Где моя ПОСЫЛКА"];
    let visitors = said.map(|_| Visitor::new());
    for (visitor, text) in visitors.iter().zip(said) {
        purser.visit(visitor, 0).await.ask("m1", text).await;
    }
    for (query, found) in [
        ("straße", Some(0)),
        ("STRASSE", Some(0)),
        ("strasse nach köln", Some(0)),
        ("Koln", Some(0)),
        ("ÖLN", Some(0)),
        // Remembered, and said by nobody.
        ("kept Äpfel", Some(1)),
        ("KEPT äpfel UND grösse", Some(1)),
        ("kept apfel", Some(1)),
        ("посылка", Some(3)),
        ("A[B]C 50%_OFF! *?", Some(2)),
        ("a[b", Some(2)),
        ("a?b", None),
        ("a*c", None),
        ("50_", None),
        ("^b", None),
        ("strase", None),
    ] {
        let rows = anna.list(&format!("list?shelf=all&q={}", encoded(query))).await;
        let ids: Vec<&Value> = rows.as_array().expect("rows").iter().map(|row| &row["id"]).collect();
        let expected: Vec<Value> = found.map(|n: usize| json!(visitors[n].conversation)).into_iter().collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "{query}");
    }
    purser.stop().await;
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Remembers sizes.
struct Memory;

impl Responder for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn respond<'a>(&'a self, turn: &'a Turn) -> BoxFuture<'a, anyhow::Result<Answer>> {
        Box::pin(async move {
            let Some(size) = turn.text.strip_prefix("my size is ") else { return Ok(Answer::Pass) };
            let attributes = vec![("size".to_owned(), Some(format!("kept {size}")))];
            Ok(Answer::Reply(Reply { text: "noted".into(), attributes, ..Reply::default() }))
        })
    }
}
