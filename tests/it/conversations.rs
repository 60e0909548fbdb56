//! The recordings of `tests/conversations` against the content that ships, by the code of `purser replay`.

use std::path::{Path, PathBuf};

use purser::app;
use purser::cli::replay::{Tally, replay};
use purser::config::Config;
use purser::content;
use purser::recording::Recording;
use purser::responders::pipeline::Pipeline;

fn shipped() -> Pipeline {
    let config = Config::default();
    let loaded = content::load(&app::folders(&config), &content::Good::default());
    app::pipeline(&config, &loaded.snapshot.expect("the shipped content"), None)
}

#[tokio::test]
async fn what_customers_say_is_answered_as_recorded() {
    let mut out = Vec::new();
    let folder = [PathBuf::from("tests/conversations")];
    let Tally { ok, failed, unreadable } = replay(&folder, &shipped(), "en", &mut out).await.unwrap();
    assert!(failed == 0 && unreadable == 0, "{}", String::from_utf8_lossy(&out));
    assert!(ok >= 12, "{ok} recordings");
}

#[tokio::test]
async fn a_replayed_conversation_becomes_the_same_recording_again() {
    // What is recorded of a conversation holds against the content that answered it.
    let pipeline = shipped();
    let written = Recording::read(Path::new("tests/conversations/saturday.yaml")).unwrap();
    let first = written.replay(&pipeline, "en").await;
    let taken = Recording::from_events(&first.events);
    assert_eq!(taken.conversation.len(), written.conversation.len());
    let read = Recording::parse("taken.yaml", &taken.to_string()).unwrap();
    let second = read.replay(&pipeline, "en").await;
    assert!(second.is_ok(), "{:?}", second.turns);
    let bodies = |events: &[std::sync::Arc<purser::conversation::Event>]| -> Vec<String> {
        events.iter().map(|event| event.body.clone()).collect()
    };
    assert_eq!(bodies(&first.events), bodies(&second.events));
}
