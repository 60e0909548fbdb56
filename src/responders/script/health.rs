//! A plugin that fails again and again is set aside for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row.
const FAILURES: u32 = 5;
/// The first rest; each further one is twice as long…
const FIRST_REST: Duration = Duration::from_secs(60);
/// …up to this.
const LONGEST_REST: Duration = Duration::from_secs(15 * 60);

/// How a plugin fares. A version that was edited begins anew.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rest: Option<Duration>,
    aside_until: Option<Instant>,
    last: Option<String>,
}

impl Health {
    /// Whether the plugin is not to be asked now.
    pub fn is_aside(&self) -> bool {
        self.state().aside_until.is_some_and(|until| Instant::now() < until)
    }

    /// What it failed with last, if it fails at the moment.
    pub fn trouble(&self) -> Option<String> {
        self.state().last.clone()
    }

    /// It did what it should.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        if state.failures > 0 {
            *state = State::default();
        }
    }

    /// It failed. Gives how long it is set aside, if this was once too often. After the rest, one failure is enough.
    pub(super) fn failed(&self, with: String) -> Option<Duration> {
        let mut state = self.state();
        state.failures += 1;
        state.last = Some(with);
        if state.failures < FAILURES {
            return None;
        }
        let rest = state.rest.map_or(FIRST_REST, |rest| (rest * 2).min(LONGEST_REST));
        state.rest = Some(rest);
        state.aside_until = Some(Instant::now() + rest);
        Some(rest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_set_aside_after_failures_in_a_row() {
        let health = Health::default();
        for _ in 1..FAILURES {
            assert_eq!(health.failed("x".to_owned()), None);
        }
        health.succeeded();
        assert_eq!(health.trouble(), None);
        for _ in 1..FAILURES {
            assert_eq!(health.failed("x".to_owned()), None);
        }
        assert!(!health.is_aside());
        assert_eq!(health.failed("y".to_owned()), Some(FIRST_REST));
        assert!(health.is_aside());
        assert_eq!(health.trouble().as_deref(), Some("y"));
        // As if the rest were over.
        health.state().aside_until = Some(Instant::now());
        assert!(!health.is_aside());
        assert_eq!(health.failed("z".to_owned()), Some(FIRST_REST * 2));
    }
}
