//! Reads from the store what was committed and never came.
//!
//! A conversation is looked after a short while after an event came without the one before it, and after the store
//! was found to hold more than was delivered. Every few seconds one keyed read of the ends of all conversations that
//! somebody follows finds a lost tail. While Redis is away, this is what connects the nodes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Fanout;
use super::local::Position;
use crate::conversation::{ConversationId, Seq};
use crate::store::{Store, StoreError};

/// Events that are read at once.
const PAGE: u32 = 200;
/// Conversations that are read side by side.
const READS: usize = 4;
/// After so many looks in vain, what is missing is none of ours: events of a newer version, or erased ones.
const LOOKS: u32 = 5;
/// While the store is away it is asked this often.
const WHILE_AWAY: Duration = Duration::from_secs(1);

/// The conversations that must be looked after.
#[derive(Default)]
pub(super) struct Due {
    looks: Mutex<HashMap<ConversationId, Look>>,
    noted: Notify,
}

/// A look that is due.
#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    /// The last seq that is known to be committed.
    last: Seq,
    /// How often the store did not have what was missing.
    in_vain: u32,
}

impl Due {
    /// Looks after a conversation at `at`, unless everything up to `last` is delivered by then.
    pub(super) fn note(&self, conversation: ConversationId, last: Seq, at: Instant) {
        let mut looks = self.looks();
        let sooner = looks.values().all(|look| at < look.at);
        let look = looks.entry(conversation).or_insert(Look { at, last, in_vain: 0 });
        look.last = look.last.max(last);
        if sooner {
            self.noted.notify_one();
        }
    }

    fn take(&self, now: Instant) -> Vec<(ConversationId, Look)> {
        self.looks().extract_if(|_, look| look.at <= now).collect()
    }

    fn again(&self, conversation: ConversationId, look: Look) {
        let mut looks = self.looks();
        let known = looks.entry(conversation).or_insert(look);
        known.last = known.last.max(look.last);
    }

    fn next(&self) -> Option<Instant> {
        self.looks().values().map(|look| look.at).min()
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<ConversationId, Look>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heals until `stop`.
pub(super) async fn run(fanout: &Fanout, store: &Store, stop: &CancellationToken) {
    // Nobody else writes to a file of one's own, so there is nothing to compare.
    let several = store.is_shared() || fanout.redis.is_some();
    let healing = async {
        let mut away = false;
        let mut round = Instant::now() + fanout.pace.round;
        loop {
            let next = fanout.local.due.next().into_iter().chain(several.then_some(round)).min();
            tokio::select! {
                () = until(next) => {}
                () = fanout.local.due.noted.notified() => continue,
                () = fanout.joined() => round = Instant::now(),
            }
            let now = Instant::now();
            let mut healed = Ok(());
            if several && round <= now {
                round = now + fanout.pace.round;
                healed = compare(fanout, store, &fanout.local.conversations()).await;
            }
            match healed.and(look_after(fanout, store, several).await) {
                Ok(()) => away = false,
                Err(error) => {
                    if !away {
                        tracing::warn!(%error, "what never came cannot be read, trying again every second");
                    }
                    away = true;
                    tokio::time::sleep(WHILE_AWAY).await;
                }
            }
        }
    };
    stop.run_until_cancelled(healing).await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Compares what was delivered with where the conversations end.
async fn compare(fanout: &Fanout, store: &Store, conversations: &[ConversationId]) -> Result<(), StoreError> {
    let ends: HashMap<_, _> = store.last_seqs(conversations).await?.into_iter().collect();
    for conversation in conversations {
        // Nothing is stored of a conversation in which nobody has said anything yet.
        fanout.ends_at(*conversation, ends.get(conversation).copied().unwrap_or(0));
    }
    Ok(())
}

async fn look_after(fanout: &Fanout, store: &Store, several: bool) -> Result<(), StoreError> {
    let mut unknown = Vec::new();
    let mut behind = Vec::new();
    for (conversation, look) in fanout.local.due.take(Instant::now()) {
        match fanout.local.position(conversation).map(Position::seq) {
            Some(None) if several => unknown.push((conversation, look)),
            Some(Some(seq)) if seq < look.last => behind.push((conversation, look)),
            _ => {}
        }
    }
    let ids: Vec<_> = unknown.iter().map(|(conversation, _)| *conversation).collect();
    let compared = compare(fanout, store, &ids).await;
    if compared.is_err() {
        unknown.into_iter().for_each(|(conversation, look)| fanout.local.due.again(conversation, look));
    }
    let reads = stream::iter(behind).map(async |(conversation, look)| {
        let filled = fill(fanout, store, conversation, look).await;
        if filled.is_err() {
            fanout.local.due.again(conversation, look);
        }
        filled
    });
    let reads: Vec<_> = reads.buffer_unordered(READS).collect().await;
    reads.into_iter().fold(compared, Result::and)
}

/// Delivers what the store has after what was delivered.
async fn fill(fanout: &Fanout, store: &Store, conversation: ConversationId, look: Look) -> Result<(), StoreError> {
    let local = &fanout.local;
    let mut found = false;
    while let Some(after) = local.position(conversation).and_then(Position::seq) {
        let page = store.events_after(conversation, after, PAGE).await?;
        if !page.is_empty() {
            found = true;
            local.fill(conversation, &page);
        } else if after >= look.last {
            return Ok(());
        } else if look.in_vain + 1 < LOOKS || found {
            // A copy of the database may lag behind the one that the event was committed to.
            let in_vain = if found { 0 } else { look.in_vain + 1 };
            let at = Instant::now() + fanout.pace.gap * 2_u32.pow(in_vain);
            local.due.again(conversation, Look { at, in_vain, ..look });
            return Ok(());
        } else {
            local.pass_over(conversation, look.last);
            return Ok(());
        }
    }
    Ok(())
}
