//! A source that fails several times in a row is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row.
const FAILURES: u32 = 5;
/// The first rest; each further one is twice as long…
const FIRST_REST: Duration = Duration::from_secs(2);
/// …up to this.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// Counts the failures of a source.
pub struct Breaker(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    /// It works, or failed so many times in a row.
    Working { failures: u32 },
    /// It is left alone.
    Resting { until: Instant, rest: Duration },
    /// After a rest one look-up tries. Should it be given up, another one tries after the same time.
    Trying { since: Instant, rest: Duration },
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker(Mutex::new(State::Working { failures: 0 }))
    }
}

impl Breaker {
    /// Whether the source may be asked.
    pub fn lets_through(&self) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        let (lets, rest) = match *state {
            State::Working { .. } => return true,
            State::Resting { until, rest } => (now >= until, rest),
            State::Trying { since, rest } => (now >= since + rest, rest),
        };
        if lets {
            *state = State::Trying { since: now, rest };
        }
        lets
    }

    /// It answered. Gives whether it had been left alone.
    pub fn succeeded(&self) -> bool {
        let before = std::mem::replace(&mut *self.state(), State::Working { failures: 0 });
        !matches!(before, State::Working { .. })
    }

    /// It failed. Gives how long it is left alone, if a rest begins with this.
    pub fn failed(&self) -> Option<Duration> {
        let mut state = self.state();
        let rest = match *state {
            State::Working { failures } if failures + 1 < FAILURES => {
                *state = State::Working { failures: failures + 1 };
                return None;
            }
            State::Working { .. } => FIRST_REST,
            // It was asked before the rest began.
            State::Resting { .. } => return None,
            State::Trying { rest, .. } => (rest * 2).min(LONGEST_REST),
        };
        *state = State::Resting { until: Instant::now() + rest, rest };
        Some(rest)
    }

    /// It says for how long it wants to be left alone. Gives how long that is, if a rest begins with this.
    pub fn asked_to_wait(&self, wait: Duration) -> Option<Duration> {
        let mut state = self.state();
        let wait = wait.min(LONGEST_REST);
        let until = Instant::now() + wait;
        let rests = match *state {
            State::Resting { until: before, .. } if before >= until => return None,
            State::Resting { .. } => true,
            State::Working { .. } | State::Trying { .. } => false,
        };
        // Should it fail in another way after that, it is left alone as any other.
        *state = State::Resting { until, rest: FIRST_REST };
        (!rests).then_some(wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if so much time had passed.
    fn pass(breaker: &Breaker, time: Duration) {
        let mut state = breaker.state();
        match &mut *state {
            State::Resting { until, .. } => *until -= time,
            State::Trying { since, .. } => *since -= time,
            State::Working { .. } => {}
        }
    }

    #[test]
    fn a_failing_source_gets_longer_rests() {
        let breaker = Breaker::default();
        for _ in 1..FAILURES {
            assert!(breaker.lets_through() && breaker.failed().is_none());
        }
        assert!(!breaker.succeeded(), "one success makes all failures forgotten");
        for _ in 1..FAILURES {
            assert_eq!(breaker.failed(), None);
        }
        assert_eq!(breaker.failed(), Some(FIRST_REST));
        assert_eq!(breaker.failed(), None, "it was under way already");
        assert!(!breaker.lets_through());
        pass(&breaker, FIRST_REST);
        assert!(breaker.lets_through() && !breaker.lets_through(), "one tries");
        assert_eq!(breaker.failed(), Some(FIRST_REST * 2));
        pass(&breaker, FIRST_REST * 2);
        assert!(breaker.lets_through());
        pass(&breaker, FIRST_REST * 2);
        assert!(breaker.lets_through(), "the one that tried was given up");
        assert!(breaker.succeeded());
        assert!(breaker.lets_through() && breaker.lets_through());
        assert_eq!(breaker.asked_to_wait(Duration::from_secs(20)), Some(Duration::from_secs(20)));
        assert_eq!(breaker.asked_to_wait(Duration::from_secs(10)), None, "it rests for longer already");
        pass(&breaker, Duration::from_secs(19));
        assert!(!breaker.lets_through());
        pass(&breaker, Duration::from_secs(1));
        assert!(breaker.lets_through() && !breaker.lets_through(), "one tries");
        assert_eq!(breaker.asked_to_wait(Duration::from_secs(86_400)), Some(LONGEST_REST), "nobody waits for a day");
        pass(&breaker, LONGEST_REST);
        assert!(breaker.lets_through() && breaker.succeeded());
        for _ in 0..20 {
            let rest = std::iter::repeat_with(|| breaker.failed()).flatten().next().unwrap();
            assert!(rest <= LONGEST_REST);
            pass(&breaker, rest);
            assert!(breaker.lets_through());
        }
    }
}
