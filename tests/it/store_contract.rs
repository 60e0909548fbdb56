//! What the store promises, tried on both engines.
//!
//! The cases at the end break things: the connection around a commit, the server, the file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use purser::conversation::*;
use purser::store::{AppendError, Committed, ContentLine, ContentSet, Filed, Limits, OpenError, Store, StoreError};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::proxy::{Cut, Proxy};
use crate::servers::{MariaDb, TestDatabase, mariadb};

const NOW: Millis = 1_750_000_000_000;
const LIMIT: Millis = 30_000;

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::in_time(super::$name(super::TestDatabase::sqlite())).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(database) = super::TestDatabase::mariadb().await {
                    super::in_time(super::$name(database)).await;
                }
            })*
        }
    };
}

mod heads;
mod turns;

on_both!(
    everything_comes_back_as_it_was,
    pages_are_cut_at_both_ends,
    conversations_are_read_one_after_the_other,
    a_log_that_has_gone_on_is_a_conflict,
    a_log_that_is_shorter_than_expected_is_a_conflict,
    a_message_sent_again_gets_the_first_ones_number,
    a_message_sent_from_everywhere_at_once_is_stored_once,
    a_question_gets_one_answer,
    a_visitor_has_one_open_conversation,
    two_first_conversations_of_a_visitor_at_once_become_one,
    somebody_elses_conversation_is_a_conflict,
    a_closed_conversation_is_reopened,
    the_good_ones_of_a_bad_batch_are_stored,
    deleting_leaves_nothing_but_the_mark,
    a_writer_that_was_overtaken_by_a_deletion_has_a_conflict,
    what_was_seen_is_not_unread,
    two_nodes_share_a_conversation,
    commits_are_told_in_order_and_before_the_caller,
    due_conversations_come_earliest_first,
    a_held_question_is_not_due_earlier_when_more_is_said,
    content_sets_are_kept,
    a_content_set_of_many_files_is_kept,
    closing_commits_what_is_queued,
    what_was_stored_is_there_after_a_restart,
    an_append_that_cannot_be_right_is_refused_by_itself,
    tables_of_a_newer_version_are_tolerated,
    any_log_comes_back_as_it_was_appended,
    what_a_visitor_forgets_is_gone_whatever_its_name,
);

/// A case that waits for ever has failed.
async fn in_time(case: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(90), case).await.expect("it takes too long");
}

/// A store and what it tells of its commits.
struct Opened {
    store: Store,
    commits: mpsc::UnboundedReceiver<Committed>,
}

async fn open(url: &str) -> Opened {
    open_with(url, Limits::default()).await
}

async fn open_with(url: &str, limits: Limits) -> Opened {
    let (tell, commits) = mpsc::unbounded_channel();
    let url = url.parse().expect("a good address");
    let store = Store::open_with(&url, limits, move |committed| drop(tell.send(committed))).await;
    Opened { store: store.expect("a store"), commits }
}

fn visitor() -> VisitorId {
    VisitorId(*uuid::Uuid::new_v4().as_bytes())
}

fn new() -> Conversation {
    Conversation::new(ConversationId::new(), visitor())
}

fn said(text: &str) -> Said {
    Said {
        id: EventId::new(),
        client_id: ClientId::new(),
        text: Text::new(text).expect("a text"),
        choice: None,
        language: None,
        attachments: Vec::new(),
    }
}

/// The same message as it comes in a second time: to be another event, had it not been stored.
fn again(said: &Said) -> Said {
    Said { id: EventId::new(), ..said.clone() }
}

fn reply(text: &str) -> BotMessage {
    BotMessage {
        text: text.into(),
        buttons: Buttons::default(),
        language: None,
        provenance: Provenance {
            responder: "faq".into(),
            entry: Some("opening-hours".into()),
            revision: "0123456789ab".into(),
            micros: 17,
        },
        effects: Effects::default(),
    }
}

fn question(conversation: &Conversation, text: &str) -> Decision {
    conversation.say(said(text), NOW, LIMIT)
}

/// A question and its answer in one. Where the log only goes on by it, it says so.
fn exchange(conversation: &Conversation, text: &str) -> Decision {
    let asked = question(conversation, text);
    let last = Arc::clone(asked.events.last().expect("a question"));
    let answer = asked.next.answer(last.id, last.seq, reply("Yes."), NOW, LIMIT).expect("an answer");
    let mut both = asked.then(answer);
    both.goes_on = both.only_goes_on(conversation).then_some(0);
    both
}

fn close(conversation: &Conversation) -> Decision {
    let mut decision = question(conversation, "bye");
    let next = Arc::make_mut(&mut decision.next);
    (next.status, next.wake_at) = (Status::Closed, None);
    decision
}

/// As a node does it that saw the state before just now.
async fn stored(store: &Store, decision: &Decision) -> Conversation {
    let mut decision = decision.clone();
    decision.goes_on = decision.goes_on.map(|_| store.deletions());
    store.append(decision.clone()).await.expect("nothing is in its way");
    Conversation::clone(&decision.next)
}

async fn log(store: &Store, id: ConversationId) -> Vec<Arc<Event>> {
    store.events_after(id, 0, 1_000_000).await.expect("a log")
}

async fn everything_comes_back_as_it_was(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut head = new();
    let mut expected = Vec::new();
    let texts = [
        "plain",
        "😀🎉 zwei 👩‍👩‍👧‍👦 Smileys",
        "  blanks at both ends \n\n\t ",
        "a\0NUL\0 and a backslash \\ and quotes ' \" ` ; -- %s ?",
        "ÄÖÜ äöü ß ẞ İ ı é e\u{301}",
        &"𝔘".repeat(MAX_TEXT),
        &"\u{10FFFF}".repeat(MAX_TEXT),
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let mut words = said(text);
        if number % 2 == 1 {
            words.choice = Some("a-choice".into());
            words.language = Some("de-CH".into());
        }
        let asked = head.say(words, NOW + number as Millis, LIMIT);
        let last = Arc::clone(asked.events.last().expect("a question"));
        let mut message = reply(text);
        if number % 3 == 0 {
            message.provenance.entry = None;
            message.provenance.micros = u32::MAX;
            message.language = Some("de".into());
            message.buttons = vec![
                Button { text: "🚚 Track".to_owned(), choice: Some("track-parcel".to_owned()), ..Button::default() },
                Button {
                    text: "Else".to_owned(),
                    link: Some("https://shop.example/?a=1&b=2".to_owned()),
                    ..Button::default()
                },
            ]
            .into();
            let state = serde_json::json!({ "from": "Zürich", "kg": 2.5, "parts": [1, null] });
            message.effects.focus = Some(Box::new(Focus::new("cost", 3, state, NOW)));
            message.effects.attributes =
                vec![(format!("parcel_{number}"), Some("PX \"1\"".to_owned())), ("x".to_owned(), None)];
        }
        let answer = asked.next.answer(last.id, last.seq, message, NOW, LIMIT).expect("an answer");
        let decision = asked.then(answer);
        expected.extend(decision.events.iter().cloned());
        head = stored(&store, &decision).await;
    }
    // And with a question that waits.
    let decision = question(&head, "still there?");
    expected.extend(decision.events.iter().cloned());
    head = stored(&store, &decision).await;

    assert_eq!(log(&store, head.id).await, expected);
    assert_eq!(store.conversation(head.id).await, Ok(Some(head.clone())));
    assert_eq!(store.open_conversation(head.visitor).await, Ok(Some(head.clone())));
    for event in &expected {
        let Some(client_id) = event.client_id.as_deref() else {
            assert_eq!(event.kind, Kind::Attribute);
            continue;
        };
        assert_eq!(store.event_by_client_id(head.id, client_id).await, Ok(Some(Arc::clone(event))));
    }
    let waiting = expected.last().expect("the last question");
    assert_eq!(store.next_question(head.id, head.answered_seq).await, Ok(Some(Arc::clone(waiting))));
    assert_eq!(store.next_question(head.id, head.asked_seq).await, Ok(None));

    let nobody = new();
    assert_eq!(store.conversation(nobody.id).await, Ok(None));
    assert_eq!(store.open_conversation(nobody.visitor).await, Ok(None));
    assert_eq!(store.event_by_client_id(head.id, "nobody's").await, Ok(None));
    assert_eq!(log(&store, nobody.id).await, []);
}

