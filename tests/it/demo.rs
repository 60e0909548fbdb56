//! The demo's parcels: there without any set-up, in a database only when somebody asks for it.

use std::fs;

use purser::demo::{samples, shipments};
use purser::store::fill_demo;
use serde_json::Value;

use crate::cli::Site;
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor};
use crate::on_both_engines;

on_both_engines! {
    a_parcel_comes_on_another_day;
    parcels_in_the_database_are_tracked;
    a_sites_database_has_no_demo_unasked;
}

/// A purser with the content that ships.
async fn shipped(database: &TestDatabase) -> TestPurser {
    let change = |config: &mut purser::config::Config| {
        config.faq = "faq".into();
        config.plugins = "plugins".into();
    };
    Setup::on(database).change(change).start().await
}

async fn parcels_in_the_database_are_tracked(database: &TestDatabase) {
    let now = purser::clock::Clock::System.now();
    let url = database.url().parse().expect("an address");
    fill_demo(&url, &shipments(now)).await.expect("the tables");
    fill_demo(&url, &shipments(now)).await.expect("the tables once more");
    let purser = shipped(database).await;
    assert!(purser.store.has_demo().await.unwrap());
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    let (_, answer) = customer.ask("m1", "track px 1000 0001 7 gb").await;
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("PX 1000 0001 7 GB** is **on the van**") && text.contains("**today**"), "{answer}");
    assert!(!text.contains("Adams") && !text.contains("Birmingham"), "{answer}");
    let (_, answer) = customer.ask("m2", "e1 8xx").await;
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("**A. Adams**, 14 Ropewalk") && text.contains("| Birmingham |"), "{answer}");
    let (_, answer) = customer.ask("m3", "PX100000065DE, 10115").await;
    assert!(answer["text"].as_str().unwrap().contains("Köln"), "{answer}");
    purser.stop().await;
}

async fn a_parcel_comes_on_another_day(database: &TestDatabase) {
    let now = purser::clock::Clock::System.now();
    let url = database.url().parse().expect("an address");
    fill_demo(&url, &shipments(now)).await.expect("the tables");
    let purser = shipped(database).await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    let (_, parcel) = customer.ask("m1", "PX100000051DE").await;
    assert!(parcel["text"].as_str().unwrap().contains("could **not be delivered**"), "{parcel}");
    // The button below it.
    let (_, asked) = customer.ask("m2", "I missed my delivery").await;
    assert!(asked["text"].as_str().unwrap().contains("**postcode**"), "{asked}");
    let (_, asked) = customer.ask("m3", "10115").await;
    let day = asked["buttons"][2]["text"].as_str().unwrap_or_else(|| panic!("days to choose: {asked}")).to_owned();
    let press = |button: &Value, id: &str| serde_json::json!({ "type": "say", "client_id": id, "text": button["text"], "choice": button["choice"] });
    customer.send(press(&asked["buttons"][2], "m4")).await;
    let proposed = customer
        .hear_where("a proposal", |frame| frame["text"].as_str().is_some_and(|text| text.contains("Shall we")))
        .await;
    assert_eq!(proposed["buttons"][0]["text"], format!("Yes, on {day}"));
    customer.send(press(&proposed["buttons"][0], "m5")).await;
    let is_told = |frame: &Value| {
        frame["author"] == "bot" && frame["text"].as_str().is_some_and(|text| text.contains("arranged"))
    };
    let told = customer.hear_where("the outcome", is_told).await;
    assert!(told["text"].as_str().unwrap().contains(&format!("comes on **{day}**")), "{told}");
    // Now tracking shows it, in any conversation.
    let mut other = purser.visit(&Visitor::new(), 0).await;
    let (_, parcel) = other.ask("m1", "PX100000051DE, 10115").await;
    let text = parcel["text"].as_str().unwrap();
    assert!(text.contains(&format!("**{day}**")) && text.contains("another day was chosen"), "{day}: {parcel}");
    purser.stop().await;
}

