//! Ratings of chats that are over: asked, given in every way that a customer has, kept, averaged.

use purser::store::Role;
use serde_json::{Value, json};

use super::due::{clock, later, wake};
use super::{Agent, Live, events};
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor};
use crate::on_both_engines;

on_both_engines! {
    a_chat_is_rated_when_it_is_over;
    a_message_may_be_the_rating;
    a_quiet_chat_is_rated_and_the_customer_was_reminded;
    ratings_are_averaged;
}

/// A chat that this agent has, in which the assistant has answered something.
async fn chat(purser: &TestPurser, agent: &Agent, visitor: &Visitor) -> Typed {
    let mut customer = purser.visit(visitor, 0).await;
    customer.ask("m1", "saturday delivery").await;
    customer.ask("m2", "talk to a person").await;
    agent.take(visitor).await;
    agent.reply(visitor, "Here I am").await;
    customer.hear_where("the agent", |frame| frame["author"] == "agent" && frame["kind"] == "message").await;
    customer
}

async fn closed(agent: &Agent, visitor: &Visitor, customer: &mut Typed) -> Value {
    agent.does(json!({ "do": "close", "conversation": visitor.conversation })).await;
    customer.hear_where("the end", |frame| frame["kind"] == "closed").await
}

async fn rating(customer: &mut Typed) -> Value {
    customer.hear_where("the rating", |frame| frame["kind"] == "reviewed" || frame["type"] == "error").await
}

async fn a_chat_is_rated_when_it_is_over(database: &TestDatabase) {
    let (clock, now) = clock();
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = chat(&purser, &anna, &visitor).await;
    // Nothing is over yet.
    customer.send(json!({ "type": "review", "stars": 4 })).await;
    assert_eq!(rating(&mut customer).await["code"], "no_chat");
    let end = closed(&anna, &visitor, &mut customer).await;
    assert_eq!(end["asks"], true);
    assert!(end["text"].as_str().is_some_and(|text| text.contains("How was this chat?")), "{end}");

    let mut console: Live = anna.live(Some(&visitor)).await;
    let mut tab = purser.typed().await;
    let welcome = tab.hello(&visitor, 0).await;
    assert_eq!(welcome["person"], json!({ "name": "Anna", "ended": {} }));
    customer.send(json!({ "type": "review", "stars": 4 })).await;
    assert_eq!(rating(&mut customer).await["stars"], 4);
    // The second tab, and the console, hear it; later it is changed, with a word.
    assert_eq!(rating(&mut tab).await["stars"], 4);
    let shown = console.hear("event", |event| event["kind"] == "reviewed").await;
    assert_eq!((&shown["stars"], &shown["name"], &shown["text"]), (&json!(4), &json!("Anna"), &Value::Null));
    tab.send(json!({ "type": "review", "stars": 5, "comment": "<b>quick</b> & kind" })).await;
    assert_eq!(rating(&mut tab).await["text"], "<b>quick</b> & kind");
    let shown = console.hear("event", |event| event["stars"] == 5).await;
    assert_eq!(shown["text"], "<b>quick</b> & kind");
    // The same once more is nothing new, and six stars are none.
    let before = events(&purser, &visitor).await.len();
    let (status, frames) = purser.post_frame(&visitor, json!({ "type": "review", "stars": 5 })).await;
    assert_eq!((status, frames), (200, vec![]));
    let (status, frames) = purser.post_frame(&visitor, json!({ "type": "review", "stars": 6 })).await;
    assert_eq!((status, &frames[0]["code"]), (404, &json!("no_chat")));
    assert_eq!(events(&purser, &visitor).await.len(), before);
    // Nobody rates another one's chat.
    let stranger = Visitor { conversation: visitor.conversation, ..Visitor::new() };
    let (status, _) = purser.post_frame(&stranger, json!({ "type": "review", "stars": 1 })).await;
    assert_eq!(status, 403);
    let rows = anna.list("list?shelf=closed").await;
    assert_eq!((&rows[0]["status"], &rows[0]["stars"]), (&json!("closed"), &json!(5)));
    let welcome = purser.typed().await.hello(&visitor, 0).await;
    assert_eq!(welcome["person"]["ended"], json!({ "stars": 5 }));

    // For a day.
    later(&now, 25 * 60);
    customer.send(json!({ "type": "review", "stars": 1 })).await;
    assert_eq!(customer.hear("error").await["code"], "no_chat");
    assert_eq!(purser.typed().await.hello(&visitor, 0).await["person"], Value::Null);
    purser.stop().await;
}

async fn a_message_may_be_the_rating(database: &TestDatabase) {
    let purser = Setup::on(database).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let mut customer = purser.plain(None).await;
    customer.say("talk to a person").await;
    customer.hear().await;
    let rows = anna.list("list?shelf=waiting").await;
    let conversation = rows[0]["id"].as_str().expect("an id").parse().expect("an id");
    let visitor = Visitor { conversation, ..Visitor::new() };
    anna.take(&visitor).await;
    assert!(customer.hear().await.contains("Anna"));
    anna.does(json!({ "do": "close", "conversation": conversation })).await;
    assert!(customer.hear().await.contains("How was this chat?"));
    customer.say("4: it took a while").await;
    assert!(customer.hear().await.contains("Thank you for your rating"));
    let log = events(&purser, &visitor).await;
    let rated = log.iter().find(|event| event.meta.stars.is_some()).expect("a rating");
    assert_eq!((rated.meta.stars, rated.body.as_ref(), rated.meta.agent), (Some(4), "it took a while", Some(anna.id)));
    // What is no number opens the chat again.
    customer.say("saturday delivery").await;
    assert!(customer.hear().await.contains("on Saturdays"));
    let log = events(&purser, &visitor).await;
    assert_eq!(log.iter().filter(|event| event.meta.stars.is_some()).count(), 1);
    customer.say("3").await;
    customer.hear().await;
    let log = events(&purser, &visitor).await;
    assert_eq!(log.iter().filter(|event| event.meta.stars.is_some()).count(), 1, "the assistant is asked now");
    purser.stop().await;
}

