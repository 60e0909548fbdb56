//! Reads the folders and puts together the newest set of files that works.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use super::cores::on_all_cores;
use super::tree::{Tree, plugins_of, revision};
use super::{Folders, PLUGINS, Snapshot, plugins, trial};
use crate::clock::Clock;
use crate::finding::Finding;
use crate::responders::faq::{Built, Document, Faq, FaqSet, Site};
use crate::responders::llm::Writer;
use crate::responders::person::Person;
use crate::responders::script::Plugin;

/// What became of the folders.
pub struct Loaded {
    /// The newest set that works; nothing if there is none.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Everything that is wrong, and what is doubtful as far as no search is needed; by severity, then file and line.
    pub findings: Vec<Finding>,
    /// Files that are not in force as they are on disk.
    pub held: Vec<String>,
}

impl Loaded {
    /// Nothing but an error.
    pub(super) fn failed(folders: &Folders, message: &str) -> Loaded {
        let findings = vec![Finding::error(folders.faq.display().to_string(), message)];
        Loaded { snapshot: None, findings, held: Vec::new() }
    }

    /// All findings, those of the search too.
    pub fn all_findings(&self) -> Vec<Finding> {
        let doubts = self.snapshot.as_ref().map(|snapshot| snapshot.faq.doubts(Clock::System.now()));
        together(&self.findings, &doubts.unwrap_or_default())
    }
}

/// Findings of two kinds in one order.
pub(super) fn together(some: &[Finding], more: &[Finding]) -> Vec<Finding> {
    let mut all = [some, more].concat();
    sort(&mut all);
    all
}

fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| (a.severity, &a.file, a.line, a.column).cmp(&(b.severity, &b.file, b.line, b.column)));
    findings.dedup();
}

/// The set that was in force last.
#[derive(Default)]
pub struct Good {
    /// Its files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Its plugins, where they run already.
    pub plugins: Vec<Arc<Plugin>>,
}

/// Loads the content. `good` is the set that was in force last: a file that is broken on disk keeps its version in
/// it, and a change that breaks the set as a whole stays out. Only reads the folders.
pub fn load(folders: &Folders, good: &Good) -> Loaded {
    let tree = Tree::read(folders);
    let ahead = Ahead::read(folders, &tree);
    load_tree(folders, tree, ahead, good)
}

/// [`load`] of files that lie nowhere: path (`faq/en/parcels.yaml`) to bytes.
pub fn load_files(folders: &Folders, files: BTreeMap<String, Vec<u8>>) -> Loaded {
    let tree = Tree::of(files);
    let ahead = Ahead::read(folders, &tree);
    load_tree(folders, tree, ahead, &Good::default())
}

/// [`load`] of files for which some work was done already.
pub(super) fn load_tree(folders: &Folders, mut tree: Tree, ahead: Ahead, last: &Good) -> Loaded {
    let good = &last.files;
    let mut findings = std::mem::take(&mut tree.findings);
    if tree.gone {
        // Whatever happened to the folder, it was not an edit.
        tree.files.retain(|key, _| key.starts_with("plugins/"));
        tree.files.extend(
            good.iter().filter(|(key, _)| key.starts_with("faq/")).map(|(key, bytes)| (key.clone(), bytes.clone())),
        );
    }
    if tree.plugins_gone && good.keys().any(|key| key.starts_with("plugins/")) {
        let kept = good.iter().filter(|(key, _)| key.starts_with("plugins/"));
        tree.files.extend(kept.map(|(key, bytes)| (key.clone(), bytes.clone())));
        let finding =
            Finding::error(folders.plugins.display().to_string(), "the folder is gone; its plugins stay in force");
        findings.push(finding.hint("make an empty folder to do without plugins"));
    }
    let untried = ahead.plugins.clone();
    let mut workshop = Workshop::new(folders, &tree, ahead, good);
    let mut held: BTreeSet<String> = BTreeSet::new();

    // What does not parse keeps its last good version, if there is one.
    let mut wanted = tree.files.clone();
    let mut lacking = false;
    for key in tree.unreadable.iter().chain(tree.files.keys()).filter(|key| is_faq(key)) {
        let broken = match tree.files.get(key) {
            Some(bytes) => workshop.document(key, bytes).err(),
            None => Some(Vec::new()),
        };
        let Some(broken) = broken else { continue };
        findings.extend(broken);
        held.insert(key.clone());
        match good.get(key) {
            Some(before) => wanted.insert(key.clone(), before.clone()),
            None => {
                lacking = true;
                wanted.remove(key)
            }
        };
    }

    let (faq, wanted): (BTreeMap<_, _>, BTreeMap<_, _>) = wanted.into_iter().partition(|(key, _)| is_faq(key));
    let settled = settle(&mut workshop, good, faq, &tree.changed);
    held.extend(settled.held);
    // Of a set that lacks a file it cannot be said what nothing answers.
    findings.extend(settled.findings.into_iter().filter(|finding| finding.is_error() || !lacking));
    let mut snapshot =
        Snapshot { revision: "".into(), faq: Arc::new(settled.faq), plugins: Vec::new(), files: settled.files };
    let attempt = |plugin: &Arc<Plugin>, is_new: bool| match is_new {
        true => trial::findings(plugin, &snapshot, folders),
        false => Vec::new(),
    };
    let ready = plugins::Ready { running: &last.plugins, untried: &untried };
    let working = plugins::load(folders, &wanted, good, &tree.unreadable, ready, &attempt);
    held.extend(working.held);
    findings.extend(working.findings);
    findings.extend(not_asked(folders, &working.plugins));
    snapshot.plugins = working.plugins;
    snapshot.files.extend(working.files);
    sort(&mut findings);
    let usable = snapshot.faq.entries() > 0;
    if !usable && !findings.iter().any(Finding::is_error) {
        let shown = folders.faq.display().to_string();
        findings.push(
            Finding::error(shown, "there are no entries in the folder").hint("`purser init` writes some to start with"),
        );
    }
    let snapshot = usable.then(|| {
        snapshot.revision = revision(&snapshot.files).into();
        Arc::new(snapshot)
    });
    Loaded { snapshot, findings, held: held.iter().map(|key| folders.shown(key)).collect() }
}