async fn a_sites_database_has_no_demo_unasked(database: &TestDatabase) {
    let purser = shipped(database).await;
    assert!(!purser.store.has_demo().await.unwrap());
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    let (_, answer) = customer.ask("m1", "PX100000017GB").await;
    let text = answer["text"].as_str().unwrap();
    assert!(text.contains("https://halyard.example/track") && !text.contains("on the van"), "{answer}");
    purser.stop().await;
}

/// A folder with the content that ships and nothing else, as after a clone.
fn fresh() -> Site {
    let site = Site::empty();
    for folder in ["faq", "plugins"] {
        crate::harness::copy(std::path::Path::new(folder), &site.path(folder));
    }
    site
}

#[test]
fn without_any_set_up_parcels_can_be_tracked() {
    let site = fresh();
    let ran = site.run_with(&["ask", "--json"], "where is PX100000025GB?\nPX100000024GB\nphone 0301234567\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["outcome"], &lines[0]["responder"]), (&"answer".into(), &"tracking".into()), "{ran:?}");
    assert_eq!(lines[0]["lookups"], 1);
    assert_eq!(lines[0]["numbers"][0]["compact"], "PX100000025GB");
    assert_eq!(lines[0]["numbers"][0]["carrier"], "own");
    // A digit is wrong: nothing is looked up.
    assert_eq!((&lines[1]["responder"], &lines[1]["lookups"]), (&"tracking".into(), &0.into()), "{ran:?}");
    assert_eq!(lines[1]["numbers"], Value::Array(Vec::new()));
    assert_eq!(lines[2]["numbers"], Value::Array(Vec::new()));

    let chatted = site.run_with(&["chat"], "track PX100000017GB\n");
    assert!(chatted.out.contains("on the van"), "{chatted:?}");
    let moved = "deliver PX100000051DE again on friday\n10115\nyes\nPX100000051DE\n";
    let chatted_on = site.run_with(&["chat"], moved);
    let (before, after) = chatted_on.out.split_once("passing that on").unwrap_or_else(|| panic!("{chatted_on:?}"));
    assert!(before.contains("Shall we deliver") && after.contains("It is arranged"), "{chatted_on:?}");
    let (_, tracked) = after.split_once("> PX100000051DE").unwrap_or_else(|| panic!("{chatted_on:?}"));
    // Seen from a Thursday, Friday is tomorrow.
    let friday = ["Friday", "tomorrow"].iter().any(|day| tracked.contains(day));
    assert!(friday && tracked.contains("another day was chosen"), "{chatted_on:?}");

    let made: Vec<_> = fs::read_dir(site.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(made.len(), 2, "nothing is written: {made:?}");
}

#[test]
fn a_configured_site_has_no_demo() {
    let site = fresh();
    site.write("purser.yaml", "language: en\n");
    let ran = site.run_with(&["ask", "--json"], "PX100000025GB\n");
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["responder"], "tracking", "{ran:?}");
    let chatted = site.run_with(&["chat"], "track PX100000017GB\n");
    assert!(!chatted.out.contains("on the van") && chatted.out.contains("halyard.example/track"), "{chatted:?}");
}

#[test]
fn the_command_prints_numbers_to_try() {
    let site = fresh();
    let ran = site.run(&["demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for sample in samples() {
        assert!(ran.out.contains(&sample.number) && ran.out.contains(sample.postcode), "{ran:?}");
    }
    let chatted = site.run_with(&["chat", "--database", "sqlite://purser.db"], "track PX100000034GB\n");
    assert!(chatted.out.contains("was delivered on"), "{chatted:?}");
    let elsewhere = site.run(&["demo", "--database", "mysql://nobody:secret@127.0.0.1:1/none"]);
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    assert!(!elsewhere.err.contains("secret"), "{elsewhere:?}");
}
