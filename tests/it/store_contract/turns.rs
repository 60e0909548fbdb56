//! Turns, which are written in a way of their own: all of each comes back, and what is none is not taken for one.

use super::heads::{as_of, gone_on};
use super::*;

on_both!(all_of_a_turn_comes_back, what_is_no_turn_is_stored_as_it_is);

async fn all_of_a_turn_comes_back(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (mut head, mut known) = gone_on(&store).await;
    let mut all = log(&store, head.id).await;
    for text in ["plain", "Größe? „ja“ 🚚 包裹 \u{1}\u{7f}", "a \\ b ' c \" d % _ \0 e", &"🚚".repeat(1_000)]
    {
        for is_full in [false, true] {
            let mut turn = as_of(known, exchange(&head, text));
            let [question, answer] = turn.events.as_mut_slice() else { panic!("a turn has two events") };
            let (question, answer) = (Arc::make_mut(question), Arc::make_mut(answer));
            answer.body = text.into();
            question.meta.language = is_full.then(|| text.chars().take(60).collect::<String>().into());
            let provenance = answer.provenance.as_mut().expect("a bot's");
            // As long as the columns are, in characters.
            provenance.responder = if is_full { "ü".repeat(255).into() } else { "faq".into() };
            provenance.entry = is_full.then(|| "🚚".repeat(255)).map(Arc::from);
            provenance.revision = if is_full { "包".repeat(64) } else { String::new() }.into();
            provenance.micros = if is_full { u32::MAX } else { 0 };
            all.extend(turn.events.clone());
            known = store.deletions();
            head = stored(&store, &turn).await;
        }
    }
    assert_eq!(log(&store, head.id).await, all);
}

async fn what_is_no_turn_is_stored_as_it_is(database: TestDatabase) {
    let Opened { store, .. } = open(&database.url()).await;
    let (mut head, mut known) = gone_on(&store).await;
    let spoil: [fn(&mut Event, &mut Event); 4] = [
        |question, _| question.author = Author::System,
        |question, answer| question.provenance = answer.provenance.clone(),
        |_, answer| answer.author = Author::Agent,
        |_, answer| answer.kind = Kind::Note,
    ];
    for spoil in spoil {
        let mut turn = as_of(known, exchange(&head, "and this?"));
        let [question, answer] = turn.events.as_mut_slice() else { panic!("a turn has two events") };
        spoil(Arc::make_mut(question), Arc::make_mut(answer));
        known = store.deletions();
        head = stored(&store, &turn).await;
        let all = log(&store, head.id).await;
        assert_eq!(all[all.len() - 2..], turn.events);
    }
}
