//! The lists of the console: who waits, who is with whom, which agents are there. A node makes them once for all its
//! consoles, whenever something has changed, and every few seconds, since a signal may be lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::frames::{Colleague, Lists, Row};
use crate::conversation::Millis;
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

/// The lists as JSON, and whoever waits for a change of them.
pub struct Board {
    lists: watch::Sender<Arc<str>>,
}

impl Default for Board {
    fn default() -> Board {
        Board { lists: watch::Sender::new("".into()) }
    }
}

impl Board {
    /// The lists from now on. Empty until they were read for the first time.
    pub fn watch(&self) -> watch::Receiver<Arc<str>> {
        self.lists.subscribe()
    }

    /// Keeps the lists up to date while there are consoles, until `stop`.
    pub async fn run(&self, store: Store, fanout: Arc<Fanout>, now: impl Fn() -> Millis, stop: CancellationToken) {
        let keeping = async {
            let mut signals = fanout.listen();
            let mut away = false;
            loop {
                if self.lists.receiver_count() == 0 {
                    sleep(TOGETHER).await;
                    signals = signals.resubscribe();
                    continue;
                }
                match self.read(&store, now()).await {
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

    async fn read(&self, store: &Store, now: Millis) -> Result<(), StoreError> {
        let waiting = store.attended(Shelf::Waiting, None, ROWS).await?;
        let taken = store.attended(Shelf::Taken, None, ROWS).await?;
        let agents = store.agents().await?;
        let lists = Lists {
            waiting: waiting.iter().map(Row::of).collect(),
            taken: taken.iter().map(Row::of).collect(),
            agents: agents.iter().filter(|agent| !agent.disabled).map(|agent| colleague(agent, &taken, now)).collect(),
        };
        let json: Arc<str> = serde_json::to_string(&lists).unwrap_or_default().into();
        self.lists.send_if_modified(|before| {
            let is_new = **before != *json;
            *before = json;
            is_new
        });
        Ok(())
    }
}

fn colleague<'a>(agent: &'a Account, taken: &[Listed], now: Millis) -> Colleague<'a> {
    Colleague {
        id: agent.id,
        name: &agent.name,
        here: now - agent.seen_at < HERE,
        away: agent.away,
        chats: taken.iter().filter(|listed| listed.head.agent() == Some(agent.id)).count(),
        max_chats: agent.max_chats,
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
