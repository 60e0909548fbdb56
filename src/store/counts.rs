//! How the store fares: in numbers for metrics, and at a glance for whoever asks whether it is there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use super::error::StoreError;

/// A write that failed says for so long that the store is away. Longer, and a node to which therefore nothing is sent
/// any more would never find out that it is back.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Counted since the start.
#[derive(Debug)]
pub struct Counts {
    /// How many appends each commit carried.
    pub appends: Histogram,
    /// How many seconds each commit took, with its statements.
    pub commits: Histogram,
    /// Batches that met somebody else's rows and were judged.
    pub judged: Counter,
    /// Batches that were tried again, after a deadlock or a lost connection.
    pub tried_again: Counter,
    start: Instant,
    /// When a write failed last, in milliseconds since the start; 0 if writing works.
    write_failed: AtomicU64,
    read_fails: AtomicBool,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            appends: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            commits: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            judged: Counter::default(),
            tried_again: Counter::default(),
            start: Instant::now(),
            write_failed: AtomicU64::new(0),
            read_fails: AtomicBool::new(false),
        }
    }
}

impl Counts {
    /// Whether the store seems to be away. Due conversations are looked for each second, so it is known soon.
    pub(super) fn is_away(&self) -> bool {
        let failed = self.write_failed.load(Ordering::Relaxed);
        let lately = failed > 0 && self.millis().saturating_sub(failed) < REMEMBERED.as_millis() as u64;
        lately || self.read_fails.load(Ordering::Relaxed)
    }

    pub(super) fn wrote(&self, works: bool) {
        self.write_failed.store(if works { 0 } else { self.millis().max(1) }, Ordering::Relaxed);
    }

    pub(super) fn read<T>(&self, rows: &Result<T, StoreError>) {
        let fails = matches!(rows, Err(StoreError::Unreachable(_) | StoreError::TimedOut(_)));
        // Seldom anything else than before: a write would take the line from other workers.
        if fails != self.read_fails.load(Ordering::Relaxed) {
            self.read_fails.store(fails, Ordering::Relaxed);
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
