//! The lists of the console: who waits, who is with whom, which agents are there. A node makes them once for all its
//! consoles, whenever something has changed, and every few seconds, since a signal may be lost. A console gets all of them
//! once, and then what has changed: what a change costs does not grow with agents times conversations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frames::{Colleague, Row};
use crate::conversation::{ConversationId, Millis};
use crate::fanout::{Fanout, Signal, What};
use crate::store::{Account, Listed, Shelf, Store, StoreError};

/// A change that no signal told of shows after this.
const ROUND: Duration = Duration::from_secs(3);
/// What changes within this time is shown together.
const TOGETHER: Duration = Duration::from_millis(150);
/// How many conversations a list holds.
pub const ROWS: u32 = 200;
/// An agent whose console was open within this time is there.
pub const HERE: Millis = 45_000;

/// The lists, and whoever waits for a change of them.
#[derive(Default)]
pub struct Board {
    lists: watch::Sender<Version>,
}

/// The lists at one moment, as JSON.
#[derive(Clone, Default)]
pub struct Version {
    /// Counts the changes; 0 before the lists were read for the first time.
    pub number: u64,
    /// All of them.
    pub all: Arc<str>,
    /// What has changed since the version before: the rows that are new or otherwise, the ids of those that are gone,
    /// and the agents, if anything is otherwise with them.
    pub change: Arc<str>,
}

/// What the last version showed.
#[derive(Default)]
struct Before {
    number: u64,
    rows: HashMap<ConversationId, String>,
    agents: String,
}

impl Board {
    /// The lists from now on.
    pub fn watch(&self) -> watch::Receiver<Version> {
        self.lists.subscribe()
    }

    /// Keeps the lists up to date while there are consoles, until `stop`.
    pub async fn run(&self, store: Store, fanout: Arc<Fanout>, now: impl Fn() -> Millis, stop: CancellationToken) {
        let keeping = async {
            let mut signals = fanout.listen();
            let mut away = false;
            let mut before = Before::default();
            loop {
                if self.lists.receiver_count() == 0 {
                    sleep(TOGETHER).await;
                    signals = signals.resubscribe();
                    continue;
                }
                match self.read(&store, now(), &mut before).await {
                    Ok(()) => away = false,
                    Err(error) => {
                        if !away {
                            tracing::warn!(%error, "the lists of the console cannot be read, trying again");
                        }
                        away = true;
                    }
                }
                let _ = timeout(ROUND, changed(&mut signals)).await;
                sleep(TOGETHER).await;
            }
        };
        stop.run_until_cancelled(keeping).await;
    }

    async fn read(&self, store: &Store, now: Millis, before: &mut Before) -> Result<(), StoreError> {
        let waiting = store.attended(Shelf::Waiting, ROWS).await?;
        let taken = store.attended(Shelf::Taken, ROWS).await?;
        let agents = store.agents().await?;
        let agents = agents.iter().filter(|agent| !agent.disabled);
        let agents: Vec<_> = agents.map(|agent| colleague(agent, &taken, now)).collect();
        if let Some(version) = before.next(&rows(&waiting), &rows(&taken), json(&agents)) {
            self.lists.send_replace(version);
        }
        Ok(())
    }
}

impl Before {
    /// The version that shows this, if anything is otherwise than before.
    fn next(&mut self, waiting: &[RowJson], taken: &[RowJson], agents: String) -> Option<Version> {
        let all = || waiting.iter().chain(taken);
        let set: Vec<&str> =
            all().filter(|(id, row)| self.rows.get(id) != Some(row)).map(|(_, row)| row.as_str()).collect();
        let now: HashMap<ConversationId, String> = all().cloned().collect();
        let gone: Vec<&ConversationId> = self.rows.keys().filter(|id| !now.contains_key(id)).collect();
        if self.number > 0 && set.is_empty() && gone.is_empty() && agents == self.agents {
            return None;
        }
        let told = if agents == self.agents { "null" } else { &*agents };
        let change = format!("{{\"set\":[{}],\"gone\":{},\"agents\":{told}}}", set.join(","), json(&gone));
        let list = |rows: &[RowJson]| rows.iter().map(|(_, row)| row.as_str()).collect::<Vec<_>>().join(",");
        let all = format!("{{\"waiting\":[{}],\"taken\":[{}],\"agents\":{agents}}}", list(waiting), list(taken));
        *self = Before { number: self.number + 1, rows: now, agents };
        Some(Version { number: self.number, all: all.into(), change: change.into() })
    }
}

/// A row as JSON, and whose it is.
type RowJson = (ConversationId, String);

fn rows(listed: &[Listed]) -> Vec<RowJson> {
    listed.iter().map(|listed| (listed.head.id, json(&Row::of(listed)))).collect()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn colleague<'a>(agent: &'a Account, taken: &[Listed], now: Millis) -> Colleague<'a> {
    Colleague {
        id: agent.id,
        name: &agent.name,
        here: now - agent.seen_at < HERE,
        away: agent.away,
        chats: taken.iter().filter(|listed| listed.head.agent() == Some(agent.id)).count(),
        max_chats: agent.max_chats,
        teams: &agent.teams,
    }
}

/// Ready when something of the lists has changed, or may have.
async fn changed(signals: &mut tokio::sync::broadcast::Receiver<Signal>) {
    loop {
        match signals.recv().await {
            Ok(Signal { what: What::Changed, .. }) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_told_what_has_changed() {
        let [a, b, c] = [ConversationId::new(), ConversationId::new(), ConversationId::new()];
        let row = |id, text: &str| (id, format!("\"{text}\""));
        let mut before = Before::default();
        let first = before.next(&[row(a, "a"), row(b, "b")], &[], "[1]".to_owned()).expect("a version");
        assert_eq!((first.number, &*first.all), (1, r#"{"waiting":["a","b"],"taken":[],"agents":[1]}"#));
        assert!(before.next(&[row(a, "a"), row(b, "b")], &[], "[1]".to_owned()).is_none());
        let second = before.next(&[row(c, "c")], &[row(a, "a taken")], "[1]".to_owned()).expect("a version");
        assert_eq!((second.number, &*second.all), (2, r#"{"waiting":["c"],"taken":["a taken"],"agents":[1]}"#));
        assert_eq!(*second.change, format!(r#"{{"set":["c","a taken"],"gone":["{b}"],"agents":null}}"#));
        let third = before.next(&[row(c, "c")], &[row(a, "a taken")], "[2]".to_owned()).expect("a version");
        assert_eq!(&*third.change, r#"{"set":[],"gone":[],"agents":[2]}"#);
    }
}
