//! Names that nobody has. Whoever tries one is held as if somebody had it, so that no answer tells which names there are.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::{COUNTS, lock, lock_strangers};
use crate::conversation::Millis;
use crate::store::Lock;

/// So many are counted at once; of what comes then nothing is kept until some of them are forgotten.
const MOST: usize = 20_000;

/// Who tried what, on this node.
#[derive(Default)]
pub(super) struct Nobody(Mutex<HashMap<[u8; 32], Tried>>);

struct Tried {
    failures: u32,
    locked_until: Millis,
    forget_at: Millis,
}

impl Nobody {
    /// Until when this name is not tried that comes from there; 0 if it is.
    pub fn locked_until(&self, login: &str, caller: &[u8; 32]) -> Millis {
        let tried = self.tried();
        let until = |key| tried.get(&key).map_or(0, |tried: &Tried| tried.locked_until);
        until(key(login, caller)).max(until(key(login, &[])))
    }

    /// It was tried: counted for that caller, and for all of them together.
    pub fn count(&self, login: &str, caller: &[u8; 32], now: Millis) {
        let mut tried = self.tried();
        if tried.len() >= MOST {
            tried.retain(|_, tried| tried.forget_at > now);
        }
        for (key, lock) in [(key(login, caller), lock as Lock), (key(login, &[]), lock_strangers as Lock)] {
            if tried.len() >= MOST && !tried.contains_key(&key) {
                continue;
            }
            let one = tried.entry(key).or_insert(Tried { failures: 0, locked_until: 0, forget_at: 0 });
            one.failures = if one.forget_at <= now { 1 } else { one.failures.saturating_add(1) };
            one.locked_until = lock(one.failures).map_or(0, |wait| now + wait);
            one.forget_at = now + COUNTS;
        }
    }

    fn tried(&self) -> MutexGuard<'_, HashMap<[u8; 32], Tried>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(login: &str, caller: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(caller).chain_update(login).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_bounded_and_forgotten() {
        let nobody = Nobody::default();
        for n in 0..MOST / 2 {
            nobody.count(&n.to_string(), &[1; 32], 0);
        }
        assert_eq!(nobody.tried().len(), MOST);
        for _ in 0..6 {
            nobody.count("0", &[1; 32], 1);
            nobody.count("new", &[1; 32], 1);
        }
        assert!(nobody.locked_until("0", &[1; 32]) > 1, "whoever is counted goes on to be");
        assert_eq!((nobody.locked_until("0", &[2; 32]), nobody.locked_until("new", &[1; 32])), (0, 0));
        nobody.count("new", &[1; 32], COUNTS + 1);
        assert!(nobody.tried().len() < 10);
    }
}
