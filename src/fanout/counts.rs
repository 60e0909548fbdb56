//! What happened in the fan-out, in numbers: an operator's metrics read them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events that this node gave to Redis.
    pub carried: Count,
    /// Events that were not given to Redis, since it was away or too slow. Other nodes read them from the store.
    pub not_carried: Count,
    /// Events of other nodes that came by way of Redis.
    pub received: Count,
    /// Messages of other nodes about what they let through.
    pub limits_heard: Count,
    /// Events that came without the ones before them.
    pub gaps: Count,
    /// Events that were read from the store because they never came.
    pub healed: Count,
    /// Followers that were cut off because they read too slowly.
    pub cut_off: Count,
    /// Connections to Redis that broke.
    pub redis_lost: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }
}
