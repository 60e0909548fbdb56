//! The same on two nodes: what is written on one is not read on the other, where somebody is typing until it is there.

use serde_json::json;

use super::{an_agent, from_the_bot, log, reads, setup};
use crate::drafts::scribe::Scribe;
use crate::harness::{TestDatabase, Visitor, until};
use crate::servers;
use purser::conversation::ConversationId;
use purser::fanout::Reach;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_another_node_somebody_is_typing_until_the_answer_is_there() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = tokio::task::spawn_blocking(servers::redis).await.expect("no panic") else { return };
    let url = redis.url(redis.port());
    let (scribe, pen) = Scribe::new();
    let start = async || {
        let url = url.clone();
        let setup = setup(&database, scribe.clone(), 10);
        setup.change(move |config| config.redis = Some(url.parse().expect("an address"))).start().await
    };
    let (here, there) = (start().await, start().await);
    for node in [&here, &there] {
        until("the nodes to meet", async || (node.fanout.reach() == Reach::Joined).then_some(())).await;
    }
    let visitor = Visitor::new();
    let mut socket = here.visit(&visitor, 0).await;
    socket.say("m1", "write to me").await;
    socket.hear("ack").await;
    pen.write("Half of it");
    reads(&mut socket, &mut String::new(), "Half of it").await;
    drop(socket);
    let mut moved = there.visit(&visitor, 1).await;
    // For longer than it would be written for nobody.
    for _ in 0..8 {
        moved.hear("typing").await;
    }
    assert!(!moved.waits_for("part"));
    assert_eq!(pen.drops(), 0, "somebody is there to read it");
    // Whoever comes back to the first node reads on.
    let mut back = here.visit(&visitor, 1).await;
    reads(&mut back, &mut String::new(), "Half of it").await;
    pen.answer("All of it.");
    for socket in [&mut moved, &mut back] {
        let answer = socket.hear("event").await;
        assert_eq!((&answer["seq"], &answer["text"]), (&json!(2), &json!("All of it.")));
    }
    // A take-over on the other node ends it here.
    back.say("m2", "write to me").await;
    pen.write("No, let me");
    reads(&mut back, &mut String::new(), "No, let me").await;
    there.desk.take(ConversationId(visitor.conversation), &an_agent()).await.expect("it is taken");
    pen.was_dropped().await;
    let end = back.hear_where("the end", |frame| frame["withdrawn"] == true || frame["kind"] == "joined").await;
    assert_eq!(end["withdrawn"], true);
    // And where nobody is any more on either, nothing is written.
    until("the answers to end", async || (here.desk.answers_under_way() == 0).then_some(())).await;
    let second = Visitor::new();
    let mut socket = here.visit(&second, 0).await;
    socket.say("m1", "write to me").await;
    pen.write("Is anybody");
    reads(&mut socket, &mut String::new(), "Is anybody").await;
    drop(socket);
    pen.was_dropped().await;
    until("an answer", async || (log(&here, &second).await.len() == 2).then_some(())).await;
    assert_eq!(from_the_bot(&log(&here, &visitor).await), ["All of it."]);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_goes_by_the_number_that_its_question_has_in_the_log() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let (scribe, pen) = Scribe::new();
    let here = setup(&database, scribe.clone(), 600).start().await;
    let there = setup(&database, scribe.clone(), 600).start().await;
    let visitor = Visitor::new();
    let mut socket = here.visit(&visitor, 0).await;
    socket.ask("m1", "saturday delivery").await;
    // What the other node stores takes the number that the next question would have had here.
    let mut other = there.visit(&visitor, 2).await;
    other.ask("m2", "saturday delivery").await;
    socket.say("m3", "write to me").await;
    let ack = socket.hear("ack").await;
    assert_eq!((&ack["seq"], here.desk.conflicts()), (&json!(5), 1));
    assert_eq!((pen.questions(), pen.drops()), (1, 0), "it is not asked twice");
    pen.write("At once");
    let part = socket.hear("part").await;
    assert_eq!((&part["question"], &part["text"]), (&json!(5), &json!("At once")));
    pen.answer("At once.");
    let answer = socket.hear_where("the answer", |frame| frame["text"] == "At once.").await;
    assert_eq!((&answer["seq"], &answer["question"]), (&json!(6), &json!(5)));
    here.stop().await;
    there.stop().await;
}
