//! A plugin, loaded: its manifest, its compiled script, its data.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use rhai::{AST, ASTNode, Stmt};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::engine::engine;
use super::health::Health;
use super::manifest::{Manifest, Named};
use super::value::Data;
use super::{calls, closures, fault};
use crate::finding::Finding;
use crate::yaml;

/// The largest script, in bytes.
const MAX_SCRIPT: usize = 256 << 10;
/// The largest data file, in bytes.
const MAX_DATA: usize = 4 << 20;

/// The files of a plugin, and what it may share.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Its name: that of its folder.
    pub name: &'a str,
    /// The folder of plugins as a person would open it.
    pub root: &'a str,
    /// Its files: path below its folder to bytes.
    pub own: &'a BTreeMap<String, Vec<u8>>,
    /// The files of `lib/`: path below that folder to bytes.
    pub lib: &'a BTreeMap<String, Vec<u8>>,
}

/// A plugin that is ready to answer. It never changes, but for the count of its failures.
#[derive(Debug)]
pub struct Plugin {
    name: String,
    manifest: Manifest,
    settings: Data,
    data: Data,
    ast: AST,
    has_statements: bool,
    /// A hash of the files that it was loaded from.
    made_of: [u8; 32],
    /// Its scripts: `main.rhai` first, then the modules that it uses.
    scripts: Vec<Script>,
    /// The text of `tests.yaml`.
    tests: Option<String>,
    folder: String,
    health: Health,
    /// The functions that were run, if the scripts are marked for it.
    reached: Mutex<BTreeSet<String>>,
    /// Functions of modules, and which of the scripts they are in.
    origins: HashMap<String, usize>,
    /// Where its loops are: which of the scripts, line and column.
    loops: Vec<(usize, (u32, u32))>,
}

/// A script's text.
#[derive(Debug)]
pub(super) struct Script {
    /// As a person would open it.
    pub file: String,
    pub text: String,
}

