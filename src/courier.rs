//! The courier: carries out the errands that customers have agreed to, and takes mail and webhooks to where they go.
//!
//! Each is in the store's outbox from the commit that led to it (an errand: in which the customer agreed) until it is
//! done; of an errand the outcome is in that commit too. Whoever finds it due claims it, so that of several nodes one
//! tries; a node that dies over it leaves it due again. It is tried under the same key until the other side has said what
//! became of it, or until the time that it is given is over. So the other side may hear of it more than once, and does
//! it once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::conversation::{Errand, Millis, Outcome, Sending, Settled};
use crate::desk::{Desk, DeskError};
use crate::post::{Office, Ready};
use crate::responders::errand::told;
use crate::sources::{Attempt, Sources};
use crate::store::{Due, Store, StoreError, Tray};

/// How often it looks for errands that are due; those that were ordered on this node it takes up at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many attempts of a kind are under way at once.
const AT_ONCE: usize = 16;
/// An errand is due for others this long after an attempt should have ended.
const LEASE: Duration = Duration::from_secs(5);
/// The pauses between attempts grow with the time since the order, from this…
const FIRST_PAUSE: Millis = 1_000;
/// …to this.
const LONGEST_PAUSE: Millis = 5 * 60 * 1_000;
/// How long a stop waits for attempts under way. What it cuts off is tried again, under the same key.
const STOPPING: Duration = Duration::from_secs(3);

/// Carries out errands. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Courier {
    desk: Arc<Desk>,
    store: Store,
    sources: Arc<Sources>,
    office: Arc<Office>,
    clock: Clock,
    places: Arc<Semaphore>,
    mail_places: Arc<Semaphore>,
    hook_places: Arc<Semaphore>,
}

impl Courier {
    /// A courier for the actions of these sources, and for what this office sends.
    pub fn new(desk: Arc<Desk>, store: Store, sources: Arc<Sources>, office: Arc<Office>, clock: Clock) -> Courier {
        let places = || Arc::new(Semaphore::new(AT_ONCE));
        let (places, mail_places, hook_places) = (places(), places(), places());
        Courier { desk, store, sources, office, clock, places, mail_places, hook_places }
    }

