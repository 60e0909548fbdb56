//! Waking: conversations that are due, and the answers that this node holds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Desk;
use super::holds::LEASE;
use crate::conversation::Conversation;
use crate::store::StoreError;

/// How often due conversations are looked for.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// Whether there are agents is looked up once in so many rounds.
const STAFF_ROUNDS: u32 = 5;
/// How many holds are prolonged at once. Messages that are to be stored wait as long as that takes.
const HELD_AT_ONCE: usize = 128;
/// How many due conversations are taken at once.
const WAKE_BATCH: u32 = 64;

impl Desk {
    /// Holds what is answered here, and does what conversations that are due wait for, until it is stopped.
    pub async fn wake(self: Arc<Self>, stop: CancellationToken) {
        let mut away = false;
        let mut rounds = 0_u32;
        while stop.run_until_cancelled(tokio::time::sleep(WAKE_EVERY)).await.is_some() {
            let woken = match self.hold().await {
                Ok(()) => self.wake_due().await,
                Err(error) => Err(error),
            };
            if woken.is_ok() && rounds.is_multiple_of(STAFF_ROUNDS) {
                self.look_for_staff().await;
                self.look_for_blocked().await;
            }
            rounds = rounds.wrapping_add(1);
            match woken {
                Ok(()) => away = false,
                Err(error) if !away => {
                    away = true;
                    tracing::error!(error = %error, "cannot look for due conversations, trying again every second");
                }
                Err(_) => {}
            }
        }
    }

    /// Tells the other nodes that this one is still at its answers.
    async fn hold(&self) -> Result<(), StoreError> {
        let ending = self.holds.ending(self.clock.now());
        for some in ending.chunks(HELD_AT_ONCE) {
            let until = self.clock.now() + LEASE;
            self.store.hold(some.to_vec(), until).await?;
            self.holds.prolonged(some, until);
        }
        Ok(())
    }

    /// Begins to do what every conversation that is due now waits for.
    pub async fn wake_due(self: &Arc<Self>) -> Result<(), StoreError> {
        loop {
            // What is answered here may be due because nobody holds it any longer. It stands in nobody's way.
            let at_most = u32::try_from(self.holds.count()).unwrap_or(u32::MAX).saturating_add(WAKE_BATCH);
            let due = self.store.due(self.clock.now(), at_most).await?;
            let all = due.len() < at_most as usize;
            let others = due.into_iter().filter(|head| !self.holds.contains(head.id));
            let mut taken_up = 0;
            for head in others.take(WAKE_BATCH as usize) {
                let seat = self.seats.take(head.id, head.visitor, None);
                seat.begun.store(true, Ordering::Relaxed);
                let mut seated = seat.state.lock().await;
                let Some(wake_at) = head.wake_at.filter(|_| !seated.answering) else { continue };
                // Of all nodes that find it, one goes on here.
                let until = self.clock.now() + LEASE;
                if !head.has_pending() {
                    taken_up += 1;
                    self.look_after(&seat, &mut seated, head, wake_at).await?;
                } else if self.store.claim(head.id, wake_at, until).await? {
                    taken_up += 1;
                    seated.found(Conversation { wake_at: Some(until), ..head });
                    self.take_up(&seat, &mut seated).await?;
                }
            }
            if all || taken_up == 0 {
                return Ok(());
            }
            // A long list takes longer than a hold lasts.
            self.hold().await?;
        }
    }

    /// Waits until every answer under way is stored.
    pub async fn finish_answers(&self) {
        self.answering.close();
        while tokio::time::timeout(WAKE_EVERY, self.answering.wait()).await.is_err() {
            // Should the store be away, other nodes begin the same answers, and one of each is stored.
            let _ = self.hold().await;
        }
    }
}
