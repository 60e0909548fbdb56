//! The content in force: the files of the FAQ and the plugins, read, checked, kept and swapped while everything
//! runs.
//!
//! Start and reload are one path: [`load`](load()) reads the folders and puts together the newest set that works.
//! A file that cannot be read as YAML keeps its last good version; a change that breaks the set as a whole is held
//! back, the other changes go live. [`Content`] keeps every set that goes live in the store, so a restart over broken
//! files starts from the last good set, and swaps it in at once for all new questions. [`watch`](Content::watch)
//! notices changes however they are made.

mod cores;
mod load;
mod plugins;
mod tree;
pub mod trial;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::counter::Counter;
use tokio::task::{JoinError, JoinHandle};

use load::{Ahead, load_tree, together};
pub use load::{Good, Loaded, load, load_files};
pub use tree::{on_disk, put_back};

use crate::clock::Clock;
use crate::conversation::Millis;
use crate::finding::Finding;
use crate::recording::Stage;
use crate::responders::faq::{Faq, FaqSet};
use crate::responders::llm::{Llm, Settings, Writer};
use crate::responders::person::Person;
use crate::responders::pipeline::Pipeline;
use crate::responders::script::{Plugin, Script, ScriptTool};
use crate::responders::{Responder, Tool};
use crate::sources::{LookUp, NoSources};
use crate::store::{ContentSet, Store, StoreError};
use tree::{Trace, Tree};

/// The word in `pipeline:` for all plugins that it does not name itself.
pub const PLUGINS: &str = "plugins";

/// Where the content is, and what it may refer to.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The folder with the FAQ.
    pub faq: PathBuf,
    /// The folder with the plugins.
    pub plugins: PathBuf,
    /// The site's own language.
    pub site_language: String,
    /// The responders that are asked, in order; `plugins` stands for those that are not named themselves.
    pub pipeline: Vec<String>,
    /// The longest that one responder may take.
    pub limit: Duration,
}

/// A set of content, ready to answer. It never changes; new content is a new snapshot.
#[derive(Clone)]
pub struct Snapshot {
    /// 12 hex digits of the SHA-256 over the paths and bytes of its files.
    pub revision: Arc<str>,
    /// The FAQ of all languages.
    pub faq: Arc<FaqSet>,
    /// The plugins, in the order in which they are asked.
    pub plugins: Vec<Arc<Plugin>>,
    /// Its files: path (`faq/en/parcels.yaml`, `plugins/cost/main.rhai`) to bytes.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Snapshot {
    /// The pipeline over this content: `first`, then the responders of these names.
    pub fn pipeline(
        &self,
        folders: &Folders,
        sources: &Arc<dyn LookUp>,
        first: &[Arc<dyn Responder>],
        llm: Option<&Arc<Llm>>,
    ) -> Pipeline {
        let lines = self.faq.lines();
        let mut order: Vec<Arc<dyn Responder>> = first.to_vec();
        let mut handed: Vec<Arc<dyn Responder>> = Vec::new();
        let script =
            |plugin: &Arc<Plugin>| Arc::new(Script::new(plugin.clone(), sources.clone())) as Arc<dyn Responder>;
        for name in &folders.pipeline {
            match name.as_str() {
                Faq::NAME => order.push(Arc::new(Faq::new(self.faq.clone()))),
                // A person is asked for, never offered a turn like any other.
                Person::NAME => handed.push(Arc::new(Person::new(lines.clone()))),
                PLUGINS => {
                    let rest = self.plugins.iter().filter(|plugin| !folders.names(plugin.name()));
                    order.extend(rest.map(script));
                }
                Writer::NAME => order.extend(llm.map(|llm| self.writer(folders, sources, llm))),
                // One that is not there has its finding.
                name => order.extend(self.plugins.iter().filter(|plugin| plugin.name() == name).map(script)),
            }
        }
        Pipeline::new(self.revision.clone(), order, handed, lines, folders.limit)
    }
}

