//! Who asks the same at the same time shares one look-up; what a source allows to be kept answers later ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::Trouble;

/// Answers that are kept for later.
const KEPT: usize = 1_000;

/// The look-ups of one source that are under way or kept.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    under_way: HashMap<String, Weak<Flight>>,
    kept: HashMap<String, (Instant, Arc<Value>)>,
}

/// A look-up that several may wait for. Whoever waits carries it; when that one gives up, the next goes on.
type Flight = OnceCell<Result<Arc<Value>, Trouble>>;

impl Shared {
    /// What is known for these parameters, or what `ask` finds out. `keep` is how long that is good for.
    pub async fn get<F: Future<Output = Result<Value, Trouble>>>(
        &self,
        params: &Map<String, Value>,
        keep: Duration,
        ask: impl FnOnce() -> F,
    ) -> Result<Value, Trouble> {
        // The keys of a map are sorted.
        let key = Value::Object(params.clone()).to_string();
        let flight = {
            let mut state = self.state();
            if let Some((until, value)) = state.kept.get(&key)
                && *until > Instant::now()
            {
                return Ok(Value::clone(value));
            }
            let under_way = state.under_way.get(&key).and_then(Weak::upgrade);
            under_way.unwrap_or_else(|| {
                let flight = Arc::new(Flight::new());
                state.under_way.insert(key.clone(), Arc::downgrade(&flight));
                flight
            })
        };
        let landing = Landing { shared: self, key: &key, flight: &flight };
        let found = flight.get_or_init(|| async { ask().await.map(Arc::new) }).await.clone();
        if let Ok(value) = &found
            && !keep.is_zero()
        {
            self.state().keep(key.clone(), Instant::now() + keep, value.clone());
        }
        drop(landing);
        found.map(|value| Value::clone(&value))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, key: String, until: Instant, value: Arc<Value>) {
        if self.kept.len() >= KEPT {
            let now = Instant::now();
            self.kept.retain(|_, (until, _)| *until > now);
            if self.kept.len() >= KEPT {
                self.kept.clear();
            }
        }
        self.kept.insert(key, (until, value));
    }
}

/// Forgets a look-up when the last who waits for it is gone, also if that one gives up.
struct Landing<'a> {
    shared: &'a Shared,
    key: &'a str,
    flight: &'a Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // An answer is good for those who waited; whoever comes now asks anew.
        if self.flight.initialized() || Arc::strong_count(self.flight) == 1 {
            let own = state.under_way.get(self.key).is_some_and(|known| known.as_ptr() == Arc::as_ptr(self.flight));
            if own {
                state.under_way.remove(self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use serde_json::json;
    use tokio::sync::Semaphore;

    use super::*;

    fn params(n: i64) -> Map<String, Value> {
        Map::from_iter([("n".to_owned(), json!(n))])
    }

    #[tokio::test]
    async fn the_same_question_at_the_same_time_is_asked_once() {
        let (shared, asked, gate) = (Shared::default(), AtomicUsize::new(0), Semaphore::new(0));
        let ask = |n: i64| {
            let (asked, gate) = (&asked, &gate);
            shared.get_boxed(params(n), Duration::ZERO, move || async move {
                asked.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                Ok(json!(n))
            })
        };
        let all = join_all([ask(1), ask(1), ask(2), ask(1)]);
        let (found, ()) = tokio::join!(all, async { gate.add_permits(2) });
        assert_eq!(found, [Ok(json!(1)), Ok(json!(1)), Ok(json!(2)), Ok(json!(1))]);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        gate.add_permits(1);
        assert_eq!(ask(1).await, Ok(json!(1)));
        assert_eq!(asked.load(Ordering::SeqCst), 3, "later it is asked anew");
        assert!(shared.state().under_way.is_empty());
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_nobody_with_him() {
        let (shared, gate) = (Shared::default(), Semaphore::new(0));
        let ask = || {
            let gate = &gate;
            shared.get_boxed(params(1), Duration::ZERO, move || async move {
                gate.acquire().await.unwrap().forget();
                Ok(json!("found"))
            })
        };
        let (mut first, mut second) = (ask(), ask());
        assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
        drop(first);
        gate.add_permits(1);
        assert_eq!(second.await, Ok(json!("found")));
        assert!(shared.state().under_way.is_empty());
    }

    #[tokio::test]
    async fn an_answer_is_kept_as_long_as_its_source_allows() {
        let (shared, asked) = (Shared::default(), AtomicUsize::new(0));
        let ask = |keep: u64, found: Result<Value, Trouble>| {
            let asked = &asked;
            shared.get_boxed(params(1), Duration::from_secs(keep), move || async move {
                asked.fetch_add(1, Ordering::SeqCst);
                found
            })
        };
        assert_eq!(ask(60, Err(Trouble::Timeout)).await, Err(Trouble::Timeout));
        assert_eq!(ask(60, Ok(json!(1))).await, Ok(json!(1)), "a failure is not kept");
        assert_eq!(ask(60, Ok(json!(2))).await, Ok(json!(1)));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    impl Shared {
        fn get_boxed<'a, F: Future<Output = Result<Value, Trouble>> + Send + 'a>(
            &'a self,
            params: Map<String, Value>,
            keep: Duration,
            ask: impl FnOnce() -> F + Send + 'a,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + 'a>> {
            Box::pin(async move { self.get(&params, keep, ask).await })
        }
    }
}
