//! Many threads at one list of work, and the results in the order of the list.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// How far the fastest thread may be ahead of the slowest, in pieces of work a thread. What is finished and waits for
/// an earlier piece is all that is kept.
const AHEAD: usize = 32;

/// How many threads this machine has for it.
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` on each item of `items` with this many threads, and hands the results to `take` in the order of the
/// items, on the calling thread, until that breaks off. A thread has its runtime, for work that is a future.
pub fn in_order<T: Send, R: Send, B>(
    threads: usize,
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(&Runtime, T) -> R + Sync,
    mut take: impl FnMut(R) -> ControlFlow<B>,
) -> Option<B> {
    let threads = threads.max(1);
    let (done, finished) = sync_channel::<(usize, thread::Result<R>)>(threads);
    // A thread takes a ticket before it takes an item; the ticket comes back when the result was handed on.
    let (back, tickets) = sync_channel::<()>(threads * AHEAD);
    for _ in 0..threads * AHEAD {
        // There is room for all of them.
        let _ = back.try_send(());
    }
    let next = Mutex::new((tickets, items.enumerate()));
    thread::scope(|scope| {
        for _ in 0..threads {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || labour(next, work, &done));
        }
        drop(done);
        hand_on(finished, back, &mut take)
    })
}

/// Works until there is nothing left, or nobody wants it any more.
fn labour<T, R>(
    next: &Mutex<(Receiver<()>, impl Iterator<Item = (usize, T)>)>,
    work: &impl Fn(&Runtime, T) -> R,
    done: &SyncSender<(usize, thread::Result<R>)>,
) {
    // It can only fail for want of memory or files; the other threads go on.
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else { return };
    loop {
        let item = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let (tickets, items) = &mut *next;
            if tickets.recv().is_err() {
                return;
            }
            items.next()
        };
        let Some((number, item)) = item else { return };
        // A panic ends the whole, and not only the thread that the others would then wait for.
        let result = catch_unwind(AssertUnwindSafe(|| work(&runtime, item)));
        if done.send((number, result)).is_err() {
            return;
        }
    }
}

/// Puts the results in order.
fn hand_on<R, B>(
    finished: Receiver<(usize, thread::Result<R>)>,
    back: SyncSender<()>,
    take: &mut impl FnMut(R) -> ControlFlow<B>,
) -> Option<B> {
    let mut early = BTreeMap::new();
    let mut wanted = 0;
    for (number, result) in finished {
        early.insert(number, result.unwrap_or_else(|panic| resume_unwind(panic)));
        while let Some(result) = early.remove(&wanted) {
            wanted += 1;
            if let ControlFlow::Break(end) = take(result) {
                return Some(end);
            }
            // No thread is left to take it.
            let _ = back.try_send(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_number_of_threads() {
        for threads in [1, 2, 7] {
            let mut got = Vec::new();
            let work = |_: &Runtime, item: usize| {
                // The first of each ten takes longest.
                if item.is_multiple_of(10) {
                    (0..20_000).for_each(|n| _ = std::hint::black_box(n));
                }
                item * 2
            };
            let ended = in_order(threads, 0..1_000, work, |result| {
                got.push(result);
                ControlFlow::<()>::Continue(())
            });
            assert_eq!(ended, None);
            assert_eq!(got, (0..1_000).map(|item| item * 2).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn whoever_breaks_off_is_not_kept_waiting() {
        let mut seen = 0;
        let ended = in_order(
            3,
            0..,
            |_, item: u64| item,
            |item| {
                seen += 1;
                if item == 100 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!((ended, seen), (Some("enough"), 101));
    }
}
