//! Notices that the folders changed, however they are changed.
//!
//! The operating system tells of most changes at once. It misses files in a folder that was made just now, a folder
//! that was replaced as a whole, and all changes on network file systems. So the folders themselves are looked at
//! every [`GLANCE`], the names, sizes and times of their files every [`LOOK`], and their bytes every [`READ`].
//! (Watching the parent folder would also tell of a replaced folder, and of every commit of a database beside it.)
//!
//! Whatever is noticed only means "look": what changed is found by reading.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::tree::{Trace, inode};
use super::{Content, Folders, now};

const GLANCE: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_secs(2);
const READ: Duration = Duration::from_secs(30);
/// A change is read when nothing more happened for so long: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// …but then at the latest.
const PATIENCE: Duration = Duration::from_millis(600);
/// A reload that is under way at the stop may take so long to finish.
const FAREWELL: Duration = Duration::from_secs(3);
/// Entries that begin or end with a date are got ready so long before, in milliseconds.
const AHEAD: i64 = 120_000;

impl Content {
    /// Follows the folders until `stop`: what changes and works goes live within a second, or within a few on file
    /// systems that do not tell of changes.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let late = async {
            stop.cancelled().await;
            sleep(FAREWELL).await;
        };
        // It ends by itself when nothing is under way. What is: the set that just went live is still kept.
        tokio::select! {
            () = self.follow(&stop) => {}
            () = late => {}
        }
    }

    async fn follow(&self, stop: &CancellationToken) {
        self.search().await;
        let woken = Arc::new(Woken::default());
        let mut watch = Some(Watch::new(self.folders.clone(), woken.clone()));
        let mut glance = interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looked, mut read) = (Instant::now(), Instant::now());
        let mut first = true;
        loop {
            let told = tokio::select! {
                () = stop.cancelled() => return,
                () = woken.notify.notified() => true,
                _ = glance.tick() => false,
            };
            if told {
                let quiet = async { while timeout(QUIET, woken.notify.notified()).await.is_ok() {} };
                // Either way it is read now.
                let _ = timeout(PATIENCE, quiet).await;
            }
            let look = told || first || looked.elapsed() >= LOOK;
            let must_read = told || first || read.elapsed() >= READ;
            first = false;
            let Some(mut eye) = watch.take() else { return };
            let seen = self.seen.lock().await.trace.clone();
            let task = tokio::task::spawn_blocking(move || {
                let moved = eye.arm();
                let changed = moved || (look && Trace::of(&eye.folders) != seen);
                (eye, changed)
            });
            // It fails only when the runtime ends.
            let Ok((eye, changed)) = task.await else { return };
            watch = Some(eye);
            if look {
                looked = Instant::now();
            }
            if changed || must_read {
                read = Instant::now();
                self.reload_changed().await;
                let set = self.in_force();
                // A failed task has no consequence: the first question of the day does it then.
                let _ = tokio::task::spawn_blocking(move || set.faq.prepare(now() + AHEAD)).await;
            }
            if told {
                // Events that the reading itself may cause must not turn this into a busy loop.
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// What the operating system's messages leave behind.
#[derive(Default)]
struct Woken {
    notify: Notify,
    /// Folders came or went: what is watched must be told anew.
    rearm: AtomicBool,
}

/// The operating system's eye on the folders.
struct Watch {
    folders: Folders,
    woken: Arc<Woken>,
    watcher: Option<RecommendedWatcher>,
    /// Which folders are watched: theirs, or nobody's, identity.
    roots: [Option<(u64, u64)>; 2],
    warned: bool,
}

impl Watch {
    fn new(folders: Folders, woken: Arc<Woken>) -> Watch {
        Watch { folders, woken, watcher: None, roots: [None, None], warned: false }
    }

    /// Watches the folders that are there now. Gives whether they are others than before.
    fn arm(&mut self) -> bool {
        let roots = [identity(&self.folders.faq), identity(&self.folders.plugins)];
        let moved = roots != self.roots;
        let rearm = self.woken.rearm.swap(false, Ordering::SeqCst);
        if moved || rearm {
            self.roots = roots;
            // A watch on a folder that was replaced cannot be told from a good one: begin again.
            self.watcher = None;
            match self.watcher() {
                Ok(watcher) => self.watcher = Some(watcher),
                Err(error) if !self.warned => {
                    self.warned = true;
                    tracing::warn!(error = %error, "watching the content failed; it is looked at every {LOOK:?}");
                }
                Err(_) => {}
            }
        }
        moved
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let woken = self.woken.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                // Reading the files is an event too.
                Ok(EventKind::Access(_)) => return,
                Ok(EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_))) => {}
                _ => woken.rearm.store(true, Ordering::SeqCst),
            }
            woken.notify.notify_one();
        })?;
        for (root, known) in [&self.folders.faq, &self.folders.plugins].into_iter().zip(self.roots) {
            if known.is_some() {
                watcher.watch(root, RecursiveMode::Recursive)?;
            }
        }
        Ok(watcher)
    }
}

/// Which folder a path leads to, through whatever links.
fn identity(root: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(root).ok().filter(fs::Metadata::is_dir)?;
    Some((device(&metadata), inode(&metadata)))
}

#[cfg(unix)]
fn device(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(metadata)
}

#[cfg(not(unix))]
fn device(_: &fs::Metadata) -> u64 {
    0
}
