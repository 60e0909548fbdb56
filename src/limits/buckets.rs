//! Buckets that refill evenly.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many buckets of a kind are kept; whoever comes when all of them are in use is let through, since nobody else
/// must be locked out by those who fill them.
const MOST: usize = 200_000;
/// Full buckets are thrown away when there are more than this, and so many more again.
const SWEEP_FROM: usize = 1_024;
/// Going through all of them is not done more often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// So many are told at once; what is more stays with this node.
const TELLS: usize = 10_000;

/// Both halves of a bucket's key (JSON has no longer numbers), and how much was taken from it.
pub(super) type Spent = (u64, u64, u32);

/// The buckets of one bound.
pub(super) struct Buckets {
    /// A bucket regains one in this time…
    each: Duration,
    /// …and is full again after this one.
    span: Duration,
    table: Mutex<Table>,
}

struct Table {
    /// When a bucket will be full again. One that is full is as good as none.
    full_at: HashMap<u128, Duration>,
    sweep_at: usize,
    no_sweep_before: Duration,
    /// What was taken since it was told; `None` if nobody is told.
    spent: Option<HashMap<u128, u32>>,
}

impl Buckets {
    /// Full ones of this `size`. `shared`: what is taken is kept for [`Buckets::spent`].
    pub(super) fn new(size: u32, span: Duration, shared: bool) -> Buckets {
        let table = Table {
            full_at: HashMap::new(),
            sweep_at: SWEEP_FROM,
            no_sweep_before: Duration::ZERO,
            spent: shared.then(HashMap::new),
        };
        Buckets { each: span / size.max(1), span, table: Mutex::new(table) }
    }

    /// Takes one. An error tells how long to wait.
    pub(super) fn take(&self, key: u128, now: Duration) -> Result<(), Duration> {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now) + self.each;
        if full_at > now + self.span {
            return Err(full_at - now - self.span);
        }
        table.keep(key, full_at, now);
        if let Some(spent) = &mut table.spent
            && (spent.len() < TELLS || spent.contains_key(&key))
        {
            *spent.entry(key).or_default() += 1;
        }
        Ok(())
    }

    /// Whether one could be taken.
    pub(super) fn has_left(&self, key: u128, now: Duration) -> bool {
        lock(&self.table).full_at(key, now) + self.each <= now + self.span
    }

    /// Takes as many as there are, up to this.
    pub(super) fn take_away(&self, key: u128, count: u32, now: Duration) {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now) + self.each.saturating_mul(count);
        table.keep(key, full_at.min(now + self.span), now);
        if let Some(spent) = &mut table.spent
            && (spent.len() < TELLS || spent.contains_key(&key))
        {
            let spent = spent.entry(key).or_default();
            *spent = spent.saturating_add(count);
        }
    }

    /// Puts one back.
    pub(super) fn give_back(&self, key: u128, now: Duration) {
        let mut table = lock(&self.table);
        let full_at = table.full_at(key, now).saturating_sub(self.each);
        table.keep(key, full_at, now);
        // What was told meanwhile stays told.
        if let Some(spent) = table.spent.as_mut().and_then(|spent| spent.get_mut(&key)) {
            *spent = spent.saturating_sub(1);
        }
    }

    /// Takes off what was taken elsewhere. An empty bucket is the worst that others can do.
    pub(super) fn spend(&self, some: &[Spent], now: Duration) {
        let mut table = lock(&self.table);
        for (high, low, count) in some {
            let key = u128::from(*high) << 64 | u128::from(*low);
            let full_at = table.full_at(key, now) + self.each.saturating_mul(*count);
            table.keep(key, full_at.min(now + self.span), now);
        }
    }

    /// What was taken since this was asked last, if it is told at all.
    pub(super) fn spent(&self) -> Vec<Spent> {
        let spent = lock(&self.table).spent.as_mut().map(std::mem::take).unwrap_or_default();
        spent.into_iter().map(|(key, count)| ((key >> 64) as u64, key as u64, count)).collect()
    }
}

impl Table {
    fn full_at(&self, key: u128, now: Duration) -> Duration {
        self.full_at.get(&key).map_or(now, |full_at| (*full_at).max(now))
    }

    fn keep(&mut self, key: u128, full_at: Duration, now: Duration) {
        if self.full_at.len() >= self.sweep_at && now >= self.no_sweep_before {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = SWEEP_FROM.max(2 * self.full_at.len()).min(MOST);
            self.no_sweep_before = now + SWEEP_EVERY;
        }
        if self.full_at.len() < MOST || self.full_at.contains_key(&key) {
            self.full_at.insert(key, full_at);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_bucket_gives_its_size_at_once_and_then_refills_evenly() {
        let buckets = Buckets::new(7, seconds(60), false);
        for _ in 0..7 {
            assert_eq!(buckets.take(1, seconds(5)), Ok(()));
        }
        let wait = buckets.take(1, seconds(5)).unwrap_err();
        assert!(wait <= seconds(60) / 7 && wait > seconds(8), "{wait:?}");
        assert_eq!(buckets.take(2, seconds(5)), Ok(()), "others have their own");
        // Whoever waits as long as it was told is let through, once.
        assert_eq!(buckets.take(1, seconds(5) + wait), Ok(()));
        assert!(buckets.take(1, seconds(5) + wait).is_err());
        // Refused attempts cost nothing.
        assert_eq!(buckets.take(1, seconds(5) + wait + seconds(60) / 7), Ok(()));
        for _ in 0..7 {
            assert_eq!(buckets.take(1, seconds(1_000)), Ok(()));
        }
        assert!(buckets.take(1, seconds(1_000)).is_err());
    }

    #[test]
    fn more_than_there_is_empties_a_bucket_which_comes_back() {
        // Half the span brings half of them back.
        let buckets = Buckets::new(1_000, seconds(1_000), false);
        buckets.take_away(1, 5_000, seconds(1));
        assert!(!buckets.has_left(1, seconds(1)) && buckets.has_left(1, seconds(501)));
        buckets.take_away(1, 499, seconds(501));
        assert!(buckets.has_left(1, seconds(501)));
        buckets.take_away(1, 1, seconds(501));
        assert!(!buckets.has_left(1, seconds(501)));
    }

    #[test]
    fn memory_is_bounded_and_nobody_is_locked_out_by_it() {
        let buckets = Buckets::new(2, seconds(60), true);
        for key in 0..MOST as u128 + 500 {
            assert_eq!(buckets.take(key, seconds(1)), Ok(()));
        }
        assert_eq!(lock(&buckets.table).full_at.len(), MOST);
        assert_eq!(buckets.spent().len(), TELLS);
        assert_eq!(buckets.take(0, seconds(1)), Ok(()));
        assert!(buckets.take(0, seconds(1)).is_err(), "whoever has a bucket keeps it");
        // Once they are full again they are thrown away.
        buckets.take(u128::MAX, seconds(100)).unwrap();
        assert_eq!(lock(&buckets.table).full_at.len(), 1);
    }
}
