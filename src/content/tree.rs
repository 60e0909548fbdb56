//! The folders on disk: which files belong to the content, their bytes, and whether they changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::Folders;
use super::plugins::LIB;
use crate::finding::Finding;
use crate::hex::hex;

/// The largest plugin file that is read. (The files of the FAQ have their own limit.)
const MAX_PLUGIN_FILE: u64 = 8 << 20;
/// Folders that are nested deeper are not content.
const DEEPEST: usize = 16;

/// The files of the content as they are on disk.
#[derive(Debug, Default)]
pub struct Tree {
    /// Path (`faq/en/parcels.yaml`) to bytes.
    pub files: BTreeMap<String, Vec<u8>>,
    /// When each was changed last.
    pub changed: BTreeMap<String, SystemTime>,
    /// The folders of plugins.
    pub plugins: BTreeSet<String>,
    /// Files that could not be read, and folders that are not there or empty.
    pub findings: Vec<Finding>,
    /// Files that are there and could not be read.
    pub unreadable: BTreeSet<String>,
    /// Whether there is no folder of plugins.
    pub plugins_gone: bool,
    /// Whether there is no FAQ at all: then nothing is known of what was meant.
    pub gone: bool,
}

impl Tree {
    /// Reads the folders.
    pub fn read(folders: &Folders) -> Tree {
        let mut tree = Tree::default();
        let shown = folders.faq.display().to_string();
        let mut listed = Vec::new();
        match list(&folders.faq, &is_faq, &mut listed) {
            Ok(()) => tree.take("faq", folders, listed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tree.findings.push(
                    Finding::error(&shown, "there is no such folder").hint("`purser init` writes one to start with"),
                );
            }
            Err(error) => tree.findings.push(Finding::error(&shown, format!("the folder cannot be read: {error}"))),
        }
        tree.gone = tree.files.is_empty() && tree.unreadable.is_empty();
        if tree.gone && tree.findings.is_empty() {
            let finding = Finding::error(&shown, "there are no .yaml files in the folder");
            tree.findings.push(finding.hint("`purser init` writes some to start with"));
        }
        let mut listed = Vec::new();
        match list(&folders.plugins, &|_| true, &mut listed) {
            Ok(()) => {
                tree.plugins =
                    listed.iter().filter(|file| file.path.components().count() > 1).filter_map(first).collect();
                tree.plugins.remove(LIB);
                tree.take("plugins", folders, listed);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => tree.plugins_gone = true,
            Err(error) => {
                tree.plugins_gone = true;
                let message = format!("the folder cannot be read: {error}");
                tree.findings.push(Finding::warning(folders.plugins.display().to_string(), message));
            }
        }
        tree
    }

    /// A tree of these files.
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Tree {
        let plugins = plugins_of(&files);
        let gone = !files.keys().any(|key| key.starts_with("faq/"));
        Tree { files, plugins, gone, ..Tree::default() }
    }

    /// The same for the same files and the same trouble with them.
    pub fn fingerprint(&self) -> String {
        let trouble: Vec<String> = self.findings.iter().map(Finding::one_line).collect();
        format!("{} {}", revision(&self.files), trouble.join("\n"))
    }

    fn take(&mut self, top: &str, folders: &Folders, listed: Vec<Listed>) {
        let root = folders.root(top);
        for file in listed {
            let Some(key) = key(top, &file.path) else {
                let shown = root.join(&file.path).display().to_string();
                self.findings.push(Finding::warning(shown, "the name of this file is not UTF-8, it is left out"));
                continue;
            };
            if top == "plugins" && file.size > MAX_PLUGIN_FILE {
                let shown = root.join(&file.path).display().to_string();
                self.findings.push(Finding::warning(shown, "the file is too large for a plugin, it is left out"));
                continue;
            }
            match fs::read(root.join(&file.path)) {
                Ok(bytes) => {
                    self.changed.insert(key.clone(), file.changed);
                    self.files.insert(key, bytes);
                }
                // It went away between the look and the reading.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let shown = root.join(&file.path).display().to_string();
                    self.findings.push(Finding::error(shown, format!("the file cannot be read: {error}")));
                    self.unreadable.insert(key);
                }
            }
        }
    }
}

/// The plugins that files (path, such as `plugins/cost/main.rhai`, to bytes) are of.
pub(super) fn plugins_of(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let names = files.keys().filter_map(|key| Some(key.strip_prefix("plugins/")?.split_once('/')?.0));
    names.filter(|name| *name != LIB).map(str::to_owned).collect()
}

impl Folders {
    fn root(&self, top: &str) -> &Path {
        if top == "faq" { &self.faq } else { &self.plugins }
    }

    /// A file of the content as a person would open it.
    pub(super) fn shown(&self, key: &str) -> String {
        let (top, rest) = key.split_once('/').unwrap_or((key, ""));
        self.root(top).join(rest).display().to_string()
    }
}