impl Snapshot {
    /// The LLM with this content as what it knows and may call.
    fn writer(&self, folders: &Folders, sources: &Arc<dyn LookUp>, llm: &Arc<Llm>) -> Arc<dyn Responder> {
        let asked = self.plugins.iter().filter(|plugin| folders.asks(plugin.name()));
        let tools = asked.filter_map(|plugin| ScriptTool::new(plugin, sources));
        let tools = tools.map(|tool| Arc::new(tool) as Arc<dyn Tool>).collect();
        let knowledge = Arc::new(Faq::new(self.faq.clone()));
        let hands_over = folders.names(Person::NAME);
        Arc::new(Writer::new(llm.clone(), knowledge, tools, self.faq.lines(), hands_over))
    }

    /// The stage for recordings over this content. What a model says is in the recordings, too.
    pub fn stage(&self, folders: &Folders, sources: &Arc<dyn LookUp>) -> Stage {
        let pipeline = self.pipeline(folders, sources, &[], Some(&Llm::recorded(Settings::default())));
        Stage { pipeline, faq: self.faq.clone(), language: folders.site_language.clone() }
    }
}

impl Folders {
    /// Whether the pipeline names this responder itself.
    fn names(&self, responder: &str) -> bool {
        self.pipeline.iter().any(|name| name == responder)
    }

    /// Whether a plugin of this name is asked.
    pub fn asks(&self, plugin: &str) -> bool {
        self.names(plugin) || self.names(PLUGINS)
    }
}