async fn a_quiet_chat_is_rated_and_the_customer_was_reminded(database: &TestDatabase) {
    let (clock, now) = clock();
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let visitor = Visitor::new();
    let mut customer = chat(&purser, &anna, &visitor).await;
    later(&now, 14);
    wake(&purser).await;
    let quiet = events(&purser, &visitor).await.len();
    later(&now, 2);
    wake(&purser).await;
    let text = |frame: &Value| frame["text"].as_str().unwrap_or_default().to_owned();
    let reminded = customer.hear_where("a reminder", |frame| text(frame).contains("still there")).await;
    assert_eq!((&reminded["author"], &reminded["kind"]), (&json!("system"), &json!("message")));
    later(&now, 30);
    wake(&purser).await;
    assert_eq!(events(&purser, &visitor).await.len(), quiet + 1, "once");
    // Whoever answers is not reminded of what was before, and is again of what comes after.
    customer.say("m3", "yes, thanks").await;
    customer.hear("ack").await;
    anna.reply(&visitor, "One more thing").await;
    later(&now, 16);
    wake(&purser).await;
    customer.hear_where("another reminder", |frame| text(frame).contains("still there")).await;
    later(&now, 61);
    wake(&purser).await;
    let end = customer.hear_where("the end", |frame| frame["kind"] == "closed").await;
    assert_eq!((&end["reason"], &end["asks"]), (&json!("idle"), &json!(true)));
    customer.send(json!({ "type": "review", "stars": 2 })).await;
    assert_eq!(rating(&mut customer).await["name"], "Anna");

    // A chat that nobody came to is not worth a question.
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;
    for minutes in [4, 61] {
        later(&now, minutes);
        wake(&purser).await;
    }
    let end = customer.hear_where("the end", |frame| frame["kind"] == "closed").await;
    assert_eq!(end.get("asks"), None);
    purser.stop().await;

    // And a site may do without both.
    let setup = Setup::on(database).clock(&clock).change(|config| {
        config.people.ask_rating = false;
        config.people.patience.remind = None;
    });
    let purser = setup.start().await;
    let visitor = Visitor::new();
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    let mut customer = chat(&purser, &ben, &visitor).await;
    later(&now, 40);
    wake(&purser).await;
    let end = closed(&ben, &visitor, &mut customer).await;
    assert_eq!(end.get("asks"), None);
    assert!(!text(&end).contains("How was"), "{end}");
    purser.stop().await;
}

async fn ratings_are_averaged(database: &TestDatabase) {
    let (clock, now) = clock();
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Editor).await;
    let (status, _) = anna.get("ratings").await;
    assert_eq!(status, 403);
    let mut last = None;
    for (agent, stars) in [(&anna, 5), (&ben, 2), (&anna, 4)] {
        let visitor = Visitor::new();
        // A session does not last as long as this test.
        let agent = agent.again().await;
        let mut customer = chat(&purser, &agent, &visitor).await;
        closed(&agent, &visitor, &mut customer).await;
        // The last word counts.
        for stars in [1, stars] {
            customer.send(json!({ "type": "review", "stars": stars, "comment": format!("that was {stars}") })).await;
            rating(&mut customer).await;
        }
        later(&now, 24 * 60);
        last = Some((visitor, customer));
    }
    let ben = ben.again().await;
    let (status, found) = ben.get("ratings?days=30").await;
    assert_eq!(status, 200);
    assert_eq!((&found["chats"], &found["average"]), (&json!(3), &json!(3.67)));
    assert_eq!(found["stars"], json!([0, 1, 0, 1, 1]));
    let by_day = json!([
        { "of": "2026-02-06", "chats": 1, "average": 4.0 },
        { "of": "2026-02-05", "chats": 1, "average": 2.0 },
        { "of": "2026-02-04", "chats": 1, "average": 5.0 },
    ]);
    assert_eq!(found["by_day"], by_day);
    let by_agent = json!([{ "of": "Anna", "chats": 2, "average": 4.5 }, { "of": "Ben", "chats": 1, "average": 2.0 }]);
    assert_eq!(found["by_agent"], by_agent);
    let saturday = json!({ "of": ["faq", "saturday"], "chats": 3, "average": 3.67 });
    assert!(found["by_answer"].as_array().is_some_and(|all| all.contains(&saturday)), "{}", found["by_answer"]);
    let comments = found["comments"].as_array().expect("comments");
    let words: Vec<_> = comments.iter().filter_map(|comment| comment["text"].as_str()).collect();
    assert_eq!(words, ["that was 4", "that was 2", "that was 5"]);
    let (_, found) = ben.get("ratings?days=2").await;
    assert_eq!(found["chats"], 2);
    // What a customer has deleted is gone from here, too.
    let (_, mut customer) = last.expect("a customer");
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the end of it", |frame| frame["kind"] == "erased").await;
    let (_, found) = ben.get("ratings").await;
    assert_eq!((&found["chats"], &found["average"]), (&json!(2), &json!(3.5)));
    purser.stop().await;
}