/// Plugins that are off, and names in the pipeline that nobody has.
fn not_asked(folders: &Folders, plugins: &[Arc<Plugin>]) -> Vec<Finding> {
    let off = plugins.iter().filter(|plugin| !folders.asks(plugin.name()));
    let off = off.map(|plugin| {
        let finding = Finding::warning(folders.shown(&format!("plugins/{}", plugin.name())), "this plugin is off");
        finding.hint("put its name, or `plugins`, into `pipeline` of purser.yaml")
    });
    let known = [Faq::NAME, Person::NAME, Writer::NAME, PLUGINS];
    let there = |name: &String| folders.plugins.join(name).is_dir();
    let missing = folders.pipeline.iter().filter(|name| !known.contains(&name.as_str()) && !there(name));
    let missing = missing.map(|name| {
        let message = format!("`pipeline` of purser.yaml names `{name}`, and there is no such plugin");
        Finding::warning(folders.plugins.display().to_string(), message)
    });
    off.chain(missing).collect()
}

fn is_faq(key: &str) -> bool {
    key.starts_with("faq/")
}

/// A set that is consistent, or as good as the one before.
struct Settled {
    files: BTreeMap<String, Vec<u8>>,
    faq: FaqSet,
    findings: Vec<Finding>,
    held: Vec<String>,
}

/// Finds the largest part of the changes that works: all of them; else without those that errors speak of, the newest
/// first; then the others once more, the oldest first, until none of them fits any more.
fn settle(
    workshop: &mut Workshop,
    good: &BTreeMap<String, Vec<u8>>,
    wanted: BTreeMap<String, Vec<u8>>,
    changed: &BTreeMap<String, SystemTime>,
) -> Settled {
    let (faq, findings) = workshop.build(&wanted);
    if !findings.iter().any(Finding::is_error) {
        return Settled { files: wanted, faq, findings, held: Vec::new() };
    }
    // What the good set is not free of itself (a newer purser may check more) holds back nobody's change. Where there
    // is no set yet, no entry stays out because it misses a sample: there is nothing better that could answer.
    let known: BTreeSet<(String, String)> =
        workshop.build(good).1.iter().filter(|finding| finding.is_error()).map(identity).collect();
    let first = good.keys().all(|key| !is_faq(key));
    let is_new = |finding: &Finding| {
        finding.is_error() && !known.contains(&identity(finding)) && !(first && finding.sample.is_some())
    };
    if !findings.iter().any(is_new) {
        return Settled { files: wanted, faq, findings, held: Vec::new() };
    }

    let mut changes: Vec<&String> = good.keys().chain(wanted.keys()).filter(|key| is_faq(key)).collect();
    changes.retain(|key| good.get(*key) != wanted.get(*key));
    changes.sort();
    changes.dedup();
    // A file that is gone says nothing of when; that counts as just now.
    changes.sort_by_key(|key| (!changed.contains_key(*key), changed.get(*key)));

    let with = |held: &BTreeSet<&String>| {
        let mut files = wanted.clone();
        for &key in held {
            match good.get(key) {
                Some(before) => files.insert(key.clone(), before.clone()),
                None => files.remove(key),
            };
        }
        files
    };
    let mut held: BTreeSet<&String> = BTreeSet::new();
    let mut now = (faq, findings);
    while now.1.iter().any(is_new) && held.len() < changes.len() {
        let named: BTreeSet<&str> = now.1.iter().filter(|f| is_new(f)).flat_map(files_of).collect();
        let mut open = changes.iter().rev().filter(|key| !held.contains(**key));
        let blamed = open.clone().find(|key| named.contains(workshop.folders.shown(key).as_str()));
        let Some(next) = blamed.or_else(|| open.next()) else { break };
        held.insert(next);
        now = workshop.build(&with(&held));
    }
    let mut errors = Vec::new();
    loop {
        errors.clear();
        let mut progress = false;
        for &key in &changes {
            if !held.remove(key) {
                continue;
            }
            let (faq, findings) = workshop.build(&with(&held));
            if findings.iter().any(is_new) {
                errors.extend(findings.into_iter().filter(is_new));
                held.insert(key);
            } else {
                now = (faq, findings);
                progress = true;
            }
        }
        if !progress {
            break;
        }
    }
    let files = with(&held);
    let (faq, mut findings) = now;
    findings.extend(errors);
    Settled { files, faq, findings, held: held.into_iter().cloned().collect() }
}

