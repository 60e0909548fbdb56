//! A stop ends what is under way and tells everybody to come back.

use purser::conversation::{Author, ConversationId};

use crate::harness::{Setup, Slow, TestDatabase, TestPurser, Visitor};
use crate::on_both_engines;

on_both_engines! {
    a_stop_tells_every_socket_to_come_back;
    an_answer_under_way_is_stored_before_the_end;
    what_was_said_is_there_after_a_restart;
}

async fn a_stop_tells_every_socket_to_come_back(database: &TestDatabase) {
    let mut purser = TestPurser::start(database).await;
    let mut typed = purser.visit(&Visitor::new(), 0).await;
    let plain = purser.plain(None).await;
    purser.begin_stop();
    let bye = typed.hear("bye").await;
    assert_eq!(bye["code"], 1012);
    assert!(bye["back_in"].is_u64());
    assert_eq!(typed.closed().await, Some(1012));
    assert_eq!(plain.closed().await, Some(1012));
    purser.stop().await;
}

async fn an_answer_under_way_is_stored_before_the_end(database: &TestDatabase) {
    let slow = Slow::new();
    let mut purser = Setup::on(database).first(slow.clone()).start().await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.say("m1", "slow one").await;
    customer.hear("ack").await;
    slow.was_asked().await;
    purser.begin_stop();
    assert_eq!(customer.closed().await, Some(1012));
    slow.release();
    let folder = purser.folder.clone();
    purser.stop().await;

    let again = Setup::on(database).start_in(folder).await;
    let events = again.store.events_after(ConversationId(visitor.conversation), 0, 10).await.expect("events");
    let authors: Vec<_> = events.iter().map(|event| event.author).collect();
    assert_eq!(authors, [Author::Visitor, Author::Bot]);
    again.stop().await;
}

async fn what_was_said_is_there_after_a_restart(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (_, answer) = customer.ask("m1", "saturday delivery").await;
    let folder = purser.folder.clone();
    purser.stop().await;

    let again = Setup::on(database).start_in(folder).await;
    let mut back = again.visit(&visitor, 0).await;
    let history = back.events_to(2).await;
    assert_eq!(history[1]["id"], answer["id"]);
    // A message whose acknowledgement was lost with the old process is recognised by the new one.
    back.say("m1", "saturday delivery").await;
    assert_eq!(back.hear("ack").await["seq"], 1);
    again.stop().await;
}
