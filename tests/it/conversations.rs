//! The recordings of `tests/conversations` against the content that ships, by the code of `purser replay`.

use std::path::{Path, PathBuf};

use purser::app;
use purser::cli::replay::{Tally, replay};
use purser::config::Config;
use purser::content;
use purser::recording::{Recording, Stage, schema};

fn shipped() -> Stage {
    let config = Config::default();
    let loaded = content::load(&app::folders(&config), &content::Good::default());
    app::stage(&config, &loaded.snapshot.expect("the shipped content"))
}

#[test]
fn what_customers_say_is_answered_as_recorded() {
    let mut out = Vec::new();
    let folder = [PathBuf::from("tests/conversations")];
    let Tally { ok, failed, unreadable } = replay(&folder, &shipped(), 2, &mut out).unwrap();
    assert!(failed == 0 && unreadable == 0, "{}", String::from_utf8_lossy(&out));
    assert!(ok >= 12, "{ok} recordings");
}

#[tokio::test]
async fn a_replayed_conversation_becomes_the_same_recording_again() {
    // What is recorded of a conversation holds against the content that answered it.
    let stage = shipped();
    let written = Recording::read(Path::new("tests/conversations/saturday.yaml")).unwrap();
    let first = written.replay(&stage).await;
    let taken = Recording::from_events(&first.events);
    assert_eq!(taken.conversation.len(), written.conversation.len());
    let read = Recording::parse("taken.yaml", &taken.to_string()).unwrap();
    let second = read.replay(&stage).await;
    assert!(second.is_ok(), "{:?}", second.turns);
    let bodies = |events: &[std::sync::Arc<purser::conversation::Event>]| -> Vec<String> {
        events.iter().map(|event| event.body.as_ref().to_owned()).collect()
    };
    assert_eq!(bodies(&first.events), bodies(&second.events));
}

#[test]
fn the_schema_of_recordings_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations/schema.json");
    if std::env::var_os("PURSER_UPDATE").is_some() {
        std::fs::write(&path, schema()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == schema(),
        "tests/conversations/schema.json is not what the types say; PURSER_UPDATE=1 cargo test writes it anew"
    );
}
