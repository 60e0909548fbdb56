//! The one connection that everything is written over: made again after it was lost, and used only if it is known to be in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::counts::Counts;
use super::error::{Fault, StoreError};
use super::pool::{Engine, Link};

/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// See the head of this file.
pub(super) struct Connection {
    engine: Arc<Engine>,
    link: Option<Link>,
    /// How often it has connected.
    times: u64,
    /// How long each step may take.
    patience: Duration,
    pause: Duration,
    /// The store is known to be away. For the log, which says so once.
    away: bool,
    counts: Arc<Counts>,
}

impl Connection {
    /// Not connected yet.
    pub(super) fn new(engine: Arc<Engine>, patience: Duration, counts: Arc<Counts>) -> Connection {
        Connection { engine, link: None, times: 0, patience, pause: FIRST_PAUSE, away: false, counts }
    }

    /// How often it has connected. What was known of the database before may be wrong since.
    pub(super) fn times(&self) -> u64 {
        self.times
    }

    /// The connection, if there is one.
    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.link.as_mut()
    }

    /// Ends it.
    pub(super) async fn close(&mut self) {
        if let Some(link) = self.link.take() {
            let _ = link.close().await;
        }
    }

    /// Does a small thing in a transaction of its own. Tried once: whoever wants it asks again, or can do without.
    pub(super) async fn once<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.connect().await.inspect_err(|error| self.went_away(error))?;
        let done = self.transaction(async |link| {
            let done = work(link).await?;
            link.commit().await?;
            Ok(done)
        });
        done.await.map_err(Fault::into_error)
    }

    /// Does `work`, which ends with a commit or a roll-back, in a transaction.
    pub(super) async fn transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        self.attempt(true, work).await
    }

    /// Does `work`, which is one statement and its own transaction.
    pub(super) async fn statement<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        self.attempt(false, work).await
    }

    /// The connection is kept only if it is known to be in order.
    async fn attempt<T>(
        &mut self,
        begin: bool,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let Some(mut link) = self.link.take() else {
            return Err(Fault::Lost(StoreError::Unreachable("not connected".to_owned())));
        };
        let limit = self.patience;
        let done = timeout(limit, async {
            if begin {
                link.begin().await?;
            }
            work(&mut link).await
        });
        let fault = match done.await {
            Ok(Ok(done)) => {
                self.link = Some(link);
                self.came_back();
                return Ok(done);
            }
            Ok(Err(error)) => Fault::of(&error),
            Err(_) => Fault::Lost(StoreError::TimedOut(limit)),
        };
        // A statement by itself is rolled back by the database.
        if matches!(fault, Fault::Taken | Fault::Again(_) | Fault::Refused(_))
            && (!begin || matches!(timeout(limit, link.rollback()).await, Ok(Ok(()))))
        {
            self.link = Some(link);
        }
        Err(fault)
    }

    /// Connects, unless it is.
    pub(super) async fn connect(&mut self) -> Result<(), StoreError> {
        if self.link.is_none() {
            let limit = self.patience;
            let link = timeout(limit, self.engine.link()).await.map_err(|_| StoreError::TimedOut(limit))?;
            self.link = Some(link?);
            self.times += 1;
            self.pause = FIRST_PAUSE;
        }
        Ok(())
    }

    /// Before the next attempt to connect.
    pub(super) async fn rest(&mut self) {
        sleep(self.pause).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
    }

    /// Nothing can be written: the first time it is logged.
    pub(super) fn went_away(&mut self, error: &StoreError) {
        self.counts.wrote(false);
        if !self.away {
            self.away = true;
            tracing::error!(%error, "the store is away; messages wait");
        }
    }

    fn came_back(&mut self) {
        if self.away {
            self.away = false;
            self.counts.wrote(true);
            tracing::info!("the store is back");
        }
    }
}