/// 12 hex digits of the SHA-256 over sorted paths and bytes.
pub fn revision(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files {
        // With their lengths, so that what belongs to a name cannot pass as content.
        for part in [path.as_bytes(), bytes.as_slice()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize()[..6])
}

/// The files of the content as they are on disk now: path (`faq/en/parcels.yaml`) to bytes.
pub fn on_disk(folders: &Folders) -> BTreeMap<String, Vec<u8>> {
    Tree::read(folders).files
}

/// Writes the files of a set back to the folders and takes away what the set does not have, so that it goes live
/// and stays. Gives the paths that changed.
pub fn put_back(folders: &Folders, files: &BTreeMap<String, Vec<u8>>) -> io::Result<Vec<PathBuf>> {
    let now = Tree::read(folders).files;
    let mut changed = Vec::new();
    for (key, bytes) in files.iter().filter(|(key, bytes)| now.get(*key) != Some(bytes)) {
        let path = PathBuf::from(folders.shown(key));
        let outside = Path::new(key).components().any(|part| !matches!(part, Component::Normal(_)));
        if outside {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{key} is not a path of content")));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        // In one step, so that nobody reads half a file.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp~");
        let temporary = path.with_file_name(name);
        fs::write(&temporary, bytes)?;
        fs::rename(&temporary, &path)?;
        changed.push(path);
    }
    for key in now.keys().filter(|key| !files.contains_key(*key)) {
        let path = PathBuf::from(folders.shown(key));
        fs::remove_file(&path)?;
        changed.push(path);
    }
    Ok(changed)
}

/// What the folders look like without opening a file: a cheap way to see most changes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Trace(Vec<(PathBuf, u64, Option<SystemTime>, u64)>);

impl Trace {
    pub fn of(folders: &Folders) -> Trace {
        let mut trace = Vec::new();
        for (root, belongs) in [(&folders.faq, &is_faq as &dyn Fn(&Path) -> bool), (&folders.plugins, &|_: &Path| true)]
        {
            let mut listed = Vec::new();
            // A folder that cannot be listed looks empty, which is a change as well.
            let _ = list(root, belongs, &mut listed);
            trace.extend(
                listed.into_iter().map(|file| (root.join(file.path), file.size, Some(file.changed), file.inode)),
            );
        }
        Trace(trace)
    }
}

/// A file that belongs to the content.
struct Listed {
    /// Below the folder.
    path: PathBuf,
    size: u64,
    changed: SystemTime,
    inode: u64,
}

/// Files of the FAQ by their names; the schema lies beside them for the editors' sake.
fn is_faq(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// What editors and file systems leave lying about: hidden files, backups, unfinished copies.
fn is_stray(name: &str) -> bool {
    name.starts_with(['.', '~', '#'])
        || name.ends_with(['~', '#'])
        || [".swp", ".swo", ".swx", ".tmp", ".bak", ".orig", ".rej", ".part"].iter().any(|end| name.ends_with(end))
}

/// The files below a folder that belong to the content, sorted. Symbolic links are followed: a ConfigMap is made of
/// them.
fn list(root: &Path, belongs: &dyn Fn(&Path) -> bool, listed: &mut Vec<Listed>) -> io::Result<()> {
    visit(root, Path::new(""), belongs, &mut Vec::new(), listed)?;
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// Lists a folder and those in it. `above` are the folders that it lies in: a link to one of them is a circle.
fn visit(
    root: &Path,
    below: &Path,
    belongs: &dyn Fn(&Path) -> bool,
    above: &mut Vec<PathBuf>,
    listed: &mut Vec<Listed>,
) -> io::Result<()> {
    let folder = root.join(below);
    let real = fs::canonicalize(&folder)?;
    if above.contains(&real) || above.len() > DEEPEST {
        return Ok(());
    }
    above.push(real);
    for item in fs::read_dir(&folder)? {
        let name = item?.file_name();
        if is_stray(&name.to_string_lossy()) {
            continue;
        }
        let path = below.join(&name);
        // A link to nothing, or a file that went away just now.
        let Ok(metadata) = fs::metadata(root.join(&path)) else { continue };
        if metadata.is_dir() {
            // A folder within that cannot be read or went away hides only itself.
            let _ = visit(root, &path, belongs, above, listed);
        } else if metadata.is_file() && belongs(&path) {
            let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            listed.push(Listed { path, size: metadata.len(), changed, inode: inode(&metadata) });
        }
    }
    above.pop();
    Ok(())
}

#[cfg(unix)]
pub fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
pub fn inode(_: &fs::Metadata) -> u64 {
    0
}

fn first(file: &Listed) -> Option<String> {
    file.path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned())
}

fn key(top: &str, path: &Path) -> Option<String> {
    let mut key = top.to_owned();
    for part in path.components() {
        key.push('/');
        key.push_str(part.as_os_str().to_str()?);
    }
    Some(key)
}