async fn conversations_are_read_one_after_the_other(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut heads = Vec::new();
    for number in 0..7 {
        let head = stored(&store, &exchange(&new(), &format!("question {number}"))).await;
        heads.push(stored(&store, &exchange(&head, "and another")).await);
    }
    heads.sort_by_key(|head| head.id);
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = store.logged(after, 0, 3).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        read.extend(page);
    }
    assert_eq!(
        read.iter().map(|logged| logged.id).collect::<Vec<_>>(),
        heads.iter().map(|head| head.id).collect::<Vec<_>>()
    );
    for logged in &read {
        let mut expected = log(&store, logged.id).await;
        expected.iter_mut().for_each(|event| Arc::make_mut(event).client_id = None);
        assert_eq!(logged.events, expected);
    }
    assert_eq!(store.logged(None, heads[0].last_at + 1, 3).await, Ok(Vec::new()), "nothing happened since");
}

async fn pages_are_cut_at_both_ends(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut head = new();
    for number in 1..=5 {
        head = stored(&store, &exchange(&head, &format!("question {number}"))).await;
    }
    let seqs = |events: Result<Vec<Arc<Event>>, StoreError>| -> Vec<Seq> {
        events.expect("a page").iter().map(|event| event.seq).collect()
    };
    assert_eq!(seqs(store.events_after(head.id, 0, 3).await), [1, 2, 3]);
    assert_eq!(seqs(store.events_after(head.id, 3, 3).await), [4, 5, 6]);
    assert_eq!(seqs(store.events_after(head.id, 9, 3).await), [10]);
    assert_eq!(seqs(store.events_after(head.id, 10, 3).await), [0; 0]);
    assert_eq!(seqs(store.events_before(head.id, 11, 3).await), [8, 9, 10]);
    assert_eq!(seqs(store.events_before(head.id, 8, 3).await), [5, 6, 7]);
    assert_eq!(seqs(store.events_before(head.id, 3, 3).await), [1, 2]);
    assert_eq!(seqs(store.events_before(head.id, 1, 3).await), [0; 0]);
    assert_eq!(seqs(store.events_before(head.id, Seq::MAX, 1).await), [10]);
}

async fn a_log_that_has_gone_on_is_a_conflict(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let start = new();
    let (first, rival) = (question(&start, "first"), question(&start, "rival"));
    let head = stored(&store, &first).await;
    assert_eq!(store.append(rival).await, Err(AppendError::Conflict));
    let (next, late) = (exchange(&head, "next"), exchange(&head, "late"));
    let head = stored(&store, &next).await;
    assert_eq!(store.append(late).await, Err(AppendError::Conflict));
    assert_eq!(log(&store, head.id).await.len(), 3);
    assert_eq!(store.conversation(head.id).await, Ok(Some(head)));
}

async fn a_log_that_is_shorter_than_expected_is_a_conflict(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    // As after a fail-over to a database that lacks the last commits.
    let start = new();
    let lost = question(&start, "lost");
    assert_eq!(store.append(question(&lost.next, "after nothing")).await, Err(AppendError::Conflict));
    let head = stored(&store, &lost).await;
    let lost = question(&head, "lost too");
    assert_eq!(store.append(question(&lost.next, "after a gap")).await, Err(AppendError::Conflict));
    assert_eq!(log(&store, head.id).await.len(), 1);
    assert_eq!(store.conversation(head.id).await, Ok(Some(head)));
}

async fn a_message_sent_again_gets_the_first_ones_number(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let start = new();
    let words = said("once");
    let first = start.say(words.clone(), NOW, LIMIT);
    let head = stored(&store, &first).await;
    let repeated = Err(AppendError::Repeated { seq: 1, at: NOW });
    // Decided on the old state, which is a conflict too, and on the new one.
    assert_eq!(store.append(start.say(again(&words), NOW + 5, LIMIT)).await, repeated);
    assert_eq!(store.append(head.say(again(&words), NOW + 5, LIMIT)).await, repeated);
    let head = stored(&store, &exchange(&head, "another")).await;
    assert_eq!(store.append(head.say(again(&words), NOW + 9, LIMIT)).await, repeated);
    assert_eq!(log(&store, head.id).await.len(), 3);
    // Client ids differ by every byte: case counts. In another conversation it is another message.
    let mut other = again(&words);
    other.client_id = ClientId::try_from(words.client_id.as_str().to_uppercase()).expect("an id");
    stored(&store, &head.say(other, NOW, LIMIT)).await;
    stored(&store, &new().say(again(&words), NOW, LIMIT)).await;
}

async fn a_message_sent_from_everywhere_at_once_is_stored_once(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let start = new();
    let words = said("once");
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        // Each tab decides by itself: another event id each time.
        let (store, decision) = (store.clone(), start.say(again(&words), NOW, LIMIT));
        tasks.spawn(async move { store.append(decision).await });
    }
    let outcomes = tasks.join_all().await;
    let (done, repeated): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1);
    assert!(repeated.iter().all(|outcome| *outcome == Err(AppendError::Repeated { seq: 1, at: NOW })), "{repeated:?}");
    assert_eq!(log(&store, start.id).await.len(), 1);
}

async fn a_question_gets_one_answer(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let asked = question(&new(), "well?");
    let head = stored(&store, &asked).await;
    let id = asked.events[0].id;
    let answer = |text| head.answer(id, 1, reply(text), NOW, LIMIT).expect("an answer");
    let head = stored(&store, &answer("first")).await;
    assert_eq!(store.append(answer("second")).await, Err(AppendError::Conflict));
    // Even if it were decided on the newest state.
    let mut unanswered = head.clone();
    unanswered.answered_seq = 0;
    let third = unanswered.answer(id, 1, reply("third"), NOW, LIMIT).expect("an answer");
    assert_eq!(store.append(third).await, Err(AppendError::Conflict));
    let bodies: Vec<String> = log(&store, head.id).await.iter().map(|event| event.body.as_ref().to_owned()).collect();
    assert_eq!(bodies, ["well?", "first"]);
}

