//! Finds the plugins that work: each in its newest version that does, without regard to the others.
//!
//! A plugin is the files of its folder and the modules of `plugins/lib` that it uses. A folder that is broken keeps
//! its last good version. A module that breaks a plugin which was not changed itself keeps its own, for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Folders;
use super::cores::on_all_cores;
use crate::finding::Finding;
use crate::responders::script::{Files, Plugin};

/// The folder of shared modules.
pub(super) const LIB: &str = "lib";

/// Path below `plugins/` to bytes.
type Tree = BTreeMap<String, Vec<u8>>;
/// Each folder with its files.
type Folded<'a> = BTreeMap<&'a str, Tree>;

/// The plugins that work, and the files that they are made of.
pub(super) struct Working {
    /// By `order`, then by name.
    pub plugins: Vec<Arc<Plugin>>,
    /// Path (`plugins/cost/main.rhai`) to bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is wrong with the files on disk.
    pub findings: Vec<Finding>,
    /// Files that are not in force as they are on disk.
    pub held: Vec<String>,
}

/// Tries a plugin, and says what is wrong. The second argument says whether this version of it was never in force.
pub(super) type Try<'a> = dyn Fn(&Arc<Plugin>, bool) -> Vec<Finding> + Sync + 'a;

/// Plugins that need not be loaded again, if they are made of the same files.
#[derive(Clone, Copy)]
pub(super) struct Ready<'a> {
    /// Those in force.
    pub running: &'a [Arc<Plugin>],
    /// Those that nobody has tried yet.
    pub untried: &'a [Arc<Plugin>],
}

/// Loads the plugins of `now`, with `good` for what is broken there. `unreadable` are paths that are there and could not be
/// read. A plugin that `attempt` finds an error with is broken, too.
pub(super) fn load(
    folders: &Folders,
    now: &BTreeMap<String, Vec<u8>>,
    good: &BTreeMap<String, Vec<u8>>,
    unreadable: &BTreeSet<String>,
    ready: Ready<'_>,
    attempt: &Try<'_>,
) -> Working {
    let root = folders.plugins.display().to_string();
    let (now, good) = (Folder::of(now), Folder::of(good));
    let shop = Shop { root: &root, ready, unreadable, attempt };
    let (working, suspect) = shop.with_modules(&now, &good, &now.modules);
    let working = match suspect {
        Some(culprit) if now.modules != good.modules => {
            // The modules of before fit what is in force; what was changed together with them waits with them.
            let (mut kept, _) = shop.with_modules(&now, &good, &good.modules);
            for file in changed(&now.modules, &good.modules) {
                kept.held.push(format!("plugins/{LIB}/{file}"));
            }
            let mut finding = Finding::error(
                format!("{root}/{LIB}"),
                format!("the plugin `{culprit}` does not work with the modules as they are now"),
            );
            finding = finding.hint("the modules of before stay in force, for all plugins");
            kept.findings.extend(working.findings);
            kept.findings.push(finding);
            kept
        }
        _ => working,
    };
    working.sorted(&now)
}

/// The plugins of these files that can be loaded, not tried yet.
pub(super) fn untried(folders: &Folders, files: &BTreeMap<String, Vec<u8>>) -> Vec<Arc<Plugin>> {
    let root = folders.plugins.display().to_string();
    let Folder { plugins, modules, .. } = Folder::of(files);
    let all = plugins.iter().map(|(name, own)| Plugin::load(Files { name, root: &root, own, lib: &modules }));
    all.flatten().map(Arc::new).collect()
}

/// The files below `plugins/`, by what they belong to.
pub(super) struct Folder<'a> {
    pub plugins: Folded<'a>,
    pub modules: Tree,
    /// Files that belong to no plugin: a README, the definitions for editors.
    others: Tree,
}