/// Why there is no content to start with.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// There is no folder, and no set from an earlier run.
    #[error(
        "there is no folder {} with questions and answers; `purser init` writes a set to start with, \
         `--faq DIR` names another folder", .0.display()
    )]
    NoFolder(PathBuf),
    /// Nothing in the folder can be used, and there is no set from an earlier run.
    #[error("nothing in {} can be used:\n{}", folder.display(), printed(findings))]
    Unusable {
        /// The folder with the FAQ.
        folder: PathBuf,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// The sets of earlier runs cannot be read.
    #[error("the content of earlier runs cannot be read from the store")]
    Store(#[from] StoreError),
}

fn printed(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")
}

/// What is in force. It follows the folders while [`watch`](Content::watch) runs.
pub struct Content {
    folders: Folders,
    store: Option<Store>,
    on_swap: Box<dyn Fn(Arc<Snapshot>) + Send + Sync>,
    in_force: ArcSwap<Snapshot>,
    findings: ArcSwap<Vec<Finding>>,
    /// What the search after a swap found doubtful.
    doubts: ArcSwap<Vec<Finding>>,
    held: ArcSwap<Vec<String>>,
    /// How often other content went live since the start.
    swaps: Counter,
    /// What the folders looked like when they were read last. Locked while they are read, so reloads take turns.
    seen: tokio::sync::Mutex<Seen>,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    /// From outside: names, sizes, times.
    trace: Trace,
    /// From inside: [`Tree::fingerprint`].
    fingerprint: String,
}

/// The folders, being read. What they say is put together when the set that was in force last is known.
pub struct Reading {
    folders: Folders,
    task: JoinHandle<Found>,
}

impl Reading {
    /// Begins to read them on another thread: the store can be opened meanwhile.
    pub fn begin(folders: Folders) -> Reading {
        let of = folders.clone();
        Reading { folders, task: tokio::task::spawn_blocking(move || Found::look(&of).read(&of).build(&of)) }
    }
}

impl Content {
    /// Loads what was read, on top of the set that was in force last if the store has one; calls `on_swap` with the
    /// result, and again for every later change.
    pub async fn start(
        reading: Reading,
        store: Option<Store>,
        on_swap: impl Fn(Arc<Snapshot>) + Send + Sync + 'static,
    ) -> Result<Arc<Content>, ContentError> {
        let Reading { folders, task } = reading;
        let good = match &store {
            Some(store) => store.latest_content().await?,
            None => None,
        };
        let missing = good.is_none() && !folders.faq.is_dir();
        if missing {
            return Err(ContentError::NoFolder(folders.faq));
        }
        let files = good.as_ref().map(|set| set.files.clone());
        let last = Good { files: files.unwrap_or_default(), plugins: Vec::new() };
        let of = folders.clone();
        let loading = async {
            let found = task.await?;
            tokio::task::spawn_blocking(move || found.load(&of, &last)).await
        };
        let (loaded, seen) = loading.await.unwrap_or_else(|error| unreadable(&folders, &error));
        log(&[], &loaded.findings);
        log_held(&[], &loaded.held);
        let Some(snapshot) = loaded.snapshot else {
            return Err(ContentError::Unusable { folder: folders.faq, findings: loaded.findings });
        };
        let content = Arc::new(Content {
            folders,
            store,
            on_swap: Box::new(on_swap),
            in_force: ArcSwap::new(snapshot.clone()),
            findings: ArcSwap::from_pointee(loaded.findings),
            doubts: ArcSwap::default(),
            held: ArcSwap::from_pointee(loaded.held),
            swaps: Counter::default(),
            seen: tokio::sync::Mutex::new(seen),
        });
        (content.on_swap)(snapshot.clone());
        if good.is_none_or(|good| good.revision != *snapshot.revision) {
            content.keep(&snapshot).await;
        }
        Ok(content)
    }

    /// The set in force.
    pub fn in_force(&self) -> Arc<Snapshot> {
        self.in_force.load_full()
    }

    /// Loads files that are not in force, as if they lay in its folders.
    pub fn load_files(&self, files: BTreeMap<String, Vec<u8>>) -> Loaded {
        load_files(&self.folders, files)
    }

    /// The stage for recordings over a set. Nothing is asked of a source there.
    pub fn stage(&self, set: &Snapshot) -> Stage {
        set.stage(&self.folders, &(Arc::new(NoSources) as Arc<dyn LookUp>))
    }

    /// What is wrong, or doubtful, with the files as they are now.
    pub fn findings(&self) -> Vec<Finding> {
        together(&self.findings.load(), &self.doubts.load())
    }

    /// Files that are not in force as they are on disk: broken ones, and changes that are held back.
    pub fn held(&self) -> Arc<Vec<String>> {
        self.held.load_full()
    }

    /// How often other content went live since the start.
    pub fn swaps(&self) -> &Counter {
        &self.swaps
    }

    /// Reads the folders again and swaps in what works. Messages are answered meanwhile.
    pub async fn reload(&self) {
        self.reload_unless(|_| None).await;
    }

    /// [`Content::reload`], if the bytes are others than the last time.
    async fn reload_changed(&self) {
        self.reload_unless(|seen| Some(seen.fingerprint.clone())).await;
    }

    async fn reload_unless(&self, known: impl Fn(&Seen) -> Option<String>) {
        let mut seen = self.seen.lock().await;
        let before = self.in_force();
        let good = Good { files: before.files.clone(), plugins: before.plugins.clone() };
        let (known, of) = (known(&seen), self.folders.clone());
        let task = tokio::task::spawn_blocking(move || {
            let found = Found::look(&of);
            let changed = known.is_none_or(|known| known != found.seen.fingerprint);
            if changed { Ok(found.read(&of).load(&of, &good)) } else { Err(found.seen) }
        });
        let (loaded, now) = match task.await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(same)) => {
                *seen = same;
                return;
            }
            Err(error) => unreadable(&self.folders, &error),
        };
        *seen = now;
        log(&self.findings.load(), &loaded.findings);
        log_held(&self.held(), &loaded.held);
        self.findings.store(Arc::new(loaded.findings));
        self.held.store(Arc::new(loaded.held));
        let Some(snapshot) = loaded.snapshot.filter(|snapshot| snapshot.revision != before.revision) else { return };
        self.in_force.store(snapshot.clone());
        self.swaps.inc();
        (self.on_swap)(snapshot.clone());
        tracing::info!(
            revision = %snapshot.revision, entries = snapshot.faq.entries(), phrases = snapshot.faq.phrases(),
            "content {} is live", snapshot.revision
        );
        self.keep(&snapshot).await;
        self.search().await;
    }

    /// Looks for what is doubtful about the set in force and takes a search. Nobody waits for it.
    async fn search(&self) {
        let set = self.in_force();
        // It fails only when the runtime ends.
        let Ok(doubts) = tokio::task::spawn_blocking(move || set.faq.doubts(now())).await else { return };
        log(&self.doubts.load(), &doubts);
        self.doubts.store(Arc::new(doubts));
    }

    /// Stores a set that went live. A store that is away keeps nobody from editing.
    async fn keep(&self, snapshot: &Snapshot) {
        let Some(store) = &self.store else { return };
        let set = ContentSet { revision: snapshot.revision.to_string(), at: now(), files: snapshot.files.clone() };
        if let Err(error) = store.keep_content(&set).await {
            let error = anyhow::Error::from(error);
            tracing::warn!(
                revision = %snapshot.revision, error = %format!("{error:#}"),
                "content {} is live and could not be kept; a restart goes back to the set before", snapshot.revision
            );
        }
    }
}