/// What makes an error the same one although lines and scores moved.
fn identity(finding: &Finding) -> (String, String) {
    (finding.file.clone(), finding.sample.as_ref().unwrap_or(&finding.message).clone())
}

fn files_of(finding: &Finding) -> impl Iterator<Item = &str> {
    [finding.file.as_str()].into_iter().chain(finding.also.as_ref().map(|also| also.file.as_str()))
}

/// The versions of each file of the FAQ that were read: of today, and of the good set.
type Documents = HashMap<String, Vec<Version>>;

/// What can be done with the files of today before the set that was in force last is known. What is not done yet is done
/// when it is wanted.
#[derive(Default)]
pub(super) struct Ahead {
    documents: Documents,
    /// Languages, and the site that they were built for.
    built: Option<(Site, Built)>,
    /// Plugins that nobody has tried yet.
    plugins: Vec<Arc<Plugin>>,
}

impl Ahead {
    /// Reads all files of the FAQ at once: it is a fifth of what a start waits for.
    pub fn read(folders: &Folders, tree: &Tree) -> Ahead {
        let files: Vec<_> = tree.files.iter().filter(|(key, _)| is_faq(key)).collect();
        let versions = on_all_cores(&files, |(key, bytes)| Version::read(&folders.shown(key), bytes));
        let keys = files.into_iter().map(|(key, _)| key.clone());
        let documents = keys.zip(versions).map(|(key, version)| (key, vec![version])).collect();
        Ahead { documents, ..Ahead::default() }
    }

    /// Builds the languages, too, and loads the plugins beside them. If there is nothing wrong with any file, these will be
    /// in force.
    pub fn build(self, folders: &Folders, tree: &Tree) -> Ahead {
        let mut workshop = Workshop::new(folders, tree, self, &BTreeMap::new());
        let plugins = thread::scope(|scope| {
            let plugins = scope.spawn(|| plugins::untried(folders, &tree.files));
            workshop.build(&tree.files);
            plugins.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let Workshop { site, documents, built, .. } = workshop;
        Ahead { documents, built: Some((site, built)), plugins }
    }
}

/// Reads each file once and builds sets of them.
struct Workshop<'a> {
    folders: &'a Folders,
    site: Site,
    documents: Documents,
    built: Built,
}

/// One version of a file: its bytes and what they say.
pub(super) struct Version {
    bytes: Vec<u8>,
    document: Result<Document, Vec<Finding>>,
}

impl Version {
    fn read(shown: &str, bytes: &[u8]) -> Version {
        Version { bytes: bytes.to_vec(), document: Document::read(shown, bytes) }
    }
}

impl<'a> Workshop<'a> {
    fn new(folders: &'a Folders, tree: &Tree, ahead: Ahead, good: &BTreeMap<String, Vec<u8>>) -> Workshop<'a> {
        let plugins = tree.plugins.iter().cloned().chain(plugins_of(good));
        let (plugins, off) = plugins.partition(|plugin| folders.asks(plugin));
        let reserved = [Faq::NAME, PLUGINS, Person::NAME].into_iter().filter(|name| folders.names(name));
        let site = Site {
            language: folders.site_language.clone(),
            handlers: reserved.map(str::to_owned).collect(),
            plugins,
            off,
            now: Clock::System.now(),
        };
        let Ahead { documents, built, .. } = ahead;
        let built = built.filter(|(of, _)| of.is_like(&site)).map(|(_, built)| built).unwrap_or_default();
        Workshop { folders, site, documents, built }
    }

    fn document(&mut self, key: &str, bytes: &[u8]) -> Result<Document, Vec<Finding>> {
        let versions = self.documents.entry(key.to_owned()).or_default();
        if let Some(version) = versions.iter().find(|version| version.bytes == bytes) {
            return version.document.clone();
        }
        let version = Version::read(&self.folders.shown(key), bytes);
        let document = version.document.clone();
        versions.push(version);
        document
    }

    /// A set of these files. A file that this purser cannot read any more is an error and left out.
    fn build(&mut self, files: &BTreeMap<String, Vec<u8>>) -> (FaqSet, Vec<Finding>) {
        let mut broken = Vec::new();
        let mut documents = Vec::new();
        for (key, bytes) in files.iter().filter(|(key, _)| is_faq(key)) {
            match self.document(key, bytes) {
                Ok(document) => documents.push(document),
                Err(findings) => broken.extend(findings),
            }
        }
        let (set, findings) = FaqSet::build(&documents, &self.site, &mut self.built);
        broken.extend(findings);
        (set, broken)
    }
}