impl Plugin {
    /// Loads a plugin. Everything that is wrong with it is found at once.
    pub fn load(files: Files<'_>) -> Result<Plugin, Vec<Finding>> {
        let shown = |file: &str| format!("{}/{}/{file}", files.root, files.name);
        if !super::manifest::is_name(files.name) {
            let folder = format!("{}/{}", files.root, files.name);
            return Err(vec![Finding::error(folder, "a plugin's name is of small letters, digits, - and _")]);
        }
        let yaml = text(files.own, "plugin.yaml", &shown)?;
        let settings = match files.own.contains_key("settings.yaml") {
            true => Some(text(files.own, "settings.yaml", &shown)?),
            false => None,
        };
        let overlay_name = shown("settings.yaml");
        let overlay = settings.map(|text| (overlay_name.as_str(), text));
        let manifest = Manifest::read(&shown("plugin.yaml"), yaml, overlay)?;
        let mut findings = Vec::new();
        let at = |named: &Named, message: String| {
            Finding::error(shown("plugin.yaml"), message).at(yaml, named.place.0, named.place.1)
        };

        let mut data = Map::new();
        for named in &manifest.data {
            match read_data(files.own, &named.name, &shown) {
                Some(Ok(value)) => {
                    data.insert(stem(&named.name).to_owned(), value);
                }
                Some(Err(finding)) => findings.push(finding),
                None => findings.push(at(named, format!("there is no file {} beside the script", named.name))),
            }
        }

        if findings.is_empty() {
            let unlisted = unlisted(&manifest, &data).into_iter();
            findings.extend(unlisted.map(|(named, message, hint)| at(named, message).hint(hint)));
        }

        let tests = match files.own.contains_key("tests.yaml") {
            true => text(files.own, "tests.yaml", &shown).map_err(|unreadable| findings.extend(unreadable)).ok(),
            false => None,
        };
        let main = text(files.own, "main.rhai", &shown).map_err(|missing| findings.extend(missing)).ok();
        let mut scripts: Vec<Script> =
            main.map(|text| Script { file: shown("main.rhai"), text: text.to_owned() }).into_iter().collect();
        for named in &manifest.uses {
            let file = format!("{}.rhai", named.name);
            let in_lib = |file: &str| format!("{}/lib/{file}", files.root);
            if !files.lib.contains_key(&file) {
                findings.push(at(named, format!("there is no {}", in_lib(&file))));
                continue;
            }
            match text(files.lib, &file, &in_lib) {
                Ok(text) => scripts.push(Script { file: in_lib(&file), text: text.to_owned() }),
                Err(unreadable) => findings.extend(unreadable),
            }
        }
        let compiled: Vec<Option<AST>> =
            scripts.iter().map(|script| compile(script).map_err(|finding| findings.push(*finding)).ok()).collect();
        let compiled: Option<Vec<AST>> = compiled.into_iter().collect();
        let (true, Some(asts)) = (findings.is_empty(), compiled) else { return Err(findings) };
        let linked = link(&scripts, asts, &mut findings);
        if let Some(script) = scripts.first()
            && !linked.ast.iter_functions().any(|function| function.name == "answer" && function.params.len() == 1)
        {
            let finding = Finding::error(&script.file, "there is no function `answer(turn)`");
            findings.push(
                finding
                    .hint("it begins with `fn answer(turn) {` and returns pass(), reply(\"…\") or ask(\"…\", state)"),
            );
        }
        let has_tool =
            linked.ast.iter_functions().any(|function| function.name == "tool" && function.params.len() == 2);
        if let Some(script) = scripts.first()
            && manifest.tool.is_some()
            && !has_tool
        {
            let finding = Finding::error(
                &script.file,
                "plugin.yaml has a `tool`, and there is no function `tool(turn, arguments)`",
            );
            findings.push(finding.hint("it returns what answer() would, for these arguments"));
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        Ok(Plugin {
            name: files.name.to_owned(),
            made_of: made_of(files, manifest.uses.iter()),
            settings: Data::new(&manifest.settings),
            manifest,
            data: Data::new(&data),
            has_statements: !linked.ast.statements().is_empty(),
            ast: linked.ast,
            origins: linked.origins,
            loops: linked.loops,
            scripts,
            tests: tests.map(str::to_owned),
            folder: format!("{}/{}", files.root, files.name),
            health: Health::default(),
            reached: Mutex::default(),
        })
    }

    /// Whether it was loaded from just these files.
    pub fn is_made_of(&self, files: Files<'_>) -> bool {
        self.name == files.name && self.made_of == made_of(files, self.manifest.uses.iter())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file of it as a person would open it.
    pub fn file(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    /// How it fares with customers.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Takes down that a function is run.
    pub(super) fn reach(&self, function: &str) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if !reached.contains(function) {
            reached.insert(function.to_owned());
        }
    }

    /// The functions that were run since the last call, if the scripts are marked for it.
    pub fn take_reached(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.reached.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The functions of its scripts, those of the modules that it uses too.
    pub fn functions(&self) -> BTreeSet<String> {
        let named = self.ast.iter_functions().map(|function| function.name.to_owned());
        // Closures have names of the engine's own.
        named.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')).collect()
    }

    /// The text of its tests.
    pub fn tests(&self) -> Option<&str> {
        self.tests.as_deref()
    }

    /// What it is and may use.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn settings(&self) -> &Data {
        &self.settings
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn ast(&self) -> &AST {
        &self.ast
    }

    pub(super) fn has_statements(&self) -> bool {
        self.has_statements
    }

    /// The script that a function is in.
    pub(super) fn script_of(&self, function: Option<&str>) -> Option<&Script> {
        let index = function.and_then(|function| self.origins.get(function)).copied().unwrap_or(0);
        self.scripts.get(index)
    }

    /// Its loops: in which script, line and column.
    pub(super) fn loops(&self) -> impl Iterator<Item = (&Script, (u32, u32))> {
        self.loops.iter().filter_map(|(index, place)| Some((self.scripts.get(*index)?, *place)))
    }

    /// Something that is wrong with it as a whole.
    pub(super) fn finding(&self, message: impl Into<String>) -> Finding {
        Finding::error(self.scripts.first().map_or("", |script| &script.file), message)
    }
}

/// Lists that plugin.yaml names for answers and texts.yaml does not have in each of its languages: what is wrong, and a
/// hint.
fn unlisted<'a>(manifest: &'a Manifest, data: &Map<String, Value>) -> Vec<(&'a Named, String, String)> {
    let answers = manifest.needs.as_ref().and_then(|needs| needs.answers.as_ref());
    let mut unlisted = Vec::new();
    for named in answers.iter().flat_map(|answers| &answers.words) {
        let Some(Value::Object(languages)) = data.get("texts") else {
            let message = "`words` are lists of texts.yaml, which is not in the `data` of this plugin".to_owned();
            let hint = format!("write `data: [texts.yaml]`, and there a list `{}` for each language", named.name);
            unlisted.push((named, message, hint));
            break;
        };
        let lacks = languages.iter().find(|(_, texts)| !texts.get(&named.name).is_some_and(Value::is_array));
        let Some((language, texts)) = lacks else { continue };
        let lists = texts.as_object().into_iter().flatten().filter(|(_, list)| list.is_array());
        let hint = match yaml::nearest(&named.name, lists.map(|(name, _)| name.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("write `{}: […]` there, with the words that an answer can have", named.name),
        };
        unlisted.push((named, format!("texts.yaml has no list `{}` for `{language}`", named.name), hint));
    }
    unlisted
}

/// A hash of a plugin's own files and of the modules that it uses.
fn made_of<'a>(files: Files<'_>, uses: impl Iterator<Item = &'a Named>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let modules = uses.map(|named| format!("{}.rhai", named.name));
    let modules: Vec<_> = modules.filter_map(|file| Some((files.lib.get(&file)?, file))).collect();
    for (name, bytes) in files.own.iter().chain(modules.iter().map(|(bytes, file)| (file, *bytes))) {
        for part in [name.as_bytes(), bytes.as_slice()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// A file's text.
fn text<'a>(
    files: &'a BTreeMap<String, Vec<u8>>,
    file: &str,
    shown: &dyn Fn(&str) -> String,
) -> Result<&'a str, Vec<Finding>> {
    let Some(bytes) = files.get(file) else {
        let finding = Finding::error(shown(file), "this file is missing");
        return Err(vec![finding.hint("`purser plugin new` writes a plugin with all its files")]);
    };
    std::str::from_utf8(bytes)
        .map_err(|_| vec![Finding::error(shown(file), "the file is not UTF-8").hint("save it as UTF-8")])
}

fn stem(file: &str) -> &str {
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn read_data(
    files: &BTreeMap<String, Vec<u8>>,
    file: &str,
    shown: &dyn Fn(&str) -> String,
) -> Option<Result<Value, Finding>> {
    let bytes = files.get(file)?;
    if bytes.len() > MAX_DATA {
        let message = format!("the file has {} bytes, at most {MAX_DATA} are read", bytes.len());
        return Some(Err(Finding::error(shown(file), message)));
    }
    let text = match text(files, file, shown) {
        Ok(text) => text,
        Err(mut findings) => return findings.pop().map(Err),
    };
    if !file.ends_with(".json") {
        return Some(yaml::read(&shown(file), text).map_err(|finding| *finding));
    }
    Some(serde_json::from_str(text).map_err(|error| {
        let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Finding::error(shown(file), error.to_string()).at(text, place(error.line()), place(error.column()))
    }))
}

fn compile(script: &Script) -> Result<AST, Box<Finding>> {
    if script.text.len() > MAX_SCRIPT {
        let message = format!("the script has {} bytes, at most {MAX_SCRIPT} are compiled", script.text.len());
        return Err(Box::new(Finding::error(&script.file, message).hint("move data into a YAML file beside it")));
    }
    engine().compile(&script.text).map_err(|error| Box::new(fault::in_text(&script.file, &script.text, &error)))
}

/// Scripts that were put together.
struct Linked {
    ast: AST,
    origins: HashMap<String, usize>,
    loops: Vec<(usize, (u32, u32))>,
}

/// Puts a script and its modules together, and finds what only shows then.
fn link(scripts: &[Script], asts: Vec<AST>, findings: &mut Vec<Finding>) -> Linked {
    let mut origins = HashMap::new();
    let mut known: HashMap<(String, usize), usize> = HashMap::new();
    for (index, ast) in asts.iter().enumerate() {
        for function in ast.iter_functions() {
            let key = (function.name.to_owned(), function.params.len());
            if let Some(first) = known.insert(key, index) {
                let message = format!("the function `{}` is in {} as well", function.name, scripts[first].file);
                findings.push(Finding::error(&scripts[index].file, message).hint("rename one of the two"));
            }
            if index > 0 {
                origins.insert(function.name.to_owned(), index);
            }
        }
    }
    let names = known.into_keys().map(|(name, _)| name).collect();
    for (script, ast) in scripts.iter().zip(&asts) {
        findings.extend(closures::check(&script.file, &script.text, ast));
        findings.extend(calls::check(&script.file, &script.text, ast, &names));
    }
    let mut loops = Vec::new();
    for (index, ast) in asts.iter().enumerate() {
        ast.walk(&mut |path: &[ASTNode]| {
            if let Some(ASTNode::Stmt(stmt @ (Stmt::While(..) | Stmt::Do(..) | Stmt::For(..)))) = path.last() {
                loops.push((index, fault::place(stmt.position())));
            }
            true
        });
    }
    // Constants of modules come first, so that the script's own may build on them.
    let ast = asts.into_iter().rev().reduce(|all, ast| all.merge(&ast)).unwrap_or_default();
    Linked { ast, origins, loops }
}
