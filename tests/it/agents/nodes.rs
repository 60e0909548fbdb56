//! What is of the moment, over nodes: who types, who looks at the same conversation, what the lists show.

use purser::store::Role;
use serde_json::{Value, json};

use super::Agent;
use crate::harness::{Setup, TestDatabase, Visitor};
use crate::servers;

/// So often, five times a second, somebody says to be typing.
const SIGNS: u32 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_types_and_looks_is_seen_on_other_nodes() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = tokio::task::spawn_blocking(servers::redis).await.expect("no panic") else { return };
    let url = redis.url(redis.port());
    let start = async || {
        let url = url.clone();
        let setup = Setup::on(&database).change(move |config| config.redis = Some(url.parse().expect("an address")));
        setup.start().await
    };
    let (here, there) = (start().await, start().await);
    let anna = Agent::new(&here, "anna", Role::Agent).await;
    let ben = Agent::new(&here, "ben", Role::Agent).await.at(&there);
    there.desk.look_for_staff().await;
    let visitor = Visitor::new();
    let mut customer = there.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;

    // Whoever comes later learns of those who are there, and both see it when one goes.
    let mut annas = anna.live(Some(&visitor)).await;
    annas.hear("opened", |_| true).await;
    let mut bens = ben.live(Some(&visitor)).await;
    let by = |name: &'static str, on: bool| move |look: &Value| look["name"] == name && look["on"] == on;
    annas.hear("looking", by("Ben", true)).await;
    bens.hear("looking", by("Anna", true)).await;
    // The lists of one node show what is done at another.
    bens.hear("board", |board| board["waiting"][0]["id"] == json!(visitor.conversation)).await;
    anna.take(&visitor).await;
    bens.hear("board", |board| board["taken"][0]["agent"] == json!(anna.id)).await;
    customer.hear_where("the agent", |frame| frame["kind"] == "joined").await;

    // They type to each other. A sign may come before the other side listens, so it is given until it is seen.
    let typing = json!({ "do": "typing", "conversation": visitor.conversation });
    let signs = async {
        for _ in 0..SIGNS {
            anna.does(typing.clone()).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        _ = customer.hear("typing") => {}
        () = signs => panic!("nobody saw it")
    }
    let signs = async {
        for _ in 0..SIGNS {
            customer.send(json!({ "type": "typing" })).await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        _ = annas.hear("typing", |_| true) => {}
        () = signs => panic!("nobody saw it")
    }
    drop(bens);
    annas.hear("looking", by("Ben", false)).await;
    for node in [here, there] {
        node.stop().await;
    }
}