async fn a_visitor_has_one_open_conversation(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let first = new();
    let first = stored(&store, &exchange(&first, "here")).await;
    let second = Conversation::new(ConversationId::new(), first.visitor);
    let elsewhere = store.append(exchange(&second, "and there")).await;
    assert_eq!(elsewhere, Err(AppendError::Elsewhere(first.id)));
    assert_eq!(store.conversation(second.id).await, Ok(None));
    assert_eq!(store.conversation(first.id).await, Ok(Some(first.clone())), "the other one's head is as it was");
    let first = stored(&store, &close(&first)).await;
    assert_eq!(store.open_conversation(first.visitor).await, Ok(None));
    let second = stored(&store, &exchange(&second, "and there")).await;
    assert_eq!(store.open_conversation(first.visitor).await, Ok(Some(second)));
}

async fn two_first_conversations_of_a_visitor_at_once_become_one(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let visitor = visitor();
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (store, start) = (store.clone(), Conversation::new(ConversationId::new(), visitor));
        tasks.spawn(async move { (start.id, store.append(exchange(&start, "hello")).await) });
    }
    let outcomes = tasks.join_all().await;
    let winner = store.open_conversation(visitor).await.expect("a read").expect("one of them").id;
    for (id, outcome) in outcomes {
        let expected = if id == winner { Ok(()) } else { Err(AppendError::Elsewhere(winner)) };
        assert_eq!(outcome, expected);
    }
}

async fn somebody_elses_conversation_is_a_conflict(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let words = said("mine");
    let mine = stored(&store, &new().say(words.clone(), NOW, LIMIT)).await;
    let theirs = Conversation::new(mine.id, visitor());
    assert_eq!(store.append(theirs.say(again(&words), NOW, LIMIT)).await, Err(AppendError::Conflict));
    assert_eq!(store.conversation(mine.id).await, Ok(Some(mine)));
}

async fn a_closed_conversation_is_reopened(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let closed = stored(&store, &close(&new())).await;
    let reopened = stored(&store, &exchange(&closed, "one more thing")).await;
    assert_eq!(store.open_conversation(closed.visitor).await, Ok(Some(reopened.clone())));
    let kinds: Vec<Kind> = log(&store, closed.id).await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::Message, Kind::Reopened, Kind::Message, Kind::Message]);

    // Not while another one is open.
    let closed = stored(&store, &close(&reopened)).await;
    let other = Conversation::new(ConversationId::new(), closed.visitor);
    let other = stored(&store, &exchange(&other, "elsewhere")).await;
    let refused = store.append(exchange(&closed, "and again here")).await;
    assert_eq!(refused, Err(AppendError::Elsewhere(other.id)));
    assert_eq!(store.conversation(closed.id).await, Ok(Some(closed)));
}

