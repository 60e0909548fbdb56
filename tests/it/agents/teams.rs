//! Teams: to whom a conversation goes, and who sees to it.

use std::sync::Arc;

use purser::store::{AccountChange, Role};
use serde_json::{Value, json};

use super::due::{clock, later, wake};
use super::{Agent, events};
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, copy};
use crate::on_both_engines;

on_both_engines! {
    a_conversation_goes_to_a_team;
}

const BROKEN: &str = "language: en\nentries:\n  - id: broken\n    phrases: [my parcel arrived broken, the box is damaged]\n    \
                      answer: That is bad.\n    then: person/claims\n";

async fn joins(purser: &TestPurser, agent: &Agent, team: &str) {
    let change = AccountChange::Teams(agent.id, vec![team.to_owned()]);
    assert_eq!(purser.store.change_account(change).await, Ok(true));
}

async fn a_conversation_goes_to_a_team(database: &TestDatabase) {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    copy(std::path::Path::new("tests/faq"), &folder.path().join("faq"));
    std::fs::write(folder.path().join("faq/broken.yaml"), BROKEN).expect("a file");
    let (clock, now) = clock();
    let purser = Setup::on(database).clock(&clock).start_in(folder).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    joins(&purser, &anna, "claims").await;
    joins(&purser, &ben, "sales").await;
    let mut console = anna.live(None).await;
    assert_eq!(console.hear("me", |_| true).await["teams"], json!(["claims"]));
    let board = console.hear("board", |board| board["agents"].as_array().is_some_and(|all| all.len() == 2)).await;
    assert_eq!(board["agents"][1]["teams"], json!(["sales"]));

    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "the box is damaged").await;
    let team = |board: &Value, list: &str| board[list][0]["team"].as_str().map(str::to_owned);
    console.hear("board", |board| team(board, "waiting").as_deref() == Some("claims")).await;
    // It stays with the team while one of it has it, and when that one forgets it.
    anna.take(&visitor).await;
    console.hear("board", |board| team(board, "taken").as_deref() == Some("claims")).await;
    later(&now, 11);
    wake(&purser).await;
    console.hear("board", |board| team(board, "waiting").as_deref() == Some("claims")).await;
    // On to another one, to one that nobody is in, and back to everybody.
    anna.take(&visitor).await;
    let pass = |team: &str| json!({ "do": "transfer", "conversation": visitor.conversation, "to": null, "team": team });
    let (status, answer) = anna.act(pass("night-shift")).await;
    assert_eq!((status, &answer["error"]), (422, &json!("nobody is in this team")));
    anna.does(pass("sales")).await;
    customer.hear_where("the transfer", |frame| frame["kind"] == "transferred" && frame.get("name").is_none()).await;
    console.hear("board", |board| team(board, "waiting").as_deref() == Some("sales")).await;
    ben.take(&visitor).await;
    ben.does(json!({ "do": "transfer", "conversation": visitor.conversation, "to": null })).await;
    console.hear("board", |board| board["waiting"][0]["id"].is_string() && team(board, "waiting").is_none()).await;
    let teams: Vec<_> = events(&purser, &visitor).await.iter().filter_map(|event| event.meta.team.clone()).collect();
    assert_eq!(teams, ["claims", "sales"]);
    purser.stop().await;
}