impl<'a> Folder<'a> {
    pub fn of(files: &'a BTreeMap<String, Vec<u8>>) -> Folder<'a> {
        let mut folder = Folder { plugins: BTreeMap::new(), modules: Tree::new(), others: Tree::new() };
        for (key, bytes) in files {
            let Some(path) = key.strip_prefix("plugins/") else { continue };
            match path.split_once('/') {
                Some((LIB, file)) => folder.modules.insert(file.to_owned(), bytes.clone()),
                Some((name, file)) => folder.plugins.entry(name).or_default().insert(file.to_owned(), bytes.clone()),
                None => folder.others.insert(path.to_owned(), bytes.clone()),
            };
        }
        folder
    }
}

struct Shop<'a, 'b> {
    root: &'a str,
    ready: Ready<'a>,
    unreadable: &'a BTreeSet<String>,
    attempt: &'a Try<'b>,
}

impl Shop<'_, '_> {
    /// Every plugin with these modules. Also names one that works in neither version.
    fn with_modules(&self, now: &Folder<'_>, good: &Folder<'_>, modules: &Tree) -> (Working, Option<String>) {
        let plugins: Vec<_> = now.plugins.iter().map(|(name, files)| (*name, files, good.plugins.get(name))).collect();
        // Their tests take most of the time.
        let tried = on_all_cores(&plugins, |&(name, files, before)| {
            let blind = self.unreadable.iter().any(|key| key.starts_with(&format!("plugins/{name}/")));
            let same = before == Some(files) && *modules == good.modules;
            let newest = if blind { Err(Vec::new()) } else { self.try_out(name, files, modules, same) };
            let instead = match (&newest, before) {
                (Err(_), Some(before)) => self.try_out(name, before, modules, *modules == good.modules).ok(),
                _ => None,
            };
            (newest, instead)
        });
        let mut working =
            Working { plugins: Vec::new(), files: BTreeMap::new(), findings: Vec::new(), held: Vec::new() };
        let mut suspect = None;
        for ((name, files, before), (newest, instead)) in plugins.into_iter().zip(tried) {
            let (plugin, files) = match newest {
                Ok(plugin) => (plugin, files),
                Err(findings) => {
                    working.findings.extend(findings);
                    working.held.extend(files.keys().map(|file| format!("plugins/{name}/{file}")));
                    let Some(before) = before else { continue };
                    let Some(plugin) = instead else {
                        suspect.get_or_insert_with(|| name.to_owned());
                        continue;
                    };
                    (plugin, before)
                }
            };
            working.plugins.push(plugin);
            working.files.extend(files.iter().map(|(file, bytes)| (format!("plugins/{name}/{file}"), bytes.clone())));
        }
        let shared = modules.iter().map(|(file, bytes)| (format!("plugins/{LIB}/{file}"), bytes.clone()));
        working.files.extend(shared);
        (working, suspect)
    }

    fn try_out(&self, name: &str, own: &Tree, lib: &Tree, same: bool) -> Result<Arc<Plugin>, Vec<Finding>> {
        let files = Files { name, root: self.root, own, lib };
        let among = |plugins: &[Arc<Plugin>]| plugins.iter().find(|plugin| plugin.is_made_of(files)).cloned();
        let known = among(self.ready.running);
        let is_running = known.is_some();
        let plugin = match known.or_else(|| among(self.ready.untried)) {
            Some(plugin) => plugin,
            None => Arc::new(Plugin::load(files)?),
        };
        let findings = (self.attempt)(&plugin, !is_running && !same);
        if findings.iter().any(Finding::is_error) { Err(findings) } else { Ok(plugin) }
    }
}

impl Working {
    fn sorted(mut self, now: &Folder<'_>) -> Working {
        let key = |plugin: &Arc<Plugin>| (plugin.manifest().order, plugin.name().to_owned());
        self.plugins.sort_by_key(key);
        self.files.extend(now.others.iter().map(|(file, bytes)| (format!("plugins/{file}"), bytes.clone())));
        self
    }
}

/// The files in which two trees differ.
fn changed<'a>(one: &'a Tree, other: &'a Tree) -> BTreeSet<&'a String> {
    one.keys().chain(other.keys()).filter(|file| one.get(*file) != other.get(*file)).collect()
}