async fn the_good_ones_of_a_bad_batch_are_stored(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let answered = stored(&store, &exchange(&new(), "stored before")).await;
    let words = said("stored before");
    let said_before = stored(&store, &new().say(words.clone(), NOW, LIMIT)).await;
    let mut tasks = JoinSet::new();
    for number in 0..300 {
        let (decision, expected) = match number % 10 {
            3 => (question(&Conversation::new(answered.id, answered.visitor), "late"), Err(AppendError::Conflict)),
            6 => {
                let other = Conversation::new(ConversationId::new(), answered.visitor);
                (question(&other, "elsewhere"), Err(AppendError::Elsewhere(answered.id)))
            }
            9 => {
                let repeated = AppendError::Repeated { seq: 1, at: NOW };
                (said_before.say(again(&words), NOW + 7, LIMIT), Err(repeated))
            }
            _ => (exchange(&new(), "good"), Ok(())),
        };
        let store = store.clone();
        tasks.spawn(async move {
            let id = decision.next.id;
            let events = decision.events.clone();
            let outcome = store.append(decision).await;
            assert_eq!(outcome, expected);
            if outcome.is_ok() {
                assert_eq!(log(&store, id).await, events);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(store.conversation(answered.id).await, Ok(Some(answered)));
    assert_eq!(store.conversation(said_before.id).await, Ok(Some(said_before)));
}

async fn deleting_leaves_nothing_but_the_mark(database: TestDatabase) {
    let Opened { store, mut commits } = open(&database.url()).await;
    let mut head = new();
    for text in ["my secret", "my other secret"] {
        head = stored(&store, &exchange(&head, text)).await;
    }
    let other = stored(&store, &exchange(&new(), "somebody else's")).await;
    let erased = head.erase(NOW + 1).expect("something to delete");
    head = stored(&store, &erased).await;
    assert_eq!(log(&store, head.id).await, erased.events);
    assert_eq!(store.open_conversation(head.visitor).await, Ok(None));
    assert_eq!(store.conversation(head.id).await, Ok(Some(head.clone())));
    assert_eq!(log(&store, other.id).await.len(), 2, "nobody else's is touched");
    // Whoever follows is told, and the log goes on with the next number.
    let mut told = Vec::new();
    while let Ok(committed) = commits.try_recv() {
        told.extend(committed.events.iter().map(|event| event.kind).filter(|kind| *kind == Kind::Erased));
    }
    assert_eq!(told, [Kind::Erased]);
    head = stored(&store, &exchange(&head, "something new")).await;
    let seqs: Vec<Seq> = log(&store, head.id).await.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [5, 6, 7, 8], "the mark, reopened, a question, its answer");
}

async fn a_writer_that_was_overtaken_by_a_deletion_has_a_conflict(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let head = stored(&store, &question(&new(), "my secret")).await;
    let asked = log(&store, head.id).await.pop().expect("a question");
    let late = head.answer(asked.id, asked.seq, reply("About your secret"), NOW, LIMIT).expect("an answer");
    stored(&store, &head.erase(NOW).expect("something to delete")).await;
    assert_eq!(store.append(late).await, Err(AppendError::Conflict));
    assert_eq!(log(&store, head.id).await.len(), 1);
}

async fn what_was_seen_is_not_unread(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut head = new();
    assert_eq!(store.unread(head.visitor, 0).await, Ok(0));
    for number in 1..=3 {
        head = stored(&store, &exchange(&head, &format!("question {number}"))).await;
    }
    assert_eq!(store.unread(head.visitor, 0).await, Ok(3), "answers count, own messages do not");
    assert_eq!(store.unread(head.visitor, 4).await, Ok(1));
    store.note_seen(head.id, 4);
    store.note_seen(head.id, 2);
    let other = stored(&store, &exchange(&new(), "somebody else's")).await;
    store.note_seen(other.id, 99);
    // The writer notes it after what was ordered before it.
    head = stored(&store, &exchange(&head, "question 4")).await;
    store.note_seen(head.id, 1);
    let other = stored(&store, &exchange(&other, "somebody else's")).await;
    assert_eq!(store.unread(head.visitor, 0).await, Ok(2));
    assert_eq!(store.unread(other.visitor, 0).await, Ok(2), "nobody has seen what is not there yet");
    assert_eq!(store.unread(visitor(), 0).await, Ok(0));
    for number in 0..100 {
        head = stored(&store, &exchange(&head, &format!("question {number}"))).await;
    }
    assert_eq!(store.unread(head.visitor, 0).await, Ok(99), "nobody counts further");
}

/// Several writers on one database; on SQLite, where there is one, several tasks.
async fn two_nodes_share_a_conversation(database: TestDatabase) {
    let first = open(&database.url()).await.store;
    let second = if database.file().is_some() { first.clone() } else { open(&database.url()).await.store };
    let starts: Vec<Conversation> = (0..8).map(|_| new()).collect();
    let mut tasks = JoinSet::new();
    for node in [first.clone(), second] {
        for start in &starts {
            let (node, start) = (node.clone(), start.clone());
            tasks.spawn(async move {
                let mut mine = Vec::new();
                while mine.len() < 20 {
                    let known = node.deletions();
                    let head = node.conversation(start.id).await.expect("a head").unwrap_or_else(|| start.clone());
                    let mut decision = exchange(&head, "me next");
                    decision.goes_on = decision.goes_on.map(|_| known);
                    let id = decision.events[0].id;
                    match node.append(decision).await {
                        Ok(()) => mine.push(id),
                        Err(AppendError::Conflict) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                (start.id, mine)
            });
        }
    }
    let mut all: BTreeMap<ConversationId, Vec<EventId>> = BTreeMap::new();
    for (conversation, mine) in tasks.join_all().await {
        all.entry(conversation).or_default().extend(mine);
    }
    for (conversation, mut expected) in all {
        let events = log(&first, conversation).await;
        let seqs: Vec<Seq> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=80).collect::<Vec<Seq>>());
        let mut stored: Vec<EventId> =
            events.iter().filter(|event| event.author == Author::Visitor).map(|event| event.id).collect();
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected, "what was acknowledged is there, once, and nothing else");
    }
}

async fn commits_are_told_in_order_and_before_the_caller(database: TestDatabase) {
    let told: Arc<Mutex<Vec<Committed>>> = Arc::default();
    let list = Arc::clone(&told);
    let url = database.url().parse().expect("a good address");
    let store = Store::open(&url, move |committed| list.lock().expect("no panic").push(committed)).await;
    let store = store.expect("a store");
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (store, told) = (store.clone(), Arc::clone(&told));
        tasks.spawn(async move {
            let mut head = new();
            for _ in 0..10 {
                let decision = exchange(&head, "next");
                let last = decision.next.last_seq;
                head = stored(&store, &decision).await;
                let told = told.lock().expect("no panic");
                let mine = told.iter().rfind(|committed| committed.conversation == head.id).expect("told before");
                assert_eq!(mine.events.last().map(|event| event.seq), Some(last));
            }
            head.id
        });
    }
    for id in tasks.join_all().await {
        let told: Vec<Arc<Event>> = {
            let told = told.lock().expect("no panic");
            let mine = told.iter().filter(|committed| committed.conversation == id);
            mine.flat_map(|committed| committed.events.iter().cloned()).collect()
        };
        assert_eq!(told, log(&store, id).await);
    }
}

async fn due_conversations_come_earliest_first(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut waiting = Vec::new();
    for after in [500, 100, 300, 200, 400] {
        let decision = new().say(said("hello?"), NOW, after);
        waiting.push(stored(&store, &decision).await);
    }
    stored(&store, &exchange(&new(), "answered at once")).await;
    waiting.sort_by_key(|conversation| conversation.wake_at);
    assert_eq!(store.due(NOW + 99, 10).await, Ok(Vec::new()));
    assert_eq!(store.due(NOW + 300, 10).await, Ok(waiting[..3].to_vec()));
    assert_eq!(store.due(NOW + 900, 2).await, Ok(waiting[..2].to_vec()));
    let question = store.next_question(waiting[0].id, 0).await.expect("a read").expect("the question");
    let answer = waiting[0].answer(question.id, 1, reply("here"), NOW, LIMIT).expect("an answer");
    stored(&store, &answer).await;
    assert_eq!(store.due(NOW + 900, 1).await, Ok(waiting[1..2].to_vec()));
}

async fn a_held_question_is_not_due_earlier_when_more_is_said(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let first = question(&new(), "a long story");
    let head = stored(&store, &first).await;
    let due = async || store.conversation(head.id).await.expect("a read").expect("a conversation").wake_at;
    assert_eq!(due().await, Some(NOW + LIMIT));
    store.hold(vec![head.id], NOW + 10 * LIMIT).await.expect("it is held");
    // Decided by somebody who does not know of the hold.
    let head = stored(&store, &question(&head, "are you there?")).await;
    assert_eq!((head.wake_at, due().await), (Some(NOW + LIMIT), Some(NOW + 10 * LIMIT)));
    // The next question has its own time, also if that is earlier.
    let asked = &first.events[0];
    let answer = head.answer(asked.id, asked.seq, reply("It is."), NOW, LIMIT).expect("an answer");
    let head = stored(&store, &answer).await;
    assert_eq!(due().await, Some(NOW + LIMIT));
    let last = log(&store, head.id).await[1].clone();
    stored(&store, &head.answer(last.id, last.seq, reply("Yes."), NOW, LIMIT).expect("an answer")).await;
    assert_eq!(due().await, None);
    // And so has a question after that.
    store.hold(vec![head.id], NOW + 20 * LIMIT).await.expect("nothing to hold");
    assert_eq!(due().await, None);
}

async fn content_sets_are_kept(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    assert_eq!(store.latest_content().await, Ok(None));
    let set = |revision: &str, at, files: &[(&str, &[u8])]| ContentSet {
        revision: revision.to_owned(),
        at,
        files: files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect(),
    };
    let binary: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    let first = set("aaaa00000000", 10, &[("faq/en/a.yaml", "ü\0".as_bytes()), ("faq/big.bin", &binary)]);
    // The clock was set back; it is the later one all the same.
    let second = set("aaaabbbbbbbb", 5, &[("faq/en/a.yaml", "ü\0".as_bytes()), ("faq/empty.yaml", b"")]);
    store.keep_content(&first).await.expect("kept");
    store.keep_content(&second).await.expect("kept");
    assert_eq!(store.latest_content().await, Ok(Some(second.clone())));
    assert_eq!(store.content_set("aaaa00000000").await, Ok(Some(first.clone())));
    assert_eq!(store.content_set("aaaab").await, Ok(Some(second.clone())));
    assert_eq!(store.content_set("AAAAB").await, Ok(Some(second.clone())));
    assert_eq!(store.content_set("aaaa").await, Err(StoreError::Ambiguous("aaaa".to_owned())));
    for nothing in ["", "b", "%", "aaaa_", "aaaabbbbbbbbb"] {
        assert_eq!(store.content_set(nothing).await, Ok(None), "{nothing:?}");
    }
    // A roll-back: the first is live again.
    let again = ContentSet { at: 20, ..first.clone() };
    store.keep_content(&again).await.expect("kept");
    assert_eq!(store.latest_content().await, Ok(Some(again)));
    let line = |set: &ContentSet, at| ContentLine { revision: set.revision.clone(), at, files: 2 };
    assert_eq!(store.content_sets(10).await, Ok(vec![line(&first, 20), line(&second, 5)]));
    assert_eq!(store.content_sets(1).await, Ok(vec![line(&first, 20)]));
    // A revision is the start of another one.
    let third = set("aaaa0000000011", 30, &[]);
    store.keep_content(&third).await.expect("kept");
    assert_eq!(store.content_set("aaaa00000000").await, Ok(Some(ContentSet { at: 20, ..first })));
    assert_eq!(store.latest_content().await, Ok(Some(third)));
}

/// More files than one statement takes, and many of them the same: in one set, and in one kept before.
async fn a_content_set_of_many_files_is_kept(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let of = |revision: &str, numbers: std::ops::Range<usize>| ContentSet {
        revision: revision.to_owned(),
        at: 10,
        files: numbers.map(|n| (format!("faq/{n:04}.yaml"), (n % 1_500 / 2).to_string().into_bytes())).collect(),
    };
    for set in [of("aaaa00000000", 0..2_500), of("bbbb00000000", 1_000..3_100)] {
        store.keep_content(&set).await.expect("kept");
        assert_eq!(store.latest_content().await, Ok(Some(set)));
    }
}

/// Nodes that are started together after an update have the same new files, and all want to keep them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_keep_the_same_content_at_once() {
    const NODES: usize = 6;
    let Some(database) = TestDatabase::mariadb().await else { return };
    let mut stores = Vec::new();
    for _ in 0..NODES {
        stores.push(open(&database.url()).await.store);
    }
    for round in 0..5 {
        let files = (0..60).map(|n| (format!("faq/{n}.yaml"), format!("{} of {round}", n % 40).into_bytes()));
        let set = ContentSet { revision: format!("{round:012}"), at: 10 + round, files: files.collect() };
        let keeping = stores.iter().map(|store| {
            let (store, set) = (store.clone(), set.clone());
            async move { store.keep_content(&set).await }
        });
        let kept = JoinSet::from_iter(keeping).join_all().await;
        assert_eq!(kept, [const { Ok(()) }; NODES]);
        for store in &stores {
            assert_eq!(store.latest_content().await.as_ref(), Ok(&Some(set.clone())));
        }
    }
    assert_eq!(stores[0].content_sets(100).await.expect("a list").len(), 5);
}

