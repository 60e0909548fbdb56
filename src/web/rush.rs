//! Keeps clients from coming all in the same moment: after a stop of this node, and at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::protocol::{ErrorCode, Refused};

/// A client does not wait longer than this for its turn to come in; it is told to come back instead.
const LONGEST: Duration = Duration::from_secs(5);

/// Lets so many clients in a second, evenly, whatever made them come: a network that is back, another node that died.
pub struct Turnstile {
    each: Duration,
    next: Mutex<Instant>,
}

impl Turnstile {
    /// One that lets `per_second` clients in.
    pub fn new(per_second: u32) -> Turnstile {
        Turnstile { each: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Ready when it is this client's turn.
    pub async fn pass(&self) -> Result<(), Refused> {
        let now = Instant::now();
        let turn = self.turn(now)?;
        if turn > now {
            sleep_until(turn).await;
        }
        Ok(())
    }

    fn turn(&self, now: Instant) -> Result<Instant, Refused> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = now.max(*next);
        if turn - now > LONGEST {
            return Err(Refused::wait(ErrorCode::Full, turn - now));
        }
        *next = turn + self.each;
        Ok(turn)
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
    fn the_turnstile_lets_nobody_wait_too_long() {
        let turnstile = Turnstile::new(100);
        let start = Instant::now() + Duration::from_secs(1);
        let turns: Vec<_> = (0..600).map(|_| turnstile.turn(start)).collect();
        let (in_time, refused) = turns.split_at(501);
        for (number, turn) in in_time.iter().enumerate() {
            assert_eq!(turn.as_ref().unwrap().duration_since(start), Duration::from_millis(10) * number as u32);
        }
        assert!(refused.iter().all(|turn| turn.as_ref().is_err_and(|refused| refused.retry_after.is_some())));
        // When it is quiet again, nobody waits.
        let later = start + Duration::from_secs(60);
        assert_eq!(turnstile.turn(later).unwrap(), later);
    }
}
