//! What commands read that are about stored conversations: how far back, from where, and the stream of them.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::conversation::Millis;
use crate::store::{Logged, Store};

/// So many conversations are read, and worked on, at a time.
pub const PAGE: u32 = 256;
/// So many pages are read ahead.
const AHEAD: usize = 4;

/// Where the store is.
#[derive(Debug, Args)]
pub struct Place {
    /// The store that the conversations are in [default: sqlite://purser.db]
    #[arg(long, value_name = "URL", help_heading = "Settings")]
    database: Option<String>,
}

impl Place {
    /// The settings among the options.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        self.database.iter().map(|url| ("database", url.clone())).collect()
    }
}

/// "30d" as a time that long before now.
pub fn back(text: &str) -> Result<Millis, String> {
    let wrong = || format!("`{text}` is no span of time; write such as 30d, 12h or 90m");
    let units = [('d', 24 * 60), ('h', 60), ('m', 1)].into_iter();
    let (number, minutes) =
        units.filter_map(|(unit, minutes)| Some((text.strip_suffix(unit)?, minutes))).next().ok_or_else(wrong)?;
    let number: u32 = number.trim().parse().map_err(|_| wrong())?;
    Ok(Clock::System.now() - Millis::from(number) * minutes * 60_000)
}

/// The conversations of a store, page by page, read ahead on the runtime while others work on them.
pub struct Stream {
    pages: mpsc::Receiver<Vec<Logged>>,
    /// What ended the reading early.
    pub failure: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Stream {
    /// Begins to read those that something happened in since.
    pub fn start(runtime: &Runtime, store: Store, since: Millis) -> Stream {
        let (sender, pages) = mpsc::channel(AHEAD);
        let failure: Arc<Mutex<Option<anyhow::Error>>> = Arc::default();
        let failed = failure.clone();
        runtime.spawn(async move {
            if let Err(error) = store.stream(since, PAGE, sender).await {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
            }
        });
        Stream { pages, failure }
    }
}

impl Iterator for Stream {
    type Item = Vec<Logged>;

    fn next(&mut self) -> Option<Vec<Logged>> {
        self.pages.blocking_recv()
    }
}