async fn closing_commits_what_is_queued(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let mut tasks = JoinSet::new();
    for _ in 0..500 {
        let (store, decision) = (store.clone(), exchange(&new(), "just in time"));
        let id = decision.next.id;
        tasks.spawn(async move { (id, store.append(decision).await) });
    }
    let first = tasks.join_next().await.expect("500 of them").expect("no panic");
    assert_eq!(first.1, Ok(()));
    tokio::join!(store.close(), store.close());
    let closed = StoreError::Closed;
    assert_eq!(store.append(exchange(&new(), "too late")).await, Err(AppendError::Unavailable(closed.clone())));
    assert_eq!(store.conversation(first.0).await, Err(closed.clone()));
    assert_eq!(
        store.keep_content(&ContentSet { revision: "a".into(), at: 0, files: BTreeMap::new() }).await,
        Err(closed)
    );
    let mut outcomes = tasks.join_all().await;
    outcomes.push(first);

    let Opened { store, .. } = open(&database.url()).await;
    for (id, outcome) in outcomes {
        let there = store.conversation(id).await.expect("a read").is_some();
        assert_eq!(there, outcome.is_ok(), "{outcome:?}");
    }
}

async fn what_was_stored_is_there_after_a_restart(database: TestDatabase) {
    let decision = exchange(&new(), "remember me");
    let Opened { store, .. } = open(&database.url()).await;
    let head = stored(&store, &decision).await;
    let described = store.describe();
    assert!(described.starts_with("SQLite file ") || described.starts_with("MariaDB 1"), "{described}");
    // Without `close`: the last clone ends the writer, which gives up the file.
    drop(store);
    let store = loop {
        match Store::open(&database.url().parse().expect("a good address"), |_| ()).await {
            Ok(store) => break store,
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(log(&store, head.id).await, decision.events);
    stored(&store, &exchange(&head, "and on")).await;
}

async fn an_append_that_cannot_be_right_is_refused_by_itself(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let good = exchange(&new(), "good");
    let mut gap = good.clone();
    gap.events.remove(0);
    let mut short = good.clone();
    short.events.pop();
    let mut empty = good.clone();
    empty.events.clear();
    let mut large = good.clone();
    let event = Event { body: "x".repeat(5 << 20).into(), ..(*good.events[0]).clone() };
    large.events[0] = Arc::new(event);
    let mut long = good.clone();
    let mut event = (*good.events[1]).clone();
    event.provenance = event.provenance.map(|p| Provenance { entry: Some("e".repeat(256).into()), ..p });
    long.events[1] = Arc::new(event);
    let mut language = good.clone();
    Arc::make_mut(&mut language.next).language = Some("x".repeat(65).into());
    for bad in [gap, short, empty, large, long, language] {
        let outcome = store.append(bad).await;
        assert!(matches!(outcome, Err(AppendError::Unavailable(StoreError::Misfit(_)))), "{outcome:?}");
    }
    // One client id twice in one append: no check beforehand, the key says no, and nobody else is hurt.
    let mut twice = good.clone();
    let event = Event { client_id: good.events[0].client_id.clone(), ..(*good.events[1]).clone() };
    twice.events[1] = Arc::new(event);
    let next = Arc::make_mut(&mut twice.next);
    (next.id, next.visitor) = (ConversationId::new(), visitor());
    let (bad, fine) = tokio::join!(store.append(twice), store.append(good.clone()));
    assert!(matches!(bad, Err(AppendError::Unavailable(StoreError::Refused(_)))), "{bad:?}");
    assert_eq!(fine, Ok(()));
    // The longest that fits.
    let mut event = (*exchange(&new(), "x").events[1]).clone();
    event.provenance = event.provenance.map(|p| Provenance { entry: Some("é".repeat(255).into()), ..p });
    event.seq = 3;
    let mut longest =
        Decision { expected_seq: 2, events: vec![Arc::new(event)], next: good.next, copied: false, goes_on: None };
    let next = Arc::make_mut(&mut longest.next);
    (next.last_seq, next.language) = (3, Some("ü".repeat(64).into()));
    let head = stored(&store, &longest).await;
    assert_eq!(store.events_after(head.id, 2, 1).await, Ok(longest.events));
}

async fn tables_of_a_newer_version_are_tolerated(database: TestDatabase) {
    open(&database.url()).await.store.close().await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9999, 'from the future', 1, 'x', 1)";
    match (database.file(), database.on_server()) {
        (Some(file), _) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            options.connect().await.expect("the file").execute(sql).await.expect("a row");
        }
        (_, Some((server, name))) => {
            server.connect(name).await.execute(sql).await.expect("a row");
        }
        _ => unreachable!("one of the two"),
    }
    let Opened { store, .. } = open(&database.url()).await;
    stored(&store, &exchange(&new(), "all the same")).await;
}

