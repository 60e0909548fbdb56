//! What the shipped plugins cost for a message, without the look-up itself: the source answers at once.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use purser::clock::Clock;
use purser::config::Config;
use purser::content::Good;
use purser::conversation::{ConversationId, EventId, Focus};
use purser::responders::script::Script;
use purser::responders::{Answer, Responder, Turn};
use purser::sources::{LookUp, Looking};
use serde_json::{Map, Value, json};

use super::report::Report;

const MESSAGES: u32 = 20_000;
const ROUNDS: usize = 5;
/// 50,000 messages a second on a core.
const GOAL_MICROS: f64 = 20.0;
const GOAL_PASS: f64 = 5.0;

/// A source that has its answer at hand.
#[derive(Debug)]
struct AtHand;

impl LookUp for AtHand {
    fn look_up<'a>(&'a self, _: &'a str, _: &'a Map<String, Value>) -> Looking<'a> {
        let parcel =
            json!({ "status": "in_transit", "expected": "2100-01-01", "changed": "2026-01-01", "country": "GB" });
        Box::pin(std::future::ready(Ok(parcel)))
    }
}

pub fn measure(report: &mut Report) -> anyhow::Result<()> {
    report.note("shipping");
    let folders = purser::app::folders(&Config::default());
    let snapshot =
        purser::content::load(&folders, &Good::default()).snapshot.context("the shipped content does not load")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut rows = Vec::new();
    let plain = |text: &str| turn(text, None, None);
    // A price was asked for before, and the question back was where the parcel goes from.
    let asked = Focus::new("cost", 1, json!({ "parcel": {}, "asked": "from", "guided": true }), Clock::System.now());
    for (plugin, turn, goal, passes) in [
        ("tracking", plain("hi, could you help me with something else today?"), Some(GOAL_PASS), true),
        ("tracking", plain("hi, where is px 1000 0001 7 gb please?"), Some(GOAL_MICROS), false),
        ("tracking", plain("hi, where is px 1000 0001 8 gb please?"), Some(GOAL_MICROS), false),
        ("tracking", plain("hi, where is 1z 999 aa1 01 2345 6784 please?"), Some(GOAL_MICROS), false),
        ("tracking", turn("where is my parcel?", Some("track-parcel"), None), None, false),
        ("cost", plain("hi, could you help me with something else today?"), Some(GOAL_PASS), true),
        ("cost", turn("how much is it to send a parcel?", Some("shipping-cost"), None), None, false),
        ("cost", turn("do you deliver on saturdays?", None, Some(asked)), None, true),
        ("cost", plain("2 kg from Berlin to Lyon"), None, false),
    ] {
        let message = turn.text.clone();
        let loaded = snapshot.plugins.iter().find(|loaded| loaded.name() == plugin);
        let script = Script::new(loaded.with_context(|| format!("no plugin {plugin}"))?.clone(), Arc::new(AtHand));
        let answer = runtime.block_on(script.respond(&turn))?;
        anyhow::ensure!((answer == Answer::Pass) == passes, "{plugin} to {message:?}: {answer:?}");
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            runtime.block_on(async {
                for _ in 0..MESSAGES {
                    black_box(script.respond(black_box(&turn)).await)?;
                }
                anyhow::Ok(())
            })?;
            times.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES));
        }
        times.sort_by(f64::total_cmp);
        let micros = times[ROUNDS / 2];
        let [value, goal] = match goal {
            Some(goal) => report.at_most(&format!("µs of {plugin} for {message:?}"), micros, goal, 1),
            None => [format!("{micros:.1}"), String::new()],
        };
        let per_second = format!("{:.0}", 1e6 / micros);
        rows.push(vec![format!("{plugin}: {message}"), value, goal, per_second]);
    }
    report.print(
        &format!("Shipped plugins: {MESSAGES} messages on one core, µs each, the middle of {ROUNDS} rounds"),
        &["", "µs", "goal", "a second"],
        &rows,
    );
    Ok(())
}

fn turn(text: &str, entry: Option<&str>, focus: Option<Focus>) -> Turn {
    Turn {
        conversation: ConversationId::new(),
        question: EventId::new(),
        seq: 1,
        text: text.into(),
        choice: None,
        languages: vec!["en".into()],
        visitor: Arc::default(),
        now: Clock::System.now(),
        focus,
        entry: entry.map(Arc::from),
        notes: None,
        stubs: None,
        drafts: None,
        ..Turn::default()
    }
}
