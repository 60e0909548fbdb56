//! Tries a plugin with its own tests before it goes live: recordings, with what its sources say in them.

use std::sync::Arc;

use super::{Folders, Snapshot, plugins};
use crate::finding::Finding;
use crate::recording::{Failure, Recording, Replayed, Turned};
use crate::responders::Responder;
use crate::responders::pipeline::Step;
use crate::responders::script::{Files, Plugin, Script};
use crate::sources::{LookUp, NoSources};

/// A test of a plugin and what came of it.
pub struct Tried {
    /// The test.
    pub recording: Recording,
    /// How it went.
    pub replayed: Replayed,
}

/// Runs the tests of a plugin on the pipeline of this snapshot. A file that is no list of tests is a finding.
pub async fn run(plugin: &Arc<Plugin>, on: &Snapshot, folders: &Folders) -> Result<Vec<Tried>, Box<Finding>> {
    let Some(tests) = plugin.tests() else {
        let finding = Finding::error(plugin.file("tests.yaml"), "this file is missing");
        return Err(Box::new(
            finding.hint("a plugin goes live when its tests pass; `tests: []` if there is nothing to test"),
        ));
    };
    let recordings = Recording::parse_tests(&plugin.file("tests.yaml"), tests)?;
    let stage = on.stage(folders, &(Arc::new(NoSources) as Arc<dyn LookUp>));
    let mut tried = Vec::new();
    for recording in recordings {
        let mut replayed = recording.replay(&stage).await;
        replayed.turns.iter_mut().for_each(|turned| turned.failures.extend(breakdown(plugin, turned)));
        tried.push(Tried { recording, replayed });
    }
    Ok(tried)
}

/// A script that breaks down passes for customers. In a test that is a fault, even where a pass is expected.
fn breakdown(plugin: &Arc<Plugin>, turned: &Turned) -> Option<Failure> {
    let steps = &turned.answered.as_ref()?.trace;
    let own = |step: &&Step| step.responder == plugin.name() && matches!(step.said.as_str(), "failed" | "too slow");
    let step = steps.iter().find(own)?;
    let explained = turned.turn.as_ref().map(|turn| Script::new(plugin.clone(), Arc::new(NoSources)).explain(turn));
    let why = explained.into_iter().flatten().find(|line| line.starts_with("fails"));
    Some(Failure { what: "the script", expected: "answer or pass".to_owned(), got: step.said.clone(), why })
}

/// A plugin of the folder, and what came of its tests.
pub struct Trial {
    /// Its name.
    pub name: String,
    /// The file of its tests.
    pub tests: String,
    /// Its tests, or why it cannot be loaded.
    pub outcome: Result<Vec<Tried>, Vec<Finding>>,
}

/// Runs the tests of all plugins in the folder, or of the one, among the FAQ and the other plugins. An error says
/// why there is no content to run them on.
pub async fn all(folders: &Folders, only: Option<&str>) -> Result<Vec<Trial>, Vec<Finding>> {
    let loaded = super::load(folders, &super::Good::default());
    let Some(snapshot) = loaded.snapshot else { return Err(loaded.findings) };
    let tree = super::tree::Tree::read(folders);
    let root = folders.plugins.display().to_string();
    let folder = plugins::Folder::of(&tree.files);
    let mut trials = Vec::new();
    for (name, own) in folder.plugins.iter().filter(|(name, _)| only.is_none_or(|only| only == **name)) {
        let outcome = match Plugin::load(Files { name, root: &root, own, lib: &folder.modules }) {
            Ok(plugin) => {
                let plugin = Arc::new(plugin);
                let mut on = Snapshot::clone(&snapshot);
                on.plugins.retain(|other| other.name() != *name);
                on.plugins.push(plugin.clone());
                on.plugins.sort_by_key(|plugin| (plugin.manifest().order, plugin.name().to_owned()));
                run(&plugin, &on, folders).await.map_err(|finding| vec![*finding])
            }
            Err(findings) => Err(findings),
        };
        trials.push(Trial { name: (*name).to_owned(), tests: format!("{root}/{name}/tests.yaml"), outcome });
    }
    Ok(trials)
}

/// What the tests of a plugin find wrong with it, when it is offered the messages that the FAQ leaves.
pub(super) fn findings(plugin: &Arc<Plugin>, on: &Snapshot, folders: &Folders) -> Vec<Finding> {
    let alone = Snapshot { plugins: vec![plugin.clone()], ..on.clone() };
    // Never on a thread that runs a runtime already: those of the loading are its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let failed = |error| Box::new(Finding::error(plugin.file("tests.yaml"), format!("the tests cannot run: {error}")));
    let tried = runtime.map_err(failed).and_then(|runtime| runtime.block_on(run(plugin, &alone, folders)));
    match tried {
        Ok(tried) => tried.iter().flat_map(|tried| failures(plugin, tried)).collect(),
        Err(finding) => vec![*finding],
    }
}

/// A finding for each message of a test whose answer is not as it must be.
fn failures(plugin: &Plugin, tried: &Tried) -> Vec<Finding> {
    let text = plugin.tests().unwrap_or_default();
    let failed = tried.replayed.turns.iter().filter(|turned| !turned.failures.is_empty());
    let finding = |turned: &Turned| {
        let what: Vec<String> = turned.failures.iter().map(Failure::one_line).collect();
        let message = format!("the answer to \"{}\" is not as the test says: {}", turned.said, what.join("; "));
        let finding = Finding::error(plugin.file("tests.yaml"), message).at(text, turned.line, 5);
        match turned.answered_before(plugin.name()) {
            Some(by) => finding.hint(format!("{by} answered before `{}` was asked", plugin.name())),
            None => finding,
        }
    };
    failed.map(finding).collect()
}