async fn any_log_comes_back_as_it_was_appended(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let handle = tokio::runtime::Handle::current();
    let cases = tokio::task::spawn_blocking(move || {
        let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
        let append = (prop::collection::vec(any_event(), 1..20), any::<bool>());
        let appends = prop::collection::vec(append, 1..8);
        TestRunner::new(config).run(&appends, |appends| {
            let (expected, head, found) = handle.block_on(async {
                let mut head = new();
                let mut expected = Vec::new();
                for (events, turn) in appends {
                    let decision = if turn { exchange(&head, "a turn") } else { append_of(&head, events) };
                    expected.extend(decision.events.iter().cloned());
                    head = stored(&store, &decision).await;
                }
                let found = (log(&store, head.id).await, store.conversation(head.id).await);
                (as_forgotten(expected), head, found)
            });
            prop_assert_eq!(found.0, expected);
            prop_assert_eq!(found.1, Ok(Some(head)));
            Ok::<(), TestCaseError>(())
        })
    });
    cases.await.expect("no panic").expect("every log comes back");
}

async fn what_a_visitor_forgets_is_gone_whatever_its_name(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    for name in ["", "a", "A", "ß", "\0", "\"", "\\", "a.b"] {
        let head = new();
        let event = |author, value: Option<&str>| {
            let attribute = Attribute { name: name.to_owned(), value: value.map(str::to_owned) };
            Event {
                id: EventId::new(),
                seq: 0,
                at: 1,
                kind: Kind::Attribute,
                author,
                body: "".into(),
                client_id: None,
                provenance: None,
                meta: Meta { attribute: Some(Box::new(attribute)), ..Meta::default() },
            }
        };
        let remembered = stored(&store, &append_of(&head, vec![event(Author::Bot, Some("secret"))])).await;
        stored(&store, &append_of(&remembered, vec![event(Author::Visitor, None)])).await;
        let values: Vec<_> =
            log(&store, head.id).await.iter().map(|event| event.meta.attribute.clone().and_then(|a| a.value)).collect();
        assert_eq!(values, [None, None], "{name:?}");
    }
}

/// The same log once the store has done what its events say: what a visitor has forgotten is in no earlier event, which
/// then tells only that it was.
fn as_forgotten(mut log: Vec<Arc<Event>>) -> Vec<Arc<Event>> {
    for at in 0..log.len() {
        let by_visitor = log[at].kind == Kind::Attribute && log[at].author == Author::Visitor;
        let Some(name) = log[at].meta.attribute.clone().filter(|_| by_visitor).map(|forgotten| forgotten.name) else {
            continue;
        };
        let meta = log[at].meta.clone();
        for earlier in &mut log[..at] {
            let same = earlier.meta.attribute.as_ref().is_some_and(|attribute| attribute.name == name);
            if earlier.kind == Kind::Attribute && same {
                *earlier = Arc::new(Event { meta: meta.clone(), ..(**earlier).clone() });
            }
        }
    }
    log
}

fn any_event() -> impl Strategy<Value = Event> {
    let names = "[a-zA-Z0-9 üß😀'\"\\\\\0-]{0,60}";
    let provenance = (names, prop::option::of(names), "[0-9a-f]{12}", any::<u32>()).prop_map(
        |(responder, entry, revision, micros)| Provenance {
            responder: responder.into(),
            entry: entry.map(Arc::from),
            revision: revision.into(),
            micros,
        },
    );
    let buttons = prop::collection::vec((any::<String>(), prop::option::of(names)), 0..3);
    let thumb = prop::sample::select(vec![Some(Thumb::Up), Some(Thumb::Down), None]);
    let rated = prop::option::of((any::<Seq>(), thumb).prop_map(|(answer, thumb)| Rated { answer, thumb }));
    // Few names, so that something is often remembered, forgotten and remembered again.
    let attribute =
        ("[aAßs\\\\\"\0]?", prop::option::of(any::<String>())).prop_map(|(name, value)| Attribute { name, value });
    let attribute = prop::option::of(attribute);
    let question = prop::option::of(any::<Seq>());
    let behind = prop::option::of((names, any::<String>()).prop_map(|(source, found)| {
        let lookups = vec![LookedUp { source, result: found.into(), ..LookedUp::default() }];
        Box::new(Behind { focus: None, lookups, usage: None })
    }));
    // Of one that was ordered nowhere, so the outbox stays as it is.
    let settled = || Settled { errand: EventId::new(), outcome: Outcome::Refused, fields: serde_json::Map::new() };
    let errand = any::<bool>().prop_map(move |is| is.then(|| Box::new(Errand::Settled(settled()))));
    let about = (rated, attribute, behind, errand);
    let meta = (buttons, prop::option::of(names), prop::option::of(names), question, about).prop_map(
        |(buttons, choice, language, question, (rated, attribute, behind, errand))| Meta {
            buttons: buttons.into_iter().map(|(text, choice)| Button { text, choice, ..Button::default() }).collect(),
            choice: choice.map(Arc::from),
            language: language.map(Arc::from),
            question,
            rated,
            attribute: attribute.map(Box::new),
            behind,
            errand,
            ..Meta::default()
        },
    );
    let author = prop::sample::select(vec![Author::Visitor, Author::Agent, Author::Bot, Author::System]);
    let kind = prop::sample::select(vec![Kind::Message, Kind::Reopened, Kind::Rated, Kind::Attribute, Kind::Errand]);
    let start = (0..i64::MAX / 2, kind, author, any::<String>(), any::<bool>());
    (start, prop::option::of(provenance), meta).prop_map(|((at, kind, author, body, named), provenance, meta)| {
        let client_id = named.then(|| ClientId::new().as_str().to_owned());
        Event {
            id: EventId::new(),
            seq: 0,
            at,
            kind,
            author,
            body: body.into(),
            client_id: client_id.map(Arc::from),
            provenance,
            meta,
        }
    })
}

/// The events as the conversation's next ones.
fn append_of(head: &Conversation, events: Vec<Event>) -> Decision {
    let mut next = head.clone();
    let events = events.into_iter().map(|event| {
        next.last_seq += 1;
        next.last_at = event.at;
        Arc::new(Event { seq: next.last_seq, ..event })
    });
    let events = events.collect();
    Decision { expected_seq: head.last_seq, events, next: next.into(), copied: false, goes_on: None }
}

// From here on, things are broken.

/// A store that reaches its own database on the shared server by way of a proxy.
struct Proxied {
    proxy: Proxy,
    opened: Opened,
    server: &'static MariaDb,
    database: String,
}

async fn proxied(limits: Limits) -> Option<Proxied> {
    let server = tokio::task::spawn_blocking(mariadb).await.expect("no panic")?;
    let database = server.database("proxied").await;
    let proxy = Proxy::to(server.port()).await;
    let opened = open_with(&server.url(&database, proxy.port()), limits).await;
    // Connected, with everything prepared.
    stored(&opened.store, &exchange(&new(), "warm")).await;
    Some(Proxied { proxy, opened, server, database })
}

fn patience(millis: u64) -> Limits {
    Limits { patience: Duration::from_millis(millis), ..Limits::default() }
}