    /// Carries out what is due, until it is stopped.
    pub async fn run(self, stop: CancellationToken) {
        let under_way = TaskTracker::new();
        let mut away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.desk.errand_ordered() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.take_up(&under_way).await {
                Ok(()) => away = false,
                Err(error) if !away => {
                    away = true;
                    tracing::error!(%error, "cannot look for errands, trying again every second");
                }
                Err(_) => {}
            }
        }
        under_way.close();
        let _ = tokio::time::timeout(STOPPING, under_way.wait()).await;
    }

    /// Begins as much of what is due as there are places.
    async fn take_up(&self, under_way: &TaskTracker) -> Result<(), StoreError> {
        self.take_out(Tray::Errands, &self.places, under_way).await?;
        if self.office.has_mail() {
            self.take_out(Tray::Mail, &self.mail_places, under_way).await?;
        }
        if self.office.has_hooks() {
            self.take_out(Tray::Hooks, &self.hook_places, under_way).await?;
        }
        Ok(())
    }

    async fn take_out(&self, tray: Tray, places: &Arc<Semaphore>, under_way: &TaskTracker) -> Result<(), StoreError> {
        let free = u32::try_from(places.available_permits()).unwrap_or(u32::MAX);
        if free == 0 {
            return Ok(());
        }
        for due in self.store.due_in(tray, self.clock.now(), free).await? {
            let Ok(place) = places.clone().try_acquire_owned() else { return Ok(()) };
            let courier = self.clone();
            under_way.spawn(async move {
                let brought = match &due.sending {
                    None => courier.carry_out(&due).await,
                    Some(sending) => courier.deliver(&due, sending).await.map_err(DeskError::Unavailable),
                };
                if let Err(error) = brought {
                    // It stays in the outbox, and whoever finds it due goes on.
                    let (conversation, errand) = (due.conversation, due.id);
                    tracing::error!(%conversation, %errand, %error, "an errand could not be brought further");
                }
                drop(place);
            });
        }
        Ok(())
    }

    async fn carry_out(&self, due: &Due) -> Result<(), DeskError> {
        let Due { id: errand, conversation, seq, made_at, due_at, .. } = *due;
        let found = self.store.events_after(conversation, seq.saturating_sub(1), 1).await;
        let found = found.map_err(DeskError::Unavailable)?;
        let ordered = found.first().filter(|event| event.seq == seq);
        let Some((ordered, Some(Errand::Ordered(proposal)))) =
            ordered.map(|event| (event, event.meta.errand.as_deref()))
        else {
            tracing::error!(%conversation, %errand, "an errand is gone from its conversation and is given up");
            return self.store.remove_from_outbox(errand).await.map_err(DeskError::Unavailable);
        };
        let actions = self.sources.actions();
        let held = self.clock.now() + millis(actions.time(&proposal.action) + LEASE);
        if !self.store.put_off(errand, due_at, held, None).await.map_err(DeskError::Unavailable)? {
            return Ok(());
        }
        let attempt = actions.carry_out(&proposal.action, &errand.to_string(), &proposal.params).await;
        let now = self.clock.now();
        let (outcome, fields) = match attempt {
            Attempt::Done(fields) => (Outcome::Done, fields),
            Attempt::Refused(told) => {
                tracing::warn!(%conversation, %errand, action = proposal.action, "an errand is refused: {told}");
                (Outcome::Refused, Map::new())
            }
            Attempt::Again(told) if now - made_at < millis(actions.patience(&proposal.action)) => {
                let pause = pause(now - made_at);
                tracing::warn!(
                    %conversation, %errand, action = proposal.action,
                    "an errand is tried again in {} s: {told}", pause / 1_000
                );
                // Should this fail, it is due again a little later.
                return self
                    .store
                    .put_off(errand, held, now + pause, None)
                    .await
                    .map(drop)
                    .map_err(DeskError::Unavailable);
            }
            Attempt::Again(told) => {
                tracing::error!(%conversation, %errand, action = proposal.action, "an errand is given up: {told}");
                (Outcome::Unknown, Map::new())
            }
        };
        let text = told(proposal, outcome, &fields);
        let settled = Settled { errand, outcome, fields };
        if self.desk.settle(conversation, ordered, &settled, &text).await? {
            let outcome = outcome.word();
            tracing::info!(%conversation, %errand, action = proposal.action, outcome, "an errand has its outcome");
        }
        Ok(())
    }

    /// Sends a mail, or calls a webhook.
    async fn deliver(&self, due: &Due, sending: &Sending) -> Result<(), StoreError> {
        let Due { id, conversation, made_at, due_at, .. } = *due;
        let (what, counts) = (sending.what(), self.office.counts());
        let tried = self.clock.now() - made_at - self.office.delay(sending);
        if tried > Office::PATIENCE {
            // Nobody looked for so long: it is about what has passed.
            tracing::error!(%conversation, %id, what, "it is given up, and nobody gets it: it is too old");
            counts.sent(what, "given_up");
            return self.store.remove_from_outbox(id).await;
        }
        let (post, upto) = match self.office.prepare(due, sending).await? {
            Ready::Send(post, upto) => (post, upto),
            Ready::Unneeded => return self.store.remove_sent(conversation, sending.clone(), due.seq).await,
            Ready::At(later) => return self.store.put_off(id, due_at, later, None).await.map(drop),
        };
        let held = self.clock.now() + millis(Office::TIME + LEASE);
        if !self.store.put_off(id, due_at, held, Some(upto)).await? {
            return Ok(());
        }
        let attempt = self.office.send(&post).await;
        let now = self.clock.now();
        let outcome = match attempt {
            Attempt::Done(_) => {
                tracing::info!(%conversation, %id, what, "sent");
                "sent"
            }
            Attempt::Again(told) if now - made_at < Office::PATIENCE => {
                let pause = pause(now - made_at - self.office.delay(sending));
                tracing::warn!(%conversation, %id, what, "it is sent again in {} s: {told}", pause / 1_000);
                counts.sent(what, "failed");
                return self.store.put_off(id, held, now + pause, None).await.map(drop);
            }
            Attempt::Again(told) | Attempt::Refused(told) => {
                tracing::error!(%conversation, %id, what, "it is given up, and nobody gets it: {told}");
                "given_up"
            }
        };
        self.store.remove_sent(conversation, sending.clone(), upto).await?;
        counts.sent(what, outcome);
        Ok(())
    }
}

/// How long to wait after this time of trying.
fn pause(tried: Millis) -> Millis {
    (tried / 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}
