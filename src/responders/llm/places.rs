//! How many calls are under way at once, and a short queue before them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// The places.
pub(super) struct Places {
    places: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    wait: Duration,
}

/// One who waits. Gone, it waits no more.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Places {
    /// So many at once, and so many who wait for a place for so long.
    pub fn new(at_once: usize, most_waiting: usize, wait: Duration) -> Places {
        Places { places: Semaphore::new(at_once), waiting: AtomicUsize::new(0), most_waiting, wait }
    }

    /// A place, as long as it is held; `None` if too many wait already, or none became free in time.
    pub async fn take(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
            return None;
        }
        let place = tokio::time::timeout(self.wait, self.places.acquire()).await;
        drop(waiting);
        place.ok()?.ok()
    }

    /// How many are free.
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_waits_a_little() {
        let places = Places::new(1, 1, Duration::from_millis(50));
        let _first = places.take().await.expect("a place");
        // The queue is full while the second waits.
        let (second, third) = tokio::join!(places.take(), places.take());
        assert!(second.is_none() && third.is_none());

        let places = Places::new(1, 1, Duration::from_secs(60));
        let first = places.take().await.expect("a place");
        let (second, third, ()) = tokio::join!(places.take(), places.take(), async { drop(first) });
        assert!(second.is_some() && third.is_none());
        drop(second);
        assert_eq!((places.free(), places.waiting.load(Ordering::Relaxed)), (1, 0));
    }
}