/// COM_QUERY.
const COMMIT: &[u8] = b"\x03COMMIT";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_recognised() {
    commits_once_with_a_cut(Cut::After).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_never_arrived_is_done_again() {
    commits_once_with_a_cut(Cut::Before).await;
}

async fn commits_once_with_a_cut(cut: Cut) {
    let Some(Proxied { proxy, mut opened, .. }) = proxied(Limits::default()).await else { return };
    let store = &opened.store;
    let old = stored(store, &exchange(&new(), "before")).await;
    while opened.commits.try_recv().is_ok() {}

    proxy.trap(COMMIT, cut);
    let mut decisions: Vec<Decision> = (0..20).map(|_| exchange(&new(), "cut off")).collect();
    decisions.push(exchange(&old, "cut off too"));
    let mut tasks = JoinSet::new();
    for decision in decisions.clone() {
        let store = store.clone();
        tasks.spawn(async move { store.append(decision).await });
    }
    let (outcomes, ()) = tokio::join!(tasks.join_all(), proxy.sprung());
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    are_stored_once(&mut opened, &decisions).await;
}

/// Each is stored and was told, once.
async fn are_stored_once(opened: &mut Opened, decisions: &[Decision]) {
    let mut told = BTreeMap::new();
    while let Ok(committed) = opened.commits.try_recv() {
        assert_eq!(told.insert(committed.conversation, committed.events), None, "told twice");
    }
    for decision in decisions {
        let id = decision.next.id;
        assert_eq!(opened.store.conversation(id).await, Ok(Some(Conversation::clone(&decision.next))));
        assert_eq!(opened.store.events_after(id, decision.expected_seq, 100).await.as_ref(), Ok(&decision.events));
        assert_eq!(told.get(&id), Some(&decision.events));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_again() {
    let Some(Proxied { proxy, opened, .. }) = proxied(Limits::default()).await else { return };
    let mut head = new();
    for _ in 0..5 {
        proxy.cut();
        head = stored(&opened.store, &exchange(&head, "still here?")).await;
        assert_eq!(opened.store.conversation(head.id).await, Ok(Some(head.clone())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_absence_is_waited_out() {
    let Some(Proxied { proxy, opened, .. }) = proxied(Limits::default()).await else { return };
    proxy.refuse(true);
    proxy.cut();
    let decision = exchange(&new(), "are you there?");
    let (store, waiting) = (opened.store.clone(), decision.clone());
    let append = tokio::spawn(async move { store.append(waiting).await });
    proxy.refused().await;
    proxy.refuse(false);
    assert_eq!(append.await.expect("no panic"), Ok(()));
    assert_eq!(log(&opened.store, decision.next.id).await, decision.events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_unavailable_and_comes_back_by_itself() {
    let Some(Proxied { proxy, opened, .. }) = proxied(patience(1500)).await else { return };
    let store = &opened.store;
    proxy.refuse(true);
    proxy.cut();
    let decision = exchange(&new(), "are you there?");
    let outcome = store.append(decision.clone()).await;
    assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    let outcome = store.conversation(decision.next.id).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable(_) | StoreError::TimedOut(_))), "{outcome:?}");
    proxy.refuse(false);
    stored(store, &decision).await;
    assert_eq!(log(store, decision.next.id).await, decision.events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_says_nothing_is_unavailable_and_comes_back_by_itself() {
    let Some(Proxied { proxy, opened, .. }) = proxied(patience(700)).await else { return };
    let store = &opened.store;
    proxy.stall(true);
    let decision = exchange(&new(), "are you there?");
    let outcome = store.append(decision.clone()).await;
    assert!(matches!(outcome, Err(AppendError::Unavailable(StoreError::TimedOut(_)))), "{outcome:?}");
    let outcome = store.conversation(decision.next.id).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable(_) | StoreError::TimedOut(_))), "{outcome:?}");
    proxy.stall(false);
    // The customer's client sends it again. What the first one left on the way must not get into its way.
    let again = loop {
        match store.append(decision.clone()).await {
            Err(AppendError::Unavailable(_)) => {}
            outcome => break outcome,
        }
    };
    assert_eq!(again, Ok(()));
    assert_eq!(log(store, decision.next.id).await, decision.events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_tried_again() {
    let Some(Proxied { proxy: _proxy, opened, server, database }) = proxied(Limits::default()).await else { return };
    let store = &opened.store;
    let mut heads = Vec::new();
    for _ in 0..8 {
        heads.push(stored(store, &exchange(&new(), "calm")).await);
    }
    heads.sort_by_key(|head| head.id);
    let deadlocks = deadlocks(server).await;

    // Somebody who has more to lose (InnoDB rolls the smaller transaction back) holds the last head…
    let mut rival = server.connect(&database).await;
    rival.execute("CREATE TABLE load_of_rows (n INT PRIMARY KEY) ENGINE = InnoDB").await.expect("a table");
    rival.execute("BEGIN").await.expect("a transaction");
    rival.execute("INSERT INTO load_of_rows SELECT seq FROM seq_1_to_5000").await.expect("rows");
    let touch = "UPDATE conversations SET language = 'xx' WHERE id = ?";
    sqlx::query(touch).bind(heads[7].id.0).execute(&mut rival).await.expect("the last head");
    let mut tasks = JoinSet::new();
    for head in heads.clone() {
        let store = store.clone();
        tasks.spawn(async move { stored(&store, &exchange(&head, "in between")).await });
    }
    // …until the writer waits for that one, holding others; then it wants them.
    let rival_id: u64 = rival.fetch_one("SELECT CONNECTION_ID()").await.expect("an id").get(0);
    let mut watcher = server.connect(&database).await;
    let waits = "SELECT COUNT(*) FROM information_schema.innodb_lock_waits w JOIN information_schema.innodb_trx t \
                 ON t.trx_id = w.blocking_trx_id WHERE t.trx_mysql_thread_id = ?";
    loop {
        let row = sqlx::query(waits).bind(rival_id).fetch_one(&mut watcher).await.expect("a count");
        if row.get::<i64, _>(0) > 0 {
            break;
        }
        // InnoDB shows the same picture again to whoever looks more often than every 100 ms.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for head in &heads[..7] {
        sqlx::query(touch).bind(head.id.0).execute(&mut rival).await.expect("the stronger one wins");
    }
    rival.execute("ROLLBACK").await.expect("the end");
    for head in tasks.join_all().await {
        assert_eq!(store.conversation(head.id).await, Ok(Some(head)));
    }
    assert!(self::deadlocks(server).await > deadlocks, "there was none");
}

async fn deadlocks(server: &MariaDb) -> i64 {
    let mut connection = server.connect("").await;
    let row = connection.fetch_one("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").await.expect("a status");
    row.get::<String, _>(1).parse().expect("a number")
}

/// `kill -9` of the database under load: what was acknowledged is there, what was not is there once or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_with_the_server() {
    if tokio::task::spawn_blocking(mariadb).await.expect("no panic").is_none() {
        return;
    }
    let server = tokio::task::spawn_blocking(MariaDb::start).await.expect("no panic");
    let mut server = server.expect("another one");
    let mut admin = server.connect("").await;
    for sql in
        ["CREATE DATABASE shop", "CREATE USER shop@'%' IDENTIFIED BY 'pass/word'", "GRANT ALL ON shop.* TO shop@'%'"]
    {
        admin.execute(sql).await.expect(sql);
    }
    let url = format!("mysql://shop:pass%2Fword@127.0.0.1:{}/shop", server.port());
    let Opened { store, .. } = open(&url).await;

    // A server that was made read-only, as after a fail-over, refuses at once, and again works when it is not.
    admin.execute("SET GLOBAL read_only = 1").await.expect("read only");
    let decision = exchange(&new(), "may I?");
    let refused = store.append(decision.clone()).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(StoreError::Refused(_)))), "{refused:?}");
    admin.execute("SET GLOBAL read_only = 0").await.expect("writable");
    stored(&store, &decision).await;

    let (progress, mut progressed) = mpsc::unbounded_channel();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (store, progress, stop) = (store.clone(), progress.clone(), stop.clone());
        tasks.spawn(async move {
            let mut head = new();
            let mut expected = Vec::new();
            while !stop.is_cancelled() {
                let decision = exchange(&head, "and now?");
                loop {
                    match store.append(decision.clone()).await {
                        Ok(()) => break,
                        Err(AppendError::Unavailable(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                expected.extend(decision.events.iter().cloned());
                head = Arc::unwrap_or_clone(decision.next);
                let _ = progress.send(());
            }
            (head, expected)
        });
    }
    let advance = async |events: &mut mpsc::UnboundedReceiver<()>| {
        for _ in 0..500 {
            events.recv().await.expect("progress");
        }
    };
    advance(&mut progressed).await;
    let server = tokio::task::spawn_blocking(move || {
        server.crash();
        server.run().map(|()| server)
    });
    let _server = server.await.expect("no panic").expect("it starts on what the crash left");
    while progressed.try_recv().is_ok() {}
    advance(&mut progressed).await;
    stop.cancel();
    for (head, expected) in tasks.join_all().await {
        assert_eq!(log(&store, head.id).await, expected);
        assert_eq!(store.conversation(head.id).await, Ok(Some(head)));
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named() {
    let Some(server) = tokio::task::spawn_blocking(mariadb).await.expect("no panic") else { return };
    let failure = async |url: String| {
        let url = url.parse().expect("a good address");
        match Store::open_with(&url, patience(3000), |_| ()).await {
            Ok(_) => panic!("opened"),
            Err(error) => error,
        }
    };
    let port = server.port();
    let error = failure(format!("mysql://nobody:s3cret@127.0.0.1:{port}/shop")).await;
    assert!(matches!(error, OpenError::Denied { .. }), "{error}");
    assert!(!error.to_string().contains("s3cret") && error.to_string().contains("nobody"), "{error}");
    let error = failure(format!("mysql://root:@127.0.0.1:{port}/not_there")).await;
    assert!(matches!(error, OpenError::NoDatabase { .. }), "{error}");
    let proxy = Proxy::to(port).await;
    proxy.refuse(true);
    let error = failure(format!("mysql://root:@127.0.0.1:{}/shop", proxy.port())).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");

    // Another node that is changing the tables is waited for, but not for ever.
    let database = server.database("busy").await;
    let mut other = server.connect(&database).await;
    other.execute("SELECT GET_LOCK(CONCAT('purser.', MD5(DATABASE())), 0)").await.expect("the lock");
    let url = server.url(&database, port).parse().expect("a good address");
    let error = Store::open_with(&url, patience(1000), |_| ()).await.err().expect("locked");
    assert!(matches!(error, OpenError::Migrating { .. }), "{error}");
    other.close().await.expect("closed");
    assert!(Store::open(&url, |_| ()).await.is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let failure = async |file: &std::path::Path| {
        let url = format!("sqlite://{}", file.display()).parse().expect("a good address");
        Store::open(&url, |_| ()).await.err().expect("an error")
    };
    let error = failure(&folder.path().join("missing/purser.db")).await;
    assert!(matches!(error, OpenError::NoFolder(_)), "{error}");
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "remember the milk\n".repeat(100)).expect("a file");
    let error = failure(&text).await;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    let error = failure(folder.path()).await;
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[tokio::test]
async fn a_file_has_one_purser() {
    let database = TestDatabase::sqlite();
    let first = open(&database.url()).await.store;
    let url = database.url().parse().expect("a good address");
    let second = Store::open(&url, |_| ()).await.err().expect("refused");
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    assert!(second.to_string().contains("in use by another purser"), "{second}");
    first.close().await;
    drop(first);
    assert!(Store::open(&url, |_| ()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_text_is_in_no_file_of_the_database() {
    let database = TestDatabase::sqlite();
    let Opened { store, .. } = open(&database.url()).await;
    let file = database.file().expect("SQLite");
    let holds = |text: &str| {
        ["", "-wal"].iter().any(|end| {
            let bytes = std::fs::read(format!("{}{end}", file.display())).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    };
    let mut head = new();
    for _ in 0..50 {
        head = stored(&store, &exchange(&head, "my secret parcel")).await;
    }
    assert!(holds("my secret parcel"));
    stored(&store, &head.erase(NOW + 1).expect("something to delete")).await;
    // What comes after it is stored after the log is emptied.
    stored(&store, &exchange(&new(), "something else")).await;
    assert!(!holds("my secret parcel"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_program_locks_is_waited_for() {
    let database = TestDatabase::sqlite();
    let Opened { store, .. } = open_with(&database.url(), patience(400)).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database.file().expect("SQLite"));
    let mut other = options.connect().await.expect("the file");
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let decision = exchange(&new(), "may I?");
    let refused = store.append(decision.clone()).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    // Reading goes on.
    assert_eq!(store.conversation(decision.next.id).await, Ok(None));
    other.execute("ROLLBACK").await.expect("the end");
    stored(&store, &decision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_memory_is_a_store() {
    let Opened { store, .. } = open("sqlite::memory:").await;
    let other = open("sqlite::memory:").await.store;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut head = new();
            for _ in 0..10 {
                head = stored(&store, &exchange(&head, "next")).await;
                assert_eq!(store.conversation(head.id).await, Ok(Some(head.clone())));
            }
            head.id
        });
    }
    for id in tasks.join_all().await {
        assert_eq!(log(&store, id).await.len(), 20);
        assert_eq!(other.conversation(id).await, Ok(None), "each has its own");
    }
}

#[test]
fn both_engines_have_the_same_migrations_with_one_statement_each() {
    let files = |engine: &str| -> BTreeMap<String, String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries
            .map(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
                (name, std::fs::read_to_string(&path).expect("a migration"))
            })
            .collect()
    };
    let (sqlite, mariadb) = (files("sqlite"), files("mariadb"));
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), mariadb.keys().collect::<Vec<_>>());
    for (name, sql) in mariadb {
        let sql: String = sql.lines().filter(|line| !line.starts_with("--")).collect();
        assert_eq!(sql.matches(';').count(), 1, "{name}: MariaDB would leave it half done");
        for word in ["DROP ", "RENAME ", "MODIFY ", "CHANGE "] {
            assert!(!sql.to_uppercase().contains(word), "{name}: an older version that still runs would break");
        }
        for wanted in ["ENGINE = InnoDB", "CHARSET = utf8mb4", "COLLATE = utf8mb4_nopad_bin"] {
            assert!(!sql.contains("CREATE TABLE") || sql.contains(wanted), "{name} lacks {wanted}");
        }
    }
}