/// What lies in the folders.
struct Found {
    tree: Tree,
    /// What was made of its files already.
    ahead: Ahead,
    seen: Seen,
}

impl Found {
    /// Their files as they are; what these say is not read yet.
    fn look(folders: &Folders) -> Found {
        // The look comes before the reading: what changes in between is seen as a change the next time.
        let trace = Trace::of(folders);
        let tree = Tree::read(folders);
        let fingerprint = tree.fingerprint();
        Found { tree, ahead: Ahead::default(), seen: Seen { trace, fingerprint } }
    }

    /// Reads what the files say.
    fn read(mut self, folders: &Folders) -> Found {
        // What purser fails over here it fails over again where it is said.
        self.ahead = guarded(|| Ahead::read(folders, &self.tree)).unwrap_or_default();
        self
    }

    /// Builds what they will be if nothing is wrong with them.
    fn build(mut self, folders: &Folders) -> Found {
        let ahead = std::mem::take(&mut self.ahead);
        self.ahead = guarded(|| ahead.build(folders, &self.tree)).unwrap_or_default();
        self
    }

    /// Puts the newest set together that works.
    fn load(self, folders: &Folders, good: &Good) -> (Loaded, Seen) {
        let Found { tree, ahead, seen } = self;
        let loaded = guarded(|| load_tree(folders, tree, ahead, good));
        let failed = || Loaded::failed(folders, "purser failed over these files; please report it");
        (loaded.unwrap_or_else(failed), seen)
    }
}

/// A mistake in purser itself must not read as an edit, nor end the watch.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

/// What is said of folders when the task that read them is gone.
fn unreadable(folders: &Folders, error: &JoinError) -> (Loaded, Seen) {
    (Loaded::failed(folders, &format!("the folder could not be read: {error}")), Seen::default())
}

/// Logs what is new among the findings, and that they are gone.
fn log(before: &[Finding], now: &[Finding]) {
    let known: HashSet<String> = before.iter().map(Finding::one_line).collect();
    for finding in now.iter().filter(|finding| !known.contains(&finding.one_line())) {
        if finding.is_error() {
            tracing::error!("{}", finding.one_line());
        } else {
            tracing::warn!("{}", finding.one_line());
        }
    }
    let errors = |findings: &[Finding]| findings.iter().any(Finding::is_error);
    if errors(before) && !errors(now) {
        tracing::info!("the content has no errors any more");
    }
}

/// Logs which files are newly held back.
fn log_held(before: &[String], now: &[String]) {
    let new: Vec<&str> = now.iter().filter(|file| !before.contains(file)).map(String::as_str).collect();
    if !new.is_empty() {
        tracing::warn!("not in force as saved: {}; what was in force before stays", new.join(", "));
    }
}

fn now() -> Millis {
    Clock::System.now()
}
