//! Keeps clients from coming all in the same moment: after a stop of this node, and at all.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::protocol::{ErrorCode, Refused};

/// A client does not wait longer than this for its turn to come in; it is told to come back instead.
const LONGEST: Duration = Duration::from_secs(5);

/// Lets so many clients in a second, evenly, whatever made them come: a network that is back, another node that died.
pub struct Turnstile {
    each: Duration,
    /// How many wait.
    waiting: AtomicUsize,
    /// When the next one may pass. Held by the first of those who wait; the others queue.
    next: Mutex<Instant>,
}

/// What was missed by so much is made up for: timers are not exact. A longer pause of the whole machine is not, or all
/// who waited meanwhile would pass at once after it.
const SLACK: Duration = Duration::from_millis(20);

impl Turnstile {
    /// One that lets `per_second` clients in, in any second: what is made up for counts.
    pub fn new(per_second: u32) -> Turnstile {
        let each = (Duration::from_secs(1) + SLACK) / per_second.max(1);
        Turnstile { each, waiting: AtomicUsize::new(0), next: Mutex::new(Instant::now()) }
    }

    /// Ready when it is this client's turn.
    pub async fn pass(&self) -> Result<(), Refused> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        let wait = self.each.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        if wait > LONGEST {
            return Err(Refused::wait(ErrorCode::Full, wait));
        }
        let mut next = self.next.lock().await;
        let turn = turn(*next, Instant::now());
        sleep_until(turn).await;
        *next = turn + self.each;
        Ok(())
    }
}

/// When whoever may pass at `next` does, if they look at `now`.
fn turn(next: Instant, now: Instant) -> Instant {
    next.max(now.checked_sub(SLACK).unwrap_or(now))
}

/// One that waits, however that ends.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Spreads the return of the clients of a node that stops over a time, evenly.
pub struct Returns {
    within: Duration,
    /// The most that come back in a second, however short that time is.
    per_second: u32,
    /// How many were connected when the first was told.
    clients: OnceLock<usize>,
    told: AtomicUsize,
}

impl Returns {
    /// Returns within this time, and not faster than `per_second`.
    pub fn new(within: Duration, per_second: u32) -> Returns {
        Returns { within, per_second, clients: OnceLock::new(), told: AtomicUsize::new(0) }
    }

    /// When the next one that is told comes back, in milliseconds. `open` is how many are connected now.
    pub fn next(&self, open: usize) -> u32 {
        let clients = u64::try_from((*self.clients.get_or_init(|| open)).max(1)).unwrap_or(u64::MAX);
        let at_least = clients.saturating_mul(1_000) / u64::from(self.per_second.max(1));
        let within = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX).max(at_least);
        // Whoever came in between begins anew.
        let place = u64::try_from(self.told.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % clients;
        u32::try_from(within.saturating_mul(place) / clients).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_are_spread_evenly() {
        for (within, per_second, clients, expected) in
            [(10, 1_000, 1_000, 10_000), (10, 100, 2_000, 20_000), (0, 50, 100, 2_000), (3, 10, 1, 3_000)]
        {
            let returns = Returns::new(Duration::from_secs(within), per_second);
            let told: Vec<u32> = (0..clients).map(|left| returns.next(clients - left)).collect();
            for second in 0..=expected / 1_000 {
                let in_it = told.iter().filter(|at| **at / 1_000 == second).count();
                assert!(in_it <= per_second as usize, "{in_it} in second {second}");
            }
            let step = expected / clients as u32;
            assert_eq!(*told.last().unwrap(), expected - step);
        }
    }

    #[test]
    fn nobody_passes_the_turnstile_in_a_crowd_after_a_pause() {
        let each = Turnstile::new(200).each;
        let start = Instant::now() + Duration::from_secs(10);
        let (mut next, mut now, mut passed) = (start, start, Vec::new());
        for number in 0..1_000 {
            // The machine stands still for two seconds; otherwise timers are a millisecond late.
            if number == 500 {
                now += Duration::from_secs(2);
            }
            let turn = turn(next, now);
            if turn > now {
                now = turn + Duration::from_millis(1);
            }
            passed.push(now);
            next = turn + each;
        }
        for (number, first) in passed.iter().enumerate() {
            let in_it = passed[number..].partition_point(|at| *at - *first < Duration::from_secs(1));
            assert!(in_it <= 200, "{in_it} passed within a second");
        }
        assert!(now - start < Duration::from_millis(7_100), "being late by a little is made up for");
    }

    #[tokio::test]
    async fn the_turnstile_refuses_whoever_would_wait_too_long() {
        let turnstile = Turnstile::new(1);
        assert!(turnstile.pass().await.is_ok());
        let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(turnstile.pass())).collect();
        for waits in &mut waiting {
            assert!(futures_util::poll!(waits).is_pending());
        }
        let refused = turnstile.pass().await.expect_err("more than five seconds are too long");
        assert!(refused.retry_after.is_some_and(|after| after > 5_000));
        // Whoever goes away makes room.
        drop(waiting);
        assert!(futures_util::poll!(Box::pin(turnstile.pass())).is_pending());
    }
}
